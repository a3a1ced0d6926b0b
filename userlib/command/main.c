// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin(1): finds the subcommand and runs it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const struct command *const commands[] = {
	&status_command,
	&top_command,
	&alloc_command,
	&verify_command,
	&pool_command,
	&limit_command,
	&run_command,
	&bench_command,
	&doctor_command,
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *running;
static char name[32] = "numapin";

static void print_usage(FILE *out)
{
	fprintf(out, "usage: numapin %s %s\n", running->name, running->usage);
}

/* The next option, -1 after the last. Does what --help says. */
int next_option(int argc, char **argv, const char *letters, const struct option *options)
{
	const int option = getopt_long(argc, argv, letters, options, NULL);

	if (option == 'h') {
		print_usage(stdout);
		printf("\n%s", running->help);
		exit(EXIT_SUCCESS);
	}
	if (option == '?') {
		print_usage(stderr);
		exit(EXIT_TROUBLE);
	}
	return option;
}

static void say(const char *format, va_list args)
{
	fprintf(stderr, "%s: ", name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/* Says what is wrong with the arguments. */
int misused(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	print_usage(stderr);
	return EXIT_TROUBLE;
}

/* Says what was not to be done. */
int failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return EXIT_FAILURE;
}

/* An array with room for one more than @count. */
void *grow(void *array, size_t count, size_t size)
{
	void *larger = reallocarray(array, count + 1, size);

	if (!larger)
		exit(failed("%s", strerror(errno)));
	memset((char *)larger + count * size, 0, size);
	return larger;
}

static int print_help(FILE *out)
{
	fputs("usage: numapin COMMAND [ARGUMENT]...\n"
	      "       numapin --help | --version\n"
	      "\n"
	      "Memory on the NUMA node that was asked for.\n"
	      "\n", out);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`numapin COMMAND --help' tells more of each.\n", out);
	return out == stdout ? EXIT_SUCCESS : EXIT_TROUBLE;
}

static int print_version(void)
{
	const unsigned int version = numapin_version();

	printf("numapin %d.%d.%d, libnumapin %u.%u.%u\n", NUMAPIN_VERSION_MAJOR,
	       NUMAPIN_VERSION_MINOR, NUMAPIN_VERSION_PATCH, version / 1000000,
	       version / 1000 % 1000, version % 1000);
	return EXIT_SUCCESS;
}

/* What was printed may be in no file yet, and the file's disk full. */
static int written(int status)
{
	if (fflush(stdout) || ferror(stdout))
		return failed("standard output: %s", strerror(errno));
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return print_help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return written(print_help(stdout));
	if (!strcmp(argv[1], "--version"))
		return written(print_version());
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i]->name))
			continue;
		running = commands[i];
		snprintf(name, sizeof(name), "numapin %s", running->name);
		argv[1] = name;
		return written(running->run(argc - 1, argv + 1));
	}
	failed("there is no command \"%s\"", argv[1]);
	return print_help(stderr);
}
