# SPDX-License-Identifier: Apache-2.0
# Runs in the background, and what is left of them: each carries a mark in its environment.

# begin CMD...: in the background, marked; RUN is its pid, its streams go to the files out and err.
# Descriptor 8 is the test's own.
begin() {
	MARK=$BATS_TEST_TMPDIR.$RANDOM
	COG_TEST_MARK=$MARK "$@" <&0 >out 2>err 3>&- 8>&- &
	RUN=$!
	SERVERS+=("$RUN")
}

# finish: waits for it and sets status, output and stderr, which are shown when the test fails.
finish() {
	status=0
	wait "$RUN" || status=$?
	output=$(cat out) stderr=$(said_by "" err)
	echo "--- status $status"
	echo "--- stdout: $output"
	echo "--- stderr: $stderr"
}

# marked: the processes that carry the mark (a zombie carries none).
marked() {
	grep -lsaF "COG_TEST_MARK=$MARK" /proc/[0-9]*/environ
}

is_gone() {
	! marked
}

# is_clean: no process of the run and nothing in TMPDIR.
is_clean() {
	is_gone && [ -z "$(ls -A "$TMPDIR")" ]
}
