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

@test "what each compression setting gives is read by skopeo, umoci and podman" {
	local root=(--root "$WORLD/root" --runroot "$WORLD/run" --storage-driver vfs)
	for how in gzip gzip:9 zstd zstd:19 none; do
		echo "--- $how"
		rm -rf d bundle dir
		oci-from-dockertar --compress "$how" -f "$DATA/docker20.tar" d >records
		skopeo --insecure-policy copy -q "oci:d:example.com/team/fixture:v1" dir:dir
		# umoci 0.4 knows no zstd.
		[[ $how == zstd* ]] || umoci raw unpack --rootless --image d:example.com/team/fixture:v1 bundle
		podman "${root[@]}" pull -q oci:d:example.com/team/fixture:v1 >id
		[ "$(podman "${root[@]}" image inspect --format '{{json .RootFS.Layers}}' "$(cat id)")" = \
			"$(jq -sc 'map(select(.event == "blob" and .diffId)) | map({(.digest): .diffId}) | add' records >ids; jq -c --slurpfile ids ids \
				'[.layers[].digest | $ids[0][.]]' "d/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' d/index.json)")" ]
		podman "${root[@]}" rmi -f "$(cat id)" >removed
	done
}
