/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from the network key, the Noise symmetric state, and the macs of a datagram. */
#include <errno.h>

#include "base/siphash.h"
#include "core/handshake/schedule.h"

#define MACS_LEN (2 * WIRE_MAC_LEN)

void network_keys_derive(const struct crypto_ops *ops, const uint8_t nk[NETWORK_KEY_LEN],
			 struct network_keys *ret)
{
	uint8_t p[SHA256_LEN];

	hkdf_extract(ops, SPAN_STR("x0 nk 1"), SPAN(nk, NETWORK_KEY_LEN), p);
	hkdf_expand(ops, p, SPAN_STR("psk"), ret->psk, sizeof(ret->psk));
	hkdf_expand(ops, p, SPAN_STR("mac1"), ret->kmac, sizeof(ret->kmac));
	hkdf_expand(ops, p, SPAN_STR("cookie"), ret->kcookie, sizeof(ret->kcookie));
	bytes_wipe(p, sizeof(p));
}

/* Section 5.2: a name longer than a hash is hashed, a shorter one padded with zeros. */
void symmetric_init(const struct crypto_ops *ops, struct symmetric *s, struct span name)
{
	*s = (struct symmetric){ .n = 0 };
	if (name.len <= SHA256_LEN)
		memcpy(s->h, name.at, name.len);
	else
		ops->sha256(&name, 1, s->h);
	memcpy(s->ck, s->h, SHA256_LEN);
}

void mix_hash(const struct crypto_ops *ops, struct symmetric *s, struct span data)
{
	uint8_t h[SHA256_LEN];
	const struct span parts[] = { SPAN_OF(s->h), data };

	ops->sha256(parts, 2, h);
	memcpy(s->h, h, SHA256_LEN);
}

static void set_key(struct symmetric *s, const uint8_t *k)
{
	memcpy(s->k, k, AEAD_KEY_LEN);
	s->n = 0;
	s->has_key = true;
}

/* Noise's HKDF (section 4.3) is RFC 5869 with an empty info. */
void mix_key(const struct crypto_ops *ops, struct symmetric *s, struct span ikm)
{
	uint8_t prk[SHA256_LEN];
	uint8_t out[2 * SHA256_LEN];

	hkdf_extract(ops, SPAN_OF(s->ck), ikm, prk);
	hkdf_expand(ops, prk, SPAN("", 0), out, sizeof(out));
	memcpy(s->ck, out, SHA256_LEN);
	set_key(s, out + SHA256_LEN);
	bytes_wipe(prk, sizeof(prk));
	bytes_wipe(out, sizeof(out));
}

void mix_key_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span ikm)
{
	uint8_t prk[SHA256_LEN];
	uint8_t out[3 * SHA256_LEN];

	hkdf_extract(ops, SPAN_OF(s->ck), ikm, prk);
	hkdf_expand(ops, prk, SPAN("", 0), out, sizeof(out));
	memcpy(s->ck, out, SHA256_LEN);
	mix_hash(ops, s, SPAN(out + SHA256_LEN, SHA256_LEN));
	set_key(s, out + 2 * SHA256_LEN);
	bytes_wipe(prk, sizeof(prk));
	bytes_wipe(out, sizeof(out));
}

/* Section 12.3: 32 bits of zeros, then the counter in little-endian. */
static void nonce_of(uint64_t n, uint8_t ret[AEAD_NONCE_LEN])
{
	memset(ret, 0, AEAD_NONCE_LEN);
	for (unsigned i = 0; i < 8; i++)
		ret[4 + i] = (uint8_t)(n >> (8 * i));
}

int encrypt_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span text,
		     uint8_t *ret)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	struct aead *aead;
	int r;

	if (!s->has_key) {
		memmove(ret, text.at, text.len);
		mix_hash(ops, s, SPAN(ret, text.len));
		return (int)text.len;
	}
	aead = ops->aead_new(AEAD_CHACHA20_POLY1305, s->k);
	if (!aead)
		return -EIO;
	nonce_of(s->n++, nonce);
	r = ops->aead_seal(aead, nonce, SPAN_OF(s->h), text, ret);
	ops->aead_free(aead);
	if (r < 0)
		return r;
	mix_hash(ops, s, SPAN(ret, text.len + AEAD_TAG_LEN));
	return (int)(text.len + AEAD_TAG_LEN);
}

int decrypt_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span text,
		     uint8_t *ret)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	uint8_t h[SHA256_LEN];
	const struct span parts[] = { SPAN_OF(s->h), text };
	struct aead *aead;
	int r;

	ops->sha256(parts, 2, h); /* before ret, which may be the text itself, is written */
	if (!s->has_key) {
		memmove(ret, text.at, text.len);
		memcpy(s->h, h, SHA256_LEN);
		return (int)text.len;
	}
	if (text.len < AEAD_TAG_LEN)
		return -EKEYREJECTED;
	aead = ops->aead_new(AEAD_CHACHA20_POLY1305, s->k);
	if (!aead)
		return -EIO;
	nonce_of(s->n++, nonce);
	r = ops->aead_open(aead, nonce, SPAN_OF(s->h), text, ret);
	ops->aead_free(aead);
	if (r < 0)
		return r;
	memcpy(s->h, h, SHA256_LEN);
	return (int)(text.len - AEAD_TAG_LEN);
}

void session_root(const struct crypto_ops *ops, const struct exchange *x, uint8_t ret[SHA256_LEN])
{
	uint8_t salt[SHA256_LEN];
	const struct span parts[] = { SPAN_STR0("x0 session"), SPAN_OF(x->s.h), SPAN_OF(x->t_i),
				      SPAN_OF(x->cf_i) };

	ops->sha256(parts, 4, salt);
	hkdf_extract(ops, SPAN_OF(salt), SPAN_OF(x->s.ck), ret);
}

/* ---- macs ---- */

void mac1_make(const uint8_t kmac[16], struct span datagram, uint8_t ret[WIRE_MAC_LEN])
{
	struct span covered = SPAN(datagram.at, datagram.len - MACS_LEN);

	siphash128(kmac, &covered, 1, ret);
}

void mac2_make(const uint8_t cookie[COOKIE_LEN], struct span datagram, uint8_t ret[WIRE_MAC_LEN])
{
	struct span covered = SPAN(datagram.at, datagram.len - WIRE_MAC_LEN);

	siphash128(cookie, &covered, 1, ret);
}

bool mac1_is_good(const uint8_t kmac[16], struct span datagram)
{
	uint8_t mac[WIRE_MAC_LEN];

	if (datagram.len < MACS_LEN)
		return false;
	mac1_make(kmac, datagram, mac);
	return bytes_equal_ct(mac, datagram.at + datagram.len - MACS_LEN, WIRE_MAC_LEN);
}

bool mac2_is_good(const uint8_t cookie[COOKIE_LEN], struct span datagram)
{
	uint8_t mac[WIRE_MAC_LEN];

	if (datagram.len < MACS_LEN)
		return false;
	mac2_make(cookie, datagram, mac);
	return bytes_equal_ct(mac, datagram.at + datagram.len - WIRE_MAC_LEN, WIRE_MAC_LEN);
}
