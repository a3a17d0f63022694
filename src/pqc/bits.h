/* SPDX-License-Identifier: Apache-2.0 */
/* bits.h - 256 small integers packed into n_bits each, least significant bit first.
 *
 * ByteEncode and ByteDecode of FIPS 203 (algorithms 5, 6), SimpleBitPack and SimpleBitUnpack
 * of FIPS 204 (algorithms 16, 18). Inlined with a constant width, the inner loops unroll. */
#pragma once

#include <stdint.h>

#define BITS_VALUES 256
#define BITS_LEN(n_bits) (BITS_VALUES / 8 * (n_bits)) /* bytes */

/* Eight values fill n_bits whole bytes. */
static inline __attribute__((always_inline)) void bits_pack(const uint32_t *values, unsigned n_bits,
							    uint8_t *ret)
{
	for (unsigned i = 0; i < BITS_VALUES; i += 8) {
		uint64_t pending = 0;
		unsigned n_pending = 0;

#pragma GCC unroll 8
		for (unsigned j = 0; j < 8; j++) {
			pending |= (uint64_t)values[i + j] << n_pending;
#pragma GCC unroll 3
			for (n_pending += n_bits; n_pending >= 8; n_pending -= 8) {
				*ret++ = (uint8_t)pending;
				pending >>= 8;
			}
		}
	}
}

static inline __attribute__((always_inline)) void bits_unpack(const uint8_t *from, unsigned n_bits,
							      uint32_t *ret)
{
	uint32_t mask = (UINT32_C(1) << n_bits) - 1;

	for (unsigned i = 0; i < BITS_VALUES; i += 8) {
		uint64_t pending = 0;
		unsigned n_pending = 0;

#pragma GCC unroll 8
		for (unsigned j = 0; j < 8; j++) {
#pragma GCC unroll 3
			for (; n_pending < n_bits; n_pending += 8)
				pending |= (uint64_t)*from++ << n_pending;
			ret[i + j] = (uint32_t)pending & mask;
			pending >>= n_bits;
			n_pending -= n_bits;
		}
	}
}
