// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page on which the hardware fails, as MADV_HWPOISON plays it: the rest of
 * its region goes on, and nobody is given it again.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/uio.h>

#include "harness.h"

#include "child.h"
#include "device.h"
#include "oracle.h"
#include "worker.h"

/* Which page of the region is to fail */
#define BAD 5

FIXTURE(region) {
	int fd;
	char *addr;
	size_t bytes;
	long lost;	/* bytes of node 1 kept from use so far */
};

/* Ways to play a failure; each says that it could do nothing for the page. */
static int by_madvise(char *page)
{
	return madvise(page, PAGE, MADV_HWPOISON);
}

/* The way of a machine check */
static int fail_frame(uint64_t frame)
{
	char address[32];

	snprintf(address, sizeof(address), "%#" PRIx64, frame * PAGE);
	return write_file("/sys/devices/system/memory/hard_offline_page", address) ? 0 : -1;
}

static int by_address(char *page)
{
	return fail_frame(page_frame(page));
}

FIXTURE_VARIANT(region) {
	uint32_t flags;
	size_t page;	/* bytes: of what is lost for it */
	size_t unit;	/* bytes: the region has three */
	int (*fail)(char *page);
};

FIXTURE_VARIANT_ADD(region, huge_by_madvise) {
	.flags = NUMAPIN_ALLOC_HUGE, .page = HUGE_PAGE, .unit = HUGE_PAGE, .fail = by_madvise,
};

FIXTURE_VARIANT_ADD(region, huge_by_address) {
	.flags = NUMAPIN_ALLOC_HUGE, .page = HUGE_PAGE, .unit = HUGE_PAGE, .fail = by_address,
};

FIXTURE_VARIANT_ADD(region, small_by_madvise) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .page = PAGE, .unit = HUGE_PAGE, .fail = by_madvise,
};

FIXTURE_VARIANT_ADD(region, small_by_address) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .page = PAGE, .unit = HUGE_PAGE, .fail = by_address,
};

FIXTURE_VARIANT_ADD(region, clusters_by_madvise) {
	.page = CLUSTER, .unit = CLUSTER, .fail = by_madvise,
};

FIXTURE_VARIANT_ADD(region, clusters_by_address) {
	.page = CLUSTER, .unit = CLUSTER, .fail = by_address,
};

FIXTURE_SETUP(region)
{
	self->bytes = 3 * variant->unit;
	self->lost = counter(1, "poisoned_bytes");
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, self->bytes, variant->flags, NULL));
	self->addr = map_shared(self->fd, self->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	for (size_t i = 0; i < self->bytes / PAGE; i++)
		self->addr[i * PAGE] = i % 100;
	EXPECT_EQ(-1, variant->fail(self->addr + BAD * PAGE));
	ASSERT_TRUE(is_poisoned(page_frame(self->addr + BAD * PAGE)));
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->addr, self->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(self->lost + variant->page, counter(1, "poisoned_bytes"));
}

static sigjmp_buf jump;
static int signal_code;

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	signal_code = info->si_code;
	siglongjmp(jump, 1);
}

/* The si_code of the SIGBUS that accessing a byte is; 0: it can be accessed. */
static int sigbus_of(char *addr, bool write)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	signal_code = 0;
	if (sigsetjmp(jump, 1))
		return signal_code;
	if (write)
		*(volatile char *)addr = 1;
	else
		*(const volatile char *)addr;
	return signal_code;
}

/* Whether a page is, or is part of, the one that is lost. */
static bool is_lost(size_t page, size_t unit)
{
	return page * PAGE / unit == BAD * PAGE / unit;
}

TEST_F(region, mapping_keeps_all_others)
{
	for (size_t i = 0; i < self->bytes / PAGE; i++)
		if (i != BAD)
			ASSERT_EQ(i % 100, self->addr[i * PAGE]);
}

/* Who maps it has it still; who would fault it in does not get it. */
TEST_F(region, is_not_faulted_in)
{
	ASSERT_EQ(0, madvise(self->addr, self->bytes, MADV_DONTNEED));
	for (size_t i = 0; i < self->bytes / PAGE; i++) {
		ASSERT_EQ(is_lost(i, variant->page) ? BUS_MCEERR_AR : 0,
			  sigbus_of(self->addr + i * PAGE, false));
		ASSERT_TRUE(signal_code || self->addr[i * PAGE] == (char)(i % 100));
	}
}

TEST_F(region, is_not_mapped_again)
{
	munmap(self->addr, self->bytes);
	self->addr = map_shared(self->fd, self->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	for (size_t i = 0; i < self->bytes / PAGE; i++) {
		ASSERT_EQ(is_lost(i, variant->page) ? BUS_MCEERR_AR : 0,
			  sigbus_of(self->addr + i * PAGE, false));
		ASSERT_TRUE(signal_code || self->addr[i * PAGE] == (char)(i % 100));
	}
}

/*
 * The frame is not among what the page allocator has to give, then or later: a
 * larger page is one still, a small one is marked as broken and nowhere free.
 */
TEST_F(region, is_never_given_again)
{
	const uint64_t frame = page_frame(self->addr + BAD * PAGE);
	uint64_t flags;

	munmap(self->addr, self->bytes);
	close(self->fd);
	ASSERT_TRUE(nothing_left());
	EXPECT_TRUE(is_poisoned(frame));
	flags = page_flags(frame);
	EXPECT_FALSE(flags & 1ULL << KPF_BUDDY);
	EXPECT_EQ(variant->page > PAGE, !!(flags & 1ULL << KPF_COMPOUND_TAIL));
}

FIXTURE(page) {
	int fd;
	char *addr, *bad;
	size_t bytes;
	long lost;	/* bytes of node 1 kept from use so far */
};

FIXTURE_VARIANT(page) {
	uint32_t flags;
	size_t page;	/* bytes: of what is lost */
	size_t unit;	/* bytes: the region has three */
};

FIXTURE_VARIANT_ADD(page, huge) {
	.flags = NUMAPIN_ALLOC_HUGE, .page = HUGE_PAGE, .unit = HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(page, cluster) {
	.page = CLUSTER, .unit = CLUSTER,
};

FIXTURE_VARIANT_ADD(page, small) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .page = PAGE, .unit = HUGE_PAGE,
};

FIXTURE_SETUP(page)
{
	self->bytes = 3 * variant->unit;
	self->lost = counter(1, "poisoned_bytes");
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, self->bytes, variant->flags | NUMAPIN_ALLOC_PRIVATE,
				  NULL));
	self->addr = map_shared(self->fd, self->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	memset(self->addr, 'a', self->bytes);
	self->bad = self->addr + BAD * PAGE;
}

FIXTURE_TEARDOWN(page)
{
	munmap(self->addr, self->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(self->lost + variant->page, counter(1, "poisoned_bytes"));
}

/* What parent and child both have, neither gets any more; nor a copy of it. */
TEST_F(page, fails_after_a_fork)
{
	const long failed = counter(1, "failed_copies");
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(sigbus_of(self->bad, false) == BUS_MCEERR_AR);
		CHILD_EXPECT(sigbus_of(self->bad, true) == BUS_MCEERR_AR);
		CHILD_EXPECT(!sigbus_of(self->bad + variant->unit, true));
		CHILD_EXPECT(self->bad[variant->unit + 1] == 'a');
		_exit(0);
	}
	EXPECT_EQ(-1, by_madvise(self->bad));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_LT(failed, counter(1, "failed_copies"));
	ASSERT_EQ(0, madvise(self->addr, self->bytes, MADV_DONTNEED));
	EXPECT_EQ(BUS_MCEERR_AR, sigbus_of(self->bad, false));
	EXPECT_EQ(0, sigbus_of(self->bad + variant->unit, false));
}

/* A page that a pipe has a while longer than the region */
TEST_F(page, fails_when_its_region_is_gone)
{
	struct iovec iov = { self->bad, PAGE };
	uint64_t frame = page_frame(self->bad);
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));
	munmap(self->addr, self->bytes);
	EXPECT_TRUE(SOON(counter(1, "bytes") == (long)variant->page));
	EXPECT_EQ(-1, fail_frame(frame));
	ASSERT_TRUE(is_poisoned(frame));
	EXPECT_TRUE(SOON(!counter(1, "lingering_bytes")));
	EXPECT_EQ(self->lost + variant->page, counter(1, "poisoned_bytes"));
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_FALSE(page_flags(frame) & 1ULL << KPF_BUDDY);
}

TEST_HARNESS_MAIN
