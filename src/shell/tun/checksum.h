/* SPDX-License-Identifier: Apache-2.0 */
/* checksum.h - the Internet checksum (RFC 1071), in the host's byte order: sums are added up as
 * they lie in memory, and a folded one is stored as it is. Inside the room only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Adds the bytes to a sum; a part of odd length must be the last one. */
uint64_t checksum_add(uint64_t sum, struct span bytes);
/* Adds a number of 16 bits as it would lie on the wire. */
uint64_t checksum_add_u16(uint64_t sum, uint16_t value);
/* Folds to 16 bits, not complemented: what a header holds while its checksum is partial. */
uint16_t checksum_fold(uint64_t sum);
void checksum_store(uint8_t *at, uint16_t folded);
