# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2046,SC2086
# A part of cog-push: uploads as jobs of an engine that the user names, such as parallel, here or elsewhere.
#
# The engine is a command that gets one more argument, a job as a shell reads it in which {} stands for a
# digest, and on stdin the digests, one a line. What jobs write to stdout it writes to stdout, and when one
# has failed for good it ends with a failure. The job is a script in the run directory. It and all that it
# names are to be there, under the same names, wherever jobs run. A job lives as long as a file beside it,
# the leash: that also ends those that a killed engine can't end.

# The digests, up to the mark of their end.
take_queue() {
	while read -r digest; do
		case $digest in -*) return ;; esac
		printf '%s\n' "$digest" || return
	done <"$COG_RUN_DIR/queue"
}

# write_job ARG...: the script that runs an uploader with ARG... for the digest $1, as we would here: with our
# environment and folder. A failure that may be mended by another try elsewhere goes to a file.
write_job() {
	echo 'exec 8>&2 2>/dev/null'
	for each in $(env | sed -n 's/^\(COG_[A-Z_]*\)=.*/\1/p') HOME XDG_STATE_HOME XDG_CACHE_HOME DOCKER_CONFIG \
		REGISTRY_AUTH_FILE SSL_CERT_FILE SSL_CERT_DIR https_proxy http_proxy no_proxy; do
		case $each in COG_REPORT_FD | COG_RUN_PID | COG_RUN_KEEP) continue ;; esac
		eval "[ -z \"\${$each-}\" ] || echo \"export\$(quote \"$each=\${$each-}\")\""
	done
	cat <<-END
		PATH=$(quote "$here" | cut -c 2-):\$PATH
		run=$(quote "$COG_RUN_DIR" | cut -c 2-)
		cd$(quote "$PWD")
		COG_REPORT_FD=7 oci-blob-upload$(quote "$@") "\$1" 2>&8 8>&- 7>"\$run/reports/\$1" &
		job=\$!
		while : <"\$run/leash"; do sleep 1; done >/dev/null 8>&- && kill \$job &
		leash=\$!
		stopped=
		trap 'stopped=yes; kill \$job' INT TERM HUP
		wait \$job
		status=\$?
		[ -z "\$stopped" ] || wait \$job
		kill \$leash
		exit \$status
	END
}

# start_jobs ARG...: in place of the pool. A restart finds the same files.
start_jobs() {
	uploaders=1
	: >"$COG_RUN_DIR/leash"
	[ -d "$COG_RUN_DIR/reports" ] || mkfifo "$COG_RUN_DIR/jobs" && mkdir -p "$COG_RUN_DIR/reports"
	(write_job "$@") >"$COG_RUN_DIR/job" || fail 1 "no job in $COG_RUN_DIR"
	# Other words may come from a login, and a line has to be written at once.
	grep --line-buffered -E '^{"event":"(done|progress|retry)"' <"$COG_RUN_DIR/jobs" >&4 &
	eval "run_jobs $jobs_with" >"$COG_RUN_DIR/jobs" &
	pool=$!
}

# run_jobs COMMAND...: parallel gets what it needs for this, unless the user says otherwise: records as they
# come, as many jobs on a node as there would be here, a job that fails is tried on other nodes, and the
# first that fails for good ends all.
run_jobs() {
	export PARALLEL="--line-buffer --retries 3 --halt now,fail=1 --jobs $concurrency ${PARALLEL-}"
	export PARALLEL_SSH="${PARALLEL_SSH:-ssh -o BatchMode=yes -o ServerAliveInterval=15}"
	take_queue | "$@" "sh$(quote "$COG_RUN_DIR/job") {}" 2>&$said_to 3<&- 4>&- 5>&- 6>&- 8>&- &
	engine=$!
	trap 'rm -f "$COG_RUN_DIR/leash"; kill "$engine"' TERM
	wait "$engine" && return
	status=$?
	rm -f "$COG_RUN_DIR/leash"
	# The first in time: those who were stopped for it have something to say as well.
	cause=$(cd "$COG_RUN_DIR/reports" && grep -hv '^130' $(ls -tr) | head -n 1)
	[ -n "$cause" ] || fail 1 "--jobs-with: $1 ended with status $status"
	printf '%s\n' "$cause" >&9
	: >"$COG_RUN_DIR/failed"
	exit 1
}
