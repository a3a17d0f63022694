/* SPDX-License-Identifier: Apache-2.0 */
/* What a member that breaks the rules, or a program on the same machine, can do to a node. */
#include <unistd.h>

#include "core/route/record.h"
#include "core/session/state.h"
#include "fixture.h"

static struct node_session *session_between(struct sim *s, size_t at, size_t peer)
{
	struct peer *p = peer_get(sim_node(s, at), sim_id(s, peer));

	assert_non_null(p);
	assert_non_null(p->direct);
	return p->direct;
}

static struct sim *pair(void)
{
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	return s;
}

static void answer_renewal(struct sim *s, const char *text)
{
	struct node_session *from = session_between(s, 1, 0);

	assert_int_equal(control_push_blob(sim_node(s, 1), from, RECORD_RENEW_ANSWER,
					   SPAN(text, strlen(text))),
			 0);
}

static void a_renewal_nobody_asked_for_is_dropped(void **state)
{
	(void)state;
	struct sim *s = pair();
	struct node_counters c;

	answer_renewal(s, "from whoever likes");
	session_pump(sim_node(s, 1), session_between(s, 1, 0));
	sim_poke(s, 1);
	run(s, SECONDS(1));
	assert_null(sim_node(s, 0)->renewed.bytes);
	node_counters(sim_node(s, 0), &c);
	assert_int_equal(c.malformed, 1);
	sim_free(s);
}

/* Both come in one packet, so that the second one finds the action of the first still queued. */
static void of_two_answers_to_one_request_the_first_counts(void **state)
{
	(void)state;
	struct sim *s = pair();
	struct node *n = sim_node(s, 0);

	n->renews_at = sim_id(s, 1);
	answer_renewal(s, "first");
	answer_renewal(s, "second");
	session_pump(sim_node(s, 1), session_between(s, 1, 0));
	sim_poke(s, 1);
	run(s, SECONDS(1));
	assert_int_equal(n->renewed.total, 5);
	assert_memory_equal(n->renewed.bytes, "first", 5);

	for (unsigned i = 0; i < 1000; i++) /* the queue grows, and keeps what it refers to */
		(void)node_event(n, EVENT_GOODBYE, sim_id(s, 1));
	sim_poke(s, 0);
	assert_memory_equal(n->renewed.bytes, "first", 5);
	sim_free(s);
}

static void a_request_whose_session_is_gone_is_not_passed_on(void **state)
{
	(void)state;
	static const uint8_t request[] = { 0, 1, 'a', 0, 1, 'b' };
	struct sim *s = pair();
	struct node *n = sim_node(s, 0); /* the authority */
	struct node_action a;
	bool is_asked = false;

	admit_renewal(n, session_between(s, 0, 1), SPAN_OF(request));
	assert_true(node_next_action(n, &a));
	assert_int_equal(a.type, NODE_ISSUE);
	assert_memory_equal(a.issue.csr_p256.at, "b", 1);
	node_issue_answer(n, a.issue.request, SPAN("no", 2), n->now_us);

	admit_renewal(n, session_between(s, 0, 1), SPAN_OF(request));
	session_drop(n, session_between(s, 0, 1), "it ended the session");
	while (node_next_action(n, &a))
		is_asked |= a.type == NODE_ISSUE;
	assert_false(is_asked);
	sim_free(s);
}

static void a_neighbour_that_never_acknowledges_loses_its_session(void **state)
{
	(void)state;
	struct sim *s = pair();
	struct node *n = sim_node(s, 0);
	struct node_session *before = session_between(s, 0, 1);
	uint32_t index = before->first_index;

	(void)alarm(60); /* were it told all again and again, this would not end */
	while (stream_push(before->stream, (enum record_type)200, SPAN("x", 1), true, n->now_us) ==
	       0)
		;
	routes_neighbour_resync(n->routes, sim_id(s, 1), n->now_us);
	node_tick(n, n->now_us + ROUTE_PACING_US);
	assert_null(session_at(n, index));
	sim_poke(s, 0);
	run(s, SECONDS(5));
	assert_true(reaches(s, 0, 1, SECONDS(1)));
	(void)alarm(0);
	sim_free(s);
}

static void peers_that_are_nobody_give_way_to_those_that_are(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	uint8_t packet[48] = { 0x60, 0, 0, 0, 0, 8, 17, 64 };
	struct node *n;

	(void)sim_link(s, 0, 1, &lan, true);
	assert_int_equal(sim_boot(s, 0, 0, 0), 0);
	n = sim_node(s, 0);
	memcpy(packet + 8, node_overlay_address(n), 16);
	for (uint64_t id = 1; id <= NODE_PEERS_MAX + 10; id++) {
		overlay_address_of(n->ops, n->domain, id, packet + 24);
		node_input_packet(n, SPAN_OF(packet), n->now_us + 1);
	}
	sim_poke(s, 0);
	assert_int_equal(map_count(n->peers), NODE_PEERS_MAX);
	assert_int_equal(sim_boot(s, 1, 0, 0), 0);
	run(s, SECONDS(3));
	assert_true(reaches(s, 1, 0, SECONDS(1)));
	sim_free(s);
}

/* From 170 s on nothing may be sent: what waits in the stream must not wake the node in vain. */
static void a_session_that_may_not_send_any_more_does_not_keep_the_node_awake(void **state)
{
	(void)state;
	struct sim *s = pair();
	struct node *n = sim_node(s, 0);
	struct node_session *old = session_between(s, 0, 1);
	unsigned n_seen = 0;

	for (size_t i = 0; i < 2; i++) /* the latest there may be, and the link is cut before */
		session_between(s, i, 1 - i)->keys->cur->rekey_us =
			session_between(s, i, 1 - i)->keys->cur->began_us + SECONDS(130);
	run(s, SECONDS(117));
	sim_link_cut(s, 0, true);
	run(s, SECONDS(51));
	for (unsigned i = 0; i < 80; i++) {
		run(s, MS(100));
		if (session_at(n, old->first_index) != old ||
		    session_can_send(old->keys, n->now_us))
			continue;
		assert_false(stream_is_idle(old->stream));
		assert_true(node_deadline_us(n) > n->now_us);
		n_seen++;
	}
	assert_true(n_seen > 0);
	sim_free(s);
}

static void the_roots_are_the_nodes_own(void **state)
{
	(void)state;
	struct sim *s = pair();
	const struct trust *a = &sim_node(s, 0)->trust;
	const struct trust *b = &sim_node(s, 1)->trust;

	assert_int_equal(a->n_roots, 1);
	assert_ptr_not_equal(a->roots[0].at, b->roots[0].at); /* both were given the same */
	sim_free(s);
}

static void say(struct sim *s, struct node *n, const struct entry *lie)
{
	uint8_t update[256];
	struct writer w = writer_of(update, sizeof(update));

	assert_true(entry_encode(&w, lie));
	assert_int_equal(routes_input(n->routes, sim_id(s, 1), RECORD_ROUTE_UPDATE,
				      SPAN(update, w.len), n->now_us),
			 0);
	node_pump(n);
}

/* 1 says of 2 that it has started again: 0, who holds the certificate of 2, does not believe it, be
 * it without another certificate or with the name of one that nobody has. */
static void an_announced_boot_does_not_end_a_link_that_is_alive(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	struct entry lie = { 0 };
	struct node_session *before;
	struct route route;
	const char *why;
	struct node *n;

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 0, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(3));
	n = sim_node(s, 0);
	before = session_between(s, 0, 2);
	lie.destination = sim_id(s, 2);
	lie.epoch = (uint32_t)node_boot_epoch(sim_node(s, 2)) + 1000;
	lie.seqno = 1;
	lie.metric = 1;
	lie.hops = 1;
	assert_int_equal(node_origin(n, lie.destination, &why), ORIGIN_VERIFIED);
	say(s, n, &lie);
	assert_true(routes_lookup(n->routes, sim_id(s, 2), &route));
	assert_int_equal(route.epoch, lie.epoch - 1000);
	lie.relayed[0] = 4; /* the name of a certificate that nobody has */
	lie.relayed[1] = ORIGIN_HASH_LEN;
	lie.relayed_len = 2 + ORIGIN_HASH_LEN;
	say(s, n, &lie);
	assert_true(routes_lookup(n->routes, sim_id(s, 2), &route));
	assert_int_equal(route.epoch, lie.epoch - 1000);
	assert_ptr_equal(session_at(n, before->first_index), before);
	assert_ptr_equal(session_between(s, 0, 2), before);
	run(s, SECONDS(7));
	assert_true(routes_lookup(n->routes, sim_id(s, 2), &route));
	assert_int_equal(route.next_hop, sim_id(s, 2));
	assert_int_equal(route.epoch, lie.epoch - 1000);
	sim_free(s);
}

/* Who could use up all answers would make others doubt those between them and the node. */
static void probes_of_one_peer_leave_answers_for_others(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	static const uint8_t body[16];
	struct node *n;
	struct peer *liar, *other;
	unsigned before;

	(void)sim_link(s, 0, 2, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(3));
	n = sim_node(s, 2);
	liar = peer_get(n, node_id(sim_node(s, 0)));
	other = peer_get(n, node_id(sim_node(s, 1)));
	assert_true(liar && other);
	n->now_us = sim_node_us(s, 2);
	for (unsigned i = 0; i < 2000; i++)
		authentic_probed(n, liar, SPAN_OF(body), 2);
	before = n->n_probes;
	assert_in_range(before, 1, 100);
	authentic_probed(n, other, SPAN_OF(body), 2);
	assert_int_equal(n->n_probes, before + 1);
	sim_free(s);
}

static unsigned hops_by(struct sim *s, size_t node, size_t destination, size_t neighbour)
{
	struct watch_way way;
	size_t cursor = 0;

	while (node_next_watched(sim_node(s, node), &cursor, &way))
		if (way.destination == sim_id(s, destination) &&
		    way.neighbour == sim_id(s, neighbour))
			return way.n_hops;
	return 0;
}

static void hand_over(struct sim *s, size_t to, size_t by)
{
	struct watch_packet packet = { .destination = sim_id(s, to),
				       .neighbour = sim_id(s, by),
				       .len = 100,
				       .use = WATCH_OWN };

	watch_passed(sim_node(s, 0)->watch, &packet, sim_node_us(s, 0));
	sim_poke(s, 0);
}

/* By 1 it is three links to 3, and its answers come back by two. */
static void an_answer_says_by_how_many_links_the_probe_came(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	(void)sim_link(s, 2, 3, &lan, true);
	(void)sim_link(s, 0, 2, &lan, true);
	boot_all(s, 4);
	run(s, SECONDS(3));
	for (unsigned i = 0; i < 20; i++) {
		(void)sim_send(s, 0, 3, 100);
		run(s, MS(100));
	}
	assert_int_equal(hops_by(s, 0, 3, 2), 2);
	for (unsigned i = 0; i < 40; i++) {
		hand_over(s, 3, 1);
		run(s, MS(100));
	}
	assert_int_equal(hops_by(s, 0, 3, 1), 3);
	sim_free(s);
}

/* Of who does not know it, or says what cannot be, the links of the answer count. */
static void what_an_answer_says_of_links_is_read_with_care(void **state)
{
	static const struct {
		uint8_t flags, said;
		size_t len;
		unsigned read;
	} cases[] = {
		{ 0, 3, 16, 5 }, { 2, 3, 16, 5 },     { 4, 3, 16, 3 }, { 4, 3, 10, 3 },
		{ 4, 0, 16, 5 }, { 6, 255, 16, 255 }, { 4, 3, 9, 5 },  { 255, 3, 5, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim *s = make_sim(3, true);
		uint8_t body[16] = { 0 };
		struct watch_probe probe;
		struct node *n;

		(void)sim_link(s, 0, 1, &lan, true);
		(void)sim_link(s, 1, 2, &lan, true);
		boot_all(s, 3);
		run(s, SECONDS(3));
		n = sim_node(s, 0);
		n->now_us = sim_node_us(s, 0);
		assert_non_null(peer_make(n, sim_id(s, 2)));
		hand_over(s, 2, 1);
		n->now_us += SECONDS(1);
		assert_true(watch_next_probe(n->watch, n->now_us, &probe));
		store_u32(body, probe.id);
		body[4] = cases[i].flags;
		body[9] = cases[i].said;
		authentic_answered(n, peer_get(n, sim_id(s, 2)), SPAN(body, cases[i].len), 5);
		assert_int_equal(hops_by(s, 0, 2, 1), cases[i].read);
		sim_free(s);
	}
}

/* As a member may seal it that wants its neighbour to pass it on: header and payload are its own.
 */
static size_t forge_relayed(struct sim *s, size_t at, size_t peer, struct wire_hop *hop,
			    struct span payload, uint8_t *ret)
{
	struct session *keys = session_between(s, at, peer)->keys;
	uint64_t now_us = sim_node_us(s, at);
	struct wire_transport t = { .type = WIRE_TRANSPORT };
	struct session_ticket ticket;
	size_t len = wire_hop_encode(hop, ret + WIRE_HEADER_LEN);

	assert_int_equal(session_reserve(keys, SESSION_LINK, 0, 100, now_us, &ticket), 0);
	t.seal_len = (uint16_t)len;
	t.receiver_index = ticket.remote_index;
	t.lane = ticket.lane;
	t.sequence = ticket.sequence;
	wire_transport_encode(&t, ret);
	assert_int_equal(session_seal(keys, &ticket, SPAN(ret, WIRE_HEADER_LEN),
				      SPAN(ret + WIRE_HEADER_LEN, len), ret + WIRE_HEADER_LEN),
			 0);
	len += WIRE_HEADER_LEN + AEAD_TAG_LEN;
	if (payload.len > 0)
		memcpy(ret + len, payload.at, payload.len);
	return len + payload.len;
}

/* Passed on without a payload its header would be the relay's own message to the next one, in the
 * words of who made it: the id of the destination, which may be chosen, comes first. */
static void a_relay_passes_on_nothing_empty(void **state)
{
	static const uint8_t junk[AEAD_TAG_LEN] = { 0 };
	static const struct {
		enum wire_kind kind;
		size_t len;
		bool is_relayed;
	} cases[] = {
		{ KIND_DATA, 0, false },	   { KIND_HANDSHAKE, 0, false },
		{ KIND_CONTROL, 0, false },	   { KIND_DATA, AEAD_TAG_LEN - 1, false },
		{ KIND_DATA, AEAD_TAG_LEN, true }, { KIND_HANDSHAKE, 1, true },
	};
	struct sim *s = make_sim(3, true);

	(void)state;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_hop hop = { .ttl = 9,
					.kind = cases[i].kind,
					.destination = sim_id(s, 2),
					.source = sim_id(s, 0) };
		struct node_counters before, after;
		uint8_t datagram[200];
		size_t len = forge_relayed(s, 0, 1, &hop, SPAN(junk, cases[i].len), datagram);

		node_counters(sim_node(s, 1), &before);
		sim_inject(s, 0, true, SPAN(datagram, len), 1000);
		run(s, MS(20));
		node_counters(sim_node(s, 1), &after);
		assert_int_equal(after.relayed - before.relayed, cases[i].is_relayed);
		assert_int_equal(after.malformed - before.malformed, !cases[i].is_relayed);
	}
	sim_free(s);
}

static void a_relay_lets_no_packet_live_for_ever(void **state)
{
	static const uint8_t junk[100] = { 0 };
	struct sim *s = make_sim(3, true);

	(void)state;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	for (uint8_t ttl = 1; ttl <= 2; ttl++) { /* 0 is malformed: test_wire */
		struct wire_hop hop = { .ttl = ttl,
					.kind = KIND_DATA,
					.destination = sim_id(s, 2),
					.source = sim_id(s, 0) };
		struct node_counters before, after;
		uint8_t datagram[200];
		size_t len = forge_relayed(s, 0, 1, &hop, SPAN_OF(junk), datagram);

		node_counters(sim_node(s, 1), &before);
		sim_inject(s, 0, true, SPAN(datagram, len), 1000);
		run(s, MS(20));
		node_counters(sim_node(s, 1), &after);
		assert_int_equal(after.ttl_expired - before.ttl_expired, ttl == 1);
		assert_int_equal(after.relayed - before.relayed, ttl == 2);
	}
	sim_free(s);
}

/* Under good keys, from 0 to 1. */
static void a_packet_from_a_peer_that_no_stack_would_send_is_dropped(void **state)
{
	(void)state;
	struct sim *s = pair();
	uint8_t packet[48] = { 0x60, [5] = 8, [6] = 59, [7] = 64 };
	struct node *n = sim_node(s, 0);
	struct peer *p = peer_get(n, sim_id(s, 1));
	struct node_counters c;

	memcpy(packet + 8, node_overlay_address(n), 16);
	memcpy(packet + 24, node_overlay_address(sim_node(s, 1)), 16);
	for (unsigned k = 0; k < 3; k++) {
		packet[5] = k == 0 ? 9 : 8; /* longer than it is */
		packet[7] = k == 1 ? 0 : 64;
		path_send_direct(n, p->direct, &p->neighbour->roam.current,
				 SPAN(packet, k == 2 ? 39 : 48));
		sim_poke(s, 0);
		run(s, MS(50));
	}
	node_counters(sim_node(s, 1), &c);
	assert_int_equal(c.malformed, 2);
	assert_int_equal(c.ttl_expired, 1);
	assert_int_equal(c.packets_to_tun, 0);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_renewal_nobody_asked_for_is_dropped),
		cmocka_unit_test(of_two_answers_to_one_request_the_first_counts),
		cmocka_unit_test(a_request_whose_session_is_gone_is_not_passed_on),
		cmocka_unit_test(a_neighbour_that_never_acknowledges_loses_its_session),
		cmocka_unit_test(peers_that_are_nobody_give_way_to_those_that_are),
		cmocka_unit_test(a_session_that_may_not_send_any_more_does_not_keep_the_node_awake),
		cmocka_unit_test(the_roots_are_the_nodes_own),
		cmocka_unit_test(an_announced_boot_does_not_end_a_link_that_is_alive),
		cmocka_unit_test(probes_of_one_peer_leave_answers_for_others),
		cmocka_unit_test(an_answer_says_by_how_many_links_the_probe_came),
		cmocka_unit_test(what_an_answer_says_of_links_is_read_with_care),
		cmocka_unit_test(a_relay_passes_on_nothing_empty),
		cmocka_unit_test(a_relay_lets_no_packet_live_for_ever),
		cmocka_unit_test(a_packet_from_a_peer_that_no_stack_would_send_is_dropped),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
