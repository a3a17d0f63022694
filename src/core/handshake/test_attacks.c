/* SPDX-License-Identifier: Apache-2.0 */
/* Attackers on the path, with the network key and without; replays; forged acks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/cookie.h"
#include "core/handshake/fragment.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_world.h"
#include "core/wire/wire.h"

/* ---- a member on the path, who knows the network key and learns the cookie ---- */

struct member {
	struct network_keys nk;
	uint8_t mac1[WIRE_MAC_LEN]; /* of the last first fragment */
	uint8_t cookie[COOKIE_LEN];
	uint8_t type;	 /* which datagrams are changed */
	size_t at;	 /* which byte of the body */
	unsigned n_left; /* how many are changed */
	unsigned n_done;
};

static void member_init(struct member *m, struct world *w, uint8_t type)
{
	*m = (struct member){ .type = type, .n_left = UINT32_MAX };
	network_keys_derive(w->ops, w->hosts[0].nk[0], &m->nk);
}

static void learn(struct world *w, struct member *m, const struct packet *p)
{
	struct wire_handshake f;
	struct wire_cookie c;

	if (p->bytes[0] == WIRE_COOKIE && wire_cookie_decode(SPAN(p->bytes, p->len), &c) == 0)
		(void)cookie_reply_open(w->ops, &m->nk, &c, m->mac1, m->cookie);
	if (p->bytes[0] == WIRE_M1 && wire_handshake_decode(SPAN(p->bytes, p->len), &f) == 0 &&
	    f.offset == 0)
		memcpy(m->mac1, f.mac1, WIRE_MAC_LEN);
}

static void seal_again(const struct member *m, struct packet *p)
{
	struct span all = SPAN(p->bytes, p->len);

	mac1_make(m->nk.kmac, all, p->bytes + p->len - 32);
	mac2_make(m->cookie, all, p->bytes + p->len - 16);
}

/* Changes one byte of the message wherever it comes by, and makes the macs fit. */
static bool garble(struct world *w, struct packet *p, void *arg)
{
	struct member *m = arg;
	size_t body_len = p->len - WIRE_HEADER_LEN - 32;

	if (p->hello_index)
		return true;
	learn(w, m, p);
	if (p->bytes[0] != m->type || m->n_left == 0)
		return true;
	if (m->at < load_u16(p->bytes + 14) || m->at >= load_u16(p->bytes + 14) + body_len)
		return true;
	p->bytes[WIRE_HEADER_LEN + m->at - load_u16(p->bytes + 14)] ^= 0x10;
	seal_again(m, p);
	m->n_left--;
	m->n_done++;
	return true;
}

static void two_hosts(struct world *w, uint64_t seed, struct host **a, struct host **b)
{
	world_init(w, seed);
	*a = world_add(w);
	*b = world_add(w);
}

static void a_message_garbled_on_every_way_never_completes(void **state)
{
	(void)state;
	const struct {
		uint8_t type;
		size_t len;
	} messages[] = { { WIRE_M1, 1264 }, { WIRE_M2, 10067 }, { WIRE_M3, 8915 } };
	size_t step = getenv("X0_LONG") ? 1 : 61;

	for (unsigned i = 0; i < 3; i++)
		for (size_t at = i; at < messages[i].len; at += step) {
			struct world w;
			struct member m;
			struct host *a, *b;

			two_hosts(&w, at, &a, &b);
			member_init(&m, &w, messages[i].type);
			m.at = at;
			w.tamper = garble;
			w.tamper_arg = &m;
			assert_int_equal(world_start(&w, a, b), 0);
			world_run(&w, SECONDS(20));
			assert_true(m.n_done > 0);
			assert_int_equal(b->n_done, 0);
			assert_int_equal(a->n_done, messages[i].type == WIRE_M3);
			world_done(&w);
		}
}

static void a_message_garbled_first_is_sent_again_and_completes(void **state)
{
	(void)state;

	for (unsigned type = WIRE_M1; type <= WIRE_M3; type++)
		for (unsigned times = 1; times <= 2; times++) {
			struct world w;
			struct member m;
			struct host *a, *b;

			two_hosts(&w, type, &a, &b);
			member_init(&m, &w, (uint8_t)type);
			m.at = 100;
			m.n_left = times;
			w.tamper = garble;
			w.tamper_arg = &m;
			assert_int_equal(world_start(&w, a, b), 0);
			world_run(&w, SECONDS(20));
			assert_true(world_agree(a, b));
			assert_int_equal(m.n_left, 0);
			world_done(&w);
		}
}

/* Without the network key not even a fragment is lost for good. */
static bool garble_without_key(struct world *w, struct packet *p, void *arg)
{
	size_t *at = arg;

	(void)w;
	if (!p->hello_index && *at < p->len)
		p->bytes[*at] ^= 1;
	return true;
}

static void every_byte_of_a_datagram_is_covered_by_its_macs(void **state)
{
	(void)state;

	for (size_t at = 0; at < 1232; at += at < 24 || at > 1190 ? 1 : 97) {
		struct world w;
		struct host *a, *b;

		two_hosts(&w, at, &a, &b);
		w.tamper = garble_without_key;
		w.tamper_arg = &at;
		assert_int_equal(world_start(&w, a, b), 0);
		world_run(&w, SECONDS(10));
		assert_int_equal(b->n_done, 0);
		world_done(&w);
	}
}

/* ---- relaying, swapping, reflecting ---- */

static bool reflect(struct world *w, struct packet *p, void *arg)
{
	unsigned *n = arg;
	unsigned from = p->from;

	if (p->hello_index)
		return true;
	p->path = world_path(w, &w->hosts[p->to]); /* as if it came from where it was going */
	p->from = p->to;
	p->to = from;
	++*n;
	return true;
}

static void datagrams_sent_back_complete_nothing(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	unsigned n = 0;

	two_hosts(&w, 31, &a, &b);
	w.tamper = reflect;
	w.tamper_arg = &n;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_true(n > 5);
	assert_int_equal(a->n_done + b->n_done, 0);
	assert_int_equal(a->n_failed, 1);
	world_done(&w);
}

/* C sits between A and B and passes everything on from its own address. */
static bool relay(struct world *w, struct packet *p, void *arg)
{
	(void)arg;
	if (p->to != 2)
		return true;
	if (p->from == 0) {
		p->to = 1;
	} else if (p->from == 1) {
		p->to = 0;
	}
	p->path = world_path(w, &w->hosts[2]);
	return true;
}

static void a_relay_in_the_middle_changes_nobodys_identity(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b, *c;
	struct hs_expect anybody = { 0 };
	struct hs_path path;

	two_hosts(&w, 32, &a, &b);
	c = world_add(&w);
	w.tamper = relay;
	path = world_path(&w, c);
	assert_int_equal(handshakes_start(a->handshakes, 1, &path, &anybody, 0), 0);
	world_run(&w, SECONDS(20));
	assert_true(world_agree(a, b));
	assert_string_equal(a->done[0].peer.name, "n1");
	assert_string_equal(b->done[0].peer.name, "n0");
	assert_int_equal(c->n_done, 0);
	world_done(&w);
}

static void whoever_expects_the_relay_itself_does_not_complete(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b, *c;

	two_hosts(&w, 33, &a, &b);
	c = world_add(&w);
	w.tamper = relay;
	assert_int_equal(world_start(&w, a, c), 0); /* C answers with B */
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_done + b->n_done + c->n_done, 0);
	assert_int_equal(a->failed[0].failure, HS_FAIL_UNEXPECTED);
	world_done(&w);
}

/* A member relays A's handshake through the mesh under its own node id. */
static bool relay_in_mesh(struct world *w, struct packet *p, void *arg)
{
	(void)arg;
	if (p->from == 0 && p->to == 1) {
		p->path = world_path(w, &w->hosts[2]);
	} else if (p->from == 1 && p->to == 2) {
		p->path = world_path(w, &w->hosts[1]);
		p->to = 0;
	}
	return true;
}

static void the_mesh_binds_both_node_ids(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	two_hosts(&w, 34, &a, &b);
	(void)world_add(&w);
	w.through_mesh = true;
	w.tamper = relay_in_mesh;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_done + b->n_done, 0);
	world_done(&w);
}

/* M2 of two handshakes change places. */
static bool swap(struct world *w, struct packet *p, void *arg)
{
	(void)arg;
	if (p->bytes[0] == WIRE_M2 && !p->hello_index) {
		unsigned other = p->from == 1 ? 2 : 1;

		p->path = world_path(w, &w->hosts[other]);
		p->from = other;
	}
	return true;
}

static void answers_that_change_places_complete_nothing(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	two_hosts(&w, 35, &a, &b);
	(void)world_add(&w);
	w.tamper = swap;
	assert_int_equal(world_start(&w, a, b), 0);
	assert_int_equal(world_start(&w, a, &w.hosts[2]), 0);
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_done, 0);
	assert_int_equal(a->n_failed, 2);
	world_done(&w);
}

/* ---- replay ---- */

struct recording {
	struct packet packets[64];
	unsigned n;
};

static bool record(struct world *w, struct packet *p, void *arg)
{
	struct recording *r = arg;

	(void)w;
	if (p->from == 0 && !p->hello_index && r->n < 64)
		r->packets[r->n++] = *p;
	return true;
}

static void replay(struct world *w, const struct recording *r, uint8_t type)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->packets[i].bytes[0] == type)
			world_deliver(w, &w->hosts[1], &r->packets[i].path,
				      SPAN(r->packets[i].bytes, r->packets[i].len));
}

static void a_replayed_m1_or_m3_opens_nothing(void **state)
{
	(void)state;
	static struct recording r;
	struct world w;
	struct host *a, *b;
	unsigned n_sent;

	r.n = 0;
	two_hosts(&w, 36, &a, &b);
	w.tamper = record;
	w.tamper_arg = &r;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(5));
	assert_true(world_agree(a, b));
	w.tamper = NULL;

	replay(&w, &r, WIRE_M3); /* while it is remembered */
	assert_int_equal(b->n_done, 1);
	world_run(&w, SECONDS(30)); /* forgotten, but its cookie is good */
	n_sent = b->n_sent;
	replay(&w, &r, WIRE_M3);
	assert_int_equal(b->n_sent, n_sent);
	replay(&w, &r, WIRE_M1);
	world_run(&w, SECONDS(31));
	/* a cookie for the fragment that had none; of the complete M1 not a word */
	assert_int_equal(b->n_sent, n_sent + 1);
	assert_int_equal(b->n_done, 1);
	world_run(&w, SECONDS(400)); /* now neither the memory nor the cookie is left */
	b->sent_bytes = b->received_bytes = 0;
	replay(&w, &r, WIRE_M1);
	world_run(&w, SECONDS(420));
	assert_true(b->sent_bytes <= b->received_bytes);
	assert_int_equal(b->n_done, 1);
	world_done(&w);
}

/* ---- acknowledgements ---- */

static bool forge_acks(struct world *w, struct packet *p, void *arg)
{
	struct member *m = arg;

	if (p->hello_index)
		return true;
	learn(w, m, p);
	if ((p->bytes[0] == WIRE_M2 || p->bytes[0] == WIRE_M3) && m->n_left > 0) {
		/* to its sender, in the receiver's name: all is here; and it is lost */
		struct packet ack = *p;
		uint16_t len = load_u16(p->bytes + 12);

		ack.path = world_path(w, &w->hosts[p->to]);
		ack.from = p->to;
		ack.to = p->from;
		ack.bytes[0] = WIRE_ACK;
		ack.bytes[2] = p->bytes[0];
		memcpy(ack.bytes + 4, p->bytes + 8, 4);
		memcpy(ack.bytes + 8, p->bytes + 4, 4);
		store_u16(ack.bytes + 12, len);
		store_u16(ack.bytes + 14, 0);
		memset(ack.bytes + WIRE_HEADER_LEN, 0xff, 4);
		ack.len = WIRE_HEADER_LEN + 4 + 32;
		seal_again(m, &ack);
		m->n_left--;
		m->n_done++;
		world_deliver(w, &w->hosts[ack.to], &ack.path, SPAN(ack.bytes, ack.len));
		return false;
	}
	return true;
}

static void forged_acknowledgements_are_doubted(void **state)
{
	(void)state;
	struct world w;
	struct member m;
	struct host *a, *b;

	two_hosts(&w, 37, &a, &b);
	member_init(&m, &w, 0);
	m.n_left = 12;
	w.tamper = forge_acks;
	w.tamper_arg = &m;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(12));
	assert_true(m.n_done >= 10);
	assert_true(world_agree(a, b));
	world_done(&w);
}

static bool keep_last(struct world *w, struct packet *p, void *arg)
{
	struct packet *last = arg;

	(void)w;
	if (p->bytes[0] == WIRE_M2)
		*last = *p;
	return p->bytes[0] != WIRE_M2; /* none arrives */
}

static void empty_acknowledgements_do_not_make_a_flood(void **state)
{
	(void)state;
	static struct packet m2;
	struct world w;
	struct member m;
	struct host *a, *b;

	two_hosts(&w, 38, &a, &b);
	member_init(&m, &w, 0);
	w.tamper = keep_last;
	w.tamper_arg = &m2;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, MS(160));
	assert_int_equal(m2.bytes[0], WIRE_M2);
	memcpy(m.cookie,
	       ((struct handshake *)map_get(b->handshakes->by_index,
					    &(uint32_t){ load_u32(m2.bytes + 4) }))
		       ->cookie,
	       COOKIE_LEN);
	for (unsigned i = 0; i < 5000; i++) {
		struct packet ack = m2;

		ack.bytes[0] = WIRE_ACK;
		ack.bytes[2] = WIRE_M2;
		memcpy(ack.bytes + 4, m2.bytes + 8, 4);
		memcpy(ack.bytes + 8, m2.bytes + 4, 4);
		store_u16(ack.bytes + 14, 0);
		memset(ack.bytes + WIRE_HEADER_LEN, 0, 4);
		ack.len = WIRE_HEADER_LEN + 4 + 32;
		seal_again(&m, &ack);
		ack.path = world_path(&w, a);
		world_deliver(&w, b, &ack.path, SPAN(ack.bytes, ack.len));
		world_run(&w, w.now_us + MS(1));
	}
	assert_true(b->n_sent <= 9 * 9 + 4); /* nine fragments, nine times each; cookies, acks */
	world_done(&w);
}

/* ---- secrets that change meanwhile ---- */

static void cookies_that_expire_on_the_way_are_fetched_again(void **state)
{
	(void)state;

	/* the secrets change at 120 s after the first datagram, twice */
	for (uint64_t start_ms = 119700; start_ms < 120300; start_ms += 25)
		for (unsigned mute = 0; mute < 2; mute++) {
			struct world w;
			struct host *a, *b;

			two_hosts(&w, start_ms, &a, &b);
			world_deliver(&w, b, &(struct hs_path){ 0 }, SPAN("", 0));
			w.loss_percent = mute ? 30 : 0;
			world_run(&w, MS(start_ms + (mute ? 120000 : 0)));
			assert_int_equal(world_start(&w, a, b), 0);
			world_run(&w, w.now_us + SECONDS(15));
			assert_true(mute || world_agree(a, b));
			world_done(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_garbled_on_every_way_never_completes),
		cmocka_unit_test(a_message_garbled_first_is_sent_again_and_completes),
		cmocka_unit_test(every_byte_of_a_datagram_is_covered_by_its_macs),
		cmocka_unit_test(datagrams_sent_back_complete_nothing),
		cmocka_unit_test(a_relay_in_the_middle_changes_nobodys_identity),
		cmocka_unit_test(whoever_expects_the_relay_itself_does_not_complete),
		cmocka_unit_test(the_mesh_binds_both_node_ids),
		cmocka_unit_test(answers_that_change_places_complete_nothing),
		cmocka_unit_test(a_replayed_m1_or_m3_opens_nothing),
		cmocka_unit_test(forged_acknowledgements_are_doubted),
		cmocka_unit_test(empty_acknowledgements_do_not_make_a_flood),
		cmocka_unit_test(cookies_that_expire_on_the_way_are_fetched_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
