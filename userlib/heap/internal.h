/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the heap library share:
 *
 *   heap.c		the public functions, by jemalloc's
 *   region.c		what jemalloc gets its memory from
 */
#ifndef NUMAPIN_HEAP_INTERNAL_H
#define NUMAPIN_HEAP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "numapin-heap.h"

#define BUCKET_BITS	8
#define NR_BUCKETS	(1 << BUCKET_BITS)

/**
 * struct numapin_heap - a heap: an arena of jemalloc's, with regions of its own
 * @hooks: How the arena gets memory
 * @node: The heap's node
 * @flags: enum numapin_flags, of its regions
 * @limit: The most that @bytes may be
 * @arena: The arena's index
 * @lock: Which of region.c's locks is this heap's
 * @regions: Its regions that jemalloc has or is offered, hashed by address, under @lock
 * @released: Regions on their way back to the node, under @lock; but whether there are
 *            any may be asked without
 * @bytes: Of all regions
 * @huge_bytes: How many of those are known to be on 2 MiB pages
 * @outcomes: How many regions there are, by enum numapin_outcome
 */
struct numapin_heap {
	extent_hooks_t hooks;
	int node;
	unsigned int flags;
	size_t limit;
	unsigned int arena;
	pthread_mutex_t *lock;
	struct region *regions[NR_BUCKETS];
	struct region *released;
	atomic_size_t bytes;
	atomic_size_t huge_bytes;
	atomic_size_t outcomes[NUMAPIN_PINNED + 1];
};

/**
 * struct growth - what jemalloc lacks, in one call of it after another, and gets
 * @size: How much it asked for in the last call; 0: it did not
 * @alignment: What that must be aligned to
 * @offered: A region for it, of such a size; NULL: there is none
 * @taken: Whether it took one
 * @keep: Whether it is to keep what it gives back, and be it whole regions
 * @locked: Whether ranges of addresses that are new to it are allowed for
 */
struct growth {
	size_t size;
	size_t alignment;
	struct region *offered;
	bool taken;
	bool keep;
	bool locked;
};

static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* region.c */
void regions_init(struct numapin_heap *heap);
void growth_begin(struct growth *growth);
void growth_end(struct growth *growth);
bool offer(struct numapin_heap *heap, struct growth *growth);
void withdraw(struct numapin_heap *heap, struct growth *growth);
size_t give_back(struct numapin_heap *heap);
size_t count_regions(const struct numapin_heap *heap);
size_t *region_sizes(struct numapin_heap *heap, size_t *count);
void free_regions(struct numapin_heap *heap);

#endif /* NUMAPIN_HEAP_INTERNAL_H */
