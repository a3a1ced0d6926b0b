// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory bound by mbind(2), through libnuma, and checked page by page.
 *
 * The pages are touched while the policy only prefers the node, so that a full
 * node ends in pages elsewhere, which the check finds, and not in an OOM kill.
 * The binding comes last and is for what happens later.
 */
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Touched and checked at a time: a full node costs the others no more. */
#define SLICE ((size_t)32 << 20)

/* Pages that the kernel is asked for at a time */
#define BATCH 512

/* What it means that a system call of placement failed. */
static enum verdict judge_call(struct allocation *alloc, int error)
{
	switch (error) {
	case EPERM:
		return decline(alloc, ABSENT, EPERM, NUMAPIN_REASON_MBIND_DENIED);
	case ENOSYS:
		return decline(alloc, ABSENT, ENOSYS, NUMAPIN_REASON_NO_NUMA);
	default:
		return decline(alloc, REFUSED, error, NUMAPIN_REASON_NONE);
	}
}

/* Whether the cpuset has the node. (numa_get_mems_allowed() prints if it fails.) */
static enum verdict check_cpuset(struct allocation *alloc)
{
	struct bitmask *allowed = numa_allocate_nodemask();
	int rc, error;
	bool ok;

	rc = get_mempolicy(NULL, allowed->maskp, allowed->size + 1, NULL, MPOL_F_MEMS_ALLOWED);
	error = errno;
	ok = numa_bitmask_isbitset(allowed, alloc->node);
	numa_bitmask_free(allowed);
	if (rc)
		return judge_call(alloc, error);
	if (!ok)
		return decline(alloc, REFUSED, EPERM, NUMAPIN_REASON_CPUSET);
	return GRANTED;
}

/* Whether memory can be bound to the node at all, and would fit. */
static enum verdict check_node(struct allocation *alloc)
{
	enum verdict verdict;
	long long size;

	if (numa_available() < 0)
		return judge_call(alloc, errno == EPERM ? EPERM : ENOSYS);
	size = numa_node_size64(alloc->node, NULL);
	if (size <= 0)
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_NODE);
	verdict = check_cpuset(alloc);
	if (verdict != GRANTED)
		return verdict;
	if (alloc->bytes > (unsigned long long)size) {
		alloc->available = size;
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_TOO_LARGE);
	}
	return GRANTED;
}

/* Sets the policy of the whole allocation. */
static enum verdict set_policy(struct allocation *alloc, int mode)
{
	struct bitmask *nodes = numa_allocate_nodemask();
	int rc, error;

	numa_bitmask_setbit(nodes, alloc->node);
	/* The kernel reads one bit less than it is told. */
	rc = mbind(alloc->addr, alloc->bytes, mode, nodes->maskp, nodes->size + 1, 0);
	error = errno;
	numa_bitmask_free(nodes);
	return rc ? judge_call(alloc, error) : GRANTED;
}

/*
 * Asks the kernel for the nodes of pages; or where @target is not NULL, to move
 * them there first, and then for what came of it.
 */
static int ask(const char *addr, size_t count, const int *target, int *nodes)
{
	const size_t page = page_size();
	void *pages[BATCH];
	size_t i, n;

	for (; count; count -= n, addr += n * page, nodes += n) {
		n = count < BATCH ? count : BATCH;
		for (i = 0; i < n; i++)
			pages[i] = (void *)(addr + i * page);
		if (numa_move_pages(0, n, pages, target, nodes, target ? MPOL_MF_MOVE : 0) < 0)
			return -1;
	}
	return 0;
}

static int mbind_locate(const char *addr, size_t count, int *nodes)
{
	return ask(addr, count, NULL, nodes);
}

/* How many pages are not on the node; -1 and errno where the kernel does not say. */
static long strays(const char *addr, size_t bytes, int node)
{
	const size_t page = page_size();
	int nodes[BATCH];
	long found = 0;
	size_t i, n;

	for (; bytes; bytes -= n * page, addr += n * page) {
		n = bytes / page < BATCH ? bytes / page : BATCH;
		if (mbind_locate(addr, n, nodes))
			return -1;
		for (i = 0; i < n; i++)
			found += nodes[i] != node;
	}
	return found;
}

/* Bytes that the node has free or in page cache, less what it will not give up. */
static long long node_room(int node)
{
	long long kib, total = 0, room = 0;
	char path[64], line[128], key[32];
	FILE *meminfo;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	meminfo = fopen(path, "re");
	while (meminfo && fgets(line, sizeof(line), meminfo)) {
		if (sscanf(line, "Node %*d %31[^:]: %lld", key, &kib) != 2)
			continue;
		if (!strcmp(key, "MemTotal"))
			total = kib;
		if (!strcmp(key, "MemFree") || !strcmp(key, "Active(file)") ||
		    !strcmp(key, "Inactive(file)"))
			room += kib;
	}
	if (meminfo)
		fclose(meminfo);
	return (room - total / 32) * 1024;
}

/* Tells the kernel to move pages to the node. Whatever it says: strays() finds out. */
static void move(const char *addr, size_t bytes, int node)
{
	const size_t page = page_size();
	int target[BATCH], nodes[BATCH];
	size_t i, n;

	for (i = 0; i < BATCH; i++)
		target[i] = node;
	for (; bytes; bytes -= n * page, addr += n * page) {
		n = bytes / page < BATCH ? bytes / page : BATCH;
		ask(addr, n, target, nodes);
	}
}

/*
 * Moves the pages that did not come to the node at once, and returns what
 * strays() says then. To prefer a node does not reclaim its page cache or break
 * up its pages, and to move there does. That can take more than one try: where
 * a huge page of zeroes is split for it, some kernels drop its pages, which
 * must be touched anew. Not where it is hopeless: some kernels log each page
 * that they cannot move.
 */
static long fetch_strays(char *addr, size_t bytes, int node, long astray)
{
	for (int tries = 0; astray > 0 && tries < 4; tries++) {
		if (node_room(node) < (long long)bytes)
			break;
		move(addr, bytes, node);
		touch(addr, bytes);
		astray = strays(addr, bytes, node);
	}
	return astray;
}

static enum verdict place_slice(struct allocation *alloc, char *addr, size_t bytes)
{
	long long available = 0;
	long astray;

	touch(addr, bytes);
	astray = strays(addr, bytes, alloc->node);
	if (astray > 0)
		astray = fetch_strays(addr, bytes, alloc->node, astray);
	if (!astray)
		return GRANTED;
	if (astray < 0)
		return judge_call(alloc, errno);
	numa_node_size64(alloc->node, &available);
	alloc->available = available;
	return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NODE_FULL);
}

static enum verdict place(struct allocation *alloc)
{
	enum verdict verdict;
	size_t done, n;

	verdict = set_policy(alloc, MPOL_PREFERRED);
	for (done = 0; verdict == GRANTED && done < alloc->bytes; done += n) {
		n = alloc->bytes - done < SLICE ? alloc->bytes - done : SLICE;
		verdict = place_slice(alloc, (char *)alloc->addr + done, n);
	}
	if (verdict == GRANTED)
		verdict = set_policy(alloc, MPOL_BIND);
	return verdict;
}

static enum verdict mbind_alloc(struct allocation *alloc)
{
	enum verdict verdict;
	int error;

	verdict = check_node(alloc);
	if (verdict == GRANTED)
		verdict = map_anonymous(alloc);
	if (verdict != GRANTED)
		return verdict;
	verdict = place(alloc);
	if (verdict != GRANTED) {
		error = errno;
		unmap(alloc->addr, alloc->bytes);
		errno = error;
	}
	return verdict;
}

const struct backend backend_mbind = {
	.name		= "mbind",
	.outcome	= NUMAPIN_BOUND,
	.alloc		= mbind_alloc,
	.locate		= mbind_locate,
};
