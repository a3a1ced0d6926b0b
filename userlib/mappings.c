// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which memory of a process is where, as the kernel tells it: numa_maps has each
 * mapping's nodes, maps where it ends, and mountinfo what its file is of.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define DEVICE "/dev/numapin/node"

/**
 * struct entry - a mapping, as it is read
 * @mapping: What the handler is given
 * @nodes: Where its nodes are written
 * @file: The name, if it is of a file
 * @hugetlb: Whether it is of huge pages that were set aside
 * @major: Of the device that its file system has
 * @minor: Of that too
 */
struct entry {
	struct numapin_mapping mapping;
	struct numapin_node_bytes *nodes;
	const char *file;
	bool hugetlb;
	unsigned int major;
	unsigned int minor;
};

/* A file of a process's folder in /proc */
static FILE *open_of(int pid, const char *name)
{
	char path[sizeof("/proc/2147483647/numa_maps")];

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	else
		snprintf(path, sizeof(path), "/proc/self/%s", name);
	return fopen(path, "re");
}

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* What maps says of the mapping that begins where @entry's does; false: it is gone. */
static bool find_rest(FILE *maps, struct entry *entry)
{
	const uintptr_t start = (uintptr_t)entry->mapping.addr;
	uintptr_t first = 0, end = 0;
	char *line = NULL;
	size_t size = 0;

	while (first < start && getline(&line, &size, maps) > 0)
		if (sscanf(line, "%zx-%zx %*s %*s %x:%x", &first, &end, &entry->major,
			   &entry->minor) != 4)
			break;
	free(line);
	entry->mapping.bytes = end - first;
	return first == start;
}

/* A word of numa_maps: N0=5, kernelpagesize_kB=4, file=/name, huge, heap, stack, ... */
static void take_word(struct entry *entry, char *word)
{
	struct numapin_mapping *mapping = &entry->mapping;
	size_t value;
	int node;

	if (sscanf(word, "N%d=%zu", &node, &value) == 2 && mapping->count < MAX_NODES)
		entry->nodes[mapping->count++] = (struct numapin_node_bytes){ node, value };
	else if (sscanf(word, "kernelpagesize_kB=%zu", &value) == 1)
		mapping->page_bytes = value * 1024;
	else if (has_prefix(word, "file="))
		entry->file = word + 5;
	else if (!strcmp(word, "huge"))
		entry->hugetlb = true;
	else if (!strcmp(word, "heap") || !strcmp(word, "stack"))
		mapping->name = word;
}

/* Reads a line of numa_maps, which it cuts up; false where it is none. */
static bool parse(struct entry *entry, char *line)
{
	char *rest, *word = strtok_r(line, "\n ", &rest);
	struct numapin_mapping *mapping = &entry->mapping;
	uintptr_t addr;

	if (!word || sscanf(word, "%zx", &addr) != 1)
		return false;
	*entry = (struct entry){ .nodes = entry->nodes };
	mapping->addr = (const void *)addr;
	mapping->policy = strtok_r(NULL, "\n ", &rest);
	mapping->name = "";
	mapping->page_bytes = page_size();
	mapping->nodes = entry->nodes;
	if (!mapping->policy)
		return false;
	while ((word = strtok_r(NULL, "\n ", &rest)))
		take_word(entry, word);
	if (entry->file)
		mapping->name = entry->file;
	for (size_t i = 0; i < mapping->count; i++)
		entry->nodes[i].bytes *= mapping->page_bytes;
	return true;
}

/* Whether a process has a tmpfs mounted that is this device; -1 and errno: unknown. */
static int is_tmpfs(int pid, unsigned int major, unsigned int minor)
{
	FILE *mountinfo = open_of(pid, "mountinfo");
	unsigned int of_major, of_minor;
	char *line = NULL;
	size_t size = 0;
	int found = 0;

	if (!mountinfo) {
		/* The kernel's word for a process that has ended since */
		if (errno == EINVAL)
			errno = ESRCH;
		return -1;
	}
	while (!found && getline(&line, &size, mountinfo) > 0)
		found = sscanf(line, "%*d %*d %u:%u", &of_major, &of_minor) == 2 &&
			of_major == major && of_minor == minor && strstr(line, " - tmpfs ");
	free(line);
	fclose(mountinfo);
	return found;
}

/*
 * Whether a policy says where a mapping's pages are; -1 and errno: unknown. Those of a
 * file are in the page cache, where they came to be when somebody first read them, but
 * those of tmpfs and hugetlb, which are memory with a name. By its name alone is known
 * what is of the tmpfs that the kernel mounts for itself, for memory that is shared.
 */
static int obeys_policy(int pid, const struct entry *entry)
{
	if (!entry->file || entry->hugetlb || has_prefix(entry->file, "/memfd:") ||
	    has_prefix(entry->file, "/SYSV") || has_prefix(entry->file, "/dev/zero"))
		return 1;
	return is_tmpfs(pid, entry->major, entry->minor);
}

/* The outcome of a mapping; -1 and errno on failure. */
static int outcome_of(int pid, const struct entry *entry)
{
	int obeys;

	if (has_prefix(entry->mapping.name, DEVICE))
		return NUMAPIN_PINNED;
	if (!has_prefix(entry->mapping.policy, "bind"))
		return NUMAPIN_UNBOUND;
	obeys = obeys_policy(pid, entry);
	if (obeys < 0)
		return -1;
	return obeys ? NUMAPIN_BOUND : NUMAPIN_UNBOUND;
}

/* What is in numa_maps, with the rest from maps */
static int tell(int pid, FILE *numa_maps, FILE *maps, numapin_mapping_handler *handler, void *arg)
{
	struct entry entry = { .nodes = calloc(MAX_NODES, sizeof(*entry.nodes)) };
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!entry.nodes)
		return -1;
	while (!rc && getline(&line, &size, numa_maps) > 0) {
		if (!parse(&entry, line) || !find_rest(maps, &entry))
			continue;
		entry.mapping.outcome = outcome_of(pid, &entry);
		rc = entry.mapping.outcome < 0 ? -1 : handler(&entry.mapping, arg);
	}
	if (ferror(numa_maps) || ferror(maps))
		rc = -1;
	free(line);
	free(entry.nodes);
	return rc;
}

PUBLIC int numapin_mappings(int pid, numapin_mapping_handler *handler, void *arg)
{
	FILE *numa_maps, *maps;
	int rc = -1, error;

	if (pid < 0) {
		errno = EINVAL;
		return -1;
	}
	numa_maps = open_of(pid, "numa_maps");
	if (!numa_maps)
		return -1;
	maps = open_of(pid, "maps");
	if (maps) {
		rc = tell(pid, numa_maps, maps, handler, arg);
		fclose(maps);
	}
	error = errno;
	fclose(numa_maps);
	errno = error;
	return rc;
}
