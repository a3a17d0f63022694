/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench crypto: what the cryptography costs, ours at each level beside OpenSSL's.
 *
 * Rounds are interleaved: each goes once through all contestants, so that what the machine does
 * meanwhile falls on all of them. A figure is the median of its rounds. */
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/bench.h"
#include "bench/evp_operations.h"
#include "bench/rival.h"
#include "lab.h"
#include "pqc/cpu.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

#define ROUNDS 9
#define ROUNDS_MAX 1000
#define ROUND_NS 20000000 /* at least this long each, so that the clock is no matter */
#define COLUMNS_MAX 8

/* ---- our own operations ---- */

/* Keys and outputs every operation finds ready. */
struct own {
	uint8_t seed[64], m[32], rnd[32];
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
	uint8_t scratch[MLDSA_SK_MAX], other[MLDSA_PK_MAX];
	uint64_t count;
};

static const uint8_t message[64] = "a message of 64 bytes";

static bool kem_keygen(void *arg)
{
	struct own *o = arg;

	mlkem_keygen(MLKEM_768, o->seed, o->seed + 32, o->other, o->scratch);
	return true;
}

static bool kem_encaps(void *arg)
{
	struct own *o = arg;

	return mlkem_encaps(MLKEM_768, o->ek, o->m, o->scratch, o->ss) == 0;
}

static bool kem_decaps(void *arg)
{
	struct own *o = arg;

	mlkem_decaps(MLKEM_768, o->dk, o->ct, o->ss);
	return true;
}

static bool dsa_keygen(void *arg)
{
	struct own *o = arg;

	mldsa_keygen(MLDSA_65, o->seed, o->other, o->scratch);
	return true;
}

/* Another rnd each time: how often signing starts again depends on it, and the mean is meant. */
static bool dsa_sign(void *arg)
{
	struct own *o = arg;

	memcpy(o->rnd, &o->count, sizeof(o->count));
	o->count++;
	return mldsa_sign(MLDSA_65, o->sk, message, sizeof(message), NULL, 0, o->rnd, o->scratch) ==
	       0;
}

static bool dsa_verify(void *arg)
{
	struct own *o = arg;

	return mldsa_verify(MLDSA_65, o->pk, message, sizeof(message), NULL, 0, o->sig) == 0;
}

static bool own_prepare(struct own *o)
{
	for (size_t i = 0; i < sizeof(o->seed); i++)
		o->seed[i] = (uint8_t)i;
	mlkem_keygen(MLKEM_768, o->seed, o->seed + 32, o->ek, o->dk);
	mldsa_keygen(MLDSA_65, o->seed, o->pk, o->sk);
	return mlkem_encaps(MLKEM_768, o->ek, o->m, o->ct, o->ss) == 0 &&
	       mldsa_sign(MLDSA_65, o->sk, message, sizeof(message), NULL, 0, o->rnd, o->sig) == 0;
}

static const struct {
	const char *name;
	bool (*run)(void *arg);
} own_operations[] = {
	{ "ML-KEM-768 keygen", kem_keygen }, { "ML-KEM-768 encaps", kem_encaps },
	{ "ML-KEM-768 decaps", kem_decaps }, { "ML-DSA-65 keygen", dsa_keygen },
	{ "ML-DSA-65 sign", dsa_sign },	     { "ML-DSA-65 verify", dsa_verify },
};

/* ---- contestants: columns of the table ---- */

struct column {
	char name[RIVAL_VERSION_SIZE];
	bool is_own;
	enum pqc_level level; /* of ours */
	struct rival *rival;  /* NULL: the libcrypto of this process */
};

struct bench {
	struct own own;
	struct column columns[COLUMNS_MAX];
	size_t n_columns;
	unsigned rounds;
	int pinned_to;
};

static struct column *add_column(struct bench *b, const char *name)
{
	struct column *c = &b->columns[b->n_columns++];

	*c = (struct column){ 0 };
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	return c;
}

static void add_own_columns(struct bench *b)
{
	for (unsigned level = PQC_PORTABLE; level <= pqc_level_max(); level++) {
		struct column *c = add_column(b, pqc_level_name(level));

		c->is_own = true;
		c->level = level;
	}
}

static bool add_rival(struct bench *b, enum rival_kind kind, const char *path)
{
	struct rival *rival = path ? rival_start(kind, path) : NULL;

	if (rival)
		add_column(b, rival_version(rival))->rival = rival;
	return !path || rival;
}

static double own_round_ns(struct bench *b, enum pqc_level level, const char *name)
{
	double ns = -1;

	if (pqc_set_level(level) < 0)
		return -1;
	for (size_t i = 0; i < N_ELEMENTS(own_operations); i++)
		if (strcmp(own_operations[i].name, name) == 0)
			ns = bench_round_ns(own_operations[i].run, &b->own, ROUND_NS);
	(void)pqc_set_level(pqc_level_max());
	return ns;
}

/* Microseconds by column, negative where a column has no such operation. */
static void measure(struct bench *b, const char *name, double ret[COLUMNS_MAX])
{
	struct evp_operation *evp = evp_operation_new(name);
	double rounds[COLUMNS_MAX][ROUNDS_MAX];

	for (unsigned i = 0; i < b->rounds; i++) {
		for (size_t j = 0; j < b->n_columns; j++) {
			const struct column *c = &b->columns[j];

			if (c->is_own)
				rounds[j][i] = own_round_ns(b, c->level, name);
			else if (c->rival)
				rounds[j][i] = rival_round_ns(c->rival, name, ROUND_NS);
			else
				rounds[j][i] =
					evp ? bench_round_ns(evp_operation_run, evp, ROUND_NS) : -1;
		}
	}
	for (size_t j = 0; j < b->n_columns; j++) {
		double median = bench_median(rounds[j], b->rounds);

		ret[j] = median < 0 ? -1 : median / 1000;
	}
	evp_operation_free(evp);
}

/* ---- output ---- */

static void print_heading(const struct bench *b)
{
	(void)printf("us of processor time, medians of %u interleaved rounds\n%-20s", b->rounds,
		     "");
	for (size_t j = 0; j < b->n_columns; j++)
		(void)printf(" %*.*s", b->columns[j].is_own ? 9 : 16, b->columns[j].is_own ? 9 : 16,
			     b->columns[j].name);
	(void)putchar('\n');
}

static void print_row(const struct bench *b, const char *name, const double us[COLUMNS_MAX])
{
	(void)printf("%-20s", name);
	for (size_t j = 0; j < b->n_columns; j++) {
		int width = b->columns[j].is_own ? 9 : 16;

		if (us[j] < 0)
			(void)printf(" %*s", width, "-");
		else
			(void)printf(" %*.1f", width, us[j]);
	}
	(void)putchar('\n');
	(void)fflush(stdout);
}

static json_t *row_json(const struct bench *b, const double us[COLUMNS_MAX])
{
	json_t *row = json_object();

	for (size_t j = 0; j < b->n_columns; j++)
		(void)json_object_set_new(row, b->columns[j].name,
					  us[j] < 0 ? json_null() : json_real(us[j]));
	return row;
}

static int run(struct bench *b, bool as_json)
{
	CLEANUP(json_decrefp) json_t *rows = json_object();
	double us[COLUMNS_MAX];
	const char *name;

	if (!own_prepare(&b->own)) {
		(void)fprintf(stderr, "x0-lab bench: cannot prepare the keys\n");
		return EXIT_FAILURE;
	}
	if (!as_json)
		print_heading(b);
	for (size_t i = 0; (name = evp_operation_name(i)); i++) {
		measure(b, name, us);
		if (as_json)
			(void)json_object_set_new(rows, name, row_json(b, us));
		else
			print_row(b, name, us);
	}
	if (as_json) {
		CLEANUP(json_decrefp)
		json_t *all =
			json_pack("{s:o, s:s, s:i, s:O}", "machine", bench_machine(b->pinned_to),
				  "unit", "us", "rounds", (int)b->rounds, "operations", rows);

		(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(5));
		(void)putchar('\n');
	}
	return EXIT_SUCCESS;
}

int bench_crypto(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "rival-root", required_argument, NULL, 'R' },
		{ "rival-node", required_argument, NULL, 'N' },
		{ 0 },
	};
	CLEANUP_FREE struct bench *b = calloc(1, sizeof(*b));
	const char *root = NULL, *node = NULL;
	bool as_json = false;
	int status = EXIT_FAILURE;
	int option;

	if (!b)
		return EXIT_FAILURE;
	b->rounds = ROUNDS;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			as_json = true;
		else if (option == 'r')
			b->rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'R')
			root = optarg;
		else if (option == 'N')
			node = optarg;
		else
			return lab_usage(option == 'h', BENCH_CRYPTO_USAGE);
	}
	if (optind != argc || b->rounds < 1 || b->rounds > ROUNDS_MAX)
		return lab_usage(false, BENCH_CRYPTO_USAGE);
	b->pinned_to = bench_pin();
	add_own_columns(b);
	(void)add_column(b, OpenSSL_version(OPENSSL_VERSION));
	if (add_rival(b, RIVAL_ROOT, root) && add_rival(b, RIVAL_NODE, node))
		status = run(b, as_json);
	for (size_t j = 0; j < b->n_columns; j++)
		rival_end(b->columns[j].rival);
	return status;
}
