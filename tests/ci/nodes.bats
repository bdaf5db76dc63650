# SPDX-License-Identifier: Apache-2.0
# --jobs-with: uploads on several nodes. A node is an sshd on loopback with a port of its own; the shared file
# system is this machine's.
load ../helper
load ../processes
load ../layout

setup_file() {
	# A path that an sshd is content with, and parallel in a list of nodes.
	NODES=$(mktemp -d /tmp/nodes.XXXXXX)
	export NODES
	ssh-keygen -q -t ed25519 -N '' -f "$NODES/key"
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	: >"$NODES/list"
	for node in node1 node2 node3; do start_node "$node"; done
}

# start_node NAME: its port is chosen among free ones, as sshd doesn't choose.
start_node() {
	local name=$1 port pid
	for _ in {1..20}; do
		port=$((20000 + RANDOM % 12000))
		cat >"$NODES/$name.conf" <<-END
			ListenAddress 127.0.0.1:$port
			HostKey $NODES/key
			AuthorizedKeysFile $NODES/key.pub
			PidFile $NODES/$name.pid
			PermitRootLogin prohibit-password
			PasswordAuthentication no
			KbdInteractiveAuthentication no
			StrictModes no
			UsePAM no
			PrintMotd no
			MaxStartups 100
			SetEnv HOME=$NODES
		END
		/usr/sbin/sshd -D -f "$NODES/$name.conf" -E "$NODES/$name.log" 3>&- </dev/null &
		pid=$!
		wait_for 60 eval "[ -s '$NODES/$name.pid' ] || ! kill -0 $pid"
		kill -0 "$pid" || continue
		cat >>"$NODES/ssh" <<-END
			Host $name
			HostName 127.0.0.1
			Port $port
			IdentityFile $NODES/key
			UserKnownHostsFile $NODES/known
			StrictHostKeyChecking accept-new
			BatchMode yes
			LogLevel ERROR
		END
		echo "$name" >>"$NODES/list"
		return 0
	done
	return 1
}

teardown_file() {
	local file
	for file in "$NODES"/*.pid; do kill_tree "$(cat "$file")"; done
	rm -rf "$NODES"
}

# below PID...: all processes below them.
below() {
	local pid
	for pid; do pgrep -P "$pid"; done | while read -r pid; do
		echo "$pid"
		below "$pid"
	done
}

# kill_tree PID: it and all below it, at once.
kill_tree() {
	local pids
	kill -STOP "$1" 2>/dev/null || return 0
	# shellcheck disable=SC2046
	kill -STOP $(below "$1") 2>/dev/null
	pids="$1 $(below "$1")"
	# shellcheck disable=SC2086
	kill -KILL $pids
}

setup() {
	own_world
	export PARALLEL_SSH="ssh -F $NODES/ssh" COG_PUSH_CONCURRENCY=2
	export COG_PUSH_CHUNK_SIZE=262144 COG_PUSH_MULTIPART_THRESHOLD=1000
}

# make_image LAYERS: a layout with so many layers of a megabyte.
make_image() {
	local layers=()
	new_layout layout
	for _ in $(seq "$1"); do layers+=("$(random_blob layout 1048576)"); done
	add_image layout "$(add_manifest layout "$(add_text layout '{}')" "${layers[@]}")" v1
}

# sessions: of each upload with bytes its digest, and the bytes of requests that were answered.
sessions() {
	jq -rn '[inputs | select(.path | contains("/uploads/u") or contains("/upload/u"))] | group_by(.path)[] |
		[(map(.query | capture("digest=(?<d>[^&]*)").d | sub("%3A"; ":")) | last // "none"), (map(select(.status > 0).bodyBytes) | add)] | @tsv' "$REGISTRY_LOG" |
		awk '$2 > 0' | sort
}

# each_once: each layer was sent in one upload, each of its bytes once.
each_once() {
	oci-blobs layout | jq -r 'select(.kind == "layer" or .kind == "config") | [.digest, .size] | @tsv' | sort >wanted
	sessions >sent
	diff wanted sent
}

# used NODE: how many jobs it had.
used() {
	grep -c 'Accepted publickey' "$NODES/$1.log"
}

@test "a push is spread over nodes, and each blob is sent by one" {
	start_registry
	make_image 8
	try cog-push --jobs-with "parallel --sshloginfile $NODES/list" layout "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	[ "$output" = "$REGISTRY/a/b@$(jq -r '.manifests[0].digest' layout/index.json)" ]
	each_once
	for node in node1 node2 node3; do [ "$(used "$node")" -gt 0 ]; done
	wait_for 10 eval '[ -z "$(ls -A "$TMPDIR")" ]'
}

@test "what is converted meanwhile is spread too" {
	start_registry
	try cog-push --jobs-with "parallel --sshloginfile $NODES/list" "$DATA/docker26.tar" "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	each_once
}

@test "a failure is told with its cause and status, once" {
	start_registry --fail PATCH:100:403
	make_image 2
	try cog-push --jobs-with "parallel --sshloginfile $NODES/list" layout "$REGISTRY/a/b:v1"
	[ "$status" -eq 77 ]
	[[ $stderr == *"oci-blob-upload: "*403* ]]
	[ "$(grep -c oci-blob-upload <<<"$stderr")" -eq 1 ]
}

@test "jobs end when the push is killed" {
	start_registry --throttle 200000
	make_image 4
	begin cog-push --jobs-with "parallel --sshloginfile $NODES/list" layout "$REGISTRY/a/b:v1"
	wait_for 60 grep -q '"PATCH"' "$REGISTRY_LOG" 
	pgrep -f "oci-blob-upload.*$REGISTRY"
	kill -KILL "$RUN"
	wait_for 60 eval '! pgrep -f "oci-blob-upload.*$REGISTRY"'
	wait_for 60 is_clean
}

# stops_sending PID: below it is an uploader that has sent a part of its blob, DIGEST. It is stopped.
stops_sending() {
	local pid
	for pid in $(below "$1"); do
		[ "$(cat "/proc/$pid/comm")" = oci-blob-upload ] || continue
		kill -STOP "$pid"
		DIGEST=$(tr '\0' '\n' <"/proc/$pid/cmdline" | tail -n 1)
		jq -c --arg digest "$DIGEST" 'select(.digest == $digest and .offset > 0)' \
			"$XDG_STATE_HOME"/cog-push/uploads/*.json | grep . && return
		kill -CONT "$pid"
	done 2>/dev/null
	return 1
}

# The last, as the node is gone then.
@test "one node dies in the middle: the push completes, and what it was sending goes on where it was" {
	start_registry --throttle 200000
	make_image 8
	begin cog-push --jobs-with "parallel --sshloginfile $NODES/list" layout "$REGISTRY/a/b:v1"
	wait_for 60 stops_sending "$(cat "$NODES/node1.pid")"
	kill_tree "$(cat "$NODES/node1.pid")"
	rm "$NODES/node1.pid"
	finish
	[ "$status" -eq 0 ]
	each_once
	# Another process went on with the same upload, over a connection of its own.
	session=$(requests "select(.query | contains(\"$DIGEST\")).path")
	[ "$(requests "select(.path == $session).connection" | sort -u | wc -l)" -ge 2 ]
}
