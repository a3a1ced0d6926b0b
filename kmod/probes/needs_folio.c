// SPDX-License-Identifier: GPL-2.0-only
/* Needed: folios (Linux 5.16) */
#include <linux/mm.h>

int probe(const struct folio *folio);

int probe(const struct folio *folio)
{
	return folio_nid(folio);
}
