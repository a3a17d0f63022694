/* SPDX-License-Identifier: Apache-2.0 */
/* The table of handshakes under way, its limits, and the memory of M1 already answered. */
#include "core/handshake/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* M1 in reassembly can never exceed its share: each half-open handshake holds at most one. */
_Static_assert(HS_HALF_OPEN_MAX *M1_LEN <= HS_M1_BYTES_MAX, "memory for M1");

struct source_key {
	uint8_t bytes[PATH_KEY_LEN + 4];
};

static struct source_key source_key_of(const struct path_key *key, uint32_t remote_index)
{
	struct source_key ret;

	memcpy(ret.bytes, key->bytes, PATH_KEY_LEN);
	store_u32(ret.bytes + PATH_KEY_LEN, remote_index);
	return ret;
}

static bool may_follow(enum hs_state from, enum hs_state to)
{
	switch (from) {
	case I_COOKIE:
		return to == I_M1;
	case I_M1:
		return to == I_M3;
	case R_M1:
		return to == R_M2;
	case R_M2:
		return to == R_DONE || to == R_REFUSED;
	case I_M3:
	case R_DONE:
	case R_REFUSED:
		return false;
	}
	return false;
}

void handshake_to(struct handshake *hs, enum hs_state state)
{
	assert(may_follow(hs->state, state));
	hs->state = state;
}

static uint32_t free_index(struct handshakes *h)
{
	for (;;) { /* the tables hold a few thousand of four billion */
		uint8_t bytes[4];
		uint32_t index;

		entropy_fill(&h->entropy, bytes, sizeof(bytes));
		index = load_u32(bytes);
		if (index != 0 && !map_get(h->by_index, &index) &&
		    h->judge->index_is_free(h->judge_arg, index))
			return index;
	}
}

struct handshake *handshake_new(struct handshakes *h, const struct hs_path *path, uint64_t now_us)
{
	struct handshake *hs = calloc(1, sizeof(*hs));

	if (!hs)
		return NULL;
	hs->path = *path;
	path_key_of(path, &hs->key);
	hs->local_index = free_index(h);
	hs->begun_us = now_us;
	hs->resend_us = hs->ack_us = NEVER_US;
	hs->interval_us = RESEND_MIN_US;
	if (map_put(h->by_index, &hs->local_index, hs) < 0) {
		free(hs);
		return NULL;
	}
	return hs;
}

static bool is_half_open(const struct handshake *hs)
{
	return hs->state == R_M1 || hs->state == R_M2;
}

void handshake_free(struct handshakes *h, struct handshake *hs)
{
	struct source_key source = source_key_of(&hs->key, hs->remote_index);

	(void)map_remove(h->by_index, &hs->local_index);
	if (!hs->is_initiator && map_get(h->by_source, &source) == hs)
		(void)map_remove(h->by_source, &source);
	job_forget(h, hs);
	outgoing_done(&hs->out);
	incoming_done(&hs->in);
	if (hs->attempt) {
		h->n_attempts--;
		bytes_wipe(hs->attempt, sizeof(*hs->attempt));
		free(hs->attempt);
	}
	bytes_wipe(hs, sizeof(*hs));
	free(hs);
	h->deadline_is_known = false;
}

struct handshake *handshake_by_source(const struct handshakes *h, const struct path_key *key,
				      uint32_t remote_index)
{
	struct source_key source = source_key_of(key, remote_index);

	return map_get(h->by_source, &source);
}

static bool same_prefix(const struct hs_path *a, const struct hs_path *b)
{
	uint8_t pa[SOURCE_PREFIX_MAX], pb[SOURCE_PREFIX_MAX];
	size_t na = path_prefix(a, pa);
	size_t nb = path_prefix(b, pb);

	return na == nb && memcmp(pa, pb, na) == 0;
}

struct crowd {
	unsigned n;
	struct handshake *oldest;
};

static void count_in(struct crowd *c, struct handshake *hs)
{
	if (c->n++ == 0)
		c->oldest = hs; /* a map walks in the order of insertion */
}

/* The one that has to go before another may come from this path, or NULL. */
static struct handshake *victim(const struct handshakes *h, const struct hs_path *path)
{
	struct crowd source = { 0 }, prefix = { 0 }, all = { 0 }, finished = { 0 };
	struct path_key key;
	struct handshake *hs;
	size_t cursor = 0;

	path_key_of(path, &key);
	while ((hs = map_next(h->by_index, &cursor))) {
		if (hs->is_initiator)
			continue;
		if (!is_half_open(hs)) {
			count_in(&finished, hs);
			continue;
		}
		count_in(&all, hs);
		if (same_prefix(&hs->path, path))
			count_in(&prefix, hs);
		if (memcmp(&hs->key, &key, sizeof(key)) == 0)
			count_in(&source, hs);
	}
	if (source.n >= HS_HALF_OPEN_SOURCE_MAX)
		return source.oldest;
	if (prefix.n >= HS_HALF_OPEN_PREFIX_MAX)
		return prefix.oldest;
	if (all.n + finished.n >= HS_HALF_OPEN_MAX)
		return finished.n ? finished.oldest : all.oldest;
	return NULL;
}

struct handshake *half_open_new(struct handshakes *h, const struct hs_path *path,
				uint32_t remote_index, uint64_t now_us)
{
	struct handshake *old = victim(h, path);
	struct source_key source;
	struct handshake *hs;

	if (old) {
		if (is_half_open(old))
			h->counters.half_open_refused++;
		handshake_free(h, old);
	}
	hs = handshake_new(h, path, now_us);
	if (!hs)
		return NULL;
	hs->state = R_M1;
	hs->in_type = WIRE_M1;
	hs->remote_index = remote_index;
	hs->end_us = now_us + HALF_OPEN_US;
	source = source_key_of(&hs->key, remote_index);
	if (map_put(h->by_source, &source, hs) < 0) {
		handshake_free(h, hs);
		return NULL;
	}
	h->deadline_is_known = false;
	return hs;
}

unsigned half_open_warm(const struct handshakes *h, const struct hs_path *path)
{
	struct handshake *hs;
	size_t cursor = 0;
	unsigned n = 0;

	while ((hs = map_next(h->by_index, &cursor)))
		if (!hs->is_initiator && is_half_open(hs) &&
		    hs->cookie_epoch == COOKIE_EPOCH_WARM && path_same_address(&hs->path, path))
			n++;
	return n;
}

struct handshake *attempt_on_path(const struct handshakes *h, const struct path_key *key)
{
	struct handshake *hs;
	size_t cursor = 0;

	if (h->n_attempts == 0)
		return NULL;
	while ((hs = map_next(h->by_index, &cursor)))
		if (hs->is_initiator && hs->state != I_M3 &&
		    memcmp(&hs->key, key, sizeof(*key)) == 0)
			return hs;
	return NULL;
}

bool e_initiator_is_ours(const struct handshakes *h, const uint8_t e[X25519_LEN])
{
	struct handshake *hs;
	size_t cursor = 0;

	if (h->n_attempts == 0)
		return false;
	while ((hs = map_next(h->by_index, &cursor)))
		if (hs->is_initiator && memcmp(hs->x.e_initiator, e, X25519_LEN) == 0)
			return true;
	return false;
}

/* ---- M1 already answered ---- */

static void hash_e(const struct handshakes *h, const uint8_t e[X25519_LEN], uint8_t ret[SHA256_LEN])
{
	const struct span s = SPAN(e, X25519_LEN);

	h->ops->sha256(&s, 1, ret);
}

bool replay_seen(const struct handshakes *h, const uint8_t e[X25519_LEN])
{
	uint8_t hash[SHA256_LEN];

	hash_e(h, e, hash);
	return map_get(h->replays, hash) != NULL;
}

int replay_remember(struct handshakes *h, const uint8_t e[X25519_LEN], uint64_t until_us)
{
	uint8_t hash[SHA256_LEN];
	size_t cursor = 0;
	struct replay *r;
	int err;

	hash_e(h, e, hash);
	r = map_remove(h->replays, hash); /* a later expiry goes to the end */
	if (!r)
		r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (map_count(h->replays) >= REPLAYS_MAX) {
		struct replay *oldest = map_next(h->replays, &cursor);

		free(map_remove(h->replays, oldest->hash));
	}
	memcpy(r->hash, hash, SHA256_LEN);
	r->until_us = until_us;
	err = map_put(h->replays, r->hash, r);
	if (err < 0)
		free(r);
	return err;
}

/* From the oldest on: those of one kind of cookie expire in order, and one that rests on a warm
 * cookie only keeps the ones behind it a while longer. */
void replays_expire(struct handshakes *h, uint64_t now_us)
{
	size_t cursor = 0;
	struct replay *r;

	while ((r = map_next(h->replays, &cursor)) && now_us >= r->until_us)
		free(map_remove(h->replays, r->hash));
}
