# SPDX-License-Identifier: Apache-2.0
load helper
load processes
load engine

setup() {
	own_world
	DOCKER20=$(image_digest)
	export DOCKER20
}

# puts: the blobs and manifests that were put, in order.
blob_puts() {
	requests 'select(.method == "PUT" and (.path | contains("/blobs/")) and .status == 201) | .path'
}

manifest_puts() {
	requests 'select(.method == "PUT" and (.path | contains("/manifests/")) and .status == 201) | .path'
}

left_in_tmp() {
	ls -A "$TMPDIR"
}

# said: what stderr has besides what became of the blobs.
said() {
	grep -v -e '^sha256:' -e '^already in the registry: ' <<<"$stderr"
}

# --- Sources -------------------------------------------------------------------------------------

@test "a tar file is pushed: the reference by digest on stdout, a line a blob and what was published on stderr, nothing left" {
	start_registry
	try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -cE '^sha256:[0-9a-f]{12}  [0-9.]+ k?B  uploaded in [0-9.]+s$' <<<"$stderr")" -eq 5 ]
	sed -n '/@sha256:/,$p' <<<"$stderr" >published
	diff - <(sed -E 's,[0-9.]+ kB of [0-9.]+ kB,so much,; s, in [0-9.]+s\, [0-9.]+ k?B/s$, in a time,' published) <<-END
		$REGISTRY/a/b@$DOCKER20
		  tags: v1
		  platform: linux/amd64
		  layers: 4 new, 0 existing, 0 mounted
		  sent: so much in a time
	END
	[ "$(manifest_puts)" = '"/v2/a/b/manifests/v1"' ]
	[ -z "$(left_in_tmp)" ]
}

@test "a saved image on stdin is pushed" {
	start_registry
	try cog-push - "$REGISTRY/a/b:v1" <"$DATA/docker20.tar"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ -z "$(left_in_tmp)" ]
}

@test "a file and a layout need no slash, and names may hold spaces and quotes" {
	start_registry
	cp "$DATA/docker20.tar" "it's a tar"
	try cog-push --layout "my layout" "it's a tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	try cog-push "my layout" "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -c 'exists$' <<<"$stderr")" -eq 5 ]
}

@test "the name of a file may begin like anything" {
	start_registry
	local name
	for name in ref reference.tar -tar; do
		cp "$DATA/docker20.tar" "./$name"
		try cog-push -- "$name" "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	done
}

@test "an image of docker is saved by its ID and pushed under its name" {
	start_registry
	fake_engine docker "$REGISTRY/a/b:v1"
	try cog-push "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(tail -n 1 calls)" = "docker save $ENGINE_ID" ]
	[ -z "$(left_in_tmp)" ]
}

@test "podman is asked for the image when docker doesn't know it, or alone with --engine" {
	start_registry
	fake_engine docker
	fake_engine podman
	sed -i 's/^image)/image) exit 1;/' engines/docker
	try cog-push fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(tail -n 1 calls)" = "podman save --format docker-archive $ENGINE_ID" ]
	rm calls
	try cog-push -e podman fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(grep -c docker\  calls)" -eq 0 ]
}

# bats test_tags=slow
@test "every fixture with one image is pushed" {
	start_registry
	for tar in docker20-untagged docker26 docker26-containerd podman5-docker-archive \
		podman5-oci-archive skopeo-zstd-oci-archive docker26-containerd-sparse crane-save; do
		try cog-push "$DATA/$tar.tar" "$REGISTRY/a/b:$tar"
		[ "$status" -eq 0 ]
		[[ $output =~ ^"$REGISTRY/a/b@sha256:"[0-9a-f]{64}$ ]]
	done
	[ -z "$(left_in_tmp)" ]
}

# --- Names ---------------------------------------------------------------------------------------

@test "several tags of one repository are put, and the digest is said once" {
	start_registry
	try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1" "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(manifest_puts)" = '"/v2/a/b/manifests/v1"
"/v2/a/b/manifests/v2"' ]
}

@test "references of several repositories are wrong usage, before anything is done" {
	try cog-push "$DATA/docker20.tar" 127.0.0.1:1/a/b:v1 127.0.0.1:1/a/c:v1
	[ "$status" -eq 2 ]
	[[ $stderr == "cog-push: several REFs must be of one repository, not 127.0.0.1:1/a/b and 127.0.0.1:1/a/c"* ]]
	has_one_line "$stderr"
}

# name_tar FILE: FILE with a name on the scripted registry, of the same length, as named.tar.
name_tar() {
	sed "s#example.com/team/fixture:v1#$REGISTRY/fixture:v01#g" "$1" >named.tar
}

@test "without REF a tar goes where its one name says, from a file, stdin or layout" {
	start_registry
	name_tar "$DATA/docker26.tar"
	oci-from-dockertar -f named.tar named >/dev/null
	try cog-push ./named
	[ "$status" -eq 0 ]
	[[ $output == "$REGISTRY/fixture@sha256:"* ]]
	[ "$(manifest_puts)" = '"/v2/fixture/manifests/v01"' ]
	gzip <named.tar >packed.tar
	for source in ./named.tar - packed.tar; do
		try cog-push --json "$source" <named.tar
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "manifest").ref' <<<"$output")" = "$REGISTRY/fixture:v01" ]
		# no blob was missed by the manifest
		[ "$(jq -r 'select(.event == "retry")' <<<"$output")" = "" ]
		# a blob is announced once
		[ "$(jq -r 'select(.event == "blob").digest' <<<"$output" | sort | uniq -d)" = "" ]
	done
	[ -z "$(left_in_tmp)" ]
}

@test "without REF the full name that containerd gave an image counts, in a file as in a layout" {
	start_registry
	name_tar "$DATA/docker26-containerd.tar"
	oci-from-dockertar -f named.tar named >/dev/null
	[ "$(jq '.manifests[0].annotations | length' named/index.json)" -eq 2 ]
	for source in ./named.tar ./named - /dev/fd/7; do
		try cog-push "$source" <named.tar 7< <(cat named.tar)
		[ "$status" -eq 0 ]
		[[ $output == "$REGISTRY/fixture@sha256:"* ]]
	done
}

@test "without REF -i chooses one of several names" {
	start_registry
	name_tar "$DATA/docker20-two-tags.tar"
	for source in ./named.tar -; do
		try cog-push -i "$REGISTRY/fixture:v01" "$source" <named.tar
		[ "$status" -eq 0 ]
		[ "$output" = "$REGISTRY/fixture@$DOCKER20" ]
	done
}

@test "without REF a tar with several names, or none, is wrong usage with the list" {
	try cog-push "$DATA/docker20-two-tags.tar"
	[ "$status" -eq 2 ]
	[[ $stderr == *"has several names, give REF: example.com/team/fixture:v1 fixture:latest "* ]]
	try cog-push "$DATA/docker20-untagged.tar"
	[ "$status" -eq 2 ]
	[[ $stderr == *"has no full name, give REF: sha256:493ed819"* ]]
	has_one_line "$stderr"
	"$ROOT/tests/saved.py" oci_empty_name >empty.tar
	oci-from-dockertar -f empty.tar empty >/dev/null
	for source in ./empty.tar - ./empty; do
		try cog-push "$source" <empty.tar
		[ "$status" -eq 2 ]
		[[ $stderr == *"has no full name, give REF: sha256:"* ]]
	done
	fake_engine docker
	try cog-push 6fc1ad1f3c28
	[ "$status" -eq 2 ]
	[[ $stderr == *"REF is needed"* ]]
	[ -z "$(left_in_tmp)" ]
}

@test "several images need -i, which selects one" {
	start_registry
	gzip <"$DATA/docker20-two-images.tar" >packed.tar
	for source in "$DATA/docker20-two-images.tar" - packed.tar; do
		try cog-push "$source" "$REGISTRY/a/b:v1" <"$DATA/docker20-two-images.tar"
		[ "$status" -eq 2 ]
		[[ $(tail -n 1 <<<"$stderr") == *"holds several images, choose one with -i: example.com/team/fixture:v1 other:v2 (try"* ]]
		# A plain file is refused before anything is sent.
		[ "$source" != "$DATA/docker20-two-images.tar" ] || [ ! -s "$REGISTRY_LOG" ]
	done
	[ -z "$(manifest_puts)" ]
	try cog-push -i example.com/team/fixture:v1 "$DATA/docker20-two-images.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	try cog-push -i nope "$DATA/docker20-two-images.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == *"no image 'nope'"* ]]
	has_one_line "$stderr"
}

@test "a layout that holds other images too is reused, and this run's image is pushed" {
	start_registry
	oci-from-dockertar -f "$DATA/docker26.tar" d >/dev/null
	try cog-push -l d "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ -z "$(left_in_tmp)" ]
}

# --- Records -------------------------------------------------------------------------------------

@test "with --json stdout has all records and stderr is empty" {
	start_registry
	fake_engine docker
	try cog-push --json fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "$(jq -s 'map(select(.event == "phase").phase) | sort | unique | join(" ")' <<<"$output")" = \
		'"converting done exporting pushing"' ]
	[ "$(jq -s 'map(select(.event == "phase").phase) | length' <<<"$output")" -eq 4 ]
	[ "$(jq -s 'map(select(.event == "done")) | length' <<<"$output")" -eq 5 ]
	[ "$(jq -r 'select(.event == "manifest").ref' <<<"$output")" = "$REGISTRY/a/b:v1" ]
	[ "$(jq -r 'select(.event == "image").digest' <<<"$output")" = "$DOCKER20" ]
	[ "$(tail -n 1 <<<"$output")" = '{"event":"phase","phase":"done"}' ]
}

# bats test_tags=slow
@test "--quiet and --progress say what is on stderr" {
	start_registry
	fake_engine docker
	local option
	for option in -q --quiet; do
		try cog-push $option fixture "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
		[ "$stderr" = "" ]
	done
	try cog-push --progress=none fixture "$REGISTRY/a/b:v1"
	[ "$(grep -vc '^  ' <<<"$stderr")" -eq 1 ]
	[ "$(head -n 1 <<<"$stderr")" = "$REGISTRY/a/b@$DOCKER20" ]
	try cog-push --progress plain fixture "$REGISTRY/a/b:v1"
	[ "$(grep -c '^sha256:.* exists$' <<<"$stderr")" -eq 5 ]
	try cog-push -q --progress=json fixture "$REGISTRY/a/b:v1"
	[ "$(tail -n 1 <<<"$output")" = '{"event":"phase","phase":"done"}' ]
	[ "$stderr" = "" ]
	COG_PUSH_OCI=0 try cog-push -q example.com/team/fixture:v1
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	COG_PUSH_RETRIES=0 try cog-push -q fixture 127.0.0.1:1/a/b:v1
	[ "$status" -eq 75 ]
	[[ $stderr == "oci-push-check: "*"Connection refused"* ]]
	has_one_line "$stderr"
	try cog-push --progress=bars fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 2 ]
	[[ $stderr == "cog-push: --progress: 'bars' is none of auto, tty, plain, json, none"* ]]
}

@test "with --json a failure is one error record, the last, and one line on stderr" {
	start_registry --fail PUT:1:403
	try cog-push --json "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[ "$(jq -s 'map(select(.event == "error")) | length' <<<"$output")" -eq 1 ]
	[ "$(tail -n 1 <<<"$output" | jq .status)" -eq 77 ]
}

# --- Overlap -------------------------------------------------------------------------------------

@test "a layer is uploaded while the next is still being saved" {
	start_registry
	mkfifo tar
	exec 8<>tar
	begin cog-push - "$REGISTRY/a/b:v1" <tar
	head -c 30000 "$DATA/docker20.tar" >&8
	wait_for 20 has_blob_put
	tail -c +30001 "$DATA/docker20.tar" >&8
	exec 8>&-
	finish
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
}

@test "without REF too a layer of a file is uploaded while the rest is still being converted" {
	start_registry
	name_tar "$DATA/docker20.tar"
	# A converter that shows its first layer and does not end before the file "seen" is there.
	mkdir slow
	cat >slow/oci-from-dockertar <<-'END'
		#!/bin/sh
		"$BIN/oci-from-dockertar" "$@" >"$WORLD/all" || exit
		sed '/"event":"blob"/q' "$WORLD/all"
		until [ -e "$WORLD/seen" ]; do sleep 0.05; done
		sed '1,/"event":"blob"/d' "$WORLD/all"
	END
	chmod +x slow/oci-from-dockertar
	export BIN WORLD
	PATH=$WORLD/slow:$PATH begin cog-push ./named.tar
	wait_for 20 has_blob_put
	touch seen
	finish
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/fixture@$DOCKER20" ]
}

has_blob_put() {
	[ -n "$(blob_puts)" ]
}

@test "COG_PUSH_CONCURRENCY uploaders share the blobs" {
	start_registry
	COG_PUSH_CONCURRENCY=1 try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.path | contains("/blobs/")) | .connection' | sort -u | wc -l)" -le 2 ]
	COG_PUSH_CONCURRENCY=32 try cog-push "$DATA/docker26.tar" "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
}

# --- Failures ------------------------------------------------------------------------------------

@test "wrong usage is one line and status 2" {
	for arguments in "" "--nonsense x" "-e" "--layout= x" "-i" "'' x/y" "./a a/B!" "- '*'" \
		"--layout d $DATA/../data/none/../x '' "; do
		eval "try cog-push $arguments"
		[ "$status" -eq 2 ]
		[ "$output" = "" ]
		has_one_line "$stderr"
		[[ $stderr == "cog-push: "*"(try 'cog-push --help')" ]]
	done
}

@test "an engine that is none is wrong usage" {
	try cog-push -e lxc fixture 127.0.0.1:1/a/b:v1
	[ "$status" -eq 2 ]
	[ "$stderr" = "cog-engine: --engine: 'lxc' is none of docker, podman, nerdctl (try 'cog-engine --help')" ]
}

@test "a registry without a repository is wrong usage: it is not taken for a name of Docker Hub" {
	local ref
	for ref in localhost:5000 127.0.0.1:5000 r.example.com:5000 '[::1]:5000'; do
		try cog-push "$DATA/docker20.tar" "$ref"
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
		[[ $stderr == *": no repository: expected registry/repository"* ]]
	done
}

@test "DOCKER_AUTH_CONFIG is in the environment of docker alone, whatever else is run" {
	start_registry --basic me:hidden --challenge 'Basic realm="x"'
	local auth="{\"auths\":{\"$REGISTRY\":{\"username\":\"me\",\"password\":\"hidden\"}}}" name
	fake_engine docker
	fake_engine podman
	sed -i '2i env >>"$WORLD/env.${0##*/}"' engines/docker engines/podman
	for name in jq xargs tee sh awk sed grep dirname df mkfifo; do
		# shellcheck disable=SC2016
		printf '#!/bin/sh\nenv >>"$WORLD/env.%s"\nexec %s "$@"\n' "$name" "$(type -P "$name")" \
			>"engines/$name"
		chmod +x "engines/$name"
	done
	for name in docker podman; do
		DOCKER_AUTH_CONFIG=$auth try cog-push --engine "$name" fixture "$REGISTRY/a/b:$name"
		[ "$status" -eq 0 ]
	done
	DOCKER_AUTH_CONFIG=$auth try cog-push --bad-option
	[ "$status" -eq 2 ]
	grep -q hidden env.docker
	rm env.docker
	grep -l PATH= env.* >seen
	grep -q podman seen
	grep -q jq seen
	grep -q xargs seen
	try grep -H hidden env.*
	[ "$status" -eq 1 ]
	[ -z "$(left_in_tmp)" ]
}

@test "why jq or mkfifo fails is seen" {
	mkdir odd
	printf '#!/bin/sh\ncase $* in *"[inputs]"*) echo "jq: out of luck" >&2; exit 5 ;; esac\nexec "%s" "$@"\n' \
		"$(command -v jq)" >odd/jq
	chmod +x odd/jq
	start_registry
	PATH=$WORLD/odd:$PATH try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "jq: out of luck
cog-push: jq failed" ]
	rm odd/jq
	printf '#!/bin/sh\necho "mkfifo: no luck" >&2\nexit 1\n' >odd/mkfifo
	chmod +x odd/mkfifo
	PATH=$WORLD/odd:$PATH try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == "mkfifo: no luck
cog-push: no FIFO in "* ]]
}

@test "a bad value in the environment is wrong usage that names the variable, before all else" {
	for variable in COG_PUSH_CONCURRENCY=0 COG_PUSH_CONCURRENCY=x COG_PUSH_CONCURRENCY=9999 \
		COG_PUSH_CHUNK_SIZE=-1 COG_PUSH_THREADS=none COG_PUSH_DEFAULT_CHUNK_SIZE=1x COG_PUSH_MULTIPART_THRESHOLD=00 \
		COG_PUSH_OCI=yes; do
		try env "$variable" cog-push ./absent 127.0.0.1:1/a/b:v1
		[ "$status" -eq 2 ]
		[[ $stderr == "cog-push: ${variable%%=*}: "* ]]
		has_one_line "$stderr"
	done
	start_registry
	try env COG_PUSH_CONCURRENCY= COG_PUSH_OCI= COG_PUSH_CHUNK_SIZE= cog-push "$DATA/docker20.tar" \
		"$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
}

@test "options may stand anywhere, together, and end with --" {
	start_registry
	try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1" -jv --image=example.com/team/fixture:v1
	[ "$status" -eq 0 ]
	jq -e . <<<"$output" >/dev/null
	try cog-push -ld -- "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ -e d/index.json ]
}

@test "a registry that is not there is said before anything is saved" {
	fake_engine docker
	COG_PUSH_RETRIES=0 try cog-push fixture 127.0.0.1:1/a/b:v1
	[ "$status" -eq 75 ]
	[[ $stderr == "oci-push-check: "*"Connection refused"* ]]
	has_one_line "$stderr"
	[ "$(grep -c save calls)" -eq 0 ]
	[ -z "$(left_in_tmp)" ]
}

@test "an image, a file or an engine that is not there is said" {
	fake_engine docker
	try cog-push -e docker absent 127.0.0.1:1/a/b:v1
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-engine: image 'absent': docker: Error: No such image: absent" ]
	try cog-push -e nerdctl absent 127.0.0.1:1/a/b:v1
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-engine: image 'absent': nerdctl is not installed: install it, or push the file of docker save" ]
	try cog-push ./absent 127.0.0.1:1/a/b:v1
	[ "$status" -eq 1 ]
	[[ $stderr == "cog-push: ./absent: no such file or directory ("* ]]
	mkdir empty
	start_registry
	try cog-push ./empty "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
	[ -z "$(left_in_tmp)" ]
}

# bats test_tags=slow
@test "an engine that dies while it saves is the cause, in its own words" {
	start_registry
	fake_engine docker
	export SAVE='head -c 20000 "$SAVED"; echo "a warning" >&2; echo "Error: disk on fire" >&2; exit 3'
	for _ in 1 2 3 4 5; do
		try cog-push fixture "$REGISTRY/a/b:v1"
		[ "$status" -eq 1 ]
		[ "$(tail -n 1 <<<"$stderr")" = "cog-engine: docker save: Error: disk on fire" ]
		has_one_line "$(said)"
		[ -z "$(left_in_tmp)" ]
	done
	export SAVE='head -c 20000 "$SAVED"; kill -9 $$'
	try cog-push fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-engine: docker save: "* ]]
	[ -z "$(manifest_puts)" ]
}

@test "a tar that is cut off is bad input, and no manifest is put" {
	start_registry
	head -c 20000 "$DATA/docker20.tar" >cut.tar
	try cog-push - "$REGISTRY/a/b:v1" <cut.tar
	[ "$status" -eq 65 ]
	[[ $(tail -n 1 <<<"$stderr") == "oci-from-dockertar: stdin: the tar is damaged or cut off"* ]]
	try cog-push ./cut.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	[[ $stderr == "oci-tar-images: ./cut.tar: the tar is damaged or cut off"* ]]
	has_one_line "$stderr"
	[ -z "$(manifest_puts)" ]
	[ -z "$(left_in_tmp)" ]
}

@test "an upload that is refused ends the run with its cause and status" {
	start_registry --fail PUT:1:403
	try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	has_one_line "$(said)"
	[[ $(tail -n 1 <<<"$stderr") == "oci-blob-upload: "*403* ]]
	[ -z "$(manifest_puts)" ]
	[ -z "$(left_in_tmp)" ]
}

@test "after a temporary failure the layout is kept, and the command that is shown goes on from it" {
	export COG_PUSH_RETRIES=0
	start_registry --fail PUT:1:503
	try cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: to go on: cog-push "* ]]
	[[ $(left_in_tmp) == cog-push-layout.* ]]
	eval "try ${stderr##*to go on: }"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ -z "$(left_in_tmp)" ]
}

@test "a stdout that is full or closed is a failure" {
	start_registry
	try sh -c 'cog-push "$@" >/dev/full' x "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: stdout: "*"No space left on device" ]]
	try sh -c 'cog-push "$@" >&-' x "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	try sh -c 'cog-push "$@" >/dev/full' x --json "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	[ -z "$(left_in_tmp)" ]
}

@test "too little space is said before anything is converted" {
	start_registry
	fake_engine docker
	SIZE=999999999999999 try cog-push fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-from-dockertar: $TMPDIR/"*" MiB free, up to 953674317 MiB needed: set TMPDIR or --layout to a larger disk" ]]
	[ -z "$(blob_puts)" ]
}

# --- docker push ---------------------------------------------------------------------------------

@test "COG_PUSH_OCI=0 is docker push at once" {
	fake_engine docker
	local digest
	digest=sha256:$(printf '%064d' 1)
	COG_PUSH_OCI=0 try cog-push example.com/team/fixture:v1
	[ "$status" -eq 0 ]
	[ "$output" = "example.com/team/fixture@$digest" ]
	[ "$stderr" = "pushing layers
v1: digest: $digest size: 1" ]
	COG_PUSH_OCI=0 try cog-push fixture 127.0.0.1/x/y:v1 127.0.0.1/x/y:v2
	[ "$status" -eq 0 ]
	[ "$output" = "127.0.0.1/x/y@$digest" ]
	grep -q "docker push 127.0.0.1/x/y:v1" calls
	grep -q "docker push 127.0.0.1/x/y:v2" calls
	run ! grep 127.0.0.1 names
	cp "$DATA/docker20.tar" t.tar
	for arguments in "--json fixture" "-i x fixture" "-l d fixture" "-e podman fixture" t.tar; do
		fake_engine podman
		# shellcheck disable=SC2086
		COG_PUSH_OCI=0 try cog-push $arguments 127.0.0.1/x/y:v1
		[ "$status" -eq 2 ]
		[[ $(tail -n 1 <<<"$stderr") == "cog-push: COG_PUSH_OCI=0: "* ]]
	done
}

@test "a docker push that fails says why" {
	fake_engine docker
	export PUSH='echo "denied: requested access" >&2; exit 1'
	COG_PUSH_OCI=0 try cog-push fixture 127.0.0.1/x/y:v1
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-engine: docker push: denied: requested access" ]
	[ "$output" = "" ]
}

@test "COG_PUSH_OCI=1 falls back to docker push with a warning, but not after a refusal" {
	fake_engine docker
	COG_PUSH_OCI=1 try cog-push fixture 127.0.0.1:1/x/y:v1
	[ "$status" -eq 0 ]
	[[ $stderr == *"Connection refused"*"cog-push: warning: falling back to docker push"* ]]
	grep -q "docker push 127.0.0.1:1/x/y:v1" calls
	[ -z "$(left_in_tmp)" ]
	rm calls
	start_registry --fail POST:9:403
	COG_PUSH_OCI=1 try cog-push fixture "$REGISTRY/x/y:v1"
	[ "$status" -eq 77 ]
	has_one_line "$stderr"
	[ "$(grep -c push calls)" -eq 0 ]
}

@test "COG_PUSH_OCI=1 is the OCI push when that works, and falls back for images of docker only" {
	start_registry
	fake_engine docker
	COG_PUSH_OCI=1 try cog-push fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -c push calls)" -eq 0 ]
	COG_PUSH_OCI=1 try cog-push --retries=0 "$DATA/docker20.tar" 127.0.0.1:1/a/b:v1
	[ "$status" -eq 75 ]
	has_one_line "$stderr"
}

# --- However it ends -----------------------------------------------------------------------------

# Points of a push at which it can be caught, each with a wait for it: the converter waits for the
# rest of the tar; the registry takes its time for a blob; the engine saves for ever.
begin_at() {
	case $1 in
	convert)
		start_registry
		mkfifo -m 600 "tar $2"
		exec 8<>"tar $2"
		begin cog-push - "$REGISTRY/a/b:v1" <"tar $2"
		head -c 30000 "$DATA/docker20.tar" >&8
		wait_for 20 has_blob_put
		;;
	upload)
		start_registry --delay-put 30
		begin cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
		wait_for 20 has_session
		;;
	save)
		start_registry
		fake_engine docker
		export SAVE='touch "$WORLD/saving"; while :; do sleep 0.1; done'
		rm -f saving
		begin cog-push fixture "$REGISTRY/a/b:v1"
		wait_for 20 test -e saving
		;;
	esac
}

has_session() {
	[ "$(requests 'select(.method == "POST" and .status == 202)' | wc -l)" -ge 4 ]
}

interrupted_at() { # POINT SIGNAL
	begin_at "$1" "$2"
	kill -s "$2" "$RUN"
	finish
	exec 8>&-
	[ "$status" -eq 130 ]
	[ "$output" = "" ]
	[ "$(said)" = "cog-push: interrupted" ]
	is_clean
}

@test "INT, TERM and HUP while the image is read leave nothing and give 130" {
	interrupted_at convert INT
	interrupted_at convert TERM
	interrupted_at convert HUP
}

# bats test_tags=slow
@test "INT, TERM and HUP while blobs are uploaded leave nothing and give 130" {
	interrupted_at upload INT
	interrupted_at upload TERM
	interrupted_at upload HUP
}

# bats test_tags=slow
@test "INT, TERM and HUP while the engine saves leave nothing and give 130" {
	interrupted_at save INT
	interrupted_at save TERM
	interrupted_at save HUP
}

# bats test_tags=slow
@test "kill -9 at any point leaves no process and no file" {
	for point in convert upload save; do
		begin_at "$point" KILL
		kill -9 "$RUN"
		wait_for 15 is_clean
		exec 8>&-
	done
}

# bats test_tags=native
@test "kill -9 of the script or of an uploader ends the run" {
	for victim in cog-push oci-blob-upload oci-from-dockertar; do
		begin_at convert "$victim"
		kill -9 "$(marked_as "$victim")"
		finish
		exec 8>&-
		[ "$status" -eq 1 ]
		[[ $stderr == *"killed by signal 9"* || $stderr == *"ended with status"* ]]
		is_clean
	done
}

@test "what the shell says of a process that was killed is not for people" {
	begin_at convert tee
	kill "$(marked_as tee)"
	exec 8>&-
	finish
	[ "$status" -ne 0 ]
	[[ $stderr != *Terminated* ]]
	is_clean
}

# marked_as NAME: a process of the run whose command is NAME, that is not the supervisor.
marked_as() {
	local file words
	for file in $(marked); do
		mapfile -d '' words <"${file%environ}cmdline"
		# A script is the first argument of its shell.
		[[ ${words[0]##*/} != sh ]] || words=("${words[1]}")
		if [[ ${words[0]##*/} == "$1" ]] &&
			is_part "${file//[!0-9]/}" "$1"; then
			echo "${file//[!0-9]/}"
			return
		fi
	done
}

# Of the processes called cog-push the one that cog-run started is meant.
is_part() { # PID NAME
	[ "$1" != "$RUN" ] && { [ "$2" != cog-push ] ||
		[ "$(sed -n 's/^PPid:\t//p' "/proc/$1/status")" = "$RUN" ]; }
}

@test "an inherited run of somebody else is not taken for its own" {
	start_registry
	try cog-run sh -c 'cog-push "$@"; echo "status $?"' x "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20
status 0" ]
	COG_RUN_DIR=/absent COG_RUN_PID=1 COG_REPORT_FD=9 COG_TOKEN_DIR=/absent/tokens try cog-push ./absent
	[ "$status" -eq 1 ]
	[[ $stderr == "cog-push: ./absent: no such file or directory ("* ]]
}

# bats test_tags=slow
@test "the script runs under busybox and bash too, beside its programs and through a link" {
	start_registry
	mkdir -p tree/bin tree/lib
	cp -R "$BIN/../lib/cog-push" tree/lib
	ln -s tree/bin/cog-push cog-push
	for shell in "/usr/bin/env bash" "/usr/bin/env -S busybox sh"; do
		sed "1s|.*|#!$shell|" "$BIN/cog-push" >tree/bin/cog-push
		chmod +x tree/bin/cog-push
		try ./cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
		[ "$status" -eq 0 ]
		try ./cog-push - "$REGISTRY/a/b:v1" <<<nonsense
		[ "$status" -eq 65 ]
		has_one_line "$(said)"
	done
	PATH=/usr/bin:/bin try "$BIN/cog-push" "$DATA/docker20.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	(cd "$BIN" && PATH=/usr/bin:/bin sh cog-push "$DATA/docker20.tar" "$REGISTRY/a/b:v1")
}

@test "the version is that of the programs" {
	[ "$(cog-push --version)" = "$(cog-run --version | sed s/run/push/)" ]
}
