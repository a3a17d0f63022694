/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include "base/rng.h"
#include "core/healing/healing.h"

/* ---- guards.c: what keeps one remedy from doing too much ---- */

#define BREAKER_FAILURES 5
#define BREAKER_OPEN_US UINT64_C(60000000)
#define BREAKER_SUCCESSES 2
#define TAKEN_MAX MANDATE_RATE_MAX /* times of one remedy that are remembered */

/* After five failures in a row nothing is tried for a minute; then one at a time, until two in a
 * row have succeeded. */
struct breaker {
	unsigned n_failed;    /* in a row */
	unsigned n_succeeded; /* in a row, since it opened */
	bool is_open;
	bool is_trying;
	uint64_t until_us;
};

bool breaker_allows(const struct breaker *b, uint64_t now_us);
void breaker_begins(struct breaker *b);
void breaker_gave_up(struct breaker *b); /* what began says nothing of the remedy */
void breaker_ended(struct breaker *b, bool is_success, uint64_t now_us);

/* As many as it holds at once, and as many again in a minute. */
struct budget {
	double tokens;
	uint64_t at_us;
	bool is_begun;
};

bool budget_has(struct budget *b, double max_per_minute, uint64_t now_us);
void budget_take(struct budget *b);

/* When a remedy was taken, a ring. */
struct taken {
	uint64_t at_us[TAKEN_MAX];
	size_t n; /* ever */
};

void taken_add(struct taken *t, uint64_t now_us);
unsigned taken_last_hour(const struct taken *t, uint64_t now_us);

/* ---- healing.c ---- */

/* What was heard of one (kind, subject). */
struct key {
	bool is_used;
	enum healing_kind kind;
	uint64_t subject;
	uint64_t last_us; /* measured */
	uint64_t began_us;
	unsigned n_bad, n_good; /* in a row */
	unsigned n_before;	/* incidents */
	uint64_t acted_us;	/* the last action ended; 0 never */
	struct healing_reading first, last;
};

struct incident {
	struct healing_incident is;
	bool is_used;
	bool is_order_due;
	bool is_tell_due;
	uint64_t ticket; /* of the order given out; 0 none */
	uint64_t due_us; /* the order has failed then, or the wait is over */
	uint64_t waits_since_us;
	unsigned n_tries; /* of the order under way */
	unsigned next;	  /* candidate to be looked at next */
	bool is_stuck;	  /* what was done could not be taken back */
	bool is_confirmed_hint;
	bool is_relapsed; /* it was repaired and as bad again, and a person knows */
	struct healing_facts facts;
	const char *result; /* of the action, to be recorded */
};

struct healing {
	struct rng rng;
	struct mandates mandates;
	bool can_act;
	const char *why_not;
	uint64_t next_id, next_ticket;
	int64_t unix_s;
	uint64_t quiet_since_us; /* the last bad reading */
	struct budget opening, hinting, telling, acting;
	struct breaker breakers[MANDATE_N_REMEDIES];
	struct taken taken[MANDATE_N_REMEDIES];
	struct key keys[HEALING_KEYS_MAX];
	struct incident incidents[HEALING_INCIDENTS_MAX];
	struct healing_counters counters;
};

/* The rule of a kind of incident. */
struct rule {
	const char *name, *unit;
	double opens_at, closes_at;	    /* at least; at most */
	double max;			    /* a greater value cannot be */
	unsigned opens_after, closes_after; /* readings in a row */
	uint32_t samples_min;
	enum healing_severity severity;
	enum mandate_remedy candidates[MANDATE_N_REMEDIES + 1]; /* in order; the last ends it */
};

extern const struct rule healing_rules[HEALING_N_KINDS];

struct key *key_of(struct healing *h, enum healing_kind kind, uint64_t subject);
bool incident_is_open(const struct incident *i);
/* Something was done, or is being done, that is not over yet. */
bool incident_is_busy(const struct incident *i);
/* Notes that its state is this one from now on. */
void incident_step(struct incident *i, enum healing_state s, uint64_t now_us);
void incident_close(struct healing *h, struct incident *i, const char *why, uint64_t now_us);

/* ---- repair.c ---- */

void repair_begin(struct healing *h, struct incident *i, uint64_t now_us);
void repair_tick(struct healing *h, struct incident *i, uint64_t now_us);
void repair_escalate(struct healing *h, struct incident *i, const char *why, uint64_t now_us);
