/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls denied to this process, as a container's seccomp profile does.
 */
#ifndef SELFTESTS_SECCOMP_H
#define SELFTESTS_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Those that a default container may not make: they are about placement */
static const int policy_calls[] = {
	SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy, SYS_move_pages, SYS_migrate_pages,
};

#define NR_POLICY_CALLS (sizeof(policy_calls) / sizeof(policy_calls[0]))

/* Makes a few system calls, and all others, end so from now on. */
static inline bool filter_calls(const int *calls, int n, unsigned int listed, unsigned int others)
{
	struct sock_filter filter[32] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { .filter = filter, .len = n + 3 };

	for (int i = 0; i < n; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
							     n - i, 0);
	filter[n + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	filter[n + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Makes a few system calls EPERM from now on. */
static inline bool deny(const int *calls, int n)
{
	return filter_calls(calls, n, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

/* Makes all but a few the process's end. */
static inline bool allow_only(const int *calls, int n)
{
	return filter_calls(calls, n, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

#endif /* SELFTESTS_SECCOMP_H */
