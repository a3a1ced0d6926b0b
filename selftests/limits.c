// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody gets more than he was given: RLIMIT_MEMLOCK, the node's budget, and
 * who may open which device. (The memory cgroup and the cpuset: see refusal.c.)
 */
#include <liburing.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "harness.h"

#include "bench.h"
#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "library.h"
#include "oracle.h"
#include "pressure.h"

#define LIMIT (8 * MIB)

/* Four descriptors of each node's device, opened by root */
#define FILES 4

FIXTURE(limit) {
	int fds[FILES];
	struct numapin_alloc reply;
};

FIXTURE_SETUP(limit)
{
	for (int i = 0; i < FILES; i++) {
		self->fds[i] = open_node(1, O_RDWR);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(limit)
{
	for (int i = 0; i < FILES; i++)
		close(self->fds[i]);
	EXPECT_TRUE(become_root());
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_TRUE(nothing_left());
}

/* ALLOC of file @i is refused with ENOMEM for @cause, @available being left. */
#define EXPECT_REFUSED(i, bytes, cause, available) do {				\
	long _failures = counter(1, FAILURES(cause));				\
										\
	EXPECT_EQ(ENOMEM, alloc_region(self->fds[i], bytes, 0, &self->reply));	\
	EXPECT_EQ(NUMAPIN_CAUSE_##cause, self->reply.out_cause);		\
	EXPECT_EQ(available, self->reply.out_available);			\
	EXPECT_EQ(_failures + 1, counter(1, FAILURES(cause)));			\
} while (0)

#define FAILURES(cause) FAILURES_##cause
#define FAILURES_MEMLOCK "failures/memlock"
#define FAILURES_BUDGET "failures/budget"

TEST_F(limit, memlock)
{
	ASSERT_TRUE(become_nobody(LIMIT));
	EXPECT_REFUSED(0, LIMIT + PAGE, MEMLOCK, LIMIT);
	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT - PAGE, 0, NULL));
	EXPECT_REFUSED(1, 2 * PAGE, MEMLOCK, PAGE);
	ASSERT_EQ(0, alloc_region(self->fds[1], 1, 0, NULL));
	EXPECT_REFUSED(2, 1, MEMLOCK, 0);
	close(self->fds[0]);
	ASSERT_EQ(0, alloc_region(self->fds[2], LIMIT - PAGE, 0, NULL));
	EXPECT_REFUSED(3, 1, MEMLOCK, 0);
}

/* What mmap() makes counts too, and its refusal has the same errno. */
TEST_F(limit, memlock_of_mmap)
{
	char *addr;

	ASSERT_TRUE(become_nobody(LIMIT));
	EXPECT_EQ(MAP_FAILED, map_shared(self->fds[0], LIMIT + PAGE, 0));
	EXPECT_EQ(ENOMEM, errno);
	addr = map_shared(self->fds[0], LIMIT, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_REFUSED(1, 1, MEMLOCK, 0);
	munmap(addr, LIMIT);
}

static bool drop_ipc_lock(void)
{
	cap_t caps = cap_get_proc();
	cap_value_t lock = CAP_IPC_LOCK;
	bool ok = caps && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &lock, CAP_CLEAR) &&
		  !cap_set_proc(caps);

	cap_free(caps);
	return ok;
}

/* It is CAP_IPC_LOCK that exempts, and not to be root. */
TEST_F(limit, memlock_exempts_cap_ipc_lock)
{
	ASSERT_TRUE(set_memlock(0));
	EXPECT_EQ(0, alloc_region(self->fds[0], LIMIT, 0, NULL));
	ASSERT_TRUE(drop_ipc_lock());
	EXPECT_REFUSED(1, 1, MEMLOCK, 0);
}

static bool one_page_too_much(int fd)
{
	struct numapin_alloc reply;

	return alloc_region(fd, LIMIT / 2 + PAGE, 0, &reply) == ENOMEM &&
	       reply.out_cause == NUMAPIN_CAUSE_MEMLOCK && reply.out_available == LIMIT / 2;
}

/* Two processes of a user share one limit. */
TEST_F(limit, memlock_is_the_users)
{
	ASSERT_TRUE(become_nobody(LIMIT));
	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT / 2, 0, NULL));
	EXPECT_TRUE(IN_CHILD(one_page_too_much(self->fds[1])));
}

static bool make_half(int fd)
{
	return become_nobody(LIMIT) && !alloc_region(fd, LIMIT / 2, 0, NULL);
}

/* A region counts against its maker while anybody has it, though he be gone. */
TEST_F(limit, memlock_stays_with_the_maker)
{
	ASSERT_TRUE(IN_CHILD(make_half(self->fds[0])));
	ASSERT_TRUE(become_nobody(LIMIT));
	EXPECT_TRUE(IN_CHILD(one_page_too_much(self->fds[1])));
	close(self->fds[0]);
	EXPECT_EQ(0, alloc_region(self->fds[1], LIMIT, 0, NULL));
}

/* The kernel's own count of the user agrees: io_uring's buffers find no room. */
TEST_F(limit, memlock_is_shared_with_io_uring)
{
	struct iovec page = { .iov_len = PAGE };
	struct io_uring ring;

	page.iov_base = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	ASSERT_NE(MAP_FAILED, page.iov_base);
	ASSERT_TRUE(become_nobody(LIMIT));
	ASSERT_EQ(0, io_uring_queue_init(1, &ring, 0));
	ASSERT_EQ(0, io_uring_register_buffers(&ring, &page, 1));
	ASSERT_EQ(0, io_uring_unregister_buffers(&ring));

	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT - PAGE, 0, NULL));
	EXPECT_EQ(0, alloc_region(self->fds[1], PAGE, 0, &self->reply)) {
		TH_LOG("%llu bytes left", self->reply.out_available);
	}
	EXPECT_EQ(-ENOMEM, io_uring_register_buffers(&ring, &page, 1));
	close(self->fds[1]);
	EXPECT_EQ(0, io_uring_register_buffers(&ring, &page, 1));
	EXPECT_REFUSED(2, PAGE, MEMLOCK, 0);
	/* By itself it would do so a while after the ring is gone. */
	EXPECT_EQ(0, io_uring_unregister_buffers(&ring));
	io_uring_queue_exit(&ring);
}

/* Whichever refuses, neither has counted anything. */
TEST_F(limit, refusals_give_back)
{
	ASSERT_TRUE(set_budget(1, "8388608"));
	ASSERT_TRUE(become_nobody(LIMIT / 2));
	EXPECT_REFUSED(0, LIMIT, MEMLOCK, LIMIT / 2);
	EXPECT_REFUSED(0, LIMIT + PAGE, BUDGET, LIMIT);
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_EQ(0, alloc_region(self->fds[0], LIMIT / 2, 0, NULL));
}

/* Neither does a region that was charged for and then could not be had. */
TEST_F(limit, failures_give_back)
{
	const long elsewhere = counter(1, "failures/node_full");

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_TRUE(become_nobody(1ULL << 40));
	EXPECT_EQ(ENOMEM, alloc_region(self->fds[0], usable(1), 0, &self->reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, self->reply.out_cause);
	EXPECT_EQ(elsewhere + 1, counter(1, "failures/node_full"));
	EXPECT_EQ(0, counter(1, "bytes"));
	ASSERT_TRUE(become_root());
	ASSERT_TRUE(become_nobody(LIMIT));
	EXPECT_EQ(0, alloc_region(self->fds[0], LIMIT, 0, NULL));
}

/* A user's file in the hands of root, who maps what he is sent */
TEST_F(limit, memlock_exempts_no_others_file)
{
	int fd;

	ASSERT_EQ(0, chmod("/dev/numapin/node1", 0666));
	ASSERT_TRUE(become_nobody(LIMIT));
	fd = open_node(1, O_RDWR);
	ASSERT_TRUE(become_root());
	ASSERT_EQ(0, chmod("/dev/numapin/node1", 0660));
	EXPECT_EQ(MAP_FAILED, map_shared(fd, LIMIT + PAGE, 0));
	EXPECT_EQ(ENOMEM, errno);
	close(fd);
}

/* Bytes of a region that ended, in a pipe: a reference that is not a mapping. */
TEST_F(limit, memlock_holds_what_lingers)
{
	struct iovec word = { .iov_len = 8 };
	char *addr, got[8];
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_TRUE(become_nobody(LIMIT));
	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT, 0, NULL));
	addr = map_shared(self->fds[0], LIMIT, 0);
	ASSERT_NE(MAP_FAILED, addr);
	memcpy(addr + HUGE_PAGE + PAGE, "lingers", 8);
	word.iov_base = addr + HUGE_PAGE + PAGE;
	ASSERT_EQ(8, vmsplice(ends[1], &word, 1, 0));
	munmap(addr, LIMIT);
	close(self->fds[0]);
	EXPECT_EQ(0, counter(1, "regions"));
	EXPECT_EQ(HUGE_PAGE, counter(1, "bytes"));
	EXPECT_EQ(HUGE_PAGE, counter(1, "lingering_bytes"));

	/* Longer than it would take to free what nobody has */
	sleep(1);
	EXPECT_EQ(HUGE_PAGE, counter(1, "lingering_bytes"));
	EXPECT_REFUSED(1, LIMIT, MEMLOCK, LIMIT - HUGE_PAGE);
	EXPECT_EQ(8, read(ends[0], got, 8));
	EXPECT_EQ(0, memcmp(got, "lingers", 8));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, counter(1, "lingering_bytes"));
	EXPECT_EQ(0, alloc_region(self->fds[1], LIMIT, 0, NULL));
	close(ends[0]);
	close(ends[1]);
}

/*
 * Bytes of memory for the kernel's own use that this process's cgroup is charged; and of
 * what the module has mapped, which the cgroup counts with the regions' pages
 */
static long bookkeeping(void)
{
	return named_number(CGROUP "/memory.stat", "slab") +
	       named_number(CGROUP "/memory.stat", "vmalloc") + module_mapped();
}

/*
 * Bytes that a region needs; -1: there is none, or nothing that counts. The kernel counts
 * some of them later, in lots: so the median of several.
 */
static long needed_for(size_t bytes, uint32_t flags)
{
	double needed[5];
	long before;
	int fd;

	for (int i = 0; i < ARRAY_SIZE(needed); i++) {
		before = bookkeeping();
		fd = open_node(1, O_RDWR);
		if (before < 0 || alloc_region(fd, bytes, flags, NULL)) {
			close(fd);
			return -1;
		}
		needed[i] = bookkeeping() - before;
		close(fd);
	}
	return spread_of(needed, ARRAY_SIZE(needed)).median;
}

/*
 * What the module needs of memory to have a region, of all that it has. On a kernel
 * that looks for mistakes each lock is several times as large.
 */
TEST_F(limit, bookkeeping)
{
	const int times = is_sanitizing() ? 2 : 1;
	const struct {
		uint32_t flags;
		size_t bytes;
		double most;
	} regions[] = {
		{ NUMAPIN_ALLOC_NO_HUGE, 256 * MIB, 0.0025 },
		{ NUMAPIN_ALLOC_HUGE, 1024 * MIB, 0.00001 },
	};
	long needed;

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	for (int i = 0; i < ARRAY_SIZE(regions); i++) {
		needed = needed_for(regions[i].bytes, regions[i].flags);
		EXPECT_LT(0, needed);
		EXPECT_GE(regions[i].bytes * regions[i].most * times, needed);
		TH_LOG("%zu MiB: %ld bytes", regions[i].bytes / MIB, needed);
	}
	EXPECT_TRUE(SOON(cgroup_leave()));
}

TEST_F(limit, budget)
{
	ASSERT_TRUE(set_budget(1, "8388608"));
	EXPECT_EQ(LIMIT, counter(1, "max_bytes"));
	EXPECT_REFUSED(0, LIMIT + 1, BUDGET, LIMIT);
	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT - PAGE, 0, NULL));
	EXPECT_REFUSED(1, PAGE + 1, BUDGET, PAGE);
	ASSERT_EQ(0, alloc_region(self->fds[1], PAGE, 0, NULL));
	EXPECT_REFUSED(2, 1, BUDGET, 0);
	EXPECT_EQ(LIMIT, counter(1, "bytes"));

	/* Another node has its own. */
	close(self->fds[3]);
	self->fds[3] = open_node(0, O_RDWR);
	EXPECT_EQ(0, alloc_region(self->fds[3], LIMIT, 0, NULL));

	close(self->fds[1]);
	ASSERT_TRUE(set_budget(1, "max"));
	EXPECT_EQ(0, alloc_region(self->fds[2], 2 * LIMIT, 0, NULL));
}

/* Below what is in use: that stays, and nothing is added. */
TEST_F(limit, budget_lowered)
{
	char *addr;

	ASSERT_EQ(0, alloc_region(self->fds[0], LIMIT, 0, NULL));
	addr = map_shared(self->fds[0], LIMIT, 0);
	ASSERT_NE(MAP_FAILED, addr);
	memset(addr, 'x', LIMIT);
	ASSERT_TRUE(set_budget(1, "4095"));
	EXPECT_EQ(0, counter(1, "max_bytes"));
	EXPECT_REFUSED(1, 1, BUDGET, 0);
	EXPECT_EQ(0, pages_elsewhere(addr, LIMIT, 1));
	EXPECT_EQ('x', addr[LIMIT - 1]);
	munmap(addr, LIMIT);
}

TEST_F(limit, budget_bad_values)
{
	static const char * const values[] = {
		"-1", "maximum", " ", "1x", "1 2", "1.5", "18446744073709551616", "\n",
	};

	ASSERT_TRUE(set_budget(1, "12288"));
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_FALSE(set_budget(1, values[i])) {
			TH_LOG("'%s' is taken", values[i]);
		}
	}
	EXPECT_EQ(12288, counter(1, "max_bytes"));
	ASSERT_TRUE(become_nobody(LIMIT));
	EXPECT_FALSE(set_budget(1, "max"));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(12288, counter(1, "max_bytes"));
}

TEST_F(limit, budget_taken_away)
{
	char path[ATTRIBUTE_PATH], max[32];

	ASSERT_TRUE(set_budget(1, "12288"));
	ASSERT_TRUE(set_budget(1, "max"));
	first_line(attribute(path, 1, "max_bytes"), max, sizeof(max));
	EXPECT_STREQ("max", max);
	EXPECT_EQ(0, alloc_region(self->fds[0], 8 * PAGE, 0, NULL));
}

#define RACES 5000

/* A thread that asks for all of a node's budget at the same moment as another */
struct racer {
	atomic_int *ready;
	atomic_int *done;
	int node;
	bool won[RACES];
};

static void wait_for_both(atomic_int *arrived, int rounds)
{
	atomic_fetch_add(arrived, 1);
	while (*arrived < 2 * rounds)
		;
}

static void *race(void *arg)
{
	struct racer *racer = arg;

	numa_run_on_node(racer->node);
	for (int i = 0; i < RACES; i++) {
		int fd = open_node(1, O_RDWR);

		wait_for_both(racer->ready, i + 1);
		racer->won[i] = !alloc_region(fd, PAGE, 0, NULL);
		wait_for_both(racer->done, i + 1);
		close(fd);
	}
	return NULL;
}

/* One of them has it, whichever. */
TEST_F(limit, budget_raced_for)
{
	static atomic_int ready, done;
	static struct racer racers[] = {
		{ .ready = &ready, .done = &done, .node = 0 },
		{ .ready = &ready, .done = &done, .node = 1 },
	};
	int both = 0, neither = 0, wins = 0;
	pthread_t other;

	ASSERT_TRUE(set_budget(1, "4096"));
	ASSERT_EQ(0, pthread_create(&other, NULL, race, &racers[1]));
	race(&racers[0]);
	pthread_join(other, NULL);
	for (int i = 0; i < RACES; i++) {
		both += racers[0].won[i] && racers[1].won[i];
		neither += !racers[0].won[i] && !racers[1].won[i];
		wins += racers[0].won[i];
	}
	EXPECT_EQ(0, both);
	EXPECT_EQ(0, neither);
	/* Or it was no race. */
	EXPECT_LT(0, wins);
	EXPECT_GT(RACES, wins);
	EXPECT_EQ(0, counter(1, "bytes"));
}

/* What the library makes of it */
TEST_F(limit, words)
{
	struct numapin_receipt receipt;
	void *addr;

	ASSERT_EQ(0, chmod("/dev/numapin/node1", 0666));
	ASSERT_TRUE(become_nobody(LIMIT));
	addr = allocate_on_node(1, LIMIT);
	EXPECT_NE(NULL, addr);
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, 0, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_MEMLOCK, receipt.reason);
	EXPECT_EQ(0, receipt.available);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1", "4096 bytes asked",
			 "RLIMIT_MEMLOCK: 8388608, 0 left")) {
		TH_LOG("%s", numapin_error());
	}
	EXPECT_EQ(0, free_numa_memory(addr, LIMIT));
	ASSERT_TRUE(become_root());
	ASSERT_EQ(0, chmod("/dev/numapin/node1", 0660));

	ASSERT_TRUE(set_budget(1, "8192"));
	EXPECT_EQ(NULL, numapin_alloc(1, MIB, 0, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_BUDGET, receipt.reason);
	EXPECT_EQ(8192, receipt.available);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1", "1048576 bytes asked", "8192 left",
			 "budget")) {
		TH_LOG("%s", numapin_error());
	}
}

/* A user who may open node 0's device alone, and what he has of node 1's */
FIXTURE(user) {
	int fd;
	int read_only;	/* node 1's device, opened by root and handed to him */
	char *addr;
};

FIXTURE_SETUP(user)
{
	self->read_only = open_node(1, O_RDONLY);
	ASSERT_LE(0, self->read_only);
	ASSERT_EQ(0, chmod("/dev/numapin/node0", 0666));
	ASSERT_TRUE(become_nobody(LIMIT));
	self->fd = open_node(0, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->addr = map_shared(self->fd, MIB, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
}

FIXTURE_TEARDOWN(user)
{
	/* Whatever he tried, nothing of node 1 was given for it. */
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_EQ(0, pages_elsewhere(self->addr, MIB, 0));
	munmap(self->addr, MIB);
	close(self->fd);
	close(self->read_only);
	EXPECT_TRUE(become_root());
	EXPECT_EQ(0, chmod("/dev/numapin/node0", 0660));
	EXPECT_TRUE(nothing_left());
}

TEST_F(user, opens_no_other_node)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };

	for (int i = 0; i < ARRAY_SIZE(modes); i++) {
		EXPECT_EQ(-1, open_node(1, modes[i]));
		EXPECT_EQ(EACCES, errno);
	}
	EXPECT_EQ(-1, mknod("/tmp/numapin-node1", S_IFCHR | 0666, 0));
	EXPECT_EQ(EPERM, errno);
}

/* A descriptor that was opened for less does not become more. */
TEST_F(user, reopens_nothing)
{
	char path[64];

	EXPECT_EQ(EBADF, alloc_region(self->read_only, PAGE, 0, NULL));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->read_only, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, map_shared(self->read_only, PAGE, 0));
	EXPECT_EQ(EACCES, errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->read_only);
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(user, moves_nothing_there)
{
	struct bitmask *zero = numa_parse_nodestring("0"), *one = numa_parse_nodestring("1");
	int to = 1, status = 0;
	void *page = self->addr;

	EXPECT_EQ(0, numa_move_pages(0, 1, &page, &to, &status, MPOL_MF_MOVE));
	EXPECT_EQ(-EFAULT, status);
	EXPECT_EQ(-1, numa_move_pages(0, 1, &page, &to, &status, MPOL_MF_MOVE_ALL));
	EXPECT_EQ(EPERM, errno);
	EXPECT_LE(0, numa_migrate_pages(0, zero, one));
	EXPECT_EQ(-1, mbind(self->addr, MIB, MPOL_BIND, one->maskp, one->size + 1, MPOL_MF_MOVE));
	EXPECT_EQ(EPERM, errno);
}

/* His own policy does not steer node 0's device. */
TEST_F(user, policy_does_not_steer)
{
	struct bitmask *one = numa_parse_nodestring("1");
	int fd = open_node(0, O_RDWR);
	char *addr;

	ASSERT_EQ(0, set_mempolicy(MPOL_BIND, one->maskp, one->size + 1));
	addr = map_shared(fd, 4 * MIB, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, pages_elsewhere(addr, 4 * MIB, 0));
	EXPECT_EQ(5 * MIB, counter(0, "bytes"));
	munmap(addr, 4 * MIB);
	close(fd);
}

TEST_F(user, library_pins_nothing_there)
{
	struct warnings warnings = { 0 };
	struct numapin_receipt receipt;
	void *addr;

	numapin_set_warning_handler(catch_warning, &warnings);
	addr = numapin_alloc(1, MIB, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_PERMISSION, receipt.reason);
	EXPECT_EQ(1, warnings.count);
	EXPECT_EQ(0, counter(1, "regions"));
	EXPECT_EQ(0, free_numa_memory(addr, MIB));
}

TEST_HARNESS_MAIN
