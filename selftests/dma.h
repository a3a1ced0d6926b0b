/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices, and the kernel in their stead, that read and write a program's memory:
 * a disk past the page cache, io_uring's fixed buffers, and AF_XDP.
 */
#ifndef SELFTESTS_DMA_H
#define SELFTESTS_DMA_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include "pressure.h"

/* How much they read and write at a time: a disk's sector */
#define SPOT_BYTES ((size_t)512)

/* The disk's sector that tests use, and two files of it */
struct disk {
	int direct;
	int plain;
};

static inline struct disk open_disk(void)
{
	return (struct disk) {
		.direct = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC),
		.plain = open(DISK, O_RDWR | O_SYNC | O_CLOEXEC),
	};
}

/* The device writes the region. */
static inline int read_disk(void *arg, char *spot, const char *data)
{
	struct disk *disk = arg;

	if (pwrite(disk->plain, data, SPOT_BYTES, 0) != SPOT_BYTES)
		return errno;
	return pread(disk->direct, spot, SPOT_BYTES, 0) == SPOT_BYTES ? 0 : errno;
}

/* The device reads the region. */
static inline int write_disk(void *arg, const char *spot, char *data)
{
	struct disk *disk = arg;

	if (pwrite(disk->direct, spot, SPOT_BYTES, 0) != SPOT_BYTES)
		return errno;
	return pread(disk->plain, data, SPOT_BYTES, 0) == SPOT_BYTES ? 0 : errno;
}

struct fixed {
	struct io_uring ring;
	struct disk disk;
};

/* Does what is in the ring. An errno, or 0. */
static inline int do_in_ring(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int rc;

	rc = io_uring_submit_and_wait(ring, 1);
	if (rc < 0)
		return -rc;
	rc = io_uring_wait_cqe(ring, &cqe);
	if (rc < 0)
		return -rc;
	rc = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return rc == SPOT_BYTES ? 0 : rc < 0 ? -rc : EIO;
}

static inline int read_fixed(void *arg, char *spot, const char *data)
{
	struct fixed *fixed = arg;

	if (pwrite(fixed->disk.plain, data, SPOT_BYTES, 0) != SPOT_BYTES)
		return errno;
	io_uring_prep_read_fixed(io_uring_get_sqe(&fixed->ring), fixed->disk.direct, spot,
				 SPOT_BYTES, 0, 0);
	return do_in_ring(&fixed->ring);
}

static inline int write_fixed(void *arg, const char *spot, char *data)
{
	struct fixed *fixed = arg;

	io_uring_prep_write_fixed(io_uring_get_sqe(&fixed->ring), fixed->disk.direct, spot,
				  SPOT_BYTES, 0, 0);
	return do_in_ring(&fixed->ring) ?:
		pread(fixed->disk.plain, data, SPOT_BYTES, 0) == SPOT_BYTES ? 0 : errno;
}

/* Makes all of a range a buffer that the kernel keeps pinned. An errno, or 0. */
static inline int fix(struct fixed *fixed, char *addr, size_t bytes)
{
	const struct iovec iov = { .iov_base = addr, .iov_len = bytes };
	int rc = io_uring_queue_init(4, &fixed->ring, 0);

	if (!rc)
		rc = io_uring_register_buffers(&fixed->ring, &iov, 1);
	return -rc;
}

/*
 * AF_XDP pins its buffers for long, on every kernel. Frames sent from them tell
 * what is there.
 */

/* For experiments, and so for nobody else */
#define ETHERTYPE ETH_P_802_EX1

struct xdp {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp;
};

/* Makes a range packet buffers for the loopback device. An errno, or 0. */
static inline int open_xdp(struct xdp *xdp, char *addr, size_t bytes)
{
	const struct xsk_umem_config umem = {
		.fill_size = 64, .comp_size = 64, .frame_size = PAGE,
	};
	const struct xsk_socket_config config = {
		.tx_size = 64, .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	int rc = xsk_umem__create(&xdp->umem, addr, bytes, &xdp->fill, &xdp->comp, &umem);

	if (!rc)
		rc = xsk_socket__create(&xdp->socket, "lo", 0, xdp->umem, NULL, &xdp->tx,
					&config);
	return -rc;
}

static inline void close_xdp(struct xdp *xdp)
{
	xsk_socket__delete(xdp->socket);
	xsk_umem__delete(xdp->umem);
}

/* Sends SPOT_BYTES from an offset in the buffers. */
static inline bool send_from(struct xdp *xdp, size_t offset)
{
	struct xdp_desc *desc;
	__u32 i;

	if (xsk_ring_prod__reserve(&xdp->tx, 1, &i) != 1)
		return false;
	desc = xsk_ring_prod__tx_desc(&xdp->tx, i);
	desc->addr = offset;
	desc->len = SPOT_BYTES;
	xsk_ring_prod__submit(&xdp->tx, 1);
	return !sendto(xsk_socket__fd(xdp->socket), NULL, 0, MSG_DONTWAIT, NULL, 0);
}

/* A socket that has what such frames hold; -1: none */
static inline int packet_socket(void)
{
	const struct sockaddr_ll lo = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = if_nametoindex("lo"),
	};
	const struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE));

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return bind(fd, (const struct sockaddr *)&lo, sizeof(lo)) ? -1 : fd;
}

#endif /* SELFTESTS_DMA_H */
