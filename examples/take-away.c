// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocates on each node through libnumapin, asks the kernel where each page
 * is, and then tries to take the pages away to another node. Beside it, the
 * same with libnuma's numa_alloc_onnode().
 */
#include <errno.h>
#include <getopt.h>
#include <numa.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <numapin.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* A way to get memory on a node. */
struct way {
	const char *name;
	void *(*alloc)(int node, size_t size, struct numapin_receipt *receipt);
	void (*free)(void *addr, size_t size);
};

/* A way to take a node's pages away. Returns 0, or an errno. */
struct theft {
	const char *name;
	int (*attempt)(char *addr, size_t size, int from, int to);
};

#define MAX_NODES 1024

/* What was seen of one allocation. */
struct sight {
	struct numapin_receipt receipt;
	size_t pages;
	size_t pages_on[MAX_NODES];
	size_t huge_bytes;
	struct {
		int error;
		size_t moved;
	} thefts[3];
};

static size_t page_size;
/* What a full page table maps: 2 MiB where a page is 4 KiB */
static size_t huge_size;

static size_t pages_of(size_t size)
{
	return (size + page_size - 1) / page_size;
}

/*
 * What move_pages(2) says of each page of a range: its node, or a negative
 * errno. With @target, after it was told to move each there. To be freed.
 */
static int *move_pages_says(const char *addr, size_t size, const int *target)
{
	const size_t count = pages_of(size);
	void **pages = calloc(count, sizeof(*pages));
	int *targets = target ? calloc(count, sizeof(*targets)) : NULL;
	int *nodes = calloc(count, sizeof(*nodes));
	size_t i;

	if (!pages || !nodes || (target && !targets)) {
		perror("calloc");
		exit(2);
	}
	for (i = 0; i < count; i++) {
		pages[i] = (char *)addr + i * page_size;
		if (target)
			targets[i] = *target;
	}
	if (numa_move_pages(0, count, pages, targets, nodes, MPOL_MF_MOVE) < 0) {
		perror("move_pages");
		exit(2);
	}
	free(pages);
	free(targets);
	return nodes;
}

/* Counts for each node how many pages of a range the kernel says are there. */
static void count_pages(const char *addr, size_t size, size_t *pages_on)
{
	int *nodes = move_pages_says(addr, size, NULL);
	size_t i;

	memset(pages_on, 0, MAX_NODES * sizeof(*pages_on));
	for (i = 0; i < pages_of(size); i++)
		if (nodes[i] >= 0 && nodes[i] < MAX_NODES)
			pages_on[nodes[i]]++;
	free(nodes);
}

/* How much of the mapping that holds @addr smaps says is mapped by huge pages. */
static size_t huge_bytes(const char *addr)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long start, end, kib, sum = 0;
	bool inside = false;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && (sscanf(line, "FilePmdMapped: %lu", &kib) == 1 ||
				    sscanf(line, "AnonHugePages: %lu", &kib) == 1))
			sum += kib * KIB;
	}
	if (smaps)
		fclose(smaps);
	return sum;
}

static void *alloc_numapin(int node, size_t size, struct numapin_receipt *receipt)
{
	void *addr = numapin_alloc(node, size, 0, receipt);

	if (!addr)
		fprintf(stderr, "take-away: %s\n", numapin_error());
	return addr;
}

static void free_numapin(void *addr, size_t size)
{
	if (free_numa_memory(addr, size))
		perror("free_numa_memory");
}

static void *alloc_libnuma(int node, size_t size, struct numapin_receipt *receipt)
{
	char *addr = numa_alloc_onnode(size, node);
	size_t i;

	memset(receipt, 0, sizeof(*receipt));
	/* It places at first touch. */
	for (i = 0; addr && i < size; i += page_size)
		*(volatile char *)(addr + i) = 0;
	return addr;
}

static const struct way ways[] = {
	{ "numapin", alloc_numapin, free_numapin },
	{ "libnuma", alloc_libnuma, numa_free },
};

static struct bitmask *only(int node)
{
	struct bitmask *nodes = numa_allocate_nodemask();

	return numa_bitmask_setbit(nodes, node);
}

static int by_migrate_pages(char *addr, size_t size, int from, int to)
{
	struct bitmask *source = only(from), *target = only(to);
	int error = numa_migrate_pages(0, source, target) < 0 ? errno : 0;

	(void)addr;
	(void)size;
	numa_bitmask_free(source);
	numa_bitmask_free(target);
	return error;
}

/* The first page's error stands for all. */
static int by_move_pages(char *addr, size_t size, int from, int to)
{
	int *nodes = move_pages_says(addr, size, &to);
	int error = nodes[0] < 0 ? -nodes[0] : 0;

	(void)from;
	free(nodes);
	return error;
}

static int by_mbind(char *addr, size_t size, int from, int to)
{
	struct bitmask *target = only(to);
	int error;

	(void)from;
	error = mbind(addr, size, MPOL_BIND, target->maskp, target->size + 1, MPOL_MF_MOVE) ?
		errno : 0;
	numa_bitmask_free(target);
	return error;
}

static const struct theft thefts[] = {
	{ "migrate_pages", by_migrate_pages },
	{ "move_pages", by_move_pages },
	{ "mbind", by_mbind },
};

#define NR_THEFTS (sizeof(thefts) / sizeof(thefts[0]))

/* Fresh memory for each theft, so that each finds all of it in place. */
static bool look(const struct way *way, int node, int other, size_t size, struct sight *sight)
{
	size_t i, pages_on[MAX_NODES];

	memset(sight, 0, sizeof(*sight));
	sight->pages = pages_of(size);
	for (i = 0; i < NR_THEFTS; i++) {
		char *addr = way->alloc(node, size, &sight->receipt);

		if (!addr)
			return false;
		if (!i) {
			count_pages(addr, size, sight->pages_on);
			sight->huge_bytes = huge_bytes(addr);
		}
		sight->thefts[i].error = thefts[i].attempt(addr, size, node, other);
		count_pages(addr, size, pages_on);
		sight->thefts[i].moved = sight->pages - pages_on[node];
		way->free(addr, size);
	}
	return true;
}

/* Whether numapin kept its word. */
static bool held(const struct sight *sight, int node, size_t size)
{
	bool ok = sight->receipt.outcome == NUMAPIN_PINNED &&
		  sight->pages_on[node] == sight->pages &&
		  sight->huge_bytes == size / huge_size * huge_size &&
		  sight->huge_bytes == sight->receipt.huge_bytes;
	size_t i;

	for (i = 0; i < NR_THEFTS; i++)
		ok = ok && !sight->thefts[i].moved;
	return ok;
}

/* Whether each theft takes something where it can: if not, it proves nothing. */
static bool robbed(const struct sight *sight)
{
	bool each = true;
	size_t i;

	for (i = 0; i < NR_THEFTS; i++)
		each = each && sight->thefts[i].moved;
	return each;
}

static const char *outcome_name(int outcome)
{
	switch (outcome) {
	case NUMAPIN_PINNED:
		return "PINNED";
	case NUMAPIN_BOUND:
		return "BOUND";
	case NUMAPIN_UNBOUND:
		return "UNBOUND";
	default:
		return "-";
	}
}

static void print_head(void)
{
	size_t i;

	printf("%-7s %7s %4s  %-7s %14s %8s ", "way", "asked", "node", "outcome",
	       "pages by node", "on huge");
	for (i = 0; i < NR_THEFTS; i++)
		printf(" %17s", thefts[i].name);
	printf("\n%-7s %7s %4s  %-7s %14s %8s  %s\n", "", "KiB", "", "",
	       "(move_pages)", "KiB", "... pages that it took away");
}

static void print_row(const struct way *way, int node, size_t size, const struct sight *sight)
{
	char cell[64] = "";
	size_t i, n = 0;

	for (i = 0; i < MAX_NODES; i++)
		if (sight->pages_on[i] && n < sizeof(cell))
			n += snprintf(cell + n, sizeof(cell) - n, "%sN%zu=%zu", n ? " " : "", i,
				      sight->pages_on[i]);
	printf("%-7s %7zu %4d  %-7s %14s %8zu ", way->name, size / KIB, node,
	       outcome_name(sight->receipt.outcome), cell, sight->huge_bytes / KIB);
	for (i = 0; i < NR_THEFTS; i++) {
		if (sight->thefts[i].error)
			snprintf(cell, sizeof(cell), "%zu (%s)", sight->thefts[i].moved,
				 strerrorname_np(sight->thefts[i].error));
		else
			snprintf(cell, sizeof(cell), "%zu", sight->thefts[i].moved);
		printf(" %17s", cell);
	}
	printf("\n");
}

static void print_json(const struct way *way, int node, size_t size, const struct sight *sight)
{
	const char *comma = "";
	size_t i;

	printf("{\"way\": \"%s\", \"bytes\": %zu, \"node\": %d, ", way->name, size, node);
	printf("\"outcome\": \"%s\", ", outcome_name(sight->receipt.outcome));
	printf("\"pages\": %zu, \"pages_by_node\": {", sight->pages);
	for (i = 0; i < MAX_NODES; i++) {
		if (!sight->pages_on[i])
			continue;
		printf("%s\"%zu\": %zu", comma, i, sight->pages_on[i]);
		comma = ", ";
	}
	printf("}, \"huge_bytes\": %zu", sight->huge_bytes);
	for (i = 0; i < NR_THEFTS; i++)
		printf(", \"%s\": {\"errno\": %d, \"pages_moved\": %zu}", thefts[i].name,
		       sight->thefts[i].error, sight->thefts[i].moved);
	printf("}\n");
}

/* Looks at both ways for one node and size. Returns whether all is as it should be. */
static bool compare(int node, int other, size_t size, bool json)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct sight sight;

		if (!look(&ways[i], node, other, size, &sight)) {
			fprintf(stderr, "take-away: %s: no %zu bytes on node %d\n", ways[i].name,
				size, node);
			ok = false;
			continue;
		}
		if (json)
			print_json(&ways[i], node, size, &sight);
		else
			print_row(&ways[i], node, size, &sight);
		ok = ok && (i ? robbed(&sight) : held(&sight, node, size));
	}
	fflush(stdout);
	return ok;
}

/* The first node but @node with memory; -1: none. */
static int another(int node)
{
	int i;

	for (i = 0; i <= numa_max_node(); i++)
		if (i != node && numa_bitmask_isbitset(numa_all_nodes_ptr, i))
			return i;
	return -1;
}

static void print_usage(FILE *to)
{
	fprintf(to,
		"usage: take-away [--json]\n\n"
		"Allocates 4 KiB to 256 MiB on each node, by libnumapin and by libnuma, asks\n"
		"the kernel where the pages are, and tries to take them away to another node.\n"
		"Ends with 0 if all of numapin's were PINNED on the node, on huge pages as far\n"
		"as they go, and stayed, and all of libnuma's could be taken; else with 1.\n");
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4 * KIB, 64 * KIB, MIB, 5 * MIB, 64 * MIB, 256 * MIB };
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false, ok = true;
	int option, node;
	size_t i;

	while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	if (numa_available() < 0 || another(another(-1)) < 0) {
		fprintf(stderr, "take-away: needs two NUMA nodes\n");
		return 2;
	}
	page_size = sysconf(_SC_PAGESIZE);
	huge_size = page_size / sizeof(uint64_t) * page_size;

	if (!json)
		print_head();
	for (node = 0; node <= numa_max_node(); node++) {
		if (!numa_bitmask_isbitset(numa_all_nodes_ptr, node))
			continue;
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			ok = compare(node, another(node), sizes[i], json) && ok;
	}
	if (!json && ok)
		printf("\nnumapin's pages were on their node and stayed; libnuma's did not.\n");
	if (!ok)
		fprintf(stderr, "take-away: NOT as it should be: see above\n");
	return !ok;
}
