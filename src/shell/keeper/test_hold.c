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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/keeper/keeper.h"
#include "shell/netlink/test_netns.h"

#define PATIENCE_MS 10000 /* of a machine with much to do */
#define NO_NFTABLES 77

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
	CHECK(shell("ip rule flush protocol 226; ip -6 rule flush protocol 226") == 0);
	CHECK(within_patience(k, "test $(ip rule show | grep -c 'proto 226') = 5"));
	CHECK(within_patience(k, "test $(ip -6 rule show | grep -c 'proto 226') = 5"));
	CHECK(hears_of(k, KEEPER_HELD_RULES, &news));
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
	/* what we remove ourselves stays away */
	CHECK(keeper_guard_remove(k, why) == 0);
	sleep_ms(100);
	CHECK(shell("nft list tables | grep -q 'x0_x0$'") != 0);
	return KEEPER_EXIT_DONE;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_another_program_deletes_are_set_again),
		cmocka_unit_test(
			tables_that_are_flushed_are_set_again_and_all_is_as_before_at_the_end),
	};

	if (!enter_own_netns())
		return 77;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
