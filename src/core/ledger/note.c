/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes and their keys as text. */
#include <errno.h>

#include "core/ledger/note.h"
#include "core/ledger/text.h"

#define SIGNATURE_START "\xe2\x80\x94 " /* an em dash and a space */
#define TIME_LEN 8

static const struct algorithm {
	enum note_algorithm algorithm;
	size_t pk_len, sig_len;
	bool has_time;
} algorithms[] = {
	{ NOTE_ED25519, ED25519_PK_LEN, ED25519_SIG_LEN, false },
	{ NOTE_COSIGN_ED25519, ED25519_PK_LEN, ED25519_SIG_LEN, true },
	{ NOTE_COSIGN_MLDSA44, MLDSA44_PK_LEN, MLDSA44_SIG_LEN, true },
};

static const struct algorithm *find(enum note_algorithm a)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].algorithm == a)
			return &algorithms[i];
	return NULL;
}

size_t note_pk_len(enum note_algorithm a)
{
	const struct algorithm *row = find(a);

	return row ? row->pk_len : 0;
}

/* The spaces of Unicode beyond ASCII (White_Space), as their UTF-8. */
static bool is_wide_space(const uint8_t *s, size_t len)
{
	static const char *const spaces[] = { "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
					      "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
					      "\xe2\x81\x9f", "\xe3\x80\x80" };

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (len == strlen(spaces[i]) && memcmp(s, spaces[i], len) == 0)
			return true;
	return len == 3 && s[0] == 0xe2 && s[1] == 0x80 && s[2] <= 0x8a; /* U+2000 to U+200A */
}

bool note_name_is_sound(struct span name)
{
	size_t n;

	if (name.len == 0 || name.len > NOTE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i += n) {
		n = text_utf8_len(name.at + i, name.len - i);
		if (n == 0 || name.at[i] <= ' ' || name.at[i] == '+' || name.at[i] == 0x7f ||
		    is_wide_space(name.at + i, n))
			return false;
	}
	return true;
}

int note_key_init(const struct crypto_ops *ops, const char *name, enum note_algorithm a,
		  const uint8_t *pk, struct note_key *ret)
{
	uint8_t algorithm = (uint8_t)a, hash[SHA256_LEN];
	size_t len = strnlen(name, NOTE_NAME_MAX + 1);
	struct span parts[] = { SPAN(name, len), SPAN("\n", 1), SPAN(&algorithm, 1),
				SPAN(pk, note_pk_len(a)) };
	struct note_key k = { .algorithm = a };

	if (!note_name_is_sound(parts[0]) || !find(a))
		return -EINVAL;
	ops->sha256(parts, 4, hash);
	memcpy(k.name, name, len);
	memcpy(k.pk, pk, note_pk_len(a));
	k.id = load_u32(hash);
	*ret = k;
	return 0;
}

void note_key_encode(const struct note_key *k, char ret[NOTE_KEY_TEXT_SIZE])
{
	struct writer w = writer_of((uint8_t *)ret, NOTE_KEY_TEXT_SIZE);
	uint8_t id[4], bytes[1 + MLDSA44_PK_LEN];
	char hex[2 * sizeof(id) + 1];

	store_u32(id, k->id);
	bytes_to_hex(id, sizeof(id), hex);
	bytes[0] = (uint8_t)k->algorithm;
	memcpy(bytes + 1, k->pk, note_pk_len(k->algorithm));
	text_write(&w, k->name);
	text_write(&w, "+");
	text_write(&w, hex);
	text_write(&w, "+");
	text_write_base64(&w, SPAN(bytes, 1 + note_pk_len(k->algorithm)));
	write_u8(&w, 0);
}

int note_key_decode(const struct crypto_ops *ops, struct span text, struct note_key *ret)
{
	const uint8_t *plus = text.len > 0 ? memchr(text.at, '+', text.len) : NULL;
	char name[NOTE_NAME_MAX + 1] = { 0 }, again[NOTE_KEY_TEXT_SIZE];
	uint8_t bytes[1 + MLDSA44_PK_LEN];
	struct note_key k;
	size_t name_len = plus ? (size_t)(plus - text.at) : 0, len;

	if (!plus || name_len > NOTE_NAME_MAX || text.len < name_len + 10)
		return -EBADMSG;
	memcpy(name, text.at, name_len);
	if (text_base64_decode(SPAN(plus + 10, text.len - name_len - 10), bytes, sizeof(bytes),
			       &len) < 0 ||
	    len < 1 || len - 1 != note_pk_len((enum note_algorithm)bytes[0]) ||
	    note_key_init(ops, name, (enum note_algorithm)bytes[0], bytes + 1, &k) < 0)
		return -EBADMSG;
	note_key_encode(&k, again); /* has the right id, in lower case */
	if (strlen(again) != text.len || memcmp(again, text.at, text.len) != 0)
		return -EBADMSG;
	*ret = k;
	return 0;
}

/* UTF-8 without control characters but the newline. */
static bool is_note_text(struct span s)
{
	size_t n;

	for (size_t i = 0; i < s.len; i += n) {
		n = text_utf8_len(s.at + i, s.len - i);
		if (n == 0 || (s.at[i] < ' ' && s.at[i] != '\n'))
			return false;
	}
	return true;
}

/* Where the signatures begin: behind the last empty line. 0 for nowhere. */
static size_t find_signatures(struct span s)
{
	for (size_t i = s.len; i >= 2; i--)
		if (s.at[i - 1] == '\n' && s.at[i - 2] == '\n')
			return i;
	return 0;
}

static int read_signature(struct span line, struct note_signature *ret)
{
	struct reader r = reader_of(line);
	const uint8_t *space;
	uint8_t bytes[4 + NOTE_SIGNATURE_LEN_MAX];
	size_t len;

	if (!text_skip(&r, SIGNATURE_START))
		return -EBADMSG;
	space = r.left > 0 ? memchr(r.at, ' ', r.left) : NULL;
	if (!space)
		return -EBADMSG;
	ret->name = read_span(&r, (size_t)(space - r.at));
	(void)read_u8(&r);
	ret->base64 = SPAN(r.at, r.left);
	if (!note_name_is_sound(ret->name) ||
	    text_base64_decode(ret->base64, bytes, sizeof(bytes), &len) < 0 || len <= 4)
		return -EBADMSG;
	ret->id = load_u32(bytes);
	return 0;
}

int note_decode(struct span bytes, struct note *ret)
{
	size_t start = 0;
	struct note n = { .n_signatures = 0 };
	struct reader r;
	struct span line;

	if (bytes.len > NOTE_LEN_MAX)
		return -ENOBUFS;
	if (is_note_text(bytes))
		start = find_signatures(bytes);
	if (start < 2 || start == bytes.len)
		return -EBADMSG;
	n.text = SPAN(bytes.at, start - 1);
	r = reader_of(SPAN(bytes.at + start, bytes.len - start));
	while (text_read_line(&r, &line)) {
		if (n.n_signatures == NOTE_SIGNATURES_MAX)
			return -ENOBUFS;
		if (read_signature(line, &n.signatures[n.n_signatures++]) < 0)
			return -EBADMSG;
	}
	if (r.left > 0)
		return -EBADMSG; /* no newline at the end */
	*ret = n;
	return 0;
}

int note_signature_of(const struct note *n, const struct note_key *k, uint64_t *ret_unix_s,
		      uint8_t *ret_sig)
{
	const struct algorithm *a = find(k->algorithm);
	const struct note_signature *found = NULL;
	uint8_t bytes[4 + NOTE_SIGNATURE_LEN_MAX];
	size_t len, before = a->has_time ? 4 + TIME_LEN : 4;

	for (size_t i = 0; i < n->n_signatures; i++) {
		const struct note_signature *s = &n->signatures[i];

		if (s->id != k->id || s->name.len != strlen(k->name) ||
		    memcmp(s->name.at, k->name, s->name.len) != 0)
			continue;
		if (found)
			return -EPROTO;
		found = s;
	}
	if (!found)
		return -ENOENT;
	if (text_base64_decode(found->base64, bytes, sizeof(bytes), &len) < 0 ||
	    len != before + a->sig_len)
		return -EBADMSG;
	*ret_unix_s = a->has_time ? load_u64(bytes + 4) : 0;
	memcpy(ret_sig, bytes + before, a->sig_len);
	return 0;
}

void note_write_signature(struct writer *w, const struct note_key *k, uint64_t unix_s,
			  const uint8_t *sig)
{
	const struct algorithm *a = find(k->algorithm);
	uint8_t bytes[4 + TIME_LEN + MLDSA44_SIG_LEN];
	struct writer b = writer_of(bytes, sizeof(bytes));

	write_u32(&b, k->id);
	if (a->has_time)
		write_u64(&b, unix_s);
	write_bytes(&b, sig, a->sig_len);
	text_write(w, SIGNATURE_START);
	text_write(w, k->name);
	text_write(w, " ");
	text_write_base64(w, SPAN(bytes, b.len));
	text_write(w, "\n");
}
