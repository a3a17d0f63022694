/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the classical algorithms, Wycheproof's and ACVP's: through the program's own table of
 * cryptography where it offers the operation, otherwise through OpenSSL directly. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "evp.h"
#include "kat.h"
#include "shell/openssl/crypto_openssl.h"

/* NULL where it cannot be had; the case then fails and says so. */
static const struct crypto_ops *program_ops(struct kat *k, const struct kat_case *c)
{
	const char *error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&error);

	if (!ops)
		kat_check(k, c, false, error);
	return ops;
}

struct aead_case {
	struct span key, iv, aad, msg, ct, tag;
	uint8_t *opened, *sealed, *joined; /* room for ct, for msg and a tag, for ct and tag */
};

/* Of the test, or of its expected results where these come apart. */
static struct span field(struct kat *k, const struct kat_case *c, const char *name)
{
	return kat_hex(k, json_object_get(c->test, name) ? c->test : c->expected, name);
}

static bool load_aead(struct kat *k, const struct kat_case *c, const char *msg, struct aead_case *a)
{
	a->key = field(k, c, "key");
	a->iv = field(k, c, "iv");
	a->aad = field(k, c, "aad");
	a->msg = field(k, c, msg);
	a->ct = field(k, c, "ct");
	a->tag = field(k, c, "tag");
	a->opened = kat_room(k, a->ct.len);
	a->sealed = kat_room(k, a->msg.len + AEAD_TAG_LEN);
	a->joined = kat_room(k, a->ct.len + a->tag.len);
	if (!a->tag.at || !a->ct.at || !a->opened || !a->sealed || !a->joined) {
		kat_check(k, c, false, "no tag or ciphertext");
		return false;
	}
	memcpy(a->joined, a->ct.at, a->ct.len);
	memcpy(a->joined + a->ct.len, a->tag.at, a->tag.len);
	return true;
}

/* What became of a case. */
struct outcome {
	bool is_known;	 /* false: the verdict is given, nothing is left to judge */
	bool is_refused; /* by opening: an altered tag or ciphertext says nothing against sealing */
	bool is_right;	 /* both directions came out as published */
};

static struct outcome outcome_of(const struct aead_case *a, int r_open, int r_seal)
{
	return (struct outcome){
		.is_known = true,
		.is_refused = r_open < 0,
		.is_right = kat_equal(SPAN(a->opened, a->ct.len), a->msg) && r_seal == 0 &&
			    kat_equal(SPAN(a->sealed, a->msg.len + a->tag.len),
				      SPAN(a->joined, a->ct.len + a->tag.len)),
	};
}

static struct outcome run_evp_aead(struct kat *k, const char *cipher, bool is_valid,
				   const struct aead_case *a)
{
	int r_open = evp_aead_open(cipher, a->key, a->iv, a->aad, a->ct, a->tag, a->opened);

	if (is_valid && r_open == -EIO) {
		kat_skip(k, 1, "%s: OpenSSL takes no IV of %zu bits", cipher, 8 * a->iv.len);
		return (struct outcome){ 0 };
	}
	return outcome_of(a, r_open,
			  evp_aead_seal(cipher, a->key, a->iv, a->aad, a->msg, a->sealed,
					a->sealed + a->msg.len, a->tag.len));
}

static struct outcome run_program_aead(struct kat *k, const struct kat_case *c,
				       enum aead_algorithm alg, const struct aead_case *a)
{
	const struct crypto_ops *ops = program_ops(k, c);
	struct aead *aead = ops ? ops->aead_new(alg, a->key.at) : NULL;
	struct outcome outcome;

	if (!ops)
		return (struct outcome){ 0 };
	if (!aead) {
		kat_check(k, c, false, "the algorithm is not there");
		return (struct outcome){ 0 };
	}
	outcome = outcome_of(a,
			     ops->aead_open(aead, a->iv.at, a->aad,
					    SPAN(a->joined, a->ct.len + a->tag.len), a->opened),
			     ops->aead_seal(aead, a->iv.at, a->aad, a->msg, a->sealed));
	ops->aead_free(aead);
	return outcome;
}

static bool fits_program(const struct aead_case *a)
{
	return a->key.len == AEAD_KEY_LEN && a->iv.len == AEAD_NONCE_LEN &&
	       a->tag.len == AEAD_TAG_LEN;
}

/* On both implementations, where this processor has both: the verdict is of the two. */
static struct outcome run_program_aes_gcm(struct kat *k, const struct kat_case *c,
					  const struct aead_case *a)
{
	struct outcome one;
	struct outcome other;

	(void)crypto_openssl_use_aes_gcm(AES_GCM_LIBRARY);
	one = run_program_aead(k, c, AEAD_AES_256_GCM, a);
	if (one.is_known && crypto_openssl_use_aes_gcm(AES_GCM_OWN) == 0) {
		other = run_program_aead(k, c, AEAD_AES_256_GCM, a);
		if (other.is_known && (other.is_refused != one.is_refused ||
				       (!one.is_refused && other.is_right != one.is_right))) {
			kat_check(k, c, false, "OpenSSL's and ours differ");
			other.is_known = false;
		}
		one = other;
	}
	(void)crypto_openssl_use_aes_gcm(AES_GCM_MEASURED);
	return one;
}

static struct outcome run_aes_gcm(struct kat *k, const struct kat_case *c, bool is_valid,
				  const struct aead_case *a)
{
	char cipher[32];

	(void)snprintf(cipher, sizeof(cipher), "AES-%zu-GCM", 8 * a->key.len);
	if (fits_program(a))
		return run_program_aes_gcm(k, c, a);
	if ((a->key.len != 16 && a->key.len != 24 && a->key.len != 32) || a->tag.len > AEAD_TAG_LEN)
		return (struct outcome){ .is_known = true, .is_refused = true };
	return run_evp_aead(k, cipher, is_valid, a);
}

void kat_aes_gcm(struct kat *k, const struct kat_case *c)
{
	bool is_valid = strcmp(kat_text(c->test, "result"), "valid") == 0;
	struct outcome outcome;
	struct aead_case a;

	if (!load_aead(k, c, "msg", &a))
		return;
	outcome = run_aes_gcm(k, c, is_valid, &a);
	if (outcome.is_known)
		kat_judge(k, c, outcome.is_refused, outcome.is_right);
}

void kat_acvp_aes_gcm(struct kat *k, const struct kat_case *c)
{
	bool is_valid = !json_is_false(json_object_get(c->expected, "testPassed"));
	struct outcome outcome;
	struct aead_case a;

	if (strcmp(kat_text(c->group, "ivGen"), "internal") == 0) {
		kat_skip(k, 1, "ACVP AES-GCM: the IV would be the implementation's to choose");
		return;
	}
	if (!load_aead(k, c, "pt", &a))
		return;
	outcome = run_aes_gcm(k, c, is_valid, &a);
	if (outcome.is_known)
		kat_check(k, c,
			  is_valid ? !outcome.is_refused && outcome.is_right : outcome.is_refused,
			  outcome.is_refused ? "refused" : "accepted, or wrong output");
}

void kat_chacha20_poly1305(struct kat *k, const struct kat_case *c)
{
	struct outcome outcome;
	struct aead_case a;

	if (!load_aead(k, c, "msg", &a))
		return;
	outcome = fits_program(&a) ? run_program_aead(k, c, AEAD_CHACHA20_POLY1305, &a)
				   /* RFC 8439 has no other lengths of key, nonce and tag */
				   : (struct outcome){ .is_known = true, .is_refused = true };
	if (outcome.is_known)
		kat_judge(k, c, outcome.is_refused, outcome.is_right);
}

void kat_ed25519(struct kat *k, const struct kat_case *c)
{
	const json_t *key = json_object_get(c->group, "publicKey");
	struct span pk = kat_hex(k, key, "pk");
	struct span msg = kat_hex(k, c->test, "msg");
	struct span sig = kat_hex(k, c->test, "sig");

	if (strcmp(kat_text(key, "curve"), "edwards25519") != 0) {
		kat_skip(k, 1, "EdDSA over %s: no such algorithm here", kat_text(key, "curve"));
		return;
	}
	kat_judge(k, c, evp_ed25519_verify(pk, msg, sig) < 0, true);
}

void kat_x25519(struct kat *k, const struct kat_case *c)
{
	struct span secret = kat_hex(k, c->test, "private");
	struct span peer = kat_hex(k, c->test, "public");
	const struct crypto_ops *ops = program_ops(k, c);
	uint8_t shared[X25519_LEN];
	bool refused;

	if (!ops)
		return;
	if (strcmp(kat_text(c->group, "curve"), "curve25519") != 0) {
		kat_skip(k, 1, "XDH over %s: no such algorithm here", kat_text(c->group, "curve"));
		return;
	}
	refused = peer.len != X25519_LEN || secret.len != X25519_LEN ||
		  ops->x25519(secret.at, peer.at, shared) < 0;
	kat_judge(k, c, refused,
		  !refused && kat_equal(SPAN_OF(shared), kat_hex(k, c->test, "shared")));
}

static void run_hkdf(struct kat *k, const struct kat_case *c, const char *hash)
{
	struct span ikm = kat_hex(k, c->test, "ikm");
	struct span salt = kat_hex(k, c->test, "salt");
	struct span info = kat_hex(k, c->test, "info");
	json_int_t size = json_integer_value(json_object_get(c->test, "size"));
	uint8_t *okm = size >= 0 && size <= UINT16_MAX ? kat_room(k, (size_t)size) : NULL;
	bool refused;

	if (!okm) {
		kat_check(k, c, false, "no size, or one out of range");
		return;
	}
	refused = evp_hkdf(hash, ikm, salt, info, okm, (size_t)size) < 0;
	kat_judge(k, c, refused,
		  !refused && kat_equal(SPAN(okm, (size_t)size), kat_hex(k, c->test, "okm")));
}

/* Ours is for outputs within the limit, which its callers keep; beyond it RFC 5869 has none. */
void kat_hkdf_sha256(struct kat *k, const struct kat_case *c)
{
	const struct crypto_ops *ops = program_ops(k, c);
	json_int_t size = json_integer_value(json_object_get(c->test, "size"));
	bool refused = size <= 0 || size > 255 * SHA256_LEN;
	uint8_t prk[SHA256_LEN], okm[255 * SHA256_LEN];

	if (!ops)
		return;
	if (!refused) {
		hkdf_extract(ops, kat_hex(k, c->test, "salt"), kat_hex(k, c->test, "ikm"), prk);
		hkdf_expand(ops, prk, kat_hex(k, c->test, "info"), okm, (size_t)size);
	}
	kat_judge(k, c, refused,
		  !refused && kat_equal(SPAN(okm, (size_t)size), kat_hex(k, c->test, "okm")));
}

void kat_hkdf_sha384(struct kat *k, const struct kat_case *c)
{
	run_hkdf(k, c, "SHA384");
}

void kat_hkdf_sha512(struct kat *k, const struct kat_case *c)
{
	run_hkdf(k, c, "SHA512");
}
