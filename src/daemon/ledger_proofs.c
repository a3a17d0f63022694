/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger has of an incident, each entry with the proof that it is there: read from its
 * files on the work queue, as an auditor would, beside what is being written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/daemon_internal.h"
#include "shell/ledger/ledger.h"
#include "shell/openssl/crypto_openssl.h"

#define ENTRIES_MAX 32 /* of one answer: a repair that is taken back has four */
/* Questions, each of which may read some megabytes: more would leave no thread of the work queue
 * (libuv has four, and two may be at handshakes) to what the ledger has to write meanwhile. */
#define AT_ONCE_MAX 2

struct question {
	struct daemon *daemon;
	const struct crypto_ops *ops;
	const struct note_crypto *crypto;
	uint64_t request, incident;
	char directory[CONFIG_TEXT_SIZE + 16];
	struct ledger_error error;
	json_t *answer; /* the job's */
	int result;
};

static void question_free(struct question *q)
{
	if (!q)
		return;
	json_decref(q->answer);
	free(q);
}

DEFINE_FREEP(struct question, question_free)
DEFINE_FREEP(struct ledger_view, ledger_view_close)

/* ---- on the work queue ---- */

static json_t *keys_json(const struct ledger_view_facts *f)
{
	json_t *list = json_array();
	char text[NOTE_KEY_TEXT_SIZE];

	for (size_t i = 0; i < N_ELEMENTS(f->keys); i++) {
		note_key_encode(&f->keys[i], text);
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

/* null where no checkpoint has it yet. */
static int proof_json(struct ledger_view *v, uint64_t index, uint8_t *room, json_t **ret)
{
	struct writer w = writer_of(room, LEDGER_PROOF_MAX);
	const struct ledger_view_facts *f = ledger_view_facts(v);
	char hex[2 * SHA256_LEN + 1];
	struct ledger_proof p;
	json_t *hashes;
	int r = ledger_view_prove(v, index, &p);

	if (r == -ERANGE) {
		*ret = json_null();
		return 0;
	}
	if (r < 0)
		return r;
	ledger_proof_write(&w, &p);
	if (w.overrun)
		return -ENOBUFS;
	hashes = json_array();
	for (size_t i = 0; i < p.n_hashes; i++) {
		bytes_to_hex(p.hashes[i].bytes, SHA256_LEN, hex);
		(void)json_array_append_new(hashes, json_string(hex));
	}
	bytes_to_hex(f->checkpoint.root.bytes, SHA256_LEN, hex);
	*ret = json_pack("{s:I, s:s, s:o, s:o}", "size", (json_int_t)f->checkpoint.size, "root",
			 hex, "hashes", hashes, "file", json_stringn((const char *)room, w.len));
	return *ret ? 0 : -ENOMEM;
}

static int entry_json(struct ledger_view *v, uint64_t index, uint8_t *room, json_t *list)
{
	json_t *proof = NULL;
	struct span bytes = { 0 };
	int r = proof_json(v, index, room, &proof);

	if (r == 0)
		r = ledger_view_entry(v, index, &bytes);
	if (r < 0) {
		json_decref(proof);
		return r;
	}
	/* its bytes as well: they are what is hashed */
	r = json_array_append_new(
		list, json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)index, "entry",
				json_loadb((const char *)bytes.at, bytes.len, 0, NULL), "text",
				json_stringn((const char *)bytes.at, bytes.len), "proof", proof));
	return r < 0 ? -ENOMEM : 0;
}

static int read_all(struct question *q, struct ledger_view *v)
{
	const struct ledger_view_facts *f = ledger_view_facts(v);
	CLEANUP_FREE uint8_t *room = malloc(LEDGER_PROOF_MAX);
	json_t *list = json_array();
	uint64_t at[ENTRIES_MAX];
	bool is_all = false;
	char id[17];
	size_t n = 0;
	int r = room && list ? 0 : -ENOMEM;

	if (r == 0)
		r = ledger_view_find(v, q->incident, at, ENTRIES_MAX, &n, &is_all);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = entry_json(v, at[i], room, list);
	if (r < 0) {
		json_decref(list);
		(void)snprintf(q->error.text, sizeof(q->error.text),
			       "the ledger cannot be read: %s; run: x0 ledger verify",
			       strerror(-r));
		return r;
	}
	node_id_text(q->incident, id);
	q->answer = json_pack("{s:s, s:I, s:I, s:b, s:o, s:o}", "incident", id, "size",
			      (json_int_t)f->size, "signed_size",
			      (json_int_t)(f->has_checkpoint ? f->checkpoint.size : 0),
			      "is_complete", is_all, "keys", keys_json(f), "entries", list);
	return q->answer ? 0 : -ENOMEM;
}

static void read_it(void *arg)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = NULL;
	struct question *q = arg;

	q->result = ledger_view_open(q->directory, q->ops, q->crypto, &v, &q->error);
	if (q->result == 0)
		q->result = read_all(q, v);
}

/* ---- on the loop ---- */

static void was_read(void *arg)
{
	CLEANUP(question_freep) struct question *q = arg;
	struct daemon *d = q->daemon;

	d->n_ledger_questions--;
	if (d->is_stopping)
		return;
	if (q->result < 0)
		(void)answer_error(d, q->request, q->result == -ENOENT ? "not_found" : "failed",
				   q->error.text[0] ? q->error.text : "out of memory");
	else
		(void)answer_result(d, q->request, TAKE(q->answer));
}

void ledger_proofs(struct daemon *d, uint64_t request, const json_t *args)
{
	CLEANUP(question_freep) struct question *q = calloc(1, sizeof(*q));
	int r = -ENOMEM;

	if (q && healing_parse_id(json_string_value(json_object_get(args, "incident")),
				  &q->incident) < 0) {
		(void)answer_error(d, request, "usage",
				   "an incident's id is up to 16 hexadecimal digits");
		return;
	}
	if (q && d->n_ledger_questions < AT_ONCE_MAX) {
		q->daemon = d;
		q->ops = d->ops;
		q->crypto = openssl_note_crypto();
		q->request = request;
		(void)snprintf(q->directory, sizeof(q->directory), "%s/ledger",
			       d->options->config->state_dir);
		r = loop_work(d->loop, read_it, was_read, q);
	} else if (q) {
		r = -ENOBUFS;
	}
	if (r < 0) {
		(void)answer_error(d, request, r == -ENOBUFS ? "busy" : "failed",
				   r == -ENOBUFS ? "the ledger is being read for others: ask again"
						 : "out of memory");
		return;
	}
	d->n_ledger_questions++;
	(void)TAKE(q);
}
