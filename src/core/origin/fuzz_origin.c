/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, records of two neighbours and claims, of any bytes. A byte says what, one for whom
 * and how much time passes, two the length. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/origin/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 5, len);
}

static void drain(struct origins *o, uint64_t now_us)
{
	uint8_t part[ORIGIN_PART_MAX];
	struct origin_action a;
	size_t len;

	for (unsigned n = 0; origins_next_action(o, now_us, &a); n++) {
		assert(n < 1000);
		if (a.type == ORIGIN_VERIFY)
			origins_verified(o, a.name, a.name[0] & 1 ? "bad" : NULL, now_us);
	}
	for (uint64_t neighbour = 1; neighbour < 3; neighbour++)
		while (origins_next_part(o, neighbour, part, &len))
			assert(len <= sizeof(part));
}

/* Of what was written as attributes no more than there is room for is ever read. */
static void claim(struct origins *o, uint64_t neighbour, struct span body)
{
	const struct route_proofs *proofs = origins_proofs(o);
	struct reader r = reader_of(body);
	struct route_claim c = { .destination = 1 + read_u8(&r) % 4,
				 .epoch = read_u8(&r),
				 .seqno = read_u16(&r),
				 .metric = read_u24(&r) };
	uint8_t proof[ROUTE_PROOF_MAX];

	if (r.overrun)
		return;
	c.attributes = SPAN(r.at, r.left);
	(void)proofs->holds(proofs->arg, neighbour, &c);
	assert(proofs->relay(proofs->arg, &c, c.metric | 0xff, proof) <= sizeof(proof));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct origin_config config = {
		.ops = sim_null_ops(), .entropy = { .fill = fill }, .self = 4, .epoch = 1
	};
	struct reader r = { .at = data, .left = size };
	struct origin_certificate ignored;
	uint64_t now_us = SECONDS(10);
	struct origins *o;

	(void)origin_certificate_decode(SPAN(data, size), &ignored);
	if (origins_new(&config, now_us, &o) < 0)
		return 0;
	while (r.left > 0 && !r.overrun) {
		uint8_t what = read_u8(&r);
		uint8_t who = read_u8(&r);
		struct span body = read_span(&r, read_u16(&r));

		now_us += (uint64_t)(who >> 1) * MS(20);
		if (what % 3 == 2)
			claim(o, 1 + who % 2, body);
		else
			(void)origins_input(o, 1 + who % 2, what % 3 == 1, body, now_us);
		drain(o, now_us);
	}
	origins_free(o);
	return 0;
}
