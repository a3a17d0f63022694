/* SPDX-License-Identifier: Apache-2.0 */
/* carried.h - two simulated neighbours and their packet threads, which a test plays. After
 * fixture.h. */
#pragma once

#include "core/carry/carry.h"

#define CARRIED_LEN 200

struct pair {
	struct sim *s;
	struct carry threads[2][2];
	struct carry_table *tables[2];
};

static void write_udp(struct pair *p, unsigned from, uint16_t port, uint8_t ret[CARRIED_LEN])
{
	memset(ret, (int)port, CARRIED_LEN);
	store_u32(ret, 0x60000000);
	store_u16(ret + 4, CARRIED_LEN - 40);
	ret[6] = 17;
	ret[7] = 64;
	memcpy(ret + 8, node_overlay_address(sim_node(p->s, from)), 16);
	memcpy(ret + 24, node_overlay_address(sim_node(p->s, 1 - from)), 16);
	store_u16(ret + 40, port);
	store_u16(ret + 42, 7000);
	store_u16(ret + 44, CARRIED_LEN - 40);
}

static struct endpoint seen_at(struct pair *p, unsigned of, unsigned by)
{
	struct peer *peer = peer_get(sim_node(p->s, by), node_id(sim_node(p->s, of)));

	assert_non_null(peer);
	assert_non_null(peer->neighbour);
	return peer->neighbour->roam.current;
}

/* As the daemon does after each call on the node; true where something was new. */
static bool take_table(struct pair *p, unsigned i)
{
	struct carry_table *t;

	if (node_carry_table(sim_node(p->s, i), p->tables[i], sim_node_us(p->s, i), &t) < 0)
		return false;
	carry_table_free(p->tables[i]);
	p->tables[i] = t;
	return true;
}

static void begin_pair(struct pair *p, bool allow_all)
{
	memset(p, 0, sizeof(*p));
	n_threads = 2;
	p->s = make_sim(2, allow_all);
	for (unsigned i = 0; i < 2; i++)
		p->threads[i][1].thread = 1;
	(void)sim_link(p->s, 0, 1, &lan, true);
	boot_all(p->s, 2);
	run(p->s, SECONDS(2));
	for (unsigned i = 0; i < 2; i++)
		assert_true(take_table(p, i));
}

static void end_pair(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++)
		carry_table_free(p->tables[i]);
	sim_free(p->s);
	n_threads = 0;
}

static enum carry_verdict thread_out(struct pair *p, unsigned from, unsigned thread,
				     const uint8_t packet[CARRIED_LEN], uint8_t *room,
				     struct carry_result *ret)
{
	return carry_out(&p->threads[from][thread], p->tables[from], SPAN(packet, CARRIED_LEN),
			 sim_node_us(p->s, from), room, ret);
}

static enum carry_verdict thread_in(struct pair *p, unsigned to, unsigned thread, uint8_t *datagram,
				    size_t len, struct carry_result *ret)
{
	struct endpoint from = seen_at(p, 1 - to, to);

	return carry_in(&p->threads[to][thread], p->tables[to], &from, 0, datagram, len,
			sim_node_us(p->s, to), ret);
}
