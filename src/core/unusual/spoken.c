/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents of rules, as masks of features. */
#include "core/unusual/spoken.h"

#define BIT(feature) (1U << (feature))

struct unusual_spoken unusual_spoken_of(enum healing_kind kind)
{
	struct unusual_spoken ret = { .group = UNUSUAL_HOST };

	switch (kind) {
	case HEALING_CPU:
		ret.features = BIT(UNUSUAL_CPU) | BIT(UNUSUAL_PRESSURE_CPU);
		break;
	case HEALING_MEMORY:
		ret.features = BIT(UNUSUAL_MEMORY) | BIT(UNUSUAL_PRESSURE_MEMORY);
		break;
	case HEALING_DISK:
		ret.features = BIT(UNUSUAL_DISK);
		break;
	case HEALING_LINK_LOSS:
		ret.group = UNUSUAL_LINK;
		ret.features = BIT(UNUSUAL_LOSS);
		break;
	case HEALING_LINK_DOWN:
		ret.group = UNUSUAL_LINK;
		ret.features = BIT(UNUSUAL_RTT) | BIT(UNUSUAL_JITTER) | BIT(UNUSUAL_LOSS);
		break;
	case HEALING_DELIVERY: /* what is lost behind a link shows in no figure of it */
	case HEALING_SERVICE:
	case HEALING_LEDGER_SPLIT:
	case HEALING_RESTART:
	case HEALING_LINK_DELAY: /* a hint as well: two that agree are worth more than one */
	case HEALING_UNUSUAL:	 /* what stands out in a row is not learned anyway */
	case HEALING_N_KINDS:
		break;
	}
	return ret;
}
