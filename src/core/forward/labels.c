/* SPDX-License-Identifier: Apache-2.0 */
/* A way that the source chose: the next tag of a list, and what becomes of it where that fails. */
#include "core/forward/labels.h"

#include "core/forward/visited.h"

static uint16_t tag_at(const struct wire_hop *hop, size_t place)
{
	return load_u16(hop->options + 2 * place);
}

/* As the place in a list of nodes visited, which it is not yet. */
static int place_of(const struct wire_hop *hop, uint64_t node)
{
	uint16_t tag = visited_tag(hop, node);

	for (int i = 0; i < LABELS_MAX; i++)
		if (tag_at(hop, (size_t)i) == tag)
			return i;
	return -1;
}

bool labels_set(struct wire_hop *hop, const uint64_t *nodes, size_t n)
{
	uint8_t options[HOP_OPTIONS_LEN] = { 0 };

	if (n < 2 || n > LABELS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint16_t tag = visited_tag(hop, nodes[i]);

		for (size_t k = 0; k < i; k++)
			if (load_u16(options + 2 * k) == tag)
				return false;
		store_u16(options + 2 * i, tag);
	}
	memcpy(hop->options, options, sizeof(options));
	hop->has_options = true;
	hop->is_filter = false;
	hop->is_labelled = true;
	return true;
}

static bool may_go_to(const struct forward_question *q, uint64_t node)
{
	return node != q->from && q->state(q->arg, node) != LINK_DOWN &&
	       !(q->is_dead_end && q->is_dead_end(q->arg, node));
}

uint64_t labels_next(const struct forward_question *q, const struct wire_hop *hop, uint64_t *hint)
{
	int here = place_of(hop, q->self);
	size_t cursor = 0;
	uint32_t metric;
	uint16_t wanted;
	uint64_t id;

	if (here < 0 || here + 1 >= LABELS_MAX)
		return 0;
	wanted = tag_at(hop, (size_t)here + 1);
	if (wanted == 0)
		return 0;
	if (*hint && visited_tag(hop, *hint) == wanted && may_go_to(q, *hint))
		return *hint;
	while (q->neighbour(q->arg, &cursor, &id, &metric)) {
		if (visited_tag(hop, id) != wanted || !may_go_to(q, id))
			continue;
		*hint = id;
		return id;
	}
	return 0;
}

void labels_drop(struct wire_hop *hop, uint64_t self)
{
	int here = place_of(hop, self);

	hop->is_labelled = false;
	if (here < 0) {
		hop->has_options = false;
		return;
	}
	memset(hop->options + 2 * (size_t)(here + 1), 0,
	       sizeof(hop->options) - 2 * (size_t)(here + 1));
}
