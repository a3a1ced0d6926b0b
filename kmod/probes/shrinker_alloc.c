// SPDX-License-Identifier: GPL-2.0-only
/* shrinker_alloc(), for a shrinker that is not static: 6.7 and later. */
#include <linux/shrinker.h>

void probe(void);

void probe(void)
{
	shrinker_register(shrinker_alloc(0, "probe"));
}
