// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin run: a program that need not know of numapin, with its memory on a node.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define PRELOAD		"libnumapin-preload.so"
#define JEMALLOC	"libjemalloc.so.2"

/* The library: beside this program, as it is built, or where it is installed. */
static bool find_preload(char *path, size_t size)
{
	char here[PATH_SIZE];
	const ssize_t length = readlink("/proc/self/exe", here, sizeof(here) - 1);

	if (length > 0) {
		here[length] = '\0';
		*strrchr(here, '/') = '\0';
		if (snprintf(path, size, "%s/" PRELOAD, here) < (int)size && !access(path, R_OK))
			return true;
	}
	snprintf(path, size, "%s/" PRELOAD, PRELOAD_DIR);
	return !access(path, R_OK);
}

/* The library and what it needs first, then what is to be preloaded anyway. */
static int set_preload(const char *path, bool heap)
{
	const char *others = getenv("LD_PRELOAD");
	char *all;
	int rc;

	if (asprintf(&all, "%s%s%s%s", path, heap ? ":" JEMALLOC : "",
		     others && *others ? ":" : "", others ? others : "") < 0)
		return -1;
	rc = setenv("LD_PRELOAD", all, 1);
	free(all);
	return rc;
}

static int set_environment(const char *path, const char *node, bool heap, bool strict)
{
	if (set_preload(path, heap) || setenv("NUMAPIN_PRELOAD_NODE", node, 1))
		return -1;
	if (heap && setenv("NUMAPIN_PRELOAD_HEAP", "1", 1))
		return -1;
	return strict ? setenv("NUMAPIN_STRICT", "1", 1) : 0;
}

/* Whether the node's memory is to be had as it is wanted: 0, or an exit status */
static int check_node(int node, bool strict)
{
	struct numapin_receipt receipt;
	struct numapin_node memory;

	if (numapin_describe_node(node, &memory))
		return failed("node %d: %s", node, strerror(errno));
	if (!strict)
		return 0;
	if (numapin_probe(node, NUMAPIN_STRICT, &receipt))
		return failed("%s", numapin_error());
	if (receipt.outcome != NUMAPIN_PINNED)
		return failed("memory of node %d would be %s for %s: `numapin doctor' says more",
			      node, numapin_outcome_name(receipt.outcome),
			      numapin_reason_name(receipt.reason));
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "node", required_argument, NULL, 'n' },
		{ "heap", no_argument, NULL, 'H' },
		{ "strict", no_argument, NULL, 'X' },
		HELP_OPTION, { 0 },
	};
	const char *node_text = NULL;
	bool heap = false, strict = false;
	char path[PATH_SIZE + sizeof(PRELOAD)];
	int option, node = -1;

	while ((option = next_option(argc, argv, "+n:h", options)) != -1) {
		switch (option) {
		case 'n':
			node_text = optarg;
			break;
		case 'H':
			heap = true;
			break;
		case 'X':
			strict = true;
			break;
		}
	}
	if (!node_text)
		return misused("a node is wanted: --node N");
	if (!parse_node(node_text, &node))
		return misused("\"%s\" is no number of a node", node_text);
	if (optind == argc)
		return misused("a command is wanted");
	if (check_node(node, strict))
		return EXIT_FAILURE;
	if (!find_preload(path, sizeof(path)))
		return failed(PRELOAD " is not there, neither beside this program nor in "
			      PRELOAD_DIR ": it is built and installed with libnumapin");
	if (set_environment(path, node_text, heap, strict))
		return failed("%s", strerror(errno));
	execvp(argv[optind], argv + optind);
	failed("%s: %s", argv[optind], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

const struct command run_command = {
	.name		= "run",
	.usage		= "--node N [--heap] [--strict] [--] CMD [ARGUMENT]...",
	.summary	= "a program, unchanged, with its memory on a node",
	.help		=
"Runs a program so that what it allocates by libnuma is numapin's memory, on the\n"
"node that it asks for; and on node N what is for no node in particular.\n"
"\n"
"  -n, --node N  the node\n"
"      --heap    all of its heap is on node N as well\n"
"      --strict  only if memory of node N would be PINNED; and with NUMAPIN_STRICT=1\n"
"\n"
"Ends as the program does; with 126 or 127 where it cannot be run.\n",
	.run		= run,
};
