// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers that use different nodes do not wait for each other: by the kernel's own
 * statistics of locks (CONFIG_LOCK_STAT). For a machine with four nodes.
 */
#include <sys/wait.h>

#include "harness.h"

#include "device.h"
#include "oracle.h"

#define LOCK_STAT "/proc/lock_stat"
#define ENABLE "/proc/sys/kernel/lock_stat"

#define CALLERS 4
#define REGION (4 * MIB)
#define POOL (4 * REGION)
#define MICROSECONDS (5 * 1000000)

FIXTURE(callers) {
	pid_t pids[CALLERS];
};

FIXTURE_VARIANT(callers) {
	/* Of each caller */
	int nodes[CALLERS];
	size_t pool;
};

FIXTURE_VARIANT_ADD(callers, cold) { .nodes = { 0, 1, 2, 3 } };
FIXTURE_VARIANT_ADD(callers, warm) { .nodes = { 0, 1, 2, 3 }, .pool = POOL };
/* What is looked for is there to be seen, where callers share a node's pool. */
FIXTURE_VARIANT_ADD(callers, of_one_node) { .nodes = { 1, 1, 1, 1 }, .pool = POOL };

FIXTURE_SETUP(callers)
{
	ASSERT_TRUE(write_file(MAX_HELPERS, "0"));
	for (int i = 0; i < CALLERS; i++)
		ASSERT_EQ(0, set_number(variant->nodes[i], "pool_bytes", variant->pool));
}

FIXTURE_TEARDOWN(callers)
{
	EXPECT_TRUE(write_file(ENABLE, "0"));
	for (int i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, set_number(variant->nodes[i], "pool_bytes", 0));
	EXPECT_TRUE(write_file(MAX_HELPERS, "8"));
	EXPECT_TRUE(nothing_left());
}

/* Gets memory of a node, maps it, and gives it back, again and again. */
static int call(int node)
{
	for (;;) {
		int fd = open_node(node, O_RDWR);
		char *addr;

		if (fd < 0 || alloc_region(fd, REGION, 0, NULL))
			return 1;
		addr = map_shared(fd, REGION, MAP_POPULATE);
		close(fd);
		if (addr == MAP_FAILED || munmap(addr, REGION))
			return 1;
	}
}

/*
 * How often callers waited for a lock that a caller had, and where. Not those who waited
 * for the thread that zeroes a node's pool, which uses that node as they do, nor it.
 */
static long waits(struct __test_metadata *_metadata)
{
	FILE *stat = fopen(LOCK_STAT, "r");
	char line[512];
	bool waiters = false, thread;
	long sum = 0, nr;

	while (stat && fgets(line, sizeof(line), stat)) {
		/* Of each lock: who waited, and behind a second rule who had it */
		if (strstr(line, "-----"))
			waiters = !waiters;
		if (!strstr(line, "[numapin]") || sscanf(line, " %*s %ld", &nr) != 1)
			continue;
		TH_LOG("%s%.*s", waiters ? "waited:" : "had it:", (int)strcspn(line, "\n"), line);
		thread = strstr(line, " zero_in_idle_time+");
		if (waiters && !thread)
			sum += nr;
		else if (!waiters && thread)
			sum -= nr;
	}
	EXPECT_NE(NULL, stat);
	if (stat)
		fclose(stat);
	return sum;
}

TEST_F(callers, wait_for_nobody_of_another_node)
{
	int status;

	ASSERT_TRUE(write_file(ENABLE, "1"));
	/* Forgets all that was. */
	ASSERT_TRUE(write_file(LOCK_STAT, "0"));
	for (int i = 0; i < CALLERS; i++) {
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i])
			_exit(call(variant->nodes[i]));
	}
	usleep(MICROSECONDS);
	for (int i = 0; i < CALLERS; i++) {
		ASSERT_EQ(0, kill(self->pids[i], SIGKILL));
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		/* It was at it till then. */
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(variant->nodes[0] == variant->nodes[1], waits(_metadata) > 0);
}

TEST_HARNESS_MAIN
