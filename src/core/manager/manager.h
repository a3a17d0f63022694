/* SPDX-License-Identifier: Apache-2.0 */
/* manager.h - the autonomic manager (MAPE-K) of one node: it looks at its node, lets core/healing
 * decide, does what concerns the node alone, and probes whether that helped (docs/healing.md).
 *
 * What it cannot know or do by itself is its caller's: readings of the host come in by
 * manager_set_host() and manager_say(); orders to record, to tell a person, and what concerns the
 * disk come out, and are answered to core/healing. The daemon and the simulator run the same one.
 * No clock, no file: time is a parameter. One thread, the node's. */
#pragma once

#include "base/cleanup.h"
#include "core/healing/healing.h"
#include "core/node/node.h"
#include "core/unusual/unusual.h"

#define MANAGER_WATCHED_MAX 64			  /* neighbours that are looked at */
#define MANAGER_PING_FIRST (UINT32_C(1) << 31)	  /* ids of its own node_ping() go up from here */
#define MANAGER_HOST_AGE_MAX_US UINT64_C(4000000) /* what is older says nothing of this host */

struct manager_config {
	struct node *node; /* kept */
	uint64_t first_id; /* of incidents and actions: none was used before */
	uint64_t seed;	   /* of what is left to chance */
	unsigned learn_s;  /* of core/unusual */
	/* Whether the caller has something of its own to give back to a full disk; else static text
	 * why not. NULL: it never has. */
	bool (*can_free_space)(void *arg, const char **ret_why_not);
	void *arg;
};

struct manager;

/* -EINVAL: learn_s; -ENOMEM. Nothing is done until healing_set_mandates() and healing_set_power().
 */
int manager_new(const struct manager_config *config, struct manager **ret);
void manager_free(struct manager *m);
DEFINE_FREEP(struct manager, manager_free)

/* The manager's; for mandates, answers, and views. */
struct healing *manager_healing(const struct manager *m);
struct unusual *manager_unusual(const struct manager *m);

/* What the caller knows of this host, by enum of core/unusual; NaN: not known. UNUSUAL_LINK_RTT is
 * not looked at: the manager knows it. */
struct manager_host {
	double values[UNUSUAL_N_HOST];
	uint64_t at_us;
	const char *cpu_source; /* static text */
};

void manager_set_host(struct manager *m, const struct manager_host *host);
/* A reading of the caller's; its surprise is filled in. What is refused is counted in healing. */
void manager_say(struct manager *m, struct healing_reading r, uint64_t now_us);

/* Reads what is due. True: all of it, and not deliveries alone. */
bool manager_look(struct manager *m, uint64_t now_us);
/* Goes on with probes, and lets core/healing go on; then its orders are to be fetched. */
void manager_turn(struct manager *m, uint64_t now_us, int64_t unix_s);
/* Carries out an order of healing_next_order(), and answers it, now or later. False: it is the
 * caller's: HEALING_RECORD, HEALING_TELL, and what is done and undone for REMEDY_FREE_SPACE. */
bool manager_obey(struct manager *m, const struct healing_order *o, uint64_t now_us);
/* Of the node: answers to probes are counted. */
void manager_event(struct manager *m, const struct node_event *e);
/* When to look and turn again; in the future. */
uint64_t manager_deadline_us(const struct manager *m, uint64_t now_us);

/* What is known of an incident, or one that is supposed: causes, and which remedies are possible.
 */
void manager_facts(const struct manager *m, const struct healing_incident *i, uint64_t now_us,
		   struct healing_facts *ret);
