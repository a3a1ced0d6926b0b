// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Small files of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

int read_text(const char *path, char *text, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int error;

	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	error = errno;
	close(fd);
	if (n < 0) {
		errno = error;
		return -1;
	}
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

/* A number, or "max". */
int read_number(const char *path, unsigned long long *number)
{
	char text[64], *end;

	if (read_text(path, text, sizeof(text)))
		return -1;
	if (!strcmp(text, "max")) {
		*number = NO_LIMIT;
		return 0;
	}
	errno = 0;
	*number = strtoumax(text, &end, 10);
	if (end == text || *end)
		errno = EINVAL;
	return errno ? -1 : 0;
}

/* In one write(), as sysfs takes it. */
int write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int error;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}
