/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/link/stream.h"

#define WIRE_SIZE 512

struct on_wire {
	uint64_t at_us; /* 0: free */
	unsigned to;
	size_t len;
	uint8_t bytes[STREAM_PACKET_MAX];
};

/* Two streams and a network that loses, repeats and overtakes. */
struct net {
	struct stream *s[2];
	struct rng rng;
	unsigned loss, duplicates; /* per cent */
	uint64_t delay_us, jitter_us;
	uint64_t now_us;
	struct on_wire wire[WIRE_SIZE];
	uint32_t pushed[2], received[2];
	uint64_t n_packets;
};

static void net_new(struct net *n, uint32_t first, uint64_t seed)
{
	memset(n, 0, sizeof(*n));
	rng_seed(&n->rng, seed);
	n->now_us = SECONDS(1);
	n->delay_us = MS(5);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(stream_new_at(first, &n->s[i]), 0);
		stream_set_rtt(n->s[i], 10000);
	}
}

static void net_done(struct net *n)
{
	stream_free(n->s[0]);
	stream_free(n->s[1]);
}

static void post(struct net *n, unsigned to, const uint8_t *bytes, size_t len)
{
	for (unsigned i = 0; i < WIRE_SIZE; i++) {
		struct on_wire *w = &n->wire[i];

		if (w->at_us != 0)
			continue;
		w->at_us = n->now_us + n->delay_us + rng_below(&n->rng, n->jitter_us + 1);
		w->to = to;
		w->len = len;
		memcpy(w->bytes, bytes, len);
		return;
	}
}

static void send_all(struct net *n, unsigned from)
{
	uint8_t packet[STREAM_PACKET_MAX];
	size_t len;

	while (stream_next_packet(n->s[from], n->now_us, packet, &len)) {
		assert_true(len <= STREAM_PACKET_MAX);
		n->n_packets++;
		if (rng_below(&n->rng, 100) >= n->loss)
			post(n, 1 - from, packet, len);
		if (rng_below(&n->rng, 100) < n->duplicates)
			post(n, 1 - from, packet, len);
	}
}

/* Record k is its number and k % 200 bytes more. */
static void push_number(struct net *n, unsigned from, bool is_urgent)
{
	uint8_t body[256] = { 0 };
	uint32_t k = n->pushed[from];

	store_u32(body, k);
	memset(body + 4, (int)(k & 0xff), k % 200);
	assert_int_equal(stream_push(n->s[from], RECORD_ROUTE_UPDATE, SPAN(body, 4 + k % 200),
				     is_urgent, n->now_us),
			 0);
	n->pushed[from]++;
}

static void receive_all(struct net *n, unsigned at)
{
	struct stream_record record;

	while (stream_next_record(n->s[at], &record)) {
		uint32_t k = n->received[at]++;

		assert_int_equal(record.type, RECORD_ROUTE_UPDATE);
		assert_int_equal(record.body.len, 4 + k % 200);
		assert_int_equal(load_u32(record.body.at), k); /* in order, once */
	}
}

static void deliver_due(struct net *n)
{
	for (unsigned i = 0; i < WIRE_SIZE; i++) {
		struct on_wire *w = &n->wire[i];

		if (w->at_us == 0 || w->at_us > n->now_us)
			continue;
		w->at_us = 0;
		(void)stream_input(n->s[w->to], SPAN(w->bytes, w->len), n->now_us);
		receive_all(n, w->to);
	}
}

static uint64_t next_time_us(const struct net *n)
{
	uint64_t at = min_u64(stream_deadline_us(n->s[0]), stream_deadline_us(n->s[1]));

	for (unsigned i = 0; i < WIRE_SIZE; i++)
		if (n->wire[i].at_us != 0)
			at = min_u64(at, n->wire[i].at_us);
	return at;
}

/* Until both are idle and the wire is empty; false if that takes longer than the limit. */
static bool run(struct net *n, uint64_t limit_us)
{
	uint64_t end_us = n->now_us + limit_us;

	while (n->now_us < end_us) {
		uint64_t next_us;

		deliver_due(n);
		send_all(n, 0);
		send_all(n, 1);
		next_us = next_time_us(n);
		if (next_us == NEVER_US)
			return stream_is_idle(n->s[0]) && stream_is_idle(n->s[1]);
		n->now_us = max_u64(n->now_us, next_us);
	}
	return false;
}

static void records_wait_a_little_for_company_and_urgent_ones_do_not(void **state)
{
	(void)state;
	struct net n;
	uint8_t packet[STREAM_PACKET_MAX];
	size_t len;

	net_new(&n, 0, 1);
	push_number(&n, 0, false);
	push_number(&n, 0, false);
	assert_false(stream_next_packet(n.s[0], n.now_us, packet, &len));
	assert_int_equal(stream_deadline_us(n.s[0]), n.now_us + STREAM_PACING_US);
	push_number(&n, 0, true);
	assert_int_equal(stream_deadline_us(n.s[0]), n.now_us);
	assert_true(stream_next_packet(n.s[0], n.now_us, packet, &len));
	assert_int_equal(len, 9 + 3 * 3 + 3 * 4 + 1 + 2); /* all three in one */
	assert_false(stream_next_packet(n.s[0], n.now_us, packet, &len));
	net_done(&n);
}

static void everything_arrives_in_order_and_once(void **state)
{
	(void)state;
	static const unsigned loss[] = { 0, 1, 5, 20, 50 };

	for (unsigned i = 0; i < 5; i++) {
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct net n;

			net_new(&n, 0, seed);
			n.loss = loss[i];
			n.duplicates = 10;
			n.jitter_us = MS(20);
			for (unsigned k = 0; k < 400; k++) {
				push_number(&n, 0, k % 7 == 0);
				push_number(&n, 1, k % 11 == 0);
			}
			if (!run(&n, SECONDS(300)))
				fail_msg("loss %u seed %u: not done", loss[i], (unsigned)seed);
			assert_int_equal(n.received[1], 400);
			assert_int_equal(n.received[0], 400);
			net_done(&n);
		}
	}
}

static void numbers_wrap(void **state)
{
	(void)state;
	struct net n;

	net_new(&n, UINT32_MAX - 100, 7);
	n.loss = 10;
	n.duplicates = 10;
	n.jitter_us = MS(20);
	for (unsigned k = 0; k < 300; k++)
		push_number(&n, 0, false);
	assert_true(run(&n, SECONDS(60)));
	assert_int_equal(n.received[1], 300);
	net_done(&n);
}

static void without_loss_nothing_is_sent_twice(void **state)
{
	(void)state;
	struct net n;

	net_new(&n, 0, 3);
	for (unsigned k = 0; k < 1000; k++)
		push_number(&n, 0, false);
	assert_true(run(&n, SECONDS(10)));
	assert_int_equal(n.received[1], 1000);
	/* 1,000 records of 106 bytes on average, and an ack for each second packet. */
	assert_true(n.n_packets < 90 * 3 / 2 + 10);
	net_done(&n);
}

static void a_lost_packet_alone_is_sent_again(void **state)
{
	(void)state;
	struct net n;
	uint8_t packet[STREAM_PACKET_MAX];
	size_t len;

	net_new(&n, 0, 3);
	push_number(&n, 0, true);
	assert_true(stream_next_packet(n.s[0], n.now_us, packet, &len)); /* lost */
	for (unsigned k = 0; k < 20; k++) {
		n.now_us += 100;
		push_number(&n, 0, true);
		assert_true(stream_next_packet(n.s[0], n.now_us, packet, &len));
		post(&n, 1, packet, len);
	}
	assert_true(run(&n, SECONDS(10)));
	assert_int_equal(n.received[1], 21);
	assert_true(n.n_packets <= 20 + 1 + 1); /* an ack each, the one, and its ack */
	assert_true(n.now_us < SECONDS(1) + STREAM_RETRY_MIN_US); /* the repeated acks told */
	net_done(&n);
}

static void retries_back_off(void **state)
{
	(void)state;
	struct net n;
	uint8_t packet[STREAM_PACKET_MAX];
	size_t len;
	uint64_t last_us;
	static const uint64_t waits_us[] = { MS(50),  MS(100),	MS(200), MS(400),
					     MS(800), MS(1000), MS(1000) };

	net_new(&n, 0, 3);
	push_number(&n, 0, true);
	assert_true(stream_next_packet(n.s[0], n.now_us, packet, &len));
	for (unsigned i = 0; i < 7; i++) {
		last_us = n.now_us;
		n.now_us = stream_deadline_us(n.s[0]);
		assert_int_equal(n.now_us - last_us, waits_us[i]);
		assert_true(stream_next_packet(n.s[0], n.now_us, packet, &len));
	}
	net_done(&n);
}

static void a_full_queue_refuses_and_an_acked_prefix_makes_room(void **state)
{
	(void)state;
	static uint8_t body[STREAM_RECORD_MAX + 1];
	struct net n;
	unsigned pushed = 0;

	net_new(&n, 0, 3);
	assert_int_equal(stream_push(n.s[0], RECORD_ROUTE_UPDATE, SPAN_OF(body), false, n.now_us),
			 -EMSGSIZE);
	for (; pushed < STREAM_QUEUE_MAX; pushed++)
		assert_int_equal(
			stream_push(n.s[0], RECORD_ROUTE_UPDATE, SPAN(body, 0), false, n.now_us),
			0);
	assert_int_equal(stream_push(n.s[0], RECORD_ROUTE_UPDATE, SPAN(body, 0), true, n.now_us),
			 -ENOBUFS);
	send_all(&n, 0);
	assert_int_equal(n.n_packets, 16384 / 423 + 1);
	n.now_us += MS(5);
	for (unsigned i = 0; i < WIRE_SIZE; i++) {
		struct stream_record record;

		if (n.wire[i].at_us == 0)
			continue;
		n.wire[i].at_us = 0;
		(void)stream_input(n.s[1], SPAN(n.wire[i].bytes, n.wire[i].len), n.now_us);
		while (stream_next_record(n.s[1], &record))
			pushed--;
	}
	assert_int_equal(pushed, 0);
	send_all(&n, 1);
	n.now_us += MS(5);
	deliver_due(&n);
	assert_true(stream_is_idle(n.s[0]));
	assert_int_equal(stream_push(n.s[0], RECORD_ROUTE_UPDATE, SPAN(body, 0), true, n.now_us),
			 0);
	net_done(&n);
}

static void a_queue_is_bounded_in_bytes_and_in_packets_in_flight(void **state)
{
	(void)state;
	static uint8_t body[STREAM_RECORD_MAX];
	struct net n;
	size_t bytes = 0;

	net_new(&n, 0, 3);
	while (stream_push(n.s[0], RECORD_REVOCATION, SPAN_OF(body), true, n.now_us) == 0)
		bytes += sizeof(body);
	assert_true(bytes <= STREAM_QUEUE_BYTES_MAX &&
		    bytes + sizeof(body) > STREAM_QUEUE_BYTES_MAX);
	send_all(&n, 0);
	assert_int_equal(n.n_packets, STREAM_WINDOW);
	assert_true(stream_deadline_us(n.s[0]) > n.now_us); /* the retry, not the waiting */
	net_done(&n);
}

/* A packet with one record of no bytes. */
static struct span one_record(uint32_t seq, uint32_t ack, uint8_t ret[12])
{
	ret[0] = 1;
	store_u32(ret + 1, seq);
	store_u32(ret + 5, ack);
	ret[9] = 200; /* a type nobody knows */
	ret[10] = 0;
	ret[11] = 0;
	return SPAN(ret, 12);
}

static void the_reader_who_does_not_read_is_bounded(void **state)
{
	(void)state;
	struct net n;
	uint8_t p[12];
	uint32_t seq = 0;
	struct stream_record record;

	net_new(&n, 0, 3);
	for (uint32_t i = 1; i <= STREAM_WINDOW; i++) /* the early ones */
		assert_int_equal(stream_input(n.s[1], one_record(1000 + 2 * i, 0, p), n.now_us), 0);
	assert_int_equal(stream_input(n.s[1], one_record(999, 0, p), n.now_us), -ENOBUFS);
	while (stream_input(n.s[1], one_record(seq, 0, p), n.now_us) == 0)
		seq++;
	assert_int_equal(seq, STREAM_UNREAD_MAX);
	while (stream_next_record(n.s[1], &record))
		seq--;
	assert_int_equal(seq, 0);
	assert_int_equal(stream_input(n.s[1], one_record(STREAM_UNREAD_MAX, 0, p), n.now_us), 0);
	assert_true(stream_next_record(n.s[1], &record));
	assert_int_equal(record.type, 200);
	net_done(&n);
}

static void strange_numbers_are_harmless(void **state)
{
	(void)state;
	static const uint32_t strange[] = { 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff,
					    0xfffffff0, 100000,	    50000 };
	struct net n;
	uint8_t p[12];
	struct stream_record record;

	net_new(&n, 0, 3);
	push_number(&n, 0, true);
	send_all(&n, 0);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(
			stream_input(n.s[0], one_record(strange[i], strange[i], p), n.now_us), 0);
		assert_false(stream_next_record(n.s[0], &record));
		assert_false(stream_is_idle(n.s[0])); /* it acknowledged nothing */
	}
	assert_true(run(&n, SECONDS(1)));
	assert_int_equal(n.received[1], 1);
	net_done(&n);
}

static void an_overlap_yields_only_what_is_new(void **state)
{
	(void)state;
	struct net n;
	uint8_t p[15];
	struct stream_record record;

	net_new(&n, 0, 3);
	assert_int_equal(stream_input(n.s[1], one_record(0, 0, p), n.now_us), 0);
	assert_true(stream_next_record(n.s[1], &record));
	(void)one_record(0, 0, p); /* and a second record behind it */
	p[12] = 7;		   /* its type, without content */
	p[13] = p[14] = 0;
	assert_int_equal(stream_input(n.s[1], SPAN(p, 15), n.now_us), 0);
	assert_true(stream_next_record(n.s[1], &record));
	assert_int_equal(record.type, 7);
	assert_false(stream_next_record(n.s[1], &record));
	net_done(&n);
}

static void garbage_is_refused_whole(void **state)
{
	(void)state;
	struct net n;
	uint8_t p[STREAM_PACKET_MAX + 1] = { 0 };
	struct stream_record record;

	net_new(&n, 0, 3);
	for (size_t len = 0; len < 12; len++) {
		(void)one_record(0, 0, p);
		if (len != 9)
			assert_int_equal(stream_input(n.s[1], SPAN(p, len), n.now_us), -EBADMSG);
	}
	(void)one_record(0, 0, p);
	p[11] = 1; /* a body that is not there */
	assert_int_equal(stream_input(n.s[1], SPAN(p, 12), n.now_us), -EBADMSG);
	p[0] = 2;
	assert_int_equal(stream_input(n.s[1], SPAN(p, 12), n.now_us), -EBADMSG);
	p[0] = 1;
	store_u16(p + 10, STREAM_RECORD_MAX + 1);
	assert_int_equal(stream_input(n.s[1], SPAN(p, 12 + STREAM_RECORD_MAX + 1), n.now_us),
			 -EBADMSG);
	assert_int_equal(stream_input(n.s[1], SPAN_OF(p), n.now_us), -EBADMSG);
	assert_false(stream_next_record(n.s[1], &record));
	net_done(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_wait_a_little_for_company_and_urgent_ones_do_not),
		cmocka_unit_test(everything_arrives_in_order_and_once),
		cmocka_unit_test(numbers_wrap),
		cmocka_unit_test(without_loss_nothing_is_sent_twice),
		cmocka_unit_test(a_lost_packet_alone_is_sent_again),
		cmocka_unit_test(retries_back_off),
		cmocka_unit_test(a_full_queue_refuses_and_an_acked_prefix_makes_room),
		cmocka_unit_test(a_queue_is_bounded_in_bytes_and_in_packets_in_flight),
		cmocka_unit_test(the_reader_who_does_not_read_is_bounded),
		cmocka_unit_test(strange_numbers_are_harmless),
		cmocka_unit_test(an_overlap_yields_only_what_is_new),
		cmocka_unit_test(garbage_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
