// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hwloc says of a region: on which nodes it is, how it is bound, and that it has
 * not been moved. For make check-clients.
 */
#include <hwloc.h>

#include "harness.h"

#include "device.h"
#include "oracle.h"
#include "ordinary.h"

FIXTURE(region) {
	hwloc_topology_t topology;
	hwloc_nodeset_t nodes;
	char *addr[2];
};

FIXTURE_VARIANT(region) {
	size_t bytes;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(region, huge) {
	.bytes = 2 * HUGE_PAGE + 8 * PAGE,
};

FIXTURE_VARIANT_ADD(region, small) {
	.bytes = 2 * HUGE_PAGE + 8 * PAGE,
	.flags = NUMAPIN_ALLOC_NO_HUGE,
};

FIXTURE_VARIANT_ADD(region, private) {
	.bytes = 2 * HUGE_PAGE + 8 * PAGE,
	.flags = NUMAPIN_ALLOC_PRIVATE,
};

/* One of each node, side by side */
FIXTURE_SETUP(region)
{
	int fd;

	ASSERT_EQ(0, hwloc_topology_init(&self->topology));
	ASSERT_EQ(0, hwloc_topology_load(self->topology));
	self->nodes = hwloc_bitmap_alloc();
	ASSERT_NE(NULL, self->nodes);
	self->addr[0] = mmap(NULL, 2 * variant->bytes, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->addr[0]);
	self->addr[1] = self->addr[0] + variant->bytes;
	for (int node = 0; node < 2; node++) {
		fd = open_node(node, O_RDWR);
		ASSERT_EQ(0, alloc_region(fd, variant->bytes, variant->flags, NULL));
		ASSERT_EQ(self->addr[node],
			  mmap(self->addr[node], variant->bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0));
		close(fd);
	}
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->addr[0], 2 * variant->bytes);
	hwloc_bitmap_free(self->nodes);
	hwloc_topology_destroy(self->topology);
	EXPECT_TRUE(nothing_left());
}

/* Whether hwloc finds pages of a range on these nodes, and on no other */
static bool is_on(hwloc_topology_t topology, const void *addr, size_t bytes, const char *expected)
{
	hwloc_nodeset_t nodes = hwloc_bitmap_alloc();
	char list[64] = "";

	if (nodes && !hwloc_get_area_memlocation(topology, addr, bytes, nodes,
						 HWLOC_MEMBIND_BYNODESET))
		hwloc_bitmap_list_snprintf(list, sizeof(list), nodes);
	hwloc_bitmap_free(nodes);
	return !strcmp(list, expected);
}

TEST_F(region, is_located)
{
	EXPECT_TRUE(is_on(self->topology, self->addr[0], variant->bytes, "0"));
	EXPECT_TRUE(is_on(self->topology, self->addr[1], variant->bytes, "1"));
	EXPECT_TRUE(is_on(self->topology, self->addr[0], 2 * variant->bytes, "0-1"));
}

TEST_F(region, is_bound)
{
	hwloc_membind_policy_t policy;

	for (int node = 0; node < 2; node++) {
		ASSERT_EQ(0, hwloc_get_area_membind(self->topology, self->addr[node],
						    variant->bytes, self->nodes, &policy,
						    HWLOC_MEMBIND_BYNODESET));
		EXPECT_EQ(HWLOC_MEMBIND_BIND, policy);
		EXPECT_EQ(1, hwloc_bitmap_weight(self->nodes));
		EXPECT_TRUE(hwloc_bitmap_isset(self->nodes, node));
	}
}

/* As hwloc_set_area_membind() moves ordinary memory */
TEST_F(region, is_not_moved)
{
	const int flags = HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE;
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);

	ASSERT_NE(NULL, ordinary);
	ASSERT_TRUE(is_on(self->topology, ordinary, ORDINARY, "1"));
	hwloc_bitmap_only(self->nodes, 0);
	EXPECT_EQ(0, hwloc_set_area_membind(self->topology, ordinary, ORDINARY, self->nodes,
					    HWLOC_MEMBIND_BIND, flags));
	EXPECT_TRUE(is_on(self->topology, ordinary, ORDINARY, "0"));

	EXPECT_EQ(-1, hwloc_set_area_membind(self->topology, self->addr[1], variant->bytes,
					     self->nodes, HWLOC_MEMBIND_BIND, flags));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(is_on(self->topology, self->addr[1], variant->bytes, "1"));
	munmap(ordinary, ORDINARY);
}

TEST_HARNESS_MAIN
