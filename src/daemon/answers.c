/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen of the node, as JSON: the same for the control socket and the API. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/alive.h"
#include "daemon/api.h"
#include "daemon/threads.h"
#include "daemon/tracing.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

#define HOPS_TOLD 16 /* more are counted with these */

/* ---- texts ---- */

void node_id_text(uint64_t id, char ret[17])
{
	(void)snprintf(ret, 17, "%016" PRIx64, id);
}

json_t *address_json(const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET6, address, text, sizeof(text));
	return json_string(text);
}

static json_t *id_json(uint64_t id)
{
	char text[17];

	node_id_text(id, text);
	return json_string(text);
}

static json_t *endpoint_json(const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (endpoint_is_null(e))
		return json_null();
	endpoint_format(e, text);
	return json_string(text);
}

static json_t *hex_json(struct span bytes)
{
	char text[2 * 64 + 1] = "";

	if (bytes.len <= 64)
		bytes_to_hex(bytes.at, bytes.len, text);
	return json_string(text);
}

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static void set_u64(json_t *object, const char *key, uint64_t value)
{
	set(object, key, json_integer((json_int_t)value));
}

static json_t *name_or_id(const struct daemon *d, uint64_t id)
{
	char name[NODE_NAME_MAX + 1];

	return node_name_of(d->node, id, name) ? json_string(name) : id_json(id);
}

json_t *answers_event(const struct daemon *d, const struct node_event *e)
{
	bool is_trace = e->type == EVENT_TRACE_REPLY;
	json_t *j = json_object();

	set(j, "event", json_string(is_trace ? "hop" : "reply"));
	set(j, "node", e->name[0] ? json_string(e->name) : name_or_id(d, e->node_id));
	set_u64(j, "rtt_us", e->rtt_us);
	set_u64(j, "hops", e->hops);
	set_u64(j, "sequence", is_trace ? e->hops : e->sequence);
	if (!is_trace) {
		struct route r;

		if (routes_lookup(node_routes(d->node), e->node_id, &r) && r.next_hop)
			set(j, "via",
			    r.next_hop == e->node_id ? json_null() : name_or_id(d, r.next_hop));
		set(j, "is_direct", json_boolean(e->hops == 1));
	}
	return j;
}

json_t *ipv4_json(const struct daemon *d, uint64_t id)
{
	char text[PREFIX_TEXT_SIZE];
	uint8_t address[16];

	if (!node_ipv4_of(d->node, id, address))
		return json_null();
	prefix_format_address(address, text);
	return json_string(text);
}

/* ---- views ---- */

static json_t *features(const struct daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_features; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:b, s:s}", "name", d->features[i].name, "is_on",
					d->features[i].is_on, "why", d->features[i].why));
	packets_features(d, list);
	ebpf_features(d, list);
	for (unsigned i = 0; i < KEEPER_N_PROTECTIONS; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:b, s:s}", "name",
				  keeper_protection_name((enum keeper_protection)i), "is_on",
				  d->protections.of[i].is_on, "why", d->protections.of[i].text));
	return list;
}

static json_t *counters(const struct daemon *d)
{
	struct tun_counters tun = { 0 };
	struct udp_counters udp = { 0 };
	struct node_counters c;
	json_t *j = json_object();

	node_counters(d->node, &c);
	if (d->tun)
		tun_counters(d->tun, &tun);
	for (size_t i = 0; i < d->n_udp; i++) {
		const struct udp_counters *u = udp_counters(d->udp[i]);

		udp.sends += u->sends;
		udp.receives += u->receives;
		udp.kernel_dropped += u->kernel_dropped;
		udp.held += u->held;
		for (unsigned k = 0; k < UDP_N_CLASSES; k++)
			udp.dropped[k] += u->dropped[k];
		udp.too_long += u->too_long;
		udp.failed += u->no_buffers + u->unreachable + u->refused + u->failed;
	}
	threads_counters(d->threads, &c, &tun, &udp);

	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "datagrams_in", c.datagrams_in },
		{ "datagrams_out", c.datagrams_out },
		{ "bytes_in", c.bytes_in },
		{ "bytes_out", c.bytes_out },
		{ "packets_from_tun", c.packets_from_tun },
		{ "packets_to_tun", c.packets_to_tun },
		{ "relayed", c.relayed },
		{ "unknown_index", c.unknown_index },
		{ "forged", c.forged },
		{ "replayed", c.replayed },
		{ "malformed", c.malformed },
		{ "spoofed_inner", c.spoofed_inner },
		{ "spoofed_tun", c.spoofed_tun },
		{ "no_route", c.no_route },
		{ "ttl_expired", c.ttl_expired },
		{ "queue_full", c.queue_full },
		{ "flow_denied", c.flow_denied },
		{ "not_offered", c.not_offered },
		{ "too_big", c.too_big },
		{ "too_big_told", c.too_big_told },
		{ "icmp_told", c.icmp_told },
		{ "datagrams_cut", c.datagrams_cut },
		{ "datagrams_joined", c.datagrams_joined },
		{ "pieces_refused", c.pieces_refused },
		{ "mss_clamped", c.mss_clamped },
		{ "duplicates_sent", c.duplicates_sent },
		{ "dead_ends_told", c.dead_ends_told },
		{ "dead_ends_heard", c.dead_ends_heard },
		{ "dead_ends_refused", c.dead_ends_refused },
		{ "carriers_lost", c.carriers_lost },
		{ "refusals", c.refusals },
		{ "copies_sent", c.copies_sent },
		{ "copies_removed", c.copies_removed },
		{ "flowlets", c.flowlets },
		{ "bulk_shed", c.bulk_shed },
		{ "labels_left", c.labels_left },
		{ "reordered", c.reordered },
		{ "reordered_late", c.reordered_late },
		{ "reordered_lost", c.reordered_lost },
		{ "deflected", c.deflected },
		{ "certificates_verified", c.origins.verified },
		{ "certificates_refused", c.origins.rejected },
		{ "claims_proved", c.origins.claims_proved },
		{ "claims_provisional", c.origins.claims_provisional },
		{ "claims_refused", c.origins.claims_refused },
		{ "delivery_probes", c.watch.sent },
		{ "delivery_probes_lost", c.watch.lost },
		{ "ways_doubted", c.watch.doubts },
		{ "neighbours_doubted", c.watch.neighbour_doubts },
		{ "ecn_marked", c.ecn_marked },
		{ "ecn_dropped", c.ecn_dropped },
		{ "actions_dropped", c.actions_dropped },
		{ "tun_dropped", d->tun_missing + tun.dropped },
		{ "tun_malformed", tun.malformed },
		{ "tun_reads", tun.reads },
		{ "tun_writes", tun.writes },
		{ "udp_messages_in", udp.receives },
		{ "udp_messages_out", udp.sends },
		{ "udp_overflow", udp.kernel_dropped },
		{ "udp_unsent", udp.failed },
		{ "udp_too_long", udp.too_long },
		{ "queue_waited", udp.held },
		{ "queue_dropped_control", udp.dropped[UDP_CONTROL] },
		{ "queue_dropped_critical", udp.dropped[UDP_CRITICAL] },
		{ "queue_dropped_interactive", udp.dropped[UDP_INTERACTIVE] },
		{ "queue_dropped_bulk", udp.dropped[UDP_BULK] },
		{ "policy_allowed", c.policy_allowed },
		{ "policy_denied", c.policy_denied },
		{ "ledger_entries", ledger_n_entries(d) },
		{ "handshakes_started", c.handshakes.started },
		{ "handshakes_completed", c.handshakes.completed },
		{ "handshakes_failed", c.handshakes.failed },
		{ "handshake_datagrams", c.handshakes.datagrams },
		{ "handshake_bad_mac1", c.handshakes.bad_mac1 },
		{ "handshake_bad_mac2", c.handshakes.bad_mac2 },
		{ "handshake_refused", c.handshakes.half_open_refused },
		{ "handshake_over_rate", c.handshakes.m1_over_rate },
		{ "handshake_jobs", c.handshakes.jobs },
		{ "handshake_jobs_refused", c.handshakes.jobs_refused },
		{ "route_updates_sent", c.routes.updates_sent },
		{ "route_updates_received", c.routes.updates_received },
		{ "route_bytes_sent", c.routes.bytes_sent },
		{ "reach_requests", c.reach.requests },
		{ "reach_found", c.reach.found },
		{ "reach_failed", c.reach.failed },
		{ "reach_relayed", c.reach.relayed },
		{ "reach_answered", c.reach.answered },
		{ "reach_limited", c.reach.limited },
		{ "reach_confirms", c.reach.confirms },
		{ "reach_bytes_sent", c.reach.bytes_sent },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		set_u64(j, rows[i].name, rows[i].value);
	return j;
}

/* One object for each; none where the loop does it all. */
static json_t *threads(const struct daemon *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < threads_count(d->threads); i++) {
		json_t *j = json_object();
		struct thread_view v;

		threads_view(d->threads, i, &v);
		set_u64(j, "packets_from_tun", v.packets_from_tun);
		set_u64(j, "packets_to_tun", v.packets_to_tun);
		set_u64(j, "left_to_loop", v.handed_over);
		set_u64(j, "dropped", v.dropped);
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *certificate(const struct daemon *d)
{
	const struct member *m = d->member;

	return json_pack("{s:I, s:I, s:I}", "not_before_s", (json_int_t)m->not_before_s,
			 "not_after_s", (json_int_t)m->not_after_s, "renewed_from_s",
			 (json_int_t)m->not_before_s +
				 ((json_int_t)m->not_after_s - (json_int_t)m->not_before_s) / 2);
}

static json_t *crypto(void)
{
	struct crypto_description c;
	json_t *j = json_object();

	if (crypto_openssl_describe(&c) < 0)
		return json_null();
	set(j, "library", json_string(c.library));
	set(j, "post_quantum", json_string(c.is_own_pq ? "library" : "x0pq"));
	for (unsigned i = 0; i < c.n_rows; i++)
		set(j, c.rows[i].algorithm, json_string(c.rows[i].provider));
	return j;
}

static json_t *guard_json(int r, const struct nft_counters *c, const char *why)
{
	if (r < 0)
		return json_pack("{s:b, s:s}", "is_on", 0, "why", why);
	return json_pack("{s:b, s:I, s:I}", "is_on", 1, "source_packets",
			 (json_int_t)c->source_packets, "destination_packets",
			 (json_int_t)c->destination_packets);
}

static json_t *listening(const struct daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_udp; i++) {
		struct endpoint e;

		udp_local(d->udp[i], &e);
		(void)json_array_append_new(list, endpoint_json(&e));
	}
	return list;
}

/* Nobody is asked, and nothing waited for. */
static json_t *guard_in_brief(const struct daemon *d)
{
	bool is_on = false;

	for (size_t i = 0; i < d->n_features; i++)
		if (strcmp(d->features[i].name, "guard") == 0)
			is_on = d->features[i].is_on;
	return json_pack("{s:b}", "is_on", (int)is_on);
}

static json_t *liveness(const struct daemon *d)
{
	struct alive_view v;

	alive_view(d, &v);
	return json_pack("{s:b, s:b, s:I, s:I}", "is_on", (int)v.is_on, "is_realtime",
			 (int)v.is_realtime, "late_us", (json_int_t)v.late_us, "signs_sent",
			 (json_int_t)v.signs_sent);
}

static json_t *reach(const struct daemon *d)
{
	json_t *j = json_object();
	struct reach_view v;

	reach_view(node_reach(d->node), &v);
	set_u64(j, "nodes", v.n_nodes);
	set(j, "is_zoned", json_boolean(v.is_zoned));
	set_u64(j, "zone_max", v.zone_max);
	set_u64(j, "zone", v.zone);
	set(j, "root", name_or_id(d, v.root));
	set(j, "parent", v.parent ? name_or_id(d, v.parent) : json_null());
	set_u64(j, "below", v.n_below);
	set_u64(j, "wanted", v.n_wants);
	set_u64(j, "looked_for", v.n_looking);
	return j;
}

static json_t *status(const struct daemon *d, json_t *guard)
{
	uint64_t now_us = loop_now_us();
	struct node_peer_view v;
	json_t *j = json_object();
	size_t n_neighbours = 0;
	size_t n_sessions = 0;
	size_t cursor = 0;

	while (node_next_peer(d->node, &cursor, now_us, &v)) {
		n_neighbours += v.is_neighbour && v.state != LINK_DOWN;
		n_sessions += v.has_session;
	}
	set(j, "version", json_string(X0_VERSION));
	set(j, "name", json_string(d->member->name));
	set(j, "domain", json_string(d->member->domain));
	set(j, "spiffe_id", json_string(d->member->is.spiffe_id));
	set(j, "node_id", id_json(d->member->node_id));
	set(j, "address", address_json(node_overlay_address(d->node)));
	set(j, "ipv4", ipv4_json(d, d->member->node_id));
	set(j, "tun", d->tun ? json_string(d->options->config->tun_name) : json_null());
	set(j, "listen", listening(d));
	set(j, "is_authority", json_boolean(d->authority != NULL));
	if (d->authority)
		set(j, "is_authority_locked", json_boolean(authority_is_locked(d->authority)));
	set(j, "authority", json_string(d->member->is.authority));
	set_u64(j, "pid", (uint64_t)getpid());
	set_u64(j, "uptime_s", (now_us - d->start_us) / US_PER_S);
	set_u64(j, "restarts", keeper_restarts(d->keeper));
	set(j, "healing", healing_status(d));
	set(j, "ledger", witness_json(d));
	set_u64(j, "neighbours", n_neighbours);
	set_u64(j, "sessions", n_sessions);
	set_u64(j, "reachable", routes_count_reachable(node_routes(d->node)));
	set(j, "reach", reach(d));
	set(j, "certificate", certificate(d));
	set(j, "crypto", crypto());
	set(j, "names", names_status(d));
	set(j, "discovery", discovery_json(d));
	set(j, "nat", places_json(d));
	set(j, "features", features(d));
	set(j, "guard", guard);
	set(j, "ebpf", ebpf_json(d));
	set(j, "batman", batman_status(d));
	set(j, "api", api_status(d));
	set(j, "tracing", tracing_status(d));
	set(j, "counters", counters(d));
	set(j, "threads", threads(d));
	set(j, "liveness", liveness(d));
	return j;
}

/* Of the status, for node_page(): what other operations have. */
static const char *const left_out[] = { "counters", "threads", "crypto", "names",  "discovery",
					"nat",	    "guard",   "ebpf",	 "batman", "api" };

static json_t *peer(const struct daemon *d, const struct node_peer_view *v, uint64_t now_us)
{
	json_t *j = json_object();

	set(j, "node", v->name[0] ? json_string(v->name) : id_json(v->node_id));
	set(j, "node_id", id_json(v->node_id));
	set(j, "address", address_json(v->address));
	set(j, "ipv4", ipv4_json(d, v->node_id));
	set(j, "is_neighbour", json_boolean(v->is_neighbour));
	set(j, "has_session", json_boolean(v->has_session));
	if (v->is_neighbour) {
		set(j, "endpoint", endpoint_json(&v->endpoint));
		set(j, "state", json_string(link_state_name(v->state)));
		set(j, "class", json_string(link_class_name(v->class)));
		set_u64(j, "rtt_us", v->quality.rtt_us);
		set_u64(j, "jitter_us", v->quality.jitter_us);
		set_u64(j, "loss_ppm", v->quality.loss_ppm);
		set_u64(j, "rate_bps", v->quality.rate_bps);
		set_u64(j, "flaps", v->quality.flaps);
		set_u64(j, "doubts", v->quality.doubts);
		set(j, "is_restless", json_boolean(v->quality.is_restless));
		set_u64(j, "promised_us", v->quality.interval_us);
		set_u64(j, "heard_us_ago", now_us - min_u64(now_us, v->quality.last_heard_us));
		set_u64(j, "metric", v->metric);
		set_u64(j, "path_mtu", v->path_mtu);
		set(j, "is_path_mtu_searched", json_boolean(v->is_path_mtu_searched));
		set(j, "path_mtu_state", json_string(pmtu_state_name(v->path_mtu_state)));
	}
	set(j, "life", json_string(node_life_name(v->life)));
	if (v->why_relayed) {
		set(j, "why_relayed", json_string(v->why_relayed));
		set_u64(j, "addresses_tried", v->n_tried);
		set_u64(j, "tried_again_s", (v->again_us + US_PER_S - 1) / US_PER_S);
	}
	set_u64(j, "mtu", v->mtu_bytes);
	if (v->has_session) {
		set(j, "role", json_string(v->is_initiator ? "initiator" : "responder"));
		set(j, "key_exchange", json_string("X25519MLKEM768"));
		set(j, "signature", json_string("ML-DSA-65"));
		set(j, "cipher",
		    json_string(v->aead == AEAD_AES_256_GCM ? "AES-256-GCM" : "ChaCha20-Poly1305"));
		set_u64(j, "key_epoch", v->epoch);
		set_u64(j, "session_age_s", v->session_age_us / US_PER_S);
		set(j, "certificate_not_after_s", json_integer((json_int_t)v->not_after_s));
		set(j, "certificate_serial", hex_json(SPAN_OF(v->serial)));
	}
	set_u64(j, "sent_bytes", v->sent_bytes);
	set_u64(j, "received_bytes", v->received_bytes);
	return j;
}

static json_t *peers(const struct daemon *d)
{
	uint64_t now_us = loop_now_us();
	struct node_peer_view v;
	json_t *list = json_array();
	size_t cursor = 0;

	while (node_next_peer(d->node, &cursor, now_us, &v))
		(void)json_array_append_new(list, peer(d, &v, now_us));
	return list;
}

/* Of several ways to one node; empty while one will do. */
static json_t *ways(const struct daemon *d, uint64_t id)
{
	json_t *list = json_array();
	struct node_way_view v;
	size_t cursor = 0;
	uint64_t sent = 0;

	while (node_next_way(d->node, id, &cursor, &v))
		sent += v.load_bps;
	for (cursor = 0; node_next_way(d->node, id, &cursor, &v);) {
		json_t *j = json_object();
		json_t *nodes = json_array();

		for (size_t i = 1; i < v.n_nodes; i++)
			(void)json_array_append_new(nodes, name_or_id(d, v.nodes[i]));
		set(j, "nodes", nodes);
		set(j, "is_used", json_boolean(v.is_used));
		set_u64(j, "delay_us", v.delay_us);
		set_u64(j, "rate_bps", v.rate_bps);
		set(j, "is_rate_known", json_boolean(v.is_rate_known));
		set_u64(j, "load_bps", v.load_bps);
		set_u64(j, "share_percent", sent ? v.load_bps * 100 / sent : 0);
		set_u64(j, "sent_bytes", v.sent_bytes);
		set(j, "reason", json_string(v.reason));
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *routes(const struct daemon *d)
{
	json_t *list = json_array();
	uint64_t now_us = loop_now_us();
	const char *why;
	struct route r;
	size_t cursor = 0;

	while (routes_next(node_routes(d->node), &cursor, &r)) {
		json_t *j = json_object();
		json_t *alternates = json_array();

		if (r.destination == d->member->node_id) {
			json_decref(j);
			json_decref(alternates);
			continue;
		}
		set(j, "node", name_or_id(d, r.destination));
		set(j, "node_id", id_json(r.destination));
		set(j, "is_reachable", json_boolean(r.next_hop != 0));
		set(j, "via", r.next_hop ? name_or_id(d, r.next_hop) : json_null());
		set(j, "is_direct", json_boolean(r.next_hop == r.destination));
		set(j, "is_in_zone",
		    json_boolean(routes_is_in_zone(node_routes(d->node), r.destination)));
		for (size_t i = 0; i < r.n_alternates; i++)
			(void)json_array_append_new(alternates, name_or_id(d, r.alternates[i]));
		set(j, "alternates", alternates);
		set_u64(j, "hops", r.hops);
		set_u64(j, "metric", r.metric);
		set_u64(j, "epoch", r.epoch);
		set_u64(j, "seqno", r.seqno);
		set_u64(j, "age_s", (now_us - min_u64(now_us, r.since_us)) / US_PER_S);
		set(j, "is_doubted", json_boolean(r.metric >= ROUTE_DOUBTED && r.next_hop));
		set(j, "origin",
		    json_string(origin_state_text(node_origin(d->node, r.destination, &why))));
		set(j, "origin_refused", why ? json_string(why) : json_null());
		set(j, "paths", ways(d, r.destination));
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *svid(const struct daemon *d)
{
	const struct member *m = d->member;
	struct cert leaf;
	uint8_t hash[SHA256_LEN];
	json_t *j = json_object();

	set(j, "spiffe_id", json_string(m->is.spiffe_id));
	set(j, "node_id", id_json(m->node_id));
	set(j, "certificate", certificate(d));
	set(j, "algorithms", json_pack("[s, s]", "ML-DSA-65", "ECDSA P-256"));
	if (d->ops->cert_read(m->is.chain[0], &leaf) == 0)
		set(j, "serial", hex_json(SPAN_OF(leaf.serial)));
	d->ops->sha256(&m->is.roots[0], 1, hash);
	set(j, "root_sha256", hex_json(SPAN_OF(hash)));
	return j;
}

static json_t *issued(const struct daemon *d)
{
	json_t *list = json_array();
	const struct store_issued *i;

	for (size_t at = 0; d->authority && (i = authority_issued_at(d->authority, at)); at++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:o, s:o, s:I, s:b}", "node", i->name, "node_id",
					id_json(i->node_id), "serial", hex_json(SPAN_OF(i->serial)),
					"not_after_s", (json_int_t)i->not_after_s, "is_revoked",
					i->is_revoked));
	return list;
}

/* Those of the peers that are at the end of a link, or that a session is held with. */
static json_t *peers_with(const struct daemon *d, const char *member)
{
	json_t *list = peers(d);

	for (size_t i = json_array_size(list); i > 0; i--)
		if (!json_is_true(json_object_get(json_array_get(list, i - 1), member)))
			(void)json_array_remove(list, i - 1);
	return list;
}

static json_t *links(const struct daemon *d)
{
	return peers_with(d, "is_neighbour");
}

static json_t *sessions(const struct daemon *d)
{
	return peers_with(d, "has_session");
}

static json_t *doctor(const struct daemon *d)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "version", X0_VERSION, "crypto", crypto(),
			 "certificate", certificate(d), "features", features(d));
}

static json_t *rules(const struct daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->config->n_rules; i++) {
		const struct policy_rule *r = &d->config->rules[i];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:i}", "effect",
					r->effect == POLICY_ALLOW ? "allow" : "forbid", "action",
					r->any_action ? "*" : policy_action_name(r->action), "from",
					r->from, "to", r->resource, "line", (int)r->line));
	}
	return list;
}

/* What a page about this node needs. */
static json_t *node_page(const struct daemon *d)
{
	const struct survey *survey = node_survey(d->node);
	json_t *j = status(d, guard_in_brief(d));

	for (size_t i = 0; i < N_ELEMENTS(left_out); i++)
		(void)json_object_del(j, left_out[i]);
	set(j, "id", id_json(d->member->node_id));
	set_u64(j, "surveyed_by", survey ? survey_n_watchers(survey, loop_now_us()) : 0);
	return j;
}

/* With the alphabet and the padding of PEM (RFC 4648 section 4). */
static json_t *base64_json(struct span bytes)
{
	size_t size = (bytes.len + 2) / 3 * 4 + 1;
	CLEANUP_FREE char *text = malloc(size);

	if (!text || bytes_to_base64url(bytes, text, size) < 0)
		return json_null();
	for (char *at = text; *at; at++)
		*at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
	for (size_t len = strlen(text); len < size - 1; len++) {
		text[len] = '=';
		text[len + 1] = '\0';
	}
	return json_string(text);
}

/* The trust bundle: all roots that count, as certificates; of each also what it is. */
static json_t *bundle(const struct daemon *d)
{
	const struct membership *is = &d->member->is;
	json_t *list = json_array();

	for (size_t i = 0; i < is->n_roots; i++) {
		uint8_t hash[SHA256_LEN];
		struct cert c;

		if (d->ops->cert_read(is->roots[i], &c) < 0)
			continue;
		d->ops->sha256(&is->roots[i], 1, hash);
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:o}", "use", "x509-svid",
				  "algorithm", c.is_mldsa65 ? "ML-DSA-65" : "ECDSA P-256", "serial",
				  hex_json(SPAN_OF(c.serial)), "sha256", hex_json(SPAN_OF(hash)),
				  "not_before_s", (json_int_t)c.not_before_s, "not_after_s",
				  (json_int_t)c.not_after_s, "certificate",
				  base64_json(is->roots[i])));
	}
	return json_pack("{s:s, s:o}", "trust_domain", d->member->domain, "roots", list);
}

static json_t *health(const struct daemon *d)
{
	return json_pack("{s:s, s:b, s:s, s:I}", "status", d->tun ? "ok" : "no tunnel", "is_ready",
			 d->tun != NULL, "version", X0_VERSION, "uptime_s",
			 (json_int_t)((loop_now_us() - d->start_us) / US_PER_S));
}

/* In brief it is for whoever waits for the daemon to answer, and for the API: what the kernel's
 * guard has counted takes as long to read as a daemon to start. */
void answers_status(struct daemon *d, uint64_t request, bool is_brief)
{
	if (is_brief || d->n_statuses == STATUSES_MAX || keeper_guard_read_begin(d->keeper) < 0) {
		(void)answer_result(d, request, status(d, guard_in_brief(d)));
		return;
	}
	d->statuses[d->n_statuses++] = request; /* answered by answers_guard() */
}

void answers_guard(struct daemon *d)
{
	char why[KEEPER_WHY_SIZE];
	struct nft_counters c;
	int r = keeper_guard_read_end(d->keeper, &c, why);

	if (r == -EAGAIN)
		return;
	held_check_guard(d); /* the keeper may have waited for it to be applied */
	for (unsigned i = 0; i < d->n_statuses; i++)
		(void)answer_result(d, d->statuses[i], status(d, guard_json(r, &c, why)));
	d->n_statuses = 0;
}

static json_t *times_json(const struct node_times *t)
{
	json_t *bounds = json_array();
	json_t *counts = json_array();

	for (size_t i = 0; i < NODE_N_BOUNDS; i++)
		(void)json_array_append_new(bounds, json_integer((json_int_t)node_bounds_us[i]));
	for (size_t i = 0; i <= NODE_N_BOUNDS; i++)
		(void)json_array_append_new(counts, json_integer((json_int_t)t->n[i]));
	return json_pack("{s:o, s:o, s:I}", "bounds_us", bounds, "counts", counts, "sum_us",
			 (json_int_t)t->sum_us);
}

static json_t *decisions_json(const struct daemon *d, const struct node_counters *c)
{
	struct policy_times all = c->decisions;
	json_t *bounds = json_array();
	json_t *counts = json_array();

	policy_times_add(&all, &d->decisions);
	for (size_t i = 0; i < POLICY_N_BOUNDS; i++)
		(void)json_array_append_new(
			bounds, json_integer((json_int_t)(policy_bounds_ns[i] / NS_PER_US)));
	for (size_t i = 0; i <= POLICY_N_BOUNDS; i++)
		(void)json_array_append_new(counts, json_integer((json_int_t)all.n[i]));
	return json_pack("{s:o, s:o, s:I}", "bounds_us", bounds, "counts", counts, "sum_us",
			 (json_int_t)(all.sum_ns / NS_PER_US));
}

/* How many routes there are, those that lead nowhere first, then by how many hops. */
static json_t *routes_by_hops(const struct daemon *d)
{
	uint64_t counts[HOPS_TOLD + 1] = { 0 };
	json_t *list = json_array();
	struct route r;
	size_t cursor = 0;

	while (routes_next(node_routes(d->node), &cursor, &r))
		counts[r.next_hop ? min_u64(r.hops, HOPS_TOLD) : 0]++;
	for (size_t i = 0; i <= HOPS_TOLD; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)counts[i]));
	return list;
}

/* What the API makes its metrics of. */
static json_t *metrics(const struct daemon *d)
{
	struct node_counters c;

	node_counters(d->node, &c);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}}", "status",
			 status(d, guard_in_brief(d)), "peers", peers(d), "routes",
			 routes_by_hops(d), "initiated", times_json(&c.initiated), "responded",
			 times_json(&c.responded), "discoveries", times_json(&c.discoveries),
			 "failovers", times_json(&c.failovers), "decisions", decisions_json(d, &c),
			 "rotations", "renewed", (json_int_t)d->n_renewals, "failed",
			 (json_int_t)d->n_renewals_failed);
}

json_t *answers_view(const struct daemon *d, const char *verb)
{
	static const struct {
		const char *verb;
		json_t *(*view)(const struct daemon *d);
	} views[] = {
		{ "peers", peers },
		{ "links", links },
		{ "sessions", sessions },
		{ "routes", routes },
		{ "svid", svid },
		{ "doctor", doctor },
		{ "policy", rules },
		{ "names", names_status },
		{ "node.list", issued },
		{ "routes.offered", networks_offered },
		{ "exit", networks_exit },
		{ "ebpf", ebpf_json },
		{ "batman", batman_gateway },
		{ "node", node_page },
		{ "bundle", bundle },
		{ "metrics", metrics },
		{ "health", health },
		{ "health.ready", health },
	};

	for (size_t i = 0; i < N_ELEMENTS(views); i++)
		if (strcmp(views[i].verb, verb) == 0)
			return views[i].view(d);
	return NULL;
}
