// SPDX-License-Identifier: GPL-2.0-only
/*
 * Striped regions: each page is on the node that the contract says, and a region
 * counts with each of its nodes, and is refused by each.
 */
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/uio.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "oracle.h"
#include "stripes.h"

FIXTURE(striped) {
	struct stripes stripes;
	int fd;
	size_t page;
	size_t bytes;
	char *addr;
};

FIXTURE_VARIANT(striped) {
	uint32_t flags;
	unsigned int first;		/* node */
	unsigned int weights[2];	/* of it and the other */
	size_t pages;
};

/* In turns, with a turn that is not whole, and with one that is never over */
FIXTURE_VARIANT_ADD(striped, huge) {
	.flags = NUMAPIN_ALLOC_HUGE, .first = 0, .weights = { 1, 1 }, .pages = 8,
};

FIXTURE_VARIANT_ADD(striped, huge_by_weight) {
	.flags = NUMAPIN_ALLOC_HUGE, .first = 1, .weights = { 3, 1 }, .pages = 10,
};

FIXTURE_VARIANT_ADD(striped, huge_private) {
	.flags = NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_PRIVATE, .first = 0,
	.weights = { 2, 1 }, .pages = 5,
};

FIXTURE_VARIANT_ADD(striped, small) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .first = 0, .weights = { 1, 1 }, .pages = 3001,
};

FIXTURE_VARIANT_ADD(striped, small_by_weight) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .first = 1, .weights = { 5, 2 }, .pages = 1234,
};

FIXTURE_VARIANT_ADD(striped, small_private) {
	.flags = NUMAPIN_ALLOC_NO_HUGE | NUMAPIN_ALLOC_PRIVATE, .first = 1,
	.weights = { 1, 4 }, .pages = 99,
};

FIXTURE_VARIANT_ADD(striped, all_in_one_turn) {
	.flags = NUMAPIN_ALLOC_NO_HUGE, .first = 0, .weights = { 4000000000u, 1 }, .pages = 40,
};

/* Bytes that the kernel's map has on a node */
static long mapped_on(const void *addr, int node)
{
	char line[512], field[16], *found;

	numa_maps_line(addr, line, sizeof(line));
	snprintf(field, sizeof(field), " N%d=", node);
	found = strstr(line, field);
	return found ? atol(found + strlen(field)) * PAGE : 0;
}

FIXTURE_SETUP(striped)
{
	struct numapin_alloc reply;
	const int nodes[] = { variant->first, !variant->first };

	self->page = variant->flags & NUMAPIN_ALLOC_HUGE ? HUGE_PAGE : PAGE;
	self->bytes = variant->pages * self->page;
	ASSERT_TRUE(open_stripes(&self->stripes, nodes, variant->weights, 2));
	self->fd = self->stripes.stripe[0].fd;
	ASSERT_EQ(0, alloc_striped(&self->stripes, self->bytes, variant->flags, &reply));
	EXPECT_EQ(self->bytes, reply.out_length);
	EXPECT_EQ(self->page == HUGE_PAGE ? self->bytes : 0, reply.out_huge_bytes);
	EXPECT_EQ(variant->first, reply.out_node);
	self->addr = map_shared(self->fd, self->bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, self->addr);
}

FIXTURE_TEARDOWN(striped)
{
	munmap(self->addr, self->bytes);
	close_stripes(&self->stripes);
	EXPECT_TRUE(nothing_left());
	for (int node = 0; node < 2; node++) {
		EXPECT_EQ(0, counter(node, "huge_bytes"));
		EXPECT_EQ(0, counter(node, "lingering_bytes"));
	}
}

/* How many of the fixture's pages are not where the contract has them */
#define MISPLACED() pages_off_stripe(&self->stripes, self->addr, self->bytes, self->page)

TEST_F(striped, is_where_the_contract_says)
{
	EXPECT_TRUE(all_zero(self->addr, self->bytes));
	EXPECT_EQ(0, MISPLACED());
}

TEST_F(striped, locate_agrees)
{
	const size_t count = self->bytes / PAGE;
	int *nodes = nodes_of(self->addr, self->bytes);
	int *located = calloc(count, sizeof(*located));
	struct numapin_locate locate = {
		.size = sizeof(locate),
		.addr = (uintptr_t)self->addr,
		.length = self->bytes,
		.nodes = (uintptr_t)located,
	};

	ASSERT_NE(NULL, nodes);
	ASSERT_NE(NULL, located);
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &locate));
	EXPECT_EQ(0, memcmp(nodes, located, count * sizeof(*nodes)));
	free(located);
	free(nodes);
}

/* With the device's descriptors closed, as libraries will have them */
TEST_F(striped, counts_with_each_node)
{
	const size_t huge = self->page == HUGE_PAGE;
	char path[64], line[256], expected[256];
	FILE *fdinfo;
	int found = 0;

	close(self->stripes.stripe[1].fd);
	self->stripes.stripe[1].fd = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	fdinfo = fopen(path, "r");
	ASSERT_NE(NULL, fdinfo);
	for (unsigned int i = 0; i < 2; i++) {
		const size_t bytes = stripe_pages(&self->stripes, i, variant->pages) * self->page;
		const int node = self->stripes.node[i];

		EXPECT_EQ(1, counter(node, "regions"));
		EXPECT_EQ(bytes, counter(node, "bytes"));
		EXPECT_EQ(huge * bytes, counter(node, "huge_bytes"));
		EXPECT_EQ(bytes, mapped_on(self->addr, node));
		snprintf(expected, sizeof(expected), "numapin-stripe:\t%d %u %zu\n", node,
			 variant->weights[i], bytes);
		while (found <= i && fgets(line, sizeof(line), fdinfo))
			found += !strcmp(line, expected);
		EXPECT_EQ(i + 1, found);
	}
	fclose(fdinfo);
}

/* The kernel's word for pages whose node no policy chose */
TEST_F(striped, no_policy_is_told_and_none_is_taken)
{
	unsigned long mask = 1;
	char line[512];

	numa_maps_line(self->addr, line, sizeof(line));
	EXPECT_NE(NULL, strstr(line, " default file=/dev/numapin/node"));
	EXPECT_EQ(-1, mbind(self->addr, self->bytes, MPOL_BIND, &mask, 8, MPOL_MF_MOVE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, MISPLACED());
}

TEST_F(striped, holds_what_is_written)
{
	char *again;

	for (size_t at = 0; at < self->bytes; at += PAGE)
		memcpy(self->addr + at, &at, sizeof(at));
	/* A private one can be mapped once. */
	again = variant->flags & NUMAPIN_ALLOC_PRIVATE ? self->addr :
		map_shared(self->fd, self->bytes, 0);
	ASSERT_NE(MAP_FAILED, again);
	for (size_t at = 0; at < self->bytes; at += PAGE)
		ASSERT_EQ(0, memcmp(again + at, &at, sizeof(at)));
	if (again != self->addr)
		munmap(again, self->bytes);
}

/* After fork() each copy is on the node of what it is a copy of. */
TEST_F(striped, is_copied_where_it_is)
{
	pid_t pid;
	int status;

	memset(self->addr, 1, self->bytes);
	pid = fork();
	if (!pid) {
		memset(self->addr, 2, self->bytes);
		_exit(MISPLACED() ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(variant->flags & NUMAPIN_ALLOC_PRIVATE ? 1 : 2, self->addr[self->bytes - 1]);
	memset(self->addr, 3, self->bytes);
	EXPECT_EQ(0, MISPLACED());
}

/* A pipe has a page of each node when the region ends. */
TEST_F(striped, lingers_with_each_node)
{
	const size_t at[] = {
		0, (size_t)variant->weights[0] % variant->pages * self->page,
	};
	const bool both = variant->weights[0] < variant->pages;
	struct iovec word = { .iov_len = 8 };
	int ends[2];
	char got[8];

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < 1 + both; i++) {
		word.iov_base = self->addr + at[i];
		ASSERT_EQ(8, vmsplice(ends[1], &word, 1, 0));
	}
	munmap(self->addr, self->bytes);
	close_stripes(&self->stripes);
	EXPECT_TRUE(SOON(counter(variant->first, "bytes") == (long)self->page));
	EXPECT_EQ(self->page, counter(variant->first, "lingering_bytes"));
	EXPECT_TRUE(SOON(counter(!variant->first, "bytes") == (long)(both * self->page)));
	EXPECT_EQ(both * self->page, counter(!variant->first, "lingering_bytes"));
	for (int i = 0; i < 1 + both; i++)
		EXPECT_EQ(8, read(ends[0], got, 8));
	close(ends[0]);
	close(ends[1]);
	EXPECT_TRUE(nothing_left());
}

/* A request of both nodes that is refused */
FIXTURE(request) {
	struct stripes stripes;
};

FIXTURE_SETUP(request)
{
	const int nodes[] = { 0, 1 };
	const unsigned int weights[] = { 1, 1 };

	ASSERT_TRUE(open_stripes(&self->stripes, nodes, weights, 2));
}

FIXTURE_TEARDOWN(request)
{
	set_budget(0, "max");
	set_budget(1, "max");
	close_stripes(&self->stripes);
	EXPECT_TRUE(nothing_left());
}

#define BYTES (8 * HUGE_PAGE)

/* ALLOC is refused with an errno, a cause, and the node that is the cause. */
#define EXPECT_REFUSED(bytes, error, why, node, left) do {				\
	struct numapin_alloc _reply;							\
											\
	EXPECT_EQ(error, alloc_striped(&self->stripes, bytes, NUMAPIN_ALLOC_HUGE, &_reply)); \
	EXPECT_EQ(NUMAPIN_CAUSE_##why, _reply.out_cause);				\
	EXPECT_EQ(node, _reply.out_node);						\
	EXPECT_EQ(left, _reply.out_available);						\
	EXPECT_EQ(0, _reply.out_length);						\
	EXPECT_TRUE(is_unused(0) && is_unused(1));					\
} while (0)

TEST_F(request, beyond_a_nodes_budget)
{
	long failures = counter(1, "failures/budget");

	ASSERT_TRUE(set_budget(1, "4194304"));
	EXPECT_REFUSED(BYTES, ENOMEM, BUDGET, 1, 2 * HUGE_PAGE);
	EXPECT_EQ(failures + 1, counter(1, "failures/budget"));
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES / 2, NUMAPIN_ALLOC_HUGE, NULL));
}

TEST_F(request, beyond_what_a_node_has)
{
	const size_t bytes = (size_t)16 << 40;
	struct numapin_alloc reply;

	EXPECT_EQ(ENOMEM, alloc_striped(&self->stripes, bytes, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_TOO_LARGE, reply.out_cause);
	EXPECT_EQ(0, reply.out_node);
	EXPECT_LT(0, reply.out_available);
	EXPECT_EQ(ENOMEM, alloc_striped(&self->stripes, -HUGE_PAGE, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_TOO_LARGE, reply.out_cause);
}

/* The first node gives its part, and has it back. */
TEST_F(request, of_a_node_that_is_full)
{
	const int other = open_node(1, O_RDWR);
	struct numapin_alloc reply;
	size_t bytes;

	/* So that it is less than the node has, free or not */
	ASSERT_EQ(0, alloc_region(other, 128 * MIB, 0, NULL));
	bytes = (size_t)(node_free(1) + 64 * MIB) & -HUGE_PAGE;
	self->stripes.stripe[1].weight = bytes / HUGE_PAGE - 1;
	EXPECT_EQ(ENOMEM, alloc_striped(&self->stripes, bytes, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NO_HUGE_PAGE, reply.out_cause);
	EXPECT_EQ(1, reply.out_node);
	EXPECT_TRUE(is_unused(0));
	EXPECT_EQ(128 * MIB, counter(1, "bytes"));
	self->stripes.stripe[1].weight = 1;
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
	close(other);
}

TEST_F(request, beyond_memlock)
{
	/* Root opened the files, and nobody has the limit. */
	ASSERT_TRUE(become_nobody(BYTES));
	EXPECT_REFUSED(2 * BYTES, ENOMEM, MEMLOCK, 1, 0);
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
	ASSERT_TRUE(become_root());
}

TEST_F(request, of_a_node_that_the_cpuset_has_not)
{
	ASSERT_TRUE(cgroup_enter("cpuset", "cpuset.mems", "0"));
	EXPECT_REFUSED(BYTES, EPERM, CPUSET, 1, 0);
	EXPECT_TRUE(cgroup_leave());
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
}

/* What a descriptor of a stripe has to be, to be the right to its node */
TEST_F(request, without_the_right_to_a_node)
{
	struct numapin_stripe *second = &self->stripes.stripe[1];
	const int node1 = second->fd;

	second->fd = -1;
	EXPECT_REFUSED(BYTES, EBADF, NONE, 0, 0);
	second->fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, second->fd);
	EXPECT_REFUSED(BYTES, EBADF, NONE, 0, 0);
	close(second->fd);
	second->fd = open_node(1, O_RDONLY);
	ASSERT_LE(0, second->fd);
	EXPECT_REFUSED(BYTES, EBADF, NONE, 0, 0);
	close(second->fd);
	second->fd = node1;
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
}

/* ALLOC of the fixture's stripes is an errno, and nothing is answered. */
#define EXPECT_UNANSWERED(error, flags) do {						\
	struct numapin_alloc _reply;							\
											\
	EXPECT_EQ(error, alloc_striped(&self->stripes, BYTES, flags, &_reply));		\
	EXPECT_EQ(0, _reply.out_cause);							\
	EXPECT_EQ(0, _reply.out_length);						\
	EXPECT_TRUE(is_unused(0) && is_unused(1));					\
} while (0)

TEST_F(request, that_makes_no_sense)
{
	struct numapin_stripe *stripe = self->stripes.stripe;
	const struct numapin_stripe second = stripe[1];

	EXPECT_UNANSWERED(EINVAL, 0);
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_PRIVATE);
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE);
	stripe[1].weight = 0;
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_HUGE);
	stripe[1] = stripe[0];
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_HUGE);
	stripe[1].fd = open_node(0, O_RDWR);
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_HUGE);
	close(stripe[1].fd);
	stripe[1] = second;
	self->stripes.count = NUMAPIN_MAX_STRIPES + 1;
	EXPECT_UNANSWERED(EINVAL, NUMAPIN_ALLOC_HUGE);
	self->stripes.count = 2;
	EXPECT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
}

/* The device whose file is to have the region comes first. */
TEST_F(request, of_other_nodes_than_the_files)
{
	struct numapin_stripe first = self->stripes.stripe[0];
	struct numapin_alloc alloc = {
		.size = sizeof(alloc),
		.flags = NUMAPIN_ALLOC_HUGE,
		.length = BYTES,
		.stripes = (uintptr_t)self->stripes.stripe,
		.nr_stripes = 2,
	};

	self->stripes.stripe[0] = self->stripes.stripe[1];
	self->stripes.stripe[1] = first;
	EXPECT_EQ(EINVAL, ioctl_errno(first.fd, NUMAPIN_IOCTL_ALLOC, &alloc));
	alloc.reserved = 1;
	EXPECT_EQ(EINVAL, ioctl_errno(self->stripes.stripe[0].fd, NUMAPIN_IOCTL_ALLOC, &alloc));
	alloc.reserved = 0;
	alloc.stripes = (uintptr_t)-PAGE;
	EXPECT_EQ(EFAULT, ioctl_errno(self->stripes.stripe[0].fd, NUMAPIN_IOCTL_ALLOC, &alloc));
	alloc.stripes = (uintptr_t)self->stripes.stripe;
	EXPECT_EQ(0, ioctl_errno(self->stripes.stripe[0].fd, NUMAPIN_IOCTL_ALLOC, &alloc));
}

/* One stripe is a region of its node like any other. */
TEST_F(request, of_one_node)
{
	char *addr;

	self->stripes.count = 1;
	ASSERT_EQ(0, alloc_striped(&self->stripes, BYTES, NUMAPIN_ALLOC_HUGE, NULL));
	addr = map_shared(self->stripes.stripe[0].fd, BYTES, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, pages_elsewhere(addr, BYTES, 0));
	EXPECT_EQ(0, counter(1, "bytes"));
	munmap(addr, BYTES);
}

TEST_HARNESS_MAIN
