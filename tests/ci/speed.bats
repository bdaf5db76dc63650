# SPDX-License-Identifier: Apache-2.0
# Speed and memory of the conversion, on an image of more than 100 MB, and memory of the upload; speed of
# weights by reference.
load ../helper
load ../layout
load ../weights
load peers

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	file_world
	start_dockerd
	build_image ci/image:1
	docker save ci/image:1 >"$PEERS/saved.tar"
}

# milliseconds CMD...: how long it takes.
milliseconds() {
	local begin
	begin=$(date +%s%N)
	"$@" >&2 || return 1
	echo $((($(date +%s%N) - begin) / 1000000))
}

convert_saved() {
	rm -rf layout
	docker save ci/image:1 | oci-from-dockertar layout >records
	[ "${PIPESTATUS[*]}" = "0 0" ]
}

gzip_saved() {
	gzip -1 <"$PEERS/saved.tar" >saved.gz
}

median() {
	sort -n | sed -n 2p
}

@test "docker save piped into oci-from-dockertar is at least as fast as gzip -1 of the same tar" {
	for _ in 1 2 3; do
		milliseconds gzip_saved >>gzip
		milliseconds convert_saved >>convert
	done
	echo "gzip -1: $(median <gzip) ms, docker save | oci-from-dockertar: $(median <convert) ms"
	[ "$(median <convert)" -le "$(median <gzip)" ]
}

@test "oci-from-dockertar stays under 64 MiB of memory" {
	/usr/bin/time -f %M -o memory oci-from-dockertar layout <"$PEERS/saved.tar" >records
	cat memory
	[ "$(tail -n 1 memory)" -lt 65536 ]
	/usr/bin/time -f %M -o memory oci-from-dockertar -f "$PEERS/saved.tar" other >records
	cat memory
	[ "$(tail -n 1 memory)" -lt 65536 ]
}

# upload_within STATUS [OPTION...]: uploads D, and takes at most 16 MiB for it.
upload_within() {
	local code=0
	/usr/bin/time -q -f %M -o memory oci-blob-upload "${@:2}" L "$REGISTRY/a/b" "$d" >records || code=$?
	[ "$code" -eq "$1" ]
	cat memory
	[ "$(tail -n 1 memory)" -le 16384 ]
}

hash_model() {
	find model -type f -print0 | xargs -0 -n 1 -P "$(nproc)" openssl dgst -sha256 >sums
}

refer_to_model() {
	rm -rf layout
	oci-from-weights --by-reference --name a --target /a layout model >records
}

@test "packing weights by reference takes at most 2.3 times what openssl takes to hash the files" {
	make_model model 134217728
	for _ in 1 2 3; do
		milliseconds hash_model >>openssl
		milliseconds refer_to_model >>refer
	done
	echo "openssl: $(median <openssl) ms, oci-from-weights --by-reference: $(median <refer) ms"
	[ $((10 * $(median <refer))) -le $((23 * $(median <openssl))) ]
}

@test "oci-blob-upload stays under 16 MiB of memory: HTTP and TLS, one body, chunks, a resume" {
	new_layout L
	head -c 314572800 /dev/zero >zeros
	d=$(add_blob L zeros)
	rm zeros
	make_certificate
	for scheme in http https; do
		words=()
		[ "$scheme" = http ] || words=(--tls "$CERT" "$KEY")
		start_registry "${words[@]}"
		COG_PUSH_MULTIPART_THRESHOLD=1000000000 COG_PUSH_CHUNK_SIZE=1000000000 upload_within 0 --cacert "$CERT"
		[ "$(requests 'select(.method == "PUT").bodyBytes')" -eq 314572800 ]
		start_registry --model v3 --fail-at PATCH:15:503 "${words[@]}"
		export COG_PUSH_CHUNK_SIZE=16777216
		COG_PUSH_RETRIES=0 upload_within 75 --cacert "$CERT"
		upload_within 0 --cacert "$CERT"
		[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 1 ]
	done
}

@test "the same tar gives the same layout, on one processor as on all" {
	oci-from-dockertar one <"$PEERS/saved.tar" >records
	taskset -c 0 oci-from-dockertar two <"$PEERS/saved.tar" >records
	diff -r one two
}
