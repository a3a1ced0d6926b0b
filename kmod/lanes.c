// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lanes: the parts of a striped region, each on a node of its own. They are filled
 * one after the other, and then interleaved.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "numapin.h"

/* How many units make up a turn of all lanes. */
static u64 period(const struct numapin_region *region)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < region->nr_lanes; i++)
		sum += region->lanes[i].weight;
	return sum;
}

/**
 * numapin_lanes_take - give an empty region the lanes that are asked for
 * @region: The region
 * @req: What is asked: its lanes become the region's
 *
 * Without any the region has one, of its own node.
 */
void numapin_lanes_take(struct numapin_region *region,
			struct numapin_request *req)
{
	region->lane = (struct numapin_lane) {
		.node = region->node,
		.weight = 1,
	};
	region->lanes = req->lanes ? req->lanes : &region->lane;
	region->nr_lanes = req->lanes ? req->nr_lanes : 1;
	req->lanes = NULL;
}

/**
 * numapin_lanes_drop - the end of a region's lanes
 * @region: The region, which has no pages any more
 */
void numapin_lanes_drop(struct numapin_region *region)
{
	if (region->lanes != &region->lane)
		kfree(region->lanes);
	region->lanes = NULL;
	region->nr_lanes = 0;
}

/**
 * numapin_lanes_divide - tell each lane how many pages it is to have
 * @region: The region, whose length is known
 * @order: Of a unit
 */
void numapin_lanes_divide(struct numapin_region *region, unsigned int order)
{
	u64 rest, own, turns;
	unsigned int i;

	turns = div64_u64_rem(region->nr_pages >> order, period(region), &rest);
	for (i = 0; i < region->nr_lanes; i++) {
		own = min_t(u64, rest, region->lanes[i].weight);
		rest -= own;
		own += turns * region->lanes[i].weight;
		region->lanes[i].nr_pages = own << order;
	}
}

/**
 * numapin_lanes_find - the lane that a folio belongs to
 * @region: The region
 * @folio: A folio of it
 *
 * Return: the lane.
 */
struct numapin_lane *numapin_lanes_find(struct numapin_region *region,
					const struct folio *folio)
{
	struct numapin_lane *lane = region->lanes;

	while (lane->node->nid != numapin_folio_nid(folio))
		lane++;
	return lane;
}

/* Moves a lane's folios to where they belong: @offset units into each turn. */
static void spread(const struct numapin_lane *lane, u64 turn, u64 offset,
		   struct folio **from, struct folio **to, unsigned int order)
{
	unsigned long i, nr = lane->nr_pages >> order;
	u64 index, done;

	for (i = 0; i < nr; i++) {
		index = div64_u64_rem(i, lane->weight, &done);
		index = index * turn + offset + done;
		to[index] = from[i];
		to[index]->index = index << order;
		cond_resched();
	}
}

/**
 * numapin_lanes_interleave - put a striped region's folios in order
 * @region: The region, which has them lane by lane
 * @req: Says on failure what the cause was
 *
 * Return: 0, or -ENOMEM, and then they are as they were.
 */
int numapin_lanes_interleave(struct numapin_region *region,
			     struct numapin_request *req)
{
	/* They are all of one size; and a small page is its own folio. */
	void **table = region->nr_huge ? (void **)&region->first.huge :
					 (void **)&region->first.small;
	const unsigned int order = region->nr_huge ? HPAGE_PMD_ORDER : 0;
	struct folio **from = *table, **to;
	const u64 turn = period(region);
	struct numapin_lane *lane;
	u64 offset = 0;

	if (!numapin_region_striped(region))
		return 0;
	to = numapin_table_alloc(region->nr_pages >> order, req);
	if (!to)
		return -ENOMEM;
	for (lane = region->lanes; lane < region->lanes + region->nr_lanes;
	     lane++) {
		spread(lane, turn, offset, from, to, order);
		offset += lane->weight;
		from += lane->nr_pages >> order;
	}
	kvfree(*table);
	*table = to;
	return 0;
}
