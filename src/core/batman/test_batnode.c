/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes on one Ethernet in virtual time, and frames made by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/batman/batnode.h"
#include "core/batman/batwire.h"

#define NODES 2

struct world {
	struct batnode *nodes[NODES];
	struct rng rng;
	uint64_t now_us;
	unsigned n_delivered[NODES], n_sent;
	uint8_t last[BATNODE_FRAME_MAX]; /* delivered */
	size_t last_len;
	uint8_t sent[BATNODE_FRAME_MAX]; /* sent last by node 0 */
	size_t sent_len;
};

static void address_of(unsigned node, bool is_client, uint8_t ret[6])
{
	const uint8_t address[6] = { 2, 0, 0, 0, is_client, (uint8_t)(node + 1) };

	memcpy(ret, address, 6);
}

static struct batnode *new_node(struct world *w, unsigned number)
{
	struct batnode_config config = { .n_interfaces = 1,
					 .elp_interval_ms = 500,
					 .ogm_interval_ms = 1000 };
	struct batnode *n;

	address_of(number, false, config.interfaces[0].address);
	address_of(number, true, config.client);
	config.interfaces[0].throughput = 100;
	assert_int_equal(batnode_new(&config, &w->rng, w->now_us, &n), 0);
	return n;
}

static void pump(struct world *w)
{
	struct batnode_action a;
	bool is_busy = true;

	while (is_busy) {
		is_busy = false;
		for (unsigned i = 0; i < NODES; i++) {
			while (batnode_next_action(w->nodes[i], &a)) {
				uint8_t *to = a.is_delivery ? w->last : w->sent;

				is_busy = true;
				if (a.is_delivery || i == 0)
					memcpy(to, a.frame.at, a.frame.len);
				if (a.is_delivery) {
					w->n_delivered[i]++;
					w->last_len = a.frame.len;
				} else {
					w->n_sent++;
					w->sent_len = i == 0 ? a.frame.len : w->sent_len;
					(void)batnode_input(w->nodes[1 - i], 0, a.frame, w->now_us);
				}
			}
		}
	}
}

static void pass(struct world *w, uint64_t time_us)
{
	uint64_t end_us = w->now_us + time_us;

	for (; w->now_us < end_us; w->now_us += MS(50)) {
		for (unsigned i = 0; i < NODES; i++)
			if (w->now_us >= batnode_deadline_us(w->nodes[i]))
				batnode_tick(w->nodes[i], w->now_us);
		pump(w);
	}
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now_us = SECONDS(100);
	rng_seed(&w->rng, 7);
	for (unsigned i = 0; i < NODES; i++)
		w->nodes[i] = new_node(w, i);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < NODES; i++)
		batnode_free(w->nodes[i]);
	free(w);
	return 0;
}

static size_t frame_of(uint8_t *ret, const uint8_t to[6], const uint8_t from[6], const char *text)
{
	size_t len = strlen(text);

	memcpy(ret, to, 6);
	memcpy(ret + 6, from, 6);
	store_u16(ret + 12, 0x86dd);
	memcpy(ret + 14, text, len); /* NOLINT(bugprone-not-null-terminated-result): bytes */
	return 14 + len;
}

static unsigned count_originators(const struct batnode *n)
{
	struct batnode_originator o;
	size_t cursor = 0;
	unsigned count = 0;

	while (batnode_next_originator(n, &cursor, &o))
		count++;
	return count;
}

static void nodes_find_each_other_and_each_others_client(void **state)
{
	struct world *w = *state;
	struct batnode_originator o;
	struct batnode_neighbour b;
	uint8_t client[6], address[6], other[6];
	size_t cursor = 0;

	pass(w, SECONDS(3));
	address_of(1, false, other);
	address_of(1, true, client);
	assert_true(batnode_next_neighbour(w->nodes[0], &cursor, &b));
	assert_memory_equal(b.address, other, 6);
	assert_memory_equal(b.originator, other, 6);
	cursor = 0;
	assert_true(batnode_next_originator(w->nodes[0], &cursor, &o));
	assert_memory_equal(o.next_hop, other, 6);
	assert_int_equal(o.throughput, 100);
	assert_true(o.is_in_step);
	assert_int_equal(o.n_clients, 1);
	assert_true(batnode_client(w->nodes[0], client, address));
	assert_memory_equal(address, other, 6);
	assert_false(batnode_client(w->nodes[0], address, client));
}

static void frames_go_to_whom_they_are_for_once(void **state)
{
	struct world *w = *state;
	static const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t frame[64], from[6], to[6], stranger[6];
	size_t len;

	pass(w, SECONDS(3));
	address_of(0, true, from);
	address_of(1, true, to);
	address_of(9, true, stranger);
	len = frame_of(frame, to, from, "hello");
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), 0);
	pump(w);
	assert_int_equal(w->n_delivered[1], 1);
	assert_int_equal(w->last_len, len);
	assert_memory_equal(w->last, frame, len);

	len = frame_of(frame, group, from, "all of you");
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), 0);
	pump(w);
	assert_int_equal(w->n_delivered[1], 2);
	(void)batnode_input(w->nodes[1], 0, SPAN(w->sent, w->sent_len), w->now_us); /* again */
	pump(w);
	assert_int_equal(w->n_delivered[1], 2);

	len = frame_of(frame, stranger, from, "who");
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), -EHOSTUNREACH);
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, 13), w->now_us), -EBADMSG);
}

static size_t packet_from(uint8_t *ret, unsigned node, struct span packet)
{
	address_of(0, false, ret);
	address_of(node, false, ret + 6);
	store_u16(ret + 12, BATWIRE_ETHERTYPE);
	memcpy(ret + 14, packet.at, packet.len);
	return 14 + packet.len;
}

static void an_echo_is_answered_to_whom_it_came_from(void **state)
{
	struct world *w = *state;
	struct batwire_icmp icmp = {
		.ttl = 3, .kind = BATWIRE_ECHO_REQUEST, .uid = 9, .seqno = 5, .has_records = true
	};
	struct batwire_icmp got;
	uint8_t packet[128], frame[160];
	struct writer p = writer_of(packet, sizeof(packet));
	size_t len;

	address_of(0, false, icmp.to);
	address_of(1, false, icmp.from);
	batwire_icmp_write(&p, &icmp);
	len = packet_from(frame, 1, SPAN(packet, p.len));
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, len), w->now_us), -EAGAIN);
	pass(w, SECONDS(3));
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, len), w->now_us), 0);
	pump(w);
	assert_int_equal(batwire_icmp_read(SPAN(w->sent + 14, w->sent_len - 14), &got), 0);
	assert_int_equal(got.kind, BATWIRE_ECHO_REPLY);
	assert_memory_equal(got.to, icmp.from, 6);
	assert_memory_equal(got.from, icmp.to, 6);
	assert_int_equal(got.uid, 9);
	assert_int_equal(got.seqno, 5);
	assert_int_equal(got.n_records, 1);
	assert_memory_equal(got.records[0], icmp.to, 6);
}

/* A message of some originator by node 1, with these changes of its table. */
static int ogm(struct world *w, unsigned originator, uint32_t seqno, const struct batwire_tt *tt)
{
	uint8_t packet[256], frame[300], tvlvs[200];
	struct batwire_ogm o = { .ttl = 50, .seqno = seqno, .throughput = 50 };
	struct writer p = writer_of(packet, sizeof(packet));
	struct writer t = writer_of(tvlvs, sizeof(tvlvs));

	if (tt)
		batwire_tt_write(&t, tt);
	address_of(originator, false, o.originator);
	o.originator[3] = (uint8_t)(originator >> 8);
	o.tvlvs = SPAN(tvlvs, t.len);
	batwire_ogm_write(&p, &o);
	return batnode_input(w->nodes[0], 0,
			     SPAN(frame, packet_from(frame, 1, SPAN(packet, p.len))), w->now_us);
}

static void a_table_out_of_step_is_asked_for(void **state)
{
	struct world *w = *state;
	struct batwire_tt tt = { .flags = BATWIRE_TT_OGM_DIFF, .version = 7, .n_vlans = 1 };
	struct batwire_unicast_tvlv u;
	unsigned n_before;

	pass(w, SECONDS(3));
	n_before = w->n_sent;
	assert_int_equal(ogm(w, 5, 1, &tt), 0);
	pump(w);
	assert_int_equal(w->n_sent, n_before + 1);
	assert_int_equal(batwire_unicast_tvlv_read(SPAN(w->sent + 14, w->sent_len - 14), &u), 0);
	assert_int_equal(u.to[5], 6);
	assert_int_equal(ogm(w, 5, 2, &tt), 0); /* and not again at once */
	pump(w);
	assert_int_equal(w->n_sent, n_before + 1);
}

static uint64_t last_heard_us(const struct world *w, unsigned originator)
{
	struct batnode_originator o;
	size_t cursor = 0;

	while (batnode_next_originator(w->nodes[0], &cursor, &o))
		if (o.address[5] == originator + 1)
			return o.heard_us;
	return 0;
}

static void a_restart_is_believed_once_in_a_while(void **state)
{
	struct world *w = *state;
	uint64_t heard_us;

	pass(w, SECONDS(3));
	assert_int_equal(ogm(w, 5, 100000, NULL), 0);
	assert_int_equal(ogm(w, 5, 10, NULL), 0);     /* started anew */
	assert_int_equal(ogm(w, 5, 100000, NULL), 0); /* ahead of it again */
	heard_us = w->now_us;
	w->now_us += SECONDS(1);
	assert_int_equal(ogm(w, 5, 20, NULL), 0); /* too soon: passed over */
	assert_true(last_heard_us(w, 5) == heard_us);
	w->now_us += SECONDS(30);
	assert_int_equal(ogm(w, 5, 20, NULL), 0);
	assert_true(last_heard_us(w, 5) == w->now_us);

	assert_int_equal(count_originators(w->nodes[0]), 2);
}

static void who_restarts_again_and_again_is_heard_each_time(void **state)
{
	struct world *w = *state;
	uint8_t frame[64], to[6], from[6];
	size_t len;

	address_of(0, true, to);
	address_of(1, true, from);
	len = frame_of(frame, to, from, "to all");
	memset(frame, 0xff, 6);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t began_us = w->now_us;
		unsigned n_delivered = w->n_delivered[0];

		pass(w, SECONDS(3));
		assert_true(last_heard_us(w, 1) > began_us + SECONDS(1));
		assert_int_equal(batnode_output(w->nodes[1], SPAN(frame, len), w->now_us), 0);
		pump(w);
		assert_int_equal(w->n_delivered[0], n_delivered + 1);
		batnode_free(w->nodes[1]);
		w->nodes[1] = new_node(w, 1);
	}
}

static void full_tables_drop_what_is_new(void **state)
{
	struct world *w = *state;
	int r = 0;

	pass(w, SECONDS(3)); /* node 1 is one of them */
	for (unsigned i = 0; i < BATNODE_ORIGINATORS_MAX - 1; i++)
		assert_int_equal(ogm(w, 5 + i, 1, NULL), 0);
	r = ogm(w, 3000, 1, NULL);
	assert_int_equal(count_originators(w->nodes[0]), BATNODE_ORIGINATORS_MAX);
	assert_int_equal(r, -ENOBUFS);
}

static void neighbours_beyond_the_limit_are_dropped(void **state)
{
	struct world *w = *state;
	struct batwire_elp elp = { .interval_ms = 500 };
	uint8_t packet[32], frame[64];
	int r = 0;

	for (unsigned i = 0; i <= BATNODE_NEIGHBOURS_MAX; i++) {
		struct writer p = writer_of(packet, sizeof(packet));

		address_of(i + 1, false, elp.originator);
		batwire_elp_write(&p, &elp);
		r = batnode_input(w->nodes[0], 0,
				  SPAN(frame, packet_from(frame, i + 1, SPAN(packet, p.len))),
				  w->now_us);
		assert_int_equal(r, i < BATNODE_NEIGHBOURS_MAX ? 0 : -ENOBUFS);
	}
}

static void clients_beyond_the_limit_leave_a_table_out_of_step(void **state)
{
	struct world *w = *state;
	struct batwire_tt tt = { .flags = BATWIRE_TT_OGM_DIFF, .version = 1, .n_vlans = 1 };
	struct batnode_originator o;
	uint8_t changes[12 * 10];
	size_t cursor = 0;
	unsigned n_clients = 0;
	bool is_one_out = false;

	pass(w, SECONDS(3));
	for (unsigned i = 0; i < BATNODE_CLIENTS_MAX / 10 + 2; i++) {
		struct writer c = writer_of(changes, sizeof(changes));

		tt.vlans[0].crc = 0;
		for (unsigned k = 0; k < 10; k++) {
			struct batwire_tt_change change = { .address = { 2, 1, 0, (uint8_t)(i >> 8),
									 (uint8_t)i, (uint8_t)k } };

			batwire_tt_change_write(&c, &change);
			tt.vlans[0].crc ^= batwire_client_crc(&change);
		}
		tt.changes = SPAN(changes, c.len);
		assert_int_equal(ogm(w, 5 + i, 1, &tt), 0);
		pump(w);
	}
	while (batnode_next_originator(w->nodes[0], &cursor, &o)) {
		n_clients += o.n_clients;
		is_one_out = is_one_out || !o.is_in_step;
	}
	assert_int_equal(n_clients, BATNODE_CLIENTS_MAX);
	assert_true(is_one_out);
}

static void who_is_silent_is_forgotten(void **state)
{
	struct world *w = *state;
	struct batnode_neighbour b;
	uint8_t client[6], other[6];
	size_t cursor = 0;

	pass(w, SECONDS(3));
	address_of(1, true, client);
	for (unsigned s = 0; s < 70; s++) {
		struct batnode_action a;

		w->now_us += SECONDS(1);
		batnode_tick(w->nodes[0], w->now_us);
		while (batnode_next_action(w->nodes[0], &a))
			;
		if (s == 12) { /* the neighbour is gone; the originator is known, without a way */
			assert_false(batnode_next_neighbour(w->nodes[0], &cursor, &b));
			assert_int_equal(count_originators(w->nodes[0]), 1);
		}
	}
	assert_int_equal(count_originators(w->nodes[0]), 0);
	assert_false(batnode_client(w->nodes[0], client, other));
}

/* A unicast packet for us in two parts, the last one first, as the kernel sends them. */
static void a_packet_in_parts_is_put_together(void **state)
{
	struct world *w = *state;
	struct batwire_data data = { .type = BATWIRE_UNICAST, .ttl = 50 };
	uint8_t inner[200], packet[220], part[220], frame[260], client[6], from[6];
	struct writer p = writer_of(packet, sizeof(packet));
	size_t half;

	address_of(0, true, client);
	address_of(1, true, from);
	memset(inner, 'x', sizeof(inner));
	(void)frame_of(inner, client, from, "in two parts");
	address_of(0, false, data.to);
	data.frame = SPAN_OF(inner);
	batwire_data_write(&p, &data);
	half = p.len / 2;
	for (unsigned number = 0; number < 2; number++) {
		struct writer f = writer_of(part, sizeof(part));

		write_u8(&f, BATWIRE_FRAGMENT);
		write_u8(&f, BATWIRE_VERSION);
		write_u8(&f, 50);
		write_u8(&f, (uint8_t)(number << 4));
		write_bytes(&f, data.to, 6);
		write_bytes(&f, from, 6);
		write_u16(&f, 3);
		write_u16(&f, (uint16_t)p.len);
		write_span(&f,
			   number == 0 ? SPAN(packet + half, p.len - half) : SPAN(packet, half));
		assert_int_equal(w->n_delivered[0], 0);
		assert_int_equal(
			batnode_input(w->nodes[0], 0,
				      SPAN(frame, packet_from(frame, 1, SPAN(part, f.len))),
				      w->now_us),
			0);
		pump(w);
	}
	assert_int_equal(w->n_delivered[0], 1);
	assert_int_equal(w->last_len, sizeof(inner));
	assert_memory_equal(w->last, inner, sizeof(inner));
}

static void frames_that_are_none_are_refused(void **state)
{
	struct world *w = *state;
	uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,
			      0,    0,	  0,	2,    0x43, 0x05, 3, 15 };

	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, 13), w->now_us), -EBADMSG);
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, 15), w->now_us), -EBADMSG);
	assert_int_equal(batnode_input(w->nodes[0], 1, SPAN(frame, 60), w->now_us), -EINVAL);
	frame[15] = 14;
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, 60), w->now_us), -EPROTO);
	frame[15] = 15;
	frame[14] = 0x50; /* no such type */
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, 60), w->now_us), -EPROTO);
	frame[6] = 3; /* a group's address as the sender */
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, 60), w->now_us), -EPROTO);
}

static void a_configuration_out_of_range_is_refused(void **state)
{
	struct world *w = *state;
	struct batnode_config config = { .elp_interval_ms = 500, .ogm_interval_ms = 1000 };
	struct batnode *n;

	assert_int_equal(batnode_new(&config, &w->rng, 0, &n), -EINVAL);
	config.n_interfaces = 1;
	assert_int_equal(batnode_new(&config, &w->rng, 0, &n), -EINVAL); /* no throughput */
	config.interfaces[0].throughput = 1;
	config.client[0] = 1;
	assert_int_equal(batnode_new(&config, &w->rng, 0, &n), -EINVAL); /* a group's address */
}

static void an_interface_that_goes_takes_its_neighbours_along(void **state)
{
	struct world *w = *state;
	struct batnode_originator o;
	struct batnode_neighbour b;
	uint8_t frame[64], client[6], from[6];
	size_t cursor = 0, len;
	unsigned n_sent;

	pass(w, SECONDS(3));
	address_of(1, true, client);
	address_of(0, true, from);
	len = frame_of(frame, client, from, "one");
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), 0);
	batnode_set_link(w->nodes[0], 0, false, w->now_us);
	batnode_set_link(w->nodes[0], 7, false, w->now_us); /* none of its own */
	pump(w);
	assert_false(batnode_next_neighbour(w->nodes[0], &cursor, &b));
	cursor = 0;
	assert_true(batnode_next_originator(w->nodes[0], &cursor, &o));
	assert_int_equal(o.throughput, 0);
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), -EHOSTUNREACH);
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, len), w->now_us), -ENETDOWN);
	batnode_free(w->nodes[1]); /* so that what is sent is of the first alone */
	w->nodes[1] = new_node(w, 1);
	batnode_set_link(w->nodes[1], 0, false, w->now_us);
	n_sent = w->n_sent;
	memset(frame, 0xff, 6);
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), 0);
	pass(w, SECONDS(3));
	assert_int_equal(w->n_sent, n_sent);

	batnode_set_link(w->nodes[0], 0, true, w->now_us);
	batnode_set_link(w->nodes[1], 0, true, w->now_us);
	pass(w, SECONDS(5));
	memcpy(frame, client, 6);
	assert_int_equal(batnode_output(w->nodes[0], SPAN(frame, len), w->now_us), 0);
}

static void many_requests_in_one_packet_get_one_answer(void **state)
{
	struct world *w = *state;
	struct batwire_unicast_tvlv u = { .ttl = 3 };
	struct batwire_tt request = { .flags = BATWIRE_TT_REQUEST, .version = 1 };
	uint8_t container[8 * 100], frame[1400];
	struct writer t = writer_of(container, sizeof(container));
	struct writer f = writer_of(frame, sizeof(frame));
	struct batnode_action a;
	unsigned n = 0;

	pass(w, SECONDS(3));
	for (unsigned i = 0; i < 100; i++)
		batwire_tt_write(&t, &request);
	u.tvlvs = SPAN(container, t.len);
	address_of(0, false, u.to);
	address_of(1, false, u.from);
	write_bytes(&f, u.to, 6);
	write_bytes(&f, u.from, 6);
	write_u16(&f, BATWIRE_ETHERTYPE);
	batwire_unicast_tvlv_write(&f, &u);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, f.len), w->now_us), 0);
		while (batnode_next_action(w->nodes[0], &a))
			n++;
	}
	assert_int_equal(n, 1);
	w->now_us += SECONDS(1);
	assert_int_equal(batnode_input(w->nodes[0], 0, SPAN(frame, f.len), w->now_us), 0);
	assert_true(batnode_next_action(w->nodes[0], &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes_find_each_other_and_each_others_client,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_go_to_whom_they_are_for_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_echo_is_answered_to_whom_it_came_from, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_table_out_of_step_is_asked_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_restart_is_believed_once_in_a_while, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_restarts_again_and_again_is_heard_each_time,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_tables_drop_what_is_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(neighbours_beyond_the_limit_are_dropped, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(clients_beyond_the_limit_leave_a_table_out_of_step,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_silent_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_packet_in_parts_is_put_together, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(frames_that_are_none_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_interface_that_goes_takes_its_neighbours_along,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_configuration_out_of_range_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(many_requests_in_one_packet_get_one_answer, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
