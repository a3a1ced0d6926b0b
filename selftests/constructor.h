/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A constructor of the program's that uses the library, before main() and perhaps before
 * the library's own; in a process that is to do nothing else.
 */
#ifndef SELFTESTS_CONSTRUCTOR_H
#define SELFTESTS_CONSTRUCTOR_H

#include <numapin.h>

#include "child.h"
#include "library.h"

/* The outcome of the memory that the constructor is to get: its number */
#define CONSTRUCTOR "NUMAPIN_TEST_CONSTRUCTOR"

__attribute__((constructor))
static void use_in_constructor(void)
{
	const char *text = getenv(CONSTRUCTOR);
	const int outcome = text ? atoi(text) : 0;

	if (!text)
		return;
	_exit(!(gets_memory(0, PAGE, 0, outcome) && gets_memory(0, 3 * HUGE_PAGE, 0, outcome) &&
		IN_CHILD(gets_memory(0, PAGE, 0, outcome)) && gets_memory(0, PAGE, 0, outcome)));
}

/* Whether it does, in a process of its own */
static inline bool works_in_constructor(int outcome)
{
	char path[4096] = "", text[16];
	int status = -1;
	pid_t pid;

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return false;
	pid = fork();
	if (!pid) {
		snprintf(text, sizeof(text), "%d", outcome);
		setenv(CONSTRUCTOR, text, 1);
		execl(path, path, NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return !status;
}

#endif /* SELFTESTS_CONSTRUCTOR_H */
