/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of the configuration: addresses as they are, names looked up off the loop, and again
 * when nobody is met where they led to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "daemon/daemon_internal.h"

#define AGAIN_MIN_US SECONDS(5)	  /* a name that does not resolve */
#define LOST_US SECONDS(30)	  /* nobody met at its addresses for so long: looked up again */
#define AGAIN_MAX_US SECONDS(600) /* both double up to this */

struct wanted {
	struct daemon *daemon;
	char endpoint[CONFIG_HOSTPORT_SIZE];
	char spiffe_id[SPIFFE_ID_SIZE];
	struct endpoint found[LOOP_RESOLVE_MAX];
	size_t n_found;
	bool is_literal;
	bool is_resolving;
	bool is_dropped; /* while it was being resolved */
	bool is_failing; /* told in the log */
	uint64_t again_us;
	uint64_t wait_us;
};

struct configured {
	struct wanted *list[CONFIG_PEERS_MAX];
	size_t n;
};

static bool is_among(const struct endpoint *list, size_t n, const struct endpoint *e)
{
	for (size_t i = 0; i < n; i++)
		if (endpoint_equal(&list[i], e))
			return true;
	return false;
}

static bool is_wanted_by_another(const struct configured *c, const struct wanted *but,
				 const struct endpoint *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i] != but && is_among(c->list[i]->found, c->list[i]->n_found, e))
			return true;
	return false;
}

/* The addresses are these now; those that are none any more are not tried any longer. */
static void lead_to(struct wanted *w, const struct endpoint *found, size_t n)
{
	struct daemon *d = w->daemon;

	for (size_t i = 0; i < w->n_found; i++)
		if (!is_among(found, n, &w->found[i]) &&
		    !is_wanted_by_another(d->configured, w, &w->found[i]))
			node_remove_contact(d->node, &w->found[i]);
	for (size_t i = 0; i < n; i++)
		(void)node_add_contact(d->node, &found[i], w->spiffe_id, loop_now_us());
	if (n > 0)
		memcpy(w->found, found, n * sizeof(found[0]));
	w->n_found = n;
}

static void on_resolved(void *arg, int result, const struct endpoint *found, size_t n)
{
	struct wanted *w = arg;
	struct daemon *d = w->daemon;

	w->is_resolving = false;
	if (w->is_dropped) {
		free(w);
		return;
	}
	if (d->is_stopping)
		return;
	w->wait_us = min_u64(max_u64(2 * w->wait_us, AGAIN_MIN_US), AGAIN_MAX_US);
	if (result < 0) { /* what it led to before is still tried */
		w->again_us = loop_now_us() + w->wait_us;
		if (!w->is_failing)
			log_warning(d->log, "peer_not_resolved", log_str("endpoint", w->endpoint),
				    log_errno("why", result));
		w->is_failing = true;
		return;
	}
	w->is_failing = false;
	w->wait_us = max_u64(w->wait_us, LOST_US);
	w->again_us = loop_now_us() + w->wait_us;
	lead_to(w, found, n < LOOP_RESOLVE_MAX ? n : LOOP_RESOLVE_MAX);
	daemon_drain(d);
}

static void resolve(struct wanted *w)
{
	int r;

	w->is_resolving = true;
	r = loop_resolve(w->daemon->loop, w->endpoint, CONFIG_PORT_DEFAULT, on_resolved, w);
	if (r < 0)
		on_resolved(w, r, NULL, 0);
}

static void fill_name(const struct daemon *d, const struct config_peer *p, char ret[SPIFFE_ID_SIZE])
{
	ret[0] = '\0';
	if (strncmp(p->name, "spiffe://", 9) == 0)
		(void)snprintf(ret, SPIFFE_ID_SIZE, "%s", p->name);
	else if (p->name[0])
		(void)spiffe_id_format(d->member->domain, p->name, ret);
}

static int want(struct daemon *d, const struct config_peer *p)
{
	struct configured *c = d->configured;
	struct endpoint literal;
	struct wanted *w;

	if (c->n == CONFIG_PEERS_MAX)
		return -ENOBUFS;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->daemon = d;
	(void)snprintf(w->endpoint, sizeof(w->endpoint), "%s", p->endpoint);
	fill_name(d, p, w->spiffe_id);
	c->list[c->n++] = w;
	w->is_literal = endpoint_parse(p->endpoint, CONFIG_PORT_DEFAULT, &literal) == 0;
	if (w->is_literal)
		lead_to(w, &literal, 1);
	else
		resolve(w);
	return 0;
}

static void drop(struct daemon *d, size_t at)
{
	struct configured *c = d->configured;
	struct wanted *w = c->list[at];

	lead_to(w, NULL, 0);
	c->list[at] = c->list[--c->n];
	if (w->is_resolving)
		w->is_dropped = true; /* freed when the answer comes */
	else
		free(w);
}

static bool is_same(const struct daemon *d, const struct wanted *w, const struct config_peer *p)
{
	char spiffe_id[SPIFFE_ID_SIZE];

	fill_name(d, p, spiffe_id);
	return strcmp(w->endpoint, p->endpoint) == 0 && strcmp(w->spiffe_id, spiffe_id) == 0;
}

int configured_start(struct daemon *d)
{
	d->configured = calloc(1, sizeof(*d->configured));
	if (!d->configured)
		return -ENOMEM;
	for (size_t i = 0; i < d->config->n_peers; i++) {
		int r = want(d, &d->config->peers[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

void configured_reloaded(struct daemon *d)
{
	const struct config *config = d->config;
	struct configured *c = d->configured;

	for (size_t i = c->n; i-- > 0;) {
		bool stays = false;

		for (size_t k = 0; k < config->n_peers; k++)
			stays |= is_same(d, c->list[i], &config->peers[k]);
		if (!stays)
			drop(d, i);
	}
	for (size_t k = 0; k < config->n_peers; k++) {
		bool is_known = false;

		for (size_t i = 0; i < c->n; i++)
			is_known |= is_same(d, c->list[i], &config->peers[k]);
		if (!is_known)
			(void)want(d, &config->peers[k]);
	}
	daemon_drain(d);
}

static bool is_met(const struct wanted *w)
{
	for (size_t i = 0; i < w->n_found; i++)
		if (node_contact_is_met(w->daemon->node, &w->found[i]))
			return true;
	return false;
}

void configured_tick(struct daemon *d)
{
	uint64_t now_us = loop_now_us();

	for (size_t i = 0; i < d->configured->n; i++) {
		struct wanted *w = d->configured->list[i];

		if (w->is_literal || w->is_resolving)
			continue;
		if (is_met(w)) {
			w->wait_us = LOST_US;
			w->again_us = now_us + LOST_US;
		} else if (now_us >= w->again_us) {
			resolve(w);
		}
	}
}

/* The loop is gone, and with it all look-ups. */
void configured_end(struct daemon *d)
{
	for (size_t i = 0; d->configured && i < d->configured->n; i++)
		free(d->configured->list[i]);
	free(d->configured);
	d->configured = NULL;
}
