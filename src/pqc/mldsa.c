/* SPDX-License-Identifier: Apache-2.0 */
/* Key generation, signing and verification of ML-DSA (FIPS 204 sections 5 and 6). */
#include "pqc/mldsa.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/keccak.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"

#define TR_LEN 64
#define W1_MAX (192 * 4) /* bytes a polynomial: 6 bits of 44, or 4 bits */

struct vector_k {
	struct mldsa_poly p[MLDSA_K_MAX];
};

struct vector_l {
	struct mldsa_poly p[MLDSA_L_MAX];
};

/* mu = H(tr || M') (line 6 of algorithm 7), where M' is a prefix and a message. */
static void hash_message(const uint8_t tr[TR_LEN], struct span prefix, struct span ctx,
			 struct span message, uint8_t ret_mu[MLDSA_MU_LEN])
{
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, tr, TR_LEN);
	keccak_absorb(&k, prefix.at, prefix.len);
	keccak_absorb(&k, ctx.at, ctx.len);
	keccak_absorb(&k, message.at, message.len);
	keccak_squeeze(&k, ret_mu, MLDSA_MU_LEN);
	keccak_wipe(&k);
}

/* Line 3 of algorithm 5, and 5 of algorithm 3: t = A s1 + s2, in its two halves. */
static void public_from_secret(const struct mldsa_params *par, const uint8_t rho[32],
			       const struct vector_l *s1, const struct vector_k *s2,
			       uint8_t *ret_t1, uint8_t *ret_t0)
{
	struct vector_l s1_hat = *s1;
	struct mldsa_poly entry, t, high, low;

	for (unsigned j = 0; j < par->l; j++)
		mldsa_poly_ntt(&s1_hat.p[j]);
	for (uint8_t i = 0; i < par->k; i++) {
		memset(&t, 0, sizeof(t));
		for (uint8_t j = 0; j < par->l; j++) {
			mldsa_poly_sample_uniform(&entry, rho, j, i);
			mldsa_poly_multiply_add(&t, &s1_hat.p[j], &entry);
		}
		mldsa_poly_inverse_ntt(&t);
		mldsa_poly_add(&t, &s2->p[i]);
		mldsa_poly_reduce(&t);
		mldsa_poly_to_unsigned(&t);
		mldsa_poly_power2round(&t, &high, &low);
		mldsa_encode_t1(&high, ret_t1 + (size_t)i * MLDSA_T1_LEN);
		mldsa_encode_t0(&low, ret_t0 + (size_t)i * MLDSA_T0_LEN);
	}
	bytes_wipe(&s1_hat, sizeof(s1_hat));
	bytes_wipe(&t, sizeof(t));
	bytes_wipe(&low, sizeof(low));
}

/* ExpandS (algorithm 33), written to the private key as well. */
static void expand_secret(const struct mldsa_params *par, const uint8_t seed[64],
			  struct vector_l *ret_s1, struct vector_k *ret_s2, uint8_t *ret_encoded)
{
	size_t len = 32 * (size_t)par->secret_bits;

	for (uint16_t i = 0; i < par->l + par->k; i++) {
		struct mldsa_poly *p = i < par->l ? &ret_s1->p[i] : &ret_s2->p[i - par->l];

		mldsa_poly_sample_bounded(p, par->eta, seed, i);
		mldsa_encode_secret(par, p, ret_encoded + i * len);
	}
}

void mldsa_keygen(enum mldsa_set set, const uint8_t seed[32], uint8_t *ret_pk, uint8_t *ret_sk)
{
	const struct mldsa_params *par = &mldsa_params[set];
	struct mldsa_sk_layout at = mldsa_sk_layout(par, ret_sk);
	const uint8_t dimensions[2] = { par->k, par->l };
	uint8_t seeds[128]; /* rho, rho', K */
	struct vector_l s1;
	struct vector_k s2;
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, seed, MLDSA_SEED_LEN);
	keccak_absorb(&k, dimensions, sizeof(dimensions));
	keccak_squeeze(&k, seeds, sizeof(seeds));
	memcpy(ret_pk, seeds, 32);
	memcpy(ret_sk, seeds, 32);
	memcpy(ret_sk + 32, seeds + 96, 32);
	expand_secret(par, seeds + 32, &s1, &s2, ret_sk + (at.s1 - ret_sk));
	public_from_secret(par, seeds, &s1, &s2, ret_pk + 32, ret_sk + (at.t0 - ret_sk));
	shake256(ret_pk, mldsa_sizes[set].pk_len, ret_sk + 64, TR_LEN);
	keccak_wipe(&k);
	bytes_wipe(seeds, sizeof(seeds));
	bytes_wipe(&s1, sizeof(s1));
	bytes_wipe(&s2, sizeof(s2));
}

/* Both vectors are decoded whatever is found; -EINVAL if any coefficient is out of range. */
static int decode_secrets(const struct mldsa_params *par, const struct mldsa_sk_layout *at,
			  struct vector_l *ret_s1, struct vector_k *ret_s2)
{
	size_t len = 32 * (size_t)par->secret_bits;
	int r = 0;

	for (unsigned i = 0; i < par->l; i++)
		r |= mldsa_decode_secret(par, at->s1 + i * len, &ret_s1->p[i]);
	for (unsigned i = 0; i < par->k; i++)
		r |= mldsa_decode_secret(par, at->s2 + i * len, &ret_s2->p[i]);
	return r < 0 ? -EINVAL : 0;
}

int mldsa_public_from_secret(enum mldsa_set set, const uint8_t *sk, uint8_t *ret_pk)
{
	const struct mldsa_params *par = &mldsa_params[set];
	struct mldsa_sk_layout at = mldsa_sk_layout(par, sk);
	uint8_t t0[MLDSA_K_MAX * MLDSA_T0_LEN];
	uint8_t pk[MLDSA_PK_MAX];
	uint8_t tr[TR_LEN];
	struct vector_l s1;
	struct vector_k s2;
	int r = decode_secrets(par, &at, &s1, &s2);

	if (r == 0) {
		memcpy(pk, at.rho, 32);
		public_from_secret(par, at.rho, &s1, &s2, pk + 32, t0);
		shake256(pk, mldsa_sizes[set].pk_len, tr, sizeof(tr));
		if (!bytes_equal_ct(tr, at.tr, sizeof(tr)) ||
		    !bytes_equal_ct(t0, at.t0, (size_t)par->k * MLDSA_T0_LEN))
			r = -EKEYREJECTED;
	} else {
		r = -EKEYREJECTED;
	}
	if (r == 0)
		memcpy(ret_pk, pk, mldsa_sizes[set].pk_len);
	bytes_wipe(t0, sizeof(t0));
	bytes_wipe(&s1, sizeof(s1));
	bytes_wipe(&s2, sizeof(s2));
	return r;
}

/* All that signing works on, in one piece so that it is wiped in one: about 120 KiB of stack. */
struct signer {
	const struct mldsa_params *par;
	struct vector_l a[MLDSA_K_MAX]; /* A, row by row */
	struct vector_l s1, y;		/* s1 and below: NTT */
	struct vector_k s2, t0;
	struct vector_k w0, w1, hint;
	struct mldsa_poly c, product;
	uint8_t mu[MLDSA_MU_LEN];
	uint8_t mask_seed[64]; /* rho'' */
};

/* Lines 1 to 7 of algorithm 7, mu given. */
static int signer_init(struct signer *s, const struct mldsa_params *par, const uint8_t *sk,
		       const uint8_t mu[MLDSA_MU_LEN], const uint8_t rnd[MLDSA_RND_LEN])
{
	struct mldsa_sk_layout at = mldsa_sk_layout(par, sk);
	struct keccak k;

	s->par = par;
	if (decode_secrets(par, &at, &s->s1, &s->s2) < 0)
		return -EINVAL;
	for (uint8_t i = 0; i < par->k; i++) {
		mldsa_decode_t0(at.t0 + (size_t)i * MLDSA_T0_LEN, &s->t0.p[i]);
		mldsa_poly_ntt(&s->t0.p[i]);
		mldsa_poly_ntt(&s->s2.p[i]);
		for (uint8_t j = 0; j < par->l; j++)
			mldsa_poly_sample_uniform(&s->a[i].p[j], at.rho, j, i);
	}
	for (unsigned j = 0; j < par->l; j++)
		mldsa_poly_ntt(&s->s1.p[j]);
	memcpy(s->mu, mu, sizeof(s->mu));
	shake256_init(&k);
	keccak_absorb(&k, at.key, 32);
	keccak_absorb(&k, rnd, MLDSA_RND_LEN);
	keccak_absorb(&k, mu, MLDSA_MU_LEN);
	keccak_squeeze(&k, s->mask_seed, sizeof(s->mask_seed));
	keccak_wipe(&k);
	return 0;
}

/* Lines 11 to 16: commits to w = A y and derives the challenge, which goes to ret_c_tilde. */
static void commit(struct signer *s, uint16_t kappa, uint8_t *ret_c_tilde)
{
	const struct mldsa_params *par = s->par;
	uint8_t encoded[W1_MAX];
	struct vector_l y_hat;
	struct keccak k;

	for (uint16_t j = 0; j < par->l; j++) {
		mldsa_poly_sample_mask(&s->y.p[j], par->mask_bits, s->mask_seed,
				       (uint16_t)(kappa + j));
		y_hat.p[j] = s->y.p[j];
		mldsa_poly_ntt(&y_hat.p[j]);
	}
	shake256_init(&k);
	keccak_absorb(&k, s->mu, sizeof(s->mu));
	for (unsigned i = 0; i < par->k; i++) {
		struct mldsa_poly *w = &s->product;

		mldsa_poly_multiply(w, &y_hat.p[0], &s->a[i].p[0]);
		for (unsigned j = 1; j < par->l; j++)
			mldsa_poly_multiply_add(w, &y_hat.p[j], &s->a[i].p[j]);
		mldsa_poly_inverse_ntt(w);
		mldsa_poly_to_unsigned(w);
		mldsa_poly_decompose(w, par->gamma2, &s->w1.p[i], &s->w0.p[i]);
		mldsa_encode_w1(par, &s->w1.p[i], encoded);
		keccak_absorb(&k, encoded, 32 * (size_t)par->commit_bits);
	}
	keccak_squeeze(&k, ret_c_tilde, par->c_tilde_len);
	mldsa_poly_sample_challenge(&s->c, par->tau, ret_c_tilde, par->c_tilde_len);
	mldsa_poly_ntt(&s->c);
	bytes_wipe(&y_hat, sizeof(y_hat));
	bytes_wipe(encoded, sizeof(encoded));
	keccak_wipe(&k);
}

/* product = c v, in the ordinary domain and reduced. */
static void times_challenge(struct signer *s, const struct mldsa_poly *v_hat)
{
	mldsa_poly_multiply(&s->product, v_hat, &s->c);
	mldsa_poly_inverse_ntt(&s->product);
	mldsa_poly_reduce(&s->product);
}

/* Line 21: whether LowBits(w - c s2) is small enough. While it is, w - c s2 and w have the
 * same high bits, so w0 - c s2 is those low bits; the result stays in w0. Leaving at the first
 * polynomial beyond the bound tells of a candidate that nobody sees. */
static bool low_bits_pass(struct signer *s)
{
	for (unsigned i = 0; i < s->par->k; i++) {
		times_challenge(s, &s->s2.p[i]);
		mldsa_poly_subtract(&s->w0.p[i], &s->product);
		if (mldsa_poly_exceeds(&s->w0.p[i], s->par->gamma2 - s->par->beta))
			return false;
	}
	return true;
}

/* The response z = y + c s1 (line 20); the result stays in y. */
static bool response_passes(struct signer *s)
{
	for (unsigned j = 0; j < s->par->l; j++) {
		times_challenge(s, &s->s1.p[j]);
		mldsa_poly_add(&s->y.p[j], &s->product);
		if (mldsa_poly_exceeds(&s->y.p[j], s->par->gamma1 - s->par->beta))
			return false;
	}
	return true;
}

/* MakeHint (algorithm 39) of -c t0 and w - c s2 + c t0, given w1 and the low bits v: adding
 * c t0 changes the high bits exactly where v leaves (-gamma2, gamma2], and -gamma2 itself
 * does so unless w1 is 0 (there q - 1 wraps to high bits 0). */
static unsigned make_hint(struct mldsa_poly *ret, const struct mldsa_poly *w1,
			  const struct mldsa_poly *v, int32_t gamma2)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MLDSA_N; i++) {
		uint32_t above = (uint32_t)(gamma2 - v->c[i]) >> 31;
		uint32_t below = (uint32_t)(v->c[i] + gamma2) >> 31;
		uint32_t at_edge = (((uint32_t)(v->c[i] + gamma2) - 1) >> 31) & ~below & 1;
		uint32_t w1_not_zero = (uint32_t)-w1->c[i] >> 31;
		uint32_t bit = above | below | (at_edge & w1_not_zero);

		ret->c[i] = (int32_t)bit;
		n += bit;
	}
	return n;
}

/* Lines 24 to 28. */
static bool hint_passes(struct signer *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->par->k; i++) {
		times_challenge(s, &s->t0.p[i]);
		if (mldsa_poly_exceeds(&s->product, s->par->gamma2))
			return false;
		mldsa_poly_add(&s->w0.p[i], &s->product);
		n += make_hint(&s->hint.p[i], &s->w1.p[i], &s->w0.p[i], s->par->gamma2);
	}
	return n <= s->par->omega;
}

static int sign_mu(enum mldsa_set set, const uint8_t *sk, const uint8_t mu[MLDSA_MU_LEN],
		   const uint8_t rnd[MLDSA_RND_LEN], uint8_t *ret_sig)
{
	const struct mldsa_params *par = &mldsa_params[set];
	size_t z_len = 32 * (size_t)par->mask_bits;
	uint8_t c_tilde[MLDSA_C_TILDE_MAX];
	uint8_t *at = ret_sig + par->c_tilde_len;
	struct signer s;
	int r = signer_init(&s, par, sk, mu, rnd);

	if (r == 0) {
		uint16_t kappa = 0;

		do {
			commit(&s, kappa, c_tilde);
			kappa = (uint16_t)(kappa + par->l);
		} while (!low_bits_pass(&s) || !response_passes(&s) || !hint_passes(&s));
		memcpy(ret_sig, c_tilde, par->c_tilde_len);
		for (unsigned j = 0; j < par->l; j++)
			mldsa_encode_z(par, &s.y.p[j], at + j * z_len);
		mldsa_encode_hint(par, s.hint.p, at + par->l * z_len);
	}
	bytes_wipe(&s, sizeof(s));
	bytes_wipe(c_tilde, sizeof(c_tilde));
	return r;
}

int mldsa_sign_internal(enum mldsa_set set, const uint8_t *sk, const uint8_t *m_prime,
			size_t m_prime_len, const uint8_t *mu, const uint8_t rnd[32],
			uint8_t *ret_sig)
{
	uint8_t own_mu[MLDSA_MU_LEN];

	if (!mu)
		hash_message(sk + 64, (struct span){ 0 }, (struct span){ 0 },
			     SPAN(m_prime, m_prime_len), own_mu);
	return sign_mu(set, sk, mu ? mu : own_mu, rnd, ret_sig);
}

int mldsa_sign(enum mldsa_set set, const uint8_t *sk, const uint8_t *message, size_t message_len,
	       const uint8_t *ctx, size_t ctx_len, const uint8_t rnd[32], uint8_t *ret_sig)
{
	const uint8_t prefix[2] = { 0, (uint8_t)ctx_len };
	uint8_t mu[MLDSA_MU_LEN];

	if (ctx_len > MLDSA_CTX_MAX)
		return -EINVAL;
	hash_message(sk + 64, SPAN_OF(prefix), SPAN(ctx, ctx_len), SPAN(message, message_len), mu);
	return sign_mu(set, sk, mu, rnd, ret_sig);
}

/* UseHint (algorithm 40) on w, coefficients in [0, q), giving w1. All of it is public. */
static void use_hint(struct mldsa_poly *w, const struct mldsa_poly *hint, int32_t gamma2,
		     struct mldsa_poly *ret)
{
	int32_t m = (MLDSA_Q - 1) / (2 * gamma2);
	struct mldsa_poly low;

	mldsa_poly_decompose(w, gamma2, ret, &low);
	for (unsigned i = 0; i < MLDSA_N; i++)
		if (hint->c[i])
			ret->c[i] = (ret->c[i] + (low.c[i] > 0 ? 1 : m - 1)) % m;
}

/* Line 9 of algorithm 8, row i: A z - c t1 2^d. */
static void approximate(const struct mldsa_params *par, const uint8_t *pk, uint8_t i,
			const struct vector_l *z_hat, const struct mldsa_poly *c_hat,
			struct mldsa_poly *ret)
{
	struct mldsa_poly entry, t1;

	mldsa_decode_t1(pk + 32 + (size_t)i * MLDSA_T1_LEN, &t1);
	for (unsigned n = 0; n < MLDSA_N; n++)
		t1.c[n] <<= MLDSA_D;
	mldsa_poly_ntt(&t1);
	mldsa_poly_multiply(&entry, &t1, c_hat);
	memset(ret, 0, sizeof(*ret));
	mldsa_poly_subtract(ret, &entry);
	for (uint8_t j = 0; j < par->l; j++) {
		mldsa_poly_sample_uniform(&entry, pk, j, i);
		mldsa_poly_multiply_add(ret, &z_hat->p[j], &entry);
	}
	mldsa_poly_inverse_ntt(ret);
	mldsa_poly_to_unsigned(ret);
}

static int verify_mu(enum mldsa_set set, const uint8_t *pk, const uint8_t mu[MLDSA_MU_LEN],
		     const uint8_t *sig)
{
	const struct mldsa_params *par = &mldsa_params[set];
	const uint8_t *at = sig + par->c_tilde_len;
	uint8_t c_tilde[MLDSA_C_TILDE_MAX], encoded[W1_MAX];
	struct mldsa_poly c, w, w1;
	struct vector_k hint;
	struct vector_l z;
	struct keccak k;

	for (unsigned j = 0; j < par->l; j++, at += 32 * (size_t)par->mask_bits) {
		mldsa_decode_z(par, at, &z.p[j]);
		if (mldsa_poly_exceeds(&z.p[j], par->gamma1 - par->beta))
			return -EKEYREJECTED;
		mldsa_poly_ntt(&z.p[j]);
	}
	if (mldsa_decode_hint(par, at, hint.p) < 0)
		return -EKEYREJECTED;
	mldsa_poly_sample_challenge(&c, par->tau, sig, par->c_tilde_len);
	mldsa_poly_ntt(&c);
	shake256_init(&k);
	keccak_absorb(&k, mu, MLDSA_MU_LEN);
	for (uint8_t i = 0; i < par->k; i++) {
		approximate(par, pk, i, &z, &c, &w);
		use_hint(&w, &hint.p[i], par->gamma2, &w1);
		mldsa_encode_w1(par, &w1, encoded);
		keccak_absorb(&k, encoded, 32 * (size_t)par->commit_bits);
	}
	keccak_squeeze(&k, c_tilde, par->c_tilde_len);
	return bytes_equal_ct(c_tilde, sig, par->c_tilde_len) ? 0 : -EKEYREJECTED;
}

int mldsa_verify_internal(enum mldsa_set set, const uint8_t *pk, const uint8_t *m_prime,
			  size_t m_prime_len, const uint8_t *mu, const uint8_t *sig)
{
	uint8_t own_mu[MLDSA_MU_LEN], tr[TR_LEN];

	if (!mu) {
		shake256(pk, mldsa_sizes[set].pk_len, tr, sizeof(tr));
		hash_message(tr, (struct span){ 0 }, (struct span){ 0 }, SPAN(m_prime, m_prime_len),
			     own_mu);
	}
	return verify_mu(set, pk, mu ? mu : own_mu, sig);
}

int mldsa_verify(enum mldsa_set set, const uint8_t *pk, const uint8_t *message, size_t message_len,
		 const uint8_t *ctx, size_t ctx_len, const uint8_t *sig)
{
	const uint8_t prefix[2] = { 0, (uint8_t)ctx_len };
	uint8_t mu[MLDSA_MU_LEN], tr[TR_LEN];

	if (ctx_len > MLDSA_CTX_MAX)
		return -EKEYREJECTED;
	shake256(pk, mldsa_sizes[set].pk_len, tr, sizeof(tr));
	hash_message(tr, SPAN_OF(prefix), SPAN(ctx, ctx_len), SPAN(message, message_len), mu);
	return verify_mu(set, pk, mu, sig);
}
