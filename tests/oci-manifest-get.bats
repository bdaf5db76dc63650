# SPDX-License-Identifier: Apache-2.0
load helper
load layout
load weights

OCI=application/vnd.oci.image

setup() {
	own_world
}

# push NAME: an image in the layout L, pushed; prints its digest.
push() {
	local digest
	new_layout L
	digest=$(add_manifest L "$(add_text L '{"architecture":"amd64","os":"linux"}')" "$(random_blob L 100)")
	add_image L "$digest" v1
	oci-blobs L | oci-blob-upload L "$REGISTRY/team/app" >records
	oci-manifest-put L "$REGISTRY/team/app:$1" >records
	echo "$digest"
}

@test "a manifest comes into the layout byte for byte, under its tag, and no blob with it" {
	start_registry
	digest=$(push v1)
	try oci-manifest-get got "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(jq -r '[.event, .digest, .names[0] // .kind] | @tsv' <<<"$output")" = "blob	$digest	manifest
image	$digest	v1" ]
	cmp "$(blob L "$digest")" "$(blob got "$digest")"
	[ "$(find got/blobs -type f | wc -l)" -eq 1 ]
	try oci-manifest-get other "$REGISTRY/team/app@$digest"
	[ "$status" -eq 0 ]
	[ "$(jq -c '.manifests[0].annotations' other/index.json)" = null ]
	oci-manifest-put -i v1 got "$REGISTRY/team/app:v2" >records
}

@test "without a tag it is latest, and docker's manifests keep their type" {
	start_registry
	digest=$(push v1)
	docker=$(oci-manifest-edit --docker-types L | tail -n 1 | jq -r .digest)
	oci-manifest-put -i "$docker" L "$REGISTRY/team/app:latest" >records
	try oci-manifest-get got "$REGISTRY/team/app"
	[ "$status" -eq 0 ]
	[ "$(jq -r '.manifests[0] | [.digest, .mediaType] | @tsv' got/index.json)" = \
		"$docker	application/vnd.docker.distribution.manifest.v2+json" ]
}

@test "one that is not there is an error, with --optional nothing" {
	start_registry
	try oci-manifest-get got "$REGISTRY/team/app:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-manifest-get: $REGISTRY/team/app: v1: the registry does not have it" ]
	[ ! -e got ]
	try oci-manifest-get --optional got "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ ! -e got ]
}

@test "a weight is taken only if it is the one that is asked for" {
	start_registry
	make_model model 70000
	oci-from-weights --name base --target /src/weights packed model | oci-blob-upload packed "$REGISTRY/team/m" >records
	oci-manifest-put packed "$REGISTRY/team/m:w" >records
	set=$(set_digest model)
	try oci-manifest-get --name base --target /src/weights --set-digest "$set" got "$REGISTRY/team/m:w"
	[ "$status" -eq 0 ]
	[ "$(jq -r '.manifests[0].artifactType' got/index.json)" = application/vnd.cog.weight.v1 ]
	for each in "other /src/weights $set" "base /src $set" "base /src/weights sha256:$(printf '%064d' 1)"; do
		read -r name target digest <<<"$each"
		try oci-manifest-get --optional --name "$name" --target "$target" --set-digest "$digest" no "$REGISTRY/team/m:w"
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		try oci-manifest-get --name "$name" --target "$target" --set-digest "$digest" no "$REGISTRY/team/m:w"
		[ "$status" -eq 1 ]
		[ "$stderr" = "oci-manifest-get: $REGISTRY/team/m: w: it is not that weight" ]
	done
	[ ! -e no ]
	push v1 >digest
	try oci-manifest-get --optional --name base --target /src/weights --set-digest "$set" no "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	for each in "--name a" "--target /a" "--set-digest $set" "--name a --target /a --set-digest x"; do
		# shellcheck disable=SC2086
		try oci-manifest-get $each no "$REGISTRY/team/m:w"
		[ "$status" -eq 2 ]
	done
}

@test "other bytes than those of the digest are refused, and so is what is no manifest" {
	mkdir -p www/v2/team/app/manifests
	wrong=sha256:$(printf '%064d' 5)
	echo '{"schemaVersion":2,"config":{"digest":"'"$wrong"'","size":1},"layers":[]}' >"www/v2/team/app/manifests/$wrong"
	echo '<html>' >www/v2/team/app/manifests/html
	touch www/v2/index.html
	"$PYTHON" -u -m http.server -b 127.0.0.1 -d www 0 >served 2>&1 &
	SERVERS+=($!)
	wait_for 10 grep -q 'port [0-9]' served
	port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' served)
	try oci-manifest-get got "127.0.0.1:$port/team/app@$wrong"
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
	[[ $stderr == *"the registry sent sha256:"* ]]
	try oci-manifest-get got "127.0.0.1:$port/team/app:html"
	[ "$status" -ne 0 ]
	has_one_line "$stderr"
	[ ! -e got/index.json ] || [ "$(jq '.manifests | length' got/index.json)" -eq 0 ]
}

@test "a registry that is busy is asked again, and one that refuses is not" {
	start_registry --fail GET:2:503
	digest=$(push v1)
	try oci-manifest-get got "$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	try oci-manifest-get --retries 0 got "$NOBODY/team/app:v1"
	[ "$status" -eq 75 ]
	has_one_line "$stderr"
}
