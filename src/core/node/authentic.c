/* SPDX-License-Identifier: Apache-2.0 */
/* Who proves what of routes, and whether packets arrive: core/origin and core/watch, with real
 * signatures, sessions and packets (docs/authenticity.md). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

#define PROBE_HEAD_LEN 5  /* id 4 | flags 1; then, in a probe, bytes that mean nothing */
#define PROBE_COUNT_LEN 4 /* in an answer with the flag: packets of the asker's that arrived */
#define PROBE_FOR_PACKETS 1
#define PROBE_HOPS_AT (PROBE_HEAD_LEN + PROBE_COUNT_LEN) /* of an answer: links that it came by */
#define PROBE_LEN_MIN (PROBE_HOPS_AT + 1)
#define PROBE_HOPS 4   /* of an answer: it says that too, as it may go back by another way */
#define PROBE_COUNTS 2 /* of an answer; who does not know it sends the probe's flags back */
#define PROBES_ANSWERED_MAX 4000 /* a second */
/* Of one peer: four ways, each again and again where they are lost. One that could use up all
 * would make others doubt those between them and us. */
#define PROBES_OF_PEER_MAX 20
#define AHEAD 4 /* certificates under way to a neighbour */
#define SESSION_WAIT_US MS(1500)

/* Some nodes have no way to some others until they look for one (core/reach): answers may fail for
 * want of it, which is no fault of those between. */
static bool has_zones(const struct node *n)
{
	return routes_zone_count(n->routes) < routes_count_reachable(n->routes);
}

/* ---- our own certificate ---- */

static int chain_bytes(const struct node *n, uint8_t *ret, size_t ret_size)
{
	return chain_encode(n->identity.chain, n->identity.n_chain, ret, ret_size);
}

/* About 12 ms of hashing and a signature, at the start and every four hours. */
static void certify(struct node *n)
{
	uint8_t chain[ORIGIN_CHAIN_MAX], bytes[ORIGIN_CERTIFICATE_MAX];
	uint8_t rnd[MLDSA65_RND_LEN], signature[MLDSA65_SIG_LEN];
	int chain_len, len;

	if (!origins_wants_certificate(n->origins) || n->now_us < n->certify_us)
		return;
	n->certify_us = n->now_us + SECONDS(10); /* where it does not succeed */
	chain_len = chain_bytes(n, chain, sizeof(chain));
	if (chain_len < 0)
		return;
	len = origins_begin_certificate(n->origins, SPAN(chain, (size_t)chain_len), node_unix_s(n),
					bytes, sizeof(bytes));
	if (len < 0)
		return;
	entropy_fill(&n->entropy, rnd, sizeof(rnd));
	if (n->ops->mldsa65_sign(n->identity.key, SPAN(bytes, (size_t)len),
				 SPAN_STR(ORIGIN_CONTEXT), rnd, signature) < 0)
		return;
	if (origins_end_certificate(n->origins, SPAN(bytes, (size_t)len), SPAN_OF(signature),
				    n->now_us) == 0)
		n->certify_us = 0;
}

/* ---- others' ---- */

struct check {
	struct node *node;
	uint8_t name[ORIGIN_HASH_LEN];
	int64_t unix_s;
	struct peer_identity signer;
	const char *reason; /* NULL: good */
	size_t len;
	uint8_t bytes[];
};

/* Reads only what handshakes' jobs read too: the roots. */
static const char *check_certificate(const struct check *c, struct peer_identity *ret)
{
	struct span chain[CHAIN_CERTS_MAX];
	struct origin_certificate read;
	enum identity_fault fault;
	size_t n_chain;

	if (origin_certificate_decode(SPAN(c->bytes, c->len), &read) < 0 ||
	    chain_decode(read.chain, chain, &n_chain) < 0)
		return "its epoch certificate cannot be read";
	fault = trust_verify_path(&c->node->trust, chain, n_chain, c->unix_s, ret);
	if (fault != IDENTITY_OK)
		return identity_fault_text(fault);
	if (ret->node_id != read.node_id)
		return "its epoch certificate is signed by another node";
	if (c->unix_s > read.not_after_s)
		return "its epoch certificate has expired";
	if (read.signature.len != MLDSA65_SIG_LEN ||
	    c->node->ops->mldsa65_verify(ret->pk, read.signed_part, SPAN_STR(ORIGIN_CONTEXT),
					 read.signature.at) < 0)
		return "the signature of its epoch certificate is wrong";
	return NULL;
}

static void check_run(void *arg)
{
	struct check *c = arg;

	c->reason = check_certificate(c, &c->signer);
}

static void check_done(void *arg, bool is_run, uint64_t now_us)
{
	struct check *c = arg;
	enum identity_fault fault;

	if (!is_run)
		c->reason = "its epoch certificate could not be looked at";
	if (!c->reason) {
		fault = trust_recheck(&c->node->trust, &c->signer, node_unix_s(c->node));
		if (fault != IDENTITY_OK)
			c->reason = identity_fault_text(fault);
	}
	origins_verified(c->node->origins, c->name, c->reason, now_us);
}

static void verify(struct node *n, const struct origin_action *a)
{
	struct check *c = calloc(1, sizeof(*c) + a->data.len);
	struct hs_errand errand = { .run = check_run, .done = check_done, .free = free, .arg = c };

	if (!c) {
		origins_put_off(n->origins, a->name);
		return;
	}
	c->node = n;
	c->unix_s = node_unix_s(n);
	c->len = a->data.len;
	memcpy(c->name, a->name, sizeof(c->name));
	memcpy(c->bytes, a->data.at, a->data.len);
	if (handshakes_errand(n->handshakes, &errand, n->now_us) == 0)
		return;
	origins_put_off(n->origins, a->name);
	free(c);
}

static void ask(struct node *n, const struct origin_action *a)
{
	struct peer *p = peer_get(n, a->neighbour);

	if (!p || !p->direct)
		return;
	if (stream_push(p->direct->stream, RECORD_ORIGIN_ASK, a->data, true, n->now_us) == 0)
		session_pump(n, p->direct);
}

static void lied(struct node *n, const struct origin_action *a)
{
	struct node_event *e;

	watch_lied(n->watch, a->neighbour, n->now_us);
	if (n->now_us < n->lie_alarm_us)
		return;
	n->lie_alarm_us = n->now_us + EVENT_INTERVAL_US;
	e = node_event(n, EVENT_ROUTE_LIE, a->neighbour);
	e->via = a->destination;
	e->reason = a->reason;
}

/* A record of origin/, from a neighbour. */
int authentic_input(struct node *n, uint64_t neighbour, uint8_t type, struct span body)
{
	return origins_input(n->origins, neighbour, type == RECORD_ORIGIN_PART, body, n->now_us);
}

/* Certificates that a neighbour asked for go when nothing else is under way to it. */
void authentic_serve(struct node *n, struct node_session *s)
{
	uint8_t part[ORIGIN_PART_MAX];
	size_t len;

	if (!s->peer || s->peer->direct != s || !origins_has_part(n->origins, s->peer->id) ||
	    !stream_is_idle(s->stream))
		return;
	for (size_t sent = 0; sent < (size_t)AHEAD * ORIGIN_CERTIFICATE_MAX; sent += len)
		if (!origins_next_part(n->origins, s->peer->id, part, &len) ||
		    stream_push(s->stream, RECORD_ORIGIN_PART, SPAN(part, len), true, n->now_us) <
			    0)
			return;
}

/* ---- probes ---- */

static void send_probe(struct node *n, const struct watch_probe *probe)
{
	uint8_t body[WIRE_SERVICE_MAX] = { 0 };
	size_t len = max_u64(PROBE_LEN_MIN, min_u64(probe->len, sizeof(body)));
	struct peer *p;

	if (neighbour_state(n, probe->neighbour) == LINK_DOWN) {
		watch_unsent(n->watch, probe->id);
		return;
	}
	if (routes_last_metric(n->routes, probe->neighbour, probe->destination) >= ROUTE_DOUBTED) {
		watch_excuse(n->watch, probe->id);
		return;
	}
	p = peer_make(n, probe->destination);
	if (!p) {
		watch_unsent(n->watch, probe->id);
		return;
	}
	if (!p->e2e || !session_can_send(p->e2e->keys, n->now_us)) {
		/* Who drops packets drops handshakes: one that is not answered is a lost probe. */
		greet_peer(n, p);
		if (p->watch_us == 0)
			p->watch_us = n->now_us;
		if (!p->attempt || has_zones(n) || n->now_us - p->watch_us < SESSION_WAIT_US)
			watch_unsent(n->watch, probe->id);
		return;
	}
	p->watch_us = 0;
	watch_mark(n->watch, probe->id, p->n_sealed);
	store_u32(body, probe->id);
	body[4] = probe->is_for_packets ? PROBE_FOR_PACKETS : 0;
	entropy_fill(&n->entropy, body + PROBE_HEAD_LEN, len - PROBE_HEAD_LEN);
	path_send_service(n, p, probe->is_second ? CLASS_INTERACTIVE : (enum wire_class)probe->tag,
			  SERVICE_PROBE, SPAN(body, len), probe->neighbour, false);
}

static bool may_answer(uint64_t *second_us, unsigned *n, unsigned n_max, uint64_t now_us)
{
	if (now_us >= *second_us + SECONDS(1)) {
		*second_us = now_us;
		*n = 0;
	}
	if (*n == n_max)
		return false;
	(*n)++;
	return true;
}

/* A probe of a peer: what goes back is as long, so that it looks like packets too, and says how
 * many of its packets have come, so that it need not judge all by the few probes. */
void authentic_probed(struct node *n, struct peer *p, struct span body, unsigned hops)
{
	uint8_t answer[WIRE_SERVICE_MAX];
	uint64_t back = n->came_by;

	if (body.len < PROBE_HEAD_LEN || body.len > sizeof(answer))
		return;
	if (!may_answer(&p->probe_second_us, &p->n_probes, PROBES_OF_PEER_MAX, n->now_us) ||
	    !may_answer(&n->probe_second_us, &n->n_probes, PROBES_ANSWERED_MAX, n->now_us))
		return;
	memcpy(answer, body.at, body.len);
	answer[4] &= (uint8_t) ~(PROBE_COUNTS | PROBE_HOPS);
	if (body.len >= PROBE_HEAD_LEN + PROBE_COUNT_LEN) {
		answer[4] |= PROBE_COUNTS;
		store_u32(answer + PROBE_HEAD_LEN, p->n_opened);
	}
	if (body.len >= PROBE_LEN_MIN) {
		answer[4] |= PROBE_HOPS;
		answer[PROBE_HOPS_AT] = (uint8_t)min_u64(hops, UINT8_MAX);
	}
	/* It goes back by whom the probe came by, where it is about that way and not about ours:
	 * else a way of ours that loses packets makes the other end doubt all of its own. */
	if (back == p->id || neighbour_state(n, back) != LINK_UP)
		back = 0;
	if (!back && routes_next_hop(n->routes, p->id) == 0)
		(void)beyond_ask(n, p->id); /* this answer may be lost, the next is not */
	path_send_service(n, p, CLASS_INTERACTIVE, SERVICE_PROBE_REPLY, SPAN(answer, body.len),
			  back, body.at[4] & PROBE_FOR_PACKETS);
}

void authentic_answered(struct node *n, struct peer *p, struct span body, unsigned hops)
{
	uint32_t n_opened;
	bool counts;

	if (body.len < PROBE_HEAD_LEN)
		return;
	counts = body.at[4] & PROBE_COUNTS && body.len >= PROBE_HEAD_LEN + PROBE_COUNT_LEN;
	if (body.at[4] & PROBE_HOPS && body.len >= PROBE_LEN_MIN && body.at[PROBE_HOPS_AT] > 0)
		hops = body.at[PROBE_HOPS_AT];
	n_opened = counts ? load_u32(body.at + PROBE_HEAD_LEN) : 0;
	watch_answered(n->watch, p->id, load_u32(body.at), hops, counts ? &n_opened : NULL,
		       n->now_us);
}

void authentic_passed(struct node *n, const struct wire_hop *hop, uint64_t next, size_t len,
		      enum watch_use use)
{
	if (hop->kind != KIND_DATA || use == WATCH_NOT)
		return;
	/* Who is in our zone has us in its own, as a rule, and can answer; for others the source
	 * watches, to whom there is a way back. */
	if (use != WATCH_RELAYED || !has_zones(n) || routes_is_in_zone(n->routes, hop->destination))
		watch_passed(n->watch,
			     &(struct watch_packet){ .destination = hop->destination,
						     .neighbour = next,
						     .len = len,
						     .use = use,
						     .tag = (uint8_t)hop->class,
						     .is_bulk = hop->class == CLASS_BULK },
			     n->now_us);
}

static void tell_doubt(struct node *n, const struct watch_doubt *d)
{
	struct node_event *e;

	routes_set_doubt(n->routes, d->neighbour, d->destination, d->is_doubted, n->now_us);
	if (!d->is_news)
		return;
	e = node_event(n, d->is_doubted ? EVENT_DOUBTED : EVENT_BELIEVED, d->neighbour);
	e->via = d->destination;
	e->reason = d->destination ? "packets to a node that are given to it do not arrive"
				   : "packets to several nodes that are given to it do not arrive, "
				     "or it lies about routes";
	if (!d->is_doubted)
		e->reason = "packets given to it arrive again, or the doubt has lasted its time";
}

/* ---- together ---- */

int authentic_begin(struct node *n, const uint8_t hash_key[16], uint64_t seed)
{
	struct origin_config config = {
		.ops = n->ops,
		.entropy = n->entropy,
		.self = n->self,
		.epoch = (uint32_t)n->identity.boot_epoch,
	};
	int r;

	memcpy(config.hash_key, hash_key, sizeof(config.hash_key));
	r = watch_new(seed, n->now_us, &n->watch);
	if (r < 0)
		return r;
	r = origins_new(&config, n->now_us, &n->origins);
	if (r < 0)
		return r;
	certify(n);
	return 0;
}

void authentic_end(struct node *n)
{
	watch_free(n->watch);
	origins_free(n->origins);
}

void authentic_gone(struct node *n, uint64_t neighbour)
{
	watch_gone(n->watch, neighbour);
	origins_gone(n->origins, neighbour);
}

/* Certificates of nodes that were revoked count no longer. */
void authentic_revoked(struct node *n)
{
	for (size_t i = 0; i < n->trust.revoked.n; i++)
		origins_forget(n->origins, n->trust.revoked.entries[i].node_id);
}

void authentic_pump(struct node *n)
{
	struct origin_action a;
	struct watch_probe probe;
	struct watch_doubt doubt;

	certify(n);
	while (origins_next_action(n->origins, n->now_us, &a)) {
		switch (a.type) {
		case ORIGIN_ASK:
			ask(n, &a);
			break;
		case ORIGIN_VERIFY:
			verify(n, &a);
			break;
		case ORIGIN_REVIEW:
			routes_review(n->routes, a.destination, n->now_us);
			break;
		case ORIGIN_LIED:
			lied(n, &a);
			break;
		}
	}
	while (watch_next_probe(n->watch, n->now_us, &probe))
		send_probe(n, &probe);
	while (watch_next_doubt(n->watch, &doubt))
		tell_doubt(n, &doubt);
}

uint64_t authentic_deadline_us(const struct node *n)
{
	return min_u64(origins_deadline_us(n->origins), watch_deadline_us(n->watch));
}

/* ---- views ---- */

bool node_next_watched(const struct node *n, size_t *cursor, struct watch_way *ret)
{
	return watch_next_way(n->watch, cursor, ret);
}

enum origin_state node_origin(const struct node *n, uint64_t id, const char **ret_reason)
{
	return origins_state(n->origins, id, ret_reason);
}
