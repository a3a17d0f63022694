/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: looks, lets core/healing decide, does what it orders, and probes whether that helped.
 */
#include "core/manager/manager.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/manager/internal.h"

#define PINGS 40
#define PING_EVERY_US MS(40)
#define PING_SETTLE_US SECONDS(1) /* for routes to follow what was done */
#define PING_WAIT_US MS(600)	  /* for the last answer */
#define PINGS_LOST_MAX 1	  /* with a fifth lost it is no more once in 600 times */
#define LINK_WAIT_US SECONDS(6)
#define CHECK_EVERY_US MS(40)
#define DELIVERY_EVERY_US MS(250) /* deliveries are looked at, */
#define SUSPECT_EVERY_US MS(100)  /* or so, while one of them seems to fail */

struct healing *manager_healing(const struct manager *m)
{
	return m->healing;
}

struct unusual *manager_unusual(const struct manager *m)
{
	return m->unusual;
}

/* ---- this host ---- */

void manager_set_host(struct manager *m, const struct manager_host *host)
{
	m->host = *host;
}

double host_value_of(const struct manager *m, unsigned which, uint64_t now_us)
{
	bool is_fresh = m->host.at_us && now_us < m->host.at_us + MANAGER_HOST_AGE_MAX_US;

	return is_fresh ? m->host.values[which] : (double)NAN;
}

void manager_say(struct manager *m, struct healing_reading r, uint64_t now_us)
{
	r.surprise = (float)surprise_of(m, &r, now_us);
	(void)healing_input(m->healing, &r, now_us); /* what is refused is counted there */
}

/* ---- hands ---- */

static int rehandshake(struct manager *m, uint64_t subject, uint64_t now_us)
{
	struct node_peer_view v;
	size_t cursor = 0;
	int r;

	while (node_next_peer(m->node, &cursor, now_us, &v)) {
		if (v.node_id != subject || !v.is_neighbour)
			continue;
		r = node_meet(m->node, &v.endpoint, subject, now_us);
		return r == -EEXIST ? 0 : r; /* one is under way, or it is up again */
	}
	return -ENOENT;
}

static int act(struct manager *m, const struct healing_incident *i, bool is_undo, uint64_t now_us)
{
	int r;

	switch (i->remedy) {
	case REMEDY_AVOID:
		r = node_set_penalty(m->node, i->subject, is_undo ? 0 : NODE_PENALTY_MAX, now_us);
		return is_undo && r == -ENOENT ? 0 : r; /* it went with the neighbour */
	case REMEDY_REHANDSHAKE:
		return is_undo ? 0 : rehandshake(m, i->subject, now_us);
	case REMEDY_FREE_SPACE: /* the caller's */
	case MANDATE_N_REMEDIES:
		break;
	}
	return -EINVAL;
}

/* ---- probes ---- */

static uint32_t take_ping_id(struct manager *m)
{
	uint32_t id = m->next_ping;

	m->next_ping = (id + 1) | MANAGER_PING_FIRST;
	return id;
}

static void begin_check(struct manager *m, const struct healing_order *o, uint64_t now_us)
{
	struct manager_check *c = m->checks;

	while (c < m->checks + HEALING_AT_ONCE_MAX && c->ticket)
		c++;
	if (c == m->checks + HEALING_AT_ONCE_MAX) {
		(void)healing_probed(m->healing, o->ticket, -ENOBUFS, now_us);
		return;
	}
	*c = (struct manager_check){
		.ticket = o->ticket,
		.kind = o->incident->kind,
		.subject = o->incident->subject,
		.about = o->incident->about,
		.ping_id = take_ping_id(m),
		.next_us = now_us + PING_SETTLE_US,
		.ends_us = now_us + LINK_WAIT_US,
	};
}

static void end_check(struct manager *m, struct manager_check *c, bool is_well, uint64_t now_us)
{
	uint64_t ticket = c->ticket;

	*c = (struct manager_check){ 0 };
	(void)healing_probed(m->healing, ticket, is_well ? 0 : -EIO, now_us);
}

static bool is_link_up(const struct manager *m, uint64_t id, uint64_t now_us)
{
	struct node_peer_view v;
	size_t cursor = 0;

	while (node_next_peer(m->node, &cursor, now_us, &v))
		if (v.node_id == id)
			return v.is_neighbour && v.state == LINK_UP;
	return false;
}

/* NaN is no room. */
static bool has_disk_room(const struct manager *m, uint64_t now_us)
{
	return host_value_of(m, UNUSUAL_DISK, now_us) <= healing_closes_at(HEALING_DISK);
}

/* The new way may lead to the same dropper by another node, who has to notice it first. */
static void ask_again(struct manager *m, struct manager_check *c, uint64_t now_us)
{
	c->is_second = true;
	c->ping_id = take_ping_id(m); /* late answers to the first are none to the second */
	c->n_sent = c->n_answered = 0;
	c->next_us = now_us;
}

static void turn_check(struct manager *m, struct manager_check *c, uint64_t now_us)
{
	if (now_us < c->next_us)
		return;
	if (c->kind != HEALING_DELIVERY) {
		bool is_well = c->kind == HEALING_DISK ? has_disk_room(m, now_us)
						       : is_link_up(m, c->subject, now_us);

		if (is_well || now_us >= c->ends_us)
			end_check(m, c, is_well, now_us);
		return;
	}
	if (c->n_sent == PINGS) {
		bool is_well = c->n_answered + PINGS_LOST_MAX >= PINGS;

		if (is_well || c->is_second)
			end_check(m, c, is_well, now_us);
		else
			ask_again(m, c, now_us);
		return;
	}
	(void)node_ping(m->node, c->about, c->ping_id, ++c->n_sent, now_us);
	c->next_us = now_us + (c->n_sent == PINGS ? PING_WAIT_US : PING_EVERY_US);
}

void manager_event(struct manager *m, const struct node_event *e)
{
	for (size_t n = 0; e->type == EVENT_ECHO_REPLY && n < HEALING_AT_ONCE_MAX; n++) {
		struct manager_check *c = &m->checks[n];

		if (c->ticket && c->ping_id == e->id && c->about == e->node_id &&
		    c->n_answered < c->n_sent)
			c->n_answered++;
	}
}

/* ---- the loop ---- */

bool manager_obey(struct manager *m, const struct healing_order *o, uint64_t now_us)
{
	struct healing_facts facts;
	bool is_of_disk = o->incident->remedy == REMEDY_FREE_SPACE;

	switch (o->type) {
	case HEALING_EXPLAIN:
		manager_facts(m, o->incident, now_us, &facts);
		(void)healing_explained(m->healing, o->ticket, &facts, now_us);
		return true;
	case HEALING_DO:
	case HEALING_UNDO:
		if (is_of_disk)
			return false;
		(void)healing_done(m->healing, o->ticket,
				   act(m, o->incident, o->type == HEALING_UNDO, now_us), now_us);
		return true;
	case HEALING_PROBE:
		begin_check(m, o, now_us);
		return true;
	case HEALING_RECORD:
	case HEALING_TELL:
		break;
	}
	return false;
}

void manager_turn(struct manager *m, uint64_t now_us, int64_t unix_s)
{
	for (size_t n = 0; n < HEALING_AT_ONCE_MAX; n++)
		if (m->checks[n].ticket)
			turn_check(m, &m->checks[n], now_us);
	healing_tick(m->healing, now_us, unix_s);
}

/* An incident is acted on as soon as it is sure; what others say of their links comes later, and
 * names the cause better. */
static void refine_causes(struct manager *m, uint64_t now_us)
{
	static const uint64_t after_us[] = { MS(2500), SECONDS(6) };
	const struct healing_incident *i;
	struct healing_facts facts;
	uint64_t cursor = 0;

	while ((i = healing_next(m->healing, &cursor))) {
		bool is_due = false;

		if ((i->kind != HEALING_DELIVERY && i->kind != HEALING_LINK_LOSS) ||
		    i->explained_us == 0 || i->state == HEALING_CLOSED)
			continue;
		for (size_t n = 0; n < N_ELEMENTS(after_us); n++)
			is_due |= i->explained_us < i->opened_us + after_us[n] &&
				  now_us >= i->opened_us + after_us[n];
		if (!is_due)
			continue;
		manager_facts(m, i, now_us, &facts);
		(void)healing_refine(m->healing, i->id, &facts.graph, now_us);
	}
}

/* Whether packets arrive is looked at each time, for service may be lost meanwhile; the rest as
 * often as it is worth. */
bool manager_look(struct manager *m, uint64_t now_us)
{
	bool is_whole =
		now_us >= m->looked_us + healing_interval_us(healing_mode(m->healing, now_us));

	if (is_whole) {
		m->looked_us = now_us;
		read_links(m, now_us);
		judge_rows(m, now_us);
	}
	m->is_suspect = read_deliveries(m, now_us);
	refine_causes(m, now_us);
	return is_whole;
}

static bool is_checking(const struct manager *m)
{
	for (size_t n = 0; n < HEALING_AT_ONCE_MAX; n++)
		if (m->checks[n].ticket)
			return true;
	return false;
}

uint64_t manager_deadline_us(const struct manager *m, uint64_t now_us)
{
	uint64_t at_us = now_us + (is_checking(m)  ? CHECK_EVERY_US
				   : m->is_suspect ? SUSPECT_EVERY_US
						   : DELIVERY_EVERY_US);

	at_us = min_u64(at_us,
			m->looked_us + healing_interval_us(healing_mode(m->healing, now_us)));
	return max_u64(now_us + MS(1), min_u64(at_us, healing_deadline_us(m->healing)));
}

/* ---- making ---- */

int manager_new(const struct manager_config *config, struct manager **ret)
{
	CLEANUP(manager_freep) struct manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->node = config->node;
	m->can_free_space = config->can_free_space;
	m->arg = config->arg;
	m->next_ping = MANAGER_PING_FIRST;
	r = healing_new(config->first_id, config->seed, &m->healing);
	if (r == 0)
		r = unusual_new(config->seed, config->learn_s, &m->unusual);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	healing_free(m->healing);
	unusual_free(m->unusual);
	free(m);
}
