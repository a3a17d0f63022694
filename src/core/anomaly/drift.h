/* SPDX-License-Identifier: Apache-2.0 */
/* drift.h - whether scores still come from where they came from, and how far a detector may be
 * trusted meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DRIFT_WINDOW 512 /* scores: the reference, and as many recent ones */
#define DRIFT_BINS 10
#define DRIFT_PSI 0.25 /* a population stability index above this is a major shift by custom */
#define DRIFT_P 0.001  /* and chance alone must be rarer than this */

/* The population stability index of recent values against reference ones, in bins that hold
 * equal parts of the reference (at least DRIFT_BINS sorted values; recent at least one): the
 * sum of (q - p) ln(q / p), with empty bins taken as half a value. */
double drift_psi(const double *sorted_reference, size_t n_reference, const double *recent,
		 size_t n_recent);

/* Two-sample Kolmogorov-Smirnov: the largest distance of the two distributions, and the chance
 * of one as large without drift (asymptotic; both sorted, neither empty). */
double drift_ks(const double *a, size_t n_a, const double *b, size_t n_b, double *ret_p);

/* The last scores; all zeros is none yet. The reference slides: when a whole recent window has
 * passed without drift, it becomes the reference. A drift that is small in every window is
 * followed, not seen. */
struct drift {
	double reference[DRIFT_WINDOW], recent[DRIFT_WINDOW];
	size_t n_reference, n_recent;
};

/* True when this score completes a recent window that has drifted, by both tests; then all is
 * forgotten and a new reference begins. NaN is no score. */
bool drift_add(struct drift *d, double score);

/* ---- trust ---- */

enum trust_stage {
	TRUST_OBSERVE,	 /* its alarms are only counted */
	TRUST_VALIDATE,	 /* and compared with incidents, shown as hints */
	TRUST_CONFIDENT, /* it opens incidents, a person acts */
	TRUST_ACTIVE,	 /* its incidents may be acted on within mandates */
};

#define TRUST_ALARMS_MIN 20 /* in a stage, before it is left for a higher one */

#define TRUST_ALARMS_MAX 200 /* counted; beyond, both counts are halved */

/* All zeros observes. */
struct trust {
	enum trust_stage stage;
	unsigned n_alarms, n_confirmed; /* since this stage began */
};

/* An alarm was settled: an incident or a person confirmed it, or not. Up one stage when, after
 * TRUST_ALARMS_MIN, the lower 95 % bound of the precision (Wilson) reaches what the next stage
 * asks: 0.5, 0.7, 0.8; down one when the upper bound falls below what its own stage asked. */
void trust_settled(struct trust *t, bool was_confirmed);
void trust_drifted(struct trust *t); /* back to observing */

struct trust_candidate {
	bool is_loaded, is_healthy;
	struct trust trust;
};

/* Of candidates from the best down, the first that is loaded, healthy and active; n for none:
 * then rules alone judge. */
size_t trust_choose(const struct trust_candidate *candidates, size_t n);
