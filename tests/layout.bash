# SPDX-License-Identifier: Apache-2.0
# Layouts made by hand, for tests of what reads them.

# new_layout DIR: an empty layout.
new_layout() {
	mkdir -p "$1/blobs/sha256"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
	echo '{"schemaVersion":2,"manifests":[]}' >"$1/index.json"
}

# add_blob DIR FILE: stores FILE and prints its digest.
add_blob() {
	local hex
	hex=$(sha "$2")
	cp "$2" "$1/blobs/sha256/$hex"
	echo "sha256:$hex"
}

# random_blob DIR SIZE: stores SIZE random bytes and prints their digest.
random_blob() {
	head -c "$2" /dev/urandom | add_stream "$1"
}

# add_text DIR TEXT: stores TEXT as it is and prints its digest.
add_text() {
	printf '%s' "$2" | add_stream "$1"
}

add_stream() { # DIR
	local file=$1/blobs/new.$BASHPID hex
	cat >"$file"
	hex=$(sha "$file")
	mv "$file" "$1/blobs/sha256/$hex"
	echo "sha256:$hex"
}

size_of() { # DIR DIGEST
	stat -c %s "$1/blobs/sha256/${2#sha256:}"
}

# add_manifest DIR CONFIG LAYER...: prints the digest.
add_manifest() {
	local dir=$1 config=$2 layer layers=
	shift 2
	for layer; do
		layers+="${layers:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
		layers+="\"digest\":\"$layer\",\"size\":$(size_of "$dir" "$layer")}"
	done
	add_text "$dir" "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",
 \"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"$config\",\"size\":$(size_of "$dir" "$config")},
 \"layers\":[$layers]}"
}

# add_index DIR MANIFEST...: an index of manifests; prints the digest.
add_index() {
	local dir=$1 child children=
	shift
	for child; do
		children+="${children:+,}{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		children+="\"digest\":\"$child\",\"size\":$(size_of "$dir" "$child")}"
	done
	add_text "$dir" "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[$children]}"
}

# add_image DIR DIGEST NAME [TYPE]: an entry of index.json; TYPE is manifest or index.
add_image() {
	local type=application/vnd.oci.image.${4:-manifest}.v1+json
	jq --arg d "$2" --arg n "$3" --arg t "$type" --argjson s "$(size_of "$1" "$2")" \
		'.manifests += [{mediaType: $t, digest: $d, size: $s,
		 annotations: {"org.opencontainers.image.ref.name": $n}}]' \
		"$1/index.json" >"$1/index.new" && mv "$1/index.new" "$1/index.json"
}

# add_weight DIR NAME TARGET [JQ-FILTER]: a weight as cog has them, of two layers that say they are of 2 and
# 3 GB; the filter changes its manifest. Prints its digest.
add_weight() {
	jq -cnj --arg name "$2" --arg target "$3" --arg set "sha256:$(printf '%064d' 7)" \
		--arg config "$(add_text "$1" '{}')" --arg a "$(random_blob "$1" 10)" --arg b "$(random_blob "$1" 11)" '
		def layer($d; $n; $size): {mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $d, size: $n,
			annotations: {"run.cog.weight.size.uncompressed": $size}};
		{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		 artifactType: "application/vnd.cog.weight.v1",
		 config: {mediaType: "application/vnd.cog.weight.config.v1+json", digest: $config, size: 2},
		 layers: [layer($a; 10; "2000000000"), layer($b; 11; "3000000000")],
		 annotations: {"run.cog.weight.name": $name, "run.cog.weight.target": $target,
		 "run.cog.weight.set-digest": $set}} | '"${4:-.}" | add_stream "$1"
}

# make_certificate: a CA-less certificate for 127.0.0.1 and localhost; CERT and KEY.
make_certificate() {
	CERT=$WORLD/cert.pem KEY=$WORLD/key.pem
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$KEY" -out "$CERT" 2>/dev/null
}

# A port of loopback that nothing listens on.
NOBODY=127.0.0.1:1

# stop_registry: ends the last started server.
stop_registry() {
	kill "${SERVERS[-1]}"
	wait "${SERVERS[-1]}" || true
	unset 'SERVERS[-1]'
}
