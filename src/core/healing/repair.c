/* SPDX-License-Identifier: Apache-2.0 */
/* From an incident to its repair, as a state machine: intent recorded, act, probe, result recorded;
 * or undo, the next candidate, and a person. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/units.h"
#include "core/healing/internal.h"

#define RETRY_US MS(500)
#define TELLS_PER_MINUTE 10
#define APART_US MS(100) /* service is lost meanwhile */

/* What may follow what; anything but CLOSED may follow itself, as a retry. */
static const unsigned followers[HEALING_N_STATES] = {
	[HEALING_EXPLAINING] =
		1u << HEALING_WAITING | 1u << HEALING_NOTED | 1u << HEALING_ESCALATED,
	[HEALING_WAITING] = 1u << HEALING_INTENT | 1u << HEALING_ESCALATED,
	[HEALING_INTENT] = 1u << HEALING_ACTING | 1u << HEALING_ESCALATED,
	[HEALING_ACTING] = 1u << HEALING_PROBING | 1u << HEALING_UNDOING,
	[HEALING_PROBING] = 1u << HEALING_RESULT | 1u << HEALING_UNDOING,
	[HEALING_UNDOING] = 1u << HEALING_RESULT,
	[HEALING_RESULT] = 1u << HEALING_HEALED | 1u << HEALING_WAITING,
	[HEALING_HEALED] = 1u << HEALING_ENDING,
	[HEALING_ENDING] = 1u << HEALING_RETURNING | 1u << HEALING_HEALED,
	[HEALING_RETURNING] = 1u << HEALING_RETURNED,
	[HEALING_RETURNED] = 1u << HEALING_ESCALATED, /* or closed, by incident_close() */
	[HEALING_NOTED] = 0,
	[HEALING_ESCALATED] = 0,
	[HEALING_CLOSED] = 0,
};

static bool is_order(enum healing_state s)
{
	return s != HEALING_WAITING && s != HEALING_HEALED && s != HEALING_NOTED &&
	       s != HEALING_ESCALATED && s != HEALING_CLOSED;
}

/* The order of the state is given out again, with a ticket of its own: the answer to the one before
 * counts no more. */
static void order(struct healing *h, struct incident *i, uint64_t now_us)
{
	i->ticket = h->next_ticket++;
	i->is_order_due = true;
	i->due_us = now_us + HEALING_ANSWER_US;
}

static void enter(struct healing *h, struct incident *i, enum healing_state s, uint64_t now_us)
{
	assert(followers[i->is.state] & 1u << s);
	incident_step(i, s, now_us);
	i->n_tries = 0;
	i->ticket = 0;
	i->is_order_due = false;
	if (is_order(s))
		order(h, i, now_us);
}

static void say(struct incident *i, const char *why)
{
	(void)snprintf(i->is.why, sizeof(i->is.why), "%s", why);
}

/* A person is told once of each incident, and again where a repair did not last. */
void repair_escalate(struct healing *h, struct incident *i, const char *why, uint64_t now_us)
{
	say(i, why);
	if (i->is.state != HEALING_HEALED && i->is.state != HEALING_ESCALATED)
		enter(h, i, HEALING_ESCALATED, now_us);
	h->counters.escalated++;
	if (budget_has(&h->telling, TELLS_PER_MINUTE, now_us)) {
		budget_take(&h->telling);
		i->is_tell_due = true;
	}
}

void repair_begin(struct healing *h, struct incident *i, uint64_t now_us)
{
	incident_step(i, HEALING_EXPLAINING, now_us);
	if (i->is.severity == HEALING_HINT) { /* whatever a mandate says: no order ever follows */
		say(i, "a learned detector hints at it: nothing is done, and nobody is told");
		enter(h, i, HEALING_NOTED, now_us);
		return;
	}
	order(h, i, now_us);
}

/* ---- plan ---- */

/* Something behind the next hop, of which nobody nearer goes around: else it would have gone away
 * before it was sure here (core/watch). Going around the next hop goes around that too. */
static bool is_behind(const struct incident *i, const struct healing_cause *c)
{
	const struct healing_graph *g = &i->facts.graph;

	if (c->vertex.kind == VERTEX_BEHIND)
		return c->vertex.a == i->is.subject;
	for (size_t n = 0; c->vertex.kind == VERTEX_LINK && n < g->n_vertices; n++)
		if (g->vertices[n].kind == VERTEX_BEHIND && g->vertices[n].a == i->is.subject)
			return true;
	return false;
}

/* Whether the cause found is one that the remedy is for. */
static bool is_fitting(const struct incident *i, enum mandate_remedy remedy)
{
	const struct healing_cause *c = &i->is.causes.causes[0];

	if (remedy != REMEDY_AVOID)
		return true;
	if (i->is.causes.n == 0 || c->explained < 0.5)
		return false;
	return (c->vertex.kind == VERTEX_NODE && c->vertex.a == i->is.subject) ||
	       (c->vertex.kind == VERTEX_LINK &&
		(c->vertex.a == i->is.subject || c->vertex.b == i->is.subject)) ||
	       is_behind(i, c);
}

/* Static text why it may never be taken for this incident; NULL: it may. */
static const char *refusal(const struct healing *h, const struct incident *i,
			   enum mandate_remedy remedy, uint64_t now_us)
{
	const char *why = NULL;

	if (!i->facts.is_possible[remedy])
		return i->facts.why_not[remedy] ? i->facts.why_not[remedy] : "it cannot be done";
	if (!is_fitting(i, remedy))
		return "the cause found is not one that it is for";
	if (!h->can_act)
		return h->why_not;
	if (mandates_allow(&h->mandates, remedy, h->unix_s,
			   taken_last_hour(&h->taken[remedy], now_us), &why))
		return NULL;
	return why;
}

static bool is_subject_busy(const struct healing *h, const struct incident *but, unsigned *ret_n)
{
	bool is_busy = false;

	*ret_n = 0;
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		const struct incident *i = &h->incidents[n];

		if (i == but || !i->is_used || !incident_is_busy(i))
			continue;
		(*ret_n)++;
		is_busy |= i->is.subject == but->is.subject;
	}
	return is_busy;
}

/* Static text why not now; NULL: now. */
static const char *delay(struct healing *h, const struct incident *i, uint64_t now_us)
{
	const struct key *k = key_of(h, i->is.kind, i->is.subject);
	unsigned n_busy;

	if (!breaker_allows(&h->breakers[i->is.remedy], now_us))
		return "the breaker is open: this remedy has failed five times";
	if (k && k->acted_us && now_us < k->acted_us + HEALING_COOLDOWN_US)
		return "the last action for this was less than a minute ago";
	if (is_subject_busy(h, i, &n_busy))
		return "another action on the same node is under way";
	if (n_busy >= HEALING_AT_ONCE_MAX)
		return "four other actions are under way";
	if (!budget_has(&h->acting, HEALING_ACTIONS_PER_MINUTE, now_us))
		return "ten actions in a minute are enough";
	return NULL;
}

/* The next candidate that may be taken becomes the plan; none: a person is told, with what was
 * thought of and why not. */
static void plan(struct healing *h, struct incident *i, uint64_t now_us)
{
	const struct rule *rule = &healing_rules[i->is.kind];
	const char *why = i->next == 0 ? "nothing that can be done by itself would help"
				       : "all that could be done was tried";
	enum mandate_remedy proposed = MANDATE_N_REMEDIES;

	for (; rule->candidates[i->next] != MANDATE_N_REMEDIES; i->next++) {
		const char *refused = refusal(h, i, rule->candidates[i->next], now_us);

		if (!refused) {
			i->is.remedy = rule->candidates[i->next++];
			i->waits_since_us = now_us;
			/* two nodes that see the same do not act in the same moment */
			i->due_us = now_us + rng_below(&h->rng, APART_US);
			return;
		}
		h->counters.denied++;
		why = refused;
		proposed = rule->candidates[i->next];
	}
	i->is.remedy = proposed;
	repair_escalate(h, i, why, now_us);
}

static bool is_fresh(struct healing *h, const struct incident *i, uint64_t now_us)
{
	const struct key *k = key_of(h, i->is.kind, i->is.subject);

	return k && k->n_bad > 0 && now_us - k->last_us <= HEALING_AGE_MAX_US;
}

static void wait_turn(struct healing *h, struct incident *i, uint64_t now_us)
{
	const char *why;

	if (now_us < i->due_us)
		return;
	if (!is_fresh(h, i, now_us)) {
		incident_close(h, i, "what spoke for it is old by now, or well again", now_us);
		return;
	}
	if (refusal(h, i, i->is.remedy, now_us)) { /* others have used up the hour, or a reload */
		i->next--;
		plan(h, i, now_us);
		return;
	}
	why = delay(h, i, now_us);
	if (!why) {
		budget_take(&h->acting);
		taken_add(&h->taken[i->is.remedy], now_us);
		breaker_begins(&h->breakers[i->is.remedy]);
		i->is.action = h->next_id++;
		i->is.attempt++;
		i->is.is_confirmed = false;
		enter(h, i, HEALING_INTENT, now_us);
		return;
	}
	say(i, why);
	if (now_us > i->waits_since_us + HEALING_PATIENCE_US + HEALING_COOLDOWN_US)
		repair_escalate(h, i, why, now_us);
	else
		i->due_us = now_us + rng_jitter(&h->rng, SECONDS(1), 25);
}

/* ---- answers ---- */

static void act_ended(struct healing *h, struct incident *i, uint64_t now_us)
{
	struct key *k = key_of(h, i->is.kind, i->is.subject);

	if (k)
		k->acted_us = now_us;
}

static void next_candidate(struct healing *h, struct incident *i, uint64_t now_us)
{
	enter(h, i, HEALING_WAITING, now_us);
	if (i->is_stuck)
		repair_escalate(h, i, i->result, now_us);
	else
		plan(h, i, now_us);
}

static void hold(struct healing *h, struct incident *i, uint64_t now_us)
{
	unsigned doublings = i->is.n_before < 8 ? i->is.n_before : 8;

	enter(h, i, HEALING_HEALED, now_us);
	i->is.healed_us = now_us;
	i->is.held_until_us =
		now_us + min_u64(HEALING_HOLD_MIN_US << doublings, HEALING_HOLD_MAX_US);
	h->counters.healed++;
	h->counters.healed_by[i->is.remedy].n++;
	h->counters.healed_by[i->is.remedy].sum_us += now_us - i->is.began_us;
	say(i, "a probe from outside says that it helped");
}

static void step_well(struct healing *h, struct incident *i, uint64_t now_us)
{
	switch (i->is.state) {
	case HEALING_INTENT:
		h->counters.intents++;
		h->counters.actions++;
		enter(h, i, HEALING_ACTING, now_us);
		break;
	case HEALING_ACTING:
		enter(h, i, HEALING_PROBING, now_us);
		break;
	case HEALING_PROBING:
		i->is.is_confirmed = true;
		i->result = "confirmed by a probe";
		breaker_ended(&h->breakers[i->is.remedy], true, now_us);
		enter(h, i, HEALING_RESULT, now_us);
		break;
	case HEALING_UNDOING:
		h->counters.undone++;
		enter(h, i, HEALING_RESULT, now_us);
		break;
	case HEALING_RESULT:
		h->counters.results++;
		act_ended(h, i, now_us);
		if (i->is.is_confirmed)
			hold(h, i, now_us);
		else
			next_candidate(h, i, now_us);
		break;
	case HEALING_ENDING:
		h->counters.intents++;
		enter(h, i, HEALING_RETURNING, now_us);
		break;
	case HEALING_RETURNING:
		h->counters.undone++;
		i->result = "taken back after its time";
		enter(h, i, HEALING_RETURNED, now_us);
		break;
	case HEALING_RETURNED:
		h->counters.results++;
		act_ended(h, i, now_us);
		if (i->is_stuck)
			repair_escalate(h, i, i->result, now_us);
		else
			incident_close(h, i, "repaired; the repair was taken back after its time",
				       now_us);
		break;
	case HEALING_EXPLAINING:
	case HEALING_WAITING:
	case HEALING_HEALED:
	case HEALING_NOTED:
	case HEALING_ESCALATED:
	case HEALING_CLOSED:
	case HEALING_N_STATES:
		break;
	}
}

static void failed(struct healing *h, struct incident *i, const char *result, uint64_t now_us)
{
	i->result = result;
	say(i, result);
	h->counters.unconfirmed++;
	breaker_ended(&h->breakers[i->is.remedy], false, now_us);
	enter(h, i, HEALING_UNDOING, now_us);
}

static bool try_again(struct healing *h, struct incident *i, uint64_t now_us)
{
	if (++i->n_tries >= HEALING_ATTEMPTS_MAX)
		return false;
	i->ticket = 0;
	i->is_order_due = false;
	i->due_us = now_us + rng_jitter(&h->rng, RETRY_US << i->n_tries, 25);
	return true;
}

static void step_failed(struct healing *h, struct incident *i, int r, uint64_t now_us)
{
	switch (i->is.state) {
	case HEALING_EXPLAINING:
		enter(h, i, HEALING_WAITING, now_us);
		plan(h, i, now_us);
		break;
	case HEALING_INTENT: /* what cannot be recorded is not done */
		breaker_gave_up(&h->breakers[i->is.remedy]);
		repair_escalate(h, i, "the intent could not be recorded, so nothing was done",
				now_us);
		break;
	case HEALING_ACTING:
		if (r != -EAGAIN || !try_again(h, i, now_us))
			failed(h, i, r == -ETIMEDOUT ? "it did not end in its time" : "it failed",
			       now_us);
		break;
	case HEALING_PROBING:
		failed(h, i, "done, and no probe confirmed that it helped", now_us);
		break;
	case HEALING_UNDOING:
		if (try_again(h, i, now_us))
			break;
		i->is_stuck = true;
		i->result = "it did not help, and could not be taken back";
		enter(h, i, HEALING_RESULT, now_us);
		break;
	case HEALING_RESULT:
		if (try_again(h, i, now_us))
			break;
		act_ended(h, i, now_us);
		if (i->is.is_confirmed) {
			hold(h, i, now_us);
			repair_escalate(h, i, "repaired, and the result could not be recorded",
					now_us);
		} else {
			enter(h, i, HEALING_WAITING, now_us);
			repair_escalate(h, i, "not repaired, and the result could not be recorded",
					now_us);
		}
		break;
	case HEALING_ENDING: /* it stays as it is, and is tried again later */
		enter(h, i, HEALING_HEALED, now_us);
		i->is.held_until_us = now_us + HEALING_HOLD_MIN_US;
		repair_escalate(h, i, "the repair stays: its end could not be recorded", now_us);
		break;
	case HEALING_RETURNING:
		if (try_again(h, i, now_us))
			break;
		i->is_stuck = true;
		i->result = "could not be taken back";
		enter(h, i, HEALING_RETURNED, now_us);
		break;
	case HEALING_RETURNED:
		if (!try_again(h, i, now_us))
			repair_escalate(h, i, "the end of the repair could not be recorded",
					now_us);
		break;
	case HEALING_WAITING:
	case HEALING_HEALED:
	case HEALING_NOTED:
	case HEALING_ESCALATED:
	case HEALING_CLOSED:
	case HEALING_N_STATES:
		break;
	}
}

static enum healing_order_type order_of(enum healing_state s)
{
	switch (s) {
	case HEALING_INTENT:
	case HEALING_RESULT:
	case HEALING_ENDING:
	case HEALING_RETURNED:
		return HEALING_RECORD;
	case HEALING_ACTING:
		return HEALING_DO;
	case HEALING_UNDOING:
	case HEALING_RETURNING:
		return HEALING_UNDO;
	case HEALING_PROBING:
		return HEALING_PROBE;
	case HEALING_EXPLAINING:
	case HEALING_WAITING:
	case HEALING_HEALED:
	case HEALING_NOTED:
	case HEALING_ESCALATED:
	case HEALING_CLOSED:
	case HEALING_N_STATES:
		break;
	}
	return HEALING_EXPLAIN;
}

/* One whose order was given out, and no answer has come. */
static struct incident *waiting_for(struct healing *h, uint64_t ticket)
{
	for (size_t n = 0; ticket && n < HEALING_INCIDENTS_MAX; n++) {
		struct incident *i = &h->incidents[n];

		if (incident_is_open(i) && i->ticket == ticket && !i->is_order_due)
			return i;
	}
	h->counters.late_answers++;
	return NULL;
}

static int answered(struct healing *h, uint64_t ticket, bool is_record, bool is_probe, int r,
		    uint64_t now_us)
{
	struct incident *i = waiting_for(h, ticket);
	enum healing_order_type type;

	if (!i)
		return -ENOENT;
	type = order_of(i->is.state);
	if (type == HEALING_EXPLAIN || is_record != (type == HEALING_RECORD) ||
	    is_probe != (type == HEALING_PROBE))
		return -ENOENT;
	i->ticket = 0;
	if (r == 0)
		step_well(h, i, now_us);
	else
		step_failed(h, i, r, now_us);
	return 0;
}

int healing_recorded(struct healing *h, uint64_t ticket, int r, uint64_t now_us)
{
	return answered(h, ticket, true, false, r, now_us);
}

int healing_done(struct healing *h, uint64_t ticket, int r, uint64_t now_us)
{
	return answered(h, ticket, false, false, r, now_us);
}

int healing_probed(struct healing *h, uint64_t ticket, int r, uint64_t now_us)
{
	return answered(h, ticket, false, true, r, now_us);
}

int healing_explained(struct healing *h, uint64_t ticket, const struct healing_facts *facts,
		      uint64_t now_us)
{
	struct incident *i = waiting_for(h, ticket);

	if (!i || i->is.state != HEALING_EXPLAINING)
		return -ENOENT;
	i->facts = *facts;
	i->is.explained_us = now_us;
	healing_rank(&facts->graph, &i->is.causes);
	enter(h, i, HEALING_WAITING, now_us);
	plan(h, i, now_us);
	return 0;
}

int healing_refine(struct healing *h, uint64_t id, const struct healing_graph *graph,
		   uint64_t now_us)
{
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		struct incident *i = &h->incidents[n];

		if (!incident_is_open(i) || i->is.id != id || i->is.explained_us == 0)
			continue;
		i->facts.graph = *graph;
		i->is.explained_us = now_us;
		healing_rank(graph, &i->is.causes);
		return 0;
	}
	return -ENOENT;
}

/* ---- time ---- */

void repair_tick(struct healing *h, struct incident *i, uint64_t now_us)
{
	if (i->is.state == HEALING_WAITING) {
		wait_turn(h, i, now_us);
	} else if (i->is.state == HEALING_HEALED) {
		if (now_us >= i->is.held_until_us)
			enter(h, i, HEALING_ENDING, now_us);
	} else if (is_order(i->is.state) && now_us >= i->due_us) {
		if (i->ticket)
			step_failed(h, i, -ETIMEDOUT, now_us);
		else
			order(h, i, now_us); /* the pause before another try is over */
	}
}

uint64_t healing_deadline_us(const struct healing *h)
{
	uint64_t at_us = NEVER_US;

	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		const struct incident *i = &h->incidents[n];

		if (i->is_used && i->is.state == HEALING_WAITING)
			at_us = min_u64(at_us, i->due_us);
	}
	return at_us;
}

bool healing_next_order(struct healing *h, struct healing_order *ret, uint64_t now_us)
{
	(void)now_us;
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		struct incident *i = &h->incidents[n];
		enum healing_state s = i->is.state;

		if (!i->is_used || (!i->is_order_due && !i->is_tell_due))
			continue;
		*ret = (struct healing_order){ .type = HEALING_TELL, .incident = &i->is };
		if (i->is_tell_due) {
			i->is_tell_due = false;
			return true;
		}
		i->is_order_due = false;
		ret->type = order_of(s);
		ret->ticket = i->ticket;
		ret->is_result = s == HEALING_RESULT || s == HEALING_RETURNED;
		ret->is_return =
			s == HEALING_ENDING || s == HEALING_RETURNING || s == HEALING_RETURNED;
		ret->result = ret->is_result ? i->result : NULL;
		return true;
	}
	return false;
}

/* ---- a dry run ---- */

enum mandate_remedy healing_simulate(const struct healing *h, enum healing_kind kind,
				     uint64_t subject, const struct healing_facts *facts,
				     uint64_t now_us, char ret_why[HEALING_WHY_SIZE])
{
	struct incident i = { .is = { .kind = kind, .subject = subject }, .facts = *facts };
	const struct rule *rule = &healing_rules[kind];
	const char *why = "nothing that can be done by itself would help";

	healing_rank(&facts->graph, &i.is.causes);
	for (size_t n = 0; rule->candidates[n] != MANDATE_N_REMEDIES; n++) {
		why = refusal(h, &i, rule->candidates[n], now_us);
		if (why)
			continue;
		(void)snprintf(ret_why, HEALING_WHY_SIZE, "its mandate allows it");
		return rule->candidates[n];
	}
	(void)snprintf(ret_why, HEALING_WHY_SIZE, "%s", why);
	return MANDATE_N_REMEDIES;
}
