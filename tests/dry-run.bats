# SPDX-License-Identifier: Apache-2.0
# --dry-run: what would be sent, mounted and skipped, found out without sending anything.
load helper
load engine
load layout
load access

setup() {
	own_world
	DOCKER20=$(image_digest)
	export DOCKER20
	IMAGE=$DATA/docker20.tar
}

# only_looked: the registry got nothing but GET and HEAD.
only_looked() {
	[ -s "$REGISTRY_LOG" ] &&
		[ "$(requests 'select(.method != "HEAD" and .method != "GET" and (.path | startswith("/v2/")))')" = "" ]
}

# plans: the records of output as "how size sentBytes chunks", in order of size.
plans() {
	jq -r 'select(.event == "plan") | [.how, .size, .sentBytes, .chunks] | join(" ")' <<<"$output" | sort -u
}

total() {
	tail -n 1 <<<"$output"
}

@test "a tar, a pipe, a layout and an image of docker: a line a blob and manifest, a total, and only GET and HEAD" {
	start_registry
	fake_engine docker "$REGISTRY/a/b:v1"
	oci-from-dockertar -f "$IMAGE" L >/dev/null
	for source in "$IMAGE" - ./L "docker image"; do
		if [ "$source" = "docker image" ]; then
			try cog-push --dry-run -e docker "$REGISTRY/a/b:v1"
		else
			try cog-push --dry-run "$source" "$REGISTRY/a/b:v1" <"$IMAGE"
		fi
		[ "$status" -eq 0 ]
		[ "$(grep -cE '^upload  sha256:[0-9a-f]{64}  [0-9.]+ k?B  in 1 chunk$' <<<"$output")" -eq 5 ]
		[ "$(grep -c '^put ' <<<"$output")" -eq 1 ]
		grep -qxE "put     $DOCKER20  1\.0 kB  $REGISTRY/a/b:v1" <<<"$output"
		[[ $(total) =~ ^'total: 5 blobs to upload, '[0-9.]+' kB in 5 chunks; 0 to mount, 0 there already; 1 manifest to put'$ ]]
		[ "$(wc -l <<<"$output")" -eq 7 ]
		[ -z "$stderr" ]
		[ -z "$(ls -A "$TMPDIR")" ]
	done
	only_looked
}

@test "weights are in the plan, with their tags, and no file for a digest is written" {
	start_registry
	mkdir weights && head -c 100000 /dev/urandom >weights/model.safetensors
	try cog-push --dry-run --digestfile digest --weights base=weights:/src/weights "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ ! -e digest ]
	grep -qE "^upload  sha256:[0-9a-f]{64}  1[0-9]{2}\.[0-9] kB  in 1 chunk$" <<<"$output"
	grep -qE "^put .*/a/b:cog-weight\.base\.[0-9a-f]{12}$" <<<"$output"
	[[ $(total) == "total: 7 blobs to upload, "*"; 3 manifests to put" ]]
	[ "$(grep -c '^put ' <<<"$output")" -eq 3 ]
	only_looked
}

@test "what is there is skipped, a tag that is the same too, and a new tag is put" {
	start_registry
	run -0 cog-push "$IMAGE" "$REGISTRY/a/b:v1"
	# What was pushed before is not even converted; without the memory of it, it is.
	for cache in "$XDG_CACHE_HOME" "$WORLD/other"; do
		: >"$REGISTRY_LOG"
		XDG_CACHE_HOME=$cache try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1" "$REGISTRY/a/b:v2"
		[ "$status" -eq 0 ]
		[ "$(grep -c '^skip ' <<<"$output")" -eq 6 ]
		grep -qx "skip    $DOCKER20  1.0 kB  $REGISTRY/a/b:v1" <<<"$output"
		grep -qx "put     $DOCKER20  1.0 kB  $REGISTRY/a/b:v2" <<<"$output"
		[ "$(total)" = "total: 0 blobs to upload, 0 B in 0 chunks; 0 to mount, 5 there already; 1 manifest to put" ]
		only_looked
	done
}

@test "what another repository has would be mounted, if it has it still" {
	start_registry --mount 201
	run -0 cog-push "$IMAGE" "$REGISTRY/base/image:v1"
	: >"$REGISTRY_LOG"
	try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(grep -cE '^mount   sha256:[0-9a-f]{64}  [0-9.]+ k?B$' <<<"$output")" -eq 5 ]
	[[ $(total) == *"5 to mount, 0 there already; 1 manifest to put" ]]
	export XDG_CACHE_HOME=$WORLD/other
	try cog-push --json --dry-run --mount-from "$REGISTRY/base/image" "$IMAGE" "$REGISTRY/a/c:v1"
	[ "$(grep -c '"how":"mounted","sentBytes":0,"chunks":0}' <<<"$output")" -eq 5 ]
	try cog-push --json --dry-run --mount-from "$REGISTRY/other/image" "$IMAGE" "$REGISTRY/a/c:v1"
	[ "$(plans | cut -d ' ' -f 1 | sort -u)" = uploaded ]
	only_looked
}

@test "the plan has the chunks of COG_PUSH_CHUNK_SIZE and of what was learnt of the host" {
	start_registry
	new_layout L
	d=$(random_blob L 250000)
	try oci-blob-upload --dry-run L "$REGISTRY/a/b" "$d"
	[ "$(plans)" = "uploaded 250000 250000 1" ]
	export COG_PUSH_CHUNK_SIZE=100000
	try oci-blob-upload --dry-run L "$REGISTRY/a/b" "$d"
	[ "$(plans)" = "uploaded 250000 250000 3" ]
	[ "$output" = "{\"event\":\"plan\",\"digest\":\"$d\",\"size\":250000,\"how\":\"uploaded\",\"sentBytes\":250000,\"chunks\":3}" ]
	mkdir -p "$XDG_STATE_HOME/cog-push/hosts"
	echo '{"maxBody": 50000}' >"$XDG_STATE_HOME/cog-push/hosts/$(tr : _ <<<"$REGISTRY").json"
	try oci-blob-upload --dry-run L "$REGISTRY/a/b" "$d"
	[ "$(plans)" = "uploaded 250000 250000 5" ]
	only_looked
}

@test "an upload that was not finished counts with what is left, and is not asked for" {
	start_registry --fail-at PATCH:3:503
	new_layout L
	d=$(random_blob L 250000)
	export COG_PUSH_CHUNK_SIZE=50000 COG_PUSH_MULTIPART_THRESHOLD=1 COG_PUSH_RETRIES=0
	run -75 oci-blob-upload L "$REGISTRY/a/b" "$d"
	: >"$REGISTRY_LOG"
	try oci-blob-upload --dry-run L "$REGISTRY/a/b" "$d"
	[ "$(plans)" = "uploaded 250000 150000 3" ]
	[ "$(requests .method)" = '"HEAD"' ]
	# It goes on as planned.
	: >"$REGISTRY_LOG"
	run -0 oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$(requests 'select(.method == "PATCH").status' | wc -l)" -eq 3 ]
}

@test "with --remove and --absent nothing is removed, and what is nowhere is named" {
	start_registry
	new_layout L
	d=$(random_blob L 100000)
	nowhere=sha256:$(printf '%064d' 7)
	start_registry --blob "$d"
	try oci-blob-upload --dry-run --remove --absent absent L "$REGISTRY/a/b" "$d" "$nowhere"
	[ "$status" -eq 0 ]
	[ "$(cat absent)" = "$nowhere" ]
	[ -e "L/blobs/sha256/${d#sha256:}" ]
	[ "$(jq -r .how <<<"$output")" = exists ]
}

@test "with --json the records of the conversion and of the plan, and no phase of a push" {
	start_registry
	try cog-push --json --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(grep -c '"event":"blob"' <<<"$output")" -eq 6 ]
	[ "$(grep -c '"event":"plan"' <<<"$output")" -eq 6 ]
	[ "$(jq -r 'select(.event == "plan").ref // empty' <<<"$output")" = "$REGISTRY/a/b:v1" ]
	[ "$(grep -c -v '^{' <<<"$output")" -eq 0 ]
	[ "$(jq -r 'select(.event == "phase").phase' <<<"$output")" = converting ]
}

@test "credentials that are wrong or missing end a dry run at once, with 77" {
	start_registry --basic user:secret --challenge 'Basic realm="r"'
	try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == "oci-push-check: "*"cog-login $REGISTRY"* ]]
	[ -z "$output" ]
	try oci-blob-upload --dry-run "$WORLD" "$REGISTRY/a/b" "$DOCKER20"
	[ "$status" -ne 0 ]
	only_looked
}

@test "a token service is asked as in a push" {
	start_tokens
	start_bearer_registry
	try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[[ $(total) == "total: 5 blobs to upload, "* ]]
	only_looked
}

@test "where there is no registry, or it is busy, a dry run says so" {
	start_registry --html
	try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"not a registry"* ]]
	start_registry --fail HEAD:99:503
	COG_PUSH_RETRIES=0 try cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[[ $stderr != *"to go on"* ]]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "a dry run leaves no memory of a push, no digest file, and takes neither --verify nor --forget" {
	start_registry
	run -0 cog-push --dry-run --digestfile digest "$IMAGE" "$REGISTRY/a/b:v1"
	[ ! -e digest ]
	[ -z "$(find "$XDG_CACHE_HOME" -type f ! -name '.lock')" ]
	for option in --verify --forget; do
		try cog-push --dry-run "$option" "$IMAGE" "$REGISTRY/a/b:v1"
		[ "$status" -eq 2 ]
		[[ $stderr == "cog-push: --dry-run: not with --verify or --forget"* ]]
	done
	COG_PUSH_OCI=0 fake_engine docker
	COG_PUSH_OCI=0 try cog-push --dry-run -e docker fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 2 ]
	[[ $stderr == *"docker push does not know --dry-run"* ]]
}

@test "the manifests of an index are planned, each before the index, and what cannot be written is a failure" {
	start_registry
	try cog-push --dry-run "$DATA/docker26-containerd.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(grep '^put ' <<<"$output" | tail -n 1 | sed 's/.*  //')" = "$REGISTRY/a/b:v1" ]
	status=0
	cog-push --dry-run "$IMAGE" "$REGISTRY/a/b:v1" >/dev/full 2>errors || status=$?
	[ "$status" -eq 1 ]
	has_one_line "$(said_by cog-push errors)"
}

@test "an artifact about the image and an index are planned too, and a layout that is kept gets nothing of it" {
	start_registry
	echo '{}' >sbom.json
	try cog-push --dry-run -l kept --attach sbom.json:application/spdx+json "$IMAGE" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^put ' <<<"$output")" -eq 2 ]
	[[ $(total) == "total: 7 blobs to upload, "*" kB in 7 chunks; 0 to mount, 0 there already; 2 manifests to put" ]]
	[ "$(jq '.manifests | length' kept/index.json)" -eq 1 ]
	try cog-push --dry-run --index "$REGISTRY/a/b:v2" "$IMAGE"
	[ "$status" -eq 0 ]
	[[ $(total) == *"; 2 manifests to put" ]]
	only_looked
}
