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
#include <linux/user_namespace.h>

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

/*
 * Of the user and not of the address space: a file changes hands. Both who
 * opened it and who gets the pages must be exempt, or a user could have a
 * privileged process that maps what it is sent lock memory for him.
 */
static int charge_user(unsigned long nr_pages, struct numapin_request *req,
		       struct user_struct **user)
{
	unsigned long left;

	*user = NULL;
	if (capable(CAP_IPC_LOCK) &&
	    file_ns_capable(req->file, &init_user_ns, CAP_IPC_LOCK))
		return 0;
	if (!charge(&current_user()->locked_vm, nr_pages,
		    rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT, &left))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_MEMLOCK,
				      (u64)left << PAGE_SHIFT);
	*user = get_uid(current_user());
	return 0;
}

static int charge_node(unsigned long nr_pages, struct numapin_request *req)
{
	struct numapin_node *node = req->node;
	unsigned long left;

	if (!charge(&node->pages, nr_pages, READ_ONCE(node->max_pages), &left))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_BUDGET,
				      (u64)left << PAGE_SHIFT);
	return 0;
}

/**
 * numapin_charge - count pages against limits, before they are allocated
 * @req: Who asks, of which node; says on failure which limit it was
 * @nr_pages: How many, in pages of PAGE_SIZE
 * @user: Whose RLIMIT_MEMLOCK they then count against, with a reference; NULL:
 *        nobody's
 *
 * Return: 0, or an errno, and then nothing is counted.
 */
int numapin_charge(struct numapin_request *req, unsigned long nr_pages,
		   struct user_struct **user)
{
	int rc;

	rc = charge_node(nr_pages, req);
	if (rc)
		return rc;
	rc = charge_user(nr_pages, req, user);
	if (rc)
		atomic_long_sub(nr_pages, &req->node->pages);
	return rc;
}

/**
 * numapin_uncharge - let pages off what numapin_charge() counted
 * @node: Their node
 * @user: Their user, with the caller's reference; NULL: none
 * @nr_pages: How many, in pages of PAGE_SIZE
 */
void numapin_uncharge(struct numapin_node *node, struct user_struct *user,
		      unsigned long nr_pages)
{
	atomic_long_sub(nr_pages, &node->pages);
	if (!user)
		return;
	atomic_long_sub(nr_pages, &user->locked_vm);
	free_uid(user);
}
