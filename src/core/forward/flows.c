/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded table of flows under way, in order of last use. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "core/forward/forward.h"

#define DENIAL_US 1000000 /* a denied flow may ask again after this */
#define KEY_LEN 37	  /* the other side 16, ours 16, protocol, its port, our port */

struct flow {
	uint8_t key[KEY_LEN];
	bool is_outbound;
	bool is_allowed;
	uint64_t used_us;
	struct flow *older;
	struct flow *newer;
};

struct flows {
	struct map *map;
	struct flow *newest;
	struct flow *oldest;
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
	*ret = TAKE(f);
	return 0;
}

static void unlink_flow(struct flows *f, struct flow *flow)
{
	*(flow->newer ? &flow->newer->older : &f->newest) = flow->older;
	*(flow->older ? &flow->older->newer : &f->oldest) = flow->newer;
	flow->newer = flow->older = NULL;
}

static void link_newest(struct flows *f, struct flow *flow)
{
	flow->older = f->newest;
	*(f->newest ? &f->newest->newer : &f->oldest) = flow;
	f->newest = flow;
}

static void drop(struct flows *f, struct flow *flow)
{
	unlink_flow(f, flow);
	(void)map_remove(f->map, flow->key);
	free(flow);
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	while (f->oldest)
		drop(f, f->oldest);
	map_free(f->map);
	free(f);
}

static void key_of(const struct inner *i, bool is_outbound, uint8_t ret[KEY_LEN])
{
	memcpy(ret, is_outbound ? i->destination : i->source, 16);
	memcpy(ret + 16, is_outbound ? i->source : i->destination, 16);
	ret[32] = i->protocol;
	store_u16(ret + 33, is_outbound ? i->destination_port : i->source_port);
	store_u16(ret + 35, is_outbound ? i->source_port : i->destination_port);
}

static struct flow *find(struct flows *f, const struct inner *i, bool is_outbound, uint64_t now_us)
{
	uint8_t key[KEY_LEN];
	struct flow *flow;

	while (f->oldest && now_us - f->oldest->used_us > FLOW_IDLE_US)
		drop(f, f->oldest);
	key_of(i, is_outbound, key);
	flow = map_get(f->map, key);
	if (!flow)
		return NULL;
	if (flow->is_allowed || flow->is_outbound) { /* a denial does not renew itself */
		unlink_flow(f, flow);
		link_newest(f, flow);
		flow->used_us = now_us;
	}
	return flow;
}

static struct flow *make(struct flows *f, const struct inner *i, bool is_outbound, uint64_t now_us)
{
	struct flow *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return NULL; /* nothing is remembered: policy is asked again */
	if (map_count(f->map) >= FLOWS_MAX)
		drop(f, f->oldest);
	key_of(i, is_outbound, flow->key);
	flow->is_outbound = is_outbound;
	flow->used_us = now_us;
	if (map_put(f->map, flow->key, flow) < 0) {
		free(flow);
		return NULL;
	}
	link_newest(f, flow);
	return flow;
}

void flows_outbound(struct flows *f, const struct inner *i, uint64_t now_us)
{
	struct flow *flow = find(f, i, true, now_us);

	if (!flow)
		(void)make(f, i, true, now_us);
	else if (!flow->is_allowed)
		flow->is_outbound = true;
}

enum flow_verdict flows_inbound(struct flows *f, const struct inner *i, uint64_t now_us)
{
	struct flow *flow = find(f, i, false, now_us);

	if (!flow)
		return FLOW_NEW;
	/* A connection that the other side begins is new even where ours went out once. */
	if (flow->is_outbound && !flow->is_allowed)
		return i->is_tcp_syn || i->is_echo_request ? FLOW_NEW : FLOW_KNOWN;
	if (flow->is_allowed)
		return FLOW_KNOWN;
	return now_us - flow->used_us > DENIAL_US ? FLOW_NEW : FLOW_DENIED;
}

void flows_decide(struct flows *f, const struct inner *i, bool is_allowed, uint64_t now_us)
{
	struct flow *flow = find(f, i, false, now_us);

	if (!flow)
		flow = make(f, i, false, now_us);
	if (!flow)
		return;
	flow->is_allowed = is_allowed;
	flow->used_us = now_us;
	unlink_flow(f, flow);
	link_newest(f, flow);
}

void flows_forget(struct flows *f)
{
	for (struct flow *flow = f->newest, *older; flow; flow = older) {
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
