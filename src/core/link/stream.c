/* SPDX-License-Identifier: Apache-2.0 */
/* The control stream: records are cut into packets once, and a packet is repeated as it was.
 *
 * The acknowledgement is cumulative, so only the oldest packet in flight is ever known to be
 * missing: it alone is sent again, and what the receiver kept of the later ones is acknowledged
 * together with it. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/link/stream.h"

#define HEADER_LEN 9 /* 01, seq, ack */
#define RECORD_HEADER_LEN 3
#define PLAIN_CONTROL_BYTE 0x01
#define RTT_UNKNOWN_US 100000U
#define DUPLICATE_ACKS 3 /* this many repeated acks say that the oldest is lost (RFC 5681) */
/* More records than fit in a full window of packets cannot be ahead of what we wait for. */
#define AHEAD_MAX (STREAM_WINDOW * ((STREAM_PACKET_MAX - HEADER_LEN) / RECORD_HEADER_LEN))

struct record {
	struct record *next;
	uint8_t type;
	uint16_t len;
	uint8_t body[];
};

/* A packet sent and not acknowledged: the next n_records of the queue. */
struct flight {
	uint32_t seq;
	unsigned n_records;
	unsigned n_sent;
	bool is_lost; /* as repeated acknowledgements say */
	uint64_t sent_us;
};

/* Records of one received packet. */
struct segment {
	struct segment *next;
	uint32_t seq;
	unsigned n_records;
	size_t len;
	size_t read; /* bytes already handed out */
	uint8_t bytes[];
};

struct stream {
	/* sending */
	struct record *head; /* unacknowledged first, then waiting */
	struct record **tail;
	struct record *waiting; /* the first not sent yet */
	size_t n_queued;
	size_t queued_bytes; /* bodies */
	size_t waiting_bytes;
	uint32_t acked;	 /* seq of head */
	uint32_t unsent; /* seq of waiting */
	struct flight flights[STREAM_WINDOW];
	unsigned first_flight, n_flights;
	unsigned n_same_acks;
	uint64_t flush_us; /* when the waiting go */
	uint32_t rtt_us;
	/* receiving */
	uint32_t wanted;
	struct segment *early; /* ordered by seq */
	unsigned n_early;
	struct segment *ready; /* in order, not read yet */
	struct segment **ready_tail;
	unsigned n_ready;
	struct segment *spent; /* read; kept for the borrower */
	unsigned n_unacked;    /* packets */
	uint64_t ack_us;
};

DEFINE_FREEP(struct stream, stream_free)

static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0; /* serial numbers wrap (RFC 1982) */
}

int stream_new_at(uint32_t first, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->tail = &s->head;
	s->ready_tail = &s->ready;
	s->acked = s->unsent = s->wanted = first;
	s->flush_us = s->ack_us = NEVER_US;
	s->rtt_us = RTT_UNKNOWN_US;
	*ret = s;
	return 0;
}

int stream_new(struct stream **ret)
{
	return stream_new_at(0, ret);
}

static void record_free(struct record *r)
{
	bytes_wipe(r->body, r->len); /* a record may carry a key */
	free(r);
}

static void segments_free(struct segment *first)
{
	while (first) {
		struct segment *g = first;

		first = g->next;
		bytes_wipe(g->bytes, g->len);
		free(g);
	}
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	while (s->head) {
		struct record *r = s->head;

		s->head = r->next;
		record_free(r);
	}
	segments_free(s->early);
	segments_free(s->ready);
	segments_free(s->spent);
	free(s);
}

void stream_set_rtt(struct stream *s, uint32_t rtt_us)
{
	s->rtt_us = rtt_us > 0 ? rtt_us : RTT_UNKNOWN_US;
}

bool stream_is_idle(const struct stream *s)
{
	return s->n_queued == 0;
}

/* ---- sending ---- */

int stream_push(struct stream *s, enum record_type type, struct span body, bool is_urgent,
		uint64_t now_us)
{
	struct record *r;

	if (body.len > STREAM_RECORD_MAX)
		return -EMSGSIZE;
	if (s->n_queued >= STREAM_QUEUE_MAX || s->queued_bytes + body.len > STREAM_QUEUE_BYTES_MAX)
		return -ENOBUFS;
	r = malloc(sizeof(*r) + body.len);
	if (!r)
		return -ENOMEM;
	*r = (struct record){ .type = (uint8_t)type, .len = (uint16_t)body.len };
	if (body.len > 0)
		memcpy(r->body, body.at, body.len);

	*s->tail = r;
	s->tail = &r->next;
	if (!s->waiting)
		s->waiting = r;
	s->n_queued++;
	s->queued_bytes += body.len;
	s->waiting_bytes += RECORD_HEADER_LEN + body.len;
	if (is_urgent || s->waiting_bytes >= STREAM_PACKET_MAX - HEADER_LEN)
		s->flush_us = min_u64(s->flush_us, now_us);
	else
		s->flush_us = min_u64(s->flush_us, now_us + STREAM_PACING_US);
	return 0;
}

static struct flight *oldest_flight(struct stream *s)
{
	return &s->flights[s->first_flight];
}

static uint64_t retry_us(const struct stream *s)
{
	const struct flight *f = &s->flights[s->first_flight];
	uint64_t wait = UINT64_C(2) * s->rtt_us + STREAM_ACK_DELAY_US;

	if (f->is_lost)
		return f->sent_us;
	wait = max_u64(wait, STREAM_RETRY_MIN_US) << (f->n_sent < 6 ? f->n_sent - 1 : 5);
	return f->sent_us + min_u64(wait, STREAM_RETRY_MAX_US);
}

/* Writes a packet with n records from r on, or as many as fit where n is 0. */
static unsigned write_packet(struct stream *s, uint32_t seq, const struct record *r, unsigned n,
			     uint8_t *ret, size_t *ret_len)
{
	struct writer w = writer_of(ret, STREAM_PACKET_MAX);
	unsigned written = 0;

	write_u8(&w, PLAIN_CONTROL_BYTE);
	write_u32(&w, seq);
	write_u32(&w, s->wanted);
	while (r && (n == 0 || written < n) && w.len + RECORD_HEADER_LEN + r->len <= w.size) {
		write_u8(&w, r->type);
		write_u16(&w, r->len);
		write_bytes(&w, r->body, r->len);
		r = r->next;
		written++;
	}
	s->n_unacked = 0; /* every packet acknowledges */
	s->ack_us = NEVER_US;
	*ret_len = w.len;
	return written;
}

static void send_waiting(struct stream *s, uint64_t now_us, uint8_t *ret, size_t *ret_len)
{
	struct flight *f = &s->flights[(s->first_flight + s->n_flights) % STREAM_WINDOW];

	*f = (struct flight){ .seq = s->unsent, .n_sent = 1, .sent_us = now_us };
	f->n_records = write_packet(s, s->unsent, s->waiting, 0, ret, ret_len);
	s->n_flights++;
	s->unsent += f->n_records;
	for (unsigned i = 0; i < f->n_records; i++) {
		s->waiting_bytes -= (size_t)RECORD_HEADER_LEN + s->waiting->len;
		s->waiting = s->waiting->next;
	}
	if (!s->waiting)
		s->flush_us = NEVER_US;
}

bool stream_next_packet(struct stream *s, uint64_t now_us, uint8_t *ret, size_t *ret_len)
{
	if (s->n_flights > 0 && now_us >= retry_us(s)) {
		struct flight *f = oldest_flight(s);

		f->n_sent++;
		f->sent_us = now_us;
		f->is_lost = false;
		s->n_same_acks = 0;
		(void)write_packet(s, f->seq, s->head, f->n_records, ret, ret_len);
		return true;
	}
	if (s->waiting && s->n_flights < STREAM_WINDOW && now_us >= s->flush_us) {
		send_waiting(s, now_us, ret, ret_len);
		return true;
	}
	if (now_us >= s->ack_us) {
		(void)write_packet(s, s->unsent, NULL, 0, ret, ret_len);
		return true;
	}
	return false;
}

uint64_t stream_deadline_us(const struct stream *s)
{
	uint64_t at = s->ack_us;

	if (s->n_flights > 0)
		at = min_u64(at, retry_us(s));
	if (s->waiting && s->n_flights < STREAM_WINDOW)
		at = min_u64(at, s->flush_us);
	return at;
}

static void drop_acked_record(struct stream *s)
{
	struct record *r = s->head;

	s->head = r->next;
	if (!s->head)
		s->tail = &s->head;
	s->n_queued--;
	s->queued_bytes -= r->len;
	record_free(r);
}

/* Frees a prefix. Part of a packet may be acknowledged: then the rest of it remains. */
static void take_ack(struct stream *s, uint32_t ack, bool is_pure)
{
	if (is_before(ack, s->acked) || is_before(s->unsent, ack))
		return; /* an old one, or of what was never sent */
	if (ack == s->acked) {
		/* What comes out of order is acknowledged at once, in a packet of its own. It
		 * counts for the first repetition; after that the timer decides. */
		if (is_pure && s->n_flights > 1 && ++s->n_same_acks == DUPLICATE_ACKS)
			oldest_flight(s)->is_lost = oldest_flight(s)->n_sent == 1;
		return;
	}
	s->n_same_acks = 0;
	while (s->acked != ack) {
		struct flight *f = oldest_flight(s);

		drop_acked_record(s);
		s->acked++;
		f->seq++;
		if (--f->n_records == 0) {
			s->first_flight = (s->first_flight + 1) % STREAM_WINDOW;
			s->n_flights--;
		}
	}
}

/* ---- receiving ---- */

/* Counts whole records; -EBADMSG for anything else. */
static int count_records(struct span records)
{
	struct reader r = reader_of(records);
	int n = 0;

	while (r.left > 0) {
		(void)read_u8(&r);
		uint16_t len = read_u16(&r);

		(void)read_span(&r, len);
		if (r.overrun || len > STREAM_RECORD_MAX)
			return -EBADMSG;
		n++;
	}
	return n;
}

static struct segment *segment_new(uint32_t seq, unsigned n, struct span records)
{
	struct segment *g = malloc(sizeof(*g) + records.len);

	if (!g)
		return NULL;
	*g = (struct segment){ .seq = seq, .n_records = n, .len = records.len };
	memcpy(g->bytes, records.at, records.len);
	return g;
}

static bool read_record(struct segment *g, struct stream_record *ret)
{
	struct reader r = reader_of(SPAN(g->bytes + g->read, g->len - g->read));

	if (r.left == 0)
		return false;
	ret->type = read_u8(&r);
	ret->body = read_span(&r, read_u16(&r));
	g->read = g->len - r.left;
	return true;
}

/* Appends what of the segment is new; the segment is ours or gone. */
static void make_ready(struct stream *s, struct segment *g)
{
	struct stream_record skipped;

	for (uint32_t seq = g->seq; is_before(seq, s->wanted); seq++)
		(void)read_record(g, &skipped);
	if (!is_before(s->wanted, g->seq + g->n_records)) {
		segments_free(g);
		return;
	}
	s->wanted = g->seq + g->n_records;
	g->next = NULL;
	*s->ready_tail = g;
	s->ready_tail = &g->next;
	s->n_ready++;
}

static void make_early_ready(struct stream *s)
{
	while (s->early && !is_before(s->wanted, s->early->seq)) {
		struct segment *g = s->early;

		s->early = g->next;
		g->next = NULL;
		s->n_early--;
		make_ready(s, g);
	}
}

/* Keeps a packet that came before its turn. */
static int keep_early(struct stream *s, uint32_t seq, unsigned n, struct span records)
{
	struct segment **at = &s->early;
	struct segment *g;

	while (*at && is_before((*at)->seq, seq))
		at = &(*at)->next;
	if (*at && (*at)->seq == seq)
		return 0;
	if (s->n_early >= STREAM_WINDOW)
		return -ENOBUFS;
	g = segment_new(seq, n, records);
	if (!g)
		return -ENOMEM;
	g->next = *at;
	*at = g;
	s->n_early++;
	return 0;
}

static int take_in_order(struct stream *s, uint32_t seq, unsigned n, struct span records,
			 uint64_t now_us)
{
	struct segment *g = segment_new(seq, n, records);
	bool fills_gap = s->early != NULL;

	if (!g)
		return -ENOMEM;
	make_ready(s, g);
	make_early_ready(s);
	s->n_unacked++;
	if (fills_gap || s->n_unacked >= 2)
		s->ack_us = now_us;
	else
		s->ack_us = min_u64(s->ack_us, now_us + STREAM_ACK_DELAY_US);
	return 0;
}

static int take_records(struct stream *s, uint32_t seq, unsigned n, struct span records,
			uint64_t now_us)
{
	bool is_early = is_before(s->wanted, seq);

	if (is_early && seq - s->wanted > AHEAD_MAX)
		return 0; /* no sender of ours is that far ahead */
	if (!is_before(s->wanted, seq + n)) {
		s->ack_us = now_us; /* our acknowledgement was lost */
		return 0;
	}
	if (s->n_ready >= STREAM_UNREAD_MAX)
		return -ENOBUFS;
	if (!is_early)
		return take_in_order(s, seq, n, records, now_us);
	s->ack_us = now_us;
	return keep_early(s, seq, n, records);
}

int stream_input(struct stream *s, struct span plaintext, uint64_t now_us)
{
	struct reader r = reader_of(plaintext);
	uint8_t type = read_u8(&r);
	uint32_t seq = read_u32(&r);
	uint32_t ack = read_u32(&r);
	struct span records = SPAN(r.at, r.left);
	int n;

	if (r.overrun || type != PLAIN_CONTROL_BYTE || plaintext.len > STREAM_PACKET_MAX)
		return -EBADMSG;
	n = count_records(records);
	if (n < 0)
		return n;
	segments_free(TAKE(s->spent));
	take_ack(s, ack, n == 0);
	return n > 0 ? take_records(s, seq, (unsigned)n, records, now_us) : 0;
}

bool stream_next_record(struct stream *s, struct stream_record *ret)
{
	while (s->ready) {
		struct segment *g = s->ready;

		if (read_record(g, ret))
			return true;
		s->ready = g->next;
		if (!s->ready)
			s->ready_tail = &s->ready;
		s->n_ready--;
		g->next = s->spent;
		s->spent = g;
	}
	return false;
}
