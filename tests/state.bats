# SPDX-License-Identifier: Apache-2.0
# What outlives a run: who may see it, how long it is kept, that a push can do without it, and how it is
# given up.
load helper
load layout

setup() {
	own_world
	new_layout L
	JOURNAL=$ROOT/build/unit/journal
	STATE=$XDG_STATE_HOME/cog-push UPLOADS=$XDG_STATE_HOME/cog-push/uploads
	D=sha256:$(printf 'a%.0s' {1..64})
	export COG_PUSH_CHUNK_SIZE=1048576 COG_PUSH_MULTIPART_THRESHOLD=1000 COG_PUSH_RETRIES=0
}

# leave_upload [OPTION...]: a registry, and an upload to a/b there that stopped after its first chunk; its
# session is u1.
leave_upload() {
	start_registry --fail-at PATCH:2:503 "$@"
	LEFT=$(random_blob L 3000000)
	try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
	[ "$status" -eq 75 ]
	[ "$(jq .offset "$UPLOADS"/*.json)" -eq 1048576 ]
}

# hold REPO DIGEST: a process that has the lock of an upload; its pid is HOLDER. It ends when descriptor 7
# is closed, by all that have it: servers are started before.
hold() {
	mkfifo holds
	"$JOURNAL" hold "$@" <holds >held 3>&- &
	HOLDER=$!
	SERVERS+=("$HOLDER")
	exec 7>holds
	wait_for 10 grep -q holds held
}

# private_dir DIR...: with those above them.
private_dir() {
	(umask 077 && mkdir -p "$@")
}

# warnings: how many there were.
warnings() {
	grep -c warning: <<<"$stderr"
}

# sent METHOD: the paths of these requests.
sent() {
	jq -r --arg method "$1" 'select(.method == $method).path' "$REGISTRY_LOG"
}

@test "directories are made private, with those above them, and files too, whatever the umask" {
	for mask in 000 077; do
		export XDG_STATE_HOME=$WORLD/$mask/state XDG_CACHE_HOME=$WORLD/$mask/cache
		UPLOADS=$XDG_STATE_HOME/cog-push/uploads
		umask "$mask"
		leave_upload
		start_registry --model google
		# This host learns something, and gets a blob.
		try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
		[ "$status" -eq 0 ]
		for path in "$XDG_STATE_HOME" "$XDG_CACHE_HOME"; do
			[ "$(find "$WORLD/$mask" -type d ! -path "$WORLD/$mask" -printf '%m\n' | sort -u)" = 700 ]
			[ "$(find "$path" -type f -printf '%m\n' | sort -u)" = 600 ]
		done
		[ "$(ls "$XDG_STATE_HOME"/cog-push/hosts/*.json "$XDG_CACHE_HOME"/cog-push/pushed/* "$UPLOADS"/*.json | wc -l)" -eq 3 ]
	done
}

@test "COG_STATE_DIR is the directory itself, and an empty or relative XDG_STATE_HOME does not count" {
	COG_STATE_DIR=$WORLD/own run -0 "$JOURNAL" write r.example/a "$D" 1
	[ "$(ls own)" = uploads ]
	COG_STATE_DIR='' XDG_STATE_HOME='' run -0 "$JOURNAL" write r.example/a "$D" 1
	[ "$(ls "$HOME/.local/state/cog-push/uploads")" != "" ]
	XDG_STATE_HOME=relative run -0 "$JOURNAL" write r.example/b "$D" 1
	[ "$(ls "$HOME/.local/state/cog-push/uploads" | wc -l)" -eq 2 ]
	[ ! -e relative ]
}

@test "a home and a state directory behind a symlink are as good as any" {
	mkdir -p real/home
	ln -s "$WORLD/real/home" link
	HOME=$WORLD/link XDG_STATE_HOME='' try "$JOURNAL" write r.example/a "$D" 7
	[ -z "$stderr" ]
	HOME=$WORLD/real/home XDG_STATE_HOME='' try "$JOURNAL" read r.example/a "$D"
	[[ $output == "7 "* ]]
}

# bats test_tags=slow
@test "a directory that others may write to is not used: one warning, and the upload goes on" {
	for dir in "$STATE" "$UPLOADS"; do
		for mode in 777 770 702; do
			rm -rf "$STATE"
			private_dir "$dir"
			chmod "$mode" "$dir"
			leave=$(random_blob L 2500000) other=$(random_blob L 2500000)
			start_registry
			try oci-blob-upload L "$REGISTRY/a/b" "$leave" "$other"
			[ "$status" -eq 0 ]
			[ "$(warnings)" -eq 1 ]
			[[ $stderr == *"$dir: others may write to it: chmod 700 it: the upload goes on"* ]]
			[ "$(find "$dir" -type f -path '*uploads*')" = "" ]
		done
	done
}

@test "a directory of another user is not used" {
	# Only root can give one away; who is not has one of root's.
	export COG_STATE_DIR=/usr
	if [ "$(id -u)" -eq 0 ]; then
		COG_STATE_DIR=$STATE
		private_dir "$STATE"
		chown 1 "$STATE"
	fi
	try "$JOURNAL" write r.example/a "$D" 7
	[[ $stderr == *"$COG_STATE_DIR: belongs to another user: the upload goes on"* ]]
	[ ! -e "$COG_STATE_DIR/uploads" ]
}

@test "a file or a symlink in the place of a directory is not used" {
	private_dir "$STATE" elsewhere
	ln -s "$WORLD/elsewhere" "$UPLOADS"
	try "$JOURNAL" write r.example/a "$D" 7
	[ "$(warnings)" -eq 1 ]
	[ -z "$(ls elsewhere)" ]
	rm "$UPLOADS"
	: >"$UPLOADS"
	try "$JOURNAL" write r.example/a "$D" 7
	[ "$(warnings)" -eq 1 ]
	[ "$(stat -c %s "$UPLOADS")" -eq 0 ]
}

@test "where no file can be written the upload goes on, with one warning that names the file" {
	start_registry
	d=$(random_blob L 3000000)
	(
		ulimit -f 0
		trap '' XFSZ
		oci-blob-upload L "$REGISTRY/a/b" "$d" 2>&1 || echo failed
	) | cat >all
	cat all
	run ! grep failed all
	[ "$(grep -c 'warning:.*the upload goes on' all)" -eq 1 ]
	grep -q 'warning: .*uploads: write [0-9a-f]*\.json.*: File too large: the upload goes on' all
	[ "$(jq -r 'select(.event == "done").how' <<<"$(grep '^{' all)")" = uploaded ]
}

@test "an entry that can't be read is a warning, and the blob is uploaded from its beginning" {
	leave_upload
	file=$(echo "$UPLOADS"/*.json)
	rm "$file"
	mkdir "$file"
	try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
	[ "$status" -eq 0 ]
	[ "$(warnings)" -eq 1 ]
	[ "$(sent POST | wc -l)" -eq 2 ]
}

@test "damaged files of every kind count as none" {
	leave_upload
	start_registry
	try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
	mkdir -p "$STATE/hosts"
	for text in '' '{' '[]' '{"offset":9e99}' "$(head -c 300 /dev/urandom | base64)"; do
		for file in "$UPLOADS"/*.json "$STATE/hosts/127.0.0.1_${REGISTRY#*:}.json" \
			"$XDG_CACHE_HOME"/cog-push/pushed/127*; do
			printf '%s' "$text" >"$file"
		done
		try oci-blob-upload L "$REGISTRY/c/d" "$(random_blob L 2500000)"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
	done
}

@test "what a user writes in the file of a host is obeyed, and what is removed is forgotten" {
	start_registry
	private_dir "$STATE/hosts"
	host=$STATE/hosts/127.0.0.1_${REGISTRY#*:}.json
	echo '{"maxBody": 500000}' >"$host"
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 2500000)"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PATCH").contentLength' | sort -u)" -eq 500000 ]
	rm "$host"
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 2097152)"
	[ "$(requests 'select(.method == "PATCH").contentLength' | tail -n 1)" -eq 1048576 ]
}

@test "the next upload removes what is older than a week, what a killed one left, and no lock that is held" {
	start_registry
	"$JOURNAL" write r.example/old "$D" 1
	touch -d '8 days ago' "$UPLOADS"/*.json
	old=$(ls "$UPLOADS")
	"$JOURNAL" write r.example/young "$D" 2
	young=$(basename "$(grep -l young "$UPLOADS"/*)")
	touch -d '6 days ago' "$UPLOADS/$young"
	hold r.example/held "$D"
	held=$(cd "$UPLOADS" && echo *.lock)
	for name in "$old" "$young"; do
		: >"$UPLOADS/$name.4711.tmp"
	done
	: >"$UPLOADS/${young%.json}.lock"
	: >"$UPLOADS/note"
	touch -d '2 hours ago' "$UPLOADS"/*.tmp "$UPLOADS"/*.lock "$UPLOADS/note"
	run -0 oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100)"
	ls "$UPLOADS"
	[ "$(ls "$UPLOADS" | sort)" = "$(printf '%s\n' "$held" "$young" note | sort)" ]
	"$JOURNAL" read r.example/young "$D" | grep -q '^2 '
	exec 7>&-
	wait "$HOLDER"
	[ ! -e "$UPLOADS/$held" ]
}

@test "an entry of more than a week is not gone on with" {
	leave_upload
	touch -d '8 days ago' "$UPLOADS"/*.json
	try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
	[ "$status" -eq 0 ]
	[ "$(sent POST | wc -l)" -eq 2 ]
}

@test "who waits for another process goes on as soon as that ends, killed or not" {
	start_registry
	for signal in KILL ''; do
		d=$(random_blob L 2500000)
		hold "$REGISTRY/a/b" "$d"
		oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- 7>&- &
		pid=$!
		wait_for 10 grep -q "waits for another process" err
		[ "$(requests 'select(.method != "GET")' | grep -c "$d")" -eq 0 ]
		[ -z "$signal" ] || kill -"$signal" "$HOLDER"
		exec 7>&-
		wait "$HOLDER" || true
		wait "$pid"
		[ "$(jq -r 'select(.event == "done").how' out)" = uploaded ]
		[ -z "$(ls "$UPLOADS")" ]
		rm holds
	done
}

@test "who waits for another process can be interrupted, and leaves its lock alone" {
	start_registry
	d=$(random_blob L 2500000)
	hold "$REGISTRY/a/b" "$d"
	oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- 7>&- &
	pid=$!
	wait_for 10 grep -q "waits for another process" err
	kill -INT "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
	[ -e "$(echo "$UPLOADS"/*.lock)" ]
	exec 7>&-
}

@test "an upload that is forgotten is deleted at the registry and on disk, and begins anew" {
	leave_upload
	"$JOURNAL" write "$REGISTRY/a/other" "$D" 5
	try oci-upload-forget "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(requests 'select(.method == "DELETE") | [.path, .status]')" = '["/v2/a/b/blobs/upload/u1",204]' ]
	[ "$(jq -r .repository "$UPLOADS"/*)" = a/other ]
	try oci-blob-upload L "$REGISTRY/a/b" "$LEFT"
	[ "$status" -eq 0 ]
	[ "$(sent POST | wc -l)" -eq 2 ]
}

@test "with -v it says what is forgotten, and that there is nothing" {
	leave_upload
	try oci-upload-forget -v "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[[ $stderr == *"gave up the upload of $LEFT at 1048576 bytes"* ]]
	[[ $stderr == *"DELETE http://$REGISTRY/v2/a/b/blobs/upload/u1"* ]]
	: >"$REGISTRY_LOG"
	try oci-upload-forget -v "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$stderr" = "oci-upload-forget: there was no unfinished upload to give up" ]
	[ ! -s "$REGISTRY_LOG" ]
}

@test "a registry that asks for a password is asked with it to forget" {
	mkdir "$HOME/.docker"
	leave_upload
	stop_registry
	start_registry --basic user:secret --challenge 'Basic realm="r"' --port "${REGISTRY#*:}"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$REGISTRY" "$(printf user:secret | base64)" \
		>"$HOME/.docker/config.json"
	try oci-upload-forget "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "DELETE") | .headers.authorization' | tail -n 1)" = "\"Basic $(printf user:secret | base64)\"" ]
	[ -z "$(ls "$UPLOADS")" ]
}

# bats test_tags=slow
@test "a registry that refuses to delete, or knows of nothing, is no failure" {
	for status in 401 404 405 500; do
		rm -rf "$UPLOADS"
		leave_upload --fail "DELETE:9:$status"
		try oci-upload-forget "$REGISTRY/a/b"
		[ "$status" -eq 0 ]
		[ -z "$output$stderr" ]
		[ -n "$(sent DELETE)" ]
		[ -z "$(ls "$UPLOADS")" ]
		stop_registry
	done
}

@test "a registry that is gone is asked once, and its uploads are forgotten all the same" {
	leave_upload
	"$JOURNAL" write "$REGISTRY/a/b" "$D" 5
	stop_registry
	try oci-upload-forget "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$(warnings)" -eq 1 ]
	[[ $stderr == *"refused"*"for the registry to purge" ]]
	[ -z "$(ls "$UPLOADS")" ]
}

@test "an upload that runs is not forgotten" {
	leave_upload
	hold "$REGISTRY/a/b" "$LEFT"
	try oci-upload-forget "$REGISTRY/a/b"
	[ "$status" -eq 0 ]
	[ "$stderr" = "oci-upload-forget: warning: $LEFT: another process is uploading it: left alone" ]
	[ -z "$(sent DELETE)" ]
	[ "$(ls "$UPLOADS" | wc -l)" -eq 2 ]
	exec 7>&-
	wait "$HOLDER"
}

@test "a state directory that can't be used is a failure of forgetting" {
	COG_STATE_DIR=/dev/null/state try oci-upload-forget 127.0.0.1:1/a
	[ "$status" -eq 1 ]
	[ "$stderr" = "oci-upload-forget: /dev/null/state: Not a directory" ]
	for operand in 127.0.0.1:1/a:tag "127.0.0.1:1/a@$D" 127.0.0.1:1/A; do
		try oci-upload-forget "$operand"
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}
