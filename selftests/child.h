/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Children, and processes with less than root's rights.
 */
#ifndef SELFTESTS_CHILD_H
#define SELFTESTS_CHILD_H

#include <grp.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* The child's own checks: it ends with their line's number where they fail. */
#define CHILD_EXPECT(condition) do {			\
	if (!(condition))				\
		_exit(__LINE__ & 0xff ?: 1);		\
} while (0)

/* Runs @what in a child and gives its verdict. */
#define IN_CHILD(what) ({						\
	int _status;							\
	pid_t _pid = fork();						\
									\
	if (!_pid)							\
		_exit(!(what));						\
	waitpid(_pid, &_status, 0);					\
	WIFEXITED(_status) && !WEXITSTATUS(_status);			\
})

static inline bool set_memlock(rlim_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return false;
	limit.rlim_cur = bytes;
	if (limit.rlim_max < bytes)
		limit.rlim_max = bytes;
	return !setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Makes this process a user's, without a capability; root may be had back. */
static inline bool become_nobody(rlim_t memlock)
{
	return set_memlock(memlock) && !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, 0) &&
	       !setresuid(NOBODY, NOBODY, 0);
}

static inline bool become_root(void)
{
	return !setresuid(0, 0, 0) && !setresgid(0, 0, 0);
}

#endif /* SELFTESTS_CHILD_H */
