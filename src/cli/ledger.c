/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 ledger`: reads the ledger's files, without a daemon, as an auditor would. */
#include "shell/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/ledger/witness.h"
#include "shell/openssl/crypto_openssl.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct ledger_view, ledger_view_close)

/* --directory, or that of the node. 0 or an exit status. */
static int find_directory(struct cli *c, char ret[CLI_PATH_SIZE])
{
	CLEANUP(config_freep) struct config *config = NULL;
	int r;

	if (cli_value(c, "directory")) {
		(void)snprintf(ret, CLI_PATH_SIZE, "%s", cli_value(c, "directory"));
		return 0;
	}
	r = cli_config_or_default(c, &config);
	if (r == 0)
		(void)snprintf(ret, CLI_PATH_SIZE, "%s/ledger", config->state_dir);
	return r;
}

static int exit_of(int r)
{
	return r == -EACCES || r == -EPERM ? CLI_DENIED : CLI_FAILED;
}

static int find_crypto(struct cli *c, const struct crypto_ops **ret)
{
	const char *why = "";

	*ret = openssl_crypto_ops(&why);
	return *ret ? 0 : cli_fail(c, CLI_FAILED, "crypto", "%s", why);
}

static int open_view(struct cli *c, struct ledger_view **ret)
{
	const struct crypto_ops *ops;
	struct ledger_error e = { "" };
	char directory[CLI_PATH_SIZE];
	int r = find_directory(c, directory);

	if (r == 0)
		r = find_crypto(c, &ops);
	if (r != 0)
		return r;
	r = ledger_view_open(directory, ops, openssl_note_crypto(), ret, &e);
	return r < 0 ? cli_fail(c, exit_of(r), "ledger", "%s", e.text) : 0;
}

/* 0 or an exit status. */
static int read_number(struct cli *c, const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
		return cli_usage(c, "\"%s\" is no number of an entry", text);
	return 0;
}

static void say_time(uint64_t unix_s, char ret[32])
{
	time_t at = (time_t)unix_s;
	struct tm tm;

	ret[0] = '\0';
	if (gmtime_r(&at, &tm))
		(void)strftime(ret, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

/* ---- witnesses ---- */

/* The directory's own ones; *ret is the caller's to free. How many, or negative. */
static int list_witnesses(const char *directory, const struct crypto_ops *ops,
			  const struct note_key keys[2], struct witness_fact **ret)
{
	const struct witness_files f = { directory, ops, openssl_note_crypto(), NULL };

	*ret = calloc(COSIGN_PEERS_MAX, sizeof(**ret));
	return *ret ? witness_list(&f, keys, *ret, COSIGN_PEERS_MAX) : -ENOMEM;
}

static json_t *fact_json(const struct witness_fact *f)
{
	char id[17], at[32];

	(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)f->id);
	if (f->error < 0)
		return json_pack("{s:s, s:b, s:s}", "id", id, "is_valid", 0, "why",
				 strerror(-f->error));
	say_time(f->unix_s, at);
	at[10] = 'T';
	(void)snprintf(at + 19, sizeof(at) - 19, "Z");
	return json_pack("{s:s, s:b, s:s, s:I, s:s}", "id", id, "is_valid", 1, "witness", f->name,
			 "size", (json_int_t)f->of.size, "at", at);
}

static void say_witnesses(struct cli *c, const struct witness_fact *facts, int n)
{
	for (int i = 0; i < n; i++) {
		char at[32];

		say_time(facts[i].unix_s, at);
		if (facts[i].error < 0)
			cli_say(c, "witnesses/%016llx does not verify: %s",
				(unsigned long long)facts[i].id, strerror(-facts[i].error));
		else
			cli_say(c, "The first %llu entries: cosigned by %s, %s",
				(unsigned long long)facts[i].of.size, facts[i].name, at);
	}
}

static json_t *facts_json(const struct witness_fact *facts, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		(void)json_array_append_new(list, fact_json(&facts[i]));
	return list;
}

/* How many have cosigned the latest checkpoint, in one line. */
static void say_how_many(struct cli *c, uint64_t size, const struct witness_fact *facts, int n)
{
	int n_current = 0;

	for (int i = 0; i < n; i++)
		n_current += facts[i].error == 0 && facts[i].of.size == size;
	cli_say(c, "Witnesses of the first %llu entries: %d; of earlier states: %d.",
		(unsigned long long)size, n_current, n - n_current);
}

static int witnesses(struct cli *c)
{
	CLEANUP_FREE struct witness_fact *facts = NULL;
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	const struct crypto_ops *ops;
	char directory[CLI_PATH_SIZE];
	int n, r = open_view(c, &v);

	if (r == 0)
		r = find_directory(c, directory);
	if (r == 0)
		r = find_crypto(c, &ops);
	if (r != 0)
		return r;
	n = list_witnesses(directory, ops, ledger_view_facts(v)->keys, &facts);
	if (n < 0)
		return cli_fail(c, exit_of(n), "ledger", "cannot read what witnesses signed: %s",
				strerror(-n));
	if (n == 0)
		cli_say(c, "No neighbour has cosigned a checkpoint of this ledger.");
	say_witnesses(c, facts, n);
	cli_json(c, facts_json(facts, n));
	return 0;
}

/* ---- show ---- */

static void say_entry(struct cli *c, uint64_t index, const struct ledger_entry *e)
{
	time_t unix_s = (time_t)(e->unix_ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&unix_s, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	cli_say(c, "%6llu  %s  %-6s  %s  %s%s%s%s%s%s%s", (unsigned long long)index, when,
		ledger_kind_name(e->kind), e->who, e->what, e->where ? " at " : "",
		e->where ? e->where : "", e->why ? ": " : "", e->why ? e->why : "",
		e->result ? " -> " : "", e->result ? e->result : "");
}

/* What an entry says may come from anywhere: a terminal is not to obey it, and a line stays one.
 * Control characters of ASCII, and those of Unicode (U+0080 to U+009F) in UTF-8. */
static void make_printable(struct ledger_entry_texts *t)
{
	for (size_t i = 0; i < sizeof(t->bytes); i++) {
		uint8_t c = (uint8_t)t->bytes[i];
		uint8_t next = i + 1 < sizeof(t->bytes) ? (uint8_t)t->bytes[i + 1] : 0;

		if ((c > 0 && c < ' ') || c == 0x7f)
			t->bytes[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			t->bytes[i] = t->bytes[i + 1] = '?';
	}
}

static int show_entry(struct cli *c, uint64_t index, struct span bytes, json_t *list)
{
	struct ledger_entry_texts texts = { .bytes = { 0 } };
	struct ledger_entry e;

	if (ledger_entry_decode(bytes, &texts, &e) < 0)
		return cli_fail(c, CLI_FAILED, "ledger",
				"entry %llu cannot be read; run: x0 ledger verify",
				(unsigned long long)index);
	make_printable(&texts);
	if (c->is_json)
		(void)json_array_append_new(
			list, json_pack("{s:I, s:o}", "index", (json_int_t)index, "entry",
					json_loadb((const char *)bytes.at, bytes.len, 0, NULL)));
	else
		say_entry(c, index, &e);
	return 0;
}

/* Below the entries, where there are witnesses. */
static void say_cosigned(struct cli *c, const struct ledger_view_facts *f)
{
	CLEANUP_FREE struct witness_fact *facts = NULL;
	const struct crypto_ops *ops;
	char directory[CLI_PATH_SIZE];
	int n;

	if (!f->has_checkpoint || find_directory(c, directory) != 0 || find_crypto(c, &ops) != 0)
		return;
	n = list_witnesses(directory, ops, f->keys, &facts);
	if (n > 0)
		say_how_many(c, f->checkpoint.size, facts, n);
}

static int show(struct cli *c)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	const char *since = cli_value(c, "since");
	json_t *list;
	uint64_t from = 0, size;
	int r = since ? read_number(c, since, &from) : 0;

	if (r == 0)
		r = open_view(c, &v);
	if (r != 0)
		return r;
	list = json_array();
	size = ledger_view_facts(v)->size;
	for (uint64_t i = from; r == 0 && i < size; i++) {
		struct span bytes;

		if (ledger_view_entry(v, i, &bytes) < 0)
			r = cli_fail(c, CLI_FAILED, "ledger",
				     "entry %llu cannot be read; run: x0 ledger verify",
				     (unsigned long long)i);
		else
			r = show_entry(c, i, bytes, list);
	}
	if (r == 0 && size <= from)
		cli_say(c, "No entries.");
	if (r == 0 && !c->is_json)
		say_cosigned(c, ledger_view_facts(v));
	if (r == 0)
		cli_json(c, list);
	else
		json_decref(list);
	return r;
}

/* ---- prove ---- */

static json_t *text_json(struct span s)
{
	return json_stringn((const char *)s.at, s.len);
}

static json_t *proof_json(const struct ledger_proof *p, const struct ledger_view_facts *f)
{
	json_t *hashes = json_array();
	char hex[2 * SHA256_LEN + 1];

	for (size_t i = 0; i < p->n_hashes; i++) {
		bytes_to_hex(p->hashes[i].bytes, SHA256_LEN, hex);
		(void)json_array_append_new(hashes, json_string(hex));
	}
	bytes_to_hex(f->checkpoint.root.bytes, SHA256_LEN, hex);
	return json_pack("{s:s, s:I, s:I, s:s, s:o, s:o, s:o}", "origin", f->checkpoint.origin,
			 "index", (json_int_t)p->index, "size", (json_int_t)f->checkpoint.size,
			 "root", hex, "proof", hashes, "entry", text_json(p->entry), "checkpoint",
			 text_json(p->checkpoint));
}

static int write_proof(struct cli *c, const struct ledger_proof *p)
{
	uint8_t *room = malloc(LEDGER_PROOF_MAX);
	struct writer w = writer_of(room, room ? LEDGER_PROOF_MAX : 0);

	ledger_proof_write(&w, p);
	if (!w.overrun)
		(void)fwrite(room, 1, w.len, c->out);
	free(room);
	return w.overrun ? cli_fail(c, CLI_FAILED, "ledger", "out of memory") : 0;
}

static int prove(struct cli *c)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	const struct ledger_view_facts *f;
	struct ledger_proof p;
	uint64_t index = 0;
	int r = c->n_args == 2 ? read_number(c, c->args[1], &index)
			       : cli_usage(c, "which entry: x0 ledger prove N");

	if (r == 0)
		r = open_view(c, &v);
	if (r != 0)
		return r;
	f = ledger_view_facts(v);
	r = ledger_view_prove(v, index, &p);
	if (r == -ERANGE)
		return cli_fail(c, CLI_FAILED, "not_signed",
				"no checkpoint has entry %llu: the latest has %llu entries, the "
				"ledger %llu",
				(unsigned long long)index,
				(unsigned long long)(f->has_checkpoint ? f->checkpoint.size : 0),
				(unsigned long long)f->size);
	if (r < 0)
		return cli_fail(c, exit_of(r), "ledger", "%s; run: x0 ledger verify", strerror(-r));
	if (!c->is_json)
		return write_proof(c, &p);
	cli_json(c, proof_json(&p, f));
	return 0;
}

/* ---- verify, checkpoint, keys ---- */

struct findings {
	struct cli *cli;
	json_t *list;
};

static void on_found(void *user, const char *text)
{
	struct findings *f = user;

	cli_say(f->cli, "%s", text);
	(void)json_array_append_new(f->list, json_string(text));
}

/* Said too; what does not verify is among the findings. */
static json_t *verified_witnesses(struct cli *c, const char *directory,
				  const struct crypto_ops *ops)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	CLEANUP_FREE struct witness_fact *facts = NULL;
	const struct ledger_view_facts *f;
	struct ledger_error e;
	int n;

	if (ledger_view_open_signed(directory, ops, openssl_note_crypto(), &v, &e) < 0)
		return json_array();
	f = ledger_view_facts(v);
	n = list_witnesses(directory, ops, f->keys, &facts);
	if (n > 0)
		say_how_many(c, f->checkpoint.size, facts, n);
	say_witnesses(c, facts, n);
	return facts_json(facts, n);
}

static int verify(struct cli *c)
{
	struct findings f = { .cli = c };
	const struct crypto_ops *ops;
	struct ledger_error e = { "" };
	char directory[CLI_PATH_SIZE];
	int r = find_directory(c, directory);

	if (r == 0)
		r = find_crypto(c, &ops);
	if (r != 0)
		return r;
	f.list = json_array();
	r = ledger_verify(directory, ops, openssl_note_crypto(), on_found, &f, &e);
	if (r < 0) {
		json_decref(f.list);
		return cli_fail(c, exit_of(r), "ledger", "%s", e.text);
	}
	if (r == 0)
		cli_say(c, "Each entry, hash and signature is as it was written.");
	cli_json(c, json_pack("{s:b, s:o, s:o}", "is_intact", r == 0, "findings", f.list,
			      "witnesses", verified_witnesses(c, directory, ops)));
	return r == 0 ? CLI_DONE : CLI_FAILED;
}

static int checkpoint(struct cli *c)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	const struct ledger_view_facts *f;
	char hex[2 * SHA256_LEN + 1];
	int r = open_view(c, &v);

	if (r != 0)
		return r;
	f = ledger_view_facts(v);
	if (!f->has_checkpoint)
		return cli_fail(c, CLI_FAILED, "not_signed", "there is no checkpoint yet");
	if (!c->is_json)
		(void)fwrite(f->note.at, 1, f->note.len, c->out);
	bytes_to_hex(f->checkpoint.root.bytes, SHA256_LEN, hex);
	cli_json(c, json_pack("{s:s, s:I, s:s, s:o}", "origin", f->checkpoint.origin, "size",
			      (json_int_t)f->checkpoint.size, "root", hex, "checkpoint",
			      text_json(f->note)));
	return 0;
}

static int keys(struct cli *c)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	json_t *list;
	int r = open_view(c, &v);

	if (r != 0)
		return r;
	list = json_array();
	for (size_t i = 0; i < 2; i++) {
		char text[NOTE_KEY_TEXT_SIZE];

		note_key_encode(&ledger_view_facts(v)->keys[i], text);
		if (!c->is_json) /* longer than a line for people may be */
			(void)fprintf(c->out, "%s\n", text);
		(void)json_array_append_new(list, json_string(text));
	}
	cli_json(c, list);
	return 0;
}

int verb_ledger(struct cli *c)
{
	static const struct {
		const char *name;
		int (*run)(struct cli *c);
	} actions[] = {
		{ "show", show },     { "prove", prove },
		{ "verify", verify }, { "checkpoint", checkpoint },
		{ "keys", keys },     { "witnesses", witnesses },
	};
	const char *action = c->n_args > 0 ? c->args[0] : "show";

	if (c->n_args == 2 && strcmp(action, "prove") != 0)
		return cli_usage(c, "\"%s\" takes no argument", action);
	for (size_t i = 0; i < N_ELEMENTS(actions); i++)
		if (strcmp(action, actions[i].name) == 0)
			return actions[i].run(c);
	return cli_usage(c,
			 "\"%s\" is none of show, prove, verify, checkpoint, keys, "
			 "witnesses",
			 action);
}
