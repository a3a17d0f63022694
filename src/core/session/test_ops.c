/* SPDX-License-Identifier: Apache-2.0 */
/* Toy cryptography out of SipHash: every function is deterministic and both ends agree. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "core/session/test_ops.h"

#define SEEN_SIZE (1U << 16) /* pairs between two test_ops_forget_nonces(), at most half of it */

struct aead {
	uint8_t key[AEAD_KEY_LEN];
};

struct seen {
	uint8_t pair[16];
	unsigned round;
};

static struct seen seen[SEEN_SIZE];
static unsigned seen_round = 1;
static unsigned n_seen;
static unsigned n_aeads;

void test_ops_forget_nonces(void)
{
	seen_round++;
	n_seen = 0;
}

unsigned test_ops_aeads(void)
{
	return n_aeads;
}

static const uint8_t zero_key[16];

static void hash32(const uint8_t key[16], const struct span *parts, size_t n, uint8_t ret[32])
{
	uint8_t other[16];

	for (unsigned i = 0; i < 16; i++)
		other[i] = key[i] ^ 0x5c;
	siphash128(key, parts, n, ret);
	siphash128(other, parts, n, ret + 16);
}

static void toy_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	hash32(zero_key, parts, n, ret);
}

static void toy_hmac(struct span key, const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	uint8_t k[16];
	uint8_t result[SHA256_LEN];

	siphash128(zero_key, &key, 1, k);
	hash32(k, parts, n, result);
	memcpy(ret, result, sizeof(result)); /* ret may be one of the parts */
}

/* The public key is the secret's complement; the shared secret a hash of both public keys. */
static int toy_x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN])
{
	for (unsigned i = 0; i < X25519_LEN; i++)
		ret[i] = (uint8_t)~secret[i];
	return 0;
}

static int toy_x25519(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
		      uint8_t ret[X25519_LEN])
{
	static const uint8_t zeros[X25519_LEN];
	uint8_t own[X25519_LEN];
	bool is_less;

	if (memcmp(peer, zeros, X25519_LEN) == 0)
		return -EKEYREJECTED;
	(void)toy_x25519_public(secret, own);
	is_less = memcmp(own, peer, X25519_LEN) < 0;
	const struct span parts[] = { SPAN(is_less ? own : peer, X25519_LEN),
				      SPAN(is_less ? peer : own, X25519_LEN) };

	toy_sha256(parts, 2, ret);
	return 0;
}

static int toy_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
		      uint8_t ret_dk[MLKEM768_DK_LEN])
{
	memset(ret_ek, 0x11, MLKEM768_EK_LEN);
	memcpy(ret_ek, d, 32);
	ret_ek[0] &= 0x7f;
	memset(ret_dk, 0x22, MLKEM768_DK_LEN);
	memcpy(ret_dk, ret_ek, 32);
	memcpy(ret_dk + 32, z, 32);
	return 0;
}

static void toy_secret(const uint8_t ek[32], const uint8_t m[32], uint8_t ret[32])
{
	const struct span parts[] = { SPAN(ek, 32), SPAN(m, 32) };

	toy_sha256(parts, 2, ret);
}

/* An ek whose first bit is set stands for one that fails the modulus check. */
static int toy_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
		      uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN])
{
	if (ek[0] & 0x80)
		return -EKEYREJECTED;
	memset(ret_ct, 0x33, MLKEM768_CT_LEN);
	for (unsigned i = 0; i < 32; i++)
		ret_ct[i] = m[i] ^ ek[i];
	toy_secret(ek, m, ret_ss);
	return 0;
}

static int toy_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
		      uint8_t ret_ss[MLKEM768_SS_LEN])
{
	uint8_t m[32];

	for (unsigned i = 0; i < 32; i++)
		m[i] = ct[i] ^ dk[i];
	toy_secret(dk, m, ret_ss);
	return 0;
}

static struct aead *toy_aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	struct aead *a = malloc(sizeof(*a));

	(void)alg;
	if (!a)
		return NULL;
	memcpy(a->key, key, sizeof(a->key));
	n_aeads++;
	return a;
}

static void toy_aead_free(struct aead *a)
{
	n_aeads--;
	free(a);
}

static void check_nonce_is_new(const struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN])
{
	const struct span parts[] = { SPAN_OF(a->key), SPAN(nonce, AEAD_NONCE_LEN) };
	uint8_t pair[16];
	size_t at;

	siphash128(zero_key, parts, 2, pair);
	assert(++n_seen < SEEN_SIZE / 2);
	for (at = load_u32(pair) % SEEN_SIZE; seen[at].round == seen_round;
	     at = (at + 1) % SEEN_SIZE) {
		if (memcmp(seen[at].pair, pair, 16) == 0) {
			(void)fprintf(stderr, "one key sealed twice under one nonce\n");
			abort();
		}
	}
	seen[at].round = seen_round;
	memcpy(seen[at].pair, pair, 16);
}

static void toy_stream(const struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span text,
		       uint8_t *ret)
{
	uint8_t pad[16] = { 0 };

	for (size_t i = 0; i < text.len; i++) {
		if (i % 16 == 0) {
			uint8_t block[4];

			store_u32(block, (uint32_t)i);
			const struct span parts[] = { SPAN(nonce, AEAD_NONCE_LEN), SPAN_OF(block) };

			siphash128(a->key, parts, 2, pad);
		}
		ret[i] = text.at[i] ^ pad[i % 16];
	}
}

static void toy_tag(const struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
		    struct span sealed, uint8_t ret[AEAD_TAG_LEN])
{
	uint8_t len[4];

	store_u32(len, (uint32_t)ad.len);
	const struct span parts[] = { SPAN(nonce, AEAD_NONCE_LEN), SPAN_OF(len), ad, sealed };

	siphash128(a->key + 16, parts, 4, ret);
}

static int toy_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
		    struct span text, uint8_t *ret)
{
	check_nonce_is_new(a, nonce);
	toy_stream(a, nonce, text, ret);
	toy_tag(a, nonce, ad, SPAN(ret, text.len), ret + text.len);
	return 0;
}

static int toy_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
		    struct span text, uint8_t *ret)
{
	struct span sealed = SPAN(text.at, text.len - AEAD_TAG_LEN);
	uint8_t tag[AEAD_TAG_LEN];

	toy_tag(a, nonce, ad, sealed, tag);
	if (!bytes_equal_ct(tag, text.at + sealed.len, AEAD_TAG_LEN))
		return -EKEYREJECTED;
	toy_stream(a, nonce, sealed, ret);
	return 0;
}

const struct crypto_ops test_ops = {
	.name = "test",
	.sha256 = toy_sha256,
	.hmac_sha256 = toy_hmac,
	.x25519_public = toy_x25519_public,
	.x25519 = toy_x25519,
	.mlkem768_keygen = toy_keygen,
	.mlkem768_encaps = toy_encaps,
	.mlkem768_decaps = toy_decaps,
	.aead_new = toy_aead_new,
	.aead_free = toy_aead_free,
	.aead_seal = toy_seal,
	.aead_open = toy_open,
};

static void fill(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(arg);
}

struct entropy test_entropy(struct rng *rng)
{
	return (struct entropy){ .fill = fill, .arg = rng };
}
