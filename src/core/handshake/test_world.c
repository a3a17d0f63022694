/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handshake/test_world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/wire/wire.h"

/* ---- an AEAD that watches its nonces ---- */

#define SEALS_MAX (1U << 22)
#define SEAL_KEY_LEN (1 + AEAD_KEY_LEN + AEAD_NONCE_LEN)

static struct map *seals;
static struct crypto_ops watched;

struct watched_aead {
	struct aead *inner;
	uint8_t key[1 + AEAD_KEY_LEN];
};

static struct aead *watched_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	struct watched_aead *a = calloc(1, sizeof(*a));

	assert(a);
	a->inner = sim_null_ops()->aead_new(alg, key);
	a->key[0] = (uint8_t)alg;
	memcpy(a->key + 1, key, AEAD_KEY_LEN);
	return (struct aead *)a;
}

static void watched_free(struct aead *aead)
{
	struct watched_aead *a = (struct watched_aead *)aead;

	if (a)
		sim_null_ops()->aead_free(a->inner);
	free(a);
}

static int watched_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			struct span text, uint8_t *ret)
{
	struct watched_aead *a = (struct watched_aead *)aead;
	uint8_t key[SEAL_KEY_LEN];

	memcpy(key, a->key, sizeof(a->key));
	memcpy(key + sizeof(a->key), nonce, AEAD_NONCE_LEN);
	if (map_put(seals, key, a) < 0) {
		(void)fprintf(stderr, "a key sealed twice under one nonce\n");
		abort();
	}
	return sim_null_ops()->aead_seal(a->inner, nonce, ad, text, ret);
}

static int watched_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			struct span text, uint8_t *ret)
{
	return sim_null_ops()->aead_open(((struct watched_aead *)aead)->inner, nonce, ad, text,
					 ret);
}

static void watch_seals(void)
{
	static const uint8_t hash_key[16] = "watched seals";

	map_free(seals);
	assert(map_new(SEAL_KEY_LEN, SEALS_MAX, hash_key, &seals) == 0);
	watched = *sim_null_ops();
	watched.aead_new = watched_new;
	watched.aead_free = watched_free;
	watched.aead_seal = watched_seal;
	watched.aead_open = watched_open;
}

/* ---- hosts ---- */

static void fill_entropy(void *arg, uint8_t *ret, size_t len)
{
	struct world *w = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(&w->rng);
}

static int64_t judge_unix_s(void *arg)
{
	(void)arg;
	return WORLD_UNIX_S;
}

static enum identity_fault judge_verify(void *arg, const struct span *chain, size_t n,
					int64_t unix_s, struct peer_identity *ret)
{
	struct host *h = arg;
	struct trust trust = h->trust;

	h->n_verified++;
	if (!h->identity.chain) { /* a joiner: the last certificate is the root */
		trust.roots[0] = chain[n - 1];
		n--;
	}
	return trust_verify_path(&trust, chain, n, unix_s, ret);
}

static enum identity_fault judge_recheck(void *arg, const struct peer_identity *peer)
{
	return trust_recheck(&((struct host *)arg)->trust, peer, WORLD_UNIX_S);
}

static bool judge_accept(void *arg, const struct peer_identity *peer)
{
	(void)peer;
	return !((struct host *)arg)->refuses;
}

static bool judge_token(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret[SHA256_LEN])
{
	struct host *h = arg;

	if (!h->has_token || memcmp(id, h->token.id, TOKEN_ID_LEN) != 0)
		return false;
	token_join_key(h->world->ops, h->token.secret, ret);
	return true;
}

static int judge_csr_key(void *arg, struct span csr, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	return ((struct host *)arg)->world->ops->csr_read(csr, ret_pk);
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

static struct signing_key *new_key(struct world *w)
{
	uint8_t seed[32];

	fill_entropy(w, seed, sizeof(seed));
	return sim_null_key_new(seed);
}

void world_init(struct world *w, uint64_t seed)
{
	struct sim_null_subject root = { .uri = "", .is_ca = true, .not_after_s = INT64_MAX };

	*w = (struct world){ .ops = &watched, .delay_us = MS(50), .n_workers = WORLD_WORKERS };
	watch_seals();
	rng_seed(&w->rng, seed);
	w->packets = calloc(WORLD_PACKETS, sizeof(*w->packets));
	w->root_key = new_key(w);
	w->root_cert = malloc(SIM_NULL_CERT_LEN);
	assert(w->packets && w->root_key && w->root_cert);
	root.key = w->root_key;
	sim_null_cert(&root, w->root_key, w->root_cert);
}

void world_done(struct world *w)
{
	for (unsigned i = 0; i < w->n_hosts; i++) {
		handshakes_free(w->hosts[i].handshakes);
		sim_null_key_free(w->hosts[i].key);
		free(w->hosts[i].cert);
	}
	for (unsigned i = 0; i < w->n_jobs; i++)
		hs_job_free(w->jobs[i].job);
	sim_null_key_free(w->root_key);
	free(w->root_cert);
	free(w->packets);
	map_free(seals);
	seals = NULL;
}

/* What an earlier boot has given out is of no use to the next one. */
static void forget_jobs(struct world *w, const struct host *h)
{
	for (unsigned i = w->n_jobs; i-- > 0;) {
		if (w->jobs[i].host != h->number)
			continue;
		hs_job_free(w->jobs[i].job);
		w->jobs[i] = w->jobs[--w->n_jobs];
	}
}

void world_restart(struct world *w, struct host *h, bool accept_joins)
{
	struct hs_config config = {
		.ops = w->ops,
		.entropy = { .fill = fill_entropy, .arg = w },
		.seed = rng_next(&w->rng),
		.judge = &judge,
		.judge_arg = h,
		.aead_offer = AEAD_AES_256_GCM,
		.lanes = 2,
		.accept_joins = accept_joins,
		.n_workers = w->n_workers,
	};

	forget_jobs(w, h);
	handshakes_free(h->handshakes);
	h->handshakes = NULL;
	assert(handshakes_new(&config, &h->handshakes) == 0);
	h->boots++;
	h->identity.boot_epoch = h->boots;
	handshakes_set_network_keys(h->handshakes, h->nk, 1);
	if (h->identity.chain)
		assert(handshakes_set_identity(h->handshakes, &h->identity) == 0);
}

struct host *world_add(struct world *w)
{
	struct host *h = &w->hosts[w->n_hosts];
	struct sim_null_subject subject = { .not_after_s = WORLD_UNIX_S + 1000 };
	char name[8];

	assert(w->n_hosts < WORLD_HOSTS);
	h->world = w;
	h->number = w->n_hosts++;
	h->says_hello = true;
	h->endpoint = (struct endpoint){ .port = 26969 };
	h->endpoint.ip[10] = h->endpoint.ip[11] = 0xff;
	h->endpoint.ip[12] = 10;
	h->endpoint.ip[14] = (uint8_t)h->number;
	h->endpoint.ip[15] = 1;
	memset(h->nk[0], 0x4e, NETWORK_KEY_LEN);
	h->key = new_key(w);
	h->cert = malloc(SIM_NULL_CERT_LEN);
	assert(h->key && h->cert);
	(void)snprintf(name, sizeof(name), "n%u", h->number);
	assert(spiffe_id_format("test.mesh", name, h->identity.spiffe_id) == 0);
	subject.uri = h->identity.spiffe_id;
	subject.key = h->key;
	subject.serial[19] = (uint8_t)h->number;
	sim_null_cert(&subject, w->root_key, h->cert);
	h->chain[0] = SPAN(h->cert, SIM_NULL_CERT_LEN);
	h->identity.chain = h->chain;
	h->identity.n_chain = 1;
	h->identity.key = h->key;
	h->identity.node_id = node_id_of(w->ops, h->identity.spiffe_id);
	h->identity.root = SPAN(w->root_cert, SIM_NULL_CERT_LEN);
	h->trust = (struct trust){ .ops = w->ops, .domain = "test.mesh", .n_roots = 1 };
	h->trust.roots[0] = SPAN(w->root_cert, SIM_NULL_CERT_LEN);
	world_restart(w, h, true);
	return h;
}

struct hs_path world_path(const struct world *w, const struct host *to)
{
	if (w->through_mesh)
		return (struct hs_path){ .is_mesh = true, .node_id = to->identity.node_id };
	return (struct hs_path){ .remote = to->endpoint };
}

/* ---- the network ---- */

static void enqueue(struct world *w, const struct packet *p)
{
	assert(w->n_packets < WORLD_PACKETS);
	w->packets[w->n_packets] = *p;
	w->packets[w->n_packets].number = w->n_sent++;
	w->packets[w->n_packets++].at_us =
		w->now_us + w->delay_us + rng_below(&w->rng, w->jitter_us);
}

void world_send(struct world *w, const struct packet *p)
{
	struct packet copy = *p;

	if (w->tamper && !w->tamper(w, &copy, w->tamper_arg))
		return;
	if (rng_below(&w->rng, 100) >= w->loss_percent)
		enqueue(w, &copy);
	if (rng_below(&w->rng, 100) < w->duplicate_percent)
		enqueue(w, &copy);
}

static struct host *host_at(struct world *w, const struct hs_path *path)
{
	for (unsigned i = 0; i < w->n_hosts; i++) {
		struct host *h = &w->hosts[i];

		if (path->is_mesh ? h->identity.node_id == path->node_id
				  : endpoint_equal(&h->endpoint, &path->remote))
			return h;
	}
	return NULL;
}

static struct hs_path path_from(const struct world *w, const struct host *from)
{
	struct hs_path path = world_path(w, from);

	path.via = from->identity.node_id;
	return path;
}

static void say_hello(struct world *w, struct host *h, const struct hs_path *path,
		      uint32_t remote_index)
{
	struct host *to = host_at(w, path);
	struct packet p = { .path = path_from(w, h), .from = h->number };

	if (!to)
		return;
	p.to = to->number;
	p.hello_index = remote_index;
	p.len = 1;
	world_send(w, &p);
}

static void send_action(struct world *w, struct host *h, const struct hs_action *a)
{
	struct host *to = host_at(w, &a->path);
	struct packet p = { .path = path_from(w, h), .from = h->number, .len = a->len };

	h->sent_bytes += a->len;
	h->n_sent++;
	memcpy(p.bytes, a->datagram, a->len);
	if (!to) {
		w->strays[w->n_strays++ % WORLD_STRAYS] = p;
		return;
	}
	p.to = to->number;
	world_send(w, &p);
}

static void note_done(struct world *w, struct host *h, const struct hs_action *a)
{
	assert(h->n_done < WORLD_OUTCOMES);
	h->done_us[h->n_done] = w->now_us;
	h->done[h->n_done++] = a->done;
	h->csr_len = a->done.csr_mldsa.len;
	if (h->csr_len > 0 && h->csr_len <= sizeof(h->csr_copy))
		memcpy(h->csr_copy, a->done.csr_mldsa.at, h->csr_len);
	if (!a->done.is_initiator && h->says_hello)
		say_hello(w, h, &a->path, a->done.remote_index);
}

static void take_jobs(struct world *w, struct host *h)
{
	struct hs_job *job;

	while ((job = handshakes_next_job(h->handshakes, w->now_us))) {
		assert(w->n_jobs < WORLD_JOBS);
		w->jobs[w->n_jobs++] = (struct world_job){
			.job = job,
			.host = h->number,
			.at_us = w->now_us + (w->job_us ? rng_below(&w->rng, w->job_us) : 0),
			.number = w->n_sent++,
		};
	}
}

static void drain(struct world *w, struct host *h)
{
	struct hs_action a;
	uint32_t index;

	while (handshakes_next_action(h->handshakes, &a)) {
		switch (a.type) {
		case HS_SEND:
			send_action(w, h, &a);
			break;
		case HS_DONE:
			note_done(w, h, &a);
			break;
		case HS_FAILED:
			assert(h->n_failed < WORLD_OUTCOMES);
			h->failed[h->n_failed++] = a;
			break;
		}
	}
	while (handshakes_next_repeated(h->handshakes, &index))
		for (unsigned i = 0; h->says_hello && i < h->n_done; i++)
			if (h->done[i].local_index == index)
				for (unsigned k = 0; k < w->n_hosts; k++) {
					struct hs_path path = world_path(w, &w->hosts[k]);

					if (&w->hosts[k] != h)
						say_hello(w, h, &path, h->done[i].remote_index);
				}
	take_jobs(w, h);
}

void world_finish_job(struct world *w, unsigned i)
{
	struct world_job j = w->jobs[i];
	struct host *h = &w->hosts[j.host];

	w->jobs[i] = w->jobs[--w->n_jobs];
	hs_job_run(j.job);
	handshakes_job_done(h->handshakes, j.job, w->now_us);
	drain(w, h);
}

void world_deliver(struct world *w, struct host *to, const struct hs_path *path,
		   struct span datagram)
{
	to->received_bytes += datagram.len;
	handshakes_input(to->handshakes, path, datagram, w->now_us);
	drain(w, to);
}

int world_start(struct world *w, struct host *from, const struct host *to)
{
	struct hs_path path = world_path(w, to);
	struct hs_expect expect = { .node_id = to->identity.node_id };
	int r = handshakes_start(from->handshakes, 100 + to->number, &path, &expect, w->now_us);

	drain(w, from);
	return r;
}

static size_t next_packet(const struct world *w)
{
	size_t best = 0;

	for (size_t i = 1; i < w->n_packets; i++)
		if (w->packets[i].at_us < w->packets[best].at_us ||
		    (w->packets[i].at_us == w->packets[best].at_us &&
		     w->packets[i].number < w->packets[best].number))
			best = i;
	return best;
}

static void deliver(struct world *w, size_t i)
{
	struct packet p = w->packets[i];
	struct host *to = &w->hosts[p.to];

	w->packets[i] = w->packets[--w->n_packets];
	if (p.hello_index) {
		for (unsigned k = 0; k < to->n_done; k++) /* it opens: the index is ours */
			if (to->done[k].local_index == p.hello_index)
				handshakes_confirmed(to->handshakes, p.hello_index);
		return;
	}
	world_deliver(w, to, &p.path, SPAN(p.bytes, p.len));
}

static void deliver_next(struct world *w)
{
	size_t i = next_packet(w);

	w->now_us = w->packets[i].at_us;
	deliver(w, i);
}

static unsigned next_job(const struct world *w)
{
	unsigned best = 0;

	for (unsigned i = 1; i < w->n_jobs; i++)
		if (w->jobs[i].at_us < w->jobs[best].at_us ||
		    (w->jobs[i].at_us == w->jobs[best].at_us &&
		     w->jobs[i].number < w->jobs[best].number))
			best = i;
	return best;
}

/* The job that is finished first, if any is before the time. */
static bool finish_job_before(struct world *w, uint64_t time_us)
{
	unsigned i = next_job(w);

	if (w->n_jobs == 0 || w->holds_jobs || w->jobs[i].at_us > time_us)
		return false;
	w->now_us = max_u64(w->now_us, w->jobs[i].at_us);
	world_finish_job(w, i);
	return true;
}

bool world_deliver_to(struct world *w, const struct host *to)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < w->n_packets; i++)
		if (w->packets[i].to == to->number &&
		    (best == SIZE_MAX || w->packets[i].number < w->packets[best].number))
			best = i;
	if (best != SIZE_MAX)
		deliver(w, best);
	while (finish_job_before(w, w->now_us)) {
	}
	return best != SIZE_MAX;
}

void world_run(struct world *w, uint64_t until_us)
{
	for (;;) {
		uint64_t packet_us = w->n_packets ? w->packets[next_packet(w)].at_us : NEVER_US;
		uint64_t tick_us = NEVER_US;

		for (unsigned i = 0; i < w->n_hosts; i++)
			tick_us = min_u64(tick_us, handshakes_deadline_us(w->hosts[i].handshakes));
		if (finish_job_before(w, min_u64(until_us, min_u64(packet_us, tick_us))))
			continue;
		if (min_u64(packet_us, tick_us) > until_us)
			break;
		if (packet_us <= tick_us) {
			deliver_next(w);
			continue;
		}
		w->now_us = max_u64(w->now_us, tick_us);
		for (unsigned i = 0; i < w->n_hosts; i++) {
			handshakes_tick(w->hosts[i].handshakes, w->now_us);
			drain(w, &w->hosts[i]);
		}
	}
	w->now_us = until_us;
}

bool world_agree(const struct host *a, const struct host *b)
{
	for (unsigned i = 0; i < a->n_done; i++)
		for (unsigned k = 0; k < b->n_done; k++)
			if (a->done[i].local_index == b->done[k].remote_index &&
			    a->done[i].remote_index == b->done[k].local_index &&
			    a->done[i].is_initiator != b->done[k].is_initiator &&
			    a->done[i].aead == b->done[k].aead &&
			    memcmp(a->done[i].root, b->done[k].root, SHA256_LEN) == 0 &&
			    memcmp(a->done[i].t_i, b->done[k].t_i, SHA256_LEN) == 0)
				return true;
	return false;
}
