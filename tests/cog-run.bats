# SPDX-License-Identifier: Apache-2.0
load helper
load processes

# run_directory: the one that is there.
run_directory() {
	echo "$TMPDIR"/cog-push-"$(id -u)".*
}

is_ready() {
	[ -e "$WORLD/ready" ]
}

# script_of TEXT: a shell script of that text, which may make the file ready.
script_of() {
	printf '#!/bin/sh\n%s\n' "$1" >script
	chmod +x script
}

@test "the command has a private run directory, which is gone afterwards" {
	try cog-run sh -c 'ls -ld "$COG_RUN_DIR" "$COG_TOKEN_DIR"; echo "$COG_RUN_DIR"; echo x >"$COG_RUN_DIR/x"'
	[ "$status" -eq 0 ]
	[ "$(grep -c ^drwx------ <<<"$output")" -eq 2 ]
	[[ $output == *"
$TMPDIR/cog-push-$(id -u)."* ]]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "stdin, stdout, stderr, arguments and status are the command's" {
	try cog-run sh -c 'cat; echo "$1" >&2; exit 7' x "a  b" <<<"from stdin"
	[ "$status" -eq 7 ]
	[ "$output" = "from stdin" ]
	[ "$stderr" = "a  b" ]
}

@test "the first failure in time is shown, once, and the others are stopped" {
	script_of '(sleep 1000; echo never) &
		printf "65\tconverter: bad: input\n" >&9
		printf "75\tuploader: broken pipe\n" >&9
		wait'
	begin cog-run ./script
	finish
	[ "$status" -eq 65 ]
	[ "$output" = "" ]
	[ "$stderr" = "converter: bad: input" ]
	is_clean
}

@test "a program's failure counts even if the command itself succeeds" {
	try cog-run sh -c 'cog-run --nonsense; exit 0'
	[ "$status" -eq 2 ]
	[[ $stderr == "cog-run: unknown option --nonsense (try"* ]]
	has_one_line "$stderr"
}

@test "control characters of a report don't reach the terminal" {
	try cog-run sh -c 'printf "1\tx: \033[31mred\033[0m\n" >&9'
	[ "$status" -eq 1 ]
	[ "$stderr" = "x: ?[31mred?[0m" ]
}

@test "with --json the cause is the last record on stdout too" {
	try cog-run --json sh -c 'echo "{}"; printf "75\tx: y\n" >&9'
	[ "$status" -eq 75 ]
	[ "$(tail -n 1 <<<"$output")" = '{"event":"error","status":75,"message":"x: y"}' ]
	[ "$stderr" = "x: y" ]
}

@test "a command that a signal killed, that is not there, or that is missing is said" {
	try cog-run sh -c 'kill -9 $$'
	[ "$status" -eq 1 ]
	[ "$stderr" = "sh: killed by signal 9" ]
	try cog-run ./absent
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-run: ./absent: No such file or directory" ]
	try cog-run
	[ "$status" -eq 2 ]
	has_one_line "$stderr"
}

@test "INT, TERM and HUP stop the whole group" {
	script_of 'trap "echo stopped; exit 1" TERM
		sleep 1000 & touch ready; wait'
	for signal in INT TERM HUP; do
		rm -f ready
		begin cog-run ./script
		wait_for 10 is_ready
		kill -s "$signal" "$RUN"
		finish
		[ "$status" -eq 130 ]
		[ "$output" = stopped ]
		[ "$stderr" = "script: interrupted" ]
		is_clean
	done
}

@test "a second signal kills at once who ignores the first" {
	script_of 'trap "touch asked" TERM; touch ready
		while :; do sleep 0.1; done'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -INT "$RUN"
	wait_for 10 test -e asked
	local start=$EPOCHREALTIME
	kill -INT "$RUN"
	finish
	[ "$status" -eq 130 ]
	[ $((${EPOCHREALTIME/./} - ${start/./})) -lt 3000000 ]
	is_clean
}

# bats test_tags=slow
@test "who ignores TERM is killed after a grace" {
	script_of 'trap "" TERM; touch ready; sleep 1000'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -TERM "$RUN"
	finish
	[ "$status" -eq 130 ]
	is_clean
}

@test "what outlives the command is ended" {
	script_of 'sleep 1000 & exit 0'
	begin cog-run ./script
	finish
	[ "$status" -eq 0 ]
	is_clean
	# also when it does not hold the report
	script_of 'trap "" TERM; sleep 1000 9>&- & exit 3'
	begin cog-run ./script
	finish
	[ "$status" -eq 3 ]
	wait_for 10 is_clean
}

@test "kill -9 leaves no process and no file" {
	script_of 'sleep 1000 & mkdir "$COG_RUN_DIR/layout"; touch "$COG_RUN_DIR/layout/x" ready; wait'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -9 "$RUN"
	wait_for 10 is_clean
}

@test "kill -9 leaves no process that ignores TERM" {
	script_of 'trap "" TERM HUP INT; touch ready; sleep 1000'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -9 "$RUN"
	wait_for 15 is_clean
}

@test "under nohup HUP is ignored" {
	script_of 'touch ready; while [ ! -e go ]; do sleep 0.05; done; echo done'
	begin nohup cog-run ./script
	wait_for 10 is_ready
	kill -HUP "$RUN"
	touch go
	finish
	[ "$status" -eq 0 ]
	[ "$output" = "done" ]
}

@test "Ctrl-Z stops the command too, and CONT continues it" {
	script_of 'echo $$ >pid; touch ready; while [ ! -e go ]; do sleep 0.05; done; echo done'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -TSTP "$RUN"
	wait_for 10 grep -q '^State:.T' "/proc/$RUN/status"
	# D: it has just forked, as vfork(2) does, and what is to become of the child is stopped.
	wait_for 10 grep -q '^State:.[TD]' "/proc/$(cat pid)/status"
	kill -CONT "$RUN"
	touch go
	finish
	[ "$status" -eq 0 ]
	[ "$output" = "done" ]
}

@test "the next run sweeps the directory of one that is gone, not that of one that runs" {
	mkdir -m 700 "$TMPDIR/cog-push-$(id -u).1234"
	touch "$TMPDIR/cog-push-$(id -u).1234/lock"
	script_of 'touch ready; while [ ! -e go ]; do sleep 0.05; done; ls "$COG_RUN_DIR"'
	begin cog-run ./script
	wait_for 10 is_ready
	[ ! -e "$TMPDIR/cog-push-$(id -u).1234" ]
	cog-run true
	[ -d "$(run_directory)" ]
	touch go
	finish
	[ "$status" -eq 0 ]
	[[ $output == *tokens* ]]
}

@test "after a temporary failure the layout is kept if the command says how to go on" {
	script_of 'mkdir "$COG_RUN_DIR/layout"; touch "$COG_RUN_DIR/layout/blob"
		echo "again $COG_RUN_KEEP" >"$COG_RUN_DIR/resume"
		printf "%s\tx: y\n" "$1" >&9'
	try cog-run ./script 75
	[ "$status" -eq 75 ]
	kept=$(echo "$TMPDIR"/cog-push-layout.*)
	[ "$stderr" = "x: y
script: again $kept" ]
	[ "$(ls "$kept")" = blob ]
	[ "$(ls "$TMPDIR")" = "${kept##*/}" ]
	# Once for a command, however often it fails; it goes when the command succeeds.
	try cog-run ./script 75
	[ "$(ls "$TMPDIR")" = "${kept##*/}" ]
	try cog-run ./script 75 otherwise
	[ "$(ls "$TMPDIR" | wc -l)" -eq 2 ]
	# Nor does it go for one that has none to keep.
	script_of 'echo "again $COG_RUN_KEEP" >"$COG_RUN_DIR/resume"; printf "%s\tx: y\n" "$1" >&9'
	try cog-run ./script 75
	[ "$(ls "$TMPDIR" | wc -l)" -eq 2 ]
	script_of '[ -d "$COG_RUN_KEEP" ]'
	for arguments in 75 "75 otherwise"; do
		# shellcheck disable=SC2086
		try cog-run ./script $arguments
		[ "$status" -eq 0 ]
	done
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "no layout is kept where another has the name, nor after another failure" {
	script_of 'mkdir "$COG_RUN_DIR/layout"; echo "again $COG_RUN_KEEP" >"$COG_RUN_DIR/resume"
		printf "%s\tx: y\n" "$1" >&9'
	try cog-run ./script 75
	kept=$(echo "$TMPDIR"/cog-push-layout.*)
	rmdir "$kept"
	ln -s "$WORLD" "$kept"
	try cog-run ./script 75
	[ -h "$kept" ]
	[ "$(ls "$TMPDIR" | wc -l)" -eq 2 ]
	[[ $stderr == "x: y
script: again $TMPDIR/cog-push-layout."* && $stderr != *"$kept" ]]
	rm -r "${TMPDIR:?}"/*
	try cog-run ./script 1
	[ "$status" -eq 1 ]
	[ "$stderr" = "x: y" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "a token directory that the user chose is kept, that of an outer run is not" {
	COG_TOKEN_DIR=$WORLD/mine try cog-run sh -c 'echo "$COG_TOKEN_DIR"'
	[ "$output" = "$WORLD/mine" ]
	try cog-run sh -c 'echo "$COG_TOKEN_DIR"; COG_REPORT_FD= cog-run sh -c "echo \$COG_TOKEN_DIR"'
	[ "$status" -eq 0 ]
	[ "$(sort -u <<<"$output" | wc -l)" -eq 2 ]
}

@test "a run inside of a run ends with the outer one" {
	script_of 'COG_REPORT_FD= cog-run sh -c "touch ready; sleep 1000"'
	begin cog-run ./script
	wait_for 10 is_ready
	kill -TERM "$RUN"
	finish
	[ "$status" -eq 130 ]
	is_clean
	rm ready
	begin cog-run ./script
	wait_for 10 is_ready
	kill -9 "$RUN"
	wait_for 15 is_clean
}

@test "the command inherits neither the lock nor an ignored PIPE signal" {
	try env --ignore-signal=PIPE cog-run sh -c 'ls -l /proc/$$/fd; grep SigIgn /proc/$$/status'
	[ "$status" -eq 0 ]
	[[ $output != *lock* ]]
	ignored=$(sed -n 's/^SigIgn:\t//p' <<<"$output")
	[ $((0x$ignored & 0x1000)) -eq 0 ]
}

@test "a stdout that is closed can't be mistaken for one that works" {
	try sh -c 'cog-run echo x >&-'
	[ "$status" -eq 1 ]
	try sh -c 'cog-run sh -c "echo x >&2" 2>&-'
	[ "$status" -eq 0 ]
}

# bats test_tags=native
@test "a TMPDIR that is not there or not writable is said" {
	TMPDIR=$WORLD/absent try cog-run true
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-run: TMPDIR $WORLD/absent: No such file or directory" ]
	TMPDIR=/proc try cog-run true
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[[ $stderr == "cog-run: in /proc: create directory"* ]]
}

@test "after --max-time all is stopped, with status 75 and a line that says so" {
	script_of 'sleep 1000 & sleep 1000'
	begin cog-run --max-time=1 ./script
	finish
	[ "$status" -eq 75 ]
	[ -z "$output" ]
	[ "$stderr" = "script: not done after 1 s" ]
	is_clean
	begin cog-run --json --max-time=1 ./script
	finish
	[ "$(jq .status <<<"$output")" -eq 75 ]
}

@test "what is done in time, or fails before, does not see --max-time" {
	try cog-run --max-time 99999999999999999 sh -c 'exit 0'
	[ "$status" -eq 0 ]
	try cog-run --max-time 1000 sh -c 'exit 7'
	[ "$status" -eq 7 ]
	for value in 0 -1 1s ''; do
		try cog-run "--max-time=$value" true
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}
