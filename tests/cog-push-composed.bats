# SPDX-License-Identifier: Apache-2.0
# cog-push, what it composes: several platforms, artifacts, weights.
load helper
load layout

OCI=application/vnd.oci.image

setup() {
	own_world
}

# The manifest that the registry has as NAME.
manifest() {
	curl -fsS -A cog-push/tests -H "Accept: $OCI.index.v1+json, $OCI.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json" \
		"http://$REGISTRY/v2/$1/manifests/$2"
}

# image LAYOUT NAME ARCHITECTURE: an image in a layout of its own; prints its digest.
image() {
	local digest
	[ -d "$1" ] || new_layout "$1"
	digest=$(add_manifest "$1" "$(add_text "$1" "{\"architecture\":\"$3\",\"os\":\"linux\"}")" "$(random_blob "$1" 1000)")
	add_image "$1" "$digest" "$2"
	echo "$digest"
}

# --- Several images as one index -----------------------------------------------------------------

@test "--index pushes a layout, a tar and a pipe as one index of their platforms" {
	start_registry
	arm=$(image arm team/app:arm arm64)
	cp -R arm before
	try cog-push --index "$REGISTRY/team/app:v1" ./arm "$DATA/docker20.tar"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/team/app@sha256:$(manifest team/app v1 | sha256sum | cut -d ' ' -f 1)" ]
	[ "$(manifest team/app v1 | jq -c '[.manifests[].platform.architecture]')" = '["arm64","amd64"]' ]
	[ "$(manifest team/app v1 | jq -r '.manifests[0].digest')" = "$arm" ]
	diff -r arm before
	try cog-push --index "$REGISTRY/team/app:v1" ./arm - <"$DATA/docker20.tar"
	[ "$status" -eq 0 ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "--index with an image that does not exist sends nothing" {
	start_registry
	image arm team/app:arm arm64 >/dev/null
	try cog-push --index "$REGISTRY/team/app:v1" ./arm ./absent
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-push: ./absent: no such file or directory" ]
	[ -z "$(requests '')" ]
}
