/* SPDX-License-Identifier: Apache-2.0 */
/* Where this node may be reached, as the node core is to tell others; and where others were, kept
 * for the next start (docs/nat.md). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/daemon_internal.h"

#define LOOK_US SECONDS(5)	/* at the addresses of the interfaces */
#define RESOLVE_US SECONDS(600) /* names in `endpoints` */
#define AGAIN_US SECONDS(5)	/* where that failed */
#define SAVE_US SECONDS(60)	/* at most so often */

struct fixed {
	struct daemon *daemon;
	char text[CONFIG_HOSTPORT_SIZE];
	struct endpoint found[2]; /* of a name the first of each family */
	size_t n_found;
	bool is_resolving, is_dropped;
	uint64_t again_us;
};

struct places {
	struct store_peer *list; /* as on the disk, STORE_PEERS_MAX of them */
	size_t n;
	uint64_t version; /* of the node's, as saved last */
	uint64_t save_us;
	bool is_saving;
	uint64_t look_us;
	struct fixed *fixed[CONFIG_ENDPOINTS_MAX];
	size_t n_fixed;
};

/* ---- our own addresses ---- */

static bool is_any(const struct endpoint *e)
{
	static const uint8_t zeros[16] = { 0 };

	return memcmp(e->ip, zeros, 16) == 0 || (endpoint_is_ipv4(e) && load_u32(e->ip + 12) == 0);
}

static size_t own_addresses(const struct daemon *d, struct endpoint ret[OWN_ADDRESSES_MAX])
{
	struct endpoint list[OWN_ADDRESSES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->n_udp; i++) {
		struct endpoint local;
		int n_list;

		udp_local(d->udp[i], &local);
		if (!is_any(&local)) {
			if (n < OWN_ADDRESSES_MAX && !endpoint_is_link_local(&local))
				ret[n++] = local;
			continue;
		}
		n_list = udp_own_addresses(node_overlay_address(d->node), OVERLAY_PREFIX_BITS,
					   d->options->config->tun_name, local.port, list,
					   OWN_ADDRESSES_MAX);
		for (int k = 0; k < n_list && k < OWN_ADDRESSES_MAX && n < OWN_ADDRESSES_MAX; k++)
			if (!endpoint_is_ipv4(&local) || endpoint_is_ipv4(&list[k]))
				ret[n++] = list[k];
	}
	return n;
}

static void tell_addresses(struct daemon *d)
{
	struct endpoint own[OWN_ADDRESSES_MAX];
	struct endpoint fixed[2 * CONFIG_ENDPOINTS_MAX];
	size_t n_own = own_addresses(d, own);
	size_t n_fixed = 0;

	for (size_t i = 0; i < d->places->n_fixed; i++)
		for (size_t k = 0; k < d->places->fixed[i]->n_found; k++)
			fixed[n_fixed++] = d->places->fixed[i]->found[k];
	node_set_addresses(d->node, own, n_own, fixed, n_fixed, loop_now_us());
	daemon_drain(d);
}

/* ---- those of the configuration ---- */

static void on_resolved(void *arg, int result, const struct endpoint *found, size_t n)
{
	struct fixed *f = arg;

	f->is_resolving = false;
	if (f->is_dropped) {
		free(f);
		return;
	}
	if (f->daemon->is_stopping)
		return;
	f->again_us = loop_now_us() + (result < 0 ? AGAIN_US : RESOLVE_US);
	if (result < 0)
		return; /* what it was before stays */
	f->n_found = 0;
	for (size_t i = 0; i < n && f->n_found < N_ELEMENTS(f->found); i++)
		if (f->n_found == 0 ||
		    endpoint_is_ipv4(&found[i]) != endpoint_is_ipv4(&f->found[0]))
			f->found[f->n_found++] = found[i];
	f->daemon->places->look_us = 0;
}

static void resolve(struct fixed *f)
{
	struct endpoint literal;
	int r;

	if (endpoint_parse(f->text, CONFIG_PORT_DEFAULT, &literal) == 0) {
		f->again_us = NEVER_US;
		f->found[0] = literal;
		f->n_found = 1;
		return;
	}
	f->is_resolving = true;
	r = loop_resolve(f->daemon->loop, f->text, CONFIG_PORT_DEFAULT, on_resolved, f);
	if (r < 0)
		on_resolved(f, r, NULL, 0);
}

static void drop_fixed(struct places *p)
{
	for (size_t i = 0; i < p->n_fixed; i++) {
		if (p->fixed[i]->is_resolving)
			p->fixed[i]->is_dropped = true;
		else
			free(p->fixed[i]);
	}
	p->n_fixed = 0;
}

void places_reloaded(struct daemon *d)
{
	struct places *p = d->places;

	drop_fixed(p);
	for (size_t i = 0; i < d->config->n_endpoints; i++) {
		struct fixed *f = calloc(1, sizeof(*f));

		if (!f)
			break;
		f->daemon = d;
		(void)snprintf(f->text, sizeof(f->text), "%s", d->config->endpoints[i]);
		p->fixed[p->n_fixed++] = f;
		resolve(f);
	}
	p->look_us = 0;
}

/* ---- where others were ---- */

static struct store_peer *place_of(struct places *p, const char *spiffe_id)
{
	struct store_peer *oldest = &p->list[0];

	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->list[i].spiffe_id, spiffe_id) == 0)
			return &p->list[i];
		if (p->list[i].seen_s < oldest->seen_s)
			oldest = &p->list[i];
	}
	if (p->n < STORE_PEERS_MAX)
		oldest = &p->list[p->n++];
	*oldest = (struct store_peer){ 0 };
	(void)snprintf(oldest->spiffe_id, SPIFFE_ID_SIZE, "%s", spiffe_id);
	return oldest;
}

static void add_endpoint(struct store_peer *to, const struct endpoint *e)
{
	if (to->n_endpoints == STORE_PEER_ENDPOINTS_MAX || endpoint_is_null(e))
		return;
	for (size_t i = 0; i < to->n_endpoints; i++)
		if (endpoint_equal(&to->endpoints[i], e))
			return;
	to->endpoints[to->n_endpoints++] = *e;
}

static void gather(struct daemon *d)
{
	int64_t now_s = daemon_unix_ms(d) / 1000;
	uint64_t now_us = loop_now_us();
	struct atlas_entry e;
	size_t cursor = 0;

	while (node_next_place(d->node, &cursor, &e)) {
		char name[NODE_NAME_MAX + 1];
		char spiffe_id[SPIFFE_ID_SIZE];
		struct store_peer *to;

		if (!node_name_of(d->node, e.node_id, name) ||
		    spiffe_id_format(d->member->domain, name, spiffe_id) < 0)
			continue; /* not met in this run: what the disk has stays */
		to = place_of(d->places, spiffe_id);
		to->seen_s = now_s - (int64_t)((now_us - min_u64(now_us, e.heard_us)) / US_PER_S);
		to->n_endpoints = 0;
		add_endpoint(to, &e.reached);
		for (size_t i = 0; i < e.at.n; i++)
			add_endpoint(to, &e.at.list[i].at);
	}
}

struct saving {
	struct daemon *daemon;
	struct store *store;
	struct store_peer *list;
	size_t n;
};

static void save(void *arg)
{
	const struct saving *s = arg;
	struct store_error e;

	(void)store_save_peers(s->store, s->list, s->n, &e); /* again when they change */
}

static void saved(void *arg)
{
	struct saving *s = arg;

	s->daemon->places->is_saving = false;
	free(s->list);
	free(s);
}

static void begin_saving(struct daemon *d)
{
	struct places *p = d->places;
	struct saving *s = calloc(1, sizeof(*s));
	struct store_peer *copy = malloc((p->n + 1) * sizeof(*copy));

	if (!s || !copy) {
		free(s);
		free(copy);
		return;
	}
	memcpy(copy, p->list, p->n * sizeof(*copy));
	*s = (struct saving){ d, d->store, copy, p->n };
	p->is_saving = loop_work(d->loop, save, saved, s) == 0;
	if (!p->is_saving) {
		free(copy);
		free(s);
	}
}

static int by_age(const void *a, const void *b)
{
	const struct store_peer *x = a;
	const struct store_peer *y = b;

	return (x->seen_s > y->seen_s) - (x->seen_s < y->seen_s);
}

static void load(struct daemon *d)
{
	struct places *p = d->places;
	struct store_error e;

	if (store_load_peers(d->store, p->list, &p->n, &e) < 0) {
		p->n = 0;
		log_warning(d->log, "peers_not_read", log_str("why", e.text));
	}
	qsort(p->list, p->n, sizeof(p->list[0]), by_age);
	for (size_t i = 0; i < p->n; i++)
		node_learn_place(d->node, node_id_of(d->ops, p->list[i].spiffe_id),
				 p->list[i].endpoints, p->list[i].n_endpoints);
	p->version = node_places_version(d->node);
}

/* ---- life ---- */

int places_start(struct daemon *d)
{
	struct places *p = calloc(1, sizeof(*p));

	d->places = p;
	if (!p)
		return -ENOMEM;
	p->list = calloc(STORE_PEERS_MAX, sizeof(*p->list));
	if (!p->list)
		return -ENOMEM;
	p->save_us = loop_now_us() + SAVE_US;
	load(d);
	places_reloaded(d);
	tell_addresses(d);
	return 0;
}

void places_tick(struct daemon *d)
{
	struct places *p = d->places;
	uint64_t now_us = loop_now_us();

	for (size_t i = 0; i < p->n_fixed; i++)
		if (!p->fixed[i]->is_resolving && now_us >= p->fixed[i]->again_us)
			resolve(p->fixed[i]);
	if (now_us >= p->look_us) {
		p->look_us = now_us + LOOK_US;
		tell_addresses(d);
	}
	if (now_us < p->save_us || p->is_saving || p->version == node_places_version(d->node))
		return;
	p->save_us = now_us + SAVE_US;
	p->version = node_places_version(d->node);
	gather(d);
	begin_saving(d);
}

/* The loop is gone, the node and the store are still there. */
void places_end(struct daemon *d)
{
	struct places *p = d->places;
	struct store_error e;

	if (!p)
		return;
	if (p->list && d->node && p->version != node_places_version(d->node)) {
		gather(d);
		(void)store_save_peers(d->store, p->list, p->n, &e);
	}
	for (size_t i = 0; i < p->n_fixed; i++)
		free(p->fixed[i]);
	free(p->list);
	free(p);
	d->places = NULL;
}

/* ---- views ---- */

static json_t *endpoint_json(const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (endpoint_is_null(e))
		return json_null();
	endpoint_format(e, text);
	return json_string(text);
}

static json_t *view_json(const struct observe_view *v)
{
	return json_pack("{s:s, s:o, s:i, s:i}", "mapping", nat_mapping_name(v->mapping), "seen",
			 endpoint_json(&v->seen), "observers", (int)v->n_observers, "agreeing",
			 (int)v->n_agree);
}

json_t *places_json(const struct daemon *d)
{
	struct node_nat_view v;
	json_t *told = json_array();

	node_nat(d->node, &v);
	for (size_t i = 0; i < v.at.n; i++)
		(void)json_array_append_new(told,
					    json_pack("{s:s, s:o}", "kind",
						      candidate_kind_name(v.at.list[i].kind),
						      "endpoint", endpoint_json(&v.at.list[i].at)));
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "ipv4",
			 view_json(&v.ipv4), "ipv6", view_json(&v.ipv6), "told", told, "calls_now",
			 (json_int_t)v.n_calls, "places_known", (json_int_t)v.n_places, "counters",
			 "calls", (json_int_t)v.counters.calls, "calls_taken",
			 (json_int_t)v.counters.called, "calls_refused",
			 (json_int_t)v.counters.refused, "ways_found", (json_int_t)v.counters.found,
			 "calls_failed", (json_int_t)v.counters.failed, "probes_sent",
			 (json_int_t)v.counters.probes_sent, "probes_limited",
			 (json_int_t)v.counters.limited);
}
