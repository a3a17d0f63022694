/* SPDX-License-Identifier: Apache-2.0 */
/* Published cases, every length against the edge of memory, what is refused. That long texts come
 * out right is compared with OpenSSL in shell/openssl/test_aead.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "aesgcm/aesgcm.h"
#include "base/cleanup.h"

#define LEN_MAX 2000
#define AD_MAX 200

DEFINE_FREEP(struct aesgcm, aesgcm_free)

static void skip_unsupported(void)
{
	if (aesgcm_is_supported())
		return;
	print_message("skipped: this processor lacks VAES, VPCLMULQDQ or AVX-512\n");
	assert_null(aesgcm_new((const uint8_t[AESGCM_KEY_LEN]){ 0 }));
	skip();
}

static struct aesgcm *new_key(uint8_t first)
{
	uint8_t key[AESGCM_KEY_LEN];
	struct aesgcm *a;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(first + 7 * i);
	a = aesgcm_new(key);
	assert_non_null(a);
	return a;
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16. */
static const struct published {
	const char *key, *nonce, *ad, *text, *sealed;
} cases[] = {
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
	  "b094dac5d93471bdec1a502270e3cc6c" },
	{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static struct span from_hex(const char *hex, uint8_t *ret)
{
	assert_int_equal(bytes_from_hex(hex, ret, strlen(hex) / 2), 0);
	return SPAN(ret, strlen(hex) / 2);
}

static void the_published_cases_come_out(void **state)
{
	(void)state;
	skip_unsupported();
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint8_t key[32], nonce[12], ad_room[64], text_room[64], sealed_room[80], got[80];
		struct span ad = from_hex(cases[i].ad, ad_room);
		struct span text = from_hex(cases[i].text, text_room);
		struct span sealed = from_hex(cases[i].sealed, sealed_room);

		(void)from_hex(cases[i].key, key);
		(void)from_hex(cases[i].nonce, nonce);
		CLEANUP(aesgcm_freep) struct aesgcm *a = aesgcm_new(key);

		assert_non_null(a);
		assert_int_equal(aesgcm_seal(a, nonce, ad, text, got), 0);
		assert_memory_equal(got, sealed.at, sealed.len);
		assert_int_equal(aesgcm_open(a, nonce, ad, sealed, got), 0);
		assert_memory_equal(got, text.at, text.len);
	}
}

/* Memory between two pages that may not be touched. */
struct fenced {
	uint8_t *at;
	size_t len;
};

static struct fenced fenced_new(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (LEN_MAX + AESGCM_TAG_LEN + page) / page * page;
	uint8_t *all = mmap(NULL, len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(all, MAP_FAILED);
	assert_int_equal(mprotect(all + page, len, PROT_READ | PROT_WRITE), 0);
	return (struct fenced){ all + page, len };
}

static void fenced_done(struct fenced f)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_int_equal(munmap(f.at - page, f.len + 2 * page), 0);
}

/* n bytes at one end or the other. */
static uint8_t *at_edge(struct fenced f, size_t n, bool is_end)
{
	return is_end ? f.at + f.len - n : f.at;
}

static void fill(uint8_t *p, size_t n, size_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed + i * 31 + (i >> 8));
}

static void at_the_edge(const struct aesgcm *a, const struct fenced f[4], size_t len, bool is_end)
{
	const size_t ad_len = len % (AD_MAX + 1);
	uint8_t *ad = at_edge(f[0], ad_len, is_end);
	uint8_t *text = at_edge(f[1], len, is_end);
	uint8_t *sealed = at_edge(f[2], len + AESGCM_TAG_LEN, is_end);
	uint8_t *nonce = at_edge(f[3], AESGCM_NONCE_LEN, is_end);
	uint8_t expected[LEN_MAX];

	fill(ad, ad_len, len);
	fill(nonce, AESGCM_NONCE_LEN, len);
	fill(expected, len, len + 1);
	memcpy(text, expected, len);
	assert_int_equal(aesgcm_seal(a, nonce, SPAN(ad, ad_len), SPAN(text, len), sealed), 0);
	memset(text, 0xee, len);
	assert_int_equal(
		aesgcm_open(a, nonce, SPAN(ad, ad_len), SPAN(sealed, len + AESGCM_TAG_LEN), text),
		0);
	assert_memory_equal(text, expected, len);
	assert_int_equal(
		aesgcm_open(a, nonce, SPAN(ad, ad_len), SPAN(sealed, len + AESGCM_TAG_LEN), sealed),
		0);
	assert_memory_equal(sealed, expected, len);
}

static void no_byte_outside_is_touched_at_any_length(void **state)
{
	(void)state;
	skip_unsupported();
	CLEANUP(aesgcm_freep) struct aesgcm *a = new_key(1);
	struct fenced f[4]; /* associated data, text, sealed text, nonce */

	for (size_t i = 0; i < N_ELEMENTS(f); i++)
		f[i] = fenced_new();
	for (size_t len = 0; len <= LEN_MAX; len++) {
		at_the_edge(a, f, len, false);
		at_the_edge(a, f, len, true);
	}
	for (size_t i = 0; i < N_ELEMENTS(f); i++)
		fenced_done(f[i]);
}

/* Bytes behind the room that may be written, in the same page. */
static void nothing_is_written_behind_the_room(void **state)
{
	(void)state;
	skip_unsupported();
	CLEANUP(aesgcm_freep) struct aesgcm *a = new_key(2);
	const uint8_t nonce[AESGCM_NONCE_LEN] = { 1 };
	uint8_t text[LEN_MAX] = { 0 };
	uint8_t room[LEN_MAX + 64 + AESGCM_TAG_LEN];

	for (size_t len = 0; len <= LEN_MAX; len++) {
		size_t end = len + AESGCM_TAG_LEN;
		uint8_t tag[AESGCM_TAG_LEN];

		memset(room, 0xaa, sizeof(room));
		assert_int_equal(aesgcm_seal(a, nonce, SPAN(NULL, 0), SPAN(text, len), room), 0);
		memcpy(tag, room + len, sizeof(tag));
		assert_int_equal(aesgcm_open(a, nonce, SPAN(NULL, 0), SPAN(room, end), room), 0);
		assert_memory_equal(room + len, tag, sizeof(tag));
		for (size_t i = end; i < end + 64; i++)
			assert_int_equal(room[i], 0xaa);
	}
}

static const size_t lengths[] = { 0, 1, 16, 63, 64, 65, 500, 512, 513, 1024, 1025, 1400 };

static void assert_refused(const struct aesgcm *a, struct span ad, uint8_t *sealed, size_t len)
{
	static const uint8_t zeros[LEN_MAX];
	const uint8_t nonce[AESGCM_NONCE_LEN] = { 2 };
	uint8_t opened[LEN_MAX];
	uint8_t copy[LEN_MAX + AESGCM_TAG_LEN];
	struct span text = SPAN(sealed, len + AESGCM_TAG_LEN);

	memset(opened, 0xee, sizeof(opened));
	assert_int_equal(aesgcm_open(a, nonce, ad, text, opened), -EKEYREJECTED);
	assert_memory_equal(opened, zeros, len);
	memcpy(copy, sealed, text.len);
	assert_int_equal(aesgcm_open(a, nonce, ad, SPAN(copy, text.len), copy), -EKEYREJECTED);
	assert_memory_equal(copy, zeros, len);
	assert_memory_equal(copy + len, sealed + len, AESGCM_TAG_LEN);
}

static void each_changed_bit_is_refused_and_leaves_no_plaintext(void **state)
{
	(void)state;
	skip_unsupported();
	CLEANUP(aesgcm_freep) struct aesgcm *a = new_key(3);
	const uint8_t nonce[AESGCM_NONCE_LEN] = { 2 };
	uint8_t ad[17], text[LEN_MAX], sealed[LEN_MAX + AESGCM_TAG_LEN];

	fill(ad, sizeof(ad), 1);
	fill(text, sizeof(text), 2);
	for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
		size_t len = lengths[i];
		size_t n_bits = 8 * (len + AESGCM_TAG_LEN);

		assert_int_equal(aesgcm_seal(a, nonce, SPAN_OF(ad), SPAN(text, len), sealed), 0);
		for (size_t bit = 0; bit<n_bits; bit += len> 100 ? 7 : 1) {
			sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_refused(a, SPAN_OF(ad), sealed, len);
			sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sizeof(ad); bit++) {
			ad[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_refused(a, SPAN_OF(ad), sealed, len);
			ad[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		assert_refused(a, SPAN(ad, 16), sealed, len);
		assert_int_equal(aesgcm_open(a, nonce, SPAN_OF(ad),
					     SPAN(sealed, len + AESGCM_TAG_LEN), sealed),
				 0);
		assert_memory_equal(sealed, text, len);
	}
}

/* The counter cannot come round: a text that long is refused before a byte of it is looked at. */
static void impossible_lengths_are_refused_and_nothing_is_written(void **state)
{
	(void)state;
	skip_unsupported();
	CLEANUP(aesgcm_freep) struct aesgcm *a = new_key(4);
	const uint8_t nonce[AESGCM_NONCE_LEN] = { 3 };
	uint8_t room[32] = { 0 };
	const uint8_t zeros[32] = { 0 };
	const struct span none = SPAN(NULL, 0);
	const struct span some = SPAN_OF(room);

	assert_int_equal(aesgcm_seal(a, nonce, none, SPAN(room, AESGCM_TEXT_MAX + 1), room),
			 -EINVAL);
	assert_int_equal(aesgcm_seal(a, nonce, none, SPAN(room, SIZE_MAX), room), -EINVAL);
	assert_int_equal(aesgcm_seal(a, nonce, SPAN(room, AESGCM_AD_MAX + 1), some, room), -EINVAL);
	for (size_t len = 0; len < AESGCM_TAG_LEN; len++)
		assert_int_equal(aesgcm_open(a, nonce, none, SPAN(room, len), room), -EINVAL);
	assert_int_equal(
		aesgcm_open(a, nonce, none, SPAN(room, AESGCM_TEXT_MAX + AESGCM_TAG_LEN + 1), room),
		-EINVAL);
	assert_int_equal(aesgcm_open(a, nonce, none, SPAN(room, SIZE_MAX), room), -EINVAL);
	assert_int_equal(aesgcm_open(a, nonce, SPAN(room, AESGCM_AD_MAX + 1), some, room), -EINVAL);
	assert_memory_equal(room, zeros, sizeof(room));
	assert_true((AESGCM_TEXT_MAX + 15) / 16 < UINT32_MAX - 2); /* blocks, and 1 is the tag's */
	aesgcm_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_cases_come_out),
		cmocka_unit_test(no_byte_outside_is_touched_at_any_length),
		cmocka_unit_test(nothing_is_written_behind_the_room),
		cmocka_unit_test(each_changed_bit_is_refused_and_leaves_no_plaintext),
		cmocka_unit_test(impossible_lengths_are_refused_and_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
