// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region's pages: all of them or none, found, freed.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "numapin.h"
#include "trace.h"

/* For pages of regions */
#define REGION_GFP	(__GFP_ACCOUNT | __GFP_ZERO)

/* How many pages are freed at a time */
#define FREE_BATCH	512

/**
 * numapin_region_init - make a region without pages, which is all zeroes so far
 * @region: The region
 * @node: The node of its pages
 * @inode: Its own inode
 */
void numapin_region_init(struct numapin_region *region,
			 struct numapin_node *node, struct inode *inode)
{
	region->node = node;
	region->inode = inode;
	region->id = atomic64_inc_return(&node->last_id);
	region->first.region = region;
	spin_lock_init(&region->first.lock);
	mutex_init(&region->views_lock);
	INIT_LIST_HEAD(&region->views);
}

/* Puts a page after those that the region has. */
static void add_huge(struct numapin_region *region, struct folio *folio)
{
	/* Stale after allocation, and the core maps a PMD by it. */
	folio->index = numapin_first_small(region);
	region->first.huge[region->nr_huge++] = folio;
}

static void add_small(struct numapin_region *region, struct folio *folio)
{
	folio->index = numapin_first_small(region) + region->nr_small;
	region->first.small[region->nr_small++] = &folio->page;
}

/* Bytes of the pages that the region has so far. */
static u64 held(const struct numapin_region *region)
{
	return (u64)(numapin_first_small(region) + region->nr_small)
	       << PAGE_SHIFT;
}

/* What is to be had without reclaim, of the pool or by a crew. */
static void alloc_huge_readily(struct numapin_region *region,
			       unsigned long wanted)
{
	struct folio **huge = region->first.huge;
	struct folio *folio;
	unsigned long nr = 0, i;

	while (nr < wanted && (folio = numapin_pool_take_zeroed(region->node)))
		huge[nr++] = folio;
	nr += numapin_crew_alloc(region->node, HPAGE_PMD_ORDER, REGION_GFP,
				 (void **)&huge[nr], wanted - nr);
	for (i = 0; i < nr; i++)
		add_huge(region, huge[i]);
}

/* Huge pages from the start of the region, for as long as they can be had. */
static int fill_huge(struct numapin_region *region,
		     struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages >> HPAGE_PMD_ORDER;
	struct folio *folio;

	if (!wanted || (req->flags & NUMAPIN_ALLOC_NO_HUGE))
		return 0;
	region->first.huge = numapin_table_alloc(wanted, req);
	if (!region->first.huge)
		return -ENOMEM;

	alloc_huge_readily(region, wanted);
	while (region->nr_huge < wanted) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = numapin_folio_alloc(region->node, HPAGE_PMD_ORDER,
					    REGION_GFP, held(region), req);
		/* The rest of it in small pages? */
		if (folio == ERR_PTR(-ENOMEM) &&
		    !(req->flags & NUMAPIN_ALLOC_HUGE))
			return numapin_refuse(req, 0, NUMAPIN_CAUSE_NONE, 0);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		add_huge(region, folio);
		cond_resched();
	}
	return 0;
}

/* Pages of PAGE_SIZE for what fill_huge() left. */
static int fill_small(struct numapin_region *region,
		      struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages - numapin_first_small(region);
	struct folio *folio;
	unsigned long nr, i;

	if (!wanted)
		return 0;
	region->first.small = numapin_table_alloc(wanted, req);
	if (!region->first.small)
		return -ENOMEM;

	nr = numapin_crew_alloc(region->node, 0, REGION_GFP,
				(void **)region->first.small, wanted);
	for (i = 0; i < nr; i++)
		add_small(region, page_folio(region->first.small[i]));
	while (region->nr_small < wanted) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = numapin_folio_alloc(region->node, 0, REGION_GFP,
					    held(region), req);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		add_small(region, folio);
		cond_resched();
	}
	return 0;
}

/* Whether a folio need not be freed by the caller: it lingers, or is lost. */
static bool keep(struct numapin_region *region, struct folio *folio)
{
	enum numapin_fate fate;

	fate = numapin_folio_retire(region->node, folio, region->user);
	if (fate == NUMAPIN_FOLIO_LINGERS)
		region->nr_lingering += folio_nr_pages(folio);
	return fate != NUMAPIN_FOLIO_FREE;
}

static void free_huge(struct numapin_region *region)
{
	struct folio **huge = region->first.huge;
	unsigned long i;

	for (i = 0; i < region->nr_huge; i++) {
		if (!keep(region, huge[i]))
			numapin_folio_free(region->node, huge[i]);
		cond_resched();
	}
}

/* In batches: to let the cgroup off each page by itself takes longest. */
static void free_small(struct numapin_region *region)
{
	struct page **pages = region->first.small;
	unsigned long i, nr = 0;

	for (i = 0; i < region->nr_small; i++) {
		if (!keep(region, page_folio(pages[i])))
			pages[nr++] = pages[i];
		if (nr == FREE_BATCH || i == region->nr_small - 1) {
			release_pages(pages, nr);
			nr = 0;
			cond_resched();
		}
	}
}

/* Frees what fill() made, however far it came, and lets it off the limits. */
static void free_shared(struct numapin_region *region)
{
	free_huge(region);
	free_small(region);
	numapin_view_free_tables(&region->first);
	/* The folios that still linger count on. */
	numapin_uncharge(region->node, region->user,
			 region->nr_pages - region->nr_lingering);
	region->user = NULL;
	region->nr_lingering = 0;
	region->nr_huge = 0;
	region->nr_small = 0;
}

/* Gives a region that has its length the pages and the limits' consent. */
static int fill(struct numapin_region *region, struct numapin_request *req)
{
	int rc;

	rc = numapin_charge(region->node, region->nr_pages, req, &region->user);
	if (rc)
		return rc;
	rc = fill_huge(region, req);
	if (rc)
		goto err_pages;
	rc = fill_small(region, req);
	if (rc)
		goto err_pages;
	return 0;

err_pages:
	free_shared(region);
	return rc;
}

/**
 * numapin_region_fill - make the pages of an empty region
 * @region: The region
 * @req: What is asked; says on failure what the cause was
 *
 * On success the caller must end with numapin_region_publish() or
 * numapin_region_abandon(). On failure the region is as it was.
 *
 * Return: 0, or an errno as documented for struct numapin_alloc.
 */
int numapin_region_fill(struct numapin_region *region,
			struct numapin_request *req)
{
	struct numapin_node *node = region->node;
	int state, rc;

	state = atomic_cmpxchg_acquire(&region->state, NUMAPIN_REGION_EMPTY,
				       NUMAPIN_REGION_FILLING);
	if (state != NUMAPIN_REGION_EMPTY)
		return state == NUMAPIN_REGION_READY ? -EEXIST : -EBUSY;

	rc = numapin_request_check(node->nid, req);
	if (rc)
		goto err;
	region->nr_pages = DIV_ROUND_UP_ULL(req->length, PAGE_SIZE);
	rc = fill(region, req);
	if (rc)
		goto err;

	i_size_write(region->inode, numapin_region_bytes(region));
	region->flags = req->flags;
	if (numapin_region_private(region))
		numapin_view_begin(region);
	atomic_long_inc(&node->regions);
	atomic_long_add(numapin_first_small(region), &node->huge_pages);
	trace_numapin_alloc(region);
	return 0;

err:
	numapin_count_refusal(region, req, rc);
	region->nr_pages = 0;
	atomic_set_release(&region->state, NUMAPIN_REGION_EMPTY);
	return rc;
}

/**
 * numapin_region_publish - let everyone see a region that is filled
 * @region: The region
 */
void numapin_region_publish(struct numapin_region *region)
{
	atomic_set_release(&region->state, NUMAPIN_REGION_READY);
}

/**
 * numapin_region_abandon - free the pages of a filled region
 * @region: The region: not published yet, or without users any more
 */
void numapin_region_abandon(struct numapin_region *region)
{
	trace_numapin_free(region);
	atomic_long_dec(&region->node->regions);
	i_size_write(region->inode, 0);
	if (numapin_region_private(region)) {
		numapin_view_end(&region->first);
		region->nr_huge = 0;
		region->nr_small = 0;
	} else {
		atomic_long_sub(numapin_first_small(region),
				&region->node->huge_pages);
		free_shared(region);
	}
	region->nr_pages = 0;
	atomic_set_release(&region->state, NUMAPIN_REGION_EMPTY);
}

/**
 * numapin_region_ready - does the region have its pages?
 * @region: The region
 *
 * Return: true where it has, and everything of it may be read.
 */
bool numapin_region_ready(const struct numapin_region *region)
{
	return atomic_read_acquire(&region->state) == NUMAPIN_REGION_READY;
}

/**
 * numapin_region_bytes - the length of a region
 * @region: The region, filled
 *
 * Return: bytes, whole pages.
 */
u64 numapin_region_bytes(const struct numapin_region *region)
{
	return (u64)region->nr_pages << PAGE_SHIFT;
}

/**
 * numapin_region_huge_bytes - how much of a region is on huge pages
 * @region: The region, filled
 *
 * Return: bytes.
 */
u64 numapin_region_huge_bytes(const struct numapin_region *region)
{
	return (u64)numapin_first_small(region) << PAGE_SHIFT;
}
