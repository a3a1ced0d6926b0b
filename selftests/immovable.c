// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way to move pages to another node, within it or into others, that moves
 * none of a region while it is being written; and does move ordinary memory, or
 * the attempt would prove nothing.
 */
/* Before numaif.h, which defines most of what this has as an enum */
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <sys/wait.h>

#include "harness.h"

#include "pressure.h"
#include "region.h"

/*
 * Migration between nodes
 */

TEST_F(region, migrate_pages)
{
	struct bitmask *from = only_node(1), *to = only_node(0);
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int left;

	ASSERT_NE(NULL, ordinary);
	left = numa_migrate_pages(0, from, to);
	EXPECT_LE(0, left);
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	REPORT("migrate_pages", moves(pages_elsewhere(ordinary, ORDINARY, 1)), "%s",
	       answer(left < 0 ? errno : 0));
}

/*
 * The status that move_pages() to node 0 gives each page; 1 where it is not the
 * same for each; of the call where that fails.
 */
static int moved_status(pid_t pid, char *addr, size_t bytes, int flags)
{
	const size_t count = bytes / PAGE;
	void **pages = calloc(count, sizeof(*pages));
	int *targets = calloc(count, sizeof(*targets));
	int *status = calloc(count, sizeof(*status));
	int all = 1;
	size_t i;

	for (i = 0; i < count; i++)
		pages[i] = addr + i * PAGE;
	if (numa_move_pages(pid, count, pages, targets, status, flags) < 0) {
		all = -errno;
	} else {
		for (i = 0; i < count && status[i] == status[0]; i++)
			;
		if (i == count)
			all = status[0];
	}
	free(pages);
	free(targets);
	free(status);
	return all;
}

static const char *status_of_each(int status)
{
	static char text[64];

	snprintf(text, sizeof(text), status <= 0 ? "%s for each page" : "differs", answer(-status));
	return text;
}

TEST_F(region, move_pages)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int status;

	ASSERT_NE(NULL, ordinary);
	status = moved_status(0, self->addr, variant->bytes, MPOL_MF_MOVE);
	moved_status(0, ordinary, ORDINARY, MPOL_MF_MOVE);
	EXPECT_EQ(-EFAULT, status);
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	REPORT("move_pages", moves(pages_elsewhere(ordinary, ORDINARY, 1)), "%s",
	       status_of_each(status));
}

TEST_F(region, move_all_pages)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int status;

	ASSERT_NE(NULL, ordinary);
	status = moved_status(0, self->addr, variant->bytes, MPOL_MF_MOVE_ALL);
	moved_status(0, ordinary, ORDINARY, MPOL_MF_MOVE_ALL);
	EXPECT_EQ(-EFAULT, status);
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	REPORT("move_pages, MPOL_MF_MOVE_ALL", moves(pages_elsewhere(ordinary, ORDINARY, 1)), "%s",
	       status_of_each(status));
}

/* Writes to @fd what another process's move_pages() says of its parent's pages. */
static void move_parents_pages(int fd, char *addr, size_t bytes, char *ordinary)
{
	int status;

	/* Its own copies would keep the parent's from moving. */
	munmap(ordinary, ORDINARY);
	munmap(addr, bytes);
	status = moved_status(getppid(), addr, bytes, MPOL_MF_MOVE);
	moved_status(getppid(), ordinary, ORDINARY, MPOL_MF_MOVE);
	_exit(write(fd, &status, sizeof(status)) != sizeof(status));
}

TEST_F(region, move_pages_by_another_process)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int pipes[2], status;

	ASSERT_NE(NULL, ordinary);
	ASSERT_EQ(0, pipe(pipes));
	if (!fork())
		move_parents_pages(pipes[1], self->addr, variant->bytes, ordinary);
	ASSERT_EQ(sizeof(status), read(pipes[0], &status, sizeof(status)));
	wait(NULL);
	EXPECT_EQ(-EFAULT, status);
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	REPORT("move_pages, from another process",
	       moves(pages_elsewhere(ordinary, ORDINARY, 1)), "%s", status_of_each(status));
}

/*
 * Policies
 */

#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6	/* since 6.9 */
#endif

static const struct policy {
	const char *name;
	int mode;
} policies[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_BIND with MPOL_F_STATIC_NODES", MPOL_BIND | MPOL_F_STATIC_NODES },
	{ "MPOL_BIND with MPOL_F_RELATIVE_NODES", MPOL_BIND | MPOL_F_RELATIVE_NODES },
	{ "MPOL_BIND with MPOL_F_NUMA_BALANCING", MPOL_BIND | MPOL_F_NUMA_BALANCING },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE },
	{ "MPOL_LOCAL", MPOL_LOCAL },
};

static const struct mbind_flags {
	const char *name;
	unsigned int flags;
} mbind_flags[] = {
	{ "no flag", 0 },
	{ "MOVE", MPOL_MF_MOVE },
	{ "MOVE_ALL", MPOL_MF_MOVE_ALL },
	{ "STRICT", MPOL_MF_STRICT },
	{ "STRICT+MOVE", MPOL_MF_STRICT | MPOL_MF_MOVE },
	{ "STRICT+MOVE_ALL", MPOL_MF_STRICT | MPOL_MF_MOVE_ALL },
};

/* The nodes of a policy that wants memory of node 0, where this CPU is */
static unsigned long *policy_nodes(const struct policy *policy)
{
	static unsigned long node0[16] = { 1 };

	return policy->mode == MPOL_DEFAULT || policy->mode == MPOL_LOCAL ? NULL : node0;
}

static int mbind_errno(const struct policy *policy, char *addr, size_t bytes, unsigned int flags)
{
	unsigned long *nodes = policy_nodes(policy);

	return mbind(addr, bytes, policy->mode, nodes, nodes ? 1024 : 0, flags) ? errno : 0;
}

/* What mbind() of the region answers for each combination of flags, in words */
static const char *mbind_answers(const int *errors)
{
	static char text[256];
	int last = errors[0];
	size_t n;

	n = snprintf(text, sizeof(text), "%s", answer(errors[0]));
	for (size_t i = 1; i < ARRAY_SIZE(mbind_flags); i++) {
		if (errors[i] == errors[0])
			continue;
		if (errors[i] == last)
			n += snprintf(text + n, sizeof(text) - n, ", %s", mbind_flags[i].name);
		else
			n += snprintf(text + n, sizeof(text) - n, "; %s with %s",
				      answer(errors[i]), mbind_flags[i].name);
		last = errors[i];
	}
	return text;
}

/* Whether an errno is what a known policy and a combination of flags are answered with */
static bool is_right(int error, const struct policy *policy, unsigned int flags)
{
	if (policy->mode == MPOL_DEFAULT)
		return !error;
	/* EIO: pages are elsewhere. Newer kernels also have it for those that cannot move. */
	if (flags == MPOL_MF_STRICT)
		return error == EIO;
	return error == EPERM || (error == EIO && flags & MPOL_MF_STRICT);
}

/* Whether this kernel may be without a policy */
static bool is_new(const struct policy *policy)
{
	return policy->mode == MPOL_WEIGHTED_INTERLEAVE;
}

TEST_F(region, mbind)
{
	char way[64], *ordinary;
	int control, errors[ARRAY_SIZE(mbind_flags)];

	ASSERT_EQ(0, numa_run_on_node(0));
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		const struct policy *policy = &policies[i];

		ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
		ASSERT_NE(NULL, ordinary);
		control = mbind_errno(policy, ordinary, ORDINARY, MPOL_MF_MOVE);
		EXPECT_EQ(is_new(policy) ? control : 0, control);
		EXPECT_TRUE(control || pages_elsewhere(ordinary, ORDINARY, 1) > 0);

		for (size_t j = 0; j < ARRAY_SIZE(mbind_flags); j++) {
			errors[j] = mbind_errno(policy, self->addr, variant->bytes,
						mbind_flags[j].flags);
			EXPECT_TRUE(control ? errors[j] == control :
					      is_right(errors[j], policy, mbind_flags[j].flags));
		}
		snprintf(way, sizeof(way), "mbind, %s", policy->name);
		REPORT(way, control ? answer(control) :
				      moves(pages_elsewhere(ordinary, ORDINARY, 1)),
		       "%s", mbind_answers(errors));
		munmap(ordinary, ORDINARY);
	}
}

static int set_mempolicy_errno(const struct policy *policy)
{
	unsigned long *nodes = policy_nodes(policy);

	return set_mempolicy(policy->mode, nodes, nodes ? 1024 : 0) ? errno : 0;
}

/* A task's policy is asked when a page is touched that is not there. */
TEST_F(region, set_mempolicy)
{
	char way[64], *ordinary;
	int error;

	ASSERT_EQ(0, numa_run_on_node(0));
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
		ASSERT_NE(NULL, ordinary);
		error = set_mempolicy_errno(&policies[i]);
		EXPECT_EQ(is_new(&policies[i]) ? error : 0, error);
		ASSERT_EQ(0, advise(self->addr, variant->bytes, MADV_DONTNEED));
		ASSERT_EQ(0, advise(ordinary, ORDINARY, MADV_DONTNEED));
		memset(ordinary, 1, ORDINARY);
		EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
		snprintf(way, sizeof(way), "set_mempolicy, %s", policies[i].name);
		REPORT(way, moves(pages_elsewhere(ordinary, ORDINARY, 1)), "%s", answer(error));
		ASSERT_EQ(0, set_mempolicy(MPOL_DEFAULT, NULL, 0));
		munmap(ordinary, ORDINARY);
	}
}

TEST_F(region, cpuset_mems)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	bool took;

	ASSERT_NE(NULL, ordinary);
	ASSERT_TRUE(cgroup_enter("cpuset", "cpuset.mems", "0-1"));
	ASSERT_TRUE(write_file(CGROUP "/cpuset.mems", "0"));
	took = SOON(pages_elsewhere(ordinary, ORDINARY, 1));
	EXPECT_TRUE(took);
	REPORT("a cpuset's mems without the node", moves(took), "%s", "");
}

/*
 * NUMA balancing
 */

#define BALANCING "/sys/kernel/debug/sched/numa_balancing"

/* Has it scan all there is in no time; returns whether it could be told. */
static bool balance_fast(void)
{
	return write_file("/proc/sys/kernel/numa_balancing", "1") &&
	       write_file(BALANCING "/scan_delay_ms", "10") &&
	       write_file(BALANCING "/scan_period_min_ms", "10") &&
	       write_file(BALANCING "/scan_period_max_ms", "20");
}

static bool balance_as_before(void)
{
	return write_file(BALANCING "/scan_delay_ms", "1000") &&
	       write_file(BALANCING "/scan_period_min_ms", "1000") &&
	       write_file(BALANCING "/scan_period_max_ms", "60000");
}

/* Gives all of this process's memory but a region a policy without balancing. */
static bool exempt_all_but(const char *region)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512], write;
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*c%c", &start, &end, &write) != 3)
			continue;
		if (start == (uintptr_t)region)
			found = true;
		else if (write == 'w')
			mbind((void *)start, end - start, MPOL_LOCAL, NULL, 0, 0);
	}
	if (maps)
		fclose(maps);
	return found;
}

/* How often the scanner came to the end of this process's memory */
static long scans(void)
{
	FILE *sched = fopen("/proc/self/sched", "r");
	char line[256];
	long n = -1;

	while (sched && n < 0 && fgets(line, sizeof(line), sched))
		if (sscanf(line, "mm->numa_scan_seq : %ld", &n) != 1)
			n = -1;
	if (sched)
		fclose(sched);
	return n;
}

/*
 * Hinting faults while all of this process's memory was scanned a few times; -1
 * where it was not. The counter is the system's.
 */
static long faults_while_scanned(void)
{
	const long faults = vmstat("numa_hint_faults"), scanned = scans();

	return SOON(scans() > scanned + 10) ? vmstat("numa_hint_faults") - faults : -1;
}

TEST_F(region, numa_balancing)
{
	struct hammer hammer = { 0 };
	char *ordinary;
	long faults;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_TRUE(balance_fast());
	hammer_stop(&self->hammer);
	ASSERT_EQ(0, numa_run_on_node(0));
	ASSERT_TRUE(hammer_start(&self->hammer, self->addr));

	/* Should another process have had one, then not every time. */
	ASSERT_TRUE(exempt_all_but(self->addr));
	for (int tries = 0; tries < 10; tries++) {
		faults = faults_while_scanned();
		if (!faults)
			break;
	}
	EXPECT_EQ(0, faults);

	ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	ASSERT_TRUE(hammer_begin(&hammer, ordinary, ORDINARY));
	EXPECT_LT(0, faults_while_scanned());
	EXPECT_TRUE(SOON(pages_elsewhere(ordinary, ORDINARY, 1)));
	hammer_stop(&hammer);
	REPORT("NUMA balancing", moves(pages_elsewhere(ordinary, ORDINARY, 1)),
	       "%ld hinting faults", faults);
	ASSERT_TRUE(balance_as_before());
}

/*
 * Within the node
 */

#define COMPACT_SPACE (32 * MIB)

/* Whether any page of odd number moved: the others are gone. */
static bool odd_pages_moved(const char *addr, const uint64_t *before)
{
	uint64_t *now = calloc(COMPACT_SPACE / PAGE, sizeof(*now));
	bool moved = false;

	if (now && pagemap(addr, COMPACT_SPACE, now))
		for (size_t i = 1; i < COMPACT_SPACE / PAGE; i += 2)
			moved |= (now[i] ^ before[i]) & PAGEMAP_FRAME;
	free(now);
	return moved;
}

/* How much each CPU keeps of what is freed there, where compaction does not see it */
#define KEEP_LITTLE "1000000"
#define KEEP_AS_USUAL "0"

TEST_F(region, compaction)
{
	const char *kept = "/proc/sys/vm/percpu_pagelist_high_fraction";
	int error, error_of_node;
	uint64_t *before;
	char *ordinary;
	bool moved;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ordinary = ordinary_memory(COMPACT_SPACE, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, ordinary);
	before = frames_of(ordinary, COMPACT_SPACE);
	ASSERT_NE(NULL, before);
	hammer_stop(&self->hammer);
	ASSERT_TRUE(write_file(kept, KEEP_LITTLE));
	for (size_t i = 0; i < COMPACT_SPACE; i += 2 * PAGE)
		ASSERT_EQ(0, advise(ordinary + i, PAGE, MADV_DONTNEED));
	ASSERT_TRUE(write_file(kept, KEEP_AS_USUAL));
	ASSERT_TRUE(hammer_start(&self->hammer, self->addr));

	error_of_node = write_errno("/sys/devices/system/node/node1/compact", "1");
	error = write_errno("/proc/sys/vm/compact_memory", "1");
	moved = odd_pages_moved(ordinary, before);
	EXPECT_EQ(0, error_of_node);
	EXPECT_EQ(0, error);
	EXPECT_TRUE(moved);
	REPORT("compaction", moves(moved), "%s", answer(error ?: error_of_node));
}

static long anon_huge(const char *addr)
{
	return smaps_bytes(addr, "AnonHugePages");
}

TEST_F(region, split_huge_pages)
{
	char range[64], *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	const char *debugfs = "/sys/kernel/debug/split_huge_pages";
	int error, error_of_all = 0;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	ASSERT_EQ(ORDINARY, anon_huge(ordinary));
	snprintf(range, sizeof(range), "%d,0x%lx,0x%lx", getpid(), (long)self->addr,
		 (long)self->addr + variant->bytes);
	error = write_errno(debugfs, range);
	EXPECT_EQ(0, error);
	snprintf(range, sizeof(range), "%d,0x%lx,0x%lx", getpid(), (long)ordinary,
		 (long)ordinary + HUGE_PAGE);
	EXPECT_EQ(0, write_errno(debugfs, range));
	EXPECT_GE(ORDINARY - HUGE_PAGE, anon_huge(ordinary));
	/* A page that is in use for a moment is passed over. */
	EXPECT_TRUE(SOON((error_of_all = write_errno(debugfs, "1")) || !anon_huge(ordinary)));
	EXPECT_EQ(0, error_of_all);
	EXPECT_EQ(variant->huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	REPORT("split_huge_pages", anon_huge(ordinary) ? "stays whole" : "is split", "%s",
	       answer(error ?: error_of_all));
}

#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged"

TEST_F(region, khugepaged)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	int error;
	bool took;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	ASSERT_EQ(0, anon_huge(ordinary));
	ASSERT_TRUE(write_file(KHUGEPAGED "/scan_sleep_millisecs", "0"));
	/* It sleeps a minute where it once found no huge page to collapse to. */
	ASSERT_TRUE(write_file(KHUGEPAGED "/alloc_sleep_millisecs", "0"));
	ASSERT_TRUE(write_file(KHUGEPAGED "/pages_to_scan", "100000"));
	error = advise(self->addr, variant->bytes, MADV_HUGEPAGE);
	EXPECT_EQ(0, error);
	ASSERT_EQ(0, advise(ordinary, ORDINARY, MADV_HUGEPAGE));
	took = SOON(anon_huge(ordinary) == ORDINARY);
	EXPECT_TRUE(took) {
		TH_LOG("full scans: %ld, collapsed: %ld, without memory: %ld",
		       file_number(KHUGEPAGED "/full_scans"),
		       file_number(KHUGEPAGED "/pages_collapsed"),
		       vmstat("thp_collapse_alloc_failed"));
	}
	EXPECT_EQ(variant->huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	REPORT("khugepaged, after MADV_HUGEPAGE", took ? "is collapsed" : "stays", "%s",
	       answer(error));
	write_file(KHUGEPAGED "/scan_sleep_millisecs", "10000");
	write_file(KHUGEPAGED "/alloc_sleep_millisecs", "60000");
	write_file(KHUGEPAGED "/pages_to_scan", "4096");
}

/* EAGAIN where pages are in use for a moment, ENOMEM where memory is in pieces */
static int collapse(char *addr, size_t bytes)
{
	int error = advise(addr, bytes, MADV_COLLAPSE);

	if (error == ENOMEM && may_fill_nodes())
		write_file("/proc/sys/vm/compact_memory", "1");
	return error;
}

TEST_F(region, collapse)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	int error, error_of_ordinary;

	ASSERT_NE(NULL, ordinary);
	error = advise(self->addr, variant->bytes, MADV_COLLAPSE);
	EXPECT_EQ(EINVAL, error);
	ASSERT_EQ(0, advise(ordinary, ORDINARY, MADV_HUGEPAGE));
	EXPECT_TRUE(SOON(!(error_of_ordinary = collapse(ordinary, ORDINARY))));
	EXPECT_EQ(0, error_of_ordinary);
	EXPECT_EQ(ORDINARY, anon_huge(ordinary));
	REPORT("MADV_COLLAPSE", anon_huge(ordinary) ? "is collapsed" : "stays", "%s",
	       answer(error));
}

/*
 * KSM. Its pages are alike, so the hammered region is none for it: there is
 * another beside it.
 */

#define KSM "/sys/kernel/mm/ksm"
#define ALIKE (16 * PAGE)

static void all_alike(char *addr)
{
	for (size_t i = 0; i < ALIKE; i += PAGE)
		memset(addr + i, 'k', PAGE);
}

static long merged(void)
{
	return file_number("/proc/self/ksm_merging_pages");
}

TEST_F(region, mergeable)
{
	char *ordinary = ordinary_memory(ALIKE, MADV_NOHUGEPAGE), *alike;
	int error, fd = open_node(1, O_RDWR);
	long merged_of_ordinary;
	uint64_t *frames;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	ASSERT_NE(NULL, ordinary);
	ASSERT_EQ(0, alloc_region(fd, HUGE_PAGE, variant->flags, NULL));
	alike = map_shared(fd, HUGE_PAGE, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, alike);
	all_alike(alike);
	all_alike(ordinary);
	frames = frames_of(alike, ALIKE);
	ASSERT_NE(NULL, frames);

	error = advise(alike, HUGE_PAGE, MADV_MERGEABLE) ?:
		advise(self->addr, variant->bytes, MADV_MERGEABLE);
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, advise(ordinary, ALIKE, MADV_MERGEABLE));
	ASSERT_TRUE(write_file(KSM "/sleep_millisecs", "10"));
	ASSERT_TRUE(write_file(KSM "/pages_to_scan", "200"));
	ASSERT_TRUE(write_file(KSM "/run", "1"));
	/* And no more of them for a while */
	EXPECT_TRUE(SOON(merged() >= ALIKE / PAGE - 1));
	usleep(200000);
	merged_of_ordinary = merged();
	EXPECT_GE(ALIKE / PAGE, merged_of_ordinary);
	EXPECT_EQ(0, frames_changed(alike, ALIKE, frames));
	REPORT("MADV_MERGEABLE, with KSM running", merged_of_ordinary ? "is merged" : "stays",
	       "%s", answer(error));
	write_file(KSM "/run", "2");
	write_file(KSM "/run", "0");
	munmap(alike, HUGE_PAGE);
	close(fd);
}

/*
 * Mappings. The hammer has one of its own, since theirs go from under it.
 */

/* Has the hammer on another mapping, which is returned. */
static char *hammer_elsewhere(struct hammer *hammer, int fd, size_t bytes)
{
	char *addr = map_shared(fd, bytes, MAP_POPULATE);

	hammer_stop(hammer);
	return addr != MAP_FAILED && hammer_start(hammer, addr) ? addr : NULL;
}

/* Maps all of the region anew, for what was split stays so, and has the hammer there. */
#define HAMMER_AGAIN(elsewhere) do {							\
	self->addr = map_shared(self->fd, variant->bytes, MAP_POPULATE);		\
	ASSERT_NE(MAP_FAILED, self->addr);						\
	hammer_stop(&self->hammer);							\
	munmap(elsewhere, variant->bytes);						\
	ASSERT_TRUE(hammer_start(&self->hammer, self->addr));				\
} while (0)

/* They take nothing from ordinary memory either. */
#define NOT_TRIED "-"

/* A part of a huge page, and of what comes behind */
#define PART_BYTES (2 * PAGE)
#define FIRST_PART (self->addr + 100 * PAGE)
#define LAST_PART (self->addr + variant->bytes - 4 * PAGE)

TEST_F(region, mprotect)
{
	char *elsewhere = hammer_elsewhere(&self->hammer, self->fd, variant->bytes);
	int error = 0;

	ASSERT_NE(NULL, elsewhere);
	if (mprotect(FIRST_PART, PART_BYTES, PROT_NONE) ||
	    mprotect(LAST_PART, PART_BYTES, PROT_NONE) ||
	    mprotect(self->addr, variant->bytes, PROT_READ))
		error = errno;
	EXPECT_EQ(0, error);
	REPORT("mprotect", NOT_TRIED, "%s", answer(error));
	munmap(self->addr, variant->bytes);
	HAMMER_AGAIN(elsewhere);
}

TEST_F(region, partial_munmap)
{
	char *elsewhere = hammer_elsewhere(&self->hammer, self->fd, variant->bytes);
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	int error = 0;

	ASSERT_NE(NULL, elsewhere);
	ASSERT_NE(NULL, ordinary);
	if (munmap(FIRST_PART, PART_BYTES) || munmap(LAST_PART, PART_BYTES))
		error = errno;
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, frames_changed(self->addr, 100 * PAGE, self->frames));
	munmap(self->addr, variant->bytes);
	HAMMER_AGAIN(elsewhere);

	ASSERT_EQ(0, munmap(ordinary, PAGE));
	ASSERT_EQ(ordinary, mmap(ordinary, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(all_zero(ordinary, PAGE));
	REPORT("munmap of a part, and mapped again", lost(ordinary, PAGE), "%s", answer(error));
}

/* To where a page of 2 MiB does not fit */
TEST_F(region, mremap)
{
	char *elsewhere = hammer_elsewhere(&self->hammer, self->fd, variant->bytes);
	char *space = mmap(NULL, 2 * variant->bytes + 2 * HUGE_PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *odd = (char *)(((uintptr_t)space + HUGE_PAGE) & ~(HUGE_PAGE - 1)) + PAGE;
	int error = 0;

	ASSERT_NE(NULL, elsewhere);
	ASSERT_NE(MAP_FAILED, space);
	if (mremap(self->addr, variant->bytes, variant->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   odd) == MAP_FAILED)
		error = errno;
	else
		self->addr = odd;
	EXPECT_EQ(0, error);
	REPORT("mremap to another address", NOT_TRIED, "%s", answer(error));
	munmap(self->addr, variant->bytes);
	HAMMER_AGAIN(elsewhere);
}

static int mremap_errno(char *addr, size_t from, size_t to, int flags)
{
	return mremap(addr, from, to, MREMAP_MAYMOVE | flags) == MAP_FAILED ? errno : 0;
}

/* What would leave a second mapping, or a larger one, is refused. */
TEST_F(region, mremap_refused)
{
	int error;

	error = mremap_errno(self->addr, variant->bytes, 2 * variant->bytes, 0);
	EXPECT_EQ(EFAULT, error);
	REPORT("mremap to a larger size", NOT_TRIED, "%s", answer(error));
	error = mremap_errno(self->addr, variant->bytes, variant->bytes, MREMAP_DONTUNMAP);
	EXPECT_EQ(EINVAL, error);
	REPORT("mremap, MREMAP_DONTUNMAP", NOT_TRIED, "%s", answer(error));
	error = mremap_errno(self->addr, 0, variant->bytes, 0);
	EXPECT_EQ(EFAULT, error);
	REPORT("mremap of size 0, to get a second mapping", NOT_TRIED, "%s", answer(error));
}

/* A child's: how many pages of it are not its parent's, after it wrote them */
static long pages_of_its_own(char *addr, size_t bytes, const uint64_t *frames)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)addr)[i + PAGE - 1] = addr[i + PAGE - 1];
	return frames_changed(addr, bytes, frames);
}

TEST_F(region, fork)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	uint64_t *frames;
	long copied[2];
	int pipes[2];

	ASSERT_NE(NULL, ordinary);
	frames = frames_of(ordinary, ORDINARY);
	ASSERT_NE(NULL, frames);
	ASSERT_EQ(0, pipe(pipes));
	if (!fork()) {
		copied[0] = pages_of_its_own(self->addr, variant->bytes, self->frames);
		copied[1] = pages_of_its_own(ordinary, ORDINARY, frames);
		_exit(write(pipes[1], copied, sizeof(copied)) != sizeof(copied));
	}
	ASSERT_EQ(sizeof(copied), read(pipes[0], copied, sizeof(copied)));
	wait(NULL);
	EXPECT_EQ(0, copied[0]);
	EXPECT_EQ(ORDINARY / PAGE, copied[1]);
	REPORT("fork, and the child writes", copied[1] ? "is copied" : "is shared", "%s",
	       copied[0] ? "is copied" : "is shared");
}

TEST_HARNESS_MAIN
