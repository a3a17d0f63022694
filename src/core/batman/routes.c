/* SPDX-License-Identifier: Apache-2.0 */
/* Who is a neighbour, by ELP; and which way each originator is, by OGM2. */
#include <errno.h>
#include <string.h>

#include "core/batman/internal.h"

/* ---- neighbours ---- */

static struct neighbour *neighbour_find(struct batnode *n, size_t interface,
					const uint8_t address[6])
{
	for (size_t i = 0; i < BATNODE_NEIGHBOURS_MAX; i++) {
		struct neighbour *b = &n->neighbours[i];

		if (b->is_used && b->interface == interface && memcmp(b->address, address, 6) == 0)
			return b;
	}
	return NULL;
}

static struct neighbour *neighbour_new(struct batnode *n)
{
	for (size_t i = 0; i < BATNODE_NEIGHBOURS_MAX; i++)
		if (!n->neighbours[i].is_used)
			return &n->neighbours[i];
	return NULL;
}

int elp_input(struct batnode *n, size_t interface, const uint8_t from[6], struct span packet)
{
	struct neighbour *b = neighbour_find(n, interface, from);
	struct batwire_elp elp;
	int r = batwire_elp_read(packet, &elp);

	if (r < 0)
		return r;
	if (memcmp(elp.originator, own_address(n), 6) == 0)
		return -EPROTO; /* we ourselves, over another interface */
	if (!b)
		b = neighbour_new(n);
	if (!b)
		return -ENOBUFS;
	*b = (struct neighbour){ .is_used = true, .interface = interface, .heard_us = n->now_us };
	memcpy(b->address, from, 6);
	memcpy(b->originator, elp.originator, 6);
	return 0;
}

/* ---- originators ---- */

struct originator *originator_find(const struct batnode *n, const uint8_t address[6])
{
	return map_get(n->by_address, address);
}

static struct originator *originator_new(struct batnode *n, const uint8_t address[6])
{
	for (size_t i = 0; i < BATNODE_ORIGINATORS_MAX; i++) {
		struct originator *o = &n->originators[i];

		if (o->is_used)
			continue;
		if (map_put(n->by_address, address, o) < 0)
			return NULL;
		*o = (struct originator){ .is_used = true };
		memcpy(o->address, address, 6);
		return o;
	}
	return NULL;
}

static void originator_forget(struct batnode *n, struct originator *o)
{
	clients_forget(n, o);
	(void)map_remove(n->by_address, o->address);
	o->is_used = false;
}

/* A way that lags behind tells of a neighbour who lost its own way, or us. */
static bool is_usable(const struct originator *o, const struct way *w)
{
	return w->is_used && w->throughput > 0 && (int32_t)(o->seqno - w->seqno) <= OGM_MAX_LAG;
}

/* The one there is stays among equals. */
static void choose(struct originator *o)
{
	const struct way *best = o->best && is_usable(o, o->best) ? o->best : NULL;

	for (size_t i = 0; i < BATNODE_WAYS_MAX; i++) {
		const struct way *w = &o->ways[i];

		if (is_usable(o, w) && (!best || w->throughput > best->throughput))
			best = w;
	}
	o->best = best;
}

/* The way by a neighbour; else a free one; else the worst, if it is worse than this one. */
static struct way *way_for(struct originator *o, size_t interface, const uint8_t neighbour[6],
			   uint32_t throughput)
{
	struct way *other = NULL;

	for (size_t i = 0; i < BATNODE_WAYS_MAX; i++) {
		struct way *w = &o->ways[i];

		if (w->is_used && w->interface == interface &&
		    memcmp(w->neighbour, neighbour, 6) == 0)
			return w;
		if (!w->is_used && (!other || other->is_used))
			other = w;
		else if (w->is_used && w->throughput < throughput &&
			 (!other || (other->is_used && w->throughput < other->throughput)))
			other = w;
	}
	return other;
}

static void set_way(struct batnode *n, struct originator *o, size_t interface,
		    const uint8_t neighbour[6], uint32_t seqno, uint32_t throughput)
{
	struct way *w = way_for(o, interface, neighbour, throughput);

	if (!w)
		return;
	*w = (struct way){ .is_used = true,
			   .interface = interface,
			   .seqno = seqno,
			   .throughput = throughput,
			   .heard_us = n->now_us };
	memcpy(w->neighbour, neighbour, 6);
	choose(o);
}

/* An originator that counts from somewhere else started anew, at most once in a while: else a
 * message out of the distant past would take its place. */
static bool restarts(struct batnode *n, struct originator *o)
{
	if (o->restarted_us > 0 && n->now_us - o->restarted_us < RESTART_PROTECTION_US)
		return false;
	o->restarted_us = n->now_us;
	o->has_table = false;
	o->has_bcast = false;
	memset(o->ways, 0, sizeof(o->ways));
	o->best = NULL;
	return true;
}

static void tvlvs_input(struct batnode *n, struct originator *o, struct span tvlvs)
{
	struct reader r = reader_of(tvlvs);
	struct batwire_tvlv tvlv;
	struct batwire_tt tt;

	while (batwire_tvlv_next(&r, &tvlv) > 0) {
		if (tvlv.type == BATWIRE_TVLV_TT && tvlv.version == 1 &&
		    batwire_tt_read(tvlv.body, &tt) == 0 &&
		    (tt.flags & BATWIRE_TT_KIND_MASK) == BATWIRE_TT_OGM_DIFF)
			tt_input(n, o, &tt);
	}
}

static int one_ogm(struct batnode *n, const struct neighbour *b, const struct batwire_ogm *ogm)
{
	struct originator *o = originator_find(n, ogm->originator);
	uint32_t of_link = n->config.interfaces[b->interface].throughput;
	bool is_first = !o;
	int32_t ahead;

	if (memcmp(ogm->originator, own_address(n), 6) == 0 || ogm->throughput == 0 ||
	    is_group(ogm->originator))
		return 0;
	if (!o)
		o = originator_new(n, ogm->originator);
	if (!o)
		return -ENOBUFS;
	ahead = is_first ? 1 : (int32_t)(ogm->seqno - o->seqno);
	if (ahead <= -OGM_MAX_AGE) {
		if (!restarts(n, o))
			return 0;
		ahead = 1;
	}
	if (ahead > 0)
		o->seqno = ogm->seqno;
	o->heard_us = n->now_us;
	set_way(n, o, b->interface, b->address, ogm->seqno,
		ogm->throughput < of_link ? ogm->throughput : of_link);
	if (ahead > 0)
		tvlvs_input(n, o, ogm->tvlvs);
	return 0;
}

int ogm_input(struct batnode *n, size_t interface, const uint8_t from[6], struct span packet)
{
	const struct neighbour *b = neighbour_find(n, interface, from);
	struct reader r = reader_of(packet);
	struct batwire_ogm ogm;
	int result = 0;
	int more;

	if (!b)
		return -EAGAIN; /* its ELP comes first */
	while ((more = batwire_ogm_next(&r, &ogm)) > 0)
		if (one_ogm(n, b, &ogm) < 0)
			result = -ENOBUFS;
	return more < 0 ? more : result;
}

/* ---- who was not heard for long ---- */

static void ways_purge(struct batnode *n, struct originator *o)
{
	for (size_t i = 0; i < BATNODE_WAYS_MAX; i++) {
		struct way *w = &o->ways[i];

		if (w->is_used && !neighbour_find(n, w->interface, w->neighbour))
			w->is_used = false;
	}
	choose(o);
}

void routes_purge(struct batnode *n)
{
	bool is_one_gone = false;

	for (size_t i = 0; i < BATNODE_NEIGHBOURS_MAX; i++) {
		struct neighbour *b = &n->neighbours[i];

		if (b->is_used && n->now_us - b->heard_us > NEIGHBOUR_SILENCE_US) {
			b->is_used = false;
			is_one_gone = true;
		}
	}
	for (size_t i = 0; i < BATNODE_ORIGINATORS_MAX; i++) {
		struct originator *o = &n->originators[i];

		if (o->is_used && n->now_us - o->heard_us > ORIGINATOR_SILENCE_US)
			originator_forget(n, o);
		else if (o->is_used && is_one_gone)
			ways_purge(n, o);
	}
}

void interface_forget(struct batnode *n, size_t interface)
{
	for (size_t i = 0; i < BATNODE_NEIGHBOURS_MAX; i++)
		if (n->neighbours[i].interface == interface)
			n->neighbours[i].is_used = false;
	for (size_t i = 0; i < BATNODE_ORIGINATORS_MAX; i++)
		if (n->originators[i].is_used)
			ways_purge(n, &n->originators[i]);
}

/* ---- what is known ---- */

bool batnode_next_neighbour(const struct batnode *n, size_t *cursor, struct batnode_neighbour *ret)
{
	while (*cursor < BATNODE_NEIGHBOURS_MAX) {
		const struct neighbour *b = &n->neighbours[(*cursor)++];

		if (!b->is_used)
			continue;
		*ret = (struct batnode_neighbour){ .interface = b->interface,
						   .heard_us = b->heard_us };
		memcpy(ret->address, b->address, 6);
		memcpy(ret->originator, b->originator, 6);
		return true;
	}
	return false;
}

bool batnode_next_originator(const struct batnode *n, size_t *cursor,
			     struct batnode_originator *ret)
{
	while (*cursor < BATNODE_ORIGINATORS_MAX) {
		const struct originator *o = &n->originators[(*cursor)++];

		if (!o->is_used)
			continue;
		*ret = (struct batnode_originator){ .heard_us = o->heard_us,
						    .n_clients = o->n_clients,
						    .is_in_step = o->has_table };
		memcpy(ret->address, o->address, 6);
		if (o->best) {
			memcpy(ret->next_hop, o->best->neighbour, 6);
			ret->interface = o->best->interface;
			ret->throughput = o->best->throughput;
		}
		return true;
	}
	return false;
}
