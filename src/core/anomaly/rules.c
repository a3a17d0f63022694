/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds with hysteresis: the detector that needs no training and nobody has to explain. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/anomaly/numbers.h"

struct rules {
	size_t n_features;
	struct rule rules[];
};

bool rule_fires(const struct rule *r, double value, bool was_firing)
{
	if (isnan(r->on))
		return false;
	if (isnan(value))
		return was_firing;
	return value >= (was_firing ? r->off : r->on);
}

static bool is_sound(const struct rule *r)
{
	if (isnan(r->on))
		return isnan(r->off);
	return isfinite(r->on) && isfinite(r->off) && r->off <= r->on;
}

static struct rules *rules_new(size_t n)
{
	struct rules *m = calloc(1, sizeof(*m) + n * sizeof(struct rule));

	if (m)
		m->n_features = n;
	return m;
}

static void rules_free(void *model)
{
	free(model);
}

static size_t rules_n_features(const void *model)
{
	return ((const struct rules *)model)->n_features;
}

/* Of the training rows only their number of features is used: these thresholds are given. */
static int rules_fit(const struct rows *train, const struct detector_settings *s, struct rng *rng,
		     void **ret)
{
	size_t n = train->n_features;

	(void)rng;
	if (n == 0 || n > DETECTOR_FEATURES_MAX || !s->rules)
		return -EINVAL;
	for (size_t j = 0; j < n; j++)
		if (!is_sound(&s->rules[j]))
			return -EINVAL;

	struct rules *m = rules_new(n);
	if (!m)
		return -ENOMEM;
	memcpy(m->rules, s->rules, n * sizeof(struct rule));
	*ret = m;
	return 0;
}

/* The score is how many rules fire; NaN for a row in which no rule finds a value. */
static int rules_score(const void *model, const struct rows *in, double *ret_scores)
{
	const struct rules *m = model;
	bool fires[DETECTOR_FEATURES_MAX] = { false };

	if (in->n_features != m->n_features)
		return -EINVAL;
	for (size_t i = 0; i < in->n_rows; i++) {
		unsigned n_firing = 0, n_asked = 0;

		for (size_t j = 0; j < m->n_features; j++) {
			double v = rows_at(in, i)[j];

			fires[j] = rule_fires(&m->rules[j], v, fires[j]);
			n_firing += fires[j];
			n_asked += !isnan(v) && !isnan(m->rules[j].on);
		}
		ret_scores[i] = n_asked ? (double)n_firing : (double)NAN;
	}
	return 0;
}

static int rules_explain(const void *model, const double *row, double *ret_shares)
{
	const struct rules *m = model;
	unsigned n_firing = 0;

	for (size_t j = 0; j < m->n_features; j++) {
		bool fires = rule_fires(&m->rules[j], row[j], false);

		ret_shares[j] = fires;
		n_firing += fires;
	}
	for (size_t j = 0; j < m->n_features; j++)
		ret_shares[j] = n_firing ? ret_shares[j] / n_firing : 1 / (double)m->n_features;
	return 0;
}

/* As bytes: n_features; of each whether it has a rule, on and off. */
static int rules_save(const void *model, struct writer *to)
{
	const struct rules *m = model;

	write_u16(to, (uint16_t)m->n_features);
	for (size_t j = 0; j < m->n_features; j++) {
		bool has = !isnan(m->rules[j].on);

		write_u8(to, has);
		write_double(to, has ? m->rules[j].on : 0);
		write_double(to, has ? m->rules[j].off : 0);
	}
	return to->overrun ? -ENOBUFS : 0;
}

static int rules_load(struct span from, void **ret)
{
	struct reader r = reader_of(from);
	size_t n = read_u16(&r);

	if (n == 0 || n > DETECTOR_FEATURES_MAX || r.left != n * 17)
		return -EBADMSG;

	CLEANUP_FREE struct rules *m = rules_new(n);
	if (!m)
		return -ENOMEM;
	for (size_t j = 0; j < n; j++) {
		uint8_t has = read_u8(&r);
		double v[2];

		if (has > 1 || !read_doubles(&r, v, 2))
			return -EBADMSG;
		m->rules[j] = has ? (struct rule){ v[0], v[1] } : (struct rule){ NAN, NAN };
		if (!is_sound(&m->rules[j]))
			return -EBADMSG;
	}
	*ret = TAKE(m);
	return 0;
}

const struct detector_ops detector_rules = {
	.name = "rules",
	.fit = rules_fit,
	.score = rules_score,
	.explain = rules_explain,
	.save = rules_save,
	.load = rules_load,
	.n_features = rules_n_features,
	.free = rules_free,
};
