/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked about networks behind nodes and IPv4 addresses inside: for each packet, and to be
 * looked at. */
#include <stdio.h>

#include "core/node/networks_internal.h"

/* ---- packets ---- */

bool networks_is_inside(const struct node *n, const uint8_t address[16])
{
	const struct networks *w = n->networks;

	return memcmp(address, n->address, OVERLAY_PREFIX_LEN) == 0 ||
	       (w->config.has_ipv4 && prefix_covers(&w->config.ipv4, address));
}

bool networks_is_own(const struct node *n, const uint8_t address[16])
{
	const struct networks *w = n->networks;

	if (address_is_ipv4(address))
		return w->config.has_ipv4 && w->choice < PREFIX_IPV4_CHOICES &&
		       memcmp(address, w->address, 16) == 0;
	return memcmp(address, n->address, 16) == 0;
}

const struct prefix_entry *networks_own_offer(const struct node *n, const uint8_t address[16])
{
	const struct prefix_entry *e = prefix_table_find(n->networks->own, address);

	if (!e || networks_is_inside(n, address) || address_is_unroutable(address))
		return NULL;
	return prefix_is_exit(&e->prefix) && address_is_private(address) ? NULL : e;
}

bool networks_may_send(const struct node *n, const struct inner *i)
{
	return networks_is_own(n, i->source) || networks_own_offer(n, i->source);
}

uint64_t networks_destination(const struct node *n, const struct inner *i)
{
	const struct networks *w = n->networks;
	const struct prefix_entry *e;
	uint64_t id;

	if (memcmp(i->destination, n->address, OVERLAY_PREFIX_LEN) == 0) {
		id = load_u64(i->destination + OVERLAY_PREFIX_LEN);
		return id == n->self ? 0 : id;
	}
	if (networks_is_inside(n, i->destination))
		return claims_find(w->claims, w->n_claims, i->destination);
	if (address_is_unroutable(i->destination))
		return 0;
	e = prefix_table_find(w->accepted, i->destination);
	return e ? e->via : 0;
}

bool networks_may_come_from(const struct node *n, const struct peer *p, const struct inner *i)
{
	const struct networks *w = n->networks;
	const struct prefix_entry *e, *own;

	if (memcmp(i->source, p->address, 16) == 0)
		return true;
	if (networks_is_own(n, i->source))
		return false; /* whatever others claim of it */
	if (networks_is_inside(n, i->source))
		return address_is_ipv4(i->source) &&
		       claims_find(w->claims, w->n_claims, i->source) == p->id;
	if (address_is_unroutable(i->source))
		return false;
	e = prefix_table_find(w->accepted, i->source);
	if (!e || !prefix_entry_has(e, p->id))
		return false;
	/* What an exit does not pass on to does not answer by it either: it is our own network. */
	if (prefix_is_exit(&e->prefix) && address_is_private(i->source))
		return false;
	own = networks_own_offer(n, i->source);
	return !own || own->prefix.len < e->prefix.len;
}

bool networks_covers(const struct node *n, const uint8_t address[16])
{
	const struct prefix_entry *e = prefix_table_find(n->networks->accepted, address);

	return networks_is_inside(n, address) || (e && !prefix_is_exit(&e->prefix));
}

bool networks_is_internet(const struct node *n, const uint8_t address[16])
{
	const struct prefix_entry *e;

	if (networks_is_inside(n, address))
		return false;
	e = prefix_table_find(n->networks->accepted, address);
	return e && prefix_is_exit(&e->prefix);
}

enum networks_target networks_target(const struct node *n, const struct inner *i,
				     struct prefix *ret_offer)
{
	const struct prefix_entry *e;

	if (networks_is_own(n, i->destination))
		return TARGET_SELF;
	e = networks_own_offer(n, i->destination);
	if (!e)
		return TARGET_NONE;
	*ret_offer = e->prefix;
	return TARGET_BEHIND;
}

/* ---- views ---- */

bool node_ipv4(const struct node *n, uint8_t ret[16])
{
	const struct networks *w = n->networks;

	if (!w->config.has_ipv4 || w->choice >= PREFIX_IPV4_CHOICES)
		return false;
	memcpy(ret, w->address, 16);
	return true;
}

bool node_ipv4_of(const struct node *n, uint64_t id, uint8_t ret[16])
{
	const struct networks *w = n->networks;

	if (id == n->self)
		return node_ipv4(n, ret);
	for (size_t i = 0; i < w->n_claims; i++) {
		if (w->claims[i].id != id)
			continue;
		memcpy(ret, w->claims[i].address, 16);
		return true;
	}
	return false;
}

uint64_t node_by_ipv4(const struct node *n, const uint8_t address[16])
{
	uint8_t own[16];

	if (node_ipv4(n, own) && memcmp(own, address, sizeof(own)) == 0)
		return n->self;
	return claims_find(n->networks->claims, n->networks->n_claims, address);
}

uint64_t node_ipv4_stranger(const struct node *n)
{
	return n->networks->stranger;
}

bool node_next_network(const struct node *n, size_t *cursor, struct prefix *ret, uint64_t *ret_via)
{
	const struct prefix_entry *e = prefix_table_at(n->networks->accepted, *cursor);

	if (!e)
		return false;
	(*cursor)++;
	*ret = e->prefix;
	*ret_via = e->via;
	return true;
}

static void view_offer(const struct node *n, const struct offerer *o, const struct prefix *p,
		       struct node_offer_view *ret)
{
	char domain[DOMAIN_MAX + 1], reason[POLICY_REASON_SIZE];
	const struct prefix_entry *e;
	const char *why;
	bool is_choice;

	*ret = (struct node_offer_view){ .node_id = o->id,
					 .prefix = *p,
					 .metric = networks_metric_to(n, o->id) };
	(void)spiffe_id_parse(o->spiffe_id, domain, ret->name);
	why = networks_why_not(n, o, p, &is_choice, reason);
	e = why ? NULL : prefix_table_exactly(n->networks->accepted, p);
	if (is_choice)
		ret->state = NODE_OFFER_NOT_CHOSEN;
	else if (why)
		ret->state = NODE_OFFER_DENIED;
	else if (ret->metric >= ROUTE_METRIC_INFINITY)
		ret->state = NODE_OFFER_UNREACHABLE;
	else
		ret->state = e && e->via == o->id ? NODE_OFFER_USED : NODE_OFFER_STANDBY;
	(void)snprintf(ret->why, sizeof(ret->why), "%s", why ? why : "");
}

bool node_next_offer(const struct node *n, size_t *cursor, struct node_offer_view *ret)
{
	const struct networks *w = n->networks;
	size_t at = *cursor;

	for (size_t i = 0; i < w->n_offerers; i++) {
		const struct offerer *o = w->offerers[i];

		if (at < o->n) {
			view_offer(n, o, &o->list[at], ret);
			(*cursor)++;
			return true;
		}
		at -= o->n;
	}
	return false;
}

size_t node_offers_awaited(const struct node *n)
{
	size_t awaited = 0;

	for (size_t i = 0; i < n->networks->n_offerers; i++)
		awaited += networks_is_awaited(n->networks->offerers[i]);
	return awaited;
}
