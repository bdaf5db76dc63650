# SPDX-License-Identifier: Apache-2.0
load helper
load layout

@test "a registry that takes uploads passes, silently, and no session is left" {
	start_registry
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(requests '[.method, .path] | join(" ")' | tr -d '"')" = "POST /v2/a/b/blobs/uploads/
DELETE /v2/a/b/blobs/upload/u1" ]
}

@test "a registry that refuses DELETE passes too" {
	start_registry --fail DELETE:1:401
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "with a shared directory session and scheme stay there" {
	start_registry
	mkdir -m 700 tokens
	COG_TOKEN_DIR=$WORLD/tokens try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(cat "tokens/scheme.$REGISTRY")" = http ]
	[ "$(head -n 1 tokens/session)" = "$REGISTRY/a/b" ]
	[ "$(requests 'select(.method == "DELETE")')" = "" ]
	COG_TOKEN_DIR=$WORLD/nowhere try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "the scheme in the shared directory opens no way in the clear to another machine" {
	mkdir -m 700 tokens
	printf http >tokens/scheme.192.0.2.1
	COG_TOKEN_DIR=$WORLD/tokens try oci-push-check 192.0.2.1/a/b
	[ "$status" -eq 1 ]
	[[ $stderr == *"plain HTTP to another machine is refused"* ]]
}

@test "no credentials: not allowed" {
	start_registry --401
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 77 ]
	[[ $stderr == "oci-push-check: POST http://$REGISTRY/v2/a/b/blobs/uploads/: 401"* ]]
	[[ $stderr == *"authentication required"* ]]
	has_one_line "$stderr"
}

@test "a registry that lets us look but not push: not allowed" {
	start_registry --fail POST:1:403
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 77 ]
	[[ $stderr == *POST*403* ]]
}

@test "a refusal stands when the question whether it is a registry fails in passing" {
	for status_of_get in 503 429 0; do
		start_registry --fail POST:1:403 --fail "GET:9:$status_of_get"
		try oci-push-check "$REGISTRY/a/b"
		[ "$status" -eq 77 ]
		[[ $stderr == "oci-push-check: POST http://$REGISTRY/v2/a/b/blobs/uploads/: 403"* ]]
		has_one_line "$stderr"
		[ "$(requests 'select(.method == "GET").path' | sort -u)" = '"/v2/"' ]
	done
}

@test "what is not a registry is called so" {
	start_registry --html
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-push-check: GET http://$REGISTRY/v2/: not a registry"* ]]
	start_registry --not-found
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-push-check: GET http://$REGISTRY/v2/: not a registry"* ]]
	has_one_line "$stderr"
}

@test "an unknown repository is a failure that says which" {
	start_registry --fail POST:1:404
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"/v2/a/b/"*404* ]]
}

@test "nobody at the port, no such host: try again" {
	try oci-push-check "$NOBODY/a/b"
	[ "$status" -eq 75 ]
	[[ $stderr == *"https://$NOBODY/v2/"*refused* ]]
	try oci-push-check name.invalid/a/b
	[ "$status" -eq 75 ]
	[[ $stderr == *"https://name.invalid/v2/"*resolve* ]]
}

@test "a registry that does not answer at all is asked three times, unless the user says otherwise" {
	local tries
	for tries in '' 7 0; do
		COG_PUSH_RETRIES=$tries try oci-push-check "$NOBODY/a/b"
		[ "$status" -eq 75 ]
		[ "$(grep -c ' again in .* of ' <<<"$stderr")" -eq "${tries:-2}" ]
	done
}

@test "a server that fails: try again" {
	start_registry --fail POST:1:503
	COG_PUSH_RETRIES=0 try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 75 ]
	[[ $stderr == *503* ]]
}

@test "what fails in passing is asked again, with a line on stderr alone" {
	start_registry --fail-at POST:1:503 --fail-at POST:2:429
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(requests .method | tr -d '"' | paste -sd' ')" = "POST POST POST DELETE" ]
	[ "$(grep -c 'again in .* of 5)' <<<"$stderr")" -eq 2 ]
	[[ $stderr == *"POST http://$REGISTRY/v2/a/b/blobs/uploads/: 503"*"(1 of 5)"*POST*429*"(2 of 5)" ]]
}

@test "a registry that stays down is asked as often as was said" {
	start_registry --fail POST:9:503
	try oci-push-check --retries 3 "$REGISTRY/a/b"
	[ "$status" -eq 75 ]
	[ "$(requests .method | wc -l)" -eq 4 ]
	[ "$(wc -l <<<"$stderr")" -eq 4 ]
}

@test "Retry-After counts" {
	start_registry --fail POST:1:429:1
	SECONDS=0
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[[ $stderr == *"again in 1.0 s"* ]]
	[ "$SECONDS" -ge 1 ]
}

@test "a refusal is not asked again" {
	for refusal in 401 403 404 501; do
		start_registry --fail "POST:1:$refusal"
		try oci-push-check "$REGISTRY/a/b"
		[ "$status" -ne 0 ]
		has_one_line "$stderr"
	done
}

@test "a certificate that nobody trusts is refused, and nothing goes in the clear" {
	make_certificate
	start_registry --tls "$CERT" "$KEY"
	try oci-push-check "localhost:${REGISTRY#*:}/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *certificate* ]]
	[ ! -s "$REGISTRY_LOG" ]
	SSL_CERT_FILE=$CERT try oci-push-check "localhost:${REGISTRY#*:}/a/b"
	[ "$status" -eq 0 ]
}

@test "wrong usage" {
	for line in "" "a/b a/c" "host.example/a:" "host.example/a@sha256:12" "host.example:65536/a" "host.example/A" "https://host.example/a" "-x host.example/a"; do
		# shellcheck disable=SC2086
		try oci-push-check $line
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}
