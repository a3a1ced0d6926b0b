/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cgroup (v2) for tests to be in.
 */
#ifndef SELFTESTS_CGROUP_H
#define SELFTESTS_CGROUP_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oracle.h"

#define CGROUPS	"/sys/fs/cgroup"
#define CGROUP	CGROUPS "/numapin-selftest"

/* Moves this process into a new cgroup of @controller with @file set to @value. */
static inline bool cgroup_enter(const char *controller, const char *file, const char *value)
{
	char path[128], enable[32];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	snprintf(enable, sizeof(enable), "+%s", controller);
	return write_file(CGROUPS "/cgroup.subtree_control", enable) &&
	       (!mkdir(CGROUP, 0755) || errno == EEXIST) && write_file(path, value) &&
	       write_file(CGROUP "/cgroup.procs", "0");
}

/* Moves this process out again. */
static inline bool cgroup_leave(void)
{
	return write_file(CGROUPS "/cgroup.procs", "0") && !rmdir(CGROUP);
}

/* A number in a file of the cgroup; -1: none. */
static inline long cgroup_number(const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_number(path);
}

#endif /* SELFTESTS_CGROUP_H */
