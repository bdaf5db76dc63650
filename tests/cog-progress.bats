# SPDX-License-Identifier: Apache-2.0
load helper
load processes

A=sha256:$(printf 'a%.0s' {1..64})
B=sha256:$(printf 'b%.0s' {1..64})

setup() {
	own_world
}

# record DIGEST SIZE HOW [MS]
record() {
	printf '{"event":"done","digest":"%s","size":%s,"how":"%s","sentBytes":0,"ms":%s}\n' "$1" "$2" "$3" "${4-0}"
}

phase() {
	printf '{"event":"phase","phase":"%s"}\n' "$1"
}

@test "each blob that is in the registry is a line: digest, size, how, and how long an upload took" {
	{
		phase pushing
		record "$A" 999 exists
		record "$B" 1234567 uploaded 4321
		record "${A/aaa/abc}" 5400000000 mounted 3
		phase 'done'
	} >records
	try cog-progress <records
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	[ "$stderr" = "sha256:aaaaaaaaaaaa  999 B  exists
sha256:bbbbbbbbbbbb  1.2 MB  uploaded in 4.3s
sha256:abcaaaaaaaaa  5.4 GB  mounted" ]
}

@test "a push that does not come to its end says how much is in the registry, each blob once" {
	{
		record "$A" 999 exists
		record "$A" 999 exists
		record "$B" 999960 uploaded 0
	} >records
	try cog-progress <records
	[ "$status" -eq 0 ]
	[ "$(tail -n 1 <<<"$stderr")" = "already in the registry: 2 blobs, 1.0 MB" ]
	head -n 1 records >one
	COG_RUN_DIR=$PWD try cog-progress <one
	[ "$(tail -n 1 <<<"$stderr")" = "already in the registry: 1 blob, 999 B; the same command sends only the rest" ]
	try cog-progress </dev/null
	[ "$stderr" = "" ]
}

@test "what is no record, or no complete one, is passed over, and named with -v" {
	{
		echo 'a word'
		echo '{"event":"to come","how":"new"}'
		echo '{"event":"done","digest":"x"}'
		echo '{"event":"done","digest":"\u001b[2Jxx","size":1,"how":"\u202egood"}'
		printf '{"event":"phase","phase":"done"}'
	} >records
	try cog-progress <records
	[ "$status" -eq 0 ]
	[ "$stderr" = "?[2Jxx  1 B  ?good" ]
	try cog-progress -v <records
	[ "$(head -n 1 <<<"$stderr")" = "cog-progress: not a record: a word" ]
}

@test "with --json the records go on as they are, but for errors" {
	{
		phase pushing
		echo '{ "event" : "to come", "x":1 }'
		echo '{"event":"error","status":1,"message":"no"}'
		record "$A" 999 exists
	} >records
	try cog-progress --json <records
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "$output" = "$(grep -v error records)" ]
}

@test "INT and TERM do not end it: what comes after them is shown" {
	mkfifo input
	exec 8<>input
	begin cog-progress <input
	record "$A" 1 exists >&8
	wait_for 10 grep -q aaa err
	kill -TERM "$RUN"
	kill -INT "$RUN"
	record "$B" 1 exists >&8
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
	[[ $stderr == *"sha256:bbbbbbbbbbbb  1 B  exists"* ]]
}
