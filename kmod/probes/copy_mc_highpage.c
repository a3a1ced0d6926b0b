// SPDX-License-Identifier: GPL-2.0-only
/* A copy that survives a failure of the hardware (6.4) */
#include <linux/highmem.h>

int probe(struct page *to, struct page *from);
int probe(struct page *to, struct page *from)
{
	return copy_mc_highpage(to, from);
}
