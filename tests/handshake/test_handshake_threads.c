/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of real handshakes on the threads of a real loop: many at once, trust that changes while
 * they are out, and an end in the middle of them. The thread sanitizer has its say here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/handshake.h"
#include "shell/loop/loop.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/pki.h"

#define CALLERS 8
#define NOW_S INT64_C(1790000000)
#define QUEUE_MAX 256

struct end {
	struct handshakes *handshakes;
	struct endpoint endpoint;
	struct trust trust;
	unsigned n_done;
	unsigned n_out;
};

struct letter {
	struct end *from;
	struct end *to;
	size_t len;
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
};

static const struct crypto_ops *ops;
static struct sim_pki *pki;
static struct rng rng;
static struct loop *loop;
static struct end ends[CALLERS + 1]; /* the first answers */
static struct letter letters[QUEUE_MAX];
static unsigned n_letters;
static unsigned n_wanted;
static bool is_stopping;

static int64_t judge_unix_s(void *arg)
{
	(void)arg;
	return NOW_S;
}

static enum identity_fault judge_verify(void *arg, const struct span *chain, size_t n,
					int64_t unix_s, struct peer_identity *ret)
{
	return trust_verify_path(&((const struct end *)arg)->trust, chain, n, unix_s, ret);
}

static enum identity_fault judge_recheck(void *arg, const struct peer_identity *peer)
{
	return trust_recheck(&((const struct end *)arg)->trust, peer, NOW_S);
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
	return ops->csr_read(csr, ret);
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
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(rng_next(arg) >> 56);
}

static void end_open(size_t number)
{
	static const uint8_t network_key[1][NETWORK_KEY_LEN] = { { 0x4e } };
	struct end *e = &ends[number];
	struct node_config node = { .identity.boot_epoch = 1 };
	const struct hs_config config = {
		.ops = ops,
		.entropy = { .fill = fill, .arg = &rng },
		.seed = number,
		.judge = &judge,
		.judge_arg = e,
		.aead_offer = AEAD_AES_256_GCM,
		.lanes = 2,
		.n_workers = 3,
	};

	*e = (struct end){ .endpoint = { .port = (uint16_t)(1000 + number) } };
	e->endpoint.ip[0] = 0x20;
	e->endpoint.ip[3] = (uint8_t)number;
	sim_pki_fill(pki, number, &node);
	e->trust = node.trust;
	e->trust.ops = ops;
	trust_set_bundle(&e->trust);
	assert_int_equal(handshakes_new(&config, &e->handshakes), 0);
	assert_int_equal(handshakes_set_identity(e->handshakes, &node.identity), 0);
	handshakes_set_network_keys(e->handshakes, network_key, 1);
}

/* ---- jobs ---- */

struct work {
	struct end *end;
	struct hs_job *job;
};

static void drain(struct end *e);

static void on_work(void *arg)
{
	hs_job_run(((struct work *)arg)->job);
}

static void on_work_done(void *arg)
{
	struct work *w = arg;

	w->end->n_out--;
	if (is_stopping) {
		hs_job_free(w->job);
	} else {
		handshakes_job_done(w->end->handshakes, w->job, loop_now_us());
		drain(w->end);
	}
	free(w);
}

static struct end *end_at(const struct endpoint *at)
{
	for (unsigned i = 0; i <= CALLERS; i++)
		if (endpoint_equal(&ends[i].endpoint, at))
			return &ends[i];
	return NULL;
}

static void deliver_all(void)
{
	static bool is_delivering;
	unsigned i;

	if (is_delivering)
		return;
	is_delivering = true;
	for (i = 0; i < n_letters; i++) {
		struct letter l = letters[i];
		const struct hs_path path = { .remote = l.from->endpoint };

		handshakes_input(l.to->handshakes, &path, SPAN(l.bytes, l.len), loop_now_us());
		drain(l.to);
	}
	n_letters = 0;
	is_delivering = false;
}

static void drain(struct end *e)
{
	struct hs_action a;
	struct hs_job *job;

	while (handshakes_next_action(e->handshakes, &a)) {
		if (a.type == HS_SEND && n_letters < QUEUE_MAX) {
			struct letter *l = &letters[n_letters++];

			l->from = e;
			l->to = end_at(&a.path.remote);
			l->len = a.len;
			memcpy(l->bytes, a.datagram, a.len);
		}
		e->n_done += a.type == HS_DONE;
	}
	while (!is_stopping && (job = handshakes_next_job(e->handshakes, loop_now_us()))) {
		struct work *w = malloc(sizeof(*w));

		assert_non_null(w);
		*w = (struct work){ .end = e, .job = job };
		assert_int_equal(loop_work(loop, on_work, on_work_done, w), 0);
		e->n_out++;
	}
	deliver_all();
	if (ends[0].n_done >= n_wanted)
		loop_stop(loop);
}

static void on_tick(void *arg, uint64_t now_us)
{
	struct loop_timer **timer = arg;

	for (unsigned i = 0; i <= CALLERS; i++) {
		handshakes_tick(ends[i].handshakes, now_us);
		handshakes_recheck(ends[i].handshakes); /* as if trust had changed */
		drain(&ends[i]);
	}
	loop_timer_arm(*timer, now_us + MS(5));
}

static void start_all(void)
{
	const struct hs_path path = { .remote = ends[0].endpoint };
	const struct hs_expect expect = { .node_id = sim_pki_id(pki, 0) };

	for (unsigned i = 1; i <= CALLERS; i++) {
		assert_int_equal(
			handshakes_start(ends[i].handshakes, i, &path, &expect, loop_now_us()), 0);
		drain(&ends[i]);
	}
}

static void open_world(unsigned wanted, struct loop_timer **timer)
{
	is_stopping = false;
	n_letters = 0;
	n_wanted = wanted;
	assert_int_equal(loop_new(&loop), 0);
	for (size_t i = 0; i <= CALLERS; i++)
		end_open(i);
	assert_int_equal(loop_timer_new(loop, on_tick, timer, timer), 0);
	loop_timer_arm(*timer, loop_now_us() + MS(5));
	start_all();
}

/* As a program ends: the loop waits for what runs, then all goes. */
static void close_world(void)
{
	is_stopping = true;
	loop_free(loop);
	for (unsigned i = 0; i <= CALLERS; i++) {
		assert_int_equal(ends[i].n_out, 0);
		handshakes_free(ends[i].handshakes);
	}
}

static void jobs_on_threads_complete_handshakes_at_once(void **state)
{
	(void)state;
	struct loop_timer *timer;

	open_world(CALLERS, &timer);
	loop_run(loop);
	for (unsigned i = 1; i <= CALLERS; i++)
		assert_int_equal(ends[i].n_done, 1);
	assert_int_equal(ends[0].n_done, CALLERS);
	close_world();
}

static void an_end_with_jobs_out_waits_for_those_that_run(void **state)
{
	(void)state;

	for (unsigned wanted = 0; wanted < CALLERS; wanted += 3) {
		struct loop_timer *timer;

		open_world(wanted, &timer);
		if (wanted > 0)
			loop_run(loop); /* the others are in the middle */
		close_world();
	}
}

static int prepare(void **state)
{
	const char *error = NULL;

	(void)state;
	rng_seed(&rng, 1);
	ops = openssl_crypto_ops(&error);
	return ops ? sim_pki_new(ops, CALLERS + 1, &pki) : -1;
}

static int clean_up(void **state)
{
	(void)state;
	sim_pki_free(pki);
	loop_end_threads();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_on_threads_complete_handshakes_at_once),
		cmocka_unit_test(an_end_with_jobs_out_waits_for_those_that_run),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
