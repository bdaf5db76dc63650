# SPDX-License-Identifier: Apache-2.0
load helper
load layout

setup() {
	own_world
	new_layout L
}

# PATCH and PUT bodies as "method range length", in order.
bodies() {
	requests 'select(.method == "PATCH" or .method == "PUT")
		| [.method, .headers["content-range"] // "-", .contentLength] | join(" ")' | tr -d '"'
}

methods() {
	requests .method | tr -d '"' | paste -sd' '
}

@test "a small blob goes with a POST that asks whether it is there and one PUT, a larger one with HEAD before" {
	start_registry
	d=$(random_blob L 1000)
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 65537)"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "HEAD POST PUT" ]
	: >"$REGISTRY_LOG"
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST PUT" ]
	[ "$(requests 'select(.method == "POST").query')" = "\"mount=$d&from=a/b\"" ]
	[ "$(bodies)" = "PUT - 1000" ]
	[ "$(jq -r 'select(.event == "done") | "\(.digest) \(.size) \(.how) \(.sentBytes)"' <<<"$output")" = "$d 1000 uploaded 1000" ]
	[ "$(jq -r 'select(.event == "phase").phase' <<<"$output")" = pushing ]
	[ -z "$stderr" ]
}

@test "POST says that its body is empty, and no request waits for a go-ahead or goes in pieces" {
	start_registry
	d=$(random_blob L 300000)
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1000
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "POST").headers["content-length"]')" = '"0"' ]
	[ "$(requests 'select(.headers | has("expect") or has("transfer-encoding"))')" = "" ]
	[ "$(requests 'select(.method == "PATCH" or .method == "PUT").headers["content-type"]' | sort -u)" = '"application/octet-stream"' ]
}

@test "a blob above the threshold goes in equal chunks, only the last smaller, and an empty PUT" {
	start_registry
	d=$(random_blob L 250000)
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=100000
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(bodies)" = "PATCH 0-99999 100000
PATCH 100000-199999 100000
PATCH 200000-249999 50000
PUT - 0" ]
	[ "$(jq -r 'select(.event == "done").sentBytes' <<<"$output")" = 250000 ]
}

@test "a blob as large as the threshold and the chunk goes in one body, one byte more in chunks" {
	start_registry
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=100000
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100000)"
	[ "$(bodies)" = "PUT - 100000" ]
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100001)"
	[ "$(bodies | sed 1d)" = "PATCH 0-99998 99999
PATCH 99999-100000 2
PUT - 0" ]
}

@test "a blob below the threshold but above the chunk size goes in chunks" {
	start_registry
	export COG_PUSH_CHUNK_SIZE=60000
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100000)"
	[ "$(bodies)" = "PATCH 0-59999 60000
PATCH 60000-99999 40000
PUT - 0" ]
}

@test "a blob above the threshold and below the chunk size goes in one PATCH" {
	start_registry
	export COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100000)"
	[ "$(bodies)" = "PATCH 0-99999 100000
PUT - 0" ]
}

@test "no chunk has one byte" {
	start_registry
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 200001)"
	[ "$status" -eq 0 ]
	[ "$(bodies)" = "PATCH 0-99998 99999
PATCH 99999-199997 99999
PATCH 199998-200000 3
PUT - 0" ]
}

@test "the registry's largest chunk less a margin is kept, for a single body too" {
	start_registry --max-chunk 265536
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 500000)"
	[ "$status" -eq 0 ]
	[ "$(bodies)" = "PATCH 0-199999 200000
PATCH 200000-399999 200000
PATCH 400000-499999 100000
PUT - 0" ]
}

@test "the registry's smallest chunk raises ours" {
	start_registry --min-chunk 200000 --max-chunk 100000000
	export COG_PUSH_CHUNK_SIZE=70000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 300000)"
	[ "$(bodies)" = "PATCH 0-199999 200000
PATCH 200000-299999 100000
PUT - 0" ]
}

@test "announcements that can't be meant are ignored: tiny ones, a minimum above the maximum" {
	export COG_PUSH_CHUNK_SIZE=80000 COG_PUSH_MULTIPART_THRESHOLD=1
	start_registry --max-chunk 10
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 160000)"
	[ "$(bodies)" = "PATCH 0-79999 80000
PATCH 80000-159999 80000
PUT - 0" ]
	start_registry --min-chunk 900000 --max-chunk 500000
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 160000)"
	[ "$(bodies)" = "PATCH 0-79999 80000
PATCH 80000-159999 80000
PUT - 0" ]
}

@test "the chunk size has two names and the first wins; what is no number is named" {
	start_registry
	d=$(random_blob L 100000)
	COG_PUSH_CHUNK_SIZE=60000 COG_PUSH_DEFAULT_CHUNK_SIZE=10000 try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$(bodies | head -1)" = "PATCH 0-59999 60000" ]
	COG_PUSH_DEFAULT_CHUNK_SIZE=50000 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 100000)"
	[ "$(bodies | tail -n 2 | head -1)" = "PATCH 50000-99999 50000" ]
	for value in 0 -1 ten 1x 99999999999999999999; do
		COG_PUSH_CHUNK_SIZE=$value try oci-blob-upload L "$REGISTRY/a/b" "$d"
		[ "$status" -eq 2 ]
		[[ $stderr == *COG_PUSH_CHUNK_SIZE* ]]
		COG_PUSH_MULTIPART_THRESHOLD=$value try oci-blob-upload L "$REGISTRY/a/b" "$d"
		[ "$status" -eq 2 ]
		[[ $stderr == *COG_PUSH_MULTIPART_THRESHOLD* ]]
	done
	COG_PUSH_CHUNK_SIZE= try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
}

@test "many blobs go over one connection" {
	start_registry
	digests=()
	for i in 1 2 3 4 5 6 7 8; do digests+=("$(random_blob L $((i * 30000)))"); done
	export COG_PUSH_CHUNK_SIZE=70000
	try oci-blob-upload L "$REGISTRY/a/b" "${digests[@]}"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.how == "uploaded").digest' <<<"$output")" = "$(printf '%s\n' "${digests[@]}")" ]
	[ "$(requests .connection | sort -u | wc -l)" -eq 1 ]
}

@test "a blob that is there is asked for and not sent, with its length or without" {
	for option in "" --head-no-length; do
		start_registry $option
		d=$(random_blob L 1000)
		oci-blob-upload L "$REGISTRY/a/b" "$d"
		try oci-blob-upload L "$REGISTRY/a/b" "$d"
		[ "$status" -eq 0 ]
		[ "$(methods)" = "POST PUT HEAD" ]
		[ "$(jq -r 'select(.event == "done") | "\(.how) \(.sentBytes)"' <<<"$output")" = "exists 0" ]
	done
}

@test "a small blob that another machine has pushed is one request" {
	d=$(random_blob L 1000)
	start_registry --blob "$d"
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(requests '[.method, .status]')" = '["POST",201]' ]
	[ "$(jq -r 'select(.event == "done") | "\(.how) \(.sentBytes)"' <<<"$output")" = "exists 0" ]
}

@test "a registry that ignores mounts is not sent again what this machine has sent it" {
	start_registry --mount 202
	d=$(random_blob L 1000)
	oci-blob-upload L "$REGISTRY/a/b" "$d"
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST PUT HEAD" ]
}

# bats test_tags=slow
@test "where a mount is refused small blobs are asked for with HEAD, from the first refusal on" {
	for answer in 400 401 403 404 405; do
		start_registry --mount "$answer"
		a=$(random_blob L 1000) b=$(random_blob L 1001)
		try oci-blob-upload L "$REGISTRY/a/b" "$a" "$b"
		[ "$status" -eq 0 ]
		[ "$(methods)" = "POST HEAD POST PUT HEAD POST PUT" ]
		[ "$(jq -r 'select(.event != "progress") | .how // .event' <<<"$output" | paste -sd' ')" = "phase uploaded uploaded" ]
		stop_registry
	done
	start_registry --mount drop
	try oci-blob-upload L "$REGISTRY/a/b" "$a"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST HEAD POST PUT" ]
	start_registry --fail POST:1:503:1
	try oci-blob-upload L "$REGISTRY/a/b" "$a"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST HEAD POST PUT" ]
	[ "$(jq 'select(.event == "retry").delayMs' <<<"$output")" -eq 1000 ]
}

@test "a blob that redirects to a store is there, and the store is not asked" {
	start_registry --head-redirect
	d=$(random_blob L 1000)
	oci-blob-upload L "$REGISTRY/a/b" "$d"
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = exists ]
	[ "$(requests 'select(.path | startswith("/store"))')" = "" ]
}

@test "a registry that takes no HEAD gets the upload" {
	for code in 400 403 405 500; do
		start_registry --head-status "$code"
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = uploaded ]
	done
}

@test "a digest that is given twice is sent once" {
	start_registry
	d=$(random_blob L 1000)
	try oci-blob-upload L "$REGISTRY/a/b" "$d" "$d"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST PUT" ]
}

# bats test_tags=slow
@test "the session is followed through every shape of Location" {
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=100000
	for shape in path relative absolute noscheme state other door; do
		start_registry --location "$shape"
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(bodies | wc -l)" -eq 5 ]
		case $shape in
		other | door) requests 'select(.path | startswith("/elsewhere"))' | grep -q PATCH ;;
		esac
	done
}

@test "a Location that is no URL of HTTP is refused with its request" {
	start_registry --location wrong
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"POST http://$REGISTRY/v2/a/b/blobs/uploads/: Location 'ftp://"* ]]
}

@test "the query of a Location comes back byte for byte, digest appended" {
	start_registry --location state
	d=$(random_blob L 1000)
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$(requests 'select(.method == "PUT").query')" = "\"_state=b%2fA==&a=1&_n=0&digest=$d\"" ]
}

@test "success has the statuses of odd registries too" {
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	for codes in "200 200" "201 202" "204 204"; do
		start_registry --patch-status "${codes% *}" --put-status "${codes#* }" --empty-range
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)"
		[ "$status" -eq 0 ]
	done
}

@test "redirects are followed with method and body" {
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=200000
	for code in 301 302 307 308; do
		start_registry --redirect "$code" --head-status 405
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 250000)" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(requests 'select(.status < 300 and .method != "HEAD") | [.method, .bodyBytes] | join(" ")' | tr -d '"' | paste -sd,)" = \
			"POST 0,PATCH 100000,PATCH 100000,PATCH 50000,PUT 0,POST 0,PUT 1000" ]
	done
}

@test "a blob whose bytes are not its digest is never committed: in one body" {
	start_registry
	d=$(random_blob L 200000)
	printf X | dd of="L/blobs/sha256/${d#sha256:}" bs=1 seek=150000 conv=notrunc 2>/dev/null
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 65 ]
	[[ $stderr == *"$d"*"not its digest"* ]]
	has_one_line "$stderr"
	# The body stayed incomplete: the registry never saw all of it.
	wait_for 5 test -n "$(requests 'select(.method == "PUT")')"
	[ "$(requests 'select(.method == "PUT") | .status == 0 and .bodyBytes < 200000')" = true ]
	[ "$(jq -r 'select(.event == "error").status' <<<"$output")" = 65 ]
}

@test "a blob whose bytes are not its digest is never committed: in chunks" {
	start_registry
	d=$(random_blob L 250000)
	printf X | dd of="L/blobs/sha256/${d#sha256:}" bs=1 seek=10 conv=notrunc 2>/dev/null
	export COG_PUSH_CHUNK_SIZE=100000 COG_PUSH_MULTIPART_THRESHOLD=1
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 65 ]
	[[ $stderr == *"$d"*"not its digest"* ]]
	[ "$(requests 'select(.method == "PUT")')" = "" ]
}

# bats test_tags=slow
@test "a PUT that ends in doubt is a success when the blob is there" {
	for fault in --put-drop "--put-answer "{404,499,500,504,522,524}; do
		# shellcheck disable=SC2086
		start_registry $fault
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(jq -r 'select(.event == "done").how' <<<"$output")" = uploaded ]
		[ "$(methods)" = "POST PUT HEAD" ]
		[ -z "$stderr" ]
	done
}

@test "a PUT that ends in doubt is a failure when the blob is not there" {
	start_registry --put-lose --put-answer 502
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 75 ]
	[[ $stderr == *"PUT http://$REGISTRY/"*502* ]]
	start_registry --put-lose --put-drop
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 75 ]
	[[ $stderr == *"PUT http://$REGISTRY/"*"connection"* ]]
}

@test "a PUT that loses the blob and the session is followed by a new session, not for ever" {
	for size in 400 10000; do
		export COG_PUSH_CHUNK_SIZE=$size COG_PUSH_MULTIPART_THRESHOLD=$size
		start_registry --model v3 --lose-at PUT:1:404
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 2 ]
		start_registry --put-lose --put-answer 404
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq 1 ]
		[[ $stderr == *"PUT http://$REGISTRY/"*404* ]]
		[ "$(requests 'select(.method == "POST")' | wc -l)" -le 9 ]
	done
}

@test "a blob that shows a while after its PUT is waited for where a proxy gave up" {
	export COG_PUSH_RETRY_DELAY_MS=500
	start_registry --head-later 1 --answer-at PUT:1:504
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "PUT")' | wc -l)" -eq 1 ]
}

@test "a blob whose PUT lost its answer is asked for again before it is sent again" {
	for wait in 0.3 60; do
		start_registry --head-later "$wait" --cut-at PUT:1:reply
		COG_PUSH_RETRY_DELAY_MS=500 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq 0 ]
		[ "$(requests 'select(.method == "PUT")' | wc -l)" -eq "$([ "$wait" = 60 ] && echo 2 || echo 1)" ]
	done
}

@test "a PUT may take longer than the time in which a transfer stalls" {
	start_registry --delay-put 1.5
	COG_PUSH_STALL_MS=300 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 0 ]
	[ "$(methods)" = "POST PUT" ]
}

@test "an answer that does not come in its own time is no longer waited for, and the request is made again" {
	start_registry --stall-at PUT:1:500:30
	COG_PUSH_REPLY_MS=$((1000 * SLOWNESS)) try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 0 ]
	[[ $(jq -r 'select(.event == "retry").reason' <<<"$output" | tail -n 1) == "PUT http://$REGISTRY/"*": no answer came in time" ]]
	[ "$(requests 'select(.method == "PUT") | [.status, .bodyBytes]')" = "[201,1000]" ]
}

# bats test_tags=slow
@test "a POST that fails in passing is made again: no answer, a page, Retry-After in seconds and as a date" {
	for fault in 1:0 1:503 1:429:1 1:429:date+3; do
		start_registry --fail "POST:$fault" --html-failures
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 70000)"
		[ "$status" -eq 0 ]
		[ "$(methods)" = "HEAD POST POST PUT" ]
		[[ $stderr != *"<"* ]]
		delay=$(jq 'select(.event == "retry").delayMs' <<<"$output")
		case $fault in
		1:0) [ -z "$delay" ] ;; # the connection was an old one
		1:429:1) [ "$delay" -eq 1000 ] ;;
		*date*) [ "$delay" -ge 1000 ] && [ "$delay" -le 3000 ] ;;
		*) [ "$delay" -le 20 ] ;;
		esac
	done
}

@test "a refused PUT is tried once more in chunks, then it is a failure" {
	start_registry --fail PUT:9:400
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 70000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"a fault as ordered"* ]]
	[ "$(methods)" = "HEAD POST PUT HEAD POST PATCH PUT HEAD" ]
}

# bats test_tags=slow
@test "statuses say whether to try again" {
	export COG_PUSH_RETRIES=0
	for want in 401:77 403:77 404:1 400:1 429:75 500:75 503:75 0:75; do
		start_registry --fail "POST:9:${want%:*}"
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
		[ "$status" -eq "${want#*:}" ]
		[[ $stderr == "oci-blob-upload: POST http://$REGISTRY/v2/a/b/blobs/uploads/: "* ]]
		has_one_line "$stderr"
		[ "$(jq -r 'select(.event == "error").status' <<<"$output")" = "${want#*:}" ]
	done
}

@test "a body that is too large is refused early, and the answer is not lost" {
	start_registry --max-body 100000
	big=$(random_blob L 20000000)
	for i in 1 2 3 4 5 6 7 8; do
		try oci-blob-upload L "$REGISTRY/a/b" "$big"
		[ "$status" -eq 1 ]
		[[ $stderr == *413*COG_PUSH_CHUNK_SIZE* ]]
		COG_PUSH_CHUNK_SIZE=10000000 try oci-blob-upload L "$REGISTRY/a/b" "$big"
		[ "$status" -eq 1 ]
		[[ $stderr == *PATCH*413*COG_PUSH_CHUNK_SIZE* ]]
	done
	COG_PUSH_CHUNK_SIZE=100000 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 150000)"
	[ "$status" -eq 0 ]
}

@test "a web server that says 200 to everything is not a registry" {
	start_registry --html
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 1 ]
	[[ $stderr == *"POST http://$REGISTRY/v2/a/b/blobs/uploads/: not a registry"*HTML* ]]
	[ "$(jq -r 'select(.event == "done")' <<<"$output")" = "" ]
}

@test "nobody at the port, no such host" {
	export COG_PUSH_RETRIES=0
	d=$(random_blob L 1000)
	try oci-blob-upload L "$NOBODY/a/b" "$d"
	[ "$status" -eq 75 ]
	[[ $stderr == *"HEAD https://$NOBODY/v2/a/b/"*refused* ]]
	try oci-blob-upload L name.invalid/a/b "$d"
	[ "$status" -eq 75 ]
	[[ $stderr == *"https://name.invalid/"*resolve* ]]
	has_one_line "$stderr"
	for name in "$NOBODY:refused" name.invalid:resolve; do
		COG_PUSH_RETRIES=2 try oci-blob-upload L "${name%:*}/a/b" "$d"
		[ "$status" -eq 75 ]
		[ "$(jq -r 'select(.event == "retry") | "\(.attempt) \(.reason)"' <<<"$output" | grep -c "^[12] .*${name##*:}")" -eq 2 ]
	done
}

@test "TLS: a trusted certificate is taken, another is not, and nothing goes in the clear" {
	make_certificate
	start_registry --tls "$CERT" "$KEY"
	d=$(random_blob L 300000)
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 1 ]
	[[ $stderr == *certificate* ]]
	SSL_CERT_FILE=$CERT COG_PUSH_CHUNK_SIZE=100000 try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(bodies | wc -l)" -eq 4 ]
	[ "$(requests .connection | sort -u | wc -l)" -eq 1 ]
}

@test "an http:// Location of the same host means https, with one warning" {
	make_certificate
	start_registry --tls "$CERT" "$KEY" --location downgrade
	SSL_CERT_FILE=$CERT COG_PUSH_CHUNK_SIZE=100000 try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 300000)"
	[ "$status" -eq 0 ]
	[ "$(grep -c http:// <<<"$stderr")" -eq 1 ]
	[[ $stderr == *warning* ]]
}

@test "a loopback registry is not asked through a proxy" {
	start_registry
	http_proxy=http://$NOBODY
	https_proxy=$http_proxy
	export http_proxy https_proxy
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 1000)"
	[ "$status" -eq 0 ]
}

@test "digests and records on stdin: layers and configs are sent, all else is passed over" {
	start_registry
	a=$(random_blob L 1000) b=$(random_blob L 1001) c=$(random_blob L 1002)
	m=$(random_blob L 1003) i=$(random_blob L 1004) x=$(random_blob L 1005)
	cat >records <<-END
	{"event":"phase","phase":"converting"}
	{"event":"blob","digest":"$a","size":1000,"kind":"layer"}
	{"event":"future","digest":"$x","size":1}

	{"event":"blob","digest":"$b","size":1001,"mediaType":"t","kind":"config"}
	{"event":"blob","digest":"$m","size":1003,"kind":"manifest"}
	{"event":"blob","digest":"$i","size":1004,"kind":"index"}
	{"event":"blob","digest":"$a","size":1000,"kind":"layer"}
	END
	printf '%s' "$c" >>records
	try oci-blob-upload L "$REGISTRY/a/b" <records
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done").digest' <<<"$output")" = "$a
$b
$c" ]
	[ "$(requests .connection | sort -u | wc -l)" -eq 1 ]
}

@test "what is neither a digest nor a record on stdin is bad input" {
	start_registry
	for line in hello '{"event":' '{"event":"blob","kind":"layer"}' "sha256:12" "sha512:$(printf '%0128d' 0)"; do
		try oci-blob-upload L "$REGISTRY/a/b" <<<"$line"
		[ "$status" -eq 65 ]
		[[ $stderr == *stdin* ]]
	done
}

# bats test_tags=slow
@test "two uploaders share a queue: each blob once, and each ends at its mark" {
	start_registry
	digests=()
	for i in $(seq 20); do digests+=("$(random_blob L $((40000 + i)))"); done
	mkfifo queue
	oci-blob-upload --queue queue L "$REGISTRY/a/b" >one 3>&- &
	first=$!
	oci-blob-upload --queue queue L "$REGISTRY/a/b" >two 3>&- &
	second=$!
	exec 8>queue
	printf '%s\n' "${digests[@]}" >&8
	mark=$(printf '%071d' 0 | tr 0 -)
	printf '%s\n%s\n' "$mark" "$mark" >&8
	wait "$first"
	wait "$second"
	exec 8>&-
	[ "$(cat one two | jq -r 'select(.event == "done").digest' | sort)" = "$(printf '%s\n' "${digests[@]}" | sort)" ]
	[ "$(requests 'select(.method == "PUT")' | wc -l)" -eq 20 ]
	[ "$(requests .connection | sort -u | wc -l)" -le 2 ]
	[ "$(cat one two | grep -c phase)" -eq 0 ]
}

@test "a queue ends where its writers have gone; a torn line is an error" {
	start_registry
	mkfifo queue
	d=$(random_blob L 1000)
	oci-blob-upload --queue queue L "$REGISTRY/a/b" >one 3>&- &
	pid=$!
	printf '%s\n' "$d" >queue
	wait "$pid"
	grep -q "$d" one
	oci-blob-upload --queue queue L "$REGISTRY/a/b" 2>err 3>&- &
	pid=$!
	printf 'sha256:12\n' >queue
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 65 ]
	grep -q 'not a line of a queue' err
}

@test "a signal ends an uploader that waits for its queue" {
	start_registry
	mkfifo queue
	exec 8<>queue
	oci-blob-upload --queue queue L "$REGISTRY/a/b" 3>&- 8>&- &
	pid=$!
	printf '%s\n' "$(random_blob L 1000)" >&8
	wait_for 10 grep -q PUT "$REGISTRY_LOG"
	start=$SECONDS
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	exec 8>&-
	[ "$code" -eq 130 ]
	is_soon "$start"
}

# bats test_tags=slow
@test "a signal ends an uploader while it sends, and nothing is committed" {
	for signal in INT TERM HUP; do
		start_registry --throttle 1000000
		d=$(random_blob L 30000000)
		rm -f out # of the signal before
		oci-blob-upload L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
		pid=$!
		wait_for 10 grep -q progress out
		start=$SECONDS
		kill -"$signal" "$pid"
		code=0
		wait "$pid" || code=$?
		echo "$signal: status $code after $((SECONDS - start)) s: $(cat err)"
		tail -n 3 out
		[ "$code" -eq 130 ]
		is_soon "$start"
		grep -q interrupted err
		run ! grep -q '"done"' out
		stop_registry
	done
}

@test "a signal ends an uploader that waits for the answer to a PUT" {
	start_registry --delay-put 60
	d=$(random_blob L 1000)
	oci-blob-upload -v L "$REGISTRY/a/b" "$d" >out 2>err 3>&- &
	pid=$!
	wait_for 10 grep -q '> PUT' err
	start=$SECONDS
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 130 ]
	is_soon "$start"
}

# bats test_tags=native
@test "memory does not grow with the chunk" {
	start_registry
	head -c 100000000 /dev/zero >zeros
	d=$(add_blob L zeros)
	export COG_PUSH_CHUNK_SIZE=268435456 COG_PUSH_MULTIPART_THRESHOLD=1
	try "$PYTHON" -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	[ "$(bodies | head -1)" = "PATCH 0-99999999 100000000" ]
	if ! ldd "$ROOT/bin/oci-blob-upload" | grep -q asan; then
		[ "$output" -lt $((24 * 1024)) ]
	fi
}

@test "progress comes at most four times a second and never beyond the size" {
	start_registry --throttle 4000000
	d=$(random_blob L 8000000)
	export COG_PUSH_CHUNK_SIZE=3000000
	try oci-blob-upload L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	count=$(grep -c '"progress"' <<<"$output")
	ms=$(jq -r 'select(.event == "done").ms' <<<"$output")
	[ "$count" -ge 1 ]
	[ "$count" -le $((ms / 250 + 1)) ]
	[ "$(jq -c 'select(.event == "progress") | select(.sentOffset > .size or .offset > .sentOffset or .size != 8000000)' <<<"$output")" = "" ]
}

@test "a full stdout is a failure" {
	start_registry
	d=$(random_blob L 1000)
	run --separate-stderr bash -c "oci-blob-upload L '$REGISTRY/a/b' '$d' >/dev/full"
	[ "$status" -eq 1 ]
	[[ $stderr == *stdout* ]]
}

@test "blobs that are absent, empty or no files are refused before anything is sent" {
	start_registry
	none=sha256:$(printf '%064d' 0)
	try oci-blob-upload L "$REGISTRY/a/b" "$none"
	[ "$status" -eq 65 ]
	[[ $stderr == *"$none"* ]]
	mkfifo "L/blobs/sha256/${none#sha256:}"
	try oci-blob-upload L "$REGISTRY/a/b" "$none"
	[ "$status" -eq 65 ]
	[[ $stderr == *"not a regular file"* ]]
	empty=$(random_blob L 0)
	try oci-blob-upload L "$REGISTRY/a/b" "$empty"
	[ "$status" -eq 65 ]
	[[ $stderr == *"$empty"*"0 bytes"* ]]
	[ ! -s "$REGISTRY_LOG" ]
}

@test "--absent: what the layout lacks is asked for, and what the registry lacks as well is noted" {
	here=$(random_blob L 1000)
	there=sha256:$(printf '%064d' 1) none=sha256:$(printf '%064d' 2)
	start_registry --blob "$there" --fail-at HEAD:1:503
	echo "another's line" >absent
	try oci-blob-upload --absent absent L "$REGISTRY/a/b" "$there" "$none" "$here"
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "done") | "\(.digest) \(.how) \(.size)"' <<<"$output")" = "$there exists 1
$here uploaded 1000" ]
	[ "$(jq 'select(.event == "retry").httpStatus' <<<"$output")" -eq 503 ]
	[ "$(cat absent)" = "another's line
$none" ]
	[ "$(methods)" = "HEAD HEAD HEAD POST PUT" ]
	[ "$(cut -d ' ' -f 1 "$XDG_CACHE_HOME"/cog-push/pushed/*)" = "$there
$here" ]
}

@test "--absent: a registry that does not tell is asked again, then it is a failure; one that refuses HEAD lacks it" {
	none=sha256:$(printf '%064d' 2)
	for want in 500:75 403:0 405:0; do
		start_registry --head-status "${want%:*}"
		rm -f absent
		COG_PUSH_RETRIES=2 try oci-blob-upload --absent absent L "$REGISTRY/a/b" "$none"
		[ "$status" -eq "${want#*:}" ]
		case $want in
		500:*) [ ! -s absent ] && [ "$(methods)" = "HEAD HEAD HEAD" ] ;;
		*) [ "$(cat absent)" = "$none" ] ;;
		esac
	done
	start_registry
	for file in /dev/full no/such/file; do
		try oci-blob-upload --absent "$file" L "$REGISTRY/a/b" "$none"
		[ "$status" -eq 1 ]
		[[ $stderr == *"$file"* ]]
		has_one_line "$stderr"
	done
}

@test "--trusted: bytes are not hashed on the way, and the registry finds out" {
	start_registry
	d=$(random_blob L 100000)
	try oci-blob-upload --trusted L "$REGISTRY/a/b" "$d"
	[ "$status" -eq 0 ]
	wrong=$(random_blob L 200000)
	printf X | dd of="L/blobs/sha256/${wrong#sha256:}" bs=1 seek=150000 conv=notrunc 2>/dev/null
	try oci-blob-upload --trusted L "$REGISTRY/a/b" "$wrong"
	[ "$status" -eq 1 ]
	[[ $stderr == *DIGEST_INVALID* ]]
}

@test "--remove: a blob is gone from the layout once the registry has it, not before" {
	a=$(random_blob L 100001) b=$(random_blob L 100000) c=$(random_blob L 100002) d=$(random_blob L 100003)
	start_registry --blob "$a" --fail "PUT:1:500" --fail-at PUT:3:403
	try oci-blob-upload --remove L "$REGISTRY/a/b" "$a" "$b" "$c" "$d"
	[ "$status" -eq 77 ]
	[ "$(jq -r 'select(.event == "done").digest' <<<"$output" | paste -sd' ')" = "$a $b" ]
	[ "$(cd L/blobs/sha256 && echo *)" = "$(printf '%s\n' "${c#sha256:}" "${d#sha256:}" | sort | paste -sd' ')" ]
}

@test "--remove leaves small blobs where they are: a config is wanted again" {
	a=$(random_blob L 65536) b=$(random_blob L 65537)
	start_registry
	try oci-blob-upload --remove L "$REGISTRY/a/b" "$a" "$b"
	[ "$status" -eq 0 ]
	[ "$(cd L/blobs/sha256 && echo *)" = "${a#sha256:}" ]
}

@test "wrong usage" {
	none=sha256:$(printf '%064d' 0)
	for line in "" "L" "L host.example/UPPER" "L host.example/a/b:tag" "L host.example/a/b@$none" \
		"L host.example/a/b sha256:12" "L https://host.example/a/b" "--queue q L host.example/a $none" \
		"--nonsense L host.example/a" "--queue"; do
		# shellcheck disable=SC2086
		try oci-blob-upload $line
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		has_one_line "$stderr"
	done
	try oci-blob-upload . host.example/a/b "$none"
	[ "$status" -eq 65 ]
}

@test "-v traces requests and answers, and hides what is in a query" {
	start_registry --location state
	d=$(random_blob L 1000)
	try oci-blob-upload -v L "$REGISTRY/a/b" "$d"
	[[ $stderr == *"> PUT http://$REGISTRY/v2/a/b/blobs/upload/u1?_state=...&a=...&_n=...&digest=$d"* ]]
	[[ $stderr == *"< 201"* ]]
	[[ $stderr != *b%2fA* ]]
}

@test "what a registry says about a refusal is shown" {
	start_registry --fail POST:1:400
	try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L 70000)"
	[[ $stderr == *"UNKNOWN: a fault as ordered"* ]]
}

@test "the upload session of the check before is used for the first blob, by one uploader" {
	start_registry --min-chunk 100000
	mkdir -m 700 tokens
	export COG_TOKEN_DIR=$WORLD/tokens COG_PUSH_CHUNK_SIZE=70000 COG_PUSH_MULTIPART_THRESHOLD=1
	oci-push-check "$REGISTRY/a/b"
	a=$(random_blob L 150000) b=$(random_blob L 1000)
	try oci-blob-upload L "$REGISTRY/other/repo" "$b"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 2 ]
	[ -e tokens/session ]
	try oci-blob-upload L "$REGISTRY/a/b" "$a"
	[ "$status" -eq 0 ]
	[ "$(requests 'select(.method == "POST")' | wc -l)" -eq 2 ]
	[ "$(requests 'select(.headers["content-range"] == "0-99999").path')" = '"/v2/a/b/blobs/upload/u1"' ]
	[ ! -e tokens/session ]
}

@test "a session of the check before that is lost is replaced by a new one" {
	for size in 1000 250000; do
		start_registry
		rm -rf tokens
		mkdir -m 700 tokens
		export COG_TOKEN_DIR=$WORLD/tokens COG_PUSH_CHUNK_SIZE=100000
		oci-push-check "$REGISTRY/a/b"
		sed -i s/u1/gone/ tokens/session
		try oci-blob-upload L "$REGISTRY/a/b" "$(random_blob L "$size")"
		[ "$status" -eq 0 ]
	done
}
