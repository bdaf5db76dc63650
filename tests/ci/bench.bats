# SPDX-License-Identifier: Apache-2.0
# The bench itself, with an image so small that its figures mean nothing.
load ../helper

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

bench() {
	try timeout -k 10 900 "$PYTHON" "$ROOT/tests/bench" --rounds 1 --size 5 --json figures.json "$@"
}

# The processes that name a folder that the bench has made, in an argument or as TMPDIR, and what is there.
leftovers() {
	grep -lF "$TMPDIR/bench." /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true
	ls "$TMPDIR"
	grep -F "$TMPDIR/" /proc/self/mountinfo || true
}

is_clean() {
	left=$(leftovers)
	[ -z "$left" ]
}

# figures TASK: task and tool of the rows that have all figures.
figures() {
	jq -r --arg task "$1" '.tasks[$task] | to_entries[] | select(.value |
		.wall > 0 and .cpu >= 0 and .peak > 0 and .sent >= 0 and .requests >= 0) | .key' figures.json
}

@test "every task of the bench gives figures of cog-push and of its peers, and leaves nothing behind" {
	bench --markdown table.md
	[ "$status" -eq 0 ]
	jq -r '.tasks | to_entries[] | "\(.key): \(.value | keys_unsorted | join(", "))"' figures.json
	for task in convert push-layout push-tls push-tar push-tar-again push-60-layers push-100-layers; do
		figures "$task" | grep -x cog-push
		figures "$task" | grep -x skopeo
	done
	for task in push-docker push-docker-again push-docker-new; do
		figures "$task" | grep -x cog-push
		figures "$task" | grep -x docker
	done
	figures push-docker-new | grep -x 'docker save'
	figures push-podman | grep -x podman
	figures push-layout | grep -x curl
	figures floor | grep -x 'all of it'
	figures scale | grep -x 'push 1000 layers'
	[[ $output == *"push-tar-again"* ]]
	grep '^| push-tls | skopeo |' table.md
	wait_for 20 is_clean || echo "# left: $left" >&3
	[ -z "$left" ]
}

@test "cog-push sends the layers of a push once, and of one that is there only the question" {
	bench push-tar push-tar-again
	[ "$status" -eq 0 ]
	jq -e '.tasks | .["push-tar"]["cog-push"].sent > 2 and .["push-tar-again"]["cog-push"].sent < 0.1' figures.json
}

# is_flat FEW MANY: a task's CPU time for a unit is at most three times that of the smaller one, of which a
# hundredth of a second is a tenth: where it grew with the number, it would be four times and more.
is_flat() {
	jq -e --arg few "$1" --arg many "$2" '.tasks.scale | .[$many].cpu_ms_each <= .[$few].cpu_ms_each * 3' figures.json
}

@test "cost grows with an image as it should, from 100 MB to 4 GB and from 250 layers to 1,000, and memory does not" {
	bench --size 1000 scale
	[ "$status" -eq 0 ]
	echo "$output"
	for task in convert push; do
		is_flat "$task 100 MB" "$task 4000 MB"
		is_flat "$task 250 layers" "$task 1000 layers"
		jq -e --arg task "$task" '.tasks.scale | (.[$task + " 4000 MB"].peak - .[$task + " 100 MB"].peak) <= 4' figures.json
	done
}

@test "a tool that fails is named with its last line, and the others go on" {
	mkdir programs
	printf '#!/bin/sh\necho first >&2\necho no way >&2\nexit 3\n' >programs/crane
	chmod +x programs/crane
	PATH=$PWD/programs:$PATH bench push-layout
	[ "$status" -eq 1 ]
	[[ $stderr == *"bench: push-layout: crane: no way"* ]]
	[[ $output == *"failed: push-layout: crane: no way"* ]]
	figures push-layout | grep -x cog-push
	run figures push-layout
	[[ $output != *crane* ]]
	wait_for 20 is_clean || echo "# left: $left" >&3
	[ -z "$left" ]
}

@test "a bench that is stopped leaves nothing behind" {
	"$PYTHON" "$ROOT/tests/bench" --size 5 --rounds 1000 push-docker >said 2>&1 3>&- &
	wait_for 60 grep -q 'push-docker: docker' said
	[ -n "$(leftovers)" ]
	kill "$!"
	status=0
	wait "$!" || status=$?
	cat said
	[ "$status" -eq 143 ]
	wait_for 20 is_clean || echo "# left: $left" >&3
	[ -z "$left" ]
}
