// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes that have a device: those with memory, as it is added and removed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/slab.h>

#include "compat.h"
#include "numapin.h"

/*
 * Indexed by node. An entry is set once, under nodes_lock, and then stays to
 * the end; it is read without.
 */
static struct numapin_node *nodes[MAX_NUMNODES];

/* Held while devices come and go. */
static DEFINE_MUTEX(nodes_lock);

/* Of which devices are, and the number of node 0's; set before any is made. */
static struct class *device_class;
static dev_t first_devt;

static struct numapin_node *create_node(int nid)
{
	struct numapin_node *node = kzalloc_obj(*node, GFP_KERNEL);

	if (!node)
		return NULL;
	node->nid = nid;
	node->max_pages = LONG_MAX;
	atomic_set(&node->policy.refcnt, 1);
	node->policy.mode = MPOL_BIND;
	node->policy.home_node = NUMA_NO_NODE;
	node_set(nid, node->policy.nodes);
	numapin_folios_init(node);
	if (numapin_pool_init(node)) {
		kfree(node);
		return NULL;
	}
	return node;
}

static int create_device(int nid)
{
	struct numapin_node *node = nodes[nid];
	const bool first = !node;
	struct device *dev;
	int rc;

	lockdep_assert_held(&nodes_lock);
	if (!node) {
		node = create_node(nid);
		if (!node)
			return -ENOMEM;
		/* Pairs with READ_ONCE() and the dependency that follows it. */
		smp_store_release(&nodes[nid], node);
	}
	if (node->dev)
		return 0;
	dev = device_create(device_class, NULL, first_devt + nid, node,
			    "node%d", nid);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	node->dev = dev;
	if (!first)
		return 0;
	rc = numapin_pool_fill(node);
	if (rc)
		pr_warn("node%d: no pool: %d\n", nid, rc);
	return 0;
}

/*
 * Memory that is to go is not held up by a pool, for nobody has it; nor, if it was
 * just then handed out, once it comes back. There is one at a time, of one zone.
 */
static void tell_pool(const struct memory_notify *memory, bool leaving)
{
	const int nid = pfn_to_nid(memory->start_pfn);
	struct numapin_node *node = READ_ONCE(nodes[nid]);

	if (!node)
		return;
	if (leaving)
		numapin_pool_leave(node, memory->start_pfn,
				   memory->start_pfn + memory->nr_pages);
	else
		numapin_pool_stay(node);
}

static void destroy_device(int nid)
{
	struct numapin_node *node = nodes[nid];

	lockdep_assert_held(&nodes_lock);
	if (!node || !node->dev)
		return;
	device_destroy(device_class, first_devt + nid);
	node->dev = NULL;
}

/* Makes the devices that are missing and takes away those of empty nodes. */
static void update_devices(struct work_struct *work)
{
	int nid, rc;

	mutex_lock(&nodes_lock);
	for_each_node(nid) {
		if (!node_state(nid, N_MEMORY)) {
			destroy_device(nid);
			continue;
		}
		rc = create_device(nid);
		if (rc)
			pr_warn("node%d: no device: %d\n", nid, rc);
	}
	mutex_unlock(&nodes_lock);
}

static DECLARE_WORK(update_work, update_devices);

/*
 * Not at once: memory hotplug holds locks here, and devtmpfs waits for whoever
 * reads a folder of it, for as long as he likes.
 */
static int memory_changed(struct notifier_block *block, unsigned long action,
			  void *data)
{
	if (action == MEM_GOING_OFFLINE)
		tell_pool(data, true);
	if (action == MEM_CANCEL_OFFLINE || action == MEM_OFFLINE)
		tell_pool(data, false);
	if (action == MEM_ONLINE || action == MEM_OFFLINE)
		schedule_work(&update_work);
	return NOTIFY_OK;
}

static struct notifier_block memory_notifier = {
	.notifier_call = memory_changed,
};

/*
 * get_mempolicy(2) may be about to put a reference that it took. That can take
 * it as long as a user likes; then the node is leaked, which costs less than an
 * unloading that hangs.
 */
static bool policy_is_unused(const struct mempolicy *policy,
			     unsigned long deadline)
{
	while (atomic_read_acquire(&policy->refcnt) != 1) {
		if (time_after(jiffies, deadline))
			return false;
		msleep(20);
	}
	return true;
}

/**
 * numapin_nodes_init - watch for nodes that get or lose their memory
 * @class: Of the devices that numapin_nodes_update() is to make
 * @devt: The number of node 0's; the others' follow
 *
 * Return: 0, or an errno.
 */
int numapin_nodes_init(struct class *class, dev_t devt)
{
	device_class = class;
	first_devt = devt;
	return register_memory_notifier(&memory_notifier);
}

/**
 * numapin_nodes_update - have a device for each node with memory, and no other
 *
 * A device that cannot be made is warned of, and tried again when memory
 * changes.
 */
void numapin_nodes_update(void)
{
	update_devices(&update_work);
}

/**
 * numapin_nodes_exit - the end of all devices and nodes
 *
 * For when no file is open.
 */
void numapin_nodes_exit(void)
{
	const unsigned long deadline = jiffies + HZ;
	int nid;

	unregister_memory_notifier(&memory_notifier);
	cancel_work_sync(&update_work);
	mutex_lock(&nodes_lock);
	for_each_node(nid)
		destroy_device(nid);
	mutex_unlock(&nodes_lock);

	for_each_node(nid) {
		if (!nodes[nid])
			continue;
		numapin_folios_exit(nodes[nid]);
		numapin_pool_exit(nodes[nid]);
		if (policy_is_unused(&nodes[nid]->policy, deadline))
			kfree(nodes[nid]);
	}
}

/**
 * numapin_node_find - a node that can be allocated from
 * @nid: Its number, below MAX_NUMNODES
 *
 * Return: the node, or NULL where it has no memory.
 */
struct numapin_node *numapin_node_find(int nid)
{
	struct numapin_node *node = READ_ONCE(nodes[nid]);

	return node && node_state(nid, N_MEMORY) ? node : NULL;
}

/**
 * numapin_node_of - the node of a folio that a region has, or the pool
 * @folio: The folio
 *
 * Return: the node.
 */
struct numapin_node *numapin_node_of(const struct folio *folio)
{
	return READ_ONCE(nodes[numapin_folio_nid(folio)]);
}
