/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_sample.h - polynomials out of hashes (FIPS 204 section 7.3), many at a time.
 *
 * Each is hashed from an input of its own, so the sponges run side by side (keccak_wide.h): a
 * list of jobs is worked off by as many slots as the level in use has, and a slot that is done
 * takes the next job. Internal to this room. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"

#define MLDSA_TR_LEN 64

enum mldsa_job_kind {
	MLDSA_JOB_UNIFORM, /* RejNTTPoly (algorithm 30) of rho: public */
	MLDSA_JOB_BOUNDED, /* RejBoundedPoly (31) of rho' */
	MLDSA_JOB_MASK,	   /* one polynomial of ExpandMask (34), of rho'' */
	MLDSA_JOB_DIGEST,  /* H of a public key (SHAKE256, MLDSA_TR_LEN bytes): public */
};

struct mldsa_job {
	enum mldsa_job_kind kind;
	uint16_t nonce;	   /* the two bytes after the seed, little-endian */
	struct span input; /* the seed, or what to digest */
	struct mldsa_poly *ret;
	uint8_t *ret_digest; /* instead of it */
};

/* A has up to 56 entries. The rest is a digest, s1 and s2, or the first masks. */
#define MLDSA_JOBS_MAX (MLDSA_K_MAX * MLDSA_L_MAX + 16)

struct mldsa_jobs {
	unsigned n;
	struct mldsa_job job[MLDSA_JOBS_MAX];
};

/* Appends one; asserts that there is room. */
struct mldsa_job *mldsa_jobs_add(struct mldsa_jobs *jobs, enum mldsa_job_kind kind,
				 struct span input);

/* Does all of them, and wipes what was left of secrets. */
void mldsa_sample(const struct mldsa_params *par, const struct mldsa_kernels *kernels,
		  const struct mldsa_jobs *jobs);

/* SampleInBall (algorithm 29): tau coefficients of ± 1. */
void mldsa_sample_challenge(const struct mldsa_params *par, const uint8_t *c_tilde,
			    struct mldsa_poly *ret);
