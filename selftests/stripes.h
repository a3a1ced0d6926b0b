/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Striped regions as tests ask for them, and the contract's word on where each of
 * their pages is, in a way that is not the module's.
 */
#ifndef SELFTESTS_STRIPES_H
#define SELFTESTS_STRIPES_H

#include "device.h"

/**
 * struct stripes - what a region is to be striped over
 * @stripe: As ALLOC takes it
 * @node: Of each
 * @count: How many
 */
struct stripes {
	struct numapin_stripe stripe[NUMAPIN_MAX_STRIPES];
	int node[NUMAPIN_MAX_STRIPES];
	unsigned int count;
};

static inline bool open_stripes(struct stripes *stripes, const int *nodes,
				const unsigned int *weights, unsigned int count)
{
	bool ok = true;

	stripes->count = count;
	for (unsigned int i = 0; i < count; i++) {
		stripes->node[i] = nodes[i];
		stripes->stripe[i].weight = weights[i];
		stripes->stripe[i].fd = open_node(nodes[i], O_RDWR);
		ok = ok && stripes->stripe[i].fd >= 0;
	}
	return ok;
}

static inline void close_stripes(const struct stripes *stripes)
{
	for (unsigned int i = 0; i < stripes->count; i++)
		close(stripes->stripe[i].fd);
}

/* ALLOC's errno, 0 where it succeeded: the region is the first stripe's file's. */
static inline int alloc_striped(const struct stripes *stripes, uint64_t length, uint32_t flags,
				struct numapin_alloc *reply)
{
	struct numapin_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.length = length,
		.stripes = (uintptr_t)stripes->stripe,
		.nr_stripes = stripes->count,
	};
	int error = ioctl_errno(stripes->stripe[0].fd, NUMAPIN_IOCTL_ALLOC, &alloc);

	if (reply)
		*reply = alloc;
	return error;
}

/* Which stripe a page is of, counted off turn by turn */
static inline unsigned int stripe_of(const struct stripes *stripes, size_t page)
{
	for (;;) {
		for (unsigned int i = 0; i < stripes->count; i++) {
			if (page < stripes->stripe[i].weight)
				return i;
			page -= stripes->stripe[i].weight;
		}
	}
}

/* How many of the first pages are of a stripe */
static inline size_t stripe_pages(const struct stripes *stripes, unsigned int stripe, size_t pages)
{
	size_t count = 0;

	for (size_t page = 0; page < pages; page++)
		count += stripe_of(stripes, page) == stripe;
	return count;
}

/* How many pages of 4 KiB are on another node than their stripe's; -1 on error */
static inline long pages_off_stripe(const struct stripes *stripes, const void *addr, size_t bytes,
				    size_t page_bytes)
{
	int *nodes = nodes_of(addr, bytes);
	long off = nodes ? 0 : -1;

	for (size_t at = 0; nodes && at < bytes; at += PAGE)
		off += nodes[at / PAGE] !=
		       stripes->node[stripe_of(stripes, at / page_bytes)];
	free(nodes);
	return off;
}

#endif /* SELFTESTS_STRIPES_H */
