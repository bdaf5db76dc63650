# SPDX-License-Identifier: Apache-2.0
# A folder of weights into a layout, black box.
load helper
load layout
load weights

# pack DIR [ARGUMENT...]: the folder "model" into the layout DIR.
pack() {
	local dir=$1
	shift
	oci-from-weights --name "a model" --target /src/weights "$@" "$dir" model
}

# small DIR [ARGUMENT...]: the same where a shard is large.
small() {
	local dir=$1
	shift
	pack "$dir" --bundle-file-max 300000 "$@"
}

digest() {
	jq -r '.manifests[-1].digest' "$1/index.json"
}

@test "a model becomes a weight: manifest, config, layers and tag are as the format has them" {
	make_model model 400000
	try small L
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	set_digest=$(set_digest model)
	manifest L -e --arg set "$set_digest" '.schemaVersion == 2 and
		.mediaType == "application/vnd.oci.image.manifest.v1+json" and
		.artifactType == "application/vnd.cog.weight.v1" and
		.config.mediaType == "application/vnd.cog.weight.config.v1+json" and
		.annotations == {"run.cog.weight.name": "a model", "run.cog.weight.target": "/src/weights",
			"run.cog.weight.set-digest": $set} and
		(.layers | length == 4 and . == sort_by(.digest)) and
		([.layers[].annotations | keys] | unique == [["run.cog.weight.size.uncompressed"]])'
	config L -e --arg set "$set_digest" '.name == "a model" and .target == "/src/weights" and
		.setDigest == $set and (.files == (.files | sort_by(.path)))'
	# Each file with its size and digest, in a layer that has it.
	config L -r '.files[] | [.digest[7:], .path] | join("  ")' >files
	(cd model && sha256sum --quiet -c ../files)
	[ "$(wc -l <files)" -eq "$(find model -type f | wc -l)" ]
	config L -r '.files[] | [.layer, .path, .size] | @tsv' | while IFS=$'\t' read -r layer path size; do
		[ "$(stat -c %s "model/$path")" -eq "$size" ]
		tar -xOf "$(blob L "$layer")" "$path" | cmp - "model/$path"
	done
	[ "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' L/index.json)" = \
		"cog-weight.a-model.${set_digest:7:12}" ]
}

@test "the bytes of a layer's annotation are those of the files in it" {
	make_model model 400000
	small L >records
	for layer in $(manifest L -r '.layers[].digest'); do
		[ "$(manifest L -r --arg d "$layer" '.layers[] | select(.digest == $d) | .annotations[]')" = \
			"$(config L --arg d "$layer" '[.files[] | select(.layer == $d).size] | add')" ]
	done
}

@test "records: each layer with its diffId, config, manifest and the image by its tag" {
	make_model model 400000
	small L >records
	[ "$(jq -r 'select(.event != "convert") | .kind // .event' records | tr '\n' ' ')" = \
		"phase layer layer layer layer config manifest image " ]
	jq -r 'select(.kind == "layer") | [.digest, .diffId, .mediaType, .uncompressedSize] | @tsv' records |
		while IFS=$'\t' read -r digest diff_id type size; do
			case $type in
			*+gzip) zcat "$(blob L "$digest")" >tar ;;
			*) cp "$(blob L "$digest")" tar ;;
			esac
			[ "sha256:$(sha tar)" = "$diff_id" ]
			[ "$(stat -c %s tar)" -eq "$size" ]
		done
	[ "$(jq -r 'select(.event == "image") | [.digest, .names[]] | @tsv' records)" = \
		"$(jq -r '.manifests[] | [.digest, .annotations[]] | @tsv' L/index.json)" ]
	try oci-blobs L
	[ "$status" -eq 0 ]
}

@test "layers unpack with tar, in any order, to the same tree" {
	make_model model 400000
	small L >records
	unpack L one
	unpack L two -r
	diff -r model one
	diff -r model two
	[ "$(find one -type f ! -perm 644)$(find one -mindepth 1 -type d ! -perm 755)" = "" ]
	[ "$(find one two -type f -printf '%T@\n' | sort -u)" = 0.0000000000 ]
}

@test "a tar says nothing but paths and sizes" {
	make_model model 400000
	small L >records
	layers L | while read -r layer; do
		tar --numeric-owner --full-time -tvf "$layer"
	done >lines
	[ "$(awk '{ print $1, $2, $4, $5 }' lines | sort -u)" = "-rw-r--r-- 0/0 1970-01-01 00:00:00
drwxr-xr-x 0/0 1970-01-01 00:00:00" ]
	layers L | "$PYTHON" -c 'import sys, tarfile
for name in sys.stdin:
    for m in tarfile.open(name.rstrip()):
        assert m.uname == m.gname == "" and m.pax_headers["atime"] == m.pax_headers["ctime"] == "0", m
        assert set(m.pax_headers) <= {"atime", "ctime", "path"}, m.pax_headers'
}

@test "the digest depends on nothing but the files: not on threads, times, modes, umask, order or place" {
	make_model model 400000
	small L >records
	mkdir moved
	# From the last file to the first, in folders that are made in another order.
	(cd model && find . -type f | LC_ALL=C sort -r | tar -cf - --no-recursion -T -) | tar -C moved -xf -
	ln moved/config.json linked
	find moved -exec touch -d 2001-02-03 {} +
	find moved -type f -exec chmod 400 {} +
	for threads in 1 2 7; do
		rm -rf M
		(umask 077 && oci-from-weights --name "a model" --target /src/weights --bundle-file-max 300000 \
			--threads "$threads" M moved >/dev/null)
		[ "$(digest M)" = "$(digest L)" ]
		[ "$(ls M/blobs/sha256)" = "$(ls L/blobs/sha256)" ]
	done
}

# bats test_tags=slow
@test "name, target, a path, a byte and the packing each change the digest; the packing not the set digest" {
	make_model model 400000
	small L >records
	for arguments in "--name b" "--target /b" "--compress none" "--bundle-size-max 1000" "--bundle-file-max 1"; do
		rm -rf M
		# shellcheck disable=SC2086
		small M $arguments >records
		[ "$(digest M)" != "$(digest L)" ]
		[ "$(manifest M .annotations)" = "$(manifest L .annotations)" ] || [[ $arguments =~ ^--(name|target) ]]
		oci-weights-check M "$(digest M)" model
	done
	printf 'x' | dd of=model/tokenizer.json conv=notrunc status=none
	small N >records
	[ "$(manifest N '.annotations[]' | sort)" != "$(manifest L '.annotations[]' | sort)" ]
}

@test "the same again adds nothing; another state of the folder gets its own tag" {
	make_model model 1000
	pack L >records
	ls L/blobs/sha256 >before
	pack L >again
	diff records again
	ls L/blobs/sha256 | diff before -
	[ "$(jq '.manifests | length' L/index.json)" -eq 1 ]
	echo more >>model/config.json
	pack L >records
	[ "$(jq '.manifests | length' L/index.json)" -eq 2 ]
}

@test "small files share layers up to a size, sorted by path; a larger one has its own" {
	mkdir model
	for n in a b c d; do head -c 1000 /dev/zero >"model/$n"; done
	head -c 2000 /dev/urandom >model/large
	pack L --bundle-file-max 2000 --bundle-size-max 3000 >records
	[ "$(layers L | while read -r layer; do tar -tf "$layer" | tr '\n' ' '; echo; done | sort)" = "a b c 
d 
large " ]
	# By default, all of a small folder is one compressed layer.
	pack M >records
	[ "$(manifest M -r '.layers[].mediaType')" = application/vnd.oci.image.layer.v1.tar+gzip ]
}

@test "a look into a large file says whether it is compressed, not its name" {
	mkdir model
	seq 100000 >model/text.safetensors
	head -c 500000 /dev/urandom >model/noise.txt
	# Noise at the beginning says little about the rest.
	(head -c 70000 /dev/urandom && head -c 2000000 /dev/zero) >model/zeros.bin
	pack L --bundle-file-max 100 >records
	for line in text.safetensors:tar+gzip noise.txt:tar zeros.bin:tar+gzip; do
		layer=$(config L -r --arg p "${line%:*}" '.files[] | select(.path == $p).layer')
		[ "$(manifest L -r --arg d "$layer" '.layers[] | select(.digest == $d).mediaType')" = \
			"application/vnd.oci.image.layer.v1.${line#*:}" ]
	done
	pack Z --bundle-file-max 100 --compress zstd >records
	[ "$(manifest Z -r '.layers[].mediaType' | sort -u | sed 's/.*v1.//' | tr '\n' ' ')" = "tar tar+zstd " ]
	COG_PUSH_COMPRESS=none pack N --bundle-file-max 100 >records
	[ "$(manifest N -r '.layers[].mediaType' | sort -u)" = application/vnd.oci.image.layer.v1.tar ]
	unpack Z z
	unpack N n
	diff -r model z
	diff -r model n
}

# refuses REASON PATH: nothing of the folder was stored, and one line says why.
refuses() {
	try pack L --bundle-file-max 1
	[ "$status" -eq 65 ] && has_one_line "$stderr" && [[ "$stderr" == "oci-from-weights: $2: "*"$1"* ]] &&
		[ ! -e L/index.json ] && [ "$(ls L/blobs/sha256)" = "" ] &&
		[ "$(jq -r 'select(.event != "phase") | .event' <<<"$output")" = error ]
}

@test "what is neither file nor folder is refused by its path" {
	mkdir -p model/sub
	echo x >model/file
	ln -s ../file model/sub/link
	refuses "symbolic link" sub/link
	rm model/sub/link
	mkfifo model/sub/pipe
	refuses FIFO sub/pipe
	rm model/sub/pipe
	(cd model/sub && "$PYTHON" -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")')
	refuses socket sub/socket
	rm model/sub/socket
	ln -s nowhere model/dangling
	refuses "symbolic link" dangling
	rm model/dangling
	if [ "$(id -u)" -eq 0 ]; then
		mknod model/null c 1 3
		refuses device null
		rm model/null
	fi
	ln model/file model/hard
	pack L >records
}

@test "names that the format has no place for are refused" {
	mkdir -p model/sub
	echo x >model/file
	for name in 'back\slash' $'new\nline' $'tab\tin' $'\x7f' $'not\xff' $'\xc0\xaf' .wh.file .wh..wh..opq .cog; do
		echo x >"model/sub/$name"
		try pack L
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
		[[ $stderr == "oci-from-weights: sub/"*": "*name* ]]
		[ ! -e L/index.json ]
		rm "model/sub/$name"
	done
	mkdir model/.cog
	refuses reserved .cog
	rmdir model/.cog
	for name in .gitattributes 'a b' ❄ "$(printf 'é%.0s' $(seq 127))"; do
		echo x >"model/sub/$name"
	done
	pack L >records
	unpack L one
	diff -r model one
}

@test "extended attributes and ACLs are refused, of files and of folders" {
	mkdir -p model/sub
	echo x >model/sub/file
	for path in sub/file sub; do
		"$PYTHON" -c 'import os, sys; os.setxattr(sys.argv[1], "user.origin", b"x")' "model/$path"
		refuses "extended attribute: user.origin" "$path"
		"$PYTHON" -c 'import os, sys; os.removexattr(sys.argv[1], "user.origin")' "model/$path"
		# One user more may read it.
		"$PYTHON" -c 'import os, struct, sys
entries = (1, 6, -1), (2, 4, 1), (4, 4, -1), (16, 4, -1), (32, 4, -1)
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) +
	b"".join(struct.pack("<HHi", *e) for e in entries))' "model/$path"
		refuses "ACL: system.posix_acl_access" "$path"
		"$PYTHON" -c 'import os, sys; os.removexattr(sys.argv[1], "system.posix_acl_access")' "model/$path"
	done
	chmod 755 model/sub
	pack L >records
}

@test "what can't be read is refused" {
	mkdir -p model/sub
	echo x >model/file
	chmod 000 model/file
	refuses_unprivileged() {
		try unprivileged oci-from-weights --name a --target /a L model
		[ "$status" -eq 65 ] && [[ "$stderr" == "oci-from-weights: $1: Permission denied" ]]
	}
	refuses_unprivileged file
	chmod 644 model/file
	chmod 000 model/sub
	refuses_unprivileged sub
	chmod 755 model/sub
}

@test "a folder that is none, has no file, or holds the layout is refused" {
	mkdir -p model/sub
	for source in model absent /dev/null; do
		try oci-from-weights --name a --target /a L "$source"
		[ "$status" -eq 65 ]
		[ ! -e L ]
		has_one_line "$stderr"
		[[ $stderr == "oci-from-weights: $source: "* ]]
	done
	echo x >model/file
	ln -s model/sub link
	for layout in model/layout model/sub/layout/ model/sub model link link/layout; do
		try oci-from-weights --name a --target /a "$layout" model
		[ "$status" -eq 65 ]
		[[ $stderr == *": the layout may not be there" ]]
		# Nothing was made that the next run would take for a file of the model.
		[ "$(find model | sort | tr '\n' ' ')" = "model model/file model/sub " ]
	done
}

@test "a name that is empty and a target that is not absolute, or not spelled plainly, are refused" {
	mkdir model
	echo x >model/file
	for arguments in "--name= --target=/a" "--name=a --target=a" "--name=a --target=" "--name=a --target=/a/../b" \
		"--name=a --target=//a" "--name=a --target=/a//b" "--name=a --target=/a/./b" "--name=a --target=/a/" \
		$'--name=a\x01 --target=/a' $'--name=\xff --target=/a'; do
		# shellcheck disable=SC2086
		try oci-from-weights $arguments L model
		[ "$status" -eq 65 ]
		has_one_line "$stderr"
		[ ! -e L ]
	done
	for arguments in "" "--name=a" "--target=/a" "--name=a --target=/a --bundle-file-max=0" \
		"--name=a --target=/a --bundle-size-max=1k" "--name=a --target=/a --compress=lzma" \
		"--name=a --target=/a --threads=0"; do
		# shellcheck disable=SC2086
		try oci-from-weights $arguments L model
		[ "$status" -eq 2 ]
		[ ! -e L ]
	done
}

# held_pack: packs the files a and b, and stops between their layers: the pipe of its stdout takes the first
# record and no other. Waits until a is stored.
held_pack() {
	rm -rf L pipe model
	mkdir model
	head -c 100000 /dev/urandom >model/a
	head -c 100000 /dev/urandom >model/b
	mkfifo pipe
	exec 7<>pipe
	"$PYTHON" -c 'import fcntl, os
fcntl.fcntl(7, 1031, 4096)
os.write(7, b"x" * (fcntl.fcntl(7, 1032) - 101) + b"\n")'
	oci-from-weights --name a --target /a --threads 1 --bundle-file-max 1 L model >&7 2>errors 3>&- &
	SERVERS+=($!)
	wait_for 10 has_a_blob
}

has_a_blob() {
	[ "$(ls L/blobs/sha256 2>/dev/null)" != "" ]
}

# release: reads what it writes until it ends.
release() {
	cat <&7 >output 3>&- &
	reader=$!
	SERVERS+=("$reader")
	exec 7>&-
	wait "${SERVERS[-2]}" && status=0 || status=$?
	cat errors
}

# bats test_tags=slow
@test "a file that grows, shrinks or changes between hashing and packing is refused" {
	for change in "echo x >>model/b" "truncate -s 99999 model/b" \
		"printf x | dd of=model/b conv=notrunc status=none" \
		"touch -r model/b time && printf x | dd of=model/b conv=notrunc status=none && touch -r time model/b" \
		"cp -p model/b other && mv other model/b" "ln -sf a model/b" "rm model/b" "mkfifo c && mv c model/b"; do
		echo "--- $change"
		held_pack
		eval "$change"
		release
		[ "$status" -eq 65 ]
		case $change in
		echo*) why="it grew while" ;;
		truncate* | mkfifo*) why="it shrank while" ;;
		*) why="it changed while" ;;
		esac
		[[ "$(cat errors)" == "oci-from-weights: b: $why it was read"* ]]
		has_one_line "$(cat errors)"
		[ ! -e L/index.json ]
		[ "$(find L -name '.tmp-*')" = "" ]
	done
}

@test "a signal stops it: no image, no temporary files, status 130" {
	held_pack
	kill -TERM "${SERVERS[-1]}"
	release
	[ "$status" -eq 130 ]
	[ ! -e L/index.json ]
	[ "$(find L -name '.tmp-*')" = "" ]
}

@test "too little space is said before anything is stored; only what is there of this weight counts as stored" {
	mkdir model
	truncate -s 10T model/large
	new_layout L
	add_image L "$(random_blob L 100)" other
	truncate -s 11T "L/blobs/sha256/$(printf '%064d' 1)"
	try timeout 10 oci-from-weights --name a --target /a --compress none L model
	[ "$status" -eq 1 ]
	[[ $stderr == "oci-from-weights: L: "*" MiB free, up to 10485761 MiB needed: set TMPDIR or --layout to a larger disk" ]]
	jq '.manifests[].annotations[] = "cog-weight.a.0123456789ab"' L/index.json >index.json
	mv index.json L/index.json
	oci-from-weights --name a --target /a --compress none L model >records 3>&- &
	SERVERS+=($!)
	wait_for 10 grep -q converting records
	kill "$!"
	wait "$!" || [ $? -eq 130 ]
}

@test "a weight is pushed like an image, with the header of its layers' types or without" {
	make_model model 400000
	small L >records
	start_registry
	oci-blob-upload L "$REGISTRY/a/b" <records >uploaded
	tag=$(jq -r 'select(.event == "image").names[0]' records)
	oci-manifest-put L "$REGISTRY/a/b:$tag" >put
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	curl -fsS -A cog-push/tests "http://$REGISTRY/v2/a/b/manifests/$tag" >manifest
	[ "sha256:$(sha manifest)" = "$(digest L)" ]
}
