/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of what the node wants done: a ring of slots with room for a datagram each, whose bytes
 * are lent to who fetches them. */
#include "core/node/node_internal.h"

#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 64 /* and then doubled: always a power of two */
_Static_assert(NODE_ACTIONS_MAX <= SLOTS_MIN << SLOTS_GROWTHS_MAX, "a ring grows so often at most");

static uint8_t *bytes_of(const struct node *n, size_t slot)
{
	return n->slot_bytes + slot * n->datagram_max;
}

static void free_bytes(struct node *n, uint8_t *bytes, size_t n_slots)
{
	if (bytes)
		bytes_wipe(bytes, n_slots * n->datagram_max);
	free(bytes);
}

static void free_slots(struct node *n)
{
	if (n->slots)
		bytes_wipe(n->slots, n->n_slots * sizeof(*n->slots));
	free(n->slots);
}

/* What was handed out is read no more: all of it was, and here is the next call. */
static void end_lending(struct node *n)
{
	n->is_all_lent = false;
	n->lent_slots = 0;
	while (n->n_outgrown > 0) {
		n->n_outgrown--;
		free_bytes(n, n->outgrown[n->n_outgrown].bytes, n->outgrown[n->n_outgrown].n_slots);
	}
}

/* Those handed out lie before the first one. */
static bool grow_slots(struct node *n)
{
	size_t n_slots = n->n_slots ? 2 * n->n_slots : SLOTS_MIN;
	struct action_slot *slots;
	uint8_t *bytes;

	if (n->is_all_lent)
		end_lending(n);
	if (n->used_slots + n->lent_slots < n->n_slots)
		return true;
	if (n_slots > NODE_ACTIONS_MAX)
		return false;
	slots = malloc(n_slots * sizeof(*slots));
	bytes = malloc(n_slots * n->datagram_max);
	if (!slots || !bytes) {
		free(slots);
		free(bytes);
		return false;
	}
	assert(n->n_slots > 0 || n->used_slots == 0);
	for (size_t i = 0; i < n->used_slots; i++) {
		size_t from = (n->first_slot + i) & (n->n_slots - 1);

		slots[i] = n->slots[from];
		if (!slots[i].at)
			memcpy(bytes + i * n->datagram_max, bytes_of(n, from), slots[i].len);
	}
	if (n->lent_slots == 0) {
		free_bytes(n, n->slot_bytes, n->n_slots);
	} else {
		n->outgrown[n->n_outgrown].bytes = n->slot_bytes;
		n->outgrown[n->n_outgrown++].n_slots = n->n_slots;
	}
	free_slots(n);
	n->slots = slots;
	n->slot_bytes = bytes;
	n->n_slots = n_slots;
	n->first_slot = 0;
	n->lent_slots = 0;
	return true;
}

void actions_free(struct node *n)
{
	end_lending(n);
	free_bytes(n, n->slot_bytes, n->n_slots);
	free_slots(n);
}

/* A new action at the end of the queue with a copy of data; NULL when the queue is full, which
 * is counted: a datagram lost here is as if the network had lost it. */
struct node_action *node_act(struct node *n, enum node_action_type type, struct span data)
{
	uint8_t *room = data.len <= n->datagram_max ? node_room(n) : NULL;
	struct node_action *a;

	if (!room)
		return NULL;
	if (data.len > 0)
		memcpy(room, data.at, data.len);
	a = node_act_in_room(n, type, data.len);
	if (type != NODE_SEND && type != NODE_DELIVER) /* those two have fewer fields, all set */
		*a = (struct node_action){ .type = type };
	return a;
}

static struct action_slot *free_slot(struct node *n)
{
	return &n->slots[(n->first_slot + n->used_slots) & (n->n_slots - 1)];
}

/* Where the bytes of the next action go, datagram_max of them; NULL as in node_act(). */
uint8_t *node_room(struct node *n)
{
	if (!grow_slots(n)) {
		n->counters.actions_dropped++;
		return NULL;
	}
	return bytes_of(n, (n->first_slot + n->used_slots) & (n->n_slots - 1));
}

/* The action whose bytes lie in that room; nothing may be queued between the two. */
struct node_action *node_act_in_room(struct node *n, enum node_action_type type, size_t len)
{
	struct action_slot *slot = free_slot(n);

	n->used_slots++;
	slot->action.type = type;
	slot->at = NULL;
	slot->len = len;
	return &slot->action;
}

struct node_action *node_act_on_loan(struct node *n, enum node_action_type type, struct span data)
{
	struct action_slot *slot;

	if (!node_room(n))
		return NULL;
	slot = free_slot(n);
	n->used_slots++;
	slot->action.type = type;
	slot->at = data.at;
	slot->len = data.len;
	return &slot->action;
}

struct node_event *node_event(struct node *n, enum node_event_type type, uint64_t id)
{
	static struct node_event lost; /* written to when the queue is full, read by nobody */
	struct node_action *a = node_act(n, NODE_EVENT, (struct span){ 0 });
	struct node_event *e = a ? &a->event : &lost;

	*e = (struct node_event){ .type = type, .node_id = id };
	(void)node_name_of(n, id, e->name);
	return e;
}

bool node_next_action(struct node *n, struct node_action *ret)
{
	struct action_slot *slot;

	if (n->is_all_lent)
		end_lending(n);
	if (n->is_pump_due)
		node_pump(n);
	do {
		if (n->used_slots == 0) {
			n->is_all_lent = true;
			return false;
		}
		slot = &n->slots[n->first_slot];
		n->first_slot = (n->first_slot + 1) & (n->n_slots - 1);
		n->used_slots--;
		n->lent_slots++;
	} while (slot->action.type == NODE_ISSUE && !admit_fill(n, &slot->action.issue));
	if (slot->action.type == NODE_SEND || slot->action.type == NODE_DELIVER) {
		ret->type = slot->action.type;
		if (ret->type == NODE_SEND) {
			ret->endpoint = slot->action.endpoint;
			ret->class = slot->action.class;
			ret->is_control = slot->action.is_control;
			ret->traffic_class = slot->action.traffic_class;
			ret->dont_fragment = slot->action.dont_fragment;
		}
	} else {
		*ret = slot->action; /* with its event or request, longer than many a packet */
	}
	if (slot->len > 0)
		ret->data = SPAN(slot->at ? slot->at : bytes_of(n, (size_t)(slot - n->slots)),
				 slot->len);
	return true;
}

/* RFC 4594 section 3.1, where codepoints are shown at all. */
struct treatment node_control(const struct node *n)
{
	return (struct treatment){
		.class = CLASS_CRITICAL,
		.is_control = true,
		.traffic_class = n->copies_dscp ? DSCP_CS6 : 0,
	};
}

void node_send_datagram(struct node *n, const struct endpoint *to, struct span datagram)
{
	uint8_t *room = datagram.len <= n->datagram_max ? node_room(n) : NULL;

	if (!room)
		return;
	memcpy(room, datagram.at, datagram.len);
	(void)node_send_room(n, to, node_control(n), datagram.len);
}

static struct node_action *send_as(struct node *n, struct node_action *a, const struct endpoint *to,
				   struct treatment treatment, size_t len)
{
	a->endpoint = *to;
	a->class = treatment.class;
	a->is_control = treatment.is_control;
	a->traffic_class = treatment.traffic_class;
	a->dont_fragment = false;
	n->counters.datagrams_out++;
	n->counters.bytes_out += len;
	return a;
}

/* The datagram lies in node_room(). */
struct node_action *node_send_room(struct node *n, const struct endpoint *to,
				   struct treatment treatment, size_t len)
{
	return send_as(n, node_act_in_room(n, NODE_SEND, len), to, treatment, len);
}

void node_send_on_loan(struct node *n, const struct endpoint *to, struct treatment treatment,
		       struct span datagram)
{
	struct node_action *a = node_act_on_loan(n, NODE_SEND, datagram);

	if (a)
		(void)send_as(n, a, to, treatment, datagram.len);
}
