/* SPDX-License-Identifier: Apache-2.0 */
/* fragment.h - a message cut into datagrams' bodies, and put together again.
 *
 * Fragments are numbered by offset / body size; bit i of a bitmap is fragment i. The first copy
 * of a fragment wins until the whole message is discarded. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/units.h"
#include "core/wire/wire.h"

#define FRAGMENTS_MAX 16       /* 16,384 bytes in bodies of 1,088 */
#define FRAGMENT_RESENDS_MAX 8 /* of each, after the first time */
#define FRAGMENT_GAP_MIN_US MS(20)
#define FLIGHT_MAX 10		     /* datagrams sent at once */
#define INCOMING_STALE_US SECONDS(1) /* without a new fragment: may be replaced */

unsigned fragment_count(size_t len, size_t body_size);

/* A message of ours on its way. All zero is none. */
struct outgoing {
	uint8_t *bytes; /* owned */
	size_t len;
	size_t body_size;
	unsigned n;
	uint32_t acked;
	uint8_t n_sent[FRAGMENTS_MAX];
	uint64_t sent_us[FRAGMENTS_MAX];
};

/* Copies the message. -ENOMEM. */
int outgoing_set(struct outgoing *o, struct span message, size_t body_size);
void outgoing_done(struct outgoing *o); /* wipes */
/* The peer's latest word on what it holds; it may take a word back. True if that is news. */
bool outgoing_acked(struct outgoing *o, uint32_t bitmap);
/* All acknowledged and yet no answer: the acknowledgements are doubted. */
void outgoing_doubt(struct outgoing *o);
/* Forgets how often fragments were sent: for a new cookie. */
void outgoing_start_over(struct outgoing *o);
/* The fragments that may be sent now, FLIGHT_MAX at most: not acknowledged, not sent within
 * gap_us, not too often. They count as sent. */
uint32_t outgoing_take(struct outgoing *o, uint64_t gap_us, uint64_t now_us);
struct span outgoing_body(const struct outgoing *o, unsigned i);
/* Whether every fragment was sent at least once. */
bool outgoing_is_flown(const struct outgoing *o);

/* A message of the peer's, arriving. All zero is none. */
struct incoming {
	uint8_t *bytes; /* owned */
	size_t len;
	unsigned n;
	uint32_t have;
	uint64_t new_us; /* when the last new fragment came */
};

enum fragment_verdict {
	FRAGMENT_NEW,
	FRAGMENT_SEEN,
	FRAGMENT_BAD, /* offset or length impossible, another message length, no memory */
};

enum fragment_verdict incoming_add(struct incoming *in, const struct wire_handshake *fragment,
				   size_t body_size, uint64_t now_us);
bool incoming_is_complete(const struct incoming *in);
void incoming_done(struct incoming *in); /* wipes */
