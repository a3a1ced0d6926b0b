# SPDX-License-Identifier: GPL-2.0-only
#
# Reads the results that report.awk left and prints them as a table, kernels
# across and tests down: a row for each program; with tests=1, for each test. Then
# what the tests that failed printed, from the file `failures`. Ends with how many
# tests passed, and with status 0 if none failed. With json=1 that is all, as a
# JSON object.

BEGIN { FS = "\t" }

# Where a key is met first is where it stands.
function place(key, order, keys)
{
	if (key in order)
		return
	order[key] = 1
	keys[++keys[0]] = key
}

{
	row = tests ? $2 ": " $3 : $2
	place($1, known_column, columns)
	place(row, known_row, rows)
	count[row, $1, $4]++
	total[$4]++
	if (length(row) > width)
		width = length(row)
}

function cell(row, column,	passed, failed, skipped)
{
	passed = count[row, column, "passed"]
	failed = count[row, column, "failed"]
	skipped = count[row, column, "skipped"]
	if (failed)
		return tests ? "FAILED" : failed " FAILED"
	if (!passed)
		return skipped ? "skipped" : "-"
	return tests ? "ok" : passed " ok"
}

function print_table(	r, c)
{
	printf "\n%-*s", width, ""
	for (c = 1; c <= columns[0]; c++)
		printf "  %10s", columns[c]
	print ""
	for (r = 1; r <= rows[0]; r++) {
		printf "%-*s", width, rows[r]
		for (c = 1; c <= columns[0]; c++)
			printf "  %10s", cell(rows[r], columns[c])
		print ""
	}
	print ""
}

function print_failures(	line)
{
	while ((getline line <failures) > 0)
		print line
}

END {
	if (json) {
		printf "{\"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
			total["passed"], total["failed"], total["skipped"]
	} else {
		print_table()
		if (failures)
			print_failures()
		printf "%d passed, %d failed, %d skipped\n",
			total["passed"], total["failed"], total["skipped"]
	}
	exit total["failed"] > 0 || !total["passed"]
}
