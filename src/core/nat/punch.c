/* SPDX-License-Identifier: Apache-2.0 */
/* Calls and their probes. */
#include "core/nat/punch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "base/units.h"

#define ACTIONS_MAX 256
#define CALL_SENDS_MAX 4 /* of one call or answer, 250 ms apart at first */
#define CALL_REPEAT_US MS(250)

_Static_assert(PUNCH_ADDRESSES_MAX >= CANDIDATES_MAX, "a peer's candidates fit");

/* When each round begins, from the first probe on: dense at first, for the other end may begin a
 * little later and its NAT drops what comes before; the last waits for answers. */
static const uint64_t round_at_us[PUNCH_ROUNDS + 1] = {
	0,	 MS(60),   MS(150),  MS(300),  MS(500),
	MS(750), MS(1050), MS(1400), MS(1800), PUNCH_PROBING_US,
};

enum state {
	IDLE,
	CALLING, /* our call is not answered yet */
	PROBING,
	FOUND, /* the other end is to begin the handshake; if it does not, we do */
};

struct address {
	struct endpoint at;
	uint32_t number; /* in probes to it and in no other */
	unsigned n_sent;
};

struct call {
	uint64_t peer;
	enum state state;
	uint32_t id;
	unsigned n_calls; /* messages sent */
	uint64_t call_us; /* the next one */
	uint64_t began_us;
	uint64_t due_us; /* the next probe, or what else is to be done */
	unsigned round;
	struct address list[PUNCH_ADDRESSES_MAX];
	size_t n;
	struct endpoint found;
};

struct bucket {
	uint64_t per_s;
	uint64_t left; /* millionths */
	uint64_t at_us;
};

struct punch {
	uint64_t self;
	uint8_t key[16]; /* of numbers: what was told before does not say which come next */
	uint64_t n_numbers;
	struct call calls[PUNCH_CALLS_MAX];
	struct bucket probes, answers;
	struct punch_action actions[ACTIONS_MAX]; /* a ring */
	size_t first, n_actions;
	struct punch_counters counters;
};

/* ---- limits ---- */

static bool take(struct bucket *b, uint64_t now_us)
{
	uint64_t passed_us = min_u64(now_us - min_u64(now_us, b->at_us), US_PER_S);

	b->at_us = now_us;
	b->left = min_u64(b->left + passed_us * b->per_s, b->per_s * US_PER_S);
	if (b->left < US_PER_S)
		return false;
	b->left -= US_PER_S;
	return true;
}

static struct punch_action *act(struct punch *p, enum punch_action_type type, uint64_t peer)
{
	struct punch_action *a;

	if (p->n_actions == ACTIONS_MAX) {
		p->counters.limited++;
		return NULL;
	}
	a = &p->actions[(p->first + p->n_actions++) % ACTIONS_MAX];
	*a = (struct punch_action){ .type = type, .peer = peer };
	return a;
}

bool punch_next_action(struct punch *p, struct punch_action *ret)
{
	if (p->n_actions == 0)
		return false;
	*ret = p->actions[p->first];
	p->first = (p->first + 1) % ACTIONS_MAX;
	p->n_actions--;
	return true;
}

/* ---- life ---- */

DEFINE_FREEP(struct punch, punch_free)

int punch_new(uint64_t self, const uint8_t key[16], uint64_t now_us, struct punch **ret)
{
	CLEANUP(punch_freep) struct punch *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->self = self;
	memcpy(p->key, key, sizeof(p->key));
	p->probes = (struct bucket){ PUNCH_PROBES_PER_S, PUNCH_PROBES_PER_S * US_PER_S, now_us };
	p->answers = (struct bucket){ PUNCH_ANSWERS_PER_S, PUNCH_ANSWERS_PER_S * US_PER_S, now_us };
	*ret = TAKE(p);
	return 0;
}

void punch_free(struct punch *p)
{
	if (p)
		bytes_wipe(p->key, sizeof(p->key));
	free(p);
}

static uint32_t next_number(struct punch *p)
{
	uint8_t bytes[8];
	const struct span part = SPAN_OF(bytes);

	store_u64(bytes, p->n_numbers++);
	return (uint32_t)siphash64(p->key, &part, 1);
}

static struct call *find(const struct punch *p, uint64_t peer)
{
	for (size_t i = 0; i < PUNCH_CALLS_MAX; i++)
		if (p->calls[i].state != IDLE && p->calls[i].peer == peer)
			return (struct call *)&p->calls[i];
	return NULL;
}

static struct call *begin(struct punch *p, uint64_t peer, uint64_t now_us)
{
	for (size_t i = 0; i < PUNCH_CALLS_MAX; i++) {
		struct call *c = &p->calls[i];

		if (c->state != IDLE)
			continue;
		*c = (struct call){ .peer = peer, .began_us = now_us };
		return c;
	}
	return NULL;
}

static void fail(struct punch *p, struct call *c, enum punch_failure failure)
{
	struct punch_action *a = act(p, PUNCH_FAILED, c->peer);

	if (a) {
		a->failure = failure;
		a->n_tried = (unsigned)c->n;
	}
	p->counters.failed++;
	c->state = IDLE;
}

void punch_end(struct punch *p, uint64_t peer)
{
	struct call *c = find(p, peer);

	if (c)
		c->state = IDLE;
}

bool punch_is_calling(const struct punch *p, uint64_t peer)
{
	return find(p, peer) != NULL;
}

size_t punch_count(const struct punch *p)
{
	size_t n = 0;

	for (size_t i = 0; i < PUNCH_CALLS_MAX; i++)
		n += p->calls[i].state != IDLE;
	return n;
}

const struct punch_counters *punch_counters(const struct punch *p)
{
	return &p->counters;
}

/* ---- messages ---- */

static void tell(struct punch *p, uint64_t peer, enum nat_message_type type, uint32_t call,
		 bool is_refusal)
{
	struct punch_action *a = act(p, PUNCH_MESSAGE, peer);

	if (!a)
		return;
	a->message = type;
	a->call = call;
	a->is_refusal = is_refusal;
}

/* Messages may be lost; the answer of the other end, or its first probe, ends this. */
static void call_again(struct punch *p, struct call *c, uint64_t now_us)
{
	tell(p, c->peer, NAT_CALL, c->id, false);
	c->n_calls++;
	c->call_us = c->n_calls == CALL_SENDS_MAX ? NEVER_US : now_us + c->n_calls * CALL_REPEAT_US;
}

int punch_call(struct punch *p, uint64_t peer, uint64_t now_us)
{
	struct call *c;

	if (find(p, peer))
		return -EALREADY;
	c = begin(p, peer, now_us);
	if (!c)
		return -ENOBUFS;
	c->state = CALLING;
	c->id = next_number(p) | 1;
	c->due_us = now_us + PUNCH_CALLING_US;
	p->counters.calls++;
	call_again(p, c, now_us);
	return 0;
}

static struct address *add_address(struct punch *p, struct call *c, const struct endpoint *at)
{
	for (size_t i = 0; i < c->n; i++)
		if (endpoint_equal(&c->list[i].at, at))
			return &c->list[i];
	if (c->n == PUNCH_ADDRESSES_MAX)
		return NULL;
	c->list[c->n] = (struct address){ .at = *at, .number = next_number(p) };
	return &c->list[c->n++];
}

static void begin_probing(struct punch *p, struct call *c, const struct candidates *at,
			  uint64_t now_us)
{
	for (size_t i = 0; i < at->n; i++)
		(void)add_address(p, c, &at->list[i].at);
	c->state = PROBING;
	c->call_us = NEVER_US;
	c->began_us = c->due_us = now_us;
	c->round = 0;
}

static bool called(struct punch *p, uint64_t peer, const struct nat_message *m, bool is_welcome,
		   uint64_t now_us)
{
	struct call *c = find(p, peer);
	bool is_new = !c;

	if (c && c->state == CALLING) { /* each called the other: as good as an answer */
		tell(p, peer, NAT_ANSWER, m->call, false);
		begin_probing(p, c, &m->at, now_us);
		return true;
	}
	if (!c && is_welcome && m->at.n > 0)
		c = begin(p, peer, now_us);
	if (!c) {
		p->counters.refused++;
		tell(p, peer, NAT_ANSWER, m->call, true);
		return false;
	}
	tell(p, peer, NAT_ANSWER, m->call,
	     false); /* also to a call repeated: the answer was lost */
	if (!is_new)
		return false;
	p->counters.called++;
	begin_probing(p, c, &m->at, now_us);
	return true;
}

bool punch_message(struct punch *p, uint64_t peer, const struct nat_message *m, bool is_welcome,
		   uint64_t now_us)
{
	struct call *c = find(p, peer);

	if (m->type == NAT_CALL)
		return called(p, peer, m, is_welcome, now_us);
	if (m->type != NAT_ANSWER || !c || c->state != CALLING || c->id != m->call)
		return false;
	if (m->at.n == 0)
		fail(p, c, PUNCH_REFUSED);
	else
		begin_probing(p, c, &m->at, now_us);
	return false;
}

/* ---- probes ---- */

static void send_probe(struct punch *p, struct call *c, struct address *to, uint64_t now_us)
{
	struct punch_action *a;

	if (to->n_sent == PUNCH_ROUNDS)
		return;
	if (!take(&p->probes, now_us)) {
		p->counters.limited++;
		return;
	}
	a = act(p, PUNCH_PROBE, c->peer);
	if (!a)
		return;
	a->at = to->at;
	a->body[0] = PUNCH_PROBE_KIND;
	store_u32(a->body + 4, to->number);
	to->n_sent++;
	p->counters.probes_sent++;
}

static void answer_probe(struct punch *p, uint64_t peer, const struct endpoint *from,
			 struct span body, uint64_t now_us)
{
	struct punch_action *a;

	p->counters.probes_heard++;
	if (!take(&p->answers, now_us)) {
		p->counters.limited++;
		return;
	}
	a = act(p, PUNCH_PROBE, peer);
	if (!a)
		return;
	a->at = *from;
	memcpy(a->body, body.at, PUNCH_PROBE_LEN);
	a->body[0] = PUNCH_ANSWER_KIND;
	p->counters.answers_sent++;
}

/* One more of a host than it may tell. Where probes come from can be forged by who knows the keys,
 * and one machine shall not get many. */
static bool may_add(const struct call *c, const struct endpoint *from)
{
	unsigned n_host = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (endpoint_equal(&c->list[i].at, from))
			return true;
		n_host += memcmp(c->list[i].at.ip, from->ip, sizeof(from->ip)) == 0;
	}
	return n_host <= CANDIDATES_OF_HOST_MAX;
}

/* It came from there, so the way back may be open: it is tried at once, be the address one that
 * nobody told, which is how a NAT that maps each destination anew is met. */
static void probe_back(struct punch *p, struct call *c, const struct endpoint *from,
		       uint64_t now_us)
{
	struct address *to = NULL;

	if (candidate_is_fit(from) && may_add(c, from))
		to = add_address(p, c, from);
	if (to)
		send_probe(p, c, to, now_us);
}

static void tell_found(struct punch *p, struct call *c)
{
	struct punch_action *a = act(p, PUNCH_FOUND, c->peer);

	if (a) {
		a->at = c->found;
		a->n_tried = (unsigned)c->n;
	}
	p->counters.found++;
	c->state = IDLE;
}

/* Both ends find at about the same time, and one handshake is enough. */
static void found(struct punch *p, struct call *c, uint64_t now_us)
{
	if (p->self < c->peer) {
		tell_found(p, c);
		return;
	}
	c->state = FOUND;
	c->due_us = now_us + PUNCH_DEFER_US;
}

int punch_probe(struct punch *p, uint64_t peer, const struct endpoint *from, struct span body,
		uint64_t now_us)
{
	struct call *c = find(p, peer);

	if (body.len != PUNCH_PROBE_LEN || body.at[1] != 0 || body.at[2] != 0 || body.at[3] != 0)
		return -EBADMSG;
	if (body.at[0] == PUNCH_PROBE_KIND) {
		answer_probe(p, peer, from, body, now_us);
		if (c && c->state == PROBING)
			probe_back(p, c, from, now_us);
		return 0;
	}
	if (body.at[0] != PUNCH_ANSWER_KIND)
		return -EBADMSG;
	for (size_t i = 0; c && c->state == PROBING && i < c->n; i++) {
		if (c->list[i].n_sent == 0 || c->list[i].number != load_u32(body.at + 4) ||
		    !endpoint_equal(&c->list[i].at, from))
			continue;
		c->found = *from;
		found(p, c, now_us);
		return 0;
	}
	return 0;
}

/* ---- time ---- */

static void tick_probing(struct punch *p, struct call *c, uint64_t now_us)
{
	struct address *next = NULL;

	for (size_t i = 0; i < c->n && !next; i++)
		if (c->list[i].n_sent <= c->round)
			next = &c->list[i];
	if (next && c->round < PUNCH_ROUNDS) {
		unsigned before = next->n_sent;

		send_probe(p, c, next, now_us);
		next->n_sent = before + 1; /* also where it could not be sent: it had its turn */
		c->due_us = now_us + PUNCH_SPACING_US;
		return;
	}
	if (c->round >= PUNCH_ROUNDS) {
		fail(p, c, PUNCH_NO_WAY);
		return;
	}
	c->round++;
	c->due_us = max_u64(c->began_us + round_at_us[c->round], now_us + PUNCH_SPACING_US);
}

static void tick(struct punch *p, struct call *c, uint64_t now_us)
{
	if (c->state == CALLING && now_us >= c->call_us)
		call_again(p, c, now_us);
	if (now_us < c->due_us)
		return;
	switch (c->state) {
	case CALLING:
		fail(p, c, PUNCH_NO_ANSWER);
		break;
	case PROBING:
		tick_probing(p, c, now_us);
		break;
	case FOUND:
		tell_found(p, c);
		break;
	case IDLE:
		break;
	}
}

void punch_tick(struct punch *p, uint64_t now_us)
{
	for (size_t i = 0; i < PUNCH_CALLS_MAX; i++)
		if (p->calls[i].state != IDLE)
			tick(p, &p->calls[i], now_us);
}

uint64_t punch_deadline_us(const struct punch *p)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; i < PUNCH_CALLS_MAX; i++) {
		const struct call *c = &p->calls[i];

		if (c->state == IDLE)
			continue;
		at = min_u64(at, c->due_us);
		if (c->state == CALLING)
			at = min_u64(at, c->call_us);
	}
	return at;
}
