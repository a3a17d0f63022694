/* SPDX-License-Identifier: Apache-2.0 */
/* networks_internal.h - what networks.c, which learns of networks, and networks_use.c, which is
 * asked about them, share. Private. */
#pragma once

#include "core/node/node_internal.h"

/* A node that hints that it offers something. */
struct offerer {
	uint64_t id;
	uint64_t hint; /* digest by its routing entry */
	uint64_t told; /* digest of the list */
	bool has_told;
	bool is_seen; /* while routes are walked */
	char spiffe_id[SPIFFE_ID_SIZE];
	size_t n;
	struct prefix list[NODE_OFFERS_MAX];
	uint64_t ask_us;
	uint64_t wait_us;
};

struct networks {
	struct node_networks config;
	struct prefix_table *own;      /* what we offer */
	struct prefix_table *accepted; /* of others */
	uint64_t exit;
	struct offerer *offerers[NODE_OFFERERS_MAX];
	size_t n_offerers;
	size_t n_unheard;     /* of them, who have not told anything */
	size_t n_left_out;    /* for want of room, when routes were walked last */
	size_t turn;	      /* where in the routing table the next walk begins */
	struct claim *claims; /* of others */
	size_t n_claims, claims_size;
	uint64_t stranger;
	unsigned choice; /* PREFIX_IPV4_CHOICES: all are taken */
	uint8_t address[16];
	uint64_t n_changes; /* of routes, as seen last */
	uint64_t due_us;    /* when to look at them; NEVER_US */
	uint64_t again_us;  /* or then; NEVER_US */
};

/* ---- networks.c ---- */
/* NULL: accepted. Else why not; *ret_is_choice where it is only that no exit was chosen. */
const char *networks_why_not(const struct node *n, const struct offerer *o, const struct prefix *p,
			     bool *ret_is_choice, char reason[POLICY_REASON_SIZE]);
uint32_t networks_metric_to(const struct node *n, uint64_t id);
/* Its list is not here, or not the one that its routing entry hints at. */
bool networks_is_awaited(const struct offerer *o);

/* ---- networks_use.c ---- */
/* Whether the address is of the overlay's own. */
bool networks_is_inside(const struct node *n, const uint8_t address[16]);
/* Whether it is this node's. */
bool networks_is_own(const struct node *n, const uint8_t address[16]);
/* What of ours covers the address. An exit is for the internet alone: networks beside it are to
 * be offered by themselves. */
const struct prefix_entry *networks_own_offer(const struct node *n, const uint8_t address[16]);
