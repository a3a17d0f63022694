/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured, for who asks. */
#include "core/watch/internal.h"

static void tell_evidence(const struct evidence *e, struct watch_way *ret)
{
	ret->is_suspect = evidence_is_suspect(e);
	ret->is_failing = evidence_is_sure(e);
	ret->sureness = evidence_sureness(e);
	ret->is_of_packets = e->packets / EVIDENCE_PACKETS_SURE > e->probes / EVIDENCE_PROBES_SURE;
	ret->n_seen = ret->is_of_packets ? e->n_sent : e->n_probes;
	ret->n_missing = ret->is_of_packets ? e->n_lost : e->n_unanswered;
}

bool watch_next_way(const struct watch *w, size_t *cursor, struct watch_way *ret)
{
	while (*cursor < (size_t)WATCH_DESTINATIONS_MAX * WATCH_HOPS_MAX) {
		const struct destination *d = &w->destinations[*cursor / WATCH_HOPS_MAX];
		const struct hop *h = &d->hops[*cursor % WATCH_HOPS_MAX];
		uint32_t kept;

		(*cursor)++;
		if (!d->id || !h->neighbour || h->n_history == 0)
			continue;
		kept = h->n_history == 32 ? UINT32_MAX : (UINT32_C(1) << h->n_history) - 1;
		*ret = (struct watch_way){
			.destination = d->id,
			.neighbour = h->neighbour,
			.is_current = h->neighbour == d->current,
			.is_doubted = h->is_doubted,
			.n_hops = h->n_hops,
			.n_sent = h->n_history,
			.n_lost = (unsigned)__builtin_popcount(h->history & kept),
			.noted_us = h->noted_us,
		};
		tell_evidence(&h->evidence, ret);
		return true;
	}
	return false;
}

void watch_counters(const struct watch *w, struct watch_counters *ret)
{
	*ret = w->counters;
}

bool watch_is_doubted(const struct watch *w, uint64_t neighbour)
{
	for (size_t i = 0; i < WATCH_NEIGHBOURS_MAX; i++)
		if (neighbour && w->neighbours[i].id == neighbour)
			return w->neighbours[i].is_doubted;
	return false;
}
