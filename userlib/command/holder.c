// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who has memory of node devices: by descriptor, and by mapping where that is closed.
 *
 * A descriptor's region has a number, and counts once for each process that has it. A
 * mapping has none. Where the process has a descriptor of a region as long as the
 * mapping, it is taken for that region's, once. Of what else is mapped the
 * kernel's Pss counts, which divides a page among those who have it.
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
 * @node: Its node
 * @pss: Bytes of its pages, each divided by how often it is mapped
 */
struct mapping {
	unsigned long start;
	unsigned long end;
	unsigned long long offset;
	int node;
	unsigned long long pss;
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
		if (holder->regions[i].id == region->id)
			return;
	holder->regions = grow(holder->regions, holder->nr_regions, sizeof(*region));
	holder->regions[holder->nr_regions++] = *region;
	holder->bytes += region->bytes;
}

/* What fdinfo tells of a region: its node; -1: there is none. */
static int read_region(const char *path, struct region *region)
{
	FILE *file = fopen(path, "re");
	bool has_region = false;
	char line[256];
	int node = -1, private;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "numapin-node: %d", &node) == 1 ||
		    sscanf(line, "numapin-bytes: %llu", &region->bytes) == 1)
			continue;
		if (sscanf(line, "numapin-region: %llu", &region->id) == 1)
			has_region = true;
		else if (sscanf(line, "numapin-private: %d", &private) == 1)
			region->private = private;
	}
	if (file)
		fclose(file);
	return has_region ? node : -1;
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
		struct region region = { 0 };
		int node;

		/* Only a device has a region, and fdinfo of all files takes long. */
		if (fstatat(dirfd(dir), entry->d_name, &file, 0) || !S_ISCHR(file.st_mode))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid, entry->d_name);
		node = read_region(path, &region);
		if (node >= 0)
			add_region(holder_of(holders, pid, node), &region);
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

/* Whether a mapping is all of a region of one of the descriptors, which is not taken yet. */
static bool is_of_descriptor(const struct holder *holder, bool *taken,
			     const struct mapping *mapping)
{
	for (size_t i = 0; i < holder->nr_regions; i++) {
		if (taken[i] || mapping->offset ||
		    holder->regions[i].bytes != mapping->end - mapping->start)
			continue;
		taken[i] = true;
		return true;
	}
	return false;
}

static void add_mappings(struct holder *holder, const struct mapping *mappings, size_t count)
{
	bool *taken = calloc(holder->nr_regions + 1, sizeof(*taken));

	if (!taken)
		exit(failed("%s", strerror(errno)));
	for (size_t i = 0; i < count; i++) {
		if (mappings[i].node != holder->node)
			continue;
		holder->mapped_bytes += mappings[i].end - mappings[i].start;
		if (!is_of_descriptor(holder, taken, &mappings[i]))
			holder->bytes += mappings[i].pss;
	}
	free(taken);
}

/* Whether @next goes on where @last ends, as where one mapping was split in two. */
static bool goes_on(const struct mapping *last, const struct mapping *next)
{
	return last->end == next->start && last->node == next->node &&
	       last->offset + (last->end - last->start) == next->offset;
}

static size_t read_mappings(int pid, struct mapping **mappings)
{
	char path[64], line[PATH_SIZE + 256];
	struct mapping mapping;
	unsigned long long kib;
	size_t count = 0;
	bool ours = false;
	FILE *smaps;

	*mappings = NULL;
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx %*s %llx", &mapping.start, &mapping.end,
			   &mapping.offset) == 3) {
			mapping.node = node_of_device(line);
			mapping.pss = 0;
			ours = mapping.node >= 0;
			if (ours && count && goes_on(&(*mappings)[count - 1], &mapping)) {
				(*mappings)[count - 1].end = mapping.end;
			} else if (ours) {
				*mappings = grow(*mappings, count, sizeof(mapping));
				(*mappings)[count++] = mapping;
			}
		} else if (ours && sscanf(line, "Pss: %llu", &kib) == 1) {
			(*mappings)[count - 1].pss += kib << 10;
		}
	}
	if (smaps)
		fclose(smaps);
	return count;
}

static void read_process(struct holders *holders, int pid)
{
	const size_t before = holders->count;
	struct mapping *mappings;
	size_t count;

	read_descriptors(holders, pid);
	if (!maps_a_device(pid))
		return;
	count = read_mappings(pid, &mappings);
	for (size_t i = 0; i < count; i++)
		holder_of(holders, pid, mappings[i].node);
	for (size_t i = before; i < holders->count; i++)
		add_mappings(&holders->list[i], mappings, count);
	free(mappings);
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
static bool was_counted(const struct holders *holders, size_t index, unsigned long long id)
{
	const int node = holders->list[index].node;

	for (size_t i = 0; i < index; i++) {
		const struct holder *other = &holders->list[i];

		for (size_t r = 0; other->node == node && r < other->nr_regions; r++)
			if (other->regions[r].id == id)
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
			if (was_counted(holders, i, holder->regions[r].id))
				bytes -= holder->regions[r].bytes;
	}
	return bytes;
}
