/* SPDX-License-Identifier: Apache-2.0 */
/* keccak.h - SHA-3 and SHAKE (FIPS 202), absorbed and squeezed piece by piece.
 *
 *	struct keccak k;
 *	shake256_init(&k);
 *	keccak_absorb(&k, ...);		as often as needed
 *	keccak_squeeze(&k, ...);	as often as needed; nothing is absorbed after the first
 *	keccak_wipe(&k);		where anything absorbed was secret
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KECCAK_LANES 25
#define KECCAK_ROUNDS 24
#define SHAKE128_RATE 168 /* bytes a permutation yields: 1600 bits less twice the strength */
#define SHAKE256_RATE 136
#define SHA3_256_RATE 136
#define SHA3_512_RATE 72
#define SHA3_256_LEN 32
#define SHA3_512_LEN 64

/* Domain separation bits and the first 1 of pad10*1, least significant bit first (B.2). */
#define KECCAK_SUFFIX_SHA3 0x06
#define KECCAK_SUFFIX_SHAKE 0x1f

/* Owns no memory. To be read or written by the functions below only. */
struct keccak {
	uint64_t lanes[KECCAK_LANES];
	unsigned rate; /* bytes, a multiple of 8 */
	unsigned at;   /* bytes of the current block already absorbed or squeezed */
	uint8_t suffix;
	bool squeezing;
};

void sha3_256_init(struct keccak *k);
void sha3_512_init(struct keccak *k);
void shake128_init(struct keccak *k);
void shake256_init(struct keccak *k);
void keccak_absorb(struct keccak *k, const uint8_t *from, size_t len);
void keccak_squeeze(struct keccak *k, uint8_t *ret, size_t len);
void keccak_wipe(struct keccak *k);

/* The same in one call; the state is wiped. */
void sha3_256(const uint8_t *from, size_t len, uint8_t ret[SHA3_256_LEN]);
void sha3_512(const uint8_t *from, size_t len, uint8_t ret[SHA3_512_LEN]);
void shake256(const uint8_t *from, size_t len, uint8_t *ret, size_t ret_len);
