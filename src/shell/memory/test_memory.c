/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/memory/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2); /* NOLINT(cert-err34-c) */
	(void)fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static _Atomic bool is_over;
static _Atomic unsigned n_rounds;

static void *work(void *arg)
{
	char text[64];

	(void)arg;
	while (!atomic_load(&is_over)) {
		char *p = malloc(1000);

		assert_non_null(p);
		(void)snprintf(text, sizeof(text), "%d", 4711);
		assert_string_equal(text, "4711");
		free(p);
		atomic_fetch_add(&n_rounds, 1);
	}
	return NULL;
}

static void what_was_freed_and_what_is_not_used_is_given_back_under_way(void **state)
{
	(void)state;
	enum {
		PIECES = 4000
	};
	static char *pieces[PIECES];
	pthread_t thread;
	unsigned rounds;
	long before;

	memory_begin();
	(void)mallopt(M_PERTURB, 0); /* of the test runner: what is free would be written to */
	assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
	for (unsigned i = 0; i < PIECES; i++) {
		pieces[i] = malloc(4096);
		assert_non_null(pieces[i]);
		memset(pieces[i], 1, 4096);
	}
	for (unsigned i = 0; i + 1 < PIECES; i++) /* the last keeps the heap from shrinking */
		free(pieces[i]);
	before = resident_kb();
	for (unsigned i = 0; i < 20; i++)
		memory_give_back();
#ifndef HAS_SANITIZER /* which has a heap of its own */
	assert_true(resident_kb() < before - 8000);
#else
	(void)before;
#endif
	rounds = atomic_load(&n_rounds);
	while (atomic_load(&n_rounds) < rounds + 100)
		(void)usleep(100);
	atomic_store(&is_over, true);
	(void)pthread_join(thread, NULL);
	free(pieces[PIECES - 1]);
}

static uintptr_t deep_at; /* below all that is in use again afterwards */

/* Deep, and over. */
static __attribute__((noinline)) void touch(void)
{
	volatile uint8_t deep[192 * 1024];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 0x77;
	deep_at = (uintptr_t)&deep[(size_t)100 * 1024];
}

/* A page that was given back is all zeros when it is looked at again. */
static void *deep_and_back(void *arg)
{
	uint8_t kept[4096];

	memset(kept, 0x5a, sizeof(kept));
	touch();
#ifndef HAS_SANITIZER
	assert_int_equal(*(volatile uint8_t *)deep_at, 0x77);
#endif
	memory_give_back_stack();
	for (size_t i = 0; i < sizeof(kept); i++)
		assert_int_equal(kept[i], 0x5a);
#ifndef HAS_SANITIZER
	assert_int_equal(*(volatile uint8_t *)deep_at, 0);
#endif
	*(bool *)arg = true;
	return NULL;
}

static void the_stack_that_deep_calls_touched_is_given_back_on_any_thread(void **state)
{
#ifdef HAS_SANITIZER
	const size_t small_bytes = 2048 * 1024;
#else
	const size_t small_bytes = 256 * 1024;
#endif
	pthread_attr_t small;
	bool is_done = false;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, deep_and_back, &is_done), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_true(is_done);
	/* a stack hardly larger than what is used of it; sanitizers put much of their own there */
	is_done = false;
	assert_int_equal(pthread_attr_init(&small), 0);
	assert_int_equal(pthread_attr_setstacksize(&small, small_bytes), 0);
	assert_int_equal(pthread_create(&t, &small, deep_and_back, &is_done), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	(void)pthread_attr_destroy(&small);
	assert_true(is_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_freed_and_what_is_not_used_is_given_back_under_way),
		cmocka_unit_test(the_stack_that_deep_calls_touched_is_given_back_on_any_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
