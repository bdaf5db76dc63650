#compdef @PROGRAMS@
# SPDX-License-Identifier: Apache-2.0
# Completion for zsh. The options, and what kind of value one takes, come from --help of the program
# itself: there is no list here to keep in step. make install puts in the names of the programs.

# The names that docker and podman, or just the engine of -e, have. One that does not answer within a second
# has none.
_cog_push_images() {
	local -a names engines=(docker podman)
	local engine=${opt_args[-e]:-${opt_args[--engine]:-}}
	[[ -z $engine ]] || engines=($engine)
	for engine in $engines; do
		names+=(${(f)"$(timeout 1 $engine image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null </dev/null)"})
	done
	names=(${(u)names:#*<none>*})
	[[ ${@[-1]} != full ]] || names=(${(M)names:#*/*})
	_wanted images expl image compadd -a names
}

_cog_push_source() {
	_alternative 'images::_cog_push_images' 'files:tar or layout:_files -g "*.(tar|tgz|tar.*)(-.)"'
}

# Sets action to what completes a value.
_cog_push_action() { # OPTION VALUE
	case $1,$2 in
	*,*FILE*) action=_files ;;
	*,DIR | *,SRC) action='_files -/' ;;
	*,NAME=SRC:*) action='_files -P "${PREFIX%%=*}=" -/' ;;
	*,HOW) action='(auto none gzip zstd)' ;;
	*,PLATFORM) action='(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/s390x)' ;;
	--engine,*) action='(docker podman nerdctl)' ;;
	--tls-verify,*) action='(true false)' ;;
	*) action=' ' ;;
	esac
}

_cog_push_program() {
	local line letter name value text action end
	local -a specs match mbegin mend
	for line in ${(f)"$($words[1] --help 2>/dev/null)"}; do
		[[ $line =~ '^ +((-[A-Za-z]), )?(--[a-z-]+)([ =](false|[A-Z][]A-Z|=:[]*))?( +(.*))?$' ]] || continue
		letter=$match[2] name=$match[3] value=${match[5]//:/\\:} text=${${match[7]//\[/\\[}//\]/\\]}
		end="[${text//:/\\:}]"
		if [[ -n $value ]]; then
			_cog_push_action $name $match[5]
			end+=":${value//[\[\]]/}:$action"
			[[ -z $letter ]] || specs+=("*$letter+$end")
			specs+=("*$name=$end")
		else
			[[ -z $letter ]] || specs+=("($letter $name)$letter$end")
			specs+=("(${letter:+$letter }$name)$name$end")
		fi
	done
	case ${words[1]:t} in
	cog-push) specs+=('1: :_cog_push_source' '*: :_cog_push_images full') ;;
	*) specs+=('*: :_files') ;;
	esac
	_arguments -s -S : $specs
}

_cog_push_program "$@"
