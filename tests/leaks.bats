# SPDX-License-Identifier: Apache-2.0
# To whom credentials go, and to whom they do not. What is sent is read off the logs of both sides.
load helper
load layout
load access

check() {
	try oci-push-check "$REGISTRY/a/b"
}

@test "the other host of a Location gets neither a password nor a token" {
	local kind
	new_layout L
	start_tokens --users me:right
	for kind in basic bearer; do
		"start_${kind}_registry" --location other
		know_me
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
		[ "$status" -eq 0 ]
		[ "$(requests 'select(.headers.host | startswith("localhost")) | .headers | has("authorization")')" = false ]
		[ "$(requests 'select(.method == "POST" and .status == 202) | .headers | has("authorization")')" = true ]
	done
}

@test "the password goes to the token service alone, the token to the registry alone" {
	start_tokens --users me:right
	start_bearer_registry
	know_me
	new_layout L
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 70000)"
	[ "$status" -eq 0 ]
	[ "$(requests '.headers.authorization // "none" | split(" ")[0]' | sort | uniq -c | tr -s ' ')" = \
		$' 3 "Bearer"\n 1 "none"' ]
	[ "$(token_requests '[.user, .query]')" = \
		'["me","service=test&scope=repository%3Aa%2Fb%3Apull%2Cpush&account=me"]' ]
}

@test "the other host of a redirect gets neither credentials nor an answer to its challenge" {
	new_layout L
	start_basic_registry
	local target_log=$REGISTRY_LOG target=$REGISTRY
	start_basic_registry --redirect-to "http://$REGISTRY"
	know_me
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 77 ]
	[ "$(requests 'select(.status == 307) | .headers | has("authorization")' | sort -u)" = true ]
	[[ $stderr == *"http://$target/v2/"* ]]
	[ -s "$target_log" ]
	[ "$(jq -c 'select(.headers.authorization)' "$target_log")" = "" ]
	# Nor is the token service that it names asked.
	start_tokens
	start_bearer_registry
	target_log=$REGISTRY_LOG
	start_basic_registry --redirect-to "http://$REGISTRY"
	know_me
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 77 ]
	[ -s "$target_log" ]
	[ -z "$(token_requests)" ]
}

@test "a redirect of the token service to another host leaves the password behind" {
	start_tokens
	local target=$TOKENS_LOG
	start_tokens --redirect-to "http://$TOKENS/token?scope=repository:a/b:pull,push"
	start_bearer_registry
	know_me
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .authorization)" = true ]
	[ "$(jq .authorization "$target")" = false ]
}

@test "the identity token in a POST is not sent after a redirect" {
	start_tokens
	local target=$TOKENS_LOG
	start_tokens --redirect-to "http://$TOKENS/token"
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "{\"auths\":{\"$REGISTRY\":{\"identitytoken\":\"right\"}}}"
	check
	[ "$status" -eq 1 ]
	[ "$(token_requests .method)" = '"POST"' ]
	[ ! -s "$target" ]
}

@test "a realm on plain HTTP gets nothing from a registry on HTTPS" {
	make_certificate
	start_tokens
	start_registry --tls "$CERT" "$KEY" --bearer --challenge "Bearer realm=\"http://$TOKENS/token\""
	write_config "$HOME/.docker/config.json" "$(auths "localhost:${REGISTRY#*:}" me:right)"
	try oci-push-check --cacert "$CERT" "localhost:${REGISTRY#*:}/a/b"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[[ $stderr == *"token service"*"http://$TOKENS/token"*"leaves https"* ]]
	[ "$(token_requests)" = "" ]
}

@test "a realm with http:// on the host of a registry on HTTPS is asked over HTTPS" {
	make_certificate
	start_registry --tls "$CERT" "$KEY" --bearer --auth-only POST \
		--challenge 'Bearer realm="http://127.0.0.1/token"'
	know_me
	try oci-push-check --cacert "$CERT" "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"GET https://$REGISTRY/token: 404: "* ]]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
	[ "$(requests 'select(.path == "/token") | .headers.authorization[:6]')" = '"Basic "' ]
}

@test "a redirect from HTTPS to plain HTTP is refused, of a registry and of a token service" {
	make_certificate
	start_registry
	local target=$REGISTRY_LOG clear=http://localhost:${REGISTRY#*:}
	start_registry --tls "$CERT" "$KEY" --basic me:right --challenge 'Basic realm=x' --redirect-to "$clear"
	know_me
	try oci-push-check --cacert "$CERT" "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[[ $stderr == *"'$clear/v2/a/b/blobs/uploads/': refused: it leaves https for another host" ]]
	start_tokens --tls "$CERT" "$KEY" --redirect-to "$clear/token"
	start_registry --tls "$CERT" "$KEY" --bearer --challenge "Bearer realm=\"https://$TOKENS/token\""
	know_me
	try oci-push-check --cacert "$CERT" "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[[ $stderr == *"https://$TOKENS/token: "*"leaves https for another host" ]]
	[ "$(token_requests .user)" = '"me"' ]
	[ ! -s "$target" ]
}

@test "nothing but http and https is spoken: a redirect, a Location or a realm elsewhere is refused" {
	local elsewhere
	for elsewhere in ftp://127.0.0.1 file:///etc/passwd gopher://127.0.0.1; do
		start_basic_registry --redirect-to "$elsewhere"
		know_me
		check
		[ "$status" -eq 1 ]
		[[ $stderr == *"Location '$elsewhere"*"': neither http nor https" ]]
		start_registry --bearer --challenge "Bearer realm=\"$elsewhere/token\""
		check
		[ "$status" -eq 1 ]
		[[ $stderr == *"token service"*"'$elsewhere/token': neither http nor https" ]]
	done
	new_layout L
	start_registry --location wrong
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"neither http nor https"* ]]
}

@test "a Location with http:// of a registry on HTTPS is asked over HTTPS" {
	make_certificate
	start_registry --tls "$CERT" "$KEY" --location downgrade --basic me:right --challenge 'Basic realm=x'
	know_me
	new_layout L
	try oci-blob-upload --cacert "$CERT" L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
	[ "$(requests 'select(.method == "PUT").status')" = 201 ]
}

@test "nothing goes over plain HTTP to another machine unless --plain-http is given" {
	# An address of the documentation, that nothing is routed to: refused before any connection.
	local start=$SECONDS
	mkdir -m 700 shared
	printf http >shared/scheme.192.0.2.1:5000
	write_config "$HOME/.docker/config.json" "$(auths 192.0.2.1:5000 me:right)"
	COG_TOKEN_DIR=$WORLD/shared try oci-push-check 192.0.2.1:5000/a/b
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-push-check: POST http://192.0.2.1:5000/v2/a/b/blobs/uploads/: plain HTTP to another machine is refused; --plain-http allows it" ]]
	is_soon "$start"
}

@test "a redirect, a Location or a realm from this machine to another in the clear is refused" {
	start_basic_registry --redirect-to http://192.0.2.1
	know_me
	check
	[ "$status" -eq 1 ]
	[[ $stderr == *"POST http://192.0.2.1/v2/a/b/blobs/uploads/: plain HTTP to another machine is refused"* ]]
	start_registry --bearer --challenge 'Bearer realm="http://192.0.2.1/token"'
	check
	[ "$status" -eq 1 ]
	[[ $stderr == *"GET http://192.0.2.1/token: plain HTTP to another machine is refused"* ]]
}

@test "a proxy on this machine does not make another machine reachable in the clear" {
	start_registry
	mkdir -m 700 shared
	printf http >shared/scheme.192.0.2.1:5000
	http_proxy=http://$REGISTRY COG_TOKEN_DIR=$WORLD/shared try oci-push-check 192.0.2.1:5000/a/b
	[ "$status" -eq 1 ]
	[[ $stderr == *"plain HTTP to another machine is refused"* ]]
	[ ! -s "$REGISTRY_LOG" ]
}

@test "with --plain-http a proxy is used as curl does, and never for this machine" {
	start_registry
	http_proxy=http://$REGISTRY try oci-push-check --plain-http 192.0.2.1:5000/a/b
	[ "$(requests .headers.host | head -n 1)" = '"192.0.2.1:5000"' ]
	start_registry
	http_proxy=http://$NOBODY https_proxy=http://$NOBODY check
	[ "$status" -eq 0 ]
}

@test "https_proxy gets a CONNECT and no credentials, and is not asked for this machine" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x \
		-addext subjectAltName=DNS:registry.example,IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
	start_registry --tls cert.pem key.pem --basic me:right --challenge 'Basic realm=x'
	start_tunnel "$REGISTRY"
	write_config "$HOME/.docker/config.json" "$(auths registry.example me:right "$REGISTRY" me:right)"
	https_proxy=http://$PROXY try oci-push-check --cacert cert.pem registry.example/a/b
	[ "$status" -eq 0 ]
	[ "$(grep -c '^CONNECT registry.example:443 HTTP/1.1' "$TUNNEL_LOG")" -eq 1 ]
	run ! grep -i authorization "$TUNNEL_LOG"
	[ "$(requests 'select(.status == 202).headers | [.host, .authorization[:6]]')" = '["registry.example","Basic "]' ]
	: >"$TUNNEL_LOG"
	https_proxy=http://$PROXY try oci-push-check --cacert cert.pem "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ ! -s "$TUNNEL_LOG" ]
}

@test "--plain-http speaks no TLS at all" {
	start_basic_registry
	know_me
	try oci-push-check --plain-http "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(requests .connection | sort -u | wc -l)" -eq 1 ]
	COG_PUSH_PLAIN_HTTP=true try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "the trace shows neither passwords nor tokens" {
	start_tokens --users me:right
	start_bearer_registry
	know_me
	new_layout L
	try oci-blob-upload -v L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[[ $stderr == *"> GET http://$TOKENS/token?"* ]]
	[[ $stderr != *right* && $stderr != *"$(base64_of me:right)"* && $stderr != *eyJ* ]]
	[[ $output != *right* && $output != *eyJ* ]]
}
