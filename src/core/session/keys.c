/* SPDX-License-Identifier: Apache-2.0 */
/* Key schedule of the packet keys, and the limits of one key. */
#include <errno.h>
#include <stdlib.h>

#include "core/session/keys.h"

/* Indexed by use and direction (1: from the initiator to the responder). */
static const char *const key_labels[SESSION_N_USES][2] = {
	[SESSION_LINK] = { "x0 link r2i key", "x0 link i2r key" },
	[SESSION_E2E] = { "x0 e2e r2i key", "x0 e2e i2r key" },
};
static const char *const iv_labels[SESSION_N_USES][2] = {
	[SESSION_LINK] = { "x0 link r2i iv", "x0 link i2r iv" },
	[SESSION_E2E] = { "x0 e2e r2i iv", "x0 e2e i2r iv" },
};

static struct span label(const char *text)
{
	return SPAN(text, strlen(text));
}

void epoch_derive_key(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
		      enum session_use use, bool is_i2r, uint8_t ret_key[AEAD_KEY_LEN],
		      uint8_t ret_iv[AEAD_NONCE_LEN])
{
	hkdf_expand(ops, root, label(key_labels[use][is_i2r]), ret_key, AEAD_KEY_LEN);
	hkdf_expand(ops, root, label(iv_labels[use][is_i2r]), ret_iv, AEAD_NONCE_LEN);
}

static struct aead *packet_aead(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
				enum aead_algorithm aead, enum session_use use, bool is_i2r,
				uint8_t ret_iv[AEAD_NONCE_LEN])
{
	uint8_t key[AEAD_KEY_LEN];
	struct aead *a;

	epoch_derive_key(ops, root, use, is_i2r, key, ret_iv);
	a = ops->aead_new(aead, key);
	bytes_wipe(key, sizeof(key));
	return a;
}

int epoch_new(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
	      enum aead_algorithm aead, bool is_initiator, struct epoch **ret)
{
	struct epoch *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	for (enum session_use use = 0; use < SESSION_N_USES; use++) {
		struct send_key *send = &e->send[use];
		struct receive_key *receive = &e->receive[use];

		send->aead = packet_aead(ops, root, aead, use, is_initiator, send->iv);
		receive->aead = packet_aead(ops, root, aead, use, !is_initiator, receive->iv);
		if (!send->aead || !receive->aead) {
			epoch_free(ops, e);
			return -ENOMEM;
		}
	}
	*ret = e;
	return 0;
}

static void aead_drop(const struct crypto_ops *ops, struct aead **a)
{
	if (*a)
		ops->aead_free(*a);
	*a = NULL;
}

void epoch_free(const struct crypto_ops *ops, struct epoch *e)
{
	if (!e)
		return;
	for (unsigned use = 0; use < SESSION_N_USES; use++) {
		aead_drop(ops, &e->send[use].aead);
		aead_drop(ops, &e->receive[use].aead);
		for (unsigned lane = 0; lane < SESSION_LANES_MAX; lane++)
			if (!e->share || !share_has_lane(e->share, (uint8_t)lane))
				free(e->receive[use].windows[lane]);
	}
	share_end(e->share);
	share_unref(e->share);
	bytes_wipe(e, sizeof(*e));
	free(e);
}

void epoch_ratchet(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
		   struct span rk1, struct span rk2, const uint8_t dh[X25519_LEN],
		   const uint8_t ss[MLKEM768_SS_LEN], uint8_t ret[SESSION_ROOT_LEN])
{
	const struct span transcript[] = { SPAN_STR0("x0 rekey"), rk1, rk2 };
	uint8_t salt[SHA256_LEN];
	uint8_t ikm[SHA256_LEN + X25519_LEN + MLKEM768_SS_LEN];

	ops->sha256(transcript, 3, salt);
	hkdf_expand(ops, root, SPAN_STR("x0 ratchet"), ikm, SHA256_LEN);
	memcpy(ikm + SHA256_LEN, dh, X25519_LEN);
	memcpy(ikm + SHA256_LEN + X25519_LEN, ss, MLKEM768_SS_LEN);
	hkdf_extract(ops, SPAN_OF(salt), SPAN_OF(ikm), ret);
	bytes_wipe(ikm, sizeof(ikm));
}

void epoch_nonce(const uint8_t iv[AEAD_NONCE_LEN], uint8_t lane, uint64_t sequence,
		 uint8_t ret[AEAD_NONCE_LEN])
{
	memcpy(ret, iv, 4);
	store_u64(ret + 4, load_u64(iv + 4) ^ ((uint64_t)lane << 56 | sequence));
}

uint64_t send_key_packets_max(const struct send_key *k, enum aead_algorithm aead, size_t text_len,
			      const struct session_limits *limits)
{
	if (aead != AEAD_AES_256_GCM)
		return UINT64_MAX; /* the lanes' sequence numbers end long before */
	if (k->is_large || text_len > LARGE_PACKET_BYTES)
		return limits->gcm_packets_large;
	return limits->gcm_packets;
}

int send_key_reserve(struct send_key *k, enum aead_algorithm aead, unsigned lane, size_t text_len,
		     const struct session_limits *limits, uint64_t *ret)
{
	uint64_t max = send_key_packets_max(k, aead, text_len, limits);

	/* With threads none is large: their part was set aside from the higher limit. */
	if (max <= k->set_aside || k->packets >= max - k->set_aside ||
	    (k->set_aside && text_len > LARGE_PACKET_BYTES) || k->next[lane] > SEQUENCE_MAX)
		return -EAGAIN;
	if (text_len > LARGE_PACKET_BYTES)
		k->is_large = true;
	k->packets++;
	*ret = k->next[lane]++;
	return 0;
}

bool receive_key_forged(const struct crypto_ops *ops, struct receive_key *k, uint64_t n,
			enum aead_algorithm aead, const struct session_limits *limits)
{
	uint64_t max = aead == AEAD_AES_256_GCM ? limits->gcm_forgeries : limits->chacha_forgeries;

	k->forgeries += n;
	if (k->forgeries < max)
		return false;
	aead_drop(ops, &k->aead);
	return true;
}
