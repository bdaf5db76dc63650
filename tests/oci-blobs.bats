# SPDX-License-Identifier: Apache-2.0
load helper
load layout

@test "blobs come each once, before the manifests that name them, the root last" {
	oci-from-dockertar -f "$DATA/docker26-containerd-multiarch.tar" d >/dev/null
	try oci-blobs d
	[ "$status" -eq 0 ]
	[ "$(jq -r .kind <<<"$output" | tr '\n' ' ')" = "config layer manifest config layer manifest index " ]
	[ "$(jq -r .digest <<<"$output" | sort | uniq -d)" = "" ]
	[ "$(jq -r .digest <<<"$output" | tail -1)" = "$(jq -r '.manifests[0].digest' d/index.json)" ]
}

@test "a blob that several manifests share comes once, before the first of them" {
	new_layout d
	config=$(add_text d '{}') one=$(random_blob d 12) two=$(random_blob d 11) three=$(random_blob d 13)
	a=$(add_manifest d "$config" "$one" "$two" "$one")
	b=$(add_manifest d "$config" "$two" "$three")
	add_image d "$(add_index d "$a" "$b")" x index
	try oci-blobs d
	[ "$status" -eq 0 ]
	[ "$(jq -r .digest <<<"$output" | head -n 6 | tr '\n' ' ')" = "$config $one $two $a $three $b " ]
	[ "$(wc -l <<<"$output")" -eq 7 ]
	# The large layers first, in whatever order the manifest names them.
	[ "$(jq -r '.layers[].size' "d/blobs/sha256/${b#sha256:}" | tr '\n' ' ')" = "11 13 " ]
	add_image d "$(add_manifest d "$config" "$two" "$three" "$one")" y manifest
	try oci-blobs -i y d
	[ "$(jq -r 'select(.kind == "layer").digest' <<<"$output" | tr '\n' ' ')" = "$three $one $two " ]
}

@test "-i takes names with and without what docker adds, digests at the top and inside an index" {
	oci-from-dockertar -f "$DATA/docker20-two-images.tar" d >/dev/null
	oci-from-dockertar -f "$DATA/docker26-containerd-multiarch.tar" d >/dev/null
	for name in other:v2 docker.io/library/other:v2 library/other:v2 example.com/team/multi:v1; do
		try oci-blobs -i "$name" d
		[ "$status" -eq 0 ]
	done
	try oci-blobs -i sha256:fbe6566496326a598422717a521b8d96acef40da016dad7ef866328743d790a2 d
	[ "$(jq -r .kind <<<"$output" | tr '\n' ' ')" = "config layer manifest " ]
}

@test "several images without -i are wrong usage with the list" {
	oci-from-dockertar -f "$DATA/docker20-two-images.tar" d >/dev/null
	try oci-blobs d
	[ "$status" -eq 2 ]
	[[ $stderr == *"example.com/team/fixture:v1, other:v2"* ]]
}

@test "an image that is not there is an error with the names that are" {
	oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null
	for name in nothing sha256:0000000000000000000000000000000000000000000000000000000000000000; do
		try oci-blobs -i "$name" d
		[ "$status" -eq 1 ]
		[[ $stderr == *"no image '$name'; there are: example.com/team/fixture:v1"* ]]
	done
}

@test "what is no layout, or a broken one, is refused with 65" {
	mkdir empty
	try oci-blobs empty
	[ "$status" -eq 65 ]
	[[ $stderr == *"empty: not an OCI layout"* ]]
	try oci-blobs nothing
	[ "$status" -eq 65 ]
	oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null
	blob=d/blobs/sha256/$(oci-blobs d | jq -r 'select(.kind == "layer") | .digest[7:]' | head -1)
	cp "$blob" keep
	echo x >>"$blob"
	try oci-blobs d
	[ "$status" -eq 65 ]
	[[ $stderr == *"its descriptor says"* ]]
	rm "$blob"
	try oci-blobs d
	[ "$status" -eq 65 ]
	[[ $stderr == *"is not in the layout"* ]]
	ln -s "$PWD/keep" "$blob"
	try oci-blobs d
	[ "$status" -eq 65 ]
	rm "$blob"
	mkfifo "$blob"
	try oci-blobs d
	[ "$status" -eq 65 ]
	[[ $stderr == *"not a regular file"* ]]
}

@test "a manifest whose bytes were changed is refused" {
	oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null
	blob=d/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' d/index.json)
	sed -i s/layers/lagers/ "$blob"
	try oci-blobs d
	[ "$status" -eq 65 ]
	[[ $stderr == *"have another digest"* ]]
}

@test "an index.json that is none is refused" {
	oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null
	for text in '' '[]' '{' '{"manifests":[{"digest":"md5:1"}]}' '{"manifests":[]}' \
		'{"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}'; do
		printf '%s' "$text" >d/index.json
		try oci-blobs d
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
	done
}

@test "--incomplete lists layers and configs that are not there, but no broken ones" {
	oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null
	oci-blobs d >all
	layer=$(jq -r 'select(.kind == "layer").digest' all | head -n 1)
	rm "d/blobs/sha256/${layer#sha256:}"
	try oci-blobs d
	[ "$status" -eq 65 ]
	[[ $stderr == *"$layer"* ]]
	try oci-blobs --incomplete d
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat all)" ]
	config=$(jq -r 'select(.kind == "config").digest' all)
	echo more >>"d/blobs/sha256/${config#sha256:}"
	try oci-blobs --incomplete d
	[ "$status" -eq 65 ]
	[[ $stderr == *"$config"* ]]
}
