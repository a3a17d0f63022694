/* SPDX-License-Identifier: Apache-2.0 */
/* healing.h - faults that forwarding cannot repair by itself: noticed, explained, repaired within a
 * mandate, verified, recorded (docs/healing.md).
 *
 * Readings go in; orders come out: explain this, record that, do this, undo it, probe, tell a
 * person. Each order has a ticket and waits for its answer; an answer with another ticket, or of
 * another kind than the order, is ignored, so that nothing acts twice. Nothing is done before the
 * intent to do it was recorded. No clock, no socket: time is a parameter, monotonic microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/healing/causes.h"
#include "core/healing/mandates.h"

#define HEALING_KEYS_MAX 512 /* (kind, subject) that readings were heard of in the last minutes */
#define HEALING_INCIDENTS_MAX 128    /* open and over; of those over the oldest goes first */
#define HEALING_OPENED_PER_MINUTE 20 /* more than that are counted and left out */
#define HEALING_HINTS_PER_MINUTE 4   /* beside those */
#define HEALING_HINTS_MAX 16	     /* open */
#define HEALING_EVIDENCE_MAX 4
#define HEALING_STEPS_MAX \
	24 /* of an incident; when there are more, those after the first eight go */
#define HEALING_AGE_MAX_US UINT64_C(5000000) /* an older reading says nothing of now */
#define HEALING_ACTIONS_PER_MINUTE 10
#define HEALING_AT_ONCE_MAX 4			 /* actions under way; one for each subject */
#define HEALING_ATTEMPTS_MAX 3			 /* of an order that is answered "not now" */
#define HEALING_ANSWER_US UINT64_C(8000000)	 /* an order not answered in this time has failed */
#define HEALING_PATIENCE_US UINT64_C(60000000)	 /* waits so long for its turn, then escalates */
#define HEALING_COOLDOWN_US UINT64_C(60000000)	 /* no second action for a key this soon */
#define HEALING_HOLD_MIN_US UINT64_C(600000000)	 /* a repair is taken back after this long; ... */
#define HEALING_HOLD_MAX_US UINT64_C(3600000000) /* ... twice as long each time it comes again */
#define HEALING_UNSEEN_US UINT64_C(300000000)	 /* no reading for so long: the incident is over */
#define HEALING_WHY_SIZE 160

enum healing_kind {
	HEALING_DELIVERY,     /* share of probes lost that were handed to a neighbour, at least */
	HEALING_LINK_LOSS,    /* share of packets lost on the link to a neighbour */
	HEALING_LINK_DOWN,    /* seconds that the link to a neighbour has been down */
	HEALING_CPU,	      /* share of this host's processors in use */
	HEALING_MEMORY,	      /* share of its memory in use */
	HEALING_DISK,	      /* share of the disk of the state directory in use */
	HEALING_SERVICE,      /* 1: a service that the user names does not answer, 0: it does */
	HEALING_LEDGER_SPLIT, /* 1: a node's ledger has signed what contradicts itself */
	HEALING_LINK_DELAY,   /* milliseconds by which a link is slower than it has been */
	HEALING_RESTART,      /* times that a node came back lately without having said goodbye */
	HEALING_UNUSUAL,      /* bits by which its own past did not foresee it: a hint, no more */
	HEALING_N_KINDS,
};

enum healing_severity {
	HEALING_WARNING,
	HEALING_SERIOUS,
	HEALING_HINT, /* shown; nobody is told and nothing is done */
};

/* One value, of this host (subject 0), of a neighbour, or of a service. */
struct healing_reading {
	enum healing_kind kind;
	uint64_t subject; /* node id; of a service its number, from 1 */
	uint64_t about;	  /* delivery: the destination; else 0 */
	double value;	  /* NaN: it is not known */
	uint64_t at_us;	  /* when it was measured */
	uint32_t n_samples;
	float surprise; /* bits by which the learned detectors did not foresee it; NaN: no verdict
			 */
	const char *source; /* static text */
};

/* The lower end of a 95 % interval (Wilson 1927) for the share of n_lost among n_sent; 0 for 0. */
double healing_share_at_least(unsigned n_lost, unsigned n_sent);

enum healing_state {
	HEALING_EXPLAINING, /* its cause is asked for */
	HEALING_WAITING,    /* for its turn to act, or to try again */
	HEALING_INTENT,	    /* is being recorded */
	HEALING_ACTING,
	HEALING_PROBING, /* whether it helped */
	HEALING_UNDOING, /* it did not */
	HEALING_RESULT,	 /* is being recorded */
	HEALING_HEALED,	 /* and the repair is in force */
	HEALING_ENDING,	 /* the intent to take the repair back is being recorded */
	HEALING_RETURNING,
	HEALING_RETURNED,  /* its result is being recorded */
	HEALING_NOTED,	   /* a hint: nothing is done and nobody is told */
	HEALING_ESCALATED, /* told to a person: nothing more is done */
	HEALING_CLOSED,
	HEALING_N_STATES,
};

/* When an incident came into a state. */
struct healing_step {
	enum healing_state state;
	uint64_t at_us;
};

struct healing_incident {
	uint64_t id;
	enum healing_kind kind;
	uint64_t subject, about;
	enum healing_severity severity;
	enum healing_state state;
	uint64_t began_us; /* the first bad reading of the row that opened it */
	uint64_t opened_us;
	uint64_t explained_us; /* last; 0: not */
	uint64_t healed_us;    /* 0: not */
	uint64_t closed_us;    /* 0: not */
	uint64_t held_until_us;
	unsigned n_before; /* times the same key has had an incident lately */
	struct healing_reading evidence[HEALING_EVIDENCE_MAX]; /* the first, then the latest */
	size_t n_evidence;
	struct healing_step steps[HEALING_STEPS_MAX]; /* in their order */
	size_t n_steps;
	unsigned n_steps_left_out;
	struct healing_ranking causes; /* n == 0: not explained */
	enum mandate_remedy remedy;    /* planned or taken; MANDATE_N_REMEDIES: none */
	uint64_t action;	       /* number of the action, 0 none yet */
	unsigned attempt;
	bool is_confirmed;
	char why[HEALING_WHY_SIZE]; /* it stands as it does */
};

enum healing_order_type {
	HEALING_EXPLAIN, /* answer with healing_explained() */
	HEALING_RECORD,	 /* healing_recorded(), once it is durable or cannot be */
	HEALING_DO,	 /* healing_done() */
	HEALING_UNDO,	 /* healing_done() */
	HEALING_PROBE,	 /* healing_probed() */
	HEALING_TELL,	 /* a person; no answer is awaited */
};

struct healing_order {
	enum healing_order_type type;
	uint64_t ticket;
	const struct healing_incident *incident; /* borrowed until the next call */
	bool is_result;				 /* RECORD: of the result, not of the intent */
	bool is_return;	    /* it is about taking back a repair that has lasted its time */
	const char *result; /* RECORD of a result: what became of it */
};

/* What the shell answers to HEALING_EXPLAIN. */
struct healing_facts {
	struct healing_graph graph;
	bool is_possible[MANDATE_N_REMEDIES];	 /* its preconditions hold now */
	const char *why_not[MANDATE_N_REMEDIES]; /* static text */
};

struct healing;

/* first_id: of incidents and actions, such that none was used before. -ENOMEM. */
int healing_new(uint64_t first_id, uint64_t seed, struct healing **ret);
void healing_free(struct healing *h);
/* Ids from now on are greater than this one: it was found to be used. */
void healing_ids_after(struct healing *h, uint64_t last_id);

/* Copied. can_act false: nothing is done, whatever the mandates say; why, static text, says so. */
void healing_set_mandates(struct healing *h, const struct mandates *m);
void healing_set_power(struct healing *h, bool can_act, const char *why);

/* -ENODATA: not known, which neither opens nor closes anything; -ERANGE: a value that cannot be;
 * -ESTALE: too old, or of the future; -EALREADY: not newer than the last; -EINVAL; -ENOBUFS. */
int healing_input(struct healing *h, const struct healing_reading *r, uint64_t now_us);
/* unix_s: for the hours of mandates. */
void healing_tick(struct healing *h, uint64_t now_us, int64_t unix_s);
bool healing_next_order(struct healing *h, struct healing_order *ret, uint64_t now_us);

/* Answers; r is 0 or a negative errno, -EAGAIN for "not now". -ENOENT: no order of this kind waits
 * for this ticket. */
int healing_explained(struct healing *h, uint64_t ticket, const struct healing_facts *facts,
		      uint64_t now_us);
int healing_recorded(struct healing *h, uint64_t ticket, int r, uint64_t now_us);
int healing_done(struct healing *h, uint64_t ticket, int r, uint64_t now_us);
int healing_probed(struct healing *h, uint64_t ticket, int r, uint64_t now_us);

/* More is known of the causes by now, or other: they are ranked again, and what was planned or done
 * stays as it is. -ENOENT: no such incident that is open and was explained. */
int healing_refine(struct healing *h, uint64_t id, const struct healing_graph *graph,
		   uint64_t now_us);
/* When healing_tick() has something to do beside looking whether time is over; NEVER_US: nothing.
 */
uint64_t healing_deadline_us(const struct healing *h);

/* What would be done for an incident of this kind now: the remedy, or MANDATE_N_REMEDIES, and why
 * it or why none. Nothing is changed. */
enum mandate_remedy healing_simulate(const struct healing *h, enum healing_kind kind,
				     uint64_t subject, const struct healing_facts *facts,
				     uint64_t now_us, char ret_why[HEALING_WHY_SIZE]);

/* ---- views ---- */

/* How often it is worth looking. */
enum healing_mode {
	HEALING_OPTIMAL,  /* nothing unusual for a minute */
	HEALING_NORMAL,	  /* something was, lately */
	HEALING_DEGRADED, /* something is open, or may soon be */
	HEALING_CRITICAL, /* an action is under way, or three serious ones are open */
	HEALING_N_MODES,
};

enum healing_mode healing_mode(const struct healing *h, uint64_t now_us);
uint64_t healing_interval_us(enum healing_mode m);

/* From the newest to the oldest; start with *cursor = 0. */
const struct healing_incident *healing_next(const struct healing *h, uint64_t *cursor);
const struct healing_incident *healing_find(const struct healing *h, uint64_t id);

/* What the causes of an incident were found in; empty while it is not explained. NULL: no such one.
 */
const struct healing_graph *healing_graph_of(const struct healing *h, uint64_t id);

const char *healing_kind_name(enum healing_kind k);
int healing_kind_parse(const char *name, enum healing_kind *ret); /* -EINVAL */
const char *healing_kind_unit(enum healing_kind k);
double healing_opens_at(enum healing_kind k);
double healing_closes_at(enum healing_kind k);
const char *healing_state_name(enum healing_state s);
const char *healing_severity_name(enum healing_severity s);
const char *healing_mode_name(enum healing_mode m);

struct healing_counters {
	uint64_t readings, missing, refused, opened, left_out, healed, unconfirmed, escalated,
		intents, results, actions, undone, late_answers, denied, breaker_open;
	/* of opened not a part; confirmed: a rule found the same subject ill, meanwhile or soon */
	uint64_t hints, hints_left_out, hints_confirmed;
	struct {
		uint64_t n, sum_us; /* from the first bad reading to the confirmation */
	} healed_by[MANDATE_N_REMEDIES];
};

void healing_counters(const struct healing *h, struct healing_counters *ret);
