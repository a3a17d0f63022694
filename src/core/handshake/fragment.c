/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting messages into fragments, putting fragments together, and what was acknowledged. */
#include "core/handshake/fragment.h"

#include <errno.h>
#include <stdlib.h>

unsigned fragment_count(size_t len, size_t body_size)
{
	return (unsigned)((len + body_size - 1) / body_size);
}

static uint32_t all_of(unsigned n)
{
	return (uint32_t)((UINT64_C(1) << n) - 1);
}

/* ---- outgoing ---- */

int outgoing_set(struct outgoing *o, struct span message, size_t body_size)
{
	uint8_t *bytes = malloc(message.len);

	if (!bytes)
		return -ENOMEM;
	outgoing_done(o);
	memcpy(bytes, message.at, message.len);
	o->bytes = bytes;
	o->len = message.len;
	o->body_size = body_size;
	o->n = fragment_count(message.len, body_size);
	return 0;
}

void outgoing_done(struct outgoing *o)
{
	if (o->bytes)
		bytes_wipe(o->bytes, o->len);
	free(o->bytes);
	*o = (struct outgoing){ 0 };
}

bool outgoing_acked(struct outgoing *o, uint32_t bitmap)
{
	uint32_t before = o->acked;

	o->acked = bitmap & all_of(o->n);
	return (o->acked & ~before) != 0;
}

void outgoing_doubt(struct outgoing *o)
{
	if (o->acked == all_of(o->n))
		o->acked = 0;
}

void outgoing_start_over(struct outgoing *o)
{
	memset(o->n_sent, 0, sizeof(o->n_sent));
	o->acked = 0;
}

static bool may_send(const struct outgoing *o, unsigned i, uint64_t gap_us, uint64_t now_us)
{
	if (o->acked & (1U << i))
		return false;
	if (o->n_sent[i] == 0)
		return true;
	return o->n_sent[i] <= FRAGMENT_RESENDS_MAX && now_us >= o->sent_us[i] + gap_us;
}

uint32_t outgoing_take(struct outgoing *o, uint64_t gap_us, uint64_t now_us)
{
	uint32_t ret = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < o->n && n < FLIGHT_MAX; i++) {
		if (!may_send(o, i, gap_us, now_us))
			continue;
		o->n_sent[i]++;
		o->sent_us[i] = now_us;
		ret |= 1U << i;
		n++;
	}
	return ret;
}

struct span outgoing_body(const struct outgoing *o, unsigned i)
{
	size_t at = i * o->body_size;

	return SPAN(o->bytes + at, o->len - at < o->body_size ? o->len - at : o->body_size);
}

bool outgoing_is_flown(const struct outgoing *o)
{
	for (unsigned i = 0; i < o->n; i++)
		if (o->n_sent[i] == 0 && !(o->acked & (1U << i)))
			return false;
	return true;
}

/* ---- incoming ---- */

static bool shape_is_valid(const struct wire_handshake *f, size_t body_size)
{
	size_t left;

	if (f->message_len == 0 || f->message_len > WIRE_HS_MESSAGE_MAX ||
	    f->offset % body_size != 0 || f->offset >= f->message_len)
		return false;
	left = (size_t)f->message_len - f->offset;
	return f->body.len == (left < body_size ? left : body_size);
}

enum fragment_verdict incoming_add(struct incoming *in, const struct wire_handshake *fragment,
				   size_t body_size, uint64_t now_us)
{
	uint32_t bit;

	if (!shape_is_valid(fragment, body_size))
		return FRAGMENT_BAD;
	if (in->bytes && in->len != fragment->message_len) {
		if (now_us < in->new_us + INCOMING_STALE_US)
			return FRAGMENT_BAD;
		incoming_done(in); /* whatever that was, it does not go on */
	}
	if (!in->bytes) {
		in->bytes = malloc(fragment->message_len);
		if (!in->bytes)
			return FRAGMENT_BAD;
		in->len = fragment->message_len;
		in->n = fragment_count(in->len, body_size);
	}
	bit = 1U << (fragment->offset / body_size);
	if (in->have & bit)
		return FRAGMENT_SEEN;
	memcpy(in->bytes + fragment->offset, fragment->body.at, fragment->body.len);
	in->have |= bit;
	in->new_us = now_us;
	return FRAGMENT_NEW;
}

bool incoming_is_complete(const struct incoming *in)
{
	return in->bytes && in->have == all_of(in->n);
}

void incoming_done(struct incoming *in)
{
	if (in->bytes)
		bytes_wipe(in->bytes, in->len);
	free(in->bytes);
	*in = (struct incoming){ 0 };
}
