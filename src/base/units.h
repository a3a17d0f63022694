/* SPDX-License-Identifier: Apache-2.0 */
/* units.h - times in the unit the cores count in: monotonic microseconds. */
#pragma once

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)
#define MS(n) ((uint64_t)(n)*US_PER_MS)
#define SECONDS(n) ((uint64_t)(n)*US_PER_S)
#define NEVER_US UINT64_MAX /* a deadline that does not come */

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
