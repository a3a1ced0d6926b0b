// SPDX-License-Identifier: GPL-2.0-only
/*
 * A region lives as long as a mapping or a descriptor of its file, whoever has
 * it and in whichever order they go, and not a moment longer.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "module.h"
#include "oracle.h"
#include "tracing.h"

/* Both kinds of VMA: 2 MiB pages with small ones behind them, and small ones. */
#define MIXED (HUGE_PAGE * 2 + PAGE * 8)
#define SMALL (PAGE * 16)

FIXTURE(region) {
	int fd;
	char *addr;
};

FIXTURE_VARIANT(region) {
	size_t bytes;
};

FIXTURE_VARIANT_ADD(region, mixed) { .bytes = MIXED };
FIXTURE_VARIANT_ADD(region, small) { .bytes = SMALL };

FIXTURE_SETUP(region)
{
	self->fd = open_node(1, O_RDWR);
	self->addr = map_shared(self->fd, variant->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	for (size_t i = 0; i < variant->bytes; i += PAGE)
		self->addr[i] = 'a' + i / PAGE % 26;
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->addr, variant->bytes);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* What FIXTURE_SETUP wrote is there, in pages [from, to). */
static bool holds(const char *addr, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (addr[i * PAGE] != (char)('a' + i % 26))
			return false;
	return true;
}

TEST_F(region, outlives_its_descriptor)
{
	close(self->fd);
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_TRUE(holds(self->addr, 0, variant->bytes / PAGE));
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, 1));
	munmap(self->addr, variant->bytes);
	EXPECT_TRUE(nothing_left());
}

TEST_F(region, outlives_its_mappings)
{
	munmap(self->addr, variant->bytes);
	EXPECT_EQ(1, counter(1, "regions"));
	self->addr = map_shared(self->fd, variant->bytes, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	EXPECT_TRUE(holds(self->addr, 0, variant->bytes / PAGE));
}

TEST_F(region, is_not_another_files)
{
	int other = open_node(1, O_RDWR);
	char *addr = map_shared(other, variant->bytes, 0);

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(2, counter(1, "regions"));
	for (size_t i = 0; i < variant->bytes; i++)
		ASSERT_EQ(0, addr[i]);
	memset(addr, 'x', variant->bytes);
	EXPECT_TRUE(holds(self->addr, 0, variant->bytes / PAGE));
	munmap(addr, variant->bytes);
	close(other);
	EXPECT_EQ(1, counter(1, "regions"));
}

TEST_F(region, mappings_of_a_file_share_it)
{
	char *again = map_shared(self->fd, variant->bytes, 0);

	ASSERT_NE(MAP_FAILED, again);
	EXPECT_TRUE(holds(again, 0, variant->bytes / PAGE));
	again[0] = '!';
	EXPECT_EQ('!', self->addr[0]);
	EXPECT_EQ(1, counter(1, "regions"));
	munmap(again, variant->bytes);
	EXPECT_EQ('!', self->addr[0]);
}

static bool child_writes(char *addr, size_t bytes)
{
	if (!holds(addr, 0, bytes / PAGE) || pages_elsewhere(addr, bytes, 1))
		return false;
	for (size_t i = 0; i < bytes; i += PAGE)
		addr[i] = 'C';
	return true;
}

/* Shared memory, as the header says. */
TEST_F(region, fork_shares_it)
{
	EXPECT_TRUE(IN_CHILD(child_writes(self->addr, variant->bytes)));
	for (size_t i = 0; i < variant->bytes; i += PAGE)
		ASSERT_EQ('C', self->addr[i]);
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, 1));
	EXPECT_EQ(1, counter(1, "regions"));
}

static bool child_outlives(char *addr, size_t bytes, int go)
{
	char byte;

	/* Until the parent has nothing of it left. */
	return read(go, &byte, 1) == 1 && counter(1, "regions") == 1 &&
	       holds(addr, 0, bytes / PAGE) && !pages_elsewhere(addr, bytes, 1);
}

TEST_F(region, child_outlives_parents_mapping)
{
	int go[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		close(self->fd);
		_exit(!child_outlives(self->addr, variant->bytes, go[0]));
	}
	munmap(self->addr, variant->bytes);
	close(self->fd);
	ASSERT_EQ(1, write(go[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(nothing_left());
}

TEST_F(region, split_and_partly_unmapped)
{
	const size_t pages = variant->bytes / PAGE, middle = pages / 2;

	ASSERT_EQ(0, mprotect(self->addr + middle * PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, munmap(self->addr + PAGE, PAGE));
	ASSERT_EQ(0, munmap(self->addr + (pages - 2) * PAGE, PAGE));
	EXPECT_TRUE(holds(self->addr, 0, 1));
	EXPECT_TRUE(holds(self->addr, 2, pages - 2));
	EXPECT_TRUE(holds(self->addr, pages - 1, pages));
	EXPECT_EQ(0, pages_elsewhere(self->addr + 2 * PAGE, (pages - 4) * PAGE, 1));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
}

TEST_F(region, moved_by_mremap)
{
	char *space = mmap(NULL, 4 * variant->bytes + 4 * HUGE_PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved;

	moved = mremap(self->addr, variant->bytes, variant->bytes,
		       MREMAP_MAYMOVE | MREMAP_FIXED, space + PAGE);
	ASSERT_EQ(space + PAGE, moved);
	EXPECT_TRUE(holds(moved, 0, variant->bytes / PAGE));
	EXPECT_EQ(0, pages_elsewhere(moved, variant->bytes, 1));
	ASSERT_EQ(moved, mremap(moved, variant->bytes, 2 * PAGE, 0));
	EXPECT_TRUE(holds(moved, 0, 2));
	EXPECT_EQ(variant->bytes, counter(1, "bytes"));
	munmap(space, 4 * variant->bytes + 4 * HUGE_PAGE);
}

/* The pages go from the page tables and not from the region. */
TEST_F(region, dontneed_keeps_contents)
{
	ASSERT_EQ(0, madvise(self->addr, variant->bytes, MADV_DONTNEED));
	EXPECT_EQ(0, smaps_bytes(self->addr, "Rss"));
	EXPECT_TRUE(holds(self->addr, 0, variant->bytes / PAGE));
	EXPECT_EQ(0, pages_elsewhere(self->addr, variant->bytes, 1));
}

static int send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static bool make_and_pass(int socket)
{
	int fd = open_node(1, O_RDWR);
	char *addr;

	if (fd < 0 || alloc_region(fd, MIXED, 0, NULL))
		return false;
	addr = map_shared(fd, MIXED, 0);
	if (addr == MAP_FAILED)
		return false;
	for (size_t i = 0; i < MIXED; i += PAGE)
		addr[i] = 'a' + i / PAGE % 26;
	return !send_fd(socket, fd);
}

/* It stands after its maker is gone, on the strength of a passed descriptor. */
TEST(passed_descriptor)
{
	struct numapin_info info = { .size = sizeof(info) };
	int sockets[2], fd;
	char *addr;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_TRUE(IN_CHILD(make_and_pass(sockets[1])));
	/* In flight: no process has it. */
	EXPECT_EQ(1, counter(1, "regions"));
	fd = receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.out_node);
	EXPECT_EQ(MIXED, info.out_length);
	addr = map_shared(fd, info.out_length, 0);
	ASSERT_NE(MAP_FAILED, addr);
	close(fd);
	EXPECT_TRUE(holds(addr, 0, MIXED / PAGE));
	EXPECT_EQ(0, pages_elsewhere(addr, MIXED, 1));
	munmap(addr, MIXED);
	EXPECT_TRUE(nothing_left());
}

static bool make_and_exit(void)
{
	int fd = open_node(0, O_RDWR);

	return fd >= 0 && map_shared(fd, MIXED, 0) != MAP_FAILED;
}

TEST(exit_frees)
{
	EXPECT_TRUE(IN_CHILD(make_and_exit()));
	EXPECT_TRUE(nothing_left());
}

static bool exec_lost_it(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return execl("/bin/sh", "sh", "-c", "! test -e $0 && grep -qx 0 $1", path,
		     "/sys/class/numapin/node1/regions", NULL);
}

TEST(exec_frees)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int fd = open_node(1, O_RDWR);

		map_shared(fd, MIXED, 0);
		_exit(exec_lost_it(fd));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(nothing_left());
}

static void one_round(size_t bytes)
{
	int fd = open_node(1, O_RDWR);
	char *addr = map_shared(fd, bytes, 0);

	memset(addr, 1, bytes / 2);
	munmap(addr + PAGE, PAGE);
	mprotect(addr + 3 * PAGE, PAGE, PROT_READ);
	madvise(addr, PAGE, MADV_DONTNEED);
	addr[0] = 1;
	close(fd);
	munmap(addr, bytes);
}

/*
 * The memory cgroup is charged for each page, and was let off each: what it
 * still has been charged for is less than a page a round.
 */
#define FREED "kmem/mm_page_free"
#define LOCK "mmap_lock"

FIXTURE(freeing) {
	int fd;
	char *addr;
	/* Huge pages of which the trace says that they were freed */
	int locked, unlocked;
};

FIXTURE_VARIANT(freeing) {
	uint32_t flags;
	bool closed;
	bool locked;
};

FIXTURE_VARIANT_ADD(freeing, of_shared) { .closed = true };
FIXTURE_VARIANT_ADD(freeing, of_private) { .flags = NUMAPIN_ALLOC_PRIVATE, .closed = true };
/* While there is a descriptor too, the last mapping's end is not the file's. */
FIXTURE_VARIANT_ADD(freeing, of_private_by_its_mapping) {
	.flags = NUMAPIN_ALLOC_PRIVATE,
	.locked = true,
};

FIXTURE_SETUP(freeing)
{
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, MIXED, variant->flags, NULL));
	self->addr = map_shared(self->fd, MIXED, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, self->addr);
	if (variant->closed)
		close(self->fd);
	ASSERT_TRUE(trace_begin());
	ASSERT_TRUE(trace_event(FREED, true));
	ASSERT_TRUE(trace_event(LOCK, true));
}

FIXTURE_TEARDOWN(freeing)
{
	EXPECT_TRUE(trace_event(LOCK, false));
	EXPECT_TRUE(trace_event(FREED, false));
	if (!variant->closed)
		close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* Counts the huge pages that this process freed under the mmap lock, and the others. */
static bool count_freed(int *locked, int *unlocked)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[512], pid[32];
	bool lock = false;

	snprintf(pid, sizeof(pid), "-%d ", getpid());
	while (trace && fgets(line, sizeof(line), trace)) {
		if (!strstr(line, pid))
			continue;
		if (strstr(line, " mmap_lock_acquire_returned:"))
			lock = true;
		else if (strstr(line, " mmap_lock_released:"))
			lock = false;
		else if (strstr(line, " mm_page_free:") && strstr(line, " order=9"))
			(*(lock ? locked : unlocked))++;
	}
	return trace && !fclose(trace);
}

/* Else the process's other threads would wait as long as it takes. */
TEST_F(freeing, holds_no_lock)
{
	ASSERT_EQ(0, munmap(self->addr, MIXED));
	ASSERT_TRUE(count_freed(&self->locked, &self->unlocked));
	EXPECT_EQ(variant->locked ? 2 : 0, self->locked);
	EXPECT_EQ(variant->locked ? 0 : 2, self->unlocked);
}

TEST(rounds_leave_no_charge)
{
	const long rounds = 300;
	long before;

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	one_round(MIXED);
	one_round(SMALL);
	before = cgroup_number("memory.current");
	for (int i = 0; i < rounds; i++) {
		one_round(MIXED);
		one_round(SMALL);
	}
	EXPECT_GT(before + rounds * PAGE, cgroup_number("memory.current"));
	ASSERT_TRUE(cgroup_leave());
	EXPECT_TRUE(nothing_left());
}

TEST(charged_to_the_memory_cgroup)
{
	int fd = open_node(1, O_RDWR);

	ASSERT_TRUE(cgroup_enter("memory", "memory.max", "max"));
	ASSERT_EQ(0, alloc_region(fd, 64 * MIB + 64 * PAGE, 0, NULL));
	EXPECT_LE(64 * MIB + 64 * PAGE, cgroup_number("memory.current"));
	EXPECT_GT(66 * MIB, cgroup_number("memory.current"));
	close(fd);
	EXPECT_GT(2 * MIB, cgroup_number("memory.current"));
	ASSERT_TRUE(cgroup_leave());
}

#define REFERENCES "/sys/module/numapin/refcnt"

/* The module cannot go while a file of it is open or mapped. */
TEST(module_is_held)
{
	int fd = open_node(1, O_RDWR);
	char *addr;

	ASSERT_LE(0, fd);
	EXPECT_EQ(EWOULDBLOCK, unload_module());
	addr = map_shared(fd, PAGE, 0);
	close(fd);
	EXPECT_EQ(EWOULDBLOCK, unload_module());
	addr[0] = 1;
	munmap(addr, PAGE);
	EXPECT_TRUE(nothing_left());
}

/* Each file holds it alike, and one that was reopened outlives the other and its region. */
TEST(reopened_file_outlives_the_first)
{
	const long before = file_number(REFERENCES);
	int first = open_node(1, O_RDWR), second, third;
	const long each = file_number(REFERENCES) - before;

	EXPECT_LT(0, each);
	ASSERT_EQ(0, alloc_region(first, PAGE, 0, NULL));
	second = reopen(first);
	ASSERT_LE(0, second);
	EXPECT_EQ(before + 2 * each, file_number(REFERENCES));
	close(first);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(before + each, file_number(REFERENCES));
	EXPECT_EQ(EWOULDBLOCK, unload_module());
	third = reopen(second);
	close(second);
	EXPECT_EQ(0, alloc_region(third, PAGE, 0, NULL));
	EXPECT_EQ(1, counter(1, "regions"));
	close(third);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(before, file_number(REFERENCES));
}

#define PIPES 2
/* Of each: the most that a pipe can have by default */
#define PIPE_PAGES 256

/* Has pipes hold what a region's pages hold, and nobody else. */
static bool leave_to_pipes(int pipes[PIPES][2])
{
	const size_t bytes = PIPE_PAGES * PAGE;
	int fd = open_node(1, O_RDWR);
	bool ok = !alloc_region(fd, PIPES * bytes, NUMAPIN_ALLOC_NO_HUGE, NULL);
	char *addr = map_shared(fd, PIPES * bytes, 0);

	memset(addr, 'p', PIPES * bytes);
	for (int i = 0; i < PIPES; i++) {
		struct iovec iov = { addr + i * bytes, bytes };

		ok = ok && !pipe(pipes[i]) &&
		     fcntl(pipes[i][1], F_SETPIPE_SZ, bytes) == (int)bytes &&
		     vmsplice(pipes[i][1], &iov, 1, 0) == (ssize_t)bytes;
	}
	munmap(addr, PIPES * bytes);
	close(fd);
	return ok;
}

/* They count until the last of them lets go, however often somebody looks. */
TEST(what_pipes_have_counts)
{
	const long bytes = PIPE_PAGES * PAGE;
	int pipes[PIPES][2];

	ASSERT_TRUE(leave_to_pipes(pipes));
	usleep(300000);
	EXPECT_EQ(PIPES * bytes, counter(1, "lingering_bytes"));
	EXPECT_EQ(PIPES * bytes, counter(1, "bytes"));
	for (int i = 0; i < PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
		EXPECT_TRUE(SOON(counter(1, "lingering_bytes") == (PIPES - 1 - i) * bytes));
	}
	EXPECT_TRUE(nothing_left());
}

/* What others have of a region is theirs, also when nobody counts it any more. */
TEST(what_pipes_have_outlives_the_module)
{
	char page[PAGE], written[PAGE];
	int pipes[PIPES][2];

	if (!module_path())
		SKIP(return, NO_MODULE_PATH);
	memset(written, 'p', PAGE);
	ASSERT_TRUE(leave_to_pipes(pipes));
	ASSERT_EQ(0, unload_module());
	for (int i = 0; i < PIPES * PIPE_PAGES; i++) {
		ASSERT_EQ(PAGE, read(pipes[i / PIPE_PAGES][0], page, PAGE));
		ASSERT_EQ(0, memcmp(written, page, PAGE));
	}
	ASSERT_EQ(0, load_module(""));
	EXPECT_TRUE(nothing_left());
}

TEST_HARNESS_MAIN
