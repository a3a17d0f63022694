/* SPDX-License-Identifier: Apache-2.0 */
/* impair.h - what one direction of a link does to the frames that enter it: which it loses, when
 * each leaves, which leave twice or changed. No socket and no clock; time is now_ns.
 *
 * Every frame draws the same random numbers, in the order in which frames enter and whatever is
 * switched on: the same seed gives the same decisions for the same frames, however late the
 * machine is, and to switch one impairment on does not move the others. Order is kept, with
 * jitter too, but for frames that reordering picks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

#define IMPAIR_PPM 1000000U
#define IMPAIR_FRAMES_MAX 65536		  /* in flight: 1 Gbit/s of full frames for 0.8 s */
#define IMPAIR_BYTES_MAX (64U << 20)	  /* likewise of bytes: 0.5 s of 1 Gbit/s */
#define IMPAIR_TIME_MAX_US 60000000U	  /* of delay, jitter, reordering */
#define IMPAIR_RATE_MIN_BPS 8000U	  /* slower, and one frame takes longer than any test */
#define IMPAIR_RATE_MAX_BPS 400000000000U /* faster than any TAP */
#define IMPAIR_QUEUE_MIN_BYTES 2048U
#define IMPAIR_QUEUE_DEFAULT_BYTES 262144U

/* Zero is a link that does nothing to its frames. */
struct impair_config {
	uint32_t delay_us;
	uint32_t jitter_us;    /* added, uniform from 0 to this */
	uint32_t loss_ppm;     /* each frame by itself */
	uint32_t bad_ppm;      /* Gilbert-Elliott: from good to bad, per frame */
	uint32_t good_ppm;     /* from bad to good: a burst is 1 / this frames long, on average */
	uint32_t bad_loss_ppm; /* while it is bad */
	uint32_t duplicate_ppm;
	uint32_t corrupt_ppm; /* one bit is flipped */
	uint32_t reorder_ppm; /* held back, so that later ones overtake */
	uint32_t reorder_us;  /* for how long */
	uint64_t rate_bps;    /* 0: as fast as it goes */
	uint32_t queue_bytes; /* before the rate: what does not fit is lost; 0: the default */
	bool is_cut;	      /* all is lost, silently */
};

struct impair_counters {
	uint64_t frames_in, bytes_in;
	uint64_t frames_out, bytes_out; /* copies included */
	uint64_t lost;			/* by loss_ppm */
	uint64_t lost_bad;		/* by Gilbert-Elliott */
	uint64_t lost_cut;
	uint64_t lost_queue; /* the queue before the rate was full */
	uint64_t lost_full;  /* more in flight than the bounds above, or no memory */
	uint64_t duplicated, corrupted, reordered;
	uint64_t queue_bytes_max;
};

struct impair; /* owns the frames in flight */

/* -EINVAL for what is out of range. skip_len: this many bytes at the start of a frame are not
 * the frame's own, and never changed. */
int impair_new(uint64_t seed, size_t skip_len, struct impair **ret);
void impair_free(struct impair *m);
int impair_configure(struct impair *m, const struct impair_config *config);
void impair_config(const struct impair *m, struct impair_config *ret);

/* A frame enters; it is copied. */
void impair_push(struct impair *m, const uint8_t *frame, size_t len, uint64_t now_ns);
/* When the next one leaves; UINT64_MAX for none in flight. */
uint64_t impair_deadline_ns(const struct impair *m);
/* The next one due, with the time when it was; false for none. It is valid until the next call
 * of any of these. */
bool impair_pop(struct impair *m, uint64_t now_ns, const uint8_t **ret_frame, size_t *ret_len,
		uint64_t *ret_due_ns);
/* All in flight is gone, as with a carrier. */
void impair_flush(struct impair *m);

void impair_counters(const struct impair *m, struct impair_counters *ret);
void impair_reset_counters(struct impair *m);
