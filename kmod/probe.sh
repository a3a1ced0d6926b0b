#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Writes a header that defines HAVE_<NAME> as 1 or 0 for each probe <name>.c,
# by whether it compiles against this kernel. Version numbers would not do:
# interfaces change within stable releases and in distributions' backports.
#
# always.c must compile and never.c must not, or no answer can be believed. Where
# one whose comment says "Needed: ..." does not, the kernel is not supported.

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

unmet=
for probe; do
	name=$(basename "$probe" .c)
	have=0
	! compiles "$probe" || have=1
	case $name$have in
	always0|never1)
		echo "numapin: probe $name.c answered $have: see $log" >&2
		exit 1
	esac
	needed=$(sed -n 's|^/\* Needed: \(.*\) \*/$|\1|p' "$probe")
	if [ -n "$needed" ]; then
		[ $have -eq 1 ] || unmet="${unmet:+$unmet, }$needed"
		continue
	fi
	printf '#define HAVE_%s %s\n' "$(echo "$name" | tr '[:lower:]' '[:upper:]')" $have
done >"$header.tmp"
if [ -n "$unmet" ]; then
	echo "numapin: this kernel is not supported: numapin needs $unmet" >&2
	exit 1
fi
mv "$header.tmp" "$header"
