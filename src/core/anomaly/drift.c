/* SPDX-License-Identifier: Apache-2.0 */
/* Population stability index, Kolmogorov-Smirnov, stages of trust. */
#include "core/anomaly/drift.h"

#include <math.h>
#include <string.h>

#include "base/powers.h"
#include "core/anomaly/numbers.h"

#define KS_TERMS 100
#define Z_95 1.96 /* standard deviations of a two-sided bound of 95 % */

double drift_psi(const double *sorted_reference, size_t n_reference, const double *recent,
		 size_t n_recent)
{
	double edges[DRIFT_BINS - 1], p[DRIFT_BINS] = { 0 }, q[DRIFT_BINS] = { 0 }, sum = 0;

	for (size_t k = 0; k + 1 < DRIFT_BINS; k++)
		edges[k] = numbers_quantile(sorted_reference, n_reference,
					    (double)(k + 1) / DRIFT_BINS);
	for (size_t i = 0; i < n_reference + n_recent; i++) {
		double v = i < n_reference ? sorted_reference[i] : recent[i - n_reference];
		size_t k = 0;

		while (k + 1 < DRIFT_BINS && v > edges[k])
			k++;
		if (i < n_reference)
			p[k]++;
		else
			q[k]++;
	}
	for (size_t k = 0; k < DRIFT_BINS; k++) {
		double x = fmax(p[k], 0.5) / (double)n_reference;
		double y = fmax(q[k], 0.5) / (double)n_recent;

		sum += (y - x) * powers_log2(y / x) * M_LN2;
	}
	return sum;
}

double drift_ks(const double *a, size_t n_a, const double *b, size_t n_b, double *ret_p)
{
	double largest = 0, p = 0;
	size_t i = 0, j = 0;

	while (i < n_a && j < n_b) {
		double at = fmin(a[i], b[j]);

		while (i < n_a && a[i] <= at)
			i++;
		while (j < n_b && b[j] <= at)
			j++;
		largest = fmax(largest, fabs((double)i / (double)n_a - (double)j / (double)n_b));
	}

	double x = largest * sqrt((double)n_a * (double)n_b / (double)(n_a + n_b));
	for (int k = 1; k <= KS_TERMS; k++)
		p += (k % 2 ? 2 : -2) * powers_exp2(-2.0 * k * k * x * x / M_LN2);
	*ret_p = x < 0.2 ? 1 : fmin(fmax(p, 0), 1); /* the series does not converge at 0 */
	return largest;
}

static bool has_drifted(const struct drift *d)
{
	double p;

	(void)drift_ks(d->reference, DRIFT_WINDOW, d->recent, DRIFT_WINDOW, &p);
	return p < DRIFT_P &&
	       drift_psi(d->reference, DRIFT_WINDOW, d->recent, DRIFT_WINDOW) > DRIFT_PSI;
}

bool drift_add(struct drift *d, double score)
{
	bool drifted;

	if (isnan(score))
		return false;
	if (d->n_reference < DRIFT_WINDOW) {
		d->reference[d->n_reference++] = score;
		if (d->n_reference == DRIFT_WINDOW)
			numbers_sort(d->reference, DRIFT_WINDOW);
		return false;
	}
	d->recent[d->n_recent++] = score;
	if (d->n_recent < DRIFT_WINDOW)
		return false;
	numbers_sort(d->recent, DRIFT_WINDOW);
	drifted = has_drifted(d);
	memcpy(d->reference, d->recent, sizeof(d->reference));
	d->n_recent = 0;
	if (drifted)
		d->n_reference = 0;
	return drifted;
}

/* ---- trust ---- */

static const double precision_asked[] = {
	[TRUST_OBSERVE] = 0,
	[TRUST_VALIDATE] = 0.5,
	[TRUST_CONFIDENT] = 0.7,
	[TRUST_ACTIVE] = 0.8,
};

/* Wilson's bound of a share: side -1 the lower, 1 the upper. */
static double bound(unsigned n_of, unsigned n, int side)
{
	double share = (double)n_of / n, zz = Z_95 * Z_95;
	double spread = Z_95 * sqrt(share * (1 - share) / n + zz / (4.0 * n * n));

	return (share + zz / (2.0 * n) + side * spread) / (1 + zz / n);
}

static void enter(struct trust *t, enum trust_stage stage)
{
	*t = (struct trust){ .stage = stage };
}

void trust_settled(struct trust *t, bool was_confirmed)
{
	t->n_alarms++;
	t->n_confirmed += was_confirmed ? 1 : 0;
	if (t->n_alarms < TRUST_ALARMS_MIN)
		return;
	if (t->n_alarms > TRUST_ALARMS_MAX) { /* old merits fade */
		t->n_alarms /= 2;
		t->n_confirmed /= 2;
	}
	if (t->stage > TRUST_OBSERVE &&
	    bound(t->n_confirmed, t->n_alarms, 1) < precision_asked[t->stage])
		enter(t, t->stage - 1);
	else if (t->stage < TRUST_ACTIVE &&
		 bound(t->n_confirmed, t->n_alarms, -1) >= precision_asked[t->stage + 1])
		enter(t, t->stage + 1);
}

void trust_drifted(struct trust *t)
{
	enter(t, TRUST_OBSERVE);
}

size_t trust_choose(const struct trust_candidate *candidates, size_t n)
{
	size_t i = 0;

	while (i < n && !(candidates[i].is_loaded && candidates[i].is_healthy &&
			  candidates[i].trust.stage == TRUST_ACTIVE))
		i++;
	return i;
}
