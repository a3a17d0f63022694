/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a file of /proc might hold: what is taken is finite, in its range, and its path ends. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "shell/host/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, double v, double max)
{
	assert(r != 0 || (isfinite(v) && v >= 0 && v <= max));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = SPAN(data, size);
	struct parse_cpu cpu;
	char path[64];
	double a = 0, b = 0;

	if (parse_cpu(text, &cpu) == 0)
		assert(cpu.busy <= cpu.total && cpu.total <= PARSE_NUMBER_MAX);
	check(parse_loadavg(text, &a, &b), a, 1e17);
	check(parse_meminfo(text, "MemTotal", &a), a, 1e17);
	check(parse_statm(text, &a, &b), a, 1e17);
	check(parse_statm(text, &a, &b), b, 1e17);
	check(parse_pressure(text, "some", &a), a, 1);
	check(parse_cpu_stat(text, &a), a, 1e17);
	check(parse_limit(text, &a), a, 1e17);
	if (parse_cgroup(text, path, sizeof(path)) == 0)
		assert(path[0] == '/' && strlen(path) < sizeof(path));
	return 0;
}
