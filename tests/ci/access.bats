# SPDX-License-Identifier: Apache-2.0
# Credentials and TLS with real peers: docker-registry with passwords and with tokens, nginx with TLS, and
# the logins of docker, podman and skopeo.
load ../helper
load ../layout
load ../access
load peers

# me:right
HTPASSWD='me:$2b$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC'
ISSUER=tests

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	make_certificates
	echo "$HTPASSWD" >"$PEERS/htpasswd"
	start_guarded_registry password "htpasswd: {realm: test, path: \"$PEERS/htpasswd\"}"
	export PASSWORD_REGISTRY=$GUARDED
	start_tls_nginx "$PASSWORD_REGISTRY"
	start_dockerd
	docker load -q -i "$DATA/docker26.tar" >"$PEERS/loaded"
	IMAGE=$(docker images -q --no-trunc | head -n 1)
	export IMAGE
}

# setup: own HOME and config places for each test; the peers stay those of the file.
setup() {
	own_world
	export XDG_RUNTIME_DIR=$WORLD/runtime XDG_CONFIG_HOME=$WORLD/config
	mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME"
}

# start_guarded_registry NAME AUTH: GUARDED is its host:port.
start_guarded_registry() {
	start_docker_registry "$1" "auth: {$2}" || return 1
	GUARDED=$DOCKER_REGISTRY
}

# start_token_registry NAME: one that believes TOKENS.
start_token_registry() {
	start_guarded_registry "$1" "token: {realm: \"http://$TOKENS/token\", service: real,
		issuer: $ISSUER, rootcertbundle: \"$PEERS/sign.pem\"}"
	SERVERS+=("$server")
}

start_signed_tokens() {
	start_tokens --sign "$PEERS/sign.pem" "$PEERS/sign.key" --issuer "$ISSUER" --users me:right "$@"
}

# A CA with certificates for nginx and for a client, and a pair that tokens are signed with.
make_certificates() {
	local ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes" name
	cd "$PEERS" || return 1
	# shellcheck disable=SC2086
	{
		openssl req -x509 $ec -days 2 -subj "/CN=CI CA" -keyout ca.key -out ca.pem
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout sign.key -out sign.pem
		for name in localhost client; do
			openssl req $ec -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
			openssl x509 -req -days 2 -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
				-extfile <(echo "subjectAltName=DNS:localhost") -out "$name.pem"
		done
	} 2>"$PEERS/openssl.log"
}

# start_tls_nginx BACKEND: TLS_NGINX asks for no client certificate, STRICT_NGINX for one.
start_tls_nginx() {
	serve_nginx https://localhost tls_servers "$1" || return 1
	export TLS_NGINX=localhost:$NGINX_PORT STRICT_NGINX=localhost:$((NGINX_PORT + 1))
}

tls_servers() {
	cat <<-END
		client_max_body_size 0;
		ssl_certificate "$PEERS/localhost.pem";
		ssl_certificate_key "$PEERS/localhost.key";
		proxy_set_header X-Forwarded-Proto https;
		server {
			listen 127.0.0.1:$1 ssl;
			location / { proxy_pass http://$2; }
		}
		server {
			listen 127.0.0.1:$(($1 + 1)) ssl;
			ssl_client_certificate "$PEERS/ca.pem";
			ssl_verify_client on;
			location / { proxy_pass http://$2; }
		}
	END
}

# start_slow_proxy BACKEND: SLOW forwards to it, 2 MB a second.
start_slow_proxy() {
	"$PYTHON" - "$WORLD/slow-port" "$1" <<-'END' 3>&- &
		import os, socket, sys, threading, time
		host, port = sys.argv[2].split(":")
		def pump(source, target, rate):
		    try:
		        while data := source.recv(20000):
		            target.sendall(data)
		            if rate:
		                time.sleep(len(data) / rate)
		        target.shutdown(socket.SHUT_WR)
		    except OSError:
		        pass
		server = socket.create_server(("127.0.0.1", 0))
		with open(sys.argv[1] + ".tmp", "w") as file:
		    file.write(str(server.getsockname()[1]))
		os.rename(sys.argv[1] + ".tmp", sys.argv[1])
		while True:
		    near, _ = server.accept()
		    far = socket.create_connection((host, int(port)))
		    threading.Thread(target=pump, args=(near, far, 2e6), daemon=True).start()
		    threading.Thread(target=pump, args=(far, near, 0), daemon=True).start()
	END
	SERVERS+=($!)
	wait_for 10 test -s "$WORLD/slow-port"
	SLOW=127.0.0.1:$(cat "$WORLD/slow-port")
}

# has_image REF: the registry gives me the manifest.
has_image() {
	curl -fsS -u me:right -o manifest \
		-H 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json' \
		"http://${1%%/*}/v2/$(sed 's,^[^/]*/\(.*\):\(.*\),\1/manifests/\2,' <<<"$1")"
}

push() {
	try cog-push "$DATA/docker26.tar" "$@"
}

# --- Passwords

@test "docker-registry with htpasswd: cog-login, then cog-push" {
	try cog-login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	[ "$status" -eq 0 ]
	push "$PASSWORD_REGISTRY/cog/login:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/cog/login:1"
	try cog-logout "$PASSWORD_REGISTRY"
	[ "$status" -eq 0 ]
	push "$PASSWORD_REGISTRY/cog/login:2"
	[ "$status" -eq 77 ]
	[[ $stderr == *"cog-login $PASSWORD_REGISTRY"* ]]
	run ! has_image "$PASSWORD_REGISTRY/cog/login:2"
}

@test "docker-registry with htpasswd: a wrong password is not allowed, in the first second" {
	try cog-login -u me --password-stdin "$PASSWORD_REGISTRY" <<<wrong
	[ "$status" -eq 77 ]
	write_config "$HOME/.docker/config.json" "$(auths "$PASSWORD_REGISTRY" me:wrong)"
	push "$PASSWORD_REGISTRY/cog/wrong:1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
}

# --- The logins of others

@test "docker login, then cog-push" {
	docker login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	grep -q '"auth"' "$HOME/.docker/config.json"
	push "$PASSWORD_REGISTRY/by/docker:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/by/docker:1"
}

@test "docker login with a credential helper, then cog-push" {
	store_helper good
	write_config "$HOME/.docker/config.json" '{"credsStore":"good"}'
	docker login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	push "$PASSWORD_REGISTRY/by/helper:1"
	[ "$status" -eq 0 ]
}

@test "podman login, then cog-push" {
	use_podman
	podman login --tls-verify=false -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	[ -s "$XDG_RUNTIME_DIR/containers/auth.json" ]
	push "$PASSWORD_REGISTRY/by/podman:1"
	[ "$status" -eq 0 ]
}

@test "skopeo login for a namespace, then cog-push" {
	skopeo login --tls-verify=false -u me --password-stdin --authfile "$WORLD/auth file" "$PASSWORD_REGISTRY/by" <<<right
	grep -q "$PASSWORD_REGISTRY/by\"" "$WORLD/auth file"
	REGISTRY_AUTH_FILE="$WORLD/auth file" push "$PASSWORD_REGISTRY/by/skopeo:1"
	[ "$status" -eq 0 ]
	REGISTRY_AUTH_FILE="$WORLD/auth file" push "$PASSWORD_REGISTRY/other/skopeo:1"
	[ "$status" -eq 77 ]
}

@test "cog-login, then docker, podman and skopeo push" {
	try cog-login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	[ "$status" -eq 0 ]
	docker tag "$IMAGE" "$PASSWORD_REGISTRY/from/docker:1"
	try docker push "$PASSWORD_REGISTRY/from/docker:1"
	[ "$status" -eq 0 ]
	use_podman
	podman load -q -i "$DATA/podman5-docker-archive.tar"
	try podman push -q --tls-verify=false "$(podman images -q | head -n 1)" "$PASSWORD_REGISTRY/from/podman:1"
	[ "$status" -eq 0 ]
	try skopeo copy -q --dest-tls-verify=false "docker-archive:$DATA/docker20.tar" "docker://$PASSWORD_REGISTRY/from/skopeo:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/from/skopeo:1"
}

@test "cog-logout undoes docker login, and docker logout undoes cog-login" {
	docker login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	try cog-logout "$PASSWORD_REGISTRY"
	[ -z "$stderr" ]
	push "$PASSWORD_REGISTRY/no/login:1"
	[ "$status" -eq 77 ]
	try cog-login -u me --password-stdin "$PASSWORD_REGISTRY" <<<right
	docker logout "$PASSWORD_REGISTRY"
	push "$PASSWORD_REGISTRY/no/login:1"
	[ "$status" -eq 77 ]
}

# --- Tokens

@test "docker-registry with tokens: a push needs one token, for the scope of the push" {
	start_signed_tokens
	start_token_registry tokens.1
	write_config "$HOME/.docker/config.json" "$(auths "$GUARDED" me:right)"
	push "$GUARDED/a/b:1"
	[ "$status" -eq 0 ]
	[ "$(token_requests '[.scope, .service, .user]')" = '[["repository:a/b:pull,push"],"real","me"]' ]
}

@test "docker-registry with tokens: a login is checked, a wrong password is not allowed" {
	start_signed_tokens
	start_token_registry tokens.2
	try cog-login -u me --password-stdin "$GUARDED" <<<right
	[ "$status" -eq 0 ]
	try cog-login -u me --password-stdin "$GUARDED" <<<wrong
	[ "$status" -eq 77 ]
}

@test "docker-registry with tokens: one that grants only pull, or nothing, ends as denied" {
	start_signed_tokens --subset
	start_token_registry tokens.3
	write_config "$HOME/.docker/config.json" "$(auths "$GUARDED" me:right)"
	push "$GUARDED/a/b:1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	token_requests
	grep -a '"POST\|"GET' "$PEERS/tokens.3.log"
	[ "$(token_requests | wc -l)" -le 2 ]
	rm "$HOME/.docker/config.json"
	push "$GUARDED/a/b:1"
	[ "$status" -eq 77 ]
	[[ $stderr == *"cog-login $GUARDED"* ]]
}

@test "docker-registry with tokens of 3 s: they are renewed in the middle of a chunked upload" {
	start_signed_tokens --life 3
	start_token_registry tokens.4
	start_slow_proxy "$GUARDED"
	write_config "$HOME/.docker/config.json" "$(auths "$SLOW" me:right)"
	new_layout L
	d=$(random_blob L 18000000)
	export COG_PUSH_CHUNK_SIZE=1000000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$SLOW/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(token_requests | wc -l)" -ge 3 ]
	[ "$(token_requests | wc -l)" -le 8 ]
	[ "$(grep -c '"PATCH /v2/a/b/[^"]*" 401' "$PEERS/tokens.4.log")" -eq 0 ]
}

@test "a push of 40 layers with 4 uploaders makes at most 2 token requests" {
	start_signed_tokens
	start_token_registry tokens.5
	write_config "$HOME/.docker/config.json" "$(auths "$GUARDED" me:right)"
	new_layout L
	layers=()
	for _ in $(seq 40); do layers+=("$(random_blob L 50000)"); done
	add_image L "$(add_manifest L "$(add_text L '{}')" "${layers[@]}")" many:1
	COG_PUSH_CONCURRENCY=4 try cog-push ./L "$GUARDED/a/many:1"
	[ "$status" -eq 0 ]
	[ "$(token_requests | wc -l)" -le 2 ]
}

# --- TLS

@test "behind nginx with a private CA: refused, and pushed with --cacert" {
	write_config "$HOME/.docker/config.json" "$(auths "$TLS_NGINX" me:right)"
	push "$TLS_NGINX/tls/a:1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"https://$TLS_NGINX/v2/"*": its certificate is of an unknown CA: name the CA's file with --cacert" ]]
	COG_PUSH_CACERT=$PEERS/ca.pem push "$TLS_NGINX/tls/a:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/tls/a:1"
	push "127.0.0.1:${TLS_NGINX#*:}/tls/a:1"
	[ "$status" -eq 1 ]
	COG_PUSH_CACERT=$PEERS/ca.pem push "127.0.0.1:${TLS_NGINX#*:}/tls/a:1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"its certificate is for another host"* ]]
}

@test "behind nginx with a private CA: the TLS options of cog-push reach all of its programs" {
	write_config "$HOME/.docker/config.json" "$(auths "$TLS_NGINX" me:right "$STRICT_NGINX" me:right)"
	push --cacert "$PEERS/ca.pem" "$TLS_NGINX/options/a:1"
	[ "$status" -eq 0 ]
	push --tls-verify=false "$TLS_NGINX/options/b:1"
	[ "$status" -eq 0 ]
	push --tls-verify=true "$TLS_NGINX/options/c:1"
	[ "$status" -eq 1 ]
	COG_PUSH_TLS_VERIFY=false push --tls-verify true "$TLS_NGINX/options/c:1"
	[ "$status" -eq 1 ]
	push --cacert="$PEERS/ca.pem" --cert="$PEERS/client.pem" --key="$PEERS/client.key" "$STRICT_NGINX/options/d:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/options/d:1"
	# In the clear to who speaks TLS.
	push --plain-http "$TLS_NGINX/options/e:1"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[[ $stderr == *"GET http://$TLS_NGINX/v2/: 400: "* ]]
	run ! has_image "$PASSWORD_REGISTRY/options/c:1"
	run ! has_image "$PASSWORD_REGISTRY/options/e:1"
}

@test "behind nginx a client certificate that is missing or of another CA is called that" {
	push --cacert "$PEERS/ca.pem" "$STRICT_NGINX/tls/x:1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-push-check: GET https://$STRICT_NGINX/v2/: 400: it wants a client certificate: --cert and --key" ]
	push --cacert "$PEERS/ca.pem" --cert "$PEERS/sign.pem" --key "$PEERS/sign.key" "$STRICT_NGINX/tls/x:1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-push-check: GET https://$STRICT_NGINX/v2/: 400: it refuses the client certificate" ]
	new_layout L
	try oci-blob-upload --cacert "$PEERS/ca.pem" L "$STRICT_NGINX/tls/x" "$(random_blob L 100)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"it wants a client certificate: --cert and --key"* ]]
}

@test "behind nginx with client certificates, from certs.d" {
	write_config "$HOME/.docker/config.json" "$(auths "$STRICT_NGINX" me:right)"
	COG_PUSH_CACERT=$PEERS/ca.pem push "$STRICT_NGINX/tls/b:1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"it wants a client certificate"* ]]
	unset XDG_CONFIG_HOME
	local folder=$HOME/.config/containers/certs.d/$STRICT_NGINX
	mkdir -p "$folder"
	cp "$PEERS/ca.pem" "$folder/ca.crt"
	cp "$PEERS/client.pem" "$folder/client.cert"
	cp "$PEERS/client.key" "$folder/client.key"
	push "$STRICT_NGINX/tls/b:1"
	[ "$status" -eq 0 ]
	has_image "$PASSWORD_REGISTRY/tls/b:1"
	# skopeo finds its way in the same folder.
	try skopeo inspect --raw "docker://$STRICT_NGINX/tls/b:1"
	[ "$status" -eq 0 ]
}

# --- Time

@test "a helper that hangs is ended after 30 s, and a token service that hangs is one that is down" {
	helper hangs <<<$'#!/bin/sh\necho $$ >"$HOME/helper-pid"\nsleep 600'
	write_config "$HOME/.docker/config.json" \
		"{\"credsStore\":\"hangs\",\"auths\":{\"$PASSWORD_REGISTRY\":{\"auth\":\"$(base64_of me:right)\"}}}"
	start_signed_tokens --fail hang
	start_token_registry tokens.7
	COG_PUSH_RETRIES=0 DOCKER_CONFIG=$WORLD/none oci-push-check "$GUARDED/a/b" 2>err &
	local waiting=$! start=$SECONDS code=0
	try oci-push-check "$PASSWORD_REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[[ $stderr == *"warning: docker-credential-hangs: no answer in 30 s"* ]]
	[ $((SECONDS - start)) -ge 29 ]
	[ $((SECONDS - start)) -le 45 ]
	run ! kill -0 "$(cat "$HOME/helper-pid")"
	wait "$waiting" || code=$?
	[ "$code" -eq 75 ]
	grep -q "GET http://$TOKENS/token: " err
	[ $((SECONDS - start)) -le 45 ]
}
