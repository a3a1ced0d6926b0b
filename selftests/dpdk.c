// SPDX-License-Identifier: GPL-2.0-only
/*
 * DPDK's external memory: packets in a region, in a heap that DPDK has there, and in
 * buffers that it is told of. They go out by one end of a wire and come in by the other.
 * For make check-clients.
 */
/* For rte_pktmbuf_pool_create_extbuf() */
#define ALLOW_EXPERIMENTAL_API

#include <linux/if_ether.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <sched.h>

#include "harness.h"

#include "device.h"
#include "oracle.h"
#include "ordinary.h"

#define BYTES		(8 * HUGE_PAGE)
#define NR_MBUFS	1023
#define NR_PACKETS	16
#define PAYLOAD		1024

/* For local experiments: the kernel sends none such of its own. */
#define ETHER_TYPE	RTE_BE16(ETH_P_802_EX1)

struct frame {
	struct rte_ether_hdr header;
	char payload[PAYLOAD];
};

/* Packets and all that belongs to them, from a heap that is the region */
static struct rte_mempool *pool_in_heap(char *region)
{
	if (rte_malloc_heap_create("node1") ||
	    rte_malloc_heap_memory_add("node1", region, BYTES, NULL, BYTES / HUGE_PAGE, HUGE_PAGE))
		return NULL;
	return rte_pktmbuf_pool_create("packets", NR_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       rte_malloc_heap_get_socket("node1"));
}

/* What is in packets alone */
static struct rte_mempool *pool_of_buffers(char *region)
{
	const struct rte_pktmbuf_extmem memory = {
		.buf_ptr = region,
		.buf_iova = (rte_iova_t)region,
		.buf_len = BYTES,
		.elt_size = RTE_MBUF_DEFAULT_BUF_SIZE,
	};

	if (rte_extmem_register(region, BYTES, NULL, BYTES / HUGE_PAGE, HUGE_PAGE))
		return NULL;
	return rte_pktmbuf_pool_create_extbuf("packets", NR_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					      SOCKET_ID_ANY, &memory, 1);
}

FIXTURE(packets) {
	char *region;
	struct rte_mempool *pool;
};

FIXTURE_VARIANT(packets) {
	struct rte_mempool *(*pool)(char *region);
};

FIXTURE_VARIANT_ADD(packets, heap) {
	.pool = pool_in_heap,
};

FIXTURE_VARIANT_ADD(packets, buffers) {
	.pool = pool_of_buffers,
};

static bool start_dpdk(void)
{
	/* Ends with NULL, as what main() has does */
	char *arguments[16] = {
		"dpdk", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--iova-mode=va",
		"-m", "32", "-l", "0", "--log-level=error",
		"--vdev=net_af_packet0,iface=wire0", "--vdev=net_af_packet1,iface=wire1",
	};
	int count = 0;

	while (arguments[count])
		count++;
	return rte_eal_init(count, arguments) > 0;
}

static bool start_port(uint16_t port, struct rte_mempool *pool)
{
	const struct rte_eth_conf configuration = {};

	return !rte_eth_dev_configure(port, 1, 1, &configuration) &&
	       !rte_eth_rx_queue_setup(port, 0, 128, SOCKET_ID_ANY, NULL, pool) &&
	       !rte_eth_tx_queue_setup(port, 0, 128, SOCKET_ID_ANY, NULL) &&
	       !rte_eth_dev_start(port);
}

FIXTURE_SETUP(packets)
{
	int fd = open_node(1, O_RDWR);

	ASSERT_EQ(0, alloc_region(fd, BYTES, 0, NULL));
	self->region = map_shared(fd, BYTES, MAP_POPULATE);
	ASSERT_NE(MAP_FAILED, self->region);
	close(fd);
	/* It goes when the test does. */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, system("ip link add wire0 type veth peer name wire1"));
	ASSERT_EQ(0, system("ip link set wire0 up && ip link set wire1 up"));
	ASSERT_TRUE(start_dpdk());
	self->pool = variant->pool(self->region);
	ASSERT_NE(NULL, self->pool);
	ASSERT_EQ(2, rte_eth_dev_count_avail());
	ASSERT_TRUE(start_port(0, self->pool));
	ASSERT_TRUE(start_port(1, self->pool));
}

FIXTURE_TEARDOWN(packets)
{
	for (uint16_t port = 0; port < 2; port++) {
		EXPECT_EQ(0, rte_eth_dev_stop(port));
		EXPECT_EQ(0, rte_eth_dev_close(port));
	}
	rte_eal_cleanup();
	munmap(self->region, BYTES);
	EXPECT_TRUE(nothing_left());
}

static bool is_in_region(const char *region, const struct rte_mbuf *packet)
{
	const char *start = packet->buf_addr;

	return start >= region && start + packet->buf_len <= region + BYTES;
}

static struct rte_mbuf *make_packet(struct rte_mempool *pool, unsigned int number)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(pool);
	struct frame *frame;

	if (!packet)
		return NULL;
	frame = (struct frame *)rte_pktmbuf_append(packet, sizeof(*frame));
	memset(&frame->header.dst_addr, 0xff, sizeof(frame->header.dst_addr));
	rte_eth_macaddr_get(0, &frame->header.src_addr);
	frame->header.ether_type = ETHER_TYPE;
	memset(frame->payload, 'a' + number, PAYLOAD);
	return packet;
}

/* Whether so many packets of a pool were given to the wire */
static bool sends(struct rte_mempool *pool, unsigned int count)
{
	struct rte_mbuf *packet;

	for (unsigned int number = 0; number < count; number++) {
		packet = make_packet(pool, number);
		if (!packet)
			return false;
		if (!rte_eth_tx_burst(0, 0, &packet, 1)) {
			rte_pktmbuf_free(packet);
			return false;
		}
	}
	return true;
}

/* Whether a packet has all that was sent as this number */
static bool is_number(struct rte_mbuf *packet, unsigned int number)
{
	const struct frame *frame = rte_pktmbuf_mtod(packet, struct frame *);
	char expected[PAYLOAD];

	memset(expected, 'a' + number, PAYLOAD);
	return rte_pktmbuf_data_len(packet) == sizeof(*frame) &&
	       !memcmp(frame->payload, expected, PAYLOAD);
}

/* How many packets come in, in order and in the region, until another is due for too long */
static unsigned int received(const char *region, unsigned int count)
{
	unsigned int number = 0;
	struct rte_mbuf *packet;
	bool right = true;

	while (right && number < count && SOON(rte_eth_rx_burst(1, 0, &packet, 1))) {
		if (rte_pktmbuf_mtod(packet, struct frame *)->header.ether_type == ETHER_TYPE) {
			right = is_in_region(region, packet) && is_number(packet, number);
			number += right;
		}
		rte_pktmbuf_free(packet);
	}
	return number;
}

TEST_F(packets, are_in_the_region)
{
	static struct rte_mbuf *packets[NR_MBUFS];
	/* What the ports have taken for themselves is not to be had. */
	unsigned int count = rte_mempool_avail_count(self->pool);

	ASSERT_GT(count, NR_MBUFS / 2);
	ASSERT_EQ(0, rte_pktmbuf_alloc_bulk(self->pool, packets, count));
	for (unsigned int number = 0; number < count; number++)
		EXPECT_TRUE(is_in_region(self->region, packets[number]));
	EXPECT_EQ(0, pages_elsewhere(self->region, BYTES, 1));
	rte_pktmbuf_free_bulk(packets, count);
}

TEST_F(packets, go_through_it)
{
	ASSERT_TRUE(sends(self->pool, NR_PACKETS));
	EXPECT_EQ(NR_PACKETS, received(self->region, NR_PACKETS));
}

/* As the kernel is told to move all that the process has, and moves what is ordinary */
TEST_F(packets, stay_there)
{
	char *ordinary = ordinary_memory(ORDINARY, MADV_NOHUGEPAGE);
	uint64_t *frames = frames_of(self->region, BYTES);
	struct bitmask *from = only_node(1), *to = only_node(0);

	ASSERT_NE(NULL, ordinary);
	ASSERT_NE(NULL, frames);
	ASSERT_TRUE(sends(self->pool, NR_PACKETS));
	EXPECT_LE(0, numa_migrate_pages(0, from, to));
	EXPECT_EQ(0, pages_elsewhere(ordinary, ORDINARY, 0));
	EXPECT_EQ(0, frames_changed(self->region, BYTES, frames));
	EXPECT_EQ(0, pages_elsewhere(self->region, BYTES, 1));
	EXPECT_EQ(NR_PACKETS, received(self->region, NR_PACKETS));
	numa_bitmask_free(from);
	numa_bitmask_free(to);
	free(frames);
	munmap(ordinary, ORDINARY);
}

TEST_HARNESS_MAIN
