/* SPDX-License-Identifier: Apache-2.0 */
/* Ordinary packets, which are bulk and lose their own where they fill their way: that a part of
 * them, or all, is lost at somebody else's is found, at whom, and that a full queue is nobody's
 * fault. X0_GREY_RUNS=20 for the distributions of docs/healing.md. */
#include "grey.h"

#define RUNS_MAX 20
#define LONG 600
#define LINK_LOSS_PPM 10000
#define CLEAN_US SECONDS(120)

static unsigned n_doubts(struct sim *s, size_t n_nodes)
{
	struct node_counters c;
	unsigned n = 0;

	for (size_t i = 0; i < n_nodes; i++) {
		node_counters(sim_node(s, i), &c);
		n += (unsigned)(c.watch.doubts + c.watch.neighbour_doubts);
	}
	return n;
}

/* Of each kind: so many for who is in a hurry. */
static size_t n_runs_of(size_t few)
{
	const char *text = getenv("X0_GREY_RUNS");

	return text ? min_u64(max_u64(strtoul(text, NULL, 10), 1), RUNS_MAX) : few;
}

/* Until it is sure, or packets go around; 0 where neither comes in 30 s. */
static uint64_t sure_after_us(uint64_t seed, uint8_t dscp, uint32_t ppm, bool is_of_bulk)
{
	static const struct sim_link_quality slow = { .delay_us = 50000 };
	struct sim *s = mesh(seed, 0);
	uint64_t begin, took_us = 0;

	sim_link_set(s, LINK_2_4, &slow); /* no lossy link is so dear that packets go around it */
	one_way.link = LINK_1_3;
	one_way.ppm = ppm;
	one_way.is_of_bulk = is_of_bulk;
	one_way.len_min = ppm == US_PER_S ? LONG : 0;
	/* by the short way for a second or two: of one that is new to it nothing is known */
	for (size_t k = 0, n = 0; n < 200 + seed % 32; k++, n++) {
		assert_true(k < 3000);
		n = sim_walk(s, 0, 3) == 2 ? n : 0;
		(void)sim_send_marked(s, 0, 3, ppm == US_PER_S ? LONG : 100, dscp);
		run(s, MS(10));
	}
	assert_int_equal(n_failing(s, 0), 0);
	one_way.is_on = true;
	begin = sim_now_us(s);
	while (took_us == 0 && sim_now_us(s) - begin < SECONDS(30)) {
		(void)sim_send_marked(s, 0, 3, ppm == US_PER_S ? LONG : 100, dscp);
		run(s, MS(10));
		if (n_failing(s, 0) > 0)
			took_us = sim_now_us(s) - begin;
	}
	sim_free(s);
	return took_us;
}

struct spell {
	uint64_t median_us, most_us; /* the last is of 19 in 20 */
	unsigned n_never;
};

static struct spell spell_of(uint64_t *took_us, size_t n)
{
	struct spell ret = { 0 };

	for (size_t i = 0; i < n; i++) {
		ret.n_never += took_us[i] == 0;
		took_us[i] = took_us[i] ? took_us[i] : SECONDS(3600);
	}
	qsort(took_us, n, sizeof(took_us[0]), order_us);
	ret.median_us = took_us[n / 2];
	ret.most_us = took_us[n - 1 - n / 20];
	return ret;
}

static struct spell many_us(size_t n_runs, uint8_t dscp, uint32_t ppm, bool is_of_bulk)
{
	uint64_t took_us[RUNS_MAX];
	struct spell ret;

	for (size_t i = 0; i < n_runs; i++)
		took_us[i] = sure_after_us(200 + i, dscp, ppm, is_of_bulk);
	ret = spell_of(took_us, n_runs);
	print_message("%s, %u %% lost%s: sure after %llu ms (median), %llu ms (19 of 20), "
		      "never %u of %zu\n",
		      dscp ? "interactive" : "bulk", ppm / 10000,
		      is_of_bulk ? " of bulk alone" : "", (unsigned long long)ret.median_us / 1000,
		      (unsigned long long)ret.most_us / 1000, ret.n_never, n_runs);
	return ret;
}

static void a_part_of_ordinary_traffic_that_is_lost_is_found(void **state)
{
	size_t n_runs = n_runs_of(3);

	(void)state;
	for (unsigned of_bulk = 0; of_bulk < 2; of_bulk++)
		for (uint32_t ppm = 100000; ppm <= 300000; ppm += 100000) {
			struct spell took = many_us(n_runs, 0, ppm, of_bulk);

			assert_int_equal(took.n_never, 0);
			if (ppm >= 200000)
				assert_true(took.median_us <= SECONDS(4));
		}
}

static void who_drops_all_is_found_soon_whatever_packets_are(void **state)
{
	size_t n_runs = n_runs_of(2);

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct spell took = many_us(n_runs, k == 0 ? CS4 : 0, 1000000, k == 2);

		assert_int_equal(took.n_never, 0);
	}
}

static void who_is_nearest_to_lost_bulk_acts_first(void **state)
{
	size_t n_runs = n_runs_of(2);

	(void)state;
	for (unsigned of_bulk = 0; of_bulk < 2; of_bulk++) {
		uint64_t took_us[RUNS_MAX];
		unsigned n_nearest = 0, n_wrong = 0;
		struct spell took;

		for (size_t i = 0; i < n_runs; i++) {
			struct sim *s = line(50 + i);
			size_t who;

			one_way.is_of_bulk = of_bulk;
			for (size_t k = 0; k < 400; k++) {
				(void)sim_send(s, NODE_A, NODE_D, 100);
				run(s, MS(10));
			}
			one_way.is_on = true;
			who = who_acts_first(s, 0, &took_us[i]);
			took_us[i] = who == N_LINE ? 0 : took_us[i];
			n_nearest += who == NODE_B;
			n_wrong += who == NODE_A;
			sim_free(s);
		}
		took = spell_of(took_us, n_runs);
		print_message("bulk%s: %u by the nearest, %u by who is farther, %u by nobody of "
			      "%zu, after %llu ms (median), %llu ms (19 of 20)\n",
			      of_bulk ? " alone" : "", n_nearest, n_wrong, took.n_never, n_runs,
			      (unsigned long long)took.median_us / 1000,
			      (unsigned long long)took.most_us / 1000);
		assert_true(n_wrong * 10 <= n_runs);
		assert_true(took.n_never * 10 <= n_runs);
	}
}

/* ---- a larger mesh, and many flows ---- */

enum {
	MESH_NODES = 12,
	MESH_LINKS = 18,
	MESH_FLOWS = 6,
};

/* A relay loses a share of the bulk that it passes on. */
static struct {
	size_t ends[MESH_LINKS][2];
	size_t flows[MESH_FLOWS][2];
	bool is_avoided[MESH_NODES][MESH_NODES + 1];
	size_t dropper; /* MESH_NODES: nobody */
	uint32_t ppm;
	struct rng rng;
	unsigned n_right, n_wrong; /* doubts */
	struct sim *s;
} relay;

static bool lose_at_relay(void *arg, size_t link, bool to_b, struct span datagram)
{
	struct wire_transport t;

	(void)arg;
	return relay.ends[link][!to_b] == relay.dropper &&
	       wire_transport_decode(datagram, &t) == 0 && t.lane == LANE_PACKETS &&
	       rng_below(&relay.rng, US_PER_S) < relay.ppm;
}

static void count_doubts(void *arg, size_t node, const struct node_event *e, uint64_t now_us)
{
	(void)arg;
	(void)now_us;
	if (e->type != EVENT_DOUBTED || relay.dropper == MESH_NODES || node == relay.dropper)
		return;
	if (e->node_id == sim_id(relay.s, relay.dropper))
		relay.n_right++;
	else
		relay.n_wrong++;
}

static struct sim *large_mesh(uint64_t seed, uint32_t loss_ppm)
{
	struct sim_config config = { .seed = seed,
				     .pki = pki,
				     .n_nodes = MESH_NODES,
				     .allow_all = true,
				     .watch = count_doubts,
				     .tap = lose_at_relay };
	struct sim *s;

	memset(&relay, 0, sizeof(relay));
	relay.dropper = MESH_NODES;
	rng_seed(&relay.rng, seed);
	assert_int_equal(sim_new(&config, &s), 0);
	relay.s = s;
	for (size_t i = 0; i < MESH_LINKS; i++) {
		size_t a = i < MESH_NODES ? i : rng_below(&relay.rng, MESH_NODES);
		size_t b = (a + (i < MESH_NODES ? 1 : 3 + rng_below(&relay.rng, 6))) % MESH_NODES;
		struct sim_link_quality q = {
			.delay_us = 1000 + (uint32_t)rng_below(&relay.rng, 10000),
			.jitter_us = 300,
			.loss_ppm = loss_ppm,
		};

		relay.ends[i][0] = a;
		relay.ends[i][1] = b;
		(void)sim_link(s, a, b, &q, true);
	}
	for (size_t i = 0; i < MESH_FLOWS; i++) {
		relay.flows[i][0] = rng_below(&relay.rng, MESH_NODES);
		relay.flows[i][1] = (relay.flows[i][0] + 3 + rng_below(&relay.rng, 7)) % MESH_NODES;
	}
	boot_all(s, MESH_NODES);
	run(s, SECONDS(5));
	return s;
}

static size_t number_of(struct sim *s, uint64_t id)
{
	for (size_t i = 0; i < MESH_NODES; i++)
		if (sim_id(s, i) == id)
			return i;
	return MESH_NODES;
}

static void send_flows(struct sim *s)
{
	for (size_t i = 0; i < MESH_FLOWS; i++)
		(void)sim_send(s, relay.flows[i][0], relay.flows[i][1], 200);
	run(s, MS(20));
}

/* A node in the middle of the first flow's way that begins no flow; MESH_NODES: there is none. */
static size_t choose_dropper(struct sim *s)
{
	size_t at = relay.flows[0][0], to = relay.flows[0][1];

	for (size_t hops = 0; hops < MESH_NODES; hops++) {
		bool begins = false;

		at = number_of(s, routes_next_hop(node_routes(sim_node(s, at)), sim_id(s, to)));
		if (at == to || at == MESH_NODES)
			break;
		for (size_t i = 0; i < MESH_FLOWS; i++)
			begins |= relay.flows[i][0] == at;
		if (!begins)
			return at;
	}
	return MESH_NODES;
}

struct blame {
	unsigned n_meshes, n_right, n_wrong; /* neighbours avoided */
	unsigned n_doubts_right, n_doubts_wrong;
	unsigned n_first_right, n_first_wrong; /* in so many meshes the first one is */
	uint64_t took_us[RUNS_MAX];	       /* to the first right one */
};

static void look_for_blame(struct sim *s, uint64_t begin, struct blame *b, uint64_t *took_us,
			   bool *is_first)
{
	for (size_t node = 0; node < MESH_NODES; node++) {
		struct watch_way w;
		size_t cursor = 0;

		while (node != relay.dropper && node_next_watched(sim_node(s, node), &cursor, &w)) {
			bool is_right = w.neighbour == sim_id(s, relay.dropper);

			if (!w.is_failing || !(w.is_current || w.is_doubted) ||
			    relay.is_avoided[node][number_of(s, w.neighbour)])
				continue;
			relay.is_avoided[node][number_of(s, w.neighbour)] = true;
			(void)node_set_penalty(sim_node(s, node), w.neighbour, NODE_PENALTY_MAX,
					       sim_node_us(s, node));
			sim_poke(s, node);
			b->n_right += is_right;
			b->n_wrong += !is_right;
			b->n_first_right += is_right && *is_first;
			b->n_first_wrong += !is_right && *is_first;
			*is_first = false;
			if (is_right && *took_us == 0)
				*took_us = sim_now_us(s) - begin;
		}
	}
}

static struct blame blame_of(size_t n_runs, uint32_t ppm)
{
	struct blame ret = { 0 };

	for (uint64_t seed = 1; ret.n_meshes < n_runs && seed < 200; seed++) {
		struct sim *s = large_mesh(seed, 2000);
		uint64_t begin, took_us = 0;
		bool is_first = true;

		for (size_t k = 0; k < 300; k++)
			send_flows(s);
		relay.dropper = choose_dropper(s);
		relay.ppm = ppm;
		begin = sim_now_us(s);
		while (relay.dropper != MESH_NODES && sim_now_us(s) - begin < SECONDS(45)) {
			send_flows(s);
			look_for_blame(s, begin, &ret, &took_us, &is_first);
		}
		if (relay.dropper != MESH_NODES)
			ret.took_us[ret.n_meshes++] = took_us;
		ret.n_doubts_right += relay.n_right;
		ret.n_doubts_wrong += relay.n_wrong;
		sim_free(s);
	}
	return ret;
}

static void in_a_larger_mesh_it_is_the_relay_that_is_blamed(void **state)
{
	static const uint32_t ppms[] = { 200000, 1000000, 100000, 300000 };
	size_t n_runs = n_runs_of(1);

	(void)state;
	for (size_t k = 0; k < (n_runs > 1 ? 4 : 1); k++) {
		struct blame b = blame_of(n_runs, ppms[k]);
		struct spell took = spell_of(b.took_us, b.n_meshes);

		print_message("a relay loses %u %% of bulk: %u meshes; avoided: first the right "
			      "one in %u, a wrong one in %u; in all %u right, %u wrong; doubts: "
			      "%u right, %u wrong; right after %llu ms (median), %llu ms (19 of "
			      "20), never %u\n",
			      ppms[k] / 10000, b.n_meshes, b.n_first_right, b.n_first_wrong,
			      b.n_right, b.n_wrong, b.n_doubts_right, b.n_doubts_wrong,
			      (unsigned long long)took.median_us / 1000,
			      (unsigned long long)took.most_us / 1000, took.n_never);
		assert_true(b.n_first_wrong <= n_runs / 10);
	}
}

/* So many times what the link from 1 to 3 can carry, of bulk, for half a minute. */
static void own_bulk_that_fills_its_way_blames_nobody(void **state)
{
	size_t n_runs = n_runs_of(2);

	(void)state;
	for (unsigned times = 2; times <= 4; times += 2) {
		unsigned n_blamed = 0, n_doubted = 0;

		for (size_t i = 0; i < n_runs; i++) {
			struct sim_link_quality narrow = {
				.delay_us = 1000,
				.rate_kbps = 2000,
				.queue_us = (uint32_t)(i % 3 == 0   ? MS(30)
						       : i % 3 == 1 ? MS(150)
								    : MS(800)),
			};
			struct sim *s = mesh(300 + i, 0);
			uint64_t end;
			bool is_blamed = false;

			sim_link_set(s, LINK_1_3, &narrow);
			for (size_t k = 0; k < 400; k++) {
				(void)sim_send(s, 0, 3, 500);
				run(s, MS(10));
			}
			for (end = sim_now_us(s) + SECONDS(30); sim_now_us(s) < end;) {
				for (unsigned k = 0; k < times; k++)
					(void)sim_send(s, 0, 3, 1000);
				run(s, MS(4));
				for (size_t n = 0; n < N; n++)
					is_blamed |= n_failing(s, n) > 0;
			}
			n_blamed += is_blamed;
			n_doubted += n_doubts(s, N) > 0;
			sim_free(s);
		}
		print_message("%u times too much: of %zu meshes %u blamed, %u doubted\n", times,
			      n_runs, n_blamed, n_doubted);
		assert_int_equal(n_blamed, 0);
	}
}

static void bulk_over_links_that_lose_a_hundredth_blames_nobody(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= n_runs_of(1); seed++) {
		struct sim *s = mesh(seed, LINK_LOSS_PPM);
		unsigned n = 0;

		for (uint64_t end = sim_now_us(s) + CLEAN_US; sim_now_us(s) < end; n++) {
			(void)sim_send(s, 0, 5, 100);
			if (n % 5 == 0)
				(void)sim_send(s, 3, 0, 100);
			if (n % 25 == 0)
				(void)sim_send(s, 4, 1, 100);
			run(s, MS(10));
			for (size_t i = 0; n % 25 == 0 && i < N; i++)
				if (n_failing(s, i))
					fail_msg("seed %llu: node %zu after %llu s",
						 (unsigned long long)seed, i,
						 (unsigned long long)sim_now_us(s) / US_PER_S);
		}
		assert_int_equal(n_doubts(s, N), 0);
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_of_ordinary_traffic_that_is_lost_is_found),
		cmocka_unit_test(who_drops_all_is_found_soon_whatever_packets_are),
		cmocka_unit_test(who_is_nearest_to_lost_bulk_acts_first),
		cmocka_unit_test(in_a_larger_mesh_it_is_the_relay_that_is_blamed),
		cmocka_unit_test(own_bulk_that_fills_its_way_blames_nobody),
		cmocka_unit_test(bulk_over_links_that_lose_a_hundredth_blames_nobody),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
