// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A heap's regions, and the hooks by which jemalloc gets them, splits them and
 * gives them back.
 *
 * The hooks run under locks of jemalloc's, and do nothing there but look up: regions are
 * made before and freed after, by the thread that allocates, when it holds none. So that
 * a warning handler may do what it likes, the kernel may take its time to find a page,
 * and no lock of libnumapin's is ever inside of one of jemalloc's.
 *
 * jemalloc may split and merge as it likes inside of a region. Parts of one that are
 * free stay with jemalloc: nothing but a whole region can go back to the node.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* All are held at a fork(), as those of libnumapin's slab.c are. */
#define NR_LOCKS	8

/**
 * struct region - memory of a heap
 * @memory: What libnumapin gave
 * @bytes: The size of that
 * @base: What jemalloc has of it
 * @size: The size of that
 * @huge_bytes: As in the receipt
 * @outcome: As in the receipt
 * @next: The next in its bucket, or of those on their way back, under the heap's lock
 */
struct region {
	char *memory;
	size_t bytes;
	char *base;
	size_t size;
	size_t huge_bytes;
	int outcome;
	struct region *next;
};

static pthread_mutex_t locks[NR_LOCKS] = {
	[0 ... NR_LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER,
};

/*
 * Held while jemalloc may come to know ranges of addresses: of the ends of extents. It has
 * a lock in its tree of them (rtree, in 5.3) that it forgets at a fork.
 */
#define RANGE	((size_t)1 << 30)
static pthread_mutex_t ranges = PTHREAD_MUTEX_INITIALIZER;

/* What this thread's call of jemalloc may grow the heap by; NULL: it must not grow. */
static _Thread_local struct growth *current;

static void lock_all(void)
{
	for (int i = 0; i < NR_LOCKS; i++)
		pthread_mutex_lock(&locks[i]);
}

static void unlock_all(void)
{
	for (int i = 0; i < NR_LOCKS; i++)
		pthread_mutex_unlock(&locks[i]);
}

static void lock_ranges(void)
{
	pthread_mutex_lock(&ranges);
}

static void unlock_ranges(void)
{
	pthread_mutex_unlock(&ranges);
}

/*
 * A child of fork() must not inherit a lock that another thread held. Those of regions
 * are taken inside of jemalloc's, and the one of ranges around them; so at a fork it is
 * ranges, jemalloc's, regions', the last registered first. jemalloc registers when it is
 * first called.
 */
__attribute__((constructor(101))) static void locks_init(void)
{
	pthread_atfork(lock_all, unlock_all, unlock_all);
	mallctl("version", NULL, NULL, NULL, 0);
	pthread_atfork(lock_ranges, unlock_ranges, unlock_ranges);
}

/* Where the region is linked that begins at @addr; to NULL: none does. Under the lock. */
static struct region **find(struct numapin_heap *heap, const char *addr)
{
	const uint64_t page = (uintptr_t)addr / page_size();
	struct region **link;

	/* Fibonacci hashing, as in registry.c */
	link = &heap->regions[page * 0x9e3779b97f4a7c15u >> (64 - BUCKET_BITS)];
	while (*link && (*link)->base != addr)
		link = &(*link)->next;
	return link;
}

/* jemalloc asks for memory. */
static void *alloc_extent(extent_hooks_t *hooks, void *at, size_t size, size_t alignment,
			  bool *zero, bool *commit, unsigned int arena)
{
	struct growth *growth = current;
	struct region *region;

	(void)hooks;
	(void)arena;
	if (at || !growth)
		return NULL;
	region = growth->offered;
	if (region && region->size == size && (uintptr_t)region->base % alignment == 0) {
		growth->offered = NULL;
		growth->taken = true;
		*zero = true;
		*commit = true;
		return region->base;
	}
	growth->size = size;
	growth->alignment = alignment;
	return NULL;
}

/* It gives memory back; true: not this, which is a part of a region. */
static bool dalloc_extent(extent_hooks_t *hooks, void *addr, size_t size, bool committed,
			  unsigned int arena)
{
	struct numapin_heap *heap = (struct numapin_heap *)hooks;
	struct region **link, *region;
	bool whole;

	(void)committed;
	(void)arena;
	if (current && current->keep)
		return true;
	pthread_mutex_lock(heap->lock);
	link = find(heap, addr);
	region = *link;
	whole = region && region->size == size;
	if (whole) {
		*link = region->next;
		region->next = heap->released;
		__atomic_store_n(&heap->released, region, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(heap->lock);
	return !whole;
}

/*
 * It makes two of one; true: not of this, in which there may be a whole range of addresses
 * that it does not know yet.
 */
static bool split_extent(extent_hooks_t *hooks, void *addr, size_t size, size_t size_a,
			 size_t size_b, bool committed, unsigned int arena)
{
	(void)hooks;
	(void)addr;
	(void)size_a;
	(void)size_b;
	(void)committed;
	(void)arena;
	return size > RANGE;
}

/* It makes one of two neighbours; true: not of these, the second begins a region. */
static bool merge_extents(extent_hooks_t *hooks, void *addr_a, size_t size_a, void *addr_b,
			  size_t size_b, bool committed, unsigned int arena)
{
	struct numapin_heap *heap = (struct numapin_heap *)hooks;
	bool begins;

	(void)addr_a;
	(void)size_a;
	(void)size_b;
	(void)committed;
	(void)arena;
	pthread_mutex_lock(heap->lock);
	begins = *find(heap, addr_b);
	pthread_mutex_unlock(heap->lock);
	return begins;
}

void regions_init(struct numapin_heap *heap)
{
	heap->lock = &locks[(unsigned int)heap->node % NR_LOCKS];
	/*
	 * Those that are missing are refused. MADV_DONTNEED, by which jemalloc purges, frees
	 * nothing of a region and zeroes nothing.
	 */
	heap->hooks = (extent_hooks_t){
		.alloc	= alloc_extent,
		.dalloc	= dalloc_extent,
		.split	= split_extent,
		.merge	= merge_extents,
	};
}

/* From here to growth_end() jemalloc is called with @growth. */
void growth_begin(struct growth *growth)
{
	growth->size = 0;
	growth->alignment = 0;
	growth->locked = growth->offered;
	if (growth->locked)
		lock_ranges();
	current = growth;
}

void growth_end(struct growth *growth)
{
	current = NULL;
	if (growth->locked)
		unlock_ranges();
}

static bool charge(struct numapin_heap *heap, size_t bytes)
{
	size_t had = heap->bytes;
	char words[160];

	do {
		if (bytes > heap->limit - had) {
			snprintf(words, sizeof(words),
				 "heap of node %d: %zu bytes asked, %zu left of its limit of %zu",
				 heap->node, bytes, heap->limit - had, heap->limit);
			numapin_set_error(words);
			errno = ENOMEM;
			return false;
		}
	} while (!atomic_compare_exchange_weak(&heap->bytes, &had, had + bytes));
	return true;
}

/* Gets a region's memory. */
static bool obtain(struct numapin_heap *heap, struct region *region, size_t bytes)
{
	struct numapin_receipt receipt;

	if (!charge(heap, bytes))
		return false;
	region->memory = numapin_alloc(heap->node, bytes, heap->flags, &receipt);
	if (!region->memory) {
		heap->bytes -= bytes;
		return false;
	}
	region->bytes = bytes;
	region->huge_bytes = receipt.huge_bytes;
	region->outcome = receipt.outcome;
	heap->huge_bytes += region->huge_bytes;
	heap->outcomes[region->outcome]++;
	return true;
}

/* Gives it back: how much. What the system does not take stays, and is counted. */
static size_t release(struct numapin_heap *heap, struct region *region)
{
	if (free_numa_memory(region->memory, region->bytes))
		return 0;
	heap->bytes -= region->bytes;
	heap->huge_bytes -= region->huge_bytes;
	heap->outcomes[region->outcome]--;
	return region->bytes;
}

static void add(struct numapin_heap *heap, struct region *region)
{
	struct region **link;

	pthread_mutex_lock(heap->lock);
	link = find(heap, region->base);
	region->next = *link;
	*link = region;
	pthread_mutex_unlock(heap->lock);
}

/* A region of the heap that jemalloc does not know of yet; NULL and errno on failure. */
static struct region *make_region(struct numapin_heap *heap, size_t size, size_t alignment)
{
	struct region *region;
	bool obtained;
	int error;

	region = calloc(1, sizeof(*region));
	if (!region) {
		numapin_set_error("there is no memory for the bookkeeping of regions");
		errno = ENOMEM;
		return NULL;
	}
	obtained = obtain(heap, region, size);
	if (obtained && (uintptr_t)region->memory % alignment) {
		release(heap, region);
		obtained = obtain(heap, region, size + alignment - page_size());
	}
	if (!obtained) {
		error = errno;
		free(region);
		errno = error;
		return NULL;
	}
	region->base = region->memory + (-(uintptr_t)region->memory & (alignment - 1));
	region->size = size;
	add(heap, region);
	return region;
}

/*
 * Offers jemalloc a region of the size that it asked for. False and errno where there
 * is none to be had, or none that would help.
 */
bool offer(struct numapin_heap *heap, struct growth *growth)
{
	if (growth->taken || !growth->size) {
		numapin_set_error("there is no memory or address space for the object");
		errno = ENOMEM;
		return false;
	}
	/* Another thread made room or took it, and jemalloc asks for something else now. */
	withdraw(heap, growth);
	growth->offered = make_region(heap, growth->size, growth->alignment);
	return growth->offered;
}

/* Takes back what was offered and is not needed any more. */
void withdraw(struct numapin_heap *heap, struct growth *growth)
{
	if (!growth->offered)
		return;
	dalloc_extent(&heap->hooks, growth->offered->base, growth->offered->size, true,
		      heap->arena);
	growth->offered = NULL;
	give_back(heap);
}

/* Gives back to the node what jemalloc gave back: how many bytes. */
size_t give_back(struct numapin_heap *heap)
{
	struct region *released, *next;
	size_t bytes = 0;

	if (!__atomic_load_n(&heap->released, __ATOMIC_RELAXED))
		return 0;
	pthread_mutex_lock(heap->lock);
	released = heap->released;
	__atomic_store_n(&heap->released, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(heap->lock);
	for (; released; released = next) {
		next = released->next;
		bytes += release(heap, released);
		free(released);
	}
	return bytes;
}

/* How many regions there are. */
size_t count_regions(const struct numapin_heap *heap)
{
	size_t count = 0;

	for (int outcome = NUMAPIN_UNBOUND; outcome <= NUMAPIN_PINNED; outcome++)
		count += heap->outcomes[outcome];
	return count;
}

/*
 * The sizes of the heap's regions, to be freed; NULL: no memory. What is made meanwhile
 * may not be among them.
 */
size_t *region_sizes(struct numapin_heap *heap, size_t *count)
{
	const size_t room = count_regions(heap);
	const struct region *region;
	size_t *sizes;

	*count = 0;
	sizes = calloc(room, sizeof(*sizes));
	if (!sizes)
		return NULL;
	pthread_mutex_lock(heap->lock);
	for (int i = 0; i < NR_BUCKETS; i++)
		for (region = heap->regions[i]; region && *count < room; region = region->next)
			sizes[(*count)++] = region->size;
	pthread_mutex_unlock(heap->lock);
	return sizes;
}

/* At a heap's end: what jemalloc gave back, and what it kept parts of */
void free_regions(struct numapin_heap *heap)
{
	struct region *region, *next;

	give_back(heap);
	for (int i = 0; i < NR_BUCKETS; i++) {
		for (region = heap->regions[i]; region; region = next) {
			next = region->next;
			release(heap, region);
			free(region);
		}
	}
}
