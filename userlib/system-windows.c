// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the library asks of Windows.
 */
#include <windows.h>

#include "internal.h"

size_t page_size(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwPageSize;
}

/* No process is a copy of another: shared or not is the same. */
void *map_pages(size_t bytes, UNUSED unsigned int flags)
{
	return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

int unmap(void *addr, UNUSED size_t bytes)
{
	if (VirtualFree(addr, 0, MEM_RELEASE))
		return 0;
	errno = EINVAL;
	return -1;
}

/* What was committed can be touched; where there is not so much, map_pages() has none. */
enum verdict check_memory(UNUSED struct allocation *alloc, UNUSED size_t bytes)
{
	return GRANTED;
}

/* There is none. */
void at_fork(UNUSED void (*before)(void), UNUSED void (*after)(void))
{
}
