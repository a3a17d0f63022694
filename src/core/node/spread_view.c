/* SPDX-License-Identifier: Apache-2.0 */
/* Which links there are around us and a peer: asked of others, and told to who asks. */
#include <stdlib.h>

#include "core/node/spread_internal.h"

#define ANSWERS_PER_SECOND 100 /* to questions about our links, which prove no sender */
#define ASK_LEN 5

/* One of class BAD too: it may be that for being full, and it costs fifty times as much. */
static bool is_told(const struct peer *p)
{
	return p->direct && p->neighbour && p->neighbour->is_routed &&
	       link_state(p->neighbour->link) == LINK_UP;
}

/* The cheapest GRAPH_DEGREE_MAX, cheapest first. */
static size_t own_links(const struct node *n, struct view_link ret[GRAPH_DEGREE_MAX])
{
	size_t count = 0, cursor = 0;
	const struct peer *p;

	while ((p = map_next(n->peers, &cursor))) {
		struct view_link l = { .id = p->id };
		size_t at;

		if (!is_told(p))
			continue;
		l.cost = beyond_metric(p);
		for (at = count; at > 0 && ret[at - 1].cost > l.cost; at--)
			if (at < GRAPH_DEGREE_MAX)
				ret[at] = ret[at - 1];
		if (at < GRAPH_DEGREE_MAX)
			ret[at] = l;
		count += count < GRAPH_DEGREE_MAX;
	}
	return count;
}

void spread_ask(struct node *n, const struct wire_hop *hop, struct span payload)
{
	uint8_t reply[1 + VIEW_ANSWER_MAX] = { CONTROL_LINKS };
	struct view_answer a = { 0 };
	size_t len;

	if (payload.len != ASK_LEN || hop->source == n->self)
		return;
	if (n->now_us >= n->view_second_us + SECONDS(1)) {
		n->view_second_us = n->now_us;
		n->n_view_answers = 0;
	}
	if (n->n_view_answers++ >= ANSWERS_PER_SECOND)
		return;
	a.nonce = load_u32(payload.at + 1);
	a.n = own_links(n, a.links);
	len = 1 + view_answer_encode(&a, reply + 1);
	path_send_unsealed(n, hop->source, KIND_CONTROL, HOP_TTL_MAX, SPAN(reply, len));
}

void spread_told(struct node *n, const struct wire_hop *hop, struct span payload)
{
	struct view_answer a;

	if (!n->view)
		return;
	if (view_answer_decode(SPAN(payload.at + 1, payload.len - 1), &a) < 0) {
		n->counters.malformed++;
		return;
	}
	if (!view_told(n->view, hop->source, &a, n->now_us))
		return;
	for (size_t i = 0; i < n->n_spreads; i++)
		n->spreads[i]->step_us = n->now_us;
	spreads_tick(n);
}

static uint32_t random_u32(struct node *n)
{
	uint8_t bytes[4];

	entropy_fill(&n->entropy, bytes, sizeof(bytes));
	return load_u32(bytes);
}

static void ask(struct node *n, uint64_t id, uint32_t nonce)
{
	uint8_t question[ASK_LEN] = { CONTROL_LINKS_ASK };

	store_u32(question + 1, nonce);
	path_send_unsealed(n, id, KIND_CONTROL, HOP_TTL_MAX, SPAN_OF(question));
}

bool spread_explore(struct node *n, struct spread *sp, struct path ret[PATHS_MAX], size_t *ret_n)
{
	struct view_self self = { .id = n->self };
	struct graph g = { 0 };
	enum view_step step;
	uint64_t id;

	if (!n->view)
		n->view = calloc(1, sizeof(*n->view));
	if (!n->view) {
		sp->step_us = n->now_us + SECONDS(1);
		return false;
	}
	self.n_links = own_links(n, self.links);
	do {
		uint32_t nonce = random_u32(n);

		step = view_explore(n->view, &self, sp->peer->id, nonce, n->now_us, &id,
				    &sp->step_us);
		if (step == VIEW_ASK)
			ask(n, id, nonce);
	} while (step == VIEW_ASK);
	if (step == VIEW_WAIT && n->now_us < sp->explores_us + SPREAD_EXPLORES_FOR_US)
		return false;
	view_graph(n->view, &self, n->now_us, &g);
	*ret_n = disjoint_paths(&g, n->self, sp->peer->id, PATHS_MAX, ret);
	return true;
}
