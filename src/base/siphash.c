/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 with 64 and 128 bits of output. */
#include "base/siphash.h"

struct sip {
	uint64_t v[4];
	uint64_t tail;	 /* bytes not yet mixed, little-endian */
	uint64_t length; /* bytes taken in */
};

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t load_le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void store_le64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void rounds(uint64_t v[4], unsigned n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static void mix(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	rounds(s->v, 2);
	s->v[0] ^= word;
}

static void start(struct sip *s, const uint8_t key[16])
{
	uint64_t k0 = load_le64(key);
	uint64_t k1 = load_le64(key + 8);

	/* The constants spell "somepseudorandomlygeneratedbytes". */
	*s = (struct sip){ .v = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
				  k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573 } };
}

static void absorb(struct sip *s, struct span part)
{
	const uint8_t *p = part.at;
	size_t left = part.len;

	for (; left > 0 && s->length % 8 != 0; left--, p++) {
		s->tail |= (uint64_t)*p << (8 * (s->length % 8));
		if (++s->length % 8 == 0) {
			mix(s, s->tail);
			s->tail = 0;
		}
	}
	for (; left >= 8; left -= 8, p += 8, s->length += 8)
		mix(s, load_le64(p));
	for (; left > 0; left--, p++, s->length++)
		s->tail |= (uint64_t)*p << (8 * (s->length % 8));
}

static uint64_t fold(const struct sip *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

static void finish(struct sip *s, const struct span *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		absorb(s, parts[i]);
	mix(s, s->tail | s->length << 56);
}

uint64_t siphash64(const uint8_t key[16], const struct span *parts, size_t n)
{
	struct sip s;

	start(&s, key);
	finish(&s, parts, n);
	s.v[2] ^= 0xff;
	rounds(s.v, 4);
	return fold(&s);
}

void siphash128(const uint8_t key[16], const struct span *parts, size_t n, uint8_t ret[16])
{
	struct sip s;

	start(&s, key);
	s.v[1] ^= 0xee;
	finish(&s, parts, n);
	s.v[2] ^= 0xee;
	rounds(s.v, 4);
	store_le64(ret, fold(&s));
	s.v[1] ^= 0xdd;
	rounds(s.v, 4);
	store_le64(ret + 8, fold(&s));
}
