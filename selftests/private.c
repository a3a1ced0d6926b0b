// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private regions: after fork() parent and child each have their own memory, as
 * malloc's is, and all of it on the node.
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "dma.h"
#include "ordinary.h"
#include "oracle.h"
#include "pattern.h"
#include "worker.h"

FIXTURE(region) {
	int fd;
	char *addr;
	uint64_t *frames;
};

FIXTURE_VARIANT(region) {
	size_t bytes;
	size_t huge_bytes;
	uint32_t flags;
	size_t page;	/* what is copied at a time */
	size_t unit;	/* the region is two of them, and three small pages */
};

#define BYTES(_unit) (2 * (_unit) + 3 * PAGE)

/* Both kinds of VMA: 2 MiB pages with small ones behind them, and small ones. */
FIXTURE_VARIANT_ADD(region, huge) {
	.bytes = BYTES(HUGE_PAGE),
	.huge_bytes = 2 * HUGE_PAGE,
	.page = HUGE_PAGE,
	.unit = HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(region, clusters) {
	.bytes = BYTES(CLUSTER),
	.page = CLUSTER,
	.unit = CLUSTER,
};

FIXTURE_VARIANT_ADD(region, small) {
	.bytes = BYTES(HUGE_PAGE),
	.flags = NUMAPIN_ALLOC_NO_HUGE,
	.page = PAGE,
	.unit = HUGE_PAGE,
};

/* Maps a new private region whole, and in *@fd leaves its file. */
static char *map_private_region(int *fd, size_t bytes, uint32_t flags)
{
	*fd = open_node(1, O_RDWR);
	if (alloc_region(*fd, bytes, flags | NUMAPIN_ALLOC_PRIVATE, NULL))
		return MAP_FAILED;
	return map_shared(*fd, bytes, MAP_POPULATE);
}

FIXTURE_SETUP(region)
{
	self->addr = map_private_region(&self->fd, variant->bytes, variant->flags);
	ASSERT_NE(MAP_FAILED, self->addr);
	write_all(self->addr, variant->bytes, 1);
	self->frames = frames_of(self->addr, variant->bytes);
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, 1));
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->addr, variant->bytes);
	/* The mappings had it, and not the file. Some processes end unwatched. */
	EXPECT_TRUE(SOON(!counter(1, "bytes")));
	close(self->fd);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, counter(1, "huge_bytes"));
	EXPECT_EQ(0, counter(1, "lingering_bytes"));
}

/* What a range is to whoever has it: written by him, and on the node */
static bool is_as(const char *addr, size_t bytes, uint64_t who)
{
	return !not_by(addr, bytes, who) && !pages_elsewhere(addr, bytes, 1);
}

TEST_F(region, parent_writes)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		CHILD_EXPECT(!frames_changed(self->addr, variant->bytes, self->frames));
		_exit(0);
	}
	write_all(self->addr, variant->bytes, 2);
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 2));
	EXPECT_EQ(variant->bytes / PAGE,
		  frames_changed(self->addr, variant->bytes, self->frames));
	EXPECT_EQ(2 * variant->bytes, counter(1, "bytes"));
	EXPECT_EQ(2 * variant->huge_bytes, counter(1, "huge_bytes"));
	EXPECT_EQ(variant->huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

TEST_F(region, child_writes)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		write_all(self->addr, variant->bytes, 2);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 2));
		CHILD_EXPECT(smaps_bytes(self->addr, "FilePmdMapped") == variant->huge_bytes);
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 2));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	EXPECT_EQ(2 * variant->bytes, counter(1, "bytes"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
}

/* What nobody writes to is one page for all, and its last owner need not copy it. */
TEST_F(region, only_what_is_shared_is_copied)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		CHILD_EXPECT(!frames_changed(self->addr, variant->bytes, self->frames));
		hand_over(&child);
		take_over(&child);
		/* The parent has its own now. */
		write_all(self->addr, variant->bytes, 3);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 3));
		CHILD_EXPECT(!frames_changed(self->addr, variant->bytes, self->frames));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	write_all(self->addr, variant->bytes, 2);
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 2));
}

static bool fork_and_exit(void)
{
	return IN_CHILD(true);
}

/* With no child left, a write costs a fault for each page, and then none. */
TEST_F(region, without_a_child_left)
{
	EXPECT_TRUE(fork_and_exit());
	write_all(self->addr, variant->bytes, 2);
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	EXPECT_EQ(0, faults_to_touch(self->addr, variant->bytes));
	EXPECT_EQ(variant->huge_bytes, smaps_bytes(self->addr, "FilePmdMapped"));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

/* A page written is a 2 MiB page copied, or a cluster, or a page of 4 KiB. */
TEST_F(region, one_page_written)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	self->addr[variant->unit + 5 * PAGE + 3] ^= 1;
	EXPECT_EQ(variant->bytes + variant->page, counter(1, "bytes"));
	self->addr[variant->bytes - 1] ^= 1;
	EXPECT_EQ(variant->bytes + variant->page + PAGE,
		  counter(1, "bytes"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	self->addr[variant->unit + 5 * PAGE + 3] ^= 1;
	self->addr[variant->bytes - 1] ^= 1;
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
}

#define GENERATIONS 4

/* Each writes what those after it are to see, and ends when it is told. */
static int be_generation(const struct worker *self, char *addr, size_t bytes, int nr)
{
	struct worker child;

	CHILD_EXPECT(is_as(addr, bytes, nr));
	write_all(addr, bytes, nr + 1);
	if (nr < GENERATIONS) {
		CHILD_EXPECT(worker_fork(&child));
		if (!child.pid)
			return be_generation(&child, addr, bytes, nr + 1);
		CHILD_EXPECT(take_over(&child));
	}
	hand_over(self);
	take_over(self);
	CHILD_EXPECT(is_as(addr, bytes, nr + 1));
	if (nr < GENERATIONS) {
		hand_over(&child);
		CHILD_EXPECT(!worker_wait(&child));
		CHILD_EXPECT(is_as(addr, bytes, nr + 1));
	}
	return 0;
}

/* Forks of forks: each has what was there at its fork, and then its own. */
TEST_F(region, generations)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid)
		_exit(be_generation(&child, self->addr, variant->bytes, 1));
	ASSERT_TRUE(take_over(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	EXPECT_EQ((GENERATIONS + 1) * variant->bytes, counter(1, "bytes"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
}

/* Children that each wrote half, gone in every order; what is left stays right. */
TEST_F(region, exits_in_every_order)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	const size_t half = variant->bytes / 2 / PAGE * PAGE;

	for (int o = 0; o < ARRAY_SIZE(orders); o++) {
		struct worker children[3];

		for (int i = 0; i < 3; i++) {
			ASSERT_TRUE(worker_fork(&children[i]));
			if (!children[i].pid) {
				write_all(self->addr, half, 10 + i);
				hand_over(&children[i]);
				take_over(&children[i]);
				CHILD_EXPECT(is_as(self->addr, half, 10 + i));
				CHILD_EXPECT(self->addr[variant->bytes - 1] == 0);
				_exit(0);
			}
			ASSERT_TRUE(take_over(&children[i]));
		}
		for (int i = 0; i < 3; i++) {
			hand_over(&children[orders[o][i]]);
			EXPECT_EQ(0, worker_wait(&children[orders[o][i]]));
			EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
		}
		EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	}
}

/* A parent that ends before its child, which then has all of it */
TEST_F(region, parent_exits_first)
{
	struct worker parent, child;
	uint64_t *frames = self->frames;

	ASSERT_TRUE(worker_fork(&parent));
	if (!parent.pid) {
		write_all(self->addr, variant->bytes, 2);
		if (!fork()) {
			child = parent;
			prctl(PR_SET_PDEATHSIG, 0);
			while (getppid() != 1)
				usleep(1000);
			CHILD_EXPECT(is_as(self->addr, variant->bytes, 2));
			free(frames);
			frames = frames_of(self->addr, variant->bytes);
			write_all(self->addr, variant->bytes, 3);
			CHILD_EXPECT(!frames_changed(self->addr, variant->bytes, frames));
			hand_over(&child);
			_exit(0);
		}
		_exit(0);
	}
	EXPECT_TRUE(take_over(&parent));
	EXPECT_EQ(0, worker_wait(&parent));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
}

TEST_F(region, execve)
{
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		write_all(self->addr, variant->bytes, 2);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

/* A hole before fork is one for both; one made after it is its maker's. */
TEST_F(region, partial_munmap)
{
	char *hole = self->addr + variant->unit / 2, *later = self->addr + variant->unit + 3 * PAGE;
	struct worker child;

	ASSERT_EQ(0, munmap(hole, 4 * PAGE));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(madvise(hole, PAGE, MADV_NORMAL) && errno == ENOMEM);
		munmap(later, 2 * PAGE);
		write_all(self->addr, variant->unit / 2, 2);
		write_all(later + 2 * PAGE, PAGE, 2);
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->unit / 2, 2));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_TRUE(is_as(self->addr, variant->unit / 2, 1));
	write_all(later, 3 * PAGE, 3);
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(later, 3 * PAGE, 3));
}

/* Moved before and after the fork, by either side */
TEST_F(region, mremap)
{
	char *there = mmap(NULL, 4 * variant->unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *last = self->addr + variant->bytes - 3 * PAGE;
	char *far = there + variant->unit;
	struct worker child;

	ASSERT_EQ(there, mremap(last, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there));
	write_all(there, 3 * PAGE, 1);
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(mremap(there, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far) == far);
		write_all(far, PAGE, 2);
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(far, PAGE, 2));
		CHILD_EXPECT(is_as(self->addr, 2 * variant->unit, 1));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_TRUE(is_as(there, 3 * PAGE, 1));
	ASSERT_EQ(far, mremap(there, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far));
	write_all(far, 3 * PAGE, 3);
	write_all(self->addr, 2 * variant->unit, 3);
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(far, 3 * PAGE, 3));
	munmap(there, 4 * variant->unit);
}

/* Protections come and go, and open no way round the copy. */
TEST_F(region, mprotect)
{
	struct worker child;

	ASSERT_EQ(0, mprotect(self->addr, variant->unit / 2, PROT_READ));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		/* Read, that there be entries in page tables to become writable. */
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		CHILD_EXPECT(!mprotect(self->addr, variant->bytes, PROT_NONE));
		CHILD_EXPECT(!mprotect(self->addr, variant->bytes, PROT_READ | PROT_WRITE));
		write_all(self->addr, variant->bytes, 2);
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 2));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	/* Two VMAs, one view: a page that they share is copied once. */
	EXPECT_EQ(2 * variant->bytes, counter(1, "bytes"));
	EXPECT_EQ(0, mprotect(self->addr, variant->bytes, PROT_READ));
	EXPECT_EQ(0, mprotect(self->addr, variant->bytes, PROT_READ | PROT_WRITE));
	write_all(self->addr, variant->bytes, 3);
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 3));
}

/* What a child is not to have it has not, and its parent writes there as ever. */
TEST_F(region, madv_dontfork)
{
	char *part = self->addr + variant->unit / 2;
	const size_t rest = variant->bytes - variant->unit;
	struct worker child;

	ASSERT_EQ(0, madvise(part, variant->unit / 2, MADV_DONTFORK));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(madvise(part, PAGE, MADV_NORMAL) && errno == ENOMEM);
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->unit / 2, 1));
		CHILD_EXPECT(!not_by(self->addr + variant->unit, rest, 1) ||
			     !pages_elsewhere(self->addr + variant->unit, rest, 1));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	/* Of small pages it is the parent's alone, and is not copied. */
	write_all(part, variant->unit / 2, 2);
	EXPECT_EQ(variant->bytes + (variant->page > PAGE ? variant->page : 0), counter(1, "bytes"));
	write_all(self->addr, variant->unit / 2, 3);
	EXPECT_TRUE(is_as(part, variant->unit / 2, 2));
	EXPECT_TRUE(is_as(self->addr, variant->unit / 2, 3));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
}

/* To the kernel it is a mapping of a file, of which it wipes none. */
TEST_F(region, madv_wipeonfork)
{
	EXPECT_EQ(-1, madvise(self->addr, variant->bytes, MADV_WIPEONFORK));
	EXPECT_EQ(EINVAL, errno);
}

struct writing {
	char *addr;
	size_t bytes;
};

static int write_as_two(void *arg)
{
	const struct writing *writing = arg;

	write_all(writing->addr, writing->bytes, 2);
	return 0;
}

/* Who shares an address space shares its view: vfork(), CLONE_VM, threads. */
TEST_F(region, clone_vm)
{
	static _Alignas(16) char stack[64 * KIB];
	struct writing writing = { self->addr, variant->bytes };
	int status;
	pid_t pid;

	pid = clone(write_as_two, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
		    &writing);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 2));
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

static void *thread_writes_as_two(void *arg)
{
	write_as_two(arg);
	return NULL;
}

/* Threads that write to the same pages at once have one copy of each. */
TEST_F(region, threads)
{
	struct writing writing = { self->addr, variant->bytes };
	struct worker child;
	pthread_t other;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	ASSERT_EQ(0, pthread_create(&other, NULL, thread_writes_as_two, &writing));
	write_all(self->addr, variant->bytes, 2);
	pthread_join(other, NULL);
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 2));
	EXPECT_EQ(2 * variant->bytes, counter(1, "bytes"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
}

static void *thread_reads(void *arg)
{
	const struct writing *reading = arg;

	not_by(reading->addr, reading->bytes, 1);
	return NULL;
}

/* One that reads what another writes at once does not keep what was there before. */
TEST_F(region, threads_that_read)
{
	struct writing reading = { self->addr, variant->bytes };
	struct worker child;
	pthread_t other;

	for (int round = 2; round < 22; round++) {
		ASSERT_TRUE(worker_fork(&child));
		if (!child.pid) {
			take_over(&child);
			_exit(0);
		}
		ASSERT_EQ(0, pthread_create(&other, NULL, thread_reads, &reading));
		write_all(self->addr, variant->bytes, round);
		pthread_join(other, NULL);
		EXPECT_TRUE(is_as(self->addr, variant->bytes, round));
		hand_over(&child);
		EXPECT_EQ(0, worker_wait(&child));
	}
}

/* What others write to a process's memory is written to its own. */
TEST_F(region, written_by_another_process)
{
	uint64_t word = 77;
	struct iovec mine = { &word, sizeof(word) };
	struct iovec theirs = { self->addr + 5 * PAGE, sizeof(word) };
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(*(uint64_t *)(self->addr + 5 * PAGE) == 77);
		CHILD_EXPECT(*(uint64_t *)(self->addr + 6 * PAGE) == 78);
		_exit(0);
	}
	EXPECT_EQ(sizeof(word), process_vm_writev(child.pid, &mine, 1, &theirs, 1, 0));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child.pid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, child.pid, NULL, NULL));
	ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, child.pid, self->addr + 6 * PAGE, 78));
	ptrace(PTRACE_DETACH, child.pid, NULL, NULL);
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
}

/* A view is its process's, and no other mapping of the file has it. */
TEST_F(region, is_mapped_once)
{
	struct worker child;

	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, variant->bytes, 0));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(map_shared(self->fd, PAGE, 0) == MAP_FAILED && errno == EBUSY);
		munmap(self->addr, variant->bytes);
		CHILD_EXPECT(map_shared(self->fd, PAGE, 0) == MAP_FAILED && errno == EBUSY);
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	munmap(self->addr, variant->bytes);
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, variant->bytes, 0));
	EXPECT_EQ(EBUSY, errno);
}

/* Until it is mapped, it is whoever's maps it first. */
TEST_F(region, goes_to_its_first_mapper)
{
	int fd = open_node(1, O_RDWR);
	struct worker child;

	ASSERT_EQ(0, alloc_region(fd, variant->bytes, variant->flags | NUMAPIN_ALLOC_PRIVATE,
				  NULL));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		char *addr = map_shared(fd, variant->bytes, 0);

		CHILD_EXPECT(addr != MAP_FAILED);
		write_all(addr, variant->bytes, 2);
		CHILD_EXPECT(is_as(addr, variant->bytes, 2));
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(MAP_FAILED, map_shared(fd, variant->bytes, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	close(fd);
}

/* Of a region that nobody maps, nothing is left either. */
TEST_F(region, is_never_mapped)
{
	int fd = open_node(1, O_RDWR);

	ASSERT_EQ(0, alloc_region(fd, variant->bytes, variant->flags | NUMAPIN_ALLOC_PRIVATE,
				  NULL));
	EXPECT_EQ(2 * variant->bytes, counter(1, "bytes"));
	close(fd);
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

static bool is_told_of(int fd, bool private)
{
	struct numapin_info info = { .size = sizeof(info) };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return !ioctl(fd, NUMAPIN_IOCTL_INFO, &info) &&
	       !(info.out_region_flags & NUMAPIN_ALLOC_PRIVATE) == !private &&
	       named_number(path, "numapin-private:") == private;
}

TEST_F(region, is_told_from_a_shared_one)
{
	int fd = open_node(1, O_RDWR);

	ASSERT_EQ(0, alloc_region(fd, PAGE, 0, NULL));
	EXPECT_TRUE(is_told_of(fd, false));
	EXPECT_TRUE(is_told_of(self->fd, true));
	close(fd);
}

/* LOCATE and the policy that is shown, of a copy */
TEST_F(region, copies_are_located)
{
	int32_t nodes[variant->bytes / PAGE];
	struct numapin_locate locate = {
		.size = sizeof(locate), .addr = (uintptr_t)self->addr, .length = variant->bytes,
		.nodes = (uintptr_t)nodes,
	};
	struct worker child;
	char line[256];

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		write_all(self->addr, variant->bytes, 2);
		CHILD_EXPECT(!ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, &locate));
		for (size_t i = 0; i < variant->bytes / PAGE; i++)
			CHILD_EXPECT(nodes[i] == 1);
		numa_maps_line(self->addr, line, sizeof(line));
		CHILD_EXPECT(strstr(line, "bind:1"));
		_exit(0);
	}
	EXPECT_EQ(0, worker_wait(&child));
}

/* Copies are charged to the cgroup of who writes, and freed with him. */
TEST_F(region, charged_to_the_writers_cgroup)
{
	struct worker child;
	long charge;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(cgroup_enter("memory", "memory.max", "max"));
		charge = cgroup_number("memory.current");
		write_all(self->addr, variant->bytes, 2);
		charge = cgroup_number("memory.current") - charge;
		/* The kernel charges a little ahead, for each CPU. */
		CHILD_EXPECT(labs(charge - (long)variant->bytes) < (long)MIB);
		_exit(0);
	}
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(0, rmdir(CGROUP));
}

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	siglongjmp(bus_error, 1);
}

/* Whether to write there, or else to read, is SIGBUS */
static bool is_bus_error(char *addr, bool write)
{
	const struct sigaction action = { .sa_handler = on_bus_error };
	struct sigaction before;
	bool hit = true;

	sigaction(SIGBUS, &action, &before);
	if (!sigsetjmp(bus_error, 1)) {
		if (write)
			*(volatile char *)addr = 1;
		else
			(void)*(volatile char *)addr;
		hit = false;
	}
	sigaction(SIGBUS, &before, NULL);
	return hit;
}

/* All that the node may give now, in sysfs's words */
static bool set_budget_bytes(long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", bytes);
	return set_budget(1, text);
}

/* A copy that may not be had is SIGBUS for who writes, and nothing for others. */
TEST_F(region, copy_beyond_the_budget)
{
	const long failed = counter(1, "failed_copies"), budget = counter(1, "failures/budget");
	struct worker child;

	ASSERT_TRUE(set_budget_bytes(variant->bytes));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(is_bus_error(self->addr + 5 * PAGE, true));
		/* It is still what it was. */
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		hand_over(&child);
		take_over(&child);
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_EQ(failed + 1, counter(1, "failed_copies"));
	EXPECT_EQ(budget + 1, counter(1, "failures/budget"));
	EXPECT_TRUE(is_bus_error(self->addr, true));
	EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_FALSE(is_bus_error(self->addr, true));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
}

/* Its memory is free when its last mapping is gone, but not for what takes its place. */
TEST_F(region, is_replaced)
{
	const int fd = open_node(1, O_RDWR);

	ASSERT_LE(0, fd);
	close(self->fd);
	self->fd = -1;
	ASSERT_TRUE(set_budget_bytes(variant->bytes));
	EXPECT_EQ(MAP_FAILED, mmap(self->addr, variant->bytes, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_EQ(ENOMEM, errno);
	munmap(self->addr, variant->bytes);
	EXPECT_EQ(self->addr, mmap(self->addr, variant->bytes, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_TRUE(set_budget(1, "max"));
	munmap(self->addr, variant->bytes);
	close(fd);
}

/* RLIMIT_MEMLOCK is the writer's; of what is not copied it is the maker's. */
TEST_F(region, copy_beyond_memlock)
{
	const long refused = counter(1, "failures/memlock");
	struct worker child;

	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(become_nobody(variant->page));
		CHILD_EXPECT(!is_bus_error(self->addr, true));
		CHILD_EXPECT(is_bus_error(self->addr + variant->unit, true));
		CHILD_EXPECT(become_root());
		_exit(0);
	}
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(refused + 1, counter(1, "failures/memlock"));
	/* It is let off when the copies are gone. */
	EXPECT_TRUE(IN_CHILD(become_nobody(variant->page) && !is_bus_error(self->addr, true)));
}

/* A long-term pin: AF_XDP's, which every kernel takes before the first fork */
TEST_F(region, pinned_before_fork)
{
	char sent[SPOT_BYTES] = { 0 }, data[SPOT_BYTES];
	int packets = packet_socket();
	struct worker child;
	struct xdp xdp;

	ASSERT_LE(0, packets);
	ASSERT_EQ(0, open_xdp(&xdp, self->addr, variant->unit));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		/* It has a copy of what is pinned from the start. */
		CHILD_EXPECT(frames_changed(self->addr, variant->unit, self->frames) ==
			     variant->unit / PAGE);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	/* The device reads what the parent writes now: it is the same memory. */
	((struct ethhdr *)sent)->h_proto = htons(ETHERTYPE);
	memset(sent + sizeof(struct ethhdr), 'x', sizeof(sent) - sizeof(struct ethhdr));
	memcpy(self->addr + PAGE, sent, sizeof(sent));
	EXPECT_EQ(0, frames_changed(self->addr, variant->unit, self->frames));
	ASSERT_TRUE(send_from(&xdp, PAGE));
	EXPECT_EQ(sizeof(data), recv(packets, data, sizeof(data), 0));
	EXPECT_EQ(0, memcmp(sent, data, sizeof(data)));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	close_xdp(&xdp);
	close(packets);
}

/* Of io_uring, which writes to it; 6.1 takes no memory of a device file. */
TEST_F(region, fixed_buffers_before_fork)
{
	char data[SPOT_BYTES], written[SPOT_BYTES];
	char *spot = self->addr + 5 * PAGE + 512;
	struct worker child;
	struct fixed fixed;
	int error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	fixed.disk = open_disk();
	error = fix(&fixed, self->addr, variant->unit);
	if (error) {
		EXPECT_EQ(EOPNOTSUPP, error);
		return;
	}
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	memset(written, 'f', sizeof(written));
	EXPECT_EQ(0, read_fixed(&fixed, spot, written));
	EXPECT_EQ(0, memcmp(spot, written, sizeof(written)));
	memset(spot, 'g', SPOT_BYTES);
	EXPECT_EQ(0, write_fixed(&fixed, spot, data));
	EXPECT_EQ(0, memcmp(spot, data, sizeof(data)));
	EXPECT_EQ(0, frames_changed(self->addr, variant->unit, self->frames));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	io_uring_queue_exit(&fixed.ring);
}

/* Whether this kernel refuses long-term pins of memory whose writes it tells of */
static bool refuses_pins(void)
{
	struct utsname uts;

	return !uname(&uts) && strverscmp(uts.release, "6.5") >= 0;
}

TEST_F(region, pinned_after_fork)
{
	struct xdp xdp;

	EXPECT_TRUE(fork_and_exit());
	EXPECT_EQ(refuses_pins() ? EFAULT : 0, open_xdp(&xdp, self->addr, variant->unit));
	if (refuses_pins())
		return;
	/* Where it is pinned after a fork, it is as if before the next. */
	EXPECT_TRUE(IN_CHILD(frames_changed(self->addr, variant->unit, self->frames) ==
			     variant->unit / PAGE));
	close_xdp(&xdp);
}

/* A device's short visit, with a child there or without */
TEST_F(region, direct_io_after_fork)
{
	char *spot = self->addr + 5 * PAGE + 512;
	char written[SPOT_BYTES];
	struct worker child;
	struct disk disk;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	disk = open_disk();
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	memset(written, 'd', sizeof(written));
	EXPECT_EQ(0, read_disk(&disk, spot, written));
	EXPECT_EQ(0, memcmp(spot, written, sizeof(written)));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ(0, memcmp(spot, written, sizeof(written)));
}

/* What somebody has without a pin, and might write to, is not shared either. */
TEST_F(region, lent_at_a_fork)
{
	struct iovec page = { self->addr + 5 * PAGE, PAGE };
	const size_t lent = variant->page / PAGE;
	struct worker child;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &page, 1, 0));
	/* The second time it is mapped for reading. */
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(worker_fork(&child));
		if (!child.pid) {
			CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
			CHILD_EXPECT(frames_changed(self->addr, variant->bytes, self->frames) ==
				     lent);
			_exit(0);
		}
		EXPECT_EQ(0, worker_wait(&child));
		EXPECT_TRUE(is_as(self->addr, variant->bytes, 1));
	}
	write_all(self->addr, variant->bytes, 2);
	EXPECT_EQ(0, frames_changed(self->addr, variant->bytes, self->frames));
	close(pipes[0]);
	close(pipes[1]);
}

/* A child whose tables its parent's memory cgroup does not give has no region. */
TEST_F(region, view_that_cannot_be_made)
{
	const size_t bytes = 512 * MIB, table = bytes / PAGE * 8;
	const long failed = counter(1, "failed_views");
	struct worker child;
	char *addr, max[32];
	int fd;

	addr = map_private_region(&fd, bytes, NUMAPIN_ALLOC_NO_HUGE);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	snprintf(max, sizeof(max), "%ld", cgroup_number("memory.current") + table / 4 * 3);
	ASSERT_TRUE(write_file(CGROUP "/memory.max", max));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		take_over(&child);
		CHILD_EXPECT(is_bus_error(addr, false));
		CHILD_EXPECT(is_bus_error(addr + bytes - 1, true));
		/* Another region it has. */
		CHILD_EXPECT(is_as(self->addr, variant->bytes, 1));
		_exit(0);
	}
	EXPECT_TRUE(write_file(CGROUP "/memory.max", "max"));
	EXPECT_EQ(failed + 1, counter(1, "failed_views"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_TRUE(all_zero(addr, bytes));
	EXPECT_EQ(0, pages_elsewhere(addr, bytes, 1));
	munmap(addr, bytes);
	close(fd);
	EXPECT_TRUE(SOON(cgroup_leave()));
}

/* Kills a process after a part of the time that copying a huge page takes. */
static void *kill_soon(void *arg)
{
	const pid_t *pid = arg;

	usleep(rand() % 2000);
	kill(*pid, SIGKILL);
	return NULL;
}

/* Who waits for a page that another copies can be killed, and harms nobody. */
TEST_F(region, killed_while_it_waits_for_a_copy)
{
	for (int round = 0; round < 20; round++) {
		struct worker child;
		pthread_t killer;

		ASSERT_TRUE(worker_fork(&child));
		if (!child.pid) {
			take_over(&child);
			write_all(self->addr, variant->bytes, 100);
			pause();
		}
		ASSERT_EQ(0, pthread_create(&killer, NULL, kill_soon, &child.pid));
		hand_over(&child);
		write_all(self->addr, variant->bytes, round);
		pthread_join(killer, NULL);
		EXPECT_EQ(-1, worker_wait(&child));
		EXPECT_TRUE(is_as(self->addr, variant->bytes, round));
	}
}

/* Regions that set aside at fork() what copies may need */
FIXTURE(reserve) {
	int fd;
	char *addr;
	size_t bytes;
	size_t huge_bytes;
};

FIXTURE_VARIANT(reserve) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(reserve, huge) { };
FIXTURE_VARIANT_ADD(reserve, small) { .flags = NUMAPIN_ALLOC_NO_HUGE };

FIXTURE_SETUP(reserve)
{
	self->bytes = 2 * HUGE_PAGE + CLUSTER + 3 * PAGE;
	self->huge_bytes = variant->flags ? 0 : 2 * HUGE_PAGE;
	self->addr = map_private_region(&self->fd, self->bytes,
					variant->flags | NUMAPIN_ALLOC_RESERVE);
	ASSERT_NE(MAP_FAILED, self->addr);
	write_all(self->addr, self->bytes, 1);
}

FIXTURE_TEARDOWN(reserve)
{
	EXPECT_TRUE(set_budget(1, "max"));
	munmap(self->addr, self->bytes);
	EXPECT_TRUE(SOON(!counter(1, "bytes")));
	EXPECT_EQ(0, counter(1, "huge_bytes"));
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* Nothing more is to be had, and yet all may write. */
TEST_F(reserve, copies_cannot_fail)
{
	struct worker children[2];

	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(worker_fork(&children[i]));
		if (children[i].pid)
			continue;
		take_over(&children[i]);
		CHILD_EXPECT(is_as(self->addr, self->bytes, 1));
		write_all(self->addr, self->bytes, 10 + i);
		CHILD_EXPECT(is_as(self->addr, self->bytes, 10 + i));
		hand_over(&children[i]);
		take_over(&children[i]);
		CHILD_EXPECT(is_as(self->addr, self->bytes, 10 + i));
		_exit(0);
	}
	EXPECT_EQ(3 * self->bytes, counter(1, "bytes"));
	EXPECT_EQ(3 * self->huge_bytes, counter(1, "huge_bytes"));
	ASSERT_TRUE(set_budget(1, "0"));
	hand_over(&children[0]);
	ASSERT_TRUE(take_over(&children[0]));
	write_all(self->addr, self->bytes, 2);
	hand_over(&children[1]);
	ASSERT_TRUE(take_over(&children[1]));
	EXPECT_TRUE(is_as(self->addr, self->bytes, 2));
	EXPECT_EQ(3 * self->bytes, counter(1, "bytes"));
	for (int i = 0; i < 2; i++) {
		hand_over(&children[i]);
		EXPECT_EQ(0, worker_wait(&children[i]));
		EXPECT_EQ((2 - i) * self->bytes, counter(1, "bytes"));
	}
	EXPECT_TRUE(is_as(self->addr, self->bytes, 2));
}

/* What was set aside for a child that did not need it is given back with it. */
TEST_F(reserve, is_given_back)
{
	EXPECT_TRUE(fork_and_exit());
	EXPECT_EQ(self->bytes, counter(1, "bytes"));
	EXPECT_EQ(self->huge_bytes, counter(1, "huge_bytes"));
	EXPECT_TRUE(is_as(self->addr, self->bytes, 1));
}

/* If it is not to be had the fork succeeds, and the child is without the region. */
TEST_F(reserve, that_is_not_to_be_had)
{
	const long failed = counter(1, "failed_views");
	char *last = self->addr + self->bytes - 3 * PAGE;
	struct worker child;

	/* In two VMAs, the second of which would fit */
	ASSERT_EQ(0, mprotect(last, 3 * PAGE, PROT_READ));
	/* With entries in the parent's page tables, for reading alone */
	EXPECT_TRUE(fork_and_exit());
	EXPECT_TRUE(is_as(self->addr, self->bytes, 1));
	ASSERT_TRUE(set_budget_bytes(self->bytes + HUGE_PAGE));
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(is_bus_error(self->addr, false));
		CHILD_EXPECT(is_bus_error(self->addr + HUGE_PAGE, true));
		CHILD_EXPECT(is_bus_error(last, false));
		/* And what it forks is so too. */
		CHILD_EXPECT(IN_CHILD(is_bus_error(self->addr, false)));
		hand_over(&child);
		take_over(&child);
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_EQ(failed + 1, counter(1, "failed_views"));
	EXPECT_EQ(self->bytes, counter(1, "bytes"));
	ASSERT_EQ(0, mprotect(last, 3 * PAGE, PROT_READ | PROT_WRITE));
	write_all(self->addr, self->bytes, 2);
	EXPECT_TRUE(is_as(self->addr, self->bytes, 2));
	EXPECT_EQ(self->bytes, counter(1, "bytes"));
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
}

/*
 * Everybody writing at once: a parent in two threads, its children, and theirs.
 */

#define FIELD_BYTES (4 * HUGE_PAGE + 64 * PAGE)
#define FIELD_PAGES (FIELD_BYTES / PAGE)

/* A private region, and in memory of malloc()'s kind what is in each page of it */
struct field {
	int fd;
	char *addr;
	uint32_t *versions;
};

#define FIELDS 4

/* Of each kind of region one */
FIXTURE(all) {
	struct field fields[FIELDS];
};

FIXTURE_SETUP(all)
{
	static const uint32_t flags[FIELDS] = {
		0, NUMAPIN_ALLOC_NO_HUGE, NUMAPIN_ALLOC_RESERVE,
		NUMAPIN_ALLOC_NO_HUGE | NUMAPIN_ALLOC_RESERVE,
	};

	for (int f = 0; f < FIELDS; f++) {
		struct field *field = &self->fields[f];

		field->addr = map_private_region(&field->fd, FIELD_BYTES, flags[f]);
		ASSERT_NE(MAP_FAILED, field->addr);
		field->versions = calloc(FIELD_PAGES, sizeof(*field->versions));
	}
}

FIXTURE_TEARDOWN(all)
{
	for (int f = 0; f < FIELDS; f++) {
		struct field *field = &self->fields[f];

		EXPECT_EQ(0, pages_on_other_nodes(field->addr, FIELD_BYTES, 1));
		munmap(field->addr, FIELD_BYTES);
		free(field->versions);
		close(field->fd);
	}
	EXPECT_TRUE(SOON(!counter(1, "bytes")));
	EXPECT_EQ(0, counter(1, "huge_bytes"));
	EXPECT_TRUE(nothing_left());
}

/* The page's next version, in words at its start, its middle and its end */
static void write_page(const struct field *field, size_t page)
{
	volatile uint32_t *words = (uint32_t *)(field->addr + page * PAGE);
	const uint32_t version = ++field->versions[page];

	words[0] = version;
	words[500] = version;
	words[1023] = version;
}

static void write_some(const struct field *field, unsigned int *seed, int parity)
{
	for (int i = 0; i < 100; i++)
		write_page(field, rand_r(seed) % (FIELD_PAGES / 2) * 2 + parity);
}

/* How many of the even pages are not as this process knows that it wrote them */
static long wrong_pages(const struct field *field)
{
	long wrong = 0;

	for (size_t page = 0; page < FIELD_PAGES; page += 2) {
		const volatile uint32_t *words = (uint32_t *)(field->addr + page * PAGE);
		const uint32_t version = field->versions[page];

		wrong += words[0] != version || words[500] != version || words[1023] != version;
	}
	return wrong;
}

/* Of the odd ones: a parent's other thread may write them, of a child nobody. */
static uint64_t sum_of_odd_pages(const struct field *field)
{
	uint64_t sum = 0;

	for (size_t page = 1; page < FIELD_PAGES; page += 2)
		sum = sum * 31 + *(const volatile uint32_t *)(field->addr + page * PAGE);
	return sum;
}

static atomic_bool stop_writing;

static void *write_odd_pages(void *arg)
{
	struct field *fields = arg;
	unsigned int seed = 1;

	while (!stop_writing)
		write_some(&fields[rand_r(&seed) % FIELDS], &seed, 1);
	return NULL;
}

/* A child: what it was born with stays, but for what it writes. */
static int be_descendant(struct field *fields, unsigned int seed, int depth)
{
	uint64_t sums[FIELDS];
	int status = 0;
	pid_t pid = -1;

	for (int f = 0; f < FIELDS; f++) {
		if (wrong_pages(&fields[f]))
			return 1;
		sums[f] = sum_of_odd_pages(&fields[f]);
	}
	for (int round = rand_r(&seed) % 8; round >= 0; round--) {
		write_some(&fields[round % FIELDS], &seed, 0);
		if (round == 2 && depth < 3) {
			pid = fork();
			if (!pid)
				_exit(be_descendant(fields, seed + 1, depth + 1));
		}
	}
	for (int f = 0; f < FIELDS; f++) {
		if (wrong_pages(&fields[f]))
			return 2;
		if (sums[f] != sum_of_odd_pages(&fields[f]))
			return 3;
		if (pages_on_other_nodes(fields[f].addr, FIELD_BYTES, 1))
			return 4;
	}
	if (pid > 0 && rand_r(&seed) % 2)
		waitpid(pid, &status, 0);
	return status ? 5 : 0;
}

TEST_F(all, write_at_once)
{
	const int seconds = may_fill_nodes() ? 60 : 5;
	const time_t end = time(NULL) + seconds;
	int forks = 0, living = 0, status;
	unsigned int seed = 2;
	pthread_t other;

	ASSERT_EQ(0, pthread_create(&other, NULL, write_odd_pages, self->fields));
	while (time(NULL) < end || forks <= seconds / 6) {
		write_some(&self->fields[rand_r(&seed) % FIELDS], &seed, 0);
		while (living && waitpid(-1, &status, living < 4 ? WNOHANG : 0) > 0) {
			ASSERT_EQ(0, status);
			living--;
		}
		if (!fork())
			_exit(be_descendant(self->fields, forks, 0));
		forks++;
		living++;
	}
	for (; living; living--) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
	stop_writing = true;
	pthread_join(other, NULL);
	EXPECT_LT(seconds / 6, forks);
	for (int f = 0; f < FIELDS; f++)
		EXPECT_EQ(0, wrong_pages(&self->fields[f]));
	TH_LOG("%d forks", forks);
}

TEST_HARNESS_MAIN
