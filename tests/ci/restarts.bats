# SPDX-License-Identifier: Apache-2.0
# Pushes to Debian's docker-registry while it is killed again and again, and through an nginx that limits
# bodies or is reloaded.
load ../helper
load ../layout
load peers

setup_file() {
	file_world
}

# new_image DIR SIZE: a layout with one layer of so many random bytes; DIGEST is that of the layer.
new_image() {
	local config
	new_layout "$1"
	DIGEST=$(random_blob "$1" "$2")
	config=$(add_text "$1" "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"$DIGEST\"]}}")
	add_image "$1" "$(add_manifest "$1" "$config" "$DIGEST")" ci/image:1
}

# serves_layer HOST/REPOSITORY: the layer's bytes come back as they were.
serves_layer() {
	curl -fsS "http://${1%%/*}/v2/${1#*/}/blobs/$DIGEST" | sha256sum >sum
	[ "sha256:$(cut -d' ' -f1 sum)" = "$DIGEST" ]
}

# has_sent BYTES: the uploader has so many behind it, or the push is over.
has_sent() {
	! kill -0 "$push" 2>/dev/null ||
		[ "$(jq -s 'map(.sentOffset // 0) | max // 0' records 2>/dev/null || echo 0)" -ge "$1" ]
}

# restart_registry: kills it, and starts it at the same port with the same data.
restart_registry() {
	kill -KILL "$server"
	wait "$server" || true
	serve again docker-registry serve "$PEERS/restarted.yml"
}

@test "docker-registry is killed and started again ten times during a push of 300 MB, which succeeds" {
	start_docker_registry restarted
	sed -i "s/\"127.0.0.1:0\"/\"$DOCKER_REGISTRY\", secret: ci/" "$PEERS/restarted.yml"
	new_image L 300000000
	export COG_PUSH_CHUNK_SIZE=8388608 COG_PUSH_RETRY_DELAY_MS=200
	cog-push --json L "$DOCKER_REGISTRY/ci/restarted:1" >records 2>err 3>&- &
	push=$!
	local restarts=0
	while [ "$restarts" -lt 10 ]; do
		wait_for 60 has_sent $((restarts * 25000000 + 10000000))
		kill -0 "$push" # it is not over before the last restart
		restart_registry
		restarts=$((restarts + 1))
	done
	local status=0
	wait "$push" || status=$?
	jq -c 'select(.event == "retry") | [.attempt, .reason]' records | cut -c1-200
	jq -c 'select(.event == "done")' records
	cat err
	[ "$status" -eq 0 ]
	serves_layer "$DOCKER_REGISTRY/ci/restarted"
}

# refused PLACE: requests of nginx's log from PLACE on that were answered with 413.
refused() {
	tail -n "+$(($1 + 1))" "$PEERS/nginx.$NGINX_PORT/access.log" | grep -c ' 413 ' || true
}

@test "nginx with a body limit of 10m and default chunks: the second push starts with what was learnt" {
	start_docker_registry limited
	local buffering place
	for buffering in on off; do
		start_nginx 10m "$buffering" "$DOCKER_REGISTRY"
		new_image "first $buffering" 30000000
		try cog-push "first $buffering" "$NGINX/ci/limited-$buffering:1"
		[ "$status" -eq 0 ]
		serves_layer "$NGINX/ci/limited-$buffering"
		[ "$(refused 0)" -ge 1 ]
		place=$(wc -l <"$PEERS/nginx.$NGINX_PORT/access.log")
		new_image "second $buffering" 70000000
		try cog-push "second $buffering" "$NGINX/ci/limited-$buffering:2"
		[ "$status" -eq 0 ]
		serves_layer "$NGINX/ci/limited-$buffering"
		[ "$(refused "$place")" -eq 0 ]
	done
}

is_new_worker() {
	[ "$(pgrep -n -P "$server")" != "$1" ]
}

# reload_nginx: until there is a worker that reads the new configuration.
reload_nginx() {
	local worker
	worker=$(pgrep -n -P "$server")
	kill -HUP "$server"
	wait_for 10 is_new_worker "$worker"
}

@test "nginx with limit_rate before a slow registry, reloaded five times: the push succeeds, and sends nothing twice" {
	start_registry --model v3 --store store --throttle 20000000
	NGINX_MASTER=on start_nginx 10m "off; limit_rate 200" "$REGISTRY" # bytes a second, of answers
	new_image L 40000000
	export COG_PUSH_CHUNK_SIZE=4194304 COG_PUSH_MULTIPART_THRESHOLD=1000000
	cog-push --json L "$NGINX/ci/reloaded:1" >records 2>err 3>&- &
	push=$!
	local reloads=0
	while [ "$reloads" -lt 5 ]; do
		reloads=$((reloads + 1))
		wait_for 60 has_sent $((reloads * 6000000))
		kill -0 "$push"
		reload_nginx
	done
	local status=0
	wait "$push" || status=$?
	jq -c 'select(.event == "retry") | [.attempt, .reason]' records | cut -c1-200
	cat err
	[ "$(requests .connection | sort -u | wc -l)" -gt 5 ]
	[ "$status" -eq 0 ]
	cmp "L/blobs/sha256/${DIGEST#sha256:}" "store/${DIGEST#sha256:}"
	[ "$(requests 'select(.method == "PATCH").bodyBytes' | jq -s add)" -eq 40000000 ]
}
