// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is asked for, and memory for both who need it: see preload.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

/* NUMAPIN_PRELOAD_NODE; -1: none */
int preload_node = -1;

/*
 * A region of whole pages, of 4 KiB in turn where it is of several nodes. NULL and
 * errno where it cannot be had, and then a warning that says what there is @instead.
 */
void *pinned_memory(size_t size, const struct numapin_part *parts, size_t count,
		    const char *instead)
{
	const size_t bytes = whole_pages(size);
	struct numapin_receipt receipt;
	char message[512];
	void *addr;
	int error;

	addr = count == 1 ? numapin_alloc(parts->node, bytes, NUMAPIN_REGION, &receipt) :
			    numapin_alloc_striped(parts, count, bytes,
						  NUMAPIN_REGION | NUMAPIN_NO_HUGE, &receipt);
	/* What makes no sense is libnuma's to answer. */
	if (addr || errno == EINVAL)
		return addr;
	error = errno;
	snprintf(message, sizeof(message), "%s: %s", numapin_error(), instead);
	numapin_warn(receipt.reason, message);
	errno = error;
	return NULL;
}

/* The mapping that holds an address; false: none does, or the kernel does not say. */
bool find_mapping(const char *addr, struct mapping *mapping)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		mapping->path[0] = '\0';
		found = sscanf(line, "%p-%p %*s %*s %*s %*s %63s", (void **)&mapping->start,
			       (void **)&mapping->end, mapping->path) >= 2 &&
			mapping->start <= addr && addr < mapping->end;
	}
	if (maps)
		fclose(maps);
	return found;
}

static void read_node(const char *text)
{
	char *end;
	long node;

	errno = 0;
	node = strtol(text, &end, 10);
	if (errno || end == text || *end || node < 0 || node > INT_MAX)
		numapin_warn(NUMAPIN_REASON_NONE, "NUMAPIN_PRELOAD_NODE is not the number of a node");
	else
		preload_node = (int)node;
}

/*
 * Linked to run before all other constructors (-z initfirst), so that what they
 * allocate is on the node as well; and that at a fork() libnumapin's locks, whose
 * handlers are registered now, are taken after those of a malloc() which calls it.
 * libc's constructor, which says where the environment is, comes later.
 */
__attribute__((constructor)) static void preload_init(int argc, char **argv, char **envp)
{
	const char *node, *heap;

	(void)argc;
	(void)argv;
	if (!environ)
		environ = envp;
	node = getenv("NUMAPIN_PRELOAD_NODE");
	heap = getenv("NUMAPIN_PRELOAD_HEAP");
	if (node && *node)
		read_node(node);
	if (heap && strcmp(heap, "") && strcmp(heap, "0"))
		heap_init();
}
