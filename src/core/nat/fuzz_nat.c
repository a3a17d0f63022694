/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message of a peer, as a probe, and one after the other into calls that are under
 * way. */
#include <assert.h>

#include "base/units.h"
#include "core/nat/atlas.h"
#include "core/nat/observe.h"
#include "core/nat/punch.h"

static const uint8_t key[16] = { 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct candidates *c)
{
	assert(c->n <= CANDIDATES_MAX);
	for (size_t i = 0; i < c->n; i++)
		assert(candidate_is_fit(&c->list[i].at));
}

static void decode(struct span body)
{
	struct nat_message m = { 0 }, again;
	uint8_t bytes[NAT_MESSAGE_MAX];
	size_t len;

	if (nat_message_decode(body, &m) < 0)
		return;
	check_list(&m.at);
	len = nat_message_encode(&m, bytes);
	assert(len <= body.len);
	assert(nat_message_decode(SPAN(bytes, len), &again) == 0);
	assert(candidates_equal(&m.at, &again.at));
}

static void drain(struct punch *p)
{
	struct punch_action a;

	while (punch_next_action(p, &a)) {
		assert(a.peer != 0);
		if (a.type == PUNCH_FOUND)
			assert(a.at.port != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	struct observe o = { 0 };
	uint64_t now_us = SECONDS(1);
	struct punch *p;

	decode(SPAN(data, size));
	if (punch_new(5, key, now_us, &p) < 0)
		return 0;
	(void)punch_call(p, 1, now_us);
	while (r.left > 0) {
		uint8_t what = read_u8(&r);
		uint64_t peer = 1 + (what >> 4);
		struct span body = read_span(&r, read_u8(&r));
		struct endpoint e = { 0 };
		struct nat_message m;

		if (body.len > 0)
			memcpy(e.ip, body.at, body.len < 16 ? body.len : 16);
		e.port = (uint16_t)(what + 1);
		now_us += MS(what);
		if (what % 3 == 0 && nat_message_decode(body, &m) == 0)
			(void)punch_message(p, peer, &m, what & 8, now_us);
		else if (what % 3 == 1)
			(void)punch_probe(p, peer, &e, body, now_us);
		else if (what % 3 == 2)
			(void)observe_told(&o, peer, &e, &e);
		punch_tick(p, now_us);
		drain(p);
	}
	(void)observe_mapping(&o);
	for (unsigned i = 0; i < 500 && punch_deadline_us(p) != NEVER_US; i++) {
		punch_tick(p, punch_deadline_us(p));
		drain(p);
	}
	punch_free(p);
	return 0;
}
