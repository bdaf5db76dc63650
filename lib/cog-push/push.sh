# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2086
# A part of cog-push: one push, from the first look to the last tag.

# How to go on after a temporary failure: cog-run shows it and keeps the layout.
say_resume() {
	[ -z "${COG_HAS_FALLBACK-}$dry" ] || return 0
	kept=${kept_layout:-$COG_RUN_KEEP} after=''
	if [ -n "$composed" ]; then
		echo "to go on: cog-push$command" >"$COG_RUN_DIR/resume"
		return
	fi
	[ "$layout" = "$image" ] || [ -n "$kept_layout" ] || after=" && rm -r$(quote "$kept")"
	if [ "$layout" = "$image" ]; then
		set -- $incomplete ${selector:+-i "$selector"} $sparse "$image" $refs
	elif [ -z "$root" ]; then
		set -- --layout "$kept" ${selector:+-i "$selector"} $sparse "$image" $refs
	else
		set -- ${kept_layout:+-i "$root"} ${is_private:+--incomplete} "$kept" $refs
	fi
	echo "to go on: cog-push$again$(quote "$@")$after" >"$COG_RUN_DIR/resume"
}

push() {
	look
	recall
	start_pool
	stage oci-push-check $verbose $dry $refs >&4
	[ -n "$dry" ] || echo '{"event":"phase","phase":"pushing"}' >&4
	[ "$count" -eq 0 ] || ask_known
	eval "prepare_weights $weights"
	[ -z "${known:+$root}" ] || is_known=yes
	if [ -z "$is_known" ] || [ -n "$absent_weights" ]; then
		send
	fi
	compose
	finish
	rm -f "$COG_RUN_DIR/resume"
	[ -n "$dry" ] || echo '{"event":"phase","phase":"done"}' >&4
}

produce() {
	eval "pack_weights $absent_weights"
	if [ -n "$index" ]; then
		eval "convert_all $images"
	elif [ -z "$is_known" ]; then
		convert
	fi
}

# Converts and uploads what the registry does not have.
send() {
	say_resume
	[ -n "$pool" ] || start_pool
	produce | queue >&6 &
	wait "$!"
	if [ -n "$index" ]; then
		check_failed
		root=$(cat "$COG_RUN_DIR/roots")
	elif [ -z "$is_known" ]; then
		find_image
	fi
	say_resume
	wait "$pool"
	pool=''
	check_failed
	[ ! -s "$absent" ] || fail 65 \
		"$image: blob $(head -n 1 "$absent") is neither there nor in the registry"
}

# The manifests go last. What the layout lacks may be lost since it was there.
finish() {
	publish || {
		[ "$?$dry" = 65 ] || give_up
		mend
		publish || give_up
	}
	check_failed
	[ -z "$verify" ] || attempt verify >"$COG_RUN_DIR/missing" || {
		grep -q '"event":"blob"' "$COG_RUN_DIR/missing" || give_up
		mend
		publish || give_up
		stage verify >/dev/null
	}
	check_failed
	[ -z "$attached" ] || eval "attach $attached"
	[ -z "$key" ] || [ -n "$dry" ] ||
		attempt cog-known $verbose --compress "$setting" add "$layout" "$key" "$converted" >/dev/null
}

verify() {
	oci-verify $verbose $sparse -i "$root" "$layout" "$repository"
}

# Sends again what the registry has lost: from the layout, or from the source if that lacks it.
mend() {
	echo "cog-push: warning: $(cut -f 2 "$COG_RUN_DIR/report"): sent again" >&4
	case $known$removes,$source in
	*?,file | *?,engine | *?,copy) ;;
	*) [ -n "$index" ] || { source=layout selector=$converted; } ;;
	esac
	known='' is_known='' removes='' absent_weights=$all_weights
	send
	compose
}

# The way that COG_PUSH_OCI and --fallback tell. The push that docker push may follow is a run of its own.
push_by_choice() {
	set -- ${selector:+-i} ${kept_layout:+-l} $json $sparse ${mount_from:+--mount-from} $compress $verify $tls $limit $dry \
		${index:+--index} ${weights:+--weights} ${attached:+--attach} ${edits:+${docker_types:---annotation}} \
		${platform:+--platform} $attestations ${jobs_with:+--jobs-with}
	[ "$engine" = docker ] || set -- images but its own
	choice=${fallback:-${COG_PUSH_OCI-}}
	case $choice,$* in
	0, | yes, | 1,) ;;
	0,*) usage "COG_PUSH_OCI=0: docker push does not know $*" ;;
	yes,*) usage "--fallback: docker push does not know $*" ;;
	*) push; return ;;
	esac
	if [ "$choice" != 0 ]; then
		COG_PUSH_OCI='' COG_HAS_FALLBACK=yes "$self" $verbose $quiet $progress -e docker "$id" $refs <&3 2>&8 8>&- && exit
		status=$?
		case $status in 2 | 77 | 130) exit "$status" ;; esac
		echo "cog-push: warning: falling back to docker push" >&8
	fi
	stage cog-engine $verbose $quiet push "$id" $refs >"$COG_RUN_DIR/digests"
	root=$(tail -n 1 "$COG_RUN_DIR/digests")
}
