// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Small memory: several allocations share a region, a slab, for to make a region
 * takes longer than to zero a few pages.
 *
 * A slab gives memory until the next fork(). From then on what is written there
 * may have to be copied first, and the copy may not be had: so parent and child
 * take new ones.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define SLAB_PAGES	64
/* The largest allocation, in pages: as many as the module's clusters have */
#define MOST_PAGES	16
/* In how many slabs room is looked for, before there is another */
#define MAX_TRIES	8
/* See registry.c for how many locks there may be. */
#define NR_HEAPS	8

/**
 * struct slab - a region that allocations share
 * @node: Its node
 * @clusters: Whether its pages may come 16 at a time, which fork() has copied together
 * @base: Where it is
 * @used: Which of its pages are allocated, a bit for each
 * @stale: Which were, and are not zeroes any more
 * @forks: How often the process had forked when it was made
 * @next: The next in its heap's list
 * @listed: Whether it is there
 *
 * Lifetime: while a page of it is used, and beyond that at most one of each heap.
 *
 * Lock rules: all but @node, @clusters, @base and @forks is under the lock of the node's heap.
 */
struct slab {
	int node;
	bool clusters;
	char *base;
	uint64_t used;
	uint64_t stale;
	unsigned long forks;
	struct slab *next;
	bool listed;
};

/* Slabs that may have room, of the nodes that fall to a heap */
static struct heap {
	pthread_mutex_t lock;
	struct slab *slabs;
	struct slab *empty;	/* the one of them without a used page, if it was kept */
} heaps[NR_HEAPS] = {
	[0 ... NR_HEAPS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

/* Changes at a fork(), which has all locks of heaps */
static unsigned long forks;

static struct heap *heap_of(int node)
{
	return &heaps[node % NR_HEAPS];
}

/* What is a cluster itself, if it may be one, has nobody else's memory copied with it. */
static bool may_have_clusters(const struct allocation *alloc)
{
	return !(alloc->flags & NUMAPIN_NO_HUGE) && alloc->bytes == MOST_PAGES * page_size();
}

static bool is_fit(const struct slab *slab, const struct allocation *alloc)
{
	return slab->node == alloc->node && slab->clusters == may_have_clusters(alloc);
}

static uint64_t run(unsigned int nr)
{
	return ((uint64_t)1 << nr) - 1;
}

/* So many adjoining pages that are free: the bit of the first; -1: none. */
static int find_room(const struct slab *slab, unsigned int nr)
{
	uint64_t starts = ~slab->used;
	unsigned int i;

	for (i = 1; i < nr; i++)
		starts &= ~slab->used >> i;
	return starts ? __builtin_ctzll(starts) : -1;
}

static void list(struct heap *heap, struct slab *slab)
{
	slab->next = heap->slabs;
	heap->slabs = slab;
	slab->listed = true;
}

static void unlist(struct heap *heap, struct slab *slab)
{
	struct slab **link = &heap->slabs;

	while (*link != slab)
		link = &(*link)->next;
	*link = slab->next;
	slab->listed = false;
	if (heap->empty == slab)
		heap->empty = NULL;
}

/* Takes pages of a slab, which are free, from @first on. */
static void take_pages(struct heap *heap, struct slab *slab, int first, struct allocation *alloc)
{
	const uint64_t pages = run(alloc->bytes / page_size()) << first;

	slab->used |= pages;
	if (heap->empty == slab)
		heap->empty = NULL;
	if (!~slab->used)
		unlist(heap, slab);
	alloc->slab = slab;
	alloc->addr = slab->base + first * page_size();
	alloc->stale = slab->stale & pages;
	slab->stale |= pages;
}

static bool take(struct allocation *alloc)
{
	struct heap *heap = heap_of(alloc->node);
	struct slab *slab;
	int tries, first = -1;

	pthread_mutex_lock(&heap->lock);
	slab = heap->slabs;
	for (tries = 0; slab && tries < MAX_TRIES; tries++, slab = slab->next) {
		if (is_fit(slab, alloc))
			first = find_room(slab, alloc->bytes / page_size());
		if (first >= 0) {
			take_pages(heap, slab, first, alloc);
			break;
		}
	}
	pthread_mutex_unlock(&heap->lock);
	return first >= 0;
}

static void end(struct slab *slab)
{
	unmap(slab->base, SLAB_PAGES * page_size());
	free(slab);
}

/* Makes a slab and takes the pages of it. */
static bool take_new(struct allocation *alloc, enum verdict (*make)(struct allocation *alloc))
{
	const bool clusters = may_have_clusters(alloc);
	struct allocation whole = {
		.node = alloc->node,
		.bytes = SLAB_PAGES * page_size(),
		.flags = alloc->flags | (clusters ? 0 : NUMAPIN_NO_HUGE),
	};
	const unsigned long before = __atomic_load_n(&forks, __ATOMIC_RELAXED);
	struct heap *heap = heap_of(alloc->node);
	struct slab *slab;

	slab = calloc(1, sizeof(*slab));
	if (!slab)
		return false;
	if (make(&whole) != GRANTED) {
		free(slab);
		return false;
	}
	slab->node = alloc->node;
	slab->clusters = clusters;
	slab->base = whole.addr;
	slab->forks = before;
	pthread_mutex_lock(&heap->lock);
	if (slab->forks == forks)
		list(heap, slab);
	take_pages(heap, slab, 0, alloc);
	pthread_mutex_unlock(&heap->lock);
	return true;
}

/*
 * Memory out of a slab, which @make makes where there is none with room. False
 * where it is not for slabs, or there is none to be had: then it takes a region of
 * its own.
 */
bool slab_alloc(struct allocation *alloc, enum verdict (*make)(struct allocation *alloc))
{
	if (alloc->nr_parts || alloc->bytes > MOST_PAGES * page_size() ||
	    (alloc->flags & ~(NUMAPIN_STRICT | NUMAPIN_NO_HUGE)))
		return false;
	if (!take(alloc) && !take_new(alloc, make))
		return false;
	if (alloc->stale)
		memset(alloc->addr, 0, alloc->bytes);
	return true;
}

/* Gives memory back to the slab that it is out of. */
void slab_free(struct slab *slab, void *addr, size_t bytes)
{
	const unsigned int first = ((char *)addr - slab->base) / page_size();
	struct heap *heap = heap_of(slab->node);
	bool ended = false;

	pthread_mutex_lock(&heap->lock);
	slab->used &= ~(run(bytes / page_size()) << first);
	if (slab->forks == forks && !slab->listed)
		list(heap, slab);
	if (!slab->used) {
		ended = !slab->listed || heap->empty;
		if (!ended)
			heap->empty = slab;
		else if (slab->listed)
			unlist(heap, slab);
	}
	pthread_mutex_unlock(&heap->lock);
	if (ended)
		end(slab);
}

/* No slab gives memory any more that was made before now. */
static void before_fork(void)
{
	struct heap *heap;

	for (heap = heaps; heap < &heaps[NR_HEAPS]; heap++) {
		struct slab *empty;

		pthread_mutex_lock(&heap->lock);
		empty = heap->empty;
		if (empty) {
			unlist(heap, empty);
			end(empty);
		}
		while (heap->slabs)
			unlist(heap, heap->slabs);
	}
	__atomic_store_n(&forks, forks + 1, __ATOMIC_RELAXED);
}

static void after_fork(void)
{
	struct heap *heap;

	for (heap = heaps; heap < &heaps[NR_HEAPS]; heap++)
		pthread_mutex_unlock(&heap->lock);
}

__attribute__((constructor)) static void slabs_init(void)
{
	at_fork(before_fork, after_fork);
}
