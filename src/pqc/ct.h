/* SPDX-License-Identifier: Apache-2.0 */
/* ct.h - values the compiler may know nothing about, and choices without branches. */
#pragma once

#include <stdint.h>

/* A compiler that can tell that a mask is all zeros or all ones may turn the arithmetic on
 * it back into the branch it was written to avoid. The empty statement hides the origin. */
static inline uint32_t ct_hide(uint32_t v)
{
	__asm__("" : "+r"(v));
	return v;
}

/* All ones where bit is 1, zero where it is 0. */
static inline uint32_t ct_mask(uint32_t bit)
{
	return -ct_hide(bit);
}

/* 1 where v is negative, otherwise 0. */
static inline uint32_t ct_negative(int32_t v)
{
	return (uint32_t)v >> 31;
}

/* The absolute value; v is not INT32_MIN. */
static inline int32_t ct_abs(int32_t v)
{
	int32_t mask = (int32_t)ct_mask(ct_negative(v));

	return (v ^ mask) - mask;
}
