// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs the other threads of a process that one of them frees much memory:
 * the longest time in which another could not get a page, and give it back.
 */
#include <err.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <numapin.h>

#include "bench.h"
#include "oracle.h"

/* Memory of node 1 that is freed */
static const struct kind {
	const char *name;
	int advice;		/* of libnuma's memory; else 0 */
	unsigned int flags;	/* of numapin_alloc() */
} kinds[] = {
	{ "libnuma, 2 MiB pages", MADV_HUGEPAGE, 0 },
	{ "numapin, 2 MiB pages", 0, 0 },
	{ "libnuma, 4 KiB pages", MADV_NOHUGEPAGE, 0 },
	{ "numapin, 4 KiB pages", 0, NUMAPIN_NO_HUGE },
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define NR_KINDS ARRAY_SIZE(kinds)

/* Microseconds, in each round: how long it took, and how long the other waited */
static double times[NR_KINDS][MAX_ROUNDS], waits[NR_KINDS][MAX_ROUNDS];

/**
 * struct other - a thread that wants a page again and again
 * @thread: The thread
 * @rounds: How often it had one
 * @watched: Whether what it waits is noted
 * @stop: It is to end
 * @longest: Microseconds: the longest that it waited; for who has stopped it
 */
struct other {
	pthread_t thread;
	atomic_long rounds;
	atomic_bool watched;
	atomic_bool stop;
	double longest;
};

static void touch(char *addr, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		*(volatile char *)(addr + i) = 1;
}

static void *want_pages(void *arg)
{
	struct other *other = arg;

	for (; !other->stop; other->rounds++) {
		const double start = now();
		double took;
		char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			err(1, "mmap");
		touch(page, PAGE);
		munmap(page, PAGE);
		took = now() - start;
		if (other->watched && took > other->longest)
			other->longest = took;
	}
	return NULL;
}

static void *get(const struct kind *kind, size_t bytes)
{
	struct numapin_receipt receipt;
	void *addr;

	if (!kind->advice) {
		addr = numapin_alloc(1, bytes, kind->flags, &receipt);
		if (addr && receipt.outcome != NUMAPIN_PINNED)
			errx(1, "the module did not give the memory: %s", numapin_error());
		return addr;
	}
	addr = numa_alloc_onnode(bytes, 1);
	if (addr && madvise(addr, bytes, kind->advice))
		err(1, "madvise");
	return addr;
}

static void put(const struct kind *kind, void *addr, size_t bytes)
{
	if (kind->advice)
		numa_free(addr, bytes);
	else if (free_numa_memory(addr, bytes))
		err(1, "free_numa_memory");
}

static bool measure(int k, size_t bytes, int round)
{
	struct other other = { .longest = 0 };
	void *addr = get(&kinds[k], bytes);
	double start;

	if (!addr)
		return false;
	touch(addr, bytes);
	if (pthread_create(&other.thread, NULL, want_pages, &other))
		errx(1, "no thread");
	while (other.rounds < 100)
		sched_yield();
	other.watched = true;
	start = now();
	put(&kinds[k], addr, bytes);
	times[k][round] = now() - start;
	other.stop = true;
	pthread_join(other.thread, NULL);
	waits[k][round] = other.longest;
	return true;
}

static void print_people(size_t mib, int rounds)
{
	printf("While %zu MiB of node 1 are freed: how long another thread waits\n", mib);
	printf("for a page (the longest; medians of %d rounds, in microseconds)\n", rounds);
	for (int k = 0; k < NR_KINDS; k++)
		printf("  %-30s freed in %8.0f, another waits %8.0f\n", kinds[k].name,
		       spread_of(times[k], rounds).median, spread_of(waits[k], rounds).median);
}

static void print_json(size_t mib, int rounds)
{
	for (int k = 0; k < NR_KINDS; k++) {
		printf("{\"memory\": \"%s\", \"mib\": %zu, ", kinds[k].name, mib);
		printf("\"free_us\": %.1f, \"wait_us\": %.1f}\n",
		       spread_of(times[k], rounds).median, spread_of(waits[k], rounds).median);
	}
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: bench-free [OPTION]...\n"
		"\n"
		"Measures how long a thread waits for a page of its own while another frees\n"
		"memory of node 1, by numapin and by libnuma in turn. With the module loaded, as\n"
		"root.\n"
		"\n"
		"  -s, --size MIB    of memory (512)\n"
		"  -r, --rounds NR   measure so often, from 1 to %d, and tell the medians (7)\n"
		"  -j, --json        a JSON object for each kind of memory\n"
		"  -h, --help        this\n", MAX_ROUNDS);
}

int main(int argc, char **argv)
{
	struct bench_options is = { .mib = 512, .rounds = 7 };
	const int end = bench_options(argc, argv, usage, &is);

	if (end >= 0)
		return end;
	for (int round = 0; round < is.rounds; round++) {
		fprintf(stderr, "\rround %d of %d", round + 1, is.rounds);
		for (int k = 0; k < NR_KINDS; k++)
			if (!measure(k, is.mib * MIB, round))
				errx(1, "no memory: %s", kinds[k].name);
	}
	fprintf(stderr, "\n");
	if (is.json)
		print_json(is.mib, is.rounds);
	else
		print_people(is.mib, is.rounds);
	return 0;
}
