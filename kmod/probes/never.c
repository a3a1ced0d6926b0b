// SPDX-License-Identifier: GPL-2.0-only
/* Compiles on no kernel: where it does, the probes are broken. */
#include <linux/module.h>

int never(struct module *module);

int never(struct module *module)
{
	return module->no_kernel_has_this;
}
