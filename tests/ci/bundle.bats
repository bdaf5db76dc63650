# SPDX-License-Identifier: Apache-2.0
# What cog-push publishes beside an image, and other tools take: a model's weights as a bundle, an index of
# several platforms, an artifact about an image.
load ../helper
load ../layout
load ../weights
load peers

OCI=application/vnd.oci.image

# Shared: the model, and the bundle in the registry.
setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	start_docker_registry
	cd "$PEERS" || return 1
	printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$DOCKER_REGISTRY" >registries.conf
	export CONTAINERS_REGISTRIES_CONF=$PEERS/registries.conf
	use_podman
	make_model "a model" 104857600
	"$ROOT/bin/cog-push" --weights "base=a model:/src/weights" "$DATA/docker26.tar" \
		"$DOCKER_REGISTRY/ci/model:v1" >pushed 2>pushed.log || { cat pushed.log && return 1; }
}

setup() {
	own_world
	cd "$PEERS" || return 1
	SET=$(set_digest "a model")
	WEIGHT=cog-weight.base.${SET:7:12}
}

# stored REPOSITORY NAME: the manifest that the registry has.
stored() {
	curl -fsS -H "Accept: $OCI.index.v1+json, $OCI.manifest.v1+json" "http://$DOCKER_REGISTRY/v2/$1/manifests/$2"
}

# copied REPOSITORY: it has all manifests of the bundle, byte for byte but for the index.
copied() {
	local digest
	for digest in $(stored ci/model v1 | jq -r '.manifests[].digest'); do
		cmp <(stored ci/model "$digest") <(stored "$1" "$digest") || return 1
	done
	[ "$(stored "$1" v1 | jq -c '[.manifests[].digest]')" = "$(stored ci/model v1 | jq -c '[.manifests[].digest]')" ]
}

@test "a model goes into the registry with its image: the set digest is sha256sum's, the tags are cog's" {
	[ "$(cat pushed)" = "$DOCKER_REGISTRY/ci/model@sha256:$(stored ci/model v1 | sha256sum | cut -d ' ' -f 1)" ]
	[ "$(stored ci/model "$WEIGHT" | jq -r '.annotations["run.cog.weight.set-digest"]')" = "$SET" ]
	[ "$(curl -fsS "http://$DOCKER_REGISTRY/v2/ci/model/tags/list" | jq -r '.tags | sort | join(" ")')" = \
		"cog-image.v1 $WEIGHT v1" ]
	[ "$(stored ci/model v1 | jq -r '.manifests[0].digest')" = \
		"sha256:$(stored ci/model cog-image.v1 | sha256sum | cut -d ' ' -f 1)" ]
	[ "$(stored ci/model cog-image.v1 | jq -r .config.digest)" = \
		"sha256:$(tar -xOf "$DATA/docker26.tar" manifest.json | jq -r '.[0].Config[13:]')" ]
}

@test "the weight's layers, pulled by skopeo, unpack with tar in any order to the same tree" {
	skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$DOCKER_REGISTRY/ci/model:$WEIGHT" "oci:pulled:w"
	oci-weights-check pulled w "a model"
	unpack pulled one
	unpack pulled two -r
	diff -r "a model" one
	diff -r "a model" two
	rm -r one two pulled
}

@test "a bundle that is pushed again sends no blob, with a changed file only what changed" {
	try cog-push --json --weights "base=a model:/src/weights" "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/model:v2"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done" and .how == "uploaded").digest' <<<"$output")" = "" ]
	cp -r "a model" changed
	echo '{"changed": true}' >changed/config.json
	try cog-push --json --weights base=changed:/src/weights "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/model:v3"
	[ "$status" -eq 0 ]
	[ "$(jq -s 'map(select(.event == "done" and .how == "uploaded").sentBytes) | add < 10000000' <<<"$output")" = true ]
	[ "$(jq -s 'map(select(.event == "done" and .how == "uploaded")) | length' <<<"$output")" -eq 2 ]
	rm -r changed
}

@test "skopeo copies the bundle to another repository with all manifests as they are" {
	skopeo --insecure-policy copy -q --all --src-tls-verify=false --dest-tls-verify=false \
		"docker://$DOCKER_REGISTRY/ci/model:v1" "docker://$DOCKER_REGISTRY/ci/skopeo:v1"
	copied ci/skopeo
}

@test "podman takes the bundle as an index and pushes it to another repository with all manifests as they are" {
	podman manifest create --all bundle "docker://$DOCKER_REGISTRY/ci/model:v1" >id
	podman manifest push -q --all --tls-verify=false bundle "docker://$DOCKER_REGISTRY/ci/podman:v1"
	copied ci/podman
}

@test "buildah takes the index, adds to it, and shows all of its manifests" {
	buildah manifest create more
	buildah manifest add --tls-verify=false --all more "docker://$DOCKER_REGISTRY/ci/model:v1"
	buildah manifest inspect more >inspected
	[ "$(jq -c '[.manifests[].digest] | sort' inspected)" = "$(stored ci/model v1 | jq -c '[.manifests[].digest] | sort')" ]
}

@test "the multi-platform archives keep their digests from end to end, and a platform its own" {
	for tar in buildah-multiarch-oci-archive docker26-containerd-multiarch; do
		mkdir archive && tar -C archive -xf "$DATA/$tar.tar"
		top=$(jq -r '.manifests[0].digest' archive/index.json)
		try cog-push "$DATA/$tar.tar" "$DOCKER_REGISTRY/ci/$tar:v1"
		[ "$status" -eq 0 ]
		[ "$output" = "$DOCKER_REGISTRY/ci/$tar@$top" ]
		cmp <(stored "ci/$tar" v1) "archive/blobs/sha256/${top#sha256:}"
		for each in $(jq -r '.manifests[] | [.platform.os, .platform.architecture, .platform.variant // empty] | join("/")' \
			"archive/blobs/sha256/${top#sha256:}"); do
			digest=$(skopeo --insecure-policy inspect --raw --tls-verify=false "docker://$DOCKER_REGISTRY/ci/$tar:v1" |
				jq -r --arg p "$each" '.manifests[] | select(([.platform.os, .platform.architecture, .platform.variant // empty] | join("/")) == $p).digest')
			try cog-push --platform "$each" "$DATA/$tar.tar" "$DOCKER_REGISTRY/ci/one:$tar"
			[ "$output" = "$DOCKER_REGISTRY/ci/one@$digest" ]
		done
		rm -r archive
	done
}

@test "images of several platforms, pushed as one index, are what podman pulls for each" {
	for arch in amd64 arm64; do
		new_layout "$arch"
		echo "$arch" >file
		tar --owner=0 --group=0 --mtime=@0 -cf layer.tar file
		layer=$(gzip -n <layer.tar | add_stream "$arch")
		config=$(add_text "$arch" "{\"architecture\":\"$arch\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$(sha layer.tar)\"]}}")
		add_image "$arch" "$(add_manifest "$arch" "$config" "$layer")" "$arch"
		echo "${config#sha256:}" >"$arch.config"
	done
	cog-push --index "$DOCKER_REGISTRY/ci/platforms:v1" ./amd64 ./arm64 >reference
	for arch in amd64 arm64; do
		podman pull -q --platform "linux/$arch" "$DOCKER_REGISTRY/ci/platforms:v1" >id
		[ "$(cat id)" = "$(cat "$arch.config")" ]
	done
}

@test "with docker's types skopeo finds a docker manifest of the same config and layers" {
	cog-push "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/types:oci" >reference
	cog-push --docker-types "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/types:docker" >reference
	for each in oci docker; do
		skopeo --insecure-policy inspect --raw --tls-verify=false "docker://$DOCKER_REGISTRY/ci/types:$each" >"raw.$each"
	done
	[ "$(jq -r .mediaType raw.docker)" = application/vnd.docker.distribution.manifest.v2+json ]
	[ "$(jq -c '[.config.digest, .layers[].digest]' raw.docker)" = "$(jq -c '[.config.digest, .layers[].digest]' raw.oci)" ]
	skopeo --insecure-policy copy -q --preserve-digests --src-tls-verify=false \
		"docker://$DOCKER_REGISTRY/ci/types:docker" dir:copy
	podman pull -q "$DOCKER_REGISTRY/ci/types:docker" >id
	[ "sha256:$(cat id)" = "$(jq -r .config.digest raw.oci)" ]
}

@test "an artifact is what oras stores of the same file, and oras finds and pulls it" {
	echo '{"spdxVersion": "SPDX-2.3"}' >sbom.json
	image=$(cog-push --attach sbom.json:application/spdx+json "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/oras:v1")
	oras discover --plain-http --format json "$DOCKER_REGISTRY/ci/oras:v1" >found
	[ "$(jq -r '.manifests[].artifactType' found)" = application/spdx+json ]
	ours=$(jq -r '.manifests[].digest' found)
	# oras notes when it was made; the rest is the same.
	oras attach --plain-http --distribution-spec v1.1-referrers-tag --artifact-type application/spdx+json \
		"$DOCKER_REGISTRY/ci/oras:v1" sbom.json:application/spdx+json >said
	theirs=$(oras discover --plain-http --format json "$DOCKER_REGISTRY/ci/oras:v1" |
		jq -r --arg ours "$ours" '.manifests[].digest | select(. != $ours)')
	[ "$(stored ci/oras "$ours" | jq -S .)" = "$(stored ci/oras "$theirs" | jq -S 'del(.annotations)')" ]
	mkdir pulled.oras
	oras pull --plain-http -o pulled.oras "$DOCKER_REGISTRY/ci/oras@$ours" >said
	cmp sbom.json pulled.oras/sbom.json
	oras copy --from-plain-http --to-plain-http -r "$DOCKER_REGISTRY/ci/oras:v1" "$DOCKER_REGISTRY/ci/copied:v1" >said
	[ "$(oras resolve --plain-http "$DOCKER_REGISTRY/ci/copied:v1")" = "${image#*@}" ]
	oras manifest fetch --plain-http "$DOCKER_REGISTRY/ci/copied@$ours" >manifest
	cmp manifest <(stored ci/oras "$ours")
}

@test "oras copies the bundle, and pulls its weight" {
	oras copy --from-plain-http --to-plain-http "$DOCKER_REGISTRY/ci/model:v1" "$DOCKER_REGISTRY/ci/orascopy:v1" >said
	cmp <(stored ci/model v1) <(stored ci/orascopy v1)
	copied ci/orascopy
}
