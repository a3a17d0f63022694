/* SPDX-License-Identifier: Apache-2.0 */
/* link.h - whether the link to one neighbour is up, and how good it is, from the packets and
 * probes it carries (docs/link.md; design: ROUTING.md, L).
 *
 * Every transport packet carries a link sequence number: data are hellos. Gaps are filled with
 * probes that promise when the next comes. UP -> SUSPECT at 1.5 intervals of silence: from then on
 * packets go both ways. DOWN after a doubt of an interval at least, and of as much as the link has
 * shown to need; UP again only after ten clean probes and a hold-down that doubles. It sends
 * nothing itself: it says what to send. Both ends must be ready: a link whose other end hears
 * nothing is down. The very first time one authentic exchange is enough. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

/* Probe intervals. An active link carried payload in the last 2 s. */
#define LINK_PROBE_ACTIVE_US 15000
#define LINK_PROBE_WARM_US 100000
#define LINK_PROBE_IDLE_US 250000
#define LINK_ACTIVE_FOR_US 2000000
/* How long a link is suspect before it is given up. Bursts of loss on radio links are over within
 * the least; the most is for those that were seen to need it. */
#define LINK_DOUBT_MIN_US 100000
#define LINK_DOUBT_MAX_US 2000000
#define LINK_LATENESS_MAX_US 500000
#define LINK_HOLD_DOWN_MIN_US 1000000
#define LINK_HOLD_DOWN_MAX_US 60000000
#define LINK_CLEAN_PROBES 10
#define LINK_LANES 16		  /* as many as a session may have */
#define LINK_METRIC_MAX 0xffffffU /* infinity, in units of 10 us */

enum link_state {
	LINK_DOWN, /* never up, or silent for too long */
	LINK_UP,
	LINK_SUSPECT, /* still used, but the alternate is at hand */
};

enum link_class {
	LINK_EXCELLENT,
	LINK_GOOD,
	LINK_FAIR,
	LINK_POOR,
	LINK_BAD,
};

struct link; /* owned by whom it was made for */

int link_new(uint64_t seed, uint64_t now_us, struct link **ret);
void link_free(struct link *l);

/* A new session's keys start new sequence numbers; state and quality stay. */
void link_keys_changed(struct link *l);

/* The link sequence number for the next packet of a lane, of any kind. Lanes do not wait for each
 * other on the way, so each counts for itself. */
uint16_t link_next_sequence(struct link *l, unsigned lane);
void link_sent(struct link *l, size_t len, bool is_payload, uint64_t now_us);
/* An authentic packet with this sequence number arrived. Returns true when the state changed. */
bool link_received(struct link *l, unsigned lane, uint16_t sequence, size_t len, bool is_payload,
		   uint64_t now_us);

/* Of packets that others count (packet threads): so many came since the last call, of so many by
 * their sequence numbers. All zeros: one came, and is counted elsewhere. As link_received(). */
bool link_carried(struct link *l, uint64_t n_expected, uint64_t n_received, uint64_t bytes,
		  bool is_payload, uint64_t now_us);

/* Body of a probe (type 18), sealed as the inner part of an "ends here" packet:
 * flags 1 (1 ready, 2 answer, 4 echo) | 0 3 | interval_us 4 | probe id 4 | timestamp_us 8 |
 * echoed id 4 | echoed timestamp_us 8 | held_us 4 | loss_ppm 4. docs/link.md has the rules.
 * Decoding is part of link_probe_input(), which returns 1 when the state changed, 0 when not,
 * -EBADMSG for a wrong length, -EPROTO for values that cannot be; a refused one changes nothing.
 * Call link_received() for the packet that carried it as well, before or after. */
#define LINK_PROBE_LEN 40
int link_probe_input(struct link *l, struct span probe, uint64_t now_us);

/* Drives timers; true when the state changed. */
bool link_tick(struct link *l, uint64_t now_us);
uint64_t link_deadline_us(const struct link *l);
/* Until then nothing changes by time alone: link_tick() and link_metric_should_announce() would do
 * nothing, and no probe is due. No later than the deadline, and no reason to wake up. */
uint64_t link_still_until_us(const struct link *l, uint64_t now_us);
/* A probe is due: fills it and says so; false when there is none (any more). Ask after every
 * input and tick, until false. */
bool link_next_probe(struct link *l, uint64_t now_us, uint8_t ret[LINK_PROBE_LEN]);

/* The first alternate of an active flow is kept warm. */
void link_set_warm(struct link *l, bool is_warm);
/* Carrier loss, an authentic goodbye: down at once. True if it was not. */
bool link_force_down(struct link *l, uint64_t now_us);
/* The network says that what was sent could not be delivered: suspect at once, and down when it
 * says so again and the probes of that suspicion went unanswered for two round trips. Once it was
 * wrong it is not heard for a second. True when the state changed. */
bool link_refused(struct link *l, uint64_t now_us);
/* What we send may be so much later than it is due, because of other programs on this machine:
 * promised on top, LINK_LATENESS_MAX_US at most. */
void link_set_lateness(struct link *l, uint32_t late_us);
/* Suspect without reason too often of late for copies of all that is sent meanwhile. */
bool link_is_restless(const struct link *l, uint64_t now_us);
/* Up, and probed several times in 250 ms. */
bool link_is_fast(const struct link *l);
/* By when something must leave for our promise to be kept; NEVER_US while it is down. */
uint64_t link_speak_by_us(const struct link *l);

enum link_state link_state(const struct link *l);
/* The same for one who is about to send: suspect also where only the tick that says so is late, as
 * after a pause of the process, in which much has come that would all go to a dead link. */
enum link_state link_state_now(const struct link *l, uint64_t now_us);
enum link_class link_class(const struct link *l);

struct link_quality {
	uint32_t rtt_us;     /* smoothed; 0 before the first answer */
	uint32_t rtt_min_us; /* over the last 30 s */
	uint32_t jitter_us;
	uint32_t loss_ppm; /* of what the neighbour sent us, 30 s window */
	uint64_t rate_bps; /* delivered, last second */
	uint64_t up_since_us;
	uint64_t last_heard_us;
	uint32_t flaps;
	uint32_t doubts;      /* times it was suspect, and heard again */
	bool is_restless;     /* link_is_restless() */
	uint32_t interval_us; /* in which the neighbour promised its next packet */
};

void link_quality(const struct link *l, uint64_t now_us, struct link_quality *ret);

/* Cost of the link in units of 10 us, 1..LINK_METRIC_MAX - 1; LINK_METRIC_MAX when down:
 * (100 us + RTTmin/2 + 1400 B / rate) / (1 - loss)^2, times 1, 1.5, 3, 6, 50 by class. */
uint32_t link_metric(const struct link *l);
/* Whether the metric moved enough to be announced (10 % better and 5 s old, or 5 % worse);
 * marks it announced when true. */
bool link_metric_should_announce(struct link *l, uint64_t now_us);

const char *link_state_name(enum link_state s);
const char *link_class_name(enum link_class c);
