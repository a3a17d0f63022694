/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each way, and the choice between them. */
#include "core/multipath/ways.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

#define SPELL_US SECONDS(10) /* a least delay is of this spell or the one before */
#define RATE_WINDOW_US 40000 /* reports less apart say too little of a rate */
#define LOAD_WINDOW_US 100000
#define LANE_BULK 0
#define STANDING_US MS(100)

int ways_add(struct ways *w, uint16_t name, uint32_t guess_us, uint64_t now_us)
{
	struct way *way = &w->list[w->n];

	if (w->n == PATHS_MAX)
		return -ENOBUFS;
	*way = (struct way){ .name = name,
			     .guess_us = guess_us,
			     .rate_bps = WAYS_RATE_GUESS,
			     .window_us = now_us,
			     .waits_us = NEVER_US };
	way->marks = calloc(WAYS_MARKS, sizeof(*way->marks));
	if (!way->marks)
		return -ENOMEM;
	w->n++;
	return 0;
}

void ways_done(struct ways *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->list[i].marks);
	*w = (struct ways){ 0 };
}

/* ---- what is known ---- */

uint32_t ways_least_us(const struct way *way)
{
	uint32_t a = way->least_us[0], b = way->least_us[1];

	if (a == 0 && b == 0)
		return way->guess_us;
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint32_t delay_now_us(const struct way *way)
{
	if (way->has_delay[REPORT_URGENT])
		return way->delay_us[REPORT_URGENT];
	return ways_least_us(way);
}

static bool has_delay(const struct way *way)
{
	return way->has_delay[REPORT_BULK] || way->has_delay[REPORT_URGENT];
}

static uint32_t best_least_us(const struct ways *w)
{
	uint32_t best = UINT32_MAX;

	for (size_t i = 0; i < w->n; i++)
		if (!w->list[i].is_silent && ways_least_us(&w->list[i]) < best)
			best = ways_least_us(&w->list[i]);
	return best;
}

static bool carries_bulk(const struct ways *w, size_t at, uint64_t now_us)
{
	return !w->list[at].is_silent && has_delay(&w->list[at]) &&
	       now_us >= w->list[at].lossy_until_us &&
	       ways_least_us(&w->list[at]) <= best_least_us(w) + WAYS_APART_US;
}

static bool is_full(const struct way *way)
{
	return way->is_rate_known && way->load_bps * 100 > way->rate_bps * WAYS_LOAD_PERCENT;
}

/* ---- the choice ---- */

static uint64_t takes_us(const struct way *way, size_t len)
{
	return len * 8 * US_PER_S / way->rate_bps;
}

/* The one of least delay without queues, which interactive takes. */
static size_t first_way(const struct ways *w, uint64_t now_us, size_t *ret_n)
{
	size_t first = WAYS_NONE;

	*ret_n = 0;
	for (size_t i = 0; i < w->n; i++) {
		if (!carries_bulk(w, i, now_us))
			continue;
		(*ret_n)++;
		if (first == WAYS_NONE ||
		    ways_least_us(&w->list[i]) < ways_least_us(&w->list[first]))
			first = i;
	}
	return first;
}

static uint64_t queue_max_us(const struct way *way, bool is_first)
{
	return is_first ? WAYS_FIRST_QUEUE_US : WAYS_QUEUE_US + ways_least_us(way) / 8;
}

/* What a sender has too much of shall wait on the others, so that the first way stays quick. */
static bool is_queue_full(const struct way *way, bool is_first, uint64_t now_us)
{
	return way->is_rate_known && way->idle_at_us > now_us + queue_max_us(way, is_first);
}

static bool has_standing_queue(const struct way *way, bool is_first)
{
	uint32_t least = way->standing[0] < way->standing[1] ? way->standing[0] : way->standing[1];

	return way->is_rate_known && least > queue_max_us(way, is_first);
}

/* Where it arrives first, of those with room or of all. */
static size_t earliest(const struct ways *w, size_t len, size_t first, bool with_room,
		       uint64_t now_us)
{
	uint64_t best_us = NEVER_US;
	size_t best = WAYS_NONE;

	for (size_t i = 0; i < w->n; i++) {
		const struct way *way = &w->list[i];
		uint64_t at_us =
			max_u64(now_us, way->idle_at_us) + takes_us(way, len) + ways_least_us(way);

		if (!carries_bulk(w, i, now_us) || at_us >= best_us ||
		    (with_room && is_queue_full(way, i == first, now_us)))
			continue;
		best = i;
		best_us = at_us;
	}
	return best;
}

/* TCP goes on to send more until it loses one, and one is enough (as CoDel, RFC 8289). */
static bool is_to_shed(struct ways *w, size_t first, uint64_t now_us)
{
	if (now_us < w->shed_us + WAYS_SHED_US)
		return false;
	for (size_t i = 0; i < w->n; i++)
		if (carries_bulk(w, i, now_us) && !has_standing_queue(&w->list[i], i == first))
			return false;
	w->shed_us = now_us;
	return true;
}

size_t ways_bulk(struct ways *w, size_t len, uint64_t now_us)
{
	size_t n, best, first = first_way(w, now_us, &n);

	if (n < 2)
		return first;
	best = earliest(w, len, first, true, now_us);
	if (best != WAYS_NONE)
		return best;
	return is_to_shed(w, first, now_us) ? WAYS_FULL : earliest(w, len, first, false, now_us);
}

/* Of ways with room the one of least delay; where none has room, of all. A little better is no
 * reason to leave the first one. */
static size_t least_delay(const struct ways *w, size_t but, bool with_room)
{
	size_t best = WAYS_NONE;

	for (size_t i = 0; i < w->n; i++) {
		const struct way *way = &w->list[i];
		uint64_t delay = delay_now_us(way);

		if (i == but || way->is_silent || (with_room && is_full(way)))
			continue;
		if (best == WAYS_NONE ||
		    delay + delay / 10 + MS(1) / 5 < delay_now_us(&w->list[best]))
			best = i;
	}
	return best;
}

size_t ways_interactive(struct ways *w, uint16_t flow, uint64_t now_us)
{
	struct ways_flow *f = &w->flows[flow % WAYS_FLOWS];
	size_t best = least_delay(w, WAYS_NONE, true);

	if (best == WAYS_NONE)
		best = least_delay(w, WAYS_NONE, false);
	if (best == WAYS_NONE)
		return best;
	if (f->last_us && f->hash == flow && f->way < w->n && f->way != best &&
	    !w->list[f->way].is_silent) {
		uint64_t old_us = delay_now_us(&w->list[f->way]);
		uint64_t new_us = delay_now_us(&w->list[best]);
		uint64_t gap_us = WAYS_GAP_US + (old_us > new_us ? old_us - new_us : 0);

		if (now_us < f->last_us + gap_us)
			best = f->way; /* else it would overtake what is under way */
	}
	*f = (struct ways_flow){ .hash = flow, .way = (uint8_t)best, .last_us = now_us };
	return best;
}

void ways_critical(const struct ways *w, size_t ret[2])
{
	ret[0] = least_delay(w, WAYS_NONE, false);
	ret[1] = ret[0] == WAYS_NONE ? WAYS_NONE : least_delay(w, ret[0], false);
}

/* ---- what happens ---- */

static struct way_mark *mark_of(struct way *way, uint64_t counter)
{
	return &way->marks[(counter ^ counter >> 56) % WAYS_MARKS];
}

static void count_load(struct way *way, size_t len, uint64_t now_us)
{
	uint64_t for_us = now_us - min_u64(now_us, way->window_us);

	if (for_us >= LOAD_WINDOW_US) {
		way->load_bps = way->window_bytes * 8 * US_PER_S / for_us;
		way->window_bytes = 0;
		way->window_us = now_us;
	}
	way->window_bytes += len;
}

void ways_sent(struct ways *w, size_t at, uint8_t lane, uint64_t sequence, size_t len,
	       uint64_t now_us)
{
	struct way *way = &w->list[at];
	uint64_t counter = (uint64_t)lane << 56 | sequence;

	count_load(way, len, now_us);
	way->sent_bytes += len;
	way->sent_packets++;
	way->idle_at_us = max_u64(now_us, way->idle_at_us) + takes_us(way, len);
	*mark_of(way, counter) =
		(struct way_mark){ counter, now_us, way->sent_bytes, way->sent_packets };
	if (way->waits_us == NEVER_US)
		way->waits_us = now_us;
}

static void note_delay(struct way *way, enum report_lane lane, uint64_t delay_us)
{
	uint32_t delay = (uint32_t)min_u64(delay_us ? delay_us : 1, UINT32_MAX / 4);

	way->delay_us[lane] = way->has_delay[lane]
				      ? (uint32_t)((way->delay_us[lane] * UINT64_C(3) + delay) / 4)
				      : delay;
	way->has_delay[lane] = true;
	if (way->least_us[0] == 0 || delay < way->least_us[0])
		way->least_us[0] = delay;
}

/* Delivered since the report before, where that is long enough ago. */
static bool delivered(struct way *way, const struct report_way *r, uint32_t at_us,
		      uint64_t *ret_bps)
{
	uint32_t for_us = at_us - way->reported_at_us;

	if (!way->has_report || for_us > SECONDS(1) || r->bytes < way->reported_bytes) {
		way->has_report = true;
	} else if (for_us < RATE_WINDOW_US) {
		return false;
	} else {
		*ret_bps = (r->bytes - way->reported_bytes) * 8 * US_PER_S / for_us;
		way->reported_bytes = r->bytes;
		way->reported_at_us = at_us;
		return true;
	}
	way->reported_bytes = r->bytes;
	way->reported_at_us = at_us;
	return false;
}

/* What is delivered at most in a second or two, while packets queue for being many, is the way's
 * rate: one that was slow for a moment delivers the more in the next. While they do not queue, it
 * can do what is asked and maybe more: who sends more than the guess will see. */
static void learn_rate(struct way *way, uint64_t bps, uint64_t now_us)
{
	bool is_loaded = way->load_bps * 10 > way->rate_bps * 7;

	way->best_bps = max_u64(way->best_bps, bps);
	way->n_samples++;
	way->n_full += way->is_queueing && is_loaded;
	if (bps > way->rate_bps)
		way->rate_bps = bps;
	else if (!way->is_queueing && is_loaded)
		way->rate_bps += way->rate_bps / 20;
	if (now_us < way->second_us + SECONDS(1))
		return;
	if (way->n_full * 2 > way->n_samples) {
		way->rate_bps = max_u64(way->best_bps, way->best_before_bps);
		way->rate_bps = max_u64(way->rate_bps, WAYS_RATE_MIN);
		way->is_rate_known = true;
	}
	way->best_before_bps = way->best_bps;
	way->best_bps = 0;
	way->n_samples = way->n_full = 0;
	way->second_us = now_us;
}

/* The least wait of the last tenth of a second or two: more than a moment's. */
static void note_queue(struct way *way, uint64_t queued_us, uint64_t now_us)
{
	uint32_t queued = (uint32_t)min_u64(queued_us, UINT32_MAX);

	if (now_us >= way->standing_us + STANDING_US) {
		way->standing[1] =
			now_us < way->standing_us + 2 * STANDING_US ? way->standing[0] : 0;
		way->standing[0] = queued;
		way->standing_us = now_us;
	} else if (queued < way->standing[0]) {
		way->standing[0] = queued;
	}
}

/* From the delay of one packet of bulk: when it left the bottleneck, and so when what was sent
 * after it will have. */
static void learn_queue(struct way *way, const struct way_mark *m, uint64_t delay_us,
			uint64_t now_us)
{
	uint64_t least_us = ways_least_us(way);
	uint64_t queued_us = delay_us > least_us ? delay_us - least_us : 0;
	uint64_t after = way->sent_bytes - m->bytes;

	way->is_queueing = queued_us > WAYS_QUEUED_US;
	note_queue(way, queued_us, now_us);
	way->idle_at_us = max_u64(now_us, m->at_us + queued_us + takes_us(way, after));
}

/* A queue that is full loses, and is no reason to send less often: TCP does that. */
static void learn_loss(struct way *way, const struct way_mark *m, uint32_t n_reported,
		       uint64_t now_us)
{
	uint64_t sent = m->packets - way->loss_from;
	uint64_t came = (uint32_t)(n_reported - way->loss_reported_from);

	way->has_queued |= way->is_queueing;
	if (m->packets < way->loss_from || sent < WAYS_LOSS_PACKETS)
		return;
	way->loss_ppm = came < sent ? (uint32_t)((sent - came) * US_PER_S / sent) : 0;
	if (way->loss_ppm > WAYS_LOSS_PPM && !way->has_queued)
		way->lossy_until_us = now_us + WAYS_LOSSY_US;
	way->has_queued = way->is_queueing;
	way->loss_from = m->packets;
	way->loss_reported_from = n_reported;
}

static void report_lane(struct way *way, const struct report_way *r, enum report_lane lane,
			uint64_t now_us)
{
	static const uint64_t lanes[REPORT_LANES] = { LANE_BULK, WAYS_LANE_URGENT };
	uint64_t counter = lanes[lane] << 56 | r->newest[lane];
	struct way_mark *m = mark_of(way, counter);
	uint64_t delay_us;

	if (!r->has[lane] || m->at_us == 0 || m->counter != counter)
		return;
	delay_us = now_us - min_u64(now_us, m->at_us);
	delay_us -= min_u64(delay_us, r->held_us[lane]);
	note_delay(way, lane, delay_us);
	if (lane == REPORT_BULK) {
		learn_queue(way, m, delay_us, now_us);
		learn_loss(way, m, r->packets, now_us);
	}
	way->waits_us = m->bytes == way->sent_bytes ? NEVER_US : now_us;
	if (way->is_silent) { /* what was sent while it led nowhere is no loss of it */
		way->loss_from = m->packets;
		way->loss_reported_from = r->packets;
	}
	*m = (struct way_mark){ 0 }; /* said again, it would be no news */
	way->is_silent = false;
}

static void report_way(struct way *way, const struct report_way *r, uint32_t at_us, uint64_t now_us)
{
	uint64_t bps;

	for (unsigned lane = 0; lane < REPORT_LANES; lane++)
		report_lane(way, r, (enum report_lane)lane, now_us);
	if (delivered(way, r, at_us, &bps))
		learn_rate(way, bps, now_us);
}

void ways_reported(struct ways *w, const struct report *r, uint64_t now_us)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < r->n; k++)
			if (r->ways[k].name == w->list[i].name)
				report_way(&w->list[i], &r->ways[k], r->at_us, now_us);
}

/* ---- time ---- */

static uint64_t silent_at_us(const struct way *way)
{
	if (way->waits_us == NEVER_US)
		return NEVER_US;
	return way->waits_us + max_u64(WAYS_SILENT_MIN_US, 4 * (uint64_t)ways_least_us(way));
}

bool ways_are_known(const struct ways *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].is_silent || !has_delay(&w->list[i]))
			return false;
	return true;
}

bool ways_tick(struct ways *w, uint64_t now_us)
{
	bool has_fallen = false;

	if (now_us >= w->spell_us + SPELL_US) {
		w->spell_us = now_us;
		for (size_t i = 0; i < w->n; i++) {
			w->list[i].least_us[1] = w->list[i].least_us[0];
			w->list[i].least_us[0] = 0;
		}
	}
	for (size_t i = 0; i < w->n; i++) {
		struct way *way = &w->list[i];

		if (now_us < silent_at_us(way))
			continue;
		has_fallen |= !way->is_silent;
		way->is_silent = true;
		way->waits_us = NEVER_US;
	}
	return has_fallen;
}

uint64_t ways_deadline_us(const struct ways *w)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; i < w->n; i++)
		at = min_u64(at, silent_at_us(&w->list[i]));
	return at;
}

const char *ways_reason(const struct ways *w, size_t at, uint64_t now_us)
{
	const struct way *way = &w->list[at];

	if (way->is_silent)
		return "not used: nothing that was sent this way was reported";
	if (!has_delay(way))
		return "no bulk yet: nothing has been reported";
	if (now_us < way->lossy_until_us)
		return "no bulk: it loses too much";
	if (!carries_bulk(w, at, now_us))
		return "no bulk: so much slower that packets would wait too long for it";
	if (least_delay(w, WAYS_NONE, false) == at)
		return "least delay: interactive, critical, and bulk first";
	if (is_full(way))
		return "for bulk that would wait elsewhere, and critical copies; it is full";
	return "for bulk that would wait elsewhere, and critical copies";
}
