/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that tells who wrote it.
 */
#ifndef SELFTESTS_PATTERN_H
#define SELFTESTS_PATTERN_H

#include <stdint.h>

#include "oracle.h"

/* A few words of each page say who wrote it. */
static inline void write_all(char *addr, size_t bytes, uint64_t who)
{
	for (size_t i = 0; i < bytes; i += PAGE / 4)
		*(volatile uint64_t *)(addr + i) = who << 32 | i;
}

/* How many of the words somebody else wrote */
static inline long not_by(const char *addr, size_t bytes, uint64_t who)
{
	long wrong = 0;

	for (size_t i = 0; i < bytes; i += PAGE / 4)
		wrong += *(const volatile uint64_t *)(addr + i) != (who << 32 | i);
	return wrong;
}

#endif /* SELFTESTS_PATTERN_H */
