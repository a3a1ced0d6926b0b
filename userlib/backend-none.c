// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Anonymous memory, wherever the system puts it.
 */
#include "internal.h"

static enum verdict none_alloc(struct allocation *alloc)
{
	enum verdict verdict;

	verdict = check_memory(alloc, alloc->bytes);
	if (verdict == GRANTED)
		verdict = map_anonymous(alloc);
	if (verdict == GRANTED)
		touch(alloc->addr, alloc->bytes);
	return verdict;
}

const struct backend backend_none = {
	.name		= "none",
	.outcome	= NUMAPIN_UNBOUND,
	.alloc		= none_alloc,
	.free		= free_mapping,
};
