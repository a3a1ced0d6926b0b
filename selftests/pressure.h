/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes full of what the kernel can reclaim.
 */
#ifndef SELFTESTS_PRESSURE_H
#define SELFTESTS_PRESSURE_H

#include <fcntl.h>
#include <numa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "oracle.h"

/* The test guest's disk: all there is to read in it */
#define DISK "/dev/vda"

/* Reads @disk into the page cache of @node, until that has less than 128 MiB free. */
static inline bool fill_with_page_cache(int disk, int node)
{
	struct bitmask *only = numa_allocate_nodemask();
	char *buffer = malloc(MIB);
	ssize_t n = 1;

	numa_bitmask_setbit(only, node);
	numa_set_membind(only);
	while (buffer && n > 0 && node_free(node) > 128 * (long long)MIB)
		n = read(disk, buffer, MIB);
	numa_set_membind(numa_all_nodes_ptr);
	numa_bitmask_free(only);
	free(buffer);
	return n > 0;
}

#endif /* SELFTESTS_PRESSURE_H */
