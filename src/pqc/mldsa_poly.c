/* SPDX-License-Identifier: Apache-2.0 */
/* Portable kernels of ML-DSA polynomials (FIPS 204 sections 7.1 and 7.3 to 7.6), which those of
 * other levels are compared with, and the choice among the levels. */
#include "pqc/mldsa_poly.h"

#include <string.h>

#include "base/bytes.h"
#include "pqc/bits.h"
#include "pqc/ct.h"
#include "pqc/mldsa_lanes.h"
#include "pqc/mldsa_zetas.h"

#define Q MLDSA_Q

#define ROW(...) __VA_ARGS__,
static const int32_t zetas[MLDSA_N] = { MLDSA_ZETAS_0(ROW) MLDSA_ZETAS_16(ROW) MLDSA_ZETAS_32(ROW)
						MLDSA_ZETAS_64(ROW) MLDSA_ZETAS_128(ROW) };
#undef ROW

/* a 2^-32 modulo q, within (-q, q) for |a| < q 2^31. */
static inline int32_t montgomery(int64_t a)
{
	int32_t t = (int32_t)((uint32_t)a * (uint32_t)MLDSA_Q_INVERSE);

	return (int32_t)((a - (int64_t)t * Q) >> 32);
}

/* Eight layers add at most q each. */
static void ntt(struct mldsa_poly *p)
{
	unsigned k = 1;

	for (unsigned len = 128; len >= 1; len /= 2) {
		for (unsigned start = 0; start < MLDSA_N; start += 2 * len) {
			int64_t zeta = zetas[k++];
			int32_t *a = p->c + start;
			int32_t *b = a + len;

			for (unsigned j = 0; j < len; j++) {
				int32_t t = montgomery(zeta * b[j]);

				b[j] = a[j] - t;
				a[j] = a[j] + t;
			}
		}
	}
}

/* Sums double in each of eight layers: from below q they stay below 256 q, which is less than
 * 2^31. The last layer multiplies by the last factor as well. */
static void inverse_ntt(struct mldsa_poly *p)
{
	unsigned k = 255;

	for (unsigned len = 1; len < 128; len *= 2) {
		for (unsigned start = 0; start < MLDSA_N; start += 2 * len) {
			int64_t zeta = zetas[k--];
			int32_t *a = p->c + start;
			int32_t *b = a + len;

			for (unsigned j = 0; j < len; j++) {
				int32_t difference = b[j] - a[j];

				a[j] += b[j];
				b[j] = montgomery(zeta * difference);
			}
		}
	}
	for (unsigned j = 0; j < 128; j++) {
		int32_t sum = p->c[j] + p->c[j + 128];
		int32_t difference = p->c[j + 128] - p->c[j];

		p->c[j] = montgomery((int64_t)sum * MLDSA_LAST_FACTOR);
		p->c[j + 128] = montgomery((int64_t)difference * MLDSA_LAST_ZETA);
	}
}

static void multiply(struct mldsa_poly *ret, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		ret->c[i] = montgomery((int64_t)a->c[i] * b->c[i]);
}

/* One reduction for all products: together they are less than 7 * 9 q^2 + 81 q^2, which is less
 * than q 2^31. */
static void inner_product(struct mldsa_poly *ret, const struct mldsa_poly *a,
			  const struct mldsa_poly *b, unsigned n)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int64_t sum = 0;

		for (unsigned j = 0; j < n; j++)
			sum += (int64_t)a[j].c[i] * b[j].c[i];
		ret->c[i] = montgomery(sum);
	}
}

static unsigned reject_uniform(int32_t *ret, unsigned n, const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len && n < MLDSA_N; i += 3) {
		int32_t v = from[i] | from[i + 1] << 8 | (from[i + 2] & 127) << 16;

		ret[n] = v;
		n += v < Q;
	}
	return n;
}

/* Algorithm 15 without its comparison's branch: 1 where the half byte v makes a coefficient. */
static inline uint32_t bounded_from_half_byte(unsigned eta, uint32_t v, int8_t *ret)
{
	if (eta == 2) {
		*ret = (int8_t)(2 - (int32_t)(v - 5 * (v * 205 >> 10))); /* v modulo 5 */
		return ct_negative((int32_t)v - 15);
	}
	*ret = (int8_t)(4 - (int32_t)v);
	return ct_negative((int32_t)v - 9);
}

static unsigned reject_bounded(int8_t *ret, unsigned n, unsigned eta, const uint8_t *from,
			       size_t len)
{
	for (size_t i = 0; i < len; i++) {
		n += ct_public(bounded_from_half_byte(eta, from[i] & 15, &ret[n]));
		n += ct_public(bounded_from_half_byte(eta, from[i] >> 4, &ret[n]));
	}
	return n;
}

static inline __attribute__((always_inline)) void
pack_field(const struct mldsa_poly *p, unsigned n_bits, int32_t top, uint8_t *ret)
{
	uint32_t values[MLDSA_N];

	for (unsigned i = 0; i < MLDSA_N; i++)
		values[i] = (uint32_t)(top ? top - p->c[i] : p->c[i]);
	bits_pack(values, n_bits, ret);
	bytes_wipe(values, sizeof(values));
}

static inline __attribute__((always_inline)) void unpack_field(const uint8_t *from, unsigned n_bits,
							       int32_t top, struct mldsa_poly *ret)
{
	uint32_t values[MLDSA_N];

	bits_unpack(from, n_bits, values);
	for (unsigned i = 0; i < MLDSA_N; i++)
		ret->c[i] = top ? top - (int32_t)values[i] : (int32_t)values[i];
	bytes_wipe(values, sizeof(values));
}

MLDSA_FIELDS(MLDSA_FIELD_FUNCTIONS)

const struct mldsa_kernels mldsa_kernels_portable = {
	MLDSA_LANES_KERNELS,
	.ntt = ntt,
	.inverse_ntt = inverse_ntt,
	.multiply = multiply,
	.inner_product = inner_product,
	.reject_uniform = reject_uniform,
	.reject_bounded = reject_bounded,
	.pack = { MLDSA_FIELDS(MLDSA_FIELD_PACK) },
	.unpack = { MLDSA_FIELDS(MLDSA_FIELD_UNPACK) },
};

const struct mldsa_kernels *mldsa_kernels(enum pqc_level level)
{
	switch (level) {
#if defined(__x86_64__)
	case PQC_AVX512:
		return &mldsa_kernels_avx512;
	case PQC_AVX2:
		return &mldsa_kernels_avx2;
#endif
	default:
		return &mldsa_kernels_portable;
	}
}
