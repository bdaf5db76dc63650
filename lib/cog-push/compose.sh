# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2086
# A part of cog-push: weights, indexes, artifacts, and manifests that are made out of others.

# member NAME FILE: of its last record, which has NAME once.
member() {
	sed -n '$s/.*"'"$1"'":"\([^"]*\)".*/\1/p' "$2"
}

# edit OPTION...: sets root to what oci-manifest-edit makes of it.
edit() {
	stage oci-manifest-edit $verbose -i "$root" "$@" "$layout" >"$COG_RUN_DIR/edited"
	check_failed
	cat "$COG_RUN_DIR/edited" >&4
	root=$(member digest "$COG_RUN_DIR/edited")
}

# prepare_weights [NAME FOLDER TARGET]...: hashes the weights, refuses what can't be one, and finds out which the registry has: of those the layout
# gets the manifest and the config.
prepare_weights() {
	while [ $# -gt 0 ]; do
		files=$COG_RUN_DIR/files.$# record=$COG_RUN_DIR/weight.$#
		stage oci-weights-digest $verbose --name "$1" --target "$3" --files "$files" "$2" | tee "$record" >&4
		check_failed
		tag=$(member tag "$record")
		weight_tags="$weight_tags $tag"
		weight=$(quote "$1" "$2" "$3" "$files") all_weights=$all_weights$weight
		found=$(stage oci-manifest-get $verbose --optional --name "$1" --target "$3" \
			--set-digest "$(member setDigest "$record")" "$layout" "$repository:$tag")
		check_failed
		[ -n "$found" ] || absent_weights=$absent_weights$weight
		shift 3
	done
}

# pack_weights [NAME FOLDER TARGET FILES]...: into the layout. What is only for this run is not copied.
pack_weights() {
	while [ $# -gt 0 ]; do
		stage oci-from-weights $verbose --name "$1" --target "$3" --files "$4" ${is_private:+--by-reference} \
			"$layout" "$2"
		shift 4
	done
}

# check_all IMAGE...: whether there are such images, for --index.
check_all() {
	for image; do
		engine=$chosen_engine
		find_source
		[ "$source" != engine ] || find_engine_image
	done
}

# convert_all IMAGE...: what each turns out to be goes to a file, as this runs in a pipe.
convert_all() {
	: >"$COG_RUN_DIR/roots"
	for image; do
		check_all "$image"
		convert
		find_image
		echo "$root" >>"$COG_RUN_DIR/roots"
	done
}

# Sets root to what is published in place of the image.
compose() {
	converted=$root
	set --
	if [ -n "$weights" ]; then
		image_root=$root
		set -- --bundle
	fi
	if [ -n "$weights$index" ]; then
		stage oci-index $verbose --tag "${refs##* }" "$@" "$layout" $root $weight_tags >"$COG_RUN_DIR/index"
		check_failed
		cat "$COG_RUN_DIR/index" >&4
		root=$(member digest "$COG_RUN_DIR/index")
	fi
	[ -z "$edits" ] || eval "edit $edits"
}

# put ROOT REF...: the manifests below it, then itself. Of a status of 65 the cause may be mended.
put() {
	root_put=$1
	shift
	attempt oci-manifest-put $verbose $dry $sparse -i "$root_put" "$layout" "$@" >&4
}

# All manifests, each after what it names.
publish() {
	for tag in $weight_tags; do
		put "$tag" "$repository:$tag" || return
	done
	if [ -n "$image_root" ]; then
		name=${refs##*/}
		case $name in *:*) tag=${name##*:} ;; *) tag=latest ;; esac
		put "$image_root" "$repository:cog-image.$tag" || return
	fi
	put "$root" $refs
}

# attach FILE:MEDIATYPE...: they are about what was published, and in a layout of their own.
attach() {
	artifacts=$COG_RUN_DIR/artifacts
	if [ -n "$dry" ]; then # the registry does not have it
		{ mkdir -p "$artifacts/blobs/sha256" && cp "$layout/oci-layout" "$layout/index.json" "$artifacts" &&
			cp "$layout/blobs/sha256/${root#sha256:}" "$artifacts/blobs/sha256"; } 2>"$COG_RUN_DIR/said" ||
			fail 1 "$(tail -n 1 "$COG_RUN_DIR/said")"
	else
		stage oci-manifest-get $verbose "$artifacts" "$repository@$root" >/dev/null
	fi
	check_failed
	for file; do
		stage oci-from-files $verbose --artifact-type "${file##*:}" --subject "$root" "$artifacts" "$file" \
			>"$COG_RUN_DIR/artifact"
		check_failed
		stage oci-blob-upload $verbose $dry "$artifacts" "$repository" <"$COG_RUN_DIR/artifact" >&4
		digest=$(member digest "$COG_RUN_DIR/artifact")
		stage oci-manifest-put $verbose $dry -i "$digest" "$artifacts" "$repository@$digest" >&4
		check_failed
	done
}
