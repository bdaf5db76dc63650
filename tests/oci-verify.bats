# SPDX-License-Identifier: Apache-2.0
load helper
load layout

setup() {
	own_world
	new_layout L
	CONFIG=$(add_text L '{"architecture":"amd64","os":"linux"}')
	LAYER=$(random_blob L 1000)
	ONE=$(add_manifest L "$CONFIG" "$LAYER")
	INDEX=$(add_index L "$ONE")
	add_image L "$INDEX" name index
}

# serve [OPTION...]: a registry that has the image; its log begins after that.
serve() {
	start_registry "$@"
	oci-blobs L | COG_PUSH_RETRIES=0 oci-blob-upload L "$REGISTRY/a/b" >pushed
	oci-manifest-put L "$REGISTRY/a/b:v1" >>pushed
	: >"$REGISTRY_LOG"
}

# lose WHAT DIGEST: the registry has it no longer. WHAT is blobs or manifests.
lose() {
	curl -fsS -X DELETE -H 'User-Agent: cog-push/test' "http://$REGISTRY/v2/a/b/$1/$2"
	: >"$REGISTRY_LOG"
}

missing() {
	jq -r 'select(.event == "blob") | "\(.kind) \(.digest) \(.size)"' <<<"$output"
}

@test "a registry that has all of it: silence, and a HEAD for each" {
	serve
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(requests '[.method, .path] | join(" ")' | tr -d '"')" = "HEAD /v2/a/b/blobs/$CONFIG
HEAD /v2/a/b/blobs/$LAYER
HEAD /v2/a/b/manifests/$ONE
HEAD /v2/a/b/manifests/$INDEX" ]
}

@test "what is missing is named as blob records and fails" {
	serve
	lose blobs "$LAYER"
	lose manifests "$INDEX"
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing)" = "layer $LAYER 1000
index $INDEX $(size_of L "$INDEX")" ]
	[ "$(jq -r .event <<<"$output" | paste -sd' ')" = "blob blob error" ]
	[ "$stderr" = "oci-verify: $REGISTRY/a/b: 2 of 4 blobs and manifests are missing or differ" ]
}

@test "its records repair the image through oci-blob-upload and oci-manifest-put" {
	serve
	lose blobs "$LAYER"
	lose manifests "$ONE"
	oci-verify L "$REGISTRY/a/b" >found || true
	oci-blob-upload L "$REGISTRY/a/b" <found
	oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$(requests 'select(.method == "POST").path' | wc -l)" -eq 1 ]
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a blob of another size and a manifest of another digest differ" {
	start_registry --blob "$CONFIG" --blob "$LAYER"
	oci-manifest-put L "$REGISTRY/a/b:v1" >pushed
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing)" = "config $CONFIG $(size_of L "$CONFIG")
layer $LAYER 1000" ]
	start_registry --wrong-content-digest
	oci-blobs L | oci-blob-upload L "$REGISTRY/a/b" >pushed
	curl -fsS -X PUT -H 'User-Agent: cog-push/test' -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
		--data-binary @"L/blobs/sha256/${ONE#sha256:}" "http://$REGISTRY/v2/a/b/manifests/$ONE"
	try oci-verify -i "$ONE" L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing)" = "manifest $ONE $(size_of L "$ONE")" ]
}

@test "where no digest is said the manifests are fetched and computed" {
	serve --no-content-digest
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "GET").path' | tr -d '"')" = "/v2/a/b/manifests/$ONE
/v2/a/b/manifests/$INDEX" ]
}

@test "a length that is not said and a redirect to a store are no difference" {
	for option in --head-no-length --head-redirect; do
		serve "$option"
		try oci-verify L "$REGISTRY/a/b"
		[ "$status" -eq 0 ]
		[ -z "$output" ]
	done
}

@test "what fails in passing is asked again" {
	start_registry --fail HEAD:1:429 --fail HEAD:1:503
	try oci-verify --retries 2 L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing | wc -l)" -eq 4 ]
	[ "$(jq -r 'select(.event == "retry") | "\(.digest) \(.attempt) \(.httpStatus)"' <<<"$output")" = "$CONFIG 1 429
$CONFIG 2 503" ]
	[[ $stderr == *"429"*"(1 of 2)"*"503"*"(2 of 2)"* ]]
}

@test "a registry that does not answer, or does not tell, is not one that lacks a blob" {
	for want in 401:77 403:77 503:75 500:75; do
		start_registry --fail "HEAD:9:${want%:*}"
		try oci-verify --retries 1 L "$REGISTRY/a/b"
		[ "$status" -eq "${want#*:}" ]
		[ "$(missing)" = "" ]
	done
	start_registry --head-status 405
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing)" = "" ]
	[[ $stderr == *"blobs/$CONFIG: 405"* ]]
	start_registry --html
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[ "$(missing)" = "" ]
	[[ $stderr == *"not a registry"* ]]
	try oci-verify --retries 0 L "$NOBODY/a/b"
	[ "$status" -eq 75 ]
	has_one_line "$stderr"
}

@test "foreign layers are not asked for" {
	two=$(jq -cj '.layers[0].urls = ["http://elsewhere.example/blob"]' "L/blobs/sha256/${ONE#sha256:}" | add_stream L)
	add_image L "$two" two
	start_registry --blob "$CONFIG"
	mv "L/blobs/sha256/${LAYER#sha256:}" away
	try oci-verify -i two L "$REGISTRY/a/b"
	[ "$(requests 'select(.path | contains("/blobs/")).path' | tr -d '"')" = "/v2/a/b/blobs/$CONFIG" ]
}

@test "--allow-sparse passes over manifests that are not in the layout" {
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	sparse=$(add_index L "$ONE" "$two")
	add_image L "$sparse" sparse index
	rm "L/blobs/sha256/${two#sha256:}"
	start_registry
	try oci-verify -i sparse L "$REGISTRY/a/b"
	[ "$status" -eq 65 ]
	try oci-verify -i sparse --allow-sparse L "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $(missing) != *"$two"* ]]
}

@test "a full stdout is a failure" {
	start_registry
	run --separate-stderr bash -c "oci-verify L '$REGISTRY/a/b' >/dev/full"
	[ "$status" -eq 1 ]
	[[ $stderr == *stdout* ]]
}

@test "wrong usage" {
	for line in "" L "L host.example/a b" "L host.example/a:v1" "L host.example/A" "--retries x L host.example/a" "-i"; do
		# shellcheck disable=SC2086
		try oci-verify $line
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		has_one_line "$stderr"
	done
	try oci-verify nowhere host.example/a
	[ "$status" -eq 65 ]
}
