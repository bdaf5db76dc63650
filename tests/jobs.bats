# SPDX-License-Identifier: Apache-2.0
# --jobs-with: an engine in place of the pool. tests/ci/nodes.bats has it on several machines.
load helper
load layout
load processes

# make_image LAYERS SIZE: a layout with so many layers.
make_image() {
	local layers=()
	new_layout "the layout"
	for _ in $(seq "$1"); do layers+=("$(random_blob "the layout" "$2")"); done
	add_image "the layout" "$(add_manifest "the layout" "$(add_text "the layout" '{}')" "${layers[@]}")" v1
}

@test "an engine gets a digest a line and a job for sh, which does what the pool would" {
	start_registry --basic user:secret --challenge 'Basic realm="a"'
	make_image 3 2000
	mkdir engine docker
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf user:secret | base64)" >docker/config.json
	cat >engine/each <<-'END'
		#!/bin/sh
		echo a word from a login
		while read -r digest; do
			echo "$digest" >>digests
			job=$(printf '%s\n' "$2" | sed "s/{}/$digest/")
			(cd / && env -i PATH="$PATH" sh -c "$job") || exit
		done
	END
	chmod +x engine/each
	PATH=$WORLD/engine:$PATH DOCKER_CONFIG=docker COG_PUSH_CHUNK_SIZE=1000 COG_PUSH_MULTIPART_THRESHOLD=1500 try cog-push \
		--json --jobs-with "each 'one word'" "./the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(jq -r 'select(.event == "done").how' <<<"$output" | sort | uniq -c | tr -s ' ')" = " 4 uploaded" ]
	[ "$(jq -r 'select(.event == "phase").phase' <<<"$output" | tr '\n' ' ')" = "pushing done " ]
	oci-blobs "the layout" | jq -r 'select(.kind == "layer" or .kind == "config").digest' | diff - digests
	[ "$(requests 'select(.method == "PATCH").bodyBytes' | sort -u | tr '\n' ' ')" = "1000 " ]
	is_clean
}

@test "jobs run side by side while later layers are converted, and remove what they have sent" {
	start_registry
	try cog-push --jobs-with 'xargs -P 3 -I {} sh -c' "$DATA/docker26.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	try oci-verify layout "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "what failed in a job is what is told, with its status" {
	start_registry --fail PATCH:100:403
	make_image 3 2000
	COG_PUSH_MULTIPART_THRESHOLD=1 COG_PUSH_CHUNK_SIZE=1000 try cog-push --json \
		--jobs-with 'xargs -P 3 -I {} sh -c' "the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	[ "$(jq -r 'select(.event == "error").status' <<<"$output")" = 77 ]
	[[ $(tail -n 1 <<<"$stderr") == "oci-blob-upload: "*403* ]]
	is_clean
}

@test "an engine that fails itself, or is not there, is told" {
	start_registry
	make_image 1 2000
	try cog-push --jobs-with false "the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-push: --jobs-with: false ended with status 1" ]
	try cog-push --jobs-with "./none -x" "the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-push: --jobs-with: no such command: ./none -x" ]
	try cog-push --jobs-with "sh '" "the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-push: --jobs-with: no such command: sh '" ]
	try cog-push --jobs-with= "the layout" "$REGISTRY/a/b:v1"
	[ "$status" -eq 2 ]
}

# bats test_tags=native,slow
@test "jobs end with the push, even when the engine was killed and can't end them" {
	start_registry --throttle 1000
	make_image 2 100000
	begin cog-push --jobs-with 'setsid xargs -P 2 -I {} sh -c' "the layout" "$REGISTRY/a/b:v1"
	wait_for 30 eval 'marked | xargs -n 1 dirname | while read -r dir; do cat "$dir/comm"; done | grep -qx oci-blob-upload'
	for pid in $(marked | cut -d / -f 3); do
		[ "$(cat "/proc/$pid/comm")" != xargs ] || kill -KILL "$pid"
	done
	finish
	[ "$status" -eq 1 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: --jobs-with: setsid ended with status "* ]]
	wait_for 30 is_clean
}
