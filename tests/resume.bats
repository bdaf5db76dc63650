# SPDX-License-Identifier: Apache-2.0
# Never send a byte twice that the registry already has: what an uploader does when a connection, a
# session, a registry or its own process ends in the middle.
load helper
load layout

setup() {
	own_world
	new_layout L
	mkdir store
	export COG_PUSH_CHUNK_SIZE=1048576 COG_PUSH_MULTIPART_THRESHOLD=1000
	export COG_PUSH_RETRY_DELAY_MS=1
}

# start_model NAME [OPTION...]: limits as small as the blobs of these tests.
start_model() {
	start_registry --model "$1" --part-min 1048576 --patch-max 1048576 --store store "${@:2}"
}

# upload DIGEST: succeeds, and the registry has these bytes.
upload() {
	try oci-blob-upload L "$REGISTRY/a/b" "$1"
	[ "$status" -eq 0 ]
	cmp "L/blobs/sha256/${1#sha256:}" "store/${1#sha256:}"
	[ -z "$(ls "$XDG_STATE_HOME/cog-push/uploads")" ]
}

# excess SIZE: bytes of bodies that the registry got beyond a blob of SIZE.
excess() {
	jq -s --argjson size "$1" \
		'[.[] | select(.method == "PATCH" or .method == "PUT").bodyBytes] | add - $size' "$REGISTRY_LOG"
}

# of_method METHOD: how many there were.
of_method() {
	jq -s --arg method "$1" '[.[] | select(.method == $method)] | length' "$REGISTRY_LOG"
}

# show_requests: what a test that fails has to say of them.
show_requests() {
	jq -c '[.connection, .method, .path, .status, .bodyBytes, .headers["content-range"], .faults]' \
		"$REGISTRY_LOG"
}

# takes BYTES: so many of a session have arrived.
takes() {
	[ "$(stat -c %s store/upload-u1 2>/dev/null || echo 0)" -ge "$1" ]
}

# sends_second: a chunk was accepted, and the next is on its way.
sends_second() {
	[ -n "$(jq 'select(.event == "progress" and .offset == 16777216)' out)" ]
}

# begin_upload: an uploader in the background, in the second chunk of a blob of three. Its pid is pid, the
# blob d. The chunks do not fit into the buffers of a connection.
begin_upload() {
	export COG_PUSH_CHUNK_SIZE=16777216
	d=$(random_blob L 40000000)
	oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
	pid=$!
	wait_for 20 sends_second
}

# sees_end: the registry has got what was on its way, and knows that no more comes.
sees_end() {
	wait_for 20 grep -q '"status": 0' "$REGISTRY_LOG"
}

kill_upload() {
	kill -KILL "$pid"
	wait "$pid" || true
	sees_end
}

# journal_offset: what the one entry of the journal says.
journal_offset() {
	jq .offset "$XDG_STATE_HOME"/cog-push/uploads/*[!k]
}

# bats test_tags=slow
@test "every kind of registry gets a blob in chunks, intact" {
	for model in v2 v3 serverless ecr ghcr google quay gitea zot acr; do
		start_model "$model"
		upload "$(random_blob L 5500000)"
		stop_registry
	done
}

# bats test_tags=slow
@test "a connection that is cut anywhere costs what the registry makes it cost" {
	size=5500000 chunk=1048576
	for model in v2 v3 serverless ecr ghcr google quay gitea zot acr; do
		case $model in
		v3) most=0 ;;
		serverless | ecr | ghcr | quay | acr) most=$chunk ;;
		*) most=$size ;; # the session is lost
		esac
		[ "$model" != google ] || most=$((size + chunk)) # it takes no chunks, which is learnt first
		for seed in 1 2 3; do
			rm -rf "$XDG_STATE_HOME/cog-push/hosts"
			start_model "$model" --cut "$seed"
			upload "$(random_blob L $size)"
			got=$(excess $size)
			echo "$model, seed $seed: $got bytes too many"
			[ "$got" -le "$most" ] || show_requests
			[ "$got" -le "$most" ]
			stop_registry
		done
	done
}

# bats test_tags=slow
@test "a chunk is sent again, not the blob, for every status that may pass" {
	local fault why=": the connection was closed without an answer"
	for fault in 0 408 425 429 499 500 502 503 504 520 521 522 523 524; do
		start_registry --model v3 --store store --fail-at "PATCH:3:$fault"
		d=$(random_blob L 5500000)
		upload "$d"
		[ "$(of_method POST)" -eq 1 ]
		[ "$(excess 5500000)" -le 1048576 ]
		[ "$(jq -c 'select(.event == "retry") | [.attempt, .maxAttempts, .delayMs]' <<<"$output")" = "[1,5,1]" ]
		[ "$(jq -r 'select(.event == "retry") | "\(.digest) \(.httpStatus // 0)"' <<<"$output")" = "$d $fault" ]
		[ "$fault" -eq 0 ] || why=": $fault: "
		[[ $stderr == "oci-blob-upload: ${d:0:19}: PATCH http://$REGISTRY/"*"$why"*": again in 0.0 s (1 of 5)" ]]
		stop_registry
	done
}

@test "the tries in a row are counted, and the last failure says what is there" {
	export COG_PUSH_RETRIES=2
	start_registry --model v3 --fail-at PATCH:3:503 --fail GET:9:503
	d=$(random_blob L 5500000)
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 75 ]
	[ "$(jq -c 'select(.event == "retry") | [.attempt, .maxAttempts, .httpStatus]' <<<"$output")" = "[1,2,503]
[2,2,503]" ]
	[[ $stderr == *"503"*"38 % of ${d:0:19} is there: the same command goes on)" ]]
}

@test "a chunk that was stored is not sent again though its answer is 500" {
	start_model v3 --answer-at PATCH:2:500
	upload "$(random_blob L 3000000)"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 3000000)" -eq 0 ]
}

@test "a chunk of which less was taken goes on where the registry is" {
	start_model v3 --short-at PATCH:2:500000
	upload "$(random_blob L 3000000)"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 3000000)" -eq 548576 ]
}

# bats test_tags=slow
@test "a session that is unknown, with whatever status, is replaced by a new one" {
	for fault in {PATCH:2,PUT:1}:{404,400,500}; do
		start_model v3 --lose-at "$fault"
		upload "$(random_blob L 3000000)"
		[ "$(of_method POST)" -eq 2 ]
		[ "$(requests 'select(.method == "PUT" and .bodyBytes > 0)')" = "" ]
		stop_registry
	done
}

# bats test_tags=slow
@test "whatever shape a Range has, no byte is sent twice" {
	for shape in "v3 none" "v3 high" "v3 frozen" "v3 chunk" "gitea minus"; do
		start_model "${shape% *}" --range "${shape#* }"
		upload "$(random_blob L 5500000)"
		[ "$(of_method POST)" -eq 1 ]
		[ "$(excess 5500000)" -eq 0 ]
		stop_registry
	done
}

@test "a session that is still empty is gone on with, in whatever way its status says so" {
	for model in v3 serverless quay "gitea --range minus"; do
		# Twice: libcurl may send the first again by itself.
		# shellcheck disable=SC2086
		start_model $model --cut-at PATCH:1:0 --cut-at PATCH:2:0
		upload "$(random_blob L 3000000)"
		[ "$(of_method GET)" -ge 1 ]
		[ "$(of_method POST)" -eq 1 ]
		[ "$(excess 3000000)" -eq 0 ]
		stop_registry
	done
}

# bats test_tags=slow
@test "where a session has no status, what the next chunk is answered tells where the registry is" {
	for model in v2 v3 serverless ecr quay gitea zot acr; do
		start_model "$model" --get-status 405 --cut-at PATCH:2:reply
		upload "$(random_blob L 3000000)"
		if [[ $model == @(serverless|quay|gitea|zot) ]]; then
			[ "$(of_method POST)" -eq 1 ]
			[ "$(excess 3000000)" -le 1048576 ]
		fi
		stop_registry
	done
}

@test "a PUT that fails with all bytes there is sent again, also where one too many is counted" {
	for model in v3 quay; do
		start_model "$model" --fail-at PUT:1:503
		upload "$(random_blob L 3000000)"
		[ "$(of_method POST)" -eq 1 ]
		[ "$(excess 3000000)" -eq 0 ]
		[ "$(jq 'select(.event == "retry").httpStatus' <<<"$output")" -eq 503 ]
		stop_registry
	done
}

# bats test_tags=slow
@test "a PUT that fails a few times goes to the same session again, whatever a gateway says" {
	for status in 499 502 503 522 524; do
		for model in v3 serverless; do
			start_model "$model" --fail "PUT:2:$status"
			upload "$(random_blob L 3000000)"
			[ "$(of_method POST)" -eq 1 ]
			[ "$(excess 3000000)" -eq 0 ]
			stop_registry
		done
	done
}

# bats test_tags=slow
@test "a blob that shows late is not sent again where the answer to its PUT was lost" {
	export COG_PUSH_RETRY_DELAY_MS=500
	for model in v2 v3 serverless; do
		start_model "$model" --head-later 1 --cut-at PUT:1:reply
		upload "$(random_blob L 3000000)"
		[ "$(of_method POST)" -eq 1 ]
		[ "$(excess 3000000)" -eq 0 ]
		[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = uploaded ]
		stop_registry
	done
}

@test "Retry-After is waited for" {
	start_registry --model v3 --store store --fail-at PATCH:2:429:1
	upload "$(random_blob L 3000000)"
	[ "$(jq 'select(.event == "retry").delayMs' <<<"$output")" -eq 1000 ]
}

@test "a killed uploader is gone on with by the next, at the byte where the registry is" {
	start_model v3 --throttle 20000000
	begin_upload
	kill_upload
	[ "$(journal_offset)" -eq 16777216 ]
	upload "$d"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 40000000)" -eq 0 ]
	[ "$(jq 'select(.event == "done").sentBytes' <<<"$output")" -lt 23222784 ]
}

@test "an uploader that is killed within the first chunk has its session in the journal already" {
	export COG_PUSH_CHUNK_SIZE=16777216
	start_model v3 --throttle 20000000
	d=$(random_blob L 40000000)
	oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
	pid=$!
	wait_for 20 grep -q '"offset":0,' out
	kill_upload
	[ "$(journal_offset)" -eq 0 ]
	upload "$d"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 40000000)" -eq 0 ]
}

@test "who goes on keeps the size of the chunks before, whatever is set now" {
	start_model serverless --part-min 5242880 --throttle 20000000
	begin_upload
	kill_upload
	COG_PUSH_CHUNK_SIZE=6000000 upload "$d"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(requests 'select(.method == "PATCH" and .status == 202).bodyBytes' | paste -sd' ')" = "16777216 16777216 6445568" ]
}

# bats test_tags=slow
@test "a session that is gone when the next process comes is no failure" {
	start_model v2 --throttle 20000000
	begin_upload
	kill_upload
	upload "$d"
}

@test "a session whose status is 500 to the last try is given up for a new one" {
	start_model v3 --lose-at PATCH:2:500
	upload "$(random_blob L 3000000)"
	[ "$(of_method POST)" -eq 2 ]
}

@test "what may have been stored is remembered through a failure that stores nothing" {
	export COG_PUSH_CHUNK_SIZE=8388608 # of which the buffers of a connection don't hold all
	start_model ecr --answer-at PATCH:3:502 --answer-at PATCH:4:504
	upload "$(random_blob L 40000000)"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 40000000)" -lt 1048576 ]
}

@test "a signal keeps the session, and the running chunk if it is nearly through" {
	start_model v3 --throttle 20000000
	begin_upload
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
	[ "$(journal_offset)" -eq 33554432 ]
	upload "$d"
	[ "$(of_method POST)" -eq 1 ]
}

# bats test_tags=slow
@test "a second signal ends at once, and the running chunk is dropped" {
	start_model v3 --throttle 10000000
	begin_upload
	kill -TERM "$pid"
	kill -INT "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
	[ "$(journal_offset)" -eq 16777216 ]
	sees_end
	upload "$d"
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 40000000)" -eq 0 ]
}

# bats test_tags=slow
@test "a transfer that stalls while a chunk is sent is tried again, and nothing but the chunk is sent twice" {
	export COG_PUSH_CHUNK_SIZE=16777216 COG_PUSH_STALL_MS=400
	# What the kernel of the registry takes for it moves too: it can't take much.
	start_model v3 --receive-buffer 65536 --stall-at PATCH:2:1000000:4
	upload "$(random_blob L 40000000)"
	[ "$(jq -r 'select(.event == "retry").reason' <<<"$output")" = \
		"PATCH http://$REGISTRY/v2/a/b/blobs/uploads/u1: the transfer stalled" ]
	[ "$(of_method POST)" -eq 1 ]
	[ "$(excess 40000000)" -le 16777216 ]
}

# bats test_tags=slow
@test "a registry that reads more slowly than 1 KiB/s stalls, one that takes seconds for each block does not" {
	export COG_PUSH_RETRIES=0
	start_model v3 --receive-buffer 2048 --throttle 600
	COG_PUSH_STALL_MS=1000 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 30000)"
	[ "$status" -eq 75 ]
	[[ $stderr == *": the transfer stalled"* ]]
	rm store/*
	start_model v3 --receive-buffer 2048 --throttle 12000
	d=$(random_blob L 500000)
	COG_PUSH_STALL_MS=1000 oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
	pid=$!
	wait_for 20 takes 45000
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
}

@test "bytes that changed between two processes are not committed" {
	start_model v3 --throttle 20000000
	begin_upload
	kill_upload
	printf X | dd of="L/blobs/sha256/${d#sha256:}" bs=1 conv=notrunc 2>/dev/null
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 65 ]
	[ "$(of_method PUT)" -eq 0 ]
}

@test "two uploaders of one blob: the second waits, then finds it there" {
	start_model v3 --throttle $((4000000 / SLOWNESS))
	d=$(random_blob L 4000000)
	oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
	pid=$!
	wait_for 20 grep -q PATCH "$REGISTRY_LOG"
	upload "$d"
	[[ $stderr == *"waits for another process"* ]]
	[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = exists ]
	wait "$pid"
	[ "$(excess 4000000)" -eq 0 ]
}

@test "a 413 makes bodies smaller, and the host is remembered" {
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	start_registry --model v3 --store store --max-body 5000000
	upload "$(random_blob L 17000000)"
	refused=$(jq -s '[.[] | select(.status == 413)] | length' "$REGISTRY_LOG")
	[ "$refused" -ge 1 ]
	upload "$(random_blob L 18000000)"
	[ "$(jq -s '[.[] | select(.status == 413)] | length' "$REGISTRY_LOG")" -eq "$refused" ]
}

@test "413 to the smallest body is a failure" {
	start_registry --max-body 1000000
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 5500000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *413* ]]
}

@test "what a registry wants is learnt once: chunks, one body, the last chunk in the PUT" {
	for model in ghcr google ecr; do
		export COG_PUSH_CHUNK_SIZE=2097152
		start_model "$model"
		upload "$(random_blob L 5500000)"
		before=$(wc -l <"$REGISTRY_LOG")
		upload "$(random_blob L 5400000)"
		tail -n "+$((before + 1))" "$REGISTRY_LOG" >second
		[ "$(jq -s '[.[] | select(.method != "HEAD" and .status >= 400)] | length' second)" -eq 0 ]
		stop_registry
	done
}

@test "a blob of another repository is mounted from where this machine pushed it" {
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	start_registry --mount 201
	d=$(random_blob L 5000)
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	try oci-blob-upload L "$REGISTRY/a/c" "$d"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done") | "\(.how) \(.sentBytes)"' <<<"$output")" = "mounted 0" ]
}

# bats test_tags=slow
@test "a mount that fails, whatever the way, is an upload" {
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	for answer in 202 401 403 404 405 drop; do
		start_registry --mount "$answer"
		d=$(random_blob L 5000)
		try oci-blob-upload L "$REGISTRY/a/b" "$d"
		[ "$status" -eq 0 ]
		try oci-blob-upload L "$REGISTRY/a/c" "$d"
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = uploaded ]
		stop_registry
	done
}

# mounts: where the registry was asked to mount from, in order.
mounts() {
	requests 'select(.method == "POST").query' | grep -o 'from=[^"&]*' || true
}

@test "--mount-from is asked before the repository that is known, and a session that neither needs is deleted" {
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	start_registry --mount 201
	known=$(random_blob L 5000) named=$(random_blob L 5000)
	run -0 oci-blob-upload L "$REGISTRY/a/b" "$known"
	XDG_CACHE_HOME=$WORLD/other run -0 oci-blob-upload L "$REGISTRY/base/image" "$named"
	: >"$REGISTRY_LOG"
	try oci-blob-upload --mount-from="$REGISTRY/base/image" L "$REGISTRY/a/c" "$named" "$known"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done") | "\(.how) \(.sentBytes)"' <<<"$output")" = "mounted 0
mounted 0" ]
	[ "$(mounts)" = "from=base/image
from=base/image
from=a/b" ]
	[ "$(of_method DELETE)" -eq 1 ]
}

# bats test_tags=slow
@test "a blob that the repository of --mount-from does not have goes into the upload that the registry opened" {
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	for answer in 202 401 403 404 405 drop; do
		start_registry --mount "$answer"
		try oci-blob-upload --mount-from "$REGISTRY/base/image" L "$REGISTRY/a/b" "$(random_blob L 5000)"
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = uploaded ]
		[ "$(mounts | sort -u)" = "from=base/image" ]
		[ "$answer" != 202 ] || [ "$(of_method POST)" -eq 1 ]
		[ "$(of_method DELETE)" -eq 0 ]
		stop_registry
	done
}

@test "--mount-from is a repository of the same registry" {
	for from in other.example/a/b a/b "127.0.0.1:1/a/b:tag" "127.0.0.1:1/A"; do
		try oci-blob-upload --mount-from="$from" L 127.0.0.1:1/a/c </dev/null
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}

@test "--retries and --retry-delay count before the environment" {
	start_registry --fail PATCH:99:503
	d=$(random_blob L 3000000)
	COG_PUSH_RETRIES=9 COG_PUSH_RETRY_DELAY_MS=1 try oci-blob-upload --retries=1 --retry-delay 0 L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 75 ]
	[ "$(jq -c 'select(.event == "retry") | [.attempt, .maxAttempts, .delayMs]' <<<"$output")" = "[1,1,0]" ]
	try oci-blob-upload --retries=0 L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 75 ]
	[ "$(jq -c 'select(.event == "retry")' <<<"$output")" = "" ]
	for option in --retries=x --retries=-1 --retry-delay=1s; do
		try oci-blob-upload "$option" L "$REGISTRY/a/b" "$d"
		[ "$status" -eq 2 ]
		[[ $stderr == "oci-blob-upload: ${option%=*}: "* ]]
	done
}

@test "a journal that can't be written is a warning" {
	export COG_STATE_DIR=/dev/null/state
	start_model v3
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 3000000)"
	[ "$status" -eq 0 ]
	[[ $stderr == *"warning"* ]]
}
