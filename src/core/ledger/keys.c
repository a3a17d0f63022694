/* SPDX-License-Identifier: Apache-2.0 */
/* A log's private keys as text: "PRIVATE+KEY+name+id+base64 of algorithm and seed". */
#include <errno.h>

#include "core/ledger/checkpoint.h"
#include "core/ledger/text.h"

#define START "PRIVATE+KEY+"

static void write_line(struct writer *w, const struct note_key *public, const uint8_t *seed)
{
	uint8_t id[4], bytes[1 + ED25519_SEED_LEN];
	char hex[2 * sizeof(id) + 1];

	store_u32(id, public->id);
	bytes_to_hex(id, sizeof(id), hex);
	bytes[0] = (uint8_t) public->algorithm;
	memcpy(bytes + 1, seed, ED25519_SEED_LEN);
	text_write(w, START);
	text_write(w, public->name);
	text_write(w, "+");
	text_write(w, hex);
	text_write(w, "+");
	text_write_base64(w, SPAN_OF(bytes));
	text_write(w, "\n");
	bytes_wipe(bytes, sizeof(bytes));
}

int ledger_keys_encode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       const struct ledger_keys *keys, struct writer *w)
{
	struct note_key public[2];
	int r = ledger_keys_public(ops, crypto, keys, public);

	if (r < 0)
		return r;
	write_line(w, &public[0], keys -> ed25519);
	write_line(w, &public[1], keys -> mldsa44);
	return w->overrun ? -ENOBUFS : 0;
}

/* The name and the seed of one line; the rest is checked by writing it again. */
static bool read_line(struct reader *r, char name[NOTE_NAME_MAX + 1],
		      uint8_t seed[ED25519_SEED_LEN])
{
	uint8_t bytes[1 + ED25519_SEED_LEN];
	struct span line;
	struct reader in;
	const uint8_t *plus;
	size_t len = 0;
	bool is_ok = false;

	if (!text_read_line(r, &line))
		return false;
	in = reader_of(line);
	if (!text_skip(&in, START))
		return false;
	plus = in.left > 0 ? memchr(in.at, '+', in.left) : NULL;
	if (!plus || plus - in.at > NOTE_NAME_MAX)
		return false;
	len = (size_t)(plus - in.at);
	memset(name, 0, NOTE_NAME_MAX + 1);
	read_copy(&in, (uint8_t *)name, len);
	if (in.left > 10 &&
	    text_base64_decode(SPAN(in.at + 10, in.left - 10), bytes, sizeof(bytes), &len) == 0 &&
	    len == sizeof(bytes)) {
		memcpy(seed, bytes + 1, ED25519_SEED_LEN);
		is_ok = true;
	}
	bytes_wipe(bytes, sizeof(bytes));
	return is_ok;
}

int ledger_keys_decode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       struct span text, struct ledger_keys *ret)
{
	struct reader r = reader_of(text);
	uint8_t again[LEDGER_KEYS_TEXT_MAX];
	struct writer w = writer_of(again, sizeof(again));
	struct ledger_keys k;
	int error = -EBADMSG;

	if (read_line(&r, k.name, k.ed25519) && read_line(&r, k.name, k.mldsa44) && r.left == 0 &&
	    ledger_keys_encode(ops, crypto, &k, &w) == 0 && w.len == text.len &&
	    bytes_equal_ct(again, text.at, w.len)) {
		*ret = k;
		error = 0;
	}
	bytes_wipe(again, sizeof(again));
	bytes_wipe(&k, sizeof(k));
	return error;
}
