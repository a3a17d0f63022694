/* SPDX-License-Identifier: Apache-2.0 */
/* Fifty nodes under mixed faults: X0_SIM_SEEDS seeds (default 20) from X0_SIM_FIRST_SEED (1). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

static struct sim_pki *pki;

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long v = text ? strtoul(text, &end, 10) : otherwise;

	assert_true(!text || (*text && !*end));
	return v;
}

/* Each processor has a process with its share of the seeds; reports come back by shared memory. */
static struct sim_report *run_seeds(const struct sim_scenario *scenario, unsigned long n)
{
	unsigned long first = setting("X0_SIM_FIRST_SEED", 1);
	unsigned long n_jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);
	struct sim_report *reports = mmap(NULL, n * sizeof(*reports), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	assert_ptr_not_equal(reports, MAP_FAILED);
	n_jobs = n_jobs < n ? n_jobs : n;
	for (unsigned long job = 0; job < n_jobs; job++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (unsigned long i = job; i < n; i += n_jobs)
			if (sim_run_scenario(pki, scenario, first + i, &reports[i]) < 0)
				exit(1);
		exit(0);
	}
	for (unsigned long job = 0; job < n_jobs; job++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	return reports;
}

static unsigned long count_failed(const struct sim_report *reports, unsigned long n)
{
	unsigned long failed = 0;

	for (unsigned long i = 0; i < n; i++) {
		if (reports[i].is_ok)
			continue;
		print_message("%s\n", reports[i].failure);
		failed++;
	}
	return failed;
}

static void no_invariant_breaks_and_the_mesh_heals(void **state)
{
	unsigned long n = setting("X0_SIM_SEEDS", 20);
	struct sim_report *reports = run_seeds(&sim_scenario_mixed, n);

	(void)state;
	assert_int_equal(count_failed(reports, n), 0);
	(void)munmap(reports, n * sizeof(*reports));
}

/* Minutes of virtual time, so that what the keys' own timers bring about comes to pass. */
static void nothing_breaks_while_sessions_are_rekeyed_replaced_and_ended(void **state)
{
	unsigned long n = (setting("X0_SIM_SEEDS", 20) + 4) / 5;
	struct sim_report *reports = run_seeds(&sim_scenario_long, n);
	uint64_t rekeys = 0;
	uint64_t ended = 0;

	(void)state;
	for (unsigned long i = 0; i < n; i++) {
		rekeys += reports[i].totals.rekeys;
		ended += reports[i].totals.sessions_ended;
	}
	print_message("%llu rekeys, %llu unused sessions ended\n", (unsigned long long)rekeys,
		      (unsigned long long)ended);
	assert_int_equal(count_failed(reports, n), 0);
	assert_true(rekeys >= 40 * n && ended > 0);
	(void)munmap(reports, n * sizeof(*reports));
}

static void the_same_seed_gives_the_same_trace(void **state)
{
	(void)state;
	struct sim_scenario small = sim_scenario_mixed;
	struct sim_report a;
	struct sim_report b;
	struct sim_report other;

	small.n_nodes = 12;
	assert_int_equal(sim_run_scenario(pki, &small, 5, &a), 0);
	assert_int_equal(sim_run_scenario(pki, &small, 5, &b), 0);
	assert_int_equal(sim_run_scenario(pki, &small, 6, &other), 0);
	assert_true(a.trace == b.trace);
	assert_true(a.totals.seals == b.totals.seals && a.totals.datagrams == b.totals.datagrams);
	assert_true(a.trace != other.trace);
	print_message("trace of seed 5: %016llx\n", (unsigned long long)a.trace);
}

static int make(void **state)
{
	const char *error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&error);

	(void)state;
	return ops ? sim_pki_new(ops, sim_scenario_mixed.n_nodes, &pki) : -1;
}

static int drop(void **state)
{
	(void)state;
	sim_pki_free(pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_trace),
		cmocka_unit_test(nothing_breaks_while_sessions_are_rekeyed_replaced_and_ended),
		cmocka_unit_test(no_invariant_breaks_and_the_mesh_heals),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
