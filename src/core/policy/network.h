/* SPDX-License-Identifier: Apache-2.0 */
/* network.h - the resource of a rule taken as networks, for this room only. What is compared are
 * addresses: as characters "192.168.*" also matches 192.168.0.0/13, which has others inside. */
#pragma once

#include "core/prefix/prefix.h"

enum network_kind {
	NETWORK_NONE, /* it names no network */
	NETWORK_ALL,
	NETWORK_EXITS,	/* of the family of prefix; of both where is_either */
	NETWORK_WITHIN, /* prefix */
};

struct network_pattern {
	enum network_kind kind;
	bool is_either;
	struct prefix prefix;
};

void network_pattern_init(struct network_pattern *ret, const char *text);

/* Whether all of the prefix is named, for what is allowed; whether any of it is, for what is
 * forbidden. NULL: what was asked about is no prefix, and only "*" is about that. */
bool network_pattern_covers(const struct network_pattern *p, const struct prefix *prefix);
bool network_pattern_meets(const struct network_pattern *p, const struct prefix *prefix);
