/* SPDX-License-Identifier: Apache-2.0 */
/* Loss, round trips, rate, class and metric of one link, in integers. */
#include "core/link/quality.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

#define PPM UINT64_C(1000000)
#define LOSS_MIN_PACKETS 100	/* fewer are counted as that many: one early loss is no 50 % */
#define DELIVERED_MIN_PPM 50000 /* the metric grows no further beyond 95 % loss */
#define RATE_ASSUMED_BPS UINT64_C(10000000) /* FAIR: what is assumed until more was delivered */
#define FIXED_COST_US 100
#define PACKET_BITS (UINT64_C(1400) * 8)
#define METRIC_UNIT_US 10
#define JUMP_MAX 0x4000 /* further ahead than this is a new start and no gap */

/* Loss and latency below which a link is of the class; ROUTING.md, L. */
static const struct {
	uint32_t loss_ppm;
	uint32_t latency_us;
	uint64_t rate_bps; /* delivered more than this; 0: not asked, see docs/link.md */
	uint32_t factor_x2;
} classes[] = {
	[LINK_EXCELLENT] = { 1000, 10000, UINT64_C(100000000), 2 },
	[LINK_GOOD] = { 10000, 50000, UINT64_C(50000000), 3 },
	[LINK_FAIR] = { 30000, 100000, 0, 6 },
	[LINK_POOR] = { 50000, 200000, 0, 12 },
	[LINK_BAD] = { UINT32_MAX, UINT32_MAX, 0, 100 },
};

static void window_init(struct window *w, uint64_t period_us, unsigned n_slots, uint64_t now_us)
{
	*w = (struct window){
		.period_us = period_us,
		.n_slots = n_slots,
		.slot_ends_us = now_us + period_us,
	};
}

/* Nothing came between the last packet and now, so every slot that ended holds the totals. */
static void window_advance(struct window *w, const struct totals *totals, uint64_t now_us)
{
	uint64_t n;

	if (now_us < w->slot_ends_us)
		return;
	n = (now_us - w->slot_ends_us) / w->period_us + 1;
	w->slot_ends_us += n * w->period_us;
	for (uint64_t i = 0; i < n && i < w->n_slots; i++) {
		w->slots[w->oldest] = *totals;
		w->oldest = (w->oldest + 1) % w->n_slots;
	}
}

static uint64_t window_lost(const struct window *w, const struct totals *totals, uint64_t *ret_n)
{
	const struct totals *then = &w->slots[w->oldest];
	uint64_t expected = totals->expected - then->expected;
	uint64_t received = totals->received - then->received;

	*ret_n = expected;
	return expected > received ? expected - received : 0; /* latecomers of an older window */
}

static uint64_t root(uint64_t v)
{
	uint64_t r = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1) {
		if ((r + bit) * (r + bit) <= v)
			r += bit;
	}
	return r;
}

/* k + 3 + 1.645 sqrt(k) stays above the one-sided 95 % limit of a Poisson mean, and is exact
 * for k = 0, the "rule of three". */
uint32_t quality_loss_upper_ppm(uint64_t n_lost, uint64_t n)
{
	uint64_t k = min_u64(n_lost, UINT32_MAX);
	uint64_t upper = k + 3 + (root(k * 27060) + 99) / 100;

	if (n == 0 || upper >= n)
		return (uint32_t)PPM;
	return (uint32_t)(upper * PPM / n);
}

void quality_init(struct quality *q, uint64_t now_us)
{
	*q = (struct quality){ .class = LINK_FAIR, .window_ends_us = now_us + QUALITY_WINDOW_US };
	window_init(&q->second, MS(100), 10, now_us);
	window_init(&q->half_minute, SECONDS(1), 30, now_us);
	window_init(&q->ten_minutes, SECONDS(30), 20, now_us);
}

void quality_restart(struct quality *q)
{
	memset(q->tracks, 0, sizeof(q->tracks));
}

static void start_at(struct track *t, struct totals *totals, uint16_t sequence)
{
	*t = (struct track){ .has_sequence = true, .newest = sequence, .seen = 1 };
	totals->expected++;
	totals->received++;
}

static void go_ahead(struct track *t, struct totals *totals, uint16_t by, bool counts_gaps)
{
	t->newest = (uint16_t)(t->newest + by);
	t->seen = by < 64 ? t->seen << by | 1 : 1;
	totals->expected += counts_gaps ? by : 1;
	totals->received++;
	t->has_stranger = false;
}

static void come_late(struct track *t, struct totals *totals, uint16_t by)
{
	uint64_t bit = UINT64_C(1) << by;

	if (t->seen & bit)
		return;
	t->seen |= bit;
	if (totals->received < totals->expected)
		totals->received++;
}

/* A number far away is believed when a second one comes near it: a stray of the previous keys
 * does not count as thousands lost, and a burst of loss does (as RFC 3550 appendix A.1). */
static void come_from_afar(struct track *t, struct totals *totals, uint16_t sequence,
			   bool counts_gaps)
{
	uint16_t since = (uint16_t)(sequence - t->stranger);
	uint16_t ahead = (uint16_t)(sequence - t->newest);

	if (!t->has_stranger || since == 0 || since > QUALITY_REORDER) {
		t->has_stranger = true;
		t->stranger = sequence;
		return;
	}
	if (ahead >= JUMP_MAX) {
		start_at(t, totals, sequence);
		return;
	}
	go_ahead(t, totals, ahead, counts_gaps);
	totals->received++; /* the stranger; with it the jump's first packet is accounted for */
	if (!counts_gaps)
		totals->expected++;
	t->seen |= UINT64_C(1) << since % 64;
}

void quality_received(struct quality *q, unsigned lane, uint16_t sequence, size_t len,
		      bool counts_gaps, uint64_t now_us)
{
	struct track *t = &q->tracks[lane];
	int16_t ahead = (int16_t)(uint16_t)(sequence - t->newest);

	window_advance(&q->second, &q->totals, now_us);
	window_advance(&q->half_minute, &q->totals, now_us);
	window_advance(&q->ten_minutes, &q->totals, now_us);
	q->totals.bytes += len;
	if (!t->has_sequence)
		start_at(t, &q->totals, sequence);
	else if (ahead > 0 && ahead <= QUALITY_REORDER)
		go_ahead(t, &q->totals, (uint16_t)ahead, counts_gaps);
	else if (ahead <= 0 && ahead > -QUALITY_REORDER)
		come_late(t, &q->totals, (uint16_t)-ahead);
	else
		come_from_afar(t, &q->totals, sequence, counts_gaps);
}

void quality_carried(struct quality *q, uint64_t n_expected, uint64_t n_received, uint64_t bytes,
		     bool counts_gaps, uint64_t now_us)
{
	window_advance(&q->second, &q->totals, now_us);
	window_advance(&q->half_minute, &q->totals, now_us);
	window_advance(&q->ten_minutes, &q->totals, now_us);
	q->totals.bytes += bytes;
	q->totals.received += n_received;
	q->totals.expected += counts_gaps ? n_expected : n_received;
}

void quality_rtt(struct quality *q, uint32_t rtt_us)
{
	uint32_t *slot = &q->rtt_min_us[q->n_windows / 5 % QUALITY_RTT_SLOTS];

	rtt_us = rtt_us ? rtt_us : 1;
	if (q->rtt_us == 0) {
		q->rtt_us = rtt_us;
		q->jitter_us = rtt_us / 2;
	} else {
		uint32_t off = rtt_us > q->rtt_us ? rtt_us - q->rtt_us : q->rtt_us - rtt_us;

		q->jitter_us = (uint32_t)(((uint64_t)q->jitter_us * 3 + off) / 4);
		q->rtt_us = (uint32_t)(((uint64_t)q->rtt_us * 7 + rtt_us) / 8);
	}
	if (*slot == 0 || rtt_us < *slot)
		*slot = rtt_us;
}

uint32_t quality_loss_ppm(const struct quality *q)
{
	uint64_t n;
	uint64_t lost = window_lost(&q->half_minute, &q->totals, &n);

	return (uint32_t)(lost * PPM / max_u64(n, LOSS_MIN_PACKETS));
}

uint32_t quality_rtt_min_us(const struct quality *q)
{
	uint32_t least = 0;

	for (unsigned i = 0; i < QUALITY_RTT_SLOTS; i++) {
		if (q->rtt_min_us[i] && (least == 0 || q->rtt_min_us[i] < least))
			least = q->rtt_min_us[i];
	}
	return least ? least : q->rtt_us;
}

uint64_t quality_rate_bps(const struct quality *q)
{
	return (q->totals.bytes - q->second.slots[q->second.oldest].bytes) * 8;
}

static uint64_t rate_peak_bps(const struct quality *q)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < QUALITY_RATE_SLOTS; i++)
		most = max_u64(most, q->rate_bps[i]);
	return most;
}

static enum link_class class_of(const struct quality *q, uint32_t loss_ppm)
{
	uint64_t rate = rate_peak_bps(q);

	for (unsigned c = LINK_EXCELLENT; c < LINK_BAD; c++) {
		if (loss_ppm < classes[c].loss_ppm && q->rtt_us / 2 < classes[c].latency_us &&
		    (classes[c].rate_bps == 0 || rate > classes[c].rate_bps))
			return (enum link_class)c;
	}
	return LINK_BAD;
}

/* Better needs proof: the upper end of the confidence interval over 10 min, and a good last
 * 30 s. Worse is what the last 30 s say plainly. */
static void judge(struct quality *q)
{
	uint64_t n;
	uint64_t lost = window_lost(&q->ten_minutes, &q->totals, &n);
	enum link_class proved = class_of(q, quality_loss_upper_ppm(lost, n));
	enum link_class recent = class_of(q, quality_loss_ppm(q));
	enum link_class better = proved > recent ? proved : recent;

	q->n_worse = recent > q->class ? q->n_worse + 1 : 0;
	q->n_better = better < q->class ? q->n_better + 1 : 0;
	if (q->n_worse >= QUALITY_WORSE_AFTER)
		q->class = recent;
	else if (q->n_better >= QUALITY_BETTER_AFTER)
		q->class = better;
	else
		return;
	q->n_worse = 0;
	q->n_better = 0;
}

static void begin_window(struct quality *q)
{
	q->n_windows++;
	if (q->n_windows % 5 == 0)
		q->rtt_min_us[q->n_windows / 5 % QUALITY_RTT_SLOTS] = 0;
	if (q->n_windows % 30 == 0)
		q->rate_bps[q->n_windows / 30 % QUALITY_RATE_SLOTS] = 0;
}

bool quality_tick(struct quality *q, bool is_up, uint64_t now_us)
{
	uint64_t *rate = &q->rate_bps[q->n_windows / 30 % QUALITY_RATE_SLOTS];

	window_advance(&q->second, &q->totals, now_us);
	window_advance(&q->half_minute, &q->totals, now_us);
	window_advance(&q->ten_minutes, &q->totals, now_us);
	if (now_us < q->window_ends_us)
		return false;
	*rate = max_u64(*rate, quality_rate_bps(q));
	q->window_ends_us = now_us + QUALITY_WINDOW_US;
	if (is_up)
		judge(q);
	begin_window(q);
	return true;
}

static uint64_t undelivered(uint64_t cost_us, uint32_t loss_ppm)
{
	uint64_t delivered = loss_ppm < PPM ? PPM - loss_ppm : 0;

	return cost_us * PPM / max_u64(delivered, DELIVERED_MIN_PPM);
}

/* The square of (1 - loss) is the product of both directions', each as its receiver saw it,
 * so that the two ends agree. */
uint32_t quality_metric(const struct quality *q)
{
	uint64_t rate = max_u64(rate_peak_bps(q), RATE_ASSUMED_BPS);
	uint64_t cost_us = FIXED_COST_US + quality_rtt_min_us(q) / 2 + PACKET_BITS * PPM / rate;
	uint64_t metric;

	cost_us = undelivered(cost_us, quality_loss_ppm(q));
	cost_us = undelivered(cost_us, q->loss_out_ppm);
	metric = cost_us * classes[q->class].factor_x2 / 2 / METRIC_UNIT_US;
	return (uint32_t)max_u64(1, min_u64(metric, LINK_METRIC_MAX - 1));
}
