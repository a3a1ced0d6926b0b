/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/**
 * DOC: Memory on the NUMA node that was asked for
 *
 * There is one character device for each NUMA node with memory,
 * /dev/numapin/nodeN. Opening it is the right to memory of that node. It comes
 * and goes with the node's memory; ENXIO from open() says that there is none, and
 * ENOMEM that there is none for the file.
 *
 * An open file holds at most one region: pages of that node, all of them
 * allocated and zeroed when ALLOC, or the first mmap() of a file that has no
 * region, returns. The pages stay on the node until the region ends, which is
 * when the last mapping and the last descriptor of the file are gone.
 *
 * A region may be striped over several nodes (since ABI version 3): its pages are
 * in a fixed order on the one and the other, as struct numapin_stripe says. It counts
 * with each node for what it has of it, and what is said here of "the node" is said
 * of each page's.
 *
 * A region is shared memory: mappings in one process or in several, a parent's
 * and a child's after fork() among them, see each other's writes. Unless it was
 * made with NUMAPIN_ALLOC_PRIVATE (since ABI version 2), and then it is a
 * process's own, as malloc's memory is:
 *
 *  - It goes to the address space that maps its file first. Any other mmap() of
 *    the file is EBUSY, by whomever and for as long as the file is open. With
 *    its last mapping the memory is freed, by when the system call that ends
 *    that returns: an mmap() in its place (MAP_FIXED) may find it in use still.
 *  - After fork() parent and child each have all of it as it was, those two and
 *    what they fork in turn. A page is shared until one of them writes to it: he
 *    has a copy then, of the same size, which was allocated on the node, counts
 *    against the limits of the task that wrote, and is charged to its memory
 *    cgroup. Who is the last to have a page writes to it without a copy.
 *  - A copy that is not to be had (the node is full, or has not as much in one
 *    piece; a limit; a cpuset without the node) is SIGBUS for who writes, or EFAULT
 *    for a system call that does. failed_copies in sysfs counts them, and failures/
 *    what for. A child whose tables cannot be allocated has SIGBUS at any access
 *    (failed_views). fork() itself fails for neither.
 *  - With NUMAPIN_ALLOC_RESERVE neither happens to who was forked with success:
 *    at fork() as much is set aside as all may come to need, counted against the
 *    limits of the parent. Where that is not to be had, the child is without the
 *    region: SIGBUS at any access, failed_views, and the parent goes on as ever.
 *  - Long-term pins (RDMA, AF_XDP, fixed buffers of io_uring, VFIO) of a mapping
 *    are as good as of any memory until its process forks. At a fork pages that
 *    are pinned, or that the kernel has lent to somebody without a pin (direct
 *    I/O before Linux 6.5, pipes), are copied for the child at once; who has
 *    them goes on with the parent's. From the first fork on, in parent and
 *    child, a long-term pin for writing is EFAULT (since Linux 6.5; before, it is
 *    taken). One for reading alone is taken, of a page that the next write may
 *    replace by a copy: write to each page before. Short ones, as direct I/O's,
 *    are good at any time.
 *  - madvise(MADV_WIPEONFORK) is EINVAL. MADV_DONTFORK works, on Linux 7.3 for good:
 *    MADV_DOFORK is EINVAL there.
 *
 * mmap() of the file:
 *
 *  - MAP_PRIVATE is EINVAL, and PROT_EXEC is EPERM.
 *  - A file without a region gets one of the mapping's length, as by ALLOC
 *    without flags; the offset must then be 0 (EINVAL), the file open for
 *    writing (EACCES), and ALLOC's errors apply.
 *  - A file with a region maps any part of it. A range that is not wholly
 *    inside the region is EINVAL.
 *  - EBUSY where another thread is in the middle of making the region, or where
 *    it is private and mapped, or was.
 *  - A mapping cannot grow: mremap() to a larger size is EFAULT.
 *  - mbind() on the mapping is EPERM: its pages have their node. numa_maps tells
 *    that, as the policy "bind"; of a striped region it tells no policy, but how
 *    many pages are where. (To
 *    MPOL_DEFAULT it succeeds and does nothing; with MPOL_MF_STRICT it is
 *    EIO, as for any memory that is elsewhere; on 6.1 with that flag alone.)
 *  - As for any device, MAP_SHARED of a file open for writing alone is EACCES.
 *  - mmap() makes a region under the lock of the caller's address space, where
 *    other threads' page faults wait for it: large ones are better made by ALLOC.
 *
 * What a region counts against, from when it is made to its end:
 *
 *  - The budget of the node, which root sets: /sys/class/numapin/nodeN/max_bytes,
 *    in bytes or "max". Lowering it takes nothing from regions that are there.
 *  - RLIMIT_MEMLOCK of the user who makes it, that is who calls ALLOC or the
 *    mmap() that makes it, together with all else that the user has locked by
 *    way of files: buffers of io_uring, iommufd and AF_XDP. Handing the file on
 *    does not change whose it is. Exempt is who has CAP_IPC_LOCK in
 *    the initial user namespace, if he who opened the file had it there too.
 *  - The memory cgroup of the task that makes it, where the kernel counts its
 *    own memory (not with cgroup.memory=nokmem); but not what comes of the pool.
 *
 * The node's pool is a reserve of zeroed 2 MiB pages that root makes, as of huge
 * pages for hugetlb: by the module's parameter pool_bytes, a number for each node
 * from node 0 on, or in /sys/class/numapin/nodeN/:
 *
 *  - pool_bytes: its size in bytes, rounded down to whole 2 MiB pages. A larger one
 *    is allocated before write() returns: all of it, or none (ENOMEM, EINTR; EPERM
 *    for a cpuset without the node; EOPNOTSUPP where all memory is ZONE_MOVABLE;
 *    ENODEV where there is none any more). EINVAL or ERANGE for no number.
 *    What regions have beyond a smaller one is freed as they end.
 *  - pool_filled_bytes: what is ready; pool_dirty_bytes: what came back and is to be
 *    zeroed, when a CPU of the node is idle; pool_used_bytes: what regions have.
 *  - pool_hits, pool_misses: how many 2 MiB pages were asked for and were ready, or
 *    were not while the pool had a size.
 *  - pool_reclaim: 1: it gives way where memory of the node runs short; 0 (the
 *    default): it does not.
 *
 * Whoever makes a region has 2 MiB pages of the pool first, within the other limits,
 * and no memory cgroup is charged for them. Where the kernel has the dmem controller
 * as of 7.3, a pool is its region numapin/nodeN: what a region has of it counts there
 * against the cgroup of the task that makes it, and who may have no more of it has
 * ordinary memory of the node. With the region they go back to it. Memory that
 * is to go offline it lets go, and has so much less until pool_bytes is written
 * again. All of this is since version 0.2 of the module.
 *
 * Pages that a device, a pipe or a socket still has when the region ends count
 * on until it lets go of them, and a moment longer: a 2 MiB page or a cluster as a
 * whole (/sys/class/numapin/nodeN/lingering_bytes). They are nobody else's till then.
 *
 * A page on which the hardware fails: a mapping that has it keeps it, faulting
 * it in is SIGBUS, as is any of the 2 MiB page or the cluster that it is part of, and
 * at the region's end all of that is kept from use (/sys/class/numapin/nodeN/poisoned_bytes).
 *
 * /proc/PID/fdinfo/FD has numapin-node; and of a file with a region
 * numapin-region, which is a number that tracepoints give it and no other region
 * of the node, numapin-private (1 or 0), numapin-bytes, numapin-huge-pages (of
 * 2 MiB) and numapin-small-pages (of 4 KiB); and of a striped one a numapin-stripe
 * for each node: the node, its weight, and how many bytes are on it.
 *
 * What regions are not good for: futexes that processes share. Those of
 * PTHREAD_PROCESS_SHARED are EFAULT, since the kernel names them by the file
 * that a page belongs to, and these pages belong to none. (Futexes that are
 * private to a process work.)
 *
 * ioctls: every argument is a pointer to a struct, at any alignment, whose
 * first member is its size. A struct may be shorter than the kernel's, down to
 * the end of its last required input (EINVAL below that), or longer, where
 * what the kernel does not know is zero (E2BIG otherwise, and for a size above
 * 4096). Unknown flags and reserved space that is not zero are EINVAL. The
 * kernel writes members named ``out_...``, and the others back as it read them. A
 * failed call changes nothing else.
 *
 * Errors of every ioctl:
 *
 *  - EFAULT: the struct, or what it points to, cannot be read or written.
 *  - EINVAL, E2BIG: as above.
 *  - ENOTTY: no such ioctl.
 *
 * All of this is since ABI version 1, where nothing else is said.
 */
#ifndef _UAPI_LINUX_NUMAPIN_H
#define _UAPI_LINUX_NUMAPIN_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The version that INFO answers. It rises with what callers can rely on. */
#define NUMAPIN_ABI_VERSION	5

/* Free in the kernel's ioctl-number.rst as of 6.12. */
#define NUMAPIN_IOCTL_TYPE	0xBE

/**
 * enum numapin_alloc_flags - flags of struct numapin_alloc
 * @NUMAPIN_ALLOC_HUGE: 2 MiB pages only: fail rather than fall back to 4 KiB.
 *                      The length must be a multiple of 2 MiB.
 * @NUMAPIN_ALLOC_NO_HUGE: 4 KiB pages only, each by itself.
 * @NUMAPIN_ALLOC_PRIVATE: The region is a process's own, and copied on write
 *                         after fork(). Since ABI version 2.
 * @NUMAPIN_ALLOC_RESERVE: fork() sets aside what copies may need. With
 *                         %NUMAPIN_ALLOC_PRIVATE alone, else EINVAL. Since ABI
 *                         version 2.
 *
 * With neither of the first two the region has 2 MiB pages as far as its length
 * allows and the node has them, and 4 KiB pages for the rest. Of those 16 at a time
 * are a cluster, from the first on, as far as the node has such pieces ready: it is
 * mapped as 4 KiB pages are, but it is one page to copies after fork(), to hardware
 * that fails and to who has some of it when the region ends (since version 0.2 of the
 * module). Both at once are EINVAL.
 */
enum numapin_alloc_flags {
	NUMAPIN_ALLOC_HUGE	= 1 << 0,
	NUMAPIN_ALLOC_NO_HUGE	= 1 << 1,
	NUMAPIN_ALLOC_PRIVATE	= 1 << 2,
	NUMAPIN_ALLOC_RESERVE	= 1 << 3,
};

/**
 * enum numapin_cause - what an allocation failed for
 * @NUMAPIN_CAUSE_NONE: It did not fail, or it did for what errno says alone.
 * @NUMAPIN_CAUSE_NODE_FULL: ENOMEM: the node has no more free pages; or for the copy
 *                           of a cluster not as many in one piece (in failures/
 *                           alone).
 * @NUMAPIN_CAUSE_NO_HUGE_PAGE: ENOMEM: the node has no free 2 MiB page and
 *                              %NUMAPIN_ALLOC_HUGE was set; or a copy of one was
 *                              to be made (in failures/ alone).
 * @NUMAPIN_CAUSE_TOO_LARGE: ENOMEM: more than the node has, free or not, that
 *                           is not set aside for movable pages. Nothing was
 *                           reclaimed for it.
 * @NUMAPIN_CAUSE_CGROUP: ENOMEM: the caller's memory cgroup is at its limit.
 * @NUMAPIN_CAUSE_CPUSET: EPERM: the caller's cpuset does not have the node.
 * @NUMAPIN_CAUSE_NODE_GONE: ENODEV: the node's memory was all taken offline
 *                           since the device was opened.
 * @NUMAPIN_CAUSE_BOOKKEEPING: ENOMEM: no memory for the region's own tables,
 *                             on whichever node; or it would have 1 TiB or
 *                             more on 4 KiB pages.
 * @NUMAPIN_CAUSE_MEMLOCK: ENOMEM: it would exceed the caller's RLIMIT_MEMLOCK.
 * @NUMAPIN_CAUSE_BUDGET: ENOMEM: it would exceed the node's budget, max_bytes.
 * @NUMAPIN_CAUSE_ONLY_MOVABLE: EOPNOTSUPP: all memory of the node is
 *                              ZONE_MOVABLE, as CXL's is by default. What must
 *                              not move cannot come from there.
 *
 * /sys/class/numapin/nodeN/failures/ has for each how often it was given.
 */
enum numapin_cause {
	NUMAPIN_CAUSE_NONE		= 0,
	NUMAPIN_CAUSE_NODE_FULL		= 1,
	NUMAPIN_CAUSE_NO_HUGE_PAGE	= 2,
	NUMAPIN_CAUSE_TOO_LARGE		= 3,
	NUMAPIN_CAUSE_CGROUP		= 4,
	NUMAPIN_CAUSE_CPUSET		= 5,
	NUMAPIN_CAUSE_NODE_GONE		= 6,
	NUMAPIN_CAUSE_BOOKKEEPING	= 7,
	NUMAPIN_CAUSE_MEMLOCK		= 8,
	NUMAPIN_CAUSE_BUDGET		= 9,
	NUMAPIN_CAUSE_ONLY_MOVABLE	= 10,
};

/**
 * struct numapin_info - ioctl(NUMAPIN_IOCTL_INFO)
 * @size: sizeof(struct numapin_info)
 * @flags: Must be 0
 * @out_abi_version: %NUMAPIN_ABI_VERSION of the module
 * @out_node: The node of this device
 * @out_alloc_flags: The enum numapin_alloc_flags that ALLOC knows
 * @out_region_flags: The enum numapin_alloc_flags that this file's region was
 *                    made with. Since ABI version 2; 0 before.
 * @out_page_sizes: The sizes of pages, in bytes, OR-ed: each is a power of two
 * @out_length: Bytes of this file's region, 0 where it has none
 * @out_huge_bytes: How many of @out_length are on 2 MiB pages
 *
 * Tells what the module can do and what this file holds, so that whoever was
 * passed a descriptor can know. Works on a file open in any mode.
 */
struct numapin_info {
	__u32 size;
	__u32 flags;
	__u32 out_abi_version;
	__s32 out_node;
	__u32 out_alloc_flags;
	__u32 out_region_flags;
	__aligned_u64 out_page_sizes;
	__aligned_u64 out_length;
	__aligned_u64 out_huge_bytes;
};

#define NUMAPIN_IOCTL_INFO	_IO(NUMAPIN_IOCTL_TYPE, 0x00)

/* The most nodes that a region can be striped over */
#define NUMAPIN_MAX_STRIPES	64

/**
 * struct numapin_stripe - a node that a region is striped over
 * @fd: A file of the node's device that is open for writing: the right to it
 * @weight: How many pages in a row are on the node, from 1
 *
 * With the weights w0, w1, ... of stripes 0, 1, ... page i of a region is on the
 * node of stripe s for the least s where i % (w0 + w1 + ...) < w0 + ... + ws. A
 * page is of 2 MiB with %NUMAPIN_ALLOC_HUGE, of 4 KiB with %NUMAPIN_ALLOC_NO_HUGE.
 * LOCATE tells the same of a mapping. Since ABI version 3.
 */
struct numapin_stripe {
	__s32 fd;
	__u32 weight;
};

/**
 * struct numapin_alloc - ioctl(NUMAPIN_IOCTL_ALLOC)
 * @size: sizeof(struct numapin_alloc)
 * @flags: enum numapin_alloc_flags
 * @length: Bytes, from 1; rounded up to whole 4 KiB pages
 * @out_length: Bytes of the region, 0 on failure
 * @out_huge_bytes: How many of @out_length are on 2 MiB pages
 * @out_available: On failure, in bytes: for NODE_FULL and NO_HUGE_PAGE what
 *                 the node has free again now that this failed, of which it
 *                 keeps a little for itself; for TOO_LARGE what it has at
 *                 all; for MEMLOCK and BUDGET what was left of the limit; 0
 *                 for every other cause
 * @out_cause: On failure enum numapin_cause, else %NUMAPIN_CAUSE_NONE
 * @out_node: The node of this device, which is where the pages are; on failure
 *            the node that is the cause
 * @stripes: Where @nr_stripes is not 0: a pointer to as many struct numapin_stripe,
 *           the first of this device's node. They may be closed after the call.
 *           Since ABI version 3.
 * @nr_stripes: 0: all pages are on the device's node. Up to %NUMAPIN_MAX_STRIPES,
 *              and then with %NUMAPIN_ALLOC_HUGE or %NUMAPIN_ALLOC_NO_HUGE (EINVAL).
 * @reserved: Must be 0
 *
 * Makes the file's region. On success every page of it is allocated, zeroed
 * and was checked to be on the node. Members ``out_...`` are written for every
 * error but EFAULT, EINVAL and E2BIG.
 *
 * ALLOC is not answered by an OOM kill, and no signal interrupts it but a
 * fatal one. (mmap() needs page tables, which the kernel allocates as for any
 * other mapping.) "Page" is the kernel's: 4 KiB and 2 MiB are x86's, and those of
 * most kernels of arm64. Those of others there are 16 KiB and 32 MiB, or 64 KiB and
 * 512 MiB.
 *
 * Errors:
 *  - EBADF: the file is not open for writing; or a stripe's is not, or is no node
 *    device's.
 *  - EBUSY: another thread is in the middle of making this file's region.
 *  - EEXIST: the file has a region.
 *  - EINTR: a fatal signal.
 *  - EINVAL: @length is 0, or no multiple of 2 MiB with %NUMAPIN_ALLOC_HUGE; a
 *    stripe has no weight, or the node of one before it, or the first of them has
 *    another node than the device's.
 *  - ENODEV, ENOMEM, EOPNOTSUPP, EPERM: as @out_cause says.
 */
struct numapin_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 length;
	__aligned_u64 out_length;
	__aligned_u64 out_huge_bytes;
	__aligned_u64 out_available;
	__u32 out_cause;
	__s32 out_node;
	__aligned_u64 stripes;
	__u32 nr_stripes;
	__u32 reserved;
};

#define NUMAPIN_IOCTL_ALLOC	_IO(NUMAPIN_IOCTL_TYPE, 0x01)

/**
 * struct numapin_locate - ioctl(NUMAPIN_IOCTL_LOCATE)
 * @size: sizeof(struct numapin_locate)
 * @flags: Must be 0
 * @addr: Address in the caller's memory, a multiple of the 4 KiB page size; of a
 *        tagged pointer, as arm64 has them, the tag does not count
 * @length: Bytes, a multiple of the 4 KiB page size, not 0
 * @nodes: Where to write the nodes: a pointer to an array of __s32, one for
 *         each 4 KiB page of the range, at any alignment
 *
 * Tells the node of each page in a range of the caller's memory that is mapped
 * from node devices: of any region and any node, so that one open file can ask
 * for all; of a private region those that the caller has. The answer is read
 * from the pages. move_pages(2) tells the same to those who may call it.
 *
 * Errors:
 *  - EINTR: a fatal signal. Some of @nodes may have been written.
 *  - EINVAL: @addr or @length is unaligned or @length 0, or the range wraps
 *    or ends above what a process can have.
 *  - ENXIO: a page of the range is not mapped from a node device, or is one
 *    that fork() could not give. Some of @nodes may have been written.
 */
struct numapin_locate {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 nodes;
};

#define NUMAPIN_IOCTL_LOCATE	_IO(NUMAPIN_IOCTL_TYPE, 0x02)

/**
 * struct numapin_reopen - ioctl(NUMAPIN_IOCTL_REOPEN)
 * @size: sizeof(struct numapin_reopen)
 * @flags: Must be 0
 * @out_fd: A descriptor of the new file, close-on-exec
 * @reserved: Must be 0
 *
 * Opens the file's device again, in the same access mode: a file without a region,
 * and nobody else's, for who cannot open() it, or not any more, as after chroot(2),
 * with another user's rights or under seccomp(2). No path is looked up, and neither
 * the device's permissions nor a cgroup's list of devices is asked: an open file is
 * the right to the node, and may be handed on. It outlives the file that it was had
 * of. Works on a file open in any mode. Since ABI version 4.
 *
 * The new file is opened by the caller, with his credentials. Security modules are
 * asked as at any open(): a Landlock sandbox must have the device in its rules.
 *
 * Errors:
 *  - EACCES, EPERM: a security module does not let the device be opened.
 *  - EINVAL: @reserved is not 0.
 *  - EMFILE, ENFILE: there is no descriptor left, in the process or its limit; or no
 *    file in the system.
 *  - ENOMEM: there is no memory for the file.
 *  - ENXIO: the node has no memory any more.
 */
struct numapin_reopen {
	__u32 size;
	__u32 flags;
	__s32 out_fd;
	__u32 reserved;
};

#define NUMAPIN_IOCTL_REOPEN	_IO(NUMAPIN_IOCTL_TYPE, 0x03)

/**
 * struct numapin_export - ioctl(NUMAPIN_IOCTL_EXPORT)
 * @size: sizeof(struct numapin_export)
 * @flags: Must be 0
 * @offset: Where in the region to begin: bytes, a multiple of the 4 KiB page size
 * @length: Bytes, a multiple of the 4 KiB page size, not 0
 * @out_fd: A descriptor of the dma-buf, close-on-exec
 * @reserved: Must be 0
 *
 * Makes a part of a shared region a dma-buf, for drivers that import those: a
 * device works on the region's own pages, on the node where they are. While there is
 * a descriptor of it, a mapping or a driver that has it, the region stays; and with it
 * all that it counts against. Its mmap() is one of the region, of which LOCATE tells;
 * for 2 MiB pages to be mapped as such, the address must be a multiple of that.
 * The CPU's accesses while a device works on it are to be put between
 * DMA_BUF_IOCTL_SYNC, as for any dma-buf. An import of a page on which the hardware
 * failed is EHWPOISON. Since ABI version 5.
 *
 * Errors:
 *  - EBADF: the file is not open for reading and writing.
 *  - EINVAL: @reserved is not 0; @offset or @length is unaligned; @length is 0 or
 *    has more pages than 32 bits can count; or the file has no region, or it does not
 *    have all of the part.
 *  - EMFILE, ENFILE: there is no descriptor left, in the process or its limit; or no
 *    file in the system.
 *  - ENOMEM: there is no memory for the dma-buf.
 *  - EOPNOTSUPP: the region is private; or the kernel has no dma-bufs
 *    (CONFIG_DMA_SHARED_BUFFER).
 */
struct numapin_export {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__s32 out_fd;
	__u32 reserved;
};

#define NUMAPIN_IOCTL_EXPORT	_IO(NUMAPIN_IOCTL_TYPE, 0x04)

#endif /* _UAPI_LINUX_NUMAPIN_H */
