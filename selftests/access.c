// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways to read and write a region that are not its owner's instructions: other
 * processes', the kernel's and devices'. What they write is there, the page is
 * the same, and who holds on to a page after its region is gone has it alone.
 */
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "harness.h"

#include "dma.h"
#include "pressure.h"
#include "region.h"

/*
 * Where tests write: in a page of the first 2 MiB and in the last page, behind
 * the hammer's words, at a sector's alignment.
 */
#define SPOT_OFFSET (PAGE / 2)

struct spots {
	char *at[2];
};

static struct spots spots_of(char *addr, size_t bytes)
{
	return (struct spots) {
		{ addr + 5 * PAGE + SPOT_OFFSET, addr + bytes - PAGE + SPOT_OFFSET },
	};
}

/* Writes SPOT_BYTES of @data to @spot in its way. Returns an errno, or 0. */
typedef int (*writer)(void *arg, char *spot, const char *data);

#define NOT_THERE (-1)

/*
 * Writes to both spots, looks whether it is there, and writes back what was.
 * An errno; NOT_THERE; 0: all was there.
 */
static int write_and_look(struct spots spots, writer write, void *arg)
{
	char was[SPOT_BYTES], data[SPOT_BYTES];
	int error;

	for (size_t i = 0; i < ARRAY_SIZE(spots.at); i++) {
		memcpy(was, spots.at[i], sizeof(was));
		memset(data, 'A' + i, sizeof(data));
		error = write(arg, spots.at[i], data);
		if (error)
			return error;
		if (memcmp(spots.at[i], data, sizeof(data)))
			return NOT_THERE;
		error = write(arg, spots.at[i], was);
		if (error)
			return error;
	}
	return 0;
}

/* Reads SPOT_BYTES of @spot to @data in its way. Returns an errno, or 0. */
typedef int (*reader)(void *arg, const char *spot, char *data);

/* As write_and_look(), of what is read */
static int read_and_look(struct spots spots, reader read, void *arg)
{
	char data[SPOT_BYTES];
	int error;

	for (size_t i = 0; i < ARRAY_SIZE(spots.at); i++) {
		memset(data, 0, sizeof(data));
		error = read(arg, spots.at[i], data);
		if (error)
			return error;
		if (memcmp(spots.at[i], data, sizeof(data)))
			return NOT_THERE;
	}
	return 0;
}

static const char *verdict(int error)
{
	return error == NOT_THERE ? "WRONG contents" : error ? strerrorname_np(error) : "works";
}

/*
 * Other processes. The one that is written to is a child, which has the region
 * from its parent.
 */

static pid_t sleeping_child(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int poke(void *arg, char *spot, const char *data)
{
	const pid_t pid = *(pid_t *)arg;
	long word;

	for (size_t i = 0; i < SPOT_BYTES; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, pid, spot + i, word))
			return errno;
	}
	return 0;
}

TEST_F(region, ptrace)
{
	pid_t pid = sleeping_child();
	int error;

	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	error = write_and_look(spots_of(self->addr, variant->bytes), poke, &pid);
	EXPECT_EQ(0, error);
	REPORT("ptrace, PTRACE_POKEDATA", "-", "%s", verdict(error));
	end_child(pid);
}

static int write_mem(void *arg, char *spot, const char *data)
{
	return pwrite(*(int *)arg, data, SPOT_BYTES, (off_t)spot) == SPOT_BYTES ? 0 : errno;
}

static int read_mem(void *arg, const char *spot, char *data)
{
	return pread(*(int *)arg, data, SPOT_BYTES, (off_t)spot) == SPOT_BYTES ? 0 : errno;
}

TEST_F(region, proc_mem)
{
	const struct spots spots = spots_of(self->addr, variant->bytes);
	pid_t pid = sleeping_child();
	char path[32];
	int mem, error;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, mem);
	error = write_and_look(spots, write_mem, &mem);
	EXPECT_EQ(0, error);
	REPORT("/proc/PID/mem, written", "-", "%s", verdict(error));
	error = read_and_look(spots, read_mem, &mem);
	EXPECT_EQ(0, error);
	REPORT("/proc/PID/mem, read", "-", "%s", verdict(error));
	close(mem);
	end_child(pid);
}

static int write_process(void *arg, char *spot, const char *data)
{
	struct iovec local = { .iov_base = (void *)data, .iov_len = SPOT_BYTES };
	struct iovec remote = { .iov_base = spot, .iov_len = SPOT_BYTES };

	return process_vm_writev(*(pid_t *)arg, &local, 1, &remote, 1, 0) == SPOT_BYTES ? 0 : errno;
}

static int read_process(void *arg, const char *spot, char *data)
{
	struct iovec local = { .iov_base = data, .iov_len = SPOT_BYTES };
	struct iovec remote = { .iov_base = (void *)spot, .iov_len = SPOT_BYTES };

	return process_vm_readv(*(pid_t *)arg, &local, 1, &remote, 1, 0) == SPOT_BYTES ? 0 : errno;
}

TEST_F(region, process_vm)
{
	const struct spots spots = spots_of(self->addr, variant->bytes);
	pid_t pid = sleeping_child();
	int error;

	error = write_and_look(spots, write_process, &pid);
	EXPECT_EQ(0, error);
	REPORT("process_vm_writev", "-", "%s", verdict(error));
	error = read_and_look(spots, read_process, &pid);
	EXPECT_EQ(0, error);
	REPORT("process_vm_readv", "-", "%s", verdict(error));
	end_child(pid);
}

/*
 * Pipes. Into one go the pages themselves; GIFT says that their owner will not
 * use them any more, which is not true of these.
 */

static int splice_from_region(void *arg, const char *spot, char *data)
{
	struct iovec iov = { .iov_base = (void *)spot, .iov_len = SPOT_BYTES };
	const int *pipes = arg;

	if (vmsplice(pipes[1], &iov, 1, SPLICE_F_GIFT) != SPOT_BYTES)
		return errno;
	return read(pipes[0], data, SPOT_BYTES) == SPOT_BYTES ? 0 : errno;
}

static int splice_to_region(void *arg, char *spot, const char *data)
{
	struct iovec iov = { .iov_base = spot, .iov_len = SPOT_BYTES };
	const int *pipes = arg;

	if (write(pipes[1], data, SPOT_BYTES) != SPOT_BYTES)
		return errno;
	return vmsplice(pipes[0], &iov, 1, 0) == SPOT_BYTES ? 0 : errno;
}

TEST_F(region, vmsplice)
{
	const struct spots spots = spots_of(self->addr, variant->bytes);
	int pipes[2], error;

	ASSERT_EQ(0, pipe(pipes));
	error = read_and_look(spots, splice_from_region, pipes);
	EXPECT_EQ(0, error);
	REPORT("vmsplice into a pipe", "-", "%s", verdict(error));
	error = write_and_look(spots, splice_to_region, pipes);
	EXPECT_EQ(0, error);
	REPORT("vmsplice from a pipe", "-", "%s", verdict(error));
}

/*
 * Devices: the disk, past the page cache
 */

TEST_F(region, direct_io)
{
	const struct spots spots = spots_of(self->addr, variant->bytes);
	struct disk disk;
	int error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	disk = open_disk();
	error = write_and_look(spots, read_disk, &disk);
	EXPECT_EQ(0, error);
	REPORT("O_DIRECT read", "-", "%s", verdict(error));
	error = read_and_look(spots, write_disk, &disk);
	EXPECT_EQ(0, error);
	REPORT("O_DIRECT write", "-", "%s", verdict(error));
}

/* 6.1 takes no memory of a device file. */
TEST_F(region, io_uring_fixed_buffers)
{
	const struct spots spots = spots_of(self->addr, variant->bytes);
	char *ordinary = ordinary_memory(HUGE_PAGE, MADV_HUGEPAGE);
	struct fixed fixed, control;
	int error, control_error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	fixed.disk = open_disk();
	control_error = fix(&control, ordinary, HUGE_PAGE);
	EXPECT_EQ(0, control_error);
	error = fix(&fixed, self->addr, variant->bytes);
	if (!error) {
		EXPECT_EQ(0, write_and_look(spots, read_fixed, &fixed));
		EXPECT_EQ(0, read_and_look(spots, write_fixed, &fixed));
	} else {
		EXPECT_EQ(EOPNOTSUPP, error);
	}
	REPORT("io_uring fixed buffers", verdict(control_error), "%s", verdict(error));
	io_uring_queue_exit(&control.ring);
	io_uring_queue_exit(&fixed.ring);
}

/*
 * References that outlive the region: what has a page in hand when the region
 * ends has it alone until it lets go. These are tried on a second region.
 */

struct second {
	int fd;
	char *addr;
	size_t bytes;
	uint64_t *frames;
};

static bool second_region(struct second *second, size_t bytes, uint32_t flags)
{
	second->bytes = bytes;
	second->fd = open_node(1, O_RDWR);
	if (alloc_region(second->fd, bytes, flags, NULL))
		return false;
	second->addr = map_shared(second->fd, bytes, MAP_POPULATE);
	if (second->addr == MAP_FAILED)
		return false;
	second->frames = frames_of(second->addr, bytes);
	return second->frames;
}

static void end_region(const struct second *second)
{
	munmap(second->addr, second->bytes);
	close(second->fd);
}

/* How many pages of a new region are the same as those of one that is gone */
static long pages_reused(const struct second *gone, uint32_t flags)
{
	struct second next;
	long reused = 0;

	if (!second_region(&next, 8 * HUGE_PAGE, flags))
		return -1;
	for (size_t i = 0; i < gone->bytes / PAGE; i++)
		for (size_t j = 0; j < next.bytes / PAGE; j++)
			reused += !((gone->frames[i] ^ next.frames[j]) & PAGEMAP_FRAME);
	memset(next.addr, 0xff, next.bytes);
	end_region(&next);
	return reused;
}

/* Whether the memory cgroup is let off a region's pages, sooner or later */
static bool uncharged(long charged_before)
{
	return SOON(cgroup_number("memory.current") < charged_before + (long)HUGE_PAGE / 2);
}

TEST_F(region, vmsplice_outlives)
{
	char data[PAGE], written[PAGE];
	struct second second;
	struct iovec iov;
	int pipes[2];
	long reused;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_TRUE(second_region(&second, HUGE_PAGE, variant->flags));
	iov = (struct iovec) { .iov_base = second.addr + PAGE, .iov_len = PAGE };
	memset(second.addr, 's', HUGE_PAGE);
	memset(written, 's', PAGE);
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));
	end_region(&second);
	EXPECT_EQ(variant->bytes + (variant->huge_bytes ? HUGE_PAGE : PAGE),
		  counter(1, "bytes"));

	/* Others of it may be had again, where they are not of one huge page. */
	second.frames++;
	second.bytes = PAGE;
	reused = pages_reused(&second, variant->flags);
	EXPECT_EQ(0, reused);
	ASSERT_EQ(PAGE, read(pipes[0], data, PAGE));
	EXPECT_EQ(0, memcmp(written, data, PAGE));
	REPORT("a page in a pipe that outlives the region", "-", "%s; %ld pages reused",
	       memcmp(written, data, PAGE) ? "WRONG contents" : "keeps its contents", reused);
}

TEST_F(region, io_uring_outlives)
{
	char data[SPOT_BYTES], written[SPOT_BYTES];
	struct second second;
	struct fixed fixed;
	long charge, reused;
	int error;

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	fixed.disk = open_disk();
	charge = cgroup_number("memory.current");
	ASSERT_TRUE(second_region(&second, HUGE_PAGE, variant->flags));
	memset(second.addr, 'u', HUGE_PAGE);
	memset(written, 'u', SPOT_BYTES);
	error = fix(&fixed, second.addr, HUGE_PAGE);
	end_region(&second);
	if (error) {
		EXPECT_EQ(EOPNOTSUPP, error);
		REPORT("io_uring fixed buffers that outlive the region", "-", "%s",
		       answer(error));
		return;
	}

	EXPECT_EQ(variant->bytes + HUGE_PAGE, counter(1, "bytes"));
	reused = pages_reused(&second, variant->flags);
	EXPECT_EQ(0, reused);
	error = write_fixed(&fixed, second.addr + PAGE, data);
	EXPECT_EQ(0, error);
	EXPECT_EQ(0, memcmp(written, data, SPOT_BYTES));
	/* And a device that writes now, writes to nobody's memory. */
	EXPECT_EQ(0, read_fixed(&fixed, second.addr + PAGE, written));
	REPORT("io_uring fixed buffers that outlive the region", "-", "%s; %ld pages reused",
	       memcmp(written, data, SPOT_BYTES) ? "WRONG contents" : "keep their contents",
	       reused);
	io_uring_queue_exit(&fixed.ring);
	EXPECT_TRUE(uncharged(charge));
}

TEST_F(region, xdp_outlives)
{
	char data[SPOT_BYTES], written[SPOT_BYTES];
	struct ethhdr *ether = (struct ethhdr *)written;
	int error, packets = packet_socket();
	struct second second;
	long charge, reused;
	struct xdp xdp;

	ASSERT_LE(0, packets);
	memset(written, 'x', sizeof(written));
	memset(ether, 0, sizeof(*ether));
	ether->h_proto = htons(ETHERTYPE);

	charge = cgroup_number("memory.current");
	ASSERT_TRUE(second_region(&second, HUGE_PAGE, variant->flags));
	memcpy(second.addr + PAGE, written, sizeof(written));
	error = open_xdp(&xdp, second.addr, HUGE_PAGE);
	ASSERT_EQ(0, error);
	end_region(&second);
	EXPECT_EQ(variant->bytes + HUGE_PAGE, counter(1, "bytes"));
	reused = pages_reused(&second, variant->flags);
	EXPECT_EQ(0, reused);
	ASSERT_TRUE(send_from(&xdp, PAGE));
	EXPECT_EQ(sizeof(data), recv(packets, data, sizeof(data), 0));
	EXPECT_EQ(0, memcmp(written, data, sizeof(data)));
	REPORT("an AF_XDP umem (a long-term pin) that outlives the region", "-",
	       "%s; %ld pages reused",
	       memcmp(written, data, sizeof(data)) ? "WRONG contents" : "keeps its contents",
	       reused);
	close_xdp(&xdp);
	EXPECT_TRUE(uncharged(charge));
}

/*
 * userfaultfd
 */

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)	/* since 6.7 */
#endif

/* A userfaultfd with some features; -1 where the kernel does not have them */
static int open_userfaultfd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int register_errno(uint64_t features, uint64_t mode, void *addr, size_t bytes)
{
	struct uffdio_register registration = {
		.range = { .start = (uintptr_t)addr, .len = bytes }, .mode = mode,
	};
	int error, fd = open_userfaultfd(features);

	if (fd < 0)
		return errno;
	error = ioctl_errno(fd, UFFDIO_REGISTER, &registration);
	close(fd);
	return error;
}

TEST_F(region, userfaultfd)
{
	static const struct {
		const char *name;
		uint64_t features, mode;
		int flags;	/* of a mapping that can have it */
	} modes[] = {
		{ "MISSING", 0, UFFDIO_REGISTER_MODE_MISSING, MAP_PRIVATE },
		{ "WP", UFFD_FEATURE_PAGEFAULT_FLAG_WP, UFFDIO_REGISTER_MODE_WP, MAP_PRIVATE },
		{ "WP with WP_ASYNC", UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_ASYNC,
		  UFFDIO_REGISTER_MODE_WP, MAP_PRIVATE },
		{ "MINOR", UFFD_FEATURE_MINOR_SHMEM, UFFDIO_REGISTER_MODE_MINOR, MAP_SHARED },
	};
	char way[64];

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		char *ordinary = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE,
				      modes[i].flags | MAP_ANONYMOUS, -1, 0);
		int error = register_errno(modes[i].features, modes[i].mode, self->addr,
					   variant->bytes);
		int control = register_errno(modes[i].features, modes[i].mode, ordinary,
					     HUGE_PAGE);

		EXPECT_EQ(EINVAL, error);
		/* WP_ASYNC came with 6.7. */
		EXPECT_TRUE(!control || modes[i].features & UFFD_FEATURE_WP_ASYNC);
		snprintf(way, sizeof(way), "userfaultfd, %s", modes[i].name);
		REPORT(way, answer(control), "%s", answer(error));
		munmap(ordinary, HUGE_PAGE);
	}
}

static int copy_errno(int fd, char *to, const char *from)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = PAGE,
	};

	return ioctl_errno(fd, UFFDIO_COPY, &copy);
}

/* A page put in place of one that is missing */
TEST_F(region, userfaultfd_copy)
{
	char *ordinary = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	struct uffdio_register registration = {
		.range = { .start = (uintptr_t)ordinary, .len = PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int error, fd = open_userfaultfd(0);
	char *source = malloc(PAGE);

	ASSERT_NE(NULL, source);
	memset(source, 'c', PAGE);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &registration));
	EXPECT_EQ(0, copy_errno(fd, ordinary, source));
	EXPECT_EQ(0, memcmp(ordinary, source, PAGE));
	error = copy_errno(fd, self->addr + PAGE, source);
	EXPECT_EQ(ENOENT, error);
	REPORT("userfaultfd, UFFDIO_COPY", memcmp(ordinary, source, PAGE) ? "stays" : "is replaced",
	       "%s", answer(error));
	close(fd);
}

TEST_HARNESS_MAIN
