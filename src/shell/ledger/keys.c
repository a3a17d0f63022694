/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the log's keys. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shell/ledger/internal.h"

#define KEY_FILE_MAX 8192

int keys_read(const struct crypto_ops *ops, const struct note_crypto *crypto, int directory,
	      struct ledger_keys *ret)
{
	CLEANUP(bytes_done) struct bytes b = { 0 };
	int r = file_read(directory, LEDGER_KEY, KEY_FILE_MAX, &b);

	if (r == 0)
		r = ledger_keys_decode(ops, crypto, SPAN(b.at, b.len), ret);
	if (b.at)
		bytes_wipe(b.at, b.size);
	return r;
}

int verifiers_read(const struct crypto_ops *ops, int directory, struct note_key ret[2])
{
	static const enum note_algorithm algorithms[] = { NOTE_ED25519, NOTE_COSIGN_MLDSA44 };
	CLEANUP(bytes_done) struct bytes b = { 0 };
	int r = file_read(directory, LEDGER_VERIFIERS, KEY_FILE_MAX, &b);
	const uint8_t *at = b.at;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		size_t left = b.len - (size_t)(at - b.at);
		const uint8_t *end = left > 0 ? memchr(at, '\n', left) : NULL;

		if (!end)
			return -EBADMSG;
		r = note_key_decode(ops, SPAN(at, (size_t)(end - at)), &ret[i]);
		if (r == 0 && ret[i].algorithm != algorithms[i])
			r = -EBADMSG;
		at = end + 1;
	}
	if (r == 0 && (at != b.at + b.len || strcmp(ret[0].name, ret[1].name) != 0))
		r = -EBADMSG;
	return r;
}

static int write_verifiers(const struct ledger_config *c, int directory,
			   const struct ledger_keys *keys)
{
	char text[2 * NOTE_KEY_TEXT_SIZE + 2], line[NOTE_KEY_TEXT_SIZE];
	struct note_key public[2];
	size_t len = 0;
	int r = ledger_keys_public(c->ops, c->crypto, keys, public);

	for (size_t i = 0; r == 0 && i < 2; i++) {
		note_key_encode(&public[i], line);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", line);
	}
	return r < 0 ? r
		     : file_replace(c->files, directory, LEDGER_VERIFIERS, 0644, SPAN(text, len));
}

static int make_keys(const struct ledger_config *c, int directory, struct ledger_keys *ret)
{
	uint8_t text[LEDGER_KEYS_TEXT_MAX];
	struct writer w = writer_of(text, sizeof(text));
	int r;

	if (!c->origin || !note_name_is_sound(SPAN(c->origin, strlen(c->origin))))
		return -EINVAL;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", c->origin);
	entropy_fill(c->entropy, ret->ed25519, sizeof(ret->ed25519));
	entropy_fill(c->entropy, ret->mldsa44, sizeof(ret->mldsa44));
	r = ledger_keys_encode(c->ops, c->crypto, ret, &w);
	if (r == 0)
		r = file_replace(c->files, directory, LEDGER_KEY, 0600, SPAN(text, w.len));
	bytes_wipe(text, sizeof(text));
	return r;
}

static bool is_private(int directory)
{
	struct stat status;

	return fstatat(directory, LEDGER_KEY, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	       (status.st_mode & 077) == 0;
}

/* The public half is in its place before anything is signed with the private one. */
int keys_open(const struct ledger_config *c, int directory, struct ledger_keys *ret,
	      struct ledger_error *ret_error)
{
	struct note_key public[2], expected[2];
	int r;

	if (!is_private(directory))
		return ledger_fail(
			ret_error, -EPERM,
			"others may read the file %s of the ledger; run: chmod 600 on it",
			LEDGER_KEY);
	r = keys_read(c->ops, c->crypto, directory, ret);
	/* New ones would take the place of the verifiers' keys, which old checkpoints need. */
	if (r == -ENOENT && faccessat(directory, LEDGER_VERIFIERS, F_OK, 0) == 0)
		return ledger_fail(ret_error, -EUCLEAN,
				   "the file %s of the ledger is missing beside %s; restore it, or "
				   "move the whole directory away to begin a new ledger",
				   LEDGER_KEY, LEDGER_VERIFIERS);
	if (r == -ENOENT) {
		r = make_keys(c, directory, ret);
		if (r < 0)
			return ledger_fail(ret_error, r, "cannot make the ledger's keys: %s",
					   strerror(-r));
		r = write_verifiers(c, directory, ret);
	} else if (r == 0 && faccessat(directory, LEDGER_VERIFIERS, F_OK, 0) < 0) {
		r = write_verifiers(c, directory, ret); /* a crash came between the two */
	}
	if (r == 0)
		r = verifiers_read(c->ops, directory, public);
	if (r == 0)
		r = ledger_keys_public(c->ops, c->crypto, ret, expected);
	if (r == 0 && (public[0].id != expected[0].id || public[1].id != expected[1].id))
		r = -EUCLEAN;
	return r < 0 ? ledger_fail(ret_error, r == -EBADMSG ? -EUCLEAN : r,
				   "the files %s and %s of the ledger cannot be read or do not "
				   "belong together: %s",
				   LEDGER_KEY, LEDGER_VERIFIERS, strerror(-r))
		     : 0;
}
