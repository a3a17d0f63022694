/* SPDX-License-Identifier: Apache-2.0 */
/* The links of others, while somebody looks (docs/survey.md): what core/survey wants to know of
 * this node, its messages, and who may ask. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

#define REFRESH_US SECONDS(1)
#define EVENT_SPACE_US MS(200)
#define NODES_SPACE_US MS(100)

struct near {
	uint64_t id;
	uint32_t metric;
};

static struct survey *survey_of(struct node *n)
{
	if (!n->survey)
		(void)survey_new(n->self, (uint32_t)n->identity.boot_epoch, n->version, n->start_us,
				 &n->survey);
	return n->survey;
}

/* ---- how things stand ---- */

static void fill_link(const struct node *n, const struct peer *p, struct survey_link *ret)
{
	const struct link *l = p->neighbour->link;
	struct link_quality q;

	link_quality(l, n->now_us, &q);
	*ret = (struct survey_link){
		.id = p->id,
		.state = (uint8_t)link_state(l),
		.class = (uint8_t)link_class(l),
		.is_ipv4 = endpoint_is_ipv4(&p->neighbour->roam.current),
		.rtt_us = q.rtt_us,
		.jitter_us = q.jitter_us,
		.loss_ppm = q.loss_ppm,
		.sent_bytes = p->sent_bytes,
		.received_bytes = p->received_bytes,
	};
}

/* Where not all can be told, those that are up come first. */
static void tell_links(struct node *n)
{
	struct survey_link links[SURVEY_LINKS_MAX];
	size_t n_links = 0, n_all = 0;

	for (unsigned down = 0; down < 2; down++) {
		size_t cursor = 0;
		const struct peer *p;

		while ((p = map_next(n->peers, &cursor))) {
			if (!p->neighbour ||
			    (link_state(p->neighbour->link) == LINK_DOWN) != (down == 1))
				continue;
			n_all++;
			if (n_links < SURVEY_LINKS_MAX)
				fill_link(n, p, &links[n_links++]);
		}
	}
	survey_set_links(n->survey, links, n_links, n_all, n->now_us);
}

static int by_distance(const void *a, const void *b)
{
	const struct near *x = a;
	const struct near *y = b;

	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void tell_nodes(struct node *n)
{
	size_t max = routes_count_reachable(n->routes), count = 0, cursor = 0;
	CLEANUP_FREE struct near *list = calloc(max + 1, sizeof(*list));
	uint64_t ids[SURVEY_NODES_MAX];
	struct route route;

	if (!list)
		return;
	while (count < max && routes_next(n->routes, &cursor, &route))
		if (route.next_hop && routes_is_in_zone(n->routes, route.destination))
			list[count++] = (struct near){ route.destination, route.metric };
	qsort(list, count, sizeof(*list), by_distance);
	for (size_t i = 0; i < count && i < SURVEY_NODES_MAX; i++)
		ids[i] = list[i].id;
	survey_set_nodes(n->survey, ids, min_u64(count, SURVEY_NODES_MAX),
			 count <= SURVEY_NODES_MAX, n->now_us);
}

static void refresh(struct node *n)
{
	n->is_survey_stale = false;
	n->survey_us = n->now_us + REFRESH_US;
	tell_links(n);
	if (!survey_is_looked_at(n->survey, n->now_us))
		return;
	if (n->now_us < n->survey_nodes_us) { /* of a thousand changes of routes not each one */
		n->survey_us = n->survey_nodes_us;
		return;
	}
	n->survey_nodes_us = n->now_us + NODES_SPACE_US;
	tell_nodes(n);
}

/* ---- messages ---- */

static void send_message(struct node *n, const struct survey_message *m)
{
	struct wire_service_message service = {
		.service = m->is_report ? SERVICE_SURVEY : SERVICE_SURVEY_ASK,
		.body = SPAN(m->body, m->len),
	};
	uint8_t plaintext[SURVEY_MESSAGE_MAX + 8];
	int len = wire_service_encode(&service, plaintext, sizeof(plaintext));
	struct peer *p = peer_make(n, m->to);

	if (len < 0 || !p)
		return;
	/* Without a session one question waits for it; what is asked meanwhile is not needed. */
	if (path_send(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len)) == -EAGAIN &&
	    !m->is_report && p->n_waiting == 0)
		peer_wait(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len));
}

void survey_question(struct node *n, struct peer *p, struct span body)
{
	bool is_allowed = node_decide(n, p->spiffe_id, POLICY_SURVEY, "", NULL) == POLICY_ALLOW;

	if (!survey_of(n))
		return;
	if (!survey_is_wanted(n->survey, n->now_us))
		n->is_survey_stale = true; /* it was not kept up to date */
	n->counters.policy_denied += !is_allowed;
	if (survey_asked(n->survey, p->id, body, is_allowed, n->now_us) < 0)
		n->counters.malformed++;
}

void survey_report(struct node *n, struct peer *p, struct span body)
{
	int r = n->survey ? survey_told(n->survey, p->id, body, n->now_us) : -ENOENT;

	if (r == -EBADMSG || r == -EPROTO)
		n->counters.malformed++;
}

static bool event_is_due(const struct node *n)
{
	return survey_version(n->survey) != n->survey_version &&
	       survey_is_looked_at(n->survey, n->now_us);
}

/* At the end of each verb: nothing at all while nobody looks. */
void survey_pump(struct node *n)
{
	struct survey_message m;

	if (!n->survey)
		return;
	if (n->is_survey_stale && survey_is_wanted(n->survey, n->now_us))
		refresh(n);
	while (survey_next_message(n->survey, &m, n->now_us))
		send_message(n, &m);
	if (!event_is_due(n) || n->now_us < n->survey_event_us)
		return;
	n->survey_version = survey_version(n->survey);
	n->survey_event_us = n->now_us + EVENT_SPACE_US;
	node_event(n, EVENT_TOPOLOGY, n->self);
}

void survey_timers(struct node *n)
{
	if (!n->survey)
		return;
	survey_tick(n->survey, n->now_us);
	if (n->now_us >= n->survey_us)
		n->is_survey_stale = true;
}

uint64_t survey_wakes_us(const struct node *n)
{
	uint64_t at;

	if (!n->survey)
		return NEVER_US;
	at = survey_deadline_us(n->survey, n->now_us);
	if (survey_is_wanted(n->survey, n->now_us))
		at = min_u64(at, n->survey_us);
	return event_is_due(n) ? min_u64(at, n->survey_event_us) : at;
}

/* ---- for who looks ---- */

int node_survey_look(struct node *n, uint64_t now_us)
{
	n->now_us = now_us;
	if (!survey_of(n))
		return -ENOMEM;
	if (!survey_is_looked_at(n->survey, now_us) || now_us >= n->survey_us)
		n->is_survey_stale = true;
	survey_look(n->survey, now_us);
	node_pump(n);
	return 0;
}

const struct survey *node_survey(const struct node *n)
{
	return n->survey;
}
