/* SPDX-License-Identifier: Apache-2.0 */
/* Elements, leaves and trees. Each hash is bound to what it is of, so that one found for one place
 * is of no use in another. */
#include "core/origin/state.h"

enum kind {
	KIND_FIRST = 1,
	KIND_ELEMENT,
	KIND_LEAF,
	KIND_TREE,
};

/* Thirds of a doubling, 2^(1/3) and 2^(2/3) in 1/65536. */
#define THIRD 82570
#define TWO_THIRDS 104032

unsigned origin_step(uint32_t metric)
{
	unsigned octave;
	uint32_t mantissa; /* of 1 to 2, in 1/65536 */

	if (metric == 0)
		return 0;
	if (metric < 8)
		return 1;
	if (metric > 0xffffff)
		return ORIGIN_STEPS;
	octave = 31U - (unsigned)__builtin_clz(metric);
	mantissa = octave <= 16 ? metric << (16 - octave) : metric >> (octave - 16);
	return 2 + 3 * (octave - 3) + (mantissa >= THIRD) + (mantissa >= TWO_THIRDS);
}

static void hash(const struct crypto_ops *ops, const struct place *p, enum kind kind,
		 uint16_t seqno, uint8_t at, uint8_t step, const uint8_t *value, size_t len,
		 uint8_t ret[ORIGIN_HASH_LEN])
{
	uint8_t head[17] = { (uint8_t)kind };
	uint8_t full[SHA256_LEN];
	struct span parts[2] = { SPAN_OF(head), SPAN(value, len) };

	store_u64(head + 1, p->node_id);
	store_u32(head + 9, p->epoch);
	store_u16(head + 13, seqno);
	head[15] = at;
	head[16] = step;
	ops->sha256(parts, 2, full);
	memcpy(ret, full, ORIGIN_HASH_LEN);
}

void proof_first_element(const struct crypto_ops *ops, const uint8_t secret[32], uint8_t place,
			 uint8_t ret[ORIGIN_HASH_LEN])
{
	hash(ops, &(struct place){ 0 }, KIND_FIRST, 0, place, 0, secret, 32, ret);
}

void proof_advance(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		   unsigned from, unsigned to, uint8_t element[ORIGIN_HASH_LEN])
{
	uint16_t seqno = (uint16_t)(p->first_seqno + seqno_at);

	for (unsigned step = from; step < to; step++)
		hash(ops, p, KIND_ELEMENT, seqno, 0, (uint8_t)step, element, ORIGIN_HASH_LEN,
		     element);
}

void proof_leaf(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t last[ORIGIN_HASH_LEN], uint8_t ret[ORIGIN_HASH_LEN])
{
	hash(ops, p, KIND_LEAF, (uint16_t)(p->first_seqno + seqno_at), 0, 0, last, ORIGIN_HASH_LEN,
	     ret);
}

/* The parent of two of a level; the first is the `index`th pair of it. */
static void join(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		 unsigned level, const uint8_t *left, const uint8_t *right,
		 uint8_t ret[ORIGIN_HASH_LEN])
{
	uint8_t both[2 * ORIGIN_HASH_LEN];

	memcpy(both, left, ORIGIN_HASH_LEN);
	memcpy(both + ORIGIN_HASH_LEN, right, ORIGIN_HASH_LEN);
	hash(ops, p, KIND_TREE, p->first_seqno, (uint8_t)(seqno_at >> (level + 1) << (level + 1)),
	     (uint8_t)level, both, sizeof(both), ret);
}

void proof_root(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t leaf[ORIGIN_HASH_LEN], const uint8_t path[ORIGIN_PATH_LEN],
		uint8_t ret[ORIGIN_HASH_LEN])
{
	uint8_t here[ORIGIN_HASH_LEN];

	memcpy(here, leaf, ORIGIN_HASH_LEN);
	for (unsigned level = 0; level < ORIGIN_LEVELS; level++) {
		const uint8_t *other = path + level * ORIGIN_HASH_LEN;
		bool is_right = seqno_at >> level & 1;

		join(ops, p, seqno_at, level, is_right ? other : here, is_right ? here : other,
		     here);
	}
	memcpy(ret, here, ORIGIN_HASH_LEN);
}

void proof_path(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t (*leaves)[ORIGIN_HASH_LEN], uint8_t ret[ORIGIN_PATH_LEN])
{
	uint8_t nodes[ORIGIN_LEAVES][ORIGIN_HASH_LEN];
	unsigned first = seqno_at / ORIGIN_LEAVES * ORIGIN_LEAVES;
	unsigned at = seqno_at % ORIGIN_LEAVES;

	memcpy(nodes, leaves + first, sizeof(nodes));
	for (unsigned level = 0; level < ORIGIN_LEVELS; level++) {
		memcpy(ret + level * ORIGIN_HASH_LEN, nodes[at ^ 1], ORIGIN_HASH_LEN);
		for (unsigned i = 0; i < (unsigned)ORIGIN_LEAVES >> (level + 1); i++)
			join(ops, p, (uint8_t)(first + (i << (level + 1))), level, nodes[2 * i],
			     nodes[2 * i + 1], nodes[i]);
		at /= 2;
	}
}

struct proof proof_find(struct span attributes)
{
	struct reader r = reader_of(attributes);
	struct proof p = { 0 };

	while (r.left > 0) {
		uint8_t type = read_u8(&r);
		struct span value = read_span(&r, read_u8(&r));

		if (r.overrun)
			break;
		if (type == ATTRIBUTE_PATH && value.len == ORIGIN_PATH_LEN)
			p.path = value.at;
		else if (type == ATTRIBUTE_ELEMENT && value.len == ORIGIN_HASH_LEN)
			p.element = value.at;
		else if (type == ATTRIBUTE_CERTIFICATE && value.len >= ORIGIN_HASH_LEN)
			p.name = value.at;
		if (type == ATTRIBUTE_CERTIFICATE && value.len == 2 * (size_t)ORIGIN_HASH_LEN)
			p.next_name = value.at + ORIGIN_HASH_LEN;
	}
	return p;
}

static void write_attribute(struct writer *w, uint8_t type, const uint8_t *value, size_t len)
{
	if (!value)
		return;
	write_u8(w, type);
	write_u8(w, (uint8_t)len);
	write_bytes(w, value, len);
}

_Static_assert(6 + ORIGIN_PATH_LEN + 3 * ORIGIN_HASH_LEN <= ROUTE_PROOF_MAX, "a proof fits");

size_t proof_write(const struct proof *p, const uint8_t *element, uint8_t ret[ROUTE_PROOF_MAX])
{
	struct writer w = writer_of(ret, ROUTE_PROOF_MAX);
	size_t n_names = p->next_name ? 2 : 1;

	write_attribute(&w, ATTRIBUTE_PATH, p->path, ORIGIN_PATH_LEN);
	write_attribute(&w, ATTRIBUTE_ELEMENT, element, ORIGIN_HASH_LEN);
	write_attribute(&w, ATTRIBUTE_CERTIFICATE, p->name, n_names * ORIGIN_HASH_LEN);
	return w.len;
}
