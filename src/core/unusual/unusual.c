/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of this host and its links, judged by their own past. */
#include "core/unusual/unusual.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/powers.h"
#include "base/units.h"
#include "core/anomaly/drift.h"
#include "core/unusual/internal.h"

#define VALUE_MAX 1e100		   /* of any feature: with more it is as odd */
#define FIT_EVERY_US SECONDS(30)   /* while the sample changes much */
#define FIT_SELDOM_US SECONDS(300) /* and once it speaks for UNUSUAL_PAST_S */
#define STANDS_OUT 0.25		   /* of a row's deviation */
#define GAP_US SECONDS(30)	   /* for which what is odd may look usual, and is the same still */
#define DRIFT_EVERY 10		   /* rows: neighbouring ones say the same */

static const struct feature host_features[UNUSUAL_N_HOST] = {
	[UNUSUAL_CPU] = { "the processors", 0.02, false },
	[UNUSUAL_MEMORY] = { "the memory", 0.005, false },
	[UNUSUAL_DISK] = { "the disk", 0.005, false },
	[UNUSUAL_PRESSURE_CPU] = { "waiting for a processor", 0.02, false },
	[UNUSUAL_PRESSURE_MEMORY] = { "waiting for memory", 0.01, false },
	[UNUSUAL_PRESSURE_IO] = { "waiting for the disk", 0.02, false },
	[UNUSUAL_LOOP_LATE] = { "the daemon's loop being late", 0.2, true },
	[UNUSUAL_LINK_RTT] = { "the round trip to its neighbours", 0.05, true },
};

static const struct feature link_features[UNUSUAL_N_LINK] = {
	[UNUSUAL_RTT] = { "the round trip", 0.05, true },
	[UNUSUAL_JITTER] = { "the jitter", 0.1, true },
	[UNUSUAL_LOSS] = { "the loss", 0.002, false },
};

const struct group unusual_groups[UNUSUAL_N_GROUPS] = {
	[UNUSUAL_HOST] = { "host", UNUSUAL_N_HOST, true, host_features },
	[UNUSUAL_LINK] = { "link", UNUSUAL_N_LINK, false, link_features },
};

struct unusual {
	uint64_t seed, fitted_us;
	unsigned learn_s, n_host_rows;
	size_t n;
	struct past *pasts[UNUSUAL_SUBJECTS_MAX];
	struct drift drift; /* of the host */
	struct unusual_counters counters;
};

int unusual_new(uint64_t seed, unsigned learn_s, struct unusual **ret)
{
	struct unusual *u;

	if (learn_s < UNUSUAL_LEARN_S_MIN || learn_s > UNUSUAL_SAMPLES)
		return -EINVAL;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->seed = seed;
	u->learn_s = learn_s;
	*ret = u;
	return 0;
}

void unusual_free(struct unusual *u)
{
	for (size_t i = 0; u && i < u->n; i++)
		past_free(u->pasts[i]);
	free(u);
}

/* ---- subjects ---- */

static struct past *find(const struct unusual *u, enum unusual_group g, uint64_t subject)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->pasts[i]->group == g && u->pasts[i]->subject == subject)
			return u->pasts[i];
	return NULL;
}

static int find_or_add(struct unusual *u, const struct unusual_row *r, struct past **ret)
{
	struct past *p = find(u, r->group, r->subject);
	int e = 0;

	if (!p && u->n == UNUSUAL_SUBJECTS_MAX)
		e = -ENOBUFS;
	else if (!p)
		e = past_new(r->group, r->subject, u->seed, &p);
	if (e < 0) {
		u->counters.left_out++;
		return e;
	}
	if (!find(u, r->group, r->subject))
		u->pasts[u->n++] = p;
	*ret = p;
	return 0;
}

void unusual_tick(struct unusual *u, uint64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n; i++) {
		struct past *p = u->pasts[i];

		if (now_us > p->row_us + UNUSUAL_UNSEEN_US)
			past_free(p);
		else
			u->pasts[n++] = p;
	}
	u->n = n;
}

/* ---- rows ---- */

/* No feature can be below 0, so such a value is of no use; a huge one is as far as steps go. */
static int16_t to_steps(struct unusual *u, const struct feature *f, double v)
{
	if (isnan(v))
		return STEP_MISSING;
	if (v < 0) {
		u->counters.refused++;
		return STEP_MISSING;
	}
	v = powers_smaller(v, VALUE_MAX);
	v = (f->is_log ? powers_log2(1 + v) * M_LN2 : v) / f->step;
	return (int16_t)(powers_smaller(v, INT16_MAX - 1) + 0.5);
}

/* Which features make the row odd; 0 where it is not. */
static unsigned odd_features(const struct past *p, const int16_t *row, double bits)
{
	double shares[UNUSUAL_FEATURES_MAX];
	unsigned ret = 0;

	if (isnan(bits) || bits < UNUSUAL_BITS || !past_shares(p, row, 0, shares))
		return 0;
	for (size_t k = 0; k < unusual_groups[p->group].n_features; k++)
		if (shares[k] >= STANDS_OUT)
			ret |= 1U << k;
	return ret;
}

static const char *mostly(const struct past *p, const int16_t *row, unsigned without)
{
	const struct group *g = &unusual_groups[p->group];
	double shares[UNUSUAL_FEATURES_MAX];
	size_t most = 0;

	if (!past_shares(p, row, without, shares))
		return "";
	for (size_t k = 1; k < g->n_features; k++)
		if (shares[k] > shares[most])
			most = k;
	return g->features[most].text;
}

/* What has been odd for long is how things are now: its past is let go, and it is learned anew. */
static void adopt(struct unusual *u, struct past *p, unsigned odd, uint64_t now_us)
{
	for (size_t k = 0; k < unusual_groups[p->group].n_features; k++) {
		if (odd & 1U << k) {
			if (p->odd[k].since_us == 0 || now_us > p->odd[k].last_us + GAP_US)
				p->odd[k].since_us = now_us;
			p->odd[k].last_us = now_us;
		}
		if (p->odd[k].since_us == 0 || !(odd & 1U << k) ||
		    now_us < p->odd[k].since_us + UNUSUAL_LASTS_US)
			continue;
		p->odd[k].since_us = 0;
		past_forget(p, k);
		u->counters.adopted++;
	}
}

static void watch_drift(struct unusual *u, struct past *p)
{
	if (p->group != UNUSUAL_HOST || ++u->n_host_rows % DRIFT_EVERY != 0 ||
	    !drift_add(&u->drift, p->verdict.bits))
		return;
	u->counters.drifts++;
	past_hurry(p);
}

/* One subject a turn, so that no turn takes long; and with many, each less often than there are
 * turns for all, so that none waits for ever. */
static void fit_if_due(struct unusual *u, struct past *p, uint64_t now_us)
{
	uint64_t every_us = max_u64(p->n_seen < UNUSUAL_PAST_S ? FIT_EVERY_US : FIT_SELDOM_US,
				    u->n * SECONDS(2));
	bool is_time =
		p->n >= u->learn_s && (p->fitted_us == 0 || now_us >= p->fitted_us + every_us);
	int r;

	if (u->fitted_us == now_us || !(p->is_due || is_time))
		return;
	u->fitted_us = now_us;
	r = past_fit(p, u->learn_s, now_us);
	u->counters.fits += r == 0;
	u->counters.unfit += r < 0 && r != -ENODATA;
}

int unusual_judge(struct unusual *u, const struct unusual_row *r, uint64_t now_us,
		  struct unusual_verdict *ret)
{
	int16_t row[UNUSUAL_FEATURES_MAX];
	const struct group *g;
	struct past *p;
	unsigned odd;
	int e;

	if ((unsigned)r->group >= UNUSUAL_N_GROUPS)
		return -EINVAL;
	e = find_or_add(u, r, &p);
	if (e < 0)
		return e;
	if (p->row_us && now_us < p->row_us + UNUSUAL_EVERY_US)
		return -EALREADY;
	p->row_us = now_us;
	u->counters.rows++;
	g = &unusual_groups[p->group];
	for (size_t k = 0; k < g->n_features; k++)
		row[k] = to_steps(u, &g->features[k], r->values[k]);
	fit_if_due(u, p, now_us);
	p->verdict.bits = past_bits(p, row, 0);
	p->verdict.hint_bits = past_bits(p, row, r->masked);
	p->verdict.mostly = mostly(p, row, r->masked);
	odd = odd_features(p, row, p->verdict.bits);
	u->counters.odd += odd != 0;
	adopt(u, p, odd & ~r->masked, now_us);
	past_learn(p, row, odd | r->masked);
	watch_drift(u, p);
	*ret = p->verdict;
	return 0;
}

/* ---- views ---- */

double unusual_bits(const struct unusual *u, enum unusual_group g, uint64_t subject,
		    uint64_t now_us)
{
	const struct past *p = find(u, g, subject);

	return p && now_us < p->row_us + UNUSUAL_FRESH_US ? p->verdict.bits : (double)NAN;
}

static enum unusual_mode mode_of(const struct past *p)
{
	if (p->models[JUDGE_FOREST])
		return UNUSUAL_ENSEMBLE;
	return p->models[JUDGE_ROBUST] ? UNUSUAL_ROBUST : UNUSUAL_RULES;
}

static const char *why_not_more(const struct past *p, enum unusual_mode m)
{
	switch (m) {
	case UNUSUAL_RULES:
		return "too little of its past is known yet: rules alone judge";
	case UNUSUAL_ROBUST:
		return unusual_groups[p->group].has_forest
			       ? "too little of its past is known yet for a forest"
			       : "a forest for each link would take too much memory";
	case UNUSUAL_ENSEMBLE:
	case UNUSUAL_N_MODES:
		break;
	}
	return "";
}

static unsigned n_bits(unsigned v)
{
	unsigned n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

bool unusual_next(const struct unusual *u, size_t *cursor, struct unusual_view *ret)
{
	const struct past *p;

	if (*cursor >= u->n)
		return false;
	p = u->pasts[(*cursor)++];
	*ret = (struct unusual_view){
		.group = p->group,
		.subject = p->subject,
		.mode = mode_of(p),
		.n_samples = p->n,
		.n_features = unusual_groups[p->group].n_features,
		.n_learned = n_bits(p->learned),
		.bits = p->verdict.bits,
		.mostly = p->verdict.mostly,
		.at_us = p->row_us,
	};
	ret->why = why_not_more(p, ret->mode);
	return true;
}

void unusual_counters(const struct unusual *u, struct unusual_counters *ret)
{
	*ret = u->counters;
}

const char *unusual_group_name(enum unusual_group g)
{
	return g < UNUSUAL_N_GROUPS ? unusual_groups[g].name : "unknown";
}

const char *unusual_mode_name(enum unusual_mode m)
{
	static const char *const names[UNUSUAL_N_MODES] = {
		[UNUSUAL_RULES] = "rules",
		[UNUSUAL_ROBUST] = "robust_z",
		[UNUSUAL_ENSEMBLE] = "ensemble",
	};

	return m < UNUSUAL_N_MODES ? names[m] : "unknown";
}
