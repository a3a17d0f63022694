/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of ML-DSA signatures (FIPS 204 sections 5.3 and 6.3). */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/keccak.h"
#include "pqc/mldsa_internal.h"

/* All that verification works on; public. z has -c behind its polynomials and each row of A has
 * its part of t1 2^d, so that a product of the two is A z - c t1 2^d. */
struct verifier {
	const struct mldsa_params *par;
	const struct mldsa_kernels *f;
	struct mldsa_matrix a;
	struct mldsa_vector_l z; /* NTT */
	struct mldsa_vector_k hint;
	uint8_t tr[MLDSA_TR_LEN];
};

/* Lines 2 to 4 of algorithm 8 and the test of line 13: what can be refused of a signature
 * before anything is hashed. */
static int read_signature(struct verifier *v, const uint8_t *sig)
{
	const struct mldsa_params *par = v->par;
	const uint8_t *at = sig + par->c_tilde_len;

	for (unsigned j = 0; j < par->l; j++, at += 32 * (size_t)par->mask_bits) {
		v->f->unpack[par->z_field](at, &v->z.p[j]);
		if (v->f->exceeds(&v->z.p[j], par->gamma1 - par->beta))
			return -EKEYREJECTED;
	}
	return mldsa_decode_hint(par, at, v->hint.p) < 0 ? -EKEYREJECTED : 0;
}

/* Lines 5 and 6: A and, unless mu is known, tr, which is hashed beside it. */
static void expand_public(struct verifier *v, enum mldsa_set set, const uint8_t *pk, bool with_tr)
{
	struct mldsa_jobs jobs = { .n = 0 };

	if (with_tr) {
		size_t len = mldsa_sizes[set].pk_len;

		mldsa_jobs_add(&jobs, MLDSA_JOB_DIGEST, SPAN(pk, len))->ret_digest = v->tr;
	}
	mldsa_add_matrix(&jobs, v->par, pk, &v->a);
	mldsa_sample(v->par, v->f, &jobs);
}

/* Line 9, in the domain of the NTT. */
static void prepare_products(struct verifier *v, const uint8_t *pk, const uint8_t *sig)
{
	const struct mldsa_params *par = v->par;
	struct mldsa_poly *c = &v->z.p[par->l];

	mldsa_sample_challenge(par, sig, c);
	for (unsigned i = 0; i < MLDSA_N; i++)
		c->c[i] = -c->c[i];
	for (unsigned j = 0; j <= par->l; j++)
		v->f->ntt(&v->z.p[j]);
	for (size_t i = 0; i < par->k; i++) {
		struct mldsa_poly *t1 = &v->a.row[i].p[par->l];

		v->f->unpack[MLDSA_T1](pk + 32 + i * MLDSA_T1_LEN, t1);
		for (unsigned n = 0; n < MLDSA_N; n++)
			t1->c[n] <<= MLDSA_D;
		v->f->ntt(t1);
	}
}

/* Lines 9 to 13. */
static int verify_mu(struct verifier *v, const uint8_t *pk, const uint8_t mu[MLDSA_MU_LEN],
		     const uint8_t *sig)
{
	const struct mldsa_params *par = v->par;
	const struct mldsa_kernels *f = v->f;
	uint8_t c_tilde[MLDSA_C_TILDE_MAX], encoded[MLDSA_W1_MAX];
	struct mldsa_poly w, w1;
	struct keccak k;

	prepare_products(v, pk, sig);
	shake256_init(&k);
	keccak_absorb(&k, mu, MLDSA_MU_LEN);
	for (unsigned i = 0; i < par->k; i++) {
		f->inner_product(&w, v->a.row[i].p, v->z.p, par->l + 1U);
		f->inverse_ntt(&w);
		f->use_hint(&w, &v->hint.p[i], par->gamma2, &w1);
		f->pack[par->w1_field](&w1, encoded);
		keccak_absorb(&k, encoded, 32 * (size_t)par->commit_bits);
	}
	keccak_squeeze(&k, c_tilde, par->c_tilde_len);
	return bytes_equal_ct(c_tilde, sig, par->c_tilde_len) ? 0 : -EKEYREJECTED;
}

/* mu is given, or comes of what follows it. */
static int verify(enum mldsa_set set, const uint8_t *pk, const uint8_t *mu, struct span prefix,
		  struct span ctx, struct span message, const uint8_t *sig)
{
	struct verifier v;
	uint8_t own_mu[MLDSA_MU_LEN];

	v.par = &mldsa_params[set];
	v.f = mldsa_kernels(pqc_level());
	if (read_signature(&v, sig) < 0)
		return -EKEYREJECTED;
	expand_public(&v, set, pk, !mu);
	if (!mu)
		mldsa_hash_message(v.tr, prefix, ctx, message, own_mu);
	return verify_mu(&v, pk, mu ? mu : own_mu, sig);
}

int mldsa_verify_internal(enum mldsa_set set, const uint8_t *pk, const uint8_t *m_prime,
			  size_t m_prime_len, const uint8_t *mu, const uint8_t *sig)
{
	return verify(set, pk, mu, (struct span){ 0 }, (struct span){ 0 },
		      SPAN(m_prime, m_prime_len), sig);
}

int mldsa_verify(enum mldsa_set set, const uint8_t *pk, const uint8_t *message, size_t message_len,
		 const uint8_t *ctx, size_t ctx_len, const uint8_t *sig)
{
	const uint8_t prefix[2] = { 0, (uint8_t)ctx_len };

	if (ctx_len > MLDSA_CTX_MAX)
		return -EKEYREJECTED;
	return verify(set, pk, NULL, SPAN_OF(prefix), SPAN(ctx, ctx_len),
		      SPAN(message, message_len), sig);
}
