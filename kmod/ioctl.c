// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a node device. The uAPI header has their contract.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "numapin.h"

/* As for 32-bit programs, so that they need no translation. */
static_assert(sizeof(struct numapin_info) == 48);
static_assert(sizeof(struct numapin_alloc) == 64);
static_assert(sizeof(struct numapin_locate) == 32);
static_assert(sizeof(struct numapin_stripe) == 8);
static_assert(sizeof(struct numapin_reopen) == 16);
static_assert(sizeof(struct numapin_export) == 32);
static_assert(offsetof(struct numapin_info, out_page_sizes) == 24);
static_assert(offsetof(struct numapin_alloc, length) == 8);
static_assert(offsetof(struct numapin_alloc, out_cause) == 40);
static_assert(offsetof(struct numapin_alloc, stripes) == 48);
static_assert(offsetof(struct numapin_locate, addr) == 8);
static_assert(offsetof(struct numapin_reopen, out_fd) == 8);
static_assert(offsetof(struct numapin_export, offset) == 8);

/**
 * struct numapin_call - one ioctl on its way
 * @file: The node device's file
 * @user: The caller's struct
 * @user_size: Its size
 * @arg: The kernel's copy
 * @arg.info: For INFO
 * @arg.alloc: For ALLOC
 * @arg.locate: For LOCATE
 * @arg.reopen: For REOPEN
 * @arg.export: For EXPORT
 */
struct numapin_call {
	struct file *file;
	void __user *user;
	u32 user_size;
	union {
		struct numapin_info info;
		struct numapin_alloc alloc;
		struct numapin_locate locate;
		struct numapin_reopen reopen;
		struct numapin_export export;
	} arg;
};

/* Writes the reply: as much of the struct as the caller knows of. */
static int respond(struct numapin_call *call, size_t size)
{
	size_t n = min_t(size_t, size, call->user_size);

	return copy_to_user(call->user, &call->arg, n) ? -EFAULT : 0;
}

static int ioctl_info(struct numapin_call *call)
{
	struct numapin_region *region = call->file->private_data;
	struct numapin_info *info = &call->arg.info;

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
	struct numapin_alloc *alloc = &call->arg.alloc;

	alloc->out_length = 0;
	alloc->out_huge_bytes = 0;
	alloc->out_available = req->available;
	alloc->out_cause = req->cause;
	alloc->out_node = req->node->nid;
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

/* Whether what ALLOC is told of stripes can be. */
static bool known_stripes(const struct numapin_alloc *alloc)
{
	if (alloc->reserved)
		return false;
	if (!alloc->nr_stripes)
		return true;
	/* Pages of different sizes would have no order to be striped in. */
	return alloc->nr_stripes <= NUMAPIN_MAX_STRIPES &&
	       (alloc->flags & (NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE));
}

/* The node that a descriptor gives the right to; or NULL. */
static struct numapin_node *node_of_fd(int fd)
{
	struct numapin_node *node = NULL;
	struct file *file = fget(fd);

	if (!file)
		return NULL;
	if (file->f_mode & FMODE_WRITE)
		node = numapin_file_node(file);
	fput(file);
	return node;
}

/* Whether one of the first of a request's lanes is a node's. */
static bool has_node(const struct numapin_request *req, unsigned int nr,
		     const struct numapin_node *node)
{
	while (nr--)
		if (req->lanes[nr].node == node)
			return true;
	return false;
}

/* Makes a lane of each of the caller's stripes; the first is of req->node. */
static int read_stripes(const struct numapin_alloc *alloc,
			struct numapin_request *req)
{
	const struct numapin_stripe __user *user =
		u64_to_user_ptr(alloc->stripes);
	struct numapin_stripe stripe;
	struct numapin_node *node;

	req->lanes = kcalloc(alloc->nr_stripes, sizeof(*req->lanes),
			     NUMAPIN_TABLE_GFP);
	if (!req->lanes)
		return numapin_refuse(req, -ENOMEM,
				      NUMAPIN_CAUSE_BOOKKEEPING, 0);
	for (; req->nr_lanes < alloc->nr_stripes; req->nr_lanes++) {
		if (copy_from_user(&stripe, &user[req->nr_lanes],
				   sizeof(stripe)))
			return -EFAULT;
		node = node_of_fd(stripe.fd);
		if (!node)
			return -EBADF;
		if (!stripe.weight || has_node(req, req->nr_lanes, node))
			return -EINVAL;
		if (!req->nr_lanes && node != req->node)
			return -EINVAL;
		req->lanes[req->nr_lanes].node = node;
		req->lanes[req->nr_lanes].weight = stripe.weight;
	}
	return 0;
}

/* Makes the region as it is asked for. */
static int fill_region(struct numapin_call *call, struct numapin_request *req)
{
	int rc = 0;

	if (!(call->file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (call->arg.alloc.nr_stripes)
		rc = read_stripes(&call->arg.alloc, req);
	if (rc)
		numapin_count_refusal(req, rc);
	else
		rc = numapin_region_fill(call->file->private_data, req);
	kfree(req->lanes);
	return rc;
}

static int ioctl_alloc(struct numapin_call *call)
{
	struct numapin_region *region = call->file->private_data;
	struct numapin_alloc *alloc = &call->arg.alloc;
	struct numapin_request req = {
		.file = call->file,
		.node = region->node,
		.length = alloc->length,
		.flags = alloc->flags,
	};
	int rc;

	if (!known_flags(alloc->flags) || !known_stripes(alloc))
		return -EINVAL;
	rc = fill_region(call, &req);
	if (rc == -EINVAL || rc == -EFAULT)
		return rc;
	if (rc)
		return respond_refusal(call, rc, &req);

	alloc->out_node = region->node->nid;
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
	struct numapin_locate *locate = &call->arg.locate;
	s32 __user *user = u64_to_user_ptr(locate->nodes);
	u64 addr = untagged_addr(locate->addr), end;
	s32 nodes[LOCATE_BATCH];
	unsigned int n;
	int rc;

	if (locate->flags)
		return -EINVAL;
	if (!locate->length || !PAGE_ALIGNED(addr | locate->length))
		return -EINVAL;
	if (check_add_overflow(addr, locate->length, &end) || end > TASK_SIZE)
		return -EINVAL;

	for (; addr < end; addr += (u64)n << PAGE_SHIFT) {
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

/* Replies with a descriptor of a file, whose reference is used up either way. */
static int respond_file(struct numapin_call *call, size_t size, __s32 *out_fd,
			struct file *file)
{
	int rc, fd;

	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		rc = fd;
		goto err_file;
	}
	*out_fd = fd;
	rc = respond(call, size);
	if (rc)
		goto err_fd;
	/* From here on the descriptor is the caller's, and nothing may fail. */
	fd_install(fd, file);
	return 0;

err_fd:
	put_unused_fd(fd);
err_file:
	fput(file);
	return rc;
}

static int ioctl_reopen(struct numapin_call *call)
{
	struct numapin_reopen *reopen = &call->arg.reopen;
	struct file *file;

	if (reopen->flags || reopen->reserved)
		return -EINVAL;
	/* By what the file was opened by: the path may lead nowhere any more. */
	file = dentry_open(&call->file->f_path,
			   call->file->f_flags & O_ACCMODE, current_cred());
	return respond_file(call, sizeof(*reopen), &reopen->out_fd, file);
}

static int ioctl_export(struct numapin_call *call)
{
	struct numapin_export *export = &call->arg.export;
	struct file *file;

	if (export->flags || export->reserved)
		return -EINVAL;
	file = numapin_dmabuf_export(call->file, export->offset, export->length);
	return respond_file(call, sizeof(*export), &export->out_fd, file);
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
	[_IOC_NR(NUMAPIN_IOCTL_REOPEN)] = {
		.cmd		= NUMAPIN_IOCTL_REOPEN,
		.size		= sizeof(struct numapin_reopen),
		.min_size	= offsetofend(struct numapin_reopen, out_fd),
		.execute	= ioctl_reopen,
	},
	[_IOC_NR(NUMAPIN_IOCTL_EXPORT)] = {
		.cmd		= NUMAPIN_IOCTL_EXPORT,
		.size		= sizeof(struct numapin_export),
		.min_size	= offsetofend(struct numapin_export, out_fd),
		.execute	= ioctl_export,
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
	rc = copy_struct_from_user(&call.arg, op->size, call.user,
				   call.user_size);
	if (rc)
		return rc;
	return op->execute(&call);
}
