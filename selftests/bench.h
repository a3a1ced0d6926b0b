/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time, and what is told of many times.
 */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 101

/* Microseconds */
static inline double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static inline int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median, and from the first quartile to the third */
struct spread {
	double low, median, high;
};

static inline struct spread spread_of(const double *values, int nr)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, values, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), compare_doubles);
	return (struct spread){ sorted[nr / 4], sorted[nr / 2], sorted[nr * 3 / 4] };
}

#endif /* SELFTESTS_BENCH_H */
