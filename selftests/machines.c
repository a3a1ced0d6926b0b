// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machines of other shapes than two nodes with memory and CPUs. Each of
 * selftests/vm/machines is a variant here, and may be a fixture of its own:
 *
 *   machines -v NAME -f NAME
 */
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "harness.h"

#include "device.h"
#include "library.h"
#include "oracle.h"
#include "stripes.h"
#include "pressure.h"
#include "tracing.h"

/* Of x86's kernels: /sys/class/numapin has no greater minor number. */
#define MAX_NODES 1024

/* Free memory comes and goes whatever one does. */
#define SLACK (8 * (long long)MIB)

FIXTURE(machine) {
	struct warnings warnings;
	struct numapin_receipt receipt;
	struct bitmask *memory, *pinnable;
	long oom_kills;
};

FIXTURE_VARIANT(machine) {
	/* As the kernel lists its nodes */
	const char *cpu, *memory, *normal;
	/* Those that have memory left to pin */
	const char *pinnable;
};

FIXTURE_VARIANT_ADD(machine, one) {
	.cpu = "0", .memory = "0", .normal = "0", .pinnable = "0",
};

FIXTURE_VARIANT_ADD(machine, distances) {
	.cpu = "0-1", .memory = "0-3", .normal = "0-3", .pinnable = "0-3",
};

FIXTURE_VARIANT_ADD(machine, cpuless) {
	.cpu = "0", .memory = "0-1", .normal = "0-1", .pinnable = "0-1",
};

FIXTURE_VARIANT_ADD(machine, memoryless) {
	.cpu = "0-2", .memory = "0,2", .normal = "0,2", .pinnable = "0,2",
};

FIXTURE_VARIANT_ADD(machine, isolated) {
	.cpu = "0-1", .memory = "0-2", .normal = "0-2", .pinnable = "0-2",
};

FIXTURE_VARIANT_ADD(machine, many) {
	.cpu = "0-1", .memory = "0-69", .normal = "0-69", .pinnable = "0-69",
};

FIXTURE_VARIANT_ADD(machine, movable) {
	.cpu = "0", .memory = "0-1", .normal = "0", .pinnable = "0",
};

FIXTURE_VARIANT_ADD(machine, full) {
	.cpu = "0-1", .memory = "0-1", .normal = "0-1", .pinnable = "1",
};

/* (numa_parse_nodestring_all() of libnuma 2.0.16 does not take 0-69.) */
static struct bitmask *parse_nodes(const char *list)
{
	struct bitmask *nodes = numa_bitmask_alloc(MAX_NODES);
	long node, last;
	char *end;

	for (; *list; list = end + (*end == ',')) {
		node = strtol(list, &end, 10);
		last = *end == '-' ? strtol(end + 1, &end, 10) : node;
		while (node <= last)
			numa_bitmask_setbit(nodes, node++);
	}
	return nodes;
}

FIXTURE_SETUP(machine)
{
	char list[256];

	/* It is the machine that it is meant to be. */
	node_list("has_cpu", list, sizeof(list));
	ASSERT_STREQ(variant->cpu, list);
	node_list("has_normal_memory", list, sizeof(list));
	ASSERT_STREQ(variant->normal, list);
	node_list("has_memory", list, sizeof(list));
	ASSERT_STREQ(variant->memory, list);
	ASSERT_EQ(0, numa_available());

	self->memory = parse_nodes(list);
	self->pinnable = parse_nodes(variant->pinnable);
	self->oom_kills = vmstat("oom_kill");
	ASSERT_LE(0, self->oom_kills);
	setenv("NUMAPIN_WARN", "always", 1);
	numapin_set_warning_handler(catch_warning, &self->warnings);
}

FIXTURE_TEARDOWN(machine)
{
	EXPECT_EQ(self->oom_kills, vmstat("oom_kill"));
	numa_bitmask_free(self->memory);
	numa_bitmask_free(self->pinnable);
}

TEST_F(machine, has_a_device_for_each_node_with_memory)
{
	for (int node = 0; node < MAX_NODES; node++) {
		struct numapin_info info = { .size = sizeof(info) };
		int fd = open_node(node, O_RDWR);

		if (!numa_bitmask_isbitset(self->memory, node)) {
			ASSERT_EQ(-1, fd);
			ASSERT_EQ(ENOENT, errno);
			continue;
		}
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioctl_errno(fd, NUMAPIN_IOCTL_INFO, &info));
		EXPECT_EQ(node, info.out_node);
		close(fd);
	}
}

/* Of the nodes with memory, by libnuma, the nearest with so much free; -1: none. */
static int nearest(const struct bitmask *memory, int from, long long bytes)
{
	int found = -1;

	for (int node = 0; node < MAX_NODES; node++)
		if (numa_bitmask_isbitset(memory, node) && node_free(node) >= bytes &&
		    (found < 0 || numa_distance(from, node) < numa_distance(from, found)))
			found = node;
	return found;
}

TEST_F(machine, tells_the_nearest_node_with_room)
{
	const int nr = numapin_nodes(NULL, 0);

	EXPECT_EQ(numa_bitmask_weight(self->memory), nr);
	for (int node = 0; node < MAX_NODES; node++)
		if (numa_bitmask_isbitset(self->memory, node)) {
			/* What every node has free, and what nearly none has */
			EXPECT_EQ(nearest(self->memory, node, MIB),
				  numapin_nearest_node(node, MIB));
			EXPECT_EQ(nearest(self->memory, node, 300 * MIB),
				  numapin_nearest_node(node, 300 * MIB));
		}
}

/* A device file that somebody made, for a node without memory */
TEST_F(machine, has_no_device_for_another_minor_number)
{
	const char *path = "/dev/numapin-other", *loader = "/proc/sys/kernel/modprobe";
	int node = 0;
	struct stat device;
	char first[64], modprobe[256];

	while (!numa_bitmask_isbitset(self->memory, node))
		node++;
	snprintf(first, sizeof(first), "/dev/numapin/node%d", node);
	ASSERT_EQ(0, stat(first, &device));
	/* Nor one that a module makes, which the kernel would look for each time */
	first_line(loader, modprobe, sizeof(modprobe));
	ASSERT_TRUE(write_file(loader, "\n"));
	for (node = 0; node <= MAX_NODES; node++) {
		if (numa_bitmask_isbitset(self->memory, node))
			continue;
		ASSERT_EQ(0, mknod(path, S_IFCHR | 0600, makedev(major(device.st_rdev), node)));
		ASSERT_EQ(-1, open(path, O_RDWR | O_CLOEXEC));
		ASSERT_EQ(ENXIO, errno);
		ASSERT_EQ(0, unlink(path));
	}
	EXPECT_TRUE(write_file(loader, modprobe));
}

/* All witnesses name the node. */
static void check_witnesses(struct __test_metadata *_metadata, int node, char *addr, size_t size)
{
	char line[512], policy[32];
	int mode, located;

	EXPECT_EQ(0, pages_elsewhere(addr, size, node));
	ASSERT_EQ(1, numapin_locate(addr, 1, &located, 1));
	EXPECT_EQ(node, located);
	ASSERT_EQ(0, get_mempolicy(&mode, NULL, 0, addr, MPOL_F_ADDR));
	EXPECT_EQ(MPOL_BIND, mode);
	numa_maps_line(addr, line, sizeof(line));
	snprintf(policy, sizeof(policy), " bind:%d ", node);
	EXPECT_NE(NULL, strstr(line, policy)) {
		TH_LOG("node %d: %s", node, line);
	}
}

static void check_device(struct __test_metadata *_metadata, int node)
{
	int fd = open_node(node, O_RDWR);
	struct numapin_alloc reply;
	char *addr;

	ASSERT_EQ(0, alloc_region(fd, 3 * MIB, 0, &reply));
	EXPECT_EQ(node, reply.out_node);
	EXPECT_EQ(3 * MIB, counter(node, "bytes"));
	addr = map_shared(fd, 3 * MIB, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	check_witnesses(_metadata, node, addr, 3 * MIB);
	munmap(addr, 3 * MIB);
	close(fd);
}

TEST_F(machine, gives_regions_of_each_node)
{
	for (int node = 0; node < MAX_NODES; node++)
		if (numa_bitmask_isbitset(self->pinnable, node))
			check_device(_metadata, node);
}

static void check_pinned(struct __test_metadata *_metadata, int node)
{
	const size_t size = 8 * MIB;
	struct numapin_receipt receipt;
	char *addr, words[32];

	addr = numapin_alloc(node, size, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_PINNED, receipt.outcome);
	EXPECT_EQ(node, receipt.node);
	check_witnesses(_metadata, node, addr, size);
	EXPECT_EQ(0, free_numa_memory(addr, size));

	/* Which node it was is in the words, too. */
	EXPECT_EQ(NULL, numapin_alloc(node, numa_node_size64(node, NULL) + PAGE, 0, &receipt));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NUMAPIN_REASON_TOO_LARGE, receipt.reason);
	snprintf(words, sizeof(words), "node %d is too small", node);
	EXPECT_NE(NULL, strstr(numapin_error(), words));
}

/* As many as there are, with as many as there may be; and not in their order */
TEST_F(machine, stripes_over_all_nodes)
{
	struct stripes stripes;
	int nodes[NUMAPIN_MAX_STRIPES];
	unsigned int weights[NUMAPIN_MAX_STRIPES], count = 0;
	size_t bytes = 0;
	char *addr;

	for (int node = MAX_NODES - 1; node >= 0 && count < NUMAPIN_MAX_STRIPES; node--) {
		if (!numa_bitmask_isbitset(self->pinnable, node))
			continue;
		weights[count] = 1 + node % 3;
		bytes += 5 * PAGE * weights[count];
		nodes[count++] = node;
	}
	ASSERT_TRUE(open_stripes(&stripes, nodes, weights, count));
	ASSERT_EQ(0, alloc_striped(&stripes, bytes, NUMAPIN_ALLOC_NO_HUGE, NULL));
	addr = map_shared(stripes.stripe[0].fd, bytes, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, pages_off_stripe(&stripes, addr, bytes, PAGE));
	munmap(addr, bytes);
	close_stripes(&stripes);
}

TEST_F(machine, pins_on_each_node)
{
	for (int node = 0; node < MAX_NODES; node++)
		if (numa_bitmask_isbitset(self->pinnable, node))
			check_pinned(_metadata, node);
	EXPECT_EQ(0, self->warnings.count);
}

static void check_bound(struct __test_metadata *_metadata, int node)
{
	struct numapin_receipt receipt;
	char *addr = numapin_alloc(node, 3 * MIB, 0, &receipt);

	ASSERT_NE(NULL, addr) {
		TH_LOG("%s", numapin_error());
	}
	EXPECT_EQ(NUMAPIN_BOUND, receipt.outcome);
	EXPECT_EQ(node, receipt.node);
	check_witnesses(_metadata, node, addr, 3 * MIB);
	EXPECT_EQ(0, free_numa_memory(addr, 3 * MIB));
}

TEST_F(machine, binds_on_each_node)
{
	setenv("NUMAPIN_BACKEND", "mbind", 1);
	for (int node = 0; node < MAX_NODES; node++)
		if (numa_bitmask_isbitset(self->pinnable, node))
			check_bound(_metadata, node);
	EXPECT_EQ(0, self->warnings.count);
}

/* Whether the machine has the node, and no memory on it, or has none such */
static void check_no_memory(struct __test_metadata *_metadata, int node,
			    const struct warnings *warnings)
{
	struct numapin_receipt receipt;
	const int before = warnings->count;
	char *addr, words[64];

	snprintf(words, sizeof(words), "node %d does not exist or has no memory", node);
	addr = numapin_alloc(node, 3 * PAGE, 0, &receipt);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(NUMAPIN_UNBOUND, receipt.outcome);
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, receipt.reason);
	EXPECT_EQ(before + 1, warnings->count);
	EXPECT_TRUE(SAYS(warnings->last, words, "UNBOUND"));
	/* It is wherever there is memory. */
	EXPECT_EQ(3, pages_elsewhere(addr, 3 * PAGE, node));
	EXPECT_EQ(0, free_numa_memory(addr, 3 * PAGE));

	EXPECT_EQ(NULL, numapin_alloc(node, PAGE, NUMAPIN_STRICT, &receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, receipt.reason);
	EXPECT_NE(NULL, strstr(numapin_error(), words));
}

TEST_F(machine, gives_unbound_memory_for_other_nodes)
{
	static const int nodes[] = { 0, 1, 2, 3, 62, 63, 64, 69, 70, 1023, 1024, 4095, 4096,
				     INT32_MAX };

	for (int i = 0; i < ARRAY_SIZE(nodes); i++)
		if (!numa_bitmask_isbitset(self->memory, nodes[i]))
			check_no_memory(_metadata, nodes[i], &self->warnings);
	EXPECT_LE(4, self->warnings.count);
}

FIXTURE(distances) {};
FIXTURE_SETUP(distances) {}
FIXTURE_TEARDOWN(distances) {}

TEST_F(distances, are_as_told)
{
	static const int told[4][4] = {
		{ 10, 15, 20, 40 },
		{ 15, 10, 30, 25 },
		{ 20, 30, 10, 12 },
		{ 40, 25, 12, 10 },
	};

	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			EXPECT_EQ(told[i][j], numa_distance(i, j));
}

/* What is asked of a node, whether it is to be had or not, costs none that is near. */
TEST_F(distances, do_not_matter)
{
	for (int node = 0; node < 4; node++) {
		int some = open_node(node, O_RDWR), all = open_node(node, O_RDWR);
		long long elsewhere = available_elsewhere(node);
		struct numapin_alloc reply;
		struct watch watch;

		ASSERT_TRUE(watch_start(&watch, node));
		EXPECT_EQ(0, alloc_region(some, node_free(node) / 2, 0, NULL));
		EXPECT_EQ(ENOMEM, alloc_region(all, numa_node_size64(node, NULL), 0, &reply));
		EXPECT_LT(elsewhere - SLACK, watch_stop(&watch));
		EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
		close(some);
		close(all);
	}
}

/*
 * Runs on a CPU, may run on each, and allocates of a node what one helper helps with: the
 * CPU that was asked for it; -1 where that was not from the CPU, or nobody.
 */
static int helper_asked(int cpu, int node)
{
	int fd, from, asked, found = -1;
	char line[512];
	cpu_set_t cpus;
	FILE *trace;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || !trace_begin() ||
	    !trace_event(ASKED, true))
		return -1;
	fd = open_node(node, O_RDWR);
	memset(&cpus, 0xff, sizeof(cpus));
	if (!sched_setaffinity(0, sizeof(cpus), &cpus))
		alloc_region(fd, 8 * MIB, 0, NULL);
	trace_event(ASKED, false);
	trace = fopen(TRACING "/trace", "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		const char *at = strstr(line, "workqueue=numapin req_cpu=");

		if (at && sscanf(at, "workqueue=numapin req_cpu=%d", &asked) == 1 &&
		    sscanf(line, " %*s [%d]", &from) == 1 && from == cpu)
			found = asked;
	}
	if (trace)
		fclose(trace);
	close(fd);
	return found;
}

/* Three nodes with a CPU each, of which node 1 has no memory */
FIXTURE(memoryless) {};
FIXTURE_SETUP(memoryless) {}
FIXTURE_TEARDOWN(memoryless) {}

/* The node's own CPU, whoever asks for its memory. */
TEST_F(memoryless, is_helped_by_the_nodes_cpu)
{
	static const struct {
		int cpu, node;
	} calls[] = { { 0, 2 }, { 1, 0 }, { 1, 2 }, { 2, 0 } };
	int asked;

	ASSERT_TRUE(write_file(MAX_HELPERS, "1"));
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_TRUE(SOON((asked = helper_asked(calls[i].cpu, calls[i].node)) >= 0));
		EXPECT_EQ(calls[i].node, asked);
	}
	EXPECT_TRUE(write_file(MAX_HELPERS, "8"));
}

/*
 * CPUs 0 and 1 are on node 0, of which 1 is isolated, CPU 2 on node 1, and none on node 2, to
 * which node 1 is nearest.
 */
FIXTURE(isolated) {};
FIXTURE_SETUP(isolated) {}
FIXTURE_TEARDOWN(isolated) {}

/* The thread that zeroes a node's pool; 0 where there is none */
static pid_t zeroing_thread(int node)
{
	char command[64];
	FILE *pgrep;
	pid_t pid;

	snprintf(command, sizeof(command), "pgrep -x numapin/%d", node);
	pgrep = popen(command, "re");
	if (!pgrep)
		return 0;
	if (fscanf(pgrep, "%d", &pid) != 1)
		pid = 0;
	pclose(pgrep);
	return pid;
}

/* Those of CPUs 0 to 2 that a thread may use: 1, 2 and 4 */
static int cpus_of(pid_t pid)
{
	cpu_set_t cpus;
	int may = 0;

	if (sched_getaffinity(pid, sizeof(cpus), &cpus))
		return -1;
	for (int cpu = 0; cpu < 3; cpu++)
		may |= !!CPU_ISSET(cpu, &cpus) << cpu;
	return may;
}

/* The node's own CPUs, or all, but none that is kept for others */
TEST_F(isolated, cpus_zero_no_pool)
{
	static const int may[] = { 1, 4, 1 | 4 };
	pid_t thread;

	for (int node = 0; node < 3; node++) {
		ASSERT_EQ(0, set_number(node, "pool_bytes", HUGE_PAGE));
		thread = zeroing_thread(node);
		ASSERT_LT(0, thread);
		EXPECT_TRUE(SOON(cpus_of(thread) == may[node])) {
			TH_LOG("node %d: %#x", node, cpus_of(thread));
		}
		EXPECT_EQ(0, set_number(node, "pool_bytes", 0));
	}
}

/* A node without CPUs has none of its own. */
TEST_F(isolated, has_a_node_that_the_nearest_cpu_helps)
{
	int asked;

	ASSERT_TRUE(write_file(MAX_HELPERS, "1"));
	EXPECT_TRUE(SOON((asked = helper_asked(0, 2)) >= 0));
	EXPECT_EQ(2, asked);
	EXPECT_TRUE(write_file(MAX_HELPERS, "8"));
}

/* Node 1, whose memory was added to the machine and is all ZONE_MOVABLE */
FIXTURE(movable) {
	struct warnings warnings;
	struct numapin_receipt receipt;
};

/* Pages that the kernel manages in a zone of node 1 */
static long managed(const char *zone)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	char line[128], name[16], wanted = 0;
	long pages = -1;
	int node;

	while (file && pages < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone %15s", &node, name) == 2)
			wanted = node == 1 && !strcmp(name, zone);
		else if (wanted)
			sscanf(line, " managed %ld", &pages);
	}
	if (file)
		fclose(file);
	return pages;
}

FIXTURE_SETUP(movable)
{
	ASSERT_LT(0, managed("Movable"));
	ASSERT_EQ(0, managed("DMA"));
	ASSERT_EQ(0, managed("DMA32"));
	ASSERT_EQ(0, managed("Normal"));
	setenv("NUMAPIN_WARN", "always", 1);
	numapin_set_warning_handler(catch_warning, &self->warnings);
}

FIXTURE_TEARDOWN(movable)
{
}

TEST_F(movable, device_has_an_error_of_its_own)
{
	static const uint32_t flags[] = { 0, NUMAPIN_ALLOC_HUGE, NUMAPIN_ALLOC_NO_HUGE };
	int fd = open_node(1, O_RDWR), refused = 0;
	struct numapin_alloc reply;

	ASSERT_LE(0, fd);
	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(EOPNOTSUPP, alloc_region(fd, 2 * MIB, flags[i], &reply));
		EXPECT_EQ(NUMAPIN_CAUSE_ONLY_MOVABLE, reply.out_cause);
		EXPECT_EQ(0, reply.out_available);
		EXPECT_EQ(1, reply.out_node);
		EXPECT_EQ(++refused, counter(1, "failures/only_movable"));
	}
	/* Not that it is too large */
	EXPECT_EQ(EOPNOTSUPP, alloc_region(fd, 1ull << 60, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_ONLY_MOVABLE, reply.out_cause);
	EXPECT_EQ(MAP_FAILED, map_shared(fd, 2 * MIB, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(refused + 2, counter(1, "failures/only_movable"));
	EXPECT_EQ(0, counter(1, "bytes"));
	EXPECT_EQ(0, counter(1, "regions"));
	close(fd);
}

TEST_F(movable, library_binds_there_and_says_so)
{
	static const unsigned int flags[] = { 0, NUMAPIN_STRICT, NUMAPIN_NO_HUGE };

	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		char *addr = numapin_alloc(1, 5 * MIB, flags[i], &self->receipt);

		ASSERT_NE(NULL, addr);
		EXPECT_EQ(NUMAPIN_BOUND, self->receipt.outcome);
		EXPECT_EQ(NUMAPIN_REASON_ONLY_MOVABLE, self->receipt.reason);
		check_witnesses(_metadata, 1, addr, 5 * MIB);
		EXPECT_EQ(i + 1, self->warnings.count);
		EXPECT_TRUE(SAYS(self->warnings.last, "node 1 has only movable memory",
				 "bytes are bound by mbind", "BOUND"));
		EXPECT_EQ(0, free_numa_memory(addr, 5 * MIB));
	}
}

TEST_F(movable, library_does_not_promise_more)
{
	EXPECT_EQ(NULL, numapin_alloc(1, 2 * MIB, NUMAPIN_HUGE, &self->receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_HUGE_PROMISE, self->receipt.reason);

	setenv("NUMAPIN_BACKEND", "module", 1);
	EXPECT_EQ(NULL, numapin_alloc(1, 2 * MIB, 0, &self->receipt));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(NUMAPIN_REASON_ONLY_MOVABLE, self->receipt.reason);
	EXPECT_TRUE(SAYS(numapin_error(), "node 1 has only movable memory", "cannot be pinned"));
	EXPECT_EQ(0, self->warnings.count);
}

/* Node 0, of which the kernel made huge pages before there were any programs */
FIXTURE(full) {
	struct numapin_receipt receipt;
	long oom_kills;
};

FIXTURE_SETUP(full)
{
	ASSERT_GT(32 * MIB, node_free(0));
	ASSERT_LT(128 * MIB, numa_node_size64(0, NULL));
	self->oom_kills = vmstat("oom_kill");
	ASSERT_LE(0, self->oom_kills);
}

FIXTURE_TEARDOWN(full)
{
	EXPECT_EQ(self->oom_kills, vmstat("oom_kill"));
}

TEST_F(full, device_says_so)
{
	long long elsewhere = available_elsewhere(0);
	int fd = open_node(0, O_RDWR);
	struct numapin_alloc reply;
	struct watch watch;

	ASSERT_TRUE(watch_start(&watch, 0));
	EXPECT_EQ(ENOMEM, alloc_region(fd, 64 * MIB, 0, &reply));
	EXPECT_LT(elsewhere - SLACK, watch_stop(&watch));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	EXPECT_GT(64 * MIB, reply.out_available);
	EXPECT_EQ(ENOMEM, alloc_region(fd, 64 * MIB, NUMAPIN_ALLOC_HUGE, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NO_HUGE_PAGE, reply.out_cause);
	EXPECT_EQ(1, counter(0, "failures/node_full"));
	EXPECT_EQ(1, counter(0, "failures/no_huge_page"));
	close(fd);
}

TEST_F(full, library_says_so_whichever_backend)
{
	static const char *const backends[] = { "module", "mbind", "" };

	for (int i = 0; i < ARRAY_SIZE(backends); i++) {
		setenv("NUMAPIN_BACKEND", backends[i], 1);
		EXPECT_EQ(NULL, numapin_alloc(0, 64 * MIB, 0, &self->receipt));
		EXPECT_EQ(ENOMEM, errno);
		EXPECT_EQ(NUMAPIN_REASON_NODE_FULL, self->receipt.reason);
		EXPECT_TRUE(SAYS(numapin_error(), "node 0 is full", "67108864 bytes asked"));
	}
}

/* With the last page of it taken, node 1 is as good as ever. */
TEST_F(full, to_the_last_page)
{
	struct numapin_alloc reply;
	int fds[512], used = 0;
	size_t size = MIB;

	while (size >= PAGE) {
		ASSERT_GT(ARRAY_SIZE(fds), used);
		fds[used] = open_node(0, O_RDWR);
		ASSERT_LE(0, fds[used]);
		if (alloc_region(fds[used++], size, 0, &reply))
			size /= 2;
	}
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	check_pinned(_metadata, 1);
	while (used--)
		close(fds[used]);
}

TEST_HARNESS_MAIN
