/* SPDX-License-Identifier: Apache-2.0 */
/* candidate.h - where a node says that it may be reached, as lists and as bytes (docs/nat.md).
 *
 * What is told is a hint: it makes others send small probes, never more, until somebody there has
 * answered. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"

#define CANDIDATES_MAX 8	 /* of one node */
#define CANDIDATES_OF_HOST_MAX 2 /* of these with one address: what one machine can be sent */
#define NAT_MESSAGE_MAX (16 + 19 * CANDIDATES_MAX)

enum candidate_kind {
	CANDIDATE_OWN,	    /* of an interface */
	CANDIDATE_OBSERVED, /* as neighbours see it */
	CANDIDATE_STATIC,   /* as configured */
	CANDIDATE_N_KINDS,
};

struct candidate {
	enum candidate_kind kind;
	struct endpoint at;
};

struct candidates {
	size_t n;
	struct candidate list[CANDIDATES_MAX];
};

/* Whether datagrams may be sent there for somebody's word: an address of one machine, with a port,
 * and none that means this host, this link or many. */
bool candidate_is_fit(const struct endpoint *e);
/* False: not fit, known already, the list is full, or the address has had its share. */
bool candidates_add(struct candidates *c, enum candidate_kind kind, const struct endpoint *e);
bool candidates_equal(const struct candidates *a, const struct candidates *b);
const char *candidate_kind_name(enum candidate_kind kind);

/* How a NAT on the way out chooses the port that others see (RFC 4787 section 4.1). */
enum nat_mapping {
	NAT_UNKNOWN,	 /* nobody has looked from outside */
	NAT_NONE,	 /* the address seen is our own */
	NAT_MAPPED,	 /* another one; a second observer is needed to tell more */
	NAT_INDEPENDENT, /* the same towards everybody */
	NAT_DEPENDENT,	 /* another towards each: "symmetric" */
	NAT_N_MAPPINGS,
};

const char *nat_mapping_name(enum nat_mapping m);

enum nat_message_type {
	NAT_TELL,   /* this is where I am */
	NAT_CALL,   /* ... please probe these, I probe yours */
	NAT_ANSWER, /* ... and I begin now; without candidates: I do not want to */
	NAT_N_MESSAGES,
};

/* version 1 | type 1 | mapping 1 | n 1 | boot epoch 4 | counter 4 | call 4 |
 * n * (kind 1 | address 16 | port 2). (boot epoch, counter) grows with each change of the list. */
struct nat_message {
	enum nat_message_type type;
	enum nat_mapping mapping; /* the worse one, of both families */
	uint32_t boot_epoch;
	uint32_t counter;
	uint32_t call; /* 0 in NAT_TELL */
	struct candidates at;
};

size_t nat_message_encode(const struct nat_message *m, uint8_t ret[NAT_MESSAGE_MAX]);
/* -EBADMSG: cut short or too long; -EPROTO: another version, or values that mean nothing. What is
 * no fit candidate, comes twice, or is over the share of an address, is left out. */
int nat_message_decode(struct span body, struct nat_message *ret);
