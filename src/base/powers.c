/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithms and powers of two, by their series. */
#include "base/powers.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXPONENT_BIAS 1023
#define MANTISSA_BITS 52
#define SMALLEST_NORMAL 0x1p-1022
#define LOG_TERMS 12 /* t is at most 0.172: the next is below 1e-19 */
#define EXP_TERMS 16 /* x is at most 0.347: likewise */

double powers_log2(double v)
{
	double exponent = 0, t, square, sum = 0;
	uint64_t bits;

	if (v < SMALLEST_NORMAL) {
		v *= 0x1p54;
		exponent = -54;
	}
	memcpy(&bits, &v, sizeof(bits));
	exponent += (double)(int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
	bits = (bits & ((UINT64_C(1) << MANTISSA_BITS) - 1)) | (uint64_t)EXPONENT_BIAS
								       << MANTISSA_BITS;
	memcpy(&v, &bits, sizeof(v));
	if (v > M_SQRT2) {
		v /= 2;
		exponent++;
	}
	/* ln v = 2 artanh t */
	t = (v - 1) / (v + 1);
	square = t * t;
	for (int k = LOG_TERMS; k-- > 0;)
		sum = sum * square + 1.0 / (2 * k + 1);
	return exponent + 2 * t * sum / M_LN2;
}

double powers_exp2(double v)
{
	double x, sum = 1, scale;
	uint64_t bits;
	int whole;

	if (isnan(v) || v >= EXPONENT_BIAS + 1)
		return isnan(v) ? v : (double)INFINITY;
	if (v <= -EXPONENT_BIAS)
		return 0;
	whole = (int)(v < 0 ? v - 0.5 : v + 0.5);
	x = (v - whole) * M_LN2;
	for (int k = EXP_TERMS; k > 0; k--)
		sum = 1 + sum * x / k;
	if (whole > EXPONENT_BIAS) { /* 2^1024 is no number, and half of that is */
		whole--;
		sum *= 2;
	} else if (whole <= -EXPONENT_BIAS) {
		whole++;
		sum /= 2;
	}
	bits = (uint64_t)(whole + EXPONENT_BIAS) << MANTISSA_BITS;
	memcpy(&scale, &bits, sizeof(scale));
	return sum * scale;
}
