# SPDX-License-Identifier: Apache-2.0
# oci-from-dockertar, black box: saved images of real tools (tests/data) and made ones (saved.py).

load helper
load saved

# Both ways in: as a file that is looked at first, and as a stream.
both() {
	try oci-from-dockertar -f t.tar file "$@"
	[ "$status" -eq 0 ]
	try sh -c 'cat t.tar | oci-from-dockertar "$@"' sh stream "$@"
	[ "$status" -eq 0 ]
	cmp file/index.json stream/index.json
	is_sound file
	is_sound stream
}

# Each blob has the bytes of its name.
is_hashed() {
	local sums
	sums=$(cd "$1/blobs/sha256" && sha256sum -- *) && [ -z "$(awk '$1 != $2' <<<"$sums")" ]
}

# Nothing else than that lies in the layout.
is_sound() {
	is_hashed "$1" && [ "$(LC_ALL=C ls -A "$1")" = $'.index.lock\nblobs\nindex.json\noci-layout' ]
}

# digests: those of the blob records on stdin, sorted; as programs write records, without jq's start.
digests() {
	sed -n 's/^{"event":"blob","digest":"\([^"]*\)".*/\1/p' | sort
}

# referenced DIR: the digests of the blobs that the images in index.json need, sorted.
referenced() {
	local digest
	for digest in $(grep -o '"digest":"sha256:[0-9a-f]*' "$1/index.json"); do
		oci-blobs -i "${digest#*:?}" "$1"
	done | digests | uniq
}

kept() {
	(cd "$1/blobs/sha256" && printf 'sha256:%s\n' *)
}

announced() {
	digests <"$1"
}

# All blobs are referenced from index.json.
has_nothing_else() {
	diff <(referenced "$1") <(kept "$1")
}

# is_exact DIR RECORDS: what is there is what was announced, once, and what the images need.
is_exact() {
	has_nothing_else "$1" && diff <(kept "$1") <(announced "$2")
}

# each_form CMD: runs CMD with t.tar as every fixture and as the tars of other builders in turn.
each_form() {
	each_tar "$1" "$DATA"/*.tar good manifest_first dotted nix long_names pax_names junk docker25_null \
		docker25_no_layers hard_link_before hard_link_after symlink_after symlink_chain kaniko jib rules_oci \
		zstd_layer empty_layer no_tags foreign oci_plain oci_gzip oci_unnamed oci_empty_name oci_two_tags \
		oci_two_images oci_foreign attestations sparse_one
}

manifest() {
	cat "$1/blobs/sha256/$(jq -r ".manifests[${2:-0}].digest[7:]" "$1/index.json")"
}

blob() {
	cat "$1/blobs/sha256/${2#sha256:}"
}

# The diffIds of the config are those of the layers, unpacked.
has_right_layers() {
	local digest sum parts=()
	mapfile -t parts < <(manifest "$1" | jq -r '.config.digest, .layers[].digest')
	blob "$1" "${parts[0]}" | jq -r '.rootfs.diff_ids[]' >expected
	for digest in "${parts[@]:1}"; do
		sum=$(blob "$1" "$digest" | zcat | sha256sum)
		echo "sha256:${sum%% *}"
	done | diff expected -
}

# begin_stream: a converter, $converter, that has announced a blob of docker20.tar, of which 30000 bytes
# were written to fd 7. As a background job of a shell it inherits that INT is ignored.
begin_stream() {
	rm -f tar events
	mkfifo tar
	oci-from-dockertar d <tar >events 2>err &
	converter=$!
	exec 7>tar
	head -c 30000 "$DATA/docker20.tar" >&7
	wait_for 10 grep -q '"blob"' events
}

# bad CASE TEXT: status 65, one line with TEXT, no index.json, no partial blob; both ways in.
bad() {
	saved "$1"
	local way
	for way in "cat t.tar | oci-from-dockertar d" "oci-from-dockertar -f t.tar d"; do
		rm -rf d
		try sh -c "$way"
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
		[[ $stderr == "oci-from-dockertar: "*"$2"* ]]
		[ ! -e d/index.json ]
		[ -z "$(find d -name '.tmp-*')" ]
		[ ! -e d/blobs ] || [ -z "$(ls d/blobs/sha256)" ] || is_hashed d
	done
}

# bats test_tags=slow
@test "every form of docker archive gives gzip layers, its config byte for byte and its names" {
	for tar in docker20 docker20-two-tags docker20-two-images docker20-untagged docker26 \
		docker26-two-images podman5-docker-archive skopeo-docker-archive; do
		echo "# $tar"
		rm -rf file stream
		cp "$DATA/$tar.tar" t.tar
		both
		has_right_layers file
		[ "$(manifest file | jq -r '[.layers[].mediaType] | unique[]')" = application/vnd.oci.image.layer.v1.tar+gzip ]
		config=$(manifest file | jq -r .config.digest)
		path=$(tar xOf t.tar manifest.json | jq -r '.[0].Config')
		tar xOf t.tar "$path" | cmp - "file/blobs/sha256/${config#sha256:}"
		tar xOf t.tar manifest.json | jq -r '.[].RepoTags // [] | .[]' | sort >expected
		jq -r '.manifests[].annotations // {} | .["org.opencontainers.image.ref.name"] // empty' \
			file/index.json | sort | diff expected -
	done
}

# bats test_tags=slow
@test "manifests and blobs of an OCI archive and of the containerd store stay byte for byte" {
	for tar in docker26-containerd docker26-containerd-multiarch podman5-oci-archive skopeo-oci-archive \
		skopeo-zstd-oci-archive buildah-multiarch-oci-archive; do
		echo "# $tar"
		rm -rf file stream members
		cp "$DATA/$tar.tar" t.tar
		both
		tar xOf t.tar index.json | jq -S .manifests >expected
		jq -S .manifests file/index.json | diff expected -
		mkdir members
		tar xf t.tar -C members
		diff -r members/blobs file/blobs
		diff -r members/blobs stream/blobs
	done
}

@test "gzip layers of a crane archive are kept byte for byte" {
	cp "$DATA/crane-save.tar" t.tar
	both
	tar xOf t.tar manifest.json | jq -r '.[0].Layers[] | "sha256:" + rtrimstr(".tar.gz")' >expected
	manifest file | jq -r '.layers[].digest' | diff expected -
	has_right_layers file
}

@test "a zstd layer of a docker archive is kept byte for byte, beside one that is compressed" {
	saved zstd_layer
	both
	[ "$(manifest file | jq -r '.layers[0] | .mediaType + .digest')" = \
		"application/vnd.oci.image.layer.v1.tar+zstdsha256:$(tar xOf t.tar a.tar | sha256sum | cut -d' ' -f1)" ]
	[ "$(manifest file | jq -r '.layers[1].mediaType')" = application/vnd.oci.image.layer.v1.tar+gzip ]
}

@test "the version of an operating system is part of the platform" {
	saved windows
	both
	[ "$(jq -c '.manifests[0].platform' file/index.json)" = \
		'{"architecture":"amd64","os":"windows","os.version":"10.0.20348.1"}' ]
}

@test "a pulled index with one platform there becomes that manifest, under the names of the index" {
	cp "$DATA/docker26-containerd-sparse.tar" t.tar
	both
	[[ $stderr == *"warning: "*"one platform"*"linux/amd64"* ]]
	[ "$(jq -r '.manifests[0] | .digest + " " + .annotations["io.containerd.image.name"]' file/index.json)" = \
		"sha256:fbe6566496326a598422717a521b8d96acef40da016dad7ef866328743d790a2 127.0.0.1:5001/team/multi:v1" ]
}

@test "an index that lacks one of several platforms is an error with the list, or kept with --allow-sparse" {
	bad sparse_several "linux/amd64 sha256:"
	rm -rf file stream
	both --allow-sparse
	[ "$(jq -r '.manifests[0].mediaType' file/index.json)" = application/vnd.oci.image.index.v1+json ]
	try oci-blobs file
	[ "$status" -eq 65 ]
	try oci-blobs --allow-sparse file
	[ "$status" -eq 0 ]
	rm -rf file stream
	both -i "$(tar xOf t.tar index.json | jq -r '.manifests[0].digest[7:]' | sed 's,^,blobs/sha256/,' |
		xargs tar xOf t.tar | jq -r '.manifests[0].digest')"
	[ "$(jq -r '.manifests[0].mediaType' file/index.json)" = application/vnd.oci.image.manifest.v1+json ]
}

@test "--allow-sparse keeps what is there of an index inside an index" {
	saved sparse_nested
	both --allow-sparse
	oci-blobs --allow-sparse file >events
	# Three images that are there, the third of which is an attestation, and two indexes.
	[ "$(jq -r .kind events | sort | uniq -c | xargs)" = "3 config 2 index 3 layer 3 manifest" ]
	[ "$(find file/blobs -type f | wc -l)" -eq "$(wc -l <events)" ]
}

@test "an attestation beside the one platform does not make an index out of it" {
	saved sparse_one
	both
	[ "$(jq -r '.manifests[0] | .mediaType + .annotations["org.opencontainers.image.ref.name"]' file/index.json)" = \
		"application/vnd.oci.image.manifest.v1+jsonexample.com/t:1" ]
}

@test "a nested index with attestations of the containerd store survives" {
	saved attestations
	both
	[ "$(jq -r '.manifests[0].digest' file/index.json)" = "$(tar xOf t.tar index.json | jq -r '.manifests[0].digest')" ]
	[ "$(oci-blobs file | wc -l)" -eq "$(find file/blobs -type f | wc -l)" ]
}

@test "an OCI archive with plain layers stays plain" {
	saved oci_plain
	both
	[ "$(jq -r '.manifests[0].digest' stream/index.json)" = "$(tar xOf t.tar index.json | jq -r '.manifests[0].digest')" ]
	has_nothing_else file
	oci-blobs stream
}

exact_from_a_file() {
	rm -rf d e
	oci-from-dockertar -f t.tar d >records && is_exact d records &&
		oci-from-dockertar e <t.tar >records && is_exact e records
}

# bats test_tags=slow
@test "of a file nothing is kept or announced but what the images need, in every form" {
	each_form exact_from_a_file
}

# Each image alone, from a pipe and from a file that is compressed as a whole.
exact_with_i() {
	local digest
	gzip -c t.tar >packed.tar
	for digest in $(oci-tar-images t.tar | jq -r '.configDigest // .digest'); do
		rm -rf d e
		cat t.tar | oci-from-dockertar -i "$digest" d >records && is_exact d records &&
			oci-from-dockertar -f packed.tar -i "$digest" e >records && is_exact e records || return 1
	done
}

# bats test_tags=slow
@test "with -i nothing is kept or announced from a pipe but what the image needs, in every form" {
	each_form exact_with_i
}

# superfluous: what a pipe without -i leaves that no image needs, in unneeded; all of it announced.
superfluous() {
	rm -rf d
	cat t.tar | oci-from-dockertar d >records && diff <(kept d) <(announced records) &&
		comm -13 <(referenced d) <(kept d) >unneeded
}

nothing_superfluous() {
	case $case in
	junk | oci_plain | sparse_one) ;;
	*) superfluous && [ ! -s unneeded ] ;;
	esac
}

# bats test_tags=slow
@test "on a pipe without -i layers are announced before it is known how the image needs them" {
	# That shows only where an OCI archive has plain layers: their gzip form stays beside them,
	saved oci_plain
	superfluous
	[ "$(wc -l <unneeded)" -eq 2 ]
	while read -r digest; do
		raw=sha256:$(blob d "$digest" | zcat | sha256sum | cut -d' ' -f1)
		referenced d | grep -qxF "$raw"
	done <unneeded
	# or where there are layers of no image, or of a manifest that is absent.
	saved junk
	superfluous
	[ "$(wc -l <unneeded)" -eq 1 ]
	saved sparse_one
	superfluous
	[ "$(wc -l <unneeded)" -eq 2 ]
	each_form nothing_superfluous
}

# bats test_tags=slow
@test "tars of other builders, odd names and links give the same image" {
	saved good
	both
	expected=$(jq -r '.manifests[0].digest' file/index.json)
	each_tar gives_the_same manifest_first dotted nix long_names pax_names ustar_prefix pax_size old_type \
		no_end trailing_garbage junk docker25_null docker25_no_layers
	each_tar gives_right_layers hard_link_before hard_link_after symlink_after symlink_chain long_links \
		pax_links kaniko jib rules_oci empty_layer no_tags windows oci_gzip oci_unnamed oci_empty_name \
		oci_two_tags oci_two_images
}

gives_the_same() {
	rm -rf file stream
	both
	[ "$(jq -r '.manifests[0].digest' file/index.json)" = "$expected" ]
	has_nothing_else file
}

gives_right_layers() {
	rm -rf file stream
	both
	has_right_layers file
}

@test "a signal ends the wait for the lock of another converter" {
	mkdir d
	exec 8>d/.index.lock
	flock 8
	oci-from-dockertar -f "$DATA/docker20.tar" d >records 2>err 8>&- &
	local pid=$! code=0
	wait_for 10 grep -q -- "-> FLOCK.* $pid " /proc/locks
	kill -TERM "$pid"
	wait "$pid" || code=$?
	exec 8>&-
	[ "$code" -eq 130 ]
	[[ $(cat err) == *interrupted ]]
	[ ! -e d/index.json ]
}

# bats test_tags=slow
@test "the number of threads changes no byte, and is a number" {
	saved large_layer
	for n in 1 2 3 16 1000; do
		rm -rf d
		try oci-from-dockertar --threads "$n" -f t.tar d
		[ "$status" -eq 0 ]
		jq -r '.manifests[].digest' d/index.json >>digests
	done
	COG_PUSH_THREADS=4 oci-from-dockertar d <t.tar >records
	jq -r '.manifests[].digest' d/index.json >>digests
	[ "$(sort -u digests | wc -l)" -eq 1 ]
	has_right_layers d
	for n in 0 -1 x ''; do
		try oci-from-dockertar --threads "$n" -f t.tar d
		[ "$status" -eq 2 ]
		[[ $stderr == *--threads* ]]
	done
	COG_PUSH_THREADS=0 try oci-from-dockertar -f t.tar d
	[ "$status" -eq 2 ]
	[[ $stderr == *COG_PUSH_THREADS* ]]
}

# has_layers_like DIR SUFFIX CMD...: the layers have the media type with SUFFIX, and CMD gives what the config says.
has_layers_like() {
	local dir=$1 suffix=$2 digest parts=()
	shift 2
	is_sound "$dir"
	[ "$(manifest "$dir" | jq -r '[.layers[].mediaType] | unique[]')" = "application/vnd.oci.image.layer.v1.tar$suffix" ]
	mapfile -t parts < <(manifest "$dir" | jq -r '.config.digest, .layers[].digest')
	blob "$dir" "${parts[0]}" | jq -r '.rootfs.diff_ids[]' >expected
	for digest in "${parts[@]:1}"; do
		blob "$dir" "$digest" | "$@" | sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/'
	done | diff expected -
}

# bats test_tags=slow
@test "--compress says how plain layers are compressed, from a file as from a pipe" {
	saved large_layer
	declare -A digests=()
	for how in gzip gzip:2 gzip:6 gzip:9 zstd zstd:1 zstd:5 none; do
		rm -rf file stream
		both --compress "$how"
		case $how in
		gzip*) has_layers_like file +gzip zcat ;;
		zstd*) has_layers_like file +zstd zstd -qdc ;;
		none) has_layers_like file '' cat ;;
		esac
		digests[$how]=$(manifest file | jq -r '.layers[0].digest')
	done
	# Each setting gives something else, and the default is gzip:1.
	[ "$(printf '%s\n' "${digests[@]}" | sort -u | wc -l)" -eq 8 ]
	for how in auto gzip:1 gzip:01; do
		rm -rf file stream
		both --compress "$how"
		[ "$(manifest file | jq -r '.layers[0].digest')" = "${digests[gzip]}" ]
	done
	rm -rf file stream
	both
	[ "$(manifest file | jq -r '.layers[0].digest')" = "${digests[gzip]}" ]
	COG_PUSH_COMPRESS=none oci-from-dockertar -f t.tar d >records
	[ "$(manifest d | jq -r '.layers[0].digest')" = "${digests[none]}" ]
	COG_PUSH_COMPRESS=none oci-from-dockertar --compress zstd -f t.tar e >records
	[ "$(manifest e | jq -r '.layers[0].digest')" = "${digests[zstd]}" ]
	COG_PUSH_COMPRESS='' oci-from-dockertar -f t.tar f >records
	[ "$(manifest f | jq -r '.layers[0].digest')" = "${digests[gzip]}" ]
}

# bats test_tags=slow
@test "the number of threads changes no byte with any setting" {
	saved large_layer
	for how in gzip:2 gzip:6 zstd zstd:1 zstd:10; do
		for n in 1 4 16; do
			rm -rf d
			oci-from-dockertar --compress "$how" --threads "$n" -f t.tar d >records
			manifest d | jq -r '.layers[].digest' >"digest.$n"
		done
		cmp digest.1 digest.4
		cmp digest.1 digest.16
	done
}

# bats test_tags=slow
@test "layers that are compressed already stay as they are with any setting, OCI archives too" {
	stays() {
		rm -rf whole
		oci-from-dockertar -f t.tar whole >records
		for how in gzip:6 zstd none; do
			rm -rf d e
			oci-from-dockertar --compress "$how" -f t.tar d >records
			diff -r whole d
			cat t.tar | oci-from-dockertar --compress "$how" e >records
			cmp whole/index.json e/index.json
			[ "$(tar tf t.tar | grep -c index.json)" -eq 0 ] || is_hashed e
		done
	}
	each_tar stays "$DATA"/{crane-save,docker26-containerd,skopeo-oci-archive,skopeo-zstd-oci-archive}.tar kaniko \
		oci_plain oci_gzip
}

@test "with none and zstd, layers that are known are those of the setting" {
	cp "$DATA/docker26.tar" t.tar
	for how in zstd none; do
		rm -rf whole d e
		oci-from-dockertar --compress "$how" -f t.tar whole |
			jq -r 'select(.event == "blob" and .diffId) | [.diffId, .digest, .size] | join(" ")' >known
		oci-from-dockertar --compress "$how" --known known -f t.tar d >records
		lacks d records
		cat t.tar | oci-from-dockertar --compress "$how" --known known e >records
		lacks e records
	done
	# Blobs that are not compressed are none that gzip makes.
	oci-from-dockertar --known known -f t.tar f >records
	is_exact f records
}

@test "a setting that is none is wrong usage, of the option and of the variable" {
	for how in x gzi gzipp gzip: gzip:0 gzip:10 gzip:x gzip:-1 gzip:1x zstd:0 zstd:20 zstd:100 none:1 auto:1 GZIP ''; do
		try oci-from-dockertar --compress "$how" -f "$DATA/docker20.tar" d
		[ "$status" -eq 2 ]
		[[ $stderr == "oci-from-dockertar: --compress: '$how' is none of "* ]]
		has_one_line "$stderr"
		[ -n "$how" ] || continue
		COG_PUSH_COMPRESS=$how try oci-from-dockertar -f "$DATA/docker20.tar" d
		[ "$status" -eq 2 ]
		[[ $stderr == "oci-from-dockertar: COG_PUSH_COMPRESS: '$how' is none of "* ]]
	done
	[ ! -e d ]
}

# bats test_tags=slow
@test "the outer tar may be compressed" {
	for pack in "gzip -c" "bzip2 -c" "xz -c" "zstd -qc"; do
		echo "# $pack"
		rm -rf file stream
		$pack "$DATA/docker26.tar" >t.tar
		both
		has_right_layers file
	done
}

@test "a layer that occurs twice is one blob and two descriptors" {
	cp "$DATA/docker20.tar" t.tar
	both
	[ "$(manifest file | jq '.layers | length, (unique | length)' | tr '\n' ' ')" = "5 4 " ]
	[ "$(oci-from-dockertar -f t.tar again | jq -r 'select(.event == "blob") | .digest' | sort | uniq -d)" = "" ]
}

@test "a foreign layer is a descriptor with urls and no blob" {
	saved foreign
	both
	[ "$(manifest file | jq -r '.layers[0].urls[0]')" = https://example.com/l ]
	[ "$(find file/blobs -type f | wc -l)" -eq 3 ]
	[ "$(oci-blobs file | wc -l)" -eq 3 ]
	rm -rf file stream
	saved oci_foreign
	both
	[ "$(jq -r '.manifests[0].digest' file/index.json)" = "$(tar xOf t.tar index.json | jq -r '.manifests[0].digest')" ]
	[ "$(oci-blobs file | wc -l)" -eq 3 ]
}

@test "-i chooses one image by name or image ID and keeps nothing of the others" {
	cp "$DATA/docker26-two-images.tar" t.tar
	both -i other:v2
	[ "$(jq '.manifests | length' file/index.json)" -eq 1 ]
	has_nothing_else file
	has_nothing_else stream
	one=$(jq -r '.manifests[0].digest' file/index.json)
	id=$(manifest file | jq -r .config.digest)
	for selector in docker.io/library/other:v2 "$id"; do
		rm -rf file stream
		both -i "$selector"
		[ "$(jq -r '.manifests[0].digest' file/index.json)" = "$one" ]
		has_nothing_else stream
	done
	try oci-from-dockertar -i nothing -f t.tar d
	[ "$status" -eq 1 ]
	[[ $stderr == *"no image 'nothing'"*"example.com/team/fixture:v1, other:v2"* ]]
	[ ! -e d/index.json ]
}

@test "-i chooses one image of an OCI archive by name or digest and keeps nothing of the others" {
	saved oci_two_images
	digest=$(tar xOf t.tar index.json | jq -r '.manifests[1].digest')
	for selector in example.com/y:1 "$digest"; do
		rm -rf file stream
		both -i "$selector"
		[ "$(jq -r '.manifests[].digest' file/index.json)" = "$digest" ]
		has_nothing_else file
		has_nothing_else stream
	done
	try oci-from-dockertar -i z -f t.tar d
	[ "$status" -eq 1 ]
	[[ $stderr == *"no image 'z'"*"example.com/x:1, example.com/y:1"* ]]
	[ ! -e d/index.json ]
}

@test "several images are all imported, each with its names" {
	for case in docker20-two-images docker26-two-images; do
		rm -rf file stream
		cp "$DATA/$case.tar" t.tar
		both
		[ "$(names file)" = "example.com/team/fixture:v1 other:v2" ]
		[ "$(jq -r '.manifests[].digest' file/index.json | sort -u | wc -l)" -eq 2 ]
	done
	rm -rf file stream
	saved oci_two_images
	both
	[ "$(names file)" = "example.com/x:1 example.com/y:1" ]
}

names() {
	jq -r '[.manifests[].annotations["org.opencontainers.image.ref.name"]] | sort | join(" ")' "$1/index.json"
}

@test "a name moves between the forms, and images without a name, or with an empty one, all stay" {
	oci-from-dockertar -f "$DATA/docker20.tar" d
	# containerd's annotation of the full name is the name
	oci-from-dockertar -f "$DATA/docker26-containerd.tar" d
	[ "$(jq -r '.manifests[].digest' d/index.json)" = "$(tar xOf "$DATA/docker26-containerd.tar" index.json | jq -r '.manifests[].digest')" ]
	for case in oci_empty_name oci_empty_name_too oci_unnamed no_tags oci_empty_name; do
		saved "$case"
		oci-from-dockertar -f t.tar d
	done
	# oci_unnamed is the image of oci_empty_name
	[ "$(jq -c '.manifests | [length, (map(.digest) | unique | length)]' d/index.json)" = '[4,4]' ]
	is_sound d
}

@test "a second image adds to index.json, and a name that exists moves" {
	oci-from-dockertar -f "$DATA/docker20.tar" d
	oci-from-dockertar -f "$DATA/docker20-untagged.tar" d
	oci-from-dockertar -f "$DATA/docker20-untagged.tar" d
	[ "$(jq '.manifests | length' d/index.json)" -eq 2 ]
	old=$(jq -r '.manifests[0].digest' d/index.json)
	# The same name, another image: the old entry is gone, its blobs are not.
	oci-from-dockertar -f "$DATA/docker26.tar" d
	[ "$(jq '.manifests | length' d/index.json)" -eq 2 ]
	[ "$(jq -r --arg old "$old" '[.manifests[] | select(.digest == $old)] | length' d/index.json)" -eq 0 ]
	oci-from-dockertar -f "$DATA/crane-save.tar" d
	[ "$(jq '.manifests | length' d/index.json)" -eq 3 ]
	blob d "$old" >/dev/null
	is_sound d
}

@test "two converters into one folder lose nothing" {
	for round in 1 2 3 4 5; do
		rm -rf d
		oci-from-dockertar -f "$DATA/docker20.tar" d >/dev/null &
		one=$!
		oci-from-dockertar -f "$DATA/docker20-two-images.tar" d >/dev/null &
		two=$!
		oci-from-dockertar -f "$DATA/crane-save.tar" d >/dev/null
		wait "$one"
		wait "$two"
		[ "$(jq -r '[.manifests[].annotations["org.opencontainers.image.ref.name"]] | sort | join(" ")' d/index.json)" = \
			"127.0.0.1:5001/fx:v1 example.com/team/fixture:v1 other:v2" ]
		is_sound d
	done
}

@test "a pipe is not spooled: no file gets larger than what comes out of it" {
	head -c 20000000 /dev/zero >zeros
	tar cf l.tar zeros
	printf '{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:%s"]}}' "$(sha l.tar)" >c.json
	echo '[{"Config":"c.json","RepoTags":null,"Layers":["l.tar"]}]' >manifest.json
	tar cf t.tar l.tar c.json manifest.json
	# 2 MB
	try sh -c 'cat t.tar | (ulimit -f 4000; oci-from-dockertar d)'
	[ "$status" -eq 0 ]
	has_right_layers d
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "layers are announced on a pipe before the tar has ended" {
	begin_stream
	tail -c +30001 "$DATA/docker20.tar" >&7
	exec 7>&-
	wait "$converter"
	[ "$(jq -r .event events | tail -1)" = image ]
}

@test "records are one JSON object a line, each blob once, the image last" {
	try oci-from-dockertar -f "$DATA/docker26.tar" d
	[ "$stderr" = "" ]
	# What takes long has a record of its own.
	[ "$(jq -r '.event | select(. != "convert")' <<<"$output" | uniq -c | awk '{print $1 $2}' | tr '\n' ' ')" = "1phase 6blob 1image " ]
	[ "$(jq -r 'select(.event == "blob") | .digest' <<<"$output" | sort)" = "$(oci-blobs d | jq -r .digest | sort)" ]
	jq -se 'map(select(.kind == "layer")) | length == 4 and all(.diffId and .uncompressedSize > 0)' <<<"$output"
	[ "$(jq -r 'select(.event == "image") | .names[0] + " " + .platform' <<<"$output")" = "example.com/team/fixture:v1 linux/amd64" ]
}

# bats test_tags=slow
@test "convert records of the containerd store's layers say nothing of the config that was looked at first" {
	saved containerd_large
	oci-from-dockertar -f t.tar d >events
	jq -se 'map(select(.event == "convert")) | length > 0 and all(has("diffId") | not)' events
}

@test "the same tar gives the same digests again, and reuses what is there" {
	oci-from-dockertar -f "$DATA/docker20.tar" d >one
	inode=$(stat -c %i d/blobs/sha256/* | sort)
	oci-from-dockertar d <"$DATA/docker20.tar" >two
	[ "$(stat -c %i d/blobs/sha256/* | sort)" = "$inode" ]
	diff <(jq -r '.digest // empty' one | sort) <(jq -r '.digest // empty' two | sort)
}

@test "a tar that is cut off is refused, wherever it is cut" {
	size=$(stat -c %s "$DATA/docker20.tar")
	for at in 0 100 512 2000 20000 $((size / 2)) 36000; do
		rm -rf d
		head -c "$at" "$DATA/docker20.tar" >t.tar
		try sh -c 'cat t.tar | oci-from-dockertar d'
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
		[ ! -e d/index.json ]
		try oci-from-dockertar -f t.tar d
		[ "$status" -eq 65 ]
	done
}

@test "an image has the same digest today as ever, with either library" {
	oci-from-dockertar -f "$DATA/docker20.tar" L >records
	digest=$(jq -r 'select(.event == "image").digest' records)
	case $(ldd "$ROOT/bin/oci-from-dockertar") in
	*libisal*) [ "$digest" = sha256:fd3d3d8534d818a083ec7c558d576a4746efe22140d9446d1b7b489043ef6fad ] ;;
	*) [ "$digest" = sha256:648114fb5a886016243c5b1539ddc2b18203f00db1de42c48fd91df577b09610 ] ;;
	esac
}

# bats test_tags=slow
@test "what is no saved image is refused" {
	bad no_manifest "no manifest.json and no index.json"
	try oci-from-dockertar d </dev/null
	[ "$status" -eq 65 ]
	[ "$stderr" = "oci-from-dockertar: stdin: nothing is in it: did what should have written it fail?" ]
	bad manifest_null "manifest.json: not a list"
	bad manifest_no_json "manifest.json: not JSON"
	bad manifest_empty "names no image"
	bad manifest_object "not a list of images"
	bad oci_index_null "index.json: neither a manifest nor an index"
	bad oci_index_no_json "index.json: not JSON"
	bad oci_index_empty "index.json: it names no image"
	bad oci_index_bad_digest "index.json: not a sha256 digest"
	head -c 100000 /dev/urandom >t.tar
	try oci-from-dockertar -f t.tar d
	[ "$status" -eq 65 ]
}

@test "a missing layer or config is named" {
	bad layer_missing "layer 'b/layer.tar' is not in the tar"
	bad config_missing "config 'c.json' is not in the tar"
	bad link_outside "layer 'a/layer.tar' is not in the tar"
	bad oci_missing_blob "layer sha256:"
	bad oci_missing_config "config sha256:"
	bad oci_missing_manifest "manifest sha256:"
}

# bats test_tags=slow
@test "content that is not what the config or the name says is refused" {
	bad wrong_diff_id "layer 1, b/layer.tar"
	bad wrong_count "1 layers in manifest.json, 2 diffIds"
	bad wrong_diff_id_gzip "layer 1, a.tar"
	bad wrong_diff_id_zstd "layer 1, a.tar"
	bad wrong_config_digest "its bytes have the digest"
	bad cut_gzip_layer "layer 1, a/layer.tar: its content can't be decompressed"
	bad oci_cut_layer "its content can't be decompressed"
	bad oci_no_gzip_layer "layer 1, sha256:"
	bad oci_wrong_blob "its bytes have the digest"
	bad oci_wrong_size "its descriptor says"
	bad oci_diff_id "layer 1, sha256:"
}

# bats test_tags=slow
@test "names that leave the tar, cycles of links and negative sizes are refused" {
	bad dotdot "must be relative and without .."
	bad absolute "must be relative and without .."
	bad layer_outside "must be relative and without .."
	bad link_cycle "go round in a circle"
	bad hard_link_cycle "go round in a circle"
	bad link_to_itself "go round in a circle"
	bad negative_size "negative size"
}

@test "indexes that multiply are read once, those that nest too deep are refused" {
	saved index_bomb
	absent=sha256:$(printf 'b%.0s' {1..64})
	try timeout 20 oci-from-dockertar -f t.tar d
	[ "$status" -eq 0 ]
	try timeout 20 oci-from-dockertar -i "$absent" -f t.tar other
	[ "$status" -eq 1 ]
	try timeout 20 oci-blobs -i "$absent" d
	[ "$status" -eq 1 ]
	bad nested_deep "indexes nested too deep"
}

# bats test_tags=slow
@test "a config of more than 4 MiB and 100,001 members are refused" {
	bad large_config "4194304 bytes"
	[[ $stderr == *"c.json"* ]]
	"$PYTHON" -S -m saved huge_config | {
		try oci-from-dockertar d
		[ "$status" -eq 65 ]
		[[ $stderr == *"c.json"*"4194304 bytes"* ]]
	}
	bad many_members "more than 100000 members"
}

@test "bad input leaves a layout that is there as it was" {
	oci-from-dockertar -f "$DATA/docker26.tar" d
	cp -R d before
	for case in manifest_null layer_missing dotdot link_cycle negative_size oci_missing_blob; do
		saved "$case"
		for way in "cat t.tar | oci-from-dockertar d" "oci-from-dockertar -f t.tar d"; do
			try sh -c "$way"
			[ "$status" -eq 65 ]
			cmp before/index.json d/index.json
			is_sound d
		done
	done
}

@test "control and bidi characters of a tar don't reach the terminal" {
	bad control_characters "is not in the tar"
	[[ $stderr != *$'\x1b'* && $stderr != *$'\u202e'* ]]
}

@test "a folder that can't be written is a clear error" {
	echo x >f
	try oci-from-dockertar f <"$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-from-dockertar: f: Not a directory" || $stderr == *"create folder f"* ]]
	try oci-from-dockertar no/such/place <"$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
	# root may write anywhere, unless it gives that up
	local as_other=
	[ "$(id -u)" -ne 0 ] || as_other="setpriv --bounding-set=-dac_override --inh-caps=-dac_override"
	mkdir -m 555 r
	try $as_other oci-from-dockertar r <"$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-from-dockertar: create folder r/blobs/sha256: Permission denied" ]
	oci-from-dockertar -f "$DATA/docker26.tar" w
	chmod 555 w/blobs/sha256
	try $as_other oci-from-dockertar w <"$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-from-dockertar: w: store sha256:"*": Permission denied" ]]
	chmod 755 w/blobs/sha256
	is_sound w
	try oci-from-dockertar -f no.tar d
	[ "$status" -eq 1 ]
	[[ $stderr == *"no.tar: No such file"* ]]
}

@test "a stdout that takes nothing is a failure" {
	try sh -c 'oci-from-dockertar -f "$1" d >/dev/full' sh "$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	[[ $stderr == *"stdout: No space left"* ]]
	try sh -c 'oci-from-dockertar -f "$1" d2 >&-' sh "$DATA/docker20.tar"
	[ "$status" -eq 1 ]
}

@test "a file size limit is a clear error and leaves nothing half-written" {
	head -c 3000000 /dev/urandom >layer.tar
	tar cf l.tar layer.tar
	printf '{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:%s"]}}' "$(sha l.tar)" >c.json
	echo '[{"Config":"c.json","RepoTags":null,"Layers":["l.tar"]}]' >manifest.json
	tar cf t.tar l.tar c.json manifest.json
	try sh -c 'trap "" XFSZ; ulimit -f 2000; oci-from-dockertar -f t.tar d'
	[ "$status" -eq 1 ]
	[[ $stderr == *"d: File too large"* ]]
	[ ! -e d/index.json ]
	[ -z "$(find d/blobs d -name '.tmp-*' -o -path '*sha256/*')" ]
}

@test "TERM stops it within a second with 130, also while it waits for the tar, and leaves no temporary file" {
	for signal in TERM INT HUP; do
		rm -rf d
		begin_stream
		kill -s "$signal" "$converter"
		status=0
		wait "$converter" || status=$?
		exec 7>&-
		[ "$status" -eq 130 ]
		[ -z "$(find d -name '.tmp-*')" ]
		[ ! -e d/index.json ]
	done
}

@test "temporary files of a killed converter are swept by the next" {
	begin_stream
	kill -9 "$converter"
	wait "$converter" || true
	exec 7>&-
	[ -n "$(find d -name '.tmp-*')" ]
	oci-from-dockertar -f "$DATA/docker20.tar" d
	is_sound d
}

# --- Known layers ---

# learn: known has a line for each layer of t.tar; whole is its layout.
learn() {
	oci-from-dockertar -f t.tar whole | jq -r 'select(.event == "blob" and .diffId) | [.diffId, .digest, .size] | join(" ")' >known
	[ -s known ]
}

# lacks DIR RECORDS: DIR is as whole is, without the blobs of known, of which no record tells.
lacks() {
	cut -d' ' -f2 known | sort >absent
	cmp whole/index.json "$1/index.json"
	diff <(sort <(kept "$1") absent) <(kept whole)
	diff <(kept "$1") <(announced "$2")
	[ -z "$(find "$1" -name '.tmp-*')" ]
}

known_layers_are_left_out() {
	local way
	rm -rf whole
	learn
	# Half of the layers, in the second turn.
	for way in all half; do
		[ "$way" = all ] || sed -i 1~2d known
		rm -rf d e
		oci-from-dockertar --known known -f t.tar d >records
		lacks d records
		[[ $case == @(good|docker20*|manifest_first|zstd_layer) ]] && continue
		cat t.tar | oci-from-dockertar --known known e >records
		[[ $case == @(junk|oci_plain|sparse_one) ]] || lacks e records
		cmp whole/index.json e/index.json
	done
}

# bats test_tags=slow
@test "layers that --known lists are named by the manifest and neither stored nor announced" {
	each_tar known_layers_are_left_out "$DATA"/*.tar good manifest_first junk docker25_null zstd_layer kaniko \
		oci_gzip oci_plain oci_two_images oci_foreign attestations sparse_one
}

@test "known layers behind links, and one that several images share, are left out" {
	shared_or_linked() {
		rm -rf whole d
		learn
		oci-from-dockertar --known known -f t.tar d >records
		lacks d records
	}
	each_tar shared_or_linked "$DATA/docker26-two-images.tar" "$DATA/docker20-two-images.tar" hard_link_before \
		hard_link_after symlink_after symlink_chain
	# With -i the layers of the others are none of its business.
	cp "$DATA/docker26-two-images.tar" t.tar
	oci-from-dockertar -i other:v2 --known known -f t.tar one >records
	cat t.tar | oci-from-dockertar -i other:v2 --known known two >records
	cmp one/index.json two/index.json
}

@test "known layers are not compared with their diffIds, whether the tar is a file or a pipe; others are" {
	cp "$DATA/docker26.tar" t.tar
	learn
	layer=$(sed -n '1s/sha256:\([0-9a-f]*\) .*/\1/p' known)
	at=$(grep -abo "blobs/sha256/$layer" t.tar | head -n 1 | cut -d: -f1)
	printf 'damage' | dd of=t.tar bs=1 seek=$((at + 512 + 600)) conv=notrunc status=none
	oci-from-dockertar --known known -f t.tar d >records
	lacks d records
	cat t.tar | oci-from-dockertar --known known e >records
	lacks e records
	sed -i 1d known
	try oci-from-dockertar --known known -f t.tar f
	[ "$status" -eq 65 ]
	try sh -c 'cat t.tar | oci-from-dockertar --known known g'
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
	[ ! -e f/index.json ]
	[ ! -e g/index.json ]
}

@test "a pipe that does not tell the diffId before the bytes gets its layers compressed" {
	cp "$DATA/docker20.tar" t.tar
	learn
	cat t.tar | oci-from-dockertar --known known d >records
	is_exact d records
	cmp whole/index.json d/index.json
}

@test "the folder of a layer in the tar of an old Docker, which cog-known works out, tells it on a pipe" {
	cp "$DATA/docker20.tar" t.tar
	learn
	root=$(jq -r '.manifests[0].digest' whole/index.json)
	cog-known add whole "$root" "$root"
	mapfile -t diff_ids < <(oci-tar-images --layers t.tar | jq -r 'select(.event == "layer").diffId')
	cog-known --lines lines find found "sha256:$(seq 1 | sha256sum | cut -d' ' -f1)" "${diff_ids[@]}" >/dev/null
	cat t.tar | oci-from-dockertar -v --known lines d >records 2>trace
	# The last is a link to another.
	[ "$(grep -c '/layer.tar: .* bytes, known$' trace)" -eq $((${#diff_ids[@]} - 1)) ]
	[ "$(grep -c compressed trace)" -eq 0 ]
	lacks d records
	cmp whole/index.json d/index.json
	# Another layer in that folder is no layer of the image.
	sed -i "s/^${diff_ids[0]} /sha256:$(seq 2 | sha256sum | cut -d' ' -f1) /" lines
	try sh -c 'cat t.tar | oci-from-dockertar --known lines e'
	[ "$status" -eq 65 ]
	[[ $stderr == *"/layer.tar: its content has the digest "*", the config says ${diff_ids[0]}" ]]
	[ ! -e e/index.json ]
}

@test "what --known says of other layers, or of other content, changes nothing" {
	cp "$DATA/docker26.tar" t.tar
	learn
	# Lines about plain blobs, of which a plain layer is none that would be made.
	awk '{print $1, $1, $3}' known >plain
	# Lines of other layers.
	seq 1000 | sha256sum | awk '{print "sha256:" $1, "sha256:" $1, 5}' >other
	: >nothing
	for list in plain other nothing; do
		for way in "oci-from-dockertar -f t.tar" "cat t.tar | oci-from-dockertar"; do
			rm -rf d
			sh -c "$way --known $list d" >records
			diff -r whole d
			is_exact d records
		done
	done
	# Layers that are compressed already, of which other blobs are known.
	cp "$DATA/crane-save.tar" t.tar
	rm -rf whole
	learn
	digit() { tr '[0-9a-f]' '[1-9a-f0]'; }
	paste -d' ' <(cut -d' ' -f1 known) <(cut -d' ' -f2 known | cut -d: -f2 | digit | sed 's/^/sha256:/') \
		<(cut -d' ' -f3 known) >other
	paste -d' ' <(cut -d' ' -f1 known | cut -d: -f2 | digit | sed 's/^/sha256:/') <(cut -d' ' -f2 known) \
		<(cut -d' ' -f3 known) >wrong
	oci-from-dockertar --known other -f t.tar e >records
	diff -r whole e
	# A diffId that is not that of the config is no reason not to read.
	oci-from-dockertar --known wrong -f t.tar f >records
	lacks f records
	saved wrong_diff_id_gzip
	printf 'sha256:%s sha256:%s 1\n' "$(tar xOf t.tar a.tar | zcat | sha256sum | cut -d' ' -f1)" \
		"$(tar xOf t.tar a.tar | sha256sum | cut -d' ' -f1)" >known
	try oci-from-dockertar --known known -f t.tar g
	[ "$status" -eq 65 ]
}

@test "of several lines with one diffId the first counts" {
	cp "$DATA/docker26.tar" t.tar
	learn
	hex=$(printf '1%.0s' {1..64})
	sed "s/ sha256:[0-9a-f]*/ sha256:$hex/" known | cat - known >twice
	oci-from-dockertar --known twice -f t.tar d >records
	[ "$(manifest d | jq -r '[.layers[].digest] | unique[]')" = "sha256:$hex" ]
	[ "$(manifest d | jq -r '[.layers[].mediaType] | unique[]')" = application/vnd.oci.image.layer.v1.tar+gzip ]
}

@test "a plain layer that an OCI archive needs as it is, known in compressed form, is not passed over in a file" {
	saved oci_plain
	learn
	hex=$(printf '1%.0s' {1..64})
	sed -i "s/ sha256:[0-9a-f]*/ sha256:$hex/" known
	oci-from-dockertar --known known -f t.tar d >records
	diff -r whole d
	try sh -c 'cat t.tar | oci-from-dockertar --known known e'
	[ "$status" -eq 1 ]
	[[ $stderr == *"try again without --known" ]]
	has_one_line "$stderr"
}

@test "a file of known layers with a line that is none is refused" {
	cp "$DATA/docker26.tar" t.tar
	learn
	one=$(head -n 1 known)
	for line in x "" "$one " "$one x" "${one% *}" "${one% *} -1" "${one% *} 1234567890123456789" "${one/ /  }" \
		"${one^^}" "${one/sha256/sha512}"; do
		{ cat known && echo "$line"; } >bad
		try oci-from-dockertar --known bad -f t.tar d
		[ "$status" -eq 65 ]
		[ "$stderr" = "oci-from-dockertar: bad: line 5 is not DIFFID DIGEST SIZE [SAVEDID]" ]
		[ ! -e d ]
	done
	try oci-from-dockertar --known absent -f t.tar d
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-from-dockertar: absent: No such file or directory" ]
	try oci-from-dockertar --known . -f t.tar d
	[ "$status" -eq 1 ]
	has_one_line "$stderr"
}

@test "--input-size: what does not fit is refused before a pipe is read" {
	try oci-from-dockertar --input-size 999999999999999 d <"/dev/null"
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-from-dockertar: d: "*" MiB free, up to 953674317 MiB needed: "* ]]
	try oci-from-dockertar --input-size 100000 e < <(cat "$DATA/docker20.tar")
	[ "$status" -eq 0 ]
	try oci-from-dockertar --input-size x e </dev/null
	[ "$status" -eq 2 ]
}
