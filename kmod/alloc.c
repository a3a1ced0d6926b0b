// SPDX-License-Identifier: GPL-2.0-only
/*
 * A folio on a node, or the reason why there is none.
 */
#include <linux/cpuset.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "numapin.h"
#include "trace.h"

/*
 * GFP_USER keeps a task in its cpuset. __GFP_THISNODE with __GFP_RETRY_MAYFAIL
 * reclaims on the node, then gives up, without the OOM killer. No
 * __GFP_MOVABLE: a page that may be pinned for long must not be in
 * ZONE_MOVABLE, and these must not be moved anyway.
 */
#define NUMAPIN_GFP	(GFP_USER | __GFP_THISNODE | __GFP_COMP | \
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* The same without reclaim, and without what is kept for interrupts. */
#define READY_GFP	((NUMAPIN_GFP & ~(__GFP_DIRECT_RECLAIM | \
					  __GFP_RETRY_MAYFAIL)) | \
			 __GFP_NOMEMALLOC)

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
 * numapin_count_refusal - let it be seen that a request failed
 * @req: The request
 * @error: The errno, negative
 */
void numapin_count_refusal(const struct numapin_request *req, int error)
{
	if (req->cause == NUMAPIN_CAUSE_NONE)
		return;
	atomic_long_inc(&req->node->failures[req->cause]);
	trace_numapin_refuse(req, error);
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

/**
 * numapin_request_check - what can be said before any memory is touched
 * @req: What is asked; says on failure what the cause was
 * @nr_pages: How much of it is asked of the request's node, in pages of PAGE_SIZE
 *
 * Return: 0, or an errno as documented for struct numapin_alloc.
 */
int numapin_request_check(struct numapin_request *req, unsigned long nr_pages)
{
	const int nid = req->node->nid;
	u64 all;
	int rc;

	rc = check_node(nid, req);
	if (rc)
		return rc;
	all = node_bytes(nid, zone_usable);
	if (nr_pages > all >> PAGE_SHIFT)
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_TOO_LARGE,
				      all);
	return 0;
}

/*
 * Not by __folio_alloc(), which marks a folio as the page cache's or anonymous
 * memory's: split_huge_pages of debugfs then follows its mapping, which is NULL.
 */
static struct folio *try_alloc(int nid, unsigned int order, gfp_t gfp)
{
	struct folio *folio;
	struct page *page;

	/* It may have gone since it was checked, and that would be logged. */
	if (!node_state(nid, N_MEMORY))
		return NULL;
	page = alloc_pages_node(nid, gfp, order);
	if (!page)
		return NULL;
	folio = page_folio(page);
	numapin_pool_init_folio(folio);
	if (numapin_folio_nid(folio) == nid)
		return folio;
	folio_put(folio);
	return NULL;
}

static void free_each(struct page **pages, unsigned int nr)
{
	while (nr--)
		__free_page(pages[nr]);
}

/* All of them or none */
static bool alloc_each(struct page **pages, unsigned int nr, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		pages[i] = fatal_signal_pending(current) ? NULL :
							   alloc_page(gfp);
		if (!pages[i]) {
			free_each(pages, i);
			return false;
		}
		cond_resched();
	}
	return true;
}

/*
 * As kvmalloc(), and for kvfree(); but where this fails, what it had is free again
 * at once. Since 6.18 vmalloc() leaves that to a work (defer_vm_area_cleanup()): until
 * then the caller's memory cgroup is charged for it, and is still at its limit for
 * whoever is next, whose allocation may be an OOM kill.
 */
static void *alloc_kernel(size_t bytes, gfp_t gfp)
{
	unsigned int nr = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct page **pages;
	void *addr;

	if (bytes <= PAGE_SIZE)
		return kmalloc(bytes, gfp);
	/* What the table of 1 TiB takes, on 4 KiB pages, nobody is given. */
	if (bytes > INT_MAX)
		return NULL;
	addr = kmalloc(bytes, gfp & ~__GFP_DIRECT_RECLAIM);
	if (addr)
		return addr;
	/* A pointer for each page: this comes to an end. */
	pages = alloc_kernel(nr * sizeof(*pages), gfp);
	if (!pages)
		return NULL;
	if (!alloc_each(pages, nr, gfp))
		goto err_list;
	addr = vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (!addr)
		goto err_pages;
	return addr;

err_pages:
	free_each(pages, nr);
err_list:
	kvfree(pages);
	return NULL;
}

/*
 * Whether the caller's memory cgroup is what keeps @bytes from him. They are not
 * asked of the node: there others may have been quicker. Where nobody can have
 * them anywhere, it is not the cgroup.
 */
static bool cgroup_refuses(size_t bytes)
{
	void *charged, *uncharged = NULL;

	charged = alloc_kernel(bytes, NUMAPIN_TABLE_GFP);
	if (!charged)
		uncharged = alloc_kernel(bytes,
					 NUMAPIN_TABLE_GFP & ~__GFP_ACCOUNT);
	kvfree(charged);
	kvfree(uncharged);
	return uncharged;
}

/* What the caller has so far will be free again, as it was before. */
static int refuse_full(int nid, unsigned int order, u64 held,
		       struct numapin_request *req)
{
	return numapin_refuse(req, -ENOMEM,
			      order == HPAGE_PMD_ORDER ?
				      NUMAPIN_CAUSE_NO_HUGE_PAGE :
				      NUMAPIN_CAUSE_NODE_FULL,
			      node_bytes(nid, zone_free) + held);
}

/* Why try_alloc() fails: an errno and the cause; 0 if it need not. */
static int judge(int nid, unsigned int order, u64 held,
		 struct numapin_request *req)
{
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
	folio = try_alloc(nid, order, NUMAPIN_GFP);
	numapin_withdraw(&offer);
	if (!folio)
		return refuse_full(nid, order, held, req);
	folio_put(folio);
	if (cgroup_refuses(PAGE_SIZE << order))
		return numapin_refuse(req, -ENOMEM, NUMAPIN_CAUSE_CGROUP, 0);
	return 0;
}

/*
 * Of the pool's folios what is for a region; or NULL. Unlike the page allocator,
 * the pool knows nothing of cpusets.
 */
static struct folio *try_pool(struct numapin_node *node, unsigned int order,
			      gfp_t gfp)
{
	if (order != HPAGE_PMD_ORDER || !(gfp & __GFP_ACCOUNT))
		return NULL;
	if (!node_isset(node->nid, cpuset_current_mems_allowed))
		return NULL;
	return numapin_pool_take(node, gfp);
}

/**
 * numapin_folio_alloc_readily - a folio on a node, if there is one at hand
 * @node: The node
 * @order: Its order
 * @gfp: As for numapin_folio_alloc()
 *
 * Does not wait, and frees nothing for it.
 *
 * Return: the folio, which is known to be on @node; or NULL.
 */
struct folio *numapin_folio_alloc_readily(struct numapin_node *node,
					  unsigned int order, gfp_t gfp)
{
	struct folio *folio = try_pool(node, order, gfp);

	return folio ? folio : try_alloc(node->nid, order, READY_GFP | gfp);
}

/**
 * numapin_folio_alloc - a folio on a node
 * @req: The node; says on failure what the cause was
 * @order: Its order
 * @gfp: __GFP_ZERO where it is to be zeroed; __GFP_ACCOUNT where it is for a
 *       region: from the node's pool, or charged to the caller's memory cgroup
 * @held: Bytes of the node that the caller will free if this fails
 *
 * Return: the folio, which is known to be on the node; or an ERR_PTR.
 */
struct folio *numapin_folio_alloc(struct numapin_request *req,
				  unsigned int order, gfp_t gfp, u64 held)
{
	struct numapin_node *node = req->node;
	struct folio *folio = try_pool(node, order, gfp);
	int tries, rc;

	if (folio)
		return folio;

	for (tries = 0; tries < 3; tries++) {
		folio = try_alloc(node->nid, order, NUMAPIN_GFP | gfp);
		if (folio)
			return folio;
		rc = judge(node->nid, order, held, req);
		if (rc)
			return ERR_PTR(rc);
	}
	/* What there is of the node now and then, others have before. */
	return ERR_PTR(refuse_full(node->nid, order, held, req));
}

/**
 * numapin_table_alloc - a table of pointers for pages, charged as they are
 * @nr: How many
 * @req: Says on failure what the cause was
 *
 * Return: the table, zeroed, for kvfree(); or NULL.
 */
void *numapin_table_alloc(unsigned long nr, struct numapin_request *req)
{
	const size_t bytes = array_size(nr, sizeof(void *));
	void *table = alloc_kernel(bytes, NUMAPIN_TABLE_GFP | __GFP_ZERO);

	if (!table)
		numapin_refuse(req, -ENOMEM,
			       cgroup_refuses(bytes) ?
				       NUMAPIN_CAUSE_CGROUP :
				       NUMAPIN_CAUSE_BOOKKEEPING, 0);
	return table;
}
