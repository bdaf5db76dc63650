# SPDX-License-Identifier: Apache-2.0
# What the line of a failure tells to do: the failures that people meet most, each as it is met.
load helper
load engine
load access

setup() {
	own_world
	IMAGE=$DATA/docker20.tar
	export COG_PUSH_RETRIES=0
}

# says STATUS TEXT: the push of IMAGE failed so, and its last line ends with TEXT.
says() {
	local line
	line=$(grep -v -e '^already in the registry' -e '^cog-push: to go on: ' <<<"$stderr" | tail -n 1)
	[ "$status" -eq "$1" ] && [ -z "$output" ] && [[ $line == *"$2" ]]
}

push() {
	try cog-push "$@" "$IMAGE" "$REGISTRY/a/b:v1"
}

@test "not logged in: cog-login and the registry" {
	start_basic_registry
	push
	says 77 "(no credentials for it were found: cog-login $REGISTRY)"
}

@test "a wrong password: cog-login stores another" {
	start_basic_registry
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" me:wrong)"
	push
	says 77 "401: unauthorized: credentials are missing or wrong (UNAUTHORIZED: authentication required) (cog-login $REGISTRY stores others)"
}

@test "denied: who can allow it" {
	start_registry --fail '*:99:403'
	push
	says 77 "403: forbidden: the credentials do not allow it (UNKNOWN: a fault as ordered): ask its owner for the right to push"
}

@test "a tag that may not be moved: to push another" {
	start_registry --fail PUT@manifests:99:403
	push
	says 77 ": push another tag if this one has to stay, or ask its owner for the right"
}

@test "a registry that fails by itself: where the reason is" {
	start_registry --fail POST:99:500
	push
	says 75 "500: the server failed (UNKNOWN: a fault as ordered): its log has the reason"
}

@test "a repository that is not there: it may have to be created" {
	start_registry --fail POST:99:404
	push
	says 1 ": create it first where the registry wants that, or mend the name"
}

@test "upper case in a reference: how it is written" {
	REGISTRY=127.0.0.1:1
	try cog-push "$IMAGE" "$REGISTRY/Team/Model:v1"
	says 2 "cog-push: '$REGISTRY/Team/Model:v1': a repository must be lower case: write $REGISTRY/team/model:v1 (try 'cog-push --help')"
	try oci-push-check "$REGISTRY/Team/Model"
	says 2 "'Team/Model': a repository must be lower case: write team/model (try 'oci-push-check --help')"
}

@test "a scheme before a reference: how it is written" {
	try cog-push "$IMAGE" https://r.example/a/b:v1
	says 2 "a reference has no scheme: write r.example/a/b:v1 (try 'cog-push --help')"
}

@test "no reference: what one looks like" {
	try cog-push "$IMAGE" 127.0.0.1:1/a/b:v1+2
	says 2 "expected registry/team/name:tag, of letters, digits, ., _ and - (try 'cog-push --help')"
}

@test "no name for an image ID: a reference is needed" {
	fake_engine docker
	try cog-push -e docker "$ENGINE_ID"
	says 2 "REF is needed, as registry/team/name:tag: an image ID is no name (try 'cog-push --help')"
}

@test "413 even with the smallest chunk: where the limit is" {
	start_registry --max-body 10
	push
	says 1 "(an HTML page): set COG_PUSH_CHUNK_SIZE below the limit, or raise it (nginx: client_max_body_size)"
	start_registry --fail PUT@manifests:99:413
	push
	says 1 "(UNKNOWN: a fault as ordered): raise the limit there (nginx: client_max_body_size)"
}

@test "a rate limit: until when, or what else" {
	# The moment may be a second later than computed here.
	start_registry --fail '*:99:429:3600'
	TZ=UTC push
	[ "$status" -eq 75 ]
	[[ $stderr =~ '429: too many requests (UNKNOWN: a fault as ordered): not before '(20[0-9-]+' '[0-9:]+' UTC')$ ]]
	until=$(date -d "${BASH_REMATCH[1]}" +%s)
	[ $((until - $(date +%s))) -gt 3000 ] && [ $((until - $(date +%s))) -le 3600 ]
	start_registry --fail '*:99:429'
	push
	says 75 ": wait a while, or take fewer at a time (COG_PUSH_CONCURRENCY)"
}

@test "a policy, a full storage, a mirror: what it is and what to do" {
	start_registry --fail PUT@manifests:99:412
	push
	says 1 "412: a policy of the registry forbids it (UNKNOWN: a fault as ordered)"
	start_registry --fail PUT:99:507
	push
	[ "$status" -eq 75 ]
	[[ $stderr == *"507: the storage of the registry is full (UNKNOWN: a fault as ordered): make room there"* ]]
	start_registry --fail POST:99:405
	push
	says 1 "405: the registry takes no pushes (UNKNOWN: a fault as ordered): is it a mirror, or read-only?"
}

# server SCRIPT: a server in Python; its handler h answers POST with answer(STATUS, BODY).
server() {
	cat >server.py <<-END
		import http.server
		class Handler(http.server.BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def log_message(self, *_): pass
		    def answer(self, status, body=b""):
		        self.send_response(status)
		        self.send_header("Content-Type", "application/json")
		        self.send_header("Content-Length", str(len(body)))
		        self.send_header("Connection", "close")
		        self.end_headers()
		        self.wfile.write(body)
		        self.close_connection = True
		    def go(self):
		        $1
		    do_GET = do_HEAD = do_POST = do_CONNECT = go
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
		open("server.port.new", "w").write(str(server.server_address[1]))
		import os; os.rename("server.port.new", "server.port")
		server.serve_forever()
	END
	"$PYTHON" -S server.py 3>&- 2>/dev/null &
	SERVERS+=($!)
	wait_for 10 test -s server.port
	SERVER=127.0.0.1:$(cat server.port)
}

@test "a quota that is used up: to make room" {
	server 'self.answer(403, b"""{"errors":[{"code":"DENIED","message":"adding 1 GiB would exceed the storage quota"}]}""")'
	REGISTRY=$SERVER
	try cog-push --plain-http "$IMAGE" "$REGISTRY/a/b:v1"
	says 77 "(DENIED: adding 1 GiB would exceed the storage quota): make room there, or have the quota raised"
}

@test "a type that the registry does not know: --docker-types" {
	start_registry --refuse-type oci.image:415
	push
	says 1 ": an old registry may take it with --docker-types"
}

@test "an immutable tag: to push another" {
	start_registry --immutable-tags
	run -0 cog-push "$DATA/docker26.tar" "$REGISTRY/a/b:v1"
	push
	says 1 "there, and may be immutable: push another"
}

@test "no registry: whether host and port are right" {
	start_registry --html
	push
	says 1 "not a registry: are the host and the port right? (answered 200 with an HTML page)"
	start_registry --not-found
	push
	says 1 "not a registry: are the host and the port right? (answered 404 with an HTML page)"
}

@test "refused, or no such name: what may be wrong" {
	REGISTRY=127.0.0.1:1
	push
	says 75 "Connection refused: is the port right, and does the registry run?"
	try cog-push "$IMAGE" registry.invalid/a/b:v1
	[ "$status" -eq 75 ]
	[[ $stderr == *": is the name right, and the network up?"* ]]
}

@test "a proxy: refused, no such name, a password that it wants, a site that it forbids" {
	https_proxy=http://127.0.0.1:1 try cog-push "$IMAGE" registry.invalid/a/b:v1
	says 75 "Connection refused: of the proxy that https_proxy or http_proxy names"
	https_proxy=http://proxy.invalid:1 try cog-push "$IMAGE" registry.invalid/a/b:v1
	says 75 "Could not resolve proxy: proxy.invalid: it is what https_proxy or http_proxy names"
	server 'self.answer(407 if "wants" in self.path else 403)'
	https_proxy=http://$SERVER try cog-push "$IMAGE" wants.invalid/a/b:v1
	says 1 ": the proxy wants a password: https_proxy=http://USER:PASSWORD@HOST:PORT"
	https_proxy=http://$SERVER try cog-push "$IMAGE" registry.invalid/a/b:v1
	says 1 " 403: the proxy does not let us through; no_proxy leaves it out"
}

# make_pair SAN START END: ca.pem, and server.pem, server.key of that CA.
make_pair() {
	cat >ca.conf <<-END
		[ca]
		default_ca = own
		[own]
		new_certs_dir = .
		database = index
		serial = serial
		default_md = sha256
		policy = any
		email_in_dn = no
		[any]
		commonName = supplied
	END
	: >index
	echo 01 >serial
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Test CA" \
		-addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server \
		-keyout server.key -out server.csr 2>/dev/null
	openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -startdate "$2" -enddate "$3" \
		-extfile <(echo "subjectAltName=$1") -in server.csr -out server.pem 2>/dev/null
}

# bats test_tags=slow
@test "a certificate of an unknown CA, of another host, of another time: what to do, and what the clock says" {
	make_pair IP:127.0.0.1 200101000000Z 400101000000Z
	start_registry --tls server.pem server.key
	push
	says 1 ": its certificate is of an unknown CA: name the CA's file with --cacert"
	make_pair DNS:other.example 200101000000Z 400101000000Z
	start_registry --tls server.pem server.key
	push --cacert ca.pem
	says 1 ": its certificate is for another host: use the name that is in it"
	make_pair IP:127.0.0.1 400101000000Z 410101000000Z
	start_registry --tls server.pem server.key
	TZ=UTC push --cacert ca.pem
	[ "$status" -eq 1 ]
	[[ $stderr =~ ': its certificate is not valid yet: set the clock here if it is wrong: it says '20[0-9-]+' '[0-9:]+' UTC'$ ]]
	make_pair IP:127.0.0.1 200101000000Z 210101000000Z
	start_registry --tls server.pem server.key
	TZ=UTC push --cacert ca.pem
	[ "$status" -eq 1 ]
	[[ $stderr =~ 'unless the clock here is wrong: it says '20[0-9-]+' '[0-9:]+' UTC'$ ]]
}

# engine LINE: a docker that fails with LINE, and has two images.
engine() {
	mkdir -p engines
	cat >engines/docker <<-END
		#!/bin/sh
		[ "\$1" != images ] || { printf '%s\\n' '<none>:<none>' team/model:v1 other/thing:v2 x:1; exit; }
		echo "$1" >&2
		exit 1
	END
	chmod +x engines/docker
	PATH=$WORLD/engines:$PATH
}

@test "docker that does not run: to start it, or to do without" {
	engine "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
	try cog-push -e docker fixture 127.0.0.1:1/a/b:v1
	says 1 "Is the docker daemon running? (start it, or say with DOCKER_HOST where it is, or push the file of docker save)"
}

@test "a socket of docker that we may not use: the group" {
	engine "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
	try cog-push -e docker fixture 127.0.0.1:1/a/b:v1
	says 1 ": join the group of its socket (usermod -aG docker USER, then log in again), or use sudo"
}

@test "no such image: names that are near" {
	engine "Error: No such image"
	for name in team/modle:v1 model TEAM/models:latest r.example:5000/x/mdel; do
		try cog-push -e docker "$name" 127.0.0.1:1/a/b:v1
		says 1 "cog-engine: image '$name': docker: Error: No such image; there is team/model:v1"
	done
	try cog-push model.tar 127.0.0.1:1/a/b:v1
	says 1 "cog-push: model.tar: no such file or directory (an image of docker by that name: -e docker)"
	try cog-push -e docker wholly-other 127.0.0.1:1/a/b:v1
	says 1 "cog-engine: image 'wholly-other': docker: Error: No such image"
}

@test "an engine that is not installed: a saved image needs none" {
	try cog-push -e nerdctl fixture 127.0.0.1:1/a/b:v1
	says 1 "nerdctl is not installed: install it, or push the file of docker save"
}

@test "a file that is missing, is none, or was cut: what it should be" {
	try cog-push ./absent.tar 127.0.0.1:1/a/b:v1
	says 1 "./absent.tar: no such file or directory (an image of docker or podman begins neither with / nor with .)"
	echo text >text
	start_registry
	try cog-push ./text "$REGISTRY/a/b:v1"
	says 65 "no tar: expected what docker save or podman save writes"
	head -c 9000 "$IMAGE" >cut.tar
	try cog-push ./cut.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	[[ $stderr == *"the tar is damaged or cut off: save it again: "* ]]
}

@test "a program that is missing: how to get it" {
	mkdir few
	for each in sh dirname readlink; do ln -s "$(command -v "$each")" few; done
	PATH=$WORLD/few try "$BIN/cog-push" "$IMAGE" 127.0.0.1:1/a/b:v1
	says 1 "jq is not in PATH: install it (apt-get install jq, apk add jq, brew install jq)"
}

@test "too little room for the layout: TMPDIR and --layout" {
	truncate -s $(($(stat -f -c '%a * %S' .) * 2)) huge.tar # twice what is free, and takes nothing
	try oci-from-dockertar -f huge.tar layout
	[ "$status" -eq 1 ]
	[[ $stderr == *" MiB needed: set TMPDIR or --layout to a larger disk" ]]
}
