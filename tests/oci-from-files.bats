# SPDX-License-Identifier: Apache-2.0
load helper
load layout

OCI=application/vnd.oci.image
EMPTY=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a

setup() {
	own_world
	echo '{"spdxVersion": "SPDX-2.3"}' >sbom.json
	mkdir -p "a folder"
	echo signed >"a folder/schnee ❄.sig"
}

# entry NAME: what index.json of L says of a name.
entry() {
	jq -c --arg n "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n)' L/index.json
}

# made: the manifest of the last try.
made() {
	cat "L/blobs/sha256/$(jq -r 'select(.event == "image").digest[7:]' <<<"$output")"
}

# refused STATUS TEXT: the last try failed in one line with TEXT, and made no layout.
refused() {
	[ "$status" -eq "$1" ] && has_one_line "$stderr" && [[ $stderr == "oci-from-files: "*"$2"* ]] &&
		[ "$(jq -r 'select(.event != "error")' <<<"$output")" = "" ] && [ ! -e L ]
}

@test "files become a manifest as oras push makes it: titles, types and the empty config" {
	try oci-from-files --artifact-type application/x-sbom --annotation org.opencontainers.image.created=2024-01-01T00:00:00Z \
		L sbom.json "./a folder//schnee ❄.sig:application/x-signature"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	# The members of a manifest of oras 1.2, in its order.
	[ "$(made)" = "{\"schemaVersion\":2,\"mediaType\":\"$OCI.manifest.v1+json\",\"artifactType\":\"application/x-sbom\",\
\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"$EMPTY\",\"size\":2,\"data\":\"e30=\"},\
\"layers\":[{\"mediaType\":\"$OCI.layer.v1.tar\",\"digest\":\"sha256:$(sha sbom.json)\",\"size\":28,\
\"annotations\":{\"org.opencontainers.image.title\":\"sbom.json\"}},\
{\"mediaType\":\"application/x-signature\",\"digest\":\"sha256:$(sha "a folder/schnee ❄.sig")\",\"size\":7,\
\"annotations\":{\"org.opencontainers.image.title\":\"a folder/schnee ❄.sig\"}}],\
\"annotations\":{\"org.opencontainers.image.created\":\"2024-01-01T00:00:00Z\"}}" ]
	cmp sbom.json "L/blobs/sha256/$(sha sbom.json)"
	[ "$(cat "L/blobs/sha256/${EMPTY#sha256:}")" = "{}" ]
	[ "$(find L -name '.tmp-*')" = "" ]
}

@test "each blob has one record, also where files are the same, and the image record comes last" {
	echo -n '{}' >empty.json
	cp sbom.json copy.json
	try oci-from-files --artifact-type a/b --tag v1 L sbom.json copy.json empty.json
	[ "$status" -eq 0 ]
	[ "$(jq -r '[.event, .kind, .digest] | join(" ")' <<<"$output" | sed '$d')" = "blob config $EMPTY
blob layer sha256:$(sha sbom.json)
blob manifest sha256:$(made | sha256sum | cut -d' ' -f1)" ]
	[ "$(jq -c 'select(.event == "image") | [.names, .mediaType]' <<<"$output")" = "[[\"v1\"],\"$OCI.manifest.v1+json\"]" ]
	[ "$(made | jq -r '.layers[].annotations[]' | paste -sd' ')" = "sbom.json copy.json empty.json" ]
}

@test "-v names each file that is stored" {
	try oci-from-files -v --artifact-type a/b --config sbom.json L sbom.json "a folder/schnee ❄.sig:a/b"
	[ "$status" -eq 0 ]
	[ "$stderr" = "oci-from-files: store sbom.json: 28 bytes
oci-from-files: store sbom.json: 28 bytes
oci-from-files: store a folder/schnee ❄.sig: 7 bytes" ]
}

@test "the same files give the same digest, whatever their times and the order of the annotations" {
	try oci-from-files --artifact-type a/b --annotation x=1 --annotation a=2 L sbom.json
	one=$(made)
	touch -d 2001-01-01 sbom.json
	(umask 077; try oci-from-files --artifact-type a/b --annotation a=2 --annotation x=1 L sbom.json; made >two)
	[ "$one" = "$(cat two)" ]
	[ "$(jq '.manifests | length' L/index.json)" -eq 1 ]
}

@test "--tag names the artifact, and a name that exists moves; without it the digest does" {
	try oci-from-files --artifact-type a/b --tag v1 L sbom.json
	try oci-from-files --artifact-type c/d --tag v1 L sbom.json
	[ "$status" -eq 0 ]
	digest=sha256:$(made | sha256sum | cut -d' ' -f1)
	[ "$(entry v1)" = "{\"mediaType\":\"$OCI.manifest.v1+json\",\"digest\":\"$digest\",\"size\":$(made | wc -c),\"artifactType\":\"c/d\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}}" ]
	[ "$(jq '.manifests | length' L/index.json)" -eq 1 ]
	try oci-from-files --artifact-type e/f L sbom.json
	[ "$(jq -c 'select(.event == "image").names' <<<"$output")" = "[]" ]
	try oci-blobs -i "$(jq -r 'select(.event == "image").digest' <<<"$output")" L
	[ "$(jq -r .kind <<<"$output" | paste -sd' ')" = "config layer manifest" ]
}

@test "--config is the config, with the type that is given or that of oras" {
	try oci-from-files --artifact-type a/b --config "$PWD/sbom.json:application/x-config" L "a folder/schnee ❄.sig"
	[ "$status" -eq 0 ]
	[ "$(made | jq -c .config)" = "{\"mediaType\":\"application/x-config\",\"digest\":\"sha256:$(sha sbom.json)\",\"size\":28}" ]
	[ "$(jq -r 'select(.kind == "config").mediaType' <<<"$output")" = application/x-config ]
	try oci-from-files --artifact-type a/b --config sbom.json L sbom.json
	[ "$(made | jq -r .config.mediaType)" = application/vnd.unknown.config.v1+json ]
	[ ! -e "L/blobs/sha256/${EMPTY#sha256:}" ]
}

@test "--subject is described as the layout has it, by name and by digest, an index too" {
	new_layout L
	one=$(add_manifest L "$(add_text L '{"architecture":"amd64","os":"linux"}')" "$(random_blob L 100)")
	index=$(add_index L "$one")
	add_image L "$index" team/app:v1 index
	for subject in team/app:v1 "$index"; do
		try oci-from-files --artifact-type a/b --subject "$subject" L sbom.json
		[ "$status" -eq 0 ]
		[ "$(made | jq -c .subject)" = "{\"mediaType\":\"$OCI.index.v1+json\",\"digest\":\"$index\",\"size\":$(size_of L "$index")}" ]
	done
	# Inside the index.
	try oci-from-files --artifact-type a/b --subject "$one" L sbom.json
	[ "$(made | jq -c .subject)" = "{\"mediaType\":\"$OCI.manifest.v1+json\",\"digest\":\"$one\",\"size\":$(size_of L "$one")}" ]
}

@test "a subject that is not there, or damaged, is refused before anything is stored" {
	try oci-from-files --artifact-type a/b --subject x L sbom.json
	refused 65 "L: No such file or directory"
	new_layout L
	one=$(add_manifest L "$(add_text L '{}')")
	add_image L "$one" x
	find L -type f | sort >before
	for subject in y "sha256:$(printf '%064d' 1)"; do
		try oci-from-files --artifact-type a/b --subject "$subject" L sbom.json
		[ "$status" -eq 1 ]
		[[ $stderr == "oci-from-files: L: no image '$subject'; there are: x" ]]
	done
	echo >>"L/blobs/sha256/${one#sha256:}"
	try oci-from-files --artifact-type a/b --subject x L sbom.json
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
	find L -type f | sort | diff before -
}

@test "a file that is not there, no file or not readable is refused before anything is stored" {
	mkfifo fifo
	echo secret >locked
	chmod 000 locked
	for line in "absent:1:absent: No such file or directory" "fifo:65:fifo: not a regular file" \
		"a folder:65:a folder: a folder: pack it with tar first" "locked:1:locked: Permission denied"; do
		IFS=: read -r file want text <<<"$line"
		try unprivileged oci-from-files --artifact-type a/b L sbom.json "$file"
		refused "$want" "$text"
		try unprivileged oci-from-files --artifact-type a/b --config "$file" L sbom.json
		refused "$want" "$text"
	done
}

@test "a name that has no place in an artifact is refused" {
	mkdir -p sub
	for file in "$PWD/sbom.json" ../"$(basename "$PWD")"/sbom.json sub/../sbom.json . $'a\nb' $'a\e[1m' $'a\xff' $'a\u202eb'; do
		[ "$file" = . ] || [[ $file == *sbom.json ]] || echo x >"$file"
		try oci-from-files --artifact-type a/b L "$file"
		refused 2 "(try 'oci-from-files --help')"
	done
	try oci-from-files --artifact-type a/b L sbom.json ./sbom.json:a/b
	refused 2 "'sbom.json' is given twice"
}

@test "wrong usage makes no layout" {
	for line in "" L "L sbom.json" "--artifact-type a/b L" "--artifact-type a L sbom.json" \
		"--artifact-type a/b --tag cog-x L sbom.json" "--artifact-type a/b --tag a/b:cog-x L sbom.json" \
		"--artifact-type a/b --tag . L sbom.json" "--artifact-type a/b --annotation x L sbom.json" \
		"--artifact-type a/b L sbom.json:spdx" "--artifact-type a/b L :a/b" "--artifact-type a/b --config :a/b L sbom.json"; do
		# shellcheck disable=SC2086
		try oci-from-files $line
		refused 2 "(try 'oci-from-files --help')"
	done
	[[ $stderr == *"no file name"* ]]
}

@test "a colon in a file's name needs one at its end" {
	echo x >a:b
	try oci-from-files --artifact-type a/b L a:b
	refused 2 "'a:b': 'b' is not a media type; a file whose name has a colon is written with one at the end: 'a:b:'"
	try oci-from-files --artifact-type a/b L a:b:
	[ "$status" -eq 0 ]
	[ "$(made | jq -r '.layers[0].annotations[]')" = a:b ]
}

@test "a file that has more or less than its size said is refused, and leaves no blob" {
	# The kernel says a size of 0 for the one, of a page for the other.
	ln -s /proc/version more
	ln -s /sys/devices/system/cpu/online less
	[ "$(stat -Lc %s more)" -eq 0 ]
	[ "$(stat -Lc %s less)" -gt "$(wc -c <less)" ]
	for file in more less; do
		try oci-from-files --artifact-type a/b L "$file"
		[ "$status" -eq 65 ]
		[[ $stderr == "oci-from-files: $file: it changed while it was read" ]]
		[ "$(find L/blobs -type f)" = "L/blobs/sha256/${EMPTY#sha256:}" ]
		[ ! -e L/index.json ]
		[ "$(find L -name '.tmp-*')" = "" ]
	done
}

@test "a link to a file is that file, under the name of the link" {
	ln -s sbom.json link
	try oci-from-files --artifact-type a/b L link
	[ "$status" -eq 0 ]
	[ "$(made | jq -r '.layers[0] | .digest + " " + .annotations[]')" = "sha256:$(sha sbom.json) link" ]
}

@test "an artifact with a subject is pushed and listed as a referrer, by the registry or under the tag" {
	oci-from-dockertar -f "$DATA/docker26.tar" L >image
	subject=$(jq -r 'select(.event == "image").digest' image)
	oci-from-files --artifact-type application/x-sbom --annotation note=mine --subject example.com/team/fixture:v1 \
		L sbom.json:application/spdx+json >sbom
	artifact=$(jq -r 'select(.event == "image").digest' sbom)
	for mode in "" "--subject api"; do
		# shellcheck disable=SC2086
		start_registry $mode
		oci-blob-upload L "$REGISTRY/a/b" <image
		oci-manifest-put -i "$subject" L "$REGISTRY/a/b:v1"
		oci-blob-upload L "$REGISTRY/a/b" <sbom
		try oci-manifest-put -i "$artifact" L "$REGISTRY/a/b@$artifact"
		[ "$status" -eq 0 ]
		curl -fsS "http://$REGISTRY/v2/a/b/manifests/$artifact" -H 'User-Agent: cog-push/test' |
			cmp - "L/blobs/sha256/${artifact#sha256:}"
		if [ -z "$mode" ]; then
			listing=manifests/sha256-${subject#sha256:}
		else
			listing=referrers/$subject
			[ "$(requests 'select(.path | contains("sha256-"))')" = "" ]
		fi
		curl -fsS "http://$REGISTRY/v2/a/b/$listing" -H 'User-Agent: cog-push/test' >list
		[ "$(jq -r '.manifests[].digest' list)" = "$artifact" ]
		[ -n "$mode" ] || [ "$(jq -r '.manifests[] | .artifactType + " " + .annotations.note' list)" = "application/x-sbom mine" ]
	done
}
