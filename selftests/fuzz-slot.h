/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region as the fuzzer knows it: what it was made with, what is mapped where
 * and with which rights, and what each page holds.
 */
#ifndef SELFTESTS_FUZZ_SLOT_H
#define SELFTESTS_FUZZ_SLOT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

/* Of a huge page */
#define HUGE_PAGES (HUGE_PAGE / PAGE)

/* Three huge pages, which is enough for helpers to come, and small ones behind them */
#define MAX_PAGES (3 * HUGE_PAGES + 16)

enum page_state {
	UNMAPPED,
	NO_ACCESS,
	READABLE,
	WRITABLE,
};

/* The words of a page that are written, each by itself, and looked at */
static const size_t slot_words[] = { 0, 211, PAGE / sizeof(uint64_t) - 1 };

#define NR_WORDS ARRAY_SIZE(slot_words)

/**
 * struct slot - one open file of a node device and its region, or room for one
 * @fd: The file; -1 where it is closed, which its mappings may outlive
 * @node: Its node
 * @weights: Where its pages are striped: of that node and of the other; else zeroes
 * @readable_only: Whether it was opened so
 * @pages: The region's length; 0: there is none
 * @flags: What it was made with
 * @tag: In what its pages hold: no other region of this run has the same
 * @alien: Others write to it too, so that only @tag can be told
 * @spent: Private, and mapped before: no mmap() any more
 * @base: Where page 0 is mapped, or would be, were it
 * @nr_mapped: How many pages are mapped
 * @state: enum page_state of each page
 * @stamp: What was written to each word of each page last: 0: nothing
 */
struct slot {
	int fd;
	int node;
	unsigned int weights[2];
	bool readable_only;
	size_t pages;
	uint32_t flags;
	uint16_t tag;
	bool alien;
	bool spent;
	char *base;
	size_t nr_mapped;
	uint8_t state[MAX_PAGES];
	uint32_t stamp[MAX_PAGES][NR_WORDS];
};

/* A word of a page: who, which page, and what was written */
static inline uint64_t slot_word(uint16_t tag, size_t page, uint32_t stamp)
{
	return stamp ? (uint64_t)tag << 48 | (uint64_t)page << 32 | stamp : 0;
}

/* Whether a word may be in a page of a region that others write to */
static inline bool slot_may_hold(uint64_t word, uint16_t tag, size_t page)
{
	return !word || word >> 32 == ((uint64_t)tag << 16 | page);
}

/* The node that a page is on, by the contract */
static inline int slot_node(const struct slot *slot, size_t page)
{
	const unsigned int turn = slot->weights[0] + slot->weights[1];
	const size_t unit = slot->flags & NUMAPIN_ALLOC_HUGE ? page / HUGE_PAGES : page;

	return turn && unit % turn >= slot->weights[0] ? !slot->node : slot->node;
}

static inline char *slot_addr(const struct slot *slot, size_t page)
{
	return slot->base + page * PAGE;
}

static inline bool slot_private(const struct slot *slot)
{
	return slot->flags & NUMAPIN_ALLOC_PRIVATE;
}

/* Where a thread goes on after SIGBUS, while @expects_sigbus */
static _Thread_local sigjmp_buf sigbus_exit;
static _Thread_local volatile bool expects_sigbus;

/* Writes words [first, end) of a page, or reads them; false: SIGBUS. */
static inline bool slot_access(char *addr, uint64_t *words, size_t first, size_t end, bool write)
{
	if (sigsetjmp(sigbus_exit, 1)) {
		expects_sigbus = false;
		return false;
	}
	expects_sigbus = true;
	for (size_t i = first; i < end; i++) {
		volatile uint64_t *word = (uint64_t *)addr + slot_words[i];

		if (write)
			*word = words[i];
		else
			words[i] = *word;
	}
	expects_sigbus = false;
	return true;
}

/* Sets the state of pages [first, end). */
static inline void slot_set_state(struct slot *slot, size_t first, size_t end,
				  enum page_state state)
{
	for (size_t page = first; page < end; page++) {
		slot->nr_mapped += !!state - !!slot->state[page];
		slot->state[page] = state;
	}
}

/* How many pages from @first on are in the same state, @max at most */
static inline size_t slot_run(const struct slot *slot, size_t first, size_t max)
{
	size_t n = 1;

	while (n < max && first + n < slot->pages && slot->state[first + n] == slot->state[first])
		n++;
	return n;
}

/* What is left of a region without a mapping, when its file is closed too */
static inline void slot_forget(struct slot *slot)
{
	memset(slot, 0, sizeof(*slot));
	slot->fd = -1;
}

#endif /* SELFTESTS_FUZZ_SLOT_H */
