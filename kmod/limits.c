// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user and a node may have: RLIMIT_MEMLOCK and the node's budget. The
 * page allocator keeps the memory cgroup's limit and the cpuset.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "numapin.h"

/* Adds @nr to @counter if that stays within @max; @left was, before. */
static bool charge(atomic_long_t *counter, unsigned long nr, unsigned long max,
		   unsigned long *left)
{
	long old = atomic_long_read(counter);

	do {
		*left = max > old ? max - old : 0;
		if (nr > *left)
			return false;
	} while (!atomic_long_try_cmpxchg(counter, &old, old + nr));
	return true;
}

/* Of the user and not of the address space: a file changes hands. */
static int charge_user(struct numapin_region *region,
		       struct numapin_request *req)
{
	unsigned long left;

	if (capable(CAP_IPC_LOCK))
		return 0;
	if (!charge(&current_user()->locked_vm, region->nr_pages,
		    rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT, &left))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_MEMLOCK,
				      (u64)left << PAGE_SHIFT);
	region->user = get_uid(current_user());
	return 0;
}

static void uncharge_user(struct numapin_region *region)
{
	if (!region->user)
		return;
	atomic_long_sub(region->nr_pages, &region->user->locked_vm);
	free_uid(region->user);
	region->user = NULL;
}

static int charge_node(struct numapin_region *region,
		       struct numapin_request *req)
{
	struct numapin_node *node = region->node;
	unsigned long left;

	if (!charge(&node->pages, region->nr_pages, READ_ONCE(node->max_pages),
		    &left))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_BUDGET,
				      (u64)left << PAGE_SHIFT);
	return 0;
}

/**
 * numapin_charge - count a region's length against limits, before it is filled
 * @region: The region, with its length
 * @req: Says on failure which limit it was
 *
 * Return: 0, or an errno, and then nothing is counted.
 */
int numapin_charge(struct numapin_region *region, struct numapin_request *req)
{
	int rc;

	rc = charge_user(region, req);
	if (rc)
		return rc;
	rc = charge_node(region, req);
	if (rc)
		uncharge_user(region);
	return rc;
}

/**
 * numapin_uncharge - undo numapin_charge()
 * @region: The region, with the length that it had then
 */
void numapin_uncharge(struct numapin_region *region)
{
	atomic_long_sub(region->nr_pages, &region->node->pages);
	uncharge_user(region);
}
