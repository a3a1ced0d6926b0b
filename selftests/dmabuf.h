/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * EXPORT, as tests ask for it.
 */
#ifndef SELFTESTS_DMABUF_H
#define SELFTESTS_DMABUF_H

#include "device.h"

/* A dma-buf of a part of a file's region; -1 and errno where there is none to be had. */
static inline int export_region(int fd, uint64_t offset, uint64_t length)
{
	struct numapin_export arg = {
		.size = sizeof(arg),
		.offset = offset,
		.length = length,
		.out_fd = -1,
	};

	return ioctl(fd, NUMAPIN_IOCTL_EXPORT, &arg) ? -1 : arg.out_fd;
}

#endif /* SELFTESTS_DMABUF_H */
