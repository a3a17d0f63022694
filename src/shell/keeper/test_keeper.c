/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper and real children, in a network namespace of our own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/keeper/keeper.h"
#include "shell/tun/tun.h"
#include "shell/keeper/message.h"
#include "shell/netlink/test_netns.h"

/* Says what the kernel was told. */
static int shell(const char *command)
{
	return system(command); /* NOLINT(cert-env33-c): commands of this file */
}

/* Seen by the test, the keeper and all its children. */
static struct shared {
	_Atomic unsigned n_starts;
	_Atomic int wrong_line; /* of the first check that failed in a child */
	_Atomic int child;
	_Atomic int ready;
	_Atomic int signal_seen;
	_Atomic int64_t started_ms[8];
} * shared;

#define CHECK(condition)                                             \
	do {                                                         \
		if (!(condition)) {                                  \
			atomic_store(&shared->wrong_line, __LINE__); \
			return KEEPER_EXIT_FATAL;                    \
		}                                                    \
	} while (0)

static const struct netlink_prefix overlay = { .ip = { 0xfd, 1, 2, 3, 4, 5 }, .len = 48 };
static const struct netlink_prefix own = { .ip = { 0xfd, 1, 2, 3, 4, 5, [15] = 1 }, .len = 128 };
static const struct netlink_prefix foreign = { .ip = { 0xfd, 9, [15] = 1 }, .len = 128 };
static const struct netlink_prefix all = { .len = 0 };

static const struct netlink_prefix ipv4 = { .ip = { [10] = 0xff, [11] = 0xff, 10, 86 },
					    .len = 112 };
static const struct netlink_prefix own_ipv4 = { .ip = { [10] = 0xff, [11] = 0xff, 10, 86, 1, 2 },
						.len = 112 };
static const struct netlink_prefix lan = { .ip = { [10] = 0xff, [11] = 0xff, 192, 168, 7 },
					   .len = 120 };
static const struct netlink_prefix site = { .ip = { 0xfd, 0x12, 0x34, 0x56 }, .len = 32 };
static const struct netlink_prefix default4 = { .ip = { [10] = 0xff, [11] = 0xff }, .len = 96 };

/* Permits all but `foreign`, while the environment says so; what children inherit. */
static bool permits(void *arg, enum keeper_permit what, const struct netlink_prefix *prefix)
{
	(void)arg;
	if (getenv("X0_TEST_PERMITS_NOTHING"))
		return false;
	return what == KEEPER_PERMIT_FORWARD || memcmp(prefix, &foreign, sizeof(foreign)) != 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static int child_serves_names(void *arg, struct keeper_client *k);
static int child_gives_up(void *arg, struct keeper_client *k);

static const struct keeper_batman batman = {
	.interfaces = { "bat-a", "bat-none", "bat-part" },
	.n_interfaces = 3,
	.tap = "x0bat",
	.addresses = { { .ip = { 0xfd, 0x12, [7] = 7, [15] = 1 }, .len = 64 },
		       { .ip = { [10] = 0xff, [11] = 0xff, 192, 168, 9, 1 }, .len = 120 } },
	.n_addresses = 2,
};
static bool has_batman;
static const char *tun_name = "x0";

/* A keeper in a process of its own, so that a signal to it is no signal to the test. */
static pid_t start(keeper_child *child)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct keeper_options options = {
			.tun_name = tun_name,
			.mtu_max_bytes = 1344,
			.overlay = overlay,
			.has_ipv4 = true,
			.ipv4 = ipv4,
			.permits = permits,
			.is_guarded = true,
			.child = child,
			.names_zone = child == child_serves_names ? "x0.internal" : NULL,
			.names_reverse_zone = "d.f.ip6.arpa",
			.batman = has_batman ? &batman : NULL,
		};
		struct log *log = NULL;

		if (getenv("X0_TEST_LOG"))
			(void)log_new(2, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG, "keeper", &log);
		options.log = log;
		_exit(keeper_run(&options));
	}
	return pid;
}

static int finish(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (atomic_load(&shared->wrong_line) > 0)
		print_message("a check failed in the child, line %d\n",
			      atomic_load(&shared->wrong_line));
	assert_int_equal(atomic_load(&shared->wrong_line), 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static unsigned begin(void)
{
	unsigned n = atomic_fetch_add(&shared->n_starts, 1);

	atomic_store(&shared->child, getpid());
	if (n < 8)
		atomic_store(&shared->started_ms[n], now_ms());
	return n;
}

/* ---- verbs ---- */

static int child_sets_up_the_tunnel(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct netlink *n;
	struct netlink_link link;
	struct netlink_prefix list[8];
	int tun = -1, second;
	unsigned got;

	(void)arg;
	(void)begin();
	CHECK(keeper_restarts(k) == 0);
	CHECK(keeper_mtu(k, 1344, why) == -ENODEV && *why); /* no device yet */
	CHECK(keeper_tun_open(k, 0x80, &tun, &got, why) == -EPROTO);
	CHECK(keeper_tun_open(k, TUN_OFFLOADS_ALL, &tun, &got, why) == 0 && tun >= 0);
	CHECK(got & TUN_OFFLOAD_HEADER);
	CHECK(fcntl(tun, F_GETFD) & FD_CLOEXEC);
	CHECK(keeper_tun_open(k, 0, &second, &got, why) == -EBUSY);
	CHECK(keeper_mtu(k, 1300, why) == 0);
	CHECK(keeper_address_add(k, &own, why) == 0);
	CHECK(keeper_address_add(k, &own, why) == 0); /* there already */
	CHECK(keeper_link_up(k, why) == 0);
	CHECK(keeper_route_add(k, &overlay, why) == 0);
	CHECK(netlink_new(&n) == 0 && netlink_link(n, "x0", &link) == 0);
	CHECK(link.is_up && link.mtu_bytes == 1300);
	CHECK(netlink_routes(n, link.index, list, 8) == 1 && list[0].len == 48);
	CHECK(keeper_route_delete(k, &overlay, why) == 0);
	CHECK(keeper_route_delete(k, &overlay, why) == -ESRCH);
	CHECK(netlink_routes(n, link.index, list, 8) == 0);
	netlink_free(n);
	(void)close(tun);
	return KEEPER_EXIT_DONE;
}

static void the_tunnel_is_set_up_for_the_child(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_sets_up_the_tunnel)), KEEPER_EXIT_DONE);
}

/* With options of its own: a zone. */
static int child_serves_names(void *arg, struct keeper_client *k)
{
	struct sockaddr_in6 at = { 0 };
	socklen_t len = sizeof(at);
	char why[KEEPER_WHY_SIZE];
	enum keeper_names names = KEEPER_N_NAMES;
	int tun, udp, tcp, again;
	unsigned got;

	(void)arg;
	(void)begin();
	CHECK(keeper_names_listen(k, &udp, &tcp, why) == -EPROTO); /* no address yet */
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_address_add(k, &own, why) == 0 && keeper_link_up(k, why) == 0);
	CHECK(keeper_names_listen(k, &udp, &tcp, why) == 0);
	CHECK(getsockname(udp, (struct sockaddr *)&at, &len) == 0);
	CHECK(at.sin6_port == htons(53) && memcmp(&at.sin6_addr, own.ip, 16) == 0);
	CHECK(getsockname(tcp, (struct sockaddr *)&at, &len) == 0);
	CHECK(at.sin6_port == htons(53) && memcmp(&at.sin6_addr, own.ip, 16) == 0);
	CHECK(keeper_names_listen(k, &again, &again, why) == -EADDRINUSE && strstr(why, "taken"));
	/* in a network namespace of its own it is not systemd-resolved's business */
	CHECK(keeper_names_apply(k, true, &names, why) == 0);
	CHECK(names == KEEPER_NAMES_NONE && strstr(why, "names.resolv_conf: manage"));
	CHECK(keeper_names_apply(k, false, &names, why) == 0 && names == KEEPER_NAMES_NONE);
	return KEEPER_EXIT_DONE;
}

static void port_53_of_the_own_address_is_opened_and_no_file_is_touched(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_serves_names)), KEEPER_EXIT_DONE);
}

static int child_asks_for_too_much(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct nft_counters counters;
	struct netlink_prefix wider = overlay;
	int tun;
	unsigned got;

	(void)arg;
	(void)begin();
	wider.len = 47;
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_mtu(k, 1279, why) == -EPROTO);
	CHECK(keeper_mtu(k, 1345, why) == -EPROTO);
	CHECK(strstr(why, "the keeper refuses"));
	CHECK(keeper_address_add(k, &foreign, why) == -EPROTO);
	CHECK(keeper_route_add(k, &foreign, why) == -EPROTO);
	CHECK(keeper_route_add(k, &all, why) == -EPROTO);
	CHECK(keeper_route_add(k, &wider, why) == -EPROTO);
	CHECK(keeper_route_delete(k, &all, why) == -EPROTO);
	CHECK(keeper_address_add(k, &lan, why) == -EPROTO);
	CHECK(keeper_address_delete(k, &foreign, why) == -EPROTO);
	CHECK(keeper_route_add(k, &default4, why) == -EPROTO); /* that is an exit */
	CHECK(keeper_exit_set(k, 8, why) == -EPROTO);
	CHECK(keeper_guard_remove(k, why) == -EPROTO); /* never applied */
	CHECK(keeper_guard_read(k, &counters, why) == -EPROTO);
	enum keeper_names names;
	CHECK(keeper_names_listen(k, &tun, &tun, why) == -EPROTO); /* not among the options */
	CHECK(keeper_names_apply(k, true, &names, why) == -EPROTO);
	struct keeper_ether ether;
	CHECK(keeper_batman_socket(k, 0, &ether, why) == -EPROTO); /* nor is this */
	CHECK(keeper_batman_tap(k, &ether, why) == -EPROTO);
	CHECK(keeper_realtime(k, getppid(), 1, why) == -EPROTO);
	CHECK(keeper_realtime(k, 1, 1, why) == -EPROTO);
	CHECK(keeper_realtime(k, 0, 1, why) == -EPROTO);
	CHECK(keeper_realtime(k, getpid(), 0, why) == -EPROTO);
	CHECK(keeper_realtime(k, getpid(), KEEPER_REALTIME_MAX + 1, why) == -EPROTO);
	return KEEPER_EXIT_DONE;
}

static void what_lies_outside_its_options_is_refused(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_asks_for_too_much)), KEEPER_EXIT_DONE);
}

static int child_opens_batman(void *arg, struct keeper_client *k)
{
	struct keeper_ether socket, again, tap;
	struct keeper_protections p;
	struct keeper_user user;
	char why[KEEPER_WHY_SIZE];
	int version = 2;

	(void)arg;
	(void)begin();
	CHECK(keeper_batman_tap(k, &tap, why) == -EPROTO); /* no socket yet */
	CHECK(keeper_batman_socket(k, 3, &socket, why) == -EPROTO);
	CHECK(keeper_batman_socket(k, UINT32_MAX, &socket, why) == -EPROTO);
	CHECK(keeper_batman_socket(k, 1, &socket, why) == -ENODEV && strstr(why, "bat-none"));
	CHECK(keeper_batman_socket(k, 2, &socket, why) == -EBUSY && strstr(why, "part of"));
	CHECK(shell("ip link set dev bat-a mtu 1300") == 0);
	CHECK(keeper_batman_socket(k, 0, &socket, why) == -EMSGSIZE && strstr(why, "1312"));
	CHECK(shell("ip link set dev bat-a mtu 1500") == 0);
	CHECK(keeper_batman_socket(k, 0, &socket, why) == 0 && socket.mtu_bytes == 1500);
	CHECK(fcntl(socket.fd, F_GETFD) & FD_CLOEXEC);
	CHECK(keeper_batman_tap(k, &tap, why) == 0 && tap.mtu_bytes == 1468);
	CHECK(memcmp(tap.address, socket.address, 6) != 0 && tap.address[0] == 2);
	CHECK(shell("ip -6 addr show dev x0bat | grep -q 'fd12:0:0:7::1/64'") == 0);
	CHECK(shell("ip -4 addr show dev x0bat | grep -q '192.168.9.1/24'") == 0);
	CHECK(shell("ip link show dev x0bat | grep -q 'UP.*mtu 1468'") == 0);
	CHECK(why[0] || shell("test \"$(cat /proc/sys/net/ipv6/conf/x0bat/accept_ra)\" = 0") == 0);
	/* an interface that carries less came later */
	CHECK(shell("ip link set dev bat-a mtu 1400") == 0);
	CHECK(keeper_batman_socket(k, 0, &again, why) == 0);
	CHECK(shell("ip link show dev x0bat | grep -q 'mtu 1368'") == 0);
	keeper_user_find("nobody", &user);
	CHECK(keeper_confine(&user, &p) == 0);
	CHECK(keeper_batman_socket(k, 0, &again, why) == 0);
	if (p.of[KEEPER_SECCOMP].is_on) {
		CHECK(setsockopt(socket.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) <
		      0);
		CHECK(errno == EPERM);
	}
	return KEEPER_EXIT_DONE;
}

static void batman_is_opened_at_its_interfaces_alone(void **state)
{
	int status;

	(void)state;
	assert_int_equal(shell("ip link add name bat-a type veth peer name bat-b && "
			       "ip link set dev bat-a up && ip link set dev bat-b up && "
			       "ip link add name bat-br type bridge && "
			       "ip link add name bat-part type veth peer name bat-c && "
			       "ip link set dev bat-part up master bat-br"),
			 0);
	has_batman = true;
	status = finish(start(child_opens_batman));
	has_batman = false;
	assert_int_equal(status, KEEPER_EXIT_DONE);
	assert_int_not_equal(shell("ip link show dev x0bat 2>/dev/null | grep -q x0bat"), 0);
	(void)shell("ip link del dev bat-a; ip link del dev bat-part; ip link del dev bat-br");
}

static int child_that_nothing_is_permitted(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	int tun;
	unsigned got;

	(void)arg;
	(void)begin();
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_route_add(k, &lan, why) == -EPROTO && strstr(why, "policy"));
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ROUTES, why) == -EPROTO);
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ONLY, why) == -EPROTO);
	CHECK(keeper_exit_set(k, 0, why) == 0); /* to take back is always allowed */
	CHECK(keeper_forward(k, true, why) == -EPROTO && strstr(why, "routes.offer"));
	CHECK(shell("ip rule show | grep -q 'proto 226'") != 0);
	return KEEPER_EXIT_DONE;
}

static void what_the_configuration_does_not_say_is_refused(void **state)
{
	(void)state;
	(void)setenv("X0_TEST_PERMITS_NOTHING", "1", 1);
	int status = finish(start(child_that_nothing_is_permitted));

	(void)unsetenv("X0_TEST_PERMITS_NOTHING");
	assert_int_equal(status, KEEPER_EXIT_DONE);
}

/* The device is not there yet: the exit cannot be set, but nothing goes elsewhere meanwhile. */
static int child_without_a_device(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];

	(void)arg;
	(void)begin();
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ROUTES | KEEPER_EXIT_ONLY, why) < 0);
	CHECK(shell("ip rule show | grep -q 'all unreachable'") == 0);
	CHECK(shell("ip route get 203.0.113.9 >/dev/null 2>&1") != 0);
	CHECK(keeper_exit_set(k, 0, why) == 0);
	CHECK(shell("ip rule show | grep -q 'unreachable\\|fwmark'") != 0);
	return KEEPER_EXIT_DONE;
}

static void an_exit_that_cannot_be_set_lets_nothing_go_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_without_a_device)), KEEPER_EXIT_DONE);
}

static int child_leads_traffic(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	int tun;
	unsigned got;

	(void)arg;
	(void)begin();
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_address_add(k, &own, why) == 0);
	CHECK(keeper_address_add(k, &own_ipv4, why) == 0);
	CHECK(keeper_link_up(k, why) == 0);
	CHECK(shell("ip -4 addr show dev x0 | grep -q 'inet 10.86.1.2/16'") == 0);
	CHECK(keeper_route_add(k, &foreign, why) == -EPROTO); /* others are permitted */
	CHECK(keeper_route_add(k, &lan, why) == 0);
	CHECK(keeper_route_add(k, &site, why) == 0);
	CHECK(shell("ip route get 192.168.7.9 | grep -q 'dev x0'") == 0);
	CHECK(shell("ip route get fd12:3456::9 | grep -q 'dev x0'") == 0);
	CHECK(keeper_route_delete(k, &lan, why) == 0);
	CHECK(shell("ip route get 192.168.7.9 2>&1 | grep -q 'dev x0'") != 0);
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ROUTES | KEEPER_EXIT_ONLY, why) == 0);
	CHECK(shell("ip route get 203.0.113.9 | grep -q 'dev x0'") == 0);
	CHECK(shell("ip route get 203.0.113.9 mark 0x58304d4b 2>&1 | grep -q 'dev x0'") != 0);
	CHECK(shell("ip -6 route get 2001:db8::9 | grep -q 'dev x0'") == 0);
	CHECK(shell("ip rule show | grep -q 'all unreachable'") == 0);
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ROUTES | KEEPER_EXIT_WITHOUT_LAN, why) == 0);
	CHECK(shell("ip rule show | grep -q 'all unreachable\\|suppress'") != 0);
	CHECK(keeper_exit_set(k, 0, why) == 0);
	CHECK(shell("ip rule show | grep -q 'unreachable\\|fwmark'") != 0);
	CHECK(shell("ip route get 203.0.113.9 2>&1 | grep -q 'dev x0'") != 0);
	CHECK(shell("ip route get fd12:3456::9 | grep -q 'dev x0'") == 0);
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ONLY, why) == 0);
	CHECK(keeper_address_delete(k, &own_ipv4, why) == 0);
	CHECK(shell("ip -4 addr show dev x0 | grep -q inet") != 0);
	return KEEPER_EXIT_DONE;
}

static bool has_rules(void)
{
	return shell("{ ip rule show; ip -6 rule show; } | grep -q 'proto 226'") == 0;
}

static void traffic_is_led_and_nothing_is_left_of_it(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_leads_traffic)), KEEPER_EXIT_DONE);
	assert_false(has_rules());
}

static int child_forwards(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	int r;

	(void)arg;
	(void)begin();
	r = keeper_forward(k, true, why);
	if (r == -ENOENT || r == -EPROTONOSUPPORT) {
		atomic_store(&shared->signal_seen, 77);
		return KEEPER_EXIT_DONE; /* no nft here */
	}
	CHECK(r == 0 && (strstr(why, "off before") || strcmp(tun_name, "x0") != 0));
	CHECK(keeper_forward(k, true, why) == 0); /* it is */
	CHECK(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward") == 0);
	CHECK(shell("grep -q 1 /proc/sys/net/ipv6/conf/all/forwarding") == 0);
	if (strcmp(tun_name, "x0") == 0)
		CHECK(shell("nft list table inet x0nat_x0 | grep -q masquerade") == 0);
	CHECK(keeper_heartbeat(k) == 0);
	atomic_store(&shared->ready, 1);
	for (;;) {
		CHECK(keeper_heartbeat(k) == 0);
		sleep_ms(100);
	}
}

static pid_t start_forwarding(const char *name)
{
	pid_t pid;
	int status;

	tun_name = name;
	pid = start(child_forwards);
	while (!atomic_load(&shared->ready) && waitpid(pid, &status, WNOHANG) == 0)
		sleep_ms(5);
	tun_name = "x0";
	return pid;
}

/* Each told to stop, not killed. */
static void end(pid_t pid)
{
	int status;

	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(atomic_load(&shared->wrong_line), 0);
}

static void of_two_tunnels_that_forward_the_last_puts_it_back(void **state)
{
	(void)state;
	pid_t first = start_forwarding("x0"), second;

	if (atomic_load(&shared->signal_seen) == 77) {
		end(first);
		print_message("skipped: no nftables here\n");
		skip();
	}
	second = start_forwarding("x1");
	end(first);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv6/conf/all/forwarding"), 0);
	end(second);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv6/conf/all/forwarding"), 0);
}

static void a_second_keeper_of_one_tunnel_is_refused_and_harms_nothing(void **state)
{
	(void)state;
	pid_t first = start_forwarding("x0");

	if (atomic_load(&shared->signal_seen) == 77) {
		end(first);
		print_message("skipped: no nftables here\n");
		skip();
	}
	assert_int_equal(finish(start(child_gives_up)), KEEPER_EXIT_FATAL);
	assert_int_equal(atomic_load(&shared->n_starts), 0);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("nft list table inet x0nat_x0 | grep -q masquerade"), 0);
	end(first);
	assert_int_equal(finish(start(child_gives_up)), KEEPER_EXIT_FATAL);
	assert_int_equal(atomic_load(&shared->n_starts), 1);
}

static void forwarding_is_taken_back_by_the_next_keeper_where_one_was_killed(void **state)
{
	(void)state;
	pid_t pid = start(child_forwards);
	int status;

	while (!atomic_load(&shared->ready) && waitpid(pid, &status, WNOHANG) == 0)
		sleep_ms(5);
	if (atomic_load(&shared->signal_seen) == 77) {
		print_message("skipped: no nftables here\n");
		skip();
	}
	assert_true(atomic_load(&shared->ready));
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(finish(start(child_leads_traffic)), KEEPER_EXIT_DONE);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv6/conf/all/forwarding"), 0);
	assert_int_not_equal(shell("nft list tables | grep -q x0nat"), 0);
}

static int child_adds_many_routes(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct netlink_prefix p = own;
	int tun;
	unsigned got;

	(void)arg;
	(void)begin();
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_link_up(k, why) == 0);
	for (unsigned i = 0; i < KEEPER_ROUTES_MAX; i++) {
		p.ip[14] = (uint8_t)(i >> 8);
		p.ip[15] = (uint8_t)i;
		CHECK(keeper_route_add(k, &p, why) == 0);
	}
	p.ip[13] = 1;
	CHECK(keeper_route_add(k, &p, why) == -ENOBUFS);
	p.ip[13] = 0;
	CHECK(keeper_route_delete(k, &p, why) == 0);
	p.ip[13] = 1;
	CHECK(keeper_route_add(k, &p, why) == 0);
	return KEEPER_EXIT_DONE;
}

static void routes_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_adds_many_routes)), KEEPER_EXIT_DONE);
}

static int child_asks_for_real_time(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	int r = keeper_realtime(k, getpid(), 5, why);

	(void)arg;
	(void)begin();
	if (r == -EPERM) { /* in a user namespace */
		CHECK(strstr(why, "CAP_SYS_NICE"));
		return KEEPER_EXIT_DONE;
	}
	CHECK(r == 0);
	CHECK((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO);
	return KEEPER_EXIT_DONE;
}

static void real_time_priority_is_given_or_the_reason_told(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_asks_for_real_time)), KEEPER_EXIT_DONE);
}

/* ---- guard ---- */

static bool has_nftables(void)
{
	char why[NFT_WHY_SIZE];
	int r = nft_remove("x0", why);

	if (r < 0)
		print_message("skipped: %s\n", why);
	return r == 0;
}

static int child_applies_the_guard(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct nft_counters counters = { .source_packets = 99 };
	int r;

	(void)arg;
	if (begin() > 0) { /* the table outlived the first child */
		CHECK(keeper_restarts(k) == 1);
		CHECK(keeper_guard_read(k, &counters, why) == 0);
		CHECK(keeper_guard_remove(k, why) == 0);
		CHECK(keeper_guard_read(k, &counters, why) == -EPROTO);
		keeper_guard_begin(k); /* the next call overtakes it */
		CHECK(keeper_mtu(k, 1, why) == -EPROTO);
		CHECK(keeper_guard_read(k, &counters, why) == 0);	    /* which waits for it */
		CHECK(keeper_guard_read_end(k, &counters, why) == -EAGAIN); /* not begun */
		counters.source_packets = 7;
		CHECK(keeper_guard_read_begin(k) == 0 && keeper_guard_read_begin(k) == 0);
		CHECK(keeper_mtu(k, 1, why) == -EPROTO); /* overtakes it */
		while ((r = keeper_guard_read_end(k, &counters, why)) == -EAGAIN)
			sleep_ms(5);
		CHECK(r == 0 && counters.source_packets == 0);
		CHECK(keeper_guard_read_end(k, &counters, why) == -EAGAIN);
		CHECK(keeper_guard_end(k, why) == 0);
		CHECK(keeper_guard_end(k, why) == -EAGAIN); /* that was it */
		return KEEPER_EXIT_DONE;
	}
	CHECK(keeper_guard_apply(k, why) == 0);
	CHECK(keeper_guard_read(k, &counters, why) == 0);
	CHECK(counters.source_packets == 0);
	return 1;
}

static void the_guard_outlives_a_child_but_not_the_keeper(void **state)
{
	(void)state;
	struct nft_counters counters;
	char why[NFT_WHY_SIZE];

	if (!has_nftables())
		skip();
	assert_int_equal(finish(start(child_applies_the_guard)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 2);
	assert_int_equal(nft_read("x0", &counters, why), -ENOENT);
}

/* ---- life and death ---- */

static int child_dies_twice(void *arg, struct keeper_client *k)
{
	unsigned n = begin();

	(void)arg;
	(void)keeper_heartbeat(k);
	if (n == 0)
		(void)kill(getpid(), SIGKILL);
	return n == 1 ? 5 : KEEPER_EXIT_DONE;
}

static void a_child_that_dies_is_started_again_ever_more_slowly(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_dies_twice)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 3);
	int64_t first = shared->started_ms[1] - shared->started_ms[0];
	int64_t second = shared->started_ms[2] - shared->started_ms[1];

	assert_in_range(first, KEEPER_BACKOFF_MIN_MS, 10 * KEEPER_BACKOFF_MIN_MS);
	assert_in_range(second, 2 * KEEPER_BACKOFF_MIN_MS, 20 * KEEPER_BACKOFF_MIN_MS);
}

static int child_gives_up(void *arg, struct keeper_client *k)
{
	(void)arg;
	(void)k;
	(void)begin();
	return KEEPER_EXIT_FATAL;
}

static void a_fatal_mistake_is_not_tried_again(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_gives_up)), KEEPER_EXIT_FATAL);
	assert_int_equal(atomic_load(&shared->n_starts), 1);
}

static int child_hangs_once(void *arg, struct keeper_client *k)
{
	(void)arg;
	if (begin() > 0)
		return KEEPER_EXIT_DONE;
	for (int i = 0; i < 3; i++) {
		CHECK(keeper_heartbeat(k) == 0);
		sleep_ms(100);
	}
	sleep_ms(60000);
	return 1;
}

static void *hog(void *arg)
{
	while (!atomic_load((atomic_bool *)arg))
		;
	return NULL;
}

static void use_first_processor(void)
{
	cpu_set_t allowed, one;
	size_t first = 0;

	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

/* Of all that want the processor it comes last. */
static int child_waits_for_a_processor(void *arg, struct keeper_client *k)
{
	struct timespec began, now;
	atomic_bool is_over = false;
	pthread_t thread;

	(void)arg;
	(void)begin();
	CHECK(keeper_heartbeat(k) == 0);
	sleep_ms(50);
	use_first_processor();
	CHECK(pthread_create(&thread, NULL, hog, &is_over) == 0);
	CHECK(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 }) == 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec < 4);
	atomic_store(&is_over, true);
	(void)pthread_join(thread, NULL);
	return KEEPER_EXIT_DONE;
}

static void a_child_that_the_machine_does_not_let_run_is_not_killed(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_waits_for_a_processor)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 1);
}

/* As in a wait for a disk: it cannot run until another process lets it (state D in proc(5)). */
static int child_waits_uninterruptibly(void *arg, struct keeper_client *k)
{
	int64_t began_ms;
	long pid;

	(void)arg;
	if (begin() > 0)
		return KEEPER_EXIT_DONE; /* it was killed */
	CHECK(keeper_heartbeat(k) == 0);
	sleep_ms(50);
	began_ms = now_ms();
	pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0) {
		sleep_ms(2 * KEEPER_HEARTBEAT_MISSED_MS);
		_exit(0);
	}
	CHECK(pid > 0 && now_ms() >= began_ms + 2 * KEEPER_HEARTBEAT_MISSED_MS);
	return KEEPER_EXIT_DONE;
}

static void a_child_that_waits_for_a_disk_is_not_killed(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_waits_uninterruptibly)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 1);
}

static void a_child_that_hangs_is_killed_and_started_again(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_hangs_once)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 2);
	assert_in_range(shared->started_ms[1] - shared->started_ms[0],
			KEEPER_HEARTBEAT_MISSED_MS + 200, 3 * KEEPER_HEARTBEAT_MISSED_MS);
}

static int child_talks_nonsense(void *arg, struct keeper_client *k)
{
	uint8_t bytes[REQUEST_SIZE];

	(void)arg;
	if (begin() > 0)
		return KEEPER_EXIT_DONE;
	memset(bytes, 0xff, sizeof(bytes));
	(void)send(keeper_client_fd(k), bytes, sizeof(bytes), 0);
	sleep_ms(60000);
	return 1;
}

static void a_child_that_talks_nonsense_is_killed(void **state)
{
	(void)state;
	int64_t start_ms = now_ms();

	assert_int_equal(finish(start(child_talks_nonsense)), KEEPER_EXIT_DONE);
	assert_int_equal(atomic_load(&shared->n_starts), 2);
	assert_in_range(now_ms() - start_ms, 0, 5000);
}

/* ---- signals ---- */

static void note_signal(int number)
{
	atomic_store(&shared->signal_seen, number);
}

static int child_waits_for_signals(void *arg, struct keeper_client *k)
{
	(void)arg;
	(void)begin();
	(void)signal(SIGHUP, note_signal);
	(void)signal(SIGTERM, note_signal);
	while (atomic_load(&shared->signal_seen) != SIGTERM) {
		CHECK(keeper_heartbeat(k) == 0);
		atomic_store(&shared->ready, 1);
		sleep_ms(20);
	}
	return 3; /* any status: it was asked to stop */
}

static void wait_until(const _Atomic int *flag, int value)
{
	for (int i = 0; i < 500 && atomic_load(flag) != value; i++)
		sleep_ms(10);
	assert_int_equal(atomic_load(flag), value);
}

static void signals_are_passed_on(void **state)
{
	(void)state;
	pid_t keeper = start(child_waits_for_signals);

	wait_until(&shared->ready, 1);
	(void)kill(keeper, SIGHUP);
	wait_until(&shared->signal_seen, SIGHUP);
	(void)kill(keeper, SIGTERM);
	assert_int_equal(finish(keeper), 0);
	assert_int_equal(atomic_load(&shared->n_starts), 1);
}

static int child_watches_the_keeper(void *arg, struct keeper_client *k)
{
	(void)arg;
	(void)begin();
	atomic_store(&shared->ready, 1);
	while (keeper_heartbeat(k) == 0)
		sleep_ms(20);
	return 0;
}

static void without_the_keeper_the_child_does_not_go_on(void **state)
{
	(void)state;
	pid_t keeper = start(child_watches_the_keeper);
	int status;
	bool is_gone = false;

	wait_until(&shared->ready, 1);
	(void)kill(keeper, SIGKILL);
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	for (int i = 0; i < 300 && !is_gone; i++) {
		char path[64], line[64] = "";
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", atomic_load(&shared->child));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0)
			is_gone = true;
		else
			is_gone = strstr(line, ") Z ") != NULL; /* nobody reaps it here */
		if (fd >= 0)
			(void)close(fd);
		sleep_ms(10);
	}
	assert_true(is_gone);
}

/* ---- the child as the daemon will be ---- */

static int child_confines_itself(void *arg, struct keeper_client *k)
{
	struct keeper_user user;
	struct keeper_protections p;
	struct nft_counters counters;
	char why[KEEPER_WHY_SIZE];
	int tun = -1;
	unsigned got;

	(void)arg;
	(void)begin();
	keeper_user_find("nobody", &user);
	CHECK(keeper_confine(&user, &p) == 0);
	CHECK(p.of[KEEPER_CAPABILITIES].is_on && p.of[KEEPER_NO_NEW_PRIVS].is_on);
	CHECK(keeper_heartbeat(k) == 0);
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_mtu(k, 1344, why) == 0);
	CHECK(keeper_address_add(k, &own, why) == 0);
	CHECK(keeper_link_up(k, why) == 0);
	CHECK(keeper_route_add(k, &overlay, why) == 0);
	if (keeper_guard_apply(k, why) == 0)
		CHECK(keeper_guard_read(k, &counters, why) == 0);

	/* what it has is enough for its work, and no more */
	uint8_t packet[40] = { 0x60, [6] = 59, 1, 0xfd, 1, 2, 3, 4, 5 };
	struct netlink *n;
	struct netlink_link link;

	memcpy(packet + 24, own.ip, 16);
	CHECK(write(tun, packet, sizeof(packet)) == (ssize_t)sizeof(packet));
	CHECK(netlink_new(&n) == 0 && netlink_link(n, "x0", &link) == 0 && link.is_up);
	CHECK(netlink_link_set_up(n, link.index, false) == -EPERM);
	netlink_free(n);
	return KEEPER_EXIT_DONE;
}

static void a_confined_child_still_gets_its_tunnel(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_confines_itself)), KEEPER_EXIT_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tunnel_is_set_up_for_the_child),
		cmocka_unit_test(port_53_of_the_own_address_is_opened_and_no_file_is_touched),
		cmocka_unit_test(what_lies_outside_its_options_is_refused),
		cmocka_unit_test(batman_is_opened_at_its_interfaces_alone),
		cmocka_unit_test(what_the_configuration_does_not_say_is_refused),
		cmocka_unit_test(an_exit_that_cannot_be_set_lets_nothing_go_elsewhere),
		cmocka_unit_test(traffic_is_led_and_nothing_is_left_of_it),
		cmocka_unit_test(forwarding_is_taken_back_by_the_next_keeper_where_one_was_killed),
		cmocka_unit_test(of_two_tunnels_that_forward_the_last_puts_it_back),
		cmocka_unit_test(a_second_keeper_of_one_tunnel_is_refused_and_harms_nothing),
		cmocka_unit_test(routes_are_bounded),
		cmocka_unit_test(real_time_priority_is_given_or_the_reason_told),
		cmocka_unit_test(the_guard_outlives_a_child_but_not_the_keeper),
		cmocka_unit_test(a_child_that_dies_is_started_again_ever_more_slowly),
		cmocka_unit_test(a_fatal_mistake_is_not_tried_again),
		cmocka_unit_test(a_child_that_hangs_is_killed_and_started_again),
		cmocka_unit_test(a_child_that_the_machine_does_not_let_run_is_not_killed),
		cmocka_unit_test(a_child_that_waits_for_a_disk_is_not_killed),
		cmocka_unit_test(a_child_that_talks_nonsense_is_killed),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(without_the_keeper_the_child_does_not_go_on),
		cmocka_unit_test(a_confined_child_still_gets_its_tunnel),
	};
	struct netlink *n = NULL;
	struct netlink_link link;

	if (!enter_own_netns())
		return 77;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || access("/dev/net/tun", R_OK | W_OK) < 0) {
		(void)printf("skipped: no /dev/net/tun that we may use\n");
		return 77;
	}
	if (netlink_new(&n) == 0 && netlink_link(n, "lo", &link) == 0)
		(void)netlink_link_set_up(n, link.index, true);
	netlink_free(n);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
