# SPDX-License-Identifier: Apache-2.0
# What a fault costs, with each kind of registry: blobs of 64 MiB in chunks of 5 MiB and less, through
# faults of fixed seeds. The bounds are those of tests/campaign, counted at the registry.
load ../helper

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
