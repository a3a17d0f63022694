/* SPDX-License-Identifier: Apache-2.0 */
/* A node that understates its metrics: each finite one goes out as a tenth, in records that agree
 * with each other, so that no digest gives it away. */
#include <errno.h>
#include <stdlib.h>

#include "core/route/record.h"
#include "sim/mesh_world.h"

#define UNDERSTATED_BY 10
#define METRIC_AT 14 /* in an entry: behind node id 8, epoch 4, seqno 2 (docs/routing.md) */

/* What the neighbour believes it was told: hashes by destination. */
struct mesh_told {
	uint64_t *hashes; /* 0: nothing */
	struct digest digest;
};

int mesh_set_liar(struct mesh *m, size_t node, unsigned how)
{
	struct mesh_host *h = &m->hosts[node];
	struct mesh_liar *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->how = how;
	l->told = calloc(h->n_neighbours ? h->n_neighbours : 1, sizeof(*l->told));
	for (size_t i = 0; l->told && i < h->n_neighbours; i++)
		l->told[i].hashes = calloc(m->n_hosts, sizeof(uint64_t));
	mesh_liar_free(m, node);
	h->liar = l;
	if (!l->told)
		return -ENOMEM;
	for (size_t i = 0; i < h->n_neighbours; i++)
		if (!l->told[i].hashes)
			return -ENOMEM;
	return 0;
}

void mesh_liar_free(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];

	if (!h->liar)
		return;
	for (size_t i = 0; h->liar->told && i < h->n_neighbours; i++)
		free(h->liar->told[i].hashes);
	free(h->liar->told);
	free(h->liar);
	h->liar = NULL;
}

static void tell(struct mesh_told *t, const struct entry *e, struct span bytes)
{
	uint64_t *was = &t->hashes[mesh_node(e->destination)];

	if (*was) {
		t->digest.sum -= *was;
		t->digest.n--;
	}
	*was = e->metric < ROUTE_METRIC_INFINITY ? entry_hash(bytes) : 0;
	if (*was) {
		t->digest.sum += *was;
		t->digest.n++;
	}
}

static void lie_in_update(struct mesh_told *t, struct route_action *a)
{
	struct reader r = reader_of(SPAN(a->body, a->len));
	struct entry e;

	while (r.left > 0 && entry_decode(&r, &e) == 0) {
		size_t at = a->len - r.left - e.bytes.len;
		uint32_t lie = e.metric / UNDERSTATED_BY;
		struct writer w = writer_of(a->body + at + METRIC_AT, 3);

		if (e.metric > 0 && e.metric < ROUTE_METRIC_INFINITY)
			write_u24(&w, lie ? lie : 1);
		tell(t, &e, SPAN(a->body + at, e.bytes.len));
	}
}

void mesh_lie(struct mesh *m, size_t node, uint32_t end, struct route_action *a)
{
	const struct mesh_host *h = &m->hosts[node];
	struct writer w = writer_of(a->body, sizeof(a->body));
	struct resync s;
	size_t i = 0;

	if (!(h->liar->how & MESH_LIAR_METRIC))
		return;
	while (h->neighbours[i].end != end)
		i++;
	switch (a->record_type) {
	case RECORD_ROUTE_UPDATE:
		lie_in_update(&h->liar->told[i], a);
		break;
	case RECORD_ROUTE_DIGEST:
		digest_encode(&w, &h->liar->told[i].digest);
		break;
	case RECORD_ROUTE_RESYNC: /* all is told anew */
		if (resync_decode(SPAN(a->body, a->len), &s) < 0 || s.kind != RESYNC_BEGIN)
			break;
		memset(h->liar->told[i].hashes, 0, m->n_hosts * sizeof(uint64_t));
		h->liar->told[i].digest = (struct digest){ 0 };
		break;
	default:
		break;
	}
}
