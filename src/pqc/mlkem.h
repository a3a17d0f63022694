/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem.h - ML-KEM (FIPS 203) for 512, 768 and 1024, portable and in constant time.
 *
 * Nothing is allocated; secrets on the stack are wiped; every random input is a parameter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum mlkem_set {
	MLKEM_512,
	MLKEM_768,
	MLKEM_1024,
};

#define MLKEM_SEED_LEN 32 /* each of d, z and m */
#define MLKEM_SS_LEN 32
#define MLKEM_EK_MAX 1568
#define MLKEM_DK_MAX 3168
#define MLKEM_CT_MAX 1568

struct mlkem_sizes {
	const char *name; /* "ML-KEM-768" */
	size_t ek_len, dk_len, ct_len;
};

extern const struct mlkem_sizes mlkem_sizes[3]; /* by enum mlkem_set */

/* Algorithm 16, ML-KEM.KeyGen_internal. */
void mlkem_keygen(enum mlkem_set set, const uint8_t d[32], const uint8_t z[32], uint8_t *ret_ek,
		  uint8_t *ret_dk);
/* The checks of section 7.2 and 7.3: lengths are the caller's; 0 or -EKEYREJECTED for a
 * coefficient >= q in ek, or a dk whose stored H(ek) is not that of its ek. */
int mlkem_check_ek(enum mlkem_set set, const uint8_t *ek);
int mlkem_check_dk(enum mlkem_set set, const uint8_t *dk);
/* Algorithm 17 with the modulus check before it: 0 or -EKEYREJECTED. */
int mlkem_encaps(enum mlkem_set set, const uint8_t *ek, const uint8_t m[32], uint8_t *ret_ct,
		 uint8_t ret_ss[32]);
/* Algorithm 18: a ciphertext that was not made for this key yields a secret nobody knows. */
void mlkem_decaps(enum mlkem_set set, const uint8_t *dk, const uint8_t *ct, uint8_t ret_ss[32]);
