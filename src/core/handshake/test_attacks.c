/* SPDX-License-Identifier: Apache-2.0 */
/* Attackers: on the path and off it, with the network key and without. */
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

	for (uint8_t type = WIRE_M1; type <= WIRE_M3; type++)
		for (unsigned times = 1; times <= 2; times++) {
			struct world w;
			struct member m;
			struct host *a, *b;

			two_hosts(&w, type, &a, &b);
			member_init(&m, &w, type);
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

/* ---- a puppet: one side of a handshake by hand ---- */

struct puppet {
	struct world *w;
	struct host *target;
	struct hs_path path; /* where the puppet is, as the target sees it */
	struct network_keys nk;
	uint8_t cookie[COOKIE_LEN];
	uint8_t epoch;
	uint32_t index;
	uint32_t remote_index;
	struct exchange x;
	struct ephemeral ephemeral;
	struct params offer;
	uint8_t message[WIRE_HS_MESSAGE_MAX];
	size_t len;
};

static void puppet_init(struct puppet *p, struct world *w, struct host *target, uint32_t number)
{
	*p = (struct puppet){ .w = w, .target = target, .index = number + 1 };
	p->path.remote = target->endpoint;
	p->path.remote.ip[12] = 172;
	store_u16(p->path.remote.ip + 14, (uint16_t)number);
	p->path.remote.ip[13] = (uint8_t)(number >> 16);
	network_keys_derive(w->ops, target->nk[0], &p->nk);
}

static void puppet_fragment(struct puppet *p, uint8_t type, unsigned i)
{
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
	size_t body_size = path_body_size(&p->path);
	size_t at = i * body_size;
	struct wire_handshake w = {
		.type = type,
		.version = WIRE_HS_VERSION,
		.cookie_epoch = p->epoch,
		.sender_index = p->index,
		.receiver_index = type == WIRE_M1 ? 0 : p->remote_index,
		.message_len = (uint16_t)p->len,
		.offset = (uint16_t)at,
		.body = SPAN(p->message + at, p->len - at < body_size ? p->len - at : body_size),
	};
	int len = wire_handshake_encode(&w, bytes, sizeof(bytes));

	assert_true(len > 0);
	mac1_make(p->nk.kmac, SPAN(bytes, (size_t)len), bytes + len - 32);
	mac2_make(p->cookie, SPAN(bytes, (size_t)len), bytes + len - 16);
	world_deliver(p->w, p->target, &p->path, SPAN(bytes, (size_t)len));
}

static void puppet_message(struct puppet *p, uint8_t type)
{
	for (unsigned i = 0; i < fragment_count(p->len, path_body_size(&p->path)); i++)
		puppet_fragment(p, type, i);
}

static void puppet_write_m1(struct puppet *p)
{
	uint8_t prologue[PROLOGUE_MAX];
	size_t n = prologue_encode(p->path.is_mesh, p->path.node_id, p->target->identity.node_id,
				   p->index, prologue);
	struct m1_seeds seeds;

	for (size_t i = 0; i < sizeof(seeds); i++)
		((uint8_t *)&seeds)[i] = (uint8_t)rng_next(&p->w->rng);
	p->offer = (struct params){ .version = 1, .suite = 1, .aead = 3 };
	assert_int_equal(m1_write(p->w->ops, &p->nk, SPAN(prologue, n), &seeds, &p->offer, &p->x,
				  &p->ephemeral, p->message),
			 0);
	p->len = M1_LEN;
}

/* The first fragment, and the cookie out of the answer; false if there was none. */
static bool puppet_fetch_cookie(struct puppet *p)
{
	unsigned before = p->w->n_strays;
	struct wire_handshake w;
	struct wire_cookie c;
	const struct packet *stray;
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
	uint8_t mac1[16];
	int len;

	p->epoch = 0;
	puppet_fragment(p, WIRE_M1, 0);
	if (p->w->n_strays == before)
		return false;
	stray = &p->w->strays[(p->w->n_strays - 1) % WORLD_STRAYS];
	assert_int_equal(wire_cookie_decode(SPAN(stray->bytes, stray->len), &c), 0);
	w = (struct wire_handshake){ .type = WIRE_M1,
				     .version = 1,
				     .sender_index = p->index,
				     .message_len = M1_LEN,
				     .body = SPAN(p->message, path_body_size(&p->path)) };
	len = wire_handshake_encode(&w, bytes, sizeof(bytes));
	mac1_make(p->nk.kmac, SPAN(bytes, (size_t)len), mac1);
	assert_int_equal(cookie_reply_open(p->w->ops, &p->nk, &c, mac1, p->cookie), 0);
	p->epoch = c.epoch;
	return true;
}

/* Puts the fragments of the last M2 sent to nobody together. */
static bool puppet_read_m2(struct puppet *p, struct payload *payload, uint8_t *plaintext)
{
	struct incoming in = { 0 };
	uint8_t pk[MLDSA65_PK_LEN];
	int r;

	for (unsigned i = 0; i < WORLD_STRAYS && i < p->w->n_strays; i++) {
		const struct packet *s = &p->w->strays[i];
		struct wire_handshake w;

		if (s->bytes[0] != WIRE_M2 ||
		    wire_handshake_decode(SPAN(s->bytes, s->len), &w) < 0 ||
		    w.receiver_index != p->index)
			continue;
		p->remote_index = w.sender_index;
		(void)incoming_add(&in, &w, path_body_size(&p->path), 0);
	}
	if (!incoming_is_complete(&in))
		return false;
	r = m2_exchange_read(p->w->ops, &p->x, &p->ephemeral, p->remote_index, in.bytes);
	if (r == 0)
		r = auth_open(p->w->ops, &p->x,
			      SPAN(in.bytes + M2_EXCHANGE_LEN, in.len - M2_EXCHANGE_LEN), true,
			      plaintext, payload);
	incoming_done(&in);
	if (r < 0)
		return false;
	p->w->ops->signing_key_public(p->target->key, pk);
	return m2_auth_check(p->w->ops, &p->x, payload, p->target->handshakes->own_hash, pk) == 0;
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
	r = m2_auth_write(p->w->ops, &p->x, &params, warm, &c, as->key, seeds.rnd,
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

	for (unsigned change = 0; change <= 11; change++) {
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
		answer_as_responder(&p, change == 11 ? a : b, change); /* 11: A's own name */
		assert_int_equal(a->n_done, change == 0);
		world_done(&w);
	}
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
		chain_put(h, 1 + i, SPAN("x", 1), hash);
		assert_non_null(chain_by_hash(h, hash));
	}
	assert_int_equal(map_count(h->chains_by_node), HS_CHAIN_CACHE_MAX);
	assert_int_equal(map_count(h->chains_by_hash), HS_CHAIN_CACHE_MAX);
	assert_null(chain_by_node(h, 1));
	world_done(&w);
}

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
		cmocka_unit_test(m3_unlike_m2_is_refused),
		cmocka_unit_test(m2_that_breaks_a_rule_is_refused),
		cmocka_unit_test(a_flood_without_the_network_key_gets_nothing),
		cmocka_unit_test(a_flood_from_forged_addresses_gets_less_than_it_sends),
		cmocka_unit_test(a_flood_that_fetches_cookies_meets_the_limits),
		cmocka_unit_test(one_prefix_and_one_source_have_limits_of_their_own),
		cmocka_unit_test(through_the_mesh_limits_count_per_incoming_link),
		cmocka_unit_test(four_half_open_handshakes_rest_on_warm_cookies_per_address),
		cmocka_unit_test(attempts_are_limited_and_the_table_says_so),
		cmocka_unit_test(memories_forget_the_oldest_when_they_are_full),
		cmocka_unit_test(cookies_that_expire_on_the_way_are_fetched_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
