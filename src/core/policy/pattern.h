/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h - a pattern taken apart once, for this room only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/policy/policy.h"

struct pattern {
	const char *text; /* borrowed: shorter than POLICY_PATTERN_SIZE */
	size_t len;
	bool has_star;
	size_t prefix_len; /* before the first star; all of it where there is none */
	size_t suffix_len; /* behind the last star */
};

void pattern_init(struct pattern *p, const char *text, size_t len);
bool pattern_matches(const struct pattern *p, const char *text, size_t len);
