/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libnumapin has for malloc() in here
 */
#ifndef NUMAPIN_PRELOAD_CELLS_H
#define NUMAPIN_PRELOAD_CELLS_H

#include <stddef.h>

void *cells_alloc(size_t size);
void *cells_zalloc(size_t count, size_t size);
void cells_free(void *ptr);

#endif /* NUMAPIN_PRELOAD_CELLS_H */
