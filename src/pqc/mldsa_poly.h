/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_poly.h - polynomials of degree 255 modulo q = 8380417, and what is computed on them.
 *
 * Internal to this room. Coefficients are signed; "reduced" is within (-q, q). Products carry
 * the Montgomery factor 2^-32, which inverse_ntt takes away again.
 *
 * All work is done by the kernels of one level of cpu.h. The portable ones are the reference:
 * the others give the same, coefficient by coefficient. None branches, divides or indexes
 * memory by a coefficient, except where it says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pqc/cpu.h"
#include "pqc/mlkem_poly.h"

#define MLDSA_N 256
#define MLDSA_Q 8380417
#define MLDSA_D 13 /* bits dropped from t */

struct mldsa_poly {
	_Alignas(64) int32_t c[MLDSA_N];
};

/* What is packed into bits: X(name, bits a coefficient, top). BitPack (algorithm 17) packs
 * top - c, and SimpleBitPack (16) packs c itself: top 0. */
#define MLDSA_FIELDS(X)                                \
	X(T1, 10, 0)                                   \
	X(T0, MLDSA_D, 1 << (MLDSA_D - 1))             \
	X(ETA_2, 3, 2)                                 \
	X(ETA_4, 4, 4)                                 \
	X(Z_17, 18, 1 << 17) /* gamma1 is 2^17 */      \
	X(Z_19, 20, 1 << 19)                           \
	X(W1_44, 6, 0) /* w1 is from 0 to 43, or 15 */ \
	X(W1_16, 4, 0)

enum mldsa_field {
#define MLDSA_FIELD_ENUM(name, n_bits, top) MLDSA_##name,
	MLDSA_FIELDS(MLDSA_FIELD_ENUM)
#undef MLDSA_FIELD_ENUM
	MLDSA_N_FIELDS,
};

/* The candidates that rejection sampling is given at once come in blocks of SHAKE, and a kernel
 * may read this much beyond what it was given, and write this much beyond what it keeps. */
#define MLDSA_SLACK 64

struct mldsa_kernels {
	/* Algorithms 41 and 42. The NTT takes up to q in absolute value and gives less than 9 q;
	 * the inverse takes and gives reduced coefficients. */
	void (*ntt)(struct mldsa_poly *p);
	void (*inverse_ntt)(struct mldsa_poly *p);

	/* ret = a b, reduced, of factors less than 9 q. ret may be a or b. */
	void (*multiply)(struct mldsa_poly *ret, const struct mldsa_poly *a,
			 const struct mldsa_poly *b);
	/* ret = a[0] b[0] + ... + a[n - 1] b[n - 1], reduced: a reduced and b less than 9 q, but
	 * for one pair where a is less than 9 q as well; n is 8 or less. */
	void (*inner_product)(struct mldsa_poly *ret, const struct mldsa_poly *a,
			      const struct mldsa_poly *b, unsigned n);

	/* The sum of reduced t and small s in [0, q), in halves: Power2Round (algorithm 35). */
	void (*power2round)(const struct mldsa_poly *t, const struct mldsa_poly *s,
			    struct mldsa_poly *ret_high, struct mldsa_poly *ret_low);
	/* Decompose (algorithm 36) of reduced coefficients; gamma2 is (q - 1) / 88 or / 32. */
	void (*decompose)(const struct mldsa_poly *w, int32_t gamma2, struct mldsa_poly *ret_high,
			  struct mldsa_poly *ret_low);

	/* p plus or minus a product of small polynomials modulo q of ML-KEM, first centred; whether
	 * p then has a coefficient at or beyond ± bound. All are looked at. */
	bool (*add_exceeds)(struct mldsa_poly *p, const struct mlkem_poly *product, int32_t bound);
	bool (*subtract_exceeds)(struct mldsa_poly *p, const struct mlkem_poly *product,
				 int32_t bound);
	/* Of small coefficients, as factors of such products. */
	void (*narrow)(const struct mldsa_poly *p, struct mlkem_poly *ret);

	/* From reduced to about [-q/2, q/2]. */
	void (*centre)(struct mldsa_poly *p);
	/* Whether p has a coefficient at or beyond ± bound. */
	bool (*exceeds)(const struct mldsa_poly *p, int32_t bound);

	/* MakeHint (algorithm 39) of -c t0 and w - c s2 + c t0, given w1, w0 - c s2 and the
	 * centred product c t0. The number of ones. */
	unsigned (*make_hint)(const struct mldsa_poly *w1, const struct mldsa_poly *low,
			      const struct mldsa_poly *product, int32_t gamma2,
			      struct mldsa_poly *ret);
	/* UseHint (algorithm 40) on reduced coefficients; hint is 0 or 1 each. */
	void (*use_hint)(const struct mldsa_poly *w, const struct mldsa_poly *hint, int32_t gamma2,
			 struct mldsa_poly *ret);

	/* Appends to the n coefficients of ret what candidates of three bytes (algorithm 14) give,
	 * until there are MLDSA_N; len is a multiple of 24. The new n. Branches: A is public. */
	unsigned (*reject_uniform)(int32_t *ret, unsigned n, const uint8_t *from, size_t len);
	/* Appends what half bytes give (algorithm 15, eta 2 or 4), with no limit; len is a
	 * multiple of 8. The new n, which with the places kept, but no value, may show in time. */
	unsigned (*reject_bounded)(int8_t *ret, unsigned n, unsigned eta, const uint8_t *from,
				   size_t len);
	void (*widen)(const int8_t *from, struct mldsa_poly *ret);

	/* By enum mldsa_field; 32 bytes for each bit of a coefficient. */
	void (*pack[MLDSA_N_FIELDS])(const struct mldsa_poly *p, uint8_t *ret);
	void (*unpack[MLDSA_N_FIELDS])(const uint8_t *from, struct mldsa_poly *ret);
};

extern const struct mldsa_kernels mldsa_kernels_portable;
#if defined(__x86_64__)
extern const struct mldsa_kernels mldsa_kernels_avx2;
extern const struct mldsa_kernels mldsa_kernels_avx512;
#endif

/* Those of a level of this machine; an operation asks once, for pqc_level(). */
const struct mldsa_kernels *mldsa_kernels(enum pqc_level level);
