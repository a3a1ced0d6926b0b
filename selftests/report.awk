# SPDX-License-Identifier: GPL-2.0-only
#
# Reads kselftest's TAP and prints a line for each test program with how many
# of its tests passed, failed and were skipped; and all its output if any did
# not pass. Appends the three numbers to the file `counts`. What is skipped counts
# as failed, unless may_skip is 1.

BEGIN { passed = failed = skipped = plan = 0 }

function finish(program_failed)
{
	# A program that failed without a test that did, or that has fewer results
	# than it planned: it crashed or hung.
	if (!failed && (program_failed || passed + skipped != plan))
		failed = 1
	if (json)
		printf "{\"machine\": \"%s\", \"program\": \"%s\", \"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
			machine, program, passed, failed, skipped
	else
		printf "%-16s %-24s %4d passed, %d failed, %d skipped\n", machine, program,
			passed, failed, skipped
	if (failed && !json)
		printf "%s", output
	fflush()
	print passed, failed, skipped >>counts
	passed = failed = skipped = plan = 0
	program = output = ""
}

{ output = output $0 "\n" }

/^# selftests: numapin: / {
	program = $4
	output = ""
}
/^# 1\.\.[0-9]+$/ { plan = substr($2, 4) }
/^# ok .* # SKIP/ {
	if (may_skip)
		skipped++
	else
		failed++
	next
}
/^# ok / { passed++ }
/^# not ok / { failed++ }
/^ok / { if (program) finish(0) }
/^not ok / {
	if (!program)
		program = "guest"
	finish(1)
}
END {
	# The last program never came to its result.
	if (program)
		finish(1)
}
