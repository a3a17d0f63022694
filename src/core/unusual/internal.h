/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include "base/rng.h"
#include "core/anomaly/detector.h"
#include "core/anomaly/surprise.h"
#include "core/unusual/unusual.h"

#define STEP_MISSING INT16_MIN

/* How a value becomes a small integer. A step is the least by which a feature ever differs; four
 * are the least that counts as its usual spread, so that what hardly moves is not all odd. */
struct feature {
	const char *text;
	double step;
	bool is_log; /* of 1 + the value: of times, factors count */
};

#define SPREAD_STEPS_MIN 4.0

struct group {
	const char *name;
	size_t n_features;
	bool has_forest; /* one for each link would be too much memory */
	const struct feature *features;
};

extern const struct group unusual_groups[UNUSUAL_N_GROUPS];

enum judge {
	JUDGE_ROBUST,
	JUDGE_FOREST,
	N_JUDGES,
};

/* What is known of one subject. */
struct past {
	enum unusual_group group;
	uint64_t subject;
	struct rng rng;
	uint64_t row_us, fitted_us, n_seen; /* n_seen: rows, since it began, or began to hurry */
	bool is_due;			    /* to be fitted, whenever that was last done */
	size_t n;			    /* samples */
	unsigned learned;	/* features of which enough is known, when last fitted */
	void *models[N_JUDGES]; /* NULL: not yet */
	struct surprise surprises[N_JUDGES];
	struct unusual_verdict verdict;
	struct {
		uint64_t since_us, last_us; /* 0: it is not */
	} odd[UNUSUAL_FEATURES_MAX];
	int16_t samples[]; /* UNUSUAL_SAMPLES rows of as many features as the group has */
};

/* ---- past.c ---- */

int past_new(enum unusual_group g, uint64_t subject, uint64_t seed, struct past **ret);
void past_free(struct past *p);
/* Takes the features of the row into the sample that are not in without. */
void past_learn(struct past *p, const int16_t *row, unsigned without);
/* Nothing of this feature was ever seen; the sample is renewed within minutes. */
void past_forget(struct past *p, size_t feature);
/* The sample is renewed as fast as if it had just become full. */
void past_hurry(struct past *p);
/* -ENODATA: too little is known; -ENOMEM: there are fewer detectors than there could be. */
int past_fit(struct past *p, unsigned learn_s, uint64_t now_us);
/* Bits of the row without these features; NaN where nothing judges. Allocates nothing. */
double past_bits(const struct past *p, const int16_t *row, unsigned without);
/* How much each feature has to do with that; false where nothing judges. */
bool past_shares(const struct past *p, const int16_t *row, unsigned without,
		 double ret[UNUSUAL_FEATURES_MAX]);
