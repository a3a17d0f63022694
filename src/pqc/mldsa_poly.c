/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic, sampling and rounding of ML-DSA polynomials (FIPS 204 sections 7.3 to 7.6). */
#include "pqc/mldsa_poly.h"

#include <string.h>

#include "base/bytes.h"
#include "pqc/bits.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"

#define Q MLDSA_Q
#define Q_INVERSE UINT32_C(58728449) /* of q modulo 2^32 */
#define INVERSE_256_R2 41978	     /* 2^64 / 256 modulo q */

/* 1753^BitRev8(i) 2^32 modulo q, centred (appendix B). */
static const int32_t zetas[MLDSA_N] = {
	-4186625, 25847,    -2608894, -518909,	237124,	  -777960,  -876248,  466468,	1826347,
	2353451,  -359251,  -2091905, 3119733,	-2884855, 3111497,  2680103,  2725464,	1024112,
	-1079900, 3585928,  -549488,  -1119584, 2619752,  -2108549, -2118186, -3859737, -1399561,
	-3277672, 1757237,  -19422,   4010497,	280005,	  2706023,  95776,    3077325,	3530437,
	-1661693, -3592148, -2537516, 3915439,	-3861115, -3043716, 3574422,  -2867647, 3539968,
	-300467,  2348700,  -539299,  -1699267, -1643818, 3505694,  -3821735, 3507263,	-2140649,
	-1600420, 3699596,  811944,   531354,	954230,	  3881043,  3900724,  -2556880, 2071892,
	-2797779, -3930395, -1528703, -3677745, -3041255, -1452451, 3475950,  2176455,	-1585221,
	-1257611, 1939314,  -4083598, -1000202, -3190144, -3157330, -3632928, 126922,	3412210,
	-983419,  2147896,  2715295,  -2967645, -3693493, -411027,  -2477047, -671102,	-1228525,
	-22981,	  -1308169, -381987,  1349076,	1852771,  -1430430, -3343383, 264944,	508951,
	3097992,  44288,    -1100098, 904516,	3958618,  -3724342, -8578,    1653064,	-3249728,
	2389356,  -210977,  759969,   -1316856, 189548,	  -3553272, 3159746,  -1851402, -2409325,
	-177440,  1315589,  1341330,  1285669,	-1584928, -812732,  -1439742, -3019102, -3881060,
	-3628969, 3839961,  2091667,  3407706,	2316500,  3817976,  -3342478, 2244091,	-2446433,
	-3562462, 266997,   2434439,  -1235728, 3513181,  -3520352, -3759364, -1197226, -3193378,
	900702,	  1859098,  909542,   819034,	495491,	  -1613174, -43260,   -522500,	-655327,
	-3122442, 2031748,  3207046,  -3556995, -525098,  -768622,  -3595838, 342297,	286988,
	-2437823, 4108315,  3437287,  -3342277, 1735879,  203044,   2842341,  2691481,	-2590150,
	1265009,  4055324,  1247620,  2486353,	1595974,  -3767016, 1250494,  2635921,	-3548272,
	-2994039, 1869119,  1903435,  -1050970, -1333058, 1237275,  -3318210, -1430225, -451100,
	1312455,  3306115,  -1962642, -1279661, 1917081,  -2546312, -1374803, 1500165,	777191,
	2235880,  3406031,  -542412,  -2831860, -1671176, -1846953, -2584293, -3724270, 594136,
	-3776993, -2013608, 2432395,  2454455,	-164721,  1957272,  3369112,  185531,	-1207385,
	-3183426, 162844,   1616392,  3014001,	810149,	  1652634,  -3694233, -1799107, -3038916,
	3523897,  3866901,  269760,   2213111,	-975884,  1717735,  472078,   -426683,	1723600,
	-1803090, 1910376,  -1667432, -1104333, -260646,  -3833893, -2939036, -2235985, -420899,
	-2286327, 183443,   -976891,  1612842,	-3545687, -554416,  3919660,  -48306,	-1362209,
	3937738,  1400424,  -846154,  1976782,
};

/* a 2^-32 modulo q, within (-q, q) for |a| < q 2^31. */
static inline int32_t montgomery(int64_t a)
{
	int32_t t = (int32_t)((uint32_t)a * Q_INVERSE);

	return (int32_t)((a - (int64_t)t * Q) >> 32);
}

/* Within about [-q/2, q/2] for |a| < 2^31 - 2^22; q is close to 2^23. */
static inline int32_t reduce(int32_t a)
{
	return a - ((a + (1 << 22)) >> 23) * Q;
}

/* Eight layers add at most q each. */
void mldsa_poly_ntt(struct mldsa_poly *p)
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

/* Sums double in each of eight layers: from below q/2 + a little they stay below 2^31. */
void mldsa_poly_inverse_ntt(struct mldsa_poly *p)
{
	unsigned k = 255;

	mldsa_poly_reduce(p);
	for (unsigned len = 1; len <= 128; len *= 2) {
		for (unsigned start = 0; start < MLDSA_N; start += 2 * len) {
			int64_t zeta = -zetas[k--];
			int32_t *a = p->c + start;
			int32_t *b = a + len;

			for (unsigned j = 0; j < len; j++) {
				int32_t t = a[j];

				a[j] = t + b[j];
				b[j] = montgomery(zeta * (t - b[j]));
			}
		}
	}
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = montgomery((int64_t)p->c[i] * INVERSE_256_R2);
}

void mldsa_poly_multiply(struct mldsa_poly *ret, const struct mldsa_poly *a,
			 const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		ret->c[i] = montgomery((int64_t)a->c[i] * b->c[i]);
}

void mldsa_poly_multiply_add(struct mldsa_poly *sum, const struct mldsa_poly *a,
			     const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		sum->c[i] += montgomery((int64_t)a->c[i] * b->c[i]);
}

void mldsa_poly_add(struct mldsa_poly *p, const struct mldsa_poly *other)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] += other->c[i];
}

void mldsa_poly_subtract(struct mldsa_poly *p, const struct mldsa_poly *other)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] -= other->c[i];
}

void mldsa_poly_reduce(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = reduce(p->c[i]);
}

void mldsa_poly_to_unsigned(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] += (int32_t)(ct_mask(ct_negative(p->c[i])) & Q);
}

bool mldsa_poly_exceeds(const struct mldsa_poly *p, int32_t bound)
{
	uint32_t any = 0;

	for (unsigned i = 0; i < MLDSA_N; i++)
		any |= ct_negative(bound - 1 - ct_abs(p->c[i]));
	return any != 0;
}

/* Rejected candidates take time, but they are independent of those kept, here and below
 * (FIPS 204 section 3.6.3 has no objection to what follows from them). */
void mldsa_poly_sample_uniform(struct mldsa_poly *p, const uint8_t rho[32], uint8_t s, uint8_t r)
{
	const uint8_t position[2] = { s, r };
	uint8_t block[SHAKE128_RATE]; /* a multiple of 3 */
	struct keccak k;
	unsigned n = 0;

	shake128_init(&k);
	keccak_absorb(&k, rho, 32);
	keccak_absorb(&k, position, sizeof(position));
	while (n < MLDSA_N) {
		keccak_squeeze(&k, block, sizeof(block));
		for (unsigned i = 0; i < sizeof(block) && n < MLDSA_N; i += 3) {
			int32_t v = block[i] | block[i + 1] << 8 | (block[i + 2] & 127) << 16;

			p->c[n] = v;
			n += v < Q;
		}
	}
}

/* Algorithm 15 without its comparison's branch: 1 where the half byte v makes a coefficient. */
static inline uint32_t bounded_from_half_byte(unsigned eta, uint32_t v, int32_t *ret)
{
	if (eta == 2) {
		*ret = 2 - (int32_t)(v - 5 * (v * 205 >> 10)); /* v modulo 5, for v < 16 */
		return ct_negative((int32_t)v - 15);
	}
	*ret = 4 - (int32_t)v;
	return ct_negative((int32_t)v - 9);
}

void mldsa_poly_sample_bounded(struct mldsa_poly *p, unsigned eta, const uint8_t seed[64],
			       uint16_t nonce)
{
	const uint8_t suffix[2] = { (uint8_t)nonce, (uint8_t)(nonce >> 8) };
	int32_t kept[MLDSA_N + 1]; /* a place for what the last half byte may leave over */
	uint8_t block[SHAKE256_RATE];
	struct keccak k;
	unsigned n = 0;

	shake256_init(&k);
	keccak_absorb(&k, seed, 64);
	keccak_absorb(&k, suffix, sizeof(suffix));
	while (n < MLDSA_N) {
		keccak_squeeze(&k, block, sizeof(block));
		for (unsigned i = 0; i < sizeof(block) && n < MLDSA_N; i++) {
			n += bounded_from_half_byte(eta, block[i] & 15, &kept[n]);
			n += bounded_from_half_byte(eta, block[i] >> 4, &kept[n]);
		}
	}
	memcpy(p->c, kept, sizeof(p->c));
	bytes_wipe(kept, sizeof(kept));
	bytes_wipe(block, sizeof(block));
	keccak_wipe(&k);
}

void mldsa_poly_sample_mask(struct mldsa_poly *p, unsigned n_bits, const uint8_t seed[64],
			    uint16_t nonce)
{
	const uint8_t suffix[2] = { (uint8_t)nonce, (uint8_t)(nonce >> 8) };
	uint8_t bytes[BITS_LEN(20)];
	uint32_t values[MLDSA_N];
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, seed, 64);
	keccak_absorb(&k, suffix, sizeof(suffix));
	keccak_squeeze(&k, bytes, BITS_LEN((size_t)n_bits));
	if (n_bits == 18)
		bits_unpack(bytes, 18, values);
	else
		bits_unpack(bytes, 20, values);
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = (1 << (n_bits - 1)) - (int32_t)values[i];
	bytes_wipe(bytes, sizeof(bytes));
	bytes_wipe(values, sizeof(values));
	keccak_wipe(&k);
}

/* The places depend on the commitment hash alone, which is published where the candidate
 * signature is, and says nothing of the key where it is not: it may index and branch. */
void mldsa_poly_sample_challenge(struct mldsa_poly *p, unsigned tau, const uint8_t *seed,
				 size_t seed_len)
{
	struct keccak k;
	uint8_t bytes[8];
	uint64_t signs = 0;

	shake256_init(&k);
	keccak_absorb(&k, seed, seed_len);
	keccak_squeeze(&k, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 8; i++)
		signs |= (uint64_t)bytes[i] << 8 * i;
	memset(p, 0, sizeof(*p));
	for (unsigned i = MLDSA_N - tau; i < MLDSA_N; i++, signs >>= 1) {
		uint8_t j;

		do {
			keccak_squeeze(&k, &j, 1);
		} while (j > i);
		p->c[i] = p->c[j];
		p->c[j] = 1 - 2 * (int32_t)(signs & 1);
	}
}

void mldsa_poly_power2round(const struct mldsa_poly *t, struct mldsa_poly *ret_high,
			    struct mldsa_poly *ret_low)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t high = (t->c[i] + (1 << (MLDSA_D - 1)) - 1) >> MLDSA_D;

		ret_low->c[i] = t->c[i] - (high << MLDSA_D);
		ret_high->c[i] = high;
	}
}

/* (r + gamma2 - 1) / (2 gamma2), rounded down, by a multiplication with the inverse rounded
 * up: the dividend is below 2^24, so an error of 2^-24 is less than one part in 2 gamma2. */
static inline __attribute__((always_inline)) void decompose(const struct mldsa_poly *r,
							    int32_t gamma2,
							    struct mldsa_poly *ret_high,
							    struct mldsa_poly *ret_low)
{
	const uint64_t inverse = ((UINT64_C(1) << 48) / (uint32_t)(2 * gamma2)) + 1;
	const int32_t top = (Q - 1) / (2 * gamma2);

	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t v = r->c[i];
		int32_t high = (int32_t)((uint64_t)(v + gamma2 - 1) * inverse >> 48);
		int32_t low = v - high * 2 * gamma2;
		/* r - r0 = q - 1 belongs to high 0, with low one less (lines 3 to 5) */
		int32_t wraps = (int32_t)ct_mask(ct_negative(top - 1 - high));

		ret_low->c[i] = low + wraps;
		ret_high->c[i] = high & ~wraps;
	}
}

void mldsa_poly_decompose(const struct mldsa_poly *r, int32_t gamma2, struct mldsa_poly *ret_high,
			  struct mldsa_poly *ret_low)
{
	if (gamma2 == (Q - 1) / 88)
		decompose(r, (Q - 1) / 88, ret_high, ret_low);
	else
		decompose(r, (Q - 1) / 32, ret_high, ret_low);
}
