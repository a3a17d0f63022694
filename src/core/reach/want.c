/* SPDX-License-Identifier: Apache-2.0 */
/* Destinations beyond the zone that this node wants: looked for, kept while used, let go. */
#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/reach/internal.h"

#define HOLD_MIN_US 1000000 /* after a search in vain; doubles */
#define HOLD_MAX_US 60000000
#define RTT_MIN_US 50000
#define RTT_MAX_US 1000000
#define NO_TOKEN_US 100000

struct stage {
	enum request_kind kind;
	uint8_t hops;
	uint8_t rtts; /* waited for an answer */
};

static const struct stage stages[] = {
	{ REQUEST_TREE, UINT8_MAX, 2 }, { REQUEST_RING, 2, 2 },		{ REQUEST_RING, 4, 2 },
	{ REQUEST_RING, 8, 2 },		{ REQUEST_RING, UINT8_MAX, 4 },
};

#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static void set_due(struct reach *r, struct want *w, uint64_t due_us)
{
	w->due_us = due_us;
	r->wants_due_us = min_u64(r->wants_due_us, due_us);
}

static uint64_t estimate_us(const struct reach *r)
{
	return min_u64(max_u64(r->rtt_us, RTT_MIN_US), RTT_MAX_US);
}

static void give_up(struct reach *r, struct want *w)
{
	struct reach_action *a = reach_out(r, REACH_FAILED);

	w->state = WANT_FAILED;
	w->hold_us = min_u64(max_u64(2 * w->hold_us, HOLD_MIN_US), HOLD_MAX_US);
	w->asked_us = r->now_us;
	set_due(r, w, r->now_us + 2 * w->hold_us);
	r->counters.failed++;
	if (a)
		a->destination = w->id;
}

/* The next stage that has anybody to ask. */
static void look(struct reach *r, struct want *w)
{
	for (; w->stage < N_STAGES; w->stage++) {
		const struct stage *s = &stages[w->stage];

		if (!bucket_take(&r->own_bucket, REACH_ORIGIN_RATE, r->now_us)) {
			set_due(r, w, r->now_us + NO_TOKEN_US);
			return;
		}
		if (!request_own(r, w, s->kind, s->hops))
			continue;
		w->asked_us = r->now_us;
		w->stage++;
		set_due(r, w, r->now_us + s->rtts * estimate_us(r));
		return;
	}
	give_up(r, w);
}

static void begin(struct reach *r, struct want *w)
{
	w->state = WANT_LOOKING;
	w->stage = 0;
	w->began_us = r->now_us;
	look(r, w);
}

static void confirm(struct reach *r, struct want *w)
{
	routes_used(r->routes, w->id, r->now_us);
	if (request_own(r, w, REQUEST_CONFIRM, UINT8_MAX))
		r->counters.confirms++;
	set_due(r, w, r->now_us + REACH_CONFIRM_US);
}

static void found(struct reach *r, struct want *w)
{
	struct reach_action *a = reach_out(r, REACH_FOUND);

	/* Only the first request's answer is sure to be its own. */
	if (w->stage == 1)
		r->rtt_us += (r->now_us - w->asked_us) / 4 - r->rtt_us / 4;
	w->state = WANT_FOUND;
	w->hold_us = 0;
	r->counters.found++;
	if (a) {
		a->destination = w->id;
		a->took_us = r->now_us - w->began_us;
	}
	confirm(r, w);
}

void reach_route_changed(struct reach *r, uint64_t destination, uint64_t now_us)
{
	struct want *w = map_get(r->wants, &destination);
	bool has_route;

	if (!w)
		return;
	r->now_us = now_us;
	has_route = routes_next_hop(r->routes, destination) != 0;
	if (has_route && w->state != WANT_FOUND)
		found(r, w);
	else if (has_route)
		confirm(r, w);		 /* the new way is told that it is in use */
	else if (w->state == WANT_FOUND) /* the table asks for a new seqno first */
		set_due(r, w, now_us + 2 * estimate_us(r));
}

static struct want *want_new(struct reach *r, uint64_t destination)
{
	struct want *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->id = destination;
	if (map_put(r->wants, &destination, w) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

static void want_end(struct reach *r, struct want *w)
{
	(void)map_remove(r->wants, &w->id);
	free(w);
}

int reach_want(struct reach *r, uint64_t destination, uint64_t now_us)
{
	bool has_route = routes_next_hop(r->routes, destination) != 0;
	struct want *w = map_get(r->wants, &destination);

	r->now_us = now_us;
	if (!w && has_route && (!r->is_zoned || routes_is_in_zone(r->routes, destination)))
		return 0;
	if (!w && !has_route && !r->is_zoned)
		return -ENETUNREACH;
	if (!w) {
		w = want_new(r, destination);
		if (!w)
			return has_route ? 0 : -ENOBUFS;
		w->used_us = now_us;
		if (has_route) {
			w->state = WANT_FOUND;
			confirm(r, w);
		} else {
			begin(r, w);
		}
	}
	w->used_us = now_us;
	if (has_route)
		return 0;
	if (w->state == WANT_FAILED && now_us - w->asked_us >= w->hold_us)
		begin(r, w);
	return w->state == WANT_FAILED ? -ENETUNREACH : -EAGAIN;
}

static void review(struct reach *r, struct want *w)
{
	bool is_used = r->now_us - w->used_us < REACH_IDLE_US;

	switch (w->state) {
	case WANT_LOOKING:
		look(r, w);
		break;
	case WANT_FOUND:
		if (!is_used)
			want_end(r, w);
		else if (routes_next_hop(r->routes, w->id))
			confirm(r, w);
		else
			begin(r, w);
		break;
	case WANT_FAILED:
		want_end(r, w);
		break;
	}
}

void wants_tick(struct reach *r)
{
	size_t cursor = 0;
	uint64_t due = NEVER_US;
	struct want *w;

	if (r->now_us < r->wants_due_us)
		return;
	r->wants_due_us = NEVER_US;
	while ((w = map_next(r->wants, &cursor))) {
		if (r->now_us >= w->due_us)
			review(r, w);
		else
			due = min_u64(due, w->due_us);
	}
	r->wants_due_us = min_u64(r->wants_due_us, due);
}
