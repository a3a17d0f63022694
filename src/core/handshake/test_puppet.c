/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handshake/test_puppet.h"

#include <assert.h>

void puppet_init(struct puppet *p, struct world *w, struct host *target, uint32_t number)
{
	*p = (struct puppet){ .w = w, .target = target, .index = number + 1 };
	p->path.remote = target->endpoint;
	p->path.remote.ip[12] = 172;
	store_u16(p->path.remote.ip + 14, (uint16_t)number);
	p->path.remote.ip[13] = (uint8_t)(number >> 16);
	network_keys_derive(w->ops, target->nk[0], &p->nk);
}

void puppet_fragment(struct puppet *p, uint8_t type, unsigned i)
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

	assert(len > 0);
	mac1_make(p->nk.kmac, SPAN(bytes, (size_t)len), bytes + len - 32);
	mac2_make(p->cookie, SPAN(bytes, (size_t)len), bytes + len - 16);
	world_deliver(p->w, p->target, &p->path, SPAN(bytes, (size_t)len));
}

void puppet_message(struct puppet *p, uint8_t type)
{
	for (unsigned i = 0; i < fragment_count(p->len, path_body_size(&p->path)); i++)
		puppet_fragment(p, type, i);
}

void puppet_write_m1(struct puppet *p)
{
	uint8_t prologue[PROLOGUE_MAX];
	size_t n = prologue_encode(p->path.is_mesh, p->path.node_id, p->target->identity.node_id,
				   p->index, prologue);
	struct m1_seeds seeds;

	for (size_t i = 0; i < sizeof(seeds); i++)
		((uint8_t *)&seeds)[i] = (uint8_t)rng_next(&p->w->rng);
	p->offer = (struct params){ .version = 1, .suite = 1, .aead = 3 };
	assert(m1_write(p->w->ops, &p->nk, SPAN(prologue, n), &seeds, &p->offer, &p->x,
			&p->ephemeral, p->message) == 0);
	p->len = M1_LEN;
}

bool puppet_fetch_cookie(struct puppet *p)
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
	assert(wire_cookie_decode(SPAN(stray->bytes, stray->len), &c) == 0);
	w = (struct wire_handshake){ .type = WIRE_M1,
				     .version = 1,
				     .sender_index = p->index,
				     .message_len = M1_LEN,
				     .body = SPAN(p->message, path_body_size(&p->path)) };
	len = wire_handshake_encode(&w, bytes, sizeof(bytes));
	mac1_make(p->nk.kmac, SPAN(bytes, (size_t)len), mac1);
	assert(cookie_reply_open(p->w->ops, &p->nk, &c, mac1, p->cookie) == 0);
	p->epoch = c.epoch;
	return true;
}

bool puppet_read_m2(struct puppet *p, struct payload *payload, uint8_t *plaintext)
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
