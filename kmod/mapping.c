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
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "numapin.h"
#include "trace.h"

static vm_fault_t numapin_fault(struct vm_fault *vmf)
{
	struct numapin_region *region = vmf->vma->vm_file->private_data;
	struct page *page = numapin_region_page(region, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	trace_numapin_fault(region, vmf);
	/*
	 * All of a huge page in which the hardware failed: the core would map
	 * the bad part of it with the others.
	 */
	if (unlikely(numapin_folio_poisoned(page_folio(page))))
		return VM_FAULT_HWPOISON;
	get_page(page);
	vmf->page = page;
	return 0;
}

/* The pages have their node: a policy that took effect on them would lie. */
static int numapin_set_policy(struct vm_area_struct *vma,
			      struct mempolicy *policy)
{
	return -EPERM;
}

static struct mempolicy *numapin_get_policy(NUMAPIN_GET_POLICY_PARAMS)
{
	struct numapin_region *region = vma->vm_file->private_data;

	return &region->node->policy;
}

static const struct vm_operations_struct numapin_vm_ops = {
	.fault		= numapin_fault,
	.set_policy	= numapin_set_policy,
	.get_policy	= numapin_get_policy,
};

/* How many of the first of @max pages the hardware has not failed. */
static unsigned long count_good(struct page **pages, unsigned long max)
{
	unsigned long nr = 0;

	while (nr < max && !PageHWPoison(pages[nr]))
		nr++;
	return nr;
}

/* Maps the VMA's part of a region without huge pages. */
static int map_small(const struct numapin_region *region,
		     struct vm_area_struct *vma)
{
	struct page **pages = &region->small[vma->vm_pgoff];
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
static int map_region(const struct numapin_region *region,
		      struct vm_area_struct *vma)
{
	int rc;

	if (vma->vm_pgoff >= region->nr_pages ||
	    vma_pages(vma) > region->nr_pages - vma->vm_pgoff)
		return -EINVAL;

	vm_flags_mod(vma, VM_DONTEXPAND, VM_MAYEXEC);
	vma->vm_ops = &numapin_vm_ops;
	if (!region->nr_huge) {
		rc = map_small(region, vma);
		if (rc)
			return rc;
	}
	trace_numapin_map(region, vma);
	return 0;
}

/* Makes the file's region, of the VMA's length, and maps it. */
static int fill_and_map(struct file *file, struct vm_area_struct *vma)
{
	struct numapin_region *region = file->private_data;
	struct numapin_request req = {
		.file = file,
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
	struct page *page;
	unsigned int i;
	int rc = 0;

	if (fatal_signal_pending(current) || mmap_read_lock_killable(mm))
		return -EINTR;
	for (i = 0; i < nr_pages; i++, addr += PAGE_SIZE) {
		if (!vma || addr >= vma->vm_end)
			vma = vma_lookup(mm, addr);
		if (!vma || vma->vm_ops != &numapin_vm_ops) {
			rc = -ENXIO;
			break;
		}
		page = numapin_region_page(vma->vm_file->private_data,
					   linear_page_index(vma, addr));
		nodes[i] = page_to_nid(page);
	}
	mmap_read_unlock(mm);
	return rc;
}
