/* SPDX-License-Identifier: Apache-2.0 */
/* What learned detectors hint at is shown, and nothing comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/healing/healing.h"

#define START SECONDS(1000)
#define B 0xb
#define OPENS_AFTER 15 /* readings of the rule, and as many close it */

struct bed {
	struct healing *h;
	uint64_t now_us;
	unsigned n_orders;
};

static void bed_init(struct bed *b)
{
	struct mandates m;

	*b = (struct bed){ .now_us = START };
	assert_int_equal(healing_new(1, 7, &b->h), 0);
	mandates_default(&m);
	healing_set_mandates(b->h, &m);
	healing_set_power(b->h, true, "");
}

static int say(struct bed *b, enum healing_kind kind, uint64_t subject, double value)
{
	struct healing_reading r = {
		.kind = kind,
		.subject = subject,
		.value = value,
		.at_us = b->now_us,
		.n_samples = 1,
		.surprise = 20,
		.source = "test",
	};

	return healing_input(b->h, &r, b->now_us);
}

static void tick(struct bed *b)
{
	struct healing_order o;

	healing_tick(b->h, b->now_us, 0);
	while (healing_next_order(b->h, &o, b->now_us))
		b->n_orders++;
	b->now_us += SECONDS(1);
}

static void hint(struct bed *b, uint64_t subject, double bits, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(say(b, HEALING_UNUSUAL, subject, bits), 0);
		tick(b);
	}
}

static const struct healing_incident *latest(struct bed *b)
{
	uint64_t cursor = 0;

	return healing_next(b->h, &cursor);
}

static struct healing_counters counted(struct bed *b)
{
	struct healing_counters ret;

	healing_counters(b->h, &ret);
	return ret;
}

static void a_hint_is_noted_and_no_order_ever_follows(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	hint(&b, B, 20, OPENS_AFTER - 1);
	assert_null(latest(&b));
	hint(&b, B, 20, 1);
	assert_int_equal(latest(&b)->state, HEALING_NOTED);
	assert_int_equal(latest(&b)->severity, HEALING_HINT);
	assert_true(latest(&b)->evidence[0].surprise == 20);
	assert_int_equal(healing_mode(b.h, b.now_us), HEALING_OPTIMAL); /* nor is more looked at */
	hint(&b, B, 32, 600);
	assert_int_equal(latest(&b)->state, HEALING_NOTED);
	assert_int_equal(b.n_orders, 0);
	hint(&b, B, 3, OPENS_AFTER);
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	assert_int_equal(counted(&b).hints, 1);
	assert_int_equal(counted(&b).opened, 0);
	assert_int_equal(counted(&b).escalated, 0);
	healing_free(b.h);
}

static void no_news_for_five_minutes_ends_it(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	hint(&b, B, 20, OPENS_AFTER);
	b.now_us += HEALING_UNSEEN_US;
	tick(&b);
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	healing_free(b.h);
}

static void what_cannot_be_is_refused(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(say(&b, HEALING_UNUSUAL, B, NAN), -ENODATA);
	assert_int_equal(say(&b, HEALING_UNUSUAL, B, -1), -ERANGE);
	assert_int_equal(say(&b, HEALING_UNUSUAL, B, 33), -ERANGE);
	assert_int_equal(say(&b, HEALING_UNUSUAL, B, INFINITY), -ERANGE);
	healing_free(b.h);
}

static void a_flood_of_hints_stands_in_no_incidents_way(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	for (unsigned s = 0; s < 1200; s++) {
		for (uint64_t subject = 1; subject <= 65; subject++)
			assert_int_equal(say(&b, HEALING_UNUSUAL, subject, 32), 0);
		if (s == OPENS_AFTER)
			assert_int_equal(counted(&b).hints, HEALING_HINTS_PER_MINUTE);
		tick(&b);
	}
	assert_int_equal(counted(&b).hints, HEALING_HINTS_MAX);
	assert_true(counted(&b).hints_left_out > 0);
	assert_int_equal(b.n_orders, 0);
	for (uint64_t subject = 1; subject <= HEALING_OPENED_PER_MINUTE; subject++)
		assert_int_equal(say(&b, HEALING_LINK_DOWN, subject, 20), 0);
	assert_int_equal(counted(&b).opened, HEALING_OPENED_PER_MINUTE);
	healing_free(b.h);
}

static void a_rule_confirms_a_hint_meanwhile_or_soon(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	hint(&b, B, 20, OPENS_AFTER);
	assert_int_equal(say(&b, HEALING_LINK_DOWN, 0xc, 20), 0); /* another */
	assert_int_equal(counted(&b).hints_confirmed, 0);
	assert_int_equal(say(&b, HEALING_LINK_DOWN, B, 20), 0);
	assert_int_equal(counted(&b).hints_confirmed, 1);
	assert_int_equal(say(&b, HEALING_LEDGER_SPLIT, B, 1), 0); /* counted once */
	assert_int_equal(counted(&b).hints_confirmed, 1);

	hint(&b, 0xd, 20, OPENS_AFTER);
	hint(&b, 0xd, 0, OPENS_AFTER);
	b.now_us += SECONDS(50);
	assert_int_equal(say(&b, HEALING_LINK_DOWN, 0xd, 20), 0);
	assert_int_equal(counted(&b).hints_confirmed, 2);

	hint(&b, 0xe, 20, OPENS_AFTER);
	hint(&b, 0xe, 0, OPENS_AFTER);
	b.now_us += SECONDS(61);
	assert_int_equal(say(&b, HEALING_LINK_DOWN, 0xe, 20), 0); /* too late */
	assert_int_equal(counted(&b).hints_confirmed, 2);
	healing_free(b.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hint_is_noted_and_no_order_ever_follows),
		cmocka_unit_test(no_news_for_five_minutes_ends_it),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_flood_of_hints_stands_in_no_incidents_way),
		cmocka_unit_test(a_rule_confirms_a_hint_meanwhile_or_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
