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

/**
 * struct request - what is to be allocated
 * @nodes: Where, as it was told
 * @parts: The same
 * @nr_parts: How many
 * @size: Bytes
 * @flags: enum numapin_flags
 */
struct request {
	const char *nodes;
	struct numapin_part parts[NUMAPIN_MAX_PARTS];
	size_t nr_parts;
	unsigned long long size;
	unsigned int flags;
};

/* What the kernel says of the memory: pages on their node, and elsewhere */
struct found {
	size_t there;
	size_t elsewhere;
};

/* -1 and errno where the kernel does not say */
static int find(const void *addr, const struct request *request, struct found *found)
{
	const size_t page = sysconf(_SC_PAGESIZE), count = (request->size + page - 1) / page;
	const size_t unit = request->flags & NUMAPIN_HUGE ? page / sizeof(uint64_t) : 1;
	int *nodes = calloc(count, sizeof(*nodes)), node;
	long pages = -1;

	if (nodes)
		pages = numapin_locate(addr, count * page, nodes, count);
	for (long i = 0; i < pages; i++) {
		node = numapin_part_node(request->parts, request->nr_parts, i / unit);
		(*(nodes[i] == node ? &found->there : &found->elsewhere))++;
	}
	free(nodes);
	return pages < 0 ? -1 : 0;
}

static void print_found(const void *addr, const struct request *request)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct found found = { 0 };

	if (find(addr, request, &found))
		printf("  kernel says nothing of it: %s\n", strerror(errno));
	else
		printf("  kernel finds %s on node %s, %s elsewhere\n",
		       SIZE_TEXT(found.there * page), request->nodes,
		       SIZE_TEXT(found.elsewhere * page));
}

static void print_receipt(const void *addr, const struct request *request,
			  const struct numapin_receipt *receipt)
{
	printf("node %s: %s %s%s\n", request->nodes, SIZE_TEXT(receipt->bytes),
	       numapin_outcome_name(receipt->outcome), receipt->shared ? ", shared" : "");
	printf("  address %p of process %d\n", addr, getpid());
	printf("  on 2 MiB pages %s\n", SIZE_TEXT(receipt->huge_bytes));
	if (receipt->reason)
		printf("  not PINNED for %s\n", numapin_reason_name(receipt->reason));
	print_found(addr, request);
}

static void print_json(const void *addr, const struct request *request,
		       const struct numapin_receipt *receipt, int error)
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
	if (addr && !find(addr, request, &found)) {
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

static int allocate(const struct request *request, double seconds, bool json)
{
	struct numapin_receipt receipt = { 0 };
	void *addr;
	int error;

	addr = request->nr_parts == 1 ?
		numapin_alloc(request->parts->node, request->size, request->flags, &receipt) :
		numapin_alloc_striped(request->parts, request->nr_parts, request->size,
				      request->flags, &receipt);
	error = errno;
	if (json)
		print_json(addr, request, &receipt, error);
	if (!addr)
		return failed("%s", numapin_error());
	if (!json)
		print_receipt(addr, request, &receipt);
	fflush(stdout);
	hold(seconds);
	if (free_numa_memory(addr, request->size))
		return failed("%s", strerror(errno));
	return EXIT_SUCCESS;
}

/* Takes NODE[:WEIGHT],... apart, which is cut up by it. */
static bool parse_parts(char *text, struct request *request)
{
	char *rest = text, *part, *weight, *end;
	unsigned long number;

	while ((part = strsep(&rest, ","))) {
		weight = strchr(part, ':');
		if (weight)
			*weight++ = '\0';
		number = weight ? strtoul(weight, &end, 10) : 1;
		if (request->nr_parts == NUMAPIN_MAX_PARTS || number < 1 || number > 1u << 31 ||
		    (weight && (end == weight || *end)) ||
		    !parse_node(part, &request->parts[request->nr_parts].node))
			return false;
		request->parts[request->nr_parts++].weight = number;
	}
	return true;
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
	struct request request = { 0 };
	char nodes[PATH_SIZE];
	double seconds = -1;
	bool json = false;
	int option;

	while ((option = next_option(argc, argv, "s:jh", options)) != -1) {
		switch (option) {
		case 'H':
			request.flags |= NUMAPIN_HUGE;
			break;
		case 'N':
			request.flags |= NUMAPIN_NO_HUGE;
			break;
		case 'S':
			request.flags |= NUMAPIN_SHARED;
			break;
		case 'R':
			request.flags |= NUMAPIN_RESERVE;
			break;
		case 'X':
			request.flags |= NUMAPIN_STRICT;
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
	snprintf(nodes, sizeof(nodes), "%s", argv[optind]);
	request.nodes = argv[optind];
	if (!parse_parts(nodes, &request))
		return misused("\"%s\" is no number of a node", argv[optind]);
	if (!parse_size(argv[optind + 1], &request.size))
		return misused("\"%s\" is no size", argv[optind + 1]);
	return allocate(&request, seconds, json);
}

const struct command alloc_command = {
	.name		= "alloc",
	.usage		= "[OPTION]... NODE[:WEIGHT],... SIZE",
	.summary	= "allocate on a node, print the receipt, and hold the memory",
	.help		=
"Allocates, prints what that came to and where the kernel finds the pages, and\n"
"holds the memory until ^C. SIZE is in bytes, or with K, M, G, T. Of several nodes\n"
"each has WEIGHT pages in turn, or 1, and the pages' size must be said.\n"
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
