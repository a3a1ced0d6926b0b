// SPDX-License-Identifier: GPL-2.0-only
/*
 * Heaps: where each object is, what becomes of it, and what is given back.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <numapin-heap.h>

#include "harness.h"

#include "child.h"
#include "library.h"
#include "oracle.h"
#include "pressure.h"
#include "worker.h"

/* A page of jemalloc's, as Debian builds it: of arm64 the largest that a kernel can have */
#ifdef __aarch64__
#define UNIT (64 * KIB)
#else
#define UNIT PAGE
#endif

/* The first region of a heap: jemalloc takes a page more for each large object. */
#define FIRST (2 * MIB + UNIT)

FIXTURE(heap) {
	struct numapin_heap *heap;
};

FIXTURE_VARIANT(heap) {
	int node;
	unsigned int flags;
	const char *backend;
	enum numapin_outcome outcome;
};

FIXTURE_VARIANT_ADD(heap, node0) {
	.node = 0,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(heap, node1) {
	.node = 1,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(heap, small_pages) {
	.node = 1,
	.flags = NUMAPIN_NO_HUGE,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(heap, reserve) {
	.node = 1,
	.flags = NUMAPIN_RESERVE,
	.outcome = NUMAPIN_PINNED,
};

FIXTURE_VARIANT_ADD(heap, mbind) {
	.node = 1,
	.flags = NUMAPIN_STRICT,
	.backend = "mbind",
	.outcome = NUMAPIN_BOUND,
};

FIXTURE_SETUP(heap)
{
	if (variant->backend)
		setenv("NUMAPIN_BACKEND", variant->backend, 1);
	self->heap = numapin_heap_create(variant->node, variant->flags, 0);
	ASSERT_NE(NULL, self->heap);
}

FIXTURE_TEARDOWN(heap)
{
	EXPECT_EQ(variant->outcome, numapin_heap_outcome(self->heap));
	numapin_heap_destroy(self->heap);
	EXPECT_TRUE(all_freed());
}

static struct numapin_heap_stats stats_of(const struct numapin_heap *heap)
{
	struct numapin_heap_stats stats;

	numapin_heap_get_stats(heap, &stats);
	return stats;
}

/* An object, and what its bytes are */
struct object {
	unsigned char *addr;
	size_t size;
	unsigned char fill;
};

static bool object_make(struct object *object, struct numapin_heap *heap, size_t size, int fill)
{
	object->addr = numapin_heap_malloc(heap, size);
	object->size = size;
	object->fill = fill;
	if (!object->addr)
		return false;
	memset(object->addr, fill, size);
	return true;
}

static bool filled(const unsigned char *addr, size_t size, unsigned char fill)
{
	return addr[0] == fill && !memcmp(addr, addr + 1, size - 1);
}

static bool object_is_whole(const struct object *object)
{
	return filled(object->addr, object->size, object->fill);
}

/* How many of its pages are not on @node */
static long object_elsewhere(const struct object *object, int node)
{
	const size_t before = (uintptr_t)object->addr % PAGE;

	return pages_elsewhere(object->addr - before, before + object->size, node);
}

/* The same, but for pages that a fork has unmapped until they are used again */
static bool object_on_other_node(const struct object *object, int node)
{
	const size_t before = (uintptr_t)object->addr % PAGE;

	return pages_on_other_nodes(object->addr - before, before + object->size, node);
}

/* From 1 byte to 8 MiB, each order of magnitude as often, and a few MiB in all */
static size_t random_size(unsigned int *seed)
{
	const int order = rand_r(seed) % 64 ? rand_r(seed) % 14 : rand_r(seed) % 24;

	return (1ul << order) + rand_r(seed) % (1ul << order);
}

#define MANY 4000

/* What is freed is used again while all of it is looked at. */
TEST_F(heap, each_object_is_on_the_node)
{
	struct object *objects = calloc(MANY, sizeof(*objects));
	unsigned int seed = 1;
	size_t largest = 0;

	ASSERT_NE(NULL, objects);
	for (int i = 0; i < 3 * MANY; i++) {
		struct object *object = &objects[i % MANY];

		if (object->addr) {
			ASSERT_TRUE(object_is_whole(object));
			numapin_heap_free(self->heap, object->addr);
		}
		ASSERT_TRUE(object_make(object, self->heap, random_size(&seed), i));
		ASSERT_LE(object->size, numapin_heap_usable_size(object->addr));
		largest = object->size > largest ? object->size : largest;
	}
	EXPECT_LT(4 * MIB, largest);
	for (int i = 0; i < MANY; i++) {
		ASSERT_TRUE(object_is_whole(&objects[i]));
		ASSERT_EQ(0, object_elsewhere(&objects[i], variant->node)) {
			TH_LOG("object %d of %zu bytes", i, objects[i].size);
		}
		numapin_heap_free(self->heap, objects[i].addr);
	}
	EXPECT_EQ(0, stats_of(self->heap).used);
	free(objects);
}

TEST_F(heap, sizes_in_turn)
{
	struct object object;

	for (size_t size = 1; size <= 8 * MIB; size += size / 2 + 1) {
		ASSERT_TRUE(object_make(&object, self->heap, size, size));
		ASSERT_EQ(0, object_elsewhere(&object, variant->node));
		ASSERT_EQ(numapin_heap_usable_size(object.addr), stats_of(self->heap).used);
		numapin_heap_free(self->heap, object.addr);
	}
}

/* Grown and shrunk, with others about that keep it from growing where it is */
TEST_F(heap, contents_survive_realloc)
{
	struct object object, others[64];
	unsigned int seed = 2;

	ASSERT_TRUE(object_make(&object, self->heap, 1, 0x5a));
	for (int i = 0; i < 256; i++) {
		const size_t size = random_size(&seed);
		const size_t kept = size < object.size ? size : object.size;
		struct object *other = &others[i % ARRAY_SIZE(others)];

		if (i >= ARRAY_SIZE(others)) {
			ASSERT_TRUE(object_is_whole(other));
			numapin_heap_free(self->heap, other->addr);
		}
		ASSERT_TRUE(object_make(other, self->heap, random_size(&seed), i));
		object.addr = numapin_heap_realloc(self->heap, object.addr, size);
		ASSERT_NE(NULL, object.addr);
		ASSERT_TRUE(filled(object.addr, kept, 0x5a));
		object.size = size;
		memset(object.addr, 0x5a, size);
		ASSERT_EQ(0, object_elsewhere(&object, variant->node));
	}
	for (int i = 0; i < ARRAY_SIZE(others); i++)
		ASSERT_TRUE(object_is_whole(&others[i]));
}

TEST_F(heap, alignment)
{
	const size_t sizes[] = { 1, 24, 100, PAGE, 3 * PAGE + 1, MIB, 36 * MIB };

	for (size_t alignment = 1; alignment <= 8 * MIB; alignment *= 2) {
		for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct object object = {
				.addr = numapin_heap_aligned_alloc(self->heap, alignment,
								   sizes[i]),
				.size = sizes[i],
			};

			ASSERT_NE(NULL, object.addr);
			ASSERT_EQ(0, (uintptr_t)object.addr % alignment);
			memset(object.addr, 1, object.size);
			ASSERT_EQ(0, object_elsewhere(&object, variant->node));
			numapin_heap_free(self->heap, object.addr);
		}
	}
	for (size_t size = 1; size <= 256; size++) {
		size_t alignment = alignof(max_align_t);
		char *addr = numapin_heap_malloc(self->heap, size);

		ASSERT_NE(NULL, addr);
		while (alignment > size)
			alignment /= 2;
		ASSERT_EQ(0, (uintptr_t)addr % alignment);
		numapin_heap_free(self->heap, addr);
	}
}

/* What was used before is zeroed, in pages that came from the node full of zeroes or not. */
TEST_F(heap, calloc_is_zeroed)
{
	struct object objects[256];

	for (int round = 0; round < 4; round++) {
		unsigned int seed = 3 + round / 2;

		for (int i = 0; i < ARRAY_SIZE(objects); i++) {
			struct object *object = &objects[i];

			object->size = random_size(&seed);
			object->fill = 0;
			object->addr = numapin_heap_calloc(self->heap, 1, object->size);
			ASSERT_NE(NULL, object->addr);
			ASSERT_TRUE(object_is_whole(object)) {
				TH_LOG("round %d, object %d of %zu bytes", round, i, object->size);
			}
			memset(object->addr, 0xff, object->size);
		}
		for (int i = 0; i < ARRAY_SIZE(objects); i++)
			numapin_heap_free(self->heap, objects[i].addr);
	}
}

/* What a large object had goes back at once, the rest when it is asked for. */
TEST_F(heap, memory_goes_back)
{
	static struct object objects[2 * MANY];
	struct numapin_heap_stats stats = stats_of(self->heap);
	struct object large;
	size_t had, trimmed;

	EXPECT_EQ(1, stats.regions);
	EXPECT_EQ(FIRST, stats.region_bytes);
	ASSERT_TRUE(object_make(&large, self->heap, 40 * MIB, 1));
	EXPECT_EQ(FIRST + 40 * MIB + UNIT, stats_of(self->heap).region_bytes);
	numapin_heap_free(self->heap, large.addr);
	EXPECT_EQ(FIRST, stats_of(self->heap).region_bytes);

	/* The first is in the first region. */
	for (int i = 0; i < ARRAY_SIZE(objects); i++)
		ASSERT_TRUE(object_make(&objects[i], self->heap, PAGE, i));
	had = stats_of(self->heap).region_bytes;
	EXPECT_LT(ARRAY_SIZE(objects) * PAGE, had);
	for (int i = 1; i < ARRAY_SIZE(objects); i++)
		numapin_heap_free(self->heap, objects[i].addr);
	/* Neighbours that are free have room for it, but not one of them alone. */
	ASSERT_TRUE(object_make(&large, self->heap, 3 * MIB, 1));
	EXPECT_EQ(had + 3 * MIB + UNIT, stats_of(self->heap).region_bytes);
	numapin_heap_free(self->heap, large.addr);
	EXPECT_EQ(had, stats_of(self->heap).region_bytes);
	trimmed = numapin_heap_trim(self->heap);
	EXPECT_LT(0, trimmed);
	EXPECT_EQ(had - trimmed, stats_of(self->heap).region_bytes);
	EXPECT_EQ(FIRST, stats_of(self->heap).region_bytes);
	EXPECT_TRUE(object_is_whole(&objects[0]));

	/* All of it, and it is a heap as before. */
	numapin_heap_free(self->heap, objects[0].addr);
	numapin_heap_trim(self->heap);
	stats = stats_of(self->heap);
	EXPECT_EQ(0, stats.regions);
	EXPECT_EQ(0, stats.region_bytes);
	EXPECT_EQ(0, stats.huge_bytes);
	EXPECT_EQ(0, numapin_heap_outcome(self->heap));
	ASSERT_TRUE(object_make(&large, self->heap, 100, 1));
	EXPECT_EQ(0, object_elsewhere(&large, variant->node));
}

TEST_F(heap, statistics_agree_with_the_module)
{
	struct object objects[100];
	unsigned int seed = 4;
	struct numapin_heap_stats stats;

	if (variant->backend)
		return;
	for (int i = 0; i < ARRAY_SIZE(objects); i++)
		ASSERT_TRUE(object_make(&objects[i], self->heap, random_size(&seed), i));
	stats = stats_of(self->heap);
	EXPECT_EQ(counter(variant->node, "regions"), stats.regions);
	EXPECT_EQ(counter(variant->node, "bytes"), stats.region_bytes);
	EXPECT_EQ(counter(variant->node, "huge_bytes"), stats.huge_bytes);
	EXPECT_EQ(!(variant->flags & NUMAPIN_NO_HUGE), stats.huge_bytes > 0);
}

/* Each has what there was, and its own from then on. */
TEST_F(heap, fork_is_private)
{
	struct object objects[200];
	unsigned int seed = 5;
	struct worker child;

	for (int i = 0; i < ARRAY_SIZE(objects); i++)
		ASSERT_TRUE(object_make(&objects[i], self->heap, random_size(&seed), i));
	ASSERT_TRUE(worker_fork(&child));
	for (int i = child.pid ? 0 : 1; i < ARRAY_SIZE(objects); i += 2) {
		/* The child writes to those that its parent keeps, and the other way round. */
		memset(objects[i].addr, 0xcc, objects[i].size);
		numapin_heap_free(self->heap, objects[i].addr);
		if (!object_make(&objects[i], self->heap, random_size(&seed), ~i))
			break;
	}
	if (!child.pid) {
		for (int i = 0; i < ARRAY_SIZE(objects); i++) {
			CHILD_EXPECT(objects[i].fill == (unsigned char)(i % 2 ? ~i : i));
			CHILD_EXPECT(object_is_whole(&objects[i]));
			CHILD_EXPECT(!object_elsewhere(&objects[i], variant->node));
		}
		numapin_heap_destroy(self->heap);
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	for (int i = 0; i < ARRAY_SIZE(objects); i++) {
		EXPECT_EQ((unsigned char)(i % 2 ? i : ~i), objects[i].fill);
		EXPECT_TRUE(object_is_whole(&objects[i]));
		EXPECT_EQ(0, object_elsewhere(&objects[i], variant->node));
	}
}

/**
 * struct team - threads that use a heap
 * @heap: The heap
 * @node: Its node
 * @slots: Where each puts objects, for any of them to free
 * @wrong: What was not as it should be
 * @stop: That they are to end
 */
struct team {
	struct numapin_heap *heap;
	int node;
	struct object *slots[256];
	atomic_long wrong;
	atomic_bool stop;
};

/* Swaps an object, which is described in the heap itself, for one of anybody's. */
static void swap_object(struct team *team, unsigned int *seed)
{
	struct object *object = numapin_heap_malloc(team->heap, sizeof(*object));

	if (!object || !object_make(object, team->heap, random_size(seed), rand_r(seed))) {
		team->wrong++;
		return;
	}
	object = __atomic_exchange_n(&team->slots[rand_r(seed) % ARRAY_SIZE(team->slots)], object,
				     __ATOMIC_ACQ_REL);
	if (!object)
		return;
	team->wrong += !object_is_whole(object);
	if (rand_r(seed) % 16 == 0)
		team->wrong += object_on_other_node(object, team->node);
	numapin_heap_free(team->heap, object->addr);
	numapin_heap_free(team->heap, object);
}

static void *play(void *arg)
{
	unsigned int seed = (unsigned int)pthread_self();
	struct team *team = arg;

	for (int i = 0; i < 2000; i++)
		swap_object(team, &seed);
	return NULL;
}

static void *play_until_stopped(void *arg)
{
	unsigned int seed = (unsigned int)pthread_self();
	struct team *team = arg;

	while (!team->stop)
		swap_object(team, &seed);
	return NULL;
}

static void team_free(struct team *team)
{
	for (int i = 0; i < ARRAY_SIZE(team->slots); i++) {
		struct object *object = team->slots[i];

		if (!object)
			continue;
		team->wrong += !object_is_whole(object);
		numapin_heap_free(team->heap, object->addr);
		numapin_heap_free(team->heap, object);
	}
}

TEST_F(heap, threads)
{
	struct team team = { .heap = self->heap, .node = variant->node };
	pthread_t threads[4];

	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, play, &team));
	for (int i = 0; i < 20; i++) {
		usleep(10000);
		numapin_heap_trim(self->heap);
	}
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	team_free(&team);
	EXPECT_EQ(0, atomic_load(&team.wrong));
	EXPECT_EQ(0, stats_of(self->heap).used);
}

/* A child of a process whose threads are in the heap can use it, and all others. */
TEST_F(heap, fork_while_threads_are_inside)
{
	struct numapin_heap *other = numapin_heap_create(0, 0, 0);
	struct team team = { .heap = self->heap, .node = variant->node };
	pthread_t threads[2];

	ASSERT_NE(NULL, other);
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, play_until_stopped, &team));
	for (int i = 0; i < 30; i++) {
		struct worker child;

		ASSERT_TRUE(worker_fork(&child));
		if (!child.pid) {
			struct object object;

			/* Instead of for ever, on a lock that no thread will let go */
			alarm(60);
			CHILD_EXPECT(object_make(&object, self->heap, 3 * MIB, 1));
			numapin_heap_free(self->heap, object.addr);
			CHILD_EXPECT(object_make(&object, other, 100, 1));
			CHILD_EXPECT(!object_elsewhere(&object, 0));
			_exit(0);
		}
		ASSERT_EQ(0, worker_wait(&child));
	}
	team.stop = true;
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	team_free(&team);
	EXPECT_EQ(0, atomic_load(&team.wrong));
	numapin_heap_destroy(other);
}

static void *trim_until_stopped(void *arg)
{
	struct team *team = arg;

	while (!team->stop)
		numapin_heap_trim(team->heap);
	return NULL;
}

/* Leaves no address that is near those before it: whether there was an object even so. */
static bool allocate_far_away(struct numapin_heap *heap)
{
	void *addr;

	if (mmap(NULL, 1ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		return false;
	addr = numapin_heap_malloc(heap, 2 * MIB);
	numapin_heap_free(heap, addr);
	return addr;
}

static void *allocate_far_away_until_stopped(void *arg)
{
	struct team *team = arg;

	while (!team->stop)
		team->wrong += !allocate_far_away(team->heap);
	return NULL;
}

/* Forks while a thread does something, of which no lock may be left to a child. */
static void check_forks(struct __test_metadata *_metadata, void *(*does)(void *))
{
	struct team team = { .heap = numapin_heap_create(1, 0, 0) };
	struct object objects[32];
	pthread_t thread;

	ASSERT_NE(NULL, team.heap);
	/* The more there are, the longer it takes to look at their regions. */
	for (int i = 0; i < ARRAY_SIZE(objects); i++)
		ASSERT_TRUE(object_make(&objects[i], team.heap, 2 * MIB, i));
	ASSERT_EQ(0, pthread_create(&thread, NULL, does, &team));
	for (int i = 0; i < 100; i++) {
		struct worker child;

		ASSERT_TRUE(worker_fork(&child));
		if (!child.pid) {
			alarm(60);
			CHILD_EXPECT(allocate_far_away(team.heap));
			_exit(0);
		}
		ASSERT_EQ(0, worker_wait(&child)) {
			TH_LOG("child %d", i);
		}
	}
	team.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, atomic_load(&team.wrong));
	numapin_heap_destroy(team.heap);
	EXPECT_TRUE(all_freed());
}

TEST(fork_while_a_thread_looks_at_regions)
{
	check_forks(_metadata, trim_until_stopped);
}

TEST(fork_while_a_thread_allocates_far_away)
{
	check_forks(_metadata, allocate_far_away_until_stopped);
}

/*
 * Fills a heap that may have @bytes, with a first region that it has: until it is NULL and
 * ENOMEM in these @words, with what it had as it was; and then goes on with what is freed.
 */
static void check_exhaustion(struct __test_metadata *_metadata, struct numapin_heap *heap,
			     size_t bytes, const char *words)
{
	static struct object objects[8192];
	const size_t size = 12 * KIB;
	int nr = 0, more = 0;

	while (nr < ARRAY_SIZE(objects) && object_make(&objects[nr], heap, size, nr))
		nr++;
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1", "bytes asked", words)) {
		TH_LOG("%s", numapin_error());
	}
	/* All but a remainder of regions */
	EXPECT_LT(bytes / 10 * 9, nr * size);
	EXPECT_GE(bytes, nr * size);
	EXPECT_EQ(NULL, numapin_heap_malloc(heap, 4 * MIB));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, numapin_heap_realloc(heap, objects[0].addr, 4 * MIB));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, numapin_heap_calloc(heap, 1, 4 * MIB));
	EXPECT_EQ(NULL, numapin_heap_aligned_alloc(heap, 2 * MIB, MIB));
	for (int i = 0; i < nr; i++) {
		ASSERT_TRUE(object_is_whole(&objects[i]));
		ASSERT_EQ(0, object_elsewhere(&objects[i], 1));
	}

	for (int i = 0; i < nr; i += 2)
		numapin_heap_free(heap, objects[i].addr);
	for (int i = 0; i < nr; i += 2)
		more += object_make(&objects[i], heap, size, ~i);
	EXPECT_EQ((nr + 1) / 2, more);
	for (int i = 0; i < nr; i++)
		ASSERT_TRUE(object_is_whole(&objects[i]));
	for (int i = 0; i < nr; i++)
		numapin_heap_free(heap, objects[i].addr);
	EXPECT_NE(NULL, numapin_heap_malloc(heap, bytes / 16));
}

TEST(exhausted_budget)
{
	struct numapin_heap *heap;

	ASSERT_EQ(0, set_number(1, "max_bytes", PAGE - 1));
	EXPECT_EQ(NULL, numapin_heap_create(1, 0, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1", "left of its budget"));
	ASSERT_EQ(0, set_number(1, "max_bytes", 64 * MIB));
	heap = numapin_heap_create(1, 0, 0);
	ASSERT_NE(NULL, heap);
	check_exhaustion(_metadata, heap, 64 * MIB, "left of its budget");
	numapin_heap_destroy(heap);
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_TRUE(nothing_left());
}

TEST(exhausted_limit)
{
	struct numapin_heap *heap = numapin_heap_create(1, 0, 48 * MIB);
	struct object object;

	ASSERT_NE(NULL, heap);
	check_exhaustion(_metadata, heap, 48 * MIB, "left of its limit of 50331648");
	EXPECT_GE(48 * MIB, stats_of(heap).region_bytes);
	numapin_heap_destroy(heap);

	/* A page is enough for a small one, and no more is taken. */
	heap = numapin_heap_create(1, 0, UNIT);
	ASSERT_NE(NULL, heap);
	ASSERT_TRUE(object_make(&object, heap, 8, 1));
	EXPECT_EQ(0, object_elsewhere(&object, 1));
	EXPECT_EQ(UNIT, stats_of(heap).region_bytes);
	EXPECT_EQ(NULL, numapin_heap_malloc(heap, 100 * UNIT));
	numapin_heap_destroy(heap);
	EXPECT_TRUE(all_freed());
}

/* It cannot be cut, and so is moved. */
TEST(very_large_object_becomes_smaller)
{
	struct numapin_heap *heap = numapin_heap_create(1, 0, 0);
	struct object object;

	ASSERT_NE(NULL, heap);
	/* With jemalloc's page more than 1 GiB, whose next larger size nearly fills the node */
	object.addr = numapin_heap_malloc(heap, 1024 * MIB);
	ASSERT_NE(NULL, object.addr)
	{
		TH_LOG("%s", numapin_error());
	}
	object.size = 4 * MIB;
	object.fill = 1;
	memset(object.addr, 1, object.size);
	object.addr = numapin_heap_realloc(heap, object.addr, object.size);
	ASSERT_NE(NULL, object.addr);
	EXPECT_TRUE(object_is_whole(&object));
	EXPECT_EQ(0, object_elsewhere(&object, 1));
	EXPECT_EQ(FIRST + object.size + UNIT, stats_of(heap).region_bytes);
	numapin_heap_destroy(heap);
	EXPECT_TRUE(all_freed());
}

/* Each of the heaps has what the others let go of. */
TEST(full_node)
{
	struct numapin_heap *heap;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	for (int i = 0; i < 2; i++) {
		struct object object;
		size_t had = 0;

		heap = numapin_heap_create(1, 0, 0);
		ASSERT_NE(NULL, heap);
		while (object_make(&object, heap, MIB, 1))
			had += MIB;
		EXPECT_EQ(ENOMEM, errno);
		EXPECT_TRUE(SAYS(numapin_error(), "node 1 is full"));
		EXPECT_LT(numa_node_size64(1, NULL) / 2, had);
		EXPECT_EQ(NUMAPIN_PINNED, numapin_heap_outcome(heap));
		numapin_heap_destroy(heap);
		EXPECT_TRUE(all_freed());
	}
}

TEST(bad_arguments)
{
	const struct {
		int node;
		unsigned int flags;
		size_t limit;
		int error;
		const char *words;
	} bad[] = {
		{ -1, 0, 0, EINVAL, "negative" },
		{ INT32_MIN, 0, 0, EINVAL, "negative" },
		{ 1, NUMAPIN_SHARED, 0, EINVAL, "neither" },
		{ 1, NUMAPIN_HUGE, 0, EINVAL, "neither" },
		{ 1, 1u << 31, 0, EINVAL, "unknown flag" },
		{ 1, 0, PAGE - 1, ENOMEM, "left of its limit of 4095" },
		{ 99, NUMAPIN_STRICT, 0, ENODEV, "does not exist" },
		{ 99, NUMAPIN_REGION, 0, ENODEV, "no numapin device" },
	};
	struct numapin_heap *heap;
	char *addr;

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		EXPECT_EQ(NULL, numapin_heap_create(bad[i].node, bad[i].flags, bad[i].limit)) {
			TH_LOG("case %d", i);
		}
		EXPECT_EQ(bad[i].error, errno) {
			TH_LOG("case %d", i);
		}
		EXPECT_TRUE(SAYS(numapin_error(), bad[i].words)) {
			TH_LOG("case %d: %s", i, numapin_error());
		}
	}

	heap = numapin_heap_create(1, 0, 0);
	ASSERT_NE(NULL, heap);
	for (size_t size = SIZE_MAX; size > (size_t)1 << 40; size /= 2) {
		EXPECT_EQ(NULL, numapin_heap_malloc(heap, size));
		EXPECT_EQ(ENOMEM, errno);
	}
	EXPECT_EQ(NULL, numapin_heap_calloc(heap, SIZE_MAX / 2, 3));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(SAYS(numapin_error(), "overflows"));
	for (int i = 0; i < 3; i++) {
		const size_t alignments[] = { 0, 3, SIZE_MAX };

		EXPECT_EQ(NULL, numapin_heap_aligned_alloc(heap, alignments[i], 8));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(SAYS(numapin_error(), "power of two"));
	}
	EXPECT_EQ(NULL, numapin_heap_aligned_alloc(heap, (size_t)1 << 63, 8));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(FIRST, stats_of(heap).region_bytes);

	/* Nothing, which is no error */
	errno = 77;
	numapin_heap_free(heap, NULL);
	numapin_heap_destroy(NULL);
	EXPECT_EQ(0, numapin_heap_usable_size(NULL));
	addr = numapin_heap_malloc(heap, 0);
	ASSERT_NE(NULL, addr);
	addr = numapin_heap_realloc(heap, addr, 0);
	ASSERT_NE(NULL, addr);
	numapin_heap_free(heap, addr);
	EXPECT_EQ(77, errno);
	EXPECT_EQ(0, stats_of(heap).used);
	numapin_heap_destroy(heap);
	EXPECT_TRUE(all_freed());
}

/* What it is that the weakest of its regions is */
TEST(outcome)
{
	struct warnings warnings = { 0 };
	struct numapin_heap *heap = numapin_heap_create(1, 0, 0);
	void *bound, *unbound;

	ASSERT_NE(NULL, heap);
	EXPECT_EQ(NUMAPIN_PINNED, numapin_heap_outcome(heap));
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	bound = numapin_heap_malloc(heap, 40 * MIB);
	ASSERT_NE(NULL, bound);
	EXPECT_EQ(NUMAPIN_BOUND, numapin_heap_outcome(heap));
	setenv("NUMAPIN_BACKEND", "none", 1);
	numapin_set_warning_handler(catch_warning, &warnings);
	unbound = numapin_heap_malloc(heap, 40 * MIB);
	ASSERT_NE(NULL, unbound);
	EXPECT_EQ(1, warnings.count);
	EXPECT_EQ(NUMAPIN_UNBOUND, numapin_heap_outcome(heap));
	numapin_heap_free(heap, unbound);
	EXPECT_EQ(NUMAPIN_BOUND, numapin_heap_outcome(heap));
	numapin_heap_free(heap, bound);
	EXPECT_EQ(NUMAPIN_PINNED, numapin_heap_outcome(heap));
	numapin_heap_destroy(heap);
	EXPECT_EQ(NULL, numapin_heap_create(1, NUMAPIN_STRICT, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NULL, numapin_heap_create(1, NUMAPIN_RESERVE, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_TRUE(all_freed());
}

struct curious {
	struct numapin_heap *heap;
	int depth;
	bool ok;
};

/* Needs another region of the heap that is being given one. */
static void allocate_in_handler(const char *message, void *arg)
{
	struct curious *curious = arg;
	struct object object;

	if (curious->depth++)
		return;
	curious->ok = object_make(&object, curious->heap, 50 * MIB, 1);
	numapin_heap_free(curious->heap, object.addr);
}

TEST(warning_handler_may_allocate)
{
	struct curious curious = { .heap = numapin_heap_create(1, 0, 0) };
	struct object object;

	ASSERT_NE(NULL, curious.heap);
	setenv("NUMAPIN_BACKEND", "none", 1);
	setenv("NUMAPIN_WARN", "always", 1);
	numapin_set_warning_handler(allocate_in_handler, &curious);
	ASSERT_TRUE(object_make(&object, curious.heap, 40 * MIB, 1));
	EXPECT_EQ(2, curious.depth);
	EXPECT_TRUE(curious.ok);
	numapin_heap_destroy(curious.heap);
}

/* Also what the allocator keeps for itself */
TEST(heaps_come_and_go)
{
	long before = 0;

	for (int i = 0; i < 500; i++) {
		struct numapin_heap *heap = numapin_heap_create(i % 2, NUMAPIN_NO_HUGE, MIB);
		struct object object;

		ASSERT_NE(NULL, heap);
		ASSERT_TRUE(object_make(&object, heap, 100, i));
		numapin_heap_destroy(heap);
		if (i == 100)
			before = file_number("/proc/self/statm");
	}
	EXPECT_GE(before + 4 * MIB / PAGE, file_number("/proc/self/statm"));
	EXPECT_TRUE(all_freed());
}

TEST(many_heaps_at_once)
{
	struct numapin_heap *heaps[64];
	struct object objects[64];

	for (int i = 0; i < ARRAY_SIZE(heaps); i++) {
		heaps[i] = numapin_heap_create(i % 2, 0, 64 * KIB);
		ASSERT_NE(NULL, heaps[i]);
		ASSERT_TRUE(object_make(&objects[i], heaps[i], 1000, i));
	}
	for (int i = 0; i < ARRAY_SIZE(heaps); i++) {
		EXPECT_TRUE(object_is_whole(&objects[i]));
		EXPECT_EQ(0, object_elsewhere(&objects[i], i % 2));
		numapin_heap_destroy(heaps[i]);
	}
	EXPECT_TRUE(all_freed());
}

/* The program's malloc() is the C library's, and the allocator's names are nobody's. */
TEST(malloc_is_left_alone)
{
	static const char *const names[] = { "malloc", "calloc", "realloc", "free", "aligned_alloc",
				"posix_memalign", "malloc_usable_size" };
	Dl_info info;

	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_NE(0, dladdr(dlsym(RTLD_DEFAULT, names[i]), &info));
		EXPECT_NE(NULL, strstr(info.dli_fname, "/libc.so")) {
			TH_LOG("%s is of %s", names[i], info.dli_fname);
		}
	}
	EXPECT_EQ(NULL, dlsym(RTLD_DEFAULT, "mallocx"));
	EXPECT_EQ(NULL, dlsym(RTLD_DEFAULT, "mallctl"));
	EXPECT_EQ(NULL, dlsym(RTLD_DEFAULT, "malloc_conf"));
}

TEST_HARNESS_MAIN
