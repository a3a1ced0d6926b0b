// SPDX-License-Identifier: GPL-2.0-only
/* Needed: __folio_alloc_node() (Linux 5.18) */
#include <linux/gfp.h>

struct folio *probe(int nid);

struct folio *probe(int nid)
{
	return __folio_alloc_node(GFP_USER, 0, nid);
}
