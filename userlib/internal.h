/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the library share:
 *
 *   alloc.c		the public functions: which backend, and what then
 *   registry.c		which memory is ours
 *   report.c		failures and warnings in words
 *   backend-*.c	a way to get memory each
 *   device.c		files of node devices
 *   anonymous.c	memory that two of them are built on
 *   slab.c		small memory: several share what one of them got
 *   topology.c		which nodes there are
 *   mappings.c		which memory of a process is where
 *   absent-*.c		what is in the place of what is not in a build
 *   system-*.c		what is asked of the system, one of them in each build
 *
 * All that is Linux is in system-linux.c, in the backends module and mbind, and in
 * device.c, topology.c and mappings.c.
 */
#ifndef NUMAPIN_INTERNAL_H
#define NUMAPIN_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "numapin.h"

#define UNUSED __attribute__((unused))

#ifdef _WIN32
#define PUBLIC __attribute__((dllexport))
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

struct record;

/**
 * struct allocation - an allocation on its way through backends
 * @node: What is asked for; of several the first, or the one that refused
 * @parts: Where it is striped: over what, in its order
 * @nr_parts: How many; 0: all of it is on @node
 * @bytes: Whole pages
 * @flags: enum numapin_flags
 * @addr: What a backend got
 * @huge_bytes: As in the receipt
 * @available: As in the receipt
 * @limit: For MEMLOCK the limit, in bytes
 * @reason: Why a backend did not get it
 * @slab: What it is part of, if it is
 * @stale: Which pages of that are not zeroed yet
 */
struct allocation {
	int node;
	const struct numapin_part *parts;
	size_t nr_parts;
	size_t bytes;
	unsigned int flags;
	void *addr;
	size_t huge_bytes;
	size_t available;
	size_t limit;
	enum numapin_reason reason;
	struct slab *slab;
	uint64_t stale;
};

/**
 * enum verdict - what a backend makes of an allocation
 * @GRANTED: Done: addr and huge_bytes are set
 * @REFUSED: This is the caller's answer: errno and reason are set
 * @ABSENT: Not by this backend, another may: errno and reason are set
 */
enum verdict {
	GRANTED,
	REFUSED,
	ABSENT,
};

/**
 * struct backend - a way to get memory
 * @name: As in NUMAPIN_BACKEND
 * @outcome: What memory of it is
 * @alloc: Gets memory
 * @free: Gives it back: 0, or -1 and errno
 * @locate: Writes the node of @count pages from @addr, which is page-aligned:
 *          0, or -1 and errno: ENODEV where it has no means to; NULL: it never has
 */
struct backend {
	const char *name;
	enum numapin_outcome outcome;
	enum verdict (*alloc)(struct allocation *alloc);
	int (*free)(const struct record *record);
	int (*locate)(const char *addr, size_t count, int *nodes);
};

/* Each in a file of its own, in the order in which they are tried */
extern const struct backend backend_module;
extern const struct backend backend_mbind;
extern const struct backend backend_none;

/* Sets errno and the reason; returns @verdict. */
static inline enum verdict decline(struct allocation *alloc, enum verdict verdict, int error,
				   enum numapin_reason reason)
{
	alloc->reason = reason;
	errno = error;
	return verdict;
}

/* More than any kernel has been built for */
#define MAX_NODES 4096

#define BITS_PER_LONG (8 * (int)sizeof(long))

/* A set of nodes. libnuma's own end the process where malloc() fails. */
struct node_mask {
	unsigned long bits[MAX_NODES / BITS_PER_LONG];
};

static inline void mask_set(struct node_mask *mask, int node)
{
	mask->bits[node / BITS_PER_LONG] |= 1ul << node % BITS_PER_LONG;
}

static inline bool mask_has(const struct node_mask *mask, int node)
{
	return mask->bits[node / BITS_PER_LONG] >> node % BITS_PER_LONG & 1;
}

/*
 * system-*.c
 *
 * map_pages() maps memory as enum numapin_flags say, without pages yet where a system
 * makes them later: NULL where there is none to be had. unmap() frees memory, whoever
 * mapped it: 0, or -1 and errno. check_memory() says whether so many bytes can be touched
 * without the process being killed for it. at_fork() has one function called before each
 * fork() and one after it, by parent and child.
 */
size_t page_size(void);
void *map_pages(size_t bytes, unsigned int flags);
int unmap(void *addr, size_t bytes);
enum verdict check_memory(struct allocation *alloc, size_t bytes);
void at_fork(void (*before)(void), void (*after)(void));

/*
 * device.c
 *
 * device_open() opens a node's device, device_open_any() some node's, if only to ask: a
 * descriptor to be closed, or -1 and errno.
 */
int device_open(int node);
int device_open_any(void);

/* anonymous.c */
enum verdict map_anonymous(struct allocation *alloc);
void touch(char *addr, size_t bytes);
int free_mapping(const struct record *record);

/* slab.c */
bool slab_alloc(struct allocation *alloc, enum verdict (*make)(struct allocation *alloc));
void slab_free(struct slab *slab, void *addr, size_t bytes);

/**
 * struct record - memory that the library allocated and has not freed
 * @addr: Where it is
 * @size: The size that was asked for
 * @bytes: The size that it has
 * @backend: Whose it is
 * @slab: What it is part of; NULL: it has a mapping of its own
 * @next: The next in the registry's bucket, under its lock
 *
 * Lock rules: a record is either in the registry, and only read, under its
 * bucket's lock; or in the hands of the one that made it or took it out.
 */
struct record {
	void *addr;
	size_t size;
	size_t bytes;
	const struct backend *backend;
	struct slab *slab;
	struct record *next;
};

/* registry.c */
void registry_add(struct record *record);
struct record *registry_take(void *addr, size_t size);

/* report.c */
void report_refusal(const struct allocation *alloc, int error);
void warn_unpinned(const struct allocation *alloc, enum numapin_outcome outcome,
		   enum numapin_reason module_reason);

#endif /* NUMAPIN_INTERNAL_H */
