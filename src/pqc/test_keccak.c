/* SPDX-License-Identifier: Apache-2.0 */
/* Expected digests are those of Python's hashlib (OpenSSL) over the bytes 0, 1, 2, ... */
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
#include "pqc/keccak_wide.h"
#include "pqc/test_levels.h"

static uint8_t counting[200];

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(counting); i++)
		counting[i] = (uint8_t)i;
}

static void assert_hex(const uint8_t *got, const char *hex)
{
	uint8_t expected[64];
	size_t len = strlen(hex) / 2;

	assert_int_equal(bytes_from_hex(hex, expected, len), 0);
	assert_memory_equal(got, expected, len);
}

static void sha3_gives_the_known_digests(void **state)
{
	(void)state;
	uint8_t digest[64];

	sha3_256(NULL, 0, digest);
	assert_hex(digest, "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
	sha3_256(counting, sizeof(counting), digest);
	assert_hex(digest, "5f728f63bf5ee48c77f453c0490398fa645b8d4c4e56be9a41cfec344d6ca899");
	sha3_512(NULL, 0, digest);
	assert_hex(digest, "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6"
			   "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26");
	sha3_512(counting, sizeof(counting), digest);
	assert_hex(digest, "ea5d05f19348dd589793354793a15f37a73b4c0bb4e750b9a00757dfce2f8b65"
			   "a64191bb9b137de00feef6474cfd47abf7880efbc51614a5715df12cfe0caee3");
}

static void padding_is_right_on_both_sides_of_a_block(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		const char *sha3_256, *sha3_512, *shake128, *shake256;
	} cases[] = {
		{ 71, "881ad9ffbd7f090e", "3ccc850d53a1287a", "87495b03cd07a162",
		  "10b3b7dea36eb47f" },
		{ 72, "fe58866b2893c6c4", "5d63f2bbe971a983", "29cbc126c6e6ba6a",
		  "2bb9aade91b40cfc" },
		{ 135, "fded8fd9d6551c60", "d942df0df09ac042", "d11fafa27f42a816",
		  "c45dae624ad8a2f5" },
		{ 136, "cf3ccff92480a291", "ad8edff4f1b7aa1c", "30bdfd69382cab02",
		  "b7ff4073b3f5a8ea" },
		{ 137, "ce9d7dc90913ee5d", "3f827e5d7ddbd54e", "047a94427406b3ac",
		  "01d90952c642a5eb" },
		{ 167, "cac5458d48e6163c", "77aeb7615194d380", "1e552791cc4e93a0",
		  "989a61fbdb26d169" },
		{ 168, "369a33badfa618d5", "9567f47a24e5c3b9", "f15277eb61c4908d",
		  "1687771440dbcdaa" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint8_t digest[64];
		struct keccak k;

		sha3_256(counting, cases[i].len, digest);
		assert_hex(digest, cases[i].sha3_256);
		sha3_512(counting, cases[i].len, digest);
		assert_hex(digest, cases[i].sha3_512);
		shake256(counting, cases[i].len, digest, 8);
		assert_hex(digest, cases[i].shake256);
		shake128_init(&k);
		keccak_absorb(&k, counting, cases[i].len);
		keccak_squeeze(&k, digest, 8);
		assert_hex(digest, cases[i].shake128);
	}
}

static void pieces_give_what_the_whole_gives(void **state)
{
	(void)state;
	uint8_t whole[400], pieces[400];

	for (size_t step = 1; step < 40; step++) {
		struct keccak k;

		shake256_init(&k);
		for (size_t at = 0; at < sizeof(counting); at += step)
			keccak_absorb(&k, counting + at,
				      at + step < sizeof(counting) ? step : sizeof(counting) - at);
		for (size_t at = 0; at < sizeof(pieces); at += step)
			keccak_squeeze(&k, pieces + at,
				       at + step < sizeof(pieces) ? step : sizeof(pieces) - at);
		shake256(counting, sizeof(counting), whole, sizeof(whole));
		assert_memory_equal(whole, pieces, sizeof(whole));
	}
	assert_hex(whole + 384, "2b7168357432a603b2142f74dadd2b5a");
}

#define WIDE_BLOCKS 5

/* Against one sponge after the other in portable C; lengths on both sides of a block. */
static void sponges_side_by_side_give_what_each_alone_gives(void **state)
{
	(void)state;
	static const size_t lens[] = { 0,   1,	 7,   8,   33,	34,  66,  135, 136,
				       137, 167, 168, 169, 272, 335, 336, 400 };
	static uint8_t inputs[KECCAK_WIDE_MAX][400];
	static uint8_t expected[KECCAK_WIDE_MAX][2][SHAKE128_RATE * WIDE_BLOCKS];
	static uint8_t outputs[KECCAK_WIDE_MAX][SHAKE128_RATE * WIDE_BLOCKS];
	const uint8_t *from[KECCAK_WIDE_MAX];
	uint8_t *ret[KECCAK_WIDE_MAX], *rest[KECCAK_WIDE_MAX];

	for (size_t l = 0; l < N_ELEMENTS(lens); l++) {
		assert_int_equal(pqc_set_level(PQC_PORTABLE), 0);
		for (unsigned i = 0; i < KECCAK_WIDE_MAX; i++) {
			struct keccak k;

			shake256(&(uint8_t){ (uint8_t)(8 * l + i) }, 1, inputs[i],
				 sizeof(inputs[i]));
			from[i] = inputs[i];
			ret[i] = outputs[i];
			shake256(inputs[i], lens[l], expected[i][0], sizeof(expected[i][0]));
			shake128_init(&k);
			keccak_absorb(&k, inputs[i], lens[l]);
			keccak_squeeze(&k, expected[i][1], sizeof(expected[i][1]));
		}
		for (enum pqc_level level = 0; level <= pqc_level_max(); level++) {
			assert_int_equal(pqc_set_level(level), 0);
			for (unsigned n = 1; n <= KECCAK_WIDE_MAX; n++) {
				struct keccak_wide w;

				shake256_wide(&w, n, from, lens[l]);
				keccak_wide_squeeze(&w, ret, WIDE_BLOCKS);
				for (unsigned i = 0; i < n; i++) {
					assert_memory_equal(outputs[i], expected[i][0],
							    (size_t)SHAKE256_RATE * WIDE_BLOCKS);
					rest[i] = outputs[i] + (size_t)2 * SHAKE128_RATE;
				}
				shake128_wide(&w, n, from, lens[l]);
				keccak_wide_squeeze(&w, ret, 2);
				keccak_wide_squeeze(&w, rest, WIDE_BLOCKS - 2);
				for (unsigned i = 0; i < n; i++)
					assert_memory_equal(outputs[i], expected[i][1],
							    sizeof(expected[i][1]));
			}
		}
	}
	assert_int_equal(pqc_set_level(pqc_level_max()), 0);
}

static void a_level_has_a_name_and_is_the_highest_at_first(void **state)
{
	(void)state;
	enum pqc_level level = PQC_AVX512;

	assert_int_equal(pqc_level(), pqc_level_max());
	assert_int_equal(pqc_level_by_name("portable", &level), 0);
	assert_int_equal(level, PQC_PORTABLE);
	assert_int_equal(pqc_level_by_name("sse2", &level), -EINVAL);
	assert_string_equal(pqc_level_name(PQC_AVX512), "avx512");
	if (pqc_level_max() < PQC_AVX512)
		assert_int_equal(pqc_set_level(PQC_AVX512), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest once[] = {
		cmocka_unit_test(a_level_has_a_name_and_is_the_highest_at_first),
		cmocka_unit_test(sponges_side_by_side_give_what_each_alone_gives),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha3_gives_the_known_digests),
		cmocka_unit_test(padding_is_right_on_both_sides_of_a_block),
		cmocka_unit_test(pieces_give_what_the_whole_gives),
	};

	fill();
	return cmocka_run_group_tests(once, NULL, NULL) +
	       run_at_each_level(tests, N_ELEMENTS(tests));
}
