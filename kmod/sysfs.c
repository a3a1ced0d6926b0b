// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/numapin/nodeN/: counters, and the node's budget.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "numapin.h"

static ssize_t regions_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%ld\n", atomic_long_read(&node->regions));
}
static DEVICE_ATTR_RO(regions);

static ssize_t show_bytes(const atomic_long_t *pages, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)atomic_long_read(pages) << PAGE_SHIFT);
}

static ssize_t bytes_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_bytes(&node->pages, buf);
}
static DEVICE_ATTR_RO(bytes);

static ssize_t huge_bytes_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_bytes(&node->huge_pages, buf);
}
static DEVICE_ATTR_RO(huge_bytes);

static ssize_t poisoned_bytes_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_bytes(&node->poisoned_pages, buf);
}
static DEVICE_ATTR_RO(poisoned_bytes);

/* As cgroup's limits: bytes, rounded down to whole pages, or "max". */
static ssize_t max_bytes_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);
	unsigned long max = READ_ONCE(node->max_pages);

	if (max == LONG_MAX)
		return sysfs_emit(buf, "max\n");
	return sysfs_emit(buf, "%llu\n", (u64)max << PAGE_SHIFT);
}

static ssize_t max_bytes_store(struct device *dev,
			       struct device_attribute *attr, const char *buf,
			       size_t count)
{
	struct numapin_node *node = dev_get_drvdata(dev);
	unsigned long max = LONG_MAX;
	u64 bytes;
	int rc;

	if (!sysfs_streq(buf, "max")) {
		rc = kstrtou64(buf, 0, &bytes);
		if (rc)
			return rc;
		max = bytes >> PAGE_SHIFT;
	}
	WRITE_ONCE(node->max_pages, max);
	return count;
}
static DEVICE_ATTR_RW(max_bytes);

static struct attribute *node_attrs[] = {
	&dev_attr_regions.attr,
	&dev_attr_bytes.attr,
	&dev_attr_huge_bytes.attr,
	&dev_attr_poisoned_bytes.attr,
	&dev_attr_max_bytes.attr,
	NULL,
};

static const struct attribute_group node_group = {
	.attrs = node_attrs,
};

/* In the folder failures/: how many allocations were refused for a cause. */
static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct dev_ext_attribute *failure =
		container_of(attr, struct dev_ext_attribute, attr);
	struct numapin_node *node = dev_get_drvdata(dev);
	unsigned long cause = (unsigned long)failure->var;

	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&node->failures[cause]));
}

#define FAILURE_ATTR(_name, _cause)					\
	static struct dev_ext_attribute failure_##_name = {		\
		.attr = __ATTR(_name, 0444, failures_show, NULL),	\
		.var = (void *)NUMAPIN_CAUSE_##_cause,			\
	}

FAILURE_ATTR(node_full, NODE_FULL);
FAILURE_ATTR(no_huge_page, NO_HUGE_PAGE);
FAILURE_ATTR(too_large, TOO_LARGE);
FAILURE_ATTR(cgroup, CGROUP);
FAILURE_ATTR(cpuset, CPUSET);
FAILURE_ATTR(node_gone, NODE_GONE);
FAILURE_ATTR(bookkeeping, BOOKKEEPING);
FAILURE_ATTR(memlock, MEMLOCK);
FAILURE_ATTR(budget, BUDGET);
FAILURE_ATTR(only_movable, ONLY_MOVABLE);

static struct attribute *failure_attrs[] = {
	&failure_node_full.attr.attr,
	&failure_no_huge_page.attr.attr,
	&failure_too_large.attr.attr,
	&failure_cgroup.attr.attr,
	&failure_cpuset.attr.attr,
	&failure_node_gone.attr.attr,
	&failure_bookkeeping.attr.attr,
	&failure_memlock.attr.attr,
	&failure_budget.attr.attr,
	&failure_only_movable.attr.attr,
	NULL,
};
/* One for each cause but NONE, and the NULL */
static_assert(ARRAY_SIZE(failure_attrs) == NUMAPIN_NR_CAUSES);

static const struct attribute_group failure_group = {
	.name = "failures",
	.attrs = failure_attrs,
};

const struct attribute_group *numapin_groups[] = {
	&node_group,
	&failure_group,
	NULL,
};
