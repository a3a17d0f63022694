/* SPDX-License-Identifier: Apache-2.0 */
/* What neighbours claim, judged by the certificates that are known. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/origin/state.h"

/* ---- certificates and whose they are ---- */

struct origin *origin_find(const struct origins *o, uint64_t id)
{
	return id ? map_get(o->by_id, &id) : NULL;
}

static bool is_overdue(const struct origins *o, const struct certificate *c)
{
	return o->now_us - c->since_us >= ORIGIN_CANDIDATE_US;
}

/* Nothing is proved of it, though there was time for that; or what was is expired. */
static bool is_worthless(const struct origins *o, const struct origin *origin)
{
	const struct certificate *c = origin->candidate;

	if (origin->needs_review || origin->id == o->config.self)
		return false;
	if (origin->now && o->now_us - origin->now->verified_us < SECONDS(ORIGIN_VALID_S))
		return false;
	return !c || c->state == CERTIFICATE_BAD || is_overdue(o, c);
}

static void origin_free(struct origins *o, struct origin *origin)
{
	if (origin->now)
		certificate_free(o, origin->now);
	if (origin->before)
		certificate_free(o, origin->before);
	if (origin->candidate)
		certificate_free(o, origin->candidate);
	(void)map_remove(o->by_id, &origin->id);
	free(origin->others);
	free(origin);
}

/* Who makes up nodes shall not have the table to himself for good. */
static void sweep(struct origins *o)
{
	struct origin *origin;
	size_t cursor = 0;

	if (map_count(o->by_id) < ORIGIN_NODES_MAX ||
	    (o->swept_us && o->now_us < o->swept_us + ORIGIN_SWEEP_US))
		return;
	o->swept_us = o->now_us;
	while ((origin = map_next(o->by_id, &cursor)))
		if (is_worthless(o, origin))
			origin_free(o, origin);
}

struct origin *origin_make(struct origins *o, uint64_t id)
{
	struct origin *origin = origin_find(o, id);

	if (origin)
		return origin;
	sweep(o);
	origin = calloc(1, sizeof(*origin));
	if (origin)
		origin->id = id;
	if (!origin || map_put(o->by_id, &id, origin) < 0) {
		free(origin);
		o->counters.full++;
		return NULL;
	}
	return origin;
}

struct certificate *certificate_make(struct origins *o, struct origin *origin,
				     const uint8_t name[ORIGIN_HASH_LEN])
{
	struct certificate *c = calloc(1, sizeof(*c));

	if (c) {
		memcpy(c->name, name, ORIGIN_HASH_LEN);
		c->origin = origin;
		c->since_us = o->now_us;
		c->quest = calloc(1, sizeof(*c->quest));
	}
	if (!c || !c->quest || map_put(o->by_name, name, c) < 0) {
		if (c)
			certificate_end_quest(c);
		free(c);
		o->counters.full++;
		return NULL;
	}
	return c;
}

void certificate_end_quest(struct certificate *c)
{
	free(c->quest);
	c->quest = NULL;
}

/* Others of this process may have the same. */
static void share_bytes(struct origins *o, struct certificate *c)
{
	uint8_t *shared = NULL;

	if (o->config.store)
		shared = store_take(o->config.store, c->name, SPAN(c->bytes, c->total));
	if (!shared)
		return;
	free(c->bytes);
	c->bytes = shared;
	c->is_shared = true;
}

/* Of one that is verified the roots stay. */
void certificate_drop_bytes(struct origins *o, struct certificate *c)
{
	uint8_t *roots;

	o->n_bytes -= c->total;
	if (c->bytes && c->roots && !c->is_shared) {
		memmove(c->bytes, c->roots, ORIGIN_ROOTS_LEN);
		roots = realloc(c->bytes, ORIGIN_ROOTS_LEN);
		c->roots = roots ? roots : c->bytes;
	} else if (c->bytes && !c->is_shared) {
		free(c->bytes);
	}
	c->bytes = NULL;
	c->total = c->have = 0;
}

/* Nothing points to it any more. */
void certificate_free(struct origins *o, struct certificate *c)
{
	struct origin *origin = c->origin;

	if (origin->now == c)
		origin->now = NULL;
	if (origin->before == c)
		origin->before = NULL;
	if (origin->candidate == c)
		origin->candidate = NULL;
	unqueue(c);
	certificate_drop_bytes(o, c);
	certificate_end_quest(c);
	if (c->is_shared)
		store_drop(o->config.store, c->name);
	else
		free(c->roots);
	(void)map_remove(o->by_name, c->name);
	free(c);
}

static bool is_later(const struct certificate *a, const struct certificate *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return (int16_t)(uint16_t)(a->first_seqno - b->first_seqno) > 0;
}

void want_review(struct origins *o, struct origin *origin)
{
	if (origin->needs_review)
		return;
	origin->needs_review = true;
	origin->next_review = o->to_review;
	o->to_review = origin;
}

/* The two latest stay: routes of a seqno of the one before are still about. */
void certificate_install(struct origins *o, struct certificate *c,
			 const struct origin_certificate *read)
{
	size_t roots_at = (size_t)(read->roots.at - c->bytes);
	struct origin *origin = c->origin;
	struct certificate *gone;

	c->state = CERTIFICATE_VERIFIED;
	c->epoch = read->epoch;
	c->first_seqno = read->first_seqno;
	certificate_end_quest(c);
	share_bytes(o, c);
	c->roots = c->bytes + roots_at;
	origin->candidate = NULL;
	if (!origin->now || is_later(c, origin->now)) {
		gone = origin->before;
		origin->before = origin->now;
		origin->now = c;
	} else {
		gone = origin->before;
		origin->before = c;
		if (gone && is_later(gone, c)) {
			origin->before = gone;
			gone = c;
		}
	}
	if (gone)
		certificate_free(o, gone);
	want_review(o, origin);
}

/* ---- claims ---- */

static void lied(struct origins *o, const struct certificate *c, uint64_t neighbour,
		 uint64_t destination, const char *reason)
{
	/* A neighbour that learns of the certificate after us may pass on what it will refuse. */
	if (c && o->now_us - c->verified_us < ORIGIN_BLAME_US)
		return;
	if (o->n_lies < LIES_MAX)
		o->lies[o->n_lies++] = (struct lie){ neighbour, destination, reason };
}

static bool is_by_the_best(struct origins *o, struct certificate *c, const struct place *p,
			   uint8_t at, unsigned step, const uint8_t *claimed)
{
	uint8_t element[ORIGIN_HASH_LEN];

	if (step >= c->best_step) {
		memcpy(element, c->best, sizeof(element));
		proof_advance(o->config.ops, p, at, c->best_step, step, element);
		return memcmp(element, claimed, sizeof(element)) == 0;
	}
	memcpy(element, claimed, sizeof(element));
	proof_advance(o->config.ops, p, at, step, c->best_step, element);
	if (memcmp(element, c->best, sizeof(element)) != 0)
		return false;
	c->best_step = (uint8_t)step;
	memcpy(c->best, claimed, sizeof(c->best));
	return true;
}

/* The element leads to the leaf of this seqno, and the leaf to a root that was signed. */
static bool is_proved(struct origins *o, struct certificate *c, const struct route_claim *claim,
		      const struct proof *proof)
{
	struct place p = { c->origin->id, c->epoch, c->first_seqno };
	uint16_t at = (uint16_t)(claim->seqno - c->first_seqno);
	unsigned step = origin_step(claim->metric);
	uint8_t leaf[ORIGIN_HASH_LEN], root[ORIGIN_HASH_LEN];

	if (claim->epoch != c->epoch || at >= ORIGIN_SEQNOS || !proof->element || !proof->path)
		return false;
	/* The path too, which is passed on: whoever gets a wrong one of us would blame us. */
	if (c->has_best && c->best_seqno == claim->seqno)
		return memcmp(c->best_path, proof->path, ORIGIN_PATH_LEN) == 0 &&
		       is_by_the_best(o, c, &p, (uint8_t)at, step, proof->element);
	memcpy(leaf, proof->element, sizeof(leaf));
	proof_advance(o->config.ops, &p, (uint8_t)at, step, ORIGIN_STEPS, leaf);
	proof_leaf(o->config.ops, &p, (uint8_t)at, leaf, leaf);
	proof_root(o->config.ops, &p, (uint8_t)at, leaf, proof->path, root);
	if (memcmp(root, c->roots + at / ORIGIN_LEAVES * sizeof(root), sizeof(root)) != 0)
		return false;
	c->has_best = true;
	c->best_seqno = claim->seqno;
	c->best_step = (uint8_t)step;
	memcpy(c->best, proof->element, sizeof(c->best));
	memcpy(c->best_path, proof->path, sizeof(c->best_path));
	return true;
}

/* The newest is asked next, and then all in turn: else one that names what it does not give away
 * could keep others from being asked by naming it again and again. */
static void named_by(struct certificate *c, uint64_t neighbour)
{
	struct quest *q = c->quest;

	if (c->state != CERTIFICATE_WANTED || q->n_namers == ORIGIN_NAMERS_MAX)
		return;
	for (unsigned i = 0; i < q->n_namers; i++)
		if (q->namers[i] == neighbour)
			return;
	q->turn = q->n_namers;
	q->namers[q->n_namers++] = neighbour;
}

static void note_other(struct origin *origin, const uint8_t *name, uint64_t neighbour)
{
	unsigned at = 0;

	if (!origin->others)
		origin->others = calloc(ORIGIN_OTHERS_MAX, sizeof(*origin->others));
	if (!origin->others)
		return; /* it is named again */
	while (at < origin->n_others && origin->others[at].by != neighbour)
		at++;
	if (at == ORIGIN_OTHERS_MAX)
		return;
	origin->others[at].by = neighbour;
	memcpy(origin->others[at].name, name, ORIGIN_HASH_LEN);
	if (at == origin->n_others)
		origin->n_others++;
}

void next_candidate(struct origins *o, struct origin *origin)
{
	struct certificate *c = origin->candidate;
	struct other next;

	/* One at a time; a name that nobody can answer for gives way. */
	if (c && c->state != CERTIFICATE_BAD && !is_overdue(o, c))
		return;
	while (origin->n_others > 0) {
		next = origin->others[0];
		memmove(origin->others, origin->others + 1,
			--origin->n_others * sizeof(origin->others[0]));
		if (origin->n_others == 0) {
			free(origin->others);
			origin->others = NULL;
		}
		if (map_get(o->by_name, next.name))
			continue;
		if (c)
			certificate_free(o, c);
		c = certificate_make(o, origin, next.name);
		if (!c)
			return;
		origin->candidate = c;
		named_by(c, next.by);
		queue_question(o, c);
		return;
	}
}

static struct certificate *named(struct origins *o, struct origin *origin, const uint8_t *name,
				 uint64_t neighbour)
{
	struct certificate *c = map_get(o->by_name, name);

	if (!c) {
		note_other(origin, name, neighbour);
		next_candidate(o, origin);
		c = map_get(o->by_name, name);
	}
	if (!c || c->origin != origin)
		return NULL;
	named_by(c, neighbour);
	return c;
}

static bool judge(struct origins *o, uint64_t neighbour, const struct route_claim *claim)
{
	struct proof proof = proof_find(claim->attributes);
	struct origin *origin = origin_make(o, claim->destination);
	struct certificate *c = NULL;
	bool is_self = claim->destination == o->config.self;

	if (!origin)
		return !is_self;
	if (proof.name)
		c = named(o, origin, proof.name, neighbour);
	if (c && c->state == CERTIFICATE_VERIFIED) {
		if (is_proved(o, c, claim, &proof)) {
			o->counters.claims_proved++;
			if (proof.next_name)
				(void)named(o, origin, proof.next_name, neighbour);
			return true;
		}
		lied(o, c, neighbour, claim->destination,
		     "it claims a cost or a sequence number that it cannot prove");
		return false;
	}
	if (c && c->state == CERTIFICATE_BAD) {
		lied(o, c, neighbour, claim->destination, c->reason);
		return false;
	}
	if (!proof.name && origin->now && !is_self)
		lied(o, origin->now, neighbour, claim->destination,
		     "it leaves out the proof that others have");
	/* What cannot be judged yet. Of a node that is unknown it is believed, for a mesh must
	 * start; of one that has shown a certificate no other word counts until it is looked at. */
	if (is_self || origin->now)
		return false;
	o->counters.claims_provisional++;
	return true;
}

static bool holds(void *arg, uint64_t neighbour, const struct route_claim *claim)
{
	struct origins *o = arg;
	bool is_good = judge(o, neighbour, claim);

	o->counters.claims_refused += !is_good && claim->destination != o->config.self;
	return is_good;
}

/* The element is hashed on to the step of what we claim. For that nothing need be known of its
 * certificate. */
static size_t relay(void *arg, const struct route_claim *claim, uint32_t metric,
		    uint8_t ret[ROUTE_PROOF_MAX])
{
	const struct origins *o = arg;
	struct proof proof = proof_find(claim->attributes);
	struct place p = { claim->destination, claim->epoch, claim->seqno };
	uint8_t element[ORIGIN_HASH_LEN];

	if (!proof.element)
		return proof_write(&proof, NULL, ret);
	memcpy(element, proof.element, sizeof(element));
	proof_advance(o->config.ops, &p, 0, origin_step(claim->metric), origin_step(metric),
		      element);
	return proof_write(&proof, element, ret);
}

static size_t own(void *arg, uint32_t epoch, uint16_t seqno, uint8_t ret[ROUTE_PROOF_MAX])
{
	return own_attributes(arg, epoch, seqno, ret);
}

const struct route_proofs *origins_proofs(struct origins *o)
{
	return &o->proofs;
}

/* ---- making and ending ---- */

DEFINE_FREEP(struct origins, origins_free)

int origins_new(const struct origin_config *config, uint64_t now_us, struct origins **ret)
{
	CLEANUP(origins_freep) struct origins *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->config = *config;
	o->now_us = now_us;
	o->own_epoch = config->epoch;
	o->proofs = (struct route_proofs){ .holds = holds, .relay = relay, .own = own, .arg = o };
	r = map_new(sizeof(uint64_t), ORIGIN_NODES_MAX, config->hash_key, &o->by_id);
	if (r < 0)
		return r;
	r = map_new(ORIGIN_HASH_LEN, (size_t)3 * ORIGIN_NODES_MAX, config->hash_key, &o->by_name);
	if (r < 0)
		return r;
	*ret = TAKE(o);
	return 0;
}

void origins_free(struct origins *o)
{
	struct certificate *c;
	struct origin *origin;
	size_t cursor = 0;

	if (!o)
		return;
	while (o->by_name && (c = map_next(o->by_name, &cursor))) {
		if (c->is_shared)
			store_drop(o->config.store, c->name);
		else
			free(c->bytes ? c->bytes : c->roots);
		certificate_end_quest(c);
		free(c);
	}
	cursor = 0;
	while (o->by_id && (origin = map_next(o->by_id, &cursor))) {
		free(origin->others);
		free(origin);
	}
	forget_questioners(o);
	map_free(o->by_name);
	map_free(o->by_id);
	bytes_wipe(o->own, sizeof(o->own));
	free(o);
}

void origins_forget(struct origins *o, uint64_t node_id)
{
	struct origin *origin = origin_find(o, node_id);

	if (!origin || node_id == o->config.self)
		return;
	if (origin->now)
		certificate_free(o, origin->now);
	if (origin->before)
		certificate_free(o, origin->before);
	if (origin->candidate)
		certificate_free(o, origin->candidate);
	want_review(o, origin);
}

/* ---- asked ---- */

const char *origin_state_text(enum origin_state state)
{
	static const char *const texts[] = {
		[ORIGIN_UNPROVED] = "unproved",
		[ORIGIN_PROVISIONAL] = "provisional",
		[ORIGIN_VERIFIED] = "verified",
		[ORIGIN_REFUSED] = "refused",
	};

	return texts[state];
}

enum origin_state origins_state(const struct origins *o, uint64_t node_id, const char **ret_reason)
{
	const struct origin *origin = origin_find(o, node_id);

	*ret_reason = NULL;
	if (!origin)
		return ORIGIN_UNPROVED;
	if (origin->candidate && origin->candidate->state == CERTIFICATE_BAD)
		*ret_reason = origin->candidate->reason;
	if (origin->now)
		return ORIGIN_VERIFIED;
	if (*ret_reason)
		return ORIGIN_REFUSED;
	return origin->candidate ? ORIGIN_PROVISIONAL : ORIGIN_UNPROVED;
}

void origins_counters(const struct origins *o, struct origin_counters *ret)
{
	*ret = o->counters;
}
