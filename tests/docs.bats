# SPDX-License-Identifier: Apache-2.0
# The README and the man pages: every example runs as it stands, every record is described.
load helper

setup() {
	own_world
	make_engine
	cp "$DATA/docker26.tar" img.tar
}

# An engine that has one image, the one of docker26.tar.
make_engine() {
	mkdir engine
	cat >engine/docker <<-'END'
		#!/bin/sh
		case "$1 ${2-}" in
		"save -o") exec cp "$SAVED" "$3" ;;
		"save "*) exec cat "$SAVED" ;;
		"build -t") ;;
		"image inspect" | "inspect "*) echo "$IMAGE_ID" ;;
		*) echo "engine: not expected: $*" >&2 && exit 1 ;;
		esac
	END
	chmod +x engine/docker
	export SAVED=$DATA/docker26.tar PATH=$WORLD/engine:$PATH
	IMAGE_ID=sha256:$(tar -xOf "$SAVED" manifest.json | jq -r '.[0].Config[13:]')
	export IMAGE_ID
}

# fenced LANGUAGE: the README's blocks of a language, as files 01.LANGUAGE, 02.LANGUAGE, ...
fenced() {
	awk -v language="$1" '
		/^```/ && is_inside { is_inside = 0; close(file); next }
		$0 == "```" language { is_inside = 1; file = sprintf("%02d.%s", ++n, language); next }
		is_inside { print >file }
	' "$ROOT/README.md"
}

# displayed PAGE: the literal displays of a man page, as files 01.sh, 02.sh, ...
displayed() {
	awk '
		/^\.Bd -literal/ { is_inside = 1; file = sprintf("%02d.sh", ++n); next }
		/^\.Ed/ { is_inside = 0; close(file); next }
		is_inside { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print >file }
	' "$1"
}

# run_blocks: the *.sh of this folder in turn, with the registry's port in place of 5000. A failure
# anywhere in a pipe fails the block.
run_blocks() {
	local block
	for block in [0-9][0-9].sh; do
		sed "s/localhost:5000/localhost:${REGISTRY#*:}/g" "$block" >block
		echo "--- $PWD/$block:" && cat block
		sh -n block || return 1
		timeout $((60 * SLOWNESS)) bash -eu -o pipefail block 3>&- || return 1
	done
}

# make_sources: what the examples take beside a saved image.
make_sources() {
	mkdir weights
	seq 1000 >weights/model.bin
	echo '{"spdxVersion": "SPDX-2.3"}' >sbom.json
}

# pushed REPOSITORY:TAG...: the registry has the image, with the config of the saved one.
pushed() {
	local name
	for name in "$@"; do
		curl -fsS -A cog-push/tests "http://$REGISTRY/v2/${name%:*}/manifests/${name#*:}" >manifest &&
			[ "$(jq -r .config.digest manifest)" = "$IMAGE_ID" ] || return 1
	done
}

# bats test_tags=slow
@test "every sh example of the README runs" {
	start_registry
	make_sources
	fenced sh
	[ "$(ls ./*.sh | wc -l)" -eq "$(grep -c '^```sh$' "$ROOT/README.md")" ]
	[ -s 01.sh ]
	run_blocks
	pushed team/fixture:v1 team/fixture:v2 team/fixture:v3 team/fixture:latest
}

@test "a block of the README is a console, sh, make or yaml block or the picture" {
	awk '/^```/ { if (is_inside) is_inside = 0; else { is_inside = 1; print } }' "$ROOT/README.md" \
		>fences
	[ "$(grep -vxE '```(console|sh|make|yaml)?' fences)" = "" ]
	[ "$(grep -cx '```' fences)" -eq 1 ]
	# An indented block would not be run.
	[ "$(awk '/^```/ { is_inside = !is_inside } !is_inside && /^(    |\t)/' "$ROOT/README.md")" = "" ]
}

@test "the Makefile recipe of the README makes a file with the reference by digest, once" {
	start_registry
	fenced make
	sed "s/localhost:5000/localhost:${REGISTRY#*:}/g" 01.make >Makefile
	unset MAKEFLAGS MAKELEVEL MFLAGS
	try make -s image.ref
	[ "$status" -eq 0 ]
	[[ "$(cat image.ref)" =~ ^localhost:[0-9]+/team/fixture@sha256:[0-9a-f]{64}$ ]]
	pushed team/fixture:v1
	try make -q image.ref
	[ "$status" -eq 0 ]
}

@test "the script of the CI job in the README makes a file with the reference by digest" {
	start_registry
	fenced yaml
	sed -n 's/^    - //p' 01.yaml >job
	[ "$(wc -l <job)" -eq 2 ]
	VERSION=v1 REGISTRY=$REGISTRY timeout $((60 * SLOWNESS)) bash -eu -o pipefail job 3>&-
	[[ "$(cat image.ref)" == "$REGISTRY/app@sha256:"* ]]
	pushed app:v1
}

@test "make install puts programs and pages in their places, and make uninstall removes just these" {
	unset MAKEFLAGS MAKELEVEL MFLAGS
	installed() { make -s -C "$ROOT" -o all "$1" DESTDIR="$WORLD/a root" PREFIX=/opt/cog; }
	mkdir -p "a root/opt/cog/bin"
	: >"a root/opt/cog/bin/other"
	installed install
	(cd "$ROOT" && find bin lib/cog-push -type f && find man -type f | sed 's,man/\(.*\.\(.\)\)$,share/man/man\2/\1,' &&
		find lib/dist/examples -type f | sed 's,lib/dist,share/doc/cog-push,') | sort >expected
	(cd "a root/opt/cog" && find . -type f ! -name other ! -path '*/completions/*' ! -path '*/zsh/*' | cut -c3- | sort) | diff expected -
	"a root/opt/cog/bin/cog-push" --version
	(cd "a root/opt/cog/share/bash-completion/completions" && ls) | diff <(cd "$ROOT/bin" && ls) -
	grep -qx "#compdef $(cd "$ROOT/bin" && echo *)" "a root/opt/cog/share/zsh/site-functions/_cog-push"
	installed uninstall
	[ "$(find "a root" ! -type d)" = "a root/opt/cog/bin/other" ]
}

@test "the two commands of the README are there" {
	grep -qx '\$ sh tests/demo' "$ROOT/README.md"
	grep -qx '\$ sh tests/full' "$ROOT/README.md"
	sh -n "$ROOT/tests/demo"
	sh -n "$ROOT/tests/full"
}

@test "the README names every package that a build needs" {
	for package in $(sed -n '/^BUILD="/,/"$/p' "$ROOT/tests/setup" | tr -d '"' | sed 's/^BUILD=//'); do
		echo "$package"
		fenced console
		grep -qw -e "$package" ./*.console
	done
}

@test "the README's table of modules is that of the tier lint, in its order" {
	sed -nE 's/^\| ([0-3]) [a-z]+ \| (.*) \|$/\1 \2/p' "$ROOT/README.md" |
		while read -r tier modules; do
			echo "$tier $(grep -o '`[a-z_]*`' <<<"$modules" | tr -d '`' | paste -sd ' ')"
		done >tiers
	sed -n "/^table='/,/^'/p" "$ROOT/tests/tiers" | grep '^[0-3]' >expected
	diff expected tiers
}

@test "every file that the README names exists" {
	for file in $(grep -oE '`(lib|src|bin|man|tests)/[A-Za-z0-9_./*-]+`' "$ROOT/README.md" | tr -d '`'); do
		case $file in *PROGRAM*) continue ;; esac
		compgen -G "$ROOT/$file" >/dev/null || {
			echo "missing: $file"
			return 1
		}
	done
}

# bats test_tags=slow
@test "every example of the man pages runs" {
	for page in "$ROOT"/man/*.[157]; do
		mkdir "$(basename "$page")"
		cd "$(basename "$page")"
		cp ../img.tar .
		make_sources
		displayed "$page"
		[ -s 01.sh ]
		start_registry
		run_blocks
		cd ..
	done
}

@test "every man page is clean mdoc" {
	for page in "$ROOT"/man/*.[157]; do
		try mandoc -T lint -W warning "$page"
		[ "$status" -eq 0 ]
		[ "$output" = "" ]
	done
}

@test "every page that a man page refers to exists" {
	for name in $(sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1.\2/p' "$ROOT"/man/*.[157] | sort -u); do
		case $name in
		sh.1 | jq.1 | tee.1 | xargs.1 | mkfifo.1 | read.2 | write.2) ;;
		*) [ -e "$ROOT/man/$name" ] || {
			echo "missing: $name"
			return 1
		} ;;
		esac
	done
}

@test "an environment variable is described in the README, and in a man page of a program that reads it" {
	for name in $(grep -ohE '"COG_[A-Z_]+"' "$ROOT"/lib/*.[ch] "$ROOT"/src/*.c | tr -d '"' | sort -u) \
		$(grep -ohE '\bCOG_[A-Z_]+' "$ROOT/bin/cog-push" "$ROOT"/lib/cog-push/*.sh "$ROOT/bin/cog-engine" | sort -u); do
		grep -q "\`$name\`" "$ROOT/README.md" && grep -q "^\.It Ev.* $name\b" "$ROOT"/man/*.1 || {
			echo "not described: $name"
			return 1
		}
	done
	for name in $(grep -oE '`COG_[A-Z_]+`' "$ROOT/README.md" | tr -d '`' | sort -u); do
		grep -q "$name" "$ROOT"/lib/*.c "$ROOT"/lib/*.h "$ROOT"/src/*.c "$ROOT/bin/cog-push" "$ROOT"/lib/cog-push/*.sh || {
			echo "nobody reads: $name"
			return 1
		}
	done
}

@test "every variable that a program reads is described in a man page" {
	grep -ohE '(program_env|getenv)\("[A-Za-z_]+"\)' "$ROOT"/lib/*.c "$ROOT"/src/*.c |
		sed 's/.*"\(.*\)".*/\1/' | sort -u >names
	grep -qx DOCKER_CONFIG names
	while read -r name; do
		grep -q "^\.It Ev.* $name\b" "$ROOT"/man/*.[17] || {
			echo "not described: $name"
			return 1
		}
	done <names
}

@test "every message that cog-auth and cog-troubleshooting explain is one that a program writes" {
	for page in cog-auth cog-troubleshooting; do
		sed -n 's/^\.It Dq //p' "$ROOT/man/$page.7" >messages
		[ -s messages ]
		while read -r message; do
			grep -qF -e "$message" "$ROOT"/lib/*.[ch] "$ROOT"/src/*.c "$ROOT"/bin/cog-push "$ROOT"/bin/cog-engine \
				"$ROOT"/lib/cog-push/*.sh || {
				echo "nobody writes: $message"
				return 1
			}
		done <messages
	done
}

# bats test_tags=slow
@test "what cog-habits says to type are programs of ours with options that they have" {
	# The last of what is on the right: the option and its program.
	sed -n 's/^\.It .* Ta //p' "$ROOT/man/cog-habits.7" >commands
	[ "$(grep -c cog-push commands)" -gt 50 ]
	while read -r command; do
		program=$(grep -oE '(cog|oci)-[a-z-]+' <<<"$command" | head -n 1)
		[ -n "$program" ] || continue
		[ -x "$BIN/$program" ]
		for option in $(sed "s/.*\($program.*\)/\1/" <<<"$command" | grep -oE ' --?[a-z][a-z-]*' | sort -u); do
			"$program" --help | grep -qE -e "^ *(-[a-z], )?$option\\b" -e "^  $option, " -e "[[ ]$option\\b" || {
				echo "$program has no $option: $command"
				return 1
			}
		done
	done <commands
}

# described: what cog-events(5) says, as lines "event member type".
described() {
	awk '
		/^\.Ss / { event = $2; print event, "event", "string" }
		/^\.Sh / { event = "" }
		event && /^\.It Va / {
			type = $5
			sub(/^digest$/, "string", type)
			print event, $3, type
		}
	' "$ROOT/man/cog-events.5" | sort -u
}

# produced FILE: the same of records that programs wrote.
produced() {
	jq -r '.event as $event | to_entries[] | "\($event) \(.key) \(.value | type)"' "$1" | sort -u
}

# slowly FILE RECORDS: FILE in pieces until a layer's conversion has taken a quarter of a second,
# which is when RECORDS gets a convert record; then the rest at once.
slowly() {
	exec 5<"$1"
	for _ in {1..80}; do
		dd bs=512 count=1 status=none <&5
		sleep 0.05
		! grep -q '"convert"' "$2" || break
	done
	cat <&5
}

# Every kind of record, from every program.
produce() {
	local tar big
	start_registry --throttle 1000000 --fail-at PATCH:2:503
	for tar in "$DATA"/*.tar; do
		oci-tar-images --layers "$tar"
		oci-from-dockertar --allow-sparse -f "$tar" "layout.$(basename "$tar")"
	done
	head -c 20000 img.tar | oci-from-dockertar truncated && return 1
	touch converted
	slowly img.tar converted | oci-from-dockertar layout >>converted
	cat converted
	"$ROOT/tests/saved.py" slow_layer >slow.tar
	oci-from-dockertar --compress gzip:9 --threads 1 -f slow.tar slow
	oci-blobs layout
	mkdir -p large
	truncate -s 700M large/file
	oci-weights-digest --name a --threads 1 large
	oci-index --tag index layout.docker20.tar example.com/team/fixture:v1
	oci-from-files --artifact-type a/b --tag files layout.docker20.tar img.tar
	oci-blob-upload layout "$REGISTRY/team/fixture" <converted
	oci-blob-upload layout "$REGISTRY/team/fixture" <converted
	# A blob that takes a while.
	head -c 600000 /dev/urandom >big
	big=$(sha big)
	mv big "layout/blobs/sha256/$big"
	COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1 \
		oci-blob-upload layout "$REGISTRY/team/fixture" "sha256:$big"
	oci-manifest-put layout "$REGISTRY/team/fixture:v1"
	cog-push -j img.tar "$REGISTRY/team/fixture:v2"
	cog-push -j --dry-run img.tar "$REGISTRY/team/fixture:v2"
	cog-push -j img.tar "$REGISTRY/team/fixture:v3"
}

# bats test_tags=slow
@test "cog-events describes every record that the programs write, and no other" {
	produce >records
	produced records >found
	described >expected
	diff expected found
}

# bats test_tags=slow
@test "a record is one line of at most PIPE_BUF bytes, digests are digests, and its names are camelCase" {
	produce >records
	[ "$(LC_ALL=C awk -v max="$(getconf PIPE_BUF /)" 'length($0) + 1 > max' records)" = "" ]
	[ "$(jq -r '.digest, .diffId | strings | select(test("^sha256:[0-9a-f]{64}$") | not)' records)" = "" ]
	[ "$(jq -r 'keys[] | select(test("^[a-z]+([A-Z][a-z]+)*$") | not)' records)" = "" ]
}
