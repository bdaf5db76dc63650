# SPDX-License-Identifier: Apache-2.0
load helper

CONFIG=sha256:6fc1ad1f3c2862418e278843680ec107a4c386befcfc98ebeb1b8dfee13350ec
LAYER=sha256:248c5d0f636dfabb1b9e2f57c3fded6086909901636f9019d1d597326a582c45

setup() {
	own_world
	MANIFEST=$(image_digest)
	oci-from-dockertar -f "$DATA/docker20.tar" L >records
}

cache() {
	(cd "$XDG_CACHE_HOME/cog-push/known" && ls)
}

@test "an image that was added is found by its ID: its blobs are listed, its manifest is put into the layout" {
	try cog-known add L "$CONFIG" "$MANIFEST"
	[ "$status" -eq 0 ]
	[ "$output$stderr" = "" ]
	try cog-known find found "$CONFIG"
	[ "$status" -eq 0 ]
	oci-blobs L >blobs
	diff <(jq -c 'select(.event == "blob") | [.digest, .size, .mediaType, .kind]' <<<"$output") \
		<(jq -c '[.digest, .size, .mediaType, .kind]' blobs)
	[ "$(jq -r 'select(.event == "image") | .digest, .platform' <<<"$output" | xargs)" = "$MANIFEST linux/amd64" ]
	[ "$(jq -r 'select(.diffId).diffId' <<<"$output" | sort)" = \
		"$(jq -r 'select(.event == "blob" and .diffId).diffId' records | sort)" ]
	cmp found/blobs/sha256/"${MANIFEST#sha256:}" L/blobs/sha256/"${MANIFEST#sha256:}"
	cmp found/blobs/sha256/"${CONFIG#sha256:}" L/blobs/sha256/"${CONFIG#sha256:}"
	find found/blobs -type f >files
	[ "$(wc -l <files)" -eq 2 ]
	[ "$(jq -r '.manifests[].digest' found/index.json)" = "$MANIFEST" ]
}

@test "an image is found by the digest of its root too, with the manifests of an index" {
	oci-from-dockertar -f "$DATA/buildah-multiarch-oci-archive.tar" M >records
	root=$(jq -r 'select(.event == "image").digest' records)
	cog-known add M "$root" "$root"
	try cog-known find found "$root"
	diff <(jq -r 'select(.event == "blob").digest' <<<"$output") <(oci-blobs M | jq -r .digest)
	run -0 oci-blobs --incomplete found
}

@test "what is not known is no failure: nothing is listed" {
	try cog-known find found "$CONFIG" "$LAYER"
	[ "$status" -eq 0 ]
	[ "$output$stderr" = "" ]
	cog-known add L "$CONFIG" "$MANIFEST"
	try cog-known --compress zstd find found "$CONFIG" "$LAYER"
	[ "$output$stderr" = "" ]
	HOME='' XDG_CACHE_HOME='' try cog-known find found "$CONFIG"
	[ "$status" -eq 0 ]
	[ "$output$stderr" = "" ]
}

@test "a key that does not tell the image is passed over" {
	cog-known add L "$LAYER" "$MANIFEST"
	try cog-known find found "$LAYER"
	[ "$output" = "" ]
}

@test "layers of another image are found by their diffIds, and written as lines for the converter" {
	cog-known add L "$CONFIG" "$MANIFEST"
	try cog-known --lines lines find found "$LAYER" "$LAYER" "$CONFIG"
	[ "$status" -eq 0 ]
	[ "$(jq -r '[.event, .kind, .diffId] | join(" ")' <<<"$output")" = "blob layer $LAYER" ]
	line=$(jq -r '"\(.diffId) \(.digest) \(.size)"' <<<"$output")
	# Once more with the ID of the place where it is not the last.
	[ "$(grep -Ec "^$line( sha256:[0-9a-f]{64})?$" lines)" -eq 2 ]
	[ "$(wc -l <lines)" -eq 2 ]
}

@test "of layers that were pushed as they are those are written that are compressed as asked" {
	oci-from-dockertar -f "$DATA/docker26-containerd.tar" K >records
	root=$(jq -r 'select(.event == "image").digest' records)
	cog-known add K "$root" "$root"
	diff_id=$(oci-tar-images --layers "$DATA/docker26-containerd.tar" | jq -r 'select(.diffId).diffId' | head -n 1)
	try cog-known --lines lines find found "$LAYER" "$diff_id"
	[[ $output == *rootfs.diff.tar.gzip* ]]
	[ "$(cut -d ' ' -f 1,2 lines)" = "$diff_id $(jq -r .digest <<<"$output")" ]
	rm -r "$XDG_CACHE_HOME"
	oci-from-dockertar -f "$DATA/skopeo-zstd-oci-archive.tar" Z >records
	root=$(jq -r 'select(.event == "image").digest' records)
	cog-known add Z "$root" "$root"
	diff_id=$(oci-tar-images --layers "$DATA/skopeo-zstd-oci-archive.tar" | jq -r 'select(.diffId).diffId' | head -n 1)
	try cog-known --lines lines find found "$LAYER" "$diff_id"
	[[ $output == *+zstd* ]]
	[ ! -s lines ]
}

@test "a cache that is damaged counts as none" {
	cog-known add L "$CONFIG" "$MANIFEST"
	file=$XDG_CACHE_HOME/cog-push/known/$(cache)
	cp "$file" good
	for bad in '' '{' '[]' '{"manifests":[]}' '{"manifests":[{"mediaType":"x"}],"diffIds":1}' \
		'{"manifests":[{"mediaType":"x","text":"{}"}],"diffIds":{}}' "$(sed 's/"diffIds"/"other"/; s/schemaVersion/x/' good)"; do
		printf %s "$bad" >"$file"
		rm -rf found
		try cog-known find found "$CONFIG" "$LAYER"
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "image")' <<<"$output")" = "" ]
	done
}

@test "files of the cache are private, and only the newest 256 are kept" {
	cog-known add L "$CONFIG" "$MANIFEST"
	[ "$(stat -c %a "$XDG_CACHE_HOME/cog-push/known")" = 700 ]
	[ "$(stat -c %a "$XDG_CACHE_HOME/cog-push/known/$(cache)")" = 600 ]
	for n in {1..256}; do
		touch -d "2020-01-01 00:00:$((n % 60))" "$XDG_CACHE_HOME/cog-push/known/gzip.$n"
	done
	touch -d 2019-01-01 "$XDG_CACHE_HOME/cog-push/known/gzip.oldest"
	cog-known add L "$CONFIG" "$MANIFEST"
	[ "$(cache | wc -l)" -eq 256 ]
	[ -z "$(cache | grep oldest)" ]
	cache | grep -q "${CONFIG#sha256:}"
}

@test "wrong usage" {
	for arguments in "" find "find L" "add L $CONFIG" "look L $CONFIG" "find L word" "add L $CONFIG word" "find L $CONFIG word"; do
		# shellcheck disable=SC2086
		try cog-known $arguments
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}
