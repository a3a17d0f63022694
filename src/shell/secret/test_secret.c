/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "shell/secret/secret.h"

static size_t n_held(void)
{
	struct secret_description d;

	secret_describe(&d);
	return d.n_held;
}

static void a_secret_is_zeros_aligned_and_counted(void **state)
{
	static const uint8_t zeros[100];
	uint8_t *a = secret_alloc(100);

	(void)state;
	assert_non_null(a);
	assert_int_equal((uintptr_t)a % 16, 0);
	assert_memory_equal(a, zeros, sizeof(zeros));
	assert_int_equal(n_held(), 1);
	secret_free(a);
	secret_free(NULL);
	assert_int_equal(n_held(), 0);
}

static void a_place_is_wiped_before_it_is_used_again(void **state)
{
	static const uint8_t zeros[SECRET_PLACE_LEN];
	uint8_t *a = secret_alloc(SECRET_PLACE_LEN);

	(void)state;
	memset(a, 0xa5, SECRET_PLACE_LEN);
	secret_free(a);
	assert_memory_equal(a, zeros, SECRET_PLACE_LEN); /* places stay mapped */
	assert_ptr_equal(secret_alloc(SECRET_PLACE_LEN), a);
	secret_free(a);
}

static void all_places_and_mappings_taken_is_an_answer_and_no_end(void **state)
{
	void *held[SECRET_PLACES + SECRET_LARGE_MAX];

	(void)state;
	for (size_t i = 0; i < SECRET_PLACES + SECRET_LARGE_MAX; i++) {
		held[i] = secret_alloc(32);
		assert_non_null(held[i]);
	}
	assert_null(secret_alloc(32));
	for (size_t i = 0; i < SECRET_PLACES + SECRET_LARGE_MAX; i++)
		secret_free(held[i]);
	assert_int_equal(n_held(), 0);
}

static void what_is_longer_than_a_place_is_kept_too_up_to_a_bound(void **state)
{
	uint8_t *a = secret_alloc(100000);

	(void)state;
	assert_non_null(a);
	memset(a, 1, 100000);
	secret_free(a);
	assert_null(secret_alloc(SECRET_LARGE_LEN + 1));
}

/* Runs a function in a child; returns the signal that ended it, or 0. */
static int signal_of(void (*run)(uint8_t *secret), uint8_t *secret)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with its own test */
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		run(secret);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void write_behind(uint8_t *secret)
{
	((volatile uint8_t *)secret)[48] = 1;
}

static void write_far_before(uint8_t *secret)
{
	((volatile uint8_t *)secret)[-(SECRET_PLACE_LEN - 48) - 1] = 1;
}

static void write_inside(uint8_t *secret)
{
	((volatile uint8_t *)secret)[47] = 1;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

static void a_byte_written_too_far_ends_the_program(void **state)
{
	uint8_t *a = secret_alloc(48);

	(void)state;
	assert_int_equal(signal_of(write_inside, a), 0);
#ifdef HAS_SANITIZER
	assert_int_not_equal(signal_of(write_behind, a), 0); /* it ends by its own report */
	assert_int_not_equal(signal_of(write_far_before, a), 0);
#else
	assert_int_equal(signal_of(write_behind, a), SIGSEGV);
	assert_int_equal(signal_of(write_far_before, a), SIGSEGV);
#endif
	secret_free(a);
}

static void check_wiped(uint8_t *secret)
{
	static const uint8_t zeros[32];

	if (!bytes_equal_ct(secret, zeros, sizeof(zeros)))
		_exit(1);
}

static void check_own_places(uint8_t *secret)
{
	uint8_t *own = secret_alloc(32);

	if (!own || own == secret || n_held() != 1)
		_exit(1);
}

static void a_child_has_neither_the_secret_nor_its_place(void **state)
{
	uint8_t *a = secret_alloc(32);

	(void)state;
	memset(a, 7, 32);
	assert_int_equal(signal_of(check_wiped, a), 0);
	assert_int_equal(signal_of(check_own_places, a), 0);
	assert_int_equal(a[0], 7);
	secret_free(a);
}

/* smaps of the mapping that holds p, as VmFlags writes them: " lo" locked, " dd" not dumped. */
static bool has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool is_here = false;
	bool has = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from;
		unsigned long to;

		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers */
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_here = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag) != NULL;
	}
	(void)fclose(f);
	return has;
}

static void a_secret_is_locked_and_in_no_core_file(void **state)
{
	struct secret_description d;
	uint8_t *a = secret_alloc(32);

	(void)state;
	secret_describe(&d);
	assert_true(has_flag(a, " dd"));
	assert_true(has_flag(a, " wf"));
	if (d.unlocked_bytes == 0) {
		assert_true(d.locked_bytes >= SECRET_PLACE_LEN);
#ifndef HAS_SANITIZER /* which takes mlock() away */
		assert_true(has_flag(a, " lo"));
#endif
	} else {
		assert_true(strlen(d.why) > 0);
	}
	secret_free(a);
}

static void check_unlocked(uint8_t *secret)
{
	struct secret_description d;
	uint8_t *own;

	(void)secret;
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 }) < 0)
		_exit(3);
	own = secret_alloc(32);
	secret_describe(&d);
	if (!own || d.unlocked_bytes != SECRET_PLACE_LEN || d.locked_bytes != 0 || !d.why[0])
		_exit(4);
}

static void where_locking_is_refused_the_secret_is_kept_and_it_is_told(void **state)
{
	(void)state;
#ifdef HAS_SANITIZER
	skip();
#endif
	assert_int_equal(signal_of(check_unlocked, NULL), 0);
}

static void memory_of_malloc_is_given_back_wiped(void **state)
{
	uint8_t *a = malloc(64);
	uint8_t *b;

	(void)state;
	memset(a, 9, 64);
	assert_ptr_equal(heap_realloc_wiped(a, 10), a);
	b = heap_realloc_wiped(a, 5000);
	assert_int_equal(b[63], 9);
	heap_free_wiped(b);
	heap_free_wiped(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_zeros_aligned_and_counted),
		cmocka_unit_test(a_place_is_wiped_before_it_is_used_again),
		cmocka_unit_test(all_places_and_mappings_taken_is_an_answer_and_no_end),
		cmocka_unit_test(what_is_longer_than_a_place_is_kept_too_up_to_a_bound),
		cmocka_unit_test(a_byte_written_too_far_ends_the_program),
		cmocka_unit_test(a_child_has_neither_the_secret_nor_its_place),
		cmocka_unit_test(a_secret_is_locked_and_in_no_core_file),
		cmocka_unit_test(where_locking_is_refused_the_secret_is_kept_and_it_is_told),
		cmocka_unit_test(memory_of_malloc_is_given_back_wiped),
	};

	if (secret_open() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
