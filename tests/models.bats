# SPDX-License-Identifier: Apache-2.0
# The scripted registry itself, driven by curl: each server model does what it says of the real one,
# and each order of a fault does what --help says. A surprise in another test is then the client's.
load helper
load layout

setup() {
	own_world
	head -c 300000 /dev/urandom >blob
	DIGEST=sha256:$(sha blob)
	mkdir store
	SCHEME=http
	declare -gA HEADERS
}

# start_model NAME [OPTION...]
start_model() {
	start_registry --model "$1" --store store --part-min 100000 "${@:2}"
}

# ask METHOD URL [CURL-OPTION...]: CODE is the status, 000 without an answer; HEADERS are those of the
# answer; the file body is its body.
ask() {
	local method=$1 url=$2 line
	shift 2
	[[ $url == http* ]] || url=$SCHEME://$REGISTRY$url
	: >headers
	: >body
	CODE=$(curl -s --max-time 20 -o body -D headers -w '%{http_code}' -X "$method" -A cog-push/test \
		-H Expect: "$@" "$url") || true
	HEADERS=()
	while IFS= read -r line; do
		line=${line%$'\r'}
		[[ $line != *": "* ]] || HEADERS[${line%%: *}]=${line#*: }
	done <headers
	echo "$method $url $*: $CODE ${HEADERS[Range]} ${HEADERS[Location]}"
	LOCATION=${HEADERS[Location]:-$LOCATION}
}

# has NAME VALUE: the last answer has that header; "": it has not.
has() {
	[ "${HEADERS[$1]}" = "$2" ]
}

# begin [QUERY]: a new session; LOCATION is its URL from then on.
begin() {
	ask POST "/v2/a/b/blobs/uploads/$1" -H 'Content-Length: 0'
}

# patch FIRST LAST [RANGE]: these bytes of the blob, with their Content-Range or another (or "").
patch() {
	part "$1" "$2"
	ask PATCH "$LOCATION" -H "Content-Range: ${3-$1-$2}" "${OCTETS[@]}"
}

OCTETS=(-H 'Content-Type: application/octet-stream' --data-binary @part)

part() {
	dd if=blob of=part bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$(($2 - $1 + 1))" status=none
}

# put [FIRST LAST]: the end, without a body or with these bytes.
put() {
	local mark='?'
	[[ $LOCATION != *'?'* ]] || mark='&'
	: >part
	[ $# -eq 0 ] || part "$1" "$2"
	ask PUT "$LOCATION${mark}digest=$DIGEST" "${OCTETS[@]}"
}

# ended: the blob is there, with its bytes.
ended() {
	[ "$CODE" = 201 ]
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	[ "$CODE" = 200 ]
	cmp "store/${DIGEST#sha256:}" blob
	rm "store/${DIGEST#sha256:}"
}

# got CODE [TEXT]: the last status, and TEXT in the body.
got() {
	[ "$CODE" = "$1" ]
	[ -z "$2" ] || grep -q "$2" body
}

# bats test_tags=slow
@test "every model takes a blob in one body, and in the chunks it likes" {
	for model in v2 v3 serverless ecr ghcr google quay gitea zot acr; do
		start_model "$model"
		begin
		got 202
		put 0 299999
		ended
		begin
		case $model in
		google) patch 0 299999 ;;
		*)
			patch 0 99999
			patch 100000 199999
			;;
		esac
		case $model in
		google) put ;;
		ecr) put 200000 299999 ;;
		*)
			patch 200000 299999
			put
			;;
		esac
		ended
		stop_registry
	done
}

@test "a digest that is not that of the bytes is refused" {
	DIGEST=sha256:$(printf '%064d' 0)
	for model in v3 serverless zot; do
		start_model "$model"
		begin
		put 0 299999
		case $model in
		serverless) got 500 ;;
		*) got 400 DIGEST_INVALID ;;
		esac
		ask HEAD "/v2/a/b/blobs/$DIGEST" --head
		got 404
		stop_registry
	done
}

@test "v2: a cut PATCH leaves bytes, and the next request, be it GET, finds the session invalid and ends it" {
	for method in GET PATCH; do
		start_model v2 --cut-at PATCH:2:50000
		begin
		patch 0 99999
		got 202
		has Range 0-99999
		patch 100000 199999
		got 000
		[ "$method" = GET ] && ask GET "$LOCATION" || patch 100000 199999
		got 404 BLOB_UPLOAD_INVALID
		ask GET "$LOCATION"
		got 404 BLOB_UPLOAD_UNKNOWN
		stop_registry
	done
}

@test "v2: an older Location ends the session, the newest has a status, and Content-Range is not looked at" {
	start_model v2
	begin
	old=$LOCATION
	ask GET "$LOCATION"
	got 204
	has Range 0-0
	patch 0 99999 7-8
	got 202
	ask GET "$LOCATION"
	got 204
	has Range 0-99999
	ask GET "$old"
	got 404 BLOB_UPLOAD_INVALID
	patch 100000 199999
	got 404 BLOB_UPLOAD_UNKNOWN
	ask GET "${LOCATION%%\?*}"
	got 404
}

@test "v3: after a cut PATCH the upload goes on at the byte that GET tells" {
	start_model v3 --cut-at PATCH:2:50001
	begin
	patch 0 99999
	patch 100000 199999
	got 000
	[ "$(requests 'select(.cut) | [.bodyBytes, .status]')" = '[50001,0]' ]
	patch 100000 199999
	got 416 RANGE_INVALID
	has Range ""
	has Location ""
	ask GET "$LOCATION"
	got 204
	has Range 0-150000
	patch 150001 299999
	got 202
	put
	ended
}

@test "v3: wrong offsets, wrong lengths, a bytes prefix, a body in the PUT" {
	start_model v3
	begin
	patch 0 99999
	patch 100001 199999
	got 416 RANGE_INVALID
	has Range ""
	patch 100000 199999 100000-199998
	got 400 SIZE_INVALID
	patch 100000 199999 'bytes 100000-199999'
	got 500
	put 100000 299999
	ended
	begin
	patch 0 99999
	put
	got 400 DIGEST_INVALID
	ask GET "$LOCATION"
	got 404 BLOB_UPLOAD_UNKNOWN
}

@test "serverless: what POST and GET say" {
	start_model serverless
	begin
	got 202
	[[ $LOCATION =~ ^/v2/a/b/blobs/uploads/u1\?_stateHash=[0-9a-f]+$ ]]
	[ "${HEADERS[Range]} ${HEADERS[OCI-Chunk-Min-Length]} ${HEADERS[OCI-Chunk-Max-Length]}" = "0-0 100000 100000000" ]
	old=$LOCATION
	ask GET /v2/a/b/blobs/uploads/u1
	got 204
	[ "${HEADERS[Range]} ${HEADERS[OCI-Chunk-Min-Length]} $LOCATION" = "0--1 100000 $old" ]
	patch 0 99999
	got 202
	[ "${HEADERS[Range]}${HEADERS[OCI-Chunk-Min-Length]}" = 0-99999 ]
	[ "$LOCATION" != "$old" ]
}

@test "serverless: a stale Location or a wrong offset gets the right ones" {
	start_model serverless
	OCTETS+=(--limit-rate 500k) # it answers early and resets: curl is to read that first
	begin
	old=$LOCATION
	patch 0 99999
	new=$LOCATION
	LOCATION=$old
	patch 100000 199999
	got 416
	[ "$LOCATION ${HEADERS[Range]}" = "$new 0-99999" ]
	patch 0 99999
	got 416
	[ "$LOCATION ${HEADERS[Range]}" = "$new 0-99999" ]
	patch 100000 100000
	got 416
	patch 100000 199999 'bytes 100000-199999'
	got 416
	patch 100000 199999
	patch 200000 299999
	put
	ended
}

@test "serverless: parts are equal, only the last smaller; else a 416 that repeats the client" {
	start_model serverless
	OCTETS+=(--limit-rate 500k) # it answers early and resets: curl is to read that first
	begin
	patch 0 119999
	patch 120000 299999
	got 416
	has Range 0-119999
	patch 120000 239999
	patch 240000 279999
	got 202
	patch 280000 299999 # ever smaller: taken, in vain
	got 202
	put
	got 500 INTERNAL_ERROR
	put
	got 500
	begin
	patch 0 49999 # smaller than the smallest, so the last
	got 202
	patch 50000 99999
	got 416
	begin
	patch 0 299999
	put
	ended
}

@test "serverless: a cut PATCH leaves nothing, and its Location stays" {
	start_model serverless --cut-at PATCH:2:50000
	begin
	patch 0 99999
	patch 100000 199999
	got 000
	patch 100000 199999
	got 202
	patch 200000 299999
	put
	ended
}

@test "serverless: unknown ids, a body after parts, a PUT again" {
	start_model serverless
	LOCATION="/v2/a/b/blobs/uploads/none?_stateHash=1"
	patch 0 99999
	got 500
	put
	got 500
	ask GET "$LOCATION"
	got 404
	begin
	patch 0 199999
	put 200000 299999
	got 500
	begin
	put
	got 500
	put 0 299999
	ended
	LOCATION=$(requests 'select(.method == "PUT" and .status == 201) | .path + "?" + .query' | tr -d '"')
	put
	got 500
	ask GET "$LOCATION"
	got 404
}

is_sized() { # FILE BYTES
	[ "$(stat -c %s "$1")" -ge "$2" ]
}

@test "serverless: a PATCH that ends late, after others, moves the session back" {
	start_model serverless --stall-at PATCH:1:50000:3
	begin
	part 0 99999
	cp part first
	curl -s -A cog-push/test -X PATCH "${OCTETS[@]:0:2}" --data-binary @first "http://$REGISTRY$LOCATION" 3>&- &
	slow=$!
	wait_for 5 is_sized store/upload-u1 50000
	patch 0 99999
	patch 100000 199999
	got 202
	wait "$slow"
	patch 200000 299999
	got 416
	has Range 0-99999
	patch 100000 199999
	patch 200000 299999
	put
	ended
}

@test "serverless: an error comes before the body, then a reset, and nothing says so" {
	start_model serverless
	LOCATION="/v2/a/b/blobs/uploads/none?_stateHash=1"
	head -c 30000000 /dev/zero >blob
	part 0 29999999
	# Slowly: the reset could overtake the answer.
	ask PATCH "$LOCATION" -H 'Content-Range: 0-29999999' "${OCTETS[@]}" --limit-rate 200k
	got 500
	has Connection ""
	[ "$(requests .bodyBytes)" -lt 1000000 ]
}

@test "ecr: 201, a Range that stays, the last part in the PUT" {
	start_model ecr
	begin
	patch 0 99999
	got 201
	patch 100000 199999
	got 201
	has Range 0-99999
	ask GET "$LOCATION"
	has Range 0-99999
	patch 0 99999
	got 416 BLOB_UPLOAD_INVALID
	has Range ""
	put 200000 299999
	ended
	begin
	patch 0 149999
	patch 150000 299999
	put
	got 500
	begin
	patch 0 299999
	put
	ended
}

@test "ecr: a small part is the last; a cut PATCH leaves nothing" {
	start_model ecr --cut-at PATCH:3:5
	begin
	patch 0 49999
	got 201
	patch 50000 99999
	got 400 BLOB_UPLOAD_INVALID
	begin
	patch 0 149999
	got 000
	patch 0 149999
	got 201
	put 150000 299999
	ended
}

@test "ghcr: a PATCH above the limit is a 416 that means 413; the path is of its own" {
	start_model ghcr --patch-max 100000
	begin
	[ "$LOCATION" = /v2/a/b/blobs/upload/u1 ]
	patch 0 100000
	got 416 'REQUESTED_RANGE_NOT_SATISFIABLE.*body too large.*0.10MiB'
	put 0 299999
	ended
	start_model ghcr
	begin
	head -c 5000000 /dev/zero >blob
	part 0 4999999
	# Slowly: a reset for the rest of the body could overtake the answer.
	ask PATCH "$LOCATION" -H 'Content-Range: 0-4999999' "${OCTETS[@]}" --limit-rate 200k
	got 416 4.00MiB
}

@test "google: a second PATCH is refused" {
	start_model google
	begin
	patch 0 99999
	got 202
	patch 100000 299999
	got 400
	put 100000 299999
	got 400
	start_model google --cut-at PATCH:1:5
	begin
	patch 0 299999
	got 000
	patch 0 299999
	got 400
}

@test "quay: the Range of each verb, and no Location of GET" {
	start_model quay
	begin
	has Range bytes=0--1
	patch 0 99999
	has Range 0-99999
	ask GET "$LOCATION"
	got 204
	[ "${HEADERS[Range]}${HEADERS[Location]}" = bytes=0-100000 ]
	patch 150000 199999
	got 416
	has Range 0-100000
}

@test "quay: an overlap is skipped, but not from 0, and a PUT that fails is the end" {
	start_model quay
	begin
	patch 0 99999
	patch 50000 199999
	got 202
	has Range 0-199999
	patch 200000 299999
	put
	ended
	begin
	patch 0 99999
	patch 0 299999
	has Range 0-399999
	put
	got 400 DIGEST_INVALID
	ask GET "$LOCATION"
	got 404
}

@test "gitea: no Range, no second PATCH without Content-Range, a 416 without help" {
	start_model gitea
	begin
	has Range 0-0
	patch 0 99999
	got 202
	has Range ""
	ask GET "$LOCATION"
	got 204
	has Range 0-99999
	patch 100000 199999 ""
	got 400 BLOB_UPLOAD_INVALID
	patch 0 99999
	got 416
	has Range ""
	start_model gitea --range minus --get-status 405
	begin
	has Range 0--1
	ask GET "$LOCATION"
	got 405
}

@test "gitea: after a cut PATCH nothing is taken; a PUT that failed leaves the session" {
	start_model gitea --cut-at PATCH:1:5
	begin
	patch 0 299999
	got 000
	patch 0 299999
	got 500
	begin
	patch 0 99999
	put
	got 400
	put 100000 299999
	ended
}

@test "zot: a cut PATCH deletes the session" {
	start_model zot --cut-at PATCH:2:50000
	begin
	patch 0 99999
	patch 100000 199999
	got 000
	ask GET "$LOCATION"
	got 404 BLOB_UPLOAD_UNKNOWN
	begin
	patch 0 99999
	put 100000 299999
	got 416
	has Range ""
}

@test "acr: a length is needed, a bytes prefix refused, and a large body has its 413" {
	start_model acr --max-body 200000
	begin
	[[ $LOCATION == *_state=* ]]
	ask PATCH "$LOCATION" -H 'Content-Length:'
	got 400 CONTENT_LENGTH_INVALID
	patch 0 99999 'bytes 0-99999'
	got 400 BLOB_UPLOAD_INVALID
	OCTETS+=(--limit-rate 500k) # it answers early and resets: curl is to read that first
	patch 0 299999
	got 413 html
	patch 0 99999
	got 202
	ask PATCH "${LOCATION%%\?*}" "${OCTETS[@]}"
	got 404
}

# bats test_tags=slow
@test "--cut: the same seed cuts the same requests at the same bytes" {
	count=0
	for seed in 7 7 8; do
		start_model v3 --cut "$seed:2:3"
		for round in 1 2 3 4; do
			begin
			patch 0 999 ""
		done
		[ "$(requests 'select(.cut)' | wc -l)" -eq 2 ]
		count=$((count + 1))
		requests '[.method, .cut, .bodyBytes, .lost]' >"cuts.$count"
		stop_registry
	done
	cmp cuts.1 cuts.2
	run ! cmp cuts.1 cuts.3
}

@test "--cut-at: a reset, an end, an answer that is lost" {
	start_model v3 --cut-at PATCH:1:reply --cut-at PUT:1:0:fin --cut-at HEAD:1:0
	begin
	patch 0 299999
	got 000
	[ "$(requests 'select(.cut) | [.method, .bodyBytes, .lost]')" = '["PATCH",300000,202]' ]
	ask GET "$LOCATION"
	has Range 0-299999
	put
	got 000
	put
	got 201
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 000
	[ "$(requests 'select(.cut)' | wc -l)" -eq 3 ]
}

is_refused() {
	local code=0
	curl -s "http://$REGISTRY/v2/" -o body || code=$?
	[ "$code" -eq 7 ]
}

is_back() {
	ask GET /v2/
	[ "$CODE" = 200 ]
}

@test "--down-at: nobody listens for a while, then all is as before" {
	start_model v3 --down-at PATCH:2:50000:1
	begin
	patch 0 99999
	patch 100000 199999
	got 000
	wait_for 5 is_refused
	wait_for 10 is_back
	[ "$(requests 'select(.faults) | [.method, .cut, .bodyBytes, .faults]')" = '["PATCH",true,50000,["--down-at"]]' ]
	ask GET "$LOCATION"
	has Range 0-149999
	patch 150000 299999
	put
	ended
}

@test "orders: failures with Retry-After, pages, a status after all is done, a lost session" {
	start_model v3 --fail PATCH:1:429:3 --fail PATCH:1:503:date+60 --answer-at PATCH:3:500 --lose-at PATCH:4:400
	begin
	patch 0 99999
	got 429
	has Retry-After 3
	patch 0 99999
	got 503
	[[ ${HEADERS[Retry-After]} == *GMT ]]
	patch 0 99999
	got 500
	ask GET "$LOCATION"
	has Range 0-99999
	patch 100000 199999
	got 400 BLOB_UPLOAD_UNKNOWN
	ask GET "$LOCATION"
	got 400 BLOB_UPLOAD_UNKNOWN
	start_model v3 --fail-at POST@/a/b/:2:503 --html-failures
	begin
	got 202
	begin
	got 503 html
}

@test "orders: a body that is answered in its middle, in the clear and over TLS" {
	make_certificate
	export CURL_CA_BUNDLE=$CERT
	head -c 20000000 /dev/zero >blob
	for SCHEME in http https; do
		tls=()
		[ "$SCHEME" = http ] || tls=(--tls "$CERT" "$KEY")
		start_registry --early-at PATCH:1:500000:413 --max-body 10000000 --read-first 300000 "${tls[@]}"
		begin
		patch 0 8999999
		patch 0 19999999
		# curl may lose the answer that a reset follows: over TLS often, in the clear seldom.
		[ "$CODE" = 000 ] || got 413 html
		[ "$(requests 'select(.method == "PATCH") | [.status, .bodyBytes]' | paste -sd' ')" = "[413,500000] [413,300000]" ]
		stop_registry
	done
}

@test "orders: a short accept, a stall" {
	start_model v3 --short-at PATCH:1:60000 --stall-at PATCH:2:10:0.7
	begin
	patch 0 99999
	got 202
	has Range 0-59999
	before=$EPOCHREALTIME
	patch 60000 299999
	got 202
	[ "$(jq -n "$EPOCHREALTIME - $before >= 0.7")" = true ]
	put
	ended
}

@test "--range: shapes of Range" {
	for want in none: high:0-200000 chunk:0-99999; do
		start_model zot --range "${want%:*}"
		begin
		patch 0 99999
		patch 100000 199999
		got 202
		has Range "${want#*:}"
		stop_registry
	done
}

@test "a blob shows late; HEAD has no length" {
	start_registry --head-later 0.7
	begin
	put 0 299999
	got 201
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 404
	sleep 0.8
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 200
	start_registry --head-no-length --blob "$DIGEST"
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 200
	has Content-Length ""
}

@test "mounts: 201 where the blob is in that repository, an upload, refusals" {
	start_registry --mount 201 --blob "$DIGEST@from/here"
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 404
	begin "?mount=$DIGEST&from=not/here"
	got 202
	begin "?mount=$DIGEST&from=from/here"
	got 201
	ask HEAD "/v2/a/b/blobs/$DIGEST" --head
	got 200
	for kind in 202 403 drop; do
		start_registry --mount "$kind" --blob "$DIGEST@from/here"
		begin "?mount=$DIGEST&from=from/here"
		got "${kind/drop/000}"
		stop_registry
	done
}

# put_manifest NAME JSON [CURL-OPTION...]
put_manifest() {
	ask PUT "/v2/a/b/manifests/$1" -H "Content-Type: $TYPE" --data-binary "$2"
}

TYPE=application/vnd.oci.image.manifest.v1+json

@test "manifests: blobs that show late, tags that stay, types that are refused" {
	start_registry --blob-unknown 2 --immutable-tags --refuse-type index:415 --blob "$DIGEST"
	one="{\"mediaType\":\"$TYPE\",\"layers\":[{\"digest\":\"$DIGEST\"}]}"
	put_manifest tag "$one"
	got 404 "MANIFEST_BLOB_UNKNOWN.*$DIGEST"
	put_manifest tag "$one"
	got 404
	put_manifest tag "$one"
	got 201
	put_manifest tag "$one"
	got 201
	put_manifest tag "$one "
	got 409
	TYPE=application/vnd.oci.image.index.v1+json put_manifest index '{}'
	got 415
}

@test "manifests: a subject and its referrers" {
	other=sha256:$(printf '%064d' 1)
	one="{\"mediaType\":\"$TYPE\",\"subject\":{\"digest\":\"$other\"}}"
	for want in api:"$other":200 lying:"$other":404 empty::200; do
		start_registry --subject "${want%%:*}"
		put_manifest tag "$one"
		got 201
		want=${want#*:}
		has OCI-Subject "${want%:*}"
		ask GET "/v2/a/b/referrers/$other"
		got "${want##*:}"
		stop_registry
	done
	start_model serverless
	put_manifest tag "$one"
	got 400 BLOB_UNKNOWN
	put_manifest tag '{}'
	got 400
}
