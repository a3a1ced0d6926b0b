// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of node devices, and what they need of the system.
 */
#include <linux/anon_inodes.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "compat.h"
#include "numapin.h"

/* The minor number is the node's. */
static dev_t numapin_devt;
static struct cdev *numapin_cdev;

/* The host of all regions' mappings: the core asks for its size. */
static struct inode *host;

/*
 * A file system of the module's own would be mounted by the first file that is
 * opened, and unmounted with the last: else the mount would hold the module.
 */
static int __init make_host(void)
{
	struct file *file;

	/* Its operations are the kernel's too: it may be closed after the exit. */
	file = anon_inode_getfile("numapin", &generic_ro_fops, NULL, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	host = alloc_anon_inode(file_inode(file)->i_sb);
	fput(file);
	if (IS_ERR(host))
		return PTR_ERR(host);
	/* Beyond it the core maps no PMDs. */
	i_size_write(host, MAX_LFS_FILESIZE);
	return 0;
}

static int numapin_open(struct inode *inode, struct file *file)
{
	struct numapin_node *node = numapin_node_find(iminor(inode));
	struct numapin_region *region;

	if (!node)
		return -ENXIO;
	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	numapin_region_init(region, node, host);

	file->private_data = region;
	file->f_mapping = &region->mapping;
	return 0;
}

static int numapin_release(struct inode *inode, struct file *file)
{
	struct numapin_region *region = file->private_data;

	if (numapin_region_ready(region))
		numapin_region_abandon(region);
	kfree(region);
	return 0;
}

static void show_lanes(struct seq_file *seq,
		       const struct numapin_region *region)
{
	const struct numapin_lane *lane = region->lanes;
	unsigned int i;

	if (!numapin_region_striped(region))
		return;
	for (i = 0; i < region->nr_lanes; i++, lane++)
		seq_printf(seq, "numapin-stripe:\t%d %u %llu\n",
			   lane->node->nid, lane->weight,
			   (u64)lane->nr_pages << PAGE_SHIFT);
}

static void numapin_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct numapin_region *region = file->private_data;

	seq_printf(seq, "numapin-node:\t%d\n", region->node->nid);
	if (!numapin_region_ready(region))
		return;
	seq_printf(seq, "numapin-region:\t%llu\n", region->id);
	seq_printf(seq, "numapin-private:\t%d\n",
		   numapin_region_private(region));
	seq_printf(seq, "numapin-bytes:\t%llu\n",
		   numapin_region_bytes(region));
	seq_printf(seq, "numapin-huge-pages:\t%lu\n", region->nr_huge);
	seq_printf(seq, "numapin-small-pages:\t%lu\n", region->nr_small);
	show_lanes(seq, region);
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
	.show_fdinfo		= numapin_show_fdinfo,
};

/**
 * numapin_file_node - the node of a device that a file is of
 * @file: Any file
 *
 * Return: the node; or NULL where it is no node device's.
 */
struct numapin_node *numapin_file_node(const struct file *file)
{
	struct numapin_region *region = file->private_data;

	return file->f_op == &numapin_fops ? region->node : NULL;
}

static char *numapin_devnode(const struct device *dev, umode_t *mode)
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

static int __init numapin_init(void)
{
	int rc;

	rc = make_host();
	if (rc)
		return rc;
	rc = numapin_lists_init();
	if (rc)
		goto err_host;
	rc = numapin_crew_init();
	if (rc)
		goto err_lists;
	rc = class_register(&numapin_class);
	if (rc)
		goto err_crew;
	rc = alloc_chrdev_region(&numapin_devt, 0, MAX_NUMNODES, "numapin");
	if (rc)
		goto err_class;
	rc = numapin_nodes_init(&numapin_class, numapin_devt);
	if (rc)
		goto err_chrdev;
	rc = numapin_pools_init();
	if (rc)
		goto err_nodes;
	numapin_cdev = cdev_alloc();
	if (!numapin_cdev) {
		rc = -ENOMEM;
		goto err_pools;
	}
	numapin_cdev->owner = THIS_MODULE;
	numapin_cdev->ops = &numapin_fops;
	rc = cdev_add(numapin_cdev, numapin_devt, MAX_NUMNODES);
	if (rc)
		goto err_cdev;
	/* From here on files can be open, and nothing may fail. */
	numapin_nodes_update();
	return 0;

err_cdev:
	kobject_put(&numapin_cdev->kobj);
err_pools:
	numapin_pools_exit();
err_nodes:
	numapin_nodes_exit();
err_chrdev:
	unregister_chrdev_region(numapin_devt, MAX_NUMNODES);
err_class:
	class_unregister(&numapin_class);
err_crew:
	numapin_crew_exit();
err_lists:
	numapin_lists_exit();
err_host:
	iput(host);
	return rc;
}

static void __exit numapin_exit(void)
{
	cdev_del(numapin_cdev);
	numapin_pools_exit();
	numapin_nodes_exit();
	unregister_chrdev_region(numapin_devt, MAX_NUMNODES);
	class_unregister(&numapin_class);
	numapin_crew_exit();
	numapin_lists_exit();
	iput(host);
}

module_init(numapin_init);
module_exit(numapin_exit);

MODULE_DESCRIPTION("Memory on the NUMA node that was asked for");
MODULE_AUTHOR("The numapin developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.2.0");
