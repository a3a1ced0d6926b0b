// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The heap of a program whose malloc() is jemalloc's: all of its arenas take their
 * memory from libnumapin, a region at a time, by jemalloc's extent hooks.
 *
 * What the program frees stays in the heap, for its next allocations: the heap does
 * not shrink. A region is up to 32 MiB, and as much more as one allocation takes. From
 * the start each arena has 2 MiB, for jemalloc's own records; and there are 8 arenas,
 * unless MALLOC_CONF says "narenas".
 *
 * Where the node or a limit refuses, malloc() returns NULL. Where the node's device
 * cannot be had (no module, no permission, no descriptor left), it is memory that
 * mbind(2) binds to the node. Either is warned of.
 */
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <numaif.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "preload.h"

/* The program's; or it has none. */
#pragma weak mallctl
#pragma weak mallocx
#pragma weak dallocx
#pragma weak malloc_conf

#define GROW_LIMIT	((size_t)32 << 20)

/* Memory that is on the node by policy alone, where that can be set */
static void *policed_memory(size_t size)
{
	unsigned long nodes[MAX_NODES / BITS_PER_LONG] = { 0 };
	void *addr;

	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return NULL;
	if (preload_node < MAX_NODES) {
		nodes[preload_node / BITS_PER_LONG] |= 1ul << preload_node % BITS_PER_LONG;
		/* The kernel reads one bit less than it is told. */
		mbind(addr, size, MPOL_BIND, nodes, MAX_NODES + 1, 0);
	}
	return addr;
}

/* Nothing here may call malloc(): jemalloc holds its locks. */
static void *get_memory(size_t size)
{
	void *addr;
	int cancellation;

	/* open() and write() are where a thread may end, with those locks. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
	addr = pinned_memory(size, &(struct numapin_part){ preload_node, 1 }, 1,
			     "the heap has no pinned memory for this");
	if (!addr && errno != ENOMEM)
		addr = policed_memory(size);
	pthread_setcancelstate(cancellation, NULL);
	return addr;
}

static void *alloc_extent(extent_hooks_t *hooks, void *at, size_t size, size_t alignment,
			  bool *zero, bool *commit, unsigned int arena)
{
	void *addr;

	(void)hooks;
	(void)arena;
	if (at)
		return NULL;
	addr = get_memory(size);
	if (!addr)
		return NULL;
	if ((uintptr_t)addr % alignment) {
		if (free_numa_memory(addr, size))
			munmap(addr, size);
		return NULL;
	}
	*zero = true;
	*commit = true;
	return addr;
}

/* What adjoins may be one, and be cut: it is memory, wherever it came from. */
static bool split_extent(extent_hooks_t *hooks, void *addr, size_t size, size_t size_a,
			 size_t size_b, bool committed, unsigned int arena)
{
	(void)hooks;
	(void)addr;
	(void)size;
	(void)size_a;
	(void)size_b;
	(void)committed;
	(void)arena;
	return false;
}

static bool merge_extents(extent_hooks_t *hooks, void *addr_a, size_t size_a, void *addr_b,
			  size_t size_b, bool committed, unsigned int arena)
{
	(void)hooks;
	(void)addr_a;
	(void)size_a;
	(void)addr_b;
	(void)size_b;
	(void)committed;
	(void)arena;
	return false;
}

static extent_hooks_t hooks = {
	.alloc = alloc_extent,
	.split = split_extent,
	.merge = merge_extents,
};

static int hook_arena(unsigned int arena)
{
	extent_hooks_t *used = &hooks;
	size_t limit = GROW_LIMIT;
	char name[64];
	int error;

	snprintf(name, sizeof(name), "arena.%u.extent_hooks", arena);
	error = mallctl(name, NULL, NULL, (void *)&used, sizeof(extent_hooks_t *));
	if (error)
		return error;
	snprintf(name, sizeof(name), "arena.%u.retain_grow_limit", arena);
	return mallctl(name, NULL, NULL, &limit, sizeof(limit));
}

static int hook_arenas(void)
{
	unsigned int nr_arenas;
	size_t size = sizeof(nr_arenas);
	int error;

	error = mallctl("arenas.narenas", &nr_arenas, &size, NULL, 0);
	for (unsigned int arena = 0; !error && arena < nr_arenas; arena++)
		error = hook_arena(arena);
	return error;
}

/*
 * Moves what jemalloc mapped before it had the hooks into a region: its first records,
 * and the rest of that mapping, out of which the first objects would be. There is no
 * other thread yet, and nothing here calls malloc() once the contents are copied.
 */
static bool move_first_memory(void)
{
	struct mapping mapping;
	void *object = mallocx(1, 0), *region;
	size_t size;

	if (!object || !find_mapping(object, &mapping))
		return false;
	dallocx(object, 0);
	if (*mapping.path)
		return true;
	size = mapping.end - mapping.start;
	region = numapin_alloc(preload_node, size, NUMAPIN_REGION, NULL);
	if (!region)
		return false;
	memcpy(region, mapping.start, size);
	return mremap(region, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, mapping.start) !=
	       MAP_FAILED;
}

void heap_init(void)
{
	if (preload_node < 0) {
		numapin_warn(NUMAPIN_REASON_NONE,
			     "NUMAPIN_PRELOAD_HEAP without a node in NUMAPIN_PRELOAD_NODE");
		return;
	}
	if (!mallctl || !&malloc_conf) {
		numapin_warn(NUMAPIN_REASON_NONE,
			     "NUMAPIN_PRELOAD_HEAP, and the program's malloc is not jemalloc's");
		return;
	}
	/* The arena for large allocations is one that hooks are not to be had for. */
	if (!malloc_conf)
		malloc_conf = "narenas:8,oversize_threshold:0";
	if (hook_arenas() || !move_first_memory())
		numapin_warn(NUMAPIN_REASON_NONE, "not all of the heap is on its node");
}
