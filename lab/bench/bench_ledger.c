/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench ledger: entries a second that become durable, in batches with one fsync each, and
 * the same entries as rows of SQLite in one run, where it was built with it.
 *
 * Our figure includes encoding, hashing, tiles and the signed checkpoint at the end; SQLite's is
 * one INSERT of the encoded entry, in transactions of the same size with synchronous=FULL, and
 * proves nothing. Both write below the same directory. */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "lab.h"
#include "shell/ledger/ledger.h"
#include "shell/openssl/crypto_openssl.h"
#ifdef X0_HAVE_SQLITE
#include <sqlite3.h>
#endif

#define ROUNDS 5
#define N_ENTRIES 100000
#define BATCH 1000

struct settings {
	const char *directory;
	uint64_t n, batch;
	bool is_json;
};

/* Entries a second: of the clock on the wall, and of the processor, which other load leaves as it
 * is and which does not count waiting for the disk. All zeros after a failure. */
struct rate {
	double wall, cpu;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct rate begin(void)
{
	return (struct rate){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static struct rate end(struct rate start, const struct settings *s)
{
	return (struct rate){
		.wall = (double)s->n / (seconds(CLOCK_MONOTONIC) - start.wall),
		.cpu = (double)s->n / (seconds(CLOCK_PROCESS_CPUTIME_ID) - start.cpu),
	};
}

static void fill_random(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	if (getrandom(ret, len, 0) != (ssize_t)len)
		abort();
}

/* Of the length that a healing action's entries have. */
static struct ledger_entry make_entry(uint64_t n, char room[64])
{
	(void)snprintf(room, 64, "link node-%llu to node-%llu", (unsigned long long)n % 97,
		       (unsigned long long)n % 89);
	return (struct ledger_entry){
		.kind = n % 2 ? LEDGER_RESULT : LEDGER_INTENT,
		.unix_ms = 1763766000000 + n,
		.incident = n / 2 + 1,
		.action = n / 2 + 1,
		.who = "spiffe://mesh.example/node/alice",
		.what = "route.exclude",
		.where = room,
		.why = "packets that it should forward do not arrive",
		.result = n % 2 ? "confirmed by probe" : NULL,
	};
}

static void remove_directory(const char *path)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", path);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this run made */
	(void)!system(command);
}

static int append_all(struct ledger *l, const struct settings *s)
{
	char room[64];
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < s->n; i++) {
		struct ledger_entry e = make_entry(i, room);

		r = ledger_append(l, &e, NULL);
		if (r == -EAGAIN) {
			r = ledger_commit(l);
			if (r == 0)
				r = ledger_append(l, &e, NULL);
		}
		if (r == 0 && (i + 1) % s->batch == 0)
			r = ledger_commit(l);
	}
	return r < 0 ? r : ledger_checkpoint(l);
}

static struct rate run_ledger(const struct settings *s)
{
	struct entropy entropy = { .fill = fill_random };
	struct ledger_config config = { .origin = "lab.example/ledger/bench",
					.ops = openssl_crypto_ops(NULL),
					.crypto = openssl_note_crypto(),
					.entropy = &entropy };
	struct ledger_error error = { "" };
	struct ledger *l = NULL;
	struct rate rate = { 0 }, start;
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "%s/ledger", s->directory);
	remove_directory(path);
	r = config.ops ? ledger_open(path, &config, &l, &error) : -EIO;
	start = begin();
	if (r == 0)
		r = append_all(l, s);
	if (r < 0)
		(void)fprintf(stderr, "x0-lab: %s %s\n", error.text, strerror(-r));
	else
		rate = end(start, s);
	ledger_close(l);
	remove_directory(path);
	return rate;
}

#ifdef X0_HAVE_SQLITE
static bool insert_all(sqlite3 *db, sqlite3_stmt *insert, const struct settings *s)
{
	uint8_t bytes[LEDGER_ENTRY_MAX];
	char room[64];
	bool is_ok = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;

	for (uint64_t i = 0; is_ok && i < s->n; i++) {
		struct ledger_entry e = make_entry(i, room);
		size_t len;

		is_ok = ledger_entry_encode(&e, bytes, sizeof(bytes), &len) == 0 &&
			sqlite3_bind_blob(insert, 1, bytes, (int)len, SQLITE_STATIC) == SQLITE_OK &&
			sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
		if (is_ok && (i + 1) % s->batch == 0)
			is_ok = sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL) == SQLITE_OK;
	}
	return is_ok && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

static struct rate run_sqlite(const struct settings *s)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *insert = NULL;
	struct rate rate = { 0 }, start;
	char path[256];
	bool is_ok;

	(void)snprintf(path, sizeof(path), "%s/rival.sqlite", s->directory);
	(void)remove(path);
	is_ok = sqlite3_open(path, &db) == SQLITE_OK &&
		sqlite3_exec(db,
			     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			     "CREATE TABLE entry(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
			     NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(db, "INSERT INTO entry(bytes) VALUES (?)", -1, &insert, NULL) ==
			SQLITE_OK;
	start = begin();
	if (is_ok && insert_all(db, insert, s))
		rate = end(start, s);
	(void)sqlite3_finalize(insert);
	(void)sqlite3_close(db);
	(void)remove(path);
	return rate;
}
#endif

/* The median of each kind. */
static struct rate median(const struct rate *of)
{
	double wall[ROUNDS], cpu[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		wall[i] = of[i].wall;
		cpu[i] = of[i].cpu;
	}
	return (struct rate){ bench_median(wall, ROUNDS), bench_median(cpu, ROUNDS) };
}

static json_t *rate_json(struct rate r)
{
	return json_pack("{s:f, s:f}", "per_s", r.wall, "per_processor_s", r.cpu);
}

static void print_json(const struct settings *s, struct rate ours, struct rate rival)
{
	json_t *all = json_pack("{s:o, s:I, s:I, s:o}", "machine", bench_machine(-1), "entries",
				(json_int_t)s->n, "batch", (json_int_t)s->batch, "ledger",
				rate_json(ours));

	if (rival.wall > 0)
		(void)json_object_set_new(all, "sqlite", rate_json(rival));
	(void)json_dumpf(all, stdout, JSON_INDENT(2));
	(void)printf("\n");
	json_decref(all);
}

static void print_text(const struct settings *s, struct rate ours, struct rate rival)
{
	(void)printf("%llu entries in batches of %llu, one fsync each, median of %d runs\n",
		     (unsigned long long)s->n, (unsigned long long)s->batch, ROUNDS);
	(void)printf("         by the clock  by processor time\n");
	(void)printf("  ledger %10.0f/s  %10.0f/s\n", ours.wall, ours.cpu);
	if (rival.wall > 0)
		(void)printf("  SQLite %10.0f/s  %10.0f/s\n", rival.wall, rival.cpu);
	else
		(void)printf("  SQLite: not measured, this program was built without it\n");
}

static int run(const struct settings *s)
{
	struct rate ours[ROUNDS], rival[ROUNDS] = { 0 };

	for (size_t i = 0; i < ROUNDS; i++) {
		ours[i] = run_ledger(s);
#ifdef X0_HAVE_SQLITE
		rival[i] = run_sqlite(s);
#endif
		if (ours[i].wall <= 0)
			return EXIT_FAILURE;
	}
	(s->is_json ? print_json : print_text)(s, median(ours), median(rival));
	return EXIT_SUCCESS;
}

int bench_ledger(int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "entries", required_argument, NULL, 'n' },
		{ "batch", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	char template[] = "/var/tmp/x0-bench-ledger-XXXXXX";
	struct settings s = { .n = N_ENTRIES, .batch = BATCH };
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			s.directory = optarg;
		else if (option == 'n')
			s.n = strtoull(optarg, NULL, 10);
		else if (option == 'b')
			s.batch = strtoull(optarg, NULL, 10);
		else if (option == 'j')
			s.is_json = true;
		else
			return lab_usage(option == 'h', BENCH_LEDGER_USAGE);
	}
	if (optind != argc || s.n == 0 || s.batch == 0)
		return lab_usage(false, BENCH_LEDGER_USAGE);
	if (s.directory)
		return run(&s);
	s.directory = mkdtemp(template);
	if (!s.directory) {
		perror("x0-lab: /var/tmp");
		return EXIT_FAILURE;
	}
	status = run(&s);
	remove_directory(s.directory);
	return status;
}
