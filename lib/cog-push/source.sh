# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2086
# A part of cog-push: what IMAGE is, how it gets into the layout, and what it turns out to be.

find_source() {
	case $image in /* | .*) path=$image ;; -?*) path=./$image image=./$image ;; *) path= ;; esac
	if [ -n "$engine" ]; then
		source=engine
	elif [ "$image" = - ]; then
		source=stdin
		[ ! -t 3 ] || usage "stdin is a terminal: expected a saved image"
	elif [ -e "$image/oci-layout" ] || [ -d "$path" ]; then
		source=layout
		[ -z "$kept_layout" ] || usage "--layout: IMAGE is a layout already"
	elif [ -f "$image" ] || [ -n "$path" ]; then
		source='file'
		[ -e "$image" ] || fail 1 "$image: no such file or directory (an image of docker or podman begins neither with / nor with .)"
	else
		source=engine
		case $image in *.tar | *.tgz | *.tar.?*)
			fail 1 "$image: no such file or directory (an image of docker by that name: -e docker)" ;;
		esac
	fi
	absent=$COG_RUN_DIR/absent records=$COG_RUN_DIR/records
	if [ -n "$kept_layout" ]; then
		layout=$kept_layout
	elif [ "$source$composed" = layout ]; then
		layout=$image
	else # cog-run keeps one that is called layout, to go on from
		layout=$COG_RUN_DIR/${composed:+composed-}layout is_private=yes removes=yes
	fi
	case $source$composed in layout?*) source=copy ;; esac # what is composed is not put into the user's
	[ -z "$verify" ] || removes='' # it may have to send again
	setting=${COG_PUSH_COMPRESS:-gzip}${sparse:+.sparse}
}

# Finds the engine that has the image. Its ID, not the name, is saved: a name may move meanwhile.
find_engine_image() {
	found=$(stage cog-engine $verbose ${engine:+-e "$engine"} find "$image") || exit 1
	set -- $found
	engine=$1 id=$2 size=${3-} key=sha256:${2#sha256:}
	shift $((3 < $# ? 3 : $#))
	diff_ids=$*
	case ${id#sha256:} in
	"${image#sha256:}"*) [ -n "$refs" ] || usage "REF is needed, as registry/team/name:tag: an image ID is no name" ;;
	esac
	refs=${refs:-$image}
}

# Fills the layout, or with "look" lists what is in the file; the warnings come when it is converted.
# Records go to stdout and are kept for find_image.
convert() {
	way=${1-$source}
	set -- $sparse $verbose ${selector:+-i "$selector"} ${known:+--known "$known"}
	case $way in
	engine)
		echo '{"event":"phase","phase":"exporting"}' >&4
		set -- oci-from-dockertar ${size:+--input-size "$size"} "$@" "$layout"
		socket=$(stage cog-engine $verbose -e "$engine" socket)
		if [ -n "$socket" ]; then
			stage cog-docker-save $verbose "$socket" "$id" "$@"
		else
			stage cog-engine $verbose -e "$engine" save "$id" | stage "$@"
		fi
		;;
	stdin) stage oci-from-dockertar "$@" "$layout" <&3 ;;
	file) stage oci-from-dockertar -f "$image" "$@" "$layout" ;;
	copy)
		{ tar -C "$image" -cf - . 2>"$COG_RUN_DIR/tar" || fail 1 "$(tail -n 1 "$COG_RUN_DIR/tar")"; } |
			stage oci-from-dockertar "$@" "$layout"
		;;
	layout) stage oci-blobs "$@" $incomplete "$layout" ;;
	look) export TMPDIR="$COG_RUN_DIR" && stage oci-tar-images --layers "$@" "$image" 4>/dev/null ;;
	esac | tee "$records" 2>"$COG_RUN_DIR/said" || fail 1 "records: $(cat "$COG_RUN_DIR/said")"
}

# When all went well: sets root to the digest of the image that the records are about, and refs, if
# not given, to its one full name. Of a layout the last record is the root, and index.json has the names.
find_image() {
	check_failed
	[ "$source" != layout ] || set -- "$layout/index.json"
	found=$(jq -rn '[inputs] | if .[-1].manifests then .[-2].digest as $root | [{digest: $root,
			names: [.[-1].manifests[] | select(.digest == $root).annotations |
				.["io.containerd.image.name"] // .["org.opencontainers.image.ref.name"] // empty]}]
		else map(select(.event == "image" or .event == "source")) end |
		(map(.digest // .configDigest) | unique) as $roots | (map(.names[]) | unique - [""]) as $names |
		"\($roots | join(",")) \(if $names == [] then $roots else $names end | join(" "))"' "$records" "$@" 2>&4) || fail 1 "jq failed"
	root=${found%% *} names=${found#* }
	case $root in
	'') fail 65 "$image: no image in it" ;;
	*,*) usage "$image holds several images, choose one with -i: $names" ;;
	esac
	[ -z "$refs" ] || return 0
	case " $names " in
	*" ${selector:-:} "*) names=$selector ;;
	esac
	case $names in
	*[!][A-Za-z0-9._:/@-]*) usage "$image has several names, give REF: $names" ;;
	*/*) refs=$names ;;
	*) usage "$image has no full name, give REF: $names (as registry/team/name:tag)" ;;
	esac
	set_repository
}

# Before anything is sent: refuses a file of several images, and finds the name if there is no REF.
# A pipe has the names at its end and is converted first, and so is what a part is chosen of.
look() {
	if [ -n "$index" ]; then
		(eval "check_all $images")
		check_failed
	elif [ "$source$chosen" = file ] && [ -f "$image" ]; then
		# A tar that is compressed as a whole would have to be read through.
		[ -z "$refs" ] || dd if="$image" bs=512 count=1 2>/dev/null | tr -d '\000' | grep -q ustar ||
			return 0
		convert look >&4
		find_image
		key=$root root= # it is not yet converted
		diff_ids=$(sed -n 's/^{"event":"layer".*"diffId":"\([^"]*\).*/\1/p' "$records")
	elif [ -z "$refs" ] || [ -n "$chosen" ]; then
		convert >&4
		find_image
		[ -z "$chosen" ] || edit $chosen
		say_resume
		key=''
		source=layout selector=$root
		exec 6>/dev/null # all was announced
	fi
}
