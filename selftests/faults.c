// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every failure point: each operation is tried again and again, and of what it
 * asks of the kernel (slab, pages, copies from and to user space) the first
 * fails, then the second, until none is left to fail; and then all from one
 * on. Each time it ends with success or an errno, nothing is left behind, and
 * the module works.
 *
 * For kernels with fault injection: see selftests/configs/debug.
 */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "harness.h"

#include "camera.h"
#include "device.h"
#include "dmabuf.h"
#include "module.h"
#include "oracle.h"
#include "pattern.h"
#include "stripes.h"
#include "worker.h"

#define INJECTION "/sys/kernel/debug/"

/*
 * What is to fail from a point on, fails so often. Then a page fault that is
 * repeated until it has its memory goes on.
 */
#define FAILURES 100

static bool set_injection(const char *kind, const char *name, long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), INJECTION "%s/%s", kind, name);
	snprintf(text, sizeof(text), "%ld", value);
	return write_file(path, text);
}

/* Code; only what is asked for on its behalf is to fail. */
struct code {
	unsigned long long start, end;
};

static const struct code anywhere = { 0, ULLONG_MAX };
/* Where the kernel has modules */
static const struct code any_module = { 0xffffffffa0000000, 0xffffffffff000000 };

/* This module's, up to the next. */
static struct code module_code(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	unsigned long long others[64], addr;
	struct code code = any_module;
	int count = 0;
	char name[64];

	while (modules && count < ARRAY_SIZE(others) &&
	       fscanf(modules, "%63s %*u %*d %*s %*s %llx%*[^\n]", name, &addr) == 2) {
		if (strcmp(name, "numapin"))
			others[count++] = addr;
		else
			code.start = addr;
	}
	if (modules)
		fclose(modules);
	while (count--)
		if (others[count] > code.start && others[count] < code.end)
			code.end = others[count];
	return code;
}

/* Set up for all processes; those that choose to fail do. */
static bool prepare_injection(const char *kind, struct code code)
{
	char start[32], end[32], path[128];
	const char *const settings[][2] = {
		/* What may wait for memory fails too. */
		{ "ignore-gfp-wait", "N" },
		{ "ignore-gfp-highmem", "N" },
		{ "min-order", "0" },
		/* Without a stack trace of each */
		{ "verbose", "0" },
		{ "task-filter", "Y" },
		{ "interval", "1" },
		{ "probability", "0" },
		{ "require-start", start },
		{ "require-end", end },
	};

	snprintf(start, sizeof(start), "%#llx", code.start);
	snprintf(end, sizeof(end), "%#llx", code.end);
	for (int i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), INJECTION "%s/%s", kind, settings[i][0]);
		if (!write_file(path, settings[i][1]) && errno != ENOENT)
			return false;
	}
	return true;
}

/* What tells this task which of its failure points fails; or -1. */
static int open_injection(struct code code)
{
	char path[64];

	if (!prepare_injection("failslab", code) ||
	    !prepare_injection("fail_page_alloc", code) ||
	    !prepare_injection("fail_usercopy", code))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", gettid());
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Has the @nth of this task's failure points from now on fail; 0: none. */
static void fail_nth(int fd, long nth)
{
	char text[32];

	/* What was not met by then may be met in here: that ends it too. */
	if (pwrite(fd, text, snprintf(text, sizeof(text), "%ld", nth), 0) < 0 && nth)
		abort();
}

/* Whether it was met. To ask may be what meets it: then it was not before. */
static bool has_failed(int fd)
{
	char text[32];

	return pread(fd, text, sizeof(text), 0) > 0 && text[0] == '0';
}

/* Has this task's failure points fail, after so many bytes, or pages. */
static bool fail_after(const char *kind, long space, int make_it_fail)
{
	return set_injection(kind, "space", space) && set_injection(kind, "times", FAILURES) &&
	       set_injection(kind, "probability", 100) && pwrite(make_it_fail, "1", 1, 0) == 1;
}

/* Ends that; how often they did, or -1. */
static long end_failing(const char *kind, int make_it_fail)
{
	char path[128];

	/* First, for nothing else can be opened. */
	if (pwrite(make_it_fail, "0", 1, 0) != 1 || !set_injection(kind, "probability", 0))
		return -1;
	snprintf(path, sizeof(path), INJECTION "%s/times", kind);
	return FAILURES - file_number(path);
}

/**
 * struct attempt - what an operation works on
 * @bytes: Of the region
 * @flags: It is made with those
 * @fd: Its file
 * @other: One of the other node, or a dma-buf of the region; or -1
 * @camera: What may import that, or -1
 * @addr: Where it is mapped, or NULL
 * @child: Who was forked and has it too, or pid 0
 * @pipe: What has one of its pages, or -1
 */
struct attempt {
	size_t bytes;
	uint32_t flags;
	int fd;
	int other;
	int camera;
	char *addr;
	struct worker child;
	int pipe[2];
};

static sigjmp_buf on_sigbus;

static void sigbus(int signal)
{
	siglongjmp(on_sigbus, 1);
}

/* Runs @what; where that is SIGBUS, gives EFAULT, as a system call would. */
#define UNLESS_SIGBUS(what) (sigsetjmp(on_sigbus, 1) ? EFAULT : (what))

static int write_pages(struct attempt *a)
{
	write_all(a->addr, a->bytes, 2);
	return 0;
}

/* What of a page is not to be had is SIGBUS as far as this, most of the time. */
#define SKIPPED (16 * PAGE)

/* Whether each page is what @first wrote, or @second after it; or SIGBUS. */
static bool is_by_either(const char *addr, size_t bytes, uint64_t first, uint64_t second)
{
	size_t step;

	for (size_t i = 0; i < bytes; i += step) {
		uint64_t word = UNLESS_SIGBUS(*(const volatile uint64_t *)(addr + i));

		step = word == EFAULT ? SKIPPED : PAGE / 4;
		if (word != (first << 32 | i) && word != (second << 32 | i) && word != EFAULT)
			return false;
	}
	return true;
}

static bool with_file(struct attempt *a)
{
	a->fd = open_node(1, O_RDWR);
	return a->fd >= 0;
}

/* The file's own node comes first of two. */
static int do_alloc_striped(struct attempt *a)
{
	const struct stripes both = {
		.stripe = { { a->fd, 1 }, { a->other, 1 } },
		.count = 2,
	};

	return alloc_striped(&both, a->bytes, a->flags, NULL);
}

static bool with_files(struct attempt *a)
{
	a->other = open_node(0, O_RDWR);
	return a->other >= 0 && with_file(a);
}

static bool with_pool(struct attempt *a)
{
	return !set_number(1, "pool_bytes", a->bytes) && with_file(a);
}

static bool with_region(struct attempt *a)
{
	return with_file(a) && !alloc_region(a->fd, a->bytes, a->flags, NULL);
}

/* Where a mapping needs page tables of its own, of each level */
#define FAR_AWAY ((void *)(1UL << 44))

static int map_file(struct attempt *a, int fd)
{
	char *addr = mmap(FAR_AWAY, a->bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	if (addr == MAP_FAILED)
		return errno;
	a->addr = addr;
	return 0;
}

static int map(struct attempt *a)
{
	return map_file(a, a->fd);
}

static bool with_mapping(struct attempt *a)
{
	return with_region(a) && !map(a);
}

static bool with_export(struct attempt *a)
{
	if (!with_region(a))
		return false;
	a->other = export_region(a->fd, 0, a->bytes);
	return a->other >= 0;
}

/* The camera's driver stays. */
static bool with_camera(struct attempt *a)
{
	if (access("/sys/module/vivid", F_OK) && !load_camera("1"))
		return false;
	a->camera = open_camera();
	if (a->camera < 0 || request_small_buffer(a->camera) || !with_region(a))
		return false;
	a->other = export_region(a->fd, 0, SMALL_ROOM);
	return a->other >= 0;
}

static bool with_contents(struct attempt *a)
{
	if (!with_mapping(a))
		return false;
	write_all(a->addr, a->bytes, 1);
	return true;
}

/* One page of it is lent to a pipe, and who forks has to copy that. */
static bool with_lent_page(struct attempt *a)
{
	struct iovec page = { .iov_len = PAGE };

	if (!with_contents(a) || pipe(a->pipe))
		return false;
	page.iov_base = a->addr;
	return vmsplice(a->pipe[1], &page, 1, 0) == PAGE;
}

/* The child waits, and then sees what was there at the fork, or nothing. */
static int fork_child(struct attempt *a)
{
	if (!worker_fork(&a->child)) {
		a->child.pid = 0;
		return errno;
	}
	if (a->child.pid < 0) {
		close(a->child.link);
		a->child.pid = 0;
		return errno;
	}
	if (!a->child.pid) {
		take_over(&a->child);
		_exit(!is_by_either(a->addr, a->bytes, 1, 1));
	}
	return 0;
}

static bool with_child(struct attempt *a)
{
	return with_contents(a) && !fork_child(a);
}

static int do_open(struct attempt *a)
{
	return with_file(a) ? 0 : errno;
}

static int do_info(struct attempt *a)
{
	struct numapin_info info = { .size = sizeof(info) };

	return ioctl_errno(a->fd, NUMAPIN_IOCTL_INFO, &info);
}

static int do_alloc(struct attempt *a)
{
	return alloc_region(a->fd, a->bytes, a->flags, NULL);
}

static int do_locate(struct attempt *a)
{
	int32_t nodes[512];
	struct numapin_locate locate = {
		.size = sizeof(locate),
		.addr = (uintptr_t)a->addr,
		.length = a->bytes,
		.nodes = (uintptr_t)nodes,
	};

	return ioctl_errno(a->fd, NUMAPIN_IOCTL_LOCATE, &locate);
}

static int do_reopen(struct attempt *a)
{
	a->other = reopen(a->fd);
	return a->other >= 0 ? 0 : errno;
}

static int do_export(struct attempt *a)
{
	a->other = export_region(a->fd, 0, a->bytes);
	return a->other >= 0 ? 0 : errno;
}

static int map_export(struct attempt *a)
{
	return map_file(a, a->other);
}

/* EINVAL is what the driver makes of whatever error it is given. */
static int import(struct attempt *a)
{
	int error = queue_buffer(a->camera, 0, a->other);

	return error == EINVAL ? ENOMEM : error;
}

static int do_split(struct attempt *a)
{
	return munmap(a->addr + 3 * PAGE, PAGE) ? errno : 0;
}

static int do_protect(struct attempt *a)
{
	return mprotect(a->addr + 3 * PAGE, PAGE, PROT_READ) ? errno : 0;
}

static int do_fault(struct attempt *a)
{
	return UNLESS_SIGBUS(write_pages(a));
}

/* What there is to see of an open file, and of its node */
static int do_show(struct attempt *a)
{
	char path[64], text[4096];
	int fd, error;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", a->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* ENOENT is what proc says without memory for the file. */
	if (fd < 0)
		return errno == ENOENT ? ENOMEM : errno;
	error = read(fd, text, sizeof(text)) > 0 ? 0 : errno;
	close(fd);
	return error;
}

static int do_set_pool(struct attempt *a)
{
	return set_number(1, "pool_bytes", a->bytes);
}

static int do_grow_pool(struct attempt *a)
{
	return set_number(1, "pool_bytes", 2 * a->bytes);
}

static int do_set_budget(struct attempt *a)
{
	return set_budget(1, "max") ? 0 : errno;
}

/* What must be so after a failure: */

static bool has_no_region(struct attempt *a)
{
	struct numapin_info info = { .size = sizeof(info) };

	return !ioctl(a->fd, NUMAPIN_IOCTL_INFO, &info) && !info.out_length &&
	       !counter(1, "regions") && !counter(1, "bytes");
}

static bool has_no_pool(struct attempt *a)
{
	return !counter(1, "pool_bytes") && !pool_total(1);
}

static bool has_pool(struct attempt *a)
{
	return counter(1, "pool_bytes") == a->bytes && pool_total(1) == a->bytes;
}

static bool has_region(struct attempt *a)
{
	return counter(1, "regions") == 1 && counter(1, "bytes") == a->bytes &&
	       (a->addr || !map(a));
}

/* And nothing of another file: the next descriptor is the same each time. */
static bool has_region_alone(struct attempt *a)
{
	static int next = -1;

	if (next < 0)
		next = next_descriptor();
	return has_region(a) && next_descriptor() == next;
}

static bool has_contents(struct attempt *a)
{
	return is_by_either(a->addr, a->bytes, 1, 2);
}

/* Ends it all; false where the child saw what it should not. */
static bool clean_up(struct attempt *a)
{
	bool ok = true;

	if (a->child.pid) {
		hand_over(&a->child);
		ok = !worker_wait(&a->child);
	}
	for (int i = 0; i < 2; i++)
		if (a->pipe[i] >= 0)
			close(a->pipe[i]);
	if (a->addr)
		munmap(a->addr, a->bytes);
	if (a->fd >= 0)
		close(a->fd);
	if (a->other >= 0)
		close(a->other);
	if (a->camera >= 0)
		close(a->camera);
	return ok && !set_number(1, "pool_bytes", 0);
}

FIXTURE(operation) {
	int fail_nth;
	int make_it_fail;
};

/*
 * @inside: Only what is asked for on behalf of the module is to fail.
 * @between: So many points are left out after each.
 */
FIXTURE_VARIANT(operation) {
	const char *name;
	bool inside;
	long between;
	struct attempt attempt;
	bool (*prepare)(struct attempt *a);
	int (*act)(struct attempt *a);
	bool (*holds)(struct attempt *a);
};

#define OPERATION(variant_name, prepare_, act_, holds_, bytes_, flags_, ...)		\
FIXTURE_VARIANT_ADD(operation, variant_name) {						\
	.name = #variant_name,								\
	.attempt = {									\
		.bytes = (bytes_), .flags = (flags_), .fd = -1, .other = -1,		\
		.camera = -1, .pipe = { -1, -1 },					\
	},										\
	.prepare = (prepare_),								\
	.act = (act_),									\
	.holds = (holds_),								\
	__VA_ARGS__									\
}

/* More than a page of tables; and of both kinds */
#define SMALL_BYTES (12 * PAGE)
#define BIG_BYTES (2 * HUGE_PAGE)
/* For which other CPUs help */
#define HELPED_BYTES (16 * MIB)
#define MIXED_BYTES (HUGE_PAGE + 8 * PAGE)

OPERATION(open, NULL, do_open, NULL, 0, 0);
OPERATION(info, with_file, do_info, has_no_region, 0, 0);
OPERATION(reopen, with_region, do_reopen, has_region_alone, SMALL_BYTES, 0);
OPERATION(export, with_region, do_export, has_region_alone, SMALL_BYTES, 0);
OPERATION(show, with_region, do_show, has_region, SMALL_BYTES, 0);
OPERATION(set_budget, with_region, do_set_budget, has_region, SMALL_BYTES, 0);
OPERATION(alloc_huge, with_file, do_alloc, has_no_region, BIG_BYTES, NUMAPIN_ALLOC_HUGE);
OPERATION(alloc_small, with_file, do_alloc, has_no_region, SMALL_BYTES, NUMAPIN_ALLOC_NO_HUGE);
OPERATION(alloc_mixed, with_file, do_alloc, has_no_region, MIXED_BYTES, 0);
OPERATION(alloc_helped, with_file, do_alloc, has_no_region, HELPED_BYTES, NUMAPIN_ALLOC_HUGE);
OPERATION(alloc_helped_small, with_file, do_alloc, has_no_region, HELPED_BYTES,
	  NUMAPIN_ALLOC_NO_HUGE, .between = 500);
OPERATION(alloc_pooled, with_pool, do_alloc, has_no_region, BIG_BYTES, NUMAPIN_ALLOC_HUGE);
OPERATION(alloc_pooled_small, with_pool, do_alloc, has_no_region, MIXED_BYTES, 0);
OPERATION(set_pool, NULL, do_set_pool, has_no_pool, HELPED_BYTES, 0);
OPERATION(grow_pool, with_pool, do_grow_pool, has_pool, HELPED_BYTES, 0);
OPERATION(alloc_striped, with_files, do_alloc_striped, has_no_region, SMALL_BYTES,
	  NUMAPIN_ALLOC_NO_HUGE);
OPERATION(alloc_striped_huge, with_files, do_alloc_striped, has_no_region, BIG_BYTES,
	  NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_PRIVATE);
OPERATION(alloc_private, with_file, do_alloc, has_no_region, MIXED_BYTES, NUMAPIN_ALLOC_PRIVATE);
OPERATION(alloc_private_huge, with_file, do_alloc, has_no_region, BIG_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_HUGE);
OPERATION(alloc_private_small, with_file, do_alloc, has_no_region, SMALL_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_NO_HUGE);
OPERATION(alloc_reserve, with_file, do_alloc, has_no_region, MIXED_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_RESERVE);
OPERATION(mmap_first, with_file, map, has_no_region, MIXED_BYTES, 0);
OPERATION(mmap_first_small, with_file, map, has_no_region, SMALL_BYTES, 0);
OPERATION(mmap_huge, with_region, map, has_region, BIG_BYTES, 0);
OPERATION(mmap_small, with_region, map, has_region, SMALL_BYTES, NUMAPIN_ALLOC_NO_HUGE);
OPERATION(mmap_private, with_region, map, has_region, SMALL_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_NO_HUGE);
OPERATION(mmap_export, with_export, map_export, has_region, SMALL_BYTES, NUMAPIN_ALLOC_NO_HUGE);
/* The driver itself loses a dma-buf that the kernel then fails to attach to its device. */
OPERATION(import, with_camera, import, has_region, HUGE_PAGE, NUMAPIN_ALLOC_HUGE,
	  .inside = true);
OPERATION(fault_huge, with_mapping, do_fault, has_region, BIG_BYTES, 0);
OPERATION(fault_mixed, with_mapping, do_fault, has_region, MIXED_BYTES, 0);
OPERATION(locate, with_mapping, do_locate, has_region, MIXED_BYTES / 4 & ~(PAGE - 1),
	  NUMAPIN_ALLOC_NO_HUGE);
OPERATION(split, with_contents, do_split, has_contents, SMALL_BYTES, NUMAPIN_ALLOC_PRIVATE);
OPERATION(protect, with_contents, do_protect, has_contents, SMALL_BYTES, NUMAPIN_ALLOC_PRIVATE);
OPERATION(fork, with_contents, fork_child, has_contents, SMALL_BYTES, NUMAPIN_ALLOC_PRIVATE,
	  .inside = true);
/* The kernel's own points there are hundreds, and much alike. */
OPERATION(fork_anywhere, with_contents, fork_child, has_contents, SMALL_BYTES,
	  NUMAPIN_ALLOC_PRIVATE, .between = 6);
OPERATION(fork_lent, with_lent_page, fork_child, has_contents, MIXED_BYTES,
	  NUMAPIN_ALLOC_PRIVATE, .inside = true);
OPERATION(fork_reserve, with_contents, fork_child, has_contents, MIXED_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_RESERVE, .inside = true);
OPERATION(copy, with_child, do_fault, has_contents, MIXED_BYTES, NUMAPIN_ALLOC_PRIVATE);
OPERATION(copy_reserve, with_child, do_fault, has_contents, MIXED_BYTES,
	  NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_RESERVE);

FIXTURE_SETUP(operation)
{
	struct sigaction action = { .sa_handler = sigbus };
	struct attempt rehearsal = variant->attempt;

	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	/* What it takes the first time is not the operation's. */
	ASSERT_TRUE(!variant->prepare || variant->prepare(&rehearsal));
	ASSERT_EQ(0, variant->act(&rehearsal));
	EXPECT_TRUE(clean_up(&rehearsal));
	self->fail_nth = open_injection(variant->inside ? module_code() : anywhere);
	ASSERT_LE(0, self->fail_nth);
	self->make_it_fail = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->make_it_fail);
	ASSERT_TRUE(nothing_left());
}

FIXTURE_TEARDOWN(operation)
{
	close(self->fail_nth);
	close(self->make_it_fail);
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, counter(1, "huge_bytes"));
	EXPECT_EQ(0, counter(1, "lingering_bytes"));
	EXPECT_TRUE(SOON(!pool_total(1)));
}

/* Who comes next is served. */
static bool works(void)
{
	struct attempt a = {
		.bytes = 3 * PAGE, .fd = -1, .other = -1, .camera = -1, .pipe = { -1, -1 },
	};
	bool ok = with_contents(&a) && !not_by(a.addr, a.bytes, 1) &&
		  !pages_elsewhere(a.addr, a.bytes, 1);

	return clean_up(&a) && ok;
}

static bool is_expected(int error)
{
	return !error || error == ENOMEM || error == EFAULT || error == EAGAIN || error == ENFILE;
}

/* What an attempt, which ended with @error, must leave; it is over then. */
static void check(struct __test_metadata *_metadata, bool (*holds)(struct attempt *a),
		  struct attempt *a, int error, long point)
{
	EXPECT_TRUE(is_expected(error)) {
		TH_LOG("point %ld: %s", point, strerrorname_np(error));
	}
	EXPECT_TRUE(!error || !holds || holds(a)) {
		TH_LOG("point %ld: not as it was", point);
	}
	EXPECT_TRUE(clean_up(a));
	EXPECT_TRUE(nothing_left());
	EXPECT_TRUE(works());
}

TEST_F(operation, fails_at_every_point)
{
	const long step = 1 + variant->between;
	long nth = 1, points = 0, refused = 0;
	bool failed;

	do {
		struct attempt a = variant->attempt;
		int error;

		ASSERT_TRUE(!variant->prepare || variant->prepare(&a));
		fail_nth(self->fail_nth, nth);
		error = variant->act(&a);
		failed = has_failed(self->fail_nth);
		fail_nth(self->fail_nth, 0);
		check(_metadata, variant->holds, &a, error, nth);
		nth += step;
		points += failed;
		refused += !!error;
	} while (failed);
	printf("# points: %s: %ld, one in %ld, of which %ld were an error\n", variant->name,
	       points, step, refused);
	EXPECT_LT(0, points);
}

TEST_F(operation, fails_from_points_on)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };

	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		long space = 0, failures;

		ASSERT_TRUE(prepare_injection(kinds[i], module_code()));
		do {
			struct attempt a = variant->attempt;
			int error;

			ASSERT_TRUE(!variant->prepare || variant->prepare(&a));
			ASSERT_TRUE(fail_after(kinds[i], space, self->make_it_fail));
			error = variant->act(&a);
			failures = end_failing(kinds[i], self->make_it_fail);
			ASSERT_LE(0, failures);
			check(_metadata, variant->holds, &a, error, space);
			/* Each in the beginning; then there are many that are alike. */
			space += 1 + space / 4;
		} while (failures);
	}
}

FIXTURE(injection) {
	int fail_nth;
};

FIXTURE_SETUP(injection)
{
	self->fail_nth = open_injection(any_module);
	ASSERT_LE(0, self->fail_nth);
}

FIXTURE_TEARDOWN(injection)
{
	close(self->fail_nth);
	EXPECT_TRUE(nothing_left());
}

/* Has the kernel's workers, who help, fail where it is set up, or not any more. */
static bool fail_workers(bool fail)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool ok = false;

	while (proc && (entry = readdir(proc))) {
		char path[PATH_MAX], name[16] = "";
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		comm = fopen(path, "re");
		if (!comm)
			continue;
		if (fgets(name, sizeof(name), comm) && !strncmp(name, "kworker/", 8)) {
			snprintf(path, sizeof(path), "/proc/%s/make-it-fail", entry->d_name);
			ok |= write_file(path, fail ? "1" : "0");
		}
		fclose(comm);
	}
	if (proc)
		closedir(proc);
	return ok;
}

/* Where helpers have no memory, the one whom they help goes on alone. */
TEST_F(injection, helpers)
{
	const size_t bytes = 32 * MIB;
	long left = FAILURES;

	ASSERT_TRUE(prepare_injection("fail_page_alloc", module_code()));
	ASSERT_TRUE(set_injection("fail_page_alloc", "space", 0));
	ASSERT_TRUE(set_injection("fail_page_alloc", "times", FAILURES));
	ASSERT_TRUE(set_injection("fail_page_alloc", "probability", 100));
	/* They may come too late to be of help. */
	for (int i = 0; i < 50 && left == FAILURES; i++) {
		int fd = open_node(1, O_RDWR);
		char *addr;

		ASSERT_TRUE(fail_workers(true));
		EXPECT_EQ(0, alloc_region(fd, bytes, 0, NULL));
		addr = map_shared(fd, bytes, 0);
		ASSERT_NE(MAP_FAILED, addr);
		EXPECT_TRUE(all_zero(addr, bytes));
		EXPECT_EQ(0, pages_elsewhere(addr, bytes, 1));
		munmap(addr, bytes);
		close(fd);
		left = file_number(INJECTION "fail_page_alloc/times");
	}
	EXPECT_TRUE(set_injection("fail_page_alloc", "probability", 0));
	EXPECT_TRUE(fail_workers(false));
	EXPECT_GT(FAILURES, left);
}

/* A table that is not to be had in one piece is had in pages, and goes with its region. */
TEST_F(injection, table_in_pages)
{
	const size_t bytes = 32 * MIB, table = bytes / PAGE * sizeof(void *);
	int make_it_fail = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	int fd = open_node(1, O_RDWR), error;
	char *addr;

	ASSERT_LE(0, make_it_fail);
	ASSERT_EQ(0, module_mapped());
	ASSERT_TRUE(prepare_injection("fail_page_alloc", module_code()));
	ASSERT_TRUE(set_injection("fail_page_alloc", "min-order", 1));
	ASSERT_TRUE(fail_after("fail_page_alloc", 0, make_it_fail));
	error = alloc_region(fd, bytes, NUMAPIN_ALLOC_NO_HUGE, NULL);
	EXPECT_LT(0, end_failing("fail_page_alloc", make_it_fail));
	ASSERT_EQ(0, error);
	EXPECT_LE(table, module_mapped());
	addr = map_shared(fd, bytes, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_TRUE(all_zero(addr, bytes));
	EXPECT_EQ(0, pages_elsewhere(addr, bytes, 1));
	munmap(addr, bytes);
	close(fd);
	EXPECT_EQ(0, module_mapped());
	close(make_it_fail);
}

/* A file's bytes, to be freed */
static void *contents_of(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buffer = NULL;

	if (fd >= 0 && !fstat(fd, &st))
		buffer = malloc(st.st_size);
	if (buffer && read(fd, buffer, st.st_size) != st.st_size) {
		free(buffer);
		buffer = NULL;
	}
	if (buffer)
		*bytes = st.st_size;
	if (fd >= 0)
		close(fd);
	return buffer;
}

static bool is_loaded(void)
{
	return !access("/sys/module/numapin", F_OK) || !access("/sys/class/numapin", F_OK) ||
	       !access("/dev/numapin/node1", F_OK);
}

/*
 * A load has more points than the one before where it needs new slabs: the last of them are
 * met by some loads only.
 */
#define ENOUGH_MISSED 10

/*
 * The module loads, if need be without a device, or leaves nothing of itself. It is loaded
 * once for each point, which takes a second or more there.
 */
TEST_F_TIMEOUT(injection, module_load, 2 * TEST_TIMEOUT_DEFAULT)
{
	long points = 0, refused = 0, missed = 0;
	size_t bytes = 0;
	bool failed;
	void *image;

	ASSERT_NE(NULL, module_path());
	image = contents_of(module_path(), &bytes);
	ASSERT_NE(NULL, image);
	ASSERT_EQ(0, unload_module());
	for (long nth = 1; missed < ENOUGH_MISSED; nth++) {
		int error;

		fail_nth(self->fail_nth, nth);
		error = syscall(SYS_init_module, image, bytes, "pool_bytes=0,8388608") ? errno : 0;
		failed = has_failed(self->fail_nth);
		fail_nth(self->fail_nth, 0);
		EXPECT_TRUE(is_expected(error)) {
			TH_LOG("point %ld: %s", nth, strerrorname_np(error));
		}
		if (!error)
			ASSERT_EQ(0, unload_module());
		EXPECT_FALSE(is_loaded());
		missed = failed ? 0 : missed + 1;
		points += failed;
		refused += !!error;
	}
	printf("# points: module_load: %ld, of which %ld are an error\n", points, refused);
	EXPECT_LT(0, points);
	EXPECT_EQ(0, syscall(SYS_init_module, image, bytes, ""));
	EXPECT_TRUE(works());
	free(image);
}

TEST_HARNESS_MAIN
