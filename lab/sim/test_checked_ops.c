/* SPDX-License-Identifier: Apache-2.0 */
/* What every simulation relies on: a nonce used twice under one key is seen, be it by chance the
 * neighbour of others, and after the table has grown; and so is a key that is too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/checked_ops.h"

#define N_SEALS 200000 /* in the table's entries of 64, so that it is doubled */

static const struct crypto_ops *ops;
static const uint8_t keys[2][AEAD_KEY_LEN] = { { 1 }, { 2 } };

static int start(void **state)
{
	const char *error = NULL;
	const struct crypto_ops *base = openssl_crypto_ops(&error);

	(void)state;
	assert_non_null(base);
	ops = checked_ops(base);
	checked_ops_reset();
	return 0;
}

static struct aead *aead_of(const uint8_t *key)
{
	struct aead *a = ops->aead_new(AEAD_CHACHA20_POLY1305, key);

	assert_non_null(a);
	return a;
}

static void seal(struct aead *a, uint32_t first, uint64_t counter)
{
	uint8_t nonce[AEAD_NONCE_LEN], text[4 + AEAD_TAG_LEN] = "text";

	store_u32(nonce, first);
	store_u64(nonce + 4, counter);
	assert_int_equal(ops->aead_seal(a, nonce, SPAN(NULL, 0), SPAN(text, 4), text), 0);
}

static void a_nonce_used_twice_is_counted(void **state)
{
	(void)state;
	struct aead *a = aead_of(keys[0]);

	for (uint64_t i = 0; i < 256; i++)
		seal(a, 7, i);
	assert_int_equal(checked_ops_seals(), 256);
	assert_int_equal(checked_ops_reuses(), 0);
	for (uint64_t i = 0; i < 256; i++) {
		seal(a, 7, i);
		assert_int_equal(checked_ops_reuses(), i + 1);
	}
	seal(a, 7, 256);
	seal(a, 8, 0);
	seal(a, 7, UINT64_C(1) << 63);
	assert_int_equal(checked_ops_reuses(), 256);
	ops->aead_free(a);
}

static void a_key_is_the_same_however_often_it_is_set_up(void **state)
{
	(void)state;
	struct aead *a = aead_of(keys[0]);
	struct aead *b = aead_of(keys[1]);

	seal(a, 0, 5);
	seal(b, 0, 5);
	assert_int_equal(checked_ops_reuses(), 0);
	ops->aead_free(a);
	a = aead_of(keys[0]);
	seal(a, 0, 5);
	assert_int_equal(checked_ops_reuses(), 1);
	checked_ops_reset();
	seal(a, 0, 5);
	assert_int_equal(checked_ops_reuses(), 0);
	ops->aead_free(a);
	ops->aead_free(b);
}

static void none_is_forgotten_while_the_table_grows(void **state)
{
	(void)state;
	struct aead *a = aead_of(keys[0]);

	for (uint64_t i = 0; i < N_SEALS; i++)
		seal(a, 0, i * 61); /* about each in an entry of its own */
	assert_int_equal(checked_ops_reuses(), 0);
	for (uint64_t i = 0; i < N_SEALS; i += 100)
		seal(a, 0, i * 61);
	assert_int_equal(checked_ops_reuses(), N_SEALS / 100);
	ops->aead_free(a);
}

/* Sealing for 170 s, opening for 180 s, and what a slow clock takes. */
static void a_key_that_is_too_old_is_counted(void **state)
{
	static const uint8_t nonce[AEAD_NONCE_LEN];
	uint8_t sealed[4 + AEAD_TAG_LEN] = "text", text[4];
	struct aead *a = aead_of(keys[0]);

	(void)state;
	assert_int_equal(ops->aead_seal(a, nonce, SPAN(NULL, 0), SPAN(sealed, 4), sealed), 0);
	checked_ops_time(SECONDS(170));
	seal(a, 0, 1);
	assert_int_equal(checked_ops_too_old(), 0);
	checked_ops_time(SECONDS(171));
	seal(a, 0, 2);
	assert_int_equal(checked_ops_too_old(), 1);
	assert_int_equal(ops->aead_open(a, nonce, SPAN(NULL, 0), SPAN_OF(sealed), text), 0);
	assert_int_equal(checked_ops_too_old(), 1);
	checked_ops_time(SECONDS(181));
	assert_int_equal(ops->aead_open(a, nonce, SPAN(NULL, 0), SPAN_OF(sealed), text), 0);
	assert_int_equal(checked_ops_too_old(), 2);
	sealed[0] ^= 1; /* what does not open is no use */
	assert_true(ops->aead_open(a, nonce, SPAN(NULL, 0), SPAN_OF(sealed), text) < 0);
	assert_int_equal(checked_ops_too_old(), 2);
	ops->aead_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_nonce_used_twice_is_counted, start),
		cmocka_unit_test_setup(a_key_is_the_same_however_often_it_is_set_up, start),
		cmocka_unit_test_setup(none_is_forgotten_while_the_table_grows, start),
		cmocka_unit_test_setup(a_key_that_is_too_old_is_counted, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
