# SPDX-License-Identifier: Apache-2.0
# Weights by reference: a layout without the bytes of a layer, which are in a file of the user.
load helper
load layout
load weights

setup() {
	own_world
	mkdir -p model/sub store
	safetensors model/sub/shard.safetensors 3000000
	echo '{"a": 1}' >model/config.json
	export COG_PUSH_CHUNK_SIZE=1048576 COG_PUSH_MULTIPART_THRESHOLD=1000 COG_PUSH_RETRY_DELAY_MS=1
}

# pack DIR [ARGUMENT...]: the folder "model" into the layout DIR.
pack() {
	local dir=$1
	shift
	oci-from-weights --name a --target /src/a --bundle-file-max 1000000 "$@" "$dir" model >records
}

# pack_by_reference: into L. large is the digest of the layer, recipe its recipe.
pack_by_reference() {
	pack L --by-reference
	large=$(layer_of sub/shard.safetensors) recipe=L/recipes/${large#sha256:}
}

layer_of() {
	config L -r --arg p "$1" '.files[] | select(.path == $p).layer'
}

# edit FILTER: of the recipe.
edit() {
	jq -c "$1" "$recipe" >edited
	cp edited "$recipe" # keeps its mode
}

# refused TEXT [OPTION...]: the blob is not taken, for this reason, and nothing is committed.
refused() {
	local text=$1
	shift
	try oci-blob-upload "$@" L "$REGISTRY/a/b" "$large"
	[ "$status" -eq 65 ] && has_one_line "$stderr" && [[ "$stderr" == "oci-blob-upload: "*"$text"* ]] &&
		[ "$(requests 'select(.method == "PUT")')" = "" ] && [ ! -e "store/${large#sha256:}" ]
}

# stored: the registry has the layer, whole.
stored() {
	[ "sha256:$(sha "store/${large#sha256:}")" = "$large" ]
}

@test "a large layer is not copied, and the weight is the same, record for record" {
	pack M
	jq -Sc 'select(.event != "convert" and .event != "hash")' records | sort >copied
	pack_by_reference
	jq -Sc 'select(.event != "convert" and .event != "hash")' records | sort | cmp - copied
	cmp L/index.json M/index.json
	[ ! -e "$(blob L "$large")" ]
	[ "$(ls L/recipes)" = "${large#sha256:}" ]
	[ "$(du -sk L | cut -f 1)" -lt 200 ]
	# What shares a layer, or is compressed, is stored as ever.
	(cd L/blobs/sha256 && ls) >blobs
	(cd M/blobs/sha256 && ls) | grep -v "${large#sha256:}" | cmp - blobs
	pack N --by-reference --compress gzip
	seq 300000 >model/text
	pack N --by-reference
	[ "$(ls N/recipes)" = "${large#sha256:}" ]
}

@test "a weight by reference is pushed from the folder, and is what it would be as a copy" {
	pack M
	pack_by_reference
	start_registry --store store
	try oci-blob-upload --source-root model L "$REGISTRY/a/b" <records
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	stored
	cmp "store/${large#sha256:}" "$(blob M "$large")"
	oci-manifest-put L "$REGISTRY/a/b:v1" >put
	oci-verify L "$REGISTRY/a/b"
	[ "$(jq -r 'select(.event == "done") | .how' <<<"$output" | sort -u)" = uploaded ]
}

# bats test_tags=slow
@test "any size of the file, and any size of a chunk: padding and head go along" {
	export COG_PUSH_CHUNK_SIZE=700
	for size in 1 511 512 513 1234; do
		rm -rf L model store
		mkdir model store
		head -c "$size" /dev/urandom >model/a
		oci-from-weights --by-reference --compress none --bundle-file-max 1 --name a --target /a L model >records
		large=$(layer_of a)
		[ ! -e "$(blob L "$large")" ]
		start_registry --store store
		oci-blob-upload --source-root model L "$REGISTRY/a/b" <records >uploaded
		stored
		tar -xOf "store/${large#sha256:}" a | cmp - model/a
	done
}

@test "without --source-root a recipe does not count, whoever asks" {
	pack_by_reference
	start_registry --store store
	refused "$large is by reference: --source-root DIR is needed"
	refused "$large is by reference: --source-root DIR is needed" --trusted
	refused "$large is by reference: --source-root DIR is needed" --absent absent
	[ ! -s absent ]
	[ "$(requests 'select(.method != "GET" and .method != "HEAD")')" = "" ]
	cd model # where a path would be found
	try cog-push ../L "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	[[ "$stderr" == *"is by reference"* ]]
	cd ..
	[ ! -e "store/${large#sha256:}" ]
}

@test "a source root that is no folder is named" {
	pack_by_reference
	start_registry --store store
	for root in nowhere model/config.json; do
		refused "$root: " --source-root "$root"
	done
	refused "sub/shard.safetensors: it changed since it was packed: No such file" --source-root L
}

@test "a blob that is there counts, not its recipe" {
	pack_by_reference
	pack L
	rm -r model
	start_registry --store store
	oci-blob-upload L "$REGISTRY/a/b" "$large" >uploaded
	stored
}

# bats test_tags=slow
@test "a file that changed after packing is refused before a byte is sent, also with its old time" {
	start_registry --store store
	for change in "echo x >>F" "truncate -s 2999999 F" "touch F" "chmod 600 F" \
		"touch -r F time && printf x | dd of=F bs=1 seek=1000000 conv=notrunc status=none && touch -r time F" \
		"cp -p F other && mv other F" "rm F" "rm F && mkfifo F" "ln F other && rm other"; do
		echo "--- $change"
		cp model/sub/shard.safetensors saved
		pack_by_reference
		(cd model/sub && eval "${change//F/shard.safetensors}")
		case $change in
		echo*) why="it grew since" ;;
		truncate* | *mkfifo*) why="it shrank since" ;;
		*) why="it changed since" ;;
		esac
		refused "sub/shard.safetensors: $why it was packed" --source-root model
		refused "sub/shard.safetensors: $why it was packed" --source-root model --trusted
		[ "$(requests 'select(.method == "PATCH")')" = "" ]
		rm -f model/sub/shard.safetensors
		mv saved model/sub/shard.safetensors
	done
}

@test "a byte that changed and nothing else would tell is found by the digest, also with --trusted" {
	pack_by_reference
	printf x | dd of=model/sub/shard.safetensors bs=1 seek=1000000 conv=notrunc status=none
	for time in modified:Y changed:Z; do
		edit ".${time%:*} = [$(stat -c "%.9${time#*:}" model/sub/shard.safetensors | sed 's/\.0*\([0-9]\)/,\1/')]"
	done
	start_registry --store store
	refused "blob $large: its bytes are not its digest" --source-root model
	refused "blob $large: its bytes are not its digest" --source-root model --trusted
	[ "$(requests 'select(.method == "PATCH")')" != "" ]
}

# bats test_tags=slow
@test "a file that changes while it is sent is not committed, whichever byte it is, until it is put back" {
	start_registry --store store --throttle 1500000
	for seek in 0 2999999; do
		safetensors model/sub/shard.safetensors 3000000
		cp model/sub/shard.safetensors saved
		pack_by_reference
		: >"$REGISTRY_LOG"
		rm -f out
		oci-blob-upload --source-root model L "$REGISTRY/a/b" "$large" >out 2>err 3>&- &
		pid=$!
		wait_for 20 grep -q '"offset":1048576' out
		printf x | dd of=model/sub/shard.safetensors bs=1 seek=$seek conv=notrunc status=none
		wait "$pid" && status=0 || status=$?
		cat err
		[ "$status" -eq 65 ]
		[[ "$(cat err)" == "oci-blob-upload: blob $large: sub/shard.safetensors: it changed since it was packed"* ]]
		[ "$(requests 'select(.method == "PUT")')" = "" ]
		cp saved model/sub/shard.safetensors
		pack_by_reference
		try oci-blob-upload --source-root model L "$REGISTRY/a/b" "$large"
		[ "$status" -eq 0 ]
		stored
	done
}

@test "an upload that was cut goes on in the middle of a blob by reference" {
	pack_by_reference
	start_registry --model v3 --store store --fail-at PATCH:3:503
	COG_PUSH_RETRIES=0 try oci-blob-upload --source-root model L "$REGISTRY/a/b" "$large"
	[ "$status" -eq 75 ]
	[ "$(requests 'select(.method == "PATCH" and .status == 202)' | wc -l)" -eq 2 ]
	try oci-blob-upload --source-root model L "$REGISTRY/a/b" "$large"
	[ "$status" -eq 0 ]
	stored
	[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 1 ]
	[ "$(jq -r 'select(.event == "done").sentBytes' <<<"$output")" -lt 1048576 ]
}

# bats test_tags=slow
@test "nothing below the source root is reached over a symbolic link or .." {
	start_registry --store store
	pack_by_reference
	cp -a L saved
	mv model/sub elsewhere
	ln -s ../elsewhere model/sub
	refused "sub/shard.safetensors: it changed since it was packed: " --source-root model
	rm model/sub
	mkdir model/sub
	ln -s ../../elsewhere/shard.safetensors model/sub/shard.safetensors
	refused "sub/shard.safetensors: it changed since it was packed: " --source-root model
	for path in ../elsewhere/shard.safetensors sub/../../elsewhere/shard.safetensors "$WORLD/elsewhere/shard.safetensors" \
		./sub sub//x . .. "" sub/; do
		edit ".file = \"$path\""
		refused "the recipe of $large: its file is not below a folder" --source-root model
	done
	[ "$(requests 'select(.method == "PATCH" or .method == "POST")')" = "" ]
}

# bats test_tags=slow
@test "a recipe that is damaged, or of a blob of another size, is refused by all who read it" {
	start_registry --store store
	pack_by_reference
	cp "$recipe" saved
	for filter in 'del(.head)' '. + {more: 1}' '.head = "0"' '.head = "zz"' '.offset = 1' '.offset = -1' \
		'.length = -1' '.length += 1' '.padding = 65537' '.padding = -1' '.size = "1"' '.device = 1.5' \
		'.modified = [1]' '.changed = null' '[.]' '.file = 1'; do
		cp saved "$recipe"
		edit "$filter"
		refused "L: the recipe of $large: it" --source-root model
		try oci-blobs L
		[ "$status" -eq 65 ]
		[[ "$stderr" == "oci-blobs: L: the recipe of $large: it"* ]]
	done
	for text in "" "{" "$(head -c 3000000 /dev/zero | tr '\0' a)"; do
		printf %s "$text" >"$recipe"
		refused "L: the recipe of $large: " --source-root model
	done
	cp saved "$recipe"
	edit '.padding += 512'
	try oci-blobs L
	[ "$status" -eq 65 ]
	[[ "$stderr" == *"the recipe of $large: it is of "*" bytes, the descriptor says "* ]]
	rm "$recipe"
	ln -s ../saved "$recipe"
	refused "L: the recipe of $large: " --source-root model
	rm "$recipe"
	mkfifo "$recipe"
	refused "L: the recipe of $large: " --source-root model
}

@test "a recipe that others can have written is refused" {
	pack_by_reference
	start_registry --store store
	chmod g+w L/recipes
	refused "the recipe of $large: others than you can have written it" --source-root model
	chmod 755 L/recipes
	chmod g+w "$recipe"
	refused "the recipe of $large: others than you can have written it" --source-root model
	chmod 602 "$recipe"
	refused "the recipe of $large: others than you can have written it" --source-root model
	chmod 600 "$recipe"
	mv L/recipes elsewhere
	ln -s ../elsewhere L/recipes
	refused "" --source-root model
	rm L/recipes
	mv elsewhere L/recipes
	[ "$(id -u)" -eq 0 ] || return 0 # only root can give a file away
	chown 1 "$recipe"
	refused "the recipe of $large: others than you can have written it" --source-root model
	chown 0 "$recipe"
	chown 1 L/recipes
	refused "the recipe of $large: others than you can have written it" --source-root model
}

@test "a recipe is written for the user alone to write, whatever the umask, and is read then" {
	start_registry --store store
	for mask in 000 002 077; do
		rm -rf L
		(umask "$mask" && pack L --by-reference)
		large=$(layer_of sub/shard.safetensors) recipe=L/recipes/${large#sha256:}
		[ "$(find L/recipes -perm /022)" = "" ]
		[ "$mask" != 077 ] || [ "$(find L/recipes -perm /077)" = "" ]
		try oci-blobs L
		[ "$status" -eq 0 ]
	done
	oci-blob-upload --source-root model L "$REGISTRY/a/b" "$large" >uploaded
	stored
}

@test "no recipe comes out of a tar" {
	pack_by_reference
	pack M
	mkdir -p T
	cp -a M/. T
	cp -a L/recipes T
	rm "$(blob T "$large")"
	tar -cf T.tar -C T .
	try oci-from-dockertar -f T.tar out
	[ "$status" -eq 65 ]
	[[ "$stderr" == *"${large#sha256:}"* ]]
	[ ! -e out/recipes ]
	cp "$(blob M "$large")" T/blobs/sha256
	tar -cf T.tar -C T .
	oci-from-dockertar -f T.tar out >records
	[ ! -e out/recipes ]
}

@test "oci-blobs lists a blob by reference, and oci-weights-check reads it from the folder" {
	pack_by_reference
	try oci-blobs L
	[ "$status" -eq 0 ]
	[ "$(jq -r --arg d "$large" 'select(.digest == $d).size' <<<"$output")" -gt 3000000 ]
	for threads in 1 3; do
		try oci-weights-check --threads $threads L a model
		[ "$status" -eq 0 ]
		[ "$output$stderr" = "" ]
	done
	edit '.head |= .[:-2] + "41"'
	try oci-weights-check L a model
	[ "$status" -eq 65 ]
	[[ "$stderr" == "oci-weights-check: $large: its bytes have the digest"* ]]
	pack_by_reference
	touch model/sub/shard.safetensors
	try oci-weights-check L a model
	[ "$status" -eq 65 ]
	[[ "$stderr" == "oci-weights-check: $large: sub/shard.safetensors: it changed since it was packed"* ]]
}

@test "--remove leaves a recipe and the file" {
	pack_by_reference
	start_registry --store store
	oci-blob-upload --remove --source-root model L "$REGISTRY/a/b" "$large" >uploaded
	stored
	[ -e "$recipe" ]
	[ -e model/sub/shard.safetensors ]
}

@test "a file that changes while it is packed by reference is refused, and no image is made" {
	rm -r model
	mkdir model
	head -c 100000 /dev/urandom >model/a
	head -c 100000 /dev/urandom >model/b
	mkfifo pipe
	exec 7<>pipe
	"$PYTHON" -c 'import fcntl, os
fcntl.fcntl(7, 1031, 4096)
os.write(7, b"x" * (fcntl.fcntl(7, 1032) - 101) + b"\n")'
	oci-from-weights --by-reference --name a --target /a --threads 1 --bundle-file-max 1 L model >&7 2>errors 3>&- &
	pid=$!
	has_a_recipe() {
		[ "$(ls L/recipes 2>/dev/null)" != "" ]
	}
	wait_for 10 has_a_recipe
	echo x >>model/b
	cat <&7 >output 3>&- &
	reader=$!
	SERVERS+=("$reader")
	exec 7>&-
	wait "$pid" && status=0 || status=$?
	[ "$status" -eq 65 ]
	[[ "$(cat errors)" == "oci-from-weights: b: it grew while it was read" ]]
	[ ! -e L/index.json ]
	[ "$(find L -name '.tmp-*')" = "" ]
}
