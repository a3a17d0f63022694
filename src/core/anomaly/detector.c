/* SPDX-License-Identifier: Apache-2.0 */
/* The table of detectors, and trained ones as the bytes of a file. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "core/anomaly/numbers.h"

#define MAGIC "x0detect"
#define VERSION 1
#define NAME_LEN 16 /* with zeros behind */
#define HEADER_LEN (8 + 2 + NAME_LEN + 8 + 8 + 4)
#define CHECKSUM_LEN 8
#define SAVED_START 4096

static const struct detector_ops *const detectors[] = {
	&detector_rules,    &detector_robust_z, &detector_forest,
	&detector_forecast, &detector_ensemble,
};

static const uint8_t no_key[16]; /* the hashes guard against accident only */

const struct detector_ops *detector_find(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(detectors); i++)
		if (strcmp(detectors[i]->name, name) == 0)
			return detectors[i];
	return NULL;
}

uint64_t detector_features_hash(const char *const *names, size_t n)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t before[8];

		store_u64(before, hash);
		struct span parts[] = { SPAN_OF(before), SPAN(names[i], strlen(names[i]) + 1) };
		hash = siphash64(no_key, parts, N_ELEMENTS(parts));
	}
	return hash;
}

static int learn_threshold(struct detector *d, const struct rows *train, double quantile)
{
	CLEANUP_FREE double *scores = calloc(train->n_rows, sizeof(double));
	size_t n = 0;

	if (!scores)
		return -ENOMEM;

	int r = d->ops->score(d->model, train, scores);
	if (r < 0)
		return r;
	for (size_t i = 0; i < train->n_rows; i++)
		if (!isnan(scores[i]))
			scores[n++] = scores[i];
	if (n == 0)
		return -ENODATA;
	numbers_sort(scores, n);
	d->threshold = numbers_quantile(scores, n, quantile);
	return 0;
}

int detector_train(const struct detector_ops *ops, const struct rows *train,
		   const struct detector_settings *s, uint64_t features_hash, double quantile,
		   struct rng *rng, struct detector *ret)
{
	struct detector d = { .ops = ops, .features_hash = features_hash };
	int r;

	if (!(quantile >= 0 && quantile <= 1) || train->n_rows == 0)
		return -EINVAL;
	r = ops->fit(train, s, rng, &d.model);
	if (r < 0)
		return r;
	r = learn_threshold(&d, train, quantile);
	if (r < 0) {
		detector_done(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void detector_done(struct detector *d)
{
	if (d->ops)
		d->ops->free(d->model);
	*d = (struct detector){ 0 };
}

/* magic 8, version 2, name 16, hash of the features 8, threshold 8, length of the body 4, the
 * body, checksum 8. */
static int save_into(const struct detector *d, struct writer *w)
{
	char name[NAME_LEN] = { 0 };

	memcpy(name, d->ops->name, strlen(d->ops->name));
	write_bytes(w, (const uint8_t *)MAGIC, 8);
	write_u16(w, VERSION);
	write_bytes(w, (const uint8_t *)name, NAME_LEN);
	write_u64(w, d->features_hash);
	write_double(w, d->threshold);
	write_u32(w, 0);

	int r = d->ops->save(d->model, w);
	if (r < 0)
		return r;
	store_u32(w->start + HEADER_LEN - 4, (uint32_t)(w->len - HEADER_LEN));
	struct span all = SPAN(w->start, w->len);
	write_u64(w, siphash64(no_key, &all, 1));
	return w->overrun ? -ENOBUFS : 0;
}

int detector_save(const struct detector *d, uint8_t **ret, size_t *ret_len)
{
	for (size_t size = SAVED_START; size <= DETECTOR_SAVED_MAX; size *= 2) {
		CLEANUP_FREE uint8_t *bytes = malloc(size);

		if (!bytes)
			return -ENOMEM;

		struct writer w = writer_of(bytes, size);
		int r = save_into(d, &w);
		if (r == -ENOBUFS)
			continue;
		if (r < 0)
			return r;
		*ret = TAKE(bytes);
		*ret_len = w.len;
		return 0;
	}
	return -ENOBUFS;
}

/* Checks what is around the body. -EBADMSG before -EPROTO: a damaged file is not another one. */
static int read_frame(struct span from, uint64_t features_hash, struct detector *ret,
		      struct span *ret_body)
{
	struct reader r = reader_of(from);
	const uint8_t *magic = read_bytes(&r, 8);
	unsigned version = read_u16(&r);
	const uint8_t *name = read_bytes(&r, NAME_LEN);
	uint64_t hash = read_u64(&r);
	bool is_finite = read_doubles(&r, &ret->threshold, 1);
	size_t len = read_u32(&r);

	if (r.overrun || memcmp(magic, MAGIC, 8) != 0 || from.len > DETECTOR_SAVED_MAX ||
	    r.left < CHECKSUM_LEN)
		return -EBADMSG;
	struct span summed = SPAN(from.at, from.len - CHECKSUM_LEN);
	if (load_u64(from.at + summed.len) != siphash64(no_key, &summed, 1))
		return -EBADMSG;
	if (version != VERSION)
		return -EPROTO;
	if (!is_finite || len != r.left - CHECKSUM_LEN || name[NAME_LEN - 1] != 0)
		return -EBADMSG;
	ret->ops = detector_find((const char *)name);
	if (!ret->ops || hash != features_hash)
		return -EPROTO;
	ret->features_hash = hash;
	*ret_body = read_span(&r, len);
	return 0;
}

int detector_load(struct span from, uint64_t features_hash, struct detector *ret)
{
	struct detector d = { 0 };
	struct span body;
	int r = read_frame(from, features_hash, &d, &body);

	if (r == 0)
		r = d.ops->load(body, &d.model);
	if (r < 0)
		return r;
	*ret = d;
	return 0;
}
