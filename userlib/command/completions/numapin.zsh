#compdef numapin
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# zsh's completion of numapin(1)

local -a commands json nodes
commands=(
	'status:nodes, what the module has of them, and who has it'
	'top:the status, again and again'
	'alloc:allocate on a node, print the receipt, and hold the memory'
	'verify:whether the memory of a process is on the node that it claims'
	'pool:show or set the memory that is set aside on a node'
	'limit:show or set the most that the module gives of a node'
	'run:a program, unchanged, with its memory on a node'
	'bench:what memory costs here, by numapin and by libnuma'
	'doctor:why the module is not used, and what mends it'
)
json=('(-j --json)'{-j,--json}'[as JSON]' '(-h --help)'{-h,--help}'[help]')
nodes=(/sys/devices/system/node/node<->(N:t:s/node//))

if (( CURRENT == 2 )); then
	_describe command commands
	_arguments '--help[help]' '--version[version]'
	return
fi

local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
status|bench)
	_arguments $json
	;;
top)
	_arguments $json '(-d --delay)'{-d,--delay}'[wait in between]:seconds' \
		'(-n --rounds)'{-n,--rounds}'[so many times]:rounds'
	;;
alloc)
	_arguments $json '(--no-huge)--huge[2 MiB pages]' '(--huge)--no-huge[4 KiB pages]' \
		'(--reserve)--shared[one memory for parent and children]' \
		'(--shared)--reserve[set aside what copies need]' \
		'--strict[fail rather than not be placed]' \
		'(-s --seconds)'{-s,--seconds}'[hold it that long]:seconds' \
		"1:node:($nodes)" '2:size'
	;;
verify)
	_arguments $json '(-a --all)'{-a,--all}'[all mappings]' '1:process:_pids'
	;;
pool)
	_arguments $json "1:node:($nodes)" '2:size'
	;;
limit)
	_arguments $json "1:node:($nodes)" '2:size:(max)'
	;;
run)
	_arguments '(-n --node)'{-n,--node}"[the node]:node:($nodes)" '--heap[the heap too]' \
		'--strict[only where it is PINNED]' '(-h --help)'{-h,--help}'[help]' \
		'*::program:_normal'
	;;
doctor)
	_arguments $json '(-s --size)'{-s,--size}'[how much is wanted]:size'
	;;
esac
