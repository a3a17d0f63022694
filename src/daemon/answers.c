/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket's verbs answer: views of the node as JSON, and commands. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/units.h"
#include "daemon/daemon_internal.h"
#include "daemon/threads.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

#define INVITE_USES_DEFAULT 1
#define INVITE_LIFETIME_DEFAULT_S 86400

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
		{ "deflected", c.deflected },
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
		{ "queue_waited", udp.held },
		{ "queue_dropped_control", udp.dropped[UDP_CONTROL] },
		{ "queue_dropped_critical", udp.dropped[UDP_CRITICAL] },
		{ "queue_dropped_interactive", udp.dropped[UDP_INTERACTIVE] },
		{ "queue_dropped_bulk", udp.dropped[UDP_BULK] },
		{ "policy_allowed", c.policy_allowed },
		{ "policy_denied", c.policy_denied },
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
	set_u64(j, "neighbours", n_neighbours);
	set_u64(j, "sessions", n_sessions);
	set_u64(j, "reachable", routes_count_reachable(node_routes(d->node)));
	set(j, "certificate", certificate(d));
	set(j, "crypto", crypto());
	set(j, "names", names_status(d));
	set(j, "discovery", discovery_json(d));
	set(j, "features", features(d));
	set(j, "guard", guard);
	set(j, "ebpf", ebpf_json(d));
	set(j, "batman", batman_status(d));
	set(j, "counters", counters(d));
	set(j, "threads", threads(d));
	return j;
}

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
		set_u64(j, "heard_us_ago", now_us - min_u64(now_us, v->quality.last_heard_us));
		set_u64(j, "metric", v->metric);
		set_u64(j, "path_mtu", v->path_mtu);
		set(j, "is_path_mtu_searched", json_boolean(v->is_path_mtu_searched));
		set(j, "path_mtu_state", json_string(pmtu_state_name(v->path_mtu_state)));
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

static json_t *routes(const struct daemon *d)
{
	json_t *list = json_array();
	uint64_t now_us = loop_now_us();
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
		for (size_t i = 0; i < r.n_alternates; i++)
			(void)json_array_append_new(alternates, name_or_id(d, r.alternates[i]));
		set(j, "alternates", alternates);
		set_u64(j, "hops", r.hops);
		set_u64(j, "metric", r.metric);
		set_u64(j, "epoch", r.epoch);
		set_u64(j, "seqno", r.seqno);
		set_u64(j, "age_s", (now_us - min_u64(now_us, r.since_us)) / US_PER_S);
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

/* ---- commands ---- */

/* Where a joiner may find us: what the configuration announces, then our own addresses. */
static void invite_endpoints(const struct daemon *d, const json_t *extra, struct invite *ret)
{
	struct endpoint own[UDP_ADDRESSES_MAX];
	struct endpoint local = { 0 };
	const json_t *value;
	size_t index;
	int n;

	json_array_foreach(extra, index, value)
	{
		const char *text = json_string_value(value);

		if (text && ret->n_endpoints < INVITE_ENDPOINTS_MAX)
			(void)snprintf(ret->endpoints[ret->n_endpoints++],
				       sizeof(ret->endpoints[0]), "%s", text);
	}
	for (size_t i = 0; i < d->config->n_endpoints; i++)
		if (ret->n_endpoints < INVITE_ENDPOINTS_MAX)
			(void)snprintf(ret->endpoints[ret->n_endpoints++],
				       sizeof(ret->endpoints[0]), "%.79s", d->config->endpoints[i]);
	if (d->n_udp > 0)
		udp_local(d->udp[0], &local);
	n = udp_own_addresses(node_overlay_address(d->node), OVERLAY_PREFIX_BITS,
			      d->options->config->tun_name, local.port, own, UDP_ADDRESSES_MAX);
	for (int i = 0; i < n && i < UDP_ADDRESSES_MAX; i++) {
		char text[ENDPOINT_TEXT_SIZE];

		if (ret->n_endpoints == INVITE_ENDPOINTS_MAX)
			return;
		endpoint_format(&own[i], text);
		(void)snprintf(ret->endpoints[ret->n_endpoints++], sizeof(ret->endpoints[0]), "%s",
			       text);
	}
}

static void fail(struct daemon *d, uint64_t request, const char *code, const char *why)
{
	(void)control_error(d->control, request, code, why);
}

static bool fail_locked(struct daemon *d, uint64_t request)
{
	if (!d->authority || !authority_is_locked(d->authority))
		return false;
	fail(d, request, "locked",
	     "the authority's keys are locked by their passphrase; unlock them: x0 key unlock");
	return true;
}

static void invite(struct daemon *d, uint64_t request, const json_t *args, const char *principal)
{
	json_t *uses = json_object_get(args, "uses");
	json_t *lifetime = json_object_get(args, "lifetime_s");
	const char *name = json_string_value(json_object_get(args, "name"));
	json_int_t n_uses = uses ? json_integer_value(uses) : INVITE_USES_DEFAULT;
	struct invite_terms terms = { .lifetime_s = lifetime ? json_integer_value(lifetime)
							     : INVITE_LIFETIME_DEFAULT_S };
	struct invite i = { 0 };
	char text[INVITE_TEXT_MAX];
	struct store_error e;
	size_t n_tokens;
	int r;

	if (!d->authority) {
		char why[512];

		(void)snprintf(why, sizeof(why),
			       "only the node that holds the authority can invite: run x0 invite "
			       "on %.255s",
			       d->member->is.authority);
		fail(d, request, "not_authority", why);
		return;
	}
	if (fail_locked(d, request))
		return;
	if (principal &&
	    policy_decide(d->policy, principal, POLICY_INVITE, "", NULL) != POLICY_ALLOW) {
		fail(d, request, "denied",
		     "policy does not let this user invite; see: x0 policy explain uid:N invite");
		return;
	}
	if (name && strlen(name) > NODE_NAME_MAX) {
		fail(d, request, "usage", "the name is too long: at most 63 characters");
		return;
	}
	terms.n_uses = n_uses < 0 || n_uses > UINT32_MAX ? 0 : (uint32_t)n_uses;
	(void)snprintf(terms.name, sizeof(terms.name), "%s", name ? name : "");
	invite_endpoints(d, json_object_get(args, "endpoints"), &i);
	if (i.n_endpoints == 0) {
		fail(d, request, "no_endpoint",
		     "this host has no address another could reach; give one: x0 invite "
		     "--endpoint HOST:PORT");
		return;
	}
	r = authority_invite(d->authority, &terms, daemon_unix_ms(d) / 1000, &i.token, &e);
	const struct token_entry *tokens = authority_tokens(d->authority, &n_tokens);

	node_set_tokens(d->node, tokens, n_tokens); /* they may lie elsewhere now */
	if (r < 0) {
		fail(d, request, r == -EINVAL ? "usage" : "failed", e.text);
		return;
	}
	memcpy(i.domain, d->member->domain, sizeof(i.domain));
	struct span root = authority_root(d->authority);
	struct network_key keys[NODE_NETWORK_KEYS_MAX];

	d->ops->sha256(&root, 1, i.ca);
	(void)node_network_keys(d->node, keys);
	memcpy(i.network_key, keys[0].key, sizeof(i.network_key));
	if (invite_format(&i, text, sizeof(text)) < 0) {
		fail(d, request, "failed",
		     "an endpoint is no host:port, or there are too many; give those that count: "
		     "x0 invite --endpoint HOST:PORT");
	} else {
		json_t *list = json_array();

		for (size_t k = 0; k < i.n_endpoints; k++)
			(void)json_array_append_new(list, json_string(i.endpoints[k]));
		(void)control_result(d->control, request,
				     json_pack("{s:s, s:i, s:I, s:o}", "invitation", text, "uses",
					       (int)terms.n_uses, "expires_s",
					       (json_int_t)daemon_unix_ms(d) / 1000 +
						       (json_int_t)terms.lifetime_s,
					       "endpoints", list));
	}
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(&i, sizeof(i));
	bytes_wipe(text, sizeof(text));
	log_notice(d->log, "invited", log_u64("uses", terms.n_uses));
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

static void revoke_node(struct daemon *d, uint64_t request, const json_t *args)
{
	static const uint8_t any_serial[SERIAL_LEN];
	const char *name = json_string_value(json_object_get(args, "name"));
	const struct store_issued *i;
	struct store_error e;
	int r;

	if (!d->authority) {
		fail(d, request, "not_authority",
		     "only the node that holds the authority can revoke");
		return;
	}
	if (fail_locked(d, request))
		return;
	if (!name || strcmp(name, d->member->name) == 0) {
		fail(d, request, "usage", "name another node: x0 node revoke NAME");
		return;
	}
	i = authority_issued(d->authority, name);
	r = authority_mark_revoked(d->authority, name, &e);
	if (r < 0 && r != -EALREADY) {
		fail(d, request, "failed", e.text);
		return;
	}
	/* Also where it is marked: the daemon may have ended before the list was signed. */
	r = node_revoke(d->node, i->node_id, any_serial, loop_now_us());
	daemon_drain(d);
	if (r < 0) {
		fail(d, request, "failed",
		     r == -EALREADY ? "it has been revoked already"
				    : "it is marked, but the list could not be signed; try again");
		return;
	}
	log_notice(d->log, "revoked", log_str("node", name));
	(void)control_result(d->control, request, json_pack("{s:s}", "revoked", name));
}

static void rotate(struct daemon *d, uint64_t request)
{
	int r;

	if (fail_locked(d, request))
		return;
	r = node_rotate_network_key(d->node, true, loop_now_us());
	daemon_drain(d);
	if (r < 0)
		fail(d, request, "not_authority",
		     "only the node that holds the authority can start a new network key");
	else
		(void)control_result(d->control, request, json_pack("{s:b}", "rotated", 1));
}

static void explain(struct daemon *d, uint64_t request, const json_t *args)
{
	const char *from = json_string_value(json_object_get(args, "from"));
	const char *name = json_string_value(json_object_get(args, "action"));
	const char *resource = json_string_value(json_object_get(args, "resource"));
	struct policy_reason reason;
	enum policy_action action;
	enum policy_effect effect;
	char spiffe_id[SPIFFE_ID_SIZE];

	if (!from || !name || policy_action_parse(name, &action) < 0) {
		fail(d, request, "usage",
		     "who and what: x0 policy explain NODE ACTION [RESOURCE]; actions are session, "
		     "prefix, connect, ping, api, invite, issue, heal, relay");
		return;
	}
	if (!policy_resource_is_asked(action, resource ? resource : "")) {
		char why[256];

		(void)snprintf(why, sizeof(why),
			       "%s is never asked about \"%.60s\"; its resource is %s", name,
			       resource ? resource : "", policy_resource_text(action));
		fail(d, request, "usage", why);
		return;
	}
	if (strchr(from, ':'))
		(void)snprintf(spiffe_id, sizeof(spiffe_id), "%.255s", from);
	else if (spiffe_id_format(d->member->domain, from, spiffe_id) < 0) {
		fail(d, request, "usage", "this is no name of a node");
		return;
	}
	effect = policy_decide(d->policy, spiffe_id, action, resource ? resource : "", &reason);
	(void)control_result(d->control, request,
			     json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "effect",
				       effect == POLICY_ALLOW ? "allow" : "deny", "from", spiffe_id,
				       "action", name, "resource", resource ? resource : "", "rule",
				       (int)reason.rule, "line", (int)reason.line, "reason",
				       reason.text));
}

static void reload(struct daemon *d, uint64_t request)
{
	char why[DAEMON_WHY_SIZE] = "";
	json_t *report = daemon_reload(d, why);

	if (report)
		(void)control_result(d->control, request, report);
	else
		fail(d, request, "invalid", why);
}

static void stop(struct daemon *d, uint64_t request)
{
	(void)control_result(d->control, request, json_pack("{s:b}", "stopping", 1));
	control_server_process(d->control); /* so that the answer leaves before we do */
	daemon_stop(d, KEEPER_EXIT_DONE);
}

/* ---- dispatch ---- */

static const struct {
	const char *verb;
	json_t *(*view)(const struct daemon *d);
} views[] = {
	{ "peers", peers },
	{ "routes", routes },
	{ "svid", svid },
	{ "node.list", issued },
	{ "routes.offered", networks_offered },
	{ "exit", networks_exit },
	{ "ebpf", ebpf_json },
	{ "batman", batman_gateway },
};

/* In brief it is for whoever waits for the daemon to answer: what the kernel's guard has counted
 * takes as long to read as a daemon to start. */
static void tell_status(struct daemon *d, uint64_t request, const json_t *args)
{
	bool is_brief = json_is_true(json_object_get(args, "is_brief"));

	if (is_brief || d->n_statuses == STATUSES_MAX || keeper_guard_read_begin(d->keeper) < 0) {
		(void)control_result(d->control, request, status(d, guard_in_brief(d)));
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
	daemon_check_guard(d); /* the keeper may have waited for it to be applied */
	for (unsigned i = 0; i < d->n_statuses; i++)
		(void)control_result(d->control, d->statuses[i], status(d, guard_json(r, &c, why)));
	d->n_statuses = 0;
}

void answers_request(void *arg, uint64_t request, const char *verb, const json_t *args,
		     const struct control_caller *caller)
{
	struct daemon *d = arg;
	struct policy_reason reason;
	char principal[32];

	(void)snprintf(principal, sizeof(principal), "uid:%u", (unsigned)caller->uid);
	bool is_owner = caller->uid == 0 || caller->uid == geteuid();

	if (!is_owner &&
	    policy_decide(d->policy, principal, POLICY_API, verb, &reason) != POLICY_ALLOW) {
		fail(d, request, "denied", reason.text);
		return;
	}
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (strcmp(views[i].verb, verb) != 0)
			continue;
		(void)control_result(d->control, request, views[i].view(d));
		return;
	}
	if (strcmp(verb, "status") == 0)
		tell_status(d, request, args);
	else if (strcmp(verb, "ping") == 0)
		pings_begin(d, request, args, false);
	else if (strcmp(verb, "trace") == 0)
		pings_begin(d, request, args, true);
	else if (strcmp(verb, "resolve") == 0)
		names_resolve(d, request, args);
	else if (strcmp(verb, "invite") == 0)
		invite(d, request, args, is_owner ? NULL : principal);
	else if (strcmp(verb, "node.revoke") == 0)
		revoke_node(d, request, args);
	else if (strcmp(verb, "node.rotate") == 0)
		rotate(d, request);
	else if (strcmp(verb, "key.unlock") == 0)
		keys_unlock(d, request, args);
	else if (strcmp(verb, "key.lock") == 0)
		keys_lock(d, request);
	else if (strcmp(verb, "policy.explain") == 0)
		explain(d, request, args);
	else if (strcmp(verb, "exit.use") == 0)
		networks_exit_use(d, request, args);
	else if (strcmp(verb, "exit.off") == 0)
		networks_exit_off(d, request);
	else if (strcmp(verb, "config.reload") == 0)
		reload(d, request);
	else if (strcmp(verb, "stop") == 0)
		stop(d, request);
	else
		fail(d, request, "unknown_verb",
		     "this daemon does not know the verb; is it older than the command? x0 "
		     "version");
}

void answers_gone(void *arg, uint64_t request)
{
	struct daemon *d = arg;
	unsigned kept = 0;

	for (unsigned i = 0; i < d->n_statuses; i++)
		if (d->statuses[i] != request)
			d->statuses[kept++] = d->statuses[i];
	d->n_statuses = kept;
	pings_end(d, request);
}
