// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In the place of backend-mbind.c, where there is no libnuma.
 */
#include "internal.h"

static enum verdict mbind_alloc(struct allocation *alloc)
{
	return decline(alloc, ABSENT, ENOSYS, NUMAPIN_REASON_NO_NUMA);
}

const struct backend backend_mbind = {
	.name		= "mbind",
	.outcome	= NUMAPIN_BOUND,
	.alloc		= mbind_alloc,
};
