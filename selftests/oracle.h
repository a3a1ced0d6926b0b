/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Witnesses of where memory is and how it is mapped that are not numapin's:
 * the kernel's own system calls and files.
 */
#ifndef SELFTESTS_ORACLE_H
#define SELFTESTS_ORACLE_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kernel-page-flags.h>
#include <numa.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

#define PAGE ((size_t)4096)
#define HUGE_PAGE (2 * MIB)
/* Small pages that numapin has together, where it may */
#define CLUSTER (16 * PAGE)

/*
 * Until a condition is true, for a minute at most, or on a kernel that looks for mistakes,
 * and is ten times as slow, for five; whether it is.
 */
#define SOON(condition) ({						\
	const time_t _end = time(NULL) + (is_sanitizing() ? 300 : 60);	\
	bool _so;							\
									\
	for (;;) {							\
		_so = (condition);					\
		if (_so || time(NULL) >= _end)				\
			break;						\
		usleep(20000);						\
	}								\
	_so;								\
})

static inline size_t whole_pages(size_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

/*
 * What move_pages(2) says of each page of a range, to be freed; NULL on error.
 * Without libnuma, which 32-bit programs do not have.
 */
static inline int *nodes_of(const void *addr, size_t bytes)
{
	const size_t count = whole_pages(bytes) / PAGE;
	void **pages = calloc(count, sizeof(*pages));
	int *nodes = calloc(count, sizeof(*nodes));

	if (!pages || !nodes)
		goto failed;
	for (size_t i = 0; i < count; i++)
		pages[i] = (char *)addr + i * PAGE;
	if (syscall(SYS_move_pages, 0, count, pages, NULL, nodes, 0))
		goto failed;
	free(pages);
	return nodes;
failed:
	free(pages);
	free(nodes);
	return NULL;
}

/* How many pages of a range it says are not on @node; -1 on error. */
static inline long pages_elsewhere(const void *addr, size_t bytes, int node)
{
	int *nodes = nodes_of(addr, bytes);
	long elsewhere = nodes ? 0 : -1;

	for (size_t i = 0; nodes && i < whole_pages(bytes) / PAGE; i++)
		elsewhere += nodes[i] != node;
	free(nodes);
	return elsewhere;
}

/* The same, but for pages that the process's page tables do not have now */
static inline long pages_on_other_nodes(const void *addr, size_t bytes, int node)
{
	int *nodes = nodes_of(addr, bytes);
	long others = nodes ? 0 : -1;

	for (size_t i = 0; nodes && i < whole_pages(bytes) / PAGE; i++)
		others += nodes[i] != node && nodes[i] != -ENOENT;
	free(nodes);
	return others;
}

/* Reads @count 64-bit entries of a file of such, from @index. */
static inline bool read_entries(const char *path, uint64_t index, uint64_t *entries, size_t count)
{
	const ssize_t bytes = count * sizeof(*entries);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = pread(fd, entries, bytes, index * sizeof(*entries)) == bytes;

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * Bits of a page's 64 in /proc/self/pagemap: its physical page, where it has one
 * and is not in swap
 */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME ((1ull << 55) - 1)

/* Reads the pagemap of a range of whole pages into @entries. For root. */
static inline bool pagemap(const void *addr, size_t bytes, uint64_t *entries)
{
	return read_entries("/proc/self/pagemap", (uintptr_t)addr / PAGE, entries, bytes / PAGE);
}

/* The physical page at @addr; 0: none. */
static inline uint64_t page_frame(const void *addr)
{
	uint64_t entry;

	return pagemap(addr, PAGE, &entry) ? entry & PAGEMAP_FRAME : 0;
}

/* KPF_... of linux/kernel-page-flags.h, each a bit. */
static inline uint64_t page_flags(uint64_t frame)
{
	uint64_t flags;

	return read_entries("/proc/kpageflags", frame, &flags, 1) ? flags : 0;
}

/* How many clusters of one folio each a range has, from its start on, by /proc/kpageflags */
static inline size_t clusters(const char *addr, size_t bytes)
{
	size_t nr = 0, page;

	for (; bytes >= CLUSTER; addr += CLUSTER, bytes -= CLUSTER, nr++) {
		const uint64_t first = page_frame(addr);

		if (!(page_flags(first) & 1ULL << KPF_COMPOUND_HEAD))
			break;
		for (page = 1; page < CLUSTER / PAGE; page++)
			if (page_frame(addr + page * PAGE) != first + page ||
			    !(page_flags(first + page) & 1ULL << KPF_COMPOUND_TAIL))
				return nr;
	}
	return nr;
}

/* A field of smaps, in bytes, of the mapping that holds @addr; -1: none. */
static inline long smaps_bytes(const void *addr, const char *field)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long kib = -1;

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && !strncmp(line, field, strlen(field)) &&
			 line[strlen(field)] == ':')
			sscanf(line + strlen(field) + 1, "%ld", &kib);
	}
	if (smaps)
		fclose(smaps);
	return kib < 0 ? -1 : kib * (long)KIB;
}

/* The line of numa_maps for the mapping that starts at @addr; "" if none. */
static inline void numa_maps_line(const void *addr, char *line, size_t size)
{
	FILE *maps = fopen("/proc/self/numa_maps", "r");
	unsigned long start;
	bool found = false;

	while (maps && !found && fgets(line, size, maps))
		found = sscanf(line, "%lx ", &start) == 1 && start == (uintptr_t)addr;
	if (maps)
		fclose(maps);
	if (!found)
		line[0] = '\0';
}

/* Whether hardware failed on a physical page, or was said to. */
static inline bool is_poisoned(uint64_t frame)
{
	return page_flags(frame) & 1ULL << KPF_HWPOISON;
}

/* Whether all bytes of whole pages, the last one too, are 0. */
static inline bool all_zero(const void *addr, size_t bytes)
{
	const uint64_t *words = addr;
	uint64_t sum = 0;

	for (size_t i = 0; i < whole_pages(bytes) / sizeof(*words); i++)
		sum |= words[i];
	return !sum;
}

/* Page faults that this process has taken. */
static inline long page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* How many page faults it takes to write to each page of a range. */
static inline long faults_to_touch(char *addr, size_t bytes)
{
	long before;

	/* A policy of the kind that NUMA balancing's hinting faults leave alone */
	if (set_mempolicy(MPOL_LOCAL, NULL, 0))
		return -1;
	page_faults();	/* its own code's */
	before = page_faults();
	for (size_t i = 0; i < bytes; i += PAGE)
		*(volatile char *)(addr + i) = 1;
	return page_faults() - before;
}

/* The number that a file holds; -1: none. */
static inline long file_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

/* Writes to a file of the kernel's: 0, or an errno. */
static inline int write_errno(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;
	ssize_t n;

	if (fd < 0)
		return errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		error = errno;
	else if (n != (ssize_t)strlen(text))
		error = EIO;
	close(fd);
	return error;
}

static inline bool write_file(const char *path, const char *text)
{
	errno = write_errno(path, text);
	return !errno;
}

/* A file's first line, without its end; "" where it has none. */
static inline void first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");

	if (!file || !fgets(line, size, file))
		line[0] = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
}

/* What the kernel lists under a name of its nodes, like has_memory; "" if it does not. */
static inline void node_list(const char *name, char *list, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/node/%s", name);
	first_line(path, list, size);
}

/* Whether the kernel is one of ours that look for mistakes: selftests/configs/{debug,kcsan} */
static inline bool is_sanitizing(void)
{
	struct utsname uts;

	return !uname(&uts) && (strstr(uts.release, "-debug") || strstr(uts.release, "-kcsan"));
}

/*
 * Has such a kernel let go of freed objects, which it keeps for a while to see who
 * still uses them, and of their pages.
 */
static inline void shrink_caches(void)
{
	glob_t caches;

	if (!is_sanitizing() || glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		return;
	for (size_t i = 0; i < caches.gl_pathc; i++)
		write_errno(caches.gl_pathv[i], "1");
	globfree(&caches);
}

/* The number after a name, in a file with one on each line; -1: none. */
static inline long named_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256], key[64];
	long value, found = -1;

	while (file && found < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", key, &value) == 2 && !strcmp(key, name))
			found = value;
	if (file)
		fclose(file);
	return found;
}

/* Bytes that the module has mapped for itself, of pages that are no vmalloc()'s; -1: unknown. */
static inline long module_mapped(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[256];
	long bytes, sum = file ? 0 : -1;

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, " [numapin] ") && sscanf(line, "%*s %ld", &bytes) == 1)
			sum += bytes;
	if (file)
		fclose(file);
	return sum;
}

/* Bytes that a node has free, but for those that only movable pages may have (CMA). */
static inline long long node_free(int node)
{
	long long free_bytes = -1;
	char path[64];
	long cma;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/vmstat", node);
	cma = named_number(path, "nr_free_cma");
	numa_node_size64(node, &free_bytes);
	return cma > 0 ? free_bytes - cma * (long long)PAGE : free_bytes;
}

/* A counter of /proc/vmstat; -1: none. */
static inline long vmstat(const char *name)
{
	return named_number("/proc/vmstat", name);
}

#endif /* SELFTESTS_ORACLE_H */
