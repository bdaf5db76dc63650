# SPDX-License-Identifier: Apache-2.0
# --limit-rate: how many bytes a second leave, in one program, in all of a run, and after a change.
load helper
load layout
load engine

setup() {
	own_world
	new_layout L
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# rate_file: that of the push that runs.
rate_file() {
	echo "$TMPDIR"/cog-push-*/limit-rate
}

has_rate() {
	[ -s "$(rate_file)" ]
}

# took_at_least MS CMD...: what try does, and whether it took so long. Less is faster than allowed.
took_at_least() {
	local least=$1 start
	shift
	start=$(now_ms)
	try "$@"
	took=$(($(now_ms) - start))
	echo "--- took $took ms, at least $least"
	[ "$took" -ge "$least" ]
}

@test "a program sends no more than its rate, with a suffix as curl has it, and loses nothing" {
	start_registry --store store
	d=$(random_blob L 100000)
	took_at_least 1600 oci-blob-upload --limit-rate 50000 L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(sha "store/${d#sha256:}")" = "${d#sha256:}" ]
	[ -z "$stderr" ]
	d=$(random_blob L 102400)
	COG_PUSH_LIMIT_RATE=50K took_at_least 1600 oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
}

@test "the programs of a run share the rate" {
	start_registry
	random_blob L 50000 >a
	random_blob L 50000 >b
	random_blob L 50000 >c
	took_at_least 2400 cog-run sh -c 'cat a b c | xargs -n 1 -P 3 oci-blob-upload --limit-rate 50000 L "$0"' \
		"$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(grep -c '"uploaded"' <<<"$output")" -eq 3 ]
}

@test "programs that are killed keep nothing of the rate" {
	start_registry
	for _ in {1..10}; do random_blob L 10000000; done >big
	random_blob L 100000 >small
	# They are killed in the middle of a chunk.
	cat >script <<-'END'
		while read -r digest; do
			oci-blob-upload --limit-rate 100000 L "$1" "$digest" >>records 2>&1 &
			pids="$pids $!"
		done <big
		until [ "$(grep -s progress records | jq -r .digest | sort -u | wc -l)" -eq 10 ]; do sleep 0.1; done
		kill -9 $pids
		wait
		exec oci-blob-upload --limit-rate 100000 L "$1" $(cat small)
	END
	try cog-run bash script "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	# One second; with an eleventh of the rate it would be eleven.
	[ "$(jq 'select(.event == "done").ms' <<<"$output")" -lt $((8000 * SLOWNESS)) ]
}

@test "a number that is written into the run directory changes the rate of a push, up and down" {
	start_registry
	head -c 300000 /dev/urandom >layer
	tar -cf image.tar layer
	# With nothing but the rate of the start it would take a minute and more.
	export COG_PUSH_COMPRESS=none COG_PUSH_MULTIPART_THRESHOLD=1
	"$ROOT/bin/oci-from-files" --artifact-type a/b --tag t made layer >/dev/null
	cog-push --json --limit-rate 4k ./made "$REGISTRY/a/b:v1" >records 2>errors 3>&- &
	pid=$!
	wait_for 20 grep -q '"progress"' records
	[ "$(cat "$(rate_file)")" = 4k ]
	echo 10M >"$(rate_file)"
	wait_for 20 grep -q '"phase":"done"' records
	wait "$pid"
	[ ! -s errors ]
	cog-push --json ./made "$REGISTRY/a/c:v1" --limit-rate 1 >records 2>errors 3>&- &
	pid=$!
	wait_for 20 has_rate
	echo nonsense >"$(rate_file)"
	echo 0 >"$(rate_file)"
	wait_for 20 grep -q '"phase":"done"' records
	wait "$pid"
}

@test "a push without a limit gets one while it runs" {
	start_registry --stall-at PATCH:1:20000:1
	head -c 300000 /dev/urandom >layer
	oci-from-files --artifact-type a/b --tag t made layer >/dev/null
	export COG_PUSH_CHUNK_SIZE=40000 COG_PUSH_MULTIPART_THRESHOLD=1
	cog-push --json ./made "$REGISTRY/a/b:v1" >records 2>errors 3>&- &
	pid=$!
	wait_for 20 has_rate
	start=$(now_ms)
	echo 60000 >"$(rate_file)"
	wait "$pid"
	[ ! -s errors ]
	# The first chunk may have left before.
	[ $(($(now_ms) - start)) -ge 3400 ]
}

# bats test_tags=slow
@test "the rate that is told is that of late, not since the beginning" {
	start_registry
	head -c 4000000 /dev/urandom >layer
	oci-from-files --artifact-type a/b --tag t made layer >/dev/null
	cog-push --json --limit-rate 1500000 ./made "$REGISTRY/a/b:v1" >records 2>errors 3>&- &
	pid=$!
	wait_for 20 grep -qE '"sentOffset":1[0-9]{6}' records
	[ "$(jq -s 'map(select(.event == "progress").bytesPerSecond) | max' records)" -gt 500000 ]
	echo 60000 >"$(rate_file)"
	sleep 7
	kill "$pid"
	wait "$pid" || true
	[ "$(jq -s 'map(select(.event == "progress"))[-1].bytesPerSecond' records)" -lt 180000 ]
}

@test "a transfer that the rate makes slow has not stalled, one whose registry stands still has" {
	start_registry
	export COG_PUSH_STALL_MS=1000 COG_PUSH_RETRIES=0
	took_at_least 2400 oci-blob-upload --limit-rate 500 L "$REGISTRY/a/b" "$(random_blob L 1500)"
	[ "$status" -eq 0 ]
	[ "$(grep -c '"retry"' <<<"$output")" -eq 0 ]
	start_registry --receive-buffer 4096 --stall-at PUT:1:1000:20
	try oci-blob-upload --limit-rate 100k L "$REGISTRY/a/b" "$(random_blob L 1000000)"
	[ "$status" -eq 75 ]
	[[ $stderr == *": the transfer stalled"* ]]
}

@test "a rate that is none is wrong usage, and names the option or the variable" {
	for each in x 1T -1 1.5M k '' 99999999999999999999 9999999999999999G; do
		for program in oci-blob-upload cog-push; do
			[ "$program" = cog-push ] && set -- ./L 127.0.0.1:1/a:1 || set -- L 127.0.0.1:1/a
			try "$program" "--limit-rate=$each" "$@"
			[ "$status" -eq 2 ]
			[[ $stderr == "$program: --limit-rate"* ]]
			has_one_line "$stderr"
			[ -n "$each" ] || continue
			try env "COG_PUSH_LIMIT_RATE=$each" "$program" "$@" </dev/null
			[ "$status" -eq 2 ]
			[[ $stderr == "$program: COG_PUSH_LIMIT_RATE: '$each' is not a number of bytes a second"* ]]
		done
	done
}

@test "docker push knows no rate" {
	fake_engine docker
	try cog-push --limit-rate 1M --fallback -e docker fixture 127.0.0.1:1/a:1
	[ "$status" -eq 2 ]
	[[ $stderr == "cog-push: --fallback: docker push does not know --limit-rate"* ]]
}
