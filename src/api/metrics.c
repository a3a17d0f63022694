/* SPDX-License-Identifier: Apache-2.0 */
/* The exposition: one table for what the node counts, and a few families that are more than one
 * number. */
#include "api/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics_write.h"
#include "base/bytes.h"
#include "base/cleanup.h"

static const double bounds_s[METRICS_N_BUCKETS] = { 0.01, 0.05, 0.1, 0.5, 1, 5 };

/* Rows of one name stand together; the first has the help. */
static const struct {
	const char *name, *label, *value, *counter, *help;
} counters[] = {
	{ "mesh_datagrams_total", "direction", "in", "datagrams_in", "Datagrams of the mesh." },
	{ "mesh_datagrams_total", "direction", "out", "datagrams_out", NULL },
	{ "mesh_datagram_bytes_total", "direction", "in", "bytes_in",
	  "Bytes of the datagrams of the mesh." },
	{ "mesh_datagram_bytes_total", "direction", "out", "bytes_out", NULL },
	{ "mesh_tunnel_packets_total", "direction", "in", "packets_to_tun",
	  "Packets between the mesh and this host." },
	{ "mesh_tunnel_packets_total", "direction", "out", "packets_from_tun", NULL },
	{ "mesh_relayed_packets_total", NULL, NULL, "relayed", "Packets passed on for others." },
	{ "mesh_dropped_total", "reason", "unknown_index", "unknown_index",
	  "What was not taken, by why." },
	{ "mesh_dropped_total", "reason", "forged", "forged", NULL },
	{ "mesh_dropped_total", "reason", "replayed", "replayed", NULL },
	{ "mesh_dropped_total", "reason", "malformed", "malformed", NULL },
	{ "mesh_dropped_total", "reason", "spoofed_inner", "spoofed_inner", NULL },
	{ "mesh_dropped_total", "reason", "spoofed_tun", "spoofed_tun", NULL },
	{ "mesh_dropped_total", "reason", "no_route", "no_route", NULL },
	{ "mesh_dropped_total", "reason", "ttl_expired", "ttl_expired", NULL },
	{ "mesh_dropped_total", "reason", "queue_full", "queue_full", NULL },
	{ "mesh_dropped_total", "reason", "flow_denied", "flow_denied", NULL },
	{ "mesh_dropped_total", "reason", "not_offered", "not_offered", NULL },
	{ "mesh_dropped_total", "reason", "too_big", "too_big", NULL },
	{ "mesh_dropped_total", "reason", "tunnel", "tun_dropped", NULL },
	{ "mesh_dropped_total", "reason", "udp_overflow", "udp_overflow", NULL },
	{ "mesh_dropped_total", "reason", "udp_unsent", "udp_unsent", NULL },
	{ "mesh_dropped_total", "reason", "udp_too_long", "udp_too_long", NULL },
	{ "mesh_queue_dropped_total", "class", "control", "queue_dropped_control",
	  "Datagrams dropped from queues to the kernel, by class." },
	{ "mesh_queue_dropped_total", "class", "critical", "queue_dropped_critical", NULL },
	{ "mesh_queue_dropped_total", "class", "interactive", "queue_dropped_interactive", NULL },
	{ "mesh_queue_dropped_total", "class", "bulk", "queue_dropped_bulk", NULL },
	{ "mesh_duplicates_sent_total", NULL, NULL, "duplicates_sent",
	  "Packets copied to another neighbour, as the next was suspect." },
	{ "mesh_deflected_packets_total", NULL, NULL, "deflected",
	  "Packets sent by no permitted next hop, as none was up." },
	{ "mesh_multipath_copies_total", "direction", "out", "copies_sent",
	  "Copies of critical packets by a second way." },
	{ "mesh_multipath_copies_total", "direction", "in", "copies_removed", NULL },
	{ "mesh_multipath_flowlets_total", NULL, NULL, "flowlets",
	  "Packets sent by an alternate of choice." },
	{ "mesh_multipath_labels_left_total", NULL, NULL, "labels_left",
	  "Packets that could not follow the way that their source chose." },
	{ "mesh_multipath_shed_total", NULL, NULL, "bulk_shed",
	  "Bulk packets dropped as all ways had as much as they carry." },
	{ "mesh_multipath_reordered_total", "result", "in_order", "reordered",
	  "Packets by several ways that were held until they were in order, or were not." },
	{ "mesh_multipath_reordered_total", "result", "late", "reordered_late", NULL },
	{ "mesh_multipath_reordered_total", "result", "lost", "reordered_lost", NULL },
	{ "mesh_ecn_marked_total", NULL, NULL, "ecn_marked", "Packets marked for congestion." },
	{ "mesh_route_updates_total", "direction", "in", "route_updates_received",
	  "Routing updates." },
	{ "mesh_route_updates_total", "direction", "out", "route_updates_sent", NULL },
	{ "pqc_handshakes_total", "result", "started", "handshakes_started",
	  "Hybrid handshakes, by what became of them." },
	{ "pqc_handshakes_total", "result", "completed", "handshakes_completed", NULL },
	{ "pqc_handshakes_total", "result", "failed", "handshakes_failed", NULL },
	{ "pqc_handshakes_total", "result", "refused", "handshake_refused", NULL },
	{ "pqc_handshakes_total", "result", "over_rate", "handshake_over_rate", NULL },
	{ "policy_decisions_total", "effect", "allow", "policy_allowed",
	  "Decisions of the policy, by effect." },
	{ "policy_decisions_total", "effect", "deny", "policy_denied", NULL },
	{ "ledger_entries_total", NULL, NULL, "ledger_entries",
	  "Entries of this node's ledger that are durable." },
};

static void put_counters(FILE *out, const json_t *list)
{
	for (size_t i = 0; i < N_ELEMENTS(counters); i++) {
		if (counters[i].help)
			family(out, counters[i].name, "counter", counters[i].help);
		(void)fputs(counters[i].name, out);
		if (counters[i].label)
			(void)fprintf(out, "{%s=\"%s\"}", counters[i].label, counters[i].value);
		(void)fprintf(out, " %" PRIu64 "\n", number(list, counters[i].counter));
	}
}

/* ---- peers ---- */

struct peer_family {
	const char *name, *type, *help;
	const char *key;
	double scale;
};

static const struct peer_family peer_families[] = {
	{ "mesh_latency_seconds", "gauge", "Round-trip time of the link to a neighbour.", "rtt_us",
	  1e-6 },
	{ "mesh_jitter_seconds", "gauge", "How much that time varies.", "jitter_us", 1e-6 },
	{ "mesh_packet_loss_ratio", "gauge", "Share of probes lost on the link.", "loss_ppm",
	  1e-6 },
	{ "mesh_path_mtu_bytes", "gauge", "What a datagram to the neighbour may hold.", "path_mtu",
	  1 },
};

static void put_peer_family(FILE *out, const struct peer_family *f, const json_t *peers)
{
	const json_t *peer;
	size_t i;

	family(out, f->name, f->type, f->help);
	json_array_foreach(peers, i, peer)
	{
		if (!json_is_true(json_object_get(peer, "is_neighbour")))
			continue;
		put_sample(out, f->name, peer);
		(void)fprintf(out, "\"} %.9g\n", (double)number(peer, f->key) * f->scale);
	}
}

static void put_peers(FILE *out, const json_t *peers)
{
	const json_t *peer;
	size_t i;

	family(out, "mesh_peers", "gauge", "Nodes that a session or a link is held with.");
	(void)fprintf(out, "mesh_peers %zu\n", json_array_size(peers));
	for (i = 0; i < N_ELEMENTS(peer_families); i++)
		put_peer_family(out, &peer_families[i], peers);
	family(out, "mesh_link_class", "gauge", "1 for the class that the link is in.");
	json_array_foreach(peers, i, peer)
	{
		if (!json_is_true(json_object_get(peer, "is_neighbour")))
			continue;
		put_sample(out, "mesh_link_class", peer);
		(void)fprintf(out, "\",class=\"%s\"} 1\n", text(peer, "class"));
	}
	family(out, "mesh_bytes_total", "counter", "Bytes to and from a peer.");
	json_array_foreach(peers, i, peer)
	{
		put_sample(out, "mesh_bytes_total", peer);
		(void)fprintf(out, "\",direction=\"in\"} %" PRIu64 "\n",
			      number(peer, "received_bytes"));
		put_sample(out, "mesh_bytes_total", peer);
		(void)fprintf(out, "\",direction=\"out\"} %" PRIu64 "\n",
			      number(peer, "sent_bytes"));
	}
}

/* ---- the node ---- */

static bool tunnel_is_on(const json_t *status)
{
	return json_is_string(json_object_get(status, "tun"));
}

/* How many routes of each number of hops; the first of them lead nowhere now. */
static void put_hops(FILE *out, const json_t *by_hops)
{
	uint64_t n = 0;
	const json_t *count;
	size_t i;

	json_array_foreach(by_hops, i, count) n += (uint64_t)json_integer_value(count);
	family(out, "mesh_routes", "gauge", "Nodes that a route is known to.");
	(void)fprintf(out, "mesh_routes %" PRIu64 "\n", n);
	family(out, "mesh_hops", "gauge", "Nodes that can be reached, by how many hops away.");
	json_array_foreach(by_hops, i, count)
	{
		if (i > 0 && json_integer_value(count) > 0)
			(void)fprintf(out, "mesh_hops{hops=\"%zu\"} %" JSON_INTEGER_FORMAT "\n", i,
				      json_integer_value(count));
	}
}

static void put_node(FILE *out, const json_t *status, const json_t *by_hops)
{
	const char *id = text(status, "node_id");
	const json_t *certificate = json_object_get(status, "certificate");

	family(out, "node_uptime_seconds", "gauge", "How long the daemon has run.");
	(void)fprintf(out, "node_uptime_seconds{node_id=\"%s\"} %" PRIu64 "\n", id,
		      number(status, "uptime_s"));
	family(out, "node_health_status", "gauge", "1 where the node carries packets, else 0.");
	(void)fprintf(out, "node_health_status{node_id=\"%s\"} %d\n", id,
		      tunnel_is_on(status) ? 1 : 0);
	family(out, "node_info", "gauge", "What this node is.");
	(void)fprintf(out, "node_info{node_id=\"%s\",name=\"", id);
	label(out, text(status, "name"));
	(void)fprintf(out, "\",version=\"%s\"} 1\n", text(status, "version"));
	put_hops(out, by_hops);
	family(out, "mesh_reachable_nodes", "gauge", "Nodes that can be reached now.");
	(void)fprintf(out, "mesh_reachable_nodes %" PRIu64 "\n", number(status, "reachable"));
	family(out, "svid_expiry_seconds", "gauge", "When the certificate ends, as Unix time.");
	(void)fprintf(out, "svid_expiry_seconds{kind=\"x509\"} %" PRIu64 "\n",
		      number(certificate, "not_after_s"));
}

/* ---- how long things took ---- */

/* label: `role="initiator"`, or "" for none. */
static void put_times(FILE *out, const char *name, const char *label_text, const json_t *times)
{
	const json_t *bounds = json_object_get(times, "bounds_us");
	const json_t *counts = json_object_get(times, "counts");
	const char *comma = label_text[0] ? "," : "";
	const char *open = label_text[0] ? "{" : "";
	const char *close = label_text[0] ? "}" : "";
	uint64_t n = 0;
	const json_t *count;
	size_t i;

	json_array_foreach(counts, i, count)
	{
		const json_t *bound = json_array_get(bounds, i);
		char le[32] = "+Inf";

		n += (uint64_t)json_integer_value(count);
		if (bound)
			(void)snprintf(le, sizeof(le), "%g",
				       (double)json_integer_value(bound) * 1e-6);
		(void)fprintf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, label_text,
			      comma, le, n);
	}
	(void)fprintf(out, "%s_sum%s%s%s %.6f\n", name, open, label_text, close,
		      (double)number(times, "sum_us") * 1e-6);
	(void)fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, label_text, close, n);
}

static void put_all_times(FILE *out, const json_t *source)
{
	family(out, "pqc_handshake_seconds", "histogram",
	       "From the first message of a hybrid handshake until it was completed.");
	put_times(out, "pqc_handshake_seconds", "role=\"initiator\"",
		  json_object_get(source, "initiated"));
	put_times(out, "pqc_handshake_seconds", "role=\"responder\"",
		  json_object_get(source, "responded"));
	family(out, "mesh_route_discovery_seconds", "histogram",
	       "How long a route beyond the zone was looked for until it was found.");
	put_times(out, "mesh_route_discovery_seconds", "", json_object_get(source, "discoveries"));
	family(out, "mesh_failover_seconds", "histogram",
	       "From the last that was heard of a neighbour until another was the next hop.");
	put_times(out, "mesh_failover_seconds", "", json_object_get(source, "failovers"));
	family(out, "policy_evaluation_seconds", "histogram",
	       "How long the policy took to decide.");
	put_times(out, "policy_evaluation_seconds", "", json_object_get(source, "decisions"));
}

static void put_rotations(FILE *out, const json_t *rotations)
{
	family(out, "svid_rotations_total", "counter", "Renewals of the certificate, by result.");
	(void)fprintf(out, "svid_rotations_total{result=\"renewed\"} %" PRIu64 "\n",
		      number(rotations, "renewed"));
	(void)fprintf(out, "svid_rotations_total{result=\"failed\"} %" PRIu64 "\n",
		      number(rotations, "failed"));
}

/* ---- healing ---- */

/* A sum and how many, of what is not kept in buckets: a summary without quantiles. */
static void put_summary(FILE *out, const char *name, const char *labels, uint64_t sum_us,
			uint64_t n)
{
	(void)fprintf(out, "%s_sum{%s} %.6f\n", name, labels, (double)sum_us / 1e6);
	(void)fprintf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, n);
}

static void put_healing(FILE *out, const json_t *h)
{
	static const struct outcome {
		const char *outcome, *counter;
	} rows[] = {
		{ "healed", "healed" },
		{ "unconfirmed", "unconfirmed" },
		{ "escalated", "escalated" },
	};
	static const struct outcome hints[] = {
		{ "opened", "hints" },
		{ "confirmed", "hints_confirmed" },
	};
	static const char *const modes[] = { "rules", "robust_z", "ensemble" };

	if (!json_is_object(h))
		return;
	family(out, "mape_k_cycle_duration_seconds", "summary", "Cycles of the healing loop.");
	put_summary(out, "mape_k_cycle_duration_seconds", "phase=\"cycle\"", number(h, "cycles_us"),
		    number(h, "cycles"));
	family(out, "self_healing_incidents_total", "counter", "Incidents that were opened.");
	(void)fprintf(out, "self_healing_incidents_total %" PRIu64 "\n", number(h, "opened"));
	family(out, "self_healing_events_total", "counter", "What became of incidents.");
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		(void)fprintf(out, "self_healing_events_total{outcome=\"%s\"} %" PRIu64 "\n",
			      rows[i].outcome, number(h, rows[i].counter));
	family(out, "self_healing_hints_total", "counter",
	       "What was hinted at; and of that, what rules have confirmed.");
	for (size_t i = 0; i < N_ELEMENTS(hints); i++)
		(void)fprintf(out, "self_healing_hints_total{state=\"%s\"} %" PRIu64 "\n",
			      hints[i].outcome, number(h, hints[i].counter));
	family(out, "self_healing_detector_mode", "gauge", "1 for the detectors in force.");
	for (size_t i = 0; i < N_ELEMENTS(modes); i++)
		(void)fprintf(out, "self_healing_detector_mode{mode=\"%s\"} %d\n", modes[i],
			      strcmp(modes[i], text(h, "detectors")) == 0);
	family(out, "self_healing_mttr_seconds", "summary",
	       "From the first bad reading to the probe that confirmed a repair.");
	put_summary(out, "self_healing_mttr_seconds", "recovery_type=\"avoid\"",
		    number(h, "avoided_us"), number(h, "avoided"));
	put_summary(out, "self_healing_mttr_seconds", "recovery_type=\"rehandshake\"",
		    number(h, "rehandshaken_us"), number(h, "rehandshaken"));
	put_summary(out, "self_healing_mttr_seconds", "recovery_type=\"free_space\"",
		    number(h, "freed_space_us"), number(h, "freed_space"));
}

/* ---- requests ---- */

void metrics_count(struct metrics_endpoint *e, unsigned status, uint64_t took_us)
{
	size_t bucket = 0;
	size_t i = 0;

	while (bucket < METRICS_N_BUCKETS && (double)took_us > bounds_s[bucket] * 1e6)
		bucket++;
	e->buckets[bucket]++;
	e->sum_us += took_us;
	while (i < METRICS_STATUSES_MAX && e->statuses[i].status != 0 &&
	       e->statuses[i].status != status)
		i++;
	if (i == METRICS_STATUSES_MAX) {
		e->n_other++;
		return;
	}
	e->statuses[i].status = status;
	e->statuses[i].n++;
}

static void put_requests(FILE *out, const struct metrics_http *h)
{
	family(out, "http_requests_total", "counter", "Requests answered.");
	for (size_t i = 0; i < h->n_endpoints; i++) {
		const struct metrics_endpoint *e = &h->endpoints[i];

		for (size_t k = 0; k < METRICS_STATUSES_MAX && e->statuses[k].status; k++)
			(void)fprintf(out,
				      "http_requests_total{method=\"%s\",endpoint=\"%s\","
				      "status=\"%u\"} %" PRIu64 "\n",
				      e->method, e->path, e->statuses[k].status, e->statuses[k].n);
		if (e->n_other > 0)
			(void)fprintf(out,
				      "http_requests_total{method=\"%s\",endpoint=\"%s\","
				      "status=\"other\"} %" PRIu64 "\n",
				      e->method, e->path, e->n_other);
	}
}

static void put_durations(FILE *out, const struct metrics_http *h)
{
	static const char name[] = "http_request_duration_seconds";

	family(out, name, "histogram", "From a request's head to the last byte of its answer.");
	for (size_t i = 0; i < h->n_endpoints; i++) {
		const struct metrics_endpoint *e = &h->endpoints[i];
		uint64_t n = 0;

		for (size_t k = 0; k <= METRICS_N_BUCKETS; k++)
			n += e->buckets[k];
		if (n == 0)
			continue;
		n = 0;
		for (size_t k = 0; k < METRICS_N_BUCKETS; k++) {
			n += e->buckets[k];
			(void)fprintf(out,
				      "%s_bucket{method=\"%s\",endpoint=\"%s\",le=\"%g\"} "
				      "%" PRIu64 "\n",
				      name, e->method, e->path, bounds_s[k], n);
		}
		n += e->buckets[METRICS_N_BUCKETS];
		(void)fprintf(out,
			      "%s_bucket{method=\"%s\",endpoint=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
			      name, e->method, e->path, n);
		(void)fprintf(out, "%s_sum{method=\"%s\",endpoint=\"%s\"} %.6f\n", name, e->method,
			      e->path, (double)e->sum_us * 1e-6);
		(void)fprintf(out, "%s_count{method=\"%s\",endpoint=\"%s\"} %" PRIu64 "\n", name,
			      e->method, e->path, n);
	}
}

static void put_server(FILE *out, const struct metrics_http *h)
{
	const struct {
		const char *name, *type, *help;
		uint64_t n;
	} rows[] = {
		{ "http_connections", "gauge", "Connections to the API now.", h->connections },
		{ "http_websockets", "gauge", "WebSockets now.", h->sockets },
		{ "http_connections_refused_total", "counter",
		  "Connections closed because one address or all had too many.",
		  h->refused_connections },
		{ "http_requests_limited_total", "counter", "Requests answered with 429.",
		  h->limited },
		{ "http_websockets_dropped_total", "counter",
		  "WebSockets that were closed with a reason, such as a reader that is too slow.",
		  h->sockets_dropped },
		{ "http_answer_bytes", "gauge",
		  "Answers that were made and are not yet read, in bytes.", h->answer_bytes },
		{ "http_answers_refused_total", "counter",
		  "Answers given as 503 because too many bytes of others waited to be read.",
		  h->answers_refused },
		{ "events_dropped_total", "counter",
		  "Events that the API's thread was not told because it had not taken those "
		  "before.",
		  h->events_dropped },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		family(out, rows[i].name, rows[i].type, rows[i].help);
		(void)fprintf(out, "%s %" PRIu64 "\n", rows[i].name, rows[i].n);
	}
}

static void put_process(FILE *out, const struct metrics_process *p)
{
	const struct {
		const char *name, *type, *help;
		double value;
		int digits;
	} rows[] = {
		{ "process_cpu_seconds_total", "counter", "Processor time used.", p->cpu_s, 3 },
		{ "process_resident_memory_bytes", "gauge", "Memory in use.", p->resident_bytes,
		  0 },
		{ "process_virtual_memory_bytes", "gauge", "Addresses in use.", p->virtual_bytes,
		  0 },
		{ "process_open_fds", "gauge", "Open descriptors.", p->descriptors, 0 },
		{ "process_max_fds", "gauge", "Descriptors that may be open.", p->descriptors_max,
		  0 },
		{ "process_start_time_seconds", "gauge", "When it was started, as Unix time.",
		  p->start_s, 3 },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (isnan(rows[i].value))
			continue;
		family(out, rows[i].name, rows[i].type, rows[i].help);
		(void)fprintf(out, "%s %.*f\n", rows[i].name, rows[i].digits, rows[i].value);
	}
}

char *metrics_text(const json_t *source, const struct metrics_http *http,
		   const struct metrics_process *process, size_t *ret_len)
{
	const json_t *status = json_object_get(source, "status");
	char *ret = NULL;
	FILE *out = open_memstream(&ret, ret_len);

	if (!out)
		return NULL;
	put_node(out, status, json_object_get(source, "routes"));
	put_peers(out, json_object_get(source, "peers"));
	put_counters(out, json_object_get(status, "counters"));
	metrics_put_ebpf(out, json_object_get(status, "ebpf"));
	put_all_times(out, source);
	put_rotations(out, json_object_get(source, "rotations"));
	put_healing(out, json_object_get(status, "healing"));
	put_requests(out, http);
	put_durations(out, http);
	put_server(out, http);
	put_process(out, process);
	if (fclose(out) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}

/* ---- OpenMetrics ---- */

/* "# HELP name text" and "# TYPE name type": how long what stands before the name is; 0 for another
 * line. */
static size_t family_head(struct span line)
{
	static const char help[] = "# HELP ", type[] = "# TYPE ";
	size_t len = sizeof(help) - 1;

	if (line.len <= len || (memcmp(line.at, help, len) != 0 && memcmp(line.at, type, len) != 0))
		return 0;
	return len;
}

/* A family of counters is called without the _total that its samples have. */
static void put_line(FILE *out, struct span line)
{
	static const char total[] = "_total";
	size_t ending = sizeof(total) - 1;
	size_t head = family_head(line);
	size_t name = head; /* where it ends */

	while (name < line.len && line.at[name] != ' ')
		name++;
	if (head > 0 && name > head + ending &&
	    memcmp(line.at + name - ending, total, ending) == 0) {
		(void)fwrite(line.at, 1, name - ending, out);
		(void)fwrite(line.at + name, 1, line.len - name, out);
	} else {
		(void)fwrite(line.at, 1, line.len, out);
	}
}

char *metrics_openmetrics(const char *text, size_t *ret_len)
{
	char *ret = NULL;
	FILE *out = open_memstream(&ret, ret_len);

	if (!out)
		return NULL;
	while (*text) {
		size_t len = strcspn(text, "\n");

		len += text[len] == '\n';
		put_line(out, SPAN(text, len));
		text += len;
	}
	(void)fputs("# EOF\n", out);
	if (fclose(out) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}

bool metrics_wants_open(const char *accept)
{
	const char *open = strstr(accept, "application/openmetrics-text");
	const char *text = strstr(accept, "text/plain");

	/* Who sends both puts first what he likes better, as Prometheus does. */
	return open && (!text || open < text);
}
