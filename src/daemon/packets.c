/* SPDX-License-Identifier: Apache-2.0 */
/* The way of datagrams and packets between the kernel and the node, in batches: what one batch
 * leads to is sent before the next is looked at, and each socket has its turn after a bounded
 * amount of bytes of another. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "daemon/daemon_internal.h"
#include "daemon/threads.h"
#include "daemon/tracing.h"

/* ---- out of the node ---- */

/* Of several sockets the first of the right family; [::] takes both. */
struct udp *packets_socket_for(struct udp *const *list, size_t n, const struct endpoint *to)
{
	for (size_t i = 0; i < n; i++) {
		struct endpoint local = *udp_bound(list[i]);

		if (endpoint_is_ipv4(to) == endpoint_is_ipv4(&local))
			return list[i];
		local.port = 0;
		local.scope = 0;
		if (endpoint_is_null(&local))
			return list[i];
	}
	return NULL;
}

static enum udp_class class_of(const struct node_action *a)
{
	static const enum udp_class classes[] = {
		[CLASS_BULK] = UDP_BULK,
		[CLASS_INTERACTIVE] = UDP_INTERACTIVE,
		[CLASS_CRITICAL] = UDP_CRITICAL,
	};

	return a->is_control ? UDP_CONTROL : classes[a->class];
}

bool packets_take(struct daemon *d, const struct node_action *a)
{
	struct udp *u;

	switch (a->type) {
	case NODE_SEND:
		u = packets_socket_for(d->udp, d->n_udp, &a->endpoint);
		if (u && a->dont_fragment)
			path_probe_send(d, u, a);
		else if (u) /* the room counts what fails */
			udp_queue(u, &a->endpoint, class_of(a), a->traffic_class, a->data);
		return true;
	case NODE_DELIVER:
		if (d->has_queues && d->tun)
			threads_deliver(d->threads, a->data);
		else if (d->tun)
			tun_send(d->tun, a->data);
		else
			d->tun_missing++;
		return true;
	default:
		return false;
	}
}

/* While something waits for room in the socket's buffer. */
static void watch_blocked(struct daemon *d, size_t i)
{
	bool is_blocked = udp_is_blocked(d->udp[i]);

	if (is_blocked == d->is_udp_blocked[i] || !d->udp_watch[i])
		return;
	d->is_udp_blocked[i] = is_blocked;
	(void)loop_fd_set_events(d->udp_watch[i], LOOP_READABLE | (is_blocked ? LOOP_WRITABLE : 0));
}

void packets_flush(struct daemon *d)
{
	for (size_t i = 0; i < d->n_udp; i++) {
		udp_flush(d->udp[i]);
		watch_blocked(d, i);
	}
	if (d->has_queues && d->tun)
		threads_flush(d->threads);
	else if (d->tun)
		tun_flush(d->tun);
}

#define PAUSE_US MS(5)

/* ---- into the node ---- */

static void end_batch(void *arg)
{
	struct daemon *d = arg;

	daemon_act(d);
	d->batch_us = loop_now_us();
}

static void on_datagram(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct daemon *d = arg;

	node_input_lent(d->node, from, traffic_class, bytes, len, d->batch_us);
}

static void on_packet(void *arg, struct span packet)
{
	struct daemon *d = arg;

	node_input_packet(d->node, packet, d->batch_us);
	if (++d->n_batch >= PACKETS_BATCH) {
		d->n_batch = 0;
		end_batch(d);
	}
}

/* After a pause much may wait, which shall not all go out by an interface that is gone. */
static void begin_reading(struct daemon *d, uint64_t now_us)
{
	if (now_us > d->turned_us + PAUSE_US)
		carrier_look(d);
	d->batch_us = now_us;
}

void packets_read(struct daemon *d, uint64_t now_us)
{
	begin_reading(d, now_us);
	for (size_t i = 0; i < d->n_udp; i++)
		(void)udp_receive(d->udp[i], on_datagram, end_batch, d);
}

static void on_refusal(void *arg, const struct endpoint *to)
{
	struct daemon *d = arg;

	node_refused(d->node, to, loop_now_us());
}

/* A descriptor with an error is watched no longer, until it is said so again. */
static void hear_errors(struct daemon *d)
{
	for (size_t i = 0; i < d->n_udp; i++) {
		udp_receive_errors(d->udp[i], on_refusal, d);
		(void)loop_fd_set_events(d->udp_watch[i],
					 LOOP_READABLE |
						 (d->is_udp_blocked[i] ? LOOP_WRITABLE : 0));
		if (d->urgent_watch[i])
			(void)loop_fd_set_events(d->urgent_watch[i], LOOP_READABLE);
	}
}

static void on_udp(void *arg, unsigned events, uint64_t now_us)
{
	struct daemon *d = arg;

	if (events & LOOP_WRITABLE)
		packets_flush(d);
	packets_read(d, now_us);
	if (events & LOOP_ERROR)
		hear_errors(d);
	daemon_drain(d);
	tracing_forward(d, "network", now_us);
}

/* Without asking the other sockets, which have an event of their own: a system call less on the
 * way of a small packet. */
static void on_urgent(void *arg, unsigned events, uint64_t now_us)
{
	struct daemon *d = arg;

	begin_reading(d, now_us);
	for (size_t i = 0; i < d->n_udp; i++)
		(void)udp_receive_urgent(d->udp[i], on_datagram, end_batch, d);
	if (events & LOOP_ERROR)
		hear_errors(d);
	daemon_drain(d);
	tracing_forward(d, "network", now_us);
}

int packets_watch_udp(struct daemon *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_udp; i++) {
		int urgent = udp_urgent_fd(d->udp[i]);

		r = loop_fd_new(d->loop, udp_fd(d->udp[i]), LOOP_READABLE, on_udp, d,
				&d->udp_watch[i]);
		if (r == 0 && urgent >= 0)
			r = loop_fd_new(d->loop, urgent, LOOP_READABLE, on_urgent, d,
					&d->urgent_watch[i]);
	}
	return r;
}

/* Somebody deleted the device. */
void packets_lose_tunnel(struct daemon *d)
{
	if (d->threads)
		threads_stop(d->threads);
	loop_fd_free(d->tun_watch);
	d->tun_watch = NULL;
	tun_free(d->tun);
	d->tun = NULL;
	d->is_tun_lost = true;
	daemon_feature(d, "tunnel", false, "the device was deleted; it is made again at once");
}

static void on_tun(void *arg, unsigned events, uint64_t now_us)
{
	struct daemon *d = arg;
	size_t bytes = 0;
	int r = events & LOOP_ERROR ? -EBADFD : 0;

	d->batch_us = now_us;
	d->n_batch = 0;
	for (unsigned i = 0; r >= 0 && i < TUN_READS && bytes < TUN_READ_BYTES; i++) {
		r = tun_receive(d->tun, on_packet, d);
		if (r < 0)
			break;
		bytes += (size_t)r;
		/* The first goes at once, as it may be the only one; a super-packet is a message of
		 * its own. */
		if (i == 0 || d->n_batch >= PACKETS_BATCH / 2) {
			d->n_batch = 0;
			end_batch(d);
		}
	}
	daemon_drain(d);
	tracing_forward(d, "tunnel", now_us);
	if (r == -EBADFD)
		packets_lose_tunnel(d);
}

/* ---- the tunnel and its offloads ---- */

int packets_watch_tunnel(struct daemon *d)
{
	if (!d->tun)
		return 0;
	if (d->has_queues)
		return threads_start(d->threads);
	return loop_fd_new(d->loop, tun_fd(d->tun), LOOP_READABLE, on_tun, d, &d->tun_watch);
}

static bool is_own_address_there(const struct daemon *d)
{
	struct sockaddr_in6 own = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_there;

	if (fd < 0)
		return true; /* cannot be told */
	memcpy(&own.sin6_addr, node_overlay_address(d->node), sizeof(own.sin6_addr));
	is_there =
		bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0 || errno != EADDRNOTAVAIL;
	(void)close(fd);
	return is_there;
}

static bool is_tunnel_up(const struct daemon *d)
{
	struct ifaddrs *list;
	bool is_up = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		is_up |= strcmp(i->ifa_name, d->options->config->tun_name) == 0 &&
			 i->ifa_flags & IFF_UP;
	freeifaddrs(list);
	return is_up;
}

/* A device that was deleted is made again. One that somebody set down loses its address in the
 * kernel: it stays down as long as they want, and has its address again once it is up. */
void packets_check_tunnel(struct daemon *d)
{
	struct netlink_prefix address = { .len = OVERLAY_PREFIX_BITS };
	char why[KEEPER_WHY_SIZE];

	if (d->is_tun_lost) {
		daemon_open_tunnel(d);
		keeper_guard_begin(d->keeper);
		if (packets_watch_tunnel(d) < 0) {
			tun_free(d->tun);
			d->tun = NULL;
			daemon_feature(d, "tunnel", false, "out of memory or descriptors");
		}
		d->is_tun_lost = !d->tun;
		return;
	}
	if (!d->tun || is_own_address_there(d) || !is_tunnel_up(d))
		return;
	memcpy(address.ip, node_overlay_address(d->node), sizeof(address.ip));
	if (keeper_address_add(d->keeper, &address, why) == 0) {
		log_notice(d->log, "tunnel_address_restored");
		networks_tunnel_opened(d);
	} else {
		log_warning(d->log, "tunnel_address_lost", log_str("why", why));
	}
}

static unsigned tun_wanted(const struct config *c)
{
	return c->offload_tun ? TUN_OFFLOADS_ALL : 0;
}

static unsigned udp_wanted(const struct config *c)
{
	return (c->offload_batch ? 1U << UDP_OFFLOAD_BATCH : 0) |
	       (c->offload_udp_gso ? 1U << UDP_OFFLOAD_GSO : 0) |
	       (c->offload_udp_gro ? 1U << UDP_OFFLOAD_GRO : 0) |
	       (c->offload_urgent ? 1U << UDP_OFFLOAD_URGENT : 0);
}

void packets_offload(struct daemon *d)
{
	const char *why;
	unsigned n = threads_wanted(d->config, &why);

	for (size_t i = 0; i < d->n_udp; i++)
		udp_offload(d->udp[i], udp_wanted(d->config));
	if (n > 0 && threads_new(d, n, udp_wanted(d->config), &d->threads) < 0)
		why = "this kernel cannot share a port between sockets (Linux 4.5)";
	if (why[0])
		daemon_feature(d, "threads", false, why);
}

/* A queue for each thread, to which the loop writes too; d->tun, the first one again, is to know
 * the device by. Without queues the loop reads as well. */
static int open_queues(struct daemon *d, int *ret_fd, unsigned *ret_offloads,
		       char why[KEEPER_WHY_SIZE])
{
	unsigned wanted = tun_wanted(d->options->config) | TUN_MANY_QUEUES;
	int r = 0;

	*ret_fd = -1;
	for (unsigned i = 0; r == 0 && i < threads_count(d->threads); i++) {
		int fd;

		r = keeper_tun_open(d->keeper, wanted, &fd, ret_offloads, why);
		if (r == 0 && i == 0)
			*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (r == 0 && threads_add_queue(d->threads, fd, *ret_offloads) < 0) {
			(void)close(fd);
			r = -ENOMEM;
		}
	}
	if (r == 0 && *ret_fd < 0)
		r = -EMFILE;
	if (r == 0)
		return 0;
	if (!why[0])
		(void)snprintf(why, KEEPER_WHY_SIZE, "out of memory or descriptors");
	if (*ret_fd >= 0)
		(void)close(*ret_fd);
	threads_drop_queues(d->threads);
	return r;
}

int packets_open_tunnel(struct daemon *d, char why[KEEPER_WHY_SIZE])
{
	unsigned offloads;
	int fd;
	int r = -ENOTSUP;

	if (d->threads)
		r = open_queues(d, &fd, &offloads, why);
	d->has_queues = r == 0;
	if (d->threads)
		daemon_feature(d, "threads", r == 0, r == 0 ? "" : why);
	if (r < 0)
		r = keeper_tun_open(d->keeper, tun_wanted(d->options->config), &fd, &offloads, why);
	if (r < 0)
		return r;
	r = tun_new(fd, offloads, &d->tun);
	if (r < 0) {
		(void)close(fd);
		(void)snprintf(why, KEEPER_WHY_SIZE, "out of memory");
	}
	return r;
}

static void tell(json_t *list, const char *name, const char *why_off)
{
	(void)json_array_append_new(list,
				    json_pack("{s:s, s:b, s:s}", "name", name, "is_on",
					      why_off == NULL, "why", why_off ? why_off : ""));
}

static const char *tun_why_off(const struct daemon *d, unsigned offload, const char *missing)
{
	if (tun_offloads(d->tun) & offload)
		return NULL;
	return d->options->config->offload_tun ? missing : "switched off in the configuration";
}

void packets_features(const struct daemon *d, json_t *list)
{
	static const char *const names[UDP_N_OFFLOADS] = {
		[UDP_OFFLOAD_BATCH] = "offload.batch",
		[UDP_OFFLOAD_GSO] = "offload.udp_gso",
		[UDP_OFFLOAD_GRO] = "offload.udp_gro",
		[UDP_OFFLOAD_URGENT] = "offload.urgent",
	};

	if (d->tun) {
		tell(list, "offload.tun",
		     tun_why_off(d, TUN_OFFLOAD_TCP, "this kernel's TUN device lacks it"));
		tell(list, "offload.tun.udp",
		     tun_why_off(d, TUN_OFFLOAD_UDP,
				 "this kernel's TUN device lacks it (Linux 6.2)"));
	}
	for (unsigned o = 0; o < UDP_N_OFFLOADS; o++)
		if (d->n_udp > 0)
			tell(list, names[o], udp_offload_why_off(d->udp[0], (enum udp_offload)o));
}
