/* SPDX-License-Identifier: Apache-2.0 */
/* What became of incidents, beyond the end of this process: put as they change, and asked for. The
 * disk is waited for on the work queue alone: one job opens, one at a time writes, one at a time
 * searches. Without the database incidents are in memory, and what was before is not known. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/healing.h"

#define ASKS_MAX 16 /* searches that wait for the one under way */
#define ABANDONED "abandoned"

/* The last action of an incident. Of one key there is none within a minute of another, so that none
 * takes the place of one that was not put yet. */
struct noted {
	uint64_t incident; /* 0: free */
	uint64_t action;
	enum mandate_remedy remedy;
	enum knowledge_outcome outcome;
	bool is_probed;
	int64_t began_ms, ended_ms;
	const char *result; /* static text */
};

struct healing_past {
	struct healing_loop *loop;
	struct knowledge *knowledge; /* the opening job's while is_opening */
	struct knowledge_writer *writer;
	struct knowledge_notice notice;
	char directory[CONFIG_TEXT_SIZE];
	bool is_opening;
	int64_t now_ms;
	int result;
	uint64_t last_id; /* ids up to this one are of those before */
	size_t n_abandoned;
	struct noted noted[HEALING_INCIDENTS_MAX];
	struct {
		uint64_t ticket, before, after; /* bytes */
		bool is_out;
		int result;
	} shrinking;		    /* the job's while it is out */
	struct healing_ask *asking; /* the job's; NULL: none is out */
	struct healing_ask *waiting[ASKS_MAX];
	size_t n_waiting;
};

static int64_t unix_ms_of(const struct daemon *d, uint64_t at_us)
{
	int64_t ago_us = (int64_t)(loop_now_us() - at_us);

	return at_us == 0 ? 0 : daemon_unix_ms(d) - ago_us / (int64_t)US_PER_MS;
}

/* ---- what is put ---- */

static void fill_evidence(const struct daemon *d, const struct healing_incident *i,
			  struct knowledge_incident *ret)
{
	char about[NODE_NAME_MAX + 1] = "";

	if (i->about)
		healing_name(d, i->about, about);
	for (size_t n = 0; n < i->n_evidence; n++) {
		const struct healing_reading *r = &i->evidence[n];
		struct knowledge_evidence *e = &ret->evidence[ret->n_evidence++];

		(void)snprintf(e->signal, sizeof(e->signal), "%s", healing_kind_name(r->kind));
		(void)snprintf(e->subject, sizeof(e->subject), "%s", about);
		(void)snprintf(e->source, sizeof(e->source), "%s", r->source);
		e->value = r->value;
		e->unix_ms = unix_ms_of(d, r->at_us);
	}
}

static void fill_causes(const struct daemon *d, const struct healing_ranking *causes,
			struct knowledge_incident *ret)
{
	for (size_t n = 0; n < causes->n; n++) {
		const struct healing_cause *from = &causes->causes[n];
		struct knowledge_cause *c = &ret->causes[ret->n_causes++];

		(void)snprintf(c->kind, sizeof(c->kind), "%s",
			       healing_vertex_kind_name(from->vertex.kind));
		healing_vertex_name(d, &from->vertex, c->subject, sizeof(c->subject));
		c->confidence = from->confidence;
	}
}

static void fill_action(const struct noted *from, struct knowledge_incident *ret)
{
	struct knowledge_action *a = &ret->actions[ret->n_actions++];

	a->id = from->action;
	(void)snprintf(a->action, sizeof(a->action), "%s", remedy_name(from->remedy));
	(void)snprintf(a->subject, sizeof(a->subject), "%s", ret->subject);
	(void)snprintf(a->cause_kind, sizeof(a->cause_kind), "%s",
		       ret->n_causes > 0 ? ret->causes[0].kind : "unknown");
	(void)snprintf(a->result, sizeof(a->result), "%s", from->result ? from->result : "");
	a->outcome = from->outcome;
	a->began_ms = from->began_ms;
	a->ended_ms = from->ended_ms;
}

static void fill(const struct healing_past *p, const struct healing_incident *i,
		 struct knowledge_incident *ret)
{
	const struct daemon *d = p->loop->daemon;
	char name[NODE_NAME_MAX + 1];

	*ret = (struct knowledge_incident){
		.id = i->id,
		.severity = i->severity,
		.opened_ms = unix_ms_of(d, i->opened_us),
		.closed_ms = i->state == HEALING_CLOSED ? unix_ms_of(d, i->closed_us) : 0,
	};
	healing_name(d, i->subject, name);
	(void)snprintf(ret->key, sizeof(ret->key), "%s %s", healing_kind_name(i->kind), name);
	(void)snprintf(ret->kind, sizeof(ret->kind), "%s", healing_kind_name(i->kind));
	(void)snprintf(ret->subject, sizeof(ret->subject), "%s", name);
	(void)snprintf(ret->state, sizeof(ret->state), "%s", healing_state_name(i->state));
	(void)snprintf(ret->why, sizeof(ret->why), "%s", i->why);
	fill_evidence(d, i, ret);
	fill_causes(d, &i->causes, ret);
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++)
		if (p->noted[n].incident == i->id)
			fill_action(&p->noted[n], ret);
}

/* What could not be put is put again when the disk writes again. */
void healing_past_put(struct healing_loop *l, const struct healing_incident *i)
{
	struct healing_past *p = l->past;
	struct knowledge_incident k;
	int r;

	if (!p || !p->writer || i->id <= p->last_id)
		return;
	fill(p, i, &k);
	r = knowledge_writer_put(p->writer, &k);
	if (r < 0)
		log_warning(l->daemon->log, "knowledge_not_put", log_str("why", strerror(-r)));
}

static void put_all(struct healing_past *p)
{
	const struct healing_incident *i;
	uint64_t cursor = 0;

	for (unsigned n = 0; n < KNOWLEDGE_WAITING_MAX / 2; n++) {
		i = healing_next(p->loop->core, &cursor);
		if (!i)
			return;
		healing_past_put(p->loop, i);
	}
}

/* ---- actions, as orders tell of them ---- */

static struct noted *note_of(struct healing_past *p, uint64_t incident)
{
	struct noted *oldest = p->noted;

	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		if (p->noted[n].incident == incident)
			return &p->noted[n];
		if (p->noted[n].incident < oldest->incident)
			oldest = &p->noted[n];
	}
	return oldest;
}

void healing_past_note(struct healing_loop *l, const struct healing_order *o)
{
	struct healing_past *p = l->past;
	const struct healing_incident *i = o->incident;
	struct noted *n;

	if (!p || o->is_return)
		return;
	n = note_of(p, i->id);
	if (o->type == HEALING_DO && n->action != i->action)
		*n = (struct noted){
			.incident = i->id,
			.action = i->action,
			.remedy = i->remedy,
			.began_ms = daemon_unix_ms(l->daemon),
		};
	if (n->incident != i->id || n->action != i->action)
		return;
	n->is_probed |= o->type == HEALING_PROBE;
	if (o->type != HEALING_RECORD || !o->is_result)
		return;
	n->outcome = i->is_confirmed ? KNOWLEDGE_CONFIRMED
		     : n->is_probed  ? KNOWLEDGE_UNCONFIRMED
				     : KNOWLEDGE_FAILED;
	n->result = o->result;
	n->ended_ms = daemon_unix_ms(l->daemon);
}

/* ---- opening ---- */

static void feature(struct healing_past *p, int error, const char *what)
{
	char why[DAEMON_WHY_SIZE] = "";

	if (error < 0)
		(void)snprintf(why, sizeof(why), "%s: %s", what, strerror(-error));
	daemon_feature(p->loop->daemon, "knowledge", error == 0, why);
}

static void on_written(void *arg, int error)
{
	struct healing_past *p = arg;

	if (p->loop->daemon->is_stopping)
		return;
	feature(p, error, "incidents cannot be written");
	if (error == 0)
		put_all(p);
}

static void open_it(void *arg)
{
	struct healing_past *p = arg;

	p->result = knowledge_open(p->directory, &p->knowledge, &p->notice);
	if (p->result == 0)
		p->result = knowledge_last_id(p->knowledge, &p->last_id);
	if (p->result == 0)
		p->result =
			knowledge_abandon_open(p->knowledge, p->now_ms, ABANDONED, &p->n_abandoned);
}

static void opened(void *arg)
{
	struct healing_past *p = arg;
	struct daemon *d = p->loop->daemon;

	p->is_opening = false;
	if (d->is_stopping)
		return;
	if (p->notice.aside[0])
		log_warning(d->log, "knowledge_set_aside", log_str("what", p->notice.aside));
	if (p->result == 0)
		p->result = knowledge_writer_new(d->loop, p->knowledge, on_written, p, &p->writer);
	if (p->result < 0) {
		feature(p, p->result,
			p->notice.text[0] ? p->notice.text : "incidents cannot be kept");
		return;
	}
	if (p->n_abandoned > 0)
		log_notice(d->log, "incidents_abandoned", log_u64("n", p->n_abandoned));
	healing_ids_after(p->loop->core, p->last_id);
	feature(p, 0, "");
	put_all(p);
}

void healing_past_begin(struct healing_loop *l)
{
	struct daemon *d = l->daemon;
	struct healing_past *p = calloc(1, sizeof(*p));

	l->past = p;
	if (p) {
		p->loop = l;
		p->now_ms = daemon_unix_ms(d);
		(void)snprintf(p->directory, sizeof(p->directory), "%s",
			       d->options->config->state_dir);
		p->is_opening = loop_work(d->loop, open_it, opened, p) == 0;
	}
	if (!p || !p->is_opening)
		daemon_feature(d, "knowledge", false, "out of memory");
}

void healing_past_stop(struct healing_loop *l)
{
	if (l->past)
		knowledge_writer_free(TAKE(l->past->writer));
}

void healing_past_end(struct healing_loop *l)
{
	struct healing_past *p = l->past;

	for (size_t n = 0; p && n < p->n_waiting; n++)
		free(p->waiting[n]);
	if (p && p->knowledge)
		knowledge_close(p->knowledge);
	free(p);
	l->past = NULL;
}

/* ---- a full disk ---- */

#define SHRINK_BYTES_MIN (1U << 20) /* below this there is little to give back */

bool healing_past_can_shrink(const struct healing_loop *l, const char **ret_why_not)
{
	const struct healing_past *p = l->past;
	uint64_t bytes = 0;

	*ret_why_not = "the database of incidents is not open";
	if (!p || !p->writer)
		return false;
	*ret_why_not = "there is nothing of the daemon's own on it that could be given back";
	return knowledge_size(p->directory, &bytes) == 0 && bytes >= SHRINK_BYTES_MIN;
}

static void shrink_it(void *arg)
{
	struct healing_past *p = arg;

	(void)knowledge_size(p->directory, &p->shrinking.before);
	p->shrinking.result = knowledge_shrink(p->knowledge);
	(void)knowledge_size(p->directory, &p->shrinking.after);
}

/* A part of it may be done also where it failed: what counts is whether there is room. */
static void shrunk(void *arg)
{
	struct healing_past *p = arg;
	struct daemon *d = p->loop->daemon;

	p->shrinking.is_out = false;
	if (d->is_stopping)
		return;
	log_notice(d->log, "knowledge_given_back",
		   log_u64("bytes", p->shrinking.before > p->shrinking.after
					    ? p->shrinking.before - p->shrinking.after
					    : 0),
		   log_str("why", p->shrinking.result < 0 ? strerror(-p->shrinking.result) : ""));
	(void)healing_done(p->loop->core, p->shrinking.ticket, 0, loop_now_us());
	healing_turn(p->loop);
}

int healing_past_shrink(struct healing_loop *l, uint64_t ticket)
{
	struct healing_past *p = l->past;

	if (!p || !p->writer || p->shrinking.is_out)
		return -EAGAIN;
	p->shrinking.ticket = ticket;
	if (loop_work(l->daemon->loop, shrink_it, shrunk, p) < 0)
		return -EAGAIN;
	p->shrinking.is_out = true;
	return 0;
}

/* ---- asked ---- */

static void ask_free(struct healing_ask *a)
{
	free(a->incidents);
	free(a->rates);
	free(a);
}

static int find(struct knowledge *k, struct healing_ask *a)
{
	struct knowledge_search s = {
		.text = a->text[0] ? a->text : NULL,
		.kind = a->kind[0] ? a->kind : NULL,
		.since_ms = a->since_ms,
		.n_max = a->n_max,
	};
	int r;

	a->incidents = calloc(a->n_max, sizeof(*a->incidents));
	if (!a->incidents)
		return -ENOMEM;
	r = knowledge_find(k, &s, a->incidents, &a->n);
	for (size_t n = 0; r == 0 && n < a->n; n++) {
		r = knowledge_get(k, a->incidents[n].id, &a->incidents[n]);
		if (r == -ENOENT) /* pruned in between: what was found of it stays */
			r = 0;
	}
	return r;
}

static void ask_it(void *arg)
{
	struct healing_past *p = arg;
	struct healing_ask *a = p->asking;

	switch (a->what) {
	case HEALING_ASK_FIND:
		a->result = find(p->knowledge, a);
		break;
	case HEALING_ASK_GET:
		a->incidents = calloc(1, sizeof(*a->incidents));
		a->result =
			a->incidents ? knowledge_get(p->knowledge, a->id, a->incidents) : -ENOMEM;
		break;
	case HEALING_ASK_RATES:
		a->rates = calloc(KNOWLEDGE_RATES_MAX, sizeof(*a->rates));
		a->result = a->rates ? knowledge_rates(p->knowledge, NULL, a->rates,
						       KNOWLEDGE_RATES_MAX, &a->n)
				     : -ENOMEM;
		break;
	}
}

static void ask_next(struct healing_past *p);

static void asked(void *arg)
{
	struct healing_past *p = arg;
	struct healing_ask *a = TAKE(p->asking);

	if (!p->loop->daemon->is_stopping)
		healing_answer(p->loop, a);
	ask_free(a);
	if (!p->loop->daemon->is_stopping)
		ask_next(p);
}

static void ask_next(struct healing_past *p)
{
	int r;

	while (!p->asking && p->n_waiting > 0) {
		p->asking = p->waiting[0];
		p->n_waiting--;
		for (size_t n = 0; n < p->n_waiting; n++)
			p->waiting[n] = p->waiting[n + 1];
		/* Once it is on its way it is the worker's: no field of it is written here. */
		r = loop_work(p->loop->daemon->loop, ask_it, asked, p);
		if (r == 0)
			return;
		p->asking->result = r;
		healing_answer(p->loop, p->asking);
		ask_free(TAKE(p->asking));
	}
}

int healing_past_ask(struct healing_loop *l, const struct healing_ask *what)
{
	struct healing_past *p = l->past;
	struct healing_ask *a;

	if (!p || !p->writer)
		return !p || p->is_opening ? -EAGAIN : -ENODEV;
	if (p->n_waiting == ASKS_MAX)
		return -ENOBUFS;
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = *what;
	p->waiting[p->n_waiting++] = a;
	ask_next(p);
	return 0;
}
