# SPDX-License-Identifier: Apache-2.0
# What every test file loads: an own world (HOME, TMPDIR, state, cache) in a folder with a space in
# its name, the programs in PATH, and servers that end with the test.
bats_require_minimum_version 1.5.0

ROOT=$(cd "${BATS_TEST_DIRNAME%%/tests*}" && pwd)
DATA=$ROOT/tests/data
BIN=${COG_TEST_BIN:-$ROOT/bin}
PATH=$BIN:$PATH
export LC_ALL=C.UTF-8

# Servers are started hundreds of times. Found once: the interpreter itself, as python3 may be a slow
# script that looks for it. Compiled once: the modules of tests/.
PYTHON=${COG_TEST_PYTHON:-$(python3 -c 'import sys; print(sys.executable)')}
export COG_TEST_PYTHON=$PYTHON PYTHONPATH=$ROOT/tests
export PYTHONPYCACHEPREFIX=$BATS_RUN_TMPDIR/python PYTHONDONTWRITEBYTECODE=

own_world() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir -p "a world/home" "a world/tmp" "a world/state" "a world/cache"
	cd "a world" || return 1
	WORLD=$PWD
	export HOME=$WORLD/home TMPDIR=$WORLD/tmp
	export XDG_STATE_HOME=$WORLD/state XDG_CACHE_HOME=$WORLD/cache
	unset DOCKER_CONFIG DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE COG_STATE_DIR COG_TOKEN_DIR
	unset COG_RUN_DIR COG_REPORT_FD ${!COG_PUSH_*}
	export COG_PUSH_RETRY_DELAY_MS=10
	unset SSL_CERT_FILE SSL_CERT_DIR http_proxy https_proxy HTTP_PROXY HTTPS_PROXY no_proxy NO_PROXY all_proxy ALL_PROXY
	SERVERS=() INSIDE=()
}

setup() {
	own_world
}

end_servers() {
	local pid
	for pid in "${SERVERS[@]}"; do
		kill "$pid" 2>/dev/null
		kill -CONT "$pid" 2>/dev/null # of one that is stopped
		wait "$pid" 2>/dev/null
	done
	return 0
}

teardown() {
	end_servers
}

# A size, as programs show it.
SIZE='[0-9.]+ [kMGT]?B'

SED=$(command -v sed) # a test may have another PATH

# said_by PROGRAM FILE: what is in it, without what a push says only because time goes by, which is more on a
# slow machine.
said_by() {
	case $1 in
	cog-progress) "$SED" "" "$2" ;;
	*) "$SED" -E -e "/^.*  (pushing|converting)\$/d" -e '/(^|, )at work for [0-9]/d' \
		-e "/^.*  (converting )?$SIZE( of $SIZE)?(, .*)?\$/d" "$2" ;;
	esac
}

# try CMD...: sets output (stdout), stderr and status, and shows both streams when the test fails. Waits
# for all that holds stdout, like run, but starts nothing else.
try() {
	status=0
	output=$("$@" 2>"$BATS_TEST_TMPDIR/stderr") || status=$?
	stderr=$(said_by "$1" "$BATS_TEST_TMPDIR/stderr")
	echo "--- $*: status $status"
	echo "--- stdout: ${output:0:4000}"
	echo "--- stderr: ${stderr:0:4000}"
}

# unprivileged COMMAND...: without the right of root to read what its modes forbid.
unprivileged() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --bounding-set=-all --inh-caps=-all "$@"
	else
		"$@"
	fi
}

# Under valgrind all takes this many times as long.
SLOWNESS=${COG_TEST_SLOWNESS:-1}

# wait_for SECONDS CMD...: until CMD succeeds.
wait_for() {
	local end=$((SECONDS + $1 * SLOWNESS))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# is_soon START: no long time has gone by since SECONDS was START.
is_soon() {
	[ $((SECONDS - $1)) -le $((5 * SLOWNESS)) ]
}

# start_registry [OPTION...]: the scripted registry on a free loopback port. REGISTRY is host:port,
# REGISTRY_LOG its log of requests, one JSON object a line.
start_registry() {
	REGISTRY_LOG=$WORLD/requests.$RANDOM
	local port_file=$WORLD/port.$RANDOM
	"${INSIDE[@]}" "$PYTHON" -S -m registry --port-file "$port_file" \
		--log "$REGISTRY_LOG" "$@" 3>&- &
	SERVERS+=($!)
	wait_for 10 test -s "$port_file" || return 1
	REGISTRY=127.0.0.1:$(cat "$port_file")
}

# requests [JQ-FILTER]: the log, e.g. requests 'select(.method == "PATCH") | .contentLength'
requests() {
	jq -c "${1:-.}" "$REGISTRY_LOG"
}

sha() {
	local sum
	sum=$(sha256sum <"$1") && echo "${sum%% *}"
}

# image_digest: of the image in docker20.tar as it is converted here, which depends on the library that
# compresses.
image_digest() {
	local known=$BATS_RUN_TMPDIR/image-digest
	if [ ! -s "$known" ]; then
		oci-from-dockertar -f "$DATA/docker20.tar" "$BATS_TEST_TMPDIR/image" |
			jq -r 'select(.event == "image").digest' >"$BATS_TEST_TMPDIR/digest" &&
			mv "$BATS_TEST_TMPDIR/digest" "$known"
	fi
	cat "$known"
}

# has_one_line TEXT: an error message is one line.
has_one_line() {
	[ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ]
}
