/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway to batman-adv: src/core/batman between packet sockets at the interfaces of the
 * configuration and a TAP device, which is this machine's end of that mesh. The kernel routes
 * between the device and the tunnel. What comes in there is nobody's in particular, so each turn is
 * bounded in frames and in time, and nothing of it ends anything but the frame. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "core/batman/batnode.h"
#include "core/batman/batwire.h"
#include "daemon/daemon_internal.h"
#include "shell/ether/ether.h"

#define TURN_FRAMES 64 /* of one descriptor, until the others have their turn */
#define TURN_US 2000   /* and no longer, whatever they hold */
#define UNITS_PER_MBPS 10
#define KBPS_PER_UNIT 100
#define ORIGINATORS_TOLD 512 /* of some 200 bytes each; an answer may have a megabyte */

_Static_assert(CONFIG_BATMAN_MAX <= BATNODE_INTERFACES_MAX, "the node has room for all");
_Static_assert(CONFIG_BATMAN_MAX <= KEEPER_BATMAN_MAX, "and so has the keeper");
_Static_assert(BATWIRE_ETHERTYPE == KEEPER_BATMAN_PROTOCOL, "the keeper opens it for this");

struct batman_link {
	struct daemon *daemon;
	const char *name;
	int fd; /* -1: not there now */
	struct loop_fd *watch;
	bool is_known; /* it has been there, with this address */
	uint8_t address[6];
	unsigned mtu_bytes;
	size_t at; /* in the node */
	char why[KEEPER_WHY_SIZE];
};

struct batman_counters {
	uint64_t in, out;	     /* frames of batman-adv */
	uint64_t from_host, to_host; /* frames inside, of and for this machine */
	uint64_t malformed, not_for_us, no_way, full, too_long, unsent;
};

struct batman {
	struct batman_link links[CONFIG_BATMAN_MAX];
	size_t n_links;
	struct batnode *node; /* NULL until an interface and the device were there */
	struct rng rng;
	bool is_stale; /* an interface has come, or has another address: the node is made anew */
	int tap_fd;    /* -1: none */
	struct loop_fd *tap_watch;
	uint8_t tap_address[6];
	unsigned tap_mtu_bytes;
	char tap_why[KEEPER_WHY_SIZE];
	struct loop_timer *timer;
	struct batman_counters counters;
	uint8_t frame[BATNODE_FRAME_MAX];
};

/* ---- frames ---- */

static void count(struct batman *b, int r)
{
	switch (r) {
	case 0:
		break;
	case -EBADMSG:
		b->counters.malformed++;
		break;
	case -EMSGSIZE:
		b->counters.too_long++;
		break;
	case -ENOBUFS:
		b->counters.full++;
		break;
	case -EAGAIN:
	case -EHOSTUNREACH:
		b->counters.no_way++;
		break;
	default:
		b->counters.not_for_us++;
		break;
	}
}

static struct batman_link *link_at(struct batman *b, size_t at)
{
	for (size_t i = 0; i < b->n_links; i++)
		if (b->links[i].is_known && b->links[i].at == at)
			return &b->links[i];
	return NULL;
}

static void drain(struct batman *b)
{
	struct batnode_action a;

	while (batnode_next_action(b->node, &a)) {
		const struct batman_link *l = a.is_delivery ? NULL : link_at(b, a.interface);
		int fd = a.is_delivery ? b->tap_fd : l ? l->fd : -1;

		if (fd < 0 || ether_write(fd, a.frame) < 0)
			b->counters.unsent++;
		else if (a.is_delivery)
			b->counters.to_host++;
		else
			b->counters.out++;
	}
	loop_timer_arm(b->timer, batnode_deadline_us(b->node));
}

static void close_watched(struct loop_fd **watch, int *fd)
{
	if (*watch)
		loop_fd_free(*watch);
	*watch = NULL;
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void lose_link(struct batman *b, struct batman_link *l)
{
	close_watched(&l->watch, &l->fd);
	(void)snprintf(l->why, sizeof(l->why), "interface %s: it is down or gone", l->name);
	log_warning(l->daemon->log, "batman_interface_lost", log_str("interface", l->name));
	if (b->node && l->is_known)
		batnode_set_link(b->node, l->at, false, loop_now_us());
}

/* Hands frames to take() for as long as this turn may last. 0, or why it ended. */
static int read_turn(struct batman *b, int fd, uint64_t now_us,
		     void (*take)(struct batman *b, struct batman_link *l, struct span frame,
				  uint64_t now_us),
		     struct batman_link *l)
{
	uint64_t until_us = loop_now_us() + TURN_US;

	for (unsigned i = 0; i < TURN_FRAMES; i++) {
		size_t len;
		int r = ether_read(fd, b->frame, sizeof(b->frame), &len);

		if (r == -EMSGSIZE)
			count(b, r);
		else if (r < 0)
			return r;
		else
			take(b, l, SPAN(b->frame, len), now_us);
		if (loop_now_us() >= until_us)
			return 0;
	}
	return 0;
}

static void take_link(struct batman *b, struct batman_link *l, struct span frame, uint64_t now_us)
{
	b->counters.in++;
	if (!b->node)
		return; /* nor kept: else it would wake us again and again */
	count(b, batnode_input(b->node, l->at, frame, now_us));
	drain(b);
}

static void take_tap(struct batman *b, struct batman_link *l, struct span frame, uint64_t now_us)
{
	(void)l;
	b->counters.from_host++;
	if (!b->node)
		return;
	count(b, batnode_output(b->node, frame, now_us));
	drain(b);
}

static void on_link(void *arg, unsigned events, uint64_t now_us)
{
	struct batman_link *l = arg;
	struct batman *b = l->daemon->batman;
	int r = read_turn(b, l->fd, now_us, take_link, l);

	if (events & LOOP_ERROR || r == -ENETDOWN)
		lose_link(b, l);
}

static void on_tap(void *arg, unsigned events, uint64_t now_us)
{
	struct daemon *d = arg;
	struct batman *b = d->batman;
	int r = read_turn(b, b->tap_fd, now_us, take_tap, NULL);

	if (events & LOOP_ERROR || r == -EBADFD) {
		close_watched(&b->tap_watch, &b->tap_fd);
		(void)snprintf(b->tap_why, sizeof(b->tap_why), "the device was deleted");
	}
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct daemon *d = arg;

	if (!d->batman->node)
		return;
	batnode_tick(d->batman->node, now_us);
	drain(d->batman);
}

/* ---- what it runs on, which comes and goes ---- */

static int watch(struct daemon *d, int fd, loop_fd_handler *handler, void *arg,
		 struct loop_fd **ret, char why[KEEPER_WHY_SIZE])
{
	int r = loop_fd_new(d->loop, fd, LOOP_READABLE, handler, arg, ret);

	if (r < 0)
		(void)snprintf(why, KEEPER_WHY_SIZE, "out of memory or descriptors");
	return r;
}

static void open_link(struct batman *b, struct batman_link *l, unsigned which)
{
	struct keeper_ether e;

	if (l->fd >= 0 || keeper_batman_socket(l->daemon->keeper, which, &e, l->why) < 0)
		return;
	l->fd = e.fd;
	if (watch(l->daemon, e.fd, on_link, l, &l->watch, l->why) < 0) {
		close_watched(&l->watch, &l->fd);
		return;
	}
	b->is_stale |= !l->is_known || memcmp(l->address, e.address, 6) != 0;
	l->is_known = true;
	l->mtu_bytes = e.mtu_bytes;
	memcpy(l->address, e.address, 6);
	l->why[0] = '\0';
	log_notice(l->daemon->log, "batman_interface", log_str("interface", l->name),
		   log_u64("mtu", l->mtu_bytes));
	if (b->node && !b->is_stale)
		batnode_set_link(b->node, l->at, true, loop_now_us());
}

static void open_tap(struct daemon *d, struct batman *b)
{
	struct keeper_ether e;

	if (b->tap_fd >= 0 || keeper_batman_tap(d->keeper, &e, b->tap_why) < 0)
		return;
	b->tap_fd = e.fd;
	if (watch(d, e.fd, on_tap, d, &b->tap_watch, b->tap_why) < 0) {
		close_watched(&b->tap_watch, &b->tap_fd);
		return;
	}
	b->is_stale |= memcmp(b->tap_address, e.address, 6) != 0;
	memcpy(b->tap_address, e.address, 6);
	b->tap_mtu_bytes = e.mtu_bytes;
}

/* With all interfaces that have ever been there: what is away now may come back. */
static void make_node(struct daemon *d, struct batman *b)
{
	struct batnode_config config = { .elp_interval_ms = 500, .ogm_interval_ms = 1000 };
	uint64_t mbps = d->options->config->batman_throughput_mbps;
	uint64_t now_us = loop_now_us();

	batnode_free(b->node);
	b->node = NULL;
	memcpy(config.client, b->tap_address, 6);
	for (size_t i = 0; i < b->n_links; i++) {
		struct batnode_interface *to = &config.interfaces[config.n_interfaces];

		if (!b->links[i].is_known)
			continue;
		memcpy(to->address, b->links[i].address, 6);
		to->throughput = (uint32_t)(mbps * UNITS_PER_MBPS);
		b->links[i].at = config.n_interfaces++;
	}
	if (batnode_new(&config, &b->rng, now_us, &b->node) < 0) {
		(void)snprintf(b->tap_why, sizeof(b->tap_why), "out of memory");
		return;
	}
	b->is_stale = false;
	for (size_t i = 0; i < b->n_links; i++)
		if (b->links[i].is_known && b->links[i].fd < 0)
			batnode_set_link(b->node, b->links[i].at, false, now_us);
	batnode_tick(b->node, now_us);
	drain(b);
}

/* On where it is at least at one interface; what is missing of it is told in any case. */
static void tell(struct daemon *d)
{
	const struct batman *b = d->batman;
	bool is_on = b->node && b->tap_fd >= 0;
	const char *why = b->tap_why;
	size_t n_open = 0;

	for (size_t i = b->n_links; i-- > 0;) {
		n_open += b->links[i].fd >= 0;
		if (b->links[i].fd < 0)
			why = b->links[i].why;
	}
	daemon_feature(d, "batman", is_on && n_open > 0, why);
}

/* Once a second. */
void batman_tick(struct daemon *d)
{
	struct batman *b = d->batman;
	bool has_link = false;

	if (!b)
		return;
	for (unsigned i = 0; i < b->n_links; i++) {
		open_link(b, &b->links[i], i);
		has_link |= b->links[i].fd >= 0;
	}
	if (has_link)
		open_tap(d, b);
	if (b->tap_fd >= 0 && (b->is_stale || !b->node))
		make_node(d, b);
	tell(d);
}

int batman_start(struct daemon *d)
{
	const struct config *c = d->options->config;
	uint64_t seed;
	struct batman *b;

	if (c->n_batman_interfaces == 0)
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	d->batman = b;
	b->tap_fd = -1;
	for (size_t i = 0; i < c->n_batman_interfaces; i++)
		b->links[b->n_links++] = (struct batman_link){ .daemon = d,
							       .name = c->batman_interfaces[i],
							       .fd = -1 };
	entropy_fill(&kernel_entropy, (uint8_t *)&seed, sizeof(seed));
	rng_seed(&b->rng, seed);
	return loop_timer_new(d->loop, on_timer, d, &b->timer);
}

/* The loop, which watched, is gone. */
void batman_end(struct daemon *d)
{
	struct batman *b = d->batman;

	if (!b)
		return;
	for (size_t i = 0; i < b->n_links; i++)
		if (b->links[i].fd >= 0)
			(void)close(b->links[i].fd);
	if (b->tap_fd >= 0)
		(void)close(b->tap_fd);
	batnode_free(b->node);
	free(b);
	d->batman = NULL;
}

/* For the keeper, before it forks; false where it is off. */
bool batman_options_fill(const struct config *c, struct keeper_batman *ret)
{
	for (size_t i = 0; i < c->n_batman_interfaces; i++)
		ret->interfaces[ret->n_interfaces++] = c->batman_interfaces[i];
	for (size_t i = 0; i < c->n_batman_addresses; i++) {
		struct netlink_prefix *to = &ret->addresses[ret->n_addresses++];

		memcpy(to->ip, c->batman_addresses[i].ip, sizeof(to->ip));
		to->len = c->batman_addresses[i].len;
	}
	ret->tap = c->batman_tap;
	return ret->n_interfaces > 0;
}

/* ---- what it knows ---- */

static json_t *mac_json(const uint8_t a[6])
{
	char text[18];

	(void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3],
		       a[4], a[5]);
	return json_string(text);
}

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static void set_u64(json_t *object, const char *key, uint64_t value)
{
	set(object, key, json_integer((json_int_t)value));
}

static json_t *links_json(const struct batman *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->n_links; i++) {
		const struct batman_link *l = &b->links[i];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:b, s:s, s:o, s:I}", "name", l->name, "is_open",
					l->fd >= 0, "why", l->why, "address",
					l->is_known ? mac_json(l->address) : json_null(), "mtu",
					(json_int_t)l->mtu_bytes));
	}
	return list;
}

static json_t *counters_json(const struct batman_counters *c)
{
	json_t *j = json_object();

	set_u64(j, "frames_in", c->in);
	set_u64(j, "frames_out", c->out);
	set_u64(j, "from_host", c->from_host);
	set_u64(j, "to_host", c->to_host);
	set_u64(j, "malformed", c->malformed);
	set_u64(j, "not_for_us", c->not_for_us);
	set_u64(j, "no_way", c->no_way);
	set_u64(j, "table_full", c->full);
	set_u64(j, "too_long", c->too_long);
	set_u64(j, "unsent", c->unsent);
	return j;
}

/* In brief, for `x0 status`; null where it is off. */
json_t *batman_status(const struct daemon *d)
{
	const struct batman *b = d->batman;
	struct batnode_originator o;
	struct batnode_neighbour v;
	size_t cursor = 0, n_neighbours = 0, n_originators = 0, n_clients = 0;
	json_t *j;

	if (!b)
		return json_null();
	while (b->node && batnode_next_neighbour(b->node, &cursor, &v))
		n_neighbours++;
	cursor = 0;
	while (b->node && batnode_next_originator(b->node, &cursor, &o)) {
		n_originators += o.throughput > 0;
		n_clients += o.n_clients;
	}
	j = json_pack("{s:b, s:s, s:s, s:I, s:o}", "is_on", b->node && b->tap_fd >= 0, "device",
		      d->options->config->batman_tap, "why", b->tap_why, "mtu",
		      (json_int_t)b->tap_mtu_bytes, "interfaces", links_json(b));
	set(j, "address", b->node ? mac_json(b->tap_address) : json_null());
	set_u64(j, "neighbours", n_neighbours);
	set_u64(j, "originators", n_originators);
	set_u64(j, "clients", n_clients);
	set(j, "counters", counters_json(&b->counters));
	return j;
}

static json_t *originator_json(const struct batman *b, const struct batnode_originator *o,
			       uint64_t now_us)
{
	json_t *j = json_object();
	bool has_way = o->throughput > 0;

	set(j, "originator", mac_json(o->address));
	set(j, "is_reachable", json_boolean(has_way));
	set(j, "next_hop", has_way ? mac_json(o->next_hop) : json_null());
	for (size_t i = 0; i < b->n_links; i++)
		if (has_way && b->links[i].is_known && b->links[i].at == o->interface)
			set(j, "interface", json_string(b->links[i].name));
	set_u64(j, "throughput_kbps", (uint64_t)o->throughput * KBPS_PER_UNIT);
	set_u64(j, "metric", has_way ? batwire_metric_of(o->throughput) : 0);
	set_u64(j, "heard_us_ago", now_us - min_u64(now_us, o->heard_us));
	set_u64(j, "clients", o->n_clients);
	set(j, "is_table_known", json_boolean(o->is_in_step));
	return j;
}

/* The same with everybody in that mesh, for `x0 batman gateway`. */
json_t *batman_gateway(const struct daemon *d)
{
	const struct batman *b = d->batman;
	json_t *j = batman_status(d);
	json_t *list = json_array();
	struct batnode_originator o;
	uint64_t now_us = loop_now_us();
	size_t cursor = 0;

	while (b && b->node && json_array_size(list) < ORIGINATORS_TOLD &&
	       batnode_next_originator(b->node, &cursor, &o))
		(void)json_array_append_new(list, originator_json(b, &o, now_us));
	return json_pack("{s:o, s:o}", "gateway", j, "originators", list);
}
