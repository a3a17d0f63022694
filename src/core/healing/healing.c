/* SPDX-License-Identifier: Apache-2.0 */
/* Readings become incidents: rules with hysteresis, one incident for each kind and subject. */
#include "core/healing/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

#define KEY_KEPT_US SECONDS(3600) /* its past incidents and last action are remembered so long */
#define CONFIRMS_WITHIN_US SECONDS(60)
#define QUIET_US SECONDS(60)
#define STEPS_FIRST 8 /* of an incident that are kept whatever follows: one repair has seven */
#define Z95 1.959964

double healing_share_at_least(unsigned n_lost, unsigned n_sent)
{
	double n = n_sent, p, centre, spread;

	if (n_sent == 0 || n_lost == 0 || n_lost > n_sent)
		return 0;
	p = n_lost / n;
	centre = p + Z95 * Z95 / (2 * n);
	spread = Z95 * sqrt(p * (1 - p) / n + Z95 * Z95 / (4 * n * n));
	return (centre - spread) / (1 + Z95 * Z95 / n);
}

int healing_new(uint64_t first_id, uint64_t seed, struct healing **ret)
{
	struct healing *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	rng_seed(&h->rng, seed ^ UINT64_C(0x6865616c));
	h->next_id = first_id ? first_id : 1;
	h->next_ticket = 1;
	h->why_not = "nothing has said yet that acting is possible";
	*ret = h;
	return 0;
}

void healing_free(struct healing *h)
{
	free(h);
}

void healing_ids_after(struct healing *h, uint64_t last_id)
{
	if (last_id >= h->next_id)
		h->next_id = last_id + 1;
}

void healing_set_mandates(struct healing *h, const struct mandates *m)
{
	h->mandates = *m;
}

void healing_set_power(struct healing *h, bool can_act, const char *why)
{
	h->can_act = can_act;
	h->why_not = why;
}

/* ---- incidents ---- */

bool incident_is_open(const struct incident *i)
{
	return i->is_used && i->is.state != HEALING_CLOSED;
}

bool incident_is_busy(const struct incident *i)
{
	switch (i->is.state) {
	case HEALING_INTENT:
	case HEALING_ACTING:
	case HEALING_PROBING:
	case HEALING_UNDOING:
	case HEALING_RESULT:
	case HEALING_ENDING:
	case HEALING_RETURNING:
	case HEALING_RETURNED:
		return i->is_used;
	case HEALING_EXPLAINING:
	case HEALING_WAITING:
	case HEALING_HEALED:
	case HEALING_NOTED:
	case HEALING_ESCALATED:
	case HEALING_CLOSED:
	case HEALING_N_STATES:
		break;
	}
	return false;
}

static struct incident *open_one(struct healing *h, enum healing_kind kind, uint64_t subject)
{
	for (size_t i = 0; i < HEALING_INCIDENTS_MAX; i++) {
		struct incident *x = &h->incidents[i];

		if (incident_is_open(x) && x->is.kind == kind && x->is.subject == subject)
			return x;
	}
	return NULL;
}

static bool is_a_hint(const struct incident *i)
{
	return i->is.severity == HEALING_HINT;
}

/* A free place, or that of the oldest that is over. */
static struct incident *place(struct healing *h)
{
	struct incident *best = NULL;

	for (size_t i = 0; i < HEALING_INCIDENTS_MAX; i++) {
		struct incident *x = &h->incidents[i];

		if (!x->is_used)
			return x;
		if (!incident_is_open(x) && (!best || x->is.id < best->is.id))
			best = x;
	}
	return best;
}

void incident_step(struct incident *i, enum healing_state s, uint64_t now_us)
{
	struct healing_step *steps = i->is.steps;

	if (i->is.n_steps == HEALING_STEPS_MAX) {
		/* how it began and how it stands are worth more than what lies between */
		i->is.n_steps--;
		i->is.n_steps_left_out++;
		memmove(&steps[STEPS_FIRST], &steps[STEPS_FIRST + 1],
			(i->is.n_steps - STEPS_FIRST) * sizeof(*steps));
	}
	steps[i->is.n_steps++] = (struct healing_step){ .state = s, .at_us = now_us };
	i->is.state = s;
}

static void add_evidence(struct incident *i, const struct healing_reading *r)
{
	if (i->is.n_evidence < HEALING_EVIDENCE_MAX) {
		i->is.evidence[i->is.n_evidence++] = *r;
		return;
	}
	/* the first stays, for it says when and how it began */
	for (size_t k = 1; k + 1 < HEALING_EVIDENCE_MAX; k++)
		i->is.evidence[k] = i->is.evidence[k + 1];
	i->is.evidence[HEALING_EVIDENCE_MAX - 1] = *r;
}

/* Hints have a budget and a number of their own, so that none stands in the way of an incident. */
static bool may_open(struct healing *h, bool is_hint, uint64_t now_us)
{
	struct budget *b = is_hint ? &h->hinting : &h->opening;
	unsigned n_hints = 0;

	for (size_t n = 0; is_hint && n < HEALING_INCIDENTS_MAX; n++)
		n_hints += incident_is_open(&h->incidents[n]) && is_a_hint(&h->incidents[n]);
	if (n_hints >= HEALING_HINTS_MAX ||
	    !budget_has(b, is_hint ? HEALING_HINTS_PER_MINUTE : HEALING_OPENED_PER_MINUTE, now_us))
		return false;
	budget_take(b);
	return true;
}

/* A rule has found what was hinted at, while the hint was open or soon after. */
static void confirm_hints(struct healing *h, uint64_t subject, uint64_t now_us)
{
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		struct incident *i = &h->incidents[n];

		if (!i->is_used || !is_a_hint(i) || i->is.subject != subject ||
		    i->is_confirmed_hint ||
		    (i->is.closed_us && now_us > i->is.closed_us + CONFIRMS_WITHIN_US))
			continue;
		i->is_confirmed_hint = true;
		h->counters.hints_confirmed++;
	}
}

static void open_incident(struct healing *h, struct key *k, uint64_t now_us)
{
	bool is_hint = healing_rules[k->kind].severity == HEALING_HINT;
	struct incident *i = place(h);

	if (!i || !may_open(h, is_hint, now_us)) {
		*(is_hint ? &h->counters.hints_left_out : &h->counters.left_out) += 1;
		k->n_bad = 0; /* it may try again with as many readings */
		return;
	}
	if (!is_hint)
		confirm_hints(h, k->subject, now_us);
	*i = (struct incident){ .is_used = true };
	i->is = (struct healing_incident){
		.id = h->next_id++,
		.kind = k->kind,
		.subject = k->subject,
		.about = k->last.about,
		.severity = healing_rules[k->kind].severity,
		.began_us = k->began_us,
		.opened_us = now_us,
		.n_before = k->n_before++,
		.remedy = MANDATE_N_REMEDIES,
	};
	add_evidence(i, &k->first);
	if (k->last.at_us != k->first.at_us)
		add_evidence(i, &k->last);
	*(is_hint ? &h->counters.hints : &h->counters.opened) += 1;
	repair_begin(h, i, now_us);
}

void incident_close(struct healing *h, struct incident *i, const char *why, uint64_t now_us)
{
	struct key *k = key_of(h, i->is.kind, i->is.subject);

	incident_step(i, HEALING_CLOSED, now_us);
	i->is.closed_us = now_us;
	i->is_order_due = false;
	i->ticket = 0;
	(void)snprintf(i->is.why, sizeof(i->is.why), "%s", why);
	if (k)
		k->n_bad = k->n_good = 0;
}

/* ---- readings ---- */

static struct key *find_key(struct healing *h, enum healing_kind kind, uint64_t subject)
{
	for (size_t i = 0; i < HEALING_KEYS_MAX; i++) {
		struct key *k = &h->keys[i];

		if (k->is_used && k->kind == kind && k->subject == subject)
			return k;
	}
	return NULL;
}

/* A free place, or one of whom nothing was heard for an hour and nothing is open. */
struct key *key_of(struct healing *h, enum healing_kind kind, uint64_t subject)
{
	struct key *k = find_key(h, kind, subject);

	for (size_t i = 0; !k && i < HEALING_KEYS_MAX; i++) {
		if (h->keys[i].is_used)
			continue;
		k = &h->keys[i];
		*k = (struct key){ .is_used = true, .kind = kind, .subject = subject };
	}
	return k;
}

static void forget_keys(struct healing *h, uint64_t now_us)
{
	for (size_t i = 0; i < HEALING_KEYS_MAX; i++) {
		struct key *k = &h->keys[i];

		if (k->is_used && now_us > k->last_us + KEY_KEPT_US &&
		    !open_one(h, k->kind, k->subject))
			k->is_used = false;
	}
}

static int check(const struct healing_reading *r, uint64_t now_us)
{
	const struct rule *rule;

	if ((unsigned)r->kind >= HEALING_N_KINDS || !r->source)
		return -EINVAL;
	rule = &healing_rules[r->kind];
	if (isnan(r->value) || r->n_samples < rule->samples_min)
		return -ENODATA;
	if (r->value < 0 || r->value > rule->max)
		return -ERANGE;
	if (r->at_us > now_us || now_us - r->at_us > HEALING_AGE_MAX_US)
		return -ESTALE;
	return 0;
}

static void count_reading(struct key *k, const struct healing_reading *r)
{
	const struct rule *rule = &healing_rules[r->kind];

	k->last_us = r->at_us;
	k->last = *r;
	if (r->value >= rule->opens_at) {
		if (k->n_bad++ == 0) {
			k->began_us = r->at_us;
			k->first = *r;
		}
		k->n_good = 0;
	} else if (r->value <= rule->closes_at) {
		k->n_good++;
		k->n_bad = 0;
	} else {
		k->n_good = 0; /* between the two nothing changes */
	}
}

static void still_bad(struct healing *h, struct incident *i, const struct key *k, uint64_t now_us)
{
	add_evidence(i, &k->last);
	if (i->is.state != HEALING_HEALED || i->is_relapsed || k->first.at_us <= i->is.healed_us ||
	    k->n_bad != healing_rules[i->is.kind].opens_after + 1)
		return;
	i->is_relapsed = true; /* what comes and goes is no news each time */
	repair_escalate(h, i, "it is repaired, and as bad again", now_us);
}

int healing_input(struct healing *h, const struct healing_reading *r, uint64_t now_us)
{
	int fault = check(r, now_us);
	struct incident *i;
	struct key *k;

	h->counters.readings++;
	h->counters.missing += fault == -ENODATA;
	h->counters.refused += fault < 0 && fault != -ENODATA;
	if (fault < 0)
		return fault;
	k = key_of(h, r->kind, r->subject);
	if (!k)
		return -ENOBUFS;
	if (k->last_us && r->at_us <= k->last_us)
		return -EALREADY;
	count_reading(k, r);
	if (k->n_bad > 0 && healing_rules[r->kind].severity != HEALING_HINT)
		h->quiet_since_us = now_us;
	i = open_one(h, r->kind, r->subject);
	if (!i && k->n_bad >= healing_rules[r->kind].opens_after)
		open_incident(h, k, now_us);
	else if (i && k->n_bad > 0)
		still_bad(h, i, k, now_us);
	else if (i && k->n_good >= healing_rules[r->kind].closes_after && !incident_is_busy(i) &&
		 i->is.state != HEALING_HEALED)
		incident_close(h, i, "it is well again, without anything done", now_us);
	return 0;
}

/* ---- time ---- */

void healing_tick(struct healing *h, uint64_t now_us, int64_t unix_s)
{
	h->unix_s = unix_s;
	forget_keys(h, now_us);
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		struct incident *i = &h->incidents[n];
		struct key *k = incident_is_open(i) ? find_key(h, i->is.kind, i->is.subject) : NULL;

		if (!incident_is_open(i))
			continue;
		repair_tick(h, i, now_us);
		if ((i->is.state == HEALING_ESCALATED || i->is.state == HEALING_NOTED) && k &&
		    now_us > k->last_us + HEALING_UNSEEN_US)
			incident_close(h, i, "nothing has been heard of it for five minutes",
				       now_us);
	}
}

/* ---- views ---- */

enum healing_mode healing_mode(const struct healing *h, uint64_t now_us)
{
	unsigned n_open = 0, n_serious = 0;

	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		const struct incident *i = &h->incidents[n];

		if (!incident_is_open(i) || i->is.state == HEALING_HEALED || is_a_hint(i))
			continue;
		if (incident_is_busy(i) || i->is.state == HEALING_EXPLAINING)
			return HEALING_CRITICAL;
		n_open++;
		n_serious += i->is.severity == HEALING_SERIOUS;
	}
	if (n_serious >= 3)
		return HEALING_CRITICAL;
	if (n_open > 0)
		return HEALING_DEGRADED;
	for (size_t n = 0; n < HEALING_KEYS_MAX; n++)
		if (h->keys[n].is_used && h->keys[n].n_bad > 0 &&
		    healing_rules[h->keys[n].kind].severity != HEALING_HINT)
			return HEALING_DEGRADED;
	return h->quiet_since_us && now_us < h->quiet_since_us + QUIET_US ? HEALING_NORMAL
									  : HEALING_OPTIMAL;
}

const struct healing_incident *healing_next(const struct healing *h, uint64_t *cursor)
{
	const struct incident *best = NULL;
	uint64_t below = *cursor ? *cursor : UINT64_MAX;

	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++) {
		const struct incident *i = &h->incidents[n];

		if (i->is_used && i->is.id < below && (!best || i->is.id > best->is.id))
			best = i;
	}
	if (!best)
		return NULL;
	*cursor = best->is.id;
	return &best->is;
}

const struct healing_incident *healing_find(const struct healing *h, uint64_t id)
{
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++)
		if (h->incidents[n].is_used && h->incidents[n].is.id == id)
			return &h->incidents[n].is;
	return NULL;
}

const struct healing_graph *healing_graph_of(const struct healing *h, uint64_t id)
{
	for (size_t n = 0; n < HEALING_INCIDENTS_MAX; n++)
		if (h->incidents[n].is_used && h->incidents[n].is.id == id)
			return &h->incidents[n].facts.graph;
	return NULL;
}

void healing_counters(const struct healing *h, struct healing_counters *ret)
{
	*ret = h->counters;
}
