// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the library tells of nodes and of a process's memory, beside what libnuma,
 * move_pages(2) and the kernel's files tell.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "harness.h"

#include "cgroup.h"
#include "child.h"
#include "device.h"
#include "library.h"
#include "oracle.h"
#include "ordinary.h"

#define MAX_CPUS 64

TEST(nodes_are_the_kernels)
{
	char list[64], expected[64] = "";
	int nodes[8], nr = numapin_nodes(nodes, ARRAY_SIZE(nodes));

	node_list("has_memory", list, sizeof(list));
	ASSERT_EQ(2, nr);
	snprintf(expected, sizeof(expected), "%d-%d", nodes[0], nodes[1]);
	EXPECT_STREQ(list, expected);
	/* More than there is room for are counted. */
	nodes[1] = -1;
	EXPECT_EQ(2, numapin_nodes(nodes, 1));
	EXPECT_EQ(-1, nodes[1]);
}

TEST(nodes_are_those_of_the_cpuset)
{
	int node = -1;

	ASSERT_TRUE(cgroup_enter("cpuset", "cpuset.mems", "1"));
	EXPECT_EQ(1, numapin_nodes(&node, 1));
	EXPECT_EQ(1, node);
	EXPECT_EQ(1, numapin_nearest_node(0, 1));
	EXPECT_TRUE(cgroup_leave());
}

TEST(node_is_described)
{
	struct numapin_node node;
	long long bytes, free_bytes;
	char *taken;

	for (int nid = 0; nid < 2; nid++) {
		bytes = numa_node_size64(nid, &free_bytes);
		ASSERT_EQ(0, numapin_describe_node(nid, &node));
		EXPECT_EQ(bytes, node.bytes);
		EXPECT_EQ(1, node.cpus);
	}
	ASSERT_EQ(0, numapin_describe_node(1, &node));
	free_bytes = node.free_bytes;
	taken = allocate_on_node(1, 256 * MIB);
	ASSERT_NE(NULL, taken);
	ASSERT_EQ(0, numapin_describe_node(1, &node));
	/* Some of what is in CPUs' lists counts as in use before. */
	EXPECT_GT(free_bytes - 128 * (long long)MIB, node.free_bytes);
	EXPECT_EQ(0, free_numa_memory(taken, 256 * MIB));
}

TEST(cpus_are_the_kernels)
{
	int cpus[MAX_CPUS];

	for (int nid = 0; nid < 2; nid++) {
		ASSERT_EQ(1, numapin_node_cpus(nid, cpus, MAX_CPUS));
		EXPECT_EQ(nid, numa_node_of_cpu(cpus[0]));
	}
}

TEST(current_node_is_that_of_the_cpu)
{
	cpu_set_t set;

	for (int cpu = 0; cpu < 2; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		EXPECT_EQ(numa_node_of_cpu(cpu), numapin_current_node());
	}
}

TEST(distances_are_the_firmwares)
{
	for (int from = 0; from < 2; from++)
		for (int to = 0; to < 2; to++)
			EXPECT_EQ(numa_distance(from, to), numapin_distance(from, to));
	EXPECT_EQ(10, numapin_distance(1, 1));
}

TEST(nearest_is_the_one_with_room)
{
	struct numapin_node node;

	EXPECT_EQ(0, numapin_nearest_node(0, PAGE));
	EXPECT_EQ(1, numapin_nearest_node(1, PAGE));
	ASSERT_EQ(0, numapin_describe_node(0, &node));
	/* Node 0 is full, as far as this goes. */
	ASSERT_EQ(0, set_number(0, "pool_bytes", (node.free_bytes / 2) & ~(HUGE_PAGE - 1)));
	EXPECT_EQ(1, numapin_nearest_node(0, node.free_bytes * 3 / 4));
	EXPECT_EQ(0, set_number(0, "pool_bytes", 0));
	errno = 0;
	EXPECT_EQ(-1, numapin_nearest_node(0, SIZE_MAX));
	EXPECT_EQ(ENOMEM, errno);
}

#define EXPECT_ERRNO(error, call) do {	\
	errno = 0;			\
	EXPECT_EQ(-1, call);		\
	EXPECT_EQ(error, errno);	\
} while (0)

TEST(no_such_node)
{
	struct numapin_node node;
	struct numapin_receipt receipt;
	int cpu;

	EXPECT_ERRNO(EINVAL, numapin_describe_node(-1, &node));
	EXPECT_ERRNO(ENODEV, numapin_describe_node(2, &node));
	EXPECT_ERRNO(ENODEV, numapin_describe_node(INT32_MAX, &node));
	EXPECT_ERRNO(EINVAL, numapin_node_cpus(-1, &cpu, 1));
	EXPECT_ERRNO(ENODEV, numapin_node_cpus(64, &cpu, 1));
	EXPECT_ERRNO(EINVAL, numapin_distance(-1, 0));
	EXPECT_ERRNO(ENODEV, numapin_distance(0, 2));
	EXPECT_ERRNO(EINVAL, numapin_nearest_node(-1, 1));
	EXPECT_ERRNO(ENODEV, numapin_nearest_node(2, 1));
	EXPECT_ERRNO(EINVAL, numapin_probe(-1, 0, &receipt));
	EXPECT_ERRNO(ENODEV, numapin_probe(2, NUMAPIN_STRICT, &receipt));
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, receipt.reason);
	EXPECT_ERRNO(EINVAL, numapin_mappings(-1, NULL, NULL));
	EXPECT_ERRNO(ENOENT, numapin_mappings(INT32_MAX, NULL, NULL));
}

TEST(no_descriptor_left)
{
	struct numapin_node node;
	int nid;

	ASSERT_TRUE(leave_no_descriptor());
	EXPECT_ERRNO(EMFILE, numapin_nodes(&nid, 1));
	EXPECT_ERRNO(EMFILE, numapin_describe_node(0, &node));
	EXPECT_ERRNO(EMFILE, numapin_mappings(0, NULL, NULL));
}

TEST(probe_says_what_an_allocation_would)
{
	struct numapin_receipt receipt;
	struct warnings warnings = { 0 };

	setenv("NUMAPIN_WARN", "always", 1);
	numapin_set_warning_handler(catch_warning, &warnings);
	/* It keeps nothing: more than small allocations share would be seen. */
	for (int i = 0; i < 2 * SLAB / PAGE; i++)
		ASSERT_EQ(0, numapin_probe(1, 0, &receipt));
	EXPECT_TRUE(all_freed());
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NONE, receipt.reason);
	ASSERT_EQ(0, numapin_probe(1, NUMAPIN_HUGE, &receipt));
	EXPECT_EQ(HUGE_PAGE, receipt.huge_bytes);
	ASSERT_TRUE(set_budget(1, "0"));
	EXPECT_ERRNO(ENOMEM, numapin_probe(1, NUMAPIN_HUGE, &receipt));
	EXPECT_EQ(NUMAPIN_REASON_BUDGET, receipt.reason);
	EXPECT_TRUE(set_budget(1, "max"));
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	ASSERT_EQ(0, numapin_probe(1, 0, &receipt));
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	setenv("NUMAPIN_BACKEND", "none", 1);
	ASSERT_EQ(0, numapin_probe(1, 0, &receipt));
	EXPECT_EQ(NUMAPIN_UNBOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_FORCED, receipt.reason);
	EXPECT_EQ(0, warnings.count);
	unsetenv("NUMAPIN_BACKEND");
	EXPECT_TRUE(all_freed());
}

/* What numapin_mappings() said of the mapping at an address */
struct wanted {
	const void *addr;
	struct numapin_mapping mapping;
	struct numapin_node_bytes node;
	char policy[32], name[64];
	int calls;
};

static int find(const struct numapin_mapping *mapping, void *arg)
{
	struct wanted *wanted = arg;

	wanted->calls++;
	if (mapping->addr != wanted->addr)
		return 0;
	wanted->mapping = *mapping;
	if (mapping->count == 1)
		wanted->node = mapping->nodes[0];
	snprintf(wanted->policy, sizeof(wanted->policy), "%s", mapping->policy);
	snprintf(wanted->name, sizeof(wanted->name), "%s", mapping->name);
	return 5;
}

TEST(mappings_of_this_process_and_of_another)
{
	const size_t bytes = 4 * MIB + 5 * PAGE;
	struct wanted pinned = { .addr = NULL }, ordinary = { .addr = NULL };
	int pid = 0;

	pinned.addr = numapin_alloc(1, bytes, NUMAPIN_SHARED, NULL);
	ASSERT_NE(NULL, pinned.addr);
	ordinary.addr = ordinary_memory(ORDINARY, MADV_HUGEPAGE);
	ASSERT_NE(NULL, ordinary.addr);
	/* So that it is a mapping of its own */
	ASSERT_EQ(0, mbind((void *)ordinary.addr, ORDINARY, MPOL_BIND, &(unsigned long){ 2 }, 64,
			   0));
	for (int round = 0; round < 2; round++, pid = getppid()) {
		EXPECT_EQ(5, numapin_mappings(pid, find, &pinned));
		EXPECT_EQ(bytes, pinned.mapping.bytes);
		EXPECT_EQ(NUMAPIN_PINNED, pinned.mapping.outcome);
		EXPECT_EQ(1, pinned.mapping.count);
		EXPECT_EQ(1, pinned.node.node);
		EXPECT_EQ(bytes, pinned.node.bytes);
		EXPECT_EQ(PAGE, pinned.mapping.page_bytes);
		EXPECT_STREQ("bind:1", pinned.policy);
		EXPECT_STREQ("/dev/numapin/node1", pinned.name);

		EXPECT_EQ(5, numapin_mappings(pid, find, &ordinary));
		EXPECT_EQ(ORDINARY, ordinary.mapping.bytes);
		EXPECT_EQ(NUMAPIN_BOUND, ordinary.mapping.outcome);
		EXPECT_EQ(1, ordinary.node.node);
		EXPECT_EQ(ORDINARY, ordinary.node.bytes);
		EXPECT_STREQ("", ordinary.name);
		/* The child looks at its parent, whose memory it has too. */
		if (!round && fork()) {
			int status;

			wait(&status);
			_exit(WEXITSTATUS(status));
		}
	}
}

static int lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	int lines = 0, c;

	while (file && (c = fgetc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

TEST(mappings_all_told)
{
	struct wanted nothing = { .addr = (void *)1 };
	const int lines = lines_of("/proc/self/numa_maps");

	EXPECT_LT(0, lines);
	EXPECT_EQ(0, numapin_mappings(0, find, &nothing));
	EXPECT_EQ(lines, nothing.calls);
}

/* A page of a mapping, read, that a policy binds to node 1 */
static const void *bound_page(int flags, int fd)
{
	char *page = mmap(NULL, PAGE, PROT_READ, flags, fd, 0);

	if (page == MAP_FAILED || mbind(page, PAGE, MPOL_BIND, &(unsigned long){ 2 }, 64, 0))
		return NULL;
	(void)*(volatile char *)page;
	return page;
}

/* A file of a page, on a tmpfs that this process alone has mounted */
static int tmpfs_file(void)
{
	int fd;

	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, NULL))
		return -1;
	fd = open("/mnt/file", O_RDWR | O_CREAT, 0600);
	return ftruncate(fd, PAGE) ? -1 : fd;
}

static int outcome_at(const void *addr)
{
	struct wanted wanted = { .addr = addr };

	if (numapin_mappings(0, find, &wanted) != 5 || strcmp("bind:1", wanted.policy))
		return -1;
	return wanted.mapping.outcome;
}

/* What is in the page cache is where it was first read to: policies do not place it. */
TEST(mappings_of_files_are_not_bound)
{
	int program = open("/proc/self/exe", O_RDONLY);

	EXPECT_EQ(NUMAPIN_UNBOUND, outcome_at(bound_page(MAP_PRIVATE, program)));
	EXPECT_EQ(NUMAPIN_UNBOUND, outcome_at(bound_page(MAP_SHARED, program)));
}

TEST(mappings_of_memory_with_a_name_are_bound)
{
	int memfd = memfd_create("file", 0), tmpfs = tmpfs_file();
	int shmid = shmget(IPC_PRIVATE, PAGE, 0600);
	void *segment = shmat(shmid, NULL, 0), *huge;

	shmctl(shmid, IPC_RMID, NULL);
	ASSERT_EQ(0, ftruncate(memfd, PAGE));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(bound_page(MAP_SHARED, memfd)));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(bound_page(MAP_PRIVATE, memfd)));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(bound_page(MAP_SHARED, tmpfs)));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(bound_page(MAP_SHARED | MAP_ANONYMOUS, -1)));
	EXPECT_EQ(NUMAPIN_BOUND,
		  outcome_at(bound_page(MAP_PRIVATE, open("/dev/zero", O_RDONLY))));
	ASSERT_EQ(0, mbind(segment, PAGE, MPOL_BIND, &(unsigned long){ 2 }, 64, 0));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(segment));
	/* Of hugetlb, without a page */
	huge = mmap(NULL, HUGE_PAGE, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	ASSERT_EQ(0, mbind(huge, HUGE_PAGE, MPOL_BIND, &(unsigned long){ 2 }, 64, 0));
	EXPECT_EQ(NUMAPIN_BOUND, outcome_at(huge));
}

/* Ends the process that is looked at, and leaves it a zombie. */
static int end_process(const struct numapin_mapping *mapping, void *arg)
{
	kill(*(pid_t *)arg, SIGKILL);
	return waitid(P_PID, *(pid_t *)arg, NULL, WEXITED | WNOWAIT);
}

TEST(mappings_of_a_process_that_ends_meanwhile)
{
	pid_t pid;

	/* For files under a policy are looked up, one after the other. */
	ASSERT_EQ(0, set_mempolicy(MPOL_BIND, &(unsigned long){ 2 }, 64));
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	EXPECT_ERRNO(ESRCH, numapin_mappings(pid, end_process, &pid));
	waitpid(pid, NULL, 0);
}

TEST(mappings_of_another_user_are_denied)
{
	pid_t pid = getpid();

	EXPECT_TRUE(IN_CHILD(become_nobody(0) && numapin_mappings(pid, find, NULL) < 0 &&
			     errno == EACCES));
}

TEST(names)
{
	EXPECT_STREQ("PINNED", numapin_outcome_name(NUMAPIN_PINNED));
	EXPECT_STREQ("BOUND", numapin_outcome_name(NUMAPIN_BOUND));
	EXPECT_STREQ("UNBOUND", numapin_outcome_name(NUMAPIN_UNBOUND));
	EXPECT_STREQ("?", numapin_outcome_name(0));
	EXPECT_STREQ("NONE", numapin_reason_name(NUMAPIN_REASON_NONE));
	/* The last one: if there is another now, it needs a name, and this its number. */
	EXPECT_STREQ("NO_RESERVE", numapin_reason_name(NUMAPIN_REASON_NO_RESERVE));
	EXPECT_STREQ("?", numapin_reason_name(NUMAPIN_REASON_NO_RESERVE + 1));
	EXPECT_STREQ("?", numapin_reason_name(-1));
	EXPECT_EQ(NUMAPIN_VERSION, numapin_version());
}

TEST_HARNESS_MAIN
