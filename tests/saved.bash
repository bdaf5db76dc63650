# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Saved images that saved.py makes.

# saved CASE: t.tar is the case.
saved() {
	"$PYTHON" -S -m saved "$1" >t.tar
}

# each_tar CMD TAR...: runs CMD with t.tar as each TAR in turn, a file's path or a case.
each_tar() {
	local command=$1 case cases=()
	shift
	for case; do
		[[ $case == */* ]] || cases+=("$case")
	done
	mkdir -p cases
	"$PYTHON" -S -m saved --into cases "${cases[@]}"
	for case; do
		echo "# $case"
		[[ $case == */* ]] || case=cases/$case.tar
		cp "$case" t.tar
		case=${case##*/}
		case=${case%.tar}
		"$command"
	done
}
