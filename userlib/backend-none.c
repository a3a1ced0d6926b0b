// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Anonymous memory, wherever the system puts it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "internal.h"

/* Maps memory that has no pages yet. */
enum verdict map_anonymous(struct allocation *alloc)
{
	if (alloc->flags & NUMAPIN_HUGE)
		return decline(alloc, REFUSED, EOPNOTSUPP, NUMAPIN_REASON_NO_HUGE_PROMISE);
	alloc->addr = mmap(NULL, alloc->bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (alloc->addr == MAP_FAILED)
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	/* Advice: on a system without huge pages it fails, and nothing is lost. */
	madvise(alloc->addr, alloc->bytes,
		alloc->flags & NUMAPIN_NO_HUGE ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	return GRANTED;
}

/* Makes the pages of memory that has none yet. */
void touch(char *addr, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += page_size())
		*(volatile char *)(addr + i) = 0;
}

/* Gives back to the system what a backend got: 0, or -1 and errno. */
int unmap(void *addr, size_t bytes)
{
	return munmap(addr, bytes);
}

/* Bytes that the system could give out, by its own estimate; all it likes where it has none. */
static size_t memory_available(void)
{
	FILE *meminfo = fopen("/proc/meminfo", "re");
	size_t kib = SIZE_MAX / 1024;
	char line[128];

	while (meminfo && fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "MemAvailable: %zu", &kib) == 1)
			break;
	if (meminfo)
		fclose(meminfo);
	return kib * 1024;
}

static enum verdict none_alloc(struct allocation *alloc)
{
	enum verdict verdict;

	/* To touch more would be an OOM kill, of this process or of another. */
	if (alloc->bytes > memory_available())
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	verdict = map_anonymous(alloc);
	if (verdict == GRANTED)
		touch(alloc->addr, alloc->bytes);
	return verdict;
}

const struct backend backend_none = {
	.name		= "none",
	.outcome	= NUMAPIN_UNBOUND,
	.alloc		= none_alloc,
};
