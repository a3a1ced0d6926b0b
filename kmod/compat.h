/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that numapin supports, and the only
 * place that knows of any. The code is written for the newest; this gives older
 * ones what they lack. features.h has a HAVE_ for each of probes/ that is not of
 * what numapin needs.
 */
#ifndef NUMAPIN_COMPAT_H
#define NUMAPIN_COMPAT_H

#include "features.h"

#if HAVE_DMEM
#include <linux/cgroup_dmem.h>
#endif
#if !HAVE_COPY_MC_HIGHPAGE
#include <linux/highmem.h>
#endif
#if !HAVE_KTHREAD_AFFINE_PREFERRED
#include <linux/kthread.h>
#include <linux/sched/isolation.h>
#endif
#include <linux/mm.h>
#include <linux/mmzone.h>
#if HAVE_IMPORT_NS_TOKEN
#include <linux/module.h>
#endif
#if !HAVE_SHRINKER_ALLOC
#include <linux/shrinker.h>
#include <linux/slab.h>
#endif
#if !HAVE_ACCOUNT_RECLAIMED
#include <linux/swap.h>
#endif
#if !HAVE_WQ_PERCPU
#include <linux/workqueue.h>
#endif

#if !HAVE_VM_FLAGS_MOD
static inline void vm_flags_mod(struct vm_area_struct *vma,
				vm_flags_t set, vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#if !HAVE_CONST_DEVNODE
/* Its definition has other parameters there. */
#define numapin_devnode(...) \
	numapin_devnode(struct device *dev, umode_t *mode)
#endif
#if !HAVE_GET_POLICY_ILX
/* Its definition has a parameter less there. */
#define numapin_get_policy(vma, addr, ...) numapin_get_policy(vma, addr)
#endif

#if !HAVE_KZALLOC_OBJ
#define kzalloc_obj(object, gfp) kzalloc(sizeof(object), gfp)
#endif

#if !HAVE_KTHREAD_AFFINE_PREFERRED
/* Has a thread, before it runs, keep to CPUs that are not isolated: those of a mask, if any. */
static inline int kthread_affine_preferred(struct task_struct *thread,
					   const struct cpumask *mask)
{
	const struct cpumask *others = housekeeping_cpumask(HK_TYPE_DOMAIN);
	cpumask_var_t cpus;

	if (!alloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;
	if (!cpumask_and(cpus, mask, others))
		cpumask_copy(cpus, others);
	set_cpus_allowed_ptr(thread, cpus);
	free_cpumask_var(cpus);
	return 0;
}
#endif

#if !HAVE_SHRINKER_ALLOC
static inline unsigned long numapin_count_none(struct shrinker *shrinker,
					       struct shrink_control *sc)
{
	return 0;
}

static inline unsigned long numapin_scan_none(struct shrinker *shrinker,
					      struct shrink_control *sc)
{
	return SHRINK_STOP;
}

/* Registers it too, which may fail there, and finds nothing until it is told how. */
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc_obj(*shrinker, GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->flags = flags;
	shrinker->count_objects = numapin_count_none;
	shrinker->scan_objects = numapin_scan_none;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void shrinker_register(struct shrinker *shrinker)
{
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

#if !HAVE_DMEM
/* The cgroup controller of memory that a driver has set aside */
struct dmem_cgroup_pool_state;
struct dmem_cgroup_region;

struct dmem_cgroup_init {
	u64 size;
};

static inline __printf(2, 3) struct dmem_cgroup_region *
dmem_cgroup_register_region(const struct dmem_cgroup_init *init,
			    const char *name, ...)
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

#if HAVE_IMPORT_NS_TOKEN
/* It takes the name without quotes there. */
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, ns)
#endif

/* vm_ops->huge_fault(), where that may map a folio as a whole; else there is none. */
#if HAVE_INSERT_FOLIO_PMD
#define NUMAPIN_HUGE_FAULT(handler) (handler)
#else
#define NUMAPIN_HUGE_FAULT(handler) (0 ? (handler) : NULL)

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
#ifdef CONFIG_MEMORY_FAILURE
	return READ_ONCE(NODE_DATA(nid)->mf_stats.total);
#else
	return false;
#endif
#else
	return true;
#endif
}

#endif /* NUMAPIN_COMPAT_H */
