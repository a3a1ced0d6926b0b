// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In the place of backend-module.c and device.c, on systems that the module is not for.
 */
#include "internal.h"

static enum verdict module_alloc(struct allocation *alloc)
{
	return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_MODULE);
}

const struct backend backend_module = {
	.name		= "module",
	.outcome	= NUMAPIN_PINNED,
	.alloc		= module_alloc,
};

PUBLIC int numapin_use_device(UNUSED int fd)
{
	errno = ENODEV;
	return -1;
}
