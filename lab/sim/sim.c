/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated world: event queue, links, nodes, and the invariants. */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "base/units.h"
#include "core/node/node_internal.h"
#include "sim/checked_ops.h"
#include "sim/pki.h"

#define LINKS_MAX 8192
#define UNIX_MS_AT_0 INT64_C(1790000000000) /* some day in 2026 */
#define SIM_PORT 26969
#define UDP_PROTOCOL 17
#define INNER_HEADERS 48 /* IPv6 and UDP */

#define WORKERS 2	 /* of each node */
#define JOB_US_MAX MS(2) /* a job takes up to this long; results overtake each other */

enum happening_type {
	DATAGRAM,
	TIMER,
	JOB,
};

struct happening {
	uint64_t at_us;
	uint64_t order; /* ties go by the order of making */
	enum happening_type type;
	size_t node;
	uint32_t boot; /* of the node it was meant for */
	size_t link;
	bool to_b;
	uint8_t *bytes;
	size_t len;
	struct hs_job *job; /* owned */
};

struct sim_link {
	size_t a, b;
	bool both;
	bool is_cut;
	uint8_t address[2]; /* of end a, end b: counts up as they move */
	struct sim_link_quality quality;
};

struct sim_host {
	struct node *node;
	uint64_t id;
	uint32_t boot; /* counts boots: events of earlier ones are void */
	uint64_t boot_epoch;
	int64_t offset_us;
	int32_t drift_ppm;
	uint64_t armed_us; /* true time of the timer that is queued */
	struct rng entropy;
	struct rng work; /* how long jobs take */
};

struct sim_packet {
	size_t from, to;
	uint64_t sent_us, delivered_us;
	size_t payload_len;
};

struct sim {
	struct sim_config config;
	const struct crypto_ops *ops;
	struct rng rng;
	struct policy *policy;
	uint64_t now_us;
	uint64_t next_order;
	struct happening *heap;
	size_t n_heap, heap_size;
	struct sim_host *hosts;
	struct sim_link *links;
	size_t n_links;
	struct sim_packet *packets; /* number - 1 */
	size_t n_packets, packets_size;
	char failure[256];
	uint64_t trace;
	struct sim_totals totals;
};

/* ---- trace and failure ---- */

static void trace(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
	static const uint8_t key[16] = "trace of the run";
	uint8_t bytes[40];
	const struct span part = SPAN_OF(bytes);

	store_u64(bytes, s->trace);
	store_u64(bytes + 8, s->now_us);
	store_u64(bytes + 16, a);
	store_u64(bytes + 24, b);
	store_u64(bytes + 32, c);
	s->trace = siphash64(key, &part, 1);
}

static void __attribute__((format(printf, 2, 3))) fail(struct sim *s, const char *format, ...)
{
	char text[200];
	va_list arguments;

	if (s->failure[0])
		return; /* the first one counts */
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)snprintf(s->failure, sizeof(s->failure), "seed %llu at %llu us: %s",
		       (unsigned long long)s->config.seed, (unsigned long long)s->now_us, text);
}

/* ---- the heap of what will happen ---- */

static bool is_before(const struct happening *a, const struct happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct sim *s, struct happening h)
{
	size_t i;

	if (s->n_heap == s->heap_size) {
		size_t size = s->heap_size ? 2 * s->heap_size : 1024;
		struct happening *heap = realloc(s->heap, size * sizeof(*heap));

		assert(heap);
		s->heap = heap;
		s->heap_size = size;
	}
	h.order = s->next_order++;
	for (i = s->n_heap++; i > 0 && is_before(&h, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = h;
}

static struct happening pop(struct sim *s)
{
	struct happening top = s->heap[0];
	struct happening last = s->heap[--s->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && is_before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!is_before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	if (s->n_heap > 0)
		s->heap[i] = last;
	return top;
}

/* ---- clocks ---- */

static uint64_t local_us(const struct sim_host *h, uint64_t true_us)
{
	int64_t drift = (int64_t)(true_us / 1000000) * h->drift_ppm +
			(int64_t)(true_us % 1000000) * h->drift_ppm / 1000000;

	return (uint64_t)((int64_t)true_us + h->offset_us + drift);
}

/* The first true time at which the node's clock shows at least local. */
static uint64_t true_us(const struct sim_host *h, uint64_t local, uint64_t now_us)
{
	uint64_t now_local = local_us(h, now_us);
	uint64_t wait;

	if (local == NEVER_US)
		return NEVER_US;
	if (local <= now_local)
		return now_us;
	wait = local - now_local;
	wait = (uint64_t)((int64_t)wait - (int64_t)wait * h->drift_ppm / 1000000);
	return now_us + wait + 1;
}

/* ---- links ---- */

static struct endpoint endpoint_of(const struct sim *s, size_t link, bool is_b)
{
	struct endpoint e = { .ip = { 0x20, 0x01, 0x0d, 0xb8 }, .port = SIM_PORT };

	store_u32(e.ip + 8, (uint32_t)link);
	e.ip[14] = s->links[link].address[is_b];
	e.ip[15] = is_b ? 2 : 1;
	return e;
}

static bool link_of(const struct sim *s, const struct endpoint *e, size_t *ret_link, bool *ret_is_b)
{
	if (e->port != SIM_PORT || e->ip[0] != 0x20)
		return false;
	*ret_link = load_u32(e->ip + 8);
	*ret_is_b = e->ip[15] == 2;
	return *ret_link < s->n_links;
}

static bool chance(struct sim *s, uint32_t ppm)
{
	return ppm > 0 && rng_below(&s->rng, 1000000) < ppm;
}

static void deliver_later(struct sim *s, size_t link, bool to_b, struct span datagram,
			  uint64_t delay_us)
{
	struct sim_link *l = &s->links[link];
	struct happening h = {
		.at_us = s->now_us + delay_us,
		.type = DATAGRAM,
		.node = to_b ? l->b : l->a,
		.link = link,
		.to_b = to_b,
		.len = datagram.len,
	};

	h.boot = s->hosts[h.node].boot;
	h.bytes = malloc(datagram.len ? datagram.len : 1);
	assert(h.bytes);
	memcpy(h.bytes, datagram.at, datagram.len);
	push(s, h);
}

void sim_inject(struct sim *s, size_t link, bool to_b, struct span datagram, uint64_t delay_us)
{
	deliver_later(s, link, to_b, datagram, delay_us);
}

static void transmit(struct sim *s, size_t node, const struct endpoint *to, struct span datagram)
{
	uint8_t copy[NODE_DATAGRAM_MAX];
	const struct sim_link_quality *q;
	size_t link;
	bool to_b;

	s->totals.datagrams++;
	s->totals.bytes += datagram.len;
	if (!link_of(s, to, &link, &to_b) || (to_b ? s->links[link].a : s->links[link].b) != node) {
		fail(s, "node %zu sent to an address that is none", node);
		return;
	}
	if (s->config.tap && s->config.tap(s->config.watch_arg, link, to_b, datagram))
		return;
	q = &s->links[link].quality;
	if (to->ip[14] != s->links[link].address[to_b] || s->links[link].is_cut ||
	    chance(s, q->loss_ppm)) {
		s->totals.lost++;
		return;
	}
	memcpy(copy, datagram.at, datagram.len);
	if (chance(s, q->corrupt_ppm))
		copy[rng_below(&s->rng, datagram.len)] ^= (uint8_t)(1U << rng_below(&s->rng, 8));
	deliver_later(s, link, to_b, SPAN(copy, datagram.len),
		      q->delay_us + rng_below(&s->rng, (uint64_t)q->jitter_us + 1));
	if (chance(s, q->duplicate_ppm))
		deliver_later(s, link, to_b, datagram,
			      q->delay_us + rng_below(&s->rng, (uint64_t)q->jitter_us + 1));
}

size_t sim_link(struct sim *s, size_t a, size_t b, const struct sim_link_quality *q, bool both)
{
	assert(s->n_links < LINKS_MAX);
	s->links[s->n_links] = (struct sim_link){ .a = a, .b = b, .both = both, .quality = *q };
	return s->n_links++;
}

void sim_link_set(struct sim *s, size_t link, const struct sim_link_quality *q)
{
	s->links[link].quality = *q;
}

void sim_link_cut(struct sim *s, size_t link, bool is_cut)
{
	s->links[link].is_cut = is_cut;
	trace(s, 1000, link, is_cut);
}

void sim_link_move(struct sim *s, size_t link, bool is_b)
{
	s->links[link].address[is_b]++;
}

/* ---- invariants ---- */

static size_t host_of(const struct sim *s, uint64_t id)
{
	for (size_t i = 0; i < s->config.n_nodes; i++)
		if (s->hosts[i].id == id)
			return i;
	return SIM_NODES_MAX;
}

/* Would a packet from one node be opened by the other? Not when that has restarted since: it no
 * longer has the keys, so what the first believes of it can loop nothing. */
static bool shares_keys(const struct sim *s, size_t from, size_t to)
{
	const struct peer *p = map_get(s->hosts[from].node->peers, &s->hosts[to].id);

	return p && p->direct && s->hosts[to].node &&
	       p->direct->peer_boot_epoch == s->hosts[to].boot_epoch;
}

/* For people: each node of the loop with what it holds and has advertised. */
static void tell_loop(struct sim *s, size_t at, uint64_t destination)
{
	for (unsigned i = 0; i < 8; i++) {
		struct route r = { 0 };
		uint32_t epoch = 0;
		uint16_t seqno = 0;
		uint32_t metric = 0;

		(void)routes_lookup(node_routes(s->hosts[at].node), destination, &r);
		(void)routes_feasibility(node_routes(s->hosts[at].node), destination, &epoch,
					 &seqno, &metric);
		(void)fprintf(stderr,
			      "  node %zu boot %llu: via %zu metric %u seqno %u epoch %u; "
			      "feasible below metric %u seqno %u epoch %u\n",
			      at, (unsigned long long)s->hosts[at].boot_epoch,
			      host_of(s, r.next_hop), r.metric, r.seqno, r.epoch, metric, seqno,
			      epoch);
		at = host_of(s, r.next_hop);
		if (at == SIM_NODES_MAX || !s->hosts[at].node)
			return;
	}
}

/* Follows next hops from a node. A loop is a broken invariant. */
static unsigned walk(struct sim *s, size_t from, uint64_t destination)
{
	unsigned hops = 0;
	size_t at = from;
	size_t next;

	while (s->hosts[at].id != destination) {
		struct route route;

		if (!s->hosts[at].node ||
		    !routes_lookup(node_routes(s->hosts[at].node), destination, &route) ||
		    !route.next_hop)
			return 0;
		next = host_of(s, route.next_hop);
		if (next == SIM_NODES_MAX) {
			fail(s, "a next hop is no node");
			return 0;
		}
		if (!shares_keys(s, at, next))
			return 0;
		at = next;
		if (++hops > s->config.n_nodes) {
			tell_loop(s, at, destination);
			fail(s, "routing loop from node %zu to %zu", from, host_of(s, destination));
			return 0;
		}
	}
	return hops;
}

unsigned sim_walk(struct sim *s, size_t from, size_t to)
{
	return walk(s, from, s->hosts[to].id);
}

/* The ID, the node id, the address and what the sim knows must be one. */
static void check_binding(struct sim *s, const struct node_event *e)
{
	size_t i = host_of(s, e->node_id);
	char expected[NODE_NAME_MAX + 1];

	if (i == SIM_NODES_MAX) {
		fail(s, "a session with an identity nobody has");
		return;
	}
	(void)snprintf(expected, sizeof(expected), "n%zu", i);
	if (strcmp(expected, e->name) != 0)
		fail(s, "node id and name are bound wrongly: %s is not %s", e->name, expected);
}

static void check_event(struct sim *s, size_t node, const struct node_event *e)
{
	switch (e->type) {
	case EVENT_PEER_UP:
		s->totals.handshakes++;
		check_binding(s, e);
		break;
	case EVENT_ROUTE_CHANGED:
		(void)walk(s, node, e->node_id);
		break;
	case EVENT_SPOOFED_INNER:
	case EVENT_SPOOFED_TUN:
		fail(s, "node %zu saw a spoofed address", node);
		break;
	default:
		break;
	}
}

static void check_delivery(struct sim *s, size_t node, struct span packet)
{
	uint64_t number;
	struct sim_packet *p;

	if (packet.len < INNER_HEADERS + 8) {
		fail(s, "node %zu was given a packet that nobody sent", node);
		return;
	}
	number = load_u64(packet.at + INNER_HEADERS);
	if (number == 0 || number > s->n_packets) {
		fail(s, "node %zu was given a packet that nobody sent", node);
		return;
	}
	p = &s->packets[number - 1];
	if (p->delivered_us)
		fail(s, "packet %llu was delivered twice", (unsigned long long)number);
	if (p->to != node)
		fail(s, "packet %llu was delivered to another node", (unsigned long long)number);
	if (packet.len != INNER_HEADERS + p->payload_len ||
	    memcmp(packet.at + 8,
		   node_overlay_address(s->hosts[p->from].node ? s->hosts[p->from].node
							       : s->hosts[node].node),
		   s->hosts[p->from].node ? 16 : 6) != 0)
		fail(s, "packet %llu was changed on its way", (unsigned long long)number);
	p->delivered_us = s->now_us;
	s->totals.packets_delivered++;
}

/* ---- nodes ---- */

/* A job is run when its time is over, which no node can tell from having run all that while. */
static void give_out_jobs(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	struct hs_job *job;

	while ((job = node_next_job(h->node)))
		push(s,
		     (struct happening){ .at_us = s->now_us + 1 + rng_below(&h->work, JOB_US_MAX),
					 .type = JOB,
					 .node = node,
					 .boot = h->boot,
					 .job = job });
}

static void drain(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	struct node_action a;
	uint64_t deadline;

	while (h->node && node_next_action(h->node, &a)) {
		switch (a.type) {
		case NODE_SEND:
			trace(s, a.type, node, a.data.len);
			transmit(s, node, &a.endpoint, a.data);
			break;
		case NODE_DELIVER:
			trace(s, a.type, node, a.data.len);
			check_delivery(s, node, a.data);
			break;
		case NODE_EVENT:
			s->totals.events++;
			trace(s, a.type, node, (uint64_t)a.event.type << 32 | a.event.metric);
			check_event(s, node, &a.event);
			if (s->config.watch)
				s->config.watch(s->config.watch_arg, node, &a.event, s->now_us);
			break;
		case NODE_STORE:
		case NODE_ISSUE:
		case NODE_RENEWED:
			if (s->config.act) /* else: the simulated nodes are members already */
				s->config.act(s->config.watch_arg, h->node, node, &a);
			break;
		}
	}
	if (checked_ops_reuses() > 0)
		fail(s, "a nonce was used twice under one key");
	if (!h->node)
		return;
	give_out_jobs(s, node);
	deadline = true_us(h, node_deadline_us(h->node), s->now_us);
	if (deadline < h->armed_us || h->armed_us <= s->now_us) {
		h->armed_us = max_u64(deadline, s->now_us + 1);
		if (deadline != NEVER_US)
			push(s, (struct happening){ .at_us = h->armed_us,
						    .type = TIMER,
						    .node = node,
						    .boot = h->boot });
	}
}

static void sim_entropy(void *arg, uint8_t *ret, size_t len)
{
	struct rng *r = arg;

	uint8_t eight[8];

	for (size_t n; len > 0; len -= n, ret += n) {
		n = len < sizeof(eight) ? len : sizeof(eight);
		store_u64(eight, rng_next(r));
		memcpy(ret, eight, n);
	}
}

static void add_contacts(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	uint64_t now = local_us(h, s->now_us);

	for (size_t i = 0; i < s->n_links; i++) {
		struct sim_link *l = &s->links[i];
		struct endpoint to;

		if (l->a == node)
			to = endpoint_of(s, i, true);
		else if (l->b == node && l->both)
			to = endpoint_of(s, i, false);
		else
			continue;
		(void)node_add_contact(h->node, &to, "", now);
	}
}

int sim_boot(struct sim *s, size_t node, int64_t offset_us, int32_t drift_ppm)
{
	struct sim_host *h = &s->hosts[node];
	struct node_config config = { 0 };
	struct network_key key = { .key = "network key of the simulation" };
	uint64_t now;
	int r;

	assert(!h->node);
	h->offset_us = offset_us;
	h->drift_ppm = drift_ppm;
	h->boot++;
	h->armed_us = NEVER_US;
	now = local_us(h, s->now_us);
	h->boot_epoch =
		max_u64(h->boot_epoch + 1, (uint64_t)(UNIX_MS_AT_0 / 1000) + now / US_PER_S);
	sim_pki_fill(s->config.pki, node, &config);
	config.entropy = (struct entropy){ .fill = sim_entropy, .arg = &h->entropy };
	config.seed = rng_next(&s->rng);
	config.aead_offer = AEAD_AES_256_GCM;
	config.n_workers = WORKERS;
	config.mtu_bytes = FORWARD_MTU_MAX;
	config.policy = s->policy;
	config.identity.boot_epoch = h->boot_epoch;
	config.network_keys = &key;
	config.n_network_keys = 1;
	config.ops = s->ops;
	config.trust.ops = s->ops;
	r = node_new(&config, now, UNIX_MS_AT_0 + (int64_t)(now / US_PER_MS), &h->node);
	if (r < 0)
		return r;
	assert(node_id(h->node) == h->id);
	trace(s, 1001, node, h->boot);
	add_contacts(s, node);
	node_tick(h->node, now);
	drain(s, node);
	return 0;
}

void sim_crash(struct sim *s, size_t node)
{
	trace(s, 1002, node, 0);
	node_free(s->hosts[node].node);
	s->hosts[node].node = NULL;
	s->hosts[node].boot++;
}

void sim_forget(struct sim *s, size_t node)
{
	s->hosts[node].boot_epoch = 0;
}

bool sim_is_running(const struct sim *s, size_t node)
{
	return s->hosts[node].node != NULL;
}

struct node *sim_node(struct sim *s, size_t node)
{
	return s->hosts[node].node;
}

void sim_poke(struct sim *s, size_t node)
{
	drain(s, node);
}

uint64_t sim_id(const struct sim *s, size_t node)
{
	return s->hosts[node].id;
}

/* ---- running ---- */

static void happen(struct sim *s, struct happening *h)
{
	struct sim_host *host = &s->hosts[h->node];
	uint64_t now = local_us(host, s->now_us);

	if (!host->node || host->boot != h->boot)
		return;
	switch (h->type) {
	case DATAGRAM: {
		struct endpoint from = endpoint_of(s, h->link, !h->to_b);

		if (s->links[h->link].is_cut)
			return;
		trace(s, 2000, h->node, h->len);
		node_input_datagram(host->node, &from, SPAN(h->bytes, h->len), now);
		break;
	}
	case TIMER:
		if (s->now_us != host->armed_us)
			return; /* replaced by an earlier one */
		if (now < node_deadline_us(host->node)) {
			drain(s, h->node);
			return;
		}
		node_tick(host->node, now);
		break;
	case JOB:
		trace(s, 2001, h->node, 0);
		hs_job_run(h->job);
		node_job_done(host->node, TAKE(h->job), now);
		break;
	}
	drain(s, h->node);
}

bool sim_run(struct sim *s, uint64_t until_us)
{
	while (s->n_heap > 0 && s->heap[0].at_us <= until_us && !s->failure[0]) {
		struct happening h = pop(s);

		assert(h.at_us >= s->now_us);
		s->now_us = h.at_us;
		happen(s, &h);
		free(h.bytes);
		hs_job_free(h.job);
	}
	if (!s->failure[0])
		s->now_us = max_u64(s->now_us, until_us);
	return !s->failure[0];
}

uint64_t sim_now_us(const struct sim *s)
{
	return s->now_us;
}

const char *sim_failure(const struct sim *s)
{
	return s->failure;
}

/* ---- packets ---- */

uint64_t sim_send(struct sim *s, size_t from, size_t to, size_t payload_len)
{
	uint8_t packet[FORWARD_MTU_MAX] = { 0x60 };
	struct sim_host *h = &s->hosts[from];
	uint64_t number = s->n_packets + 1;

	payload_len = max_u64(8, min_u64(payload_len, sizeof(packet) - INNER_HEADERS));
	assert(h->node);
	if (s->n_packets == s->packets_size) {
		size_t size = s->packets_size ? 2 * s->packets_size : 1024;
		struct sim_packet *packets = realloc(s->packets, size * sizeof(*packets));

		assert(packets);
		s->packets = packets;
		s->packets_size = size;
	}
	s->packets[s->n_packets++] = (struct sim_packet){
		.from = from, .to = to, .sent_us = s->now_us, .payload_len = payload_len
	};
	store_u16(packet + 4, (uint16_t)(payload_len + 8));
	packet[6] = UDP_PROTOCOL;
	packet[7] = 64;
	memcpy(packet + 8, node_overlay_address(h->node), 16);
	sim_pki_address(s->config.pki, to, packet + 24);
	store_u16(packet + 40, 1000);
	store_u16(packet + 42, 2000);
	store_u16(packet + 44, (uint16_t)(payload_len + 8));
	store_u64(packet + INNER_HEADERS, number);
	s->totals.packets_sent++;
	trace(s, 3000, from, to);
	node_input_packet(h->node, SPAN(packet, INNER_HEADERS + payload_len),
			  local_us(h, s->now_us));
	drain(s, from);
	return number;
}

bool sim_is_delivered(const struct sim *s, uint64_t packet)
{
	return s->packets[packet - 1].delivered_us != 0;
}

uint64_t sim_delivery_us(const struct sim *s, uint64_t packet)
{
	const struct sim_packet *p = &s->packets[packet - 1];

	return p->delivered_us ? p->delivered_us - p->sent_us : 0;
}

/* Which nodes the uncut links join to this one. */
static void flood(const struct sim *s, size_t from, bool *ret_reached)
{
	size_t queue[SIM_NODES_MAX];
	size_t n = 0;

	queue[n++] = from;
	ret_reached[from] = true;
	for (size_t i = 0; i < n; i++) {
		for (size_t l = 0; l < s->n_links; l++) {
			const struct sim_link *link = &s->links[l];
			size_t other = link->a == queue[i] ? link->b : link->a;

			if (link->is_cut || (link->a != queue[i] && link->b != queue[i]) ||
			    ret_reached[other] || !s->hosts[other].node)
				continue;
			ret_reached[other] = true;
			queue[n++] = other;
		}
	}
}

void sim_pairs(struct sim *s, size_t *ret_joined, size_t *ret_routed)
{
	*ret_joined = *ret_routed = 0;
	for (size_t a = 0; a < s->config.n_nodes; a++) {
		bool reached[SIM_NODES_MAX] = { false };

		if (!s->hosts[a].node)
			continue;
		flood(s, a, reached);
		for (size_t b = 0; b < s->config.n_nodes; b++) {
			if (a == b || !reached[b])
				continue;
			++*ret_joined;
			*ret_routed += sim_walk(s, a, b) > 0;
		}
	}
}

void sim_totals(const struct sim *s, struct sim_totals *ret)
{
	*ret = s->totals;
	ret->seals = checked_ops_seals();
}

uint64_t sim_trace(const struct sim *s)
{
	return s->trace;
}

/* ---- making ---- */

DEFINE_FREEP(struct sim, sim_free)

int sim_new(const struct sim_config *config, struct sim **ret)
{
	struct policy_rule rule = { .effect = config->allow_all ? POLICY_ALLOW : POLICY_DENY,
				    .any_action = true,
				    .from = "*",
				    .resource = "*" };
	CLEANUP(sim_freep) struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	assert(config->n_nodes <= SIM_NODES_MAX);
	s->config = *config;
	checked_ops_reset();
	s->ops = checked_ops(sim_pki_ops(config->pki));
	rng_seed(&s->rng, config->seed);
	s->hosts = calloc(config->n_nodes, sizeof(*s->hosts));
	s->links = calloc(LINKS_MAX, sizeof(*s->links));
	if (!s->hosts || !s->links || policy_new(&rule, 1, &s->policy) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_nodes; i++) {
		s->hosts[i].id = sim_pki_id(config->pki, i);
		rng_seed(&s->hosts[i].entropy, rng_next(&s->rng));
		rng_seed(&s->hosts[i].work, config->seed + i);
	}
	*ret = TAKE(s);
	return 0;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->hosts && i < s->config.n_nodes; i++)
		node_free(s->hosts[i].node);
	for (size_t i = 0; i < s->n_heap; i++) {
		free(s->heap[i].bytes);
		hs_job_free(s->heap[i].job);
	}
	free(s->heap);
	free(s->hosts);
	free(s->links);
	free(s->packets);
	policy_free(s->policy);
	checked_ops_reset();
	free(s);
}
