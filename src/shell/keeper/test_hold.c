/* SPDX-License-Identifier: Apache-2.0 */
/* What others do to the state of the host that the keeper set, and how the keeper leaves it; with
 * real children, in a network namespace of our own. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/keeper/keeper.h"
#include "shell/netlink/test_netns.h"

#define PATIENCE_MS 10000 /* of a machine with much to do */
#define NO_NFTABLES 77
#define FLUSHES 40

static struct shared {
	_Atomic int wrong_line; /* of the first check that failed in a child */
	_Atomic int is_ready;	/* or NO_NFTABLES */
} * shared;

#define CHECK(condition)                                             \
	do {                                                         \
		if (!(condition)) {                                  \
			atomic_store(&shared->wrong_line, __LINE__); \
			return KEEPER_EXIT_FATAL;                    \
		}                                                    \
	} while (0)

static char run_dir[] = "/tmp/x0-test-hold-XXXXXX";

static const struct netlink_prefix overlay = { .ip = { 0xfd, 1, 2, 3, 4, 5 }, .len = 48 };

static int shell(const char *command)
{
	return system(command); /* NOLINT(cert-env33-c): commands of this file */
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* NULL: nobody's heart need beat meanwhile. */
static bool within_patience(struct keeper_client *k, const char *command)
{
	for (long ms = 0; ms < PATIENCE_MS; ms += 20) {
		if (k)
			(void)keeper_heartbeat(k);
		if (shell(command) == 0)
			return true;
		sleep_ms(20);
	}
	return false;
}

static bool permits(void *arg, enum keeper_permit what, const struct netlink_prefix *prefix)
{
	(void)arg;
	(void)what;
	(void)prefix;
	return true;
}

static pid_t start(keeper_child *child, const char *tun_name)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct keeper_options options = {
			.run_dir = run_dir,
			.tun_name = tun_name,
			.mtu_max_bytes = 1344,
			.overlay = overlay,
			.permits = permits,
			.is_guarded = true,
			.child = child,
		};
		struct log *log = NULL;

		if (getenv("X0_TEST_LOG"))
			(void)log_new(2, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG, "keeper", &log);
		options.log = log;
		_exit(keeper_run(&options));
	}
	return pid;
}

/* Returns its exit status; -1 where it was killed. */
static int finish(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (atomic_load(&shared->wrong_line) > 0)
		print_message("a check failed in the child, line %d\n",
			      atomic_load(&shared->wrong_line));
	assert_int_equal(atomic_load(&shared->wrong_line), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int end(pid_t pid)
{
	(void)kill(pid, SIGTERM);
	return finish(pid);
}

/* One whose child says that it is ready, and goes on. */
static pid_t start_ready(keeper_child *child, const char *tun_name)
{
	pid_t pid = start(child, tun_name);

	for (long ms = 0; ms < PATIENCE_MS && !atomic_load(&shared->is_ready) &&
			  !atomic_load(&shared->wrong_line);
	     ms += 5)
		sleep_ms(5);
	if (atomic_load(&shared->is_ready) == NO_NFTABLES) {
		(void)end(pid);
		print_message("skipped: no nftables here\n");
		skip();
	}
	if (!atomic_load(&shared->is_ready))
		(void)end(pid); /* which says what is wrong */
	assert_true(atomic_load(&shared->is_ready));
	return pid;
}

/* The last news of this kind, once it is not lost. */
static bool hears_of(struct keeper_client *k, enum keeper_held what, struct keeper_news *ret)
{
	char why[KEEPER_WHY_SIZE];

	for (long ms = 0; ms < PATIENCE_MS; ms += 20) {
		(void)keeper_heartbeat(k);
		(void)keeper_guard_end(k, why); /* reads what there is */
		while (keeper_news(k, ret))
			if (ret->what == what && !ret->is_lost)
				return true;
		sleep_ms(20);
	}
	return false;
}

/* ---- rules ---- */

static int child_lets_nothing_out(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct keeper_news news;

	(void)arg;
	CHECK(keeper_exit_set(k, KEEPER_EXIT_ONLY, why) == 0);
	CHECK(!keeper_news(k, &news));
	CHECK(shell("ip rule show | grep -q 'all unreachable'") == 0);
	CHECK(shell("ip -6 rule show | grep -q 'all unreachable'") == 0);
	/* often, for it deletes one after the other, and some are set again in between */
	for (int i = 0; i < FLUSHES; i++) {
		CHECK(shell("ip rule flush protocol 226; ip -6 rule flush protocol 226") == 0);
		CHECK(within_patience(k, "test $(ip rule show | grep -c 'proto 226') = 5"));
		CHECK(within_patience(k, "test $(ip -6 rule show | grep -c 'proto 226') = 5"));
	}
	CHECK(keeper_guard_end(k, why) == -EAGAIN &&
	      !keeper_news(k, &news)); /* too short to tell */
	/* and one alone, once more */
	CHECK(shell("ip rule del pref $(ip rule show | grep 'all unreachable' | cut -d: -f1)") ==
	      0);
	CHECK(within_patience(k, "ip rule show | grep -q 'all unreachable'"));
	/* what we take back ourselves stays away */
	CHECK(keeper_exit_set(k, 0, why) == 0);
	sleep_ms(100);
	CHECK(shell("ip rule show | grep -q 'proto 226'") != 0);
	return KEEPER_EXIT_DONE;
}

static void rules_that_another_program_deletes_are_set_again(void **state)
{
	(void)state;
	assert_int_equal(finish(start(child_lets_nothing_out, "x0")), KEEPER_EXIT_DONE);
	assert_int_not_equal(shell("ip rule show | grep -q 'proto 226'"), 0);
}

/* ---- nftables ---- */

/* To run it where the keeper finds none: NULL makes it, "" removes it. */
static const char *copy_of_nft(const char *words)
{
	static char command[200];

	if (!words)
		(void)snprintf(command, sizeof(command), "cp /usr/sbin/nft %s/nft 2>/dev/null",
			       run_dir);
	else
		(void)snprintf(command, sizeof(command), "%s%s/nft %s", words[0] ? "" : "rm ",
			       run_dir, words);
	return command;
}

#define TABLES "nft list tables | grep -q 'x0_x0$' && nft list tables | grep -q 'x0nat_x0$'"

static int child_is_flushed(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct keeper_news news;
	int r = keeper_forward(k, true, why);

	(void)arg;
	if (r == -ENOENT || r == -EPROTONOSUPPORT) {
		atomic_store(&shared->is_ready, NO_NFTABLES);
		return KEEPER_EXIT_DONE;
	}
	CHECK(r == 0);
	atomic_store(&shared->is_ready, 1);
	CHECK(keeper_guard_apply(k, why) == 0);
	CHECK(shell(TABLES) == 0);
	CHECK(shell("nft flush ruleset") == 0);
	CHECK(hears_of(k, KEEPER_HELD_GUARD, &news));
	CHECK(hears_of(k, KEEPER_HELD_FORWARDING, &news));
	CHECK(shell(TABLES) == 0);
	CHECK(shell("nft list table inet x0nat_x0 | grep -q masquerade") == 0);
	CHECK(shell("nft list table inet x0_x0 | grep -q forged_source") == 0);
	/* rules alone */
	CHECK(shell("nft flush table inet x0_x0") == 0);
	CHECK(within_patience(k, "nft list table inet x0_x0 | grep -q 'counter name.*drop'"));
	/* again and again, with the rest */
	for (int i = 0; i < 3; i++) {
		CHECK(shell("nft flush ruleset") == 0);
		CHECK(within_patience(k, TABLES));
	}
	/* what we remove ourselves stays away */
	CHECK(keeper_guard_remove(k, why) == 0);
	sleep_ms(100);
	CHECK(shell("nft list tables | grep -q 'x0_x0$'") != 0);
	return KEEPER_EXIT_DONE;
}

/* The program nft is gone when the table is: it says so, and comes back with it. */
static int child_without_nft(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	struct keeper_news news;
	bool is_told = false;
	int r = keeper_guard_apply(k, why);

	(void)arg;
	if (r == -ENOENT || r == -EPROTONOSUPPORT ||
	    shell("mount --bind /bin/false /usr/sbin/nft 2>/dev/null") != 0) {
		atomic_store(&shared->is_ready, NO_NFTABLES);
		return KEEPER_EXIT_DONE;
	}
	CHECK(r == 0);
	atomic_store(&shared->is_ready, 1);
	CHECK(shell(copy_of_nft("flush ruleset")) == 0);
	for (long ms = 0; ms < PATIENCE_MS && !is_told; ms += 20) {
		(void)keeper_heartbeat(k);
		(void)keeper_guard_end(k, why);
		while (!is_told && keeper_news(k, &news))
			is_told = news.what == KEEPER_HELD_GUARD && news.is_lost &&
				  strstr(news.why, "cannot be set again: nftables: nft failed");
		sleep_ms(20);
	}
	CHECK(is_told);
	CHECK(shell("umount /usr/sbin/nft") == 0);
	CHECK(hears_of(k, KEEPER_HELD_GUARD, &news));
	CHECK(shell("nft list table inet x0_x0 | grep -q forged_source") == 0);
	return KEEPER_EXIT_DONE;
}

static void a_table_that_cannot_be_set_again_is_told_and_tried_until_it_can(void **state)
{
	(void)state;
	if (shell(copy_of_nft(NULL)) != 0)
		skip();
	pid_t pid = start_ready(child_without_nft, "x0");

	assert_int_equal(finish(pid), KEEPER_EXIT_DONE);
	(void)shell(copy_of_nft(""));
}

static void tables_that_are_flushed_are_set_again_and_all_is_as_before_at_the_end(void **state)
{
	(void)state;
	pid_t pid = start_ready(child_is_flushed, "x0");

	assert_int_equal(finish(pid), KEEPER_EXIT_DONE);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv6/conf/all/forwarding"), 0);
	assert_int_not_equal(shell("nft list tables | grep -q x0"), 0);
}

/* ---- what is remembered ---- */

static int child_forwards(void *arg, struct keeper_client *k)
{
	char why[KEEPER_WHY_SIZE];
	int r = keeper_forward(k, true, why);

	(void)arg;
	if (r == -ENOENT || r == -EPROTONOSUPPORT) {
		atomic_store(&shared->is_ready, NO_NFTABLES);
		return KEEPER_EXIT_DONE;
	}
	CHECK(r == 0);
	CHECK(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward") == 0);
	CHECK(shell("grep -q 1 /proc/sys/net/ipv6/conf/all/forwarding") == 0);
	atomic_store(&shared->is_ready, 1);
	for (;;) {
		CHECK(keeper_heartbeat(k) == 0);
		sleep_ms(50);
	}
}

static int child_does_nothing(void *arg, struct keeper_client *k)
{
	(void)arg;
	(void)k;
	return KEEPER_EXIT_DONE;
}

#define IPV4 "/proc/sys/net/ipv4/conf/"
#define IPV6 "/proc/sys/net/ipv6/conf/"

/* A host that was made so by hand, with a device that passes on by itself. */
static int harden(void **state)
{
	(void)state;
	return shell("ip link add veth-a type veth peer name veth-b &&"
		     "echo 0 >" IPV4 "all/accept_redirects &&"
		     "echo 1 >" IPV4 "veth-a/forwarding &&"
		     "echo 1 >" IPV6 "veth-b/forwarding");
}

static int soften(void **state)
{
	(void)state;
	return shell("ip link del veth-a");
}

static bool is_as_hardened(void)
{
	return shell("test $(cat /proc/sys/net/ipv4/ip_forward)$(cat " IPV6 "all/forwarding)"
		     "$(cat " IPV4 "all/accept_redirects) = 000 &&"
		     "test $(cat " IPV4 "veth-a/forwarding " IPV4 "veth-b/forwarding " IPV4
		     "default/forwarding | tr -d '\\n') = 100 &&"
		     "test $(cat " IPV6 "veth-a/forwarding " IPV6 "veth-b/forwarding " IPV6
		     "default/forwarding | tr -d '\\n') = 010") == 0;
}

static void settings_of_each_interface_are_as_before_at_the_end(void **state)
{
	(void)state;
	assert_true(is_as_hardened());
	assert_int_equal(end(start_ready(child_forwards, "x0")), 0);
	assert_true(is_as_hardened());
}

static void what_was_before_survives_a_kill_and_a_flush(void **state)
{
	(void)state;
	pid_t pid = start_ready(child_forwards, "x0");
	char command[200];

	(void)snprintf(command, sizeof(command), "test -s %s/forwarding-x0", run_dir);
	assert_int_equal(shell(command), 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(finish(pid), -1);
	assert_int_equal(shell("nft flush ruleset"), 0);
	assert_false(is_as_hardened());
	assert_int_equal(finish(start(child_does_nothing, "x0")), KEEPER_EXIT_DONE);
	assert_true(is_as_hardened());
	assert_int_not_equal(shell(command), 0);
}

static void without_a_next_keeper_it_is_put_back_too(void **state)
{
	(void)state;
	pid_t pid = start_ready(child_forwards, "x0");
	char why[KEEPER_WHY_SIZE];
	unsigned left = 0;

	(void)kill(pid, SIGKILL);
	assert_int_equal(finish(pid), -1);
	assert_int_equal(shell("nft flush ruleset"), 0);
	assert_int_equal(keeper_left("x0", run_dir, true, &left, why), 0);
	assert_int_equal(left, KEEPER_LEFT_FORWARDING);
	assert_true(is_as_hardened());
	assert_int_equal(keeper_left("x0", run_dir, true, &left, why), 0);
	assert_int_equal(left, 0);
}

/* As it was before there was the file, or where it cannot be written. */
static void the_table_alone_is_enough_for_the_settings_of_the_machine(void **state)
{
	(void)state;
	pid_t pid = start_ready(child_forwards, "x0");
	char command[200];

	(void)kill(pid, SIGKILL);
	assert_int_equal(finish(pid), -1);
	(void)snprintf(command, sizeof(command), "rm %s/forwarding-x0", run_dir);
	assert_int_equal(shell(command), 0);
	assert_int_equal(finish(start(child_does_nothing, "x0")), KEEPER_EXIT_DONE);
	assert_int_equal(shell("test $(cat /proc/sys/net/ipv4/ip_forward)$(cat " IPV6
			       "all/forwarding)$(cat " IPV4 "all/accept_redirects) = 000"),
			 0);
	assert_int_not_equal(shell("nft list tables | grep -q x0nat"), 0);
}

static void a_tunnel_lets_through_what_is_of_another(void **state)
{
	(void)state;
	pid_t first = start_ready(child_forwards, "x0"), second;

	assert_int_equal(shell("nft list table inet x0nat_x0 | grep -q 'iifname != \"x0\" oifname "
			       "!= \"x0\" counter name.*not_of_tunnel.* drop'"),
			 0);
	second = start_ready(child_forwards, "x1");
	assert_int_equal(shell("nft list table inet x0nat_x1 | grep -q 'iifname != {.*x0.*x1'"), 0);
	assert_true(within_patience(NULL, "nft list table inet x0nat_x0 | grep -q 'iifname != "
					  "{.*x0.*x1'"));
	assert_int_equal(end(first), 0);
	assert_true(within_patience(NULL, "nft list table inet x0nat_x1 | grep -q 'iifname != "
					  "\"x1\"'"));
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(end(second), 0);
	assert_int_equal(shell("grep -q 0 /proc/sys/net/ipv4/ip_forward"), 0);
	/* a machine that passes on anyway is not changed */
	assert_int_equal(shell("echo 1 >/proc/sys/net/ipv4/ip_forward;"
			       "echo 1 >" IPV6 "all/forwarding"),
			 0);
	first = start_ready(child_forwards, "x0");
	assert_int_not_equal(shell("nft list table inet x0nat_x0 | grep -q forward"), 0);
	assert_int_equal(end(first), 0);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(shell("echo 0 >/proc/sys/net/ipv4/ip_forward;"
			       "echo 0 >" IPV6 "all/forwarding"),
			 0);
}

/* ---- routes ---- */

static bool add_routes(struct keeper_client *k, unsigned n)
{
	struct netlink_prefix p = { .ip = { 0xfd, 1, 2, 3, 4, 5 }, .len = 128 };
	char why[KEEPER_WHY_SIZE];

	for (unsigned i = 0; i < n; i++) {
		p.ip[14] = (uint8_t)(i >> 8);
		p.ip[15] = (uint8_t)i;
		if (i % 256 == 0)
			(void)keeper_heartbeat(k);
		if (keeper_route_add(k, &p, why) < 0)
			return false;
	}
	return true;
}

static int child_whose_device_goes_down(void *arg, struct keeper_client *k)
{
	struct netlink_prefix more = { .ip = { 0xfd, 1, 2, 3, 4, 5, 6 }, .len = 128 };
	char why[KEEPER_WHY_SIZE];
	unsigned got;
	int tun;

	(void)arg;
	CHECK(keeper_tun_open(k, 0, &tun, &got, why) == 0);
	CHECK(keeper_link_up(k, why) == 0);
	CHECK(add_routes(k, KEEPER_ROUTES_MAX / 2));
	CHECK(add_routes(k, KEEPER_ROUTES_MAX / 2)); /* the same once more: they are there */
	CHECK(add_routes(k, 1));
	CHECK(shell("ip link set dev x0 down && ip link set dev x0 up") == 0);
	CHECK(add_routes(k, KEEPER_ROUTES_MAX));
	CHECK(keeper_route_add(k, &more, why) == -ENOBUFS && strstr(why, "too many"));
	return KEEPER_EXIT_DONE;
}

static void routes_that_the_kernel_took_are_not_counted(void **state)
{
	(void)state;
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		print_message("skipped: no /dev/net/tun that we may use\n");
		skip();
	}
	assert_int_equal(finish(start(child_whose_device_goes_down, "x0")), KEEPER_EXIT_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_another_program_deletes_are_set_again),
		cmocka_unit_test(
			tables_that_are_flushed_are_set_again_and_all_is_as_before_at_the_end),
		cmocka_unit_test(a_table_that_cannot_be_set_again_is_told_and_tried_until_it_can),
		cmocka_unit_test_setup_teardown(settings_of_each_interface_are_as_before_at_the_end,
						harden, soften),
		cmocka_unit_test_setup_teardown(what_was_before_survives_a_kill_and_a_flush, harden,
						soften),
		cmocka_unit_test_setup_teardown(without_a_next_keeper_it_is_put_back_too, harden,
						soften),
		cmocka_unit_test_setup_teardown(
			the_table_alone_is_enough_for_the_settings_of_the_machine, harden, soften),
		cmocka_unit_test(a_tunnel_lets_through_what_is_of_another),
		cmocka_unit_test(routes_that_the_kernel_took_are_not_counted),
	};
	int r;

	/* mounts of ours are ours alone, or there are none: see child_without_nft() */
	if (!enter_own_netns())
		return 77;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)printf("skipped: no mounts of our own: %s\n", strerror(errno));
		return 77;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	if (!mkdtemp(run_dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(run_dir);
	return r;
}
