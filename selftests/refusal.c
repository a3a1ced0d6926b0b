// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be had is an error that says why: nobody is killed for it, no
 * other node is touched, and nothing is left behind.
 */
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "cgroup.h"
#include "device.h"
#include "oracle.h"
#include "pressure.h"

/* Free memory comes and goes whatever one does; what is asked is a lot more. */
#define SLACK (64 * MIB)

FIXTURE(node) {
	long long free[2];	/* of the other nodes, of node 1 */
	struct watch watch;
	long oom_kills;
	int fd;
};

FIXTURE_SETUP(node)
{
	self->free[0] = free_elsewhere(1);
	self->free[1] = node_free(1);
	self->oom_kills = vmstat("oom_kill");
	ASSERT_LE(0, self->oom_kills);
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(watch_start(&self->watch, 1));
}

FIXTURE_TEARDOWN(node)
{
	close(self->fd);
	/* Not even for a while did another node stand in. */
	EXPECT_LT(self->free[0] - (long long)SLACK, watch_stop(&self->watch));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(self->oom_kills, vmstat("oom_kill"));
	/* Freed pages come back through lists of each CPU, which decay. */
	for (int tries = 0; tries < 200 && node_free(1) < self->free[1] - (long long)SLACK; tries++)
		usleep(50000);
	EXPECT_LT(self->free[1] - (long long)SLACK, node_free(1));
}

TEST_F(node, more_than_it_has)
{
	long long size = numa_node_size64(1, NULL);
	long reclaims = vmstat("pgscan_direct");
	struct numapin_alloc reply;

	EXPECT_EQ(ENOMEM, alloc_region(self->fd, size + PAGE, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_TOO_LARGE, reply.out_cause);
	EXPECT_GE(size, reply.out_available);
	EXPECT_LT(size / 2, reply.out_available);
	EXPECT_EQ(reclaims, vmstat("pgscan_direct"));
	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, size + PAGE, 0));
	EXPECT_EQ(ENOMEM, errno);
}

TEST_F_TIMEOUT(node, more_than_it_has_free, 120)
{
	long long size = numa_node_size64(1, NULL);
	struct numapin_alloc reply;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	EXPECT_EQ(ENOMEM, alloc_region(self->fd, size, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	/* What there is to ask for instead, and not what was left at the end */
	EXPECT_LT(self->free[1] - (long long)SLACK, reply.out_available);
	EXPECT_GT(size, reply.out_available);
	EXPECT_EQ(0, counter(1, "bytes"));
	/* And the file is as good as new. */
	EXPECT_EQ(0, alloc_region(self->fd, PAGE, 0, NULL));
}

/*
 * With every other MiB in use by pages that cannot move, the node has much free
 * and no 2 MiB in one piece.
 */
TEST_F_TIMEOUT(node, no_huge_page_left, 120)
{
	const struct rlimit many = { 16384, 16384 };
	int fds[8192], used = 0, huge = 0, i;
	struct numapin_alloc reply;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &many));
	do {
		ASSERT_GT(ARRAY_SIZE(fds), used);
		fds[used] = open_node(1, O_RDWR);
	} while (!alloc_region(fds[used++], MIB, NUMAPIN_ALLOC_NO_HUGE, &reply));
	ASSERT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	for (i = 0; i < used; i += 2)
		close(fds[i]);

	/* What pieces of 2 MiB there are after all */
	for (i = 0; i < used; i += 2) {
		fds[i] = open_node(1, O_RDWR);
		if (alloc_region(fds[i], HUGE_PAGE, NUMAPIN_ALLOC_HUGE, &reply))
			break;
		huge++;
	}
	EXPECT_EQ(NUMAPIN_CAUSE_NO_HUGE_PAGE, reply.out_cause);
	EXPECT_LT(64 * MIB, reply.out_available);
	EXPECT_GT(used / 4, huge);

	/* Without insisting, as much is had in small pages. */
	EXPECT_EQ(0, alloc_region(self->fd, HUGE_PAGE, 0, &reply));
	EXPECT_EQ(0, reply.out_huge_bytes);
	while (used)
		close(fds[--used]);
}

/* What the node has in use for page cache is to be had. */
TEST_F_TIMEOUT(node, page_cache_gives_way, 120)
{
	int disk = open(DISK, O_RDONLY | O_CLOEXEC);
	struct numapin_alloc reply;
	char *addr;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_LE(0, disk);
	ASSERT_TRUE(fill_with_page_cache(disk, 1));
	close(disk);
	ASSERT_EQ(0, alloc_region(self->fd, 256 * MIB, 0, &reply)) {
		TH_LOG("cause %u", reply.out_cause);
	}
	/* What page cache left in struct page does not keep it from a PMD. */
	addr = map_shared(self->fd, 256 * MIB, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_LT(0, reply.out_huge_bytes);
	EXPECT_EQ(reply.out_huge_bytes, smaps_bytes(addr, "FilePmdMapped"));
	munmap(addr, 256 * MIB);
	/* Where it will not be missed by the other tests */
	EXPECT_EQ(0, system("echo 1 >/proc/sys/vm/drop_caches"));
}

static void fill_and_sleep(uint64_t bytes)
{
	alloc_region(open_node(1, O_RDWR), bytes, NUMAPIN_ALLOC_NO_HUGE, NULL);
	pause();
}

/* Killed in the middle of a large allocation, it goes no further. */
TEST_F(node, killed_while_allocating)
{
	const long long bytes = self->free[1] / 4 * 3;
	long long left = self->free[1];
	int status;
	pid_t pid;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	pid = fork();
	if (!pid)
		fill_and_sleep(bytes);
	while (left > self->free[1] - bytes / 8) {
		ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
		left = node_free(1);
	}
	kill(pid, SIGKILL);
	while (!waitpid(pid, &status, WNOHANG))
		if (node_free(1) < left)
			left = node_free(1);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(self->free[1] - bytes / 8 * 7, left);
}

/*
 * ALLOC's errno and reply in a cgroup of its own; -1 where there is none. By a
 * child, because other threads would be in the cgroup too, and be killed there
 * for what they allocate while it is full.
 */
static int alloc_in_cgroup(const char *controller, const char *file, const char *value,
			   uint64_t bytes, struct numapin_alloc *reply)
{
	struct numapin_alloc *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, fd = open_node(1, O_RDWR);
	pid_t pid = fork();

	if (!pid) {
		status = cgroup_enter(controller, file, value) ?
			alloc_region(fd, bytes, 0, shared) : 255;
		_exit(status);
	}
	close(fd);
	waitpid(pid, &status, 0);
	rmdir(CGROUP);
	*reply = *shared;
	munmap(shared, PAGE);
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

TEST_F(node, memory_cgroup)
{
	struct numapin_alloc reply;

	/* Its table alone, of 8 bytes for each 4 KiB, is more than the limit. */
	EXPECT_EQ(ENOMEM, alloc_in_cgroup("memory", "memory.max", "2M", 1280 * MIB, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CGROUP, reply.out_cause);

	EXPECT_EQ(ENOMEM, alloc_in_cgroup("memory", "memory.max", "64M", 128 * MIB, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CGROUP, reply.out_cause);
	EXPECT_EQ(0, alloc_in_cgroup("memory", "memory.max", "64M", 32 * MIB, &reply));
}

TEST_F(node, cpuset)
{
	struct numapin_alloc reply;

	EXPECT_EQ(EPERM, alloc_in_cgroup("cpuset", "cpuset.mems", "0", PAGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CPUSET, reply.out_cause);
	EXPECT_EQ(0, alloc_in_cgroup("cpuset", "cpuset.mems", "0-1", PAGE, &reply));
}

TEST_HARNESS_MAIN
