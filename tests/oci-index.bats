# SPDX-License-Identifier: Apache-2.0
load helper
load layout

OCI=application/vnd.oci.image
WEIGHT=application/vnd.cog.weight.v1

setup() {
	own_world
	new_layout L
	AMD=$(image '{"architecture":"amd64","os":"linux"}')
	ARM=$(image '{"architecture":"arm","os":"linux","variant":"v7"}')
	add_image L "$AMD" team/app:amd
	add_image L "$ARM" team/app:arm
}

# image CONFIG: an image with that config; prints its digest.
image() {
	add_manifest L "$(add_text L "$1")" "$(random_blob L 100)"
}

# weight NAME TARGET [JQ-FILTER]: a weight of 5 GB; prints its digest.
weight() {
	add_weight L "$@"
}

# named NAME: the manifest that has a name in L.
named() {
	cat "L/blobs/sha256/$(jq -r --arg n "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n) |
		.digest[7:]' L/index.json)"
}

# refused STATUS TEXT: the last try failed in one line with TEXT, and the layout is as it was.
refused() {
	[ "$status" -eq "$1" ] && has_one_line "$stderr" && [[ $stderr == "oci-index: "*"$2"* ]] &&
		[ "$(jq -r 'select(.event != "error")' <<<"$output")" = "" ] && cmp L/index.json before &&
		[ "$(find L/blobs -type f | sort)" = "$(cat blobs)" ]
}

remember() {
	cp L/index.json before
	find L/blobs -type f | sort >blobs
}

@test "an index names the manifests in the order given, each with the platform of its config" {
	try oci-index --tag v1 L team/app:arm "$AMD"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(named v1)" = "$(jq -cnj --arg arm "$ARM" --arg amd "$AMD" --argjson arms "$(size_of L "$ARM")" \
		--argjson amds "$(size_of L "$AMD")" '{schemaVersion: 2, mediaType: "'$OCI'.index.v1+json", manifests: [
		{mediaType: "'$OCI'.manifest.v1+json", digest: $arm, size: $arms, platform: {architecture: "arm", os: "linux", variant: "v7"}},
		{mediaType: "'$OCI'.manifest.v1+json", digest: $amd, size: $amds, platform: {architecture: "amd64", os: "linux"}}]}')" ]
	[ "$(oci-blobs -i v1 L | jq -r .kind | paste -sd' ')" = "config layer manifest config layer manifest index" ]
}

@test "two images for one platform are a warning" {
	twin=$(image '{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z"}')
	add_image L "$twin" team/app:twin
	try oci-index --tag v1 L "$AMD" "$twin" team/app:arm
	[ "$status" -eq 0 ]
	[ "$stderr" = "oci-index: warning: two images for linux/amd64: who pulls gets one of them" ]
	[ "$(named v1 | jq '.manifests | length')" -eq 3 ]
}

@test "-v names each manifest that is added" {
	index=$(add_index L "$AMD" "$ARM")
	add_image L "$index" both index
	try oci-index -v --tag v1 L both
	[ "$status" -eq 0 ]
	[ "$stderr" = "oci-index: add $index
oci-index: add $AMD
oci-index: add $ARM" ]
}

@test "the records are the blob of the index and the image with its name, and index.json has it" {
	try oci-index --tag v1 L "$AMD"
	[ "$status" -eq 0 ]
	digest=sha256:$(named v1 | sha256sum | cut -d' ' -f1)
	size=$(size_of L "$digest")
	[ "$output" = "{\"event\":\"blob\",\"digest\":\"$digest\",\"size\":$size,\"mediaType\":\"$OCI.index.v1+json\",\"kind\":\"index\"}
{\"event\":\"image\",\"digest\":\"$digest\",\"size\":$size,\"mediaType\":\"$OCI.index.v1+json\",\"names\":[\"v1\"]}" ]
	[ "$(jq -c '.manifests[-1]' L/index.json)" = \
		"{\"mediaType\":\"$OCI.index.v1+json\",\"digest\":\"$digest\",\"size\":$size,\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}}" ]
	[ "$(jq '.manifests | length' L/index.json)" -eq 3 ]
}

@test "the same input gives the same digest, whatever the order of the annotations" {
	oci-index --tag one --annotation b=2 --annotation a=1 --artifact-type a/b L "$AMD" "$ARM"
	oci-index --tag two --artifact-type a/b --annotation a=1 --annotation b=2 L "$AMD" "$ARM"
	cmp <(named one) <(named two)
	oci-index --tag three --annotation b=2 --annotation a=1 --artifact-type a/b L "$ARM" "$AMD"
	run ! cmp <(named one) <(named three)
}

@test "annotations and the artifact type are the index's, and index.json says the type" {
	try oci-index --tag v1 --annotation "a.b=c=d" --annotation e= --artifact-type application/vnd.x+json L "$AMD"
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq -c '[.artifactType, .annotations, .manifests[0].annotations]')" = \
		'["application/vnd.x+json",{"a.b":"c=d","e":""},null]' ]
	[ "$(jq -r '.manifests[-1].artifactType' L/index.json)" = application/vnd.x+json ]
}

@test "a platform that is given counts, for a config without one too" {
	none=$(image '{"rootfs":{}}')
	add_image L "$none" none
	try oci-index --tag v1 L "$AMD=linux/amd64/v3" none=windows/arm64 "$AMD"
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq -c '.manifests[].platform')" = '{"architecture":"amd64","os":"linux","variant":"v3"}
{"architecture":"arm64","os":"windows"}
{"architecture":"amd64","os":"linux"}' ]
	remember
	try oci-index --tag v2 L "$AMD" none
	refused 65 "none: its config says no platform: give it as none=OS/ARCHITECTURE"
}

@test "a name that exists moves to the index, and others stay" {
	oci-index --tag v1 L "$AMD"
	try oci-index --tag v1 L "$ARM"
	[ "$status" -eq 0 ]
	[ "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' L/index.json | paste -sd' ')" = \
		"team/app:amd team/app:arm v1" ]
	[ "$(named v1 | jq -r '.manifests[].digest')" = "$ARM" ]
	try oci-index --tag team/app:amd L team/app:amd
	[ "$status" -eq 0 ]
	[ "$(named team/app:amd | jq -r '.manifests[].digest')" = "$AMD" ]
}

@test "a name that -i would take for another image is refused" {
	remember
	for tag in docker.io/team/app:amd index.docker.io/team/app:amd; do
		try oci-index --tag "$tag" L "$AMD"
		refused 1 "L: '$tag' means the image 'team/app:amd' there"
	done
}

@test "of an index the manifests go in as it has them, also out of an index inside an index, each once" {
	note=$(image '{"architecture":"unknown","os":"unknown"}')
	inner=$(jq -cnj --arg d "$ARM" --argjson s "$(size_of L "$ARM")" --arg n "$note" --argjson ns "$(size_of L "$note")" \
		'{schemaVersion: 2, manifests: [
		{mediaType: "'$OCI'.manifest.v1+json", digest: $d, size: $s, platform: {architecture: "arm64", os: "linux", "os.features": ["x"]}, extra: 1},
		{mediaType: "'$OCI'.manifest.v1+json", digest: $n, size: $ns, platform: {architecture: "unknown", os: "unknown"},
		 annotations: {"vnd.docker.reference.type": "attestation-manifest"}}]}' | add_stream L)
	outer=$(jq -cnj --arg d "$inner" --argjson s "$(size_of L "$inner")" --arg a "$AMD" --argjson n "$(size_of L "$AMD")" \
		'{schemaVersion: 2, mediaType: "'$OCI'.index.v1+json", manifests: [
		{mediaType: "'$OCI'.manifest.v1+json", digest: $a, size: $n},
		{mediaType: "'$OCI'.index.v1+json", digest: $d, size: $s}]}' | add_stream L)
	add_image L "$outer" outer index
	try oci-index --tag v1 L outer "$AMD" "$inner" "$ARM"
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq -r '.manifests[].digest' | paste -sd' ')" = "$AMD $ARM $note $ARM" ]
	[ "$(named v1 | jq -c '.manifests[0].platform')" = '{"architecture":"amd64","os":"linux"}' ]
	cmp <(named v1 | jq -c '.manifests[1:3]') <(jq -c .manifests "L/blobs/sha256/${inner#sha256:}")
	remember
	try oci-index --tag v2 L outer=linux/amd64
	refused 65 "outer: an index, whose manifests have platforms of their own"
}

# bats test_tags=slow
@test "indexes that name one another a hundred times are looked into once" {
	local index=$AMD level
	for level in 1 2 3; do
		# shellcheck disable=SC2046
		index=$(add_index L $(yes "$index" | head -100))
	done
	add_image L "$index" deep index
	try timeout $((10 * SLOWNESS)) oci-index --tag v1 L deep
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq -r '.manifests[].digest')" = "$AMD" ]
}

@test "an artifact goes in with its type and without a platform" {
	w=$(weight w /w)
	add_image L "$w" w
	try oci-index --tag v1 L "$AMD" w
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq -c '.manifests[1] | [.artifactType, .platform, .annotations]')" = "[\"$WEIGHT\",null,null]" ]
}

@test "--bundle puts images first and weights after them, as cog has them" {
	one=$(weight one /models/one) two=$(weight two /models/two)
	add_image L "$one" cog-weight.one.000000000000
	add_image L "$two" cog-weight.two.000000000000
	try oci-index --bundle --tag v1 L cog-weight.two.000000000000 "$AMD" "$one"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(named v1 | jq -r '.manifests[].digest' | paste -sd' ')" = "$AMD $two $one" ]
	[ "$(named v1 | jq -c '.manifests[0].platform')" = '{"architecture":"amd64","os":"linux"}' ]
	[ "$(named v1 | jq -Sc '.manifests[1]')" = "$(jq -Scn --arg d "$two" --argjson s "$(size_of L "$two")" --arg set "sha256:$(printf '%064d' 7)" \
		'{mediaType: "'$OCI'.manifest.v1+json", digest: $d, size: $s, artifactType: "'$WEIGHT'",
		platform: {architecture: "unknown", os: "unknown"}, annotations: {"run.cog.weight.name": "two",
		"run.cog.weight.set-digest": $set, "run.cog.weight.size.uncompressed": "5000000000"}}')" ]
}

@test "--bundle takes an image that is an index manifest by manifest, and a bundle as what is in it" {
	index=$(add_index L "$AMD" "$ARM")
	w=$(weight w /w) v=$(weight v /v)
	add_image L "$index" both index
	add_image L "$w" w
	add_image L "$v" v
	oci-index --bundle --tag v1 L both w
	[ "$(named v1 | jq -r '.manifests[].digest' | paste -sd' ')" = "$AMD $ARM $w" ]
	[ "$(named v1 | jq -c '.manifests[1].platform')" = '{"architecture":"arm","os":"linux","variant":"v7"}' ]
	try oci-index --bundle --tag v2 L v v1 w
	[ "$status" -eq 0 ]
	[ "$(named v2 | jq -r '.manifests[].digest' | paste -sd' ')" = "$AMD $ARM $v $w" ]
}

# bats test_tags=slow
@test "a bundle without an image or a weight, or with something else in it, is refused" {
	other=$(weight o /o '.artifactType = "application/x-other"')
	add_image L "$(weight w /w)" w
	add_image L "$other" other
	remember
	try oci-index --bundle --tag v1 L "$AMD"
	refused 65 "no weight among the manifests"
	try oci-index --bundle --tag v1 L w
	refused 65 "no image among the manifests"
	try oci-index --bundle --tag v1 L "$AMD" w other
	refused 65 "other: neither an image nor a weight"
}

# bats test_tags=slow
@test "a weight that lacks what a bundle says of it is refused" {
	for filter in 'del(.annotations)' 'del(.annotations["run.cog.weight.name"])' \
		'del(.annotations["run.cog.weight.target"])' 'del(.annotations["run.cog.weight.set-digest"])' \
		'.annotations["run.cog.weight.set-digest"] = "sha256:12"' '.annotations["run.cog.weight.target"] = "relative"' \
		'del(.layers[0].annotations)' '.layers[1].annotations["run.cog.weight.size.uncompressed"] = "12x"' \
		'.layers[1].annotations["run.cog.weight.size.uncompressed"] = "-1"' \
		'.layers[].annotations["run.cog.weight.size.uncompressed"] = "9000000000000000000"' \
		'.layers[1].annotations["run.cog.weight.size.uncompressed"] = "99999999999999999999"'; do
		bad=$(weight w /w "$filter")
		add_image L "$bad" bad
		remember
		try oci-index --bundle --tag v1 L "$AMD" "$bad"
		refused 65 "$bad: "
	done
}

# bats test_tags=slow
@test "weights of one name, or whose folders are in one another, are refused" {
	local taken bad target
	taken=$(weight one /models/one)
	add_image L "$taken" taken
	for bad in "one /other" "two /models/one" "two /models/one/" "two /models/one/below" "two /models" "two /"; do
		# shellcheck disable=SC2086
		bad=$(weight $bad)
		add_image L "$bad" bad
		remember
		for order in "taken $bad" "$bad taken"; do
			# shellcheck disable=SC2086
			try oci-index --bundle --tag v1 L "$AMD" $order
			refused 65 ": "
		done
	done
	# The same folder in another spelling.
	for target in //models/one /models//one /models/./one /models/x/../one; do
		bad=$(weight two "$target")
		add_image L "$bad" bad
		remember
		try oci-index --bundle --tag v1 L "$AMD" taken "$bad"
		refused 65 "$bad: the target '$target': "
	done
	add_image L "$(weight two /models/one2)" beside
	try oci-index --bundle --tag v1 L "$AMD" taken beside taken
	[ "$status" -eq 0 ]
	[ "$(named v1 | jq '.manifests | length')" -eq 3 ]
}

# bats test_tags=slow
@test "what is not in the layout, is missing or damaged is refused" {
	remember
	try oci-index --tag v1 L "$AMD" nothing
	refused 1 "no image 'nothing'; there are: team/app:amd, team/app:arm"
	index=$(add_index L "$AMD" "$ARM")
	add_image L "$index" both index
	add_image L "$(add_index L)" empty index
	remember
	try oci-index --tag v1 L empty
	refused 65 "empty: an index without manifests"
	mv "L/blobs/sha256/${ARM#sha256:}" arm
	find L/blobs -type f | sort >blobs
	for operand in both "$ARM"; do
		try oci-index --tag v1 L "$AMD" "$operand"
		refused 65 "$ARM is not in the layout"
	done
	sed 's/"size":100/"size":200/' arm >"L/blobs/sha256/${ARM#sha256:}"
	find L/blobs -type f | sort >blobs
	try oci-index --tag v1 L both
	refused 65 "$ARM"
	mv arm "L/blobs/sha256/${ARM#sha256:}"
	rm "L/blobs/sha256/$(jq -r '.config.digest[7:]' "L/blobs/sha256/${ARM#sha256:}")"
	find L/blobs -type f | sort >blobs
	try oci-index --tag v1 L both
	refused 65 "is not in the layout"
	jq '.manifests[0].size += 1' before >L/index.json
	remember
	try oci-index --tag v1 L team/app:amd
	refused 65 "its descriptor says"
	try oci-index --tag v1 nowhere a
	[ "$status" -eq 65 ]
	[ ! -e nowhere ]
}

# bats test_tags=slow
@test "reserved tags and wrong usage are refused before anything is read" {
	remember
	for line in "L a" "--tag v1" "--tag v1 L" "--tag cog-image.v1 L a" "--tag r.io/a:cog-x L a" "--tag .x L a" \
		"--tag $AMD L a" "--tag v1 --annotation x L a" "--tag v1 --annotation x=1 --annotation x=2 L a" \
		"--tag v1 --artifact-type x L a" "--tag v1 L $AMD=linux" "--tag v1 L $AMD=" "--bundle"; do
		# shellcheck disable=SC2086
		try oci-index $line
		refused 2 "(try 'oci-index --help')"
	done
}

@test "indexes that are made side by side all get into index.json" {
	local pids=()
	for n in 1 2 3 4 5 6; do
		oci-index --tag "v$n" --annotation "n=$n" L "$AMD" >/dev/null 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	for n in 1 2 3 4 5 6; do
		[ "$(named "v$n" | jq -r .annotations.n)" = "$n" ]
	done
}

@test "an index is pushed with all its manifests" {
	oci-index --tag v1 L "$AMD" "$ARM"
	start_registry
	oci-blobs -i v1 L | oci-blob-upload L "$REGISTRY/a/b"
	try oci-manifest-put -i v1 L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	curl -fsS "http://$REGISTRY/v2/a/b/manifests/v1" -H 'User-Agent: cog-push/test' | cmp - <(named v1)
	try oci-verify -i v1 L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}
