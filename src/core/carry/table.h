/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - the insides of a table. Inside the room only. */
#pragma once

#include "core/carry/carry.h"

/* Linear probing; at most a quarter full. 0: free. */
struct carry_slot {
	uint64_t key;
	uint32_t way;
	uint32_t share; /* by index: which of its shares */
	bool is_used;
};

struct carry_table {
	struct carry_self self;
	size_t n;
	struct carry_way *ways;
	size_t mask;		     /* slots are a power of two */
	struct carry_slot *by_id;    /* node id */
	struct carry_slot *by_index; /* receiver index */
};

/* NULL: none. */
const struct carry_way *carry_way_to(const struct carry_table *t, uint64_t id);
const struct carry_way *carry_way_at(const struct carry_table *t, uint32_t index,
				     struct share **ret_share);
