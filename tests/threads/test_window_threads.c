/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window between threads: a packet that comes on two links into two threads at once is
 * delivered once. The test run builds it with the thread sanitizer too. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "core/session/window.h"

#define PACKETS 1000000
#define STEP 4096 /* how far apart the threads may be: less than the window is wide */

static struct window w;
static _Atomic uint8_t delivered[PACKETS];
static _Atomic uint64_t n_delivered, n_newest;
static _Atomic uint64_t begun[2];

/* Both threads inject the same numbers, each in its own order within a step. */
static void *inject(void *arg)
{
	unsigned self = *(const unsigned *)arg;
	struct rng rng;

	rng_seed(&rng, self + 1);
	for (uint64_t first = 0; first < PACKETS; first += STEP) {
		uint64_t turn = rng_below(&rng, STEP);

		atomic_store(&begun[self], first);
		while (atomic_load(&begun[1 - self]) + STEP < first)
			sched_yield(); /* the other is in the window: one step behind at most */
		for (uint64_t i = 0; i < STEP; i++) {
			uint64_t sequence = first + (i + turn) % STEP;
			bool is_newest = false;

			if (sequence >= PACKETS || !window_accept(&w, sequence, &is_newest))
				continue;
			atomic_fetch_add(&delivered[sequence], 1);
			atomic_fetch_add(&n_delivered, 1);
			if (is_newest)
				atomic_fetch_add(&n_newest, 1);
		}
	}
	atomic_store(&begun[self], PACKETS + STEP);
	return NULL;
}

static void a_packet_on_two_links_into_two_threads_is_delivered_once(void **state)
{
	(void)state;
	static const unsigned numbers[2] = { 0, 1 };
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, inject, (void *)&numbers[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < PACKETS; i++)
		assert_int_equal(delivered[i], 1);
	assert_int_equal(n_delivered, PACKETS);
	assert_true(n_newest >= 1 && n_newest <= PACKETS);
}

/* Where one races ahead by more than the window, what the other brings late is lost, and never
 * delivered twice. */
static void *race(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < PACKETS; i++) {
		bool is_newest;

		if (window_accept(&w, i, &is_newest))
			atomic_fetch_add(&delivered[i], 1);
	}
	return NULL;
}

static void threads_that_race_through_the_numbers_deliver_none_twice(void **state)
{
	(void)state;
	pthread_t threads[4];

	memset(&w, 0, sizeof(w));
	memset((void *)delivered, 0, sizeof(delivered));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < PACKETS; i++)
		assert_int_equal(delivered[i], 1); /* the first to come is the newest, or in it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_on_two_links_into_two_threads_is_delivered_once),
		cmocka_unit_test(threads_that_race_through_the_numbers_deliver_none_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
