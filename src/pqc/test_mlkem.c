/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pqc/keccak.h"
#include "pqc/mlkem.h"
#include "pqc/mlkem_poly.h"
#include "pqc/test_levels.h"

#define N_SETS 3

/* Keys, a ciphertext and its secret, from the bytes 0, 1, 2, ... as d, z and m. */
struct fixture {
	uint8_t seed[96];
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
	uint8_t ss[MLKEM_SS_LEN];
};

static void setup(enum mlkem_set set, struct fixture *f)
{
	for (unsigned i = 0; i < sizeof(f->seed); i++)
		f->seed[i] = (uint8_t)i;
	mlkem_keygen(set, f->seed, f->seed + 32, f->ek, f->dk);
	assert_int_equal(mlkem_encaps(set, f->ek, f->seed + 64, f->ct, f->ss), 0);
}

/* The digests were written down once OpenSSL 3.5 had derived the same keys from the seeds,
 * decapsulated these ciphertexts to the same secrets and had its own decapsulated here. */
static void each_set_gives_the_known_keys_ciphertext_and_secret(void **state)
{
	(void)state;
	static const char *const digests[N_SETS] = {
		"18f9b9202aa8793837369f5bad6795a1066356039f0eacb47c0df8bb451b7aab",
		"04182bace5128633e0238b75c770fff441992a875058fec5b1c75a2bc9d0ca00",
		"c65104220bac53e5f1e819d29048ce747e19bb5e30390a1732aa124faf71f725",
	};

	for (enum mlkem_set set = 0; set < N_SETS; set++) {
		struct fixture f;
		struct keccak k;
		uint8_t digest[SHA3_256_LEN], expected[SHA3_256_LEN];

		setup(set, &f);
		sha3_256_init(&k);
		keccak_absorb(&k, f.ek, mlkem_sizes[set].ek_len);
		keccak_absorb(&k, f.dk, mlkem_sizes[set].dk_len);
		keccak_absorb(&k, f.ct, mlkem_sizes[set].ct_len);
		keccak_absorb(&k, f.ss, sizeof(f.ss));
		keccak_squeeze(&k, digest, sizeof(digest));
		assert_int_equal(bytes_from_hex(digests[set], expected, sizeof(expected)), 0);
		assert_memory_equal(digest, expected, sizeof(digest));
	}
}

static void both_ends_get_the_same_secret(void **state)
{
	(void)state;
	for (enum mlkem_set set = 0; set < N_SETS; set++) {
		struct fixture f;
		uint8_t ss[MLKEM_SS_LEN];

		setup(set, &f);
		mlkem_decaps(set, f.dk, f.ct, ss);
		assert_memory_equal(ss, f.ss, sizeof(ss));
	}
}

/* J(z || c), written out: what line 7 of algorithm 18 prescribes. */
static void an_altered_ciphertext_yields_the_rejection_secret(void **state)
{
	(void)state;
	for (enum mlkem_set set = 0; set < N_SETS; set++) {
		size_t ct_len = mlkem_sizes[set].ct_len;
		size_t places[] = { 0, ct_len / 2, ct_len - 1 };
		uint8_t input[32 + MLKEM_CT_MAX], expected[32], ss[MLKEM_SS_LEN];
		struct fixture f;

		setup(set, &f);
		for (unsigned i = 0; i < 3; i++) {
			f.ct[places[i]] ^= 0x80;
			mlkem_decaps(set, f.dk, f.ct, ss);
			memcpy(input, f.seed + 32, 32);
			memcpy(input + 32, f.ct, ct_len);
			shake256(input, 32 + ct_len, expected, sizeof(expected));
			assert_memory_equal(ss, expected, sizeof(ss));
			f.ct[places[i]] ^= 0x80;
		}
	}
}

static void a_coefficient_of_q_is_refused_wherever_it_is(void **state)
{
	(void)state;
	for (enum mlkem_set set = 0; set < N_SETS; set++) {
		size_t last = mlkem_sizes[set].ek_len - 32 - 3;
		uint8_t ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
		struct fixture f;

		setup(set, &f);
		assert_int_equal(mlkem_check_ek(set, f.ek), 0);
		for (unsigned i = 0; i < 2; i++) {
			uint8_t *at = f.ek + (i == 0 ? 0 : last);
			uint8_t kept[3];

			memcpy(kept, at, sizeof(kept));
			at[0] = 0x00; /* 3328, the largest allowed, and 0 */
			at[1] = 0x0d;
			at[2] = 0x00;
			assert_int_equal(mlkem_check_ek(set, f.ek), 0);
			at[0] = 0x01; /* 3329 */
			assert_int_equal(mlkem_check_ek(set, f.ek), -EKEYREJECTED);
			assert_int_equal(mlkem_encaps(set, f.ek, f.seed, ct, ss), -EKEYREJECTED);
			memcpy(at, kept, sizeof(kept));
		}
	}
}

static void a_private_key_whose_hash_does_not_match_is_refused(void **state)
{
	(void)state;
	for (enum mlkem_set set = 0; set < N_SETS; set++) {
		size_t dk_len = mlkem_sizes[set].dk_len;
		struct fixture f;

		setup(set, &f);
		assert_int_equal(mlkem_check_dk(set, f.dk), 0);
		f.dk[dk_len - 33] ^= 1; /* the hash */
		assert_int_equal(mlkem_check_dk(set, f.dk), -EKEYREJECTED);
		f.dk[dk_len - 33] ^= 1;
		f.dk[dk_len - 65] ^= 1; /* the public key */
		assert_int_equal(mlkem_check_dk(set, f.dk), -EKEYREJECTED);
	}
}

/* Compress and Decompress of section 4.2.1 by division, for every value there is. */
static void compression_rounds_as_division_would(void **state)
{
	(void)state;
	static const unsigned widths[] = { 1, 4, 5, 10, 11 };

	for (unsigned w = 0; w < 5; w++) {
		unsigned d = widths[w];

		for (unsigned first = 0; first < MLKEM_Q; first += MLKEM_N) {
			struct mlkem_poly p, back;
			uint8_t bytes[32 * 11];

			for (unsigned i = 0; i < MLKEM_N; i++)
				p.c[i] = (int16_t)((first + i) % MLKEM_Q);
			mlkem_kernels()->compress(&p, d, bytes);
			mlkem_kernels()->decompress(&back, d, bytes);
			for (unsigned i = 0; i < MLKEM_N; i++) {
				unsigned x = (first + i) % MLKEM_Q;
				unsigned y = (((x << d) + MLKEM_Q / 2) / MLKEM_Q) % (1U << d);

				assert_int_equal(back.c[i], (y * MLKEM_Q + (1U << (d - 1))) >> d);
			}
		}
	}
}

/* Of any number of 16 bits the encoding is that of the remainder within [0, q). */
static void encoding_reduces_as_division_would(void **state)
{
	(void)state;
	for (int first = INT16_MIN; first < INT16_MAX; first += MLKEM_N) {
		struct mlkem_poly p, back;
		uint8_t bytes[MLKEM_POLY_LEN];

		for (int i = 0; i < MLKEM_N; i++)
			p.c[i] = (int16_t)(first + i);
		mlkem_kernels()->encode(&p, bytes);
		mlkem_kernels()->decode(&back, bytes);
		for (int i = 0; i < MLKEM_N; i++)
			assert_int_equal(back.c[i], ((first + i) % MLKEM_Q + MLKEM_Q) % MLKEM_Q);
	}
}

static void a_product_in_the_ntt_domain_is_a_product_modulo_the_polynomial(void **state)
{
	(void)state;
	static struct mlkem_poly a, b, product, expected;
	static struct mlkem_factor factor;

	for (unsigned i = 0; i < MLKEM_N; i++) {
		a.c[i] = (int16_t)((i * 1103 + 7) % MLKEM_Q);
		b.c[i] = (int16_t)(3328 - (i * 577) % MLKEM_Q);
	}
	for (unsigned n = 0; n < MLKEM_N; n++) {
		int64_t sum = 0;

		for (unsigned i = 0; i < MLKEM_N; i++) { /* X^256 is -1 */
			int64_t term = a.c[i] * b.c[(n - i) % MLKEM_N];

			sum += i <= n ? term : -term;
		}
		expected.c[n] = (int16_t)((sum % MLKEM_Q + MLKEM_Q) % MLKEM_Q);
	}
	mlkem_kernels()->ntt(&a);
	mlkem_kernels()->ntt(&b);
	mlkem_kernels()->to_factor(&factor, &b);
	mlkem_kernels()->inner_product(&product, &a, &factor, 1);
	mlkem_kernels()->inverse_ntt(&product);
	for (unsigned n = 0; n < MLKEM_N; n++)
		assert_int_equal((product.c[n] + MLKEM_Q) % MLKEM_Q, expected.c[n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_set_gives_the_known_keys_ciphertext_and_secret),
		cmocka_unit_test(both_ends_get_the_same_secret),
		cmocka_unit_test(an_altered_ciphertext_yields_the_rejection_secret),
		cmocka_unit_test(a_coefficient_of_q_is_refused_wherever_it_is),
		cmocka_unit_test(a_private_key_whose_hash_does_not_match_is_refused),
		cmocka_unit_test(compression_rounds_as_division_would),
		cmocka_unit_test(encoding_reduces_as_division_would),
		cmocka_unit_test(a_product_in_the_ntt_domain_is_a_product_modulo_the_polynomial),
	};

	return run_at_each_level(tests, N_ELEMENTS(tests));
}
