// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin alloc: memory on a node, and where the kernel finds it.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

/* What the kernel says of the memory: pages on its node, and elsewhere */
struct found {
	size_t there;
	size_t elsewhere;
};

/* -1 and errno where the kernel does not say */
static int find(const void *addr, const struct numapin_receipt *receipt, struct found *found)
{
	const size_t count = receipt->bytes / sysconf(_SC_PAGESIZE);
	int *nodes = calloc(count, sizeof(*nodes));
	long pages = -1;

	if (nodes)
		pages = numapin_locate(addr, receipt->bytes, nodes, count);
	for (long i = 0; i < pages; i++)
		(*(nodes[i] == receipt->node ? &found->there : &found->elsewhere))++;
	free(nodes);
	return pages < 0 ? -1 : 0;
}

static void print_found(const void *addr, const struct numapin_receipt *receipt)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct found found = { 0 };

	if (find(addr, receipt, &found))
		printf("  kernel says nothing of it: %s\n", strerror(errno));
	else
		printf("  kernel finds %s on node %d, %s elsewhere\n",
		       SIZE_TEXT(found.there * page), receipt->node,
		       SIZE_TEXT(found.elsewhere * page));
}

static void print_receipt(const void *addr, const struct numapin_receipt *receipt)
{
	printf("node %d: %s %s%s\n", receipt->node, SIZE_TEXT(receipt->bytes),
	       numapin_outcome_name(receipt->outcome), receipt->shared ? ", shared" : "");
	printf("  address %p of process %d\n", addr, getpid());
	printf("  on 2 MiB pages %s\n", SIZE_TEXT(receipt->huge_bytes));
	if (receipt->reason)
		printf("  not PINNED for %s\n", numapin_reason_name(receipt->reason));
	print_found(addr, receipt);
}

static void print_json(const void *addr, const struct numapin_receipt *receipt, int error)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct json json = { .out = stdout };
	struct found found = { 0 };

	json_open(&json, NULL, '{');
	json_number(&json, "node", receipt->node);
	json_string(&json, "outcome", addr ? numapin_outcome_name(receipt->outcome) : "FAILED");
	json_string(&json, "reason", numapin_reason_name(receipt->reason));
	json_bool(&json, "shared", receipt->shared);
	json_bytes(&json, "bytes", receipt->bytes);
	json_bytes(&json, "huge_bytes", receipt->huge_bytes);
	if (addr) {
		json_number(&json, "pid", getpid());
		json_bytes(&json, "address", (uintptr_t)addr);
	} else {
		json_bytes(&json, "available", receipt->available);
		json_number(&json, "errno", error);
		json_string(&json, "error", numapin_error());
	}
	if (addr && !find(addr, receipt, &found)) {
		json_bytes(&json, "found_bytes", found.there * page);
		json_bytes(&json, "found_elsewhere_bytes", found.elsewhere * page);
	}
	json_close(&json, '}');
	putchar('\n');
}

/* Until it is interrupted; or for so many seconds, where that is not negative. */
static void hold(double seconds)
{
	const struct timespec most = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};
	sigset_t ending;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	while (sigtimedwait(&ending, NULL, seconds < 0 ? NULL : &most) < 0 && errno == EINTR)
		;
}

static int allocate(int node, unsigned long long size, unsigned int flags, double seconds,
		    bool json)
{
	struct numapin_receipt receipt = { 0 };
	void *addr = numapin_alloc(node, size, flags, &receipt);
	const int error = errno;

	if (json)
		print_json(addr, &receipt, error);
	if (!addr)
		return failed("%s", numapin_error());
	if (!json)
		print_receipt(addr, &receipt);
	fflush(stdout);
	hold(seconds);
	if (free_numa_memory(addr, size))
		return failed("%s", strerror(errno));
	return EXIT_SUCCESS;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "huge", no_argument, NULL, 'H' },
		{ "no-huge", no_argument, NULL, 'N' },
		{ "shared", no_argument, NULL, 'S' },
		{ "reserve", no_argument, NULL, 'R' },
		{ "strict", no_argument, NULL, 'X' },
		{ "seconds", required_argument, NULL, 's' },
		JSON_OPTION, HELP_OPTION, { 0 },
	};
	unsigned long long size;
	unsigned int flags = 0;
	double seconds = -1;
	bool json = false;
	int option, node;

	while ((option = next_option(argc, argv, "s:jh", options)) != -1) {
		switch (option) {
		case 'H':
			flags |= NUMAPIN_HUGE;
			break;
		case 'N':
			flags |= NUMAPIN_NO_HUGE;
			break;
		case 'S':
			flags |= NUMAPIN_SHARED;
			break;
		case 'R':
			flags |= NUMAPIN_RESERVE;
			break;
		case 'X':
			flags |= NUMAPIN_STRICT;
			break;
		case 's':
			if (!parse_seconds(optarg, &seconds))
				return misused("\"%s\" is no number of seconds", optarg);
			break;
		case 'j':
			json = true;
			break;
		}
	}
	if (argc - optind != 2)
		return misused("a node and a size are wanted");
	if (!parse_node(argv[optind], &node))
		return misused("\"%s\" is no number of a node", argv[optind]);
	if (!parse_size(argv[optind + 1], &size))
		return misused("\"%s\" is no size", argv[optind + 1]);
	return allocate(node, size, flags, seconds, json);
}

const struct command alloc_command = {
	.name		= "alloc",
	.usage		= "[OPTION]... NODE SIZE",
	.summary	= "allocate on a node, print the receipt, and hold the memory",
	.help		=
"Allocates, prints what that came to and where the kernel finds the pages, and\n"
"holds the memory until ^C. SIZE is in bytes, or with K, M, G, T.\n"
"\n"
"      --huge         2 MiB pages, or fail\n"
"      --no-huge      4 KiB pages\n"
"      --shared       one memory for parent and children\n"
"      --reserve      what copies after a fork need is set aside by it\n"
"      --strict       fail rather than have memory that is not placed\n"
"  -s, --seconds N    hold it that long and no longer\n"
"  -j, --json         print JSON, in bytes; of a failure too\n",
	.run		= run,
};
