// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views: what an address space sees of a region. A fork() gives the child a view
 * with the same folios; whoever writes to one that is in several views gets a
 * copy of it in his own.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "numapin.h"
#include "trace.h"

/**
 * struct batch - folios that are to be freed, and let off the limits, together
 * @node: Their node
 * @user: The user that they count against, with one reference; or NULL
 * @nr: How many there are
 * @nr_pages: How many pages of PAGE_SIZE they have
 * @pages: The first page of each
 */
struct batch {
	struct numapin_node *node;
	struct user_struct *user;
	unsigned int nr;
	unsigned long nr_pages;
	struct page *pages[NUMAPIN_FREE_BATCH];
};

static_assert(sizeof(struct numapin_share) <= sizeof(struct list_head));

static struct numapin_share *share_of(struct folio *folio)
{
	return (struct numapin_share *)&folio->lru;
}

/**
 * numapin_view_folio - the folio of a page
 * @view: The view
 * @index: Which page of PAGE_SIZE
 *
 * Return: the folio; or NULL where the view does not have it, or past its end.
 */
struct folio *numapin_view_folio(const struct numapin_view *view,
				 pgoff_t index)
{
	const struct numapin_region *region = view->region;
	pgoff_t first_small = numapin_first_small(region);
	struct page *page;

	if (view->failed || index >= region->nr_pages)
		return NULL;
	if (index < first_small)
		return READ_ONCE(view->huge[index >> HPAGE_PMD_ORDER]);
	page = READ_ONCE(view->small[index - first_small]);
	return page ? page_folio(page) : NULL;
}

/**
 * numapin_view_enter - put a folio where its index says
 * @view: The view, which nobody else has, or by its lock
 * @folio: The folio
 */
void numapin_view_enter(struct numapin_view *view, struct folio *folio)
{
	pgoff_t index = folio->index;
	struct page **small;
	long i;

	if (numapin_folio_huge(folio)) {
		view->huge[index >> HPAGE_PMD_ORDER] = folio;
		return;
	}
	small = &view->small[index - numapin_first_small(view->region)];
	for (i = 0; i < folio_nr_pages(folio); i++)
		small[i] = folio_page(folio, i);
}

static void set_folio(struct numapin_view *view, struct folio *folio)
{
	spin_lock(&view->lock);
	numapin_view_enter(view, folio);
	spin_unlock(&view->lock);
}

/* Where the entry after that at @index begins. */
static pgoff_t next_index(const struct numapin_region *region, pgoff_t index,
			  struct folio *folio)
{
	if (folio)
		return folio->index + folio_nr_pages(folio);
	if (index < numapin_first_small(region))
		return ALIGN_DOWN(index, HPAGE_PMD_NR) + HPAGE_PMD_NR;
	return index + 1;
}

/* Has a folio, as allocated, count against a user, whose reference it takes. */
static void begin_share(struct folio *folio, struct user_struct *user)
{
	struct numapin_share *share = share_of(folio);

	share->spares = NULL;
	share->holders = 1;
	folio->private = user;
}

/* Frees what is in a batch, and lets it off the limits. */
static void flush(struct batch *batch)
{
	if (!batch->nr)
		return;
	release_pages(batch->pages, batch->nr);
	numapin_uncharge(batch->node, batch->user, batch->nr_pages);
	batch->nr = 0;
	batch->nr_pages = 0;
}

static void add_to_batch(struct batch *batch, struct folio *folio,
			 struct numapin_node *node, struct user_struct *user)
{
	if (batch->nr == NUMAPIN_FREE_BATCH || batch->node != node ||
	    batch->user != user)
		flush(batch);
	if (batch->nr)
		free_uid(user);
	batch->node = node;
	batch->user = user;
	batch->pages[batch->nr++] = &folio->page;
	batch->nr_pages += folio_nr_pages(folio);
}

/* Frees a folio that no view has, and lets it off the limits: in flush(), maybe. */
static void free_in_batch(struct batch *batch, struct folio *folio)
{
	struct numapin_node *node = numapin_node_of(folio);
	struct user_struct *user = folio->private;
	long nr = folio_nr_pages(folio);
	enum numapin_fate fate;

	if (numapin_folio_huge(folio))
		atomic_long_sub(nr, &node->huge_pages);
	folio->private = NULL;
	fate = numapin_folio_retire(node, folio, user);
	if (fate == NUMAPIN_FOLIO_LINGERS) {
		free_uid(user);
		return;
	}
	if (fate == NUMAPIN_FOLIO_FREE)
		add_to_batch(batch, folio, node, user);
	else
		numapin_uncharge(node, user, nr);
}

static void free_folio(struct folio *folio)
{
	struct batch batch = { };

	free_in_batch(&batch, folio);
	flush(&batch);
}

/*
 * For a copy of a folio: one of its node and size, counted against the caller's
 * limits; or an ERR_PTR.
 */
static struct folio *alloc_counted(const struct numapin_region *region,
				   struct folio *folio, struct file *file)
{
	const unsigned int order = folio_order(folio);
	struct numapin_request req = {
		.file = file,
		.node = numapin_node_of(folio),
		.length = PAGE_SIZE << order,
		.flags = region->flags,
	};
	struct user_struct *user;
	struct folio *copy;
	int rc;

	rc = numapin_charge(&req, 1UL << order, &user);
	if (rc)
		goto err;
	copy = numapin_folio_alloc(&req, order, __GFP_ACCOUNT, 0);
	if (IS_ERR(copy)) {
		rc = PTR_ERR(copy);
		numapin_uncharge(req.node, user, 1UL << order);
		goto err;
	}
	begin_share(copy, user);
	if (numapin_folio_huge(copy))
		atomic_long_add(1L << order, &req.node->huge_pages);
	return copy;

err:
	numapin_count_refusal(&req, rc);
	return ERR_PTR(rc);
}

static struct folio *take_spare(struct folio *folio)
{
	struct folio *spare = share_of(folio)->spares;

	if (spare) {
		share_of(folio)->spares = share_of(spare)->spares;
		share_of(spare)->spares = NULL;
	}
	return spare;
}

static void add_spare(struct folio *folio, struct folio *spare)
{
	share_of(spare)->spares = share_of(folio)->spares;
	share_of(folio)->spares = spare;
}

/* What was set aside for a copy of a folio, which is locked, or a new one. */
static struct folio *get_spare(struct numapin_region *region,
			       struct folio *folio, struct file *file)
{
	struct folio *spare = take_spare(folio);

	return spare ? spare : alloc_counted(region, folio, file);
}

/* Makes a folio the copy of another; an errno where hardware failed there. */
static int copy_folio(struct numapin_region *region, struct folio *copy,
		      struct folio *folio)
{
	long i, nr = folio_nr_pages(folio);

	if (numapin_folio_poisoned(folio))
		return -EHWPOISON;
	for (i = 0; i < nr; i++) {
		if (copy_mc_highpage(folio_page(copy, i), folio_page(folio, i)))
			return -EHWPOISON;
		cond_resched();
	}
	copy->index = folio->index;
	trace_numapin_copy(region, copy->index, nr << PAGE_SHIFT);
	return 0;
}

static void count_failed_copy(const struct folio *folio, int error)
{
	/* Who is being killed does not miss it. */
	if (error != -EINTR)
		atomic_long_inc(&numapin_node_of(folio)->failed_copies);
}

/* The folio of a page, with a reference; or NULL. */
static struct folio *get_folio(struct numapin_view *view, pgoff_t index)
{
	struct folio *folio;

	spin_lock(&view->lock);
	folio = numapin_view_folio(view, index);
	if (folio)
		folio_get(folio);
	spin_unlock(&view->lock);
	return folio;
}

/* The same, locked, so that it stays the view's; or an ERR_PTR. */
static struct folio *get_locked_folio(struct numapin_view *view, pgoff_t index)
{
	struct folio *folio;

	while ((folio = get_folio(view, index))) {
		if (folio_lock_killable(folio)) {
			folio_put(folio);
			return ERR_PTR(-EINTR);
		}
		if (folio == numapin_view_folio(view, index))
			return folio;
		folio_unlock(folio);
		folio_put(folio);
	}
	return ERR_PTR(-EFAULT);
}

/*
 * From all address spaces, for want of a way to unmap it from one: who still has
 * the folio faults it in again.
 */
static void unmap_folio(struct numapin_region *region, struct folio *folio)
{
	if (folio_mapped(folio))
		unmap_mapping_pages(&region->mapping, folio->index,
				    folio_nr_pages(folio), true);
}

/* Puts a copy, locked and with a reference, in place of a locked folio. */
static struct folio *replace(struct numapin_view *view, struct folio *folio,
			     struct file *file)
{
	struct numapin_region *region = view->region;
	struct folio *copy;
	int rc;

	copy = get_spare(region, folio, file);
	if (IS_ERR(copy)) {
		rc = PTR_ERR(copy);
		goto err;
	}
	rc = copy_folio(region, copy, folio);
	if (rc)
		goto err_copy;
	folio_get(copy);
	folio_lock(copy);
	set_folio(view, copy);
	share_of(folio)->holders--;
	unmap_folio(region, folio);
	return copy;

err_copy:
	free_folio(copy);
err:
	count_failed_copy(folio, rc);
	return ERR_PTR(rc);
}

/**
 * numapin_view_lock_folio - the folio of a page, to be mapped
 * @view: The view
 * @index: Which page of PAGE_SIZE
 * @write: Whether it is to be written: then it is the view's alone
 * @file: The region's file
 *
 * While it is locked it stays the view's, and nobody else's if it was.
 *
 * Return: the folio, locked and with a reference; or an ERR_PTR.
 */
struct folio *numapin_view_lock_folio(struct numapin_view *view, pgoff_t index,
				      bool write, struct file *file)
{
	struct folio *folio, *copy;

	folio = get_locked_folio(view, index);
	if (IS_ERR(folio) || !write)
		return folio;
	WRITE_ONCE(view->written, true);
	if (share_of(folio)->holders == 1)
		return folio;
	copy = replace(view, folio, file);
	folio_unlock(folio);
	folio_put(folio);
	return copy;
}

/**
 * numapin_view_nid - the node of a page
 * @view: The view
 * @index: Which page of PAGE_SIZE
 *
 * Return: the node, or NUMA_NO_NODE where the view does not have the page.
 */
int numapin_view_nid(struct numapin_view *view, pgoff_t index)
{
	struct folio *folio;
	int nid;

	spin_lock(&view->lock);
	folio = numapin_view_folio(view, index);
	nid = folio ? numapin_folio_nid(folio) : NUMA_NO_NODE;
	spin_unlock(&view->lock);
	return nid;
}

/**
 * numapin_view_begin - make a region's pages its first view's
 * @region: The region, filled
 */
void numapin_view_begin(struct numapin_region *region)
{
	struct user_struct *user = region->lanes->user;
	struct folio *folio;
	unsigned int i;
	pgoff_t index;

	for (index = 0; index < region->nr_pages;
	     index += folio_nr_pages(folio)) {
		folio = numapin_view_folio(&region->first, index);
		begin_share(folio, user ? get_uid(user) : NULL);
		cond_resched();
	}
	/* Each has a reference of its own. */
	for (i = 0; i < region->nr_lanes; i++) {
		free_uid(region->lanes[i].user);
		region->lanes[i].user = NULL;
	}
}

/* Whether a private region's view has let go of what it had. */
static bool ended(const struct numapin_view *view)
{
	return !view->huge && !view->small;
}

/*
 * A view lets go of a folio that others may have, and of what was set aside for
 * copying it.
 */
static void let_go(struct folio *folio, struct batch *batch)
{
	struct folio *spare;
	bool last;

	folio_lock(folio);
	last = !--share_of(folio)->holders;
	spare = take_spare(folio);
	folio_unlock(folio);
	if (spare)
		free_in_batch(batch, spare);
	if (last)
		free_in_batch(batch, folio);
}

static void let_go_of_all(struct numapin_view *view)
{
	struct numapin_region *region = view->region;
	struct batch batch = { };
	struct folio *folio;
	pgoff_t index = 0;

	while (index < region->nr_pages) {
		folio = numapin_view_folio(view, index);
		index = next_index(region, index, folio);
		/* Before its first fork() nobody else has any of them. */
		if (folio && !view->protected)
			free_in_batch(&batch, folio);
		else if (folio)
			let_go(folio, &batch);
		cond_resched();
	}
	flush(&batch);
}

/**
 * numapin_view_free_tables - free the tables, but nothing that is in them
 * @view: The view
 */
void numapin_view_free_tables(struct numapin_view *view)
{
	kvfree(view->huge);
	kvfree(view->small);
	view->huge = NULL;
	view->small = NULL;
}

/* Lets go of what a view has, if anything. */
static void empty_view(struct numapin_view *view)
{
	if (ended(view))
		return;
	let_go_of_all(view);
	numapin_view_free_tables(view);
}

/* Of one that no VMA shows, and that is in no list. */
static void end_view(struct numapin_view *view)
{
	empty_view(view);
	if (view != &view->region->first)
		kfree(view);
}

/**
 * numapin_view_claim - let an address space have the first view
 * @view: The view, of a region that has its pages
 * @mm: The address space, which has one VMA of it from now
 *
 * Return: false where it has it already, or another has it, or had it.
 */
bool numapin_view_claim(struct numapin_view *view, struct mm_struct *mm)
{
	struct mm_struct *owner = cmpxchg(&view->mm, NULL, mm);
	struct numapin_region *region = view->region;

	mmap_assert_write_locked(mm);
	/* Its own it may be still, from an mmap() that failed. */
	if (owner && (owner != mm || refcount_read(&view->nr_vmas) ||
		      ended(view)))
		return false;
	refcount_set(&view->nr_vmas, 1);
	view->written = true;
	mutex_lock(&region->views_lock);
	list_add(&view->list, &region->views);
	mutex_unlock(&region->views_lock);
	return true;
}

/**
 * numapin_view_unclaim - undo numapin_view_claim(), where mmap() fails
 * @view: The view
 *
 * It stays the address space's: some of it may be mapped there a moment longer.
 */
void numapin_view_unclaim(struct numapin_view *view)
{
	struct numapin_region *region = view->region;

	mutex_lock(&region->views_lock);
	list_del(&view->list);
	mutex_unlock(&region->views_lock);
	refcount_set(&view->nr_vmas, 0);
}

static bool alloc_tables(struct numapin_view *view)
{
	const struct numapin_region *region = view->region;
	struct numapin_request req = { };

	if (region->nr_huge) {
		view->huge = numapin_table_alloc(region->nr_huge, &req);
		if (!view->huge)
			return false;
	}
	if (region->nr_small) {
		view->small = numapin_table_alloc(region->nr_small, &req);
		if (!view->small)
			goto err_huge;
	}
	return true;

err_huge:
	numapin_view_free_tables(view);
	return false;
}

/* A view without anything is one, lest another VMA of it fare better. */
static void fail_view(struct numapin_view *view)
{
	empty_view(view);
	view->failed = true;
	atomic_long_inc(&view->region->node->failed_views);
}

static struct numapin_view *create_view(struct numapin_region *region,
					struct mm_struct *mm)
{
	struct numapin_view *view;

	lockdep_assert_held(&region->views_lock);
	view = kzalloc_obj(*view, NUMAPIN_TABLE_GFP);
	if (!view)
		return NULL;
	view->region = region;
	view->mm = mm;
	view->protected = true;
	refcount_set(&view->nr_vmas, 1);
	spin_lock_init(&view->lock);
	if (!alloc_tables(view))
		fail_view(view);
	list_add(&view->list, &region->views);
	return view;
}

/* The view of an address space that has one more VMA of it from now; or NULL. */
static struct numapin_view *get_view(struct numapin_region *region,
				     struct mm_struct *mm)
{
	struct numapin_view *view;

	mutex_lock(&region->views_lock);
	list_for_each_entry(view, &region->views, list) {
		/* It may be on its way out, in a task whose mm is gone. */
		if (view->mm == mm && refcount_inc_not_zero(&view->nr_vmas))
			goto out;
	}
	view = create_view(region, mm);
out:
	mutex_unlock(&region->views_lock);
	return view;
}

/*
 * Whether somebody may write to a folio of a parent's other than by its page
 * tables: a device to which it is pinned, or to which it is lent for a moment
 * without a pin, as for O_DIRECT on 6.1. What several views have, none writes.
 */
static bool is_lent(struct numapin_region *region, struct folio *folio)
{
	if (folio_maybe_dma_pinned(folio))
		return true;
	if (READ_ONCE(share_of(folio)->holders) > 1)
		return false;
	/* It may be mapped for reading. Then nothing has it but the view. */
	unmap_folio(region, folio);
	return folio_ref_count(folio) > 1;
}

/* A child has its own of a folio that may be written behind its parent's back. */
static int copy_lent(struct numapin_view *child, struct folio *folio,
		     struct file *file)
{
	struct folio *copy;
	int rc;

	copy = alloc_counted(child->region, folio, file);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	rc = copy_folio(child->region, copy, folio);
	if (rc)
		free_folio(copy);
	else
		set_folio(child, copy);
	return rc;
}

static int share_folio(struct numapin_view *child, struct folio *folio,
		       struct file *file)
{
	struct folio *spare = NULL;

	if (child->region->flags & NUMAPIN_ALLOC_RESERVE) {
		spare = alloc_counted(child->region, folio, file);
		if (IS_ERR(spare))
			return PTR_ERR(spare);
	}
	folio_lock(folio);
	if (spare)
		add_spare(folio, spare);
	share_of(folio)->holders++;
	folio_unlock(folio);
	set_folio(child, folio);
	return 0;
}

/* Gives a child a folio that its parent has, or a copy of it. */
static int give_folio(struct numapin_view *child, struct folio *folio,
		      struct file *file)
{
	int rc;

	if (!is_lent(child->region, folio))
		return share_folio(child, folio, file);
	rc = copy_lent(child, folio, file);
	if (rc)
		count_failed_copy(folio, rc);
	/* It is missed when it is accessed; with a reserve, nothing may be. */
	return child->region->flags & NUMAPIN_ALLOC_RESERVE ? rc : 0;
}

/* Gives a child what its parent has of pages, but for what it has already. */
static int share_folios(const struct numapin_view *parent,
			struct numapin_view *child, pgoff_t index,
			unsigned long nr, struct file *file)
{
	pgoff_t end = index + nr;
	struct folio *folio;
	int rc;

	/* Nobody has a VMA of either in use now: entries stay what they are. */
	while (index < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = numapin_view_folio(parent, index);
		if (folio && !numapin_view_folio(child, index)) {
			rc = give_folio(child, folio, file);
			if (rc)
				return rc;
		}
		index = next_index(parent->region, index, folio);
		cond_resched();
	}
	return 0;
}

/**
 * numapin_view_fork - the view of a child, of what a VMA shows
 * @parent: The parent's view, of which no page is mapped writable
 * @vma: The child's VMA
 *
 * Called under the mmap locks of both, held for writing.
 *
 * Return: the view; NULL where none can be made, which is counted.
 */
struct numapin_view *numapin_view_fork(struct numapin_view *parent,
				       struct vm_area_struct *vma)
{
	struct numapin_region *region = parent->region;
	struct numapin_view *child;

	mmap_assert_write_locked(parent->mm);
	mmap_assert_write_locked(vma->vm_mm);
	child = get_view(region, vma->vm_mm);
	if (!child) {
		atomic_long_inc(&region->node->failed_views);
		return NULL;
	}
	if (child->failed)
		return child;
	if (share_folios(parent, child, vma->vm_pgoff, vma_pages(vma),
			 vma->vm_file))
		fail_view(child);
	return child;
}

/**
 * numapin_view_put - a VMA does not show a view any more
 * @view: The view, which ends with its last one
 * @file: The region's file, to which the VMA has a reference still
 *
 * The mmap lock is held here, and the address space's other threads would wait
 * for it as long as the pages take to free. So where nobody else has the file,
 * which is where it is released at once, they are left to that.
 */
void numapin_view_put(struct numapin_view *view, struct file *file)
{
	struct numapin_region *region = view->region;

	if (!refcount_dec_and_test(&view->nr_vmas) || file_count(file) == 1)
		return;
	mutex_lock(&region->views_lock);
	list_del(&view->list);
	mutex_unlock(&region->views_lock);
	end_view(view);
}

/**
 * numapin_views_end - let go of what a private region still has
 * @region: The region, which has no VMA
 */
void numapin_views_end(struct numapin_region *region)
{
	struct numapin_view *view, *next;

	list_for_each_entry_safe(view, next, &region->views, list) {
		list_del(&view->list);
		end_view(view);
	}
	/* It may never have been mapped. */
	empty_view(&region->first);
}
