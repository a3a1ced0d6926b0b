// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions in address spaces.
 *
 * A region with huge pages is mapped by faults, in a plain VMA, where the core
 * installs a PMD for a huge folio by itself. One without is mapped whole in
 * mmap() by vm_insert_pages(), which makes the VMA VM_MIXEDMAP. The two must
 * not meet in one VMA: where it is VM_MIXEDMAP, zapping and splitting take a
 * PMD for a special one and leak its folio.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "numapin.h"
#include "trace.h"

/*
 * A fault on any part of a huge page in which the hardware failed is refused: the
 * core would map the bad part of it with the others.
 */
static vm_fault_t numapin_fault(struct vm_fault *vmf)
{
	struct numapin_view *view = vmf->vma->vm_private_data;
	struct folio *folio = numapin_view_folio(view, vmf->pgoff);

	if (!folio)
		return VM_FAULT_SIGBUS;
	trace_numapin_fault(view->region, vmf);
	if (unlikely(numapin_folio_poisoned(folio)))
		return VM_FAULT_HWPOISON;
	folio_get(folio);
	vmf->page = folio_page(folio, vmf->pgoff - folio->index);
	return 0;
}

/*
 * The same by a driver's own doing, where the kernel lets it. It spares the page
 * table that the core makes before each fault(), and frees when it maps a PMD.
 */
static vm_fault_t numapin_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct numapin_view *view = vma->vm_private_data;
	struct folio *folio = numapin_view_folio(view, vmf->pgoff);
	unsigned long start = vmf->address & HPAGE_PMD_MASK;

	if (!folio || order != HPAGE_PMD_ORDER || folio_order(folio) != order)
		return VM_FAULT_FALLBACK;
	if (start < vma->vm_start || vma->vm_end - start < HPAGE_PMD_SIZE ||
	    linear_page_index(vma, start) != folio->index)
		return VM_FAULT_FALLBACK;
	if (unlikely(numapin_folio_poisoned(folio)))
		return VM_FAULT_HWPOISON;
	trace_numapin_fault(view->region, vmf);
	/*
	 * Under the VMA's lock alone another task may have put a page table there,
	 * of which the core warns who writes. The first time it is mapped as the
	 * VMA permits, writable or not.
	 */
	return vmf_insert_folio_pmd(vmf, folio,
				    vmf->flags & FAULT_FLAG_WRITE &&
				    !pmd_none(vmf->orig_pmd));
}

/*
 * Private regions. Until its first fork() a view is mapped as a shared region is,
 * and may be pinned for long. From then on its VMAs are protected: they have
 * operations that learn of writes, which makes the kernel refuse such pins
 * (since 6.5), and their pages may be replaced by copies.
 */

/* Of a task that is being killed too: to try again would be without end. */
static vm_fault_t fault_error(int error)
{
	return error == -EHWPOISON ? VM_FAULT_HWPOISON : VM_FAULT_SIGBUS;
}

static vm_fault_t numapin_protected_fault(struct vm_fault *vmf)
{
	struct numapin_view *view = vmf->vma->vm_private_data;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct folio *folio;

	if (!view)
		return VM_FAULT_SIGBUS;
	trace_numapin_fault(view->region, vmf);
	folio = numapin_view_lock_folio(view, vmf->pgoff, write,
					vmf->vma->vm_file);
	if (IS_ERR(folio))
		return fault_error(PTR_ERR(folio));
	if (unlikely(numapin_folio_poisoned(folio))) {
		folio_unlock(folio);
		folio_put(folio);
		return VM_FAULT_HWPOISON;
	}
	vmf->page = folio_page(folio, vmf->pgoff - folio->index);
	/* What is mapped for reading is locked until then, to be the view's. */
	if (!write)
		return VM_FAULT_LOCKED;
	/* What is to be written, numapin_page_mkwrite() sees before. */
	folio_unlock(folio);
	return 0;
}

/* A page that is mapped, or about to be, is to become writable. */
static vm_fault_t numapin_page_mkwrite(struct vm_fault *vmf)
{
	struct numapin_view *view = vmf->vma->vm_private_data;
	struct folio *folio;
	bool same;

	folio = numapin_view_lock_folio(view, vmf->pgoff, true,
					vmf->vma->vm_file);
	if (IS_ERR(folio))
		return fault_error(PTR_ERR(folio));
	same = folio == page_folio(vmf->page);
	if (!same)
		folio_unlock(folio);
	folio_put(folio);
	/* Locked until it is mapped; or the fault comes again, for the copy. */
	return same ? VM_FAULT_LOCKED : VM_FAULT_NOPAGE;
}

/* The pages have their node: a policy that took effect on them would lie. */
static int numapin_set_policy(struct vm_area_struct *vma,
			      struct mempolicy *policy)
{
	return -EPERM;
}

static struct mempolicy *numapin_get_policy(struct vm_area_struct *vma,
					    unsigned long addr, pgoff_t *ilx)
{
	struct numapin_region *region = vma->vm_file->private_data;

	/* No policy is what a striped one's pages follow. */
	return numapin_region_striped(region) ? NULL : &region->node->policy;
}

static void numapin_private_open(struct vm_area_struct *vma);
static void numapin_private_close(struct vm_area_struct *vma);

static const struct vm_operations_struct numapin_shared_ops = {
	.fault		= numapin_fault,
	.huge_fault	= NUMAPIN_HUGE_FAULT(numapin_huge_fault),
	.set_policy	= numapin_set_policy,
	.get_policy	= numapin_get_policy,
};

static const struct vm_operations_struct numapin_private_ops = {
	.open		= numapin_private_open,
	.close		= numapin_private_close,
	.fault		= numapin_fault,
	.huge_fault	= NUMAPIN_HUGE_FAULT(numapin_huge_fault),
	.set_policy	= numapin_set_policy,
	.get_policy	= numapin_get_policy,
};

static const struct vm_operations_struct numapin_protected_ops = {
	.open		= numapin_private_open,
	.close		= numapin_private_close,
	.fault		= numapin_protected_fault,
	.page_mkwrite	= numapin_page_mkwrite,
	.set_policy	= numapin_set_policy,
	.get_policy	= numapin_get_policy,
};

/*
 * Has a VMA learn of writes from now on. It is not VM_MIXEDMAP any more, so that
 * fork() copies no entries of its page tables: its pages come by faults.
 */
static void protect_vma(struct vm_area_struct *vma)
{
	/* First, for it waits for faults that are under way. */
	vm_flags_mod(vma, 0, VM_MIXEDMAP);
	vma->vm_ops = &numapin_protected_ops;
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags & ~VM_SHARED);
}

/* All VMAs of a view, one of which is at @addr. */
static void protect_vmas(const struct numapin_view *view, unsigned long addr)
{
	VMA_ITERATOR(vmi, view->mm, 0);
	struct vm_area_struct *vma;

	if (refcount_read(&view->nr_vmas) == 1) {
		protect_vma(vma_lookup(view->mm, addr));
		return;
	}
	for_each_vma(vmi, vma)
		if (vma->vm_private_data == view)
			protect_vma(vma);
}

/*
 * Has an address space learn of the next write to each folio of its view, one of
 * whose VMAs is at @addr.
 */
static void protect_view(struct numapin_view *view, unsigned long addr)
{
	struct numapin_region *region = view->region;

	mmap_assert_write_locked(view->mm);
	if (!view->protected) {
		protect_vmas(view, addr);
		view->protected = true;
	}
	if (view->written) {
		unmap_mapping_pages(&region->mapping, 0,
				    region->nr_pages, true);
		view->written = false;
	}
}

/*
 * A VMA like another: of the same address space, since it was split or moved; or
 * of a child. That has it before any of its page tables.
 */
static void numapin_private_open(struct vm_area_struct *vma)
{
	struct numapin_view *view = vma->vm_private_data;

	if (!view)
		return;
	if (view->mm == vma->vm_mm) {
		refcount_inc(&view->nr_vmas);
		return;
	}
	protect_view(view, vma->vm_start);
	protect_vma(vma);
	vma->vm_private_data = numapin_view_fork(view, vma);
}

static void numapin_private_close(struct vm_area_struct *vma)
{
	struct numapin_view *view = vma->vm_private_data;

	if (view)
		numapin_view_put(view, vma->vm_file);
}

/* Whether a VMA shows a region. */
static bool is_region(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &numapin_shared_ops ||
	       vma->vm_ops == &numapin_private_ops ||
	       vma->vm_ops == &numapin_protected_ops;
}

/* How many of the first of @max pages are of folios that no hardware has failed on. */
static unsigned long count_good(struct page **pages, unsigned long max)
{
	unsigned long nr = 0;
	struct folio *folio;

	while (nr < max) {
		folio = page_folio(pages[nr]);
		if (numapin_folio_poisoned(folio))
			return nr;
		nr += folio_nr_pages(folio) - folio_page_idx(folio, pages[nr]);
	}
	return max;
}

/* Maps the VMA's part of a region without huge pages. */
static int map_small(const struct numapin_region *region,
		     struct vm_area_struct *vma)
{
	struct page **pages = &region->first.small[vma->vm_pgoff];
	unsigned long addr, nr, left;
	int rc;

	for (addr = vma->vm_start; addr < vma->vm_end; addr += nr * PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		nr = min_t(unsigned long, PTRS_PER_PTE,
			   (vma->vm_end - addr) >> PAGE_SHIFT);
		nr = count_good(pages, nr);
		left = nr;
		rc = nr ? vm_insert_pages(vma, addr, pages, &left) : 0;
		if (rc)
			return rc;
		/* A bad page is left out: its fault will be SIGBUS. */
		nr = max(nr, 1UL);
		pages += nr;
		cond_resched();
	}
	return 0;
}

/* Maps a region that has its pages. */
static int map_region(struct numapin_region *region,
		      struct vm_area_struct *vma)
{
	bool private = numapin_region_private(region);
	int rc;

	if (vma->vm_pgoff >= region->nr_pages ||
	    vma_pages(vma) > region->nr_pages - vma->vm_pgoff)
		return -EINVAL;
	if (private && !numapin_view_claim(&region->first, vma->vm_mm))
		return -EBUSY;

	vm_flags_mod(vma, VM_DONTEXPAND, VM_MAYEXEC);
	vma->vm_private_data = &region->first;
	vma->vm_ops = private ? &numapin_private_ops : &numapin_shared_ops;
	if (!region->nr_huge) {
		rc = map_small(region, vma);
		if (rc)
			goto err_unclaim;
	}
	trace_numapin_map(region, vma);
	return 0;

err_unclaim:
	if (private)
		numapin_view_unclaim(&region->first);
	return rc;
}

/* Makes the file's region, of the VMA's length, and maps it. */
static int fill_and_map(struct file *file, struct vm_area_struct *vma)
{
	struct numapin_region *region = file->private_data;
	struct numapin_request req = {
		.file = file,
		.node = region->node,
		.length = vma->vm_end - vma->vm_start,
	};
	int rc;

	if (vma->vm_pgoff)
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	rc = numapin_region_fill(region, &req);
	if (rc)
		return rc;
	rc = map_region(region, vma);
	if (rc)
		numapin_region_abandon(region);
	else
		numapin_region_publish(region);
	return rc;
}

/**
 * numapin_mmap - file_operations' mmap of a node device
 * @file: The file
 * @vma: What is to be mapped where
 *
 * Return: 0, or an errno as documented in the uAPI header.
 */
int numapin_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct numapin_region *region = file->private_data;
	int rc;

	/* Copy on write is how data would leave the node. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;

	while (!numapin_region_ready(region)) {
		rc = fill_and_map(file, vma);
		/* -EEXIST: another thread made it in between. */
		if (rc != -EEXIST)
			return rc;
	}
	return map_region(region, vma);
}

/**
 * numapin_locate - the nodes of pages in the current task's memory
 * @addr: The address of the first page, aligned
 * @nr_pages: How many pages
 * @nodes: Where to write the node of each
 *
 * Return: 0; -ENXIO where a page is not mapped from a node device; -EINTR.
 */
int numapin_locate(unsigned long addr, unsigned int nr_pages, s32 *nodes)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma = NULL;
	struct numapin_view *view;
	unsigned int i;
	int rc = 0;

	if (fatal_signal_pending(current) || mmap_read_lock_killable(mm))
		return -EINTR;
	for (i = 0; i < nr_pages; i++, addr += PAGE_SIZE) {
		if (!vma || addr >= vma->vm_end)
			vma = vma_lookup(mm, addr);
		if (!vma || !is_region(vma)) {
			rc = -ENXIO;
			break;
		}
		view = vma->vm_private_data;
		nodes[i] = view ? numapin_view_nid(view,
						   linear_page_index(vma, addr)) :
				  NUMA_NO_NODE;
		if (nodes[i] == NUMA_NO_NODE) {
			rc = -ENXIO;
			break;
		}
	}
	mmap_read_unlock(mm);
	return rc;
}
