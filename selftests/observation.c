// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be watched from outside: a region in fdinfo, a node's counters in
 * sysfs, and tracepoints.
 */
#include <sys/stat.h>

#include "harness.h"

#include "device.h"
#include "oracle.h"
#include "tracing.h"
#include "worker.h"

#define LENGTH (2 * HUGE_PAGE + 3 * PAGE)

FIXTURE(region) {
	int fd;
	char *addr;
};

FIXTURE_SETUP(region)
{
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(region)
{
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* A number in a descriptor's fdinfo; -1: it has no such line. */
static long fdinfo(int fd, const char *key)
{
	const size_t length = strlen(key);
	char path[64], line[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':')
			value = atol(line + length + 1);
	if (file)
		fclose(file);
	return value;
}

TEST_F(region, fdinfo)
{
	EXPECT_EQ(1, fdinfo(self->fd, "numapin-node"));
	EXPECT_EQ(-1, fdinfo(self->fd, "numapin-bytes"));

	ASSERT_EQ(0, alloc_region(self->fd, LENGTH, 0, NULL));
	EXPECT_EQ(1, fdinfo(self->fd, "numapin-node"));
	EXPECT_EQ(LENGTH, fdinfo(self->fd, "numapin-bytes"));
	EXPECT_EQ(2, fdinfo(self->fd, "numapin-huge-pages"));
	EXPECT_EQ(3, fdinfo(self->fd, "numapin-small-pages"));
	EXPECT_LT(0, fdinfo(self->fd, "numapin-region"));
}

TEST_F(region, fdinfo_tells_regions_apart)
{
	int other = open_node(1, O_RDWR), again;

	ASSERT_EQ(0, alloc_region(self->fd, PAGE, 0, NULL));
	ASSERT_EQ(0, alloc_region(other, PAGE, 0, NULL));
	again = dup(other);
	EXPECT_NE(fdinfo(self->fd, "numapin-region"), fdinfo(other, "numapin-region"));
	EXPECT_EQ(fdinfo(again, "numapin-region"), fdinfo(other, "numapin-region"));
	close(again);
	close(other);
}

TEST_F(region, counters)
{
	ASSERT_EQ(0, alloc_region(self->fd, LENGTH, 0, NULL));
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_EQ(LENGTH, counter(1, "bytes"));
	EXPECT_EQ(2 * HUGE_PAGE, counter(1, "huge_bytes"));
	EXPECT_EQ(0, counter(0, "regions"));
	EXPECT_EQ(0, counter(0, "bytes"));
	close(self->fd);
	EXPECT_EQ(0, counter(1, "regions"));
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_EQ(0, counter(1, "huge_bytes"));
}

/* Who may read and write what */
TEST_F(region, sysfs_modes)
{
	char path[ATTRIBUTE_PATH];
	struct stat st;

	ASSERT_EQ(0, stat(attribute(path, 1, "max_bytes"), &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
	ASSERT_EQ(0, stat(attribute(path, 1, "bytes"), &st));
	EXPECT_EQ(0444, st.st_mode & 07777);
	ASSERT_EQ(0, stat(attribute(path, 1, "failures/node_full"), &st));
	EXPECT_EQ(0444, st.st_mode & 07777);
}

TEST_F(region, failures_are_counted_by_cause)
{
	const long large = counter(1, "failures/too_large");
	const long full = counter(1, "failures/node_full");
	const long elsewhere = counter(0, "failures/too_large");

	EXPECT_EQ(ENOMEM, alloc_region(self->fd, 1ULL << 50, 0, NULL));
	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, 1ULL << 40, 0));
	EXPECT_EQ(large + 2, counter(1, "failures/too_large"));
	/* What makes no sense is no failure of the node. */
	EXPECT_EQ(EINVAL, alloc_region(self->fd, 0, 0, NULL));
	EXPECT_EQ(large + 2, counter(1, "failures/too_large"));
	EXPECT_EQ(full, counter(1, "failures/node_full"));
	EXPECT_EQ(elsewhere, counter(0, "failures/too_large"));
}

/* Whether the trace has a line of this process with both texts, in order. */
static bool traced(const char *event, const char *words)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[512], pid[32];
	bool found = false;

	snprintf(pid, sizeof(pid), "-%d ", getpid());
	while (trace && !found && fgets(line, sizeof(line), trace)) {
		const char *at = strstr(line, event);

		found = at && strstr(line, pid) && strstr(at, words);
	}
	if (trace)
		fclose(trace);
	return found;
}

FIXTURE(trace) {
	int fd;
	char words[256];
};

FIXTURE_SETUP(trace)
{
	ASSERT_TRUE(trace_begin());
	ASSERT_TRUE(trace_event("numapin", true));
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(trace)
{
	close(self->fd);
	EXPECT_TRUE(trace_event("numapin", false));
	EXPECT_TRUE(nothing_left());
}

TEST_F(trace, life_of_a_region)
{
	char *addr;
	long region;

	ASSERT_EQ(0, alloc_region(self->fd, LENGTH, 0, NULL));
	region = fdinfo(self->fd, "numapin-region");
	snprintf(self->words, sizeof(self->words), "node=1 region=%ld bytes=%zu huge_bytes=%zu",
		 region, LENGTH, 2 * HUGE_PAGE);
	EXPECT_TRUE(traced("numapin_alloc:", self->words));
	EXPECT_FALSE(traced("numapin_free:", self->words));

	addr = map_shared(self->fd, LENGTH, 0);
	ASSERT_NE(MAP_FAILED, addr);
	addr[HUGE_PAGE + 5] = 1;
	close(self->fd);
	munmap(addr, LENGTH);
	EXPECT_TRUE(traced("numapin_free:", self->words));

	snprintf(self->words, sizeof(self->words), "node=1 region=%ld addr=%p bytes=%zu page=0",
		 region, addr, LENGTH);
	EXPECT_TRUE(traced("numapin_map:", self->words));
	snprintf(self->words, sizeof(self->words), "node=1 region=%ld addr=%p page=%zu write=1",
		 region, addr + HUGE_PAGE, HUGE_PAGE / PAGE);
	EXPECT_TRUE(traced("numapin_fault:", self->words));
}

TEST_F(trace, copy_after_fork)
{
	struct worker child;
	char *addr;

	ASSERT_EQ(0, alloc_region(self->fd, LENGTH, NUMAPIN_ALLOC_PRIVATE, NULL));
	addr = map_shared(self->fd, LENGTH, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		_exit(0);
	}
	addr[HUGE_PAGE + 5] = 1;
	snprintf(self->words, sizeof(self->words), "node=1 region=%ld page=%zu bytes=%zu",
		 fdinfo(self->fd, "numapin-region"), HUGE_PAGE / PAGE, HUGE_PAGE);
	EXPECT_TRUE(traced("numapin_copy:", self->words));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	munmap(addr, LENGTH);
}

TEST_F(trace, refusal)
{
	EXPECT_EQ(ENOMEM, alloc_region(self->fd, 1ULL << 50, NUMAPIN_ALLOC_HUGE, NULL));
	snprintf(self->words, sizeof(self->words),
		 "node=1 bytes=%llu flags=0x1 error=-%d cause=too_large available=", 1ULL << 50,
		 ENOMEM);
	EXPECT_TRUE(traced("numapin_refuse:", self->words));
}

TEST_HARNESS_MAIN
