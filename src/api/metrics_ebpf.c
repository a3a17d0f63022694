/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs in the kernel count. What their maps have by network, MAC address and
 * connection is not here: it has no bound that a time series database would like, and root alone
 * may read it. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "api/metrics_write.h"
#include "base/cleanup.h"

/* Arrivals closer together than this are one bucket: 1,024 ns. */
#define GAP_FIRST 9

static const char *const directions[] = { "in", "out" };

static const json_t *program_of(const json_t *ebpf, const char *name)
{
	const json_t *program;
	size_t i;

	json_array_foreach(ebpf, i, program)
	{
		if (strcmp(text(program, "name"), name) == 0)
			return program;
	}
	return NULL;
}

/* NULL where it is off. */
static const json_t *counters_of(const json_t *ebpf, const char *name)
{
	return json_object_get(program_of(ebpf, name), "counters");
}

/* ---- verdicts: guard and enforce ---- */

/* Among what enforce counts these are no packets. */
static bool is_verdict(const char *name)
{
	return strcmp(name, "classes") != 0 && strcmp(name, "samples_lost") != 0;
}

static void put_verdicts(FILE *out, const json_t *ebpf)
{
	static const char *const programs[] = { "guard", "enforce" };
	bool has_head = false;

	for (size_t i = 0; i < N_ELEMENTS(programs); i++) {
		json_t *counters = (json_t *)(uintptr_t)counters_of(ebpf, programs[i]);
		const char *verdict;
		const json_t *n;

		json_object_foreach(counters, verdict, n)
		{
			if (!is_verdict(verdict))
				continue;
			if (!has_head)
				family(out, "ebpf_packets_total", "counter",
				       "What guard and enforce did with packets.");
			has_head = true;
			(void)fprintf(out,
				      "ebpf_packets_total{program=\"%s\",verdict=\"%s\"} "
				      "%" JSON_INTEGER_FORMAT "\n",
				      programs[i], verdict, json_integer_value(n));
		}
	}
}

static void put_enforce(FILE *out, const json_t *c)
{
	if (!c)
		return;
	family(out, "ebpf_enforce_classes", "gauge",
	       "Kinds of senders that may do different things.");
	(void)fprintf(out, "ebpf_enforce_classes %" PRIu64 "\n", number(c, "classes"));
	family(out, "ebpf_enforce_samples_lost_total", "counter",
	       "Denied packets that were not sampled, as the ring was full.");
	(void)fprintf(out, "ebpf_enforce_samples_lost_total %" PRIu64 "\n",
		      number(c, "samples_lost"));
}

/* ---- meter ---- */

/* Buckets of a list; from index first on each ends at bound(), and the last has no end. */
static void put_buckets(FILE *out, const char *name, const char *direction, const json_t *counts,
			size_t first, double (*bound)(size_t i))
{
	uint64_t all = 0;
	const json_t *count;
	size_t i;

	json_array_foreach(counts, i, count)
	{
		all += (uint64_t)json_integer_value(count);
		if (i + 1 == json_array_size(counts))
			(void)fprintf(out, "%s_bucket{direction=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
				      name, direction, all);
		else if (i >= first)
			(void)fprintf(out, "%s_bucket{direction=\"%s\",le=\"%.10g\"} %" PRIu64 "\n",
				      name, direction, bound(i), all);
	}
	(void)fprintf(out, "%s_count{direction=\"%s\"} %" PRIu64 "\n", name, direction, all);
}

/* The largest size of a bucket of 64 bytes. */
static double size_bound(size_t i)
{
	return 64.0 * (double)(i + 1) - 1;
}

static double gap_bound_s(size_t i)
{
	return ldexp(1e-9, (int)i + 1);
}

static void put_meter(FILE *out, const json_t *c)
{
	static const struct {
		const char *name, *key, *help;
	} rows[] = {
		{ "ebpf_meter_packets_total", "packets", "Datagrams of this node on the wire." },
		{ "ebpf_meter_bytes_total", "bytes", "Bytes of UDP payload in these." },
		{ "ebpf_meter_handshakes_total", "handshakes", "Datagrams of handshakes." },
		{ "ebpf_meter_probes_total", "probes", "Probes of links." },
	};

	if (!c)
		return;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		family(out, rows[i].name, "counter", rows[i].help);
		for (size_t d = 0; d < N_ELEMENTS(directions); d++)
			(void)fprintf(out, "%s{direction=\"%s\"} %" PRIu64 "\n", rows[i].name,
				      directions[d],
				      number(json_object_get(c, directions[d]), rows[i].key));
	}
	family(out, "ebpf_meter_datagram_bytes", "histogram", "Payload of a datagram.");
	for (size_t d = 0; d < N_ELEMENTS(directions); d++) {
		const json_t *one = json_object_get(c, directions[d]);

		put_buckets(out, "ebpf_meter_datagram_bytes", directions[d],
			    json_object_get(one, "sizes_by_64_bytes"), 0, size_bound);
		(void)fprintf(out, "ebpf_meter_datagram_bytes_sum{direction=\"%s\"} %" PRIu64 "\n",
			      directions[d], number(one, "bytes"));
	}
	/* how long all gaps are together is not counted, so there is no sum */
	family(out, "ebpf_meter_gap_seconds", "histogram", "Time between two arrivals.");
	for (size_t d = 0; d < N_ELEMENTS(directions); d++)
		put_buckets(out, "ebpf_meter_gap_seconds", directions[d],
			    json_object_get(json_object_get(c, directions[d]), "gaps_by_log2_ns"),
			    GAP_FIRST, gap_bound_s);
}

static void put_meter_peers(FILE *out, const json_t *peers)
{
	static const struct {
		const char *name, *key, *help;
	} rows[] = {
		{ "ebpf_peer_packets_total", "packets",
		  "Datagrams from a peer, as the meter saw." },
		{ "ebpf_peer_bytes_total", "bytes", "Bytes of UDP payload in these." },
	};
	const json_t *peer;
	size_t k;

	for (size_t i = 0; i < N_ELEMENTS(rows) && json_array_size(peers) > 0; i++) {
		family(out, rows[i].name, "counter", rows[i].help);
		json_array_foreach(peers, k, peer)
		{
			put_sample(out, rows[i].name, peer);
			(void)fprintf(out, "\"} %" PRIu64 "\n", number(peer, rows[i].key));
		}
	}
}

/* ---- flow ---- */

static void put_flow(FILE *out, const json_t *c)
{
	if (!c)
		return;
	family(out, "ebpf_flow_connections_total", "counter",
	       "TCP connections through the mesh that began and ended here.");
	(void)fprintf(out, "ebpf_flow_connections_total{event=\"opened\"} %" PRIu64 "\n",
		      number(c, "opened"));
	(void)fprintf(out, "ebpf_flow_connections_total{event=\"closed\"} %" PRIu64 "\n",
		      number(c, "closed"));
	family(out, "ebpf_flow_retransmissions_total", "counter", "Segments sent again in these.");
	(void)fprintf(out, "ebpf_flow_retransmissions_total %" PRIu64 "\n",
		      number(c, "retransmitted"));
	family(out, "ebpf_flow_rtt_samples_total", "counter", "Round trips measured in these.");
	(void)fprintf(out, "ebpf_flow_rtt_samples_total %" PRIu64 "\n", number(c, "rtt_samples"));
}

/* ---- all of them ---- */

/* Only of programs whose runs the kernel counts: it does not by itself, since that costs. */
static void put_runs(FILE *out, const json_t *ebpf)
{
	const json_t *program;
	bool has_head = false;
	size_t i;

	json_array_foreach(ebpf, i, program)
	{
		const json_t *runs = json_object_get(program, "runs");

		if (!json_is_object(runs))
			continue;
		if (!has_head)
			family(out, "ebpf_run_seconds", "summary",
			       "Runs of the programs in the kernel, while it counted them.");
		has_head = true;
		(void)fprintf(out, "ebpf_run_seconds_sum{program=\"%s\"} %.9f\n",
			      text(program, "name"), (double)number(runs, "ns") * 1e-9);
		(void)fprintf(out, "ebpf_run_seconds_count{program=\"%s\"} %" PRIu64 "\n",
			      text(program, "name"), number(runs, "n"));
	}
}

void metrics_put_ebpf(FILE *out, const json_t *ebpf)
{
	put_verdicts(out, ebpf);
	put_enforce(out, counters_of(ebpf, "enforce"));
	put_meter(out, counters_of(ebpf, "meter"));
	put_meter_peers(out, json_object_get(program_of(ebpf, "meter"), "peers"));
	put_flow(out, counters_of(ebpf, "flow"));
	put_runs(out, ebpf);
}
