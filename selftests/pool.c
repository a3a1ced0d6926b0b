// SPDX-License-Identifier: GPL-2.0-only
/*
 * A node's pool: what root sets aside is there, goes out, comes back zeroed, and
 * ends. What fails, and what somebody else still has, does not come back.
 */
#include <inttypes.h>
#include <numa.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "dma.h"
#include "module.h"
#include "oracle.h"
#include "pressure.h"
#include "worker.h"

#define POOL (4 * HUGE_PAGE)

static bool is_filled(size_t bytes)
{
	return SOON(counter(1, "pool_filled_bytes") == (long)bytes);
}

FIXTURE(pool) {
	int fd;
	char *addr;
	long hits, misses;
};

FIXTURE_SETUP(pool)
{
	ASSERT_EQ(0, set_number(1, "pool_bytes", POOL));
	ASSERT_EQ(POOL, counter(1, "pool_filled_bytes"));
	self->hits = counter(1, "pool_hits");
	self->misses = counter(1, "pool_misses");
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->addr = NULL;
}

FIXTURE_TEARDOWN(pool)
{
	if (self->addr)
		munmap(self->addr, POOL);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, counter(1, "pool_used_bytes"));
	EXPECT_EQ(0, set_number(1, "pool_reclaim", 0));
	EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
	/* One may just be zeroed. */
	EXPECT_TRUE(SOON(!pool_total(1)));
}

/* Makes the file's region, and maps and fills it with a byte. */
static char *get(int fd, uint32_t flags, int byte)
{
	char *addr;

	if (alloc_region(fd, POOL, flags | NUMAPIN_ALLOC_HUGE, NULL))
		return NULL;
	addr = map_shared(fd, POOL, 0);
	if (addr == MAP_FAILED)
		return NULL;
	memset(addr, byte, POOL);
	return addr;
}

/* Ends the region, and has the file be another. */
#define DROP() do {					\
	munmap(self->addr, POOL);			\
	close(self->fd);				\
	self->addr = NULL;				\
	self->fd = open_node(1, O_RDWR);		\
} while (0)

#define GET(flags, byte) do {				\
	self->addr = get(self->fd, flags, byte);	\
	ASSERT_NE(NULL, self->addr);			\
} while (0)

TEST_F(pool, is_used_and_counted)
{
	ASSERT_EQ(0, alloc_region(self->fd, POOL + HUGE_PAGE, 0, NULL));
	self->addr = map_shared(self->fd, POOL + HUGE_PAGE, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	EXPECT_TRUE(all_zero(self->addr, POOL + HUGE_PAGE));
	EXPECT_EQ(0, pages_elsewhere(self->addr, POOL + HUGE_PAGE, 1));
	EXPECT_EQ(POOL, counter(1, "pool_used_bytes"));
	EXPECT_EQ(0, counter(1, "pool_filled_bytes"));
	EXPECT_EQ(self->hits + 4, counter(1, "pool_hits"));
	EXPECT_LT(self->misses, counter(1, "pool_misses"));
	EXPECT_EQ(POOL + HUGE_PAGE, counter(1, "bytes"));
	munmap(self->addr + POOL, HUGE_PAGE);
	DROP();
	EXPECT_TRUE(is_filled(POOL));
}

/*
 * The same page frames, and nothing in them, at once or when there was time. At once
 * the one may be missing that is just being zeroed.
 */
TEST_F(pool, is_zeroed_on_reuse)
{
	uint64_t before[POOL / HUGE_PAGE];
	long again = 0;

	for (int round = 0; round < 4; round++) {
		ASSERT_TRUE(is_filled(POOL));
		GET(0, 0xa5);
		for (int i = 0; i < ARRAY_SIZE(before); i++)
			before[i] = page_frame(self->addr + i * HUGE_PAGE);
		DROP();
		if (round % 2)
			ASSERT_TRUE(is_filled(POOL));
		ASSERT_EQ(0, alloc_region(self->fd, POOL, NUMAPIN_ALLOC_HUGE, NULL));
		self->addr = map_shared(self->fd, POOL, 0);
		ASSERT_NE(MAP_FAILED, self->addr);
		EXPECT_TRUE(all_zero(self->addr, POOL));
		for (int i = 0; i < ARRAY_SIZE(before); i++)
			for (int j = 0; j < ARRAY_SIZE(before); j++)
				again += before[i] == page_frame(self->addr + j * HUGE_PAGE);
		memset(self->addr, 0x5a, POOL);
		DROP();
	}
	EXPECT_LE(4 * ARRAY_SIZE(before) - 2, again);
}

/* It is root's memory, of which whoever has it was charged for nothing. */
TEST_F(pool, is_charged_to_no_cgroup)
{
	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "4194304"));
	EXPECT_EQ(0, alloc_region(self->fd, POOL, NUMAPIN_ALLOC_HUGE, NULL));
	EXPECT_GT(POOL, cgroup_number("memory.current"));
	EXPECT_TRUE(cgroup_leave());
}

/* But it counts against the node's budget. */
TEST_F(pool, is_within_the_budget)
{
	struct numapin_alloc reply;

	ASSERT_TRUE(set_budget(1, "4194304"));
	EXPECT_EQ(ENOMEM, alloc_region(self->fd, POOL, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_BUDGET, reply.out_cause);
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_EQ(POOL, counter(1, "pool_filled_bytes"));
}

/* Of a region that ended, all came back but a huge page that somebody has. */
static bool one_is_withheld(void)
{
	return is_filled(POOL - HUGE_PAGE) && counter(1, "lingering_bytes") == HUGE_PAGE &&
	       counter(1, "pool_used_bytes") == HUGE_PAGE;
}

static bool has_frame(char *addr, uint64_t frame)
{
	for (int i = 0; i < POOL / HUGE_PAGE; i++)
		if (page_frame(addr + i * HUGE_PAGE) == frame)
			return true;
	return false;
}

/* A page of it that a pipe has does not come back until the pipe lets go of it. */
TEST_F(pool, waits_for_what_is_lent)
{
	struct iovec iov = { .iov_len = PAGE };
	uint64_t frame;
	char got[PAGE];
	int ends[2];

	GET(0, 'x');
	frame = page_frame(self->addr);
	iov.iov_base = self->addr + PAGE;
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(PAGE, vmsplice(ends[1], &iov, 1, 0));
	DROP();
	EXPECT_TRUE(one_is_withheld());
	GET(0, 'y');
	EXPECT_FALSE(has_frame(self->addr, frame));
	ASSERT_EQ(PAGE, read(ends[0], got, PAGE));
	EXPECT_EQ('x', got[0]);
	EXPECT_EQ('x', got[PAGE - 1]);
	DROP();
	EXPECT_TRUE(is_filled(POOL));
	close(ends[0]);
	close(ends[1]);
}

/* One that a device may write to, as long as it is pinned */
TEST_F(pool, waits_for_what_is_pinned)
{
	struct fixed fixed;
	uint64_t frame;
	int error;

	GET(0, 'x');
	frame = page_frame(self->addr);
	error = fix(&fixed, self->addr, HUGE_PAGE);
	if (error) {
		EXPECT_EQ(EOPNOTSUPP, error);
		return;
	}
	DROP();
	EXPECT_TRUE(one_is_withheld());
	GET(0, 'y');
	EXPECT_FALSE(has_frame(self->addr, frame));
	io_uring_queue_exit(&fixed.ring);
	DROP();
	EXPECT_TRUE(is_filled(POOL));
}

/* The way of a machine check: memory fails that the pool has, or a region of it. */
static int fail_frame(uint64_t frame)
{
	char address[32];

	snprintf(address, sizeof(address), "%#" PRIx64, frame * PAGE);
	return write_errno("/sys/devices/system/memory/hard_offline_page", address);
}

TEST_F(pool, has_nothing_that_failed)
{
	const long lost = counter(1, "poisoned_bytes");
	uint64_t frame;

	GET(0, 'x');
	frame = page_frame(self->addr + HUGE_PAGE) + 7;
	EXPECT_NE(0, fail_frame(frame));
	ASSERT_TRUE(is_poisoned(frame));
	DROP();
	EXPECT_TRUE(is_filled(POOL - HUGE_PAGE));
	EXPECT_EQ(lost + HUGE_PAGE, counter(1, "poisoned_bytes"));
	EXPECT_EQ(0, counter(1, "pool_used_bytes"));
}

/* Nor does it give what failed while it had it. */
TEST_F(pool, gives_nothing_that_failed)
{
	const long lost = counter(1, "poisoned_bytes");
	uint64_t frame;

	GET(0, 'x');
	frame = page_frame(self->addr + HUGE_PAGE) + 7;
	DROP();
	ASSERT_TRUE(is_filled(POOL));
	EXPECT_NE(0, fail_frame(frame));
	ASSERT_TRUE(is_poisoned(frame));

	GET(0, 'y');
	for (size_t i = 0; i < POOL; i += PAGE)
		ASSERT_NE(frame, page_frame(self->addr + i));
	EXPECT_EQ(lost + HUGE_PAGE, counter(1, "poisoned_bytes"));
	DROP();
	EXPECT_TRUE(is_filled(POOL - HUGE_PAGE));
}

TEST_F(pool, frees_nothing_that_failed)
{
	const long lost = counter(1, "poisoned_bytes");
	uint64_t frame;

	GET(0, 'x');
	frame = page_frame(self->addr) + 3;
	DROP();
	ASSERT_TRUE(is_filled(POOL));
	EXPECT_NE(0, fail_frame(frame));
	EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
	EXPECT_EQ(0, pool_total(1));
	EXPECT_EQ(lost + HUGE_PAGE, counter(1, "poisoned_bytes"));
	EXPECT_TRUE(page_flags(frame) & 1ULL << KPF_COMPOUND_TAIL);
}

/* Copies that private regions make are of the pool too, and come back to it. */
TEST_F(pool, copies_after_a_fork)
{
	struct worker child;

	ASSERT_EQ(0, set_number(1, "pool_bytes", 2 * POOL));
	GET(NUMAPIN_ALLOC_PRIVATE, 'p');
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		memset(self->addr, 'c', POOL);
		CHILD_EXPECT(counter(1, "pool_used_bytes") == 2 * POOL);
		CHILD_EXPECT(!pages_elsewhere(self->addr, POOL, 1));
		CHILD_EXPECT(self->addr[0] == 'c' && self->addr[POOL - 1] == 'c');
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ('p', self->addr[0]);
	EXPECT_EQ('p', self->addr[POOL - 1]);
	DROP();
	EXPECT_TRUE(is_filled(2 * POOL));
}

/* But who may not have memory of the node has none of the pool. */
TEST_F(pool, copies_nothing_outside_a_cpuset)
{
	struct worker child;

	ASSERT_EQ(0, set_number(1, "pool_bytes", 2 * POOL));
	GET(NUMAPIN_ALLOC_PRIVATE, 'p');
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		int zero = open("/dev/zero", O_RDONLY);

		CHILD_EXPECT(cgroup_enter("cpuset", "cpuset.mems", "0"));
		CHILD_EXPECT(read(zero, self->addr, 1) == -1 && errno == EFAULT);
		CHILD_EXPECT(counter(1, "pool_used_bytes") == POOL);
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(SOON(cgroup_leave()));
	DROP();
	EXPECT_TRUE(is_filled(2 * POOL));
}

TEST_F(pool, sizes)
{
	static const char *const bad[] = { "x", "-1", "4x", "99999999999999999999" };
	char path[ATTRIBUTE_PATH];

	for (int i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_NE(0, write_errno(attribute(path, 1, "pool_bytes"), bad[i]));
	EXPECT_EQ(ENOMEM, set_number(1, "pool_bytes", (size_t)1 << 60));
	EXPECT_EQ(ENOMEM, set_number(1, "pool_bytes", (size_t)-1));
	EXPECT_EQ(POOL, counter(1, "pool_bytes"));
	EXPECT_EQ(POOL, counter(1, "pool_filled_bytes"));
	/* In whole pages of it */
	EXPECT_EQ(0, set_number(1, "pool_bytes", 3 * HUGE_PAGE - 1));
	EXPECT_EQ(2 * HUGE_PAGE, counter(1, "pool_bytes"));
	EXPECT_EQ(2 * HUGE_PAGE, counter(1, "pool_filled_bytes"));
	EXPECT_EQ(EINVAL, write_errno(attribute(path, 1, "pool_reclaim"), "2"));
}

/* What a region has when the pool becomes smaller is freed as the region ends. */
TEST_F(pool, becomes_smaller_under_a_region)
{
	GET(0, 'x');
	EXPECT_EQ(0, set_number(1, "pool_bytes", HUGE_PAGE));
	EXPECT_EQ(POOL, counter(1, "pool_used_bytes"));
	DROP();
	EXPECT_TRUE(is_filled(HUGE_PAGE));
	EXPECT_TRUE(SOON(pool_total(1) == HUGE_PAGE));
}

/* More than the node has is refused, and what was had on the way is given back. */
TEST_F(pool, all_of_it_or_none)
{
	long long had;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	had = node_free(1);
	EXPECT_EQ(ENOMEM, set_number(1, "pool_bytes", had + POOL));
	EXPECT_EQ(POOL, counter(1, "pool_bytes"));
	EXPECT_EQ(POOL, pool_total(1));
	EXPECT_TRUE(SOON(node_free(1) > had - 64 * (long long)MIB));
}

/* Nor does it give way to who fills it: then there would be less than was asked for. */
TEST_F(pool, does_not_give_way_to_itself)
{
	long long had;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	/* What other tests left in the page cache could be had. */
	ASSERT_TRUE(write_file("/proc/sys/vm/drop_caches", "3"));
	ASSERT_EQ(0, set_number(1, "pool_bytes", 256 * MIB));
	ASSERT_EQ(0, set_number(1, "pool_reclaim", 1));
	had = node_free(1);
	for (int more = 4; more <= 32; more += 4)
		EXPECT_EQ(ENOMEM, set_number(1, "pool_bytes", 256 * MIB + had + more * MIB));
	EXPECT_EQ(256 * MIB, counter(1, "pool_bytes"));
}

static void ignore_it(int signal)
{
}

/* Who waits for memory that others must give back first need not wait to the end. */
TEST_F(pool, does_not_grow_after_a_signal)
{
	const struct sigaction action = { .sa_handler = ignore_it };
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	const int disk = open(DISK, O_RDONLY);
	int error = ENOMEM;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_TRUE(fill_with_page_cache(disk, 1, 64 * MIB));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	/* Where the kernel gives up on a huge page at once, it was not the signal. */
	for (int i = 0; i < 10 && error == ENOMEM; i++) {
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
		error = set_number(1, "pool_bytes", 1024 * MIB);
	}
	EXPECT_EQ(EINTR, error);
	EXPECT_EQ(POOL, counter(1, "pool_bytes"));
	EXPECT_EQ(POOL, pool_total(1));
	close(disk);
}

/* What somebody needs, if root allowed it, and only then */
TEST_F(pool, gives_way_under_pressure)
{
	size_t bytes;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	for (int reclaim = 0; reclaim < 2; reclaim++) {
		ASSERT_EQ(0, set_number(1, "pool_bytes", 256 * MIB));
		ASSERT_EQ(0, set_number(1, "pool_reclaim", reclaim));
		EXPECT_EQ(reclaim, counter(1, "pool_reclaim"));
		bytes = (node_free(1) + 64 * MIB) & ~(HUGE_PAGE - 1);
		close(self->fd);
		self->fd = open_node(1, O_RDWR);
		EXPECT_EQ(reclaim ? 0 : ENOMEM,
			  alloc_region(self->fd, bytes, NUMAPIN_ALLOC_NO_HUGE, NULL));
		EXPECT_EQ(!reclaim, counter(1, "pool_filled_bytes") == 256 * MIB);
	}
}

/* Threads that have regions of the pool, all the while */
struct users {
	pthread_t threads[3];
	atomic_bool stop;
};

static void *use_it(void *arg)
{
	struct users *users = arg;
	long bad = 0;

	for (int i = 0; !users->stop; i++) {
		int fd = open_node(1, O_RDWR);
		char *addr;

		if (!alloc_region(fd, POOL, i % 2 ? NUMAPIN_ALLOC_PRIVATE : 0, NULL)) {
			addr = map_shared(fd, POOL, 0);
			bad += !all_zero(addr, POOL);
			memset(addr, 0xff, POOL);
			munmap(addr, POOL);
		}
		close(fd);
	}
	return (void *)bad;
}

static bool start_users(struct users *users)
{
	bool ok = true;

	users->stop = false;
	for (int i = 0; i < ARRAY_SIZE(users->threads); i++)
		ok &= !pthread_create(&users->threads[i], NULL, use_it, users);
	return ok;
}

/* How many regions had something in them when they were new */
static long stop_users(struct users *users)
{
	long sum = 0;
	void *bad;

	users->stop = true;
	for (int i = 0; i < ARRAY_SIZE(users->threads); i++) {
		pthread_join(users->threads[i], &bad);
		sum += (long)bad;
	}
	return sum;
}

TEST_F(pool, changes_size_in_use)
{
	struct users users;

	ASSERT_TRUE(start_users(&users));
	for (unsigned int i = 0; i < 200; i++)
		EXPECT_EQ(0, set_number(1, "pool_bytes", i * 7 % 20 * HUGE_PAGE));
	EXPECT_EQ(0, stop_users(&users));
	EXPECT_EQ(0, set_number(1, "pool_bytes", POOL));
	EXPECT_TRUE(is_filled(POOL));
	EXPECT_TRUE(SOON(pool_total(1) == POOL));
}

/* What comes back while it grows is part of what it then has. */
TEST_F(pool, has_all_of_it_after_growing_in_use)
{
	struct users users;

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, set_number(1, "pool_bytes", POOL));
		ASSERT_TRUE(start_users(&users));
		usleep(20000);
		EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
		EXPECT_EQ(0, set_number(1, "pool_bytes", 4 * POOL));
		EXPECT_EQ(0, stop_users(&users));
		EXPECT_TRUE(is_filled(4 * POOL));
	}
}

/* What the module's parameter says, from loading to unloading, which frees it */
TEST(comes_and_goes_with_the_module)
{
	long long had;

	if (!module_path())
		SKIP(return, NO_MODULE_PATH);
	ASSERT_EQ(0, unload_module());
	had = node_free(1);
	ASSERT_EQ(0, load_module("pool_bytes=0,268435456"));
	EXPECT_EQ(0, counter(0, "pool_bytes"));
	EXPECT_EQ(256 * MIB, counter(1, "pool_bytes"));
	EXPECT_EQ(256 * MIB, counter(1, "pool_filled_bytes"));
	EXPECT_GT(had - 128 * (long long)MIB, node_free(1));
	EXPECT_EQ(0, unload_module());
	EXPECT_TRUE(SOON(node_free(1) > had - 64 * (long long)MIB));
	EXPECT_EQ(0, load_module(""));
}

/* Half of what came back is not zeroed yet, and a thread is at it. */
TEST(goes_with_the_module_while_it_is_zeroed)
{
	const size_t bytes = 256 * MIB;
	long long had;
	int fd;

	if (!module_path())
		SKIP(return, NO_MODULE_PATH);
	ASSERT_EQ(0, unload_module());
	had = node_free(1);
	ASSERT_EQ(0, load_module("pool_bytes=0,268435456"));
	fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(fd, bytes, NUMAPIN_ALLOC_HUGE, NULL));
	close(fd);
	EXPECT_TRUE(SOON(counter(1, "pool_dirty_bytes") <= bytes / 2));
	EXPECT_LT(0, counter(1, "pool_dirty_bytes"));
	EXPECT_EQ(0, system("pgrep -x numapin/1 >/dev/null"));
	EXPECT_EQ(0, unload_module());
	EXPECT_NE(0, system("pgrep -x numapin/1 >/dev/null"));
	EXPECT_TRUE(SOON(node_free(1) > had - 64 * (long long)MIB));
	EXPECT_EQ(0, load_module(""));
}

TEST_HARNESS_MAIN
