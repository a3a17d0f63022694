/* SPDX-License-Identifier: Apache-2.0 */
/* Which way a packet goes: each node at which the TTL ends answers with its name, which proves
 * itself by its hash being the node id. Authentic hop by hop only: a member on the way could
 * lie (docs/threat-model.md). */
#include <errno.h>

#include "core/node/node_internal.h"

#define TRACE_HEAD_LEN                                                             \
	14 /* type 1 | id 4 | ttl 1 | sender's time 8; a reply's SPIFFE ID follows \
	    */

int node_trace(struct node *n, uint64_t node_id, uint32_t id, unsigned ttl, uint64_t now_us)
{
	uint8_t request[TRACE_HEAD_LEN] = { TRACE_REQUEST };
	struct route route;

	n->now_us = now_us;
	if (ttl == 0 || ttl > HOP_TTL_MAX || node_id == n->self)
		return -EINVAL;
	if ((!routes_lookup(n->routes, node_id, &route) || !route.next_hop) &&
	    beyond_ask(n, node_id) != -EAGAIN) /* the first of it is lost, then there is a way */
		return -ENETUNREACH;
	store_u32(request + 1, id);
	request[5] = (uint8_t)ttl;
	store_u64(request + 6, now_us);
	path_send_unsealed(n, node_id, KIND_CONTROL, (uint8_t)ttl, SPAN_OF(request));
	node_pump(n);
	return 0;
}

void trace_request(struct node *n, const struct wire_hop *hop, struct span payload)
{
	uint8_t reply[TRACE_HEAD_LEN + SPIFFE_ID_SIZE];
	size_t len = strlen(n->identity.spiffe_id);

	if (payload.len != TRACE_HEAD_LEN || hop->source == n->self)
		return;
	if (n->now_us >= n->trace_second_us + SECONDS(1)) {
		n->trace_second_us = n->now_us;
		n->n_traces = 0;
	}
	if (n->n_traces++ >= TRACES_PER_SECOND)
		return;
	memcpy(reply, payload.at, TRACE_HEAD_LEN);
	reply[0] = TRACE_REPLY;
	memcpy(reply + TRACE_HEAD_LEN, n->identity.spiffe_id, len);
	path_send_unsealed(n, hop->source, KIND_CONTROL, HOP_TTL_MAX,
			   SPAN(reply, TRACE_HEAD_LEN + len));
}

void trace_expired(struct node *n, const struct wire_hop *hop, struct span payload)
{
	if (hop->kind == KIND_CONTROL && payload.len > 0 && payload.at[0] == TRACE_REQUEST)
		trace_request(n, hop, payload);
}

void trace_reply(struct node *n, const struct wire_hop *hop, struct span payload)
{
	char spiffe_id[SPIFFE_ID_SIZE] = "";
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];
	struct node_event *e;
	uint64_t sent_us;

	if (payload.len < TRACE_HEAD_LEN || payload.len - TRACE_HEAD_LEN >= sizeof(spiffe_id))
		return;
	sent_us = load_u64(payload.at + 6);
	memcpy(spiffe_id, payload.at + TRACE_HEAD_LEN, payload.len - TRACE_HEAD_LEN);
	if (sent_us > n->now_us || spiffe_id_parse(spiffe_id, domain, name) < 0 ||
	    strcmp(domain, n->domain) != 0 || node_id_of(n->ops, spiffe_id) != hop->source) {
		n->counters.malformed++;
		return;
	}
	e = node_event(n, EVENT_TRACE_REPLY, hop->source);
	memcpy(e->name, name, sizeof(name));
	e->via = hop->source;
	e->id = load_u32(payload.at + 1);
	e->hops = payload.at[5];
	e->rtt_us = n->now_us - sent_us;
}
