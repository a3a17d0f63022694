/* SPDX-License-Identifier: Apache-2.0 */
/* Epoch certificates in the mesh, as core/node does it with real signatures. Here they are as long
 * as real ones, and whoever sees one believes it: what is simulated is what follows from that. */
#include <errno.h>
#include <stdlib.h>

#include "core/crypto/sim_null.h"
#include "core/origin/origin.h"
#include "core/watch/watch.h"
#include "sim/mesh_world.h"

#define CHAIN_LEN 5541 /* one X.509-SVID with ML-DSA-65, as core/identity writes it */
#define REAL_MAX 100   /* nodes; beyond, certificates are short, for each node keeps all */
#define SHORT_LEN 32
#define AHEAD 4 /* certificates under way to a neighbour */

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *rng = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(rng);
}

int mesh_origin_new(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	struct origin_config config = { .ops = sim_null_ops(),
					.entropy = { .fill = fill, .arg = &m->rng },
					.self = mesh_id(node),
					.epoch = h->boot,
					.store = m->certificates };

	return origins_new(&config, m->now_us, &h->origins);
}

void mesh_origin_certify(struct mesh *m, size_t node)
{
	static const uint8_t zeros[CHAIN_LEN];
	struct mesh_host *h = &m->hosts[node];
	bool is_short = m->n_hosts > REAL_MAX;
	struct span chain = SPAN(zeros, is_short ? SHORT_LEN : CHAIN_LEN);
	struct span signature = SPAN(zeros, is_short ? SHORT_LEN : MLDSA65_SIG_LEN);
	uint8_t bytes[ORIGIN_CERTIFICATE_MAX];
	int len;

	if (!h->origins || !origins_wants_certificate(h->origins))
		return;
	len = origins_begin_certificate(h->origins, chain, 0, bytes, sizeof(bytes));
	if (len < 0 ||
	    origins_end_certificate(h->origins, SPAN(bytes, (size_t)len), signature, m->now_us) < 0)
		abort();
}

int mesh_origin_input(struct mesh *m, size_t node, uint64_t neighbour, uint8_t type,
		      struct span body)
{
	if (!m->hosts[node].origins)
		return -EPROTO;
	return origins_input(m->hosts[node].origins, neighbour, type == RECORD_ORIGIN_PART, body,
			     m->now_us);
}

static void ask(struct mesh *m, size_t node, const struct origin_action *a)
{
	uint32_t end = mesh_end_to(m, node, mesh_node(a->neighbour));

	if (end != MESH_NO_END && mesh_end(m, end)->session)
		(void)stream_push(mesh_end(m, end)->stream, RECORD_ORIGIN_ASK, a->data, true,
				  m->now_us);
}

void mesh_origin_act(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	struct origin_action a;

	mesh_origin_certify(m, node);
	while (h->origins && origins_next_action(h->origins, m->now_us, &a)) {
		switch (a.type) {
		case ORIGIN_ASK:
			ask(m, node, &a);
			break;
		case ORIGIN_VERIFY:
			origins_verified(h->origins, a.name, NULL, m->now_us);
			break;
		case ORIGIN_REVIEW:
			routes_review(h->routes, a.destination, m->now_us);
			break;
		case ORIGIN_LIED:
			m->totals.lies++;
			watch_lied(h->watch, a.neighbour, m->now_us);
			break;
		}
	}
}

void mesh_origin_serve(struct mesh *m, uint32_t end)
{
	struct mesh_end *e = mesh_end(m, end);
	struct origins *o = m->hosts[mesh_owner(m, end)].origins;
	uint64_t neighbour = mesh_id(mesh_other(m, end));
	uint8_t part[ORIGIN_PART_MAX];
	size_t len;

	if (!o || !e->session || !stream_is_idle(e->stream))
		return;
	for (size_t n = 0; n < (size_t)AHEAD * ORIGIN_CERTIFICATE_MAX; n += len) {
		if (!origins_next_part(o, neighbour, part, &len))
			return;
		if (stream_push(e->stream, RECORD_ORIGIN_PART, SPAN(part, len), true, m->now_us) <
		    0)
			return;
	}
}
