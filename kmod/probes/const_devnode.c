// SPDX-License-Identifier: GPL-2.0-only
/* class->devnode() takes a const struct device: 6.2 and later. */
#include <linux/device/class.h>

char *devnode(const struct device *dev, umode_t *mode);
const struct class probe = { .devnode = devnode };
