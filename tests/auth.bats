# SPDX-License-Identifier: Apache-2.0
# Challenges and tokens.
load helper
load layout
load access

check() {
	try oci-push-check "$REGISTRY/a/b"
}

# exchange: "GET 401,GET 200,..." of the registry.
exchange() {
	requests '"\(.method) \(.status)"' | tr -d '"' | paste -sd,
}

authorizations() {
	requests '.headers.authorization // "none" | split(" ")[0]' | tr -d '"' | paste -sd,
}

# --- Basic

@test "Basic credentials go with every request from the first challenge on" {
	start_basic_registry
	know_me
	new_layout L
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)"
	[ "$status" -eq 0 ]
	[ "$(exchange)" = "HEAD 401,HEAD 404,POST 202,PATCH 202,PATCH 202,PATCH 202,PUT 201" ]
	[ "$(authorizations)" = "none,Basic,Basic,Basic,Basic,Basic,Basic" ]
}

@test "credentials do not go along to another host, or to another port of this one" {
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	for shape in other door; do
		start_basic_registry --location "$shape"
		know_me
		new_layout L
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)"
		[ "$status" -eq 0 ]
		elsewhere='select(.headers.host == "'$REGISTRY'" | not)'
		[ "$(requests "$elsewhere.method" | paste -sd' ')" = '"PATCH" "PATCH" "PATCH" "PUT"' ]
		[ "$(requests "$elsewhere.headers.authorization // empty")" = "" ]
		[ "$(requests 'select(.method == "POST").headers.authorization')" = "\"Basic $(base64_of me:right)\"" ]
	done
}

@test "a wrong password is not allowed, said in one line, and tried once" {
	start_basic_registry
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" me:wrong-secret)"
	check
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == "oci-push-check: POST http://$REGISTRY/v2/a/b/blobs/uploads/: 401"* ]]
	[[ $stderr != *wrong-secret* ]]
	[ "$(exchange)" = "POST 401,POST 401" ]
}

@test "without credentials the line says how to log in" {
	start_basic_registry
	check
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == *"cog-login $REGISTRY"* ]]
}

# --- Challenges

@test "Bearer is chosen of several challenges, in a line or in several, whatever the order and case" {
	start_tokens
	local bearer="bEARER Realm = \"http://$TOKENS/token?x=1,2\" , SERVICE=\"a, \\\"b\\\"\""
	start_registry --bearer --challenge "Negotiate" --challenge "Basic realm=\"x, y\", $bearer"
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .service | sort -u)" = '"a, \"b\""' ]
	[[ $(token_requests .query) == '"x=1,2&service='* ]]
	start_registry --bearer --challenge "$bearer, Basic realm=x" --challenge "Digest nonce=\"a,b\""
	check
	[ "$status" -eq 0 ]
	[ "$(authorizations)" = "none,Bearer,Bearer" ]
}

@test "a relative realm is of the registry, and gives a token" {
	start_registry --bearer --own-token mine --token-path /token --challenge 'Bearer realm="/token?of=me",service=s'
	new_layout L
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.path == "/token").query')" = '"of=me&service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush"' ]
	[ "$(requests 'select(.method == "PUT").headers.authorization')" = '"Bearer mine"' ]
}

@test "a relative realm that nothing answers at is named with the registry" {
	start_registry --bearer --auth-only POST --challenge 'Bearer realm="/token?of=me",service=s'
	check
	[ "$status" -eq 1 ]
	[[ $stderr == *"GET http://$REGISTRY/token: 404"* ]]
	[ "$(requests 'select(.path == "/token").query')" = '"of=me&service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush"' ]
}

@test "the scope is echoed, made when absent, and once pull is asked for push is asked for too" {
	start_tokens
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",service=s"
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .scope)" = '["repository:a/b:pull,push"]' ]
	start_tokens
	start_bearer_registry
	new_layout L
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[ "$(token_requests .scope)" = '["repository:a/b:pull,push"]' ]
	start_tokens
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",scope=\"repository:a/b:push,pull\""
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .scope)" = '["repository:a/b:pull,push"]' ]
	start_tokens
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",scope=\"aws repository:a/b:pull,push\""
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .scope)" = '["aws","repository:a/b:pull,push"]' ]
}

@test "a scope that names no repository is asked for as it is, and the token is good for the push" {
	start_tokens
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",service=s,scope=\"aws\""
	new_layout L
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[ "$(token_requests .scope)" = '["aws"]' ]
	[ "$(exchange)" = "POST 401,POST 202,PUT 201" ]
}

@test "an answer 401 to HEAD alone, even with a token that is no good, does not stop the upload" {
	start_tokens --subset
	new_layout L
	start_registry --bearer --auth-only HEAD --challenge 'Basic realm="x"'
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 70000)"
	[ "$status" -eq 0 ]
	[ "$(exchange)" = "HEAD 401,POST 202,PUT 201" ]
}

# --- Tokens

@test "with a password the token is asked for by GET, with account and Basic" {
	start_tokens --users me:right
	start_bearer_registry
	know_me
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests '[.method, .service, .account, .user]')" = '["GET","test","me","me"]' ]
	[ "$(requests 'select(.headers.authorization // "" | startswith("Basic"))')" = "" ]
}

@test "without credentials the token is anonymous" {
	start_tokens
	start_bearer_registry
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests '[.account, .authorization]')" = '["",false]' ]
}

# bats test_tags=slow
@test "an identity token is given by POST, and by GET where the service takes no POST" {
	write_identity() {
		write_config "$HOME/.docker/config.json" \
			"{\"auths\":{\"$REGISTRY\":{\"auth\":\"$(base64_of me:)\",\"identitytoken\":\"right\"}}}"
	}
	start_tokens --users me:right --refresh right
	start_bearer_registry
	write_identity
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests '[.method, .form, .scope]')" = \
		'["POST",["client_id","grant_type","refresh_token","scope","service"],["repository:a/b:pull,push"]]' ]
	local refusal
	for refusal in 404 405 401 400; do
		start_tokens --users me:right --post-status "$refusal"
		start_bearer_registry
		write_identity
		check
		[ "$status" -eq 0 ]
		[ "$(token_requests '[.method, .status, .user]' | paste -sd' ')" = "[\"POST\",$refusal,\"\"] [\"GET\",200,\"me\"]" ]
	done
}

@test "a helper's <token> user means an identity token" {
	start_tokens --users me:x --refresh from-helper
	start_bearer_registry
	helper token <<<$'#!/bin/sh\necho \'{"Username":"<token>","Secret":"from-helper"}\''
	write_config "$HOME/.docker/config.json" '{"credsStore":"token"}'
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests .method)" = '"POST"' ]
}

@test "a registrytoken is sent as it is, and not again when it is refused" {
	start_tokens
	start_bearer_registry --own-token my-own
	write_config "$HOME/.docker/config.json" "{\"auths\":{\"$REGISTRY\":{\"registrytoken\":\"my-own\"}}}"
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests)" = "" ]
	[ "$(requests '.headers.authorization // empty' | sort -u)" = '"Bearer my-own"' ]
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "{\"auths\":{\"$REGISTRY\":{\"registrytoken\":\"my-own\"}}}"
	check
	[ "$status" -eq 77 ]
	[ "$(exchange)" = "POST 401,POST 401" ]
	[ "$(token_requests)" = "" ]
	[[ $stderr != *my-own* ]]
}

@test "access_token alone and no expires_in are enough" {
	start_tokens --key access_token --no-expires
	start_bearer_registry
	check
	[ "$status" -eq 0 ]
	[ "$(token_requests | wc -l)" -eq 1 ]
}

@test "without expires_in a token counts for 60 s" {
	start_tokens --no-expires
	start_bearer_registry
	mkdir -m 700 shared
	COG_TOKEN_DIR=$WORLD/shared check
	[ "$status" -eq 0 ]
	local left=$(($(jq .renewAt shared/token.*[0-9a-f]) - $(date +%s)))
	[ "$left" -le 48 ]
	[ "$left" -ge 28 ]
}

# bats test_tags=slow
@test "a token is renewed at 80 % of its life, in the middle of an upload, before it is refused" {
	start_tokens --life 5
	start_bearer_registry --throttle 400000
	new_layout L
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 2400000)"
	[ "$status" -eq 0 ]
	[ "$(token_requests | wc -l)" -ge 2 ]
	[ "$(requests 'select(.status == 401)' | wc -l)" -eq 1 ]
}

@test "a token that is refused in the middle of an upload is renewed, and the chunk sent again, once" {
	start_tokens
	start_bearer_registry --expire-at PATCH:2
	new_layout L
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)"
	[ "$status" -eq 0 ]
	[ "$(exchange)" = "HEAD 401,HEAD 404,POST 202,PATCH 202,PATCH 401,PATCH 202,PATCH 202,PUT 201" ]
	[ "$(requests 'select(.method == "PATCH").headers["content-range"]' | tr -d '"' | paste -sd' ')" = \
		"0-99999 100000-199999 100000-199999 200000-249999" ]
	[ "$(token_requests | wc -l)" -eq 2 ]
}

# refused_once METHOD: one token was refused, in a request of METHOD, and the next request is the same,
# whole, with another token.
refused_once() {
	local parts='[.method, .path, .query, .contentLength, .headers["content-range"]]'
	[ "$(requests 'select(.status == 401 and .headers.authorization).method')" = "\"$1\"" ] &&
		[ "$(token_requests | wc -l)" -eq 2 ] &&
		jq -se "(map(.status == 401 and .headers.authorization != null) | index(true)) as \$at |
			(.[\$at] | $parts) == (.[\$at + 1] | $parts) and .[\$at + 1].status != 401 and
			.[\$at + 1].bodyBytes == (.[\$at + 1].contentLength // 0)" "$REGISTRY_LOG"
}

# bats test_tags=slow
@test "at whatever step a token is refused, it is renewed and the same request sent again, whole" {
	local method
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	new_layout L
	layer=$(random_blob L 150000)
	config=$(add_text L '{}')
	add_image L "$(add_manifest L "$config" "$layer")" x:1
	for method in HEAD:2 POST:1 PATCH:1 PATCH:2 PUT:1 PUT:2; do
		start_tokens
		start_bearer_registry --expire-at "$method"
		try oci-blob-upload L "$REGISTRY/a/b" "$layer" "$config"
		[ "$status" -eq 0 ]
		refused_once "${method%:*}"
	done
	unset COG_PUSH_CHUNK_SIZE COG_PUSH_MULTIPART_THRESHOLD
	start_tokens
	start_bearer_registry --expire-at PUT:1
	try oci-blob-upload L "$REGISTRY/a/b" "$layer"
	[ "$status" -eq 0 ]
	refused_once PUT
	start_tokens
	start_bearer_registry --blob "$layer" --blob "$config" --expire-at PUT:2
	try oci-manifest-put L "$REGISTRY/a/b:1" "$REGISTRY/a/b:2"
	[ "$status" -eq 0 ]
	refused_once PUT
}

@test "a token that is granted and does not allow the push ends as denied, not in a loop" {
	start_tokens --subset --users me:right
	start_bearer_registry
	know_me
	check
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == *"the token that was granted does not allow it"* ]]
	[ "$(token_requests | wc -l)" -le 2 ]
	new_layout L
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 77 ]
	[ "$(token_requests | wc -l)" -le 4 ]
}

@test "a registry that asks for another scope with every answer gets no endless number of tokens" {
	start_tokens --subset
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",scope=\"repository:a/b:pull {count}\""
	check
	[ "$status" -eq 77 ]
	[ "$(token_requests | wc -l)" -le 4 ]
}

# bats test_tags=slow
@test "many uploaders share one token" {
	start_tokens
	start_bearer_registry
	new_layout L
	mkdir -m 700 shared
	export COG_TOKEN_DIR=$WORLD/shared
	for _ in $(seq 40); do random_blob L 2000; done >digests
	oci-push-check "$REGISTRY/a/b"
	xargs -P 4 -n 1 oci-blob-upload L "$REGISTRY/a/b" <digests >records
	[ "$(grep -c '"done"' records)" -eq 40 ]
	[ "$(token_requests | wc -l)" -le 2 ]
	[ "$(stat -c %a shared/token.*[0-9a-f])" = 600 ]
}

# bats test_tags=slow
@test "uploaders that begin together, and tokens that end while they work: one asks, the others wait" {
	# A slow service, so that who does not wait is there in time to ask as well.
	start_tokens --life 6 --delay 1
	start_bearer_registry --throttle 30000
	new_layout L
	mkdir -m 700 shared
	export COG_TOKEN_DIR=$WORLD/shared
	for _ in $(seq 40); do random_blob L 20000; done >digests
	begin=$(date +%s)
	xargs -P 4 -n 5 oci-blob-upload L "$REGISTRY/a/b" <digests >records
	# A token counts for 4 s.
	most=$((($(date +%s) - begin) / 4 + 1))
	[ "$(grep -c '"done"' records)" -eq 40 ]
	[ "$(token_requests | wc -l)" -ge 2 ]
	[ "$(token_requests | wc -l)" -le "$most" ]
}

@test "a shared folder that others can look into is not used" {
	start_tokens
	start_bearer_registry
	mkdir -m 755 shared
	COG_TOKEN_DIR=$WORLD/shared check
	[ "$status" -eq 0 ]
	[[ $stderr == *"warning: COG_TOKEN_DIR=$WORLD/shared: not used"* ]]
	[ -z "$(ls shared)" ]
}

@test "what the shared folder holds is not believed when it is damaged" {
	start_tokens
	start_bearer_registry
	mkdir -m 700 shared
	export COG_TOKEN_DIR=$WORLD/shared
	check
	[ "$status" -eq 0 ]
	local file
	file=$(echo shared/token.*[0-9a-f])
	for text in '' '{' '[]' '{"scheme":"bearer","token":"a\nb","renewAt":9999999999}' \
		'{"scheme":"bearer","token":"old","renewAt":9999999999}' '{"scheme":"basic"}'; do
		printf %s "$text" >"$file"
		check
		[ "$status" -eq 0 ]
	done
}

# --- Token services that do not work

@test "a wrong password at the token service is not allowed, and named by its URL" {
	start_tokens --users me:right
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" me:wrong-secret)"
	check
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == "oci-push-check: GET http://$TOKENS/token: 401: "*"incorrect username or password"* ]]
	[[ $stderr != *wrong-secret* ]]
}

@test "an identity token that has expired is not allowed, and not shown" {
	start_tokens --refresh another
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "{\"auths\":{\"$REGISTRY\":{\"identitytoken\":\"old-secret\"}}}"
	check
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == "oci-push-check: GET http://$TOKENS/token: 401: "* ]]
	[[ $stderr != *old-secret* ]]
	[ "$(token_requests .method | paste -sd,)" = '"POST","GET"' ]
	[ "$(requests 'select(.headers.authorization)')" = "" ]
}

@test "a token service that answers nonsense fails with its URL in one line" {
	local fail
	for fail in html empty huge unusable; do
		start_tokens --fail "$fail"
		start_bearer_registry
		check
		echo "case $fail"
		[ "$status" -eq 1 ]
		has_one_line "$stderr"
		[[ $stderr == "oci-push-check: GET http://$TOKENS/token: the token service gave "* ]]
		[ "$(requests 'select(.headers.authorization)')" = "" ]
	done
}

@test "a token service that is down is a temporary failure" {
	local fail
	export COG_PUSH_RETRIES=0
	for fail in 500 nothing; do
		start_tokens --fail "$fail"
		start_bearer_registry
		check
		echo "case $fail"
		[ "$status" -eq 75 ]
		has_one_line "$stderr"
		[[ $stderr == "oci-push-check: GET http://$TOKENS/token: "* ]]
	done
	TOKENS=$NOBODY
	start_bearer_registry
	check
	[ "$status" -eq 75 ]
	[[ $stderr == "oci-push-check: GET http://$NOBODY/token: "* ]]
}

@test "a service that echoes the password does not get it into the error" {
	start_tokens --fail echo
	start_bearer_registry
	know_me
	check
	[ "$status" -eq 77 ]
	[[ $stderr == *"GET http://$TOKENS/token: 401"* ]]
	[[ $stderr != *right* ]]
}
