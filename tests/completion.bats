# SPDX-License-Identifier: Apache-2.0
# Completion for bash and zsh, as make install puts it in place. That it knows all options is in
# contract.bats.
load helper
load completion

setup() {
	own_world
	install_completion
	# Engines that answer at once, not before long, and not at all.
	mkdir engines
	for engine in docker podman nerdctl; do
		printf '#!/bin/sh\n[ "$1 $2" = "image ls" ] && printf "%%s\\n" "$%s_images"\n' "$engine" >"engines/$engine"
		chmod +x "engines/$engine"
	done
	export docker_images='<none>:<none>' podman_images='' nerdctl_images=''
	PATH=$WORLD/engines:$PATH
}

# offers SHELL LINE WORD...: exactly these words.
offers() {
	local shell=$1 line=$2
	shift 2
	"complete_in_$shell" "$line" | cut -f 2 | sort -u >offered
	echo "$shell: $line" && cat offered
	diff <(printf '%s\n' "$@" | grep . | sort -u) offered
}

# bats test_tags=slow
@test "the images of docker and podman are offered, with tars and folders, and only names with a / as references" {
	export docker_images=$'team/fixture:v1\nfixture:latest\n<none>:<none>' podman_images=$'localhost/fixed:2\nteam/fixture:v1'
	mkdir here && cd here
	mkdir fixed
	: >fixture.tar && : >fixture.txt
	offers bash "cog-push fix" fixed/ fixture.tar fixture:latest
	offers bash "cog-push --json team" team/fixture:v1
	offers bash "cog-push fixture.tar " team/fixture:v1 localhost/fixed:2
	offers bash "cog-push -e podman fixture.tar " team/fixture:v1 localhost/fixed:2
	offers bash "cog-push --engine=docker fixture.tar " team/fixture:v1
	offers zsh "cog-push fix" fixed fixture.tar fixture:latest
	offers zsh "cog-push fixture.tar " team/fixture:v1 localhost/fixed:2
	offers zsh "cog-push -e docker fixture.tar " team/fixture:v1
}

@test "of a word with a colon bash gets what is behind it" {
	export docker_images=$'fixture:v1\nfixture:v2'
	offers bash "cog-push fixture:v" v1 v2
}

@test "an engine that does not answer is not waited for" {
	printf '#!/bin/sh\nexec sleep 60\n' >engines/docker
	export podman_images=fixture:v1
	start=$SECONDS
	offers bash "cog-push fix" fixture:v1
	offers zsh "cog-push fix" fixture:v1
	[ $((SECONDS - start)) -lt 40 ]
}

@test "the value of an option is offered where there is a choice, with a space or = before it" {
	sort >expected <<-'END'
		cog-push --compress	auto gzip none zstd
		cog-push --compress=	auto gzip none zstd
		oci-from-weights --compress z	zstd
		cog-engine -e	docker nerdctl podman
		cog-push --tls-verify=	false true
	END
	lines=("cog-push --compress " "cog-push --compress=" "oci-from-weights --compress z" "cog-engine -e "
		"cog-push --tls-verify=" "cog-push --retries ")
	for shell in bash zsh; do
		"complete_in_$shell" "${lines[@]}" | sort -u | awk -F '\t' '
			{ sub(/ $/, "", $1) }
			!($1 in words) { order[++n] = $1 }
			{ words[$1] = words[$1] " " $2 }
			END { for (i = 1; i <= n; i++) print order[i] "\t" substr(words[order[i]], 2) }' | sort >offered
		diff expected offered
	done
}

@test "a value that is a file or folder is left to bash, with its quoting" {
	offers bash "cog-push --cacert "
	offers bash "cog-push ./"
}
