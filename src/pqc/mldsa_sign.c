/* SPDX-License-Identifier: Apache-2.0 */
/* Signing with ML-DSA (FIPS 204 sections 5.2 and 6.2). */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"
#include "pqc/keccak_wide.h"
#include "pqc/mldsa_internal.h"
#include "pqc/mlkem_poly.h"

#define MASKS_MAX 16 /* those over from one attempt, and those sampled side by side */

/* The masks y of attempts to come: ExpandMask (algorithm 34) gives a row of polynomials of which
 * each attempt takes the next l. */
struct masks {
	uint16_t kappa; /* of the next to be sampled */
	unsigned n, at; /* how many there are, and the first not yet taken */
	struct mldsa_poly p[MASKS_MAX];
};

/* All secrets that signing works on, in one piece so that they are wiped in one.
 *
 * The coefficients of c s1 and c s2 are at most beta, which is less than half of any prime from
 * 393 on. So these products need not be computed modulo q: they are modulo that of ML-KEM, whose
 * kernels are there and work on 16 bits. */
struct signer {
	const struct mldsa_params *par;
	const struct mldsa_kernels *f;
	const struct mlkem_kernels *small;
	struct mlkem_poly s1[MLDSA_L_MAX], s2[MLDSA_K_MAX]; /* NTT of ML-KEM */
	struct mlkem_factor small_c;			    /* the same of c */
	struct mldsa_vector_l y_hat;			    /* NTT */
	struct mldsa_vector_k t0;			    /* NTT */
	struct mldsa_vector_k w0, w1, hint;
	struct mldsa_poly c, product;
	struct mlkem_poly small_product;
	struct masks masks;
	uint8_t mu[MLDSA_MU_LEN];
	uint8_t mask_seed[64]; /* rho'' */
};

/* Samples masks for one attempt at least, and as many more as come at the same price beside
 * the jobs there are. Those left from the last attempt go first. */
static void add_masks(struct mldsa_jobs *jobs, struct signer *s)
{
	struct masks *m = &s->masks;
	unsigned n_left = m->n - m->at;
	unsigned beside = keccak_wide_best() - 1; /* of 1, 4 or 8 slots: a mask of bits */

	for (unsigned i = 0; i < n_left; i++)
		m->p[i] = m->p[m->at + i];
	m->at = 0;
	m->n = n_left;
	while (m->n < s->par->l || ((jobs->n & beside) != 0 && m->n < MASKS_MAX)) {
		struct mldsa_job *job = mldsa_jobs_add(jobs, MLDSA_JOB_MASK,
						       SPAN(s->mask_seed, sizeof(s->mask_seed)));

		job->nonce = m->kappa++;
		job->ret = &m->p[m->n++];
	}
}

/* s1 or s2 in the NTT of ML-KEM; -EINVAL, once all of it is read, if out of range. */
static int decode_small(struct signer *s, const uint8_t *from, unsigned n, struct mlkem_poly *ret)
{
	struct mldsa_poly *p = s->y_hat.p;
	int r = mldsa_decode_secret(s->par, s->f, from, n, p);

	for (unsigned i = 0; i < n; i++) {
		s->f->narrow(&p[i], &ret[i]);
		s->small->ntt(&ret[i]);
	}
	return r;
}

/* Lines 1 to 7 of algorithm 7, mu given, and the first masks. */
static int signer_init(struct signer *s, const struct mldsa_params *par, const uint8_t *sk,
		       const uint8_t mu[MLDSA_MU_LEN], const uint8_t rnd[MLDSA_RND_LEN],
		       struct mldsa_matrix *ret_a)
{
	struct mldsa_sk_layout at = mldsa_sk_layout(par, sk);
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	struct mldsa_jobs jobs = { .n = 0 };
	struct keccak k;

	s->par = par;
	s->f = f;
	s->small = mlkem_kernels();
	if (decode_small(s, at.s1, par->l, s->s1) < 0 || decode_small(s, at.s2, par->k, s->s2) < 0)
		return -EINVAL;
	for (size_t i = 0; i < par->k; i++) {
		f->unpack[MLDSA_T0](at.t0 + i * MLDSA_T0_LEN, &s->t0.p[i]);
		f->ntt(&s->t0.p[i]);
	}
	memcpy(s->mu, mu, sizeof(s->mu));
	shake256_init(&k);
	keccak_absorb(&k, at.key, 32);
	keccak_absorb(&k, rnd, MLDSA_RND_LEN);
	keccak_absorb(&k, mu, MLDSA_MU_LEN);
	keccak_squeeze(&k, s->mask_seed, sizeof(s->mask_seed));
	keccak_wipe(&k);
	s->masks.kappa = 0;
	s->masks.n = s->masks.at = 0;
	mldsa_add_matrix(&jobs, par, at.rho, ret_a);
	add_masks(&jobs, s);
	mldsa_sample(par, f, &jobs);
	return 0;
}

/* Line 11: the next l masks. */
static struct mldsa_poly *next_masks(struct signer *s)
{
	struct masks *m = &s->masks;
	struct mldsa_poly *y;

	if (m->n - m->at < s->par->l) {
		struct mldsa_jobs jobs = { .n = 0 };

		add_masks(&jobs, s);
		mldsa_sample(s->par, s->f, &jobs);
	}
	y = &m->p[m->at];
	m->at += s->par->l;
	return y;
}

/* Lines 12 to 16: commits to w = A y and derives the challenge, which goes to ret_c_tilde. */
static void commit(struct signer *s, const struct mldsa_matrix *a, const struct mldsa_poly *y,
		   uint8_t *ret_c_tilde)
{
	const struct mldsa_params *par = s->par;
	const struct mldsa_kernels *f = s->f;
	uint8_t encoded[MLDSA_W1_MAX];
	struct keccak k;

	for (unsigned j = 0; j < par->l; j++) {
		s->y_hat.p[j] = y[j];
		f->ntt(&s->y_hat.p[j]);
	}
	shake256_init(&k);
	keccak_absorb(&k, s->mu, sizeof(s->mu));
	for (unsigned i = 0; i < par->k; i++) {
		f->inner_product(&s->product, a->row[i].p, s->y_hat.p, par->l);
		f->inverse_ntt(&s->product);
		f->decompose(&s->product, par->gamma2, &s->w1.p[i], &s->w0.p[i]);
		f->pack[par->w1_field](&s->w1.p[i], encoded);
		keccak_absorb(&k, encoded, 32 * (size_t)par->commit_bits);
	}
	keccak_squeeze(&k, ret_c_tilde, par->c_tilde_len);
	/* published with the signature; a rejected one is a hash of what nobody learns */
	ct_declassify(ret_c_tilde, par->c_tilde_len);
	mldsa_sample_challenge(par, ret_c_tilde, &s->c);
	f->narrow(&s->c, &s->small_product);
	s->small->ntt(&s->small_product);
	s->small->to_factor(&s->small_c, &s->small_product);
	bytes_wipe(encoded, sizeof(encoded));
	keccak_wipe(&k);
}

/* small_product = c v. */
static const struct mlkem_poly *times_challenge(struct signer *s, const struct mlkem_poly *v_hat)
{
	s->small->inner_product(&s->small_product, v_hat, &s->small_c, 1);
	s->small->inverse_ntt(&s->small_product);
	return &s->small_product;
}

/* Line 21: whether LowBits(w - c s2) is small enough. While it is, w - c s2 and w have the
 * same high bits, so w0 - c s2 is those low bits; the result stays in w0. Leaving at the first
 * polynomial beyond the bound tells of a candidate that nobody sees. This comes first of the
 * tests because it is the likeliest to fail. */
static bool low_bits_pass(struct signer *s)
{
	for (unsigned i = 0; i < s->par->k; i++) {
		const struct mlkem_poly *product = times_challenge(s, &s->s2[i]);
		bool exceeds =
			s->f->subtract_exceeds(&s->w0.p[i], product, s->par->gamma2 - s->par->beta);

		if (ct_public(exceeds))
			return false;
	}
	return true;
}

/* The response z = y + c s1 (line 20); the result stays in y. */
static bool response_passes(struct signer *s, struct mldsa_poly *y)
{
	for (unsigned j = 0; j < s->par->l; j++) {
		const struct mlkem_poly *product = times_challenge(s, &s->s1[j]);
		bool exceeds = s->f->add_exceeds(&y[j], product, s->par->gamma1 - s->par->beta);

		if (ct_public(exceeds))
			return false;
	}
	return true;
}

/* Lines 24 to 28. */
static bool hint_passes(struct signer *s)
{
	const struct mldsa_kernels *f = s->f;
	unsigned n = 0;

	f->ntt(&s->c);
	for (unsigned i = 0; i < s->par->k; i++) {
		f->multiply(&s->product, &s->t0.p[i], &s->c);
		f->inverse_ntt(&s->product);
		f->centre(&s->product);
		if (ct_public(f->exceeds(&s->product, s->par->gamma2)))
			return false;
		n += f->make_hint(&s->w1.p[i], &s->w0.p[i], &s->product, s->par->gamma2,
				  &s->hint.p[i]);
	}
	return ct_public(n <= s->par->omega);
}

static int sign_mu(enum mldsa_set set, const uint8_t *sk, const uint8_t mu[MLDSA_MU_LEN],
		   const uint8_t rnd[MLDSA_RND_LEN], uint8_t *ret_sig)
{
	const struct mldsa_params *par = &mldsa_params[set];
	size_t z_len = 32 * (size_t)par->mask_bits;
	uint8_t c_tilde[MLDSA_C_TILDE_MAX];
	uint8_t *at = ret_sig + par->c_tilde_len;
	struct mldsa_matrix a;
	struct signer s;
	int r = signer_init(&s, par, sk, mu, rnd, &a);

	if (r == 0) {
		struct mldsa_poly *y;

		do {
			y = next_masks(&s);
			commit(&s, &a, y, c_tilde);
		} while (!low_bits_pass(&s) || !response_passes(&s, y) || !hint_passes(&s));
		memcpy(ret_sig, c_tilde, par->c_tilde_len);
		for (unsigned j = 0; j < par->l; j++)
			s.f->pack[par->z_field](&y[j], at + j * z_len);
		ct_declassify(s.hint.p, par->k * sizeof(s.hint.p[0])); /* part of the signature */
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
		mldsa_hash_message(sk + 64, (struct span){ 0 }, (struct span){ 0 },
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
	mldsa_hash_message(sk + 64, SPAN_OF(prefix), SPAN(ctx, ctx_len), SPAN(message, message_len),
			   mu);
	return sign_mu(set, sk, mu, rnd, ret_sig);
}
