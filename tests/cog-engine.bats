# SPDX-License-Identifier: Apache-2.0
load helper
load processes
load engine

setup() {
	own_world
	fake_engine docker
}

@test "find prints the engine that has the image, its ID and its size" {
	try cog-engine find fixture
	[ "$status" -eq 0 ]
	[ "$output" = "docker $ENGINE_ID 1000" ]
	[ -z "$stderr$(ls -A "$TMPDIR")" ]
}

@test "an image that docker does not have is looked for in podman, and both are named if it is nowhere" {
	fake_engine podman
	sed -i 's/^image)/image) [ "${0##*\/}" = podman ] || last=none;/' engines/docker
	try cog-engine find fixture
	[ "$output" = "podman $ENGINE_ID 1000" ]
	try cog-engine find absent
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-engine: image 'absent': docker: Error: No such image: none; podman: Error: No such image: absent" ]
}

@test "an engine that has no such list is asked without it, one that fails otherwise is asked once" {
	sed -i 's/^image)/image) case $* in *RootFS*) echo "template parsing error: template: :1:32: executing \"\" at <.RootFS.Layers>: map has no entry for key \"Layers\"" >\&2; exit 1 ;; esac;/' \
		engines/docker
	try cog-engine find fixture
	[ "$output" = "docker $ENGINE_ID 1000" ]
	[ "$(wc -l <calls)" -eq 2 ]
	rm calls
	sed -i 's/^image)/image) echo "Cannot connect to the Docker daemon" >\&2; exit 1;/' engines/docker
	try cog-engine -e docker find fixture
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-engine: image 'fixture': docker: Cannot connect to the Docker daemon (start it, or say with DOCKER_HOST where it is, or push the file of docker save)" ]
	[ "$(wc -l <calls)" -eq 1 ]
}

@test "save writes the tar of the ID, from podman as a docker archive, and passes warnings on" {
	fake_engine podman
	export SAVE='echo "a warning" >&2; cat "$SAVED"'
	cog-engine save fixture >saved 2>said
	cmp saved "$SAVED"
	[ "$(cat said)" = "a warning" ]
	[ "$(tail -n 1 calls)" = "docker save $ENGINE_ID" ]
	cog-engine -e podman save fixture >saved
	[ "$(tail -n 1 calls)" = "podman save --format docker-archive $ENGINE_ID" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "push gives the image the name for as long as it takes, and prints the digest" {
	cp names before
	export PUSH='grep -q "^127.0.0.1/x/y:v1 $ID" "$WORLD/names" && printf "v1: digest: sha256:%064d size: 1\n" 7'
	ID=$ENGINE_ID try cog-engine push fixture 127.0.0.1/x/y:v1
	[ "$status" -eq 0 ]
	[ "$output" = "sha256:$(printf '%064d' 7)" ]
	[ "$stderr" = "v1: digest: $output size: 1" ]
	diff before names
}

@test "a name that the image has is neither given nor taken" {
	cp names before
	try cog-engine push fixture example.com/team/fixture:v1
	[ "$status" -eq 0 ]
	[ "$(grep -c 'docker tag\|docker rmi' calls)" -eq 0 ]
	diff before names
}

@test "another image that had the name gets it back" {
	echo "127.0.0.1/x/y:v1 sha256:other" >>names
	cp names before
	try cog-engine push fixture 127.0.0.1/x/y:v1
	[ "$status" -eq 0 ]
	diff before names
}

@test "an image without another name is not removed with it" {
	echo "<none> sha256:fedcba" >names
	try cog-engine push sha256:fedcba 127.0.0.1/x/y:v1
	[ "$status" -eq 0 ]
	[ "$(grep -c 'docker rmi' calls)" -eq 0 ]
	[[ $stderr == *"cog-engine: warning: the image has no other name: 127.0.0.1/x/y:v1 stays" ]]
}

@test "a push that fails says why in the words of docker, and takes the name back" {
	cp names before
	export PUSH='echo "preparing"; echo "denied: requested access" >&2; exit 1'
	try cog-engine push fixture 127.0.0.1/x/y:v1
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "$stderr" = "preparing
cog-engine: docker push: denied: requested access" ]
	diff before names
}

@test "a signal stops the engine, takes the name back and gives 130" {
	cp names before
	export PUSH='touch "$WORLD/pushing"; exec sleep 1000'
	for signal in INT TERM HUP; do
		rm -f pushing
		begin env --default-signal cog-engine push fixture 127.0.0.1/x/y:v1
		wait_for 20 test -e pushing
		kill -s "$signal" "$RUN"
		finish
		[ "$status" -eq 130 ]
		[ "$stderr" = "cog-engine: interrupted" ]
		diff before names
		is_clean
	done
}

@test "docker alone gets DOCKER_AUTH_CONFIG, from the environment or the file that cog-push makes" {
	fake_engine podman
	sed -i '2i echo "${0##*/}=${DOCKER_AUTH_CONFIG-}" >>"$WORLD/seen"' engines/docker engines/podman
	DOCKER_AUTH_CONFIG=hidden cog-engine find fixture
	echo from-file >auth
	COG_AUTH_CONFIG=$WORLD/auth cog-engine find fixture
	DOCKER_AUTH_CONFIG=hidden cog-engine -e podman find fixture
	[ "$(cat seen)" = "docker=hidden
docker=from-file
podman=" ]
}

@test "wrong usage is one line and status 2" {
	for arguments in "" find "save a b" "push fixture" "-e lxc find a" "-e podman push a b" "find -- a" "find -x" \
		"find ''" "pull a"; do
		eval "try cog-engine $arguments"
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
		[[ $stderr == "cog-engine: "*"(try 'cog-engine --help')" ]]
	done
}

@test "with -v the commands are shown" {
	try cog-engine -ve docker find fixture
	[ "$status" -eq 0 ]
	[ "$stderr" = "cog-engine: docker image inspect --format {{.Id}} {{.Size}}{{range .RootFS.Layers}} {{.}}{{end}} fixture" ]
}

@test "the script runs under busybox and bash too" {
	export PUSH='[ -z "${SLOW-}" ] || { touch "$WORLD/pushing"; exec sleep 1000; }
		echo "v1: digest: $DOCKER20 size: 1"'
	export DOCKER20=sha256:fd3d3d8534d818a083ec7c558d576a4746efe22140d9446d1b7b489043ef6fad
	cp names before
	for shell in "bash" "busybox sh"; do
		sed "1s|.*|#!/usr/bin/env -S $shell|" "$ROOT/bin/cog-engine" >cog-engine
		chmod +x cog-engine
		try ./cog-engine push fixture 127.0.0.1/x/y:v1
		[ "$status" -eq 0 ]
		[ "$output" = "$DOCKER20" ]
		./cog-engine save fixture | cmp - "$SAVED"
		try ./cog-engine find absent
		[ "$status" -eq 1 ]
		has_one_line "$stderr"
		rm -f pushing
		SLOW=yes begin ./cog-engine push fixture 127.0.0.1/x/y:v1
		wait_for 20 test -e pushing
		kill "$RUN"
		finish
		[ "$status" -eq 130 ]
		[ "$stderr" = "cog-engine: interrupted" ]
		diff before names
		is_clean
	done
}
