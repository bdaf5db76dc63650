# SPDX-License-Identifier: Apache-2.0
load helper
load layout

OCI=application/vnd.oci.image

setup() {
	own_world
	new_layout L
	CONFIG=$(add_text L '{"architecture":"amd64","os":"linux"}')
	LAYER=$(random_blob L 1000)
	ONE=$(add_manifest L "$CONFIG" "$LAYER")
}

# serve [OPTION...]: a registry that has the blobs.
serve() {
	start_registry --blob "$CONFIG" --blob "$LAYER" "$@"
}

puts() {
	requests 'select(.method == "PUT") | .path' | tr -d '"' | sed 's,.*/manifests/,,'
}

@test "a manifest goes to its tag as it is, with its media type" {
	serve
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(puts)" = v1 ]
	[ "$(requests 'select(.method == "PUT").headers["content-type"]')" = "\"$OCI.manifest.v1+json\"" ]
	[ "$(requests 'select(.method == "PUT").contentLength')" = "$(size_of L "$ONE")" ]
	[ "$(jq -r '"\(.event) \(.digest) \(.ref) \(.mediaType)"' <<<"$output")" = \
		"manifest $ONE $REGISTRY/a/b:v1 $OCI.manifest.v1+json" ]
	curl -s "http://$REGISTRY/v2/a/b/manifests/v1" -H 'User-Agent: cog-push/test' | cmp - "L/blobs/sha256/${ONE#sha256:}"
	[ -z "$stderr" ]
}

@test "children go first, by digest, then the index under its tags" {
	serve
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	index=$(add_index L "$ONE" "$two")
	add_image L "$index" name index
	try oci-manifest-put L "$REGISTRY/a/b:v1" "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$(puts)" = "$ONE
$two
v1
v2" ]
	[ "$(jq -r .ref <<<"$output")" = "$REGISTRY/a/b@$ONE
$REGISTRY/a/b@$two
$REGISTRY/a/b:v1
$REGISTRY/a/b:v2" ]
	[ "$(requests .connection | sort -u | wc -l)" -eq 1 ]
}

@test "without tag and digest the tag is latest; with a digest alone there is no tag" {
	serve
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b"
	[ "$(puts)" = latest ]
	[ "$(jq -r .ref <<<"$output")" = "$REGISTRY/a/b:latest" ]
	try oci-manifest-put L "$REGISTRY/c@$ONE"
	[ "$status" -eq 0 ]
	[ "$(puts | tail -n 1)" = "$ONE" ]
	[ "$(jq -r .ref <<<"$output")" = "$REGISTRY/c@$ONE" ]
	try oci-manifest-put L "$REGISTRY/d:v1@$ONE"
	[ "$(puts | tail -n 1)" = v1 ]
}

@test "a digest in REF must be the image's" {
	serve
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1@$LAYER"
	[ "$status" -eq 1 ]
	[[ $stderr == *"$ONE"* ]]
	[ ! -s "$REGISTRY_LOG" ]
}

@test "a tag that is right already is not put again, one that differs is" {
	serve
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	add_image L "$ONE" one
	add_image L "$two" two
	oci-manifest-put -i one L "$REGISTRY/a/b:v1"
	try oci-manifest-put -i one L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(puts)" = v1 ]
	[ "$(jq -r .ref <<<"$output")" = "$REGISTRY/a/b:v1" ]
	try oci-manifest-put -i two L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(puts)" = "v1
v1" ]
}

@test "-i selects by name and by digest; without it several images are wrong usage" {
	serve
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	add_image L "$ONE" one
	add_image L "$two" two
	try oci-manifest-put -i "$two" L "$REGISTRY/a/b:v1"
	[ "$(jq -r .digest <<<"$output")" = "$two" ]
	try oci-manifest-put L "$REGISTRY/a/b:v2"
	[ "$status" -eq 2 ]
	[[ $stderr == *one*two* ]]
	try oci-manifest-put -i three L "$REGISTRY/a/b:v2"
	[ "$status" -eq 1 ]
	[[ $stderr == *one*two* ]]
}

@test "a manifest without layers goes" {
	serve
	none=$(add_manifest L "$CONFIG")
	add_image L "$none" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(jq -r .digest <<<"$output")" = "$none" ]
}

@test "a registry that says no digest is asked afterwards" {
	serve --no-content-digest
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(requests .method | tr -d '"' | paste -sd' ')" = "HEAD PUT HEAD" ]
}

@test "a registry that stored something else is a failure" {
	serve --wrong-content-digest
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"stored as sha256:000"*"$ONE"* ]]
	[ "$(jq -r .event <<<"$output")" = error ]
}

@test "a web server that says 200 to everything has stored nothing" {
	serve --html
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"/v2/a/b/manifests/v1"*HTML* ]]
	[ "$(jq -r .event <<<"$output")" = error ]
}

@test "a blob that the registry lacks is a failure with its words" {
	start_registry --blob "$CONFIG"
	add_image L "$ONE" name
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"PUT http://$REGISTRY/v2/a/b/manifests/v1: 404"*MANIFEST_BLOB_UNKNOWN* ]]
	has_one_line "$stderr"
}

@test "statuses say whether to try again" {
	add_image L "$ONE" name
	for want in 401:77 403:77 400:1 429:75 503:75; do
		serve --fail "PUT:1:${want%:*}"
		try oci-manifest-put L "$REGISTRY/a/b:v1"
		[ "$status" -eq "${want#*:}" ]
	done
	try oci-manifest-put L "$NOBODY/a/b:v1"
	[ "$status" -eq 75 ]
}

@test "a manifest whose bytes are not its digest is never put" {
	serve
	add_image L "$ONE" name
	file=L/blobs/sha256/${ONE#sha256:}
	sed 's/"schemaVersion":2/"schemaVersion":3/' "$file" >new && mv new "$file"
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	[ "$(puts)" = "" ]
}

@test "a child that is absent ends the push before its index has a tag" {
	serve
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	index=$(add_index L "$ONE" "$two")
	add_image L "$index" name index
	rm "L/blobs/sha256/${two#sha256:}"
	try oci-manifest-put L "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	[[ $stderr == *"$two"* ]]
	run ! grep -q v1 <<<"$(puts)"
}

@test "a full stdout is a failure" {
	serve
	add_image L "$ONE" name
	run --separate-stderr bash -c "oci-manifest-put L '$REGISTRY/a/b:v1' >/dev/full"
	[ "$status" -eq 1 ]
	[[ $stderr == *stdout* ]]
}

@test "wrong usage" {
	add_image L "$ONE" name
	for line in "" L "L host.example/a:v1 host.example/b:v1" "L host.example/a other.example/a" \
		"L host.example/A" "L host.example/a:.x" "--nonsense L host.example/a" "-i"; do
		# shellcheck disable=SC2086
		try oci-manifest-put $line
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		has_one_line "$stderr"
	done
	try oci-manifest-put nowhere host.example/a
	[ "$status" -eq 65 ]
}
