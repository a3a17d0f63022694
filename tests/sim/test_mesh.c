/* SPDX-License-Identifier: Apache-2.0 */
/* Each scenario of level route at a small size: what it measures is there, and what cannot break
 * does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "sim/mesh_run.h"

static struct topology *generated(enum topology_kind kind, size_t n)
{
	struct topology *t;

	assert_int_equal(topology_generate(kind, n, 1, &t), 0);
	return t;
}

static struct mesh_report run(const struct topology *t, struct mesh_options o)
{
	struct mesh_report r;

	o.topology = t;
	o.seed = o.seed ? o.seed : 1;
	assert_int_equal(mesh_run_scenario(&o, &r), 0);
	if (!r.is_ok)
		print_message("%s\n", r.failure);
	return r;
}

/* What the routing table itself promises, whatever becomes of packets. */
static void table_is_sound(const struct mesh_report *r)
{
	assert_true(r->totals.checks > 0);
	assert_int_equal(r->totals.route_loops, 0);
	assert_int_equal(r->totals.infeasible, 0);
	assert_int_equal(r->totals.refused, 0);
}

static void a_cold_start_routes_all_pairs_along_best_paths(void **state)
{
	(void)state;
	static const enum topology_kind kinds[] = { TOPOLOGY_LINE, TOPOLOGY_RING, TOPOLOGY_GRID,
						    TOPOLOGY_TREE, TOPOLOGY_GEO,  TOPOLOGY_TIERS,
						    TOPOLOGY_BA };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct topology *t = generated(kinds[i], 25);
		struct mesh_report r = run(t, (struct mesh_options){ .scenario = MESH_COLDSTART });

		assert_true(r.is_ok);
		table_is_sound(&r);
		assert_int_equal(r.routed, r.sampled);
		assert_in_range(r.cold_99_us, 1, SECONDS(2));
		assert_in_range(r.cold_all_us, r.cold_99_us, SECONDS(2));
		assert_true(r.rest_probe_bytes > 0 && r.rest_stream_bytes > 0);
		assert_true(r.rest_probe_bytes + r.rest_stream_bytes < 6000);
		assert_in_range(samples_percentile(&r.stretch, 100), 1000, 1100);
		mesh_report_done(&r);
		topology_free(t);
	}
}

/* A hundred and twenty nodes in zones of sixteen: what no table has is looked for. */
static void a_mesh_of_many_zones_is_routed_by_looking_up(void **state)
{
	(void)state;
	static const enum topology_kind kinds[] = { TOPOLOGY_TIERS, TOPOLOGY_GEO, TOPOLOGY_BA };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct topology *t = generated(kinds[i], 120);
		struct mesh_report r = run(t, (struct mesh_options){ .scenario = MESH_COLDSTART,
								     .flat_max = 50,
								     .zone_max = 16 });

		assert_true(r.is_ok);
		table_is_sound(&r);
		assert_int_equal(r.routed, r.sampled);
		assert_int_equal(r.n_zoned, 120);
		assert_int_equal(r.tree_roots, 1);
		assert_true(r.looked_for > 50);
		assert_int_equal(r.looked_in_vain, 0);
		assert_true(samples_percentile(&r.setup_beyond, 50) <= MS(20));
		mesh_report_done(&r);
		topology_free(t);
	}
}

/* Flows to nodes beyond the zone have no route until somebody asks, so none is judged; what the
 * table promises is checked at each change all the same. */
static void zones_break_no_promise_of_the_table_while_nodes_come_and_go(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GEO, 60);
	struct mesh_report r = run(t, (struct mesh_options){ .scenario = MESH_CHURN,
							     .duration_us = SECONDS(10),
							     .loss_ppm = 10000,
							     .flat_max = 8,
							     .zone_max = 8 });

	table_is_sound(&r);
	assert_true(r.looked_for > 0);
	mesh_report_done(&r);
	topology_free(t);
}

static void the_same_seed_gives_the_same_trace_and_another_another(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GEO, 20);
	struct mesh_options o = { .scenario = MESH_FAILOVER, .n_failures = 3, .loss_ppm = 10000 };
	struct mesh_report a = run(t, o);
	struct mesh_report b = run(t, o);
	struct mesh_report c;

	o.seed = 2;
	c = run(t, o);
	assert_int_equal(a.trace, b.trace);
	assert_int_equal(a.totals.events, b.totals.events);
	assert_int_not_equal(a.trace, c.trace);
	mesh_report_done(&a);
	mesh_report_done(&b);
	mesh_report_done(&c);
	topology_free(t);
}

static void failed_elements_are_routed_around(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GRID, 25);

	for (unsigned fault = 0; fault < MESH_N_FAULTS; fault++) {
		struct mesh_report r =
			run(t, (struct mesh_options){ .scenario = MESH_FAILOVER,
						      .fault = (enum mesh_fault)fault,
						      .n_failures = 5 });

		table_is_sound(&r);
		assert_int_equal(r.failures, 5);
		assert_true(r.pairs > 0);
		assert_int_equal(r.outages.n, r.pairs - r.unrepairable);
		assert_int_equal(r.unrepaired, 0);
		assert_int_equal(r.routed, r.sampled);
		assert_in_range(samples_percentile(&r.outages, 100), MS(10), SECONDS(2));
		mesh_report_done(&r);
	}
	topology_free(t);
}

/* Without a record of where they were, packets went in circles here, 4 1 0 4 on the first graph:
 * several nodes had lost their route at once, and their alternates led to each other. */
static void packets_without_a_record_come_to_no_node_twice(void **state)
{
	(void)state;
	static const struct {
		enum topology_kind kind;
		size_t nodes, failures;
		uint64_t seed;
		uint32_t loss_ppm;
		enum mesh_fault fault;
	} runs[] = { { TOPOLOGY_BA, 6, 12, 2, 0, MESH_FAULT_LINK },
		     { TOPOLOGY_GEO, 50, 20, 1, 0, MESH_FAULT_LINK },
		     { TOPOLOGY_GEO, 30, 10, 3, 10000, MESH_FAULT_DOUBLE },
		     { TOPOLOGY_RING, 40, 10, 8, 10000, MESH_FAULT_NODE } };

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct topology *t;
		struct mesh_report r;

		assert_int_equal(topology_generate(runs[i].kind, runs[i].nodes, runs[i].seed, &t),
				 0);
		r = run(t, (struct mesh_options){ .scenario = MESH_FAILOVER,
						  .seed = runs[i].seed,
						  .n_failures = runs[i].failures,
						  .loss_ppm = runs[i].loss_ppm,
						  .fault = runs[i].fault });
		table_is_sound(&r);
		assert_true(r.is_ok);
		assert_int_equal(r.totals.loops, 0);
		assert_int_equal(r.totals.ttl_ended, 0);
		assert_int_equal(r.unrepaired, 0);
		assert_true(r.totals.recorded_hops > 0);
		assert_true(r.totals.returns < r.totals.hops / 50);
		mesh_report_done(&r);
		topology_free(t);
	}
}

/* The diamond has a feasible alternate: with carrier loss one packet at most is under way. */
static void carrier_loss_is_repaired_at_once_where_there_is_an_alternate(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_DIAMOND, 4);
	struct mesh_report silent =
		run(t, (struct mesh_options){ .scenario = MESH_FAILOVER, .n_failures = 10 });
	struct mesh_report carrier = run(t, (struct mesh_options){ .scenario = MESH_FAILOVER,
								   .n_failures = 10,
								   .has_carrier_loss = true });

	assert_true(samples_percentile(&carrier.outages, 50) <
		    samples_percentile(&silent.outages, 50));
	assert_true(samples_percentile(&carrier.outages, 50) <= MS(20));
	assert_in_range(samples_percentile(&silent.outages, 50), MS(20), MS(50));
	mesh_report_done(&silent);
	mesh_report_done(&carrier);
	topology_free(t);
}

static void one_packets_life_is_told_and_drawn(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_DIAMOND, 4);
	struct mesh_report r =
		run(t, (struct mesh_options){
			       .scenario = MESH_FAILOVER, .n_failures = 2, .wants_trace = true });

	assert_non_null(r.packet_trace);
	assert_non_null(strstr(r.packet_trace, "the last packet before the failure"));
	assert_non_null(strstr(r.packet_trace, "lost: the link is dead"));
	assert_non_null(strstr(r.packet_trace, "the first packet delivered after it"));
	assert_non_null(strstr(r.packet_trace, "delivered\n"));
	assert_int_equal(r.picture.n_failed_links, 1);
	assert_true(r.picture.n_before >= 2 && r.picture.n_after >= 2);
	mesh_report_done(&r);
	topology_free(t);
}

static void nodes_that_come_and_go_leave_the_others_joined(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GEO, 40);
	struct mesh_report r =
		run(t, (struct mesh_options){ .scenario = MESH_CHURN, .duration_us = SECONDS(20) });

	table_is_sound(&r);
	assert_int_equal(r.routed, r.sampled);
	assert_true(r.n_upheavals > 0);
	assert_true(100 * r.joined_delivered >= 98 * r.joined_sent);
	mesh_report_done(&r);
	topology_free(t);
}

static void nodes_that_wander_stay_joined(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GEO, 25);
	struct topology *placeless = generated(TOPOLOGY_RING, 8);
	struct mesh_report r = run(
		t, (struct mesh_options){ .scenario = MESH_MOBILITY, .duration_us = SECONDS(15) });
	struct mesh_options o = { .topology = placeless, .scenario = MESH_MOBILITY };

	table_is_sound(&r);
	assert_int_equal(r.routed, r.sampled);
	assert_true(r.n_upheavals > 10);
	assert_true(100 * r.joined_delivered >= 90 * r.joined_sent);
	mesh_report_done(&r);
	assert_int_equal(mesh_run_scenario(&o, &r), -EINVAL);
	topology_free(placeless);
	topology_free(t);
}

static void a_mesh_that_fell_in_two_becomes_one_again(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GRID, 36);
	struct mesh_report r = run(t, (struct mesh_options){ .scenario = MESH_PARTITION });

	table_is_sound(&r);
	assert_int_equal(r.routed, r.sampled);
	assert_true(r.n_upheavals > 0);
	assert_in_range(r.merge_us, 1, SECONDS(5));
	mesh_report_done(&r);
	topology_free(t);
}

/* What it says is consistent, so it is not found out by its records but by what it cannot prove;
 * and who drops, by probes. */
static void a_liar_loses_what_could_go_another_way(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GEO, 25);

	for (unsigned how = MESH_LIAR_METRIC; how <= MESH_LIAR_DROPS; how++) {
		struct mesh_report r =
			run(t, (struct mesh_options){ .scenario = MESH_LIARS, .liar = how });

		table_is_sound(&r);
		assert_int_equal(r.totals.liar_loops, 0);
		assert_int_equal(r.picture.n_failed_nodes, 1);
		assert_true(how == MESH_LIAR_METRIC || r.share_before > 0.05);
		assert_true(r.share_after < 0.05);
		assert_true(r.traffic_after < 0.05);
		mesh_report_done(&r);
	}
	topology_free(t);
}

static void a_run_that_needs_too_much_memory_stops_and_says_so(void **state)
{
	(void)state;
	struct topology *t = generated(TOPOLOGY_GRID, 400);
	struct mesh_report r =
		run(t, (struct mesh_options){ .memory_max = mesh_process_memory() + (4U << 20) });

	assert_true(r.is_out_of_memory);
	assert_false(r.is_ok);
	assert_non_null(strstr(r.failure, "memory ran out"));
	mesh_report_done(&r);
	topology_free(t);
}

/* Each community's map, backbone and generated graph of this size starts. */
static void published_topologies_start(void **state)
{
	(void)state;
	static const char *const names[] = { "freifunk-bielefeld", "freifunk-stuttgart",
					     "syn-geo-50", "zoo-geant2012", "zoo-uscarrier" };
	const char *shared = getenv("X0_SHARED");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[512];
		char error[TOPOLOGY_ERROR_SIZE];
		struct topology *t;
		struct mesh_report r;

		(void)snprintf(path, sizeof(path), "%s/topologies/%s.json", shared ? shared : "",
			       names[i]);
		if (topology_load(path, &t, error) == -ENOENT) {
			print_message("no topologies at %s: this test is skipped\n", path);
			skip();
		}
		r = run(t, (struct mesh_options){ .duration_us = SECONDS(1), .check_every = 8 });
		table_is_sound(&r);
		assert_true(r.cold_99_us > 0);
		mesh_report_done(&r);
		topology_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cold_start_routes_all_pairs_along_best_paths),
		cmocka_unit_test(a_mesh_of_many_zones_is_routed_by_looking_up),
		cmocka_unit_test(zones_break_no_promise_of_the_table_while_nodes_come_and_go),
		cmocka_unit_test(the_same_seed_gives_the_same_trace_and_another_another),
		cmocka_unit_test(failed_elements_are_routed_around),
		cmocka_unit_test(packets_without_a_record_come_to_no_node_twice),
		cmocka_unit_test(carrier_loss_is_repaired_at_once_where_there_is_an_alternate),
		cmocka_unit_test(one_packets_life_is_told_and_drawn),
		cmocka_unit_test(nodes_that_come_and_go_leave_the_others_joined),
		cmocka_unit_test(nodes_that_wander_stay_joined),
		cmocka_unit_test(a_mesh_that_fell_in_two_becomes_one_again),
		cmocka_unit_test(a_liar_loses_what_could_go_another_way),
		cmocka_unit_test(a_run_that_needs_too_much_memory_stops_and_says_so),
		cmocka_unit_test(published_topologies_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
