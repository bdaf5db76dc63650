# SPDX-License-Identifier: Apache-2.0
# Whether a weight in a layout and a folder are the same; each way in which they may not be.
load helper
load layout
load weights

setup() {
	own_world
	make_model model 20000
	oci-from-weights --name "a model" --target /src/weights --bundle-file-max 10000 L model >records
}

# differs TEXT [NAME]: status 65, nothing on stdout, one line with TEXT.
differs() {
	try oci-weights-check L "${2:-a model}" model
	[ "$status" -eq 65 ] && [ "$output" = "" ] && has_one_line "$stderr" &&
		[[ "$stderr" == "oci-weights-check: "*"$1"* ]]
}

# layer_of PATH: the digest of the layer that has it.
layer_of() {
	config L -r --arg p "$1" '.files[] | select(.path == $p).layer'
}

# replace_documents CONFIG-FILTER MANIFEST-FILTER: another config and manifest, with right digests.
replace_documents() {
	local config size manifest
	config L -c "$1" >config.json
	config=sha256:$(sha config.json) size=$(stat -c %s config.json)
	mv config.json "$(blob L "$config")"
	manifest L -c --arg d "$config" --argjson s "$size" ".config.digest = \$d | .config.size = \$s | $2" >new.json
	manifest=sha256:$(sha new.json)
	cp new.json "$(blob L "$manifest")"
	jq --arg d "$manifest" --argjson s "$(stat -c %s new.json)" \
		'.manifests[-1] |= (.digest = $d | .size = $s)' L/index.json >index.json
	mv index.json L/index.json
}

# replace_layer DIGEST FILE: FILE in the place of a layer, in manifest and config.
replace_layer() {
	local new size
	new=sha256:$(sha "$2") size=$(stat -c %s "$2")
	cp "$2" "$(blob L "$new")"
	replace_documents "(.files[] | select(.layer == \"$1\")).layer = \"$new\"" \
		"(.layers[] | select(.digest == \"$1\")) |= (.digest = \"$new\" | .size = $size) | .layers |= sort_by(.digest)"
}

@test "a weight and its folder are the same, by name, tag and digest, with any number of threads" {
	digest=$(jq -r '.manifests[0].digest' L/index.json)
	tag=$(jq -r '.manifests[0].annotations[]' L/index.json)
	for name in "a model" "$tag" "$digest"; do
		for threads in 1 3; do
			try oci-weights-check --threads "$threads" L "$name" model
			[ "$status" -eq 0 ]
			[ "$output$stderr" = "" ]
		done
	done
	for how in none gzip:9 zstd; do
		oci-from-weights --name "$how" --target / --compress "$how" --bundle-file-max 10000 L model >records
		oci-weights-check L "$how" model
	done
	try oci-weights-check -v L zstd model
	[ "$(grep '^oci-weights-check: read layer ' <<<"$stderr" | cut -d' ' -f4 | sort)" = "$(manifest L -r '.layers[].digest')" ]
	# Times and modes are no difference.
	touch -d 2001-02-03 model/config.json
	chmod 600 model/config.json
	oci-weights-check L "a model" model
}

@test "of several weights of a name the last is meant, the others by their tags" {
	tag=$(jq -r '.manifests[0].annotations[]' L/index.json)
	cp -R model old
	echo more >>model/config.json
	oci-from-weights --name "a model" --target /src/weights L model >records
	oci-weights-check L "a model" model
	try oci-weights-check L "a model" old
	[ "$status" -eq 65 ]
	oci-weights-check L "$tag" old
}

@test "a file that is changed, missing or new in the folder is named" {
	printf X | dd of=model/tokenizer.json conv=notrunc status=none
	differs "tokenizer.json: it has the digest sha256:$(sha model/tokenizer.json), in the weight sha256:"
	seq 20000 >model/tokenizer.json
	oci-weights-check L "a model" model
	echo x >>model/config.json
	differs "config.json: it has 51 bytes, in the weight 49"
	rm model/config.json
	differs "config.json: it is in the weight, not in the folder"
	echo '{"architectures": ["Test"], "hidden_size": 4096}' >model/config.json
	echo x >"model/text encoder/new"
	differs "text encoder/new: it is in the folder, not in the weight"
	rm "model/text encoder/new"
	ln -s config.json model/link
	differs "link: it is a symbolic link"
}

@test "a weight that is not there is status 1 with those that are, and what is no weight 65" {
	tag=$(jq -r '.manifests[0].annotations[]' L/index.json)
	try oci-weights-check L nothing model
	[ "$status" -eq 1 ]
	[[ $stderr == *"'nothing'"*"$tag"* ]]
	oci-from-dockertar -f "$DATA/docker20.tar" L >records
	differs "it is no weight" example.com/team/fixture:v1
	try oci-weights-check absent "a model" model
	[ "$status" -eq 65 ]
	try oci-weights-check L "a model" absent
	[ "$status" -eq 65 ]
}

@test "a blob that is missing, of another size or of other bytes is named" {
	layer=$(layer_of config.json)
	file=$(blob L "$layer")
	cp "$file" kept
	printf X | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	differs "$layer: its bytes have the digest sha256:"
	echo >>"$file"
	differs "$layer has "
	rm "$file"
	differs "$layer is not in the layout"
	cp kept "$file"
	oci-weights-check L "a model" model
	config=$(blob L "$(manifest L -r .config.digest)")
	sed -i s/a/b/ "$config"
	differs "have another digest"
}

# bats test_tags=slow
@test "a layer of other files than the config says is found, though all digests are right" {
	layer=$(layer_of model-00001-of-00003.safetensors)
	cp -R model other
	tar_of() {
		tar -C other --format=pax --pax-option=delete=atime,delete=ctime,delete=mtime --mtime=@0 \
			-cf other.tar "$@"
		replace_layer "$layer" other.tar
	}
	restore() {
		rm -rf L
		oci-from-weights --name "a model" --target /src/weights --bundle-file-max 10000 L model >records
	}
	# The same file, in a tar of another tool.
	tar_of model-00001-of-00003.safetensors
	oci-weights-check L "a model" model
	restore
	printf X | dd of=other/model-00001-of-00003.safetensors bs=1 seek=9000 conv=notrunc status=none
	tar_of model-00001-of-00003.safetensors
	differs "model-00001-of-00003.safetensors: it has the digest sha256:"
	restore
	echo x >>other/model-00001-of-00003.safetensors
	tar_of model-00001-of-00003.safetensors
	differs "model-00001-of-00003.safetensors: it has "
	restore
	cp model/model-00001-of-00003.safetensors other
	tar_of model-00001-of-00003.safetensors config.json
	differs "config.json: the config does not place it there"
	restore
	tar_of model-00001-of-00003.safetensors model-00001-of-00003.safetensors
	differs "model-00001-of-00003.safetensors: it is "
	restore
	tar_of --files-from=/dev/null
	differs "its files have 0 bytes"
	restore
	ln -s config.json other/link
	tar_of model-00001-of-00003.safetensors link
	differs "link: it is a link"
	restore
	mkfifo other/pipe
	tar_of model-00001-of-00003.safetensors pipe
	differs "1 of its members are devices or FIFOs"
	for mode in 4644 2644 1644; do
		restore
		chmod "$mode" other/model-00001-of-00003.safetensors
		tar_of model-00001-of-00003.safetensors
		differs "or have a mode that is more than permissions"
	done
}

# bats test_tags=slow
@test "a manifest and a config that do not agree are found" {
	cp -R L kept
	while IFS=@ read -r config manifest text; do
		rm -rf L
		cp -R kept L
		replace_documents "$config" "$manifest"
		differs "$text"
	done <<-'END'
		.name = "b"@.@name, target or set digest differ
		.target = "/b"@.@name, target or set digest differ
		.@.annotations["run.cog.weight.target"] = "/b"@name, target or set digest differ
		.@.annotations |= del(.["run.cog.weight.set-digest"])@lacks one of the annotations
		.files[0].digest = .files[1].digest@.@the set digest is
		.files |= reverse@.@not sorted by path
		del(.files[0].size)@.@lacks a path
		.@.layers |= reverse@not sorted by digest
		.@del(.layers[0].annotations)@lacks the annotation
		.@.layers[0].annotations["run.cog.weight.size.uncompressed"] = "1"@the manifest says 1
		.@.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar+zstd"@are not of the type
		.@.layers |= .[1:]@is not in the layer
	END
}
