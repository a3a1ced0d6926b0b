# SPDX-License-Identifier: GPL-2.0-only
#
# Reads the lines in which tests say what they saw,
#
#   # way: WAY | PAGES | ORDINARY MEMORY | RESULT
#
# from logs that are named after kernel=KERNEL, and prints a table of them for
# each test program. With check=1 it reads a document first, named after
# document=1, and prints in TAP whether its tables say the same.

BEGIN {
	FS = " \\| "
	title["immovable"] = "Moving pages"
	title["reclaim"] = "Taking pages"
	title["access"] = "Reading, writing, and holding on"
}

FNR == 1 && !document { kernels[++nr_kernels] = kernel }

# A document's row has a bar at both ends.
document && /^\| / {
	sub(/^\| /, "")
	sub(/ \|$/, "")
	if ($1 == "Way") {
		for (i = 3; i <= NF; i++)
			column[$i] = i
	} else if ($1 != "---") {
		row[$1] = $0
	}
	next
}

/^# selftests: numapin: / { program = substr($0, 23) }

# What is not the same for both kinds of region is told of each.
function add(text, key, pages, what)
{
	if (!(key in text))
		text[key] = what
	else if (text[key] != what)
		text[key] = first_pages[key] ": " text[key] "<br>" pages ": " what
}

sub(/^[# ]*way: /, "") {
	key = kernel SUBSEP $1
	if (!($1 in program_of)) {
		program_of[$1] = program
		ways[++nr_ways] = $1
	}
	if (!(program in listed)) {
		listed[program] = 1
		programs[++nr_programs] = program
	}
	if (!(key in first_pages))
		first_pages[key] = $2
	add(ordinary, key, $2, $3)
	add(result, key, $2, $4)
}

# A cell that is one if kernels agree, else theirs in the order of the columns
function of_all(text, way,	all, same, k)
{
	same = 1
	for (k = 1; k <= nr_kernels; k++) {
		all = all (k > 1 ? " / " : "") text[kernels[k], way]
		same = same && text[kernels[k], way] == text[kernels[1], way]
	}
	return same ? text[kernels[1], way] : all
}

function print_table(program,	line, w, k)
{
	line = "| Way | Ordinary memory"
	for (k = 1; k <= nr_kernels; k++)
		line = line " | " kernels[k]
	printf "\n## %s\n\n%s |\n", title[program], line
	gsub(/[^|]+/, " --- ", line)
	print line "|"
	for (w = 1; w <= nr_ways; w++) {
		if (program_of[ways[w]] != program)
			continue
		line = "| " ways[w] " | " of_all(ordinary, ways[w])
		for (k = 1; k <= nr_kernels; k++)
			line = line " | " result[kernels[k], ways[w]]
		print line " |"
	}
}

function wrong(way, what, documented, seen)
{
	printf "# # %s: %s: documented \"%s\", seen \"%s\"\n", way, what, documented, seen
	return 1
}

# Whether the document differs from what was seen on a kernel
function differs(kernel,	bad, way, cells, alternatives, seen, n)
{
	for (way in row) {
		n = split(row[way], cells)
		seen = result[kernel, way]
		if (cells[column[kernel]] != seen)
			bad = wrong(way, "region", cells[column[kernel]], seen)
		seen = ordinary[kernel, way]
		n = split(cells[2], alternatives, " / ")
		if (alternatives[n > 1 ? column[kernel] - 2 : 1] != seen)
			bad = wrong(way, "ordinary memory", cells[2], seen)
	}
	for (way in program_of)
		if (!(way in row) && (kernel, way) in result)
			bad = wrong(way, "region", "", result[kernel, way])
	return bad
}

END {
	for (k = 1; k <= nr_kernels; k++) {
		if (!check)
			continue
		bad = !nr_ways || !(kernels[k] in column) || differs(kernels[k])
		printf "# %s %d docs/immovable.md says what was seen on %s\n",
			bad ? "not ok" : "ok", k, kernels[k]
		failed = failed || bad
	}
	for (p = 1; !check && p <= nr_programs; p++)
		print_table(programs[p])
	exit failed
}
