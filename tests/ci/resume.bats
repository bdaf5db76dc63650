# SPDX-License-Identifier: Apache-2.0
# Pushes that are killed, stopped or doubled, tokens that end and disks that fill, and blobs beyond
# 4 GiB, with the scripted registry.
load ../helper
load ../layout
load ../access
load ../processes

LAYER=60000000
CHUNK=4194304

setup_file() {
	export SAVED=$BATS_FILE_TMPDIR/saved.tar
	local dir=$BATS_FILE_TMPDIR/saved
	mkdir "$dir"
	head -c "$LAYER" /dev/urandom >"$dir/content"
	tar -C "$dir" -cf "$dir/layer.tar" content
	jq -cn --arg diff_id "sha256:$(sha "$dir/layer.tar")" '{architecture: "amd64", os: "linux",
		config: {}, rootfs: {type: "layers", diff_ids: [$diff_id]}}' >"$dir/config.json"
	echo '[{"Config":"config.json","RepoTags":["ci/large:1"],"Layers":["layer.tar"]}]' >"$dir/manifest.json"
	tar -C "$dir" -cf "$SAVED" layer.tar config.json manifest.json
	rm -r "$dir"
}

setup() {
	own_world
	mkdir store
	export COG_PUSH_CHUNK_SIZE=$CHUNK COG_PUSH_MULTIPART_THRESHOLD=1000000
}

teardown() {
	# What a test that failed left running.
	[ -z "$MARK" ] || kill_marked
	! mountpoint -q "$WORLD/small" || umount "$WORLD/small"
	end_servers
}

# of_layer JQ: of the requests that brought bytes of the one large blob.
of_layer() {
	jq -s "[.[] | select(.method == \"PATCH\")] | $1" "$REGISTRY_LOG"
}

# layer_excess: bytes that the registry got beyond the layer, whose digest and size come from the store.
layer_excess() {
	local size
	size=$(find store -type f ! -name 'upload-*' -size +1000k -printf '%s\n')
	echo $(($(of_layer 'map(.bodyBytes) | add') - size))
}

# has_chunks N: the registry has accepted so many, of all pushes.
has_chunks() {
	[ "$(of_layer 'map(select(.status == 202)) | length')" -ge "$1" ]
}

kill_all() {
	local file pid
	for file in $(marked); do
		pid=${file#/proc/}
		kill -KILL "${pid%/environ}" 2>/dev/null
	done
	is_gone
}

# kill_marked: all of the run, those too that begin meanwhile.
kill_marked() {
	wait_for 10 kill_all
}

# is_pushed: the store has both blobs, each with the bytes of its digest.
is_pushed() {
	local hex hexes
	hexes=$(cd store && printf '%s\n' [!u]*)
	for hex in $hexes; do
		[ "$(sha "store/$hex")" = "$hex" ]
	done
	[ "$(wc -w <<<"$hexes")" -eq 2 ]
}

# keeps_nothing: of an upload that has ended.
keeps_nothing() {
	[ -z "$(find "$XDG_STATE_HOME/cog-push/uploads" -type f ! -name '*.tmp')" ]
}

@test "kill -9 of all of cog-push, three times, and its layout gone: the next goes on where the registry is" {
	start_registry --model v3 --store store --throttle 60000000
	local chunks
	for chunks in 2 5 9; do
		begin cog-push "$SAVED" "$REGISTRY/ci/killed:1"
		wait_for 30 has_chunks "$chunks"
		kill_marked
		wait "$RUN" || true
		rm -rf "${TMPDIR:?}"/*
	done
	try cog-push "$SAVED" "$REGISTRY/ci/killed:1"
	[ "$status" -eq 0 ]
	is_pushed
	keeps_nothing
	echo "in excess: $(layer_excess)"
	[ "$(layer_excess)" -le $((3 << 20)) ] # a TCP window each
	# One session, whatever the config took.
	[ "$(of_layer 'map(.path) | unique | length')" -eq 1 ]
}

# has_bytes N: of the layer, in the session that is open.
has_bytes() {
	[ -n "$(find store -name upload-u1 -size +"$1"c)" ]
}

@test "an uploader that is stopped in the middle of a chunk for longer than the stall limit goes on" {
	export COG_PUSH_STALL_MS=500 COG_PUSH_CHUNK_SIZE=40000000
	start_registry --model v3 --store store --throttle 20000000
	new_layout L
	local d
	d=$(random_blob L "$LAYER")
	begin oci-blob-upload L "$REGISTRY/ci/stopped" "$d"
	wait_for 20 has_bytes 5000000
	kill -STOP "$RUN"
	sleep 1.5 # what is waited for is that nothing happens
	kill -CONT "$RUN"
	finish
	[ "$status" -eq 0 ]
	cmp "L/blobs/sha256/${d#sha256:}" "store/${d#sha256:}"
	# What the registry took meanwhile is progress.
	[ "$(jq -s 'map(select(.event == "retry")) | length' <<<"$output")" -eq 0 ]
	[ "$(layer_excess)" -eq 0 ]
}

@test "a registry that is stopped in the middle of a chunk for longer than the stall limit, and goes on" {
	export COG_PUSH_STALL_MS=500 COG_PUSH_RETRY_DELAY_MS=100 COG_PUSH_CHUNK_SIZE=40000000
	start_registry --model v3 --store store --throttle 20000000
	local server=${SERVERS[-1]} stopped_at
	new_layout L
	local d
	d=$(random_blob L "$LAYER")
	begin oci-blob-upload L "$REGISTRY/ci/frozen" "$d"
	wait_for 20 has_bytes 5000000
	kill -STOP "$server"
	stopped_at=$(stat -c %s store/upload-u1)
	[ "$stopped_at" -lt "$COG_PUSH_CHUNK_SIZE" ]
	wait_for 20 grep -q '"event":"retry"' out
	[ "$(of_layer length)" -eq 0 ]
	kill -CONT "$server"
	finish
	[ "$status" -eq 0 ]
	# Others may follow, while the registry takes what lay in its socket.
	[[ $(jq -r 'select(.event == "retry") | .reason' <<<"$output" | head -n 1) == "PATCH http://$REGISTRY/"*": the transfer stalled" ]]
	cmp "L/blobs/sha256/${d#sha256:}" "store/${d#sha256:}"
	echo "stopped at $stopped_at, in excess: $(layer_excess)"
	[ "$(of_layer 'map(.path) | unique | length')" -eq 1 ]
	[ "$(layer_excess)" -le $((4 << 20)) ] # a TCP window
}

@test "two pushes of one image at once: one waits and says so, and nothing is sent twice" {
	start_registry --model v3 --store store --throttle 30000000
	begin cog-push "$SAVED" "$REGISTRY/ci/both:1"
	wait_for 30 has_chunks 2
	try cog-push "$SAVED" "$REGISTRY/ci/both:2"
	[ "$status" -eq 0 ]
	[[ $stderr == *"waits for another process that uploads it"* ]]
	[[ $stderr == *exists* ]]
	finish
	[ "$status" -eq 0 ]
	is_pushed
	keeps_nothing
	[ "$(layer_excess)" -eq 0 ]
}

@test "tokens that end during every chunk are renewed, and no chunk is sent twice" {
	start_tokens --life 2
	start_bearer_registry --model v3 --store store --throttle 2000000
	new_layout L
	local d
	d=$(random_blob L 20000000)
	try oci-blob-upload L "$REGISTRY/ci/tokens" "$d"
	[ "$status" -eq 0 ]
	[ "$(token_requests | wc -l)" -ge 4 ]
	echo "401: $(requests 'select(.status == 401)' | wc -l), in excess: $(layer_excess)"
	cmp "L/blobs/sha256/${d#sha256:}" "store/${d#sha256:}"
	[ "$(of_layer 'map(select(.status == 202)) | length')" -eq 5 ]
	[ "$(layer_excess)" -eq 0 ]
}

@test "a full disk under the journal: a warning, and the push goes on without" {
	mkdir small
	mount -t tmpfs -o size=64k tmpfs small
	head -c 100000 /dev/zero >small/full 2>/dev/null || true
	start_registry --model v3 --store store --fail-at PATCH:3:503
	COG_STATE_DIR=$WORLD/small/state try cog-push "$SAVED" "$REGISTRY/ci/full:1"
	[ "$status" -eq 0 ]
	[[ $stderr == *warning*"No space left"* ]]
	is_pushed
	[ "$(layer_excess)" -le "$CHUNK" ]
}

# status_of_run KEY: of /proc/RUN/status, in kB.
status_of_run() {
	awk -v key="$1:" '$1 == key { print $2 }' "/proc/$RUN/status"
}

is_in_last_chunk() {
	[ "$(jq .offset "$XDG_STATE_HOME"/cog-push/uploads/*.json)" -eq 4663402752 ]
}

@test "4.4 GiB: a cut and a kill beyond 4 GiB, each gone on from, and memory stays flat" {
	local size=4724464026 d hex at
	export COG_PUSH_CHUNK_SIZE=134217728
	new_layout L
	truncate -s "$size" sparse
	# Bytes that are not like their neighbours, at the places where it will be gone on from.
	for at in 4294 4428 4528 4689; do
		head -c 3000000 /dev/urandom | dd of=sparse bs=1000000 seek="$at" conv=notrunc status=none
	done
	hex=$(openssl dgst -sha256 -r sparse | cut -d' ' -f1)
	mv sparse "L/blobs/sha256/$hex"
	d=sha256:$hex
	# Chunk 33 begins at 4 GiB; 34 is cut, and in the last, which is held up, the uploader is killed.
	start_registry --model v3 --cut-at PATCH:34:100000000 --stall-at PATCH:36:30000000:60
	begin oci-blob-upload L "$REGISTRY/ci/huge" "$d"
	wait_for 120 has_chunks 34
	wait_for 20 is_in_last_chunk
	echo "memory: $(status_of_run VmHWM) kB"
	[ "$(status_of_run VmHWM)" -lt 40000 ]
	kill -KILL "$RUN"
	wait "$RUN" || true
	/usr/bin/time -f %M -o memory oci-blob-upload L "$REGISTRY/ci/huge" "$d" >out
	echo "memory: $(cat memory) kB"
	[ "$(cat memory)" -lt 40000 ]
	# The registry checks the digest; here, that each chunk began where the registry was.
	[ "$(requests 'select(.method == "PUT").status')" = 201 ]
	requests 'select(.method == "PATCH") | [.headers["content-range"], .contentLength, .bodyBytes, .status]' | tail -n 5
	[ "$(requests 'select(.method == "PATCH" and .cut).headers["content-range"]')" = '"4429185024-4563402751"' ]
	[ "$(requests 'select(.method == "PATCH" and (.headers["content-range"] | startswith("4529185024-"))) | .status' | head -n 1)" = 202 ]
	[ "$(of_layer 'map(.bodyBytes) | add')" -le $((size + COG_PUSH_CHUNK_SIZE)) ]
	[ "$(of_layer 'map(.path) | unique | length')" -eq 1 ]
}
