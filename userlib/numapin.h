/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnumapin: memory on the NUMA node that was asked for, and an honest answer
 * where that cannot be had.
 *
 * Memory comes from the first of these that is there:
 *
 *   module  /dev/numapin/nodeN of the numapin kernel module. PINNED.
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
 * written first after a fork is copied, on the node, a 2 MiB page or a 4 KiB
 * page at a time. Threads share it, execve() drops it, and each process frees
 * its own. With NUMAPIN_SHARED it is one for all who inherit it.
 *
 *                            as it is            with NUMAPIN_SHARED
 *   threads, vfork()         the same memory     the same memory
 *   parent and child         each its own        the same memory
 *   after execve()           none                none
 *   freed by one of them     the others keep it  the others keep it
 *
 * PINNED memory of up to 64 KiB that is private and without a reserve shares a
 * region of 256 KiB with others of its node: limits count that, where they allow it,
 * and one such region may be kept when all of it is free. What mprotect(2) or
 * madvise(2) changed there must be as it was when it is freed.
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
 * signal handler. All of them are since version 0.1.
 */
#ifndef NUMAPIN_H
#define NUMAPIN_H

#include <stddef.h>

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
 * @NUMAPIN_NO_HUGE: 4 KiB pages only; copies after fork() are as fine.
 * @NUMAPIN_SHARED: Shared with children after fork(), and not private to each.
 * @NUMAPIN_RESERVE: At each fork(), memory is set aside for all that may be
 *                   copied, or the child is without this memory (SIGBUS). Only
 *                   the module can promise it. Not with NUMAPIN_SHARED.
 */
enum numapin_flags {
	NUMAPIN_STRICT	= 1 << 0,
	NUMAPIN_HUGE	= 1 << 1,
	NUMAPIN_NO_HUGE	= 1 << 2,
	NUMAPIN_SHARED	= 1 << 3,
	NUMAPIN_RESERVE	= 1 << 4,
};

/**
 * enum numapin_reason - why memory is less than PINNED, or was refused
 * @NUMAPIN_REASON_NONE: It is PINNED; or it was refused for errno alone.
 * @NUMAPIN_REASON_NO_MODULE: ENODEV: the node has no device here.
 * @NUMAPIN_REASON_NO_PERMISSION: EACCES: the device may not be opened.
 * @NUMAPIN_REASON_WRONG_DEVICE: ENODEV: the device is another node's.
 * @NUMAPIN_REASON_NO_NODE: ENODEV: the system has no such node, or no memory
 *                          on it.
 * @NUMAPIN_REASON_NO_NUMA: ENOSYS: the system does not place memory.
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
 * @node: The node that was asked for
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
 *  What munmap(2) says, if it refuses; the memory is then still allocated.
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
 *  EMFILE, ENFILE: there is no descriptor left to open the device.
 *  Else as enum numapin_reason says of the receipt's reason.
 */
void *numapin_alloc(int node, size_t size, unsigned int flags,
		    struct numapin_receipt *receipt);

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
 *  ENOSYS: the system has no move_pages(2), nor a device.
 */
long numapin_locate(const void *addr, size_t size, int *nodes, size_t count);

/**
 * numapin_error - the last failure in words
 *
 * Return: what the last failed allocation of this thread failed for, in one
 * line of English without a newline; "" where none has failed. Valid until the
 * next failure in this thread.
 */
const char *numapin_error(void);

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

#ifdef __cplusplus
}
#endif

#endif /* NUMAPIN_H */
