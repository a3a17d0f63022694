/* SPDX-License-Identifier: Apache-2.0 */
/* What travels inside sessions besides packets: the record stream, service messages, and the
 * session's own messages. */
#include <errno.h>
#include <stdlib.h>

#include "core/node/node_internal.h"

#define ECHO_LEN 17 /* id 4 | sequence 4 | sender's time 8 | hops on the way there 1 */

/* ---- session messages ---- */

static void path_check(struct node *n, struct node_session *s, const struct endpoint *from,
		       struct span body)
{
	uint8_t echo[2 + ROAM_CHALLENGE_LEN] = { PLAIN_SESSION, SESSION_MESSAGE_PATH_ECHO };

	if (body.len != ROAM_CHALLENGE_LEN || !from || s->is_join)
		return;
	memcpy(echo + 2, body.at, ROAM_CHALLENGE_LEN);
	path_send_direct(n, s, from, SPAN_OF(echo));
}

static void path_echo(struct node *n, struct node_session *s, const struct endpoint *from,
		      struct span body)
{
	struct peer *p = s->peer;

	if (body.len != ROAM_CHALLENGE_LEN || !from || !p || !p->neighbour)
		return;
	if (roam_echo(&p->neighbour->roam, from, body.at, n->now_us)) {
		n->ways_version++;
		node_event(n, EVENT_PEER_MOVED, p->id)->endpoint = *from;
		mtu_link_changed(n, p, true);
		traverse_neighbour(n, p);
	}
}

static void goodbye(struct node *n, struct node_session *s)
{
	struct peer *p = s->peer;

	if (!p)
		return;
	p->has_left = true;
	node_event(n, EVENT_GOODBYE, p->id);
	if (p->neighbour && link_force_down(p->neighbour->link, n->now_us))
		neighbour_changed(n, p);
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i])
			session_drop(n, p->sessions[i], "it said goodbye");
}

/* May drop the session. */
static void session_message(struct node *n, struct node_session *s, const struct endpoint *from,
			    struct span plaintext)
{
	struct span body = SPAN(plaintext.at + 2, plaintext.len - 2);

	switch ((enum session_message)plaintext.at[1]) {
	case SESSION_MESSAGE_REKEY:
		(void)session_rekey_input(s->keys, body, n->now_us);
		session_pump(n, s);
		break;
	case SESSION_MESSAGE_PATH_CHECK:
		path_check(n, s, from, body);
		break;
	case SESSION_MESSAGE_PATH_ECHO:
		path_echo(n, s, from, body);
		break;
	case SESSION_MESSAGE_KEEPALIVE:
		break;
	case SESSION_MESSAGE_GOODBYE:
		goodbye(n, s);
		break;
	case SESSION_MESSAGE_DEAD_END:
		if (from && s->peer)
			dead_ends_told(n, s->peer, body);
		break;
	case SESSION_MESSAGE_REPORT:
		if (s->peer)
			spread_report(n, s->peer, body);
		break;
	case SESSION_MESSAGE_CLOSE:
		if (s->peer)
			session_drop(n, s, "it ended the session");
		break;
	}
}

/* ---- service messages ---- */

static int send_echo(struct node *n, struct peer *p, enum wire_service service,
		     const uint8_t body[ECHO_LEN])
{
	struct wire_service_message m = { .service = (uint16_t)service,
					  .body = SPAN(body, ECHO_LEN) };
	uint8_t plaintext[ECHO_LEN + 8];
	int len = wire_service_encode(&m, plaintext, sizeof(plaintext));
	int r;

	if (len < 0)
		return len;
	r = path_send(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len));
	if (r == -EAGAIN && service == SERVICE_ECHO)
		peer_wait(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len));
	return r == -EAGAIN ? 0 : r;
}

int node_ping(struct node *n, uint64_t node_id, uint32_t id, uint32_t sequence, uint64_t now_us)
{
	uint8_t body[ECHO_LEN] = { 0 };
	struct route route;
	struct peer *p;
	int r;

	n->now_us = now_us;
	if (node_id == n->self)
		return -EINVAL;
	p = peer_get(n, node_id);
	if (!(p && peer_is_direct(p)) &&
	    (!routes_lookup(n->routes, node_id, &route) || !route.next_hop) &&
	    beyond_ask(n, node_id) != -EAGAIN)
		return -ENETUNREACH;
	p = peer_make(n, node_id);
	if (!p)
		return -ENOBUFS;
	store_u32(body, id);
	store_u32(body + 4, sequence);
	store_u64(body + 8, now_us);
	r = send_echo(n, p, SERVICE_ECHO, body);
	node_pump(n);
	return r;
}

static void echo_request(struct node *n, struct peer *p, struct span body, unsigned hops)
{
	uint8_t reply[ECHO_LEN];

	if (body.len != ECHO_LEN)
		return;
	if (node_decide(n, p->spiffe_id, POLICY_PING, "", NULL) != POLICY_ALLOW) {
		n->counters.policy_denied++;
		return;
	}
	memcpy(reply, body.at, ECHO_LEN);
	reply[16] = (uint8_t)hops;
	(void)send_echo(n, p, SERVICE_ECHO_REPLY, reply);
}

static void echo_reply(struct node *n, struct peer *p, struct span body)
{
	struct node_event *e;
	uint64_t sent_us;

	if (body.len != ECHO_LEN)
		return;
	sent_us = load_u64(body.at + 8);
	if (sent_us > n->now_us)
		return;
	e = node_event(n, EVENT_ECHO_REPLY, p->id);
	e->id = load_u32(body.at);
	e->sequence = load_u32(body.at + 4);
	e->rtt_us = n->now_us - sent_us;
	e->hops = body.at[16];
	if (p->neighbour)
		e->endpoint = p->neighbour->roam.current;
}

static void service_input(struct node *n, struct peer *p, struct span plaintext, unsigned hops)
{
	struct wire_service_message m;

	if (wire_service_decode(plaintext, &m) < 0) {
		n->counters.malformed++;
		return;
	}
	if (m.service == SERVICE_ECHO)
		echo_request(n, p, m.body, hops);
	else if (m.service == SERVICE_ECHO_REPLY)
		echo_reply(n, p, m.body);
	else if (m.service == SERVICE_PROBE)
		authentic_probed(n, p, m.body, hops);
	else if (m.service == SERVICE_PROBE_REPLY)
		authentic_answered(n, p, m.body, hops);
	else if (m.service == SERVICE_OFFERS_ASK)
		networks_asked(n, p);
	else if (m.service == SERVICE_OFFERS)
		networks_told(n, p, m.body);
	else if (m.service == SERVICE_NAT)
		traverse_message(n, p, m.body);
	else if (m.service == SERVICE_SURVEY_ASK)
		survey_question(n, p, m.body);
	else if (m.service == SERVICE_SURVEY)
		survey_report(n, p, m.body);
}

/* ---- the record stream ---- */

/* One answer to one request, and from nobody but whom it was asked of: a second one would take
 * the bytes away from an action that is still queued. */
static void renewed(struct node *n, struct node_session *s, struct blob *b)
{
	struct node_action *a;

	if (!s->peer || !n->renews_at || s->peer->id != n->renews_at) {
		n->counters.malformed++;
		return;
	}
	a = node_act(n, NODE_RENEWED, (struct span){ 0 });
	if (!a)
		return;
	n->renews_at = 0;
	blob_done(&n->renewed);
	n->renewed = *b;
	a->data = SPAN(b->bytes, b->total);
	*b = (struct blob){ 0 };
}

static void blob_record(struct node *n, struct node_session *s, enum blob_kind kind,
			struct span part)
{
	struct blob *b = &s->incoming[kind];
	struct span whole;

	if (!blob_input(b, part))
		return;
	whole = SPAN(b->bytes, b->total);
	switch (kind) {
	case BLOB_RENEW_REQUEST:
		admit_renewal(n, s, whole);
		break;
	case BLOB_RENEW_ANSWER:
		renewed(n, s, b);
		break;
	case BLOB_COSIGN:
		cosign_input(n, s, b);
		break;
	case BLOB_REVOCATIONS:
	case BLOB_NETWORK_KEY: {
		struct blob taken = *b; /* the session may be dropped by what it says */

		*b = (struct blob){ 0 };
		if (kind == BLOB_REVOCATIONS)
			revocations_input(n, SPAN(taken.bytes, taken.total));
		else
			network_key_input(n, SPAN(taken.bytes, taken.total));
		blob_done(&taken);
		return;
	}
	case N_BLOBS:
		break;
	}
	blob_done(b);
}

/* May drop the session, by what a record says. */
static void record_input(struct node *n, struct node_session *s, const struct stream_record *record)
{
	switch ((enum record_type)record->type) {
	case RECORD_ROUTE_UPDATE:
	case RECORD_ROUTE_DIGEST:
	case RECORD_ROUTE_RESYNC:
	case RECORD_SEQNO_REQUEST:
		if (s->is_direct &&
		    routes_input(n->routes, s->peer->id, record->type, record->body, n->now_us) < 0)
			n->counters.malformed++;
		break;
	case RECORD_TREE:
	case RECORD_TREE_FILTER:
	case RECORD_TREE_ASK:
	case RECORD_ROUTE_REQUEST:
		if (s->is_direct &&
		    reach_input(n->reach, s->peer->id, record->type, record->body, n->now_us) < 0)
			n->counters.malformed++;
		break;
	case RECORD_ORIGIN_ASK:
	case RECORD_ORIGIN_PART:
		if (s->is_direct && authentic_input(n, s->peer->id, record->type, record->body) < 0)
			n->counters.malformed++;
		break;
	case RECORD_REVOCATION:
		blob_record(n, s, BLOB_REVOCATIONS, record->body);
		break;
	case RECORD_NETWORK_KEY:
		blob_record(n, s, BLOB_NETWORK_KEY, record->body);
		break;
	case RECORD_RENEW_REQUEST:
		blob_record(n, s, BLOB_RENEW_REQUEST, record->body);
		break;
	case RECORD_RENEW_ANSWER:
		blob_record(n, s, BLOB_RENEW_ANSWER, record->body);
		break;
	case RECORD_COSIGN:
		if (s->is_direct && cosign_part_fits(n, record->body))
			blob_record(n, s, BLOB_COSIGN, record->body);
		break;
	case RECORD_OBSERVED:
		traverse_observed(n, s, record->body);
		break;
	case RECORD_PLACE:
		traverse_place(n, s, record->body);
		break;
	default:
		break; /* of a later version: skipped by its length */
	}
}

/* Handles all records that have come in order; any of them may end the session. */
void control_stream(struct node *n, struct node_session *s)
{
	struct stream_record record;

	while (stream_next_record(s->stream, &record)) {
		if (s->is_join)
			continue; /* a joiner has nothing to say */
		n->watched = s;
		record_input(n, s, &record);
		if (n->watched != s)
			return;
	}
	session_pump(n, s);
}

void control_input(struct node *n, struct node_session *s, const struct endpoint *from,
		   struct span plaintext, unsigned hops)
{
	switch (plaintext.at[0]) {
	case PLAIN_CONTROL:
		if (stream_input(s->stream, plaintext, n->now_us) < 0)
			n->counters.malformed++;
		else
			control_stream(n, s);
		break;
	case PLAIN_SERVICE:
		service_input(n, s->peer, plaintext, hops);
		break;
	case PLAIN_SESSION:
		if (plaintext.len >= 2)
			session_message(n, s, from, plaintext);
		break;
	default:
		n->counters.malformed++;
	}
}

/* A new direct session: tell the neighbour what must reach everybody, and the whole table. */
void control_tell_neighbour(struct node *n, struct peer *p)
{
	if (p->neighbour && p->neighbour->is_routed) {
		routes_neighbour_resync(n->routes, p->id, n->now_us);
		reach_neighbour_resync(n->reach, p->id, n->now_us);
	}
	if (n->revocations_len > 0)
		(void)control_push_blob(n, p->direct, RECORD_REVOCATION,
					SPAN(n->revocations, n->revocations_len));
	for (size_t i = n->n_keys; i > 0; i--) {
		uint8_t bytes[8 + NETWORK_KEY_LEN + MLDSA65_SIG_LEN];

		if (n->keys[i - 1].generation == 0)
			continue; /* the first one: whoever is here has it */
		store_u64(bytes, n->keys[i - 1].generation);
		memcpy(bytes + 8, n->keys[i - 1].key, NETWORK_KEY_LEN);
		memcpy(bytes + 8 + NETWORK_KEY_LEN, n->keys[i - 1].signature, MLDSA65_SIG_LEN);
		(void)control_push_blob(n, p->direct, RECORD_NETWORK_KEY, SPAN_OF(bytes));
		bytes_wipe(bytes, sizeof(bytes));
	}
	traverse_neighbour(n, p);
}

/* ---- packets of kind "control", which are not sealed end to end ---- */

void control_unsealed(struct node *n, const struct wire_hop *hop, struct span payload)
{
	if (payload.len == 0)
		return;
	if (payload.at[0] == TRACE_REQUEST)
		trace_request(n, hop, payload);
	else if (payload.at[0] == TRACE_REPLY)
		trace_reply(n, hop, payload);
	else if (payload.at[0] == CONTROL_TOO_BIG)
		mtu_told(n, payload);
	else if (payload.at[0] == CONTROL_LINKS_ASK)
		spread_ask(n, hop, payload);
	else if (payload.at[0] == CONTROL_LINKS)
		spread_told(n, hop, payload);
}
