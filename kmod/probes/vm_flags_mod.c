// SPDX-License-Identifier: GPL-2.0-only
/* vm_flags_mod() for vma->vm_flags, which is then const: 6.3 and later. */
#include <linux/mm.h>

void probe(struct vm_area_struct *vma);

void probe(struct vm_area_struct *vma)
{
	vm_flags_mod(vma, VM_DONTEXPAND, VM_MAYEXEC);
}
