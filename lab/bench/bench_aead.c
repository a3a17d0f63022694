/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench aead: what sealing and opening a packet costs through the program's own table, with
 * each of its implementations.
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
#include "lab.h"
#include "shell/openssl/crypto_openssl.h"

#define ROUNDS 21
#define ROUND_NS 2000000
#define LEN_MAX 16384
#define AD_LEN 16 /* the clear part of a datagram */
#define BATCH 64  /* packets to one reading of the clock, which takes longer than one of them */

static const size_t lengths[] = { 64, 256, 1400, LEN_MAX };

#define N_LENGTHS N_ELEMENTS(lengths)

static const struct kind {
	const char *name;
	enum aead_algorithm algorithm;
	enum aes_gcm who;
} kinds[] = {
	{ "AES-256-GCM ours", AEAD_AES_256_GCM, AES_GCM_OWN },
	{ "AES-256-GCM OpenSSL", AEAD_AES_256_GCM, AES_GCM_LIBRARY },
	{ "ChaCha20-Poly1305", AEAD_CHACHA20_POLY1305, AES_GCM_MEASURED },
};

#define N_KINDS N_ELEMENTS(kinds)

/* A key and a packet. Sealing is in place, as in the packet path; opening is from one place to
 * another, so that the next call finds the same packet. */
struct contestant {
	const struct crypto_ops *ops;
	struct aead *aead; /* NULL: not on this processor */
	size_t len;
	uint8_t nonce[AEAD_NONCE_LEN];
	uint8_t ad[AD_LEN];
	uint8_t sealed[LEN_MAX + AEAD_TAG_LEN];
	uint8_t packet[LEN_MAX + AEAD_TAG_LEN];
};

enum direction {
	SEAL,
	OPEN,
	N_DIRECTIONS,
};

static const char *const directions[N_DIRECTIONS] = { "seal", "open" };

static bool seal(void *arg)
{
	struct contestant *c = arg;
	int r = 0;

	for (unsigned i = 0; i < BATCH; i++)
		r |= c->ops->aead_seal(c->aead, c->nonce, SPAN_OF(c->ad), SPAN(c->packet, c->len),
				       c->packet);
	return r == 0;
}

static bool open_packets(void *arg)
{
	struct contestant *c = arg;
	int r = 0;

	for (unsigned i = 0; i < BATCH; i++)
		r |= c->ops->aead_open(c->aead, c->nonce, SPAN_OF(c->ad),
				       SPAN(c->sealed, c->len + AEAD_TAG_LEN), c->packet);
	return r == 0;
}

static bool prepare(struct contestant *c, const struct kind *kind)
{
	const uint8_t key[AEAD_KEY_LEN] = { 1 };
	const char *error = "";

	c->ops = openssl_crypto_ops(&error);
	if (!c->ops) {
		(void)fprintf(stderr, "x0-lab bench: %s\n", error);
		return false;
	}
	if (crypto_openssl_use_aes_gcm(kind->who) == 0)
		c->aead = c->ops->aead_new(kind->algorithm, key);
	(void)crypto_openssl_use_aes_gcm(AES_GCM_MEASURED);
	return true;
}

static void set_length(struct contestant *c, size_t len)
{
	c->len = len;
	if (c->aead)
		(void)c->ops->aead_seal(c->aead, c->nonce, SPAN_OF(c->ad), SPAN(c->packet, len),
					c->sealed);
}

struct result {
	double ns[N_KINDS][N_LENGTHS][N_DIRECTIONS]; /* negative where there is none */
};

static void measure(struct contestant *all, size_t length, struct result *ret)
{
	double rounds[N_KINDS][N_DIRECTIONS][ROUNDS];

	static bool (*const run[N_DIRECTIONS])(void *arg) = { seal, open_packets };

	for (size_t k = 0; k < N_KINDS; k++)
		set_length(&all[k], lengths[length]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (size_t k = 0; k < N_KINDS; k++)
			for (unsigned d = 0; d < N_DIRECTIONS; d++)
				rounds[k][d][i] =
					all[k].aead
						? bench_round_ns(run[d], &all[k], ROUND_NS) / BATCH
						: -1;
	}
	for (size_t k = 0; k < N_KINDS; k++)
		for (unsigned d = 0; d < N_DIRECTIONS; d++)
			ret->ns[k][length][d] = bench_median(rounds[k][d], ROUNDS);
}

/* ---- output ---- */

static void print_text(const struct result *r)
{
	(void)printf("ns of processor time a packet and GB/s, medians of %u interleaved rounds; "
		     "%u bytes of associated data\n%-28s",
		     ROUNDS, AD_LEN, "");
	for (size_t i = 0; i < N_LENGTHS; i++)
		(void)printf("  %10zu bytes", lengths[i]);
	(void)putchar('\n');
	for (size_t k = 0; k < N_KINDS; k++) {
		for (unsigned d = 0; d < N_DIRECTIONS; d++) {
			(void)printf("%-22s %-5s", kinds[k].name, directions[d]);
			for (size_t i = 0; i < N_LENGTHS; i++) {
				double ns = r->ns[k][i][d];

				if (ns < 0)
					(void)printf("  %16s", "-");
				else
					(void)printf("  %9.1f %6.2f", ns, (double)lengths[i] / ns);
			}
			(void)putchar('\n');
		}
	}
}

static json_t *row_json(const struct result *r, size_t kind, enum direction d)
{
	json_t *row = json_object();

	for (size_t i = 0; i < N_LENGTHS; i++) {
		double ns = r->ns[kind][i][d];
		char length[24];

		(void)snprintf(length, sizeof(length), "%zu", lengths[i]);
		(void)json_object_set_new(row, length, ns < 0 ? json_null() : json_real(ns));
	}
	return row;
}

static void print_json(const struct result *r, int pinned_to)
{
	CLEANUP(json_decrefp) json_t *rows = json_object();
	CLEANUP(json_decrefp) json_t *all = NULL;

	for (size_t k = 0; k < N_KINDS; k++)
		(void)json_object_set_new(rows, kinds[k].name,
					  json_pack("{s:o, s:o}", directions[SEAL],
						    row_json(r, k, SEAL), directions[OPEN],
						    row_json(r, k, OPEN)));
	all = json_pack("{s:o, s:s, s:s, s:i, s:i, s:O}", "machine", bench_machine(pinned_to),
			"library", OpenSSL_version(OPENSSL_VERSION), "unit", "ns", "rounds", ROUNDS,
			"ad_bytes", AD_LEN, "ciphers", rows);
	(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(5));
	(void)putchar('\n');
}

static int run(struct contestant *all, bool as_json)
{
	int pinned_to = bench_pin();
	struct result r;

	for (size_t k = 0; k < N_KINDS; k++)
		if (!prepare(&all[k], &kinds[k]))
			return EXIT_FAILURE;
	for (size_t i = 0; i < N_LENGTHS; i++)
		measure(all, i, &r);
	if (as_json)
		print_json(&r, pinned_to);
	else
		print_text(&r);
	for (size_t k = 0; k < N_KINDS; k++)
		all[k].ops->aead_free(all[k].aead);
	return EXIT_SUCCESS;
}

int bench_aead(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	CLEANUP_FREE struct contestant *all = calloc(N_KINDS, sizeof(*all));
	bool as_json = false;
	int option;

	if (!all)
		return EXIT_FAILURE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return lab_usage(option == 'h', BENCH_AEAD_USAGE);
		as_json = true;
	}
	if (optind != argc)
		return lab_usage(false, BENCH_AEAD_USAGE);
	return run(all, as_json);
}
