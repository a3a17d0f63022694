/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of ML-DSA (FIPS 204 sections 5.1 and 6.1), and what signing and verification share. */
#include "pqc/mldsa.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"
#include "pqc/mldsa_internal.h"

void mldsa_hash_message(const uint8_t tr[MLDSA_TR_LEN], struct span prefix, struct span ctx,
			struct span message, uint8_t ret_mu[MLDSA_MU_LEN])
{
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, tr, MLDSA_TR_LEN);
	keccak_absorb(&k, prefix.at, prefix.len);
	keccak_absorb(&k, ctx.at, ctx.len);
	keccak_absorb(&k, message.at, message.len);
	keccak_squeeze(&k, ret_mu, MLDSA_MU_LEN);
	keccak_wipe(&k);
}

void mldsa_add_matrix(struct mldsa_jobs *jobs, const struct mldsa_params *par,
		      const uint8_t rho[32], struct mldsa_matrix *ret)
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
			const uint8_t seed[64], struct mldsa_vector_l *ret_s1,
			struct mldsa_vector_k *ret_s2)
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
			       const struct mldsa_matrix *a, struct mldsa_vector_l *s1,
			       const struct mldsa_vector_k *s2, uint8_t *ret_t1, uint8_t *ret_t0)
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
			   const struct mldsa_vector_l *s1, const struct mldsa_vector_k *s2,
			   uint8_t *ret)
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
	struct mldsa_matrix a;
	struct mldsa_vector_l s1;
	struct mldsa_vector_k s2;
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, seed, MLDSA_SEED_LEN);
	keccak_absorb(&k, dimensions, sizeof(dimensions));
	keccak_squeeze(&k, seeds, sizeof(seeds));
	ct_declassify(seeds, 32); /* rho, the beginning of the public key */
	memcpy(ret_pk, seeds, 32);
	memcpy(ret_sk, seeds, 32);
	memcpy(ret_sk + 32, seeds + 96, 32);
	mldsa_add_matrix(&jobs, par, seeds, &a);
	add_secrets(&jobs, par, seeds + 32, &s1, &s2);
	mldsa_sample(par, f, &jobs);
	encode_secrets(par, f, &s1, &s2, ret_sk + (at.s1 - ret_sk));
	public_from_secret(par, f, &a, &s1, &s2, ret_pk + 32, ret_sk + (at.t0 - ret_sk));
	shake256(ret_pk, mldsa_sizes[set].pk_len, ret_sk + 64, MLDSA_TR_LEN);
	keccak_wipe(&k);
	bytes_wipe(seeds, sizeof(seeds));
	bytes_wipe(&s1, par->l * sizeof(s1.p[0]));
	bytes_wipe(&s2, par->k * sizeof(s2.p[0]));
}

/* Both vectors are decoded whatever is found; -EINVAL if any coefficient is out of range. */
static int decode_secrets(const struct mldsa_params *par, const struct mldsa_kernels *f,
			  const struct mldsa_sk_layout *at, struct mldsa_vector_l *ret_s1,
			  struct mldsa_vector_k *ret_s2)
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
	uint8_t tr[MLDSA_TR_LEN];
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	struct mldsa_jobs jobs = { .n = 0 };
	struct mldsa_matrix a;
	struct mldsa_vector_l s1;
	struct mldsa_vector_k s2;
	int r = decode_secrets(par, f, &at, &s1, &s2);

	if (r == 0) {
		mldsa_add_matrix(&jobs, par, at.rho, &a);
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
