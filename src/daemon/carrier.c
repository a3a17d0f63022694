/* SPDX-License-Identifier: Apache-2.0 */
/* Links whose interface loses its carrier are down at once. Which interface leads to a neighbour
 * is asked of the kernel beforehand: afterwards its routes may say something else. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/daemon_internal.h"
#include "shell/netlink/netlink.h"

#define LOOK_AGAIN_US SECONDS(10) /* routes change */
#define LOOKS_A_SECOND 32	  /* of those known already; new ones are looked up at once */

struct way {
	uint64_t node_id;
	struct endpoint endpoint;
	unsigned interface; /* 0: there was none */
	uint64_t looked_us;
	bool is_there; /* while neighbours are walked */
};

struct carrier {
	struct daemon *daemon;
	struct netlink *netlink;
	struct netlink_watch *watch;
	struct loop_fd *watched;
	struct way ways[NODE_PEERS_MAX];
	size_t n_ways;
};

static void look_up(struct carrier *c, struct way *w, uint64_t now_us)
{
	w->looked_us = now_us;
	w->interface = w->endpoint.scope; /* of a link-local address: it says so itself */
	if (w->interface == 0 &&
	    netlink_interface_to(c->netlink, w->endpoint.ip, &w->interface) < 0)
		w->interface = 0;
}

static struct way *way_of(struct carrier *c, uint64_t node_id)
{
	for (size_t i = 0; i < c->n_ways; i++)
		if (c->ways[i].node_id == node_id)
			return &c->ways[i];
	if (c->n_ways == NODE_PEERS_MAX)
		return NULL;
	c->ways[c->n_ways] = (struct way){ .node_id = node_id };
	return &c->ways[c->n_ways++];
}

static void forget_gone(struct carrier *c)
{
	for (size_t i = 0; i < c->n_ways;) {
		if (c->ways[i].is_there) {
			c->ways[i++].is_there = false;
			continue;
		}
		c->ways[i] = c->ways[--c->n_ways];
	}
}

/* A link that came up may lose its carrier before the next tick. */
void carrier_learn(struct daemon *d, uint64_t node_id, const struct endpoint *endpoint)
{
	struct way *w = d->carrier ? way_of(d->carrier, node_id) : NULL;

	if (!w)
		return;
	w->endpoint = *endpoint;
	look_up(d->carrier, w, loop_now_us());
}

/* A link that is down keeps its way, for silence may be sooner than the kernel's word, and its
 * route is not to be asked for, for it may lead elsewhere meanwhile. */
void carrier_tick(struct daemon *d)
{
	struct carrier *c = d->carrier;
	uint64_t now_us = loop_now_us();
	struct node_peer_view p;
	unsigned n_looks = 0;
	size_t cursor = 0;

	if (!c)
		return;
	while (node_next_peer(d->node, &cursor, now_us, &p)) {
		struct way *w;

		if (!p.is_neighbour)
			continue;
		w = way_of(c, p.node_id);
		if (!w)
			break;
		w->is_there = true;
		if (p.state == LINK_DOWN)
			continue;
		if (!endpoint_equal(&w->endpoint, &p.endpoint)) {
			w->endpoint = p.endpoint;
			look_up(c, w, now_us);
		} else if (now_us >= w->looked_us + LOOK_AGAIN_US && n_looks++ < LOOKS_A_SECOND) {
			look_up(c, w, now_us);
		}
	}
	forget_gone(c);
}

static void on_interface(void *arg, unsigned index, bool has_carrier)
{
	struct carrier *c = arg;

	for (size_t i = 0; !has_carrier && i < c->n_ways; i++) {
		if (c->ways[i].interface != index)
			continue;
		c->ways[i].interface = 0; /* said once; looked up again when the link is up */
		c->ways[i].endpoint = (struct endpoint){ 0 };
		node_carrier_lost(c->daemon->node, c->ways[i].node_id, loop_now_us());
	}
}

void carrier_look(struct daemon *d)
{
	if (d->carrier)
		(void)netlink_watch_read(d->carrier->watch, on_interface, d->carrier);
}

static void on_watch(void *arg, unsigned events, uint64_t now_us)
{
	struct carrier *c = arg;

	(void)events;
	(void)now_us;
	carrier_look(c->daemon);
	daemon_drain(c->daemon);
}

void carrier_start(struct daemon *d)
{
	struct carrier *c = calloc(1, sizeof(*c));

	d->carrier = c;
	if (c && netlink_new(&c->netlink) == 0 && netlink_watch_new(&c->watch) == 0 &&
	    loop_fd_new(d->loop, netlink_watch_fd(c->watch), LOOP_READABLE, on_watch, c,
			&c->watched) == 0) {
		c->daemon = d;
		return;
	}
	daemon_feature(d, "carrier", false,
		       "the kernel does not tell of interfaces; a lost carrier shows as silence");
	carrier_end(d);
}

/* The loop is gone, or was never told. */
void carrier_end(struct daemon *d)
{
	struct carrier *c = d->carrier;

	if (!c)
		return;
	netlink_watch_free(c->watch);
	netlink_free(c->netlink);
	free(c);
	d->carrier = NULL;
}
