/* SPDX-License-Identifier: Apache-2.0 */
/* The internet of addresses, its NATs, and the running of nodes on it. */
#include "nat_world.h"

#include <assert.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/node/node_internal.h"

#define UNIX_MS_AT_0 INT64_C(1790000000000)
#define FIRST_PORT 40000

struct nat_flying {
	uint64_t at_us, order;
	size_t to;
	uint64_t boot_epoch;
	struct endpoint from;
	uint8_t *bytes; /* NULL: a timer of the host */
	size_t len;
};

const char *nat_kind_name(enum nat_kind k)
{
	static const char *const names[NAT_N_KINDS] = { "open",	      "full cone",
							"restricted", "port-restricted",
							"symmetric",  "blocked" };

	return names[k];
}

/* ---- what will happen ---- */

static void push(struct nat_world *w, struct nat_flying f)
{
	if (w->n_queue == w->queue_size) {
		w->queue_size = w->queue_size ? 2 * w->queue_size : 256;
		w->queue = realloc(w->queue, w->queue_size * sizeof(*w->queue));
		assert(w->queue);
	}
	f.order = ++w->order;
	w->queue[w->n_queue++] = f;
}

/* The queue is short: a few dozen datagrams, and a timer for each host. */
static size_t earliest(const struct nat_world *w)
{
	size_t best = 0;

	for (size_t i = 1; i < w->n_queue; i++)
		if (w->queue[i].at_us < w->queue[best].at_us ||
		    (w->queue[i].at_us == w->queue[best].at_us &&
		     w->queue[i].order < w->queue[best].order))
			best = i;
	return best;
}

/* ---- NATs ---- */

static bool same_host(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void remember(struct nat_world *w, struct nat_host *h, const struct endpoint *to)
{
	size_t i = 0;

	while (i < h->n_sent_to && !endpoint_equal(&h->sent_to[i].remote, to))
		i++;
	if (i == h->n_sent_to && h->n_sent_to < NAT_FILTERS_MAX)
		h->n_sent_to++;
	assert(i < NAT_FILTERS_MAX);
	h->sent_to[i].remote = *to;
	h->sent_to[i].used_us = w->now_us;
}

/* The mapping of a datagram to this address: an old one, or a new one with a port of chance. */
static uint16_t map_out(struct nat_world *w, struct nat_host *h, const struct endpoint *to)
{
	struct nat_mapping_entry *vacant = NULL;

	for (size_t i = 0; i < NAT_MAPPINGS_MAX; i++) {
		struct nat_mapping_entry *m = &h->mappings[i];
		bool is_over = m->port == 0 || w->now_us > m->used_us + NAT_MAPPING_US;

		if (is_over && !vacant)
			vacant = m;
		if (is_over || (h->kind == NAT_SYMMETRIC && !endpoint_equal(&m->remote, to)))
			continue;
		m->used_us = w->now_us;
		return m->port;
	}
	assert(vacant);
	h->next_port = (uint16_t)(h->next_port + 1 + rng_below(&w->rng, 50));
	*vacant = (struct nat_mapping_entry){ h->next_port, *to, w->now_us };
	return vacant->port;
}

static bool lets_in(const struct nat_world *w, const struct nat_host *h, uint16_t port,
		    const struct endpoint *from)
{
	const struct nat_mapping_entry *m = NULL;
	bool has_host = false, has_port = false;

	for (size_t i = 0; i < NAT_MAPPINGS_MAX; i++)
		if (h->mappings[i].port == port &&
		    w->now_us <= h->mappings[i].used_us + NAT_MAPPING_US)
			m = &h->mappings[i];
	for (size_t i = 0; i < h->n_sent_to; i++) {
		if (w->now_us > h->sent_to[i].used_us + NAT_MAPPING_US)
			continue;
		has_host |= same_host(&h->sent_to[i].remote, from);
		has_port |= endpoint_equal(&h->sent_to[i].remote, from);
	}
	switch (h->kind) {
	case NAT_OPEN:
		return true;
	case NAT_FULL_CONE:
		return m != NULL;
	case NAT_RESTRICTED:
		return m && has_host;
	case NAT_PORT_RESTRICTED:
	case NAT_BLOCKED:
		return m && has_port;
	case NAT_SYMMETRIC:
		return m && endpoint_equal(&m->remote, from);
	case NAT_N_KINDS:
		break;
	}
	return false;
}

static void transmit(struct nat_world *w, size_t sender, const struct endpoint *to,
		     struct span datagram)
{
	struct nat_host *h = &w->hosts[sender];
	struct endpoint from = h->outside;

	assert(candidate_is_fit(to));
	if (h->kind == NAT_BLOCKED && !same_host(to, &w->hosts[2].outside))
		return;
	if (h->kind != NAT_OPEN) {
		from.port = map_out(w, h, to);
		remember(w, h, to);
	}
	for (size_t i = 0; i < w->n; i++) {
		struct nat_host *other = &w->hosts[i];
		struct nat_flying f = { .to = i, .from = from, .len = datagram.len };

		if (i == sender || !same_host(&other->outside, to) || !other->node ||
		    (other->kind == NAT_OPEN && to->port != other->inside.port) ||
		    !lets_in(w, other, to->port, &from))
			continue;
		if (rng_below(&w->rng, 1000000) < w->loss_ppm)
			return;
		f.at_us = w->now_us + w->delay_us + rng_below(&w->rng, w->delay_us / 4 + 1);
		f.boot_epoch = other->boot_epoch;
		f.bytes = malloc(datagram.len);
		assert(f.bytes);
		memcpy(f.bytes, datagram.at, datagram.len);
		push(w, f);
		return;
	}
	if (to->ip[15] == NAT_THIRD_PARTY)
		h->to_third_party += datagram.len;
}

/* ---- hosts ---- */

static void drain(struct nat_world *w, size_t host)
{
	struct nat_host *h = &w->hosts[host];
	struct node_action a;
	uint64_t at;

	while (h->node && node_next_action(h->node, &a)) {
		if (a.type == NODE_SEND)
			transmit(w, host, &a.endpoint, a.data);
		else if (a.type == NODE_EVENT && a.event.type == EVENT_ECHO_REPLY)
			h->n_replies++;
		else if (a.type == NODE_EVENT && a.event.type == EVENT_LINK_UP && !h->linked_us &&
			 host < 2 && a.event.node_id == nat_world_id(w, 1 - host))
			h->linked_us = w->now_us;
	}
	if (!h->node)
		return;
	at = node_deadline_us(h->node);
	if (at >= h->armed_us && h->armed_us > w->now_us)
		return;
	h->armed_us = max_u64(at, w->now_us + 1);
	push(w,
	     (struct nat_flying){ .at_us = h->armed_us, .to = host, .boot_epoch = h->boot_epoch });
}

void nat_world_poke(struct nat_world *w, size_t host)
{
	drain(w, host);
}

static void happen(struct nat_world *w, struct nat_flying *f)
{
	struct nat_host *h = &w->hosts[f->to];

	if (!h->node || h->boot_epoch != f->boot_epoch)
		return;
	if (f->bytes)
		node_input_datagram(h->node, &f->from, SPAN(f->bytes, f->len), w->now_us);
	else if (w->now_us != h->armed_us)
		return;
	else if (w->now_us >= node_deadline_us(h->node))
		node_tick(h->node, w->now_us);
	drain(w, f->to);
}

void nat_world_run(struct nat_world *w, uint64_t until_us)
{
	while (w->n_queue > 0) {
		size_t i = earliest(w);
		struct nat_flying f = w->queue[i];

		if (f.at_us > until_us)
			break;
		w->queue[i] = w->queue[--w->n_queue];
		w->now_us = max_u64(w->now_us, f.at_us);
		happen(w, &f);
		free(f.bytes);
	}
	w->now_us = max_u64(w->now_us, until_us);
}

static void fill(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(rng_next(arg) >> 32);
}

static struct endpoint ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct endpoint){ .ip = { [10] = 0xff, 0xff, a, b, c, d }, .port = NAT_HOST_PORT };
}

void nat_world_init(struct nat_world *w, const struct crypto_ops *ops, struct sim_pki *pki,
		    uint64_t seed)
{
	static const struct policy_rule all[] = {
		{ .effect = POLICY_ALLOW, .action = POLICY_SESSION, .from = "*" },
		{ .effect = POLICY_ALLOW, .action = POLICY_PING, .from = "*" },
		{ .effect = POLICY_ALLOW, .action = POLICY_CONNECT, .from = "*" },
	};

	memset(w, 0, sizeof(*w));
	w->ops = ops;
	w->pki = pki;
	w->delay_us = MS(20);
	w->now_us = SECONDS(1);
	rng_seed(&w->rng, seed);
	assert(policy_new(all, 3, &w->policy) == 0);
}

size_t nat_world_add(struct nat_world *w, enum nat_kind kind)
{
	struct nat_host *h = &w->hosts[w->n];
	uint8_t number = (uint8_t)(w->n + 1);

	assert(w->n < NAT_HOSTS_MAX);
	*h = (struct nat_host){ .kind = kind, .traverse_links = 4, .traverse_links_max = 8 };
	h->outside = ipv4(203, 0, 113, number);
	h->inside = kind == NAT_OPEN ? h->outside : ipv4(10, 0, number, 2);
	h->next_port = (uint16_t)(FIRST_PORT + rng_below(&w->rng, 1000));
	rng_seed(&h->entropy, rng_next(&w->rng));
	return w->n++;
}

void nat_world_boot(struct nat_world *w, size_t host, size_t contact)
{
	struct nat_host *h = &w->hosts[host];
	struct network_key key = { .key = "network key of the NAT world" };
	struct node_config c = { 0 };

	sim_pki_fill(w->pki, host, &c);
	c.ops = w->ops;
	c.trust.ops = w->ops;
	c.entropy = (struct entropy){ .fill = fill, .arg = &h->entropy };
	c.seed = rng_next(&w->rng);
	c.aead_offer = AEAD_AES_256_GCM;
	c.mtu_bytes = FORWARD_MTU_DEFAULT;
	c.policy = w->policy;
	h->boot_epoch = (uint64_t)(UNIX_MS_AT_0 / 1000) + w->now_us / US_PER_S;
	c.identity.boot_epoch = h->boot_epoch;
	c.network_keys = &key;
	c.n_network_keys = 1;
	if (!w->is_without_traversal)
		c.traversal =
			(struct node_traversal){ true, h->traverse_links, h->traverse_links_max };
	assert(node_new(&c, w->now_us, UNIX_MS_AT_0 + (int64_t)(w->now_us / US_PER_MS), &h->node) ==
	       0);
	h->armed_us = NEVER_US;
	h->linked_us = 0;
	node_set_addresses(h->node, &h->inside, 1, NULL, 0, w->now_us);
	if (contact != SIZE_MAX)
		(void)node_add_contact(h->node, &w->hosts[contact].outside, "", w->now_us);
	node_tick(h->node, w->now_us);
	drain(w, host);
}

void nat_world_halt(struct nat_world *w, size_t host)
{
	node_free(w->hosts[host].node);
	w->hosts[host].node = NULL;
}

void nat_world_done(struct nat_world *w)
{
	for (size_t i = 0; i < w->n; i++)
		node_free(w->hosts[i].node);
	for (size_t i = 0; i < w->n_queue; i++)
		free(w->queue[i].bytes);
	free(w->queue);
	policy_free(w->policy);
}

/* ---- questions ---- */

uint64_t nat_world_id(const struct nat_world *w, size_t host)
{
	return sim_pki_id(w->pki, host);
}

bool nat_world_peer(struct nat_world *w, size_t from, size_t to, struct node_peer_view *ret)
{
	size_t cursor = 0;

	while (node_next_peer(w->hosts[from].node, &cursor, w->now_us, ret))
		if (ret->node_id == nat_world_id(w, to))
			return true;
	return false;
}

bool nat_world_is_direct(struct nat_world *w, size_t from, size_t to)
{
	struct node_peer_view v;

	return nat_world_peer(w, from, to, &v) && v.is_neighbour && v.state != LINK_DOWN;
}

void nat_world_use(struct nat_world *w, size_t from, size_t to)
{
	uint8_t packet[48] = { 0x60, [5] = 8, 17, 64 }; /* IPv6, 8 bytes of UDP */

	memcpy(packet + 8, node_overlay_address(w->hosts[from].node), 16);
	memcpy(packet + 24, node_overlay_address(w->hosts[to].node), 16);
	store_u16(packet + 40, 1000);
	store_u16(packet + 42, 2000);
	store_u16(packet + 44, 8);
	for (unsigned i = 0; i < 10; i++) { /* the first waits for a session */
		node_input_packet(w->hosts[from].node, SPAN_OF(packet), w->now_us);
		drain(w, from);
		nat_world_run(w, w->now_us + MS(100));
	}
}

void nat_world_call(struct nat_world *w, size_t from, size_t to)
{
	struct nat_host *h = &w->hosts[from];
	struct peer *p = peer_make(h->node, nat_world_id(w, to));

	p->way = (struct peer_way){ .is_wanted = true, .wanted_until_us = w->now_us + SECONDS(1) };
	node_tick(h->node, w->now_us);
	drain(w, from);
}

bool nat_world_reaches(struct nat_world *w, size_t from, size_t to, uint64_t within_us)
{
	struct nat_host *h = &w->hosts[from];
	uint64_t end_us = w->now_us + within_us;

	h->n_replies = 0;
	for (uint32_t i = 1; w->now_us < end_us && h->n_replies == 0; i++) {
		(void)node_ping(h->node, nat_world_id(w, to), 1, i, w->now_us);
		drain(w, from);
		nat_world_run(w, w->now_us + MS(100));
	}
	return h->n_replies > 0;
}
