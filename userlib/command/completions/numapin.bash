# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# bash's completion of numapin(1)

_numapin()
{
	local word=${COMP_WORDS[COMP_CWORD]} words nodes
	local commands="status top alloc verify pool limit run bench doctor --help --version"

	nodes=$(cd /sys/devices/system/node 2>/dev/null && printf '%s\n' node[0-9]*)
	nodes=${nodes//node/}
	case ${COMP_WORDS[1]-} in
	status|bench) words="--json --help" ;;
	top) words="--delay --rounds --json --help" ;;
	alloc)
		words="--huge --no-huge --shared --reserve --strict --seconds --json --help $nodes"
		;;
	verify) words="--all --json --help $(cd /proc && printf '%s\n' [0-9]*)" ;;
	pool) words="--json --help $nodes" ;;
	limit) words="--json --help max $nodes" ;;
	run)
		words="--node --heap --strict --help --"
		[[ ${COMP_WORDS[COMP_CWORD - 1]} != --node ]] || words=$nodes
		if [[ $word != -* && ${COMP_WORDS[COMP_CWORD - 1]} == -- ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$word")
			return
		fi
		;;
	doctor) words="--size --json --help" ;;
	*) words= ;;
	esac
	[ "$COMP_CWORD" -gt 1 ] || words=$commands
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _numapin numapin
