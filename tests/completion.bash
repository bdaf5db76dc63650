# SPDX-License-Identifier: Apache-2.0
# What bash and zsh offer, asked without a terminal.

# install_completion: SHARE has it as make install puts it in place.
install_completion() {
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -s -C "$ROOT" -o all install DESTDIR="$WORLD/installed" PREFIX= || return 1
	SHARE=$WORLD/installed/share
}

# complete_in_bash LINE...: rows "LINE TAB word" of what is offered to put at the end of each.
complete_in_bash() {
	# shellcheck disable=SC2016
	bash -c '
		compopt() { :; }
		for line; do
			program=${line%% *}
			. "$0/$program"
			complete=$(complete -p "$program") || exit 1
			complete=${complete##*-F } complete=${complete%% *}
			COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
			"$complete" "$program"
			for word in "${COMPREPLY[@]}"; do printf "%s\t%s\n" "$line" "$word"; done
		done' "$SHARE/bash-completion/completions" "$@"
}

complete_in_zsh() {
	timeout $((60 * SLOWNESS)) "$ROOT/tests/completion.zsh" "$SHARE/zsh/site-functions" "$@" 3>&-
}
