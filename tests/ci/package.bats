# SPDX-License-Identifier: Apache-2.0
# What is given out: the Debian package, the source tar and the static programs. In trees that are fresh tests/fresh
# installs the package, which downloads; here it is a copy of this machine that lasts as long as a test.
load ../helper
load peers

setup_file() {
	file_world
	unset MAKEFLAGS MAKELEVEL MFLAGS
	# Built in a tree of its own, as other test files run what is in bin.
	mkdir source
	(cd "$ROOT" && cp -R Makefile README.md src lib bin tests man "$WORLD/source")
	make -s -C source deb >deb.log 2>&1 || {
		cat deb.log
		return 1
	}
	DEB=$(tail -n 1 deb.log)
	export DEB
	start_docker_registry
}

@test "lintian finds nothing in the package" {
	try lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$DEB"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "the package is of this machine, has the version of the Makefile, and depends on what it links and jq" {
	[ "$(dpkg-deb -f "$DEB" Architecture)" = "$(dpkg --print-architecture)" ]
	[ "$(dpkg-deb -f "$DEB" Version)" = "$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")" ]
	dpkg-deb -f "$DEB" Depends >depends
	for name in jq libcurl4 libarchive13 libssl3 libjansson4 libc6; do grep -qwE "$name(t64)?" depends; done
	[[ $(dpkg-deb -f "$DEB" Depends) != *liblzma* ]] # only what is linked itself
	dpkg-deb -c "$DEB" >files
	[ -z "$(grep -vE '^(d|l|-rwxr-xr-x root/root .* \./usr/bin/|-rw-r--r-- root/root )' files)" ]
}

@test "the same build makes the same package" {
	cp "$DEB" first
	make -s -C "$PEERS/source" deb
	cmp first "$DEB"
}

# in_copy SCRIPT ARG...: as root of a copy of this machine's files, in memory but for what is read. What it leaves
# there, but for what dpkg notes down, goes to the file left.
in_copy() {
	cat >copy <<-'END'
		set -eu
		place=$1
		mount -t tmpfs tmpfs "$place"
		mkdir "$place/upper" "$place/work" "$place/root"
		mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
		mount --bind /dev "$place/root/dev"
		mount -t proc proc "$place/root/proc"
		mount -t tmpfs tmpfs "$place/root/tmp"
		cp "$2" "$place/root/tmp/cog-push.deb"
		cp "$3" "$place/root/tmp/image.tar"
		script=$4
		shift 4
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TMPDIR=/tmp chroot "$place/root" \
			bash -euo pipefail -c "$script" bash "$@"
		cd "$place/upper"
		# What was there before and is removed is a device here.
		find . \( -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o \
			\( ! -type d -o -name '*cog-push*' \) ! -type c -print >"$OLDPWD/left"
	END
	mkdir -p place
	unshare --mount --propagation private sh copy "$PWD/place" "$DEB" "$DATA/docker26.tar" "$@" 3>&-
}

@test "installed, it pushes; installed over itself it does so again; removed, nothing of it is left" {
	# shellcheck disable=SC2016
	try in_copy '
		for n in 1 2; do
			dpkg --no-triggers -i /tmp/cog-push.deb
			[ "$(command -v cog-push)" = /usr/bin/cog-push ]
			cog-push /tmp/image.tar "$1/ci/package:$n"
			[ -e /usr/share/man/man1/oci-blob-upload.1.gz ]
			[ -e /usr/share/bash-completion/completions/oci-verify ]
		done
		dpkg --no-triggers --purge cog-push' "$DOCKER_REGISTRY"
	[ "$status" -eq 0 ]
	cat left
	[ ! -s left ]
	for n in 1 2; do
		skopeo inspect --raw --tls-verify=false "docker://$DOCKER_REGISTRY/ci/package:$n" >manifest
		[ "$(jq -r .config.digest manifest)" = "sha256:$(tar -xOf "$DATA/docker26.tar" manifest.json | jq -r '.[0].Config[13:]')" ]
	done
}

@test "the source tar is the same each time, from a clone and from itself, and builds" {
	git clone -q "$ROOT" clone
	make -s -C clone dist
	first=$(sha clone/build/cog-push-*.tar.gz)
	make -s -C clone dist
	[ "$(sha clone/build/cog-push-*.tar.gz)" = "$first" ]
	tar -xf clone/build/cog-push-*.tar.gz
	source=$(echo cog-push-*)
	mkdir "$source/build"
	: >"$source/bin/oci-blobs"
	make -s -C "$source" dist
	[ "$(sha "$source"/build/cog-push-*.tar.gz)" = "$first" ]
	make -s -C "$source" -n all
}

@test "static programs without network need no library, those with need fewer, and they push" {
	make -s -C "$PEERS/source" -j 2 static >log 2>&1 || {
		tail -n 20 log
		return 1
	}
	BIN=$PEERS/source/build/static/bin
	for program in oci-from-dockertar oci-from-weights oci-blobs oci-blob-queue cog-run cog-progress cog-known; do
		[ -z "$(readelf -dW "$BIN/$program" | grep NEEDED)" ]
	done
	[ -z "$(readelf -dW "$BIN/oci-blob-upload" | grep -E 'NEEDED.*(libcurl|libssl|libcrypto|libjansson)')" ]
	PATH=$BIN:$PATH try cog-push "$DATA/docker26.tar" "$DOCKER_REGISTRY/ci/static:v1"
	[ "$status" -eq 0 ]
}
