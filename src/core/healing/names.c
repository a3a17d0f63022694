/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the kinds of incidents, and what things are called. */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "core/healing/internal.h"

#define NONE MANDATE_N_REMEDIES

/* clang-format off */
const struct rule healing_rules[HEALING_N_KINDS] = {
	/* A share of probes at least, so a bound: one reading that says so is as good as many. */
	[HEALING_DELIVERY] = { "delivery", "ratio", 0.05, 0.02, 1, 1, 3, 16, HEALING_SERIOUS,
			       { REMEDY_AVOID, NONE } },
	/* Its cost has told the routes already: nothing is left to be done but to say so. */
	[HEALING_LINK_LOSS] = { "link_loss", "ratio", 0.05, 0.02, 1, 3, 5, 1, HEALING_WARNING,
				{ NONE } },
	[HEALING_LINK_DOWN] = { "link_down", "seconds", 10, 0, 1e9, 1, 1, 1, HEALING_SERIOUS,
				{ REMEDY_REHANDSHAKE, NONE } },
	[HEALING_CPU] = { "cpu", "ratio", 0.90, 0.75, 1, 10, 10, 1, HEALING_WARNING, { NONE } },
	[HEALING_MEMORY] = { "memory", "ratio", 0.85, 0.80, 1, 10, 10, 1, HEALING_WARNING, { NONE } },
	[HEALING_DISK] = { "disk", "ratio", 0.95, 0.90, 1, 3, 3, 1, HEALING_WARNING,
			   { REMEDY_FREE_SPACE, NONE } },
	/* Asked every five seconds. */
	[HEALING_SERVICE] = { "service", "failures", 1, 0, 1, 2, 2, 1, HEALING_SERIOUS, { NONE } },
	/* Signed by the log itself: once is enough, and only a person can say what it means. */
	[HEALING_LEDGER_SPLIT] = { "ledger_split", "contradictions", 1, 0, 1, 1, 1, 1,
				   HEALING_SERIOUS, { NONE } },
	/* Routes follow how long a link takes: to be known. */
	[HEALING_LINK_DELAY] = { "link_delay", "ms", 50, 20, 1e7, 3, 5, 1, HEALING_HINT, { NONE } },
	/* It is over when it is seen: shown and remembered, and nobody is woken. */
	[HEALING_RESTART] = { "restart", "restarts", 1, 0, 1e6, 1, 1, 1, HEALING_HINT, { NONE } },
	/* A quarter of a minute of what happens once in 65,536 rows, or is rarer. */
	[HEALING_UNUSUAL] = { "unusual", "bits", 16, 8, 32, 15, 15, 1, HEALING_HINT, { NONE } },
};
/* clang-format on */

const char *healing_kind_name(enum healing_kind k)
{
	return k < HEALING_N_KINDS ? healing_rules[k].name : "unknown";
}

const char *healing_kind_unit(enum healing_kind k)
{
	return k < HEALING_N_KINDS ? healing_rules[k].unit : "unknown";
}

double healing_opens_at(enum healing_kind k)
{
	return k < HEALING_N_KINDS ? healing_rules[k].opens_at : 0;
}

double healing_closes_at(enum healing_kind k)
{
	return k < HEALING_N_KINDS ? healing_rules[k].closes_at : 0;
}

int healing_kind_parse(const char *name, enum healing_kind *ret)
{
	for (unsigned k = 0; k < HEALING_N_KINDS; k++) {
		if (strcmp(healing_rules[k].name, name) != 0)
			continue;
		*ret = (enum healing_kind)k;
		return 0;
	}
	return -EINVAL;
}

const char *healing_state_name(enum healing_state s)
{
	static const char *const names[HEALING_N_STATES] = {
		[HEALING_EXPLAINING] = "explaining", [HEALING_WAITING] = "waiting",
		[HEALING_INTENT] = "intent",	     [HEALING_ACTING] = "acting",
		[HEALING_PROBING] = "probing",	     [HEALING_UNDOING] = "undoing",
		[HEALING_RESULT] = "result",	     [HEALING_HEALED] = "healed",
		[HEALING_ENDING] = "ending",	     [HEALING_RETURNING] = "returning",
		[HEALING_RETURNED] = "returned",     [HEALING_NOTED] = "noted",
		[HEALING_ESCALATED] = "escalated",   [HEALING_CLOSED] = "closed",
	};

	return s < HEALING_N_STATES ? names[s] : "unknown";
}

const char *healing_severity_name(enum healing_severity s)
{
	if (s == HEALING_HINT)
		return "hint";
	return s == HEALING_SERIOUS ? "serious" : "warning";
}

const char *healing_mode_name(enum healing_mode m)
{
	static const char *const names[HEALING_N_MODES] = {
		[HEALING_OPTIMAL] = "optimal",
		[HEALING_NORMAL] = "normal",
		[HEALING_DEGRADED] = "degraded",
		[HEALING_CRITICAL] = "critical",
	};

	return m < HEALING_N_MODES ? names[m] : "unknown";
}

uint64_t healing_interval_us(enum healing_mode m)
{
	static const uint64_t intervals[HEALING_N_MODES] = {
		[HEALING_OPTIMAL] = MS(1000),
		[HEALING_NORMAL] = MS(500),
		[HEALING_DEGRADED] = MS(250),
		[HEALING_CRITICAL] = MS(100),
	};

	return m < HEALING_N_MODES ? intervals[m] : MS(1000);
}
