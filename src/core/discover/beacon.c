/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening beacons. */
#include "core/discover/beacon.h"

#include <errno.h>

#include "base/siphash.h"

#define FILTER_AT BEACON_SALT_LEN
#define SEALED_AT (BEACON_SALT_LEN + BEACON_FILTER_LEN)
#define SEALED_LEN (BEACON_BODY_LEN + AEAD_TAG_LEN)

static const uint8_t zero_nonce[AEAD_NONCE_LEN]; /* each key seals once */

void beacon_keys_derive(const struct crypto_ops *ops, const uint8_t network_key[NETWORK_KEY_LEN],
			struct beacon_keys *ret)
{
	uint8_t p[SHA256_LEN];

	hkdf_extract(ops, SPAN_STR("x0 nk 1"), SPAN(network_key, NETWORK_KEY_LEN), p);
	hkdf_expand(ops, p, SPAN_STR("beacon"), ret->seal, sizeof(ret->seal));
	hkdf_expand(ops, p, SPAN_STR("beacon filter"), ret->filter, sizeof(ret->filter));
	bytes_wipe(p, sizeof(p));
}

/* A key for one beacon: two with one salt are not to be expected before 2^64 of them. */
static struct aead *key_of(const struct crypto_ops *ops, const struct beacon_keys *keys,
			   const uint8_t salt[BEACON_SALT_LEN])
{
	const struct span parts[] = { SPAN_STR("x0 beacon 1"), SPAN(salt, BEACON_SALT_LEN) };
	uint8_t key[AEAD_KEY_LEN];
	struct aead *ret;

	ops->hmac_sha256(SPAN_OF(keys->seal), parts, 2, key);
	ret = ops->aead_new(AEAD_CHACHA20_POLY1305, key);
	bytes_wipe(key, sizeof(key));
	return ret;
}

static uint64_t filter_of(const struct beacon_keys *keys, const uint8_t *datagram)
{
	const struct span parts[] = { SPAN(datagram, BEACON_SALT_LEN),
				      SPAN(datagram + SEALED_AT, SEALED_LEN) };

	return siphash64(keys->filter, parts, 2);
}

void beacon_encode(const struct beacon *b, uint8_t ret[BEACON_BODY_LEN])
{
	struct writer w = writer_of(ret, BEACON_BODY_LEN);

	write_u8(&w, BEACON_VERSION);
	write_u8(&w, (uint8_t)b->type);
	write_u16(&w, b->port);
	write_u32(&w, b->boot_epoch);
	write_u32(&w, b->counter);
	write_u64(&w, b->node_id);
	write_bytes(&w, b->challenge, sizeof(b->challenge));
}

int beacon_decode(struct span body, struct beacon *ret)
{
	struct reader r = reader_of(body);
	struct beacon b = { 0 };
	uint8_t version, type;

	if (body.len != BEACON_BODY_LEN)
		return -EBADMSG;
	version = read_u8(&r);
	type = read_u8(&r);
	b.port = read_u16(&r);
	b.boot_epoch = read_u32(&r);
	b.counter = read_u32(&r);
	b.node_id = read_u64(&r);
	read_copy(&r, b.challenge, sizeof(b.challenge));
	if (version != BEACON_VERSION || (type != BEACON_HELLO && type != BEACON_ANSWER) ||
	    b.port == 0 || b.node_id == 0)
		return -EPROTO;
	b.type = (enum beacon_type)type;
	*ret = b;
	return 0;
}

int beacon_seal(const struct crypto_ops *ops, const struct beacon_keys *keys,
		const uint8_t salt[BEACON_SALT_LEN], const struct beacon *b,
		uint8_t ret[BEACON_LEN])
{
	struct aead *key = key_of(ops, keys, salt);
	uint8_t body[BEACON_BODY_LEN];
	int r;

	if (!key)
		return -EIO;
	memcpy(ret, salt, BEACON_SALT_LEN);
	beacon_encode(b, body);
	r = ops->aead_seal(key, zero_nonce, SPAN("", 0), SPAN_OF(body), ret + SEALED_AT);
	ops->aead_free(key);
	bytes_wipe(body, sizeof(body));
	if (r == 0)
		store_u64(ret + FILTER_AT, filter_of(keys, ret));
	return r;
}

bool beacon_is_plausible(const struct beacon_keys *keys, struct span datagram)
{
	uint8_t expected[BEACON_FILTER_LEN];

	if (datagram.len != BEACON_LEN)
		return false;
	store_u64(expected, filter_of(keys, datagram.at));
	return bytes_equal_ct(expected, datagram.at + FILTER_AT, BEACON_FILTER_LEN);
}

int beacon_open(const struct crypto_ops *ops, const struct beacon_keys *keys, struct span datagram,
		struct beacon *ret)
{
	uint8_t body[BEACON_BODY_LEN];
	struct aead *key;
	int r;

	if (datagram.len != BEACON_LEN)
		return -EBADMSG;
	if (!beacon_is_plausible(keys, datagram))
		return -EKEYREJECTED;
	key = key_of(ops, keys, datagram.at);
	if (!key)
		return -EIO;
	r = ops->aead_open(key, zero_nonce, SPAN("", 0), SPAN(datagram.at + SEALED_AT, SEALED_LEN),
			   body);
	ops->aead_free(key);
	if (r == 0)
		r = beacon_decode(SPAN_OF(body), ret);
	bytes_wipe(body, sizeof(body));
	return r;
}
