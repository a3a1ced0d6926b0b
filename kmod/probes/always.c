// SPDX-License-Identifier: GPL-2.0-only
/* Compiles on every kernel: where it does not, the probes are broken. */
#include <linux/module.h>

int always(struct module *module);

int always(struct module *module)
{
	return module_refcount(module);
}
