// SPDX-License-Identifier: GPL-2.0-only
/*
 * Node 1 of a machine that has no memory there until some is added: its device
 * comes with the memory and goes with it, whoever uses it meanwhile. For the
 * machine "hotplug" of selftests/vm/machines.
 */
#include <dirent.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness.h"

#include "cgroup.h"
#include "device.h"
#include "library.h"
#include "module.h"
#include "oracle.h"

/* The guest's one port to QEMU's monitor */
#define MONITOR "/dev/vport0p1"

#define NODE "/sys/devices/system/node/node1"
#define DEVICE "/dev/numapin/node1"
/* A file of the same device that does not go with it */
#define ALIAS "/dev/numapin-node1"

/* The kernel puts memory to use, and takes it out of use, in blocks of 128 MiB. */
#define BLOCKS 2

/**
 * struct dimm - memory that can be added to node 1
 * @monitor: QEMU's, which does it
 * @blocks: Its blocks, by the kernel's numbers, while it is in the machine
 */
struct dimm {
	int monitor;
	int blocks[BLOCKS];
};

FIXTURE(node) {
	struct dimm dimm;
	int uevents;
};

/* How many blocks node 1 has; writes the numbers of the first two. */
static int find_blocks(int *blocks)
{
	DIR *dir = opendir(NODE);
	struct dirent *entry;
	int block, found = 0;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "memory%d", &block) != 1)
			continue;
		if (found < BLOCKS)
			blocks[found] = block;
		found++;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Sets the state of a block: 0 or errno. */
static int set_state(int block, const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/state", block);
	return write_file(path, state) ? 0 : errno;
}

/* The device follows the memory a moment later. */
static void await_device(void)
{
	char list[64];

	for (int tries = 0; tries < 500; tries++) {
		node_list("has_memory", list, sizeof(list));
		if (!strcmp(list, "0") == !!access(DEVICE, F_OK))
			return;
		usleep(10000);
	}
}

static bool is_online(int block)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/online", block);
	return file_number(path) == 1;
}

/* Takes a block out of use: 0 or errno. If it is caches that keep it, another time it may go. */
static int set_offline(int block)
{
	int error = set_state(block, "offline");

	if (error)
		shrink_caches();
	return error;
}

/* The same, with patience: what its pages wait for may take a moment to let go. */
static bool take_offline(int block)
{
	for (int tries = 0; is_online(block) && tries < 100; tries++) {
		set_offline(block);
		usleep(20000);
	}
	await_device();
	return !is_online(block);
}

/*
 * Has the kernel use a block: 0 or errno. From 7.3 a node's first memory has the
 * node's kernel threads in it, if it is memory for the kernel, and stays for
 * them. So the other block is memory of the node meanwhile, for no kernel thread.
 */
static int set_online(const struct dimm *dimm, int i, const char *online)
{
	int other = dimm->blocks[!i], error;

	if (is_online(other) || strcmp(online, "online_kernel"))
		return set_state(dimm->blocks[i], online);
	error = set_state(other, "online_movable");
	if (error)
		return error;
	error = set_state(dimm->blocks[i], online);
	if (!take_offline(other))
		error = EBUSY;
	return error;
}

/*
 * Waits for what follows when a block is in use: 0 or errno. The kernel of 6.1
 * lets cpusets have a node a moment after that has memory; until then it is EPERM.
 */
static int await_use(void)
{
	struct bitmask *allowed = numa_allocate_nodemask();
	int error = 0;

	while (!error && !numa_bitmask_isbitset(allowed, 1))
		if (get_mempolicy(NULL, allowed->maskp, allowed->size + 1, NULL,
				  MPOL_F_MEMS_ALLOWED))
			error = errno;
	numa_bitmask_free(allowed);
	await_device();
	return error;
}

/* Puts a block to use, for all: 0 or errno. */
static int put_to_use(const struct dimm *dimm, int i, const char *online)
{
	int error = set_online(dimm, i, online);

	return error ? error : await_use();
}

/* Puts it into the machine. The kernel does not use it yet. */
static bool plug(struct dimm *dimm)
{
	dprintf(dimm->monitor, "device_add pc-dimm,id=dimm,memdev=spare,node=1\n");
	for (int tries = 0; tries < 1000 && find_blocks(dimm->blocks) < BLOCKS; tries++)
		usleep(10000);
	return find_blocks(dimm->blocks) == BLOCKS;
}

/* Asks for it back, and for the kernel to let go of it. */
static void ask_back(const struct dimm *dimm)
{
	dprintf(dimm->monitor, "device_del dimm\n");
}

/* Takes it out again; then there is no node 1. */
static bool unplug(const struct dimm *dimm)
{
	ask_back(dimm);
	for (int tries = 0; tries < 1000 && !access(NODE, F_OK); tries++)
		usleep(10000);
	/* Block 0 is online: this only waits for the removal to let go of the lock. */
	set_state(0, "online");
	return access(NODE, F_OK) < 0;
}

/* A socket on which the kernel tells of devices that come and go, as to udev */
static int open_uevents(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	/* An event follows the device's file a moment later. */
	const struct timeval patience = { .tv_usec = 300000 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) ? -1 : fd;
}

/* What the kernel told next of a node device, as "add" or "remove"; "" if nothing */
static const char *next_event(int uevents)
{
	static char event[4096];
	char *at;
	int n;

	while ((n = recv(uevents, event, sizeof(event) - 1, 0)) > 0) {
		event[n] = '\0';
		at = strchr(event, '@');
		if (at && !strcmp(at, "@/devices/virtual/numapin/node1")) {
			*at = '\0';
			return event;
		}
	}
	return "";
}

FIXTURE_SETUP(node)
{
	char list[64];

	node_list("has_memory", list, sizeof(list));
	ASSERT_STREQ("0", list);
	self->dimm.monitor = open(MONITOR, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->dimm.monitor);
	self->uevents = open_uevents();
	ASSERT_LE(0, self->uevents);
	ASSERT_TRUE(plug(&self->dimm));
}

/* By the parent: whatever a test that failed holds is gone by then. */
FIXTURE_TEARDOWN_PARENT(node)
{
	self->dimm.monitor = open(MONITOR, O_WRONLY | O_CLOEXEC);
	unlink(ALIAS);
	rmdir(CGROUP);
	for (int i = 0; i < BLOCKS; i++)
		EXPECT_TRUE(take_offline(self->dimm.blocks[i]));
	EXPECT_TRUE(unplug(&self->dimm));
	EXPECT_EQ(-1, access(DEVICE, F_OK));
	close(self->dimm.monitor);
}

/* ALLOC's errno is EOPNOTSUPP, for ONLY_MOVABLE; or, where @error is 0, it succeeds. */
static void check_alloc(struct __test_metadata *_metadata, int fd, int error)
{
	const uint32_t cause = error ? NUMAPIN_CAUSE_ONLY_MOVABLE : NUMAPIN_CAUSE_NONE;
	struct numapin_alloc reply;
	char *addr;

	ASSERT_EQ(error, alloc_region(fd, 5 * MIB, 0, &reply));
	EXPECT_EQ(cause, reply.out_cause);
	EXPECT_EQ(1, reply.out_node);
	if (error)
		return;
	addr = map_shared(fd, 5 * MIB, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, pages_elsewhere(addr, 5 * MIB, 1));
	EXPECT_TRUE(all_zero(addr, 5 * MIB));
	munmap(addr, 5 * MIB);
}

/* It comes with the first block to be used and goes with the last, once. */
static void check_coming_and_going(struct __test_metadata *_metadata, const struct dimm *dimm,
				   int uevents, const char *online, int error)
{
	struct stat device;
	int fd;

	/* Memory that is there and not in use is not memory of the node. */
	EXPECT_EQ(-1, open_node(1, O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, counter(1, "regions"));

	ASSERT_EQ(0, put_to_use(dimm, 0, online));
	EXPECT_STREQ("add", next_event(uevents));
	ASSERT_EQ(0, stat(DEVICE, &device));
	EXPECT_EQ(S_IFCHR | 0660, device.st_mode);
	EXPECT_EQ(0, counter(1, "regions"));
	ASSERT_EQ(0, put_to_use(dimm, 1, online));
	fd = open_node(1, O_RDWR);
	check_alloc(_metadata, fd, error);
	close(fd);

	EXPECT_TRUE(take_offline(dimm->blocks[0]));
	EXPECT_EQ(0, access(DEVICE, F_OK));
	EXPECT_STREQ("", next_event(uevents));
	EXPECT_TRUE(take_offline(dimm->blocks[1]));
	EXPECT_STREQ("remove", next_event(uevents));
	EXPECT_EQ(-1, open_node(1, O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, counter(1, "regions"));
	EXPECT_STREQ("", next_event(uevents));
}

TEST_F(node, has_a_device_while_it_has_memory)
{
	check_coming_and_going(_metadata, &self->dimm, self->uevents, "online_kernel", 0);
}

TEST_F(node, has_a_device_while_it_has_movable_memory)
{
	check_coming_and_going(_metadata, &self->dimm, self->uevents, "online_movable", EOPNOTSUPP);
}

/* With a block that does not move the node has what ALLOC is for, and only that. */
TEST_F(node, gets_memory_that_can_be_pinned)
{
	struct numapin_alloc reply;
	int fd, much, more;
	long refused;

	ASSERT_EQ(0, put_to_use(&self->dimm, 1, "online_movable"));
	refused = counter(1, "failures/only_movable");
	ASSERT_LE(0, refused);
	fd = open_node(1, O_RDWR);
	check_alloc(_metadata, fd, EOPNOTSUPP);
	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	check_alloc(_metadata, fd, 0);
	close(fd);
	EXPECT_EQ(refused + 1, counter(1, "failures/only_movable"));

	much = open_node(1, O_RDWR);
	more = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(much, 96 * MIB, 0, NULL));
	EXPECT_EQ(ENOMEM, alloc_region(more, 64 * MIB, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_FULL, reply.out_cause);
	EXPECT_TRUE(take_offline(self->dimm.blocks[1]));
	close(much);
	close(more);
}

/* Whether the kernel refuses, in time, to let the machine have memory back */
static bool is_refused(void)
{
	for (int tries = 0; tries < 300; tries++) {
		if (!system("dmesg | grep -q 'memory memory[0-9]*: Offline failed'"))
			return true;
		usleep(50000);
	}
	return false;
}

/* Memory of a region does not go, whether root asks for it or the machine. */
TEST_F(node, keeps_the_memory_of_a_region)
{
	const size_t bytes = 64 * MIB;
	int low = self->dimm.blocks[0], fd;
	uint64_t *words, wrong = 0;

	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	fd = open_node(1, O_RDWR);
	words = map_shared(fd, bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, words);
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = i;

	for (int tries = 0; tries < 3; tries++)
		EXPECT_EQ(EBUSY, set_state(low, "offline"));
	ask_back(&self->dimm);
	EXPECT_TRUE(is_refused());
	EXPECT_EQ(BLOCKS, find_blocks(self->dimm.blocks));
	EXPECT_TRUE(is_online(low));

	EXPECT_EQ(0, access(DEVICE, F_OK));
	EXPECT_EQ(0, pages_elsewhere(words, bytes, 1));
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		wrong += words[i] != i;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(bytes, counter(1, "bytes"));
	munmap(words, bytes);
	close(fd);
	EXPECT_TRUE(take_offline(low));
}

/* Without memory node 1 is as if it were not, also for who had it open. */
static void check_gone(struct __test_metadata *_metadata, int fd)
{
	struct numapin_info info = { .size = sizeof(info) };
	struct numapin_receipt receipt;
	struct numapin_alloc reply;

	EXPECT_EQ(ENODEV, alloc_region(fd, PAGE, 0, &reply));
	EXPECT_EQ(NUMAPIN_CAUSE_NODE_GONE, reply.out_cause);
	EXPECT_EQ(MAP_FAILED, map_shared(fd, PAGE, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, ioctl_errno(fd, NUMAPIN_IOCTL_INFO, &info));
	EXPECT_EQ(1, info.out_node);

	EXPECT_EQ(-1, open(ALIAS, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, reopen(fd));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, numapin_use_device(fd));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NULL, numapin_alloc(1, PAGE, NUMAPIN_STRICT, &receipt));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NUMAPIN_REASON_NO_NODE, receipt.reason);
}

/* A file that is open when the memory goes is good again when some comes back. */
static void check_open_file(struct __test_metadata *_metadata, struct dimm *dimm,
			    const char *online, int error)
{
	struct stat device;
	int fd, again;

	ASSERT_EQ(0, put_to_use(dimm, 0, online));
	ASSERT_EQ(0, stat(DEVICE, &device));
	ASSERT_EQ(0, mknod(ALIAS, S_IFCHR | 0600, device.st_rdev));
	ASSERT_TRUE(write_file("/sys/class/numapin/node1/max_bytes", "1073741824"));
	fd = open_node(1, O_RDWR);
	ASSERT_LE(0, fd);

	/* Out of use, and out of the machine, which then has no node 1 */
	ASSERT_TRUE(take_offline(dimm->blocks[0]));
	check_gone(_metadata, fd);
	ASSERT_TRUE(unplug(dimm));
	check_gone(_metadata, fd);

	ASSERT_TRUE(plug(dimm));
	check_gone(_metadata, fd);
	ASSERT_EQ(0, put_to_use(dimm, 0, online));
	/* And for files that were not there at the time */
	again = reopen(fd);
	check_alloc(_metadata, again, error);
	close(again);
	check_alloc(_metadata, fd, error);
	EXPECT_EQ(0, access(DEVICE, F_OK));
	/* What root set and the kernel counted is the node's, and not the memory's. */
	EXPECT_EQ(1024 * MIB, counter(1, "max_bytes"));
	EXPECT_LE(6, counter(1, "failures/node_gone"));
	close(fd);
}

/* What the pool has, zeroed or not yet, it lets go of. */
TEST_F(node, gets_the_memory_of_its_pool_back)
{
	const size_t bytes = 64 * MIB;
	char *addr;
	int fd;

	ASSERT_EQ(0, put_to_use(&self->dimm, 1, "online_movable"));
	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	ASSERT_EQ(0, set_number(1, "pool_bytes", bytes));
	fd = open_node(1, O_RDWR);
	ASSERT_EQ(0, alloc_region(fd, bytes, 0, NULL));
	addr = map_shared(fd, bytes, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(EBUSY, set_state(self->dimm.blocks[0], "offline"));
	munmap(addr, bytes);
	close(fd);

	EXPECT_TRUE(take_offline(self->dimm.blocks[0]));
	EXPECT_EQ(bytes, counter(1, "pool_bytes"));
	EXPECT_EQ(0, pool_total(1));
	/* As much as root says, again, once there is memory for it */
	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	EXPECT_EQ(0, set_number(1, "pool_bytes", bytes));
	EXPECT_EQ(bytes, counter(1, "pool_filled_bytes"));
	EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
}

/* A thread that has some of the pool now and then */
static void *use_pool(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop) {
		int fd = open_node(1, O_RDWR);

		if (fd >= 0) {
			alloc_region(fd, HUGE_PAGE, NUMAPIN_ALLOC_HUGE, NULL);
			usleep(1000);
			close(fd);
		}
		usleep(2000);
	}
	return NULL;
}

/*
 * The kernel tells of memory that is to go after it has looked whether anything holds
 * it. What was handed out in between goes when it comes back: till then the kernel
 * tries again, for ever if need be, but for a signal.
 */
TEST_F(node, gets_the_memory_of_a_pool_in_use_back)
{
	atomic_bool stop = false;
	int error, gone = 0;
	pthread_t user;

	ASSERT_EQ(0, put_to_use(&self->dimm, 1, "online_movable"));
	ASSERT_EQ(0, pthread_create(&user, NULL, use_pool, &stop));
	while (gone < 30) {
		if (!is_online(self->dimm.blocks[0]))
			ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
		ASSERT_EQ(0, set_number(1, "pool_bytes", 64 * MIB));
		alarm(60);
		error = set_offline(self->dimm.blocks[0]);
		alarm(0);
		gone += !error;
		ASSERT_TRUE(!error || error == EBUSY) {
			TH_LOG("errno %d", error);
		}
	}
	stop = true;
	pthread_join(user, NULL);
	EXPECT_EQ(0, set_number(1, "pool_bytes", 0));
}

TEST_F(node, is_good_again_for_an_open_file)
{
	check_open_file(_metadata, &self->dimm, "online_kernel", 0);
}

TEST_F(node, is_good_again_with_movable_memory)
{
	check_open_file(_metadata, &self->dimm, "online_movable", EOPNOTSUPP);
}

/* A thread that puts the first block to use, and takes it out of use when it can */
struct flapper {
	pthread_t thread;
	atomic_bool stop;
	const struct dimm *dimm;
	atomic_long gone;	/* how often it could */
};

/*
 * As set_online(), but that the other block stays until this one is gone. Where
 * a zone goes while allocations look for one behind it, the kernel may find NULL
 * (rmqueue() reads ac->preferred_zoneref->zone again; seen once, on 6.1).
 */
static void *flap(void *arg)
{
	struct flapper *flapper = arg;
	const int block = flapper->dimm->blocks[0], other = flapper->dimm->blocks[1];

	while (!flapper->stop) {
		set_state(other, "online_movable");
		set_state(block, "online_kernel");
		usleep(20000);
		if (set_offline(block))
			continue;
		flapper->gone++;
		take_offline(other);
		usleep(5000);
	}
	if (take_offline(block))
		take_offline(other);
	return NULL;
}

static bool flapper_start(struct flapper *flapper, const struct dimm *dimm)
{
	flapper->stop = false;
	flapper->dimm = dimm;
	flapper->gone = 0;
	return !pthread_create(&flapper->thread, NULL, flap, flapper);
}

static void flapper_stop(struct flapper *flapper)
{
	flapper->stop = true;
	pthread_join(flapper->thread, NULL);
}

/* A region at a moment when the node may have no memory: 0 or errno; -1: it is elsewhere. */
static int try_region(size_t bytes)
{
	int fd = open_node(1, O_RDWR), error = errno;
	char *addr;

	if (fd < 0)
		return error;
	addr = map_shared(fd, bytes, MAP_POPULATE);
	error = addr == MAP_FAILED ? errno : 0;
	close(fd);
	if (error)
		return error;
	if (pages_elsewhere(addr, bytes, 1))
		error = -1;
	munmap(addr, bytes);
	return error;
}

TEST_F(node, may_lose_its_memory_at_any_moment)
{
	struct flapper flapper;
	int error, got = 0;

	ASSERT_TRUE(flapper_start(&flapper, &self->dimm));
	while (got < 10 || flapper.gone < 10) {
		error = try_region(3 * MIB);
		got += !error;
		/*
		 * ENOMEM: the kernel takes the node's last pages. EPERM: as await_use();
		 * EOPNOTSUPP: as set_online()
		 */
		ASSERT_TRUE(!error || error == ENOENT || error == ENXIO || error == ENODEV ||
			    error == EPERM || error == EOPNOTSUPP || error == ENOMEM) {
			TH_LOG("errno %d", error);
		}
		usleep(rand() % 10000);
	}
	flapper_stop(&flapper);

	ASSERT_TRUE(take_offline(self->dimm.blocks[0]));
	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	EXPECT_EQ(0, try_region(3 * MIB));
	EXPECT_EQ(0, counter(1, "bytes"));
}

/*
 * ALLOC, in a process that waits for two seconds between finding the node and
 * taking its pages, since the tables for them exceed memory.high. Until then
 * nothing may be charged to it, or it would wait for that.
 */
static void alloc_slowly(atomic_int *step)
{
	int fd = open_node(1, O_RDWR);

	if (!cgroup_enter("memory", "memory.high", "max"))
		_exit(255);
	alloc_region(fd, 0, 0, NULL);
	*step = 1;
	while (*step == 1)
		;
	_exit(alloc_region(fd, 192 * MIB, NUMAPIN_ALLOC_NO_HUGE, NULL));
}

static pid_t start_slow_alloc(atomic_int *step)
{
	pid_t pid;

	*step = 0;
	pid = fork();
	if (!pid)
		alloc_slowly(step);
	while (!*step)
		usleep(1000);
	write_file(CGROUP "/memory.high", "0");
	*step = 2;
	usleep(100000);
	return pid;
}

/* The node may go meanwhile. It is an error, and nothing that the kernel logs. */
TEST_F(node, may_be_gone_when_its_pages_are_taken)
{
	atomic_int *step = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);
	bool in_time = false;
	int status;
	pid_t pid;

	/* On a busy machine two seconds may not be enough. */
	for (int tries = 0; tries < 10 && !in_time; tries++) {
		/* Before the node has memory, of which the kernel would use some for it */
		ASSERT_EQ(0, mkdir(CGROUP, 0755));
		ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
		ASSERT_EQ(0, put_to_use(&self->dimm, 1, "online_kernel"));
		pid = start_slow_alloc(step);
		in_time = unplug(&self->dimm) && !waitpid(pid, &status, WNOHANG);
		/* Unless it was waited for already */
		waitpid(pid, &status, 0);
		ASSERT_EQ(0, rmdir(CGROUP));
		ASSERT_TRUE(unplug(&self->dimm));
		ASSERT_TRUE(plug(&self->dimm));
	}
	EXPECT_TRUE(in_time);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
}

/* Whichever the module sees first of its end and of the memory's coming and going */
TEST_F(node, may_lose_its_memory_while_the_module_loads)
{
	char load[256];
	struct flapper flapper;

	ASSERT_NE(NULL, module_path());
	snprintf(load, sizeof(load), "rmmod numapin && insmod %s", module_path());
	ASSERT_TRUE(flapper_start(&flapper, &self->dimm));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, system(load));
	flapper_stop(&flapper);
	EXPECT_LT(0, atomic_load(&flapper.gone));

	ASSERT_TRUE(take_offline(self->dimm.blocks[0]));
	EXPECT_EQ(-1, access(DEVICE, F_OK));
	ASSERT_EQ(0, put_to_use(&self->dimm, 0, "online_kernel"));
	EXPECT_EQ(0, access(DEVICE, F_OK));
	/* And with a node that is there already */
	ASSERT_EQ(0, system(load));
	EXPECT_EQ(0, access(DEVICE, F_OK));
	EXPECT_EQ(0, try_region(3 * MIB));
}

/* The last: on some kernels the block never goes again, with or without numapin. */
FIXTURE(first_block) {
	struct dimm dimm;
};

FIXTURE_SETUP(first_block)
{
	self->dimm.monitor = open(MONITOR, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->dimm.monitor);
	ASSERT_TRUE(plug(&self->dimm));
}

FIXTURE_TEARDOWN(first_block)
{
	close(self->dimm.monitor);
}

/* Nothing of node 1 before it has memory for the kernel, and all then */
TEST_F(first_block, is_for_the_kernel)
{
	int block = self->dimm.blocks[0], fd;

	ASSERT_EQ(0, set_state(block, "online_kernel"));
	ASSERT_EQ(0, await_use());
	fd = open_node(1, O_RDWR);
	check_alloc(_metadata, fd, 0);
	close(fd);
	/* The device stays as long as the memory. */
	EXPECT_EQ(take_offline(block), access(DEVICE, F_OK) < 0);
}

TEST_HARNESS_MAIN
