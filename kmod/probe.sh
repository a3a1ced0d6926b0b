#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Writes a header that defines HAVE_<NAME> as 1 or 0 for each probe <name>.c,
# by whether it compiles against this kernel. Version numbers would not do:
# interfaces change within stable releases and in distributions' backports.
#
# always.c must compile and never.c must not, or no answer can be believed.

set -eu

case ${1-} in
''|-h|--help)
	echo "usage: probe.sh HEADER PROBE.c...  (NUMAPIN_PROBE_CC: the compiler and its flags)"
	exit 0
esac

header=$1
shift
object=$header.probe.o
log=$header.probe.log
trap 'rm -f "$object" "$header.tmp"' EXIT
: >"$log"

compiles()
{
	echo "== $1" >>"$log"
	eval "$NUMAPIN_PROBE_CC" -Werror -c -o '"$object"' '"$1"' >>"$log" 2>&1
}

for probe; do
	name=$(basename "$probe" .c)
	have=0
	! compiles "$probe" || have=1
	case $name$have in
	always0|never1)
		echo "numapin: probe $name.c answered $have: see $log" >&2
		exit 1
	esac
	printf '#define HAVE_%s %s\n' "$(echo "$name" | tr '[:lower:]' '[:upper:]')" $have
done >"$header.tmp"
mv "$header.tmp" "$header"
