# SPDX-License-Identifier: Apache-2.0
# What the registry has already is neither saved, compressed nor sent by cog-push.
load helper
load engine

setup() {
	own_world
	DOCKER20=$(image_digest)
	cp "$DATA/docker20.tar" img.tar
}

# puts: how many blobs were put.
puts() {
	requests 'select(.method == "PUT" and (.path | contains("/blobs/")) and .status == 201)' | wc -l
}

# forget_requests: those so far.
forget_requests() {
	: >"$REGISTRY_LOG"
}

methods() {
	requests 'select(.path | startswith("/v2/")) | .method' | tr -d '"' | sort | uniq -c | awk '{printf "%s%s ", $1, $2}'
}

# image_with LAYER... > TAR: a saved image of these files, tars, as layers.
image_with() {
	"$PYTHON" - "$@" <<-'END'
		import hashlib, io, json, sys, tarfile
		out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
		def add(name, data):
		    info = tarfile.TarInfo(name)
		    info.size = len(data)
		    out.addfile(info, io.BytesIO(data))
		layers = [open(name, "rb").read() for name in sys.argv[1:]]
		ids = ["sha256:" + hashlib.sha256(each).hexdigest() for each in layers]
		config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}})
		names = []
		for n, each in enumerate(layers):
		    names.append(f"{n}/layer.tar")
		    add(names[-1], each)
		add("config.json", config.encode())
		add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": ["a/b:v1"], "Layers": names}]).encode())
		out.close()
	END
}

# layer NAME: a tar of one file with this content.
layer() {
	mkdir -p content
	seq 5000 | sed "s/^/$1 /" >"content/$1"
	tar -cf "$1.layer" -C content "$1"
}

@test "a file that was pushed before is asked for, a HEAD a blob, and not converted" {
	start_registry
	run -0 cog-push img.tar "$REGISTRY/a/b:v1"
	forget_requests
	stand_in oci-from-dockertar <<<'exit 1'
	PATH=$WORLD/stand-ins:$PATH try cog-push img.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -c '^sha256:.* exists$' <<<"$stderr")" -eq 5 ]
	[ "$(grep -vc '^sha256:' <<<"$stderr")" -eq 5 ]
	grep -qx '  layers: 0 new, 4 existing, 0 mounted' <<<"$stderr"
	# The question whether we may push, whose session is given up, and the tag.
	[ "$(methods)" = "1DELETE 6HEAD 1POST " ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

# stand_in PROGRAM <SCRIPT: what PROGRAM is with $WORLD/stand-ins in PATH; the script finds it in REAL.
stand_in() {
	REAL=$(command -v "$1")
	export REAL WORLD
	mkdir -p stand-ins
	{ echo '#!/bin/sh' && cat; } >"stand-ins/$1"
	chmod +x "stand-ins/$1"
}

@test "an image of an engine that was pushed before is not saved, and gets another tag" {
	fake_engine docker
	start_registry
	run -0 cog-push fixture "$REGISTRY/a/b:v1"
	export SAVE='echo saved >>"$WORLD/saved"; cat "$SAVED"'
	try cog-push fixture "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ ! -e saved ]
	[ "$(requests 'select(.method == "PUT" and .status == 201).path' | grep -c manifests/v2)" -eq 1 ]
	grep -qx '  platform: linux/amd64' <<<"$stderr"
}

@test "with a new layer on known ones only the new one is compressed and sent" {
	layer one && layer two && layer three
	image_with one.layer two.layer >old.tar
	image_with one.layer two.layer three.layer >new.tar
	start_registry
	run -0 cog-push old.tar "$REGISTRY/a/b:v1"
	puts=$(puts)
	try cog-push --json new.tar "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	# The new layer and the new config.
	[ "$(puts)" -eq $((puts + 2)) ]
	[ "$(jq -r 'select(.event == "blob" and .kind == "layer").diffId' <<<"$output")" = "sha256:$(sha three.layer)" ]
	[ "$(jq -r 'select(.event == "done").how' <<<"$output" | sort | uniq -c | xargs)" = "2 exists 2 uploaded" ]
	# What is pushed is what is pushed without a cache.
	oci-from-dockertar -f new.tar L >records
	[ "$(jq -r 'select(.event == "manifest").digest' <<<"$output")" = "$(jq -r 'select(.event == "image").digest' records)" ]
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "the same with an engine, which tells the diffIds before it saves" {
	layer one && layer two && layer three
	image_with one.layer two.layer >old.tar
	image_with one.layer two.layer three.layer >new.tar
	fake_engine docker
	start_registry
	run -0 cog-push old.tar "$REGISTRY/a/b:v1"
	puts=$(puts)
	id=$(oci-tar-images new.tar | jq -r .configDigest)
	sed -i "s/$ENGINE_ID/$id/" names
	LAYERS="sha256:$(sha one.layer) sha256:$(sha two.layer) sha256:$(sha three.layer)"
	export LAYERS SAVED=$WORLD/new.tar
	try cog-push fixture "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$(puts)" -eq $((puts + 2)) ]
	oci-from-dockertar -f new.tar L >records
	try oci-verify L "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
}

@test "the same with an engine that saves its layers compressed" {
	fake_engine docker
	start_registry
	tar=$DATA/docker26-containerd.tar
	run -0 cog-push "$tar" "$REGISTRY/a/b:v1"
	puts=$(puts)
	# Known by its layers alone.
	mv "$XDG_CACHE_HOME"/cog-push/known/gzip.* "$XDG_CACHE_HOME/cog-push/known/gzip.$(printf '%064d' 1)"
	LAYERS=$(oci-tar-images --layers "$tar" | jq -r 'select(.event == "layer").diffId' | paste -sd' ')
	export LAYERS SAVED=$tar
	try cog-push fixture "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$(puts)" -eq "$puts" ]
	[ "$output" = "$REGISTRY/a/b@$(oci-tar-images "$tar" | jq -r .digest)" ]
}

@test "what another repository of the registry has is mounted, not saved" {
	fake_engine docker
	start_registry --mount 201
	run -0 cog-push fixture "$REGISTRY/a/b:v1"
	export SAVE='echo saved >>"$WORLD/saved"; cat "$SAVED"'
	try cog-push fixture "$REGISTRY/c/d:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/c/d@$DOCKER20" ]
	[ ! -e saved ]
	[ "$(grep -c '^sha256:.*[1-9][0-9.]* k*B  mounted$' <<<"$stderr")" -eq 5 ]
}

@test "a registry that does not have what was pushed elsewhere gets all of it" {
	start_registry
	run -0 cog-push img.tar "$REGISTRY/a/b:v1"
	start_registry
	try cog-push img.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(puts)" -eq 5 ]
}

@test "what a registry loses while the push runs is made again, from the source" {
	start_registry
	run -0 cog-push img.tar "$REGISTRY/a/b:v1"
	# A manifest that the registry refuses the first time, for want of a blob.
	stand_in oci-manifest-put <<-'END'
		[ ! -e "$WORLD/refused" ] || exec "$REAL" "$@"
		: >"$WORLD/refused"
		printf '65\toci-manifest-put: a blob is not in the layout\n' >&"$COG_REPORT_FD"
		exit 65
	END
	PATH=$WORLD/stand-ins:$PATH try cog-push img.tar "$REGISTRY/a/b:v2"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
	[ "$(grep -c 'cog-push: warning: oci-manifest-put: a blob is not in the layout: sent again' <<<"$stderr")" -eq 1 ]
	# Each blob was asked for twice: as known, and when it was there to be sent.
	[ "$(grep -c exists <<<"$stderr")" -eq 10 ]
}

@test "a layout that the user names is complete, whatever is known" {
	start_registry
	run -0 cog-push img.tar "$REGISTRY/a/b:v1"
	run -0 cog-push --layout L img.tar "$REGISTRY/a/b:v1"
	run -0 oci-blobs L
}

@test "a layout that was kept is incomplete, and the command that goes on says so" {
	start_registry --fail-at PUT:6:503
	export COG_PUSH_RETRIES=0
	try cog-push img.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 75 ]
	[[ $(tail -n 1 <<<"$stderr") == "cog-push: to go on: cog-push "*"--incomplete "* ]]
	kept=$(grep -o '[^ ]*/cog-push-layout[^ ]*\|'\''[^'\'']*cog-push-layout[^'\'']*' <<<"$stderr" | tr -d "'" | tail -n 1)
	[ -d "$kept" ]
	eval "try ${stderr##*to go on: }"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$DOCKER20" ]
}

@test "an incomplete layout without what the registry lacks too is bad data, and names the blob" {
	start_registry
	oci-from-dockertar -f img.tar L >records
	layer=$(jq -r 'select(.event == "blob" and .kind == "layer").digest' records | head -n 1)
	rm "L/blobs/sha256/${layer#sha256:}"
	try cog-push --incomplete L "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
	grep -qx "cog-push: L: blob $layer is neither there nor in the registry" <<<"$stderr"
	try cog-push L "$REGISTRY/a/b:v1"
	[ "$status" -eq 65 ]
}

@test "how layers are compressed decides what is known" {
	start_registry
	run -0 cog-push img.tar "$REGISTRY/a/b:v1"
	try cog-push --compress=none img.tar "$REGISTRY/a/b:plain"
	[ "$status" -eq 0 ]
	[ "$(grep -c uploaded <<<"$stderr")" -eq 4 ]
	try cog-push --compress=none img.tar "$REGISTRY/a/b:plain"
	[ "$(grep -c exists <<<"$stderr")" -eq 5 ]
}

@test "blobs leave the layout of the run once the registry has them" {
	layer one && layer two
	head -c 300000 /dev/urandom >content/noise
	tar -cf noise.layer -C content noise
	image_with noise.layer one.layer two.layer >big.tar
	start_registry
	stand_in oci-manifest-put <<-'END'
		find "$COG_RUN_DIR/layout/blobs" -type f -size +100k >"$WORLD/large"
		exec "$REAL" "$@"
	END
	PATH=$WORLD/stand-ins:$PATH try cog-push big.tar "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ -e large ] && [ ! -s large ]
}
