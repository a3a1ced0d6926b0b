// SPDX-License-Identifier: GPL-2.0-only
/*
 * Node devices: made at load, one for each node with memory for the kernel;
 * their files, their counters in sysfs, and what they need of the system.
 */
#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "numapin.h"

/* Of the inodes behind node devices' files; "NPIN". */
#define NUMAPIN_FS_MAGIC	0x4e50494e

/* Indexed by node, which is the minor number too. */
static struct numapin_node *numapin_nodes[MAX_NUMNODES];
static dev_t numapin_devt;
static struct cdev numapin_cdev;

/* Mounted while a file is open; simple_pin_fs() has the lock for both. */
static struct vfsmount *numapin_mnt;
static int numapin_mnt_count;

static int numapin_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, NUMAPIN_FS_MAGIC) ? 0 : -ENOMEM;
}

/*
 * Mounted only while a file is open, since the mount holds the module. It must:
 * who walks all superblocks may put the last reference to one, and use its
 * type, after it was unmounted.
 */
static struct file_system_type numapin_fs_type = {
	.name			= "numapin",
	.owner			= THIS_MODULE,
	.init_fs_context	= numapin_init_fs_context,
	.kill_sb		= kill_anon_super,
};

static int numapin_open(struct inode *inode, struct file *file)
{
	struct numapin_node *node = numapin_nodes[iminor(inode)];
	struct numapin_region *region;
	int rc;

	if (!node)
		return -ENXIO;
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	rc = simple_pin_fs(&numapin_fs_type, &numapin_mnt, &numapin_mnt_count);
	if (rc)
		goto err_free;
	region->inode = alloc_anon_inode(numapin_mnt->mnt_sb);
	if (IS_ERR(region->inode)) {
		rc = PTR_ERR(region->inode);
		goto err_unpin;
	}
	region->node = node;
	/* Below any zone that user memory migrates to: it does not migrate. */
	mapping_set_gfp_mask(region->inode->i_mapping, GFP_DMA);

	file->private_data = region;
	file->f_mapping = region->inode->i_mapping;
	return 0;

err_unpin:
	simple_release_fs(&numapin_mnt, &numapin_mnt_count);
err_free:
	kfree(region);
	return rc;
}

static int numapin_release(struct inode *inode, struct file *file)
{
	struct numapin_region *region = file->private_data;

	if (numapin_region_ready(region))
		numapin_region_abandon(region);
	iput(region->inode);
	simple_release_fs(&numapin_mnt, &numapin_mnt_count);
	kfree(region);
	return 0;
}

static const struct file_operations numapin_fops = {
	.owner			= THIS_MODULE,
	.open			= numapin_open,
	.release		= numapin_release,
	.mmap			= numapin_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.unlocked_ioctl		= numapin_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.llseek			= noop_llseek,
};

static ssize_t show_counter(atomic_long_t *counter, char *buf)
{
	return sysfs_emit(buf, "%ld\n", atomic_long_read(counter));
}

static ssize_t regions_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_counter(&node->regions, buf);
}
static DEVICE_ATTR_RO(regions);

static ssize_t bytes_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_counter(&node->bytes, buf);
}
static DEVICE_ATTR_RO(bytes);

static ssize_t huge_bytes_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct numapin_node *node = dev_get_drvdata(dev);

	return show_counter(&node->huge_bytes, buf);
}
static DEVICE_ATTR_RO(huge_bytes);

static struct attribute *numapin_attrs[] = {
	&dev_attr_regions.attr,
	&dev_attr_bytes.attr,
	&dev_attr_huge_bytes.attr,
	NULL,
};
ATTRIBUTE_GROUPS(numapin);

static char *numapin_devnode(NUMAPIN_DEVNODE_CONST struct device *dev,
			     umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return kasprintf(GFP_KERNEL, "numapin/%s", dev_name(dev));
}

static struct class numapin_class = {
	.name		= "numapin",
	.devnode	= numapin_devnode,
	.dev_groups	= numapin_groups,
};

static int numapin_create_node(int nid)
{
	struct numapin_node *node;
	struct device *dev;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	node->nid = nid;
	atomic_set(&node->policy.refcnt, 1);
	node->policy.mode = MPOL_BIND;
	node->policy.home_node = NUMA_NO_NODE;
	node_set(nid, node->policy.nodes);
	numapin_nodes[nid] = node;

	dev = device_create(&numapin_class, NULL,
			    MKDEV(MAJOR(numapin_devt), nid), node, "node%d",
			    nid);
	return PTR_ERR_OR_ZERO(dev);
}

/*
 * get_mempolicy(2) may be about to put a reference that it took. That can take
 * it as long as a user likes; then the node is leaked, which costs less than an
 * unloading that hangs.
 */
static bool policy_is_unused(const struct mempolicy *policy)
{
	int tries;

	for (tries = 0; tries < 50; tries++) {
		if (atomic_read_acquire(&policy->refcnt) == 1)
			return true;
		msleep(20);
	}
	return false;
}

static void numapin_destroy_nodes(void)
{
	struct numapin_node *node;
	int nid;

	for_each_node(nid) {
		node = numapin_nodes[nid];
		if (!node)
			continue;
		device_destroy(&numapin_class,
			       MKDEV(MAJOR(numapin_devt), nid));
		if (policy_is_unused(&node->policy))
			kfree(node);
	}
}

static int numapin_create_nodes(void)
{
	int nid, rc;

	for_each_node_state(nid, N_NORMAL_MEMORY) {
		rc = numapin_create_node(nid);
		if (rc) {
			numapin_destroy_nodes();
			return rc;
		}
	}
	return 0;
}

static int __init numapin_init(void)
{
	int rc;

	rc = class_register(&numapin_class);
	if (rc)
		return rc;
	rc = alloc_chrdev_region(&numapin_devt, 0, MAX_NUMNODES, "numapin");
	if (rc)
		goto err_class;
	rc = numapin_create_nodes();
	if (rc)
		goto err_chrdev;
	/*
	 * Last, for what was opened would outlive an init that fails. Until
	 * then opening is ENXIO, also for who hears of the devices first.
	 */
	cdev_init(&numapin_cdev, &numapin_fops);
	numapin_cdev.owner = THIS_MODULE;
	rc = cdev_add(&numapin_cdev, numapin_devt, MAX_NUMNODES);
	if (rc)
		goto err_nodes;
	return 0;

err_nodes:
	numapin_destroy_nodes();
err_chrdev:
	unregister_chrdev_region(numapin_devt, MAX_NUMNODES);
err_class:
	class_unregister(&numapin_class);
	return rc;
}

static void __exit numapin_exit(void)
{
	cdev_del(&numapin_cdev);
	numapin_destroy_nodes();
	unregister_chrdev_region(numapin_devt, MAX_NUMNODES);
	class_unregister(&numapin_class);
}

module_init(numapin_init);
module_exit(numapin_exit);

MODULE_DESCRIPTION("Memory on the NUMA node that was asked for");
MODULE_AUTHOR("The numapin developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
