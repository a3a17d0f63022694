/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates as bytes, what observers prove, who is where, and calls with every limit met. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/nat/atlas.h"
#include "core/nat/observe.h"
#include "core/nat/punch.h"

static struct endpoint ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	return (struct endpoint){ .ip = { [10] = 0xff, 0xff, a, b, c, d }, .port = port };
}

static struct endpoint ipv6(uint8_t last, uint16_t port)
{
	return (struct endpoint){ .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = last }, .port = port };
}

static struct endpoint text(const char *t)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(t, 0, &e), 0);
	return e;
}

/* ---- candidates ---- */

static void addresses_that_name_no_single_machine_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"127.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "169.254.1.1:1",
		"240.0.0.1:1", "[::]:1",    "[::1]:1",	   "[ff02::1]:1",	"[fe80::1%2]:1"
	};
	static const char *const good[] = { "192.0.2.1:1", "10.0.0.1:65535", "[2001:db8::1]:1",
					    "[fd00::1]:1" };
	struct candidates c = { 0 };
	struct endpoint e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = text(bad[i]);
		assert_false(candidates_add(&c, CANDIDATE_OWN, &e));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		e = text(good[i]);
		assert_true(candidates_add(&c, CANDIDATE_OWN, &e));
	}
	e = ipv4(192, 0, 2, 1, 0);
	assert_false(candidates_add(&c, CANDIDATE_OWN, &e)); /* no port */
}

static void a_full_list_takes_no_more_and_one_address_two_ports(void **state)
{
	(void)state;
	struct candidates c = { 0 };
	struct endpoint e;

	for (uint16_t port = 1; port <= 3; port++) {
		e = ipv4(192, 0, 2, 1, port);
		assert_int_equal(candidates_add(&c, CANDIDATE_OBSERVED, &e),
				 port <= CANDIDATES_OF_HOST_MAX);
	}
	e = ipv4(192, 0, 2, 1, 1);
	assert_false(candidates_add(&c, CANDIDATE_OBSERVED, &e)); /* twice the same */
	for (uint8_t i = 0; c.n < CANDIDATES_MAX; i++) {
		e = ipv6(i, 7);
		assert_true(candidates_add(&c, CANDIDATE_OWN, &e));
	}
	e = ipv6(200, 7);
	assert_false(candidates_add(&c, CANDIDATE_OWN, &e));
}

static struct nat_message some_message(void)
{
	struct nat_message m = { .type = NAT_CALL,
				 .mapping = NAT_INDEPENDENT,
				 .boot_epoch = 5,
				 .counter = 6,
				 .call = 7 };
	struct endpoint e = ipv4(192, 0, 2, 1, 26969);

	assert_true(candidates_add(&m.at, CANDIDATE_OBSERVED, &e));
	e = ipv6(1, 26969);
	assert_true(candidates_add(&m.at, CANDIDATE_OWN, &e));
	return m;
}

static void a_message_comes_out_as_it_went_in(void **state)
{
	(void)state;
	struct nat_message m = some_message();
	uint8_t bytes[NAT_MESSAGE_MAX];
	struct nat_message back;
	size_t len = nat_message_encode(&m, bytes);

	assert_int_equal(len, 16 + 2 * 19);
	assert_int_equal(nat_message_decode(SPAN(bytes, len), &back), 0);
	assert_int_equal(back.type, NAT_CALL);
	assert_int_equal(back.mapping, NAT_INDEPENDENT);
	assert_int_equal(back.boot_epoch, 5);
	assert_int_equal(back.counter, 6);
	assert_int_equal(back.call, 7);
	assert_true(candidates_equal(&m.at, &back.at));
}

static void a_message_cut_short_too_long_or_of_unknown_values_is_refused(void **state)
{
	(void)state;
	struct nat_message m = some_message();
	uint8_t bytes[NAT_MESSAGE_MAX + 1] = { 0 };
	struct nat_message back = { .call = 77 };
	size_t len = nat_message_encode(&m, bytes);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(nat_message_decode(SPAN(bytes, i), &back), -EBADMSG);
	assert_int_equal(nat_message_decode(SPAN(bytes, len + 1), &back), -EBADMSG);
	for (size_t at = 0; at < 4; at++) {
		uint8_t was = bytes[at];

		bytes[at] = 99;
		assert_int_equal(nat_message_decode(SPAN(bytes, len), &back), -EPROTO);
		bytes[at] = was;
	}
	bytes[16] = CANDIDATE_N_KINDS;
	assert_int_equal(nat_message_decode(SPAN(bytes, len), &back), -EPROTO);
	bytes[16] = CANDIDATE_OWN;
	bytes[1] = NAT_TELL; /* which has no call */
	assert_int_equal(nat_message_decode(SPAN(bytes, len), &back), -EPROTO);
	assert_int_equal(back.call, 77);
}

static void what_nobody_may_be_sent_is_left_out_of_a_message(void **state)
{
	(void)state;
	struct nat_message m = some_message();
	uint8_t bytes[NAT_MESSAGE_MAX];
	struct nat_message back;
	size_t len = nat_message_encode(&m, bytes);

	bytes[16 + 1 + 12] = 224; /* the first address is multicast now */
	assert_int_equal(nat_message_decode(SPAN(bytes, len), &back), 0);
	assert_int_equal(back.at.n, 1);
	assert_true(endpoint_equal(&back.at.list[0].at, &m.at.list[1].at));
}

/* ---- observations ---- */

#define OWN ipv4(10, 0, 0, 5, 26969)

static void tell(struct observe *o, uint64_t observer, struct endpoint seen)
{
	struct endpoint at = ipv4(198, 51, 100, (uint8_t)observer, 26969);

	(void)observe_told(o, observer, &at, &seen);
}

static enum nat_mapping mapping_of(const struct observe *o)
{
	struct observe_view v;

	observe_view(o, true, &v);
	return v.mapping;
}

static void set_own(struct observe *o, struct endpoint own)
{
	observe_set_own(o, &own, 1);
}

static void observers_that_agree_tell_a_mapping_that_is_the_same_for_all(void **state)
{
	(void)state;
	struct observe o = { 0 };
	struct observe_view v;

	set_own(&o, OWN);
	assert_int_equal(mapping_of(&o), NAT_UNKNOWN);
	tell(&o, 1, ipv4(203, 0, 113, 9, 40000));
	assert_int_equal(mapping_of(&o), NAT_MAPPED); /* one may be wrong */
	tell(&o, 2, ipv4(203, 0, 113, 9, 40000));
	assert_int_equal(mapping_of(&o), NAT_INDEPENDENT);
	tell(&o, 3, ipv4(203, 0, 113, 66, 1)); /* a liar changes nothing */
	observe_view(&o, true, &v);
	assert_int_equal(v.mapping, NAT_INDEPENDENT);
	assert_int_equal(v.n_agree, 2);
	assert_int_equal(v.n_observers, 3);
	assert_int_equal(v.seen.port, 40000);
	assert_int_equal(observe_mapping(&o), NAT_INDEPENDENT);
}

static void observers_that_never_agree_tell_a_mapping_for_each(void **state)
{
	(void)state;
	struct observe o = { 0 };

	set_own(&o, OWN);
	tell(&o, 1, ipv4(203, 0, 113, 9, 40000));
	tell(&o, 2, ipv4(203, 0, 113, 9, 40001));
	assert_int_equal(mapping_of(&o), NAT_DEPENDENT);
}

static void two_observers_on_one_host_count_as_one(void **state)
{
	(void)state;
	struct observe o = { 0 };
	struct endpoint at = ipv4(198, 51, 100, 1, 1);
	struct endpoint seen = ipv4(203, 0, 113, 9, 40000);

	set_own(&o, OWN);
	assert_true(observe_told(&o, 1, &at, &seen));
	at.port = 2;
	assert_true(observe_told(&o, 2, &at, &seen));
	assert_int_equal(mapping_of(&o), NAT_MAPPED);
	assert_false(observe_told(&o, 2, &at, &seen)); /* no news */
	assert_true(observe_forget(&o, 1));
	assert_false(observe_forget(&o, 1));
	assert_true(observe_forget(&o, 2));
	assert_int_equal(mapping_of(&o), NAT_UNKNOWN);
}

static void a_public_address_of_ones_own_is_no_nat_and_a_private_one_tells_nothing(void **state)
{
	(void)state;
	struct observe o = { 0 };

	set_own(&o, OWN);
	tell(&o, 1, OWN); /* a neighbour in the same network */
	assert_int_equal(mapping_of(&o), NAT_UNKNOWN);
	o = (struct observe){ 0 };
	set_own(&o, ipv4(203, 0, 113, 5, 26969));
	tell(&o, 2, ipv4(203, 0, 113, 5, 26969));
	assert_int_equal(mapping_of(&o), NAT_NONE);
}

static void who_looks_from_between_two_nats_does_not_count(void **state)
{
	(void)state;
	struct observe o = { 0 };

	set_own(&o, OWN);
	tell(&o, 1, ipv4(192, 168, 1, 7, 5000)); /* behind the first NAT, before the second */
	tell(&o, 2, ipv4(203, 0, 113, 9, 40000));
	tell(&o, 3, ipv4(203, 0, 113, 9, 40000));
	assert_int_equal(mapping_of(&o), NAT_INDEPENDENT);
}

static void of_too_many_observers_the_one_heard_longest_ago_is_forgotten(void **state)
{
	(void)state;
	struct observe o = { 0 };
	struct observe_view v;

	for (uint64_t i = 1; i <= OBSERVERS_MAX + 1; i++)
		tell(&o, i, ipv4(203, 0, 113, 9, (uint16_t)(100 + i)));
	observe_view(&o, true, &v);
	assert_int_equal(v.n_observers, OBSERVERS_MAX);
	assert_false(observe_forget(&o, 1));
	assert_true(observe_forget(&o, OBSERVERS_MAX + 1));
}

static void candidates_leave_room_for_what_is_seen_and_begin_with_what_is_agreed(void **state)
{
	(void)state;
	struct endpoint own[OWN_ADDRESSES_MAX + 3];
	struct candidates c = { 0 };
	struct observe o = { 0 };

	for (uint8_t i = 0; i < OWN_ADDRESSES_MAX + 3; i++)
		own[i] = ipv4(10, 0, 0, (uint8_t)(i + 1), 26969);
	observe_set_own(&o, own, OWN_ADDRESSES_MAX + 3);
	assert_int_equal(o.n_own, OWN_ADDRESSES_MAX);
	tell(&o, 1, ipv4(203, 0, 113, 66, 1));
	tell(&o, 2, ipv4(203, 0, 113, 9, 40000));
	tell(&o, 3, ipv4(203, 0, 113, 9, 40000));
	observe_candidates(&o, &c);
	assert_int_equal(c.n, 6);
	assert_int_equal(c.list[3].kind, CANDIDATE_OWN);
	assert_int_equal(c.list[4].kind, CANDIDATE_OBSERVED);
	assert_int_equal(c.list[4].at.port, 40000);
	assert_int_equal(c.list[5].at.port, 1);
}

/* ---- the atlas ---- */

static const uint8_t hash_key[16] = { 1 };

static struct atlas_entry entry(uint64_t id, uint32_t boot, uint32_t counter, uint8_t where)
{
	struct atlas_entry e = { .node_id = id, .boot_epoch = boot, .counter = counter };
	struct endpoint at = ipv6(where, 26969);

	assert_true(candidates_add(&e.at, CANDIDATE_OWN, &at));
	e.heard_us = 1000 * boot + counter;
	return e;
}

static void the_last_word_of_a_node_about_itself_wins_in_any_order(void **state)
{
	(void)state;
	struct atlas_entry list[] = { entry(7, 1, 1, 1), entry(7, 1, 2, 2), entry(7, 2, 0, 3),
				      entry(7, 0, 0, 4), entry(7, 2, 0, 5), entry(8, 9, 9, 9) };
	const size_t n = sizeof(list) / sizeof(list[0]);
	struct rng rng;

	rng_seed(&rng, 1);
	for (unsigned run = 0; run < 50; run++) {
		struct atlas *a;

		assert_int_equal(atlas_new(hash_key, &a), 0);
		for (size_t i = n; i > 1; i--) { /* Fisher and Yates */
			size_t k = rng_below(&rng, i);
			struct atlas_entry other = list[k];

			list[k] = list[i - 1];
			list[i - 1] = other;
		}
		for (size_t i = 0; i < n; i++)
			(void)atlas_merge(a, &list[i]);
		for (size_t i = 0; i < n; i++)
			assert_false(atlas_merge(a, &list[i])); /* again: nothing new */
		assert_int_equal(atlas_count(a), 2);
		assert_int_equal(atlas_get(a, 7)->boot_epoch, 2);
		assert_int_equal(atlas_get(a, 7)->at.list[0].at.ip[15], 5); /* of two equal ones */
		atlas_free(a);
	}
}

static void a_full_atlas_forgets_who_was_heard_of_longest_ago(void **state)
{
	(void)state;
	struct atlas *a;
	struct atlas_entry e;
	uint64_t before;

	assert_int_equal(atlas_new(hash_key, &a), 0);
	for (uint64_t id = 1; id <= ATLAS_NODES_MAX; id++) {
		e = entry(id, 1, 1, 1);
		e.heard_us = id == 5 ? 1 : 1000 + id;
		assert_true(atlas_merge(a, &e));
	}
	before = atlas_version(a);
	e = entry(ATLAS_NODES_MAX + 1, 1, 1, 1);
	assert_true(atlas_merge(a, &e));
	assert_int_equal(atlas_count(a), ATLAS_NODES_MAX);
	assert_null(atlas_get(a, 5));
	assert_true(atlas_version(a) > before);
	e.node_id = 0;
	assert_false(atlas_merge(a, &e));
	atlas_free(a);
}

static void where_a_link_was_is_our_own_observation(void **state)
{
	(void)state;
	struct atlas *a;
	struct atlas_entry e = entry(7, 1, 1, 1);
	struct endpoint at = ipv6(33, 1);

	assert_int_equal(atlas_new(hash_key, &a), 0);
	assert_true(atlas_reached(a, 7, &at, 5));
	assert_false(atlas_reached(a, 7, &at, 6));
	assert_true(atlas_merge(a, &e));
	assert_true(endpoint_equal(&atlas_get(a, 7)->reached, &at));
	at = text("[fe80::1%3]:26969");
	assert_false(atlas_reached(a, 8, &at, 7));
	atlas_forget(a, 7);
	assert_int_equal(atlas_count(a), 0);
	atlas_free(a);
}

/* ---- calls ---- */

struct tally {
	unsigned calls, answers, refusals, probes, replies, found, failed;
	enum punch_failure failure;
	struct punch_action last_probe, last_reply, last_message, last_found;
};

static void drain(struct punch *p, struct tally *t)
{
	struct punch_action a;

	while (punch_next_action(p, &a)) {
		switch (a.type) {
		case PUNCH_MESSAGE:
			t->calls += a.message == NAT_CALL;
			t->answers += a.message == NAT_ANSWER && !a.is_refusal;
			t->refusals += a.is_refusal;
			t->last_message = a;
			break;
		case PUNCH_PROBE:
			if (a.body[0] == PUNCH_PROBE_KIND)
				t->last_probe = a;
			else
				t->last_reply = a;
			t->probes += a.body[0] == PUNCH_PROBE_KIND;
			t->replies += a.body[0] == PUNCH_ANSWER_KIND;
			break;
		case PUNCH_FOUND:
			t->found++;
			t->last_found = a;
			break;
		case PUNCH_FAILED:
			t->failed++;
			t->failure = a.failure;
			break;
		}
	}
}

static void run(struct punch *p, uint64_t *now_us, uint64_t until_us, struct tally *t)
{
	while (punch_deadline_us(p) <= until_us) {
		*now_us = max_u64(*now_us, punch_deadline_us(p));
		punch_tick(p, *now_us);
		drain(p, t);
	}
	*now_us = until_us;
}

static const uint8_t key[16] = { 1, 2, 3 };

static struct nat_message message(enum nat_message_type type, uint32_t call, unsigned n)
{
	struct nat_message m = { .type = type, .call = call };

	for (unsigned i = 1; i <= n; i++) {
		struct endpoint e = ipv6((uint8_t)i, 26969);

		assert_true(candidates_add(&m.at, CANDIDATE_OWN, &e));
	}
	return m;
}

static void a_call_that_nobody_answers_is_repeated_and_given_up(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_int_equal(punch_call(p, 2, now_us), 0);
	assert_int_equal(punch_call(p, 2, now_us), -EALREADY);
	assert_true(punch_is_calling(p, 2));
	drain(p, &t);
	run(p, &now_us, now_us + SECONDS(5), &t);
	assert_int_equal(t.calls, 4);
	assert_int_equal(t.probes, 0);
	assert_int_equal(t.failed, 1);
	assert_int_equal(t.failure, PUNCH_NO_ANSWER);
	assert_int_equal(punch_count(p), 0);
	punch_free(p);
}

static void an_answered_call_probes_each_address_a_bounded_number_of_times(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m;
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_int_equal(punch_call(p, 2, now_us), 0);
	drain(p, &t);
	m = message(NAT_ANSWER, t.last_message.call, CANDIDATES_MAX);
	assert_false(punch_message(p, 3, &m, true, now_us)); /* of somebody else */
	m.call++;
	assert_false(punch_message(p, 2, &m, true, now_us)); /* to another call */
	run(p, &now_us, now_us + MS(10), &t);
	assert_int_equal(t.probes, 0);
	m.call--;
	assert_false(punch_message(p, 2, &m, true, now_us));
	run(p, &now_us, now_us + SECONDS(5), &t);
	assert_int_equal(t.probes, CANDIDATES_MAX * PUNCH_ROUNDS);
	assert_int_equal(t.failure, PUNCH_NO_WAY);
	assert_int_equal(punch_counters(p)->probes_sent, t.probes);
	punch_free(p);
}

static void a_refusal_and_a_call_that_is_not_welcome_end_at_once(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m;
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_int_equal(punch_call(p, 2, now_us), 0);
	drain(p, &t);
	m = message(NAT_ANSWER, t.last_message.call, 0);
	(void)punch_message(p, 2, &m, true, now_us);
	drain(p, &t);
	assert_int_equal(t.failure, PUNCH_REFUSED);
	m = message(NAT_CALL, 9, 3);
	assert_false(punch_message(p, 2, &m, false, now_us));
	drain(p, &t);
	assert_int_equal(t.refusals, 1);
	assert_int_equal(t.last_message.call, 9);
	assert_int_equal(punch_count(p), 0);
	punch_free(p);
}

static void only_the_number_sent_to_an_address_coming_back_from_it_proves_it(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 1);
	struct endpoint elsewhere = ipv6(99, 26969);
	uint8_t body[PUNCH_PROBE_LEN];
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_true(punch_message(p, 2, &m, true, now_us));
	run(p, &now_us, now_us + MS(1), &t);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.probes, 1);
	memcpy(body, t.last_probe.body, sizeof(body));
	body[0] = PUNCH_ANSWER_KIND;
	assert_int_equal(punch_probe(p, 2, &elsewhere, SPAN_OF(body), now_us), 0);
	assert_int_equal(punch_probe(p, 3, &t.last_probe.at, SPAN_OF(body), now_us), 0);
	body[7] ^= 1;
	assert_int_equal(punch_probe(p, 2, &t.last_probe.at, SPAN_OF(body), now_us), 0);
	drain(p, &t);
	assert_int_equal(t.found, 0);
	body[7] ^= 1;
	assert_int_equal(punch_probe(p, 2, &t.last_probe.at, SPAN_OF(body), now_us), 0);
	drain(p, &t);
	assert_int_equal(t.found, 1);
	assert_true(endpoint_equal(&t.last_found.at, &t.last_probe.at));
	assert_int_equal(punch_count(p), 0);
	body[1] = 1;
	assert_int_equal(punch_probe(p, 2, &t.last_probe.at, SPAN_OF(body), now_us), -EBADMSG);
	assert_int_equal(punch_probe(p, 2, &elsewhere, SPAN(body, 7), now_us), -EBADMSG);
	punch_free(p);
}

static void the_higher_id_leaves_the_handshake_to_the_other_for_a_while(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 1);
	uint8_t body[PUNCH_PROBE_LEN];
	struct punch *p;

	assert_int_equal(punch_new(5, key, now_us, &p), 0);
	assert_true(punch_message(p, 2, &m, true, now_us));
	run(p, &now_us, now_us + MS(1), &t);
	memcpy(body, t.last_probe.body, sizeof(body));
	body[0] = PUNCH_ANSWER_KIND;
	(void)punch_probe(p, 2, &t.last_probe.at, SPAN_OF(body), now_us);
	run(p, &now_us, now_us + PUNCH_DEFER_US - 1, &t);
	assert_int_equal(t.found, 0);
	run(p, &now_us, now_us + 1, &t);
	assert_int_equal(t.found, 1);
	punch_free(p);
}

static void a_probe_from_an_address_nobody_told_is_answered_and_probed_back(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 1);
	uint8_t probe[PUNCH_PROBE_LEN] = { PUNCH_PROBE_KIND, 0, 0, 0, 1, 2, 3, 4 };
	struct endpoint from;
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_true(punch_message(p, 2, &m, true, now_us));
	run(p, &now_us, now_us + MS(50), &t);
	t = (struct tally){ 0 };
	from = ipv6(77, 4242);
	assert_int_equal(punch_probe(p, 2, &from, SPAN_OF(probe), now_us), 0);
	drain(p, &t);
	assert_int_equal(t.replies, 1);
	assert_memory_equal(t.last_reply.body + 4, probe + 4, 4);
	assert_true(endpoint_equal(&t.last_probe.at, &from));
	/* of a call the addresses are bounded */
	for (uint8_t i = 0; i < 50; i++) {
		from = ipv6((uint8_t)(100 + i), 4242);
		(void)punch_probe(p, 2, &from, SPAN_OF(probe), now_us);
	}
	drain(p, &t);
	assert_true(t.probes <= PUNCH_ADDRESSES_MAX - 1);
	assert_int_equal(t.replies, 51);
	punch_free(p);
}

static void one_machine_gets_probes_at_few_ports_wherever_they_seem_to_come_from(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 1);
	uint8_t probe[PUNCH_PROBE_LEN] = { PUNCH_PROBE_KIND };
	struct endpoint from;
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_true(punch_message(p, 2, &m, true, now_us));
	for (uint16_t port = 1; port <= 20; port++) {
		from = ipv6(77, port);
		(void)punch_probe(p, 2, &from, SPAN_OF(probe), now_us);
	}
	run(p, &now_us, now_us + SECONDS(5), &t);
	assert_int_equal(t.probes, (1 + CANDIDATES_OF_HOST_MAX + 1) * PUNCH_ROUNDS);
	punch_free(p);
}

static void two_that_call_each_other_at_once_need_no_answer(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 2);
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	assert_int_equal(punch_call(p, 2, now_us), 0);
	assert_true(punch_message(p, 2, &m, false, now_us)); /* it is welcome: we called */
	run(p, &now_us, now_us + MS(20), &t);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.probes, 2);
	punch_free(p);
}

static void more_calls_than_the_table_holds_are_refused(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, 2);
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	for (uint64_t peer = 2; peer < 2 + PUNCH_CALLS_MAX; peer++)
		assert_int_equal(punch_call(p, peer, now_us), 0);
	assert_int_equal(punch_call(p, 100, now_us), -ENOBUFS);
	drain(p, &t);
	assert_false(punch_message(p, 101, &m, true, now_us));
	drain(p, &t);
	assert_int_equal(t.refusals, 1);
	punch_end(p, 2);
	assert_int_equal(punch_count(p), PUNCH_CALLS_MAX - 1);
	assert_int_equal(punch_call(p, 100, now_us), 0);
	punch_free(p);
}

static void all_calls_together_send_no_more_probes_than_the_bound(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	struct tally t = { 0 };
	struct nat_message m = message(NAT_CALL, 9, CANDIDATES_MAX);
	uint8_t probe[PUNCH_PROBE_LEN] = { PUNCH_PROBE_KIND };
	struct endpoint from = ipv6(77, 4242);
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	for (uint64_t peer = 2; peer < 2 + PUNCH_CALLS_MAX; peer++)
		assert_true(punch_message(p, peer, &m, true, now_us));
	run(p, &now_us, now_us + SECONDS(1), &t);
	assert_true(t.probes <= 2 * PUNCH_PROBES_PER_S);
	run(p, &now_us, now_us + SECONDS(5), &t);
	assert_true(punch_counters(p)->limited > 0);
	assert_int_equal(t.failed, PUNCH_CALLS_MAX);
	t = (struct tally){ 0 };
	for (unsigned i = 0; i < 4 * PUNCH_ANSWERS_PER_S; i++) {
		(void)punch_probe(p, 2, &from, SPAN_OF(probe), now_us);
		drain(p, &t);
	}
	assert_int_equal(t.replies, PUNCH_ANSWERS_PER_S);
	punch_free(p);
}

static void actions_that_nobody_takes_are_bounded(void **state)
{
	(void)state;
	uint64_t now_us = SECONDS(1);
	uint8_t probe[PUNCH_PROBE_LEN] = { PUNCH_PROBE_KIND };
	struct endpoint from = ipv6(77, 4242);
	struct tally t = { 0 };
	struct punch *p;

	assert_int_equal(punch_new(1, key, now_us, &p), 0);
	for (unsigned i = 0; i < PUNCH_ANSWERS_PER_S; i++)
		(void)punch_probe(p, 2, &from, SPAN_OF(probe), now_us);
	drain(p, &t);
	assert_int_equal(t.replies, 256);
	assert_true(punch_counters(p)->limited > 0);
	punch_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_name_no_single_machine_are_refused),
		cmocka_unit_test(a_full_list_takes_no_more_and_one_address_two_ports),
		cmocka_unit_test(a_message_comes_out_as_it_went_in),
		cmocka_unit_test(a_message_cut_short_too_long_or_of_unknown_values_is_refused),
		cmocka_unit_test(what_nobody_may_be_sent_is_left_out_of_a_message),
		cmocka_unit_test(observers_that_agree_tell_a_mapping_that_is_the_same_for_all),
		cmocka_unit_test(observers_that_never_agree_tell_a_mapping_for_each),
		cmocka_unit_test(two_observers_on_one_host_count_as_one),
		cmocka_unit_test(
			a_public_address_of_ones_own_is_no_nat_and_a_private_one_tells_nothing),
		cmocka_unit_test(who_looks_from_between_two_nats_does_not_count),
		cmocka_unit_test(of_too_many_observers_the_one_heard_longest_ago_is_forgotten),
		cmocka_unit_test(
			candidates_leave_room_for_what_is_seen_and_begin_with_what_is_agreed),
		cmocka_unit_test(the_last_word_of_a_node_about_itself_wins_in_any_order),
		cmocka_unit_test(a_full_atlas_forgets_who_was_heard_of_longest_ago),
		cmocka_unit_test(where_a_link_was_is_our_own_observation),
		cmocka_unit_test(a_call_that_nobody_answers_is_repeated_and_given_up),
		cmocka_unit_test(an_answered_call_probes_each_address_a_bounded_number_of_times),
		cmocka_unit_test(a_refusal_and_a_call_that_is_not_welcome_end_at_once),
		cmocka_unit_test(only_the_number_sent_to_an_address_coming_back_from_it_proves_it),
		cmocka_unit_test(the_higher_id_leaves_the_handshake_to_the_other_for_a_while),
		cmocka_unit_test(a_probe_from_an_address_nobody_told_is_answered_and_probed_back),
		cmocka_unit_test(
			one_machine_gets_probes_at_few_ports_wherever_they_seem_to_come_from),
		cmocka_unit_test(two_that_call_each_other_at_once_need_no_answer),
		cmocka_unit_test(more_calls_than_the_table_holds_are_refused),
		cmocka_unit_test(all_calls_together_send_no_more_probes_than_the_bound),
		cmocka_unit_test(actions_that_nobody_takes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
