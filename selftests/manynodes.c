// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machines with many nodes: numbers of 63, 64 and above, and nodes without
 * CPUs, each with its device, and each where it says. For a machine with 70.
 */
#include "kselftest_harness.h"

#include "device.h"
#include "library.h"
#include "oracle.h"

#define NODES 70

TEST(pinned_on_each)
{
	for (int node = 0; node < NODES; node++) {
		struct numapin_receipt receipt;
		char *addr = numapin_alloc(node, 3 * MIB, 0, &receipt);

		ASSERT_NE(NULL, addr);
		EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
		EXPECT_EQ(0, pages_elsewhere(addr, 3 * MIB, node));
		EXPECT_EQ(3 * MIB, counter(node, "bytes"));
		EXPECT_EQ(0, free_numa_memory(addr, 3 * MIB));
	}
}

TEST(bound_on_each)
{
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	for (int node = 0; node < NODES; node++) {
		struct numapin_receipt receipt;
		char *addr = numapin_alloc(node, MIB, 0, &receipt);

		ASSERT_NE(NULL, addr);
		EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
		EXPECT_EQ(0, pages_elsewhere(addr, MIB, node));
		EXPECT_EQ(0, free_numa_memory(addr, MIB));
	}
}

TEST_HARNESS_MAIN
