# SPDX-License-Identifier: Apache-2.0
# A model of real size: packed, pushed, read back by other tools, and in how much memory.
load ../helper
load ../layout
load ../weights
load peers

# Shared: the model, and the layout in which it is.
setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	start_docker_registry
	cd "$PEERS" || return 1
	make_model model 104857600
	/usr/bin/time -f %M -o memory oci-from-weights --name "a model" --target /src/weights layout model >records
}

setup() {
	own_world
	cd "$PEERS" || return 1
	TAG=$(jq -r 'select(.event == "image").names[0]' records)
}

@test "the shards of a model stay plain, each in a layer of its own; the rest is one compressed layer" {
	[ "$(manifest layout -r '.layers[] | [.mediaType, .annotations[]] | @tsv' | sort | cut -f 1 | uniq -c | tr -s ' ')" = \
		" 3 application/vnd.oci.image.layer.v1.tar
 1 application/vnd.oci.image.layer.v1.tar+gzip" ]
	[ "$(manifest layout -r '.annotations["run.cog.weight.set-digest"]')" = "$(set_digest model)" ]
	oci-weights-check layout "a model" model
}

@test "packing and checking take less than 64 MiB of memory, with any number of threads" {
	echo "packing: $(cat memory) KiB"
	[ "$(cat memory)" -lt 65536 ]
	for threads in 1 16; do
		/usr/bin/time -f %M -o more oci-from-weights --name b --target /b --threads "$threads" \
			--bundle-file-max 200000000 --bundle-size-max 200000000 other model >records.other
		echo "packing on $threads threads: $(cat more) KiB"
		[ "$(cat more)" -lt 65536 ]
		/usr/bin/time -f %M -o more oci-weights-check --threads "$threads" other b model
		echo "checking on $threads threads: $(cat more) KiB"
		[ "$(cat more)" -lt 65536 ]
	done
	rm -r other
}

@test "layers unpack with tar in any order to the same tree" {
	unpack layout one
	unpack layout two -r
	diff -r model one
	diff -r model two
	rm -r one two
}

@test "a weight that was pushed is pulled by skopeo, and is the same" {
	oci-blob-upload layout "$DOCKER_REGISTRY/ci/pushed" <records >uploaded
	oci-manifest-put -i "$TAG" layout "$DOCKER_REGISTRY/ci/pushed:$TAG" >put
	oci-verify layout "$DOCKER_REGISTRY/ci/pushed"
	skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$DOCKER_REGISTRY/ci/pushed:$TAG" "oci:pulled:$TAG"
	[ "$(jq -r '.manifests[0].digest' pulled/index.json)" = "$(jq -r '.manifests[0].digest' layout/index.json)" ]
	oci-weights-check pulled "$TAG" model
	rm -r pulled
}

@test "skopeo copies a weight from the layout to a registry, byte for byte" {
	skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:layout:$TAG" \
		"docker://$DOCKER_REGISTRY/ci/copied:$TAG"
	curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$DOCKER_REGISTRY/v2/ci/copied/manifests/$TAG" >copied
	[ "sha256:$(sha copied)" = "$(jq -r '.manifests[0].digest' layout/index.json)" ]
	try oci-verify layout "$DOCKER_REGISTRY/ci/copied"
	[ "$status" -eq 0 ]
}

# written TRACE: the bytes that calls in it have written, or given to files.
written() {
	awk '/ = [0-9]+$/ { sum += $NF } /fallocate|ftruncate|FICLONE/ { sum += 1e9 } END { print sum + 0 }' "$1"
}

@test "by reference, packing and pushing a model write no byte of it to a disk, and it is pulled the same" {
	strace -f -qq -y -o trace -e trace=write,writev,pwrite64,pwritev,pwritev2,sendfile,splice,copy_file_range,fallocate,ftruncate,ioctl \
		oci-from-weights --by-reference --name "a model" --target /src/weights linked model >records.linked
	echo "written: $(written trace) bytes, $(du -sk linked | cut -f 1) KiB on disk"
	[ "$(written trace)" -lt 200000 ]
	[ "$(du -sk linked | cut -f 1)" -lt 200 ]
	cmp linked/index.json layout/index.json
	strace -f -qq -y -o trace -e trace=write,writev,pwrite64,pwritev,pwritev2,sendfile,splice,copy_file_range,fallocate,ftruncate,ioctl \
		/usr/bin/time -f %M -o memory.linked \
		oci-blob-upload --source-root model linked "$DOCKER_REGISTRY/ci/linked" <records.linked >uploaded
	echo "memory: $(cat memory.linked) KiB"
	[ "$(cat memory.linked)" -le 16384 ]
	grep -v socket: trace >files || true
	[ "$(written files)" -lt 200000 ]
	oci-manifest-put -i "$TAG" linked "$DOCKER_REGISTRY/ci/linked:$TAG" >put
	oci-verify linked "$DOCKER_REGISTRY/ci/linked"
	skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$DOCKER_REGISTRY/ci/linked:$TAG" "oci:pulled:$TAG"
	oci-weights-check pulled "$TAG" model
	rm -r pulled
}

@test "by reference, a byte that changed after packing does not get into the registry, with the old time or not" {
	cp -r model changed
	oci-from-weights --by-reference --name changed --target /c other changed >records.other
	shard=changed/model-00002-of-00003.safetensors
	d=$(jq -r '.files[] | select(.path | test("00002-of")).layer' <(config other))
	touch -r "$shard" time
	printf x | dd of="$shard" bs=1 seek=50000000 conv=notrunc status=none
	touch -r time "$shard"
	try oci-blob-upload --source-root changed other "$DOCKER_REGISTRY/ci/changed" "$d"
	[ "$status" -eq 65 ]
	[[ "$stderr" == *"${shard#*/}: it changed since it was packed"* ]]
	# As if its last time could be set too: there is still the digest.
	read -r s ns < <(stat -c %.9Z "$shard" | tr . ' ')
	jq -c ".changed = [$s, $((10#$ns))]" "other/recipes/${d#sha256:}" >recipe
	cp recipe "other/recipes/${d#sha256:}"
	for trusted in "" --trusted; do
		try oci-blob-upload $trusted --source-root changed other "$DOCKER_REGISTRY/ci/changed" "$d"
		[ "$status" -eq 65 ]
		[[ "$stderr" == *"its bytes are not its digest"* ]]
	done
	[ "$(curl -s -o answer -w '%{http_code}' -I "http://$DOCKER_REGISTRY/v2/ci/changed/blobs/$d")" = 404 ]
	rm -r changed other
}
