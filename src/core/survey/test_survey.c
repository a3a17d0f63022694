/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/survey/survey.h"

#define START_US SECONDS(100)
#define UP 1
#define DOWN 0

/* ---- messages ---- */

static struct survey_part example(void)
{
	return (struct survey_part){
		.epoch = 9,
		.sequence = 0x01020304,
		.uptime_s = 77,
		.version = "0.1.0-rc1",
		.n_all = 3,
		.n_told = 2,
		.n = 2,
		.links = { { .id = 7,
			     .state = UP,
			     .class = 4,
			     .is_ipv4 = true,
			     .rtt_us = 1500,
			     .jitter_us = 20,
			     .loss_ppm = 1000000,
			     .sent_bytes = UINT64_MAX,
			     .received_bytes = 5,
			     .sent_bps = 6,
			     .received_bps = 8 },
			   { .id = 9, .state = 2 } },
	};
}

static void a_report_is_read_back(void **state)
{
	(void)state;
	uint8_t bytes[SURVEY_MESSAGE_MAX], again[SURVEY_MESSAGE_MAX];
	struct survey_part p = example(), back;
	size_t len = survey_part_encode(&p, bytes);

	for (size_t n = 0; n < len; n++)
		assert_int_equal(survey_part_decode(SPAN(bytes, n), &back), -EBADMSG);
	assert_int_equal(survey_part_decode(SPAN(bytes, len), &back), 0);
	assert_int_equal(survey_part_encode(&back, again), len);
	assert_memory_equal(again, bytes, len);
	assert_string_equal(back.version, "0.1.0-rc1");
	assert_int_equal(back.links[0].loss_ppm, 1000000);
	assert_true(back.links[0].is_ipv4);
	assert_int_equal(back.links[1].state, 2);
}

static void refuse(struct survey_part p)
{
	uint8_t bytes[SURVEY_MESSAGE_MAX];
	struct survey_part back;

	assert_int_equal(survey_part_decode(SPAN(bytes, survey_part_encode(&p, bytes)), &back),
			 -EPROTO);
}

static void impossible_reports_are_refused(void **state)
{
	(void)state;
	struct survey_part p = example();

	p.links[1].id = 7;
	refuse(p);
	p = example();
	p.links[0].id = 0;
	refuse(p);
	p = example();
	p.links[0].state = 3;
	refuse(p);
	p = example();
	p.links[0].class = 5;
	refuse(p);
	p = example();
	p.links[0].loss_ppm++;
	refuse(p);
	p = example();
	p.n_all = 1;
	refuse(p);
	p = example();
	p.status = SURVEY_N_STATUSES;
	refuse(p);
	p = example();
	p.status = SURVEY_DENIED;
	refuse(p);
	p = example();
	p.part = 1;
	refuse(p);
	p = example();
	p.n = 1;
	refuse(p);
	p = example();
	p.n_all = SURVEY_LINKS_MAX + 1;
	p.n_told = SURVEY_LINKS_MAX + 1;
	refuse(p);
	p = example();
	memcpy(p.version, "0.1<b>", 7);
	refuse(p);
}

static void a_question_has_known_flags_alone(void **state)
{
	(void)state;
	unsigned flags;

	assert_int_equal(survey_ask_decode(SPAN_STR("\1\1"), &flags), 0);
	assert_int_equal(flags, SURVEY_ASK_NOW);
	assert_int_equal(survey_ask_decode(SPAN_STR("\1\2"), &flags), -EPROTO);
	assert_int_equal(survey_ask_decode(SPAN_STR("\2\1"), &flags), -EBADMSG);
	assert_int_equal(survey_ask_decode(SPAN_STR("\1"), &flags), -EBADMSG);
}

/* ---- one that is looked at, and one that tells ---- */

static struct survey *new_survey(uint64_t self)
{
	struct survey *s;

	assert_int_equal(survey_new(self, (uint32_t)self, "0.1.0", START_US, &s), 0);
	return s;
}

static size_t links_of(uint64_t first, size_t n, struct survey_link ret[SURVEY_LINKS_MAX + 1])
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct survey_link){ .id = first + i, .state = UP };
	return n;
}

/* All that is due goes from one to the other; returns how many messages. */
static unsigned carry(struct survey *from, uint64_t from_id, struct survey *to, uint64_t to_id,
		      uint64_t now_us)
{
	struct survey_message m;
	unsigned n = 0;

	survey_tick(from, now_us);
	while (survey_next_message(from, &m, now_us)) {
		struct span body = SPAN(m.body, m.len);

		n++;
		if (m.to != to_id)
			continue;
		if (m.is_report)
			assert_int_equal(survey_told(to, from_id, body, now_us), 0);
		else
			assert_int_equal(survey_asked(to, from_id, body, true, now_us), 0);
	}
	return n;
}

static struct survey_view view_of(const struct survey *s, uint64_t id, uint64_t now_us)
{
	struct survey_view v = { 0 };
	size_t cursor = 0;

	while (survey_next(s, &cursor, now_us, &v))
		if (v.id == id)
			return v;
	return (struct survey_view){ 0 };
}

static void nobody_looks_and_nothing_is_sent(void **state)
{
	(void)state;
	struct survey *s = new_survey(1);
	struct survey_message m;
	const uint64_t id = 2;

	survey_set_nodes(s, &id, 1, true, START_US);
	for (uint64_t at = START_US; at < START_US + SECONDS(30); at += MS(100)) {
		survey_tick(s, at);
		assert_false(survey_next_message(s, &m, at));
	}
	assert_false(survey_is_wanted(s, START_US));
	assert_int_equal(survey_deadline_us(s, START_US + SECONDS(30)), NEVER_US);
	survey_free(s);
}

static void a_question_is_answered_at_once_and_a_change_soon(void **state)
{
	(void)state;
	struct survey *a = new_survey(1), *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	uint64_t now = START_US, changed;
	const uint64_t id = 2;

	survey_look(a, now);
	survey_set_nodes(a, &id, 1, true, now);
	assert_int_equal(view_of(a, 2, now).state, SURVEY_AWAITED);
	assert_int_equal(carry(a, 1, b, 2, now), 1);
	assert_true(survey_is_wanted(b, now));
	survey_set_links(b, links, links_of(10, 3, links), 3, now);
	assert_int_equal(carry(b, 2, a, 1, now), 1);
	assert_int_equal(view_of(a, 2, now).state, SURVEY_ANSWERS);
	assert_int_equal(view_of(a, 2, now).n_links, 3);
	assert_string_equal(view_of(a, 2, now).version, "0.1.0");
	for (now += MS(10); now < START_US + SECONDS(4); now += MS(10)) {
		(void)carry(a, 1, b, 2, now);
		(void)carry(b, 2, a, 1, now);
	}
	links[1].state = DOWN;
	survey_set_links(b, links, 3, 3, now);
	changed = now;
	while (view_of(a, 2, now).links[1].state != DOWN) {
		now += MS(10);
		(void)carry(b, 2, a, 1, now);
	}
	assert_in_range(now - changed, 1, MS(110));
	survey_free(a);
	survey_free(b);
}

static void what_does_not_change_is_told_each_two_seconds_while_it_is_asked_for(void **state)
{
	(void)state;
	struct survey *a = new_survey(1), *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	unsigned told = 0, asked = 0;
	const uint64_t id = 2;
	uint64_t now = START_US;

	survey_set_links(b, links, links_of(10, 1, links), 1, now);
	survey_set_nodes(a, &id, 1, true, now);
	for (; now < START_US + SECONDS(20); now += MS(50)) {
		survey_look(a, now);
		survey_set_nodes(a, &id, 1, true, now);
		asked += carry(a, 1, b, 2, now);
		told += carry(b, 2, a, 1, now);
	}
	assert_in_range(told, 9, 12);
	assert_in_range(asked, 6, 9);
	/* and nobody looks any more: first it is not asked for, then not told */
	for (; now < START_US + SECONDS(29); now += MS(50)) {
		(void)carry(a, 1, b, 2, now);
		(void)carry(b, 2, a, 1, now);
	}
	now += SURVEY_LOOK_US;
	survey_tick(a, now);
	assert_int_equal(view_of(a, 2, now).id, 0);
	assert_int_equal(carry(a, 1, b, 2, now + SURVEY_LEASE_US), 0);
	assert_int_equal(carry(b, 2, a, 1, now + SURVEY_LEASE_US), 0);
	assert_int_equal(survey_n_watchers(b, now + SURVEY_LEASE_US), 0);
	assert_int_equal(survey_deadline_us(b, now + SURVEY_LEASE_US), NEVER_US);
	survey_free(a);
	survey_free(b);
}

static void a_node_that_does_not_answer_is_silent_and_its_links_are_forgotten(void **state)
{
	(void)state;
	struct survey *a = new_survey(1), *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	const uint64_t id = 2;
	uint64_t now = START_US, version;
	unsigned asked = 0;

	survey_look(a, now);
	survey_set_nodes(a, &id, 1, true, now);
	survey_set_links(b, links, links_of(10, 2, links), 2, now);
	(void)carry(a, 1, b, 2, now);
	(void)carry(b, 2, a, 1, now);
	version = survey_version(a);
	for (; now < START_US + SECONDS(6); now += MS(100))
		asked += carry(a, 1, b, 2, now);
	assert_int_equal(view_of(a, 2, now).state, SURVEY_SILENT);
	assert_int_equal(view_of(a, 2, now).n_links, 0);
	assert_int_equal(survey_version(a), version + 1);
	assert_in_range(asked, 1, 6);
	/* it is back, started again: its numbers begin anew */
	survey_free(b);
	b = new_survey(2);
	survey_set_links(b, links, 2, 2, now);
	for (unsigned i = 0; i < 40; i++, now += MS(100)) {
		survey_look(a, now);
		(void)carry(a, 1, b, 2, now);
		(void)carry(b, 2, a, 1, now);
	}
	assert_int_equal(view_of(a, 2, now).state, SURVEY_ANSWERS);
	assert_int_equal(survey_version(a), version + 2);
	survey_free(a);
	survey_free(b);
}

static void many_links_take_several_messages_in_any_order(void **state)
{
	(void)state;
	struct survey *a = new_survey(1), *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	struct survey_message m[SURVEY_PARTS_MAX + 1];
	const uint64_t id = 2;
	size_t n = 0;

	survey_look(a, START_US);
	survey_set_nodes(a, &id, 1, true, START_US);
	survey_set_links(b, links, links_of(10, SURVEY_LINKS_MAX + 1, links), 200, START_US);
	(void)carry(a, 1, b, 2, START_US);
	while (n <= SURVEY_PARTS_MAX && survey_next_message(b, &m[n], START_US))
		n++;
	assert_int_equal(n, SURVEY_PARTS_MAX);
	for (size_t i = n; i > 0; i--) {
		assert_int_equal(view_of(a, 2, START_US).state, SURVEY_AWAITED);
		assert_int_equal(survey_told(a, 2, SPAN(m[i - 1].body, m[i - 1].len), START_US), 0);
	}
	assert_int_equal(view_of(a, 2, START_US).n_links, SURVEY_LINKS_MAX);
	assert_int_equal(view_of(a, 2, START_US).n_all, 200);
	for (size_t i = 0; i < SURVEY_LINKS_MAX; i++)
		assert_int_equal(view_of(a, 2, START_US).links[i].id, 10 + i);
	survey_free(a);
	survey_free(b);
}

static void an_overtaken_report_changes_nothing(void **state)
{
	(void)state;
	struct survey *a = new_survey(1);
	uint8_t bytes[SURVEY_MESSAGE_MAX];
	struct survey_part p = example();
	const uint64_t id = 2;

	survey_look(a, START_US);
	survey_set_nodes(a, &id, 1, true, START_US);
	assert_int_equal(survey_told(a, 2, SPAN(bytes, survey_part_encode(&p, bytes)), START_US),
			 0);
	p.sequence--;
	p.links[0].state = DOWN;
	assert_int_equal(survey_told(a, 2, SPAN(bytes, survey_part_encode(&p, bytes)), START_US),
			 0);
	assert_int_equal(view_of(a, 2, START_US).links[0].state, UP);
	assert_int_equal(survey_told(a, 3, SPAN(bytes, survey_part_encode(&p, bytes)), START_US),
			 -ENOENT);
	survey_free(a);
}

static int tell(struct survey *s, const struct survey_part *p)
{
	uint8_t bytes[SURVEY_MESSAGE_MAX];

	return survey_told(s, 2, SPAN(bytes, survey_part_encode(p, bytes)), START_US);
}

/* Part of a report of n_told links, whose ids begin with first. */
static struct survey_part part_of(uint32_t epoch, uint32_t sequence, size_t part, size_t n_told,
				  uint64_t first)
{
	struct survey_part p = { .epoch = epoch,
				 .sequence = sequence,
				 .n_all = (uint16_t)n_told,
				 .n_told = n_told,
				 .part = part };

	p.n = n_told - part * SURVEY_LINKS_PART;
	p.n = p.n < SURVEY_LINKS_PART ? p.n : SURVEY_LINKS_PART;
	for (size_t i = 0; i < p.n; i++)
		p.links[i] = (struct survey_link){ .id = first + i, .state = UP };
	return p;
}

static struct survey *new_asker(void)
{
	struct survey *a = new_survey(1);
	const uint64_t id = 2;

	survey_look(a, START_US);
	survey_set_nodes(a, &id, 1, true, START_US);
	return a;
}

static void parts_that_do_not_fit_each_other_are_refused(void **state)
{
	(void)state;
	struct survey *a = new_asker();
	struct survey_part p = part_of(9, 1, 1, 17, 200), other = part_of(9, 1, 0, 32, 100);

	assert_int_equal(tell(a, &p), 0);
	assert_int_equal(tell(a, &other), -EPROTO); /* 15 links would be none */
	assert_int_equal(view_of(a, 2, START_US).state, SURVEY_AWAITED);
	p = part_of(9, 2, 0, 17, 100);
	other = part_of(9, 2, 1, 17, 115);
	assert_int_equal(tell(a, &p), 0);
	assert_int_equal(tell(a, &other), -EPROTO); /* 115 twice */
	assert_int_equal(view_of(a, 2, START_US).state, SURVEY_AWAITED);
	survey_free(a);
}

static void who_starts_again_is_heard_at_once_with_many_links_too(void **state)
{
	(void)state;
	struct survey *a = new_asker();
	struct survey_part p = part_of(9, 500, 0, 1, 100);

	assert_int_equal(tell(a, &p), 0);
	for (size_t part = 0; part < 2; part++) {
		p = part_of(10, 1, part, 20, 300 + part * SURVEY_LINKS_PART);
		assert_int_equal(tell(a, &p), 0);
	}
	assert_int_equal(view_of(a, 2, START_US).n_links, 20);
	survey_free(a);
}

static void ask_all(struct survey *b, size_t n, uint64_t now_us)
{
	for (uint64_t id = 100; id < 100 + n; id++)
		assert_int_equal(survey_asked(b, id, SPAN_STR("\1\1"), true, now_us), 0);
}

static void a_report_that_has_to_wait_is_of_one_moment(void **state)
{
	(void)state;
	struct survey *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	struct survey_message m;
	struct survey_part p;
	uint64_t now = START_US;
	unsigned n = 0, whole = 0;

	/* 3 messages each, so the last one of the second is the first of its report */
	survey_set_links(b, links, links_of(10, 40, links), 40, now);
	for (; n < SURVEY_MESSAGES_PER_SECOND; now += SURVEY_SPACE_US) {
		ask_all(b, 20, now);
		while (survey_next_message(b, &m, now))
			n++;
	}
	assert_int_equal(n, SURVEY_MESSAGES_PER_SECOND);
	assert_true(now < START_US + SECONDS(1));
	assert_int_equal(survey_part_decode(SPAN(m.body, m.len), &p), 0);
	assert_int_equal(p.part, 0);
	survey_set_links(b, links, 5, 5, now);
	for (; survey_next_message(b, &m, START_US + SECONDS(1)); whole++) {
		assert_int_equal(survey_part_decode(SPAN(m.body, m.len), &p), 0);
		assert_int_equal(p.n, 5);
	}
	assert_in_range(whole, 20, 21);
	survey_free(b);
}

static void refusals_are_few_and_let_others_be_told(void **state)
{
	(void)state;
	struct survey *b = new_survey(2);
	struct survey_message m;
	unsigned refused = 0;

	for (unsigned i = 0; i < 2 * SURVEY_MESSAGES_PER_SECOND; i++) {
		assert_int_equal(survey_asked(b, 9, SPAN_STR("\1\1"), false, START_US), 0);
		while (survey_next_message(b, &m, START_US))
			refused++;
	}
	assert_int_equal(refused, SURVEY_REFUSALS_PER_SECOND);
	assert_int_equal(survey_asked(b, 10, SPAN_STR("\1\1"), true, START_US), 0);
	assert_true(survey_next_message(b, &m, START_US));
	assert_int_equal(m.to, 10);
	assert_int_equal(survey_asked(b, 9, SPAN_STR("\1\1"), false, START_US + SECONDS(1)), 0);
	assert_true(survey_next_message(b, &m, START_US + SECONDS(1)));
	assert_int_equal(m.to, 9);
	survey_free(b);
}

static void who_may_not_ask_is_told_so_and_nothing_else(void **state)
{
	(void)state;
	struct survey *a = new_survey(1), *b = new_survey(2);
	struct survey_link links[SURVEY_LINKS_MAX + 1];
	struct survey_message m;
	const uint64_t id = 2;

	survey_look(a, START_US);
	survey_set_nodes(a, &id, 1, true, START_US);
	survey_set_links(b, links, links_of(10, 2, links), 2, START_US);
	assert_true(survey_next_message(a, &m, START_US));
	assert_int_equal(survey_asked(b, 1, SPAN(m.body, m.len), false, START_US + SECONDS(3)), 0);
	assert_false(survey_is_wanted(b, START_US + SECONDS(3)));
	assert_true(survey_next_message(b, &m, START_US + SECONDS(3)));
	assert_int_equal(survey_told(a, 2, SPAN(m.body, m.len), START_US), 0);
	assert_int_equal(view_of(a, 2, START_US).state, SURVEY_REFUSES);
	assert_int_equal(view_of(a, 2, START_US).status, SURVEY_DENIED);
	assert_int_equal(view_of(a, 2, START_US).n_links, 0);
	assert_int_equal(view_of(a, 2, START_US).uptime_s, 0);
	assert_string_equal(view_of(a, 2, START_US).version, "");
	assert_false(survey_next_message(b, &m, START_US + SECONDS(5)));
	survey_free(a);
	survey_free(b);
}

static void more_watchers_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	struct survey *b = new_survey(2);
	struct survey_message m;
	size_t full = 0, told = 0;

	for (uint64_t id = 10; id < 10 + 2 * SURVEY_WATCHERS_MAX; id++) {
		assert_int_equal(survey_asked(b, id, SPAN_STR("\1\1"), true, START_US), 0);
		while (survey_next_message(b, &m, START_US)) {
			struct survey_part p;

			assert_int_equal(survey_part_decode(SPAN(m.body, m.len), &p), 0);
			full += p.status == SURVEY_FULL;
			told += p.status == SURVEY_TOLD;
		}
	}
	assert_int_equal(told, SURVEY_WATCHERS_MAX - 1);
	assert_int_equal(full, SURVEY_WATCHERS_MAX + 1);
	assert_int_equal(survey_n_watchers(b, START_US), SURVEY_WATCHERS_MAX - 1);
	survey_free(b);
}

static void no_more_nodes_are_asked_than_there_is_room_for_nor_too_fast(void **state)
{
	(void)state;
	uint64_t ids[SURVEY_NODES_MAX + 10];
	struct survey *a = new_survey(1);
	struct survey_message m;
	size_t asked = 0, n = 0, cursor = 0;
	struct survey_view v;

	for (size_t i = 0; i < SURVEY_NODES_MAX + 10; i++)
		ids[i] = 100 + i;
	survey_look(a, START_US);
	survey_set_nodes(a, ids, SURVEY_NODES_MAX + 10, true, START_US);
	assert_false(survey_has_all(a));
	while (survey_next(a, &cursor, START_US, &v))
		n++;
	assert_int_equal(n, SURVEY_NODES_MAX);
	for (uint64_t at = START_US; at < START_US + SECONDS(1); at += MS(10))
		while (survey_next_message(a, &m, at))
			asked++;
	assert_int_equal(asked, SURVEY_MESSAGES_PER_SECOND);
	assert_true(survey_deadline_us(a, START_US + MS(990)) >= START_US + SECONDS(1));
	/* others are nearer now */
	survey_set_nodes(a, ids + 10, SURVEY_NODES_MAX, true, START_US);
	assert_int_equal(view_of(a, ids[SURVEY_NODES_MAX + 9], START_US).id,
			 ids[SURVEY_NODES_MAX + 9]);
	assert_int_equal(view_of(a, ids[0], START_US).id, 0);
	survey_free(a);
}

static void rates_are_found_out_from_what_was_sent(void **state)
{
	(void)state;
	struct survey *s = new_survey(1);
	struct survey_link l = { .id = 2, .state = UP, .sent_bytes = 1000 };
	struct survey_view v;

	survey_set_links(s, &l, 1, 1, START_US);
	l.sent_bytes += 125000;
	survey_set_links(s, &l, 1, 1, START_US + MS(500)); /* too short to say */
	survey_own(s, START_US, &v);
	assert_int_equal(v.links[0].sent_bps, 0);
	survey_set_links(s, &l, 1, 1, START_US + SECONDS(1));
	survey_own(s, START_US, &v);
	assert_int_equal(v.links[0].sent_bps, 1000000);
	assert_int_equal(v.links[0].received_bps, 0);
	survey_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_read_back),
		cmocka_unit_test(impossible_reports_are_refused),
		cmocka_unit_test(a_question_has_known_flags_alone),
		cmocka_unit_test(nobody_looks_and_nothing_is_sent),
		cmocka_unit_test(a_question_is_answered_at_once_and_a_change_soon),
		cmocka_unit_test(
			what_does_not_change_is_told_each_two_seconds_while_it_is_asked_for),
		cmocka_unit_test(a_node_that_does_not_answer_is_silent_and_its_links_are_forgotten),
		cmocka_unit_test(many_links_take_several_messages_in_any_order),
		cmocka_unit_test(an_overtaken_report_changes_nothing),
		cmocka_unit_test(parts_that_do_not_fit_each_other_are_refused),
		cmocka_unit_test(who_starts_again_is_heard_at_once_with_many_links_too),
		cmocka_unit_test(a_report_that_has_to_wait_is_of_one_moment),
		cmocka_unit_test(refusals_are_few_and_let_others_be_told),
		cmocka_unit_test(who_may_not_ask_is_told_so_and_nothing_else),
		cmocka_unit_test(more_watchers_than_there_is_room_for_are_refused),
		cmocka_unit_test(no_more_nodes_are_asked_than_there_is_room_for_nor_too_fast),
		cmocka_unit_test(rates_are_found_out_from_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
