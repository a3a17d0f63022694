/* SPDX-License-Identifier: Apache-2.0 */
/* Key agreement, encapsulation and signatures through OpenSSL's EVP interface, timed. */
#include "bench/evp_operations.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)

static const uint8_t message[64] = "a message of 64 bytes";

/* ---- the operations ---- */

struct evp_kind {
	const char *name;      /* "ML-KEM-768 encaps" */
	const char *algorithm; /* as OpenSSL calls it */
	bool (*prepare)(struct evp_operation *o);
	bool (*run)(struct evp_operation *o);
};

struct evp_operation {
	const struct evp_kind *kind;
	EVP_PKEY *key;
	EVP_PKEY_CTX *ctx;
	uint8_t out[4096], secret[32];
	size_t out_len;
};

static EVP_PKEY *generate(EVP_PKEY_CTX *ctx)
{
	EVP_PKEY *key = NULL;

	return EVP_PKEY_generate(ctx, &key) == 1 ? key : NULL;
}

static bool prepare_keygen(struct evp_operation *o)
{
	o->ctx = EVP_PKEY_CTX_new_from_name(NULL, o->kind->algorithm, NULL);
	if (!o->ctx || EVP_PKEY_keygen_init(o->ctx) != 1)
		return false;
	if (strcmp(o->kind->algorithm, "EC") == 0 &&
	    EVP_PKEY_CTX_set_group_name(o->ctx, "P-256") != 1)
		return false;
	o->key = generate(o->ctx);
	return o->key;
}

static bool run_keygen(struct evp_operation *o)
{
	EVP_PKEY *key = generate(o->ctx);

	EVP_PKEY_free(key);
	return key;
}

/* From a key pair to a context for it. */
static bool prepare_key(struct evp_operation *o)
{
	if (!prepare_keygen(o))
		return false;
	EVP_PKEY_CTX_free(o->ctx);
	o->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, o->key, NULL);
	return o->ctx;
}

static bool run_encaps(struct evp_operation *o)
{
	size_t secret_len = sizeof(o->secret);

	o->out_len = sizeof(o->out);
	return EVP_PKEY_encapsulate(o->ctx, o->out, &o->out_len, o->secret, &secret_len) == 1;
}

static bool prepare_encaps(struct evp_operation *o)
{
	return prepare_key(o) && EVP_PKEY_encapsulate_init(o->ctx, NULL) == 1;
}

static bool run_decaps(struct evp_operation *o)
{
	size_t secret_len = sizeof(o->secret);

	return EVP_PKEY_decapsulate(o->ctx, o->secret, &secret_len, o->out, o->out_len) == 1;
}

static bool prepare_decaps(struct evp_operation *o)
{
	return prepare_encaps(o) && run_encaps(o) && EVP_PKEY_decapsulate_init(o->ctx, NULL) == 1;
}

static bool run_derive(struct evp_operation *o)
{
	size_t len = sizeof(o->secret);

	return EVP_PKEY_derive(o->ctx, o->secret, &len) == 1;
}

static bool prepare_derive(struct evp_operation *o)
{
	return prepare_key(o) && EVP_PKEY_derive_init(o->ctx) == 1 &&
	       EVP_PKEY_derive_set_peer(o->ctx, o->key) == 1;
}

static const char *digest(const struct evp_operation *o)
{
	return strcmp(o->kind->algorithm, "EC") == 0 ? "SHA256" : NULL;
}

static bool run_sign(struct evp_operation *o)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	o->out_len = sizeof(o->out);
	return ctx && EVP_DigestSignInit_ex(ctx, NULL, digest(o), NULL, NULL, o->key, NULL) == 1 &&
	       EVP_DigestSign(ctx, o->out, &o->out_len, message, sizeof(message)) == 1;
}

static bool run_verify(struct evp_operation *o)
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return ctx &&
	       EVP_DigestVerifyInit_ex(ctx, NULL, digest(o), NULL, NULL, o->key, NULL) == 1 &&
	       EVP_DigestVerify(ctx, o->out, o->out_len, message, sizeof(message)) == 1;
}

static bool prepare_sign(struct evp_operation *o)
{
	return prepare_key(o) && run_sign(o);
}

static const struct evp_kind kinds[] = {
	{ "ML-KEM-768 keygen", "ML-KEM-768", prepare_keygen, run_keygen },
	{ "ML-KEM-768 encaps", "ML-KEM-768", prepare_encaps, run_encaps },
	{ "ML-KEM-768 decaps", "ML-KEM-768", prepare_decaps, run_decaps },
	{ "ML-DSA-65 keygen", "ML-DSA-65", prepare_keygen, run_keygen },
	{ "ML-DSA-65 sign", "ML-DSA-65", prepare_sign, run_sign },
	{ "ML-DSA-65 verify", "ML-DSA-65", prepare_sign, run_verify },
	{ "X25519 keygen", "X25519", prepare_keygen, run_keygen },
	{ "X25519 derive", "X25519", prepare_derive, run_derive },
	{ "P-256 keygen", "EC", prepare_keygen, run_keygen },
	{ "P-256 derive", "EC", prepare_derive, run_derive },
	{ "P-256 sign", "EC", prepare_sign, run_sign },
	{ "P-256 verify", "EC", prepare_sign, run_verify },
	{ "Ed25519 sign", "ED25519", prepare_sign, run_sign },
	{ "Ed25519 verify", "ED25519", prepare_sign, run_verify },
};

const char *evp_operation_name(size_t i)
{
	return i < N_ELEMENTS(kinds) ? kinds[i].name : NULL;
}

struct evp_operation *evp_operation_new(const char *name)
{
	struct evp_operation *o;
	size_t i = 0;

	while (i < N_ELEMENTS(kinds) && strcmp(kinds[i].name, name) != 0)
		i++;
	o = i < N_ELEMENTS(kinds) ? calloc(1, sizeof(*o)) : NULL;
	if (!o)
		return NULL;
	o->kind = &kinds[i];
	if (o->kind->prepare(o))
		return o;
	evp_operation_free(o);
	return NULL;
}

bool evp_operation_run(void *operation)
{
	struct evp_operation *o = operation;

	return o->kind->run(o);
}

void evp_operation_free(struct evp_operation *o)
{
	if (!o)
		return;
	EVP_PKEY_CTX_free(o->ctx);
	EVP_PKEY_free(o->key);
	free(o);
}

/* ---- the clock ---- */

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double bench_round_ns(bool (*run)(void *arg), void *arg, int64_t min_ns)
{
	int64_t start = now_ns();
	int64_t spent;
	unsigned n = 0;

	do {
		if (!run(arg))
			return -1;
		n++;
		spent = now_ns() - start;
	} while (spent < min_ns);
	return (double)spent / n;
}
