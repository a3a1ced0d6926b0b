// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/numapin/nodeN/: counters, and the node's budget.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
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

static ssize_t lingering_bytes_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_bytes(&node->lingering_pages, buf);
}
static DEVICE_ATTR_RO(lingering_bytes);

static ssize_t poisoned_bytes_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_bytes(&node->poisoned_pages, buf);
}
static DEVICE_ATTR_RO(poisoned_bytes);

static ssize_t failed_copies_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%ld\n", atomic_long_read(&node->failed_copies));
}
static DEVICE_ATTR_RO(failed_copies);

static ssize_t failed_views_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%ld\n", atomic_long_read(&node->failed_views));
}
static DEVICE_ATTR_RO(failed_views);

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

/* One of the numbers of a pool, times @unit */
static ssize_t show_pool(struct numapin_pool *pool, const unsigned long *number,
			 unsigned long unit, char *buf)
{
	unsigned long nr;

	spin_lock(&pool->lock);
	nr = *number;
	spin_unlock(&pool->lock);
	return sysfs_emit(buf, "%lu\n", nr * unit);
}

static ssize_t pool_bytes_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.size, HPAGE_PMD_SIZE, buf);
}

/* Bytes, rounded down to whole 2 MiB pages. */
static ssize_t pool_bytes_store(struct device *dev,
				struct device_attribute *attr, const char *buf,
				size_t count)
{
	struct numapin_node *node = dev_get_drvdata(dev);
	u64 bytes;
	int rc;

	rc = kstrtou64(buf, 0, &bytes);
	if (rc)
		return rc;
	rc = numapin_pool_resize(node, bytes);
	return rc ? rc : count;
}
static DEVICE_ATTR_RW(pool_bytes);

static ssize_t pool_filled_bytes_show(struct device *dev,
				      struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.nr_zeroed, HPAGE_PMD_SIZE, buf);
}
static DEVICE_ATTR_RO(pool_filled_bytes);

static ssize_t pool_dirty_bytes_show(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.nr_dirty, HPAGE_PMD_SIZE, buf);
}
static DEVICE_ATTR_RO(pool_dirty_bytes);

static ssize_t pool_used_bytes_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.nr_used, HPAGE_PMD_SIZE, buf);
}
static DEVICE_ATTR_RO(pool_used_bytes);

static ssize_t pool_hits_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.hits, 1, buf);
}
static DEVICE_ATTR_RO(pool_hits);

static ssize_t pool_misses_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_pool(&node->pool, &node->pool.misses, 1, buf);
}
static DEVICE_ATTR_RO(pool_misses);

static ssize_t pool_reclaim_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", READ_ONCE(node->pool.reclaim));
}

static ssize_t pool_reclaim_store(struct device *dev,
				  struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct numapin_node *node = dev_get_drvdata(dev);
	bool reclaim;
	int rc;

	rc = kstrtobool(buf, &reclaim);
	if (rc)
		return rc;
	WRITE_ONCE(node->pool.reclaim, reclaim);
	return count;
}
static DEVICE_ATTR_RW(pool_reclaim);

static struct attribute *node_attrs[] = {
	&dev_attr_regions.attr,
	&dev_attr_bytes.attr,
	&dev_attr_huge_bytes.attr,
	&dev_attr_lingering_bytes.attr,
	&dev_attr_poisoned_bytes.attr,
	&dev_attr_failed_copies.attr,
	&dev_attr_failed_views.attr,
	&dev_attr_max_bytes.attr,
	&dev_attr_pool_bytes.attr,
	&dev_attr_pool_filled_bytes.attr,
	&dev_attr_pool_dirty_bytes.attr,
	&dev_attr_pool_used_bytes.attr,
	&dev_attr_pool_hits.attr,
	&dev_attr_pool_misses.attr,
	&dev_attr_pool_reclaim.attr,
	NULL,
};

static const struct attribute_group node_group = {
	.attrs = node_attrs,
};

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf);

/* In the folder failures/: how many allocations were refused for a cause. */
static struct device_attribute failures[NUMAPIN_NR_CAUSES] = {
	[NUMAPIN_CAUSE_NODE_FULL] =
		__ATTR(node_full, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_NO_HUGE_PAGE] =
		__ATTR(no_huge_page, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_TOO_LARGE] =
		__ATTR(too_large, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_CGROUP] =
		__ATTR(cgroup, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_CPUSET] =
		__ATTR(cpuset, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_NODE_GONE] =
		__ATTR(node_gone, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_BOOKKEEPING] =
		__ATTR(bookkeeping, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_MEMLOCK] =
		__ATTR(memlock, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_BUDGET] =
		__ATTR(budget, 0444, failures_show, NULL),
	[NUMAPIN_CAUSE_ONLY_MOVABLE] =
		__ATTR(only_movable, 0444, failures_show, NULL),
};

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);
	atomic_long_t *count = &node->failures[attr - failures];

	return sysfs_emit(buf, "%ld\n", atomic_long_read(count));
}

static struct attribute *failure_attrs[] = {
	&failures[NUMAPIN_CAUSE_NODE_FULL].attr,
	&failures[NUMAPIN_CAUSE_NO_HUGE_PAGE].attr,
	&failures[NUMAPIN_CAUSE_TOO_LARGE].attr,
	&failures[NUMAPIN_CAUSE_CGROUP].attr,
	&failures[NUMAPIN_CAUSE_CPUSET].attr,
	&failures[NUMAPIN_CAUSE_NODE_GONE].attr,
	&failures[NUMAPIN_CAUSE_BOOKKEEPING].attr,
	&failures[NUMAPIN_CAUSE_MEMLOCK].attr,
	&failures[NUMAPIN_CAUSE_BUDGET].attr,
	&failures[NUMAPIN_CAUSE_ONLY_MOVABLE].attr,
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
