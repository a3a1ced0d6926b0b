// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region's pages: all of them or none, found, freed.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "numapin.h"
#include "trace.h"

/* For pages of regions */
#define REGION_GFP	(__GFP_ACCOUNT | __GFP_ZERO)

/**
 * numapin_region_init - make a region without pages, which is all zeroes so far
 * @region: The region
 * @node: The node of its pages
 * @host: The host of its mapping
 */
void numapin_region_init(struct numapin_region *region,
			 struct numapin_node *node, struct inode *host)
{
	region->node = node;
	address_space_init_once(&region->mapping);
	init_rwsem(&region->mapping.invalidate_lock);
	region->mapping.host = host;
	region->mapping.a_ops = host->i_mapping->a_ops;
	/* Below any zone that user memory migrates to: it does not migrate. */
	mapping_set_gfp_mask(&region->mapping, GFP_DMA);
	region->id = atomic64_inc_return(&node->last_id);
	region->first.region = region;
	spin_lock_init(&region->first.lock);
	mutex_init(&region->views_lock);
	INIT_LIST_HEAD(&region->views);
}

/* Puts a huge page after those that the region has. */
static void add_huge(struct numapin_region *region, struct numapin_lane *lane,
		     struct folio *folio)
{
	/* Stale after allocation, and the core maps a PMD by it. */
	folio->index = numapin_first_small(region);
	numapin_view_enter(&region->first, folio);
	region->nr_huge++;
	lane->nr_huge++;
}

/*
 * Makes folios of an order, which are in the table one by one after those that the
 * region has, the region's. Their pages need room there: so the last is first.
 */
static void add_small(struct numapin_region *region, struct numapin_lane *lane,
		      unsigned int order, unsigned long nr)
{
	struct page **small = &region->first.small[region->nr_small];
	pgoff_t index = numapin_first_small(region) + region->nr_small;
	struct folio *folio;
	unsigned long i;

	for (i = nr; i--;) {
		folio = page_folio(small[i]);
		folio->index = index + (i << order);
		numapin_view_enter(&region->first, folio);
	}
	region->nr_small += nr << order;
	lane->nr_small += nr << order;
}

static unsigned long huge_pages(const struct numapin_lane *lane)
{
	return lane->nr_huge << HPAGE_PMD_ORDER;
}

/* Bytes of the node that the region has so far. */
static u64 held(const struct numapin_lane *lane)
{
	return (u64)(huge_pages(lane) + lane->nr_small) << PAGE_SHIFT;
}

/* What is to be had without reclaim, of the pool or by a crew. */
static void alloc_huge_readily(struct numapin_region *region,
			       struct numapin_lane *lane, unsigned long wanted)
{
	struct folio **huge = &region->first.huge[region->nr_huge];
	struct folio *folio;
	unsigned long nr = 0, i;

	while (nr < wanted && !fatal_signal_pending(current) &&
	       (folio = numapin_pool_take_first(lane->node))) {
		huge[nr++] = folio;
		cond_resched();
	}
	nr += numapin_crew_alloc(lane->node, HPAGE_PMD_ORDER, REGION_GFP,
				 (void **)&huge[nr], wanted - nr);
	for (i = 0; i < nr; i++)
		add_huge(region, lane, huge[i]);
}

/* Huge pages of a node, for as long as they can be had. */
static int fill_lane_huge(struct numapin_region *region,
			  struct numapin_lane *lane,
			  struct numapin_request *req)
{
	unsigned long wanted = lane->nr_pages >> HPAGE_PMD_ORDER;
	struct folio *folio;

	req->node = lane->node;
	alloc_huge_readily(region, lane, wanted);
	while (lane->nr_huge < wanted) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = numapin_folio_alloc(req, HPAGE_PMD_ORDER, REGION_GFP,
					    held(lane));
		/* The rest of it in small pages? */
		if (folio == ERR_PTR(-ENOMEM) &&
		    !(req->flags & NUMAPIN_ALLOC_HUGE))
			return numapin_refuse(req, 0, NUMAPIN_CAUSE_NONE, 0);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		add_huge(region, lane, folio);
		cond_resched();
	}
	return 0;
}

/* Huge pages from the start of the region, for as long as they can be had. */
static int fill_huge(struct numapin_region *region,
		     struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages >> HPAGE_PMD_ORDER;
	unsigned int i;
	int rc;

	if (!wanted || (req->flags & NUMAPIN_ALLOC_NO_HUGE))
		return 0;
	region->first.huge = numapin_table_alloc(wanted, req);
	if (!region->first.huge)
		return -ENOMEM;
	for (i = 0; i < region->nr_lanes; i++) {
		rc = fill_lane_huge(region, &region->lanes[i], req);
		if (rc)
			return rc;
	}
	return 0;
}

/* How many pages of PAGE_SIZE a lane is to have, and has not. */
static unsigned long small_pages_missing(const struct numapin_lane *lane)
{
	return lane->nr_pages - huge_pages(lane) - lane->nr_small;
}

/* What a crew has of them, in folios of an order. */
static void alloc_small_by_crew(struct numapin_region *region,
				struct numapin_lane *lane, unsigned int order)
{
	struct page **small = &region->first.small[region->nr_small];
	unsigned long nr;

	nr = numapin_crew_alloc(lane->node, order, REGION_GFP, (void **)small,
				small_pages_missing(lane) >> order);
	add_small(region, lane, order, nr);
}

/* What is to be had without reclaim in clusters. */
static void alloc_clusters(struct numapin_region *region,
			   struct numapin_lane *lane)
{
	struct folio *folio;

	alloc_small_by_crew(region, lane, NUMAPIN_CLUSTER_ORDER);
	while (small_pages_missing(lane) >> NUMAPIN_CLUSTER_ORDER &&
	       !fatal_signal_pending(current)) {
		folio = numapin_folio_alloc_readily(lane->node,
						    NUMAPIN_CLUSTER_ORDER,
						    REGION_GFP);
		if (!folio)
			return;
		region->first.small[region->nr_small] = &folio->page;
		add_small(region, lane, NUMAPIN_CLUSTER_ORDER, 1);
		cond_resched();
	}
}

/* Pages of PAGE_SIZE of a node, for what it has no huge ones. */
static int fill_lane_small(struct numapin_region *region,
			   struct numapin_lane *lane,
			   struct numapin_request *req)
{
	struct folio *folio;

	req->node = lane->node;
	if (!(req->flags & NUMAPIN_ALLOC_NO_HUGE))
		alloc_clusters(region, lane);
	alloc_small_by_crew(region, lane, 0);
	while (small_pages_missing(lane)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = numapin_folio_alloc(req, 0, REGION_GFP, held(lane));
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		region->first.small[region->nr_small] = &folio->page;
		add_small(region, lane, 0, 1);
		cond_resched();
	}
	return 0;
}

/* Pages of PAGE_SIZE for what fill_huge() left. */
static int fill_small(struct numapin_region *region,
		      struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages - numapin_first_small(region);
	unsigned int i;
	int rc;

	if (!wanted)
		return 0;
	region->first.small = numapin_table_alloc(wanted, req);
	if (!region->first.small)
		return -ENOMEM;
	for (i = 0; i < region->nr_lanes; i++) {
		rc = fill_lane_small(region, &region->lanes[i], req);
		if (rc)
			return rc;
	}
	return 0;
}

/* Whether a folio need not be freed by the caller: it lingers, or is gone. */
static bool keep(struct numapin_region *region, struct folio *folio)
{
	struct numapin_lane *lane = numapin_lanes_find(region, folio);
	enum numapin_fate fate;

	fate = numapin_folio_retire(lane->node, folio, lane->user);
	if (fate == NUMAPIN_FOLIO_LINGERS)
		lane->nr_lingering += folio_nr_pages(folio);
	return fate != NUMAPIN_FOLIO_FREE;
}

/* In batches: to let the cgroup off each page by itself takes longest. */
static void free_folios(struct numapin_region *region)
{
	pgoff_t end = numapin_first_small(region) + region->nr_small;
	struct page *pages[NUMAPIN_FREE_BATCH];
	unsigned int nr = 0;
	struct folio *folio;
	pgoff_t index = 0;

	while (index < end) {
		folio = numapin_view_folio(&region->first, index);
		index += folio_nr_pages(folio);
		if (!keep(region, folio))
			pages[nr++] = &folio->page;
		if (nr == NUMAPIN_FREE_BATCH || index == end) {
			release_pages(pages, nr);
			nr = 0;
		}
		cond_resched();
	}
}

/* Lets the first lanes' pages off the limits, but for those that linger. */
static void uncharge(struct numapin_region *region, unsigned int nr_lanes)
{
	struct numapin_lane *lane;

	for (lane = region->lanes; lane < region->lanes + nr_lanes; lane++)
		numapin_uncharge(lane->node, lane->user,
				 lane->nr_pages - lane->nr_lingering);
}

/* Frees what fill() made, however far it came, and lets it off the limits. */
static void free_shared(struct numapin_region *region)
{
	free_folios(region);
	numapin_view_free_tables(&region->first);
	uncharge(region, region->nr_lanes);
	region->nr_huge = 0;
	region->nr_small = 0;
}

/* Has each node and the limits consent, before any memory is touched. */
static int charge(struct numapin_region *region, struct numapin_request *req)
{
	struct numapin_lane *lane;
	unsigned int i;
	int rc;

	for (i = 0; i < region->nr_lanes; i++) {
		lane = &region->lanes[i];
		req->node = lane->node;
		rc = numapin_request_check(req, lane->nr_pages);
		if (!rc)
			rc = numapin_charge(req, lane->nr_pages, &lane->user);
		if (rc) {
			uncharge(region, i);
			return rc;
		}
	}
	return 0;
}

/* Gives a region that has its lanes their pages. */
static int fill(struct numapin_region *region, struct numapin_request *req)
{
	int rc;

	rc = charge(region, req);
	if (rc)
		return rc;
	rc = fill_huge(region, req);
	if (rc)
		goto err_pages;
	rc = fill_small(region, req);
	if (rc)
		goto err_pages;
	rc = numapin_lanes_interleave(region, req);
	if (rc)
		goto err_pages;
	return 0;

err_pages:
	free_shared(region);
	return rc;
}

/* Counts a region with its nodes; or not any more, where @sign is -1. */
static void count(const struct numapin_region *region, int sign)
{
	const struct numapin_lane *lane;
	unsigned int i;

	for (i = 0; i < region->nr_lanes; i++) {
		lane = &region->lanes[i];
		atomic_long_add(sign, &lane->node->regions);
		/* Of a private one each folio counts for itself as it goes. */
		if (sign > 0 || !numapin_region_private(region))
			atomic_long_add(sign * (long)huge_pages(lane),
					&lane->node->huge_pages);
	}
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
	const bool huge = req->flags & NUMAPIN_ALLOC_HUGE;
	int state, rc;

	state = atomic_cmpxchg_acquire(&region->state, NUMAPIN_REGION_EMPTY,
				       NUMAPIN_REGION_FILLING);
	if (state != NUMAPIN_REGION_EMPTY)
		return state == NUMAPIN_REGION_READY ? -EEXIST : -EBUSY;

	rc = -EINVAL;
	if (!req->length || (huge && !IS_ALIGNED(req->length, HPAGE_PMD_SIZE)))
		goto err;
	/* Rounded up, but not beyond what there is. */
	region->nr_pages = ((req->length - 1) >> PAGE_SHIFT) + 1;
	numapin_lanes_take(region, req);
	numapin_lanes_divide(region, huge ? HPAGE_PMD_ORDER : 0);
	rc = fill(region, req);
	if (rc)
		goto err_lanes;

	region->flags = req->flags;
	if (numapin_region_private(region))
		numapin_view_begin(region);
	count(region, 1);
	trace_numapin_alloc(region);
	return 0;

err_lanes:
	numapin_count_refusal(req, rc);
	numapin_lanes_drop(region);
	region->nr_pages = 0;
err:
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
	count(region, -1);
	if (numapin_region_private(region)) {
		numapin_views_end(region);
		region->nr_huge = 0;
		region->nr_small = 0;
	} else {
		free_shared(region);
	}
	numapin_lanes_drop(region);
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
