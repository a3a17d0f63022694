/* SPDX-License-Identifier: Apache-2.0 */
/* The healing loop of this node: looks, lets core/healing decide, does what it orders, and probes
 * whether that helped. */
#include "daemon/healing.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api.h"

#define MANDATES_NAME "mandates"
#define PINGS 40
#define PING_EVERY_US MS(40)
#define PING_SETTLE_US SECONDS(1) /* for routes to follow what was done */
#define PING_WAIT_US MS(600)	  /* for the last answer */
#define PINGS_LOST_MAX 1	  /* with a fifth lost it is no more once in 600 times */
#define LINK_WAIT_US SECONDS(6)
#define CHECK_EVERY_US MS(40)
#define DELIVERY_EVERY_US MS(250) /* deliveries are looked at, */
#define SUSPECT_EVERY_US MS(100)  /* or so, while one of them seems to fail */

/* ---- mandates ---- */

static void find_mandates(struct healing_loop *l)
{
	const char *config = l->daemon->options->config_path;
	const char *slash = strrchr(config, '/');

	(void)snprintf(l->mandates_path, sizeof(l->mandates_path), "%.*s" MANDATES_NAME,
		       slash ? (int)(slash - config) + 1 : 0, config);
}

/* One that cannot be read, or understood, allows nothing. */
static void read_mandates(struct healing_loop *l)
{
	uint8_t text[MANDATES_FILE_MAX + 1];
	int fd = open(l->mandates_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	l->mandates_why[0] = '\0';
	if (fd < 0 && errno == ENOENT) {
		mandates_default(&l->mandates);
	} else {
		l->mandates = (struct mandates){ 0 };
		n = fd < 0 ? -1 : read(fd, text, sizeof(text));
		if (n < 0)
			(void)snprintf(l->mandates_why, sizeof(l->mandates_why),
				       "it cannot be read: %s", strerror(errno));
		else
			(void)mandates_parse(SPAN(text, (size_t)n), &l->mandates, l->mandates_why);
		if (l->mandates_why[0])
			log_error(l->daemon->log, "mandates_refused",
				  log_str("file", l->mandates_path),
				  log_str("why", l->mandates_why));
	}
	if (fd >= 0)
		(void)close(fd);
	healing_set_mandates(l->core, &l->mandates);
}

void healing_reloaded(struct daemon *d)
{
	if (d->healing)
		read_mandates(d->healing);
}

/* ---- told ---- */

static void tell_change(struct healing_loop *l, const struct healing_incident *i, bool is_new)
{
	struct daemon *d = l->daemon;
	bool is_over = i->state == HEALING_CLOSED || i->state == HEALING_HEALED;
	const char *event = is_over  ? "incident_over"
			    : is_new ? "incident_opened"
				     : "incident_changed";
	char name[NODE_NAME_MAX + 1], id[17];
	struct log_field fields[] = {
		log_str("", NULL),
		log_str("incident", id),
		log_str("kind", healing_kind_name(i->kind)),
		log_str("subject", name),
		log_str("state", healing_state_name(i->state)),
		log_str("remedy", remedy_name(i->remedy)),
		log_str("why", i->why),
	};

	healing_name(d, i->subject, name);
	node_id_text(i->id, id);
	log_event(d->log, event[9] == 'c' ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE, event, fields,
		  N_ELEMENTS(fields));
	api_tell(d, TOPIC_INCIDENTS, event, name, i->why[0] ? i->why : healing_kind_name(i->kind));
	if (i->state == HEALING_HEALED)
		notices_incident(l, i);
}

static void tell_changes(struct healing_loop *l)
{
	const struct healing_incident *i;
	uint64_t cursor = 0;
	size_t n = 0;

	while (n < HEALING_INCIDENTS_MAX && (i = healing_next(l->core, &cursor))) {
		enum healing_state before = HEALING_N_STATES;

		for (size_t k = 0; k < HEALING_INCIDENTS_MAX; k++)
			if (l->told[k].id == i->id)
				before = l->told[k].state;
		if (before != i->state) {
			tell_change(l, i, before == HEALING_N_STATES);
			healing_past_put(l, i);
		}
		n++;
	}
	cursor = 0;
	for (size_t k = 0; k < HEALING_INCIDENTS_MAX; k++) {
		i = healing_next(l->core, &cursor);
		l->told[k].id = i ? i->id : 0;
		l->told[k].state = i ? i->state : HEALING_N_STATES;
		if (!i)
			break;
	}
}

static void escalate(struct healing_loop *l, const struct healing_incident *i)
{
	char name[NODE_NAME_MAX + 1], id[17];

	healing_name(l->daemon, i->subject, name);
	node_id_text(i->id, id);
	log_warning(l->daemon->log, "incident_escalated", log_str("incident", id),
		    log_str("kind", healing_kind_name(i->kind)), log_str("subject", name),
		    log_str("plan", remedy_name(i->remedy)),
		    log_str("effect", remedy_effect(i->remedy)), log_str("why", i->why));
	api_tell(l->daemon, TOPIC_INCIDENTS, "incident_escalated", name, i->why);
	notices_incident(l, i);
}

/* ---- hands ---- */

static int rehandshake(struct healing_loop *l, uint64_t subject, uint64_t now_us)
{
	struct node_peer_view v;
	size_t cursor = 0;
	int r;

	while (node_next_peer(l->daemon->node, &cursor, now_us, &v)) {
		if (v.node_id != subject || !v.is_neighbour)
			continue;
		r = node_meet(l->daemon->node, &v.endpoint, subject, now_us);
		return r == -EEXIST ? 0 : r; /* one is under way, or it is up again */
	}
	return -ENOENT;
}

static int act(struct healing_loop *l, const struct healing_incident *i, bool is_undo,
	       uint64_t now_us)
{
	int r;

	switch (i->remedy) {
	case REMEDY_AVOID:
		r = node_set_penalty(l->daemon->node, i->subject, is_undo ? 0 : NODE_PENALTY_MAX,
				     now_us);
		return is_undo && r == -ENOENT ? 0 : r; /* it went with the neighbour */
	case REMEDY_REHANDSHAKE:
		return is_undo ? 0 : rehandshake(l, i->subject, now_us);
	case REMEDY_FREE_SPACE: /* see obey() */
	case MANDATE_N_REMEDIES:
		break;
	}
	return -EINVAL;
}

/* ---- probes ---- */

static void begin_check(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	struct healing_check *c = l->checks;

	while (c < l->checks + HEALING_AT_ONCE_MAX && c->ticket)
		c++;
	if (c == l->checks + HEALING_AT_ONCE_MAX) {
		(void)healing_probed(l->core, o->ticket, -ENOBUFS, now_us);
		return;
	}
	*c = (struct healing_check){
		.ticket = o->ticket,
		.kind = o->incident->kind,
		.subject = o->incident->subject,
		.about = o->incident->about,
		.ping_id = l->daemon->next_ping++,
		.next_us = now_us + PING_SETTLE_US,
		.ends_us = now_us + LINK_WAIT_US,
	};
}

static void end_check(struct healing_loop *l, struct healing_check *c, bool is_well,
		      uint64_t now_us)
{
	uint64_t ticket = c->ticket;

	*c = (struct healing_check){ 0 };
	(void)healing_probed(l->core, ticket, is_well ? 0 : -EIO, now_us);
}

static bool is_link_up(const struct daemon *d, uint64_t id, uint64_t now_us)
{
	struct node_peer_view v;
	size_t cursor = 0;

	while (node_next_peer(d->node, &cursor, now_us, &v))
		if (v.node_id == id)
			return v.is_neighbour && v.state == LINK_UP;
	return false;
}

static void turn_check(struct healing_loop *l, struct healing_check *c, uint64_t now_us)
{
	if (now_us < c->next_us)
		return;
	if (c->kind != HEALING_DELIVERY) {
		bool is_well = c->kind == HEALING_DISK ? healing_disk_has_room(l)
						       : is_link_up(l->daemon, c->subject, now_us);

		if (is_well || now_us >= c->ends_us)
			end_check(l, c, is_well, now_us);
		return;
	}
	if (c->n_sent == PINGS) {
		end_check(l, c, c->n_answered + PINGS_LOST_MAX >= PINGS, now_us);
		return;
	}
	(void)node_ping(l->daemon->node, c->about, c->ping_id, ++c->n_sent, now_us);
	c->next_us = now_us + (c->n_sent == PINGS ? PING_WAIT_US : PING_EVERY_US);
}

void healing_event(struct daemon *d, const struct node_event *e)
{
	struct healing_loop *l = d->healing;

	for (size_t n = 0; l && e->type == EVENT_ECHO_REPLY && n < HEALING_AT_ONCE_MAX; n++) {
		struct healing_check *c = &l->checks[n];

		if (c->ticket && c->ping_id == e->id && c->about == e->node_id &&
		    c->n_answered < c->n_sent)
			c->n_answered++;
	}
}

/* ---- the loop ---- */

static void obey_do(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	int r;

	if (o->incident->remedy == REMEDY_FREE_SPACE) {
		r = healing_past_shrink(l, o->ticket); /* answered when it is done */
		if (r == 0)
			return;
	} else {
		r = act(l, o->incident, false, now_us);
	}
	(void)healing_done(l->core, o->ticket, r, now_us);
}

static void obey_undo(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	bool has_nothing = o->incident->remedy == REMEDY_FREE_SPACE;

	(void)healing_done(l->core, o->ticket, has_nothing ? 0 : act(l, o->incident, true, now_us),
			   now_us);
}

static void obey(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	struct healing_facts facts;

	healing_past_note(l, o);
	switch (o->type) {
	case HEALING_EXPLAIN:
		healing_facts(l, o->incident, now_us, &facts);
		(void)healing_explained(l->core, o->ticket, &facts, now_us);
		break;
	case HEALING_RECORD:
		healing_record(l, o);
		break;
	case HEALING_DO:
		obey_do(l, o, now_us);
		break;
	case HEALING_UNDO:
		obey_undo(l, o, now_us);
		break;
	case HEALING_PROBE:
		begin_check(l, o, now_us);
		break;
	case HEALING_TELL:
		escalate(l, o->incident);
		healing_past_put(l, o->incident); /* the state may be the same */
		break;
	}
}

static bool is_checking(const struct healing_loop *l)
{
	for (size_t n = 0; n < HEALING_AT_ONCE_MAX; n++)
		if (l->checks[n].ticket)
			return true;
	return false;
}

void healing_turn(struct healing_loop *l)
{
	struct healing_order o;
	uint64_t now_us = loop_now_us();

	for (size_t n = 0; n < HEALING_AT_ONCE_MAX; n++)
		if (l->checks[n].ticket)
			turn_check(l, &l->checks[n], now_us);
	healing_tick(l->core, now_us, daemon_unix_ms(l->daemon) / 1000);
	while (healing_next_order(l->core, &o, now_us))
		obey(l, &o, now_us);
	tell_changes(l);
	daemon_drain(l->daemon);
}

/* An incident is acted on as soon as it is sure; what others say of their links comes later, and
 * names the cause better. */
static void refine_causes(struct healing_loop *l, uint64_t now_us)
{
	static const uint64_t after_us[] = { MS(2500), SECONDS(6) };
	const struct healing_incident *i;
	struct healing_facts facts;
	uint64_t cursor = 0;

	while ((i = healing_next(l->core, &cursor))) {
		bool is_due = false;

		if (i->kind != HEALING_DELIVERY || i->explained_us == 0 ||
		    i->state == HEALING_CLOSED)
			continue;
		for (size_t n = 0; n < N_ELEMENTS(after_us); n++)
			is_due |= i->explained_us < i->opened_us + after_us[n] &&
				  now_us >= i->opened_us + after_us[n];
		if (!is_due)
			continue;
		healing_facts(l, i, now_us, &facts);
		if (healing_refine(l->core, i->id, &facts.graph, now_us) == 0)
			healing_past_put(l, i);
	}
}

/* Whether packets arrive is looked at each time, for service may be lost meanwhile; the rest as
 * often as it is worth. */
static void look(struct healing_loop *l, uint64_t now_us)
{
	bool is_whole = now_us >= l->looked_us + healing_interval_us(healing_mode(l->core, now_us));

	if (is_whole) {
		l->looked_us = now_us;
		healing_read(l, now_us);
	}
	l->is_suspect = healing_read_deliveries(l, now_us);
	refine_causes(l, now_us);
	healing_turn(l);
	if (!is_whole)
		return;
	l->cycle_us = loop_now_us() - now_us;
	l->cycles_us += l->cycle_us;
	l->n_cycles++;
}

static uint64_t next_us(const struct healing_loop *l, uint64_t now_us)
{
	uint64_t at_us = now_us + (is_checking(l)  ? CHECK_EVERY_US
				   : l->is_suspect ? SUSPECT_EVERY_US
						   : DELIVERY_EVERY_US);

	at_us = min_u64(at_us, l->looked_us + healing_interval_us(healing_mode(l->core, now_us)));
	return max_u64(now_us + MS(1), min_u64(at_us, healing_deadline_us(l->core)));
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct healing_loop *l = arg;

	if (!l->past) /* not while the start itself waits for the disk */
		healing_past_begin(l);
	look(l, now_us);
	loop_timer_arm(l->timer, next_us(l, loop_now_us()));
}

/* ---- starting ---- */

void healing_start(struct daemon *d)
{
	CLEANUP_FREE struct healing_loop *l = calloc(1, sizeof(*l));
	uint64_t seed;

	entropy_fill(&kernel_entropy, (uint8_t *)&seed, sizeof(seed));
	if (!l || healing_new(d->boot_epoch << 20 | 1, seed, &l->core) < 0 ||
	    loop_timer_new(d->loop, on_timer, l, &l->timer) < 0) {
		if (l)
			healing_free(l->core);
		daemon_feature(d, "healing", false, "out of memory");
		return;
	}
	l->daemon = d;
	l->cpu = NAN;
	healing_set_power(l->core, false, "the ledger is not open yet");
	find_mandates(l);
	read_mandates(l);
	healing_host_begin(l);
	healing_unusual_begin(l, seed);
	daemon_feature(d, "healing", true, "");
	loop_timer_arm(l->timer, loop_now_us() + SECONDS(1));
	d->healing = TAKE(l);
}

void healing_stop(struct daemon *d)
{
	if (d->healing)
		healing_past_stop(d->healing);
}

void healing_end(struct daemon *d)
{
	struct healing_loop *l = d->healing;

	if (!l)
		return;
	healing_past_end(l);
	healing_free(l->core);
	healing_unusual_end(l);
	healing_host_end(l);
	free(l);
	d->healing = NULL;
}
