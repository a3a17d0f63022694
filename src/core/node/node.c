/* SPDX-License-Identifier: Apache-2.0 */
/* The node's verbs: what comes in is handed to its part. */
#include "core/node/node_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/units.h"
#include "core/forward/flowlets.h"
#include "core/forward/mss.h"

/* ---- making and ending ---- */

static int make_parts(struct node *n, const struct node_config *config)
{
	uint8_t hash_key[16];
	struct hs_config hs = {
		.ops = config->ops,
		.entropy = config->entropy,
		.seed = config->seed,
		.judge = &node_judge,
		.judge_arg = n,
		.aead_offer = config->aead_offer,
		.lanes = (uint8_t)(NODE_LANES + config->n_threads),
		.accept_joins = n->is_authority,
		.n_workers = config->n_workers,
	};
	struct route_config rc = {
		.self = n->self,
		.epoch = (uint32_t)config->identity.boot_epoch,
		.seed = config->seed,
	};
	struct reach_config reach = {
		.self = n->self,
		.epoch = rc.epoch,
		.seed = config->seed,
		.flat_max = config->flat_max,
		.zone_max = config->zone_max,
	};
	int r;

	entropy_fill(&n->entropy, hash_key, sizeof(hash_key));
	entropy_fill(&n->entropy, n->flow_key, sizeof(n->flow_key));
	memcpy(rc.hash_key, hash_key, sizeof(hash_key));
	r = map_new(sizeof(uint64_t), NODE_PEERS_MAX, hash_key, &n->peers);
	if (r < 0)
		return r;
	r = map_new(sizeof(uint32_t), 4 * NODE_SESSIONS_MAX, hash_key, &n->indices);
	if (r < 0)
		return r;
	r = flows_new(hash_key, &n->flows);
	if (r < 0)
		return r;
	r = authentic_begin(n, hash_key, config->seed);
	if (r < 0)
		return r;
	rc.proofs = origins_proofs(n->origins);
	r = routes_new(&rc, n->now_us, &n->routes);
	if (r < 0)
		return r;
	reach.routes = n->routes;
	memcpy(reach.hash_key, hash_key, sizeof(hash_key));
	r = reach_new(&reach, n->now_us, &n->reach);
	if (r < 0)
		return r;
	r = carried_begin(n, config->n_threads, hash_key);
	if (r < 0)
		return r;
	r = networks_new(&config->networks, &n->networks);
	if (r < 0)
		return r;
	r = traverse_new(n, config, hash_key);
	if (r < 0)
		return r;
	return handshakes_new(&hs, &n->handshakes);
}

/* The caller's roots may go with the certificate they came with, at its renewal. */
static int take_trust(struct node *n, const struct trust *trust)
{
	n->trust = *trust;
	n->trust.n_roots = 0;
	for (size_t i = 0; i < trust->n_roots; i++) {
		uint8_t *root = malloc(trust->roots[i].len ? trust->roots[i].len : 1);

		if (!root)
			return -ENOMEM;
		memcpy(root, trust->roots[i].at, trust->roots[i].len);
		n->roots[i] = root;
		n->trust.roots[i] = SPAN(root, trust->roots[i].len);
		n->trust.n_roots++;
	}
	trust_set_bundle(&n->trust);
	return 0;
}

DEFINE_FREEP(struct node, node_free)

int node_new(const struct node_config *config, uint64_t now_us, int64_t unix_ms, struct node **ret)
{
	CLEANUP(node_freep) struct node *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	if (config->n_network_keys == 0 || config->n_network_keys > NODE_NETWORK_KEYS_MAX ||
	    config->mtu_bytes > FORWARD_MTU_MAX || config->mtu_bytes < INNER_MTU_MIN)
		return -EINVAL;
	n->ops = config->ops;
	n->entropy = config->entropy;
	rng_seed(&n->rng, config->seed);
	n->self = config->identity.node_id;
	(void)memcpy(n->domain, config->trust.domain, sizeof(n->domain));
	overlay_address_of(n->ops, n->domain, n->self, n->address);
	n->mtu_bytes = config->mtu_bytes;
	n->copies_dscp = config->copies_dscp;
	n->has_multipath = config->has_multipath;
	if (config->has_flowlets)
		n->flowlets = calloc(1, sizeof(*n->flowlets));
	if (config->has_flowlets && !n->flowlets)
		return -ENOMEM;
	n->datagram_max = (unsigned)max_u64(n->mtu_bytes + FORWARD_OVERHEAD, WIRE_DATAGRAM_MAX);
	n->mtu_confirm_us = config->mtu_confirm_us;
	n->mtu_raise_us = config->mtu_raise_us;
	n->tells_denied = config->tells_denied;
	n->limits = config->limits;
	n->identity = config->identity;
	r = take_trust(n, &config->trust);
	if (r < 0)
		return r;
	n->is_authority = config->is_authority || config->root_key;
	n->root_key = config->root_key;
	n->policy = config->policy;
	n->policy_now_ns = config->policy_now_ns;
	n->keys = secret_alloc(NODE_NETWORK_KEYS_MAX * sizeof(n->keys[0]));
	if (!n->keys)
		return -ENOMEM;
	memcpy(n->keys, config->network_keys, config->n_network_keys * sizeof(n->keys[0]));
	n->n_keys = config->n_network_keys;
	n->old_key_until_us = now_us + OLD_NETWORK_KEY_US;
	n->next_attempt = 1;
	n->next_issue = 1;
	n->now_us = now_us;
	n->start_us = now_us;
	if (config->version)
		memcpy(n->version, config->version,
		       strnlen(config->version, sizeof(n->version) - 1));
	node_clock(n, now_us, unix_ms);
	r = make_parts(n, config);
	if (r < 0)
		return r;
	r = handshakes_set_identity(n->handshakes, &n->identity);
	if (r < 0)
		return r;
	node_tell_network_keys(n);
	networks_begin(n);
	*ret = TAKE(n);
	return 0;
}

void node_free(struct node *n)
{
	size_t cursor = 0;
	struct peer *p;

	if (!n)
		return;
	while (n->peers && (p = peer_next(n, &cursor)))
		peer_forget(n, p, NULL);
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i])
			session_drop(n, n->joins[i], NULL);
	node_free_contacts(n);
	handshakes_free(n->handshakes);
	reach_free(n->reach);
	routes_free(n->routes);
	authentic_end(n);
	flows_free(n->flows);
	carried_end(n);
	networks_free(n->networks);
	free(n->view);
	survey_free(n->survey);
	free(n->flowlets);
	traverse_free(n->traverse);
	map_free(n->peers);
	map_free(n->indices);
	revocation_done(&n->trust.revoked);
	for (size_t i = 0; i < n->trust.n_roots; i++)
		free(n->roots[i]);
	free(n->revocations);
	blob_done(&n->renewed);
	cosign_end(n);
	actions_free(n);
	secret_free(n->keys);
	bytes_wipe(n->flow_key, sizeof(n->flow_key));
	free(n);
}

void node_clock(struct node *n, uint64_t now_us, int64_t unix_ms)
{
	n->clock_us = now_us;
	n->unix_ms = unix_ms;
}

int64_t node_unix_s(const struct node *n)
{
	return (n->unix_ms + (int64_t)((n->now_us - n->clock_us) / US_PER_MS)) / 1000;
}

/* ---- what the parts want done ---- */

/* The initiator has not heard from us since its M3: say something. */
static void answer_repeated(struct node *n)
{
	static const uint8_t keepalive[] = { PLAIN_SESSION, SESSION_MESSAGE_KEEPALIVE };
	uint32_t index;

	while (handshakes_next_repeated(n->handshakes, &index)) {
		struct node_session *s = session_at(n, index);

		if (s)
			(void)path_send_session(n, s, SPAN_OF(keepalive));
	}
}

static void pump_handshakes(struct node *n)
{
	struct hs_action a;

	answer_repeated(n);

	while (handshakes_next_action(n->handshakes, &a)) {
		switch (a.type) {
		case HS_SEND:
			if (a.path.is_mesh)
				path_send_unsealed(n, a.path.node_id, KIND_HANDSHAKE, HOP_TTL_MAX,
						   SPAN(a.datagram, a.len));
			else
				node_send_datagram(n, &a.path.remote, SPAN(a.datagram, a.len));
			break;
		case HS_DONE:
			greet_done(n, &a);
			bytes_wipe(&a.done, sizeof(a.done));
			break;
		case HS_FAILED:
			greet_failed(n, &a);
			break;
		}
	}
}

/* A later boot of the destination has forgotten the keys we share with it. Where it answers our
 * probes it has not, whatever boot a relay's announcement claims; and a restored node takes over
 * the epoch that others remember of it: that of the route when the session was made. */
static void drop_sessions_of_earlier_boots(struct node *n, struct peer *p, uint32_t epoch)
{
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
		struct node_session *s = p->sessions[i];
		bool is_alive = s && s->is_direct && peer_is_direct(p);

		if (s && !is_alive && (uint32_t)s->peer_boot_epoch < epoch &&
		    s->route_epoch < epoch)
			session_drop(n, s, "the peer restarted");
	}
}

static void route_changed(struct node *n, uint64_t destination)
{
	struct peer *p = peer_get(n, destination);
	struct route route = { 0 };
	struct node_event *e;

	if (!routes_lookup(n->routes, destination, &route))
		route.metric = ROUTE_METRIC_INFINITY;
	if (p && route.next_hop)
		drop_sessions_of_earlier_boots(n, p, route.epoch);
	if (p) {
		p->told_mtu = 0; /* the new way may carry more */
		spread_route_changed(n, p);
	}
	traverse_route_changed(n);
	failover_check(n, destination);
	n->is_survey_stale = true;
	n->ways_version++;
	e = node_event(n, EVENT_ROUTE_CHANGED, destination);
	e->via = route.next_hop;
	e->metric = route.metric;
	e->hops = route.hops;
}

/* Megabytes unacknowledged: the neighbour hears us and does not take what it is told. To tell it
 * all again would never end; a new session begins with an empty stream. */
void session_give_up(struct node *n, struct node_session *s)
{
	static const uint8_t close[] = { PLAIN_SESSION, SESSION_MESSAGE_CLOSE };

	n->counters.queue_full++;
	(void)path_send_session(n, s, SPAN_OF(close));
	session_drop(n, s, "it does not acknowledge");
}

static void pump_routes(struct node *n)
{
	struct route_action a;

	while (routes_next_action(n->routes, &a)) {
		struct peer *p;

		if (a.type == ROUTE_CHANGED) {
			route_changed(n, a.destination);
			reach_route_changed(n->reach, a.destination, n->now_us);
			continue;
		}
		p = peer_get(n, a.neighbour);
		if (!p || !p->direct)
			continue;
		if (stream_push(p->direct->stream, (enum record_type)a.record_type,
				SPAN(a.body, a.len), true, n->now_us) < 0)
			session_give_up(n, p->direct);
		else
			session_pump(n, p->direct);
	}
}

/* Called at the end of each verb. */
void node_pump(struct node *n)
{
	n->is_pump_due = false;
	pump_handshakes(n);
	authentic_pump(n);
	do
		pump_routes(n);
	while (beyond_pump(n));
	n->routes_told = routes_changes(n->routes);
	survey_pump(n);
	pump_handshakes(n); /* routes may have begun some */
	networks_notice(n);
	n->deadline_is_known = false;
}

/* Packets hardly ever lead to anything but themselves. */
void node_pump_later(struct node *n)
{
	n->is_pump_due = true;
	n->deadline_is_known = false;
}

/* ---- the verbs ---- */

static void input(struct node *n, const struct endpoint *from, uint8_t traffic_class,
		  struct span datagram, uint64_t now_us)
{
	n->now_us = now_us;
	n->arrived = traffic_class;
	n->counters.datagrams_in++;
	n->counters.bytes_in += datagram.len;
	n->may_wait = true;
	path_input(n, from, datagram);
	if (n->may_wait)
		node_pump_later(n);
	else
		node_pump(n);
}

void node_input_datagram(struct node *n, const struct endpoint *from, struct span datagram,
			 uint64_t now_us)
{
	input(n, from, 0, datagram, now_us);
}

void node_input_lent(struct node *n, const struct endpoint *from, uint8_t traffic_class,
		     uint8_t *datagram, size_t len, uint64_t now_us)
{
	n->loan = datagram;
	n->loan_len = len;
	input(n, from, traffic_class, SPAN(datagram, len), now_us);
	n->loan = NULL;
}

/* Multicast and link-local packets. */
static bool is_for_neighbours(const struct inner *i)
{
	if (i->is_ipv4)
		return i->destination[12] >> 4 == 0xe ||
		       load_u32(i->destination + 12) == UINT32_MAX ||
		       load_u16(i->source + 12) == 0xa9fe;
	return i->destination[0] == 0xff || (i->source[0] == 0xfe && (i->source[1] & 0xc0) == 0x80);
}

static void spoofed_tun(struct node *n, const struct inner *i)
{
	struct node_event *e;

	n->counters.spoofed_tun++;
	if (n->now_us < n->tun_alarm_us)
		return;
	n->tun_alarm_us = n->now_us + EVENT_INTERVAL_US;
	e = node_event(n, EVENT_SPOOFED_TUN, n->self);
	memcpy(e->address, i->source, 16);
	e->reason = "the source address is not this node's, nor in a network that it offers";
}

/* A packet of a program on this machine goes, waits, or is answered with an error. */
static int send_or_tell(struct node *n, struct peer *p, enum wire_class class, struct span packet)
{
	uint8_t room[NODE_DATAGRAM_MAX];
	int r;

	if (mss_is_syn(packet) && packet.len <= sizeof(room)) {
		memcpy(room, packet.at, packet.len);
		mtu_clamp(n, p, room, packet.len);
		packet.at = room;
	}
	r = path_send(n, p, class, packet);
	switch (r) {
	case -EAGAIN:
		peer_wait(n, p, class, packet);
		break;
	case -EMSGSIZE:
		mtu_tell(n, p, packet);
		break;
	case -ENETUNREACH:
		n->counters.no_route++;
		errors_tell(n, ICMP_NO_ROUTE, 0, packet);
		break;
	default:
		break;
	}
	return r;
}

void node_input_packet(struct node *n, struct span packet, uint64_t now_us)
{
	uint64_t destination;
	struct inner i;
	struct peer *p;

	n->now_us = now_us;
	n->counters.packets_from_tun++;
	if (inner_parse(packet, &i) < 0) {
		n->counters.malformed++;
		return;
	}
	if (packet.len > n->mtu_bytes) { /* somebody changed the device's MTU */
		n->counters.too_big++;
		errors_tell(n, ICMP_TOO_BIG, n->mtu_bytes, packet);
		return;
	}
	if (i.hop_limit == 0) { /* it should have ended where it was */
		n->counters.ttl_expired++;
		errors_tell(n, ICMP_HOPS_EXHAUSTED, 0, packet);
		return;
	}
	if (is_for_neighbours(&i))
		return; /* neighbour discovery of the kernel and the like: there is no such link */
	if (!networks_may_send(n, &i)) {
		spoofed_tun(n, &i);
		return;
	}
	destination = networks_destination(n, &i);
	if (!destination) {
		n->counters.no_route++;
		errors_tell(n, ICMP_NO_ROUTE, 0, packet);
		return;
	}
	p = peer_make(n, destination);
	if (!p) {
		n->counters.queue_full++;
		return;
	}
	flows_outbound(n->flows, &i, now_us);
	if (send_or_tell(n, p, class_of_packet(packet, &i), packet) == 0) {
		carried_mark(n, MARK_OUT, &i);
		node_pump_later(n);
		return;
	}
	node_pump(n);
}

struct hs_job *node_next_job(struct node *n)
{
	return handshakes_next_job(n->handshakes, n->now_us);
}

void node_job_done(struct node *n, struct hs_job *job, uint64_t now_us)
{
	n->now_us = now_us;
	handshakes_job_done(n->handshakes, job, now_us);
	node_pump(n);
}

unsigned node_jobs_out(const struct node *n)
{
	return handshakes_jobs_out(n->handshakes);
}

void node_tick(struct node *n, uint64_t now_us)
{
	n->now_us = now_us;
	handshakes_tick(n->handshakes, now_us);
	pump_handshakes(n);
	peers_tick(n);
	contacts_tick(n);
	network_keys_tick(n);
	networks_tick(n);
	spreads_tick(n);
	traverse_tick(n);
	survey_timers(n);
	routes_tick(n->routes, now_us);
	reach_tick(n->reach, now_us);
	origins_tick(n->origins, now_us);
	node_pump(n);
}

uint64_t node_deadline_us(struct node *n)
{
	if (!n->deadline_is_known) {
		uint64_t at = min_u64(handshakes_deadline_us(n->handshakes),
				      routes_deadline_us(n->routes));

		at = min_u64(at, reach_deadline_us(n->reach));
		at = min_u64(at, authentic_deadline_us(n));
		at = min_u64(at, networks_deadline_us(n));
		at = min_u64(at, spreads_deadline_us(n));
		at = min_u64(at, traverse_deadline_us(n));
		at = min_u64(at, survey_wakes_us(n));
		at = min_u64(at, contacts_deadline_us(n));
		n->deadline_us = peers_deadline_us(n, at);
		n->deadline_is_known = true;
	}
	return n->deadline_us;
}

/* ---- commands ---- */

void node_goodbye(struct node *n, uint64_t now_us)
{
	static const uint8_t goodbye[] = { PLAIN_SESSION, SESSION_MESSAGE_GOODBYE };
	size_t cursor = 0;
	struct peer *p;

	n->now_us = now_us;
	while ((p = peer_next(n, &cursor)))
		if (p->direct)
			path_send_direct(n, p->direct, &p->neighbour->roam.current,
					 SPAN_OF(goodbye));
		else if (p->e2e)
			(void)path_send_session(n, p->e2e, SPAN_OF(goodbye));
	node_pump(n);
}

void node_set_root_key(struct node *n, const struct signing_key *key)
{
	n->root_key = key;
}

void node_set_policy(struct node *n, const struct policy *policy)
{
	n->policy = policy;
	carried_forget_flows(n);
	networks_dirty(n);
	n->deadline_is_known = false;
}

void node_set_identity(struct node *n, const struct hs_identity *identity)
{
	n->identity = *identity;
	(void)handshakes_set_identity(n->handshakes, &n->identity); /* as long as the one before */
}

void node_set_tokens(struct node *n, const struct token_entry *tokens, size_t n_tokens)
{
	n->tokens = tokens;
	n->n_tokens = n_tokens;
}

_Static_assert(NODE_INDICES_MAX == SESSION_INDICES_MAX, "a session fits");

/* ---- views ---- */

size_t node_network_keys(const struct node *n, struct network_key ret[NODE_NETWORK_KEYS_MAX])
{
	memcpy(ret, n->keys, n->n_keys * sizeof(n->keys[0]));
	return n->n_keys;
}

uint64_t node_sessions_version(const struct node *n)
{
	return n->sessions_version;
}

size_t node_next_indices(const struct node *n, size_t *cursor, uint32_t ret[NODE_INDICES_MAX],
			 uint64_t *ret_id)
{
	const struct node_session *s = map_next(n->indices, cursor);

	if (!s)
		return 0;
	memcpy(ret, s->indices, sizeof(s->indices));
	*ret_id = s->peer ? s->peer->id : 0;
	return SESSION_INDICES_MAX;
}

struct span node_revocations(const struct node *n)
{
	return SPAN(n->revocations, n->revocations_len);
}

uint64_t node_id(const struct node *n)
{
	return n->self;
}

uint64_t node_boot_epoch(const struct node *n)
{
	return n->identity.boot_epoch;
}

const uint8_t *node_overlay_address(const struct node *n)
{
	return n->address;
}

const struct reach *node_reach(const struct node *n)
{
	return n->reach;
}

const struct routes *node_routes(const struct node *n)
{
	return n->routes;
}

void node_counters(const struct node *n, struct node_counters *ret)
{
	*ret = n->counters;
	handshakes_counters(n->handshakes, &ret->handshakes);
	routes_counters(n->routes, &ret->routes);
	reach_counters(n->reach, &ret->reach);
	origins_counters(n->origins, &ret->origins);
	watch_counters(n->watch, &ret->watch);
}
