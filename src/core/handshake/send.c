/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves: fragments and acks with their macs, flights and when they are sent again, and
 * the queue of actions. */
#include "core/handshake/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ACK_RESULT_SHIFT 4

struct action *action_new(struct handshakes *h, enum hs_action_type type,
			  const struct hs_path *path, size_t len)
{
	struct action *a = calloc(1, sizeof(*a) + len);

	if (!a)
		return NULL;
	a->type = type;
	a->path = *path;
	a->len = len;
	if (h->last)
		h->last->next = a;
	else
		h->first = a;
	h->last = a;
	return a;
}

void action_free(struct action *a)
{
	if (!a)
		return;
	if (a->done)
		bytes_wipe(a->done, sizeof(*a->done));
	free(a->done);
	free(a->join_block);
	free(a);
}

static void remember_mac1(struct attempt *at, const uint8_t *mac1)
{
	assert(at); /* who sends M1 has an attempt */
	memcpy(at->mac1[at->n_mac1++ % MAC1_MEMORY], mac1, WIRE_MAC_LEN);
}

static void send_datagram(struct handshakes *h, struct handshake *hs,
			  const struct wire_handshake *w)
{
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
	int len = wire_handshake_encode(w, bytes, sizeof(bytes));
	uint8_t *mac1;
	struct action *a;

	if (len < 0 || h->n_sends >= ACTIONS_MAX)
		return; /* as if the network had lost it */
	mac1 = bytes + WIRE_HEADER_LEN + w->body.len;
	mac1_make(hs->nk.kmac, SPAN(bytes, (size_t)len), mac1);
	if (hs->cookie_epoch)
		mac2_make(hs->cookie, SPAN(bytes, (size_t)len), mac1 + WIRE_MAC_LEN);
	if (w->type == WIRE_M1 && w->offset == 0)
		remember_mac1(hs->attempt, mac1);
	a = action_new(h, HS_SEND, &hs->path, (size_t)len);
	if (!a)
		return;
	memcpy(a->datagram, bytes, (size_t)len);
	h->n_sends++;
}

static struct wire_handshake header_of(const struct handshake *hs, enum wire_type type)
{
	return (struct wire_handshake){
		.type = (uint8_t)type,
		.version = WIRE_HS_VERSION,
		.cookie_epoch = hs->cookie_epoch,
		.sender_index = hs->local_index,
		.receiver_index = type == WIRE_M1 ? 0 : hs->remote_index,
	};
}

static void send_fragment(struct handshakes *h, struct handshake *hs, unsigned i)
{
	struct wire_handshake w = header_of(hs, hs->out_type);

	w.message_len = (uint16_t)hs->out.len;
	w.offset = (uint16_t)(i * hs->out.body_size);
	w.body = outgoing_body(&hs->out, i);
	send_datagram(h, hs, &w);
}

void send_ack(struct handshakes *h, struct handshake *hs, enum wire_type message, unsigned result,
	      uint32_t bitmap)
{
	struct wire_handshake w = header_of(hs, WIRE_ACK);
	uint8_t body[4];

	store_u32(body, bitmap);
	w.flags = (uint8_t)((unsigned)message | result << ACK_RESULT_SHIFT);
	w.message_len = hs->in_len;
	w.body = SPAN_OF(body);
	send_datagram(h, hs, &w);
}

/* ---- flights ---- */

static uint64_t base_interval(const struct handshake *hs)
{
	return max_u64(RESEND_MIN_US, min_u64(2 * hs->rtt_us, RESEND_MAX_US));
}

void resend_restart(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	hs->interval_us = base_interval(hs);
	hs->resend_us = now_us + rng_jitter(&h->rng, hs->interval_us, RESEND_JITTER_PERCENT);
	h->deadline_is_known = false;
}

/* A flight that went out once gives a sample; after a repetition one cannot tell which copy was
 * answered (Karn). */
void measure_rtt(struct handshake *hs, uint64_t now_us)
{
	if (hs->rtt_us == 0 && hs->sent_us != NEVER_US && hs->sent_us < now_us)
		hs->rtt_us = now_us - hs->sent_us;
	hs->sent_us = NEVER_US;
}

void send_flight(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	uint64_t gap_us = max_u64(hs->rtt_us / 2, FRAGMENT_GAP_MIN_US);
	uint32_t now;

	if (hs->attempt && hs->state != I_M3 && now_us < hs->attempt->hold_us) {
		hs->resend_us = hs->attempt->hold_us;
		h->deadline_is_known = false;
		return;
	}
	if (hs->state == I_COOKIE) {
		send_fragment(h, hs, 0); /* no more before the address is proved */
		return;
	}
	now = outgoing_take(&hs->out, gap_us, now_us);
	for (unsigned i = 0; i < hs->out.n; i++)
		if (now & (1U << i))
			send_fragment(h, hs, i);
	if (!outgoing_is_flown(&hs->out)) { /* more than a flight: the rest soon */
		hs->resend_us = min_u64(hs->resend_us, now_us + FRAGMENT_GAP_MIN_US);
		h->deadline_is_known = false;
	}
}

int send_message(struct handshakes *h, struct handshake *hs, enum wire_type type,
		 struct span message, uint64_t now_us)
{
	int r = outgoing_set(&hs->out, message, path_body_size(&hs->path));

	if (r < 0)
		return r;
	hs->out_type = type;
	hs->sent_us = now_us;
	resend_restart(h, hs, now_us);
	send_flight(h, hs, now_us);
	return 0;
}

void report_failure(struct handshakes *h, const struct handshake *hs, enum hs_failure failure,
		    enum identity_fault fault)
{
	struct action *a = action_new(h, HS_FAILED, &hs->path, 0);

	h->counters.failed++;
	if (!a)
		return;
	a->id = hs->attempt->id;
	a->failure = failure;
	a->fault = fault;
	a->began_us = hs->begun_us;
}
