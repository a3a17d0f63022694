/* SPDX-License-Identifier: Apache-2.0 */
/* A child that writes is killed at any moment: what is opened afterwards is whole, and holds all
 * that the child said was written. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/rng.h"
#include "shell/knowledge/internal.h"

#define TIMES 25
#define LONGEST_US 30000
#define PUTS_BEFORE_WRITE_BACK 20 /* so many stay in the log: SQLite writes 1,000 pages back */

/* The parts of an incident are as many as its number says, so that half of one would show. */
static size_t n_parts(uint64_t id)
{
	return 1 + id % KNOWLEDGE_CAUSES_MAX;
}

static void fill(struct knowledge_incident *i, uint64_t id)
{
	*i = (struct knowledge_incident){ .id = id, .kind = "delivery", .closed_ms = 1 };
	i->n_evidence = i->n_causes = i->n_actions = n_parts(id);
	for (size_t n = 0; n < n_parts(id); n++) {
		i->evidence[n].value = (double)id;
		i->causes[n].confidence = 0.5;
		i->actions[n].id = id * 100 + n;
		i->actions[n].outcome = KNOWLEDGE_CONFIRMED;
		(void)snprintf(i->actions[n].action, sizeof(i->actions[n].action), "act");
	}
}

/* Writes on after the last one, n_max at most, and says each number once it is written. */
static void write_until_killed(const char *dir, unsigned n_max, int say)
{
	struct knowledge *k = NULL;
	struct knowledge_notice notice;
	struct knowledge_incident i;
	uint64_t id = 0;

	if (knowledge_open(dir, &k, &notice) < 0 || notice.aside[0])
		_exit(1);
	knowledge_bound(k, 40);
	(void)knowledge_last_id(k, &id);
	for (id = id / 100 + 1; n_max > 0; id++, n_max--) {
		fill(&i, id);
		if (knowledge_put_incident(k, &i) < 0 || write(say, &id, sizeof(id)) < 0)
			_exit(2);
	}
	for (;;)
		(void)pause();
}

/* Kills it so long after its start, or after the first that it has written; tells the last number
 * that it has said. */
static uint64_t run_and_kill(const char *dir, unsigned n_max, useconds_t after_us, bool after_first)
{
	uint64_t id, last = 0;
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(fds[0]);
		write_until_killed(dir, n_max, fds[1]);
	}
	(void)close(fds[1]);
	if (after_first)
		assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
	(void)usleep(after_us);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status)); /* it had no trouble of its own */
	while (read(fds[0], &id, sizeof(id)) == sizeof(id))
		last = id;
	(void)close(fds[0]);
	return last;
}

static void check_whole(struct knowledge *k)
{
	static struct knowledge_incident list[64];
	struct knowledge_incident i;
	size_t n = 0;

	assert_int_equal(knowledge_find(k, &(struct knowledge_search){ .n_max = 64 }, list, &n), 0);
	for (size_t at = 0; at < n; at++) {
		assert_int_equal(knowledge_get(k, list[at].id, &i), 0);
		assert_int_equal(i.n_evidence, n_parts(i.id));
		assert_int_equal(i.n_causes, n_parts(i.id));
		assert_int_equal(i.n_actions, n_parts(i.id));
		assert_true(i.evidence[0].value == (double)i.id);
		assert_true(at == 0 || list[at - 1].id == i.id + 1);
	}
}

/* Every action of every incident up to the last was counted once. */
static void check_rates(struct knowledge *k, uint64_t last)
{
	struct knowledge_rate rate = { .n_tried = 0 };
	uint64_t expected = 0;
	size_t n = 0;

	for (uint64_t id = 1; id <= last; id++)
		expected += n_parts(id);
	assert_int_equal(knowledge_rates(k, NULL, &rate, 1, &n), 0);
	assert_int_equal(rate.n_tried, expected);
	assert_int_equal(rate.n_worked, expected);
}

static void remove_all(const char *dir)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

static void killed_at_any_moment_it_starts_again(void **state)
{
	(void)state;
	char dir[] = "/tmp/x0-test-knowledge-XXXXXX";
	struct knowledge *k = NULL;
	struct knowledge_notice notice;
	struct rng rng;
	uint64_t last = 0, there = 0;

	assert_non_null(mkdtemp(dir));
	rng_seed(&rng, 7);
	for (unsigned n = 0; n < TIMES; n++) {
		uint64_t said =
			run_and_kill(dir, UINT_MAX, (useconds_t)rng_below(&rng, LONGEST_US), n % 2);

		if (said > last)
			last = said;
		assert_int_equal(knowledge_open(dir, &k, &notice), 0);
		assert_string_equal(notice.aside, "");
		assert_int_equal(knowledge_last_id(k, &there), 0);
		there /= 100;
		assert_true(there == last || there == last + 1); /* written, and killed before */
		last = there;
		check_whole(k);
		check_rates(k, last);
		knowledge_close(k);
	}
	assert_true(last >= TIMES / 2); /* those after a first one */
	remove_all(dir);
}

/* What a power cut leaves of a log that was not synced: so one of which nothing is written back
 * yet, as that comes after a sync. */
static void a_log_that_is_cut_or_torn_leaves_what_was_before(void **state)
{
	(void)state;
	char dir[] = "/tmp/x0-test-knowledge-XXXXXX";
	char log[128];
	struct knowledge *k = NULL;
	struct knowledge_notice notice;
	struct stat about;
	struct rng rng;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(log, sizeof(log), "%s/" KNOWLEDGE_FILE "-wal", dir);
	rng_seed(&rng, 8);
	for (unsigned n = 0; n < TIMES; n++) {
		uint64_t last = 0;

		(void)run_and_kill(dir, PUTS_BEFORE_WRITE_BACK,
				   (useconds_t)rng_below(&rng, LONGEST_US), true);
		assert_true(stat(log, &about) < 0 || about.st_size < 1000 * 4096);
		if (stat(log, &about) == 0 && about.st_size > 0 && n % 2 == 0) {
			assert_int_equal(
				truncate(log, (off_t)rng_below(&rng, (uint64_t)about.st_size)), 0);
		} else if (stat(log, &about) == 0 && about.st_size > 0) {
			int fd = open(log, O_WRONLY | O_CLOEXEC);

			assert_true(fd >= 0);
			assert_int_equal(pwrite(fd, "torn", 4,
						(off_t)rng_below(&rng, (uint64_t)about.st_size)),
					 4);
			(void)close(fd);
		}
		assert_int_equal(knowledge_open(dir, &k, &notice), 0);
		assert_string_equal(notice.aside, "");
		assert_int_equal(knowledge_last_id(k, &last), 0);
		check_whole(k);
		check_rates(k, last / 100);
		knowledge_close(k);
	}
	remove_all(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_moment_it_starts_again),
		cmocka_unit_test(a_log_that_is_cut_or_torn_leaves_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
