// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the kernel and the module tell of nodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/numapin.h>

#include "command.h"

const char *const attribute_names[NR_ATTRIBUTES] = {
	[REGIONS]		= "regions",
	[BYTES]			= "bytes",
	[HUGE_BYTES]		= "huge_bytes",
	[LINGERING_BYTES]	= "lingering_bytes",
	[POISONED_BYTES]	= "poisoned_bytes",
	[FAILED_COPIES]		= "failed_copies",
	[FAILED_VIEWS]		= "failed_views",
	[MAX_BYTES]		= "max_bytes",
	[POOL_BYTES]		= "pool_bytes",
	[POOL_FILLED_BYTES]	= "pool_filled_bytes",
	[POOL_DIRTY_BYTES]	= "pool_dirty_bytes",
	[POOL_USED_BYTES]	= "pool_used_bytes",
};

int read_attribute(int node, enum node_attribute attribute, unsigned long long *number)
{
	char path[128];

	snprintf(path, sizeof(path), CLASS_NODE "/%s", node, attribute_names[attribute]);
	return read_number(path, number);
}

/* A node's device may go while it is read: then the module does not serve the node. */
static void read_attributes(struct node *node)
{
	for (int i = 0; i < NR_ATTRIBUTES; i++) {
		if (read_attribute(node->id, i, &node->attributes[i])) {
			memset(node->attributes, 0, sizeof(node->attributes));
			return;
		}
	}
	node->served = true;
}

static void ask_device(struct device *device, int fd)
{
	struct numapin_info info = { .size = sizeof(info) };

	if (ioctl(fd, NUMAPIN_IOCTL_INFO, &info))
		return;
	device->node = info.out_node;
	device->abi_version = info.out_abi_version;
}

static void read_device(struct device *device, int node)
{
	char path[64];
	struct stat stat_;
	int fd;

	device->node = -1;
	snprintf(path, sizeof(path), DEVICE_NODE, node);
	if (!stat(path, &stat_)) {
		device->mode = stat_.st_mode;
		device->owner = stat_.st_uid;
		device->group = stat_.st_gid;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		device->error = errno;
		return;
	}
	ask_device(device, fd);
	close(fd);
}

static void read_node(struct node *node, int id)
{
	node->id = id;
	/* One that has just gone has nothing. */
	numapin_describe_node(id, &node->memory);
	read_device(&node->device, id);
	read_attributes(node);
}

/* Which of them the process's cpuset has */
static int read_allowed(struct node *nodes, int count)
{
	int *allowed = grow(NULL, count, sizeof(*allowed));
	const int nr_allowed = numapin_nodes(allowed, count);

	for (int i = 0; i < count; i++)
		for (int j = 0; j < nr_allowed && j < count; j++)
			nodes[i].allowed |= nodes[i].id == allowed[j];
	free(allowed);
	return nr_allowed < 0 ? -1 : count;
}

/* Those that have memory, also where this process may have none of it */
int read_nodes(struct node **nodes)
{
	char text[PATH_SIZE];
	const char *list = text;
	int count = 0, first, last;

	*nodes = NULL;
	if (read_text("/sys/devices/system/node/has_memory", text, sizeof(text)))
		return -1;
	while ((list = next_range(list, &first, &last))) {
		for (int id = first; id <= last; id++) {
			*nodes = grow(*nodes, count, sizeof(**nodes));
			read_node(&(*nodes)[count++], id);
		}
	}
	return read_allowed(*nodes, count);
}

/* Who may open it */
void permission_text(char *text, size_t size, const struct device *device)
{
	const struct passwd *owner = getpwuid(device->owner);
	const struct group *group = getgrgid(device->group);
	char owner_number[16], group_number[16];

	snprintf(owner_number, sizeof(owner_number), "%u", device->owner);
	snprintf(group_number, sizeof(group_number), "%u", device->group);
	snprintf(text, size, "%04o %s:%s", device->mode & 07777,
		 owner ? owner->pw_name : owner_number, group ? group->gr_name : group_number);
}

/* Whether the node's device is there and may be opened, or why not */
const char *device_text(char *text, size_t size, const struct node *node)
{
	const struct device *device = &node->device;
	char permission[128];

	permission_text(permission, sizeof(permission), device);
	if (!device->mode)
		snprintf(text, size, "none");
	else if (device->error == EACCES || device->error == EPERM)
		snprintf(text, size, "not permitted (%s)", permission);
	else if (device->error)
		snprintf(text, size, "does not open: %s", strerror(device->error));
	else if (device->node < 0)
		snprintf(text, size, "not of numapin");
	else if (device->node != node->id)
		snprintf(text, size, "of node %d", device->node);
	else
		snprintf(text, size, "opens");
	return text;
}

/* The node of a device by its path, as "/dev/numapin/node1", or a line of maps; -1: none */
int node_of_device(const char *name)
{
	static const char device[] = "/numapin/node";
	const char *number = strstr(name, device);
	int node, length;

	if (!number || sscanf(number + sizeof(device) - 1, "%d%n", &node, &length) != 1)
		return -1;
	number += sizeof(device) - 1 + length;
	return *number && *number != '\n' ? -1 : node;
}
