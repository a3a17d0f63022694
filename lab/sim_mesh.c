/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab sim --level route: runs, and what they came to as text, JSON and a picture. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "sim/svg.h"

/* ---- JSON ---- */

static void set_count(json_t *o, const char *key, uint64_t n)
{
	(void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void set_real(json_t *o, const char *key, double v)
{
	(void)json_object_set_new(o, key, json_real(v));
}

static json_t *distribution(struct samples *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "n", (json_int_t)s->n, "min",
			 (json_int_t)samples_percentile(s, 0), "median",
			 (json_int_t)samples_percentile(s, 50), "p95",
			 (json_int_t)samples_percentile(s, 95), "p99",
			 (json_int_t)samples_percentile(s, 99), "max",
			 (json_int_t)samples_percentile(s, 100));
}

static json_t *all_of(const struct samples *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)s->values[i]));
	return list;
}

static uint64_t violations(const struct mesh_totals *t)
{
	return t->route_loops + t->infeasible + t->refused;
}

static json_t *totals_json(const struct mesh_totals *t)
{
	json_t *o = json_object();

	set_count(o, "events", t->events);
	set_count(o, "probe_packets", t->probe_packets);
	set_count(o, "probe_bytes", t->probe_bytes);
	set_count(o, "routing_packets", t->stream_packets);
	set_count(o, "routing_bytes", t->stream_bytes);
	set_count(o, "reach_record_bytes", t->reach_bytes);
	set_count(o, "data_packets", t->data_packets);
	set_count(o, "datagrams_lost", t->lost);
	set_count(o, "queue_drops", t->queue_drops);
	set_count(o, "sessions", t->sessions);
	set_count(o, "packets_sent", t->sent);
	set_count(o, "packets_delivered", t->delivered);
	set_count(o, "packet_hops", t->hops);
	set_count(o, "packet_hops_recorded", t->recorded_hops);
	set_count(o, "packets_returned", t->returns);
	set_count(o, "hints", t->hints);
	set_count(o, "ttl_ended", t->ttl_ended);
	set_count(o, "link_downs", t->link_downs);
	set_count(o, "route_changes", t->route_changes);
	set_count(o, "route_changes_checked", t->checks);
	return o;
}

static json_t *broken_json(const struct mesh_totals *t)
{
	json_t *o = json_object();

	set_count(o, "packet_loops", t->loops);
	set_count(o, "packet_loops_without_alternates", t->plain_loops);
	set_count(o, "next_hop_circles", t->route_loops);
	set_count(o, "feasibility", t->infeasible);
	set_count(o, "refused_records", t->refused);
	set_count(o, "loops_through_liars", t->liar_loops);
	return o;
}

static void cold_json(json_t *o, struct mesh_report *r)
{
	json_t *cold = json_object();
	json_t *rest = json_object();

	set_count(cold, "pairs_sampled", r->sampled);
	set_count(cold, "booted_us", r->booted_us);
	set_count(cold, "routed_99_us", r->cold_99_us);
	set_count(cold, "routed_all_us", r->cold_all_us);
	set_real(cold, "control_bytes_per_node", r->cold_bytes_node);
	(void)json_object_set_new(o, "cold_start", cold);
	set_count(cold, "nodes_zoned", r->n_zoned);
	set_count(cold, "tree_roots", r->tree_roots);
	(void)json_object_set_new(cold, "destinations_known", distribution(&r->known));
	set_count(cold, "looked_for", r->looked_for);
	set_count(cold, "looked_for_in_vain", r->looked_in_vain);
	(void)json_object_set_new(cold, "setup_us", distribution(&r->setup));
	(void)json_object_set_new(cold, "setup_path_rtt_us", distribution(&r->setup_rtt));
	(void)json_object_set_new(cold, "setup_beyond_rtt_us", distribution(&r->setup_beyond));
	(void)json_object_set_new(cold, "setup_delay_stretch_permille",
				  distribution(&r->reach_stretch));
	if (r->rest_us == 0) {
		json_decref(rest);
		return;
	}
	set_real(rest, "probe_bytes_per_node_s", r->rest_probe_bytes);
	set_real(rest, "probe_packets_per_node_s", r->rest_probe_packets);
	set_real(rest, "routing_bytes_per_node_s", r->rest_stream_bytes);
	set_real(rest, "routing_packets_per_node_s", r->rest_stream_packets);
	(void)json_object_set_new(o, "at_rest", rest);
}

static void failover_json(json_t *o, struct mesh_report *r)
{
	json_t *f = json_object();

	set_count(f, "failures", r->failures);
	set_count(f, "pairs", r->pairs);
	set_count(f, "unrepairable", r->unrepairable);
	set_count(f, "unrepaired", r->unrepaired);
	(void)json_object_set_new(f, "repair_stretch_permille", distribution(&r->repair_stretch));
	(void)json_object_set_new(o, "failover", f);
}

static void lasting_json(json_t *o, const struct sim_options *options, const struct mesh_report *r)
{
	set_count(o, "joined_packets_sent", r->joined_sent);
	set_count(o, "joined_packets_delivered", r->joined_delivered);
	set_count(o, "upheavals", r->n_upheavals);
	if (options->mesh.scenario == MESH_PARTITION)
		set_count(o, "merge_us", r->merge_us);
	if (options->mesh.scenario != MESH_LIARS)
		return;
	set_count(o, "liar", r->picture.failed_nodes[0]);
	set_real(o, "share_before", r->share_before);
	set_real(o, "share_after", r->share_after);
	set_real(o, "traffic_before", r->traffic_before);
	set_real(o, "traffic_after", r->traffic_after);
	set_real(o, "lost_after", r->lost_after);
}

static json_t *run_json(const struct mesh_summary *s, unsigned long seed, struct mesh_report *r)
{
	const struct sim_options *options = s->options;
	json_t *o = json_object();
	char trace[17];

	(void)snprintf(trace, sizeof(trace), "%016llx", (unsigned long long)r->trace);
	set_count(o, "seed", seed);
	(void)json_object_set_new(o, "is_ok", json_boolean(r->is_ok));
	(void)json_object_set_new(o, "failure", json_string(r->failure));
	(void)json_object_set_new(o, "trace", json_string(trace));
	(void)json_object_set_new(o, "is_out_of_memory", json_boolean(r->is_out_of_memory));
	set_count(o, "pairs_routed", r->routed);
	cold_json(o, r);
	if (options->mesh.scenario == MESH_FAILOVER)
		failover_json(o, r);
	else if (options->mesh.scenario != MESH_COLDSTART)
		lasting_json(o, options, r);
	if (options->mesh.scenario != MESH_COLDSTART)
		(void)json_object_set_new(o, "outage_us", distribution(&r->outages));
	if (options->wants_samples)
		(void)json_object_set_new(o, "outages_us", all_of(&r->outages));
	if (r->stretch.n > 0) {
		(void)json_object_set_new(o, "stretch_permille", distribution(&r->stretch));
		(void)json_object_set_new(o, "delay_stretch_permille",
					  distribution(&r->delay_stretch));
	}
	(void)json_object_set_new(o, "broken", broken_json(&r->totals));
	(void)json_object_set_new(o, "totals", totals_json(&r->totals));
	set_count(o, "virtual_us", r->virtual_us);
	set_count(o, "memory_bytes", r->memory_peak);
	set_real(o, "wall_s", r->wall_s);
	set_real(o, "cpu_s", r->cpu_s);
	if (r->packet_trace)
		(void)json_object_set_new(o, "packet_trace", json_string(r->packet_trace));
	return o;
}

/* ---- text ---- */

static double ms(uint64_t us)
{
	return (double)us / 1e3;
}

static void print_outages(struct samples *s)
{
	(void)printf(
		"  outage of %zu pairs: min %.0f, median %.0f, p95 %.0f, p99 %.0f, max %.0f ms\n",
		s->n, ms(samples_percentile(s, 0)), ms(samples_percentile(s, 50)),
		ms(samples_percentile(s, 95)), ms(samples_percentile(s, 99)),
		ms(samples_percentile(s, 100)));
}

static void print_scenario(enum mesh_scenario scenario, struct mesh_report *r)
{
	if (scenario == MESH_COLDSTART && r->rest_us)
		(void)printf("  at rest, a node and second: probes %.0f B in %.1f, routing %.0f B "
			     "in %.1f packets\n",
			     r->rest_probe_bytes, r->rest_probe_packets, r->rest_stream_bytes,
			     r->rest_stream_packets);
	if (scenario == MESH_FAILOVER)
		(void)printf("  %zu failures; of %zu pairs %zu could not be repaired, %zu were not "
			     "within the window\n",
			     r->failures, r->pairs, r->unrepairable, r->unrepaired);
	if (r->joined_sent)
		(void)printf("  %zu upheavals; %llu of %llu packets of joined pairs arrived\n",
			     r->n_upheavals, (unsigned long long)r->joined_delivered,
			     (unsigned long long)r->joined_sent);
	if (scenario == MESH_PARTITION)
		(void)printf("  all routed %.0f ms after the merge\n", ms(r->merge_us));
	if (scenario == MESH_LIARS)
		(void)printf("  of what has another way, through the liar, node %zu: %.2f %% of "
			     "pairs before, %.2f %% after; %.2f %% of packets before, %.2f %% "
			     "after, when %.2f %% were lost; %llu doubts, %llu probes\n",
			     r->picture.failed_nodes[0], 100 * r->share_before,
			     100 * r->share_after, 100 * r->traffic_before, 100 * r->traffic_after,
			     100 * r->lost_after, (unsigned long long)r->totals.doubts,
			     (unsigned long long)r->totals.watch_probes);
	if (r->outages.n > 0)
		print_outages(&r->outages);
	if (r->stretch.n > 0)
		(void)printf(
			"  stretch of paths: median %.3f, p95 %.3f, max %.3f by cost; max %.3f "
			"by delay\n",
			(double)samples_percentile(&r->stretch, 50) / 1e3,
			(double)samples_percentile(&r->stretch, 95) / 1e3,
			(double)samples_percentile(&r->stretch, 100) / 1e3,
			(double)samples_percentile(&r->delay_stretch, 100) / 1e3);
}

static void print_reach(struct mesh_report *r)
{
	if (!r->looked_for)
		return;
	(void)printf("  beyond the zone: %zu pairs looked for, %zu in vain; destinations known: "
		     "median %llu, max %llu; roots of the tree: %zu\n",
		     r->looked_for, r->looked_in_vain,
		     (unsigned long long)samples_percentile(&r->known, 50),
		     (unsigned long long)samples_percentile(&r->known, 100), r->tree_roots);
	(void)printf("  set-up: median %.1f, p95 %.1f, p99 %.1f, max %.1f ms; beyond the RTT of "
		     "the way: median %.1f, p95 %.1f, p99 %.1f, max %.1f ms; its delay over the "
		     "least: median %.3f, p95 %.3f\n",
		     ms(samples_percentile(&r->setup, 50)), ms(samples_percentile(&r->setup, 95)),
		     ms(samples_percentile(&r->setup, 99)), ms(samples_percentile(&r->setup, 100)),
		     ms(samples_percentile(&r->setup_beyond, 50)),
		     ms(samples_percentile(&r->setup_beyond, 95)),
		     ms(samples_percentile(&r->setup_beyond, 99)),
		     ms(samples_percentile(&r->setup_beyond, 100)),
		     (double)samples_percentile(&r->reach_stretch, 50) / 1e3,
		     (double)samples_percentile(&r->reach_stretch, 95) / 1e3);
}

static void print_run(const struct mesh_summary *s, unsigned long seed, struct mesh_report *r)
{
	const struct mesh_totals *t = &r->totals;

	(void)printf("seed %lu: %s%s%s\n", seed, r->is_ok ? "ok" : "FAILED",
		     r->failure[0] ? ": " : "", r->failure);
	(void)printf("  cold start: 99 %% of %zu pairs after %.0f ms, all after %.0f ms, %.0f kB "
		     "a node\n",
		     r->sampled, ms(r->cold_99_us), ms(r->cold_all_us), r->cold_bytes_node / 1e3);
	print_reach(r);
	print_scenario(s->options->mesh.scenario, r);
	(void)printf("  packet loops %llu (%llu without an alternate), circles of next hops %llu, "
		     "feasibility %llu, refused %llu "
		     "(%llu of %llu route changes checked)\n",
		     (unsigned long long)t->loops, (unsigned long long)t->plain_loops,
		     (unsigned long long)t->route_loops, (unsigned long long)t->infeasible,
		     (unsigned long long)t->refused, (unsigned long long)t->checks,
		     (unsigned long long)t->route_changes);
	if (t->liar_loops)
		(void)printf("  loops with a liar in them: %llu\n",
			     (unsigned long long)t->liar_loops);
	(void)printf("  %.1f s of virtual time, %llu events, %.1f s (%.1f of processor), %llu MB, "
		     "trace %016llx\n",
		     (double)r->virtual_us / 1e6, (unsigned long long)t->events, r->wall_s,
		     r->cpu_s, (unsigned long long)(r->memory_peak >> 20),
		     (unsigned long long)r->trace);
	if (r->packet_trace)
		(void)printf("%s", r->packet_trace);
	(void)fflush(stdout);
}

/* ---- a picture of the first run ---- */

static int write_picture(const char *path, const struct topology *t, const struct mesh_report *r)
{
	FILE *to = fopen(path, "we");
	int err;

	if (!to) {
		err = -errno;
		(void)fprintf(stderr, "x0-lab sim: %s: %s\n", path, strerror(errno));
		return err;
	}
	err = svg_write(to, t, &r->picture);
	if (fclose(to) != 0 && err == 0)
		err = -errno;
	if (err < 0)
		(void)fprintf(stderr, "x0-lab sim: %s: %s\n", path, strerror(-err));
	return err;
}

/* ---- several runs ---- */

void mesh_summary_begin(struct mesh_summary *s, const struct sim_options *o)
{
	*s = (struct mesh_summary){ .options = o, .runs = json_array() };
}

static void add(struct mesh_summary *s, const struct topology *t, const struct mesh_report *r)
{
	memcpy(s->topology, t->name, sizeof(s->topology));
	s->n_nodes = t->n_nodes;
	s->n_links = t->n_links;
	s->n_runs++;
	s->failed += !r->is_ok;
	samples_add_all(&s->outages, &r->outages);
	s->failures += r->failures;
	s->pairs += r->pairs;
	s->unrepairable += r->unrepairable;
	s->unrepaired += r->unrepaired;
	s->loops += r->totals.loops;
	s->violations += violations(&r->totals);
	s->loops_of_liars += r->totals.liar_loops;
}

int mesh_summary_run(struct mesh_summary *s, const struct topology *t, unsigned long seed)
{
	struct mesh_options options = s->options->mesh;
	struct mesh_report report;
	int r;

	options.topology = t;
	options.seed = seed;
	options.wants_trace = options.wants_trace && s->n_runs == 0;
	if (!s->options->is_json && s->n_runs == 0)
		(void)printf("%s: %zu nodes, %zu links; routing alone, no sessions\n", t->name,
			     t->n_nodes, t->n_links);
	r = mesh_run_scenario(&options, &report);
	if (r < 0) {
		(void)fprintf(stderr, "x0-lab sim: %s\n",
			      r == -EINVAL ? "this scenario needs a topology with places"
					   : strerror(-r));
		return r;
	}
	if (s->options->is_json)
		(void)json_array_append_new(s->runs, run_json(s, seed, &report));
	else
		print_run(s, seed, &report);
	if (s->options->svg_path && s->n_runs == 0)
		r = write_picture(s->options->svg_path, t, &report);
	add(s, t, &report);
	mesh_report_done(&report);
	return r;
}

static void dump(struct mesh_summary *s)
{
	const struct mesh_options *m = &s->options->mesh;
	json_t *o = json_object();
	json_t *total = json_object();

	(void)json_object_set_new(o, "level", json_string("route"));
	(void)json_object_set_new(o, "scenario", json_string(mesh_scenario_name(m->scenario)));
	(void)json_object_set_new(o, "topology", json_string(s->topology));
	set_count(o, "nodes", s->n_nodes);
	set_count(o, "links", s->n_links);
	set_count(o, "added_loss_ppm", m->loss_ppm);
	if (m->scenario == MESH_FAILOVER) {
		(void)json_object_set_new(o, "fault", json_string(mesh_fault_name(m->fault)));
		(void)json_object_set_new(o, "has_carrier_loss", json_boolean(m->has_carrier_loss));
	}
	set_count(total, "runs", s->n_runs);
	set_count(total, "failed", s->failed);
	set_count(total, "failures", s->failures);
	set_count(total, "pairs", s->pairs);
	set_count(total, "unrepairable", s->unrepairable);
	set_count(total, "unrepaired", s->unrepaired);
	set_count(total, "packet_loops", s->loops);
	set_count(total, "violations", s->violations);
	set_count(total, "loops_through_liars", s->loops_of_liars);
	(void)json_object_set_new(total, "outage_us", distribution(&s->outages));
	(void)json_object_set_new(o, "total", total);
	(void)json_object_set(o, "runs", s->runs);
	(void)json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	(void)printf("\n");
	json_decref(o);
}

bool mesh_summary_end(struct mesh_summary *s)
{
	if (s->options->is_json) {
		dump(s);
	} else if (s->n_runs > 1) {
		(void)printf("%lu runs, %lu failed; packet loops %llu, other violations %llu\n",
			     s->n_runs, s->failed, (unsigned long long)s->loops,
			     (unsigned long long)s->violations);
		if (s->failures)
			(void)printf("  %zu failures; of %zu pairs %zu could not be repaired, %zu "
				     "were not within the window\n",
				     s->failures, s->pairs, s->unrepairable, s->unrepaired);
		if (s->outages.n)
			print_outages(&s->outages);
	}
	samples_done(&s->outages);
	json_decref(s->runs);
	return s->failed == 0;
}
