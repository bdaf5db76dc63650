# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The real peers of the CI suite: Debian's docker-registry, dockerd, podman and nginx, each on
# loopback or a private socket, with its data in the test file's own folder. They are started in
# setup_file, shared by the tests of one file, and end by pid in teardown_file.

# What an own world is for a test file: the servers and what is made once.
file_world() {
	export WORLD="$BATS_FILE_TMPDIR/file world"
	mkdir -p "$WORLD/home" "$WORLD/tmp"
	cd "$WORLD" || return 1
	export HOME=$WORLD/home TMPDIR=$WORLD/tmp PEERS=$WORLD
	unset DOCKER_CONFIG DOCKER_CONTEXT DOCKER_HOST REGISTRY_AUTH_FILE "${!COG_@}"
	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY no_proxy NO_PROXY all_proxy ALL_PROXY
	export DOCKER_BUILDKIT=0
	: >"$PEERS/pids"
}

# The youngest server ends first.
teardown_file() {
	local pid
	for pid in $(tac "$PEERS/pids"); do
		kill "$pid" 2>/dev/null
		wait_for 20 is_gone "$pid" || kill -9 "$pid"
	done
	if [ -f "$PEERS/docker" ]; then
		unmount_below "$(cat "$PEERS/docker")"
		rm -rf "$(cat "$PEERS/docker")"
	fi
	unmount_below "$PEERS"
	return 0
}

is_gone() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:	Z' "/proc/$1/status" 2>/dev/null
}

# What dockerd leaves mounted below a folder. mountinfo has \040 for a space.
unmount_below() {
	local place
	TOP=${1// /\\040}/ awk 'index($5, ENVIRON["TOP"]) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r place; do
			umount "$(printf '%b' "$place")"
		done
}

# serve NAME CMD...: a server that writes NAME.log; its pid in $server.
serve() {
	local log=$PEERS/$1.log
	shift
	"$@" >"$log" 2>&1 3>&- </dev/null &
	server=$!
	echo "$server" >>"$PEERS/pids"
}

# start_docker_registry [NAME [YAML]]: DOCKER_REGISTRY is its host:port. YAML goes into its config.
start_docker_registry() {
	local name=${1:-registry}
	cat >"$PEERS/$name.yml" <<-END
		version: 0.1
		storage: {filesystem: {rootdirectory: "$PEERS/$name"}}
		http: {addr: "127.0.0.1:0"}
		${2-}
	END
	serve "$name" docker-registry serve "$PEERS/$name.yml"
	wait_for 30 grep -q 'listening on' "$PEERS/$name.log" || return 1
	DOCKER_REGISTRY=$(sed -n 's/.*listening on \(127[0-9.:]*\).*/\1/p' "$PEERS/$name.log")
	export DOCKER_REGISTRY
}

# Debian's own client goes with Debian's daemon.
docker() {
	local own=/usr/bin/docker
	[ -x "$own" ] || own=$(type -P docker)
	"$own" "$@"
}

# start_dockerd: DOCKER_HOST is its socket, in a short path.
start_dockerd() {
	local dir
	dir=$(mktemp -d /tmp/dockerd.XXXXXX) || return 1
	echo "$dir" >"$PEERS/docker"
	echo '{}' >"$dir/config.json"
	export DOCKER_HOST=unix://$dir/socket
	serve dockerd dockerd --host "$DOCKER_HOST" --config-file "$dir/config.json" \
		--data-root "$PEERS/docker-data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
		--iptables=false --ip6tables=false --bridge=none --storage-driver=vfs
	if ! wait_for 60 docker version >/dev/null 2>&1; then
		tail -n 20 "$PEERS/dockerd.log"
		return 1
	fi
}

# use_podman: an own store for podman.
use_podman() {
	cat >"$PEERS/storage.conf" <<-END
		[storage]
		driver = "vfs"
		graphroot = "$PEERS/podman/root"
		runroot = "$PEERS/podman/run"
	END
	cat >"$PEERS/containers.conf" <<-END
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		tmp_dir = "$PEERS/podman/tmp"
	END
	export CONTAINERS_STORAGE_CONF=$PEERS/storage.conf CONTAINERS_CONF=$PEERS/containers.conf
}

# serve_nginx ORIGIN SERVERS ARG...: nginx with the server blocks that "SERVERS PORT ARG..." prints, once
# ORIGIN:PORT answers. NGINX_PORT is PORT. nginx does not choose a free one by itself: some are tried.
serve_nginx() {
	local origin=$1 servers=$2 dir
	shift 2
	for _ in $(seq 20); do
		NGINX_PORT=$((20000 + RANDOM % 12000))
		dir=$PEERS/nginx.$NGINX_PORT
		mkdir -p "$dir"
		nginx_conf "$("$servers" "$NGINX_PORT" "$@")" >"$dir/nginx.conf"
		serve "nginx.$NGINX_PORT" nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
		wait_for 20 answers_or_died "$origin:$NGINX_PORT" || return 1
		is_gone "$server" || return 0
	done
	cat "$dir.log"
	return 1
}

answers_or_died() {
	is_gone "$server" || curl -skS "$1/v2/" >/dev/null 2>&1
}

# With NGINX_MASTER=on it has a master process, which a reload (HUP) needs.
nginx_conf() {
	cat <<-END
		daemon off;
		master_process ${NGINX_MASTER:-off};
		user root;
		pid nginx.pid;
		events {}
		http {
			access_log access.log;
			client_body_temp_path body;
			proxy_temp_path proxy;
			fastcgi_temp_path fastcgi;
			uwsgi_temp_path uwsgi;
			scgi_temp_path scgi;
			proxy_set_header Host \$http_host;
			proxy_http_version 1.1;
			$1
		}
	END
}

# start_nginx BODY_LIMIT BUFFERING BACKEND: a proxy before a registry; NGINX is its host:port.
start_nginx() {
	serve_nginx http://127.0.0.1 plain_server "$@" || return 1
	export NGINX=127.0.0.1:$NGINX_PORT
}

plain_server() {
	cat <<-END
		server {
			listen 127.0.0.1:$1;
			client_max_body_size $2;
			proxy_request_buffering $3;
			location / { proxy_pass http://$4; }
		}
	END
}

# make_context DIR: what the image of the CI suite is built from.
make_context() {
	local dir=$1 busybox applet
	busybox=$(type -P busybox) || return 1
	mkdir -p "$dir/base/bin" "$dir/base/etc" "$dir/base/doomed" "$dir/base/tmp" "$dir/big"
	cp "$busybox" "$dir/base/bin/busybox"
	# A busybox that is linked dynamically takes its libraries along.
	ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*' | xargs -r cp --parents -Lt "$dir/base"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$dir/base/bin/$applet"
	done
	echo root:x:0:0:root:/:/bin/sh >"$dir/base/etc/passwd"
	echo gone >"$dir/base/doomed/file"
	echo old >"$dir/base/etc/replaced"
	echo "new, and of another size" >"$dir/replaced"
	echo long >"$dir/base/etc/$(printf 'n%.0s' $(seq 150))"
	mkdir -p "$dir/base/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))"
	echo deep >"$dir/base/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))/file"
	echo snow >"$dir/base/etc/schnee ❄ ümläut"
	seq 50000 >"$dir/twice"
	head -c 60000000 /dev/urandom >"$dir/big/random"
	head -c 30000000 /dev/zero >"$dir/big/zeros"
	seq 4000000 | head -c 30000000 >"$dir/big/text"
	cat >"$dir/Dockerfile" <<-END
		FROM scratch
		ENV PATH=/bin
		COPY base /
		COPY twice /twice
		RUN rm /twice
		COPY twice /twice
		COPY big /big
		COPY replaced /etc/replaced
		RUN rm -r /doomed
		CMD ["/bin/sh", "-c", "cat /etc/replaced; ls -d /doomed; sha256sum /big/random"]
	END
}

# build_image NAME: the image of the CI suite, from $PEERS/context, which is kept to compare with.
# IMAGE_ID is its ID; CAN_RUN says whether this daemon can run containers on this machine.
build_image() {
	make_context "$PEERS/context" || return 1
	export CAN_RUN=yes
	if ! docker build --network=none -q -t "$1" "$PEERS/context" >"$PEERS/build.log" 2>&1; then
		cat "$PEERS/build.log"
		grep -q 'OCI runtime\|runc\|container init' "$PEERS/build.log" || return 1
		CAN_RUN=no
		sed -i '/^RUN/d' "$PEERS/context/Dockerfile"
		docker build -q -t "$1" "$PEERS/context" || return 1
	fi
	add_empty_layer "$1" || return 1
	IMAGE_ID=$(docker image inspect --format '{{.Id}}' "$1") || return 1
	export IMAGE_ID
}

# add_empty_layer NAME: the old builder drops a layer without files, BuildKit keeps it. Here it is put
# into the saved image.
add_empty_layer() {
	local dir=$PEERS/emptied config
	mkdir "$dir"
	docker save "$1" | tar -C "$dir" -xf - || return 1
	config=$(jq -r '.[0].Config' "$dir/manifest.json")
	head -c 1024 /dev/zero >"$dir/empty.tar"
	jq -c --arg diff_id "sha256:$(sha "$dir/empty.tar")" '.rootfs.diff_ids += [$diff_id] |
		.history += [{created: "2024-01-01T00:00:00Z", created_by: "nothing"}]' \
		"$dir/$config" >"$dir/config.json"
	jq -c '.[0].Config = "config.json" | .[0].Layers += ["empty.tar"]' "$dir/manifest.json" \
		>"$dir/manifest.new"
	mv "$dir/manifest.new" "$dir/manifest.json"
	rm -f "$dir/index.json" "$dir/oci-layout" "$dir/repositories"
	docker rmi -f "$1" >"$PEERS/rmi.log" || return 1
	tar -C "$dir" -cf - . | docker load -q || return 1
	rm -rf "$dir"
}

# has_the_files DIR: the unpacked image holds what was put in, and not what was removed.
has_the_files() {
	local file
	(cd "$PEERS/context/base" && find . -type f ! -path './doomed/*' ! -path ./etc/replaced) |
		while read -r file; do
			cmp "$PEERS/context/base/$file" "$1/$file" || return 1
		done || return 1
	for file in random zeros text; do
		cmp "$PEERS/context/big/$file" "$1/big/$file" || return 1
	done
	cmp "$PEERS/context/twice" "$1/twice" || return 1
	cmp "$PEERS/context/replaced" "$1/etc/replaced" || return 1
	[ "$CAN_RUN" = no ] || [ ! -e "$1/doomed" ]
}

# The digest of the reference that cog-push printed (stdin).
printed_digest() {
	sed -n 's/.*@\(sha256:[0-9a-f]\{64\}\).*/\1/p' | head -n 1
}
