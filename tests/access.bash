# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Token services, guarded registries, config files and credential helpers, for tests of who may push.

# start_tokens [OPTION...]: the token service on a free loopback port. TOKENS is its host:port,
# TOKENS_LOG its log of requests.
start_tokens() {
	TOKENS_LOG=$WORLD/tokens.$RANDOM
	local port_file=$WORLD/tokens-port.$RANDOM
	"${INSIDE[@]}" "$PYTHON" -S -m tokens --port-file "$port_file" --log "$TOKENS_LOG" \
		"$@" 3>&- &
	SERVERS+=($!)
	wait_for 10 test -s "$port_file" || return 1
	TOKENS=127.0.0.1:$(cat "$port_file")
}

# token_requests [JQ-FILTER]
token_requests() {
	[ ! -e "$TOKENS_LOG" ] || jq -c "${1:-.}" "$TOKENS_LOG"
}

# start_bearer_registry [OPTION...]: one that sends for a token of TOKENS.
start_bearer_registry() {
	start_registry --bearer \
		--challenge "Bearer realm=\"http://$TOKENS/token\",service=\"test\",scope=\"{scope}\"" "$@"
}

# start_basic_registry [OPTION...]: one that lets me:right in.
start_basic_registry() {
	start_registry --basic me:right --challenge 'Basic realm="test"' "$@"
}

base64_of() {
	printf '%s' "$1" | base64 -w0
}

# write_config FILE JSON
write_config() {
	mkdir -p "$(dirname "$1")"
	printf '%s' "$2" >"$1"
}

# auths KEY USER:PASSWORD [KEY USER:PASSWORD...]: a config.
auths() {
	local entries=
	while [ $# -gt 0 ]; do
		entries+="${entries:+,}\"$1\":{\"auth\":\"$(base64_of "$2")\"}"
		shift 2
	done
	printf '{"auths":{%s}}' "$entries"
}

# know_me: the user's config has me:right for REGISTRY.
know_me() {
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" me:right)"
}

# helper NAME: a credential helper in PATH whose script is on stdin.
helper() {
	mkdir -p "$WORLD/helpers"
	cat >"$WORLD/helpers/docker-credential-$1"
	chmod +x "$WORLD/helpers/docker-credential-$1"
	[[ $PATH == "$WORLD/helpers:"* ]] || PATH=$WORLD/helpers:$PATH
}

# store_helper NAME: a helper that keeps one secret a server in the folder store.
store_helper() {
	helper "$1" <<-'END'
		#!/bin/sh
		mkdir -p "$HOME/store"
		input=$(cat)
		echo "$1 $input" >>"$HOME/helper-calls"
		case $1 in
		store) server=$(printf %s "$input" | jq -r .ServerURL) ;;
		*) server=$input ;;
		esac
		file=$HOME/store/$(printf %s "$server" | sha256sum | cut -c1-20)
		case $1 in
		store) printf %s "$input" >"$file" ;;
		get | erase)
			[ -e "$file" ] || {
				echo "credentials not found in native keychain"
				exit 1
			}
			if [ "$1" = get ]; then cat "$file"; else rm "$file"; fi
			;;
		esac
	END
}

# sent_users: user:password of each request that had some, a line each.
sent_users() {
	local value
	requests '.headers.authorization // empty' | tr -d '"' | while read -r _ value; do
		printf '%s' "$value" | base64 -d
		echo
	done
}

# start_tunnel BACKEND: a proxy on PROXY that takes CONNECT to any host for BACKEND; TUNNEL_LOG has what
# it was sent before.
start_tunnel() {
	TUNNEL_LOG=$WORLD/tunnel.log
	"${INSIDE[@]}" "$PYTHON" - "$WORLD/tunnel-port" "$1" "$TUNNEL_LOG" <<-'END' 3>&- &
		import os, socket, sys, threading
		host, port = sys.argv[2].split(":")
		def pump(source, target):
		    try:
		        while data := source.recv(20000):
		            target.sendall(data)
		        target.shutdown(socket.SHUT_WR)
		    except OSError:
		        pass
		server = socket.create_server(("127.0.0.1", 0))
		with open(sys.argv[1] + ".tmp", "w") as file:
		    file.write(str(server.getsockname()[1]))
		os.rename(sys.argv[1] + ".tmp", sys.argv[1])
		while True:
		    near, _ = server.accept()
		    head = b""
		    while not head.endswith(b"\r\n\r\n"):
		        head += near.recv(1)
		    with open(sys.argv[3], "ab") as file:
		        file.write(head)
		    near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
		    far = socket.create_connection((host, int(port)))
		    threading.Thread(target=pump, args=(near, far), daemon=True).start()
		    threading.Thread(target=pump, args=(far, near), daemon=True).start()
	END
	SERVERS+=($!)
	wait_for 10 test -s "$WORLD/tunnel-port"
	PROXY=127.0.0.1:$(cat "$WORLD/tunnel-port")
}
