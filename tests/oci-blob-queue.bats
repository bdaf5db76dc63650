# SPDX-License-Identifier: Apache-2.0
load helper
load processes

A=sha256:$(printf 'a%.0s' {1..64})
B=sha256:$(printf 'b%.0s' {1..64})
END=$(printf -- '-%.0s' {1..71})

setup() {
	own_world
	mkfifo queue
}

# blob KIND DIGEST
blob() {
	printf '{"event":"blob","digest":"%s","size":1,"mediaType":"m/t","kind":"%s"}\n' "$2" "$1"
}

# blobs COUNT: layers.
blobs() {
	local format
	format=$(blob layer sha256:%064x)
	# shellcheck disable=SC2059,SC2046
	printf "$format\n" $(seq "$1")
}

# collect: reads the queue in the background into the file lines.
collect() {
	cat queue >lines 3>&- &
	SERVERS+=($!)
	COLLECTOR=$!
}

@test "the digests of layers and configs are queued as lines of 72 bytes, with an end for each uploader" {
	collect
	{ blob layer "$A"; blob config "$B"; } >records
	try oci-blob-queue queue 3 <records
	[ "$status" -eq 0 ]
	wait "$COLLECTOR"
	[ "$(cat lines)" = "$(printf '%s\n' "$A" "$B" "$END" "$END" "$END")" ]
	[ "$(wc -c <lines)" -eq $((5 * 72)) ]
}

@test "records go on to stdout as they are, also those that it doesn't know" {
	collect
	{
		echo '{"event":"phase","phase":"converting"}'
		blob layer "$A"
		echo '{ "event" : "to come", "x":1 }'
		blob manifest "$B"
		blob index "$B"
		echo '{}'
	} >records
	try oci-blob-queue queue 1 <records
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat records)" ]
	wait "$COLLECTOR"
	[ "$(cat lines)" = "$(printf '%s\n' "$A" "$END")" ]
}

@test "a digest is queued once" {
	collect
	{ blob layer "$A"; blob layer "$B"; blob layer "$A"; blob config "$B"; } >records
	try oci-blob-queue queue 1 <records
	[ "$(jq -s length <<<"$output")" -eq 4 ]
	wait "$COLLECTOR"
	[ "$(cat lines)" = "$(printf '%s\n' "$A" "$B" "$END")" ]
}

@test "several readers get each line whole and one end each" {
	blobs 100 >records
	exec 8<>queue
	for i in 1 2 3; do
		perl -e 'while (sysread(STDIN, $l, 72)) { print $l; last if $l =~ /^---/ }' \
			<queue >"got $i" 3>&- 8>&- &
		SERVERS+=($!)
	done
	try oci-blob-queue queue 3 <records
	[ "$status" -eq 0 ]
	wait "${SERVERS[@]}"
	exec 8>&-
	for i in 1 2 3; do
		[ "$(tail -n 1 "got $i")" = "$END" ]
	done
	[ "$(cat got* | grep -c '^sha256:[0-9a-f]\{64\}$')" -eq 100 ]
	[ "$(cat got* | sort -u | wc -l)" -eq 101 ]
}

@test "a digest is in the queue while the input is still open" {
	mkfifo input
	collect
	exec 8<>input
	begin oci-blob-queue queue 1 <input
	blob layer "$A" >&8
	wait_for 10 grep -q "$A" lines
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
}

@test "a line that is no record is bad input, named by its number, and no end is queued" {
	for bad in 'not json' '[1]' '' '{"event":"blob"'; do
		collect
		{ blob layer "$A"; printf '%s\n' "$bad"; } >records
		try oci-blob-queue queue 1 <records
		[ "$status" -eq 65 ]
		[ "$stderr" = "oci-blob-queue: line 2: not a record (a JSON object)" ]
		wait "$COLLECTOR"
		[ "$(cat lines)" = "$A" ]
	done
}

@test "input that ends inside of a record is bad input" {
	collect
	{ blob layer "$A"; printf '{"event":'; } >records
	try oci-blob-queue queue 1 <records
	[ "$status" -eq 65 ]
	[ "$stderr" = "oci-blob-queue: line 2: the input ends in it" ]
}

@test "a line longer than any record is bad input" {
	collect
	head -c 100000 /dev/zero | tr '\0' x >records
	try oci-blob-queue queue 1 <records
	[ "$status" -eq 65 ]
	[ "$stderr" = "oci-blob-queue: stdin: a line of more than 65536 bytes" ]
}

@test "a blob without a sha256 digest is bad input" {
	collect
	blob layer sha512:00 >records
	try oci-blob-queue queue 1 <records
	[ "$status" -eq 65 ]
	[[ $stderr == "oci-blob-queue: line 1: a blob without a sha256 digest" ]]
}

@test "uploaders that are gone are an error" {
	mkfifo input
	head -c 72 queue >lines 3>&- &
	SERVERS+=($!)
	exec 8<>input
	begin oci-blob-queue queue 1 <input
	blob layer "$A" >&8
	wait "${SERVERS[0]}"
	blob layer "$B" >&8
	exec 8>&-
	finish
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-blob-queue: the uploaders are gone" ]
}

@test "a signal ends the wait for the first uploader" {
	for signal in INT TERM HUP; do
		begin oci-blob-queue queue 1 </dev/null
		wait_for 10 grep -q S "/proc/$RUN/status"
		wait_for 10 has_handler
		kill -s "$signal" "$RUN"
		finish
		[ "$status" -eq 130 ]
		[ "$stderr" = "oci-blob-queue: interrupted" ]
	done
}

# It waits in open(2): its handlers are there.
has_handler() {
	[[ $(cat "/proc/$RUN/comm") =~ ^(oci-blob-queue|memcheck) ]] &&
		grep -q '^State:.S' "/proc/$RUN/status" &&
		[ "$((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$RUN/status") & 0x4003))" -eq $((0x4003)) ]
}

@test "a signal ends the wait for room in a full queue" {
	exec 8<>queue
	blobs 2000 >records
	begin oci-blob-queue queue 1 <records
	wait_for 10 is_full
	kill -TERM "$RUN"
	finish
	exec 8>&-
	[ "$status" -eq 130 ]
}

is_full() {
	[ "$(wc -l <out)" -gt 800 ] && grep -q '^State:.S' "/proc/$RUN/status"
}

@test "stdout that is full or closed is an error" {
	collect
	blob layer "$A" >records
	try sh -c 'exec oci-blob-queue queue 1 <records >/dev/full'
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-blob-queue: write stdout: No space left on device" ]
}

@test "what is no FIFO, is not there, or a COUNT that is no number is refused" {
	try oci-blob-queue absent 1 </dev/null
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-blob-queue: absent: No such file or directory" ]]
	touch file
	try oci-blob-queue file 1 </dev/null
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-blob-queue: file: not a FIFO" ]]
	for count in 0 -1 x ''; do
		try oci-blob-queue -- queue "$count" </dev/null
		[ "$status" -eq 2 ]
		[[ $stderr == *COUNT* ]]
	done
}
