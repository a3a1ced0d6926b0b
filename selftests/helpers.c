// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large regions, which other CPUs help to allocate: those where the caller may run,
 * at his cgroup's cost, and no longer than he lives.
 */
#include <sched.h>
#include <sys/wait.h>

#include "harness.h"

#include "cgroup.h"
#include "device.h"
#include "oracle.h"
#include "tracing.h"

#define LARGE (256 * MIB)

FIXTURE(region) {
	int fd;
};

FIXTURE_VARIANT(region) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(region, huge) { .flags = NUMAPIN_ALLOC_HUGE };
FIXTURE_VARIANT_ADD(region, small) { .flags = NUMAPIN_ALLOC_NO_HUGE };

FIXTURE_SETUP(region)
{
	ASSERT_TRUE(trace_begin());
	ASSERT_TRUE(trace_event(ASKED, true));
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(region)
{
	EXPECT_TRUE(trace_event(ASKED, false));
	EXPECT_TRUE(write_file(MAX_HELPERS, "8"));
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* How many helpers were asked since the setup */
static int asked(void)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[512];
	int nr = 0;

	while (trace && fgets(line, sizeof(line), trace))
		nr += !!strstr(line, "workqueue=numapin ");
	if (trace)
		fclose(trace);
	return nr;
}

TEST_F(region, is_helped_by_another_cpu)
{
	ASSERT_EQ(0, alloc_region(self->fd, LARGE, variant->flags, NULL));
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN) - 1, asked());
}

TEST_F(region, is_helped_where_the_caller_may_run)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(first), &first));
	ASSERT_EQ(0, alloc_region(self->fd, LARGE, variant->flags, NULL));
	EXPECT_EQ(0, asked());
}

TEST_F(region, is_helped_by_no_more_than_root_says)
{
	ASSERT_TRUE(write_file(MAX_HELPERS, "0"));
	ASSERT_EQ(0, alloc_region(self->fd, LARGE, variant->flags, NULL));
	EXPECT_EQ(0, asked());
}

TEST_F(region, is_not_helped_when_small)
{
	ASSERT_EQ(0, alloc_region(self->fd, HUGE_PAGE, variant->flags, NULL));
	EXPECT_EQ(0, asked());
}

/* What helpers allocate is the caller's cgroup's, too. */
TEST_F(region, is_charged_to_the_caller)
{
	long before;

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	before = cgroup_number("memory.current");
	ASSERT_EQ(0, alloc_region(self->fd, LARGE, variant->flags, NULL));
	EXPECT_LE(before + LARGE, cgroup_number("memory.current"));
	EXPECT_TRUE(cgroup_leave());
}

TEST_F(region, is_refused_by_the_callers_cgroup)
{
	struct numapin_alloc reply;

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "67108864"));
	EXPECT_EQ(ENOMEM, alloc_region(self->fd, LARGE, variant->flags, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_CGROUP, reply.out_cause);
	EXPECT_EQ(0, named_number(CGROUP "/memory.events", "oom_kill"));
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_TRUE(cgroup_leave());
}

/* Its pages are zeroed and on the node, whoever allocated them. */
TEST_F(region, is_what_it_is_without_help)
{
	char *addr;

	ASSERT_EQ(0, alloc_region(self->fd, LARGE, variant->flags, NULL));
	addr = map_shared(self->fd, LARGE, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(all_zero(addr, LARGE));
	EXPECT_EQ(0, pages_elsewhere(addr, LARGE, 1));
	munmap(addr, LARGE);
}

/* A caller who is killed is gone at once, and so is what he had so far. */
TEST_F(region, ends_with_the_caller)
{
	int status;
	pid_t pid;

	for (int i = 0; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (;;) {
				close(self->fd);
				self->fd = open_node(1, O_RDWR);
				alloc_region(self->fd, LARGE, variant->flags, NULL);
			}
		}
		usleep(10000 + 7000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_TRUE(SOON(!counter(1, "bytes")));
	}
}

TEST_HARNESS_MAIN
