# SPDX-License-Identifier: Apache-2.0
# What is this machine and what is another: in a network of its own, where 192.0.2.1 is an address on
# which servers can listen and that is none of loopback, with an /etc and a /run of its own. As root.
load ../helper
load ../layout
load ../access
load ../processes

setup() {
	own_world
	export XDG_CONFIG_HOME=$WORLD/config
	enter_network
}

# enter_network: INSIDE is the command that runs another in there.
enter_network() {
	cp -a /etc etc
	printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
	rm -rf etc/docker etc/containers
	# shellcheck disable=SC2016
	unshare --net --mount --propagation slave sh -c '
		ip link set lo up && ip address add 192.0.2.1/32 dev lo && mount --bind etc /etc &&
			mount -t tmpfs tmpfs /run && : >entered && exec sleep infinity' 3>&- &
	local pid=$!
	SERVERS+=("$pid")
	wait_for 10 test -e entered
	INSIDE=(nsenter --target "$pid" --net --mount --root --wd --)
}

inside() {
	try "${INSIDE[@]}" "$@"
}

# start_secure_registry NAME [OPTION...]: one with TLS and a certificate of CA for NAME.
start_secure_registry() {
	local name=$1
	shift
	CA=$WORLD/ca.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x \
		-addext "subjectAltName=DNS:$name,IP:127.0.0.1,IP:192.0.2.1" -keyout key.pem -out "$CA" 2>/dev/null
	start_basic_registry --tls "$CA" key.pem "$@"
}

# know HOST: the user's config has me:right for it.
know() {
	write_config "$HOME/.docker/config.json" "$(auths "$1" me:right)"
}

port() {
	echo "${REGISTRY#*:}"
}

authorized() {
	requests "select(.method == \"$1\") | .headers.authorization // \"none\" | split(\" \")[0]" | sort -u
}

# --- Names

@test "a name that means this machine is this machine: plain HTTP where no TLS is spoken" {
	echo "127.0.0.1 registry.example" >>etc/hosts
	start_basic_registry
	know "registry.example:$(port)"
	inside cog-push "$DATA/docker26.tar" "registry.example:$(port)/a/b:1"
	[ "$status" -eq 0 ]
	[ "$(authorized PUT)" = '"Basic"' ]
	[ "$(requests .headers.host | sort -u)" = "\"registry.example:$(port)\"" ]
}

@test "a name that means this machine gets no plain HTTP after an error of the certificate" {
	echo "127.0.0.1 registry.example" >>etc/hosts
	start_secure_registry registry.example
	know "registry.example:$(port)"
	inside oci-push-check "registry.example:$(port)/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"unknown CA"* ]]
	[ ! -s "$REGISTRY_LOG" ]
	inside oci-push-check --cacert "$CA" "registry.example:$(port)/a/b"
	[ "$status" -eq 0 ]
}

@test "a name that looks like this machine and means another gets no plain HTTP, whatever it answers" {
	export COG_PUSH_RETRIES=0
	local name names="localhost.example 127.0.0.1.example localhost.localdomain ip6-localhost x.localhost"
	echo "192.0.2.1 $names" >>etc/hosts
	start_basic_registry --address 192.0.2.1
	for name in $names 192.0.2.1; do
		know "$name:$(port)"
		inside oci-push-check "$name:$(port)/a/b"
		[ "$status" -ne 0 ]
		has_one_line "$stderr"
		# libcurl takes .localhost for this machine, whatever the hosts file says.
		[ "$name" = x.localhost ] || [[ $stderr == *"no TLS: --plain-http is for a registry that speaks none" ]]
		[ ! -s "$REGISTRY_LOG" ]
	done
}

@test "a name of two addresses is spoken to in the clear on this machine alone" {
	printf '127.0.0.1 both.example\n192.0.2.1 both.example\n' >>etc/hosts
	start_basic_registry --address 192.0.2.1
	know "both.example:$(port)"
	inside oci-push-check "both.example:$(port)/a/b"
	[ "$status" -ne 0 ]
	[ ! -s "$REGISTRY_LOG" ]
	# What was true of the name before does not count either.
	mkdir -m 700 shared
	printf http >"shared/scheme.both.example:$(port)"
	COG_TOKEN_DIR=$WORLD/shared inside oci-push-check "both.example:$(port)/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"plain HTTP to another machine is refused; --plain-http allows it" ]]
	[ ! -s "$REGISTRY_LOG" ]
}

@test "plain HTTP to another machine is spoken with --plain-http alone" {
	start_basic_registry --address 192.0.2.1
	local ref
	ref=192.0.2.1:$(port)/a/b:1
	know "192.0.2.1:$(port)"
	inside cog-push "$DATA/docker26.tar" "$ref"
	[ "$status" -eq 1 ]
	[ ! -s "$REGISTRY_LOG" ]
	COG_PUSH_PLAIN_HTTP=0 inside cog-push "$DATA/docker26.tar" "$ref"
	[ "$status" -eq 1 ]
	[ ! -s "$REGISTRY_LOG" ]
	inside cog-push --plain-http "$DATA/docker26.tar" "$ref"
	[ "$status" -eq 0 ]
	[ "$(authorized PUT)" = '"Basic"' ]
	: >"$REGISTRY_LOG"
	COG_PUSH_PLAIN_HTTP=1 inside cog-push "$DATA/docker26.tar" "$ref"
	[ "$status" -eq 0 ]
	[ -s "$REGISTRY_LOG" ]
}

@test "a redirect, a Location or a realm from this machine to another gets there with --plain-http alone" {
	start_registry --address 192.0.2.1
	local target_log=$REGISTRY_LOG target
	target=http://192.0.2.1:$(port)
	start_tokens --redirect-to "$target/token"
	start_basic_registry --redirect-to "$target"
	know_me
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	start_registry --bearer --challenge "Bearer realm=\"$target/token\""
	know_me
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	start_bearer_registry
	know_me
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"GET $target/token: plain HTTP to another machine is refused"* ]]
	[ ! -s "$target_log" ]
	start_basic_registry --redirect-to "$target"
	know_me
	inside oci-push-check --plain-http "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(jq -r '.headers.authorization // "none"' "$target_log" | sort -u)" = none ]
}

@test "an IPv6 address is a registry" {
	start_basic_registry --address ::1
	know "[::1]:$(port)"
	inside cog-push "$DATA/docker26.tar" "[::1]:$(port)/a/b:1"
	[ "$status" -eq 0 ]
	[ "${output%@*}" = "[::1]:$(port)/a/b" ]
	[ "$(authorized PUT)" = '"Basic"' ]
}

# appear NAME FILE TEXT: once TEXT is in FILE, NAME is this machine.
appear() {
	wait_for 20 grep -q "$3" "$2"
	echo "127.0.0.1 $1" >>etc/hosts
}

@test "a name that does not resolve at first is tried again, and the blob is uploaded once it does" {
	export COG_PUSH_RETRY_DELAY_MS=200
	new_layout L
	d=$(random_blob L 300000)
	start_registry --store store
	begin "${INSIDE[@]}" oci-blob-upload L "late.example:$(port)/a/b" "$d"
	appear late.example out '"event":"retry"'
	finish
	[ "$status" -eq 0 ]
	[[ $(jq -r 'select(.event == "retry") | .reason' <<<"$output" | sort -u) == "HEAD https://late.example:$(port)/"*"Could not resolve host"* ]]
	cmp "L/blobs/sha256/${d#sha256:}" "store/${d#sha256:}"
}

@test "a push to a name that does not resolve at first goes on by itself once it does" {
	export COG_PUSH_RETRY_DELAY_MS=200
	start_registry
	begin "${INSIDE[@]}" cog-push "$DATA/docker26.tar" "late.example:$(port)/a/b:1"
	appear late.example err 'Could not resolve host.*again in'
	finish
	[ "$status" -eq 0 ]
	[ "${output%@*}" = "late.example:$(port)/a/b" ]
	[ "$(requests 'select(.method == "PUT" and .status == 201) | .path' | tail -n 1)" = '"/v2/a/b/manifests/1"' ]
}

# --- The default port

@test "the same host with its default port spelled out is the same, over HTTPS" {
	echo "192.0.2.1 registry.example" >>etc/hosts
	new_layout L
	d=$(random_blob L 100)
	start_secure_registry registry.example --address 192.0.2.1 --port 443 --location port
	know registry.example:443
	inside oci-blob-upload --cacert "$CA" L registry.example/a/b "$d"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PUT") | [.status, .headers.host, .headers.authorization[:5]]')" = \
		'[201,"registry.example","Basic"]' ]
	stop_registry
	start_secure_registry registry.example --address 192.0.2.1 --port 443 --location absolute
	know registry.example
	inside oci-blob-upload --cacert "$CA" L registry.example:443/a/b "$d"
	[ "$status" -eq 0 ]
	[ "$(authorized PUT)" = '"Basic"' ]
}

@test "the same host with its default port spelled out is the same, over HTTP" {
	new_layout L
	start_basic_registry --address 192.0.2.1 --port 80 --location port
	know 192.0.2.1
	inside oci-blob-upload --plain-http L 192.0.2.1/a/b "$(random_blob L 100)"
	[ "$status" -eq 0 ]
	[ "$(authorized PUT)" = '"Basic"' ]
}

@test "another port of the same host is another host" {
	new_layout L
	start_basic_registry
	local target=$REGISTRY_LOG
	start_basic_registry --redirect-to "http://$REGISTRY"
	know_me
	inside oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	[ "$status" -eq 77 ]
	[ "$(jq -r '.headers.authorization // "none"' "$target" | sort -u)" = none ]
}

# --- Proxies

@test "proxies are used for another machine, but for the hosts of no_proxy" {
	echo "192.0.2.1 registry.example" >>etc/hosts
	start_secure_registry registry.example --address 192.0.2.1 --port 443
	start_tunnel 192.0.2.1:443
	know registry.example
	local name=registry.example/a/b none
	https_proxy=http://$PROXY inside oci-push-check --cacert "$CA" "$name"
	[ "$status" -eq 0 ]
	grep -q '^CONNECT registry.example:443 ' "$TUNNEL_LOG"
	: >"$TUNNEL_LOG"
	HTTPS_PROXY=http://$PROXY inside oci-push-check --cacert "$CA" "$name"
	[ "$status" -eq 0 ]
	[ -s "$TUNNEL_LOG" ]
	: >"$TUNNEL_LOG"
	for none in registry.example .example '*'; do
		https_proxy=http://$PROXY no_proxy=$none inside oci-push-check --cacert "$CA" "$name"
		[ "$status" -eq 0 ]
		https_proxy=http://$PROXY NO_PROXY=$none inside oci-push-check --cacert "$CA" "$name"
		[ "$status" -eq 0 ]
	done
	[ ! -s "$TUNNEL_LOG" ]
}

# --- Files of the system

@test "certificates are taken from the certs.d folders of the system, the user's first" {
	local place folder
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=me \
		-addext keyUsage=critical,keyCertSign,digitalSignature -keyout me.key -out me.pem 2>/dev/null
	start_secure_registry registry.example --client-ca me.pem
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"unknown CA"* ]]
	know_me
	for place in etc/containers etc/docker config/containers config/docker; do
		folder=$place/certs.d/$REGISTRY
		mkdir -p "$folder"
		cp "$CA" "$folder/ca.crt"
		cp me.pem "$folder/client.cert"
		cp me.key "$folder/client.key"
		inside oci-push-check "$REGISTRY/a/b"
		[ "$status" -eq 0 ]
		rm -r "$place"
	done
	# The first that exists counts.
	mkdir -p "etc/containers/certs.d/$REGISTRY" "config/docker/certs.d/$REGISTRY"
	cp "$CA" "etc/containers/certs.d/$REGISTRY/ca.crt"
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *"unknown CA"* ]]
}

@test "without the system's CAs plain HTTP is spoken to this machine, and TLS with a CA that is named" {
	rm -r etc/ssl/certs
	start_basic_registry
	know "127.0.0.1:$(port)"
	inside cog-push "$DATA/docker26.tar" "127.0.0.1:$(port)/a/b:1"
	[ "$status" -eq 0 ]
	start_secure_registry localhost
	know "127.0.0.1:$(port)"
	inside oci-push-check "127.0.0.1:$(port)/a/b"
	[ "$status" -eq 1 ]
	[[ $stderr == *": this system has no CAs: install ca-certificates, or name a file with --cacert" ]]
	inside oci-push-check --cacert "$CA" "127.0.0.1:$(port)/a/b"
	[ "$status" -eq 0 ]
}

@test "without /proc, as in a bare chroot, an image is pushed all the same" {
	start_basic_registry
	know "127.0.0.1:$(port)"
	inside sh -c 'mount -t tmpfs tmpfs /proc && exec cog-push "$@"' sh "$DATA/docker26.tar" "127.0.0.1:$(port)/a/b:1"
	[ "$status" -eq 0 ]
	mkdir weights && seq 1000 >weights/model.bin
	inside cog-push --weights w=weights:/w "$DATA/docker26.tar" "127.0.0.1:$(port)/a/b:2"
	[ "$status" -eq 0 ]
}

@test "without XDG_RUNTIME_DIR podman's file is that of the user's ID in /run/containers" {
	unset XDG_RUNTIME_DIR
	start_basic_registry
	"${INSIDE[@]}" mkdir -p "/run/containers/$(id -u)"
	auths "$REGISTRY" me:right | "${INSIDE[@]}" tee "/run/containers/$(id -u)/auth.json" >written
	inside oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}
