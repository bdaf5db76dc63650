# SPDX-License-Identifier: Apache-2.0
# Why this project exists: a proxy that limits the size of a request, as most do.
load ../helper
load peers

setup_file() {
	file_world
	start_docker_registry
	start_nginx 20m on "$DOCKER_REGISTRY"
	export BUFFERING=$NGINX
	start_nginx 20m off "$DOCKER_REGISTRY"
	export STREAMING=$NGINX
	start_dockerd
	build_image ci/image:1
	export COG_CHUNK=16777216
}

docker_push_fails() {
	docker tag ci/image:1 "$1"
	try docker push "$1"
	[ "$status" -ne 0 ]
	[[ "$output$stderr" == *413* ]]
}

cog_push_succeeds() {
	COG_PUSH_CHUNK_SIZE=$COG_CHUNK try cog-push ci/image:1 "$1"
	[ "$status" -eq 0 ]
	try skopeo inspect --tls-verify=false --raw "docker://$1"
	[ "$status" -eq 0 ]
	[ "$(jq -r .config.digest <<<"$output")" = "$IMAGE_ID" ]
	# The proxy never had to refuse.
	local place=${1#*/}
	run grep -h "/v2/${place%:*}/.* 413 " "$PEERS"/nginx.*/access.log
	[ "$status" -eq 1 ]
}

@test "docker push fails with 413 at a body limit of 20 MB, request buffering on" {
	docker_push_fails "$BUFFERING/docker/on:1"
}

@test "docker push fails with 413 at a body limit of 20 MB, request buffering off" {
	docker_push_fails "$STREAMING/docker/off:1"
}

@test "cog-push with chunks of 16 MiB passes a body limit of 20 MB, request buffering on" {
	cog_push_succeeds "$BUFFERING/cog/on:1"
}

@test "cog-push with chunks of 16 MiB passes a body limit of 20 MB, request buffering off" {
	cog_push_succeeds "$STREAMING/cog/off:1"
}

@test "podman pulls through the proxy what cog-push pushed" {
	cog_push_succeeds "$STREAMING/cog/pulled:1"
	use_podman
	try podman pull -q --tls-verify=false "$STREAMING/cog/pulled:1"
	[ "$status" -eq 0 ]
	[ "sha256:$(podman image inspect --format '{{.Id}}' "$STREAMING/cog/pulled:1")" = "$IMAGE_ID" ]
}
