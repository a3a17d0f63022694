/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - a policy from inside. Inside the room only. */
#pragma once

#include "core/policy/network.h"
#include "core/policy/pattern.h"

/* The rules that concern one action, as indices: all forbids, then all allows, each in the
 * order of the configuration. */
struct action_rules {
	size_t n;
	uint16_t rules[POLICY_RULES_MAX];
};

struct policy {
	struct action_rules by_action[POLICY_N_ACTIONS];
	size_t n;
	struct rule {
		struct pattern from; /* into source */
		struct pattern resource;
		struct network_pattern network; /* the resource, for actions about networks */
		struct policy_rule source;
	} rules[];
};
