/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - the layout of every datagram that x0 sends over UDP, and of the hop header sealed
 * inside. Layout only: what is in a field is judged by the room that owns it.
 *
 * Decoders return -EBADMSG for what is too short or of another type and leave ret untouched.
 * All integers are big-endian. See docs/packet.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The first byte of a datagram. */
enum wire_type {
	WIRE_M1 = 1, /* handshake: fragments of its three messages */
	WIRE_M2 = 2,
	WIRE_M3 = 3,
	WIRE_ACK = 4,
	WIRE_COOKIE = 5,
	WIRE_TRANSPORT = 16,
	WIRE_LINK_FRAGMENT = 17,
	WIRE_PROBE = 18, /* as transport, on a lane of its own, always "ends here" */
};

#define WIRE_HEADER_LEN 16 /* of every datagram but the cookie reply */
#define WIRE_LANE_AT 8	   /* in the header of transport datagrams: first byte of the counter */
/* The lane of what must not wait behind bulk: shown outside, so that a kernel can tell. */
#define WIRE_LANE_URGENT 2
/* This and those behind it are packet threads', for packets of class bulk alone. */
#define WIRE_LANE_THREADS 3
#define WIRE_MAC_LEN 16 /* each of mac1 and mac2 */
#define WIRE_DATAGRAM_MAX 1500
#define WIRE_HS_VERSION 1
#define WIRE_HS_BODY_LINK 1184 /* bytes of a message in a fragment, on a link */
#define WIRE_HS_BODY_MESH 1088 /* through the mesh */
#define WIRE_HS_MESSAGE_MAX 16384
#define WIRE_COOKIE_REPLY_LEN 56 /* 24 clear bytes, 16 sealed, tag 16 */

/* Header of types 1 to 4. In an ack: flags say which message and the result, length is that
 * message's, offset is 0, and a bitmap of 4 bytes follows as body. */
struct wire_handshake {
	uint8_t type;
	uint8_t version;
	uint8_t flags;
	uint8_t cookie_epoch; /* 0 none, 1..254 cookie, 255 warm cookie */
	uint32_t sender_index;
	uint32_t receiver_index; /* 0 in M1 */
	uint16_t message_len;
	uint16_t offset;
	struct span body; /* borrowed from the datagram; mac1 and mac2 follow it */
	const uint8_t *mac1;
	const uint8_t *mac2;
};

int wire_handshake_decode(struct span datagram, struct wire_handshake *ret);
/* Writes header and body, and leaves room for mac1 and mac2, which the caller fills in at
 * ret + 16 + body.len (zeros until then). Returns the length of the datagram, -ENOBUFS, or
 * -EINVAL for a type or a length of body that does not exist. */
int wire_handshake_encode(const struct wire_handshake *h, uint8_t *ret, size_t ret_size);

/* type 5: type 1 | epoch 1 | 0 2 | receiver 4 | nonce 16 | sealed cookie 16 + tag 16. */
struct wire_cookie {
	uint8_t epoch;
	uint32_t receiver_index;
	const uint8_t *nonce;  /* 16 bytes */
	const uint8_t *sealed; /* 32 bytes */
	struct span clear;     /* the 24 bytes that are associated data */
};

int wire_cookie_decode(struct span datagram, struct wire_cookie *ret);

/* The clear header of types 16, 17 and 18: the associated data of the link seal. */
struct wire_transport {
	uint8_t type;
	uint8_t flags;	   /* all zero in this version; others are dropped */
	uint16_t seal_len; /* bytes of hop header sealed, tag not counted; 0 "ends here" */
	uint32_t receiver_index;
	uint8_t lane;	   /* first byte of the counter */
	uint64_t sequence; /* its other seven */
};

/* -EPROTO for unknown flags, and for a probe that does not end here. Needs the header only. */
int wire_transport_decode(struct span datagram, struct wire_transport *ret);
void wire_transport_encode(const struct wire_transport *t, uint8_t ret[WIRE_HEADER_LEN]);

/* Hop header, sealed under the link key. */
enum wire_class {
	CLASS_BULK = 0,
	CLASS_INTERACTIVE = 1,
	CLASS_CRITICAL = 2,
};

enum wire_kind {
	KIND_DATA = 0,
	KIND_HANDSHAKE = 1, /* the payload is a handshake datagram, not sealed end to end */
	KIND_CONTROL = 2,
};

/* Bits of the flags byte: class 0-1, options 2, duplicate 3, kind 4-5, filter 6, labels 7. */
#define HOP_FLAG_OPTIONS 0x04
#define HOP_FLAG_DUPLICATE 0x08
#define HOP_FLAG_FILTER 0x40 /* with options only: they are a filter, and not a list */
#define HOP_FLAG_LABELS 0x80 /* with options only, and not with a filter */

#define HOP_SHORT_LEN 6	   /* "ends here": without ids */
#define HOP_LEN 34	   /* relayed */
#define HOP_OPTIONS_LEN 24 /* behind it, when HOP_FLAG_OPTIONS is set */
#define HOP_TTL_MAX 255

struct wire_hop {
	uint16_t link_sequence;
	uint8_t ttl;
	enum wire_class class;
	enum wire_kind kind;
	bool has_options; /* the nodes visited: core/forward/visited.h */
	bool is_filter;
	bool is_labelled; /* they are the nodes to visit: core/forward/labels.h */
	bool is_duplicate;
	uint16_t flow_hash;
	/* not in the short form: */
	uint64_t destination; /* node ids */
	uint64_t source;
	uint32_t e2e_index;
	uint8_t e2e_lane;
	uint64_t e2e_sequence;
	uint8_t options[HOP_OPTIONS_LEN];
};

/* sealed is exactly the opened hop header. -EBADMSG, -EPROTO for unknown flags. */
int wire_hop_decode(struct span sealed, struct wire_hop *ret);
/* The short header at the start of an opened "ends here" part; *ret_inner is what follows. */
int wire_hop_decode_short(struct span opened, struct wire_hop *ret, struct span *ret_inner);
size_t wire_hop_len(const struct wire_hop *h); /* relayed */
/* Returns its length: HOP_LEN, or HOP_LEN + HOP_OPTIONS_LEN. */
size_t wire_hop_encode(const struct wire_hop *h, uint8_t ret[HOP_LEN + HOP_OPTIONS_LEN]);
void wire_hop_encode_short(const struct wire_hop *h, uint8_t ret[HOP_SHORT_LEN]);

/* First byte of a plaintext inside a session, beside IPv4 (4x) and IPv6 (6x). */
#define PLAIN_CONTROL 0x01
#define PLAIN_SERVICE 0x02

/* Service message: 02 | service 2 | len 2 | at most 1,024 bytes. End to end, unordered. */
#define WIRE_SERVICE_MAX 1024

enum wire_service {
	SERVICE_ECHO = 1, /* ping and trace */
	SERVICE_ECHO_REPLY = 3,
	SERVICE_OFFERS_ASK = 6, /* which prefixes do you offer? */
	SERVICE_OFFERS = 7,	/* these, docs/routes.md */
	SERVICE_PROBE = 8,	/* does this arrive? docs/authenticity.md */
	SERVICE_PROBE_REPLY = 9,
	SERVICE_SURVEY_ASK = 10, /* tell me your links, docs/survey.md */
	SERVICE_SURVEY = 11,
	SERVICE_NAT = 20, /* calls and answers, docs/nat.md */
};

struct wire_service_message {
	uint16_t service;
	struct span body;
};

int wire_service_decode(struct span plaintext, struct wire_service_message *ret);
/* Returns the length, or -ENOBUFS (a body over WIRE_SERVICE_MAX, or no room). */
int wire_service_encode(const struct wire_service_message *m, uint8_t *ret, size_t ret_size);
