// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the library's contract says of any system, where nothing places memory; or
 * where the module is, and nothing else does. Of what every C library has, and threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <numapin.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Whether the module is expected to be there. */
static bool pinned;

/* What failed in the test that runs */
static int failures;

#define CHECK(condition) check(condition, #condition, __LINE__)

static bool check(bool holds, const char *condition, int line)
{
	if (!holds) {
		printf("# portable.c:%d: not so: %s\n", line, condition);
		failures++;
	}
	return holds;
}

/* Warnings, of which several threads may give some */
static atomic_int warnings;
static char last_warning[512];

static void catch_warning(const char *message, void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	snprintf(last_warning, sizeof(last_warning), "%s", message);
}

static void count_warning(const char *message, void *arg)
{
	if (strstr(message, "UNBOUND"))
		atomic_fetch_add((atomic_int *)arg, 1);
}

/* An empty one is as none, for the library; and on Windows it is none. */
static void set_environment(char *definition)
{
	CHECK(!putenv(definition));
}

static void begin(void)
{
	failures = 0;
	set_environment("NUMAPIN_BACKEND=");
	set_environment("NUMAPIN_STRICT=");
	set_environment("NUMAPIN_WARN=always");
	atomic_store(&warnings, 0);
	last_warning[0] = '\0';
	numapin_set_warning_handler(catch_warning, &warnings);
}

/* How many bytes are not @value */
static size_t others(const unsigned char *addr, size_t size, unsigned char value)
{
	size_t found = 0;

	for (size_t i = 0; i < size; i++)
		found += addr[i] != value;
	return found;
}

/* A page of this system, by the receipt for a byte */
static size_t page_size(void)
{
	struct numapin_receipt receipt;
	void *addr = numapin_alloc(0, 1, 0, &receipt);

	CHECK(!free_numa_memory(addr, 1));
	return receipt.bytes;
}

/* A receipt to be written over */
static struct numapin_receipt junk(void)
{
	struct numapin_receipt receipt;

	memset(&receipt, 0xa5, sizeof(receipt));
	return receipt;
}

/* What the words for EINVAL have in them */
static const char *misuse;

/* Whether an allocation fails as it should, with words for it: else they name the node. */
static bool fails(int node, size_t size, unsigned int flags, int error, int reason)
{
	struct numapin_receipt receipt = junk();
	char name[32];

	errno = 0;
	if (numapin_alloc(node, size, flags, &receipt) || errno != error) {
		printf("# errno %d, and not %d\n", errno, error);
		return false;
	}
	snprintf(name, sizeof(name), "node %d", node);
	return receipt.node == node && !receipt.outcome && receipt.reason == reason &&
	       !receipt.shared && !receipt.bytes && !receipt.huge_bytes && !receipt.available &&
	       strstr(numapin_error(), error == EINVAL ? misuse : name);
}

static void no_failure_no_words(void)
{
	CHECK(!strcmp(numapin_error(), ""));
}

static void senseless_arguments(void)
{
	static const struct {
		const char *misuse;
		size_t size;
		int node;
		unsigned int flags;
	} senseless[] = {
		{ "negative", 1, -1, 0 },
		{ "size is 0", 0, 0, 0 },
		{ "unknown flag", 1, 0, 1u << 31 },
		{ "NUMAPIN_NO_HUGE exclude", 2 * MIB, 0, NUMAPIN_HUGE | NUMAPIN_NO_HUGE },
		{ "NUMAPIN_RESERVE exclude", 1, 0, NUMAPIN_SHARED | NUMAPIN_RESERVE },
		{ "no multiple of 2 MiB", MIB, 0, NUMAPIN_HUGE },
	};

	for (size_t i = 0; i < NR_OF(senseless); i++) {
		misuse = senseless[i].misuse;
		CHECK(fails(senseless[i].node, senseless[i].size, senseless[i].flags, EINVAL,
			    NUMAPIN_REASON_NONE));
	}
	errno = 0;
	CHECK(!allocate_on_node(-1, 1));
	CHECK(errno == EINVAL);
	CHECK(!warnings);
}

static void zeroed_aligned_and_usable(void)
{
	const size_t page = page_size();
	const size_t sizes[] = { 1, page - 1, page, page + 1, 17 * page, MIB, 5 * MIB + 1 };

	CHECK(page >= 4 * KIB && !(page & (page - 1)));
	for (size_t i = 0; i < NR_OF(sizes); i++) {
		/* The second may be where the first was, which was written to. */
		for (int again = 0; again < 2; again++) {
			struct numapin_receipt receipt = junk();
			unsigned char *addr = numapin_alloc(0, sizes[i], 0, &receipt);

			if (!CHECK(addr))
				return;
			CHECK(!((uintptr_t)addr % page));
			CHECK(receipt.bytes >= sizes[i] && receipt.bytes < sizes[i] + page);
			CHECK(!(receipt.bytes % page));
			CHECK(!others(addr, receipt.bytes, 0));
			memset(addr, 0x5a, receipt.bytes);
			CHECK(!others(addr, receipt.bytes, 0x5a));
			CHECK(!free_numa_memory(addr, sizes[i]));
		}
	}
}

static void receipt_and_warning(void)
{
	struct numapin_receipt receipt = junk();
	void *addr = numapin_alloc(0, 3, 0, &receipt);

	CHECK(addr);
	CHECK(!receipt.node && !receipt.shared && !receipt.huge_bytes && !receipt.available);
	if (pinned) {
		CHECK(receipt.outcome == NUMAPIN_PINNED);
		CHECK(receipt.reason == NUMAPIN_REASON_NONE);
		CHECK(!warnings);
	} else {
		CHECK(receipt.outcome == NUMAPIN_UNBOUND);
		CHECK(receipt.reason == NUMAPIN_REASON_NO_NUMA);
		CHECK(warnings == 1);
		CHECK(strstr(last_warning, "node 0: ") &&
		      strstr(last_warning, "does not place memory") &&
		      strstr(last_warning, "UNBOUND"));
		CHECK(!strchr(last_warning, '\n'));
	}
	CHECK(!free_numa_memory(addr, 3));
}

static void any_node_is_unbound(void)
{
	struct numapin_receipt receipt = junk();
	void *addr = numapin_alloc(1000, 3, 0, &receipt);

	CHECK(addr);
	CHECK(receipt.node == 1000 && receipt.outcome == NUMAPIN_UNBOUND &&
	      receipt.reason == NUMAPIN_REASON_NO_NUMA);
	CHECK(warnings == 1 && strstr(last_warning, "node 1000: "));
	CHECK(!free_numa_memory(addr, 3));
}

/* By the first of them, and where each page would be is known all the same. */
static void striped_is_unbound(void)
{
	static const struct numapin_part parts[] = { { 1000, 1 }, { 1001, 2 } };
	struct numapin_receipt receipt = junk();
	void *addr = numapin_alloc_striped(parts, 2, 3 * MIB, NUMAPIN_NO_HUGE, &receipt);

	CHECK(addr);
	CHECK(receipt.node == 1000 && receipt.outcome == NUMAPIN_UNBOUND &&
	      receipt.reason == NUMAPIN_REASON_NO_NUMA);
	CHECK(warnings == 1 && strstr(last_warning, "node 1000: "));
	CHECK(!free_numa_memory(addr, 3 * MIB));
	CHECK(numapin_part_node(parts, 2, 3) == 1000 && numapin_part_node(parts, 2, 5) == 1001);

	errno = 0;
	CHECK(!numapin_alloc_striped(parts, 2, MIB, 0, &receipt));
	CHECK(errno == EINVAL && !receipt.outcome);
}

static void strict(void)
{
	void *addr;

	CHECK(fails(1000, 3, NUMAPIN_STRICT, ENOSYS, NUMAPIN_REASON_NO_NUMA));
	set_environment("NUMAPIN_STRICT=1");
	CHECK(fails(1000, 3, 0, ENOSYS, NUMAPIN_REASON_NO_NUMA));
	errno = 0;
	CHECK(!allocate_on_node(1000, 3));
	CHECK(errno == ENOSYS);
	CHECK(!warnings);

	set_environment("NUMAPIN_STRICT=0");
	addr = allocate_on_node(1000, 3);
	CHECK(addr);
	CHECK(!free_numa_memory(addr, 3));
}

static void shared(void)
{
	struct numapin_receipt receipt = junk();
	void *addr = numapin_alloc(0, 3, NUMAPIN_SHARED, &receipt);

	CHECK(addr);
	CHECK(receipt.shared == 1);
	CHECK(!free_numa_memory(addr, 3));
}

static void forced_none(void)
{
	struct numapin_receipt receipt = junk();
	void *addr;

	set_environment("NUMAPIN_BACKEND=none");
	addr = numapin_alloc(0, 3, 0, &receipt);
	CHECK(addr);
	CHECK(receipt.outcome == NUMAPIN_UNBOUND && receipt.reason == NUMAPIN_REASON_FORCED);
	CHECK(warnings == 1 && strstr(last_warning, "NUMAPIN_BACKEND"));
	CHECK(!free_numa_memory(addr, 3));

	CHECK(fails(0, 3, NUMAPIN_STRICT, EOPNOTSUPP, NUMAPIN_REASON_FORCED));
	CHECK(fails(0, 2 * MIB, NUMAPIN_HUGE, EOPNOTSUPP, NUMAPIN_REASON_NO_HUGE_PROMISE));
	CHECK(fails(0, 3, NUMAPIN_RESERVE, EOPNOTSUPP, NUMAPIN_REASON_NO_RESERVE));
}

static void forced_others(void)
{
	struct numapin_receipt receipt = junk();
	void *addr;

	set_environment("NUMAPIN_BACKEND=module");
	if (pinned) {
		addr = numapin_alloc(0, 3, 0, &receipt);
		CHECK(addr);
		CHECK(receipt.outcome == NUMAPIN_PINNED);
		CHECK(!free_numa_memory(addr, 3));
	} else {
		CHECK(fails(0, 3, 0, ENODEV, NUMAPIN_REASON_NO_MODULE));
	}
	set_environment("NUMAPIN_BACKEND=mbind");
	CHECK(fails(0, 3, 0, ENOSYS, NUMAPIN_REASON_NO_NUMA));
	misuse = "NUMAPIN_BACKEND";
	set_environment("NUMAPIN_BACKEND=best");
	CHECK(fails(0, 3, 0, EINVAL, NUMAPIN_REASON_NONE));
	CHECK(!warnings);
}

/* One size that is none in whole pages, and one that no system has */
static void more_than_there_is(void)
{
	errno = 0;
	CHECK(!allocate_on_node(0, SIZE_MAX));
	CHECK(errno == ENOMEM && strstr(numapin_error(), "node 0"));
	CHECK(!strstr(numapin_error(), " 0 bytes"));
	errno = 0;
	CHECK(!allocate_on_node(0, SIZE_MAX - 16 * MIB));
	CHECK(errno == ENOMEM && strstr(numapin_error(), "node 0"));
	CHECK(fails(1000, SIZE_MAX - 16 * MIB, 0, ENOMEM, NUMAPIN_REASON_NO_MEMORY));
	CHECK(!warnings);
}

/* Whether this is refused: it is not the library's, or not of that size. */
static bool refused(void *addr, size_t size)
{
	errno = 0;
	return free_numa_memory(addr, size) == -1 && errno == EINVAL;
}

static void frees_its_own_alone(void)
{
	static unsigned char foreign[64 * 1024];
	unsigned char *addr = allocate_on_node(0, 3 * MIB), *other = malloc(100);
	const size_t page = page_size();

	CHECK(!free_numa_memory(NULL, 0) && !free_numa_memory(NULL, 1));
	CHECK(refused(foreign, sizeof(foreign)));
	CHECK(refused(other, 100));
	free(other);

	if (!CHECK(addr))
		return;
	CHECK(refused(addr, 3 * MIB - 1) && refused(addr, 0) && refused(addr, 3 * MIB + page));
	CHECK(refused(addr + 1, 3 * MIB) && refused(addr + page, 3 * MIB - page));
	memset(addr, 0x5a, 3 * MIB);
	CHECK(!others(addr, 3 * MIB, 0x5a));
	CHECK(!free_numa_memory(addr, 3 * MIB));
	CHECK(refused(addr, 3 * MIB));
}

static void locate(void)
{
	char *addr = allocate_on_node(0, 2 * page_size());
	int nodes[2] = { 99, 99 };

	errno = 0;
	CHECK(numapin_locate(addr, 0, nodes, 2) == -1 && errno == EINVAL);
	CHECK(numapin_locate(addr, SIZE_MAX, nodes, 2) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(numapin_locate(addr, 2 * page_size(), nodes, 1) == -1 && errno == ERANGE);
	CHECK(numapin_locate(addr + 1, 2 * page_size(), nodes, 2) == -1 && errno == ERANGE);
	CHECK(nodes[0] == 99 && nodes[1] == 99);

	errno = 0;
	if (pinned) {
		CHECK(numapin_locate(addr, 2 * page_size(), nodes, 2) == 2);
		CHECK(!nodes[0] && !nodes[1]);
	} else {
		CHECK(numapin_locate(addr, 2 * page_size(), nodes, 2) == -1 && errno == ENOSYS);
		CHECK(nodes[0] == 99 && nodes[1] == 99);
	}
	CHECK(!free_numa_memory(addr, 2 * page_size()));
}

/* Of three allocations with the same reason */
static int warnings_of_three(char *how)
{
	set_environment(how);
	atomic_store(&warnings, 0);
	for (int i = 0; i < 3; i++)
		CHECK(!free_numa_memory(allocate_on_node(1000, 3), 3));
	return warnings;
}

/* Which reason was warned of once is counted in this mode alone, and so far not used. */
static void once_always_never(void)
{
	CHECK(warnings_of_three("NUMAPIN_WARN=never") == 0);
	CHECK(warnings_of_three("NUMAPIN_WARN=once") == 1);
	CHECK(warnings_of_three("NUMAPIN_WARN=") == 0);
	CHECK(warnings_of_three("NUMAPIN_WARN=always") == 3);
	set_environment("NUMAPIN_BACKEND=none");
	CHECK(warnings_of_three("NUMAPIN_WARN=") == 1);
}

struct thread {
	pthread_t id;
	int node;
	int failures;
};

#define NR_THREADS 4
#define ROUNDS 50

/* Memory of each thread's own, and words */
static void *use_library(void *arg)
{
	struct thread *thread = arg;
	char name[32];

	thread->failures += !!*numapin_error();
	snprintf(name, sizeof(name), "node %d: ", thread->node);
	for (int i = 0; i < ROUNDS; i++) {
		const size_t size = 1 + i * 1000;
		unsigned char *addr = allocate_on_node(thread->node, size);

		numapin_set_warning_handler(count_warning, &warnings);
		thread->failures += !!numapin_alloc(thread->node, size, NUMAPIN_STRICT, NULL);
		thread->failures += !strstr(numapin_error(), name);
		if (!addr) {
			thread->failures++;
			continue;
		}
		thread->failures += !!others(addr, size, 0);
		memset(addr, thread->node, size);
		thread->failures += !!others(addr, size, thread->node);
		thread->failures += !!free_numa_memory(addr, size);
	}
	return NULL;
}

static void threads(void)
{
	struct thread threads[NR_THREADS] = { 0 };
	char *addr = allocate_on_node(0, 3);

	set_environment("NUMAPIN_BACKEND=none");
	atomic_store(&warnings, 0);
	numapin_set_warning_handler(count_warning, &warnings);
	for (int i = 0; i < NR_THREADS; i++) {
		threads[i].node = i + 1;
		CHECK(!pthread_create(&threads[i].id, NULL, use_library, &threads[i]));
	}
	for (int i = 0; i < NR_THREADS; i++) {
		CHECK(!pthread_join(threads[i].id, NULL));
		CHECK(!threads[i].failures);
	}
	CHECK(warnings == NR_THREADS * ROUNDS);
	CHECK(!free_numa_memory(addr, 3));
}

/* Last: stderr is not to be had back. */
/* Where the module may be, it is the descriptor that is none. */
static void no_device_to_use(void)
{
	errno = 0;
	CHECK(numapin_use_device(-1) == -1);
#ifdef __linux__
	CHECK(errno == ENODEV || errno == EBADF);
#else
	CHECK(errno == ENODEV);
#endif
}

static void warnings_go_to_stderr(void)
{
	static const char path[] = "portable.stderr";
	char line[512] = "";

	if (!CHECK(freopen(path, "w+", stderr)))
		return;
	numapin_set_warning_handler(NULL, NULL);
	CHECK(!free_numa_memory(allocate_on_node(1000, 3), 3));
	CHECK(!warnings);
	rewind(stderr);
	CHECK(fgets(line, sizeof(line), stderr));
	CHECK(!strncmp(line, "numapin: warning: node 1000: ", 29) && strchr(line, '\n'));
	fclose(stderr);
	CHECK(!remove(path));
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "no_failure_no_words", no_failure_no_words },
	{ "senseless_arguments", senseless_arguments },
	{ "zeroed_aligned_and_usable", zeroed_aligned_and_usable },
	{ "receipt_and_warning", receipt_and_warning },
	{ "any_node_is_unbound", any_node_is_unbound },
	{ "striped_is_unbound", striped_is_unbound },
	{ "strict", strict },
	{ "shared", shared },
	{ "forced_none", forced_none },
	{ "forced_others", forced_others },
	{ "more_than_there_is", more_than_there_is },
	{ "frees_its_own_alone", frees_its_own_alone },
	{ "locate", locate },
	{ "once_always_never", once_always_never },
	{ "threads", threads },
	{ "no_device_to_use", no_device_to_use },
	{ "warnings_go_to_stderr", warnings_go_to_stderr },
};

int main(int argc, char **argv)
{
	int failed = 0;

	pinned = argc == 2 && !strcmp(argv[1], "pinned");
	if (argc > 2 || (argc == 2 && !pinned)) {
		printf("usage: portable [pinned]\n\n"
		       "Tests the library, built without libnuma, where the module is not; or\n"
		       "where it is and node 0 has memory. Prints TAP.\n");
		return strcmp(argv[1], "--help") ? 2 : 0;
	}
	printf("1..%d\n", (int)NR_OF(tests));
	for (size_t i = 0; i < NR_OF(tests); i++) {
		begin();
		tests[i].run();
		failed += !!failures;
		printf("%sok %d %s\n", failures ? "not " : "", (int)i + 1, tests[i].name);
		fflush(stdout);
	}
	return !!failed;
}
