/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic, sampling and encoding of ML-KEM polynomials (FIPS 203 section 4.2). */
#include "pqc/mlkem_poly.h"

#include <string.h>

#include "base/bytes.h"
#include "pqc/bits.h"
#include "pqc/ct.h"
#include "pqc/cpu.h"

#define Q MLKEM_Q
#define Q_INVERSE (-3327)   /* of q modulo 2^16 */
#define R_SQUARED 1353	    /* 2^32 modulo q */
#define INVERSE_128_R2 1441 /* 2^32 / 128 modulo q */

/* 17^BitRev7(i) 2^16 modulo q, centred (appendix A). */
static const int16_t zetas[128] = {
	-1044, -758,  -359,  -1517, 1493,  1422,  287,	 202,	-171,  622,   1577,  182,   962,
	-1202, -1474, 1468,  573,   -1325, 264,	  383,	 -829,	1458,  -1602, -130,  -681,  1017,
	732,   608,   -1542, 411,   -205,  -1571, 1223,	 652,	-552,  1015,  -1293, 1491,  -282,
	-1544, 516,   -8,    -320,  -666,  -1618, -1162, 126,	1469,  -853,  -90,   -271,  830,
	107,   -1421, -247,  -951,  -398,  961,	  -1508, -725,	448,   -1065, 677,   -1275, -1103,
	430,   555,   843,   -1251, 871,   1550,  105,	 422,	587,   177,   -235,  -291,  -460,
	1574,  1653,  -246,  778,   1159,  -147,  -777,	 1483,	-602,  1119,  -1590, 644,   -872,
	349,   418,   329,   -156,  -75,   817,	  1097,	 603,	610,   1322,  -1285, -1465, 384,
	-1215, -136,  1218,  -1335, -874,  220,	  -1187, -1659, -1185, -1530, -1278, 794,   -1510,
	-854,  -870,  478,   -108,  -308,  996,	  991,	 958,	-1460, 1522,  1628,
};

/* a b 2^-16 modulo q, within (-q, q) for |a b| < q 2^15. The low halves of the two products
 * are equal and cancel, so the high halves are all there is to subtract. */
static inline int16_t multiply(int16_t a, int16_t b)
{
	int16_t low = (int16_t)((int32_t)a * b);
	int16_t high = (int16_t)(((int32_t)a * b) >> 16);
	int16_t t = (int16_t)((int32_t)low * Q_INVERSE);

	return (int16_t)(high - (int16_t)(((int32_t)t * Q) >> 16));
}

/* Barrett: the representative within [-q/2, q/2] of any int16_t. */
static inline int16_t reduce(int16_t a)
{
	int16_t quotient = (int16_t)(((int32_t)a * 20159 + (1 << 25)) >> 26); /* 2^26 / q */

	return (int16_t)(a - quotient * Q);
}

static void reduce_all(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = reduce(p->c[i]);
}

/* The representative within [0, q) of any int16_t. 20159 is 0.13 too large, which for a multiple
 * of q below 0 would be a quotient too small; 2^13 makes up for it and is too little to matter
 * elsewhere. There is no sign to look at afterwards. */
static inline uint16_t to_unsigned(int16_t a)
{
	int32_t quotient = ((int32_t)a * 20159 + (1 << 13)) >> 26;

	return (uint16_t)(a - quotient * Q);
}

/* Seven layers add at most q each: 8 q is less than 2^15, so one reduction at the end does. */
static void ntt(struct mlkem_poly *p)
{
	unsigned k = 1;

	for (unsigned len = 128; len >= 2; len /= 2) {
		for (unsigned start = 0; start < MLKEM_N; start += 2 * len) {
			int16_t zeta = zetas[k++];
			int16_t *a = p->c + start;
			int16_t *b = a + len;

			for (unsigned j = 0; j < len; j++) {
				int16_t t = multiply(zeta, b[j]);

				b[j] = (int16_t)(a[j] - t);
				a[j] = (int16_t)(a[j] + t);
			}
		}
	}
	reduce_all(p);
}

/* Sums double in each layer: from below q to 8 q in the first three, from q / 2 to 4 q in the
 * next. */
static void inverse_ntt(struct mlkem_poly *p)
{
	unsigned k = 127;

	for (unsigned len = 2; len <= 128; len *= 2) {
		for (unsigned start = 0; start < MLKEM_N; start += 2 * len) {
			int16_t zeta = zetas[k--];
			int16_t *a = p->c + start;
			int16_t *b = a + len;

			for (unsigned j = 0; j < len; j++) {
				int16_t t = a[j];

				a[j] = (int16_t)(t + b[j]);
				b[j] = multiply(zeta, (int16_t)(b[j] - t));
			}
		}
		if (len == 8 || len == 64)
			reduce_all(p);
	}
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = multiply(p->c[i], INVERSE_128_R2);
}

/* a 2^-16 modulo q, within (-q, q) for |a| < q 2^15. */
static inline int16_t montgomery(int32_t a)
{
	int16_t t = (int16_t)((int16_t)a * Q_INVERSE);

	return (int16_t)((a - (int32_t)t * Q) >> 16);
}

/* (a0 + a1 X)(b0 + b1 X) modulo X^2 - zeta is a0 b0 + a1 zeta b1 + (a0 b1 + a1 b0) X (algorithm
 * 12); the odd pairs have -zeta. */
static void to_factor(struct mlkem_factor *ret, const struct mlkem_poly *from)
{
	for (unsigned i = 0; i < MLKEM_N; i += 2) {
		int16_t zeta = zetas[64 + i / 4];

		ret->low.c[i] = from->c[i];
		ret->low.c[i + 1] = multiply(from->c[i + 1], (int16_t)(i & 2 ? -zeta : zeta));
		ret->high.c[i] = from->c[i + 1];
		ret->high.c[i + 1] = from->c[i];
	}
}

/* Written so that a compiler has long runs to put into whatever vectors there are. */
static inline void multiply_wide_add(int32_t sums[MLKEM_N], const struct mlkem_poly *a,
				     const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		sums[i] += a->c[i] * b->c[i];
}

/* Eight products of 4095 and 2 q / 3 stay below q 2^15: one reduction does for the sum. */
static void inner_product(struct mlkem_poly *ret, const struct mlkem_poly *a,
			  const struct mlkem_factor *b, unsigned k)
{
	int32_t low[MLKEM_N] = { 0 }, high[MLKEM_N] = { 0 };

	for (unsigned j = 0; j < k; j++) {
		multiply_wide_add(low, &a[j], &b[j].low);
		multiply_wide_add(high, &a[j], &b[j].high);
	}
	for (unsigned i = 0; i < MLKEM_N; i += 2) {
		ret->c[i] = montgomery(low[i] + low[i + 1]);
		ret->c[i + 1] = montgomery(high[i] + high[i + 1]);
	}
	bytes_wipe(low, sizeof(low));
	bytes_wipe(high, sizeof(high));
}

static void to_montgomery(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = multiply(p->c[i], R_SQUARED);
}

static void add(struct mlkem_poly *p, const struct mlkem_poly *other)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = (int16_t)(p->c[i] + other->c[i]);
}

static void subtract(struct mlkem_poly *p, const struct mlkem_poly *other)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = (int16_t)(p->c[i] - other->c[i]);
}

/* One in five is rejected, which no processor can predict: what is rejected is written too,
 * and the next written over it. */
static unsigned sample_uniform(struct mlkem_poly *ret, unsigned n,
			       const uint8_t block[SHAKE128_RATE])
{
	for (unsigned i = 0; i < SHAKE128_RATE && n < MLKEM_N; i += 3) { /* a multiple of 3 */
		int d1 = block[i] | (block[i + 1] & 15) << 8;
		int d2 = block[i + 1] >> 4 | block[i + 2] << 4;

		ret->c[n] = (int16_t)d1;
		n += d1 < Q;
		if (n == MLKEM_N)
			break;
		ret->c[n] = (int16_t)d2;
		n += d2 < Q;
	}
	return n;
}

/* Sums of two bits in parallel: 8 coefficients from 4 bytes. */
static void noise_eta2(struct mlkem_poly *p, const uint8_t *bytes)
{
	for (unsigned i = 0; i < MLKEM_N / 8; i++) {
		uint32_t v = bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 |
			     (uint32_t)bytes[4 * i + 2] << 16 | (uint32_t)bytes[4 * i + 3] << 24;
		uint32_t sums = (v & 0x55555555) + (v >> 1 & 0x55555555);

		for (unsigned j = 0; j < 8; j++)
			p->c[8 * i + j] = (int16_t)((int)(sums >> 4 * j & 3) -
						    (int)(sums >> (4 * j + 2) & 3));
	}
}

/* Sums of three: 4 coefficients from 3 bytes. */
static void noise_eta3(struct mlkem_poly *p, const uint8_t *bytes)
{
	for (unsigned i = 0; i < MLKEM_N / 4; i++) {
		uint32_t v = bytes[3 * i] | (uint32_t)bytes[3 * i + 1] << 8 |
			     (uint32_t)bytes[3 * i + 2] << 16;
		uint32_t sums = (v & 0x249249) + (v >> 1 & 0x249249) + (v >> 2 & 0x249249);

		for (unsigned j = 0; j < 4; j++)
			p->c[4 * i + j] = (int16_t)((int)(sums >> 6 * j & 7) -
						    (int)(sums >> (6 * j + 3) & 7));
	}
}

static void sample_noise(struct mlkem_poly *ret, unsigned eta, const uint8_t *bytes)
{
	if (eta == 2)
		noise_eta2(ret, bytes);
	else
		noise_eta3(ret, bytes);
}

static void encode(const struct mlkem_poly *p, uint8_t ret[MLKEM_POLY_LEN])
{
	uint32_t values[MLKEM_N];

	for (unsigned i = 0; i < MLKEM_N; i++)
		values[i] = to_unsigned(p->c[i]);
	bits_pack(values, 12, ret);
	bytes_wipe(values, sizeof(values));
}

static void decode(struct mlkem_poly *p, const uint8_t from[MLKEM_POLY_LEN])
{
	uint32_t values[MLKEM_N];

	bits_unpack(from, 12, values);
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = (int16_t)values[i];
	bytes_wipe(values, sizeof(values));
}

/* round(2^d x / q) modulo 2^d for x in [0, q). The division, whose instructions take time that
 * depends on their operands, is a multiplication by floor(2^(13+d) / q). The quotient is right or
 * one too small, which the rest tells: the numerator less the multiple of q is below 2 q. */
static inline uint16_t compress_one(uint16_t x, unsigned d)
{
	uint16_t factor = (uint16_t)((1U << (13 + d)) / Q);
	uint16_t y = (uint16_t)((uint32_t)(uint16_t)(8 * x) * factor >> 16);
	uint16_t rest = (uint16_t)(((unsigned)x << d) + Q / 2 - (unsigned)y * Q);
	uint16_t too_small = (uint16_t)((uint16_t)(Q - 1 - rest) >> 15);

	return (uint16_t)((y + too_small) & ((1 << d) - 1));
}

static inline __attribute__((always_inline)) void compress_to(const struct mlkem_poly *p,
							      unsigned d, uint8_t *ret)
{
	uint32_t values[MLKEM_N];

	for (unsigned i = 0; i < MLKEM_N; i++)
		values[i] = compress_one(to_unsigned(p->c[i]), d);
	bits_pack(values, d, ret);
	bytes_wipe(values, sizeof(values));
}

static inline __attribute__((always_inline)) void decompress_from(struct mlkem_poly *p, unsigned d,
								  const uint8_t *from)
{
	uint32_t values[MLKEM_N];

	bits_unpack(from, d, values);
	for (unsigned i = 0; i < MLKEM_N; i++) /* hidden: a bit of the message is no branch */
		p->c[i] = (int16_t)((ct_hide(values[i]) * Q + (UINT32_C(1) << (d - 1))) >> d);
	bytes_wipe(values, sizeof(values));
}

static void compress(const struct mlkem_poly *p, unsigned d, uint8_t *ret)
{
	switch (d) {
	case 1:
		compress_to(p, 1, ret);
		break;
	case 4:
		compress_to(p, 4, ret);
		break;
	case 5:
		compress_to(p, 5, ret);
		break;
	case 10:
		compress_to(p, 10, ret);
		break;
	case 11:
		compress_to(p, 11, ret);
		break;
	}
}

static void decompress(struct mlkem_poly *p, unsigned d, const uint8_t *from)
{
	switch (d) {
	case 1:
		decompress_from(p, 1, from);
		break;
	case 4:
		decompress_from(p, 4, from);
		break;
	case 5:
		decompress_from(p, 5, from);
		break;
	case 10:
		decompress_from(p, 10, from);
		break;
	case 11:
		decompress_from(p, 11, from);
		break;
	}
}

const struct mlkem_kernels mlkem_kernels_portable = {
	.ntt = ntt,
	.inverse_ntt = inverse_ntt,
	.to_factor = to_factor,
	.inner_product = inner_product,
	.to_montgomery = to_montgomery,
	.add = add,
	.subtract = subtract,
	.sample_uniform = sample_uniform,
	.sample_noise = sample_noise,
	.encode = encode,
	.decode = decode,
	.compress = compress,
	.decompress = decompress,
};

const struct mlkem_kernels *mlkem_kernels(void)
{
	switch (pqc_level()) {
#if defined(__x86_64__)
	case PQC_AVX512:
		return &mlkem_kernels_avx512;
	case PQC_AVX2:
		return &mlkem_kernels_avx2;
#endif
	default:
		return &mlkem_kernels_portable;
	}
}
