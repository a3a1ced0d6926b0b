/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of numapin(1) share:
 *
 *   main.c	the table of subcommands, and what is wrong in words
 *   status.c	a subcommand, like all that are not named here
 *   node.c	what the kernel and the module tell of nodes
 *   holder.c	who has memory of node devices
 *   setting.c	what root sets of a node
 *   file.c	small files of the kernel
 *   size.c	sizes, nodes and lists as text
 *   table.c	output in columns
 *   json.c	output for programs
 */
#ifndef NUMAPIN_COMMAND_H
#define NUMAPIN_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <numapin.h>

/* Exit status for arguments that make no sense; of who answers with 1, for all failures */
#define EXIT_TROUBLE 2

/* A number of bytes without a limit: the kernel's "max" */
#define NO_LIMIT (~0ull)

/**
 * struct command - a subcommand
 * @name: Its name
 * @usage: What its arguments are
 * @summary: What it does, in a few words
 * @help: What its options and arguments mean, lines of it
 * @run: Does it: the exit status. argv[0] is its name in messages
 */
struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

/* A file each */
extern const struct command status_command, top_command, alloc_command, verify_command;
extern const struct command pool_command, limit_command, run_command, bench_command;
extern const struct command doctor_command;

/* What all subcommands understand: a letter for next_option() and a line each */
#define HELP_OPTION	{ "help", no_argument, NULL, 'h' }
#define JSON_OPTION	{ "json", no_argument, NULL, 'j' }

/*
 * main.c. Messages go to stderr with the subcommand's name before them. What returns an
 * exit status is for "return failed(...)".
 */
int next_option(int argc, char **argv, const char *letters, const struct option *options);
int misused(const char *format, ...) __attribute__((format(printf, 1, 2)));
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grow(void *array, size_t count, size_t size);

/* file.c: 0, or -1 and errno. The first line, without its newline; and all of what is told. */
int read_text(const char *path, char *text, size_t size);
int read_number(const char *path, unsigned long long *number);
int write_text(const char *path, const char *text);

/* size.c */
bool parse_size(const char *text, unsigned long long *bytes);
bool parse_node(const char *text, int *node);
bool parse_seconds(const char *text, double *seconds);
const char *next_range(const char *list, int *first, int *last);
bool in_list(const char *list, int number);
const char *size_text(char *text, unsigned long long bytes);

/* A size in words, until the end of the block */
#define SIZE_TEXT(bytes) size_text((char [24]) { "" }, bytes)

/**
 * struct device - a node's device, as this process finds it
 * @error: Why it does not open, an errno; 0: it does
 * @node: The node that it is of; -1: it does not say, for it is not the module's
 * @abi_version: Of the module, 0 where it does not open
 * @mode: Its kind and permissions; 0: it is not there
 * @owner: Whose it is
 * @group: Whose it is
 */
struct device {
	int error;
	int node;
	unsigned int abi_version;
	mode_t mode;
	uid_t owner;
	gid_t group;
};

/* Files of /sys/class/numapin/nodeN with a number */
enum node_attribute {
	REGIONS,
	BYTES,
	HUGE_BYTES,
	LINGERING_BYTES,
	POISONED_BYTES,
	FAILED_COPIES,
	FAILED_VIEWS,
	MAX_BYTES,
	POOL_BYTES,
	POOL_FILLED_BYTES,
	POOL_DIRTY_BYTES,
	POOL_USED_BYTES,
	NR_ATTRIBUTES,
};

extern const char *const attribute_names[NR_ATTRIBUTES];

/**
 * struct node - a node that has memory
 * @id: Its number
 * @allowed: Whether this process's cpuset has it
 * @served: Whether the module has a device for it
 * @memory: As the library describes it
 * @device: Its device
 * @attributes: What the module tells of it, all 0 where it does not serve it
 */
struct node {
	int id;
	bool allowed;
	bool served;
	struct numapin_node memory;
	struct device device;
	unsigned long long attributes[NR_ATTRIBUTES];
};

#define MODULE_SYSFS	"/sys/module/numapin"
#define CLASS_NODE	"/sys/class/numapin/node%d"
#define DEVICE_NODE	"/dev/numapin/node%d"
#define PATH_SIZE	4096

/* node.c: how many; or -1 and errno */
int read_nodes(struct node **nodes);
int read_attribute(int node, enum node_attribute attribute, unsigned long long *number);
void permission_text(char *text, size_t size, const struct device *device);
const char *device_text(char *text, size_t size, const struct node *node);
int node_of_device(const char *name);

/**
 * struct region - a region that a process has a descriptor of
 * @device: The node of its device
 * @id: The module's number for it, of which the device has no other
 * @length: Its length
 * @bytes: How much of it is on the holder's node
 * @private: Whether it is private to a process
 */
struct region {
	int device;
	unsigned long long id;
	unsigned long long length;
	unsigned long long bytes;
	bool private;
};

/**
 * struct holder - what a process has of a node, by node devices
 * @pid: The process
 * @command: Its name, as the kernel has it
 * @node: The node
 * @bytes: What it holds: the regions of its descriptors, and of what else is mapped its
 *         share: a page that n page tables have is an nth for each
 * @mapped_bytes: The length of its mappings; of a striped region in proportion
 * @regions: Those of its descriptors, each once
 * @nr_regions: How many
 */
struct holder {
	int pid;
	char command[64];
	int node;
	unsigned long long bytes;
	unsigned long long mapped_bytes;
	struct region *regions;
	size_t nr_regions;
};

/**
 * struct holders - all of them that this process may see
 * @list: By process
 * @count: How many
 */
struct holders {
	struct holder *list;
	size_t count;
};

/* holder.c */
int read_holders(struct holders *holders);
void free_holders(struct holders *holders);
unsigned long long held_bytes(const struct holders *holders, int node);

/* setting.c: an exit status */
int run_setting(int argc, char **argv, const enum node_attribute *attributes, size_t count);

/* status.c */
int print_status(FILE *out, bool json, int width);
int terminal_width(FILE *out);

/**
 * struct table - lines of cells, to be printed in columns
 * @rows: Where to print them: a tab after each cell but the last of a line
 * @align: A letter for each column: l or r
 * @text: What was printed there
 * @size: Its length
 */
struct table {
	FILE *rows;
	const char *align;
	char *text;
	size_t size;
};

/* table.c */
void table_begin(struct table *table, const char *align, const char *head);
void table_end(struct table *table, FILE *out);

/**
 * struct json - a JSON text that is being printed
 * @out: Where to
 * @comma: Whether the next value has one before it
 */
struct json {
	FILE *out;
	bool comma;
};

/* json.c. @key is NULL in an array, and for the whole. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_number(struct json *json, const char *key, long long number);
void json_bytes(struct json *json, const char *key, unsigned long long bytes);
void json_bool(struct json *json, const char *key, bool value);
void json_string(struct json *json, const char *key, const char *text);

#endif /* NUMAPIN_COMMAND_H */
