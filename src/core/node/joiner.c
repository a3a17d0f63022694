/* SPDX-License-Identifier: Apache-2.0 */
/* The joiner: handshakes to all endpoints, the first session, the answer in its stream. */
#include "core/node/joiner.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/link/stream.h"
#include "core/node/node_internal.h"
#include "core/session/session.h"
#include "core/wire/wire.h"

#define DATAGRAMS_MAX 256

struct outgoing {
	struct endpoint to;
	size_t len;
	uint8_t bytes[NODE_DATAGRAM_MAX];
};

struct joiner {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed;
	struct hs_join join;
	int64_t unix_s;
	uint64_t start_us;
	uint64_t now_us;
	struct handshakes *handshakes;
	struct joiner_trial trials[JOINER_ENDPOINTS_MAX];
	size_t n_trials;
	struct session *session; /* the first that completed */
	struct stream *stream;
	uint32_t local_index;
	struct endpoint peer;
	uint8_t t_i[SHA256_LEN];
	struct blob answer;
	enum joiner_state state;
	struct outgoing out[DATAGRAMS_MAX]; /* a ring */
	size_t first, used;
};

/* The chain is judged inside the handshake, against the root that the invitation names. */
static enum identity_fault no_domain_yet(void *arg, const struct span *chain, size_t n_chain,
					 int64_t unix_s, struct peer_identity *ret)
{
	struct joiner *j = arg;
	struct trust trust = { .ops = j->ops, .n_roots = 1 };

	if (n_chain < 2)
		return IDENTITY_NO_PATH; /* the root has to be its last certificate */
	memcpy(trust.domain, j->join.domain, sizeof(trust.domain));
	trust.roots[0] = chain[n_chain - 1];
	return trust_verify_path(&trust, chain, n_chain - 1, unix_s, ret);
}

static int64_t judge_unix_s(void *arg)
{
	return ((const struct joiner *)arg)->unix_s;
}

/* It knows of no revocations yet, and verifies one chain once. */
static enum identity_fault nothing_changed(void *arg, const struct peer_identity *peer)
{
	(void)arg;
	(void)peer;
	return IDENTITY_OK;
}

static bool accept_authority(void *arg, const struct peer_identity *peer)
{
	(void)arg;
	(void)peer;
	return true; /* whoever the named root vouches for */
}

static bool no_tokens(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret[SHA256_LEN])
{
	(void)arg;
	(void)id;
	(void)ret;
	return false;
}

static int no_requests(void *arg, struct span csr, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	(void)arg;
	(void)csr;
	(void)ret_pk;
	return -EPROTO;
}

static bool index_is_free(void *arg, uint32_t index)
{
	struct joiner *j = arg;

	return index != 0 && index != j->local_index;
}

static const struct hs_judge judge = {
	.unix_s = judge_unix_s,
	.verify = no_domain_yet,
	.recheck = nothing_changed,
	.accept = accept_authority,
	.token = no_tokens,
	.csr_key = no_requests,
	.index_is_free = index_is_free,
};

DEFINE_FREEP(struct joiner, joiner_free)

int joiner_new(const struct joiner_config *config, uint64_t now_us, struct joiner **ret)
{
	CLEANUP(joiner_freep) struct joiner *j = calloc(1, sizeof(*j));
	struct hs_config hs = {
		.ops = config->ops,
		.entropy = config->entropy,
		.seed = config->seed,
		.judge = &judge,
		.judge_arg = j,
		.aead_offer = config->aead_offer,
		.lanes = 1,
	};
	int r;

	if (!j)
		return -ENOMEM;
	j->ops = config->ops;
	j->entropy = config->entropy;
	j->seed = config->seed;
	j->join = config->join;
	j->unix_s = config->unix_s;
	j->start_us = j->now_us = now_us;
	r = handshakes_new(&hs, &j->handshakes);
	if (r < 0)
		return r;
	handshakes_set_network_keys(j->handshakes, &config->network_key, 1);
	*ret = TAKE(j);
	return 0;
}

void joiner_free(struct joiner *j)
{
	if (!j)
		return;
	handshakes_free(j->handshakes);
	session_free(j->session);
	stream_free(j->stream);
	blob_done(&j->answer);
	bytes_wipe(&j->join.token, sizeof(j->join.token));
	free(j);
}

static void queue(struct joiner *j, const struct endpoint *to, struct span datagram)
{
	struct outgoing *o;

	if (j->used == DATAGRAMS_MAX || datagram.len > NODE_DATAGRAM_MAX)
		return; /* as if the network had lost it: it is repeated */
	o = &j->out[(j->first + j->used++) % DATAGRAMS_MAX];
	o->to = *to;
	o->len = datagram.len;
	memcpy(o->bytes, datagram.at, datagram.len);
}

bool joiner_next_datagram(struct joiner *j, struct endpoint *ret_to, struct span *ret)
{
	struct outgoing *o = &j->out[j->first];

	if (j->used == 0)
		return false;
	*ret_to = o->to;
	*ret = SPAN(o->bytes, o->len);
	j->first = (j->first + 1) % DATAGRAMS_MAX;
	j->used--;
	return true;
}

static void begin_session(struct joiner *j, const struct hs_done *d, const struct endpoint *peer)
{
	struct session_config config = {
		.ops = j->ops,
		.entropy = j->entropy,
		.seed = j->seed,
		.index_is_free = index_is_free,
		.index_arg = j,
	};
	struct session_secret secret = {
		.root = d->root,
		.is_initiator = true,
		.aead = d->aead,
		.lanes_local = d->lanes_local,
		.lanes_peer = d->lanes_peer,
		.local_index = d->local_index,
		.remote_index = d->remote_index,
		.ends_us = j->now_us + NODE_JOIN_US,
	};

	if (j->session || stream_new(&j->stream) < 0)
		return; /* another endpoint of the same authority was quicker */
	if (session_new(&config, &secret, j->now_us, &j->session) < 0)
		return;
	j->local_index = d->local_index;
	j->peer = *peer;
	memcpy(j->t_i, d->t_i, sizeof(j->t_i));
}

static struct joiner_trial *trial_at(struct joiner *j, uint64_t id)
{
	return id >= 1 && id <= j->n_trials ? &j->trials[id - 1] : NULL;
}

static void send_stream(struct joiner *j)
{
	uint8_t part[HOP_SHORT_LEN + STREAM_PACKET_MAX];
	uint8_t datagram[WIRE_HEADER_LEN + sizeof(part) + AEAD_TAG_LEN];
	struct wire_hop hop = { .ttl = 1, .class = CLASS_CRITICAL };
	size_t len;

	while (j->session && session_can_send(j->session, j->now_us) &&
	       stream_next_packet(j->stream, j->now_us, part + HOP_SHORT_LEN, &len)) {
		struct wire_transport t = { .type = WIRE_TRANSPORT };
		struct session_ticket ticket;

		wire_hop_encode_short(&hop, part);
		len += HOP_SHORT_LEN;
		if (session_reserve(j->session, SESSION_LINK, 0, len, j->now_us, &ticket) < 0)
			return;
		t.receiver_index = ticket.remote_index;
		t.lane = ticket.lane;
		t.sequence = ticket.sequence;
		wire_transport_encode(&t, datagram);
		if (session_seal(j->session, &ticket, SPAN(datagram, WIRE_HEADER_LEN),
				 SPAN(part, len), datagram + WIRE_HEADER_LEN) == 0)
			queue(j, &j->peer, SPAN(datagram, WIRE_HEADER_LEN + len + AEAD_TAG_LEN));
	}
}

static void pump(struct joiner *j)
{
	struct session_action ignored;
	struct hs_action a;

	while (handshakes_next_action(j->handshakes, &a)) {
		struct joiner_trial *t = trial_at(j, a.type == HS_DONE ? a.done.id : a.id);

		switch (a.type) {
		case HS_SEND:
			queue(j, &a.path.remote, SPAN(a.datagram, a.len));
			break;
		case HS_DONE:
			if (t)
				t->has_handshake = t->is_over = true;
			begin_session(j, &a.done, &a.path.remote);
			bytes_wipe(&a.done, sizeof(a.done));
			break;
		case HS_FAILED:
			if (!t)
				break;
			t->is_over = true;
			t->failure = a.failure;
			t->fault = a.fault;
			break;
		}
	}
	while (j->session && session_next_action(j->session, &ignored))
		; /* it lives for seconds: no rekey, no new index */
	send_stream(j);
}

int joiner_add_endpoint(struct joiner *j, const struct endpoint *endpoint, uint64_t now_us)
{
	struct hs_path path = { .remote = *endpoint };
	int r;

	for (size_t i = 0; i < j->n_trials; i++)
		if (endpoint_equal(&j->trials[i].endpoint, endpoint))
			return -EEXIST;
	if (j->n_trials == JOINER_ENDPOINTS_MAX)
		return -ENOBUFS;
	j->now_us = now_us;
	j->trials[j->n_trials++] = (struct joiner_trial){ .endpoint = *endpoint };
	r = handshakes_start_join(j->handshakes, j->n_trials, &path, &j->join, now_us);
	if (r < 0)
		j->n_trials--;
	pump(j);
	return r;
}

/* The whole answer is there: its first 32 bytes prove that the authority which knows the token
 * made the rest. */
static void judge_answer(struct joiner *j)
{
	uint8_t join_key[SHA256_LEN];
	uint8_t mac[SHA256_LEN];
	struct span rest = SPAN(j->answer.bytes + SHA256_LEN, j->answer.total - SHA256_LEN);

	token_join_key(j->ops, j->join.token.secret, join_key);
	join_accept_mac(j->ops, join_key, j->t_i, rest, mac);
	j->state =
		bytes_equal_ct(mac, j->answer.bytes, SHA256_LEN) ? JOINER_ANSWERED : JOINER_FAILED;
	bytes_wipe(join_key, sizeof(join_key));
}

static void stream_records(struct joiner *j)
{
	struct stream_record record;

	while (stream_next_record(j->stream, &record)) {
		if (record.type != RECORD_JOIN_ANSWER || j->state != JOINER_TRYING)
			continue;
		if (blob_input(&j->answer, record.body) && j->answer.total > SHA256_LEN)
			judge_answer(j);
	}
}

static void transport_input(struct joiner *j, const struct endpoint *from, struct span datagram)
{
	uint8_t opened[NODE_DATAGRAM_MAX];
	struct wire_transport t;
	struct wire_hop hop;
	struct span inner;
	bool is_newest;

	if (wire_transport_decode(datagram, &t) < 0 || t.type != WIRE_TRANSPORT ||
	    t.seal_len != 0 || !j->session || !endpoint_equal(from, &j->peer) ||
	    datagram.len < WIRE_HEADER_LEN + AEAD_TAG_LEN || datagram.len > sizeof(opened))
		return;
	if (session_open(j->session, SESSION_LINK, t.receiver_index, t.lane, t.sequence,
			 SPAN(datagram.at, WIRE_HEADER_LEN),
			 SPAN(datagram.at + WIRE_HEADER_LEN, datagram.len - WIRE_HEADER_LEN),
			 opened, &is_newest, j->now_us) != SESSION_OPENED)
		return;
	handshakes_confirmed(j->handshakes, j->local_index);
	if (wire_hop_decode_short(SPAN(opened, datagram.len - WIRE_HEADER_LEN - AEAD_TAG_LEN), &hop,
				  &inner) < 0)
		return;
	if (inner.len > 0 && inner.at[0] == PLAIN_CONTROL &&
	    stream_input(j->stream, inner, j->now_us) == 0)
		stream_records(j);
}

void joiner_input_datagram(struct joiner *j, const struct endpoint *from, struct span datagram,
			   uint64_t now_us)
{
	struct hs_path path = { .remote = *from };

	j->now_us = now_us;
	if (datagram.len == 0)
		return;
	if (datagram.at[0] <= WIRE_COOKIE)
		handshakes_input(j->handshakes, &path, datagram, now_us);
	else
		transport_input(j, from, datagram);
	pump(j);
}

static bool all_are_over(const struct joiner *j)
{
	for (size_t i = 0; i < j->n_trials; i++)
		if (!j->trials[i].is_over)
			return false;
	return true;
}

void joiner_tick(struct joiner *j, uint64_t now_us)
{
	j->now_us = now_us;
	handshakes_tick(j->handshakes, now_us);
	if (j->session)
		session_tick(j->session, now_us);
	pump(j);
	if (j->state != JOINER_TRYING)
		return;
	if (now_us >= j->start_us + JOINER_LIMIT_US || (!j->session && all_are_over(j)))
		j->state = JOINER_FAILED;
}

uint64_t joiner_deadline_us(const struct joiner *j)
{
	uint64_t at = min_u64(handshakes_deadline_us(j->handshakes), j->start_us + JOINER_LIMIT_US);

	if (j->session)
		at = min_u64(at, min_u64(session_deadline_us(j->session),
					 stream_deadline_us(j->stream)));
	return at;
}

enum joiner_state joiner_state(const struct joiner *j)
{
	return j->state;
}

struct span joiner_answer(const struct joiner *j)
{
	if (j->state != JOINER_ANSWERED)
		return (struct span){ 0 };
	return SPAN(j->answer.bytes + SHA256_LEN, j->answer.total - SHA256_LEN);
}

const struct endpoint *joiner_peer(const struct joiner *j)
{
	return &j->peer;
}

bool joiner_trial(const struct joiner *j, size_t i, struct joiner_trial *ret)
{
	if (i >= j->n_trials)
		return false;
	*ret = j->trials[i];
	return true;
}
