// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory on a node costs, of numapin and of the other ways to get it: the
 * time until it can be used, and to give it back. Where the first touch takes page
 * faults, touching is part of the cost.
 */
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <numapin.h>

#include "bench.h"
#include "device.h"
#include "ordinary.h"
#include "worker.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
/* Of memory that is allocated in pieces before a round is over */
#define BATCH_BYTES (64 * MIB)
#define BATCH_MAX 256

struct way;

static int node = 1;

/* A way to get memory: @get gives memory of the node; @put takes it back. */
static const struct way {
	const char *name;
	void *(*get)(const struct way *way, size_t bytes);
	void (*put)(void *addr, size_t bytes);
	/* no way at all, but memory that is there is written, which takes so long */
	double (*write)(void **addrs, size_t nr, size_t bytes);
	size_t least;		/* bytes below which there is no such way */
	unsigned int flags;	/* of numapin_alloc(); or an advice */
	bool touch;		/* it is usable when it was touched */
	bool pooled;		/* the node's pool has as much */
} ways[];

static void *get_numapin(const struct way *way, size_t bytes)
{
	struct numapin_receipt receipt;
	void *addr = numapin_alloc(node, bytes, way->flags, &receipt);

	if (addr && receipt.outcome != NUMAPIN_PINNED)
		errx(1, "the module did not give the memory: %s", numapin_error());
	return addr;
}

static void put_numapin(void *addr, size_t bytes)
{
	if (free_numa_memory(addr, bytes))
		err(1, "free_numa_memory");
}

static void *get_libnuma(const struct way *way, size_t bytes)
{
	return numa_alloc_onnode(bytes, node);
}

static void unmap(void *addr, size_t bytes)
{
	munmap(addr, bytes);
}

static bool bind_to_node(void *addr, size_t bytes)
{
	static struct bitmask *mask;

	if (!mask)
		mask = only_node(node);
	return !mbind(addr, bytes, MPOL_BIND, mask->maskp, mask->size + 1, 0);
}

static void *bound(void *addr, size_t bytes)
{
	if (addr == MAP_FAILED)
		return NULL;
	if (bind_to_node(addr, bytes) && !madvise(addr, bytes, MADV_POPULATE_WRITE))
		return addr;
	munmap(addr, bytes);
	return NULL;
}

/* Aligned as huge pages need it, which mmap() does not do on every kernel */
static void *get_mbind(const struct way *way, size_t bytes)
{
	const size_t spare = bytes < HUGE_PAGE ? 0 : HUGE_PAGE;
	char *addr = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = -(uintptr_t)addr & (HUGE_PAGE - 1);

	if (addr == MAP_FAILED)
		return NULL;
	if (spare) {
		if (before)
			munmap(addr, before);
		addr += before;
		if (spare - before)
			munmap(addr + bytes, spare - before);
	}
	madvise(addr, bytes, way->flags);
	return bound(addr, bytes);
}

static void *get_hugetlb(const struct way *way, size_t bytes)
{
	return bound(mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), bytes);
}

static void *get_memfd(const struct way *way, size_t bytes)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	void *addr;

	if (fd < 0 || ftruncate(fd, bytes))
		return NULL;
	addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return bound(addr, bytes);
}

/* The time to write again what was written, which takes no fault */
static double write_by_one(void **addrs, size_t nr, size_t bytes)
{
	const double start = now();

	for (size_t i = 0; i < nr; i++)
		memset(addrs[i], 2, bytes);
	return now() - start;
}

/* Memory that several write, of so many bytes at each address: each takes the next piece. */
struct shared {
	void **addrs;
	size_t nr;
	size_t bytes;
	atomic_size_t next;
	pthread_barrier_t ready;
};

static void *write_pieces(void *arg)
{
	struct shared *shared = arg;
	size_t at;

	pthread_barrier_wait(&shared->ready);
	while ((at = atomic_fetch_add(&shared->next, HUGE_PAGE)) < shared->nr * shared->bytes)
		memset((char *)shared->addrs[at / shared->bytes] + at % shared->bytes, 2,
		       HUGE_PAGE);
	return NULL;
}

/* The same on all CPUs at once */
static double write_by_all(void **addrs, size_t nr, size_t bytes)
{
	struct shared shared = { .addrs = addrs, .nr = nr, .bytes = bytes };
	const int others = numa_num_task_cpus() - 1;
	pthread_t threads[others + 1];
	double start;

	pthread_barrier_init(&shared.ready, NULL, others + 1);
	for (int i = 0; i < others; i++)
		if (pthread_create(&threads[i], NULL, write_pieces, &shared))
			errx(1, "no thread");
	start = now();
	write_pieces(&shared);
	for (int i = 0; i < others; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&shared.ready);
	return now() - start;
}

#define LIBNUMA 0
#define COLD 5
#define MEMSET 8

static const struct way ways[] = {
	[LIBNUMA] = { "libnuma + touch", get_libnuma, numa_free, .touch = true },
	{ "mbind + populate (THP)", get_mbind, unmap, .flags = MADV_HUGEPAGE },
	{ "mbind + populate (4 KiB)", get_mbind, unmap, .flags = MADV_NOHUGEPAGE },
	{ "hugetlb + mbind", get_hugetlb, unmap, .least = HUGE_PAGE },
	{ "memfd + mbind", get_memfd, unmap, .flags = 0 },
	[COLD] = { "numapin cold", get_numapin, put_numapin, .flags = 0 },
	{ "numapin warm", get_numapin, put_numapin, .pooled = true, .least = HUGE_PAGE },
	{ "numapin 4 KiB pages", get_numapin, put_numapin, .flags = NUMAPIN_NO_HUGE },
	/* The limits of all that clear memory */
	[MEMSET] = { "memset", get_libnuma, numa_free, .touch = true, .write = write_by_one },
	{ "memset by all CPUs", get_libnuma, numa_free, .touch = true, .write = write_by_all,
	  .least = HUGE_PAGE },
};

#define NR_WAYS ARRAY_SIZE(ways)

static const size_t all_sizes[] = {
	4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 2 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB,
};

#define NR_SIZES ARRAY_SIZE(all_sizes)

/* Of a way and a size: of one allocation in each round, in microseconds */
struct result {
	double get[MAX_ROUNDS];
	double put[MAX_ROUNDS];
	double faults;		/* of one allocation, the most of any round: while it is got */
	double late_faults;	/* and when it is used after that */
	bool measured;
};

static struct result results[NR_WAYS][NR_SIZES];
static int rounds = 7;

static void touch(char *addr, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		*(volatile char *)(addr + i) = 1;
}

#define HELPERS "/sys/module/numapin/parameters/max_helpers"

static void set_helpers(long nr)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", nr);
	if (!write_file(HELPERS, text))
		err(1, HELPERS);
}

/* Has the pool hold so much, zeroed. */
static void fill_pool(size_t bytes)
{
	errno = set_number(node, "pool_bytes", bytes);
	if (errno)
		err(1, "a pool of %zu MiB", bytes / MIB);
	while (counter(node, "pool_filled_bytes") != bytes)
		sched_yield();
}

static size_t batch_of(size_t bytes)
{
	const size_t nr = BATCH_BYTES / bytes;

	return !nr ? 1 : nr > BATCH_MAX ? BATCH_MAX : nr;
}

/* Memory of a way that can be used; or NULL. */
static void *get_usable(const struct way *way, size_t bytes)
{
	void *addr = way->get(way, bytes);

	if (addr && way->touch)
		touch(addr, bytes);
	return addr;
}

/*
 * Once what is not measured: what comes first after other ways, or after a wait, pays
 * for code and tables that are in no cache any more, whichever way it is. Of the size,
 * for another may be had in another way; but a huge page is as good as many.
 */
static void warm_up(const struct way *way, size_t size)
{
	const size_t bytes = size < HUGE_PAGE ? size : HUGE_PAGE;
	void *addr = get_usable(way, bytes);

	if (addr)
		way->put(addr, bytes);
}

static void keep_most(double *most, double faults)
{
	if (faults > *most)
		*most = faults;
}

/* One round of a way at a size */
static bool measure(int w, int s, int round)
{
	const struct way *way = &ways[w];
	const size_t bytes = all_sizes[s], nr = batch_of(bytes);
	struct result *result = &results[w][s];
	void *addrs[BATCH_MAX];
	double start, got, freed;
	long faults, late, after;

	fill_pool(way->pooled ? bytes * nr : 0);
	warm_up(way, bytes);
	fill_pool(way->pooled ? bytes * nr : 0);
	faults = page_faults();
	start = now();
	for (size_t i = 0; i < nr; i++) {
		addrs[i] = get_usable(way, bytes);
		if (!addrs[i]) {
			warn("no %zu KiB of %s", bytes / KIB, way->name);
			return false;
		}
	}
	got = now();
	late = page_faults();
	for (size_t i = 0; i < nr; i++)
		touch(addrs[i], bytes);
	/* To write down what was counted may be a fault of the benchmark's own. */
	after = page_faults();
	keep_most(&result->faults, (double)(late - faults) / nr);
	keep_most(&result->late_faults, (double)(after - late) / nr);
	result->get[round] = (way->write ? way->write(addrs, nr, bytes) : got - start) / nr;
	freed = now();
	for (size_t i = 0; i < nr; i++)
		way->put(addrs[i], bytes);
	result->put[round] = (now() - freed) / nr;
	result->measured = true;
	return true;
}

static const char *size_name(size_t bytes)
{
	static char name[32];

	if (bytes < MIB)
		snprintf(name, sizeof(name), "%zu KiB", bytes / KIB);
	else if (bytes < 1024 * MIB)
		snprintf(name, sizeof(name), "%zu MiB", bytes / MIB);
	else
		snprintf(name, sizeof(name), "%zu GiB", bytes / MIB / 1024);
	return name;
}

static void print_rows(bool (*cell)(int w, int s), size_t max)
{
	printf("%-26s", "");
	for (int s = 0; s < NR_SIZES && all_sizes[s] <= max; s++)
		printf(" %8s", size_name(all_sizes[s]));
	for (int w = 0; w < NR_WAYS; w++) {
		printf("\n%-26s", ways[w].name);
		for (int s = 0; s < NR_SIZES && all_sizes[s] <= max; s++)
			if (!results[w][s].measured || !cell(w, s))
				printf(" %8s", "-");
	}
	printf("\n");
}

static bool print_get(int w, int s)
{
	const double us = spread_of(results[w][s].get, rounds).median;

	return printf(" %8.*f", us < 100 ? 1 : 0, us);
}

static bool print_ratio(int w, int s)
{
	const double ratio = spread_of(results[w][s].get, rounds).median /
			     spread_of(results[LIBNUMA][s].get, rounds).median;

	return printf(" %8.*f", ratio < 0.1 ? 4 : 2, ratio);
}

static bool print_put_ratio(int w, int s)
{
	if (ways[w].write)
		return false;
	return printf(" %8.2f", spread_of(results[w][s].put, rounds).median /
				spread_of(results[LIBNUMA][s].put, rounds).median);
}

static bool print_spread(const double *values)
{
	const struct spread spread = spread_of(values, rounds);

	return printf(" %7.0f%%", 100 * (spread.high - spread.low) / spread.median);
}

static bool print_get_spread(int w, int s)
{
	return print_spread(results[w][s].get);
}

static bool print_put_spread(int w, int s)
{
	return !ways[w].write && print_spread(results[w][s].put);
}

static bool print_faults(int w, int s)
{
	if (ways[w].write)
		return false;
	return printf(" %8.*f", results[w][s].faults < 10 ? 2 : 0, results[w][s].faults);
}

static bool print_late_faults(int w, int s)
{
	return printf(" %8.2f", results[w][s].late_faults);
}

static void print_people(size_t max)
{
	printf("Time to usable memory of node %d, times that of %s (medians of %d rounds)\n", node,
	       ways[LIBNUMA].name, rounds);
	print_rows(print_ratio, max);
	printf("\nThe same in microseconds\n");
	print_rows(print_get, max);
	printf("\nIts spread: half of the rounds are within so much\n");
	print_rows(print_get_spread, max);
	printf("\nTime to give it back, times that of %s\n", ways[LIBNUMA].name);
	print_rows(print_put_ratio, max);
	printf("\nIts spread\n");
	print_rows(print_put_spread, max);
	printf("\nPage faults until it is usable: the most of any round\n");
	print_rows(print_faults, max);
	printf("\nPage faults after that, the same\n");
	print_rows(print_late_faults, max);
}

static void write_results(FILE *to, size_t max, const char *format)
{
	for (int w = 0; w < NR_WAYS; w++)
		for (int s = 0; s < NR_SIZES && all_sizes[s] <= max; s++) {
			const struct result *result = &results[w][s];
			const struct spread get = spread_of(result->get, rounds);
			const struct spread put = spread_of(result->put, rounds);

			if (!result->measured)
				continue;
			fprintf(to, format, ways[w].name, all_sizes[s], get.median, get.low,
				get.high, put.median, put.low, put.high, result->faults,
				result->late_faults);
		}
}

#define JSON									\
	"{\"way\": \"%s\", \"bytes\": %zu, "					\
	"\"get_us\": %.2f, \"get_us_low\": %.2f, \"get_us_high\": %.2f, "	\
	"\"put_us\": %.2f, \"put_us_low\": %.2f, \"put_us_high\": %.2f, "	\
	"\"faults\": %.2f, \"late_faults\": %.2f}\n"
#define CSV_HEAD "way,bytes,get_us,get_us_low,get_us_high,put_us,put_us_low,put_us_high,"	\
	"faults,late_faults\n"
#define CSV "%s,%zu,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f\n"

/* To a file NAME.csv or NAME.json */
static void write_file_of(const char *name, const char *end, const char *head, size_t max,
			  const char *format)
{
	char path[PATH_MAX];
	FILE *to;

	snprintf(path, sizeof(path), "%s.%s", name, end);
	to = fopen(path, "w");
	if (!to)
		err(1, "%s", path);
	fputs(head, to);
	write_results(to, max, format);
	if (fclose(to))
		err(1, "%s", path);
}

/* Callers at once */
#define MAX_CALLERS 8
#define CALLERS_BYTES (64 * MIB)
#define CALLERS_US 1e6

/* How many there are, and whether each has a node of its own */
static const struct crowd {
	int callers;
	bool apart;
} crowds[] = {
	{ 1, false }, { 2, false }, { 2, true }, { 4, false }, { 4, true }, { 8, false },
	{ 8, true },
};

#define NR_CROWDS ARRAY_SIZE(crowds)

/* The last tells what CPUs have together. */
static const int callers_ways[] = { LIBNUMA, COLD, MEMSET };

#define NR_CALLERS_WAYS ARRAY_SIZE(callers_ways)

/* Bytes a second, of all callers */
static double rates[NR_CALLERS_WAYS][NR_CROWDS][MAX_ROUNDS];

/* What callers share: when they are all there, and what each had in a second */
static struct {
	pthread_barrier_t ready;
	double had[MAX_CALLERS];
} *meeting;

/* What all of them have to do again and again: @there is memory to write, of memset's */
static void call_once(const struct way *way, void *there)
{
	void *addr;

	if (way->write) {
		way->write(&there, 1, CALLERS_BYTES);
		return;
	}
	addr = get_usable(way, CALLERS_BYTES);
	if (!addr)
		errx(1, "no memory of node %d", node);
	way->put(addr, CALLERS_BYTES);
}

static void call_for_a_second(const struct way *way, double *had)
{
	void *there = way->write ? get_usable(way, CALLERS_BYTES) : NULL;
	double start, bytes = 0;

	pthread_barrier_wait(&meeting->ready);
	start = now();
	while (now() - start < CALLERS_US) {
		call_once(way, there);
		bytes += CALLERS_BYTES;
	}
	*had = bytes / (now() - start) * 1e6;
}

static void start_barrier(int nr)
{
	pthread_barrierattr_t attr;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	errno = pthread_barrier_init(&meeting->ready, &attr, nr);
	if (errno)
		err(1, "pthread_barrier_init");
	pthread_barrierattr_destroy(&attr);
}

/* The bytes a second of processes that each get memory of a node, and free it */
static double rate_of(const struct way *way, const struct crowd *crowd, const int *nodes)
{
	double sum = 0;
	int status;

	start_barrier(crowd->callers);
	for (int i = 0; i < crowd->callers; i++) {
		const pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			if (crowd->apart)
				node = nodes[i];
			call_for_a_second(way, &meeting->had[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < crowd->callers; i++)
		if (wait(&status) < 0 || status)
			errx(1, "a caller ended early");
	pthread_barrier_destroy(&meeting->ready);
	for (int i = 0; i < crowd->callers; i++)
		sum += meeting->had[i];
	return sum;
}

/* Nodes that have a device, up to MAX_CALLERS */
static int find_nodes(int *nodes)
{
	int nr = 0;

	for (int i = 0; i <= numa_max_node() && nr < MAX_CALLERS; i++)
		if (counter(i, "regions") >= 0)
			nodes[nr++] = i;
	return nr;
}

static double median_rate(int way, int crowd)
{
	return spread_of(rates[way][crowd], rounds).median;
}

/* How many times one caller's rate a crowd has */
static double scaling(int way, int crowd)
{
	return median_rate(way, crowd) / median_rate(way, 0);
}

static void print_callers(int way, int c, bool json)
{
	const struct crowd *crowd = &crowds[c];
	const char *name = ways[callers_ways[way]].name;
	const char *where = crowd->apart ? "as many" : "one node";
	const double gib = median_rate(way, c) / MIB / 1024;
	const double most = scaling(NR_CALLERS_WAYS - 1, c);

	if (json)
		printf("{\"way\": \"%s\", \"callers\": %d, \"nodes\": \"%s\", \"gib\": %.3f}\n",
		       name, crowd->callers, where, gib);
	else
		printf("  %-26s %d on %-9s %6.2f GiB/s  x %.2f  %.2f\n", name, crowd->callers,
		       where, gib, scaling(way, c), scaling(way, c) / most);
}

/*
 * Several callers at once, without helpers: then a caller has a CPU and no more,
 * and what they have together tells whether they are in each other's way. In turn,
 * beside callers that only write: for what the CPUs have together changes.
 */
static void measure_callers(bool json)
{
	const long helpers = file_number(HELPERS);
	int nodes[MAX_CALLERS];
	const int nr = find_nodes(nodes);

	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (meeting == MAP_FAILED)
		err(1, "mmap");
	set_helpers(0);
	for (int round = 0; round < rounds; round++) {
		fprintf(stderr, "\r callers: round %d of %d ", round + 1, rounds);
		for (int c = 0; c < NR_CROWDS && crowds[c].callers <= nr; c++)
			for (int w = 0; w < NR_CALLERS_WAYS; w++)
				rates[w][c][round] = rate_of(&ways[callers_ways[w]], &crowds[c],
							     nodes);
	}
	fprintf(stderr, "\n");
	set_helpers(helpers);
	if (!json)
		printf("\nCallers at once, each %zu MiB again and again; %d CPUs, no helpers:\n"
		       "together, times one's, and that times memset's\n",
		       CALLERS_BYTES / MIB, numa_num_configured_cpus());
	for (int w = 0; w < NR_CALLERS_WAYS; w++)
		for (int c = 0; c < NR_CROWDS && crowds[c].callers <= nr; c++)
			print_callers(w, c, json);
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: bench-alloc [OPTION]...\n"
		"\n"
		"Measures the time to usable memory of a node, and to free it, by numapin and\n"
		"by other ways, in turn; and what callers at once have. With the module loaded,\n"
		"as root; sets the node's pool, and takes huge pages that are reserved there.\n"
		"\n"
		"  -n, --node N      of which node (1)\n"
		"  -m, --max MIB     the largest size (1024)\n"
		"  -r, --rounds NR   measure so often, from 1 to %d, and tell the medians (7)\n"
		"  -a, --alone       no callers at once\n"
		"  -o, --output NAME write the results to NAME.csv and NAME.json, too\n"
		"  -j, --json        a JSON object for each way and size\n"
		"  -h, --help        this\n", MAX_ROUNDS);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "node", required_argument, NULL, 'n' },
		{ "max", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "alone", no_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ },
	};
	const char *output = NULL;
	size_t max = 1024 * MIB;
	bool alone = false, json = false;
	int option;

	while ((option = getopt_long(argc, argv, "n:m:r:ao:jh", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			node = atoi(optarg);
			break;
		case 'm':
			max = strtoul(optarg, NULL, 0) * MIB;
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		case 'a':
			alone = true;
			break;
		case 'o':
			output = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (max < all_sizes[0] || rounds < 1 || rounds > MAX_ROUNDS) {
		usage(stderr);
		return 2;
	}
	for (int s = 0; s < NR_SIZES && all_sizes[s] <= max; s++)
		for (int round = 0; round < rounds; round++) {
			fprintf(stderr, "\r%8s: round %d of %d ", size_name(all_sizes[s]),
				round + 1, rounds);
			for (int w = 0; w < NR_WAYS; w++)
				if (all_sizes[s] >= ways[w].least && !measure(w, s, round))
					return 1;
		}
	fprintf(stderr, "\n");
	fill_pool(0);
	if (output) {
		write_file_of(output, "csv", CSV_HEAD, max, CSV);
		write_file_of(output, "json", "", max, JSON);
	}
	if (json)
		write_results(stdout, max, JSON);
	else
		print_people(max);
	if (!alone)
		measure_callers(json);
	return 0;
}
