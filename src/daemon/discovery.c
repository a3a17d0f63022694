/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery on the LAN: beacons between the sockets and the core, and whom the node is told to
 * meet. What it costs is bounded: how much is read, and what the core does with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/discover/discover.h"
#include "daemon/daemon_internal.h"
#include "shell/lan/lan.h"

#define READS_PER_S 4000   /* datagrams; a flood waits in the socket's buffer, and falls out */
#define REFRESH_US MS(100) /* after the kernel's word, for there will be more */
#define REFRESH_AGAIN_US SECONDS(5)

struct discovery {
	struct daemon *daemon;
	struct lan *lan;
	struct discover *core;
	struct loop_fd *watch[LAN_FDS];
	struct loop_timer *timer;
	uint64_t refresh_us; /* look at the interfaces then; NEVER_US for not */
	unsigned n_read;     /* in this second */
	bool is_paused;
	uint64_t n_paused; /* seconds in which more came than is read */
	char why[LAN_WHY_SIZE];
};

/* ---- out ---- */

static void arm(struct discovery *w)
{
	loop_timer_arm(w->timer, min_u64(discover_deadline_us(w->core), w->refresh_us));
}

static void meet(struct daemon *d, const struct discover_action *a, uint64_t now_us)
{
	char endpoint[ENDPOINT_TEXT_SIZE];
	char id[17];

	if (node_meet(d->node, &a->endpoint, a->node_id, now_us) < 0)
		return; /* there is one by now, or it failed a moment ago */
	node_id_text(a->node_id, id);
	endpoint_format(&a->endpoint, endpoint);
	log_info(d->log, "lan_met", log_str("peer", id), log_str("endpoint", endpoint));
}

/* What cannot be sent is as if the network had lost it: there is a next time. */
static void drain(struct discovery *w, uint64_t now_us)
{
	struct discover_action a;
	bool has_met = false;

	while (discover_next_action(w->core, &a)) {
		switch (a.type) {
		case DISCOVER_SEND_ALL:
			(void)lan_send_all(w->lan, a.interface, a.is_ipv4, SPAN_OF(a.data));
			break;
		case DISCOVER_SEND:
			(void)lan_send(w->lan, a.interface, &a.endpoint, SPAN_OF(a.data));
			break;
		case DISCOVER_MEET:
			meet(w->daemon, &a, now_us);
			has_met = true;
			break;
		}
	}
	arm(w);
	if (has_met)
		daemon_drain(w->daemon);
}

/* ---- in ---- */

static bool is_linked(void *arg, uint64_t node_id, uint32_t boot_epoch)
{
	const struct daemon *d = arg;

	return node_is_linked(d->node, node_id, boot_epoch);
}

static void set_reading(struct discovery *w, bool is_on)
{
	for (unsigned i = 0; i + 1 < LAN_FDS; i++)
		if (w->watch[i])
			(void)loop_fd_set_events(w->watch[i], is_on ? LOOP_READABLE : 0);
	w->is_paused = !is_on;
	w->n_paused += !is_on;
}

static void on_beacon(void *arg, uint32_t interface, const struct endpoint *from,
		      struct span datagram)
{
	struct discovery *w = arg;

	discover_input(w->core, interface, from, datagram, loop_now_us());
}

static void on_beacons(void *arg, unsigned events, uint64_t now_us)
{
	struct discovery *w = arg;

	(void)events;
	w->n_read += lan_receive(w->lan, on_beacon, w);
	if (w->n_read >= READS_PER_S)
		set_reading(w, false); /* until the second is over */
	drain(w, now_us);
}

/* ---- interfaces ---- */

static void refresh(struct discovery *w, uint64_t now_us)
{
	const struct lan_interface *list;
	uint32_t before[DISCOVER_INTERFACES_MAX];
	size_t n_before = discover_interfaces(w->core, before);
	int r = lan_refresh(w->lan);
	size_t n = lan_interfaces(w->lan, &list);

	w->refresh_us = r < 0 ? now_us + REFRESH_AGAIN_US : NEVER_US;
	for (size_t i = 0; i < n_before; i++) {
		bool is_there = false;

		for (size_t k = 0; k < n; k++)
			is_there |= list[k].index == before[i];
		if (!is_there)
			discover_interface_remove(w->core, before[i]);
	}
	for (size_t k = 0; k < n; k++)
		(void)discover_interface_add(w->core, list[k].index, list[k].has_ipv4,
					     list[k].has_ipv6, now_us);
}

static void on_change(void *arg, unsigned events, uint64_t now_us)
{
	struct discovery *w = arg;

	(void)events;
	if (lan_has_changed(w->lan))
		w->refresh_us = min_u64(w->refresh_us, now_us + REFRESH_US);
	arm(w);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct discovery *w = arg;

	if (now_us >= w->refresh_us)
		refresh(w, now_us);
	discover_tick(w->core, now_us);
	drain(w, now_us);
}

/* ---- life ---- */

_Static_assert(LAN_INTERFACES_MAX <= DISCOVER_INTERFACES_MAX, "all that lan/ tells fit");

static void open_sockets(struct daemon *d)
{
	const struct config *c = d->config;
	const struct lan_options o = { .port = DISCOVER_PORT,
				       .skip = c->tun_name,
				       .only = c->discovery_interfaces };
	struct discovery *w = d->discovery;

	if (lan_open(&o, &w->lan, w->why) < 0) {
		daemon_feature(d, "discovery.lan", false, w->why);
		return;
	}
	for (unsigned is_ipv4 = 0; is_ipv4 < 2; is_ipv4++)
		if (lan_socket(w->lan, is_ipv4) >= 0)
			networks_mark_socket(d, lan_socket(w->lan, is_ipv4));
}

int discovery_open(struct daemon *d)
{
	struct discovery *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	d->discovery = w;
	w->daemon = d;
	w->refresh_us = 0;
	if (d->config->discovery_lan)
		open_sockets(d);
	else
		(void)snprintf(w->why, sizeof(w->why), "switched off in the configuration");
	return 0;
}

/* The ports at which neighbours on a LAN reach the mesh sockets: at [::] and 0.0.0.0, or where one
 * is bound to an address of IPv4 or of a link. */
static void fill_ports(const struct daemon *d, struct discover_config *ret)
{
	for (size_t i = 0; i < d->n_udp; i++) {
		struct endpoint local = *udp_bound(d->udp[i]);
		uint16_t port = local.port;
		bool is_any;

		local.port = 0;
		local.scope = 0;
		is_any = endpoint_is_null(&local);
		if (is_any || endpoint_is_ipv4(&local))
			ret->port_ipv4 = ret->port_ipv4 ? ret->port_ipv4 : port;
		if (is_any || (!endpoint_is_ipv4(&local) && endpoint_is_link_local(&local)))
			ret->port_ipv6 = ret->port_ipv6 ? ret->port_ipv6 : port;
	}
}

static void set_keys(struct discovery *w)
{
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	uint8_t plain[NODE_NETWORK_KEYS_MAX][NETWORK_KEY_LEN];
	size_t n = node_network_keys(w->daemon->node, keys);

	for (size_t i = 0; i < n; i++)
		memcpy(plain[i], keys[i].key, NETWORK_KEY_LEN);
	discover_set_keys(w->core, (const uint8_t(*)[NETWORK_KEY_LEN])plain, n);
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(plain, sizeof(plain));
}

static int watch(struct discovery *w)
{
	loop_fd_handler *const handlers[LAN_FDS] = { on_beacons, on_beacons, on_change };
	struct loop *loop = w->daemon->loop;
	int fds[LAN_FDS];
	int r = loop_timer_new(loop, on_timer, w, &w->timer);

	lan_fds(w->lan, fds);
	for (unsigned i = 0; r == 0 && i < LAN_FDS; i++)
		if (fds[i] >= 0)
			r = loop_fd_new(loop, fds[i], LOOP_READABLE, handlers[i], w, &w->watch[i]);
	return r;
}

int discovery_start(struct daemon *d)
{
	struct discovery *w = d->discovery;
	struct discover_config c = {
		.ops = d->ops,
		.entropy = kernel_entropy,
		.self = d->member->node_id,
		.boot_epoch = (uint32_t)d->boot_epoch,
		.is_linked = is_linked,
		.arg = d,
	};
	int r;

	if (!w->lan)
		return 0;
	fill_ports(d, &c);
	if (c.port_ipv4 == 0 && c.port_ipv6 == 0) {
		(void)snprintf(w->why, sizeof(w->why),
			       "no address in `listen` can be reached from a LAN: [::] can");
		daemon_feature(d, "discovery.lan", false, w->why);
		lan_free(w->lan);
		w->lan = NULL;
		return 0;
	}
	entropy_fill(&kernel_entropy, (uint8_t *)&c.seed, sizeof(c.seed));
	r = discover_new(&c, &w->core);
	if (r < 0)
		return r;
	set_keys(w);
	r = watch(w);
	if (r < 0)
		return r;
	refresh(w, loop_now_us());
	arm(w);
	return 0;
}

void discovery_tick(struct daemon *d)
{
	struct discovery *w = d->discovery;

	if (!w->core)
		return;
	set_keys(w);
	w->n_read = 0;
	if (w->is_paused)
		set_reading(w, true);
	arm(w);
}

void discovery_link_lost(struct daemon *d)
{
	struct discovery *w = d->discovery;

	if (!w->core)
		return;
	discover_hasten(w->core, loop_now_us());
	arm(w);
}

void discovery_end(struct daemon *d)
{
	if (!d->discovery)
		return;
	discover_free(d->discovery->core);
	lan_free(d->discovery->lan);
	free(d->discovery);
	d->discovery = NULL;
}

/* ---- views ---- */

static json_t *interfaces_json(const struct discovery *w)
{
	const struct lan_interface *list;
	size_t n = lan_interfaces(w->lan, &list);
	json_t *j = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(j, json_string(list[i].name));
	return j;
}

static json_t *nodes_json(const struct discovery *w)
{
	uint64_t now_us = loop_now_us();
	json_t *list = json_array();
	struct discover_heard h;
	size_t cursor = 0;

	while (discover_next_heard(w->core, &cursor, &h)) {
		char endpoint[ENDPOINT_TEXT_SIZE];
		char name[NODE_NAME_MAX + 1];
		char id[17];

		endpoint_format(&h.endpoint, endpoint);
		node_id_text(h.node_id, id);
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:I, s:b}", "node",
				  node_name_of(w->daemon->node, h.node_id, name) ? name : id,
				  "node_id", id, "endpoint", endpoint, "heard_s_ago",
				  (json_int_t)((now_us - min_u64(now_us, h.heard_us)) / US_PER_S),
				  "is_linked", (int)node_is_linked(w->daemon->node, h.node_id, 0)));
	}
	return list;
}

static json_t *counters_json(const struct discovery *w)
{
	const struct discover_counters *c = discover_counters(w->core);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "hellos_sent",
			 (json_int_t)c->hellos_sent, "answers_sent", (json_int_t)c->answers_sent,
			 "beacons_heard", (json_int_t)c->heard, "beacons_met", (json_int_t)c->met,
			 "beacons_forged", (json_int_t)c->forged, "beacons_malformed",
			 (json_int_t)c->malformed, "beacons_replayed", (json_int_t)c->replayed,
			 "beacons_limited", (json_int_t)c->limited, "seconds_flooded",
			 (json_int_t)w->n_paused);
}

json_t *discovery_json(const struct daemon *d)
{
	const struct discovery *w = d->discovery;

	if (!w->core)
		return json_pack("{s:b, s:s}", "is_on", 0, "why", w->why);
	return json_pack("{s:b, s:o, s:i, s:o, s:o}", "is_on", 1, "interfaces", interfaces_json(w),
			 "interfaces_left_out", (int)lan_left_out(w->lan), "nodes", nodes_json(w),
			 "counters", counters_json(w));
}
