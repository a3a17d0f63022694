/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink, nftables and the TUN device together, in a network namespace of our own. */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/netlink/netlink.h"
#include "shell/netlink/test_netns.h"
#include "shell/tun/tun.h"

static const struct netlink_prefix overlay = { .ip = { 0xfd, 1, 2, 3, 4, 5 }, .len = 48 };
static const struct netlink_prefix own = { .ip = { 0xfd, 1, 2, 3, 4, 5, [15] = 1 }, .len = 128 };
static const struct netlink_prefix other = { .ip = { 0xfd, 1, 2, 3, 4, 5, [15] = 2 }, .len = 128 };

struct net {
	struct netlink *netlink;
	struct netlink_link link;
	int tun;
};

static int set_up(void **state)
{
	struct net *net = calloc(1, sizeof(*net));
	char why[TUN_WHY_SIZE];

	assert_non_null(net);
	*state = net;
	net->tun = tun_open("x0", why);
	if (net->tun < 0)
		print_message("%s\n", why);
	assert_true(net->tun >= 0);
	assert_int_equal(netlink_new(&net->netlink), 0);
	assert_int_equal(netlink_link(net->netlink, "x0", &net->link), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct net *net = *state;

	(void)close(net->tun);
	netlink_free(net->netlink);
	free(net);
	return 0;
}

static void a_link_is_found_raised_and_sized(void **state)
{
	struct net *net = *state;
	struct netlink_link link;

	assert_false(net->link.is_up);
	assert_int_equal(netlink_link_set_mtu(net->netlink, net->link.index, 1344), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_link(net->netlink, "x0", &link), 0);
	assert_true(link.is_up);
	assert_int_equal(link.mtu_bytes, 1344);
	assert_int_equal(netlink_link(net->netlink, "nothere", &link), -ENODEV);
	assert_int_equal(netlink_link(net->netlink, "a-name-that-is-too-long", &link), -ENODEV);
	assert_int_equal(netlink_link_set_mtu(net->netlink, net->link.index, 7), -EINVAL);
}

static bool is_listed(const struct netlink_prefix *list, int n, const struct netlink_prefix *p)
{
	for (int i = 0; i < n; i++) {
		if (list[i].len == p->len && memcmp(list[i].ip, p->ip, 16) == 0)
			return true;
	}
	return false;
}

static void an_address_is_usable_at_once(void **state)
{
	struct net *net = *state;
	struct netlink_prefix list[8];
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	int fd;

	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	memcpy(&a.sin6_addr, own.ip, 16);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0); /* not tentative */
	(void)close(fd);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), -EEXIST);
	assert_true(
		is_listed(list, netlink_addresses(net->netlink, net->link.index, list, 8), &own));
	assert_int_equal(netlink_address_delete(net->netlink, net->link.index, &own), 0);
	assert_false(
		is_listed(list, netlink_addresses(net->netlink, net->link.index, list, 8), &own));
}

static const struct netlink_prefix lan = { .ip = { [10] = 0xff, [11] = 0xff, 192, 168, 7 },
					   .len = 120 };

static void routes_of_ours_are_added_listed_and_deleted(void **state)
{
	struct net *net = *state;
	struct netlink_prefix list[8];
	struct netlink_prefix wide = overlay;

	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	assert_int_equal(netlink_route_add(net->netlink, net->link.index, &overlay), 0);
	assert_int_equal(netlink_route_add(net->netlink, net->link.index, &overlay), 0);
	/* the kernel's own routes are not listed */
	assert_int_equal(netlink_routes(net->netlink, net->link.index, list, 8), 1);
	assert_true(is_listed(list, 1, &overlay));
	assert_int_equal(netlink_routes(net->netlink, net->link.index, NULL, 0), 1);
	assert_int_equal(netlink_table_route_add(net->netlink, 7000, net->link.index, &wide), 0);
	assert_int_equal(netlink_table_route_add(net->netlink, 7000, net->link.index, &lan), 0);
	assert_int_equal(netlink_routes_count(net->netlink, net->link.index), 3);
	assert_int_equal(netlink_routes_count(net->netlink, net->link.index + 1), 0);
	assert_int_equal(netlink_table_route_delete(net->netlink, 7000, net->link.index, &wide), 0);
	assert_int_equal(netlink_table_route_delete(net->netlink, 7000, net->link.index, &lan), 0);
	assert_int_equal(netlink_routes_count(net->netlink, net->link.index), 1);
	assert_int_equal(netlink_route_delete(net->netlink, net->link.index, &overlay), 0);
	assert_int_equal(netlink_route_delete(net->netlink, net->link.index, &overlay), -ESRCH);
	wide.len = 129;
	assert_int_equal(netlink_route_add(net->netlink, net->link.index, &wide), -EINVAL);
}

/* A UDP datagram as it would come out of the tunnel; its checksum does not matter here. */
static size_t packet(uint8_t ret[48], const uint8_t from[16], const uint8_t to[16])
{
	const uint8_t head[8] = { 0x60, 0, 0, 0, 0, 8, 17, 64 };

	memset(ret, 0, 48);
	memcpy(ret, head, sizeof(head));
	memcpy(ret + 8, from, 16);
	memcpy(ret + 24, to, 16);
	ret[44 + 1] = 8;
	return 48;
}

static void packets_pass_the_tunnel_both_ways(void **state)
{
	struct net *net = *state;
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	uint8_t bytes[2048];
	size_t len = 0;
	bool is_seen = false;
	int fd;

	assert_int_equal(tun_write(net->tun, SPAN_STR("\x60")), -EIO); /* the device is down */
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	assert_int_equal(netlink_route_add(net->netlink, net->link.index, &overlay), 0);
	memcpy(&to.sin6_addr, other.ip, 16);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	/* the kernel also says things of its own, such as router solicitations */
	while (!is_seen && tun_read(net->tun, bytes, sizeof(bytes), &len) == 0)
		is_seen = len == 40 + 8 + 5 && memcmp(bytes + 24, other.ip, 16) == 0;
	assert_true(is_seen);
	assert_memory_equal(bytes + 8, own.ip, 16);
	assert_memory_equal(bytes + 48, "hello", 5);
	while (tun_read(net->tun, bytes, sizeof(bytes), &len) == 0)
		;
	assert_int_equal(tun_read(net->tun, bytes, sizeof(bytes), &len), -EAGAIN);

	assert_int_equal(tun_write(net->tun, SPAN(bytes, packet(bytes, other.ip, own.ip))), 0);
	assert_int_equal(tun_write(net->tun, SPAN_STR("\x13")), -EINVAL); /* no IP version */
	(void)close(fd);
}

static void a_taken_name_is_said_so(void **state)
{
	(void)state;
	char why[TUN_WHY_SIZE];

	assert_int_equal(tun_open("x0", why), -EBUSY);
	assert_non_null(strstr(why, "tun.name"));
	assert_int_equal(tun_open("lo", why), -EINVAL);
	assert_int_equal(tun_open("x%d", why), -EINVAL);
	assert_int_equal(tun_open("", why), -EINVAL);
	assert_int_equal(tun_open("a-name-that-is-too-long", why), -EINVAL);
}

static void the_device_goes_with_its_descriptor(void **state)
{
	struct net *net = *state;
	struct netlink_link link;
	char why[TUN_WHY_SIZE];
	int fd = tun_open("x1", why);

	assert_true(fd >= 0);
	assert_int_equal(netlink_link(net->netlink, "x1", &link), 0);
	(void)close(fd);
	assert_int_equal(netlink_link(net->netlink, "x1", &link), -ENODEV);
}

static bool has_nftables(void)
{
	char why[NFT_WHY_SIZE];
	int r = nft_remove("x0", why);

	if (r < 0)
		print_message("skipped: %s\n", why);
	return r == 0;
}

static size_t ipv4_packet(uint8_t ret[28], const uint8_t from[4], const uint8_t to[4])
{
	uint32_t sum = 0;

	memset(ret, 0, 28);
	ret[0] = 0x45;
	ret[3] = 28;
	ret[8] = 64;
	ret[9] = IPPROTO_UDP;
	memcpy(ret + 12, from, 4);
	memcpy(ret + 16, to, 4);
	ret[25] = 8;
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(ret[i] << 8 | ret[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ret[10] = (uint8_t)(sum >> 8);
	ret[11] = (uint8_t)sum;
	return 28;
}

static void forged_ipv4_addresses_are_dropped_and_counted(void **state)
{
	struct net *net = *state;
	static const uint8_t mine[4] = { 10, 86, 0, 1 }, others[4] = { 10, 86, 0, 2 };
	static const uint8_t outside[4] = { 192, 0, 2, 1 };
	const struct netlink_prefix own_ipv4 = { .ip = { [10] = 0xff, [11] = 0xff, 10, 86, 0, 1 },
						 .len = 128 };
	struct nft_guard guard = {
		.overlay = overlay,
		.has_ipv4 = true,
		.ipv4 = { .ip = { [10] = 0xff, [11] = 0xff, 10, 86 }, .len = 112 },
		.tun_name = "a-long-name-015", /* the longest script there is */
		.has_own = true,
	};
	struct nft_counters counters;
	char why[NFT_WHY_SIZE];
	uint8_t bytes[28];
	struct netlink_link l;
	int underlay;

	if (!has_nftables())
		skip();
	memset(guard.overlay.ip, 0xfd, 6);
	underlay = tun_open("eth9", why);
	assert_true(underlay >= 0);
	assert_int_equal(netlink_link(net->netlink, "eth9", &l), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, l.index, true), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own_ipv4), 0);
	assert_int_equal(nft_apply(&guard, why), 0);
	assert_int_equal(nft_remove(guard.tun_name, why), 0);
	(void)snprintf(guard.tun_name, sizeof(guard.tun_name), "x0");
	assert_int_equal(nft_apply(&guard, why), 0);
	assert_int_equal(tun_write(net->tun, SPAN(bytes, ipv4_packet(bytes, others, mine))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, ipv4_packet(bytes, others, mine))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, ipv4_packet(bytes, others, outside))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, ipv4_packet(bytes, outside, mine))), 0);
	/* from a network behind this node, perhaps: the node looks */
	assert_int_equal(tun_write(underlay, SPAN(bytes, ipv4_packet(bytes, outside, others))), 0);
	assert_int_equal(nft_read("x0", &counters, why), 0);
	assert_int_equal(counters.source_packets, 2);
	assert_int_equal(counters.destination_packets, 1);
	assert_int_equal(nft_remove("x0", why), 0);
	(void)close(underlay);
}

static void forged_overlay_addresses_are_dropped_and_counted(void **state)
{
	struct net *net = *state;
	struct nft_guard guard = { .overlay = overlay, .tun_name = "x0" };
	struct nft_counters counters;
	struct netlink_link underlay_link;
	char why[NFT_WHY_SIZE];
	uint8_t bytes[48];
	int underlay;

	if (!has_nftables())
		skip();
	/* a second tunnel plays the interface that the forged packets arrive on */
	underlay = tun_open("eth9", why);
	assert_true(underlay >= 0);
	assert_int_equal(netlink_link(net->netlink, "eth9", &underlay_link), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, underlay_link.index, true), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);

	assert_int_equal(nft_apply(&guard, why), 0);
	const uint8_t outside[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };

	assert_int_equal(tun_write(net->tun, SPAN(bytes, packet(bytes, other.ip, own.ip))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, packet(bytes, other.ip, own.ip))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, packet(bytes, other.ip, outside))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, packet(bytes, outside, own.ip))), 0);
	assert_int_equal(tun_write(underlay, SPAN(bytes, packet(bytes, outside, outside))), 0);
	assert_int_equal(nft_read("x0", &counters, why), 0);
	assert_int_equal(counters.source_packets, 2);
	assert_int_equal(counters.source_bytes, 96);
	assert_int_equal(counters.destination_packets, 1);

	assert_int_equal(nft_apply(&guard, why), 0); /* anew, not a second time */
	assert_int_equal(nft_read("x0", &counters, why), 0);
	assert_int_equal(counters.source_packets, 0);
	assert_int_equal(nft_remove("x0", why), 0);
	assert_int_equal(nft_read("x0", &counters, why), -ENOENT);
	assert_int_equal(nft_remove("x0", why), 0);
	(void)close(underlay);
}

static void send_to_own(const struct netlink_prefix *from)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	const int on = 1;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	/* needs no privilege */
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)), 0);
	memcpy(&a.sin6_addr, from->ip, 16);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	memcpy(&a.sin6_addr, own.ip, 16);
	a.sin6_port = htons(7777);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	(void)close(fd);
}

/* The kernel may deliver over lo a moment after sendto() has returned. */
static bool arrives(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 10000) == 1 && recv(fd, &byte, 1, 0) == 1;
}

/* Sent again each second: on a busy machine what delivers over lo (ksoftirqd) may wait for its turn
 * for seconds, and what was sent before the kernel had put the address in place is lost. */
static bool is_dropped_from(const struct netlink_prefix *source)
{
	struct nft_counters counters = { 0 };
	char why[NFT_WHY_SIZE];

	for (int i = 0; i < 1000 && counters.source_packets == 0; i++) {
		if (i % 100 == 0)
			send_to_own(source);
		assert_int_equal(nft_read("x0", &counters, why), 0);
		(void)poll(NULL, 0, counters.source_packets ? 0 : 10);
	}
	return counters.source_packets > 0;
}

static void a_local_program_cannot_pose_as_another_node(void **state)
{
	struct net *net = *state;
	struct nft_guard guard = { .overlay = overlay, .tun_name = "x0" };
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	struct netlink_link lo;
	char why[NFT_WHY_SIZE];
	char byte;
	int fd;

	if (!has_nftables())
		skip();
	assert_int_equal(netlink_link(net->netlink, "lo", &lo), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, lo.index, true), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	memcpy(&a.sin6_addr, own.ip, 16);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);

	assert_int_equal(nft_apply(&guard, why), 0);
	assert_true(is_dropped_from(&other));
	assert_true(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
	send_to_own(&own);
	assert_true(arrives(fd));
	assert_int_equal(nft_remove("x0", why), 0);
	(void)close(fd);
}

/* As on a kernel whose rules cannot ask whether an address is local. */
static void without_fib_the_nodes_own_address_takes_its_place(void **state)
{
	struct net *net = *state;
	struct nft_guard guard = {
		.overlay = overlay, .tun_name = "x0", .has_own = true, .is_without_fib = true
	};
	struct nft_guard nameless = { .overlay = overlay,
				      .tun_name = "x0",
				      .is_without_fib = true };
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	struct netlink_link lo;
	char why[NFT_WHY_SIZE];
	char byte;
	int fd;

	if (!has_nftables())
		skip();
	memcpy(guard.own, own.ip, sizeof(guard.own));
	assert_int_equal(netlink_link(net->netlink, "lo", &lo), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, lo.index, true), 0);
	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	memcpy(&a.sin6_addr, own.ip, 16);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);

	assert_int_equal(nft_apply(&nameless, why), -EPROTONOSUPPORT); /* no address, no rule */
	assert_int_equal(nft_apply(&guard, why), 0);
	assert_non_null(strstr(why, "nft_fib_inet"));
	assert_true(is_dropped_from(&other));
	assert_true(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
	send_to_own(&own);
	assert_true(arrives(fd));
	assert_int_equal(nft_remove("x0", why), 0);
	(void)close(fd);
}

static void two_tunnels_have_a_table_each(void **state)
{
	(void)state;
	struct nft_guard first = { .overlay = overlay, .tun_name = "x0" };
	struct nft_guard second = { .overlay = overlay, .tun_name = "mesh-2.a" };
	struct nft_counters counters;
	char why[NFT_WHY_SIZE];

	if (!has_nftables())
		skip();
	assert_int_equal(nft_apply(&first, why), 0);
	assert_int_equal(nft_apply(&second, why), 0);
	assert_int_equal(nft_remove("x0", why), 0);
	assert_int_equal(nft_read("x0", &counters, why), -ENOENT);
	assert_int_equal(nft_read("mesh-2.a", &counters, why), 0);
	assert_int_equal(nft_remove("mesh-2.a", why), 0);
	assert_int_equal(nft_read("mesh-2.a", &counters, why), -ENOENT);
}

static void nothing_but_a_plain_name_reaches_nft(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "x\"", "x y", "x;y", "$x", "x{", "x\n" };
	char why[NFT_WHY_SIZE];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct nft_guard guard = { .overlay = overlay };

		(void)snprintf(guard.tun_name, sizeof(guard.tun_name), "%s", wrong[i]);
		assert_int_equal(nft_apply(&guard, why), -EINVAL);
		assert_int_equal(nft_remove(wrong[i], why), -EINVAL);
	}
}

static void without_the_capability_the_kernel_says_no(void **state)
{
	struct net *net = *state;
	char why[TUN_WHY_SIZE];

	/* last of the tests: in a further user namespace we own nothing of this network */
	if (unshare(CLONE_NEWUSER) < 0) {
		print_message("skipped: no further user namespace\n");
		skip();
	}
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), -EPERM);
	int r = tun_open("x2", why);

	assert_true(r == -EPERM || r == -EACCES);
	assert_non_null(strstr(why, "root"));
	r = nft_apply(&(struct nft_guard){ .overlay = overlay, .tun_name = "x0" }, why);
	assert_true(r == -EPERM || r == -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

struct heard {
	unsigned index;
	unsigned n_up, n_down;
};

static void on_interface(void *arg, unsigned index, bool has_carrier)
{
	struct heard *h = arg;

	if (index != h->index)
		return;
	h->n_up += has_carrier;
	h->n_down += !has_carrier;
}

static bool hears(struct netlink_watch *w, struct heard *h, const unsigned *of)
{
	struct pollfd p = { .fd = netlink_watch_fd(w), .events = POLLIN };

	for (unsigned i = 0; i < 50 && *of == 0; i++) {
		(void)poll(&p, 1, 100);
		assert_int_equal(netlink_watch_read(w, on_interface, h), 0);
	}
	return *of > 0;
}

static int run(const char *command)
{
	return system(command); /* NOLINT(cert-env33-c): commands of this file */
}

static void an_interface_that_loses_its_carrier_is_told_at_both_ends(void **state)
{
	struct net *net = *state;
	struct netlink_link a, b;
	struct netlink_watch *w;
	struct heard near = { 0 }, far = { 0 };

	if (run("ip link add va type veth peer name vb && ip link set va up && "
		"ip link set vb up") != 0)
		skip();
	assert_int_equal(netlink_link(net->netlink, "va", &a), 0);
	assert_int_equal(netlink_link(net->netlink, "vb", &b), 0);
	assert_int_equal(netlink_watch_new(&w), 0);
	near.index = a.index;
	assert_int_equal(netlink_watch_read(w, on_interface, &near), 0); /* and does not wait */
	near = (struct heard){ .index = a.index };
	assert_int_equal(netlink_link_set_up(net->netlink, b.index, false), 0);
	assert_true(hears(w, &near, &near.n_down)); /* va, whose other end was set down */
	assert_int_equal(netlink_link_set_up(net->netlink, b.index, true), 0);
	assert_true(hears(w, &near, &near.n_up));
	far.index = b.index;
	assert_int_equal(run("ip link del va"), 0);
	assert_true(hears(w, &far, &far.n_down));
	netlink_watch_free(w);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 5000) == 1;
}

static void changes_of_rules_and_tables_are_heard(void **state)
{
	struct net *net = *state;
	struct netlink_rule rule = { .priority = 100, .table = 7 };
	struct nft_guard guard = { .overlay = overlay, .tun_name = "x0" };
	char why[NFT_WHY_SIZE];
	int rules = netlink_changes_open(NETLINK_RULES);
	int tables = netlink_changes_open(NETLINK_NFTABLES);
	struct pollfd p = { .fd = rules, .events = POLLIN };

	assert_true(rules >= 0);
	for (int i = 0; i < 2; i++) {
		rule.is_ipv4 = i == 1;
		assert_int_equal(netlink_rule_add(net->netlink, &rule), 0);
		assert_true(is_readable(rules));
		netlink_changes_forget(rules);
		assert_int_equal(poll(&p, 1, 0), 0);
	}
	assert_int_equal(netlink_rules_delete(net->netlink, 100, 1), 2);
	assert_true(is_readable(rules));
	(void)close(rules);
	if (!has_nftables()) {
		(void)close(tables);
		skip();
	}
	assert_true(tables >= 0);
	netlink_changes_forget(tables);
	assert_int_equal(nft_guard_rules("x0"), 0);
	assert_int_equal(nft_apply(&guard, why), 0);
	assert_true(is_readable(tables));
	assert_true(nft_guard_rules("x0") > 2);
	assert_int_equal(nft_nat_rules("x0"), 0);
	netlink_changes_forget(tables);
	assert_int_equal(run("nft flush ruleset"), 0);
	assert_true(is_readable(tables));
	assert_int_equal(nft_guard_rules("x0"), 0);
	(void)close(tables);
}

static void as_many_other_tunnels_as_fit_are_named(void **state)
{
	(void)state;
	static const struct nft_forwarding was_off = { .was_ipv4_off = true,
						       .had_redirects = true };
	struct nft_forwarding before;
	struct nft_names names;
	char why[NFT_WHY_SIZE], command[100];

	if (!has_nftables())
		skip();
	assert_int_equal(run("nft add table inet x0nat_longer_than_a_device; "
			     "nft add table ip x0nat_ip; nft add table inet x0_x7"),
			 0);
	assert_int_equal(nft_nat_tunnels("x0", &names), 0);
	assert_int_equal(names.n, 0);
	for (int i = 0; i <= NFT_NAMES_MAX; i++) {
		(void)snprintf(command, sizeof(command), "nft add table inet x0nat_tunnel-%08d", i);
		assert_int_equal(run(command), 0);
	}
	assert_int_equal(nft_nat_tunnels("x0", &names), 0);
	assert_int_equal(names.n, NFT_NAMES_MAX);
	assert_string_equal(names.list[NFT_NAMES_MAX - 1], "tunnel-00000015");
	assert_int_equal(nft_nat_apply("x0", &was_off, &names, why), 0); /* it fits */
	assert_int_equal(run("nft list table inet x0nat_x0 | "
			     "grep -q 'nfproto ipv4 iifname != {.*tunnel-00000015'"),
			 0);
	assert_int_equal(nft_nat_read("x0", &before, why), 0);
	assert_true(before.was_ipv4_off && !before.was_ipv6_off && before.had_redirects);
	assert_int_equal(run("nft flush ruleset"), 0);
	assert_int_equal(nft_nat_read("x0", &before, why), -ENOENT);
}

static void the_interface_to_an_address_is_the_kernels(void **state)
{
	struct net *net = *state;
	static const uint8_t nowhere[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };
	static const uint8_t ipv4[16] = { [10] = 0xff, 0xff, 10, 9, 8, 7 };
	unsigned index = 0;

	assert_int_equal(netlink_link_set_up(net->netlink, net->link.index, true), 0);
	assert_int_equal(netlink_address_add(net->netlink, net->link.index, &own), 0);
	assert_int_equal(netlink_route_add(net->netlink, net->link.index, &overlay), 0);
	assert_int_equal(netlink_interface_to(net->netlink, other.ip, &index), 0);
	assert_int_equal(index, net->link.index);
	assert_true(netlink_interface_to(net->netlink, nowhere, &index) < 0);
	assert_true(netlink_interface_to(net->netlink, ipv4, &index) < 0);
	assert_int_equal(index, net->link.index); /* unchanged */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_link_is_found_raised_and_sized),
		TEST(an_address_is_usable_at_once),
		TEST(routes_of_ours_are_added_listed_and_deleted),
		TEST(packets_pass_the_tunnel_both_ways),
		TEST(an_interface_that_loses_its_carrier_is_told_at_both_ends),
		TEST(the_interface_to_an_address_is_the_kernels),
		TEST(a_taken_name_is_said_so),
		TEST(the_device_goes_with_its_descriptor),
		TEST(forged_overlay_addresses_are_dropped_and_counted),
		TEST(forged_ipv4_addresses_are_dropped_and_counted),
		TEST(a_local_program_cannot_pose_as_another_node),
		TEST(without_fib_the_nodes_own_address_takes_its_place),
		TEST(two_tunnels_have_a_table_each),
		TEST(changes_of_rules_and_tables_are_heard),
		TEST(as_many_other_tunnels_as_fit_are_named),
		TEST(nothing_but_a_plain_name_reaches_nft),
		TEST(without_the_capability_the_kernel_says_no),
	};
	char why[TUN_WHY_SIZE];

	if (!enter_own_netns())
		return 77;
	int fd = tun_open("x0", why);

	if (fd < 0) {
		(void)printf("skipped: %s\n", why);
		return 77;
	}
	(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
