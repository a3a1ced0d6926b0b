/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnumapin: memory on the NUMA node that was asked for, and an honest answer
 * where that cannot be had.
 *
 * Memory comes from the first of these that is there:
 *
 *   module  /dev/numapin/nodeN of the numapin kernel module, or what the program
 *           gave in its place by numapin_use_device(). PINNED.
 *   mbind   anonymous memory, bound to the node by mbind(2), touched, and each
 *           page then asked of the kernel. BOUND.
 *   none    anonymous memory without placement, and a warning. UNBOUND.
 *
 * A backend is left for the next where it is absent or may not be used: no
 * device, no permission, no such node, no NUMA; and the module where the node
 * has no memory that can be pinned. Where it is there and refuses for lack of
 * memory or for a limit, that is the answer.
 *
 * Memory is the process's own, as malloc's is: after fork() parent and child
 * each have it as it was then, and neither sees what the other writes. What is
 * written first after a fork is copied, on the node: a 2 MiB page at a time, or
 * up to 64 KiB of what is smaller. Threads share it, execve() drops it, and each
 * process frees its own. With NUMAPIN_SHARED it is one for all who inherit it.
 *
 *                            as it is            with NUMAPIN_SHARED
 *   threads, vfork()         the same memory     the same memory
 *   parent and child         each its own        the same memory
 *   after execve()           none                none
 *   freed by one of them     the others keep it  the others keep it
 *
 * PINNED memory of up to 64 KiB that is private, without a reserve and without
 * NUMAPIN_REGION shares a region of 256 KiB with others of its node: limits count
 * that, where they allow it, and eight such regions at most are kept when all of
 * them is free, one of nodes that are alike modulo 8. What mprotect(2) or madvise(2)
 * changed there must be as it was when it is freed.
 *
 * A copy of PINNED memory that the node or a limit does not give is SIGBUS for
 * who writes; NUMAPIN_RESERVE sets memory aside at fork(), so that none fails.
 * A copy of BOUND or UNBOUND memory is the kernel's: OOM kill, if there is none.
 *
 * Environment, read at each allocation:
 *
 *   NUMAPIN_BACKEND=module|mbind|none  that backend and no other
 *   NUMAPIN_STRICT=1                   as if NUMAPIN_STRICT were in the flags
 *   NUMAPIN_WARN=once|always|never     warnings: once for each reason in the
 *                                      life of the process (the default)
 *
 * Every function may be called from any thread at any time, but not from a
 * signal handler. All of them are since version 0.1, where nothing else is said.
 */
#ifndef NUMAPIN_H
#define NUMAPIN_H

#include <stddef.h>

/* Of this header. numapin_version() has the library's, which may be newer. */
#define NUMAPIN_VERSION_MAJOR	0
#define NUMAPIN_VERSION_MINOR	2
#define NUMAPIN_VERSION_PATCH	0
#define NUMAPIN_VERSION		(NUMAPIN_VERSION_MAJOR * 1000000 + \
				 NUMAPIN_VERSION_MINOR * 1000 + NUMAPIN_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum numapin_outcome - how firmly memory is on its node
 * @NUMAPIN_UNBOUND: Not placed at all.
 * @NUMAPIN_BOUND: Every page was on the node when the allocation returned, as
 *                 the kernel told of each, and is bound there by policy. It may
 *                 be swapped, and moved by those who may move it.
 * @NUMAPIN_PINNED: Every page is on the node until it is freed.
 */
enum numapin_outcome {
	NUMAPIN_UNBOUND	= 1,
	NUMAPIN_BOUND	= 2,
	NUMAPIN_PINNED	= 3,
};

/**
 * enum numapin_flags - flags of numapin_alloc()
 * @NUMAPIN_STRICT: Fail rather than return UNBOUND memory.
 * @NUMAPIN_HUGE: 2 MiB pages only, or fail. Only the module can promise it.
 *                The size must be a multiple of 2 MiB.
 * @NUMAPIN_NO_HUGE: 4 KiB pages only, and copies after fork() are of one.
 * @NUMAPIN_SHARED: Shared with children after fork(), and not private to each.
 *                  Where there is no fork(), the same as without it.
 * @NUMAPIN_RESERVE: At each fork(), memory is set aside for all that may be
 *                   copied, or the child is without this memory (SIGBUS). Only
 *                   the module can promise it. Not with NUMAPIN_SHARED.
 * @NUMAPIN_REGION: A region of its own, or fail: never less than PINNED, and
 *                  nothing shares it, so that parts of it may be protected, advised
 *                  and unmapped as those of any mapping. Since version 0.2.
 */
enum numapin_flags {
	NUMAPIN_STRICT	= 1 << 0,
	NUMAPIN_HUGE	= 1 << 1,
	NUMAPIN_NO_HUGE	= 1 << 2,
	NUMAPIN_SHARED	= 1 << 3,
	NUMAPIN_RESERVE	= 1 << 4,
	NUMAPIN_REGION	= 1 << 5,
};

/**
 * enum numapin_reason - why memory is less than PINNED, or was refused
 * @NUMAPIN_REASON_NONE: It is PINNED; or it was refused for errno alone.
 * @NUMAPIN_REASON_NO_MODULE: ENODEV: the node has no device here.
 * @NUMAPIN_REASON_NO_PERMISSION: EACCES: the device may not be opened.
 * @NUMAPIN_REASON_WRONG_DEVICE: ENODEV: the device is another node's.
 * @NUMAPIN_REASON_NO_NODE: ENODEV: the system has no such node, or no memory
 *                          on it.
 * @NUMAPIN_REASON_NO_NUMA: ENOSYS: the system does not place memory, or the library
 *                          was built without what would tell it to.
 * @NUMAPIN_REASON_MBIND_DENIED: EPERM: the process may not place memory by
 *                               mbind(2), as in a container.
 * @NUMAPIN_REASON_NO_HUGE_PROMISE: EOPNOTSUPP: NUMAPIN_HUGE without the module.
 * @NUMAPIN_REASON_FORCED: EOPNOTSUPP: NUMAPIN_BACKEND leaves out the module,
 *                         and for UNBOUND memory mbind too.
 * @NUMAPIN_REASON_NODE_FULL: ENOMEM: the node has not that much free.
 * @NUMAPIN_REASON_NO_HUGE_PAGE: ENOMEM: NUMAPIN_HUGE, and the node has no free
 *                               2 MiB page left.
 * @NUMAPIN_REASON_TOO_LARGE: ENOMEM: more than the node has, free or not.
 * @NUMAPIN_REASON_CGROUP: ENOMEM: the memory cgroup has not that much left.
 * @NUMAPIN_REASON_CPUSET: EPERM: the cpuset does not have the node.
 * @NUMAPIN_REASON_NODE_GONE: ENODEV: the node has a device, but no memory for
 *                            the kernel any more.
 * @NUMAPIN_REASON_NO_MEMORY: ENOMEM: the system, or the process's limits, have
 *                            no memory or address space for it.
 * @NUMAPIN_REASON_MEMLOCK: ENOMEM: it would exceed RLIMIT_MEMLOCK, which the
 *                          module counts by user.
 * @NUMAPIN_REASON_BUDGET: ENOMEM: it would exceed what root has set as the most
 *                         that the module gives of the node.
 * @NUMAPIN_REASON_ONLY_MOVABLE: EOPNOTSUPP: the node has only memory that can
 *                               be moved (ZONE_MOVABLE), none to pin.
 * @NUMAPIN_REASON_NO_RESERVE: EOPNOTSUPP: NUMAPIN_RESERVE without the module.
 */
enum numapin_reason {
	NUMAPIN_REASON_NONE		= 0,
	NUMAPIN_REASON_NO_MODULE	= 1,
	NUMAPIN_REASON_NO_PERMISSION	= 2,
	NUMAPIN_REASON_WRONG_DEVICE	= 3,
	NUMAPIN_REASON_NO_NODE		= 4,
	NUMAPIN_REASON_NO_NUMA		= 5,
	NUMAPIN_REASON_MBIND_DENIED	= 6,
	NUMAPIN_REASON_NO_HUGE_PROMISE	= 7,
	NUMAPIN_REASON_FORCED		= 8,
	NUMAPIN_REASON_NODE_FULL	= 9,
	NUMAPIN_REASON_NO_HUGE_PAGE	= 10,
	NUMAPIN_REASON_TOO_LARGE	= 11,
	NUMAPIN_REASON_CGROUP		= 12,
	NUMAPIN_REASON_CPUSET		= 13,
	NUMAPIN_REASON_NODE_GONE	= 14,
	NUMAPIN_REASON_NO_MEMORY	= 15,
	NUMAPIN_REASON_MEMLOCK		= 16,
	NUMAPIN_REASON_BUDGET		= 17,
	NUMAPIN_REASON_ONLY_MOVABLE	= 18,
	NUMAPIN_REASON_NO_RESERVE	= 19,
};

/**
 * struct numapin_receipt - what an allocation came to
 * @node: The node that was asked for; of several the first, or on failure the one
 *        that is the reason
 * @outcome: enum numapin_outcome, 0 where the allocation failed
 * @reason: Why it is less than PINNED, or failed: enum numapin_reason
 * @shared: 1 where it is shared with children after fork(), else 0
 * @bytes: The size in whole pages, 0 where the allocation failed
 * @huge_bytes: How many of @bytes are known to be on 2 MiB pages: none where
 *              the outcome is not PINNED
 * @available: For NODE_FULL and NO_HUGE_PAGE the bytes that the node has free,
 *             for TOO_LARGE those that it has at all, for MEMLOCK and BUDGET
 *             those that are left of the limit, else 0
 */
struct numapin_receipt {
	int node;
	int outcome;
	int reason;
	int shared;
	size_t bytes;
	size_t huge_bytes;
	size_t available;
};

/**
 * allocate_on_node - memory on a NUMA node
 * @node: The node, from 0
 * @size: Bytes, from 1; rounded up to whole pages
 *
 * numapin_alloc() without flags and without a receipt.
 *
 * Return: zeroed, page-aligned, resident memory; NULL and errno on failure.
 */
void *allocate_on_node(int node, size_t size);

/**
 * free_numa_memory - free memory of allocate_on_node() or numapin_alloc()
 * @ptr: What that returned; NULL is no error and does nothing
 * @size: The size that it was given
 *
 * Frees nothing but what this library allocated and has not yet freed.
 *
 * Return: 0, or -1 and errno:
 *  EINVAL: @ptr is no such memory, or @size not its size. Nothing was freed.
 *  What munmap(2) says, if it refuses (on Windows EINVAL); the memory is then
 *  still allocated.
 */
int free_numa_memory(void *ptr, size_t size);

/**
 * numapin_alloc - memory on a NUMA node, with flags and a receipt
 * @node: The node, from 0
 * @size: Bytes, from 1; rounded up to whole pages
 * @flags: enum numapin_flags
 * @receipt: What the allocation came to, written whether it succeeds or fails;
 *           may be NULL
 *
 * Memory that is PINNED or BOUND is wholly on @node. Memory that is UNBOUND,
 * or BOUND because the module's device may not be used, comes with a warning.
 *
 * Return: zeroed, page-aligned, resident memory; NULL and errno on failure,
 * with numapin_error() to say it in words:
 *  EINVAL: @node is negative; @size is 0, or no multiple of 2 MiB with
 *          NUMAPIN_HUGE; @flags has unknown ones, or both NUMAPIN_HUGE and
 *          NUMAPIN_NO_HUGE, or both NUMAPIN_SHARED and NUMAPIN_RESERVE; or
 *          NUMAPIN_BACKEND names no backend.
 *  EMFILE, ENFILE: there is no descriptor left, to open the device or to read what
 *                  the node has.
 *  Else as enum numapin_reason says of the receipt's reason.
 */
void *numapin_alloc(int node, size_t size, unsigned int flags,
		    struct numapin_receipt *receipt);

/* The most parts that memory can be striped over */
#define NUMAPIN_MAX_PARTS	64

/**
 * struct numapin_part - a node that memory is striped over
 * @node: The node, from 0
 * @weight: How many pages in a row are on it, from 1
 *
 * Since version 0.2.
 */
struct numapin_part {
	int node;
	unsigned int weight;
};

/**
 * numapin_alloc_striped - memory on several NUMA nodes in turn
 * @parts: The nodes and their weights, no node twice
 * @count: The length of @parts, from 1 to NUMAPIN_MAX_PARTS
 * @size: Bytes, from 1; rounded up to whole pages
 * @flags: enum numapin_flags, with NUMAPIN_HUGE or NUMAPIN_NO_HUGE: which is a page
 * @receipt: As of numapin_alloc(); its @node is the first part's, or on failure the
 *           one that is the reason; may be NULL
 *
 * Page i of memory that is PINNED or BOUND is on numapin_part_node(@parts, @count, i).
 * It is PINNED only where each part's device may be opened. Where it is BOUND each run
 * of pages on a node is a mapping to the kernel, of which a process has 65530, if
 * /proc/sys/vm/max_map_count is as ever (ENOMEM). Freed by free_numa_memory(). Since
 * version 0.2.
 *
 * Return: zeroed, page-aligned, resident memory; NULL and errno on failure, as
 * numapin_alloc(), and:
 *  EINVAL: @count is none from 1 to NUMAPIN_MAX_PARTS; a node is negative or there
 *          twice; a weight is 0; @flags has neither NUMAPIN_HUGE nor NUMAPIN_NO_HUGE.
 */
void *numapin_alloc_striped(const struct numapin_part *parts, size_t count, size_t size,
			    unsigned int flags, struct numapin_receipt *receipt);

/**
 * numapin_part_node - which node a page of striped memory is on
 * @parts: As given to numapin_alloc_striped()
 * @count: The length of @parts
 * @page: Which page, from 0, of the size that was asked for
 *
 * By the parts alone: numapin_locate() asks the kernel. Since version 0.2.
 *
 * Return: the node; or -1 and errno:
 *  EINVAL: there are no parts, or none of them has a weight.
 */
int numapin_part_node(const struct numapin_part *parts, size_t count, size_t page);

/**
 * numapin_probe - what memory of a node would come to
 * @node: The node, from 0
 * @flags: As for numapin_alloc(); with NUMAPIN_HUGE a 2 MiB page is asked for
 * @receipt: What it came to: its @outcome tells the backend, its @reason why none
 *           that is firmer; may be NULL
 *
 * Allocates a page and frees it, without a warning: so what it says was so a
 * moment ago, for as little as that. Since version 0.2.
 *
 * Return: 0; or -1 and errno as numapin_alloc(), with numapin_error() in words.
 */
int numapin_probe(int node, unsigned int flags, struct numapin_receipt *receipt);

/**
 * numapin_use_device - have a node's memory by a device that is open
 * @fd: A file of the device, open for reading and writing (O_RDWR)
 *
 * From now on its node is served by files that the module gives for one that is open,
 * and the device's path is not looked up any more: so memory is PINNED also after
 * chroot(2), where seccomp(2) forbids open(2), and in a process that has the descriptor
 * from another but not the right to open the device. The device's permissions are not
 * asked again; a Landlock sandbox must have it in its rules.
 *
 * The library keeps a descriptor of its own, close-on-exec and above 2, for the life of
 * the process and of those that it forks: @fd may be closed, and a region that it has is
 * not held. A program that closes that too has memory of the node as without the module
 * (NUMAPIN_REASON_NO_MODULE), or NUMAPIN_REASON_WRONG_DEVICE where another node's device
 * has its number by then. Another device of the same node changes nothing. Since version
 * 0.2.
 *
 * Return: the node; or -1 and errno:
 *  EBADF: @fd is not open, or not for reading and writing.
 *  EACCES, EPERM: a security module does not let the device be opened again.
 *  EMFILE, ENFILE, ENOMEM: as open(2).
 *  ENODEV: @fd is no node device, or one of a module older than ABI version 4; or the
 *          node has no memory any more; or the system is none that the module is for.
 */
int numapin_use_device(int fd);

/**
 * numapin_locate - the nodes of pages, as the kernel tells them
 * @addr: Any address
 * @size: Bytes, from 1
 * @nodes: Where to write, for each page that the range touches, its node; or
 *         -ENOENT where it has no page yet, or another negative errno
 * @count: The length of @nodes
 *
 * Any memory of the process can be asked for. Where move_pages(2) is denied to
 * the process, as in a container, only memory from the module can.
 *
 * Return: the number of pages, or -1 and errno:
 *  EINVAL: @size is 0, or the range wraps.
 *  ERANGE: the range touches more than @count pages.
 *  EPERM: move_pages(2) is denied, and there is no device that may be opened.
 *  ENXIO: it is denied, and the range is not all memory from the module.
 *  ENOSYS: the system has no move_pages(2), or the library was built without
 *          libnuma; nor a device.
 */
long numapin_locate(const void *addr, size_t size, int *nodes, size_t count);

/**
 * struct numapin_node_bytes - how much is on a node
 * @node: The node
 * @bytes: What is on it
 */
struct numapin_node_bytes {
	int node;
	size_t bytes;
};

/**
 * struct numapin_mapping - a mapping of a process, as the kernel tells of it
 * @addr: Where it begins
 * @bytes: Its length
 * @page_bytes: The size of its pages, as the kernel counts them: 4096 for those
 *              that are mapped as huge pages too, but hugetlb's
 * @outcome: NUMAPIN_PINNED of a node device's, by its name; NUMAPIN_BOUND where
 *           its policy is to bind, and places its pages: anonymous memory, shared
 *           memory, and files of a tmpfs that the process has mounted or of hugetlb;
 *           else NUMAPIN_UNBOUND, as other files, shared or private, whose pages are
 *           in the page cache wherever they were first read to
 * @policy: Its policy in the kernel's words, as "bind:1"; of files too, which may
 *          not heed it
 * @name: The file that is mapped, or "heap", "stack"; "" for none
 * @nodes: Where those of its pages are that are there
 * @count: The length of @nodes
 */
struct numapin_mapping {
	const void *addr;
	size_t bytes;
	size_t page_bytes;
	int outcome;
	const char *policy;
	const char *name;
	const struct numapin_node_bytes *nodes;
	size_t count;
};

/**
 * typedef numapin_mapping_handler - takes mappings
 * @mapping: A mapping; valid during the call
 * @arg: As given to numapin_mappings()
 *
 * Return: 0 to go on; anything else ends it.
 */
typedef int numapin_mapping_handler(const struct numapin_mapping *mapping, void *arg);

/**
 * numapin_mappings - which memory of a process is where
 * @pid: The process; 0: this one
 * @handler: Called for each of its mappings, by address
 * @arg: What to give it
 *
 * Of /proc/PID/numa_maps, maps and mountinfo, with names as they are written there:
 * of a process that goes on meanwhile, mappings that came or went may be missing. Since
 * version 0.2.
 *
 * Return: 0, or what @handler returned to end it; or -1 and errno:
 *  EINVAL: @pid is negative.
 *  ENOENT: there is no such process, or the system does not tell of nodes.
 *  ESRCH, ENOENT: the process has ended meanwhile.
 *  EACCES: the process is another user's, or else one that this one may not trace.
 *  EMFILE, ENFILE, ENOMEM: as open(2).
 *  ENOSYS: the system has no such thing.
 */
int numapin_mappings(int pid, numapin_mapping_handler *handler, void *arg);

/**
 * numapin_nodes - the nodes that have memory
 * @nodes: Where to write them, in their order
 * @count: The length of @nodes
 *
 * Those that the process's cpuset has. Since version 0.2.
 *
 * Return: how many there are, which may be more than @count; or -1 and errno:
 *  EMFILE, ENFILE, ENOMEM: as open(2).
 *  ENOSYS: the system does not tell of nodes, or the library was built without
 *          libnuma.
 */
int numapin_nodes(int *nodes, size_t count);

/**
 * struct numapin_node - a node
 * @bytes: The memory that it has
 * @free_bytes: What of it is free now, without what the kernel would take back
 *              from page cache
 * @cpus: How many CPUs it has, online
 */
struct numapin_node {
	size_t bytes;
	size_t free_bytes;
	int cpus;
};

/**
 * numapin_describe_node - what a node has
 * @node: The node, from 0
 * @description: Where to write it
 *
 * Since version 0.2.
 *
 * Return: 0, or -1 and errno:
 *  EINVAL: @node is negative.
 *  ENODEV: there is no such node.
 *  EMFILE, ENFILE, ENOMEM: as open(2).
 *  ENOSYS: the system does not tell of nodes.
 */
int numapin_describe_node(int node, struct numapin_node *description);

/**
 * numapin_node_cpus - the CPUs of a node
 * @node: The node, from 0
 * @cpus: Where to write their numbers, as in sched_setaffinity(2)
 * @count: The length of @cpus
 *
 * Since version 0.2.
 *
 * Return: how many it has, which may be more than @count; or -1 and errno as
 * numapin_describe_node().
 */
int numapin_node_cpus(int node, int *cpus, size_t count);

/**
 * numapin_distance - how far a node is from another
 * @from: The one, from 0
 * @to: The other
 *
 * Since version 0.2.
 *
 * Return: the distance as the firmware tells it, 10 for a node to itself; or -1
 * and errno as numapin_describe_node().
 */
int numapin_distance(int from, int to);

/**
 * numapin_current_node - the node of the CPU that the calling thread is on
 *
 * By the time it returns that may be another. Since version 0.2.
 *
 * Return: the node; or -1 and errno ENOSYS where the system does not tell.
 */
int numapin_current_node(void);

/**
 * numapin_nearest_node - the nearest node with room
 * @from: The node to be near to, from 0
 * @size: Bytes that it is to have free
 *
 * Of numapin_nodes() the one at the least distance from @from, which may be that
 * itself, with @size bytes free; of those the one with the least number. What is
 * free need not be so for long, nor be within limits. Since version 0.2.
 *
 * Return: the node; or -1 and errno as numapin_describe_node(), or:
 *  ENOMEM: no node has so much free.
 */
int numapin_nearest_node(int from, size_t size);

/**
 * numapin_outcome_name - the name of an outcome
 * @outcome: enum numapin_outcome
 *
 * Since version 0.2.
 *
 * Return: "PINNED", "BOUND" or "UNBOUND"; "?" for anything else. Valid for good, and
 * not to be freed.
 */
const char *numapin_outcome_name(int outcome);

/**
 * numapin_reason_name - the name of a reason
 * @reason: enum numapin_reason
 *
 * Since version 0.2.
 *
 * Return: as "NODE_FULL"; "?" for a number that is no reason. Valid for good, and not
 * to be freed.
 */
const char *numapin_reason_name(int reason);

/**
 * numapin_version - the version of the library
 *
 * Since version 0.2.
 *
 * Return: as NUMAPIN_VERSION of the header that it was built with.
 */
unsigned int numapin_version(void);

/**
 * numapin_error - the last failure in words
 *
 * Return: what the last failed allocation of this thread failed for, in one
 * line of English without a newline; "" where none has failed. Valid until the
 * next failure in this thread.
 */
const char *numapin_error(void);

/**
 * numapin_set_error - say what numapin_error() returns
 * @words: One line of English, without a newline; what exceeds 255 bytes is cut off
 *
 * For libraries that are built on this one, when they refuse. It is this thread's last
 * failure then. Leaves errno alone. Since version 0.2.
 */
void numapin_set_error(const char *words);

/**
 * typedef numapin_warning_handler - takes warnings
 * @message: One line of English, without a newline; valid during the call
 * @arg: As given to numapin_set_warning_handler()
 *
 * Called in the thread that allocates. It may call anything.
 */
typedef void numapin_warning_handler(const char *message, void *arg);

/**
 * numapin_set_warning_handler - say who takes warnings
 * @handler: Who does from now on; NULL: the default, which writes to stderr
 * @arg: What to give him
 */
void numapin_set_warning_handler(numapin_warning_handler *handler, void *arg);

/**
 * numapin_warn - warn as this library does
 * @reason: enum numapin_reason, with which the warning counts: where NUMAPIN_WARN
 *          is "once" and there was one for it, this does nothing
 * @message: One line of English, without a newline
 *
 * For libraries that do without numapin's memory where it is refused, so that
 * whoever takes warnings takes theirs. Since version 0.2.
 */
void numapin_warn(enum numapin_reason reason, const char *message);

#ifdef __cplusplus
}
#endif

#endif /* NUMAPIN_H */
