/* SPDX-License-Identifier: Apache-2.0 */
/* Direct links that nobody configured: what neighbours say of our address, whom we want a link
 * with, and the way to it through NATs (docs/nat.md; core/nat decides how). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "core/node/node_internal.h"

#define LOOK_US SECONDS(1) /* whether a link is wanted, at least so often */
#define LOOK_SOON_US MS(20)
#define WANT_US SECONDS(5)  /* for a session through the mesh to come about */
#define MEET_US SECONDS(3)  /* for a handshake with an address found to begin */
#define SEEK_MIN_US MS(100) /* between two that are wanted for their own sake */
#define SEEK_MAX_US SECONDS(300)
#define SEEK_FAILED_US SECONDS(2)
#define RETRY_MIN_US SECONDS(30) /* the same peer again */
#define RETRY_MAX_US SECONDS(600)
#define SETTLED_US SECONDS(5) /* and after a link with it was lost */
#define USED_US SECONDS(2)    /* packets so long ago say that a peer is in use */
#define WELCOME_BURST 3	      /* calls of one peer that are taken up */
#define WELCOME_EVERY_US SECONDS(60)
#define AGAIN_AFTER_US SECONDS(2) /* without anybody to ask: whoever is configured goes first */
#define AGAIN_MAX 8		  /* handshakes at once with where nodes were before */
#define REVIEW_US MS(500)	  /* observations are told on no more often */
#define FRESH_US SECONDS(30)	  /* and end back-off no more often */
#define OBSERVED_LEN 18		  /* address 16 | port 2 */

struct traverse {
	struct node_traversal config;
	struct observe observe;
	struct candidates fixed; /* as configured */
	struct candidates told;	 /* what we say of ourselves */
	uint32_t counter;	 /* of changes of it */
	struct atlas *atlas;
	struct punch *punch;
	uint64_t look_us;
	uint64_t seek_us, seek_wait_us;
	uint64_t asked_us; /* there was somebody to ask for a link */
	bool is_idle;	   /* and now there is nobody, until routes change */
	bool is_stale;	   /* what is said of ourselves is looked at again at: */
	uint64_t review_us;
	uint64_t fresh_us; /* what failed may begin anew from then on */
};

static const char *const reason_session = "no session through the mesh came about";
static const char *const reason_handshake =
	"an address was found, but the handshake with it failed";
static const char *const reason_again = "nobody answers where it was before";
static const char *const reason_trying = "a direct link is being tried";

int traverse_new(struct node *n, const struct node_config *config, const uint8_t hash_key[16])
{
	struct traverse *t = calloc(1, sizeof(*t));
	uint8_t key[16];
	int r;

	n->traverse = t;
	if (!t)
		return -ENOMEM;
	t->config = config->traversal;
	t->config.links = (unsigned)min_u64(t->config.links, t->config.links_max);
	t->seek_wait_us = SEEK_MIN_US;
	t->look_us = t->asked_us = n->now_us;
	entropy_fill(&n->entropy, key, sizeof(key));
	r = atlas_new(hash_key, &t->atlas);
	if (r == 0)
		r = punch_new(n->self, key, n->now_us, &t->punch);
	bytes_wipe(key, sizeof(key));
	return r;
}

void traverse_free(struct traverse *t)
{
	if (!t)
		return;
	atlas_free(t->atlas);
	punch_free(t->punch);
	free(t);
}

/* ---- what we say of ourselves ---- */

static void fill_message(const struct node *n, enum nat_message_type type, struct nat_message *ret)
{
	*ret = (struct nat_message){
		.type = type,
		.mapping = observe_mapping(&n->traverse->observe),
		.boot_epoch = (uint32_t)n->identity.boot_epoch,
		.counter = n->traverse->counter,
		.at = n->traverse->told,
	};
}

static void push(struct node *n, struct peer *p, enum record_type type, struct span body)
{
	if (p->direct && stream_push(p->direct->stream, type, body, false, n->now_us) < 0)
		n->counters.queue_full++;
}

static void tell_place(struct node *n, struct peer *p)
{
	uint8_t body[NAT_MESSAGE_MAX];
	struct nat_message m;

	fill_message(n, NAT_TELL, &m);
	push(n, p, RECORD_PLACE, SPAN(body, nat_message_encode(&m, body)));
}

/* What is said of where we are may have changed. */
static void review(struct node *n)
{
	struct traverse *t = n->traverse;
	struct candidates now = t->fixed;
	size_t cursor = 0;
	struct peer *p;

	observe_candidates(&t->observe, &now);
	if (candidates_equal(&now, &t->told))
		return;
	t->told = now;
	t->counter++;
	if (n->now_us >= t->fresh_us) { /* what failed may do now */
		t->fresh_us = n->now_us + FRESH_US;
		t->seek_wait_us = SEEK_MIN_US;
		t->seek_us = min_u64(t->seek_us, n->now_us);
	}
	t->look_us = min_u64(t->look_us, n->now_us + LOOK_SOON_US);
	while ((p = peer_next(n, &cursor)))
		if (p->direct && p->neighbour)
			tell_place(n, p);
}

void node_set_addresses(struct node *n, const struct endpoint *own, size_t n_own,
			const struct endpoint *fixed, size_t n_fixed, uint64_t now_us)
{
	struct traverse *t = n->traverse;

	n->now_us = now_us;
	if (!t->config.is_on)
		return;
	observe_set_own(&t->observe, own, n_own);
	t->fixed.n = 0;
	for (size_t i = 0; i < n_fixed; i++)
		(void)candidates_add(&t->fixed, CANDIDATE_STATIC, &fixed[i]);
	review(n);
	node_pump(n);
}

/* A session with a neighbour is in use, or its address changed. */
void traverse_neighbour(struct node *n, struct peer *p)
{
	uint8_t seen[OBSERVED_LEN];

	if (!n->traverse->config.is_on || !p->neighbour)
		return;
	memcpy(seen, p->neighbour->roam.current.ip, 16);
	store_u16(seen + 16, p->neighbour->roam.current.port);
	push(n, p, RECORD_OBSERVED, SPAN_OF(seen));
	tell_place(n, p);
	n->traverse->look_us = min_u64(n->traverse->look_us, n->now_us + LOOK_SOON_US);
}

void traverse_link_changed(struct node *n, struct peer *p)
{
	struct traverse *t = n->traverse;

	if (!t->config.is_on)
		return;
	t->look_us = min_u64(t->look_us, n->now_us + LOOK_SOON_US);
	if (!peer_is_direct(p))
		return;
	(void)atlas_reached(t->atlas, p->id, &p->neighbour->roam.current, n->now_us);
	punch_end(t->punch, p->id);
	/* A call that came to something is not counted: it is those in vain that are bounded. */
	p->way = (struct peer_way){
		.due_us = n->now_us + SETTLED_US,
		.calls_us = p->way.calls_us,
		.n_calls = p->way.n_calls - (p->way.is_counted && p->way.n_calls > 0),
	};
	t->seek_wait_us = SEEK_MIN_US;
}

void traverse_neighbour_ended(struct node *n, struct peer *p)
{
	n->traverse->is_stale |= observe_forget(&n->traverse->observe, p->id);
}

/* ---- what others say ---- */

static bool is_for_probes(const struct node *n, const struct endpoint *e)
{
	return candidate_is_fit(e) && !networks_covers(n, e->ip);
}

/* Nobody can have us send into the mesh itself, or to ourselves. */
static void keep_fit(const struct node *n, struct candidates *c)
{
	struct candidates kept = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		bool is_ours = false;

		for (size_t k = 0; k < n->traverse->told.n; k++)
			is_ours |= endpoint_equal(&n->traverse->told.list[k].at, &c->list[i].at);
		if (!is_ours && is_for_probes(n, &c->list[i].at))
			kept.list[kept.n++] = c->list[i];
	}
	*c = kept;
}

void traverse_observed(struct node *n, struct node_session *s, struct span body)
{
	struct endpoint seen = { 0 };

	if (body.len != OBSERVED_LEN) {
		n->counters.malformed++;
		return;
	}
	if (!n->traverse->config.is_on || !s->peer || !s->peer->neighbour)
		return;
	memcpy(seen.ip, body.at, 16);
	seen.port = load_u16(body.at + 16);
	n->traverse->is_stale |= observe_told(&n->traverse->observe, s->peer->id,
					      &s->peer->neighbour->roam.current, &seen);
}

static void learn(struct node *n, const struct peer *p, const struct nat_message *m)
{
	struct atlas_entry e = {
		.node_id = p->id,
		.boot_epoch = m->boot_epoch,
		.counter = m->counter,
		.at = m->at,
		.heard_us = n->now_us,
	};

	(void)atlas_merge(n->traverse->atlas, &e);
}

void traverse_place(struct node *n, struct node_session *s, struct span body)
{
	struct nat_message m;

	if (nat_message_decode(body, &m) < 0 || m.type != NAT_TELL) {
		n->counters.malformed++;
		return;
	}
	if (!n->traverse->config.is_on || !s->peer)
		return;
	keep_fit(n, &m.at);
	learn(n, s->peer, &m);
}

/* ---- calls ---- */

static size_t count_links(const struct node *n)
{
	const struct peer *p;
	size_t cursor = 0;
	size_t count = 0;

	while ((p = map_next(n->peers, &cursor)))
		count += peer_is_direct(p);
	return count;
}

/* A member may make us probe addresses of its choosing: so often, and no more. */
static bool may_call(struct node *n, struct peer *p)
{
	struct peer_way *w = &p->way;

	while (w->n_calls > 0 && n->now_us >= w->calls_us + WELCOME_EVERY_US) {
		w->calls_us += WELCOME_EVERY_US;
		w->n_calls--;
	}
	if (w->n_calls == 0)
		w->calls_us = n->now_us;
	return w->n_calls < WELCOME_BURST && !p->attempt && !peer_is_direct(p) &&
	       !node_is_revoked(n, p->id) && count_links(n) < n->traverse->config.links_max;
}

void traverse_message(struct node *n, struct peer *p, struct span body)
{
	struct nat_message m;

	if (nat_message_decode(body, &m) < 0 || m.type == NAT_TELL) {
		n->counters.malformed++;
		return;
	}
	if (!n->traverse->config.is_on)
		return;
	keep_fit(n, &m.at);
	if (m.at.n > 0)
		learn(n, p, &m);
	if (punch_message(n->traverse->punch, p->id, &m, may_call(n, p), n->now_us)) {
		p->way.n_calls++;
		p->way.is_counted = true;
		p->way.why = reason_trying;
	}
	p->way.mapping = m.mapping;
	traverse_pump(n);
}

bool traverse_probe(struct node *n, struct node_session *s, const struct endpoint *from,
		    struct span body)
{
	if (body.len != PUNCH_PROBE_LEN || !s->peer ||
	    (body.at[0] != PUNCH_PROBE_KIND && body.at[0] != PUNCH_ANSWER_KIND))
		return false;
	if (!n->traverse->config.is_on || !from || networks_covers(n, from->ip))
		return true;
	if (punch_probe(n->traverse->punch, s->peer->id, from, body, n->now_us) < 0)
		n->counters.malformed++;
	traverse_pump(n);
	return true;
}

static void send_message(struct node *n, const struct punch_action *a)
{
	uint8_t plaintext[NAT_MESSAGE_MAX + 8];
	uint8_t body[NAT_MESSAGE_MAX];
	struct peer *p = peer_get(n, a->peer);
	struct wire_service_message service = { .service = SERVICE_NAT };
	struct nat_message m;
	int len;

	if (!p)
		return;
	fill_message(n, a->message, &m);
	m.call = a->call;
	if (a->is_refusal)
		m.at.n = 0;
	service.body = SPAN(body, nat_message_encode(&m, body));
	len = wire_service_encode(&service, plaintext, sizeof(plaintext));
	if (len > 0)
		(void)path_send(n, p, CLASS_CRITICAL, SPAN(plaintext, (size_t)len));
}

static void failed(struct node *n, struct peer *p, const char *why)
{
	struct traverse *t = n->traverse;
	struct peer_way *w = &p->way;

	w->is_wanted = false;
	w->found_until_us = 0;
	w->why = why;
	w->backoff_us = w->backoff_us ? min_u64(2 * w->backoff_us, RETRY_MAX_US) : RETRY_MIN_US;
	w->due_us = n->now_us + rng_jitter(&n->rng, w->backoff_us, 20);
	t->seek_wait_us = min_u64(max_u64(2 * t->seek_wait_us, SEEK_FAILED_US), SEEK_MAX_US);
	t->seek_us = n->now_us + rng_jitter(&n->rng, t->seek_wait_us, 20);
}

static const char *no_way(const struct node *n, const struct peer *p)
{
	bool is_ours = observe_mapping(&n->traverse->observe) == NAT_DEPENDENT;

	if (is_ours && p->way.mapping == NAT_DEPENDENT)
		return "both NATs give each destination another port";
	if (is_ours)
		return "our NAT gives each destination another port, and its side lets none in";
	if (p->way.mapping == NAT_DEPENDENT)
		return "its NAT gives each destination another port, and our side lets none in";
	return "no address of it answers by UDP";
}

static void punch_failed(struct node *n, const struct punch_action *a)
{
	struct peer *p = peer_get(n, a->peer);

	if (!p)
		return;
	p->way.n_tried = a->n_tried;
	p->way.is_counted = false;
	switch (a->failure) {
	case PUNCH_NO_ANSWER:
		failed(n, p, "it did not answer the call");
		break;
	case PUNCH_REFUSED:
		failed(n, p, "it wants no link now");
		break;
	case PUNCH_NO_WAY:
		failed(n, p, no_way(n, p));
		break;
	}
}

void traverse_handshake_failed(struct node *n, struct peer *p)
{
	struct peer_way *w = &p->way;

	if (w->is_meeting && w->is_again) {
		w->again_wait_us =
			min_u64(max_u64(2 * w->again_wait_us, RETRY_MIN_US), RETRY_MAX_US);
		w->again_us = n->now_us + rng_jitter(&n->rng, w->again_wait_us, 20);
		w->why = reason_again;
	} else if (w->is_meeting) {
		failed(n, p, reason_handshake);
	}
	w->is_meeting = w->is_again = false;
}

/* A handshake with an address that has answered; begun when none with this peer is under way. */
static void meet(struct node *n, struct peer *p)
{
	struct hs_path path = { .remote = p->way.found };
	struct hs_expect expect = { .node_id = p->id };

	if (n->now_us >= p->way.found_until_us) { /* another handshake was in the way so long */
		p->way.found_until_us = 0;
		p->way.is_meeting = true;
		traverse_handshake_failed(n, p);
		return;
	}
	if (p->attempt)
		return;
	p->way.found_until_us = 0;
	p->retry_us = n->now_us + PEER_RETRY_US;
	p->way.is_meeting = true;
	if (handshakes_start(n->handshakes, n->next_attempt, &path, &expect, n->now_us) == 0)
		p->attempt = n->next_attempt++;
	else /* too many, or one with this address is under way: a contact's */
		traverse_handshake_failed(n, p);
}

static void found(struct node *n, const struct punch_action *a)
{
	struct peer *p = peer_get(n, a->peer);

	if (!p || peer_is_direct(p) || node_is_revoked(n, p->id))
		return;
	p->way.n_tried = a->n_tried;
	p->way.found = a->at;
	p->way.found_until_us = n->now_us + MEET_US;
	meet(n, p);
}

void traverse_pump(struct node *n)
{
	struct punch_action a;

	while (punch_next_action(n->traverse->punch, &a)) {
		switch (a.type) {
		case PUNCH_MESSAGE:
			send_message(n, &a);
			break;
		case PUNCH_PROBE:
			path_send_punch(n, peer_get(n, a.peer), &a.at, SPAN_OF(a.body));
			break;
		case PUNCH_FOUND:
			found(n, &a);
			break;
		case PUNCH_FAILED:
			punch_failed(n, &a);
			break;
		}
	}
}

void traverse_used(struct node *n, struct peer *p)
{
	if (!n->traverse->config.is_on)
		return;
	if (n->now_us >= p->way.used_us + USED_US) /* first for a while: look at it soon */
		n->traverse->look_us = min_u64(n->traverse->look_us, n->now_us + LOOK_SOON_US);
	p->way.used_us = n->now_us;
}

void traverse_route_changed(struct node *n)
{
	if (n->traverse->is_idle)
		n->traverse->seek_us = min_u64(n->traverse->seek_us, n->now_us + LOOK_SOON_US);
	n->traverse->look_us = min_u64(n->traverse->look_us, n->now_us + LOOK_SOON_US);
}

/* ---- whom we want ---- */

static void want(struct node *n, struct peer *p)
{
	p->way.is_wanted = true;
	p->way.wanted_until_us = n->now_us + WANT_US;
	p->way.why = reason_trying;
	p->seen_us = max_u64(p->seen_us, n->now_us); /* it is not forgotten meanwhile */
}

/* Through the mesh a session is made first, if there is none. */
static void pursue(struct node *n, struct peer *p)
{
	struct peer_way *w = &p->way;

	if (w->is_again && p->attempt && routes_next_hop(n->routes, p->id)) {
		handshakes_cancel(n->handshakes, p->attempt); /* it can be asked where it is now */
		p->attempt = 0;
		w->is_meeting = w->is_again = false;
	}
	if (w->found_until_us)
		meet(n, p);
	if (!w->is_wanted)
		return;
	if (peer_is_direct(p) || punch_is_calling(n->traverse->punch, p->id)) {
		w->is_wanted = false;
		return;
	}
	if (p->e2e && session_can_send(p->e2e->keys, n->now_us)) {
		if (punch_call(n->traverse->punch, p->id, n->now_us) == 0)
			w->is_wanted = false;
	} else if (n->now_us >= w->wanted_until_us) {
		failed(n, p, reason_session);
	} else {
		greet_peer(n, p);
	}
}

static bool is_due(const struct node *n, const struct peer *p)
{
	return !peer_is_direct(p) && !p->way.is_wanted && !p->way.found_until_us && !p->attempt &&
	       n->now_us >= p->way.due_us && !punch_is_calling(n->traverse->punch, p->id);
}

/* An order of all nodes that is another at each, so that links spread over the mesh. */
static uint64_t rank(const struct node *n, uint64_t id)
{
	uint8_t bytes[8];
	const struct span part = SPAN_OF(bytes);

	store_u64(bytes, id);
	return siphash64(n->flow_key, &part, 1);
}

static struct peer *pick(struct node *n)
{
	uint64_t best = 0, best_rank = 0;
	size_t cursor = 0;
	struct route r;

	while (routes_next(n->routes, &cursor, &r)) {
		const struct peer *p = peer_look(n, r.destination);
		uint64_t at;

		if (!r.next_hop || r.destination == n->self || (p && !is_due(n, p)) ||
		    node_is_revoked(n, r.destination))
			continue;
		at = rank(n, r.destination);
		if (best && at >= best_rank)
			continue;
		best = r.destination;
		best_rank = at;
	}
	return best ? peer_make(n, best) : NULL;
}

/* Of those that are not reachable at all the one heard last: where it was. */
static void meet_again(struct node *n)
{
	const struct atlas_entry *e, *best = NULL;
	struct endpoint at;
	size_t cursor = 0;
	struct peer *p;
	unsigned attempt;

	while ((e = atlas_next(n->traverse->atlas, &cursor))) {
		const struct peer *known = peer_look(n, e->node_id);

		if (e->node_id == n->self || routes_next_hop(n->routes, e->node_id) ||
		    (known && (!is_due(n, known) || n->now_us < known->way.again_us)) ||
		    node_is_revoked(n, e->node_id) ||
		    (endpoint_is_null(&e->reached) && e->at.n == 0))
			continue;
		if (!best || e->heard_us > best->heard_us)
			best = e;
	}
	p = best ? peer_make(n, best->node_id) : NULL;
	if (!p)
		return;
	attempt = p->way.n_again++;
	if (attempt % (best->at.n + 1) == 0 && !endpoint_is_null(&best->reached))
		at = best->reached;
	else if (best->at.n > 0)
		at = best->at.list[attempt % (best->at.n + 1) % best->at.n].at;
	else
		at = best->reached;
	p->way.found = at;
	p->way.found_until_us = n->now_us + MEET_US;
	p->way.is_again = true;
	meet(n, p);
}

static void seek(struct node *n, size_t n_links, size_t n_again)
{
	struct traverse *t = n->traverse;
	struct peer *p;

	if (n_links >= t->config.links || n->now_us < t->seek_us)
		return;
	t->seek_us = n->now_us + t->seek_wait_us;
	p = pick(n);
	t->is_idle = !p;
	if (p) {
		t->asked_us = n->now_us;
		want(n, p);
		return;
	}
	t->seek_us = max_u64(t->seek_us, n->now_us + LOOK_US);
	if (n_again < AGAIN_MAX && n->now_us >= t->asked_us + AGAIN_AFTER_US)
		meet_again(n);
}

static void look(struct node *n)
{
	struct traverse *t = n->traverse;
	size_t n_links = count_links(n);
	size_t n_sought = n_links + punch_count(t->punch);
	size_t n_again = 0;
	size_t cursor = 0;
	struct peer *p;

	while ((p = peer_next(n, &cursor))) {
		if (p->way.used_us && n->now_us < p->way.used_us + USED_US &&
		    n_links < t->config.links_max && is_due(n, p))
			want(n, p);
		if (p->way.is_again)
			n_again++;
		else
			n_sought += p->way.is_wanted || p->way.found_until_us || p->way.is_meeting;
		pursue(n, p);
	}
	seek(n, n_sought, n_again);
}

void traverse_tick(struct node *n)
{
	struct traverse *t = n->traverse;

	if (!t->config.is_on)
		return;
	if (t->is_stale && n->now_us >= t->review_us) {
		t->is_stale = false;
		t->review_us = n->now_us + REVIEW_US;
		review(n);
	}
	punch_tick(t->punch, n->now_us);
	traverse_pump(n);
	if (n->now_us < t->look_us)
		return;
	t->look_us = n->now_us + LOOK_US;
	look(n);
	if (t->seek_us > n->now_us)
		t->look_us = min_u64(t->look_us, t->seek_us);
	traverse_pump(n);
}

uint64_t traverse_deadline_us(const struct node *n)
{
	const struct traverse *t = n->traverse;

	if (!t->config.is_on)
		return NEVER_US;
	return min_u64(min_u64(t->look_us, t->is_stale ? t->review_us : NEVER_US),
		       punch_deadline_us(t->punch));
}

/* ---- views ---- */

void node_nat(const struct node *n, struct node_nat_view *ret)
{
	const struct traverse *t = n->traverse;

	*ret = (struct node_nat_view){ .is_on = t->config.is_on, .at = t->told };
	observe_view(&t->observe, true, &ret->ipv4);
	observe_view(&t->observe, false, &ret->ipv6);
	ret->n_calls = punch_count(t->punch);
	ret->counters = *punch_counters(t->punch);
	ret->n_places = atlas_count(t->atlas);
}

uint64_t node_places_version(const struct node *n)
{
	return atlas_version(n->traverse->atlas);
}

bool node_next_place(const struct node *n, size_t *cursor, struct atlas_entry *ret)
{
	const struct atlas_entry *e = atlas_next(n->traverse->atlas, cursor);

	if (!e)
		return false;
	*ret = *e;
	return true;
}

void node_learn_place(struct node *n, uint64_t node_id, const struct endpoint *at, size_t n_at)
{
	struct atlas_entry e = { .node_id = node_id, .heard_us = atlas_count(n->traverse->atlas) };

	if (!n->traverse->config.is_on || node_id == n->self)
		return;
	for (size_t i = 0; i < n_at; i++)
		if (is_for_probes(n, &at[i]))
			(void)candidates_add(&e.at, CANDIDATE_OBSERVED, &at[i]);
	if (e.at.n == 0)
		return;
	e.reached = e.at.list[0].at;
	(void)atlas_merge(n->traverse->atlas, &e);
}

const char *traverse_why(const struct node *n, const struct peer *p, uint64_t now_us,
			 uint64_t *ret_again_us)
{
	const struct traverse *t = n->traverse;

	*ret_again_us = 0;
	if (peer_is_direct(p))
		return NULL;
	if (!t->config.is_on || t->config.links_max == 0)
		return "links are made with configured peers alone";
	if (!p->way.why)
		return "no direct link has been needed";
	if (p->way.why != reason_trying && p->way.due_us > now_us)
		*ret_again_us = p->way.due_us - now_us;
	return p->way.why;
}
