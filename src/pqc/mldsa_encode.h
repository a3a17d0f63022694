/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_encode.h - keys and signatures of ML-DSA as bytes (FIPS 204 section 7.2).
 *
 * Internal to this room. Lengths are those of mldsa_sizes; the caller has checked them. */
#pragma once

#include <stdint.h>

#include "pqc/mldsa.h"
#include "pqc/mldsa_poly.h"

#define MLDSA_K_MAX 8
#define MLDSA_L_MAX 7
#define MLDSA_T1_LEN 320 /* bytes a polynomial: 10 bits a coefficient */
#define MLDSA_T0_LEN 416 /* 13 bits */
#define MLDSA_C_TILDE_MAX 64
#define MLDSA_HINT_MAX (80 + 8) /* bytes: omega + k */

/* Tables 1 and 2 */
struct mldsa_params {
	uint8_t k, l, eta, tau, omega;
	uint8_t c_tilde_len; /* lambda / 4 bytes */
	uint8_t mask_bits;   /* gamma1 is 2 to one less */
	uint8_t commit_bits; /* a coefficient of w1 */
	uint8_t secret_bits; /* a coefficient of s1, s2 */
	int32_t beta, gamma1, gamma2;
	enum mldsa_field secret_field, z_field, w1_field;
};

extern const struct mldsa_params mldsa_params[3]; /* by enum mldsa_set */

/* A private key's parts, in the order of algorithm 24. */
struct mldsa_sk_layout {
	const uint8_t *rho, *key, *tr, *s1, *s2, *t0;
};

struct mldsa_sk_layout mldsa_sk_layout(const struct mldsa_params *par, const uint8_t *sk);

/* s1 or s2; -EINVAL, once all of it is read, where a coefficient is beyond ± eta, which the
 * encoding has room for. */
int mldsa_decode_secret(const struct mldsa_params *par, const struct mldsa_kernels *kernels,
			const uint8_t *from, unsigned n, struct mldsa_poly *ret);

/* HintBitPack and HintBitUnpack (algorithms 20, 21); h[i] has coefficients 0 and 1, no more
 * than omega ones in all. Decoding returns -EBADMSG for all but the one encoding of a hint. */
void mldsa_encode_hint(const struct mldsa_params *par, const struct mldsa_poly *h, uint8_t *ret);
int mldsa_decode_hint(const struct mldsa_params *par, const uint8_t *from, struct mldsa_poly *ret);
