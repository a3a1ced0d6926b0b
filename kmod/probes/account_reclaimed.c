// SPDX-License-Identifier: GPL-2.0-only
/* mm_account_reclaimed_pages(), for what is in reclaim_state: 6.4 and later. */
#include <linux/swap.h>

void probe(void);

void probe(void)
{
	mm_account_reclaimed_pages(1);
}
