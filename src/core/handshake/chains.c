/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of peers between handshakes: warm cookies, chains, who holds ours. A warm
 * cookie is the peer's to check. A chain was verified by signature before it came here, and by a
 * whole handshake with its holder; what may have changed since is asked at each use. */
#include "core/handshake/internal.h"

#include <stdlib.h>

void warm_put(struct handshakes *h, const struct path_key *key, const uint8_t cookie[COOKIE_LEN],
	      uint64_t now_us)
{
	struct warm_cookie *w = map_remove(h->warm, key);
	size_t cursor = 0;

	if (!w && map_count(h->warm) >= WARM_MAX) {
		w = map_next(h->warm, &cursor); /* the oldest */
		(void)map_remove(h->warm, &w->key);
	}
	if (!w)
		w = malloc(sizeof(*w));
	if (!w)
		return;
	w->key = *key;
	memcpy(w->cookie, cookie, COOKIE_LEN);
	w->until_us = now_us + WARM_LIFE_US;
	if (map_put(h->warm, &w->key, w) < 0)
		free(w);
}

bool warm_get(struct handshakes *h, const struct path_key *key, uint64_t now_us,
	      uint8_t ret[COOKIE_LEN])
{
	struct warm_cookie *w = map_get(h->warm, key);

	if (!w || now_us >= w->until_us)
		return false;
	memcpy(ret, w->cookie, COOKIE_LEN);
	return true;
}

/* ---- chains ---- */

void chain_free(struct cached_chain *c)
{
	if (!c)
		return;
	free(c->bytes);
	free(c);
}

static void forget(struct handshakes *h, struct cached_chain *c)
{
	(void)map_remove(h->chains_by_node, &c->node_id);
	if (map_get(h->chains_by_hash, c->hash) == c)
		(void)map_remove(h->chains_by_hash, c->hash);
	chain_free(c);
}

bool chain_is_fresh(const struct cached_chain *c, uint64_t now_us)
{
	return now_us < c->verified_us + HS_VERIFIED_US;
}

void handshakes_recheck(struct handshakes *h)
{
	struct cached_chain *c;
	size_t cursor = 0;

	while ((c = map_next(h->chains_by_node, &cursor)))
		if (h->judge->recheck(h->judge_arg, &c->peer) != IDENTITY_OK)
			forget(h, c);
}

void chain_put(struct handshakes *h, const struct peer_identity *peer, struct span encoded,
	       const uint8_t hash[SHA256_LEN], uint64_t verified_us)
{
	uint64_t node_id = peer->node_id;
	struct cached_chain *c = map_get(h->chains_by_node, &node_id);
	struct cached_chain *other = map_get(h->chains_by_hash, hash);
	size_t cursor = 0;

	if (c && memcmp(c->hash, hash, SHA256_LEN) == 0) {
		c->peer = *peer;
		c->verified_us = verified_us;
		return;
	}
	if (c)
		forget(h, c);
	if (other && other != c)
		forget(h, other);
	if (map_count(h->chains_by_node) >= HS_CHAIN_CACHE_MAX)
		forget(h, map_next(h->chains_by_node, &cursor));
	c = calloc(1, sizeof(*c));
	if (c)
		c->bytes = malloc(encoded.len);
	if (!c || !c->bytes) {
		chain_free(c);
		return; /* chains go in full, then */
	}
	c->node_id = node_id;
	c->peer = *peer;
	c->verified_us = verified_us;
	c->len = encoded.len;
	memcpy(c->bytes, encoded.at, encoded.len);
	memcpy(c->hash, hash, SHA256_LEN);
	if (map_put(h->chains_by_node, &c->node_id, c) < 0) {
		chain_free(c);
		return;
	}
	if (map_put(h->chains_by_hash, c->hash, c) < 0)
		forget(h, c);
}

struct cached_chain *chain_by_node(const struct handshakes *h, uint64_t node_id)
{
	return node_id ? map_get(h->chains_by_node, &node_id) : NULL;
}

struct cached_chain *chain_by_hash(const struct handshakes *h, const uint8_t hash[SHA256_LEN])
{
	return map_get(h->chains_by_hash, hash);
}

void chain_taken(struct handshakes *h, uint64_t node_id, uint64_t boot_epoch)
{
	struct cached_chain *c = chain_by_node(h, node_id);

	if (!c || !h->has_identity)
		return;
	c->took_ours = true;
	c->boot_epoch = boot_epoch;
	memcpy(c->ours, h->own_hash, SHA256_LEN);
}

bool chain_is_taken(const struct handshakes *h, uint64_t node_id, uint64_t boot_epoch)
{
	const struct cached_chain *c = chain_by_node(h, node_id);

	return c && c->took_ours && c->boot_epoch == boot_epoch &&
	       memcmp(c->ours, h->own_hash, SHA256_LEN) == 0;
}
