// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files of node devices: opened by path, or had of a descriptor that the program gave,
 * and then never by path.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/numapin.h>

#include "internal.h"

#define DEVICES "/dev/numapin"

/* The first descriptor that is none of the standard ones */
#define FIRST_FREE 3

/*
 * Of the devices that the program gave, by node: a descriptor of the library's own; 0:
 * none. It is set once and kept, so that who reads it may use it. The program may have
 * closed it all the same, and what has its number then is asked whose it is.
 */
static int given[MAX_NODES];

static int given_device(int node)
{
	return node < MAX_NODES ? __atomic_load_n(&given[node], __ATOMIC_RELAXED) : 0;
}

/* A new file of the device that another is of; or -1 and errno: ENODEV where there is none */
static int reopen(int fd)
{
	/* Somebody else's device may take the ioctl for one of its own, and not reply. */
	struct numapin_reopen arg = { .size = sizeof(arg), .out_fd = -1 };
	const int rc = ioctl(fd, NUMAPIN_IOCTL_REOPEN, &arg);

	if (!rc && arg.out_fd >= 0)
		return arg.out_fd;
	if (!rc || errno == EBADF || errno == ENOTTY || errno == EINVAL || errno == E2BIG ||
	    errno == ENXIO)
		errno = ENODEV;
	return -1;
}

int device_open(int node)
{
	char path[sizeof(DEVICES "/node2147483647")];
	const int fd = given_device(node);

	if (fd)
		return reopen(fd);
	snprintf(path, sizeof(path), DEVICES "/node%d", node);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Any that was given, or -1 */
static int open_given(void)
{
	int fd = -1;

	for (int node = 0; fd < 0 && node < MAX_NODES; node++)
		if (given_device(node))
			fd = reopen(given_device(node));
	return fd;
}

/* Any that there is a path to and that may be opened, or -1 */
static int open_listed(void)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0) {
		entry = readdir(dir);
		if (!entry)
			break;
		if (entry->d_name[0] != '.')
			fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

int device_open_any(void)
{
	const int fd = open_given();

	return fd >= 0 ? fd : open_listed();
}

/*
 * What is kept of a device that is given: not that file, which may have a region, to be
 * freed when the program closes it; and no standard descriptor, which programs replace.
 */
static int keep(int fd)
{
	const int file = reopen(fd);
	int kept, error;

	if (file < 0)
		return -1;
	kept = fcntl(file, F_DUPFD_CLOEXEC, FIRST_FREE);
	error = errno;
	close(file);
	errno = error;
	return kept;
}

PUBLIC int numapin_use_device(int fd)
{
	struct numapin_info info = { .size = sizeof(info), .out_node = -1 };
	const int mode = fcntl(fd, F_GETFL);
	int kept, none = 0;

	if (mode < 0)
		return -1;
	if ((mode & O_ACCMODE) != O_RDWR) {
		errno = EBADF;
		return -1;
	}
	if (ioctl(fd, NUMAPIN_IOCTL_INFO, &info) || info.out_node < 0 ||
	    info.out_node >= MAX_NODES) {
		errno = ENODEV;
		return -1;
	}
	kept = keep(fd);
	if (kept < 0)
		return -1;
	if (!__atomic_compare_exchange_n(&given[info.out_node], &none, kept, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		close(kept);
	return info.out_node;
}
