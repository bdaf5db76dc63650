# SPDX-License-Identifier: Apache-2.0
# cog-push, what it composes: several platforms, artifacts, weights.
load helper
load layout
load weights

OCI=application/vnd.oci.image

setup() {
	own_world
}

# stored REPOSITORY NAME: the manifest that the registry has.
stored() {
	curl -fsS -A cog-push/tests -H "Accept: $OCI.index.v1+json, $OCI.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json" \
		"http://$REGISTRY/v2/$1/manifests/$2"
}

# image LAYOUT NAME ARCHITECTURE: an image in a layout of its own; prints its digest.
image() {
	local digest
	[ -d "$1" ] || new_layout "$1"
	digest=$(add_manifest "$1" "$(add_text "$1" "{\"architecture\":\"$3\",\"os\":\"linux\"}")" "$(random_blob "$1" 1000)")
	add_image "$1" "$digest" "$2"
	echo "$digest"
}

# --- Several images as one index -----------------------------------------------------------------

@test "--index pushes a layout, a tar and a pipe as one index of their platforms" {
	start_registry
	arm=$(image arm team/app:arm arm64)
	cp -R arm before
	try cog-push --index "$REGISTRY/team/app:v1" ./arm "$DATA/docker20.tar"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/team/app@sha256:$(stored team/app v1 | sha256sum | cut -d ' ' -f 1)" ]
	[ "$(stored team/app v1 | jq -c '[.manifests[].platform.architecture]')" = '["arm64","amd64"]' ]
	[ "$(stored team/app v1 | jq -r '.manifests[0].digest')" = "$arm" ]
	diff -r arm before
	try cog-push --index "$REGISTRY/team/app:v1" ./arm - <"$DATA/docker20.tar"
	[ "$status" -eq 0 ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "--index with an image that does not exist sends nothing" {
	start_registry
	image arm team/app:arm arm64 >/dev/null
	try cog-push --index "$REGISTRY/team/app:v1" ./arm ./absent
	[ "$status" -eq 1 ]
	[[ $stderr == "cog-push: ./absent: no such file or directory ("* ]]
	[ -z "$(requests '')" ]
}

@test "--index refuses what does not go with it, before anything is sent" {
	start_registry
	image arm team/app:arm arm64 >/dev/null
	for each in "-i x" --platform=linux/arm64 --no-attestations; do
		try cog-push $each --index "$REGISTRY/team/app:v1" ./arm ./arm
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
	try cog-push --index "$REGISTRY/team/app:cog-image.v1" ./arm
	[ "$status" -eq 2 ]
	[ -z "$(requests '')" ]
}

# --- A part of an index --------------------------------------------------------------------------

# multiarch: the digests of the manifests in buildah-multiarch-oci-archive.tar, by platform.
multiarch() {
	mkdir -p m && tar -C m -xf "$DATA/buildah-multiarch-oci-archive.tar"
	local top
	top=$(jq -r '.manifests[0].digest' m/index.json)
	jq -r '.manifests[] | "\(.platform.os)/\(.platform.architecture)\(if .platform.variant then "/" + .platform.variant else "" end) \(.digest)"' \
		"$(blob m "$top")"
}

@test "in the end each manifest of an index is named with its platform" {
	start_registry
	try cog-push "$DATA/buildah-multiarch-oci-archive.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	multiarch | sed -E 's/(.*) (sha256:.{12}).*/  \2  \1/' >expected
	[ "$(wc -l <expected)" -ge 2 ]
	diff expected <(grep '^  sha256:' <<<"$stderr")
}

@test "--platform pushes one manifest of an index, from a tar, a pipe or a layout, and no other blob" {
	start_registry
	read -r platform digest <<<"$(multiarch | tail -n 1)"
	cp -R m before
	for source in "$DATA/buildah-multiarch-oci-archive.tar" - ./m; do
		repository=$REGISTRY/team/app$RANDOM
		try cog-push --platform "$platform" "$source" "$repository:v1" <"$DATA/buildah-multiarch-oci-archive.tar"
		[ "$status" -eq 0 ]
		[ "$output" = "$repository@$digest" ]
	done
	diff -r m before
	[ "$(requests 'select(.method == "PUT" and (.path | contains("/manifests/")))' | wc -l)" -eq 3 ]
	wanted=$(jq '.layers | length + 1' "$(blob m "$digest")")
	[ "$(requests 'select(.method == "PUT" and (.path | contains("/blobs/")) and .status == 201)' | wc -l)" -le $((3 * wanted)) ]
}

@test "--platform names the platforms that are there when the one asked for is not" {
	start_registry
	platform=$(multiarch | sed -n '1s/ .*//p')
	try cog-push --platform plan9/amd64 ./m "$REGISTRY/team/app:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *plan9/amd64*"$platform"* ]]
	has_one_line "$stderr"
	try cog-push --platform 'a b' ./m "$REGISTRY/team/app:v1"
	[ "$status" -eq 2 ]
}

@test "--no-attestations leaves them out, of the index and of what is sent" {
	start_registry
	image attested team/app:v1 amd64 >digest
	said=$(add_manifest attested "$(add_text attested '{}')" "$(random_blob attested 77)")
	index=$(jq -cnj --arg d "$(cat digest)" --argjson s "$(size_of attested "$(cat digest)")" --arg a "$said" \
		--argjson n "$(size_of attested "$said")" '{schemaVersion: 2, mediaType: "'$OCI'.index.v1+json", manifests: [
		{mediaType: "'$OCI'.manifest.v1+json", digest: $d, size: $s, platform: {os: "linux", architecture: "amd64"}},
		{mediaType: "'$OCI'.manifest.v1+json", digest: $a, size: $n, platform: {os: "unknown", architecture: "unknown"},
		 annotations: {"vnd.docker.reference.type": "attestation-manifest"}}]}' | add_stream attested)
	echo '{"schemaVersion":2,"manifests":[]}' >attested/index.json
	add_image attested "$index" v1 index
	try cog-push --no-attestations ./attested "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ "$(stored team/app v1 | jq -r '.manifests[].digest')" = "$(cat digest)" ]
	layer=$(jq -r '.layers[0].digest' "$(blob attested "$said")")
	[ -z "$(requests 'select(.method != "GET") | .path + .query' | grep -e "$said" -e "$layer")" ]
	try cog-push --all ./attested "$REGISTRY/team/all:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/team/all@$index" ]
	stored team/all "$said" >attestation
}

# --- Manifests that are changed ------------------------------------------------------------------

@test "--annotation adds to the manifest, and the image stays what it was" {
	start_registry
	try cog-push --annotation "note=two words" --annotation=b=c "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ "$(stored team/app v1 | jq -cS .annotations)" = '{"b":"c","note":"two words"}' ]
	[ "$output" = "$REGISTRY/team/app@sha256:$(stored team/app v1 | sha256sum | cut -d ' ' -f 1)" ]
	plain=$(cog-push "$DATA/docker20.tar" "$REGISTRY/team/app:v2" 2>/dev/null)
	[ "$(stored team/app v2 | jq -c '[.config, .layers]')" = "$(stored team/app v1 | jq -c '[.config, .layers]')" ]
	[ "$plain" != "$output" ]
	# What was pushed before is remembered, and annotated all the same.
	try cog-push --annotation "note=three" "$DATA/docker20.tar" "$REGISTRY/team/app:v3"
	[ "$(stored team/app v3 | jq -r .annotations.note)" = three ]
}

@test "--docker-types pushes what a registry takes that knows no OCI" {
	start_registry --refuse-type oci.image
	try cog-push "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -ne 0 ]
	try cog-push --docker-types "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ "$(stored team/app v1 | jq -r .mediaType)" = application/vnd.docker.distribution.manifest.v2+json ]
	for each in --annotation=a=b --compress=zstd; do
		try cog-push --docker-types "$each" "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
		[ "$status" -eq 2 ]
	done
}

# --- Artifacts -----------------------------------------------------------------------------------

@test "--attach pushes files as artifacts about the image, each with its media type" {
	start_registry --subject api
	echo '{"spdxVersion": "SPDX-2.3"}' >"my sbom.json"
	echo signed >sig
	try cog-push --attach "my sbom.json:application/spdx+json" --attach sig:text/signature "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/team/app@sha256:$(stored team/app v1 | sha256sum | cut -d ' ' -f 1)" ]
	requests 'select(.method == "PUT" and (.path | contains("/manifests/sha256:")) and .status == 201) | .path' |
		tr -d '"' | sed 's,.*/,,' >artifacts
	[ "$(wc -l <artifacts)" -eq 2 ]
	while read -r digest; do
		[ "$(stored team/app "$digest" | jq -r .subject.digest)" = "${output#*@}" ]
	done <artifacts
	[ "$(stored team/app "$(head -n 1 artifacts)" | jq -r '.artifactType, .layers[0].annotations["org.opencontainers.image.title"]')" = \
		"application/spdx+json
my sbom.json" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "a file to attach that is not there, or has no type, is refused before anything is sent" {
	start_registry
	try cog-push --attach absent:a/b "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == "cog-push: --attach: absent can't be read"* ]]
	echo x >x
	try cog-push --attach x "$DATA/docker20.tar" "$REGISTRY/team/app:v1"
	[ "$status" -eq 2 ]
	[ -z "$(requests '')" ]
}

# --- Weights -------------------------------------------------------------------------------------

# paths FILTER: what was put, in order.
tags_put() {
	requests 'select(.method == "PUT" and (.path | contains("/manifests/")) and .status == 201) | .path' | tr -d '"' | sed 's,.*/,,'
}

@test "--weights pushes weights, image and index in this order, with cog's tags" {
	start_registry
	make_model "a model" 70000
	mkdir lora && echo x >lora/adapter.bin
	try cog-push --weights "base=a model:/src/weights" --weights lora=lora:/src/lora "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
	[ "$status" -eq 0 ]
	base=$(set_digest "a model") lora=$(set_digest lora)
	[ "$(tags_put)" = "cog-weight.base.${base:7:12}
cog-weight.lora.${lora:7:12}
cog-image.v1
v1" ]
	[ "$output" = "$REGISTRY/team/m@sha256:$(stored team/m v1 | sha256sum | cut -d ' ' -f 1)" ]
	[ "$(stored team/m v1 | jq -r '.manifests[] | [.platform.os, .artifactType, .annotations["run.cog.weight.name"], .annotations["run.cog.weight.set-digest"]] | @tsv')" = \
		"linux			
unknown	application/vnd.cog.weight.v1	base	$base
unknown	application/vnd.cog.weight.v1	lora	$lora" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

# bats test_tags=slow
@test "large weights are read where they are, by every uploader, and no copy of them is made" {
	start_registry --store store
	mkdir model other
	safetensors model/a.safetensors 70000000
	safetensors other/b.safetensors 70000000
	try cog-push -v --weights a=model:/a --weights b=other:/b "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^oci-from-weights: [ab].safetensors: .*by reference$' <<<"$stderr")" -eq 2 ]
	for name in a b; do
		layer=$(stored team/m "$(stored team/m v1 | jq -r --arg n "$name" \
			'.manifests[] | select(.annotations["run.cog.weight.name"] == $n).digest')" | jq -r '.layers[0].digest')
		tar -xOf "store/${layer#sha256:}" | cmp - ./*/$name.safetensors
	done
}

# bats test_tags=slow
@test "a weight that the registry has is neither packed nor sent again, another name or file is" {
	start_registry
	make_model model 70000
	push_model() {
		: >"$REGISTRY_LOG"
		try cog-push --weights "$1=model:/src/weights" "$DATA/docker20.tar" "$REGISTRY/team/m:$2"
		[ "$status" -eq 0 ]
	}
	push_model base v1
	first=$output
	push_model base v2
	[ "$output" = "$first" ]
	[ -z "$(requests 'select(.method == "PUT" and (.path | contains("/blobs/")))')" ]
	[ "$(tags_put)" = "cog-image.v2
v2" ]
	push_model other v3
	[[ $(tags_put) == cog-weight.other.* ]]
	echo changed >>model/config.json
	push_model base v4
	[[ $(tags_put) == cog-weight.base.* ]]
}

# bats test_tags=slow
@test "what a weight can't be is refused by path and reason before anything of it is sent" {
	start_registry
	make_model model 7000
	refused() { # STATUS TEXT OPTION...
		local want=$1 text=$2
		shift 2
		: >"$REGISTRY_LOG"
		try cog-push "$@" "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
		[ "$status" -eq "$want" ]
		has_one_line "$stderr"
		[[ $stderr == *$text* ]]
		[ -z "$(requests 'select(.method == "PUT" or .method == "PATCH")')" ]
	}
	refused 2 "two are called base" --weights base=model:/a --weights base=model:/b
	refused 2 "one is in the other" --weights base=model:/a --weights other=model:/a/b
	refused 2 "one is in the other" --weights base=model:/a/b --weights other=model:/a
	refused 2 "expected NAME=SRC:TARGET" --weights base=model:a
	refused 2 "expected NAME=SRC:TARGET" --weights model
	refused 1 "no such folder" --weights base=absent:/a
	refused 2 "docker knows no weights" --docker-types --weights base=model:/a
	refused 65 "/a/../b" --weights base=model:/a/../b
	ln -s config.json model/link
	refused 65 "link: it is a symbolic link" --weights base=model:/a
	rm model/link
	mkfifo "model/text encoder/fifo"
	refused 65 "fifo" --weights base=model:/a
	rm "model/text encoder/fifo"
	try cog-push --weights base=model:/a "$DATA/docker20.tar" "$REGISTRY/team/m:cog-weight.x"
	[ "$status" -eq 2 ]
}

@test "a bundle that fails in passing is pushed by the same command, which is named" {
	start_registry --fail PUT:1000:503
	make_model model 7000
	try env COG_PUSH_RETRIES=0 cog-push --weights "base=model:/src/weights" "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
	[ "$status" -eq 75 ]
	[[ $stderr == *"cog-push: to go on: cog-push --weights base=model:/src/weights "*"/docker20.tar"*" $REGISTRY/team/m:v1" ]]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "an image and weights that the registry loses before the manifests are sent again" {
	start_registry --blob-unknown 1
	make_model model 7000
	try cog-push --weights "base=model:/src/weights" "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
	[ "$status" -eq 0 ]
	[[ $stderr == *": again in "* ]]
	[ "$(stored team/m v1 | jq '.manifests | length')" -eq 2 ]
}

# bats test_tags=slow
@test "--weights with a layout keeps the weights and the index in it, and leaves a layout that is pushed as it is" {
	start_registry
	make_model model 7000
	try cog-push -l kept --weights "base=model:/src/weights" "$DATA/docker20.tar" "$REGISTRY/team/m:v1"
	[ "$status" -eq 0 ]
	oci-weights-check kept base model
	image arm team/app:arm arm64 >/dev/null
	cp -R arm before
	try cog-push --weights "base=model:/src/weights" ./arm "$REGISTRY/team/m:v2"
	[ "$status" -eq 0 ]
	[ "$(stored team/m v2 | jq -r '.manifests[0].platform.architecture')" = arm64 ]
	diff -r arm before
}
