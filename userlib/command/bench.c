// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin bench: what memory of a node costs here, by numapin and by libnuma. In a
 * minute, and of this machine as it is now: what can be relied on is `make bench'.
 */
#include <errno.h>
#include <numa.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

/* Each way is measured so often, in turn; the median counts. */
#define ROUNDS 15

static const size_t sizes[] = { 4 << 10, 64 << 10, 2 << 20, 64 << 20 };

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/**
 * struct result - what one size costs on a node
 * @bytes: The size
 * @outcome: What numapin's memory was
 * @numapin: Nanoseconds to get it and to give it back
 * @libnuma: The same, by numa_alloc_onnode(), which leaves it to the first touch
 */
struct result {
	size_t bytes;
	int outcome;
	double numapin;
	double libnuma;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_numapin(int node, struct result *result, double *nanoseconds)
{
	struct numapin_receipt receipt;
	const double start = now();
	void *addr = numapin_alloc(node, result->bytes, 0, &receipt);

	if (!addr)
		return failed("%s", numapin_error());
	result->outcome = receipt.outcome;
	free_numa_memory(addr, result->bytes);
	*nanoseconds = now() - start;
	return 0;
}

static int by_libnuma(int node, const struct result *result, double *nanoseconds)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const double start = now();
	char *addr = numa_alloc_onnode(result->bytes, node);

	if (!addr)
		return failed("libnuma: %s", strerror(errno));
	for (size_t i = 0; i < result->bytes; i += page)
		*(volatile char *)(addr + i) = 0;
	numa_free(addr, result->bytes);
	*nanoseconds = now() - start;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static double median(double *numbers)
{
	qsort(numbers, ROUNDS, sizeof(*numbers), by_size);
	return numbers[ROUNDS / 2];
}

/* The first time, which warms up, does not count. */
static int measure(int node, struct result *result)
{
	double numapin[ROUNDS], libnuma[ROUNDS];

	for (int i = -1; i < ROUNDS; i++)
		if (by_numapin(node, result, &numapin[i < 0 ? 0 : i]) ||
		    by_libnuma(node, result, &libnuma[i < 0 ? 0 : i]))
			return EXIT_FAILURE;
	result->numapin = median(numapin);
	result->libnuma = median(libnuma);
	return 0;
}

static void print_row(struct table *table, int node, const struct result *result)
{
	fprintf(table->rows, "%d\t%s\t%s\t%.1f us\t%.1f us\t%.2f\n", node, SIZE_TEXT(result->bytes),
		numapin_outcome_name(result->outcome), result->numapin / 1e3, result->libnuma / 1e3,
		result->numapin / result->libnuma);
}

static void print_object(struct json *json, int node, const struct result *result)
{
	json_open(json, NULL, '{');
	json_number(json, "node", node);
	json_bytes(json, "bytes", result->bytes);
	json_string(json, "outcome", numapin_outcome_name(result->outcome));
	json_number(json, "numapin_ns", (long long)result->numapin);
	json_number(json, "libnuma_ns", (long long)result->libnuma);
	json_close(json, '}');
}

/* All sizes that leave most of the node free, on each node that the process may use */
static int bench(struct table *table, struct json *json)
{
	struct node *nodes;
	const int count = read_nodes(&nodes);
	int status = 0;

	if (count < 0)
		return failed("this system does not tell of nodes: %s", strerror(errno));
	for (size_t i = 0; !status && i < NR_SIZES * count; i++) {
		const struct node *node = &nodes[i / NR_SIZES];
		struct result result = { .bytes = sizes[i % NR_SIZES] };

		if (!node->allowed || result.bytes > node->memory.free_bytes / 4)
			continue;
		status = measure(node->id, &result);
		if (status)
			break;
		if (json)
			print_object(json, node->id, &result);
		else
			print_row(table, node->id, &result);
	}
	free(nodes);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { JSON_OPTION, HELP_OPTION, { 0 } };
	struct json json = { .out = stdout };
	struct table table;
	bool as_json = false;
	int status;

	while (next_option(argc, argv, "jh", options) != -1)
		as_json = true;
	if (optind < argc)
		return misused("there is nothing to name");
	if (numa_available() < 0)
		return failed("this system does not place memory");
	if (as_json) {
		json_open(&json, NULL, '[');
		status = bench(NULL, &json);
		json_close(&json, ']');
		putchar('\n');
	} else {
		table_begin(&table, "rrlrrr", "NODE\tSIZE\tOUTCOME\tNUMAPIN\tLIBNUMA\tRATIO");
		status = bench(&table, NULL);
		table_end(&table, stdout);
	}
	return status;
}

const struct command bench_command = {
	.name		= "bench",
	.usage		= "[--json]",
	.summary	= "what memory costs here, by numapin and by libnuma",
	.help		=
"Measures, in a few seconds, how long it takes to get memory of each node, to\n"
"touch it, and to give it back: by numapin, and by numa_alloc_onnode(). The median\n"
"of 15 each. It is of this machine as it is now; what can be relied on is the\n"
"source's `make bench'.\n"
"\n"
"  -j, --json  as JSON, in nanoseconds\n",
	.run		= run,
};
