/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share:
 *
 *   device.c	files of node devices; load and unload
 *   node.c	the nodes that have a device, as memory comes and goes
 *   sysfs.c	what a node device shows and lets root set
 *   ioctl.c	the ioctls of a node device
 *   region.c	pages of a region: all of them or none
 *   lanes.c	which of them are on which node
 *   view.c	what an address space sees of a region; its copies after fork()
 *   alloc.c	a folio on a node, or the reason why there is none
 *   crew.c	many of them at once, on several CPUs
 *   pool.c	zeroed folios that root had set aside
 *   folio.c	the end of folios: freed when nobody has them
 *   lists.c	free pages that the page allocator would not give
 *   limits.c	what a user and a node may have
 *   mapping.c	regions in address spaces: mmap, faults, fork, LOCATE
 *   dmabuf.c	regions as dma-bufs, for drivers of devices
 *   trace.h	tracepoints
 */
#ifndef NUMAPIN_H
#define NUMAPIN_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/numapin.h>

struct attribute_group;
struct class;
struct device;
struct mm_struct;
struct numapin_region;
struct page;
struct task_struct;
struct user_struct;

#define NUMAPIN_NR_CAUSES	(NUMAPIN_CAUSE_ONLY_MOVABLE + 1)

/*
 * Of small pages that come together, where they may: the least that the page
 * allocator keeps in no list of a CPU, which has to be emptied now and then as
 * something is freed.
 */
#define NUMAPIN_CLUSTER_ORDER	(PAGE_ALLOC_COSTLY_ORDER + 1)

/* How many folios are freed at a time: one by one they take longer. */
#define NUMAPIN_FREE_BATCH	32

/**
 * struct numapin_pool - a node's folios of HPAGE_PMD_ORDER that root set aside
 * @lock: Guards the lists and the numbers; but @size and @nr_dirty are read without, too
 * @size: How many it is to have, with @nr_used; root sets it
 * @nr_zeroed: How many are in @zeroed
 * @nr_dirty: How many are in @dirty, or are being zeroed
 * @nr_used: How many regions have
 * @hits: How often a zeroed one was handed out
 * @misses: How often there was none, while the pool had a size
 * @reclaim: Whether it gives way under pressure; root sets it
 * @filling: Folios are being allocated for it
 * @leaving_start: The first page frame of memory that is to go offline, and not into
 *                 a list any more
 * @leaving_end: The one after its last
 * @dmem: What cgroups' shares of it are counted in; NULL: they are not
 * @zeroed: Folios that are ready, by folio->lru, without a reference
 * @dirty: Folios that came back from regions, the same
 * @zeroing: The one that @thread zeroes, which is in neither list, or frees
 * @wait: Where @thread waits for @dirty ones, and others for it to be done with @zeroing
 * @thread: Zeroes them; NULL until the pool first has a size; under @resize_lock
 * @resize_lock: Held while @size is set and folios are allocated for it
 *
 * Lock rules: @lock is held for moments, but for numapin_pool_leave(), and inside
 * @resize_lock. It is not held while a folio is zeroed; @resize_lock is, by who fills
 * the pool.
 */
struct numapin_pool {
	spinlock_t lock;		/* guards the lists and numbers */
	unsigned long size;
	unsigned long nr_zeroed;
	unsigned long nr_dirty;
	unsigned long nr_used;
	unsigned long hits;
	unsigned long misses;
	bool reclaim;
	bool filling;
	unsigned long leaving_start;
	unsigned long leaving_end;
	struct dmem_cgroup_region *dmem;
	struct list_head zeroed;
	struct list_head dirty;
	struct folio *zeroing;
	wait_queue_head_t wait;
	struct task_struct *thread;
	struct mutex resize_lock;	/* guards thread, and size against others */
};

/**
 * struct numapin_node - a node that the module serves
 * @nid: The node
 * @policy: What numa_maps and get_mempolicy(2) are told of mappings. They take
 *          references that outlive a mapping; unloading waits for them.
 * @dev: Its device while it has memory, else NULL; under nodes_lock of node.c
 * @max_pages: Its budget: what @pages may rise to. Root sets it at any time.
 * @last_id: The last region's @id
 * @regions: Regions that have their pages
 * @pages: Pages of PAGE_SIZE that regions hold or are being given, or linger
 * @huge_pages: How many of @pages are in huge pages
 * @poisoned_pages: Pages that are kept from use for ever: hardware failed there
 * @lingering_pages: How many of @pages are of regions that ended, but were not
 *                   let go of by whoever else had references to them
 * @lingering_lock: Guards @lingering
 * @lingering: Their folios, by folio->lru; folio->private is the user that they
 *             count against, with a reference
 * @reaper: Frees those that were let go of; pending while there are any
 * @pool: Its pool
 * @failures: Refused allocations, by enum numapin_cause
 * @failed_copies: Folios that were to be copied after fork() and could not be
 * @failed_views: Views that could not be made, or not with all they were to have
 *
 * Lifetime: from when the node is first seen to have memory to module unload,
 * so that an open file need not hold it.
 *
 * Lock rules: @nid and @policy do not change, and the counters stand each for
 * itself. @lingering_lock is held for moments and nests with nothing. Callers on
 * different nodes share nothing but the list of offers, while their nodes are full.
 */
struct numapin_node {
	int nid;
	struct mempolicy policy;
	struct device *dev;
	unsigned long max_pages;
	atomic64_t last_id;
	atomic_long_t regions;
	atomic_long_t pages;
	atomic_long_t huge_pages;
	atomic_long_t poisoned_pages;
	atomic_long_t lingering_pages;
	spinlock_t lingering_lock;	/* guards lingering */
	struct list_head lingering;
	struct delayed_work reaper;
	struct numapin_pool pool;
	atomic_long_t failures[NUMAPIN_NR_CAUSES];
	atomic_long_t failed_copies;
	atomic_long_t failed_views;
} ____cacheline_aligned_in_smp;

/**
 * enum numapin_region_state - how far a region is
 * @NUMAPIN_REGION_EMPTY: It has no pages
 * @NUMAPIN_REGION_FILLING: The task that brought it here is making its pages
 * @NUMAPIN_REGION_READY: It has all its pages, until it ends
 */
enum numapin_region_state {
	NUMAPIN_REGION_EMPTY,
	NUMAPIN_REGION_FILLING,
	NUMAPIN_REGION_READY,
};

/**
 * struct numapin_view - what an address space sees of a region
 * @region: The region
 * @mm: Whose view it is, for comparison alone; NULL: a shared region's, which
 *      is everybody's, or a private one's that is not mapped yet
 * @list: In @views of the region
 * @nr_vmas: VMAs of @mm that show it
 * @protected: Its VMAs have operations that learn of writes, since a fork()
 * @written: Its VMAs may have writable entries in page tables
 * @failed: It has not all it was to have, and thus nothing
 * @lock: Guards who reads an entry of the tables against who replaces it
 * @huge: Its huge pages
 * @small: The pages after them
 *
 * The tables have the region's layout. An entry is NULL where a copy was not to
 * be had. A folio of a private region is in the tables of one view or several;
 * its struct numapin_share counts them, and it is writable in page tables only
 * where it is in one.
 *
 * Lifetime: the first view is part of its region; others are made by fork(). They
 * let go of their folios with their last VMA, or with the file where that has
 * nobody else. Who has a VMA of the view has the view.
 *
 * Lock rules: @nr_vmas rises under the mmap lock of @mm, held for writing, and
 * @protected and @failed change under it. Entries are replaced under the lock
 * of the folio that was there, and @lock; they are read under either, or where
 * nobody else can have a VMA of the view. Before the first fork(), which sets
 * @protected, no folio is in another view. @written is set by faults, and
 * cleared at fork(), when none is under way: all hold the mmap lock, where the
 * kernel has locks of VMAs too, as long as there is no ->map_pages
 * (vmf_can_call_fault()).
 */
struct numapin_view {
	struct numapin_region *region;
	struct mm_struct *mm;
	struct list_head list;
	refcount_t nr_vmas;
	bool protected;
	bool written;
	bool failed;
	spinlock_t lock;	/* guards entries of the tables */
	struct folio **huge;
	struct page **small;
};

/**
 * struct numapin_share - of a folio of a private region, in place of its lru
 * @spares: Folios set aside for copies of it, by their @spares; one less than
 *          @holders where the region reserves them, else none
 * @holders: Views that have the folio
 *
 * The folio's private is the user that it counts against, with a reference, or
 * NULL. Guarded by the folio's lock. The first word may not be odd: it is where
 * tail pages have the address of their head.
 */
struct numapin_share {
	struct folio *spares;
	unsigned long holders;
};

/**
 * struct numapin_lane - what a region has of one node
 * @node: The node, which no other lane of the region has
 * @weight: How many of its units are in a row, each turn
 * @user: Whose RLIMIT_MEMLOCK its pages count against, with a reference; NULL:
 *        nobody's. Of a private region each folio has its own instead.
 * @nr_pages: How many it is to have, in pages of PAGE_SIZE
 * @nr_huge: How many huge pages it has
 * @nr_small: How many pages of PAGE_SIZE it has beside
 * @nr_lingering: As the region ends: how many of @nr_pages linger with the node
 *
 * A unit is a huge page where the region is of those, else a page of PAGE_SIZE.
 */
struct numapin_lane {
	struct numapin_node *node;
	u32 weight;
	struct user_struct *user;
	unsigned long nr_pages;
	unsigned long nr_huge;
	unsigned long nr_small;
	unsigned long nr_lingering;
};

/**
 * struct numapin_region - what an open file of a node device holds
 * @node: The node of its device
 * @mapping: The file's f_mapping, unlike the device's: it has no pages, and knows
 *           where the region is mapped
 * @state: enum numapin_region_state
 * @id: What it goes by in fdinfo and tracepoints: no other of its node has the
 *      same, ever
 * @nr_pages: Its length, in pages of PAGE_SIZE
 * @flags: enum numapin_alloc_flags that it was made with
 * @nr_huge: How many huge pages it has: they come first, and a page of PAGE_SIZE
 *           never precedes one
 * @nr_small: How many pages come after them
 * @lanes: Whose they are; several where it is striped, and then it has only
 *         huge pages or only others
 * @nr_lanes: How many
 * @lane: The one of a region that is not striped
 * @first: Its pages as they were made, as everybody sees them; if it is private,
 *         as the first address space does that maps it
 * @views_lock: Guards @views
 * @views: If it is private: its views that are mapped, or are left to its end
 *
 * Lifetime: from open to release of the file, which every mapping has a
 * reference to.
 *
 * Lock rules: no lock. @node and @id do not change, and @mapping is the core's.
 * The task that moves @state from EMPTY to FILLING owns the rest, alone, until
 * it moves it on to READY or back. When READY, nothing changes any more but the
 * views, and anyone with a reference to the file may read. A lock would have to
 * be held both in mmap(), under mmap_lock, and around ALLOC's reply, which may
 * fault and take mmap_lock. @views_lock nests inside mmap_lock, and folio locks
 * do inside both.
 */
struct numapin_region {
	struct numapin_node *node;
	struct address_space mapping;
	u64 id;
	atomic_t state;
	u32 flags;
	unsigned long nr_pages;
	unsigned long nr_huge;
	unsigned long nr_small;
	struct numapin_lane *lanes;
	unsigned int nr_lanes;
	struct numapin_lane lane;
	struct numapin_view first;
	struct mutex views_lock;	/* guards views */
	struct list_head views;
};

/**
 * struct numapin_request - what is asked of a region, and why it was refused
 * @file: The region's file
 * @node: The node that is being asked, and on failure the one that refused
 * @length: Bytes; rounded up to whole pages
 * @flags: enum numapin_alloc_flags
 * @lanes: Of a striped region: of which nodes, and their weights; for kfree()
 * @nr_lanes: How many
 * @cause: On failure enum numapin_cause
 * @available: On failure as out_available of struct numapin_alloc
 */
struct numapin_request {
	struct file *file;
	struct numapin_node *node;
	u64 length;
	u32 flags;
	struct numapin_lane *lanes;
	unsigned int nr_lanes;
	enum numapin_cause cause;
	u64 available;
};

/**
 * struct numapin_offer - a page that a task offers to its own reclaim
 * @list: All offers
 * @task: The task
 * @page: The page; NULL when it is taken, or there was none to offer
 *
 * Lifetime: from numapin_offer() to numapin_withdraw().
 */
struct numapin_offer {
	struct list_head list;
	struct task_struct *task;
	struct page *page;
};

/**
 * enum numapin_fate - what becomes of a folio that is done with
 * @NUMAPIN_FOLIO_FREE: It is the caller's to free and to let off the limits
 * @NUMAPIN_FOLIO_GONE: It is back in the pool, or hardware failed on it; the caller
 *                      lets it off the limits
 * @NUMAPIN_FOLIO_LINGERS: Somebody else still has it, and it counts till then
 */
enum numapin_fate {
	NUMAPIN_FOLIO_FREE,
	NUMAPIN_FOLIO_GONE,
	NUMAPIN_FOLIO_LINGERS,
};

#define NUMAPIN_ALLOC_FLAGS	(NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE | \
				 NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_RESERVE)

/* For tables of pages. They too must not be answered by the OOM killer. */
#define NUMAPIN_TABLE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | \
				 __GFP_NOWARN)

/* Of a region: where its huge pages end and its small ones begin. */
static inline pgoff_t numapin_first_small(const struct numapin_region *region)
{
	return region->nr_huge << HPAGE_PMD_ORDER;
}

static inline bool numapin_region_private(const struct numapin_region *region)
{
	return region->flags & NUMAPIN_ALLOC_PRIVATE;
}

static inline bool numapin_region_striped(const struct numapin_region *region)
{
	return region->nr_lanes > 1;
}

static inline bool numapin_folio_huge(struct folio *folio)
{
	return folio_order(folio) == HPAGE_PMD_ORDER;
}

static inline int numapin_folio_nid(const struct folio *folio)
{
	/* It is in one word with flags, which others may change meanwhile. */
	return data_race(folio_nid(folio));
}

/* device.c */
struct numapin_node *numapin_file_node(const struct file *file);

/* node.c */
struct numapin_node *numapin_node_find(int nid);
struct numapin_node *numapin_node_of(const struct folio *folio);
int numapin_nodes_init(struct class *class, dev_t devt);
void numapin_nodes_update(void);
void numapin_nodes_exit(void);

/* sysfs.c */
extern const struct attribute_group *numapin_groups[];

/* limits.c */
int numapin_charge(struct numapin_request *req, unsigned long nr_pages,
		   struct user_struct **user);
void numapin_uncharge(struct numapin_node *node, struct user_struct *user,
		      unsigned long nr_pages);

/* alloc.c */
int numapin_refuse(struct numapin_request *req, int error,
		   enum numapin_cause cause, u64 available);
void numapin_count_refusal(const struct numapin_request *req, int error);
int numapin_request_check(struct numapin_request *req, unsigned long nr_pages);
struct folio *numapin_folio_alloc(struct numapin_request *req,
				  unsigned int order, gfp_t gfp, u64 held);
struct folio *numapin_folio_alloc_readily(struct numapin_node *node,
					  unsigned int order, gfp_t gfp);
void *numapin_table_alloc(unsigned long nr, struct numapin_request *req);

/* crew.c */
unsigned long numapin_crew_alloc(struct numapin_node *node, unsigned int order,
				 gfp_t gfp, void **table, unsigned long nr);
int numapin_crew_init(void);
void numapin_crew_exit(void);

/* pool.c */
void numapin_pool_init_folio(struct folio *folio);
struct folio *numapin_pool_take_first(struct numapin_node *node);
struct folio *numapin_pool_take(struct numapin_node *node, gfp_t gfp);
bool numapin_pool_put(struct numapin_node *node, struct folio *folio);
void numapin_pool_forget(struct numapin_node *node, struct folio *folio);
int numapin_pool_resize(struct numapin_node *node, u64 bytes);
void numapin_pool_leave(struct numapin_node *node, unsigned long start,
			unsigned long end);
void numapin_pool_stay(struct numapin_node *node);
int numapin_pool_init(struct numapin_node *node);
int numapin_pool_fill(struct numapin_node *node);
void numapin_pool_exit(struct numapin_node *node);
int numapin_pools_init(void);
void numapin_pools_exit(void);

/* folio.c */
bool numapin_folio_poisoned(struct folio *folio);
bool numapin_folio_quarantine(struct numapin_node *node, struct folio *folio);
enum numapin_fate numapin_folio_retire(struct numapin_node *node,
				       struct folio *folio,
				       struct user_struct *user);
void numapin_folios_init(struct numapin_node *node);
void numapin_folios_exit(struct numapin_node *node);

/* lists.c */
void numapin_offer(struct numapin_offer *offer);
void numapin_withdraw(struct numapin_offer *offer);
int numapin_lists_init(void);
void numapin_lists_exit(void);

/* region.c */
void numapin_region_init(struct numapin_region *region,
			 struct numapin_node *node, struct inode *host);
int numapin_region_fill(struct numapin_region *region,
			struct numapin_request *req);
void numapin_region_publish(struct numapin_region *region);
void numapin_region_abandon(struct numapin_region *region);
bool numapin_region_ready(const struct numapin_region *region);
u64 numapin_region_bytes(const struct numapin_region *region);
u64 numapin_region_huge_bytes(const struct numapin_region *region);

/* lanes.c */
void numapin_lanes_take(struct numapin_region *region,
			struct numapin_request *req);
void numapin_lanes_drop(struct numapin_region *region);
void numapin_lanes_divide(struct numapin_region *region, unsigned int order);
struct numapin_lane *numapin_lanes_find(struct numapin_region *region,
					const struct folio *folio);
int numapin_lanes_interleave(struct numapin_region *region,
			     struct numapin_request *req);

/* view.c */
struct folio *numapin_view_folio(const struct numapin_view *view,
				 pgoff_t index);
struct folio *numapin_view_lock_folio(struct numapin_view *view, pgoff_t index,
				      bool write, struct file *file);
void numapin_view_enter(struct numapin_view *view, struct folio *folio);
int numapin_view_nid(struct numapin_view *view, pgoff_t index);
void numapin_view_begin(struct numapin_region *region);
bool numapin_view_claim(struct numapin_view *view, struct mm_struct *mm);
void numapin_view_unclaim(struct numapin_view *view);
struct numapin_view *numapin_view_fork(struct numapin_view *parent,
				       struct vm_area_struct *vma);
void numapin_view_put(struct numapin_view *view, struct file *file);
void numapin_views_end(struct numapin_region *region);
void numapin_view_free_tables(struct numapin_view *view);

/* mapping.c */
int numapin_mmap(struct file *file, struct vm_area_struct *vma);
int numapin_locate(unsigned long addr, unsigned int nr_pages, s32 *nodes);

/* dmabuf.c */
#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
struct file *numapin_dmabuf_export(struct file *file, u64 offset, u64 length);
#else
static inline struct file *numapin_dmabuf_export(struct file *file, u64 offset,
						 u64 length)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

/* ioctl.c */
long numapin_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* NUMAPIN_H */
