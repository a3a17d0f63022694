/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench handshake: what a whole handshake costs each of its two ends, with the
 * cryptography and the certificates that the daemon uses. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/handshake/handshake.h"
#include "bench/bench.h"
#include "lab.h"
#include "pqc/cpu.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/pki.h"

#define ROUNDS 9
#define CALLERS 64		      /* initiators, each with a certificate of its own */
#define APART_US 400		      /* between handshakes: 2,500 a second */
#define UNIX_S INT64_C(1790000000)    /* within the certificates' time */
#define QUEUE_MAX 64		      /* datagrams under way in one direction */
#define FILL (HS_HALF_OPEN_MAX + 100) /* handshakes before the table of a responder is full */

/* ---- time of each operation ---- */

enum operation {
	OP_X25519,
	OP_MLKEM,
	OP_SIGN,
	OP_VERIFY,
	OP_CERTIFICATES,
	OP_PATH,
	OP_HASH,
	OP_AEAD,
	N_OPERATIONS,
};

static const char *const operation_names[N_OPERATIONS] = {
	[OP_X25519] = "X25519",
	[OP_MLKEM] = "ML-KEM-768",
	[OP_SIGN] = "ML-DSA-65 sign",
	[OP_VERIFY] = "ML-DSA-65 verify (handshake)",
	[OP_CERTIFICATES] = "certificate parsing",
	[OP_PATH] = "path validation (one ML-DSA-65 verify inside)",
	[OP_HASH] = "SHA-256 and HMAC",
	[OP_AEAD] = "ChaCha20-Poly1305",
};

static const struct crypto_ops *base; /* what the clocked table calls */
static struct crypto_ops clocked;
static double spent_us[N_OPERATIONS];
static double reading_us; /* what it costs to read the clock, which CLOCKED() leaves out */

/* This thread's time on a processor: what else the machine does is left out, but for the caches
 * and execution units it shares. */
static double clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure_clock(void)
{
	double start = clock_us();

	for (unsigned i = 0; i < 10000; i++)
		(void)clock_us();
	reading_us = (clock_us() - start) / 10000;
}

#define CLOCKED(operation, call)                                        \
	do {                                                            \
		double start = clock_us();                              \
		call;                                                   \
		spent_us[operation] += clock_us() - start - reading_us; \
	} while (0)

static void clocked_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	CLOCKED(OP_HASH, base->sha256(parts, n, ret));
}

static void clocked_hmac(struct span key, const struct span *parts, size_t n,
			 uint8_t ret[SHA256_LEN])
{
	CLOCKED(OP_HASH, base->hmac_sha256(key, parts, n, ret));
}

static int clocked_x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN])
{
	int r;

	CLOCKED(OP_X25519, r = base->x25519_public(secret, ret));
	return r;
}

static int clocked_x25519(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
			  uint8_t ret[X25519_LEN])
{
	int r;

	CLOCKED(OP_X25519, r = base->x25519(secret, peer, ret));
	return r;
}

static int clocked_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
			  uint8_t ret_dk[MLKEM768_DK_LEN])
{
	int r;

	CLOCKED(OP_MLKEM, r = base->mlkem768_keygen(d, z, ret_ek, ret_dk));
	return r;
}

static int clocked_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
			  uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN])
{
	int r;

	CLOCKED(OP_MLKEM, r = base->mlkem768_encaps(ek, m, ret_ct, ret_ss));
	return r;
}

static int clocked_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
			  uint8_t ret_ss[MLKEM768_SS_LEN])
{
	int r;

	CLOCKED(OP_MLKEM, r = base->mlkem768_decaps(dk, ct, ret_ss));
	return r;
}

static int clocked_sign(const struct signing_key *key, struct span message, struct span context,
			const uint8_t rnd[MLDSA65_RND_LEN], uint8_t ret[MLDSA65_SIG_LEN])
{
	int r;

	CLOCKED(OP_SIGN, r = base->mldsa65_sign(key, message, context, rnd, ret));
	return r;
}

static int clocked_verify(const uint8_t pk[MLDSA65_PK_LEN], struct span message,
			  struct span context, const uint8_t sig[MLDSA65_SIG_LEN])
{
	int r;

	CLOCKED(OP_VERIFY, r = base->mldsa65_verify(pk, message, context, sig));
	return r;
}

static struct aead *clocked_aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	struct aead *a;

	CLOCKED(OP_AEAD, a = base->aead_new(alg, key));
	return a;
}

static void clocked_aead_free(struct aead *a)
{
	CLOCKED(OP_AEAD, base->aead_free(a));
}

static int clocked_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			struct span text, uint8_t *ret)
{
	int r;

	CLOCKED(OP_AEAD, r = base->aead_seal(a, nonce, ad, text, ret));
	return r;
}

static int clocked_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			struct span text, uint8_t *ret)
{
	int r;

	CLOCKED(OP_AEAD, r = base->aead_open(a, nonce, ad, text, ret));
	return r;
}

static int clocked_cert_read(struct span der, struct cert *ret)
{
	int r;

	CLOCKED(OP_CERTIFICATES, r = base->cert_read(der, ret));
	return r;
}

static int clocked_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			       size_t n_roots, int64_t unix_s, const char **ret_reason)
{
	int r;

	CLOCKED(OP_PATH, r = base->path_verify(chain, n_chain, roots, n_roots, unix_s, ret_reason));
	return r;
}

static void make_clocked(const struct crypto_ops *ops)
{
	base = ops;
	clocked = *ops;
	clocked.sha256 = clocked_sha256;
	clocked.hmac_sha256 = clocked_hmac;
	clocked.x25519_public = clocked_x25519_public;
	clocked.x25519 = clocked_x25519;
	clocked.mlkem768_keygen = clocked_keygen;
	clocked.mlkem768_encaps = clocked_encaps;
	clocked.mlkem768_decaps = clocked_decaps;
	clocked.mldsa65_sign = clocked_sign;
	clocked.mldsa65_verify = clocked_verify;
	clocked.aead_new = clocked_aead_new;
	clocked.aead_free = clocked_aead_free;
	clocked.aead_seal = clocked_seal;
	clocked.aead_open = clocked_open;
	clocked.cert_read = clocked_cert_read;
	clocked.path_verify = clocked_path_verify;
}

/* ---- two ends ---- */

struct letter {
	struct hs_path path;
	size_t len;
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
};

struct end {
	struct handshakes *handshakes;
	struct endpoint endpoint;
	struct trust trust;
	struct letter out[QUEUE_MAX];
	unsigned n_out;
	bool is_done;
	uint32_t local_index;
};

struct bench {
	const struct crypto_ops *ops;
	struct sim_pki *pki;
	struct rng rng;
	uint64_t now_us;
	unsigned next;
	struct end responder;
	struct end callers[CALLERS];
	double responder_us, initiator_us; /* of the round under way */
};

static int64_t judge_unix_s(void *arg)
{
	(void)arg;
	return UNIX_S;
}

static enum identity_fault judge_verify(void *arg, const struct span *chain, size_t n,
					int64_t unix_s, struct peer_identity *ret)
{
	const struct end *e = arg;

	return trust_verify_path(&e->trust, chain, n, unix_s, ret);
}

static enum identity_fault judge_recheck(void *arg, const struct peer_identity *peer)
{
	const struct end *e = arg;

	return trust_recheck(&e->trust, peer, UNIX_S);
}

static bool judge_accept(void *arg, const struct peer_identity *peer)
{
	(void)arg;
	(void)peer;
	return true;
}

static bool judge_token(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret[SHA256_LEN])
{
	(void)arg;
	(void)id;
	(void)ret;
	return false;
}

static int judge_csr_key(void *arg, struct span csr, uint8_t ret[MLDSA65_PK_LEN])
{
	(void)arg;
	(void)csr;
	(void)ret;
	return -EKEYREJECTED;
}

static bool judge_index_is_free(void *arg, uint32_t index)
{
	(void)arg;
	(void)index;
	return true;
}

static const struct hs_judge judge = {
	.unix_s = judge_unix_s,
	.verify = judge_verify,
	.recheck = judge_recheck,
	.accept = judge_accept,
	.token = judge_token,
	.csr_key = judge_csr_key,
	.index_is_free = judge_index_is_free,
};

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *rng = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(rng_next(rng) >> 56);
}

static void end_open(struct bench *b, struct end *e, size_t number)
{
	static const uint8_t network_key[1][NETWORK_KEY_LEN] = { { 0x4e } };
	struct node_config node = { .identity.boot_epoch = 1 };
	const struct hs_config config = {
		.ops = b->ops,
		.entropy = { .fill = fill, .arg = &b->rng },
		.seed = number,
		.judge = &judge,
		.judge_arg = e,
		.aead_offer = AEAD_AES_256_GCM,
		.lanes = 2,
	};

	handshakes_free(e->handshakes);
	e->handshakes = NULL;
	sim_pki_fill(b->pki, number, &node);
	e->trust = node.trust;
	e->trust.ops = b->ops;
	trust_set_bundle(&e->trust);
	/* 10.n.0.1: each caller in a network of its own */
	e->endpoint = (struct endpoint){
		.ip = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = (uint8_t)number, [15] = 1 },
		.port = 26969,
	};
	if (handshakes_new(&config, &e->handshakes) < 0 ||
	    handshakes_set_identity(e->handshakes, &node.identity) < 0)
		abort();
	handshakes_set_network_keys(e->handshakes, network_key, 1);
}

/* What the end wants sent is put aside. */
static void drain(struct end *e)
{
	struct hs_action a;

	while (handshakes_next_action(e->handshakes, &a)) {
		if (a.type == HS_SEND && e->n_out < QUEUE_MAX) {
			struct letter *l = &e->out[e->n_out++];

			l->path = a.path;
			l->len = a.len;
			memcpy(l->bytes, a.datagram, a.len);
		} else if (a.type == HS_DONE) {
			e->is_done = true;
			e->local_index = a.done.local_index;
		}
	}
}

/* Hands over everything that is under way to one end, and takes the time of it. */
static bool turn(struct bench *b, struct end *from, struct end *to, double *spent)
{
	const struct hs_path path = { .remote = from->endpoint };
	unsigned n = from->n_out;
	double start = clock_us();

	for (unsigned i = 0; i < n; i++)
		handshakes_input(to->handshakes, &path, SPAN(from->out[i].bytes, from->out[i].len),
				 b->now_us);
	drain(to);
	if (n == 0) { /* more than a flight: the rest goes by time */
		b->now_us += MS(20);
		handshakes_tick(to->handshakes, b->now_us);
		drain(to);
	}
	*spent += clock_us() - start;
	from->n_out = 0;
	return n > 0 || to->n_out > 0;
}

static bool handshake(struct bench *b, struct end *caller)
{
	const struct hs_path path = { .remote = b->responder.endpoint };
	const struct hs_expect expect = { .node_id = sim_pki_id(b->pki, 0) };
	double start = clock_us();

	b->now_us += APART_US;
	b->responder.is_done = caller->is_done = false;
	if (handshakes_start(caller->handshakes, 1, &path, &expect, b->now_us) < 0)
		return false;
	drain(caller);
	b->initiator_us += clock_us() - start;
	for (unsigned i = 0; i < 20 && !(b->responder.is_done && caller->is_done); i++) {
		(void)turn(b, caller, &b->responder, &b->responder_us);
		(void)turn(b, &b->responder, caller, &b->initiator_us);
	}
	if (!b->responder.is_done || !caller->is_done)
		return false;
	start = clock_us();
	handshakes_confirmed(caller->handshakes, caller->local_index);
	b->initiator_us += clock_us() - start;
	return true;
}

/* ---- rounds ---- */

struct figures {
	double responder_us[ROUNDS], initiator_us[ROUNDS];
	double operations_us[N_OPERATIONS][ROUNDS];
};

/* Of the operations only the responder's are meant, so the callers use the plain table. */
static void open_all(struct bench *b, const struct crypto_ops *responder_ops)
{
	const struct crypto_ops *plain = b->ops;

	b->ops = responder_ops;
	end_open(b, &b->responder, 0);
	b->ops = plain;
	for (unsigned i = 0; i < CALLERS; i++)
		end_open(b, &b->callers[i], i + 1);
}

static bool round_of(struct bench *b, double *ret_responder, double *ret_initiator)
{
	b->responder_us = b->initiator_us = 0;
	memset(spent_us, 0, sizeof(spent_us));
	for (unsigned i = 0; i < CALLERS; i++)
		if (!handshake(b, &b->callers[i]))
			return false;
	*ret_responder = b->responder_us / CALLERS;
	*ret_initiator = b->initiator_us / CALLERS;
	return true;
}

/* Until the responder's table is as full as it gets at this rate. */
static bool fill_table(struct bench *b)
{
	for (unsigned i = 0; i < FILL; i++)
		if (!handshake(b, &b->callers[i % CALLERS]))
			return false;
	return true;
}

static bool measure(struct bench *b, bool is_warm, struct figures *ret)
{
	for (unsigned clocks = 0; clocks < 2; clocks++) {
		open_all(b, clocks ? &clocked : b->ops);
		if (is_warm && !fill_table(b))
			return false;
		for (unsigned i = 0; i < ROUNDS; i++) {
			double responder, initiator;

			if (!is_warm) /* nobody knows anybody */
				open_all(b, clocks ? &clocked : b->ops);
			if (!round_of(b, &responder, &initiator))
				return false;
			for (unsigned k = 0; clocks && k < N_OPERATIONS; k++)
				ret->operations_us[k][i] = spent_us[k] / CALLERS;
			if (!clocks) {
				ret->responder_us[i] = responder;
				ret->initiator_us[i] = initiator;
			}
		}
	}
	return true;
}

/* ---- telling ---- */

static json_t *figures_json(struct figures *f)
{
	double responder = bench_median(f->responder_us, ROUNDS);
	json_t *operations = json_object();
	double rest = responder;

	for (unsigned k = 0; k < N_OPERATIONS; k++) {
		double us = bench_median(f->operations_us[k], ROUNDS);

		rest -= us;
		(void)json_object_set_new(operations, operation_names[k], json_real(us));
	}
	(void)json_object_set_new(operations, "all else", json_real(rest));
	return json_pack("{s:f, s:f, s:f, s:f, s:o}", "responder_us", responder, "initiator_us",
			 bench_median(f->initiator_us, ROUNDS), "responder_per_second",
			 1e6 / responder, "initiator_per_second",
			 1e6 / bench_median(f->initiator_us, ROUNDS), "responder_operations_us",
			 operations);
}

static void print_figures(const char *what, const json_t *all)
{
	const json_t *f = json_object_get(all, what);
	json_t *operations = json_object_get(f, "responder_operations_us");
	const char *name;
	json_t *value;

	(void)printf("%s\n  responder %27.1f us  %8.0f a second and core\n", what,
		     json_real_value(json_object_get(f, "responder_us")),
		     json_real_value(json_object_get(f, "responder_per_second")));
	json_object_foreach(operations, name, value)
	{
		(void)printf("    %-46s %7.1f us\n", name, json_real_value(value));
	}
	(void)printf("  initiator %27.1f us  %8.0f a second and core\n",
		     json_real_value(json_object_get(f, "initiator_us")),
		     json_real_value(json_object_get(f, "initiator_per_second")));
}

static void bench_free(struct bench *b)
{
	if (!b)
		return;
	handshakes_free(b->responder.handshakes);
	for (unsigned i = 0; i < CALLERS; i++)
		handshakes_free(b->callers[i].handshakes);
	sim_pki_free(b->pki);
	free(b);
}

DEFINE_FREEP(struct bench, bench_free)

static int run(struct bench *b, struct figures f[2], json_t **ret)
{
	int cpu = bench_pin();

	rng_seed(&b->rng, 1);
	make_clocked(b->ops);
	measure_clock();
	if (!measure(b, false, &f[0]) || !measure(b, true, &f[1]))
		return -EPROTO;
	*ret = json_pack("{s:o, s:s, s:o, s:o}", "machine", bench_machine(cpu), "level",
			 pqc_level_name(pqc_level()), "cold", figures_json(&f[0]), "warm",
			 figures_json(&f[1]));
	return *ret ? 0 : -ENOMEM;
}

static void print_all(const json_t *all)
{
	(void)printf("ML-KEM and ML-DSA: %s\n", json_string_value(json_object_get(all, "level")));
	print_figures("cold", all);
	print_figures("warm", all);
}

int bench_handshake(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	CLEANUP(bench_freep) struct bench *b = calloc(1, sizeof(*b));
	CLEANUP_FREE struct figures *f = calloc(2, sizeof(*f));
	CLEANUP(json_decrefp) json_t *all = NULL;
	enum pqc_level level = pqc_level();
	const char *error = "out of memory";
	bool as_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			as_json = true;
		else if (option != 'c' || pqc_level_by_name(optarg, &level) < 0)
			return lab_usage(option == 'h', BENCH_HANDSHAKE_USAGE);
	}
	if (optind != argc)
		return lab_usage(false, BENCH_HANDSHAKE_USAGE);
	if (pqc_set_level(level) < 0) {
		(void)fprintf(stderr, "x0-lab bench: this processor has no %s\n",
			      pqc_level_name(level));
		return LAB_EXIT_SKIPPED;
	}
	if (!b || !f || !(b->ops = openssl_crypto_ops(&error)) ||
	    sim_pki_new(b->ops, CALLERS + 1, &b->pki) < 0) {
		(void)fprintf(stderr, "x0-lab bench: %s\n", error);
		return EXIT_FAILURE;
	}
	if (run(b, f, &all) < 0) {
		(void)fprintf(stderr, "x0-lab bench: a handshake did not complete\n");
		return EXIT_FAILURE;
	}
	if (as_json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		(void)putchar('\n');
	} else {
		print_all(all);
	}
	return EXIT_SUCCESS;
}
