/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/link/pieces.h"
#include "core/link/pmtu.h"

/* A path in virtual time: it carries datagrams up to a size. */
struct path {
	struct pmtu p;
	unsigned carries;
	uint64_t now_us;
	uint64_t rtt_us;
	unsigned n_probes;
	unsigned losses; /* so many answers more are lost */
	bool is_busy;	 /* long datagrams are sent all the time */
};

static struct path path_of(unsigned carries, unsigned max)
{
	struct path path = { .carries = carries, .now_us = SECONDS(1), .rtt_us = MS(20) };

	pmtu_init(&path.p, max, 0, 0);
	pmtu_begin(&path.p, false, path.now_us);
	return path;
}

static void pump(struct path *path)
{
	uint32_t id;
	unsigned size;

	while (pmtu_next_probe(&path->p, path->now_us, &id, &size)) {
		path->n_probes++;
		if (size > path->carries)
			continue;
		if (path->losses) {
			path->losses--;
			continue;
		}
		path->now_us += path->rtt_us;
		assert_true(pmtu_answered(&path->p, id, size, path->now_us));
	}
}

static void run(struct path *path, uint64_t for_us)
{
	uint64_t end = path->now_us + for_us;

	pump(path);
	while (path->now_us < end) {
		uint64_t at = pmtu_deadline_us(&path->p);

		if (path->is_busy)
			at = min_u64(at, path->now_us + MS(100));
		path->now_us = min_u64(max_u64(at, path->now_us + 1), end);
		if (path->is_busy)
			pmtu_sent_long(&path->p);
		pmtu_tick(&path->p, path->now_us);
		pump(path);
	}
}

static void a_path_that_carries_all_is_known_after_two_round_trips(void **state)
{
	(void)state;
	struct path path = path_of(1452, 1450);

	assert_int_equal(pmtu_size(&path.p), PMTU_MIN);
	assert_int_equal(pmtu_at_most(&path.p), 1450);
	pump(&path);
	assert_int_equal(path.n_probes, 2);
	assert_int_equal(path.now_us, SECONDS(1) + 2 * path.rtt_us);
	assert_int_equal(pmtu_size(&path.p), 1450);
	assert_int_equal(path.p.state, PMTU_COMPLETE);
}

static void any_path_is_found_to_within_the_table(void **state)
{
	(void)state;

	for (unsigned carries = PMTU_MIN; carries <= 9000; carries += 7) {
		struct path path = path_of(carries, 8952);

		run(&path, SECONDS(60));
		assert_true(pmtu_size(&path.p) <= carries);
		assert_false(pmtu_is_searching(&path.p));
		assert_int_equal(pmtu_at_most(&path.p), pmtu_size(&path.p));
		assert_true(path.n_probes <= 2 + 3 * 8);
		if (carries >= PMTU_BASE)
			assert_int_equal(path.p.state, PMTU_COMPLETE);
		else
			assert_int_equal(path.p.state, PMTU_ERROR);
		if (carries >= 1452 && carries < 1552)
			assert_int_equal(pmtu_size(&path.p), 1452);
	}
}

static void one_lost_probe_is_no_verdict_three_are(void **state)
{
	(void)state;
	struct path path = path_of(1452, 1450);

	path.losses = 2;
	run(&path, SECONDS(10));
	assert_int_equal(pmtu_size(&path.p), 1450);
	path = path_of(1452, 1450);
	path.losses = 3;
	run(&path, SECONDS(3));
	assert_int_equal(path.p.state, PMTU_ERROR);
}

static void a_black_hole_is_noticed_while_the_path_is_used(void **state)
{
	(void)state;
	struct path path = path_of(1452, 1450);

	path.is_busy = true;
	run(&path, SECONDS(20));
	assert_int_equal(pmtu_size(&path.p), 1450);
	path.carries = 1392;
	run(&path, PMTU_CONFIRM_US + PMTU_MAX_PROBES * PMTU_PROBE_US + MS(100));
	assert_int_equal(pmtu_size(&path.p), PMTU_BASE); /* that base passes is known at once */
	run(&path, SECONDS(15));
	assert_int_equal(pmtu_size(&path.p), 1392);
	assert_int_equal(path.p.state, PMTU_COMPLETE);
	path.carries = 1452; /* it was mended */
	run(&path, PMTU_SUSPECT_US + SECONDS(10));
	assert_int_equal(pmtu_size(&path.p), 1450);
}

static void a_hole_below_the_minimum_leads_to_the_floor(void **state)
{
	(void)state;
	struct path path = path_of(1252, 1450);

	path.is_busy = true;
	run(&path, SECONDS(30));
	assert_true(pmtu_size(&path.p) == 1252);
	path.carries = 900;
	run(&path, SECONDS(90));
	assert_int_equal(path.p.state, PMTU_ERROR);
	assert_int_equal(pmtu_size(&path.p), 852);
	path.carries = 100; /* nothing passes: that is for the link to notice, and no end of it */
	run(&path, SECONDS(90));
	assert_int_equal(pmtu_size(&path.p), PMTU_FLOOR);
	path.carries = 1452;
	run(&path, SECONDS(90));
	assert_int_equal(pmtu_size(&path.p), 1450);
}

static void an_idle_path_is_not_probed_until_the_raise_timer(void **state)
{
	(void)state;
	struct path path = path_of(1404, 1450);
	unsigned n;

	run(&path, SECONDS(60));
	assert_int_equal(pmtu_size(&path.p), 1402);
	n = path.n_probes;
	run(&path, SECONDS(500));
	assert_int_equal(path.n_probes, n);
	path.carries = 1452;
	run(&path, SECONDS(100));
	assert_int_equal(pmtu_size(&path.p), 1450);
}

static void a_hint_says_what_to_try_and_nothing_more(void **state)
{
	(void)state;
	struct path path = path_of(1432, 1450);
	uint64_t began_us = path.now_us;

	pump(&path);
	pmtu_hint(&path.p, 1432, path.now_us); /* a Packet Too Big came */
	pump(&path);
	assert_int_equal(pmtu_size(&path.p), 1432);
	run(&path, SECONDS(4));
	assert_int_equal(path.p.state, PMTU_COMPLETE);
	assert_true(path.now_us - began_us < SECONDS(5));

	/* a forged one costs some probes */
	path = path_of(1452, 1450);
	run(&path, SECONDS(1));
	assert_int_equal(pmtu_size(&path.p), 1450);
	pmtu_hint(&path.p, 1240, path.now_us);
	run(&path, SECONDS(5));
	assert_int_equal(pmtu_size(&path.p), 1450);
	pmtu_hint(&path.p, 20, path.now_us);
	run(&path, SECONDS(5));
	assert_int_equal(pmtu_size(&path.p), 1450);

	/* and while the search goes on no more either */
	path = path_of(1432, 1450);
	pump(&path);
	pmtu_hint(&path.p, 1400, path.now_us);
	run(&path, SECONDS(30));
	assert_int_equal(pmtu_size(&path.p), 1432);
}

static void what_the_device_refuses_needs_no_second_try(void **state)
{
	(void)state;
	struct path path = path_of(1452, 8952);
	uint32_t id;
	unsigned size;

	assert_true(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	assert_true(pmtu_answered(&path.p, id, size, path.now_us));
	assert_true(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	assert_int_equal(size, 8952);
	pmtu_refused(&path.p, size, path.now_us);
	assert_true(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	assert_true(size < 8952);
	pmtu_refused(&path.p, 8952, path.now_us); /* said again: of no probe under way */
	assert_int_equal(path.p.probed, size);
}

static void answers_that_were_not_asked_for_change_nothing(void **state)
{
	(void)state;
	struct path path = path_of(1452, 1450);
	uint32_t id;
	unsigned size;

	assert_false(pmtu_answered(&path.p, path.p.id, PMTU_BASE, path.now_us)); /* not sent yet */
	assert_true(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	assert_false(pmtu_answered(&path.p, id + 1, size, path.now_us));
	assert_false(pmtu_answered(&path.p, id, size + 1, path.now_us));
	assert_int_equal(pmtu_size(&path.p), PMTU_MIN);
	assert_true(pmtu_answered(&path.p, id, size, path.now_us));
	assert_false(pmtu_answered(&path.p, id, size, path.now_us));
}

static void a_link_that_is_down_sends_no_probes_and_begins_anew(void **state)
{
	(void)state;
	struct path path = path_of(1452, 1450);
	uint32_t id;
	unsigned size;

	run(&path, SECONDS(1));
	pmtu_stop(&path.p);
	assert_int_equal(pmtu_size(&path.p), PMTU_MIN);
	assert_int_equal(pmtu_deadline_us(&path.p), NEVER_US);
	assert_false(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	pmtu_hint(&path.p, 1300, path.now_us);
	assert_false(pmtu_next_probe(&path.p, path.now_us, &id, &size));
	pmtu_begin(&path.p, true, path.now_us);
	pump(&path);
	assert_int_equal(pmtu_size(&path.p), 1450);
}

static void messages_go_forth_and_back_and_others_are_refused(void **state)
{
	(void)state;
	struct pmtu_message m = { .is_answer = true, .size = 1386, .id = 77 }, again;
	uint8_t bytes[PMTU_MESSAGE_LEN + 1] = { 0 };

	pmtu_message_encode(&m, bytes);
	assert_true(pmtu_is_message(SPAN_OF(bytes)));
	assert_int_equal(pmtu_message_decode(SPAN(bytes, PMTU_MESSAGE_LEN), &again), 0);
	assert_true(again.is_answer && again.size == 1386 && again.id == 77);
	assert_int_equal(pmtu_message_decode(SPAN_OF(bytes), &again), -EBADMSG);
	assert_int_equal(pmtu_message_decode(SPAN(bytes, 7), &again), -EBADMSG);
	m.is_answer = false;
	pmtu_message_encode(&m, bytes);
	assert_int_equal(pmtu_message_decode(SPAN_OF(bytes), &again), 0); /* padded */
	bytes[1] = 1;
	assert_int_equal(pmtu_message_decode(SPAN_OF(bytes), &again), -EPROTO);
	bytes[1] = 0;
	bytes[0] = 0x12;
	assert_int_equal(pmtu_message_decode(SPAN_OF(bytes), &again), -EPROTO);
	bytes[0] = 0x07; /* what a probe of liveness begins with at most */
	assert_false(pmtu_is_message(SPAN_OF(bytes)));
}

/* ---- pieces ---- */

static const uint8_t pattern[2000] = { [0] = 1, [699] = 2, [700] = 3, [1385] = 4 };

static struct piece part(uint32_t id, uint16_t total, uint16_t from, uint16_t to)
{
	return (struct piece){ id, total, from, SPAN(pattern + from, to - from), false };
}

static void a_mark_of_either_piece_is_one_of_the_whole(void **state)
{
	(void)state;
	struct pieces *p;
	struct span whole;

	assert_int_equal(pieces_new(1500, &p), 0);
	for (unsigned i = 0; i < 8; i++) {
		struct piece first = part(i, 1386, 0, 700), second = part(i, 1386, 700, 1386);

		first.is_marked = i & 1;
		second.is_marked = i & 2;
		assert_int_equal(pieces_input(p, i & 4 ? &first : &second, 0, &whole), 0);
		assert_int_equal(pieces_input(p, i & 4 ? &second : &first, 0, &whole), 1);
		assert_int_equal(pieces_is_marked(p), (i & 3) != 0);
	}
	pieces_free(p);
}

static void two_pieces_are_joined_in_either_order(void **state)
{
	(void)state;
	struct piece first = part(1, 1386, 0, 700), second = part(1, 1386, 700, 1386);
	struct pieces *p;
	struct span whole;

	assert_int_equal(pieces_new(1500, &p), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pieces_input(p, i ? &first : &second, 0, &whole), 0);
		assert_int_equal(pieces_count(p), 1);
		assert_int_equal(pieces_input(p, i ? &second : &first, 0, &whole), 1);
		assert_int_equal(whole.len, 1386);
		assert_memory_equal(whole.at, pattern, 1386);
		assert_int_equal(pieces_count(p), 0);
	}
	assert_int_equal(pieces_counters(p)->joined, 2);
	pieces_free(p);
}

static void duplicates_overlaps_gaps_and_other_lengths_are_refused(void **state)
{
	(void)state;
	const struct piece wrong[] = {
		part(1, 1386, 0, 700),	  /* the same again */
		part(1, 1386, 0, 600),	  /* another beginning */
		part(1, 1386, 699, 1386), /* one byte twice */
		part(1, 1386, 701, 1386), /* one byte missing */
		part(1, 1385, 700, 1385), /* of another datagram */
		part(2, 1501, 0, 700),	  /* longer than we take */
	};
	struct piece first = part(1, 1386, 0, 700), second = part(1, 1386, 700, 1386);
	struct pieces *p;
	struct span whole;

	assert_int_equal(pieces_new(1500, &p), 0);
	assert_int_equal(pieces_input(p, &first, 0, &whole), 0);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(pieces_input(p, &wrong[i], 0, &whole), -EPROTO);
	assert_int_equal(pieces_counters(p)->refused, sizeof(wrong) / sizeof(wrong[0]));
	assert_int_equal(pieces_input(p, &second, 0, &whole),
			 1); /* and the right one still joins */
	pieces_free(p);
}

static void a_full_table_forgets_the_one_that_waits_longest(void **state)
{
	(void)state;
	struct pieces *p;
	struct span whole;

	assert_int_equal(pieces_new(1500, &p), 0);
	for (uint32_t i = 0; i < PIECES_PENDING_MAX + 1; i++) {
		struct piece piece = part(i, 1386, 0, 700);

		assert_int_equal(pieces_input(p, &piece, i, &whole), 0);
	}
	assert_int_equal(pieces_count(p), PIECES_PENDING_MAX);
	assert_int_equal(pieces_counters(p)->expired, 1);
	struct piece of_last = part(PIECES_PENDING_MAX, 1386, 700, 1386);
	struct piece of_first = part(0, 1386, 700, 1386);

	assert_int_equal(pieces_input(p, &of_last, 100, &whole), 1);
	assert_int_equal(pieces_input(p, &of_first, 100, &whole), 0); /* its beginning is gone */
	pieces_free(p);
}

static void a_piece_waits_for_a_second(void **state)
{
	(void)state;
	struct piece first = part(1, 1386, 0, 700), second = part(1, 1386, 700, 1386);
	struct pieces *p;
	struct span whole;

	assert_int_equal(pieces_new(1500, &p), 0);
	assert_int_equal(pieces_deadline_us(p), NEVER_US);
	assert_int_equal(pieces_input(p, &first, 5, &whole), 0);
	assert_int_equal(pieces_deadline_us(p), 5 + PIECES_WAIT_US);
	pieces_tick(p, 4 + PIECES_WAIT_US);
	assert_int_equal(pieces_count(p), 1);
	assert_int_equal(pieces_input(p, &second, 5 + PIECES_WAIT_US, &whole), 0);
	assert_int_equal(pieces_counters(p)->expired, 1);
	pieces_free(p);
}

static void a_piece_is_a_beginning_or_an_end(void **state)
{
	(void)state;
	uint8_t bytes[PIECE_HEADER_LEN + 100];
	struct piece p = part(0x01020304, 200, 100, 200), again;

	memcpy(bytes + PIECE_HEADER_LEN, p.bytes.at, 100);
	piece_header_encode(&p, bytes);
	assert_int_equal(piece_decode(SPAN_OF(bytes), &again), 0);
	assert_true(again.id == p.id && again.total == 200 && again.offset == 100);
	assert_int_equal(again.bytes.len, 100);
	assert_int_equal(piece_decode(SPAN(bytes, PIECE_HEADER_LEN), &again), -EBADMSG);
	assert_int_equal(piece_decode(SPAN(bytes, 3), &again), -EBADMSG);
	p.offset = 50; /* neither */
	piece_header_encode(&p, bytes);
	assert_int_equal(piece_decode(SPAN_OF(bytes), &again), -EPROTO);
	p = (struct piece){ .total = 100, .offset = 0 }; /* whole, and so no piece */
	piece_header_encode(&p, bytes);
	assert_int_equal(piece_decode(SPAN_OF(bytes), &again), -EPROTO);
	p.total = PIECES_TOTAL_MIN - 1;
	piece_header_encode(&p, bytes);
	assert_int_equal(piece_decode(SPAN(bytes, 20), &again), -EPROTO);
}

static void the_cut_leaves_two_that_fit_or_none(void **state)
{
	(void)state;

	for (size_t max = PMTU_FLOOR; max < 1500; max++) {
		size_t at = pieces_cut_at(PMTU_BASE, 38, max);

		assert_true(at > 0 && at < PMTU_BASE); /* the floor carries a base in two */
		assert_true(at + 38 + PIECE_HEADER_LEN <= max);
		assert_true(PMTU_BASE - at + 38 + PIECE_HEADER_LEN <= max);
	}
	assert_int_equal(pieces_cut_at(3000, 38, 1232), 0);
	assert_int_equal(pieces_cut_at(3000, 38, 20), 0);
	assert_int_equal(pieces_cut_at(PIECES_TOTAL_MIN - 1, 38, 1232), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_that_carries_all_is_known_after_two_round_trips),
		cmocka_unit_test(any_path_is_found_to_within_the_table),
		cmocka_unit_test(one_lost_probe_is_no_verdict_three_are),
		cmocka_unit_test(a_black_hole_is_noticed_while_the_path_is_used),
		cmocka_unit_test(a_hole_below_the_minimum_leads_to_the_floor),
		cmocka_unit_test(an_idle_path_is_not_probed_until_the_raise_timer),
		cmocka_unit_test(a_hint_says_what_to_try_and_nothing_more),
		cmocka_unit_test(what_the_device_refuses_needs_no_second_try),
		cmocka_unit_test(answers_that_were_not_asked_for_change_nothing),
		cmocka_unit_test(a_link_that_is_down_sends_no_probes_and_begins_anew),
		cmocka_unit_test(messages_go_forth_and_back_and_others_are_refused),
		cmocka_unit_test(a_mark_of_either_piece_is_one_of_the_whole),
		cmocka_unit_test(two_pieces_are_joined_in_either_order),
		cmocka_unit_test(duplicates_overlaps_gaps_and_other_lengths_are_refused),
		cmocka_unit_test(a_full_table_forgets_the_one_that_waits_longest),
		cmocka_unit_test(a_piece_waits_for_a_second),
		cmocka_unit_test(a_piece_is_a_beginning_or_an_end),
		cmocka_unit_test(the_cut_leaves_two_that_fit_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
