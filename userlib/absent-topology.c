// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In the place of topology.c, where there is no libnuma.
 */
#include "internal.h"

static int absent(void)
{
	errno = ENOSYS;
	return -1;
}

PUBLIC int numapin_nodes(UNUSED int *nodes, UNUSED size_t count)
{
	return absent();
}

PUBLIC int numapin_node_cpus(UNUSED int node, UNUSED int *cpus, UNUSED size_t count)
{
	return absent();
}

PUBLIC int numapin_describe_node(UNUSED int node, UNUSED struct numapin_node *description)
{
	return absent();
}

PUBLIC int numapin_distance(UNUSED int from, UNUSED int to)
{
	return absent();
}

PUBLIC int numapin_current_node(void)
{
	return absent();
}

PUBLIC int numapin_nearest_node(UNUSED int from, UNUSED size_t size)
{
	return absent();
}
