/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/share.h"
#include "core/session/state.h"
#include "core/session/test_pair.h"

#define FIRST_LANE 2
#define THREADS 2

static const struct session_limits few = {
	.gcm_packets = 64, /* 8 for each thread, 32 and more for the owner */
	.rekey_after_packets = 1000,
};

/* As pair_new(), but with packet threads at both ends, which may send. */
static void begin(struct pair *p, const struct session_limits *limits)
{
	static const uint8_t root[SESSION_ROOT_LEN] = { 7 };

	memset(p, 0, sizeof(*p));
	test_ops_forget_nonces();
	p->now_us = SECONDS(1000);
	for (unsigned i = 0; i < 2; i++) {
		struct session_secret secret = {
			.root = root,
			.is_initiator = i == 0,
			.aead = AEAD_AES_256_GCM,
			.lanes_local = FIRST_LANE + THREADS,
			.lanes_peer = FIRST_LANE + THREADS,
			.local_index = 100 + i,
			.remote_index = 101 - i,
			.ends_us = NEVER_US,
		};
		struct session_config config;

		rng_seed(&p->rng[i], i + 1);
		config = pair_config(&p->rng[i], limits);
		config.n_threads = THREADS;
		config.first_thread_lane = FIRST_LANE;
		assert_int_equal(session_new(&config, &secret, p->now_us, &p->s[i]), 0);
	}
}

/* That of test_pair.c, which so opens what a thread has sealed. */
static struct span ad_of(const struct packet *packet, uint8_t ad[16])
{
	memset(ad, 0, 16);
	store_u32(ad, packet->index);
	ad[4] = packet->lane;
	store_u64(ad + 5, packet->sequence);
	return SPAN(ad, 16);
}

/* Seals by a thread; what the peer is to open is in ret. */
static int thread_seal(struct pair *p, struct share *s, unsigned thread, const char *text,
		       struct packet *ret)
{
	struct session_ticket ticket;
	uint8_t ad[16];
	int r = share_reserve(s, thread, SESSION_LINK, p->now_us, &ticket);

	*ret = (struct packet){ 0 };
	if (r < 0)
		return r;
	*ret = (struct packet){
		.use = SESSION_LINK,
		.index = ticket.remote_index,
		.lane = ticket.lane,
		.sequence = ticket.sequence,
		.len = strlen(text) + AEAD_TAG_LEN,
	};
	share_sent(s, thread, ret->len, false);
	return s->ops->aead_seal(ticket.aead, ticket.nonce, ad_of(ret, ad),
				 SPAN(text, strlen(text)), ret->bytes);
}

static enum session_verdict thread_open(struct pair *p, struct share *s, unsigned thread,
					const struct packet *packet)
{
	uint8_t text[PAIR_PACKET_MAX], ad[16];
	bool is_newest;

	return share_open(s, thread, packet->use, packet->lane, packet->sequence, ad_of(packet, ad),
			  SPAN(packet->bytes, packet->len), text, &is_newest, p->now_us);
}

static struct share *share_of(struct pair *p, unsigned side)
{
	struct share *current, *old;

	(void)session_share(p->s[side], p->now_us, &current, &old);
	share_unref(old);
	return current;
}

static void nothing_is_shared_before_it_may_be_sent_under(void **state)
{
	(void)state;
	struct pair p;
	struct share *s;

	begin(&p, NULL);
	assert_null(share_of(&p, 0)); /* the initiator waits for the responder */
	pair_greet(&p);
	s = share_of(&p, 0);
	assert_non_null(s);
	share_unref(s);
	pair_done(&p);
	assert_int_equal(test_ops_aeads(), 0);
}

static void each_thread_seals_in_a_lane_of_its_own(void **state)
{
	(void)state;
	struct pair p;
	struct share *a, *b;
	struct packet packets[THREADS][8];
	struct share_report report;

	begin(&p, NULL); /* the toy AEAD aborts where a nonce comes twice */
	pair_greet(&p);
	a = share_of(&p, 0);
	b = share_of(&p, 1);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(thread_seal(&p, a, t, "x", &packets[t][i]), 0);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(packets[t][i].lane, FIRST_LANE + t);
			assert_int_equal(thread_open(&p, b, i % THREADS, &packets[t][i]),
					 SESSION_OPENED);
			assert_int_equal(thread_open(&p, b, (i + 1) % THREADS, &packets[t][i]),
					 SESSION_REPLAYED);
			assert_int_equal(pair_open(&p, 1, &packets[t][i], NULL, NULL),
					 SESSION_REPLAYED);
		}
	session_collect(p.s[0], p.now_us, &report);
	assert_int_equal(report.sent, 16);
	session_collect(p.s[1], p.now_us, &report);
	assert_int_equal(report.received, 16);
	assert_int_equal(report.expected, 16);
	assert_int_equal(report.replayed, 16);
	session_collect(p.s[1], p.now_us, &report);
	assert_int_equal(report.received + report.expected + report.replayed, 0);
	share_unref(a);
	share_unref(b);
	pair_done(&p);
}

static void what_the_owner_opened_in_a_lane_its_threads_have_seen(void **state)
{
	(void)state;
	struct pair p;
	struct share *a, *b;
	struct packet first, second;
	struct share_report report;
	struct session_counters counters;

	begin(&p, NULL);
	pair_greet(&p);
	a = share_of(&p, 0);
	assert_int_equal(thread_seal(&p, a, 0, "x", &first), 0);
	assert_int_equal(thread_seal(&p, a, 0, "y", &second), 0);
	assert_int_equal(pair_open(&p, 1, &first, NULL, NULL), SESSION_OPENED);
	b = share_of(&p, 1);
	assert_int_equal(thread_open(&p, b, 0, &first), SESSION_REPLAYED);
	assert_int_equal(pair_open(&p, 1, &second, NULL, NULL), SESSION_OPENED);
	assert_int_equal(thread_open(&p, b, 1, &second), SESSION_REPLAYED);
	session_collect(p.s[1], p.now_us, &report);
	assert_int_equal(report.received, 1); /* by the owner, after there was a share */
	assert_int_equal(report.expected, 1);
	session_counters(p.s[1], &counters);
	assert_int_equal(counters.opened, 2 + 1); /* and the greeting; each once */
	share_unref(a);
	share_unref(b);
	pair_done(&p);
}

static void the_owner_never_seals_in_the_lane_of_a_thread(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	begin(&p, NULL);
	pair_greet(&p);
	for (unsigned lane = FIRST_LANE; lane < FIRST_LANE + THREADS; lane++)
		assert_int_equal(
			pair_seal(&p, 1, SESSION_LINK, lane, SPAN_STR("x"), false, &packet),
			-EINVAL);
	pair_done(&p);
}

static void all_together_stay_below_the_limit_of_the_key(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	unsigned n = 0;
	struct share *s;

	begin(&p, &few);
	pair_greet(&p); /* which is one packet of the responder */
	s = share_of(&p, 1);
	n = (unsigned)p.s[1]->cur->send[SESSION_LINK].packets;
	for (unsigned t = 0; t < THREADS; t++)
		while (thread_seal(&p, s, t, "x", &packet) == 0)
			n++;
	while (pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet) == 0)
		n++;
	assert_int_equal(n, 64);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 1, SPAN_STR("x"), false, &packet), -EAGAIN);
	share_unref(s);
	pair_done(&p);
}

static void a_thread_that_used_half_its_part_has_the_session_rekey(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	struct share *s, *next;

	begin(&p, &few);
	pair_greet(&p);
	s = share_of(&p, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_seal(&p, s, 1, "x", &packet), 0);
	assert_true(session_deadline_us(p.s[0]) <= p.now_us);
	pair_run(&p, SECONDS(1), MS(10));
	assert_int_equal(session_epoch(p.s[0]), 1);
	next = share_of(&p, 0);
	assert_non_null(next);
	assert_ptr_not_equal(next, s);
	assert_int_equal(thread_seal(&p, next, 1, "x", &packet), 0);
	assert_int_equal(packet.sequence, 0);		 /* another key, which counts from 0 */
	assert_int_equal(next->threads[1].link_base, 4); /* the link goes on */
	assert_int_equal(next->threads[0].link_base, 0);
	share_unref(s);
	share_unref(next);
	pair_done(&p);
}

static void what_is_late_opens_under_the_old_epoch_until_it_ends(void **state)
{
	(void)state;
	struct pair p;
	struct packet late[2];
	struct share *a, *current, *old;

	begin(&p, NULL);
	pair_greet(&p);
	a = share_of(&p, 0);
	share_unref(share_of(&p, 1));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(thread_seal(&p, a, i, "x", &late[i]), 0);
	session_want_rekey(p.s[0], p.now_us);
	pair_run(&p, SECONDS(1), MS(10));
	assert_true(session_share(p.s[1], p.now_us, &current, &old));
	assert_non_null(current);
	assert_non_null(old);
	assert_int_equal(thread_open(&p, old, 0, &late[0]), SESSION_OPENED);
	assert_int_equal(thread_open(&p, current, 0, &late[1]), SESSION_FORGED);
	share_unref(current);
	pair_run(&p, SECONDS(12), MS(100));
	share_unref(a);
	assert_true(session_share(p.s[1], p.now_us, &current, &a));
	assert_null(a);
	share_unref(current);
	/* A thread that still holds it opens no more than the old key's time allows. */
	p.now_us += SECONDS(170);
	assert_int_equal(thread_open(&p, old, 0, &late[1]), SESSION_UNKNOWN);
	share_unref(old);
	pair_done(&p);
	assert_int_equal(test_ops_aeads(), 0);
}

static void keys_live_as_long_as_somebody_holds_them(void **state)
{
	(void)state;
	struct pair p;
	struct share *s;

	begin(&p, NULL);
	pair_greet(&p);
	s = share_of(&p, 0);
	session_free(p.s[0]);
	session_free(p.s[1]);
	assert_true(test_ops_aeads() > 0);
	share_unref(s);
	assert_int_equal(test_ops_aeads(), 0);
}

/* Whoever holds them, and however late the table without them comes. */
static void keys_that_the_session_gave_up_are_used_no_more(void **state)
{
	(void)state;
	struct pair p;
	struct packet before, after;
	struct share *a, *b;

	begin(&p, NULL);
	pair_greet(&p);
	a = share_of(&p, 0);
	b = share_of(&p, 1);
	assert_int_equal(thread_seal(&p, a, 0, "x", &before), 0);
	session_close(p.s[0]);
	assert_null(share_of(&p, 0));
	assert_int_equal(thread_seal(&p, a, 0, "x", &after), -EAGAIN);
	session_free(p.s[1]);
	assert_int_equal(thread_open(&p, b, 0, &before), SESSION_UNKNOWN);
	session_free(p.s[0]);
	share_unref(a);
	share_unref(b);
	assert_int_equal(test_ops_aeads(), 0);
}

static void nothing_is_sealed_or_opened_under_a_key_of_age(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	struct share *a, *b;

	begin(&p, NULL);
	pair_greet(&p);
	a = share_of(&p, 0);
	b = share_of(&p, 1);
	assert_int_equal(thread_seal(&p, a, 0, "x", &packet), 0);
	p.now_us += SECONDS(170);
	assert_int_equal(thread_seal(&p, a, 0, "x", &packet), -EAGAIN);
	p.now_us += SECONDS(10);
	assert_int_equal(thread_open(&p, b, 0, &packet), SESSION_UNKNOWN);
	share_unref(a);
	share_unref(b);
	pair_done(&p);
}

static void forgeries_seen_by_threads_count_for_the_key(void **state)
{
	(void)state;
	static const struct session_limits two = { .gcm_forgeries = 2 };
	struct pair p;
	struct packet packet;
	struct share *a, *b;
	struct share_report report;

	begin(&p, &two);
	pair_greet(&p);
	a = share_of(&p, 0);
	b = share_of(&p, 1);
	assert_int_equal(thread_seal(&p, a, 0, "x", &packet), 0);
	packet.bytes[0] ^= 1;
	assert_int_equal(thread_open(&p, b, 0, &packet), SESSION_FORGED);
	assert_int_equal(thread_open(&p, b, 1, &packet), SESSION_FORGED);
	session_collect(p.s[1], p.now_us, &report);
	assert_int_equal(report.forged, 2);
	assert_int_equal(thread_open(&p, b, 0, &packet), SESSION_UNKNOWN); /* the key is closed */
	share_unref(b);
	assert_null(share_of(&p, 1));
	share_unref(a);
	pair_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_shared_before_it_may_be_sent_under),
		cmocka_unit_test(each_thread_seals_in_a_lane_of_its_own),
		cmocka_unit_test(what_the_owner_opened_in_a_lane_its_threads_have_seen),
		cmocka_unit_test(the_owner_never_seals_in_the_lane_of_a_thread),
		cmocka_unit_test(all_together_stay_below_the_limit_of_the_key),
		cmocka_unit_test(a_thread_that_used_half_its_part_has_the_session_rekey),
		cmocka_unit_test(what_is_late_opens_under_the_old_epoch_until_it_ends),
		cmocka_unit_test(keys_live_as_long_as_somebody_holds_them),
		cmocka_unit_test(keys_that_the_session_gave_up_are_used_no_more),
		cmocka_unit_test(nothing_is_sealed_or_opened_under_a_key_of_age),
		cmocka_unit_test(forgeries_seen_by_threads_count_for_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
