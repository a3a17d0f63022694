/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand handshakes over a network that loses, doubles and reorders, per rate of loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/test_loss.h"

#define N 1000

static void with_loss(unsigned percent, bool through_mesh, uint64_t p95_max_us)
{
	struct loss_result r;

	loss_run(N, percent, through_mesh, 1, &r);
	print_message("sim-null, %u %% loss, %s: %u of %u complete, %u attempts, "
		      "p50 %u ms, p95 %u ms, max %u ms\n",
		      percent, through_mesh ? "mesh" : "link", r.n_complete, N, r.n_attempts,
		      (unsigned)(r.p50_us / US_PER_MS), (unsigned)(r.p95_us / US_PER_MS),
		      (unsigned)(r.max_us / US_PER_MS));
	assert_int_equal(r.n_complete, N);
	assert_true(r.p95_us <= p95_max_us);
}

static void a_thousand_complete_at_each_rate_of_loss(void **state)
{
	(void)state;

	for (unsigned mesh = 0; mesh < 2; mesh++) {
		with_loss(1, mesh, SECONDS(1));
		with_loss(5, mesh, SECONDS(2));
		with_loss(20, mesh, SECONDS(3));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_complete_at_each_rate_of_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
