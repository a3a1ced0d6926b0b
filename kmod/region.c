// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region's pages: all of them or none, found, freed.
 */
#include <linux/cpuset.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "numapin.h"
#include "trace.h"

/* For a region's tables. They too must not be answered by the OOM killer. */
#define TABLE_GFP	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* How many pages are freed at a time */
#define FREE_BATCH	512

/* Sums @count over the zones of @nid that these pages can come from. */
static u64 node_bytes(int nid, unsigned long (*count)(struct zone *zone))
{
	struct zone *zones = NODE_DATA(nid)->node_zones;
	unsigned long pages = 0;
	enum zone_type type;

	for (type = 0; type <= ZONE_NORMAL; type++)
		pages += count(&zones[type]);
	return (u64)pages << PAGE_SHIFT;
}

/* What is set aside for contiguous allocations is for movable pages. */
static unsigned long zone_free(struct zone *zone)
{
	return zone_page_state(zone, NR_FREE_PAGES) -
	       zone_page_state(zone, NR_FREE_CMA_PAGES);
}

static unsigned long zone_usable(struct zone *zone)
{
	return zone_managed_pages(zone) - zone_cma_pages(zone);
}

/* Where the region's huge pages end and its small ones begin. */
static pgoff_t first_small(const struct numapin_region *region)
{
	return region->nr_huge << HPAGE_PMD_ORDER;
}

/* Bytes of the pages that the region has so far. */
static u64 region_held(const struct numapin_region *region)
{
	return (u64)(first_small(region) + region->nr_small) << PAGE_SHIFT;
}

/* Whether the caller may have memory of the node, and the node has any. */
static int check_node(int nid, struct numapin_request *req)
{
	if (!node_state(nid, N_MEMORY))
		return numapin_refuse(req, -ENODEV, NUMAPIN_CAUSE_NODE_GONE, 0);
	if (!node_state(nid, N_NORMAL_MEMORY))
		return numapin_refuse(req, -EOPNOTSUPP,
				      NUMAPIN_CAUSE_ONLY_MOVABLE, 0);
	if (!node_isset(nid, cpuset_current_mems_allowed))
		return numapin_refuse(req, -EPERM, NUMAPIN_CAUSE_CPUSET, 0);
	return 0;
}

/* What can be said of a request before any memory is touched for it. */
static int check_request(int nid, struct numapin_request *req)
{
	u64 all;
	int rc;

	if (!req->length)
		return -EINVAL;
	if ((req->flags & NUMAPIN_ALLOC_HUGE) &&
	    !IS_ALIGNED(req->length, HPAGE_PMD_SIZE))
		return -EINVAL;
	rc = check_node(nid, req);
	if (rc)
		return rc;
	all = node_bytes(nid, zone_usable);
	if (req->length > all)
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_TOO_LARGE,
				      all);
	return 0;
}

/*
 * Whether the caller's memory cgroup is what keeps @bytes from him. They are not
 * asked of the node: there others may have been quicker. Where nobody can have
 * them anywhere, it is not the cgroup.
 */
static bool cgroup_refuses(size_t bytes)
{
	void *charged, *uncharged = NULL;

	charged = kvmalloc(bytes, TABLE_GFP | __GFP_ACCOUNT);
	if (!charged)
		uncharged = kvmalloc(bytes, TABLE_GFP);
	kvfree(charged);
	kvfree(uncharged);
	return uncharged;
}

/* What the region holds will be free again, as it was before. */
static int refuse_full(const struct numapin_region *region, unsigned int order,
		       struct numapin_request *req)
{
	return numapin_refuse(req, -ENOMEM,
			      order ? NUMAPIN_CAUSE_NO_HUGE_PAGE :
				      NUMAPIN_CAUSE_NODE_FULL,
			      node_bytes(region->node->nid, zone_free) +
			      region_held(region));
}

/* Why numapin_folio_alloc() fails: an errno and the cause; 0 if it need not. */
static int judge_folio(const struct numapin_region *region, unsigned int order,
		       struct numapin_request *req)
{
	int nid = region->node->nid;
	struct numapin_offer offer;
	struct folio *folio;
	int rc;

	if (fatal_signal_pending(current))
		return -EINTR;
	/* Either may have changed since the request was checked. */
	rc = check_node(nid, req);
	if (rc)
		return rc;

	/* Is it the node, all of it, or the cgroup's charge? */
	numapin_offer(&offer);
	folio = numapin_folio_alloc(nid, order, 0);
	numapin_withdraw(&offer);
	if (!folio)
		return refuse_full(region, order, req);
	folio_put(folio);
	if (cgroup_refuses(PAGE_SIZE << order))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_CGROUP, 0);
	return 0;
}

/* What numapin_folio_alloc() gives; or an ERR_PTR, and the cause in @req. */
static struct folio *alloc_folio_or_refuse(const struct numapin_region *region,
					   unsigned int order,
					   struct numapin_request *req)
{
	struct folio *folio;
	int tries, rc;

	for (tries = 0; tries < 3; tries++) {
		folio = numapin_folio_alloc(region->node->nid, order,
					    __GFP_ACCOUNT);
		if (folio)
			return folio;
		rc = judge_folio(region, order, req);
		if (rc)
			return ERR_PTR(rc);
	}
	/* What there is of the node now and then, others have before. */
	return ERR_PTR(refuse_full(region, order, req));
}

/* A table of @nr pointers for the region's pages, charged as they are. */
static void *alloc_table(unsigned long nr, struct numapin_request *req)
{
	void *table = kvcalloc(nr, sizeof(void *), TABLE_GFP | __GFP_ACCOUNT);

	if (!table)
		numapin_refuse(req, -ENOMEM,
			       cgroup_refuses(nr * sizeof(void *)) ?
				       NUMAPIN_CAUSE_CGROUP :
				       NUMAPIN_CAUSE_BOOKKEEPING, 0);
	return table;
}

/* Huge pages from the start of the region, for as long as they can be had. */
static int fill_huge(struct numapin_region *region,
		     struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages >> HPAGE_PMD_ORDER;
	struct folio *folio;

	if (!wanted || (req->flags & NUMAPIN_ALLOC_NO_HUGE))
		return 0;
	region->huge = alloc_table(wanted, req);
	if (!region->huge)
		return -ENOMEM;

	while (region->nr_huge < wanted) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = alloc_folio_or_refuse(region, HPAGE_PMD_ORDER, req);
		/* The rest of it in small pages? */
		if (folio == ERR_PTR(-ENOMEM) &&
		    !(req->flags & NUMAPIN_ALLOC_HUGE))
			return numapin_refuse(req, 0, NUMAPIN_CAUSE_NONE, 0);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		/* Stale after allocation, and the core maps a PMD by it. */
		folio->index = first_small(region);
		region->huge[region->nr_huge++] = folio;
		cond_resched();
	}
	return 0;
}

/* Pages of PAGE_SIZE for what fill_huge() left. */
static int fill_small(struct numapin_region *region,
		      struct numapin_request *req)
{
	unsigned long wanted = region->nr_pages - first_small(region);
	struct folio *folio;

	if (!wanted)
		return 0;
	region->small = alloc_table(wanted, req);
	if (!region->small)
		return -ENOMEM;

	while (region->nr_small < wanted) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = alloc_folio_or_refuse(region, 0, req);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		folio->index = first_small(region) + region->nr_small;
		region->small[region->nr_small++] = &folio->page;
		cond_resched();
	}
	return 0;
}

static void free_huge(struct numapin_region *region)
{
	unsigned long i;

	for (i = 0; i < region->nr_huge; i++) {
		if (!numapin_folio_keep(region, region->huge[i]))
			folio_put(region->huge[i]);
		cond_resched();
	}
}

/* In batches: to let the cgroup off each page by itself takes longest. */
static void free_small(struct numapin_region *region)
{
	struct page **pages = region->small;
	unsigned long i, nr = 0;

	for (i = 0; i < region->nr_small; i++) {
		if (!numapin_folio_keep(region, page_folio(pages[i])))
			pages[nr++] = pages[i];
		if (nr == FREE_BATCH || i == region->nr_small - 1) {
			release_pages(pages, nr);
			nr = 0;
			cond_resched();
		}
	}
}

/* Frees what fill_huge() and fill_small() made, however far they came. */
static void free_pages_of(struct numapin_region *region)
{
	free_huge(region);
	free_small(region);
	kvfree(region->huge);
	kvfree(region->small);
	region->huge = NULL;
	region->small = NULL;
	region->nr_huge = 0;
	region->nr_small = 0;
}

/* Undoes numapin_charge(), but for the folios that still linger. */
static void uncharge(struct numapin_region *region)
{
	numapin_uncharge(region->node, region->user,
			 region->nr_pages - region->nr_lingering);
	region->user = NULL;
	region->nr_lingering = 0;
}

/* Gives a region that has its length the pages and the limits' consent. */
static int fill(struct numapin_region *region, struct numapin_request *req)
{
	int rc;

	rc = numapin_charge(region, req);
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
	free_pages_of(region);
	uncharge(region);
	return rc;
}

/**
 * numapin_refuse - say why a request fails
 * @req: The request
 * @error: The errno, negative
 * @cause: The cause
 * @available: As out_available of struct numapin_alloc
 *
 * Return: @error.
 */
int numapin_refuse(struct numapin_request *req, int error,
		   enum numapin_cause cause, u64 available)
{
	req->cause = cause;
	req->available = available;
	return error;
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

	rc = check_request(node->nid, req);
	if (rc)
		goto err;
	region->nr_pages = DIV_ROUND_UP_ULL(req->length, PAGE_SIZE);
	rc = fill(region, req);
	if (rc)
		goto err;

	i_size_write(region->inode, numapin_region_bytes(region));
	atomic_long_inc(&node->regions);
	atomic_long_add(first_small(region), &node->huge_pages);
	trace_numapin_alloc(region);
	return 0;

err:
	if (req->cause != NUMAPIN_CAUSE_NONE) {
		atomic_long_inc(&node->failures[req->cause]);
		trace_numapin_refuse(region, req, rc);
	}
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
	atomic_long_sub(first_small(region), &region->node->huge_pages);
	i_size_write(region->inode, 0);
	free_pages_of(region);
	uncharge(region);
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
 * numapin_region_page - a page of a region
 * @region: The region, filled
 * @index: Which page of PAGE_SIZE
 *
 * Return: the page, or NULL past the region's end.
 */
struct page *numapin_region_page(const struct numapin_region *region,
				 pgoff_t index)
{
	if (index >= region->nr_pages)
		return NULL;
	if (index < first_small(region))
		return folio_page(region->huge[index >> HPAGE_PMD_ORDER],
				  index & (HPAGE_PMD_NR - 1));
	return region->small[index - first_small(region)];
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
	return (u64)first_small(region) << PAGE_SHIFT;
}
