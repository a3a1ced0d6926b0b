/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that tests start, and tell when to go on.
 */
#ifndef SELFTESTS_WORKER_H
#define SELFTESTS_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/**
 * struct worker - a process
 * @pid: Its id
 * @link: A socket to it; in itself, to its parent
 */
struct worker {
	pid_t pid;
	int link;
};

/* Forks; the child gets a worker whose @pid is 0, and dies with its parent. */
static inline bool worker_fork(struct worker *worker)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return false;
	worker->pid = fork();
	worker->link = ends[!worker->pid];
	close(ends[!!worker->pid]);
	return worker->pid || !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A word to the other side that it is its turn; false where it is gone. */
static inline bool hand_over(const struct worker *worker)
{
	return send(worker->link, "", 1, MSG_NOSIGNAL) == 1;
}

/* Waits for what the other side writes; false where it is gone. */
static inline bool hear(const struct worker *worker, void *buffer, size_t size)
{
	return recv(worker->link, buffer, size, MSG_WAITALL) == (ssize_t)size;
}

/* Waits for the other side's hand_over(). */
static inline bool take_over(const struct worker *worker)
{
	char byte;

	return hear(worker, &byte, 1);
}

static inline bool worker_lives(const struct worker *worker)
{
	return !waitpid(worker->pid, NULL, WNOHANG);
}

/* Its exit status; -1 where a signal ended it. */
static inline int worker_wait(const struct worker *worker)
{
	int status;

	close(worker->link);
	if (waitpid(worker->pid, &status, 0) != worker->pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#endif /* SELFTESTS_WORKER_H */
