// SPDX-License-Identifier: GPL-2.0-only
/* The dmem cgroup controller, as it is registered with in 7.3. */
#include <linux/cgroup_dmem.h>

struct dmem_cgroup_region *probe(void);

struct dmem_cgroup_region *probe(void)
{
	const struct dmem_cgroup_init init = { .size = 1 };

	return dmem_cgroup_register_region(&init, "probe");
}
