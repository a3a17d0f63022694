/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds both roles rekey messages, each preceded by its length. A first byte odd: the session
 * has offered a rekey of its own. */
#include "base/units.h"
#include "core/session/session.h"
#include "core/session/test_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(bool is_initiator, bool has_offered, struct reader r)
{
	static const uint8_t root[32] = { 1 };
	struct rng rng;
	struct session *s;
	struct session_action action;
	uint64_t now_us = SECONDS(1);

	rng_seed(&rng, 1);
	struct session_config config = { .ops = &test_ops, .entropy = test_entropy(&rng) };
	struct session_secret secret = {
		.root = root,
		.is_initiator = is_initiator,
		.aead = AEAD_CHACHA20_POLY1305,
		.lanes_local = 1,
		.lanes_peer = 1,
		.local_index = 1,
		.remote_index = 2,
		.ends_us = NEVER_US,
	};

	if (session_new(&config, &secret, now_us, &s) < 0)
		return;
	if (has_offered)
		session_want_rekey(s, now_us);
	while (r.left > 0 && !r.overrun) {
		now_us += SECONDS(1);
		(void)session_rekey_input(s, read_span(&r, read_u16(&r)), now_us);
		session_tick(s, now_us);
		while (session_next_action(s, &action)) {
		}
	}
	session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	bool has_offered = read_u8(&r) & 1;

	feed(false, has_offered, r);
	feed(true, has_offered, r);
	return 0;
}
