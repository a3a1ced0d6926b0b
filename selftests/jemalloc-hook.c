// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded into a program that uses jemalloc: what its main thread
 * allocates comes from private regions of node 1, and the program need not know.
 */
#include <fcntl.h>
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/numapin.h>

/* Nothing that allocates memory may be called here. */
static void *alloc_extent(extent_hooks_t *hooks, void *at, size_t size, size_t alignment,
			  bool *zero, bool *commit, unsigned int arena)
{
	struct numapin_alloc alloc = {
		.size = sizeof(alloc), .flags = NUMAPIN_ALLOC_PRIVATE, .length = size,
	};
	void *addr = MAP_FAILED;
	int fd;

	if (at)
		return NULL;
	fd = open("/dev/numapin/node1", O_RDWR | O_CLOEXEC);
	if (!ioctl(fd, NUMAPIN_IOCTL_ALLOC, &alloc))
		addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (addr == MAP_FAILED)
		return NULL;
	if ((uintptr_t)addr % alignment) {
		munmap(addr, size);
		return NULL;
	}
	*zero = true;
	*commit = true;
	return addr;
}

static void destroy_extent(extent_hooks_t *hooks, void *addr, size_t size, bool committed,
			   unsigned int arena)
{
	munmap(addr, size);
}

static bool split_extent(extent_hooks_t *hooks, void *addr, size_t size, size_t size_a,
			 size_t size_b, bool committed, unsigned int arena)
{
	/* A part of a mapping is a mapping. */
	return false;
}

static extent_hooks_t hooks = {
	.alloc = alloc_extent,
	.destroy = destroy_extent,
	.split = split_extent,
};

__attribute__((constructor)) static void use_regions(void)
{
	extent_hooks_t *used = &hooks;
	unsigned int arena;
	size_t size = sizeof(arena);

	if (mallctl("arenas.create", &arena, &size, &used, sizeof(extent_hooks_t *)) ||
	    mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena))) {
		fprintf(stderr, "jemalloc-hook: no arena\n");
		exit(1);
	}
}
