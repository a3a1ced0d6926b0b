// SPDX-License-Identifier: GPL-2.0-only
/*
 * A node filled to the last page: an error at the call, nobody killed for it,
 * the other node untouched, and all of it back when it is freed.
 */
#include <limits.h>
#include <sys/swap.h>
#include <time.h>

#include "harness.h"

#include "cgroup.h"
#include "device.h"
#include "library.h"
#include "oracle.h"
#include "pressure.h"
#include "worker.h"
#include "zones.h"

/*
 * What processes and the kernel may come to have more or less of a node while a
 * test runs: their pages, page tables, the tables of regions. KASAN keeps what
 * the kernel freed, and makes stacks twice as large.
 */
#define SLACK ((long long)((is_sanitizing() ? 8 : 4) * MIB))

/* Of another process, and of page cache, on the node while it is filled */
#define BYSTANDER ((long long)(32 * MIB))
#define CACHED ((long long)(64 * MIB))

/*
 * Seconds that memory may take to be free again after a kill: more of a kernel
 * that marks each page when it is freed, and fills it
 */
#define PROMPT (is_sanitizing() ? 30.0 : 1.0)

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1000000000.0;
}

/*
 * Seconds from now until node 1 has @bytes available, twice PROMPT at the most;
 * and in @least the least that it has on the way.
 */
static double seconds_until_available(long long bytes, long long *least)
{
	double start = seconds();
	long long now;

	*least = LLONG_MAX;
	do {
		shrink_caches();
		usleep(1000);
		now = available(1);
		*least = now < *least ? now : *least;
	} while (now < bytes && seconds() - start < 2 * PROMPT);
	return seconds() - start;
}

/* Memory of node 1: a region's file, or where it is mapped */
struct piece {
	size_t bytes;
	void *addr;
	int fd;
};

/**
 * struct way - a way to have memory of node 1
 * @take: Makes a piece of as many bytes as it says, by enum numapin_alloc_flags
 *        if the way has any. Gives 0; or an errno and enum numapin_cause, which
 *        is NODE_FULL where the way does not tell.
 * @give: Frees a piece
 * @keeps: Bytes of the node that it may keep until the process ends
 */
struct way {
	int (*take)(struct piece *piece, unsigned int flags, unsigned int *cause);
	void (*give)(struct piece *piece);
	size_t keeps;
};

static int take_by_alloc(struct piece *piece, unsigned int flags, unsigned int *cause)
{
	struct numapin_alloc reply;
	int error;

	piece->fd = open_node(1, O_RDWR);
	error = alloc_region(piece->fd, piece->bytes, flags, &reply);
	*cause = reply.out_cause;
	if (error)
		close(piece->fd);
	return error;
}

static void give_by_close(struct piece *piece)
{
	close(piece->fd);
}

static int take_by_mmap(struct piece *piece, unsigned int flags, unsigned int *cause)
{
	int fd = open_node(1, O_RDWR), error;

	piece->addr = map_shared(fd, piece->bytes, 0);
	error = piece->addr == MAP_FAILED ? errno : 0;
	*cause = NUMAPIN_CAUSE_NODE_FULL;
	close(fd);
	return error;
}

static void give_by_munmap(struct piece *piece)
{
	munmap(piece->addr, piece->bytes);
}

static int take_by_library(struct piece *piece, unsigned int flags, unsigned int *cause)
{
	piece->addr = allocate_on_node(1, piece->bytes);
	if (piece->addr)
		return 0;
	*cause = SAYS(numapin_error(), "node 1 is full") ? NUMAPIN_CAUSE_NODE_FULL : 0;
	return errno;
}

static void give_by_library(struct piece *piece)
{
	free_numa_memory(piece->addr, piece->bytes);
}

static const struct way by_alloc = { .take = take_by_alloc, .give = give_by_close };
static const struct way by_mmap = { .take = take_by_mmap, .give = give_by_munmap };
/* Of what it had small pieces out of, the library keeps one region. */
static const struct way by_library = {
	.take = take_by_library, .give = give_by_library, .keeps = SLAB
};

/**
 * struct filler - how a process fills the node
 * @way: By which it takes memory
 * @flags: enum numapin_alloc_flags, for the way
 * @smallest: The least that it asks for. It begins with LARGEST; refused that, it
 *            asks for an eighth; given an eighth eight times, for all again;
 *            until it is refused the least,
 * @share: or has that much in all.
 */
struct filler {
	const struct way *way;
	unsigned int flags;
	size_t smallest;
	long long share;
};

#define LARGEST (128 * MIB)

/* What comes of it: what it has, and the errno and causes that it was refused for */
struct outcome {
	long long bytes;
	int error;
	unsigned int causes;
};

/* The number of pieces */
static int fill(const struct filler *filler, struct piece *pieces, int max, struct outcome *outcome)
{
	size_t bytes = LARGEST;
	int nr = 0, given = 0, error;
	unsigned int cause;

	while (nr < max && bytes >= filler->smallest && outcome->bytes < filler->share) {
		pieces[nr].bytes = bytes;
		error = filler->way->take(&pieces[nr], filler->flags, &cause);
		if (error) {
			outcome->error = error;
			outcome->causes |= 1 << cause;
			bytes /= 8;
			given = 0;
			continue;
		}
		outcome->bytes += bytes;
		nr++;
		if (++given == 8 && bytes < LARGEST) {
			bytes *= 8;
			given = 0;
		}
	}
	return nr;
}

/* A process that fills the node when told, and frees when told. */
static void fill_as_told(const struct worker *self, const struct filler *filler)
{
	struct outcome outcome = { 0 };
	struct piece pieces[512];
	int nr;

	take_over(self);
	nr = fill(filler, pieces, ARRAY_SIZE(pieces), &outcome);
	if (write(self->link, &outcome, sizeof(outcome)) != sizeof(outcome))
		_exit(1);
	take_over(self);
	while (nr)
		filler->way->give(&pieces[--nr]);
	hand_over(self);
	take_over(self);
	_exit(0);
}

/* A process with memory of its own on the node, which it must not lose. */
static void stand_by(const struct worker *self)
{
	const size_t nr = BYSTANDER / sizeof(long);
	long *addr = numa_alloc_onnode(BYSTANDER, 1);
	bool intact = true;

	for (size_t i = 0; i < nr; i++)
		addr[i] = i;
	if (pages_elsewhere(addr, BYSTANDER, 1))
		_exit(1);
	hand_over(self);
	take_over(self);
	for (size_t i = 0; i < nr; i++)
		intact = intact && addr[i] == i;
	_exit(!intact);
}

static bool start_bystander(struct worker *worker)
{
	if (!worker_fork(worker))
		return false;
	if (!worker->pid)
		stand_by(worker);
	return take_over(worker);
}

/* What else there is on the machine while node 1 is filled */
struct surroundings {
	bool cache;
	bool swap;
};

/* Of before node 1 is filled */
struct scene {
	struct surroundings with;
	int disk;
	struct worker bystander;
	struct watch watch;
	struct zones start;
	long long available[2];
	long oom_kills;
	long swapped_out;
	long allocated;
};

/* Those of a region that is all of the node in small pages, and to map it: 8 bytes a page */
static long long tables(void)
{
	return numa_node_size64(1, NULL) / PAGE * 8 * 2;
}

/* Pages that were ever allocated in zones that numapin's can be in */
static long pages_allocated(void)
{
	return vmstat("pgalloc_dma") + vmstat("pgalloc_dma32") + vmstat("pgalloc_normal");
}

static bool start_swap(void)
{
	/* Of a test that did not come to its end */
	swapoff(DISK);
	/* 256 MiB of it are enough, and quickly set up. */
	return !system("mkswap " DISK " 262144 >/dev/null 2>&1") && !swapon(DISK, 0);
}

static bool scene_begin(struct scene *scene, const struct surroundings *with)
{
	scene->with = *with;
	scene->disk = open(DISK, O_RDONLY | O_CLOEXEC);
	/* What there is of it in memory would not be read again. */
	posix_fadvise(scene->disk, 0, 0, POSIX_FADV_DONTNEED);
	shrink_caches();
	scene->available[1] = available(1);
	if (with->swap && !start_swap())
		return false;
	if (!start_bystander(&scene->bystander))
		return false;
	if (with->cache && !fill_with_page_cache(scene->disk, 1, node_free(1) - CACHED))
		return false;
	scene->available[0] = available_elsewhere(1);
	scene->start = read_zones(1);
	scene->oom_kills = vmstat("oom_kill");
	scene->swapped_out = vmstat("pswpout");
	scene->allocated = pages_allocated();
	return watch_start(&scene->watch, 1);
}

static void scene_end(struct __test_metadata *_metadata, struct scene *scene)
{
	long long least;

	/* Not even for a while did the other node stand in, but for tables. */
	EXPECT_GT(SLACK + tables(), scene->available[0] - watch_stop(&scene->watch));
	EXPECT_EQ(scene->oom_kills, vmstat("oom_kill"));
	EXPECT_TRUE(nothing_left());
	EXPECT_TRUE(worker_lives(&scene->bystander));
	hand_over(&scene->bystander);
	EXPECT_EQ(0, worker_wait(&scene->bystander));
	if (scene->with.swap)
		EXPECT_EQ(0, swapoff(DISK));
	EXPECT_GT(PROMPT, seconds_until_available(scene->available[1] - SLACK, &least));
	close(scene->disk);
}

/* What could be had of the node at the start, at least */
static long long could_be_had(const struct scene *scene)
{
	const struct zones *start = &scene->start;
	long long bytes = start->free + start->listed - start->reserved - SLACK;

	if (scene->with.cache)
		bytes += CACHED / 8 * 7;
	if (scene->with.swap)
		bytes += BYSTANDER / 8 * 7;
	return bytes;
}

/* The last page of the node is in use, and what could make room did. */
static void expect_full(struct __test_metadata *_metadata, const struct scene *scene,
			const struct filler *filler)
{
	struct zones now = read_zones(1);

	if (filler->flags & NUMAPIN_ALLOC_HUGE) {
		/* Of each of three zones a page less than down to the watermark */
		EXPECT_GE(now.reserved + 3 * (long long)HUGE_PAGE, free_huge(1));
		return;
	}
	EXPECT_GT(now.reserved + SLACK, now.free + now.listed);
	if (scene->with.cache)
		EXPECT_GT(CACHED / 8, now.cached);
	if (scene->with.swap) {
		EXPECT_LT(BYSTANDER / 8 * 7,
			  (vmstat("pswpout") - scene->swapped_out) * (long long)PAGE);
	}
}

/* What sysfs counts the filler's refusals as */
static long failures(const struct filler *filler)
{
	return counter(1, filler->flags & NUMAPIN_ALLOC_HUGE ? "failures/no_huge_page" :
							       "failures/node_full");
}

static void expect_refusal(struct __test_metadata *_metadata, const struct filler *filler,
			   const struct outcome *outcome)
{
	unsigned int cause = filler->flags & NUMAPIN_ALLOC_HUGE ? NUMAPIN_CAUSE_NO_HUGE_PAGE :
								 NUMAPIN_CAUSE_NODE_FULL;

	EXPECT_EQ(ENOMEM, outcome->error);
	EXPECT_EQ(1 << cause, outcome->causes);
}

#define WORKERS 4

/* Processes fill the node: each a share and the last the rest, or racing. */
static void fill_and_free(struct __test_metadata *_metadata, struct scene *scene,
			  const struct filler *filler, int nr, bool racing)
{
	struct worker workers[WORKERS];
	struct outcome outcomes[WORKERS];
	long long bytes = 0;
	int i;

	for (i = 0; i < nr; i++) {
		struct filler mine = *filler;

		mine.share = racing || i == nr - 1 ? LLONG_MAX : scene->start.free / nr;
		ASSERT_TRUE(worker_fork(&workers[i]));
		if (!workers[i].pid)
			fill_as_told(&workers[i], &mine);
	}
	for (i = 0; i < nr; i++) {
		hand_over(&workers[i]);
		if (!racing)
			ASSERT_TRUE(hear(&workers[i], &outcomes[i], sizeof(outcomes[i])));
	}
	for (i = 0; i < nr; i++) {
		if (racing)
			ASSERT_TRUE(hear(&workers[i], &outcomes[i], sizeof(outcomes[i])));
		if (racing || i == nr - 1)
			expect_refusal(_metadata, filler, &outcomes[i]);
		bytes += outcomes[i].bytes;
	}

	expect_full(_metadata, scene, filler);
	/* What was refused is not counted. */
	EXPECT_EQ(bytes, counter(1, "bytes"));
	for (i = 0; i < nr; i++)
		EXPECT_TRUE(worker_lives(&workers[i]));

	for (i = 0; i < nr; i++)
		hand_over(&workers[i]);
	for (i = 0; i < nr; i++)
		EXPECT_TRUE(take_over(&workers[i]));
	EXPECT_GE((long)filler->way->keeps * nr, counter(1, "bytes"));
	for (i = 0; i < nr; i++) {
		hand_over(&workers[i]);
		EXPECT_EQ(0, worker_wait(&workers[i]));
	}
}

/* All that the node has at all, in 2 MiB pages */
static uint64_t whole_node(void)
{
	return numa_node_size64(1, NULL) / HUGE_PAGE * HUGE_PAGE;
}

static void ask_for_all(struct __test_metadata *_metadata, struct scene *scene,
			const struct filler *filler)
{
	struct piece all = { .bytes = whole_node() };
	const long before = failures(filler);
	struct outcome outcome = { 0 };
	unsigned int cause;

	outcome.error = filler->way->take(&all, filler->flags, &cause);
	outcome.causes = 1 << cause;
	expect_refusal(_metadata, filler, &outcome);
	EXPECT_EQ(before + 1, failures(filler));
	EXPECT_EQ(0, counter(1, "bytes"));
	/* It did not give up early. How much the kernel keeps may rise meanwhile. */
	if (!(filler->flags & NUMAPIN_ALLOC_HUGE)) {
		EXPECT_LT(could_be_had(scene) / 8 * 7,
			  (pages_allocated() - scene->allocated) * (long long)PAGE);
	}
}

FIXTURE(node) {
	struct scene scene;
};

FIXTURE_VARIANT(node) {
	struct surroundings with;
};

FIXTURE_VARIANT_ADD(node, alone) { };
FIXTURE_VARIANT_ADD(node, page_cache) { { .cache = true } };
FIXTURE_VARIANT_ADD(node, swap) { { .swap = true } };
FIXTURE_VARIANT_ADD(node, page_cache_and_swap) { { .cache = true, .swap = true } };

FIXTURE_SETUP(node)
{
	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_TRUE(scene_begin(&self->scene, &variant->with));
}

FIXTURE_TEARDOWN(node)
{
	scene_end(_metadata, &self->scene);
}

static const struct filler default_filler = {
	.way = &by_alloc, .smallest = PAGE, .share = LLONG_MAX
};

TEST_F(node, by_one_request)
{
	ask_for_all(_metadata, &self->scene, &default_filler);
}

TEST_F(node, by_one_process)
{
	fill_and_free(_metadata, &self->scene, &default_filler, 1, false);
}

TEST_F(node, by_processes_in_turn)
{
	fill_and_free(_metadata, &self->scene, &default_filler, WORKERS, false);
}

TEST_F(node, by_racing_processes)
{
	fill_and_free(_metadata, &self->scene, &default_filler, WORKERS, true);
}

/* The other ways to have memory of the node, by one process */
FIXTURE(way) {
	struct scene scene;
};

FIXTURE_VARIANT(way) {
	struct filler filler;
};

FIXTURE_VARIANT_ADD(way, huge_pages) {
	{ .way = &by_alloc, .flags = NUMAPIN_ALLOC_HUGE, .smallest = HUGE_PAGE }
};

FIXTURE_VARIANT_ADD(way, small_pages) {
	{ .way = &by_alloc, .flags = NUMAPIN_ALLOC_NO_HUGE, .smallest = PAGE }
};

FIXTURE_VARIANT_ADD(way, mmap) { { .way = &by_mmap, .smallest = PAGE } };
FIXTURE_VARIANT_ADD(way, library) { { .way = &by_library, .smallest = PAGE } };

FIXTURE_SETUP(way)
{
	static const struct surroundings none;

	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	ASSERT_TRUE(scene_begin(&self->scene, &none));
}

FIXTURE_TEARDOWN(way)
{
	scene_end(_metadata, &self->scene);
}

TEST_F(way, by_one_request)
{
	ask_for_all(_metadata, &self->scene, &variant->filler);
}

TEST_F(way, by_one_process)
{
	fill_and_free(_metadata, &self->scene, &variant->filler, 1, false);
}

/* What a process can take of the node with all that it takes for it */
static size_t nearly_all(void)
{
	const struct zones zones = read_zones(1);

	return (zones.free + zones.listed - zones.reserved) / 10 * 9 / HUGE_PAGE * HUGE_PAGE;
}

/* Of before a test, for what needs none of all that */
FIXTURE(idle) {
	long long available;
	long oom_kills;
	int disk;
};

FIXTURE_SETUP(idle)
{
	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	self->disk = open(DISK, O_RDONLY | O_CLOEXEC);
	posix_fadvise(self->disk, 0, 0, POSIX_FADV_DONTNEED);
	shrink_caches();
	self->available = available(1);
	self->oom_kills = vmstat("oom_kill");
}

FIXTURE_TEARDOWN(idle)
{
	long long least;

	EXPECT_TRUE(all_freed());
	EXPECT_EQ(self->oom_kills, vmstat("oom_kill"));
	EXPECT_GT(PROMPT, seconds_until_available(self->available - SLACK, &least));
	posix_fadvise(self->disk, 0, 0, POSIX_FADV_DONTNEED);
	close(self->disk);
}

/*
 * What a process gave back, in 2 MiB pages or small ones, is had again on a node
 * that is otherwise full, whichever CPUs it went through. Not all of it, since a
 * full node may be short of what the kernel keeps.
 */
TEST_F(idle, what_was_freed_is_had_again)
{
	const unsigned int flags[] = { NUMAPIN_ALLOC_HUGE, NUMAPIN_ALLOC_NO_HUGE };
	struct piece pieces[512];
	unsigned int cause;
	int nr;

	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		struct piece mine = { .bytes = 32 * MIB };
		struct outcome outcome = { 0 };

		ASSERT_EQ(0, take_by_alloc(&mine, flags[i], &cause));
		nr = fill(&default_filler, pieces, ARRAY_SIZE(pieces), &outcome);
		EXPECT_EQ(ENOMEM, outcome.error);
		for (int round = 0; round < 4; round++) {
			EXPECT_EQ(0, numa_run_on_node(round / 2));
			give_by_close(&mine);
			EXPECT_EQ(0, numa_run_on_node(round % 2));
			mine.bytes = 24 * MIB;
			EXPECT_EQ(0, take_by_alloc(&mine, flags[i], &cause));
		}
		while (nr)
			give_by_close(&pieces[--nr]);
		give_by_close(&mine);
	}
}

#define MOST_FRAGMENTS 4096

/*
 * With every other MiB in use by pages that cannot move, the node has much free
 * and no 2 MiB in one piece. The number of pieces; the even ones are free.
 */
static int fragment(struct piece *pieces)
{
	const struct rlimit many = { 2ul * MOST_FRAGMENTS, 2ul * MOST_FRAGMENTS };
	unsigned int cause;
	int nr = 0;

	setrlimit(RLIMIT_NOFILE, &many);
	for (nr = 0; nr < MOST_FRAGMENTS; nr++) {
		pieces[nr].bytes = MIB;
		if (take_by_alloc(&pieces[nr], NUMAPIN_ALLOC_NO_HUGE, &cause))
			break;
	}
	for (int i = 0; i < nr; i += 2)
		give_by_close(&pieces[i]);
	return nr;
}

static void end_fragments(struct piece *pieces, int nr)
{
	for (int i = 1; i < nr; i += 2)
		give_by_close(&pieces[i]);
}

TEST_F(idle, no_huge_page_left)
{
	struct piece pieces[MOST_FRAGMENTS];
	int nr = fragment(pieces), huge[MOST_FRAGMENTS], nr_huge = 0, fd;
	struct numapin_alloc reply;

	ASSERT_GT(MOST_FRAGMENTS, nr);
	/* What pieces of 2 MiB there are after all */
	do {
		fd = open_node(1, O_RDWR);
		huge[nr_huge++] = fd;
	} while (!alloc_region(fd, HUGE_PAGE, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_GT(nr / 4, nr_huge);
	EXPECT_EQ(NUMAPIN_CAUSE_NO_HUGE_PAGE, reply.out_cause);
	EXPECT_LT(64 * MIB, reply.out_available);

	/* Without insisting, as much is had in small pages. */
	EXPECT_EQ(0, alloc_region(fd, HUGE_PAGE, 0, &reply));
	EXPECT_EQ(0, reply.out_huge_bytes);
	while (nr_huge)
		close(huge[--nr_huge]);
	end_fragments(pieces, nr);
}

/* What the node has in use for page cache is to be had. */
TEST_F(idle, page_cache_gives_way)
{
	int ballast = open_node(1, O_RDWR), fd = open_node(1, O_RDWR);
	struct numapin_alloc reply;
	char *addr;

	/* A part of the node in page cache does as well, and is less to read. */
	ASSERT_EQ(0, alloc_region(ballast, nearly_all() - 320 * MIB, 0, NULL));
	ASSERT_TRUE(fill_with_page_cache(self->disk, 1, 64 * MIB));
	EXPECT_EQ(0, alloc_region(fd, 256 * MIB, 0, NULL));
	close(fd);

	/* What page cache left in struct page does not keep it from a PMD. */
	posix_fadvise(self->disk, 0, 0, POSIX_FADV_DONTNEED);
	fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(fd, 256 * MIB, 0, &reply));
	EXPECT_LT(128 * MIB, reply.out_huge_bytes);
	addr = map_shared(fd, 256 * MIB, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(reply.out_huge_bytes, smaps_bytes(addr, "FilePmdMapped"));
	munmap(addr, 256 * MIB);
	close(fd);
	close(ballast);
}

/* Reads for ever into a range that is its parent's too. */
static void read_into(char *addr, size_t bytes)
{
	int zeroes = open("/dev/zero", O_RDONLY);

	while (read(zeroes, addr, bytes))
		;
	_exit(1);
}

/* Whether a process is gone within some time from when it is killed */
static bool dies_promptly(pid_t pid)
{
	const double start = seconds();

	kill(pid, SIGKILL);
	while (!waitpid(pid, NULL, WNOHANG) && seconds() - start < PROMPT)
		usleep(1000);
	return seconds() - start < PROMPT;
}

/*
 * A system call that would write to what must be copied first, and cannot be, is
 * an error, and who is killed in it dies.
 */
TEST_F(idle, no_huge_page_to_copy_to)
{
	const struct filler filler = {
		.way = &by_alloc, .flags = NUMAPIN_ALLOC_HUGE, .smallest = HUGE_PAGE,
		.share = LLONG_MAX,
	};
	int fd = open_node(1, O_RDWR), zeroes = open("/dev/zero", O_RDONLY), nr, nr_huge;
	struct piece pieces[MOST_FRAGMENTS], huge[64];
	struct outcome outcome = { 0 };
	int refused = 0;
	char *addr;
	pid_t pid;

	ASSERT_EQ(0, alloc_region(fd, HUGE_PAGE, NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_PRIVATE,
				  NULL));
	addr = map_shared(fd, HUGE_PAGE, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	nr = fragment(pieces);
	nr_huge = fill(&filler, huge, ARRAY_SIZE(huge), &outcome);
	for (int round = 0; round < 30; round++) {
		pid = fork();
		if (!pid)
			read_into(addr, HUGE_PAGE);
		/* Compaction may make a 2 MiB page after all. */
		if (read(zeroes, addr, PAGE) < 0) {
			EXPECT_EQ(EFAULT, errno);
			refused++;
		}
		usleep(round * 1000);
		EXPECT_TRUE(dies_promptly(pid));
	}
	EXPECT_LT(0, refused);
	while (nr_huge)
		give_by_close(&huge[--nr_huge]);
	end_fragments(pieces, nr);
	munmap(addr, HUGE_PAGE);
	close(fd);
}

/* A cluster is no huge page: where it cannot be copied, the node is full. */
TEST_F(idle, no_cluster_to_copy_to)
{
	int fd = open_node(1, O_RDWR), zeroes = open("/dev/zero", O_RDONLY), nr;
	struct outcome outcome = { 0 };
	long failed, full, no_huge;
	struct piece pieces[512];
	int refused = 0;
	char *addr;
	pid_t pid;

	ASSERT_EQ(0, alloc_region(fd, CLUSTER, NUMAPIN_ALLOC_PRIVATE, NULL));
	addr = map_shared(fd, CLUSTER, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_EQ(1, clusters(addr, CLUSTER));
	nr = fill(&default_filler, pieces, ARRAY_SIZE(pieces), &outcome);
	EXPECT_EQ(ENOMEM, outcome.error);
	failed = counter(1, "failed_copies");
	full = counter(1, "failures/node_full");
	no_huge = counter(1, "failures/no_huge_page");
	/* The kernel may have found some memory yet. */
	for (int round = 0; round < 30; round++) {
		pid = fork();
		if (!pid)
			pause();
		if (read(zeroes, addr, PAGE) < 0) {
			EXPECT_EQ(EFAULT, errno);
			refused++;
		}
		EXPECT_TRUE(dies_promptly(pid));
	}
	EXPECT_LT(0, refused);
	EXPECT_EQ(failed + refused, counter(1, "failed_copies"));
	EXPECT_EQ(full + refused, counter(1, "failures/node_full"));
	EXPECT_EQ(no_huge, counter(1, "failures/no_huge_page"));
	while (nr)
		give_by_close(&pieces[--nr]);
	munmap(addr, CLUSTER);
	close(fd);
}

/* All work of reclaim and compaction for allocations that there ever was */
static long reclaim_work(void)
{
	static const char *const kinds[] = {
		"pgscan_", "pgsteal_", "allocstall_", "compact_stall",
	};
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];
	long value, sum = 0;

	while (file && fscanf(file, "%63s %ld", name, &value) == 2)
		for (int i = 0; i < ARRAY_SIZE(kinds); i++)
			if (!strncmp(name, kinds[i], strlen(kinds[i])))
				sum += value;
	if (file)
		fclose(file);
	return sum;
}

/* More than the node has at all fails at once, and page cache stays for it. */
TEST_F(idle, what_never_fits)
{
	static const struct way *const ways[] = { &by_alloc, &by_mmap, &by_library };
	struct piece piece = { .bytes = whole_node() + HUGE_PAGE };
	const int rounds = 100;
	unsigned int cause;
	double start;
	long before;

	ASSERT_TRUE(fill_with_page_cache(self->disk, 1, node_free(1) - CACHED));
	before = reclaim_work();
	for (int i = 0; i < ARRAY_SIZE(ways); i++) {
		start = seconds();
		for (int round = 0; round < rounds; round++)
			EXPECT_EQ(ENOMEM, ways[i]->take(&piece, 0, &cause));
		EXPECT_GT(PROMPT / 2, seconds() - start);
	}
	EXPECT_EQ(before, reclaim_work());
	EXPECT_LT(CACHED / 8 * 7, read_zones(1).cached);
}

/* ALLOC's errno with a struct that it can read and not write. */
static int alloc_without_reply(int fd, size_t bytes)
{
	const struct numapin_alloc alloc = { .size = sizeof(alloc), .length = bytes };
	struct numapin_alloc *readable = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	*readable = alloc;
	mprotect(readable, PAGE, PROT_READ);
	error = ioctl_errno(fd, NUMAPIN_IOCTL_ALLOC, readable);
	munmap(readable, PAGE);
	return error;
}

#define NOBODY 65534

/* What a user was refused when it was all but had does not count against limits. */
TEST_F(idle, refusals_are_not_counted)
{
	const struct rlimit enough = { whole_node(), RLIM_INFINITY };
	const struct rlimit little = { MIB, RLIM_INFINITY };
	int fd = open_node(1, O_RDWR), other = open_node(1, O_RDWR);
	struct numapin_alloc reply;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &enough));
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, 0));
	EXPECT_EQ(ENOMEM, alloc_region(fd, whole_node(), 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	/* What there is to ask for instead, and not what was left at the end */
	EXPECT_LT(nearly_all(), reply.out_available);
	EXPECT_EQ(ENOMEM, alloc_region(fd, whole_node(), NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NO_HUGE_PAGE, reply.out_cause);
	EXPECT_EQ(EFAULT, alloc_without_reply(fd, 64 * MIB));
	EXPECT_EQ(0, counter(1, "bytes"));

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &little));
	EXPECT_EQ(0, alloc_region(fd, MIB, 0, NULL));
	EXPECT_EQ(ENOMEM, alloc_region(other, PAGE, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_MEMLOCK, reply.out_cause);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	close(fd);
	close(other);
}

/* What a round of allocating, touching and freeing could leave less of */
struct levels {
	long long available[2];
	long slab;
	long charged;
	long charged_slab;
};

static struct levels read_levels(void)
{
	shrink_caches();
	return (struct levels){
		.available = { available_elsewhere(1), available(1) },
		.slab = named_number("/proc/meminfo", "SUnreclaim:") * (long)KIB,
		.charged = cgroup_number("memory.current"),
		.charged_slab = named_number(CGROUP "/memory.stat", "slab_unreclaimable"),
	};
}

static void one_round(struct __test_metadata *_metadata, int round)
{
	static const size_t sizes[] = { PAGE, 5 * PAGE, 64 * KIB, MIB, HUGE_PAGE,
					HUGE_PAGE + 3 * PAGE, 2 * HUGE_PAGE };
	static const struct way *const ways[] = { &by_alloc, &by_mmap, &by_library };
	const struct way *way = ways[round % ARRAY_SIZE(ways)];
	struct piece piece = { .bytes = sizes[round % ARRAY_SIZE(sizes)] };
	unsigned int cause;

	ASSERT_EQ(0, way->take(&piece, round % 2 ? NUMAPIN_ALLOC_NO_HUGE : 0, &cause));
	if (way == &by_alloc)
		piece.addr = map_shared(piece.fd, piece.bytes, 0);
	for (size_t i = 0; i < piece.bytes; i += PAGE)
		((char *)piece.addr)[i] = 1;
	if (way == &by_alloc)
		munmap(piece.addr, piece.bytes);
	way->give(&piece);
}

#define ROUNDS 1000

TEST_F(idle, a_thousand_rounds)
{
	struct levels start, end;
	int i;

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	for (i = 0; i < ROUNDS / 10; i++)
		one_round(_metadata, i);
	start = read_levels();
	for (i = 0; i < ROUNDS; i++)
		one_round(_metadata, i);
	end = read_levels();
	/* Not a page each */
	for (i = 0; i < 2; i++)
		EXPECT_GT(ROUNDS * (long long)PAGE, start.available[i] - end.available[i]);
	EXPECT_GT(ROUNDS * (long)PAGE, end.charged - start.charged);
	EXPECT_GT(ROUNDS * 512, end.slab - start.slab);
	/* Not a small object each */
	EXPECT_GT(ROUNDS * 64, end.charged_slab - start.charged_slab);
	ASSERT_TRUE(cgroup_leave());
}

/* A process that is killed while it takes most of the node, or when it has it */
FIXTURE(killed) {
	struct piece pieces[MOST_FRAGMENTS];
	int nr;
};

FIXTURE_VARIANT(killed) {
	const struct way *way;
	unsigned int flags;
	bool fragmented;
};

FIXTURE_VARIANT_ADD(killed, in_alloc) { .way = &by_alloc };
FIXTURE_VARIANT_ADD(killed, in_alloc_of_small_pages) {
	.way = &by_alloc, .flags = NUMAPIN_ALLOC_NO_HUGE
};

FIXTURE_VARIANT_ADD(killed, in_mmap) { .way = &by_mmap };
FIXTURE_VARIANT_ADD(killed, in_mmap_of_small_pages) { .way = &by_mmap, .fragmented = true };

FIXTURE_SETUP(killed)
{
	if (!may_fill_nodes())
		SKIP(return, NOT_TO_BE_FILLED);
	if (variant->fragmented)
		self->nr = fragment(self->pieces);
}

FIXTURE_TEARDOWN(killed)
{
	end_fragments(self->pieces, self->nr);
	EXPECT_TRUE(nothing_left());
}

/* Kills a process when it has @eighths of it; gives the most that it came to have. */
static long long kill_at(struct __test_metadata *_metadata, const struct way *way,
			 unsigned int flags, int eighths)
{
	struct piece piece = { .bytes = nearly_all() };
	const long long start = available(1);
	struct worker worker;
	unsigned int cause;
	long long least;

	ASSERT_TRUE(worker_fork(&worker));
	if (!worker.pid) {
		way->take(&piece, flags, &cause);
		hand_over(&worker);
		pause();
	}
	if (eighths == 8)
		ASSERT_TRUE(take_over(&worker));
	while (eighths < 8 &&
	       available(1) > start - (long long)piece.bytes / 8 * eighths)
		ASSERT_TRUE(worker_lives(&worker));
	kill(worker.pid, SIGKILL);
	EXPECT_GT(PROMPT, seconds_until_available(start - SLACK, &least));
	EXPECT_EQ(-1, worker_wait(&worker));
	return start - least;
}

TEST_F(killed, frees_all)
{
	const long long all = nearly_all();
	long long most = kill_at(_metadata, variant->way, variant->flags, 1);

	/* It goes no further. With 2 MiB pages it may be there before it is killed. */
	if (variant->flags || variant->fragmented)
		EXPECT_GT(all / 8 * 7, most);
	kill_at(_metadata, variant->way, variant->flags, 7);
	kill_at(_metadata, variant->way, variant->flags, 8);
}

TEST_HARNESS_MAIN
