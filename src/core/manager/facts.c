/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the things that a symptom depends on, and of what could be done. */
#include <math.h>

#include "base/units.h"
#include "core/manager/internal.h"

#define LINK_WINDOW_US SECONDS(30) /* of core/link */
#define FIRST_LOSS_US MS(500)	   /* until the first loss is noticed, where packets go */
#define PPM 1e6
#define BAD_LINKS_MIN 2
#define BAD_LOSS_MIN 0.005 /* over half a minute */
#define BETWEEN_MAX 8	   /* nodes; two links of each */

/* A link's loss is over half a minute, of which only the last seconds are the incident's. Taken to
 * have been none before, which errs to the link's side: a link is avoided as its neighbour is. */
static double lately(const struct manager *m, double loss, uint64_t at_us)
{
	uint64_t for_us = at_us - m->suspected_us + FIRST_LOSS_US;

	if (isnan(loss) || m->suspected_us == 0 || at_us < m->suspected_us ||
	    for_us >= LINK_WINDOW_US)
		return loss;
	return fmin(1, loss * (double)LINK_WINDOW_US / (double)for_us);
}

/* What `from` says it loses of what `of` sends it; NAN where it has not said. */
static double told_loss(const struct manager *m, uint64_t from, uint64_t of, uint64_t now_us,
			uint64_t *ret_at_us)
{
	const struct survey *s = node_survey(m->node);
	struct survey_view v;
	size_t cursor = 0;

	while (s && survey_next(s, &cursor, now_us, &v)) {
		if (v.id != from || v.state != SURVEY_ANSWERS)
			continue;
		for (size_t i = 0; i < v.n_links; i++) {
			if (v.links[i].id != of)
				continue;
			*ret_at_us = v.told_us;
			return v.links[i].state == LINK_DOWN ? 1 : v.links[i].loss_ppm / PPM;
		}
	}
	return NAN;
}

/* The worse direction of a link between two others, by what either end says. */
static struct healing_vertex far_link(const struct manager *m, uint64_t a, uint64_t b,
				      uint64_t now_us)
{
	struct healing_vertex v = { .kind = VERTEX_LINK, .a = a, .b = b };

	v.source = "what its ends say (survey)";
	v.deviation = fmax(told_loss(m, b, a, now_us, &v.at_us),
			   told_loss(m, a, b, now_us, &v.at_us)); /* NAN only where both are */
	return v;
}

static struct healing_vertex own_link(const struct manager *m, uint64_t neighbour, uint64_t now_us)
{
	struct healing_vertex ret = {
		.kind = VERTEX_LINK,
		.a = node_id(m->node),
		.b = neighbour,
		.at_us = now_us,
		.source = "its sequence numbers, and what the neighbour says of them (survey)",
		.deviation = NAN,
	};
	struct node_peer_view v;
	size_t cursor = 0;
	uint64_t ignored;

	while (node_next_peer(m->node, &cursor, now_us, &v)) {
		if (v.node_id != neighbour || !v.is_neighbour)
			continue;
		/* What an outage cost is in the window of both ends, and says nothing of now. */
		if (v.state != LINK_DOWN && now_us - v.quality.up_since_us < LINK_WINDOW_US)
			return ret;
		ret.deviation = v.state == LINK_DOWN ? 1 : v.quality.loss_ppm / PPM;
	}
	ret.deviation =
		fmax(ret.deviation, told_loss(m, neighbour, node_id(m->node), now_us, &ignored));
	return ret;
}

/* Of its processors, what is beyond the nine tenths from which others have to wait. */
static struct healing_vertex own_host(const struct manager *m, uint64_t now_us)
{
	double cpu = host_value_of(m, UNUSUAL_CPU, now_us);

	return (struct healing_vertex){
		.kind = VERTEX_HOST,
		.a = node_id(m->node),
		.at_us = m->host.at_us ? m->host.at_us : now_us,
		.source = m->host.at_us ? m->host.cpu_source : "",
		.deviation = isnan(cpu) ? NAN : fmax(0, (cpu - 0.9) * 10),
	};
}

static double or_nothing(double v)
{
	return isnan(v) ? 0 : v;
}

/* By the neighbour to the destination; all zeros: nothing is known of it. */
static struct watch_way way_by(const struct manager *m, uint64_t neighbour, uint64_t destination)
{
	struct watch_way w;
	size_t cursor = 0;

	while (node_next_watched(m->node, &cursor, &w))
		if (w.neighbour == neighbour && w.destination == destination)
			return w;
	return (struct watch_way){ 0 };
}

/* Where one node is between the neighbour and the destination: the links of those that it may be,
 * as far as they have told. Returns the worst loss. */
static double explain_between(const struct manager *m, const struct healing_incident *i,
			      uint64_t now_us, struct healing_graph *g, int behind)
{
	const struct survey *s = node_survey(m->node);
	struct survey_view v;
	size_t cursor = 0, n = 0;
	double worst = 0;

	while (s && n < BETWEEN_MAX && survey_next(s, &cursor, now_us, &v)) {
		struct healing_vertex to, from;

		if (v.id == i->subject || v.id == i->about || v.id == node_id(m->node))
			continue;
		to = far_link(m, i->subject, v.id, now_us);
		from = far_link(m, v.id, i->about, now_us);
		if (isnan(to.deviation) || isnan(from.deviation))
			continue; /* it has not both links, or nobody says so */
		n++;
		worst = fmax(worst, fmax(to.deviation, from.deviation));
		(void)graph_edge(g, behind, graph_vertex(g, &to), HEALING_LINK_WEIGHT);
		(void)graph_edge(g, behind, graph_vertex(g, &from), HEALING_LINK_WEIGHT);
	}
	return worst;
}

/* The destination is not a neighbour of the next hop: whose doing it is nobody here can know, but
 * from what others say of their links. */
static void explain_from_afar(const struct manager *m, const struct healing_incident *i,
			      uint64_t now_us, struct healing_graph *g, int route, double loss)
{
	const struct healing_reading *last = &i->evidence[i->n_evidence - 1];
	struct healing_vertex v = {
		.kind = VERTEX_BEHIND,
		.a = i->subject,
		.b = i->about,
		.at_us = last->at_us,
		.deviation = loss,
		.source = "what our own link does not explain",
	};
	int behind = graph_vertex(g, &v), node;

	(void)graph_edge(g, route, behind, HEALING_BEHIND_WEIGHT);
	if (way_by(m, i->subject, i->about).n_hops == WATCH_NEAREST_HOPS + 1) {
		loss = fmax(0, loss - explain_between(m, i, now_us, g, behind));
		g->vertices[behind].deviation = loss;
	}
	v.kind = VERTEX_NODE;
	v.b = 0;
	v.deviation = loss;
	node = graph_vertex(g, &v);
	(void)graph_edge(g, route, node, HEALING_AFAR_NODE_WEIGHT);
}

/* What a well link loses by chance looks like much where it is scaled to the last second or two. */
static bool is_bad(const struct manager *m, double loss, uint64_t at_us)
{
	return loss >= BAD_LOSS_MIN &&
	       lately(m, loss, at_us) >= healing_closes_at(HEALING_LINK_LOSS); /* NaN: no */
}

/* Links of a node that lose a share, by what its neighbours say of them, and this node itself. */
static unsigned n_bad_links(const struct manager *m, uint64_t id, uint64_t now_us)
{
	const struct survey *s = node_survey(m->node);
	unsigned n = is_bad(m, own_link(m, id, now_us).deviation, now_us);
	struct survey_view v;
	size_t cursor = 0;

	while (s && survey_next(s, &cursor, now_us, &v)) {
		uint64_t at_us = now_us;
		double loss;

		if (v.id == id || v.id == node_id(m->node))
			continue;
		loss = told_loss(m, v.id, id, now_us, &at_us);
		n += is_bad(m, loss, at_us);
	}
	return n;
}

/* One link that loses is the link's affair; several of one node have that in common. Returns the
 * vertex of the node, of which the symptom is. */
static int explain_by_node(const struct healing_incident *i, struct healing_graph *g, int symptom)
{
	int node = graph_vertex(g, &(struct healing_vertex){
					   .kind = VERTEX_NODE,
					   .a = i->subject,
					   .deviation = g->vertices[symptom].deviation,
					   .at_us = g->vertices[symptom].at_us,
					   .source = "several of its links lose (survey)",
				   });

	(void)graph_edge(g, symptom, node, 1);
	return node;
}

/* What a neighbour loses of what it is given for a destination: that much of the loss as no link
 * on the way explains is its own doing. */
static void explain_delivery(const struct manager *m, const struct healing_incident *i,
			     uint64_t now_us, struct healing_graph *g)
{
	const struct healing_reading *last = &i->evidence[i->n_evidence - 1];
	struct healing_vertex near = own_link(m, i->subject, now_us);
	struct healing_vertex far = far_link(m, i->subject, i->about, now_us);
	struct healing_vertex host = own_host(m, now_us);
	int route, node, link;

	near.deviation = lately(m, near.deviation, now_us);
	far.deviation = lately(m, far.deviation, far.at_us);
	route = graph_vertex(g, &(struct healing_vertex){
					.kind = VERTEX_ROUTE,
					.a = i->subject,
					.b = i->about,
					.deviation = last->value,
					.at_us = last->at_us,
					.since_us = i->began_us,
					.source = last->source,
				});
	link = graph_vertex(g, &near);
	if (n_bad_links(m, i->subject, now_us) >= BAD_LINKS_MIN) {
		node = explain_by_node(i, g, route);
		(void)graph_edge(g, node, link, HEALING_LINK_WEIGHT);
		(void)graph_edge(g, node, graph_vertex(g, &far), HEALING_LINK_WEIGHT);
		return;
	}
	(void)graph_edge(g, route, link, 1);
	(void)graph_edge(g, link, graph_vertex(g, &host), 0.5);
	if (way_by(m, i->subject, i->about).n_hops != WATCH_NEAREST_HOPS) {
		explain_from_afar(m, i, now_us, g, route,
				  fmax(0, last->value - or_nothing(near.deviation)));
		return;
	}
	node = graph_vertex(g,
			    &(struct healing_vertex){
				    .kind = VERTEX_NODE,
				    .a = i->subject,
				    .deviation = fmax(0, last->value - or_nothing(near.deviation) -
								 or_nothing(far.deviation)),
				    .at_us = last->at_us,
				    .source = "what no link on the way explains",
			    });
	(void)graph_edge(g, route, node, 1);
	(void)graph_edge(g, node, graph_vertex(g, &far), HEALING_LINK_WEIGHT);
}

static void explain_link(const struct manager *m, const struct healing_incident *i, uint64_t now_us,
			 struct healing_graph *g)
{
	struct healing_vertex link = own_link(m, i->subject, now_us);
	struct healing_vertex host = own_host(m, now_us);
	int symptom;

	link.since_us = i->began_us;
	symptom = graph_vertex(g, &link);
	if (i->kind == HEALING_LINK_LOSS && n_bad_links(m, i->subject, now_us) >= BAD_LINKS_MIN)
		(void)explain_by_node(i, g, symptom);
	(void)graph_edge(g, symptom, graph_vertex(g, &host), 0.5);
}

/* Another neighbour that says it reaches the destination: be it through us, it may have a way of
 * its own once ours costs more, and the probe tells. */
static bool has_other_way(const struct manager *m, uint64_t destination, uint64_t neighbour,
			  const char **why_not)
{
	uint64_t next = routes_next_hop(node_routes(m->node), destination), other;
	uint32_t metric;
	size_t cursor = 0;

	*why_not = "the packets go another way already";
	/* Forwarding keeps off a way that lost a few probes in a row, until some are answered or it
	 * was not used for a minute: then they would go back to it. */
	if (next != 0 && next != neighbour)
		return way_by(m, neighbour, destination).is_doubted;
	*why_not = "there is no other way to where the packets go";
	while (routes_next_neighbour(node_routes(m->node), &cursor, destination, &other, &metric))
		if (other != neighbour && metric < ROUTE_DOUBTED)
			return true;
	return false;
}

void manager_facts(const struct manager *m, const struct healing_incident *i, uint64_t now_us,
		   struct healing_facts *ret)
{
	*ret = (struct healing_facts){ 0 };
	for (unsigned r = 0; r < MANDATE_N_REMEDIES; r++)
		ret->why_not[r] = "it is for other incidents";
	switch (i->kind) {
	case HEALING_DELIVERY:
		explain_delivery(m, i, now_us, &ret->graph);
		ret->is_possible[REMEDY_AVOID] =
			has_other_way(m, i->about, i->subject, &ret->why_not[REMEDY_AVOID]);
		break;
	case HEALING_LINK_DOWN:
		ret->is_possible[REMEDY_REHANDSHAKE] = true;
		explain_link(m, i, now_us, &ret->graph);
		break;
	case HEALING_LINK_LOSS:
		explain_link(m, i, now_us, &ret->graph);
		break;
	case HEALING_DISK:
		ret->why_not[REMEDY_FREE_SPACE] = "there is nothing that could be given back";
		ret->is_possible[REMEDY_FREE_SPACE] =
			m->can_free_space &&
			m->can_free_space(m->arg, &ret->why_not[REMEDY_FREE_SPACE]);
		break;
	case HEALING_CPU:
	case HEALING_MEMORY:
	case HEALING_SERVICE:
	case HEALING_LEDGER_SPLIT:
	case HEALING_LINK_DELAY:
	case HEALING_RESTART:
	case HEALING_UNUSUAL:
	case HEALING_N_KINDS:
		break; /* the host is its own cause, as far as is known here */
	}
}
