/* SPDX-License-Identifier: Apache-2.0 */
/* The table. */
#include "api/api.h"

#include <string.h>

#include "base/cleanup.h"

#define FIELDS(list) .fields = (list), .n_fields = N_ELEMENTS(list)
#define NODE_NAME 63 /* characters of a node's name at most */
#define TARGET_HELP "Name of a node."

/* clang-format off */
static const struct api_field summary_fields[] = {
	{ "seconds", API_INTEGER, API_IN_QUERY, false, 1, 600, "How far back; 600 where it is left out." },
};
static const struct api_field status_fields[] = {
	{ "is_brief", API_BOOLEAN, API_IN_CONTROL, false, 0, 0, "Without asking the kernel." },
};
static const struct api_field events_fields[] = {
	{ "since", API_INTEGER, API_IN_QUERY, false, 0, INT64_MAX, "First number wanted; without it the latest." },
	{ "limit", API_INTEGER, API_IN_QUERY, false, 1, 1000, "How many at most; 100 where it is left out." },
	{ "topics", API_TEXT, API_IN_QUERY, false, 1, 200, "Topics with commas between; without it all." },
};
static const struct api_field socket_fields[] = {
	{ "since", API_INTEGER, API_IN_QUERY, false, 0, INT64_MAX, "First number wanted: go on where a connection ended. Without it what happens from now on." },
	{ "topics", API_TEXT, API_IN_QUERY, false, 1, 200, "Topics with commas between; without it all." },
};
static const struct api_field ping_fields[] = {
	{ "target", API_TEXT, API_IN_PATH, true, 1, NODE_NAME, TARGET_HELP },
	{ "count", API_INTEGER, API_IN_QUERY, false, 1, 20, "How many; 4 where it is left out." },
	{ "interval_ms", API_INTEGER, API_IN_QUERY, false, 10, 700, "From one to the next." },
	{ "wait_ms", API_INTEGER, API_IN_QUERY, false, 1, 5000, "For an answer." },
};
static const struct api_field trace_fields[] = {
	{ "target", API_TEXT, API_IN_PATH, true, 1, NODE_NAME, TARGET_HELP },
	{ "count", API_INTEGER, API_IN_QUERY, false, 1, 32, "Hops at most." },
	{ "interval_ms", API_INTEGER, API_IN_QUERY, false, 10, 500, "A hop is waited for this long." },
	{ "wait_ms", API_INTEGER, API_IN_QUERY, false, 1, 3000, "The last one is waited for this long." },
};
static const struct api_field resolve_fields[] = {
	{ "target", API_TEXT, API_IN_PATH, true, 1, 253, "A node's name, with or without the zone, or its address." },
};
static const struct api_field invite_fields[] = {
	{ "uses", API_INTEGER, API_IN_BODY, false, 1, 1000, "How many may join with it; 1 where it is left out." },
	{ "lifetime_s", API_INTEGER, API_IN_BODY, false, 1, 31536000, "How long it is valid; a day where it is left out." },
	{ "name", API_TEXT, API_IN_BODY, false, 1, NODE_NAME, "The one name that may join with it." },
	{ "endpoints", API_TEXTS, API_IN_BODY, false, 0, 16, "Where this node is reached from outside." },
};
static const struct api_field revoke_fields[] = {
	{ "name", API_TEXT, API_IN_PATH, true, 1, NODE_NAME, TARGET_HELP },
};
static const struct api_field unlock_fields[] = {
	{ "passphrase", API_WORDS, API_IN_CONTROL, true, 0, 1024, "Of the authority's keys." },
};
static const struct api_field explain_fields[] = {
	{ "from", API_TEXT, API_IN_BODY, true, 1, 255, "A node's name, a SPIFFE ID, or uid:N." },
	{ "action", API_TEXT, API_IN_BODY, true, 1, 32, "Such as connect." },
	{ "resource", API_TEXT, API_IN_BODY, false, 0, 255, "Such as tcp:443." },
};
static const struct api_field exit_fields[] = {
	{ "name", API_TEXT, API_IN_BODY, true, 1, NODE_NAME, "Name of a node that offers an exit, or any." },
};

static const struct api_field incidents_fields[] = {
	{ "since_s", API_INTEGER, API_IN_QUERY, false, 1, 31536000, "Opened in so many of the last seconds; without it all that are remembered." },
	{ "text", API_WORDS, API_IN_QUERY, false, 1, 64, "Words, each the beginning of one in the incident." },
	{ "kind", API_TEXT, API_IN_QUERY, false, 1, 32, "Of incident, such as delivery." },
	{ "limit", API_INTEGER, API_IN_QUERY, false, 1, 200, "So many at most; without it 100." },
};
static const struct api_field incident_fields[] = {
	{ "incident", API_TEXT, API_IN_PATH, true, 1, 16, "Its id: hexadecimal digits." },
};
static const struct api_field simulate_fields[] = {
	{ "kind", API_TEXT, API_IN_PATH, true, 1, 32, "Of incident, such as delivery." },
	{ "subject", API_TEXT, API_IN_PATH, true, 1, NODE_NAME, "Name of a neighbour, or of this node." },
};
static const struct api_field file_fields[] = {
	{ "file", API_TEXT, API_IN_PATH, true, 1, 64, "A file of the dashboard." },
};

static const struct api_operation operations[] = {
	{ "status", "GET", "/api/v1/status", "node", "This node: identity, features, counters", "object", API_VIEW, FIELDS(status_fields) },
	{ "svid", "GET", "/api/v1/svid", "node", "This node's certificate", "object", API_VIEW, NULL, 0 },
	{ "doctor", "GET", "/api/v1/doctor", "node", "What is on, what is off, and why", "object", API_VIEW, NULL, 0 },
	{ "peers", "GET", "/api/v1/peers", "mesh", "Nodes that a session or a link is held with", "array", API_VIEW, NULL, 0 },
	{ "links", "GET", "/api/v1/links", "mesh", "Links to neighbours: state, quality, path MTU", "array", API_VIEW, NULL, 0 },
	{ "sessions", "GET", "/api/v1/sessions", "mesh", "Sessions: keys, cipher, age", "array", API_VIEW, NULL, 0 },
	{ "routes", "GET", "/api/v1/routes", "mesh", "The way to each node, and the ways beside it", "array", API_VIEW, NULL, 0 },
	{ "topology", "GET", "/api/v1/topology", "mesh", "Nodes and links of the mesh, as they tell them while somebody looks", "object", API_VIEW, NULL, 0 },
	{ "node", "GET", "/api/v1/node", "node", "This node: identity, what is on, how many it is joined to", "object", API_VIEW, NULL, 0 },
	{ "bundle", "GET", "/api/v1/bundle", "node", "The roots of the trust domain", "object", API_VIEW, NULL, 0 },
	{ "metrics.summary", "GET", "/api/v1/metrics/summary", "node", "The last ten minutes, second by second", "object", 0, FIELDS(summary_fields) },
	{ "ping", "GET", "/api/v1/ping/{target}", "mesh", "Asks a node for echoes", "object", 0, FIELDS(ping_fields) },
	{ "trace", "GET", "/api/v1/trace/{target}", "mesh", "The hops to a node", "object", 0, FIELDS(trace_fields) },
	{ "names", "GET", "/api/v1/names", "mesh", "Whether names are answered, and how this host asks", "object", API_VIEW, NULL, 0 },
	{ "resolve", "GET", "/api/v1/names/{target}", "mesh", "The addresses of a name, or the name of an address", "object", 0, FIELDS(resolve_fields) },
	{ "routes.offered", "GET", "/api/v1/networks", "networks", "Networks behind nodes", "object", API_VIEW, NULL, 0 },
	{ "exit", "GET", "/api/v1/exit", "networks", "The way to the internet in use", "object", API_VIEW, NULL, 0 },
	{ "exit.use", "PUT", "/api/v1/exit", "networks", "Uses an exit", "object", API_CHANGES, FIELDS(exit_fields) },
	{ "exit.off", "DELETE", "/api/v1/exit", "networks", "Uses none", "object", API_CHANGES, NULL, 0 },
	{ "policy", "GET", "/api/v1/policies", "policy", "The rules in force, in their order", "array", API_VIEW, NULL, 0 },
	{ "policy.explain", "POST", "/api/v1/policies:evaluate", "policy", "Whether somebody may do something, and by which rule", "object", 0, FIELDS(explain_fields) },
	{ "ebpf", "GET", "/api/v1/ebpf", "kernel", "Programs in the kernel and what they count", "array", API_VIEW, NULL, 0 },
	{ "batman", "GET", "/api/v1/batman", "kernel", "The gateway to batman-adv", "object", API_VIEW, NULL, 0 },
	{ "node.list", "GET", "/api/v1/nodes", "membership", "Certificates that this authority issued", "array", API_VIEW, NULL, 0 },
	{ "node.revoke", "DELETE", "/api/v1/nodes/{name}", "membership", "Revokes a node's certificates", "object", API_CHANGES, FIELDS(revoke_fields) },
	{ "invite", "POST", "/api/v1/invitations", "membership", "Makes an invitation", "object", API_CHANGES, FIELDS(invite_fields) },
	{ "node.rotate", "POST", "/api/v1/network-keys:rotate", "membership", "Begins a new network key", "object", API_CHANGES, NULL, 0 },
	{ "key.lock", "POST", "/api/v1/authority:lock", "membership", "Locks the authority's keys", "object", API_CHANGES, NULL, 0 },
	{ "config.reload", "POST", "/api/v1/config:reload", "node", "Reads the configuration again", "object", API_CHANGES, NULL, 0 },
	{ "incidents", "GET", "/api/v1/incidents", "healing", "Faults that forwarding could not repair by itself, the newest first", "array", 0, FIELDS(incidents_fields) },
	{ "incident", "GET", "/api/v1/incidents/{incident}", "healing", "One incident with its evidence and the graph of causes", "object", 0, FIELDS(incident_fields) },
	{ "incident.ledger", "GET", "/api/v1/incidents/{incident}/ledger", "healing", "What the ledger has of an incident, each entry with the proof that it is there", "object", 0, FIELDS(incident_fields) },
	{ "heal.rates", "GET", "/api/v1/rates", "healing", "How often each remedy has helped against each kind of cause", "array", 0, NULL, 0 },
	{ "heal.detectors", "GET", "/api/v1/detectors", "healing", "What the learned detectors know of this host and its links, and how unusual these are", "object", 0, NULL, 0 },
	{ "mandates", "GET", "/api/v1/mandates", "healing", "What may be done unasked", "object", API_VIEW, NULL, 0 },
	{ "heal.simulate", "GET", "/api/v1/plans/{kind}/{subject}", "healing", "What would be done about such an incident now; nothing is", "object", 0, FIELDS(simulate_fields) },
	{ "events", "GET", "/api/v1/events", "events", "What happened last", "object", API_OWN, FIELDS(events_fields) },
	{ "socket", "GET", "/ws", "events", "What happens, as it happens: a WebSocket", "text", API_OWN, FIELDS(socket_fields) },
	{ "openapi", "GET", "/api/openapi.json", "api", "This document", "object", API_OWN, NULL, 0 },
	{ "metrics", "GET", "/metrics", "api", "Counters for Prometheus", "text", API_VIEW, NULL, 0 },
	{ "health", "GET", "/health", "health", "Whether the daemon answers, and what it says of itself", "object", API_OPEN | API_VIEW, NULL, 0 },
	{ "health.live", "GET", "/health/live", "health", "Whether the API's thread runs", "object", API_OPEN | API_OWN, NULL, 0 },
	{ "health.ready", "GET", "/health/ready", "health", "Whether the daemon carries packets: 503 where it does not", "object", API_OPEN | API_VIEW, NULL, 0 },
	/* for browsers */
	{ "dashboard", "GET", "/", "dashboard", "The dashboard", "text", API_OPEN | API_OWN | API_PAGE, NULL, 0 },
	{ "dashboard.file", "GET", "/dashboard/{file}", "dashboard", "What the dashboard is made of", "text", API_OPEN | API_OWN | API_PAGE, FIELDS(file_fields) },
	/* on the control socket alone */
	{ "key.unlock", NULL, NULL, "membership", "Unlocks the authority's keys", "object", API_CHANGES, FIELDS(unlock_fields) },
	{ "stop", NULL, NULL, "node", "Ends the daemon", "object", API_CHANGES, NULL, 0 },
};
/* clang-format on */

const struct api_operation *api_operation_at(size_t i)
{
	return i < N_ELEMENTS(operations) ? &operations[i] : NULL;
}

size_t api_n_operations(void)
{
	return N_ELEMENTS(operations);
}

const struct api_operation *api_find_verb(const char *verb)
{
	for (size_t i = 0; i < N_ELEMENTS(operations); i++)
		if (strcmp(operations[i].verb, verb) == 0)
			return &operations[i];
	return NULL;
}
