/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of each detector: what loads saves to bytes that load, and scores any
 * row without harm. The frame is asked too; its checksum stops nearly all. */
#include <math.h>
#include <stdlib.h>

#include "core/anomaly/detector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try(const struct detector_ops *ops, const uint8_t *data, size_t size)
{
	static double row[2 * DETECTOR_FEATURES_MAX], shares[DETECTOR_FEATURES_MAX];
	static uint8_t saved[1 << 20];
	struct writer w = writer_of(saved, sizeof(saved));
	double scores[2];
	void *model, *again;

	if (ops->load(SPAN(data, size), &model) < 0)
		return;

	size_t n = ops->n_features(model);
	require(n >= 1 && n <= DETECTOR_FEATURES_MAX);
	for (size_t i = 0; i < 2 * n; i++)
		row[i] = i % 3 == 0 ? (double)NAN : (double)i * 1e300;

	struct rows in = { row, 2, n };
	require(ops->score(model, &in, scores) == 0);
	require(ops->explain(model, row, shares) == 0);
	require(ops->save(model, &w) == 0 && w.len == size);
	require(ops->load(SPAN(saved, w.len), &again) == 0);
	ops->free(again);
	ops->free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "rules", "robust_z", "forest", "forecast",
					     "ensemble" };
	struct detector d;

	if (detector_load(SPAN(data, size), 0, &d) == 0)
		detector_done(&d);
	if (size == 0 || size > 1 << 16)
		return 0;
	try(detector_find(names[data[0] % 5]), data + 1, size - 1);
	return 0;
}
