// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver that imports dma-bufs does with a region: vivid, the kernel's camera
 * without hardware, puts its pictures there. For kernels that have it, as Debian's.
 */
#include <linux/dma-buf.h>

#include "harness.h"

#include "camera.h"
#include "cgroup.h"
#include "device.h"
#include "dmabuf.h"
#include "module.h"
#include "oracle.h"
#include "ordinary.h"
#include "pattern.h"
#include "stripes.h"
#include "tracing.h"

#define WIDTH ((size_t)640)
#define HEIGHT ((size_t)360)
/* Two bytes a pixel */
#define LINE (2 * WIDTH)
#define PICTURE (LINE * HEIGHT)
/* What a picture takes of a region; two are in one 2 MiB page. */
#define ROOM (HUGE_PAGE / 2)
/* What a device takes in a piece whose driver does not say */
#define PIECE ((size_t)64 << 10)

FIXTURE(camera) {
	int device;	/* of the camera */
	int region;
	char *addr;
	uint64_t *frames;
};

FIXTURE_VARIANT(camera) {
	int node;
	const char *allocators;
	uint32_t flags;
};

/* By an address of the kernel's, of 2 MiB pages and of small ones */
FIXTURE_VARIANT_ADD(camera, that_copies) {
	.node = 1, .allocators = "0", .flags = NUMAPIN_ALLOC_HUGE,
};

FIXTURE_VARIANT_ADD(camera, that_copies_to_small_pages) {
	.node = 1, .allocators = "0", .flags = NUMAPIN_ALLOC_NO_HUGE,
};

/* By addresses for its device, which takes only what is in one piece for it: all of node 0 is */
FIXTURE_VARIANT_ADD(camera, with_dma) {
	.node = 0, .allocators = "1", .flags = NUMAPIN_ALLOC_HUGE,
};

/* Waits for a picture: which buffer it is in, or -1. */
static int take_picture(int device, uint32_t memory)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = memory,
	};

	if (ioctl(device, VIDIOC_DQBUF, &buffer) || buffer.bytesused != PICTURE)
		return -1;
	return buffer.index;
}

static int stream(int device, bool on)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	return ioctl_errno(device, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

/*
 * The last line of a picture in memory that is the camera's own: the text that it
 * shows is above, and changes.
 */
static bool read_last_line(int device, char *line)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	char *addr;
	bool ok;

	if (request_buffers(device, V4L2_MEMORY_MMAP, 1) ||
	    ioctl(device, VIDIOC_QUERYBUF, &buffer))
		return false;
	addr = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, device, buffer.m.offset);
	if (addr == MAP_FAILED)
		return false;
	ok = !queue_buffer(device, 0, -1) && !stream(device, true) &&
	     !take_picture(device, V4L2_MEMORY_MMAP) && !stream(device, false);
	memcpy(line, addr + PICTURE - LINE, LINE);
	munmap(addr, buffer.length);
	return ok && !request_buffers(device, V4L2_MEMORY_MMAP, 0);
}

FIXTURE_SETUP(camera)
{
	self->device = -1;
	if (!load_camera(variant->allocators))
		SKIP(return, "the kernel has no vivid");
	self->device = open_camera();
	ASSERT_LE(0, self->device);
	ASSERT_EQ(0, set_format(self->device, WEBCAM, WIDTH, HEIGHT));
	self->region = open_node(variant->node, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->region, 2 * ROOM, variant->flags, NULL));
	self->addr = map_shared(self->region, 2 * ROOM, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	self->frames = frames_of(self->addr, 2 * ROOM);
}

FIXTURE_TEARDOWN(camera)
{
	if (self->device < 0)
		return;
	EXPECT_EQ(0, frames_changed(self->addr, 2 * ROOM, self->frames));
	EXPECT_EQ(0, pages_elsewhere(self->addr, 2 * ROOM, variant->node));
	free(self->frames);
	close(self->device);
	munmap(self->addr, 2 * ROOM);
	close(self->region);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, system("modprobe -r vivid"));
}

/* A dma-buf of one of the region's two rooms, which the camera has from now. */
static int lend_room(int device, int region, uint32_t index)
{
	const int fd = export_region(region, index * ROOM, ROOM);
	int error = fd < 0 ? errno : queue_buffer(device, index, fd);

	close(fd);
	return error;
}

TEST_F(camera, puts_pictures_into_a_region)
{
	const size_t after = whole_pages(PICTURE);
	char line[LINE];

	ASSERT_TRUE(read_last_line(self->device, line));
	/* There is something to see: not all of it is alike. */
	EXPECT_NE(0, memcmp(line, line + 4, LINE - 4));
	ASSERT_EQ(0, request_buffers(self->device, V4L2_MEMORY_DMABUF, 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, lend_room(self->device, self->region, i));
	ASSERT_EQ(0, stream(self->device, true));
	for (int i = 0; i < 2; i++) {
		const int index = take_picture(self->device, V4L2_MEMORY_DMABUF);

		ASSERT_LE(0, index);
		EXPECT_EQ(0, memcmp(line, self->addr + index * ROOM + PICTURE - LINE, LINE));
		/* And no more than that. */
		EXPECT_TRUE(all_zero(self->addr + index * ROOM + after, ROOM - after));
	}
	EXPECT_EQ(0, stream(self->device, false));
}

/* The region is there as long as the camera has its dma-buf. */
TEST_F(camera, has_a_region_by_itself)
{
	ASSERT_EQ(0, request_buffers(self->device, V4L2_MEMORY_DMABUF, 2));
	ASSERT_EQ(0, lend_room(self->device, self->region, 0));
	munmap(self->addr, 2 * ROOM);
	close(self->region);
	EXPECT_EQ(1, counter(variant->node, "regions"));
	ASSERT_EQ(0, stream(self->device, true));
	EXPECT_EQ(0, take_picture(self->device, V4L2_MEMORY_DMABUF));
	EXPECT_EQ(0, stream(self->device, false));
	EXPECT_EQ(1, counter(variant->node, "regions"));
	EXPECT_EQ(0, request_buffers(self->device, V4L2_MEMORY_DMABUF, 0));
	EXPECT_TRUE(nothing_left());

	/* For what follows */
	self->region = open_node(variant->node, O_RDWR);
	self->addr = map_shared(self->region, 2 * ROOM, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	free(self->frames);
	self->frames = frames_of(self->addr, 2 * ROOM);
}

#define PROBE "kprobes/numapin_list"

/* How many pieces of a list are looked at */
#define PIECES 16

/* Has the kernel trace each list of memory that it makes for a device: sg_table and its sgl. */
static bool trace_lists(void)
{
	char probe[2048] = "r:numapin_list numapin:map_for_device nents0=+8($retval):u32";
	size_t at = strlen(probe);

	for (int i = 0; i < PIECES; i++)
		at += snprintf(probe + at, sizeof(probe) - at,
			       " a%d=+%d(+0($retval)):u64 l%d=+%d(+0($retval)):u32",
			       i, 32 * i + 16, i, 32 * i + 24);
	return trace_begin() && write_file(TRACING "/kprobe_events", probe) &&
	       trace_event(PROBE, true);
}

static bool stop_tracing(void)
{
	return trace_event(PROBE, false) &&
	       write_file(TRACING "/kprobe_events", "-:numapin_list");
}

/* The line of the trace that tells of the list */
static bool read_list(char *line, size_t size)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	bool found = false;

	while (trace && !found && fgets(line, size, trace))
		found = strstr(line, "numapin_list: ");
	if (trace)
		fclose(trace);
	return found;
}

static unsigned long long listed(const char *line, const char *name, int i)
{
	char text[16];
	const char *at;

	snprintf(text, sizeof(text), " %s%d=", name, i);
	at = strstr(line, text);
	return at ? strtoull(at + strlen(text), NULL, 10) : 0;
}

/* The camera that has addresses for its device, and nothing lent yet */
FIXTURE(dma_camera) {
	int camera;
};

FIXTURE_SETUP(dma_camera)
{
	self->camera = -1;
	if (!load_camera("1"))
		SKIP(return, "the kernel has no vivid");
	self->camera = open_camera();
	ASSERT_LE(0, self->camera);
	ASSERT_EQ(0, set_format(self->camera, WEBCAM, WIDTH, HEIGHT));
}

FIXTURE_TEARDOWN(dma_camera)
{
	if (self->camera < 0)
		return;
	close(self->camera);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, system("modprobe -r vivid"));
}

/* Pages that follow each other are one piece, as far as the camera takes one. */
TEST_F(dma_camera, lists_huge_pages_in_large_pieces)
{
	const int region = open_node(0, O_RDWR);
	char line[4096];

	ASSERT_EQ(0, alloc_region(region, 2 * ROOM, NUMAPIN_ALLOC_HUGE, NULL));
	ASSERT_EQ(0, request_buffers(self->camera, V4L2_MEMORY_DMABUF, 2));
	ASSERT_TRUE(trace_lists());
	EXPECT_EQ(0, lend_room(self->camera, region, 1));
	ASSERT_TRUE(read_list(line, sizeof(line)));
	ASSERT_TRUE(stop_tracing());
	EXPECT_EQ(ROOM / PIECE, listed(line, "nents", 0));
	EXPECT_EQ(PIECE, listed(line, "l", 0));
	close(region);
}

/*
 * Of pages that are on two nodes in turn each is a piece for itself: not what this
 * camera takes, but what devices are told that do.
 */
TEST_F(dma_camera, lists_pages_where_they_are)
{
	const unsigned int weights[] = { 1, 1 };
	const int nodes[] = { 0, 1 };
	struct stripes stripes;
	uint64_t *frames;
	char line[4096];
	char *addr;

	ASSERT_TRUE(open_stripes(&stripes, nodes, weights, 2));
	ASSERT_EQ(0, alloc_striped(&stripes, ROOM, NUMAPIN_ALLOC_NO_HUGE, NULL));
	addr = map_shared(stripes.stripe[0].fd, ROOM, 0);
	ASSERT_NE(MAP_FAILED, addr);
	frames = frames_of(addr, ROOM);
	ASSERT_NE(NULL, frames);

	ASSERT_EQ(0, request_buffers(self->camera, V4L2_MEMORY_DMABUF, 2));
	ASSERT_TRUE(trace_lists());
	EXPECT_EQ(EFAULT, lend_room(self->camera, stripes.stripe[0].fd, 0));
	ASSERT_TRUE(read_list(line, sizeof(line)));
	ASSERT_TRUE(stop_tracing());
	EXPECT_EQ(ROOM / PAGE, listed(line, "nents", 0));
	for (int i = 0; i < PIECES; i++) {
		EXPECT_EQ(PAGE, listed(line, "l", i));
		/* Those above are copied for it, to where it can reach them. */
		if ((frames[i] & PAGEMAP_FRAME) * PAGE < REACHABLE)
			EXPECT_EQ((frames[i] & PAGEMAP_FRAME) * PAGE, listed(line, "a", i));
	}
	free(frames);
	munmap(addr, ROOM);
	close_stripes(&stripes);
}

/* What is above its addresses is elsewhere for its device, until SYNC. */
TEST_F(dma_camera, is_synchronized)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	const int region = open_node(1, O_RDWR);
	int buffer;
	bool copied;
	char *addr;

	ASSERT_EQ(0, request_small_buffer(self->camera));
	ASSERT_EQ(0, alloc_region(region, HUGE_PAGE, NUMAPIN_ALLOC_HUGE, NULL));
	addr = map_shared(region, HUGE_PAGE, 0);
	ASSERT_NE(MAP_FAILED, addr);
	write_all(addr, HUGE_PAGE, 1);
	copied = page_frame(addr) * PAGE >= REACHABLE;
#ifdef __x86_64__
	/* In a guest of arm64 node 1 can be all within reach. */
	ASSERT_TRUE(copied);
#endif
	buffer = export_region(region, 0, SMALL_ROOM);
	ASSERT_EQ(0, queue_buffer(self->camera, 0, buffer));
	/* Where that is a copy, its device has what was there then. */
	write_all(addr, HUGE_PAGE, 2);
	EXPECT_EQ(0, ioctl_errno(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(0, not_by(addr, SMALL_ROOM, copied ? 1 : 2));
	EXPECT_NE(0, not_by(addr, HUGE_PAGE, 1));
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
	EXPECT_EQ(0, ioctl_errno(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	munmap(addr, HUGE_PAGE);
	close(buffer);
	close(region);
}

/* For which the kernel lists each page: more than the cgroup may have */
#define LISTED (256 * MIB)

/* The kernel warns where there is no address of its own for a driver that copies. */
TEST(copies_within_any_limit)
{
	const int region = open_node(1, O_RDWR);
	int camera, buffer;

	if (!load_camera("0"))
		SKIP(return, "the kernel has no vivid");
	camera = open_camera();
	ASSERT_EQ(0, set_format(camera, WEBCAM, WIDTH, HEIGHT));
	ASSERT_EQ(0, alloc_region(region, LISTED, NUMAPIN_ALLOC_HUGE, NULL));
	buffer = export_region(region, 0, LISTED);
	ASSERT_EQ(0, request_buffers(camera, V4L2_MEMORY_DMABUF, 1));
	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "262144"));
	EXPECT_EQ(0, queue_buffer(camera, 0, buffer));
	EXPECT_TRUE(cgroup_leave());
	close(buffer);
	close(camera);
	close(region);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, system("modprobe -r vivid"));
}

/*
 * A device would meet it, and nobody could tell. EINVAL is what the driver makes of what it
 * was told. Not by an address of the kernel's: dma_buf_vmap() warns of each refusal.
 */
TEST_F(dma_camera, is_given_no_failed_hardware)
{
	const int region = open_node(0, O_RDWR);
	const size_t bytes = 2 * HUGE_PAGE;
	char *addr;

	ASSERT_EQ(0, alloc_region(region, bytes, NUMAPIN_ALLOC_HUGE, NULL));
	addr = map_shared(region, bytes, 0);
	ASSERT_NE(MAP_FAILED, addr);
	madvise(addr + PAGE, PAGE, MADV_HWPOISON);
	ASSERT_TRUE(is_poisoned(page_frame(addr + PAGE)));

	ASSERT_EQ(0, request_buffers(self->camera, V4L2_MEMORY_DMABUF, bytes / ROOM));
	EXPECT_EQ(EINVAL, lend_room(self->camera, region, 0));
	EXPECT_EQ(0, lend_room(self->camera, region, HUGE_PAGE / ROOM));
	munmap(addr, bytes);
	close(region);
}

TEST_HARNESS_MAIN
