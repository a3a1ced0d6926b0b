/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of the library share: memory had, warnings caught, and descriptors denied.
 */
#ifndef SELFTESTS_LIBRARY_H
#define SELFTESTS_LIBRARY_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <numapin.h>

#include "device.h"
#include "oracle.h"
#include "pattern.h"

/* What small allocations of a node share */
#define SLAB (64 * PAGE)

/* Whether the library has freed all, but for one slab that it may keep of each node. */
static inline int all_freed(void)
{
	return SOON(counter(0, "regions") <= 1 && counter(1, "regions") <= 1 &&
		    counter(0, "bytes") == counter(0, "regions") * SLAB &&
		    counter(1, "bytes") == counter(1, "regions") * SLAB);
}

/* Gets memory of a node and uses it; whether its outcome is this one, and it is there. */
static inline bool gets_memory(int node, size_t bytes, unsigned int flags, int outcome)
{
	struct numapin_receipt receipt;
	char *addr = numapin_alloc(node, bytes, flags, &receipt);
	bool ok = receipt.outcome == outcome;

	if (!ok)
		fprintf(stderr, "# node %d: %s: %s\n", node,
			numapin_outcome_name(receipt.outcome), numapin_error());
	if (!addr)
		return false;
	ok = ok && all_zero(addr, bytes);
	write_all(addr, bytes, node);
	ok = ok && !not_by(addr, bytes, node) &&
	     (outcome != NUMAPIN_PINNED || !pages_elsewhere(addr, bytes, node));
	return !free_numa_memory(addr, bytes) && ok;
}

/* A /dev/numapin of this test's own, empty, if the machine has one or not. */
static inline bool hide_module(void)
{
	return !unshare(CLONE_NEWNS) &&
	       !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount("tmpfs", "/dev", "tmpfs", 0, NULL);
}

struct warnings {
	int count;
	char last[512];
};

static inline void catch_warning(const char *message, void *arg)
{
	struct warnings *warnings = arg;

	warnings->count++;
	snprintf(warnings->last, sizeof(warnings->last), "%s", message);
}

/* Has all of @words, which end with NULL, in this order. */
static inline int says(const char *text, const char *const *words)
{
	for (; *words; words++) {
		text = strstr(text, *words);
		if (!text)
			return 0;
		text += strlen(*words);
	}
	return 1;
}

#define SAYS(text, ...) says(text, (const char *const[]){ __VA_ARGS__, NULL })

/* Leaves this process only the descriptors 0 to 2, to have no more. */
static inline bool leave_no_descriptor(void)
{
	struct rlimit limit;

	close_range(3, ~0u, 0);
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	limit.rlim_cur = 3;
	return !setrlimit(RLIMIT_NOFILE, &limit);
}

#endif /* SELFTESTS_LIBRARY_H */
