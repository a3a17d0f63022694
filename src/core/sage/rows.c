/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of rows.h. meson.build says for which processors, as ROWS_LEVEL; a file compiled
 * for more than the least processor may hold nothing else. */
#include "core/sage/rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TILE_ROWS 6 /* 24 of 32 registers are sums, 4 a row of b */
#define TILE_VECTORS 4
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define TILE_ROWS 6 /* 12 of 16 registers, 2 */
#define TILE_VECTORS 2
#else
#define VECTOR_BYTES 16
#define TILE_ROWS 4 /* 8 of 16 registers, 2 */
#define TILE_VECTORS 2
#endif

#define LANES (VECTOR_BYTES / sizeof(real))
#define NARROW 8	/* columns: the logits of four heads */
#define DEPTH_BLOCK 256 /* rows of b at a time: 64 KB of 64 floats, within the second cache */
#define NORM_EPSILON ((real)1e-5)

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define INLINE static inline __attribute__((always_inline))

typedef real vector __attribute__((vector_size(VECTOR_BYTES)));
typedef real narrow __attribute__((vector_size(NARROW * sizeof(real))));
/* The same anywhere in memory. */
typedef vector vector_at __attribute__((aligned(sizeof(real)), may_alias));
typedef narrow narrow_at __attribute__((aligned(sizeof(real)), may_alias));
typedef real four __attribute__((vector_size(4 * sizeof(real))));
typedef int32_t integers __attribute__((vector_size(16)));
typedef four four_at __attribute__((aligned(sizeof(real)), may_alias));

INLINE real total(vector v)
{
#ifdef SAGE_DOUBLE
	return v[0] + v[1];
#else
	union {
		vector all;
		four part[LANES / 4];
	} u = { .all = v };
	four sum = u.part[0];

	for (size_t i = 1; i < LANES / 4; i++)
		sum += u.part[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
#endif
}

INLINE real dot(const real *a, const real *b, size_t n)
{
	vector sums = { 0 };
	size_t d = 0;

	for (; d + LANES <= n; d += LANES)
		sums += *(const vector_at *)(a + d) * *(const vector_at *)(b + d);
	real sum = total(sums);

	for (; d < n; d++)
		sum += a[d] * b[d];
	return sum;
}

/* Sums of rows x vectors stay in registers over the whole depth. */
#define DEFINE_TILE(name, type, rows, vectors)                                                   \
	static void name(real *out, const real *a, size_t a_row, size_t a_column, const real *b, \
			 size_t k, size_t n)                                                     \
	{                                                                                        \
		const size_t lanes = sizeof(type) / sizeof(real);                                \
		type sum[rows][vectors], line[vectors];                                          \
                                                                                                 \
		UNROLL for (size_t i = 0; i < (rows); i++)                                       \
			UNROLL for (size_t j = 0; j < (vectors); j++) sum[i][j] =                \
				*(const type##_at *)(out + i * n + j * lanes);                   \
		for (size_t p = 0; p < k; p++, b += n, a += a_column) {                          \
			UNROLL for (size_t j = 0; j < (vectors); j++) line[j] =                  \
				*(const type##_at *)(b + j * lanes);                             \
			UNROLL for (size_t i = 0; i < (rows); i++)                               \
			{                                                                        \
				real x = a[i * a_row];                                           \
                                                                                                 \
				UNROLL for (size_t j = 0; j < (vectors); j++) sum[i][j] +=       \
					x * line[j];                                             \
			}                                                                        \
		}                                                                                \
		UNROLL for (size_t i = 0; i < (rows); i++)                                       \
				UNROLL for (size_t j = 0; j < (vectors); j++) *                  \
			(type##_at *)(out + i * n + j * lanes) = sum[i][j];                      \
	}

DEFINE_TILE(tile_wide, vector, TILE_ROWS, TILE_VECTORS)
DEFINE_TILE(tile_wide_row, vector, 1, TILE_VECTORS)
DEFINE_TILE(tile_narrow, narrow, 4, 1)
DEFINE_TILE(tile_narrow_row, narrow, 1, 1)

static void tile_column(real *out, const real *a, size_t a_row, size_t a_column, const real *b,
			size_t m, size_t k, size_t n)
{
	for (size_t i = 0; n == 1 && a_column == 1 && i < m; i++)
		out[i] += dot(a + i * a_row, b, k);
	for (size_t i = 0; !(n == 1 && a_column == 1) && i < m; i++) {
		real sum = out[i * n];

		for (size_t p = 0; p < k; p++)
			sum += a[i * a_row + p * a_column] * b[p * n];
		out[i * n] = sum;
	}
}

static void add(real *out, const real *a, const real *b, size_t n)
{
#pragma omp simd
	for (size_t d = 0; d < n; d++)
		out[d] = a[d] + b[d];
}

static void product_block(real *out, const real *a, size_t a_row, size_t a_column, const real *b,
			  size_t m, size_t k, size_t n)
{
	size_t wide = TILE_VECTORS * LANES, j = 0, i;

	for (; j + wide <= n; j += wide) {
		for (i = 0; i + TILE_ROWS <= m; i += TILE_ROWS)
			tile_wide(out + i * n + j, a + i * a_row, a_row, a_column, b + j, k, n);
		for (; i < m; i++)
			tile_wide_row(out + i * n + j, a + i * a_row, a_row, a_column, b + j, k, n);
	}
	for (; j + NARROW <= n; j += NARROW) {
		for (i = 0; i + 4 <= m; i += 4)
			tile_narrow(out + i * n + j, a + i * a_row, a_row, a_column, b + j, k, n);
		for (; i < m; i++)
			tile_narrow_row(out + i * n + j, a + i * a_row, a_row, a_column, b + j, k,
					n);
	}
	for (; j < n; j++)
		tile_column(out + j, a, a_row, a_column, b + j, m, k, n);
}

static void product(real *out, const real *a, size_t a_row, size_t a_column, const real *b,
		    size_t m, size_t k, size_t n)
{
	for (size_t p = 0; p < k; p += DEPTH_BLOCK) {
		size_t depth = k - p < DEPTH_BLOCK ? k - p : DEPTH_BLOCK;

		product_block(out, a + p * a_column, a_row, a_column, b + p * n, m, depth, n);
	}
}

INLINE real inverse_root(real x)
{
#ifdef SAGE_DOUBLE
	return 1 / sqrt(x);
#else
	return 1 / sqrtf(x);
#endif
}

/* Sum of (x - from), or of its squares. */
INLINE real deviation(const real *x, size_t n, real from, bool is_squared)
{
	vector sums = { 0 };
	size_t d = 0;

	for (; d + LANES <= n; d += LANES) {
		vector off = *(const vector_at *)(x + d) - from;

		sums += is_squared ? off * off : off;
	}
	real sum = total(sums);

	for (; d < n; d++)
		sum += is_squared ? (x[d] - from) * (x[d] - from) : x[d] - from;
	return sum;
}

INLINE void norm_row(const real *h, size_t width, const real *gain, real *ret, real *ret_moments)
{
	real mean = deviation(h, width, 0, false) / (real)width;
	real inverse = inverse_root(deviation(h, width, mean, true) / (real)width + NORM_EPSILON);

#pragma omp simd
	for (size_t d = 0; d < width; d++) {
		real x = (h[d] - mean) * inverse * gain[d] + gain[width + d];

		ret[d] = x > 0 ? x : 0;
	}
	if (ret_moments) {
		ret_moments[0] = mean;
		ret_moments[1] = inverse;
	}
}

static void norm(const real *h, size_t m, size_t width, const real *gain, real *ret,
		 real *ret_moments)
{
	for (size_t i = 0; i < m; i++) {
		real *moments = ret_moments ? ret_moments + 2 * i : NULL;

		if (width == 64)
			norm_row(h + i * 64, 64, gain, ret + i * 64, moments);
		else
			norm_row(h + i * width, width, gain, ret + i * width, moments);
	}
}

static void norm_back(const real *h, size_t m, size_t width, const real *gain, const real *moments,
		      const real *out, const real *by_out, real *by_h, real *by_gain)
{
	for (size_t i = 0; i < m; i++, h += width, out += width, by_out += width, by_h += width) {
		real mean = moments[2 * i], inverse = moments[2 * i + 1];
		real sum = 0, sum_scaled = 0;

#pragma omp simd reduction(+ : sum, sum_scaled)
		for (size_t d = 0; d < width; d++) {
			real g = out[d] > 0 ? by_out[d] : 0;
			real x = (h[d] - mean) * inverse;

			by_gain[d] += g * x;
			by_gain[width + d] += g;
			sum += g * gain[d];
			sum_scaled += g * gain[d] * x;
		}
		sum /= (real)width;
		sum_scaled /= (real)width;
#pragma omp simd
		for (size_t d = 0; d < width; d++) {
			real g = out[d] > 0 ? by_out[d] : 0;
			real x = (h[d] - mean) * inverse;

			by_h[d] += inverse * (g * gain[d] - sum - x * sum_scaled);
		}
	}
}

INLINE real leaky(real x)
{
	return x > 0 ? x : (real)ATTENTION_SLOPE * x;
}

INLINE four larger(four a, four b)
{
	__typeof__(a > b) is_first = a > b;

	return (four)(((__typeof__(is_first))a & is_first) | ((__typeof__(is_first))b & ~is_first));
}

#ifdef SAGE_DOUBLE
INLINE four exponential(four x)
{
	return (four){ exp(x[0]), exp(x[1]), exp(x[2]), exp(x[3]) };
}
#else
/* e^x for x <= 0: 2^k * 2^f with f in [-1/2, 1/2], whose power is a polynomial (Taylor's, of
 * degree 6: 2e-7 off at most). libm's is exact and takes a call for each. */
INLINE four exponential(four x)
{
	const four least = (four){ 0 } - 125.5F;
	integers is_less = ~(x > -87); /* or not a number */
	four y = (four)(((integers)least & is_less) | ((integers)(x * 1.44269504F) & ~is_less));
	integers whole = __builtin_convertvector(y - 0.5F, integers);
	four f = (y - __builtin_convertvector(whole, four)) * 0.693147181F;
	four p = f * (1 / 120.F) + f * f * (1 / 720.F) + 1 / 24.F;

	p = ((p * f + 1 / 6.F) * f + 0.5F) * f * f + f + 1;
	return p * (four)((whole + 127) << 23);
}
#endif

/* By fours, so that up to SHARES_SPARE numbers behind the last change, too. */
static void exponentials(real *x, size_t n)
{
	for (size_t i = 0; i < n; i += 4)
		*(four_at *)(x + i) = exponential(*(const four_at *)(x + i));
}

/* Logits of a node's neighbours to shares, each head's summing to 1. */
static void share(const struct attention *a, const uint32_t *to, size_t n, const real *asked,
		  size_t heads, real *weights)
{
	const real *offered = a->logits + heads;
	real best[SAGE_HEADS_MAX], sum[SAGE_HEADS_MAX];

	for (size_t k = 0; k < heads; k++) {
		best[k] = -INFINITY;
		sum[k] = 0;
	}
	for (size_t e = 0; e < n; e++)
		for (size_t k = 0; k < heads; k++) {
			real logit = leaky(asked[k] + offered[(size_t)to[e] * 2 * heads + k]);

			weights[e * heads + k] = logit;
			best[k] = logit > best[k] ? logit : best[k];
		}
	for (size_t e = 0; e < n; e++)
		for (size_t k = 0; k < heads; k++)
			weights[e * heads + k] -= best[k];
	exponentials(weights, n * heads);
	for (size_t e = 0; e < n; e++)
		for (size_t k = 0; k < heads; k++)
			sum[k] += weights[e * heads + k];
	for (size_t k = 0; k < heads; k++)
		sum[k] = 1 / sum[k];
	for (size_t e = 0; e < n; e++)
		for (size_t k = 0; k < heads; k++)
			weights[e * heads + k] *= sum[k];
}

/* The same for four heads, a neighbour's logits being one vector, but for the last step: returns
 * what the shares of each head are to be divided by. */
INLINE four share_four(const struct attention *a, const uint32_t *to, size_t n, const real *asked,
		       real *weights)
{
	const four ask = *(const four_at *)asked;
	const real *offered = a->logits + 4;
	four best = (four){ 0 } - INFINITY, sum = { 0 };

	for (size_t e = 0; e < n; e++) {
		four logit = ask + *(const four_at *)(offered + (size_t)to[e] * 8);

		logit = larger(logit, logit * (real)ATTENTION_SLOPE);
		*(four_at *)(weights + e * 4) = logit;
		best = larger(logit, best);
	}
	for (size_t e = 0; e < n; e++) {
		four part = exponential(*(const four_at *)(weights + e * 4) - best);

		*(four_at *)(weights + e * 4) = part;
		sum += part;
	}
	return sum;
}

/* The shape of the mesh, 64 numbers in four heads. Neighbours are few and their number varies, so
 * that each loop over them costs a mispredicted branch: three, not seven. */
static void attend_mesh(const struct attention *a, size_t node, real *weights, real *ret)
{
	const uint32_t *to = a->to + a->begin[node];
	size_t n = a->begin[node + 1] - a->begin[node];
	four scale = 1 / share_four(a, to, n, a->logits + node * 8, weights);
	vector sums[64 / LANES] = { { 0 } };

	for (size_t e = 0; e < n; e++) {
		four weight = *(const four_at *)(weights + e * 4) * scale;
		const real *row = a->rows + (size_t)to[e] * 64;

		*(four_at *)(weights + e * 4) = weight;
		UNROLL for (size_t j = 0; j < 64 / LANES; j++) sums[j] +=
			weight[j * LANES / 16] * *(const vector_at *)(row + j * LANES);
	}
	UNROLL for (size_t j = 0; j < 64 / LANES; j++) * (vector_at *)(ret + j * LANES) = sums[j];
}

static void attend(const struct attention *a, size_t node, real *ret_weights, real *ret)
{
	const uint32_t *to = a->to + a->begin[node];
	size_t n = a->begin[node + 1] - a->begin[node], heads = a->heads, slice = a->width / heads;

	if (a->width == 64 && heads == 4) {
		attend_mesh(a, node, ret_weights, ret);
		return;
	}
	share(a, to, n, a->logits + node * 2 * heads, heads, ret_weights);
	memset(ret, 0, a->width * sizeof(real));
	for (size_t e = 0; e < n; e++) {
		const real *row = a->rows + to[e] * a->width;

		for (size_t k = 0; k < heads; k++)
			for (size_t d = k * slice; d < (k + 1) * slice; d++)
				ret[d] += ret_weights[e * heads + k] * row[d];
	}
}

/* With w = softmax(l) and out = sum of w * row: by_l = w * (by_out . row - by_out . out). */
INLINE void attend_back_sized(const struct attention *a, size_t node, size_t width, size_t heads,
			      const real *weights, const real *by_out, const real *out,
			      const struct attention_gradient *to)
{
	size_t slice = width / heads;
	const real *asked = a->logits + node * 2 * heads;
	real whole[SAGE_HEADS_MAX], by_asked[SAGE_HEADS_MAX];

	for (size_t k = 0; k < heads; k++) {
		whole[k] = dot(by_out + k * slice, out + k * slice, slice);
		by_asked[k] = 0;
	}
	for (size_t e = a->begin[node]; e < a->begin[node + 1]; e++, weights += heads) {
		size_t other = a->to[e], offers = other * 2 * heads + heads;
		const real *row = a->rows + other * width;
		real *by_row = to->rows + other * width;

		for (size_t k = 0; k < heads; k++) {
			real part = dot(by_out + k * slice, row + k * slice, slice);
			bool is_positive = asked[k] + a->logits[offers + k] > 0;
			real by_logit = weights[k] * (part - whole[k]) *
					(is_positive ? 1 : (real)ATTENTION_SLOPE);

			by_asked[k] += by_logit;
			to->logits[offers + k] += by_logit;
#pragma omp simd
			for (size_t d = k * slice; d < (k + 1) * slice; d++)
				by_row[d] += weights[k] * by_out[d];
		}
	}
	for (size_t k = 0; k < heads; k++)
		to->logits[node * 2 * heads + k] += by_asked[k];
}

static void attend_back(const struct attention *a, size_t node, const real *weights,
			const real *by_out, const real *out, const struct attention_gradient *to)
{
	if (a->width == 64 && a->heads == 4)
		attend_back_sized(a, node, 64, 4, weights, by_out, out, to);
	else
		attend_back_sized(a, node, a->width, a->heads, weights, by_out, out, to);
}

#define OPS_OF(level) sage_rows_##level
#define OPS(level) OPS_OF(level)
#define NAME_OF(level) #level
#define NAME(level) NAME_OF(level)

const struct rows_ops OPS(ROWS_LEVEL) = {
	.name = NAME(ROWS_LEVEL),
	.add = add,
	.product = product,
	.norm = norm,
	.norm_back = norm_back,
	.attend = attend,
	.attend_back = attend_back,
};
