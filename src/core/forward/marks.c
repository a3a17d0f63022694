/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of hashes, each with the second it was put in. */
#include "core/forward/marks.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/units.h"

#define BUCKET 8
#define N_BUCKETS (MARKS_MAX / BUCKET)

struct bucket {
	_Atomic uint64_t hashes[BUCKET]; /* 0: free */
	_Atomic uint32_t put_s[BUCKET];
	_Atomic uint32_t used_s[BUCKET];
};

struct marks {
	uint8_t key[16];
	struct bucket buckets[N_BUCKETS];
};

int marks_new(const uint8_t hash_key[16], struct marks **ret)
{
	struct marks *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	memcpy(m->key, hash_key, sizeof(m->key));
	*ret = m;
	return 0;
}

void marks_free(struct marks *m)
{
	free(m);
}

static uint64_t hash_of(const struct marks *m, enum mark_direction d, const struct inner *i)
{
	uint8_t bytes[38];
	struct span part = SPAN_OF(bytes);
	uint64_t hash;

	memcpy(bytes, i->source, 16);
	memcpy(bytes + 16, i->destination, 16);
	store_u16(bytes + 32, i->source_port);
	store_u16(bytes + 34, i->destination_port);
	bytes[36] = i->protocol;
	bytes[37] = (uint8_t)d;
	hash = siphash64(m->key, &part, 1);
	return hash ? hash : 1;
}

static uint32_t second_of(uint64_t now_us)
{
	return (uint32_t)(now_us / US_PER_S);
}

static uint32_t age_s(const struct bucket *b, unsigned at, uint32_t now_s)
{
	uint32_t put_s = atomic_load_explicit(&b->put_s[at], memory_order_relaxed);

	return (int32_t)(now_s - put_s) < 0 ? 0 : now_s - put_s; /* the owner's clock is ahead */
}

/* BUCKET: it is not there. */
static unsigned find(const struct bucket *b, uint64_t hash)
{
	unsigned at = 0;

	while (at < BUCKET && atomic_load_explicit(&b->hashes[at], memory_order_acquire) != hash)
		at++;
	return at;
}

bool marks_has(struct marks *m, enum mark_direction d, const struct inner *i, uint64_t now_us)
{
	uint64_t hash = hash_of(m, d, i);
	struct bucket *b = &m->buckets[hash % N_BUCKETS];
	uint32_t now_s = second_of(now_us);
	unsigned at = find(b, hash);

	if (at == BUCKET || age_s(b, at, now_s) >= MARK_US / US_PER_S)
		return false;
	/* Once a second: threads would take the line from each other for each packet. */
	if (atomic_load_explicit(&b->used_s[at], memory_order_relaxed) != now_s)
		atomic_store_explicit(&b->used_s[at], now_s, memory_order_relaxed);
	return true;
}

bool marks_used_since(const struct marks *m, enum mark_direction d, const struct inner *i,
		      uint64_t since_us)
{
	uint64_t hash = hash_of(m, d, i);
	const struct bucket *b = &m->buckets[hash % N_BUCKETS];
	unsigned at = find(b, hash);

	return at < BUCKET && (int32_t)(atomic_load_explicit(&b->used_s[at], memory_order_relaxed) -
					second_of(since_us)) > 0;
}

void marks_drop(struct marks *m, enum mark_direction d, const struct inner *i)
{
	uint64_t hash = hash_of(m, d, i);
	struct bucket *b = &m->buckets[hash % N_BUCKETS];
	unsigned at = find(b, hash);

	if (at < BUCKET)
		atomic_store_explicit(&b->hashes[at], 0, memory_order_release);
}

void marks_put(struct marks *m, enum mark_direction d, const struct inner *i, uint64_t now_us)
{
	uint64_t hash = hash_of(m, d, i);
	struct bucket *b = &m->buckets[hash % N_BUCKETS];
	uint32_t now_s = second_of(now_us), oldest_s = 0;
	unsigned best = 0;

	for (unsigned at = 0; at < BUCKET; at++) {
		uint64_t is = atomic_load_explicit(&b->hashes[at], memory_order_relaxed);
		uint32_t age = is ? age_s(b, at, now_s) : UINT32_MAX;

		if (is == hash) {
			best = at;
			break;
		}
		if (age > oldest_s) {
			oldest_s = age;
			best = at;
		}
	}
	atomic_store_explicit(&b->put_s[best], now_s, memory_order_relaxed);
	atomic_store_explicit(&b->used_s[best], now_s, memory_order_relaxed);
	atomic_store_explicit(&b->hashes[best], hash, memory_order_release);
}

void marks_clear(struct marks *m)
{
	for (unsigned i = 0; i < N_BUCKETS; i++)
		for (unsigned at = 0; at < BUCKET; at++)
			atomic_store_explicit(&m->buckets[i].hashes[at], 0, memory_order_release);
}
