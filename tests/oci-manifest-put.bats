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
	[ "$(requests .method | tr -d '"' | paste -sd' ')" = "PUT HEAD GET" ]
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

@test "a blob that neither the registry nor the layout has is a failure that names it" {
	start_registry --blob "$CONFIG"
	add_image L "$ONE" name
	rm "L/blobs/sha256/${LAYER#sha256:}"
	try oci-manifest-put --retries 1 L "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *$'\n'"oci-manifest-put: the registry lacks $LAYER: PUT http://$REGISTRY/v2/a/b/manifests/v1: 404"*MANIFEST_BLOB_UNKNOWN* ]]
	[[ $stderr != *"lacks "*"$CONFIG"* ]]
	[ "$(puts)" = "v1
v1
v1" ]
}

@test "a blob that the registry lacks is sent again from the layout" {
	start_registry --blob "$CONFIG"
	add_image L "$ONE" name
	try oci-manifest-put --retries 2 L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(jq -r '.event + " " + .digest' <<<"$output")" = "retry $ONE
retry $ONE
done $LAYER
manifest $ONE" ]
	[ "$(requests 'select(.path | endswith("manifests/v1")) | select(.method == "PUT").status' | paste -sd' ')" = "404 404 404 201" ]
	[ "$(requests 'select(.method == "POST").path' | wc -l)" -eq 1 ]
}

@test "a blob that the registry does not know yet is waited for, and sent by nobody" {
	for model in "" serverless; do
		serve ${model:+--model "$model"} --blob-unknown 2
		add_image L "$ONE" name
		try oci-manifest-put -i "$ONE" L "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ "$(puts | paste -sd' ')" = "v1 v1 v1" ]
		[ "$(jq -r '.event' <<<"$output" | paste -sd' ')" = "retry retry manifest" ]
		[ "$(requests 'select(.method == "POST")')" = "" ]
	done
}

@test "a registry that says to the end that it does not know what it has gets one PUT after the tries" {
	serve --blob-unknown 99
	add_image L "$ONE" name
	try oci-manifest-put --retries 2 L "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$(puts | wc -l)" -eq 4 ]
	[[ $stderr == *$'\n'"oci-manifest-put: PUT http"*MANIFEST_BLOB_UNKNOWN* ]]
	[ "$(requests 'select(.method == "HEAD" and (.path | contains("/blobs/"))).status' | paste -sd' ')" = "200 200" ]
}

@test "a child that the registry has lost is put again before its index" {
	serve --forget-manifest 1
	index=$(add_index L "$ONE")
	add_image L "$index" name index
	try oci-manifest-put --retries 1 L "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(puts)" = "$ONE
v1
v1
$ONE
v1" ]
}

# bats test_tags=slow
@test "what fails in passing is put again, with a record and a line" {
	for fault in "--fail PUT:1:429" "--fail PUT:1:503" "--fail PUT:1:0" "--cut-at PUT:1:20"; do
		# shellcheck disable=SC2086
		serve $fault
		add_image L "$ONE" name
		try oci-manifest-put -i "$ONE" L "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ "$(jq -r '[.event, .digest, .attempt, .maxAttempts] | map(tostring) | join(" ")' <<<"$output")" = \
			"retry $ONE 1 5
manifest $ONE null null" ]
		has_one_line "$stderr"
		[[ $stderr == *"again in "*"(1 of 5)" ]]
	done
	serve --fail PUT:1:429:1
	SECONDS=0
	try oci-manifest-put -i "$ONE" L "$REGISTRY/a/b:v1"
	[ "$(jq -r 'select(.event == "retry") | .delayMs >= 1000 and .httpStatus == 429' <<<"$output")" = true ]
	[ "$SECONDS" -ge 1 ]
}

@test "a manifest that was put there before is asked for, and put again only where it is not" {
	serve --fail-at HEAD:1:503
	add_image L "$ONE" name
	for _ in 1 2; do
		try oci-manifest-put L "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
	done
	[ "$(requests .method | tr -d '"' | paste -sd' ')" = "PUT HEAD HEAD" ]
	[ "$(jq -r .event <<<"$output" | paste -sd' ')" = "retry manifest" ]
	run -0 oci-manifest-put L "$REGISTRY/a/b:v2"
	[ "$(puts)" = "v1
v2" ]
}

@test "a manifest whose answer was lost is asked for, not put again" {
	add_image L "$ONE" name
	for fault in "--cut-at PUT:1:reply" "--answer-at PUT:1:500" "--answer-at PUT:1:504" \
		"--cut-at PUT:1:reply --no-content-digest"; do
		# shellcheck disable=SC2086
		serve $fault
		COG_PUSH_RETRIES=0 try oci-manifest-put L "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ "$(puts)" = v1 ]
	done
}

# bats test_tags=slow
@test "an immutable tag that is this image already is success, another is a failure that says which" {
	two=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	add_image L "$ONE" one
	add_image L "$two" two
	for refusal in 400 403 405 409 412; do
		serve --immutable-tags "$refusal" --immutable-same --fail-at HEAD:1:404
		oci-manifest-put -i one L "$REGISTRY/a/b:v1"
		# The tag is asked for, does not show, and is refused.
		try oci-manifest-put -i one L "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ "$(requests 'select(.method == "PUT").status' | paste -sd' ')" = "201 $refusal" ]
		[ "$(jq -r .ref <<<"$output")" = "$REGISTRY/a/b:v1" ]
		try oci-manifest-put -i two L "$REGISTRY/a/b:v1"
		[ "$status" -eq "$([ "$refusal" = 403 ] && echo 77 || echo 1)" ]
		has_one_line "$stderr"
		[[ $stderr == *"/manifests/v1: $refusal: "*"the tag is $ONE there, and may be immutable: push another" ]]
	done
}

# referring SUBJECT: a manifest with that subject, its type and a note.
referring() {
	jq -cj --arg d "$1" '. + {artifactType: "application/x-sbom", annotations: {note: "mine"},
		subject: {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: 1}}' \
		"L/blobs/sha256/${ONE#sha256:}" | add_stream L
}

# referrers: what the index under the tag of ONE names.
referrers() {
	curl -fsS "http://$REGISTRY/v2/a/b/manifests/sha256-${ONE#sha256:}" -H 'User-Agent: cog-push/test' |
		jq -c '.manifests[]'
}

@test "a subject of which the registry keeps no account gets an index under its tag, once" {
	two=$(referring "$ONE")
	add_image L "$two" two
	entry="{\"mediaType\":\"$OCI.manifest.v1+json\",\"digest\":\"$two\",\"size\":$(size_of L "$two"),\"artifactType\":\"application/x-sbom\",\"annotations\":{\"note\":\"mine\"}}"
	serve
	try oci-manifest-put L "$REGISTRY/a/b@$two"
	[ "$status" -eq 0 ]
	[ "$(referrers)" = "$entry" ]
	[ "$(puts)" = "$two
sha256-${ONE#sha256:}" ]
	[ "$(requests 'select(.method == "PUT").headers["content-type"]' | tail -n 1)" = "\"$OCI.index.v1+json\"" ]
	try oci-manifest-put L "$REGISTRY/a/b@$two"
	[ "$status" -eq 0 ]
	[ "$(referrers)" = "$entry" ]
	[ "$(puts | grep -c sha256-)" -eq 1 ]
}

@test "an index of referrers keeps what others have put there" {
	two=$(referring "$ONE")
	three=$(sed 's/mine/yours/' "L/blobs/sha256/${two#sha256:}" | add_stream L)
	add_image L "$two" two
	add_image L "$three" three
	for options in "" --no-content-digest; do
		# shellcheck disable=SC2086
		serve --rival 1 --any-child $options
		try oci-manifest-put -i two L "$REGISTRY/a/b@$two"
		[ "$status" -eq 0 ]
		try oci-manifest-put -i three L "$REGISTRY/a/b:three"
		[ "$status" -eq 0 ]
		[ "$(referrers | jq -r .digest)" = "sha256:$(printf '%064d' 1)
$two
$three" ]
	done
}

@test "a registry where the index of referrers is replaced for ever is a temporary failure" {
	two=$(referring "$ONE")
	add_image L "$two" two
	serve --rival 99 --any-child
	try oci-manifest-put L "$REGISTRY/a/b@$two"
	[ "$status" -eq 75 ]
	[[ $stderr == *"sha256-${ONE#sha256:}"*"again and again" ]]
}

# bats test_tags=slow
@test "a registry that keeps account of referrers gets no such tag" {
	two=$(referring "$ONE")
	add_image L "$two" two
	for subject in api lying; do
		serve --subject "$subject"
		for options in "" --no-content-digest; do
			# shellcheck disable=SC2086
			serve --subject "$subject" $options
			try oci-manifest-put L "$REGISTRY/a/b@$two"
			[ "$status" -eq 0 ]
			[ "$(puts)" = "$two" ]
		done
	done
}

@test "a tag of a subject that is no index is left as it is, and where the subject itself answers there is none" {
	two=$(referring "$ONE")
	add_image L "$ONE" one
	add_image L "$two" two
	serve
	oci-manifest-put -i one L "$REGISTRY/a/b:sha256-${ONE#sha256:}"
	three=$(add_manifest L "$CONFIG" "$LAYER" "$LAYER")
	add_image L "$three" three
	oci-manifest-put -i three L "$REGISTRY/a/b:sha256-${ONE#sha256:}"
	try oci-manifest-put -i two L "$REGISTRY/a/b@$two"
	[ "$status" -eq 1 ]
	[[ $stderr == *"sha256-${ONE#sha256:}"*"not an index"* ]]
	[ "$(puts | grep -c sha256-)" -eq 2 ]
	serve --tag-is-digest
	oci-manifest-put -i one L "$REGISTRY/a/b@$ONE"
	try oci-manifest-put -i two L "$REGISTRY/a/b@$two"
	[ "$status" -eq 0 ]
	[ "$(referrers | jq -r .digest)" = "$two" ]
}

@test "an index of referrers of more than a MiB is read and written whole" {
	two=$(referring "$ONE")
	add_image L "$two" two
	jq -cnj --arg t "$OCI.index.v1+json" '{schemaVersion: 2, mediaType: $t, manifests: [range(8000) | {
		mediaType: $t, size: 1, digest: ("sha256:" + ("0" * 60) + (. + 1000 | tostring)[0:4])}]}' >big
	[ "$(stat -c %s big)" -gt 1048576 ]
	serve --any-child
	curl -fsS -X PUT -H 'User-Agent: cog-push/test' -H Expect: -H "Content-Type: $OCI.index.v1+json" --data-binary @big \
		"http://$REGISTRY/v2/a/b/manifests/sha256-${ONE#sha256:}"
	try oci-manifest-put L "$REGISTRY/a/b@$two"
	[ "$status" -eq 0 ]
	[ "$(referrers | wc -l)" -eq 8001 ]
}

@test "statuses say whether to try again" {
	add_image L "$ONE" name
	for want in 401:77 403:77 400:1 429:75 503:75; do
		serve --fail "PUT:1:${want%:*}"
		COG_PUSH_RETRIES=0 try oci-manifest-put L "$REGISTRY/a/b:v1"
		[ "$status" -eq "${want#*:}" ]
		has_one_line "$stderr"
	done
	try oci-manifest-put L "$NOBODY/a/b:v1"
	[ "$status" -eq 75 ]
}

@test "an index that the registry does not take is a failure that says so, after its children" {
	index=$(add_index L "$ONE")
	add_image L "$index" name index
	for code in 400 415; do
		serve --refuse-type "index:$code"
		try oci-manifest-put L "$REGISTRY/a/b:v1"
		[ "$status" -eq 1 ]
		[ "$(puts | paste -sd' ')" = "$ONE v1" ]
		[[ $stderr == "oci-manifest-put: PUT http://$REGISTRY/v2/a/b/manifests/v1: $code"*"no $OCI.index.v1+json here"* ]]
		has_one_line "$stderr"
	done
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
