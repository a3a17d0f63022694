/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes on a wire of ours find each other; what is forged, replayed or too much leads to nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/discover/discover.h"

#define WIRE 3 /* the index of the only interface, at each host */
#define HOSTS_MAX 80
#define START_US SECONDS(1000)
#define PORT 26969

static const uint8_t network_keys[3][NETWORK_KEY_LEN] = { { 1 }, { 2 }, { 3 } };

struct host {
	struct discover *d;
	struct world *w;
	uint64_t id;
	uint64_t clock_us; /* added to the time it is told */
	unsigned n_met, n_hellos, n_answers;
	struct endpoint met;
};

struct world {
	struct host hosts[HOSTS_MAX];
	size_t n;
	bool links[HOSTS_MAX][HOSTS_MAX];
	bool is_deaf; /* handshakes lead to nothing */
	uint64_t now_us;
	struct rng rng;
	/* the last beacons as an outsider records them */
	struct discover_action tape[64];
	size_t n_tape;
};

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *rng = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(rng);
}

static bool is_linked(void *arg, uint64_t node_id, uint32_t boot_epoch)
{
	const struct host *h = arg;

	(void)boot_epoch;
	return node_id <= h->w->n && h->w->links[h->id - 1][node_id - 1];
}

static struct endpoint address_of(uint64_t id)
{
	struct endpoint e = { .ip = { 0xfe, 0x80 }, .port = DISCOVER_PORT, .scope = WIRE };

	e.ip[15] = (uint8_t)id;
	return e;
}

static struct endpoint address4_of(uint64_t id)
{
	struct endpoint e = { .ip = { [10] = 0xff, 0xff, 192, 0, 2 }, .port = DISCOVER_PORT };

	e.ip[15] = (uint8_t)id;
	return e;
}

static void add_host(struct world *w, const uint8_t (*keys)[NETWORK_KEY_LEN], size_t n_keys)
{
	struct host *h = &w->hosts[w->n++];
	struct discover_config config = {
		.ops = sim_null_ops(),
		.entropy = { .fill = fill, .arg = &w->rng },
		.seed = w->n,
		.self = w->n,
		.boot_epoch = 1,
		.port_ipv4 = PORT,
		.port_ipv6 = PORT,
		.is_linked = is_linked,
		.arg = h,
	};

	h->w = w;
	h->id = w->n;
	h->clock_us = SECONDS(w->n * 10000); /* no two agree */
	assert_int_equal(discover_new(&config, &h->d), 0);
	discover_set_keys(h->d, keys, n_keys);
	assert_int_equal(discover_interface_add(h->d, WIRE, true, true, w->now_us + h->clock_us),
			 0);
}

static struct world *world_new(size_t n)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	rng_seed(&w->rng, 1);
	w->now_us = START_US;
	for (size_t i = 0; i < n; i++)
		add_host(w, network_keys, 1);
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		discover_free(w->hosts[i].d);
	free(w);
}

static void hear(struct world *w, struct host *h, const struct endpoint *from, struct span bytes)
{
	discover_input(h->d, WIRE, from, bytes, w->now_us + h->clock_us);
}

static void deliver(struct world *w, const struct host *from, const struct discover_action *a)
{
	bool is_ipv4 = a->type == DISCOVER_SEND_ALL ? a->is_ipv4 : endpoint_is_ipv4(&a->endpoint);
	struct endpoint source = is_ipv4 ? address4_of(from->id) : address_of(from->id);

	for (size_t i = 0; i < w->n; i++)
		if (a->type == DISCOVER_SEND_ALL || a->endpoint.ip[15] == i + 1)
			hear(w, &w->hosts[i], &source, SPAN_OF(a->data));
}

static void drain(struct world *w, struct host *h)
{
	struct discover_action a;

	while (discover_next_action(h->d, &a)) {
		assert_int_equal(a.interface, WIRE);
		h->n_hellos += a.type == DISCOVER_SEND_ALL;
		h->n_answers += a.type == DISCOVER_SEND;
		if (a.type == DISCOVER_MEET) {
			h->n_met++;
			h->met = a.endpoint;
			assert_int_equal(a.endpoint.port, PORT);
			assert_int_equal(a.endpoint.ip[15], a.node_id);
			if (!w->is_deaf)
				w->links[h->id - 1][a.node_id - 1] =
					w->links[a.node_id - 1][h->id - 1] = true;
			continue;
		}
		w->tape[w->n_tape++ % N_ELEMENTS(w->tape)] = a;
		deliver(w, h, &a);
	}
}

static void run(struct world *w, uint64_t for_us)
{
	uint64_t end_us = w->now_us + for_us;

	while (w->now_us < end_us) {
		uint64_t next_us = end_us;

		for (size_t i = 0; i < w->n; i++) {
			struct host *h = &w->hosts[i];
			uint64_t at_us = discover_deadline_us(h->d);

			if (at_us != NEVER_US)
				next_us = min_u64(next_us, at_us - h->clock_us);
		}
		w->now_us = max_u64(next_us, w->now_us);
		for (size_t i = 0; i < w->n; i++) {
			discover_tick(w->hosts[i].d, w->now_us + w->hosts[i].clock_us);
			drain(w, &w->hosts[i]);
		}
	}
}

static bool all_linked(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->n; k++)
			if (i != k && !w->links[i][k])
				return false;
	return true;
}

static const struct discover_counters *count(const struct world *w, size_t host)
{
	return discover_counters(w->hosts[host].d);
}

/* What an outsider or a member without manners puts on the wire. */
static void inject(struct world *w, size_t at, const uint8_t *key, const struct beacon *b)
{
	struct endpoint from = address_of(b->node_id & 0xff);
	uint8_t salt[BEACON_SALT_LEN];
	uint8_t bytes[BEACON_LEN];
	struct beacon_keys keys;

	beacon_keys_derive(sim_null_ops(), key, &keys);
	fill(&w->rng, salt, sizeof(salt));
	assert_int_equal(beacon_seal(sim_null_ops(), &keys, salt, b, bytes), 0);
	hear(w, &w->hosts[at], &from, SPAN_OF(bytes));
}

static void nodes_on_one_wire_find_each_other_whatever_their_clocks_say(void **state)
{
	struct world *w = world_new(3);

	(void)state;
	run(w, SECONDS(4));
	assert_true(all_linked(w));
	world_free(w);
}

static void eighty_nodes_begin_only_so_many_links_each_and_all_hang_together(void **state)
{
	struct world *w = world_new(HOSTS_MAX);
	bool is_reached[HOSTS_MAX] = { true };

	(void)state;
	run(w, SECONDS(120));
	for (size_t round = 0; round < 4; round++)
		for (size_t i = 0; i < w->n; i++)
			for (size_t k = 0; k < w->n; k++)
				is_reached[k] |= is_reached[i] && w->links[i][k];
	for (size_t i = 0; i < w->n; i++) {
		assert_true(is_reached[i]);
		assert_true(w->hosts[i].n_met <= DISCOVER_BEGUN_MAX);
	}
	world_free(w);
}

static void hellos_become_seldom_and_are_frequent_again_when_a_link_is_lost(void **state)
{
	struct world *w = world_new(1);
	unsigned before;

	(void)state;
	run(w, SECONDS(10));
	assert_in_range(w->hosts[0].n_hellos, 2 * 3, 2 * 6);
	run(w, SECONDS(110));
	before = w->hosts[0].n_hellos;
	run(w, SECONDS(300));
	assert_in_range(w->hosts[0].n_hellos - before, 2 * 8, 2 * 14);
	before = w->hosts[0].n_hellos;
	for (unsigned i = 0; i < 1000; i++) /* of a link that comes and goes */
		discover_hasten(w->hosts[0].d, w->now_us + w->hosts[0].clock_us);
	run(w, SECONDS(4));
	assert_in_range(w->hosts[0].n_hellos - before, 2 * 2, 2 * 4);
	world_free(w);
}

static void a_node_without_the_network_key_learns_nothing_and_is_not_heard(void **state)
{
	struct world *w = world_new(2);

	(void)state;
	add_host(w, &network_keys[2], 1);
	run(w, SECONDS(20));
	assert_true(w->links[0][1]);
	assert_false(w->links[0][2] || w->links[1][2]);
	assert_int_equal(count(w, 2)->heard + w->hosts[2].n_met + w->hosts[2].n_answers, 0);
	assert_true(count(w, 0)->forged > 0 && count(w, 2)->forged > 0);
	world_free(w);
}

static void beacons_are_of_one_length_and_show_neither_node_nor_challenge(void **state)
{
	struct world *w = world_new(2);
	uint8_t id[8];

	(void)state;
	run(w, SECONDS(10));
	assert_true(w->n_tape > 8);
	for (size_t i = 0; i < min_u64(w->n_tape, N_ELEMENTS(w->tape)); i++)
		for (size_t k = 0; k < i; k++) /* no block of eight bytes comes twice */
			for (size_t at = 0; at + 8 <= BEACON_LEN; at += 4)
				assert_memory_not_equal(w->tape[i].data + at, w->tape[k].data + at,
							8);
	store_u64(id, 1);
	for (size_t i = 0; i < min_u64(w->n_tape, N_ELEMENTS(w->tape)); i++)
		for (size_t at = 0; at + 8 <= BEACON_LEN; at++)
			assert_memory_not_equal(w->tape[i].data + at, id, 8);
	world_free(w);
}

static void an_older_network_key_is_answered_with_itself(void **state)
{
	struct world *w = world_new(0);

	(void)state;
	add_host(w, &network_keys[0], 2); /* the new one and the old one */
	add_host(w, &network_keys[1], 1); /* was off when the key was changed */
	run(w, SECONDS(10));
	assert_int_equal(w->hosts[0].n_met, 0); /* its own hellos are noise to the other */
	assert_true(w->hosts[1].n_met > 0);
	assert_true(w->links[0][1]);
	world_free(w);
}

static void a_key_that_is_taken_away_is_not_heard_any_more(void **state)
{
	struct world *w = world_new(2);
	struct beacon b = { .type = BEACON_HELLO, .port = PORT, .node_id = 9, .counter = 1 };

	(void)state;
	discover_set_keys(w->hosts[0].d, &network_keys[1], 1);
	inject(w, 0, network_keys[0], &b);
	assert_int_equal(count(w, 0)->forged, 1);
	inject(w, 0, network_keys[1], &b);
	assert_int_equal(count(w, 0)->heard, 1);
	discover_set_keys(w->hosts[0].d, network_keys, 0);
	assert_true(discover_deadline_us(w->hosts[0].d) == NEVER_US);
	world_free(w);
}

static void replayed_beacons_never_begin_a_handshake(void **state)
{
	struct world *w = world_new(2);
	unsigned n_met;

	(void)state;
	run(w, SECONDS(10));
	assert_true(all_linked(w));
	n_met = w->hosts[0].n_met;
	w->links[0][1] = w->links[1][0] = false;
	discover_free(w->hosts[1].d); /* it has gone, and with it whoever would answer in truth */
	w->n = 1;
	for (unsigned round = 0; round < 100; round++) {
		for (size_t i = 0; i < min_u64(w->n_tape, N_ELEMENTS(w->tape)); i++) {
			struct endpoint from = address_of(66); /* the outsider's own */

			hear(w, &w->hosts[0], &from, SPAN_OF(w->tape[i].data));
		}
		run(w, MS(100));
	}
	assert_int_equal(w->hosts[0].n_met, n_met);
	assert_true(count(w, 0)->replayed > 100);
	world_free(w);
}

static void a_node_that_has_forgotten_them_answers_replays_and_does_no_more(void **state)
{
	struct world *w = world_new(2);
	struct discover_action hello;
	unsigned n_answers;

	(void)state;
	w->is_deaf = true;
	run(w, SECONDS(2));
	hello = w->tape[0];
	w->n_tape = 0;
	add_host(w, network_keys, 1); /* has never heard the recorded hello */
	for (unsigned i = 0; i < 1000; i++) {
		struct endpoint from = address_of(66);

		hear(w, &w->hosts[2], &from, SPAN_OF(hello.data));
		discover_tick(w->hosts[2].d, w->now_us + w->hosts[2].clock_us);
		w->now_us += MS(1);
	}
	n_answers = (unsigned)count(w, 2)->answers_sent;
	assert_true(n_answers <= 1);
	assert_int_equal(count(w, 2)->met, 0);
	world_free(w);
}

static void a_challenge_is_good_for_seconds_only(void **state)
{
	struct world *w = world_new(1);
	struct beacon_keys keys;
	struct beacon hello;
	struct beacon b = { .type = BEACON_ANSWER, .port = PORT, .node_id = 9, .counter = 1 };

	(void)state;
	run(w, SECONDS(1));
	beacon_keys_derive(sim_null_ops(), network_keys[0], &keys);
	assert_int_equal(beacon_open(sim_null_ops(), &keys, SPAN_OF(w->tape[0].data), &hello), 0);
	memcpy(b.challenge, hello.challenge, sizeof(b.challenge));
	w->now_us += DISCOVER_CHALLENGE_US + SECONDS(1);
	inject(w, 0, network_keys[0], &b);
	assert_int_equal(count(w, 0)->met, 0);
	assert_int_equal(count(w, 0)->replayed, 1);
	w->now_us -= DISCOVER_CHALLENGE_US + SECONDS(1);
	b.counter++;
	inject(w, 0, network_keys[0], &b);
	assert_int_equal(count(w, 0)->met, 1);
	world_free(w);
}

static void a_flood_of_forgeries_is_counted_and_hinders_nobody(void **state)
{
	struct world *w = world_new(3);
	struct endpoint from = address_of(66);
	uint8_t junk[BEACON_LEN];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		fill(&w->rng, junk, sizeof(junk));
		hear(w, &w->hosts[0], &from, SPAN(junk, i % 3 ? sizeof(junk) : i % sizeof(junk)));
	}
	assert_int_equal(count(w, 0)->forged, 100000);
	assert_int_equal(count(w, 0)->limited + count(w, 0)->heard, 0);
	run(w, SECONDS(4));
	assert_true(all_linked(w));
	world_free(w);
}

/* Who has recorded one beacon can send it as often as he likes. */
static void one_beacon_again_and_again_keeps_no_other_from_being_heard(void **state)
{
	struct world *w = world_new(2);
	struct endpoint from = address_of(66);
	uint64_t limited;

	(void)state;
	run(w, SECONDS(4));
	assert_true(w->n_tape > 0);
	limited = count(w, 0)->limited;
	add_host(w, network_keys, 1);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 400; i++)
			hear(w, &w->hosts[0], &from, SPAN_OF(w->tape[0].data));
		run(w, MS(100));
	}
	assert_int_equal(count(w, 0)->limited, limited);
	assert_true(count(w, 0)->replayed >= 100 * 400);
	assert_true(all_linked(w));
	world_free(w);
}

static void a_changed_bit_anywhere_is_refused(void **state)
{
	const struct beacon b = { .type = BEACON_HELLO, .port = 1, .node_id = 2, .counter = 3 };
	const uint8_t salt[BEACON_SALT_LEN] = { 4 };
	struct beacon_keys keys;
	uint8_t bytes[BEACON_LEN];
	struct beacon ret;

	(void)state;
	beacon_keys_derive(sim_null_ops(), network_keys[0], &keys);
	assert_int_equal(beacon_seal(sim_null_ops(), &keys, salt, &b, bytes), 0);
	assert_int_equal(beacon_open(sim_null_ops(), &keys, SPAN_OF(bytes), &ret), 0);
	assert_memory_equal(&ret.challenge, &b.challenge, sizeof(b.challenge));
	assert_true(ret.node_id == 2 && ret.counter == 3 && ret.port == 1);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(beacon_open(sim_null_ops(), &keys, SPAN_OF(bytes), &ret),
				 -EKEYREJECTED);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(beacon_open(sim_null_ops(), &keys, SPAN(bytes, sizeof(bytes) - 1), &ret),
			 -EBADMSG);
}

static void other_versions_and_impossible_fields_are_refused(void **state)
{
	struct beacon b = { .type = BEACON_HELLO, .port = 1, .node_id = 2 };
	uint8_t body[BEACON_BODY_LEN];
	struct beacon ret;

	(void)state;
	beacon_encode(&b, body);
	assert_int_equal(beacon_decode(SPAN_OF(body), &ret), 0);
	body[0]++;
	assert_int_equal(beacon_decode(SPAN_OF(body), &ret), -EPROTO);
	b.node_id = 0;
	beacon_encode(&b, body);
	assert_int_equal(beacon_decode(SPAN_OF(body), &ret), -EPROTO);
	b = (struct beacon){ .type = BEACON_ANSWER, .node_id = 2 };
	beacon_encode(&b, body);
	assert_int_equal(beacon_decode(SPAN_OF(body), &ret), -EPROTO);
	assert_int_equal(beacon_decode(SPAN(body, 3), &ret), -EBADMSG);
}

static void what_can_not_come_from_this_network_is_dropped(void **state)
{
	struct world *w = world_new(1);
	struct endpoint from[] = { address_of(9), address_of(9), address_of(9), address4_of(9) };
	uint8_t salt[BEACON_SALT_LEN] = { 0 };
	uint8_t bytes[BEACON_LEN];
	struct beacon_keys keys;

	(void)state;
	from[0].scope = WIRE + 1;
	from[1].port = 53;
	from[2].ip[0] = 0x20;
	from[3].ip[12] = 127;
	beacon_keys_derive(sim_null_ops(), network_keys[0], &keys);
	for (size_t i = 0; i < N_ELEMENTS(from); i++) {
		const struct beacon b = {
			.type = BEACON_HELLO, .port = 1, .node_id = 9, .counter = (uint32_t)i
		};

		assert_int_equal(beacon_seal(sim_null_ops(), &keys, salt, &b, bytes), 0);
		hear(w, &w->hosts[0], &from[i], SPAN_OF(bytes));
	}
	assert_int_equal(count(w, 0)->malformed, N_ELEMENTS(from));
	assert_int_equal(count(w, 0)->heard, 0);
	world_free(w);
}

static void a_member_that_invents_nodes_fills_tables_up_to_their_bounds(void **state)
{
	struct world *w = world_new(2);
	struct discover_heard heard;
	struct beacon_keys keys;
	struct beacon hello;
	size_t cursor = 0, n = 0;

	(void)state;
	w->links[0][1] = true;
	w->is_deaf = true;
	run(w, SECONDS(1));
	beacon_keys_derive(sim_null_ops(), network_keys[0], &keys);
	assert_int_equal(beacon_open(sim_null_ops(), &keys, SPAN_OF(w->tape[0].data), &hello), 0);
	for (unsigned i = 0; i < 5000; i++) {
		struct beacon b = { .type = i % 2 ? BEACON_HELLO : BEACON_ANSWER,
				    .port = PORT,
				    .node_id = 100 + i,
				    .counter = 1 };

		memcpy(b.challenge, hello.challenge, sizeof(b.challenge));
		inject(w, 0, network_keys[0], &b);
		w->now_us += US_PER_MS / 10;
	}
	assert_true(count(w, 0)->met <= 3 * DISCOVER_MEETS_PER_S);
	assert_true(count(w, 0)->heard <= 3 * DISCOVER_OPENED_PER_S + 10);
	assert_true(count(w, 0)->limited > 3000);
	while (discover_next_heard(w->hosts[0].d, &cursor, &heard))
		n++;
	assert_true(n <= DISCOVER_HEARD_MAX);
	world_free(w);
}

static void of_a_full_table_neighbours_stay(void **state)
{
	struct world *w = world_new(2);
	struct discover_heard heard;
	bool is_neighbour_there = false;
	size_t cursor = 0;

	(void)state;
	run(w, SECONDS(5));
	assert_true(all_linked(w));
	for (unsigned i = 0; i < 2 * DISCOVER_HEARD_MAX; i++) {
		const struct beacon b = {
			.type = BEACON_HELLO, .port = PORT, .node_id = 100 + i, .counter = 1
		};

		inject(w, 0, network_keys[0], &b);
		w->now_us += MS(10);
	}
	while (discover_next_heard(w->hosts[0].d, &cursor, &heard))
		is_neighbour_there |= heard.node_id == 2;
	assert_int_equal(cursor, DISCOVER_HEARD_MAX);
	assert_true(is_neighbour_there);
	world_free(w);
}

static void handshakes_that_lead_nowhere_become_seldom(void **state)
{
	struct world *w = world_new(2);
	unsigned n;

	(void)state;
	w->is_deaf = true;
	run(w, SECONDS(1000));
	n = w->hosts[0].n_met;
	assert_in_range(n, 5, 40);
	assert_in_range(w->hosts[0].n_answers, 5, 100);
	world_free(w);
}

static void an_interface_that_is_gone_hears_and_says_nothing(void **state)
{
	struct world *w = world_new(2);
	uint32_t list[DISCOVER_INTERFACES_MAX];
	unsigned n_hellos;

	(void)state;
	discover_interface_remove(w->hosts[0].d, WIRE);
	run(w, SECONDS(20));
	n_hellos = w->hosts[0].n_hellos;
	assert_int_equal(n_hellos + count(w, 0)->heard, 0);
	assert_int_equal(discover_interfaces(w->hosts[0].d, list), 0);
	assert_int_equal(discover_interface_add(w->hosts[0].d, WIRE, true, false,
						w->now_us + w->hosts[0].clock_us),
			 0);
	run(w, SECONDS(4));
	assert_true(all_linked(w));
	assert_true(endpoint_is_ipv4(&w->hosts[0].met) || endpoint_is_ipv4(&w->hosts[1].met));
	world_free(w);
}

static void more_interfaces_than_fit_are_refused(void **state)
{
	struct world *w = world_new(1);

	(void)state;
	for (uint32_t i = 1; i < DISCOVER_INTERFACES_MAX; i++)
		assert_int_equal(
			discover_interface_add(w->hosts[0].d, 100 + i, true, true, w->now_us), 0);
	assert_int_equal(discover_interface_add(w->hosts[0].d, 99, true, true, w->now_us),
			 -ENOBUFS);
	discover_interface_remove(w->hosts[0].d, 101);
	assert_int_equal(discover_interface_add(w->hosts[0].d, 99, true, true, w->now_us), 0);
	world_free(w);
}

static void actions_that_nobody_takes_are_bounded(void **state)
{
	struct world *w = world_new(1);
	struct discover_action a;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		w->now_us += SECONDS(60);
		discover_tick(w->hosts[0].d, w->now_us + w->hosts[0].clock_us);
	}
	while (discover_next_action(w->hosts[0].d, &a))
		n++;
	assert_int_equal(n, DISCOVER_ACTIONS_MAX);
	assert_true(count(w, 0)->limited > 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_on_one_wire_find_each_other_whatever_their_clocks_say),
		cmocka_unit_test(eighty_nodes_begin_only_so_many_links_each_and_all_hang_together),
		cmocka_unit_test(hellos_become_seldom_and_are_frequent_again_when_a_link_is_lost),
		cmocka_unit_test(a_node_without_the_network_key_learns_nothing_and_is_not_heard),
		cmocka_unit_test(beacons_are_of_one_length_and_show_neither_node_nor_challenge),
		cmocka_unit_test(an_older_network_key_is_answered_with_itself),
		cmocka_unit_test(a_key_that_is_taken_away_is_not_heard_any_more),
		cmocka_unit_test(replayed_beacons_never_begin_a_handshake),
		cmocka_unit_test(a_node_that_has_forgotten_them_answers_replays_and_does_no_more),
		cmocka_unit_test(a_challenge_is_good_for_seconds_only),
		cmocka_unit_test(a_flood_of_forgeries_is_counted_and_hinders_nobody),
		cmocka_unit_test(one_beacon_again_and_again_keeps_no_other_from_being_heard),
		cmocka_unit_test(a_changed_bit_anywhere_is_refused),
		cmocka_unit_test(other_versions_and_impossible_fields_are_refused),
		cmocka_unit_test(what_can_not_come_from_this_network_is_dropped),
		cmocka_unit_test(a_member_that_invents_nodes_fills_tables_up_to_their_bounds),
		cmocka_unit_test(of_a_full_table_neighbours_stay),
		cmocka_unit_test(handshakes_that_lead_nowhere_become_seldom),
		cmocka_unit_test(an_interface_that_is_gone_hears_and_says_nothing),
		cmocka_unit_test(more_interfaces_than_fit_are_refused),
		cmocka_unit_test(actions_that_nobody_takes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
