/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that numapin supports, and the only
 * place that knows of any. features.h has a HAVE_ for each of probes/ that is
 * not of what numapin needs.
 */
#ifndef NUMAPIN_COMPAT_H
#define NUMAPIN_COMPAT_H

#include <linux/mm.h>

#include "features.h"

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

#endif /* NUMAPIN_COMPAT_H */
