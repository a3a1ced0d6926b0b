// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sizes, nodes and lists of them, as people and the kernel write them.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const char suffixes[] = "KMGTPE";

/* Digits, and one of the suffixes, each 1024 times the one before. */
bool parse_size(const char *text, unsigned long long *bytes)
{
	const char *suffix;
	char *end;
	int shift = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*bytes = strtoumax(text, &end, 10);
	if (*end) {
		suffix = strchr(suffixes, toupper((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		shift = 10 * (int)(suffix - suffixes + 1);
	}
	if (errno || *bytes > ULLONG_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

bool parse_node(const char *text, int *node)
{
	char *end;
	long number;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || *end || number > INT_MAX)
		return false;
	*node = (int)number;
	return true;
}

/* Up to a day, with or without a fraction */
bool parse_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return isdigit((unsigned char)*text) && !*end && *seconds <= 86400;
}

/* The first range of a list as "0-1,3": what follows it, NULL: there is none. */
const char *next_range(const char *list, int *first, int *last)
{
	char *end;

	list += *list == ',';
	if (!isdigit((unsigned char)*list))
		return NULL;
	*first = (int)strtol(list, &end, 10);
	*last = *end == '-' ? (int)strtol(end + 1, &end, 10) : *first;
	return end;
}

bool in_list(const char *list, int number)
{
	int first, last;

	while ((list = next_range(list, &first, &last)))
		if (first <= number && number <= last)
			return true;
	return false;
}

/* As parse_size() reads them, to three digits or so. */
const char *size_text(char *text, unsigned long long bytes)
{
	double number;
	int power = 0;

	if (bytes == NO_LIMIT)
		return "max";
	while (bytes >> 10 * power >= 1024)
		power++;
	number = (double)bytes / (double)(1ull << 10 * power);
	/* A digit after the point, where it says something */
	if (power && number < 99.95 && number - (int)number >= 0.05)
		snprintf(text, 24, "%.1f%c", number, suffixes[power - 1]);
	else if (power)
		snprintf(text, 24, "%.0f%c", number, suffixes[power - 1]);
	else
		snprintf(text, 24, "%llu", bytes);
	return text;
}
