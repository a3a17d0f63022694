/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from a peer by several ways: reported to it, put in order, copies told from replays.
 */
#include "core/node/spread_internal.h"

/* How a held packet had come, for its ECN mark. */
static uint32_t tag_of(const struct node *n)
{
	return n->arrived;
}

static void hand_on(struct node *n, struct spread *sp)
{
	uint8_t arrived = n->arrived;
	struct span packet;
	uint32_t tag;

	while (resequence_next(sp->order, n->now_us, &packet, &tag)) {
		n->arrived = (uint8_t)tag;
		path_deliver(n, sp->peer, packet);
	}
	n->arrived = arrived;
}

static void count(struct node *n, struct spread *sp)
{
	struct resequence_counters c;

	resequence_counters(sp->order, &c);
	n->counters.reordered += c.held - sp->told.held;
	n->counters.reordered_late += c.late - sp->told.late;
	n->counters.reordered_lost += c.lost - sp->told.lost;
	sp->told = c;
}

/* Labelled bulk says that numbers may come out of order. */
static void begin_order(struct node *n, struct spread *sp)
{
	sp->ordered_us = n->now_us;
	if (!sp->order)
		(void)resequence_new((size_t)max_u64(n->mtu_bytes, FORWARD_MTU_DEFAULT),
				     &sp->order);
}

/* One of two that left their labels on the way is a copy all the same. */
static bool is_copy(struct node *n, const struct peer *p, const struct wire_hop *hop,
		    enum session_verdict v)
{
	if (v != SESSION_REPLAYED || hop->class != CLASS_CRITICAL || !p->spread)
		return false;
	n->counters.copies_removed++;
	return true;
}

/* A relay can put labels on what it carries of anybody: half of the places are for those that this
 * node itself sends to. */
static bool is_full_of_heard(const struct node *n)
{
	size_t count = 0;

	for (size_t i = 0; i < n->n_spreads; i++)
		count += n->spreads[i]->wanted_us == 0;
	return count >= NODE_SPREADS_MAX / 2;
}

bool spread_heard(struct node *n, struct peer *p, const struct wire_hop *hop, size_t len,
		  enum session_verdict v)
{
	bool is_bulk = hop->e2e_lane == LANE_PACKETS;
	struct spread *sp;

	if (!hop->is_labelled || (v != SESSION_OPENED && v != SESSION_REPLAYED))
		return is_copy(n, p, hop, v);
	if (!p->spread && is_full_of_heard(n))
		return false;
	sp = spread_make(n, p);
	if (!sp)
		return false;
	sp->used_us = n->now_us;
	inlet_heard(&sp->inlet, hop->flow_hash, is_bulk ? REPORT_BULK : REPORT_URGENT,
		    hop->e2e_sequence, len, n->now_us);
	n->deadline_is_known = false;
	if (is_bulk)
		begin_order(n, sp);
	spread_in_tick(n, sp);
	return is_copy(n, p, hop, v);
}

bool spread_orders(const struct peer *p, const struct wire_hop *hop)
{
	return p->spread && p->spread->order && hop->e2e_lane == LANE_PACKETS;
}

/* Numbers begin anew under new keys; what is late under those before goes on at once. */
static bool is_of_now(struct node *n, struct spread *sp, uint32_t index)
{
	if (index == sp->index)
		return true;
	if (index == sp->index_before)
		return false;
	resequence_restart(sp->order);
	hand_on(n, sp);
	inlet_new_keys(&sp->inlet);
	sp->index_before = sp->index;
	sp->index = index;
	return true;
}

void spread_order(struct node *n, struct peer *p, const struct wire_hop *hop, struct span packet)
{
	struct spread *sp = p->spread;

	if (!is_of_now(n, sp, hop->e2e_index)) {
		path_deliver(n, p, packet);
		return;
	}
	resequence_expect(sp->order, hop->e2e_sequence);
	hand_on(n, sp);
	if (resequence_input(sp->order, hop->e2e_sequence, packet, tag_of(n), n->now_us))
		path_deliver(n, p, packet);
	resequence_lost_below(sp->order, inlet_floor(&sp->inlet, n->now_us));
	hand_on(n, sp);
	count(n, sp);
	n->deadline_is_known = false;
}

static void tell(struct node *n, struct spread *sp, const struct report *r)
{
	uint8_t message[2 + REPORT_LEN_MAX] = { PLAIN_SESSION, SESSION_MESSAGE_REPORT };
	size_t len = 2 + report_encode(r, message + 2);

	if (sp->peer->e2e && session_can_send(sp->peer->e2e->keys, n->now_us))
		(void)path_send_session(n, sp->peer->e2e, SPAN(message, len));
}

void spread_in_tick(struct node *n, struct spread *sp)
{
	struct report r;

	if (inlet_report(&sp->inlet, n->now_us, &r))
		tell(n, sp, &r);
	if (!sp->order)
		return;
	hand_on(n, sp);
	count(n, sp);
	if (n->now_us < sp->ordered_us + SPREAD_ORDERS_US)
		return;
	resequence_restart(sp->order);
	hand_on(n, sp);
	resequence_free(sp->order);
	sp->order = NULL;
	sp->told = (struct resequence_counters){ 0 };
}

uint64_t spread_in_deadline_us(const struct spread *sp)
{
	uint64_t at = sp->inlet.due_us ? sp->inlet.due_us : NEVER_US;

	if (!sp->order)
		return at;
	at = min_u64(at, sp->ordered_us + SPREAD_ORDERS_US);
	return min_u64(at, resequence_deadline_us(sp->order));
}
