// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin limit: the budget of a node, which is the most that the module gives of it.
 */
#include "command.h"

static const enum node_attribute shown[] = { MAX_BYTES, BYTES };

static int run(int argc, char **argv)
{
	return run_setting(argc, argv, shown, sizeof(shown) / sizeof(shown[0]));
}

const struct command limit_command = {
	.name		= "limit",
	.usage		= "[--json] NODE [SIZE|max]",
	.summary	= "show or set the most that the module gives of a node",
	.help		=
"Shows the budget of a node and what regions have; with a size, in bytes or\n"
"with K, M, G, T, or \"max\" for no limit, sets it first. For root. What regions\n"
"have beyond a smaller one they keep.\n"
"\n"
"  -j, --json  as JSON, in bytes\n",
	.run		= run,
};
