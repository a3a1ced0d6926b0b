// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin top: the status, again and again.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "command.h"

#define HOME_AND_CLEAR	"\033[H\033[J"

/* So many lines of the text at most, for a terminal to keep what comes first */
static void print_lines(const char *text, int most)
{
	size_t length;

	for (; *text && most; text += length, most--) {
		length = strcspn(text, "\n");
		length += text[length] == '\n';
		fwrite(text, 1, length, stdout);
	}
}

static int print_screen(void)
{
	struct winsize size = { 0 };
	char *text = NULL;
	size_t length;
	FILE *memory;
	int status;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	memory = open_memstream(&text, &length);
	if (!memory)
		return failed("%s", strerror(errno));
	status = print_status(memory, false, terminal_width(stdout));
	if (fclose(memory))
		status = failed("%s", strerror(errno));
	if (status == EXIT_SUCCESS) {
		fputs(HOME_AND_CLEAR, stdout);
		print_lines(text, size.ws_row > 1 ? size.ws_row - 1 : -1);
	}
	free(text);
	return status;
}

/* Waits so many milliseconds: whether a signal or a q came that ends it. */
static bool is_ended(int signals, bool keys, int wait)
{
	struct pollfd files[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	char key = '\0';

	if (poll(files, 2, wait) <= 0)
		return false;
	if (files[0].revents)
		return true;
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q';
}

static int show(bool json, double seconds, long rounds, int signals, bool keys)
{
	const bool screen = isatty(STDOUT_FILENO) && !json;

	for (long round = 1;; round++) {
		int status = screen ? print_screen() :
			     print_status(stdout, json, terminal_width(stdout));

		if (status != EXIT_SUCCESS || round == rounds)
			return status;
		if (!screen && !json)
			putchar('\n');
		if (fflush(stdout))
			return EXIT_FAILURE;	/* which main() tells of */
		if (is_ended(signals, keys, (int)(seconds * 1000)))
			return EXIT_SUCCESS;
	}
}

/* With each key sent as it is struck, where there are keys; and as it was at the end */
static int show_on_terminal(bool json, double seconds, long rounds)
{
	struct termios before, raw;
	const bool keys = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &before);
	sigset_t ending;
	int signals, status;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (signals < 0)
		return failed("%s", strerror(errno));
	if (keys) {
		raw = before;
		raw.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	status = show(json, seconds, rounds, signals, keys);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	close(signals);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "rounds", required_argument, NULL, 'n' },
		JSON_OPTION, HELP_OPTION, { 0 },
	};
	double seconds = 2;
	bool json = false;
	int rounds = 0;
	int option;

	while ((option = next_option(argc, argv, "d:n:jh", options)) != -1) {
		switch (option) {
		case 'd':
			if (!parse_seconds(optarg, &seconds))
				return misused("\"%s\" is no number of seconds", optarg);
			break;
		case 'n':
			if (!parse_node(optarg, &rounds) || !rounds)
				return misused("\"%s\" is no number of rounds", optarg);
			break;
		case 'j':
			json = true;
			break;
		}
	}
	if (optind < argc)
		return misused("there is nothing to name");
	return show_on_terminal(json, seconds, rounds);
}

const struct command top_command = {
	.name		= "top",
	.usage		= "[--delay SECONDS] [--rounds N] [--json]",
	.summary	= "the status, again and again",
	.help		=
"Prints what `numapin status' does until q or ^C is struck: on a terminal in\n"
"its place, else one after the other.\n"
"\n"
"  -d, --delay SECONDS  how long to wait in between (2)\n"
"  -n, --rounds N       so many times and no more\n"
"  -j, --json           as JSON, a line each time\n",
	.run		= run,
};
