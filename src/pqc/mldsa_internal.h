/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_internal.h - what key generation, signing and verification of ML-DSA share. Internal to
 * mldsa*.c. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "pqc/mldsa.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"
#include "pqc/mldsa_sample.h"

#define MLDSA_W1_MAX (192 * 4) /* bytes a polynomial: 6 bits of 44, or 4 bits */

struct mldsa_vector_k {
	struct mldsa_poly p[MLDSA_K_MAX];
};

/* With a place for the term that verification adds to the product of a row. */
struct mldsa_vector_l {
	struct mldsa_poly p[MLDSA_L_MAX + 1];
};

/* Row by row; public. */
struct mldsa_matrix {
	struct mldsa_vector_l row[MLDSA_K_MAX];
};

/* ExpandA (algorithm 32), once the jobs are done. */
void mldsa_add_matrix(struct mldsa_jobs *jobs, const struct mldsa_params *par,
		      const uint8_t rho[32], struct mldsa_matrix *ret);

/* mu = H(tr || M') (line 6 of algorithm 7), where M' is a prefix, a context and a message. */
void mldsa_hash_message(const uint8_t tr[MLDSA_TR_LEN], struct span prefix, struct span ctx,
			struct span message, uint8_t ret_mu[MLDSA_MU_LEN]);
