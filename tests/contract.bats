# SPDX-License-Identifier: Apache-2.0
# What every program in bin promises, and that its help and its man page say the same.
load helper
load completion

setup() {
	own_world
	PROGRAMS=$(cd "$BIN" && echo *)
	VERSION=$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")
	PIPELINE=$ROOT/man/cog-pipeline.7
}

# check COMMAND...: the test's own words, so that a failure in a loop says for which program.
check() {
	"$@" || {
		echo "$program: not true: $*"
		return 1
	}
}

# help_options PROGRAM: the options of its help, a line each: "-f --file", or one of the two.
help_options() {
	"$1" --help | sed -nE 's/^ +((-[A-Za-z]), )?(--[a-z-]+).*/\2 \3/p' | sed 's/^ //' | sort
}

# page_options PROGRAM: the same from its man page.
page_options() {
	sed -nE '/^\.It( Fl|$)/{
		s/^\.It Fl ([A-Za-z]) , Fl Fl ([a-z-]+).*/-\1 --\2/p
		s/^\.It Fl Fl ([a-z-]+).*/--\1/p
	}' "$ROOT/man/$1.1" | sort
}

# synopsis_options PROGRAM: the letters and long options of the first synopsis of its man page.
synopsis_options() {
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/p' "$ROOT/man/$1.1" | sed -nE '
		s/^\.(O[op] )?Fl Fl ([a-z-]+).*/--\2/p
		t
		s/^\.Op Fl ([A-Za-z]+).*/\1/p
		s/^\.Fl h \| V$/hV/p
	' | sed -E '/^--/!s/(.)/-\1\n/g' | grep . | sort -u
}

# without_terminal COMMAND...: none to ask for a user or a password on.
without_terminal() {
	setsid -w "$@"
}

# operands PROGRAM: some that it takes, none of which is there.
operands() {
	case $1 in
	oci-blob-upload) echo "absent 127.0.0.1:1/a" ;;
	oci-manifest-put) echo "absent 127.0.0.1:1/a:1" ;;
	oci-verify) echo "absent 127.0.0.1:1/a" ;;
	oci-from-files) echo "--artifact-type a/b layout absent" ;;
	oci-index) echo "--tag a absent b" ;;
	oci-push-check) echo "127.0.0.1:1/a" ;;
	oci-upload-forget) echo "--cert=absent --key=absent 127.0.0.1:1/a" ;;
	cog-known) echo "find /dev/null/layout sha256:$(printf '%064d' 1)" ;;
	cog-login) echo "-u user --password-stdin 127.0.0.1:1" ;;
	cog-logout) echo "127.0.0.1:1" ;;
	oci-blob-queue) echo "absent 1" ;;
	oci-from-dockertar) echo "-f absent layout" ;;
	oci-from-weights) echo "--name a --target /a layout absent" ;;
	oci-weights-check) echo "absent a absent" ;;
	oci-weights-digest) echo "--name a absent" ;;
	oci-manifest-get) echo "--retries 0 /dev/null/layout 127.0.0.1:1/a:1" ;;
	cog-push) echo "./absent 127.0.0.1:1/a:1" ;;
	cog-engine) echo "-e nerdctl find absent" ;;
	cog-docker-save) echo "absent image cat" ;;
	cog-run) echo "./absent" ;;
	*) echo "absent" ;;
	esac
}

# failed STATUS: the last try ended with STATUS, one line on stderr that begins with its name and
# has a cause, and nothing on stdout.
failed() {
	[ "$status" -eq "$1" ] && [ "$output" = "" ] && has_one_line "$stderr" &&
		[[ "$stderr" == *": "?* ]]
}

@test "every program has a man page, and every page of section 1 a program" {
	[ "$(cd "$ROOT/man" && ls ./*.1)" = "$(cd "$BIN" && for p in *; do echo "./$p.1"; done)" ]
}

@test "every program's -h and --help print the help on stdout and succeed" {
	for program in $PROGRAMS; do
		try "$program" --help
		check [ "$status" -eq 0 ]
		check [ "$stderr" = "" ]
		check [ "${output#usage: "$program" }" != "$output" ]
		help=$output
		try "$program" -h
		check [ "$status" -eq 0 ]
		check [ "$output" = "$help" ]
	done
}

@test "every program's -V and --version print its name and the version" {
	for program in $PROGRAMS; do
		for option in -V --version; do
			try "$program" "$option"
			check [ "$status" -eq 0 ]
			check [ "$output" = "$program $VERSION" ]
			check [ "$stderr" = "" ]
		done
	done
}

@test "help fits into 100 columns" {
	for program in $PROGRAMS; do
		check [ "$("$program" --help | awk 'length > 100')" = "" ]
	done
}

@test "every program's help and man page have the same options" {
	for program in $PROGRAMS; do
		help_options "$program" >help
		page_options "$program" >page
		check [ -s help ]
		check diff help page
	done
}

@test "every option is in the synopsis of the man page" {
	for program in $PROGRAMS; do
		page_options "$program" | sed 's/^\(-[A-Za-z]\) .*/\1/' | sort -u >page
		synopsis_options "$program" >synopsis
		check diff page synopsis
	done
}

# bats test_tags=slow
@test "bash and zsh complete the options of each program's help, and no others" {
	install_completion
	lines=()
	for program in $PROGRAMS; do
		help_options "$program" | tr ' ' '\n' | sed "s/^/$program -\t/"
	done | sort -u >help
	for program in $PROGRAMS; do lines+=("$program -"); done
	for shell in bash zsh; do
		"complete_in_$shell" "${lines[@]}" | sed 's/=false$//' | sort -u >offered
		diff help offered
	done
}

# bats test_tags=slow
@test "every program takes the options of its help, short and long" {
	for program in $PROGRAMS; do
		for option in $(help_options "$program"); do
			case $option in -h | --help | -V | --version) continue ;; esac
			# The value, where the option takes one; then an operand too few.
			run without_terminal "$program" "$option" x </dev/null
			check [ "${output#*unknown option}" = "$output" ] || {
				echo "$option: $output"
				return 1
			}
		done
	done
}

@test "a letter means the same in all programs, as in the table of cog-pipeline" {
	sed -nE 's/^\.It Fl ([A-Za-z]) Ta Fl Fl ([a-z-]+) Ta .*/-\1 --\2/p
		s/^\.It Ta Fl Fl ([a-z-]+) Ta .*/--\1/p' "$PIPELINE" | sort >table
	for program in $PROGRAMS; do help_options "$program"; done | sort -u >used
	diff table used
	[ "$(grep -o '^-[A-Za-z] ' table | sort | uniq -d)" = "" ]
}

@test "every page has the sections of a page, in order" {
	for page in "$ROOT"/man/*; do
		program=$(basename "$page")
		sections=$(sed -n 's/^\.Sh //p' "$page" | tr '\n' ' ')
		case $page in
		*.1) check eval '[[ "$sections" =~ ^NAME\ SYNOPSIS\ DESCRIPTION\ (ENVIRONMENT\ )?(FILES\ )?EXIT\ STATUS\ EXAMPLES\ SEE\ ALSO\ STANDARDS\ $ ]]' ;;
		*.5) check [ "$sections" = "NAME DESCRIPTION EXAMPLES SEE ALSO STANDARDS " ] ;;
		*.7) check [ "$sections" = "NAME DESCRIPTION ENVIRONMENT FILES EXIT STATUS EXAMPLES SEE ALSO STANDARDS " ] ;;
		esac
	done
}

@test "the statuses of a man page are among the seven that cog-pipeline lists" {
	statuses() {
		sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It \([0-9]*\)$/\1/p' "$1" | tr '\n' ' '
	}
	[ "$(statuses "$PIPELINE")" = "0 1 2 65 75 77 130 " ]
	for page in "$ROOT"/man/*.1; do
		program=$(basename "$page")
		check eval '[[ "$(statuses "$page")" =~ ^(0\ )?1\ 2\ (65\ )?(75\ (77\ )?)?130\ $ ]]'
	done
}

# bats test_tags=slow
@test "an unknown option is wrong usage" {
	for program in $PROGRAMS; do
		for option in --frobnicate -Z --frobnicate=x; do
			try "$program" "$option"
			check failed 2
			check [ "${stderr#"$program: "}" != "$stderr" ]
			check [ "${stderr%"(try '$program --help')"}" != "$stderr" ]
		done
	done
}

# bats test_tags=slow
@test "an option without its value is wrong usage" {
	for program in $PROGRAMS; do
		for option in $("$program" --help |
			sed -nE 's/^ +((-[A-Za-z]), )?(--[a-z-]+)[ =]([A-Z|]+|false) .*/\2 \3/p'); do
			try "$program" "$option"
			check failed 2
		done
	done
}

# bats test_tags=slow
@test "operands that are missing or too many are wrong usage" {
	for program in $PROGRAMS; do
		# It takes none.
		[ "$program" = cog-progress ] || {
			try "$program" </dev/null
			check failed 2
		}
		case $program in
		# These take any number.
		cog-docker-save | cog-run | cog-push | cog-known | oci-manifest-put | oci-blob-upload | oci-from-files | oci-index) continue ;;
		esac
		# shellcheck disable=SC2046
		try "$program" $(operands "$program") surplus </dev/null
		check failed 2
	done
	for program in oci-blob-upload oci-manifest-put "oci-from-files --artifact-type a/b" "oci-index --tag a"; do
		try $program one </dev/null
		check failed 2
	done
}

# bats test_tags=slow
@test "a full stdout fails --help and --version" {
	for program in $PROGRAMS; do
		for option in --help --version; do
			run "$program" "$option" >/dev/full 2>errors
			"$program" "$option" >/dev/full 2>errors && status=0 || status=$?
			check [ "$status" -eq 1 ]
			check has_one_line "$(cat errors)"
			check grep -q "^$program: " errors
		done
	done
}

# bats test_tags=slow
@test "a closed stdout fails --help and --version" {
	for program in $PROGRAMS; do
		for option in --help --version; do
			"$program" "$option" >&- 2>errors && status=0 || status=$?
			check [ "$status" -eq 1 ]
			check has_one_line "$(cat errors)"
		done
	done
}

# bats test_tags=slow
@test "a failure is one line: program, what, why" {
	# What cog-logout fails of, and the password of cog-login.
	mkdir "$HOME/.docker"
	echo damaged >"$HOME/.docker/config.json"
	echo secret >input
	export COG_PUSH_RETRIES=0
	for program in $PROGRAMS; do
		# shellcheck disable=SC2046
		try "$program" $(operands "$program") <input
		check [ "$status" -ne 0 ]
		check has_one_line "$stderr"
		check eval '[[ "$stderr" =~ ^[a-z-]+:\ .+:\ .+ ]]'
		# On stdout nothing, or the record of the failure.
		check [ "$(jq -r 'select(.event != "error") | .event' <<<"$output")" = "" ]
	done
}

# bats test_tags=slow
@test "control and bidi characters of an operand do not reach the terminal" {
	bad=$'a\e[31m\a\u202e\u009b\nb'
	for program in $PROGRAMS; do
		case $program in
		oci-from-dockertar) set -- -f "$bad" layout ;;
		oci-blob-upload) set -- "$bad" 127.0.0.1:1/a "$bad" ;;
		oci-manifest-put) set -- "$bad" 127.0.0.1:1/a:1 ;;
		oci-verify) set -- "$bad" 127.0.0.1:1/a ;;
		oci-from-files) set -- --artifact-type a/b layout "$bad" ;;
		oci-index) set -- --tag a "$bad" b ;;
		oci-blob-queue) set -- "$bad" 1 ;;
		oci-from-weights) set -- --name a --target /a layout "$bad" ;;
		oci-weights-check) set -- "$bad" a "$bad" ;;
		oci-weights-digest) set -- --name a "$bad" ;;
		oci-manifest-get) set -- "$bad" 127.0.0.1:1/"$bad" ;;
		cog-docker-save) set -- "$bad" image cat ;;
		cog-run) set -- "./$bad" ;;
		cog-push) set -- "./$bad" 127.0.0.1:1/a:1 ;;
		*) set -- "$bad" ;;
		esac
		for option in "" "--$bad"; do
			try "$program" ${option:+"$option"} "$@" </dev/null
			check [ "$status" -ne 0 ]
			check [ "$stderr" != "" ]
			check has_one_line "$stderr"
			check [ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <<<"$stderr$output")" = "" ]
			check eval '! grep -q -e $'\''\u202e'\'' -e $'\''\u009b'\'' <<<"$stderr$output"'
		done
	done
}

# bats test_tags=slow
@test "records that nobody takes are a failure" {
	cp "$DATA/docker26.tar" t.tar
	oci-from-dockertar -f t.tar layout >records
	mkdir weights
	echo x >weights/x
	start_registry
	repository=$REGISTRY/team/fixture
	oci-blob-upload layout "$repository" <records >/dev/null
	mkfifo queue broken
	# A pipe without a reader.
	exec 7<>broken 8>broken 7>&-
	for line in \
		"oci-from-dockertar -f t.tar other" \
		"oci-tar-images t.tar" \
		"oci-from-weights --name a --target /a weighed weights" \
		"oci-blobs layout" \
		"oci-blob-upload layout $repository <records" \
		"oci-manifest-put layout $repository:v1" \
		"oci-verify layout $REGISTRY/nowhere/else" \
		"timeout 20 oci-blob-queue queue 1 <records" \
		"cog-push -j t.tar $repository:v1" \
		"cog-push t.tar $repository:v1" \
		"oci-from-files --artifact-type a/b layout t.tar" \
		"oci-index --tag several layout example.com/team/fixture:v1" \
		"oci-manifest-edit --annotation a=b -i example.com/team/fixture:v1 layout" \
		"oci-weights-digest --name a weights"; do
		program=$line
		for stdout in ">/dev/full" ">&-" ">&8"; do
			cat queue >/dev/null 3>&- 8>&- &
			reader=$!
			bash -c "$line $stdout" 2>errors 3>&- && status=0 || status=$?
			kill "$reader" 2>/dev/null || true
			wait "$reader" 2>/dev/null || true
			echo "$line $stdout: $status" && cat errors
			check [ "$status" -eq 1 ]
			# Besides what became of the blobs, and what was published.
			check has_one_line "$(grep -v -e '^sha256:' -e "^$repository@" -e '^  ' <(said_by "" errors))"
		done
	done
}

@test "a login, a logout, a check and what forgets write nothing on stdout, and do not need one" {
	start_registry
	mkdir weights
	echo x >weights/x
	oci-from-weights --name a --target /a weighed weights >records
	for line in \
		"oci-push-check $REGISTRY/team/fixture" \
		"oci-upload-forget $REGISTRY/team/fixture" \
		"cog-login -u user --password-stdin $REGISTRY <<<secret" \
		"cog-logout $REGISTRY" \
		"oci-weights-check weighed a weights"; do
		program=$line
		try bash -c "$line"
		check [ "$status" -eq 0 ]
		check [ "$output" = "" ]
		for stdout in ">/dev/full" ">&-"; do
			run -0 bash -c "$line $stdout"
		done
	done
}

@test "without a terminal cog-login asks for nothing: a missing user or password is wrong usage" {
	try without_terminal cog-login 127.0.0.1:1 </dev/null
	program=cog-login
	check failed 2
	check eval '[[ "$stderr" == *--username*--password-stdin* ]]'
	try without_terminal cog-login -u user 127.0.0.1:1 </dev/null
	check failed 2
	try cog-login -u user --password-stdin 127.0.0.1:1 </dev/null
	check failed 2
}

# bats test_tags=slow
@test "the TLS options and their variables mean the same in every program that asks a registry" {
	# refused WORD: wrong usage, in one line with WORD.
	refused() {
		[ "$status" -eq 2 ] && has_one_line "$stderr" && [[ "$stderr" == *"$1"* ]]
	}
	start_registry
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	for program in oci-push-check oci-blob-upload oci-manifest-put oci-verify oci-upload-forget cog-login \
		cog-push; do
		# A program finds the blobs that those before it have put there.
		case $program in
		oci-push-check | oci-upload-forget) set -- "$REGISTRY/a" ;;
		oci-blob-upload)
			# shellcheck disable=SC2046
			set -- layout "$REGISTRY/a" $(jq -r 'select(.kind == "layer" or .kind == "config").digest' records)
			;;
		oci-manifest-put) set -- layout "$REGISTRY/a:1" ;;
		oci-verify) set -- layout "$REGISTRY/a" ;;
		cog-login) set -- -u user --password-stdin "$REGISTRY" ;;
		cog-push) set -- "$DATA/docker26.tar" "$REGISTRY/a:1" ;;
		esac
		for option in --cacert=absent --cert=absent --key=absent --tls-verify=perhaps; do
			try "$program" "$option" "$@" <<<secret
			check refused "${option%=*}"
		done
		for variable in COG_PUSH_CACERT COG_PUSH_CERT COG_PUSH_KEY; do
			try env "$variable=absent" "$program" "$@" <<<secret
			check refused --
		done
		for variable in COG_PUSH_TLS_VERIFY COG_PUSH_PLAIN_HTTP; do
			for value in perhaps TRUE False yes 2 ' '; do
				try env "$variable=$value" "$program" "$@" <<<secret
				check refused "$variable: '$value' is neither true nor false"
			done
			for value in true false 1 0; do
				try env "$variable=$value" "$program" "$@" <<<secret
				check [ "$status" -eq 0 ]
			done
		done
		for value in TRUE False yes ''; do
			try "$program" "--tls-verify=$value" "$@" <<<secret
			check refused --tls-verify
		done
		for option in --plain-http --tls-verify=false --tls-verify=true --tls-verify=1 --tls-verify=0; do
			try "$program" "$option" "$@" <<<secret
			check [ "$status" -eq 0 ]
		done
	done
}

# bats test_tags=slow
@test "a TLS file that can't be read is the same line and status in every program" {
	start_registry
	oci-from-dockertar -f "$DATA/docker26.tar" layout >records
	: >locked
	chmod 000 locked
	for program in oci-push-check oci-blob-upload oci-manifest-put oci-verify oci-upload-forget cog-login \
		cog-push; do
		case $program in
		oci-manifest-put) set -- layout "$REGISTRY/a:1" ;;
		oci-upload-forget) set -- "$REGISTRY/a" ;;
		cog-push) set -- "$DATA/docker26.tar" "$REGISTRY/a:1" ;;
		*)
			# shellcheck disable=SC2046
			set -- $(operands "$program" | sed "s,absent,layout,; s,127.0.0.1:1,$REGISTRY,")
			;;
		esac
		for line in "--cacert absent: No such file or directory" "--cacert locked: Permission denied" \
			"--cert absent: No such file or directory" "--cert locked: Permission denied" \
			"--key absent: No such file or directory" "--key locked: Permission denied"; do
			read -r option file _ <<<"${line%%:*}"
			case $option in
			--cert) others=("--key=$DATA/docker26.tar") ;;
			--key) others=("--cert=$DATA/docker26.tar") ;;
			*) others=() ;;
			esac
			try unprivileged "$program" "$option" "$file" "${others[@]}" "$@" <<<secret
			check [ "$status" -eq 2 ]
			check [ "${stderr#*: }" = "$line" ]
			[ -z "$output" ] || check [ "$output" = "{\"event\":\"error\",\"status\":2,\"message\":\"$line\"}" ]
		done
		try "$program" --cert="$DATA/docker26.tar" "$@" <<<secret
		check [ "$status" -eq 2 ]
		check [ "${stderr#*: }" = "--cert and --key belong together" ]
	done
	[ ! -s "$REGISTRY_LOG" ]
}

# bats test_tags=slow
@test "a number from the environment that is none is wrong usage and names the variable" {
	oci-from-dockertar -f "$DATA/docker26.tar" layout >/dev/null
	for name in CHUNK_SIZE DEFAULT_CHUNK_SIZE MULTIPART_THRESHOLD CONCURRENCY; do
		for value in 0 -1 1x " 1" 99999999999999999999; do
			for program in oci-blob-upload cog-push; do
				case $program in
				cog-push) set -- "$DATA/docker26.tar" 127.0.0.1:1/a:1 ;;
				*) set -- layout 127.0.0.1:1/a ;;
				esac
				[ "$program $name" = "oci-blob-upload CONCURRENCY" ] && continue
				try env "COG_PUSH_$name=$value" "$program" "$@" </dev/null
				check failed 2
				check eval '[[ "$stderr" == *COG_PUSH_$name* ]]'
			done
		done
	done
}

@test "an empty variable counts as unset" {
	start_registry
	run -0 env COG_PUSH_OCI= COG_PUSH_CHUNK_SIZE= COG_PUSH_DEFAULT_CHUNK_SIZE= \
		COG_PUSH_MULTIPART_THRESHOLD= COG_PUSH_CONCURRENCY= TMPDIR= \
		COG_PUSH_CACERT= COG_PUSH_CERT= COG_PUSH_KEY= COG_PUSH_TLS_VERIFY= COG_PUSH_PLAIN_HTTP= \
		DOCKER_AUTH_CONFIG= REGISTRY_AUTH_FILE= DOCKER_CONFIG= SSL_CERT_FILE= SSL_CERT_DIR= \
		cog-push "$DATA/docker26.tar" "$REGISTRY/team/fixture:v1"
}

@test "the programs that need no network cannot open a connection: they do not link libcurl" {
	for program in oci-from-dockertar oci-from-weights oci-weights-check oci-tar-images oci-blobs \
		oci-blob-queue oci-from-files oci-index cog-progress cog-run cog-logout; do
		ldd "$ROOT/bin/$program" >libraries
		check grep -q libcrypto libraries
		check eval '! grep -q curl libraries'
	done
}
