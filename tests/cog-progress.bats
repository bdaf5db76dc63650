# SPDX-License-Identifier: Apache-2.0
load helper
load processes
load records

A=sha256:$(printf 'a%.0s' {1..64})
B=sha256:$(printf 'b%.0s' {1..64})

setup() {
	own_world
}

# record DIGEST SIZE HOW [MS]
record() {
	printf '{"event":"done","digest":"%s","size":%s,"how":"%s","sentBytes":0,"ms":%s}\n' "$1" "$2" "$3" "${4-0}"
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
	[ "$(tail -n 1 <<<"$stderr")" = "already in the registry: 1 blob, 999 B; the next push sends only the rest" ]
	progress cc 2000000 1200000 >begun
	sed -i 's/"offset":0/"offset":1000000/' begun
	try cog-progress <begun
	[ "$(tail -n 1 <<<"$stderr")" = "already in the registry: 1.0 MB of 1 blob" ]
	cat one begun >both
	try cog-progress <both
	[ "$(tail -n 1 <<<"$stderr")" = "already in the registry: 1 blob, 999 B, and 1.0 MB of 1 more" ]
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

# --- In a log ------------------------------------------------------------------------------------

# feed_slowly OPTION...: cog-progress in the background reads what is written to descriptor 8.
feed_slowly() {
	mkfifo input
	exec 8<>input
	begin cog-progress "$@" <input
}

@test "a blob that takes long gets a line when it begins, one now and then, and one when it is there" {
	feed_slowly --interval 1
	convert big.safetensors 1000000 5400000000 >&8
	wait_for 10 grep -q converting err
	[ "$(cat err)" = "big.safetensors  5.4 GB  converting" ]
	convert big.safetensors 2000000 5400000000 >&8
	wait_for 10 grep -q 'big.safetensors  converting 2.0 MB of 5.4 GB' err
	{
		blob aaaaaaaaaaaa 456700000
		progress aaaaaaaaaaaa 456700000 0
		progress aaaaaaaaaaaa 456700000 123400000 12300000
	} >&8
	wait_for 10 grep -q '123.4 MB of' err
	finished aaaaaaaaaaaa 456700000 uploaded 456700000 65000 >&8
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
	# The lines in between may come more than once.
	diff - <(uniq err) <<-'END'
		big.safetensors  5.4 GB  converting
		big.safetensors  converting 2.0 MB of 5.4 GB
		sha256:aaaaaaaaaaaa  456.7 MB  pushing
		sha256:aaaaaaaaaaaa  123.4 MB of 456.7 MB, 12.3 MB/s, 28s left
		sha256:aaaaaaaaaaaa  456.7 MB  uploaded in 1m05s
		already in the registry: 1 blob, 456.7 MB
	END
}

# bats test_tags=slow
@test "lines do not flood a log: a thousand records of a blob within the interval are one line" {
	for n in $(seq 1000 1999); do progress aaaaaaaaaaaa 1000000 "$n" 1000; done >records
	try cog-progress <records
	[ "$stderr" = "sha256:aaaaaaaaaaaa  1.0 MB  pushing" ]
}

@test "a log does not look hung while nothing is heard of any blob" {
	feed_slowly --interval 1
	blob aaaaaaaaaaaa 1000000 >&8
	wait_for 10 grep -qx 'total: 0 of 1 layers, 0 B of 1.0 MB, at work for [0-9]*s' err
	retry '' 1 4000000 >&8
	wait_for 10 eval '[ "$(grep -c "at work" err)" -ge 2 ]'
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
	# But it is silent before the first record.
	exec 8<>input
	begin cog-progress --interval 1 <input
	sleep 1.5
	exec 8>&-
	finish
	[ "$stderr" = "" ]
}

@test "a blob that is tried again still gets its line now and then" {
	feed_slowly --interval 1
	{
		progress aaaaaaaaaaaa 1000000 0
		retry aaaaaaaaaaaa 2 4000000
	} >&8
	wait_for 10 grep -q '^sha256:aaaaaaaaaaaa  retrying in [0-9]* s (2/5): busy$' err
	exec 8>&-
	finish
}

# --- The end -------------------------------------------------------------------------------------

@test "in the end it says what was published: reference, tags, platform, layers, bytes, time, rate" {
	{
		blob aaaaaaaaaaaa 1000000
		blob bbbbbbbbbbbb 2000000
		blob cccccccccccc 3000000
		blob dddddddddddd 400 config
		image eeeeeeeeeeee linux/arm64/v8
		finished aaaaaaaaaaaa 1000000 uploaded 1100000 10
		finished bbbbbbbbbbbb 2000000 exists
		finished cccccccccccc 3000000 mounted
		finished dddddddddddd 400 uploaded 400 10
		manifest eeeeeeeeeeee "localhost:5000/a/b:v1"
		manifest eeeeeeeeeeee "localhost:5000/a/b:latest"
		phase 'done'
	} >records
	try cog-progress <records
	[ "$status" -eq 0 ]
	diff - <(grep -v '^sha256:' <<<"$stderr" | sed -E 's/ in [0-9.]+s(, [0-9.]+ [MG]B.s)?$/ in a time/') <<-END
		localhost:5000/a/b@$(digest_of eeeeeeeeeeee)
		  tags: v1, latest
		  platform: linux/arm64/v8
		  layers: 1 new, 1 existing, 1 mounted
		  sent: 1.1 MB of 6.0 MB in a time
	END
	try cog-progress --progress=none <records
	[ "$(grep -c '^sha256:' <<<"$stderr")" -eq 0 ]
	[ "$(wc -l <<<"$stderr")" -eq 5 ]
	for option in -q --quiet --json --progress=json; do
		try cog-progress $option <records
		[ "$stderr" = "" ]
	done
}

@test "an index has the manifests below it, and what is about it, as far as there is room" {
	{
		image aaaaaaaaaaaa linux/amd64
		image bbbbbbbbbbbb linux/arm64
		image cccccccccccc
		manifest aaaaaaaaaaaa "localhost:5000/b@$(digest_of aaaaaaaaaaaa)"
		manifest bbbbbbbbbbbb "localhost:5000/b@$(digest_of bbbbbbbbbbbb)"
		manifest dddddddddddd "localhost:5000/b:cog-weight.x"
		manifest cccccccccccc "localhost:5000/b:v1"
		manifest eeeeeeeeeeee "localhost:5000/b@$(digest_of eeeeeeeeeeee)"
		phase 'done'
	} >records
	try cog-progress <records
	diff - <(head -n -2 <<<"$stderr") <<-END
		localhost:5000/b@$(digest_of cccccccccccc)
		  tags: v1
		  sha256:aaaaaaaaaaaa  linux/amd64
		  sha256:bbbbbbbbbbbb  linux/arm64
		  sha256:dddddddddddd  cog-weight.x
		  sha256:eeeeeeeeeeee
	END
	{
		for n in $(seq 100 139); do manifest "$n" "localhost:5000/b@$(digest_of "$n")"; done
		manifest aaaaaaaaaaaa "localhost:5000/b:v1"
		phase 'done'
	} >records
	try cog-progress <records
	[ "$(wc -l <<<"$stderr")" -eq 21 ]
	[[ $stderr == *"  and 24 more"* ]]
}

@test "a layer that was known, and made again in another form, is one layer" {
	{
		printf '{"event":"layer","diffId":"%s"}\n' "$(digest_of 11)" "$(digest_of 22)" "$(digest_of 11)"
		printf '{"event":"known","digest":"%s","size":5,"kind":"layer","diffId":"%s"}\n' \
			"$(digest_of aa)" "$(digest_of 11)" "$(digest_of bb)" "$(digest_of 22)"
		finished aa 5 exists
		convert blobs/x 1 2 22
		printf '{"event":"blob","digest":"%s","size":7,"kind":"layer","diffId":"%s"}\n' \
			"$(digest_of cc)" "$(digest_of 22)"
		finished cc 7 uploaded 7 1
		manifest ee "localhost:5000/b:v1"
		phase 'done'
	} >records
	try cog-progress <records
	[[ $stderr == *"layers: 1 new, 1 existing, 0 mounted"*"sent: 7 B of 12 B in "* ]]
}

# --- A filter ------------------------------------------------------------------------------------

@test "with --tee all records go on, byte for byte, and are shown" {
	{
		phase pushing
		echo '{ "event" : "to come", "x":1 }'
		echo 'no record'
		echo '{"event":"error","status":1,"message":"no"}'
		printf '%s' "$(finished aa 1 exists)"
	} >records
	try cog-progress --tee <records
	[ "$status" -eq 0 ]
	diff <(grep -v 'no record' records) - <<<"$output"
	[[ $stderr == *"sha256:aa0000000000  1 B  exists"* ]]
	try sh -c 'cog-progress --tee <records >/dev/full'
	[ "$status" -eq 1 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-progress: write stdout: "* ]]
}

@test "with --messages lines that are no records are shown, cleaned, whatever else is" {
	{
		echo 'oci-blob-upload: warning: one'
		finished aa 1 exists
		printf 'two \033[2J\342\200\256 \303\244\r\n'
		printf 'three'
	} >records
	try cog-progress --messages <records
	[ "$stderr" = "oci-blob-upload: warning: one
sha256:aa0000000000  1 B  exists
two ?[2J? ä
three
already in the registry: 1 blob, 1 B" ]
	for option in --quiet --json --progress=json; do
		try cog-progress --messages $option <records
		[ "$stderr" = "oci-blob-upload: warning: one
two ?[2J? ä
three" ]
	done
	[ "$output" = "$(finished aa 1 exists)" ]
}

@test "--progress=tty draws where there is no terminal too, in one write a frame, and never hides the cursor" {
	feed_slowly --progress=tty
	progress aa 1000 500 >&8
	wait_for 10 grep -q total err
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
	# Up, erase, color: nothing else, and no other mode of the terminal.
	[ "$(grep -oP '\e\[[^A-Za-z]*[A-Za-z]' err | sed 's/[0-9]*\([AK]\)$/\1/' | sort -u | tr -d '\033\n')" = "[?7h[?7l[A[J[K" ]
}

@test "wrong usage is one line and status 2" {
	for arguments in --progress=bars --progress= --interval=0 --interval=x "one"; do
		try cog-progress $arguments </dev/null
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
		[[ $stderr == "cog-progress: "*"(try 'cog-progress --help')" ]]
	done
}

# bats test_tags=slow
@test "records with wild numbers, long texts and many blobs are shown as far as that goes" {
	local long how
	mkfifo fifo
	long=$(printf 'x%.0s' {1..3000})
	{
		echo '{"event":"progress","digest":"sha256:aa","size":9223372036854775807,"offset":9223372036854775807,"sentOffset":9223372036854775807,"bytesPerSecond":9223372036854775807}'
		echo '{"event":"progress","digest":"sha256:ab","size":-1,"offset":-5,"sentOffset":1.5,"bytesPerSecond":"x"}'
		echo '{"event":"done","digest":"sha256:ac","size":9223372036854775807,"how":"uploaded","sentBytes":9223372036854775807,"ms":9223372036854775807}'
		echo '{"event":"retry","digest":"sha256:ad","attempt":9223372036854775807,"maxAttempts":1,"delayMs":9223372036854775807}'
		echo '{"event":"convert","source":"","inputBytes":5,"inputSize":0}'
		echo '{"event":"manifest","digest":"sha256:m","ref":"no slash"}'
		echo '{"event":"layer"}'
		printf '{"event":"convert","source":"%s","inputBytes":5}\n' "$long"
		printf '{"event":"done","digest":"%s","size":1,"how":"%s"}\n' "$long" "$long"
		printf '{"event":"image","digest":"%s","platform":"%s"}\n' "$long" "$long"
		printf '{"event":"manifest","digest":"%s","ref":"%s"}\n' "$long" "$long"
		for n in $(seq 1000 1999); do blob "$n" 1; done
		echo '{"event":"phase","phase":"done"}'
	} >records
	for how in plain tty none; do
		{
			cat records
			[ $how != tty ] || sleep 0.3 # a frame
		} >fifo &
		try cog-progress --progress=$how <fifo
		wait $!
		[ "$status" -eq 0 ]
		[ "$stderr" != "" ]
	done
}
