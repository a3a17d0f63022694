/* SPDX-License-Identifier: Apache-2.0 */
/* The Noise state machines of sections 5 and 9, one function a token. */
#include "noise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define TAG_LEN 16
#define X25519_LEN 32
#define X448_LEN 56

/* The interactive patterns of section 7.5. */
static const struct pattern {
	const char *name;
	bool init_static_known, resp_static_known;
	const char *tokens[NOISE_MESSAGES_MAX];
} patterns[] = {
	{ "NN", false, false, { "e", "e ee" } },
	{ "KN", true, false, { "e", "e ee se" } },
	{ "NK", false, true, { "e es", "e ee" } },
	{ "KK", true, true, { "e es ss", "e ee se" } },
	{ "NX", false, false, { "e", "e ee s es" } },
	{ "KX", true, false, { "e", "e ee se s es" } },
	{ "XN", false, false, { "e", "e ee", "s se" } },
	{ "IN", false, false, { "e s", "e ee se" } },
	{ "XK", false, true, { "e es", "e ee", "s se" } },
	{ "IK", false, true, { "e es s ss", "e ee se" } },
	{ "XX", false, false, { "e", "e ee s es", "s se" } },
	{ "IX", false, false, { "e s", "e ee se s es" } },
};

static const struct {
	const char *name, *openssl;
	size_t len;
} hashes[] = {
	{ "SHA256", "SHA256", 32 },
	{ "SHA512", "SHA512", 64 },
	{ "BLAKE2s", "BLAKE2S-256", 32 },
	{ "BLAKE2b", "BLAKE2B-512", 64 },
};

static const struct {
	const char *name, *openssl;
	bool nonce_is_big_endian;
} ciphers[] = {
	{ "ChaChaPoly", "ChaCha20-Poly1305", false },
	{ "AESGCM", "AES-256-GCM", true },
};

/* Replaces the tokens of a message; false where they become too many. */
static bool set_tokens(char to[NOISE_TOKENS_MAX], const char *before, const char *after)
{
	char joined[2 * NOISE_TOKENS_MAX];
	int n = snprintf(joined, sizeof(joined), "%s%s%s", before, *before && *after ? " " : "",
			 after);

	if (n >= NOISE_TOKENS_MAX)
		return false;
	memcpy(to, joined, (size_t)n + 1);
	return true;
}

/* Puts a token after the first one of a kind. */
static void insert_after(char tokens[NOISE_TOKENS_MAX], const char *after, const char *token)
{
	char old[NOISE_TOKENS_MAX];
	size_t len = 0;
	char *save = NULL;

	memcpy(old, tokens, sizeof(old));
	for (char *t = strtok_r(old, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		bool here = strcmp(t, after) == 0;

		len += (size_t)snprintf(tokens + len, NOISE_TOKENS_MAX - len, "%s%s%s%s",
					len ? " " : "", t, here ? " " : "", here ? token : "");
	}
}

/* Section 9: psk0 goes before the first message's tokens, pskN after message N's. */
static bool apply_psk(struct noise_protocol *p, unsigned place)
{
	unsigned i = place > 0 ? place - 1 : 0;
	bool fits =
		i < p->n_messages && (place == 0 ? set_tokens(p->tokens[i], "psk", p->tokens[i])
						 : set_tokens(p->tokens[i], p->tokens[i], "psk"));

	p->has_psk = true;
	return fits;
}

static void apply_hybrid(struct noise_protocol *p)
{
	bool is_kem = p->hybrid == NOISE_HYBRID_MLKEM768;

	insert_after(p->tokens[0], "e", is_kem ? "e1" : "f");
	insert_after(p->tokens[1], "ee", is_kem ? "ekem1" : "ff");
	if (!is_kem)
		insert_after(p->tokens[1], "e", "f");
}

/* Modifiers follow the pattern, joined by '+': "psk0+psk2", "hfs". */
static const char *apply_modifiers(struct noise_protocol *p, const char *pattern,
				   const char *modifiers)
{
	while (*modifiers) {
		size_t n = strcspn(modifiers, "+");

		if (n == 4 && strncmp(modifiers, "psk", 3) == 0 && modifiers[3] >= '0' &&
		    modifiers[3] <= '9') {
			if (!apply_psk(p, (unsigned)(modifiers[3] - '0')))
				return "a psk modifier beyond the last message";
		} else if (n == 3 && strncmp(modifiers, "hfs", 3) == 0) {
			if (p->hybrid == NOISE_PLAIN)
				return "hfs without a second key exchange";
			if (p->hybrid == NOISE_HYBRID_MLKEM768 && strcmp(pattern, "XX") != 0)
				return "hfs with ML-KEM is supported for the pattern XX only";
			apply_hybrid(p);
		} else {
			return "modifier other than psk0 to psk9 and hfs";
		}
		modifiers += n + (modifiers[n] == '+');
	}
	return NULL;
}

static const char *parse_pattern(struct noise_protocol *p, const char *field)
{
	char name[3] = { 0 };

	memcpy(name, field, strnlen(field, 2));
	for (size_t i = 0; i < N_ELEMENTS(patterns); i++) {
		if (strcmp(patterns[i].name, name) != 0)
			continue;
		p->init_static_known = patterns[i].init_static_known;
		p->resp_static_known = patterns[i].resp_static_known;
		for (; p->n_messages < NOISE_MESSAGES_MAX; p->n_messages++) {
			const char *tokens = patterns[i].tokens[p->n_messages];

			if (!tokens)
				break;
			(void)set_tokens(p->tokens[p->n_messages], tokens, "");
		}
		return apply_modifiers(p, name, field + 2);
	}
	return "pattern other than the interactive ones of section 7.5";
}

static const char *parse_dh(struct noise_protocol *p, const char *field)
{
	if (strcmp(field, "25519") == 0)
		p->hybrid = NOISE_PLAIN;
	else if (strcmp(field, "25519+448") == 0)
		p->hybrid = NOISE_HYBRID_X448;
	else if (strcmp(field, "25519+MLKEM768") == 0)
		p->hybrid = NOISE_HYBRID_MLKEM768;
	else
		return "DH other than 25519, 25519+448 and 25519+MLKEM768";
	return NULL;
}

static const char *parse_hash_and_cipher(struct noise_protocol *p, const char *cipher,
					 const char *hash)
{
	for (size_t i = 0; i < N_ELEMENTS(ciphers); i++) {
		if (strcmp(ciphers[i].name, cipher) == 0) {
			p->cipher = ciphers[i].openssl;
			p->nonce_is_big_endian = ciphers[i].nonce_is_big_endian;
		}
	}
	for (size_t i = 0; i < N_ELEMENTS(hashes); i++) {
		if (strcmp(hashes[i].name, hash) == 0) {
			p->hash = hashes[i].openssl;
			p->hash_len = hashes[i].len;
		}
	}
	if (!p->cipher)
		return "cipher other than ChaChaPoly and AESGCM";
	return p->hash ? NULL : "hash other than SHA256, SHA512, BLAKE2s and BLAKE2b";
}

int noise_protocol_parse(const char *name, struct noise_protocol *ret, const char **ret_why)
{
	struct noise_protocol p = { 0 };
	char copy[sizeof(p.name)];
	const char *fields[5] = { 0 };
	char *save = NULL;
	unsigned n = 0;

	*ret_why = "a protocol name without five parts";
	if (strlen(name) >= sizeof(copy))
		return -EINVAL;
	(void)snprintf(copy, sizeof(copy), "%s", name);
	(void)snprintf(p.name, sizeof(p.name), "%s", name);
	for (char *t = strtok_r(copy, "_", &save); t && n < 5; t = strtok_r(NULL, "_", &save))
		fields[n++] = t;
	if (n < 5 || strcmp(fields[0], "Noise") != 0)
		return -EINVAL;
	*ret_why = parse_dh(&p, fields[2]);
	if (!*ret_why)
		*ret_why = parse_hash_and_cipher(&p, fields[3], fields[4]);
	if (!*ret_why)
		*ret_why = parse_pattern(&p, fields[1]);
	if (*ret_why)
		return -EINVAL;
	*ret = p;
	return 0;
}

void noise_party_init(struct noise_party *p, const struct noise_protocol *protocol, bool initiator)
{
	*p = (struct noise_party){ .protocol = protocol, .initiator = initiator };
}

int noise_key_set(struct noise_key *key, const char *curve, struct span secret)
{
	if (secret.len != (strcmp(curve, "X448") == 0 ? X448_LEN : X25519_LEN))
		return -EINVAL;
	memcpy(key->secret, secret.at, secret.len);
	key->present = true;
	return evp_dh_public(curve, secret, key->public);
}

/* Section 4.3: HKDF with an empty info; n outputs of the hash's length. */
static int hkdf(const struct noise_party *p, struct span ikm, unsigned n, uint8_t ret[3][64])
{
	const char *hash = p->protocol->hash;
	size_t len = p->protocol->hash_len;
	uint8_t temp[EVP_HASH_MAX];
	int r = evp_hmac(hash, SPAN(p->ck, len), ikm, (struct span){ 0 }, temp);

	for (uint8_t i = 1; i <= n && r == 0; i++) {
		struct span before = i > 1 ? SPAN(ret[i - 2], len) : (struct span){ 0 };

		r = evp_hmac(hash, SPAN(temp, len), before, SPAN(&i, 1), ret[i - 1]);
	}
	return r;
}

static void cipher_init(struct noise_cipher *c, const uint8_t key[32])
{
	*c = (struct noise_cipher){ .has_key = true };
	memcpy(c->key, key, 32);
}

static int mix_hash(struct noise_party *p, struct span data)
{
	size_t len;

	return evp_hash(p->protocol->hash, SPAN(p->h, p->protocol->hash_len), data, p->h, &len);
}

static int mix_key(struct noise_party *p, struct span ikm)
{
	uint8_t out[3][64];
	int r = hkdf(p, ikm, 2, out);

	memcpy(p->ck, out[0], p->protocol->hash_len);
	cipher_init(&p->handshake, out[1]);
	return r;
}

static int mix_key_and_hash(struct noise_party *p, struct span ikm)
{
	uint8_t out[3][64];
	int r = hkdf(p, ikm, 3, out);

	memcpy(p->ck, out[0], p->protocol->hash_len);
	cipher_init(&p->handshake, out[2]);
	return r < 0 ? r : mix_hash(p, SPAN(out[1], p->protocol->hash_len));
}

static void make_nonce(const struct noise_protocol *protocol, uint64_t n, uint8_t ret[12])
{
	memset(ret, 0, 4);
	store_u64(ret + 4, protocol->nonce_is_big_endian ? n : __builtin_bswap64(n));
}

int noise_seal(const struct noise_protocol *protocol, struct noise_cipher *c, struct span aad,
	       struct span plain, uint8_t *ret)
{
	uint8_t nonce[12];

	make_nonce(protocol, c->n++, nonce);
	return evp_aead_seal(protocol->cipher, SPAN_OF(c->key), SPAN_OF(nonce), aad, plain, ret,
			     ret + plain.len, TAG_LEN);
}

int noise_open(const struct noise_protocol *protocol, struct noise_cipher *c, struct span aad,
	       struct span sealed, uint8_t *ret)
{
	uint8_t nonce[12];
	size_t len = sealed.len - TAG_LEN;

	if (sealed.len < TAG_LEN)
		return -EBADMSG;
	make_nonce(protocol, c->n++, nonce);
	return evp_aead_open(protocol->cipher, SPAN_OF(c->key), SPAN_OF(nonce), aad,
			     SPAN(sealed.at, len), SPAN(sealed.at + len, TAG_LEN), ret);
}

static int encrypt_and_hash(struct noise_party *p, struct span plain, struct writer *w)
{
	size_t len = plain.len + (p->handshake.has_key ? TAG_LEN : 0);
	uint8_t *to = write_room(w, len);
	int r = 0;

	if (!to)
		return -ENOBUFS;
	if (p->handshake.has_key)
		r = noise_seal(p->protocol, &p->handshake, SPAN(p->h, p->protocol->hash_len), plain,
			       to);
	else if (plain.len > 0)
		memcpy(to, plain.at, plain.len);
	return r < 0 ? r : mix_hash(p, SPAN(to, len));
}

/* ret has room for len bytes, the length of what was encrypted. */
static int decrypt_and_hash(struct noise_party *p, struct reader *from, size_t len, uint8_t *ret)
{
	struct span sealed = read_span(from, len + (p->handshake.has_key ? TAG_LEN : 0));
	int r = 0;

	if (from->overrun)
		return -EBADMSG;
	if (p->handshake.has_key)
		r = noise_open(p->protocol, &p->handshake, SPAN(p->h, p->protocol->hash_len),
			       sealed, ret);
	else if (len > 0)
		memcpy(ret, sealed.at, len);
	return r < 0 ? r : mix_hash(p, sealed);
}

int noise_party_start(struct noise_party *p, struct span prologue)
{
	const struct noise_protocol *protocol = p->protocol;
	size_t name_len = strlen(protocol->name);
	size_t len;
	int r = 0;

	/* 5.2: a name that fits is padded with zeros, a longer one hashed */
	if (name_len <= protocol->hash_len)
		memcpy(p->h, protocol->name, name_len);
	else
		r = evp_hash(protocol->hash, SPAN(protocol->name, name_len), (struct span){ 0 },
			     p->h, &len);
	memcpy(p->ck, p->h, sizeof(p->ck));
	if (r == 0)
		r = mix_hash(p, prologue);
	if (r == 0 && protocol->init_static_known)
		r = mix_hash(p, SPAN(p->initiator ? p->s.public : p->rs.public, X25519_LEN));
	if (r == 0 && protocol->resp_static_known)
		r = mix_hash(p, SPAN(p->initiator ? p->rs.public : p->s.public, X25519_LEN));
	return r;
}

static int mix_dh(struct noise_party *p, const char *curve, const struct noise_key *own,
		  const struct noise_key *other)
{
	size_t len = strcmp(curve, "X448") == 0 ? X448_LEN : X25519_LEN;
	uint8_t shared[EVP_DH_MAX];
	int r;

	if (!own->present || !other->present)
		return -EPROTO;
	r = evp_dh(curve, SPAN(own->secret, len), SPAN(other->public, len), shared);
	return r < 0 ? r : mix_key(p, SPAN(shared, len));
}

static int mix_psk(struct noise_party *p)
{
	if (p->psks_used == p->n_psks)
		return -EPROTO;
	return mix_key_and_hash(p, p->psks[p->psks_used++]);
}

/* Tokens that mean the same to both ends; -ENOENT for any other. The first letter of a DH
 * token is the initiator's key. */
static int mix_token(struct noise_party *p, const char *token)
{
	if (strcmp(token, "ee") == 0)
		return mix_dh(p, "X25519", &p->e, &p->re);
	if (strcmp(token, "es") == 0)
		return p->initiator ? mix_dh(p, "X25519", &p->e, &p->rs)
				    : mix_dh(p, "X25519", &p->s, &p->re);
	if (strcmp(token, "se") == 0)
		return p->initiator ? mix_dh(p, "X25519", &p->s, &p->re)
				    : mix_dh(p, "X25519", &p->e, &p->rs);
	if (strcmp(token, "ss") == 0)
		return mix_dh(p, "X25519", &p->s, &p->rs);
	if (strcmp(token, "ff") == 0)
		return mix_dh(p, "X448", &p->f, &p->rf);
	if (strcmp(token, "psk") == 0)
		return mix_psk(p);
	return -ENOENT;
}

/* e: in the clear; with a psk in the pattern it is mixed into the key too (9.2). */
static int mix_ephemeral(struct noise_party *p, const uint8_t public[X25519_LEN])
{
	int r = mix_hash(p, SPAN(public, X25519_LEN));

	return r < 0 || !p->protocol->has_psk ? r : mix_key(p, SPAN(public, X25519_LEN));
}

static int write_kem_ciphertext(struct noise_party *p, struct writer *w)
{
	size_t ct_len = mlkem_sizes[MLKEM_768].ct_len;
	uint8_t ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	int r = mlkem_encaps(MLKEM_768, p->kem_ek, p->kem_m, ct, ss);

	if (r == 0)
		r = encrypt_and_hash(p, SPAN(ct, ct_len), w);
	return r < 0 ? r : mix_key(p, SPAN_OF(ss));
}

static int read_kem_ciphertext(struct noise_party *p, struct reader *from)
{
	uint8_t ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	int r = decrypt_and_hash(p, from, mlkem_sizes[MLKEM_768].ct_len, ct);

	if (r < 0)
		return r;
	mlkem_decaps(MLKEM_768, p->kem_dk, ct, ss);
	return mix_key(p, SPAN_OF(ss));
}

static int write_token(struct noise_party *p, const char *token, struct writer *w)
{
	int r = mix_token(p, token);

	if (r != -ENOENT)
		return r;
	if (strcmp(token, "e") == 0) {
		write_bytes(w, p->e.public, X25519_LEN);
		return mix_ephemeral(p, p->e.public);
	}
	if (strcmp(token, "s") == 0)
		return encrypt_and_hash(p, SPAN(p->s.public, X25519_LEN), w);
	if (strcmp(token, "f") == 0)
		return encrypt_and_hash(p, SPAN(p->f.public, X448_LEN), w);
	if (strcmp(token, "ekem1") == 0)
		return write_kem_ciphertext(p, w);
	mlkem_keygen(MLKEM_768, p->kem_dz, p->kem_dz + 32, p->kem_ek, p->kem_dk); /* e1 */
	return encrypt_and_hash(p, SPAN(p->kem_ek, mlkem_sizes[MLKEM_768].ek_len), w);
}

static int read_token(struct noise_party *p, const char *token, struct reader *from)
{
	int r = mix_token(p, token);

	if (r != -ENOENT)
		return r;
	if (strcmp(token, "e") == 0) {
		read_copy(from, p->re.public, X25519_LEN);
		p->re.present = true;
		return from->overrun ? -EBADMSG : mix_ephemeral(p, p->re.public);
	}
	if (strcmp(token, "s") == 0) {
		p->rs.present = true;
		return decrypt_and_hash(p, from, X25519_LEN, p->rs.public);
	}
	if (strcmp(token, "f") == 0) {
		p->rf.present = true;
		return decrypt_and_hash(p, from, X448_LEN, p->rf.public);
	}
	if (strcmp(token, "ekem1") == 0)
		return read_kem_ciphertext(p, from);
	return decrypt_and_hash(p, from, mlkem_sizes[MLKEM_768].ek_len, p->kem_ek); /* e1 */
}

int noise_write(struct noise_party *p, unsigned index, struct span payload, uint8_t *ret,
		size_t *ret_len)
{
	struct writer w = writer_of(ret, NOISE_MESSAGE_MAX);
	char tokens[NOISE_TOKENS_MAX];
	char *save = NULL;
	int r = 0;

	memcpy(tokens, p->protocol->tokens[index], sizeof(tokens));
	for (char *t = strtok_r(tokens, " ", &save); t && r == 0; t = strtok_r(NULL, " ", &save))
		r = write_token(p, t, &w);
	if (r == 0)
		r = encrypt_and_hash(p, payload, &w);
	*ret_len = w.len;
	return r;
}

int noise_read(struct noise_party *p, unsigned index, struct span message, uint8_t *ret,
	       size_t *ret_len)
{
	struct reader from = reader_of(message);
	char tokens[NOISE_TOKENS_MAX];
	char *save = NULL;
	size_t tag_len;
	int r = 0;

	memcpy(tokens, p->protocol->tokens[index], sizeof(tokens));
	for (char *t = strtok_r(tokens, " ", &save); t && r == 0; t = strtok_r(NULL, " ", &save))
		r = read_token(p, t, &from);
	if (r < 0)
		return r;
	tag_len = p->handshake.has_key ? TAG_LEN : 0;
	if (from.left < tag_len)
		return -EBADMSG;
	*ret_len = from.left - tag_len;
	return decrypt_and_hash(p, &from, *ret_len, ret);
}

int noise_split(struct noise_party *p)
{
	uint8_t out[3][64];
	int r = hkdf(p, (struct span){ 0 }, 2, out);

	cipher_init(p->initiator ? &p->send : &p->receive, out[0]);
	cipher_init(p->initiator ? &p->receive : &p->send, out[1]);
	return r;
}
