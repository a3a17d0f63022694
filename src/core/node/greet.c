/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes: which are begun, what the judge answers, and what a finished one becomes. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

/* ---- the judge ---- */

static int64_t judge_unix_s(void *arg)
{
	return node_unix_s(arg);
}

static enum identity_fault judge_verify(void *arg, const struct span *chain, size_t n_chain,
					int64_t unix_s, struct peer_identity *ret)
{
	const struct node *n = arg;

	return trust_verify_path(&n->trust, chain, n_chain, unix_s, ret);
}

static enum identity_fault judge_recheck(void *arg, const struct peer_identity *peer)
{
	const struct node *n = arg;

	return trust_recheck(&n->trust, peer, node_unix_s(n));
}

static bool judge_accept(void *arg, const struct peer_identity *peer)
{
	struct node *n = arg;
	bool is_allowed;

	if (peer->node_id == n->self)
		return false;
	if (!peer_get(n, peer->node_id) && !peer_has_room(n))
		return false;
	is_allowed = node_decide(n, peer->spiffe_id, POLICY_SESSION, "", NULL) == POLICY_ALLOW;
	if (is_allowed)
		n->counters.policy_allowed++;
	else
		n->counters.policy_denied++;
	return is_allowed;
}

static bool judge_token(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret_join_key[SHA256_LEN])
{
	struct node *n = arg;

	for (size_t i = 0; i < n->n_tokens; i++) {
		if (!bytes_equal_ct(n->tokens[i].id, id, TOKEN_ID_LEN))
			continue;
		memcpy(ret_join_key, n->tokens[i].join_key, SHA256_LEN);
		return true;
	}
	return false;
}

static int judge_csr_key(void *arg, struct span csr, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	struct node *n = arg;

	return n->ops->csr_read(csr, ret_pk);
}

static bool judge_index_is_free(void *arg, uint32_t index)
{
	struct node *n = arg;

	if (index == 0 || map_get(n->indices, &index))
		return false;
	for (size_t i = 0; i < RETIRED_INDICES_MAX; i++)
		if (n->retired[i].index == index && n->now_us < n->retired[i].free_us)
			return false;
	return true;
}

const struct hs_judge node_judge = {
	.unix_s = judge_unix_s,
	.verify = judge_verify,
	.recheck = judge_recheck,
	.accept = judge_accept,
	.token = judge_token,
	.csr_key = judge_csr_key,
	.index_is_free = judge_index_is_free,
};

/* ---- beginning ---- */

static struct contact *contact_of_attempt(struct node *n, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < n->n_contacts; i++)
		if (n->contacts[i]->attempt == id)
			return n->contacts[i];
	return NULL;
}

static struct peer *peer_of_attempt(struct node *n, uint64_t id)
{
	size_t cursor = 0;
	struct peer *p;

	while (id != 0 && (p = map_next(n->peers, &cursor)))
		if (p->attempt == id)
			return peer_get(n, p->id);
	return NULL;
}

/* A session through the mesh, where there is a way and no attempt under way. */
void greet_peer(struct node *n, struct peer *p)
{
	struct hs_path path = { .is_mesh = true, .node_id = p->id };
	struct hs_expect expect = { .node_id = p->id };
	struct route route;

	if (p->attempt || n->now_us < p->retry_us)
		return;
	if (!routes_lookup(n->routes, p->id, &route) || !route.next_hop)
		return;
	p->retry_us = n->now_us + PEER_RETRY_US;
	if (handshakes_start(n->handshakes, n->next_attempt, &path, &expect, n->now_us) == 0)
		p->attempt = n->next_attempt++;
}

int node_add_contact(struct node *n, const struct endpoint *endpoint, const char *spiffe_id,
		     uint64_t now_us)
{
	struct contact *c;

	for (size_t i = 0; i < n->n_contacts; i++)
		if (endpoint_equal(&n->contacts[i]->endpoint, endpoint))
			return -EEXIST;
	if (n->n_contacts == NODE_CONTACTS_MAX)
		return -ENOBUFS;
	if (strlen(spiffe_id) >= SPIFFE_ID_SIZE)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->endpoint = *endpoint;
	memcpy(c->spiffe_id, spiffe_id, strlen(spiffe_id) + 1);
	c->peer_id = *spiffe_id ? node_id_of(n->ops, spiffe_id) : 0;
	c->retry_us = now_us;
	c->backoff_us = CONTACT_RETRY_MIN_US;
	n->contacts[n->n_contacts++] = c;
	n->deadline_is_known = false;
	return 0;
}

void node_remove_contact(struct node *n, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < n->n_contacts; i++) {
		if (!endpoint_equal(&n->contacts[i]->endpoint, endpoint))
			continue;
		if (n->contacts[i]->attempt)
			handshakes_cancel(n->handshakes, n->contacts[i]->attempt);
		free(n->contacts[i]);
		n->contacts[i] = n->contacts[--n->n_contacts];
		return;
	}
}

void node_free_contacts(struct node *n)
{
	for (size_t i = 0; i < n->n_contacts; i++)
		free(n->contacts[i]);
	n->n_contacts = 0;
}

static const struct peer *neighbour_at(const struct node *n, const struct endpoint *endpoint)
{
	size_t cursor = 0;
	const struct peer *p;

	while ((p = map_next(n->peers, &cursor)))
		if (p->neighbour && endpoint_equal(&p->neighbour->roam.current, endpoint))
			return p;
	return NULL;
}

/* Its link is down, and packets under the keys in use come all the same: it is held down, or
 * waits for as many probes in a row as it needs, which new keys would only break. One that stays so
 * for longer than any hold-down lasts may be deaf at that address. */
static bool is_heard(const struct node *n, const struct peer *p)
{
	struct link_quality q;

	link_quality(p->neighbour->link, n->now_us, &q);
	return n->now_us < min_u64(q.last_heard_us, p->direct->heard_us) + CONTACT_DOWN_US &&
	       n->now_us < max_u64(p->neighbour->down_us, p->direct->made_us) + CONTACT_HELD_US;
}

/* Whoever answers there, where nobody in particular is expected: it may have been quicker. */
static bool contact_is_met(const struct node *n, const struct contact *c)
{
	const struct peer *p =
		c->peer_id ? peer_look(n, c->peer_id) : neighbour_at(n, &c->endpoint);

	if (!p || !p->neighbour || !p->direct)
		return false;
	return link_state(p->neighbour->link) != LINK_DOWN || is_heard(n, p) ||
	       n->now_us < max_u64(p->neighbour->down_us, p->direct->made_us) + CONTACT_DOWN_US;
}

bool node_contact_is_met(const struct node *n, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < n->n_contacts; i++)
		if (endpoint_equal(&n->contacts[i]->endpoint, endpoint))
			return contact_is_met(n, n->contacts[i]);
	return false;
}

static void contact_tick(struct node *n, struct contact *c)
{
	struct hs_path path = { .remote = c->endpoint };
	struct hs_expect expect = { 0 };
	int r;

	if (c->attempt || n->now_us < c->retry_us)
		return;
	c->retry_us = n->now_us + CONTACT_DOWN_US;
	if (contact_is_met(n, c))
		return;
	memcpy(expect.spiffe_id, c->spiffe_id, sizeof(expect.spiffe_id));
	r = handshakes_start(n->handshakes, n->next_attempt, &path, &expect, n->now_us);
	if (r == 0)
		c->attempt = n->next_attempt++;
	else
		c->retry_us = n->now_us + CONTACT_RETRY_MIN_US;
}

void contacts_tick(struct node *n)
{
	for (size_t i = 0; i < n->n_contacts; i++)
		contact_tick(n, n->contacts[i]);
}

uint64_t contacts_deadline_us(const struct node *n)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; i < n->n_contacts; i++)
		if (!n->contacts[i]->attempt)
			at = min_u64(at, n->contacts[i]->retry_us);
	return at;
}

/* ---- meeting whom discovery has heard ---- */

bool node_is_linked(const struct node *n, uint64_t node_id, uint32_t boot_epoch)
{
	const struct peer *p = peer_look(n, node_id);

	if (!p || (uint32_t)p->boot_epoch < boot_epoch)
		return p && p->attempt;
	if (p->attempt || peer_is_direct(p))
		return true;
	return p->direct && p->neighbour &&
	       (is_heard(n, p) ||
		n->now_us < max_u64(p->neighbour->down_us, p->direct->made_us) + MEET_SOON_US);
}

int node_meet(struct node *n, const struct endpoint *endpoint, uint64_t node_id, uint64_t now_us)
{
	struct hs_path path = { .remote = *endpoint };
	struct hs_expect expect = { .node_id = node_id };
	struct peer *p = peer_get(n, node_id);
	int r;

	n->now_us = now_us;
	if (node_id == n->self || node_id == 0)
		return -EINVAL;
	if (node_is_revoked(n, node_id))
		return -EPERM;
	if (p && (p->attempt || peer_is_direct(p)))
		return -EEXIST;
	if (p && now_us < p->retry_us)
		return -EAGAIN;
	p = peer_make(n, node_id);
	if (!p)
		return -ENOBUFS;
	p->seen_us = now_us;
	p->retry_us = now_us + PEER_RETRY_US;
	r = handshakes_start(n->handshakes, n->next_attempt, &path, &expect, now_us);
	if (r == 0)
		p->attempt = n->next_attempt++;
	node_pump(n);
	return r;
}

/* ---- finishing ---- */

void greet_failed(struct node *n, const struct hs_action *a)
{
	struct contact *c = contact_of_attempt(n, a->id);
	struct peer *p = peer_of_attempt(n, a->id);
	struct node_event *e;

	if (c) {
		c->attempt = 0;
		c->retry_us = n->now_us + rng_jitter(&n->rng, c->backoff_us, 20);
		c->backoff_us = min_u64(2 * c->backoff_us, CONTACT_RETRY_MAX_US);
	}
	if (p) {
		p->attempt = 0;
		p->retry_us = n->now_us + PEER_RETRY_US;
		traverse_handshake_failed(n, p);
	}
	if (a->failure == HS_FAIL_LOST_RACE)
		return;
	e = node_event(n, EVENT_HANDSHAKE_FAILED, p ? p->id : c ? c->peer_id : 0);
	e->endpoint = a->path.remote;
	e->rtt_us = n->now_us - min_u64(n->now_us, a->began_us);
	e->reason = a->failure == HS_FAIL_IDENTITY ? identity_fault_text(a->fault)
						   : hs_failure_text(a->failure);
}

static struct node_session *session_make(struct node *n, const struct hs_done *d)
{
	CLEANUP_FREE struct node_session *s = calloc(1, sizeof(*s));
	struct session_config config = {
		.ops = n->ops,
		.entropy = n->entropy,
		.seed = rng_next(&n->rng),
		.limits = n->limits,
		.index_is_free = judge_index_is_free,
		.index_arg = n,
		.n_threads = n->n_threads,
		.first_thread_lane = NODE_LANES,
	};
	struct session_secret secret = {
		.root = d->root,
		.is_initiator = d->is_initiator,
		.aead = d->aead,
		.lanes_local = d->lanes_local,
		.lanes_peer = d->lanes_peer,
		.local_index = d->local_index,
		.remote_index = d->remote_index,
		.ends_us = NEVER_US,
	};
	int64_t own_s = n->identity.not_after_s ? n->identity.not_after_s : INT64_MAX;
	int64_t last_s = d->peer.not_after_s < own_s ? d->peer.not_after_s : own_s;
	int64_t left_s = last_s - node_unix_s(n);

	if (!d->is_join)
		secret.ends_us = n->now_us + (left_s > 0 ? SECONDS(left_s) : 0);
	if (!s || stream_new(&s->stream) < 0)
		return NULL;
	if (session_new(&config, &secret, n->now_us, &s->keys) < 0) {
		stream_free(s->stream);
		return NULL;
	}
	s->aead = d->aead;
	s->first_index = d->local_index;
	memcpy(s->e_initiator, d->e_initiator, sizeof(s->e_initiator));
	s->peer_boot_epoch = d->peer_boot_epoch;
	s->made_us = s->heard_us = s->spoke_us = n->now_us;
	s->ends_us = s->unanswered_us = s->owes_us = NEVER_US;
	s->is_confirmed = false;
	if (map_put(n->indices, &d->local_index, s) == 0)
		s->indices[0] = d->local_index;
	n->sessions_version++;
	return TAKE(s);
}

static void learn_identity(struct peer *p, const struct peer_identity *identity)
{
	memcpy(p->name, identity->name, sizeof(p->name));
	memcpy(p->spiffe_id, identity->spiffe_id, sizeof(p->spiffe_id));
	memcpy(p->serial, identity->serial, sizeof(p->serial));
	p->not_after_s = identity->not_after_s;
	p->is_known = true;
}

/* A restarted peer has lost what its earlier boot knew; a restored one as well. */
static void learn_boot_epoch(struct node *n, struct peer *p, uint64_t boot_epoch)
{
	bool is_lower = boot_epoch < p->boot_epoch;

	if (is_lower)
		node_event(n, EVENT_PEER_CLONED, p->id)->reason =
			"its boot epoch is lower than one seen before: restored or cloned";
	if (boot_epoch > p->boot_epoch && p->boot_epoch != 0 && !p->has_left)
		p->n_unannounced++;
	p->boot_epoch = boot_epoch;
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i] && p->sessions[i]->peer_boot_epoch != boot_epoch)
			session_drop(n, p->sessions[i],
				     is_lower ? "the peer was restored" : "the peer restarted");
}

static void attach_session(struct node *n, struct peer *p, struct node_session *s)
{
	unsigned at = 0;

	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
		struct node_session *old = p->sessions[i];

		if (!old) {
			at = i;
			break;
		}
		if (p->sessions[at] == p->direct || p->sessions[at] == p->e2e ||
		    (old != p->direct && old != p->e2e && old->made_us < p->sessions[at]->made_us))
			at = i;
	}
	if (p->sessions[at])
		session_drop(n, p->sessions[at], NULL);
	p->sessions[at] = s;
	s->peer = p;
}

static int attach_neighbour(struct node *n, struct peer *p, const struct endpoint *remote)
{
	CLEANUP_FREE struct neighbour *nb = NULL;

	if (p->neighbour) {
		roam_init(&p->neighbour->roam, remote);
		n->ways_version++;
		return 0;
	}
	nb = calloc(1, sizeof(*nb));
	if (!nb || link_new(rng_next(&n->rng), n->now_us, &nb->link) < 0)
		return -ENOMEM;
	link_set_lateness(nb->link, n->late_us);
	nb->down_us = n->now_us;
	roam_init(&nb->roam, remote);
	mtu_attach(n, nb);
	p->neighbour = TAKE(nb);
	return 0;
}

static void forget_attempt(struct node *n, uint64_t id, uint64_t peer_id)
{
	struct contact *c = contact_of_attempt(n, id);
	struct peer *p = peer_of_attempt(n, id);

	if (p)
		p->attempt = 0;
	if (!c)
		return;
	c->attempt = 0;
	c->peer_id = peer_id;
	c->backoff_us = CONTACT_RETRY_MIN_US;
	c->retry_us = n->now_us + CONTACT_DOWN_US;
}

void greet_done(struct node *n, const struct hs_action *a)
{
	static const uint8_t hello[] = { PLAIN_SESSION, SESSION_MESSAGE_KEEPALIVE };
	const struct hs_done *d = &a->done;
	struct node_session *s;
	struct node_event *e;
	struct route route;
	struct peer *p;

	times_add(d->is_initiator ? &n->counters.initiated : &n->counters.responded,
		  n->now_us - min_u64(n->now_us, d->began_us));
	if (d->is_join) {
		s = session_make(n, d);
		if (!s)
			return;
		s->endpoint = a->path.remote;
		admit_join(n, s, d);
		return;
	}
	forget_attempt(n, d->id, d->peer.node_id);
	p = peer_make(n, d->peer.node_id);
	if (!p)
		return;
	learn_boot_epoch(n, p, d->peer_boot_epoch);
	learn_identity(p, &d->peer);
	s = session_make(n, d);
	if (!s)
		return;
	s->is_direct = !a->path.is_mesh;
	attach_session(n, p, s);
	if (routes_lookup(n->routes, p->id, &route))
		s->route_epoch = route.epoch;
	if (s->is_direct && attach_neighbour(n, p, &a->path.remote) < 0) {
		session_drop(n, s, NULL);
		return;
	}
	p->seen_us = n->now_us;
	p->has_left = false;
	p->way.is_meeting = p->way.is_again = false;
	e = node_event(n, EVENT_PEER_UP, p->id);
	e->endpoint = a->path.remote;
	e->hops = s->is_direct ? 1 : 0;
	e->rtt_us = n->now_us - min_u64(n->now_us, d->began_us);
	e->sequence = d->is_initiator;
	memcpy(e->address, d->e_initiator, sizeof(e->address));
	if (!d->is_initiator) {
		session_heard(n, s, false); /* M3 was authentic */
		(void)path_send_session(n, s, SPAN_OF(hello));
	}
}
