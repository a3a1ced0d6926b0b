// SPDX-License-Identifier: GPL-2.0-only
/*
 * What fork() costs a process with much memory, and then the first write to it:
 * private regions beside the anonymous memory that malloc() gives.
 */
#include <linux/numapin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"
#include "device.h"
#include "ordinary.h"
#include "oracle.h"
#include "worker.h"

/* Memory of node 1, of which a kind is measured */
static const struct kind {
	const char *name;
	int advice;		/* of anonymous memory; else 0 */
	uint32_t flags;		/* of a private region */
} kinds[] = {
	{ "anonymous, 2 MiB pages", MADV_HUGEPAGE, 0 },
	{ "private region, 2 MiB pages", 0, NUMAPIN_ALLOC_HUGE },
	{ "private region with a reserve", 0, NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_RESERVE },
	{ "anonymous, 4 KiB pages", MADV_NOHUGEPAGE, 0 },
	{ "private region, 4 KiB pages", 0, NUMAPIN_ALLOC_NO_HUGE },
};

static const char *const steps[] = {
	"fork()", "write a byte in each 2 MiB", "write all of it", "write it, no child left",
};

#define NR_KINDS ARRAY_SIZE(kinds)
#define NR_STEPS ARRAY_SIZE(steps)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Microseconds, of each kind and step, in each round */
static double times[NR_KINDS][NR_STEPS][MAX_ROUNDS];

static double time_to_write(char *addr, size_t bytes, size_t stride)
{
	const double start = now();

	for (size_t i = 0; i < bytes; i += stride)
		*(volatile char *)(addr + i) = 1;
	return now() - start;
}

static char *get_memory(const struct kind *kind, size_t bytes)
{
	char *addr;
	int fd;

	if (kind->advice)
		return ordinary_memory(bytes, kind->advice);
	fd = open_node(1, O_RDWR);
	if (alloc_region(fd, bytes, kind->flags | NUMAPIN_ALLOC_PRIVATE, NULL))
		return NULL;
	addr = map_shared(fd, bytes, MAP_POPULATE);
	close(fd);
	time_to_write(addr, bytes, PAGE);
	return addr == MAP_FAILED ? NULL : addr;
}

/* Forks a child that lives until it is told; how long it took the parent. */
static double time_to_fork(struct worker *child)
{
	const double start = now();

	if (!worker_fork(child)) {
		perror("fork");
		exit(1);
	}
	if (!child->pid) {
		hand_over(child);
		take_over(child);
		_exit(0);
	}
	return now() - start;
}

static void end_child(const struct worker *child)
{
	hand_over(child);
	worker_wait(child);
}

/* One round of a kind, on memory of its own */
static bool measure(int k, size_t bytes, int round)
{
	char *addr = get_memory(&kinds[k], bytes);
	struct worker child;

	if (!addr)
		return false;
	times[k][0][round] = time_to_fork(&child);
	take_over(&child);
	times[k][1][round] = time_to_write(addr, bytes, HUGE_PAGE);
	end_child(&child);
	time_to_write(addr, bytes, PAGE);

	time_to_fork(&child);
	take_over(&child);
	times[k][2][round] = time_to_write(addr, bytes, PAGE);
	end_child(&child);

	time_to_fork(&child);
	take_over(&child);
	end_child(&child);
	times[k][3][round] = time_to_write(addr, bytes, PAGE);
	munmap(addr, bytes);
	return true;
}

static void print_people(size_t mib, int rounds)
{
	printf("%zu MiB of node 1, medians of %d rounds: microseconds, and times the first\n",
	       mib, rounds);
	for (int s = 0; s < NR_STEPS; s++) {
		printf("\n%s\n", steps[s]);
		for (int k = 0; k < NR_KINDS; k++) {
			const double time = spread_of(times[k][s], rounds).median;

			printf("  %-30s %10.0f  x %.2f\n", kinds[k].name, time,
			       time / spread_of(times[0][s], rounds).median);
		}
	}
}

static void print_json(size_t mib, int rounds)
{
	for (int k = 0; k < NR_KINDS; k++)
		for (int s = 0; s < NR_STEPS; s++) {
			printf("{\"memory\": \"%s\", \"step\": \"%s\", ", kinds[k].name, steps[s]);
			printf("\"mib\": %zu, \"us\": %.1f}\n", mib,
			       spread_of(times[k][s], rounds).median);
		}
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: bench-fork [OPTION]...\n"
		"\n"
		"Measures fork() and the first write after it, of private regions and of\n"
		"anonymous memory in turn. With the module loaded, as root.\n"
		"\n"
		"  -s, --size MIB    of memory (64)\n"
		"  -r, --rounds NR   measure so often, from 1 to %d, and tell the medians (11)\n"
		"  -j, --json        a JSON object for each number\n"
		"  -h, --help        this\n", MAX_ROUNDS);
}

int main(int argc, char **argv)
{
	struct bench_options is = { .mib = 64, .rounds = 11 };
	const int end = bench_options(argc, argv, usage, &is);

	if (end >= 0)
		return end;
	for (int round = 0; round < is.rounds; round++) {
		fprintf(stderr, "\rround %d of %d", round + 1, is.rounds);
		for (int k = 0; k < NR_KINDS; k++) {
			if (!measure(k, is.mib * MIB, round)) {
				fprintf(stderr, "\nbench-fork: no %s\n", kinds[k].name);
				return 1;
			}
		}
	}
	fprintf(stderr, "\n");
	if (is.json)
		print_json(is.mib, is.rounds);
	else
		print_people(is.mib, is.rounds);
	return 0;
}
