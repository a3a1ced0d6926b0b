/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ways of this process to lose its right to open a device, or its way to it, for good.
 */
#ifndef SELFTESTS_SANDBOX_H
#define SELFTESTS_SANDBOX_H

#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child.h"
#include "oracle.h"
#include "seccomp.h"

/* Has an empty folder as its root, which nobody else finds. */
static inline bool enter_empty_root(void)
{
	char folder[] = "/tmp/numapin-XXXXXX";

	return mkdtemp(folder) && !chdir(folder) && !rmdir(folder) && !chroot(".");
}

/* May open nothing. */
static inline bool deny_opening(void)
{
	static const int calls[] = {
#ifdef SYS_open
		SYS_open,
#endif
		SYS_openat, SYS_openat2,
	};

	return deny(calls, sizeof(calls) / sizeof(calls[0]));
}

/* Is a user's who may not open devices, as they are made. */
static inline bool become_stranger(void)
{
	return become_nobody(256 * MIB);
}

#define LANDLOCK_OPEN (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* Of ioctls of devices, since Landlock's version 5 */
#define LANDLOCK_IOCTL (1ull << 15)

/* The version of Landlock that the kernel has; 0: none */
static inline int landlock_version(void)
{
	const int version = syscall(SYS_landlock_create_ruleset, NULL, 0,
				    LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : version;
}

/* May, as far as Landlock can tell it, do with files no more than @rights say of one. */
static inline bool enter_landlock(const char *path, uint64_t rights)
{
	const uint64_t ioctls = landlock_version() < 5 ? 0 : LANDLOCK_IOCTL;
	const struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_OPEN | ioctls };
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights & attr.handled_access_fs,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	const int ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok = ruleset >= 0 && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (rule.allowed_access)
		ok = ok && !syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
				    &rule, 0);
	ok = ok && !syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(rule.parent_fd);
	close(ruleset);
	return ok;
}

#endif /* SELFTESTS_SANDBOX_H */
