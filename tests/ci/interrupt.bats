# SPDX-License-Identifier: Apache-2.0
# A push that is stopped at ten points: Ctrl-C at a terminal, TERM, HUP and kill -9.
load ../helper
load peers

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	start_docker_registry
	start_dockerd
	build_image ci/image:1
}

setup() {
	own_world
	# Nothing is known from the push before: each takes its time.
	export XDG_CACHE_HOME=/dev/null/none
	export COG_PUSH_CHUNK_SIZE=4194304 COG_PUSH_CONCURRENCY=2
	MARK=mark-$RANDOM-$RANDOM
	TMUX_TMPDIR=
	measure
}

# start_push REF: cog-push in the background, marked; its pid in $push.
start_push() {
	COG_TEST_MARK=$MARK cog-push --json ci/image:1 "$1" >records 2>errors 3>&- &
	push=$!
}

# How long a whole push takes, in ms.
measure() {
	local begin
	begin=$(date +%s%N)
	start_push "$(next_reference)"
	wait "$push" || {
		cat errors
		return 1
	}
	DURATION=$((($(date +%s%N) - begin) / 1000000))
	echo "a push takes $DURATION ms"
}

next_reference() {
	echo "$DOCKER_REGISTRY/ci/stopped-$BATS_TEST_NUMBER-$RANDOM$RANDOM:1"
}

marked() {
	grep -lsa "COG_TEST_MARK=$MARK" /proc/[0-9]*/environ
}

nothing_runs() {
	! marked >running
}

# wait_part MS: lets the push go on for so long.
wait_part() {
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# stop_at POINT SIGNAL: $status of a push that gets SIGNAL at POINT twelfths of its time. When the
# machine was so fast that the push was over before, it is tried again, earlier.
stop_at() {
	local delay=$((DURATION * $1 / 12))
	for _ in 1 2 3 4 5; do
		start_push "$(next_reference)"
		wait_part "$delay"
		kill -s "$2" "$push" || :
		status=0
		wait "$push" || status=$?
		[ "$status" -eq 0 ] || break
		delay=$((delay * 2 / 3))
	done
	echo "--- $2 after $delay ms: status $status, $(wc -l <records) records"
	tail -n 2 records
	cat errors
}

nothing_runs_soon() {
	wait_for 10 nothing_runs || {
		xargs -n 1 -a running ls -l
		return 1
	}
}

# A normal push of the same image works, and then nothing is left behind.
push_goes_through() {
	try cog-push ci/image:1 "$(next_reference)"
	[ "$status" -eq 0 ]
	find "$TMPDIR" -mindepth 1
	[ "$(find "$TMPDIR" -mindepth 1)" = "" ]
}

stops_cleanly() {
	local point
	for point in $(seq 10); do
		stop_at "$point" "$1"
		[ "$status" -eq 130 ]
		nothing_runs_soon
		find "$TMPDIR" -mindepth 1
		[ "$(find "$TMPDIR" -mindepth 1)" = "" ]
	done
	push_goes_through
}

@test "TERM at ten points: status 130, nothing running, nothing left" {
	stops_cleanly TERM
}

@test "HUP at ten points: status 130, nothing running, nothing left" {
	stops_cleanly HUP
}

@test "kill -9 at ten points: nothing running, and the next push sweeps what was left" {
	local point
	for point in $(seq 10); do
		stop_at "$point" KILL
		[ "$status" -eq 137 ]
		nothing_runs_soon
	done
	push_goes_through
}

teardown() {
	[ -n "$TMUX_TMPDIR" ] || return 0
	tmux -L session kill-server 2>/dev/null
	rm -rf "$TMUX_TMPDIR"
}

# ctrl_c_at POINT: types Ctrl-C into a terminal in which cog-push runs in the foreground.
ctrl_c_at() {
	local delay=$((DURATION * $1 / 12))
	for _ in 1 2 3 4 5; do
		rm -f status started
		cat >session <<-END
			trap : INT
			: >started
			COG_TEST_MARK=$MARK cog-push ci/image:1 "$(next_reference)" 2>errors >out
			echo \$? >status.new
			mv status.new status
		END
		tmux -L session -f /dev/null new-session -d -x 80 -y 24 -c "$WORLD" "sh ./session"
		wait_for 10 test -e started
		wait_part "$delay"
		tmux -L session send-keys C-c || :
		wait_for 30 test -e status
		status=$(cat status)
		[ "$status" -eq 0 ] || break
		delay=$((delay * 2 / 3))
	done
	echo "--- Ctrl-C after $delay ms: status $status"
	cat errors
}

@test "Ctrl-C at a terminal at ten points: status 130, nothing running, nothing left" {
	local point
	TMUX_TMPDIR=$(mktemp -d /tmp/tmux.XXXXXX)
	export TMUX_TMPDIR SHELL=/bin/sh TERM=${TERM:-xterm}
	# One that is about to end with its last session would refuse the next.
	tmux -L session -f /dev/null start-server \; set-option -s exit-empty off
	for point in $(seq 10); do
		ctrl_c_at "$point"
		[ "$status" -eq 130 ]
		nothing_runs_soon
		[ "$(find "$TMPDIR" -mindepth 1)" = "" ]
	done
	push_goes_through
}
