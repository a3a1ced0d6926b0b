// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a node device. The uAPI header has their contract.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "numapin.h"

/* As for 32-bit programs, so that they need no translation. */
static_assert(sizeof(struct numapin_info) == 48);
static_assert(sizeof(struct numapin_alloc) == 48);
static_assert(sizeof(struct numapin_locate) == 32);
static_assert(offsetof(struct numapin_info, out_page_sizes) == 24);
static_assert(offsetof(struct numapin_alloc, length) == 8);
static_assert(offsetof(struct numapin_alloc, out_cause) == 40);
static_assert(offsetof(struct numapin_locate, addr) == 8);

/**
 * struct numapin_call - one ioctl on its way
 * @file: The node device's file
 * @user: The caller's struct
 * @user_size: Its size
 * @info: The kernel's copy, for INFO
 * @alloc: For ALLOC
 * @locate: For LOCATE
 */
struct numapin_call {
	struct file *file;
	void __user *user;
	u32 user_size;
	union {
		struct numapin_info info;
		struct numapin_alloc alloc;
		struct numapin_locate locate;
	};
};

/* Writes the reply: as much of the struct as the caller knows of. */
static int respond(struct numapin_call *call, size_t size)
{
	size_t n = min_t(size_t, size, call->user_size);

	return copy_to_user(call->user, &call->info, n) ? -EFAULT : 0;
}

static int ioctl_info(struct numapin_call *call)
{
	struct numapin_region *region = call->file->private_data;
	struct numapin_info *info = &call->info;

	if (info->flags)
		return -EINVAL;
	info->out_abi_version = NUMAPIN_ABI_VERSION;
	info->out_node = region->node->nid;
	info->out_alloc_flags = NUMAPIN_ALLOC_FLAGS;
	info->out_page_sizes = PAGE_SIZE | HPAGE_PMD_SIZE;
	info->out_region_flags = 0;
	info->out_length = 0;
	info->out_huge_bytes = 0;
	if (numapin_region_ready(region)) {
		info->out_region_flags = region->flags;
		info->out_length = numapin_region_bytes(region);
		info->out_huge_bytes = numapin_region_huge_bytes(region);
	}
	return respond(call, sizeof(*info));
}

/* Writes ALLOC's refusal; what refused it is told in preference to -EFAULT. */
static int respond_refusal(struct numapin_call *call, int error,
			   const struct numapin_request *req)
{
	struct numapin_alloc *alloc = &call->alloc;

	alloc->out_length = 0;
	alloc->out_huge_bytes = 0;
	alloc->out_available = req->available;
	alloc->out_cause = req->cause;
	respond(call, sizeof(*alloc));
	return error;
}

/* Whether flags of ALLOC are known, and make sense together. */
static bool known_flags(u32 flags)
{
	if (flags & ~NUMAPIN_ALLOC_FLAGS)
		return false;
	if ((flags & NUMAPIN_ALLOC_HUGE) && (flags & NUMAPIN_ALLOC_NO_HUGE))
		return false;
	return !(flags & NUMAPIN_ALLOC_RESERVE) ||
	       (flags & NUMAPIN_ALLOC_PRIVATE);
}

static int ioctl_alloc(struct numapin_call *call)
{
	struct numapin_region *region = call->file->private_data;
	struct numapin_alloc *alloc = &call->alloc;
	struct numapin_request req = {
		.file = call->file,
		.length = alloc->length,
		.flags = alloc->flags,
	};
	int rc;

	if (!known_flags(alloc->flags))
		return -EINVAL;
	alloc->out_node = region->node->nid;
	if (!(call->file->f_mode & FMODE_WRITE))
		return respond_refusal(call, -EBADF, &req);

	rc = numapin_region_fill(region, &req);
	if (rc == -EINVAL)
		return rc;
	if (rc)
		return respond_refusal(call, rc, &req);

	alloc->out_length = numapin_region_bytes(region);
	alloc->out_huge_bytes = numapin_region_huge_bytes(region);
	alloc->out_available = 0;
	alloc->out_cause = NUMAPIN_CAUSE_NONE;
	rc = respond(call, sizeof(*alloc));
	if (rc)
		numapin_region_abandon(region);
	else
		numapin_region_publish(region);
	return rc;
}

/* Pages that LOCATE asks for at a time: their nodes are on the stack. */
#define LOCATE_BATCH	64

static int ioctl_locate(struct numapin_call *call)
{
	struct numapin_locate *locate = &call->locate;
	s32 __user *user = u64_to_user_ptr(locate->nodes);
	s32 nodes[LOCATE_BATCH];
	unsigned int n;
	u64 addr, end;
	int rc;

	if (locate->flags)
		return -EINVAL;
	if (!locate->length || !PAGE_ALIGNED(locate->addr | locate->length))
		return -EINVAL;
	if (check_add_overflow(locate->addr, locate->length, &end) ||
	    end > TASK_SIZE)
		return -EINVAL;

	for (addr = locate->addr; addr < end; addr += (u64)n << PAGE_SHIFT) {
		n = min_t(u64, LOCATE_BATCH, (end - addr) >> PAGE_SHIFT);
		rc = numapin_locate(addr, n, nodes);
		if (rc)
			return rc;
		if (copy_to_user(user, nodes, n * sizeof(*nodes)))
			return -EFAULT;
		user += n;
		cond_resched();
	}
	return 0;
}

/**
 * struct numapin_op - an ioctl
 * @cmd: Its number
 * @size: Size of its struct here
 * @min_size: Size up to the last member that every caller must have
 * @execute: Does it and replies
 */
struct numapin_op {
	unsigned int cmd;
	size_t size;
	size_t min_size;
	int (*execute)(struct numapin_call *call);
};

static const struct numapin_op numapin_ops[] = {
	[_IOC_NR(NUMAPIN_IOCTL_INFO)] = {
		.cmd		= NUMAPIN_IOCTL_INFO,
		.size		= sizeof(struct numapin_info),
		.min_size	= offsetofend(struct numapin_info, flags),
		.execute	= ioctl_info,
	},
	[_IOC_NR(NUMAPIN_IOCTL_ALLOC)] = {
		.cmd		= NUMAPIN_IOCTL_ALLOC,
		.size		= sizeof(struct numapin_alloc),
		.min_size	= offsetofend(struct numapin_alloc, length),
		.execute	= ioctl_alloc,
	},
	[_IOC_NR(NUMAPIN_IOCTL_LOCATE)] = {
		.cmd		= NUMAPIN_IOCTL_LOCATE,
		.size		= sizeof(struct numapin_locate),
		.min_size	= offsetofend(struct numapin_locate, nodes),
		.execute	= ioctl_locate,
	},
};

/**
 * numapin_ioctl - file_operations' unlocked_ioctl of a node device
 * @file: The file
 * @cmd: NUMAPIN_IOCTL_...
 * @arg: Address of the caller's struct
 *
 * Return: 0, or an errno as documented in the uAPI header.
 */
long numapin_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct numapin_call call = {
		.file = file,
		.user = (void __user *)arg,
	};
	const struct numapin_op *op;
	int rc;

	if (_IOC_NR(cmd) >= ARRAY_SIZE(numapin_ops))
		return -ENOTTY;
	op = &numapin_ops[_IOC_NR(cmd)];
	if (op->cmd != cmd)
		return -ENOTTY;

	if (get_user(call.user_size, (u32 __user *)call.user))
		return -EFAULT;
	if (call.user_size < op->min_size)
		return -EINVAL;
	if (call.user_size > SZ_4K)
		return -E2BIG;
	rc = copy_struct_from_user(&call.info, op->size, call.user,
				   call.user_size);
	if (rc)
		return rc;
	return op->execute(&call);
}
