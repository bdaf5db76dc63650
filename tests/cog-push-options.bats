# SPDX-License-Identifier: Apache-2.0
# cog-push: what is tried again, when it stops, how it goes on, and what docker push may take over.
load helper
load processes
load engine

setup() {
	own_world
	DOCKER20=$(image_digest)
	export DOCKER20
	UPLOADS=$XDG_STATE_HOME/cog-push/uploads
	IMAGE=$DATA/docker20.tar
}

# in_chunks: every blob goes in chunks, so that its session is in the journal.
in_chunks() {
	export COG_PUSH_CHUNK_SIZE=1000 COG_PUSH_MULTIPART_THRESHOLD=1
}

has_entry() {
	[ -n "$(find "$UPLOADS" -name '*.json' 2>/dev/null)" ]
}

left_in_tmp() {
	ls -A "$TMPDIR"
}

# --- The blobs -----------------------------------------------------------------------------------

@test "--mount-from mounts the blobs that another repository has" {
	start_registry --mount 201
	XDG_CACHE_HOME=$WORLD/other run -0 cog-push "$IMAGE" "$REGISTRY/base/image:v1"
	try cog-push --json --mount-from "$REGISTRY/base/image" "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done").how' <<<"$output" | sort -u)" = mounted ]
	try cog-push --mount-from other.example/base "$IMAGE" "$REGISTRY/a/c:v1"
	[ "$status" -eq 2 ]
	[[ $stderr == *"--mount-from: 'other.example/base' is not of the registry $REGISTRY"* ]]
}

@test "--compress and COG_PUSH_COMPRESS say how layers are compressed" {
	start_registry
	types() {
		jq -r 'select(.event == "blob" and .kind == "layer").mediaType | split(".v1.")[1]' <<<"$output" | sort -u
	}
	try cog-push --json --compress zstd "$IMAGE" "$REGISTRY/a/zstd:v1"
	[ "$status" -eq 0 ]
	[ "$(types)" = tar+zstd ]
	COG_PUSH_COMPRESS=none try cog-push --json "$IMAGE" "$REGISTRY/a/none:v1"
	[ "$status" -eq 0 ]
	[ "$(types)" = tar ]
	try cog-push --compress=gzip:11 "$IMAGE" "$REGISTRY/a/none:v1"
	[ "$status" -eq 2 ]
	[[ $stderr == *"COG_PUSH_COMPRESS: 'gzip:11' is none of "* ]]
}

@test "--retries and --retry-delay reach the uploaders, and bad numbers are wrong usage" {
	start_registry --fail PUT:99:503
	COG_PUSH_CONCURRENCY=1 try cog-push --json --retries=1 --retry-delay 0 "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ "$(jq -c 'select(.event == "retry") | [.attempt, .maxAttempts, .delayMs]' <<<"$output")" = "[1,1,0]" ]
	for option in --retries=x --retries=-1 --retry-delay=1s --max-time=0 --max-time=soon; do
		try cog-push "$option" "$IMAGE" "$REGISTRY/a/b:v1"
		[ "$status" -eq 2 ]
		[[ $stderr == "cog-push: ${option%=*}: "* ]]
		has_one_line "$stderr"
	done
}

# --- To stop and to go on ------------------------------------------------------------------------

@test "the options that stand for variables say the same, and win" {
	start_registry
	mkdir own && cp "$DATA/docker20.tar" own/img.tar
	COG_PUSH_CHUNK_SIZE=1000000 try cog-push --chunk-size 1000 --multipart-threshold 500 --concurrency 2 \
		--threads 1 --stall-time 60 --reply-time 60 --state-dir "$WORLD/my state" --digestfile digest \
		own/img.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PATCH") | .contentLength' | sort -n | tail -n 1)" = 1000 ]
	[ "$REGISTRY/a/b@$(cat digest)" = "$output" ]
	[ -d "$WORLD/my state" ]
	for each in --concurrency --threads --chunk-size --multipart-threshold --stall-time --reply-time; do
		try cog-push "$each" 0 own/img.tar "$REGISTRY/a/b:v1"
		[ "$status" -eq 2 ]
		[[ $stderr == "cog-push: $each: '0' is not a number of "* ]]
	done
}

@test "the size of a chunk may have a unit, as an option and as a variable" {
	start_registry
	head -c 5000 /dev/urandom >layer
	oci-from-files --artifact-type a/b --tag t made layer >/dev/null
	try cog-push --chunk-size 2k --multipart-threshold 1K ./made "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PATCH") | .contentLength' | sort -n | tail -n 1)" = 2048 ]
	start_registry
	COG_PUSH_CHUNK_SIZE=2K COG_PUSH_MULTIPART_THRESHOLD=1k try cog-push ./made "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PATCH") | .contentLength' | sort -n | tail -n 1)" = 2048 ]
	for each in 2T -1 1.5M '' 0k 9999999999999G; do
		try cog-push --chunk-size "$each" ./made "$REGISTRY/a/b:v1"
		[ "$status" -eq 2 ]
		COG_PUSH_CHUNK_SIZE=${each:-x} try oci-blob-upload made "$REGISTRY/a/b"
		[ "$status" -eq 2 ]
		[[ $stderr == "oci-blob-upload: COG_PUSH_CHUNK_SIZE: '${each:-x}' is not a number of bytes, such as 500k or 2M"* ]]
	done
}

@test "what can't be meant is said before anything is read or asked" {
	for arguments in "--annotation key" "--annotation =value" "--platform amd64" "--platform /x" "--compress lzma"; do
		# shellcheck disable=SC2086
		try cog-push $arguments ./absent.tar "$NOBODY/a/b:v1"
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
		[[ $stderr == "cog-push: ${arguments% *}: '${arguments#* }'"* ]]
	done
	for file in absent/digest .; do
		try cog-push --digestfile "$file" ./absent.tar "$NOBODY/a/b:v1"
		[ "$status" -eq 1 ]
		[[ $stderr == "cog-push: --digestfile: $file: "* ]]
	done
}

@test "a REF that is none is said before anything is sent" {
	start_registry
	for ref in : @sha256:12 :a/b; do
		try cog-push "$IMAGE" "$REGISTRY/a/b$ref"
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
	[ "$(requests .method)" = "" ]
}

@test "what was pushed is said on stdout though the digest file can't be written" {
	start_registry
	try cog-push --digestfile /dev/full "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: --digestfile: /dev/full: "* ]]
}

@test "a digest file that can't be written is a failure" {
	start_registry
	try cog-push --digestfile absent/digest "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"cog-push: --digestfile: absent/digest: "* ]]
}

@test "--max-time stops a push as temporary, says how to go on and keeps the uploads" {
	in_chunks
	local limit=$((6 + 2 * SLOWNESS))
	start_registry --delay-put 60
	try cog-push --max-time $limit "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ -z "$output" ]
	[ "$(grep -v -e '^sha256:' <<<"$stderr" | head -n 1)" = "cog-push: not done after $limit s" ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: to go on: cog-push --max-time=$limit "* ]]
	[[ $(left_in_tmp) == cog-push-layout.* ]]
	has_entry
	[ "$(requests 'select(.method == "DELETE")')" = "" ]
}

# bats test_tags=slow
@test "--forget gives up at the registry and on disk what a push has left, and pushes nothing" {
	in_chunks
	export COG_PUSH_RETRIES=0
	start_registry --fail PUT:99:503
	cp "$IMAGE" image.tar
	for operands in "./image.tar $REGISTRY/a/b:v1" "$REGISTRY/a/b:v1" "$REGISTRY/a/b"; do
		try cog-push "$IMAGE" "$REGISTRY/a/b:v1"
		[ "$status" -eq 75 ]
		has_entry
		: >"$REGISTRY_LOG"
		# shellcheck disable=SC2086
		try cog-push --forget $operands
		[ "$status" -eq 0 ]
		[ -z "$output$stderr" ]
		! has_entry || false
		[ "$(requests 'select(.method == "DELETE").status' | sort -u)" = 204 ]
		[ "$(requests 'select(.method | test("GET|DELETE") | not)')" = "" ]
	done
	try cog-push --forget "$IMAGE"
	[ "$status" -eq 2 ]
	has_one_line "$stderr"
}

@test "a push that fails says what is in the registry already" {
	export COG_PUSH_RETRIES=0 COG_PUSH_CONCURRENCY=1
	# A TERM in the middle of its search for leaks stops LeakSanitizer for ever, and then all are killed.
	export ASAN_OPTIONS=detect_leaks=0
	start_registry --fail-at PUT:3:503
	try cog-push "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ "$(grep -c '^sha256:' <<<"$stderr")" -eq 2 ]
	[ "$(grep -c '^already in the registry: 2 blobs, [0-9.]* k*B; the next push sends only the rest$' <<<"$stderr")" -eq 1 ]
	start_registry --fail-at PUT:2:403
	try cog-push "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	[ "$(grep -c '^already in the registry: 1 blob, [0-9.]* k*B; the next push sends only the rest$' <<<"$stderr")" -eq 1 ]
	start_registry --fail-at PUT:1:403
	try cog-push "$IMAGE" "$REGISTRY/a/b:v1"
	has_one_line "$stderr"
}

@test "the command that goes on has the options that the registry needs, and is there for a layout too" {
	export COG_PUSH_RETRIES=0
	start_registry --fail PUT:1:503
	run -0 oci-from-dockertar -f "$IMAGE" "my layout"
	try cog-push --plain-http --tls-verify=false --retries 0 "my layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ "$(tail -n 1 <<<"$stderr")" = \
		"cog-push: to go on: cog-push --plain-http --tls-verify=false --retries=0 'my layout' $REGISTRY/a/b:v1" ]
	[ -z "$(left_in_tmp)" ]
	eval "try ${stderr##*to go on: }"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
}

# --- --verify ------------------------------------------------------------------------------------

# verifier COUNT: an oci-verify that misses a blob the first COUNT times.
verifier() {
	mkdir -p verifier
	cat >verifier/oci-verify <<-'END'
		#!/bin/sh
		echo "$*" >>"$WORLD/verified"
		[ "$(wc -l <"$WORLD/verified")" -le "$MISSES" ] || exit 0
		oci-blobs "$3" | sed -n 1p
		line="oci-verify: 1 blob is missing: $4"
		if [ -n "${COG_REPORT_FD-}" ]; then
			printf '1\t%s\n' "$line" >&"$COG_REPORT_FD"
		else
			echo "$line" >&2
		fi
		exit 1
	END
	chmod +x verifier/oci-verify
	rm -f verified
	export WORLD MISSES=$1
	PATH=$WORLD/verifier:$PATH
}

@test "--verify asks for the whole image once, when all is there" {
	start_registry
	verifier 0
	try cog-push --verify -l d "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(cat verified)" = "-i $DOCKER20 d $REGISTRY/a/b" ]
	# What was published, and nothing else.
	[ "$(grep -v -e '^sha256:' <<<"$stderr" | head -n 1)" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -vc -e '^sha256:' -e '^  ' <<<"$stderr")" -eq 1 ]
	rm verified
	try cog-push -l d "$IMAGE" "$REGISTRY/a/b:v1"
	[ ! -e verified ]
}

@test "what --verify misses is sent again, with the manifests, and asked for again" {
	start_registry
	verifier 1
	try cog-push --verify -l d "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[[ $stderr == *"cog-push: warning: oci-verify: 1 blob is missing: $REGISTRY/a/b: sent again"* ]]
	[ "$(wc -l <verified)" -eq 2 ]
	missed=$(oci-blobs d | jq -r .digest | head -n 1)
	[ "$(requests 'select(.method == "HEAD" or .method == "POST") | .path + .query' | grep -c "\(blobs/\|mount=\)$missed")" -eq 2 ]
	[ "$(requests 'select(.path | endswith("manifests/v1")).method' | paste -sd' ')" = '"PUT" "HEAD"' ]
}

@test "what --verify misses again is a failure" {
	start_registry
	verifier 2
	try cog-push --verify "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "$(tail -n 1 <<<"$stderr")" = "oci-verify: 1 blob is missing: $REGISTRY/a/b" ]
	[ -z "$(left_in_tmp)" ]
}

@test "a --verify that gets no answer is that failure, and nothing is sent again" {
	start_registry
	verifier 2
	sed -i 's/^\toci-blobs .*$//; s/^oci-blobs .*$//; s/1 blob is missing/no answer/; s/exit 1/exit 75/; s/1\\t/75\\t/' \
		verifier/oci-verify
	try cog-push --verify "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ "$(grep -c 'sent again' <<<"$stderr")" -eq 0 ]
	[[ $stderr == *"oci-verify: no answer: $REGISTRY/a/b"* ]]
	[ "$(requests 'select(.path | endswith("manifests/v1")).method' | paste -sd' ')" = '"PUT"' ]
}

# --- docker push ---------------------------------------------------------------------------------

@test "--fallback is docker push after a failure, with its digest on stdout and its output on stderr" {
	fake_engine docker
	cp names before
	try cog-push --fallback fixture 127.0.0.1:1/x/y:v1
	[ "$status" -eq 0 ]
	[ "$output" = "127.0.0.1:1/x/y@sha256:$(printf '%064d' 1)" ]
	[[ $stderr == *"Connection refused"*"cog-push: warning: falling back to docker push"*"pushing layers"* ]]
	diff before names
	[ -z "$(left_in_tmp)" ]
}

@test "--fallback after half of the push keeps no layout and names no other way to go on" {
	fake_engine docker
	start_registry --fail PUT:99:503
	COG_PUSH_RETRIES=0 try cog-push --fallback fixture "$REGISTRY/x/y:v1"
	[ "$status" -eq 0 ]
	[[ $stderr != *"to go on"* ]]
	grep -q "docker push $REGISTRY/x/y:v1" calls
	[ -z "$(left_in_tmp)" ]
}

@test "--fallback is not used after a success, a refusal, wrong usage or a time-out" {
	fake_engine docker
	start_registry
	try cog-push --fallback fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	start_registry --fail POST:9:403
	try cog-push --fallback fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	try cog-push --fallback --retry-delay 0 fixture "$REGISTRY/a/B:v1"
	[ "$status" -eq 2 ]
	export SAVE='while :; do sleep 0.1; done'
	start_registry
	try cog-push --fallback --max-time=2 fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[ "$(tail -n 1 <<<"$stderr")" = "cog-push: not done after 2 s" ]
	[ "$(grep -c 'docker push' calls)" -eq 0 ]
	[ -z "$(left_in_tmp)" ]
}

@test "--fallback is not used after a signal" {
	fake_engine docker
	start_registry
	export SAVE='touch "$WORLD/saving"; while :; do sleep 0.1; done'
	for signal in INT TERM HUP; do
		rm -f saving
		begin cog-push --fallback fixture "$REGISTRY/a/b:v1"
		wait_for 20 test -e saving
		kill -s "$signal" "$RUN"
		finish
		[ "$status" -eq 130 ]
		[ "$stderr" = "cog-push: interrupted" ]
		[ "$(grep -c 'docker push' calls)" -eq 0 ]
		is_clean
	done
}

# bats test_tags=slow
@test "--fallback with what docker push does not know is wrong usage, before anything is sent or saved" {
	fake_engine docker
	fake_engine podman
	start_registry
	: >cert
	for options in "-i x" "-l d" -j --allow-sparse --verify "--mount-from $REGISTRY/x" --plain-http --tls-verify=false \
		"--cacert cert" "--compress zstd" "-e podman"; do
		# shellcheck disable=SC2086
		try cog-push --fallback $options fixture "$REGISTRY/a/b:v1"
		[ "$status" -eq 2 ]
		[[ $stderr == "cog-push: --fallback: docker push does not know "* ]]
		has_one_line "$stderr"
	done
	try cog-push --fallback -j --verify --plain-http fixture "$REGISTRY/a/b:v1"
	[[ $stderr == "cog-push: --fallback: docker push does not know --json --verify --plain-http (try"* ]]
	try cog-push --fallback --annotation a=b --attach "$IMAGE:a/b" --no-attestations fixture "$REGISTRY/a/b:v1"
	[[ $stderr == "cog-push: --fallback: docker push does not know --attach --annotation --no-attestations (try"* ]]
	try cog-push --fallback "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 2 ]
	[ ! -s "$REGISTRY_LOG" ]
	[ "$(grep -c 'save\|push' calls)" -eq 0 ]
}
