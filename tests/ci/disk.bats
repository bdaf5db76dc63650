# SPDX-License-Identifier: Apache-2.0
# A disk that is full, a stdout that takes nothing, and two that write into one layout.
load ../helper
load peers

setup_file() {
	file_world
	start_docker_registry
	mkdir -p "$PEERS/saved"
	head -c 60000000 /dev/urandom >"$PEERS/content"
	tar -C "$PEERS" -cf "$PEERS/saved/layer.tar" content
	jq -cn --arg diff_id "sha256:$(sha "$PEERS/saved/layer.tar")" '{architecture: "amd64",
		os: "linux", config: {}, rootfs: {type: "layers", diff_ids: [$diff_id]}}' \
		>"$PEERS/saved/config.json"
	echo '[{"Config":"config.json","RepoTags":["ci/large:1"],"Layers":["layer.tar"]}]' \
		>"$PEERS/saved/manifest.json"
	tar -C "$PEERS/saved" -cf "$PEERS/large.tar" layer.tar config.json manifest.json
	rm -r "$PEERS/saved" "$PEERS/content"
}

# A file system of 20 MB at $WORLD/small, until the test ends.
mount_small() {
	mkdir small
	mount -t tmpfs -o size=20m tmpfs small
}

teardown() {
	! mountpoint -q "$WORLD/small" || umount "$WORLD/small"
}

@test "a full disk under the layout: one clear line, status 1, nothing named and nothing left" {
	mount_small
	# A file would have been compared with the space that there is.
	try oci-from-dockertar small/layout < <(cat "$PEERS/large.tar")
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"No space left on device: set TMPDIR or --layout to a larger disk"* ]]
	has_one_line "$stderr"
	[ ! -e small/layout/index.json ] || [ "$(jq '.manifests | length' small/layout/index.json)" -eq 0 ]
	find small -type f -size +100k >left
	cat left
	[ ! -s left ]
	# There is room again.
	oci-from-dockertar small/layout <"$DATA/docker20.tar"
}

@test "a full disk under the run directory of cog-push: a clear line, status 1, nothing left" {
	mount_small
	TMPDIR=$WORLD/small try cog-push "$PEERS/large.tar" "$DOCKER_REGISTRY/ci/full:1"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *" MiB free, up to "*" MiB needed"* ]]
	[ "$output" = "" ]
	[ "$(find small -mindepth 1)" = "" ]
	TMPDIR=$WORLD/small try cog-push - "$DOCKER_REGISTRY/ci/full:1" < <(cat "$PEERS/large.tar")
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"No space left on device: set TMPDIR or --layout to a larger disk"* ]]
	[ "$output" = "" ]
	[ "$(find small -mindepth 1)" = "" ]
}

@test "a full disk under the state directory: the upload goes on, with one warning until there is room" {
	mount_small
	oci-from-dockertar layout <"$PEERS/large.tar" >records
	digest=$(jq -r 'select(.kind == "layer").digest' records)
	export COG_STATE_DIR=$WORLD/small/state COG_PUSH_CHUNK_SIZE=10000000
	oci-blob-upload layout "$DOCKER_REGISTRY/ci/state" \
		"$(jq -r 'select(.kind == "config").digest' records)"
	head -c 30000000 /dev/zero >small/fill || true
	try oci-blob-upload layout "$DOCKER_REGISTRY/ci/state" "$digest"
	[ "$status" -eq 0 ]
	[ "$(grep -c 'warning: .*No space left on device: the upload goes on' <<<"$stderr")" -eq 1 ]
	[ "$(find small/state -name '*.tmp' | wc -l)" -eq 0 ]
	rm small/fill
	try oci-blob-upload layout "$DOCKER_REGISTRY/ci/other" "$digest"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

@test "--help and --version of every program fail on a full or closed stdout" {
	local program
	for program in "$ROOT"/bin/*; do
		for option in --help --version; do
			try sh -c '"$0" "$1" >/dev/full' "$program" "$option"
			[ "$status" -eq 1 ]
			try sh -c '"$0" "$1" >&-' "$program" "$option"
			[ "$status" -eq 1 ]
		done
	done
}

@test "records that stdout does not take are a failure" {
	oci-from-dockertar layout <"$DATA/docker20.tar" >records
	local target
	for target in '>/dev/full' '>&-'; do
		try sh -c "oci-from-dockertar other <\"\$0\" $target" "$DATA/docker20.tar"
		[ "$status" -eq 1 ]
		has_one_line "$stderr"
		try sh -c "oci-blobs layout $target"
		[ "$status" -eq 1 ]
		has_one_line "$stderr"
		try sh -c "echo '{}' | oci-blob-queue fifo 1 $target"
		[ "$status" -ne 0 ]
	done
}

@test "a push whose stdout takes nothing is no success" {
	try sh -c 'cog-push "$0" "$1" >/dev/full' "$DATA/docker20.tar" "$DOCKER_REGISTRY/ci/stdout:1"
	[ "$status" -eq 1 ]
	try sh -c 'cog-push --json "$0" "$1" >/dev/full' "$DATA/docker20.tar" "$DOCKER_REGISTRY/ci/json:1"
	[ "$status" -eq 1 ]
}

@test "two converters into one layout at once lose nothing" {
	local round first second
	for round in $(seq 10); do
		oci-from-dockertar "both $round" <"$DATA/docker20-two-images.tar" >/dev/null &
		first=$!
		oci-from-dockertar "both $round" <"$DATA/podman5-oci-archive.tar" >/dev/null &
		second=$!
		oci-from-dockertar "both $round" <"$DATA/docker26-containerd-multiarch.tar" >/dev/null
		wait "$first"
		wait "$second"
		jq -c '[.manifests[].annotations["org.opencontainers.image.ref.name"]]' "both $round/index.json"
		[ "$(jq '.manifests | length' "both $round/index.json")" -eq 3 ]
		for name in other:v2 v1; do
			jq -e --arg name "$name" 'any(.manifests[].annotations[]; . == $name)' \
				"both $round/index.json"
		done
		try oci-blobs -i other:v2 "both $round"
		[ "$status" -eq 0 ]
	done
}
