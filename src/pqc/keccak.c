/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-f[1600] and the sponge on top of it (FIPS 202 sections 3 to 6). */
#include "pqc/keccak.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/bytes.h"

/* Domain separation bits and the first 1 of pad10*1, least significant bit first (B.2). */
#define SUFFIX_SHA3 0x06
#define SUFFIX_SHAKE 0x1f

#define ROUNDS 24

/* Iota's constants, from the linear feedback register of section 3.2.5. */
static const uint64_t round_constants[ROUNDS] = {
	UINT64_C(0x0000000000000001), UINT64_C(0x0000000000008082), UINT64_C(0x800000000000808a),
	UINT64_C(0x8000000080008000), UINT64_C(0x000000000000808b), UINT64_C(0x0000000080000001),
	UINT64_C(0x8000000080008081), UINT64_C(0x8000000000008009), UINT64_C(0x000000000000008a),
	UINT64_C(0x0000000000000088), UINT64_C(0x0000000080008009), UINT64_C(0x000000008000000a),
	UINT64_C(0x000000008000808b), UINT64_C(0x800000000000008b), UINT64_C(0x8000000000008089),
	UINT64_C(0x8000000000008003), UINT64_C(0x8000000000008002), UINT64_C(0x8000000000000080),
	UINT64_C(0x000000000000800a), UINT64_C(0x800000008000000a), UINT64_C(0x8000000080008081),
	UINT64_C(0x8000000000008080), UINT64_C(0x0000000080000001), UINT64_C(0x8000000080008008),
};

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

/* One plane of chi (3.2.4): each lane learns from its two neighbours to the right. */
static inline void chi(uint64_t e[5], uint64_t b0, uint64_t b1, uint64_t b2, uint64_t b3,
		       uint64_t b4)
{
	e[0] = b0 ^ (~b1 & b2);
	e[1] = b1 ^ (~b2 & b3);
	e[2] = b2 ^ (~b3 & b4);
	e[3] = b3 ^ (~b4 & b0);
	e[4] = b4 ^ (~b0 & b1);
}

/* A round from a to e. Lane (x, y) is a[5 y + x]; every index and every distance is a constant,
 * and there are two arrays, so that the compiler need not move lanes about. */
static inline __attribute__((always_inline)) void
round_once(const uint64_t a[KECCAK_LANES], uint64_t e[KECCAK_LANES], uint64_t constant)
{
	/* theta (3.2.1) */
	uint64_t c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
	uint64_t c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
	uint64_t c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
	uint64_t c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
	uint64_t c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
	uint64_t d0 = c4 ^ rotl(c1, 1);
	uint64_t d1 = c0 ^ rotl(c2, 1);
	uint64_t d2 = c1 ^ rotl(c3, 1);
	uint64_t d3 = c2 ^ rotl(c4, 1);
	uint64_t d4 = c3 ^ rotl(c0, 1);

	/* rho (table 2) and pi (3.2.3) within the arguments, then chi and iota */
	chi(e, a[0] ^ d0, rotl(a[6] ^ d1, 44), rotl(a[12] ^ d2, 43), rotl(a[18] ^ d3, 21),
	    rotl(a[24] ^ d4, 14));
	chi(e + 5, rotl(a[3] ^ d3, 28), rotl(a[9] ^ d4, 20), rotl(a[10] ^ d0, 3),
	    rotl(a[16] ^ d1, 45), rotl(a[22] ^ d2, 61));
	chi(e + 10, rotl(a[1] ^ d1, 1), rotl(a[7] ^ d2, 6), rotl(a[13] ^ d3, 25),
	    rotl(a[19] ^ d4, 8), rotl(a[20] ^ d0, 18));
	chi(e + 15, rotl(a[4] ^ d4, 27), rotl(a[5] ^ d0, 36), rotl(a[11] ^ d1, 10),
	    rotl(a[17] ^ d2, 15), rotl(a[23] ^ d3, 56));
	chi(e + 20, rotl(a[2] ^ d2, 62), rotl(a[8] ^ d3, 55), rotl(a[14] ^ d4, 39),
	    rotl(a[15] ^ d0, 41), rotl(a[21] ^ d1, 2));
	e[0] ^= constant;
}

static void permute(uint64_t lanes[KECCAK_LANES])
{
	uint64_t other[KECCAK_LANES];

	for (unsigned i = 0; i < ROUNDS; i += 2) {
		round_once(lanes, other, round_constants[i]);
		round_once(other, lanes, round_constants[i + 1]);
	}
	bytes_wipe(other, sizeof(other));
}

/* The lanes are little-endian on every machine (B.1). */
static inline uint64_t load_lane(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void store_lane(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static void init(struct keccak *k, unsigned rate, uint8_t suffix)
{
	*k = (struct keccak){ .rate = rate, .suffix = suffix };
}

void sha3_256_init(struct keccak *k)
{
	init(k, 136, SUFFIX_SHA3);
}

void sha3_512_init(struct keccak *k)
{
	init(k, 72, SUFFIX_SHA3);
}

void shake128_init(struct keccak *k)
{
	init(k, SHAKE128_RATE, SUFFIX_SHAKE);
}

void shake256_init(struct keccak *k)
{
	init(k, SHAKE256_RATE, SUFFIX_SHAKE);
}

void keccak_absorb(struct keccak *k, const uint8_t *from, size_t len)
{
	assert(!k->squeezing);
	while (len > 0) {
		unsigned n = k->at % 8 == 0 && len >= 8 ? 8 : 1;

		if (n == 8)
			k->lanes[k->at / 8] ^= load_lane(from);
		else
			k->lanes[k->at / 8] ^= (uint64_t)*from << 8 * (k->at % 8);
		from += n;
		len -= n;
		k->at += n;
		if (k->at == k->rate) {
			permute(k->lanes);
			k->at = 0;
		}
	}
}

static void pad(struct keccak *k)
{
	k->lanes[k->at / 8] ^= (uint64_t)k->suffix << 8 * (k->at % 8);
	k->lanes[k->rate / 8 - 1] ^= UINT64_C(1) << 63;
	k->at = k->rate; /* so that the first byte asked for runs the permutation */
	k->squeezing = true;
}

/* The same as below for a whole block, without looking at each byte's place. */
static void squeeze_block(struct keccak *k, uint8_t *ret)
{
	permute(k->lanes);
	for (unsigned i = 0; i < k->rate / 8; i++)
		store_lane(ret + (size_t)8 * i, k->lanes[i]);
}

void keccak_squeeze(struct keccak *k, uint8_t *ret, size_t len)
{
	if (!k->squeezing)
		pad(k);
	for (; k->at == k->rate && len >= k->rate; len -= k->rate, ret += k->rate)
		squeeze_block(k, ret);
	while (len > 0) {
		unsigned n;

		if (k->at == k->rate) {
			permute(k->lanes);
			k->at = 0;
		}
		n = k->at % 8 == 0 && len >= 8 ? 8 : 1;
		if (n == 8)
			store_lane(ret, k->lanes[k->at / 8]);
		else
			*ret = (uint8_t)(k->lanes[k->at / 8] >> 8 * (k->at % 8));
		ret += n;
		len -= n;
		k->at += n;
	}
}

void keccak_wipe(struct keccak *k)
{
	bytes_wipe(k, sizeof(*k));
}

static void hash(struct keccak *k, const uint8_t *from, size_t len, uint8_t *ret, size_t ret_len)
{
	keccak_absorb(k, from, len);
	keccak_squeeze(k, ret, ret_len);
	keccak_wipe(k);
}

void sha3_256(const uint8_t *from, size_t len, uint8_t ret[SHA3_256_LEN])
{
	struct keccak k;

	sha3_256_init(&k);
	hash(&k, from, len, ret, SHA3_256_LEN);
}

void sha3_512(const uint8_t *from, size_t len, uint8_t ret[SHA3_512_LEN])
{
	struct keccak k;

	sha3_512_init(&k);
	hash(&k, from, len, ret, SHA3_512_LEN);
}

void shake256(const uint8_t *from, size_t len, uint8_t *ret, size_t ret_len)
{
	struct keccak k;

	shake256_init(&k);
	hash(&k, from, len, ret, ret_len);
}
