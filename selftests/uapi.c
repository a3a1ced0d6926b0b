// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of the ioctls and of mmap(): what each answers, and each error,
 * which must change nothing. As uapi32 this is a 32-bit program, which has no
 * libnuma.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "harness.h"

#include "device.h"
#include "dmabuf.h"
#include "oracle.h"
#include "pressure.h"
#include "sandbox.h"
#include "stripes.h"

/* Where no program of either kind has memory */
#define KERNEL_ADDRESS 0xffff888000000000

/* Bytes that no node has, and for which 32-bit programs have no addresses */
#define TOO_MUCH ((size_t)MIN(1ull << 45, SIZE_MAX & ~(PAGE - 1)))

/* One struct serves 32-bit and 64-bit programs. */
_Static_assert(sizeof(struct numapin_info) == 48);
_Static_assert(sizeof(struct numapin_alloc) == 64);
_Static_assert(sizeof(struct numapin_stripe) == 8);
_Static_assert(sizeof(struct numapin_locate) == 32);
_Static_assert(sizeof(struct numapin_reopen) == 16);
_Static_assert(sizeof(struct numapin_export) == 32);
_Static_assert(offsetof(struct numapin_info, out_page_sizes) == 24);
_Static_assert(offsetof(struct numapin_alloc, length) == 8);
_Static_assert(offsetof(struct numapin_alloc, out_cause) == 40);
_Static_assert(offsetof(struct numapin_alloc, stripes) == 48);
_Static_assert(offsetof(struct numapin_locate, addr) == 8);
_Static_assert(offsetof(struct numapin_reopen, out_fd) == 8);
_Static_assert(offsetof(struct numapin_export, offset) == 8);

FIXTURE(device) {
	int fd;
};

FIXTURE_SETUP(device)
{
	self->fd = open_node(1, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

/* The length of a file's region; 0: it has none; -1: it is not to be asked. */
static long long region_length(int fd)
{
	struct numapin_info info = { .size = sizeof(info) };

	return ioctl(fd, NUMAPIN_IOCTL_INFO, &info) ? -1 : (long long)info.out_length;
}

/* The file has no region, and can have one. */
static int still_empty(int fd)
{
	return !region_length(fd) && !counter(1, "regions") && !counter(1, "bytes");
}

TEST_F(device, mode_and_class)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/numapin/node1", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0660, st.st_mode & 07777);
	EXPECT_EQ(0, access("/sys/class/numapin/node1/dev", F_OK));
}

TEST_F(device, info)
{
	struct numapin_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(NUMAPIN_ABI_VERSION, info.out_abi_version);
	EXPECT_EQ(1, info.out_node);
	EXPECT_EQ(NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE | NUMAPIN_ALLOC_PRIVATE |
		  NUMAPIN_ALLOC_RESERVE, info.out_alloc_flags);
	EXPECT_EQ(PAGE | HUGE_PAGE, info.out_page_sizes);
	EXPECT_EQ(0, info.out_length);
	EXPECT_EQ(0, info.out_huge_bytes);

	ASSERT_EQ(0, alloc_region(self->fd, HUGE_PAGE + 1, 0, NULL));
	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(HUGE_PAGE + PAGE, info.out_length);
	EXPECT_EQ(HUGE_PAGE, info.out_huge_bytes);
}

TEST_F(device, info_on_read_only_file)
{
	struct numapin_info info = { .size = sizeof(info) };
	int fd = open_node(1, O_RDONLY);

	EXPECT_EQ(0, ioctl(fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(EBADF, alloc_region(fd, PAGE, 0, NULL));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(still_empty(fd));
	close(fd);
}

TEST_F(device, alloc_reply)
{
	struct numapin_alloc reply;

	ASSERT_EQ(0, alloc_region(self->fd, 2 * HUGE_PAGE + 1, 0, &reply));
	EXPECT_EQ(2 * HUGE_PAGE + PAGE, reply.out_length);
	EXPECT_EQ(2 * HUGE_PAGE, reply.out_huge_bytes);
	EXPECT_EQ(0, reply.out_available);
	EXPECT_EQ(NUMAPIN_CAUSE_NONE, reply.out_cause);
	EXPECT_EQ(1, reply.out_node);
	EXPECT_EQ(1, counter(1, "regions"));
	EXPECT_EQ(2 * HUGE_PAGE + PAGE, counter(1, "bytes"));
	EXPECT_EQ(2 * HUGE_PAGE, counter(1, "huge_bytes"));
	EXPECT_EQ(0, counter(0, "regions"));
}

TEST_F(device, one_region_a_file)
{
	struct numapin_alloc reply;

	ASSERT_EQ(0, alloc_region(self->fd, PAGE, 0, NULL));
	EXPECT_EQ(EEXIST, alloc_region(self->fd, PAGE, 0, &reply));
	EXPECT_EQ(0, reply.out_length);
	EXPECT_EQ(1, counter(1, "regions"));
}

TEST_F(device, flags_choose_page_size)
{
	struct numapin_alloc reply;

	ASSERT_EQ(0, alloc_region(self->fd, 2 * HUGE_PAGE, NUMAPIN_ALLOC_NO_HUGE, &reply));
	EXPECT_EQ(0, reply.out_huge_bytes);
	close(self->fd);
	self->fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(self->fd, 2 * HUGE_PAGE, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(2 * HUGE_PAGE, reply.out_huge_bytes);
}

TEST_F(device, alloc_bad_length)
{
	struct numapin_alloc reply;

	EXPECT_EQ(EINVAL, alloc_region(self->fd, 0, 0, NULL));
	EXPECT_EQ(EINVAL, alloc_region(self->fd, HUGE_PAGE + PAGE, NUMAPIN_ALLOC_HUGE, NULL));
	EXPECT_EQ(ENOMEM, alloc_region(self->fd, UINT64_MAX, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_TOO_LARGE, reply.out_cause);
	EXPECT_EQ(0, reply.out_length);
	EXPECT_TRUE(still_empty(self->fd));
}

TEST_F(device, alloc_bad_flags)
{
	EXPECT_EQ(EINVAL, alloc_region(self->fd, HUGE_PAGE,
				       NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE, NULL));
	EXPECT_EQ(EINVAL, alloc_region(self->fd, PAGE, NUMAPIN_ALLOC_RESERVE, NULL));
	for (int bit = 4; bit < 32; bit++)
		EXPECT_EQ(EINVAL, alloc_region(self->fd, PAGE, 1u << bit, NULL));
	EXPECT_TRUE(still_empty(self->fd));
}

TEST_F(device, reserved_must_be_zero)
{
	struct numapin_info info = { .size = sizeof(info), .flags = 1 };
	struct numapin_locate locate = {
		.size = sizeof(locate), .flags = 1, .addr = PAGE, .length = PAGE,
	};

	EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &locate));
}

/* As an older program would: without the members that it does not know. */
TEST_F(device, short_structs)
{
	struct numapin_alloc alloc = { .length = PAGE, .out_cause = 77, .out_length = 77 };
	struct numapin_info info = { .out_page_sizes = 77 };

	info.size = offsetof(struct numapin_info, out_abi_version);
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_INFO, &info));
	info.size = offsetof(struct numapin_info, out_page_sizes);
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.out_node);
	EXPECT_EQ(77, info.out_page_sizes);
	info.size--;
	info.size = offsetof(struct numapin_info, out_abi_version) - 1;
	EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_INFO, &info));

	for (alloc.size = 0; alloc.size < offsetof(struct numapin_alloc, out_length); alloc.size++)
		EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &alloc));
	EXPECT_TRUE(still_empty(self->fd));
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &alloc));
	EXPECT_EQ(77, alloc.out_length);
	EXPECT_EQ(77, alloc.out_cause);
}

/* As a newer program would: with members that this kernel does not know. */
TEST_F(device, long_structs)
{
	struct {
		struct numapin_alloc alloc;
		char more[2 * 4096];
	} longer = { .alloc = { .length = PAGE } };

	longer.alloc.size = 4096;
	longer.more[4095 - sizeof(longer.alloc)] = 1;
	EXPECT_EQ(E2BIG, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &longer));
	longer.more[4095 - sizeof(longer.alloc)] = 0;
	longer.alloc.size = 4097;
	EXPECT_EQ(E2BIG, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &longer));
	longer.alloc.size = UINT32_MAX;
	EXPECT_EQ(E2BIG, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &longer));
	EXPECT_TRUE(still_empty(self->fd));
	longer.alloc.size = 4096;
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, &longer));
}

TEST_F(device, misaligned_structs_work)
{
	char buffer[sizeof(struct numapin_alloc) + 1];
	struct numapin_alloc alloc = { .size = sizeof(alloc), .length = PAGE };

	memcpy(buffer + 1, &alloc, sizeof(alloc));
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, buffer + 1));
	memcpy(&alloc, buffer + 1, sizeof(alloc));
	EXPECT_EQ(PAGE, alloc.out_length);
}

/* Pages at whose end a struct does not fit, or that cannot be written. */
TEST_F(device, bad_pointers)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	struct numapin_alloc *alloc = (void *)(pages + PAGE - sizeof(*alloc) / 2);
	const unsigned long cmds[] = {
		NUMAPIN_IOCTL_INFO, NUMAPIN_IOCTL_ALLOC, NUMAPIN_IOCTL_LOCATE,
		NUMAPIN_IOCTL_REOPEN, NUMAPIN_IOCTL_EXPORT,
	};
	void *kernel = (void *)(uintptr_t)KERNEL_ADDRESS;

	for (int i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(EFAULT, ioctl_errno(self->fd, cmds[i], NULL));
		EXPECT_EQ(EFAULT, ioctl_errno(self->fd, cmds[i], (void *)-1L));
		EXPECT_EQ(EFAULT, ioctl_errno(self->fd, cmds[i], kernel));
	}

	alloc->size = sizeof(*alloc);
	alloc->length = PAGE;
	ASSERT_EQ(0, munmap(pages + PAGE, PAGE));
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, alloc));
	EXPECT_TRUE(still_empty(self->fd));

	/* The reply fails, after the region was made: it must go again. */
	alloc = (void *)pages;
	memset(alloc, 0, sizeof(*alloc));
	alloc->size = sizeof(*alloc);
	alloc->length = PAGE;
	ASSERT_EQ(0, mprotect(pages, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_ALLOC, alloc));
	EXPECT_TRUE(still_empty(self->fd));
	EXPECT_EQ(0, alloc_region(self->fd, PAGE, 0, NULL));
	munmap(pages, PAGE);
}

TEST_F(device, unknown_ioctls)
{
	struct numapin_info info = { .size = sizeof(info) };

	EXPECT_EQ(ENOTTY, ioctl_errno(self->fd, _IO(NUMAPIN_IOCTL_TYPE, 5), &info));
	EXPECT_EQ(ENOTTY, ioctl_errno(self->fd, _IO(NUMAPIN_IOCTL_TYPE, 0xff), &info));
	EXPECT_EQ(ENOTTY, ioctl_errno(self->fd, _IO(NUMAPIN_IOCTL_TYPE + 1, 0), &info));
	EXPECT_EQ(ENOTTY, ioctl_errno(self->fd, TIOCGWINSZ, &info));
}

struct maker {
	atomic_int go;
	int fd;
	int error;
};

static void *make_when_told(void *arg)
{
	struct maker *maker = arg;

	while (!maker->go)
		;
	maker->error = alloc_region(maker->fd, 64 * MIB, NUMAPIN_ALLOC_NO_HUGE, NULL);
	return NULL;
}

/* Of two threads that make one file's region, one does; the other hears of it. */
TEST_F(device, two_make_one_region)
{
	int busy = 0;

	for (int i = 0; i < 20 && !busy; i++) {
		struct maker maker = { .fd = open_node(1, O_RDWR) };
		pthread_t thread;
		int error;

		ASSERT_EQ(0, pthread_create(&thread, NULL, make_when_told, &maker));
		maker.go = 1;
		usleep(1000 * i);
		error = alloc_region(maker.fd, PAGE, 0, NULL);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(1, !error + !maker.error);
		busy += error == EBUSY || maker.error == EBUSY;
		EXPECT_EQ(1, counter(1, "regions"));
		close(maker.fd);
	}
	EXPECT_LT(0, busy);
}

/* As the header says. Private ones work, for nothing of the page is asked. */
TEST_F(device, shared_futexes_do_not_work)
{
	uint32_t *word = map_shared(self->fd, PAGE, 0);

	ASSERT_NE(MAP_FAILED, word);
	EXPECT_EQ(-1, syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	munmap(word, PAGE);
}

TEST_F(device, mmap_kinds)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, TOO_MUCH, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(still_empty(self->fd));
}

TEST_F(device, mmap_outside_region)
{
	ASSERT_EQ(0, alloc_region(self->fd, 4 * PAGE, 0, NULL));
	EXPECT_EQ(MAP_FAILED, map_shared(self->fd, 5 * PAGE, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 4 * PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, self->fd, PAGE));
	EXPECT_EQ(EINVAL, errno);
	/* The most that mmap2(2) of 32-bit programs can say, and more */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 1ull << 43));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 1ull << 62));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(device, mmap_part_of_region)
{
	char *whole, *part;

	ASSERT_EQ(0, alloc_region(self->fd, HUGE_PAGE + 4 * PAGE, 0, NULL));
	whole = map_shared(self->fd, HUGE_PAGE + 4 * PAGE, 0);
	part = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->fd, HUGE_PAGE - PAGE);
	ASSERT_NE(MAP_FAILED, whole);
	ASSERT_NE(MAP_FAILED, part);
	whole[HUGE_PAGE - 1] = 'h';
	whole[HUGE_PAGE] = 's';
	EXPECT_EQ('h', part[PAGE - 1]);
	EXPECT_EQ('s', part[PAGE]);
	munmap(whole, HUGE_PAGE + 4 * PAGE);
	munmap(part, 2 * PAGE);
}

TEST_F(device, mapping_cannot_grow_or_be_executed)
{
	char *addr = map_shared(self->fd, 2 * PAGE, 0);

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(MAP_FAILED, mremap(addr, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, mprotect(addr, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	addr[0] = 1;
	EXPECT_EQ(0, munmap(addr, 2 * PAGE));
}

/* As many nodes as a kernel may be built for */
#define MAX_NODES 1024
#define NODE_WORDS (MAX_NODES / 8 / sizeof(long))

TEST_F(device, policy_is_told_and_kept)
{
	const unsigned long zero[NODE_WORDS] = { 1 << 0 }, one[NODE_WORDS] = { 1 << 1 };
	unsigned long told[NODE_WORDS];
	char *addr = map_shared(self->fd, 4 * PAGE, 0);
	char line[512];
	int mode;

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(-1, syscall(SYS_mbind, addr, 4 * PAGE, MPOL_BIND, zero, MAX_NODES + 1, 0));
	EXPECT_EQ(EPERM, errno);
	/* No policy of its own is what it has already. */
	EXPECT_EQ(0, syscall(SYS_mbind, addr, 4 * PAGE, MPOL_DEFAULT, NULL, 0, 0));

	numa_maps_line(addr, line, sizeof(line));
	EXPECT_NE(NULL, strstr(line, " bind:1 "));
	EXPECT_NE(NULL, strstr(line, " N1=4 "));
	ASSERT_EQ(0, syscall(SYS_get_mempolicy, &mode, told, MAX_NODES + 1, addr, MPOL_F_ADDR));
	EXPECT_EQ(MPOL_BIND, mode);
	EXPECT_EQ(0, memcmp(one, told, sizeof(told)));
	/* Takes a reference to the policy, and must put it. */
	ASSERT_EQ(0, syscall(SYS_get_mempolicy, &mode, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR));
	EXPECT_EQ(1, mode);
	munmap(addr, 4 * PAGE);
}

TEST_F(device, stripes)
{
	const unsigned int weights[] = { 1, 2 };
	const int nodes[] = { 1, 0 };
	struct numapin_alloc reply;
	struct stripes stripes;
	char *addr;

	ASSERT_TRUE(open_stripes(&stripes, nodes, weights, 2));
	ASSERT_EQ(0, alloc_striped(&stripes, 8 * PAGE, NUMAPIN_ALLOC_NO_HUGE, &reply));
	EXPECT_EQ(8 * PAGE, reply.out_length);
	addr = map_shared(stripes.stripe[0].fd, 8 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, pages_off_stripe(&stripes, addr, 8 * PAGE, PAGE));
	munmap(addr, 8 * PAGE);
	close_stripes(&stripes);
}

TEST_F(device, export)
{
	char *addr, *part;
	int fd;

	addr = map_shared(self->fd, 4 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, addr);
	addr[PAGE] = 1;
	addr[2 * PAGE] = 2;
	fd = export_region(self->fd, PAGE, 2 * PAGE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2 * PAGE, lseek(fd, 0, SEEK_END));
	part = map_shared(fd, 2 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(1, part[0]);
	EXPECT_EQ(2, part[PAGE]);
	part[0] = 3;
	EXPECT_EQ(3, addr[PAGE]);
	munmap(part, 2 * PAGE);
	munmap(addr, 4 * PAGE);
	close(fd);
}

/* As if the device had been opened again: whatever the one file holds is not the other's. */
TEST_F(device, reopen)
{
	char *addr, *other;
	int fd;

	addr = map_shared(self->fd, 2 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, addr);
	addr[0] = 1;
	fd = reopen(self->fd);
	ASSERT_LE(0, fd);
	EXPECT_NE(self->fd, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_FALSE(region_length(fd));
	ASSERT_EQ(0, alloc_region(fd, PAGE, 0, NULL));
	EXPECT_EQ(2 * PAGE, region_length(self->fd));
	EXPECT_EQ(PAGE, region_length(fd));
	EXPECT_EQ(2, counter(1, "regions"));
	other = map_shared(fd, PAGE, 0);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(0, other[0]);
	EXPECT_EQ(0, pages_elsewhere(other, PAGE, 1));
	munmap(other, PAGE);
	munmap(addr, 2 * PAGE);
	close(fd);
}

TEST_F(device, reopen_keeps_the_access_mode)
{
	const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };

	for (int i = 0; i < ARRAY_SIZE(modes); i++) {
		const int fd = open_node(1, modes[i] | O_NONBLOCK), again = reopen(fd);

		ASSERT_LE(0, again);
		EXPECT_EQ(modes[i], fcntl(again, F_GETFL) & O_ACCMODE);
		EXPECT_EQ(modes[i] == O_RDONLY || modes[i] == O_ACCMODE ? EBADF : 0,
			  alloc_region(again, PAGE, 0, NULL));
		close(fd);
		close(again);
	}
}

/* Neither the path nor the permissions of a device that is open matter any more. */
TEST_F(device, reopen_asks_the_open_file_alone)
{
	static const char path[] = "/dev/numapin-alias";
	struct stat st;
	int fd;

	ASSERT_EQ(0, stat("/dev/numapin/node1", &st));
	ASSERT_EQ(0, mknod(path, S_IFCHR, st.st_rdev));
	fd = open(path, O_RDWR);
	unlink(path);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(become_stranger());
	EXPECT_EQ(-1, open_node(1, O_RDWR));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, alloc_region(reopen(fd), PAGE, 0, NULL));
	EXPECT_EQ(0, alloc_region(reopen(reopen(self->fd)), PAGE, 0, NULL));
	EXPECT_EQ(2, counter(1, "regions"));
	close_range(3, ~0u, 0);
	ASSERT_TRUE(become_root());
}

TEST_F(device, reopen_bad_arguments)
{
	const struct numapin_reopen bad[] = {
		{ .size = sizeof(bad[0]), .flags = 1 },
		{ .size = sizeof(bad[0]), .flags = 1u << 31 },
		{ .size = sizeof(bad[0]), .reserved = 1 },
		{ .size = offsetof(struct numapin_reopen, reserved) - 1 },
		{ .size = offsetof(struct numapin_reopen, out_fd) },
	};
	struct numapin_reopen arg;
	const int next = next_descriptor();

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = bad[i];
		EXPECT_EQ(EINVAL, ioctl_errno(self->fd, NUMAPIN_IOCTL_REOPEN, &arg));
	}
	EXPECT_EQ(next, next_descriptor());
	/* Of what a caller must know, all is there. */
	arg = (struct numapin_reopen) { .size = offsetof(struct numapin_reopen, reserved) };
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_REOPEN, &arg));
	EXPECT_EQ(next, arg.out_fd);
	close(arg.out_fd);
}

/* Where the caller cannot be told of it, there is no descriptor. */
TEST_F(device, reopen_without_a_reply)
{
	const struct numapin_reopen reopen = { .size = sizeof(reopen) };
	void *arg = without_reply(&reopen, sizeof(reopen));
	const long files = file_number("/sys/module/numapin/refcnt");
	const int next = next_descriptor();

	ASSERT_NE(NULL, arg);
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_REOPEN, arg));
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(files, file_number("/sys/module/numapin/refcnt"));
	munmap(arg, PAGE);
}

TEST_F(device, reopen_without_descriptors)
{
	const struct rlimit limit = { .rlim_cur = next_descriptor(), .rlim_max = 1024 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-1, reopen(self->fd));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_EQ(0, region_length(self->fd));
}

/* Where the system has no more files, but for root */
TEST_F(device, reopen_without_files)
{
	static const char path[] = "/proc/sys/fs/file-max";
	const long most = file_number(path);
	bool refused;
	char text[32];

	if (!may_fill_nodes())
		SKIP(return, GUEST_ONLY);
	snprintf(text, sizeof(text), "%ld", most);
	/* Of few files the kernel's count may be none. */
	ASSERT_TRUE(write_file(path, "0"));
	refused = IN_CHILD(become_stranger() && reopen(self->fd) < 0 && errno == ENFILE);
	ASSERT_TRUE(write_file(path, text));
	EXPECT_TRUE(refused);
	EXPECT_TRUE(IN_CHILD(become_stranger() && reopen(self->fd) >= 0));
}

FIXTURE(locate) {
	int fd;
	char *addr;
	struct numapin_locate arg;
	int nodes[1024];
};

#define LOCATE_LENGTH (HUGE_PAGE + 200 * PAGE)

FIXTURE_SETUP(locate)
{
	self->fd = open_node(1, O_RDWR);
	self->addr = map_shared(self->fd, LOCATE_LENGTH, 0);
	ASSERT_NE(MAP_FAILED, self->addr);
	self->arg = (struct numapin_locate) {
		.size = sizeof(self->arg),
		.addr = (uintptr_t)self->addr,
		.length = LOCATE_LENGTH,
		.nodes = (uintptr_t)self->nodes,
	};
	memset(self->nodes, 0xff, sizeof(self->nodes));
}

FIXTURE_TEARDOWN(locate)
{
	munmap(self->addr, LOCATE_LENGTH);
	close(self->fd);
	EXPECT_TRUE(nothing_left());
}

TEST_F(locate, agrees_with_move_pages)
{
	const int count = LOCATE_LENGTH / PAGE;

	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg));
	for (int i = 0; i < count; i++)
		ASSERT_EQ(1, self->nodes[i]);
	EXPECT_EQ(-1, self->nodes[count]);
	*(volatile char *)self->addr = 1;
	EXPECT_EQ(0, pages_elsewhere(self->addr, PAGE, 1));
}

/* Which the kernel must take for no negative numbers. */
TEST_F(locate, pointers_above_2_gib)
{
	struct numapin_locate arg = self->arg;
	int nodes[LOCATE_LENGTH / PAGE] = { 0 };

	ASSERT_LT((uintptr_t)INT32_MAX, (uintptr_t)&arg);
	ASSERT_LT((uintptr_t)INT32_MAX, (uintptr_t)nodes);
	ASSERT_LT((uintptr_t)INT32_MAX, (uintptr_t)self->addr);
	arg.nodes = (uintptr_t)nodes;
	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, &arg));
	EXPECT_EQ(1, nodes[0]);
	EXPECT_EQ(1, nodes[LOCATE_LENGTH / PAGE - 1]);
}

TEST_F(locate, other_regions_and_nodes)
{
	char *both = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd0 = open_node(0, O_RDWR), fd1 = open_node(1, O_RDWR);

	ASSERT_NE(MAP_FAILED, mmap(both, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd0, 0));
	ASSERT_NE(MAP_FAILED, mmap(both + PAGE, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd1, 0));
	self->arg.addr = (uintptr_t)both;
	self->arg.length = 2 * PAGE;
	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg));
	EXPECT_EQ(0, self->nodes[0]);
	EXPECT_EQ(1, self->nodes[1]);
	munmap(both, 2 * PAGE);
	close(fd0);
	close(fd1);
}

TEST_F(locate, bad_ranges)
{
	const struct {
		uint64_t addr, length;
		int error;
	} bad[] = {
		{ (uintptr_t)self->addr + 1, PAGE, EINVAL },
		{ (uintptr_t)self->addr, PAGE + 1, EINVAL },
		{ (uintptr_t)self->addr, 0, EINVAL },
		{ -(uint64_t)PAGE, 2 * PAGE, EINVAL },
		{ -PAGE, PAGE, EINVAL },
		{ 0, 1ull << 63, EINVAL },
		{ (uintptr_t)self->addr, LOCATE_LENGTH + PAGE, ENXIO },
		{ (uintptr_t)self->nodes & ~(PAGE - 1), PAGE, ENXIO },
		{ 0, PAGE, ENXIO },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		self->arg.addr = bad[i].addr;
		self->arg.length = bad[i].length;
		EXPECT_EQ(bad[i].error, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg)) {
			TH_LOG("range %d", i);
		}
	}
}

#ifdef __aarch64__
/* With what programs may have in the top byte, which the processor does not look at */
#define TAGGED(pointer) ((uintptr_t)(pointer) | 0x5aull << 56)

TEST_F(locate, tagged_pointers)
{
	struct numapin_locate arg = self->arg;

	arg.addr = TAGGED(self->addr);
	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, &arg));
	EXPECT_EQ(1, self->nodes[LOCATE_LENGTH / PAGE - 1]);
	EXPECT_EQ(TAGGED(self->addr), arg.addr);

	self->nodes[0] = -1;
	arg.nodes = TAGGED(self->nodes);
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &arg));
	ASSERT_EQ(0, prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0));
	ASSERT_EQ(0, ioctl(self->fd, NUMAPIN_IOCTL_LOCATE, TAGGED(&arg)));
	EXPECT_EQ(1, self->nodes[0]);
}
#endif

TEST_F(locate, bad_nodes_pointer)
{
	self->arg.nodes = 0;
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg));
	self->arg.nodes = KERNEL_ADDRESS;
	EXPECT_EQ(EFAULT, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg));
	self->arg.nodes = (uintptr_t)self->nodes + 1;
	self->arg.length = PAGE;
	EXPECT_EQ(0, ioctl_errno(self->fd, NUMAPIN_IOCTL_LOCATE, &self->arg));
}

TEST_HARNESS_MAIN
