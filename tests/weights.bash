# SPDX-License-Identifier: Apache-2.0
# A folder of weights as models have them, and what a weight in a layout is.

# safetensors FILE BYTES [INPUT]: a shard of one tensor of so many bytes, random or from INPUT.
safetensors() {
	local header="{\"layer.weight\":{\"dtype\":\"U8\",\"shape\":[$2],\"data_offsets\":[0,$2]}}"
	"$PYTHON" -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<Q", int(sys.argv[1])))' \
		"${#header}" >"$1"
	printf '%s' "$header" >>"$1"
	head -c "$2" "${3:-/dev/urandom}" >>"$1"
}

# make_model DIR BYTES: a model of three shards of so many bytes each.
make_model() {
	local n
	mkdir -p "$1/text encoder/sub" "$1/text-encoder" "$1/tökenizer"
	echo '{"architectures": ["Test"], "hidden_size": 4096}' >"$1/config.json"
	seq 20000 >"$1/tokenizer.json"
	for n in 1 2 3; do
		safetensors "$1/model-0000$n-of-00003.safetensors" "$2"
	done
	echo '{"a": 1}' >"$1/text encoder/config.json"
	echo deep >"$1/text encoder/sub/file with spaces"
	echo other >"$1/text-encoder/config.json"
	echo '{"ü": "❄"}' >"$1/tökenizer/vocab ❄.json"
	: >"$1/tökenizer/empty"
	echo long >"$1/text encoder/$(printf 'n%.0s' $(seq 150))"
}

# set_digest DIR: by hand.
set_digest() {
	(cd "$1" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum |
		head -c -1 | sha256sum | sed 's/^/sha256:/; s/ .*//')
}

# blob DIR DIGEST: its file.
blob() {
	echo "$1/blobs/sha256/${2#sha256:}"
}

# manifest DIR [JQ-ARGUMENT...]: of the last image in a layout.
manifest() {
	local dir=$1
	shift
	jq "${@:-.}" "$(blob "$dir" "$(jq -r '.manifests[-1].digest' "$dir/index.json")")"
}

# config DIR [JQ-ARGUMENT...]: of the same.
config() {
	local dir=$1
	shift
	jq "${@:-.}" "$(blob "$dir" "$(manifest "$dir" -r .config.digest)")"
}

# layers DIR: the files of its layers.
layers() {
	local digest
	for digest in $(manifest "$1" -r '.layers[].digest'); do
		blob "$1" "$digest"
	done
}

# unpack DIR TO [SORT-OPTION]: all layers, in one order or the other.
unpack() {
	mkdir "$2"
	layers "$1" | sort ${3:+"$3"} | while read -r layer; do
		tar -C "$2" -xf "$layer" || return 1
	done
}
