/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes' packet threads, without the nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/carry/carry.h"
#include "core/session/test_ops.h"
#include "core/wire/wire.h"

#define FIRST_LANE 3
#define MTU 1344
#define DATAGRAM_MAX (MTU + 106)

static const uint8_t key[16] = { 9 };
static const struct endpoint places[2] = {
	{ .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .port = 1 },
	{ .ip = { 0x20, 1, 0xd, 0xb8, [15] = 2 }, .port = 2 },
};

struct end {
	struct rng rng;
	struct session *session;
	struct marks *marks;
	struct carry_table *table;
	struct carry threads[2];
};

static uint8_t addresses[2][16];
static struct end ends[2];
static uint64_t now_us;

static int test_root(struct end *e, unsigned i)
{
	static const uint8_t root[32] = { 3 };
	struct session_config config = {
		.ops = &test_ops,
		.entropy = test_entropy(&e->rng),
		.n_threads = 2,
		.first_thread_lane = FIRST_LANE,
	};
	struct session_secret secret = {
		.root = root,
		.is_initiator = i == 0,
		.aead = AEAD_AES_256_GCM,
		.lanes_local = FIRST_LANE + 2,
		.lanes_peer = FIRST_LANE + 2,
		.local_index = 100 + i,
		.remote_index = 101 - i,
		.ends_us = NEVER_US,
	};

	return session_new(&config, &secret, now_us, &e->session);
}

/* A packet from one session to the other, so that both may send and share. */
static void hear(unsigned from, unsigned to)
{
	struct session_ticket t;
	uint8_t sealed[AEAD_TAG_LEN], none[1];
	bool is_newest;

	assert_int_equal(session_reserve(ends[from].session, SESSION_LINK, 0, 0, now_us, &t), 0);
	assert_int_equal(session_seal(ends[from].session, &t, SPAN_STR(""), SPAN_STR(""), sealed),
			 0);
	assert_int_equal(session_open(ends[to].session, SESSION_LINK, t.remote_index, t.lane,
				      t.sequence, SPAN_STR(""), SPAN_OF(sealed), none, &is_newest,
				      now_us),
			 SESSION_OPENED);
}

static int new_table(const struct carry_way *ways, size_t n, const uint8_t address[16],
		     struct marks *marks, struct carry_table **ret)
{
	struct carry_self self = { .prefix_len = 8, .datagram_max = DATAGRAM_MAX, .marks = marks };

	memcpy(self.address, address, sizeof(self.address));
	return carry_table_new(ways, n, &self, ret);
}

static void make_table(unsigned i, unsigned packet_max)
{
	struct carry_way way = { .id = 2 - i, .at = places[1 - i], .packet_max = packet_max };

	memcpy(way.address, addresses[1 - i], 16);
	(void)session_share(ends[i].session, now_us, &way.shares[0], &way.shares[1]);
	carry_table_free(ends[i].table);
	assert_int_equal(new_table(&way, 1, addresses[i], ends[i].marks, &ends[i].table), 0);
	assert_true(carry_table_is_of(ends[i].table, &way, 1));
	way.packet_max++;
	assert_false(carry_table_is_of(ends[i].table, &way, 1));
	share_unref(way.shares[0]);
	share_unref(way.shares[1]);
}

static int set_up(void **state)
{
	(void)state;
	test_ops_forget_nonces();
	now_us = SECONDS(1000);
	memset(ends, 0, sizeof(ends));
	for (unsigned i = 0; i < 2; i++) {
		addresses[i][0] = 0xfd;
		store_u64(addresses[i] + 8, i + 1);
		rng_seed(&ends[i].rng, i + 1);
		ends[i].threads[1].thread = 1;
		assert_int_equal(marks_new(key, &ends[i].marks), 0);
		assert_int_equal(test_root(&ends[i], i), 0);
	}
	hear(1, 0);
	hear(0, 1);
	make_table(0, MTU);
	make_table(1, MTU);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		carry_table_free(ends[i].table);
		marks_free(ends[i].marks);
		session_free(ends[i].session);
	}
	assert_int_equal(test_ops_aeads(), 0);
	return 0;
}

/* UDP from one end to the other. */
static size_t udp(unsigned from, uint16_t port, size_t len, uint8_t *ret)
{
	memset(ret, 0, len);
	ret[0] = 0x60;
	store_u16(ret + 4, (uint16_t)(len - 40));
	ret[6] = 17;
	ret[7] = 64;
	memcpy(ret + 8, addresses[from], 16);
	memcpy(ret + 24, addresses[1 - from], 16);
	store_u16(ret + 40, port);
	store_u16(ret + 42, 5000);
	store_u16(ret + 44, (uint16_t)(len - 40));
	for (size_t i = 48; i < len; i++)
		ret[i] = (uint8_t)i;
	return len;
}

static void mark(unsigned at, enum mark_direction d, const uint8_t *packet, size_t len)
{
	struct inner i;

	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	marks_put(ends[at].marks, d, &i, now_us);
}

static enum carry_verdict out(unsigned from, unsigned thread, const uint8_t *packet, size_t len,
			      uint8_t *room, struct carry_result *ret)
{
	return carry_out(&ends[from].threads[thread], ends[from].table, SPAN(packet, len), now_us,
			 room, ret);
}

static enum carry_verdict in(unsigned to, unsigned thread, const struct carry_result *sent,
			     uint8_t *room, struct carry_result *ret)
{
	memcpy(room, sent->bytes, sent->len);
	return carry_in(&ends[to].threads[thread], ends[to].table, &places[1 - to], 0, room,
			sent->len, now_us, ret);
}

/* What a peer's thread may send though ours would not. */
static int seal(unsigned from, const uint8_t *packet, size_t len, uint8_t *room,
		struct carry_result *ret)
{
	struct wire_transport h = { .type = WIRE_TRANSPORT };
	struct wire_hop hop = { .ttl = 1 };
	uint8_t *part = room + WIRE_HEADER_LEN;
	struct session_ticket ticket;
	struct share *s, *old;
	int r;

	(void)session_share(ends[from].session, now_us, &s, &old);
	r = share_reserve(s, 0, SESSION_LINK, now_us, &ticket);
	assert_int_equal(r, 0);
	h.receiver_index = ticket.remote_index;
	h.lane = ticket.lane;
	h.sequence = ticket.sequence;
	wire_transport_encode(&h, room);
	wire_hop_encode_short(&hop, part);
	memcpy(part + HOP_SHORT_LEN, packet, len);
	r = test_ops.aead_seal(ticket.aead, ticket.nonce, SPAN(room, WIRE_HEADER_LEN),
			       SPAN(part, HOP_SHORT_LEN + len), part);
	*ret = (struct carry_result){ .bytes = room,
				      .len = WIRE_HEADER_LEN + HOP_SHORT_LEN + len + AEAD_TAG_LEN };
	share_unref(s);
	return r;
}

static void a_packet_goes_from_tunnel_to_tunnel(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	size_t len = udp(0, 7, MTU, packet);

	mark(0, MARK_OUT, packet, len);
	mark(1, MARK_IN, packet, len);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(out(0, i % 2, packet, len, room, &sent), CARRY_SEND);
		assert_true(endpoint_equal(sent.to, &places[1]));
		assert_int_equal(sent.len, len + 38);
		assert_int_equal(in(1, i / 2 % 2, &sent, arrived, &got), CARRY_DELIVER);
		assert_int_equal(got.len, len);
		assert_memory_equal(got.bytes, packet, len);
		assert_int_equal(in(1, 1 - i / 2 % 2, &sent, arrived, &got), CARRY_DONE);
	}
	assert_int_equal(ends[0].threads[0].counters.packets_from_tun, 50);
	assert_int_equal(ends[0].threads[1].counters.packets_from_tun, 50);
	assert_int_equal(ends[1].threads[0].counters.packets_to_tun, 50);
	assert_int_equal(
		ends[1].threads[0].counters.replayed + ends[1].threads[1].counters.replayed, 100);
}

static void what_no_mark_lets_out_is_the_owners(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent;
	size_t len = udp(0, 7, 200, packet);

	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_OWNER);
	assert_int_equal(ends[0].threads[0].counters.handed_over, 1);
	mark(0, MARK_OUT, packet, len);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	now_us += MARK_US;
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_OWNER);
}

/* Each is one change of a packet that would go. */
static void what_is_special_going_out_is_the_owners(void **state)
{
	(void)state;
	static const struct {
		unsigned at;
		uint8_t is;
	} changes[] = {
		{ 0, 0x40 },  /* another family */
		{ 6, 58 },    /* ICMPv6 */
		{ 6, 59 },    /* nothing inside */
		{ 7, 0 },     /* hop limit */
		{ 23, 9 },    /* not our source */
		{ 24, 0x20 }, /* not in the overlay */
		{ 39, 9 },    /* to a node that there is no way to */
		{ 5, 1 },     /* another length */
	};
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent;
	size_t len;

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		len = udp(0, 7, 200, packet);
		mark(0, MARK_OUT, packet, len);
		packet[changes[i].at] = changes[i].is;
		assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_OWNER);
	}
	len = udp(0, 7, 200, packet);
	mark(0, MARK_OUT, packet, len);
	store_u16(packet, 0x6000 | 46 << 6); /* EF */
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_OWNER);
	len = udp(0, 7, MTU, packet);
	mark(0, MARK_OUT, packet, len);
	make_table(0, MTU - 1);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_OWNER);
}

static void what_no_mark_lets_in_is_opened_and_the_owners(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	size_t len = udp(0, 7, 200, packet);
	struct endpoint elsewhere = { .port = 9 };

	mark(0, MARK_OUT, packet, len);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_OPENED);
	assert_int_equal(got.index, 101);
	assert_true(got.is_newest);
	assert_int_equal(got.len, len);
	assert_memory_equal(got.bytes, packet, len);
	mark(1, MARK_IN, packet, len);
	/* from another address the owner has to see it, to follow the peer */
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	assert_int_equal(carry_in(&ends[1].threads[0], ends[1].table, &elsewhere, 0, sent.bytes,
				  sent.len, now_us, &got),
			 CARRY_OPENED);
}

static void a_peers_packet_with_another_source_is_not_delivered(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	struct carry_table *honest = ends[0].table;
	struct carry_way way = { .id = 2, .at = places[1], .packet_max = MTU };
	uint8_t lie[16];
	size_t len = udp(0, 7, 200, packet);

	memcpy(lie, addresses[0], 16);
	lie[15] = 77;
	memcpy(packet + 8, lie, 16);
	mark(0, MARK_OUT, packet, len);
	mark(1, MARK_IN, packet, len); /* some other peer's flow */
	(void)session_share(ends[0].session, now_us, &way.shares[0], &way.shares[1]);
	assert_int_equal(new_table(&way, 1, lie, ends[0].marks, &ends[0].table), 0);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_OPENED);
	share_unref(way.shares[0]);
	carry_table_free(honest);
}

static void datagrams_that_are_no_packets_of_a_way_are_the_owners_untouched(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX],
		before[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	size_t len = udp(0, 7, 200, packet);
	static const unsigned changed[] = { 0, 1, 3, 7, WIRE_LANE_AT };

	mark(0, MARK_OUT, packet, len);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t was = room[changed[i]];

		room[changed[i]] = 1;
		memcpy(before, room, sent.len);
		assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_OWNER);
		assert_memory_equal(arrived, before, sent.len);
		room[changed[i]] = was;
	}
	for (size_t n = 0; n < 38; n++) {
		sent.len = n;
		assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_OWNER);
	}
}

/* A SYN, or the answer to one, whose MSS the owner may lower: in a flow let through already. */
static void what_begins_a_connection_is_the_owners(void **state)
{
	(void)state;
	static const struct {
		uint8_t flags;
		bool is_owners;
	} cases[] = { { 0x10, false }, { 0x02, true }, { 0x12, true }, { 0x11, false } };
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;

	for (unsigned i = 0; i < 4; i++) {
		size_t len = udp(0, 7, 200, packet);

		packet[6] = 6;
		packet[40 + 12] = 5 << 4;
		packet[40 + 13] = 0x10;
		mark(0, MARK_OUT, packet, len);
		mark(1, MARK_IN, packet, len);
		packet[40 + 13] = cases[i].flags;
		assert_int_equal(out(0, 0, packet, len, room, &sent),
				 cases[i].is_owners ? CARRY_OWNER : CARRY_SEND);
		if (cases[i].is_owners)
			assert_int_equal(seal(0, packet, len, room, &sent), 0);
		assert_int_equal(in(1, 0, &sent, arrived, &got),
				 cases[i].is_owners ? CARRY_OPENED : CARRY_DELIVER);
	}
}

static void a_datagram_longer_than_this_nodes_are_is_the_owners(void **state)
{
	(void)state;
	uint8_t packet[2000], room[CARRY_DATAGRAM_MAX + 1], arrived[CARRY_DATAGRAM_MAX + 1];
	struct carry_result sent, got;

	for (size_t longer = 0; longer < 2; longer++) {
		size_t len = udp(0, 7, DATAGRAM_MAX - 38 + longer, packet);

		mark(1, MARK_IN, packet, len);
		assert_int_equal(seal(0, packet, len, room, &sent), 0);
		assert_int_equal(in(1, 0, &sent, arrived, &got),
				 longer ? CARRY_OWNER : CARRY_DELIVER);
	}
}

static void a_forgery_is_counted(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX], arrived[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	size_t len = udp(0, 7, 200, packet);

	mark(0, MARK_OUT, packet, len);
	mark(1, MARK_IN, packet, len);
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	room[100] ^= 1;
	assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_DONE);
	assert_int_equal(ends[1].threads[0].counters.forged, 1);
	room[100] ^= 1;
	assert_int_equal(in(1, 0, &sent, arrived, &got), CARRY_DELIVER);
}

static void congestion_on_the_way_is_told_inside(void **state)
{
	(void)state;
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	size_t len = udp(0, 7, 200, packet);

	mark(0, MARK_OUT, packet, len);
	mark(1, MARK_IN, packet, len);
	packet[1] = 2 << 4; /* ECT(0) */
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	assert_int_equal(sent.traffic_class, 2);
	assert_int_equal(carry_in(&ends[1].threads[0], ends[1].table, &places[0], 3, sent.bytes,
				  sent.len, now_us, &got),
			 CARRY_DELIVER);
	assert_int_equal(got.bytes[1], 3 << 4); /* CE */
	packet[1] = 0;
	assert_int_equal(out(0, 0, packet, len, room, &sent), CARRY_SEND);
	assert_int_equal(carry_in(&ends[1].threads[0], ends[1].table, &places[0], 3, sent.bytes,
				  sent.len, now_us, &got),
			 CARRY_DONE);
	assert_int_equal(ends[1].threads[0].counters.ecn_dropped, 1);
}

static void a_table_of_many_finds_each(void **state)
{
	(void)state;
	static struct carry_way ways[1000];
	uint8_t packet[MTU], room[CARRY_DATAGRAM_MAX];
	struct carry_table *t;
	struct carry_result sent;
	struct share *share, *old;

	(void)session_share(ends[0].session, now_us, &share, &old);
	for (unsigned i = 0; i < 1000; i++) {
		ways[i] = (struct carry_way){ .id = 1000 + i, .packet_max = MTU };
		ways[i].at.port = (uint16_t)i;
		ways[i].shares[0] = share;
	}
	assert_int_equal(new_table(ways, 1000, addresses[0], ends[0].marks, &t), 0);
	for (unsigned i = 0; i < 1000; i++) {
		size_t len = udp(0, 7, 100, packet);

		store_u64(packet + 32, 1000 + i);
		mark(0, MARK_OUT, packet, len);
		assert_int_equal(
			carry_out(&ends[0].threads[0], t, SPAN(packet, len), now_us, room, &sent),
			CARRY_SEND);
		assert_int_equal(sent.to->port, i);
	}
	carry_table_free(t);
	share_unref(share);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_packet_goes_from_tunnel_to_tunnel, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_no_mark_lets_out_is_the_owners, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_special_going_out_is_the_owners, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_no_mark_lets_in_is_opened_and_the_owners,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_peers_packet_with_another_source_is_not_delivered,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			datagrams_that_are_no_packets_of_a_way_are_the_owners_untouched, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_begins_a_connection_is_the_owners, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_datagram_longer_than_this_nodes_are_is_the_owners,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forgery_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(congestion_on_the_way_is_told_inside, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_table_of_many_finds_each, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
