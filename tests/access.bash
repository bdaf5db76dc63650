# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Token services, guarded registries, config files and credential helpers, for tests of who may push.

# start_tokens [OPTION...]: the token service on a free loopback port. TOKENS is its host:port,
# TOKENS_LOG its log of requests.
start_tokens() {
	TOKENS_LOG=$WORLD/tokens.$RANDOM
	local port_file=$WORLD/tokens-port.$RANDOM
	"$PYTHON" -S -m tokens --port-file "$port_file" --log "$TOKENS_LOG" \
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
