// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that knows nothing of numapin, with its heap on node 1 by
 * libnumapin-preload.so and Debian's jemalloc.
 */
#include <dlfcn.h>
#include <limits.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "harness.h"

#include "child.h"
#include "library.h"
#include "ordinary.h"
#include "pattern.h"
#include "preload.h"

__attribute__((constructor)) static void preload(int argc, char **argv)
{
	setenv("NUMAPIN_PRELOAD_NODE", "1", 1);
	setenv("NUMAPIN_PRELOAD_HEAP", "1", 1);
	run_preloaded(argv, "libnumapin-preload.so:libjemalloc.so.2");
}

/* How many of objects of many sizes are not in regions of node 1, or not theirs alone */
static void *allocate_objects(void *arg)
{
	const uint64_t who = (uintptr_t)arg;
	uint64_t *objects[200];
	long bad = 0;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		size = (size_t)8 << i % 20;
		objects[i] = malloc(size);
		bad += !in_region(objects[i], 1) ||
		       !in_region((char *)objects[i] + size - 1, 1) ||
		       pages_elsewhere(objects[i], size, 1);
		objects[i][0] = who << 32 | i;
		objects[i][size / sizeof(uint64_t) - 1] = who << 32 | i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		size = (size_t)8 << i % 20;
		bad += objects[i][0] != (who << 32 | i) ||
		       objects[i][size / sizeof(uint64_t) - 1] != (who << 32 | i);
		free(objects[i]);
	}
	return (void *)bad;
}

TEST(every_object_of_every_thread)
{
	pthread_t threads[12];	/* more than arenas */
	void *bad;

	EXPECT_EQ(NULL, allocate_objects((void *)99));
	for (intptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, allocate_objects, (void *)i));
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
}

/* From the first on: libnuma's constructor has these. */
TEST(what_constructors_allocate)
{
	EXPECT_TRUE(in_region(numa_all_nodes_ptr, 1));
	EXPECT_TRUE(in_region(numa_all_nodes_ptr->maskp, 1));
}

/* Not local to the tests, which end in the middle where an assertion fails */
static char *large, *aligned;

TEST(large_and_aligned)
{
	large = malloc(64 * MIB);
	ASSERT_NE(NULL, large);
	write_all(large, 64 * MIB, 1);
	EXPECT_TRUE(in_region(large, 1));
	EXPECT_TRUE(in_region(large + 64 * MIB - 1, 1));
	EXPECT_EQ(0, pages_elsewhere(large, 64 * MIB, 1));
	large = realloc(large, 96 * MIB);
	ASSERT_NE(NULL, large);
	EXPECT_EQ(0, not_by(large, 64 * MIB, 1));
	EXPECT_EQ(0, pages_elsewhere(large, 96 * MIB, 1));
	aligned = aligned_alloc(8 * MIB, 16 * MIB);
	ASSERT_NE(NULL, aligned);
	EXPECT_EQ(0, (uintptr_t)aligned % (8 * MIB));
	EXPECT_EQ(0, pages_elsewhere(aligned, 16 * MIB, 1));
	free(aligned);
	free(large);
	aligned = calloc(1, 16 * MIB);
	EXPECT_TRUE(all_zero(aligned, 16 * MIB));
	free(aligned);
}

struct object {
	struct object *next;
	char bytes[32];
};

static struct object *objects;

/* The heap grows where it has no room for objects of the size of libnumapin's records. */
TEST(grows_for_the_smallest)
{
	const long regions = counter(1, "regions");

	/* Instead of for ever, on a lock that the same thread has */
	alarm(60);
	while (counter(1, "regions") < regions + 3) {
		for (int i = 0; i < 10000; i++) {
			struct object *object = malloc(sizeof(*object));

			ASSERT_NE(NULL, object);
			object->next = objects;
			objects = object;
		}
	}
	EXPECT_TRUE(in_region(objects, 1));
	EXPECT_EQ(0, pages_elsewhere(objects, sizeof(*objects), 1));
}

TEST(nothing_moves_it)
{
	struct bitmask *from = only_node(1), *to = only_node(0);
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	uint64_t *frames;

	aligned = aligned_alloc(PAGE, 4 * MIB);
	ASSERT_NE(NULL, ordinary);
	ASSERT_NE(NULL, aligned);
	write_all(aligned, 4 * MIB, 1);
	frames = frames_of(aligned, 4 * MIB);
	ASSERT_NE(NULL, frames);
	EXPECT_LE(0, numa_migrate_pages(0, from, to));
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	EXPECT_EQ(0, frames_changed(aligned, 4 * MIB, frames));
}

/* What names no node is there as well, wherever the thread is. */
TEST(libnumas_memory_without_a_node)
{
	char *local, *named;

	ASSERT_EQ(0, numa_run_on_node(0));
	local = numa_alloc_local(MIB);
	EXPECT_TRUE(in_region(local, 1));
	numa_free(local, MIB);
	local = numa_alloc(MIB);
	EXPECT_TRUE(in_region(local, 1));
	numa_free(local, MIB);
	named = numa_alloc_onnode(MIB, 0);
	EXPECT_TRUE(in_region(named, 0));
	numa_free(named, MIB);
	numa_set_membind(only_node(0));
	named = numa_alloc(MIB);
	EXPECT_TRUE(in_region(named, 0));
	numa_free(named, MIB);
}

/* Whether the heap is told that there is no more, for more than it has kept of anything */
static bool is_refused(size_t size)
{
	char *volatile addr;

	errno = 0;
	addr = malloc(size);
	free(addr);
	return !addr && errno == ENOMEM;
}

TEST(a_node_that_refuses)
{
	struct caught caught;
	char budget[32];

	snprintf(budget, sizeof(budget), "%ld", counter(1, "bytes"));
	ASSERT_TRUE(set_budget(1, budget));
	ASSERT_TRUE(catch_stderr(&caught));
	EXPECT_TRUE(is_refused(64 * MIB));
	EXPECT_TRUE(is_refused(65 * MIB));
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_TRUE(SAYS(caught.text, "node 1: ", "left of its budget", "heap"));
	ASSERT_TRUE(set_budget(1, "max"));
	large = malloc(64 * MIB);
	ASSERT_NE(NULL, large);
	EXPECT_EQ(0, pages_elsewhere(large, 64 * MIB, 1));
	free(large);
}

/* Memory that the kernel says is bound to node 1, and no region has */
static bool is_bound_only(char *addr, size_t size)
{
	unsigned long nodes[16] = { 0 };
	int mode;

	return addr && !in_region(addr, 1) &&
	       !get_mempolicy(&mode, nodes, 1024, addr + size / 2, MPOL_F_ADDR) &&
	       mode == MPOL_BIND && nodes[0] == 2;
}

/* A program that has gone to where there is no device: its heap grows, not pinned. */
TEST(without_the_device)
{
	struct caught caught;

	ASSERT_TRUE(hide_module());
	ASSERT_TRUE(catch_stderr(&caught));
	large = malloc(64 * MIB);
	ASSERT_TRUE(let_go(&caught));
	ASSERT_NE(NULL, large);
	EXPECT_TRUE(is_bound_only(large, 64 * MIB));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_TRUE(SAYS(caught.text, "node 1 has no numapin device", "heap"));
	write_all(large, 64 * MIB, 1);
	EXPECT_EQ(0, pages_elsewhere(large, 64 * MIB, 1));
	free(large);
}

TEST(without_a_descriptor)
{
	struct rlimit limit;

	setenv("NUMAPIN_WARN", "never", 1);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_TRUE(leave_no_descriptor());
	large = malloc(64 * MIB);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_NE(NULL, large);
	EXPECT_TRUE(is_bound_only(large, 64 * MIB));
	free(large);
}

static atomic_bool stop;

/* Has the heap grow, again and again, for nothing that large is kept of before. */
static void *grow_until_stopped(void *arg)
{
	size_t size = 5 * MIB;

	while (!stop) {
		void *addr = malloc(size);

		if (!addr)
			return (void *)1;
		free(addr);
		size = size < 40 * MIB ? size + MIB : 5 * MIB;
	}
	return NULL;
}

/* A child of a process whose threads have the heap grow has a heap that grows. */
TEST(fork_while_the_heap_grows)
{
	pthread_t threads[2];
	int status;
	pid_t pid;
	void *bad;

	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, grow_until_stopped, NULL));
	for (int i = 0; i < 50; i++) {
		pid = fork();
		if (!pid) {
			char *addr;

			/* Instead of for ever, on a lock that no thread will let go */
			alarm(60);
			addr = malloc(48 * MIB);
			_exit(!addr || !in_region(addr, 1));
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	stop = true;
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
}

/* What a program of this name and environment says on stderr as it starts */
static int starts_with(struct caught *caught, const char *node, const char *libraries)
{
	pid_t pid;
	int status;

	if (!catch_stderr(caught))
		return -1;
	pid = fork();
	if (!pid) {
		setenv("NUMAPIN_PRELOAD_NODE", node, 1);
		setenv("LD_PRELOAD", libraries, 1);
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return let_go(caught) ? status : -1;
}

/* A program of which the heap cannot be had is warned, and runs as it would. */
TEST(what_makes_no_sense)
{
	char preload[PATH_MAX], both[PATH_MAX + 32];
	struct caught caught;
	Dl_info info;

	ASSERT_NE(0, dladdr(numa_alloc_onnode, &info));
	snprintf(preload, sizeof(preload), "%s", info.dli_fname);
	snprintf(both, sizeof(both), "%s:libjemalloc.so.2", preload);
	EXPECT_EQ(0, starts_with(&caught, "1", both));
	EXPECT_STREQ("", caught.text);
	EXPECT_EQ(0, starts_with(&caught, "1", preload));
	EXPECT_TRUE(SAYS(caught.text, "not jemalloc's"));
	EXPECT_EQ(0, starts_with(&caught, "one", both));
	EXPECT_TRUE(SAYS(caught.text, "NUMAPIN_PRELOAD_NODE is not"));
	EXPECT_EQ(0, starts_with(&caught, "", both));
	EXPECT_TRUE(SAYS(caught.text, "without a node"));
	EXPECT_EQ(0, starts_with(&caught, "99", both));
	EXPECT_TRUE(SAYS(caught.text, "node 99 has no numapin device"));
}

TEST_HARNESS_MAIN
