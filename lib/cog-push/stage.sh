# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2086
# A part of cog-push: programs as the stages of a pipe, and how one fails.
#
# The shell that runs a stage holds the ends of its pipes until the failure is reported: none of
# those who then fail for want of it can be first. What a program says on stderr goes to cog-progress,
# as the records do, so that it does not get in the way of the bars.
said_to=4

# Whoever fails has its cause on its way to cog-run before it sets this mark: who sees it may end all.
check_failed() {
	[ ! -e "$COG_RUN_DIR/failed" ] || exit 1
}

# stage COMMAND...: a program of ours. It has said why it failed, unless it was killed.
stage() {
	"$@" 2>&$said_to 8>&- && return
	status=$?
	case $status in
	1 | 2 | 65 | 75 | 77 | 130 | 123) # 123: xargs, of one that said so
		: >"$COG_RUN_DIR/failed"
		exit 1
		;;
	esac
	fail 1 "$1: ended with status $status"
}

# attempt COMMAND...: a program of ours whose failure may be mended. give_up reports it.
attempt() {
	COG_REPORT_FD=7 "$@" 2>&$said_to 8>&- 7>"$COG_RUN_DIR/report"
}

give_up() {
	[ -s "$COG_RUN_DIR/report" ] || fail 1 "a program ended without a word"
	cat "$COG_RUN_DIR/report" >&9
	: >"$COG_RUN_DIR/failed"
	exit 1
}
