/* SPDX-License-Identifier: Apache-2.0 */
/* Who computes AES-256-GCM: OpenSSL, or src/aesgcm where the processor can and a measurement at
 * the first use finds it faster. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "aesgcm/aesgcm.h"
#include "shell/openssl/library.h"

/* Long enough for the processor to wake its widest units, short enough for every start. */
#define ROUNDS 16
#define ROUNDS_MIN 4
#define PACKETS_A_ROUND 4
#define MEASUREMENT_MAX_NS 300000
#define N_SIZES 2

static const size_t sizes[N_SIZES] = { 64, 1400 };

struct contestant {
	struct aead *aead;
	int64_t best_ns[N_SIZES]; /* of sealing and opening one packet each, halved */
};

static atomic_int wanted = AES_GCM_MEASURED;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct aes_gcm_choice measured;

static int64_t now_ns(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The least of all rounds counts: what else the machine does can only make one longer. */
static bool run_round(struct contestant *c, unsigned size)
{
	static const uint8_t nonce[AEAD_NONCE_LEN];
	uint8_t packet[1400 + AEAD_TAG_LEN] = { 0 };
	struct span ad = SPAN(nonce, sizeof(nonce));
	struct span text = SPAN(packet, sizes[size]);
	struct span sealed = SPAN(packet, sizes[size] + AEAD_TAG_LEN);
	int64_t start = now_ns();
	int64_t spent;

	for (unsigned i = 0; i < PACKETS_A_ROUND; i++)
		if (aead_seal(c->aead, nonce, ad, text, packet) < 0 ||
		    aead_open(c->aead, nonce, ad, sealed, packet) < 0)
			return false;
	spent = (now_ns() - start) / (2 * PACKETS_A_ROUND);
	if (c->best_ns[size] == 0 || spent < c->best_ns[size])
		c->best_ns[size] = spent;
	return true;
}

static bool run_rounds(struct contestant *own, struct contestant *library)
{
	int64_t start = now_ns();

	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned size = 0; size < N_SIZES; size++)
			if (!run_round(own, size) || !run_round(library, size))
				return false;
		if (i + 1 >= ROUNDS_MIN && now_ns() - start > MEASUREMENT_MAX_NS)
			break;
	}
	return true;
}

static void measure(struct aes_gcm_choice *ret)
{
	static const uint8_t key[AEAD_KEY_LEN];
	struct contestant own = { .aead = aead_new_own(key) };
	struct contestant lib = { .aead = aead_new_library(AEAD_AES_256_GCM, key) };
	bool is_measured = own.aead && lib.aead && run_rounds(&own, &lib);

	ret->is_own =
		is_measured && own.best_ns[0] < lib.best_ns[0] && own.best_ns[1] < lib.best_ns[1];
	if (is_measured)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "%s, measured at start: %" PRId64 " ns against %" PRId64
			       " for 64 bytes, %" PRId64 " against %" PRId64 " for 1,400",
			       ret->is_own ? "faster" : "ours is not faster", own.best_ns[0],
			       lib.best_ns[0], own.best_ns[1], lib.best_ns[1]);
	else
		(void)snprintf(ret->why, sizeof(ret->why), "ours could not be measured");
	aead_free(own.aead);
	aead_free(lib.aead);
}

static void set_choice(struct aes_gcm_choice *ret, bool is_own, const char *why)
{
	ret->is_own = is_own;
	(void)snprintf(ret->why, sizeof(ret->why), "%s", why);
}

#define WHY_NOT_SUPPORTED "ours needs VAES, VPCLMULQDQ and AVX-512 (F, BW, DQ, VL)"

/* The variable is for measurements of a whole mesh; both compute the same. */
static void decide(void)
{
	const char *asked = secure_getenv("X0_AES_GCM");

	if (!aesgcm_is_supported())
		set_choice(&measured, false, WHY_NOT_SUPPORTED);
	else if (asked && strcmp(asked, "library") == 0)
		set_choice(&measured, false, "X0_AES_GCM=library");
	else if (asked && strcmp(asked, "own") == 0)
		set_choice(&measured, true, "X0_AES_GCM=own");
	else
		measure(&measured);
}

struct aes_gcm_choice aes_gcm_choice(void)
{
	struct aes_gcm_choice forced = { .is_own = wanted == AES_GCM_OWN };

	if (wanted != AES_GCM_MEASURED) {
		set_choice(&forced, forced.is_own, "chosen for a test");
		return forced;
	}
	(void)pthread_once(&once, decide);
	return measured;
}

bool aes_gcm_is_own(void)
{
	if (wanted != AES_GCM_MEASURED)
		return wanted == AES_GCM_OWN;
	(void)pthread_once(&once, decide);
	return measured.is_own;
}

int crypto_openssl_use_aes_gcm(enum aes_gcm who)
{
	if (who == AES_GCM_OWN && !aesgcm_is_supported())
		return -ENOTSUP;
	wanted = (int)who;
	return 0;
}
