# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2086
# A part of cog-push: the pool of uploaders, and what the registry has already.

queue() {
	stage oci-blob-queue $verbose "$COG_RUN_DIR/queue" "$uploaders"
}

# One of the pool that is killed can't say so, and xargs would wait for the others.
uploader='exec 8>&2 2>/dev/null; "$@" 2>&8 8>&- && exit; status=$?
[ $status -le 130 ] || printf "1\tcog-push: oci-blob-upload: ended with status %s\n" $status >&9
exit $status'

# They wait for what is queued.
start_pool() {
	[ "$count$incomplete$jobs_with" = 0 ] || set -- --absent "$absent"
	[ -z "$is_private" ] || set -- "$@" --trusted ${removes:+--remove}
	[ -z "$dry" ] || set -- "$@" "$dry"
	[ -z "$is_private" ] || eval "set -- \"\$@\" $source_roots"
	set -- $verbose ${mount_from:+"$mount_from"} "$@"
	if [ -n "$jobs_with" ] && [ "$count" -eq 0 ]; then
		start_jobs "$@" "$layout" "$repository"
		return
	fi
	printf "%0${uploaders}d" 0 | fold -w 1 | stage xargs -P "$uploaders" -I '{n}' \
		sh -c "$uploader" uploader oci-blob-upload "$@" \
		--queue "$COG_RUN_DIR/queue" "$layout" "$repository" >&4 &
	pool=$!
}

# What the registry has already is neither saved, compressed nor sent: the layout of the run lacks it. A
# layout that the user named lacks nothing.

# Sets count to how many blobs of the image this machine has pushed before; records has them.
recall() {
	[ -n "$is_private" ] && [ -n "$key" ] || return 0
	stage cog-known $verbose --compress "$setting" --lines "$COG_RUN_DIR/lines" \
		find "$layout" "$key" $diff_ids >"$records"
	check_failed
	count=$(grep -c '"kind":"[lc]' "$records") || return 0
	[ "$count" -ge "$concurrency" ] || uploaders=$count
	: >"$absent"
}

# Asks the registry for these, and says so. Sets known to a file of what is there, for the converter, and root if
# that is all.
ask_known() {
	sed -n 's/^{"event":"blob"/{"event":"known"/p' "$records" >&4
	queue <"$records" >/dev/null &
	wait "$pool"
	check_failed
	pool='' count=0 uploaders=$concurrency known=$COG_RUN_DIR/known
	if [ ! -s "$absent" ]; then
		root=$(sed -n 's/^{"event":"image","digest":"\([^"]*\).*/\1/p' "$records")
		sed -n '/^{"event":"image"/p' "$records" >&4
	fi
	grep -vFf "$absent" "$COG_RUN_DIR/lines" >"$known"
	: >"$absent"
}
