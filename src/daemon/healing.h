/* SPDX-License-Identifier: Apache-2.0 */
/* healing.h - what the files of healing share: core/manager with a clock, a ledger, and what is
 * known of this host. Inside the daemon only. */
#pragma once

#include "core/manager/manager.h"
#include "daemon/daemon_internal.h"
#include "shell/knowledge/knowledge.h"

struct host;
struct host_service;
struct host_services;

struct healing_loop {
	struct daemon *daemon;
	struct manager *manager;
	struct healing *core; /* the manager's */
	struct loop_timer *timer;
	struct mandates mandates;
	char mandates_why[MANDATES_WHY_SIZE]; /* the file was refused; "" it was not */
	char mandates_path[CONFIG_TEXT_SIZE + 16];
	struct {
		uint64_t id;
		enum healing_state state;
		uint64_t explained_us;
	} told[HEALING_INCIDENTS_MAX];
	uint64_t cycle_us; /* how long the last cycle took */
	uint64_t n_cycles, cycles_us;
	struct host *host;		/* NULL: out of memory */
	struct host_services *services; /* NULL: none, or they cannot be asked */
	uint64_t host_us;		/* the host was looked at */
	struct healing_past *past;	/* NULL: nothing is kept */
};

/* healing_host.c: this host, and the services that the configuration names */
void healing_host_begin(struct healing_loop *l);
void healing_host_end(struct healing_loop *l);
void healing_read_host(struct healing_loop *l, uint64_t now_us);
/* The service of an incident; false where i is of another kind. */
bool healing_service(const struct healing_loop *l, uint64_t subject, struct host_service *ret);

/* healing_unusual.c: the learned detectors, as seen from outside */
/* That in force; the best of any subject. */
const char *healing_detectors_mode(const struct healing_loop *l);
json_t *healing_detectors_json(const struct healing_loop *l);

/* notices.c: a person is told of an incident that is escalated or healed */
void notices_incident(struct healing_loop *l, const struct healing_incident *i);

/* Lets the core go on, obeys it, and tells what changed; after each answer that comes later. */
void healing_turn(struct healing_loop *l);

/* healing_record.c: intents and results to the ledger; healing_recorded() answers, now or later. */
void healing_record(struct healing_loop *l, const struct healing_order *o);

/* healing_knowledge.c: what became of incidents, beyond the end of this process */
/* Opens the database on the work queue; those left open before are closed as abandoned. The feature
 * knowledge says how that went. */
void healing_past_begin(struct healing_loop *l);
void healing_past_stop(
	struct healing_loop *l);	       /* before loop_free(): what waits is written there */
void healing_past_end(struct healing_loop *l); /* after it */
void healing_past_put(struct healing_loop *l, const struct healing_incident *i);
/* Before an order is obeyed: actions and their outcomes are known from these. */
void healing_past_note(struct healing_loop *l, const struct healing_order *o);

/* Whether there is anything of ours to give back to a full disk; else static text why not. */
bool healing_past_can_shrink(const struct healing_loop *l, const char **ret_why_not);
/* Off the loop; healing_done() follows. -EAGAIN: not now. */
int healing_past_shrink(struct healing_loop *l, uint64_t ticket);

#define HEALING_LIST_MAX 200 /* incidents of one answer */

enum healing_question {
	HEALING_ASK_FIND,
	HEALING_ASK_GET,
	HEALING_ASK_RATES,
};

struct healing_ask {
	enum healing_question what;
	uint64_t request;
	/* find */
	char text[KNOWLEDGE_QUERY_MAX + 1], kind[KNOWLEDGE_NAME_SIZE]; /* "": any */
	int64_t since_ms;
	size_t n_max;
	uint64_t id; /* get */
	/* the answer */
	int result;
	size_t n;
	struct knowledge_incident *incidents;
	struct knowledge_rate *rates;
};

/* Copied; healing_answer() comes later, on the loop. -EAGAIN: it is being opened; -ENODEV: there is
 * no database; -ENOBUFS: too many wait; -ENOMEM. */
int healing_past_ask(struct healing_loop *l, const struct healing_ask *a);
/* healing_past.c */
void healing_answer(struct healing_loop *l, const struct healing_ask *a);

/* healing_views.c */
bool healing_is_off(struct daemon *d, uint64_t request); /* and was answered so */
json_t *healing_incident_json(const struct healing_loop *l, const struct healing_incident *i,
			      bool is_whole);
void healing_vertex_name(const struct daemon *d, const struct healing_vertex *v, char *ret,
			 size_t size);
void healing_name(const struct daemon *d, uint64_t id, char ret[NODE_NAME_MAX + 1]);
