/* SPDX-License-Identifier: Apache-2.0 */
/* siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012): a short keyed hash for tags, tables
 * and cheap checks. Not a hash for signatures. */
#pragma once

#include "base/bytes.h"

/* The n parts are hashed as one string. The 64-bit result is the little-endian reading of
 * the specification's eight output bytes; the 128-bit one is its sixteen bytes. */
uint64_t siphash64(const uint8_t key[16], const struct span *parts, size_t n);
void siphash128(const uint8_t key[16], const struct span *parts, size_t n, uint8_t ret[16]);
