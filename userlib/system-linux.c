// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the library asks of Linux: pages, forks, and how much memory there is to be
 * had before touching it means an OOM kill.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define CGROUPS "/sys/fs/cgroup"

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void *map_pages(size_t bytes, unsigned int flags)
{
	const int sharing = flags & NUMAPIN_SHARED ? MAP_SHARED : MAP_PRIVATE;
	void *addr;

	addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return NULL;
	/* Advice: on a system without huge pages it fails, and nothing is lost. */
	madvise(addr, bytes, flags & NUMAPIN_NO_HUGE ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	return addr;
}

int unmap(void *addr, size_t bytes)
{
	return munmap(addr, bytes);
}

void at_fork(void (*before)(void), void (*after)(void))
{
	pthread_atfork(before, after, after);
}

/*
 * The number after @key in a file of lines "key number"; @otherwise if none. A system
 * has more memory than a size_t of a 32-bit process may count.
 */
static uint64_t number_in(const char *path, const char *key, uint64_t otherwise)
{
	FILE *file = fopen(path, "re");
	const size_t length = strlen(key);
	uint64_t number = otherwise;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && sscanf(line + length, "%" SCNu64, &number) == 1)
			break;
	if (file)
		fclose(file);
	return number;
}

/* What a memory cgroup (v2) leaves: to its limit, and in page cache. */
static uint64_t cgroup_leaves(const char *cgroup)
{
	char path[512];
	uint64_t limit, current, cache;

	snprintf(path, sizeof(path), CGROUPS "%s/memory.max", cgroup);
	limit = number_in(path, "", UINT64_MAX);
	if (limit == UINT64_MAX)
		return UINT64_MAX;
	snprintf(path, sizeof(path), CGROUPS "%s/memory.current", cgroup);
	current = number_in(path, "", 0);
	snprintf(path, sizeof(path), CGROUPS "%s/memory.stat", cgroup);
	cache = number_in(path, "inactive_file ", 0) + number_in(path, "active_file ", 0);
	return (limit > current ? limit - current : 0) + cache;
}

/* What the memory cgroups that this process is in leave, all the way up. */
static uint64_t cgroups_leave(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	uint64_t least = UINT64_MAX, leaves;
	char cgroup[256] = "", line[256];
	char *slash;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "0::%255s", cgroup) == 1)
			break;
	if (file)
		fclose(file);
	while ((slash = strrchr(cgroup, '/'))) {
		/* "/" is the top: of the system, or of a container */
		leaves = cgroup_leaves(slash == cgroup && !slash[1] ? "" : cgroup);
		if (leaves < least)
			least = leaves;
		*slash = '\0';
	}
	leaves = cgroup_leaves("");
	return leaves < least ? leaves : least;
}

/* By the system's own estimate: there is nothing surer to ask. */
enum verdict check_memory(struct allocation *alloc, size_t bytes)
{
	/* Of page tables and other allocators */
	const size_t margin = (size_t)4 << 20;
	const uint64_t kib = number_in("/proc/meminfo", "MemAvailable:", UINT64_MAX / 1024);

	if (bytes > SIZE_MAX - margin || bytes + margin > kib * 1024)
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	if (bytes + margin > cgroups_leave())
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_CGROUP);
	return GRANTED;
}
