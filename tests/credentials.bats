# SPDX-License-Identifier: Apache-2.0
# Where credentials are found, and what bad files and helpers get.
load helper
load access

setup() {
	own_world
	export XDG_RUNTIME_DIR=$WORLD/runtime XDG_CONFIG_HOME=$WORLD/config
	start_registry --basic nobody:at-all --challenge 'Basic realm="test"'
}

# chosen [REPOSITORY [COMMAND]]: the user:password that is sent for it, by COMMAND; nothing when none is.
chosen() {
	: >"$REGISTRY_LOG"
	try ${2-} oci-push-check "$REGISTRY/${1:-a/b}"
	[ "$status" -eq 77 ]
	CHOSEN=$(sent_users | sort -u)
}

docker_config() {
	write_config "$HOME/.docker/config.json" "$1"
}

@test "the sources are asked in their order, and the first that knows the registry wins" {
	write_config "$HOME/.config/containers/auth.json" "$(auths "$REGISTRY" u:podman-home)"
	chosen
	[ -z "$CHOSEN" ]
	XDG_CONFIG_HOME='' chosen
	[ "$CHOSEN" = u:podman-home ]
	write_config "$XDG_CONFIG_HOME/containers/auth.json" "$(auths "$REGISTRY" u:podman-config)"
	chosen
	[ "$CHOSEN" = u:podman-config ]
	write_config "$XDG_RUNTIME_DIR/containers/auth.json" "$(auths "$REGISTRY" u:podman-runtime)"
	chosen
	[ "$CHOSEN" = u:podman-runtime ]
	docker_config "$(auths "$REGISTRY" u:docker)"
	chosen
	[ "$CHOSEN" = u:docker ]
	write_config "$WORLD/other/config.json" "$(auths "$REGISTRY" u:docker-config)"
	export DOCKER_CONFIG=$WORLD/other
	chosen
	[ "$CHOSEN" = u:docker-config ]
	write_config "$WORLD/authfile" "$(auths "$REGISTRY" u:authfile)"
	export REGISTRY_AUTH_FILE=$WORLD/authfile
	chosen
	[ "$CHOSEN" = u:authfile ]
	DOCKER_AUTH_CONFIG=$(auths "$REGISTRY" u:environment) chosen
	[ "$CHOSEN" = u:environment ]
	# Who does not know the registry is passed over.
	DOCKER_AUTH_CONFIG=$(auths other.example u:environment) chosen
	[ "$CHOSEN" = u:authfile ]
}

@test "a file of the run stands for DOCKER_AUTH_CONFIG" {
	docker_config "$(auths "$REGISTRY" u:docker)"
	write_config "$WORLD/run.json" "$(auths "$REGISTRY" u:run)"
	COG_AUTH_CONFIG=$WORLD/run.json chosen
	[ "$CHOSEN" = u:run ]
}

@test "of namespaced keys the most specific one wins" {
	docker_config "$(auths "$REGISTRY/a" u:a "$REGISTRY/a/b/c" u:abc "$REGISTRY" u:host \
		"$REGISTRY/a/b" u:ab "$REGISTRY/a/bx" u:abx)"
	chosen a/b
	[ "$CHOSEN" = u:ab ]
	chosen a/b/c/d
	[ "$CHOSEN" = u:abc ]
	chosen a/bc
	[ "$CHOSEN" = u:a ]
	chosen x
	[ "$CHOSEN" = u:host ]
	docker_config "$(auths "$REGISTRY/a/b" u:ab)"
	chosen x
	[ -z "$CHOSEN" ]
}

@test "keys with scheme and path mean their host; another port is another registry" {
	docker_config "$(auths "https://$REGISTRY/v1/" u:scheme)"
	chosen
	[ "$CHOSEN" = u:scheme ]
	docker_config "$(auths "127.0.0.1:1" u:other "127.0.0.1" u:none "${REGISTRY}0" u:longer)"
	chosen
	[ -z "$CHOSEN" ]
	[[ $stderr == *"no credentials for it were found: cog-login $REGISTRY"* ]]
}

@test "auth goes before username and password, is split at the first colon and loses its NULs" {
	docker_config "{\"auths\":{\"$REGISTRY\":{\"username\":\"u\",\"password\":\"plain:1\"}}}"
	chosen
	[ "$CHOSEN" = u:plain:1 ]
	docker_config "{\"auths\":{\"$REGISTRY\":{\"auth\":\"$(printf 'u:a:b\0\0' | base64)\",\"username\":\"x\",\"password\":\"y\"}}}"
	chosen
	[ "$CHOSEN" = u:a:b ]
	docker_config "{\"auths\":{\"$REGISTRY\":{}}}"
	chosen
	[ -z "$CHOSEN" ]
	local key='{"private_key": "-----BEGIN\nabc\n", "x": "é"}'
	docker_config "$(auths "$REGISTRY" "_json_key:$key")"
	chosen
	[ "$CHOSEN" = "_json_key:$key" ]
}

@test "one bad entry is a warning without its content, and the others work" {
	local bad
	for bad in '{"auth":"!!hidden!!"}' '{"auth":"aGlkZGVu"}' '"hidden"' 7; do
		docker_config "{\"auths\":{\"$REGISTRY/a\":$bad,\"x.example\":{\"auth\":\"!\"},\"$REGISTRY\":{\"auth\":\"$(base64_of u:good)\"}}}"
		chosen
		[ "$CHOSEN" = u:good ]
		[[ $stderr == *"warning: $HOME/.docker/config.json: the entry for $REGISTRY/a is not understood"* ]]
		[[ $stderr != *hidden* && $stderr != *aGlkZGVu* && $stderr != *x.example* ]]
	done
}

@test "a broken or unreadable file is named, its content not, and the next is asked" {
	write_config "$XDG_CONFIG_HOME/containers/auth.json" "$(auths "$REGISTRY" u:podman)"
	local text
	for text in '{"auths":{"hidden' '["hidden"]' '"hidden"' $'\x01\xffhidden'; do
		docker_config "$text"
		chosen
		[ "$CHOSEN" = u:podman ]
		[[ $stderr == *"warning: $HOME/.docker/config.json: "* ]]
		[[ $stderr != *hidden* ]]
	done
	docker_config ""
	chosen
	[ "$CHOSEN" = u:podman ]
	has_one_line "$stderr"
	rm "$HOME/.docker/config.json"
	mkdir "$HOME/.docker/config.json"
	chosen
	[ "$CHOSEN" = u:podman ]
	[[ $stderr == *"config.json: not a regular file"* ]]
	rmdir "$HOME/.docker/config.json"
	docker_config "$(auths "$REGISTRY" u:docker)"
	chmod 000 "$HOME/.docker/config.json"
	chosen a/b unprivileged
	[ "$CHOSEN" = u:podman ]
	[[ $stderr == *"warning: $HOME/.docker/config.json: Permission denied; passed over"* ]]
	rm "$HOME/.docker/config.json"
	DOCKER_AUTH_CONFIG='{"hidden' chosen
	[ "$CHOSEN" = u:podman ]
	[[ $stderr == *"warning: DOCKER_AUTH_CONFIG: not understood"* ]]
	[[ $stderr != *hidden* ]]
	REGISTRY_AUTH_FILE=$WORLD/absent chosen
	[[ $stderr == *"warning: $WORLD/absent: No such file"* ]]
}

@test "a config that is a symlink is read" {
	write_config "$WORLD/dotfiles/c.json" "$(auths "$REGISTRY" u:linked)"
	mkdir -p "$HOME/.docker"
	ln -s "$WORLD/dotfiles/c.json" "$HOME/.docker/config.json"
	chosen
	[ "$CHOSEN" = u:linked ]
}

@test "a helper is asked with the key on stdin; credHelpers before credsStore before auths" {
	helper one <<-'END'
		#!/bin/sh
		[ "$*" = get ] || exit 9
		echo "{\"ServerURL\":\"\",\"Username\":\"one\",\"Secret\":\"for $(cat)\"}"
	END
	helper two <<-'END'
		#!/bin/sh
		echo '{"Username":"two","Secret":"s"}'
	END
	docker_config "{\"credHelpers\":{\"$REGISTRY\":\"one\"},\"credsStore\":\"two\",\"auths\":{\"$REGISTRY\":{\"auth\":\"$(base64_of u:file)\"}}}"
	chosen
	[ "$CHOSEN" = "one:for $REGISTRY" ]
	docker_config "{\"credHelpers\":{\"x.example\":\"one\"},\"credsStore\":\"two\",\"auths\":{\"$REGISTRY\":{\"auth\":\"$(base64_of u:file)\"}}}"
	chosen
	[ "$CHOSEN" = two:s ]
}

@test "a helper may take its time" {
	helper slow <<<$'#!/bin/sh\nread -r key\nsleep 2\necho \'{"Username":"slow","Secret":"s"}\''
	docker_config '{"credsStore":"slow"}'
	chosen
	[ "$CHOSEN" = slow:s ]
	has_one_line "$stderr"
}

@test "a helper that knows nothing is passed over without a word" {
	helper empty <<-'END'
		#!/bin/sh
		echo "credentials not found in native keychain"
		exit 1
	END
	docker_config "{\"credHelpers\":{\"$REGISTRY\":\"empty\"},\"credsStore\":\"empty\",\"auths\":{\"$REGISTRY\":{\"auth\":\"$(base64_of u:file)\"}}}"
	chosen
	[ "$CHOSEN" = u:file ]
	has_one_line "$stderr"
}

@test "a helper that is missing, fails or talks garbage is a warning, and the file is asked" {
	helper garbage <<<$'#!/bin/sh\necho "{\\"Secret\\":\\"hidden"'
	helper fails <<<$'#!/bin/sh\necho "the keychain is locked"\nexit 3'
	helper leaks <<<$'#!/bin/sh\necho "{\\"Username\\":\\"u\\",\\"Secret\\":\\"hidden\\"}"\nexit 1'
	helper deaf <<<$'#!/bin/sh\nexec <&-\nexit 1'
	helper chatty <<<$'#!/bin/sh\nhead -c 3000000 /dev/zero | tr "\\0" x'
	: >"$WORLD/helpers/docker-credential-plain"
	local name why
	while read -r name why; do
		docker_config "{\"credsStore\":\"$name\",\"auths\":{\"$REGISTRY\":{\"auth\":\"$(base64_of u:file)\"}}}"
		chosen
		[ "$CHOSEN" = u:file ]
		[[ $stderr == *"warning: "*"$why"* ]]
		[[ $stderr != *hidden* ]]
	done <<-'END'
		absent docker-credential-absent: not in PATH
		plain can't be run
		garbage its answer is not understood
		fails the keychain is locked
		leaks ended with status 1
		deaf ended with status 1
		chatty its answer is too long
		../evil not the name of a credential helper
		a/b not the name of a credential helper
	END
}

@test "the environment of a helper has no DOCKER_AUTH_CONFIG, and its argv no key" {
	helper spy <<-'END'
		#!/bin/sh
		env >"$HOME/helper-env"
		echo "$@" >"$HOME/helper-argv"
		echo '{"Username":"spy","Secret":"s"}'
	END
	docker_config '{"credsStore":"spy"}'
	DOCKER_AUTH_CONFIG=$(auths x.example u:hidden) chosen
	[ "$CHOSEN" = spy:s ]
	grep -q HOME= "$HOME/helper-env"
	run ! grep -q ^DOCKER_AUTH_CONFIG= "$HOME/helper-env"
	[ "$(cat "$HOME/helper-argv")" = get ]
}

@test "a helper that is cut off by a signal ends with us, with all that it started" {
	helper slow <<-'END'
		#!/bin/sh
		echo $$ >"$HOME/helper-pid"
		sleep 600 &
		echo $! >"$HOME/sleep-pid"
		wait
	END
	docker_config '{"credsStore":"slow"}'
	oci-push-check "$REGISTRY/a/b" 2>err 3>&- &
	pid=$!
	wait_for 10 test -s "$HOME/sleep-pid"
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
	wait_for 5 is_dead "$(cat "$HOME/helper-pid")"
	wait_for 5 is_dead "$(cat "$HOME/sleep-pid")"
}

is_dead() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:	Z' "/proc/$1/status"
}

@test "what is not understood is said once a push, not by each of its programs" {
	start_basic_registry
	docker_config '{"broken'
	write_config "$XDG_CONFIG_HOME/containers/auth.json" \
		"{\"credsStore\":\"absent\",\"auths\":{\"$REGISTRY/x\":7,\"$REGISTRY\":{\"auth\":\"$(base64_of me:right)\"}}}"
	try cog-push "$DATA/docker26.tar" "$REGISTRY/x/y:1"
	[ "$status" -eq 0 ]
	[ "$(grep -c "warning: $HOME/.docker/config.json: not understood" <<<"$stderr")" -eq 1 ]
	[ "$(grep -c "warning: docker-credential-absent: not in PATH" <<<"$stderr")" -eq 1 ]
	[ "$(grep -c "the entry for $REGISTRY/x is not understood" <<<"$stderr")" -eq 1 ]
	[ "$(grep -c warning: <<<"$stderr")" -eq 3 ]
	# Another run says it again.
	try cog-push "$DATA/docker26.tar" "$REGISTRY/x/y:1"
	[ "$(grep -c warning: <<<"$stderr")" -eq 3 ]
}

has_no_core() { # PID
	grep -q '^Max core file size  *0 ' "/proc/$1/limits"
}

@test "a program that holds a secret leaves no core file" {
	start_basic_registry
	ulimit -S -c "$(ulimit -H -c)"
	store_helper good
	sed -i '2i ulimit -S -c >>"$HOME/cores"' "$WORLD/helpers/docker-credential-good"
	docker_config '{"credsStore":"good"}'
	printf right | cog-login -u me --password-stdin "$REGISTRY"
	oci-push-check "$REGISTRY/a/b"
	cog-logout "$REGISTRY"
	[ "$(paste -sd' ' "$HOME/cores")" = "0 0 0" ]
	# Before a password is read, and with no more than the tokens of others.
	mkfifo password digests
	cog-login -u me --password-stdin "$REGISTRY" <password 3>&- &
	SERVERS+=($!)
	oci-blob-upload L "$REGISTRY/a/b" <digests >records 3>&- &
	SERVERS+=($!)
	exec 7>password 8>digests
	wait_for 10 has_no_core "${SERVERS[-2]}"
	wait_for 10 has_no_core "${SERVERS[-1]}"
	exec 7>&- 8>&-
	[ "$(cog-run sh -c 'ulimit -S -c')" = 0 ]
}

@test "each source is read only when the registry asks" {
	start_registry
	docker_config '{broken'
	try oci-push-check "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}
