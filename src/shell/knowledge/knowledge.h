/* SPDX-License-Identifier: Apache-2.0 */
/* knowledge.h - what became of incidents: their evidence, causes, actions and outcomes, and how
 * often an action has worked against a cause. A database (SQLite) in the state directory; the only
 * room that names libsqlite3.
 *
 * It blocks on the disk: off the loop, from any thread; a mutex makes one call wait for another.
 * What is put is there after a crash of the process; after a power cut the last seconds may be
 * missing, never half of an incident. Errors are negative errnos: -ENOSPC no room, -EIO the disk
 * would not (nothing has changed after either), -EUCLEAN the file is damaged, -ETIMEDOUT a search
 * took too long. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWLEDGE_FILE "knowledge.db"
#define KNOWLEDGE_SPARE "knowledge.db-spare" /* room for what a full disk needs to delete: */
#define KNOWLEDGE_SPARE_BYTES (2U << 20)
#define KNOWLEDGE_INCIDENTS_MAX 10000 /* the oldest that are closed go first */
#define KNOWLEDGE_BYTES_MAX (64U << 20)
#define KNOWLEDGE_KEEP 256 /* incidents that knowledge_shrink() leaves, and all that are open */
#define KNOWLEDGE_EVIDENCE_MAX 16
#define KNOWLEDGE_CAUSES_MAX 8
#define KNOWLEDGE_ACTIONS_MAX 16
#define KNOWLEDGE_RATES_MAX 1024 /* pairs of cause and action; more are not counted */
#define KNOWLEDGE_ASIDE_MAX 3	 /* damaged files that are kept; then somebody has to look */
#define KNOWLEDGE_NAME_SIZE 48
#define KNOWLEDGE_SUBJECT_SIZE 96
#define KNOWLEDGE_TEXT_SIZE 200
#define KNOWLEDGE_QUERY_MAX 256 /* bytes of a search; what is beyond is not looked at */
#define KNOWLEDGE_WORDS_MAX 16	/* of it */

struct knowledge_evidence {
	char signal[KNOWLEDGE_NAME_SIZE];
	char subject[KNOWLEDGE_SUBJECT_SIZE];
	char source[KNOWLEDGE_NAME_SIZE];
	double value; /* NAN: it was missing */
	int64_t unix_ms;
};

struct knowledge_cause { /* the likeliest first */
	char kind[KNOWLEDGE_NAME_SIZE];
	char subject[KNOWLEDGE_SUBJECT_SIZE];
	double confidence; /* 0 to 1 */
};

enum knowledge_outcome {
	KNOWLEDGE_PENDING,     /* under way */
	KNOWLEDGE_CONFIRMED,   /* a probe has shown that it helped */
	KNOWLEDGE_UNCONFIRMED, /* done, and no probe has: counts as failed */
	KNOWLEDGE_FAILED,      /* could not be done */
	KNOWLEDGE_N_OUTCOMES,
};

struct knowledge_action {
	uint64_t id; /* of its own, 1 to INT64_MAX */
	char action[KNOWLEDGE_NAME_SIZE];
	char subject[KNOWLEDGE_SUBJECT_SIZE];
	char cause_kind[KNOWLEDGE_NAME_SIZE]; /* what it was to help against */
	char result[KNOWLEDGE_TEXT_SIZE];
	enum knowledge_outcome
		outcome;	    /* the first that is not pending counts in the rates, once */
	int64_t began_ms, ended_ms; /* 0: not */
};

/* Texts are cut where they are longer; all of them UTF-8. */
struct knowledge_incident {
	uint64_t id; /* 1 to INT64_MAX, later ones greater */
	char key[KNOWLEDGE_SUBJECT_SIZE];
	char kind[KNOWLEDGE_NAME_SIZE];
	char subject[KNOWLEDGE_SUBJECT_SIZE];
	char state[KNOWLEDGE_NAME_SIZE];
	char why[KNOWLEDGE_TEXT_SIZE];
	unsigned severity;	      /* greater is worse */
	int64_t opened_ms, closed_ms; /* unix; 0: it is open */
	size_t n_evidence, n_causes, n_actions;
	struct knowledge_evidence evidence[KNOWLEDGE_EVIDENCE_MAX];
	struct knowledge_cause causes[KNOWLEDGE_CAUSES_MAX];
	struct knowledge_action actions[KNOWLEDGE_ACTIONS_MAX];
};

struct knowledge;

/* For people. text says what is wrong; aside, what was done about a damaged file: it was renamed,
 * and an empty database begun. "" where there is nothing to say. */
struct knowledge_notice {
	char text[512];
	char aside[512];
};

/* KNOWLEDGE_FILE in this directory, made where it is missing (mode 0600), brought to the version of
 * this program, and checked whole. -EBUSY: another process has it; -EPROTO: it is of a later
 * version, or not ours; -EUCLEAN: damaged, and KNOWLEDGE_ASIDE_MAX have been set aside already. */
int knowledge_open(const char *directory, struct knowledge **ret,
		   struct knowledge_notice *ret_notice);
void knowledge_close(struct knowledge *k);

/* Deletes all that is kept there, damaged ones too; nobody may have it open. 0 also where there was
 * nothing. */
int knowledge_remove(const char *directory);

/* Fewer than are allowed, for tests and small disks: 1 to KNOWLEDGE_INCIDENTS_MAX. */
void knowledge_bound(struct knowledge *k, size_t n_incidents);

/* Puts the whole incident in the place of what there was of it; actions that are no longer in it
 * stay. -EINVAL for an id or a count out of range; -ESTALE for one that was pruned. */
int knowledge_put_incident(struct knowledge *k, const struct knowledge_incident *i);
/* Those left open by a process that ended: they get this state and are closed. How many. */
int knowledge_abandon_open(struct knowledge *k, int64_t unix_ms, const char *state, size_t *ret_n);

/* Bytes on the disk, of the file and its log. */
int knowledge_size(const char *directory, uint64_t *ret_bytes);
/* The disk is full: the oldest incidents that are closed go, beyond KNOWLEDGE_KEEP, and what that
 * leaves free is given back. Rates stay. It ends after some five seconds, with what is done by
 * then. A file that a version before this one began is not shortened; its log is. 0 also where
 * nothing could be given back. */
int knowledge_shrink(struct knowledge *k);

/* The greatest id of an incident or action there ever was; 0: none. */
int knowledge_last_id(struct knowledge *k, uint64_t *ret);
int knowledge_count(struct knowledge *k, size_t *ret_all, size_t *ret_open);
/* -ENOENT */
int knowledge_get(struct knowledge *k, uint64_t id, struct knowledge_incident *ret);

struct knowledge_search {
	const char *text;   /* all its words must begin one of the incident's; NULL: any */
	const char *kind;   /* NULL: any */
	int64_t since_ms;   /* opened then or later */
	uint64_t before_id; /* the last one of the page before; 0: from the newest on */
	size_t n_max;
};

/* The newest first, without evidence, causes and actions (their counts are 0). A text without any
 * word finds nothing. */
int knowledge_find(struct knowledge *k, const struct knowledge_search *s,
		   struct knowledge_incident *ret, size_t *ret_n);

struct knowledge_rate {
	char cause_kind[KNOWLEDGE_NAME_SIZE];
	char action[KNOWLEDGE_NAME_SIZE];
	uint64_t n_tried, n_worked;
	double low, high; /* 95 % bounds of the share that works: knowledge_bounds() */
};

/* Of one kind of cause, or of all (NULL); outlives the incidents. */
int knowledge_rates(struct knowledge *k, const char *cause_kind, struct knowledge_rate *ret,
		    size_t n_max, size_t *ret_n);
/* Wilson's interval (1927) for a share, 95 %; 0 and 1 where nothing was tried. */
void knowledge_bounds(uint64_t n_worked, uint64_t n_tried, double *ret_low, double *ret_high);

/* ---- from the loop ---- */

struct loop;

#define KNOWLEDGE_WAITING_MAX                                              \
	64 /* incidents; of one that waits already only the newest is kept \
	    */

/* Puts incidents on the work queue, one after the other in their order. */
struct knowledge_writer;

/* error: of the last put, 0 if it went well; called on the loop when that changes. */
typedef void knowledge_writer_handler(void *arg, int error);

/* k is borrowed, and must be closed after loop_free(). -ENOMEM. */
int knowledge_writer_new(struct loop *l, struct knowledge *k, knowledge_writer_handler *handler,
			 void *arg, struct knowledge_writer **ret);
/* What waits is written first, at the latest in loop_free(). */
void knowledge_writer_free(struct knowledge_writer *w);
/* Copied. -ENOBUFS: KNOWLEDGE_WAITING_MAX others wait; -ENOMEM. */
int knowledge_writer_put(struct knowledge_writer *w, const struct knowledge_incident *i);
