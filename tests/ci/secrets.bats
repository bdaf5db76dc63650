# SPDX-License-Identifier: Apache-2.0
# strace over pushes and logins: a secret is in no argument, in no environment and in no write but to
# whom it is for.
load ../helper
load ../access

SECRET=not-for-your-eyes

setup() {
	own_world
	export XDG_RUNTIME_DIR=$WORLD/runtime XDG_CONFIG_HOME=$WORLD/config
	BASIC=$(base64_of "me:$SECRET")
	start_tokens --users "me:$SECRET" --refresh "$SECRET"
}

# trace COMMAND...: "trace" gets every program that is started, with arguments and environment, and all
# bytes that are handed out.
trace() {
	try strace -f -v -y -s 200000 -o trace \
		-e trace=execve,write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg "$@"
	[ "$status" -eq 0 ]
}

start_basic_secret_registry() {
	start_registry --basic "me:$SECRET" --challenge 'Basic realm="test"'
}

# shown: the calls in which the password, in clear or in base64, or a token occurs.
shown() {
	grep -aF -e "$SECRET" -e "$BASIC" -e eyJ trace
}

# of_helpers: the process IDs of credential helpers, as a pattern.
of_helpers() {
	sed -nE 's,^([0-9]+) +execve\("[^"]*/docker-credential-.*,\1,p' trace | sort -u | paste -sd'|'
}

# leaks [PATTERN]: of those, the ones that are no write to a socket, to the tokens of the run, by a helper
# itself, and do not match PATTERN.
leaks() {
	local helpers
	helpers=$(of_helpers)
	shown | grep -avE "^[0-9]+ +(write|writev|sendto|sendmsg)\([0-9]+<(socket|TCP):|^[0-9]+ +write\([0-9]+<[^>]*/tokens/[^>]*>${helpers:+|^($helpers) +write\([0-9]+<pipe:}${1:+|$1}"
}

# went_by_socket PATTERN: the secret was seen on its way, so that an empty list of leaks says something.
went_by_socket() {
	shown | grep -qaE "(write|writev|sendto|sendmsg)\([0-9]+<(socket|TCP):.*$1"
}

@test "Basic: the password of a push goes with every request, and nowhere else" {
	start_basic_secret_registry
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" "me:$SECRET")"
	trace cog-push -v "$DATA/docker26.tar" "$REGISTRY/a/b:1"
	went_by_socket "Basic $BASIC"
	# Only the first request of the run had none.
	[ "$(requests '.headers.authorization // "none"' | sort | uniq -c | wc -l)" -eq 2 ]
	[ "$(requests 'select(.headers | has("authorization") | not)' | wc -l)" -eq 1 ]
	try leaks
	[ -z "$output" ]
}

@test "Bearer: the password of a push goes to the token service, the token to the registry and into the cache" {
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "$(auths "$REGISTRY" "me:$SECRET")"
	trace cog-push -v "$DATA/docker26.tar" "$REGISTRY/a/b:1"
	went_by_socket "Basic $BASIC"
	went_by_socket "Bearer eyJ"
	shown | grep -qa '/tokens/'
	try leaks
	[ -z "$output" ]
}

@test "an identity token goes to the token service, and nowhere else" {
	start_bearer_registry
	write_config "$HOME/.docker/config.json" "{\"auths\":{\"$REGISTRY\":{\"identitytoken\":\"$SECRET\"}}}"
	trace cog-push -v "$DATA/docker26.tar" "$REGISTRY/a/b:1"
	went_by_socket "refresh_token=$SECRET"
	try leaks
	[ -z "$output" ]
}

@test "what a helper keeps is in no write but its own and the one to the socket" {
	start_basic_secret_registry
	printf '{"ServerURL":"","Username":"me","Secret":"%s"}' "$SECRET" >"$HOME/kept"
	helper good <<<$'#!/bin/sh\nexec cat "$HOME/kept"'
	write_config "$HOME/.docker/config.json" '{"credsStore":"good"}'
	trace cog-push -v "$DATA/docker26.tar" "$REGISTRY/a/b:1"
	went_by_socket "Basic $BASIC"
	[ -n "$(of_helpers)" ]
	try leaks
	[ -z "$output" ]
}

@test "DOCKER_AUTH_CONFIG is in the environment of cog-push and cog-run alone, and in a private file of the run" {
	start_basic_secret_registry
	DOCKER_AUTH_CONFIG=$(auths "$REGISTRY" "me:$SECRET") trace cog-push -v "$DATA/docker26.tar" "$REGISTRY/a/b:1"
	went_by_socket "Basic $BASIC"
	file='^[0-9]+ +write\([0-9]+<[^>]*/cog-push-[^>]*/auth\.json\.[0-9]+\.tmp>'
	shown | grep -qaE "$file"
	try leaks "$file"'|^[0-9]+ +execve\("[^"]*/cog-(push|run)",'
	[ -z "$output" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "cog-login gives the password to the registry and to the file, and to nobody else" {
	start_basic_secret_registry
	printf '%s\n' "$SECRET" >password
	trace cog-login -v -u me --password-stdin "$REGISTRY" <password
	went_by_socket "Basic $BASIC"
	try leaks "^[0-9]+ +write\([0-9]+<[^>]*/\.docker/config\.json\.[0-9]+\.tmp>"
	[ -z "$output" ]
	[ "$(shown | grep -ca '/config.json')" -eq 1 ]
}

@test "cog-login gives the password to the registry and to the helper's stdin, and to nobody else" {
	start_basic_secret_registry
	# shellcheck disable=SC2016
	helper good <<<$'#!/bin/sh\nexec cat >"$HOME/kept.$1"'
	write_config "$HOME/.docker/config.json" '{"credsStore":"good"}'
	printf '%s\n' "$SECRET" >password
	trace cog-login -v -u me --password-stdin "$REGISTRY" <password
	went_by_socket "Basic $BASIC"
	grep -q "$SECRET" "$HOME/kept.store"
	try leaks "^[0-9]+ +write\(([3-9]|[1-9][0-9]+)<pipe:.*ServerURL|^($(of_helpers)) +write\(1<[^>]*/kept.store>"
	[ -z "$output" ]
	[ "$(shown | grep -ca 'ServerURL.*<pipe:\|<pipe:.*ServerURL')" -eq 1 ]
	run ! grep -q "$SECRET" "$HOME/.docker/config.json"
}
