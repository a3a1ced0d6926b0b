// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which memory of a process is where, as the kernel tells it: numa_maps has each
 * mapping's nodes, and maps where it ends.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define DEVICE "/dev/numapin/node"

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

/* The end of the mapping that begins at @start; 0 where there is none any more. */
static uintptr_t find_end(FILE *maps, uintptr_t start)
{
	char *line = NULL;
	size_t size = 0;
	uintptr_t first = 0, end = 0;

	while (first < start && getline(&line, &size, maps) > 0)
		if (sscanf(line, "%zx-%zx", &first, &end) != 2)
			break;
	free(line);
	return first == start ? end : 0;
}

/* A word of numa_maps: N0=5, kernelpagesize_kB=4, file=/name, heap, stack, ... */
static void take_word(struct numapin_mapping *mapping, struct numapin_node_bytes *nodes,
		      char *word)
{
	size_t value;
	int node;

	if (sscanf(word, "N%d=%zu", &node, &value) == 2 && mapping->count < MAX_NODES)
		nodes[mapping->count++] = (struct numapin_node_bytes){ node, value };
	else if (sscanf(word, "kernelpagesize_kB=%zu", &value) == 1)
		mapping->page_bytes = value * 1024;
	else if (!strncmp(word, "file=", 5))
		mapping->name = word + 5;
	else if (!strcmp(word, "heap") || !strcmp(word, "stack"))
		mapping->name = word;
}

/* Reads a line of numa_maps, which it cuts up; false where it is none. */
static bool parse(struct numapin_mapping *mapping, struct numapin_node_bytes *nodes, char *line)
{
	char *rest, *word = strtok_r(line, "\n ", &rest);
	uintptr_t addr;

	if (!word || sscanf(word, "%zx", &addr) != 1)
		return false;
	memset(mapping, 0, sizeof(*mapping));
	mapping->addr = (const void *)addr;
	mapping->policy = strtok_r(NULL, "\n ", &rest);
	mapping->name = "";
	mapping->page_bytes = page_size();
	mapping->nodes = nodes;
	if (!mapping->policy)
		return false;
	while ((word = strtok_r(NULL, "\n ", &rest)))
		take_word(mapping, nodes, word);
	for (size_t i = 0; i < mapping->count; i++)
		nodes[i].bytes *= mapping->page_bytes;
	if (!strncmp(mapping->name, DEVICE, strlen(DEVICE)))
		mapping->outcome = NUMAPIN_PINNED;
	else if (!strncmp(mapping->policy, "bind", 4))
		mapping->outcome = NUMAPIN_BOUND;
	else
		mapping->outcome = NUMAPIN_UNBOUND;
	return true;
}

/* What is in numa_maps, with its ends from maps */
static int tell(FILE *numa_maps, FILE *maps, numapin_mapping_handler *handler, void *arg)
{
	struct numapin_node_bytes *nodes = calloc(MAX_NODES, sizeof(*nodes));
	struct numapin_mapping mapping;
	char *line = NULL;
	size_t size = 0;
	uintptr_t end;
	int rc = 0;

	if (!nodes)
		return -1;
	while (!rc && getline(&line, &size, numa_maps) > 0) {
		if (!parse(&mapping, nodes, line))
			continue;
		end = find_end(maps, (uintptr_t)mapping.addr);
		if (!end)
			continue;
		mapping.bytes = end - (uintptr_t)mapping.addr;
		rc = handler(&mapping, arg);
	}
	if (ferror(numa_maps) || ferror(maps))
		rc = -1;
	free(line);
	free(nodes);
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
		rc = tell(numa_maps, maps, handler, arg);
		fclose(maps);
	}
	error = errno;
	fclose(numa_maps);
	errno = error;
	return rc;
}
