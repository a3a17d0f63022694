/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to all over real sockets and interfaces, in a network namespace of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>

#include <poll.h>

#include "base/cleanup.h"
#include "shell/lan/lan.h"
#include "shell/netlink/test_netns.h"

#define PORT 7777

struct heard {
	unsigned n, n_ipv4;
	uint32_t interface;
	struct endpoint from;
	uint8_t bytes[8];
};

static void on_datagram(void *arg, uint32_t interface, const struct endpoint *from,
			struct span datagram)
{
	struct heard *h = arg;

	h->n++;
	h->n_ipv4 += endpoint_is_ipv4(from);
	h->interface = interface;
	h->from = *from;
	assert_int_equal(datagram.len, 3);
	memcpy(h->bytes, datagram.at, 3);
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): commands of this file */
}

static struct lan *open_lan(const char *skip, const char *only)
{
	const struct lan_options o = { .port = PORT, .skip = skip, .only = only };
	char why[LAN_WHY_SIZE];
	struct lan *l = NULL;

	if (lan_open(&o, &l, why) < 0)
		fail_msg("%s", why);
	return l;
}

/* What arrives at once; the kernel delivers on one machine before send returns, but for a tick. */
static struct heard listen_to(struct lan *l)
{
	struct heard h = { 0 };
	int fds[LAN_FDS];

	lan_fds(l, fds);
	for (unsigned tries = 0; tries < 10 && h.n == 0; tries++) {
		struct pollfd p[] = { { .fd = fds[0], .events = POLLIN },
				      { .fd = fds[1], .events = POLLIN } };

		(void)poll(p, 2, 100);
		(void)lan_receive(l, on_datagram, &h);
	}
	return h;
}

static bool has(struct lan *l, const char *name, struct lan_interface *ret)
{
	const struct lan_interface *list;
	size_t n = lan_interfaces(l, &list);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		*ret = list[i];
		return true;
	}
	return false;
}

/* The kernel takes up to a second to say that a carrier is there. */
static bool comes(struct lan *l, const char *name, struct lan_interface *ret)
{
	for (unsigned tries = 0; tries < 60; tries++) {
		assert_int_equal(lan_refresh(l), 0);
		if (has(l, name, ret))
			return true;
		(void)poll(NULL, 0, 50);
	}
	return false;
}

/* e0 and e1 are the two ends of a cable. */
static int make_cable(void **state)
{
	(void)state;
	run("ip link add e0 type veth peer name e1 &&"
	    "ip link set e0 addrgenmode eui64 && ip link set e1 addrgenmode eui64 &&"
	    "echo 0 >/proc/sys/net/ipv6/conf/e0/accept_dad 2>/dev/null;"
	    "ip addr add fe80::e0/64 dev e0 nodad && ip addr add fe80::e1/64 dev e1 nodad &&"
	    "ip addr add 192.0.2.1/24 dev e0 && ip link set lo up &&"
	    "ip link set e0 up && ip link set e1 up");
	return 0;
}

static int remove_cable(void **state)
{
	(void)state;
	return system("ip link del e0 2>/dev/null") < 0; /* NOLINT(cert-env33-c) */
}

static void ethernets_are_found_and_nothing_else(void **state)
{
	struct lan *l = open_lan(NULL, "");
	struct lan_interface i = { 0 };

	(void)state;
	run("ip link add d0 type veth peer name d1 && ip tuntap add dev t0 mode tun && ip "
	    "link set t0 up &&"
	    "ip addr add 192.0.2.9/32 dev t0");
	assert_true(comes(l, "e0", &i) && i.has_ipv4 && i.has_ipv6);
	assert_true(has(l, "e1", &i) && i.has_ipv6 && !i.has_ipv4);
	assert_false(has(l, "lo", &i) || has(l, "d0", &i) || has(l, "t0", &i));
	run("ip link del d0 && ip link del t0");
	lan_free(l);
}

static void the_tunnel_and_what_is_not_named_are_left_out(void **state)
{
	struct lan *l = open_lan("e0", "");
	struct lan_interface i = { 0 };

	(void)state;
	assert_true(comes(l, "e1", &i) && !has(l, "e0", &i));
	lan_free(l);
	l = open_lan(NULL, "eth9,e0,e");
	assert_true(comes(l, "e0", &i) && !has(l, "e1", &i));
	lan_free(l);
}

static void ports_of_a_bridge_are_left_out_for_the_bridge(void **state)
{
	struct lan *l = open_lan(NULL, "");
	struct lan_interface i = { 0 };

	(void)state;
	run("ip link add br0 type bridge && ip link set e1 master br0 &&"
	    "ip addr add 192.0.2.2/24 dev br0 && ip link set br0 up");
	assert_true(comes(l, "br0", &i) && !has(l, "e1", &i));
	run("ip link del br0");
	lan_free(l);
}

static void what_is_sent_to_all_arrives_with_its_interface_in_both_families(void **state)
{
	struct lan *a = open_lan(NULL, "e0");
	struct lan *b = open_lan(NULL, "e1");
	struct lan_interface e0 = { 0 }, e1 = { 0 };
	struct heard h;

	(void)state;
	assert_true(comes(a, "e0", &e0) && comes(b, "e1", &e1));
	assert_int_equal(lan_send_all(a, e0.index, false, SPAN_STR("six")), 0);
	h = listen_to(b);
	assert_int_equal(h.n, 1);
	assert_memory_equal(h.bytes, "six", 3);
	assert_int_equal(h.interface, e1.index);
	assert_true(endpoint_is_link_local(&h.from) && h.from.scope == e1.index);
	assert_int_equal(h.from.port, PORT);
	run("ip addr add 192.0.2.2/24 dev e1");
	assert_int_equal(lan_refresh(b), 0);
	assert_int_equal(lan_send_all(b, e1.index, true, SPAN_STR("for")), 0);
	h = listen_to(b); /* its own, which the kernel gives back */
	assert_true(h.n >= 1 && h.n_ipv4 >= 1);
	lan_free(a);
	lan_free(b);
}

static void what_comes_from_another_network_is_not_heard(void **state)
{
	struct lan *a = open_lan(NULL, "e0");
	struct lan_interface e0 = { 0 };
	struct heard h = { 0 };

	(void)state;
	assert_true(comes(a, "e0", &e0));
	assert_int_equal(e0.n_ipv4, 1);
	assert_int_equal(e0.ipv4[0].bits, 24);
	assert_int_equal(lan_send_all(a, e0.index, true, SPAN_STR("own")), 0);
	assert_int_equal(listen_to(a).n, 1);
	run("ip addr add 198.51.100.1/24 dev e0 && ip addr del 192.0.2.1/24 dev e0");
	assert_int_equal(lan_send_all(a, e0.index, true, SPAN_STR("two")), 0);
	(void)poll(NULL, 0, 50);
	assert_int_equal(lan_receive(a, on_datagram, &h), 1);
	assert_int_equal(h.n, 0); /* it was read, and comes from nobody near as far as known */
	assert_int_equal(lan_refresh(a), 0);
	assert_int_equal(lan_send_all(a, e0.index, true, SPAN_STR("six")), 0);
	assert_int_equal(listen_to(a).n, 1);
	lan_free(a);
}

static void interfaces_that_come_and_go_are_told_joined_and_left(void **state)
{
	struct lan *l = open_lan(NULL, "");
	struct lan_interface i = { 0 };

	(void)state;
	assert_int_equal(lan_refresh(l), 0);
	(void)lan_has_changed(l);
	assert_false(lan_has_changed(l));
	run("ip link del e0");
	assert_true(lan_has_changed(l));
	assert_int_equal(lan_refresh(l), 0);
	assert_false(has(l, "e0", &i) || has(l, "e1", &i));
	assert_int_equal(make_cable(NULL), 0);
	assert_true(lan_has_changed(l));
	assert_true(comes(l, "e0", &i));
	assert_int_equal(lan_send_all(l, i.index, false, SPAN_STR("new")), 0);
	assert_true(listen_to(l).n > 0);
	lan_free(l);
}

static void more_interfaces_than_fit_are_counted(void **state)
{
	struct lan *l = open_lan(NULL, "");
	const struct lan_interface *list;

	(void)state;
	run("for i in $(seq 10); do ip link add m$i type veth peer name n$i && ip link set m$i up "
	    "&& ip link set n$i up && ip addr add 198.51.100.$i/32 dev m$i && "
	    "ip addr add 198.51.100.$i/32 dev n$i || exit 1; done");
	for (unsigned tries = 0; tries < 60 && lan_left_out(l) == 0; tries++) {
		assert_int_equal(lan_refresh(l), 0);
		(void)poll(NULL, 0, 50);
	}
	assert_int_equal(lan_interfaces(l, &list), LAN_INTERFACES_MAX);
	run("for i in $(seq 10); do ip link del m$i; done");
	assert_true(lan_left_out(l) > 0);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ethernets_are_found_and_nothing_else, make_cable,
						remove_cable),
		cmocka_unit_test_setup_teardown(the_tunnel_and_what_is_not_named_are_left_out,
						make_cable, remove_cable),
		cmocka_unit_test_setup_teardown(ports_of_a_bridge_are_left_out_for_the_bridge,
						make_cable, remove_cable),
		cmocka_unit_test_setup_teardown(
			what_is_sent_to_all_arrives_with_its_interface_in_both_families, make_cable,
			remove_cable),
		cmocka_unit_test_setup_teardown(what_comes_from_another_network_is_not_heard,
						make_cable, remove_cable),
		cmocka_unit_test_setup_teardown(
			interfaces_that_come_and_go_are_told_joined_and_left, make_cable,
			remove_cable),
		cmocka_unit_test_setup_teardown(more_interfaces_than_fit_are_counted, make_cable,
						remove_cable),
	};

	if (!enter_own_netns())
		return 77;
	/* NOLINTNEXTLINE(cert-env33-c): commands of this file */
	if (system("command -v ip >/dev/null && ip link add x type veth peer name y && ip link del "
		   "x") != 0) {
		(void)printf("skipped: the program ip cannot make interfaces here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
