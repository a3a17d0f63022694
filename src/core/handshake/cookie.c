/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies: making, checking, sealing into replies, and the rate of those. */
#include "core/handshake/cookie.h"

#include <errno.h>

void cookie_jar_init(struct cookie_jar *jar, const struct entropy *entropy)
{
	*jar = (struct cookie_jar){ .ordinary.change_us = 0 };
	rates_init(&jar->replies, entropy);
}

void cookie_jar_done(struct cookie_jar *jar)
{
	bytes_wipe(jar, sizeof(*jar));
}

static void new_secret(struct cookie_secrets *s, const struct entropy *entropy)
{
	uint8_t chance;

	memcpy(s->secret[1], s->secret[0], sizeof(s->secret[1]));
	s->epoch[1] = s->epoch[0];
	entropy_fill(entropy, s->secret[0], sizeof(s->secret[0]));
	entropy_fill(entropy, &chance, 1);
	s->epoch[0] = (uint8_t)(1 + chance % 254);
	if (s->epoch[0] == s->epoch[1]) /* the two that are valid differ */
		s->epoch[0] = (uint8_t)(s->epoch[0] % 254 + 1);
}

static void turn(struct cookie_secrets *s, const struct entropy *entropy, uint64_t interval_us,
		 uint64_t now_us)
{
	if (s->epoch[0] && now_us < s->change_us)
		return;
	if (s->epoch[0] && now_us >= s->change_us + interval_us)
		new_secret(s, entropy); /* slept through a change: both are too old */
	new_secret(s, entropy);
	s->change_us = now_us + interval_us;
}

void cookie_jar_turn(struct cookie_jar *jar, const struct entropy *entropy, uint64_t now_us)
{
	turn(&jar->ordinary, entropy, COOKIE_CHANGE_US, now_us);
	turn(&jar->warm, entropy, WARM_CHANGE_US, now_us);
}

static void make(const struct crypto_ops *ops, const uint8_t secret[32], struct span source,
		 uint8_t ret[COOKIE_LEN])
{
	uint8_t mac[SHA256_LEN];

	ops->hmac_sha256(SPAN(secret, 32), &source, 1, mac);
	memcpy(ret, mac, COOKIE_LEN);
}

uint8_t cookie_now(const struct cookie_jar *jar, const struct crypto_ops *ops, struct span source,
		   uint8_t ret[COOKIE_LEN])
{
	make(ops, jar->ordinary.secret[0], source, ret);
	return jar->ordinary.epoch[0];
}

void cookie_warm_now(const struct cookie_jar *jar, const struct crypto_ops *ops, struct span source,
		     uint8_t ret[COOKIE_LEN])
{
	make(ops, jar->warm.secret[0], source, ret);
}

bool cookie_check(const struct cookie_jar *jar, const struct crypto_ops *ops, uint8_t epoch,
		  struct span source, struct span datagram, uint8_t ret[COOKIE_LEN])
{
	bool is_warm = epoch == COOKIE_EPOCH_WARM;
	const struct cookie_secrets *s = is_warm ? &jar->warm : &jar->ordinary;
	uint8_t cookie[COOKIE_LEN];

	if (epoch == 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		if (s->epoch[i] == 0 || (!is_warm && s->epoch[i] != epoch))
			continue;
		make(ops, s->secret[i], source, cookie);
		if (mac2_is_good(cookie, datagram)) {
			memcpy(ret, cookie, COOKIE_LEN);
			return true;
		}
	}
	return false;
}

uint64_t cookie_expiry_us(const struct cookie_jar *jar, uint8_t epoch)
{
	if (epoch == COOKIE_EPOCH_WARM)
		return jar->warm.change_us + WARM_CHANGE_US;
	return jar->ordinary.change_us + COOKIE_CHANGE_US;
}

bool cookie_reply_allowed(struct cookie_jar *jar, const struct rate_source *source, uint64_t now_us)
{
	static const struct rate_limits limits = {
		.of = { [RATE_HOST] = COOKIE_REPLIES_HOST,
			[RATE_NETWORK] = COOKIE_REPLIES_NETWORK,
			[RATE_PREFIX] = COOKIE_REPLIES_PREFIX },
		.all = COOKIE_REPLIES_ALL,
	};

	return rates_take(&jar->replies, &limits, source, now_us);
}

/* E(X(nonce, kcookie), "x0 cookie" \0 | mac1, 32): a key for one reply to one datagram. */
static struct aead *reply_key(const struct crypto_ops *ops, const struct network_keys *nk,
			      const uint8_t nonce[16], const uint8_t mac1[WIRE_MAC_LEN])
{
	uint8_t info[10 + WIRE_MAC_LEN] = "x0 cookie";
	uint8_t prk[SHA256_LEN];
	uint8_t key[AEAD_KEY_LEN];
	struct aead *ret;

	memcpy(info + 10, mac1, WIRE_MAC_LEN);
	hkdf_extract(ops, SPAN(nonce, 16), SPAN_OF(nk->kcookie), prk);
	hkdf_expand(ops, prk, SPAN_OF(info), key, sizeof(key));
	ret = ops->aead_new(AEAD_CHACHA20_POLY1305, key);
	bytes_wipe(prk, sizeof(prk));
	bytes_wipe(key, sizeof(key));
	return ret;
}

static const uint8_t zero_nonce[AEAD_NONCE_LEN]; /* each key seals once */

int cookie_reply_write(const struct crypto_ops *ops, const struct network_keys *nk, uint8_t epoch,
		       uint32_t receiver_index, const uint8_t nonce[16],
		       const uint8_t mac1[WIRE_MAC_LEN], const uint8_t cookie[COOKIE_LEN],
		       uint8_t ret[WIRE_COOKIE_REPLY_LEN])
{
	struct writer w = writer_of(ret, WIRE_COOKIE_REPLY_LEN);
	struct aead *key = reply_key(ops, nk, nonce, mac1);
	int r;

	if (!key)
		return -EIO;
	write_u8(&w, WIRE_COOKIE);
	write_u8(&w, epoch);
	write_u16(&w, 0);
	write_u32(&w, receiver_index);
	write_bytes(&w, nonce, 16);
	r = ops->aead_seal(key, zero_nonce, SPAN(ret, w.len), SPAN(cookie, COOKIE_LEN),
			   ret + w.len);
	ops->aead_free(key);
	return r;
}

int cookie_reply_open(const struct crypto_ops *ops, const struct network_keys *nk,
		      const struct wire_cookie *reply, const uint8_t mac1[WIRE_MAC_LEN],
		      uint8_t ret[COOKIE_LEN])
{
	struct aead *key = reply_key(ops, nk, reply->nonce, mac1);
	int r;

	if (!key)
		return -EIO;
	r = ops->aead_open(key, zero_nonce, reply->clear,
			   SPAN(reply->sealed, COOKIE_LEN + AEAD_TAG_LEN), ret);
	ops->aead_free(key);
	return r;
}
