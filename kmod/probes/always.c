// SPDX-License-Identifier: GPL-2.0-only
/* Compiles on every kernel: where it does not, the probes are broken. */
#include <linux/module.h>

const char *always(struct module *module);

const char *always(struct module *module)
{
	return module->name;
}
