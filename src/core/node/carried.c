/* SPDX-License-Identifier: Apache-2.0 */
/* Packet threads (core/carry) as the node sees them: what they may use, what they did, and what
 * they leave to it. */
#include <errno.h>
#include <stdlib.h>

#include "core/node/node_internal.h"

_Static_assert(NODE_LANES == WIRE_LANE_THREADS, "what the kernel is told of lanes");

#define STRAIGHT_AROUND (WIRE_HEADER_LEN + HOP_SHORT_LEN + AEAD_TAG_LEN)

int carried_begin(struct node *n, unsigned n_threads, const uint8_t hash_key[16])
{
	int r;

	if (n_threads > CARRY_THREADS_MAX)
		return -EINVAL;
	if (n_threads == 0)
		return 0;
	/* A longer one would lower what AES-GCM bears, for all threads (share.h). */
	if (n->datagram_max > SHARE_PACKET_MAX)
		return -EMSGSIZE;
	n->n_threads = n_threads;
	n->ways = calloc(NODE_PEERS_MAX, sizeof(*n->ways));
	r = n->ways ? marks_new(hash_key, &n->marks) : -ENOMEM;
	flows_watch(n->flows, n->marks);
	return r;
}

void carried_end(struct node *n)
{
	marks_free(n->marks);
	free(n->ways);
}

/* ---- what they may use ---- */

/* Inner packets up to this go straight to the neighbour, whole; as path_send() decides. */
static unsigned packet_max(const struct node *n, const struct peer *p)
{
	uint64_t next = routes_next_hop(n->routes, p->id);
	unsigned most = n->mtu_bytes;

	if (link_state(p->neighbour->link) != LINK_UP || (next && next != p->id) ||
	    !session_can_send(p->direct->keys, n->now_us))
		return 0;
	if (p->told_mtu && n->now_us < p->told_until_us)
		most = (unsigned)min_u64(most, p->told_mtu);
	return (unsigned)min_u64(most, pmtu_size(&p->neighbour->pmtu) - STRAIGHT_AROUND);
}

static size_t fill_ways(struct node *n)
{
	size_t cursor = 0, at = 0;
	const struct peer *p;

	while ((p = map_next(n->peers, &cursor))) {
		struct carry_way *w = &n->ways[at];

		if (!p->direct || !p->neighbour)
			continue;
		*w = (struct carry_way){ .id = p->id, .at = p->neighbour->roam.current };
		if (!session_share(p->direct->keys, n->now_us, &w->shares[0], &w->shares[1]))
			continue;
		memcpy(w->address, p->address, sizeof(w->address));
		w->packet_max = packet_max(n, p);
		at++;
	}
	return at;
}

int node_carry_table(struct node *n, const struct carry_table *before, uint64_t now_us,
		     struct carry_table **ret)
{
	struct carry_self self = {
		.prefix_len = OVERLAY_PREFIX_LEN,
		.datagram_max = n->datagram_max,
		.copies_dscp = n->copies_dscp,
		.marks = n->marks,
	};
	size_t n_ways;
	int r = -EALREADY;

	n->now_us = now_us;
	memcpy(self.address, n->address, sizeof(self.address));
	n_ways = fill_ways(n);
	if (!before || !carry_table_is_of(before, n->ways, n_ways))
		r = carry_table_new(n->ways, n_ways, &self, ret);
	for (size_t i = 0; i < n_ways; i++)
		for (unsigned s = 0; s < 2; s++)
			share_unref(n->ways[i].shares[s]);
	return r;
}

uint64_t node_carry_version(const struct node *n)
{
	return n->sessions_version + n->ways_version;
}

/* ---- what they did ---- */

/* What was sent first, so that what came answers it. */
static bool collect(struct node *n, struct peer *p, struct node_session *s)
{
	struct share_report r;

	session_collect(s->keys, n->now_us, &r);
	if (r.sent > 0) {
		s->spoke_us = n->now_us;
		s->owes_us = NEVER_US;
		if (s->unanswered_us == NEVER_US)
			s->unanswered_us = n->now_us;
		p->sent_bytes += r.sent_bytes;
		p->sent_packets += r.sent;
		if (p->neighbour)
			link_sent(p->neighbour->link, r.sent_bytes, true, n->now_us);
	}
	if (r.has_sent_long && p->neighbour)
		pmtu_sent_long(&p->neighbour->pmtu);
	if (r.received > 0) {
		p->received_bytes += r.received_bytes;
		p->received_packets += r.received;
		if (p->neighbour && link_carried(p->neighbour->link, r.expected, r.received,
						 r.received_bytes, true, n->now_us))
			neighbour_changed(n, p);
		session_heard(n, s, true);
	}
	if (r.sent || r.received || r.e2e_sent || r.e2e_received || r.forged)
		peer_touch(n, p);
	return r.sent || r.received || r.forged;
}

bool node_carry_collect(struct node *n, uint64_t now_us)
{
	bool is_active = false;
	size_t cursor = 0;
	struct peer *p;

	n->now_us = now_us;
	while ((p = map_next(n->peers, &cursor)))
		for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
			if (p->sessions[i] && p->sessions[i]->is_direct)
				is_active |= collect(n, p, p->sessions[i]);
	if (is_active)
		node_pump(n);
	return is_active;
}

/* ---- what they leave to the node ---- */

void node_input_opened(struct node *n, const struct endpoint *from, uint8_t traffic_class,
		       uint32_t index, bool is_newest, uint8_t *inner, size_t len, uint64_t now_us)
{
	struct node_session *s = session_at(n, index);

	n->now_us = now_us;
	if (!s || !s->is_direct || !s->peer || !s->peer->neighbour) {
		n->counters.unknown_index++; /* it was dropped meanwhile */
		return;
	}
	n->arrived = traffic_class;
	n->may_wait = true;
	n->loan = inner;
	n->loan_len = len;
	path_opened(n, s, from, SPAN(inner, len),
		    is_newest && session_index_is_current(s->keys, index));
	n->loan = NULL;
	if (n->may_wait)
		node_pump_later(n);
	else
		node_pump(n);
}

/* ---- which flows they may carry ---- */

void carried_mark(struct node *n, enum mark_direction d, const struct inner *i)
{
	if (n->marks && !i->is_ipv4 && i->has_ports)
		marks_put(n->marks, d, i, n->now_us);
}

void carried_forget_flows(struct node *n)
{
	flows_forget(n->flows);
	n->fragments = (struct fragments){ 0 };
	if (n->marks)
		marks_clear(n->marks);
}
