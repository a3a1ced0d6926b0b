// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory for the records of libnumapin, which is linked in here so that its malloc(),
 * calloc() and free() are these: it is called by the program's own malloc(), which
 * holds its locks and must not be called then.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "cells.h"

#define CELL_SIZE	64
#define BLOCK_SIZE	((size_t)64 << 10)

union cell {
	union cell *next;
	char bytes[CELL_SIZE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static union cell *unused;	/* under lock */

static void lock_cells(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_cells(void)
{
	pthread_mutex_unlock(&lock);
}

/* More cells. Those that there are stay for good. */
static void add_block(void)
{
	union cell *cells = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (cells == MAP_FAILED)
		return;
	for (size_t i = 0; i < BLOCK_SIZE / CELL_SIZE; i++) {
		cells[i].next = unused;
		unused = &cells[i];
	}
}

/* As malloc(); what is larger than a cell it does not have. */
void *cells_alloc(size_t size)
{
	union cell *cell = NULL;

	lock_cells();
	if (!unused && size <= CELL_SIZE)
		add_block();
	if (unused && size <= CELL_SIZE) {
		cell = unused;
		unused = cell->next;
	}
	unlock_cells();
	if (!cell)
		errno = ENOMEM;
	return cell;
}

/* As calloc() */
void *cells_zalloc(size_t count, size_t size)
{
	void *cell = count <= CELL_SIZE && size <= CELL_SIZE ? cells_alloc(count * size) : NULL;

	return cell ? memset(cell, 0, count * size) : NULL;
}

/* As free() */
void cells_free(void *ptr)
{
	union cell *cell = ptr;

	if (!cell)
		return;
	lock_cells();
	cell->next = unused;
	unused = cell;
	unlock_cells();
}

/* Before libnumapin's: the last to be locked at a fork(), for its handlers free cells. */
__attribute__((constructor(101))) static void cells_init(void)
{
	pthread_atfork(lock_cells, unlock_cells, unlock_cells);
}
