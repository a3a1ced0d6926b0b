/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time, and what is told of many times; and how much is to be measured, and how often.
 */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
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

struct bench_options {
	size_t mib;
	int rounds;
	bool json;
};

/* Reads options, those that are not given being as they are. -1, or what to end with. */
static inline int bench_options(int argc, char **argv, void (*usage)(FILE *to),
				struct bench_options *is)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ },
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:r:jh", options, NULL)) != -1) {
		switch (option) {
		case 's':
			is->mib = strtoul(optarg, NULL, 0) & ~1ul;
			break;
		case 'r':
			is->rounds = atoi(optarg);
			break;
		case 'j':
			is->json = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (is->mib && is->rounds >= 1 && is->rounds <= MAX_ROUNDS)
		return -1;
	usage(stderr);
	return 2;
}

#endif /* SELFTESTS_BENCH_H */
