/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nodes have left, as the page allocator itself counts it. meminfo's
 * MemFree is without the pages in the lists of each CPU, through which all that
 * is freed comes back, tens of MiB of them.
 */
#ifndef SELFTESTS_ZONES_H
#define SELFTESTS_ZONES_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "oracle.h"

/*
 * Of a node, and of those zones that numapin's pages can be in; in bytes. What is set
 * aside for contiguous allocations (CMA) is for movable pages, and counts for nothing.
 * @usable: What there is, free or not
 * @free: On the zones' free lists
 * @listed: Free as well, in the lists of a CPU
 * @cached: Page cache
 * @reserved: What a request like numapin's does not get of @free: the min
 *            watermarks, and what lower zones keep from those that could have
 *            used higher ones; and the error of the kernel's count
 */
struct zones {
	long long usable;
	long long free;
	long long listed;
	long long cached;
	long long reserved;
};

static inline void add_zone_line(const char *line, struct zones *zones)
{
	long n;

	if (sscanf(line, " managed %ld", &n) == 1)
		zones->usable += n * PAGE;
	else if (sscanf(line, " cma %ld", &n) == 1)
		zones->usable -= n * PAGE;
	else if (sscanf(line, " pages free %ld", &n) == 1)
		zones->free += n * PAGE;
	else if (sscanf(line, " nr_free_cma %ld", &n) == 1)
		zones->free -= n * PAGE;
	else if (sscanf(line, " count: %ld", &n) == 1)
		zones->listed += n * PAGE;
	else if (sscanf(line, " nr_zone_inactive_file %ld", &n) == 1 ||
		 sscanf(line, " nr_zone_active_file %ld", &n) == 1)
		zones->cached += n * PAGE;
	else if (sscanf(line, " min %ld", &n) == 1 ||
		 /* From requests for ZONE_NORMAL, which is the third. */
		 sscanf(line, " protection: (%*d, %*d, %ld", &n) == 1 ||
		 /* Of each CPU */
		 sscanf(line, " vm stats threshold: %ld", &n) == 1)
		zones->reserved += n * PAGE;
}

/* Of @node, or where @others, of all the other nodes */
static inline struct zones sum_zones(int node, bool others)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	struct zones zones = { 0 };
	char line[256], name[16];
	bool ours = false;
	int nid;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone %15s", &nid, name) == 2)
			ours = (nid == node) != others && strcmp(name, "Movable") &&
			       strcmp(name, "Device");
		else if (ours)
			add_zone_line(line, &zones);
	}
	if (file)
		fclose(file);
	return zones;
}

static inline struct zones read_zones(int node)
{
	return sum_zones(node, false);
}

/* Bytes of a node that a region could have, if nobody had any of it */
static inline long long usable(int node)
{
	return read_zones(node).usable;
}

/* Bytes of a node that are nobody's. */
static inline long long unallocated(int node)
{
	struct zones zones = read_zones(node);

	return zones.free + zones.listed;
}

/* Bytes of a node that are nobody's, or only page cache. */
static inline long long available(int node)
{
	struct zones zones = read_zones(node);

	return zones.free + zones.listed + zones.cached;
}

static inline long long available_elsewhere(int node)
{
	struct zones zones = sum_zones(node, true);

	return zones.free + zones.listed + zones.cached;
}

/* Bytes of a node that are free in pieces from which 2 MiB pages could be made. */
static inline long long free_huge(int node)
{
	FILE *file = fopen("/proc/buddyinfo", "r");
	long nine, ten, bytes = 0;
	char line[256], name[16];
	int nid;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone %15s %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld %ld",
			   &nid, name, &nine, &ten) == 4 &&
		    nid == node && strcmp(name, "Movable"))
			bytes += (nine + 2 * ten) * HUGE_PAGE;
	}
	if (file)
		fclose(file);
	return bytes;
}

#endif /* SELFTESTS_ZONES_H */
