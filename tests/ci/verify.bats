# SPDX-License-Identifier: Apache-2.0
# Debian's docker-registry: what it has is asked for with few requests, what it loses on disk
# oci-verify names.
load ../helper
load ../layout
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

@test "a small blob that is there is one request, one that is not two" {
	new_layout L
	d=$(random_blob L 1000)
	for want in "POST PUT" HEAD POST; do
		[ "$want" != POST ] || export XDG_CACHE_HOME=$WORLD/another
		try oci-blob-upload -v L "$DOCKER_REGISTRY/small/blob" "$d"
		[ "$status" -eq 0 ]
		# The first request finds out that the registry speaks no TLS.
		[ "$(sed -n 's|.*> \([A-Z]*\) http:.*|\1|p' <<<"$stderr" | paste -sd' ')" = "$want" ]
	done
	[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = exists ]
}
