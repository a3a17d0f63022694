/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents are put, found, counted and pruned; damaged, foreign and later files are told apart. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/knowledge/internal.h"
#include "shell/loop/loop.h"

struct place {
	char dir[64];
	struct knowledge *k;
	struct knowledge_notice notice;
};

static int begin(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/x0-test-knowledge-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)knowledge_open(p->dir, &p->k, &p->notice);
	assert_string_equal(p->notice.text, "");
	assert_non_null(p->k);
	assert_string_equal(p->notice.aside, "");
	*state = p;
	return 0;
}

static int end(void **state)
{
	struct place *p = *state;
	char command[128];

	knowledge_close(p->k);
	(void)snprintf(command, sizeof(command), "rm -r %s", p->dir);
	assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
	free(p);
	return 0;
}

static void path_of(const struct place *p, const char *suffix, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/" KNOWLEDGE_FILE "%s", p->dir, suffix);
}

static int reopen(struct place *p)
{
	knowledge_close(TAKE(p->k));
	return knowledge_open(p->dir, &p->k, &p->notice);
}

/* A closed one; every third is still open. */
static void fill(struct knowledge_incident *i, uint64_t id)
{
	*i = (struct knowledge_incident){
		.id = id,
		.kind = "delivery",
		.state = "healed",
		.severity = 1,
		.opened_ms = (int64_t)id * 1000,
		.closed_ms = id % 3 ? (int64_t)id * 1000 + 500 : 0,
		.n_evidence = 2,
		.n_causes = 1,
		.n_actions = 1,
		.evidence = { { .signal = "delivery", .source = "probe", .value = 0.25 },
			      { .signal = "rtt", .value = NAN, .unix_ms = 7 } },
		.causes = { { .kind = "node", .subject = "berlin-2", .confidence = 0.75 } },
		.actions = { { .id = id,
			       .action = "exclude",
			       .subject = "berlin-2",
			       .cause_kind = "node",
			       .result = "the probe came through",
			       .outcome = KNOWLEDGE_CONFIRMED,
			       .began_ms = 1,
			       .ended_ms = 2 } },
	};
	(void)snprintf(i->key, sizeof(i->key), "delivery/%llu", (unsigned long long)id);
	(void)snprintf(i->subject, sizeof(i->subject), "subject%llu", (unsigned long long)id);
	(void)snprintf(i->why, sizeof(i->why), "packets vanish");
}

static void put(struct place *p, uint64_t id)
{
	struct knowledge_incident i;

	fill(&i, id);
	assert_int_equal(knowledge_put_incident(p->k, &i), 0);
}

static size_t found(struct place *p, const char *text)
{
	struct knowledge_incident ret[8];
	size_t n = 99;

	assert_int_equal(knowledge_find(p->k,
					&(struct knowledge_search){ .text = text, .n_max = 8 }, ret,
					&n),
			 0);
	return n;
}

static void an_incident_comes_back_as_it_was_put(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i, ret;

	fill(&i, 4);
	assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	assert_int_equal(reopen(p), 0);
	assert_int_equal(knowledge_get(p->k, 4, &ret), 0);
	assert_string_equal(ret.subject, "subject4");
	assert_string_equal(ret.why, "packets vanish");
	assert_int_equal(ret.opened_ms, 4000);
	assert_int_equal(ret.closed_ms, 4500);
	assert_int_equal(ret.n_evidence, 2);
	assert_true(ret.evidence[0].value == 0.25);
	assert_true(isnan(ret.evidence[1].value)); /* missing is not 0 */
	assert_int_equal(ret.n_causes, 1);
	assert_true(ret.causes[0].confidence == 0.75);
	assert_int_equal(ret.n_actions, 1);
	assert_string_equal(ret.actions[0].result, "the probe came through");
	assert_int_equal(ret.actions[0].outcome, KNOWLEDGE_CONFIRMED);
	assert_int_equal(knowledge_get(p->k, 5, &ret), -ENOENT);
	assert_int_equal(knowledge_get(p->k, UINT64_MAX, &ret), -ENOENT);
}

static void putting_again_replaces_and_words_follow(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i, ret;
	size_t all = 0, open = 0;

	put(p, 4);
	fill(&i, 4);
	i.n_evidence = 1;
	(void)snprintf(i.why, sizeof(i.why), "a strange thing");
	(void)snprintf(i.state, sizeof(i.state), "escalated");
	assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	assert_int_equal(knowledge_get(p->k, 4, &ret), 0);
	assert_int_equal(ret.n_evidence, 1);
	assert_string_equal(ret.state, "escalated");
	assert_int_equal(found(p, "vanish"), 0);
	assert_int_equal(found(p, "strange"), 1);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, 1);
}

static void what_is_out_of_range_is_refused(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i;
	size_t all = 0, open = 0;

	fill(&i, 4);
	i.id = 0;
	assert_int_equal(knowledge_put_incident(p->k, &i), -EINVAL);
	i.id = UINT64_MAX;
	assert_int_equal(knowledge_put_incident(p->k, &i), -EINVAL);
	fill(&i, 4);
	i.n_evidence = KNOWLEDGE_EVIDENCE_MAX + 1;
	assert_int_equal(knowledge_put_incident(p->k, &i), -EINVAL);
	fill(&i, 4);
	i.actions[0].outcome = KNOWLEDGE_N_OUTCOMES;
	assert_int_equal(knowledge_put_incident(p->k, &i), -EINVAL);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, 0);
}

static void pages_go_from_the_newest_to_the_oldest(void **state)
{
	struct place *p = *state;
	struct knowledge_incident ret[4];
	struct knowledge_search s = { .n_max = 4 };
	size_t n = 0;

	for (uint64_t id = 1; id <= 10; id++)
		put(p, id);
	assert_int_equal(knowledge_find(p->k, &s, ret, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(ret[0].id, 10);
	s.before_id = ret[3].id;
	assert_int_equal(knowledge_find(p->k, &s, ret, &n), 0);
	assert_int_equal(ret[0].id, 6);
	s.before_id = ret[3].id;
	assert_int_equal(knowledge_find(p->k, &s, ret, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ret[1].id, 1);
	s.before_id = 1;
	assert_int_equal(knowledge_find(p->k, &s, ret, &n), 0);
	assert_int_equal(n, 0);
}

static void words_kind_and_time_narrow_a_search(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i, ret[8];
	size_t n = 0;

	for (uint64_t id = 1; id <= 5; id++)
		put(p, id);
	fill(&i, 6);
	(void)snprintf(i.kind, sizeof(i.kind), "disk");
	assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	assert_int_equal(found(p, "berl"), 6); /* the beginning of a word, of a cause */
	assert_int_equal(found(p, "subject3 VANISH"), 1);
	assert_int_equal(found(p, "subject3 nowhere"), 0);
	assert_int_equal(knowledge_find(p->k,
					&(struct knowledge_search){
						.kind = "disk", .n_max = 8, .text = "berlin" },
					ret, &n),
			 0);
	assert_int_equal(n, 1);
	assert_int_equal(knowledge_find(p->k,
					&(struct knowledge_search){ .since_ms = 5000, .n_max = 8 },
					ret, &n),
			 0);
	assert_int_equal(n, 2);
}

static void a_hostile_search_is_only_words(void **state)
{
	struct place *p = *state;
	static const char *const hostile[] = {
		"\"",	       "* * *",	    "text:berlin",  "NEAR(berlin",     "berlin AND",
		"' OR 1=1 --", "^berlin",   "(((((",	    "berlin\" OR \"x", "-berlin",
		"+",	       "{text}: x", "\xff\xfe\x80", "a\tb\nc",
	};
	char long_one[4096];

	put(p, 1);
	for (size_t n = 0; n < N_ELEMENTS(hostile); n++)
		assert_true(found(p, hostile[n]) <= 1);
	assert_int_equal(found(p, "-berlin:"), 1);
	assert_int_equal(found(p, "!!"), 0);
	assert_int_equal(found(p, ""), 0);
	memset(long_one, 'x', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(found(p, long_one), 0);
	for (size_t n = 1; n < sizeof(long_one) - 1; n += 2)
		long_one[n] = ' ';
	assert_int_equal(found(p, long_one), 0);
}

static void the_oldest_that_are_closed_make_room(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i, ret;
	struct knowledge_rate rate;
	size_t all = 0, open = 0, n = 0;
	uint64_t last = 0;

	knowledge_bound(p->k, 4);
	for (uint64_t id = 1; id <= 8; id++) /* 3 and 6 are open */
		put(p, id);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, 4);
	assert_int_equal(open, 2);
	assert_int_equal(knowledge_get(p->k, 3, &ret), 0);
	assert_int_equal(knowledge_get(p->k, 5, &ret), -ENOENT);
	assert_int_equal(found(p, "subject5"), 0);
	/* what they taught stays, and is not counted twice */
	fill(&i, 5);
	assert_int_equal(knowledge_put_incident(p->k, &i), -ESTALE);
	assert_int_equal(knowledge_rates(p->k, "node", &rate, 1, &n), 0);
	assert_int_equal(rate.n_tried, 8);
	assert_int_equal(knowledge_last_id(p->k, &last), 0);
	assert_int_equal(last, 8);
	for (uint64_t id = 9; id <= 30; id += 3) /* all open: the oldest of these go */
		put(p, id);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, 4);
}

static void an_outcome_counts_once(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i;
	struct knowledge_rate rates[4];
	size_t n = 0;

	fill(&i, 1);
	i.actions[0].outcome = KNOWLEDGE_PENDING;
	assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	assert_int_equal(knowledge_rates(p->k, NULL, rates, 4, &n), 0);
	assert_int_equal(n, 0);
	i.actions[0].outcome = KNOWLEDGE_UNCONFIRMED;
	for (unsigned times = 0; times < 3; times++)
		assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	put(p, 2);
	assert_int_equal(knowledge_rates(p->k, NULL, rates, 4, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(rates[0].cause_kind, "node");
	assert_string_equal(rates[0].action, "exclude");
	assert_int_equal(rates[0].n_tried, 2);
	assert_int_equal(rates[0].n_worked, 1);
	assert_int_equal(knowledge_rates(p->k, "link", rates, 4, &n), 0);
	assert_int_equal(n, 0);
}

static void pairs_beyond_the_bound_are_not_counted(void **state)
{
	struct place *p = *state;
	static struct knowledge_rate rates[KNOWLEDGE_RATES_MAX + 8];
	struct knowledge_incident i;
	size_t n = 0;

	for (uint64_t id = 1; id <= KNOWLEDGE_RATES_MAX / KNOWLEDGE_ACTIONS_MAX + 1; id++) {
		fill(&i, id);
		i.n_actions = KNOWLEDGE_ACTIONS_MAX;
		for (size_t a = 0; a < i.n_actions; a++) {
			i.actions[a] = i.actions[0];
			i.actions[a].id = id * 100 + a;
			(void)snprintf(i.actions[a].action, sizeof(i.actions[a].action), "a%llu",
				       (unsigned long long)i.actions[a].id);
		}
		assert_int_equal(knowledge_put_incident(p->k, &i), 0);
	}
	assert_int_equal(knowledge_rates(p->k, NULL, rates, N_ELEMENTS(rates), &n), 0);
	assert_int_equal(n, KNOWLEDGE_RATES_MAX);
}

/* Against Wilson's formula in Python. */
static void bounds_are_those_of_wilson(void **state)
{
	(void)state;
	double low = -1, high = -1;

	knowledge_bounds(0, 0, &low, &high);
	assert_true(low == 0 && high == 1);
	knowledge_bounds(8, 10, &low, &high);
	assert_true(fabs(low - 0.4901625) < 1e-6 && fabs(high - 0.9433178) < 1e-6);
	knowledge_bounds(10, 10, &low, &high);
	assert_true(fabs(low - 0.7224672) < 1e-6 && high == 1);
	knowledge_bounds(0, 1000000, &low, &high);
	assert_true(low == 0 && high < 4e-6);
	knowledge_bounds(11, 10, &low, &high);
	assert_true(low == 0 && high == 1);
}

static void those_left_open_are_closed_with_a_reason(void **state)
{
	struct place *p = *state;
	struct knowledge_incident ret;
	size_t n = 0, all = 0, open = 9;

	put(p, 2);
	put(p, 3);
	assert_int_equal(knowledge_abandon_open(p->k, 1, "interrupted", &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(knowledge_get(p->k, 3, &ret), 0);
	assert_string_equal(ret.state, "interrupted");
	assert_true(ret.closed_ms >= ret.opened_ms); /* whatever the clock says */
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(open, 0);
}

static void the_file_is_closed_to_others(void **state)
{
	struct place *p = *state;
	static const char *const suffixes[] = { "", "-wal" };
	char path[256];
	struct stat about;

	put(p, 1);
	for (size_t i = 0; i < N_ELEMENTS(suffixes); i++) {
		path_of(p, suffixes[i], path, sizeof(path));
		assert_int_equal(stat(path, &about), 0);
		assert_int_equal(about.st_mode & 0777, 0600);
	}
}

static void a_second_process_is_refused(void **state)
{
	struct place *p = *state;
	struct knowledge *other = NULL;
	struct knowledge_notice notice;

	put(p, 1);
	/* of one process: SQLite keeps its own account of these locks */
	assert_int_equal(knowledge_open(p->dir, &other, &notice), -EBUSY);
	assert_non_null(strstr(notice.text, "another process has it"));
	assert_string_equal(notice.aside, "");
}

/* ---- damage ---- */

static void write_at(const struct place *p, off_t at, const void *bytes, size_t len)
{
	char path[256];
	int fd;

	path_of(p, "", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	(void)close(fd);
}

static void a_damaged_file_is_set_aside_and_told(void **state)
{
	struct place *p = *state;
	char path[256];
	uint8_t junk[4096];
	struct knowledge_incident ret;

	memset(junk, 0xa5, sizeof(junk));
	for (unsigned n = 1; n <= KNOWLEDGE_ASIDE_MAX + 1; n++) {
		put(p, 1);
		knowledge_close(TAKE(p->k));
		write_at(p, n == 2 ? 0 : 4096, junk, sizeof(junk)); /* its head, or a page */
		if (n > KNOWLEDGE_ASIDE_MAX) {
			assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), -EUCLEAN);
			assert_non_null(strstr(p->notice.text, "look at the disk"));
			p->k = NULL;
			return;
		}
		assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
		assert_non_null(strstr(p->notice.aside, "was damaged"));
		(void)snprintf(path, sizeof(path), "%s/" KNOWLEDGE_FILE ".damaged-%u", p->dir, n);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(knowledge_get(p->k, 1, &ret), -ENOENT);
	}
}

static void a_part_of_the_spare_room_is_made_whole(void **state)
{
	struct place *p = *state;
	struct stat spare;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/" KNOWLEDGE_SPARE, p->dir);
	knowledge_close(TAKE(p->k));
	assert_int_equal(truncate(path, 100000), 0);
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
	assert_int_equal(stat(path, &spare), 0);
	assert_int_equal(spare.st_size, KNOWLEDGE_SPARE_BYTES);
}

static unsigned n_files(const char *directory)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void all_of_it_is_removed_with_what_was_set_aside(void **state)
{
	struct place *p = *state;
	uint8_t junk[4096];

	memset(junk, 0xa5, sizeof(junk));
	put(p, 1);
	knowledge_close(TAKE(p->k));
	write_at(p, 4096, junk, sizeof(junk));
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
	put(p, 1);
	knowledge_close(TAKE(p->k));
	assert_in_range(n_files(p->dir), 2, 8);
	assert_int_equal(knowledge_remove(p->dir), 0);
	assert_int_equal(n_files(p->dir), 0);
	assert_int_equal(knowledge_remove(p->dir), 0);
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
}

static void words_that_do_not_fit_the_incidents_are_damage_too(void **state)
{
	struct place *p = *state;

	for (uint64_t id = 1; id <= 5; id++)
		put(p, id);
	(void)sqlite3_db_config(p->k->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	assert_int_equal(
		sqlite3_exec(p->k->db, "DELETE FROM words_data WHERE id > 10", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(reopen(p), 0);
	assert_non_null(strstr(p->notice.aside, "was damaged"));
}

static void a_file_that_is_cut_is_set_aside(void **state)
{
	struct place *p = *state;
	char path[256];

	put(p, 1);
	knowledge_close(TAKE(p->k));
	path_of(p, "", path, sizeof(path));
	assert_int_equal(truncate(path, 3 * 4096 + 100), 0);
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
	assert_non_null(strstr(p->notice.aside, "was damaged"));
}

static void a_later_version_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	struct knowledge_incident ret;

	put(p, 1);
	assert_int_equal(sqlite3_exec(p->k->db, "PRAGMA user_version=999", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(reopen(p), -EPROTO);
	assert_non_null(strstr(p->notice.text, "version 999"));
	assert_string_equal(p->notice.aside, "");
	p->k = NULL;

	char path[256];
	sqlite3 *db = NULL;

	path_of(p, "", path, sizeof(path));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), 0);
	assert_int_equal(knowledge_get(p->k, 1, &ret), 0);
}

static void a_database_of_somebody_else_is_refused(void **state)
{
	struct place *p = *state;
	char path[256];
	sqlite3 *db = NULL;

	knowledge_close(TAKE(p->k));
	path_of(p, "", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE a (b)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(knowledge_open(p->dir, &p->k, &p->notice), -EPROTO);
	assert_non_null(strstr(p->notice.text, "not one of x0"));
	p->k = NULL;
}

/* SQLite tells no space from other trouble only by ENOSPC, which a limit on files is not. */
static void a_disk_that_takes_no_more_changes_nothing(void **state)
{
	struct place *p = *state;
	struct rlimit before, limit;
	struct knowledge_incident i;
	size_t all = 0, open = 0, n_put = 1;
	int r = 0;

	put(p, 1);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 256UL << 10; /* of each file; the log reaches it first */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (r == 0 && n_put < 2000) {
		fill(&i, n_put + 1);
		r = knowledge_put_incident(p->k, &i);
		n_put += r == 0;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EIO);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, n_put);
	put(p, 5000); /* there is room again */
	assert_int_equal(reopen(p), 0);
	assert_string_equal(p->notice.aside, "");
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, n_put + 1);
}

static void without_room_nothing_changes(void **state)
{
	struct place *p = *state;
	struct knowledge_incident i;
	size_t all = 0, open = 0, n_put = 1;
	int r = 0;

	put(p, 1);
	assert_int_equal(sqlite3_exec(p->k->db, "PRAGMA max_page_count=40", NULL, NULL, NULL),
			 SQLITE_OK);
	while (r == 0 && n_put < 2000) {
		fill(&i, n_put + 1);
		r = knowledge_put_incident(p->k, &i);
		n_put += r == 0;
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(knowledge_count(p->k, &all, &open), 0);
	assert_int_equal(all, n_put);
	assert_int_equal(reopen(p), 0);
	assert_string_equal(p->notice.aside, "");
	put(p, 5000);
}

/* ---- from the loop ---- */

static void what_is_old_is_given_back_to_a_disk_that_is_full(void **state)
{
	struct place *p = *state;
	uint64_t before = 0, after = 0;
	struct knowledge_incident i;
	struct knowledge_rate rate;
	size_t n, n_open, n_rates;

	for (uint64_t id = 1; id <= 3 * 300; id++)
		put(p, id);
	assert_int_equal(knowledge_count(p->k, &n, &n_open), 0);
	assert_int_equal(n, 900);
	assert_int_equal(knowledge_size(p->dir, &before), 0);
	assert_int_equal(knowledge_shrink(p->k), 0);
	assert_int_equal(knowledge_size(p->dir, &after), 0);
	print_message("%u KiB of %u are left\n", (unsigned)(after >> 10), (unsigned)(before >> 10));
	assert_true(after < before * 3 / 4);
	assert_int_equal(knowledge_count(p->k, &n, &n_open), 0);
	assert_int_equal(n_open, 300); /* those that are open stay, and so do the newest */
	assert_int_equal(n - n_open, KNOWLEDGE_KEEP);
	assert_int_equal(knowledge_get(p->k, 899, &i), 0);
	assert_int_equal(knowledge_get(p->k, 1, &i), -ENOENT);
	assert_int_equal(knowledge_rates(p->k, NULL, &rate, 1, &n_rates), 0);
	assert_int_equal(rate.n_tried, 900);
	assert_int_equal(knowledge_shrink(p->k), 0); /* again: nothing */
	put(p, 4000);
	assert_int_equal(reopen(p), 0);
	assert_string_equal(p->notice.aside, "");
}

static void count_call(void *arg, int error)
{
	*(int *)arg = error;
}

static void the_writer_keeps_the_order_and_the_newest(void **state)
{
	struct place *p = *state;
	struct knowledge_writer *w = NULL;
	struct knowledge_incident i, ret;
	struct loop *l = NULL;
	int told = 99;

	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(knowledge_writer_new(l, p->k, count_call, &told, &w), 0);
	for (uint64_t times = 1; times <= 50; times++) {
		fill(&i, 1 + times % 2);
		i.severity = (unsigned)times;
		assert_int_equal(knowledge_writer_put(w, &i), 0);
	}
	knowledge_writer_free(w); /* which writes what waits */
	loop_free(l);
	assert_int_equal(knowledge_get(p->k, 1, &ret), 0);
	assert_int_equal(ret.severity, 50);
	assert_int_equal(knowledge_get(p->k, 2, &ret), 0);
	assert_int_equal(ret.severity, 49);
	assert_int_equal(told, 99); /* it went well as ever */
}

static void a_full_queue_is_told_and_so_is_a_failure(void **state)
{
	struct place *p = *state;
	struct knowledge_writer *w = NULL;
	struct knowledge_incident i;
	struct loop *l = NULL;
	int told = 0;
	size_t n_taken = 0;

	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(knowledge_writer_new(l, p->k, count_call, &told, &w), 0);
	for (uint64_t id = 1; id <= KNOWLEDGE_WAITING_MAX + 10; id++) {
		fill(&i, id);
		n_taken += knowledge_writer_put(w, &i) == 0;
	}
	assert_int_equal(n_taken, KNOWLEDGE_WAITING_MAX + 1); /* and the one under way */
	loop_run(l);
	assert_int_equal(told, 0);
	fill(&i, 1);
	i.id = 0;
	assert_int_equal(knowledge_writer_put(w, &i), 0);
	loop_run(l);
	assert_int_equal(told, -EINVAL);
	fill(&i, 100);
	assert_int_equal(knowledge_writer_put(w, &i), 0);
	loop_run(l);
	assert_int_equal(told, 0);
	knowledge_writer_free(w);
	loop_free(l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_incident_comes_back_as_it_was_put),
		TEST(putting_again_replaces_and_words_follow),
		TEST(what_is_out_of_range_is_refused),
		TEST(pages_go_from_the_newest_to_the_oldest),
		TEST(words_kind_and_time_narrow_a_search),
		TEST(a_hostile_search_is_only_words),
		TEST(the_oldest_that_are_closed_make_room),
		TEST(an_outcome_counts_once),
		TEST(pairs_beyond_the_bound_are_not_counted),
		cmocka_unit_test(bounds_are_those_of_wilson),
		TEST(those_left_open_are_closed_with_a_reason),
		TEST(the_file_is_closed_to_others),
		TEST(a_second_process_is_refused),
		TEST(a_damaged_file_is_set_aside_and_told),
		TEST(all_of_it_is_removed_with_what_was_set_aside),
		TEST(a_part_of_the_spare_room_is_made_whole),
		TEST(words_that_do_not_fit_the_incidents_are_damage_too),
		TEST(a_file_that_is_cut_is_set_aside),
		TEST(a_later_version_is_refused_and_left_alone),
		TEST(a_database_of_somebody_else_is_refused),
		TEST(a_disk_that_takes_no_more_changes_nothing),
		TEST(without_room_nothing_changes),
		TEST(what_is_old_is_given_back_to_a_disk_that_is_full),
		TEST(the_writer_keeps_the_order_and_the_newest),
		TEST(a_full_queue_is_told_and_so_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
