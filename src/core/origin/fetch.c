/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates asked for, sent and put together, and whose turn it is to be verified. */
#include <errno.h>
#include <stdlib.h>

#include "core/origin/state.h"

#define TOKEN_US (SECONDS(1) / ORIGIN_VERIFY_PER_S)

/* ---- queues ---- */

static void append(struct certificates *queue, struct certificate *c)
{
	c->queue = queue;
	c->prev = queue->last;
	c->next = NULL;
	if (queue->last)
		queue->last->next = c;
	else
		queue->first = c;
	queue->last = c;
}

void unqueue(struct certificate *c)
{
	if (!c->queue)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->queue->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		c->queue->last = c->prev;
	c->queue = NULL;
}

void queue_question(struct origins *o, struct certificate *c)
{
	if (c->queue)
		return;
	append(&o->to_ask, c);
}

/* Again when nothing has come for so long. All wait alike, so the first asked is the first due. */
static void wait_for_answer(struct origins *o, struct certificate *c)
{
	unqueue(c);
	c->quest->ask_us = o->now_us + ORIGIN_ASK_US;
	append(&o->asked, c);
}

/* ---- room ---- */

static struct certificate *longest_kept(struct origins *o)
{
	struct certificate *best = NULL;
	struct certificate *c;
	size_t cursor = 0;

	while ((c = map_next(o->by_name, &cursor)))
		if (c->bytes && c->state == CERTIFICATE_VERIFIED &&
		    c->origin->id != o->config.self &&
		    (!best || c->verified_us < best->verified_us))
			best = c;
	return best;
}

/* Of one whose parts come too slowly: who begins many shall not keep the room. */
static struct certificate *overdue_part(struct origins *o)
{
	struct certificate *c;
	size_t cursor = 0;

	while ((c = map_next(o->by_name, &cursor)))
		if (c->bytes && c->state == CERTIFICATE_WANTED &&
		    o->now_us - c->since_us >= ORIGIN_CANDIDATE_US)
			return c;
	return NULL;
}

/* What is verified can be told from its roots; its bytes are for others, who can ask others. */
bool make_room(struct origins *o, size_t len)
{
	while (o->n_bytes + len > ORIGIN_BYTES_MAX) {
		struct certificate *c = longest_kept(o);

		if (!c)
			c = overdue_part(o);
		if (!c)
			return false;
		certificate_drop_bytes(o, c);
	}
	return true;
}

/* ---- what comes ---- */

static struct questioner *find_questioner(const struct origins *o, uint64_t neighbour)
{
	for (unsigned i = 0; i < o->n_asking; i++)
		if (o->asking[i]->id == neighbour)
			return o->asking[i];
	return NULL;
}

static struct questioner *make_questioner(struct origins *o, uint64_t neighbour)
{
	struct questioner *q = find_questioner(o, neighbour);

	if (q || o->n_asking == ORIGIN_NEIGHBOURS_MAX)
		return q;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->id = neighbour;
	o->asking[o->n_asking++] = q;
	return q;
}

static void forget_questioner(struct origins *o, const struct questioner *q)
{
	for (unsigned i = 0; i < o->n_asking; i++) {
		if (o->asking[i] != q)
			continue;
		free(o->asking[i]);
		o->asking[i] = o->asking[--o->n_asking];
		return;
	}
}

void forget_questioners(struct origins *o)
{
	while (o->n_asking > 0)
		free(o->asking[--o->n_asking]);
}

static void serve(struct origins *o, uint64_t neighbour, const uint8_t *name)
{
	struct questioner *q = make_questioner(o, neighbour);

	for (size_t i = 0; q && i < q->n; i++)
		if (memcmp(q->names[i], name, ORIGIN_HASH_LEN) == 0)
			return;
	if (!q || q->n == ORIGIN_QUESTIONS_MAX)
		return; /* it asks again */
	memcpy(q->names[q->n++], name, ORIGIN_HASH_LEN);
}

void serve_waiting(struct origins *o, struct certificate *c)
{
	for (unsigned i = 0; i < c->quest->n_waiting; i++)
		serve(o, c->quest->waiting[i], c->name);
	c->quest->n_waiting = 0;
}

static void wait_for(struct quest *q, uint64_t neighbour)
{
	for (unsigned i = 0; i < q->n_waiting; i++)
		if (q->waiting[i] == neighbour)
			return;
	if (q->n_waiting < ORIGIN_WAITING_MAX)
		q->waiting[q->n_waiting++] = neighbour;
}

static int input_ask(struct origins *o, uint64_t neighbour, struct span body)
{
	struct reader r = reader_of(body);

	if (body.len == 0 || body.len % ORIGIN_HASH_LEN)
		return -EBADMSG;
	while (r.left > 0) {
		const uint8_t *name = read_bytes(&r, ORIGIN_HASH_LEN);
		struct certificate *c = map_get(o->by_name, name);

		if (c && c->bytes && c->have == c->total && c->state != CERTIFICATE_BAD)
			serve(o, neighbour, name);
		else if (c && c->state == CERTIFICATE_WANTED)
			wait_for(c->quest, neighbour);
	}
	return 0;
}

static void refuse(struct origins *o, struct certificate *c, const char *reason)
{
	unqueue(c);
	certificate_drop_bytes(o, c);
	certificate_end_quest(c);
	c->state = CERTIFICATE_BAD;
	c->reason = reason;
	c->verified_us = o->now_us;
	o->counters.rejected++;
	want_review(o, c->origin);
}

/* Whoever sent other bytes than were asked for is asked no more: the next one is. */
static void complete(struct origins *o, struct certificate *c)
{
	struct span bytes = SPAN(c->bytes, c->total);
	struct origin_certificate read;
	uint8_t full[SHA256_LEN];

	o->config.ops->sha256(&bytes, 1, full);
	if (memcmp(full, c->name, ORIGIN_HASH_LEN) != 0) {
		certificate_drop_bytes(o, c);
		wait_for_answer(o, c);
		return;
	}
	if (origin_certificate_decode(bytes, &read) < 0 || read.node_id != c->origin->id) {
		refuse(o, c, "its epoch certificate is another node's, or none");
		return;
	}
	unqueue(c);
	c->state = CERTIFICATE_HELD;
	append(&o->to_verify, c);
	serve_waiting(o, c);
}

static int input_part(struct origins *o, uint64_t neighbour, struct span body)
{
	struct reader r = reader_of(body);
	const uint8_t *name = read_bytes(&r, ORIGIN_HASH_LEN);
	size_t total = read_u16(&r);
	size_t offset = read_u16(&r);
	struct certificate *c;

	if (r.overrun || r.left == 0)
		return -EBADMSG;
	if (total == 0 || total > ORIGIN_CERTIFICATE_MAX || offset + r.left > total)
		return -EPROTO;
	c = map_get(o->by_name, name);
	if (!c || c->state != CERTIFICATE_WANTED || c->quest->asked_of != neighbour)
		return 0; /* it came from another meanwhile */
	if (offset == 0) {
		certificate_drop_bytes(o, c);
		if (!make_room(o, total))
			return 0; /* asked for again later */
		c->bytes = malloc(total);
		if (!c->bytes)
			return -ENOMEM;
		c->total = total;
		o->n_bytes += total;
	}
	if (!c->bytes || total != c->total || offset != c->have)
		return 0;
	memcpy(c->bytes + offset, r.at, r.left);
	c->have += r.left;
	wait_for_answer(o, c);
	o->counters.fetched_bytes += r.left;
	if (c->have == c->total)
		complete(o, c);
	return 0;
}

int origins_input(struct origins *o, uint64_t neighbour, bool is_part, struct span body,
		  uint64_t now_us)
{
	o->now_us = now_us;
	return is_part ? input_part(o, neighbour, body) : input_ask(o, neighbour, body);
}

static void not_named_by(struct quest *q, uint64_t neighbour)
{
	for (unsigned i = 0; i < q->n_namers; i++)
		if (q->namers[i] == neighbour)
			q->namers[i--] = q->namers[--q->n_namers];
}

void origins_gone(struct origins *o, uint64_t neighbour)
{
	forget_questioner(o, find_questioner(o, neighbour));
	for (struct certificate *c = o->to_ask.first; c; c = c->next)
		not_named_by(c->quest, neighbour);
	for (struct certificate *c = o->asked.first, *next; c; c = next) {
		next = c->next;
		not_named_by(c->quest, neighbour);
		if (c->quest->asked_of != neighbour)
			continue;
		unqueue(c);
		append(&o->to_ask, c);
	}
}

/* ---- what goes ---- */

bool origins_has_part(const struct origins *o, uint64_t neighbour)
{
	return find_questioner(o, neighbour) != NULL;
}

bool origins_next_asking(const struct origins *o, size_t *cursor, uint64_t *ret)
{
	if (*cursor >= o->n_asking)
		return false;
	*ret = o->asking[(*cursor)++]->id;
	return true;
}

static void next_question(struct questioner *q)
{
	q->n--;
	q->at = 0;
	memmove(q->names[0], q->names[1], q->n * ORIGIN_HASH_LEN);
}

bool origins_next_part(struct origins *o, uint64_t neighbour, uint8_t ret[ORIGIN_PART_MAX],
		       size_t *ret_len)
{
	struct questioner *q = find_questioner(o, neighbour);

	if (!q)
		return false;
	while (q->n > 0) {
		const struct certificate *c = map_get(o->by_name, q->names[0]);
		struct writer w = writer_of(ret, ORIGIN_PART_MAX);
		size_t len;

		if (!c || !c->bytes || c->have < c->total || q->at >= c->total) {
			next_question(q);
			continue;
		}
		len = min_u64(c->total - q->at, PART_BYTES_MAX);
		write_bytes(&w, c->name, ORIGIN_HASH_LEN);
		write_u16(&w, (uint16_t)c->total);
		write_u16(&w, (uint16_t)q->at);
		write_bytes(&w, c->bytes + q->at, len);
		q->at += len;
		o->counters.served_bytes += len;
		*ret_len = w.len;
		return true;
	}
	forget_questioner(o, q);
	return false;
}

static uint64_t to_be_asked(const struct certificate *c)
{
	return c->quest->namers[c->quest->turn % c->quest->n_namers];
}

/* All that are due of one neighbour, in one record. */
static bool next_ask(struct origins *o, struct origin_action *ret)
{
	struct writer w = writer_of(o->body, sizeof(o->body));
	struct certificate *c, *next;
	uint64_t of;

	while ((c = o->asked.first) && c->quest->ask_us <= o->now_us) {
		unqueue(c);
		certificate_drop_bytes(o, c); /* it will be sent from the beginning */
		append(&o->to_ask, c);
		next_candidate(o, c->origin);
	}
	while ((c = o->to_ask.first) && c->quest->n_namers == 0) /* who named it is gone */
		wait_for_answer(o, c);
	if (!o->to_ask.first)
		return false;
	of = to_be_asked(o->to_ask.first);
	for (c = o->to_ask.first; c && w.len < w.size; c = next) {
		next = c->next;
		if (c->quest->n_namers == 0 || to_be_asked(c) != of)
			continue;
		write_bytes(&w, c->name, ORIGIN_HASH_LEN);
		c->quest->asked_of = of;
		c->quest->turn++;
		wait_for_answer(o, c);
	}
	*ret = (struct origin_action){ .type = ORIGIN_ASK,
				       .neighbour = of,
				       .data = SPAN(o->body, w.len) };
	return true;
}

/* ---- verifying ---- */

static bool may_verify(struct origins *o)
{
	uint64_t full_us = ORIGIN_VERIFY_BURST * TOKEN_US;

	if (o->tokens_us + full_us < o->now_us)
		o->tokens_us = o->now_us - full_us;
	if (o->tokens_us + TOKEN_US > o->now_us)
		return false;
	o->tokens_us += TOKEN_US;
	return true;
}

static bool next_to_verify(struct origins *o, struct origin_action *ret)
{
	struct certificate *c = o->to_verify.first;

	if (!c || !may_verify(o))
		return false;
	unqueue(c);
	*ret = (struct origin_action){ .type = ORIGIN_VERIFY,
				       .destination = c->origin->id,
				       .data = SPAN(c->bytes, c->total) };
	memcpy(ret->name, c->name, ORIGIN_HASH_LEN);
	return true;
}

void origins_verified(struct origins *o, const uint8_t name[ORIGIN_HASH_LEN], const char *reason,
		      uint64_t now_us)
{
	struct certificate *c = map_get(o->by_name, name);
	struct origin_certificate read;

	o->now_us = now_us;
	if (!c || c->state != CERTIFICATE_HELD)
		return; /* forgotten meanwhile */
	if (!reason && origin_certificate_decode(SPAN(c->bytes, c->total), &read) < 0)
		reason = "its epoch certificate is none";
	if (reason) {
		refuse(o, c, reason);
		return;
	}
	c->verified_us = now_us;
	o->counters.verified++;
	certificate_install(o, c, &read);
}

void origins_put_off(struct origins *o, const uint8_t name[ORIGIN_HASH_LEN])
{
	struct certificate *c = map_get(o->by_name, name);

	if (!c || c->state != CERTIFICATE_HELD || c->queue)
		return;
	append(&o->to_verify, c);
	o->tokens_us = o->now_us; /* and not before the next turn */
}

/* ---- time and actions ---- */

void origins_tick(struct origins *o, uint64_t now_us)
{
	o->now_us = now_us;
}

uint64_t origins_deadline_us(const struct origins *o)
{
	uint64_t at = o->asked.first ? o->asked.first->quest->ask_us : NEVER_US;

	if (o->to_ask.first)
		at = o->now_us;
	if (o->to_verify.first)
		at = min_u64(at, o->tokens_us + TOKEN_US);
	return at;
}

static bool next_review(struct origins *o, struct origin_action *ret)
{
	struct origin *origin = o->to_review;

	if (!origin)
		return false;
	o->to_review = origin->next_review;
	origin->needs_review = false;
	*ret = (struct origin_action){ .type = ORIGIN_REVIEW, .destination = origin->id };
	return true;
}

static bool next_lie(struct origins *o, struct origin_action *ret)
{
	const struct lie *l;

	if (o->n_lies == 0)
		return false;
	l = &o->lies[--o->n_lies];
	*ret = (struct origin_action){ .type = ORIGIN_LIED,
				       .neighbour = l->neighbour,
				       .destination = l->destination,
				       .reason = l->reason };
	return true;
}

bool origins_next_action(struct origins *o, uint64_t now_us, struct origin_action *ret)
{
	o->now_us = now_us;
	return next_review(o, ret) || next_lie(o, ret) || next_ask(o, ret) ||
	       next_to_verify(o, ret);
}
