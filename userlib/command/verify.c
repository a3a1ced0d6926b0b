// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin verify: whether the memory of a process is where it claims to be.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* How much of a mapping is mapped by huge pages, as smaps tells */
struct huge {
	uintptr_t addr;
	unsigned long long bytes;
};

/**
 * struct verification - what is asked of a process, and what was found
 * @pid: The process
 * @all: Of all mappings, not only of those that claim a node
 * @addr: Of the mapping that has this address alone, if @one
 * @one: Whether that is so
 * @huge: All mappings, by address
 * @nr_huge: How many
 * @table: Where to print
 * @json: Where to print, if @as_json
 * @as_json: Whether to print JSON
 * @count: How many mappings were printed
 * @astray: Bytes that are not where they are claimed to be
 */
struct verification {
	int pid;
	bool all;
	uintptr_t addr;
	bool one;
	struct huge *huge;
	size_t nr_huge;
	struct table table;
	struct json json;
	bool as_json;
	size_t count;
	unsigned long long astray;
};

static int read_huge(struct verification *verification)
{
	char path[64], line[PATH_SIZE + 256], field[32];
	unsigned long long kib;
	unsigned long start, end;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", verification->pid);
	smaps = fopen(path, "re");
	if (!smaps)
		return -1;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			verification->huge = grow(verification->huge, verification->nr_huge,
						  sizeof(*verification->huge));
			verification->huge[verification->nr_huge++].addr = start;
		} else if (verification->nr_huge &&
			   sscanf(line, "%31[^:]: %llu kB", field, &kib) == 2 &&
			   (!strcmp(field, "AnonHugePages") || !strcmp(field, "FilePmdMapped") ||
			    !strcmp(field, "ShmemPmdMapped"))) {
			verification->huge[verification->nr_huge - 1].bytes += kib << 10;
		}
	}
	fclose(smaps);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const uintptr_t one = ((const struct huge *)a)->addr;
	const uintptr_t other = ((const struct huge *)b)->addr;

	return one < other ? -1 : one > other;
}

static unsigned long long huge_bytes(const struct verification *verification, const void *addr)
{
	const struct huge key = { .addr = (uintptr_t)addr };
	const struct huge *huge;

	if (!verification->nr_huge)
		return 0;
	huge = bsearch(&key, verification->huge, verification->nr_huge, sizeof(key), by_address);
	return huge ? huge->bytes : 0;
}

/* The nodes where a mapping claims to be, as a list; "": none. */
static void claim_of(const struct numapin_mapping *mapping, char *list, size_t size)
{
	const char *nodes = strchr(mapping->policy, ':');

	*list = '\0';
	/* A striped region has a device's name, and no policy. */
	if (mapping->outcome == NUMAPIN_PINNED && nodes)
		snprintf(list, size, "%d", node_of_device(mapping->name));
	else if (mapping->outcome == NUMAPIN_BOUND && nodes)
		snprintf(list, size, "%s", nodes + 1);
}

static unsigned long long astray_bytes(const struct numapin_mapping *mapping, const char *claim)
{
	unsigned long long bytes = 0;

	for (size_t i = 0; i < mapping->count; i++)
		if (!in_list(claim, mapping->nodes[i].node))
			bytes += mapping->nodes[i].bytes;
	return bytes;
}

static void print_row(struct verification *verification, const struct numapin_mapping *mapping,
		      const char *claim, unsigned long long astray)
{
	FILE *rows = verification->table.rows;
	const char *c;

	fprintf(rows, "%" PRIxPTR "\t%s\t%s\t%s\t%s\t%s\t", (uintptr_t)mapping->addr,
		SIZE_TEXT(mapping->bytes), SIZE_TEXT(mapping->page_bytes),
		SIZE_TEXT(huge_bytes(verification, mapping->addr)),
		numapin_outcome_name(mapping->outcome), *claim ? claim : "-");
	for (size_t i = 0; i < mapping->count; i++)
		fprintf(rows, "%s%d:%s", i ? " " : "", mapping->nodes[i].node,
			SIZE_TEXT(mapping->nodes[i].bytes));
	fprintf(rows, "%s\t%s\t", mapping->count ? "" : "-", astray ? SIZE_TEXT(astray) : "-");
	for (c = *mapping->name ? mapping->name : "-"; *c; c++)
		fputc((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c, rows);
	fputc('\n', rows);
}

static void print_object(struct verification *verification, const struct numapin_mapping *mapping,
			 const char *claim, unsigned long long astray)
{
	struct json *json = &verification->json;

	json_open(json, NULL, '{');
	json_bytes(json, "address", (uintptr_t)mapping->addr);
	json_bytes(json, "bytes", mapping->bytes);
	json_bytes(json, "page_bytes", mapping->page_bytes);
	json_bytes(json, "huge_bytes", huge_bytes(verification, mapping->addr));
	json_string(json, "outcome", numapin_outcome_name(mapping->outcome));
	json_string(json, "policy", mapping->policy);
	json_string(json, "claim", claim);
	json_open(json, "nodes", '[');
	for (size_t i = 0; i < mapping->count; i++) {
		json_open(json, NULL, '{');
		json_number(json, "node", mapping->nodes[i].node);
		json_bytes(json, "bytes", mapping->nodes[i].bytes);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_bytes(json, "astray_bytes", astray);
	json_string(json, "name", mapping->name);
	json_close(json, '}');
}

static int verify_mapping(const struct numapin_mapping *mapping, void *arg)
{
	struct verification *verification = arg;
	const uintptr_t start = (uintptr_t)mapping->addr;
	unsigned long long astray;
	char claim[PATH_SIZE];

	if (verification->one &&
	    (verification->addr < start || verification->addr - start >= mapping->bytes))
		return 0;
	claim_of(mapping, claim, sizeof(claim));
	if (!*claim && !verification->all && !verification->one)
		return 0;
	astray = *claim ? astray_bytes(mapping, claim) : 0;
	if (verification->as_json)
		print_object(verification, mapping, claim, astray);
	else
		print_row(verification, mapping, claim, astray);
	verification->count++;
	verification->astray += astray;
	return 0;
}

static void begin(struct verification *verification)
{
	verification->json.out = stdout;
	if (verification->as_json) {
		json_open(&verification->json, NULL, '{');
		json_number(&verification->json, "pid", verification->pid);
		json_open(&verification->json, "mappings", '[');
	} else {
		table_begin(&verification->table, "rrrrllrrl", "ADDRESS\tBYTES\tPAGES\tHUGE\t"
			    "OUTCOME\tCLAIM\tON\tASTRAY\tNAME");
	}
}

static void end(struct verification *verification)
{
	if (verification->as_json) {
		json_close(&verification->json, ']');
		json_bytes(&verification->json, "astray_bytes", verification->astray);
		json_close(&verification->json, '}');
		putchar('\n');
		return;
	}
	table_end(&verification->table, stdout);
	if (!verification->count && !verification->one)
		printf("process %d has no memory that claims a node\n", verification->pid);
	if (verification->astray)
		printf("%s of process %d not where claimed\n", SIZE_TEXT(verification->astray),
		       verification->pid);
}

static int verify(struct verification *verification)
{
	int error = 0;

	if (read_huge(verification))
		error = errno;
	if (!error) {
		begin(verification);
		if (numapin_mappings(verification->pid, verify_mapping, verification))
			error = errno;
		end(verification);
		free(verification->huge);
	}
	if (error) {
		failed("process %d: %s", verification->pid, strerror(error));
		return EXIT_TROUBLE;
	}
	if (verification->one && !verification->count) {
		failed("process %d has no mapping with address %" PRIxPTR, verification->pid,
		       verification->addr);
		return EXIT_TROUBLE;
	}
	return verification->astray ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* PID, or PID:ADDR with a hexadecimal address */
static bool parse_process(char *text, struct verification *verification)
{
	char *colon = strchr(text, ':'), *end;

	if (colon) {
		*colon = '\0';
		errno = 0;
		verification->addr = strtoumax(colon + 1, &end, 16);
		verification->one = true;
		if (errno || end == colon + 1 || *end || colon[1] == '-')
			return false;
	}
	return parse_node(text, &verification->pid) && verification->pid;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' }, JSON_OPTION, HELP_OPTION, { 0 },
	};
	struct verification verification = { 0 };
	int option;

	while ((option = next_option(argc, argv, "ajh", options)) != -1) {
		if (option == 'a')
			verification.all = true;
		else
			verification.as_json = true;
	}
	if (argc - optind != 1)
		return misused("a process is wanted");
	if (!parse_process(argv[optind], &verification))
		return misused("that is neither PID nor PID:ADDR");
	return verify(&verification);
}

const struct command verify_command = {
	.name		= "verify",
	.usage		= "[--all] [--json] PID|PID:ADDR",
	.summary	= "whether a process's memory is on the node that it claims",
	.help		=
"Prints the mappings of a process that claim a node, which are those of a node's\n"
"device and those that a policy binds; or the one that has ADDR, in hex: the size\n"
"of their pages and how much is mapped by huge ones, and on which nodes the\n"
"kernel has them. Files in the page cache claim none.\n"
"\n"
"  -a, --all   all mappings\n"
"  -j, --json  as JSON, in bytes\n"
"\n"
"Ends with 0 if all of it is where it is claimed to be, with 1 if some is not,\n"
"and with 2 where the process cannot be read.\n",
	.run		= run,
};
