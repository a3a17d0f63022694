/* SPDX-License-Identifier: Apache-2.0 */
/* ct.h - values the compiler may know nothing about, and choices without branches. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef X0_CT_CHECK
#include <valgrind/memcheck.h>
#endif

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

/* From here on these bytes may decide a branch or an address: they are public, or the standard
 * lets them be known. Each use says why, and docs/pqc.md lists them. It does nothing but in the
 * copy of this room that tests/ct watches, where secrets count as undefined memory. */
static inline void ct_declassify(const void *at, size_t len)
{
#ifdef X0_CT_CHECK
	(void)VALGRIND_MAKE_MEM_DEFINED(at, len);
#else
	(void)at;
	(void)len;
#endif
}

/* The same for a value just computed: ct_public(v). */
static inline uint32_t ct_public(uint32_t v)
{
	ct_declassify(&v, sizeof(v));
	return v;
}
