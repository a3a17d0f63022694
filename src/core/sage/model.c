/* SPDX-License-Identifier: Apache-2.0 */
/* A model in memory and as a file. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "core/sage/shape.h"

/* The file: magic 8, version 4, features, hidden, heads, layers 4 each, hash of names 8, then the
 * centres, scales and weights as IEEE 754 binary32, then the checksum 8. All big-endian. */
#define VERSION 1
#define HEADER_LEN (8 + 5 * 4 + 8)
#define CHECKSUM_LEN 8

static const uint8_t magic[8] = "x0 sage";
static const uint8_t checksum_key[16] = "x0 sage model";
static const uint8_t names_key[16] = "x0 sage names";

static size_t take(size_t *n, size_t count)
{
	size_t at = *n;

	*n += count;
	return at;
}

int shape_map(const struct sage_shape *s, struct shape_map *ret)
{
	size_t wide = s->hidden, n = 0;

	if (s->n_features == 0 || s->n_features > SAGE_FEATURES_MAX || wide == 0 ||
	    wide > SAGE_HIDDEN_MAX || s->heads == 0 || s->heads > SAGE_HEADS_MAX ||
	    wide % s->heads != 0 || s->layers == 0 || s->layers > SAGE_LAYERS_MAX)
		return -EINVAL;
	ret->in = take(&n, s->n_features * wide);
	ret->in_bias = take(&n, wide);
	for (size_t l = 0; l < s->layers; l++) {
		ret->layer[l].gain = take(&n, 2 * wide);
		ret->layer[l].logit = take(&n, wide * 2 * s->heads);
		ret->layer[l].own = take(&n, wide * wide);
		ret->layer[l].other = take(&n, wide * wide);
		ret->layer[l].bias = take(&n, wide);
	}
	ret->gain = take(&n, 2 * wide);
	ret->out = take(&n, wide);
	ret->out_bias = take(&n, 1);
	ret->n = n;
	return 0;
}

uint64_t sage_names_hash(const char *const *names, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		uint8_t before[8];
		struct span parts[2] = { SPAN_OF(before), SPAN(names[i], strlen(names[i])) };

		store_u64(before, hash);
		hash = siphash64(names_key, parts, N_ELEMENTS(parts));
	}
	return hash;
}

void sage_model_free(struct sage_model *m)
{
	if (!m)
		return;
	free(m->centres);
	free(m->weights);
	free(m);
}

int model_new(const struct sage_shape *shape, uint64_t names_hash, struct sage_model **ret)
{
	struct shape_map map;
	int r = shape_map(shape, &map);
	CLEANUP(sage_model_freep) struct sage_model *m = calloc(1, sizeof(*m));

	if (r < 0)
		return r;
	if (!m)
		return -ENOMEM;
	m->shape = *shape;
	m->names_hash = names_hash;
	m->n_weights = map.n;
	m->centres = calloc(2 * (size_t)shape->n_features, sizeof(float));
	m->weights = calloc(map.n, sizeof(float));
	if (!m->centres || !m->weights)
		return -ENOMEM;
	m->scales = m->centres + shape->n_features;
	*ret = TAKE(m);
	return 0;
}

static void write_floats(struct writer *w, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, &from[i], sizeof(bits));
		write_u32(w, bits);
	}
}

static size_t file_len(const struct sage_shape *s, size_t n_weights)
{
	return HEADER_LEN + (2 * (size_t)s->n_features + n_weights) * 4 + CHECKSUM_LEN;
}

int sage_model_save(const struct sage_model *m, uint8_t **ret, size_t *ret_len)
{
	size_t len = file_len(&m->shape, m->n_weights);
	uint8_t *bytes = malloc(len);
	struct writer w = writer_of(bytes, len);

	if (!bytes)
		return -ENOMEM;
	write_bytes(&w, magic, sizeof(magic));
	write_u32(&w, VERSION);
	write_u32(&w, m->shape.n_features);
	write_u32(&w, m->shape.hidden);
	write_u32(&w, m->shape.heads);
	write_u32(&w, m->shape.layers);
	write_u64(&w, m->names_hash);
	write_floats(&w, m->centres, m->shape.n_features);
	write_floats(&w, m->scales, m->shape.n_features);
	write_floats(&w, m->weights, m->n_weights);
	write_u64(&w, siphash64(checksum_key, &SPAN(bytes, w.len), 1));
	*ret = bytes;
	*ret_len = len;
	return 0;
}

/* false for one that is not finite */
static bool read_floats(struct reader *r, float *ret, size_t n)
{
	bool is_finite = true;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits = read_u32(r);

		memcpy(&ret[i], &bits, sizeof(bits));
		is_finite = is_finite && isfinite(ret[i]);
	}
	return is_finite;
}

static int refuse(int error, const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return error;
}

/* The header, all of it checked but what the caller asks for. */
static int read_header(struct reader *r, size_t len, struct sage_shape *ret, uint64_t *ret_names,
		       const char **why)
{
	uint8_t start[sizeof(magic)];
	struct shape_map map;

	read_copy(r, start, sizeof(start));
	if (memcmp(start, magic, sizeof(magic)) != 0)
		return refuse(-EBADMSG, "not a model file", why);
	if (len < HEADER_LEN)
		return refuse(-EBADMSG, "truncated", why);
	if (read_u32(r) != VERSION)
		return refuse(-EPROTO, "a model file of another version", why);
	ret->n_features = read_u32(r);
	ret->hidden = read_u32(r);
	ret->heads = read_u32(r);
	ret->layers = read_u32(r);
	*ret_names = read_u64(r);
	if (shape_map(ret, &map) < 0)
		return refuse(-EBADMSG, "a shape out of bounds", why);
	if (len != file_len(ret, map.n))
		return refuse(-EBADMSG, "truncated, or longer than its shape says", why);
	return 0;
}

static bool are_positive(const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (values[i] <= 0)
			return false;
	return true;
}

int sage_model_load(struct span file, uint32_t n_features, uint64_t names_hash,
		    struct sage_model **ret, const char **ret_reason)
{
	CLEANUP(sage_model_freep) struct sage_model *m = NULL;
	struct reader reader = reader_of(file);
	struct sage_shape shape;
	uint64_t names = 0;
	int r = read_header(&reader, file.len, &shape, &names, ret_reason);

	if (r < 0)
		return r;
	if (siphash64(checksum_key, &SPAN(file.at, file.len - CHECKSUM_LEN), 1) !=
	    load_u64(file.at + file.len - CHECKSUM_LEN))
		return refuse(-EBADMSG, "damaged: the checksum is wrong", ret_reason);
	if (shape.n_features != n_features || names != names_hash)
		return refuse(-EPROTO, "trained on other features", ret_reason);
	r = model_new(&shape, names, &m);
	if (r < 0)
		return refuse(r, "out of memory", ret_reason);
	/* centres and scales are one array */
	if (!read_floats(&reader, m->centres, 2 * (size_t)n_features) ||
	    !read_floats(&reader, m->weights, m->n_weights))
		return refuse(-EBADMSG, "a number in it is not finite", ret_reason);
	if (!are_positive(m->scales, n_features))
		return refuse(-EBADMSG, "a scale that is not positive", ret_reason);
	*ret = TAKE(m);
	return 0;
}
