/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours that witness each other's ledgers (docs/ledger.md): messages in and out, and what they
 * ask of the disk and of the processor, on the work queue, one job at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/healing.h"
#include "shell/ledger/witness.h"

#define INBOX_MAX 16 /* messages that wait for the job before; more are left out and counted */
#define OFFERS_MAX 8 /* made by one job */
#define SCHEME "spiffe://"

struct message {
	uint64_t to;
	size_t len;
	uint8_t bytes[COSIGN_MESSAGE_MAX];
};

struct letter {
	uint64_t from;
	char origin[SPIFFE_ID_SIZE];
	uint8_t *bytes;
	size_t len;
};

enum work {
	WORK_LOAD, /* what was kept before the start */
	WORK_LETTER,
	WORK_OFFERS,
};

/* All that a job touches, and nothing that the loop does meanwhile. */
struct job {
	enum work what;
	int result;
	uint64_t unix_s;
	struct letter letter;
	struct cosign_message m; /* of it, decoded on the loop: without what is borrowed, after */
	struct cosign_answer answer;
	struct message seen; /* to tell another of; len 0: nothing */
	uint64_t signed_unix_s;
	struct cosign_peer peers[OFFERS_MAX];
	struct message offers[OFFERS_MAX];
	size_t n_offers;
	struct witness_fact facts[COSIGN_PEERS_MAX];
	int n_facts;
	struct witness_accused accused[COSIGN_LOGS_MAX];
	size_t n_accused;
	uint64_t logs[COSIGN_LOGS_MAX];
};

struct witnessing {
	struct daemon *daemon;
	char directory[CONFIG_TEXT_SIZE + 16];
	struct witness_files files;
	struct cosign_desk desk;
	struct letter inbox[INBOX_MAX];
	size_t n_inbox;
	struct witness_accused accused[COSIGN_LOGS_MAX];
	size_t n_accused;
	bool is_loaded, is_out;
	struct job job;
};

static uint64_t id_of(const struct crypto_ops *ops, const char *origin)
{
	char spiffe_id[sizeof(SCHEME) + NOTE_NAME_MAX];

	(void)snprintf(spiffe_id, sizeof(spiffe_id), SCHEME "%s", origin);
	return node_id_of(ops, spiffe_id);
}

/* ---- on the work queue ---- */

static int load_log(void *user, const char *origin, struct cosign_log *ret)
{
	const struct witnessing *w = user;

	return witness_log_load(&w->files, id_of(w->files.ops, origin), ret);
}

static int keep_log(void *user, const char *origin, const struct cosign_log *l, unsigned parts)
{
	const struct witnessing *w = user;

	return witness_log_keep(&w->files, id_of(w->files.ops, origin), l, parts);
}

static void add_accused(struct witness_accused *list, size_t *n, const struct witness_accused *a)
{
	for (size_t i = 0; i < *n; i++)
		if (list[i].id == a->id) {
			list[i] = *a;
			return;
		}
	if (*n < COSIGN_LOGS_MAX)
		list[(*n)++] = *a;
}

static void load_accused(struct witnessing *w, uint64_t id, struct cosign_log *l)
{
	struct witness_accused a = { .id = id };

	memset(l, 0, sizeof(*l));
	if (witness_log_load(&w->files, id, l) < 0 || !l->of.is_suspect)
		return;
	(void)snprintf(a.name, sizeof(a.name), "%s", l->of.keys[0].name);
	a.is_split = l->of.is_split;
	add_accused(w->job.accused, &w->job.n_accused, &a);
}

static void load(struct witnessing *w)
{
	CLEANUP_FREE struct cosign_log *l = calloc(1, sizeof(*l));
	struct ledger_view *v = NULL;
	struct ledger_error error;
	struct job *j = &w->job;
	int n;

	j->n_facts = 0;
	j->n_accused = 0;
	j->result = l ? 0 : -ENOMEM;
	n = l ? witness_logs(&w->files, j->logs, N_ELEMENTS(j->logs)) : 0;
	for (int i = 0; i < n && i < COSIGN_LOGS_MAX; i++)
		load_accused(w, j->logs[i], l);
	if (ledger_view_open_signed(w->directory, w->files.ops, w->files.crypto, &v, &error) < 0)
		return; /* nothing is signed yet, or x0 ledger verify will say it */
	n = witness_list(&w->files, ledger_view_facts(v)->keys, j->facts, COSIGN_PEERS_MAX);
	j->n_facts = n > 0 ? n : 0;
	ledger_view_close(v);
}

static void write_seen(struct witnessing *w)
{
	CLEANUP_FREE struct cosign_log *l = calloc(1, sizeof(*l));
	struct message *m = &w->job.seen;
	struct writer to = writer_of(m->bytes, sizeof(m->bytes));

	if (!l || load_log(w, w->job.answer.about, l) < 0 || !l->of.has_latest)
		return;
	cosign_write_seen(&to, l);
	m->len = to.overrun ? 0 : to.len;
}

static void judge(struct witnessing *w)
{
	const struct cosign_store store = { load_log, keep_log, w };
	struct ledger_keys keys;
	const struct cosign_signer me = { w->files.ops, w->files.crypto, &kernel_entropy, &keys };
	struct job *j = &w->job;

	memset(&j->answer, 0, sizeof(j->answer)); /* of the message before */
	j->result = witness_keys(&w->files, &keys);
	if (j->result == 0)
		j->result =
			cosign_answer(&me, &store, j->letter.origin, &j->m, j->unix_s, &j->answer);
	bytes_wipe(&keys, sizeof(keys));
	if (j->result == 0 && j->answer.is_newer)
		write_seen(w);
}

static void take(struct witnessing *w)
{
	uint8_t record[COSIGN_RECORD_MAX];
	struct writer to = writer_of(record, sizeof(record));
	struct job *j = &w->job;
	const struct ledger_view_facts *f;
	struct ledger_view *v = NULL;
	struct ledger_error error;

	j->result =
		ledger_view_open_signed(w->directory, w->files.ops, w->files.crypto, &v, &error);
	if (j->result < 0)
		return;
	f = ledger_view_facts(v);
	j->result = cosign_take(w->files.ops, w->files.crypto, f->keys, f->note, j->letter.origin,
				&j->m, &j->signed_unix_s, &to);
	if (j->result == 0)
		j->result = witness_put(&w->files, j->letter.from, SPAN(record, to.len));
	ledger_view_close(v);
}

static void make_offer(struct ledger_view *v, const struct cosign_peer *p, struct message *ret)
{
	const struct ledger_view_facts *f = ledger_view_facts(v);
	struct writer to = writer_of(ret->bytes, sizeof(ret->bytes));
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n = 0;

	ret->len = 0;
	if (!f->has_checkpoint)
		return;
	if (p->from_size > 0 && p->from_size < f->checkpoint.size &&
	    ledger_view_consistency(v, p->from_size, f->checkpoint.size, proof, &n) < 0)
		return; /* x0 ledger verify says what is wrong */
	cosign_write_offer(&to, f->keys, f->note, p->from_size, proof, n);
	ret->to = p->id;
	ret->len = to.overrun ? 0 : to.len;
}

static void make_offers(struct witnessing *w)
{
	struct ledger_view *v = NULL;
	struct ledger_error error;
	struct job *j = &w->job;

	j->result =
		ledger_view_open_signed(w->directory, w->files.ops, w->files.crypto, &v, &error);
	for (size_t i = 0; j->result == 0 && i < j->n_offers; i++)
		make_offer(v, &j->peers[i], &j->offers[i]);
	ledger_view_close(v);
}

static void do_work(void *arg)
{
	struct witnessing *w = arg;

	switch (w->job.what) {
	case WORK_LOAD:
		load(w);
		break;
	case WORK_LETTER:
		if (w->job.m.type == COSIGN_SIGNED)
			take(w);
		else
			judge(w);
		break;
	case WORK_OFFERS:
		make_offers(w);
		break;
	}
}

/* ---- on the loop ---- */

static void send(struct witnessing *w, uint64_t to, const uint8_t *bytes, size_t len)
{
	/* What finds no link is offered or asked again. */
	if (to != 0 && len > 0)
		(void)node_cosign_send(w->daemon->node, to, SPAN(bytes, len), loop_now_us());
}

static void accuse(struct witnessing *w, const struct cosign_answer *a)
{
	struct daemon *d = w->daemon;
	struct witness_accused accused = { .id = id_of(d->ops, a->about) };
	char why[200];

	accused.is_split = a->had_size == a->now_size;
	(void)snprintf(accused.name, sizeof(accused.name), "%s", a->about);
	(void)snprintf(why, sizeof(why),
		       "%s: it had signed %llu entries, and now %llu; both are in "
		       "logs/%016llx of the ledger",
		       a->now_size < a->had_size ? "its ledger became shorter"
		       : accused.is_split	 ? "it has signed two histories"
						 : "its ledger does not go on from what was seen",
		       (unsigned long long)a->had_size, (unsigned long long)a->now_size,
		       (unsigned long long)accused.id);
	add_accused(w->accused, &w->n_accused, &accused);
	log_error(d->log, "ledger_split_view", log_str("ledger", a->about), log_str("why", why));
	ledger_notice(d, NULL, "ledger not vouched for", a->about, why);
}

static void loaded(struct witnessing *w)
{
	const struct job *j = &w->job;

	w->is_loaded = j->result == 0;
	for (int i = 0; i < j->n_facts; i++)
		if (j->facts[i].error == 0)
			cosign_desk_known(&w->desk, j->facts[i].id, j->facts[i].of.size,
					  j->facts[i].unix_s);
	for (size_t i = 0; i < j->n_accused; i++)
		add_accused(w->accused, &w->n_accused, &j->accused[i]);
}

static void answered(struct witnessing *w)
{
	struct job *j = &w->job;
	struct daemon *d = w->daemon;

	if (j->result == -ESTALE) { /* of the checkpoint before: the next offer starts there */
		j->m.type = COSIGN_HAVE;
		cosign_desk_answered(&w->desk, j->letter.from, &j->m, 0, loop_now_us());
		return;
	}
	/* Whoever tells of a log cannot know whether it is witnessed here. */
	if (j->result < 0 && !(j->result == -ENOENT && j->m.type == COSIGN_SEEN))
		log_notice(d->log, "witness_message_refused", log_str("from", j->letter.origin),
			   log_str("why", strerror(-j->result)));
	else if (j->m.type == COSIGN_SIGNED)
		cosign_desk_answered(&w->desk, j->letter.from, &j->m, j->signed_unix_s,
				     loop_now_us());
	else if (j->answer.is_incident)
		accuse(w, &j->answer);
	if (j->result < 0 || j->m.type == COSIGN_SIGNED)
		return;
	if (j->answer.has_reply)
		send(w, id_of(d->ops, j->answer.to), j->answer.bytes, j->answer.len);
	if (j->seen.len > 0)
		send(w, cosign_desk_tell(&w->desk, j->letter.from), j->seen.bytes, j->seen.len);
}

static void begin_work(struct witnessing *w);

static void done(void *arg)
{
	struct witnessing *w = arg;
	struct job *j = &w->job;

	w->is_out = false;
	if (!w->daemon->is_stopping) {
		if (j->what == WORK_LOAD)
			loaded(w);
		else if (j->what == WORK_LETTER)
			answered(w);
		for (size_t i = 0; j->what == WORK_OFFERS && i < j->n_offers; i++)
			send(w, j->offers[i].to, j->offers[i].bytes, j->offers[i].len);
	}
	if (j->what == WORK_LETTER)
		free(j->letter.bytes);
	j->letter.bytes = NULL;
	if (w->daemon->is_stopping)
		return;
	begin_work(w);
	daemon_drain(w->daemon);
}

static bool choose_offers(struct witnessing *w)
{
	struct job *j = &w->job;

	j->n_offers = 0;
	w->desk.size = ledger_signed_size(w->daemon);
	while (j->n_offers < OFFERS_MAX &&
	       cosign_desk_next(&w->desk, loop_now_us(), &j->peers[j->n_offers]))
		j->n_offers++;
	j->what = WORK_OFFERS;
	return j->n_offers > 0;
}

/* True: the job is a message for the work queue. Others are answered here. */
static bool choose_letter(struct witnessing *w)
{
	struct job *j = &w->job;

	while (w->n_inbox > 0) {
		j->letter = w->inbox[0];
		w->n_inbox--;
		memmove(&w->inbox[0], &w->inbox[1], w->n_inbox * sizeof(w->inbox[0]));
		j->what = WORK_LETTER;
		j->seen.len = 0;
		/* It was decoded as it came. */
		(void)cosign_decode(SPAN(j->letter.bytes, j->letter.len), &j->m);
		if (j->m.type != COSIGN_HAVE && j->m.type != COSIGN_REFUSED)
			return true;
		if (j->m.type == COSIGN_REFUSED)
			log_warning(w->daemon->log, "ledger_not_cosigned",
				    log_str("by", j->letter.origin),
				    log_str("why", cosign_refusal_name(j->m.why)));
		cosign_desk_answered(&w->desk, j->letter.from, &j->m, 0, loop_now_us());
		free(j->letter.bytes);
		j->letter.bytes = NULL;
	}
	return false;
}

static void begin_work(struct witnessing *w)
{
	if (w->is_out || !ledger_is_open(w->daemon))
		return;
	w->job.unix_s = (uint64_t)(daemon_unix_ms(w->daemon) / 1000);
	if (!w->is_loaded)
		w->job.what = WORK_LOAD;
	else if (!choose_letter(w) && !choose_offers(w))
		return;
	w->is_out = loop_work(w->daemon->loop, do_work, done, w) == 0;
	if (!w->is_out && w->job.what == WORK_LETTER) {
		free(w->job.letter.bytes); /* as one that the network lost */
		w->job.letter.bytes = NULL;
	}
}

/* What is not is counted; an offer is made again. */
static bool is_taken(struct witnessing *w, const char *spiffe_id, const struct letter *l)
{
	struct cosign_message m;

	if (strncmp(spiffe_id, SCHEME, strlen(SCHEME)) == 0 && w->n_inbox < INBOX_MAX &&
	    cosign_decode(SPAN(l->bytes, l->len), &m) == 0)
		return cosign_desk_admits(&w->desk, l->from, loop_now_us());
	w->desk.n_left_out++;
	return false;
}

void witness_messages(struct daemon *d)
{
	struct witnessing *w = d->witnessing;
	struct letter l = { 0 };
	char spiffe_id[SPIFFE_ID_SIZE];

	while (node_cosign_next(d->node, &l.from, spiffe_id, &l.bytes, &l.len)) {
		if (!w || !is_taken(w, spiffe_id, &l)) {
			free(l.bytes);
			continue;
		}
		(void)snprintf(l.origin, sizeof(l.origin), "%s", spiffe_id + strlen(SCHEME));
		w->inbox[w->n_inbox++] = l;
	}
	if (w)
		begin_work(w);
}

void witness_event(struct daemon *d, const struct node_event *e)
{
	struct witnessing *w = d->witnessing;
	bool is_down = e->type == EVENT_LINK_DOWN || e->type == EVENT_PEER_DOWN;

	if (w && (e->type == EVENT_LINK_UP || is_down))
		cosign_desk_link(&w->desk, e->node_id, !is_down, loop_now_us());
}

void witness_tick(struct daemon *d)
{
	if (d->witnessing)
		begin_work(d->witnessing);
}

/* ---- seen from outside ---- */

size_t witness_n_accused(const struct daemon *d)
{
	return d->witnessing ? d->witnessing->n_accused : 0;
}

const struct witness_accused *witness_accused(const struct daemon *d, size_t i)
{
	return &d->witnessing->accused[i];
}

static json_t *peer_json(const struct daemon *d, const struct cosign_peer *p)
{
	char name[NODE_NAME_MAX + 1] = "", id[17], at[32] = "";

	(void)node_name_of(d->node, p->id, name);
	node_id_text(p->id, id);
	if (p->signed_size > 0)
		topology_time((int64_t)p->signed_unix_s * 1000, at);
	return json_pack("{s:s, s:s, s:b, s:I, s:s, s:s}", "id", id, "name", name, "is_linked",
			 p->is_up, "signed", (json_int_t)p->signed_size, "signed_at", at, "refused",
			 cosign_refusal_name(p->refusal));
}

json_t *witness_json(const struct daemon *d)
{
	const struct witnessing *w = d->witnessing;
	json_t *witnesses = json_array(), *suspects = json_array();
	json_int_t n_current = 0;

	for (size_t i = 0; w && i < w->desk.n_peers; i++) {
		const struct cosign_peer *p = &w->desk.peers[i];

		n_current += p->signed_size > 0 && p->signed_size == ledger_signed_size(d);
		(void)json_array_append_new(witnesses, peer_json(d, p));
	}
	for (size_t i = 0; w && i < w->n_accused; i++) {
		char id[17];

		node_id_text(w->accused[i].id, id);
		(void)json_array_append_new(suspects,
					    json_pack("{s:s, s:s, s:b}", "id", id, "ledger",
						      w->accused[i].name, "is_proved",
						      w->accused[i].is_split));
	}
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:o, s:o}", "is_open", ledger_is_open(d),
			 "entries", (json_int_t)ledger_n_entries(d), "signed",
			 (json_int_t)ledger_signed_size(d), "cosigned_by", n_current, "left_out",
			 w ? (json_int_t)w->desk.n_left_out : 0, "witnesses", witnesses, "suspects",
			 suspects);
}

/* ---- starting and ending ---- */

void witness_start(struct daemon *d)
{
	struct witnessing *w = calloc(1, sizeof(*w));

	d->witnessing = w;
	if (!w) {
		daemon_feature(d, "witness", false, "out of memory");
		return;
	}
	w->daemon = d;
	(void)snprintf(w->directory, sizeof(w->directory), "%s/ledger",
		       d->options->config->state_dir);
	w->files = (struct witness_files){ w->directory, d->ops, openssl_note_crypto(), NULL };
}

void witness_end(struct daemon *d)
{
	struct witnessing *w = d->witnessing;

	for (size_t i = 0; w && i < w->n_inbox; i++)
		free(w->inbox[i].bytes);
	free(w);
	d->witnessing = NULL;
}
