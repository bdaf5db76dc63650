# SPDX-License-Identifier: Apache-2.0
# What Debian's docker-registry loses on disk, oci-verify names.
load ../helper
load peers

setup_file() {
	file_world
	start_docker_registry
}

@test "a blob and a manifest that vanish from the registry's disk are named, and what repairs them is their records" {
	repository=$DOCKER_REGISTRY/ci/verified
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	oci-blob-upload layout "$repository" <records >pushed
	oci-manifest-put layout "$repository:v1" >>pushed
	try oci-verify layout "$repository"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]

	layer=$(jq -r 'select(.event == "blob" and .kind == "layer").digest' records | head -n 1)
	manifest=$(jq -r 'select(.event == "image").digest' records)
	there=$PEERS/registry/docker/registry/v2/repositories/ci/verified
	rm -r "$there/_layers/sha256/${layer#sha256:}" "$there/_manifests/revisions/sha256/${manifest#sha256:}"
	try oci-verify layout "$repository"
	[ "$status" -eq 1 ]
	[ "$(jq -r 'select(.event == "blob") | .digest' <<<"$output")" = "$layer
$manifest" ]
	[[ $stderr == "oci-verify: $repository: 2 of "* ]]

	oci-blob-upload layout "$repository" <<<"$output" >repaired
	[ "$(jq -r 'select(.event == "done") | .digest' repaired)" = "$layer" ]
	oci-manifest-put layout "$repository:v1" >>repaired
	try oci-verify layout "$repository"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "a blob that vanished is sent again by oci-manifest-put itself" {
	repository=$DOCKER_REGISTRY/ci/mended
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	oci-blob-upload layout "$repository" <records >pushed
	layer=$(jq -r 'select(.event == "blob" and .kind == "layer").digest' records | head -n 1)
	rm -r "$PEERS/registry/docker/registry/v2/repositories/ci/mended/_layers/sha256/${layer#sha256:}"
	try oci-manifest-put --retries 1 layout "$repository:v1"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done") | .digest' <<<"$output")" = "$layer" ]
	try oci-verify layout "$repository"
	[ "$status" -eq 0 ]
}
