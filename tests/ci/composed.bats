# SPDX-License-Identifier: Apache-2.0
# Other tools and a real registry take what oci-index and oci-from-files make, byte for byte.
load ../helper
load ../layout
load peers

setup_file() {
	file_world
	start_docker_registry
}

OCI=application/vnd.oci.image

# Images of two platforms, with layers that can be unpacked, and a weight, all named.
make_layout() {
	new_layout layout
	local arch config layer
	for arch in amd64 arm64; do
		echo "$arch" >file
		tar --owner=0 --group=0 --mtime=@0 -cf layer.tar file
		layer=$(gzip -n <layer.tar | add_stream layout)
		config=$(add_text layout "{\"architecture\":\"$arch\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$(sha layer.tar)\"]}}")
		add_image layout "$(add_manifest layout "$config" "$layer")" "$arch"
	done
	add_image layout "$(add_weight layout w /w)" weight
}

# index_of LAYOUT NAME: the digest of what has a name.
index_of() {
	jq -r --arg n "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest' "$1/index.json"
}

# same_blobs A B [KIND]: B has each blob of the image v1 in A, but for those of KIND, as it is.
same_blobs() {
	local digest
	for digest in $(oci-blobs -i v1 "$1" | jq -r --arg kind "${3-}" 'select(.kind != $kind).digest[7:]'); do
		cmp "$1/blobs/sha256/$digest" "$2/blobs/sha256/$digest" || return 1
	done
}

@test "skopeo copies an index between layouts and a registry with all manifests as they are" {
	make_layout
	oci-index --tag v1 --annotation note=kept layout amd64 arm64
	skopeo --insecure-policy copy -q --all --preserve-digests oci:layout:v1 oci:copy:v1
	[ "$(index_of copy v1)" = "$(index_of layout v1)" ]
	same_blobs layout copy
	skopeo --insecure-policy copy -q --all --preserve-digests --dest-tls-verify=false oci:layout:v1 \
		"docker://$DOCKER_REGISTRY/ci/composed:v1"
	try oci-verify -i v1 layout "$DOCKER_REGISTRY/ci/composed"
	[ "$status" -eq 0 ]
	skopeo --insecure-policy copy -q --all --preserve-digests --src-tls-verify=false \
		"docker://$DOCKER_REGISTRY/ci/composed:v1" oci:back:v1
	same_blobs layout back
}

@test "skopeo copies a bundle with all manifests as they are" {
	make_layout
	oci-index --bundle --tag v1 --annotation note=kept layout amd64 weight arm64
	skopeo --insecure-policy copy -q --all oci:layout:v1 oci:copy:v1
	same_blobs layout copy index
	# skopeo 1.9 drops from the index what its manifests are.
	cmp <(jq -Sc 'del(.manifests[].artifactType)' "layout/blobs/sha256/$(index_of layout v1 | cut -c8-)") \
		<(jq -Sc 'del(.manifests[].artifactType)' "copy/blobs/sha256/$(index_of copy v1 | cut -c8-)")
}

@test "a pushed bundle is an index to podman, which pulls the image of the platform that is asked for" {
	make_layout
	use_podman
	printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$DOCKER_REGISTRY" >"$WORLD/registries.conf"
	export CONTAINERS_REGISTRIES_CONF=$WORLD/registries.conf
	oci-index --bundle --tag v1 layout weight arm64 amd64
	oci-blobs -i v1 layout | oci-blob-upload layout "$DOCKER_REGISTRY/ci/bundle" >records
	oci-manifest-put -i v1 layout "$DOCKER_REGISTRY/ci/bundle:v1" >records
	podman manifest inspect "$DOCKER_REGISTRY/ci/bundle:v1" >inspected
	[ "$(jq -r '.manifests[].platform | .os + "/" + .architecture' inspected | paste -sd' ')" = \
		"linux/arm64 linux/amd64 unknown/unknown" ]
	for arch in amd64 arm64; do
		podman pull -q --platform "linux/$arch" "$DOCKER_REGISTRY/ci/bundle:v1" >id
		[ "$(cat id)" = "$(jq -r '.config.digest[7:]' "layout/blobs/sha256/$(index_of layout "$arch" | cut -c8-)")" ]
	done
}

@test "a pushed artifact is listed under the tag of its subject, and skopeo copies it as it is" {
	make_layout
	repository=$DOCKER_REGISTRY/ci/artifact
	echo '{"spdxVersion": "SPDX-2.3"}' >sbom.json
	oci-blobs -i amd64 layout | oci-blob-upload layout "$repository" >records
	oci-manifest-put -i amd64 layout "$repository:v1" >records
	oci-from-files --artifact-type application/x-sbom --subject amd64 --tag sbom layout sbom.json:application/spdx+json |
		oci-blob-upload layout "$repository" >records
	oci-manifest-put -i sbom layout "$repository:sbom" >records
	subject=$(index_of layout amd64)
	curl -fsS "http://$DOCKER_REGISTRY/v2/ci/artifact/manifests/sha256-${subject#sha256:}" \
		-H "Accept: $OCI.index.v1+json" >list
	[ "$(jq -r '.manifests[] | .digest + " " + .artifactType' list)" = "$(index_of layout sbom) application/x-sbom" ]
	skopeo --insecure-policy copy -q --preserve-digests --src-tls-verify=false "docker://$repository:sbom" oci:copy:sbom
	[ "$(index_of copy sbom)" = "$(index_of layout sbom)" ]
	cmp sbom.json "copy/blobs/sha256/$(sha sbom.json)"
}
