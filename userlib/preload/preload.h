/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnumapin-preload.so: for programs that need not know of numapin.
 *
 * Preloaded into a program that is linked to libnuma, it gives that memory of
 * libnumapin for what numa_alloc_onnode() and its like return: see numa.c. Where
 * that is refused, libnuma's own function is called, with a warning of
 * libnumapin's. Everything else of libnuma is as it is.
 *
 * With NUMAPIN_PRELOAD_HEAP it has a program's jemalloc take all of the heap from
 * libnumapin: see heap.c. Debian's libjemalloc.so.2 is preloaded, after this, into
 * a program that has not got it. malloc() is not touched otherwise.
 *
 * The environment, all that `numapin run` needs to set:
 *
 *   LD_PRELOAD=LIBDIR/numapin/libnumapin-preload.so
 *   LD_PRELOAD=LIBDIR/numapin/libnumapin-preload.so:libjemalloc.so.2  with a heap
 *   NUMAPIN_PRELOAD_NODE=N   the node of the heap, and of memory for which the
 *                            program names none: numa_alloc_local(), and numa_alloc()
 *                            while the thread's policy names none. Without it, that
 *                            is the node that the thread is on when it calls them.
 *   NUMAPIN_PRELOAD_HEAP=1   the heap is on that node
 *
 * They are read once, before the program and its libraries begin. What does not
 * make sense is warned of, and is as if it were not set. NUMAPIN_BACKEND and
 * NUMAPIN_WARN are libnumapin's and count here as well: see numapin.h.
 */
#ifndef NUMAPIN_PRELOAD_H
#define NUMAPIN_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <numapin.h>

#define PUBLIC __attribute__((visibility("default")))

/* More than any kernel has been built for */
#define MAX_NODES	4096
#define BITS_PER_LONG	(8 * sizeof(long))

static inline size_t whole_pages(size_t size)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) & ~(page - 1);
}

/**
 * struct mapping - a mapping of this process, as the kernel tells it
 * @start: Where it begins
 * @end: Where it ends
 * @path: What is mapped; "": anonymous memory
 */
struct mapping {
	char *start;
	char *end;
	char path[64];
};

/* preload.c */
extern int preload_node;
bool find_mapping(const char *addr, struct mapping *mapping);
void *pinned_memory(size_t size, const struct numapin_part *parts, size_t count,
		    const char *instead);

/* heap.c */
void heap_init(void);

#endif /* NUMAPIN_PRELOAD_H */
