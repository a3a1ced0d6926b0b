// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shares of a node's pool, which the dmem controller bounds. For kernels that have
 * it: of those that the tests know, 7.3-dmem.
 */
#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "oracle.h"

#define POOL (8 * HUGE_PAGE)
#define SHARE (4 * HUGE_PAGE)

FIXTURE(share) {
	int fd;
};

FIXTURE_SETUP(share)
{
	ASSERT_EQ(0, set_number(1, "pool_bytes", POOL));
	ASSERT_TRUE(cgroup_enter("dmem", "dmem.max", "numapin/node1 8388608"));
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(share)
{
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_TRUE(cgroup_leave());
	EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
	EXPECT_TRUE(SOON(!pool_total(1)));
}

/* What the cgroup has of node 1's pool, as the kernel counts it; -1: it does not. */
static long charged(void)
{
	FILE *current = fopen(CGROUP "/dmem.current", "r");
	char name[64];
	long bytes, found = -1;

	while (current && fscanf(current, "%63s %ld", name, &bytes) == 2)
		if (!strcmp(name, "numapin/node1"))
			found = bytes;
	if (current)
		fclose(current);
	return found;
}

TEST_F(share, is_charged_while_a_region_has_it)
{
	ASSERT_EQ(0, alloc_region(self->fd, SHARE, NUMAPIN_ALLOC_HUGE, NULL));
	EXPECT_EQ(SHARE, charged());
	EXPECT_EQ(SHARE, counter(1, "pool_used_bytes"));
	close(self->fd);
	EXPECT_TRUE(SOON(!charged()));
	EXPECT_TRUE(SOON(counter(1, "pool_filled_bytes") == (long)POOL));
}

/* Beyond it there is ordinary memory of the node, by helpers too. */
TEST_F(share, is_no_more_than_the_cgroup_may_have)
{
	ASSERT_EQ(0, alloc_region(self->fd, POOL, NUMAPIN_ALLOC_HUGE, NULL));
	EXPECT_EQ(SHARE, charged());
	EXPECT_EQ(SHARE, counter(1, "pool_used_bytes"));
	EXPECT_EQ(POOL, counter(1, "bytes"));
}

/* The same of what is not zeroed yet, which helpers may zero. */
TEST_F(share, is_no_more_where_the_pool_is_dirty)
{
	for (int round = 0; round < 8; round++) {
		ASSERT_EQ(0, alloc_region(self->fd, POOL, NUMAPIN_ALLOC_HUGE, NULL));
		EXPECT_EQ(SHARE, counter(1, "pool_used_bytes"));
		EXPECT_EQ(SHARE, charged());
		close(self->fd);
		self->fd = open_node(1, O_RDWR);
	}
}

/* A copy after fork() is of the share of who writes. */
TEST_F(share, pays_for_copies)
{
	char *addr;
	pid_t child;

	ASSERT_EQ(0, alloc_region(self->fd, HUGE_PAGE,
				  NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_PRIVATE, NULL));
	addr = map_shared(self->fd, HUGE_PAGE, 0);
	ASSERT_NE(MAP_FAILED, addr);
	*addr = 1;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		pause();
		_exit(0);
	}
	*addr = 2;
	EXPECT_EQ(2 * HUGE_PAGE, charged());
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(SOON(charged() == HUGE_PAGE));
	munmap(addr, HUGE_PAGE);
}

TEST_HARNESS_MAIN
