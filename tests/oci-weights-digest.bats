# SPDX-License-Identifier: Apache-2.0
load helper
load layout
load weights

setup() {
	own_world
	make_model model 70000
}

@test "the record has the digest that sha256sum gives, the size, and the tag that the weight will have" {
	try oci-weights-digest --name "a base" --target /src/weights model
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	output=$(grep -v '"event":"hash"' <<<"$output")
	set=$(set_digest model)
	bytes=$(find model -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
	[ "$(jq -c . <<<"$output")" = "{\"event\":\"weight\",\"name\":\"a base\",\"setDigest\":\"$set\",\"tag\":\"cog-weight.a-base.${set:7:12}\",\"size\":$bytes}" ]
	oci-from-weights --name "a base" --target /src/weights layout model >records
	[ "$(jq -r 'select(.event == "image").names[0]' records)" = "$(jq -r .tag <<<"$output")" ]
	[ "$(oci-weights-digest --name "a base" --threads 1 model | grep -v '"event":"hash"')" = "$output" ]
}

@test "with --files no file is hashed twice, and the weight is the same" {
	oci-weights-digest --name a --files digests model >record
	[ "$(stat -c %a digests)" = 600 ]
	[ "$(wc -l <digests)" -eq "$(find model -type f | wc -l)" ]
	oci-from-weights --name a --target /a plain model >records
	oci-from-weights --name a --target /a --files digests kept model >records
	cmp plain/index.json kept/index.json
	# A digest in it that is not the file's is believed: that is what it is for.
	sed "1s/^sha256:..../sha256:0000/" digests >forged
	chmod 600 forged
	oci-from-weights --name a --target /a --files forged other model >records
	[ "$(config other -r '[.files[].digest] | sort | .[0][7:11]')" = 0000 ]
}

@test "a file that changed after it was hashed is hashed again" {
	oci-weights-digest --name a --files digests model >record
	printf x | dd of=model/config.json bs=1 seek=3 conv=notrunc status=none
	rm model/tokenizer.json
	echo new >model/new
	oci-from-weights --name a --target /a --files digests layout model >records
	oci-weights-check layout a model
	[ "$(manifest layout -r '.annotations["run.cog.weight.set-digest"]')" = "$(set_digest model)" ]
}

@test "a file of digests that others can have written, or that is none, is refused" {
	oci-weights-digest --name a --files digests model >record
	chmod g+w digests
	try oci-from-weights --name a --target /a --files digests layout model
	[ "$status" -eq 65 ]
	[ "$stderr" = "oci-from-weights: digests: others than you can have written it" ]
	echo garbage >digests
	chmod 600 digests
	try oci-from-weights --name a --target /a --files digests layout model
	[ "$status" -eq 65 ]
	[ "$stderr" = "oci-from-weights: digests: not a file of digests" ]
	try oci-from-weights --name a --target /a --files absent layout model
	[ "$status" -eq 1 ]
	[ ! -e layout/index.json ]
}

@test "what can be in no weight is refused by path and reason" {
	ln -s config.json model/link
	try oci-weights-digest --name a model
	[ "$status" -eq 65 ]
	[[ $stderr == *"link: it is a symbolic link"* ]]
	rm model/link
	try oci-weights-digest --name a --target relative model
	[ "$status" -eq 65 ]
	has_one_line "$stderr"
	try oci-weights-digest model
	[ "$status" -eq 2 ]
	try oci-weights-digest --name a absent
	[ "$status" -ne 0 ]
	has_one_line "$stderr"
}
