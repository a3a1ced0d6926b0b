// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who has memory of node devices: by descriptor, and by mapping where that is closed.
 *
 * A descriptor's region has a number, and counts once for each process that has it. A
 * mapping has none. Where the process has a descriptor of a region as long as the
 * mapping, it is taken for that region's, once. Of what else is mapped the
 * kernel's Pss counts, which divides a page among those who have it; and where that is
 * of a striped region, in proportion to where numa_maps has its pages.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

/**
 * struct mapping - what smaps tells of a mapping of a node device
 * @start: Its address
 * @end: What follows it
 * @offset: Of the region
 * @node: The node of its device
 * @pss: Bytes of its pages, each divided by how often it is mapped
 * @nodes: Of a striped region: where its pages are; NULL: all are on @node
 * @nr_nodes: How many
 */
struct mapping {
	unsigned long start;
	unsigned long end;
	unsigned long long offset;
	int node;
	unsigned long long pss;
	struct numapin_node_bytes *nodes;
	size_t nr_nodes;
};

/**
 * struct mappings - those of a process
 * @list: By address
 * @count: How many
 */
struct mappings {
	struct mapping *list;
	size_t count;
};

/* The name of a process; what a terminal may take for more than text is "?" */
static void read_command(struct holder *holder)
{
	char path[64];
	char *c;

	snprintf(path, sizeof(path), "/proc/%d/comm", holder->pid);
	if (read_text(path, holder->command, sizeof(holder->command)))
		snprintf(holder->command, sizeof(holder->command), "?");
	for (c = holder->command; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
}

static struct holder *holder_of(struct holders *holders, int pid, int node)
{
	struct holder *holder;

	for (size_t i = holders->count; i && holders->list[i - 1].pid == pid; i--)
		if (holders->list[i - 1].node == node)
			return &holders->list[i - 1];
	holders->list = grow(holders->list, holders->count, sizeof(*holder));
	holder = &holders->list[holders->count++];
	holder->pid = pid;
	holder->node = node;
	read_command(holder);
	return holder;
}

static void add_region(struct holder *holder, const struct region *region)
{
	for (size_t i = 0; i < holder->nr_regions; i++)
		if (holder->regions[i].device == region->device &&
		    holder->regions[i].id == region->id)
			return;
	holder->regions = grow(holder->regions, holder->nr_regions, sizeof(*region));
	holder->regions[holder->nr_regions++] = *region;
	holder->bytes += region->bytes;
}

/* Adds what fdinfo tells of a region, to who has its node, or each of its nodes. */
static void read_region(struct holders *holders, int pid, const char *path)
{
	FILE *file = fopen(path, "re");
	bool has_region = false, striped = false;
	struct region region = { 0 };
	char line[256];
	int node, private;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "numapin-node: %d", &region.device) == 1 ||
		    sscanf(line, "numapin-bytes: %llu", &region.length) == 1)
			continue;
		if (sscanf(line, "numapin-region: %llu", &region.id) == 1) {
			has_region = true;
		} else if (sscanf(line, "numapin-private: %d", &private) == 1) {
			region.private = private;
		} else if (sscanf(line, "numapin-stripe: %d %*u %llu", &node, &region.bytes) == 2) {
			add_region(holder_of(holders, pid, node), &region);
			striped = true;
		}
	}
	if (file)
		fclose(file);
	if (!has_region || striped)
		return;
	region.bytes = region.length;
	add_region(holder_of(holders, pid, region.device), &region);
}

static void read_descriptors(struct holders *holders, int pid)
{
	char path[64];
	struct dirent *entry;
	struct stat file;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		/* Only a device has a region, and fdinfo of all files takes long. */
		if (fstatat(dirfd(dir), entry->d_name, &file, 0) || !S_ISCHR(file.st_mode))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid, entry->d_name);
		read_region(holders, pid, path);
	}
	if (dir)
		closedir(dir);
}

static bool maps_a_device(int pid)
{
	char path[64], line[PATH_SIZE + 256];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = node_of_device(line) >= 0;
	if (maps)
		fclose(maps);
	return found;
}

/* What of so many bytes of a mapping is on a node */
static unsigned long long share_of(const struct mapping *mapping, int node,
				   unsigned long long bytes)
{
	double all = 0, there = 0;

	if (!mapping->nr_nodes)
		return mapping->node == node ? bytes : 0;
	for (size_t i = 0; i < mapping->nr_nodes; i++) {
		all += (double)mapping->nodes[i].bytes;
		if (mapping->nodes[i].node == node)
			there += (double)mapping->nodes[i].bytes;
	}
	return (unsigned long long)((double)bytes * there / all);
}

/* Whether a mapping is all of a region of one of the descriptors, which is not taken yet. */
static bool is_of_descriptor(const struct holder *holder, bool *taken,
			     const struct mapping *mapping)
{
	for (size_t i = 0; i < holder->nr_regions; i++) {
		const struct region *region = &holder->regions[i];

		if (taken[i] || mapping->offset || region->device != mapping->node ||
		    region->length != mapping->end - mapping->start)
			continue;
		taken[i] = true;
		return true;
	}
	return false;
}

static void add_mappings(struct holder *holder, const struct mappings *mappings)
{
	bool *taken = calloc(holder->nr_regions + 1, sizeof(*taken));

	if (!taken)
		exit(failed("%s", strerror(errno)));
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->list[i];
		const unsigned long long mapped = share_of(mapping, holder->node,
							   mapping->end - mapping->start);

		holder->mapped_bytes += mapped;
		if (mapped && !is_of_descriptor(holder, taken, mapping))
			holder->bytes += share_of(mapping, holder->node, mapping->pss);
	}
	free(taken);
}

/* Whether @next goes on where @last ends, as where one mapping was split in two. */
static bool goes_on(const struct mapping *last, const struct mapping *next)
{
	return last->end == next->start && last->node == next->node &&
	       last->offset + (last->end - last->start) == next->offset;
}

/* What smaps has of node devices */
static void read_mappings(int pid, struct mappings *mappings)
{
	char path[64], line[PATH_SIZE + 256];
	struct mapping mapping = { 0 }, *last = NULL;
	unsigned long long kib;
	bool ours = false;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx %*s %llx", &mapping.start, &mapping.end,
			   &mapping.offset) == 3) {
			mapping.node = node_of_device(line);
			ours = mapping.node >= 0;
			if (ours && last && goes_on(last, &mapping)) {
				last->end = mapping.end;
			} else if (ours) {
				mappings->list = grow(mappings->list, mappings->count,
						      sizeof(mapping));
				last = &mappings->list[mappings->count++];
				*last = mapping;
			}
		} else if (ours && sscanf(line, "Pss: %llu", &kib) == 1) {
			last->pss += kib << 10;
		}
	}
	if (smaps)
		fclose(smaps);
}

/* Adds to a mapping where numa_maps has pages of it, if no policy says where they are. */
static int add_nodes(const struct numapin_mapping *told, void *arg)
{
	const unsigned long start = (unsigned long)told->addr;
	struct mappings *mappings = arg;

	if (told->outcome != NUMAPIN_PINNED || strchr(told->policy, ':'))
		return 0;
	for (size_t i = 0; i < mappings->count; i++) {
		struct mapping *mapping = &mappings->list[i];

		if (start < mapping->start || start >= mapping->end)
			continue;
		for (size_t n = 0; n < told->count; n++) {
			mapping->nodes = grow(mapping->nodes, mapping->nr_nodes,
					      sizeof(*mapping->nodes));
			mapping->nodes[mapping->nr_nodes++] = told->nodes[n];
		}
	}
	return 0;
}

static void read_process(struct holders *holders, int pid)
{
	const size_t before = holders->count;
	struct mappings mappings = { 0 };

	read_descriptors(holders, pid);
	if (!maps_a_device(pid))
		return;
	read_mappings(pid, &mappings);
	numapin_mappings(pid, add_nodes, &mappings);
	for (size_t i = 0; i < mappings.count; i++) {
		const struct mapping *mapping = &mappings.list[i];

		if (!mapping->nr_nodes)
			holder_of(holders, pid, mapping->node);
		for (size_t n = 0; n < mapping->nr_nodes; n++)
			holder_of(holders, pid, mapping->nodes[n].node);
	}
	for (size_t i = before; i < holders->count; i++)
		add_mappings(&holders->list[i], &mappings);
	for (size_t i = 0; i < mappings.count; i++)
		free(mappings.list[i].nodes);
	free(mappings.list);
}

int read_holders(struct holders *holders)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	holders->list = NULL;
	holders->count = 0;
	if (!proc)
		return -1;
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name))
			read_process(holders, (int)strtol(entry->d_name, NULL, 10));
	closedir(proc);
	return 0;
}

void free_holders(struct holders *holders)
{
	for (size_t i = 0; i < holders->count; i++)
		free(holders->list[i].regions);
	free(holders->list);
}

/* Whether a holder before this one has the region too */
static bool was_counted(const struct holders *holders, size_t index, const struct region *region)
{
	const int node = holders->list[index].node;

	for (size_t i = 0; i < index; i++) {
		const struct holder *other = &holders->list[i];

		for (size_t r = 0; other->node == node && r < other->nr_regions; r++)
			if (other->regions[r].device == region->device &&
			    other->regions[r].id == region->id)
				return true;
	}
	return false;
}

/* What they hold of a node together, each region once */
unsigned long long held_bytes(const struct holders *holders, int node)
{
	unsigned long long bytes = 0;

	for (size_t i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->list[i];

		if (holder->node != node)
			continue;
		bytes += holder->bytes;
		for (size_t r = 0; r < holder->nr_regions; r++)
			if (was_counted(holders, i, &holder->regions[r]))
				bytes -= holder->regions[r].bytes;
	}
	return bytes;
}
