// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many pages at once, on several CPUs. To allocate a page is to zero it, which is
 * what takes long.
 *
 * The caller has helpers: work on other CPUs that he may run on, nearest to the
 * node first. Everyone takes what can be had without reclaim. Where that ends, all
 * stop, and the caller goes on by himself, with reclaim and with an answer where
 * there is none: so helpers never wait for anything.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "numapin.h"

/* What is worth a helper: to have one come costs as much as to zero some of it. */
#define HELPER_BYTES	SZ_4M

/* What one takes at a time, where a page is not larger */
#define SHARE_BYTES	SZ_2M

/* How long a helper shares a CPU with others */
#define PATIENCE	(HZ / 20)

static unsigned int max_helpers = 8;
module_param(max_helpers, uint, 0644);
MODULE_PARM_DESC(max_helpers,
		 "CPUs that may help one that allocates a large region (8)");

static struct workqueue_struct *workqueue;

/**
 * struct numapin_crew - those who allocate pages for one caller
 * @node: Of the pages
 * @order: Of each
 * @gfp: What is asked beyond memory of the node
 * @memcg: Whom they are charged to
 * @table: Where they go: of an entry the one who took it from @next is the owner
 * @nr: How many are wanted
 * @share: How many one takes at a time
 * @next: The first that nobody took
 * @over: Nobody is to take any more
 *
 * Lifetime: numapin_crew_alloc().
 */
struct numapin_crew {
	struct numapin_node *node;
	unsigned int order;
	gfp_t gfp;
	struct mem_cgroup *memcg;
	void **table;
	unsigned long nr;
	unsigned long share;
	atomic_long_t next;
	bool over;
};

struct helper {
	struct work_struct work;
	struct numapin_crew *crew;
};

/* Allocates a share. Return: whether there is more to do. */
static bool alloc_share(struct numapin_crew *crew)
{
	unsigned long i = atomic_long_fetch_add(crew->share, &crew->next);
	unsigned long end = min(i + crew->share, crew->nr);
	struct folio *folio;

	for (; i < end; i++) {
		if (READ_ONCE(crew->over))
			return false;
		folio = numapin_folio_alloc_readily(crew->node, crew->order,
						    crew->gfp);
		if (!folio) {
			WRITE_ONCE(crew->over, true);
			return false;
		}
		crew->table[i] = folio;
	}
	return end < crew->nr;
}

/*
 * For as long as nobody else has use for the CPU, but for a moment. Who waited while
 * pages were zeroed goes first: it may be all that he wants.
 */
static void help(struct work_struct *work)
{
	struct numapin_crew *crew =
		container_of(work, struct helper, work)->crew;
	struct mem_cgroup *old = set_active_memcg(crew->memcg);
	unsigned long alone = jiffies;

	while (time_before_eq(jiffies, alone + PATIENCE) && alloc_share(crew)) {
		cond_resched();
		if (single_task_running())
			alone = jiffies;
	}
	set_active_memcg(old);
}

static void lead(struct numapin_crew *crew)
{
	while (!fatal_signal_pending(current) && alloc_share(crew))
		cond_resched();
	WRITE_ONCE(crew->over, true);
}

/* Takes the nearest node out of @left; NUMA_NO_NODE when that is empty. */
static int take_nearest(int nid, nodemask_t *left)
{
	int candidate, nearest = NUMA_NO_NODE;

	for_each_node_mask(candidate, *left)
		if (nearest == NUMA_NO_NODE ||
		    node_distance(nid, candidate) < node_distance(nid, nearest))
			nearest = candidate;
	if (nearest != NUMA_NO_NODE)
		node_clear(nearest, *left);
	return nearest;
}

/* Has CPUs help where the caller may run; not all callers the same. */
static unsigned int call_helpers(struct numapin_crew *crew,
				 struct helper *helpers, unsigned int max)
{
	const int here = raw_smp_processor_id();
	nodemask_t left = node_states[N_CPU];
	unsigned int nr = 0;
	int nid, cpu;

	while (nr < max &&
	       (nid = take_nearest(crew->node->nid, &left)) != NUMA_NO_NODE) {
		for_each_cpu_wrap(cpu, cpumask_of_node(nid),
				  (here + 1) % nr_cpu_ids) {
			if (nr == max)
				break;
			if (cpu == here || !cpu_online(cpu) ||
			    !cpumask_test_cpu(cpu, current->cpus_ptr))
				continue;
			helpers[nr].crew = crew;
			INIT_WORK(&helpers[nr].work, help);
			queue_work_on(cpu, workqueue, &helpers[nr].work);
			nr++;
		}
	}
	return nr;
}

/* Moves what there is to the front. Return: how much that is. */
static unsigned long compact(void **table, unsigned long nr)
{
	unsigned long i, n = 0;

	for (i = 0; i < nr; i++) {
		if (!table[i])
			continue;
		swap(table[n], table[i]);
		n++;
	}
	return n;
}

/**
 * numapin_crew_alloc - allocate many pages with the help of other CPUs
 * @node: Their node
 * @order: Of each
 * @gfp: __GFP_ZERO, and __GFP_ACCOUNT for the caller's memory cgroup
 * @table: Where they go, as folios; all NULL so far
 * @nr: How many
 *
 * Stops where no more can be had readily, at a fatal signal, and at once where it
 * is not enough to need help.
 *
 * Return: how many there are, from the start of @table.
 */
unsigned long numapin_crew_alloc(struct numapin_node *node, unsigned int order,
				 gfp_t gfp, void **table, unsigned long nr)
{
	unsigned long wanted = (nr << order) / (HELPER_BYTES >> PAGE_SHIFT);
	struct numapin_crew crew = {
		.node = node,
		.order = order,
		.gfp = gfp,
		.table = table,
		.nr = nr,
		.share = max(SHARE_BYTES >> PAGE_SHIFT >> order, 1),
	};
	struct helper *helpers;
	unsigned int nr_helpers;

	wanted = min3(wanted, (unsigned long)READ_ONCE(max_helpers),
		      (unsigned long)num_online_cpus());
	if (!wanted)
		return 0;
	helpers = kmalloc_array(wanted, sizeof(*helpers), NUMAPIN_TABLE_GFP);
	if (!helpers)
		return 0;
	if (gfp & __GFP_ACCOUNT)
		crew.memcg = get_mem_cgroup_from_mm(current->mm);
	nr_helpers = call_helpers(&crew, helpers, wanted);
	lead(&crew);
	while (nr_helpers--)
		cancel_work_sync(&helpers[nr_helpers].work);
	mem_cgroup_put(crew.memcg);
	kfree(helpers);
	return compact(table, nr);
}

/**
 * numapin_crew_init - for module load
 *
 * Return: 0, or an errno.
 */
int __init numapin_crew_init(void)
{
	/* Of each CPU: an unbound one would not spread over a node. */
	workqueue = alloc_workqueue("numapin", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	return workqueue ? 0 : -ENOMEM;
}

/**
 * numapin_crew_exit - for module unload
 */
void numapin_crew_exit(void)
{
	destroy_workqueue(workqueue);
}
