// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Failures and warnings in words.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define WORDS_MAX 256

static _Thread_local char last_error[WORDS_MAX];

static pthread_mutex_t handler_lock = PTHREAD_MUTEX_INITIALIZER;
static numapin_warning_handler *handler;	/* under handler_lock */
static void *handler_arg;			/* under handler_lock */

/* A bit for each reason that was warned of. */
static atomic_uint warned;

static void lock_handler(void)
{
	pthread_mutex_lock(&handler_lock);
}

static void unlock_handler(void)
{
	pthread_mutex_unlock(&handler_lock);
}

/* A child of fork() must not inherit a lock that another thread held. */
__attribute__((constructor)) static void report_init(void)
{
	at_fork(lock_handler, unlock_handler);
}

/* Says a reason: a clause that begins with the node. */
static void describe(char *words, const struct allocation *alloc, enum numapin_reason reason,
		     int error)
{
	const int node = alloc->node;
	const size_t asked = alloc->bytes, available = alloc->available;

#define SAY(...) snprintf(words, WORDS_MAX, __VA_ARGS__)
	switch (reason) {
	case NUMAPIN_REASON_NONE:
		SAY("node %d: %s", node, strerror(error));
		break;
	case NUMAPIN_REASON_NO_MODULE:
		SAY("node %d has no numapin device", node);
		break;
	case NUMAPIN_REASON_NO_PERMISSION:
		SAY("node %d has a numapin device that this process may not open", node);
		break;
	case NUMAPIN_REASON_WRONG_DEVICE:
		SAY("node %d has a numapin device that is another node's", node);
		break;
	case NUMAPIN_REASON_NO_NODE:
		SAY("node %d does not exist or has no memory", node);
		break;
	case NUMAPIN_REASON_NO_NUMA:
		SAY("node %d: this system, or this build of numapin, does not place memory",
		    node);
		break;
	case NUMAPIN_REASON_MBIND_DENIED:
		SAY("node %d: mbind is not permitted to this process", node);
		break;
	case NUMAPIN_REASON_NO_HUGE_PROMISE:
		SAY("node %d: only the module can promise 2 MiB pages", node);
		break;
	case NUMAPIN_REASON_NO_RESERVE:
		SAY("node %d: only the module can set memory aside for copies", node);
		break;
	case NUMAPIN_REASON_FORCED:
		SAY("node %d: NUMAPIN_BACKEND leaves out the module", node);
		break;
	case NUMAPIN_REASON_NODE_FULL:
		SAY("node %d is full: %zu bytes asked, %zu free", node, asked, available);
		break;
	case NUMAPIN_REASON_NO_HUGE_PAGE:
		SAY("node %d has too few 2 MiB pages: %zu bytes asked, %zu free in all sizes",
		    node, asked, available);
		break;
	case NUMAPIN_REASON_TOO_LARGE:
		SAY("node %d is too small: %zu bytes asked, %zu in all", node, asked, available);
		break;
	case NUMAPIN_REASON_CGROUP:
		SAY("node %d: the memory cgroup has not %zu bytes left", node, asked);
		break;
	case NUMAPIN_REASON_CPUSET:
		SAY("node %d is not in this process's cpuset", node);
		break;
	case NUMAPIN_REASON_NODE_GONE:
		SAY("node %d has no memory for the kernel any more", node);
		break;
	case NUMAPIN_REASON_NO_MEMORY:
		SAY("node %d: no memory or address space for %zu bytes", node, asked);
		break;
	case NUMAPIN_REASON_MEMLOCK:
		SAY("node %d: %zu bytes asked; RLIMIT_MEMLOCK: %zu, %zu left", node, asked,
		    alloc->limit, available);
		break;
	case NUMAPIN_REASON_BUDGET:
		SAY("node %d: %zu bytes asked, %zu left of its budget", node, asked, available);
		break;
	case NUMAPIN_REASON_ONLY_MOVABLE:
		SAY("node %d has only movable memory, which cannot be pinned", node);
		break;
	}
#undef SAY
}

/* Keeps the words of a refusal for numapin_error(). Leaves errno alone. */
void report_refusal(const struct allocation *alloc, int error)
{
	describe(last_error, alloc, alloc->reason, error);
	errno = error;
}

static bool silenced(enum numapin_reason reason)
{
	const char *how = getenv("NUMAPIN_WARN");
	const unsigned int bit = 1u << reason;

	if (how && !strcmp(how, "always"))
		return false;
	if (how && !strcmp(how, "never"))
		return true;
	return atomic_fetch_or(&warned, bit) & bit;
}

static void warn(const char *message)
{
	numapin_warning_handler *to;
	void *arg;

	lock_handler();
	to = handler;
	arg = handler_arg;
	unlock_handler();
	if (to)
		to(message, arg);
	else
		fprintf(stderr, "numapin: warning: %s\n", message);
}

PUBLIC void numapin_warn(enum numapin_reason reason, const char *message)
{
	if (!silenced(reason))
		warn(message);
}

/*
 * Warns of memory that is UNBOUND; and of BOUND memory where there is a device
 * that was of no use, for then somebody meant it to be PINNED.
 */
void warn_unpinned(const struct allocation *alloc, enum numapin_outcome outcome,
		   enum numapin_reason module_reason)
{
	const bool useless_device = module_reason == NUMAPIN_REASON_NO_PERMISSION ||
				    module_reason == NUMAPIN_REASON_WRONG_DEVICE ||
				    module_reason == NUMAPIN_REASON_ONLY_MOVABLE;
	char message[3 * WORDS_MAX], device[WORDS_MAX] = "", reason[WORDS_MAX];

	if (outcome == NUMAPIN_PINNED || (outcome == NUMAPIN_BOUND && !useless_device))
		return;
	if (silenced(alloc->reason))
		return;

	describe(reason, alloc, alloc->reason, 0);
	if (useless_device && module_reason != alloc->reason)
		describe(device, alloc, module_reason, 0);
	snprintf(message, sizeof(message), "%s%s%s: %zu bytes %s", device, *device ? "; " : "",
		 reason, alloc->bytes,
		 outcome == NUMAPIN_BOUND ? "are bound by mbind and can be moved (BOUND)" :
					    "are not placed (UNBOUND)");
	warn(message);
}

PUBLIC const char *numapin_outcome_name(int outcome)
{
	switch (outcome) {
	case NUMAPIN_UNBOUND:
		return "UNBOUND";
	case NUMAPIN_BOUND:
		return "BOUND";
	case NUMAPIN_PINNED:
		return "PINNED";
	default:
		return "?";
	}
}

PUBLIC const char *numapin_reason_name(int reason)
{
	static const char *const names[] = {
		[NUMAPIN_REASON_NONE]			= "NONE",
		[NUMAPIN_REASON_NO_MODULE]		= "NO_MODULE",
		[NUMAPIN_REASON_NO_PERMISSION]		= "NO_PERMISSION",
		[NUMAPIN_REASON_WRONG_DEVICE]		= "WRONG_DEVICE",
		[NUMAPIN_REASON_NO_NODE]		= "NO_NODE",
		[NUMAPIN_REASON_NO_NUMA]		= "NO_NUMA",
		[NUMAPIN_REASON_MBIND_DENIED]		= "MBIND_DENIED",
		[NUMAPIN_REASON_NO_HUGE_PROMISE]	= "NO_HUGE_PROMISE",
		[NUMAPIN_REASON_FORCED]			= "FORCED",
		[NUMAPIN_REASON_NODE_FULL]		= "NODE_FULL",
		[NUMAPIN_REASON_NO_HUGE_PAGE]		= "NO_HUGE_PAGE",
		[NUMAPIN_REASON_TOO_LARGE]		= "TOO_LARGE",
		[NUMAPIN_REASON_CGROUP]			= "CGROUP",
		[NUMAPIN_REASON_CPUSET]			= "CPUSET",
		[NUMAPIN_REASON_NODE_GONE]		= "NODE_GONE",
		[NUMAPIN_REASON_NO_MEMORY]		= "NO_MEMORY",
		[NUMAPIN_REASON_MEMLOCK]		= "MEMLOCK",
		[NUMAPIN_REASON_BUDGET]			= "BUDGET",
		[NUMAPIN_REASON_ONLY_MOVABLE]		= "ONLY_MOVABLE",
		[NUMAPIN_REASON_NO_RESERVE]		= "NO_RESERVE",
	};

	if (reason < 0 || (size_t)reason >= sizeof(names) / sizeof(names[0]))
		return "?";
	return names[reason];
}

PUBLIC const char *numapin_error(void)
{
	return last_error;
}

PUBLIC void numapin_set_error(const char *words)
{
	snprintf(last_error, sizeof(last_error), "%s", words);
}

PUBLIC void numapin_set_warning_handler(numapin_warning_handler *to, void *arg)
{
	lock_handler();
	handler = to;
	handler_arg = arg;
	unlock_handler();
}
