// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The public functions: which backend gives the memory, and what the caller is
 * told of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FLAGS	(NUMAPIN_STRICT | NUMAPIN_HUGE | NUMAPIN_NO_HUGE | NUMAPIN_SHARED | \
		 NUMAPIN_RESERVE | NUMAPIN_REGION)

/* From the firmest outcome to the weakest: the next is tried where one is absent. */
static const struct backend *const backends[] = {
	&backend_module,
	&backend_mbind,
	&backend_none,
};

#define NR_BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* What a full page table maps: 2 MiB where a page is 4 KiB */
static size_t huge_size(void)
{
	return page_size() / sizeof(uint64_t) * page_size();
}

static bool misuse(const char *words)
{
	numapin_set_error(words);
	errno = EINVAL;
	return false;
}

/* Whether one of the first parts is of a node */
static bool has_part(const struct allocation *alloc, size_t count, int node)
{
	while (count--)
		if (alloc->parts[count].node == node)
			return true;
	return false;
}

static bool understand_parts(const struct allocation *alloc)
{
	size_t i;

	if (!alloc->nr_parts || alloc->nr_parts > NUMAPIN_MAX_PARTS)
		return misuse("there are no parts, or more than NUMAPIN_MAX_PARTS");
	if (!(alloc->flags & (NUMAPIN_HUGE | NUMAPIN_NO_HUGE)))
		return misuse("neither NUMAPIN_HUGE nor NUMAPIN_NO_HUGE says what a page is");
	for (i = 0; i < alloc->nr_parts; i++) {
		if (alloc->parts[i].node < 0)
			return misuse("the node of a part is negative");
		if (!alloc->parts[i].weight)
			return misuse("the weight of a part is 0");
		if (has_part(alloc, i, alloc->parts[i].node))
			return misuse("two parts have the same node");
	}
	return true;
}

/* Fills in what is asked for; false and errno where it makes no sense. */
static bool understand(struct allocation *alloc, size_t size)
{
	const char *strict = getenv("NUMAPIN_STRICT");

	if (strict && strcmp(strict, "") && strcmp(strict, "0"))
		alloc->flags |= NUMAPIN_STRICT;

	if (alloc->node < 0)
		return misuse("the node is negative");
	if (!size)
		return misuse("the size is 0");
	if (alloc->flags & ~FLAGS)
		return misuse("there is an unknown flag");
	if ((alloc->flags & NUMAPIN_HUGE) && (alloc->flags & NUMAPIN_NO_HUGE))
		return misuse("NUMAPIN_HUGE and NUMAPIN_NO_HUGE exclude each other");
	if ((alloc->flags & NUMAPIN_SHARED) && (alloc->flags & NUMAPIN_RESERVE))
		return misuse("NUMAPIN_SHARED and NUMAPIN_RESERVE exclude each other");
	if ((alloc->flags & NUMAPIN_HUGE) && size % huge_size())
		return misuse("NUMAPIN_HUGE, and a size no multiple of 2 MiB (of 4 KiB pages)");

	if (alloc->parts && !understand_parts(alloc))
		return false;

	alloc->bytes = (size + page_size() - 1) & ~(page_size() - 1);
	if (!alloc->bytes) {
		alloc->bytes = size;
		decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
		report_refusal(alloc, ENOMEM);
		return false;
	}
	return true;
}

/* The weakest outcome that will do */
static enum numapin_outcome weakest(unsigned int flags)
{
	if (flags & NUMAPIN_REGION)
		return NUMAPIN_PINNED;
	return flags & NUMAPIN_STRICT ? NUMAPIN_BOUND : NUMAPIN_UNBOUND;
}

/* The backend that the environment forces; NULL: none, and errno if it is no backend's name. */
static const struct backend *forced_backend(void)
{
	const char *name = getenv("NUMAPIN_BACKEND");
	size_t i;

	errno = 0;
	if (!name || !*name)
		return NULL;
	for (i = 0; i < NR_BACKENDS; i++)
		if (!strcmp(name, backends[i]->name))
			return backends[i];
	misuse("NUMAPIN_BACKEND is none of module, mbind and none");
	return NULL;
}

/*
 * Tries the backends in order. Returns the one that gave memory, or NULL and
 * errno. alloc->reason is then why none did, or why those before it did not.
 */
static const struct backend *try_backends(struct allocation *alloc, bool quiet)
{
	const struct backend *forced = forced_backend();
	enum numapin_reason module_reason = NUMAPIN_REASON_NONE;
	const struct backend *backend;
	enum verdict verdict;
	size_t i;

	if (!forced && errno)
		return NULL;
	if (forced && forced != &backend_module)
		decline(alloc, ABSENT, EOPNOTSUPP, NUMAPIN_REASON_FORCED);
	for (i = 0; i < NR_BACKENDS; i++) {
		backend = backends[i];
		if (forced && backend != forced)
			continue;
		/* What errno and the reason say is the last absent backend's. */
		if (backend->outcome < weakest(alloc->flags))
			break;
		verdict = backend->alloc(alloc);
		if (verdict == GRANTED) {
			if (!quiet)
				warn_unpinned(alloc, backend->outcome, module_reason);
			return backend;
		}
		if (verdict == REFUSED)
			break;
		if (backend == &backend_module)
			module_reason = alloc->reason;
	}
	report_refusal(alloc, errno);
	return NULL;
}

static void write_receipt(struct numapin_receipt *receipt, const struct allocation *alloc,
			  const struct backend *backend)
{
	if (!receipt)
		return;
	memset(receipt, 0, sizeof(*receipt));
	receipt->node = alloc->node;
	receipt->reason = alloc->reason;
	if (backend) {
		receipt->outcome = backend->outcome;
		receipt->shared = !!(alloc->flags & NUMAPIN_SHARED);
		receipt->bytes = alloc->bytes;
		receipt->huge_bytes = alloc->huge_bytes;
	} else {
		receipt->available = alloc->available;
	}
}

static void *allocate(struct allocation *alloc, size_t size, struct numapin_receipt *receipt)
{
	const struct backend *backend = NULL;
	struct record *record = NULL;
	int error;

	if (!understand(alloc, size))
		goto refused;
	record = malloc(sizeof(*record));
	if (!record) {
		decline(alloc, REFUSED, ENOMEM, NUMAPIN_REASON_NO_MEMORY);
		report_refusal(alloc, ENOMEM);
		goto refused;
	}
	backend = try_backends(alloc, false);
	if (!backend)
		goto refused;

	record->addr = alloc->addr;
	record->size = size;
	record->bytes = alloc->bytes;
	record->backend = backend;
	record->slab = alloc->slab;
	registry_add(record);
	write_receipt(receipt, alloc, backend);
	return alloc->addr;

refused:
	error = errno;
	write_receipt(receipt, alloc, NULL);
	free(record);
	errno = error;
	return NULL;
}

PUBLIC void *numapin_alloc(int node, size_t size, unsigned int flags,
			   struct numapin_receipt *receipt)
{
	struct allocation alloc = { .node = node, .flags = flags };

	return allocate(&alloc, size, receipt);
}

PUBLIC void *numapin_alloc_striped(const struct numapin_part *parts, size_t count, size_t size,
				   unsigned int flags, struct numapin_receipt *receipt)
{
	struct allocation alloc = {
		.node = count ? parts[0].node : 0,
		.parts = parts,
		.nr_parts = count,
		.flags = flags,
	};

	return allocate(&alloc, size, receipt);
}

PUBLIC int numapin_part_node(const struct numapin_part *parts, size_t count, size_t page)
{
	unsigned long long turn = 0;
	size_t i;

	for (i = 0; i < count; i++)
		turn += parts[i].weight;
	if (!turn) {
		errno = EINVAL;
		return -1;
	}
	page %= turn;
	for (i = 0; page >= parts[i].weight; i++)
		page -= parts[i].weight;
	return parts[i].node;
}

PUBLIC void *allocate_on_node(int node, size_t size)
{
	return numapin_alloc(node, size, 0, NULL);
}

PUBLIC int free_numa_memory(void *ptr, size_t size)
{
	struct record *record;
	int rc;

	if (!ptr)
		return 0;
	record = registry_take(ptr, size);
	if (!record) {
		errno = EINVAL;
		return -1;
	}
	rc = record->backend->free(record);
	if (rc)
		registry_add(record);
	else
		free(record);
	return rc;
}

PUBLIC int numapin_probe(int node, unsigned int flags, struct numapin_receipt *receipt)
{
	struct allocation alloc = { .node = node, .flags = flags };
	const struct backend *backend = NULL;
	struct record record;

	if (understand(&alloc, flags & NUMAPIN_HUGE ? huge_size() : 1))
		backend = try_backends(&alloc, true);
	write_receipt(receipt, &alloc, backend);
	if (!backend)
		return -1;
	record = (struct record){ .addr = alloc.addr, .bytes = alloc.bytes, .slab = alloc.slab };
	return backend->free(&record);
}

PUBLIC unsigned int numapin_version(void)
{
	return NUMAPIN_VERSION;
}

/* Asks a backend for the nodes of pages: 0, or -1 and errno. */
static int locate(const struct backend *backend, const char *addr, size_t count, int *nodes)
{
	if (backend->locate)
		return backend->locate(addr, count, nodes);
	errno = ENOSYS;
	return -1;
}

PUBLIC long numapin_locate(const void *addr, size_t size, int *nodes, size_t count)
{
	const size_t page = page_size();
	uintptr_t first = (uintptr_t)addr & ~(page - 1);
	uintptr_t last = (uintptr_t)addr + size - 1;
	size_t pages;
	int error;

	if (!size || last < (uintptr_t)addr) {
		errno = EINVAL;
		return -1;
	}
	pages = (last - first) / page + 1;
	if (pages > count) {
		errno = ERANGE;
		return -1;
	}
	/* The kernel's own call first: the module is not its own best witness. */
	if (!locate(&backend_mbind, (const char *)first, pages, nodes))
		return (long)pages;
	error = errno;
	if (error == EPERM || error == ENOSYS) {
		if (!locate(&backend_module, (const char *)first, pages, nodes))
			return (long)pages;
		if (errno != ENODEV)
			error = errno;
	}
	errno = error;
	return -1;
}
