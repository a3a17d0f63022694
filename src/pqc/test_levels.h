/* SPDX-License-Identifier: Apache-2.0 */
/* test_levels.h - runs the tests of a program once at each level of cpu.h. After cmocka.h. */
#pragma once

#include "pqc/cpu.h"

static inline void this_machine_has_the_level(void **state)
{
	const enum pqc_level *level = *state;

	if (pqc_set_level(*level) < 0) {
		print_message("this processor has no %s\n", pqc_level_name(*level));
		skip();
	}
}

/* The number of tests that failed. A level the machine lacks is one test, skipped. */
static inline int run_at_each_level(const struct CMUnitTest *tests, size_t n_tests)
{
	int failed = 0;

	for (enum pqc_level level = 0; level < PQC_N_LEVELS; level++) {
		const struct CMUnitTest missing[] = {
			cmocka_unit_test_prestate(this_machine_has_the_level, &level),
		};

		if (pqc_set_level(level) == 0)
			failed += _cmocka_run_group_tests(pqc_level_name(level), tests, n_tests,
							  NULL, NULL);
		else
			failed += _cmocka_run_group_tests(pqc_level_name(level), missing, 1, NULL,
							  NULL);
	}
	(void)pqc_set_level(pqc_level_max());
	return failed;
}
