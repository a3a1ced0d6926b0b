/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory as programs have it, on node 1: what is tried on a region is tried on
 * it too, and must take it, or the attempt proves nothing.
 */
#ifndef SELFTESTS_ORDINARY_H
#define SELFTESTS_ORDINARY_H

#include <numa.h>
#include <numaif.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "oracle.h"

/* Enough of it to see what becomes of it */
#define ORDINARY (4 * MIB)

static inline struct bitmask *only_node(int node)
{
	return numa_bitmask_setbit(numa_allocate_nodemask(), node);
}

/* Where the pages of a range are: their pagemap, to be freed; NULL on error. */
static inline uint64_t *frames_of(const void *addr, size_t bytes)
{
	uint64_t *entries = calloc(bytes / PAGE, sizeof(*entries));

	/* What was only unmapped is there again when it is read. */
	for (size_t i = 0; i < bytes; i += PAGE)
		(void)*(volatile const char *)((const char *)addr + i);
	if (entries && pagemap(addr, bytes, entries))
		return entries;
	free(entries);
	return NULL;
}

/* How many pages are not where they were; all of them on error. */
static inline long frames_changed(const void *addr, size_t bytes, const uint64_t *before)
{
	uint64_t *now = frames_of(addr, bytes);
	long changed = 0;

	for (size_t i = 0; i < bytes / PAGE; i++)
		changed += !now || !(now[i] & PAGEMAP_PRESENT) ||
			   (now[i] ^ before[i]) & PAGEMAP_FRAME;
	free(now);
	return changed;
}

/*
 * Anonymous memory, aligned to 2 MiB, in huge pages or in small ones as @advice
 * says. It is on node 1, and nothing but its pages says so. NULL: none.
 */
static inline char *ordinary_memory(size_t bytes, int advice)
{
	struct bitmask *node = only_node(1);
	char *addr = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok;

	if (addr == MAP_FAILED)
		return NULL;
	addr = (char *)(((uintptr_t)addr + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	ok = !madvise(addr, bytes, advice) &&
	     !mbind(addr, bytes, MPOL_BIND, node->maskp, node->size + 1, 0);
	for (size_t i = 0; ok && i < bytes / sizeof(uint64_t); i++)
		((uint64_t *)addr)[i] = i + 1;
	ok = ok && !mbind(addr, bytes, MPOL_DEFAULT, NULL, 0, 0) &&
	     !pages_elsewhere(addr, bytes, 1);
	numa_bitmask_free(node);
	return ok ? addr : NULL;
}

#endif /* SELFTESTS_ORDINARY_H */
