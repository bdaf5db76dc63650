# SPDX-License-Identifier: Apache-2.0
# An image that Docker built, pushed to Debian's docker-registry and read back by those who pull.
load ../helper
load peers

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	start_docker_registry
	start_dockerd
	build_image ci/image:1
	export NAME=$DOCKER_REGISTRY/ci/image:1
	COG_PUSH_CHUNK_SIZE=16777216 COG_PUSH_MULTIPART_THRESHOLD=8388608 \
		"$ROOT/bin/cog-push" ci/image:1 "$NAME" >"$PEERS/pushed" 2>"$PEERS/pushed.err" || {
		cat "$PEERS/pushed.err"
		return 1
	}
	PUSHED=$(printed_digest <"$PEERS/pushed")
	export PUSHED
}

manifest_of() {
	curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$DOCKER_REGISTRY/v2/$1/manifests/$2"
}

@test "cog-push prints the digest that the registry has under the tag" {
	[ -n "$PUSHED" ]
	manifest_of ci/image 1 >manifest
	[ "sha256:$(sha manifest)" = "$PUSHED" ]
}

@test "the pushed image has a layer over 100 MB, an empty one and one that occurs twice" {
	manifest_of ci/image 1 >manifest
	jq -r .config.digest manifest
	[ "$(jq -r .config.digest manifest)" = "$IMAGE_ID" ]
	docker image inspect ci/image:1 >inspected
	cat manifest
	[ "$(jq '.layers | length' manifest)" -eq "$(jq '.[0].RootFS.Layers | length' inspected)" ]
	[ "$(jq '[.layers[].size] | max > 60000000' manifest)" = true ]
	grep -q sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef inspected
	[ "$CAN_RUN" = no ] || [ "$(jq '[.layers[].digest] | length > (unique | length)' manifest)" = true ]
}

@test "every layer that is downloaded unpacks to the content that the config names" {
	manifest_of ci/image 1 >manifest
	curl -fsS "http://$DOCKER_REGISTRY/v2/ci/image/blobs/$IMAGE_ID" >config
	[ "sha256:$(sha config)" = "$IMAGE_ID" ]
	local index=0 digest
	for digest in $(jq -r '.layers[].digest' manifest); do
		curl -fsS "http://$DOCKER_REGISTRY/v2/ci/image/blobs/$digest" >blob
		[ "sha256:$(sha blob)" = "$digest" ]
		gzip -dc <blob >plain
		[ "sha256:$(sha plain)" = "$(jq -r ".rootfs.diff_ids[$index]" config)" ]
		index=$((index + 1))
	done
	[ "$index" -eq "$(jq '.rootfs.diff_ids | length' config)" ]
}

@test "a second push of the same image sends no blob again" {
	try cog-push --json ci/image:1 "$NAME"
	[ "$status" -eq 0 ]
	printf '%s\n' "$output" >records
	[ "$(jq -s '[.[] | select(.event == "done")] | length > 0' records)" = true ]
	[ "$(jq -c 'select(.event == "done" and .how == "uploaded")' records)" = "" ]
}

@test "skopeo inspect and skopeo copy to a layout agree on the digests" {
	try skopeo inspect --tls-verify=false "docker://$NAME"
	[ "$status" -eq 0 ]
	[ "$(jq -r .Digest <<<"$output")" = "$PUSHED" ]
	try skopeo copy -q --src-tls-verify=false "docker://$NAME" oci:copied:1
	[ "$status" -eq 0 ]
	[ "$(jq -r '.manifests[0].digest' copied/index.json)" = "$PUSHED" ]
	[ "$(jq -r .config.digest "copied/blobs/sha256/${PUSHED#sha256:}")" = "$IMAGE_ID" ]
}

@test "umoci unpacks what skopeo copied to the files that were put in" {
	skopeo copy -q --src-tls-verify=false "docker://$NAME" oci:copied:1
	try umoci unpack --image copied:1 bundle
	[ "$status" -eq 0 ]
	has_the_files bundle/rootfs
}

@test "umoci unpacks the layout that cog-push keeps to the files that were put in" {
	docker save ci/image:1 >saved.tar
	try cog-push --layout kept ./saved.tar "$DOCKER_REGISTRY/ci/kept:1"
	[ "$status" -eq 0 ]
	[ "$(printed_digest <<<"$output")" = "$PUSHED" ]
	try umoci unpack --image kept:ci/image:1 bundle
	[ "$status" -eq 0 ]
	has_the_files bundle/rootfs
}

@test "podman pulls the same image ID" {
	use_podman
	try podman pull -q --tls-verify=false "$NAME"
	[ "$status" -eq 0 ]
	[ "sha256:$(podman image inspect --format '{{.Id}}' "$NAME")" = "$IMAGE_ID" ]
	[ "$(podman image inspect --format '{{.Digest}}' "$NAME")" = "$PUSHED" ]
	podman rmi -f "$NAME"
}

@test "an image of podman is pushed with --engine podman and keeps its ID" {
	use_podman
	podman load -q -i "$DATA/podman5-docker-archive.tar" >loaded
	local image
	image=$(podman images -q --no-trunc | head -n 1)
	[ -n "$image" ]
	try cog-push --engine podman "${image#sha256:}" "$DOCKER_REGISTRY/ci/podman:1"
	[ "$status" -eq 0 ]
	[ "$(manifest_of ci/podman 1 | jq -r .config.digest)" = "sha256:${image#sha256:}" ]
}

@test "a saved image on stdin is pushed to the same digest as the image itself" {
	docker save ci/image:1 >saved.tar
	try cog-push - "$DOCKER_REGISTRY/ci/stdin:1" <saved.tar
	[ "$status" -eq 0 ]
	[ "$(printed_digest <<<"$output")" = "$PUSHED" ]
}

@test "several tags are one image in the registry" {
	try cog-push ci/image:1 "$DOCKER_REGISTRY/ci/tags:a" "$DOCKER_REGISTRY/ci/tags:b"
	[ "$status" -eq 0 ]
	[ "$(curl -fsS "http://$DOCKER_REGISTRY/v2/ci/tags/tags/list" | jq -c '.tags | sort')" = '["a","b"]' ]
	cmp <(manifest_of ci/tags a) <(manifest_of ci/tags b)
}

# The last one: it removes the image.
@test "the daemon pulls back what it removed, with the same image ID, and runs it" {
	docker rmi -f "$IMAGE_ID"
	try docker image inspect "$IMAGE_ID"
	[ "$status" -ne 0 ]
	try docker pull -q "$NAME"
	[ "$status" -eq 0 ]
	[ "$(docker image inspect --format '{{.Id}}' "$NAME")" = "$IMAGE_ID" ]
	[ "$(docker image inspect --format '{{index .RepoDigests 0}}' "$NAME")" = "${NAME%:1}@$PUSHED" ]
	if [ "$CAN_RUN" = yes ]; then
		try docker run --rm --network=none "$NAME"
		[[ "$output" == *new*"$(sha "$PEERS/context/big/random")"* ]]
		[[ "$stderr" == *"/doomed: No such file"* ]]
	fi
}
