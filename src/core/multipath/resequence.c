/* SPDX-License-Identifier: Apache-2.0 */
/* A window of places by sequence number, in which packets wait for those before them. */
#include "core/multipath/resequence.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"

struct place {
	bool is_held;
	size_t len;
	uint32_t tag;
	uint64_t came_us;
};

struct resequence {
	size_t n_places;
	size_t packet_max;
	struct place places[RESEQUENCE_PACKETS_MAX];
	uint8_t *bytes; /* packet_max for each place */
	bool has_next;
	uint64_t next; /* the first number that has neither come nor been given up */
	uint64_t end;  /* after the last one held */
	uint64_t goal; /* what is missing below is given up; at most end */
	size_t n_held;
	uint64_t since_us; /* the one that waits longest came */
	bool is_stale;	   /* it may have gone */
	struct resequence_counters counters;
};

int resequence_new(size_t packet_max, struct resequence **ret)
{
	CLEANUP_FREE struct resequence *q = calloc(1, sizeof(*q));

	if (!q || packet_max == 0)
		return q ? -EINVAL : -ENOMEM;
	q->packet_max = packet_max;
	q->n_places = (size_t)min_u64(RESEQUENCE_PACKETS_MAX, RESEQUENCE_BYTES_MAX / packet_max);
	q->bytes = malloc(q->n_places * packet_max);
	if (!q->bytes)
		return -ENOMEM;
	*ret = TAKE(q);
	return 0;
}

void resequence_free(struct resequence *q)
{
	if (!q)
		return;
	bytes_wipe(q->bytes, q->n_places * q->packet_max);
	free(q->bytes);
	free(q);
}

static size_t place_of(const struct resequence *q, uint64_t sequence)
{
	return (size_t)(sequence % q->n_places);
}

static void hold(struct resequence *q, uint64_t sequence, struct span packet, uint32_t tag,
		 uint64_t now_us)
{
	size_t at = place_of(q, sequence);

	q->places[at] =
		(struct place){ .is_held = true, .len = packet.len, .tag = tag, .came_us = now_us };
	memcpy(q->bytes + at * q->packet_max, packet.at, packet.len);
	if (q->n_held++ == 0)
		q->since_us = now_us;
	q->end = max_u64(q->end, sequence + 1);
	q->counters.held++;
}

void resequence_expect(struct resequence *q, uint64_t sequence)
{
	if (!q->has_next || sequence < q->next || sequence - q->next < q->n_places)
		return;
	q->counters.full += q->n_held > 0;
	q->goal = sequence - q->n_places + 1;
}

bool resequence_input(struct resequence *q, uint64_t sequence, struct span packet, uint32_t tag,
		      uint64_t now_us)
{
	if (!q->has_next) {
		q->has_next = true;
		q->next = q->end = sequence;
		q->goal = 0;
	}
	if (sequence < q->next) {
		q->counters.late++;
		return true;
	}
	if (sequence == q->next) {
		q->next++;
		return true;
	}
	if (sequence - q->next >= q->n_places && q->n_held == 0) {
		q->counters.lost += sequence - q->next;
		q->next = sequence + 1;
		return true;
	}
	if (packet.len > q->packet_max || sequence - q->next >= q->n_places)
		return true; /* too long for a place, or not expected: out of order, but not lost */
	hold(q, sequence, packet, tag, now_us);
	return false;
}

void resequence_lost_below(struct resequence *q, uint64_t sequence)
{
	q->goal = max_u64(q->goal, min_u64(sequence, q->end));
}

static bool is_held(const struct resequence *q, uint64_t sequence)
{
	return q->places[place_of(q, sequence)].is_held;
}

/* Numbers given up, as far as nothing waits there. */
static void skip_missing(struct resequence *q)
{
	while (q->next < q->goal && q->n_held > 0 && !is_held(q, q->next)) {
		q->next++;
		q->counters.lost++;
	}
}

/* The one that has waited longest: it is not always the first in order. */
static void note_oldest(struct resequence *q)
{
	q->since_us = NEVER_US;
	for (size_t i = 0; i < q->n_places; i++)
		if (q->places[i].is_held)
			q->since_us = min_u64(q->since_us, q->places[i].came_us);
}

static void give_up(struct resequence *q)
{
	q->counters.timed_out++;
	for (q->goal = q->next; !is_held(q, q->goal); q->goal++)
		;
}

bool resequence_next(struct resequence *q, uint64_t now_us, struct span *ret, uint32_t *ret_tag)
{
	struct place *p;
	size_t at;

	skip_missing(q);
	if (q->n_held == 0)
		return false;
	if (!is_held(q, q->next)) {
		if (q->is_stale)
			note_oldest(q);
		q->is_stale = false;
		if (now_us < q->since_us + RESEQUENCE_CAP_US)
			return false;
		give_up(q);
		skip_missing(q);
	}
	at = place_of(q, q->next);
	p = &q->places[at];
	*ret = SPAN(q->bytes + at * q->packet_max, p->len);
	*ret_tag = p->tag;
	p->is_held = false;
	q->n_held--;
	q->is_stale = true;
	q->next++;
	return true;
}

uint64_t resequence_deadline_us(const struct resequence *q)
{
	return q->n_held > 0 ? q->since_us + RESEQUENCE_CAP_US : NEVER_US;
}

void resequence_restart(struct resequence *q)
{
	q->goal = q->end;
	q->has_next = false;
}

void resequence_counters(const struct resequence *q, struct resequence_counters *ret)
{
	*ret = q->counters;
}
