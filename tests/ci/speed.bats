# SPDX-License-Identifier: Apache-2.0
# Speed and memory of the conversion, on an image of more than 100 MB.
load ../helper
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

@test "the same tar gives the same layout, on one processor as on all" {
	oci-from-dockertar one <"$PEERS/saved.tar" >records
	taskset -c 0 oci-from-dockertar two <"$PEERS/saved.tar" >records
	diff -r one two
}
