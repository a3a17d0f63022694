/* SPDX-License-Identifier: Apache-2.0 */
/* K-PKE and ML-KEM (FIPS 203 sections 5 and 6). */
#include "pqc/mlkem.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"
#include "pqc/mlkem_poly.h"

#define K_MAX 4

const struct mlkem_sizes mlkem_sizes[3] = {
	[MLKEM_512] = { "ML-KEM-512", 800, 1632, 768 },
	[MLKEM_768] = { "ML-KEM-768", 1184, 2400, 1088 },
	[MLKEM_1024] = { "ML-KEM-1024", 1568, 3168, 1568 },
};

/* Table 2; eta2 is 2 throughout. */
static const struct params {
	uint8_t k, eta1, du, dv;
} params[3] = {
	[MLKEM_512] = { 2, 3, 10, 4 },
	[MLKEM_768] = { 3, 2, 10, 4 },
	[MLKEM_1024] = { 4, 2, 11, 5 },
};

#define ETA2 2

struct vector {
	struct mlkem_poly p[K_MAX];
};

/* G (4.5): 64 bytes in two halves. */
static void hash_g(const uint8_t *from, size_t len, uint8_t first[32], uint8_t second[32])
{
	uint8_t both[SHA3_512_LEN];

	sha3_512(from, len, both);
	memcpy(first, both, 32);
	memcpy(second, both + 32, 32);
	bytes_wipe(both, sizeof(both));
}

static void vector_decode(struct vector *v, unsigned k, const uint8_t *from)
{
	for (unsigned i = 0; i < k; i++)
		mlkem_poly_decode(&v->p[i], from + (size_t)i * MLKEM_POLY_LEN);
}

static void vector_noise_ntt(struct vector *v, const struct params *par, const uint8_t seed[32])
{
	for (uint8_t i = 0; i < par->k; i++) {
		mlkem_poly_sample_noise(&v->p[i], par->eta1, seed, i);
		mlkem_poly_ntt(&v->p[i]);
	}
}

static void inner_product(struct mlkem_poly *sum, unsigned k, const struct vector *a,
			  const struct vector *b)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < k; i++)
		mlkem_poly_multiply_add(sum, &a->p[i], &b->p[i]);
}

/* Row i of A times v, or of A transposed; A is expanded from rho as it is used. */
static void matrix_row(struct mlkem_poly *sum, unsigned k, const uint8_t rho[32], unsigned i,
		       bool transposed, const struct vector *v)
{
	struct mlkem_poly entry;

	memset(sum, 0, sizeof(*sum));
	for (unsigned j = 0; j < k; j++) {
		mlkem_poly_sample_uniform(&entry, rho, (uint8_t)(transposed ? i : j),
					  (uint8_t)(transposed ? j : i));
		mlkem_poly_multiply_add(sum, &entry, &v->p[j]);
	}
}

/* Algorithm 13; writes the encryption key and the k encoded polynomials of s. */
static void pke_keygen(const struct params *par, const uint8_t d[32], uint8_t *ret_ek,
		       uint8_t *ret_dk)
{
	size_t vector_len = (size_t)par->k * MLKEM_POLY_LEN;
	uint8_t *rho = ret_ek + vector_len;
	uint8_t seed[33];
	uint8_t sigma[32];
	struct mlkem_poly t, e;
	struct vector s;

	memcpy(seed, d, 32);
	seed[32] = par->k;
	hash_g(seed, sizeof(seed), rho, sigma);
	vector_noise_ntt(&s, par, sigma);
	for (uint8_t i = 0; i < par->k; i++) {
		matrix_row(&t, par->k, rho, i, false, &s);
		mlkem_poly_to_montgomery(&t);
		mlkem_poly_sample_noise(&e, par->eta1, sigma, (uint8_t)(par->k + i));
		mlkem_poly_ntt(&e);
		mlkem_poly_add(&t, &e);
		mlkem_poly_encode(&t, ret_ek + (size_t)i * MLKEM_POLY_LEN);
		mlkem_poly_encode(&s.p[i], ret_dk + (size_t)i * MLKEM_POLY_LEN);
	}
	bytes_wipe(seed, sizeof(seed));
	bytes_wipe(sigma, sizeof(sigma));
	bytes_wipe(&e, sizeof(e));
	bytes_wipe(&s, sizeof(s));
}

/* Algorithm 14. */
static void pke_encrypt(const struct params *par, const uint8_t *ek, const uint8_t m[32],
			const uint8_t r[32], uint8_t *ret_ct)
{
	unsigned k = par->k;
	const uint8_t *rho = ek + (size_t)k * MLKEM_POLY_LEN;
	struct vector t, y;
	struct mlkem_poly u, v, e, mu;

	vector_noise_ntt(&y, par, r);
	for (unsigned i = 0; i < k; i++) {
		matrix_row(&u, k, rho, i, true, &y);
		mlkem_poly_inverse_ntt(&u);
		mlkem_poly_sample_noise(&e, ETA2, r, (uint8_t)(k + i));
		mlkem_poly_add(&u, &e);
		mlkem_poly_compress(&u, par->du, ret_ct + 32 * (size_t)par->du * i);
	}
	vector_decode(&t, k, ek);
	inner_product(&v, k, &t, &y);
	mlkem_poly_inverse_ntt(&v);
	mlkem_poly_sample_noise(&e, ETA2, r, (uint8_t)(2 * k));
	mlkem_poly_add(&v, &e);
	mlkem_poly_decompress(&mu, 1, m);
	mlkem_poly_add(&v, &mu);
	mlkem_poly_compress(&v, par->dv, ret_ct + 32 * (size_t)par->du * k);
	bytes_wipe(&y, sizeof(y));
	bytes_wipe(&u, sizeof(u));
	bytes_wipe(&v, sizeof(v));
	bytes_wipe(&e, sizeof(e));
	bytes_wipe(&mu, sizeof(mu));
}

/* Algorithm 15. */
static void pke_decrypt(const struct params *par, const uint8_t *dk, const uint8_t *ct,
			uint8_t ret_m[32])
{
	struct vector s, u;
	struct mlkem_poly v, w;

	vector_decode(&s, par->k, dk);
	for (unsigned i = 0; i < par->k; i++) {
		mlkem_poly_decompress(&u.p[i], par->du, ct + 32 * (size_t)par->du * i);
		mlkem_poly_ntt(&u.p[i]);
	}
	inner_product(&w, par->k, &s, &u);
	mlkem_poly_inverse_ntt(&w);
	mlkem_poly_decompress(&v, par->dv, ct + 32 * (size_t)par->du * par->k);
	for (unsigned i = 0; i < MLKEM_N; i++)
		w.c[i] = (int16_t)(v.c[i] - w.c[i]);
	mlkem_poly_compress(&w, 1, ret_m);
	bytes_wipe(&s, sizeof(s));
	bytes_wipe(&w, sizeof(w));
}

void mlkem_keygen(enum mlkem_set set, const uint8_t d[32], const uint8_t z[32], uint8_t *ret_ek,
		  uint8_t *ret_dk)
{
	const struct params *par = &params[set];
	size_t ek_len = mlkem_sizes[set].ek_len;
	uint8_t *at = ret_dk + (size_t)par->k * MLKEM_POLY_LEN;

	pke_keygen(par, d, ret_ek, ret_dk);
	memcpy(at, ret_ek, ek_len);
	sha3_256(ret_ek, ek_len, at + ek_len);
	memcpy(at + ek_len + 32, z, 32);
}

int mlkem_check_ek(enum mlkem_set set, const uint8_t *ek)
{
	for (unsigned i = 0; i < params[set].k; i++)
		if (mlkem_poly_check(ek + (size_t)i * MLKEM_POLY_LEN) < 0)
			return -EKEYREJECTED;
	return 0;
}

int mlkem_check_dk(enum mlkem_set set, const uint8_t *dk)
{
	const uint8_t *ek = dk + (size_t)params[set].k * MLKEM_POLY_LEN;
	size_t ek_len = mlkem_sizes[set].ek_len;
	uint8_t hash[SHA3_256_LEN];

	sha3_256(ek, ek_len, hash);
	return bytes_equal_ct(hash, ek + ek_len, sizeof(hash)) ? 0 : -EKEYREJECTED;
}

int mlkem_encaps(enum mlkem_set set, const uint8_t *ek, const uint8_t m[32], uint8_t *ret_ct,
		 uint8_t ret_ss[32])
{
	uint8_t input[64]; /* m and H(ek) */
	uint8_t r[32];

	if (mlkem_check_ek(set, ek) < 0)
		return -EKEYREJECTED;
	memcpy(input, m, 32);
	sha3_256(ek, mlkem_sizes[set].ek_len, input + 32);
	hash_g(input, sizeof(input), ret_ss, r);
	pke_encrypt(&params[set], ek, input, r, ret_ct);
	bytes_wipe(input, sizeof(input));
	bytes_wipe(r, sizeof(r));
	return 0;
}

/* J (4.4) */
static void hash_j(const uint8_t z[32], const uint8_t *ct, size_t ct_len, uint8_t ret[32])
{
	struct keccak k;

	shake256_init(&k);
	keccak_absorb(&k, z, 32);
	keccak_absorb(&k, ct, ct_len);
	keccak_squeeze(&k, ret, 32);
	keccak_wipe(&k);
}

/* All ones where a and b differ, without a branch on whether they do. */
static uint32_t differ_mask(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint32_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= (uint32_t)(a[i] ^ b[i]);
	return ct_mask(ct_negative(-(int32_t)ct_hide(difference)));
}

void mlkem_decaps(enum mlkem_set set, const uint8_t *dk, const uint8_t *ct, uint8_t ret_ss[32])
{
	const struct params *par = &params[set];
	const struct mlkem_sizes *sizes = &mlkem_sizes[set];
	const uint8_t *ek = dk + (size_t)par->k * MLKEM_POLY_LEN;
	const uint8_t *hash = ek + sizes->ek_len;
	uint8_t again[MLKEM_CT_MAX];
	uint8_t input[64]; /* m' and H(ek) */
	uint8_t accepted[32], r[32], rejected[32];
	uint32_t mask;

	pke_decrypt(par, dk, ct, input);
	memcpy(input + 32, hash, 32);
	hash_g(input, sizeof(input), accepted, r);
	hash_j(hash + 32, ct, sizes->ct_len, rejected);
	pke_encrypt(par, ek, input, r, again);
	mask = differ_mask(ct, again, sizes->ct_len);
	for (unsigned i = 0; i < 32; i++)
		ret_ss[i] = (uint8_t)(accepted[i] ^ (mask & (uint32_t)(accepted[i] ^ rejected[i])));
	bytes_wipe(again, sizeof(again));
	bytes_wipe(input, sizeof(input));
	bytes_wipe(accepted, sizeof(accepted));
	bytes_wipe(r, sizeof(r));
	bytes_wipe(rejected, sizeof(rejected));
}
