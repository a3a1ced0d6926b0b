// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the library asks of a system of which no more is known than that it is POSIX's.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void *map_pages(size_t bytes, unsigned int flags)
{
	const int sharing = flags & NUMAPIN_SHARED ? MAP_SHARED : MAP_PRIVATE;
	void *addr;

	addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
	return addr == MAP_FAILED ? NULL : addr;
}

int unmap(void *addr, size_t bytes)
{
	return munmap(addr, bytes);
}

void at_fork(void (*before)(void), void (*after)(void))
{
	pthread_atfork(before, after, after);
}

/* How much the system has is all that these systems tell alike, not how much is free. */
enum verdict check_memory(struct allocation *alloc, size_t bytes)
{
	const long pages = sysconf(_SC_PHYS_PAGES);

	if (pages > 0 && bytes / page_size() >= (size_t)pages)
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	return GRANTED;
}
