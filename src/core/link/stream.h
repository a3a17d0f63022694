/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - a reliable, ordered stream of small records over the packets of one link session.
 *
 * Each packet: 01 | seq 4 | ack 4 | records {type 1, len 2, body}; seq numbers records, ack is
 * the next one wanted. Unknown record types are skipped by their length by the receiver. One
 * packet holds whole records only; nothing is fragmented. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define STREAM_RECORD_MAX 1240 /* bytes of a body */
#define STREAM_PACKET_MAX 1280 /* plaintext of a packet, its first byte included */
#define STREAM_QUEUE_MAX 16384 /* records waiting or unacknowledged */
#define STREAM_QUEUE_BYTES_MAX (4U << 20)
#define STREAM_WINDOW 64      /* packets in flight */
#define STREAM_UNREAD_MAX 128 /* packets received in order and not read yet */
#define STREAM_PACING_US 5000 /* records wait this long for company */
#define STREAM_ACK_DELAY_US 10000
#define STREAM_RETRY_MIN_US 50000
#define STREAM_RETRY_MAX_US 1000000

enum record_type {
	RECORD_ROUTE_UPDATE = 1,
	RECORD_ROUTE_DIGEST = 2,
	RECORD_SEQNO_REQUEST = 3,
	RECORD_REVOCATION = 5, /* a part of the signed list */
	RECORD_JOIN_ANSWER = 9,
	RECORD_NETWORK_KEY = 10,
	RECORD_RENEW_REQUEST = 13,
	RECORD_RENEW_ANSWER = 14,
	RECORD_ROUTE_RESYNC = 15,
	RECORD_ORIGIN_ASK = 16,	 /* names of epoch certificates */
	RECORD_ORIGIN_PART = 17, /* a part of one */
	RECORD_TREE = 20,	 /* core/reach */
	RECORD_TREE_FILTER = 21,
	RECORD_TREE_ASK = 22,
	RECORD_ROUTE_REQUEST = 23,
	RECORD_OBSERVED = 30, /* where the sender sees the receiver */
	RECORD_PLACE = 31,    /* where the sender may be reached */
	RECORD_COSIGN = 40,   /* a part of a message of core/cosign */
};

struct stream;

int stream_new(struct stream **ret);
/* As stream_new(), but both ends number their records from first on, not from 0. */
int stream_new_at(uint32_t first, struct stream **ret);
void stream_free(struct stream *s);

/* Queues a record. -ENOBUFS when the queue is full (the caller resyncs later), -EMSGSIZE. */
int stream_push(struct stream *s, enum record_type type, struct span body, bool is_urgent,
		uint64_t now_us);

/* A plaintext that began with 01. -EBADMSG: nothing of it was taken. -ENOBUFS, -ENOMEM: its
 * acknowledgement was, its records were not, and will come again. What was seen before or lies
 * beyond the window is no error. Drain stream_next_record() after it: at most
 * STREAM_UNREAD_MAX packets wait to be read. */
int stream_input(struct stream *s, struct span plaintext, uint64_t now_us);

/* Next record received in order; body borrowed until the next stream_input(). */
struct stream_record {
	uint8_t type;
	struct span body;
};

bool stream_next_record(struct stream *s, struct stream_record *ret);

/* Next packet to seal and send now, at most STREAM_PACKET_MAX bytes; false for none. */
bool stream_next_packet(struct stream *s, uint64_t now_us, uint8_t *ret, size_t *ret_len);
void stream_set_rtt(struct stream *s, uint32_t rtt_us);
uint64_t stream_deadline_us(const struct stream *s);
/* Nothing unacknowledged and nothing waiting. */
bool stream_is_idle(const struct stream *s);
