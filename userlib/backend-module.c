// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory from the kernel module, of a node's device.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/mman.h>	/* MADV_POPULATE_READ, which not every C library has */
#include <linux/numapin.h>

#include "internal.h"

/* Why a device did not open, and whether that means to do without it. */
static enum verdict judge_open(struct allocation *alloc, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENODEV:
	case ENXIO:
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_MODULE);
	case EACCES:
	case EPERM:
		return decline(alloc, ABSENT, EACCES, NUMAPIN_REASON_NO_PERMISSION);
	default:
		return decline(alloc, REFUSED, error, NUMAPIN_REASON_NONE);
	}
}

/* What the module's cause is in the library's words. */
static enum numapin_reason reason_of(unsigned int cause)
{
	static const enum numapin_reason reasons[] = {
		[NUMAPIN_CAUSE_NONE]		= NUMAPIN_REASON_NONE,
		[NUMAPIN_CAUSE_NODE_FULL]	= NUMAPIN_REASON_NODE_FULL,
		[NUMAPIN_CAUSE_NO_HUGE_PAGE]	= NUMAPIN_REASON_NO_HUGE_PAGE,
		[NUMAPIN_CAUSE_TOO_LARGE]	= NUMAPIN_REASON_TOO_LARGE,
		[NUMAPIN_CAUSE_CGROUP]		= NUMAPIN_REASON_CGROUP,
		[NUMAPIN_CAUSE_CPUSET]		= NUMAPIN_REASON_CPUSET,
		[NUMAPIN_CAUSE_NODE_GONE]	= NUMAPIN_REASON_NODE_GONE,
		[NUMAPIN_CAUSE_BOOKKEEPING]	= NUMAPIN_REASON_NO_MEMORY,
		[NUMAPIN_CAUSE_MEMLOCK]		= NUMAPIN_REASON_MEMLOCK,
		[NUMAPIN_CAUSE_BUDGET]		= NUMAPIN_REASON_BUDGET,
	};

	/* A newer module may know more causes. */
	return cause < sizeof(reasons) / sizeof(reasons[0]) ? reasons[cause] :
							      NUMAPIN_REASON_NONE;
}

static unsigned int alloc_flags(unsigned int flags)
{
	return (flags & NUMAPIN_HUGE ? NUMAPIN_ALLOC_HUGE : 0) |
	       (flags & NUMAPIN_NO_HUGE ? NUMAPIN_ALLOC_NO_HUGE : 0) |
	       (flags & NUMAPIN_SHARED ? 0 : NUMAPIN_ALLOC_PRIVATE) |
	       (flags & NUMAPIN_RESERVE ? NUMAPIN_ALLOC_RESERVE : 0);
}

static size_t memlock_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) ? 0 : limit.rlim_cur;
}

/* Why ALLOC failed, and whether that means to do without the module. */
static enum verdict judge_alloc(struct allocation *alloc, const struct numapin_alloc *reply,
				int error)
{
	/*
	 * Something else has the device's name, or its descriptor; or a module that knows
	 * less than we do.
	 */
	if (error == ENOTTY || error == EBADF || error == EINVAL || error == E2BIG)
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_MODULE);
	/* A sandbox may let a device be opened, and then not be used. */
	if (error == EACCES)
		return decline(alloc, ABSENT, error, NUMAPIN_REASON_NO_PERMISSION);
	if (alloc->nr_parts)
		alloc->node = reply->out_node;
	if (reply->out_cause == NUMAPIN_CAUSE_ONLY_MOVABLE)
		return decline(alloc, ABSENT, error, NUMAPIN_REASON_ONLY_MOVABLE);
	if (reply->out_cause == NUMAPIN_CAUSE_MEMLOCK)
		alloc->limit = memlock_limit();
	alloc->available = reply->out_available;
	return decline(alloc, REFUSED, error, reason_of(reply->out_cause));
}

/* Makes the region of @fd, striped if there are stripes. */
static enum verdict alloc_region(struct allocation *alloc, int fd,
				 const struct numapin_stripe *stripes)
{
	struct numapin_alloc arg = {
		.size = sizeof(arg),
		.flags = alloc_flags(alloc->flags),
		.length = alloc->bytes,
		.stripes = (uintptr_t)stripes,
		.nr_stripes = alloc->nr_parts,
	};

	if (ioctl(fd, NUMAPIN_IOCTL_ALLOC, &arg))
		return judge_alloc(alloc, &arg, errno);
	if (arg.out_node != alloc->node)
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_WRONG_DEVICE);
	alloc->huge_bytes = arg.out_huge_bytes;
	return GRANTED;
}

static enum verdict judge_mapping(struct allocation *alloc, int error)
{
	return decline(alloc, REFUSED, error,
		       error == ENOMEM ? NUMAPIN_REASON_NO_MEMORY : NUMAPIN_REASON_NONE);
}

/* Maps the region of @fd so that no page fault is left to take. */
static enum verdict map_region(struct allocation *alloc, int fd)
{
	int error;

	alloc->addr = mmap(NULL, alloc->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (alloc->addr == MAP_FAILED)
		return judge_mapping(alloc, errno);
	/*
	 * A region without huge pages is mapped whole by mmap() itself. Not
	 * MAP_POPULATE, which does not tell if it fails.
	 */
	if (alloc->huge_bytes && madvise(alloc->addr, alloc->bytes, MADV_POPULATE_READ)) {
		error = errno;
		unmap(alloc->addr, alloc->bytes);
		return judge_mapping(alloc, error);
	}
	return GRANTED;
}

/* Memory that is a region of its own. */
static enum verdict alloc_whole(struct allocation *alloc)
{
	enum verdict verdict;
	int fd, error;

	fd = device_open(alloc->node);
	if (fd < 0)
		return judge_open(alloc, errno);
	verdict = alloc_region(alloc, fd, NULL);
	if (verdict == GRANTED)
		verdict = map_region(alloc, fd);
	/* The mapping holds the region. */
	error = errno;
	close(fd);
	errno = error;
	return verdict;
}

/* Opens the device of a part, and sees whose it is. */
static enum verdict open_part(struct allocation *alloc, const struct numapin_part *part,
			      struct numapin_stripe *stripe)
{
	struct numapin_info info = { .size = sizeof(info) };

	alloc->node = part->node;
	stripe->weight = part->weight;
	stripe->fd = device_open(part->node);
	if (stripe->fd < 0)
		return judge_open(alloc, errno);
	if (ioctl(stripe->fd, NUMAPIN_IOCTL_INFO, &info))
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_NO_MODULE);
	if (info.out_node != part->node)
		return decline(alloc, ABSENT, ENODEV, NUMAPIN_REASON_WRONG_DEVICE);
	return GRANTED;
}

/* A region that is striped over its parts' nodes */
static enum verdict alloc_striped(struct allocation *alloc)
{
	struct numapin_stripe stripes[NUMAPIN_MAX_PARTS];
	enum verdict verdict = GRANTED;
	size_t nr = 0;
	int error;

	while (verdict == GRANTED && nr < alloc->nr_parts) {
		verdict = open_part(alloc, &alloc->parts[nr], &stripes[nr]);
		nr++;
	}
	if (verdict == GRANTED) {
		alloc->node = alloc->parts[0].node;
		verdict = alloc_region(alloc, stripes[0].fd, stripes);
	}
	if (verdict == GRANTED)
		verdict = map_region(alloc, stripes[0].fd);
	error = errno;
	while (nr--)
		if (stripes[nr].fd >= 0)
			close(stripes[nr].fd);
	errno = error;
	return verdict;
}

static enum verdict module_alloc(struct allocation *alloc)
{
	if (alloc->nr_parts)
		return alloc_striped(alloc);
	return slab_alloc(alloc, alloc_whole) ? GRANTED : alloc_whole(alloc);
}

static int module_free(const struct record *record)
{
	if (!record->slab)
		return free_mapping(record);
	slab_free(record->slab, record->addr, record->bytes);
	return 0;
}

static int module_locate(const char *addr, size_t count, int *nodes)
{
	struct numapin_locate arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
		.length = count * page_size(),
		.nodes = (uintptr_t)nodes,
	};
	int fd, rc, error;

	fd = device_open_any();
	if (fd < 0) {
		errno = ENODEV;
		return -1;
	}
	rc = ioctl(fd, NUMAPIN_IOCTL_LOCATE, &arg);
	error = errno == ENOTTY ? ENODEV : errno;
	close(fd);
	errno = error;
	return rc;
}

const struct backend backend_module = {
	.name		= "module",
	.outcome	= NUMAPIN_PINNED,
	.alloc		= module_alloc,
	.free		= module_free,
	.locate		= module_locate,
};
