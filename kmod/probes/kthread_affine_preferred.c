// SPDX-License-Identifier: GPL-2.0-only
/* kthread_affine_preferred(), for a thread of a node without its stack there: 6.14. */
#include <linux/kthread.h>

int probe(struct task_struct *thread);

int probe(struct task_struct *thread)
{
	return kthread_affine_preferred(thread, cpu_possible_mask);
}
