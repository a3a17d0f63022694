/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 key`: the passphrases of private keys on the disk, and of the authority's while it runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/prompt.h"
#include "daemon/member.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)

struct key_file {
	enum store_file file;
	enum key_kind kind;
};

#define PAIR 2

/* Whoever has one of a pair has both, and one passphrase opens both. */
static const struct key_pair {
	const char *holder;
	struct key_file files[PAIR];
} pairs[] = {
	{ "authority",
	  { { STORE_AUTHORITY_MLDSA_KEY, KEY_MLDSA65 }, { STORE_AUTHORITY_P256_KEY, KEY_P256 } } },
	{ "node", { { STORE_NODE_MLDSA_KEY, KEY_MLDSA65 }, { STORE_NODE_P256_KEY, KEY_P256 } } },
};

/* ---- show ---- */

static int open_to_look(struct cli *c, struct store **ret)
{
	CLEANUP(config_freep) struct config *config = NULL;
	struct store_error e;
	int r = cli_config_or_default(c, &config);

	if (r != 0)
		return r;
	r = access(config->state_dir, F_OK) < 0 ? -errno : 0;
	if (r < 0)
		(void)snprintf(e.text, sizeof(e.text), "cannot open %s: %s", config->state_dir,
			       strerror(-r));
	else
		r = store_open(config->state_dir, STORE_LOOK, ret, &e);
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s%s", e.text,
				geteuid() != 0 && setup_exit_of(r) == CLI_DENIED
					? "; as root: sudo x0 key"
					: "");
	return 0;
}

static int show_file(struct cli *c, const struct store *s, const struct key_pair *pair,
		     const struct key_file *f, json_t *list)
{
	struct store_value value = { 0 };
	struct store_error e;
	bool has_passphrase;
	int r = store_read(s, f->file, &value, &e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s", e.text);
	has_passphrase = signing_key_is_encrypted(store_value_span(&value));
	store_value_done(&value);
	cli_say(c, "%-22s %-10s %-12s %s", store_file_name(f->file), pair->holder,
		f->kind == KEY_MLDSA65 ? "ML-DSA-65" : "ECDSA P-256",
		has_passphrase ? "passphrase" : "no passphrase");
	(void)json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:b}", "file", store_file_name(f->file), "holder",
				pair->holder, "algorithm",
				f->kind == KEY_MLDSA65 ? "ML-DSA-65" : "ECDSA P-256",
				"has_passphrase", has_passphrase));
	return 0;
}

static int show(struct cli *c)
{
	CLEANUP(store_closep) struct store *s = NULL;
	json_t *list = json_array();
	int r = open_to_look(c, &s);

	for (size_t i = 0; r == 0 && i < N_ELEMENTS(pairs); i++)
		for (size_t k = 0; r == 0 && k < PAIR; k++)
			r = show_file(c, s, &pairs[i], &pairs[i].files[k], list);
	if (r == 0 && json_array_size(list) == 0)
		cli_say(c, "There are no private keys here yet.");
	if (r == 0)
		cli_json(c, list);
	else
		json_decref(list);
	return r;
}

/* ---- passphrase ---- */

struct change {
	struct store *store;
	const struct key_pair *pair;
	bool was_encrypted[PAIR];
	struct passphrase old;
	struct passphrase fresh; /* none: to be removed */
	struct signing_key *keys[PAIR];
};

static void change_done(struct change *ch)
{
	for (size_t i = 0; i < PAIR; i++)
		signing_key_free(ch->keys[i]);
	passphrase_done(&ch->old);
	passphrase_done(&ch->fresh);
	store_close(ch->store);
}

static int look_at_files(struct cli *c, struct change *ch)
{
	for (size_t i = 0; i < PAIR; i++) {
		struct store_value value = { 0 };
		struct store_error e;
		int r = store_read(ch->store, ch->pair->files[i].file, &value, &e);

		if (r == -ENOENT && ch->pair == &pairs[0])
			return cli_fail(c, CLI_FAILED, "not_authority",
					"this machine does not hold a domain's authority; for the "
					"node's own keys: x0 key passphrase --node");
		if (r < 0)
			return cli_fail(c, setup_exit_of(r), "state", "%s", e.text);
		ch->was_encrypted[i] = signing_key_is_encrypted(store_value_span(&value));
		store_value_done(&value);
	}
	return 0;
}

static int ask(struct cli *c, struct change *ch)
{
	bool is_removed = cli_given(c, "remove") > 0;
	int r = 0;

	if (ch->was_encrypted[0] || ch->was_encrypted[1])
		r = prompt_passphrase(c, "passphrase-file", "Passphrase: ", &ch->old);
	else if (is_removed)
		return cli_fail(c, CLI_FAILED, "passphrase", "these keys have no passphrase");
	if (r == 0 && !is_removed)
		r = prompt_new_passphrase(c, "new-passphrase-file", &ch->fresh);
	return r;
}

static struct span span_of(const struct passphrase *p)
{
	return SPAN(p->at, p->len);
}

/* With the new passphrase too: a change before, of which a crash left one half, is then mended
 * by making it again. */
static int open_keys(struct cli *c, struct change *ch)
{
	for (size_t i = 0; i < PAIR; i++) {
		const struct key_file *f = &ch->pair->files[i];
		struct store_error e;
		int r = member_open_key(ch->store, f->file, f->kind, span_of(&ch->old),
					&ch->keys[i], &e);

		if (r == -EKEYREJECTED && ch->fresh.len > 0 &&
		    member_open_key(ch->store, f->file, f->kind, span_of(&ch->fresh), &ch->keys[i],
				    &e) == 0)
			r = 0;
		if (r < 0)
			return cli_fail(c, CLI_FAILED, r == -EKEYREJECTED ? "passphrase" : "state",
					"%s; nothing was changed", e.text);
	}
	return 0;
}

/* One file after the other; where the second cannot be written the first is put back. */
static int write_keys(struct cli *c, struct change *ch)
{
	const struct key_file *f = ch->pair->files;
	struct store_error e;
	struct store_error ignored;
	int r = member_save_key(ch->store, f[0].file, ch->keys[0], span_of(&ch->fresh), &e);

	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s; nothing was changed", e.text);
	r = member_save_key(ch->store, f[1].file, ch->keys[1], span_of(&ch->fresh), &e);
	if (r == 0)
		return 0;
	if (member_save_key(ch->store, f[0].file, ch->keys[0],
			    ch->was_encrypted[0] ? span_of(&ch->old) : (struct span){ 0 },
			    &ignored) == 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s; nothing was changed", e.text);
	return cli_fail(c, setup_exit_of(r), "state",
			"%s; only %s was changed: when that is mended, do the same again", e.text,
			store_file_name(f[0].file));
}

static void say_changed(struct cli *c, const struct change *ch)
{
	bool is_authority = ch->pair == &pairs[0];

	if (ch->fresh.len == 0)
		cli_say(c, "The %s's keys have no passphrase any more.", ch->pair->holder);
	else if (is_authority)
		cli_say(c, "The authority's keys have this passphrase now. After each start the "
			   "authority is locked,\nand admits, renews and revokes nobody, until: x0 "
			   "key unlock");
	else
		cli_say(c,
			"The node's keys have this passphrase now. The daemon cannot start without "
			"it: put it into\na file that only root reads, and name that in the "
			"configuration: keys.passphrase_file");
	cli_json(c, json_pack("{s:s, s:b}", "holder", ch->pair->holder, "has_passphrase",
			      ch->fresh.len > 0));
}

static int passphrase(struct cli *c)
{
	struct change ch = { .pair = &pairs[cli_given(c, "node") ? 1 : 0] };
	CLEANUP(config_freep) struct config *config = NULL;
	int r = cli_config_load(c, &config);

	if (r == 0)
		r = setup_store(c, config, &ch.store);
	if (r == 0)
		r = look_at_files(c, &ch);
	if (r == 0)
		r = ask(c, &ch);
	if (r == 0)
		r = open_keys(c, &ch);
	if (r == 0)
		r = write_keys(c, &ch);
	if (r == 0)
		r = setup_hand_over(c, config);
	if (r == 0)
		say_changed(c, &ch);
	change_done(&ch);
	return r;
}

/* ---- unlock, lock ---- */

int key_unlock(struct cli *c, const struct passphrase *p, json_t **ret)
{
	json_t *text = json_stringn(p->at, p->len);

	if (!text) /* what is set here is UTF-8, see prompt_new_passphrase() */
		return cli_fail(c, CLI_FAILED, "passphrase",
				"this is not the passphrase: it is no text in UTF-8");
	return cli_call(c, "key.unlock", json_pack("{s:o}", "passphrase", text), ret);
}

static int unlock(struct cli *c)
{
	struct passphrase p = { 0 };
	json_t *answer = NULL;
	int r = prompt_passphrase(c, "passphrase-file", "Passphrase of the authority's keys: ", &p);

	if (r == 0)
		r = key_unlock(c, &p, &answer);
	passphrase_done(&p);
	if (r != 0)
		return r;
	cli_say(c, "The authority is unlocked until the daemon stops, or: x0 key lock");
	cli_json(c, answer);
	return 0;
}

static int lock(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "key.lock", NULL, &answer);

	if (r != 0)
		return r;
	cli_say(c, "The authority is locked: it admits, renews and revokes nobody.");
	cli_json(c, answer);
	return 0;
}

int verb_key(struct cli *c)
{
	const char *action = c->n_args > 0 ? c->args[0] : "show";

	if (strcmp(action, "show") == 0)
		return show(c);
	if (strcmp(action, "passphrase") == 0)
		return passphrase(c);
	if (strcmp(action, "unlock") == 0)
		return unlock(c);
	if (strcmp(action, "lock") == 0)
		return lock(c);
	return cli_usage(c, "show, passphrase, unlock or lock, not \"%s\"", action);
}
