/* SPDX-License-Identifier: Apache-2.0 */
/* Imitations of the cryptographic functions, out of SipHash. They protect nothing. */
#include "core/crypto/sim_null.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/siphash.h"

#define P61 ((UINT64_C(1) << 61) - 1) /* a Mersenne prime; 3 generates enough of its group */
#define GENERATOR 3
#define MLKEM_Q 3329
#define EK_COEFFICIENTS_LEN 1152 /* the rest of a key is rho */

static const uint8_t hash_key[16] = { 'p', 'r', 'o', 't', 'e', 'c', 't', 's',
				      ' ', 'n', 'o', 't', 'h', 'i', 'n', 'g' };

/* ---- hashes ---- */

static void null_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	uint8_t half[16];
	struct span first = SPAN_OF(half);

	siphash128(hash_key, parts, n, half);
	memcpy(ret, half, sizeof(half));
	siphash128(hash_key, &first, 1, ret + sizeof(half));
}

static void null_hmac(struct span key, const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	uint8_t hashed[SHA256_LEN];
	struct span half = SPAN(ret, 16);

	null_sha256(&key, 1, hashed);
	siphash128(hashed, parts, n, ret);
	siphash128(hashed + 16, &half, 1, ret + 16);
}

/* len bytes that follow from the parts. */
static void expand(const char *label, const struct span *parts, size_t n, uint8_t *ret, size_t len)
{
	uint8_t hash[SHA256_LEN];
	struct span inner[2] = { SPAN(label, strlen(label)), SPAN_OF(hash) };
	struct rng rng;

	null_sha256(parts, n, hash);
	rng_seed(&rng, siphash64(hash_key, inner, 2));
	for (size_t i = 0; i < len; i += 8) {
		uint8_t word[8];

		store_u64(word, rng_next(&rng));
		memcpy(ret + i, word, len - i < 8 ? len - i : 8);
	}
}

/* ---- a Diffie-Hellman exchange modulo 2^61 - 1 ---- */

static uint64_t power(uint64_t base, uint64_t exponent)
{
	uint64_t product = 1;

	for (base %= P61; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			product = (uint64_t)((unsigned __int128)product * base % P61);
		base = (uint64_t)((unsigned __int128)base * base % P61);
	}
	return product;
}

static uint64_t exponent_of(const uint8_t secret[X25519_LEN])
{
	struct span s = SPAN(secret, X25519_LEN);

	return siphash64(hash_key, &s, 1) % (P61 - 2) + 1;
}

static int null_x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN])
{
	memset(ret, 0x25, X25519_LEN);
	store_u64(ret, power(GENERATOR, exponent_of(secret)));
	return 0;
}

static int null_x25519(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
		       uint8_t ret[X25519_LEN])
{
	uint64_t shared = power(load_u64(peer), exponent_of(secret));

	memset(ret, 0, X25519_LEN);
	if (shared == 0)
		return -EKEYREJECTED;
	store_u64(ret, shared);
	memcpy(ret + 8, peer + 8, X25519_LEN - 8);
	return 0;
}

/* ---- a KEM ---- */

/* Two coefficients below q in three bytes, as FIPS 203's ByteEncode_12. */
static void fill_coefficients(struct rng *rng, uint8_t *ret)
{
	for (size_t i = 0; i < EK_COEFFICIENTS_LEN; i += 3) {
		uint32_t pair =
			(uint32_t)rng_below(rng, MLKEM_Q) | (uint32_t)rng_below(rng, MLKEM_Q) << 12;

		ret[i] = (uint8_t)pair;
		ret[i + 1] = (uint8_t)(pair >> 8);
		ret[i + 2] = (uint8_t)(pair >> 16);
	}
}

static bool coefficients_are_reduced(const uint8_t *ek)
{
	for (size_t i = 0; i < EK_COEFFICIENTS_LEN; i += 3) {
		unsigned a = ek[i] | (ek[i + 1] & 0x0fU) << 8;
		unsigned b = ek[i + 1] >> 4 | (unsigned)ek[i + 2] << 4;

		if (a >= MLKEM_Q || b >= MLKEM_Q)
			return false;
	}
	return true;
}

static int null_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
		       uint8_t ret_dk[MLKEM768_DK_LEN])
{
	const struct span parts[] = { SPAN(d, 32), SPAN(z, 32) };
	struct rng rng;

	rng_seed(&rng, siphash64(hash_key, parts, 2));
	fill_coefficients(&rng, ret_ek);
	expand("rho", parts, 2, ret_ek + EK_COEFFICIENTS_LEN, 32);
	expand("dk", parts, 2, ret_dk, MLKEM768_DK_LEN);
	memcpy(ret_dk, z, 32);
	memcpy(ret_dk + 32, ret_ek, MLKEM768_EK_LEN);
	return 0;
}

static void shared_secret(const uint8_t *ek, const uint8_t m[32], uint8_t ret_ct[MLKEM768_CT_LEN],
			  uint8_t ret_ss[MLKEM768_SS_LEN])
{
	const struct span key = SPAN(ek, MLKEM768_EK_LEN);
	const struct span parts[] = { SPAN(m, 32), key };
	uint8_t mask[32];

	expand("mask", &key, 1, mask, sizeof(mask));
	for (size_t i = 0; i < 32; i++)
		ret_ct[i] = m[i] ^ mask[i];
	expand("ct", parts, 2, ret_ct + 32, MLKEM768_CT_LEN - 32);
	null_sha256(parts, 2, ret_ss);
}

static int null_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
		       uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN])
{
	if (!coefficients_are_reduced(ek))
		return -EKEYREJECTED;
	shared_secret(ek, m, ret_ct, ret_ss);
	return 0;
}

static int null_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
		       uint8_t ret_ss[MLKEM768_SS_LEN])
{
	const uint8_t *ek = dk + 32;
	const struct span key = SPAN(ek, MLKEM768_EK_LEN);
	const struct span rejected[] = { SPAN(dk, 32), SPAN(ct, MLKEM768_CT_LEN) };
	uint8_t again[MLKEM768_CT_LEN];
	uint8_t m[32];

	expand("mask", &key, 1, m, sizeof(m));
	for (size_t i = 0; i < 32; i++)
		m[i] ^= ct[i];
	shared_secret(ek, m, again, ret_ss);
	if (memcmp(again, ct, sizeof(again)) != 0)
		null_sha256(rejected, 2, ret_ss); /* implicit rejection */
	return 0;
}

/* ---- signatures that anyone can make ---- */

struct signing_key {
	uint8_t pk[MLDSA65_PK_LEN];
};

struct signing_key *sim_null_key_new(const uint8_t seed[32])
{
	struct signing_key *key = calloc(1, sizeof(*key));
	struct span s = SPAN(seed, 32);

	if (key)
		expand("pk", &s, 1, key->pk, sizeof(key->pk));
	return key;
}

void sim_null_key_free(struct signing_key *key)
{
	free(key);
}

static void signature_of(const uint8_t *pk, struct span message, struct span context,
			 const uint8_t *rnd, uint8_t ret[MLDSA65_SIG_LEN])
{
	uint8_t n = (uint8_t)context.len;
	const struct span parts[] = { SPAN(rnd, 32), SPAN(pk, MLDSA65_PK_LEN), SPAN(&n, 1), context,
				      message };

	memcpy(ret, rnd, 32);
	expand("signature", parts, 5, ret + 32, MLDSA65_SIG_LEN - 32);
}

static int null_sign(const struct signing_key *key, struct span message, struct span context,
		     const uint8_t rnd[MLDSA65_RND_LEN], uint8_t ret[MLDSA65_SIG_LEN])
{
	if (context.len > MLDSA_CONTEXT_MAX)
		return -EINVAL;
	signature_of(key->pk, message, context, rnd, ret);
	return 0;
}

static int null_verify(const uint8_t pk[MLDSA65_PK_LEN], struct span message, struct span context,
		       const uint8_t sig[MLDSA65_SIG_LEN])
{
	uint8_t again[MLDSA65_SIG_LEN];

	if (context.len > MLDSA_CONTEXT_MAX)
		return -EINVAL;
	signature_of(pk, message, context, sig, again);
	return memcmp(again, sig, sizeof(again)) == 0 ? 0 : -EKEYREJECTED;
}

static void null_public(const struct signing_key *key, uint8_t ret[MLDSA65_PK_LEN])
{
	memcpy(ret, key->pk, MLDSA65_PK_LEN);
}

/* ---- an AEAD ---- */

struct aead {
	uint8_t key[AEAD_KEY_LEN];
};

static struct aead *null_aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	struct aead *a = calloc(1, sizeof(*a));

	if (a) {
		memcpy(a->key, key, AEAD_KEY_LEN);
		a->key[0] ^= (uint8_t)alg;
	}
	return a;
}

static void null_aead_free(struct aead *a)
{
	if (!a)
		return;
	bytes_wipe(a, sizeof(*a));
	free(a);
}

static void mask_text(const struct aead *a, const uint8_t *nonce, struct span text, uint8_t *ret)
{
	const struct span parts[] = { SPAN_OF(a->key), SPAN(nonce, AEAD_NONCE_LEN) };
	struct rng rng;
	size_t i = 0;

	rng_seed(&rng, siphash64(hash_key, parts, 2));
	for (; text.len - i >= 8; i += 8)
		store_u64(ret + i, load_u64(text.at + i) ^ rng_next(&rng));
	for (; i < text.len; i++)
		ret[i] = (uint8_t)(text.at[i] ^ rng_next(&rng));
}

static void tag_of(const struct aead *a, const uint8_t *nonce, struct span ad, struct span sealed,
		   uint8_t ret[AEAD_TAG_LEN])
{
	uint8_t length[8];
	const struct span parts[] = { SPAN_OF(a->key), SPAN(nonce, AEAD_NONCE_LEN), SPAN_OF(length),
				      ad, sealed };

	store_u64(length, ad.len);
	siphash128(hash_key, parts, 5, ret);
}

static int null_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret)
{
	mask_text(a, nonce, text, ret);
	tag_of(a, nonce, ad, SPAN(ret, text.len), ret + text.len);
	return 0;
}

static int null_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret)
{
	uint8_t tag[AEAD_TAG_LEN];
	size_t len = text.len - AEAD_TAG_LEN;

	if (text.len < AEAD_TAG_LEN)
		return -EKEYREJECTED;
	tag_of(a, nonce, ad, SPAN(text.at, len), tag);
	if (!bytes_equal_ct(tag, text.at + len, AEAD_TAG_LEN))
		return -EKEYREJECTED;
	mask_text(a, nonce, SPAN(text.at, len), ret);
	return 0;
}

/* ---- certificates: magic 8 | body | zeros | signature of all before it ---- */

#define CERT_MAGIC "nullcert"
#define CSR_MAGIC "nullcsr "
#define MAGIC_LEN 8
#define URI_MAX 200
#define CONTEXT_CERT SPAN_STR("sim-null certificate")
#define SIGNED_LEN (SIM_NULL_CERT_LEN - MLDSA65_SIG_LEN)

static const uint8_t no_rnd[32];

static void sign_tail(const struct signing_key *key, uint8_t *bytes, size_t len)
{
	size_t n = len - MLDSA65_SIG_LEN;

	signature_of(key->pk, SPAN(bytes, n), CONTEXT_CERT, no_rnd, bytes + n);
}

static int verify_tail(const uint8_t *pk, struct span bytes)
{
	size_t n = bytes.len - MLDSA65_SIG_LEN;

	return null_verify(pk, SPAN(bytes.at, n), CONTEXT_CERT, bytes.at + n);
}

void sim_null_cert(const struct sim_null_subject *subject, const struct signing_key *issuer,
		   uint8_t ret[SIM_NULL_CERT_LEN])
{
	struct writer w = writer_of(ret, SIGNED_LEN);
	uint8_t uri[URI_MAX] = { 0 };

	memset(ret, 0, SIM_NULL_CERT_LEN);
	memcpy(uri, subject->uri, strnlen(subject->uri, URI_MAX - 1));
	write_span(&w, SPAN_STR(CERT_MAGIC));
	write_u8(&w, subject->is_ca);
	write_bytes(&w, subject->key->pk, MLDSA65_PK_LEN);
	write_u64(&w, (uint64_t)subject->not_before_s);
	write_u64(&w, (uint64_t)subject->not_after_s);
	write_bytes(&w, subject->serial, sizeof(subject->serial));
	write_bytes(&w, uri, sizeof(uri));
	sign_tail(issuer, ret, SIM_NULL_CERT_LEN);
}

void sim_null_csr(const struct signing_key *key, uint8_t ret[SIM_NULL_CSR_LEN])
{
	memset(ret, 0, SIM_NULL_CSR_LEN);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): eight bytes, not a string */
	memcpy(ret, CSR_MAGIC, MAGIC_LEN);
	memcpy(ret + MAGIC_LEN, key->pk, MLDSA65_PK_LEN);
	sign_tail(key, ret, SIM_NULL_CSR_LEN);
}

static int null_csr_read(struct span der, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	if (der.len != SIM_NULL_CSR_LEN || memcmp(der.at, CSR_MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	if (verify_tail(der.at + MAGIC_LEN, der) < 0)
		return -EKEYREJECTED;
	memcpy(ret_pk, der.at + MAGIC_LEN, MLDSA65_PK_LEN);
	return 0;
}

static int null_cert_read(struct span der, struct cert *ret)
{
	struct reader r = reader_of(der);
	struct cert c = { .der = der, .is_mldsa65 = true, .has_key_usage = true };
	const uint8_t *magic = read_bytes(&r, MAGIC_LEN);

	if (der.len != SIM_NULL_CERT_LEN || memcmp(magic, CERT_MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	c.is_ca = read_u8(&r) != 0;
	c.can_sign = !c.is_ca;
	c.can_sign_certs = c.can_sign_crls = c.is_ca;
	read_copy(&r, c.pk, MLDSA65_PK_LEN);
	c.not_before_s = (int64_t)read_u64(&r);
	c.not_after_s = (int64_t)read_u64(&r);
	read_copy(&r, c.serial, sizeof(c.serial));
	read_copy(&r, (uint8_t *)c.uri, URI_MAX);
	c.uri[URI_MAX] = '\0';
	c.n_uris = c.uri[0] != '\0';
	*ret = c;
	return 0;
}

/* The last certificate's issuer is a root, or the last is a root itself. */
static int verify_step(struct span der, const struct cert *issuer, int64_t unix_s,
		       const char **ret_reason)
{
	if (!issuer->is_ca || unix_s < issuer->not_before_s || unix_s > issuer->not_after_s) {
		*ret_reason = "the issuer may not issue now";
		return -EKEYREJECTED;
	}
	*ret_reason = "not signed by its issuer";
	return verify_tail(issuer->pk, der);
}

static int null_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			    size_t n_roots, int64_t unix_s, const char **ret_reason)
{
	struct cert cert;

	*ret_reason = "no root issued it";
	for (size_t i = 1; i < n_chain; i++)
		if (null_cert_read(chain[i], &cert) < 0 ||
		    verify_step(chain[i - 1], &cert, unix_s, ret_reason) < 0)
			return -EKEYREJECTED;
	for (size_t i = 0; n_chain > 0 && i < n_roots; i++)
		if (null_cert_read(roots[i], &cert) == 0 &&
		    null_cert_read(chain[n_chain - 1], &(struct cert){ 0 }) == 0 &&
		    verify_step(chain[n_chain - 1], &cert, unix_s, ret_reason) == 0)
			return 0;
	return -EKEYREJECTED;
}

const struct crypto_ops *sim_null_ops(void)
{
	static const struct crypto_ops ops = {
		.name = "sim-null",
		.sha256 = null_sha256,
		.hmac_sha256 = null_hmac,
		.x25519_public = null_x25519_public,
		.x25519 = null_x25519,
		.mlkem768_keygen = null_keygen,
		.mlkem768_encaps = null_encaps,
		.mlkem768_decaps = null_decaps,
		.mldsa65_sign = null_sign,
		.mldsa65_verify = null_verify,
		.signing_key_public = null_public,
		.aead_new = null_aead_new,
		.aead_free = null_aead_free,
		.aead_seal = null_seal,
		.aead_open = null_open,
		.csr_read = null_csr_read,
		.cert_read = null_cert_read,
		.path_verify = null_path_verify,
	};

	return &ops;
}
