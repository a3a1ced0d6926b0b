/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnumapin-heap: small objects on the NUMA node that was asked for.
 *
 * A heap is a node's: jemalloc over regions of libnumapin. Each byte of each object
 * is on the node, as firmly as numapin_heap_outcome() says. Where the node, a limit or
 * the heap's own limit does not give more, the answer is NULL and errno, the heap
 * is as it was, and numapin_error() says why.
 *
 * Link with -lnumapin-heap -lnumapin. The allocator is inside the library and seen by
 * nobody else: malloc() of the program stays what it is.
 *
 * After fork() parent and child each have the heap and all objects in it, as they were,
 * and each goes on with its own.
 *
 * Every function may be called from any thread at any time, but not from a signal
 * handler; numapin_heap_destroy() only when no other thread uses the heap any more.
 * An object may be freed by another thread than it was allocated by. All of them are
 * since version 0.2.
 */
#ifndef NUMAPIN_HEAP_H
#define NUMAPIN_HEAP_H

#include <stddef.h>

#include <numapin.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct numapin_heap - a heap on a node
 *
 * Made by numapin_heap_create(); what is in it is the library's own.
 */
struct numapin_heap;

/**
 * struct numapin_heap_stats - what a heap holds
 * @used: Bytes of objects, in the sizes that they got: numapin_heap_usable_size()
 * @regions: How many regions it has
 * @region_bytes: Bytes of them, which is what limits count
 * @huge_bytes: How many of @region_bytes are known to be on 2 MiB pages
 */
struct numapin_heap_stats {
	size_t used;
	size_t regions;
	size_t region_bytes;
	size_t huge_bytes;
};

/**
 * numapin_heap_create - a heap on a NUMA node
 * @node: The node, from 0
 * @flags: Of enum numapin_flags, for all its regions: NUMAPIN_STRICT,
 *         NUMAPIN_NO_HUGE, NUMAPIN_RESERVE, NUMAPIN_REGION
 * @limit: The most bytes of regions that it may have; 0: no limit of its own
 *
 * It has a first region when this returns: of 2 MiB and a page, or where that is not to
 * be had or is beyond @limit, of as little as a page. The next are larger as the heap
 * grows, up to 32 MiB; an object of 2 MiB or more has a region of its own, if there is no
 * room for it in others. What the allocator itself keeps is in ordinary memory: some
 * 100 KiB for each heap.
 *
 * There may be about 4000 heaps in a process.
 *
 * Return: the heap, to be freed by numapin_heap_destroy(); NULL and errno on failure,
 * with numapin_error() to say it in words:
 *  EINVAL: @flags has another flag: NUMAPIN_HUGE cannot be kept where limits leave
 *          less than 2 MiB, and with NUMAPIN_SHARED processes would allocate the same
 *          memory twice; or as numapin_alloc() says.
 *  ENOMEM: @limit is less than a page; there are too many heaps; or there is no
 *          memory for the bookkeeping.
 *  Else as numapin_alloc() says of the first region.
 */
struct numapin_heap *numapin_heap_create(int node, unsigned int flags, size_t limit);

/**
 * numapin_heap_destroy - free a heap, and all objects in it
 * @heap: The heap; NULL is no error and does nothing
 *
 * All its regions are given back to the node.
 */
void numapin_heap_destroy(struct numapin_heap *heap);

/**
 * numapin_heap_malloc - an object in a heap
 * @heap: The heap
 * @size: Bytes; 0 is as 1
 *
 * It is aligned as malloc() does: for any type of @size or less.
 *
 * Return: the object, not zeroed, to be freed by numapin_heap_free(); NULL and errno
 * on failure, with numapin_error() to say it in words:
 *  ENOMEM: It would exceed the heap's limit; @size is more than there can be; or there
 *          is no memory for the bookkeeping.
 *  Else as numapin_alloc() says of a region for it.
 */
void *numapin_heap_malloc(struct numapin_heap *heap, size_t size);

/**
 * numapin_heap_calloc - a zeroed array in a heap
 * @heap: The heap
 * @nmemb: How many elements
 * @size: Bytes of each; 0 bytes in all are as 1
 *
 * Return: as numapin_heap_malloc(), zeroed; and ENOMEM where @nmemb * @size overflows.
 */
void *numapin_heap_calloc(struct numapin_heap *heap, size_t nmemb, size_t size);

/**
 * numapin_heap_aligned_alloc - an aligned object in a heap
 * @heap: The heap
 * @alignment: Bytes, a power of two; @size need not be a multiple of it
 * @size: Bytes; 0 is as 1
 *
 * Return: as numapin_heap_malloc(); and EINVAL where @alignment is no power of two.
 */
void *numapin_heap_aligned_alloc(struct numapin_heap *heap, size_t alignment, size_t size);

/**
 * numapin_heap_realloc - an object of another size, with what was in it
 * @heap: The heap
 * @ptr: The object, of this heap; NULL: there is none yet
 * @size: Bytes; 0 is as 1, and does not free it
 *
 * Return: as numapin_heap_malloc(), and @ptr is freed unless it is what is returned.
 * On failure @ptr is as it was.
 */
void *numapin_heap_realloc(struct numapin_heap *heap, void *ptr, size_t size);

/**
 * numapin_heap_free - free an object
 * @heap: The heap
 * @ptr: The object, of this heap; NULL is no error and does nothing
 *
 * As with free(), what is not an object of the heap must not be given here. A region
 * that was the object's alone goes back to the node; what others had a part of stays
 * with the heap, for its next objects. Leaves errno alone.
 */
void numapin_heap_free(struct numapin_heap *heap, void *ptr);

/**
 * numapin_heap_usable_size - the size that an object got
 * @ptr: An object of a heap; or NULL
 *
 * Return: bytes that may be used, as many as were asked for or more; 0 for NULL.
 */
size_t numapin_heap_usable_size(const void *ptr);

/**
 * numapin_heap_trim - give back regions in which there is no object
 * @heap: The heap
 *
 * Regions are given back whole. One with a single object in it stays. So may one that
 * other threads allocate from meanwhile.
 *
 * Return: the bytes that were given back to the node.
 */
size_t numapin_heap_trim(struct numapin_heap *heap);

/**
 * numapin_heap_outcome - how firmly a heap's objects are on its node
 * @heap: The heap
 *
 * Return: enum numapin_outcome, the weakest of all its regions; 0 where it has none.
 */
int numapin_heap_outcome(const struct numapin_heap *heap);

/**
 * numapin_heap_get_stats - what a heap holds
 * @heap: The heap
 * @stats: Where to write it
 *
 * Adds up what all heaps have, which takes their locks: not for each object.
 */
void numapin_heap_get_stats(const struct numapin_heap *heap, struct numapin_heap_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* NUMAPIN_HEAP_H */
