/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes on around the fuzzer's processes: limits and cpusets that change,
 * nodes that are full, memory that comes and goes.
 */
#ifndef SELFTESTS_FUZZ_WEATHER_H
#define SELFTESTS_FUZZ_WEATHER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "device.h"
#include "oracle.h"

#define WEATHER_CGROUPS 2

/*
 * One more, with a limit that changes: there a process may be killed for memory, which
 * vm/tap does not take for a fault.
 */
#define WEATHER_NARROW WEATHER_CGROUPS

static inline const char *weather_path(char *path, int nr, const char *file)
{
	snprintf(path, ATTRIBUTE_PATH, CGROUPS "/fuzz%d/%s", nr, file);
	return path;
}

/* The memory block that the machine has to spare, if it has one: it is offline. */
static int spare_block = -1;

/* How often it went again */
static unsigned long blocks_gone;

static inline void weather_find_block(void)
{
	char path[ATTRIBUTE_PATH];

	for (int block = 0; block < 256; block++) {
		snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/online", block);
		if (!file_number(path))
			spare_block = block;
	}
}

static inline const char *weather_block_path(char *path)
{
	snprintf(path, ATTRIBUTE_PATH, "/sys/devices/system/memory/memory%d/online", spare_block);
	return path;
}

/* Puts it to use, or takes it back; whether it is so now. */
static inline bool weather_block(bool online)
{
	char path[ATTRIBUTE_PATH];

	if (file_number(weather_block_path(path)) == online)
		return true;
	/* What is in use by then stays. */
	if (!write_file(path, online ? "1" : "0"))
		return false;
	blocks_gone += !online;
	return true;
}

/*
 * The other of the two where it is all that node 1 has. It goes when all of its regions
 * have ended: @leave tells the processes to end theirs, and none comes of a budget of 0.
 */
static inline void weather_node(atomic_bool *leave)
{
	char path[ATTRIBUTE_PATH];
	const bool online = !file_number(weather_block_path(path));

	set_budget(1, online ? "max" : "0");
	*leave = !online;
	SOON(online || !counter(1, "bytes"));
	for (int tries = 0; !weather_block(online) && tries < 50; tries++)
		usleep(20000);
	*leave = false;
}

/* Makes the cgroups that the processes are moved between. */
static inline bool weather_begin(void)
{
	char path[ATTRIBUTE_PATH];

	weather_find_block();
	if (!write_file(CGROUPS "/cgroup.subtree_control", "+memory +cpuset"))
		return false;
	for (int nr = 0; nr <= WEATHER_NARROW; nr++) {
		snprintf(path, sizeof(path), CGROUPS "/fuzz%d", nr);
		/* With its counts, where a fuzzer left it that was killed */
		rmdir(path);
		if (mkdir(path, 0755) && errno != EEXIST)
			return false;
	}
	return true;
}

static inline void weather_move(pid_t pid, int nr)
{
	char path[ATTRIBUTE_PATH], text[16];

	snprintf(text, sizeof(text), "%d", pid);
	/* It may be gone. */
	write_file(weather_path(path, nr, "cgroup.procs"), text);
}

static inline void weather_set(int nr, const char *file, const char *value)
{
	char path[ATTRIBUTE_PATH];

	write_file(weather_path(path, nr, file), value);
}

/* Who was killed for what the narrow cgroup may have */
static inline long weather_oom_kills(void)
{
	char path[ATTRIBUTE_PATH];

	return named_number(weather_path(path, WEATHER_NARROW, "memory.events"), "oom_kill");
}

/* What a node has to spare, if little is to be left */
static inline long long weather_spare_bytes(int node)
{
	return node_free(node) - 24 * (long long)MIB;
}

/*
 * Takes what @node has to spare, in smaller and smaller pieces; some of it where that takes
 * long. Where others take it meanwhile, the rest comes from elsewhere: nobody is killed.
 */
static inline void weather_take(char *addr, size_t bytes, int node)
{
	const unsigned long mask = 1ul << node;
	const time_t end = time(NULL) + 20;
	long long spare = bytes;
	size_t step;

	if (mbind(addr, bytes, MPOL_PREFERRED, &mask, sizeof(mask) * 8, 0))
		return;
	for (size_t done = 0; spare > 0 && done < bytes && time(NULL) < end; done += step) {
		step = MIN(MAX(MIN(whole_pages(spare / 2), 64 * MIB), HUGE_PAGE), bytes - done);
		madvise(addr + done, step, MADV_POPULATE_WRITE);
		spare = weather_spare_bytes(node);
	}
}

/*
 * Leaves a node with little, for a moment, in which nobody is confined to it: he would be
 * killed, or who fills it.
 */
static inline void weather_fill_node(int node)
{
	const long long bytes = weather_spare_bytes(node);
	char *addr;

	if (bytes <= 0)
		return;
	for (int nr = 0; nr < WEATHER_CGROUPS; nr++)
		weather_set(nr, "cpuset.mems", "0-1");
	addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return;
	weather_take(addr, bytes, node);
	usleep(50000);
	munmap(addr, bytes);
}

/* All as it is for other tests */
static inline void weather_end(void)
{
	char path[ATTRIBUTE_PATH];

	set_budget(1, "max");
	set_number(1, "pool_bytes", 0);
	set_number(1, "pool_reclaim", 0);
	weather_block(false);
	for (int nr = 0; nr <= WEATHER_NARROW; nr++) {
		snprintf(path, sizeof(path), CGROUPS "/fuzz%d", nr);
		SOON(!rmdir(path) || errno == ENOENT);
	}
}

#endif /* SELFTESTS_FUZZ_WEATHER_H */
