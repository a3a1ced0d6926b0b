// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that is linked to libnuma and knows nothing of numapin, under
 * libnumapin-preload.so: its memory is pinned, and libnuma's in all else.
 */
#include <dlfcn.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>

#include "harness.h"

#include "child.h"
#include "library.h"
#include "ordinary.h"
#include "pattern.h"
#include "preload.h"
#include "worker.h"

/* That of all that the C library had when it first ran there */
#ifdef __aarch64__
#define LIBC_BASE "GLIBC_2.17"
#else
#define LIBC_BASE "GLIBC_2.2.5"
#endif

__attribute__((constructor)) static void preload(int argc, char **argv)
{
	run_preloaded(argv, "libnumapin-preload.so");
}

/* What a program that was built for libnuma 1 calls */
void *interleaved_subset_v1(size_t size, const nodemask_t *nodes);
__asm__(".symver interleaved_subset_v1, numa_alloc_interleaved_subset@libnuma_1.1");

/* The library that a version of a symbol is bound to; "": none has it. */
static const char *library_of(const char *name, const char *version)
{
	void *symbol = dlvsym(RTLD_DEFAULT, name, version);
	Dl_info info;

	if (!symbol || !dladdr(symbol, &info))
		return "";
	return strrchr(info.dli_fname, '/') + 1;
}

/* Of libnuma, by a handle of its own, so that it is not the preloaded one's */
static void *libnumas(const char *name)
{
	void *libnuma = dlopen("libnuma.so.1", RTLD_LAZY | RTLD_NOLOAD);

	return libnuma ? dlsym(libnuma, name) : NULL;
}

TEST(symbols)
{
	static const struct {
		const char *name;
		const char *version;
	} ours[] = {
		{ "numa_alloc", "libnuma_1.1" },
		{ "numa_alloc_interleaved", "libnuma_1.1" },
		{ "numa_alloc_interleaved_subset", "libnuma_1.1" },
		{ "numa_alloc_interleaved_subset", "libnuma_1.2" },
		{ "numa_alloc_local", "libnuma_1.1" },
		{ "numa_alloc_onnode", "libnuma_1.1" },
		{ "numa_free", "libnuma_1.1" },
		{ "numa_realloc", "libnuma_1.2" },
	};

	for (int i = 0; i < ARRAY_SIZE(ours); i++) {
		EXPECT_STREQ("libnumapin-preload.so", library_of(ours[i].name, ours[i].version));
		EXPECT_NE(NULL, libnumas(ours[i].name));
	}
	EXPECT_NE((void *)numa_alloc_interleaved_subset, (void *)interleaved_subset_v1);
	EXPECT_STREQ("libnuma.so.1", library_of("numa_set_strict", "libnuma_1.1"));
	/* malloc() is nobody's but libc's; what libnumapin is made of is not to be seen. */
	EXPECT_EQ(0, strncmp(library_of("malloc", LIBC_BASE), "libc.so", 7));
	EXPECT_EQ(NULL, dlsym(RTLD_DEFAULT, "numapin_alloc"));
}

TEST(on_its_node_in_whole_pages)
{
	const size_t sizes[] = { 1, PAGE, PAGE + 1, 64 * KIB, HUGE_PAGE, 4 * MIB + 1 };

	for (int node = 0; node <= 1; node++) {
		for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
			const size_t size = sizes[i];
			char *addr = numa_alloc_onnode(size, node);

			ASSERT_NE(NULL, addr);
			EXPECT_TRUE(all_zero(addr, size));
			EXPECT_TRUE(in_region(addr, node));
			EXPECT_EQ(0, pages_elsewhere(addr, size, node));
			EXPECT_EQ(whole_pages(size), counter(node, "bytes"));
			write_all(addr, whole_pages(size), i);
			EXPECT_EQ(0, not_by(addr, whole_pages(size), i));
			numa_free(addr, size);
			EXPECT_TRUE(nothing_left());
		}
	}
}

TEST(nothing_moves_it)
{
	struct bitmask *from = only_node(1), *to = only_node(0);
	char *ordinary = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	char *addr = numa_alloc_onnode(ORDINARY, 1);
	uint64_t *frames;

	ASSERT_NE(NULL, ordinary);
	ASSERT_NE(NULL, addr);
	frames = frames_of(addr, ORDINARY);
	ASSERT_NE(NULL, frames);
	EXPECT_LE(0, numa_migrate_pages(0, from, to));
	EXPECT_LT(0, pages_elsewhere(ordinary, ORDINARY, 1));
	EXPECT_EQ(0, frames_changed(addr, ORDINARY, frames));
	EXPECT_EQ(0, pages_elsewhere(addr, ORDINARY, 1));
	numa_free(addr, ORDINARY);
	EXPECT_TRUE(nothing_left());
}

/* What an allocation came to: the node of its region; -1: it has none. It is freed. */
static int region_of(void *addr, size_t size)
{
	int node = in_region(addr, 1) ? 1 : in_region(addr, 0) ? 0 : -1;

	if (node >= 0 && pages_elsewhere(addr, size, node))
		node = -2;
	numa_free(addr, size);
	return node;
}

TEST(local)
{
	for (int node = 0; node <= 1; node++) {
		ASSERT_EQ(0, numa_run_on_node(node));
		EXPECT_EQ(node, region_of(numa_alloc_local(MIB), MIB));
		EXPECT_EQ(node, region_of(numa_alloc(MIB), MIB));
	}
	EXPECT_TRUE(nothing_left());
}

TEST(by_the_policy_of_the_thread)
{
	struct caught caught;
	char *addr;

	ASSERT_EQ(0, numa_run_on_node(0));
	numa_set_membind(only_node(1));
	EXPECT_EQ(1, region_of(numa_alloc(MIB), MIB));
	EXPECT_EQ(0, region_of(numa_alloc_local(MIB), MIB));
	numa_set_preferred(1);
	EXPECT_EQ(1, region_of(numa_alloc(MIB), MIB));
	numa_set_localalloc();
	EXPECT_EQ(0, region_of(numa_alloc(MIB), MIB));

	/* On both: as libnuma has it */
	numa_set_interleave_mask(numa_all_nodes_ptr);
	ASSERT_TRUE(catch_stderr(&caught));
	addr = numa_alloc(MIB);
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_EQ(MIB / PAGE / 2, pages_elsewhere(addr, MIB, 0));
	EXPECT_EQ(MIB / PAGE / 2, pages_elsewhere(addr, MIB, 1));
	EXPECT_EQ(-1, region_of(addr, MIB));
	EXPECT_TRUE(nothing_left());
}

/* How many pages are not on node 0 and node 1 in turn */
static long out_of_turn(const char *addr, size_t bytes)
{
	int *nodes = nodes_of(addr, bytes);
	long found = nodes ? 0 : -1;

	for (size_t i = 0; nodes && i < bytes / PAGE; i++)
		found += nodes[i] != i % 2;
	free(nodes);
	return found;
}

TEST(interleaved)
{
	nodemask_t both = { 0 }, one = { 0 };
	struct caught caught;
	char *all, *v1, *v2;

	nodemask_set_compat(&both, 0);
	nodemask_set_compat(&both, 1);
	nodemask_set_compat(&one, 1);
	ASSERT_TRUE(catch_stderr(&caught));
	all = numa_alloc_interleaved(MIB);
	v2 = numa_alloc_interleaved_subset(MIB, numa_all_nodes_ptr);
	v1 = interleaved_subset_v1(MIB, &both);
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(0, warnings_in(caught.text));
	/* A region of both counts with each. */
	EXPECT_EQ(3 * MIB / 2, counter(0, "bytes"));
	EXPECT_EQ(3 * MIB / 2, counter(1, "bytes"));
	EXPECT_EQ(0, out_of_turn(all, MIB));
	EXPECT_EQ(0, out_of_turn(v2, MIB));
	EXPECT_EQ(0, out_of_turn(v1, MIB));
	numa_free(all, MIB);
	numa_free(v2, MIB);
	numa_free(v1, MIB);

	EXPECT_EQ(1, region_of(numa_alloc_interleaved_subset(MIB, only_node(1)), MIB));
	EXPECT_EQ(1, region_of(interleaved_subset_v1(MIB, &one), MIB));
	EXPECT_TRUE(nothing_left());
}

/* The nodes stay those that it is on, after a fork too. */
TEST(interleaved_grows)
{
	char *addr = numa_alloc_interleaved(5 * PAGE);
	pid_t pid;

	write_all(addr, 5 * PAGE, 1);
	pid = fork();
	if (!pid)
		_exit(0);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	addr = numa_realloc(addr, 5 * PAGE, MIB);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, not_by(addr, 5 * PAGE, 1));
	EXPECT_EQ(0, out_of_turn(addr, MIB));
	EXPECT_EQ(MIB / 2, counter(0, "bytes"));
	numa_free(addr, MIB);
	EXPECT_TRUE(nothing_left());
}

/* Where one of the nodes refuses, it is libnuma's, with a warning. */
TEST(interleaved_beyond_a_budget)
{
	struct caught caught;
	char *addr;

	ASSERT_TRUE(set_budget(1, "4096"));
	ASSERT_TRUE(catch_stderr(&caught));
	addr = numa_alloc_interleaved(MIB);
	ASSERT_TRUE(let_go(&caught));
	ASSERT_TRUE(set_budget(1, "max"));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_TRUE(SAYS(caught.text, "node 1", "left of its budget", "libnuma's memory"));
	madvise(addr, MIB, MADV_NOHUGEPAGE);
	write_all(addr, MIB, 1);
	EXPECT_EQ(MIB / PAGE / 2, pages_elsewhere(addr, MIB, 0));
	EXPECT_EQ(-1, region_of(addr, MIB));
	EXPECT_TRUE(nothing_left());
}

TEST(private_after_fork)
{
	char *addr = numa_alloc_onnode(HUGE_PAGE, 1);
	struct worker child;

	ASSERT_NE(NULL, addr);
	addr[0] = 'p';
	ASSERT_TRUE(worker_fork(&child));
	if (!child.pid) {
		CHILD_EXPECT(addr[0] == 'p');
		addr[0] = 'c';
		addr[PAGE] = 'c';
		CHILD_EXPECT(!pages_elsewhere(addr, 2 * PAGE, 1));
		hand_over(&child);
		take_over(&child);
		CHILD_EXPECT(addr[0] == 'c');
		numa_free(addr, HUGE_PAGE);
		CHILD_EXPECT(mapped_file(addr)[0] == '\0');
		_exit(0);
	}
	ASSERT_TRUE(take_over(&child));
	EXPECT_EQ('p', addr[0]);
	EXPECT_EQ(0, addr[PAGE]);
	addr[0] = 'P';
	hand_over(&child);
	EXPECT_EQ(0, worker_wait(&child));
	EXPECT_EQ('P', addr[0]);
	numa_free(addr, HUGE_PAGE);
	EXPECT_TRUE(nothing_left());
}

/* Whether there is memory at an address */
static bool is_mapped(const void *addr)
{
	unsigned char resident;

	return !mincore((void *)addr, PAGE, &resident);
}

/* As munmap() does: in another size of as many pages, in parts, by munmap() itself. */
TEST(freed_as_libnumas_is)
{
	char *addr = numa_alloc_onnode(PAGE + 1, 1);

	numa_free(addr, 2 * PAGE);
	EXPECT_FALSE(is_mapped(addr));
	EXPECT_TRUE(nothing_left());

	addr = numa_alloc_onnode(8 * PAGE, 1);
	numa_free(addr + 2 * PAGE, 2 * PAGE);
	EXPECT_FALSE(is_mapped(addr + 2 * PAGE));
	EXPECT_FALSE(is_mapped(addr + 3 * PAGE));
	write_all(addr, 2 * PAGE, 1);
	write_all(addr + 4 * PAGE, 4 * PAGE, 1);
	numa_free(addr, 2 * PAGE);
	numa_free(addr + 4 * PAGE, 4 * PAGE);
	EXPECT_TRUE(nothing_left());

	/* And whoever has the address next has all of his. */
	for (int i = 0; i < 10; i++) {
		addr = numa_alloc_onnode(8 * PAGE, 1);
		ASSERT_EQ(0, munmap(addr, 8 * PAGE));
		addr = numa_alloc_onnode(8 * PAGE, 0);
		write_all(addr, 8 * PAGE, i);
		EXPECT_EQ(0, not_by(addr, 8 * PAGE, i));
		EXPECT_EQ(0, region_of(addr, 8 * PAGE));
	}
	numa_free(NULL, PAGE);
	EXPECT_TRUE(nothing_left());
}

TEST(libnumas_own_memory_is_freed)
{
	void *(*alloc_onnode)(size_t size, int node) = libnumas("numa_alloc_onnode");
	char *addr;

	ASSERT_NE(NULL, alloc_onnode);
	addr = alloc_onnode(4 * PAGE, 1);
	ASSERT_NE(NULL, addr);
	EXPECT_STREQ("", mapped_file(addr));
	write_all(addr, 4 * PAGE, 1);
	numa_free(addr, 4 * PAGE);
	EXPECT_FALSE(is_mapped(addr));
}

TEST(realloc_keeps_contents_and_node)
{
	char *addr, *same;

	for (int node = 0; node <= 1; node++) {
		ASSERT_EQ(0, numa_run_on_node(!node));
		addr = numa_alloc_onnode(MIB, node);
		write_all(addr, MIB, 1);
		addr = numa_realloc(addr, MIB, 4 * MIB);
		ASSERT_NE(NULL, addr);
		EXPECT_EQ(0, not_by(addr, MIB, 1));
		EXPECT_TRUE(all_zero(addr + MIB, 3 * MIB));
		EXPECT_EQ(4 * MIB, counter(node, "bytes"));
		write_all(addr, 4 * MIB, 2);
		addr = numa_realloc(addr, 4 * MIB, 2 * PAGE);
		ASSERT_NE(NULL, addr);
		EXPECT_EQ(0, not_by(addr, 2 * PAGE, 2));
		same = numa_realloc(addr, 2 * PAGE, PAGE + 1);
		EXPECT_EQ(addr, same);
		/* Only so many, of a part and of none */
		EXPECT_EQ(NULL, numa_realloc(addr, 2 * PAGE, 0));
		EXPECT_EQ(node, region_of(same, 2 * PAGE));
	}
	EXPECT_TRUE(nothing_left());
}

TEST(realloc_of_libnumas_own_memory)
{
	void *(*alloc_onnode)(size_t size, int node) = libnumas("numa_alloc_onnode");
	char *addr = alloc_onnode(MIB, 1);

	write_all(addr, MIB, 1);
	addr = numa_realloc(addr, MIB, 2 * MIB);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, not_by(addr, MIB, 1));
	write_all(addr, 2 * MIB, 2);
	EXPECT_EQ(0, pages_elsewhere(addr, 2 * MIB, 1));
	EXPECT_EQ(-1, region_of(addr, 2 * MIB));
}

/* The policy that the kernel has for an address, and whether node 1 is all of it */
static int policy_of(const void *addr, bool *is_node1)
{
	unsigned long nodes[16] = { 0 };
	int mode;

	*is_node1 = false;
	if (get_mempolicy(&mode, nodes, 1024, (void *)addr, MPOL_F_ADDR))
		return -1;
	*is_node1 = nodes[0] == 2;
	return mode;
}

/* How many pages a range has by now; of those that it has not, 6.1 says EFAULT, others ENOENT. */
static long pages_there(const void *addr, size_t bytes)
{
	int *nodes = nodes_of(addr, bytes);
	long there = nodes ? 0 : -1;

	for (size_t i = 0; nodes && i < bytes / PAGE; i++)
		there += nodes[i] >= 0;
	free(nodes);
	return there;
}

/* A node that refuses: memory as libnuma gives it, untouched, and one warning */
TEST(refused)
{
	struct caught caught;
	char *addr, *second, *local, *grown;
	bool is_node1;

	ASSERT_EQ(0, numa_run_on_node(1));
	addr = numa_alloc_onnode(MIB, 1);
	write_all(addr, MIB, 1);
	ASSERT_TRUE(set_budget(1, "1048576"));
	ASSERT_TRUE(catch_stderr(&caught));
	second = numa_alloc_onnode(MIB, 1);
	local = numa_alloc_local(MIB);
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_TRUE(SAYS(caught.text, "node 1: 1048576 bytes asked, 0 left of its budget",
			 "libnuma", "not pinned"));
	ASSERT_NE(NULL, second);
	EXPECT_EQ(MPOL_BIND, policy_of(second, &is_node1));
	EXPECT_TRUE(is_node1);
	EXPECT_EQ(0, pages_there(second, MIB));
	write_all(second, MIB, 1);
	EXPECT_EQ(0, pages_elsewhere(second, MIB, 1));
	write_all(local, MIB, 1);
	EXPECT_EQ(0, pages_elsewhere(local, MIB, 1));
	EXPECT_EQ(-1, region_of(second, MIB));
	EXPECT_EQ(-1, region_of(local, MIB));

	/* What was pinned grows, and is bound then. */
	grown = numa_realloc(addr, MIB, 2 * MIB);
	ASSERT_NE(NULL, grown);
	EXPECT_EQ(0, not_by(grown, MIB, 1));
	EXPECT_EQ(MPOL_BIND, policy_of(grown, &is_node1));
	EXPECT_TRUE(is_node1);
	EXPECT_EQ(-1, region_of(grown, 2 * MIB));
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_TRUE(nothing_left());
}

/* No device, or none that may be opened: as on a machine without the module */
TEST(absent)
{
	struct caught caught;
	bool is_node1;
	char *addr;

	ASSERT_TRUE(hide_module());
	ASSERT_TRUE(catch_stderr(&caught));
	addr = numa_alloc_onnode(MIB, 1);
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(1, warnings_in(caught.text));
	EXPECT_TRUE(SAYS(caught.text, "node 1 has no numapin device", "libnuma"));
	EXPECT_EQ(MPOL_BIND, policy_of(addr, &is_node1));
	EXPECT_TRUE(is_node1);
	EXPECT_EQ(0, pages_there(addr, MIB));
	EXPECT_EQ(-1, region_of(addr, MIB));
}

/* What a program sets of libnuma counts for memory that libnuma gives. */
TEST(what_is_set_of_libnuma)
{
	void *(*alloc_onnode)(size_t size, int node) = libnumas("numa_alloc_onnode");
	char *addr, *libnuma;
	bool is_node1;

	setenv("NUMAPIN_WARN", "never", 1);
	ASSERT_TRUE(set_budget(1, "0"));
	numa_set_bind_policy(0);
	numa_set_strict(1);
	addr = numa_alloc_onnode(MIB, 1);
	libnuma = alloc_onnode(MIB, 1);
	EXPECT_NE(MPOL_BIND, policy_of(addr, &is_node1));
	EXPECT_TRUE(is_node1);
	EXPECT_EQ(policy_of(libnuma, &is_node1), policy_of(addr, &is_node1));
	EXPECT_EQ(-1, region_of(libnuma, MIB));
	EXPECT_EQ(-1, region_of(addr, MIB));
	EXPECT_TRUE(set_budget(1, "max"));
	EXPECT_EQ(1, region_of(numa_alloc_onnode(MIB, 1), MIB));
}

/* What makes no sense is answered as libnuma answers it, and numapin has no word to say. */
TEST(no_sense)
{
	void *(*alloc_onnode)(size_t size, int node) = libnumas("numa_alloc_onnode");
	struct caught ours, libnuma;

	ASSERT_TRUE(catch_stderr(&ours));
	EXPECT_EQ(NULL, numa_alloc_onnode(0, 1));
	EXPECT_EQ(NULL, numa_alloc_onnode(SIZE_MAX, 1));
	numa_free(numa_alloc_onnode(PAGE, -1), PAGE);
	ASSERT_TRUE(let_go(&ours));
	ASSERT_TRUE(catch_stderr(&libnuma));
	EXPECT_EQ(NULL, alloc_onnode(0, 1));
	EXPECT_EQ(NULL, alloc_onnode(SIZE_MAX, 1));
	numa_free(alloc_onnode(PAGE, -1), PAGE);
	ASSERT_TRUE(let_go(&libnuma));
	EXPECT_STREQ(libnuma.text, ours.text);
}

/* A child's exit status, where it has numa_exit_on_error and asks for a node that is not */
static int exit_of(void *(*alloc_onnode)(size_t size, int node))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		numa_exit_on_error = 1;
		alloc_onnode(PAGE, 63);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

TEST(exit_on_error)
{
	struct caught caught;
	int ours, libnuma;

	ASSERT_TRUE(catch_stderr(&caught));
	ours = exit_of(numa_alloc_onnode);
	libnuma = exit_of(libnumas("numa_alloc_onnode"));
	ASSERT_TRUE(let_go(&caught));
	EXPECT_EQ(libnuma, ours);
	EXPECT_NE(0, ours);
}

static void *allocate_much(void *arg)
{
	const int who = (intptr_t)arg;
	long bad = 0;

	for (int i = 0; i < 100; i++) {
		const size_t size = (i % 8 + 1) * PAGE * (i % 16 ? 1 : 64);
		char *addr = numa_alloc_onnode(size, who % 2);

		write_all(addr, size, who);
		addr = numa_realloc(addr, size, size + PAGE);
		bad += !in_region(addr, who % 2);
		bad += not_by(addr, size, who);
		numa_free(addr, size + PAGE);
	}
	return (void *)bad;
}

TEST(threads)
{
	pthread_t threads[8];
	void *bad;

	for (intptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, allocate_much, (void *)i));
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_TRUE(nothing_left());
}

TEST_HARNESS_MAIN
