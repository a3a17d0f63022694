/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions and the packets between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/test_pair.h"

static const uint8_t root[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

struct session_config pair_config(struct rng *rng, const struct session_limits *limits)
{
	struct session_config config = { .ops = &test_ops, .entropy = test_entropy(rng) };

	if (limits)
		config.limits = *limits;
	return config;
}

void pair_new(struct pair *p, enum aead_algorithm aead, const struct session_limits *limits)
{
	test_ops_forget_nonces();
	*p = (struct pair){ .now_us = SECONDS(1000) };
	for (unsigned i = 0; i < 2; i++) {
		struct session_config config;
		struct session_secret secret = {
			.root = root,
			.is_initiator = i == 0,
			.aead = aead,
			.lanes_local = 4,
			.lanes_peer = 4,
			.local_index = 100 + i,
			.remote_index = 101 - i,
			.ends_us = NEVER_US,
		};

		rng_seed(&p->rng[i], i + 1);
		config = pair_config(&p->rng[i], limits);
		config.seed = i;
		assert_int_equal(session_new(&config, &secret, p->now_us, &p->s[i]), 0);
	}
}

void pair_done(struct pair *p)
{
	session_free(p->s[0]);
	session_free(p->s[1]);
	assert_int_equal(test_ops_aeads(), 0);
}

/* The associated data: all that names the key and the counter. */
static struct span ad_of(const struct packet *packet, uint8_t ad[16])
{
	store_u32(ad, packet->index);
	ad[4] = packet->lane;
	store_u64(ad + 5, packet->sequence);
	ad[13] = packet->is_rekey;
	ad[14] = 0;
	ad[15] = 0;
	return SPAN(ad, 16);
}

int pair_seal(struct pair *p, unsigned from, enum session_use use, unsigned lane, struct span text,
	      bool is_rekey, struct packet *ret)
{
	struct session_ticket ticket;
	uint8_t ad[16];
	int r = session_reserve(p->s[from], use, lane, text.len, p->now_us, &ticket);

	if (r < 0)
		return r;
	ret->use = use;
	ret->index = ticket.remote_index;
	ret->lane = ticket.lane;
	ret->sequence = ticket.sequence;
	ret->is_rekey = is_rekey;
	ret->len = text.len + AEAD_TAG_LEN;
	assert_true(ret->len <= PAIR_PACKET_MAX);
	return session_seal(p->s[from], &ticket, ad_of(ret, ad), text, ret->bytes);
}

enum session_verdict pair_open(struct pair *p, unsigned to, const struct packet *packet,
			       uint8_t *ret_text, bool *ret_is_newest)
{
	uint8_t text[PAIR_PACKET_MAX];
	uint8_t ad[16];
	bool is_newest;
	enum session_verdict v = session_open(
		p->s[to], packet->use, packet->index, packet->lane, packet->sequence,
		ad_of(packet, ad), SPAN(packet->bytes, packet->len), text, &is_newest, p->now_us);

	if (v != SESSION_OPENED)
		return v;
	if (ret_is_newest)
		*ret_is_newest = is_newest;
	if (ret_text)
		memcpy(ret_text, text, packet->len - AEAD_TAG_LEN);
	if (packet->is_rekey)
		(void)session_rekey_input(p->s[to], SPAN(text, packet->len - AEAD_TAG_LEN),
					  p->now_us);
	return v;
}

void pair_greet(struct pair *p)
{
	struct packet packet = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		unsigned from = 1 - i;

		assert_int_equal(pair_seal(p, from, SESSION_LINK, 0, SPAN_STR(""), false, &packet),
				 0);
		assert_int_equal(pair_open(p, i, &packet, NULL, NULL), SESSION_OPENED);
	}
}

unsigned pair_deliver(struct pair *p, unsigned from, unsigned n_actions[5])
{
	struct session_action action;
	unsigned n = 0;

	while (session_next_action(p->s[from], &action)) {
		struct packet packet = { 0 };

		if (n_actions)
			n_actions[action.type]++;
		if (action.type != SESSION_SEND_REKEY)
			continue;
		if (pair_seal(p, from, SESSION_LINK, 0, SPAN(action.message, action.len), true,
			      &packet) < 0)
			continue;
		(void)pair_open(p, 1 - from, &packet, NULL, NULL);
		n++;
	}
	return n;
}

void pair_run(struct pair *p, uint64_t for_us, uint64_t step_us)
{
	for (uint64_t end_us = p->now_us + for_us; p->now_us < end_us; p->now_us += step_us) {
		session_tick(p->s[0], p->now_us);
		session_tick(p->s[1], p->now_us);
		while (pair_deliver(p, 0, NULL) + pair_deliver(p, 1, NULL) > 0) {
		}
	}
}

void pair_assert_talks(struct pair *p)
{
	struct packet packet = { 0 };
	uint8_t text[PAIR_PACKET_MAX];

	for (enum session_use use = 0; use < SESSION_N_USES; use++) {
		for (unsigned from = 0; from < 2; from++) {
			assert_true(session_can_send(p->s[from], p->now_us));
			assert_int_equal(
				pair_seal(p, from, use, 1, SPAN_STR("hello"), false, &packet), 0);
			assert_int_equal(pair_open(p, 1 - from, &packet, text, NULL),
					 SESSION_OPENED);
			assert_memory_equal(text, "hello", 5);
		}
	}
}
