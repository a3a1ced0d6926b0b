// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which memory is the library's own: a hash table with a lock for each bucket,
 * so that nothing is freed that it did not allocate.
 */
#include <pthread.h>
#include <stdint.h>

#include "internal.h"

/*
 * All locks are held at a fork(), with report.c's and any of the program, and
 * ThreadSanitizer ends a process where one thread holds 64.
 */
#define BUCKET_BITS	5
#define NR_BUCKETS	(1 << BUCKET_BITS)

static struct bucket {
	pthread_mutex_t lock;
	struct record *records;
} buckets[NR_BUCKETS] = {
	[0 ... NR_BUCKETS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static struct bucket *bucket_of(const void *addr)
{
	uint64_t page = (uintptr_t)addr / page_size();

	/* Fibonacci hashing: neighbouring pages fall apart. */
	return &buckets[page * 0x9e3779b97f4a7c15u >> (64 - BUCKET_BITS)];
}

/* The newest record of an address comes first. */
void registry_add(struct record *record)
{
	struct bucket *bucket = bucket_of(record->addr);

	pthread_mutex_lock(&bucket->lock);
	record->next = bucket->records;
	bucket->records = record;
	pthread_mutex_unlock(&bucket->lock);
}

/* The record of memory at @addr that was asked for with @size, or NULL. */
struct record *registry_take(void *addr, size_t size)
{
	struct bucket *bucket = bucket_of(addr);
	struct record **link, *record;

	pthread_mutex_lock(&bucket->lock);
	for (link = &bucket->records; *link; link = &(*link)->next)
		if ((*link)->addr == addr)
			break;
	record = *link;
	if (record && record->size == size)
		*link = record->next;
	else
		record = NULL;
	pthread_mutex_unlock(&bucket->lock);
	return record;
}

static void lock_all(void)
{
	for (int i = 0; i < NR_BUCKETS; i++)
		pthread_mutex_lock(&buckets[i].lock);
}

static void unlock_all(void)
{
	for (int i = 0; i < NR_BUCKETS; i++)
		pthread_mutex_unlock(&buckets[i].lock);
}

/* A child of fork() must not inherit a lock that another thread held. */
__attribute__((constructor)) static void registry_init(void)
{
	at_fork(lock_all, unlock_all);
}
