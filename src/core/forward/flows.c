/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded table of flows under way, in order of last use. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "core/forward/forward.h"
#include "core/forward/marks.h"

#define DENIAL_US 1000000 /* a denied flow may ask again after this */
#define KEY_LEN 37	  /* the other side 16, ours 16, protocol, its port, our port */
#define LOOKED_AT_MAX 64  /* flows that threads may have used, until one goes all the same */

/* Who began flows, in the order in which they did. */
struct beginner {
	uint64_t peer;
	size_t n;
	struct flow *newest;
	struct flow *oldest;
};

struct flow {
	uint8_t key[KEY_LEN];
	bool is_outbound;
	bool is_allowed; /* as is peer's inbound part */
	uint64_t peer;	 /* whom the verdict is about; 0: there is none */
	uint64_t used_us;
	struct flow *older;
	struct flow *newer;
	struct beginner *by; /* NULL: we, or there was no memory to know it */
	struct flow *older_by;
	struct flow *newer_by;
};

/* In order of last use. */
struct list {
	struct flow *newest;
	struct flow *oldest;
};

struct flows {
	struct map *map;
	struct map *beginners;
	struct list passing;
	struct list denied;
	struct marks *marks; /* NULL: none */
};

int flows_new(const uint8_t hash_key[16], struct flows **ret)
{
	CLEANUP_FREE struct flows *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = map_new(KEY_LEN, FLOWS_MAX, hash_key, &f->map);
	if (r < 0)
		return r;
	r = map_new(sizeof(uint64_t), FLOWS_MAX, hash_key, &f->beginners);
	if (r < 0) {
		map_free(f->map);
		return r;
	}
	*ret = TAKE(f);
	return 0;
}

void flows_watch(struct flows *f, struct marks *marks)
{
	f->marks = marks;
}

/* ---- lists ---- */

static struct list *list_of(struct flows *f, const struct flow *flow)
{
	return flow->is_outbound || flow->is_allowed ? &f->passing : &f->denied;
}

static void unlink_flow(struct flows *f, struct flow *flow)
{
	struct list *l = list_of(f, flow);

	*(flow->newer ? &flow->newer->older : &l->newest) = flow->older;
	*(flow->older ? &flow->older->newer : &l->oldest) = flow->newer;
	flow->newer = flow->older = NULL;
}

static void link_newest(struct flows *f, struct flow *flow)
{
	struct list *l = list_of(f, flow);

	flow->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = flow;
	l->newest = flow;
}

static void leave_beginner(struct flows *f, struct flow *flow)
{
	struct beginner *b = flow->by;

	if (!b)
		return;
	*(flow->newer_by ? &flow->newer_by->older_by : &b->newest) = flow->older_by;
	*(flow->older_by ? &flow->older_by->newer_by : &b->oldest) = flow->newer_by;
	if (--b->n == 0) {
		(void)map_remove(f->beginners, &b->peer);
		free(b);
	}
}

static struct beginner *beginner_of(const struct flows *f, uint64_t peer)
{
	return map_get(f->beginners, &peer);
}

static void join_beginner(struct flows *f, struct flow *flow, uint64_t peer)
{
	struct beginner *b = beginner_of(f, peer);

	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return;
		b->peer = peer;
		if (map_put(f->beginners, &b->peer, b) < 0) {
			free(b);
			return;
		}
	}
	b->n++;
	flow->by = b;
	flow->older_by = b->newest;
	*(b->newest ? &b->newest->newer_by : &b->oldest) = flow;
	b->newest = flow;
}

static void drop(struct flows *f, struct flow *flow)
{
	unlink_flow(f, flow);
	leave_beginner(f, flow);
	(void)map_remove(f->map, flow->key);
	free(flow);
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	while (f->passing.oldest)
		drop(f, f->passing.oldest);
	while (f->denied.oldest)
		drop(f, f->denied.oldest);
	map_free(f->map);
	map_free(f->beginners);
	free(f);
}

/* ---- one flow ---- */

static void key_of(const struct inner *i, bool is_outbound, uint8_t ret[KEY_LEN])
{
	memcpy(ret, is_outbound ? i->destination : i->source, 16);
	memcpy(ret + 16, is_outbound ? i->source : i->destination, 16);
	ret[32] = i->protocol;
	store_u16(ret + 33, is_outbound ? i->destination_port : i->source_port);
	store_u16(ret + 35, is_outbound ? i->source_port : i->destination_port);
}

/* A packet of the flow, as far as marks know one. */
static struct inner packet_of(const struct flow *flow, enum mark_direction d)
{
	bool is_out = d == MARK_OUT;
	struct inner i = { .protocol = flow->key[32], .has_ports = true };

	memcpy(is_out ? i.destination : i.source, flow->key, 16);
	memcpy(is_out ? i.source : i.destination, flow->key + 16, 16);
	*(is_out ? &i.destination_port : &i.source_port) = load_u16(flow->key + 33);
	*(is_out ? &i.source_port : &i.destination_port) = load_u16(flow->key + 35);
	return i;
}

/* What packet threads carried of it since, which never came by here. */
static bool is_in_use(const struct flows *f, const struct flow *flow)
{
	struct inner out, in;

	if (!f->marks)
		return false;
	out = packet_of(flow, MARK_OUT);
	in = packet_of(flow, MARK_IN);
	return marks_used_since(f->marks, MARK_OUT, &out, flow->used_us) ||
	       marks_used_since(f->marks, MARK_IN, &in, flow->used_us);
}

static void touch(struct flows *f, struct flow *flow, uint64_t now_us)
{
	unlink_flow(f, flow);
	flow->used_us = now_us;
	link_newest(f, flow);
}

static struct flow *find(struct flows *f, const struct inner *i, bool is_outbound, uint64_t now_us)
{
	uint8_t key[KEY_LEN];
	struct flow *flow;

	while (f->passing.oldest && now_us - f->passing.oldest->used_us > FLOW_IDLE_US)
		drop(f, f->passing.oldest);
	while (f->denied.oldest && now_us - f->denied.oldest->used_us > DENIAL_US)
		drop(f, f->denied.oldest);
	key_of(i, is_outbound, key);
	flow = map_get(f->map, key);
	if (flow && list_of(f, flow) == &f->passing) /* a denial does not renew itself */
		touch(f, flow, now_us);
	return flow;
}

/* The one longest idle. Threads go on without us for as long as marks live, so their flows look
 * idle here; what goes nevertheless, comes by here again. */
static void drop_idle(struct flows *f, uint64_t now_us)
{
	for (unsigned n = 0; n < LOOKED_AT_MAX && is_in_use(f, f->passing.oldest); n++)
		touch(f, f->passing.oldest, now_us);
	if (f->marks) {
		struct inner out = packet_of(f->passing.oldest, MARK_OUT);
		struct inner in = packet_of(f->passing.oldest, MARK_IN);

		marks_drop(f->marks, MARK_OUT, &out);
		marks_drop(f->marks, MARK_IN, &in);
	}
	drop(f, f->passing.oldest);
}

/* Denials go first, which only spare asking again; then flows of whoever has begun too many. */
static void make_room(struct flows *f, uint64_t peer, uint64_t now_us)
{
	struct beginner *b = beginner_of(f, peer);

	if (map_count(f->map) < FLOWS_MAX)
		return;
	if (f->denied.oldest)
		drop(f, f->denied.oldest);
	else if (b && b->n >= FLOWS_BEGUN_MAX)
		drop(f, b->oldest);
	else
		drop_idle(f, now_us);
}

/* peer: who begins it; 0: we. */
static struct flow *make(struct flows *f, const struct inner *i, uint64_t peer, bool is_allowed,
			 uint64_t now_us)
{
	struct flow *flow;

	make_room(f, peer, now_us);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL; /* nothing is remembered: policy is asked again */
	key_of(i, peer == 0, flow->key);
	flow->is_outbound = peer == 0;
	flow->is_allowed = is_allowed;
	flow->peer = peer;
	flow->used_us = now_us;
	if (map_put(f->map, flow->key, flow) < 0) {
		free(flow);
		return NULL;
	}
	link_newest(f, flow);
	if (is_allowed)
		join_beginner(f, flow, peer);
	return flow;
}

/* ---- asked ---- */

void flows_outbound(struct flows *f, const struct inner *i, uint64_t now_us)
{
	struct flow *flow = find(f, i, true, now_us);

	if (!flow) {
		(void)make(f, i, 0, false, now_us);
	} else if (!flow->is_outbound && !flow->is_allowed) {
		unlink_flow(f, flow);
		flow->is_outbound = true;
		link_newest(f, flow);
	}
}

enum flow_verdict flows_inbound(struct flows *f, uint64_t peer, const struct inner *i,
				uint64_t now_us)
{
	struct flow *flow = find(f, i, false, now_us);

	if (!flow)
		return FLOW_NEW;
	if (flow->is_allowed && flow->peer == peer)
		return FLOW_KNOWN;
	/* An answer may come by another node of the network that it was sent to; a connection that
	 * the other side begins is new even where ours went out once. */
	if (flow->is_outbound)
		return i->is_tcp_syn || i->is_echo_request ? FLOW_NEW : FLOW_KNOWN;
	return flow->is_allowed || flow->peer != peer ? FLOW_NEW : FLOW_DENIED;
}

void flows_decide(struct flows *f, uint64_t peer, const struct inner *i, bool is_allowed,
		  uint64_t now_us)
{
	struct flow *flow = find(f, i, false, now_us);

	if (!flow) {
		(void)make(f, i, peer, is_allowed, now_us);
		return;
	}
	if (flow->is_allowed && !is_allowed && flow->peer != peer)
		return; /* one's denial does not undo what another may */
	unlink_flow(f, flow);
	flow->is_allowed = is_allowed;
	flow->peer = peer;
	flow->used_us = now_us;
	link_newest(f, flow);
	if (is_allowed && !flow->by && !flow->is_outbound)
		join_beginner(f, flow, peer);
}

void flows_forget(struct flows *f)
{
	while (f->denied.oldest)
		drop(f, f->denied.oldest);
	for (struct flow *flow = f->passing.newest, *older; flow; flow = older) {
		older = flow->older;
		if (flow->is_outbound)
			flow->is_allowed = false;
		else
			drop(f, flow);
	}
}

size_t flows_count(const struct flows *f)
{
	return map_count(f->map);
}
