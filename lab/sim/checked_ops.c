/* SPDX-License-Identifier: Apache-2.0 */
/* Checks nonces and ages of keys, a set of (key, nonce) hashes over a whole run, and remembers
 * certificates. */
#include "sim/checked_ops.h"

#include <assert.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/units.h"

/* 128-bit hashes, so that a chance collision is no worry; a table of this many, doubled when
 * half full. Nonces that differ in their last bits alone share an entry: those of a session count
 * up, so that the table stays small enough for a cache. */
#define SET_MIN (1U << 12)
#define SHARED_BITS 63

/* In the time of a node whose clock is slow by 100 ppm and more. */
#define SEALS_FOR_US (SECONDS(170) + MS(100))
#define OPENS_FOR_US (SECONDS(180) + MS(100))

struct aead {
	struct aead *base;
	uint64_t made_us;
	uint8_t key_hash[16];
};

struct seen {
	uint64_t a;
	uint64_t b;
	uint64_t nonces; /* a bit for each value of the last bits */
};

static struct crypto_ops table;
static const struct crypto_ops *base;
static struct seen *set;
static size_t set_size, set_used;
static uint64_t n_seals, n_reuses, n_too_old, now_us;

static void grow(void)
{
	size_t old_size = set_size;
	struct seen *old = set;

	set_size = old_size ? 2 * old_size : SET_MIN;
	set = calloc(set_size, sizeof(*set));
	assert(set);
	for (size_t i = 0; i < old_size; i++) {
		size_t at = old[i].a & (set_size - 1);

		if (!old[i].a && !old[i].b)
			continue;
		while (set[at].a || set[at].b)
			at = (at + 1) & (set_size - 1);
		set[at] = old[i];
	}
	free(old);
}

static void remember(const struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN])
{
	uint64_t bit = UINT64_C(1) << (nonce[AEAD_NONCE_LEN - 1] & SHARED_BITS);
	uint8_t block[AEAD_NONCE_LEN], hash[16];
	const struct span part = SPAN_OF(block);
	struct seen s;

	memcpy(block, nonce, AEAD_NONCE_LEN);
	block[AEAD_NONCE_LEN - 1] &= (uint8_t)~SHARED_BITS;
	siphash128(a->key_hash, &part, 1, hash);
	s = (struct seen){ .a = load_u64(hash), .b = load_u64(hash + 8), .nonces = bit };
	if (2 * set_used >= set_size)
		grow();
	for (size_t at = s.a & (set_size - 1);; at = (at + 1) & (set_size - 1)) {
		if (set[at].a == s.a && set[at].b == s.b) {
			n_reuses += (set[at].nonces & bit) != 0;
			set[at].nonces |= bit;
			return;
		}
		if (set[at].a || set[at].b)
			continue;
		set[at] = s;
		set_used++;
		return;
	}
}

static struct aead *checked_aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	static const uint8_t hash_key[16] = "key hash for set";
	const struct span part = SPAN(key, AEAD_KEY_LEN);
	struct aead *a = malloc(sizeof(*a));

	if (!a)
		return NULL;
	a->made_us = now_us;
	a->base = base->aead_new(alg, key);
	siphash128(hash_key, &part, 1, a->key_hash);
	if (!a->base) {
		free(a);
		return NULL;
	}
	return a;
}

static void checked_aead_free(struct aead *a)
{
	if (!a)
		return;
	base->aead_free(a->base);
	free(a);
}

static int checked_aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			     struct span text, uint8_t *ret)
{
	n_seals++;
	n_too_old += now_us > a->made_us + SEALS_FOR_US;
	remember(a, nonce);
	return base->aead_seal(a->base, nonce, ad, text, ret);
}

static int checked_aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			     struct span text, uint8_t *ret)
{
	int r = base->aead_open(a->base, nonce, ad, text, ret);

	n_too_old += r >= 0 && now_us > a->made_us + OPENS_FOR_US;
	return r;
}

/* ---- certificates seen before ---- */

#define SEEN_CERTS_MAX 2048

static struct seen_cert {
	bool is_used;
	uint8_t hash[SHA256_LEN];
	int r;
	struct cert cert;
} * certs;

static struct seen_path {
	bool is_used;
	uint8_t hash[SHA256_LEN];
	int r;
	const char *reason;
} * paths;

static size_t place(const uint8_t hash[SHA256_LEN])
{
	return load_u32(hash) % SEEN_CERTS_MAX;
}

static int checked_cert_read(struct span der, struct cert *ret)
{
	uint8_t hash[SHA256_LEN];
	struct seen_cert *s;

	base->sha256(&der, 1, hash);
	s = &certs[place(hash)];
	if (!s->is_used || memcmp(s->hash, hash, SHA256_LEN) != 0) {
		memcpy(s->hash, hash, SHA256_LEN);
		s->r = base->cert_read(der, &s->cert);
		s->is_used = true;
	}
	if (s->r == 0) {
		*ret = s->cert;
		ret->der = der;
	}
	return s->r;
}

static int checked_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			       size_t n_roots, int64_t unix_s, const char **ret_reason)
{
	struct span parts[64];
	uint8_t hash[SHA256_LEN];
	struct seen_path *s;
	size_t n = 0;

	if (n_chain + n_roots + 1 > sizeof(parts) / sizeof(parts[0]))
		return base->path_verify(chain, n_chain, roots, n_roots, unix_s, ret_reason);
	for (size_t i = 0; i < n_chain; i++)
		parts[n++] = chain[i];
	for (size_t i = 0; i < n_roots; i++)
		parts[n++] = roots[i];
	parts[n++] = SPAN(&unix_s, sizeof(unix_s));
	base->sha256(parts, n, hash);
	s = &paths[place(hash)];
	if (!s->is_used || memcmp(s->hash, hash, SHA256_LEN) != 0) {
		memcpy(s->hash, hash, SHA256_LEN);
		s->r = base->path_verify(chain, n_chain, roots, n_roots, unix_s, &s->reason);
		s->is_used = true;
	}
	*ret_reason = s->reason;
	return s->r;
}

const struct crypto_ops *checked_ops(const struct crypto_ops *ops)
{
	if (!certs) {
		certs = calloc(SEEN_CERTS_MAX, sizeof(*certs));
		paths = calloc(SEEN_CERTS_MAX, sizeof(*paths));
	}
	assert(certs && paths);
	if (base != ops) {
		memset(certs, 0, SEEN_CERTS_MAX * sizeof(*certs));
		memset(paths, 0, SEEN_CERTS_MAX * sizeof(*paths));
	}
	base = ops;
	table = *ops;
	table.aead_new = checked_aead_new;
	table.aead_free = checked_aead_free;
	table.aead_seal = checked_aead_seal;
	table.aead_open = checked_aead_open;
	table.cert_read = checked_cert_read;
	table.path_verify = checked_path_verify;
	return &table;
}

void checked_ops_reset(void)
{
	free(set);
	set = NULL;
	set_size = set_used = 0;
	n_seals = n_reuses = n_too_old = now_us = 0;
}

uint64_t checked_ops_seals(void)
{
	return n_seals;
}

uint64_t checked_ops_reuses(void)
{
	return n_reuses;
}

void checked_ops_time(uint64_t true_now_us)
{
	now_us = true_now_us;
}

uint64_t checked_ops_too_old(void)
{
	return n_too_old;
}
