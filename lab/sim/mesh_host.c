/* SPDX-License-Identifier: Apache-2.0 */
/* What a node does between its cores, as core/node does it with sessions: sessions are set up,
 * probes and streams sent, links told to the routing table, records carried. */
#include <errno.h>
#include <stdlib.h>

#include "core/origin/origin.h"
#include "core/watch/watch.h"
#include "sim/mesh_world.h"

#define LANE_OF_STREAM 2 /* as core/node: control overtakes payload */
#define LANE_OF_PROBES 1
#define ASK_MIN_US MS(250)
#define ASK_MAX_US SECONDS(10)
#define ASK_WHEN_DOWN_US SECONDS(1)

enum link_state mesh_end_state(const struct mesh_end *e)
{
	return e->session && e->link ? link_state(e->link) : LINK_DOWN;
}

/* ---- timers ---- */

void mesh_arm(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	uint64_t due = e->ask_us;

	if (e->session)
		due = min_u64(due,
			      min_u64(link_deadline_us(e->link), stream_deadline_us(e->stream)));
	due = max_u64(due, m->now_us + 1);
	if (due >= e->armed_us && e->armed_us > m->now_us)
		return; /* that one will look again */
	e->armed_us = due;
	if (due != NEVER_US)
		mesh_push(m,
			  (struct mesh_event){ .at_us = due, .type = MESH_END_TIMER, .what = end });
}

static void arm_host(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	uint64_t due = min_u64(routes_deadline_us(h->routes), reach_deadline_us(h->reach));

	due = min_u64(due, watch_deadline_us(h->watch));
	if (h->origins)
		due = min_u64(due, origins_deadline_us(h->origins));
	due = max_u64(due, m->now_us + 1);

	if (due >= h->armed_us && h->armed_us > m->now_us)
		return;
	h->armed_us = due;
	if (due != NEVER_US)
		mesh_push(m, (struct mesh_event){ .at_us = due,
						  .type = MESH_HOST_TIMER,
						  .what = (uint32_t)node });
}

/* ---- sending ---- */

void mesh_send_plain(struct mesh *m, uint32_t end, enum mesh_kind kind, unsigned lane,
		     const uint8_t *bytes, size_t len)
{
	struct mesh_end *e = mesh_end(m, end);
	struct mesh_datagram *d = mesh_datagram(kind, len);

	memcpy(d->bytes, bytes, len);
	d->session = e->session;
	d->lane = (uint8_t)lane;
	d->sequence = link_next_sequence(e->link, lane);
	link_sent(e->link, len + MESH_OVERHEAD, false, m->now_us);
	mesh_transmit(m, end, d, len + MESH_OVERHEAD);
}

static void send_probes(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	uint8_t probe[LINK_PROBE_LEN];

	while (e->session && link_next_probe(e->link, m->now_us, probe))
		mesh_send_plain(m, end, MESH_PROBE, LANE_OF_PROBES, probe, sizeof(probe));
}

static void send_stream(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	uint8_t packet[STREAM_PACKET_MAX];
	size_t len;

	if (e->session)
		mesh_origin_serve(m, end);
	while (e->session && stream_next_packet(e->stream, m->now_us, packet, &len))
		mesh_send_plain(m, end, MESH_STREAM, LANE_OF_STREAM, packet, len);
}

/* ---- sessions ---- */

static void send_for_session(struct mesh *m, uint32_t end, enum mesh_kind kind, uint64_t session)
{
	struct mesh_datagram *d = mesh_datagram(kind, 0);

	d->session = session;
	d->boot = m->hosts[mesh_owner(m, end)].boot;
	mesh_transmit(m, end, d, 0);
}

static void ask(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);

	if (!e->asked)
		e->asked = m->next_session++;
	e->asked_us = m->now_us;
	e->ask_us = m->now_us + max_u64(e->backoff_us, ASK_MIN_US);
	e->backoff_us = min_u64(max_u64(2 * e->backoff_us, 2 * ASK_MIN_US), ASK_MAX_US);
	send_for_session(m, end, MESH_ASK, e->asked);
}

/* A session in which something is heard is well: its link only waits to come up again. */
static void ask_if_needed(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);

	if (e->session && m->now_us < e->heard_us + ASK_WHEN_DOWN_US)
		e->ask_us = e->heard_us + ASK_WHEN_DOWN_US;
	else
		ask(m, end);
}

void mesh_end_begin(struct mesh *m, uint32_t end)
{
	mesh_end(m, end)->asked = 0;
	mesh_end(m, end)->backoff_us = 0;
	ask(m, end);
	mesh_arm(m, end);
}

static void unroute(struct mesh *m, uint32_t end)
{
	struct mesh_host *h = &m->hosts[mesh_owner(m, end)];
	struct mesh_end *e = mesh_end(m, end);

	if (!e->is_routed)
		return;
	e->is_routed = false;
	watch_gone(h->watch, mesh_id(mesh_other(m, end)));
	if (h->origins)
		origins_gone(h->origins, mesh_id(mesh_other(m, end)));
	routes_neighbour_down(h->routes, mesh_id(mesh_other(m, end)), m->now_us);
	reach_neighbour_down(h->reach, mesh_id(mesh_other(m, end)), m->now_us);
}

/* Keys of a new session: sequence numbers and streams begin anew. A neighbour that restarted has
 * forgotten what it promised, so it goes down first. */
static void begin_session(struct mesh *m, uint32_t end, uint64_t session, uint32_t peer_boot)
{
	struct mesh_end *e = mesh_end(m, end);
	size_t node = mesh_owner(m, end);

	if (e->peer_boot != peer_boot)
		unroute(m, end);
	if (!e->link && link_new(rng_next(&m->rng), m->now_us, &e->link) < 0)
		abort();
	link_keys_changed(e->link);
	stream_free(e->stream);
	if (stream_new(&e->stream) < 0)
		abort();
	e->session = session;
	e->peer_boot = peer_boot;
	e->asked = 0;
	e->heard_us = m->now_us;
	e->ask_us = link_state(e->link) == LINK_DOWN ? m->now_us + ASK_WHEN_DOWN_US : NEVER_US;
	m->totals.sessions++;
	if (e->is_routed) {
		routes_neighbour_resync(m->hosts[node].routes, mesh_id(mesh_other(m, end)),
					m->now_us);
		reach_neighbour_resync(m->hosts[node].reach, mesh_id(mesh_other(m, end)),
				       m->now_us);
	}
	send_probes(m, end);
}

/* Both asked at once: the lower node's stands, and is repeated for one who has not heard it. */
static void asked(struct mesh *m, uint32_t end, const struct mesh_datagram *d)
{
	struct mesh_end *e = mesh_end(m, end);

	if (e->session != d->session && e->asked && mesh_owner(m, end) < mesh_other(m, end)) {
		if (m->now_us > e->asked_us + ASK_MIN_US)
			ask(m, end);
		return;
	}
	if (e->session != d->session)
		begin_session(m, end, d->session, d->boot);
	send_for_session(m, end, MESH_ANSWER, d->session);
}

static void answered(struct mesh *m, uint32_t end, const struct mesh_datagram *d)
{
	if (mesh_end(m, end)->asked == d->session)
		begin_session(m, end, d->session, d->boot);
}

/* Its stream is full: the neighbour does not take what it is told. */
static void give_up(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);

	e->session = 0;
	unroute(m, end);
	mesh_end_begin(m, end);
}

void mesh_end_forget(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);

	link_free(e->link);
	stream_free(e->stream);
	*e = (struct mesh_end){ .ask_us = NEVER_US, .armed_us = NEVER_US };
}

/* ---- what changed ---- */

void mesh_end_changed(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	struct routes *routes = m->hosts[mesh_owner(m, end)].routes;

	if (mesh_end_state(e) == LINK_DOWN) {
		if (!e->is_routed)
			return;
		m->totals.link_downs++;
		e->ask_us = m->now_us + ASK_WHEN_DOWN_US;
		unroute(m, end);
	} else if (!e->is_routed) {
		e->is_routed = routes_neighbour_up(routes, mesh_id(mesh_other(m, end)),
						   link_metric(e->link), m->now_us) == 0;
		(void)reach_neighbour_up(m->hosts[mesh_owner(m, end)].reach,
					 mesh_id(mesh_other(m, end)), link_metric(e->link),
					 m->now_us);
		if (!e->asked)
			e->ask_us = NEVER_US;
		e->backoff_us = 0;
	}
}

/* Records go out, changes are checked. */
static void send_record(struct mesh *m, uint32_t end, uint8_t type, struct span body)
{
	if (!mesh_end(m, end)->session)
		return;
	if (stream_push(mesh_end(m, end)->stream, (enum record_type)type, body, true, m->now_us) <
	    0) {
		give_up(m, end);
		return;
	}
	send_stream(m, end);
	mesh_arm(m, end);
}

static void pump_routes(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	struct route_action a;

	while (routes_next_action(h->routes, &a)) {
		uint32_t end;

		if (a.type == ROUTE_CHANGED) {
			mesh_check_change(m, node, a.destination);
			reach_route_changed(h->reach, a.destination, m->now_us);
			continue;
		}
		end = mesh_end_to(m, node, mesh_node(a.neighbour));
		if (h->liar)
			mesh_lie(m, node, end, &a);
		send_record(m, end, a.record_type, SPAN(a.body, a.len));
	}
}

static void note_found(struct mesh *m, size_t node, const struct reach_action *a)
{
	if (m->n_found == m->found_size) {
		m->found_size = m->found_size ? 2 * m->found_size : 64;
		m->found = realloc(m->found, m->found_size * sizeof(*m->found));
		if (!m->found)
			abort();
	}
	m->found[m->n_found++] = (struct mesh_found){ .from = node,
						      .to = mesh_node(a->destination),
						      .took_us = a->took_us };
}

static bool pump_reach(struct mesh *m, size_t node)
{
	struct reach_action a;
	bool has_any = false;

	while (reach_next_action(m->hosts[node].reach, &a)) {
		has_any = true;
		if (a.type != REACH_SEND) {
			note_found(m, node, &a);
			continue;
		}
		m->totals.reach_bytes += a.len;
		send_record(m, mesh_end_to(m, node, mesh_node(a.neighbour)), a.record_type,
			    SPAN(a.body, a.len));
	}
	return has_any;
}

void mesh_pump(struct mesh *m, size_t node)
{
	if (!m->hosts[node].routes)
		return;
	mesh_origin_act(m, node);
	mesh_watch(m, node);
	do
		pump_routes(m, node);
	while (pump_reach(m, node));
	arm_host(m, node);
}

int mesh_want(struct mesh *m, size_t from, size_t to)
{
	int r;

	if (!m->hosts[from].reach)
		return -ENETDOWN;
	r = reach_want(m->hosts[from].reach, mesh_id(to), m->now_us);
	mesh_pump(m, from);
	return r;
}

bool mesh_next_found(struct mesh *m, struct mesh_found *ret)
{
	if (m->next_found == m->n_found) {
		m->next_found = m->n_found = 0;
		return false;
	}
	*ret = m->found[m->next_found++];
	return true;
}

/* ---- what comes ---- */

static int record_arrives(struct mesh *m, uint32_t end, const struct stream_record *r)
{
	struct mesh_host *h = &m->hosts[mesh_owner(m, end)];
	uint64_t from = mesh_id(mesh_other(m, end));

	if (r->type >= RECORD_TREE && r->type <= RECORD_ROUTE_REQUEST)
		return reach_input(h->reach, from, r->type, r->body, m->now_us);
	if (r->type == RECORD_ORIGIN_ASK || r->type == RECORD_ORIGIN_PART)
		return mesh_origin_input(m, mesh_owner(m, end), from, r->type, r->body);
	return routes_input(h->routes, from, r->type, r->body, m->now_us);
}

static void stream_arrives(struct mesh *m, uint32_t end, const struct mesh_datagram *d)
{
	struct mesh_end *e = mesh_end(m, end);
	size_t node = mesh_owner(m, end);
	struct stream_record r;

	(void)stream_input(e->stream, SPAN(d->bytes, d->len), m->now_us);
	while (stream_next_record(e->stream, &r)) {
		if (record_arrives(m, end, &r) == 0)
			continue;
		m->totals.refused++;
		mesh_fail(m, "node %zu refused a record of node %u", node, mesh_other(m, end));
	}
	send_stream(m, end); /* acknowledgements */
}

static void sealed_arrives(struct mesh *m, uint32_t end, struct mesh_datagram *d)
{
	struct mesh_end *e = mesh_end(m, end);
	size_t size = d->kind == MESH_DATA ? MESH_DATA_LEN : d->len + (size_t)MESH_OVERHEAD;

	if (!e->session || d->session != e->session) {
		mesh_copy_is_lost(m, d, mesh_owner(m, end), "lost: sealed for another session",
				  MESH_NONE);
		return;
	}
	e->heard_us = m->now_us;
	(void)link_received(e->link, d->lane, d->sequence, size, d->kind == MESH_DATA, m->now_us);
	if (d->kind == MESH_PROBE)
		(void)link_probe_input(e->link, SPAN(d->bytes, d->len), m->now_us);
	mesh_end_changed(m, end);
	send_probes(m, end);
	if (d->kind == MESH_STREAM)
		stream_arrives(m, end, d);
	if (d->kind == MESH_DATA)
		mesh_packet_arrives(m, end, d);
	if (d->kind == MESH_DEAD_END)
		mesh_dead_end_arrives(m, end, d);
}

void mesh_arrives(struct mesh *m, uint32_t end, struct mesh_datagram *d)
{
	size_t node = mesh_owner(m, end);

	if (!m->hosts[node].routes || m->links[end / 2].is_cut) {
		mesh_copy_is_lost(m, d, node, "lost: the link or the node died meanwhile",
				  MESH_NONE);
		return;
	}
	switch ((enum mesh_kind)d->kind) {
	case MESH_ASK:
		asked(m, end, d);
		break;
	case MESH_ANSWER:
		answered(m, end, d);
		break;
	case MESH_PROBE:
	case MESH_STREAM:
	case MESH_DATA:
	case MESH_DEAD_END:
		sealed_arrives(m, end, d);
		break;
	}
	mesh_pump(m, node);
	mesh_arm(m, end);
}

static void set_metric(struct mesh *m, uint32_t end)
{
	struct mesh_host *h = &m->hosts[mesh_owner(m, end)];
	uint32_t metric = link_metric(mesh_end(m, end)->link);

	routes_neighbour_metric(h->routes, mesh_id(mesh_other(m, end)), metric, m->now_us);
	reach_neighbour_cost(h->reach, mesh_id(mesh_other(m, end)), metric, m->now_us);
}

void mesh_end_timer(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	size_t node = mesh_owner(m, end);
	struct link_quality q;

	if (!m->hosts[node].routes)
		return;
	if (m->now_us >= e->ask_us)
		ask_if_needed(m, end);
	if (e->session) {
		(void)link_tick(e->link, m->now_us);
		mesh_end_changed(m, end);
		send_probes(m, end);
		if (e->is_routed && link_metric_should_announce(e->link, m->now_us))
			set_metric(m, end);
		link_quality(e->link, m->now_us, &q);
		if (q.rtt_us)
			stream_set_rtt(e->stream, q.rtt_us);
		send_stream(m, end);
	}
	mesh_pump(m, node);
	mesh_arm(m, end);
}

void mesh_host_timer(struct mesh *m, size_t node)
{
	if (!m->hosts[node].routes)
		return;
	routes_tick(m->hosts[node].routes, m->now_us);
	reach_tick(m->hosts[node].reach, m->now_us);
	mesh_pump(m, node);
}
