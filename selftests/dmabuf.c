// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions as dma-bufs: what is exported is the region's own memory, for as long as
 * anybody has it. What drivers do with it: camera.c.
 */
#include <linux/dma-buf.h>

#include "harness.h"

#include "child.h"
#include "device.h"
#include "dmabuf.h"
#include "ordinary.h"
#include "oracle.h"
#include "pattern.h"

/* Both kinds of VMA: 2 MiB pages with small ones behind them, and small ones. */
#define MIXED (2 * HUGE_PAGE + 8 * PAGE)
#define SMALL CLUSTER

FIXTURE(region) {
	int fd;
	int buffer;
	char *addr;
};

FIXTURE_VARIANT(region) {
	size_t bytes;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(region, mixed) { .bytes = MIXED };
FIXTURE_VARIANT_ADD(region, cluster) { .bytes = SMALL };
FIXTURE_VARIANT_ADD(region, small) { .bytes = SMALL, .flags = NUMAPIN_ALLOC_NO_HUGE };

FIXTURE_SETUP(region)
{
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, variant->bytes, variant->flags, NULL));
	self->addr = map_shared(self->fd, variant->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	write_all(self->addr, variant->bytes, 1);
	self->buffer = export_region(self->fd, 0, variant->bytes);
	ASSERT_LE(0, self->buffer);
}

FIXTURE_TEARDOWN(region)
{
	close(self->buffer);
	munmap(self->addr, variant->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* How many pages of two mappings are not the same memory; -1 on error */
static long frames_differ(const char *one, const char *other, size_t bytes)
{
	uint64_t *frames = frames_of(one, bytes);
	long differ = frames ? frames_changed(other, bytes, frames) : -1;

	free(frames);
	return differ;
}

TEST_F(region, is_the_buffers_memory)
{
	/* Where 2 MiB pages can be mapped: a dma-buf's file does not look for such a place. */
	void *place = (void *)((uintptr_t)self->addr - 512 * HUGE_PAGE);
	char *addr = mmap(place, variant->bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED_NOREPLACE, self->buffer, 0);
	char line[1024];

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, not_by(addr, variant->bytes, 1));
	EXPECT_EQ(0, frames_differ(self->addr, addr, variant->bytes));
	EXPECT_EQ(0, pages_elsewhere(addr, variant->bytes, 1));
	EXPECT_EQ(smaps_bytes(self->addr, "FilePmdMapped"), smaps_bytes(addr, "FilePmdMapped"));
	/* To the kernel, it is one of the region's file. */
	numa_maps_line(addr, line, sizeof(line));
	EXPECT_NE(NULL, strstr(line, " bind:1 "));
	EXPECT_NE(NULL, strstr(line, " file=/dev/numapin/node1 "));
	write_all(addr, variant->bytes, 2);
	EXPECT_EQ(0, not_by(self->addr, variant->bytes, 2));
	EXPECT_EQ(1, counter(1, "regions"));
	munmap(addr, variant->bytes);
}

TEST_F(region, is_a_buffer_of_its_length)
{
	EXPECT_EQ(variant->bytes, lseek(self->buffer, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->buffer, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(self->buffer, F_GETFL) & O_ACCMODE);
}

/* Pages 3 and 4, and no others */
TEST_F(region, is_in_part_a_buffer)
{
	const int part = export_region(self->fd, 3 * PAGE, 2 * PAGE);
	char *addr = map_shared(part, 2 * PAGE, 0);

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, frames_differ(self->addr + 3 * PAGE, addr, 2 * PAGE));
	munmap(addr, 2 * PAGE);
	addr = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, part, PAGE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, frames_differ(self->addr + 4 * PAGE, addr, PAGE));
	munmap(addr, PAGE);
	EXPECT_EQ(MAP_FAILED, map_shared(part, 3 * PAGE, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, part, 2 * PAGE));
	EXPECT_EQ(EINVAL, errno);
	close(part);
}

/* As mappings of the file are. */
TEST_F(region, is_mapped_by_its_rules)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->buffer, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, self->buffer, 0));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(region, ends_with_its_buffer)
{
	char *addr;

	munmap(self->addr, variant->bytes);
	close(self->fd);
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	addr = map_shared(self->buffer, variant->bytes, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, not_by(addr, variant->bytes, 1));
	munmap(addr, variant->bytes);
	close(self->buffer);
	EXPECT_TRUE(nothing_left());
}

TEST_F(region, ends_with_a_mapping_of_its_buffer)
{
	char *addr = map_shared(self->buffer, variant->bytes, 0);

	ASSERT_NE(MAP_FAILED, addr);
	close(self->buffer);
	munmap(self->addr, variant->bytes);
	close(self->fd);
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_EQ(0, not_by(addr, variant->bytes, 1));
	munmap(addr, variant->bytes);
	EXPECT_TRUE(nothing_left());
}

/* The kernel counts writable mappings of the file that was asked, and of that which is mapped. */
TEST_F(region, is_mapped_again_and_again)
{
	for (int i = 0; i < 100; i++) {
		char *addr = map_shared(self->buffer, variant->bytes, 0);

		ASSERT_NE(MAP_FAILED, addr);
		munmap(addr, variant->bytes);
		addr = map_shared(self->fd, variant->bytes, 0);
		ASSERT_NE(MAP_FAILED, addr);
		munmap(addr, variant->bytes);
	}
}

TEST_F(region, is_a_buffer_more_than_once)
{
	const int again = export_region(self->fd, 0, variant->bytes);
	char *addr = map_shared(again, variant->bytes, 0);

	ASSERT_NE(MAP_FAILED, addr);
	close(self->buffer);
	EXPECT_EQ(0, frames_differ(self->addr, addr, variant->bytes));
	EXPECT_EQ(1, counter(1, "regions"));
	munmap(addr, variant->bytes);
	close(again);
}

TEST_F(region, is_shared_with_children)
{
	char *addr = map_shared(self->buffer, variant->bytes, 0);

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(IN_CHILD((write_all(addr, variant->bytes, 2), true)));
	EXPECT_EQ(0, not_by(self->addr, variant->bytes, 2));
	munmap(addr, variant->bytes);
}

TEST_F(region, is_synchronized)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	EXPECT_EQ(0, ioctl_errno(self->buffer, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	EXPECT_EQ(0, ioctl_errno(self->buffer, DMA_BUF_IOCTL_SYNC, &sync));
}

/* /proc tells who made it, as of any dma-buf. */
TEST_F(region, is_named)
{
	char path[64], text[4096] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->buffer);
	fd = open(path, O_RDONLY);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	EXPECT_NE(NULL, strstr(text, "exp_name:\tnumapin\n"));
	close(fd);
}

TEST_F(region, bad_arguments)
{
	const struct numapin_export bad[] = {
		{ .size = sizeof(bad[0]), .length = PAGE, .flags = 1 },
		{ .size = sizeof(bad[0]), .length = PAGE, .reserved = 1 },
		{ .size = sizeof(bad[0]), .length = 0 },
		{ .size = sizeof(bad[0]), .length = PAGE - 1 },
		{ .size = sizeof(bad[0]), .length = PAGE, .offset = 1 },
		{ .size = sizeof(bad[0]), .length = variant->bytes + PAGE },
		{ .size = sizeof(bad[0]), .length = PAGE, .offset = variant->bytes },
		{ .size = sizeof(bad[0]), .length = 2 * PAGE, .offset = UINT64_MAX - PAGE + 1 },
		{ .size = sizeof(bad[0]), .length = UINT64_MAX - PAGE + 1 },
		{ .size = offsetof(struct numapin_export, reserved) - 1, .length = PAGE },
		{ .size = offsetof(struct numapin_export, out_fd), .length = PAGE },
	};
	struct numapin_export arg;
	const int next = next_descriptor();

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = bad[i];
		EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_EXPORT, &arg));
	}
	EXPECT_EQ(next, next_descriptor());
	/* Of what a caller must know, all is there. */
	arg = (struct numapin_export) {
		.size = offsetof(struct numapin_export, reserved), .length = PAGE,
	};
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_EXPORT, &arg));
	EXPECT_EQ(next, arg.out_fd);
	close(arg.out_fd);
}

/* Where the caller cannot be told of it, there is none. */
TEST_F(region, without_a_reply)
{
	const struct numapin_export export = { .size = sizeof(export), .length = PAGE };
	void *arg = without_reply(&export, sizeof(export));
	const long files = file_number("/sys/module/numapin/refcnt");
	const int next = next_descriptor();

	ASSERT_NE(NULL, arg);
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_EXPORT, arg));
	EXPECT_EQ(next, next_descriptor());
	EXPECT_TRUE(SOON(file_number("/sys/module/numapin/refcnt") == files));
	munmap(arg, PAGE);
}

TEST_F(region, without_descriptors)
{
	const struct rlimit limit = { .rlim_cur = next_descriptor(), .rlim_max = 1024 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-1, export_region(self->fd, 0, PAGE));
	EXPECT_EQ(EMFILE, errno);
}

TEST(needs_a_file_for_both)
{
	for (int mode = O_RDONLY; mode <= O_WRONLY; mode++) {
		const int other = open_node(1, mode);

		EXPECT_EQ(-1, export_region(other, 0, PAGE));
		EXPECT_EQ(EBADF, errno);
		close(other);
	}
}

TEST(needs_a_region)
{
	const int fd = open_node(1, O_RDWR);

	EXPECT_EQ(-1, export_region(fd, 0, PAGE));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

TEST(needs_a_shared_region)
{
	const int fd = open_node(1, O_RDWR);

	ASSERT_EQ(0, alloc_region(fd, PAGE, NUMAPIN_ALLOC_PRIVATE, NULL));
	EXPECT_EQ(-1, export_region(fd, 0, PAGE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	close(fd);
	EXPECT_TRUE(nothing_left());
}

TEST_HARNESS_MAIN
