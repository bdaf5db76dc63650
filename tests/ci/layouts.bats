# SPDX-License-Identifier: Apache-2.0
# Layouts that other tools wrote.
load ../helper

@test "a layout of skopeo is read" {
	skopeo --insecure-policy copy -q "docker-archive:$DATA/docker20.tar" oci:d:v1
	try oci-blobs -i v1 d
	[ "$status" -eq 0 ]
	[ "$(wc -l <<<"$output")" -eq 6 ]
}

@test "a layout of umoci is read" {
	umoci init --layout d
	umoci new --image d:v1
	try oci-blobs d
	[ "$status" -eq 0 ]
	[ "$(jq -r .kind <<<"$output" | tr '\n' ' ')" = "config manifest " ]
}

@test "a layout of podman is read" {
	podman --root "$WORLD/root" --runroot "$WORLD/run" --storage-driver vfs load -q -i "$DATA/docker20.tar"
	podman --root "$WORLD/root" --runroot "$WORLD/run" --storage-driver vfs push -q \
		example.com/team/fixture:v1 oci:d:v1
	try oci-blobs d
	[ "$status" -eq 0 ]
	[ "$(wc -l <<<"$output")" -eq 6 ]
}
