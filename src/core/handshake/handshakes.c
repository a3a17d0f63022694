/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: what comes in is handed to a role, time to each handshake, actions to the caller. */
#include "core/handshake/handshake.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

#define ACK_MESSAGE_MASK 0x0f
#define ACK_RESULT_SHIFT 4

DEFINE_FREEP(struct handshakes, handshakes_free)

int handshakes_new(const struct hs_config *config, struct handshakes **ret)
{
	CLEANUP(handshakes_freep) struct handshakes *h = calloc(1, sizeof(*h));
	const size_t n_max = HS_HALF_OPEN_MAX + ATTEMPTS_MAX + 1; /* 1: during a restart */
	uint8_t key[16];

	if (!h)
		return -ENOMEM;
	h->ops = config->ops;
	h->entropy = config->entropy;
	h->judge = config->judge;
	h->judge_arg = config->judge_arg;
	h->aead_offer = config->aead_offer | AEAD_CHACHA20_POLY1305;
	h->lanes = config->lanes;
	h->accept_joins = config->accept_joins;
	h->n_workers = config->n_workers;
	rng_seed(&h->rng, config->seed);
	cookie_jar_init(&h->jar, &h->entropy);
	rates_init(&h->m1_rates, &h->entropy);
	entropy_fill(&h->entropy, key, sizeof(key));
	memcpy(h->fair_key, key, sizeof(h->fair_key));
	if (config->lanes < 1 || config->lanes > HS_LANES_MAX || config->n_workers > HS_WORKERS_MAX)
		return -EINVAL;
	if (map_new(sizeof(uint32_t), n_max, key, &h->by_index) < 0 ||
	    map_new(PATH_KEY_LEN + 4, HS_HALF_OPEN_MAX, key, &h->by_source) < 0 ||
	    map_new(SHA256_LEN, REPLAYS_MAX, key, &h->replays) < 0 ||
	    map_new(PATH_KEY_LEN, WARM_MAX, key, &h->warm) < 0 ||
	    map_new(sizeof(uint64_t), HS_CHAIN_CACHE_MAX, key, &h->chains_by_node) < 0 ||
	    map_new(SHA256_LEN, HS_CHAIN_CACHE_MAX, key, &h->chains_by_hash) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < N_CROWDS; i++)
		if (map_new(PATH_KEY_LEN, HS_HALF_OPEN_MAX, key, &h->crowds[i]) < 0)
			return -ENOMEM;
	*ret = TAKE(h);
	return 0;
}

static struct action *take_action(struct handshakes *h)
{
	struct action *a = h->first;

	if (!a)
		return NULL;
	h->first = a->next;
	if (!h->first)
		h->last = NULL;
	if (a->type == HS_SEND)
		h->n_sends--;
	return a;
}

static void free_values(struct map *m, size_t len)
{
	size_t cursor = 0;
	void *value;

	while (m && (value = map_next(m, &cursor))) {
		bytes_wipe(value, len);
		free(value);
	}
	map_free(m);
}

void handshakes_free(struct handshakes *h)
{
	struct cached_chain *chain;
	struct handshake *hs;
	struct action *a;
	size_t cursor = 0;

	if (!h)
		return;
	while (h->by_index && (hs = map_next(h->by_index, &cursor)))
		handshake_free(h, hs);
	jobs_free(h);
	while ((a = take_action(h)))
		action_free(a);
	cursor = 0;
	while (h->chains_by_node && (chain = map_next(h->chains_by_node, &cursor)))
		chain_free(chain);
	map_free(h->by_index);
	map_free(h->by_source);
	for (unsigned i = 0; i < N_CROWDS; i++)
		map_free(h->crowds[i]); /* each went with its last handshake */
	map_free(h->chains_by_node);
	map_free(h->chains_by_hash);
	free_values(h->replays, sizeof(struct replay));
	free_values(h->warm, sizeof(struct warm_cookie));
	free(h->lent_block);
	cookie_jar_done(&h->jar);
	bytes_wipe(h->nk, sizeof(h->nk));
	bytes_wipe(h->fair_key, sizeof(h->fair_key));
	free(h);
}

int handshakes_set_identity(struct handshakes *h, const struct hs_identity *identity)
{
	uint8_t *buffer;
	struct credential credential;
	int r;

	h->has_identity = false;
	jobs_drop_writing(h);
	if (!identity)
		return 0;
	h->identity = *identity;
	buffer = malloc(CHAIN_FIELD_ROOM);
	if (!buffer)
		return -ENOMEM;
	r = own_credential(h, h->accept_joins && identity->root.len > 0, false, buffer,
			   &credential);
	if (r == 0)
		r = own_credential(h, false, false, buffer, &credential);
	free(buffer);
	if (r < 0)
		return r;
	memcpy(h->own_hash, credential.hash, SHA256_LEN);
	h->has_identity = true;
	return 0;
}

static bool key_is_held(const struct handshakes *h, const struct network_keys *nk)
{
	for (size_t i = 0; i < h->n_nk; i++)
		if (memcmp(&h->nk[i], nk, sizeof(*nk)) == 0)
			return true;
	return false;
}

void handshakes_set_network_keys(struct handshakes *h, const uint8_t (*keys)[NETWORK_KEY_LEN],
				 size_t n)
{
	struct handshake *hs;
	size_t cursor = 0;

	h->n_nk = n < NETWORK_KEYS_MAX ? n : NETWORK_KEYS_MAX;
	for (size_t i = 0; i < h->n_nk; i++)
		network_keys_derive(h->ops, keys[i], &h->nk[i]);
	bytes_wipe(h->nk + h->n_nk, (NETWORK_KEYS_MAX - h->n_nk) * sizeof(h->nk[0]));
	while ((hs = map_next(h->by_index, &cursor)))
		if (!hs->is_initiator && !key_is_held(h, &hs->nk))
			handshake_free(h, hs); /* after a revocation the old key opens nothing */
}

/* ---- beginning and ending ---- */

static int start(struct handshakes *h, const struct attempt *like, const struct hs_path *path,
		 uint64_t now_us)
{
	struct path_key key;
	struct handshake *hs;
	int r;

	h->deadline_is_known = false;
	path_key_of(path, &key);
	if (h->n_nk == 0)
		return -EAGAIN;
	if (attempt_on_path(h, &key))
		return -EALREADY;
	if (h->n_attempts >= ATTEMPTS_MAX)
		return -ENOBUFS;
	hs = handshake_new(h, path, now_us);
	if (!hs)
		return -ENOMEM;
	hs->is_initiator = true;
	attempt_joins(h, hs);
	hs->is_join = like->is_join;
	hs->attempt = malloc(sizeof(*hs->attempt));
	if (!hs->attempt) {
		handshake_free(h, hs);
		return -ENOMEM;
	}
	*hs->attempt = *like;
	h->n_attempts++;
	r = initiator_begin(h, hs, now_us);
	if (r < 0) {
		handshake_free(h, hs);
		return r;
	}
	h->counters.started++;
	return 0;
}

int handshakes_start(struct handshakes *h, uint64_t id, const struct hs_path *path,
		     const struct hs_expect *expect, uint64_t now_us)
{
	struct attempt like = { .id = id, .expect = *expect, .aead_offer = h->aead_offer };

	if (!h->has_identity)
		return -EAGAIN;
	if (expect->node_id == h->identity.node_id ||
	    strcmp(expect->spiffe_id, h->identity.spiffe_id) == 0 ||
	    (path->is_mesh && path->node_id == h->identity.node_id))
		return -EKEYREJECTED;
	return start(h, &like, path, now_us);
}

int handshakes_start_join(struct handshakes *h, uint64_t id, const struct hs_path *path,
			  const struct hs_join *join, uint64_t now_us)
{
	struct attempt like = {
		.id = id,
		.is_join = true,
		.join = *join,
		.aead_offer = h->aead_offer,
	};
	int r;

	if (path->is_mesh)
		return -EINVAL;
	r = start(h, &like, path, now_us);
	bytes_wipe(&like, sizeof(like));
	return r;
}

void handshakes_cancel(struct handshakes *h, uint64_t id)
{
	struct handshake *hs;
	size_t cursor = 0;

	while ((hs = map_next(h->by_index, &cursor)))
		if (hs->attempt && hs->attempt->id == id)
			handshake_free(h, hs);
}

void handshakes_confirmed(struct handshakes *h, uint32_t local_index)
{
	struct handshake *hs = map_get(h->by_index, &local_index);

	if (!hs || !hs->is_initiator || hs->state != I_M3)
		return;
	if (!hs->is_join)
		chain_taken(h, hs->peer_id, hs->peer_boot_epoch);
	handshake_free(h, hs);
}

/* ---- input ---- */

static void unknown_hash(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	if (!hs->sent_hash)
		return; /* there was none: not for us to believe */
	if (hs->is_initiator)
		initiator_restart(h, hs, now_us);
	else
		handshake_free(h, hs);
}

static void input_ack(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		      uint64_t now_us)
{
	if (hs->state != I_M1 && w->sender_index != hs->remote_index)
		return;
	if (!hs->out.bytes || (w->flags & ACK_MESSAGE_MASK) != hs->out_type || w->offset != 0 ||
	    w->message_len != hs->out.len)
		return;
	if (hs->attempt)
		hs->attempt->was_heard = true;
	switch (w->flags >> ACK_RESULT_SHIFT) {
	case ACK_RESULT_UNKNOWN_HASH:
		unknown_hash(h, hs, now_us);
		break;
	case ACK_RESULT_PARTIAL:
		measure_rtt(hs, now_us);
		if (outgoing_acked(&hs->out, load_u32(w->body.at)))
			resend_restart(h, hs, now_us);
		send_flight(h, hs, now_us);
		break;
	}
}

/* M2, M3 and acks belong to a handshake by its index, its path and both macs. */
static struct handshake *handshake_of(struct handshakes *h, const struct hs_path *path,
				      const struct wire_handshake *w, struct span datagram)
{
	struct handshake *hs = map_get(h->by_index, &w->receiver_index);
	struct path_key key;

	path_key_of(path, &key);
	if (!hs || memcmp(&hs->key, &key, sizeof(key)) != 0)
		return NULL;
	if (!mac1_is_good(hs->nk.kmac, datagram)) {
		h->counters.bad_mac1++;
		return NULL;
	}
	if (!hs->cookie_epoch || !mac2_is_good(hs->cookie, datagram)) {
		h->counters.bad_mac2++;
		return NULL;
	}
	return hs;
}

void handshakes_input(struct handshakes *h, const struct hs_path *path, struct span datagram,
		      uint64_t now_us)
{
	struct wire_handshake w;
	struct handshake *hs;

	h->counters.datagrams++;
	cookie_jar_turn(&h->jar, &h->entropy, now_us);
	replays_expire(h, now_us);
	if (datagram.len > 0 && datagram.at[0] == WIRE_COOKIE) {
		initiator_cookie(h, path, datagram, now_us);
		return;
	}
	if (wire_handshake_decode(datagram, &w) < 0 || w.version != WIRE_HS_VERSION)
		return;
	if (w.type != WIRE_ACK && w.flags != 0)
		return; /* none is defined */
	if (w.type == WIRE_M1) {
		responder_m1(h, path, &w, datagram, now_us);
		return;
	}
	hs = handshake_of(h, path, &w, datagram);
	if (!hs)
		return;
	if (w.type == WIRE_M2)
		initiator_m2(h, hs, &w, now_us);
	else if (w.type == WIRE_M3)
		responder_m3(h, hs, &w, now_us);
	else if (w.type == WIRE_ACK)
		input_ack(h, hs, &w, now_us);
}

/* ---- time ---- */

static void expire(struct handshakes *h, struct handshake *hs)
{
	const struct attempt *at = hs->attempt;

	if (hs->is_initiator && hs->state != I_M3) {
		if (at->has_failure)
			report_failure(h, hs, at->failure, at->fault);
		else
			report_failure(h, hs,
				       at->was_heard ? HS_FAIL_NO_COMPLETION : HS_FAIL_TIMEOUT,
				       IDENTITY_OK);
	}
	handshake_free(h, hs);
}

static void resend(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	hs->resend_us = now_us + rng_jitter(&h->rng, hs->interval_us, RESEND_JITTER_PERCENT);
	if (hs->job)
		return; /* the answer is here, and being looked at */
	if (hs->state == I_COOKIE || outgoing_is_flown(&hs->out)) {
		hs->interval_us = min_u64(2 * hs->interval_us, RESEND_MAX_US);
		hs->sent_us = NEVER_US; /* no longer a sample of the RTT */
	}
	if (hs->state == I_M1 && hs->in.bytes) { /* M2 has begun: what lacks is its rest */
		send_ack(h, hs, WIRE_M2, ACK_RESULT_PARTIAL, hs->in.have);
		return;
	}
	outgoing_doubt(&hs->out);
	send_flight(h, hs, now_us);
}

static void tick_one(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	if (now_us >= hs->end_us) {
		expire(h, hs);
		return;
	}
	if (now_us >= hs->ack_us) {
		hs->ack_us = NEVER_US;
		send_ack(h, hs, hs->in_type, ACK_RESULT_PARTIAL, hs->in.have);
	}
	if (now_us >= hs->resend_us)
		resend(h, hs, now_us);
}

void handshakes_tick(struct handshakes *h, uint64_t now_us)
{
	struct handshake *hs;
	size_t cursor = 0;

	if (now_us < handshakes_deadline_us(h))
		return;
	h->deadline_is_known = false;
	while ((hs = map_next(h->by_index, &cursor)))
		tick_one(h, hs, now_us);
}

static uint64_t find_deadline(const struct handshakes *h)
{
	uint64_t at = NEVER_US;
	struct handshake *hs;
	size_t cursor = 0;

	while ((hs = map_next(h->by_index, &cursor)))
		at = min_u64(at, min_u64(hs->end_us, min_u64(hs->ack_us, hs->resend_us)));
	return at;
}

uint64_t handshakes_deadline_us(const struct handshakes *h)
{
	struct handshakes *cache = (struct handshakes *)h; /* what is written is derived */

	if (!h->deadline_is_known) {
		cache->deadline_us = find_deadline(h);
		cache->deadline_is_known = true;
	}
	return h->deadline_us;
}

/* ---- actions ---- */

static void fill(const struct action *a, struct hs_action *ret)
{
	*ret = (struct hs_action){
		.type = a->type,
		.path = a->path,
		.id = a->id,
		.failure = a->failure,
		.fault = a->fault,
		.began_us = a->began_us,
		.len = a->len,
	};
	if (a->type == HS_SEND)
		memcpy(ret->datagram, a->datagram, a->len);
	if (a->done)
		ret->done = *a->done;
}

bool handshakes_next_action(struct handshakes *h, struct hs_action *ret)
{
	struct action *a;

	free(h->lent_block);
	h->lent_block = NULL;
	do {
		a = take_action(h);
		if (!a)
			return false;
		if (a->type == HS_SEND && a->len == 0) { /* could not be made */
			action_free(a);
			a = NULL;
		}
	} while (!a);
	fill(a, ret);
	h->lent_block = TAKE(a->join_block);
	action_free(a);
	return true;
}

bool handshakes_next_repeated(struct handshakes *h, uint32_t *ret_local_index)
{
	if (h->n_repeated == 0)
		return false;
	*ret_local_index = h->repeated[--h->n_repeated];
	return true;
}

const char *hs_failure_text(enum hs_failure failure)
{
	switch (failure) {
	case HS_FAIL_TIMEOUT:
		return "no answer";
	case HS_FAIL_NO_COMPLETION:
		return "answers came, but the handshake did not complete";
	case HS_FAIL_IDENTITY:
		return "the peer's certificate is not valid";
	case HS_FAIL_UNEXPECTED:
		return "another member answered than the one expected";
	case HS_FAIL_POLICY:
		return "the policy does not allow a session with the peer";
	case HS_FAIL_LOST_RACE:
		return "the peer's own handshake completed first";
	}
	return "unknown failure";
}

void handshakes_counters(const struct handshakes *h, struct hs_counters *ret)
{
	*ret = h->counters;
	ret->half_open = h->n_half_open;
}
