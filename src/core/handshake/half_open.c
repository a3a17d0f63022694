/* SPDX-License-Identifier: Apache-2.0 */
/* The table of handshakes under way, its limits, and the memory of M1 already answered. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

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

/* ---- crowds ---- */

static void crowd_add(struct crowd *c, struct handshake *hs, enum crowd_level level)
{
	hs->crowd[level] = c;
	hs->older[level] = c->newest;
	hs->newer[level] = NULL;
	if (c->newest)
		c->newest->newer[level] = hs;
	else
		c->oldest = hs;
	c->newest = hs;
	c->n++;
}

static void crowd_remove(struct handshake *hs, enum crowd_level level)
{
	struct crowd *c = TAKE(hs->crowd[level]);

	if (hs->older[level])
		hs->older[level]->newer[level] = hs->newer[level];
	else
		c->oldest = hs->newer[level];
	if (hs->newer[level])
		hs->newer[level]->older[level] = hs->older[level];
	else
		c->newest = hs->older[level];
	c->n--;
}

static void crowd_key(const struct hs_path *path, enum crowd_level level, uint8_t ret[PATH_KEY_LEN])
{
	struct path_key key;

	memset(ret, 0, PATH_KEY_LEN);
	switch (level) {
	case CROWD_SOURCE:
		path_key_of(path, &key);
		memcpy(ret, key.bytes, PATH_KEY_LEN);
		break;
	case CROWD_HOST:
		(void)path_host(path, ret);
		break;
	case CROWD_NETWORK:
		(void)path_network(path, ret);
		break;
	case CROWD_PREFIX:
		(void)path_prefix(path, ret);
		break;
	case N_CROWDS:
		break;
	}
}

static struct crowd *crowd_of(const struct handshakes *h, const struct hs_path *path,
			      enum crowd_level level)
{
	uint8_t key[PATH_KEY_LEN];

	crowd_key(path, level, key);
	return map_get(h->crowds[level], key);
}

static struct crowd *crowd_make(struct handshakes *h, const struct hs_path *path,
				enum crowd_level level)
{
	struct crowd *c = crowd_of(h, path, level);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	crowd_key(path, level, c->key);
	if (map_put(h->crowds[level], c->key, c) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void leave_crowds(struct handshakes *h, struct handshake *hs)
{
	bool is_half_open = hs->state == R_M1 || hs->state == R_M2;

	if (is_half_open && hs->crowd[CROWD_SOURCE])
		h->n_half_open--;
	for (unsigned i = 0; i < N_CROWDS; i++) {
		struct crowd *c = hs->crowd[i];

		if (!c)
			continue;
		crowd_remove(hs, (enum crowd_level)i);
		if (c->n == 0 && c != &h->finished && c != &h->ours) {
			(void)map_remove(h->crowds[i], c->key);
			free(c);
		}
	}
}

static int join_crowds(struct handshakes *h, struct handshake *hs)
{
	struct crowd *c[N_CROWDS];

	for (unsigned i = 0; i < N_CROWDS; i++) {
		c[i] = crowd_make(h, &hs->path, (enum crowd_level)i);
		if (c[i])
			continue;
		while (i-- > 0)
			if (c[i]->n == 0) {
				(void)map_remove(h->crowds[i], c[i]->key);
				free(c[i]);
			}
		return -ENOMEM;
	}
	for (unsigned i = 0; i < N_CROWDS; i++)
		crowd_add(c[i], hs, (enum crowd_level)i);
	h->n_half_open++;
	return 0;
}

void attempt_joins(struct handshakes *h, struct handshake *hs)
{
	crowd_add(&h->ours, hs, CROWD_SOURCE);
}

void half_open_finished(struct handshakes *h, struct handshake *hs, enum hs_state state)
{
	leave_crowds(h, hs);
	handshake_to(hs, state);
	crowd_add(&h->finished, hs, CROWD_SOURCE);
}

/* ---- the table ---- */

void handshake_free(struct handshakes *h, struct handshake *hs)
{
	struct source_key source = source_key_of(&hs->key, hs->remote_index);

	(void)map_remove(h->by_index, &hs->local_index);
	if (!hs->is_initiator && map_get(h->by_source, &source) == hs)
		(void)map_remove(h->by_source, &source);
	leave_crowds(h, hs);
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

static bool is_of_greater(const struct handshake *a, const struct handshake *b)
{
	unsigned n_a = a->crowd[CROWD_NETWORK]->n;
	unsigned n_b = b->crowd[CROWD_NETWORK]->n;

	if (n_a != n_b)
		return n_a > n_b;
	return a->crowd[CROWD_HOST]->n > b->crowd[CROWD_HOST]->n;
}

/* Of a full prefix one of the network goes that has the most, and of that one of the host, so that
 * a flood displaces itself and not its neighbours. */
static struct handshake *oldest_of_greatest(const struct crowd *prefix)
{
	struct handshake *found = prefix->oldest;

	for (struct handshake *hs = found; hs; hs = hs->newer[CROWD_PREFIX])
		if (is_of_greater(hs, found))
			found = hs;
	return found;
}

/* The same of prefixes, where the whole table is full. */
static struct handshake *oldest_of_greatest_prefix(const struct handshakes *h)
{
	struct crowd *greatest = NULL;
	struct crowd *c;
	size_t cursor = 0;

	while ((c = map_next(h->crowds[CROWD_PREFIX], &cursor)))
		if (!greatest || c->n > greatest->n)
			greatest = c;
	return greatest ? oldest_of_greatest(greatest) : NULL;
}

/* The one that has to go before another may come from this path, or NULL. */
static struct handshake *victim(const struct handshakes *h, const struct hs_path *path)
{
	const struct crowd *source = crowd_of(h, path, CROWD_SOURCE);
	const struct crowd *prefix = crowd_of(h, path, CROWD_PREFIX);

	if (source && source->n >= HS_HALF_OPEN_SOURCE_MAX)
		return source->oldest;
	if (prefix && prefix->n >= HS_HALF_OPEN_PREFIX_MAX)
		return oldest_of_greatest(prefix);
	if (h->n_half_open + h->finished.n < HS_HALF_OPEN_MAX)
		return NULL;
	return h->finished.n ? h->finished.oldest : oldest_of_greatest_prefix(h);
}

struct handshake *half_open_new(struct handshakes *h, const struct hs_path *path,
				uint32_t remote_index, uint64_t now_us)
{
	struct handshake *old = victim(h, path);
	struct source_key source;
	struct handshake *hs;

	if (old) {
		if (old->crowd[CROWD_SOURCE] != &h->finished)
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
	if (map_put(h->by_source, &source, hs) < 0 || join_crowds(h, hs) < 0) {
		handshake_free(h, hs);
		return NULL;
	}
	h->deadline_is_known = false;
	return hs;
}

unsigned half_open_warm(const struct handshakes *h, const struct hs_path *path)
{
	const struct crowd *c = crowd_of(h, path, CROWD_HOST);
	unsigned n = 0;

	for (struct handshake *hs = c ? c->oldest : NULL; hs; hs = hs->newer[CROWD_HOST])
		n += hs->cookie_epoch == COOKIE_EPOCH_WARM;
	return n;
}

struct handshake *attempt_on_path(const struct handshakes *h, const struct path_key *key)
{
	for (struct handshake *hs = h->ours.oldest; hs; hs = hs->newer[CROWD_SOURCE])
		if (hs->state != I_M3 && memcmp(&hs->key, key, sizeof(*key)) == 0)
			return hs;
	return NULL;
}

bool e_initiator_is_ours(const struct handshakes *h, const uint8_t e[X25519_LEN])
{
	for (struct handshake *hs = h->ours.oldest; hs; hs = hs->newer[CROWD_SOURCE])
		if (memcmp(hs->x.e_initiator, e, X25519_LEN) == 0)
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
