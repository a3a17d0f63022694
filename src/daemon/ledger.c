/* SPDX-License-Identifier: Apache-2.0 */
/* This node's ledger: entries are queued here and written on the work queue, in their order, many
 * by one fsync. The loop never waits for the disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/healing.h"
#include "shell/ledger/ledger.h"

#define QUEUE_MAX 64
#define NOTICES_MAX 48 /* of them, so that what heals finds room; more are counted and left out */
#define OPEN_AFTER_US SECONDS(1) /* not while the start itself waits for the disk */
#define OPEN_AGAIN_US SECONDS(60)
#define CHECKPOINT_EVERY_US SECONDS(60) /* at most, and only where there is something new */
#define CHECKPOINT_SOON_US                                                    \
	SECONDS(5) /* after what healing did: who looks at it wants its proof \
		    */

struct record {
	struct ledger_entry entry; /* its texts lie below */
	ledger_answer *answer;	   /* NULL: a notice */
	void *arg;
	uint64_t ticket;
	bool is_refused; /* answered without having been written */
	int result;	 /* the job's */
	char who[SPIFFE_ID_SIZE], what[64], where[LEDGER_NAME_MAX + 1], why[512], outcome[256];
};

struct batch {
	size_t n, n_notices;
	struct record of[QUEUE_MAX];
};

struct ledger_writer {
	struct daemon *daemon;
	struct ledger *ledger; /* the job's while one is out; NULL: not open */
	char directory[CONFIG_TEXT_SIZE + 16];
	char origin[SPIFFE_ID_SIZE];
	struct ledger_config config;
	struct ledger_error error;
	struct ledger_status status; /* after the last job */
	struct batch *writing;	     /* the job's */
	struct batch *waiting;	     /* for the next one */
	uint64_t open_us;	/* no sooner; UINT64_MAX: it is damaged, a person has to look */
	uint64_t checkpoint_us; /* no sooner */
	uint64_t signed_us;	/* the last one was begun */
	uint64_t n_lost;	/* notices that found no room, or could not be written */
	uint64_t n_entries;	/* as of the last job that is back */
	uint64_t n_signed;	/* the same */
	bool is_open;		/* the same */
	bool is_out;		/* a job */
	int result;		/* of opening, or the first failure of a batch */
};

/* ---- on the work queue ---- */

static void open_it(void *arg)
{
	struct ledger_writer *w = arg;

	w->error.text[0] = '\0';
	w->result = ledger_open(w->directory, &w->config, &w->ledger, &w->error);
	if (w->result == 0)
		ledger_status(w->ledger, &w->status);
}

/* Those from *first on are answered alike: on the disk, all of them, or not there. */
static void commit(struct ledger_writer *w, size_t *first, size_t end)
{
	int r = ledger_commit(w->ledger);

	if (r < 0)
		(void)ledger_drop(w->ledger); /* if not, it takes nothing more */
	for (; *first < end; ++*first)
		if (r < 0 && w->writing->of[*first].result == 0)
			w->writing->of[*first].result = r;
}

static void look_at_it(struct ledger_writer *w)
{
	ledger_status(w->ledger, &w->status);
	if (!w->status.is_broken)
		return;
	ledger_close(w->ledger);
	w->ledger = NULL;
	w->result = -EIO;
}

static void write_it(void *arg)
{
	struct ledger_writer *w = arg;
	struct batch *b = w->writing;
	size_t first = 0;

	w->result = 0;
	for (size_t n = 0; n < b->n; n++) {
		if (b->of[n].is_refused)
			continue;
		b->of[n].result = ledger_append(w->ledger, &b->of[n].entry, NULL);
		if (b->of[n].result != -EAGAIN)
			continue;
		commit(w, &first, n);
		b->of[n].result = ledger_append(w->ledger, &b->of[n].entry, NULL);
	}
	commit(w, &first, b->n);
	for (size_t n = 0; w->result == 0 && n < b->n; n++)
		w->result = b->of[n].result;
	look_at_it(w);
}

static void sign_it(void *arg)
{
	struct ledger_writer *w = arg;

	(void)ledger_checkpoint(w->ledger); /* the status says why not */
	look_at_it(w);
}

/* ---- on the loop ---- */

static void set_text(char *room, size_t size, const char *text, const char **ret)
{
	(void)snprintf(room, size, "%s", text ? text : "");
	*ret = room[0] ? room : NULL;
}

static void queue(struct ledger_writer *w, const struct ledger_entry *e, ledger_answer *answer,
		  void *arg, uint64_t ticket)
{
	struct record *x = &w->waiting->of[w->waiting->n++];

	x->entry = *e;
	x->answer = answer;
	x->arg = arg;
	x->ticket = ticket;
	x->is_refused = false;
	x->result = 0;
	w->waiting->n_notices += !answer;
	set_text(x->who, sizeof(x->who), e->who, &x->entry.who);
	set_text(x->what, sizeof(x->what), e->what, &x->entry.what);
	set_text(x->where, sizeof(x->where), e->where, &x->entry.where);
	set_text(x->why, sizeof(x->why), e->why, &x->entry.why);
	set_text(x->outcome, sizeof(x->outcome), e->result, &x->entry.result);
}

static void queue_notice(struct ledger_writer *w, const char *who, const char *what,
			 const char *where, const char *why)
{
	struct ledger_entry e = {
		.kind = LEDGER_NOTICE,
		.unix_ms = (uint64_t)daemon_unix_ms(w->daemon),
		.who = who ? who : w->daemon->member->is.spiffe_id,
		.what = what,
		.where = where,
		.why = why,
	};

	queue(w, &e, NULL, NULL, 0);
}

static void swap_batches(struct ledger_writer *w)
{
	struct batch *b = w->writing;

	w->writing = w->waiting;
	w->waiting = b;
}

/* What is lost is at least counted, in the ledger itself. */
static void queue_lost(struct ledger_writer *w)
{
	char why[64];

	if (w->n_lost == 0 || w->waiting->n == QUEUE_MAX)
		return;
	(void)snprintf(why, sizeof(why), "%llu could not be kept", (unsigned long long)w->n_lost);
	queue_notice(w, NULL, "notices lost", NULL, why);
	w->n_lost = 0;
}

static void written(void *arg);

static void write_waiting(struct ledger_writer *w)
{
	if (w->is_out || !w->ledger || w->waiting->n == 0)
		return;
	queue_lost(w);
	w->is_out = true;
	swap_batches(w); /* for one that is empty: all of it was answered */
	if (loop_work(w->daemon->loop, write_it, written, w) == 0)
		return;
	w->is_out = false; /* the queue is full: they wait for ledger_tick() */
	swap_batches(w);
}

/* Notices can wait until it is open again, and whoever waits for an answer cannot. */
static void refuse_waiting(struct ledger_writer *w)
{
	for (size_t n = 0; n < w->waiting->n; n++) {
		struct record *x = &w->waiting->of[n];

		if (!x->answer || x->is_refused)
			continue;
		x->is_refused = true;
		x->answer(x->arg, x->ticket, -EIO);
	}
}

static void tell_state(struct ledger_writer *w)
{
	char why[KEEPER_WHY_SIZE] = "";

	w->is_open = w->ledger != NULL;
	w->n_entries = w->status.size;
	w->n_signed = w->status.signed_size;
	if (!w->ledger)
		w->open_us = w->result == -EUCLEAN ? UINT64_MAX : loop_now_us() + OPEN_AGAIN_US;
	if (!w->ledger && w->error.text[0])
		(void)snprintf(why, sizeof(why), "%.190s", w->error.text);
	else if (w->result == -ENOSPC)
		(void)snprintf(why, sizeof(why),
			       "the disk is full, and so is what was reserved on it for entries");
	else if (w->result < 0)
		(void)snprintf(why, sizeof(why), "an entry could not be written: %s",
			       strerror(-w->result));
	daemon_feature(w->daemon, "ledger", w->result == 0, why);
	healing_ledger(w->daemon, w->is_open, why);
	if (!w->is_open)
		refuse_waiting(w);
}

/* While they are answered a job counts as out: an answer may lead to further entries. */
static void answer_all(struct ledger_writer *w, struct batch *b)
{
	for (size_t n = 0; n < b->n; n++) {
		struct record *x = &b->of[n];

		if (x->is_refused)
			continue;
		if (x->result == 0 && x->entry.kind == LEDGER_RESULT)
			w->checkpoint_us =
				min_u64(w->checkpoint_us, w->signed_us + CHECKPOINT_SOON_US);
		if (x->answer)
			x->answer(x->arg, x->ticket, x->result);
		else
			w->n_lost += x->result < 0;
	}
	b->n = b->n_notices = 0;
}

static void written(void *arg)
{
	struct ledger_writer *w = arg;

	if (!w->daemon->is_stopping) {
		tell_state(w);
		answer_all(w, w->writing);
	}
	w->is_out = false;
	if (!w->daemon->is_stopping)
		write_waiting(w);
}

static void opened(void *arg)
{
	struct ledger_writer *w = arg;

	w->is_out = false;
	if (w->daemon->is_stopping)
		return;
	tell_state(w);
	if (w->status.dropped_bytes > 0)
		log_notice(w->daemon->log, "ledger_write_was_cut_off",
			   log_u64("bytes", w->status.dropped_bytes));
	write_waiting(w);
}

static void is_signed(void *arg)
{
	struct ledger_writer *w = arg;

	w->is_out = false;
	if (w->daemon->is_stopping)
		return;
	if (w->status.tile_error < 0)
		log_warning(w->daemon->log, "ledger_not_signed",
			    log_str("why", strerror(-w->status.tile_error)));
	w->n_signed = w->status.signed_size;
	if (!w->ledger)
		tell_state(w);
	write_waiting(w);
}

void ledger_tick(struct daemon *d, uint64_t now_us)
{
	struct ledger_writer *w = d->ledger;

	if (!w || w->is_out)
		return;
	if (!w->ledger && now_us >= w->open_us) {
		w->is_out = loop_work(d->loop, open_it, opened, w) == 0;
		return;
	}
	write_waiting(w);
	if (w->is_out || !w->ledger || w->status.size == w->status.signed_size ||
	    now_us < w->checkpoint_us)
		return;
	w->signed_us = now_us;
	w->checkpoint_us = now_us + CHECKPOINT_EVERY_US;
	w->is_out = loop_work(d->loop, sign_it, is_signed, w) == 0;
}

/* ---- asked ---- */

int ledger_record(struct daemon *d, const struct ledger_entry *e, ledger_answer *answer, void *arg,
		  uint64_t ticket)
{
	struct ledger_writer *w = d->ledger;

	if (!w || !w->is_open || w->waiting->n == QUEUE_MAX)
		return -EAGAIN;
	queue(w, e, answer, arg, ticket);
	write_waiting(w);
	return 0;
}

void ledger_notice(struct daemon *d, const char *who, const char *what, const char *where,
		   const char *why)
{
	struct ledger_writer *w = d->ledger;

	if (!w)
		return;
	if (w->waiting->n_notices >= NOTICES_MAX || w->waiting->n == QUEUE_MAX) {
		w->n_lost++;
		return;
	}
	queue_notice(w, who, what, where, why);
	write_waiting(w);
}

void ledger_notice_reload(struct daemon *d, const char *who, const json_t *report)
{
	const json_t *value;
	char why[512] = "";
	bool is_policy = false;
	size_t i, len = 0;

	json_array_foreach(json_object_get(report, "applied"), i, value)
	{
		const char *key = json_string_value(value);

		is_policy = is_policy || strcmp(key, "policy") == 0;
		if (len + strlen(key) + 12 > sizeof(why))
			continue;
		len += (size_t)snprintf(why + len, sizeof(why) - len, "%s%s",
					len ? ", " : "changed: ", key);
	}
	ledger_notice(d, who, "configuration reloaded", NULL, why);
	if (!is_policy)
		return;
	(void)snprintf(why, sizeof(why), "rules: %zu", d->config->n_rules);
	ledger_notice(d, who, "policy changed", NULL, why);
}

uint64_t ledger_n_entries(const struct daemon *d)
{
	return d->ledger ? d->ledger->n_entries : 0;
}

uint64_t ledger_signed_size(const struct daemon *d)
{
	return d->ledger ? d->ledger->n_signed : 0;
}

bool ledger_is_open(const struct daemon *d)
{
	return d->ledger && d->ledger->is_open;
}

/* ---- starting and ending ---- */

static void writer_free(struct ledger_writer *w)
{
	if (!w)
		return;
	free(w->writing);
	free(w->waiting);
	free(w);
}

DEFINE_FREEP(struct ledger_writer, writer_free)

void ledger_start(struct daemon *d)
{
	CLEANUP(writer_freep) struct ledger_writer *w = calloc(1, sizeof(*w));

	if (w) {
		w->writing = calloc(1, sizeof(*w->writing));
		w->waiting = calloc(1, sizeof(*w->waiting));
	}
	if (!w || !w->writing || !w->waiting) {
		daemon_feature(d, "ledger", false, "out of memory");
		return;
	}
	w->daemon = d;
	w->open_us = loop_now_us() + OPEN_AFTER_US;
	(void)snprintf(w->directory, sizeof(w->directory), "%s/ledger",
		       d->options->config->state_dir);
	(void)snprintf(w->origin, sizeof(w->origin), "%s/node/%s", d->member->domain,
		       d->member->name);
	w->config = (struct ledger_config){
		.origin = w->origin,
		.ops = d->ops,
		.crypto = openssl_note_crypto(),
		.entropy = &kernel_entropy,
	};
	d->ledger = TAKE(w);
}

/* No job is out any more: what waits is written here. */
void ledger_end(struct daemon *d)
{
	struct ledger_writer *w = d->ledger;

	if (!w)
		return;
	if (!w->ledger && w->waiting->n > 0)
		open_it(w);
	if (w->ledger && w->waiting->n > 0) {
		queue_lost(w);
		swap_batches(w);
		write_it(w);
		if (w->result < 0)
			log_error(d->log, "ledger_failed", log_str("why", strerror(-w->result)));
	}
	ledger_close(w->ledger);
	writer_free(w);
	d->ledger = NULL;
}
