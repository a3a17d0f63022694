/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench: a table of benchmarks, and what they share. */
#include "bench/bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "lab.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} benchmarks[] = {
	{ "crypto", bench_crypto, BENCH_CRYPTO_USAGE },
	{ "handshake", bench_handshake, BENCH_HANDSHAKE_USAGE },
	{ "aead", bench_aead, BENCH_AEAD_USAGE },
	{ "ebpf", bench_ebpf, BENCH_EBPF_USAGE },
	{ "anomaly", bench_anomaly, BENCH_ANOMALY_USAGE },
	{ "ledger", bench_ledger, BENCH_LEDGER_USAGE },
};

int lab_bench(int argc, char **argv)
{
	bool asked_for = argc > 1 && strcmp(argv[1], "--help") == 0;

	for (size_t i = 0; argc > 1 && i < N_ELEMENTS(benchmarks); i++)
		if (strcmp(argv[1], benchmarks[i].name) == 0)
			return benchmarks[i].run(argc - 1, argv + 1);
	for (size_t i = 0; i < N_ELEMENTS(benchmarks); i++)
		(void)lab_usage(asked_for, benchmarks[i].usage);
	return asked_for ? EXIT_SUCCESS : LAB_EXIT_USAGE;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(values[0]), compare);
	return values[n / 2];
}

int bench_pin(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0)
		return -1;
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? cpu : -1;
}

/* "model name	: Some Processor" in /proc/cpuinfo; other architectures have other keys. */
static void processor_name(char *ret, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	(void)snprintf(ret, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		const char *value = strstr(line, ": ");

		if (strncmp(line, "model name", 10) == 0 && value) {
			(void)snprintf(ret, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
			break;
		}
	}
	if (f)
		(void)fclose(f);
}

json_t *bench_machine(int pinned_to)
{
	struct utsname system = { 0 };
	char processor[128];

	processor_name(processor, sizeof(processor));
	(void)uname(&system);
	return json_pack("{s:s, s:s, s:s, s:i}", "processor", processor, "kernel", system.release,
			 "architecture", system.machine, "pinned_to", pinned_to);
}
