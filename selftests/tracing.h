/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own trace of what it does, as oracle.
 */
#ifndef TRACING_H
#define TRACING_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "oracle.h"

#define TRACING "/sys/kernel/tracing"
/* The kernel's own word of who is asked to help */
#define ASKED "workqueue/workqueue_queue_work"

/* Mounts the trace, if need be, and empties it. */
static inline bool trace_begin(void)
{
	if (access(TRACING "/trace", F_OK) && mount("tracefs", TRACING, "tracefs", 0, NULL))
		return false;
	/* To open it so is to empty it. */
	return !close(open(TRACING "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC));
}

/* Has an event ("kmem/mm_page_free") traced, or not any more. */
static inline bool trace_event(const char *event, bool on)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "/events/%s/enable", event);
	return write_file(path, on ? "1" : "0");
}

#endif /* TRACING_H */
