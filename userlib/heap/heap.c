// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The public functions. A heap is an arena of jemalloc's, of a copy that is this
 * library's own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

#define PUBLIC __attribute__((visibility("default")))

/* An object that takes more has a region of its own. */
#define LARGE ((size_t)2 << 20)
/* What regions for others are to have room for */
#define LEAST_ROOM LARGE
#define MOST_ROOM ((size_t)32 << 20)

/*
 * Of the arena, and of no cache that a thread has: what is in one is the thread's until
 * it ends, and a heap can end before.
 */
#define IN_ARENA(heap) (MALLOCX_ARENA((heap)->arena) | MALLOCX_TCACHE_NONE)

/*
 * What jemalloc reads first: it is to ask for what it needs, and not to round that up; and
 * threads have no cache, which none of them would use.
 */
const char *malloc_conf = "retain:false,tcache:false";

/* Sets what jemalloc calls @name of an arena: 0, or an errno. */
static int set_arena(unsigned int arena, const char *name, void *value, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "arena.%u.%s", arena, name);
	return mallctl(path, NULL, NULL, value, size);
}

/*
 * It is made with jemalloc's own hooks, by which it gets what it keeps for itself, and
 * has ours for objects.
 */
static bool make_arena(struct numapin_heap *heap)
{
	extent_hooks_t *hooks = &heap->hooks;
	size_t size = sizeof(heap->arena);
	ssize_t at_once = 0;

	if (mallctl("arenas.create", &heap->arena, &size, NULL, 0))
		return false;
	if (set_arena(heap->arena, "extent_hooks", &hooks, sizeof(extent_hooks_t *)) ||
	    set_arena(heap->arena, "dirty_decay_ms", &at_once, sizeof(at_once)) ||
	    set_arena(heap->arena, "muzzy_decay_ms", &at_once, sizeof(at_once))) {
		set_arena(heap->arena, "destroy", NULL, 0);
		return false;
	}
	return true;
}

static void *attempt(void *old, size_t size, int flags, struct growth *growth)
{
	void *ptr;

	growth_begin(growth);
	ptr = old ? rallocx(old, size, flags) : mallocx(size, flags);
	growth_end(growth);
	return ptr;
}

/*
 * Makes a region that jemalloc can cut objects out of: has it allocate all of one, and
 * keep that when it is freed.
 */
static bool make_room(struct numapin_heap *heap, size_t room)
{
	struct growth growth = { 0 };
	void *ptr;

	do
		ptr = attempt(NULL, room, IN_ARENA(heap), &growth);
	while (!ptr && offer(heap, &growth));
	withdraw(heap, &growth);
	if (!ptr)
		return false;
	growth.keep = true;
	growth_begin(&growth);
	dallocx(ptr, MALLOCX_TCACHE_NONE);
	growth_end(&growth);
	return true;
}

/* Larger as the heap grows, an eighth or so of it */
static size_t next_room(const struct numapin_heap *heap)
{
	size_t room = MOST_ROOM;

	while (room > LEAST_ROOM && room > heap->bytes / 8)
		room /= 2;
	return room;
}

/* Gets what jemalloc lacks; where limits leave less, less than there might be. */
static bool grow(struct numapin_heap *heap, struct growth *growth)
{
	const size_t needed = growth->size + growth->alignment;
	size_t room = growth->size && needed <= LARGE ? next_room(heap) : 0;

	for (; room && room >= needed; room /= 4) {
		if (make_room(heap, room))
			return true;
		if (errno != ENOMEM)
			return false;
	}
	return offer(heap, growth);
}

/* An object, or @old in another size; with what it takes to have room for it. */
static void *allocate(struct numapin_heap *heap, void *old, size_t size, int flags)
{
	struct growth growth = { 0 };
	void *ptr;

	flags |= IN_ARENA(heap);
	size += !size;
	do
		ptr = attempt(old, size, flags, &growth);
	while (!ptr && grow(heap, &growth));
	withdraw(heap, &growth);
	give_back(heap);
	return ptr;
}

PUBLIC struct numapin_heap *numapin_heap_create(int node, unsigned int flags, size_t limit)
{
	struct numapin_heap *heap;
	void *first;
	int error;

	if (flags & (NUMAPIN_HUGE | NUMAPIN_SHARED)) {
		numapin_set_error("a heap can have neither NUMAPIN_HUGE nor NUMAPIN_SHARED");
		errno = EINVAL;
		return NULL;
	}
	heap = calloc(1, sizeof(*heap));
	if (!heap)
		goto no_bookkeeping;
	heap->node = node;
	heap->flags = flags;
	heap->limit = limit ? limit : SIZE_MAX;
	regions_init(heap);
	if (!make_arena(heap))
		goto free_heap;
	/* Whoever cannot have a heap is to hear of it now. */
	first = numapin_heap_malloc(heap, 1);
	if (!first) {
		error = errno;
		numapin_heap_destroy(heap);
		errno = error;
		return NULL;
	}
	numapin_heap_free(heap, first);
	return heap;

free_heap:
	free(heap);
no_bookkeeping:
	numapin_set_error("there is no memory for the bookkeeping of another heap");
	errno = ENOMEM;
	return NULL;
}

PUBLIC void numapin_heap_destroy(struct numapin_heap *heap)
{
	if (!heap)
		return;
	set_arena(heap->arena, "destroy", NULL, 0);
	free_regions(heap);
	free(heap);
}

PUBLIC void *numapin_heap_malloc(struct numapin_heap *heap, size_t size)
{
	return allocate(heap, NULL, size, 0);
}

PUBLIC void *numapin_heap_calloc(struct numapin_heap *heap, size_t nmemb, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nmemb, size, &bytes)) {
		numapin_set_error("the size of the array overflows");
		errno = ENOMEM;
		return NULL;
	}
	return allocate(heap, NULL, bytes, MALLOCX_ZERO);
}

PUBLIC void *numapin_heap_aligned_alloc(struct numapin_heap *heap, size_t alignment, size_t size)
{
	if (!alignment || alignment & (alignment - 1)) {
		numapin_set_error("the alignment is no power of two");
		errno = EINVAL;
		return NULL;
	}
	return allocate(heap, NULL, size, MALLOCX_ALIGN(alignment));
}

PUBLIC void *numapin_heap_realloc(struct numapin_heap *heap, void *ptr, size_t size)
{
	return allocate(heap, ptr, size, 0);
}

PUBLIC void numapin_heap_free(struct numapin_heap *heap, void *ptr)
{
	const int error = errno;

	if (!ptr)
		return;
	dallocx(ptr, MALLOCX_TCACHE_NONE);
	give_back(heap);
	errno = error;
}

PUBLIC size_t numapin_heap_usable_size(const void *ptr)
{
	return ptr ? sallocx(ptr, 0) : 0;
}

/* A page of jemalloc's: Debian's for arm64 has it at the largest that a kernel's can be. */
static size_t jemalloc_page(void)
{
	size_t page = page_size(), size = sizeof(page);

	mallctl("arenas.page", &page, &size, NULL, 0);
	return page;
}

/*
 * jemalloc does not say which regions are free as a whole: but who asks for as much as a
 * region has gets such a one, if there is any, and when it is freed it goes back. For a
 * large object jemalloc takes a page more than that has.
 */
PUBLIC size_t numapin_heap_trim(struct numapin_heap *heap)
{
	size_t count, *sizes = region_sizes(heap, &count);
	const size_t page = jemalloc_page();

	for (size_t i = 0; i < count; i++) {
		void *whole = NULL;

		if (sizes[i] > page)
			whole = mallocx(sizes[i] - page, IN_ARENA(heap));
		if (whole)
			dallocx(whole, MALLOCX_TCACHE_NONE);
	}
	free(sizes);
	return give_back(heap);
}

PUBLIC int numapin_heap_outcome(const struct numapin_heap *heap)
{
	for (int outcome = NUMAPIN_UNBOUND; outcome <= NUMAPIN_PINNED; outcome++)
		if (heap->outcomes[outcome])
			return outcome;
	return 0;
}

/* One of jemalloc's numbers of an arena */
static size_t arena_bytes(unsigned int arena, const char *name)
{
	size_t bytes = 0, size = sizeof(bytes);
	char path[64];

	snprintf(path, sizeof(path), "stats.arenas.%u.%s", arena, name);
	mallctl(path, &bytes, &size, NULL, 0);
	return bytes;
}

PUBLIC void numapin_heap_get_stats(const struct numapin_heap *heap,
				   struct numapin_heap_stats *stats)
{
	uint64_t epoch = 1;

	/* They are those of the last time that this was written. */
	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	stats->used = arena_bytes(heap->arena, "small.allocated") +
		      arena_bytes(heap->arena, "large.allocated");
	stats->regions = count_regions(heap);
	stats->region_bytes = heap->bytes;
	stats->huge_bytes = heap->huge_bytes;
}
