/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes that are full, or full of what the kernel can reclaim.
 */
#ifndef SELFTESTS_PRESSURE_H
#define SELFTESTS_PRESSURE_H

#include <fcntl.h>
#include <numa.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "oracle.h"
#include "zones.h"

/*
 * Whether tests may fill a node to the last page, which on a large machine
 * takes long and on a machine in use does harm. In the test guests they may.
 */
static inline bool may_fill_nodes(void)
{
	return getenv("NUMAPIN_FILL_NODES");
}

#define NOT_TO_BE_FILLED "fills a node: only with NUMAPIN_FILL_NODES=1"
/* The same of what needs the guest's disk, or changes all of a system */
#define GUEST_ONLY "for test guests: only with NUMAPIN_FILL_NODES=1"

/* Watches from a thread what the other nodes have available, for the least of it. */
struct watch {
	int node;
	pthread_t thread;
	atomic_bool stop;
	long long least;
};

static inline void *watch_elsewhere(void *arg)
{
	struct watch *watch = arg;

	while (!watch->stop) {
		long long now = available_elsewhere(watch->node);

		if (now < watch->least)
			watch->least = now;
		usleep(20000);
	}
	return NULL;
}

static inline bool watch_start(struct watch *watch, int node)
{
	watch->node = node;
	watch->stop = false;
	watch->least = available_elsewhere(node);
	return !pthread_create(&watch->thread, NULL, watch_elsewhere, watch);
}

/* The least that nodes other than @node had available since watch_start() */
static inline long long watch_stop(struct watch *watch)
{
	watch->stop = true;
	pthread_join(watch->thread, NULL);
	return watch->least;
}

/* The test guest's disk: all there is to read in it */
#define DISK "/dev/vda"

/*
 * Reads @disk into the page cache of @node, until that has less than @left free;
 * or no less for 64 MiB more, since it may keep more than that for itself.
 */
static inline bool fill_with_page_cache(int disk, int node, long long left)
{
	struct bitmask *only = numa_allocate_nodemask();
	char *buffer = malloc(MIB);
	long long now = node_free(node), least = now;
	int in_vain = 0;
	ssize_t n = 1;

	numa_bitmask_setbit(only, node);
	numa_set_membind(only);
	while (buffer && n > 0 && now > left && in_vain < 64) {
		n = read(disk, buffer, MIB);
		now = node_free(node);
		in_vain = now < least ? 0 : in_vain + 1;
		least = now < least ? now : least;
	}
	numa_set_membind(numa_all_nodes_ptr);
	numa_bitmask_free(only);
	free(buffer);
	return n > 0;
}

#endif /* SELFTESTS_PRESSURE_H */
