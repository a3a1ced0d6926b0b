/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that numapin supports, and the only
 * place that knows of any. features.h has a HAVE_ for each of probes/ that is
 * not of what numapin needs.
 */
#ifndef NUMAPIN_COMPAT_H
#define NUMAPIN_COMPAT_H

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "features.h"

#if HAVE_DMEM
#include <linux/cgroup_dmem.h>
#endif

#if !HAVE_VM_FLAGS_MOD
static inline void vm_flags_mod(struct vm_area_struct *vma,
				vm_flags_t set, vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#if HAVE_CONST_DEVNODE
#define NUMAPIN_DEVNODE_CONST const
#else
#define NUMAPIN_DEVNODE_CONST
#endif

/* The parameters of vm_ops->get_policy(); numapin uses only the first. */
#if HAVE_GET_POLICY_ILX
#define NUMAPIN_GET_POLICY_PARAMS \
	struct vm_area_struct *vma, unsigned long addr, pgoff_t *ilx
#else
#define NUMAPIN_GET_POLICY_PARAMS \
	struct vm_area_struct *vma, unsigned long addr
#endif

#if HAVE_SHRINKER_ALLOC
static inline int numapin_register_shrinker(struct shrinker *shrinker)
{
	shrinker_register(shrinker);
	return 0;
}
#else
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker) {
		shrinker->seeks = DEFAULT_SEEKS;
		shrinker->flags = flags;
	}
	return shrinker;
}

static inline int numapin_register_shrinker(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "numapin");
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

#if !HAVE_ACCOUNT_RECLAIMED
static inline void mm_account_reclaimed_pages(unsigned long pages)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
}
#endif

/* The cgroup controller of memory that a driver has set aside */
#if HAVE_DMEM
static inline struct dmem_cgroup_region *numapin_register_dmem(u64 size, int nid)
{
	const struct dmem_cgroup_init init = { .size = size };

	return dmem_cgroup_register_region(&init, "numapin/node%d", nid);
}
#else
struct dmem_cgroup_pool_state;
struct dmem_cgroup_region;

static inline struct dmem_cgroup_region *numapin_register_dmem(u64 size, int nid)
{
	return NULL;
}

static inline void dmem_cgroup_unregister_region(struct dmem_cgroup_region *dmem)
{
}

static inline int dmem_cgroup_try_charge(struct dmem_cgroup_region *dmem, u64 size,
					 struct dmem_cgroup_pool_state **share,
					 struct dmem_cgroup_pool_state **limit)
{
	*share = NULL;
	return 0;
}

static inline void dmem_cgroup_uncharge(struct dmem_cgroup_pool_state *share, u64 size)
{
}
#endif

#if !HAVE_COPY_MC_HIGHPAGE
/* Where the hardware fails in a page that is copied, the kernel panics. */
static inline int copy_mc_highpage(struct page *to, struct page *from)
{
	copy_highpage(to, from);
	return 0;
}
#endif

/* vm_ops->huge_fault(), where that may map a folio as a whole; else there is none. */
#define NUMAPIN_HUGE_FAULT(handler) (HAVE_INSERT_FOLIO_PMD ? (handler) : NULL)

#if !HAVE_INSERT_FOLIO_PMD
static inline vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf,
					      struct folio *folio, bool write)
{
	return VM_FAULT_FALLBACK;
}
#endif

#if !HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

/* May hardware have failed on a node? Where that is not counted it may. */
static inline bool numapin_node_may_be_poisoned(int nid)
{
#if HAVE_MF_STATS
	return READ_ONCE(NODE_DATA(nid)->mf_stats.total);
#else
	return true;
#endif
}

#endif /* NUMAPIN_COMPAT_H */
