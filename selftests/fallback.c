// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library where the module is not: memory that mbind(2) bound and the
 * kernel confirmed, or memory that is said not to be placed. Nodes that the
 * machine does not have are not tested; on a guest with two, both are.
 */
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness.h"

#include "cgroup.h"
#include "constructor.h"
#include "library.h"
#include "oracle.h"
#include "pressure.h"
#include "seccomp.h"

FIXTURE(absent) {
	struct warnings warnings;
	struct numapin_receipt receipt;
	int disk;
};

FIXTURE_SETUP(absent)
{
	self->disk = open(DISK, O_RDONLY | O_CLOEXEC);
	ASSERT_TRUE(hide_module()) {
		TH_LOG("must be root, to hide /dev/numapin");
	}
	unsetenv("NUMAPIN_BACKEND");
	unsetenv("NUMAPIN_STRICT");
	unsetenv("NUMAPIN_WARN");
	numapin_set_warning_handler(catch_warning, &self->warnings);
}

FIXTURE_TEARDOWN(absent)
{
	close(self->disk);
}

TEST_F(absent, bound_on_every_node)
{
	const size_t sizes[] = { 1, 4 * KIB, MIB, 2 * MIB, 5 * MIB, 256 * MIB };

	for (int node = 0; node <= numa_max_node(); node++) {
		for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
			char *addr = numapin_alloc(node, sizes[i], 0, &self->receipt), line[512];
			int mode;

			ASSERT_NE(NULL, addr);
			EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
			EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, self->receipt.reason);
			EXPECT_EQ(node, self->receipt.node);
			EXPECT_EQ(whole_pages(sizes[i]), self->receipt.bytes);
			EXPECT_EQ(0, self->receipt.huge_bytes);
			EXPECT_EQ(0, pages_elsewhere(addr, sizes[i], node));
			ASSERT_EQ(0, get_mempolicy(&mode, NULL, 0, addr, MPOL_F_ADDR));
			EXPECT_EQ(MPOL_BIND, mode);
			numa_maps_line(addr, line, sizeof(line));
			EXPECT_NE(NULL, strstr(line, " bind:"));
			EXPECT_TRUE(all_zero(addr, sizes[i]));
			EXPECT_EQ(0, free_numa_memory(addr, sizes[i]));
		}
	}
	EXPECT_EQ(0, self->warnings.count);
}

TEST_F(absent, bound_takes_no_fault_on_first_touch)
{
	char *addr = allocate_on_node(0, 8 * MIB);

	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, faults_to_touch(addr, 8 * MIB));
	EXPECT_EQ(0, free_numa_memory(addr, 8 * MIB));
}

/* What a child writes to memory of the node, as its parent then sees it */
static char written_by_child(char *addr)
{
	const pid_t pid = fork();

	if (!pid) {
		addr[0] = 'c';
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return addr[0];
}

static void check_fork(struct __test_metadata *_metadata, const char *backend, int outcome)
{
	struct numapin_receipt receipt;
	char *addr;

	setenv("NUMAPIN_BACKEND", backend, 1);
	addr = numapin_alloc(0, PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(outcome, receipt.outcome);
	EXPECT_EQ(0, receipt.shared);
	EXPECT_EQ(0, written_by_child(addr));
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));

	addr = numapin_alloc(0, PAGE, NUMAPIN_SHARED, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(outcome, receipt.outcome);
	EXPECT_EQ(1, receipt.shared);
	EXPECT_EQ('c', written_by_child(addr));
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));

	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, NUMAPIN_RESERVE, &receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_RESERVE, receipt.reason);
	unsetenv("NUMAPIN_BACKEND");
}

TEST_F(absent, fork)
{
	check_fork(_metadata, "mbind", NUMAPIN_BOUND);
	check_fork(_metadata, "none", NUMAPIN_UNBOUND);
}

TEST_F(absent, too_large)
{
	long long size = numa_node_size64(0, NULL);

	EXPECT_EQ(NULL, numapin_alloc(0, size + PAGE, 0, &self->receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_TOO_LARGE, self->receipt.reason);
	EXPECT_EQ(size, self->receipt.available);
	EXPECT_EQ(0, self->warnings.count);
}

/* What mbind cannot find on the node is refused: no OOM kill, no other node. */
TEST_F(absent, full_node)
{
	const int node = numa_max_node();
	long kills = vmstat("oom_kill");
	struct watch watch;
	long long before;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	before = available_elsewhere(node);
	ASSERT_TRUE(watch_start(&watch, node));
	EXPECT_EQ(NULL, numapin_alloc(node, numa_node_size64(node, NULL), 0, &self->receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_NODE_FULL, self->receipt.reason);
	EXPECT_TRUE(SAYS(numapin_error(), "node ", "is full", "bytes asked", "free"));
	EXPECT_EQ(kills, vmstat("oom_kill"));
	/* What went elsewhere before it was found out */
	EXPECT_GT((long long)(128 * MIB), before - watch_stop(&watch));
	EXPECT_LT(numa_node_size64(node, NULL) / 2, (long long)self->receipt.available);
}

/* A node whose memory is in use for page cache is not full. */
TEST_F(absent, page_cache_gives_way)
{
	const int node = numa_max_node();
	char *addr;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_TRUE(fill_with_page_cache(self->disk, node, 128 * MIB));
	addr = numapin_alloc(node, 256 * MIB, 0, &self->receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
	EXPECT_EQ(0, pages_elsewhere(addr, 256 * MIB, node));
	EXPECT_EQ(0, free_numa_memory(addr, 256 * MIB));
}

/* What would be an OOM kill in the memory cgroup is an error. */
TEST_F(absent, memory_cgroup)
{
	static const char *const backends[] = { "mbind", "none" };

	if (!may_fill_nodes())
		SKIP(return, "needs a cgroup file system to make cgroups in");
	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "64M"));
	for (int i = 0; i < ARRAY_SIZE(backends); i++) {
		setenv("NUMAPIN_BACKEND", backends[i], 1);
		EXPECT_EQ(NULL, numapin_alloc(0, 128 * MIB, 0, &self->receipt));
		EXPECT_EQ(ENOMEM, errno);
		EXPECT_EQ(NUMAPIN_REASON_CGROUP, self->receipt.reason);
		EXPECT_NE(NULL, numapin_alloc(0, 16 * MIB, 0, &self->receipt));
	}
	EXPECT_TRUE(cgroup_leave());
}

/* It is not that node 0 does not exist. */
TEST_F(absent, no_descriptor_left)
{
	ASSERT_TRUE(leave_no_descriptor());
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NUMAPIN_REASON_NONE, self->receipt.reason);
}

TEST_F(absent, no_such_node_is_unbound_with_one_warning)
{
	char *addr = numapin_alloc(99, 3 * PAGE, 0, &self->receipt);
	int nodes[3];

	ASSERT_NE(NULL, addr);
	/* Wherever it is, it is there. */
	ASSERT_EQ(3, numapin_locate(addr, 3 * PAGE, nodes, 3));
	for (int i = 0; i < 3; i++)
		EXPECT_LE(0, nodes[i]);
	EXPECT_EQ(99, self->receipt.node);
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, self->receipt.reason);
	EXPECT_EQ(1, self->warnings.count);
	EXPECT_TRUE(SAYS(self->warnings.last, "node 99 ", "does not exist", "UNBOUND"));
	memset(addr, 1, 3 * PAGE);
	EXPECT_EQ(0, free_numa_memory(addr, 3 * PAGE));

	addr = allocate_on_node(99, PAGE);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(1, self->warnings.count);
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));
}

TEST_F(absent, strict_is_an_error)
{
	EXPECT_EQ(NULL, numapin_alloc(99, PAGE, NUMAPIN_STRICT, &self->receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, self->receipt.reason);
	EXPECT_TRUE(SAYS(numapin_error(), "node 99 ", "does not exist"));

	setenv("NUMAPIN_STRICT", "1", 1);
	EXPECT_EQ(NULL, allocate_on_node(99, PAGE));
	EXPECT_EQ(ENODEV, errno);
	setenv("NUMAPIN_STRICT", "0", 1);
	EXPECT_NE(NULL, allocate_on_node(99, PAGE));
	EXPECT_EQ(1, self->warnings.count);
}

TEST_F(absent, warnings_as_told)
{
	setenv("NUMAPIN_WARN", "never", 1);
	EXPECT_NE(NULL, allocate_on_node(99, PAGE));
	EXPECT_EQ(0, self->warnings.count);
	setenv("NUMAPIN_WARN", "always", 1);
	EXPECT_NE(NULL, allocate_on_node(99, PAGE));
	EXPECT_NE(NULL, allocate_on_node(99, PAGE));
	EXPECT_EQ(2, self->warnings.count);
}

TEST_F(absent, default_handler_writes_to_stderr)
{
	char text[512] = { 0 };
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_LE(0, dup2(fds[1], STDERR_FILENO));
	numapin_set_warning_handler(NULL, NULL);
	EXPECT_NE(NULL, allocate_on_node(99, PAGE));
	close(fds[1]);
	close(STDERR_FILENO);
	EXPECT_LT(0, read(fds[0], text, sizeof(text) - 1));
	EXPECT_TRUE(SAYS(text, "numapin: warning: node 99 ", "UNBOUND", "\n"));
}

TEST_F(absent, forced_backends)
{
	void *addr;

	setenv("NUMAPIN_BACKEND", "module", 1);
	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, self->receipt.reason);

	setenv("NUMAPIN_BACKEND", "mbind", 1);
	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_FORCED, self->receipt.reason);
	EXPECT_EQ(NULL, numapin_alloc(99, PAGE, 0, &self->receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, self->warnings.count);

	setenv("NUMAPIN_BACKEND", "none", 1);
	addr = numapin_alloc(0, PAGE, 0, &self->receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_FORCED, self->receipt.reason);
	EXPECT_EQ(1, self->warnings.count);
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));
	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, NUMAPIN_STRICT, &self->receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_F(absent, huge_pages_cannot_be_promised)
{
	EXPECT_EQ(NULL, numapin_alloc(0, 2 * MIB, NUMAPIN_HUGE, &self->receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_HUGE_PROMISE, self->receipt.reason);
}

TEST_F(absent, unbound_beyond_memory_is_refused)
{
	const size_t all = sysconf(_SC_PHYS_PAGES) * PAGE;
	struct rlimit limit;

	EXPECT_EQ(NULL, numapin_alloc(99, all, 0, &self->receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_MEMORY, self->receipt.reason);

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &limit));
	limit.rlim_cur = 64 * MIB;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(NULL, numapin_alloc(0, 128 * MIB, 0, &self->receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_MEMORY, self->receipt.reason);
}

/* Something that is no node device has its name. */
TEST_F(absent, device_is_something_else)
{
	ASSERT_EQ(0, mkdir("/dev/numapin", 0755));
	ASSERT_EQ(0, mknod("/dev/numapin/node0", S_IFREG | 0660, 0));
	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, self->receipt.reason);
}

/* The device is there and this process may not open it: as absent, but said. */
TEST_F(absent, device_not_permitted)
{
	ASSERT_EQ(0, mkdir("/dev/numapin", 0755));
	ASSERT_EQ(0, mknod("/dev/numapin/node0", S_IFREG | 0660, 0));
	ASSERT_EQ(0, mknod("/dev/numapin/node99", S_IFREG | 0660, 0));
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(0, setgid(65534));
	ASSERT_EQ(0, setuid(65534));

	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_PERMISSION, self->receipt.reason);
	EXPECT_EQ(1, self->warnings.count);
	EXPECT_TRUE(SAYS(self->warnings.last, "node 0 ", "may not open", "BOUND"));

	EXPECT_NE(NULL, numapin_alloc(99, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(2, self->warnings.count);
	EXPECT_TRUE(SAYS(self->warnings.last, "node 99 ", "may not open", "node 99 ",
			 "does not exist", "UNBOUND"));

	setenv("NUMAPIN_BACKEND", "module", 1);
	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(absent, policy_calls_denied_as_in_a_container)
{
	int node;

	ASSERT_TRUE(deny(policy_calls, NR_POLICY_CALLS));
	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_MBIND_DENIED, self->receipt.reason);
	EXPECT_EQ(1, self->warnings.count);
	EXPECT_TRUE(SAYS(self->warnings.last, "node 0", "mbind is not permitted", "UNBOUND"));
	EXPECT_EQ(NULL, numapin_alloc(0, PAGE, NUMAPIN_STRICT, &self->receipt));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, numapin_locate(&node, sizeof(node), &node, 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(SAYS(numapin_error(), "node 0", "mbind is not permitted"));
}

/* It must not claim what it was not let check. */
TEST_F(absent, only_move_pages_denied)
{
	const int call = SYS_move_pages;

	ASSERT_TRUE(deny(&call, 1));
	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_MBIND_DENIED, self->receipt.reason);
}

TEST_F(absent, only_mbind_denied)
{
	const int call = SYS_mbind;

	ASSERT_TRUE(deny(&call, 1));
	EXPECT_NE(NULL, numapin_alloc(0, PAGE, 0, &self->receipt));
	EXPECT_EQ(NUMAPIN_UNBOUND, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_MBIND_DENIED, self->receipt.reason);
}

#define ROUNDS 50

static void count_warning(const char *message, void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static atomic_int counted;

/* On a node that does not exist, and on one that does */
static void *allocate_and_warn(void *arg)
{
	const int absent = 99 + (intptr_t)arg;
	char name[32];
	long bad = 0;

	snprintf(name, sizeof(name), "node %d ", absent);
	for (int i = 0; i < ROUNDS; i++) {
		char *bound = allocate_on_node(0, PAGE), *unbound;

		numapin_set_warning_handler(count_warning, &counted);
		unbound = allocate_on_node(absent, PAGE);
		bad += !bound || !unbound;
		bad += !!numapin_alloc(absent, PAGE, NUMAPIN_STRICT, NULL);
		bad += !SAYS(numapin_error(), name);
		bad += free_numa_memory(bound, PAGE) || free_numa_memory(unbound, PAGE);
	}
	return (void *)bad;
}

TEST_F(absent, threads)
{
	pthread_t threads[4];
	void *bad;

	setenv("NUMAPIN_WARN", "always", 1);
	for (intptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, allocate_and_warn, (void *)i));
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_EQ(ARRAY_SIZE(threads) * ROUNDS, atomic_load(&counted));
}

/* Here the library is static, and its own constructors may come later. */
TEST_F(absent, works_in_constructors)
{
	setenv("NUMAPIN_BACKEND", "none", 1);
	setenv("NUMAPIN_WARN", "never", 1);
	EXPECT_TRUE(works_in_constructor(NUMAPIN_UNBOUND));
	/* And it is this that is seen. */
	EXPECT_FALSE(works_in_constructor(NUMAPIN_PINNED));
}

TEST_F(absent, no_device_to_use)
{
	EXPECT_EQ(-1, numapin_use_device(-1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, numapin_use_device(self->disk));
	EXPECT_EQ(EBADF, errno);
}

TEST_HARNESS_MAIN
