# SPDX-License-Identifier: Apache-2.0
load helper
load layout

OCI=application/vnd.oci.image
DOCKER=application/vnd.docker.distribution

setup() {
	own_world
	new_layout L
	AMD=$(image amd64)
	ARM6=$(image arm v6)
	ARM7=$(image arm v7)
	ARM64=$(image arm64 v8)
}

# image ARCHITECTURE [VARIANT]: prints its digest.
image() {
	add_manifest L "$(add_text L "{\"architecture\":\"$1\",\"os\":\"linux\"${2:+,\"variant\":\"$2\"}}")" \
		"$(random_blob L 100)"
}

# attest DIGEST: what a builder says of it.
attest() {
	add_manifest L "$(add_text L '{"architecture":"unknown","os":"unknown"}')" "$(random_blob L 50)"
}

# entry DIGEST PLATFORM [ANNOTATIONS]: as an index has it.
entry() {
	jq -cn --arg d "$1" --argjson s "$(size_of L "$1")" --argjson p "$2" --argjson a "${3-null}" \
		'{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s, platform: $p, annotations: $a} |
		del(..|nulls)'
}

# index ENTRY...: prints its digest.
index() {
	printf '%s\n' "$@" | jq -cs '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .,
		annotations: {old: "1", both: "1"}}' | tr -d '\n' | add_stream L
}

platform() { # ARCHITECTURE [VARIANT]
	echo "{\"architecture\":\"$1\",\"os\":\"linux\"${2:+,\"variant\":\"$2\"}}"
}

whole_index() {
	index "$(entry "$AMD" "$(platform amd64)")" "$(entry "$ARM6" "$(platform arm v6)")" \
		"$(entry "$ARM7" "$(platform arm v7)")" "$(entry "$ARM64" "$(platform arm64 v8)")"
}

# edited OPTION...: the last try made a manifest or index; prints it.
edited() {
	cat "L/blobs/sha256/$(tail -n 1 <<<"$output" | jq -r 'select(.event == "image").digest[7:]')"
}

remember() {
	cp L/index.json before
	find L -type f | sort >blobs
}

# unchanged: nothing was added to the layout.
unchanged() {
	cmp L/index.json before && [ "$(find L -type f | sort)" = "$(cat blobs)" ]
}

@test "--platform finds the image in an index, whatever is said of its variant" {
	add_image L "$(whole_index)" v1 index
	remember
	for each in "linux/amd64 $AMD" "linux/arm/v7 $ARM7" "linux/arm/v6 $ARM6" "linux/arm64 $ARM64" "linux/arm64/v8 $ARM64"; do
		try oci-manifest-edit --platform "${each% *}" L
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ "$(jq -r '[.event, .digest] | @tsv' <<<"$output")" = "image	${each#* }" ]
	done
	unchanged
}

@test "--platform takes an arm64 without a variant for v8, and none for a variant that it does not have" {
	plain=$(image arm64)
	add_image L "$(index "$(entry "$plain" "$(platform arm64)")" "$(entry "$AMD" "$(platform amd64)")")" v1 index
	try oci-manifest-edit --platform linux/arm64/v8 L
	[ "$(jq -r .digest <<<"$output")" = "$plain" ]
	try oci-manifest-edit --platform linux/arm64/v9 L
	[ "$status" -eq 1 ]
	try oci-manifest-edit --platform linux/amd64/v3 L
	[ "$status" -eq 1 ]
}

@test "--platform looks into indexes inside an index, and into configs where an index says nothing" {
	inner=$(add_index L "$ARM7" "$AMD")
	outer=$(add_text L "{\"schemaVersion\":2,\"mediaType\":\"$OCI.index.v1+json\",\"manifests\":[
		{\"mediaType\":\"$OCI.index.v1+json\",\"digest\":\"$inner\",\"size\":$(size_of L "$inner")}]}")
	add_image L "$outer" v1 index
	try oci-manifest-edit --platform linux/arm L
	[ "$status" -eq 0 ]
	[ "$(jq -r .digest <<<"$output")" = "$ARM7" ]
}

@test "--platform names what is there when there is none, or several" {
	add_image L "$(whole_index)" v1 index
	try oci-manifest-edit --platform windows/amd64 L
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-manifest-edit: no image for windows/amd64: there is linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8" ]
	try oci-manifest-edit --platform linux/arm L
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-manifest-edit: several images for linux/arm: "*linux/arm/v7* ]]
	add_image L "$AMD" amd
	try oci-manifest-edit --platform linux/arm64 -i amd L
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-manifest-edit: no image for linux/arm64: there is linux/amd64" ]
	try oci-manifest-edit --platform linux/amd64 -i amd L
	[ "$status" -eq 0 ]
}

@test "--platform refuses an image that the index names and the layout does not hold" {
	add_image L "$(whole_index)" v1 index
	rm "L/blobs/sha256/${ARM6#sha256:}"
	try oci-manifest-edit --platform linux/arm/v6 L
	[ "$status" -eq 65 ]
	[[ $stderr == "oci-manifest-edit: the image for linux/arm/v6, $ARM6, is not in it, only its name" ]]
	try oci-manifest-edit --platform linux/arm/v7 L
	[ "$status" -eq 0 ]
}

@test "indexes nested deeper than any need to be are refused" {
	inner=$(add_index L "$AMD")
	for _ in 1 2 3 4 5 6; do
		inner=$(add_text L "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"$OCI.index.v1+json\",\"digest\":\"$inner\",\"size\":$(size_of L "$inner")}]}")
	done
	add_image L "$inner" v1 index
	try oci-manifest-edit --platform linux/amd64 L
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
}

@test "--no-attestations leaves out what a builder attests, and nothing else" {
	said=$(attest "$AMD")
	add_image L "$(index "$(entry "$AMD" "$(platform amd64)" '{"a":"b"}')" \
		"$(entry "$said" '{"architecture":"unknown","os":"unknown"}' "{\"vnd.docker.reference.type\":\"attestation-manifest\",\"vnd.docker.reference.digest\":\"$AMD\"}")" \
		"$(entry "$ARM7" "$(platform arm v7)")")" v1 index
	try oci-manifest-edit --no-attestations L
	[ "$status" -eq 0 ]
	[ "$(edited | jq -r '.manifests[].digest' | paste -sd' ')" = "$AMD $ARM7" ]
	[ "$(edited | jq -c '.manifests[0].annotations, .annotations')" = '{"a":"b"}
{"old":"1","both":"1"}' ]
	made=$(tail -n 1 <<<"$output" | jq -r .digest)
	oci-blobs -i "$made" L >blobs.made
	[ "$(grep -c "$said" blobs.made)" -eq 0 ]
	# None is there any more.
	remember
	try oci-manifest-edit --no-attestations -i "$made" L
	[ "$(jq -r .digest <<<"$output")" = "$made" ]
	unchanged
}

@test "--annotation adds to those that are there, of a manifest and of an index" {
	add_image L "$(whole_index)" v1 index
	try oci-manifest-edit --annotation both=2 --annotation new=3=4 L
	[ "$status" -eq 0 ]
	[ "$(edited | jq -cS .annotations)" = '{"both":"2","new":"3=4","old":"1"}' ]
	[ "$(edited | jq -c .manifests)" = "$(jq -c .manifests "L/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' L/index.json)")" ]
	try oci-manifest-edit --annotation a=b -i "$AMD" L
	[ "$(edited | jq -c 'del(.annotations)')" = "$(jq -c . "L/blobs/sha256/${AMD#sha256:}")" ]
	[ "$(edited | jq -c .annotations)" = '{"a":"b"}' ]
	[ "$(jq -r '.manifests | length' L/index.json)" -eq 3 ]
	oci-blobs -i v1 L >all
}

@test "--docker-types makes the manifest that docker has of the same config and layers" {
	add_image L "$AMD" v1
	try oci-manifest-edit --docker-types L
	[ "$status" -eq 0 ]
	[ "$(edited | jq -cS .)" = "$(jq -cS '.mediaType = "'$DOCKER'.manifest.v2+json" |
		.config.mediaType = "application/vnd.docker.container.image.v1+json" |
		.layers[].mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip"' "L/blobs/sha256/${AMD#sha256:}")" ]
	made=$(tail -n 1 <<<"$output" | jq -r .digest)
	[ "$(jq -r --arg d "$made" '.manifests[] | select(.digest == $d).mediaType' L/index.json)" = $DOCKER.manifest.v2+json ]
	remember
	try oci-manifest-edit --docker-types -i "$made" L
	[ "$(jq -r .digest <<<"$output")" = "$made" ]
	unchanged
}

@test "--docker-types makes a list of an index, and a manifest of each that it names" {
	add_image L "$(whole_index)" v1 index
	try oci-manifest-edit --docker-types L
	[ "$status" -eq 0 ]
	[ "$(edited | jq -r '.mediaType, (.manifests[] | .mediaType + " " + .platform.architecture)')" = "$DOCKER.manifest.list.v2+json
$DOCKER.manifest.v2+json amd64
$DOCKER.manifest.v2+json arm
$DOCKER.manifest.v2+json arm
$DOCKER.manifest.v2+json arm64" ]
	[ "$(oci-blobs -i "$(tail -n 1 <<<"$output" | jq -r .digest)" L | jq -r .mediaType | grep -c "$DOCKER.manifest.v2")" -eq 4 ]
	[ "$(jq -r .event <<<"$output" | paste -sd' ')" = "blob blob blob blob blob image" ]
}

@test "--docker-types refuses what docker has no type for, and adds nothing" {
	zstd=$(jq -c '.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar+zstd"' "L/blobs/sha256/${AMD#sha256:}" | add_stream L)
	add_image L "$zstd" zstd
	add_image L "$(add_weight L w /w)" weight
	remember
	for each in "zstd:layer of application/vnd.oci.image.layer.v1.tar+zstd" "weight:no image"; do
		try oci-manifest-edit --docker-types -i "${each%%:*}" L
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
		[[ $stderr == *"${each#*:}"* ]]
		unchanged
	done
}

@test "what is no platform or annotation, or can't go together, is wrong usage" {
	add_image L "$AMD" v1
	for each in --platform=linux --platform=a/b/c/d --annotation=x "--annotation a=1 --annotation a=2" "--docker-types --annotation a=1"; do
		# shellcheck disable=SC2086
		try oci-manifest-edit $each L
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
	try oci-manifest-edit absent
	[ "$status" -eq 65 ]
	[ ! -e absent ]
}
