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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Bytes that the node has; and what it means where that is not to be known. */
static enum verdict node_size(struct allocation *alloc, size_t *size)
{
	long long bytes;

	errno = 0;
	bytes = alloc->node < MAX_NODES ? numa_node_size64(alloc->node, NULL) : 0;
	if (bytes > 0) {
		*size = bytes;
		return GRANTED;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return decline(alloc, REFUSED, errno, NUMAPIN_REASON_NONE);
	if (access("/sys/devices/system/node", F_OK))
		return decline(alloc, ABSENT, ENOSYS, NUMAPIN_REASON_NO_NUMA);
	return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_NODE);
}

/* Whether memory can be bound to the node at all, and would fit. */
static enum verdict check_node(struct allocation *alloc)
{
	struct node_mask allowed = { 0 };
	enum verdict verdict;
	size_t size;

	if (numa_available() < 0)
		return judge_call(alloc, errno == EPERM ? EPERM : ENOSYS);
	verdict = node_size(alloc, &size);
	if (verdict != GRANTED)
		return verdict;
	/* (numa_get_mems_allowed() prints where it fails.) */
	if (get_mempolicy(NULL, allowed.bits, MAX_NODES, NULL, MPOL_F_MEMS_ALLOWED))
		return judge_call(alloc, errno);
	if (!mask_has(&allowed, alloc->node))
		return decline(alloc, REFUSED, EPERM, NUMAPIN_REASON_CPUSET);
	if (alloc->bytes > size) {
		alloc->available = size;
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_TOO_LARGE);
	}
	return GRANTED;
}

/* Sets the policy of the whole allocation. */
static enum verdict set_policy(struct allocation *alloc, int mode)
{
	struct node_mask mask = { 0 };

	mask_set(&mask, alloc->node);
	/* The kernel reads one bit less than it is told. */
	if (mbind(alloc->addr, alloc->bytes, mode, mask.bits, MAX_NODES + 1, 0))
		return judge_call(alloc, errno);
	return GRANTED;
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

/*
 * Bytes that the node has free or in page cache, less what it keeps for itself:
 * in each zone up to the high watermark, which rises where memory is fragmented,
 * and the most that the zone reserves for requests that cannot use others.
 */
static long long node_room(int node)
{
	long long spare = 0, room = 0, pages;
	FILE *zoneinfo = fopen("/proc/zoneinfo", "re");
	char line[256];
	int nid = -1;

	while (zoneinfo && fgets(line, sizeof(line), zoneinfo)) {
		if (sscanf(line, "Node %d,", &nid) == 1 || nid != node)
			continue;
		if (sscanf(line, " pages free %lld", &pages) == 1)
			spare = pages;
		else if (sscanf(line, " high %lld", &pages) == 1)
			spare -= pages;
		else if (sscanf(line, " nr_zone_inactive_file %lld", &pages) == 1 ||
			 sscanf(line, " nr_zone_active_file %lld", &pages) == 1)
			room += pages;
		if (!strstr(line, " protection: ("))
			continue;
		spare -= strtoll(strrchr(line, ' '), NULL, 10);
		room += spare > 0 ? spare : 0;
	}
	if (zoneinfo)
		fclose(zoneinfo);
	return room * (long long)page_size();
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
 * must be touched anew. Not where it may be hopeless, for kernels log that they
 * cannot move a page: the more is taken of a node that is nearly full, the more
 * it keeps for itself.
 */
static long fetch_strays(char *addr, size_t bytes, int node, long astray)
{
	for (int tries = 0; astray > 0 && tries < 4; tries++) {
		if (node_room(node) / 2 < astray * (long long)page_size())
			break;
		move(addr, bytes, node);
		touch(addr, bytes);
		astray = strays(addr, bytes, node);
	}
	return astray;
}

/* What strays() says, as a verdict. */
static enum verdict judge_strays(struct allocation *alloc, long astray)
{
	long long available = 0;

	if (!astray)
		return GRANTED;
	if (astray < 0)
		return judge_call(alloc, errno);
	numa_node_size64(alloc->node, &available);
	alloc->available = available;
	return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NODE_FULL);
}

static enum verdict place_slice(struct allocation *alloc, char *addr, size_t bytes)
{
	enum verdict verdict;
	long astray;

	/* Where the other nodes are full too, or there are none */
	verdict = check_memory(alloc, bytes);
	if (verdict != GRANTED)
		return verdict;
	touch(addr, bytes);
	astray = strays(addr, bytes, alloc->node);
	if (astray > 0)
		astray = fetch_strays(addr, bytes, alloc->node, astray);
	return judge_strays(alloc, astray);
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
	/* What was placed so far will be free again. */
	if (verdict == REFUSED && alloc->reason == NUMAPIN_REASON_NODE_FULL)
		alloc->available += done;
	/* Until it was bound, what was in place could be swapped or moved. */
	if (verdict == GRANTED)
		verdict = judge_strays(alloc, strays(alloc->addr, alloc->bytes, alloc->node));
	return verdict;
}

/* What came of a part of an allocation is what comes of that. */
static enum verdict adopt(struct allocation *alloc, const struct allocation *part,
			  enum verdict verdict)
{
	if (verdict == GRANTED)
		return GRANTED;
	alloc->node = part->node;
	alloc->available = part->available;
	return decline(alloc, verdict, errno, part->reason);
}

/* How many bytes of a striped allocation are of a part, which the ones before it leave */
static size_t part_bytes(const struct allocation *alloc, size_t part)
{
	const size_t page = page_size();
	unsigned long long turn = 0, before = 0, rest;
	size_t i, pages = alloc->bytes / page;

	for (i = 0; i < alloc->nr_parts; i++) {
		if (i < part)
			before += alloc->parts[i].weight;
		turn += alloc->parts[i].weight;
	}
	rest = pages % turn;
	rest = rest > before ? rest - before : 0;
	if (rest > alloc->parts[part].weight)
		rest = alloc->parts[part].weight;
	return (pages / turn * alloc->parts[part].weight + rest) * page;
}

/* The same as check_node(), of all nodes */
static enum verdict check_nodes(struct allocation *alloc)
{
	enum verdict verdict = GRANTED;
	size_t i;

	if (!alloc->nr_parts)
		return check_node(alloc);
	for (i = 0; verdict == GRANTED && i < alloc->nr_parts; i++) {
		struct allocation part = {
			.node = alloc->parts[i].node,
			.bytes = part_bytes(alloc, i),
		};

		verdict = adopt(alloc, &part, check_node(&part));
	}
	return verdict;
}

/* The same as place(), run by run */
static enum verdict place_runs(struct allocation *alloc)
{
	enum verdict verdict = GRANTED;
	size_t done, i = 0;
	struct allocation run = *alloc;

	if (!alloc->nr_parts)
		return place(alloc);
	for (done = 0; verdict == GRANTED && done < alloc->bytes; done += run.bytes) {
		run.node = alloc->parts[i].node;
		run.addr = (char *)alloc->addr + done;
		run.bytes = alloc->bytes - done;
		if (run.bytes / page_size() > alloc->parts[i].weight)
			run.bytes = alloc->parts[i].weight * page_size();
		verdict = adopt(alloc, &run, place(&run));
		i = (i + 1) % alloc->nr_parts;
	}
	return verdict;
}

static enum verdict mbind_alloc(struct allocation *alloc)
{
	enum verdict verdict;
	int error;

	verdict = check_nodes(alloc);
	if (verdict == GRANTED)
		verdict = map_anonymous(alloc);
	if (verdict != GRANTED)
		return verdict;
	verdict = place_runs(alloc);
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
	.free		= free_mapping,
	.locate		= mbind_locate,
};
