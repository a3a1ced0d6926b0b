// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin status: nodes, what the module has of them, and who has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

/* What is printed in the place of a terminal's width where there is none */
#define DEFAULT_WIDTH 80

/* The escape sequence that ends colours */
#define PLAIN "\033[0m"

/* Kinds of a node's memory, as they are drawn from left to right */
enum kind {
	NUMAPINS,
	POOLED,
	OTHERS,
	UNUSED,
	NR_KINDS,
};

static const struct {
	char sign;
	const char *colour;
	const char *name;
} kinds[NR_KINDS] = {
	[NUMAPINS]	= { '#', "\033[32m", "numapin's" },
	[POOLED]	= { '=', "\033[36m", "pool, not in use" },
	[OTHERS]	= { '-', "\033[33m", "other memory in use" },
	[UNUSED]	= { '.', PLAIN, "free" },
};

/* The width of a terminal; of what is none, a default. */
int terminal_width(FILE *out)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int width;

	if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	width = columns ? (int)strtol(columns, NULL, 10) : 0;
	return width > 0 && width < 1000 ? width : DEFAULT_WIDTH;
}

/* So many bytes of what is left, or all of it */
static unsigned long long take(unsigned long long *left, unsigned long long bytes)
{
	if (bytes > *left)
		bytes = *left;
	*left -= bytes;
	return bytes;
}

/* Bytes of each kind. They were read one after the other: they may be a little off. */
static void split(const struct node *node, unsigned long long bytes[NR_KINDS])
{
	const unsigned long long *number = node->attributes;
	unsigned long long left = node->memory.bytes;

	bytes[NUMAPINS] = take(&left, number[BYTES]);
	bytes[POOLED] = take(&left, number[POOL_FILLED_BYTES] + number[POOL_DIRTY_BYTES]);
	bytes[UNUSED] = take(&left, node->memory.free_bytes);
	bytes[OTHERS] = left;
}

/* A line as wide as @width: the node, and its memory by kinds */
static void print_bar(FILE *out, const struct node *node, int width, bool colours)
{
	unsigned long long bytes[NR_KINDS], sum = 0;
	const unsigned long long whole = node->memory.bytes ? node->memory.bytes : 1;
	const int length = fprintf(out, "%4d [", node->id);
	const int room = width - length - 1;
	int drawn = 0;

	split(node, bytes);
	for (int i = 0; i < NR_KINDS; i++) {
		int end;

		sum += bytes[i];
		end = (int)((double)sum / (double)whole * room + 0.5);
		/* However little there is of it, it is seen. */
		if (bytes[i] && end == drawn && drawn < room)
			end++;
		if (colours && end > drawn)
			fputs(kinds[i].colour, out);
		for (; drawn < end; drawn++)
			fputc(kinds[i].sign, out);
	}
	fputs(colours ? PLAIN "]\n" : "]\n", out);
}

static void print_bars(FILE *out, const struct node *nodes, int count, int width)
{
	const bool colours = isatty(STDOUT_FILENO);

	for (int i = 0; i < count; i++)
		print_bar(out, &nodes[i], width, colours);
	fputs("     ", out);
	for (int i = 0; i < NR_KINDS; i++)
		fprintf(out, " %c %s%s", kinds[i].sign, kinds[i].name,
			i < NR_KINDS - 1 ? "," : "\n");
}

static void print_nodes(FILE *out, const struct node *nodes, int count)
{
	struct table table;

	table_begin(&table, "rrrrrrrrrrl", "NODE\tMEMORY\tFREE\tREGIONS\tBYTES\tHUGE\tBUDGET\t"
		    "POOL\tFILLED\tUSED\tDEVICE");
	for (int i = 0; i < count; i++) {
		const struct node *node = &nodes[i];
		const unsigned long long *number = node->attributes;
		char device[256];

		fprintf(table.rows, "%d\t%s\t%s\t", node->id, SIZE_TEXT(node->memory.bytes),
			SIZE_TEXT(node->memory.free_bytes));
		if (node->served)
			fprintf(table.rows, "%llu\t%s\t%s\t%s\t%s\t%s\t%s\t", number[REGIONS],
				SIZE_TEXT(number[BYTES]), SIZE_TEXT(number[HUGE_BYTES]),
				SIZE_TEXT(number[MAX_BYTES]), SIZE_TEXT(number[POOL_BYTES]),
				SIZE_TEXT(number[POOL_FILLED_BYTES]),
				SIZE_TEXT(number[POOL_USED_BYTES]));
		else
			fputs("-\t-\t-\t-\t-\t-\t-\t", table.rows);
		fprintf(table.rows, "%s%s\n", device_text(device, sizeof(device), node),
			node->allowed ? "" : ", not in the cpuset");
	}
	table_end(&table, out);
}

/* What the module has given and none of the holders has */
static unsigned long long unseen_bytes(const struct node *node, const struct holders *holders)
{
	const unsigned long long held = held_bytes(holders, node->id);

	return node->attributes[BYTES] > held ? node->attributes[BYTES] - held : 0;
}

/* smaps tells KiB. */
static bool is_seen(unsigned long long unseen, const struct holders *holders)
{
	return unseen < 1024 * (holders->count + 1);
}

static void print_holders(FILE *out, const struct node *nodes, int count,
			  const struct holders *holders)
{
	struct table table;
	size_t rows = holders->count;

	table_begin(&table, "rrlrrr", "NODE\tPID\tCOMMAND\tBYTES\tMAPPED\tDESCRIPTORS");
	for (size_t i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->list[i];

		fprintf(table.rows, "%d\t%d\t%s\t%s\t%s\t%zu\n", holder->node, holder->pid,
			holder->command, SIZE_TEXT(holder->bytes), SIZE_TEXT(holder->mapped_bytes),
			holder->nr_regions);
	}
	for (int i = 0; i < count; i++) {
		const unsigned long long unseen = unseen_bytes(&nodes[i], holders);

		if (is_seen(unseen, holders))
			continue;
		fprintf(table.rows, "%d\t-\t(not to be seen)\t%s\t-\t-\n", nodes[i].id,
			SIZE_TEXT(unseen));
		rows++;
	}
	if (!rows)
		fputs("-\t-\t(nobody)\t-\t-\t-\n", table.rows);
	table_end(&table, out);
}

static void print_node_json(struct json *json, const struct node *node,
			    const struct holders *holders)
{
	char text[256];

	json_open(json, NULL, '{');
	json_number(json, "node", node->id);
	json_bytes(json, "bytes", node->memory.bytes);
	json_bytes(json, "free_bytes", node->memory.free_bytes);
	json_number(json, "cpus", node->memory.cpus);
	json_bool(json, "in_cpuset", node->allowed);
	json_bool(json, "served", node->served);
	json_bool(json, "opens", node->device.node == node->id);
	json_string(json, "device", device_text(text, sizeof(text), node));
	if (node->served) {
		json_open(json, "module", '{');
		for (int i = 0; i < NR_ATTRIBUTES; i++)
			json_bytes(json, attribute_names[i], node->attributes[i]);
		json_bytes(json, "seen_bytes", held_bytes(holders, node->id));
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void print_holder_json(struct json *json, const struct holder *holder)
{
	json_open(json, NULL, '{');
	json_number(json, "pid", holder->pid);
	json_string(json, "command", holder->command);
	json_number(json, "node", holder->node);
	json_bytes(json, "bytes", holder->bytes);
	json_bytes(json, "mapped_bytes", holder->mapped_bytes);
	json_open(json, "regions", '[');
	for (size_t i = 0; i < holder->nr_regions; i++) {
		json_open(json, NULL, '{');
		json_number(json, "device", holder->regions[i].device);
		json_bytes(json, "region", holder->regions[i].id);
		json_bytes(json, "bytes", holder->regions[i].bytes);
		json_bool(json, "private", holder->regions[i].private);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void print_json(FILE *out, const struct node *nodes, int count,
		       const struct holders *holders)
{
	struct json json = { .out = out };

	json_open(&json, NULL, '{');
	json_bool(&json, "loaded", !access(MODULE_SYSFS, F_OK));
	json_open(&json, "nodes", '[');
	for (int i = 0; i < count; i++)
		print_node_json(&json, &nodes[i], holders);
	json_close(&json, ']');
	json_open(&json, "holders", '[');
	for (size_t i = 0; i < holders->count; i++)
		print_holder_json(&json, &holders->list[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	fputc('\n', out);
}

/* Prints all of it once, with bars as wide as @width. An exit status */
int print_status(FILE *out, bool json, int width)
{
	struct holders holders;
	struct node *nodes;
	const int count = read_nodes(&nodes);

	if (count < 0)
		return failed("this system does not tell of nodes: %s", strerror(errno));
	if (read_holders(&holders)) {
		free(nodes);
		return failed("/proc: %s", strerror(errno));
	}
	if (json) {
		print_json(out, nodes, count, &holders);
	} else {
		if (access(MODULE_SYSFS, F_OK))
			fputs("The module is not loaded: `numapin doctor' says why.\n\n", out);
		print_nodes(out, nodes, count);
		fputc('\n', out);
		print_bars(out, nodes, count, width);
		fputc('\n', out);
		print_holders(out, nodes, count, &holders);
	}
	free_holders(&holders);
	free(nodes);
	return EXIT_SUCCESS;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { JSON_OPTION, HELP_OPTION, { 0 } };
	bool json = false;

	while (next_option(argc, argv, "jh", options) != -1)
		json = true;
	if (optind < argc)
		return misused("there is nothing to name");
	return print_status(stdout, json, terminal_width(stdout));
}

const struct command status_command = {
	.name		= "status",
	.usage		= "[--json]",
	.summary	= "nodes, what the module has of them, and who has it",
	.help		=
"Prints for each node its memory, its device, its budget and pool, and what\n"
"regions have; a bar of its memory; and the processes that hold memory of it.\n"
"Of other users' processes only root is told; what they have is one line.\n"
"\n"
"  -j, --json  as JSON, in bytes\n",
	.run		= run,
};
