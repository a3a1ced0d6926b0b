// SPDX-License-Identifier: GPL-2.0-only
/* kzalloc_obj(), which knows the object's size and type: 7.0 and later. */
#include <linux/slab.h>

void *probe(void);

void *probe(void)
{
	int *object = kzalloc_obj(*object, GFP_KERNEL);

	return object;
}
