/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/rate.h"

static const struct rate_limits limits = { .of = { 2, 4, 8 }, .all = 1000 };

static void fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static struct rates *fresh(void)
{
	static struct rates r;

	rates_init(&r, &(struct entropy){ .fill = fill });
	return &r;
}

/* Host, network and prefix by the bytes of a number: 24 bits, 16, 8. */
static bool take(struct rates *r, uint32_t host, uint64_t now_us)
{
	const uint8_t bytes[] = { (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host };
	const struct rate_source source = {
		.of = { SPAN(bytes, 3), SPAN(bytes, 2), SPAN(bytes, 1) },
	};

	return rates_take(r, &limits, &source, now_us);
}

static void each_level_has_its_own_limit(void **state)
{
	struct rates *r = fresh();

	(void)state;
	assert_true(take(r, 0x010101, 0) && take(r, 0x010101, 0));
	assert_false(take(r, 0x010101, 0));
	assert_true(take(r, 0x010102, 0) && take(r, 0x010102, 0));
	assert_false(take(r, 0x010103, 0)); /* the network has had its four */
	assert_true(take(r, 0x010201, 0));
	assert_true(take(r, 0x010101, SECONDS(1)));
}

static bool has_left(const struct rates *r, uint32_t host, uint64_t now_us)
{
	const uint8_t bytes[] = { (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host };

	return rates_host_has_left(r, &limits, SPAN(bytes, 3), now_us);
}

/* The first host after from that shares a bucket with a host that has nothing left. */
static uint32_t neighbour_of_flood(const struct rates *r, uint32_t from, uint64_t now_us)
{
	while (has_left(r, ++from, now_us))
		;
	return from;
}

static void nobody_shares_a_bucket_with_a_flood_for_long(void **state)
{
	struct rates *r = fresh();
	uint32_t flood = 0x010101;
	uint32_t neighbour;
	uint64_t now_us = 0;

	(void)state;
	assert_true(take(r, flood, now_us) && take(r, flood, now_us));
	neighbour = neighbour_of_flood(r, 0x020000, now_us);
	now_us = RATE_DEAL_US;
	assert_true(take(r, flood, now_us) && take(r, flood, now_us));
	assert_false(take(r, flood, now_us));
	assert_true(has_left(r, neighbour, now_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_has_its_own_limit),
		cmocka_unit_test(nobody_shares_a_bucket_with_a_flood_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
