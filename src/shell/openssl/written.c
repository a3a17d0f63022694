/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in the very bytes in which they are written here.
 *
 * To read any PKCS#8 file the library makes and asks all decoders that it has, 2 ms for each key.
 * Of the two forms below all but the numbers is constant. What differs from them in a single other
 * byte is none of them, and is for the decoders. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "shell/openssl/library.h"

#define P256_LEN 32
#define POINT_LEN (1 + 2 * P256_LEN)
#define SEED_LEN 32

/* PrivateKeyInfo { 0, { id-ecPublicKey, prime256v1 }, ECPrivateKey { 1, scalar, [1] point } }: RFC
 * 5958 section 2, RFC 5915 section 3. */
static const uint8_t p256_head[] = {
	0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
	0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
};
static const uint8_t p256_middle[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };

/* PrivateKeyInfo { 0, { id-ml-dsa-65 }, { seed, expanded key } }: RFC 9881 section 6. */
static const uint8_t mldsa65_head[] = {
	0x30, 0x82, 0x0f, 0xfe, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	0x65, 0x03, 0x04, 0x03, 0x12, 0x04, 0x82, 0x0f, 0xea, 0x30, 0x82, 0x0f, 0xe6, 0x04, 0x20,
};
static const uint8_t mldsa65_middle[] = { 0x04, 0x82, 0x0f, 0xc0 };

#define MLDSA65_EXPANDED_LEN 4032

static bool takes(struct span *rest, const uint8_t *expected, size_t len)
{
	if (rest->len < len || memcmp(rest->at, expected, len) != 0)
		return false;
	*rest = SPAN(rest->at + len, rest->len - len);
	return true;
}

static const uint8_t *take_number(struct span *rest, size_t len)
{
	const uint8_t *at = rest->at;

	if (rest->len < len)
		return NULL;
	*rest = SPAN(rest->at + len, rest->len - len);
	return at;
}

static void *unsharing(const uint8_t *at)
{
	union {
		const uint8_t *in;
		void *out;
	} u = { .in = at };

	return u.out;
}

static EVP_PKEY *make(const char *algorithm, OSSL_PARAM *params)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(library()->ctx, algorithm, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		return NULL;
	return key;
}

/* The parameter is a number in the byte order of the machine. */
static void to_native(const uint8_t *big_endian, uint8_t ret[P256_LEN])
{
	static const uint16_t one = 1;
	bool is_little = *(const uint8_t *)&one == 1;

	for (size_t i = 0; i < P256_LEN; i++)
		ret[is_little ? P256_LEN - 1 - i : i] = big_endian[i];
}

static EVP_PKEY *read_p256(struct span der)
{
	char curve[] = "prime256v1";
	const uint8_t *scalar, *point;
	uint8_t native[P256_LEN];
	EVP_PKEY *key;

	if (!takes(&der, p256_head, sizeof(p256_head)))
		return NULL;
	scalar = take_number(&der, P256_LEN);
	if (!scalar || !takes(&der, p256_middle, sizeof(p256_middle)) || der.len != POINT_LEN)
		return NULL;
	point = der.at;
	to_native(scalar, native);
	key = make(
		"EC",
		(OSSL_PARAM[]){
			OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
			OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, unsharing(point),
							  POINT_LEN),
			OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native)),
			OSSL_PARAM_construct_end() });
	bytes_wipe(native, sizeof(native));
	return key;
}

/* Whether the expanded key is that of the seed, from which alone the key was made. */
static bool is_expanded(const EVP_PKEY *key, const uint8_t *expanded)
{
	CLEANUP(secret_freep) uint8_t *made = secret_alloc(MLDSA65_EXPANDED_LEN);
	size_t len = 0;

	return made &&
	       EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PRIV_KEY, made,
					       MLDSA65_EXPANDED_LEN, &len) == 1 &&
	       len == MLDSA65_EXPANDED_LEN && bytes_equal_ct(made, expanded, MLDSA65_EXPANDED_LEN);
}

static EVP_PKEY *read_mldsa65(struct span der)
{
	const uint8_t *seed;
	EVP_PKEY *key;

	if (!takes(&der, mldsa65_head, sizeof(mldsa65_head)))
		return NULL;
	seed = take_number(&der, SEED_LEN);
	if (!seed || !takes(&der, mldsa65_middle, sizeof(mldsa65_middle)) ||
	    der.len != MLDSA65_EXPANDED_LEN)
		return NULL;
	key = make("ML-DSA-65",
		   (OSSL_PARAM[]){ OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_DSA_SEED,
								     unsharing(seed), SEED_LEN),
				   OSSL_PARAM_construct_end() });
	if (key && is_expanded(key, der.at))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

EVP_PKEY *written_key_read(struct span der)
{
	EVP_PKEY *key = read_p256(der);

	return key ? key : read_mldsa65(der);
}
