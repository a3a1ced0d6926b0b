// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library where the module is: PINNED memory, and every error.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness.h"

#include "constructor.h"
#include "device.h"
#include "library.h"
#include "oracle.h"
#include "pattern.h"
#include "pressure.h"
#include "sandbox.h"
#include "seccomp.h"
#include "worker.h"

FIXTURE(pinned) {
	struct numapin_receipt receipt;
	char *addr;
};

FIXTURE_VARIANT(pinned) {
	int node;
	size_t bytes;
};

#define PINNED_VARIANTS(_name, _bytes)						\
FIXTURE_VARIANT_ADD(pinned, node0_##_name) { .node = 0, .bytes = (_bytes) };	\
FIXTURE_VARIANT_ADD(pinned, node1_##_name) { .node = 1, .bytes = (_bytes) }

PINNED_VARIANTS(1B, 1);
PINNED_VARIANTS(4KiB, 4 * KIB);
PINNED_VARIANTS(1MiB, MIB);
PINNED_VARIANTS(2MiB, 2 * MIB);
PINNED_VARIANTS(5MiB, 5 * MIB);
PINNED_VARIANTS(256MiB, 256 * MIB);

FIXTURE_SETUP(pinned)
{
	self->addr = numapin_alloc(variant->node, variant->bytes, 0, &self->receipt);
	ASSERT_NE(NULL, self->addr);
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, free_numa_memory(self->addr, variant->bytes));
	EXPECT_TRUE(all_freed());
}

TEST_F(pinned, receipt_and_witnesses_agree)
{
	const size_t pages = whole_pages(variant->bytes) / PAGE;
	int *nodes = calloc(pages, sizeof(*nodes));

	EXPECT_EQ(variant->node, self->receipt.node);
	EXPECT_EQ(NUMAPIN_PINNED, self->receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NONE, self->receipt.reason);
	EXPECT_EQ(pages * PAGE, self->receipt.bytes);
	EXPECT_EQ(self->receipt.huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	EXPECT_EQ(variant->bytes & ~(HUGE_PAGE - 1), self->receipt.huge_bytes);
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, variant->node));

	ASSERT_EQ(pages, numapin_locate(self->addr, variant->bytes, nodes, pages));
	for (size_t i = 0; i < pages; i++)
		ASSERT_EQ(variant->node, nodes[i]);
	free(nodes);
}

TEST_F(pinned, no_fault_on_first_touch)
{
	EXPECT_EQ(0, faults_to_touch(self->addr, variant->bytes));
}

TEST_F(pinned, is_zeroed)
{
	EXPECT_EQ(0, (uintptr_t)self->addr % PAGE);
	EXPECT_TRUE(all_zero(self->addr, variant->bytes));
}

FIXTURE(striped) {
	struct numapin_receipt receipt;
	size_t page, bytes;
	char *addr;
};

FIXTURE_VARIANT(striped) {
	const char *backend;
	unsigned int flags;
	struct numapin_part parts[2];
	size_t pages;
	int outcome;
};

FIXTURE_VARIANT_ADD(striped, huge) {
	.flags = NUMAPIN_HUGE, .parts = { { 0, 1 }, { 1, 1 } }, .pages = 5,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(striped, huge_shared) {
	.flags = NUMAPIN_HUGE | NUMAPIN_SHARED, .parts = { { 1, 2 }, { 0, 1 } }, .pages = 6,
	.outcome = NUMAPIN_PINNED,
};

/* As little as shares a region, where it is of one node */
FIXTURE_VARIANT_ADD(striped, small) {
	.flags = NUMAPIN_NO_HUGE, .parts = { { 1, 3 }, { 0, 2 } }, .pages = 7,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(striped, bound) {
	.backend = "mbind", .flags = NUMAPIN_NO_HUGE, .parts = { { 1, 3 }, { 0, 2 } },
	.pages = 257, .outcome = NUMAPIN_BOUND,
};

FIXTURE_SETUP(striped)
{
	if (variant->backend)
		setenv("NUMAPIN_BACKEND", variant->backend, 1);
	self->page = variant->flags & NUMAPIN_HUGE ? HUGE_PAGE : PAGE;
	self->bytes = variant->pages * self->page;
	self->addr = numapin_alloc_striped(variant->parts, 2, self->bytes, variant->flags,
					   &self->receipt);
	ASSERT_NE(NULL, self->addr);
}

FIXTURE_TEARDOWN(striped)
{
	EXPECT_EQ(0, free_numa_memory(self->addr, self->bytes));
	EXPECT_TRUE(all_freed());
}

/* The node of page i, as the contract has it of two parts */
static int node_of_page(const struct numapin_part *parts, size_t page)
{
	return parts[page % (parts[0].weight + parts[1].weight) >= parts[0].weight].node;
}

TEST_F(striped, is_where_it_was_told)
{
	int *nodes = nodes_of(self->addr, self->bytes);

	EXPECT_EQ(variant->outcome, self->receipt.outcome);
	EXPECT_EQ(variant->parts[0].node, self->receipt.node);
	EXPECT_EQ(self->bytes, self->receipt.bytes);
	EXPECT_EQ(!!(variant->flags & NUMAPIN_SHARED), self->receipt.shared);
	EXPECT_EQ(variant->flags & NUMAPIN_HUGE ? self->bytes : 0, self->receipt.huge_bytes);
	EXPECT_TRUE(all_zero(self->addr, self->bytes));
	ASSERT_NE(NULL, nodes);
	for (size_t i = 0; i < self->bytes / PAGE; i++) {
		const size_t page = i * PAGE / self->page;
		const int node = node_of_page(variant->parts, page);

		ASSERT_EQ(node, nodes[i]);
		ASSERT_EQ(node, numapin_part_node(variant->parts, 2, page));
	}
	free(nodes);
}

TEST_F(striped, no_fault_on_first_touch)
{
	EXPECT_EQ(0, faults_to_touch(self->addr, self->bytes));
}

TEST(striped_bad_arguments)
{
	const struct numapin_part good[NUMAPIN_MAX_PARTS + 1] = { { 0, 1 }, { 1, 1 } };
	const struct {
		struct numapin_part parts[2];
		size_t count;
		unsigned int flags;
		const char *words;
	} bad[] = {
		{ { { 0, 1 }, { 1, 1 } }, 0, NUMAPIN_HUGE, "no parts" },
		{ { { 0, 1 }, { 1, 1 } }, 2, 0, "what a page is" },
		{ { { 0, 1 }, { -1, 1 } }, 2, NUMAPIN_HUGE, "part is negative" },
		{ { { 0, 1 }, { 1, 0 } }, 2, NUMAPIN_HUGE, "weight" },
		{ { { 1, 1 }, { 1, 2 } }, 2, NUMAPIN_HUGE, "same node" },
	};
	struct numapin_receipt receipt;

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		EXPECT_EQ(NULL, numapin_alloc_striped(bad[i].parts, bad[i].count, HUGE_PAGE,
						      bad[i].flags, &receipt));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, receipt.outcome);
		EXPECT_NE(NULL, strstr(numapin_error(), bad[i].words)) {
			TH_LOG("case %d: %s", i, numapin_error());
		}
	}
	EXPECT_EQ(NULL, numapin_alloc_striped(good, ARRAY_SIZE(good), HUGE_PAGE, NUMAPIN_HUGE,
					      NULL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, numapin_part_node(good, 0, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, numapin_part_node(good, 2, SIZE_MAX));
	EXPECT_TRUE(all_freed());
}

/* The receipt names the node, whichever way its memory was to come. */
TEST(striped_where_one_node_refuses)
{
	const struct numapin_part parts[] = { { 0, 1 }, { 1, 1 } };
	const size_t more = 8ull << 40;
	struct numapin_receipt receipt;

	ASSERT_TRUE(set_budget(1, "4096"));
	EXPECT_EQ(NULL, numapin_alloc_striped(parts, 2, 4 * PAGE, NUMAPIN_NO_HUGE, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(1, receipt.node);
	EXPECT_EQ(NUMAPIN_REASON_BUDGET, receipt.reason);
	EXPECT_EQ(PAGE, receipt.available);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1", "4096 left of its budget"));
	ASSERT_TRUE(set_budget(1, "max"));

	setenv("NUMAPIN_BACKEND", "mbind", 1);
	EXPECT_EQ(NULL, numapin_alloc_striped(parts, 2, more, NUMAPIN_NO_HUGE, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_TOO_LARGE, receipt.reason);
	EXPECT_EQ(0, receipt.node);
	EXPECT_TRUE(all_freed());
}

/* A part whose device may not be opened makes all of it BOUND, with a warning. */
TEST(striped_without_the_right_to_a_node)
{
	const struct numapin_part parts[] = { { 0, 1 }, { 1, 1 } };
	struct warnings warnings = { 0 };
	struct numapin_receipt receipt;
	char *addr;

	numapin_set_warning_handler(catch_warning, &warnings);
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("/dev/null", "/dev/numapin/node1", "none", MS_BIND, NULL));
	addr = numapin_alloc_striped(parts, 2, 4 * PAGE, NUMAPIN_NO_HUGE, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, receipt.reason);
	EXPECT_EQ(0, free_numa_memory(addr, 4 * PAGE));

	/* And one that is another node's */
	ASSERT_EQ(0, mount("/dev/numapin/node0", "/dev/numapin/node1", "none", MS_BIND, NULL));
	addr = numapin_alloc_striped(parts, 2, 4 * PAGE, NUMAPIN_NO_HUGE, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_WRONG_DEVICE, receipt.reason);
	EXPECT_EQ(1, warnings.count);
	EXPECT_TRUE(SAYS(warnings.last, "node 1", "another node's", "BOUND"));
	EXPECT_EQ(0, free_numa_memory(addr, 4 * PAGE));
}

TEST(bad_arguments)
{
	struct numapin_receipt receipt;
	const struct {
		int node;
		size_t size;
		unsigned int flags;
		int error;
		const char *words;
	} bad[] = {
		{ 1, 0, 0, EINVAL, "size is 0" },
		{ -1, PAGE, 0, EINVAL, "negative" },
		{ INT32_MIN, PAGE, 0, EINVAL, "negative" },
		{ 1, PAGE, 1u << 6, EINVAL, "unknown flag" },
		{ 1, PAGE, NUMAPIN_SHARED | NUMAPIN_RESERVE, EINVAL, "exclude each other" },
		{ 1, PAGE, 1u << 31, EINVAL, "unknown flag" },
		{ 1, HUGE_PAGE, NUMAPIN_HUGE | NUMAPIN_NO_HUGE, EINVAL, "exclude" },
		{ 1, HUGE_PAGE + 1, NUMAPIN_HUGE, EINVAL, "multiple of 2 MiB" },
		{ 1, SIZE_MAX, 0, ENOMEM, "no memory or address space" },
		{ 1, SIZE_MAX - PAGE, 0, ENOMEM, "too small" },
		{ 1, SIZE_MAX / 2, 0, ENOMEM, "too small" },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&receipt, 0xff, sizeof(receipt));
		errno = 0;
		EXPECT_EQ(NULL, numapin_alloc(bad[i].node, bad[i].size, bad[i].flags, &receipt)) {
			TH_LOG("case %d", i);
		}
		EXPECT_EQ(bad[i].error, errno) {
			TH_LOG("case %d", i);
		}
		EXPECT_EQ(0, receipt.outcome);
		EXPECT_EQ(0, receipt.bytes);
		EXPECT_NE(NULL, strstr(numapin_error(), bad[i].words)) {
			TH_LOG("case %d: %s", i, numapin_error());
		}
	}
	EXPECT_EQ(NULL, allocate_on_node(1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(all_freed());
}

/* No such node is not the module's to refuse: the library goes on without. */
TEST(absent_nodes)
{
	const int nodes[] = { 2, 63, 64, 99, 1024, 1 << 20, INT32_MAX };
	struct warnings warnings = { 0 };
	struct numapin_receipt receipt;

	setenv("NUMAPIN_WARN", "always", 1);
	numapin_set_warning_handler(catch_warning, &warnings);
	for (int i = 0; i < ARRAY_SIZE(nodes); i++) {
		char *addr = numapin_alloc(nodes[i], PAGE, 0, &receipt);
		char name[32];

		ASSERT_NE(NULL, addr);
		EXPECT_EQ(NUMAPIN_UNBOUND, receipt.outcome);
		EXPECT_EQ(NUMAPIN_REASON_NO_NODE, receipt.reason);
		EXPECT_EQ(i + 1, warnings.count);
		snprintf(name, sizeof(name), "node %d ", nodes[i]);
		EXPECT_TRUE(SAYS(warnings.last, name, "does not exist", "UNBOUND"));
		EXPECT_EQ(0, free_numa_memory(addr, PAGE));

		EXPECT_EQ(NULL, numapin_alloc(nodes[i], PAGE, NUMAPIN_STRICT, &receipt));
		EXPECT_EQ(ENODEV, errno);
		EXPECT_TRUE(SAYS(numapin_error(), name, "does not exist"));
	}
	EXPECT_EQ(0, counter(0, "regions") + counter(1, "regions"));
}

TEST(full_node_in_words)
{
	long long size = usable(1);
	struct numapin_receipt receipt;
	char expected[256];

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);

	EXPECT_EQ(NULL, numapin_alloc(1, size, 0, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_NODE_FULL, receipt.reason);
	snprintf(expected, sizeof(expected), "node 1 is full: %lld bytes asked, %zu free", size,
		 receipt.available);
	EXPECT_STREQ(expected, numapin_error());

	EXPECT_EQ(NULL, numapin_alloc(1, size + PAGE, 0, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_TOO_LARGE, receipt.reason);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1 is too small", "bytes asked", "in all"));

	/* It is the module that refused, and no backend after it that was asked. */
	size &= ~(HUGE_PAGE - 1);
	EXPECT_EQ(NULL, numapin_alloc(1, size, NUMAPIN_HUGE, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_HUGE_PAGE, receipt.reason);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1 has too few 2 MiB pages", "bytes asked"));
	EXPECT_TRUE(all_freed());
}

TEST(flags_choose_page_size)
{
	struct numapin_receipt receipt;
	char *addr;

	addr = numapin_alloc(1, 2 * HUGE_PAGE, NUMAPIN_HUGE, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(2 * HUGE_PAGE, receipt.huge_bytes);
	EXPECT_EQ(2 * HUGE_PAGE, smaps_bytes(addr, "FilePmdMapped"));
	EXPECT_EQ(0, free_numa_memory(addr, 2 * HUGE_PAGE));
	addr = numapin_alloc(1, 2 * HUGE_PAGE, NUMAPIN_NO_HUGE, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, receipt.huge_bytes);
	EXPECT_EQ(0, smaps_bytes(addr, "FilePmdMapped"));
	EXPECT_EQ(0, free_numa_memory(addr, 2 * HUGE_PAGE));
}

TEST(free_only_what_is_ours)
{
	char *ours = allocate_on_node(1, 4 * PAGE);
	char *theirs = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	const struct {
		void *ptr;
		size_t size;
	} bad[] = {
		{ theirs, 4 * PAGE },
		{ ours, PAGE },
		{ ours, 4 * PAGE - 1 },
		{ ours, 0 },
		{ ours, SIZE_MAX },
		{ ours + PAGE, 3 * PAGE },
		{ ours + 1, 4 * PAGE },
		{ (void *)-1L, PAGE },
		{ &theirs, sizeof(theirs) },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		EXPECT_EQ(-1, free_numa_memory(bad[i].ptr, bad[i].size));
		EXPECT_EQ(EINVAL, errno);
	}
	memset(ours, 1, 4 * PAGE);
	memset(theirs, 1, 4 * PAGE);
	EXPECT_EQ(0, free_numa_memory(NULL, 0));
	EXPECT_EQ(0, free_numa_memory(ours, 4 * PAGE));
	EXPECT_EQ(-1, free_numa_memory(ours, 4 * PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(all_freed());
}

TEST(locate_anything)
{
	char *none = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *ours = allocate_on_node(0, 2 * PAGE);
	int nodes[4] = { 77, 77, 77, 77 };

	none[PAGE] = 1;
	ASSERT_EQ(4, numapin_locate(none, 4 * PAGE, nodes, 4));
	EXPECT_GT(0, nodes[0]);
	EXPECT_LE(0, nodes[1]);
	EXPECT_GT(0, nodes[2]);

	nodes[2] = 77;
	ASSERT_EQ(2, numapin_locate(ours + PAGE - 1, 2, nodes, 4));
	EXPECT_EQ(0, nodes[0]);
	EXPECT_EQ(0, nodes[1]);
	EXPECT_EQ(77, nodes[2]);

	EXPECT_EQ(-1, numapin_locate(ours, 0, nodes, 4));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, numapin_locate(ours, SIZE_MAX, nodes, 4));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, numapin_locate(ours, 5 * PAGE, nodes, 4));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(0, free_numa_memory(ours, 2 * PAGE));
}

/* Where mbind(2) and move_pages(2) are denied, the module does and tells. */
TEST(pinned_and_located_as_in_a_container)
{
	int nodes[2] = { 77, 77 }, on_stack;
	struct numapin_receipt receipt;
	char *addr;

	ASSERT_TRUE(deny(policy_calls, NR_POLICY_CALLS));
	addr = numapin_alloc(1, 2 * PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	ASSERT_EQ(2, numapin_locate(addr, 2 * PAGE, nodes, 2));
	EXPECT_EQ(1, nodes[0]);
	EXPECT_EQ(1, nodes[1]);
	EXPECT_EQ(-1, numapin_locate(&on_stack, 1, nodes, 2));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(0, free_numa_memory(addr, 2 * PAGE));
}

TEST(forced_backend)
{
	struct numapin_receipt receipt;
	void *addr;

	setenv("NUMAPIN_BACKEND", "mbind", 1);
	addr = numapin_alloc(1, PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_FORCED, receipt.reason);
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));

	setenv("NUMAPIN_BACKEND", "module", 1);
	addr = numapin_alloc(1, PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));
	EXPECT_EQ(NULL, numapin_alloc(99, PAGE, 0, &receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, receipt.reason);

	setenv("NUMAPIN_BACKEND", "kmod", 1);
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, 0, &receipt));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(SAYS(numapin_error(), "NUMAPIN_BACKEND"));
	EXPECT_TRUE(all_freed());
}

/* Node 0's device under node 1's name: what it gives must not pass for node 1's. */
TEST(device_of_another_node)
{
	struct warnings warnings = { 0 };
	struct numapin_receipt receipt;
	void *addr;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("/dev/numapin/node0", "/dev/numapin/node1", "none", MS_BIND, NULL));
	numapin_set_warning_handler(catch_warning, &warnings);
	addr = numapin_alloc(1, PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_WRONG_DEVICE, receipt.reason);
	EXPECT_EQ(0, pages_elsewhere(addr, PAGE, 1));
	EXPECT_EQ(1, warnings.count);
	EXPECT_TRUE(SAYS(warnings.last, "node 1 ", "another node's", "BOUND"));
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));
	EXPECT_TRUE(all_freed());
}

/* How many descriptors this process has, and one; -1 on error. */
static long open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

TEST(keeps_no_descriptor)
{
	long before = open_files();
	void *addr = allocate_on_node(1, HUGE_PAGE);
	int node;

	ASSERT_LT(0, before);
	EXPECT_EQ(before, open_files());
	EXPECT_EQ(1, numapin_locate(addr, 1, &node, 1));
	EXPECT_EQ(before, open_files());
	EXPECT_EQ(0, free_numa_memory(addr, HUGE_PAGE));
	EXPECT_EQ(NULL, numapin_alloc(1, SIZE_MAX / 2, 0, NULL));
	EXPECT_EQ(before, open_files());

	/* Now by LOCATE, of whichever device may be opened */
	addr = allocate_on_node(1, PAGE);
	ASSERT_TRUE(deny(policy_calls, NR_POLICY_CALLS));
	EXPECT_EQ(1, numapin_locate(addr, 1, &node, 1));
	EXPECT_EQ(before, open_files());
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));
}

TEST(no_descriptor_left)
{
	struct numapin_receipt receipt;

	ASSERT_TRUE(leave_no_descriptor());
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, 0, &receipt));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(NUMAPIN_REASON_NONE, receipt.reason);
}

/* What parent and child see of each other's writes, and that each frees its own */
static void check_fork(struct __test_metadata *_metadata, unsigned int flags)
{
	const bool shared = flags & NUMAPIN_SHARED;
	struct numapin_receipt receipt;
	char *addr = numapin_alloc(1, HUGE_PAGE, flags, &receipt);
	struct worker child;

	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_EQ(shared, receipt.shared);
	addr[0] = 'p';
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		void *own = allocate_on_node(0, PAGE);
		bool ok = own && !free_numa_memory(own, PAGE) && addr[0] == 'p';

		addr[0] = 'c';
		addr[PAGE] = 'c';
		hand_over(&child);
		take_over(&child);
		ok = ok && addr[0] == (shared ? 'P' : 'c') && addr[PAGE] == 'c';
		/* What is not touched yet is found nowhere by move_pages(). */
		ok = ok && all_zero(addr + 2 * PAGE, HUGE_PAGE - 2 * PAGE);
		ok = ok && !pages_elsewhere(addr, HUGE_PAGE, 1);
		_exit(!(ok && !free_numa_memory(addr, HUGE_PAGE)));
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_EQ(shared ? 'c' : 'p', addr[0]);
	EXPECT_EQ(shared ? 'c' : 0, addr[PAGE]);
	addr[0] = 'P';
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ('P', addr[0]);
	EXPECT_TRUE(all_zero(addr + 2 * PAGE, HUGE_PAGE - 2 * PAGE));
	EXPECT_EQ(0, pages_elsewhere(addr, HUGE_PAGE, 1));
	EXPECT_EQ(0, free_numa_memory(addr, HUGE_PAGE));
	EXPECT_TRUE(all_freed());
}

TEST(fork_is_private)
{
	check_fork(_metadata, 0);
	check_fork(_metadata, NUMAPIN_NO_HUGE);
}

TEST(fork_of_shared_memory)
{
	check_fork(_metadata, NUMAPIN_SHARED);
	check_fork(_metadata, NUMAPIN_SHARED | NUMAPIN_NO_HUGE);
}

TEST(fork_with_a_reserve)
{
	check_fork(_metadata, NUMAPIN_RESERVE);
	check_fork(_metadata, NUMAPIN_RESERVE | NUMAPIN_HUGE);
}

/* ThreadSanitizer maps shadow memory for each allocation, which takes its time. */
#ifdef __SANITIZE_THREAD__
#define ROUNDS 50
#else
#define ROUNDS 200
#endif

static void *allocate_much(void *arg)
{
	const int node = (intptr_t)arg;
	long bad = 0;

	for (int i = 0; i < ROUNDS; i++) {
		const size_t size = (i % 8 + 1) * PAGE * (i % 16 ? 1 : 64);
		char *addr = allocate_on_node(node, size);

		if (!addr) {
			bad++;
			continue;
		}
		memset(addr, i, size);
		bad += pages_elsewhere(addr, size, node) != 0;
		bad += addr[size - 1] != (char)i;
		bad += free_numa_memory(addr, size) != 0;
	}
	return (void *)bad;
}

/*
 * AddressSanitizer's allocator, of gcc 12, does not let go in a child of the locks
 * that other threads had.
 */
#ifdef __SANITIZE_ADDRESS__
#define FORK_BREAKS_MALLOC 1
#else
#define FORK_BREAKS_MALLOC 0
#endif

static atomic_bool stop;

/* Takes every lock of the registry in turn, by asking it for what is not there. */
static void ask_registry(void)
{
	for (uintptr_t page = 1; page <= 256; page++)
		free_numa_memory((void *)(page * PAGE), 1);
}

/* And every lock of what small memory comes from, with two nodes */
static bool get_and_free(void)
{
	void *a = allocate_on_node(0, PAGE), *b = allocate_on_node(1, PAGE);

	return a && b && !free_numa_memory(a, PAGE) && !free_numa_memory(b, PAGE);
}

static void *ask_until_stopped(void *arg)
{
	while (!stop) {
		ask_registry();
		if (!FORK_BREAKS_MALLOC)
			get_and_free();
	}
	return NULL;
}

/* A child of a process whose threads use the library can use it. */
TEST(fork_while_threads_are_inside)
{
	pthread_t threads[2];
	int status;
	pid_t pid;

	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, ask_until_stopped, NULL));
	for (int i = 0; i < 100; i++) {
		pid = fork();
		if (!pid) {
			/* Instead of for ever, on a lock that no thread will let go */
			alarm(10);
			ask_registry();
			_exit(!get_and_free());
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	stop = true;
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_TRUE(all_freed());
}

TEST(small_memory_shares_a_region)
{
	char *addr[64];

	for (int i = 0; i < ARRAY_SIZE(addr); i++) {
		addr[i] = allocate_on_node(1, PAGE);
		ASSERT_NE(NULL, addr[i]);
		EXPECT_TRUE(all_zero(addr[i], PAGE));
		write_all(addr[i], PAGE, i);
	}
	EXPECT_EQ(1, counter(1, "regions"));
	for (int i = 0; i < ARRAY_SIZE(addr); i++) {
		EXPECT_EQ(0, not_by(addr[i], PAGE, i));
		EXPECT_EQ(0, pages_elsewhere(addr[i], PAGE, 1));
		EXPECT_EQ(0, free_numa_memory(addr[i], PAGE));
	}
	EXPECT_TRUE(all_freed());
}

/*
 * What is as large as a cluster is one, unless it is not to be; and what is smaller none,
 * whose copies after a fork would be of others' memory too.
 */
TEST(small_memory_of_a_clusters_size)
{
	static const struct {
		size_t bytes;
		unsigned int flags;
		size_t clusters;
	} wishes[] = {
		{ CLUSTER, 0, 1 },
		{ CLUSTER, NUMAPIN_NO_HUGE, 0 },
		{ CLUSTER - PAGE, 0, 0 },
		{ CLUSTER, 0, 1 },
		{ CLUSTER, NUMAPIN_STRICT, 1 },
	};
	char *addr[ARRAY_SIZE(wishes)];

	for (int i = 0; i < ARRAY_SIZE(wishes); i++) {
		addr[i] = numapin_alloc(1, wishes[i].bytes, wishes[i].flags, NULL);
		ASSERT_NE(NULL, addr[i]);
		EXPECT_EQ(wishes[i].clusters, clusters(addr[i], CLUSTER));
	}
	EXPECT_EQ(2, counter(1, "regions"));
	for (int i = 0; i < ARRAY_SIZE(wishes); i++)
		EXPECT_EQ(0, free_numa_memory(addr[i], wishes[i].bytes));
	EXPECT_TRUE(all_freed());
}

/* Of all sizes, in any order: nobody gets what another has, and all of it zeroed. */
TEST(small_memory_is_its_owners)
{
	struct {
		char *addr;
		size_t bytes;
	} owners[100] = { };
	unsigned int seed = 1;

	for (int i = 0; i < 5000; i++) {
		const int who = rand_r(&seed) % ARRAY_SIZE(owners);
		char **addr = &owners[who].addr;
		size_t *bytes = &owners[who].bytes;

		if (*addr) {
			ASSERT_EQ(0, not_by(*addr, *bytes, who));
			ASSERT_EQ(0, free_numa_memory(*addr, *bytes));
			*addr = NULL;
			continue;
		}
		*bytes = (rand_r(&seed) % 20 + 1) * PAGE;
		*addr = allocate_on_node(who % 2, *bytes);
		ASSERT_NE(NULL, *addr);
		ASSERT_TRUE(all_zero(*addr, *bytes));
		write_all(*addr, *bytes, who);
	}
	for (int who = 0; who < ARRAY_SIZE(owners); who++) {
		if (!owners[who].addr)
			continue;
		EXPECT_EQ(0, pages_elsewhere(owners[who].addr, owners[who].bytes, who % 2));
		EXPECT_EQ(0, not_by(owners[who].addr, owners[who].bytes, who));
		EXPECT_EQ(0, free_numa_memory(owners[who].addr, owners[who].bytes));
	}
	EXPECT_TRUE(all_freed());
}

/* After a fork what is got is not what was there before it, which may need copying. */
TEST(small_no_fault_on_first_touch_after_a_fork)
{
	char *before = allocate_on_node(1, PAGE), *after;
	struct worker child;

	ASSERT_NE(NULL, before);
	ASSERT_TRUE(worker_fork(&child));
	after = allocate_on_node(1, PAGE);
	if (!child.pid) {
		bool ok = after && !faults_to_touch(after, PAGE) &&
			  !free_numa_memory(before, PAGE) && !free_numa_memory(after, PAGE);

		take_over(&child);
		_exit(!ok);
	}
	ASSERT_NE(NULL, after);
	EXPECT_EQ(0, faults_to_touch(after, PAGE));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(0, free_numa_memory(before, PAGE));
	EXPECT_EQ(0, free_numa_memory(after, PAGE));
	EXPECT_TRUE(all_freed());
}

/* Where there is not as much as others may share, it gets what it asked for. */
TEST(small_memory_within_a_small_budget)
{
	char *addr;

	ASSERT_TRUE(set_budget(1, "8192"));
	addr = allocate_on_node(1, 2 * PAGE);
	EXPECT_NE(NULL, addr);
	EXPECT_EQ(2 * PAGE, counter(1, "bytes"));
	EXPECT_EQ(NULL, allocate_on_node(1, PAGE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_EQ(0, free_numa_memory(addr, 2 * PAGE));
	EXPECT_TRUE(nothing_left());
}

/* Whoever asks for a region has it to himself, and may give back parts of it. */
TEST(region_of_its_own)
{
	struct numapin_receipt receipt;
	char *addr, *other;

	addr = numapin_alloc(1, 2 * PAGE, NUMAPIN_REGION, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_EQ(2 * PAGE, counter(1, "bytes"));
	other = numapin_alloc(1, PAGE, NUMAPIN_REGION | NUMAPIN_SHARED, &receipt);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(2, counter(1, "regions"));
	ASSERT_EQ(0, munmap(addr, PAGE));
	write_all(addr + PAGE, PAGE, 1);
	ASSERT_EQ(0, munmap(addr + PAGE, PAGE));
	EXPECT_EQ(0, free_numa_memory(other, PAGE));
	EXPECT_TRUE(nothing_left());
}

/* It is a region or nothing. */
TEST(region_or_nothing)
{
	struct warnings warnings = { 0 };
	struct numapin_receipt receipt;

	numapin_set_warning_handler(catch_warning, &warnings);
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, NUMAPIN_REGION, &receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NUMAPIN_REASON_FORCED, receipt.reason);
	unsetenv("NUMAPIN_BACKEND");
	EXPECT_EQ(NULL, numapin_alloc(99, PAGE, NUMAPIN_REGION, &receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, receipt.reason);
	EXPECT_EQ(0, warnings.count);
}

TEST(warnings_of_others)
{
	struct warnings warnings = { 0 };

	numapin_set_warning_handler(catch_warning, &warnings);
	numapin_warn(NUMAPIN_REASON_BUDGET, "first");
	numapin_warn(NUMAPIN_REASON_BUDGET, "second");
	EXPECT_EQ(1, warnings.count);
	EXPECT_STREQ("first", warnings.last);
	numapin_warn(NUMAPIN_REASON_CGROUP, "of something else");
	EXPECT_EQ(2, warnings.count);
	setenv("NUMAPIN_WARN", "always", 1);
	numapin_warn(NUMAPIN_REASON_BUDGET, "third");
	EXPECT_EQ(3, warnings.count);
	setenv("NUMAPIN_WARN", "never", 1);
	numapin_warn(NUMAPIN_REASON_MEMLOCK, "fourth");
	EXPECT_EQ(3, warnings.count);
}

TEST(threads)
{
	pthread_t threads[8];
	void *bad;

	for (intptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, allocate_much, (void *)(i % 2)));
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_TRUE(all_freed());
}

TEST(works_in_constructors)
{
	EXPECT_TRUE(works_in_constructor(NUMAPIN_PINNED));
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	EXPECT_TRUE(works_in_constructor(NUMAPIN_BOUND));
	EXPECT_FALSE(works_in_constructor(NUMAPIN_PINNED));
	EXPECT_TRUE(all_freed());
}

/* Has the library use a node's device, which is closed then; the node or -1. */
static int use_node(int node)
{
	const int fd = open_node(node, O_RDWR);
	const int used = numapin_use_device(fd);

	close(fd);
	return used;
}

/* Without the right to open a device, or a way to it. Each process has its own. */
FIXTURE(sandbox) { };

FIXTURE_VARIANT(sandbox) {
	bool (*enter)(void);
};

FIXTURE_VARIANT_ADD(sandbox, empty_root) { .enter = enter_empty_root };
FIXTURE_VARIANT_ADD(sandbox, no_open) { .enter = deny_opening };
FIXTURE_VARIANT_ADD(sandbox, stranger) { .enter = become_stranger };

FIXTURE_SETUP(sandbox) { }

FIXTURE_TEARDOWN_PARENT(sandbox)
{
	EXPECT_TRUE(nothing_left());
}

/* Or the others would show nothing. */
TEST_F(sandbox, has_nothing_of_its_own)
{
	struct numapin_receipt receipt;

	ASSERT_TRUE(variant->enter());
	EXPECT_EQ(-1, open_node(1, O_RDWR));
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, NUMAPIN_REGION, &receipt));
	EXPECT_TRUE(receipt.reason == NUMAPIN_REASON_NO_MODULE ||
		    receipt.reason == NUMAPIN_REASON_NO_PERMISSION);
}

TEST_F(sandbox, has_what_it_was_given)
{
	const unsigned int flags[] = { 0, NUMAPIN_NO_HUGE, NUMAPIN_SHARED, NUMAPIN_RESERVE };
	struct numapin_receipt receipt;

	for (int node = 0; node < 2; node++)
		ASSERT_EQ(node, use_node(node));
	ASSERT_TRUE(variant->enter());
	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_TRUE(gets_memory(i % 2, 1, flags[i], NUMAPIN_PINNED));
		EXPECT_TRUE(gets_memory(1, 5 * MIB, flags[i], NUMAPIN_PINNED));
	}
	ASSERT_EQ(0, numapin_probe(0, 0, &receipt));
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_TRUE(IN_CHILD(gets_memory(1, PAGE, 0, NUMAPIN_PINNED)));
}

/* What a sandbox must allow for it, beside what the test and malloc() call */
TEST(used_device_takes_few_calls)
{
	static const int calls[] = {
		SYS_ioctl, SYS_mmap, SYS_madvise, SYS_munmap, SYS_close,
		SYS_brk, SYS_move_pages, SYS_write, SYS_exit_group,
	};

	ASSERT_EQ(1, use_node(1));
	ASSERT_TRUE(allow_only(calls, ARRAY_SIZE(calls)));
	EXPECT_TRUE(gets_memory(1, PAGE, 0, NUMAPIN_PINNED));
	EXPECT_TRUE(gets_memory(1, 5 * MIB, 0, NUMAPIN_PINNED));
}

/* Of two nodes it needs both, and says whose is missing. */
TEST_F(sandbox, has_stripes_of_what_it_was_given)
{
	const struct numapin_part parts[] = { { 0, 1 }, { 1, 2 } };
	const unsigned int flags = NUMAPIN_NO_HUGE | NUMAPIN_REGION;
	struct numapin_receipt receipt;
	int *nodes, other;
	char *addr;

	ASSERT_EQ(0, use_node(0));
	other = open_node(1, O_RDWR);
	ASSERT_TRUE(variant->enter());
	EXPECT_EQ(NULL, numapin_alloc_striped(parts, 2, 7 * PAGE, flags, &receipt));
	EXPECT_EQ(1, receipt.node);
	ASSERT_EQ(1, numapin_use_device(other));
	addr = numapin_alloc_striped(parts, 2, 7 * PAGE, flags, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	nodes = nodes_of(addr, 7 * PAGE);
	ASSERT_NE(NULL, nodes);
	for (size_t i = 0; i < 7; i++)
		EXPECT_EQ(node_of_page(parts, i), nodes[i]);
	free(nodes);
	EXPECT_EQ(0, free_numa_memory(addr, 7 * PAGE));
}

/* By the module alone, where move_pages(2) is denied besides. */
TEST_F(sandbox, is_told_where_memory_is)
{
	int nodes[3] = { 77, 77, 77 };
	char *addr;

	ASSERT_EQ(1, use_node(1));
	ASSERT_TRUE(variant->enter());
	ASSERT_TRUE(deny(policy_calls, NR_POLICY_CALLS));
	addr = allocate_on_node(1, 3 * PAGE);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(3, numapin_locate(addr, 3 * PAGE, nodes, 3));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(1, nodes[i]);
	EXPECT_EQ(0, free_numa_memory(addr, 3 * PAGE));
}

/* Why node 1 has no region for this process; NUMAPIN_REASON_NONE: it has. */
static int reason_of_none(void)
{
	struct numapin_receipt receipt;
	void *addr = numapin_alloc(1, PAGE, NUMAPIN_REGION, &receipt);

	if (!addr)
		return receipt.reason ? receipt.reason : -1;
	return free_numa_memory(addr, PAGE);
}

/* What Landlock does not let it do with the device, it does not. */
TEST(landlock_is_asked)
{
	static const char path[] = "/dev/numapin/node1";
	const int version = landlock_version();

	ASSERT_EQ(1, use_node(1));
	ASSERT_EQ(!!version, enter_landlock(path, LANDLOCK_OPEN | LANDLOCK_IOCTL));
	EXPECT_EQ(NUMAPIN_REASON_NONE, reason_of_none());
	ASSERT_EQ(!!version, enter_landlock(path, LANDLOCK_OPEN));
	EXPECT_EQ(version < 5 ? NUMAPIN_REASON_NONE : NUMAPIN_REASON_NO_PERMISSION,
		  reason_of_none());
	ASSERT_EQ(!!version, enter_landlock(path, 0));
	EXPECT_EQ(version ? NUMAPIN_REASON_NO_PERMISSION : NUMAPIN_REASON_NONE, reason_of_none());
}

/* Its errno, 0 where the device is used */
static int use_errno(int fd)
{
	return numapin_use_device(fd) < 0 ? errno : 0;
}

TEST(no_device_to_use)
{
	const int closed = dup(0);
	int pipes[2], fd;

	close(closed);
	EXPECT_EQ(EBADF, use_errno(-1));
	EXPECT_EQ(EBADF, use_errno(closed));
	EXPECT_EQ(EBADF, use_errno(open_node(1, O_RDONLY)));
	EXPECT_EQ(EBADF, use_errno(open_node(1, O_WRONLY)));
	EXPECT_EQ(EBADF, use_errno(open_node(1, O_PATH)));
	EXPECT_EQ(ENODEV, use_errno(open("/dev/null", O_RDWR)));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(EBADF, use_errno(pipes[0]));
	fd = dup2(open_node(1, O_RDWR), 0);
	ASSERT_TRUE(leave_no_descriptor());
	EXPECT_EQ(EMFILE, use_errno(fd));
}

/* One of each node is kept, and that is of no region and no standard descriptor. */
TEST(used_device_is_kept_once)
{
	const int fd = open_node(1, O_RDWR);
	int nr;

	ASSERT_EQ(0, alloc_region(fd, PAGE, 0, NULL));
	close(0);
	close(1);
	ASSERT_EQ(1, numapin_use_device(fd));
	EXPECT_EQ(0, open("/dev/null", O_RDONLY));
	EXPECT_EQ(1, open("/dev/null", O_WRONLY));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd + 1, F_GETFD));
	nr = nr_descriptors();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(1, numapin_use_device(fd));
	EXPECT_EQ(nr, nr_descriptors());
	close(fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_TRUE(gets_memory(1, PAGE, NUMAPIN_REGION, NUMAPIN_PINNED));
	EXPECT_EQ(nr - 1, nr_descriptors());
	EXPECT_TRUE(nothing_left());
}

/* What memory is where a file is in the place of all that were open; and why it is so. */
static int outcome_behind(int fd, int *reason)
{
	struct numapin_receipt receipt;
	char *addr;

	dup2(fd, 0);
	close_range(3, ~0u, 0);
	for (int i = 3; i < 64; i++)
		dup2(0, i);
	addr = numapin_alloc(1, PAGE, NUMAPIN_NO_HUGE, &receipt);
	*reason = receipt.reason;
	if (free_numa_memory(addr, PAGE))
		return -1;
	return receipt.outcome;
}

/* A program that closes what it does not know has memory all the same, and of the node. */
TEST(used_device_is_closed_by_the_program)
{
	const struct {
		int node, flags, outcome, reason;
	} behind[] = {
		{ 1, O_RDONLY, NUMAPIN_BOUND, NUMAPIN_REASON_NO_MODULE },
		{ 0, O_RDWR, NUMAPIN_BOUND, NUMAPIN_REASON_WRONG_DEVICE },
		{ 1, O_RDWR, NUMAPIN_PINNED, NUMAPIN_REASON_NONE },
	};
	struct numapin_receipt receipt;
	int reason;
	void *addr;

	setenv("NUMAPIN_WARN", "never", 1);
	ASSERT_EQ(1, use_node(1));
	close_range(3, ~0u, 0);
	addr = numapin_alloc(1, PAGE, 0, &receipt);
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, receipt.reason);
	EXPECT_EQ(0, free_numa_memory(addr, PAGE));

	EXPECT_EQ(NUMAPIN_BOUND, outcome_behind(open("/dev/null", O_RDWR), &reason));
	EXPECT_EQ(NUMAPIN_REASON_NO_MODULE, reason);
	for (int i = 0; i < ARRAY_SIZE(behind); i++) {
		EXPECT_EQ(behind[i].outcome,
			  outcome_behind(open_node(behind[i].node, behind[i].flags), &reason));
		EXPECT_EQ(behind[i].reason, reason);
	}
}

static void *use_at_once(void *arg)
{
	intptr_t bad = 0;

	for (int i = 0; i < 20; i++)
		bad += use_node(i % 2) != i % 2;
	return (void *)bad;
}

/* Of threads that give one to the library while others are served */
TEST(used_device_while_threads_are_inside)
{
	pthread_t threads[6];
	void *bad;
	int nr;

	for (intptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    i < 3 ? use_at_once : allocate_much, (void *)(i % 2)));
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	nr = nr_descriptors();
	EXPECT_EQ(NULL, use_at_once(NULL));
	EXPECT_EQ(nr, nr_descriptors());
	EXPECT_TRUE(all_freed());
}

TEST_HARNESS_MAIN
