// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libnuma's functions that allocate, with its symbol versions.
 *
 * They do what libnuma's manual says, of memory that is a region of libnumapin:
 * private after fork(), of whole pages, with the contents kept by numa_realloc(), and
 * freed by numa_free(), in parts too. Other than libnuma's it is zeroed and there
 * when the function returns, and mbind(2) of it to other nodes is EPERM.
 *
 * libnuma's functions never refuse but for want of address space. So where there is
 * no region to be had, theirs are called, with all that a program has set for them
 * (numa_set_strict(), numa_set_bind_policy(), numa_exit_on_error); with one warning.
 * Likewise for memory that the thread's policy has on several nodes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "preload.h"

/* libnuma's own function. To look it up is little against what it then does. */
#define REAL(name, version) ((__typeof__(name) *)dlvsym(RTLD_NEXT, #name, version))

static void *regions(size_t size, const struct numapin_part *parts, size_t count)
{
	return pinned_memory(size, parts, count, "it is libnuma's memory, which is not pinned");
}

static void *region(size_t size, int node)
{
	return regions(size, &(struct numapin_part){ node, 1 }, 1);
}

static void warn_of_several_nodes(void)
{
	numapin_warn(NUMAPIN_REASON_NONE,
		     "memory on several nodes is libnuma's, which is not pinned");
}

/* The only node of a set; -1: it has none, or several. */
static int only_node(const unsigned long *bits, unsigned long count)
{
	int node = -1;

	for (unsigned long i = 0; i < count; i++) {
		if (!(bits[i / BITS_PER_LONG] >> i % BITS_PER_LONG & 1))
			continue;
		if (node >= 0)
			return -1;
		node = (int)i;
	}
	return node;
}

/* Where memory is for which no node is named */
static int local_node(void)
{
	unsigned int cpu, node;

	if (preload_node >= 0)
		return preload_node;
	return getcpu(&cpu, &node) ? -1 : (int)node;
}

/* Where memory is by the thread's policy; -1: on several nodes, or in their turn */
static int policy_node(void)
{
	unsigned long nodes[MAX_NODES / BITS_PER_LONG] = { 0 };
	int mode;

	if (get_mempolicy(&mode, nodes, MAX_NODES, NULL, 0))
		return -1;
	switch (mode) {
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		return local_node();
	case MPOL_BIND:
	case MPOL_PREFERRED:
	case MPOL_PREFERRED_MANY:
	case MPOL_INTERLEAVE:
		return only_node(nodes, MAX_NODES);
	default:
		return -1;
	}
}

/* The nodes of a set, a page of each in turn; 0: they are more than a region may have. */
static size_t parts_of_set(const struct bitmask *nodes, struct numapin_part *parts)
{
	size_t count = 0;

	for (unsigned long i = 0; i < nodes->size; i++) {
		if (!(nodes->maskp[i / BITS_PER_LONG] >> i % BITS_PER_LONG & 1))
			continue;
		if (count == NUMAPIN_MAX_PARTS)
			return 0;
		parts[count++] = (struct numapin_part){ (int)i, 1 };
	}
	return count;
}

/*
 * The nodes of the region that holds all of a range, by where its pages are until the
 * first one has its turn again; 0: none does.
 */
static size_t parts_of_region(char *addr, size_t size, struct numapin_part *parts)
{
	int nodes[NUMAPIN_MAX_PARTS], node;
	struct mapping mapping;
	long count;

	if (!find_mapping(addr, &mapping) || size > (size_t)(mapping.end - addr) ||
	    sscanf(mapping.path, "/dev/numapin/node%d", &node) != 1)
		return 0;
	if (size > whole_pages(1) * NUMAPIN_MAX_PARTS)
		size = whole_pages(1) * NUMAPIN_MAX_PARTS;
	/* After a fork a page is there again when it is accessed. */
	for (size_t i = 0; i < size; i += whole_pages(1))
		(void)*(volatile char *)(addr + i);
	count = numapin_locate(addr, size, nodes, NUMAPIN_MAX_PARTS);
	for (long i = 0; i < count; i++) {
		if (i && nodes[i] == nodes[0])
			return (size_t)i;
		parts[i] = (struct numapin_part){ nodes[i], 1 };
	}
	return count < 0 ? 0 : (size_t)count;
}

PUBLIC void *numa_alloc_onnode(size_t size, int node)
{
	void *addr = region(size, node);

	return addr ? addr : REAL(numa_alloc_onnode, "libnuma_1.1")(size, node);
}

PUBLIC void *numa_alloc_local(size_t size)
{
	void *addr = region(size, local_node());

	if (addr)
		return addr;
	if (preload_node >= 0)
		return REAL(numa_alloc_onnode, "libnuma_1.1")(size, preload_node);
	return REAL(numa_alloc_local, "libnuma_1.1")(size);
}

PUBLIC void *numa_alloc(size_t size)
{
	const int node = policy_node();
	void *addr = NULL;

	if (node >= 0)
		addr = region(size, node);
	else
		warn_of_several_nodes();
	return addr ? addr : REAL(numa_alloc, "libnuma_1.1")(size);
}

PUBLIC void *interleaved_subset(size_t size, struct bitmask *nodes);
PUBLIC void *interleaved_subset(size_t size, struct bitmask *nodes)
{
	struct numapin_part parts[NUMAPIN_MAX_PARTS];
	const size_t count = parts_of_set(nodes, parts);
	void *addr = count ? regions(size, parts, count) : NULL;

	return addr ? addr : REAL(numa_alloc_interleaved_subset, "libnuma_1.2")(size, nodes);
}

__asm__(".symver interleaved_subset, numa_alloc_interleaved_subset@@libnuma_1.2");

/* That of programs built for libnuma 1 */
PUBLIC void *interleaved_subset_v1(size_t size, const nodemask_t *nodes);
PUBLIC void *interleaved_subset_v1(size_t size, const nodemask_t *nodes)
{
	struct bitmask mask = {
		.size = 8 * sizeof(*nodes),
		.maskp = (unsigned long *)nodes->n,
	};

	return interleaved_subset(size, &mask);
}

__asm__(".symver interleaved_subset_v1, numa_alloc_interleaved_subset@libnuma_1.1");

PUBLIC void *numa_alloc_interleaved(size_t size)
{
	return interleaved_subset(size, numa_all_nodes_ptr);
}

/* Of the nodes of parts: a region, or what libnuma has */
static void *interleaved(size_t size, const struct numapin_part *parts, size_t count)
{
	unsigned long bits[MAX_NODES / BITS_PER_LONG] = { 0 };
	struct bitmask nodes = { .size = MAX_NODES, .maskp = bits };

	while (count--)
		bits[parts[count].node / BITS_PER_LONG] |= 1ul << parts[count].node % BITS_PER_LONG;
	return interleaved_subset(size, &nodes);
}

PUBLIC void numa_free(void *mem, size_t size)
{
	/* Else it is libnuma's, or a part: to be unmapped, as libnuma does. */
	if (free_numa_memory(mem, whole_pages(size)))
		REAL(numa_free, "libnuma_1.1")(mem, size);
}

PUBLIC void *numa_realloc(void *old_addr, size_t old_size, size_t new_size)
{
	const size_t old_bytes = whole_pages(old_size), new_bytes = whole_pages(new_size);
	struct numapin_part parts[NUMAPIN_MAX_PARTS];
	const size_t count = parts_of_region(old_addr, old_bytes, parts);
	void *new_addr;

	/* A region has no other size than it was made with. */
	if (!count)
		return REAL(numa_realloc, "libnuma_1.2")(old_addr, old_size, new_size);
	if (new_bytes == old_bytes)
		return old_addr;
	new_addr = count == 1 ? numa_alloc_onnode(new_size, parts->node) :
				interleaved(new_size, parts, count);
	if (!new_addr)
		return NULL;
	memcpy(new_addr, old_addr, new_bytes < old_bytes ? new_bytes : old_bytes);
	numa_free(old_addr, old_size);
	return new_addr;
}
