# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fish's completion of numapin(1)

function __numapin_nodes
    string replace -r '.*/node' '' /sys/devices/system/node/node[0-9]*
end

function __numapin_is
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

complete -c numapin -f
complete -c numapin -n __fish_use_subcommand -a status -d 'nodes, and who has memory of them'
complete -c numapin -n __fish_use_subcommand -a top -d 'the status, again and again'
complete -c numapin -n __fish_use_subcommand -a alloc -d 'allocate on a node, and hold it'
complete -c numapin -n __fish_use_subcommand -a verify -d 'whether memory is where it claims'
complete -c numapin -n __fish_use_subcommand -a pool -d 'the memory that is set aside on a node'
complete -c numapin -n __fish_use_subcommand -a limit -d 'the most that is given of a node'
complete -c numapin -n __fish_use_subcommand -a run -d 'a program with its memory on a node'
complete -c numapin -n __fish_use_subcommand -a bench -d 'what memory costs here'
complete -c numapin -n __fish_use_subcommand -a doctor -d 'why the module is not used'
complete -c numapin -n __fish_use_subcommand -l version -d version
complete -c numapin -s h -l help -d help
complete -c numapin -n '__numapin_is status top alloc verify pool limit bench doctor' \
    -s j -l json -d 'as JSON'
complete -c numapin -n '__numapin_is top' -s d -l delay -x -d 'seconds in between'
complete -c numapin -n '__numapin_is top' -s n -l rounds -x -d 'so many times'
complete -c numapin -n '__numapin_is alloc' -l huge -d '2 MiB pages'
complete -c numapin -n '__numapin_is alloc' -l no-huge -d '4 KiB pages'
complete -c numapin -n '__numapin_is alloc' -l shared -d 'one memory for parent and children'
complete -c numapin -n '__numapin_is alloc' -l reserve -d 'set aside what copies need'
complete -c numapin -n '__numapin_is alloc' -l strict -d 'fail rather than not be placed'
complete -c numapin -n '__numapin_is alloc' -s s -l seconds -x -d 'hold it that long'
complete -c numapin -n '__numapin_is verify' -s a -l all -d 'all mappings'
complete -c numapin -n '__numapin_is verify' -a '(__fish_complete_pids)'
complete -c numapin -n '__numapin_is alloc pool limit' -a '(__numapin_nodes)'
complete -c numapin -n '__numapin_is limit' -a max
complete -c numapin -n '__numapin_is run' -s n -l node -x -a '(__numapin_nodes)' -d 'the node'
complete -c numapin -n '__numapin_is run' -l heap -d 'the heap too'
complete -c numapin -n '__numapin_is run' -l strict -d 'only where it is PINNED'
complete -c numapin -n '__numapin_is run' -a '(__fish_complete_subcommand)'
complete -c numapin -n '__numapin_is doctor' -s s -l size -x -d 'how much is wanted'
