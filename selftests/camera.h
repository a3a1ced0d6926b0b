/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vivid, the kernel's camera without hardware, as tests give it dma-bufs
 */
#ifndef SELFTESTS_CAMERA_H
#define SELFTESTS_CAMERA_H

#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "oracle.h"

/* Of vivid's inputs: a camera, with its own sizes of a picture; and what scales it to others */
enum camera_input { WEBCAM = 0, HDMI = 3 };

/* Up to where the camera's device has addresses for memory */
#define REACHABLE (1ull << 32)

/* @allocators: vivid's parameter: how it reaches what it imports */
static inline bool load_camera(const char *allocators)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "modprobe -r vivid; modprobe vivid n_devs=1 node_types=1 allocators=%s",
		 allocators);
	return !system(command);
}

/* The camera's device, once it is there; or -1. */
static inline int open_camera(void)
{
	char path[64], name[64];

	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/sys/class/video4linux/video%d/name", i);
		if (access(path, F_OK))
			continue;
		first_line(path, name, sizeof(name));
		if (strncmp(name, "vivid", 5))
			continue;
		snprintf(path, sizeof(path), "/dev/video%d", i);
		return open(path, O_RDWR | O_CLOEXEC);
	}
	return -1;
}

/* Pictures have two bytes a pixel. An errno, or 0. */
static inline int set_format(int device, enum camera_input input, size_t width, size_t height)
{
	int number = input;
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = width,
			.height = height,
			.pixelformat = V4L2_PIX_FMT_YUYV,
			.field = V4L2_FIELD_NONE,
		},
	};

	return ioctl_errno(device, VIDIOC_S_INPUT, &number) ?:
	       ioctl_errno(device, VIDIOC_S_FMT, &format) ?:
	       format.fmt.pix.sizeimage == 2 * width * height ? 0 : ERANGE;
}

/* Has the camera take so many buffers, of a kind. */
static inline int request_buffers(int device, uint32_t memory, uint32_t count)
{
	struct v4l2_requestbuffers request = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = memory,
		.count = count,
	};

	return ioctl_errno(device, VIDIOC_REQBUFS, &request);
}

/* Gives the camera a dma-buf, or -1: memory of its own. */
static inline int queue_buffer(int device, uint32_t index, int fd)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = fd < 0 ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF,
		.index = index,
		.m.fd = fd,
	};

	return ioctl_errno(device, VIDIOC_QBUF, &buffer);
}

/* Pictures that are in one piece for the camera's device on any node, and room for one */
#define SMALL_WIDTH ((size_t)160)
#define SMALL_HEIGHT ((size_t)120)
#define SMALL_ROOM ((size_t)64 << 10)

/* Has the camera take one of them. An errno, or 0. */
static inline int request_small_buffer(int device)
{
	return set_format(device, HDMI, SMALL_WIDTH, SMALL_HEIGHT) ?:
	       request_buffers(device, V4L2_MEMORY_DMABUF, 1);
}

#endif /* SELFTESTS_CAMERA_H */
