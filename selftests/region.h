/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region under attack: a fixture with a region of node 1 that a thread writes
 * and checks all the while; and the line that says how an attempt on it ended,
 * for docs/immovable.md. Include harness.h first.
 */
#ifndef SELFTESTS_REGION_H
#define SELFTESTS_REGION_H

#include "cgroup.h"
#include "device.h"
#include "hammer.h"
#include "ordinary.h"
#include "oracle.h"

FIXTURE(region) {
	int fd;
	char *addr;
	uint64_t *frames;
	struct hammer hammer;
};

FIXTURE_VARIANT(region) {
	const char *name;
	size_t bytes;
	size_t huge_bytes;
	uint32_t flags;
};

/* Both kinds of VMA: 2 MiB pages with small ones behind them, and small ones. */
FIXTURE_VARIANT_ADD(region, huge) {
	.name = "2 MiB pages",
	.bytes = 2 * HUGE_PAGE + CLUSTER + 8 * PAGE,
	.huge_bytes = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(region, small) {
	.name = "4 KiB pages",
	.bytes = 2 * HUGE_PAGE + CLUSTER + 8 * PAGE,
	.flags = NUMAPIN_ALLOC_NO_HUGE,
};

FIXTURE_SETUP(region)
{
	struct numapin_alloc reply;

	/* For what goes by memory cgroup; the region is charged to it. */
	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, variant->bytes, variant->flags, &reply));
	ASSERT_EQ(variant->huge_bytes, reply.out_huge_bytes);
	self->addr = map_shared(self->fd, variant->bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, self->addr);
	self->frames = frames_of(self->addr, variant->bytes);
	ASSERT_NE(NULL, self->frames);
	ASSERT_TRUE(hammer_begin(&self->hammer, self->addr, variant->bytes));
}

FIXTURE_TEARDOWN(region)
{
	char *again;

	hammer_stop(&self->hammer);
	EXPECT_EQ(0, atomic_load(&self->hammer.wrong));
	EXPECT_EQ(0, hammer_check(&self->hammer, self->addr));
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, 1));
	/* What was unmapped came back as it was. */
	EXPECT_EQ(variant->huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	munmap(self->addr, variant->bytes);

	/* And it is the region that holds it, not what was mapped. */
	again = map_shared(self->fd, variant->bytes, 0);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_EQ(0, hammer_check(&self->hammer, again));
	munmap(again, variant->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	/* The hammer may be in there a moment longer. */
	EXPECT_TRUE(SOON(cgroup_leave()));
}

static inline const char *answer(int error)
{
	return error ? strerrorname_np(error) : "succeeds";
}

/* In the words of docs/immovable.md */
static inline const char *moves(bool moved)
{
	return moved ? "moves" : "stays";
}

static inline const char *lost(const char *addr, size_t bytes)
{
	return all_zero(addr, bytes) ? "is lost" : "stays";
}

/* madvise()'s errno, 0 where it succeeded */
static inline int advise(char *addr, size_t bytes, int advice)
{
	return madvise(addr, bytes, advice) ? errno : 0;
}

/*
 * Says how an attempt ended, as it was seen: what became of ordinary memory,
 * the answer, by a format, and whether the region's pages are where they were.
 */
#define REPORT(way, ordinary, ...) do {							\
	long _changed = frames_changed(self->addr, variant->bytes, self->frames);	\
	char _answer[256];								\
											\
	snprintf(_answer, sizeof(_answer), __VA_ARGS__);				\
	printf("# way: %s | %s | %s | %s%s%s\n", way, variant->name, ordinary, _answer,	\
	       _answer[0] ? "; " : "", moves(_changed));				\
	fflush(stdout);									\
	EXPECT_EQ(0, _changed);								\
} while (0)

#endif /* SELFTESTS_REGION_H */
