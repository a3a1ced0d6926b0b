// SPDX-License-Identifier: GPL-2.0-only
/* WQ_PERCPU, which was what a workqueue was without: 6.18 and stable kernels. */
#include <linux/workqueue.h>

unsigned int probe(void);

unsigned int probe(void)
{
	return WQ_PERCPU;
}
