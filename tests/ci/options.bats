# SPDX-License-Identifier: Apache-2.0
# Options of cog-push with a real docker and a real registry: --fallback and --verify.
load ../helper
load peers

setup_file() {
	file_world
	start_docker_registry
	start_dockerd
	build_image ci/image:1
	# An uploader that fails, before the real one in PATH.
	mkdir "$PEERS/broken"
	cat >"$PEERS/broken/oci-blob-upload" <<-'END'
		#!/bin/sh
		printf '75\toci-blob-upload: broken: as ordered\n' >&"$COG_REPORT_FD"
		exit 75
	END
	chmod +x "$PEERS/broken/oci-blob-upload"
}

# All tags. That an image was pushed docker keeps as a name without a tag.
names() {
	docker image ls --all --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -v ':<none>' | sort
}

# digest_at NAME TAG: of the manifest that the registry has there.
digest_at() {
	curl -fsS -o manifest -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
		-H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$DOCKER_REGISTRY/v2/$1/manifests/$2" && echo "sha256:$(sha manifest)"
}

@test "docker push takes over: its digest on stdout, its output on stderr, no name more or less" {
	names >before
	PATH=$PEERS/broken:$PATH try cog-push --fallback ci/image:1 "$DOCKER_REGISTRY/fallback/image:1"
	[ "$status" -eq 0 ]
	[ "$output" = "$DOCKER_REGISTRY/fallback/image@$(digest_at fallback/image 1)" ]
	[ "$(jq -r .config.digest manifest)" = "$IMAGE_ID" ]
	[[ $stderr == *"oci-blob-upload: broken: as ordered"*"falling back to docker push"*"The push refers to repository"* ]]
	names >after
	diff before after
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "a name that another image has is that image's afterwards" {
	docker tag ci/image:1 ci/copy:1
	echo 'FROM scratch
		LABEL other=image' | docker build -q -t "$DOCKER_REGISTRY/fallback/taken:1" -
	names >before
	PATH=$PEERS/broken:$PATH try cog-push --fallback ci/copy:1 "$DOCKER_REGISTRY/fallback/taken:1"
	[ "$status" -eq 0 ]
	digest_at fallback/taken 1
	[ "$(jq -r .config.digest manifest)" = "$IMAGE_ID" ]
	names >after
	diff before after
}

@test "an image without a name is not lost: the name stays, with a warning" {
	id=$(echo 'FROM scratch
		LABEL no=name' | docker build -q -)
	COG_PUSH_OCI=0 try cog-push -e docker "$id" "$DOCKER_REGISTRY/fallback/nameless:1"
	[ "$status" -eq 0 ]
	[ "$output" = "$DOCKER_REGISTRY/fallback/nameless@$(digest_at fallback/nameless 1)" ]
	[[ $stderr == *"cog-engine: warning: the image has no other name: $DOCKER_REGISTRY/fallback/nameless:1 stays"* ]]
	docker image inspect "$id" >/dev/null
}

@test "a docker push that fails is said in docker's words" {
	PATH=$PEERS/broken:$PATH try cog-push --fallback ci/image:1 127.0.0.1:1/fallback/none:1
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-engine: docker push: "* ]]
}

@test "--verify sends again what the registry has lost on its disk" {
	local there=$PEERS/registry/docker/registry/v2/repositories/ci/verified
	mkdir losing
	# It loses a layer after the manifest was put, once.
	cat >losing/oci-manifest-put <<-END
		#!/bin/sh
		"$ROOT/bin/oci-manifest-put" "\$@" || exit
		[ -e "$WORLD/lost" ] || rm -r "$there/_layers/sha256/$(oci-from-dockertar -f "$DATA/docker26.tar" l |
			jq -r 'select(.kind == "layer").digest[7:]' | head -n 1)"
		touch "$WORLD/lost"
	END
	chmod +x losing/oci-manifest-put
	PATH=$WORLD/losing:$PATH try cog-push --verify "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/verified:v1"
	[ "$status" -eq 0 ]
	[[ $stderr == *"cog-push: warning: oci-verify: $DOCKER_REGISTRY/ci/verified: 1 of "*": sent again"* ]]
	try oci-verify l "$DOCKER_REGISTRY/ci/verified"
	[ "$status" -eq 0 ]
}
