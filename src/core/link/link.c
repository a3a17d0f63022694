/* SPDX-License-Identifier: Apache-2.0 */
/* The liveness of one link: who promised what, how long it has been silent, when to probe. */
#include "core/link/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/link/doubt.h"
#include "core/link/probe.h"
#include "core/link/quality.h"

#define BURST 3			/* probes at once when a link is suspected */
#define CLOCKS_DIFFER_US 1000	/* and 1 %: the neighbour's clock may run faster than ours */
#define SENT_REMEMBERED 64	/* probes whose echo is measured */
#define MEASURE_US 1000000	/* a busy link is probed this often, for its round trip */
#define BETTER_AFTER_US 5000000 /* a better metric is announced no sooner than this */
#define REFUSED_WAIT_US 5000
#define REFUSED_AGAIN_US 1000000

struct link {
	struct rng rng;
	enum link_state state;
	struct quality quality;

	/* What the neighbour sends. */
	bool is_ready;	 /* heard well: our half of UP */
	bool was_up;	 /* ever: from then on, coming back takes ten clean probes */
	bool peer_ready; /* its half, as its newest probe said */
	struct doubt doubt;
	uint64_t heard_us;
	uint64_t refused_us;  /* the network said that it cannot be reached */
	uint32_t interval_us; /* it promised */
	uint32_t peer_id;     /* its newest probe; 0 none */
	uint64_t peer_timestamp_us;
	uint64_t peer_heard_us; /* when that came, on our clock */

	/* Fast down, slow up. */
	uint64_t ready_after_us;
	uint64_t hold_down_us; /* of the next time it goes down */
	unsigned n_clean;
	uint64_t up_since_us;
	uint32_t flaps;

	/* What we send. */
	uint16_t sequence[LINK_LANES]; /* the next */
	uint32_t id;		       /* of the newest probe sent */
	uint32_t promise_id;	       /* of the first probe with the present promise */
	uint32_t promise_us;
	uint32_t pace_us; /* kept; slower than before only once the neighbour knows the promise */
	uint32_t late_us; /* how late we may be, so promised on top */
	bool is_promise_known;
	bool is_warm;
	bool had_payload;
	uint64_t payload_us;
	uint64_t sent_us;
	uint64_t probed_us;
	uint32_t early_us; /* jitter of the next idle probe */
	unsigned n_burst;
	unsigned n_answers;
	uint64_t sent_at_us[SENT_REMEMBERED]; /* by probe id */

	uint32_t metric;
	uint32_t announced;
	uint64_t announced_us;
};

/* ---- state ---- */

static const bool may_follow[3][3] = {
	[LINK_DOWN] = { [LINK_UP] = true },
	[LINK_UP] = { [LINK_SUSPECT] = true, [LINK_DOWN] = true },
	[LINK_SUSPECT] = { [LINK_UP] = true, [LINK_DOWN] = true },
};

static void measure(struct link *l)
{
	l->metric = quality_metric(&l->quality);
}

static void set_state(struct link *l, enum link_state to, uint64_t now_us)
{
	enum link_state from = l->state;

	assert(may_follow[from][to]);
	l->state = to;
	if (from == LINK_DOWN) {
		l->was_up = true;
		l->up_since_us = now_us;
		measure(l);
		l->announced = l->metric;
		l->announced_us = now_us;
	}
	if (to == LINK_DOWN)
		l->flaps++;
}

static bool update_state(struct link *l, uint64_t now_us)
{
	enum link_state to = LINK_UP;

	if (!l->is_ready || !l->peer_ready)
		to = LINK_DOWN;
	else if (l->doubt.is_on)
		to = LINK_SUSPECT;
	if (to == l->state)
		return false;
	if (l->state == LINK_DOWN && to == LINK_SUSPECT)
		return false; /* it comes up on the next packet, or not at all */
	set_state(l, to, now_us);
	return true;
}

/* A link that stayed up for the longest hold-down is forgiven its past. */
static void hold_down(struct link *l, uint64_t now_us)
{
	if (now_us - l->up_since_us >= LINK_HOLD_DOWN_MAX_US)
		l->hold_down_us = LINK_HOLD_DOWN_MIN_US;
	l->ready_after_us = now_us + l->hold_down_us;
	l->hold_down_us = min_u64(2 * l->hold_down_us, LINK_HOLD_DOWN_MAX_US);
}

static void lose(struct link *l, uint64_t now_us)
{
	if (!l->is_ready)
		return;
	l->is_ready = false;
	doubt_end(&l->doubt);
	l->n_clean = 0;
	l->n_burst = 0;
	l->n_answers = 1; /* the neighbour should know */
	if (l->state != LINK_DOWN)
		hold_down(l, now_us);
}

static void become_ready(struct link *l)
{
	l->is_ready = true;
	doubt_end(&l->doubt);
	l->n_answers = 1;
}

/* Any authentic packet: the neighbour is alive. As long as the link never was up, one is
 * enough to make it ready. */
static void hear(struct link *l, uint64_t now_us)
{
	l->heard_us = now_us;
	doubt_was_wrong(&l->doubt, now_us);
	if (!l->is_ready && !l->was_up)
		become_ready(l);
}

/* What the neighbour sends by itself has an interval to come, and answers a round trip. */
static uint32_t patience_us(const struct link *l)
{
	return l->interval_us > l->quality.rtt_us ? l->interval_us : l->quality.rtt_us;
}

/* 1.5 intervals of silence, or what is left of the doubt. */
static uint64_t silence_deadline_us(const struct link *l)
{
	if (!l->is_ready)
		return NEVER_US;
	if (l->doubt.is_on)
		return doubt_deadline_us(&l->doubt, patience_us(l));
	return l->heard_us + l->interval_us + l->interval_us / 2;
}

static void suspect(struct link *l, uint64_t now_us)
{
	doubt_begin(&l->doubt, now_us);
	l->n_burst = BURST;
}

static void watch_silence(struct link *l, uint64_t now_us)
{
	bool is_due = now_us >= silence_deadline_us(l);

	doubt_look(&l->doubt, now_us);
	if (!l->is_ready)
		return;
	if (doubt_is_over(&l->doubt, patience_us(l)))
		lose(l, now_us);
	else if (!l->doubt.is_on && is_due)
		suspect(l, now_us);
}

/* ---- how often we send ---- */

static bool is_active(const struct link *l, uint64_t now_us)
{
	return l->had_payload && now_us - l->payload_us < LINK_ACTIVE_FOR_US;
}

static uint32_t wanted_interval_us(const struct link *l, uint64_t now_us)
{
	if (is_active(l, now_us))
		return LINK_PROBE_ACTIVE_US;
	if (l->is_warm)
		return LINK_PROBE_WARM_US;
	if (l->state == LINK_DOWN && l->peer_id && now_us - l->heard_us < LINK_ACTIVE_FOR_US)
		return LINK_PROBE_WARM_US; /* coming up: ten clean probes in a second */
	return LINK_PROBE_IDLE_US;
}

static void choose_interval(struct link *l, uint64_t now_us)
{
	uint32_t wanted = wanted_interval_us(l, now_us);

	if (wanted != l->promise_us) {
		l->promise_us = wanted;
		l->promise_id = l->id + 1;
		l->is_promise_known = false;
		l->probed_us = min_u64(l->probed_us, now_us - min_u64(now_us, l->pace_us));
	}
	/* Faster at once; slower when it is known, or when nobody hears us anyway. */
	if (l->promise_us < l->pace_us || l->is_promise_known ||
	    now_us - l->heard_us >= LINK_ACTIVE_FOR_US)
		l->pace_us = l->promise_us;
}

static uint64_t probe_due_us(const struct link *l)
{
	if (l->n_burst || l->n_answers)
		return 0;
	if (l->id == 0)
		return 0;
	if (l->doubt.is_on)
		return l->probed_us + min_u64(l->pace_us, LINK_PROBE_ACTIVE_US);
	if (!l->is_promise_known || l->state == LINK_DOWN)
		return l->probed_us + l->pace_us - l->early_us;
	return min_u64(l->sent_us + l->pace_us - l->early_us, l->probed_us + MEASURE_US);
}

/* ---- made and fed ---- */

int link_new(uint64_t seed, uint64_t now_us, struct link **ret)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	rng_seed(&l->rng, seed);
	quality_init(&l->quality, now_us);
	l->heard_us = now_us;
	l->interval_us = LINK_PROBE_IDLE_US;
	l->promise_us = LINK_PROBE_IDLE_US;
	l->pace_us = LINK_PROBE_IDLE_US;
	l->promise_id = 1;
	l->hold_down_us = LINK_HOLD_DOWN_MIN_US;
	l->sent_us = now_us;
	l->probed_us = now_us;
	*ret = l;
	return 0;
}

void link_free(struct link *l)
{
	free(l);
}

void link_keys_changed(struct link *l)
{
	memset(l->sequence, 0, sizeof(l->sequence));
	l->peer_id = 0; /* a neighbour that restarted does not know its old probes */
	quality_restart(&l->quality);
}

uint16_t link_next_sequence(struct link *l, unsigned lane)
{
	assert(lane < LINK_LANES);
	return l->sequence[lane]++;
}

static void note_payload(struct link *l, uint64_t now_us)
{
	l->had_payload = true;
	l->payload_us = now_us;
	choose_interval(l, now_us);
}

void link_sent(struct link *l, size_t len, bool is_payload, uint64_t now_us)
{
	(void)len;
	l->sent_us = now_us;
	if (is_payload)
		note_payload(l, now_us);
}

bool link_received(struct link *l, unsigned lane, uint16_t sequence, size_t len, bool is_payload,
		   uint64_t now_us)
{
	assert(lane < LINK_LANES);
	quality_received(&l->quality, lane, sequence, len, l->state != LINK_DOWN, now_us);
	hear(l, now_us);
	if (is_payload)
		note_payload(l, now_us);
	return update_state(l, now_us);
}

bool link_carried(struct link *l, uint64_t n_expected, uint64_t n_received, uint64_t bytes,
		  bool is_payload, uint64_t now_us)
{
	if (n_received > 0)
		quality_carried(&l->quality, n_expected, n_received, bytes, l->state != LINK_DOWN,
				now_us);
	hear(l, now_us);
	if (is_payload)
		note_payload(l, now_us);
	return update_state(l, now_us);
}

bool link_force_down(struct link *l, uint64_t now_us)
{
	lose(l, now_us);
	l->peer_ready = false;
	return update_state(l, now_us);
}

/* Anybody who can guess a port can send ICMP: so it alone is a reason to ask the neighbour, which
 * then has two round trips for its answer; and once it was wrong it is not listened to for a while.
 */
bool link_refused(struct link *l, uint64_t now_us)
{
	uint64_t answer_us = 2 * (uint64_t)l->quality.rtt_us + REFUSED_WAIT_US;

	if (!l->is_ready)
		return false;
	if (!l->doubt.is_on) {
		if (l->refused_us && now_us < l->refused_us + REFUSED_AGAIN_US)
			return false;
		l->refused_us = now_us;
		suspect(l, now_us);
	} else if (now_us >= l->doubt.since_us + answer_us) {
		lose(l, now_us);
	}
	return update_state(l, now_us);
}

void link_set_warm(struct link *l, bool is_warm)
{
	l->is_warm = is_warm;
}

void link_set_lateness(struct link *l, uint32_t late_us)
{
	l->late_us = late_us < LINK_LATENESS_MAX_US ? late_us : LINK_LATENESS_MAX_US;
}

bool link_is_restless(const struct link *l, uint64_t now_us)
{
	return doubt_is_restless(&l->doubt, now_us);
}

bool link_is_fast(const struct link *l)
{
	return l->state != LINK_DOWN && l->promise_us < LINK_PROBE_IDLE_US;
}

uint64_t link_speak_by_us(const struct link *l)
{
	if (l->state == LINK_DOWN || l->id == 0)
		return NEVER_US;
	return l->sent_us + l->promise_us + l->late_us;
}

/* ---- probes ---- */

/* Whether the echo is one of a probe that we sent, when we sent it. *ret_rtt_us is 0 where it
 * measures nothing: none, too old to be remembered, or shorter than the clocks can tell. */
static int echo_check(const struct link *l, const struct probe *p, uint64_t now_us,
		      uint32_t *ret_rtt_us)
{
	uint32_t ago = l->id - p->echo_id;
	uint64_t elapsed;

	*ret_rtt_us = 0;
	if (!(p->flags & PROBE_ECHO))
		return 0;
	if (p->echo_id == 0 || ago > INT32_MAX)
		return -EPROTO;
	if (ago >= SENT_REMEMBERED)
		return 0;
	if (p->echo_timestamp_us != l->sent_at_us[p->echo_id % SENT_REMEMBERED])
		return -EPROTO;
	if (now_us < p->echo_timestamp_us)
		return -EPROTO;
	elapsed = now_us - p->echo_timestamp_us;
	if (p->held_us > elapsed + elapsed / 100 + CLOCKS_DIFFER_US)
		return -EPROTO;
	if (p->held_us < elapsed)
		*ret_rtt_us = (uint32_t)min_u64(elapsed - p->held_us, UINT32_MAX);
	return 0;
}

/* Probes overtake each other: only a newer one changes what is believed. One far behind is the
 * first of a neighbour that began anew. */
static bool is_newer_probe(const struct link *l, uint32_t id)
{
	int32_t ahead = (int32_t)(id - l->peer_id);

	return l->peer_id == 0 || ahead > 0 || ahead <= -SENT_REMEMBERED;
}

/* Before hear(): a pause counts against it. */
static void count_clean(struct link *l, const struct probe *p, uint64_t now_us)
{
	uint64_t silence_us = now_us - min_u64(now_us, l->peer_heard_us);

	if (l->is_ready || !l->was_up)
		return;
	if (p->id != l->peer_id + 1 || 2 * silence_us >= 5 * (uint64_t)l->interval_us)
		l->n_clean = 0;
	l->n_clean++;
	if (l->n_clean >= LINK_CLEAN_PROBES && now_us >= l->ready_after_us)
		become_ready(l);
}

static void believe(struct link *l, const struct probe *p, uint64_t now_us)
{
	l->peer_id = p->id;
	l->peer_timestamp_us = p->timestamp_us;
	l->peer_heard_us = now_us;
	l->interval_us = p->interval_us;
	l->peer_ready = p->flags & PROBE_READY;
	l->quality.loss_out_ppm = p->loss_ppm;
	if (p->flags & PROBE_ECHO && (int32_t)(p->echo_id - l->promise_id) >= 0)
		l->is_promise_known = true;
}

int link_probe_input(struct link *l, struct span probe, uint64_t now_us)
{
	struct probe p;
	uint32_t rtt_us;
	int r = probe_decode(probe, &p);

	if (r < 0)
		return r;
	r = echo_check(l, &p, now_us, &rtt_us);
	if (r < 0)
		return r;
	if (rtt_us)
		quality_rtt(&l->quality, rtt_us);
	if (is_newer_probe(l, p.id)) {
		count_clean(l, &p, now_us);
		believe(l, &p, now_us);
	}
	if (p.flags & PROBE_ANSWER && l->n_answers < BURST)
		l->n_answers++;
	hear(l, now_us);
	choose_interval(l, now_us);
	return update_state(l, now_us);
}

static uint8_t take_probe_flags(struct link *l)
{
	uint8_t flags = 0;

	if (l->n_burst)
		l->n_burst--;
	else if (l->n_answers)
		l->n_answers--;
	if (l->doubt.is_on)
		flags |= PROBE_ANSWER;
	if (l->is_ready)
		flags |= PROBE_READY;
	if (l->peer_id)
		flags |= PROBE_ECHO;
	return flags;
}

static void note_probe(struct link *l, uint64_t now_us)
{
	l->sent_at_us[l->id % SENT_REMEMBERED] = now_us;
	l->sent_us = now_us;
	l->probed_us = now_us;
	l->early_us = 0;
	if (l->pace_us == LINK_PROBE_IDLE_US)
		l->early_us = (uint32_t)rng_below(&l->rng, LINK_PROBE_IDLE_US / 4);
}

bool link_next_probe(struct link *l, uint64_t now_us, uint8_t ret[LINK_PROBE_LEN])
{
	struct probe p = { .timestamp_us = now_us };

	if (now_us < probe_due_us(l))
		return false;
	l->id = l->id == UINT32_MAX ? 1 : l->id + 1;
	p.flags = take_probe_flags(l);
	p.interval_us = l->promise_us + l->late_us;
	p.id = l->id;
	p.loss_ppm = quality_loss_ppm(&l->quality);
	if (l->peer_id) {
		p.echo_id = l->peer_id;
		p.echo_timestamp_us = l->peer_timestamp_us;
		p.held_us = (uint32_t)min_u64(now_us - l->peer_heard_us, UINT32_MAX);
	}
	probe_encode(&p, ret);
	note_probe(l, now_us);
	return true;
}

/* ---- time ---- */

bool link_tick(struct link *l, uint64_t now_us)
{
	bool has_changed;

	watch_silence(l, now_us);
	choose_interval(l, now_us);
	has_changed = update_state(l, now_us);
	if (quality_tick(&l->quality, l->state != LINK_DOWN, now_us))
		measure(l);
	return has_changed;
}

uint64_t link_deadline_us(const struct link *l)
{
	uint64_t due = min_u64(silence_deadline_us(l), probe_due_us(l));

	return min_u64(due, l->quality.window_ends_us);
}

uint64_t link_still_until_us(const struct link *l, uint64_t now_us)
{
	const uint64_t ends_us[] = { l->heard_us + LINK_ACTIVE_FOR_US,
				     l->had_payload ? l->payload_us + LINK_ACTIVE_FOR_US : 0,
				     l->announced_us + BETTER_AFTER_US };
	uint64_t at = link_deadline_us(l);

	if (l->doubt.is_on)
		return 0; /* each look at it counts */
	for (size_t i = 0; i < N_ELEMENTS(ends_us); i++)
		if (ends_us[i] > now_us)
			at = min_u64(at, ends_us[i]);
	return at;
}

/* ---- asked ---- */

enum link_state link_state(const struct link *l)
{
	return l->state;
}

enum link_state link_state_now(const struct link *l, uint64_t now_us)
{
	if (l->state == LINK_UP && now_us >= silence_deadline_us(l))
		return LINK_SUSPECT;
	return l->state;
}

enum link_class link_class(const struct link *l)
{
	return l->quality.class;
}

void link_quality(const struct link *l, uint64_t now_us, struct link_quality *ret)
{
	uint64_t silence_us = now_us - min_u64(now_us, l->heard_us);

	*ret = (struct link_quality){
		.rtt_us = l->quality.rtt_us,
		.rtt_min_us = quality_rtt_min_us(&l->quality),
		.jitter_us = l->quality.jitter_us,
		.loss_ppm = quality_loss_ppm(&l->quality),
		.rate_bps = silence_us < SECONDS(1) ? quality_rate_bps(&l->quality) : 0,
		.up_since_us = l->state == LINK_DOWN ? 0 : l->up_since_us,
		.last_heard_us = l->heard_us,
		.flaps = l->flaps,
		.doubts = l->doubt.n_wrong,
		.is_restless = doubt_is_restless(&l->doubt, now_us),
		.interval_us = l->interval_us,
	};
}

uint32_t link_metric(const struct link *l)
{
	return l->state == LINK_DOWN ? LINK_METRIC_MAX : l->metric;
}

bool link_metric_should_announce(struct link *l, uint64_t now_us)
{
	uint64_t is = (uint64_t)l->metric * 100;
	uint64_t was = l->announced;

	if (l->state == LINK_DOWN)
		return false;
	if (is < was * 105 && (is > was * 90 || now_us - l->announced_us < BETTER_AFTER_US))
		return false;
	l->announced = l->metric;
	l->announced_us = now_us;
	return true;
}

const char *link_state_name(enum link_state s)
{
	static const char *const names[] = { "down", "up", "suspect" };

	return (unsigned)s < N_ELEMENTS(names) ? names[s] : "unknown";
}

const char *link_class_name(enum link_class c)
{
	static const char *const names[] = { "excellent", "good", "fair", "poor", "bad" };

	return (unsigned)c < N_ELEMENTS(names) ? names[c] : "unknown";
}
