/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that run under libnumapin-preload.so, and what it warns them of.
 */
#ifndef SELFTESTS_PRELOAD_H
#define SELFTESTS_PRELOAD_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Runs this program again, from its constructor, with libraries of its rpath before all;
 * and without that of stdbuf, by which kselftest runs programs.
 */
static inline void run_preloaded(char **argv, const char *libraries)
{
	const char *preloaded = getenv("LD_PRELOAD");

	if (preloaded && !strcmp(preloaded, libraries))
		return;
	setenv("LD_PRELOAD", libraries, 1);
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* The path of the file that is mapped at @addr; "": none. */
static inline const char *mapped_file(const void *addr)
{
	static _Thread_local char path[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], *first, *end;
	bool found = false;

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		path[0] = '\0';
		found = sscanf(line, "%p-%p %*s %*s %*s %*s %255s", (void **)&first, (void **)&end,
			       path) >= 2 && first <= (char *)addr && (char *)addr < end;
	}
	if (maps)
		fclose(maps);
	return found ? path : "";
}

/* Whether it is memory of a region of a node. */
static inline bool in_region(const void *addr, int node)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/numapin/node%d", node);
	return !strcmp(mapped_file(addr), path);
}

/**
 * struct caught - what is written to stderr meanwhile
 * @text: All of it, once it is let go
 * @stderr_fd: Where it went before
 * @file: Where it goes
 */
struct caught {
	char text[4096];
	int stderr_fd;
	int file;
};

static inline bool catch_stderr(struct caught *caught)
{
	caught->stderr_fd = dup(STDERR_FILENO);
	caught->file = memfd_create("stderr", 0);
	return dup2(caught->file, STDERR_FILENO) == STDERR_FILENO;
}

static inline bool let_go(struct caught *caught)
{
	ssize_t n = pread(caught->file, caught->text, sizeof(caught->text) - 1, 0);

	caught->text[n < 0 ? 0 : n] = '\0';
	close(caught->file);
	return n >= 0 && dup2(caught->stderr_fd, STDERR_FILENO) == STDERR_FILENO &&
	       !close(caught->stderr_fd);
}

/* How often libnumapin warned */
static inline int warnings_in(const char *text)
{
	int n = 0;

	while ((text = strstr(text, "numapin: warning: "))) {
		n++;
		text++;
	}
	return n;
}

#endif /* SELFTESTS_PRELOAD_H */
