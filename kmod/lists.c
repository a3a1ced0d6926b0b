// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that are free and that nobody gets: those in the lists of each CPU.
 *
 * What is freed goes to such a list, up to tens of MiB. The page allocator
 * counts that as in use, and empties the lists for a request only after reclaim
 * got a page and the request still fails. On a node that is full of what cannot
 * be reclaimed it gets none; and what was freed a moment ago could not be
 * allocated again. So before a request is refused, reclaim is offered a page.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/swap.h>

#include "compat.h"
#include "numapin.h"

/* Those of tasks that are in the middle of a last attempt; under offers_lock. */
static LIST_HEAD(offers);
static DEFINE_SPINLOCK(offers_lock);

static struct shrinker *shrinker;

static struct numapin_offer *find_offer(void)
{
	struct numapin_offer *offer;

	lockdep_assert_held(&offers_lock);
	list_for_each_entry(offer, &offers, list)
		if (offer->task == current)
			return offer;
	return NULL;
}

/* Every reclaim of the system asks, so look before taking a lock. */
static unsigned long count_objects(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct numapin_offer *offer;
	unsigned long count;

	if (list_empty(&offers))
		return 0;
	spin_lock(&offers_lock);
	offer = find_offer();
	count = offer && offer->page;
	spin_unlock(&offers_lock);
	return count;
}

static unsigned long scan_objects(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct numapin_offer *offer;
	struct page *page = NULL;

	spin_lock(&offers_lock);
	offer = find_offer();
	if (offer)
		swap(page, offer->page);
	spin_unlock(&offers_lock);
	if (!page)
		return SHRINK_STOP;
	__free_page(page);
	mm_account_reclaimed_pages(1);
	return 1;
}

/**
 * numapin_offer - offer a page to reclaim by the current task
 * @offer: Filled in; numapin_withdraw() ends it
 *
 * Without memory for a page there is no offer, and nothing else comes of it.
 */
void numapin_offer(struct numapin_offer *offer)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;

	offer->task = current;
	/* Of whichever node, and whatever the task's policy says of nodes. */
	offer->page = alloc_pages_node(NUMA_NO_NODE, gfp, 0);
	spin_lock(&offers_lock);
	list_add(&offer->list, &offers);
	spin_unlock(&offers_lock);
}

/**
 * numapin_withdraw - end an offer, taken or not
 * @offer: The offer
 */
void numapin_withdraw(struct numapin_offer *offer)
{
	spin_lock(&offers_lock);
	list_del(&offer->list);
	spin_unlock(&offers_lock);
	if (offer->page)
		__free_page(offer->page);
}

/**
 * numapin_lists_init - for module load
 *
 * Return: 0, or an errno.
 */
int __init numapin_lists_init(void)
{
	shrinker = shrinker_alloc(0, "numapin");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = count_objects;
	shrinker->scan_objects = scan_objects;
	shrinker->batch = 1;
	shrinker_register(shrinker);
	return 0;
}

/**
 * numapin_lists_exit - for module unload
 */
void numapin_lists_exit(void)
{
	shrinker_free(shrinker);
}
