// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In the place of mappings.c, on systems that do not tell of a process's mappings as
 * Linux does.
 */
#include "internal.h"

PUBLIC int numapin_mappings(UNUSED int pid, UNUSED numapin_mapping_handler *handler,
			    UNUSED void *arg)
{
	errno = ENOSYS;
	return -1;
}
