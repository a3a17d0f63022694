/* SPDX-License-Identifier: Apache-2.0 */
/* M1, M2 and M3: writing and reading, step by step as in docs/handshake.md. */
#include <errno.h>

#include "core/handshake/schedule.h"

#define NOISE_NAME "Noise_NNpsk0+hfs_25519+MLKEM768_ChaChaPoly_SHA256"
#define CONTEXT_RESPONDER SPAN_STR("x0 handshake 1 responder")
#define CONTEXT_INITIATOR SPAN_STR("x0 handshake 1 initiator")
#define CONTEXT_JOINER SPAN_STR("x0 handshake 1 joiner")

void params_encode(const struct params *p, uint8_t ret[PARAMS_LEN])
{
	struct writer w = writer_of(ret, PARAMS_LEN);

	write_u8(&w, p->version);
	write_u8(&w, p->suite);
	write_u8(&w, p->aead);
	write_u8(&w, p->lanes);
	write_u16(&w, p->flags);
	write_u16(&w, p->reserved);
	write_u64(&w, p->boot_epoch);
}

void params_decode(const uint8_t from[PARAMS_LEN], struct params *ret)
{
	struct reader r = reader_of(SPAN(from, PARAMS_LEN));

	ret->version = read_u8(&r);
	ret->suite = read_u8(&r);
	ret->aead = read_u8(&r);
	ret->lanes = read_u8(&r);
	ret->flags = read_u16(&r);
	ret->reserved = read_u16(&r);
	ret->boot_epoch = read_u64(&r);
}

size_t prologue_encode(bool is_mesh, uint64_t initiator, uint64_t responder,
		       uint32_t initiator_index, uint8_t ret[PROLOGUE_MAX])
{
	struct writer w = writer_of(ret, PROLOGUE_MAX);

	write_span(&w, SPAN_STR0("x0 handshake 1"));
	write_u8(&w, is_mesh);
	if (is_mesh) {
		write_u64(&w, initiator);
		write_u64(&w, responder);
	}
	write_u32(&w, initiator_index);
	return w.len;
}

/* ---- M1 ---- */

static void begin(const struct crypto_ops *ops, const struct network_keys *nk, struct span prologue,
		  struct exchange *x)
{
	*x = (struct exchange){ .s.n = 0 };
	symmetric_init(ops, &x->s, SPAN_STR(NOISE_NAME));
	mix_hash(ops, &x->s, prologue);
	mix_key_and_hash(ops, &x->s, SPAN_OF(nk->psk));
}

/* Token e; with a pre-shared key the public key goes into the chaining key too (section 9.2). */
static void mix_e(const struct crypto_ops *ops, struct symmetric *s, const uint8_t e[X25519_LEN])
{
	mix_hash(ops, s, SPAN(e, X25519_LEN));
	mix_key(ops, s, SPAN(e, X25519_LEN));
}

int m1_write(const struct crypto_ops *ops, const struct network_keys *nk, struct span prologue,
	     const struct m1_seeds *seeds, const struct params *params, struct exchange *x,
	     struct ephemeral *ret_ephemeral, uint8_t ret[M1_LEN])
{
	uint8_t *ek = ret + X25519_LEN;
	uint8_t *tail = ek + MLKEM768_EK_LEN + AEAD_TAG_LEN;
	int r;

	begin(ops, nk, prologue, x);
	r = ops->x25519_public(seeds->x, ret);
	if (r == 0)
		r = ops->mlkem768_keygen(seeds->d, seeds->z, ek, ret_ephemeral->dk);
	if (r < 0)
		return r;
	memcpy(ret_ephemeral->x, seeds->x, X25519_LEN);
	memcpy(x->e_initiator, ret, X25519_LEN);
	mix_e(ops, &x->s, x->e_initiator);
	r = encrypt_and_hash(ops, &x->s, SPAN(ek, MLKEM768_EK_LEN), ek);
	if (r < 0)
		return r;
	params_encode(params, tail);
	r = encrypt_and_hash(ops, &x->s, SPAN(tail, PARAMS_LEN), tail);
	return r < 0 ? r : 0;
}

int m1_read(const struct crypto_ops *ops, const struct network_keys *nk, struct span prologue,
	    struct span m1, struct exchange *x, uint8_t ret_ek[MLKEM768_EK_LEN], struct params *ret)
{
	uint8_t bytes[PARAMS_LEN];
	const uint8_t *ek = m1.at + X25519_LEN;
	const uint8_t *tail = ek + MLKEM768_EK_LEN + AEAD_TAG_LEN;
	int r;

	if (m1.len != M1_LEN)
		return -EBADMSG;
	begin(ops, nk, prologue, x);
	memcpy(x->e_initiator, m1.at, X25519_LEN);
	mix_e(ops, &x->s, x->e_initiator);
	r = decrypt_and_hash(ops, &x->s, SPAN(ek, MLKEM768_EK_LEN + AEAD_TAG_LEN), ret_ek);
	if (r < 0)
		return r;
	r = decrypt_and_hash(ops, &x->s, SPAN(tail, PARAMS_LEN + AEAD_TAG_LEN), bytes);
	if (r < 0)
		return r;
	params_decode(bytes, ret);
	return 0;
}

/* ---- the key exchange half of M2 ---- */

static void mix_index(const struct crypto_ops *ops, struct symmetric *s, uint32_t index)
{
	uint8_t bytes[4];

	store_u32(bytes, index);
	mix_hash(ops, s, SPAN_OF(bytes));
}

static void derive_confirmation(const struct crypto_ops *ops, struct exchange *x)
{
	uint8_t ms[SHA256_LEN];

	memcpy(x->hk, x->s.h, SHA256_LEN);
	hkdf_extract(ops, SPAN_OF(x->hk), SPAN_OF(x->s.ck), ms);
	hkdf_expand(ops, ms, SPAN_STR("x0 confirm responder"), x->kc_r, SHA256_LEN);
	hkdf_expand(ops, ms, SPAN_STR("x0 confirm initiator"), x->kc_i, SHA256_LEN);
	bytes_wipe(ms, sizeof(ms));
}

/* Token ee, which aborts for an all-zero result. */
static int mix_ee(const struct crypto_ops *ops, struct symmetric *s,
		  const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN])
{
	uint8_t shared[X25519_LEN];
	int r = ops->x25519(secret, peer, shared);

	if (r == 0)
		mix_key(ops, s, SPAN_OF(shared));
	bytes_wipe(shared, sizeof(shared));
	return r;
}

int m2_exchange_write(const struct crypto_ops *ops, struct exchange *x, uint32_t responder_index,
		      const uint8_t ek[MLKEM768_EK_LEN], const struct m2_seeds *seeds,
		      uint8_t ret[M2_EXCHANGE_LEN])
{
	uint8_t *ct = ret + X25519_LEN;
	uint8_t ss[MLKEM768_SS_LEN];
	int r;

	mix_index(ops, &x->s, responder_index);
	r = ops->x25519_public(seeds->x, ret);
	if (r < 0)
		return r;
	mix_e(ops, &x->s, ret);
	r = mix_ee(ops, &x->s, seeds->x, x->e_initiator);
	if (r == 0)
		r = ops->mlkem768_encaps(ek, seeds->m, ct, ss);
	if (r < 0)
		return r;
	r = encrypt_and_hash(ops, &x->s, SPAN(ct, MLKEM768_CT_LEN), ct);
	if (r > 0)
		mix_key(ops, &x->s, SPAN_OF(ss));
	bytes_wipe(ss, sizeof(ss));
	if (r < 0)
		return r;
	derive_confirmation(ops, x);
	return 0;
}

int m2_exchange_read(const struct crypto_ops *ops, struct exchange *x,
		     const struct ephemeral *ephemeral, uint32_t responder_index,
		     const uint8_t m2[M2_EXCHANGE_LEN])
{
	uint8_t ct[MLKEM768_CT_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	int r;

	mix_index(ops, &x->s, responder_index);
	mix_e(ops, &x->s, m2);
	r = mix_ee(ops, &x->s, ephemeral->x, m2);
	if (r < 0)
		return r;
	r = decrypt_and_hash(ops, &x->s, SPAN(m2 + X25519_LEN, MLKEM768_CT_LEN + AEAD_TAG_LEN), ct);
	if (r < 0)
		return r;
	r = ops->mlkem768_decaps(ephemeral->dk, ct, ss);
	if (r == 0)
		mix_key(ops, &x->s, SPAN_OF(ss));
	bytes_wipe(ss, sizeof(ss));
	if (r < 0)
		return r;
	derive_confirmation(ops, x);
	return 0;
}

/* ---- the authenticating payloads ---- */

int payload_decode(struct span plaintext, bool is_m2, struct payload *ret)
{
	struct reader r = reader_of(plaintext);
	struct payload p = { .params_bytes = read_bytes(&r, PARAMS_LEN) };

	if (is_m2)
		p.warm = read_bytes(&r, WARM_LEN);
	p.field = read_u16(&r);
	if (r.overrun)
		return -EBADMSG;
	if (is_m2 && p.field > CHAIN_FIELD_MAX)
		return -EPROTO;
	if (p.field == CHAIN_FIELD_IS_HASH) {
		p.bytes = read_span(&r, SHA256_LEN);
	} else if (p.field <= CHAIN_FIELD_MAX) {
		p.bytes = read_span(&r, p.field);
	} else if (p.field == CHAIN_FIELD_IS_JOIN) {
		p.bytes = read_span(&r, read_u16(&r));
		p.token_mac = read_bytes(&r, SHA256_LEN);
	} else {
		return -EBADMSG;
	}
	p.signature = read_bytes(&r, MLDSA65_SIG_LEN);
	p.confirmation = read_bytes(&r, SHA256_LEN);
	if (r.overrun || r.left > 0)
		return -EBADMSG;
	params_decode(p.params_bytes, &p.params);
	*ret = p;
	return 0;
}

static void transcript_r(const struct crypto_ops *ops, struct exchange *x, const uint8_t *params,
			 const uint8_t *warm, const uint8_t *hash)
{
	const struct span parts[] = { SPAN_STR0("x0 auth responder"), SPAN_OF(x->hk),
				      SPAN(params, PARAMS_LEN), SPAN(warm, WARM_LEN),
				      SPAN(hash, SHA256_LEN) };

	ops->sha256(parts, 5, x->t_r);
}

static void transcript_i(const struct crypto_ops *ops, struct exchange *x, const uint8_t *params,
			 const uint8_t *hash)
{
	const struct span parts[] = { SPAN_STR0("x0 auth initiator"),
				      SPAN_OF(x->h3),
				      SPAN_OF(x->t_r),
				      SPAN_OF(x->cf_r),
				      SPAN(params, PARAMS_LEN),
				      SPAN(hash, SHA256_LEN) };

	ops->sha256(parts, 6, x->t_i);
}

/* HMAC(key, T | H(signature) [| tokI]); token_mac is NULL for a member. */
static void confirm(const struct crypto_ops *ops, const uint8_t key[SHA256_LEN],
		    const uint8_t transcript[SHA256_LEN], const uint8_t *signature,
		    const uint8_t *token_mac, uint8_t ret[SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];
	const struct span sig = SPAN(signature, MLDSA65_SIG_LEN);
	const struct span parts[] = { SPAN(transcript, SHA256_LEN), SPAN_OF(hash),
				      SPAN(token_mac, token_mac ? SHA256_LEN : 0) };

	ops->sha256(&sig, 1, hash);
	ops->hmac_sha256(SPAN(key, SHA256_LEN), parts, 3, ret);
}

/* tokI = HMAC(jk, "x0 join request" \0 | T_I | H(sigI)) */
static void token_mac_make(const struct crypto_ops *ops, const uint8_t join_key[SHA256_LEN],
			   const uint8_t t_i[SHA256_LEN], const uint8_t *signature,
			   uint8_t ret[SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];
	const struct span sig = SPAN(signature, MLDSA65_SIG_LEN);
	const struct span parts[] = { SPAN_STR0("x0 join request"), SPAN(t_i, SHA256_LEN),
				      SPAN_OF(hash) };

	ops->sha256(&sig, 1, hash);
	ops->hmac_sha256(SPAN(join_key, SHA256_LEN), parts, 3, ret);
}

int m2_auth_write(const struct crypto_ops *ops, struct exchange *x, const struct params *params,
		  const uint8_t warm[WARM_LEN], const struct credential *credential,
		  const struct signing_key *key, const uint8_t rnd[MLDSA65_RND_LEN], uint8_t *ret,
		  size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);
	uint8_t *params_at = write_room(&w, PARAMS_LEN);
	uint8_t *signature;
	uint8_t *confirmation;
	int r;

	write_bytes(&w, warm, WARM_LEN);
	write_u16(&w, credential->field);
	write_span(&w, credential->bytes);
	signature = write_room(&w, MLDSA65_SIG_LEN);
	confirmation = write_room(&w, SHA256_LEN);
	if (w.overrun || w.size - w.len < AEAD_TAG_LEN)
		return -ENOBUFS;
	params_encode(params, params_at);
	transcript_r(ops, x, params_at, warm, credential->hash);
	r = ops->mldsa65_sign(key, SPAN_OF(x->t_r), CONTEXT_RESPONDER, rnd, signature);
	if (r < 0)
		return r;
	confirm(ops, x->kc_r, x->t_r, signature, NULL, x->cf_r);
	memcpy(confirmation, x->cf_r, SHA256_LEN);
	r = encrypt_and_hash(ops, &x->s, SPAN(ret, w.len), ret);
	memcpy(x->h3, x->s.h, SHA256_LEN);
	return r;
}

int auth_open(const struct crypto_ops *ops, struct exchange *x, struct span text, bool is_m2,
	      uint8_t *ret_plaintext, struct payload *ret)
{
	int len = decrypt_and_hash(ops, &x->s, text, ret_plaintext);

	if (len < 0)
		return len;
	if (is_m2)
		memcpy(x->h3, x->s.h, SHA256_LEN);
	return payload_decode(SPAN(ret_plaintext, (size_t)len), is_m2, ret);
}

int m2_auth_check(const struct crypto_ops *ops, struct exchange *x, const struct payload *p,
		  const uint8_t hash[SHA256_LEN], const uint8_t pk[MLDSA65_PK_LEN])
{
	transcript_r(ops, x, p->params_bytes, p->warm, hash);
	confirm(ops, x->kc_r, x->t_r, p->signature, NULL, x->cf_r);
	if (!bytes_equal_ct(x->cf_r, p->confirmation, SHA256_LEN))
		return -EKEYREJECTED;
	return ops->mldsa65_verify(pk, SPAN_OF(x->t_r), CONTEXT_RESPONDER, p->signature);
}

int m3_write(const struct crypto_ops *ops, struct exchange *x, const struct params *params,
	     const struct credential *credential, const struct signing_key *key,
	     const uint8_t rnd[MLDSA65_RND_LEN], uint8_t *ret, size_t ret_size)
{
	bool is_join = credential->field == CHAIN_FIELD_IS_JOIN;
	struct writer w = writer_of(ret, ret_size);
	uint8_t *params_at = write_room(&w, PARAMS_LEN);
	uint8_t *token_mac = NULL;
	uint8_t *signature;
	uint8_t *confirmation;
	int r;

	write_u16(&w, credential->field);
	if (is_join)
		write_u16(&w, (uint16_t)credential->bytes.len);
	write_span(&w, credential->bytes);
	if (is_join)
		token_mac = write_room(&w, SHA256_LEN);
	signature = write_room(&w, MLDSA65_SIG_LEN);
	confirmation = write_room(&w, SHA256_LEN);
	if (w.overrun || w.size - w.len < AEAD_TAG_LEN)
		return -ENOBUFS;
	params_encode(params, params_at);
	transcript_i(ops, x, params_at, credential->hash);
	r = ops->mldsa65_sign(key, SPAN_OF(x->t_i), is_join ? CONTEXT_JOINER : CONTEXT_INITIATOR,
			      rnd, signature);
	if (r < 0)
		return r;
	if (is_join)
		token_mac_make(ops, credential->join_key, x->t_i, signature, token_mac);
	confirm(ops, x->kc_i, x->t_i, signature, token_mac, x->cf_i);
	memcpy(confirmation, x->cf_i, SHA256_LEN);
	return encrypt_and_hash(ops, &x->s, SPAN(ret, w.len), ret);
}

int m3_auth_check(const struct crypto_ops *ops, struct exchange *x, const struct payload *p,
		  const uint8_t hash[SHA256_LEN], const uint8_t pk[MLDSA65_PK_LEN],
		  const uint8_t *join_key)
{
	uint8_t token_mac[SHA256_LEN];

	transcript_i(ops, x, p->params_bytes, hash);
	confirm(ops, x->kc_i, x->t_i, p->signature, p->token_mac, x->cf_i);
	if (!bytes_equal_ct(x->cf_i, p->confirmation, SHA256_LEN))
		return -EKEYREJECTED;
	if (!join_key)
		return ops->mldsa65_verify(pk, SPAN_OF(x->t_i), CONTEXT_INITIATOR, p->signature);
	token_mac_make(ops, join_key, x->t_i, p->signature, token_mac);
	if (!p->token_mac || !bytes_equal_ct(token_mac, p->token_mac, SHA256_LEN))
		return -EKEYREJECTED;
	return ops->mldsa65_verify(pk, SPAN_OF(x->t_i), CONTEXT_JOINER, p->signature);
}
