# SPDX-License-Identifier: Apache-2.0
# Every saved image in tests/data, converted, and read by those who read OCI layouts.
load ../helper
load peers

setup_file() {
	file_world
	mkdir "$PEERS/layouts"
	local tar name
	for tar in "$ROOT"/tests/data/*.tar; do
		name=$(basename "$tar" .tar)
		"$ROOT/bin/oci-from-dockertar" "$PEERS/layouts/$name" <"$tar" >"$PEERS/$name.records" \
			2>"$PEERS/$name.err"
		echo "$?" >"$PEERS/$name.status"
	done
}

# each_image CMD...: calls CMD LAYOUT NAME DIGEST for every entry of every index.json.
each_image() {
	local layout name digest count=0
	for layout in "$PEERS"/layouts/*; do
		while IFS=' ' read -r digest name; do
			echo "--- $(basename "$layout"): $name $digest"
			"$@" "$layout" "$name" "$digest" || return 1
			count=$((count + 1))
		done < <(jq -r '.manifests[] | "\(.digest) \(.annotations["org.opencontainers.image.ref.name"] // "")"' \
			"$layout/index.json")
	done
	# 16 files, two of them with two names
	[ "$count" -ge 18 ]
}

blob() {
	echo "$1/blobs/sha256/${2#sha256:}"
}

is_index() {
	jq -e .manifests "$(blob "$1" "$2")" >/dev/null
}

# names_in TAR: the names that a tar's manifest.json has, sorted.
names_in() {
	tar -xOf "$1" manifest.json | jq -c '[.[].RepoTags // [] | .[]] | sort'
}

@test "every fixture converts on a pipe" {
	local tar name
	for tar in "$DATA"/*.tar; do
		name=$(basename "$tar" .tar)
		echo "--- $name: $(cat "$PEERS/$name.status")"
		cat "$PEERS/$name.err"
		[ "$(cat "$PEERS/$name.status")" -eq 0 ]
	done
}

@test "every fixture converts from a file to the same images" {
	local tar name
	for tar in "$DATA"/*.tar; do
		name=$(basename "$tar" .tar)
		try oci-from-dockertar -f "$tar" "$name"
		[ "$status" -eq 0 ]
		cmp <(jq -S . "$name/index.json") <(jq -S . "$PEERS/layouts/$name/index.json")
	done
}

@test "the images have the names of manifest.json" {
	local tar name
	for tar in "$DATA"/{docker,podman5-docker,skopeo-docker,crane}*.tar; do
		case $tar in
		*containerd*) continue ;;
		esac
		name=$(basename "$tar" .tar)
		echo "--- $name"
		[ "$(jq -c '[.manifests[].annotations["org.opencontainers.image.ref.name"] // empty] | sort' \
			"$PEERS/layouts/$name/index.json")" = "$(names_in "$tar")" ]
	done
}

@test "image IDs are those of the input: the configs are kept byte for byte" {
	local tar name config expected
	for tar in "$DATA"/{docker,podman5-docker,skopeo-docker,crane}*.tar; do
		name=$(basename "$tar" .tar)
		tar -xOf "$tar" manifest.json | jq -r '.[].Config' >configs
		while read -r config; do
			tar -xOf "$tar" "$config" >config
			echo "--- $name: $config"
			expected=$(sha config)
			cmp config "$PEERS/layouts/$name/blobs/sha256/$expected"
		done <configs
	done
}

@test "manifest digests of OCI archives and of the containerd store are those of the input" {
	local tar name
	for tar in "$DATA"/{docker26-containerd,docker26-containerd-multiarch,podman5-oci-archive}.tar \
		"$DATA"/{skopeo-oci-archive,skopeo-zstd-oci-archive,buildah-multiarch-oci-archive}.tar; do
		name=$(basename "$tar" .tar)
		echo "--- $name"
		[ "$(tar -xOf "$tar" index.json | jq -c '[.manifests[].digest]')" = \
			"$(jq -c '[.manifests[].digest]' "$PEERS/layouts/$name/index.json")" ]
	done
}

@test "of a sparse index the one manifest that is there is meant, and with --allow-sparse the index" {
	local tar=$DATA/docker26-containerd-sparse.tar index
	index=$(tar -xOf "$tar" index.json | jq -r '.manifests[0].digest')
	tar -xOf "$tar" "blobs/sha256/${index#sha256:}" | jq -r '.manifests[].digest' >children
	jq -r '.manifests[].digest' "$PEERS/layouts/docker26-containerd-sparse/index.json" >found
	cat children found
	grep -qxFf children found
	try oci-from-dockertar --allow-sparse -f "$tar" sparse
	[ "$status" -eq 0 ]
	[ "$(jq -r '.manifests[0].digest' sparse/index.json)" = "$index" ]
}

@test "every blob in a layout has the digest of its name" {
	local layout file
	for layout in "$PEERS"/layouts/*; do
		for file in "$layout"/blobs/sha256/*; do
			[ "$(sha "$file")" = "$(basename "$file")" ]
		done
	done
}

inspect_with_skopeo() {
	local digest
	digest=$(skopeo inspect --raw "oci:$1${2:+:$2}" | sha256sum) || return 1
	[ "sha256:${digest%% *}" = "$3" ] || return 1
	skopeo inspect --override-arch amd64 "oci:$1${2:+:$2}" | jq -e '.Layers | length > 0'
}

@test "skopeo inspects every image" {
	each_image inspect_with_skopeo
}

copy_with_skopeo() {
	rm -rf copied
	skopeo copy -q --all "oci:$1${2:+:$2}" oci:copied:x &&
		[ "$(jq -r '.manifests[0].digest' copied/index.json)" = "$3" ]
}

@test "skopeo copies every image with its digest" {
	each_image copy_with_skopeo
}

# umoci takes no image without a name, no index, and no layers but OCI's, plain or gzip: the docker
# media types in a manifest that is kept byte for byte are not for it.
unpack_with_umoci() {
	umoci list --layout "$1" >listed || return 1
	[ -n "$2" ] || return 0
	grep -qxF "$2" listed || return 1
	! is_index "$1" "$3" || return 0
	umoci stat --image "$1:$2" --json | jq -e '.history | length > 0' >/dev/null || return 1
	! grep -q 'tar+zstd\|vnd.docker' "$(blob "$1" "$3")" || return 0
	rm -rf bundle
	umoci unpack --image "$1:$2" bundle 2>unpacked || {
		cat unpacked
		return 1
	}
	find bundle/rootfs -type f | grep -q .
}

@test "umoci lists, stats and unpacks every image" {
	each_image unpack_with_umoci
}

SHORT=

# podman makes a name of the path, which allows neither a space nor a capital in it.
pull_with_podman() {
	local id
	ln -sfn "$1" "$SHORT/layout"
	id=$(podman pull -q --arch amd64 "oci:$SHORT/layout${2:+:$2}") || return 1
	is_index "$1" "$3" || [ "sha256:$id" = "$(jq -r .config.digest "$(blob "$1" "$3")")" ] || return 1
	podman rmi -f "$id" >/dev/null
}

@test "podman pulls every image with its ID" {
	use_podman
	SHORT=/tmp/podman.$RANDOM$RANDOM
	mkdir -m 700 "$SHORT"
	each_image pull_with_podman
}

teardown() {
	[ -z "$SHORT" ] || rm -r "$SHORT"
}

@test "a config of 1 GB and 100,001 files are refused, from a file and on a pipe" {
	local case way
	for case in huge_config:c.json "many_files:more than 100000 members"; do
		"$PYTHON" -S -m saved "${case%%:*}" >t.tar
		for way in "oci-from-dockertar -f t.tar d" "cat t.tar | oci-from-dockertar d"; do
			try sh -c "$way"
			[ "$status" -eq 65 ]
			has_one_line "$stderr"
			[[ $stderr == *"${case#*:}"* ]]
			[ ! -e d/index.json ]
			[ -z "$(find d -name '.tmp-*')" ]
		done
	done
}
