# SPDX-License-Identifier: Apache-2.0
# Whom a connection trusts, and what a user is told when it trusts nobody.
load helper
load layout
load access

setup() {
	own_world
	export XDG_CONFIG_HOME=$WORLD/config
	make_ca
}

# make_ca: CA, and the pair CERT, KEY for localhost and 127.0.0.1.
make_ca() {
	CA=$WORLD/ca.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Test CA" \
		-addext keyUsage=critical,keyCertSign -keyout "$WORLD/ca.key" -out "$CA" 2>/dev/null
	sign server DNS:localhost,IP:127.0.0.1 -days 10
	CERT=$WORLD/server.pem KEY=$WORLD/server.key
}

# sign NAME SAN OPTION...: the pair NAME.pem, NAME.key of the CA.
sign() {
	local name=$1 san=$2
	shift 2
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
		-keyout "$WORLD/$name.key" -out "$WORLD/$name.csr" 2>/dev/null
	openssl x509 -req -in "$WORLD/$name.csr" -CA "$CA" -CAkey "$WORLD/ca.key" -set_serial 7 \
		-extfile <(echo "subjectAltName=$san") -out "$WORLD/$name.pem" "$@" 2>/dev/null
}

check() {
	try oci-push-check "$@" "$REGISTRY/a/b"
}

# refused TEXT: a certificate error in one line, and nothing came in the clear.
refused() {
	[ "$status" -eq 1 ] && has_one_line "$stderr" &&
		[[ $stderr == "oci-push-check: POST https://$REGISTRY/v2/a/b/blobs/uploads/: "*"$1"* ]] && [ ! -s "$REGISTRY_LOG" ]
}

@test "a CA that nobody knows is refused with what to do, and nothing goes in the clear" {
	start_registry --tls "$CERT" "$KEY"
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" me:right)"
	check
	refused "unknown CA: name the CA's file with --cacert"
}

@test "a CA is taken from --cacert, the environment, SSL_CERT_FILE and SSL_CERT_DIR" {
	start_registry --tls "$CERT" "$KEY"
	check --cacert "$CA"
	[ "$status" -eq 0 ]
	COG_PUSH_CACERT=$CA check
	[ "$status" -eq 0 ]
	SSL_CERT_FILE=$CA check
	[ "$status" -eq 0 ]
	mkdir cas
	cp "$CA" "cas/$(openssl x509 -in "$CA" -noout -hash).0"
	SSL_CERT_DIR=$WORLD/cas check
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
}

@test "a CA is taken from the user's certs.d of containers and docker, by host and port" {
	start_registry --tls "$CERT" "$KEY"
	local tool
	for tool in containers docker; do
		mkdir -p "$XDG_CONFIG_HOME/$tool/certs.d/$REGISTRY"
		cp "$CA" "$XDG_CONFIG_HOME/$tool/certs.d/$REGISTRY/any.crt"
		check
		[ "$status" -eq 0 ]
		rm -r "${XDG_CONFIG_HOME:?}/$tool"
	done
	mkdir -p "$XDG_CONFIG_HOME/docker/certs.d/127.0.0.1" "$HOME/.config/docker/certs.d/$REGISTRY"
	cp "$CA" "$XDG_CONFIG_HOME/docker/certs.d/127.0.0.1/ca.crt"
	cp "$CA" "$HOME/.config/docker/certs.d/$REGISTRY/ca.crt"
	: >"$REGISTRY_LOG"
	check
	refused "unknown CA"
	XDG_CONFIG_HOME='' check
	[ "$status" -eq 0 ]
}

@test "a client certificate is taken from --cert and --key, and from certs.d" {
	sign me DNS:me -days 10
	start_registry --tls "$CERT" "$KEY" --client-ca "$CA"
	check --cacert "$CA" --cert "$WORLD/me.pem" --key "$WORLD/me.key"
	[ "$status" -eq 0 ]
	local folder=$XDG_CONFIG_HOME/containers/certs.d/$REGISTRY
	mkdir -p "$folder"
	cp "$CA" "$folder/ca.crt"
	cp "$WORLD/me.pem" "$folder/me.cert"
	cp "$WORLD/me.key" "$folder/me.key"
	check
	[ "$status" -eq 0 ]
}

@test "a registry that wants a client certificate and gets none or a wrong one says so" {
	start_registry --tls "$CERT" "$KEY" --client-ca "$CA"
	check --cacert "$CA"
	[ "$status" -eq 1 ]
	[[ $stderr == *"https://$REGISTRY/v2/a/b/blobs/uploads/: it "*"a client certificate: --cert and --key" ]]
	make_certificate
	check --cacert "$CA" --cert "$CERT" --key "$KEY"
	[ "$status" -eq 1 ]
	[[ $stderr == *"it refuses the client certificate: "* || $stderr == *"certificate, and got ours" ]]
}

@test "a client certificate goes to no other host" {
	sign me DNS:me -days 10
	start_registry --tls "$CERT" "$KEY" --client-ca "$CA"
	local target=$REGISTRY
	start_registry --tls "$CERT" "$KEY" --redirect-to "https://$target"
	check --cacert "$CA" --cert "$WORLD/me.pem" --key "$WORLD/me.key"
	[ "$status" -eq 1 ]
	[[ $stderr == *"https://$target/"*"a client certificate: --cert and --key" ]]
}

@test "half a client certificate is an error, wherever it is" {
	sign me DNS:me -days 10
	start_registry --tls "$CERT" "$KEY"
	check --cert "$WORLD/me.pem"
	[ "$status" -eq 2 ]
	check --cert "$WORLD/me.pem" --key "$WORLD/absent"
	[ "$status" -eq 2 ]
	[[ $stderr == *"$WORLD/absent"* ]]
	local folder=$XDG_CONFIG_HOME/containers/certs.d/$REGISTRY
	mkdir -p "$folder"
	cp "$WORLD/me.pem" "$folder/me.cert"
	check
	[ "$status" -eq 1 ]
	[[ $stderr == *"$folder/me.cert: its key is missing: $folder/me.key"* ]]
	mv "$folder/me.cert" "$folder/me.key"
	check
	[ "$status" -eq 1 ]
	[[ $stderr == *"$folder/me.key: its certificate is missing"* ]]
}

@test "a key with a passphrase is refused, not asked for" {
	sign me DNS:me -days 10
	openssl ec -aes256 -passout pass:x -in "$WORLD/me.key" -out "$WORLD/locked.key" 2>/dev/null
	start_registry --tls "$CERT" "$KEY"
	check --cacert "$CA" --cert "$WORLD/me.pem" --key "$WORLD/locked.key"
	[ "$status" -eq 1 ]
	[[ $stderr == *"client certificate or its key can't be used"* ]]
}

@test "an expired certificate is called that" {
	# OpenSSL takes the one up to 3.3, the other from 3.4 on.
	sign old DNS:localhost,IP:127.0.0.1 -days -1 ||
		sign old DNS:localhost,IP:127.0.0.1 -not_before 20200101000000Z -not_after 20200102000000Z
	start_registry --tls "$WORLD/old.pem" "$WORLD/old.key"
	check --cacert "$CA"
	refused "its certificate has expired"
}

@test "a certificate for another host is called that" {
	sign other DNS:other.example -days 10
	start_registry --tls "$WORLD/other.pem" "$WORLD/other.key"
	check --cacert "$CA"
	refused "its certificate is for another host"
}

@test "a self-signed certificate is refused without, and taken with --tls-verify=false" {
	make_certificate
	start_registry --tls "$CERT" "$KEY"
	check
	refused "unknown CA"
	check --tls-verify=true
	refused "unknown CA"
	check --tls-verify=false
	[ "$status" -eq 0 ]
	COG_PUSH_TLS_VERIFY=false check
	[ "$status" -eq 0 ]
	check --tls-verify=maybe
	[ "$status" -eq 2 ]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
}

@test "no CA file, or one without a CA in it, is named" {
	start_registry --tls "$CERT" "$KEY"
	check --cacert "$WORLD/absent"
	[ "$status" -eq 2 ]
	[[ $stderr == *"--cacert $WORLD/absent: No such file"* ]]
	echo nothing >"$WORLD/empty"
	check --cacert "$WORLD/empty"
	[ "$status" -eq 1 ]
	[[ $stderr == *"$WORLD/empty: no CA certificate in it"* ]]
	SSL_CERT_FILE=$WORLD/absent check
	[ "$status" -eq 1 ]
	[[ $stderr == *SSL_CERT_FILE* ]]
}

@test "this machine is asked over HTTPS first, and in the clear only where no TLS is spoken" {
	start_registry
	check
	[ "$status" -eq 0 ]
	start_registry --tls "$CERT" "$KEY"
	check --cacert "$CA"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
}

# A server that reads what comes and answers with the bytes of the file "greeting".
start_odd_server() {
	REGISTRY_LOG=$WORLD/odd.log
	: >"$REGISTRY_LOG"
	"$PYTHON" - "$WORLD/odd-port" "$REGISTRY_LOG" <<-'END' 3>&- &
		import os, socket, sys
		server = socket.create_server(("127.0.0.1", 0))
		with open(sys.argv[1] + ".tmp", "w") as file:
		    file.write(str(server.getsockname()[1]))
		os.rename(sys.argv[1] + ".tmp", sys.argv[1])
		greeting = open("greeting", "rb").read()
		while True:
		    peer, _ = server.accept()
		    data = peer.recv(1000)
		    if data[:1] != b"\x16":
		        open(sys.argv[2], "ab").write(data)
		    peer.sendall(greeting)
		    peer.close()
	END
	SERVERS+=($!)
	wait_for 10 test -s "$WORLD/odd-port"
	REGISTRY=127.0.0.1:$(cat "$WORLD/odd-port")
}

@test "a peer that ends the handshake with an alert speaks TLS: it is not asked in the clear" {
	# A fatal alert: handshake_failure.
	printf '\x15\x03\x03\x00\x02\x02\x28' >greeting
	start_odd_server
	check
	refused "it ended the TLS connection: handshake failure"
}

@test "a peer that ends the connection without a word is taken for one without TLS" {
	: >greeting
	start_odd_server
	check
	[ "$status" -eq 75 ]
	grep -q "POST /v2/" "$REGISTRY_LOG"
}

# --- What ends an upload over TLS

# start_relay BYTES COUNT [TEXT]: REGISTRY is a way to the registry that ends the first connection within a
# body, after BYTES, and the COUNT that follow before TLS is set up, with TEXT in the clear. The file "relayed" has a line for each that
# has ended: its number and the bytes that the client had sent.
start_relay() {
	"$PYTHON" - "$WORLD/relay-port" "${REGISTRY#*:}" "$@" 3>&- <<-'END' &
		import os, socket, sys, threading
		port, most, count = map(int, sys.argv[2:5])
		text = sys.argv[5].encode() if len(sys.argv) > 5 else b""
		server = socket.create_server(("127.0.0.1", 0))
		with open(sys.argv[1] + ".tmp", "w") as file:
		    file.write(str(server.getsockname()[1]))
		os.rename(sys.argv[1] + ".tmp", sys.argv[1])

		def note(number, sent):
		    with open("relayed", "a") as file:
		        file.write(f"{number} {sent}\n")

		def end(*both):
		    for one in both:
		        try:
		            one.shutdown(socket.SHUT_RDWR)
		        except OSError:
		            pass

		# Where the server takes no more, what it answered is on its way: the other thread ends both.
		def copy(number, source, target):
		    sent = 0
		    taken = True
		    try:
		        while data := source.recv(65536):
		            sent += len(data)
		            if number == 1 and sent > most and len(data) > 4096:
		                break
		            taken = False
		            target.sendall(data)
		            taken = True
		    except OSError:
		        pass
		    if taken or not number:
		        end(source, target)
		    if number:
		        note(number, sent)

		for number in range(1, 1000):
		    peer, _ = server.accept()
		    if 1 < number < count + 2:
		        note(number, len(peer.recv(1000)))
		        peer.sendall(text)
		        peer.close()
		        continue
		    backend = socket.create_connection(("127.0.0.1", port))
		    for way in ((number, peer, backend), (0, backend, peer)):
		        threading.Thread(target=copy, args=way, daemon=True).start()
	END
	SERVERS+=($!)
	wait_for 10 test -s "$WORLD/relay-port"
	REGISTRY=127.0.0.1:$(cat "$WORLD/relay-port")
}

@test "a connection that ends within a chunk or before TLS is set up is made again, and the chunk sent again" {
	new_layout L
	export COG_PUSH_CHUNK_SIZE=1000000 COG_PUSH_MULTIPART_THRESHOLD=1
	start_registry --tls "$CERT" "$KEY" --model v3
	start_relay 1500000 2
	try oci-blob-upload --cacert "$CA" L "$REGISTRY/a/b" "$(random_blob L 3000000)"
	[ "$status" -eq 0 ]
	[ "$(head -n 3 relayed | cut -d' ' -f1 | paste -sd' ')" = "1 2 3" ]
	[[ $stderr == *"the connection was closed before TLS was set up: again in "* ]]
	[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 1 ]
	[ "$(requests 'select(.method == "PATCH").bodyBytes' | jq -s add)" -le 4000000 ]
	[ "$(requests 'select(.method == "CLEAR")')" = "" ]
}

@test "a server that spoke TLS and then answers with something else is not called one that closed the connection" {
	new_layout L
	export COG_PUSH_CHUNK_SIZE=1000000 COG_PUSH_MULTIPART_THRESHOLD=1
	start_registry --tls "$CERT" "$KEY" --model v3
	start_relay 1500000 9 "HTTP/1.0 503 Service Unavailable"
	try oci-blob-upload --cacert "$CA" L "$REGISTRY/a/b" "$(random_blob L 3000000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"wrong version number"* ]]
	[[ $stderr != *"before TLS was set up"* ]]
	[ "$(wc -l <relayed)" -eq 2 ]
}

# bats test_tags=slow
@test "after a connection over TLS that was cut no early answer is lost" {
	new_layout L
	start_registry --tls "$CERT" "$KEY" --max-body 100000
	start_relay 0 0
	try oci-blob-upload --cacert "$CA" L "$REGISTRY/a/b" "$(random_blob L 20000000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *413*COG_PUSH_CHUNK_SIZE* ]]
	[ "$(jq -c 'select(.event == "retry")' <<<"$output" | wc -l)" -le 1 ]
}
