# SPDX-License-Identifier: Apache-2.0
# The recipes in lib/dist/examples: what they say is in order, and what can run here does.
load helper

setup() {
	own_world
	EXAMPLES=$ROOT/lib/dist/examples
	unset MAKEFLAGS MAKELEVEL MFLAGS
	# An engine that builds nothing and has one image.
	mkdir engine
	cat >engine/docker <<-'END'
		#!/bin/sh
		case "$1 ${2-}" in
		"save "*) exec cat "$SAVED" ;;
		"build -t") ;;
		"image inspect" | "inspect "*) echo "$IMAGE_ID" ;;
		*) echo "engine: not expected: $*" >&2 && exit 1 ;;
		esac
	END
	chmod +x engine/docker
	export SAVED=$DATA/docker26.tar PATH=$WORLD/engine:$PATH
	IMAGE_ID=sha256:$(tar -xOf "$SAVED" manifest.json | jq -r '.[0].Config[13:]')
	export IMAGE_ID
}

# yaml FILE: as JSON. The module is of Debian's own interpreter.
yaml() {
	/usr/bin/python3 -c 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))' <"$EXAMPLES/$1"
}

# has REPOSITORY TAG: the registry has the image, with the config of the saved one.
has() {
	curl -fsS -A cog-push/tests -u user:secret "http://$REGISTRY/v2/$1/manifests/$2" >manifest &&
		[ "$(jq -r .config.digest manifest)" = "$IMAGE_ID" ]
}

start_private_registry() {
	start_registry --basic user:secret --challenge 'Basic realm="a"'
}

@test "every YAML file is one, and its scripts are ones for sh" {
	[ "$(cd "$EXAMPLES" && echo *.yml)" = "github-actions.yml gitlab-ci.yml kubernetes-job.yml" ]
	yaml github-actions.yml | jq -r '.jobs.push.steps[].run // empty' | sed 's/[$]{{[^}]*}}/x/g' | sh -n
	yaml gitlab-ci.yml | jq -r '.push | .before_script[], .script[]' | sh -n
	yaml kubernetes-job.yml | jq -r '.spec.template.spec.containers[].args[]' | sh -n
}

@test "the Makefile pushes once, and again when the image is younger" {
	start_registry
	cp "$SAVED" image.tar
	try make -s -f "$EXAMPLES/Makefile" "REF=$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	[ "$(cat image.ref)" = "${output#*@}" ]
	has team/app v1
	try make -q -f "$EXAMPLES/Makefile" "REF=$REGISTRY/team/app:v1"
	[ "$status" -eq 0 ]
	touch -d '1 hour' image.tar
	try make -q -f "$EXAMPLES/Makefile" "REF=$REGISTRY/team/app:v1"
	[ "$status" -eq 1 ]
}

@test "the steps of the GitHub workflow log in, push, and tell the digest" {
	start_private_registry
	yaml github-actions.yml |
		jq -r '.jobs.push.steps[] | select(.name == "Log in" or .name == "Build" or .name == "Push").run' >steps
	export PASSWORD=secret GITHUB_ACTOR=user GITHUB_OUTPUT=$WORLD/out IMAGE=$REGISTRY/team/app VERSION=v1
	REGISTRY=$REGISTRY try bash -e steps
	[ "$status" -eq 0 ]
	[ "$(cat out)" = "digest=${output#*@}" ]
	has team/app v1
}

@test "the steps of the GitHub workflow try again what is temporary, and nothing else" {
	start_private_registry
	yaml github-actions.yml | jq -r '.jobs.push.steps[] | select(.name == "Push").run' >steps
	export GITHUB_OUTPUT=$WORLD/out IMAGE=$REGISTRY/team/app VERSION=v1
	try bash -e steps
	[ "$status" -eq 77 ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	IMAGE=127.0.0.1:1/team/app COG_PUSH_RETRIES=0 try bash -e steps
	[ "$status" -eq 75 ]
	[ "$(grep -c '^oci-push-check: ' <<<"$stderr")" -eq 3 ]
}

@test "the script of the GitLab job logs in and pushes, twice with the same state" {
	start_private_registry
	yaml gitlab-ci.yml | jq -r '.push.script[]' >script
	cp "$SAVED" image.tar
	export CI_REGISTRY=$REGISTRY CI_REGISTRY_IMAGE=$REGISTRY/team/app CI_COMMIT_SHORT_SHA=v1 COG_STATE_DIR=$WORLD/.cog-push
	export CI_REGISTRY_USER=user CI_REGISTRY_PASSWORD=secret
	for _ in 1 2; do
		try bash -e -o pipefail script
		[ "$status" -eq 0 ]
		[[ $(cat image.ref) == "$REGISTRY/team/app@sha256:"* ]]
	done
	has team/app v1
	yaml gitlab-ci.yml | jq -e '.push.retry.exit_codes == 75'
}

@test "systemd takes the service and the timer, and its command pushes" {
	mkdir units
	cp "$EXAMPLES"/cog-push.* units
	# The program where make install puts it need not be there.
	sed -i "s,^ExecStart=/usr/bin/cog-push,ExecStart=/bin/true," units/cog-push.service
	try systemd-analyze verify units/cog-push.service units/cog-push.timer
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	start_registry
	sed -n 's/^ExecStart=//p' "$EXAMPLES/cog-push.service" |
		sed "s,/usr/bin/,,; s,/srv/images/app.tar,'$SAVED',; s,registry.example.com,$REGISTRY," >"command"
	try sh command
	[ "$status" -eq 0 ]
	has team/app nightly
}

@test "the script of the Kubernetes Job pushes weights, again after it was moved" {
	start_private_registry
	mkdir -p data/weights
	head -c 100000 /dev/urandom >data/weights/model.safetensors
	yaml kubernetes-job.yml >job
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf user:secret | base64)" >credentials
	jq -r '.spec.template.spec.containers[].env[] | "\(.name)=\(.value)"' job |
		sed "s,=/data,=$WORLD/data,; s,registry.example.com,$REGISTRY,; s,=/credentials/.*,=$WORLD/credentials," >environment
	mapfile -t variables <environment
	mapfile -t command < <(jq -r '.spec.template.spec.containers[].command[]' job)
	for _ in 1 2; do
		try env "${variables[@]}" "${command[@]}" "$(jq -r '.spec.template.spec.containers[].args[]' job)"
		[ "$status" -eq 0 ]
		[[ $output == "$REGISTRY/team/model@sha256:"* ]]
	done
	oci-weights-check data/layout model data/weights
	[ "$(requests 'select(.method == "PUT" and .status == 201 and (.path | contains("/manifests/")))' | wc -l)" -ge 1 ]
}
