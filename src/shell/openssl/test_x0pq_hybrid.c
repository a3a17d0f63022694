/* SPDX-License-Identifier: Apache-2.0 */
/* The hybrid groups of the provider through plain EVP calls, as libssl makes them. Loaded by hand
 * into a context of its own, whatever the library at hand has itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "shell/openssl/library.h"
#include "shell/openssl/x0pq.h"

#define OURS "provider=" X0PQ_NAME
#define THEIRS "provider=default"
#define SHARE_MAX 1665
#define SECRET_MAX 80

struct group {
	const char *name;
	size_t client_len, server_len, secret_len;
	size_t point_at; /* of the curve's half in the client share */
	size_t point_len;
	size_t ek_at;
};

/* Lengths as draft-ietf-tls-ecdhe-mlkem section 4 gives them. */
static const struct group groups[] = {
	{ "X25519MLKEM768", 1216, 1120, 64, 1184, 32, 0 },
	{ "SecP256r1MLKEM768", 1249, 1153, 64, 0, 65, 65 },
	{ "SecP384r1MLKEM1024", 1665, 1665, 80, 0, 97, 97 },
};

static OSSL_LIB_CTX *lib;
static OSSL_PROVIDER *providers[2];

static int load(void **state)
{
	(void)state;
	lib = OSSL_LIB_CTX_new();
	if (!lib || !OSSL_PROVIDER_add_builtin(lib, X0PQ_NAME, x0pq_provider_init))
		return -1;
	providers[0] = OSSL_PROVIDER_load(lib, "default");
	providers[1] = OSSL_PROVIDER_load(lib, X0PQ_NAME);
	return providers[0] && providers[1] ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	(void)OSSL_PROVIDER_unload(providers[1]);
	(void)OSSL_PROVIDER_unload(providers[0]);
	OSSL_LIB_CTX_free(lib);
	return 0;
}

/* ---- the calls of libssl ---- */

static EVP_PKEY *own_key(const char *name, const char *whose)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, name, whose);
	EVP_PKEY *key = NULL;

	assert_non_null(ctx);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, name), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* NULL when the share is refused. */
static EVP_PKEY *peer_key(const char *name, const char *whose, const uint8_t *share, size_t len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, name, whose);
	EVP_PKEY *key = NULL;

	assert_non_null(ctx);
	assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, name), 1);
	assert_int_equal(EVP_PKEY_paramgen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	if (EVP_PKEY_set1_encoded_public_key(key, share, len) == 1)
		return key;
	ERR_clear_error();
	EVP_PKEY_free(key);
	return NULL;
}

static void share_of(EVP_PKEY *key, const struct group *g, uint8_t ret[SHARE_MAX])
{
	unsigned char *share = NULL;

	assert_int_equal(EVP_PKEY_get1_encoded_public_key(key, &share), g->client_len);
	memcpy(ret, share, g->client_len);
	OPENSSL_free(share);
}

static void encapsulate(EVP_PKEY *peer, const struct group *g, uint8_t ret_share[SHARE_MAX],
			uint8_t ret_secret[SECRET_MAX])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, peer, NULL);
	size_t share_len = 0;
	size_t secret_len = 0;

	assert_int_equal(EVP_PKEY_encapsulate_init(ctx, NULL), 1);
	assert_int_equal(EVP_PKEY_encapsulate(ctx, NULL, &share_len, NULL, &secret_len), 1);
	assert_int_equal(share_len, g->server_len);
	assert_int_equal(secret_len, g->secret_len);
	assert_int_equal(EVP_PKEY_encapsulate(ctx, ret_share, &share_len, ret_secret, &secret_len),
			 1);
	EVP_PKEY_CTX_free(ctx);
}

static bool decapsulate(EVP_PKEY *own, const uint8_t *share, size_t len,
			uint8_t ret_secret[SECRET_MAX])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, own, NULL);
	size_t secret_len = SECRET_MAX;
	bool is_good;

	assert_int_equal(EVP_PKEY_decapsulate_init(ctx, NULL), 1);
	is_good = EVP_PKEY_decapsulate(ctx, ret_secret, &secret_len, share, len) == 1;
	ERR_clear_error();
	EVP_PKEY_CTX_free(ctx);
	return is_good;
}

static void agree(const struct group *g, const char *client, const char *server)
{
	uint8_t share[SHARE_MAX];
	uint8_t back[SHARE_MAX];
	uint8_t one[SECRET_MAX];
	uint8_t other[SECRET_MAX];
	EVP_PKEY *own = own_key(g->name, client);
	EVP_PKEY *peer;

	share_of(own, g, share);
	peer = peer_key(g->name, server, share, g->client_len);
	assert_non_null(peer);
	encapsulate(peer, g, back, one);
	assert_true(decapsulate(own, back, g->server_len, other));
	assert_memory_equal(one, other, g->secret_len);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
}

/* ---- tests ---- */

static void both_sides_of_each_group_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(groups); i++)
		agree(&groups[i], OURS, OURS);
}

static void ours_agrees_with_the_library_where_it_has_the_groups(void **state)
{
	EVP_KEYMGMT *theirs = EVP_KEYMGMT_fetch(lib, groups[0].name, THEIRS);

	(void)state;
	if (!theirs) {
		print_message("this OpenSSL has no hybrid groups of its own: skipped\n");
		ERR_clear_error();
		skip();
	}
	EVP_KEYMGMT_free(theirs);
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		agree(&groups[i], OURS, THEIRS);
		agree(&groups[i], THEIRS, OURS);
	}
}

static EVP_PKEY *kem_key(const char *name)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, name, OURS);
	EVP_PKEY *key = NULL;

	assert_non_null(ctx);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *curve_peer(const char *name, const uint8_t *point, size_t len)
{
	EVP_PKEY *key = NULL;

	if (strcmp(name, "X25519") == 0)
		return EVP_PKEY_new_raw_public_key_ex(lib, name, NULL, point, len);
	key = EVP_PKEY_Q_keygen(lib, NULL, "EC", name); /* for its parameters */
	assert_int_equal(EVP_PKEY_set1_encoded_public_key(key, point, len), 1);
	return key;
}

/* A client put together by hand from an ML-KEM key and a curve key: what the server's side makes of
 * it has the halves in the order of the draft, in share and secret. */
static void halves_in_order(const struct group *g, const char *kem, const char *curve,
			    bool is_curve_last)
{
	EVP_PKEY *mlkem = kem_key(kem);
	EVP_PKEY *point = strcmp(curve, "X25519") == 0 ? EVP_PKEY_Q_keygen(lib, NULL, curve)
						       : EVP_PKEY_Q_keygen(lib, NULL, "EC", curve);
	size_t ct_len = g->server_len - g->point_len;
	size_t curve_len = g->secret_len - 32;
	uint8_t share[SHARE_MAX];
	uint8_t back[SHARE_MAX];
	uint8_t secret[SECRET_MAX];
	uint8_t expected[SECRET_MAX];
	unsigned char *half = NULL;
	size_t len;
	EVP_PKEY *peer;
	EVP_PKEY *theirs;
	EVP_PKEY_CTX *ctx;

	len = EVP_PKEY_get1_encoded_public_key(mlkem, &half);
	assert_int_equal(len, g->client_len - g->point_len);
	memcpy(share + g->ek_at, half, len);
	OPENSSL_free(half);
	len = EVP_PKEY_get1_encoded_public_key(point, &half);
	assert_int_equal(len, g->point_len);
	memcpy(share + g->point_at, half, len);
	OPENSSL_free(half);
	peer = peer_key(g->name, OURS, share, g->client_len);
	assert_non_null(peer);
	encapsulate(peer, g, back, secret);

	assert_true(decapsulate(mlkem, back + (is_curve_last ? 0 : g->point_len), ct_len,
				expected + (is_curve_last ? 0 : curve_len)));
	theirs = curve_peer(curve, back + (is_curve_last ? ct_len : 0), g->point_len);
	ctx = EVP_PKEY_CTX_new_from_pkey(lib, point, NULL);
	len = curve_len;
	assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
	assert_int_equal(EVP_PKEY_derive_set_peer(ctx, theirs), 1);
	assert_int_equal(EVP_PKEY_derive(ctx, expected + (is_curve_last ? 32 : 0), &len), 1);
	assert_memory_equal(secret, expected, g->secret_len);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(point);
	EVP_PKEY_free(mlkem);
}

static void shares_and_secrets_have_their_halves_in_the_order_of_the_draft(void **state)
{
	(void)state;
	halves_in_order(&groups[0], "ML-KEM-768", "X25519", true);
	halves_in_order(&groups[1], "ML-KEM-768", "P-256", false);
	halves_in_order(&groups[2], "ML-KEM-1024", "P-384", false);
}

static bool is_taken(const struct group *g, const uint8_t *share, size_t len)
{
	EVP_PKEY *key = peer_key(g->name, OURS, share, len);

	EVP_PKEY_free(key);
	return key != NULL;
}

static void a_client_share_of_another_length_is_refused(void **state)
{
	uint8_t share[SHARE_MAX + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];
		EVP_PKEY *own = own_key(g->name, OURS);

		share_of(own, g, share);
		assert_true(is_taken(g, share, g->client_len));
		assert_false(is_taken(g, share, g->client_len - 1));
		assert_false(is_taken(g, share, g->client_len + 1));
		assert_false(is_taken(g, share, g->point_len));
		assert_false(is_taken(g, share, 1));
		EVP_PKEY_free(own);
	}
}

static void a_coefficient_above_the_modulus_is_refused(void **state)
{
	uint8_t share[SHARE_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];
		EVP_PKEY *own = own_key(g->name, OURS);

		share_of(own, g, share);
		share[g->ek_at] = 0x01; /* the first coefficient is 3329 */
		share[g->ek_at + 1] = (uint8_t)((share[g->ek_at + 1] & 0xf0) | 0x0d);
		assert_false(is_taken(g, share, g->client_len));
		share[g->ek_at] = 0x00; /* and 3328 */
		assert_true(is_taken(g, share, g->client_len));
		EVP_PKEY_free(own);
	}
}

static void a_point_off_the_curve_or_in_another_form_is_refused(void **state)
{
	static const uint8_t forms[] = { 0x00, 0x02, 0x03, 0x05, 0x06, 0x07, 0xff };
	uint8_t share[SHARE_MAX];

	(void)state;
	for (size_t i = 1; i < N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];
		EVP_PKEY *own = own_key(g->name, OURS);

		share_of(own, g, share);
		share[g->point_len - 1] ^= 1;
		assert_false(is_taken(g, share, g->client_len));
		share[g->point_len - 1] ^= 1;
		for (size_t k = 0; k < sizeof(forms); k++) {
			share[0] = forms[k];
			assert_false(is_taken(g, share, g->client_len));
		}
		EVP_PKEY_free(own);
	}
}

/* RFC 7748 section 6.1 and what is known of the curve and its twist: 0, 1, p-1, the points of order
 * 8, and 0, 1 again as p and p+1. */
static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void a_point_of_small_order_of_x25519_is_refused(void **state)
{
	const struct group *g = &groups[0];
	EVP_PKEY *own = own_key(g->name, OURS);
	uint8_t share[SHARE_MAX];

	(void)state;
	share_of(own, g, share);
	for (size_t i = 0; i < N_ELEMENTS(small_order); i++) {
		assert_int_equal(bytes_from_hex(small_order[i], share + g->point_at, 32), 0);
		assert_false(is_taken(g, share, g->client_len));
		share[g->client_len - 1] |= 0x80; /* a bit that X25519 ignores */
		assert_false(is_taken(g, share, g->client_len));
	}
	EVP_PKEY_free(own);
}

static void a_server_share_that_is_none_is_refused(void **state)
{
	uint8_t share[SHARE_MAX];
	uint8_t back[SHARE_MAX + 1] = { 0 };
	uint8_t secret[SECRET_MAX];
	uint8_t again[SECRET_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];
		EVP_PKEY *own = own_key(g->name, OURS);
		size_t ct_len = g->server_len - g->point_len;
		bool is_x25519 = i == 0;
		size_t point_at = is_x25519 ? ct_len : 0;
		size_t ct_at = is_x25519 ? 0 : g->point_len;
		EVP_PKEY *peer;

		share_of(own, g, share);
		peer = peer_key(g->name, OURS, share, g->client_len);
		encapsulate(peer, g, back, secret);
		assert_false(decapsulate(own, back, g->server_len - 1, again));
		assert_false(decapsulate(own, back, g->server_len + 1, again));
		assert_false(decapsulate(own, back, 0, again));
		assert_false(decapsulate(peer, back, g->server_len, again)); /* no private half */

		/* implicit rejection: a secret, but not the one */
		back[ct_at + 100] ^= 1;
		assert_true(decapsulate(own, back, g->server_len, again));
		assert_memory_not_equal(secret, again, g->secret_len);
		back[ct_at + 100] ^= 1;
		memset(back + point_at, 0, g->point_len);
		assert_false(decapsulate(own, back, g->server_len, again));
		EVP_PKEY_free(peer);
		EVP_PKEY_free(own);
	}
}

static void a_key_is_given_its_share_once_and_keeps_its_group(void **state)
{
	const struct group *g = &groups[0];
	EVP_PKEY *own = own_key(g->name, OURS);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, g->name, OURS);
	uint8_t share[SHARE_MAX];

	(void)state;
	share_of(own, g, share);
	assert_int_not_equal(EVP_PKEY_set1_encoded_public_key(own, share, g->client_len), 1);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_not_equal(EVP_PKEY_CTX_set_group_name(ctx, "SecP256r1MLKEM768"), 1);
	ERR_clear_error();
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_of_each_group_agree),
		cmocka_unit_test(ours_agrees_with_the_library_where_it_has_the_groups),
		cmocka_unit_test(shares_and_secrets_have_their_halves_in_the_order_of_the_draft),
		cmocka_unit_test(a_client_share_of_another_length_is_refused),
		cmocka_unit_test(a_coefficient_above_the_modulus_is_refused),
		cmocka_unit_test(a_point_off_the_curve_or_in_another_form_is_refused),
		cmocka_unit_test(a_point_of_small_order_of_x25519_is_refused),
		cmocka_unit_test(a_server_share_that_is_none_is_refused),
		cmocka_unit_test(a_key_is_given_its_share_once_and_keeps_its_group),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
