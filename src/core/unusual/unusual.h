/* SPDX-License-Identifier: Apache-2.0 */
/* unusual.h - how unusual this host and its links are by their own past (docs/healing.md).
 *
 * Once a second a row of each subject comes in; out comes by how many bits it surprises the
 * detectors that were fitted to a sample of the last hour. Nothing here opens an incident or acts.
 * No clock, no file: time is a parameter, and what was learned ends with the process. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNUSUAL_SUBJECTS_MAX 65 /* this host, and as many links as healing looks at */
#define UNUSUAL_FEATURES_MAX 8
#define UNUSUAL_SAMPLES 256	/* rows of a subject: the forest's own sample, section 5 */
#define UNUSUAL_PAST_S 3600	/* that they speak for, in the mean */
#define UNUSUAL_LEARN_S 60	/* values of a feature before it is judged, by default */
#define UNUSUAL_LEARN_S_MIN 10	/* which may be set from here */
#define UNUSUAL_FOREST_ROWS 128 /* before a forest is grown */
#define UNUSUAL_EVERY_US UINT64_C(900000)  /* a row sooner than this after the last is not taken */
#define UNUSUAL_FRESH_US UINT64_C(5000000) /* an older verdict says nothing of now */
#define UNUSUAL_LASTS_US UINT64_C(900000000) /* what has been odd for so long is usual from now */
#define UNUSUAL_UNSEEN_US                                                       \
	UINT64_C(600000000) /* a subject without a row for so long is forgotten \
			     */
#define UNUSUAL_BITS 16.0   /* a row in 65,536: what stands out in it is not learned */

enum unusual_group {
	UNUSUAL_HOST, /* subject 0 */
	UNUSUAL_LINK, /* subject: the neighbour's node id */
	UNUSUAL_N_GROUPS,
};

/* Of the host; bits of a mask, in this order. */
enum {
	UNUSUAL_CPU,	      /* share in use */
	UNUSUAL_MEMORY,	      /* share in use */
	UNUSUAL_DISK,	      /* share in use */
	UNUSUAL_PRESSURE_CPU, /* shares of the last 10 s in which some task waited */
	UNUSUAL_PRESSURE_MEMORY,
	UNUSUAL_PRESSURE_IO,
	UNUSUAL_LOOP_LATE, /* milliseconds by which the daemon's loop ran late */
	UNUSUAL_LINK_RTT,  /* milliseconds, the median of its neighbours */
	UNUSUAL_N_HOST,
};

/* Of a link. */
enum {
	UNUSUAL_RTT,	/* milliseconds */
	UNUSUAL_JITTER, /* milliseconds */
	UNUSUAL_LOSS,	/* share */
	UNUSUAL_N_LINK,
};

struct unusual_row {
	enum unusual_group group;
	uint64_t subject;
	double values[UNUSUAL_FEATURES_MAX]; /* NaN: not known */
	unsigned masked; /* features of which an open incident speaks: not learned, and no hint */
};

struct unusual_verdict {
	double bits;	    /* of all features; NaN: nothing judges yet */
	double hint_bits;   /* without the masked ones; NaN */
	const char *mostly; /* static text: the feature that stands out most; "" */
};

enum unusual_mode {
	UNUSUAL_RULES,	  /* too little is known: rules alone judge */
	UNUSUAL_ROBUST,	  /* robust_z */
	UNUSUAL_ENSEMBLE, /* robust_z and forest: the more surprised, less one bit for two chances
			   */
	UNUSUAL_N_MODES,
};

struct unusual;

/* learn_s: UNUSUAL_LEARN_S_MIN to UNUSUAL_SAMPLES. -EINVAL, -ENOMEM. */
int unusual_new(uint64_t seed, unsigned learn_s, struct unusual **ret);
void unusual_free(struct unusual *u);

/* Judges the row, and learns from what in it is neither masked nor odd. -EALREADY: too soon after
 * the last one; -ENOBUFS: there are as many subjects as may be; -EINVAL; -ENOMEM. */
int unusual_judge(struct unusual *u, const struct unusual_row *r, uint64_t now_us,
		  struct unusual_verdict *ret);
/* Of the latest row; NaN where it is older than UNUSUAL_FRESH_US, or nothing judged it. */
double unusual_bits(const struct unusual *u, enum unusual_group g, uint64_t subject,
		    uint64_t now_us);
/* Those without a row for UNUSUAL_UNSEEN_US are forgotten; once in a while. */
void unusual_tick(struct unusual *u, uint64_t now_us);

struct unusual_view {
	enum unusual_group group;
	uint64_t subject;
	enum unusual_mode mode;
	const char *why;			 /* static text: why not more; "" */
	size_t n_samples, n_features, n_learned; /* features: there are, and are judged */
	double bits;
	const char *mostly;
	uint64_t at_us; /* the latest row */
};

/* In order of first contact; start with *cursor = 0. */
bool unusual_next(const struct unusual *u, size_t *cursor, struct unusual_view *ret);

struct unusual_counters {
	uint64_t rows, refused; /* refused: single values that cannot be */
	uint64_t odd;		/* rows of UNUSUAL_BITS and more */
	uint64_t adopted;	/* features that had been odd for long */
	uint64_t drifts;	/* of the host's scores */
	uint64_t left_out;	/* rows for which there was no room */
	uint64_t fits, unfit;	/* detectors; unfit: there was no memory to */
};

void unusual_counters(const struct unusual *u, struct unusual_counters *ret);
const char *unusual_group_name(enum unusual_group g);
const char *unusual_mode_name(enum unusual_mode m);
