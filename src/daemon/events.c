/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the node: to the log, and to whoever waits for them on the control socket. */
#include "daemon/api.h"
#include "daemon/tracing.h"

static const struct {
	const char *name;
	enum log_level level;
} kinds[EVENT_N_TYPES] = {
	[EVENT_PEER_UP] = { "peer_up", LOG_LEVEL_INFO },
	[EVENT_PEER_DOWN] = { "peer_down", LOG_LEVEL_NOTICE },
	[EVENT_LINK_UP] = { "link_up", LOG_LEVEL_INFO },
	[EVENT_LINK_SUSPECT] = { "link_suspect", LOG_LEVEL_DEBUG },
	[EVENT_LINK_TRUSTED] = { "link_trusted", LOG_LEVEL_DEBUG },
	[EVENT_LINK_DOWN] = { "link_down", LOG_LEVEL_NOTICE },
	[EVENT_ROUTE_CHANGED] = { "route_changed", LOG_LEVEL_DEBUG },
	[EVENT_HANDSHAKE_FAILED] = { "handshake_failed", LOG_LEVEL_INFO },
	[EVENT_SPOOFED_INNER] = { "spoofed_inner", LOG_LEVEL_WARNING },
	[EVENT_SPOOFED_TUN] = { "spoofed_tun", LOG_LEVEL_WARNING },
	[EVENT_FLOW_DENIED] = { "flow_denied", LOG_LEVEL_INFO },
	[EVENT_PEER_MOVED] = { "peer_moved", LOG_LEVEL_INFO },
	[EVENT_PEER_REVOKED] = { "peer_revoked", LOG_LEVEL_NOTICE },
	[EVENT_PEER_CLONED] = { "peer_cloned", LOG_LEVEL_WARNING },
	[EVENT_ECHO_REPLY] = { "echo_reply", LOG_LEVEL_DEBUG },
	[EVENT_TRACE_REPLY] = { "trace_reply", LOG_LEVEL_DEBUG },
	[EVENT_REKEYED] = { "rekeyed", LOG_LEVEL_DEBUG },
	[EVENT_GOODBYE] = { "goodbye", LOG_LEVEL_INFO },
	[EVENT_NETWORK_KEY] = { "network_key", LOG_LEVEL_NOTICE },
	[EVENT_PEER_LIFE] = { "peer_life", LOG_LEVEL_DEBUG },
	[EVENT_ROUTE_FOUND] = { "route_found", LOG_LEVEL_DEBUG },
	[EVENT_NETWORKS] = { "networks", LOG_LEVEL_DEBUG },
	[EVENT_DOUBTED] = { "neighbour_doubted", LOG_LEVEL_NOTICE },
	[EVENT_BELIEVED] = { "neighbour_believed", LOG_LEVEL_INFO },
	[EVENT_ROUTE_LIE] = { "route_lie", LOG_LEVEL_WARNING },
	[EVENT_TOPOLOGY] = { "topology_changed", LOG_LEVEL_DEBUG },
};

/* The second node of the event is not a way but whom it is about. */
static bool is_about_another(enum node_event_type type)
{
	return type == EVENT_DOUBTED || type == EVENT_BELIEVED || type == EVENT_ROUTE_LIE;
}

/* What an auditor asks for. Revocations are the authority's own doing there (commands.c). */
static void note(struct daemon *d, const struct node_event *e, const char *peer)
{
	char why[48];

	if (e->type == EVENT_PEER_REVOKED && !d->authority)
		ledger_notice(d, NULL, "peer revoked", peer, "by the authority");
	if (e->type != EVENT_NETWORK_KEY)
		return;
	(void)snprintf(why, sizeof(why), "generation %u", e->sequence);
	ledger_notice(d, NULL, "network key changed", NULL, why);
}

void events_handle(struct daemon *d, const struct node_event *e)
{
	char id[17];
	char via[NODE_NAME_MAX + 1] = "";
	char endpoint[ENDPOINT_TEXT_SIZE] = "";

	if (e->type == EVENT_ECHO_REPLY || e->type == EVENT_TRACE_REPLY)
		pings_event(d, e);
	healing_event(d, e);
	witness_event(d, e);
	if (e->type == EVENT_ROUTE_CHANGED)
		pings_route_changed(d, e->node_id);
	if (e->type == EVENT_NETWORKS)
		networks_sync(d);
	if (e->type == EVENT_LINK_DOWN || e->type == EVENT_PEER_DOWN)
		discovery_link_lost(d);
	node_id_text(e->node_id, id);
	if (!endpoint_is_null(&e->endpoint))
		endpoint_format(&e->endpoint, endpoint);
	if (e->via && !node_name_of(d->node, e->via, via))
		node_id_text(e->via, via);
	struct log_field fields[] = {
		log_str("", NULL),
		log_str("peer", e->name[0] ? e->name : id),
		log_str("endpoint", endpoint),
		log_str(is_about_another(e->type) ? "node" : "via", via),
		log_str("why", e->reason ? e->reason : ""),
		log_u64("metric", e->metric),
		log_u64("hops", e->hops),
		log_hex("trace_id", tracing_event(d, e)),
	};

	if (e->type == EVENT_LINK_UP)
		carrier_learn(d, e->node_id, &e->endpoint);
	note(d, e, e->name[0] ? e->name : id);
	api_event(d, e, kinds[e->type].name);
	log_event(d->log, kinds[e->type].level, kinds[e->type].name, fields,
		  sizeof(fields) / sizeof(fields[0]));
}
