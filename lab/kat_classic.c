/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof cases of the classical algorithms, through OpenSSL. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "evp.h"
#include "kat.h"

/* 1 of RFC 8439 and of SP 800-38D alike; both directions are tested, and agree on refusal. */
static void run_aead(struct kat *k, const struct kat_case *c, const char *cipher)
{
	struct span key = kat_hex(k, c->test, "key");
	struct span iv = kat_hex(k, c->test, "iv");
	struct span aad = kat_hex(k, c->test, "aad");
	struct span msg = kat_hex(k, c->test, "msg");
	struct span ct = kat_hex(k, c->test, "ct");
	struct span tag = kat_hex(k, c->test, "tag");
	uint8_t *opened = kat_room(k, ct.len);
	uint8_t *sealed = kat_room(k, msg.len);
	uint8_t own_tag[16];
	bool valid = strcmp(kat_text(c->test, "result"), "valid") == 0;
	int r_open, r_seal;

	if (!opened || !sealed) {
		kat_check(k, c, false, "too many fields");
		return;
	}
	r_open = evp_aead_open(cipher, key, iv, aad, ct, tag, opened);
	r_seal = evp_aead_seal(cipher, key, iv, aad, msg, sealed, own_tag, tag.len);
	if (valid && r_open == -EIO) {
		kat_skip(k, 1, "%s: OpenSSL takes no IV of %zu bits", cipher, 8 * iv.len);
		return;
	}
	/* An altered tag or ciphertext says nothing against sealing: opening decides. */
	kat_judge(k, c, r_open < 0,
		  kat_equal(SPAN(opened, ct.len), msg) && r_seal == 0 &&
			  kat_equal(SPAN(sealed, msg.len), ct) &&
			  kat_equal(SPAN(own_tag, tag.len), tag));
}

void kat_aes_gcm(struct kat *k, const struct kat_case *c)
{
	size_t key_len = kat_hex(k, c->test, "key").len;
	char cipher[32];

	if (key_len != 16 && key_len != 24 && key_len != 32) {
		kat_judge(k, c, true, false);
		return;
	}
	(void)snprintf(cipher, sizeof(cipher), "AES-%zu-GCM", 8 * key_len);
	run_aead(k, c, cipher);
}

void kat_chacha20_poly1305(struct kat *k, const struct kat_case *c)
{
	/* OpenSSL pads a shorter nonce with zeros, which RFC 8439 does not know. */
	if (kat_hex(k, c->test, "iv").len != 12)
		kat_judge(k, c, true, false);
	else
		run_aead(k, c, "ChaCha20-Poly1305");
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
	uint8_t shared[32];
	bool refused;

	if (strcmp(kat_text(c->group, "curve"), "curve25519") != 0) {
		kat_skip(k, 1, "XDH over %s: no such algorithm here", kat_text(c->group, "curve"));
		return;
	}
	refused = peer.len != 32 || secret.len != 32 || evp_dh("X25519", secret, peer, shared) < 0;
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

void kat_hkdf_sha256(struct kat *k, const struct kat_case *c)
{
	run_hkdf(k, c, "SHA256");
}

void kat_hkdf_sha384(struct kat *k, const struct kat_case *c)
{
	run_hkdf(k, c, "SHA384");
}

void kat_hkdf_sha512(struct kat *k, const struct kat_case *c)
{
	run_hkdf(k, c, "SHA512");
}
