// SPDX-License-Identifier: GPL-2.0-only
/* vm_ops->get_policy() has an interleave index to set: 6.7 and later. */
#include <linux/mm.h>

struct mempolicy *get_policy(struct vm_area_struct *vma, unsigned long addr,
			     pgoff_t *ilx);
const struct vm_operations_struct probe = { .get_policy = get_policy };
