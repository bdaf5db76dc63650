# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion for bash 4.3 and later. The options, and what kind of value one takes, come from --help of the
# program itself: there is no list here to keep in step. make install puts in the names of the programs.

# _cog_push_options PROGRAM: lines "OPTION VALUE". VALUE is a word such as FILE, or nothing.
_cog_push_options() {
	"$1" --help 2>/dev/null | sed -nE '
		s/^ +(-[A-Za-z]), (--[a-z-]+)( ([A-Z][]A-Z|=:[]*))? .*/\1 \4\n\2 \4/p
		t
		s/^ +(--[a-z-]+)=(false)( .*|$)/\1 \2/p
		t
		s/^ +(--[a-z-]+)( ([A-Z][]A-Z|=:[]*))?( .*|$)/\1 \3/p'
}

# _cog_push_images [ENGINE]: the names that docker and podman, or just that engine, have. One that does
# not answer within a second has none.
_cog_push_images() {
	local engine
	for engine in ${1:-docker podman}; do
		timeout 1 "$engine" image ls --format '{{.Repository}}:{{.Tag}}' </dev/null
	done 2>/dev/null | grep -v '<none>' | sort -u
}

# _cog_push_saved WORD: the tars and folders whose names begin so.
_cog_push_saved() {
	local file
	for file in "$1"*; do
		if [ -d "$file" ]; then
			printf '%q/\n' "$file"
		else
			case $file in *.tar | *.tar.* | *.tgz) printf '%q\n' "$file" ;; esac
		fi
	done
}

# _cog_push_value OPTION VALUE WORD: what the value may be. Names of files are left to bash.
_cog_push_value() {
	local words=''
	case $1,$2 in
	*,*FILE* | *,*SRC:*) return ;;
	*,DIR | *,SRC) compopt -o dirnames +o default && return ;;
	*,HOW) words='auto none gzip zstd' ;;
	*,PLATFORM) words='linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/s390x' ;;
	*,false) words='true false' ;;
	-e,* | --engine,*) words='docker podman nerdctl' ;;
	esac
	compopt +o default +o bashdefault
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$3")
}

# _cog_push_operand WORD COUNT ENGINE: after none, an image, tar or layout; then references.
_cog_push_operand() {
	case $1 in /* | .* | '~'*) return ;; esac # names of files
	if [ "$2" -eq 0 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_cog_push_images "$3")" -- "$1"; _cog_push_saved "$1")
		case ${COMPREPLY[*]} in */) [ "${#COMPREPLY[@]}" -gt 1 ] || compopt -o nospace ;; esac
	else
		compopt +o default +o bashdefault
		mapfile -t COMPREPLY < <(compgen -W "$(_cog_push_images "$3" | grep /)" -- "$1")
	fi
}

# bash cuts words at : and = as well, so the line is read anew.
_cog_push_complete() {
	local program=$1 line=${COMP_LINE:0:COMP_POINT} options word before='' value='' each engine='' count=-1
	local -a words
	# shellcheck disable=SC2162
	read -a words <<<"$line"
	case $line in *[[:space:]]) words+=('') ;; esac
	word=${words[-1]} COMPREPLY=()
	unset 'words[-1]'
	options=$'\n'$(_cog_push_options "$program")$'\n'
	for each in "${words[@]}"; do
		if [ -n "$before" ]; then # its value
			case $before in -e | --engine) engine=$each ;; esac
			before=''
			continue
		fi
		case $each in
		--engine=*) engine=${each#*=} ;;
		-?*)
			value=${options#*$'\n'"$each "}
			value=${value%%$'\n'*}
			case $options in *$'\n'"$each "[A-Z]*) before=$each ;; esac
			;;
		*) count=$((count + 1)) ;;
		esac
	done
	if [ -n "$before" ]; then
		_cog_push_value "$before" "$value" "$word"
	elif [[ $word == --?*=* ]]; then
		value=${options#*$'\n'"${word%%=*} "}
		_cog_push_value "${word%%=*}" "${value%%$'\n'*}" "${word#*=}"
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(sed 's/ false$/=false/; s/ .*//' <<<"$options")" -- "$word")
	elif [ "${program##*/}" = cog-push ]; then
		_cog_push_operand "$word" "$count" "$engine"
	fi
	case $word,$COMP_WORDBREAKS in
	*:*,*:*) COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}") ;;
	esac
}

complete -o bashdefault -o default -F _cog_push_complete @PROGRAMS@
