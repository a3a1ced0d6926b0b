/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module, loaded and unloaded by tests.
 */
#ifndef SELFTESTS_MODULE_H
#define SELFTESTS_MODULE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Its file; NULL where tests are not to load it. */
static inline const char *module_path(void)
{
	return getenv("NUMAPIN_MODULE");
}

#define NO_MODULE_PATH "unloads the module: only with NUMAPIN_MODULE=numapin.ko"

/* An errno, or 0 */
static inline int unload_module(void)
{
	return syscall(SYS_delete_module, "numapin", O_NONBLOCK) ? errno : 0;
}

/* An errno, or 0 */
static inline int load_module(const char *parameters)
{
	int fd = open(module_path(), O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
	close(fd);
	return error;
}

#endif /* SELFTESTS_MODULE_H */
