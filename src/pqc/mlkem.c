/* SPDX-License-Identifier: Apache-2.0 */
/* K-PKE and ML-KEM (FIPS 203 sections 5 and 6). */
#include "pqc/mlkem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/ct.h"
#include "pqc/keccak.h"
#include "pqc/mlkem_sample.h"

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

/* Polynomials, or the rows of the matrix A, expanded from rho. */
struct vector {
	struct mlkem_poly p[MLKEM_K_MAX];
};

struct matrix {
	struct vector rows[MLKEM_K_MAX];
};

struct factors {
	struct mlkem_factor f[MLKEM_K_MAX];
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

/* A, or A transposed. */
static void draw_matrix(struct mlkem_draws *draws, unsigned k, const uint8_t rho[32],
			bool transposed, struct matrix *ret)
{
	for (unsigned i = 0; i < k; i++)
		for (unsigned j = 0; j < k; j++)
			mlkem_draw_uniform(draws, &ret->rows[i].p[j], rho,
					   (uint8_t)(transposed ? i : j),
					   (uint8_t)(transposed ? j : i));
}

/* k polynomials with the nonces from first on. */
static void draw_noise(struct mlkem_draws *draws, unsigned k, unsigned eta, const uint8_t seed[32],
		       unsigned first, struct vector *ret)
{
	for (unsigned i = 0; i < k; i++)
		mlkem_draw_noise(draws, &ret->p[i], eta, seed, (uint8_t)(first + i));
}

static void vector_decode(const struct mlkem_kernels *on, struct vector *v, unsigned k,
			  const uint8_t *from)
{
	for (unsigned i = 0; i < k; i++)
		on->decode(&v->p[i], from + (size_t)i * MLKEM_POLY_LEN);
}

/* To the NTT domain, and made ready for products. */
static void vector_to_factors(const struct mlkem_kernels *on, struct vector *v, unsigned k,
			      struct factors *ret)
{
	for (unsigned i = 0; i < k; i++) {
		on->ntt(&v->p[i]);
		on->to_factor(&ret->f[i], &v->p[i]);
	}
}

/* Algorithm 13; writes the encryption key and the k encoded polynomials of s. */
static void pke_keygen(const struct params *par, const uint8_t d[32], uint8_t *ret_ek,
		       uint8_t *ret_dk)
{
	const struct mlkem_kernels *on = mlkem_kernels();
	unsigned k = par->k;
	uint8_t *rho = ret_ek + (size_t)k * MLKEM_POLY_LEN;
	uint8_t seed[33];
	uint8_t sigma[32];
	struct mlkem_draws draws;
	struct matrix a;
	struct vector s, e;
	struct factors s_factors;
	struct mlkem_poly t;

	memcpy(seed, d, 32);
	seed[32] = par->k;
	hash_g(seed, sizeof(seed), rho, sigma);
	ct_declassify(rho, 32); /* the end of the public key */
	draws.n = 0;
	draw_matrix(&draws, k, rho, false, &a);
	draw_noise(&draws, k, par->eta1, sigma, 0, &s);
	draw_noise(&draws, k, par->eta1, sigma, k, &e);
	mlkem_draws_run(&draws, on);
	vector_to_factors(on, &s, k, &s_factors);
	for (unsigned i = 0; i < k; i++) {
		on->inner_product(&t, a.rows[i].p, s_factors.f, k);
		on->to_montgomery(&t);
		on->ntt(&e.p[i]);
		on->add(&t, &e.p[i]);
		on->encode(&t, ret_ek + (size_t)i * MLKEM_POLY_LEN);
		on->encode(&s.p[i], ret_dk + (size_t)i * MLKEM_POLY_LEN);
	}
	bytes_wipe(seed, sizeof(seed));
	bytes_wipe(sigma, sizeof(sigma));
	bytes_wipe(&s, sizeof(s));
	bytes_wipe(&e, sizeof(e));
	bytes_wipe(&s_factors, sizeof(s_factors));
}

/* Algorithm 14, the matrix, transposed, and t being there already. */
static void pke_encrypt(const struct params *par, const struct mlkem_kernels *on,
			const struct matrix *a, const struct vector *t, const uint8_t m[32],
			const uint8_t r[32], uint8_t *ret_ct)
{
	unsigned k = par->k;
	struct mlkem_draws draws;
	struct vector y, e1;
	struct factors y_factors;
	struct mlkem_poly u, v, e2, mu;

	draws.n = 0;
	draw_noise(&draws, k, par->eta1, r, 0, &y);
	draw_noise(&draws, k, ETA2, r, k, &e1);
	mlkem_draw_noise(&draws, &e2, ETA2, r, (uint8_t)(2 * k));
	mlkem_draws_run(&draws, on);
	vector_to_factors(on, &y, k, &y_factors);
	for (unsigned i = 0; i < k; i++) {
		on->inner_product(&u, a->rows[i].p, y_factors.f, k);
		on->inverse_ntt(&u);
		on->add(&u, &e1.p[i]);
		on->compress(&u, par->du, ret_ct + 32 * (size_t)par->du * i);
	}
	on->inner_product(&v, t->p, y_factors.f, k);
	on->inverse_ntt(&v);
	on->add(&v, &e2);
	on->decompress(&mu, 1, m);
	on->add(&v, &mu);
	on->compress(&v, par->dv, ret_ct + 32 * (size_t)par->du * k);
	bytes_wipe(&y, sizeof(y));
	bytes_wipe(&e1, sizeof(e1));
	bytes_wipe(&y_factors, sizeof(y_factors));
	bytes_wipe(&u, sizeof(u));
	bytes_wipe(&v, sizeof(v));
	bytes_wipe(&e2, sizeof(e2));
	bytes_wipe(&mu, sizeof(mu));
}

/* Algorithm 15. */
static void pke_decrypt(const struct params *par, const struct mlkem_kernels *on, const uint8_t *dk,
			const uint8_t *ct, uint8_t ret_m[32])
{
	struct vector s, u;
	struct factors u_factors;
	struct mlkem_poly v, w;

	vector_decode(on, &s, par->k, dk);
	for (unsigned i = 0; i < par->k; i++)
		on->decompress(&u.p[i], par->du, ct + 32 * (size_t)par->du * i);
	vector_to_factors(on, &u, par->k, &u_factors);
	on->inner_product(&w, s.p, u_factors.f, par->k);
	on->inverse_ntt(&w);
	on->decompress(&v, par->dv, ct + 32 * (size_t)par->du * par->k);
	on->subtract(&v, &w);
	on->compress(&v, 1, ret_m);
	bytes_wipe(&s, sizeof(s));
	bytes_wipe(&v, sizeof(v));
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

/* For public keys: in time that tells where the first coefficient too large is. */
static int check_range(const struct vector *v, unsigned k)
{
	for (unsigned i = 0; i < k; i++) {
		unsigned too_large = 0;

		for (unsigned j = 0; j < MLKEM_N; j++)
			too_large |= v->p[i].c[j] >= MLKEM_Q;
		if (too_large)
			return -EKEYREJECTED;
	}
	return 0;
}

int mlkem_check_ek(enum mlkem_set set, const uint8_t *ek)
{
	struct vector t;

	vector_decode(mlkem_kernels(), &t, params[set].k, ek);
	return check_range(&t, params[set].k);
}

int mlkem_check_dk(enum mlkem_set set, const uint8_t *dk)
{
	const uint8_t *ek = dk + (size_t)params[set].k * MLKEM_POLY_LEN;
	size_t ek_len = mlkem_sizes[set].ek_len;
	uint8_t hash[SHA3_256_LEN];

	sha3_256(ek, ek_len, hash);
	return bytes_equal_ct(hash, ek + ek_len, sizeof(hash)) ? 0 : -EKEYREJECTED;
}

/* The hash of the key shares the permutations with the matrix. */
int mlkem_encaps(enum mlkem_set set, const uint8_t *ek, const uint8_t m[32], uint8_t *ret_ct,
		 uint8_t ret_ss[32])
{
	const struct params *par = &params[set];
	const struct mlkem_kernels *on = mlkem_kernels();
	struct mlkem_draws draws;
	struct matrix a;
	struct vector t;
	uint8_t input[64]; /* m and H(ek) */
	uint8_t r[32];

	vector_decode(on, &t, par->k, ek);
	if (check_range(&t, par->k) < 0)
		return -EKEYREJECTED;
	memcpy(input, m, 32);
	draws.n = 0;
	mlkem_draw_h(&draws, input + 32, ek, mlkem_sizes[set].ek_len);
	draw_matrix(&draws, par->k, ek + (size_t)par->k * MLKEM_POLY_LEN, true, &a);
	mlkem_draws_run(&draws, on);
	hash_g(input, sizeof(input), ret_ss, r);
	pke_encrypt(par, on, &a, &t, input, r, ret_ct);
	bytes_wipe(input, sizeof(input));
	bytes_wipe(r, sizeof(r));
	return 0;
}

/* All ones where a and b differ, without a branch on whether they do. */
static uint32_t differ_mask(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint32_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= (uint32_t)(a[i] ^ b[i]);
	return ct_mask(ct_negative(-(int32_t)ct_hide(difference)));
}

/* So does the hash of the ciphertext. */
void mlkem_decaps(enum mlkem_set set, const uint8_t *dk, const uint8_t *ct, uint8_t ret_ss[32])
{
	const struct params *par = &params[set];
	const struct mlkem_kernels *on = mlkem_kernels();
	size_t ct_len = mlkem_sizes[set].ct_len;
	const uint8_t *ek = dk + (size_t)par->k * MLKEM_POLY_LEN;
	const uint8_t *hash = ek + mlkem_sizes[set].ek_len;
	struct mlkem_draws draws;
	struct matrix a;
	struct vector t;
	uint8_t again[MLKEM_CT_MAX];
	uint8_t input[64]; /* m' and H(ek) */
	uint8_t z_ct[32 + MLKEM_CT_MAX];
	uint8_t accepted[32], r[32], rejected[32];
	uint32_t mask;

	memcpy(z_ct, hash + 32, 32);
	memcpy(z_ct + 32, ct, ct_len);
	draws.n = 0;
	mlkem_draw_j(&draws, rejected, z_ct, 32 + ct_len);
	draw_matrix(&draws, par->k, ek + (size_t)par->k * MLKEM_POLY_LEN, true, &a);
	mlkem_draws_run(&draws, on);
	pke_decrypt(par, on, dk, ct, input);
	memcpy(input + 32, hash, 32);
	hash_g(input, sizeof(input), accepted, r);
	vector_decode(on, &t, par->k, ek);
	pke_encrypt(par, on, &a, &t, input, r, again);
	mask = differ_mask(ct, again, ct_len);
	for (unsigned i = 0; i < 32; i++)
		ret_ss[i] = (uint8_t)(accepted[i] ^ (mask & (uint32_t)(accepted[i] ^ rejected[i])));
	bytes_wipe(again, sizeof(again));
	bytes_wipe(input, sizeof(input));
	bytes_wipe(z_ct, 32);
	bytes_wipe(accepted, sizeof(accepted));
	bytes_wipe(r, sizeof(r));
	bytes_wipe(rejected, sizeof(rejected));
}
