// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be had is an error that says why, nobody is killed for it, and
 * nothing is left behind. (A node that is full: see exhaustion.c.)
 */
#include <sched.h>
#include <sys/wait.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "oracle.h"
#include "worker.h"

FIXTURE(node) {
	int fd;
	long oom_kills;
};

FIXTURE_SETUP(node)
{
	self->oom_kills = vmstat("oom_kill");
	ASSERT_LE(0, self->oom_kills);
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(node)
{
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(self->oom_kills, vmstat("oom_kill"));
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
	const long failures = counter(1, "failures/cgroup");
	struct numapin_alloc reply;

	/* Its table alone, of 8 bytes for each 4 KiB, is more than the limit. */
	EXPECT_EQ(ENOMEM, alloc_in_cgroup("memory", "memory.max", "2M", 1100 * MIB, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CGROUP, reply.out_cause);

	EXPECT_EQ(ENOMEM, alloc_in_cgroup("memory", "memory.max", "64M", 128 * MIB, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CGROUP, reply.out_cause);
	EXPECT_EQ(0, alloc_in_cgroup("memory", "memory.max", "64M", 32 * MIB, &reply));
	EXPECT_EQ(failures + 2, counter(1, "failures/cgroup"));
}

/*
 * What a table had of it when it was refused is the cgroup's again at once, or the next
 * page that anybody there asks for might be an OOM kill.
 */
TEST_F(node, memory_cgroup_has_all_back)
{
	const size_t bytes = 1024 * MIB, table = bytes / PAGE * sizeof(void *);
	const struct sched_param first = { .sched_priority = 1 };
	struct numapin_alloc reply;
	struct worker child;
	char max[32];
	long before;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		/* The kernel's workers have to wait till it is over. */
		CHILD_EXPECT(!numa_run_on_node(1));
		CHILD_EXPECT(!sched_setscheduler(0, SCHED_FIFO, &first));
		CHILD_EXPECT(cgroup_enter("memory", "memory.max", "max"));
		for (int round = 0; round < 20; round++) {
			before = cgroup_number("memory.current");
			snprintf(max, sizeof(max), "%zu", before + table / 4 * 3);
			CHILD_EXPECT(write_file(CGROUP "/memory.max", max));
			CHILD_EXPECT(alloc_region(self->fd, bytes, NUMAPIN_ALLOC_NO_HUGE, &reply) ==
				     ENOMEM);
			/* But for what each CPU has ready */
			CHILD_EXPECT(cgroup_number("memory.current") < before + table / 3);
			CHILD_EXPECT(write_file(CGROUP "/memory.max", "max"));
			CHILD_EXPECT(reply.out_cause == NUMAPIN_CAUSE_CGROUP);
		}
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_F(node, cpuset)
{
	const long failures = counter(1, "failures/cpuset");
	struct numapin_alloc reply;

	EXPECT_EQ(EPERM, alloc_in_cgroup("cpuset", "cpuset.mems", "0", PAGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CPUSET, reply.out_cause);
	EXPECT_EQ(0, alloc_in_cgroup("cpuset", "cpuset.mems", "0-1", PAGE, &reply));
	EXPECT_EQ(failures + 1, counter(1, "failures/cpuset"));
}

/* Not only as it begins. */
TEST_F(node, cpuset_that_shrinks_meanwhile)
{
	const long failures = counter(1, "failures/cpuset");
	struct numapin_alloc reply;
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(cgroup_enter("cpuset", "cpuset.mems", "0-1"));
		CHILD_EXPECT(alloc_region(self->fd, 768 * MIB, NUMAPIN_ALLOC_NO_HUGE, &reply) ==
			     EPERM);
		CHILD_EXPECT(reply.out_cause == NUMAPIN_CAUSE_CPUSET);
		_exit(0);
	}
	EXPECT_TRUE(SOON(counter(1, "bytes")));
	EXPECT_TRUE(write_file(CGROUP "/cpuset.mems", "0"));
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(failures + 1, counter(1, "failures/cpuset"));
	EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_HARNESS_MAIN
