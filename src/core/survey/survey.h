/* SPDX-License-Identifier: Apache-2.0 */
/* survey.h - what the nodes of the zone say of their own links, while somebody looks at this node
 * (docs/survey.md).
 *
 * A node knows its own links and its routes, no more. So who is looked at asks each node that it
 * reaches, and each of these tells its links at once, again a tenth of a second after they changed,
 * and else every two seconds, for as long as it is asked again. Nobody looks: nobody asks, nobody
 * tells, and nothing is kept. Both ends of a link tell what they see of it.
 *
 * It sends nothing itself: it says what to send to whom, inside a session. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SURVEY_NODES_MAX 256 /* that are asked: the nearest */
#define SURVEY_LINKS_MAX \
	64 /* of one node that are told: the first; how many there are is told too */
#define SURVEY_LINKS_PART 16		  /* of them in one message */
#define SURVEY_PARTS_MAX 4		  /* messages of one report */
#define SURVEY_WATCHERS_MAX 32		  /* who are told at one time; more are refused */
#define SURVEY_VERSION_SIZE 24		  /* of the program's version, with its NUL */
#define SURVEY_LOOK_US UINT64_C(10000000) /* somebody looks until so long after he asked */
#define SURVEY_LEASE_US UINT64_C(8000000) /* a question counts so long */
#define SURVEY_RENEW_US UINT64_C(3000000) /* and is asked again so often */
#define SURVEY_RETRY_US UINT64_C(500000)  /* or so soon while there is no answer, then doubling */
#define SURVEY_TELL_US UINT64_C(2000000)  /* from one report to the next while nothing changes */
#define SURVEY_SETTLE_US UINT64_C(50000)  /* changes so close together are told together */
#define SURVEY_SPACE_US UINT64_C(100000)  /* between two reports to one node, at least */
#define SURVEY_AGAIN 2 /* a change is told so often again, as a report may be lost: */
#define SURVEY_AGAIN_US UINT64_C(250000)   /* on the very way that has just failed */
#define SURVEY_SILENT_US UINT64_C(5000000) /* a node whose last report is older is silent */
#define SURVEY_SAMPLE_US UINT64_C(900000)  /* rates are over at least this */
#define SURVEY_MESSAGES_PER_SECOND 256	   /* of a node, questions and reports together */
#define SURVEY_REFUSALS_PER_SECOND 64	   /* of them; who asks beyond that is not answered */
#define SURVEY_MESSAGE_MAX 1024

/* One link, as the node at one end of it sees it. */
struct survey_link {
	uint64_t id;   /* of the node at the other end */
	uint8_t state; /* enum link_state, of core/link */
	uint8_t class; /* enum link_class */
	bool is_ipv4;  /* what carries it; else IPv6 */
	uint32_t rtt_us, jitter_us, loss_ppm;
	uint64_t sent_bytes, received_bytes, sent_bps, received_bps;
};

/* ---- messages ---- */

enum survey_status {
	SURVEY_TOLD,   /* these are the links */
	SURVEY_DENIED, /* the policy does not let it be asked by us */
	SURVEY_FULL,   /* it tells as many as it can already */
	SURVEY_N_STATUSES,
};

/* One message of a report: links part * SURVEY_LINKS_PART and on. */
struct survey_part {
	enum survey_status status;
	uint32_t epoch;	   /* of the node that tells: another once it has started again */
	uint32_t sequence; /* of the report: later ones are greater */
	uint32_t uptime_s; /* 0 and "" where nothing is told */
	char version[SURVEY_VERSION_SIZE];
	uint16_t n_all; /* links that there are */
	size_t n_told;	/* in the whole report */
	size_t part;
	size_t n;
	struct survey_link links[SURVEY_LINKS_PART];
};

/* -EBADMSG: cut short, too long, or another version of this; -EPROTO: values that cannot be. */
int survey_part_decode(struct span body, struct survey_part *ret);
size_t survey_part_encode(const struct survey_part *p, uint8_t ret[SURVEY_MESSAGE_MAX]);

#define SURVEY_ASK_LEN 2
#define SURVEY_ASK_NOW 1 /* flag: there is no report yet, or none any more */
/* The flags. -EBADMSG, -EPROTO: unknown ones. */
int survey_ask_decode(struct span body, unsigned *ret_flags);

/* ---- the survey ---- */

struct survey;

/* epoch: of this boot. version is copied, and cut where it is too long. -ENOMEM. */
int survey_new(uint64_t self, uint32_t epoch, const char *version, uint64_t start_us,
	       struct survey **ret);
void survey_free(struct survey *s);

/* Somebody looks at this node. */
void survey_look(struct survey *s, uint64_t now_us);
bool survey_is_looked_at(const struct survey *s, uint64_t now_us);
/* Whether anybody, here or elsewhere, wants to know of this node's links; else the two calls below
 * are not needed. */
bool survey_is_wanted(const struct survey *s, uint64_t now_us);
/* Who is to be asked: all that is reachable, at most SURVEY_NODES_MAX of it, the nearest first.
 * is_all: nobody was left out. */
void survey_set_nodes(struct survey *s, const uint64_t *ids, size_t n, bool is_all,
		      uint64_t now_us);
/* This node's own links as they are now, the first n of n_all; rates are found out here. */
void survey_set_links(struct survey *s, const struct survey_link *links, size_t n, size_t n_all,
		      uint64_t now_us);

/* A question came. Refused ones are answered too, so many a second. -EBADMSG, -EPROTO. */
int survey_asked(struct survey *s, uint64_t from, struct span body, bool is_allowed,
		 uint64_t now_us);
/* A report, or part of it. -ENOENT: it was not asked for; -EBADMSG, -EPROTO. */
int survey_told(struct survey *s, uint64_t from, struct span body, uint64_t now_us);
void survey_tick(struct survey *s, uint64_t now_us);
uint64_t survey_deadline_us(const struct survey *s, uint64_t now_us);

struct survey_message {
	uint64_t to;
	bool is_report; /* else a question */
	size_t len;
	uint8_t body[SURVEY_MESSAGE_MAX];
};

/* What is due, until false; ask after each call above. */
bool survey_next_message(struct survey *s, struct survey_message *ret, uint64_t now_us);

/* ---- what is known ---- */

/* Grows when a link or a node came, went, or is in another state or class than before. */
uint64_t survey_version(const struct survey *s);
bool survey_has_all(const struct survey *s); /* nobody was left out for want of room */

enum survey_state {
	SURVEY_AWAITED, /* asked, no answer yet */
	SURVEY_ANSWERS,
	SURVEY_SILENT,
	SURVEY_REFUSES, /* it answers that it does not tell; see status */
};

struct survey_view {
	uint64_t id;
	enum survey_state state;
	enum survey_status status;
	uint64_t told_us; /* 0: never */
	uint32_t uptime_s;
	const char *version;
	size_t n_all;
	size_t n_links;
	const struct survey_link *links; /* borrowed until the next call on the survey */
};

/* Walks those asked; start with *cursor = 0. */
bool survey_next(const struct survey *s, size_t *cursor, uint64_t now_us, struct survey_view *ret);
/* This node's own, as it would tell them. */
void survey_own(const struct survey *s, uint64_t now_us, struct survey_view *ret);
size_t survey_n_watchers(const struct survey *s, uint64_t now_us);
