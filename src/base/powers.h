/* SPDX-License-Identifier: Apache-2.0 */
/* powers.h - logarithms and powers of two, for what a daemon has to do with them. To name one of
 * libm's maps some 300 kB of its code and tables into the process, and these have the same bits on
 * every machine. To 1e-14 of the value. */
#pragma once

/* Of numbers that are none of them NaN; libm's are calls into yet another page of it. */
static inline double powers_larger(double a, double b)
{
	return a > b ? a : b;
}

static inline double powers_smaller(double a, double b)
{
	return a < b ? a : b;
}

double powers_log2(double v); /* v > 0 and finite */
double powers_exp2(double v); /* 0 from -1023 down, infinite from 1024 on; NaN stays */
