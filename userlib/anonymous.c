// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Anonymous memory: mapped, touched and freed. For the backends that are built on it.
 */
#include "internal.h"

/* Maps memory that has no pages yet. */
enum verdict map_anonymous(struct allocation *alloc)
{
	if (alloc->flags & NUMAPIN_HUGE)
		return decline(alloc, REFUSED, EOPNOTSUPP, NUMAPIN_REASON_NO_HUGE_PROMISE);
	if (alloc->flags & NUMAPIN_RESERVE)
		return decline(alloc, REFUSED, EOPNOTSUPP, NUMAPIN_REASON_NO_RESERVE);
	alloc->addr = map_pages(alloc->bytes, alloc->flags);
	if (!alloc->addr)
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	return GRANTED;
}

/* Makes the pages of memory that has none yet. */
void touch(char *addr, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += page_size())
		*(volatile char *)(addr + i) = 0;
}

/* Frees memory that has a mapping of its own: 0, or -1 and errno. */
int free_mapping(const struct record *record)
{
	return unmap(record->addr, record->bytes);
}
