// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each page of a region is on its node from the start, by move_pages(2), and is
 * mapped by the largest page that fits, by smaps.
 */
#include "harness.h"

#include "device.h"
#include "oracle.h"

FIXTURE(region) {
	int fd;
	char *addr;
};

FIXTURE_VARIANT(region) {
	int node;
	size_t bytes;
	bool alloc;	/* by ALLOC, or by mmap() alone */
};

#define REGION_VARIANTS(_name, _bytes)				\
FIXTURE_VARIANT_ADD(region, node0_##_name##_alloc) {		\
	.node = 0, .bytes = (_bytes), .alloc = true,		\
};								\
FIXTURE_VARIANT_ADD(region, node1_##_name##_alloc) {		\
	.node = 1, .bytes = (_bytes), .alloc = true,		\
};								\
FIXTURE_VARIANT_ADD(region, node0_##_name##_mmap) {		\
	.node = 0, .bytes = (_bytes),				\
};								\
FIXTURE_VARIANT_ADD(region, node1_##_name##_mmap) {		\
	.node = 1, .bytes = (_bytes),				\
}

REGION_VARIANTS(1B, 1);
REGION_VARIANTS(4KiB, 4 * KIB);
REGION_VARIANTS(1MiB, MIB);
REGION_VARIANTS(2MiB, 2 * MIB);
REGION_VARIANTS(5MiB, 5 * MIB);
REGION_VARIANTS(256MiB, 256 * MIB);

FIXTURE_SETUP(region)
{
	self->fd = open_node(variant->node, O_RDWR);
	ASSERT_LE(0, self->fd);
	if (variant->alloc)
		ASSERT_EQ(0, alloc_region(self->fd, variant->bytes, 0, NULL));
	self->addr = map_shared(self->fd, variant->bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, self->addr);
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->addr, variant->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

TEST_F(region, is_on_node)
{
	/* Before any write: the pages are there. */
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, variant->node));
	EXPECT_LT(0, pages_elsewhere(self->addr, variant->bytes, !variant->node));
}

/* Nor do they go, for those who may ask: root, as this test is. */
TEST_F(region, does_not_move)
{
	struct bitmask *here = numa_allocate_nodemask(), *there = numa_allocate_nodemask();
	int other = !variant->node, status;
	void *page = self->addr;

	numa_bitmask_setbit(here, variant->node);
	numa_bitmask_setbit(there, other);
	ASSERT_EQ(0, numa_move_pages(0, 1, &page, &other, &status, MPOL_MF_MOVE_ALL));
	EXPECT_EQ(-EFAULT, status);
	EXPECT_LE(0, numa_migrate_pages(0, here, there));
	EXPECT_EQ(-1, mbind(self->addr, variant->bytes, MPOL_BIND, there->maskp, there->size + 1,
			    MPOL_MF_MOVE_ALL));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, variant->node));
	numa_bitmask_free(here);
	numa_bitmask_free(there);
}

TEST_F(region, is_zeroed_and_keeps_what_is_written)
{
	const size_t words = whole_pages(variant->bytes) / sizeof(uint64_t);
	uint64_t *word = (uint64_t *)self->addr, wrong = 0;

	EXPECT_TRUE(all_zero(self->addr, variant->bytes));
	for (size_t i = 0; i < words; i++)
		word[i] = i * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < words; i++)
		wrong += word[i] != i * 0x9e3779b97f4a7c15;
	EXPECT_EQ(0, wrong);
}

TEST_F(region, is_mapped_by_the_largest_pages)
{
	const size_t huge = variant->bytes & ~(HUGE_PAGE - 1);

	EXPECT_EQ(huge, smaps_bytes(self->addr, "FilePmdMapped"));
	EXPECT_EQ(whole_pages(variant->bytes), smaps_bytes(self->addr, "Rss"));
}

TEST_F(region, takes_no_fault_once_populated)
{
	EXPECT_EQ(0, faults_to_touch(self->addr, variant->bytes));
}

FIXTURE(small) {
};

FIXTURE_VARIANT(small) {
	uint32_t flags;
	size_t huge_bytes;
	size_t clusters;
};

FIXTURE_VARIANT_ADD(small, alone) { .clusters = 5 };
FIXTURE_VARIANT_ADD(small, behind_a_huge_page) { .huge_bytes = HUGE_PAGE, .clusters = 5 };
FIXTURE_VARIANT_ADD(small, private) { .flags = NUMAPIN_ALLOC_PRIVATE, .clusters = 5 };
FIXTURE_VARIANT_ADD(small, by_themselves) { .flags = NUMAPIN_ALLOC_NO_HUGE };

FIXTURE_SETUP(small)
{
}

FIXTURE_TEARDOWN(small)
{
	EXPECT_TRUE(nothing_left());
}

TEST_F(small, small_pages_come_in_clusters)
{
	const size_t bytes = variant->huge_bytes + 5 * CLUSTER + 3 * PAGE;
	char *addr;
	int fd;

	fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(fd, bytes, variant->flags, NULL));
	addr = map_shared(fd, bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(all_zero(addr, bytes));
	EXPECT_EQ(0, pages_elsewhere(addr, bytes, 1));
	EXPECT_EQ(variant->clusters,
		  clusters(addr + variant->huge_bytes, bytes - variant->huge_bytes));
	EXPECT_EQ(0, faults_to_touch(addr, bytes));
	munmap(addr, bytes);
	close(fd);
}

/* A mapping that the pages are not congruent to has them by PTEs. */
TEST(unaligned_mapping)
{
	char *space = mmap(NULL, 4 * HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *odd = (char *)(((uintptr_t)space + HUGE_PAGE) & ~(HUGE_PAGE - 1)) + PAGE;
	int fd = open_node(1, O_RDWR);

	ASSERT_NE(MAP_FAILED, mmap(odd, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
	memset(odd, 1, 2 * HUGE_PAGE);
	EXPECT_EQ(0, smaps_bytes(odd, "FilePmdMapped"));
	EXPECT_EQ(0, pages_elsewhere(odd, 2 * HUGE_PAGE, 1));
	munmap(space, 4 * HUGE_PAGE);
	close(fd);
	EXPECT_TRUE(nothing_left());
}

/* Half of a folio's place is other memory's: in a PMD that would be the region's too. */
FIXTURE(half) {
	char *addr, *rest;
	int fd;
};

FIXTURE_VARIANT(half) {
	size_t rest;	/* where the region's half is */
	size_t other;
};

FIXTURE_VARIANT_ADD(half, first) { .rest = 0, .other = HUGE_PAGE / 2 };
FIXTURE_VARIANT_ADD(half, second) { .rest = HUGE_PAGE / 2, .other = 0 };

FIXTURE_SETUP(half)
{
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, HUGE_PAGE, NUMAPIN_ALLOC_HUGE, NULL));
	self->addr = map_shared(self->fd, HUGE_PAGE, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	memset(self->addr, 1, HUGE_PAGE);
	self->rest = self->addr + variant->rest;
	ASSERT_EQ(self->addr + variant->other,
		  mmap(self->addr + variant->other, HUGE_PAGE / 2, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

FIXTURE_TEARDOWN(half)
{
	munmap(self->addr, HUGE_PAGE);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

TEST_F(half, is_mapped_alone)
{
	EXPECT_EQ(1, self->rest[0]);
	EXPECT_EQ(0, madvise(self->rest, HUGE_PAGE / 2, MADV_POPULATE_READ));
	EXPECT_EQ(0, smaps_bytes(self->rest, "FilePmdMapped"));
	EXPECT_TRUE(all_zero(self->addr + variant->other, HUGE_PAGE / 2));
	EXPECT_EQ(0, pages_elsewhere(self->rest, HUGE_PAGE / 2, 1));
}

TEST(no_huge)
{
	int fd = open_node(1, O_RDWR);
	char *addr;

	ASSERT_EQ(0, alloc_region(fd, 4 * MIB, NUMAPIN_ALLOC_NO_HUGE, NULL));
	addr = map_shared(fd, 4 * MIB, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, smaps_bytes(addr, "FilePmdMapped"));
	EXPECT_EQ(4 * MIB, smaps_bytes(addr, "Rss"));
	EXPECT_EQ(0, pages_elsewhere(addr, 4 * MIB, 1));
	munmap(addr, 4 * MIB);
	close(fd);
	EXPECT_TRUE(nothing_left());
}

TEST_HARNESS_MAIN
