/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM four blocks to a vector, with AES and GHASH interleaved.
 *
 * Sections are those of NIST SP 800-38D; AES is FIPS 197. GHASH follows Gueron and Kounavis,
 * "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode": blocks
 * are byte-reversed, so that a product of polynomials is a carry-less product of integers, and
 * many products with falling powers of H are summed before one reduction. Nothing here branches
 * on, or indexes by, anything but lengths. */
#include "aesgcm/vaes512.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
/* Loops over arrays of vectors must be unrolled, or the arrays lie in memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define AES256_N_ROUNDS (AES256_N_ROUND_KEYS - 1)

/* ---- GHASH (sections 6.3 and 6.4) ---- */

/* The bytes of each block in the other order. */
INLINE __m512i reverse(__m512i v)
{
	const __m128i order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

	return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

INLINE __m128i reverse_block(__m128i v)
{
	return _mm512_castsi512_si128(reverse(_mm512_zextsi128_si512(v)));
}

/* Products not reduced yet, in each of four lanes: low + middle * 2^64 + high * 2^128. */
struct sums {
	__m512i low, middle, high;
};

INLINE struct sums no_sums(void)
{
	return (struct sums){ _mm512_setzero_si512(), _mm512_setzero_si512(),
			      _mm512_setzero_si512() };
}

INLINE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
	return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

INLINE void add_product(struct sums *s, __m512i a, __m512i b)
{
	s->low = _mm512_xor_si512(s->low, _mm512_clmulepi64_epi128(a, b, 0x00));
	s->high = _mm512_xor_si512(s->high, _mm512_clmulepi64_epi128(a, b, 0x11));
	s->middle = xor3(s->middle, _mm512_clmulepi64_epi128(a, b, 0x01),
			 _mm512_clmulepi64_epi128(a, b, 0x10));
}

INLINE __m512i swap_halves(__m512i v)
{
	return _mm512_shuffle_epi32(v, _MM_PERM_BADC);
}

/* Modulo the polynomial of section 6.3, reversed: 2^128 + 0xc2 * 2^120 + 1. It ends in 1, so a
 * multiple of it clears the lowest 64 bits; that is done twice. */
INLINE __m512i reduce(struct sums s)
{
	const __m512i upper = _mm512_set1_epi64((long long)0xc200000000000000);

	s.middle = xor3(s.middle, swap_halves(s.low), _mm512_clmulepi64_epi128(s.low, upper, 0x00));
	return xor3(s.high, swap_halves(s.middle), _mm512_clmulepi64_epi128(s.middle, upper, 0x00));
}

/* The sum of the four lanes in the lowest; the others are zero. */
INLINE __m512i fold(__m512i v)
{
	__m256i two = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));

	return _mm512_zextsi128_si512(
		_mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1)));
}

/* The product of two reversed polynomials comes out shifted by a bit. Powers of H are kept times
 * x^-1 = x^127 + x^6 + x + 1, which makes up for it. */
INLINE __m128i times_inverse_x(__m128i h)
{
	const __m128i inverse_x = _mm_set_epi64x((long long)0xc200000000000000, 1);
	__m128i is_top_set = _mm_shuffle_epi32(_mm_srai_epi32(h, 31), 0xff);
	__m128i carry = _mm_slli_si128(_mm_srli_epi64(h, 63), 8);

	h = _mm_or_si128(_mm_slli_epi64(h, 1), carry);
	return _mm_xor_si128(h, _mm_and_si128(is_top_set, inverse_x));
}

/* H^m and those below. */
INLINE const uint8_t *powers_from(const struct aesgcm *k, size_t m)
{
	return k->powers[N_POWERS - m];
}

INLINE __m512i load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

INLINE __mmask64 first_bytes(size_t n) /* 1 to 64 */
{
	return UINT64_MAX >> (VECTOR_LEN - n);
}

INLINE size_t blocks(size_t len)
{
	return (len + AES_BLOCK_LEN - 1) / AES_BLOCK_LEN;
}

/* Associated data up to a vector is added to sums that n more blocks will be added to. */
INLINE void add_short_ad(struct sums *s, const struct aesgcm *k, struct span ad, size_t n)
{
	if (ad.len > 0)
		add_product(s, reverse(_mm512_maskz_loadu_epi8(first_bytes(ad.len), ad.at)),
			    load(powers_from(k, blocks(ad.len) + n)));
}

/* More of it is rare, and is hashed by itself, a vector at a time. */
__attribute__((noinline)) static __m512i hash_long_ad(const struct aesgcm *k, struct span ad)
{
	__m512i y = _mm512_setzero_si512();

	while (ad.len > 0) {
		size_t n = ad.len < VECTOR_LEN ? ad.len : VECTOR_LEN;
		__m512i v = _mm512_maskz_loadu_epi8(first_bytes(n), ad.at);
		struct sums s = no_sums();

		add_product(&s, _mm512_xor_si512(reverse(v), y), load(powers_from(k, blocks(n))));
		y = fold(reduce(s));
		ad = SPAN(ad.at + n, ad.len - n);
	}
	return y;
}

/* ---- AES in counter mode (section 6.5) ---- */

/* Blocks of the counter that come next, each reversed, so that the counter is an integer. */
INLINE __m512i counters(const uint8_t nonce[AESGCM_NONCE_LEN], unsigned first)
{
	__m128i block = _mm_maskz_loadu_epi8(0x0fff, nonce);

	return _mm512_add_epi32(_mm512_broadcast_i32x4(reverse_block(block)),
				_mm512_set_epi32(0, 0, 0, (int)first + 3, 0, 0, 0, (int)first + 2,
						 0, 0, 0, (int)first + 1, 0, 0, 0, (int)first));
}

INLINE void take_counters(__m512i *next, __m512i *ret, unsigned n)
{
	const __m512i four = _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, 4));

	UNROLL
	for (unsigned i = 0; i < n; i++) {
		ret[i] = reverse(*next);
		*next = _mm512_add_epi32(*next, four);
	}
}

INLINE __m512i round_key(const struct aesgcm *k, unsigned i)
{
	return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)k->round_keys[i]));
}

/* Vectors of text to be hashed, as they are on the wire: n of them, the first block after y. */
struct hashing {
	struct sums *sums;
	const __m512i *text;
	unsigned n;
	__m512i y;
	const uint8_t *powers;
};

INLINE void hash_vector(const struct hashing *h, unsigned i)
{
	__m512i v = reverse(h->text[i]);

	if (i == 0)
		v = _mm512_xor_si512(v, h->y);
	add_product(h->sums, v, load(h->powers + (size_t)i * VECTOR_LEN));
}

/* The cipher of FIPS 197 on n vectors. AES and carry-less products are done by different units:
 * each round also hashes a vector. */
INLINE void encrypt_blocks(const struct aesgcm *k, __m512i *v, unsigned n, const struct hashing *h)
{
	__m512i key;

	/* Or the compiler reads the round keys once for all uses, and keeps copies on the stack. */
	__asm__("" : "+r"(k));
	key = round_key(k, 0);
	UNROLL
	for (unsigned i = 0; i < n; i++)
		v[i] = _mm512_xor_si512(v[i], key);
	UNROLL
	for (unsigned round = 1; round < AES256_N_ROUNDS; round++) {
		key = round_key(k, round);
		UNROLL
		for (unsigned i = 0; i < n; i++)
			v[i] = _mm512_aesenc_epi128(v[i], key);
		if (round <= h->n)
			hash_vector(h, round - 1);
	}
	key = round_key(k, AES256_N_ROUNDS);
	UNROLL
	for (unsigned i = 0; i < n; i++)
		v[i] = _mm512_aesenclast_epi128(v[i], key);
}

/* ---- a packet ---- */

struct packet {
	const struct aesgcm *k;
	const uint8_t *in;
	uint8_t *out;
	size_t left;	  /* bytes of text */
	__m512i next;	  /* counters */
	__m128i first;	  /* the counter block of the tag, J0 of section 7.1 */
	__m512i y;	  /* the hash of all up to the last reduction, in the lowest lane */
	struct sums last; /* what is reduced with the end of the text: the lengths, and more */
};

/* n vectors at p->in, the last of them masked; without tail all are whole. */
INLINE void load_text(const struct packet *p, __m512i *ret, unsigned n, __mmask64 tail)
{
	UNROLL
	for (unsigned i = 0; i + 1 < n; i++)
		ret[i] = load(p->in + (size_t)i * VECTOR_LEN);
	if (n > 0)
		ret[n - 1] = _mm512_maskz_loadu_epi8(tail, p->in + (size_t)(n - 1) * VECTOR_LEN);
}

INLINE void store_text(const struct packet *p, const __m512i *v, unsigned n, __mmask64 tail)
{
	UNROLL
	for (unsigned i = 0; i + 1 < n; i++)
		_mm512_storeu_si512(p->out + (size_t)i * VECTOR_LEN, v[i]);
	if (n > 0)
		_mm512_mask_storeu_epi8(p->out + (size_t)(n - 1) * VECTOR_LEN, tail, v[n - 1]);
}

/* The block of section 7.1 step 4: both lengths in bits, reversed as all blocks here. It is the
 * first after associated data where there is no text. */
INLINE void add_lengths(struct packet *p, size_t ad_len)
{
	uint64_t ad_bits = 8 * (uint64_t)ad_len;
	uint64_t text_bits = 8 * (uint64_t)p->left;
	__m512i v =
		_mm512_zextsi128_si512(_mm_set_epi64x((long long)ad_bits, (long long)text_bits));

	if (p->left == 0)
		v = _mm512_xor_si512(v, p->y);
	add_product(&p->last, v, load(powers_from(p->k, 1)));
}

INLINE void advance_group(struct packet *p)
{
	p->in += GROUP_LEN;
	p->out += GROUP_LEN;
	p->left -= GROUP_LEN;
}

/* Seals a group into text. What the group before left there is hashed meanwhile. */
INLINE void seal_group(struct packet *p, __m512i *text, const struct hashing *h)
{
	__m512i v[GROUP_VECTORS], in[GROUP_VECTORS];

	take_counters(&p->next, v, GROUP_VECTORS);
	encrypt_blocks(p->k, v, GROUP_VECTORS, h);
	load_text(p, in, GROUP_VECTORS, UINT64_MAX);
	UNROLL
	for (unsigned i = 0; i < GROUP_VECTORS; i++)
		text[i] = _mm512_xor_si512(v[i], in[i]);
	store_text(p, text, GROUP_VECTORS, UINT64_MAX);
	advance_group(p);
}

INLINE struct hashing hashing_group(struct packet *p, struct sums *sums, const __m512i *text)
{
	return (struct hashing){ sums, text, GROUP_VECTORS, p->y,
				 powers_from(p->k, GROUP_LEN / AES_BLOCK_LEN) };
}

INLINE struct hashing hashing_end(struct packet *p, const __m512i *text, unsigned n)
{
	return (struct hashing){ &p->last, text, n, p->y, powers_from(p->k, blocks(p->left) + 1) };
}

INLINE __m128i tag_of(struct packet *p, __m512i encrypted_first)
{
	__m512i hash = reverse(fold(reduce(p->last)));

	return _mm512_castsi512_si128(_mm512_xor_si512(hash, encrypted_first));
}

INLINE __mmask64 tail_mask(const struct packet *p, unsigned n)
{
	return n > 0 ? first_bytes(p->left - (size_t)(n - 1) * VECTOR_LEN) : 0;
}

/* The last n vectors, with the tag's block beside them. before is the group before them, still to
 * be hashed onto sums; NULL where there is none. */
INLINE __m128i seal_end(struct packet *p, unsigned n, const __m512i *before, struct sums sums)
{
	__m512i v[GROUP_VECTORS + 1], in[GROUP_VECTORS];
	__mmask64 tail = tail_mask(p, n);
	struct hashing h = { 0 };

	if (before)
		h = hashing_group(p, &sums, before);
	take_counters(&p->next, v, n);
	v[n] = _mm512_zextsi128_si512(p->first);
	encrypt_blocks(p->k, v, n + 1, &h);
	if (before)
		p->y = fold(reduce(sums));
	load_text(p, in, n, tail);
	UNROLL
	for (unsigned i = 0; i < n; i++)
		in[i] = _mm512_xor_si512(v[i], in[i]);
	store_text(p, in, n, tail);
	if (n > 0)
		in[n - 1] = _mm512_maskz_mov_epi8(tail, in[n - 1]);
	h = hashing_end(p, in, n);
	UNROLL
	for (unsigned i = 0; i < n; i++)
		hash_vector(&h, i);
	return tag_of(p, v[n]);
}

INLINE __m128i open_end(struct packet *p, unsigned n)
{
	__m512i v[GROUP_VECTORS + 1], in[GROUP_VECTORS];
	__mmask64 tail = tail_mask(p, n);
	struct hashing h = hashing_end(p, in, n);

	load_text(p, in, n, tail);
	take_counters(&p->next, v, n);
	v[n] = _mm512_zextsi128_si512(p->first);
	encrypt_blocks(p->k, v, n + 1, &h);
	UNROLL
	for (unsigned i = 0; i < n; i++)
		in[i] = _mm512_xor_si512(v[i], in[i]);
	store_text(p, in, n, tail);
	return tag_of(p, v[n]);
}

/* A function body for each number of vectors, so that all of them lie in registers. */
#define RETURN_FOR_EACH(n, call)            \
	switch (n) {                        \
	case 0:                             \
		return call(0);             \
	case 1:                             \
		return call(1);             \
	case 2:                             \
		return call(2);             \
	case 3:                             \
		return call(3);             \
	case 4:                             \
		return call(4);             \
	case 5:                             \
		return call(5);             \
	case 6:                             \
		return call(6);             \
	case 7:                             \
		return call(7);             \
	default:                            \
		return call(GROUP_VECTORS); \
	}

INLINE size_t vectors(size_t len)
{
	return (len + VECTOR_LEN - 1) / VECTOR_LEN;
}

INLINE __m128i seal_short(struct packet *p){
#define SEAL_SHORT(n) seal_end(p, n, NULL, no_sums())
	RETURN_FOR_EACH(vectors(p->left), SEAL_SHORT)
#undef SEAL_SHORT
}

/* The last group may be whole, so that there is always an end to it. */
INLINE __m128i seal_long(struct packet *p, struct sums sums)
{
	__m512i text[GROUP_VECTORS];
	struct hashing h = { 0 };

	seal_group(p, text, &h);
	while (p->left > GROUP_LEN) {
		h = hashing_group(p, &sums, text);
		seal_group(p, text, &h);
		p->y = fold(reduce(sums));
		sums = no_sums();
	}
#define SEAL_LONG(n) seal_end(p, n, text, sums)
	RETURN_FOR_EACH(vectors(p->left), SEAL_LONG)
#undef SEAL_LONG
}

INLINE void open_group(struct packet *p, struct sums sums)
{
	__m512i v[GROUP_VECTORS], in[GROUP_VECTORS];
	struct hashing h = hashing_group(p, &sums, in);

	load_text(p, in, GROUP_VECTORS, UINT64_MAX);
	take_counters(&p->next, v, GROUP_VECTORS);
	encrypt_blocks(p->k, v, GROUP_VECTORS, &h);
	UNROLL
	for (unsigned i = 0; i < GROUP_VECTORS; i++)
		in[i] = _mm512_xor_si512(v[i], in[i]);
	store_text(p, in, GROUP_VECTORS, UINT64_MAX);
	p->y = fold(reduce(sums));
	advance_group(p);
}

INLINE __m128i open_all(struct packet *p, struct sums sums)
{
	while (p->left > GROUP_LEN) {
		open_group(p, sums);
		sums = no_sums();
	}
#define OPEN_END(n) open_end(p, n)
	RETURN_FOR_EACH(vectors(p->left), OPEN_END)
#undef OPEN_END
}

/* Section 7.1 up to the text. The sums of the first group begin with what short associated data
 * gave, if there is a group: ret_sums. */
INLINE struct packet begin(const struct aesgcm *k, const uint8_t nonce[AESGCM_NONCE_LEN],
			   struct span ad, struct span text, uint8_t *ret, struct sums *ret_sums)
{
	__m512i all = counters(nonce, 1);
	struct packet p = {
		.k = k,
		.in = text.at,
		.out = ret,
		.left = text.len,
		.first = _mm512_castsi512_si128(reverse(all)),
		.next = _mm512_add_epi32(all, _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, 1))),
		.y = _mm512_setzero_si512(),
		.last = no_sums(),
	};

	*ret_sums = no_sums();
	if (ad.len > VECTOR_LEN)
		p.y = hash_long_ad(k, ad);
	else if (text.len > GROUP_LEN)
		add_short_ad(ret_sums, k, ad, GROUP_LEN / AES_BLOCK_LEN);
	else
		add_short_ad(&p.last, k, ad, blocks(text.len) + 1);
	add_lengths(&p, ad.len);
	return p;
}

void vaes512_encrypt(const struct aesgcm *k, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret, uint8_t ret_tag[AESGCM_TAG_LEN])
{
	struct sums sums;
	struct packet p = begin(k, nonce, ad, text, ret, &sums);
	__m128i tag = text.len > GROUP_LEN ? seal_long(&p, sums) : seal_short(&p);

	_mm_storeu_si128((__m128i *)ret_tag, tag);
}

void vaes512_decrypt(const struct aesgcm *k, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret, uint8_t ret_tag[AESGCM_TAG_LEN])
{
	struct sums sums;
	struct packet p = begin(k, nonce, ad, text, ret, &sums);

	_mm_storeu_si128((__m128i *)ret_tag, open_all(&p, sums));
}

/* ---- a key ---- */

/* w[i] ^ ... ^ w[0] in each place i: what the recursion of FIPS 197 section 5.2 comes to for the
 * four words of a round key, but for the word that g, in all four places, stands for. */
INLINE __m128i next_words(__m128i w, __m128i g)
{
	w = _mm_xor_si128(w, _mm_slli_si128(w, 4));
	w = _mm_xor_si128(w, _mm_slli_si128(w, 8));
	return _mm_xor_si128(w, g);
}

static void expand_key(struct aesgcm *k, const uint8_t key[AESGCM_KEY_LEN])
{
	__m128i *ret = (__m128i *)k->round_keys;
	__m128i even = _mm_loadu_si128((const __m128i *)key);
	__m128i odd = _mm_loadu_si128((const __m128i *)(key + AES_BLOCK_LEN));
	int rcon = 1; /* doubles each time, and does not reach the polynomial */

	_mm_store_si128(&ret[0], even);
	_mm_store_si128(&ret[1], odd);
	for (unsigned i = 2; i < AES256_N_ROUND_KEYS; i++) {
		if (i % 2 == 0) { /* RotWord(SubWord(last word)) ^ Rcon */
			__m128i g = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, 0), 0xff);

			even = next_words(even, _mm_xor_si128(g, _mm_set1_epi32(rcon)));
			rcon <<= 1;
			_mm_store_si128(&ret[i], even);
		} else { /* SubWord(last word) */
			odd = next_words(
				odd, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa));
			_mm_store_si128(&ret[i], odd);
		}
	}
}

INLINE __m512i product(__m512i a, __m512i b)
{
	struct sums s = no_sums();

	add_product(&s, a, b);
	return reduce(s);
}

/* Four powers at a time, each the product of those below it and of H^4. */
static void set_powers(struct aesgcm *k, __m128i h)
{
	__m128i h1 = times_inverse_x(reverse_block(h));
	__m512i one = _mm512_zextsi128_si512(h1);
	__m512i two = product(one, one);
	__m512i four = product(two, two);
	__m512i v = _mm512_zextsi128_si512(_mm512_castsi512_si128(four));

	v = _mm512_inserti32x4(v, _mm512_castsi512_si128(product(two, one)), 1);
	v = _mm512_inserti32x4(v, _mm512_castsi512_si128(two), 2);
	v = _mm512_inserti32x4(v, h1, 3);
	four = _mm512_broadcast_i32x4(_mm512_castsi512_si128(four));
	for (unsigned m = 4; m <= N_POWERS; m += 4) {
		_mm512_storeu_si512(k->powers[N_POWERS - m], v);
		v = product(v, four);
	}
}

void vaes512_set_key(struct aesgcm *k, const uint8_t key[AESGCM_KEY_LEN])
{
	__m512i h = _mm512_setzero_si512();
	const struct hashing nothing = { 0 };

	expand_key(k, key);
	encrypt_blocks(k, &h, 1, &nothing); /* H is the encrypted block of zeros (7.1 step 1) */
	set_powers(k, _mm512_castsi512_si128(h));
}
