// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way to take pages for others, or out of use, that has none of a region
 * while it is being written; and has ordinary memory, or the attempt would
 * prove nothing.
 */
#include <linux/mman.h>
#include <signal.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

#include "pressure.h"
#include "region.h"

/*
 * Reclaim and swap
 */

static bool swap_on(void)
{
	/* A test that failed may have left it on. */
	return !system("mkswap " DISK " >/dev/null 2>&1") && (!swapon(DISK, 0) || errno == EBUSY);
}

static const char *swapped(const char *addr)
{
	return smaps_bytes(addr, "Swap") > 0 ? "is swapped" : "stays";
}

/* How much of the disk's first @bytes is in the page cache, in pages */
static long cached(int disk, size_t bytes)
{
	unsigned char *vec = calloc(1, bytes / PAGE);
	char *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, disk, 0);
	long pages = -1;

	if (vec && map != MAP_FAILED && !mincore(map, bytes, vec)) {
		pages = 0;
		for (size_t i = 0; i < bytes / PAGE; i++)
			pages += vec[i] & 1;
	}
	munmap(map, bytes);
	free(vec);
	return pages;
}

TEST_F(region, drop_caches)
{
	char *buffer = malloc(ORDINARY);
	int disk, error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	disk = open(DISK, O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(ORDINARY, read(disk, buffer, ORDINARY));
	ASSERT_EQ(ORDINARY / PAGE, cached(disk, ORDINARY));
	/* What another CPU has in its hands stays a moment longer. */
	EXPECT_TRUE(SOON((error = write_errno("/proc/sys/vm/drop_caches", "3"),
			  !cached(disk, ORDINARY))));
	EXPECT_EQ(0, error);
	REPORT("drop_caches", cached(disk, ORDINARY) ? "stays" : "is dropped (page cache)", "%s",
	       answer(error));
	close(disk);
}

TEST_F(region, memory_reclaim)
{
	char *ordinary;
	int error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_TRUE(swap_on());
	ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	/* More than there is: what is left in the end is what cannot be had. */
	error = write_errno(CGROUP "/memory.reclaim", "1G");
	EXPECT_EQ(EAGAIN, error);
	EXPECT_LT(ORDINARY / 2, smaps_bytes(ordinary, "Swap"));
	EXPECT_LE(variant->bytes, cgroup_number("memory.current"));
	REPORT("memory.reclaim", swapped(ordinary), "%s", answer(error));
	EXPECT_EQ(0, swapoff(DISK));
}

/* Anonymous memory of node 1, and of no other node */
static char *node1_memory(size_t bytes)
{
	struct bitmask *node = only_node(1);
	char *addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr != MAP_FAILED && mbind(addr, bytes, MPOL_BIND, node->maskp, node->size + 1, 0))
		addr = MAP_FAILED;
	numa_bitmask_free(node);
	return addr == MAP_FAILED ? NULL : addr;
}

#define PRESSURE (256 * MIB)

/* Writes to memory until some of it is in swap; whether it came to that. */
static bool write_until_swapped(char *addr)
{
	for (size_t i = 0; i < PRESSURE; i += MIB) {
		memset(addr + i, 1, MIB);
		if (smaps_bytes(addr, "Swap") >= 4 * (long)MIB)
			return true;
	}
	return false;
}

TEST_F(region, swap_of_full_cgroup)
{
	char *ordinary = node1_memory(PRESSURE);

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	ASSERT_TRUE(swap_on());
	ASSERT_TRUE(write_file(CGROUP "/memory.max", "16M"));
	EXPECT_TRUE(write_until_swapped(ordinary));
	REPORT("swap, with the memory cgroup full", swapped(ordinary), "%s", "");
	munmap(ordinary, PRESSURE);
	EXPECT_EQ(0, swapoff(DISK));
}

/* Another region has most of the node. */
TEST_F(region, swap_of_full_node)
{
	char *ordinary = node1_memory(PRESSURE);
	int ballast = open_node(1, O_RDWR);

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	ASSERT_TRUE(swap_on());
	ASSERT_TRUE(write_file("/proc/sys/vm/drop_caches", "1"));
	ASSERT_EQ(0, alloc_region(ballast, node_free(1) - 64 * MIB, 0, NULL));
	EXPECT_TRUE(write_until_swapped(ordinary));
	REPORT("swap, with the node full", swapped(ordinary), "%s", "");
	munmap(ordinary, PRESSURE);
	close(ballast);
	EXPECT_EQ(0, swapoff(DISK));
}

/*
 * Advice. What is tried on a region is tried on a part of a huge page too, which
 * is for the kernel to split first.
 */

TEST_F(region, pageout)
{
	int error, error_of_page;
	long before, pages;
	char *ordinary;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_TRUE(swap_on());
	ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	/* What is in use comes back at once, and as the page that it was. */
	before = vmstat("pswpout");
	error = advise(self->addr, variant->bytes, MADV_PAGEOUT);
	error_of_page = advise(self->addr + PAGE, PAGE, MADV_PAGEOUT);
	pages = vmstat("pswpout") - before;
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, error_of_page);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_PAGEOUT));
	EXPECT_LT(ORDINARY / 2, smaps_bytes(ordinary, "Swap"));
	REPORT("MADV_PAGEOUT", swapped(ordinary), "%s; %ld pages written to swap",
	       answer(error ?: error_of_page), pages);
	munmap(ordinary, ORDINARY);
	EXPECT_EQ(0, swapoff(DISK));
}

/* Of its parent's memory; process_madvise() is asked to take it all. */
static int pageout_of_parent(char *addr, size_t bytes)
{
	struct iovec iov = { .iov_base = addr, .iov_len = bytes };
	int pidfd = syscall(SYS_pidfd_open, getppid(), 0);
	ssize_t n = syscall(SYS_process_madvise, pidfd, &iov, 1, MADV_PAGEOUT, 0);

	return n < 0 ? errno : n == bytes ? 0 : EINTR;
}

TEST_F(region, pageout_by_another_process)
{
	int status, error;
	char *ordinary;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_TRUE(swap_on());
	ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	if (!fork()) {
		/* What two have mapped is not paged out. */
		munmap(self->addr, variant->bytes);
		munmap(ordinary, ORDINARY);
		error = pageout_of_parent(self->addr, variant->bytes);
		_exit(pageout_of_parent(ordinary, ORDINARY) ? 255 : error);
	}
	wait(&status);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_LT(ORDINARY / 2, smaps_bytes(ordinary, "Swap"));
	REPORT("process_madvise, MADV_PAGEOUT", swapped(ordinary), "%s",
	       answer(WEXITSTATUS(status)));
	munmap(ordinary, ORDINARY);
	EXPECT_EQ(0, swapoff(DISK));
}

TEST_F(region, cold)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	int error, error_of_page;

	ASSERT_NE(NULL, ordinary);
	EXPECT_EQ(ORDINARY, smaps_bytes(ordinary, "Referenced"));
	error = advise(self->addr, variant->bytes, MADV_COLD);
	error_of_page = advise(self->addr + PAGE, PAGE, MADV_COLD);
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, error_of_page);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_COLD));
	EXPECT_EQ(0, smaps_bytes(ordinary, "Referenced"));
	REPORT("MADV_COLD", smaps_bytes(ordinary, "Referenced") ? "stays" : "is cold", "%s",
	       answer(error ?: error_of_page));
}

TEST_F(region, free)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	int error;

	ASSERT_NE(NULL, ordinary);
	error = advise(self->addr, variant->bytes, MADV_FREE);
	EXPECT_EQ(EINVAL, error);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_FREE));
	EXPECT_LT(0, smaps_bytes(ordinary, "LazyFree"));
	REPORT("MADV_FREE", smaps_bytes(ordinary, "LazyFree") ? "is free to take" : "stays", "%s",
	       answer(error));
}

TEST_F(region, dontneed)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int error, error_of_page;

	ASSERT_NE(NULL, ordinary);
	error = advise(self->addr, variant->bytes, MADV_DONTNEED);
	error_of_page = advise(self->addr + PAGE, PAGE, MADV_DONTNEED);
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, error_of_page);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_DONTNEED));
	EXPECT_TRUE(all_zero(ordinary, ORDINARY));
	REPORT("MADV_DONTNEED", lost(ordinary, ORDINARY), "%s", answer(error ?: error_of_page));
}

/* The same for memory that is locked; a region's cannot be, nor need it. */
TEST_F(region, dontneed_locked)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int error, error_of_page;

	ASSERT_NE(NULL, ordinary);
	ASSERT_EQ(0, mlock(self->addr, variant->bytes));
	ASSERT_EQ(0, mlock(ordinary, ORDINARY));
	EXPECT_EQ(EINVAL, advise(ordinary, ORDINARY, MADV_DONTNEED));
	error = advise(self->addr, variant->bytes, MADV_DONTNEED_LOCKED);
	error_of_page = advise(self->addr + PAGE, PAGE, MADV_DONTNEED_LOCKED);
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, error_of_page);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_DONTNEED_LOCKED));
	EXPECT_TRUE(all_zero(ordinary, ORDINARY));
	REPORT("MADV_DONTNEED_LOCKED, after mlock", lost(ordinary, ORDINARY), "%s",
	       answer(error ?: error_of_page));
}

/* Of ordinary memory it takes such as is shared. */
TEST_F(region, remove)
{
	char *ordinary = mmap(NULL, ORDINARY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
	int error;

	ASSERT_NE(MAP_FAILED, ordinary);
	memset(ordinary, 1, ORDINARY);
	error = advise(self->addr, variant->bytes, MADV_REMOVE);
	EXPECT_EQ(ENODEV, error);
	EXPECT_EQ(0, advise(ordinary, ORDINARY, MADV_REMOVE));
	EXPECT_TRUE(all_zero(ordinary, ORDINARY));
	REPORT("MADV_REMOVE", lost(ordinary, ORDINARY), "%s", answer(error));
}

/*
 * Pages that the hardware calls bad, or about to be
 */

#define UNPOISON "/sys/kernel/debug/hwpoison/unpoison-pfn"

/* Makes a page good again; whether it is. */
static bool unpoison(uint64_t frame)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)frame);
	return !system("modprobe hwpoison_inject") && write_file(UNPOISON, text) &&
	       !is_poisoned(frame);
}

TEST_F(region, soft_offline)
{
	char *ordinary = ordinary_memory(PAGE, MADV_NOHUGEPAGE);
	uint64_t frame;
	int error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	frame = page_frame(ordinary);
	error = advise(self->addr + PAGE, PAGE, MADV_SOFT_OFFLINE);
	EXPECT_EQ(EIO, error);
	EXPECT_FALSE(is_poisoned(self->frames[1] & PAGEMAP_FRAME));
	EXPECT_EQ(0, advise(ordinary, PAGE, MADV_SOFT_OFFLINE));
	EXPECT_NE(frame, page_frame(ordinary));
	EXPECT_TRUE(is_poisoned(frame));
	REPORT("MADV_SOFT_OFFLINE", moves(frame != page_frame(ordinary)), "%s", answer(error));
	EXPECT_TRUE(unpoison(frame));
}

/* What a child ends with that poisons a page of its own and reads it */
static int poison_ordinary(uint64_t *frame)
{
	char *ordinary = ordinary_memory(PAGE, MADV_NOHUGEPAGE);

	if (!ordinary)
		return -1;
	*frame = page_frame(ordinary);
	advise(ordinary, PAGE, MADV_HWPOISON);
	return *(volatile char *)ordinary;
}

TEST_F(region, hwpoison)
{
	uint64_t frame, *ordinary_frame = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error, status, fd = open_node(1, O_RDWR);
	bool bad, there;
	char *addr;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	/* One of its own, because a page that was bad once is not the same again. */
	ASSERT_EQ(0, alloc_region(fd, HUGE_PAGE, variant->flags, NULL));
	addr = map_shared(fd, HUGE_PAGE, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	addr += 3 * PAGE;
	memcpy(addr, "still there", sizeof("still there"));
	frame = page_frame(addr);

	error = advise(addr, PAGE, MADV_HWPOISON);
	bad = is_poisoned(frame);
	there = !strcmp(addr, "still there") && page_frame(addr) == frame;
	EXPECT_TRUE(bad);

	if (!fork())
		_exit(poison_ordinary(ordinary_frame));
	wait(&status);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGBUS, WTERMSIG(status));
	REPORT("MADV_HWPOISON", WIFSIGNALED(status) ? "is lost (SIGBUS)" : "stays", "%s; %s, %s",
	       answer(error), bad ? "poisoned" : "not poisoned",
	       there ? "still mapped and read" : "gone");

	munmap(addr - 3 * PAGE, HUGE_PAGE);
	close(fd);
	/* The region's is kept from use for ever. */
	EXPECT_TRUE(unpoison(*ordinary_frame));
}

/*
 * Memory that is to go offline
 */

#define BLOCKS "/sys/devices/system/memory"

/* Bytes of a memory block */
static unsigned long block_size(void)
{
	FILE *file = fopen(BLOCKS "/block_size_bytes", "r");
	unsigned long size = 0;

	if (file && fscanf(file, "%lx", &size) != 1)
		size = 0;
	if (file)
		fclose(file);
	return size;
}

static void interrupt(int signal)
{
}

/* Tries to change a block's state, for 10 s at most. The error, 0: it changed. */
static int set_block(long block, const char *state)
{
	const struct sigaction action = { .sa_handler = interrupt };
	char path[64];
	int error;

	snprintf(path, sizeof(path), BLOCKS "/memory%ld/state", block);
	sigaction(SIGALRM, &action, NULL);
	alarm(10);
	error = write_errno(path, state);
	alarm(0);
	return error;
}

/* Whether a part of a block is not memory, as where firmware has kept some */
static bool has_hole(long block)
{
	const unsigned long long size = block_size(), start = block * size;
	FILE *ranges = fopen("/proc/iomem", "r");
	unsigned long long first, last;
	bool whole = false;
	char line[128];
	int length;

	while (ranges && !whole && fgets(line, sizeof(line), ranges)) {
		length = 0;
		if (sscanf(line, "%llx-%llx : System RAM%n", &first, &last, &length) == 2 && length)
			whole = first <= start && start + size - 1 <= last;
	}
	if (ranges)
		fclose(ranges);
	return !whole;
}

/* What the kernel says to a block whose pages stay: holes are what it looks for first. */
static int refused_by(long block)
{
	return has_hole(block) ? EINVAL : EBUSY;
}

/* A refusal to take a block offline, and what the kernel's log says of it: the page, and why */
struct refusal {
	int error;
	unsigned long frame;
	char reason[64];
};

static void read_refusal(int kmsg, struct refusal *refusal)
{
	char record[1024], *field;
	ssize_t n;

	refusal->frame = 0;
	refusal->reason[0] = '\0';
	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		field = strstr(record, " pfn:0x");
		if (field)
			refusal->frame = strtoul(field + 7, NULL, 16);
		field = strstr(record, "page dumped because: ");
		if (field)
			snprintf(refusal->reason, sizeof(refusal->reason), "%.*s",
				 (int)strcspn(field, "\n"), field);
	}
}

static bool has_frame(const uint64_t *entries, size_t bytes, uint64_t frame)
{
	for (size_t i = 0; i < bytes / PAGE; i++)
		if ((entries[i] & PAGEMAP_FRAME) == frame)
			return true;
	return false;
}

#define MAX_BLOCKS 64

/* The numbers of the blocks that a region's pages are in; how many those are */
static size_t blocks_of(const uint64_t *entries, size_t bytes, long *blocks)
{
	const unsigned long size = block_size();
	size_t nr = 0, j;

	for (size_t i = 0; size && i < bytes / PAGE; i++) {
		long block = (entries[i] & PAGEMAP_FRAME) * PAGE / size;

		for (j = 0; j < nr && blocks[j] != block; j++)
			;
		if (j == nr && nr < MAX_BLOCKS)
			blocks[nr++] = block;
	}
	return nr;
}

/* A block of node 1 that is offline, as the test guest has one; -1: none. */
static long offline_block(void)
{
	char path[96];

	for (long block = 0; block < 4096; block++) {
		snprintf(path, sizeof(path), BLOCKS "/memory%ld/node1", block);
		if (access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), BLOCKS "/memory%ld/online", block);
		if (!file_number(path))
			return block;
	}
	return -1;
}

/* Whether pages of a range that are in a block leave it, and let it go offline. */
static bool leaves_block(long block, const char *addr, size_t bytes)
{
	uint64_t *frames = frames_of(addr, bytes);
	long blocks[MAX_BLOCKS];
	bool in = false, left;
	size_t nr;

	if (!frames)
		return false;
	nr = blocks_of(frames, bytes, blocks);
	for (size_t i = 0; i < nr; i++)
		in |= blocks[i] == block;
	/* Some of the block's pages may be in use for a moment. */
	left = in && SOON(!set_block(block, "offline")) && frames_changed(addr, bytes, frames);
	free(frames);
	return left;
}

/*
 * A block is refused for the first page in its way, which is not always one of
 * the region; so there is one beside it that is in many blocks. Ordinary memory is
 * where none of the kernel's pages are in the way.
 */
TEST_F(region, offline)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const size_t bytes = node_free(1) / 2 / HUGE_PAGE * HUGE_PAGE;
	int fd = open_node(1, O_RDWR);
	struct refusal refusal, ours = { 0 };
	long blocks[MAX_BLOCKS], clean;
	char *addr, *ordinary;
	uint64_t *frames;
	bool left;
	size_t nr;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_LE(0, kmsg);
	ASSERT_EQ(0, alloc_region(fd, bytes, variant->flags, NULL));
	addr = map_shared(fd, bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	frames = frames_of(addr, bytes);
	ASSERT_NE(NULL, frames);

	nr = blocks_of(self->frames, variant->bytes, blocks);
	for (size_t i = 0; i < nr; i++)
		EXPECT_EQ(refused_by(blocks[i]), set_block(blocks[i], "offline"));

	nr = blocks_of(frames, bytes, blocks);
	for (size_t i = 0; i < nr; i++) {
		lseek(kmsg, 0, SEEK_END);
		refusal.error = set_block(blocks[i], "offline");
		EXPECT_EQ(refused_by(blocks[i]), refusal.error);
		read_refusal(kmsg, &refusal);
		if (has_frame(frames, bytes, refusal.frame))
			ours = refusal;
	}
	EXPECT_NE(0, ours.frame);
	EXPECT_EQ(0, frames_changed(addr, bytes, frames));
	munmap(addr, bytes);
	close(fd);

	clean = offline_block();
	ASSERT_LE(0, clean);
	ASSERT_EQ(0, set_block(clean, "online_movable"));
	ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	left = leaves_block(clean, ordinary, ORDINARY);
	EXPECT_TRUE(left);
	REPORT("memory offlining", moves(left), "%s; in the kernel's log: %s", answer(ours.error),
	       ours.reason);
	close(kmsg);
}

TEST_HARNESS_MAIN
