/* SPDX-License-Identifier: Apache-2.0 */
/* detector.h - one interface for all that says how strange a row of measurements is.
 *
 * A row holds n_features measurements of one thing at one time; rows follow one another in
 * time, equally spaced. NaN is a missing value and stays missing: it adds nothing to a score,
 * and a row of missing values alone scores NaN. Any other value, infinite ones included, is
 * taken as it is and bounded by each detector. A score of row i depends on rows 0..i only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define DETECTOR_FEATURES_MAX 256
#define DETECTOR_TRAIN_ROWS_MAX ((size_t)1 << 20)
#define DETECTOR_SAVED_MAX ((size_t)16 << 20) /* bytes of one model */

struct rows {
	const double *values; /* row-major */
	size_t n_rows, n_features;
};

static inline const double *rows_at(const struct rows *r, size_t i)
{
	return r->values + i * r->n_features;
}

/* What the rule detector asks of one feature; NaN for no threshold. */
struct rule {
	double on, off; /* fires at on and above, until it is below off; off <= on */
};

#define RULE_CPU_PERCENT ((struct rule){ .on = 90, .off = 85 })
#define RULE_MEMORY_PERCENT ((struct rule){ .on = 85, .off = 80 })
#define RULE_LOSS_PERCENT ((struct rule){ .on = 5, .off = 3 })

/* Whether the rule fires now. A missing value leaves it as it was. */
bool rule_fires(const struct rule *r, double value, bool was_firing);

/* All zeros takes each detector's own defaults, named beside it. */
struct detector_settings {
	const struct rule *rules; /* n_features of them; only the rule detector wants them */
	double scale_min;	  /* robust z: no feature's scale is less; 0: only its own floor */
	size_t n_trees;		  /* isolation forest: FOREST_TREES */
	size_t sample_size;	  /* rows a tree is grown from: FOREST_SAMPLE */
};

struct detector_ops {
	const char *name;

	/* Learns from rows taken as normal. -EINVAL for rows or settings out of bounds, -ENODATA
	 * where there is too little to learn from, -ENOMEM. rng may be NULL for a detector that
	 * has no use for chance; forest and ensemble need it (-EINVAL). */
	int (*fit)(const struct rows *train, const struct detector_settings *s, struct rng *rng,
		   void **ret);
	/* One score a row, higher is stranger, on the detector's own scale. -EINVAL for another
	 * number of features than was learned; -ENOMEM. */
	int (*score)(const void *model, const struct rows *in, double *ret_scores);
	/* How much each feature has to do with the score of this row alone: shares of at least 0
	 * with sum 1, all equal where nothing stands out. */
	int (*explain)(const void *model, const double *row, double *ret_shares);
	/* -ENOBUFS where the writer is too small. */
	int (*save)(const void *model, struct writer *to);
	/* -EBADMSG for what save() cannot have written; reads no further than the bytes. */
	int (*load)(struct span from, void **ret);
	size_t (*n_features)(const void *model);
	void (*free)(void *model); /* NULL does nothing */
};

extern const struct detector_ops detector_rules;    /* thresholds with hysteresis */
extern const struct detector_ops detector_robust_z; /* median and MAD */
extern const struct detector_ops detector_forest;   /* isolation forest */
extern const struct detector_ops detector_forecast; /* residual of a forecast from the past */
extern const struct detector_ops detector_ensemble; /* of the last three, by training quantiles */

/* NULL for a name there is none of. */
const struct detector_ops *detector_find(const char *name);

/* A trained detector with what belongs to it. All zeros is none. */
struct detector {
	const struct detector_ops *ops;
	void *model;
	uint64_t features_hash; /* of the names of the features, in order */
	double threshold;	/* score at which it alarms, from training alone */
};

/* Of the names in order; the same names in another order are other features. */
uint64_t detector_features_hash(const char *const *names, size_t n);

/* Fits ops and sets the threshold to the given quantile (0..1) of its scores on train. */
int detector_train(const struct detector_ops *ops, const struct rows *train,
		   const struct detector_settings *s, uint64_t features_hash, double quantile,
		   struct rng *rng, struct detector *ret);

/* The model as a file holds it: magic, version, name, hash of the features, threshold, the
 * body and a checksum over all of it (against accident, not against a forger). The caller
 * frees *ret. */
int detector_save(const struct detector *d, uint8_t **ret, size_t *ret_len);

/* -EBADMSG for bytes that are no model, -EPROTO for one of another version, of other features
 * or of a detector this program has not. */
int detector_load(struct span from, uint64_t features_hash, struct detector *ret);

void detector_done(struct detector *d);
