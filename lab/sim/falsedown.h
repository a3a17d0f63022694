/* SPDX-License-Identifier: Apache-2.0 */
/* falsedown.h - how often a link that is well is taken for dead, and how soon a dead one is: each
 * link of a topology alone, two link cores with bursts of loss and jitter between them. */
#pragma once

#include "sim/statistics.h"
#include "sim/topology.h"

struct falsedown_options {
	const struct topology *topology;
	uint64_t seed;
	uint64_t duration_us; /* of each link; 0: a day */
};

struct falsedown_link {
	uint32_t loss_ppm[2];
	uint32_t jitter_us;
	uint64_t downs;	   /* ends that took it for dead, wrongly */
	uint64_t suspects; /* times that an end suspected it, wrongly */
	uint64_t suspect_us;
	uint64_t packets;
	/* Then it was cut, while it carried packets: how long until the later end knew; 0: never.
	 */
	uint64_t suspected_after_us, down_after_us;
};

/* What is lost in a datagram's way varies by so much: from the loss, since a map shows no more. */
uint32_t falsedown_jitter_us(const struct topology_link *l);
/* One link of the topology; what it comes to hangs on the seed and its number alone. -ENOMEM. */
int falsedown_run(const struct falsedown_options *o, size_t link, struct falsedown_link *ret);
