// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Anonymous memory: mapped, touched, and how much of it there is to be had
 * before touching it means an OOM kill. For the backends that are built on it.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define CGROUPS "/sys/fs/cgroup"

/* Maps memory that has no pages yet. */
enum verdict map_anonymous(struct allocation *alloc)
{
	const int sharing = alloc->flags & NUMAPIN_SHARED ? MAP_SHARED : MAP_PRIVATE;

	if (alloc->flags & NUMAPIN_HUGE)
		return decline(alloc, REFUSED, EOPNOTSUPP, NUMAPIN_REASON_NO_HUGE_PROMISE);
	if (alloc->flags & NUMAPIN_RESERVE)
		return decline(alloc, REFUSED, EOPNOTSUPP, NUMAPIN_REASON_NO_RESERVE);
	alloc->addr = mmap(NULL, alloc->bytes, PROT_READ | PROT_WRITE,
			   sharing | MAP_ANONYMOUS, -1, 0);
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

/* The number after @key in a file of lines "key number"; @otherwise if none. */
static size_t number_in(const char *path, const char *key, size_t otherwise)
{
	FILE *file = fopen(path, "re");
	const size_t length = strlen(key);
	size_t number = otherwise;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && sscanf(line + length, "%zu", &number) == 1)
			break;
	if (file)
		fclose(file);
	return number;
}

/* What a memory cgroup (v2) leaves: to its limit, and in page cache. */
static size_t cgroup_leaves(const char *cgroup)
{
	char path[512];
	size_t limit, current, cache;

	snprintf(path, sizeof(path), CGROUPS "%s/memory.max", cgroup);
	limit = number_in(path, "", SIZE_MAX);
	if (limit == SIZE_MAX)
		return SIZE_MAX;
	snprintf(path, sizeof(path), CGROUPS "%s/memory.current", cgroup);
	current = number_in(path, "", 0);
	snprintf(path, sizeof(path), CGROUPS "%s/memory.stat", cgroup);
	cache = number_in(path, "inactive_file ", 0) + number_in(path, "active_file ", 0);
	return (limit > current ? limit - current : 0) + cache;
}

/* What the memory cgroups that this process is in leave, all the way up. */
static size_t cgroups_leave(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	size_t least = SIZE_MAX, leaves;
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

/*
 * Whether @bytes can be touched without an OOM kill, by the system's own
 * estimate. There is nothing surer to ask than an estimate.
 */
enum verdict check_memory(struct allocation *alloc, size_t bytes)
{
	/* Of page tables and other allocators */
	const size_t margin = (size_t)4 << 20;
	const size_t kib = number_in("/proc/meminfo", "MemAvailable:", SIZE_MAX / 1024);

	if (bytes > SIZE_MAX - margin || bytes + margin > kib * 1024)
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
	if (bytes + margin > cgroups_leave())
		return decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_CGROUP);
	return GRANTED;
}
