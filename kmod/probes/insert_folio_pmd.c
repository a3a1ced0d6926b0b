// SPDX-License-Identifier: GPL-2.0-only
/* A driver's huge_fault() may map a folio as a whole: 6.15 and later. */
#include <linux/mm.h>

vm_fault_t huge_fault(struct vm_fault *vmf, unsigned int order);

vm_fault_t huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return vmf_insert_folio_pmd(vmf, page_folio(vmf->page), false);
}

const struct vm_operations_struct probe = { .huge_fault = huge_fault };
