/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM of src/aesgcm against OpenSSL's, and how one of them is chosen. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "aesgcm/aesgcm.h"
#include "base/rng.h"
#include "shell/openssl/library.h"

#define LEN_MAX 2000
#define LONGEST (64 * 1024 + 100)
#define AD_MAX 300
#define ROOM (LONGEST + AEAD_TAG_LEN + 64)

DEFINE_FREEP(struct aead, aead_free)

static struct rng rng;
static uint8_t plain[ROOM], by_library[ROOM], by_own[ROOM], opened[ROOM], ad_room[AD_MAX];

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(&rng);
}

static void skip_unsupported(void)
{
	if (aesgcm_is_supported())
		return;
	print_message("skipped: this processor lacks VAES, VPCLMULQDQ or AVX-512\n");
	skip();
}

struct pair {
	struct aead *own, *library;
};

static struct pair pair_new(void)
{
	uint8_t key[AEAD_KEY_LEN];
	struct pair p;

	fill(key, sizeof(key));
	p = (struct pair){ aead_new_own(key), aead_new_library(AEAD_AES_256_GCM, key) };
	assert_non_null(p.own);
	assert_non_null(p.library);
	return p;
}

static void pair_done(struct pair *p)
{
	aead_free(p->own);
	aead_free(p->library);
}

/* Each seals what the other opens, from and to any place, in place too. */
static void assert_same(const struct pair *p, size_t len)
{
	const size_t from = rng_below(&rng, 64);
	const size_t to = rng_below(&rng, 64);
	const size_t sealed_len = len + AEAD_TAG_LEN;
	const struct span ad = SPAN(ad_room, rng_below(&rng, AD_MAX + 1));
	const struct span text = SPAN(plain + from, len);
	uint8_t nonce[AEAD_NONCE_LEN];

	fill(nonce, sizeof(nonce));
	fill(ad_room, sizeof(ad_room));
	assert_int_equal(aead_seal(p->library, nonce, ad, text, by_library), 0);
	assert_int_equal(aead_seal(p->own, nonce, ad, text, by_own + to), 0);
	assert_memory_equal(by_own + to, by_library, sealed_len);
	assert_int_equal(aead_open(p->own, nonce, ad, SPAN(by_library, sealed_len), opened + to),
			 0);
	assert_memory_equal(opened + to, text.at, len);

	memcpy(opened + from, text.at, len);
	assert_int_equal(aead_seal(p->own, nonce, ad, SPAN(opened + from, len), opened + from), 0);
	assert_memory_equal(opened + from, by_library, sealed_len);
	assert_int_equal(
		aead_open(p->own, nonce, ad, SPAN(opened + from, sealed_len), opened + from), 0);
	assert_memory_equal(opened + from, text.at, len);
	assert_int_equal(aead_open(p->library, nonce, ad, SPAN(by_own + to, sealed_len), by_own),
			 0);
}

static void both_give_the_same_bytes_at_every_length(void **state)
{
	(void)state;
	skip_unsupported();
	fill(plain, sizeof(plain));
	for (size_t len = 0; len <= LEN_MAX; len++) {
		struct pair p = pair_new();

		assert_same(&p, len);
		pair_done(&p);
	}
}

/* A block of 32 bits has its lowest byte come round at 256 blocks, its second at 65,536. */
static void both_give_the_same_bytes_of_long_texts(void **state)
{
	static const size_t lengths[] = { 4064,	 4079,	4080,  4081,  4096,   9000,
					  16384, 59392, 65535, 65536, LONGEST };
	struct pair p;

	(void)state;
	skip_unsupported();
	p = pair_new();
	for (size_t i = 0; i < N_ELEMENTS(lengths); i++)
		assert_same(&p, lengths[i]);
	pair_done(&p);
}

static void both_give_the_same_tag_of_two_megabytes(void **state)
{
	const size_t len = (2 << 20) + 33;
	const uint8_t nonce[AEAD_NONCE_LEN] = { 0xff };
	CLEANUP_FREE uint8_t *one = calloc(1, len + AEAD_TAG_LEN);
	CLEANUP_FREE uint8_t *other = calloc(1, len + AEAD_TAG_LEN);
	struct pair p;

	(void)state;
	skip_unsupported();
	assert_true(one && other);
	p = pair_new();
	assert_int_equal(aead_seal(p.own, nonce, SPAN(NULL, 0), SPAN(one, len), one), 0);
	assert_int_equal(aead_seal(p.library, nonce, SPAN(NULL, 0), SPAN(other, len), other), 0);
	assert_memory_equal(one, other, len + AEAD_TAG_LEN);
	pair_done(&p);
}

static void both_refuse_the_same_lengths(void **state)
{
	const uint8_t nonce[AEAD_NONCE_LEN] = { 0 };
	const size_t impossible[] = { (size_t)INT32_MAX - AEAD_TAG_LEN + 1, INT32_MAX, SIZE_MAX };
	const struct span none = SPAN(NULL, 0);
	struct pair p;

	(void)state;
	skip_unsupported();
	p = pair_new();
	for (size_t i = 0; i < N_ELEMENTS(impossible); i++) {
		struct span text = SPAN(plain, impossible[i]);

		assert_int_equal(aead_seal(p.own, nonce, none, text, opened), -EINVAL);
		assert_int_equal(aead_seal(p.library, nonce, none, text, opened), -EINVAL);
	}
	assert_int_equal(aead_open(p.own, nonce, none, SPAN(plain, 15), opened), -EINVAL);
	assert_int_equal(aead_open(p.library, nonce, none, SPAN(plain, 15), opened), -EINVAL);
	assert_int_equal(aead_open(p.own, nonce, none, SPAN(plain, 16), opened), -EKEYREJECTED);
	assert_int_equal(aead_open(p.library, nonce, none, SPAN(plain, 16), opened), -EKEYREJECTED);
	pair_done(&p);
}

static void assert_row(const char *provider, const char *why)
{
	struct crypto_description d;

	assert_int_equal(crypto_openssl_describe(&d), 0);
	for (unsigned i = 0; i < d.n_rows; i++) {
		if (strcmp(d.rows[i].algorithm, "AES-256-GCM") != 0)
			continue;
		print_message("%s: %s\n", d.rows[i].provider, d.rows[i].why);
		if (provider)
			assert_string_equal(d.rows[i].provider, provider);
		assert_non_null(strstr(d.rows[i].why, why));
		return;
	}
	fail();
}

/* Which is faster is the machine's; that the row says so, with figures, is not. */
static void the_choice_is_measured_and_told(void **state)
{
	(void)state;
	(void)unsetenv("X0_AES_GCM");
	if (aesgcm_is_supported())
		assert_row(aes_gcm_is_own() ? "x0vaes" : "default", "measured at start");
	else
		assert_row("default", "needs VAES");
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(aes_gcm_is_own(), aes_gcm_choice().is_own);
}

static void either_can_be_forced(void **state)
{
	(void)state;
	assert_int_equal(crypto_openssl_use_aes_gcm(AES_GCM_LIBRARY), 0);
	assert_row("default", "test");
	if (aesgcm_is_supported()) {
		assert_int_equal(crypto_openssl_use_aes_gcm(AES_GCM_OWN), 0);
		assert_row("x0vaes", "test");
	} else {
		assert_int_equal(crypto_openssl_use_aes_gcm(AES_GCM_OWN), -ENOTSUP);
		assert_row("default", "test");
	}
	assert_int_equal(crypto_openssl_use_aes_gcm(AES_GCM_MEASURED), 0);
}

static int seed(void **state)
{
	(void)state;
	rng_seed(&rng, 42);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_give_the_same_bytes_at_every_length),
		cmocka_unit_test(both_give_the_same_bytes_of_long_texts),
		cmocka_unit_test(both_give_the_same_tag_of_two_megabytes),
		cmocka_unit_test(both_refuse_the_same_lengths),
		cmocka_unit_test(the_choice_is_measured_and_told),
		cmocka_unit_test(either_can_be_forced),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
