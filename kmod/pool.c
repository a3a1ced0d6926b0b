// SPDX-License-Identifier: GPL-2.0-only
/*
 * A node's pool: zeroed 2 MiB folios that root had set aside for regions.
 *
 * What a region had of the pool goes back to it, and is zeroed there by a thread
 * that runs when a CPU has nothing else to do. No memory cgroup is charged for the
 * pool's folios, in it or in a region: nothing that modules may call would charge
 * them. Where the kernel has the dmem controller, what a region has is charged there.
 *
 * In the pool a folio has no reference, so that nobody can get one.
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/topology.h>
#include <linux/wait.h>
#include <uapi/linux/sched/types.h>

#include "compat.h"
#include "numapin.h"

/*
 * Of the pages of a folio two that neither the kernel nor a region uses @private
 * of. One has POOLED there, if the folio is the pool's, and else 0; the other the
 * share of it that a cgroup is charged with while a region has it, or NULL.
 */
#define MARKED_PAGE	8
#define POOLED		1UL
#define CHARGED_PAGE	9

static unsigned long pool_bytes[MAX_NUMNODES];
module_param_array(pool_bytes, ulong, NULL, 0444);
MODULE_PARM_DESC(pool_bytes,
		 "bytes of each node's pool at load, from node 0 on (0)");

static struct shrinker *shrinker;

/* Is the folio the pool's, wherever it is? */
static bool is_pooled(struct folio *folio)
{
	return numapin_folio_huge(folio) &&
	       page_private(folio_page(folio, MARKED_PAGE)) == POOLED;
}

static void mark_pooled(struct folio *folio, unsigned long mark)
{
	set_page_private(folio_page(folio, MARKED_PAGE), mark);
}

/**
 * numapin_pool_init_folio - a folio that is just allocated is no pool's
 * @folio: The folio
 *
 * Not every kernel clears @private of its pages.
 */
void numapin_pool_init_folio(struct folio *folio)
{
	if (!numapin_folio_huge(folio))
		return;
	mark_pooled(folio, 0);
	set_page_private(folio_page(folio, CHARGED_PAGE), 0);
}

/*
 * A folio that is parked has no reference, and PG_lru, as what reclaim is about to
 * free. So nobody can get a reference; and memory that is to go offline is not held
 * up by what cannot be moved, but first told of to numapin_pool_leave().
 *
 * Return: false where somebody else has a reference.
 */
static bool park(struct folio *folio)
{
	if (!folio_ref_freeze(folio, 1))
		return false;
	folio_set_lru(folio);
	return true;
}

static void unpark(struct folio *folio)
{
	folio_clear_lru(folio);
	folio_ref_unfreeze(folio, 1);
}

/* All folios that count against @size. */
static unsigned long total(const struct numapin_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	return pool->nr_zeroed + pool->nr_dirty + pool->nr_used;
}

static bool is_leaving(const struct numapin_pool *pool, struct folio *folio)
{
	const unsigned long pfn = folio_pfn(folio);

	lockdep_assert_held(&pool->lock);
	return pfn >= pool->leaving_start && pfn < pool->leaving_end;
}

/* May a folio that counts go into a list? */
static bool has_room(const struct numapin_pool *pool, struct folio *folio)
{
	return total(pool) <= pool->size && !is_leaving(pool, folio);
}

/* Frees a folio that is in no list. */
static void free_pooled(struct numapin_node *node, struct folio *folio)
{
	mark_pooled(folio, 0);
	unpark(folio);
	if (!numapin_folio_quarantine(node, folio))
		folio_put(folio);
}

static void free_all(struct numapin_node *node, struct list_head *folios)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, folios, lru) {
		list_del(&folio->lru);
		free_pooled(node, folio);
		cond_resched();
	}
}

static struct folio *pop(struct list_head *folios, unsigned long *nr)
{
	struct folio *folio;

	folio = list_first_entry_or_null(folios, struct folio, lru);
	if (folio) {
		list_del(&folio->lru);
		--*nr;
	}
	return folio;
}

/* Takes a folio out of the pool for good, a dirty one first; or NULL. */
static struct folio *pop_any(struct numapin_pool *pool)
{
	struct folio *folio;

	lockdep_assert_held(&pool->lock);
	folio = pop(&pool->dirty, &pool->nr_dirty);
	return folio ? folio : pop(&pool->zeroed, &pool->nr_zeroed);
}

static void zero(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		clear_highpage(folio_page(folio, i));
		cond_resched();
	}
}

/*
 * Charges the caller's cgroup with a folio of the pool, which he has not yet. Not a
 * helper's, which is nobody's.
 */
static bool charge(struct numapin_pool *pool,
		   struct dmem_cgroup_pool_state **share)
{
	*share = NULL;
	if (!READ_ONCE(pool->size))
		return false;
	if (!pool->dmem)
		return true;
	if (current->flags & PF_KTHREAD)
		return false;
	return !dmem_cgroup_try_charge(pool->dmem, HPAGE_PMD_SIZE, share, NULL);
}

static void uncharge(struct folio *folio)
{
	struct page *page = folio_page(folio, CHARGED_PAGE);

	dmem_cgroup_uncharge((struct dmem_cgroup_pool_state *)page_private(page),
			     HPAGE_PMD_SIZE);
	set_page_private(page, 0);
}

/*
 * Lets a folio of the pool, taken out of a list and charged for, into a region; or
 * NULL, where there is none or the hardware failed on it.
 */
static struct folio *hand_out(struct numapin_node *node, struct folio *folio,
			      struct dmem_cgroup_pool_state *share)
{
	if (!folio) {
		dmem_cgroup_uncharge(share, HPAGE_PMD_SIZE);
		return NULL;
	}
	unpark(folio);
	set_page_private(folio_page(folio, CHARGED_PAGE), (unsigned long)share);
	return numapin_folio_quarantine(node, folio) ? NULL : folio;
}

/* A folio that is ready; or NULL. */
static struct folio *take_zeroed(struct numapin_node *node)
{
	struct numapin_pool *pool = &node->pool;
	struct dmem_cgroup_pool_state *share;
	struct folio *folio;

	if (!charge(pool, &share))
		return NULL;
	spin_lock(&pool->lock);
	folio = pop(&pool->zeroed, &pool->nr_zeroed);
	if (folio) {
		pool->nr_used++;
		pool->hits++;
	}
	spin_unlock(&pool->lock);
	return hand_out(node, folio, share);
}

/* A folio that is not zeroed yet; or NULL. */
static struct folio *take_dirty(struct numapin_node *node)
{
	struct numapin_pool *pool = &node->pool;
	struct dmem_cgroup_pool_state *share;
	struct folio *folio;

	if (!charge(pool, &share))
		return NULL;
	spin_lock(&pool->lock);
	pool->misses++;
	folio = pop(&pool->dirty, &pool->nr_dirty);
	if (folio)
		pool->nr_used++;
	spin_unlock(&pool->lock);
	return hand_out(node, folio, share);
}

/**
 * numapin_pool_take - a folio, zeroed now if it must be
 * @node: Of which node
 * @gfp: __GFP_ZERO where it is to be zeroed
 *
 * Return: a folio of HPAGE_PMD_ORDER, charged to no memory cgroup; or NULL.
 */
struct folio *numapin_pool_take(struct numapin_node *node, gfp_t gfp)
{
	struct folio *folio;

	folio = take_zeroed(node);
	if (folio)
		return folio;
	folio = take_dirty(node);
	if (folio && (gfp & __GFP_ZERO))
		zero(folio);
	return folio;
}

/**
 * numapin_pool_take_first - a folio that the caller is to take before he has helpers
 * @node: Of which node
 *
 * One that is ready; and of what is not zeroed, which helpers could zero, where they
 * may have none of it because it counts in cgroups' shares.
 *
 * Return: a folio of HPAGE_PMD_ORDER, zeroed, charged to no memory cgroup; or NULL.
 */
struct folio *numapin_pool_take_first(struct numapin_node *node)
{
	const struct numapin_pool *pool = &node->pool;

	return pool->dmem && READ_ONCE(pool->nr_dirty) ?
		       numapin_pool_take(node, __GFP_ZERO) : take_zeroed(node);
}

/**
 * numapin_pool_forget - a folio that a region had is not the pool's any more
 * @node: Its node
 * @folio: The folio, the pool's or not
 */
void numapin_pool_forget(struct numapin_node *node, struct folio *folio)
{
	struct numapin_pool *pool = &node->pool;

	if (!is_pooled(folio))
		return;
	uncharge(folio);
	mark_pooled(folio, 0);
	spin_lock(&pool->lock);
	pool->nr_used--;
	spin_unlock(&pool->lock);
}

/**
 * numapin_pool_put - take a folio back that a region had
 * @node: Its node
 * @folio: The folio, with the caller's reference
 *
 * Return: false where it is not the pool's, or is not any more: then it is the
 * caller's to free.
 */
bool numapin_pool_put(struct numapin_node *node, struct folio *folio)
{
	struct numapin_pool *pool = &node->pool;
	bool back = false;

	if (!is_pooled(folio))
		return false;
	/* Where somebody has it still, he might write to it. */
	if (park(folio)) {
		uncharge(folio);
		spin_lock(&pool->lock);
		back = has_room(pool, folio);
		if (back) {
			list_add(&folio->lru, &pool->dirty);
			pool->nr_dirty++;
			pool->nr_used--;
		}
		spin_unlock(&pool->lock);
		if (back) {
			wake_up(&pool->wait);
			return true;
		}
		unpark(folio);
	}
	numapin_pool_forget(node, folio);
	return false;
}

/* Zeroes a folio of the pool. Return: false where none is dirty. */
static bool zero_one(struct numapin_node *node)
{
	struct numapin_pool *pool = &node->pool;
	struct folio *folio;
	bool back;

	spin_lock(&pool->lock);
	folio = list_first_entry_or_null(&pool->dirty, struct folio, lru);
	if (folio)
		list_del(&folio->lru);
	pool->zeroing = folio;
	spin_unlock(&pool->lock);
	if (!folio)
		return false;
	zero(folio);
	spin_lock(&pool->lock);
	/* It counted as dirty all the while; the pool may have become smaller. */
	back = has_room(pool, folio);
	pool->nr_dirty--;
	if (back) {
		list_add(&folio->lru, &pool->zeroed);
		pool->nr_zeroed++;
		pool->zeroing = NULL;
	}
	spin_unlock(&pool->lock);
	if (back)
		return true;
	free_pooled(node, folio);
	spin_lock(&pool->lock);
	pool->zeroing = NULL;
	spin_unlock(&pool->lock);
	wake_up(&pool->wait);
	return true;
}

static int zero_in_idle_time(void *data)
{
	struct numapin_node *node = data;
	struct numapin_pool *pool = &node->pool;

	while (!kthread_should_stop()) {
		wait_event_idle(pool->wait, !list_empty(&pool->dirty) ||
				kthread_should_stop());
		while (!kthread_should_stop() && zero_one(node))
			cond_resched();
	}
	return 0;
}

/* Has a thread zero what comes back, at the node's CPUs if it has any. */
static int start_zeroing(struct numapin_node *node)
{
	const struct sched_attr idle = {
		.size = sizeof(idle),
		.sched_policy = SCHED_IDLE,
	};
	const struct cpumask *cpus = cpumask_of_node(node->nid);
	struct task_struct *thread;
	int rc;

	lockdep_assert_held(&node->pool.resize_lock);
	if (node->pool.thread)
		return 0;
	/* Its stack is on a node with CPUs: no other's memory is held up by it. */
	thread = kthread_create(zero_in_idle_time, node, "numapin/%d",
				node->nid);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	rc = kthread_affine_preferred(thread, cpumask_empty(cpus) ?
				      cpu_possible_mask : cpus);
	if (rc) {
		kthread_stop(thread);
		return rc;
	}
	sched_setattr_nocheck(thread, &idle);
	node->pool.thread = thread;
	wake_up_process(thread);
	return 0;
}

/* Frees what is more than the pool's size, as far as it is in the pool. */
static void trim(struct numapin_node *node)
{
	struct numapin_pool *pool = &node->pool;
	struct folio *folio;

	for (;;) {
		folio = NULL;
		spin_lock(&pool->lock);
		if (total(pool) > pool->size)
			folio = pop_any(pool);
		spin_unlock(&pool->lock);
		if (!folio)
			return;
		free_pooled(node, folio);
		cond_resched();
	}
}

/* Puts a folio that was just allocated into the pool, unless somebody has it. */
static void add_zeroed(struct numapin_node *node, struct folio *folio)
{
	struct numapin_pool *pool = &node->pool;
	bool stays;

	if (!park(folio)) {
		folio_put(folio);
		return;
	}
	mark_pooled(folio, POOLED);
	spin_lock(&pool->lock);
	stays = !is_leaving(pool, folio);
	if (stays) {
		list_add(&folio->lru, &pool->zeroed);
		pool->nr_zeroed++;
	}
	spin_unlock(&pool->lock);
	if (!stays)
		free_pooled(node, folio);
}

/* Allocates @nr folios for the pool: all of them or none. */
static int alloc_folios(struct numapin_node *node, struct folio **folios,
			unsigned long nr)
{
	struct numapin_request req = { .node = node };
	struct folio *folio;
	unsigned long i;
	int rc;

	i = numapin_crew_alloc(node, HPAGE_PMD_ORDER, __GFP_ZERO,
			       (void **)folios, nr);
	while (i < nr) {
		rc = -EINTR;
		if (signal_pending(current))
			goto err;
		folio = numapin_folio_alloc(&req, HPAGE_PMD_ORDER, __GFP_ZERO,
					    0);
		rc = PTR_ERR_OR_ZERO(folio);
		if (rc)
			goto err;
		folios[i++] = folio;
		cond_resched();
	}
	return 0;

err:
	while (i--)
		folio_put(folios[i]);
	return rc;
}

/* Allocates @nr more folios for the pool, which has the size for them: all or none. */
static int add_folios(struct numapin_node *node, unsigned long nr)
{
	struct numapin_request req = { .node = node };
	struct folio **folios;
	unsigned long i;
	int rc;

	rc = numapin_request_check(&req, node->pool.size << HPAGE_PMD_ORDER);
	if (rc)
		return rc;
	rc = start_zeroing(node);
	if (rc)
		return rc;
	folios = numapin_table_alloc(nr, &req);
	if (!folios)
		return -ENOMEM;
	rc = alloc_folios(node, folios, nr);
	for (i = 0; !rc && i < nr; i++)
		add_zeroed(node, folios[i]);
	kvfree(folios);
	return rc;
}

/* Sets how many the pool is to have. Return: how many it lacks. */
static unsigned long set_size(struct numapin_pool *pool, unsigned long size,
			      bool filling)
{
	unsigned long nr;

	lockdep_assert_held(&pool->resize_lock);
	spin_lock(&pool->lock);
	WRITE_ONCE(pool->size, size);
	pool->filling = filling;
	nr = size > total(pool) ? size - total(pool) : 0;
	spin_unlock(&pool->lock);
	return nr;
}

/**
 * numapin_pool_resize - set how much a node's pool is to have
 * @node: The node
 * @bytes: How much, with what regions have of it; rounded down to whole folios
 *
 * What regions have beyond that is freed as they end.
 *
 * Return: 0; or an errno, and then the pool is what it was: -ENOMEM where the node
 * has not as much free, -EINTR, or as numapin_request_check().
 */
int numapin_pool_resize(struct numapin_node *node, u64 bytes)
{
	unsigned long old, nr, size = bytes >> HPAGE_PMD_SHIFT;
	struct numapin_pool *pool = &node->pool;
	int rc;

	if (mutex_lock_interruptible(&pool->resize_lock))
		return -EINTR;
	/*
	 * While it is filled it keeps what comes back to it, and gives way to
	 * nobody: or it would to who fills it.
	 */
	old = pool->size;
	nr = set_size(pool, size, true);
	rc = nr ? add_folios(node, nr) : 0;
	set_size(pool, rc ? old : size, false);
	trim(node);
	mutex_unlock(&pool->resize_lock);
	return rc;
}

/* Moves what is leaving from a list of the pool to another. */
static void move_leaving(struct numapin_pool *pool, struct list_head *folios,
			 unsigned long *nr, struct list_head *out)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, folios, lru)
		if (is_leaving(pool, folio)) {
			list_move(&folio->lru, out);
			--*nr;
		}
}

static bool is_zeroing_what_leaves(struct numapin_pool *pool)
{
	bool yes;

	spin_lock(&pool->lock);
	yes = pool->zeroing && is_leaving(pool, pool->zeroing);
	spin_unlock(&pool->lock);
	return yes;
}

/**
 * numapin_pool_leave - let go of memory that is to go offline
 * @node: Any node
 * @start: Its first page frame
 * @end: The one after its last
 *
 * And of what comes back of it, until numapin_pool_stay(). The pool has so much
 * less, until it is resized.
 */
void numapin_pool_leave(struct numapin_node *node, unsigned long start,
			unsigned long end)
{
	struct numapin_pool *pool = &node->pool;
	LIST_HEAD(out);

	spin_lock(&pool->lock);
	pool->leaving_start = start;
	pool->leaving_end = end;
	move_leaving(pool, &pool->zeroed, &pool->nr_zeroed, &out);
	move_leaving(pool, &pool->dirty, &pool->nr_dirty, &out);
	spin_unlock(&pool->lock);
	free_all(node, &out);
	wait_event(pool->wait, !is_zeroing_what_leaves(pool));
}

/**
 * numapin_pool_stay - no memory is to go any more, or it went
 * @node: Any node
 */
void numapin_pool_stay(struct numapin_node *node)
{
	struct numapin_pool *pool = &node->pool;

	spin_lock(&pool->lock);
	pool->leaving_start = 0;
	pool->leaving_end = 0;
	spin_unlock(&pool->lock);
}

/**
 * numapin_pool_init - make a node's pool, which is empty
 * @node: The node, all zeroes but for its number; it has memory
 *
 * Return: 0, or an errno.
 */
int numapin_pool_init(struct numapin_node *node)
{
	/* As much as it can ever be: a cgroup's share is set, not the pool's size. */
	const struct dmem_cgroup_init init = {
		.size = (u64)node_present_pages(node->nid) << PAGE_SHIFT,
	};
	struct numapin_pool *pool = &node->pool;

	pool->dmem = dmem_cgroup_register_region(&init, "numapin/node%d",
						 node->nid);
	if (IS_ERR(pool->dmem))
		return PTR_ERR(pool->dmem);
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->zeroed);
	INIT_LIST_HEAD(&pool->dirty);
	mutex_init(&pool->resize_lock);
	init_waitqueue_head(&pool->wait);
	return 0;
}

/**
 * numapin_pool_fill - give a new node's pool what the module's parameter says
 * @node: The node
 *
 * Return: 0, or an errno as numapin_pool_resize().
 */
int numapin_pool_fill(struct numapin_node *node)
{
	return numapin_pool_resize(node, pool_bytes[node->nid]);
}

/**
 * numapin_pool_exit - the end of a node's pool
 * @node: The node, which has no region any more
 */
void numapin_pool_exit(struct numapin_node *node)
{
	if (node->pool.thread)
		kthread_stop(node->pool.thread);
	numapin_pool_leave(node, 0, ULONG_MAX);
	dmem_cgroup_unregister_region(node->pool.dmem);
}

static bool gives_way(const struct numapin_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	return READ_ONCE(pool->reclaim) && !pool->filling;
}

static unsigned long count_objects(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct numapin_node *node = numapin_node_find(sc->nid);
	unsigned long nr = 0;

	if (!node)
		return 0;
	spin_lock(&node->pool.lock);
	if (gives_way(&node->pool))
		nr = node->pool.nr_zeroed + node->pool.nr_dirty;
	spin_unlock(&node->pool.lock);
	return nr << HPAGE_PMD_ORDER;
}

static unsigned long scan_objects(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct numapin_node *node = numapin_node_find(sc->nid);
	unsigned long freed = 0;
	struct folio *folio;

	/* Its memory may have gone since it was counted. */
	if (!node)
		return SHRINK_STOP;
	while (freed < sc->nr_to_scan) {
		spin_lock(&node->pool.lock);
		folio = gives_way(&node->pool) ? pop_any(&node->pool) : NULL;
		spin_unlock(&node->pool.lock);
		if (!folio)
			break;
		free_pooled(node, folio);
		freed += HPAGE_PMD_NR;
	}
	mm_account_reclaimed_pages(freed);
	return freed ? freed : SHRINK_STOP;
}

/**
 * numapin_pools_init - for module load
 *
 * Return: 0, or an errno.
 */
int __init numapin_pools_init(void)
{
	shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "numapin-pool");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = count_objects;
	shrinker->scan_objects = scan_objects;
	shrinker->batch = HPAGE_PMD_NR;
	shrinker_register(shrinker);
	return 0;
}

/**
 * numapin_pools_exit - for module unload: pools are not shrunk any more
 */
void numapin_pools_exit(void)
{
	shrinker_free(shrinker);
}
