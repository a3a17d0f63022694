/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-f[1600] and the sponge on top of it (FIPS 202 sections 3 to 6). */
#include "pqc/keccak.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/keccak_kernels.h"

/* Iota's constants, from the linear feedback register of section 3.2.5. */
const uint64_t keccak_round_constants[KECCAK_ROUNDS] = {
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

#define LANE uint64_t
#define ROUNDS_NAME rounds
#define XOR(a, b) ((a) ^ (b))
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define CHI(a, b, c) ((a) ^ (~(b) & (c)))
#define ROTATE(a, n) rotl(a, n)
#define CONSTANT(i) keccak_round_constants[i]
#include "pqc/keccak_rounds.h"

void keccak_permute_portable(uint64_t lanes[KECCAK_LANES])
{
	rounds(lanes);
}

static inline void permute(uint64_t lanes[KECCAK_LANES])
{
	keccak_kernels()->permute(lanes);
}

static void init(struct keccak *k, unsigned rate, uint8_t suffix)
{
	*k = (struct keccak){ .rate = rate, .suffix = suffix };
}

void sha3_256_init(struct keccak *k)
{
	init(k, SHA3_256_RATE, KECCAK_SUFFIX_SHA3);
}

void sha3_512_init(struct keccak *k)
{
	init(k, SHA3_512_RATE, KECCAK_SUFFIX_SHA3);
}

void shake128_init(struct keccak *k)
{
	init(k, SHAKE128_RATE, KECCAK_SUFFIX_SHAKE);
}

void shake256_init(struct keccak *k)
{
	init(k, SHAKE256_RATE, KECCAK_SUFFIX_SHAKE);
}

void keccak_absorb(struct keccak *k, const uint8_t *from, size_t len)
{
	assert(!k->squeezing);
	while (len > 0) {
		unsigned n = k->at % 8 == 0 && len >= 8 ? 8 : 1;

		if (n == 8)
			k->lanes[k->at / 8] ^= keccak_load_lane(from);
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
		keccak_store_lane(ret + (size_t)8 * i, k->lanes[i]);
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
			keccak_store_lane(ret, k->lanes[k->at / 8]);
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
