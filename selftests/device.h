/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of the device share: node devices opened and asked, and their
 * counters.
 */
#ifndef SELFTESTS_DEVICE_H
#define SELFTESTS_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/numapin.h>

#include "oracle.h"

/* The module's parameter: how many CPUs may help */
#define MAX_HELPERS "/sys/module/numapin/parameters/max_helpers"

static inline int open_node(int node, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/numapin/node%d", node);
	return open(path, flags | O_CLOEXEC);
}

/* An ioctl's errno, 0 where it succeeded. */
static inline int ioctl_errno(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? errno : 0;
}

/* ALLOC's errno, 0 where it succeeded; @reply may be NULL. */
static inline int alloc_region(int fd, uint64_t length, uint32_t flags,
			       struct numapin_alloc *reply)
{
	struct numapin_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.length = length,
	};
	int error = ioctl_errno(fd, NUMAPIN_IOCTL_ALLOC, &alloc);

	if (reply)
		*reply = alloc;
	return error;
}

/* REOPEN: a new file of a file's device; -1 and errno where there is none to be had. */
static inline int reopen(int fd)
{
	struct numapin_reopen arg = { .size = sizeof(arg), .out_fd = -1 };

	return ioctl(fd, NUMAPIN_IOCTL_REOPEN, &arg) ? -1 : arg.out_fd;
}

/* A copy of an ioctl's argument to which no reply can be written; its page is to be unmapped. */
static inline void *without_reply(const void *arg, size_t size)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	memcpy(page, arg, size);
	return mprotect(page, PAGE, PROT_READ) ? NULL : page;
}

/* The least descriptor that is not open */
static inline int next_descriptor(void)
{
	const int fd = dup(2);

	close(fd);
	return fd;
}

/* How many descriptors are open */
static inline int nr_descriptors(void)
{
	int nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static inline void *map_shared(int fd, size_t length, int flags)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
}

/* Room for the path of a file of a node in sysfs */
#define ATTRIBUTE_PATH 128

static inline const char *attribute(char *path, int node, const char *name)
{
	snprintf(path, ATTRIBUTE_PATH, "/sys/class/numapin/node%d/%s", node, name);
	return path;
}

/* A counter of a node in sysfs; -1: none. */
static inline long counter(int node, const char *name)
{
	char path[ATTRIBUTE_PATH];

	return file_number(attribute(path, node, name));
}

/* Writes a node's budget; false and errno where it is refused. */
static inline bool set_budget(int node, const char *value)
{
	char path[ATTRIBUTE_PATH];

	return write_file(attribute(path, node, "max_bytes"), value);
}

/* Sets a node's attribute to a number: 0, or an errno. */
static inline int set_number(int node, const char *name, size_t value)
{
	char path[ATTRIBUTE_PATH], text[32];

	snprintf(text, sizeof(text), "%zu", value);
	return write_errno(attribute(path, node, name), text);
}

/* Bytes of a node's pool, in it or in regions */
static inline long pool_total(int node)
{
	return counter(node, "pool_filled_bytes") + counter(node, "pool_dirty_bytes") +
	       counter(node, "pool_used_bytes");
}

/* Whether a node has no region; or no device, to have one of */
static inline int is_unused(int node)
{
	char path[ATTRIBUTE_PATH];

	if (access(attribute(path, node, ""), F_OK))
		return 1;
	return !counter(node, "regions") && !counter(node, "bytes");
}

/*
 * For the end of tests: no region is left. A file's last reference may go a
 * moment after the system call that dropped it, in another task's exit.
 */
static inline int nothing_left(void)
{
	for (int tries = 0; tries < 100; tries++) {
		if (is_unused(0) && is_unused(1))
			return 1;
		usleep(20000);
	}
	return 0;
}

#endif /* SELFTESTS_DEVICE_H */
