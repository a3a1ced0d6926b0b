// SPDX-License-Identifier: GPL-2.0-only
/* Needed: a count of what users have locked (CONFIG_NET or CONFIG_IO_URING) */
#include <linux/sched/user.h>

long probe(struct user_struct *user);

long probe(struct user_struct *user)
{
	return atomic_long_read(&user->locked_vm);
}
