// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What root sets of a node: for `numapin pool' and `numapin limit'.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* What it means where the module refuses */
static const char *refusal(int error)
{
	switch (error) {
	case EACCES:
		return "only root may";
	case ENOMEM:
		return "the node has not that many free 2 MiB pages";
	case EPERM:
		return "the node is not in this process's cpuset";
	case EOPNOTSUPP:
		return "the node has only memory that can be moved";
	default:
		return strerror(error);
	}
}

static int set(int node, enum node_attribute attribute, unsigned long long bytes)
{
	char path[128], text[32] = "max";

	snprintf(path, sizeof(path), CLASS_NODE "/%s", node, attribute_names[attribute]);
	if (bytes != NO_LIMIT)
		snprintf(text, sizeof(text), "%llu", bytes);
	if (write_text(path, text))
		return failed("node %d: %s: %s", node, path, refusal(errno));
	return 0;
}

static int show(int node, const enum node_attribute *attributes, size_t count, bool as_json)
{
	struct json json = { .out = stdout };
	unsigned long long numbers[NR_ATTRIBUTES];

	for (size_t i = 0; i < count; i++)
		if (read_attribute(node, attributes[i], &numbers[i]))
			return failed("node %d: %s: %s", node, attribute_names[attributes[i]],
				      strerror(errno));
	if (as_json) {
		json_open(&json, NULL, '{');
		json_number(&json, "node", node);
		for (size_t i = 0; i < count; i++)
			json_bytes(&json, attribute_names[attributes[i]], numbers[i]);
		json_close(&json, '}');
		putchar('\n');
	} else {
		for (size_t i = 0; i < count; i++)
			printf("%-18s%s\n", attribute_names[attributes[i]], SIZE_TEXT(numbers[i]));
	}
	return 0;
}

/* Sets the first of a node's attributes, where that is asked, and shows them. */
int run_setting(int argc, char **argv, const enum node_attribute *attributes, size_t count)
{
	static const struct option options[] = { JSON_OPTION, HELP_OPTION, { 0 } };
	unsigned long long bytes = NO_LIMIT;
	char path[64];
	bool json = false;
	int node;

	while (next_option(argc, argv, "jh", options) != -1)
		json = true;
	if (optind == argc || argc - optind > 2)
		return misused("a node is wanted, and a size or none");
	if (!parse_node(argv[optind], &node))
		return misused("\"%s\" is no number of a node", argv[optind]);
	if (argc - optind == 2 && !parse_size(argv[optind + 1], &bytes) &&
	    (attributes[0] != MAX_BYTES || strcmp(argv[optind + 1], "max")))
		return misused("\"%s\" is no size", argv[optind + 1]);
	snprintf(path, sizeof(path), CLASS_NODE, node);
	if (access(path, F_OK))
		return failed("the module serves no node %d: `numapin doctor' says why", node);
	if (argc - optind == 2 && set(node, attributes[0], bytes))
		return EXIT_FAILURE;
	return show(node, attributes, count, json);
}
