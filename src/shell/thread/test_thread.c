/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "shell/thread/grace.h"
#include "shell/thread/ring.h"

#define RECORDS 20000
#define VERSIONS 5000

/* ---- ring ---- */

static void a_full_ring_takes_no_more_until_it_is_read(void **state)
{
	(void)state;
	struct ring *r;
	size_t len;
	unsigned n = 0, got = 0;
	char *room;

	assert_int_equal(ring_new(100, &r), -EINVAL);
	assert_int_equal(ring_new(1024, &r), 0);
	assert_null(ring_next(r, &len));
	assert_null(ring_room(r, 512));
	while ((room = ring_room(r, 56))) {
		memset(room, (int)n++, 56);
		ring_commit(r);
	}
	assert_int_equal(n, 16);
	while ((room = ring_next(r, &len))) {
		assert_int_equal(len, 56);
		assert_int_equal(room[55], (char)got++);
	}
	assert_int_equal(got, 16);
	assert_null(ring_room(r, 1)); /* taken is not given back yet */
	ring_release(r);
	assert_non_null(ring_room(r, 1));
	assert_null(ring_next(r, &len)); /* not committed */
	ring_free(r);
}

static void what_may_take_a_part_leaves_the_rest_to_others(void **state)
{
	(void)state;
	struct ring *r;
	size_t len;
	unsigned n = 0;

	assert_int_equal(ring_new(1024, &r), 0);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned quarters = 2; quarters <= 4; quarters++) {
			for (n = 0; ring_room_within(r, 56, quarters); n++)
				ring_commit(r);
			assert_int_equal(n, quarters == 2 ? 8 : 4);
		}
		assert_null(ring_room(r, 56));
		for (n = 0; ring_next(r, &len); n++)
			assert_int_equal(len, 56);
		assert_int_equal(n, 16);
		ring_release(r);
	}
	ring_free(r);
}

static size_t length_of(uint64_t i)
{
	return 8 + i * 7919 % 500;
}

static void *write_all(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 0; i < RECORDS; i++) {
		uint8_t *room;

		while (!(room = ring_room(r, length_of(i))))
			sched_yield();
		memcpy(room, &i, sizeof(i));
		memset(room + 8, (int)(i & 0xff), length_of(i) - 8);
		ring_commit(r);
	}
	return NULL;
}

static void all_records_arrive_whole_and_in_order(void **state)
{
	(void)state;
	struct ring *r;
	pthread_t writer;
	uint64_t i = 0;

	assert_int_equal(ring_new(4096, &r), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_all, r), 0);
	while (i < RECORDS) {
		size_t len;
		const uint8_t *record = ring_next(r, &len);
		uint64_t number;

		if (!record) {
			ring_release(r);
			sched_yield();
			continue;
		}
		memcpy(&number, record, sizeof(number));
		assert_int_equal(number, i);
		assert_int_equal(len, length_of(i));
		for (size_t at = 8; at < len; at++)
			assert_true(record[at] == (i & 0xff));
		if (i++ % 3 == 0)
			ring_release(r);
	}
	(void)pthread_join(writer, NULL);
	ring_free(r);
}

/* ---- grace ---- */

struct version {
	uint64_t number, same;
};

static struct grace grace;
static _Atomic(struct version *) current;
static _Atomic bool is_over;

static void *use(void *arg)
{
	unsigned self = *(const unsigned *)arg;
	uint64_t last = 0;

	while (!atomic_load(&is_over)) {
		const struct version *v;

		grace_enter(&grace, self);
		v = atomic_load(&current);
		for (unsigned i = 0; i < 20; i++)
			if (v->number != v->same || v->number < last)
				abort();
		last = v->number;
		grace_leave(&grace, self);
	}
	return NULL;
}

/* Freed memory is scribbled over first, and the sanitizers would see its use. */
static void drop(struct version *v)
{
	v->number = UINT64_MAX;
	v->same = 0;
	free(v);
}

static struct version *make(uint64_t number)
{
	struct version *v = malloc(sizeof(*v));

	assert_non_null(v);
	*v = (struct version){ number, number };
	return v;
}

static void nobody_sees_what_was_freed(void **state)
{
	(void)state;
	static const unsigned numbers[3] = { 0, 1, 2 };
	struct {
		struct version *v;
		uint64_t since;
	} old[64];
	pthread_t threads[3];
	unsigned n_old = 0;

	grace_init(&grace);
	atomic_store(&current, make(0));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)&numbers[i]), 0);
	for (uint64_t i = 1; i < VERSIONS; i++) {
		struct version *before = atomic_exchange(&current, make(i));

		while (n_old == 64 || (n_old > 0 && grace_is_over(&grace, old[0].since))) {
			if (!grace_is_over(&grace, old[0].since)) {
				sched_yield();
				continue;
			}
			drop(old[0].v);
			memmove(old, old + 1, --n_old * sizeof(old[0]));
		}
		old[n_old].v = before;
		old[n_old++].since = grace_begin(&grace);
	}
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < 3; i++)
		(void)pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < n_old; i++)
		drop(old[i].v);
	drop(atomic_load(&current));
}

static void one_who_stays_in_holds_up_what_he_may_have_seen(void **state)
{
	(void)state;
	uint64_t first, second;

	grace_init(&grace);
	first = grace_begin(&grace);
	assert_true(grace_is_over(&grace, first));
	grace_enter(&grace, 1);
	assert_true(grace_is_over(&grace, first)); /* came after it */
	second = grace_begin(&grace);
	assert_false(grace_is_over(&grace, second));
	grace_enter(&grace, 2);
	grace_leave(&grace, 1);
	assert_true(grace_is_over(&grace, second));
	grace_leave(&grace, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_ring_takes_no_more_until_it_is_read),
		cmocka_unit_test(what_may_take_a_part_leaves_the_rest_to_others),
		cmocka_unit_test(all_records_arrive_whole_and_in_order),
		cmocka_unit_test(nobody_sees_what_was_freed),
		cmocka_unit_test(one_who_stays_in_holds_up_what_he_may_have_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
