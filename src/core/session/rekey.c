/* SPDX-License-Identifier: Apache-2.0 */
/* RK1 and RK2: a fresh X25519 and ML-KEM-768 exchange, mixed into the chain of roots. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/session/rekey.h"

DEFINE_FREEP(struct rekey_offer, rekey_offer_free)
DEFINE_FREEP(struct rekey_answer, rekey_answer_free)

int rekey_decode(struct span message, struct rekey_message *ret)
{
	struct reader r = reader_of(message);
	struct rekey_message m = { .type = read_u8(&r) };

	m.content = SPAN(r.at, r.left);
	m.epoch = read_u32(&r);
	if (m.type == REKEY_RK1 || m.type == REKEY_RK2) {
		m.index = read_u32(&r);
		m.e = read_bytes(&r, X25519_LEN);
		m.kem = read_bytes(&r, m.type == REKEY_RK1 ? MLKEM768_EK_LEN : MLKEM768_CT_LEN);
		if (m.index == 0)
			return -EBADMSG;
	} else if (m.type != REKEY_REQUEST && m.type != REKEY_CONFIRM) {
		return -EBADMSG;
	}
	if (r.overrun || r.left > 0 || m.epoch == 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

size_t rekey_encode_short(enum rekey_type type, uint32_t epoch, uint8_t ret[REKEY_SHORT_LEN])
{
	ret[0] = (uint8_t)type;
	store_u32(ret + 1, epoch);
	return REKEY_SHORT_LEN;
}

/* Everything before the KEM part; returns where that goes. */
static uint8_t *encode_head(uint8_t *to, enum rekey_type type, uint32_t epoch, uint32_t index,
			    const uint8_t e[X25519_LEN])
{
	to[0] = (uint8_t)type;
	store_u32(to + 1, epoch);
	store_u32(to + 5, index);
	memcpy(to + 9, e, X25519_LEN);
	return to + 9 + X25519_LEN;
}

int rekey_offer_new(const struct crypto_ops *ops, const struct entropy *entropy, uint32_t epoch,
		    uint32_t index, struct rekey_offer **ret)
{
	CLEANUP(rekey_offer_freep) struct rekey_offer *o = calloc(1, sizeof(*o));
	uint8_t seeds[2 * MLKEM768_SEED_LEN];
	uint8_t e[X25519_LEN];
	int r;

	if (!o)
		return -ENOMEM;
	o->epoch = epoch;
	o->index = index;
	entropy_fill(entropy, o->x25519, sizeof(o->x25519));
	r = ops->x25519_public(o->x25519, e);
	if (r < 0)
		return r;
	entropy_fill(entropy, seeds, sizeof(seeds));
	r = ops->mlkem768_keygen(seeds, seeds + MLKEM768_SEED_LEN,
				 encode_head(o->rk1, REKEY_RK1, epoch, index, e), o->dk);
	bytes_wipe(seeds, sizeof(seeds));
	if (r < 0)
		return r;
	*ret = TAKE(o);
	return 0;
}

void rekey_offer_free(struct rekey_offer *o)
{
	if (o)
		bytes_wipe(o, sizeof(*o));
	free(o);
}

int rekey_offer_finish(const struct crypto_ops *ops, const struct rekey_offer *o,
		       const struct rekey_message *rk2, const uint8_t root[SESSION_ROOT_LEN],
		       uint8_t ret_root[SESSION_ROOT_LEN])
{
	uint8_t dh[X25519_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	int r = ops->x25519(o->x25519, rk2->e, dh);

	if (r >= 0)
		r = ops->mlkem768_decaps(o->dk, rk2->kem, ss);
	if (r >= 0)
		epoch_ratchet(ops, root, SPAN(o->rk1 + 1, REKEY_RK1_LEN - 1), rk2->content, dh, ss,
			      ret_root);
	bytes_wipe(dh, sizeof(dh));
	bytes_wipe(ss, sizeof(ss));
	return r;
}

/* Both shared secrets and RK2. */
static int answer_exchange(const struct crypto_ops *ops, const struct entropy *entropy,
			   const struct rekey_message *rk1, uint32_t index,
			   uint8_t ret_rk2[REKEY_RK2_LEN], uint8_t ret_dh[X25519_LEN],
			   uint8_t ret_ss[MLKEM768_SS_LEN])
{
	uint8_t secret[X25519_LEN];
	uint8_t m[MLKEM768_SEED_LEN];
	uint8_t e[X25519_LEN];
	int r;

	entropy_fill(entropy, secret, sizeof(secret));
	entropy_fill(entropy, m, sizeof(m));
	r = ops->x25519_public(secret, e);
	if (r >= 0)
		r = ops->x25519(secret, rk1->e, ret_dh);
	if (r >= 0)
		r = ops->mlkem768_encaps(
			rk1->kem, m, encode_head(ret_rk2, REKEY_RK2, rk1->epoch, index, e), ret_ss);
	bytes_wipe(secret, sizeof(secret));
	bytes_wipe(m, sizeof(m));
	return r;
}

int rekey_answer_new(const struct crypto_ops *ops, const struct entropy *entropy,
		     const struct rekey_message *rk1, uint32_t index,
		     const uint8_t root[SESSION_ROOT_LEN], struct rekey_answer **ret)
{
	CLEANUP(rekey_answer_freep) struct rekey_answer *a = calloc(1, sizeof(*a));
	uint8_t dh[X25519_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	int r;

	if (!a)
		return -ENOMEM;
	r = answer_exchange(ops, entropy, rk1, index, a->rk2, dh, ss);
	if (r >= 0) {
		ops->sha256(&rk1->content, 1, a->rk1_hash);
		epoch_ratchet(ops, root, rk1->content, SPAN(a->rk2 + 1, REKEY_RK2_LEN - 1), dh, ss,
			      a->next_root);
	}
	bytes_wipe(dh, sizeof(dh));
	bytes_wipe(ss, sizeof(ss));
	if (r < 0)
		return r;
	*ret = TAKE(a);
	return 0;
}

void rekey_answer_free(struct rekey_answer *a)
{
	if (a)
		bytes_wipe(a, sizeof(*a));
	free(a);
}

bool rekey_answer_is_to(const struct crypto_ops *ops, const struct rekey_answer *a,
			const struct rekey_message *rk1)
{
	uint8_t hash[SHA256_LEN];

	ops->sha256(&rk1->content, 1, hash);
	return bytes_equal_ct(hash, a->rk1_hash, sizeof(hash));
}
