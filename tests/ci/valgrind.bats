# SPDX-License-Identifier: Apache-2.0
# The C programs under valgrind: no error, no leak, no descriptor left behind by a success.
load ../helper
load ../layout
load ../weights
load peers

setup_file() {
	file_world
	start_docker_registry
}

setup() {
	own_world
	export COG_TOKEN_DIR=$WORLD/tokens
	mkdir -m 700 tokens
}

# check STATUS PROGRAM...: runs it under valgrind; the program has to end with STATUS.
check() {
	local expected=$1
	shift
	try valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect,possible \
		--errors-for-leak-kinds=definite,indirect,possible --log-file=valgrind.log "$@"
	cat valgrind.log
	[ "$status" -eq "$expected" ] && [ ! -s valgrind.log ]
}

@test "oci-from-dockertar, oci-tar-images and oci-blobs are clean on every fixture" {
	local tar name
	for tar in "$DATA"/*.tar; do
		name=$(basename "$tar" .tar)
		check 0 oci-tar-images "$tar"
		check 0 oci-from-dockertar "$name" <"$tar"
		check 0 oci-from-dockertar -f "$tar" "$name again"
	done
	check 0 oci-blobs docker20
	check 0 oci-blobs -i other:v2 docker26-two-images
	check 0 oci-blobs docker26-containerd-multiarch
}

@test "oci-from-dockertar gives the same bytes under valgrind" {
	check 0 oci-from-dockertar one <"$DATA/docker26.tar"
	oci-from-dockertar two <"$DATA/docker26.tar"
	diff -r one two
}

@test "oci-from-dockertar and oci-tar-images are clean on bad input" {
	head -c 20000 "$DATA/docker20.tar" >cut.tar
	check 65 oci-from-dockertar layout <cut.tar
	check 65 oci-tar-images cut.tar
	printf 'no tar' >text
	check 65 oci-from-dockertar layout <text
	: >empty
	check 65 oci-from-dockertar layout <empty
	check 1 oci-from-dockertar -i no/such:image -f "$DATA/docker20.tar" layout
	check 2 oci-from-dockertar
}

@test "oci-index and oci-from-files are clean, also on bad input" {
	oci-from-dockertar -f "$DATA/docker26-containerd-multiarch.tar" layout >records
	for name in w v; do
		add_image layout "$(add_weight layout $name /w)" "$name"
	done
	check 0 oci-index --bundle --tag both --annotation a=b layout example.com/team/multi:v1 w
	check 65 oci-index --bundle --tag both layout w v
	check 65 oci-index --tag both layout example.com/team/multi:v1=linux/amd64
	check 1 oci-index --tag both layout w absent
	check 2 oci-index --tag cog-x layout w
	check 0 oci-from-files --artifact-type a/b --subject both --tag files layout records
	cp records copy
	check 0 oci-from-files --artifact-type a/b --config records --annotation a=b new records copy:a/b
	check 65 oci-from-files --artifact-type a/b new layout
	check 1 oci-from-files --artifact-type a/b --subject absent layout records
}

@test "oci-from-weights and oci-weights-check are clean, on good input and on bad" {
	make_model model 400000
	check 0 oci-from-weights --name a --target /a --threads 3 --bundle-file-max 300000 layout model
	check 0 oci-weights-check --threads 3 layout a model
	check 0 oci-from-weights --name b --target /a --compress zstd layout model
	check 0 oci-weights-check layout b model
	check 1 oci-weights-check layout none model
	ln -s config.json model/link
	check 65 oci-from-weights --name a --target /a layout model
	rm model/link
	echo more >>model/config.json
	check 65 oci-weights-check layout a model
	check 65 oci-from-weights --name a --target a layout model
}

@test "the programs that talk to a registry are clean, in one body and in chunks" {
	oci-from-dockertar layout <"$DATA/docker20.tar" >records
	check 0 oci-push-check "$DOCKER_REGISTRY/grind/one"
	check 0 oci-blob-upload layout "$DOCKER_REGISTRY/grind/one" <records
	check 0 oci-blob-upload layout "$DOCKER_REGISTRY/grind/one" <records
	check 0 oci-manifest-put layout "$DOCKER_REGISTRY/grind/one:1" "$DOCKER_REGISTRY/grind/one:2"
	check 0 oci-verify layout "$DOCKER_REGISTRY/grind/one"
	check 1 oci-verify layout "$DOCKER_REGISTRY/grind/none"
	export COG_PUSH_CHUNK_SIZE=1000 COG_PUSH_MULTIPART_THRESHOLD=500
	check 0 oci-blob-upload layout "$DOCKER_REGISTRY/grind/chunks" <records
	check 0 oci-manifest-put layout "$DOCKER_REGISTRY/grind/chunks:1"
}

@test "the programs that talk to a registry are clean when there is none" {
	oci-from-dockertar layout <"$DATA/docker20.tar" >records
	export COG_PUSH_RETRIES=1
	check 75 oci-push-check 127.0.0.1:1/grind/none
	check 75 oci-blob-upload layout 127.0.0.1:1/grind/none <records
	check 75 oci-manifest-put layout 127.0.0.1:1/grind/none:1
	check 75 oci-verify layout 127.0.0.1:1/grind/none
	"$ROOT/build/unit/journal" write 127.0.0.1:1/grind/none "$(jq -r 'select(.kind == "config").digest' records)" 5
	check 0 oci-upload-forget 127.0.0.1:1/grind/none
}

@test "oci-blob-queue and cog-run are clean" {
	oci-from-dockertar layout <"$DATA/docker20.tar" >records
	mkfifo fifo
	cat fifo >queue 3>&- &
	check 0 oci-blob-queue fifo 2 <records
	wait
	[ "$(wc -l <queue)" -ge 3 ]
	check 0 cog-run true
	check 3 cog-run sh -c 'exit 3'
}
