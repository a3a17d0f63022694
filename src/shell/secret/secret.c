/* SPDX-License-Identifier: Apache-2.0 */
/* Places and mappings, fenced by pages that cannot be touched. */
#include "shell/secret/secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"

#define ALIGNMENT 16

/* One secret's pages, the fences not counted. */
struct room {
	uint8_t *pages;
	size_t pages_len;
	uint8_t *at; /* the secret, which ends where the pages do; NULL: free */
	size_t len;
	bool is_tried, is_locked;
};

static struct pool {
	pid_t owner; /* in a child of it the places are wiped and unlocked */
	struct room places[SECRET_PLACES];
	struct room large[SECRET_LARGE_MAX];
	char why[sizeof(((struct secret_description *)NULL)->why)];
} pool;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t page_len;

/* ---- pages ---- */

/* n rooms of len bytes, with a fence before the first and behind each. */
static uint8_t *map_fenced(size_t n, size_t len)
{
	size_t whole = page_len + n * (len + page_len);
	uint8_t *at = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		uint8_t *pages = at + page_len + i * (len + page_len);

		if (mprotect(pages, len, PROT_READ | PROT_WRITE) < 0) {
			(void)munmap(at, whole);
			return NULL;
		}
		(void)madvise(pages, len, MADV_DONTDUMP);
		(void)madvise(pages, len, MADV_WIPEONFORK);
	}
	return at;
}

static void lock_pages(struct room *r)
{
	struct rlimit limit = { 0 };

	if (r->is_tried)
		return;
	r->is_tried = true;
	r->is_locked = mlock(r->pages, r->pages_len) == 0;
	if (r->is_locked)
		return;
	(void)snprintf(pool.why, sizeof(pool.why), "%s", strerror(errno));
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		(void)snprintf(pool.why, sizeof(pool.why),
			       "mlock() is refused; at most %llu KiB may be locked here",
			       (unsigned long long)limit.rlim_cur / 1024);
}

/* ---- rooms ---- */

static void *put_into(struct room *r, size_t len)
{
	lock_pages(r);
	r->len = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	r->at = r->pages + r->pages_len - r->len;
	return r->at;
}

static int make_places(void)
{
	uint8_t *at = map_fenced(SECRET_PLACES, SECRET_PLACE_LEN);

	if (!at)
		return -ENOMEM;
	memset(&pool, 0, sizeof(pool));
	pool.owner = getpid();
	for (size_t i = 0; i < SECRET_PLACES; i++) {
		pool.places[i].pages = at + page_len + i * (SECRET_PLACE_LEN + page_len);
		pool.places[i].pages_len = SECRET_PLACE_LEN;
	}
	return 0;
}

static void *alloc_place(size_t len)
{
	for (size_t i = 0; i < SECRET_PLACES; i++)
		if (!pool.places[i].at)
			return put_into(&pool.places[i], len);
	return NULL;
}

static void *alloc_large(size_t len)
{
	size_t pages_len = (len + page_len - 1) / page_len * page_len;
	uint8_t *at;

	for (size_t i = 0; i < SECRET_LARGE_MAX; i++) {
		if (pool.large[i].at)
			continue;
		at = map_fenced(1, pages_len);
		if (!at)
			return NULL;
		pool.large[i] = (struct room){ .pages = at + page_len, .pages_len = pages_len };
		return put_into(&pool.large[i], len);
	}
	return NULL;
}

static void *alloc(size_t len)
{
	void *at = NULL;

	if (len == 0)
		len = 1;
	if (len > SECRET_LARGE_LEN)
		return NULL;
	(void)pthread_mutex_lock(&mutex);
	if (pool.owner == getpid() || make_places() == 0) {
		at = len <= SECRET_PLACE_LEN ? alloc_place(len) : NULL;
		if (!at)
			at = alloc_large(len);
	}
	(void)pthread_mutex_unlock(&mutex);
	return at;
}

static struct room *find(struct room *rooms, size_t n, const void *p)
{
	for (size_t i = 0; i < n; i++)
		if (rooms[i].at == p)
			return &rooms[i];
	return NULL;
}

static bool give_back(void *p)
{
	struct room *place;
	struct room *large;

	(void)pthread_mutex_lock(&mutex);
	place = find(pool.places, SECRET_PLACES, p);
	large = find(pool.large, SECRET_LARGE_MAX, p);
	if (place) {
		bytes_wipe(place->at, place->len);
		place->at = NULL;
	} else if (large) {
		bytes_wipe(large->at, large->len);
		(void)munmap(large->pages - page_len, large->pages_len + 2 * page_len);
		*large = (struct room){ 0 };
	}
	(void)pthread_mutex_unlock(&mutex);
	return place || large;
}

/* ---- for the program ---- */

int secret_open(void)
{
	static const struct secret_memory memory = { .alloc = alloc, .free = give_back };
	int r = 0;

	(void)pthread_mutex_lock(&mutex);
	page_len = (size_t)sysconf(_SC_PAGESIZE);
	if (pool.owner != getpid())
		r = make_places();
	if (r == 0)
		secret_memory_use(&memory);
	(void)pthread_mutex_unlock(&mutex);
	return r;
}

static void add_up(const struct room *rooms, size_t n, struct secret_description *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret->n_held += rooms[i].at != NULL;
		if (rooms[i].is_tried)
			*(rooms[i].is_locked ? &ret->locked_bytes : &ret->unlocked_bytes) +=
				rooms[i].pages_len;
	}
}

void secret_describe(struct secret_description *ret)
{
	*ret = (struct secret_description){ 0 };
	(void)pthread_mutex_lock(&mutex);
	if (pool.owner == getpid()) {
		add_up(pool.places, SECRET_PLACES, ret);
		add_up(pool.large, SECRET_LARGE_MAX, ret);
		memcpy(ret->why, pool.why, sizeof(ret->why));
	}
	(void)pthread_mutex_unlock(&mutex);
}
