# SPDX-License-Identifier: Apache-2.0
# cog-login and cog-logout.
load helper
load access

setup() {
	own_world
	CONFIG=$HOME/.docker/config.json
}

# login USER PASSWORD [OPTION...]
login() {
	local user=$1 password=$2
	shift 2
	try cog-login -u "$user" --password-stdin "$@" "$REGISTRY" <<<"$password"
}

entry() {
	jq -r --arg key "$REGISTRY" '.auths[$key].auth | @base64d' "$CONFIG"
}

@test "a password on stdin is checked and stored, readable for nobody else" {
	start_basic_registry
	umask 000
	login me right
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = "cog-login: stored in $CONFIG" ]
	[ "$(entry)" = me:right ]
	[ "$(stat -c %a "$CONFIG" "$HOME/.docker" | paste -sd' ')" = "600 700" ]
	[ "$(ls -A "$HOME/.docker")" = config.json ]
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "a wrong password is not allowed and stores nothing" {
	start_basic_registry
	login me wrong-secret
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[[ $stderr == "cog-login: GET http://$REGISTRY/v2/: 401"* ]]
	[[ $stderr != *wrong-secret* && $stderr != *"(cog-login"* ]]
	[ ! -e "$CONFIG" ]
}

@test "a token service is asked for no scope, and its refusal is that of the login" {
	start_tokens --users me:right
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",service=s"
	login me right
	[ "$status" -eq 0 ]
	[ "$(token_requests '[.scope, .user]')" = '[[],"me"]' ]
	[ "$(entry)" = me:right ]
	login me wrong
	[ "$status" -eq 77 ]
	[ "$(entry)" = me:right ]
}

@test "a token that a run has left does not stand for a check of the password" {
	start_tokens --users me:right
	start_registry --bearer --challenge "Bearer realm=\"http://$TOKENS/token\",service=s"
	mkdir -m 700 shared
	export COG_TOKEN_DIR=$WORLD/shared
	login me right
	[ "$status" -eq 0 ]
	login me wrong
	[ "$status" -eq 77 ]
}

@test "other content of the config stays, other entries of the registry go" {
	start_basic_registry
	write_config "$CONFIG" "{\"z\":[1,{\"a\":null}],\"auths\":{\"x.example\":{\"auth\":\"eHg6eQ==\",\"other\":1},
 \"http://$REGISTRY/v1/\":{\"auth\":\"b2xkOm9sZA==\"},\"$REGISTRY/ns\":{\"auth\":\"bnM6bnM=\"}},
 \"HttpHeaders\":{\"ü\":\"/\"},\"big\":9007199254740993}"
	chmod 644 "$CONFIG"
	login me right
	[ "$status" -eq 0 ]
	[ "$(jq -c 'del(.auths)' "$CONFIG")" = '{"z":[1,{"a":null}],"HttpHeaders":{"ü":"/"},"big":9007199254740993}' ] ||
		grep -q 9007199254740993 "$CONFIG"
	[ "$(jq -c 'keys_unsorted' "$CONFIG")" = '["z","auths","HttpHeaders","big"]' ]
	[ "$(jq -c '.auths | keys_unsorted' "$CONFIG")" = "[\"x.example\",\"$REGISTRY/ns\",\"$REGISTRY\"]" ]
	[ "$(jq -c '.auths["x.example"]' "$CONFIG")" = '{"auth":"eHg6eQ==","other":1}' ]
	[ "$(stat -c %a "$CONFIG")" = 600 ]
}

@test "a symlinked config is changed where it is" {
	start_basic_registry
	write_config "$WORLD/dotfiles/c.json" '{"x":1}'
	mkdir "$HOME/.docker"
	ln -s "$WORLD/dotfiles/c.json" "$CONFIG"
	login me right
	[ "$status" -eq 0 ]
	[ -L "$CONFIG" ]
	[ "$(entry)" = me:right ]
	rm "$WORLD/dotfiles/c.json"
	login me right
	[ "$status" -eq 1 ]
	[ -L "$CONFIG" ]
}

@test "a helper that fails is told even where the caller ignores the end of its children" {
	start_basic_registry
	write_config "$CONFIG" '{"credsStore":"full"}'
	helper full <<-'END'
		#!/bin/sh
		cat >/dev/null
		echo "the keychain is full"
		exit 1
	END
	try "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])' cog-login -u me --password-stdin "$REGISTRY" <<<right
	[ "$status" -eq 1 ]
	[[ $stderr == *"the keychain is full"* ]]
}

@test "a config that is broken is neither overwritten nor shown" {
	start_basic_registry
	write_config "$CONFIG" '{"auths": hidden'
	login me right
	[ "$status" -eq 65 ]
	[ "$(cat "$CONFIG")" = '{"auths": hidden' ]
	[[ $stderr == "cog-login: $CONFIG: not understood"*"not changed" ]]
	[[ $stderr != *hidden* ]]
	try cog-logout "$REGISTRY"
	[ "$status" -eq 65 ]
	[ "$(cat "$CONFIG")" = '{"auths": hidden' ]
}

@test "DOCKER_CONFIG is where it is stored" {
	start_basic_registry
	DOCKER_CONFIG=$WORLD/other login me right
	[ "$status" -eq 0 ]
	[ ! -e "$CONFIG" ]
	CONFIG=$WORLD/other/config.json
	[ "$(entry)" = me:right ]
}

@test "the configured helper stores it, the config only says that it is there" {
	start_basic_registry
	store_helper good
	write_config "$CONFIG" "{\"credsStore\":\"good\",\"auths\":{\"$REGISTRY\":{\"auth\":\"b2xkOm9sZA==\"}}}"
	login me right
	[ "$status" -eq 0 ]
	[ "$stderr" = "cog-login: stored in docker-credential-good" ]
	[ "$(jq -c . "$CONFIG")" = "{\"credsStore\":\"good\",\"auths\":{\"$REGISTRY\":{}}}" ]
	[ "$(jq -c . "$HOME"/store/*)" = "{\"ServerURL\":\"$REGISTRY\",\"Username\":\"me\",\"Secret\":\"right\"}" ]
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	try cog-logout "$REGISTRY"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ -z "$(ls "$HOME/store")" ]
	[ "$(jq -c .auths "$CONFIG")" = "{}" ]
	try cog-logout "$REGISTRY"
	[ "$status" -eq 0 ]
	[[ $stderr == "cog-logout: warning: no credentials for $REGISTRY in docker-credential-good" ]]
}

@test "a helper for this registry goes before the store, and one that fails stores nothing anywhere" {
	start_basic_registry
	store_helper mine
	helper broken <<<$'#!/bin/sh\necho "no keychain"\nexit 1'
	write_config "$CONFIG" "{\"credsStore\":\"broken\",\"credHelpers\":{\"$REGISTRY\":\"mine\"}}"
	login me right
	[ "$status" -eq 0 ]
	grep -q '"Secret":"right"' "$HOME"/store/*
	write_config "$CONFIG" '{"credsStore":"broken"}'
	login me right
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-login: docker-credential-broken: no keychain" ]
	[ "$(cat "$CONFIG")" = '{"credsStore":"broken"}' ]
}

@test "Docker Hub has docker's key, whatever its name" {
	local name
	for name in docker.io index.docker.io https://index.docker.io/v1/; do
		write_config "$CONFIG" "$(auths https://index.docker.io/v1/ u:p docker.io u:p x.example u:p)"
		try cog-logout "$name"
		[ "$status" -eq 0 ]
		[ -z "$output$stderr" ]
		[ "$(jq -c '.auths | keys' "$CONFIG")" = '["x.example"]' ]
	done
	store_helper good
	write_config "$CONFIG" '{"credsStore":"good"}'
	try cog-logout docker.io
	[ "$(cat "$HOME/helper-calls")" = "erase https://index.docker.io/v1/" ]
}

@test "cog-logout removes what was stored, and says when there was nothing" {
	start_basic_registry
	write_config "$CONFIG" "$(auths x.example u:p)"
	login me right
	try cog-logout "$REGISTRY"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(jq -c '.auths | keys' "$CONFIG")" = '["x.example"]' ]
	before=$(stat -c %i "$CONFIG")
	try cog-logout "$REGISTRY"
	[ "$status" -eq 0 ]
	[ "$stderr" = "cog-logout: warning: no credentials for $REGISTRY in $CONFIG" ]
	[ "$(stat -c %i "$CONFIG")" = "$before" ]
}

@test "cog-logout -v says where the credentials were removed" {
	write_config "$CONFIG" "$(auths h.example u:p)"
	try cog-logout -v h.example
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = "cog-logout: removed from $CONFIG" ]
	store_helper good
	mkdir -p store
	write_config "$CONFIG" '{"credsStore":"good","auths":{"h.example":{}}}'
	docker-credential-good store <<<'{"ServerURL":"h.example","Username":"u","Secret":"s"}'
	try cog-logout -v h.example
	[ "$stderr" = "cog-logout: removed from docker-credential-good" ]
	# The helper knows nothing, the file does.
	write_config "$CONFIG" "{\"credsStore\":\"good\",\"auths\":{\"h.example\":{\"auth\":\"$(base64_of u:p)\"}}}"
	try cog-logout -v h.example
	[ "$stderr" = "cog-logout: removed from $CONFIG" ]
	[ "$(jq -c .auths "$CONFIG")" = "{}" ]
	try cog-logout -v h.example
	[ "$stderr" = "cog-logout: warning: no credentials for h.example in docker-credential-good" ]
}

@test "a config that can't be written stays as it was, whole" {
	start_basic_registry
	write_config "$CONFIG" "$(auths x.example u:p)"
	cp "$CONFIG" before
	# The file grows too large, as on a full disk.
	printf 'right\n' >password
	run -1 bash -c 'trap "" XFSZ; ulimit -f 0; cog-login -u me --password-stdin "$0" <password 2>&1 | cat; exit "${PIPESTATUS[0]}"' "$REGISTRY"
	echo "$output"
	[[ $output == "cog-login: write $CONFIG"*": File too large" ]]
	cmp before "$CONFIG"
	[ "$(ls -A "$HOME/.docker")" = config.json ]
	run -1 bash -c 'trap "" XFSZ; ulimit -f 0; cog-logout x.example 2>&1 | cat; exit "${PIPESTATUS[0]}"'
	cmp before "$CONFIG"
	# A reader never sees half of it: the file is another one afterwards.
	inode=$(stat -c %i "$CONFIG")
	login me right
	[ "$status" -eq 0 ]
	[ "$(stat -c %i "$CONFIG")" != "$inode" ]
}

@test "a config that can't be read is named and not replaced" {
	start_basic_registry
	write_config "$CONFIG" "$(auths x.example u:p)"
	cp "$CONFIG" before
	chmod 000 "$CONFIG"
	try unprivileged cog-login -u me --password-stdin "$REGISTRY" <<<right
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-login: $CONFIG: Permission denied" ]
	chmod 600 "$CONFIG"
	cmp before "$CONFIG"
}

@test "a password of several lines is stored whole; one end of line is not part of it" {
	local key=$'{\n "private_key": "a\\nb"\n}'
	start_registry --basic "_json_key:$key" --challenge 'Basic realm="x"'
	login _json_key "$key"
	[ "$status" -eq 0 ]
	[ "$(entry)" = "_json_key:$key" ]
	start_basic_registry
	printf 'right\r\n' >password
	try cog-login -u me --password-stdin "$REGISTRY" <password
	[ "$status" -eq 0 ]
	printf 'right' >password
	try cog-login -u me --password-stdin "$REGISTRY" <password
	[ "$status" -eq 0 ]
}

# terminal CMD...: with a terminal of its own; answers its questions from the files answer.1, answer.2;
# prints what is seen on it.
terminal() {
	"$PYTHON" - "$@" <<-'END'
		import os, pty, re, sys
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[1], sys.argv[1:])
		seen, answers = b"", [open(f"answer.{n}", "rb").read() for n in (1, 2) if os.path.exists(f"answer.{n}")]
		while True:
		    try:
		        data = os.read(fd, 1000)
		    except OSError:
		        break
		    if not data:
		        break
		    seen += data
		    if answers and re.search(rb"(Username|Password): $", seen):
		        os.write(fd, answers.pop(0))
		sys.stdout.buffer.write(seen)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

@test "on a terminal user and password are asked for, the password without echo" {
	start_basic_registry
	printf 'me\n' >answer.1
	printf 'right\n' >answer.2
	run terminal cog-login "$REGISTRY"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"Username: "*me*"Password: "*"stored in "* ]]
	[[ $output != *right* ]]
	[ "$(entry)" = me:right ]
}

@test "an interrupt at the prompt ends it and gives the echo back" {
	start_basic_registry
	printf '\003' >answer.1
	run terminal sh -c 'trap "" INT; (trap - INT; exec cog-login -u me '"$REGISTRY"'); echo "status $?"; stty -a'
	echo "$output"
	[[ $output == *"status 130"* ]]
	[[ $output == *" echo "* ]]
	[ ! -e "$CONFIG" ]
}

@test "without a terminal and without --password-stdin it says what to do" {
	start_basic_registry
	try setsid -w cog-login -u me "$REGISTRY"
	[ "$status" -eq 2 ]
	[[ $stderr == *"--password-stdin"* ]]
	try setsid -w cog-login "$REGISTRY"
	[ "$status" -eq 2 ]
	[[ $stderr == *"--username"* ]]
}

@test "wrong usage" {
	local line
	for line in "" "a b" "host/path" "UPPER_case" "-x h.example" "h.example:port" "--cert x h.example"; do
		# shellcheck disable=SC2086
		try cog-login -u me --password-stdin $line <<<secret
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
		[[ $stderr != *secret* ]]
	done
	try cog-login -u '' --password-stdin h.example <<<secret
	[ "$status" -eq 2 ]
	try cog-login -u a:b --password-stdin h.example <<<secret
	[ "$status" -eq 2 ]
	try cog-login -u me --password-stdin h.example </dev/null
	[ "$status" -eq 2 ]
	head -c 20000 /dev/zero | tr '\0' x >password
	try cog-login -u me --password-stdin h.example <password
	[ "$status" -eq 2 ]
	printf 'a\0b' >password
	try cog-login -u me --password-stdin h.example <password
	[ "$status" -eq 2 ]
	try cog-logout
	[ "$status" -eq 2 ]
}
