# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A terminal: tmux on a socket of its own, with one window and no status line, in which a shell runs.

# tmux calls its window's terminal screen.
terminal() {
	tmux -L "$SOCKET" "$@"
}

# open_terminal COLUMNS ROWS: with a shell whose prompt is "$ ".
open_terminal() {
	SOCKET=cog-test-$$-$RANDOM
	echo 'set -g status off' >tmux.conf
	env -u TMUX LC_ALL=C.UTF-8 ENV= tmux -L "$SOCKET" -f "$WORLD/tmux.conf" \
		new-session -d -x "$1" -y "$2" sh 3>&- 8>&- || return 1
	enter "PS1='$ '; printf '\\033[2J\\033[H'"
	wait_for 10 shows '\$'
	terminal clear-history
}

close_terminal() {
	[ -n "${SOCKET-}" ] || return 0
	terminal kill-server 2>/dev/null
	rm -f "${TMUX_TMPDIR:-/tmp}/tmux-$(id -u)/$SOCKET"
}

resize() { # COLUMNS ROWS
	terminal resize-window -x "$1" -y "$2"
}

# The shell waits for what is typed. root's prompt is another at first.
at_prompt() {
	[[ $(screen | tail -n 1) == [#$] ]]
}

# enter TEXT: typed at the shell's prompt, with the Enter key.
enter() {
	wait_for 20 at_prompt && terminal send-keys -l "$1" && terminal send-keys Enter
}

# press KEY: C-c, say.
press() {
	terminal send-keys "$1"
}

# screen [OPTION...]: what is on it, without what is empty at the end of lines and of all. OPTION is of
# capture-pane: -S - for what has scrolled away too.
# shellcheck disable=SC2120
screen() {
	local text
	text=$(terminal capture-pane -p "$@" | sed 's/ *$//')
	echo "$text"
}

# shows PATTERN: all of the screen is that.
shows() {
	[[ $(screen) =~ ^$1$ ]]
}

is_shown() {
	[ "$(screen)" = "$1" ]
}

# shows_soon TEXT: so it is soon. Says what is wrong if not.
shows_soon() {
	wait_for 10 is_shown "$1" || {
		diff <(echo "$1") <(screen)
		return 1
	}
}

# has_line PATTERN: a line of the screen is that, as grep -x has it.
has_line() {
	screen | grep -qxe "$1"
}

has_line_soon() {
	wait_for 20 has_line "$1" || {
		screen
		return 1
	}
}

# cursor: "x y is-on" of the cursor.
cursor() {
	terminal display-message -p '#{cursor_x} #{cursor_y} #{cursor_flag}'
}

# on_terminal NAME: the processes of that name (a pattern) that run on it.
on_terminal() {
	pgrep -t "$(terminal display-message -p '#{pane_tty}' | sed 's,^/dev/,,')" -x "$1"
}
