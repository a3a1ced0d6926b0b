// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes and threads that do to regions whatever a program can, in an order
 * that a seed gives; and that know what each page must hold, and what each call
 * may answer.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kselftest.h"

#include "child.h"
#include "device.h"
#include "dmabuf.h"
#include "fuzz-slot.h"
#include "fuzz-weather.h"
#include "stripes.h"

#define SLOTS 6
#define CHILDREN 3
#define MAX_PROCESSES 16

/* What the command line says */
static struct {
	unsigned long seed;
	unsigned long ops;
	unsigned long seconds;
	int processes;
	int threads;
	bool calm;
	bool crowded;
	bool json;
} options = {
	.ops = 8000,
	.processes = 4,
	.threads = 2,
};

/**
 * struct tally - what all processes count together
 * @done: Operations for which there was something to do
 * @regions: Regions made
 * @striped: Those of them that are on both nodes
 * @refused: Regions refused
 * @forks: Children that went on with their parent's memory
 * @killed: Those that were killed at it
 * @sigbus: Pages that were not to be had
 * @passed: Files received from another thread
 * @reopened: Files had of another of their device
 * @leave: Nobody is to have any region
 * @stop: All are to end
 * @wrong: Something was not as it must be, and somebody said so
 */
static struct tally {
	atomic_ulong done, regions, striped, refused, forks, killed, sigbus, passed,
		     reopened;
	atomic_bool leave, stop, wrong;
} *tally;

/* Whether all the memory that node 1 will have is the weather's */
static bool comes_and_goes;

/* Where files go from one thread to another */
static int mailbox[2];

struct parcel {
	uint16_t tag;
	int node;
	unsigned int weights[2];
	size_t pages;
	uint32_t flags;
};

/**
 * struct player - a thread, and what it has
 * @name: Process and thread, and where it was forked: for who reads of a failure
 * @random: Its numbers
 * @op: How many operations it has begun
 * @doing: What that is
 * @depth: How many forks down it is
 * @slots: Its files
 * @children: Its children that may be there
 */
struct player {
	char name[64];
	uint64_t random;
	unsigned long op;
	const char *doing;
	int depth;
	struct slot slots[SLOTS];
	pid_t children[CHILDREN];
};

static _Thread_local struct player *me;

/* xorshift64*: the same for all of a run that has the same seed. */
static uint64_t number(void)
{
	me->random ^= me->random >> 12;
	me->random ^= me->random << 25;
	me->random ^= me->random >> 27;
	return me->random * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t end)
{
	return (number() >> 16) % end;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* Says what is wrong and ends the run. */
__attribute__((format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	va_list args;
	char text[256];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "# fuzz: seed %lu, %s, operation %lu (%s): %s\n", options.seed, me->name,
		me->op, me->doing, text);
	tally->wrong = true;
	tally->stop = true;
	_exit(1);
}

#define MUST(condition, ...) do {	\
	if (!(condition))		\
		fail(__VA_ARGS__);	\
} while (0)

/* An errno that a system call may have, for what is asked and in any weather. */
#define MAY_BE(error, ...) ({							\
	const int _may[] = { __VA_ARGS__ };					\
	bool _found = false;							\
										\
	for (size_t _i = 0; _i < ARRAY_SIZE(_may); _i++)			\
		_found |= _may[_i] == (error);					\
	_found;									\
})

static const char *name_of(int error)
{
	return error ? strerrorname_np(error) : "success";
}

static struct slot *any_slot(void)
{
	return &me->slots[below(SLOTS)];
}

/* A page of a slot that is mapped; the slot's length where it is none of those tried. */
static size_t mapped_page(const struct slot *slot, enum page_state at_least)
{
	for (int tries = 0; slot->nr_mapped && tries < 8; tries++) {
		size_t page = below(slot->pages);

		if (slot->state[page] >= at_least)
			return page;
	}
	return slot->pages;
}

/* A file and a region may end with each other, or without. */
static void forget_if_over(struct slot *slot)
{
	if (slot->fd < 0 && !slot->nr_mapped)
		slot_forget(slot);
}

static void unmap_all(struct slot *slot)
{
	size_t page, nr;

	/* Not what lies between, which may be somebody else's by now. */
	for (page = 0; page < slot->pages; page += nr) {
		nr = slot_run(slot, page, slot->pages);
		if (slot->state[page] == UNMAPPED)
			continue;
		MUST(!munmap(slot_addr(slot, page), nr * PAGE), "munmap: %s", name_of(errno));
		slot_set_state(slot, page, page + nr, UNMAPPED);
	}
}

static void check_page(const struct slot *slot, char *addr, size_t page)
{
	uint64_t words[NR_WORDS];

	if (!slot_access(addr, words, 0, NR_WORDS, false)) {
		MUST(slot_private(slot), "SIGBUS at page %zu of a shared region", page);
		tally->sigbus++;
		return;
	}
	for (size_t i = 0; i < NR_WORDS; i++) {
		uint64_t expected = slot_word(slot->tag, page, slot->stamp[page][i]);
		bool ok = slot->alien ? slot_may_hold(words[i], slot->tag, page) :
					words[i] == expected;

		MUST(ok, "page %zu of %zu, flags %u, word %zu is %#lx and not %#lx", page,
		     slot->pages, slot->flags, slot_words[i], words[i], expected);
	}
}

/* Operations. Each returns false where there was nothing for it to do. */

static bool op_open(struct slot *slot)
{
	char path[64];

	if (slot->fd >= 0 || slot->nr_mapped)
		return false;
	slot_forget(slot);
	slot->node = !one_in(8);
	slot->readable_only = one_in(16);
	snprintf(path, sizeof(path), "/dev/numapin/node%d", slot->node);
	slot->fd = open(path, (slot->readable_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	/* A device that just came is root's, until the weather opens it to all. */
	MUST(slot->fd >= 0 || MAY_BE(errno, ENOENT, ENXIO, ENOMEM) ||
	     (comes_and_goes && errno == EACCES), "open: %s", name_of(errno));
	return slot->fd >= 0;
}

/* A new file of the device that another file is of */
static bool op_reopen(struct slot *slot)
{
	const struct slot *from = any_slot();
	int fd;

	if (slot->fd >= 0 || slot->nr_mapped || from->fd < 0)
		return false;
	fd = reopen(from->fd);
	MUST(fd >= 0 || MAY_BE(errno, ENXIO, ENOMEM), "REOPEN: %s", name_of(errno));
	if (fd < 0)
		return true;
	slot_forget(slot);
	slot->fd = fd;
	slot->node = from->node;
	slot->readable_only = from->readable_only;
	tally->reopened++;
	return true;
}

static bool op_close(struct slot *slot)
{
	if (slot->fd < 0)
		return false;
	close(slot->fd);
	slot->fd = -1;
	forget_if_over(slot);
	return true;
}

static void begin_region(struct slot *slot, size_t pages, uint32_t flags)
{
	static atomic_uint tags;

	slot->pages = pages;
	slot->flags = flags;
	slot->tag = (getpid() * 31 + ++tags) % UINT16_MAX + 1;
	memset(slot->state, UNMAPPED, sizeof(slot->state));
	memset(slot->stamp, 0, sizeof(slot->stamp));
	tally->regions++;
}

static size_t any_length(void)
{
	return one_in(8) ? 1 + below(MAX_PAGES) : 1 + below(24);
}

/* What a region is refused for in bad weather */
#define WEATHER ENOMEM, EPERM, ENODEV, EOPNOTSUPP

/* ALLOC's errno, of pages of both nodes */
static int alloc_of_both(const struct slot *slot, const unsigned int *weights, size_t bytes,
			 uint32_t flags, struct numapin_alloc *reply)
{
	const int other = open_node(!slot->node, O_RDWR);
	const struct stripes both = {
		.stripe = { { slot->fd, weights[0] }, { other, weights[1] } },
		.count = 2,
	};
	int error = alloc_striped(&both, bytes, flags, reply);

	close(other);
	return error;
}

static uint32_t any_kind(void)
{
	static const uint32_t kinds[] = {
		0, NUMAPIN_ALLOC_NO_HUGE, NUMAPIN_ALLOC_PRIVATE,
		NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_NO_HUGE,
		NUMAPIN_ALLOC_PRIVATE | NUMAPIN_ALLOC_RESERVE,
	};
	const uint32_t kind = kinds[below(ARRAY_SIZE(kinds))];

	return one_in(8) && !(kind & NUMAPIN_ALLOC_NO_HUGE) ? kind | NUMAPIN_ALLOC_HUGE : kind;
}

static bool op_alloc(struct slot *slot)
{
	const uint32_t flags = any_kind(), huge = flags & NUMAPIN_ALLOC_HUGE;
	const size_t pages = huge ? HUGE_PAGES * (1 + below(3)) : any_length();
	const size_t bytes = pages * PAGE - (huge ? 0 : below(PAGE));
	const unsigned int weights[] = { 1 + below(5), 1 + below(5) };
	const bool striped = (huge || flags & NUMAPIN_ALLOC_NO_HUGE) && one_in(2);
	struct numapin_alloc reply;
	int error;

	if (slot->fd < 0)
		return false;
	error = striped ? alloc_of_both(slot, weights, bytes, flags, &reply) :
			  alloc_region(slot->fd, bytes, flags, &reply);
	/* The other node's device may not be there to be opened. */
	if (striped && error == EBADF)
		return false;
	if (slot->readable_only)
		MUST(error == EBADF, "ALLOC of a file to be read: %s", name_of(error));
	else if (slot->pages)
		MUST(error == EEXIST, "a second ALLOC: %s", name_of(error));
	else if (error)
		MUST(MAY_BE(error, WEATHER), "ALLOC: %s", name_of(error));
	if (error) {
		MUST(!reply.out_length, "a refusal has a length");
		tally->refused += !slot->pages && !slot->readable_only;
		return true;
	}
	MUST(reply.out_length == pages * PAGE && reply.out_node == slot->node,
	     "ALLOC of %zu pages of node %d: %llu bytes of node %d", pages, slot->node,
	     reply.out_length, reply.out_node);
	begin_region(slot, pages, flags);
	if (striped)
		memcpy(slot->weights, weights, sizeof(weights));
	tally->striped += striped;
	return true;
}

/* Arguments that are always refused, and change nothing */
static bool op_alloc_bad(struct slot *slot)
{
	static const struct numapin_alloc bad[] = {
		{ .flags = 0, .length = 0 },
		{ .flags = 1u << 31, .length = PAGE },
		{ .flags = NUMAPIN_ALLOC_RESERVE, .length = PAGE },
		{ .flags = NUMAPIN_ALLOC_HUGE, .length = PAGE },
		{ .flags = NUMAPIN_ALLOC_HUGE | NUMAPIN_ALLOC_NO_HUGE, .length = HUGE_PAGE },
		{ .flags = 0, .length = 1ull << 62 },
		{ .flags = 0, .length = UINT64_MAX },
	};
	const struct numapin_alloc *args = &bad[below(ARRAY_SIZE(bad))];
	int error;

	if (slot->fd < 0)
		return false;
	error = alloc_region(slot->fd, args->length, args->flags, NULL);
	MUST(MAY_BE(error, EINVAL, EBADF, EEXIST, WEATHER), "bad ALLOC: %s", name_of(error));
	return true;
}

/* Anything at all, to a file of its own */
static bool op_garbage(struct slot *slot)
{
	static const unsigned long ours[] = {
		NUMAPIN_IOCTL_INFO, NUMAPIN_IOCTL_ALLOC, NUMAPIN_IOCTL_LOCATE,
		NUMAPIN_IOCTL_REOPEN, NUMAPIN_IOCTL_EXPORT,
	};
	int fd = open_node(1, one_in(4) ? O_RDONLY : O_RDWR);
	unsigned long cmd = ours[below(ARRAY_SIZE(ours))];
	uint32_t words[64];
	void *arg = words;

	if (one_in(4))
		cmd ^= 1ul << below(32);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = one_in(2) ? 0 : number() >> below(33);
	if (!one_in(3))
		words[0] = one_in(2) ? sizeof(words) : below(64);
	if (one_in(4))
		arg = (void *)(number() >> below(64));
	/* An address of ours that it could write to would be a mistake of this program. */
	if (arg != words && (uintptr_t)arg < (1ul << 47))
		arg = (void *)(uintptr_t)(below(2) ? 8 : ~0ul - PAGE);
	/* Where LOCATE would write to */
	if (cmd == NUMAPIN_IOCTL_LOCATE)
		memset(&words[offsetof(struct numapin_locate, nodes) / 4], 0, 8);
	/* Nor is ALLOC to take the node from who is confined to it, and is killed then. */
	if (cmd == NUMAPIN_IOCTL_ALLOC)
		words[offsetof(struct numapin_alloc, length) / 4] %= 64 * MIB;
	if (!ioctl(fd, cmd, arg) && cmd == NUMAPIN_IOCTL_REOPEN)
		close(words[offsetof(struct numapin_reopen, out_fd) / 4]);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool op_info(struct slot *slot)
{
	struct numapin_info info = { .size = sizeof(info) };

	if (slot->fd < 0)
		return false;
	MUST(!ioctl(slot->fd, NUMAPIN_IOCTL_INFO, &info), "INFO: %s", name_of(errno));
	MUST(info.out_length == slot->pages * PAGE && info.out_node == slot->node &&
	     info.out_region_flags == slot->flags,
	     "INFO: %llu bytes of node %d, flags %u", info.out_length, info.out_node,
	     info.out_region_flags);
	return true;
}

/* All of a region, or any part of it; or a file that is to have its region by that. */
static bool op_mmap(struct slot *slot)
{
	const int prot = PROT_READ | (slot->readable_only ? 0 : PROT_WRITE);
	const bool first = !slot->pages;
	size_t pages = first ? any_length() : slot->pages, offset = 0;
	char *addr;

	if (slot->fd < 0 || slot->nr_mapped)
		return false;
	if (!first && one_in(4)) {
		offset = below(pages);
		pages = 1 + below(pages - offset);
	}
	addr = mmap(NULL, pages * PAGE, prot, MAP_SHARED | (one_in(3) ? MAP_POPULATE : 0),
		    slot->fd, offset * PAGE);
	if (addr == MAP_FAILED) {
		if (slot->spent)
			MUST(errno == EBUSY, "mmap of what was mapped: %s", name_of(errno));
		else if (first && slot->readable_only)
			MUST(errno == EACCES, "mmap that may not allocate: %s", name_of(errno));
		else
			MUST(MAY_BE(errno, WEATHER), "mmap: %s", name_of(errno));
		return true;
	}
	MUST(!slot->spent && !(first && slot->readable_only), "mmap should fail");
	if (first)
		begin_region(slot, pages, 0);
	slot->spent = slot_private(slot);
	slot->base = addr - offset * PAGE;
	slot_set_state(slot, offset, offset + pages, slot->readable_only ? READABLE : WRITABLE);
	return true;
}

static bool op_mmap_bad(struct slot *slot)
{
	static const struct {
		size_t offset, more;
		int prot, flags, error;
	} bad[] = {
		{ .prot = PROT_READ, .flags = MAP_PRIVATE, .error = EINVAL },
		{ .prot = PROT_READ | PROT_EXEC, .flags = MAP_SHARED, .error = EPERM },
		{ .prot = PROT_READ, .flags = MAP_SHARED, .more = 1, .error = EINVAL },
		{ .prot = PROT_READ, .flags = MAP_SHARED, .offset = 1, .error = EINVAL },
		{ .prot = PROT_READ, .flags = MAP_SHARED, .offset = 1ul << 40, .error = EINVAL },
	};
	const int i = below(ARRAY_SIZE(bad));
	char *addr;

	if (slot->fd < 0 || !slot->pages)
		return false;
	addr = mmap(NULL, (slot->pages + bad[i].more) * PAGE, bad[i].prot, bad[i].flags, slot->fd,
		    bad[i].offset * PAGE);
	MUST(addr == MAP_FAILED && MAY_BE(errno, bad[i].error, ENOMEM), "bad mmap %d: %s", i,
	     addr == MAP_FAILED ? name_of(errno) : "success");
	return true;
}

/* A second mapping of shared memory shows the same; of private memory there is none. */
static bool op_alias(struct slot *slot)
{
	size_t page;
	char *addr;

	if (slot->fd < 0 || !slot->pages)
		return false;
	page = below(slot->pages);
	if (slot_private(slot) && !slot->spent)
		return false;
	addr = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, slot->fd, page * PAGE);
	if (addr == MAP_FAILED) {
		MUST(MAY_BE(errno, slot_private(slot) ? EBUSY : ENOMEM), "second mmap: %s",
		     name_of(errno));
		return true;
	}
	MUST(!slot_private(slot), "a private region is mapped again");
	check_page(slot, addr, page);
	munmap(addr, PAGE);
	return true;
}

/* A page of shared memory as a dma-buf is the same page. */
static bool op_export(struct slot *slot)
{
	const int refusal = slot->readable_only ? EBADF : slot_private(slot) ? EOPNOTSUPP : ENOMEM;
	size_t page;
	char *addr;
	int fd;

	if (slot->fd < 0 || !slot->pages)
		return false;
	page = below(slot->pages);
	fd = export_region(slot->fd, page * PAGE, PAGE);
	if (fd < 0) {
		MUST(errno == refusal, "EXPORT: %s", name_of(errno));
		return true;
	}
	MUST(refusal == ENOMEM, "EXPORT should fail");
	addr = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (addr == MAP_FAILED) {
		MUST(errno == ENOMEM, "mmap of a dma-buf: %s", name_of(errno));
		return true;
	}
	check_page(slot, addr, page);
	munmap(addr, PAGE);
	return true;
}

static bool op_write(struct slot *slot)
{
	const size_t page = mapped_page(slot, WRITABLE);
	const size_t i = below(NR_WORDS);
	uint64_t words[NR_WORDS];

	if (page == slot->pages || slot->alien)
		return false;
	words[i] = slot_word(slot->tag, page, slot->stamp[page][i] + 1);
	if (slot_access(slot_addr(slot, page), words, i, i + 1, true)) {
		slot->stamp[page][i]++;
		return true;
	}
	MUST(slot_private(slot), "SIGBUS for a write to a shared region");
	tally->sigbus++;
	return true;
}

static bool op_read(struct slot *slot)
{
	const size_t page = mapped_page(slot, READABLE);

	if (page == slot->pages)
		return false;
	check_page(slot, slot_addr(slot, page), page);
	return true;
}

/* Some of the mapped pages that are side by side */
static bool any_run(const struct slot *slot, size_t *first, size_t *nr)
{
	*first = mapped_page(slot, NO_ACCESS);
	if (*first == slot->pages)
		return false;
	*nr = 0;
	do {
		*nr += slot_run(slot, *first + *nr, slot->pages);
	} while (*first + *nr < slot->pages && slot->state[*first + *nr] != UNMAPPED);
	*nr = 1 + below(*nr);
	return true;
}

/* By munmap(), or by another mapping in its place */
static int take_away(char *addr, size_t bytes)
{
	if (one_in(4) && mmap(addr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			      0) == MAP_FAILED)
		return -1;
	return munmap(addr, bytes);
}

static bool op_munmap(struct slot *slot)
{
	size_t first, nr;

	if (!any_run(slot, &first, &nr))
		return false;
	if (take_away(slot_addr(slot, first), nr * PAGE)) {
		MUST(errno == ENOMEM, "munmap: %s", name_of(errno));
		return true;
	}
	slot_set_state(slot, first, first + nr, UNMAPPED);
	forget_if_over(slot);
	return true;
}

static bool op_unmap_all(struct slot *slot)
{
	if (!slot->nr_mapped)
		return false;
	unmap_all(slot);
	forget_if_over(slot);
	return true;
}

static bool op_mprotect(struct slot *slot)
{
	static const int prots[] = { [NO_ACCESS] = PROT_NONE, [READABLE] = PROT_READ,
				     [WRITABLE] = PROT_READ | PROT_WRITE };
	const enum page_state state = NO_ACCESS + below(3);
	const bool exec = one_in(8);
	size_t first, nr;
	int error;

	if (!any_run(slot, &first, &nr))
		return false;
	error = mprotect(slot_addr(slot, first), nr * PAGE,
			 prots[state] | (exec ? PROT_EXEC : 0)) ? errno : 0;
	if (exec || (state == WRITABLE && slot->readable_only))
		MUST(MAY_BE(error, EACCES, ENOMEM), "mprotect to what is forbidden: %s",
		     name_of(error));
	else
		MUST(MAY_BE(error, 0, ENOMEM), "mprotect: %s", name_of(error));
	if (!error)
		slot_set_state(slot, first, first + nr, state);
	return true;
}

/* Whatever it answers, the contents stay. */
static bool op_madvise(struct slot *slot)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_FREE, MADV_REMOVE, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK,
		MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		24 /* MADV_DONTNEED_LOCKED */, 25 /* MADV_COLLAPSE */, 77,
	};
	size_t first, nr;

	if (!any_run(slot, &first, &nr))
		return false;
	madvise(slot_addr(slot, first), nr * PAGE, advices[below(ARRAY_SIZE(advices))]);
	if (one_in(4)) {
		mlock(slot_addr(slot, first), nr * PAGE);
		munlock(slot_addr(slot, first), nr * PAGE);
	}
	return true;
}

/* Other nodes' pull on the pages */
static bool op_move(struct slot *slot)
{
	const size_t page = mapped_page(slot, READABLE);
	const int node = slot_node(slot, page);
	const unsigned long other = 1ul << !node;
	int to = !node, status = -1;
	void *addr;

	if (page == slot->pages)
		return false;
	addr = slot_addr(slot, page);
	if (one_in(2))
		mbind(addr, PAGE, MPOL_BIND, &other, sizeof(other) * 8, MPOL_MF_MOVE);
	else
		move_pages(0, 1, &addr, &to, &status, MPOL_MF_MOVE);
	status = -ENOENT;
	if (!move_pages(0, 1, &addr, NULL, &status, 0))
		MUST(status == node || status < 0, "page %zu is on node %d", page, status);
	return true;
}

/* Piece by piece; one that cannot move, for it is several mappings, goes. */
static bool move_pieces(struct slot *slot)
{
	char *addr = mmap(NULL, slot->pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t page, nr;

	if (addr == MAP_FAILED)
		return false;
	for (page = 0; page < slot->pages; page += nr) {
		char *from = slot_addr(slot, page), *to = addr + page * PAGE;

		nr = 1 + below(slot_run(slot, page, slot->pages));
		if (slot->state[page] == UNMAPPED) {
			munmap(to, nr * PAGE);
		} else if (mremap(from, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				  to) != to) {
			munmap(from, nr * PAGE);
			slot_set_state(slot, page, page + nr, UNMAPPED);
		}
	}
	slot->base = addr;
	forget_if_over(slot);
	return true;
}

/* A region moves; and where all of it is one piece it shrinks, or cannot grow. */
static bool op_mremap(struct slot *slot)
{
	const size_t bytes = slot->pages * PAGE, shorter = 1 + below(slot->pages ?: 1);
	char *addr;

	if (!slot->nr_mapped)
		return false;
	if (slot_run(slot, 0, slot->pages) != slot->pages || one_in(3))
		return move_pieces(slot);
	if (one_in(3)) {
		addr = mremap(slot->base, bytes, bytes + PAGE, MREMAP_MAYMOVE);
		MUST(addr == MAP_FAILED, "mremap: a region grows");
		return true;
	}
	if (one_in(3)) {
		addr = mremap(slot->base, bytes, shorter * PAGE, 0);
		if (addr != MAP_FAILED)
			slot_set_state(slot, shorter, slot->pages, UNMAPPED);
		return true;
	}
	addr = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return false;
	/* Where it fails, @addr may be another thread's already. */
	if (mremap(slot->base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, addr) == addr)
		slot->base = addr;
	return true;
}

static bool op_locate(struct slot *slot)
{
	int32_t nodes[MAX_PAGES];
	struct numapin_locate locate = {
		.size = sizeof(locate),
		.nodes = (uintptr_t)nodes,
	};
	size_t first, nr;
	int error;

	if (slot->fd < 0 || !any_run(slot, &first, &nr))
		return false;
	locate.addr = (uintptr_t)slot_addr(slot, first);
	locate.length = nr * PAGE;
	error = ioctl_errno(slot->fd, NUMAPIN_IOCTL_LOCATE, &locate);
	/* Of a private region there may be pages that were not to be had. */
	MUST(!error || (error == ENXIO && slot_private(slot)), "LOCATE: %s", name_of(error));
	for (size_t i = 0; !error && i < nr; i++)
		MUST(nodes[i] == slot_node(slot, first + i), "LOCATE: page %zu on node %d",
		     first + i, nodes[i]);
	return true;
}

/* A page in a pipe is what it was, or what was written since. */
static bool op_splice(struct slot *slot)
{
	const size_t page = mapped_page(slot, READABLE);
	struct iovec iov = { .iov_len = PAGE };
	uint64_t words[PAGE / sizeof(uint64_t)];
	int ends[2];

	if (page == slot->pages || pipe2(ends, O_CLOEXEC))
		return false;
	iov.iov_base = slot_addr(slot, page);
	if (vmsplice(ends[1], &iov, 1, SPLICE_F_NONBLOCK) == PAGE &&
	    read(ends[0], words, PAGE) == PAGE)
		MUST(slot_may_hold(words[0], slot->tag, page), "%#lx in a pipe", words[0]);
	close(ends[0]);
	close(ends[1]);
	return true;
}

/* System calls that write to the memory, which they may do as the program may */
static bool op_copy(struct slot *slot)
{
	const size_t page = mapped_page(slot, READABLE);
	uint64_t words[PAGE / sizeof(uint64_t)];
	struct iovec local = { words, PAGE }, remote = { .iov_len = PAGE };
	ssize_t n;

	if (page == slot->pages || slot->alien || slot->state[page] != WRITABLE)
		return false;
	remote.iov_base = slot_addr(slot, page);
	memset(words, 0, sizeof(words));
	for (size_t i = 0; i < NR_WORDS; i++)
		words[slot_words[i]] = slot_word(slot->tag, page, slot->stamp[page][i] + 1);
	n = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
	for (size_t i = 0; n == PAGE && i < NR_WORDS; i++)
		slot->stamp[page][i]++;
	if (n != PAGE)
		MUST(n < 0 && slot_private(slot), "process_vm_writev: %zd", n);
	return true;
}

/* What the kernel shows of a process and of a node */
static bool op_show(struct slot *slot)
{
	static const char *const files[] = {
		"/proc/self/smaps_rollup", "/proc/self/numa_maps", "/proc/self/maps",
		"/sys/class/numapin/node1/bytes", "/sys/class/numapin/node1/failures/node_full",
	};
	char path[64], text[4096];
	int fd;

	if (slot->fd >= 0 && one_in(2))
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", slot->fd);
	else
		snprintf(path, sizeof(path), "%s", files[below(ARRAY_SIZE(files))]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return true;
}

/* A shared region goes to whoever looks into the mailbox next. */
static bool op_send(struct slot *slot)
{
	struct parcel parcel = {
		slot->tag, slot->node, { slot->weights[0], slot->weights[1] }, slot->pages,
		slot->flags,
	};
	char control[CMSG_SPACE(sizeof(int))] = { };
	struct iovec iov = { &parcel, sizeof(parcel) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (slot->fd < 0 || !slot->pages || slot_private(slot))
		return false;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &slot->fd, sizeof(int));
	return sendmsg(mailbox[0], &message, MSG_DONTWAIT) == sizeof(parcel);
}

static int receive(struct parcel *parcel)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { parcel, sizeof(*parcel) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(mailbox[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(*parcel))
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* What comes is somebody else's region, which he goes on writing to. */
static bool op_receive(struct slot *slot)
{
	struct parcel parcel;
	int fd;

	if (slot->fd >= 0 || slot->nr_mapped)
		return false;
	fd = receive(&parcel);
	if (fd < 0)
		return false;
	slot_forget(slot);
	slot->fd = fd;
	slot->node = parcel.node;
	memcpy(slot->weights, parcel.weights, sizeof(slot->weights));
	slot->pages = parcel.pages;
	slot->tag = parcel.tag;
	slot->flags = parcel.flags;
	slot->alien = true;
	/* It may have come from a file to be read: then nobody else may write. */
	slot->readable_only = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
	tally->passed++;
	return op_info(slot);
}

static void play(unsigned long ops);

/* What a child has of its parent's: not files whose region either could make or map. */
static void inherit(struct slot *slot)
{
	slot->alien |= !slot_private(slot);
	if (slot->fd >= 0 && (!slot->pages || (slot_private(slot) && !slot->spent)))
		op_close(slot);
}

/* A child's own: the contents of private regions as they are now, and then his. */
static void be_child(void)
{
	char name[sizeof(me->name)];

	/* Whoever forked it may be gone, and this thread is the only one. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (one_in(6)) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	me->depth++;
	me->random ^= 0x9e3779b97f4a7c15 * me->depth;
	memset(me->children, 0, sizeof(me->children));
	memcpy(name, me->name, sizeof(name));
	snprintf(me->name, sizeof(me->name), "%.50s, fork at %lu", name, me->op);
	for (int i = 0; i < SLOTS; i++)
		inherit(&me->slots[i]);
	play(8 + below(60));
	_exit(0);
}

/* Waits for a child, or sees whether it has ended. */
static void reap(pid_t *child, bool wait)
{
	int status;

	if (!*child || waitpid(*child, &status, wait ? 0 : WNOHANG) != *child)
		return;
	*child = 0;
	MUST((WIFEXITED(status) && !WEXITSTATUS(status)) ||
	     (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
	     "a child ended with status %#x", status);
}

/* A child that is to be without some pages of a slot: it, and its parent afterwards */
static pid_t fork_without(struct slot *slot)
{
	bool gone = false;
	size_t first, nr;
	char *addr;
	int error;
	pid_t pid;

	if (!one_in(4) || !any_run(slot, &first, &nr))
		return fork();
	addr = slot_addr(slot, first);
	if (madvise(addr, nr * PAGE, MADV_DONTFORK))
		MUST(errno == ENOMEM, "MADV_DONTFORK: %s", name_of(errno));
	pid = fork();
	error = errno;
	/* Where it cannot be undone, as on 7.3, no other child would have them. */
	if (pid && madvise(addr, nr * PAGE, MADV_DOFORK)) {
		MUST(errno == EINVAL, "MADV_DOFORK: %s", name_of(errno));
		munmap(addr, nr * PAGE);
		gone = true;
	}
	if (!pid || gone) {
		slot_set_state(slot, first, first + nr, UNMAPPED);
		forget_if_over(slot);
	}
	errno = error;
	return pid;
}

static bool op_fork(struct slot *slot)
{
	pid_t *child = &me->children[below(CHILDREN)];

	if (me->depth > 2)
		return false;
	if (*child && one_in(4)) {
		kill(*child, SIGKILL);
		tally->killed++;
	}
	reap(child, true);
	*child = fork_without(slot);
	if (!*child)
		be_child();
	if (*child < 0) {
		MUST(MAY_BE(errno, ENOMEM, EAGAIN), "fork: %s", name_of(errno));
		*child = 0;
		return true;
	}
	tally->forks++;
	return true;
}

static const struct {
	const char *name;
	bool (*execute)(struct slot *slot);
	unsigned int weight;
} operations[] = {
	{ "write", op_write, 160 },
	{ "read", op_read, 120 },
	{ "open", op_open, 48 },
	{ "reopen", op_reopen, 12 },
	{ "alloc", op_alloc, 48 },
	{ "mmap", op_mmap, 48 },
	{ "munmap", op_munmap, 20 },
	{ "mprotect", op_mprotect, 24 },
	{ "madvise", op_madvise, 24 },
	{ "mremap", op_mremap, 16 },
	{ "unmap_all", op_unmap_all, 24 },
	{ "close", op_close, 32 },
	{ "alloc_bad", op_alloc_bad, 16 },
	{ "mmap_bad", op_mmap_bad, 16 },
	{ "garbage", op_garbage, 24 },
	{ "info", op_info, 12 },
	{ "alias", op_alias, 20 },
	{ "export", op_export, 12 },
	{ "locate", op_locate, 16 },
	{ "move", op_move, 12 },
	{ "splice", op_splice, 12 },
	{ "copy", op_copy, 16 },
	{ "show", op_show, 1 },
	{ "send", op_send, 12 },
	{ "receive", op_receive, 12 },
	{ "fork", op_fork, 1 },
};

static void let_go(struct slot *slot)
{
	unmap_all(slot);
	op_close(slot);
}

/* Of all that it has, and of a file that nobody has received yet */
static void leave(void)
{
	struct parcel parcel;

	for (int i = 0; i < SLOTS; i++)
		let_go(&me->slots[i]);
	close(receive(&parcel));
}

static void play_once(void)
{
	unsigned int pick, i = 0, sum = 0;

	if (tally->leave)
		leave();
	for (size_t j = 0; j < ARRAY_SIZE(operations); j++)
		sum += operations[j].weight;
	pick = below(sum);
	while (pick >= operations[i].weight)
		pick -= operations[i++].weight;
	me->op++;
	me->doing = operations[i].name;
	if (operations[i].execute(any_slot()))
		tally->done++;
}

/* So many operations, and then all is looked at and let go of. */
static void play(unsigned long ops)
{
	for (unsigned long i = 0; i < ops && !tally->stop; i++)
		play_once();
	me->doing = "the end";
	for (int i = 0; i < CHILDREN; i++)
		reap(&me->children[i], true);
	for (int i = 0; i < SLOTS; i++) {
		struct slot *slot = &me->slots[i];

		for (size_t page = 0; page < slot->pages; page++)
			if (slot->state[page] >= READABLE)
				check_page(slot, slot_addr(slot, page), page);
		let_go(slot);
	}
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (signal == SIGBUS && expects_sigbus)
		siglongjmp(sigbus_exit, 1);
	fail("%s at %p", strsignal(signal), info->si_addr);
}

static int process_nr;

static void *be_thread(void *arg)
{
	const long thread = (long)arg;

	me = calloc(1, sizeof(*me));
	snprintf(me->name, sizeof(me->name), "process %d, thread %ld", process_nr, thread);
	me->random = (options.seed * MAX_PROCESSES + process_nr) * 64 + thread + 1;
	me->random *= 0x9e3779b97f4a7c15;
	for (int i = 0; i < SLOTS; i++)
		slot_forget(&me->slots[i]);
	/* Together they do as many as are wanted. */
	while (!tally->stop && (options.seconds || tally->done < options.ops))
		play_once();
	play(0);
	free(me);
	return NULL;
}

static int be_process(int nr)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	pthread_t threads[64];

	process_nr = nr;
	setpriority(PRIO_PROCESS, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	/* Every other one has limits. */
	if (nr % 2 && !become_nobody(16 * MIB))
		return 1;
	/* Or its own files in /proc would not be its own. */
	prctl(PR_SET_DUMPABLE, 1);
	for (long i = 0; i < options.threads; i++)
		if (pthread_create(&threads[i], NULL, be_thread, (void *)i))
			return 1;
	for (long i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* A limit that changes under who is in it, for a third of a second at most */
static void change_limit(void)
{
	static const char *const limits[] = { "262144", "1048576", "4194304", "max" };

	for (int i = below(8); i > 0; i--) {
		weather_set(WEATHER_NARROW, "memory.max", limits[below(ARRAY_SIZE(limits))]);
		usleep(below(40000));
	}
}

/*
 * One more process, that is killed with its threads in the middle of what they do; or
 * before, for memory, in the narrow cgroup.
 */
static void kill_a_process(bool narrow)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (narrow)
			weather_move(getpid(), WEATHER_NARROW);
		_exit(be_process(options.processes));
	}
	if (pid < 0)
		return;
	if (narrow)
		change_limit();
	else
		usleep(below(300000));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		tally->killed++;
	} else if (status) {
		fprintf(stderr, "# fuzz: a process to be killed ended with %#x\n", status);
		tally->wrong = true;
	}
}

/* One change, of whatever is not the processes' own */
static void change_weather(const pid_t *pids)
{
	static const char *const budgets[] = { "max", "max", "67108864", "4194304", "0" };
	static const char *const mems[] = { "0-1", "0-1", "0", "1" };
	static const char *const cpus[] = { "0-1", "0", "1" };

	/* Often, or on a slow kernel it would not both come and go. */
	if (comes_and_goes && one_in(3)) {
		weather_node(&tally->leave);
		return;
	}
	switch (below(12)) {
	case 0:
		set_budget(1, budgets[below(ARRAY_SIZE(budgets))]);
		break;
	case 1:
		/* Who has node 1 alone has all of its kernel memory there, which then stays. */
		weather_set(below(WEATHER_CGROUPS), "cpuset.mems",
			    mems[below(ARRAY_SIZE(mems) - (options.crowded || comes_and_goes))]);
		break;
	case 2:
		weather_move(pids[below(options.processes)], below(WEATHER_CGROUPS));
		break;
	case 3:
		if (one_in(4))
			weather_fill_node(1);
		break;
	case 4:
		write_file("/proc/sys/vm/compact_memory", "1");
		break;
	case 5:
		write_file("/proc/sys/vm/drop_caches", "3");
		break;
	case 6:
		if (!comes_and_goes)
			weather_block(one_in(2));
		break;
	case 7:
		/* Where there is not as much, it stays what it is. */
		set_number(1, "pool_bytes", below(12) * HUGE_PAGE);
		set_number(1, "pool_reclaim", one_in(2));
		break;
	case 8:
		set_budget(1, "max");
		weather_set(below(WEATHER_CGROUPS), "cpuset.mems", "0-1");
		break;
	case 9:
		kill_a_process(false);
		break;
	case 10:
		/* In a crowd nobody is to be killed for memory. */
		if (!options.crowded)
			kill_a_process(true);
		break;
	case 11:
		weather_set(below(WEATHER_CGROUPS), "cpuset.cpus", cpus[below(ARRAY_SIZE(cpus))]);
		break;
	}
}

static void show_progress(time_t now)
{
	static time_t last;

	if (now < last + 10)
		return;
	last = now;
	fprintf(stderr, "# fuzz: %lu operations, %lu regions, %lu forks\n", tally->done,
		tally->regions, tally->forks);
}

/* Processes without rights may open the devices; or not any more. */
static void open_to_all(bool all)
{
	char path[64];

	for (int node = 0; node < 2; node++) {
		snprintf(path, sizeof(path), "/dev/numapin/node%d", node);
		chmod(path, all ? 0666 : 0660);
	}
}

/* Whether a run of so many seconds may end. */
static bool is_over(unsigned long seconds)
{
	if (!options.seconds || seconds < options.seconds)
		return false;
	/* Where a device is to come and go, a slow machine takes longer; not for ever. */
	return !comes_and_goes || blocks_gone || seconds >= 4 * options.seconds;
}

/* Until all processes have ended; whether all did well. */
static bool watch(pid_t *pids)
{
	const time_t begun = time(NULL);
	static struct player weather = { .name = "weather", .doing = "-" };
	int running = options.processes;
	bool ok = true;

	weather.random = options.seed + 1;
	me = &weather;
	/* Among all who are busy it would change little. */
	setpriority(PRIO_PROCESS, 0, -5);
	while (running) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			running--;
			ok &= WIFEXITED(status) && !WEXITSTATUS(status);
			if (WIFSIGNALED(status))
				fprintf(stderr, "# fuzz: a process ended by signal %d\n",
					WTERMSIG(status));
			continue;
		}
		if (is_over(time(NULL) - begun))
			tally->stop = true;
		show_progress(time(NULL));
		if (!options.calm) {
			change_weather(pids);
			open_to_all(true);
		}
		usleep(20000);
	}
	return ok && !tally->wrong;
}

static void usage(FILE *file)
{
	fprintf(file,
		"usage: fuzz [OPTION]...\n"
		"\n"
		"Does at random what programs can do to regions, from processes and threads, in\n"
		"changing weather (limits, cpusets, nodes that are full), and checks what each\n"
		"page holds. Needs root, the module, and nodes 0 and 1. What fails is told with\n"
		"the seed. A seed gives each thread the same numbers to choose by; what they\n"
		"come to depends on what calls answer and on when others come. With --calm,\n"
		"--processes 1 and --threads 1 only the thread's own children are others.\n"
		"\n"
		"  -s, --seed N       (random)\n"
		"  -o, --ops N        operations with something to do, all together (%lu)\n"
		"  -S, --seconds N    for so long, however many\n"
		"  -p, --processes N  1 to %d (%d); every other one as a user with limits\n"
		"  -t, --threads N    of each process, 1 to 64 (%d)\n"
		"  -c, --calm         no weather\n"
		"  -C, --crowded      for a machine whose memory others take meanwhile: no process\n"
		"                     is confined to a full node, which would be its death\n"
		"  -j, --json         the counts as a JSON object\n"
		"  -h, --help         this\n",
		options.ops, MAX_PROCESSES, options.processes, options.threads);
}

static unsigned long to_number(const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || value < min || value > max) {
		fprintf(stderr, "fuzz: %s: a number from %lu to %lu is wanted\n", text, min, max);
		exit(2);
	}
	return value;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 'S' },
		{ "processes", required_argument, NULL, 'p' },
		{ "threads", required_argument, NULL, 't' },
		{ "calm", no_argument, NULL, 'c' },
		{ "crowded", no_argument, NULL, 'C' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	options.seed = time(NULL) ^ getpid() << 16;
	while ((c = getopt_long(argc, argv, "s:o:S:p:t:cCjh", names, NULL)) != -1) {
		switch (c) {
		case 's':
			options.seed = to_number(optarg, 0, ULONG_MAX);
			break;
		case 'o':
			options.ops = to_number(optarg, 1, ULONG_MAX);
			break;
		case 'S':
			options.seconds = to_number(optarg, 1, 1000000);
			break;
		case 'p':
			options.processes = to_number(optarg, 1, MAX_PROCESSES);
			break;
		case 't':
			options.threads = to_number(optarg, 1, 64);
			break;
		case 'c':
			options.calm = true;
			break;
		case 'C':
			options.crowded = true;
			break;
		case 'j':
			options.json = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		usage(stderr);
		exit(2);
	}
}

static void report(bool ok)
{
	const struct {
		const char *name;
		unsigned long count;
	} counts[] = {
		{ "operations", tally->done },
		{ "regions", tally->regions },
		{ "striped", tally->striped },
		{ "refused", tally->refused },
		{ "forks", tally->forks },
		{ "killed", tally->killed },
		{ "sigbus", tally->sigbus },
		{ "passed", tally->passed },
		{ "reopened", tally->reopened },
		{ "blocks gone", blocks_gone },
		{ "oom kills", weather_oom_kills() },
	};

	printf(options.json ? "{\"seed\": %lu, \"ok\": %s" : "# fuzz: seed %lu, ok: %s",
	       options.seed, ok ? "true" : "false");
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		printf(options.json ? ", \"%s\": %lu" : ", %s: %lu", counts[i].name,
		       counts[i].count);
	printf(options.json ? "}\n" : "\n");
}

int main(int argc, char **argv)
{
	pid_t pids[MAX_PROCESSES];
	long oom_kills = vmstat("oom_kill");
	bool ok, ok_device, ok_oom;

	read_options(argc, argv);
	ksft_print_header();
	comes_and_goes = !options.calm && counter(1, "regions") < 0;
	ksft_set_plan(3 + comes_and_goes);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (tally == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, mailbox) ||
	    !weather_begin())
		ksft_exit_fail_msg("cannot begin: %s\n", strerror(errno));
	open_to_all(true);
	printf("# fuzz: seed %lu\n", options.seed);
	fflush(stdout);
	for (int nr = 0; nr < options.processes; nr++) {
		pids[nr] = fork();
		if (!pids[nr])
			_exit(be_process(nr));
		if (pids[nr] < 0)
			ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	}
	ok = watch(pids);
	open_to_all(false);
	report(ok);
	ok_device = blocks_gone;
	ok_oom = vmstat("oom_kill") == oom_kills + weather_oom_kills();
	weather_end();
	/* What was on its way from one to another */
	close(mailbox[0]);
	close(mailbox[1]);
	ksft_test_result(ok, "every page held, and every call answered, what it must\n");
	ksft_test_result(nothing_left(), "nothing is left\n");
	ksft_test_result(ok_oom, "nobody was killed for memory but where it has a limit\n");
	if (comes_and_goes)
		ksft_test_result(ok_device, "the device of a node came and went\n");
	ksft_finished();
}
