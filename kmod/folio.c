// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a region's folios: freed when nobody else has them.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/sched/user.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "numapin.h"

/* How often lingering folios are looked at, and how many of them at a time. */
#define REAP_INTERVAL	(HZ / 10)
#define REAP_BATCH	4096

/**
 * numapin_folio_poisoned - has the hardware failed anywhere in a folio?
 * @folio: The folio
 *
 * No flag of the folio tells: memory_failure() sets none where it cannot handle
 * it. A page may fail as soon as this was asked; then it is found out later, or
 * as any other free page of the system.
 *
 * Return: true where it has.
 */
bool numapin_folio_poisoned(struct folio *folio)
{
	long i;

	if (!numapin_node_may_be_poisoned(numapin_folio_nid(folio)))
		return false;
	for (i = 0; i < folio_nr_pages(folio); i++)
		if (PageHWPoison(folio_page(folio, i)))
			return true;
	return false;
}

/**
 * numapin_folio_quarantine - take a folio out of use if the hardware failed on it
 * @node: Its node
 * @folio: The folio, with the caller's reference
 *
 * The page allocator withholds such a page where it is freed by itself. Inside a
 * huge page it would be handed out again: so the reference to that is kept for
 * ever. This does not wait for others' references, for memory_failure() may keep
 * one.
 *
 * Return: true where it has, and the folio is not the caller's any more.
 */
bool numapin_folio_quarantine(struct numapin_node *node, struct folio *folio)
{
	if (likely(!numapin_folio_poisoned(folio)))
		return false;
	numapin_pool_forget(node, folio);
	atomic_long_add(folio_nr_pages(folio), &node->poisoned_pages);
	if (!folio_test_large(folio))
		folio_put(folio);
	return true;
}

static void add_lingering(struct numapin_node *node, struct folio *folio)
{
	spin_lock(&node->lingering_lock);
	list_add_tail(&folio->lru, &node->lingering);
	spin_unlock(&node->lingering_lock);
}

static struct folio *take_lingering(struct numapin_node *node)
{
	struct folio *folio;

	spin_lock(&node->lingering_lock);
	folio = list_first_entry_or_null(&node->lingering, struct folio, lru);
	if (folio)
		list_del(&folio->lru);
	spin_unlock(&node->lingering_lock);
	return folio;
}

/* Lets go of a folio; not if somebody else has it, unless @shared. */
static bool free_lingering(struct numapin_node *node, struct folio *folio,
			   bool shared)
{
	struct user_struct *user = folio->private;
	long nr = folio_nr_pages(folio);

	if (!numapin_folio_quarantine(node, folio)) {
		if (folio_ref_count(folio) > 1 && !shared)
			return false;
		if (!numapin_pool_put(node, folio))
			folio_put(folio);
	}
	atomic_long_sub(nr, &node->lingering_pages);
	numapin_uncharge(node, user, nr);
	return true;
}

/* Goes round the lingering folios once, or as far as is good for others. */
static void reap(struct work_struct *work)
{
	struct numapin_node *node = container_of(to_delayed_work(work),
						 struct numapin_node, reaper);
	struct folio *folio, *first_busy = NULL;
	unsigned int busy = 0;

	while (busy < REAP_BATCH) {
		folio = take_lingering(node);
		if (!folio)
			return;
		/* Mapped nowhere, it gets no new references. */
		if (free_lingering(node, folio, false)) {
			cond_resched();
			continue;
		}
		add_lingering(node, folio);
		if (folio == first_busy)
			break;
		if (!busy++)
			first_busy = folio;
	}
	schedule_delayed_work(&node->reaper, REAP_INTERVAL);
}

/**
 * numapin_folio_retire - see whether a folio that is done with is to be freed
 * @node: Its node
 * @folio: The folio
 * @user: Whose RLIMIT_MEMLOCK it counts against, or NULL
 *
 * A device, a pipe or a socket may still have it. Then it lingers: it counts
 * against limits until they let go of it, or else they would be a way to hold
 * memory that is counted nowhere; and it is not freed by them unseen, for it
 * may have been poisoned meanwhile. What the pool had set aside goes back there.
 *
 * Return: what became of it.
 */
enum numapin_fate numapin_folio_retire(struct numapin_node *node,
				       struct folio *folio,
				       struct user_struct *user)
{
	if (numapin_folio_quarantine(node, folio))
		return NUMAPIN_FOLIO_GONE;
	if (likely(folio_ref_count(folio) == 1)) {
		/* The pool has no small ones, and a call for each is dear. */
		if (numapin_folio_huge(folio) && numapin_pool_put(node, folio))
			return NUMAPIN_FOLIO_GONE;
		return NUMAPIN_FOLIO_FREE;
	}
	folio->private = user ? get_uid(user) : NULL;
	atomic_long_add(folio_nr_pages(folio), &node->lingering_pages);
	add_lingering(node, folio);
	schedule_delayed_work(&node->reaper, REAP_INTERVAL);
	return NUMAPIN_FOLIO_LINGERS;
}

/**
 * numapin_folios_init - make a node ready for lingering folios
 * @node: The node
 */
void numapin_folios_init(struct numapin_node *node)
{
	spin_lock_init(&node->lingering_lock);
	INIT_LIST_HEAD(&node->lingering);
	INIT_DELAYED_WORK(&node->reaper, reap);
}

/**
 * numapin_folios_exit - let go of lingering folios, which others may still have
 * @node: The node, which has no region any more
 */
void numapin_folios_exit(struct numapin_node *node)
{
	struct folio *folio;

	cancel_delayed_work_sync(&node->reaper);
	while ((folio = take_lingering(node)))
		free_lingering(node, folio, true);
}
