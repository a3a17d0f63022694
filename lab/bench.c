/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench: what the cryptography costs on this machine, ours beside OpenSSL's. */
#include <getopt.h>
#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "evp.h"
#include "lab.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

#define ROUNDS 7
#define ROUND_NS 40000000 /* at least this long each, so that the clock is no matter */

DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)

/* Keys and outputs every operation finds ready. */
struct bench {
	uint8_t seed[64], m[32], rnd[32];
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
	uint8_t scratch[MLDSA_SK_MAX], other[MLDSA_PK_MAX];
	uint8_t peer[32];
	EVP_PKEY *ed25519, *p256;
	uint8_t ed25519_sig[64], p256_sig[80];
	size_t p256_sig_len;
	uint64_t count;
};

static const uint8_t message[64] = "a message of 64 bytes";

static bool kem_keygen(struct bench *b)
{
	mlkem_keygen(MLKEM_768, b->seed, b->seed + 32, b->other, b->scratch);
	return true;
}

static bool kem_encaps(struct bench *b)
{
	return mlkem_encaps(MLKEM_768, b->ek, b->m, b->scratch, b->ss) == 0;
}

static bool kem_decaps(struct bench *b)
{
	mlkem_decaps(MLKEM_768, b->dk, b->ct, b->ss);
	return true;
}

static bool dsa_keygen(struct bench *b)
{
	mldsa_keygen(MLDSA_65, b->seed, b->other, b->scratch);
	return true;
}

/* Another rnd each time: how often signing starts again depends on it, and the mean is meant. */
static bool dsa_sign(struct bench *b)
{
	memcpy(b->rnd, &b->count, sizeof(b->count));
	b->count++;
	return mldsa_sign(MLDSA_65, b->sk, message, sizeof(message), NULL, 0, b->rnd, b->scratch) ==
	       0;
}

static bool dsa_verify(struct bench *b)
{
	return mldsa_verify(MLDSA_65, b->pk, message, sizeof(message), NULL, 0, b->sig) == 0;
}

static bool x25519_keygen(struct bench *b)
{
	return evp_dh_public("X25519", SPAN(b->seed, 32), b->scratch) == 0;
}

static bool x25519_derive(struct bench *b)
{
	return evp_dh("X25519", SPAN(b->seed, 32), SPAN_OF(b->peer), b->ss) == 0;
}

static bool evp_sign(EVP_PKEY *key, const char *hash, uint8_t *ret, size_t *len)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return ctx && EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL) == 1 &&
	       EVP_DigestSign(ctx, ret, len, message, sizeof(message)) == 1;
}

static bool evp_verify(EVP_PKEY *key, const char *hash, const uint8_t *sig, size_t len)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return ctx && EVP_DigestVerifyInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL) == 1 &&
	       EVP_DigestVerify(ctx, sig, len, message, sizeof(message)) == 1;
}

static bool ed25519_sign(struct bench *b)
{
	size_t len = sizeof(b->scratch);

	return evp_sign(b->ed25519, NULL, b->scratch, &len);
}

static bool ed25519_verify(struct bench *b)
{
	return evp_verify(b->ed25519, NULL, b->ed25519_sig, sizeof(b->ed25519_sig));
}

static bool p256_sign(struct bench *b)
{
	size_t len = sizeof(b->scratch);

	return evp_sign(b->p256, "SHA256", b->scratch, &len);
}

static bool p256_verify(struct bench *b)
{
	return evp_verify(b->p256, "SHA256", b->p256_sig, b->p256_sig_len);
}

static bool p256_derive(struct bench *b)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, b->p256, NULL);
	size_t len = sizeof(b->scratch);

	return ctx && EVP_PKEY_derive_init(ctx) == 1 &&
	       EVP_PKEY_derive_set_peer(ctx, b->p256) == 1 &&
	       EVP_PKEY_derive(ctx, b->scratch, &len) == 1;
}

static const struct {
	const char *name;
	bool (*run)(struct bench *b);
} operations[] = {
	{ "ML-KEM-768 keygen", kem_keygen },
	{ "ML-KEM-768 encaps", kem_encaps },
	{ "ML-KEM-768 decaps", kem_decaps },
	{ "X25519 keygen (OpenSSL)", x25519_keygen },
	{ "X25519 derive (OpenSSL)", x25519_derive },
	{ "P-256 derive (OpenSSL)", p256_derive },
	{ "ML-DSA-65 keygen", dsa_keygen },
	{ "ML-DSA-65 sign", dsa_sign },
	{ "ML-DSA-65 verify", dsa_verify },
	{ "Ed25519 sign (OpenSSL)", ed25519_sign },
	{ "Ed25519 verify (OpenSSL)", ed25519_verify },
	{ "P-256 sign (OpenSSL)", p256_sign },
	{ "P-256 verify (OpenSSL)", p256_verify },
};

static bool prepare(struct bench *b)
{
	size_t ed_len = sizeof(b->ed25519_sig);

	for (size_t i = 0; i < sizeof(b->seed); i++)
		b->seed[i] = (uint8_t)i;
	mlkem_keygen(MLKEM_768, b->seed, b->seed + 32, b->ek, b->dk);
	mldsa_keygen(MLDSA_65, b->seed, b->pk, b->sk);
	b->ed25519 = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, b->seed, 32);
	b->p256 = EVP_EC_gen("P-256");
	b->p256_sig_len = sizeof(b->p256_sig);
	return mlkem_encaps(MLKEM_768, b->ek, b->m, b->ct, b->ss) == 0 &&
	       mldsa_sign(MLDSA_65, b->sk, message, sizeof(message), NULL, 0, b->rnd, b->sig) ==
		       0 &&
	       evp_dh_public("X25519", SPAN(b->seed + 32, 32), b->peer) == 0 && b->ed25519 &&
	       b->p256 && evp_sign(b->ed25519, NULL, b->ed25519_sig, &ed_len) &&
	       evp_sign(b->p256, "SHA256", b->p256_sig, &b->p256_sig_len);
}

/* This thread's time on a processor: what else the machine does is left out, but for the caches
 * and execution units it shares. */
static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Microseconds an operation takes: the median of the rounds' means. Negative if it failed. */
static double measure(struct bench *b, bool (*run)(struct bench *b))
{
	double rounds[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t start = now_ns();
		int64_t spent;
		unsigned n = 0;

		do {
			if (!run(b))
				return -1;
			n++;
			spent = now_ns() - start;
		} while (spent < ROUND_NS);
		rounds[i] = (double)spent / 1000 / n;
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	return rounds[ROUNDS / 2];
}

static int bench_crypto(bool as_json)
{
	CLEANUP_FREE struct bench *b = calloc(1, sizeof(*b));
	CLEANUP(json_decrefp) json_t *all = as_json ? json_object() : NULL;
	int status = EXIT_SUCCESS;

	if (!b || !prepare(b)) {
		(void)fprintf(stderr, "x0-lab bench: cannot prepare the keys\n");
		status = EXIT_FAILURE;
	}
	for (size_t i = 0; status == EXIT_SUCCESS && i < N_ELEMENTS(operations); i++) {
		double us = measure(b, operations[i].run);

		if (us < 0) {
			(void)fprintf(stderr, "x0-lab bench: %s failed\n", operations[i].name);
			status = EXIT_FAILURE;
		} else if (all) {
			(void)json_object_set_new(all, operations[i].name, json_real(us));
		} else {
			(void)printf("%-28s %9.1f us\n", operations[i].name, us);
		}
	}
	if (status == EXIT_SUCCESS && all) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		(void)putchar('\n');
	}
	if (b) {
		EVP_PKEY_free(b->ed25519);
		EVP_PKEY_free(b->p256);
	}
	return status;
}

int lab_bench(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool as_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return lab_usage(option == 'h', LAB_BENCH_USAGE);
		as_json = true;
	}
	if (optind + 1 != argc)
		return lab_usage(false, LAB_BENCH_USAGE);
	if (strcmp(argv[optind], "crypto") == 0)
		return bench_crypto(as_json);
	if (strcmp(argv[optind], "handshake") == 0)
		return bench_handshake(as_json);
	return lab_usage(false, LAB_BENCH_USAGE);
}
