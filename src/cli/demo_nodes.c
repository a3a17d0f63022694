/* SPDX-License-Identifier: Apache-2.0 */
/* The x0 of each node, run as its user would: init, invite, join, up; and its control socket. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/demo_internal.h"
#include "shell/control/control.h"

#define VERB_MS 20000 /* a verb of x0 gives up by itself before */
#define ANSWER_MS 3000
#define POLL_MS 20
#define PING_WAIT_MS 1000

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

struct demo_node *nodes_find(struct demo *d, const char *name)
{
	for (unsigned i = 0; i < d->n_nodes; i++)
		if (strcmp(d->nodes[i].name, name) == 0)
			return &d->nodes[i];
	return NULL;
}

/* ---- files ---- */

static void write_peers(const struct demo *d, unsigned node, FILE *to)
{
	for (unsigned i = 0; i < d->n_links; i++) {
		for (unsigned side = 0; side < 2; side++) {
			const struct demo_end *other = &d->links[i].end[1 - side];

			if (d->links[i].end[side].node == node)
				(void)fprintf(to,
					      "  - {endpoint: \"[%s]:%u\", name: "
					      "\"spiffe://" DEMO_DOMAIN "/node/%s\"}\n",
					      other->ip, DEMO_PORT, d->nodes[other->node].name);
		}
	}
}

int nodes_configure(struct demo *d)
{
	for (unsigned i = 0; i < d->n_nodes; i++) {
		struct demo_node *n = &d->nodes[i];
		FILE *f = NULL;

		char dir[DEMO_PATH_SIZE];

		(void)snprintf(dir, sizeof(dir), "%.160s/n%u", d->dir, i + 1);
		memcpy(n->dir, dir, sizeof(dir));
		(void)snprintf(n->config, sizeof(n->config), "%s/x0.yaml", dir);
		(void)snprintf(n->socket, sizeof(n->socket), "%s/run/x0.sock", dir);
		(void)snprintf(n->log, sizeof(n->log), "%s/state/x0.log", dir);
		if (mkdir(n->dir, 0755) == 0)
			f = fopen(n->config, "we");
		if (!f)
			return demo_failed(d, NULL, "writing the configuration", n->config, "%s",
					   strerror(errno));
		(void)fprintf(
			f,
			"domain: " DEMO_DOMAIN "\nname: %s\nlisten: [\"[::]:%u\"]\n"
			"state_dir: %s/state\nrun_dir: %s/run\ntun:\n  name: x0\n"
			"log:\n  level: info\n  format: text\n"
			"discovery:\n  lan: off\n  links: 0\n  links_max: 0\npeers:\n", /* the links
											   are those
											   drawn */
			n->name, DEMO_PORT, n->dir, n->dir);
		write_peers(d, i, f);
		if (fclose(f) != 0)
			return demo_failed(d, NULL, "writing the configuration", n->config, "%s",
					   strerror(errno));
	}
	return 0;
}

/* ---- the control socket ---- */

json_t *nodes_ask(const struct demo_node *n, const char *verb, json_t *args)
{
	struct control_client *c = NULL;
	struct control_response r;
	char why[CONTROL_WHY_SIZE];
	json_t *value = NULL;

	if (control_client_open(n->socket, &c, why) < 0) {
		json_decref(args);
		return NULL;
	}
	if (control_client_request(c, verb, args) == 0) {
		bool is_event = true;

		while (is_event && control_client_next(c, ANSWER_MS, &r) == 0) {
			is_event = r.kind == CONTROL_EVENT;
			if (r.kind == CONTROL_RESULT)
				value = json_incref(r.value);
			control_response_done(&r);
		}
	}
	control_client_free(c);
	return value;
}

/* ---- the verbs ---- */

/* x0 VERB --config FILE ARGUMENTS; the words end with NULL. */
static int x0_input(struct demo *d, struct demo_node *n, struct lab_output *o, const char *step,
		    const char *verb, const char *const words[], const char *input)
{
	const char *argv[24] = { d->exe, verb, "--config", n->config };
	size_t at = 4;
	int status;

	for (size_t i = 0; words && words[i] && at < 23; i++)
		argv[at++] = words[i];
	status = lab_run_input(d, n, VERB_MS, o, argv, input);
	if (status == 0)
		return 0;
	return demo_failed(d, n, step, "x0 exits with 0", "x0 %s on %s: %s %d: %s%s", verb, n->name,
			   status < 0 ? "no end," : "exit status", status, o->err,
			   o->err[0] ? "" : o->out);
}

static int x0(struct demo *d, struct demo_node *n, struct lab_output *o, const char *step,
	      const char *verb, const char *const words[])
{
	return x0_input(d, n, o, step, verb, words, NULL);
}

static void learn_identity(struct demo_node *n, const json_t *status)
{
	(void)snprintf(n->spiffe_id, sizeof(n->spiffe_id), "%s", text_of(status, "spiffe_id"));
	(void)snprintf(n->address, sizeof(n->address), "%s", text_of(status, "address"));
}

int nodes_up(struct demo *d, struct demo_node *n)
{
	struct lab_output o;
	json_t *status;
	pid_t pid;

	if (x0(d, n, &o, "starting a daemon", "up", NULL) < 0)
		return -1;
	status = nodes_ask(n, "status", NULL);
	if (!status)
		return demo_failed(d, n, "starting a daemon", "an answer at its control socket",
				   "none at %s", n->socket);
	learn_identity(n, status);
	pid = (pid_t)json_integer_value(json_object_get(status, "pid"));
	n->group = pid > 1 ? getpgid(pid) : -1;
	const char *tun = json_string_value(json_object_get(status, "tun"));
	bool has_tun = tun != NULL;

	json_decref(status);
	if (n->group <= 1 || n->group == getpgrp()) {
		n->group = 0;
		return demo_failed(d, n, "starting a daemon", "a process group of its own",
				   "process %d is in none", (int)pid);
	}
	if (!has_tun)
		return demo_failed(d, n, "starting a daemon", "a tunnel device x0", "none on %s",
				   n->name);
	return 0;
}

void nodes_kill(struct demo_node *n)
{
	if (n->group <= 1)
		return;
	(void)kill(-n->group, SIGKILL);
	while (waitpid(-n->group, NULL, WNOHANG) > 0)
		;
	n->group = 0;
}

static int join(struct demo *d, unsigned i)
{
	struct demo_node *n = &d->nodes[i];
	char address[48], endpoint[64];
	const char *const invite[] = { "--name", n->name, "--endpoint", endpoint, "--json", NULL };
	struct lab_output o;
	json_t *invitation;
	char token[2048];
	int r;

	lab_join_address(i, address);
	(void)snprintf(endpoint, sizeof(endpoint), "[%s]:%u", address, DEMO_PORT);
	if (x0(d, &d->nodes[0], &o, "inviting a node", "invite", invite) < 0)
		return -1;
	invitation = json_loads(o.out, 0, NULL);
	(void)snprintf(token, sizeof(token), "%s", text_of(invitation, "invitation"));
	json_decref(invitation);
	if (!token[0])
		return demo_failed(d, &d->nodes[0], "inviting a node", "an invitation", "%s",
				   o.out);
	const char *const arguments[] = { "--no-start", NULL };

	/* by standard input, as arguments are seen by everybody on the machine */
	explicit_bzero(o.out, sizeof(o.out));
	r = x0_input(d, n, &o, "joining the mesh", "join", arguments, token);
	explicit_bzero(token, sizeof(token));
	if (r == 0)
		report_say(d, "%s has joined: identity spiffe://" DEMO_DOMAIN "/node/%s", n->name,
			   n->name);
	return r;
}

int nodes_found(struct demo *d)
{
	struct demo_node *first = &d->nodes[0];
	const char *const init[] = { "--domain",  DEMO_DOMAIN,	"--name",
				     first->name, "--no-start", NULL };
	struct lab_output o;

	if (x0(d, first, &o, "founding the trust domain", "init", init) < 0)
		return -1;
	report_say(d,
		   "%s has founded the trust domain " DEMO_DOMAIN ": identity spiffe://" DEMO_DOMAIN
		   "/node/%s",
		   first->name, first->name);
	if (lab_join_open(d) < 0 || nodes_up(d, first) < 0)
		return -1;
	for (unsigned i = 1; i < d->n_nodes; i++)
		if (join(d, i) < 0)
			return -1;
	return lab_join_close(d);
}

/* ---- links ---- */

static bool says_up(const struct demo *d, const json_t *peers, unsigned other,
		    const json_t **ret_peer)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (strcmp(text_of(peer, "node"), d->nodes[other].name) != 0)
			continue;
		*ret_peer = peer;
		return json_is_true(json_object_get(peer, "is_neighbour")) &&
		       json_is_true(json_object_get(peer, "has_session")) &&
		       strcmp(text_of(peer, "state"), "up") == 0;
	}
	return false;
}

static bool look_at_link(const struct demo *d, struct demo_link *l, json_t *const peers[])
{
	unsigned a = l->end[0].node, b = l->end[1].node;
	const json_t *peer = NULL;
	bool was_up = l->is_up;

	l->is_up = says_up(d, peers[b], a, &peer) && says_up(d, peers[a], b, &peer);
	if (l->is_up == was_up)
		return false;
	if (l->is_up)
		report_say(d, "link %s-%s is up: %s, %s, %s", d->nodes[a].name, d->nodes[b].name,
			   text_of(peer, "key_exchange"), text_of(peer, "signature"),
			   text_of(peer, "cipher"));
	else
		report_say(d, "link %s-%s is down", d->nodes[a].name, d->nodes[b].name);
	return true;
}

bool nodes_look(struct demo *d)
{
	json_t *peers[DEMO_NODES_MAX];
	bool is_changed = false;

	for (unsigned i = 0; i < d->n_nodes; i++)
		peers[i] = d->nodes[i].group ? nodes_ask(&d->nodes[i], "peers", NULL) : NULL;
	for (unsigned i = 0; i < d->n_links; i++)
		is_changed |= look_at_link(d, &d->links[i], peers);
	for (unsigned i = 0; i < d->n_nodes; i++)
		json_decref(peers[i]);
	return is_changed;
}

static const struct demo_link *link_down(const struct demo *d)
{
	for (unsigned i = 0; i < d->n_links; i++)
		if (!d->links[i].is_up && !d->links[i].is_cut)
			return &d->links[i];
	return NULL;
}

int nodes_wait_links(struct demo *d, int timeout_ms)
{
	uint64_t end_us = report_now_us() + MS(timeout_ms);
	const struct demo_link *l;

	(void)nodes_look(d);
	while ((l = link_down(d))) {
		if (demo_is_stopped())
			return -1;
		if (report_now_us() > end_us)
			return demo_failed(d, &d->nodes[l->end[0].node], "waiting for the links",
					   "all up at both ends", "%s-%s is not after %d ms",
					   d->nodes[l->end[0].node].name,
					   d->nodes[l->end[1].node].name, timeout_ms);
		report_nap_ms(POLL_MS);
		(void)nodes_look(d);
	}
	return 0;
}

/* ---- pairs ---- */

struct reply {
	uint64_t rtt_us;
	unsigned hops;
};

/* The last reply to count pings. */
static bool ping(const struct demo_node *from, const struct demo_node *to, int count,
		 struct reply *ret)
{
	struct control_client *c = NULL;
	struct control_response r;
	char why[CONTROL_WHY_SIZE];
	bool is_answered = false;
	bool is_over = false;

	if (control_client_open(from->socket, &c, why) < 0)
		return false;
	if (control_client_request(c, "ping",
				   json_pack("{s:s, s:i, s:i, s:i}", "target", to->name, "count",
					     count, "interval_ms", 10, "wait_ms", PING_WAIT_MS)) <
	    0)
		is_over = true;
	while (!is_over && control_client_next(c, ANSWER_MS, &r) == 0) {
		is_over = r.kind != CONTROL_EVENT;
		if (r.kind == CONTROL_EVENT && strcmp(text_of(r.value, "event"), "reply") == 0) {
			ret->rtt_us =
				(uint64_t)json_integer_value(json_object_get(r.value, "rtt_us"));
			ret->hops = (unsigned)json_integer_value(json_object_get(r.value, "hops"));
			is_answered = true;
		}
		control_response_done(&r);
	}
	control_client_free(c);
	return is_answered;
}

static void print_row(const struct demo *d, unsigned from, const struct reply row[DEMO_NODES_MAX])
{
	char line[DEMO_NODES_MAX * 16 + 16];
	size_t at = (size_t)snprintf(line, sizeof(line), "  %-4s", d->nodes[from].name);

	for (unsigned to = 0; to < d->n_nodes && at < sizeof(line); to++) {
		char cell[32] = "-";

		if (to != from && row[to].hops > 0)
			(void)snprintf(cell, sizeof(cell), "%u/%.2f", row[to].hops,
				       (double)row[to].rtt_us / 1000);
		else if (to != from)
			(void)snprintf(cell, sizeof(cell), "none");
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%9s", cell);
	}
	report_say(d, "%s", line);
}

int nodes_ping_all(struct demo *d, int timeout_ms)
{
	static struct reply replies[DEMO_NODES_MAX][DEMO_NODES_MAX];
	uint64_t end_us = report_now_us() + MS(timeout_ms);
	unsigned n_pairs = d->n_nodes * (d->n_nodes - 1);
	char missing[DEMO_TEXT_SIZE] = "";

	memset(replies, 0, sizeof(replies));
	d->n_pairs_reachable = 0;
	for (unsigned i = 0; i < d->n_nodes * d->n_nodes; i++) {
		unsigned from = i / d->n_nodes, to = i % d->n_nodes;
		bool is_answered = from == to;

		/* the first one makes the session, the others measure */
		while (!is_answered && !demo_is_stopped() && report_now_us() < end_us)
			is_answered = ping(&d->nodes[from], &d->nodes[to], 3, &replies[from][to]);
		if (from != to && is_answered)
			d->n_pairs_reachable++;
		else if (from != to && !missing[0])
			(void)snprintf(missing, sizeof(missing), "%s does not reach %s",
				       d->nodes[from].name, d->nodes[to].name);
	}
	report_say(d, "%u of %u ordered pairs reach each other; hops/RTT in ms, rows to columns:",
		   d->n_pairs_reachable, n_pairs);
	for (unsigned from = 0; from < d->n_nodes; from++)
		print_row(d, from, replies[from]);
	if (d->n_pairs_reachable == n_pairs)
		return 0;
	return demo_failed(d, NULL, "reaching each node from each other", "all pairs",
			   "%u of %u: %s", d->n_pairs_reachable, n_pairs, missing);
}

/* ---- sessions ---- */

static void add_session(struct demo *d, unsigned from, const json_t *peer)
{
	const struct demo_node *to = nodes_find(d, text_of(peer, "node"));
	struct demo_session *s = &d->sessions[d->n_sessions];

	if (!to || !json_is_true(json_object_get(peer, "has_session")) ||
	    d->n_sessions == DEMO_NODES_MAX * DEMO_NODES_MAX)
		return;
	*s = (struct demo_session){ .from = from,
				    .to = (unsigned)(to - d->nodes),
				    .is_neighbour =
					    json_is_true(json_object_get(peer, "is_neighbour")) };
	(void)snprintf(s->key_exchange, sizeof(s->key_exchange), "%s",
		       text_of(peer, "key_exchange"));
	(void)snprintf(s->signature, sizeof(s->signature), "%s", text_of(peer, "signature"));
	(void)snprintf(s->cipher, sizeof(s->cipher), "%s", text_of(peer, "cipher"));
	d->n_sessions++;
}

int nodes_sessions(struct demo *d)
{
	unsigned n_hybrid = 0;

	d->n_sessions = 0;
	for (unsigned i = 0; i < d->n_nodes; i++) {
		json_t *peers = nodes_ask(&d->nodes[i], "peers", NULL);
		const json_t *peer;
		size_t at;

		json_array_foreach(peers, at, peer) add_session(d, i, peer);
		json_decref(peers);
	}
	for (unsigned i = 0; i < d->n_sessions; i++)
		n_hybrid += strcmp(d->sessions[i].key_exchange, "X25519MLKEM768") == 0 &&
			    strcmp(d->sessions[i].signature, "ML-DSA-65") == 0;
	d->is_hybrid = n_hybrid == d->n_sessions && d->n_sessions >= d->n_nodes * (d->n_nodes - 1);
	if (d->is_hybrid) {
		report_say(d, "all %u session ends: X25519MLKEM768, signed by ML-DSA-65",
			   d->n_sessions);
		return 0;
	}
	return demo_failed(d, NULL, "looking at the sessions",
			   "X25519MLKEM768 and ML-DSA-65 for each pair",
			   "%u session ends, %u of them so", d->n_sessions, n_hybrid);
}

/* ---- the path from the first node to the last ---- */

const struct demo_node *nodes_far(const struct demo *d)
{
	return &d->nodes[d->n_nodes - 1];
}

struct demo_node *nodes_next_hop(struct demo *d, const struct demo_node *to)
{
	json_t *routes = nodes_ask(&d->nodes[0], "routes", NULL);
	struct demo_node *hop = NULL;
	const json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
	{
		if (strcmp(text_of(route, "node"), to->name) == 0 &&
		    json_is_true(json_object_get(route, "is_reachable")))
			hop = nodes_find(d, text_of(route, "via"));
	}
	json_decref(routes);
	return hop;
}

int nodes_wait_path(struct demo *d, const struct demo_node *to, const struct demo_node *not_by,
		    int timeout_ms)
{
	uint64_t end_us = report_now_us() + MS(timeout_ms);
	struct demo_node *hop = nodes_next_hop(d, to);

	while (!hop || hop == not_by) {
		if (demo_is_stopped())
			return -1;
		if (report_now_us() > end_us)
			return demo_failed(d, &d->nodes[0], "looking for the path in use",
					   not_by ? "one that avoids the fault" : "one",
					   hop ? "still by %s" : "none%s", hop ? hop->name : "");
		report_nap_ms(POLL_MS);
		hop = nodes_next_hop(d, to);
	}
	return 0;
}
