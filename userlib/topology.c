// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The system's nodes, for who has to choose one.
 */
#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define NODES "/sys/devices/system/node"

/* A list of numbers as the kernel writes it, like 0-3,8: calls @take for each. */
static void parse(FILE *file, void (*take)(int number, void *arg), void *arg)
{
	int first, last;
	char then;

	while (fscanf(file, "%d", &first) == 1) {
		last = first;
		then = (char)fgetc(file);
		if (then == '-' && fscanf(file, "%d", &last) == 1)
			then = (char)fgetc(file);
		while (first <= last)
			take(first++, arg);
		if (then != ',')
			break;
	}
}

static void take_node(int node, void *arg)
{
	if (node >= 0 && node < MAX_NODES)
		mask_set(arg, node);
}

/* Opens a file of the kernel's: without it, it does not tell of nodes. */
static FILE *open_file(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file && errno == ENOENT)
		errno = ENOSYS;
	return file;
}

/* The nodes that the process's cpuset has */
static bool read_allowed(struct node_mask *mask)
{
	static const char key[] = "Mems_allowed_list:";
	FILE *file = open_file("/proc/self/status");
	char word[sizeof(key)];

	if (!file)
		return false;
	while (fscanf(file, "%18s", word) == 1)
		if (!strcmp(word, key)) {
			parse(file, take_node, mask);
			break;
		}
	fclose(file);
	return true;
}

/* Those of them that have memory */
static bool read_nodes(struct node_mask *mask)
{
	struct node_mask allowed = { 0 };
	FILE *file = open_file(NODES "/has_memory");

	if (!file)
		return false;
	parse(file, take_node, mask);
	fclose(file);
	if (!read_allowed(&allowed))
		return false;
	for (size_t i = 0; i < MAX_NODES / BITS_PER_LONG; i++)
		mask->bits[i] &= allowed.bits[i];
	return true;
}

PUBLIC int numapin_nodes(int *nodes, size_t count)
{
	struct node_mask mask = { 0 };
	int nr = 0;

	if (!read_nodes(&mask))
		return -1;
	for (int node = 0; node < MAX_NODES; node++) {
		if (!mask_has(&mask, node))
			continue;
		if ((size_t)nr < count)
			nodes[nr] = node;
		nr++;
	}
	return nr;
}

/* CPUs on their way to an array */
struct cpus {
	int *cpus;
	size_t count;
	int nr;
};

static void take_cpu(int cpu, void *arg)
{
	struct cpus *cpus = arg;

	if ((size_t)cpus->nr < cpus->count)
		cpus->cpus[cpus->nr] = cpu;
	cpus->nr++;
}

PUBLIC int numapin_node_cpus(int node, int *cpus, size_t count)
{
	char path[sizeof(NODES "/node2147483647/cpulist")];
	struct cpus found = { cpus, count, 0 };
	FILE *file;

	if (node < 0) {
		errno = EINVAL;
		return -1;
	}
	snprintf(path, sizeof(path), NODES "/node%d/cpulist", node);
	file = open_file(path);
	if (!file) {
		if (errno == ENOSYS && !access(NODES, F_OK))
			errno = ENODEV;
		return -1;
	}
	parse(file, take_cpu, &found);
	fclose(file);
	return found.nr;
}

PUBLIC int numapin_describe_node(int node, struct numapin_node *description)
{
	const int cpus = numapin_node_cpus(node, NULL, 0);
	long long bytes, free_bytes = 0;

	if (cpus < 0)
		return -1;
	errno = 0;
	bytes = numa_node_size64(node, &free_bytes);
	if (bytes < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return -1;
	/* One that has no memory, libnuma has no size of. */
	description->bytes = bytes < 0 ? 0 : (size_t)bytes;
	description->free_bytes = bytes < 0 ? 0 : (size_t)free_bytes;
	description->cpus = cpus;
	return 0;
}

PUBLIC int numapin_distance(int from, int to)
{
	int distance;

	if (numapin_node_cpus(from, NULL, 0) < 0 || numapin_node_cpus(to, NULL, 0) < 0)
		return -1;
	distance = numa_distance(from, to);
	if (distance > 0)
		return distance;
	errno = ENOSYS;
	return -1;
}

PUBLIC int numapin_current_node(void)
{
	unsigned int node;

	return getcpu(NULL, &node) ? -1 : (int)node;
}

PUBLIC int numapin_nearest_node(int from, size_t size)
{
	int nearest = -1, least = 0, distance;
	struct node_mask mask = { 0 };
	struct numapin_node node;

	if (numapin_node_cpus(from, NULL, 0) < 0 || !read_nodes(&mask))
		return -1;
	for (int nid = 0; nid < MAX_NODES; nid++) {
		if (!mask_has(&mask, nid))
			continue;
		distance = numapin_distance(from, nid);
		if (distance < 0 || numapin_describe_node(nid, &node))
			return -1;
		if (node.free_bytes < size || (nearest >= 0 && distance >= least))
			continue;
		nearest = nid;
		least = distance;
	}
	if (nearest < 0)
		errno = ENOMEM;
	return nearest;
}
