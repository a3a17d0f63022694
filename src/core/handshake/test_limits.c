/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that break the rules inside the seal, floods, and tables that are full. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/cookie.h"
#include "core/handshake/fragment.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_puppet.h"
#include "core/handshake/test_world.h"
#include "core/wire/wire.h"

static void two_hosts(struct world *w, uint64_t seed, struct host **a, struct host **b)
{
	world_init(w, seed);
	*a = world_add(w);
	*b = world_add(w);
}

/* ---- M2 and M3 that break the rules ---- */

/* What M3 of a puppet says, in the name of the host "as". */
static void puppet_m3(struct puppet *p, const struct host *as, const struct params *params)
{
	static uint8_t chain[CHAIN_FIELD_ROOM];
	int n = chain_encode(as->chain, 1, chain, sizeof(chain));
	struct credential c = { .field = (uint16_t)n, .bytes = SPAN(chain, (size_t)n) };
	const uint8_t rnd[32] = { 0 };
	int r;

	chain_hash(p->w->ops, as->chain, 1, c.hash);
	r = m3_write(p->w->ops, &p->x, params, &c, as->key, rnd, p->message, sizeof(p->message));
	assert_true(r > 0);
	p->len = (size_t)r;
	puppet_message(p, WIRE_M3);
}

static void m3_unlike_m2_is_refused(void **state)
{
	(void)state;

	for (unsigned change = 0; change < 9; change++) {
		static uint8_t plaintext[WIRE_HS_MESSAGE_MAX];
		struct world w;
		struct host *a, *b;
		struct puppet p;
		struct payload payload;
		struct params params;

		two_hosts(&w, 40 + change, &a, &b);
		puppet_init(&p, &w, b, 7);
		puppet_write_m1(&p);
		assert_true(puppet_fetch_cookie(&p));
		puppet_message(&p, WIRE_M1);
		assert_true(puppet_read_m2(&p, &payload, plaintext));
		params = payload.params;
		params.version = change == 1 ? 2 : 1;
		params.suite = change == 2 ? 2 : 1;
		params.aead ^= change == 3 ? 3 : 0;
		params.lanes = change == 4 ? 0 : change == 5 ? 17 : 1;
		params.flags = change == 6 ? 1 : 0;
		params.reserved = change == 7 ? 1 : 0;
		params.boot_epoch = 5;
		puppet_m3(&p, change == 8 ? b : a, &params); /* 8: in the responder's own name */
		assert_int_equal(b->n_done, change == 0);
		world_done(&w);
	}
}

static void answer_as_responder(struct puppet *p, const struct host *as, unsigned change)
{
	static uint8_t chain[CHAIN_FIELD_ROOM];
	struct params params = { .version = 1, .suite = 1, .aead = 2, .lanes = 1 };
	const struct m2_seeds seeds = { .x = { 1 }, .m = { 2 } };
	const uint8_t warm[WARM_LEN] = { 3 };
	uint8_t ek[MLKEM768_EK_LEN];
	uint8_t prologue[PROLOGUE_MAX];
	struct handshake *hs;
	struct credential c;
	size_t cursor = 0;
	size_t n;
	int r;

	hs = map_next(p->target->handshakes->by_index, &cursor);
	p->remote_index = hs->local_index;
	n = prologue_encode(false, 0, 0, hs->local_index, prologue);
	r = m1_read(p->w->ops, &p->nk, SPAN(prologue, n), SPAN(hs->out.bytes, hs->out.len), &p->x,
		    ek, &p->offer);
	assert_int_equal(r, 0);
	params.version = change == 1 ? 2 : 1;
	params.suite = change == 2 ? 2 : 1;
	params.aead = change == 3 ? 1 : change == 4 ? 3 : change == 5 ? 0 : 2;
	params.lanes = change == 6 ? 0 : change == 7 ? 17 : 1;
	params.flags = change == 8 ? 2 : 0;
	params.reserved = change == 9 ? 0x8000 : 0;
	r = chain_encode(as->chain, 1, chain, sizeof(chain));
	c = (struct credential){ .field = (uint16_t)r, .bytes = SPAN(chain, (size_t)r) };
	chain_hash(p->w->ops, as->chain, 1, c.hash);
	if (change == 10) { /* a hash that nobody asked for */
		c.field = CHAIN_FIELD_IS_HASH;
		c.bytes = SPAN_OF(c.hash);
	}
	assert_int_equal(m2_exchange_write(p->w->ops, &p->x, p->index, ek, &seeds, p->message), 0);
	r = m2_auth_write(p->w->ops, &p->x, &params, warm, &c,
			  change == 12 ? p->target->key : as->key, seeds.rnd,
			  p->message + M2_EXCHANGE_LEN, sizeof(p->message) - M2_EXCHANGE_LEN);
	assert_true(r > 0);
	p->len = M2_EXCHANGE_LEN + (size_t)r;
	puppet_message(p, WIRE_M2);
}

static void give_cookie(struct puppet *p)
{
	const struct packet *s = &p->w->strays[0];
	uint8_t reply[WIRE_COOKIE_REPLY_LEN];
	const uint8_t nonce[16] = { 1 };
	struct wire_handshake w;

	assert_int_equal(wire_handshake_decode(SPAN(s->bytes, s->len), &w), 0);
	p->epoch = 9;
	p->cookie[0] = 77;
	assert_int_equal(cookie_reply_write(p->w->ops, &p->nk, p->epoch, w.sender_index, nonce,
					    w.mac1, p->cookie, reply),
			 0);
	world_deliver(p->w, p->target, &p->path, SPAN_OF(reply));
}

static void m2_that_breaks_a_rule_is_refused(void **state)
{
	(void)state;

	/* 11: in A's own name; 12: in B's, by whoever has stolen A's key */
	for (unsigned change = 0; change <= 12; change++) {
		struct world w;
		struct host *a, *b;
		struct puppet p;
		struct hs_expect anybody = { 0 };

		two_hosts(&w, 60 + change, &a, &b);
		/* offers ChaCha20-Poly1305 only */
		a->handshakes->aead_offer = AEAD_CHACHA20_POLY1305;
		puppet_init(&p, &w, a, 7);
		assert_int_equal(handshakes_start(a->handshakes, 1, &p.path, &anybody, 0), 0);
		world_run(&w, 0);
		world_deliver(&w, a, &p.path, SPAN("", 0)); /* nothing; drains */
		assert_true(w.n_strays > 0);
		give_cookie(&p);
		answer_as_responder(&p, change == 11 ? a : b, change);
		assert_int_equal(a->n_done, change == 0);
		world_done(&w);
	}
}

static void five_cookie_replies_are_followed(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;
	struct hs_expect anybody = { 0 };
	struct handshake *hs;
	size_t cursor = 0;

	two_hosts(&w, 75, &a, &b);
	puppet_init(&p, &w, a, 7);
	assert_int_equal(handshakes_start(a->handshakes, 1, &p.path, &anybody, 0), 0);
	world_deliver(&w, a, &p.path, SPAN("", 0));
	hs = map_next(a->handshakes->by_index, &cursor);
	for (uint8_t i = 1; i <= 8; i++) {
		uint8_t reply[WIRE_COOKIE_REPLY_LEN];
		const uint8_t nonce[16] = { i };
		const uint8_t cookie[COOKIE_LEN] = { i };
		uint8_t mac1[WIRE_MAC_LEN];

		memcpy(mac1, hs->attempt->mac1[(hs->attempt->n_mac1 - 1) % MAC1_MEMORY],
		       WIRE_MAC_LEN);
		assert_int_equal(cookie_reply_write(w.ops, &p.nk, i, hs->local_index, nonce, mac1,
						    cookie, reply),
				 0);
		world_deliver(&w, a, &p.path, SPAN_OF(reply));
		world_deliver(&w, a, &p.path, SPAN_OF(reply)); /* a copy counts for nothing */
		assert_int_equal(hs->cookie_epoch, i < COOKIES_FOLLOWED_MAX ? i : 5);
	}
	world_done(&w);
}

/* ---- floods ---- */

static void a_flood_without_the_network_key_gets_nothing(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 80, &a, &b);
	for (uint32_t i = 0; i < 2000; i++) {
		puppet_init(&p, &w, b, i);
		p.nk.kmac[0] ^= 1;
		p.len = M1_LEN;
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(b->n_sent, 0);
	world_done(&w);
}

static void a_flood_from_forged_addresses_gets_less_than_it_sends(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;
	struct hs_counters counters;

	two_hosts(&w, 81, &a, &b);
	for (uint32_t i = 0; i < 5000; i++) {
		puppet_init(&p, &w, b, i * 40503U % 65536);
		p.epoch = (uint8_t)i;
		p.len = M1_LEN;
		puppet_message(&p, WIRE_M1);
		assert_true(b->sent_bytes <= 3 * b->received_bytes);
	}
	handshakes_counters(b->handshakes, &counters);
	assert_int_equal(counters.half_open, 0);
	assert_true(counters.cookies_sent <= COOKIE_REPLIES_ALL);
	assert_int_equal(counters.cookies_sent, b->n_sent);
	world_done(&w);
}

static void a_flood_that_fetches_cookies_meets_the_limits(void **state)
{
	(void)state;
	size_t before = mallinfo2().uordblks;
	struct world w;
	struct host *a, *b;
	struct puppet p;
	struct hs_counters counters;
	unsigned n_admitted = 0;

	two_hosts(&w, 82, &a, &b);
	for (uint32_t i = 0; i < 1500; i++) { /* each from another /24 */
		if (i % 500 == 0)
			world_run(&w, w.now_us + SECONDS(2));
		puppet_init(&p, &w, b, i * 256);
		puppet_write_m1(&p);
		if (!puppet_fetch_cookie(&p))
			continue;
		puppet_message(&p, WIRE_M1);
		p.len = 16384; /* and the beginning of a long M3, which takes memory */
		p.remote_index = load_u32(w.strays[(w.n_strays - 1) % WORLD_STRAYS].bytes + 4);
		puppet_fragment(&p, WIRE_M3, 0);
		n_admitted++;
		handshakes_counters(b->handshakes, &counters);
		assert_true(counters.half_open <= HS_HALF_OPEN_MAX);
	}
	assert_true(n_admitted > HS_HALF_OPEN_MAX);
	assert_int_equal(counters.half_open, HS_HALF_OPEN_MAX);
	assert_true(counters.half_open_refused > 0);
	assert_true(mallinfo2().uordblks - before < 64U << 20);

	/* and all of it is forgotten in time; a member still gets in meanwhile */
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, w.now_us + SECONDS(2));
	assert_true(world_agree(a, b));
	world_run(&w, w.now_us + SECONDS(20));
	handshakes_counters(b->handshakes, &counters);
	assert_int_equal(counters.half_open, 0);
	world_done(&w);
}

static unsigned half_open_of(struct host *b)
{
	struct hs_counters counters;

	handshakes_counters(b->handshakes, &counters);
	return (unsigned)counters.half_open;
}

static void one_prefix_and_one_source_have_limits_of_their_own(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 83, &a, &b);
	for (uint32_t i = 0; i < 100; i++) {
		puppet_init(&p, &w, b, i);
		puppet_write_m1(&p);
		assert_true(puppet_fetch_cookie(&p));
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(half_open_of(b), HS_HALF_OPEN_PREFIX_MAX);
	world_run(&w, SECONDS(20));
	assert_int_equal(half_open_of(b), 0);
	for (uint32_t i = 0; i < 10; i++) {
		puppet_init(&p, &w, b, 5);
		p.index = 100 + i;
		puppet_write_m1(&p);
		assert_true(puppet_fetch_cookie(&p));
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(half_open_of(b), HS_HALF_OPEN_SOURCE_MAX);
	world_done(&w);
}

static void through_the_mesh_limits_count_per_incoming_link(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 84, &a, &b);
	w.through_mesh = true;
	for (uint32_t i = 0; i < 200; i++) { /* one neighbour invents sources, one is honest */
		puppet_init(&p, &w, b, i);
		p.path = (struct hs_path){ .is_mesh = true, .node_id = 1000 + i, .via = 5 };
		if (i == 199)
			p.path.via = 6;
		puppet_write_m1(&p);
		if (puppet_fetch_cookie(&p))
			puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(half_open_of(b), HS_HALF_OPEN_PREFIX_MAX + 1);
	world_done(&w);
}

static void four_half_open_handshakes_rest_on_warm_cookies_per_address(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;
	uint8_t source[SOURCE_MAX];

	two_hosts(&w, 85, &a, &b);
	world_deliver(&w, b, &(struct hs_path){ 0 }, SPAN("", 0)); /* makes the secrets */
	for (uint16_t i = 0; i < 10; i++) {
		puppet_init(&p, &w, b, 5);
		p.index = 100 + i;
		p.path.remote.port = (uint16_t)(1000 + i);
		puppet_write_m1(&p);
		cookie_warm_now(&b->handshakes->jar, w.ops,
				SPAN(source, path_source(&p.path, source)), p.cookie);
		p.epoch = COOKIE_EPOCH_WARM;
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(half_open_of(b), HS_WARM_HALF_OPEN_MAX);
	assert_true(puppet_fetch_cookie(&p)); /* the others may prove themselves anew */
	puppet_message(&p, WIRE_M1);
	assert_int_equal(half_open_of(b), HS_WARM_HALF_OPEN_MAX + 1);
	world_done(&w);
}

static void attempts_are_limited_and_the_table_says_so(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect anybody = { 0 };

	two_hosts(&w, 86, &a, &b);
	for (unsigned i = 0; i <= ATTEMPTS_MAX; i++) {
		struct hs_path path = { .remote = b->endpoint };

		path.remote.port = (uint16_t)(1000 + i);
		assert_int_equal(handshakes_start(a->handshakes, i, &path, &anybody, 0),
				 i < ATTEMPTS_MAX ? 0 : -ENOBUFS);
	}
	world_done(&w);
}

static void memories_forget_the_oldest_when_they_are_full(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct handshakes *h;

	two_hosts(&w, 87, &a, &b);
	h = a->handshakes;
	for (uint32_t i = 0; i <= REPLAYS_MAX; i++) {
		uint8_t e[X25519_LEN] = { 0 };

		store_u32(e, i);
		assert_int_equal(replay_remember(h, e, SECONDS(100)), 0);
		assert_true(replay_seen(h, e));
	}
	assert_int_equal(map_count(h->replays), REPLAYS_MAX);
	assert_false(replay_seen(h, (const uint8_t[X25519_LEN]){ 0 }));
	replays_expire(h, SECONDS(100));
	assert_int_equal(map_count(h->replays), 0);
	for (uint32_t i = 0; i <= WARM_MAX; i++) {
		struct path_key key = { { 1 } };
		uint8_t cookie[COOKIE_LEN] = { 0 };

		store_u32(key.bytes + 4, i);
		warm_put(h, &key, cookie, 0);
		assert_true(warm_get(h, &key, 0, cookie));
		assert_false(warm_get(h, &key, WARM_LIFE_US, cookie));
	}
	assert_int_equal(map_count(h->warm), WARM_MAX);
	for (uint32_t i = 0; i <= HS_CHAIN_CACHE_MAX; i++) {
		uint8_t hash[SHA256_LEN] = { 0 };

		store_u32(hash, i);
		chain_put(h, &(struct peer_identity){ .node_id = 1 + i }, SPAN("x", 1), hash, 0);
		assert_non_null(chain_by_hash(h, hash));
	}
	assert_int_equal(map_count(h->chains_by_node), HS_CHAIN_CACHE_MAX);
	assert_int_equal(map_count(h->chains_by_hash), HS_CHAIN_CACHE_MAX);
	assert_null(chain_by_node(h, 1));
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m3_unlike_m2_is_refused),
		cmocka_unit_test(m2_that_breaks_a_rule_is_refused),
		cmocka_unit_test(five_cookie_replies_are_followed),
		cmocka_unit_test(a_flood_without_the_network_key_gets_nothing),
		cmocka_unit_test(a_flood_from_forged_addresses_gets_less_than_it_sends),
		cmocka_unit_test(a_flood_that_fetches_cookies_meets_the_limits),
		cmocka_unit_test(one_prefix_and_one_source_have_limits_of_their_own),
		cmocka_unit_test(through_the_mesh_limits_count_per_incoming_link),
		cmocka_unit_test(four_half_open_handshakes_rest_on_warm_cookies_per_address),
		cmocka_unit_test(attempts_are_limited_and_the_table_says_so),
		cmocka_unit_test(memories_forget_the_oldest_when_they_are_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
