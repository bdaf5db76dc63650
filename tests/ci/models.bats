# SPDX-License-Identifier: Apache-2.0
# What a fault costs, with each kind of registry: blobs of 64 MiB in chunks of 5 MiB and less, through
# faults of fixed seeds. The bounds are those of tests/campaign, counted at the registry.
load ../helper
load ../layout

# campaign OPTION...: of which the figures are shown.
campaign() {
	try "$ROOT/tests/campaign" --dir "$WORLD" "$@"
	[ "$status" -eq 0 ]
}

# cut_at_20_places MODEL...: one connection a blob.
cut_at_20_places() {
	local model
	for model; do
		campaign --model "$model" --kind cut --per-blob 1 --faults 20 --seed "$model" \
			--size 67108864 --chunk 2097152:5242880
	done
}

@test "v3: a cut connection costs nothing, for it keeps what came" {
	cut_at_20_places v3
}

@test "serverless, ecr, ghcr, quay, acr: a cut connection costs at most a chunk" {
	cut_at_20_places serverless ecr ghcr quay acr
}

@test "v2, google, gitea, zot: a cut connection costs at most one restart" {
	cut_at_20_places v2 google gitea zot
}

@test "an uploader is killed 50 times, between chunks and within: the next goes on, at the same cost" {
	campaign --kind kill --per-blob 1:3 --faults 50 --seed kill --size 33554432 --chunk 1048576:5242880
}

@test "all kinds of faults in a blob, 100 of them" {
	campaign --faults 100 --seed all
}

@test "a PUT that is answered after a minute is waited for, without a word" {
	new_layout L
	start_registry --delay-put 60
	export COG_PUSH_MULTIPART_THRESHOLD=100000
	printf '%s\n' "$(random_blob L 1000)" "$(random_blob L 200000)" >digests
	try xargs -P 2 -n 1 oci-blob-upload L "$REGISTRY/a/b" <digests
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(requests 'select(.method == "PUT").bodyBytes' | sort | paste -sd' ')" = "0 1000" ]
	[ "$(jq 'select(.event == "done").ms >= 60000' <<<"$output" | paste -sd' ')" = "true true" ]
}
