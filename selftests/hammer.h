/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that a thread writes and checks all the while: the first words of each
 * page. The others hold what was written at the start.
 */
#ifndef SELFTESTS_HAMMER_H
#define SELFTESTS_HAMMER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "oracle.h"

#define PAGE_WORDS (PAGE / sizeof(uint64_t))

/* Few, so that a round takes no time: there are many pages. */
#define HAMMER_WORDS 32

struct hammer {
	pthread_t thread;
	bool running;
	atomic_bool stop;
	uint64_t *addr;
	size_t pages;
	uint64_t *written;	/* the generation that each page's first words have */
	atomic_long rounds;
	atomic_long wrong;
};

/* Word @i of page @page in a generation: no two are alike, nor any 0. */
static inline uint64_t hammer_word(size_t page, size_t i, uint64_t generation)
{
	return (page * PAGE_WORDS + i + 1) * 0x9e3779b97f4a7c15 ^ generation << 40;
}

/* How many of a page's words from @first to @end are not what they should be */
static inline long hammer_wrong(const uint64_t *words, size_t page, size_t first, size_t end,
				uint64_t generation)
{
	long wrong = 0;

	for (size_t i = first; i < end; i++)
		wrong += ((const volatile uint64_t *)words)[i] != hammer_word(page, i, generation);
	return wrong;
}

static inline void hammer_write(uint64_t *words, size_t page, size_t end, uint64_t generation)
{
	for (size_t i = 0; i < end; i++)
		((volatile uint64_t *)words)[i] = hammer_word(page, i, generation);
}

static inline void *hammer_loop(void *arg)
{
	struct hammer *hammer = arg;

	/* Not at the cost of the kernel's own threads, some of which are as nice */
	setpriority(PRIO_PROCESS, gettid(), 19);
	while (!hammer->stop) {
		for (size_t page = 0; page < hammer->pages; page++) {
			uint64_t *words = hammer->addr + page * PAGE_WORDS;

			hammer->wrong += hammer_wrong(words, page, 0, HAMMER_WORDS,
						      hammer->written[page]);
			hammer_write(words, page, HAMMER_WORDS, ++hammer->written[page]);
		}
		hammer->rounds++;
	}
	return NULL;
}

/* Until everything was checked and written from now on */
static inline void hammer_await_round(const struct hammer *hammer)
{
	const long now = hammer->rounds;

	while (hammer->rounds < now + 2)
		usleep(1000);
}

/* Stops it. What is written stays known, so that it can be started elsewhere. */
static inline void hammer_stop(struct hammer *hammer)
{
	if (!hammer->running)
		return;
	hammer_await_round(hammer);
	hammer->stop = true;
	pthread_join(hammer->thread, NULL);
	hammer->running = false;
}

/* Starts it on a mapping of the memory: the one it had, or another. */
static inline bool hammer_start(struct hammer *hammer, void *addr)
{
	hammer->addr = addr;
	hammer->stop = false;
	hammer->running = !pthread_create(&hammer->thread, NULL, hammer_loop, hammer);
	if (hammer->running)
		hammer_await_round(hammer);
	return hammer->running;
}

/* Writes all of the memory and starts the thread. */
static inline bool hammer_begin(struct hammer *hammer, void *addr, size_t bytes)
{
	hammer->pages = bytes / PAGE;
	hammer->written = calloc(hammer->pages, sizeof(*hammer->written));
	if (!hammer->written)
		return false;
	for (size_t page = 0; page < hammer->pages; page++)
		hammer_write((uint64_t *)addr + page * PAGE_WORDS, page, PAGE_WORDS, 0);
	return hammer_start(hammer, addr);
}

/* How many words of a mapping of the memory are wrong; only while it is stopped. */
static inline long hammer_check(const struct hammer *hammer, const void *addr)
{
	long wrong = 0;

	for (size_t page = 0; page < hammer->pages; page++) {
		const uint64_t *words = (const uint64_t *)addr + page * PAGE_WORDS;

		wrong += hammer_wrong(words, page, 0, HAMMER_WORDS, hammer->written[page]);
		wrong += hammer_wrong(words, page, HAMMER_WORDS, PAGE_WORDS, 0);
	}
	return wrong;
}

#endif /* SELFTESTS_HAMMER_H */
