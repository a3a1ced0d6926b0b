# SPDX-License-Identifier: GPL-2.0-only
#
# Reads kselftest's TAP and prints a line for each test program with how many
# of its tests passed, failed and were skipped; and all its output if any did
# not pass. Appends to the file `results` a line for each test: the kernel, the
# program as the table of all kernels names it, the test, and its result; and to
# the file `failures` what each test printed that failed. What is skipped counts
# as failed, unless may_skip is 1.

BEGIN { plan = 0 }

function add(result, test)
{
	count[result]++
	print kernel, row, test, result >>results
	if (result == "failed")
		printf "%s: %s: %s\n%s", kernel, row, test, said >>failures
	said = ""
}

function finish(program_failed)
{
	# A program that failed without a test that did, or that has fewer results
	# than it planned: it crashed or hung.
	if (!count["failed"] &&
	    (program_failed || count["passed"] + count["skipped"] != plan))
		add("failed", "(all of it)")
	if (json)
		printf "{\"kernel\": \"%s\", \"machine\": \"%s\", \"program\": \"%s\", \"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
			kernel, machine, program, count["passed"], count["failed"], count["skipped"]
	else
		printf "%-8s %-32s %4d passed, %d failed, %d skipped\n", kernel, row,
			count["passed"], count["failed"], count["skipped"]
	if (count["failed"] && !json)
		printf "%s", output
	fflush()
	delete count
	plan = 0
	program = output = said = ""
}

function name_program(name)
{
	program = name
	row = (machine ? machine ": " : "") name
}

function begin(name)
{
	name_program(name)
	output = said = ""
}

# The test of a line `# ok 1 test # SKIP ...`
function test_of(line)
{
	sub(/^# (not )?ok [0-9]+ (- )?/, "", line)
	sub(/ *# .*/, "", line)
	return line
}

BEGIN { OFS = "\t" }

{ output = output $0 "\n" }
{ said = said $0 "\n" }

/^# selftests: numapin: / { begin($4) }
/^# 1\.\.[0-9]+$/ { plan = substr($2, 4) }
/^# ok .* # SKIP/ {
	add(may_skip ? "skipped" : "failed", test_of($0))
	next
}
/^# ok / { add("passed", test_of($0)) }
/^# not ok / { add("failed", test_of($0)) }
/^ok / { if (program) finish(0) }
/^not ok / {
	# What was said before it belongs to no program: why the guest ended.
	if (!program)
		name_program("guest")
	finish(1)
}
END {
	# The last program never came to its result.
	if (program)
		finish(1)
}
