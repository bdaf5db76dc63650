#!/bin/zsh -f
# SPDX-License-Identifier: Apache-2.0
# completion.zsh FOLDER LINE...: what zsh offers to put at the end of each LINE, with the completions in
# FOLDER; a row "LINE TAB word" for each. A terminal is played for a zsh with nothing of the user's; what its compadd gets goes to a file.
zmodload zsh/zpty
work=$(mktemp -d)
cat >$work/setup <<'END_OF_SETUP'
fpath=($folder $fpath) PS1= LISTMAX=100000
autoload -Uz compinit && compinit -u -D
compadd() {
	local -a offered
	if (( ! ${@[(I)-[OAD]]} )); then
		builtin compadd -O offered "$@"
		print -rl -- $offered >>$work/offered
	fi
	builtin compadd "$@"
}
say_end() { print -r -- end-of-$((1 + 1)) }
zle -N say_end
bindkey '^T' say_end
END_OF_SETUP
zpty shell zsh -f -i
zpty -w shell "folder=${(q)1} work=${(q)work}; . \$work/setup; print ready-\$((1 + 1))"
zpty -r -m shell waiting '*ready-2*'
shift
for line; do
	: >$work/offered
	zpty -w -n shell $'\x15'$line$'\t\x14'
	zpty -r -m shell waiting '*end-of-2*'
	sort -u $work/offered | grep . | sed "s,^,$line\t,"
done
zpty -d shell
rm -r $work
