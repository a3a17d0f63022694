/* SPDX-License-Identifier: Apache-2.0 */
/* test_loss.h - for tests: many handshakes over a network that loses, doubles and reorders. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loss_result {
	unsigned n_complete; /* both sides, the same secret, the initiator confirmed */
	unsigned n_attempts; /* all told: some may have had to start anew */
	uint64_t p50_us;     /* from the first start to the responder's acceptance of M3 */
	uint64_t p95_us;
	uint64_t max_us;
};

/* n handshakes of two fresh hosts each: 50 ms delay, up to 10 ms more (reordering), 5 % double. */
void loss_run(unsigned n, unsigned loss_percent, bool through_mesh, uint64_t seed,
	      struct loss_result *ret);
