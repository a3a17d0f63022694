/* SPDX-License-Identifier: Apache-2.0 */
/* Key generation, signing and verification of ML-DSA (FIPS 204 sections 5 and 6). */
#include "pqc/mldsa.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"
#include "pqc/keccak_wide.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"
#include "pqc/mldsa_sample.h"

#define TR_LEN MLDSA_TR_LEN
#define W1_MAX (192 * 4) /* bytes a polynomial: 6 bits of 44, or 4 bits */
#define MASKS_MAX 16	 /* those over from one attempt, and those sampled side by side */

struct vector_k {
	struct mldsa_poly p[MLDSA_K_MAX];
};

/* With a place for the term that verification adds to the product of a row. */
struct vector_l {
	struct mldsa_poly p[MLDSA_L_MAX + 1];
};

/* Row by row; public. */
struct matrix {
	struct vector_l row[MLDSA_K_MAX];
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

/* ExpandA (algorithm 32). */
static void add_matrix(struct mldsa_jobs *jobs, const struct mldsa_params *par,
		       const uint8_t rho[32], struct matrix *ret)
{
	for (unsigned i = 0; i < par->k; i++) {
		for (unsigned j = 0; j < par->l; j++) {
			struct mldsa_job *job =
				mldsa_jobs_add(jobs, MLDSA_JOB_UNIFORM, SPAN(rho, 32));

			job->nonce = (uint16_t)(j | i << 8);
			job->ret = &ret->row[i].p[j];
		}
	}
}

/* ExpandS (algorithm 33). */
static void add_secrets(struct mldsa_jobs *jobs, const struct mldsa_params *par,
			const uint8_t seed[64], struct vector_l *ret_s1, struct vector_k *ret_s2)
{
	for (uint16_t i = 0; i < par->l + par->k; i++) {
		struct mldsa_job *job = mldsa_jobs_add(jobs, MLDSA_JOB_BOUNDED, SPAN(seed, 64));

		job->nonce = i;
		job->ret = i < par->l ? &ret_s1->p[i] : &ret_s2->p[i - par->l];
	}
}

/* Line 3 of algorithm 5, and 5 of algorithm 3: t = A s1 + s2, in its two halves. s1 becomes its
 * NTT. */
static void public_from_secret(const struct mldsa_params *par, const struct mldsa_kernels *f,
			       const struct matrix *a, struct vector_l *s1,
			       const struct vector_k *s2, uint8_t *ret_t1, uint8_t *ret_t0)
{
	struct mldsa_poly t, high, low;

	for (unsigned j = 0; j < par->l; j++)
		f->ntt(&s1->p[j]);
	for (size_t i = 0; i < par->k; i++) {
		f->inner_product(&t, a->row[i].p, s1->p, par->l);
		f->inverse_ntt(&t);
		f->power2round(&t, &s2->p[i], &high, &low);
		f->pack[MLDSA_T1](&high, ret_t1 + i * MLDSA_T1_LEN);
		f->pack[MLDSA_T0](&low, ret_t0 + i * MLDSA_T0_LEN);
	}
	bytes_wipe(&t, sizeof(t));
	bytes_wipe(&low, sizeof(low));
}

/* s1 and s2 in the order of algorithm 24. */
static void encode_secrets(const struct mldsa_params *par, const struct mldsa_kernels *f,
			   const struct vector_l *s1, const struct vector_k *s2, uint8_t *ret)
{
	size_t len = 32 * (size_t)par->secret_bits;

	for (unsigned i = 0; i < par->l; i++, ret += len)
		f->pack[par->secret_field](&s1->p[i], ret);
	for (unsigned i = 0; i < par->k; i++, ret += len)
		f->pack[par->secret_field](&s2->p[i], ret);
}

void mldsa_keygen(enum mldsa_set set, const uint8_t seed[32], uint8_t *ret_pk, uint8_t *ret_sk)
{
	const struct mldsa_params *par = &mldsa_params[set];
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	struct mldsa_sk_layout at = mldsa_sk_layout(par, ret_sk);
	const uint8_t dimensions[2] = { par->k, par->l };
	uint8_t seeds[128]; /* rho, rho', K */
	struct mldsa_jobs jobs = { .n = 0 };
	struct matrix a;
	struct vector_l s1;
	struct vector_k s2;
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, seed, MLDSA_SEED_LEN);
	keccak_absorb(&k, dimensions, sizeof(dimensions));
	keccak_squeeze(&k, seeds, sizeof(seeds));
	ct_declassify(seeds, 32); /* rho, the beginning of the public key */
	memcpy(ret_pk, seeds, 32);
	memcpy(ret_sk, seeds, 32);
	memcpy(ret_sk + 32, seeds + 96, 32);
	add_matrix(&jobs, par, seeds, &a);
	add_secrets(&jobs, par, seeds + 32, &s1, &s2);
	mldsa_sample(par, f, &jobs);
	encode_secrets(par, f, &s1, &s2, ret_sk + (at.s1 - ret_sk));
	public_from_secret(par, f, &a, &s1, &s2, ret_pk + 32, ret_sk + (at.t0 - ret_sk));
	shake256(ret_pk, mldsa_sizes[set].pk_len, ret_sk + 64, TR_LEN);
	keccak_wipe(&k);
	bytes_wipe(seeds, sizeof(seeds));
	bytes_wipe(&s1, par->l * sizeof(s1.p[0]));
	bytes_wipe(&s2, par->k * sizeof(s2.p[0]));
}

/* Both vectors are decoded whatever is found; -EINVAL if any coefficient is out of range. */
static int decode_secrets(const struct mldsa_params *par, const struct mldsa_kernels *f,
			  const struct mldsa_sk_layout *at, struct vector_l *ret_s1,
			  struct vector_k *ret_s2)
{
	int r = mldsa_decode_secret(par, f, at->s1, par->l, ret_s1->p);

	return r | mldsa_decode_secret(par, f, at->s2, par->k, ret_s2->p);
}

int mldsa_public_from_secret(enum mldsa_set set, const uint8_t *sk, uint8_t *ret_pk)
{
	const struct mldsa_params *par = &mldsa_params[set];
	struct mldsa_sk_layout at = mldsa_sk_layout(par, sk);
	uint8_t t0[MLDSA_K_MAX * MLDSA_T0_LEN];
	uint8_t pk[MLDSA_PK_MAX];
	uint8_t tr[TR_LEN];
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	struct mldsa_jobs jobs = { .n = 0 };
	struct matrix a;
	struct vector_l s1;
	struct vector_k s2;
	int r = decode_secrets(par, f, &at, &s1, &s2);

	if (r == 0) {
		add_matrix(&jobs, par, at.rho, &a);
		mldsa_sample(par, f, &jobs);
		memcpy(pk, at.rho, 32);
		public_from_secret(par, f, &a, &s1, &s2, pk + 32, t0);
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
	struct vector_l y_hat;				    /* NTT */
	struct vector_k t0;				    /* NTT */
	struct vector_k w0, w1, hint;
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

	for (unsigned i = 0; i < n_left; i++)
		m->p[i] = m->p[m->at + i];
	m->at = 0;
	m->n = n_left;
	/* a power of two */
	while (m->n < s->par->l ||
	       ((jobs->n & (keccak_wide_best() - 1)) != 0 && m->n < MASKS_MAX)) {
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
		       struct matrix *ret_a)
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
	add_matrix(&jobs, par, at.rho, ret_a);
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
static void commit(struct signer *s, const struct matrix *a, const struct mldsa_poly *y,
		   uint8_t *ret_c_tilde)
{
	const struct mldsa_params *par = s->par;
	const struct mldsa_kernels *f = s->f;
	uint8_t encoded[W1_MAX];
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
	struct matrix a;
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

/* All that verification works on; public. z has -c behind its polynomials and each row of A has
 * its part of t1 2^d, so that a product of the two is A z - c t1 2^d. */
struct verifier {
	const struct mldsa_params *par;
	const struct mldsa_kernels *f;
	struct matrix a;
	struct vector_l z; /* NTT */
	struct vector_k hint;
	uint8_t tr[TR_LEN];
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
	add_matrix(&jobs, v->par, pk, &v->a);
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
	uint8_t c_tilde[MLDSA_C_TILDE_MAX], encoded[W1_MAX];
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
		hash_message(v.tr, prefix, ctx, message, own_mu);
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
