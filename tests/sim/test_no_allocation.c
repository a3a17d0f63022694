/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path asks for no memory: counted by standing in for malloc(). */
#include <stdatomic.h>

#include "fixture.h"

#include "carried.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)
#define IS_COUNTED true

/* glibc's own, under the names it keeps for those who replace malloc().
 * NOLINTBEGIN(readability-identifier-naming): they are not ours to choose */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
/* NOLINTEND(readability-identifier-naming) */

static atomic_uint n_allocations;

void *malloc(size_t size)
{
	n_allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	n_allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	n_allocations++;
	return __libc_realloc(p, size);
}
#else
#define IS_COUNTED false
static unsigned n_allocations;
#endif

#define BURST 46 /* what one super-packet is cut into */

struct wire {
	struct node *nodes[3];
	struct endpoint at[3];
	unsigned n_delivered;
};

/* As the daemon does: what a node sends is handed to the one whose address it is. */
static void drain(struct wire *w, unsigned from, uint64_t now_us)
{
	struct node_action a;

	while (node_next_action(w->nodes[from], &a)) {
		w->n_delivered += a.type == NODE_DELIVER;
		for (unsigned to = 0; a.type == NODE_SEND && to < 3; to++)
			if (w->nodes[to] && endpoint_equal(&w->at[to], &a.endpoint))
				node_input_datagram(w->nodes[to], &w->at[from], a.data, now_us);
	}
}

static void send_burst(struct wire *w, unsigned from, unsigned to, uint64_t now_us)
{
	uint8_t packet[1344] = {
		0x60, [4] = (1344 - 40) >> 8, [5] = (1344 - 40) & 0xff, [6] = 17, [7] = 64, [40] = 1
	};

	memcpy(packet + 8, node_overlay_address(w->nodes[from]), 16);
	memcpy(packet + 24, node_overlay_address(w->nodes[to]), 16);
	for (unsigned i = 0; i < BURST; i++)
		node_input_packet(w->nodes[from], SPAN_OF(packet), now_us);
	for (unsigned i = 0; i < 3; i++)
		if (w->nodes[i])
			drain(w, i, now_us);
}

static void endpoint_as_seen(struct sim *s, unsigned of, unsigned by, struct endpoint *ret)
{
	struct peer *p = peer_get(sim_node(s, by), node_id(sim_node(s, of)));

	assert_non_null(p);
	assert_non_null(p->neighbour);
	*ret = p->neighbour->roam.current;
}

static void assert_no_allocation(struct sim *s, struct wire *w, unsigned to)
{
	uint64_t now_us = sim_now_us(s);
	unsigned before;

	for (unsigned i = 0; i < 8; i++) /* windows, the flow, room for actions */
		send_burst(w, 0, to, now_us);
	before = n_allocations;
	w->n_delivered = 0;
	for (unsigned i = 0; i < 100; i++)
		send_burst(w, 0, to, now_us);
	assert_int_equal(n_allocations, before);
	assert_int_equal(w->n_delivered, 100 * BURST);
}

static void skip_uncounted(void)
{
	if (!IS_COUNTED) {
		print_message("allocations are not counted: sanitizer, or not glibc\n");
		skip();
	}
}

static void a_packet_to_a_neighbour_asks_for_no_memory(void **state)
{
	(void)state;
	skip_uncounted();
	struct sim *s = make_sim(2, true);
	struct wire w = { 0 };

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 1, MS(100)));
	for (unsigned i = 0; i < 2; i++) {
		w.nodes[i] = sim_node(s, i);
		endpoint_as_seen(s, i, 1 - i, &w.at[i]);
	}
	assert_no_allocation(s, &w, 1);
	sim_free(s);
}

static void a_relayed_packet_asks_for_no_memory(void **state)
{
	(void)state;
	skip_uncounted();
	struct sim *s = make_sim(3, true);
	struct wire w = { 0 };

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(3));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	for (unsigned i = 0; i < 3; i++) {
		w.nodes[i] = sim_node(s, i);
		endpoint_as_seen(s, i, i == 1 ? 0 : 1, &w.at[i]);
	}
	assert_no_allocation(s, &w, 2);
	sim_free(s);
}

static bool take(void *arg, size_t node, struct span packet)
{
	(void)arg;
	(void)node;
	(void)packet;
	return true;
}

static void a_packet_that_threads_carry_asks_for_no_memory(void **state)
{
	(void)state;
	skip_uncounted();
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	unsigned before;
	struct pair p;

	deliver_tap = take;
	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	node_input_packet(sim_node(p.s, 0), SPAN_OF(packet), sim_node_us(p.s, 0));
	sim_poke(p.s, 0);
	run(p.s, MS(20));
	before = n_allocations;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(thread_out(&p, 0, i % 2, packet, room, &sent), CARRY_SEND);
		assert_int_equal(thread_in(&p, 1, i % 2, sent.bytes, sent.len, &got),
				 CARRY_DELIVER);
	}
	assert_int_equal(n_allocations, before);
	end_pair(&p);
	deliver_tap = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_that_threads_carry_asks_for_no_memory),
		cmocka_unit_test(a_packet_to_a_neighbour_asks_for_no_memory),
		cmocka_unit_test(a_relayed_packet_asks_for_no_memory),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
