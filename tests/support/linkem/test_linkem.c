/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a link: what it promises for one frame, and what over many. Virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "linkem/impair.h"
#include "linkem/lateness.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define PERCENT 10000U
#define MANY 200000U
#define FRAME_LEN 1000

static struct impair *make(uint64_t seed, const struct impair_config *config)
{
	struct impair *m;

	assert_int_equal(impair_new(seed, 0, &m), 0);
	assert_int_equal(impair_configure(m, config), 0);
	return m;
}

static struct impair_counters counters(const struct impair *m)
{
	struct impair_counters c;

	impair_counters(m, &c);
	return c;
}

/* A frame says its number. */
static void push(struct impair *m, uint32_t number, size_t len, uint64_t now_ns)
{
	uint8_t frame[FRAME_LEN] = { 0 };

	assert_true(len >= 4 && len <= sizeof(frame));
	store_u32(frame, number);
	impair_push(m, frame, len, now_ns);
}

/* The number of the next frame that leaves by then, or -1. */
static int64_t pop(struct impair *m, uint64_t now_ns, uint64_t *ret_due_ns)
{
	const uint8_t *frame;
	uint64_t due_ns;
	size_t len;

	if (!impair_pop(m, now_ns, &frame, &len, &due_ns))
		return -1;
	if (ret_due_ns)
		*ret_due_ns = due_ns;
	return load_u32(frame);
}

static void a_link_without_impairments_passes_frames_at_once(void **state)
{
	(void)state;
	struct impair *m = make(1, &(struct impair_config){ 0 });

	assert_true(impair_deadline_ns(m) == UINT64_MAX);
	push(m, 7, 100, 5 * S);
	push(m, 8, 100, 5 * S);
	assert_true(impair_deadline_ns(m) == 5 * S);
	assert_int_equal(pop(m, 5 * S, NULL), 7);
	assert_int_equal(pop(m, 5 * S, NULL), 8);
	assert_int_equal(pop(m, 5 * S, NULL), -1);
	assert_int_equal(counters(m).bytes_out, 200);
	impair_free(m);
}

static void a_frame_leaves_after_its_delay_and_not_before(void **state)
{
	(void)state;
	struct impair *m = make(1, &(struct impair_config){ .delay_us = 20000 });

	push(m, 1, 100, S);
	assert_int_equal(pop(m, S + 20 * MS - 1, NULL), -1);
	assert_true(impair_deadline_ns(m) == S + 20 * MS);
	assert_int_equal(pop(m, S + 20 * MS, NULL), 1);
	impair_free(m);
}

/* The shortest and the longest time in the link of 10,000 frames, one each interval. */
static void travel(struct impair *m, uint64_t interval_ns, uint64_t *ret_least, uint64_t *ret_most)
{
	uint64_t due;

	*ret_least = UINT64_MAX;
	*ret_most = 0;
	for (uint32_t i = 0; i < 10000; i++)
		push(m, i, 100, i * interval_ns);
	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(pop(m, UINT64_MAX - 1, &due), i);
		due -= i * interval_ns;
		*ret_least = due < *ret_least ? due : *ret_least;
		*ret_most = due > *ret_most ? due : *ret_most;
	}
}

static void jitter_stays_within_its_bounds_and_keeps_the_order(void **state)
{
	(void)state;
	const struct impair_config config = { .delay_us = 10000, .jitter_us = 5000 };
	struct impair *m = make(3, &config);
	uint64_t least, most;

	travel(m, 20 * MS, &least, &most);
	assert_in_range(least, 10 * MS, 10 * MS + 10 * US);
	assert_in_range(most, 15 * MS - 10 * US, 15 * MS);
	impair_flush(m);
	travel(m, 100 * US, &least, &most); /* so close that they wait for each other */
	assert_in_range(most, 10 * MS, 15 * MS);
	impair_free(m);
}

static void only_frames_that_reordering_picks_are_overtaken(void **state)
{
	(void)state;
	const struct impair_config config = {
		.delay_us = 1000, .jitter_us = 500, .reorder_ppm = 10 * PERCENT, .reorder_us = 2000
	};
	struct impair *m = make(4, &config);
	int64_t highest = -1, n_late = 0, number;

	for (uint32_t i = 0; i < MANY / 10; i++)
		push(m, i, 100, i * 100 * US);
	while ((number = pop(m, UINT64_MAX - 1, NULL)) >= 0) {
		n_late += number < highest;
		highest = number > highest ? number : highest;
	}
	assert_int_equal(n_late, counters(m).reordered);
	assert_in_range(n_late, MANY / 100 * 9 / 10, MANY / 100 * 11 / 10);
	impair_free(m);
}

static void independent_losses_are_as_many_as_asked_for(void **state)
{
	(void)state;
	struct impair *m = make(5, &(struct impair_config){ .loss_ppm = 1 * PERCENT });
	uint64_t lost;

	for (uint32_t i = 0; i < MANY; i++) {
		push(m, i, 100, i);
		(void)pop(m, i, NULL);
	}
	lost = counters(m).lost;
	/* 2,000, with a standard deviation of 44 */
	assert_in_range(lost, 2000 - 4 * 44, 2000 + 4 * 44);
	assert_int_equal(counters(m).frames_out, MANY - lost);
	impair_free(m);
}

static void bursts_are_as_frequent_and_as_long_as_gilbert_and_elliott_say(void **state)
{
	(void)state;
	const struct impair_config config = { .bad_ppm = 1 * PERCENT,
					      .good_ppm = 25 * PERCENT,
					      .bad_loss_ppm = IMPAIR_PPM };
	struct impair *m = make(6, &config);
	uint64_t n_bursts = 0, lost;
	bool was_lost = false;

	for (uint32_t i = 0; i < MANY; i++) {
		push(m, i, 100, i);
		bool is_lost = pop(m, i, NULL) < 0;

		n_bursts += is_lost && !was_lost;
		was_lost = is_lost;
	}
	lost = counters(m).lost_bad;
	/* in the bad state for 1 / (1 + 25) of the time, 4 frames at a time; a burst and the good
	 * time before it last 104 frames, so there are 1,923, give or take 44 */
	assert_in_range(n_bursts, 1923 - 4 * 44, 1923 + 4 * 44);
	assert_in_range(lost * 100 / n_bursts, 370, 430);
	assert_in_range(lost * 1000 / MANY, 34, 43);
	impair_free(m);
}

static void the_same_seed_decides_the_same_and_another_differently(void **state)
{
	(void)state;
	const struct impair_config config = { .loss_ppm = 30 * PERCENT,
					      .duplicate_ppm = 20 * PERCENT };
	int64_t seen[3][400];
	size_t n[3] = { 0 };

	for (size_t run = 0; run < 3; run++) {
		struct impair *m = make(run == 2 ? 8 : 7, &config);

		for (uint32_t i = 0; i < 200; i++) /* at other times, too */
			push(m, i, 100, i * (run + 1) * MS);
		while (n[run] < 400 && (seen[run][n[run]] = pop(m, UINT64_MAX - 1, NULL)) >= 0)
			n[run]++;
		impair_free(m);
	}
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(seen[0], seen[1], n[0] * sizeof(seen[0][0]));
	assert_true(n[2] != n[0] || memcmp(seen[0], seen[2], n[0] * sizeof(seen[0][0])) != 0);
}

static void another_impairment_does_not_change_which_frames_are_lost(void **state)
{
	(void)state;
	struct impair *alone = make(9, &(struct impair_config){ .loss_ppm = 20 * PERCENT });
	struct impair *both = make(9, &(struct impair_config){ .loss_ppm = 20 * PERCENT,
							       .corrupt_ppm = 50 * PERCENT,
							       .jitter_us = 100 });

	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t before = counters(alone).lost;
		uint64_t before_both = counters(both).lost;

		push(alone, i, 100, i * US);
		push(both, i, 100, i * US);
		assert_int_equal(counters(alone).lost - before, counters(both).lost - before_both);
	}
	impair_free(alone);
	impair_free(both);
}

static void a_duplicate_is_the_same_frame_once_more(void **state)
{
	(void)state;
	struct impair *m = make(10, &(struct impair_config){ .duplicate_ppm = IMPAIR_PPM });

	push(m, 3, 100, 0);
	assert_int_equal(pop(m, 0, NULL), 3);
	assert_int_equal(pop(m, 0, NULL), 3);
	assert_int_equal(pop(m, 0, NULL), -1);
	impair_free(m);
}

static void corruption_flips_one_bit_and_not_of_what_is_skipped(void **state)
{
	(void)state;
	static const uint8_t zeros[64];
	struct impair *m;

	assert_int_equal(impair_new(11, 10, &m), 0);
	assert_int_equal(impair_configure(m, &(struct impair_config){ .corrupt_ppm = IMPAIR_PPM }),
			 0);
	for (unsigned i = 0; i < 500; i++) {
		const uint8_t *frame;
		unsigned n_bits = 0;
		uint64_t due_ns;
		size_t len;

		impair_push(m, zeros, sizeof(zeros), 0);
		assert_true(impair_pop(m, 0, &frame, &len, &due_ns));
		for (size_t at = 0; at < len; at++)
			n_bits += (unsigned)__builtin_popcount(frame[at]);
		assert_int_equal(n_bits, 1);
		assert_memory_equal(frame, zeros, 10);
	}
	impair_push(m, zeros, 5, 0); /* nothing of it may be changed */
	assert_int_equal(counters(m).corrupted, 500);
	impair_free(m);
}

static void frames_leave_at_the_rate(void **state)
{
	(void)state;
	static const uint64_t rates_bps[] = { 8000000, 123456789, 1000000000, 40000000000 };

	for (size_t r = 0; r < N_ELEMENTS(rates_bps); r++) {
		const struct impair_config config = { .rate_bps = rates_bps[r],
						      .queue_bytes = 64000 };
		struct impair *m = make(12, &config);
		uint64_t now = 0, bits = 0;
		uint64_t step_ns = FRAME_LEN * 8 * S / rates_bps[r] / 2; /* offered twice that */

		while (bits < 20000000) {
			now += step_ns + 1;
			push(m, 0, FRAME_LEN, now);
			while (pop(m, now, NULL) >= 0)
				bits += FRAME_LEN * 8;
		}
		/* within one part in a hundred, start and end of a queue included */
		assert_in_range(bits * 1000 / (now * rates_bps[r] / S), 990, 1010);
		assert_true(counters(m).lost_queue > 0);
		impair_free(m);
	}
}

static void the_queue_before_the_rate_is_bounded(void **state)
{
	(void)state;
	/* 8 Mbit/s: a byte a microsecond */
	struct impair *m =
		make(13, &(struct impair_config){ .rate_bps = 8000000, .queue_bytes = 10000 });
	uint64_t due_ns = 0;

	for (uint32_t i = 0; i < 100; i++)
		push(m, i, FRAME_LEN, 0);
	assert_int_equal(counters(m).lost_queue, 90);
	assert_int_equal(counters(m).queue_bytes_max, 10000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(pop(m, UINT64_MAX - 1, &due_ns), i);
	assert_int_equal(due_ns, 10 * MS); /* so long at most does anything wait */
	push(m, 200, FRAME_LEN, 5 * MS);   /* by then half of it has gone */
	assert_int_equal(counters(m).lost_queue, 90);
	impair_free(m);
}

static void a_frame_longer_than_the_queue_passes_an_idle_link(void **state)
{
	(void)state;
	uint8_t frame[9000] = { 0 };
	struct impair *m =
		make(14, &(struct impair_config){ .rate_bps = 8000000, .queue_bytes = 2048 });

	impair_push(m, frame, sizeof(frame), 0);
	impair_push(m, frame, sizeof(frame), 0);
	assert_int_equal(counters(m).lost_queue, 1);
	impair_free(m);
}

static void what_is_in_flight_is_bounded(void **state)
{
	(void)state;
	struct impair *m = make(15, &(struct impair_config){ .delay_us = 1000000 });
	uint8_t *big = calloc(1, 65536);

	for (uint32_t i = 0; i < IMPAIR_FRAMES_MAX + 5; i++)
		push(m, i, 8, i);
	assert_int_equal(counters(m).lost_full, 5);
	impair_flush(m);
	assert_true(impair_deadline_ns(m) == UINT64_MAX);
	for (uint32_t i = 0; i < IMPAIR_BYTES_MAX / 65536 + 3; i++)
		impair_push(m, big, 65536, i);
	assert_int_equal(counters(m).lost_full, 5 + 3);
	free(big);
	impair_free(m);
}

static void a_cut_link_loses_all_and_nothing_that_was_on_its_way(void **state)
{
	(void)state;
	struct impair_config config = { .delay_us = 10000 };
	struct impair *m = make(16, &config);

	push(m, 1, 100, 0);
	config.is_cut = true;
	assert_int_equal(impair_configure(m, &config), 0);
	push(m, 2, 100, 0);
	assert_int_equal(pop(m, S, NULL), 1);
	assert_int_equal(pop(m, S, NULL), -1);
	assert_int_equal(counters(m).lost_cut, 1);
	config.is_cut = false;
	assert_int_equal(impair_configure(m, &config), 0);
	push(m, 3, 100, S);
	assert_int_equal(pop(m, 2 * S, NULL), 3);
	impair_free(m);
}

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
	(void)state;
	const struct impair_config bad[] = {
		{ .loss_ppm = IMPAIR_PPM + 1 },
		{ .bad_loss_ppm = UINT32_MAX },
		{ .delay_us = IMPAIR_TIME_MAX_US + 1 },
		{ .reorder_us = IMPAIR_TIME_MAX_US + 1 },
		{ .rate_bps = IMPAIR_RATE_MIN_BPS - 1 },
		{ .rate_bps = IMPAIR_RATE_MAX_BPS + 1 },
		{ .queue_bytes = IMPAIR_QUEUE_MIN_BYTES - 1 },
		{ .queue_bytes = IMPAIR_BYTES_MAX + 1 },
	};
	struct impair *m = make(17, &(struct impair_config){ .delay_us = 5 });
	struct impair_config now;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(impair_configure(m, &bad[i]), -EINVAL);
	impair_config(m, &now);
	assert_int_equal(now.delay_us, 5);
	impair_free(m);
}

static void lateness_is_counted_in_powers_of_two(void **state)
{
	(void)state;
	struct lateness l = { 0 };

	for (unsigned i = 0; i < 98; i++)
		lateness_add(&l, 900);	 /* below 1 us */
	lateness_add(&l, 3 * US);	 /* below 4 */
	lateness_add(&l, 100 * US + 55); /* below 128 */
	assert_int_equal(lateness_below_us(&l, 500000), 1);
	assert_int_equal(lateness_below_us(&l, 990000), 4);
	assert_int_equal(lateness_below_us(&l, 1000000), 128);
	lateness_add(&l, UINT64_MAX);
	assert_int_equal(l.buckets[LATENESS_BUCKETS - 1], 1);
}

static void a_time_is_judged_where_lateness_is_below_a_tenth_of_it(void **state)
{
	(void)state;
	struct lateness l = { 0 };

	assert_true(lateness_may_judge(&l, 1));
	lateness_add(&l, 5 * MS);
	assert_true(lateness_may_judge(&l, 50000));
	assert_false(lateness_may_judge(&l, 49999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_without_impairments_passes_frames_at_once),
		cmocka_unit_test(a_frame_leaves_after_its_delay_and_not_before),
		cmocka_unit_test(jitter_stays_within_its_bounds_and_keeps_the_order),
		cmocka_unit_test(only_frames_that_reordering_picks_are_overtaken),
		cmocka_unit_test(independent_losses_are_as_many_as_asked_for),
		cmocka_unit_test(bursts_are_as_frequent_and_as_long_as_gilbert_and_elliott_say),
		cmocka_unit_test(the_same_seed_decides_the_same_and_another_differently),
		cmocka_unit_test(another_impairment_does_not_change_which_frames_are_lost),
		cmocka_unit_test(a_duplicate_is_the_same_frame_once_more),
		cmocka_unit_test(corruption_flips_one_bit_and_not_of_what_is_skipped),
		cmocka_unit_test(frames_leave_at_the_rate),
		cmocka_unit_test(the_queue_before_the_rate_is_bounded),
		cmocka_unit_test(a_frame_longer_than_the_queue_passes_an_idle_link),
		cmocka_unit_test(what_is_in_flight_is_bounded),
		cmocka_unit_test(a_cut_link_loses_all_and_nothing_that_was_on_its_way),
		cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
		cmocka_unit_test(lateness_is_counted_in_powers_of_two),
		cmocka_unit_test(a_time_is_judged_where_lateness_is_below_a_tenth_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
