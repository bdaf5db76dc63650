# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An engine that is a script, for the tests of those who call one.

ENGINE_ID=sha256:6fc1ad1f3c2862418e278843680ec107a4c386befcfc98ebeb1b8dfee13350ec # of docker20.tar

# fake_engine NAME [IMAGE...]: an engine whose images are in the file "names", a line "NAME ID" each: fixture,
# example.com/team/fixture:v1 and IMAGE... are $ENGINE_ID. What it was called with is in the file calls. $SAVED is
# the tar that it saves, $LAYERS are its diffIds; $SAVE and $PUSH are scripts in place of what save and push do.
fake_engine() {
	local name
	mkdir -p engines
	cat >"engines/$1" <<-'END'
		#!/bin/sh
		echo "${0##*/} $*" >>"$WORLD/calls"
		for last; do :; done
		case $1 in
		image)
			id=
			while read -r name found; do
				case $last,$found in "$name",* | *,*"$last"*) id=${id:-$found} ;; esac
			done <"$WORLD/names"
			[ "$id" ] || { echo "Error: No such image: $last" >&2; exit 1; }
			case $* in
			*RepoTags*) grep -v '^<none>' "$WORLD/names" | grep -c " $id\$" ;;
			*Size*) echo "$id ${SIZE:-1000}${LAYERS:+ $LAYERS}" ;;
			*) echo "$id" ;;
			esac
			;;
		save) eval "${SAVE:-cat \"\$SAVED\"}" ;;
		tag)
			grep -v "^$3 " "$WORLD/names" >"$WORLD/names.new"
			echo "$3 $2" >>"$WORLD/names.new"
			mv "$WORLD/names.new" "$WORLD/names"
			;;
		rmi)
			grep -v "^$2 " "$WORLD/names" >"$WORLD/names.new"
			mv "$WORLD/names.new" "$WORLD/names"
			echo "Untagged: $2"
			;;
		push) eval "${PUSH:-echo pushing layers; printf 'v1: digest: sha256:%064d size: 1\n' 1}" ;;
		*) exit 1 ;;
		esac
	END
	chmod +x "engines/$1"
	shift
	for name in fixture example.com/team/fixture:v1 "$@"; do
		echo "$name $ENGINE_ID"
	done >names
	export WORLD SAVED=$DATA/docker20.tar
	PATH=$WORLD/engines:$PATH
}
