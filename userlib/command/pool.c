// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin pool: the zeroed 2 MiB pages that are set aside on a node.
 */
#include "command.h"

static const enum node_attribute shown[] = {
	POOL_BYTES, POOL_FILLED_BYTES, POOL_DIRTY_BYTES, POOL_USED_BYTES,
};

static int run(int argc, char **argv)
{
	return run_setting(argc, argv, shown, sizeof(shown) / sizeof(shown[0]));
}

const struct command pool_command = {
	.name		= "pool",
	.usage		= "[--json] NODE [SIZE]",
	.summary	= "show or set the memory that is set aside on a node",
	.help		=
"Shows the pool of a node; with a size, in bytes or with K, M, G, T, sets it\n"
"first: whole 2 MiB pages, all of them or none. For root.\n"
"\n"
"  -j, --json  as JSON, in bytes\n",
	.run		= run,
};
