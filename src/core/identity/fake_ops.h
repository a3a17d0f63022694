/* SPDX-License-Identifier: Apache-2.0 */
/* fake_ops.h - for this room's tests only: a table of functions that protects nothing.
 *
 * Its hash is SipHash under a fixed key, its certificate the bytes of a struct, its signature a
 * keyed hash. So each rule can be broken by itself; real ones are tested in tests/identity/. */
#pragma once

#include <errno.h>
#include <string.h>

#include "base/siphash.h"
#include "core/identity/identity.h"

struct fake_cert {
	char magic[4]; /* "fake" */
	uint8_t tag;   /* names this certificate to those it issued */
	uint8_t issuer;
	struct cert cert; /* its der is not looked at */
};

static const uint8_t fake_hash_key[16] = { 'n', 'o', 't', ' ', 'a', ' ', 'h', 'a', 's', 'h' };

static void fake_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	uint8_t half[16];

	siphash128(fake_hash_key, parts, n, half);
	memcpy(ret, half, 16);
	siphash128(half, parts, n, ret + 16);
}

static void fake_hmac_sha256(struct span key, const struct span *parts, size_t n,
			     uint8_t ret[SHA256_LEN])
{
	uint8_t hashed[SHA256_LEN];

	fake_sha256(&key, 1, hashed);
	siphash128(hashed, parts, n, ret);
	siphash128(hashed + 16, parts, n, ret + 16);
}

static int fake_cert_read(struct span der, struct cert *ret)
{
	struct fake_cert c;

	if (der.len != sizeof(c) || memcmp(der.at, "fake", 4) != 0)
		return -EBADMSG;
	memcpy(&c, der.at, sizeof(c));
	*ret = c.cert;
	ret->der = der;
	return 0;
}

static int fake_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			    size_t n_roots, int64_t unix_s, const char **ret_reason)
{
	uint8_t wanted = chain[0].at[offsetof(struct fake_cert, issuer)];

	(void)unix_s;
	*ret_reason = "no root issued it";
	for (size_t i = 1; i < n_chain; i++) {
		if (chain[i].at[offsetof(struct fake_cert, tag)] != wanted)
			return -EKEYREJECTED;
		wanted = chain[i].at[offsetof(struct fake_cert, issuer)];
	}
	for (size_t i = 0; i < n_roots; i++)
		if (roots[i].at[offsetof(struct fake_cert, tag)] == wanted)
			return 0;
	return -EKEYREJECTED;
}

/* The "signature" of a message under a key whose public part is pk. */
static void fake_signature(const uint8_t pk[MLDSA65_PK_LEN], struct span message,
			   struct span context, uint8_t ret[MLDSA65_SIG_LEN])
{
	const struct span parts[] = { context, SPAN(pk, MLDSA65_PK_LEN), message };

	memset(ret, 0, MLDSA65_SIG_LEN);
	fake_sha256(parts, 3, ret);
}

static int fake_mldsa65_verify(const uint8_t pk[MLDSA65_PK_LEN], struct span message,
			       struct span context, const uint8_t sig[MLDSA65_SIG_LEN])
{
	uint8_t expected[MLDSA65_SIG_LEN];

	fake_signature(pk, message, context, expected);
	return memcmp(expected, sig, sizeof(expected)) == 0 ? 0 : -EKEYREJECTED;
}

static const struct crypto_ops fake_ops = {
	.name = "fake, for tests",
	.sha256 = fake_sha256,
	.hmac_sha256 = fake_hmac_sha256,
	.mldsa65_verify = fake_mldsa65_verify,
	.cert_read = fake_cert_read,
	.path_verify = fake_path_verify,
};
