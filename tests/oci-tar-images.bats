# SPDX-License-Identifier: Apache-2.0
# oci-tar-images, black box: what it says of a tar is what oci-from-dockertar makes of it.
load helper
load saved

# is_like_converted TAR [OPTION...]: the records are about the images that a conversion gives.
is_like_converted() {
	local tar=$1
	shift
	rm -rf d
	oci-tar-images "$@" "$tar" >sources
	oci-from-dockertar "$@" -f "$tar" d | jq -c 'select(.event == "image")' >images
	diff <(jq -c '[.names, .platform]' sources) <(jq -c '[.names, .platform]' images)
	# One digest or the other, and the image has it.
	jq -c 'select(.digest) | [.digest, .size, .mediaType]' sources >whole
	jq -r .configDigest sources | grep -v null >configs || true
	[ "$(cat whole configs | wc -l)" -eq "$(wc -l <images)" ]
	if [ -s whole ]; then
		jq -c '[.digest, .size, .mediaType]' images | diff whole -
	else
		jq -r '.digest[7:]' images | while read -r hex; do
			jq -r .config.digest "d/blobs/sha256/$hex"
		done | diff configs -
	fi
}

# bats test_tags=slow
@test "every fixture is listed as it is converted, and nothing is made" {
	for tar in "$DATA"/*.tar; do
		echo "# $tar"
		is_like_converted "$tar"
	done
	is_like_converted "$DATA/docker26-containerd-sparse.tar" --allow-sparse
	try oci-tar-images "$DATA/docker20-two-tags.tar"
	[ "$output" = '{"event":"source","configDigest":"sha256:6fc1ad1f3c2862418e278843680ec107a4c386befcfc98ebeb1b8dfee13350ec","platform":"linux/amd64","names":["example.com/team/fixture:v1","fixture:latest"]}' ]
	[ "$stderr" = "" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

# bats test_tags=slow
@test "tars of other builders and odd ones are listed as they are converted" {
	listed() {
		is_like_converted t.tar
	}
	each_tar listed manifest_first dotted hard_link_before symlink_chain kaniko rules_oci nix foreign junk \
		docker25_null zstd_layer no_tags windows oci_plain oci_unnamed oci_empty_name oci_two_tags \
		oci_two_images oci_foreign attestations sparse_one
}

@test "-i lists one image, and says which there are when it is not among them" {
	for selector in other:v2 docker.io/library/other:v2 \
		sha256:454a7af226003e855ea74668aa3082cd113d02dd22e398d270b05a3a7255d92b; do
		try oci-tar-images -i "$selector" "$DATA/docker26-two-images.tar"
		[ "$status" -eq 0 ]
		[ "$(jq -c .names <<<"$output")" = '["other:v2"]' ]
	done
	for tar in docker26-two-images docker26-containerd; do
		try oci-from-dockertar -i nothing -f "$DATA/$tar.tar" d
		expected=${stderr#*: }
		try oci-tar-images -i nothing "$DATA/$tar.tar"
		[ "$status" -eq 1 ]
		[ "$stderr" = "oci-tar-images: $expected" ]
	done
}

@test "--layers adds the diffIds of a docker archive, in their order" {
	config() {
		tar xOf t.tar "$(tar xOf t.tar manifest.json | jq -r '.[0].Config')"
	}
	has_the_diff_ids() {
		oci-tar-images --layers t.tar >records
		config | jq -r '.rootfs.diff_ids[]' | diff - <(jq -r 'select(.event == "layer") | .diffId' records)
		oci-tar-images t.tar | diff - <(grep -v '"layer"' records)
	}
	each_tar has_the_diff_ids "$DATA"/{docker20,docker26,podman5-docker-archive,skopeo-docker-archive,crane-save}.tar \
		hard_link_before zstd_layer
	# One image after the other, each with its own.
	oci-tar-images --layers "$DATA/docker26-two-images.tar" | jq -r .event | uniq -c >records
	[ "$(awk '{print $2}' records | xargs)" = "source layer source layer" ]
	# A layer that is elsewhere is none that anybody sends.
	saved foreign
	[ "$(oci-tar-images --layers t.tar | grep -c '"layer"')" -eq 1 ]
}

@test "--layers adds the blobs of an OCI archive, with the diffIds that the config has" {
	is_as_converted() {
		rm -rf d
		oci-from-dockertar --allow-sparse -f t.tar d | jq -c 'select(.kind == "layer") | [.digest, .size, .mediaType, .diffId]' |
			sort -u >expected
		oci-tar-images --allow-sparse --layers t.tar | jq -c 'select(.event == "layer") | [.digest, .size, .mediaType, .diffId]' |
			sort -u | diff expected -
	}
	each_tar is_as_converted "$DATA"/{docker26-containerd,docker26-containerd-multiarch,docker26-containerd-sparse}.tar \
		"$DATA"/{podman5,skopeo,skopeo-zstd,buildah-multiarch}-oci-archive.tar oci_plain oci_two_images oci_foreign
	# Two names are one image, and its layers come once.
	saved oci_two_tags
	[ "$(oci-tar-images --layers t.tar | jq -r .event | xargs)" = "source layer" ]
	# What a config of another kind has is no diffId.
	saved attestations
	oci-tar-images --layers t.tar | jq -se '.[1:] | length == 4 and all(.digest and .size and .mediaType)'
	# An index of 27 billion manifests.
	saved index_bomb
	[ "$(timeout 20 oci-tar-images --layers t.tar | wc -l)" -eq 2 ]
}

@test "a tar that is compressed as a whole, or a pipe, is read through" {
	oci-tar-images "$DATA/docker26.tar" >expected
	for pack in "gzip -c" "bzip2 -c" "xz -c" "zstd -qc" cat; do
		echo "# $pack"
		$pack "$DATA/docker26.tar" >t.tar
		oci-tar-images t.tar | diff expected -
		cat t.tar | oci-tar-images /dev/stdin | diff expected -
	done
}

@test "a tar that comes slowly is listed in the same records" {
	oci-tar-images "$DATA/docker26.tar" >expected
	# A stop in the JSON of a manifest, longer than a conversion is silent for.
	{
		head -c 4196 "$DATA/docker26.tar"
		sleep 0.4
		tail -c +4197 "$DATA/docker26.tar"
	} | oci-tar-images /dev/stdin | diff expected -
}

@test "the bytes of layers are passed over, however large they are" {
	saved layer_of_a_terabyte
	try timeout 20 oci-tar-images t.tar
	[ "$status" -eq 0 ]
	[ "$(jq -c .names <<<"$output")" = '["example.com/t:1"]' ]
}

# bats test_tags=slow
@test "bad input gets the words and the status that the converter has for it" {
	like_the_converter() {
		try oci-from-dockertar -f t.tar d
		[ "$status" -eq 65 ]
		expected=${stderr#*: }
		try oci-tar-images t.tar
		[ "$status" -eq 65 ]
		[ "$stderr" = "oci-tar-images: $expected" ]
		has_one_line "$stderr"
		[ "$(jq -r .event <<<"$output")" = error ]
	}
	each_tar like_the_converter no_manifest manifest_null manifest_no_json manifest_empty manifest_object \
		layer_missing config_missing link_outside oci_missing_blob wrong_count dotdot absolute layer_outside \
		link_cycle hard_link_cycle negative_size large_config many_members control_characters sparse_several \
		wrong_config_digest oci_index_null oci_index_empty oci_missing_config oci_wrong_size
	for at in 0 100 512 2000 20000 36000; do
		head -c "$at" "$DATA/docker20.tar" >t.tar
		try oci-tar-images t.tar
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
	done
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "a folder for temporary files that is not there is said" {
	TMPDIR=$WORLD/absent try oci-tar-images "$DATA/docker20.tar"
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-tar-images: $WORLD/absent: No such file or directory" ]
}

@test "TERM stops it with 130 and leaves nothing; what kill -9 leaves, the next run removes" {
	mkfifo tar
	for signal in TERM KILL; do
		oci-tar-images tar >out 2>err 3>&- &
		lister=$!
		exec 7>tar
		head -c 30000 "$DATA/docker20.tar" >&7
		wait_for 10 has_scratch
		kill -s "$signal" "$lister"
		status=0
		wait "$lister" || status=$?
		exec 7>&-
		[ "$signal" = KILL ] || { [ "$status" -eq 130 ] && ! has_scratch; }
	done
	has_scratch
	oci-tar-images "$DATA/docker20.tar"
	! has_scratch
}

has_scratch() {
	compgen -G "$TMPDIR/cog-scratch-*/lock" >/dev/null
}
