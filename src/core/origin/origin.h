/* SPDX-License-Identifier: Apache-2.0 */
/* origin.h - proves whose a route is, and how near its sender may claim to be.
 * docs/authenticity.md.
 *
 * A node signs an epoch certificate: 32 roots of hash trees with eight leaves each, one leaf for
 * each of 256 seqnos. Behind a leaf is a chain of 65 elements, one for each step of cost from 0 to
 * 64, each the hash of the one before; nobody can go back. The node itself gives away the first of
 * a seqno's when it announces that seqno; whoever passes the route on hashes the element forward to
 * the step of the metric that it announces. So a seqno that was not announced cannot be claimed,
 * nor a cost below that of the nearest from whom one heard. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "core/crypto/crypto.h"
#include "core/route/route.h"

/* As SLH-DSA-SHA2-128 (FIPS 205 section 11): 16 bytes, each hash bound to its place. */
#define ORIGIN_HASH_LEN 16
#define ORIGIN_STEPS 64
#define ORIGIN_SUBTREES 32
#define ORIGIN_LEVELS 3
#define ORIGIN_LEAVES 8					/* of a subtree: 2^levels */
#define ORIGIN_SEQNOS (ORIGIN_SUBTREES * ORIGIN_LEAVES) /* of one certificate */
#define ORIGIN_PATH_LEN (ORIGIN_LEVELS * ORIGIN_HASH_LEN)
#define ORIGIN_ROOTS_LEN (ORIGIN_SUBTREES * ORIGIN_HASH_LEN)
#define ORIGIN_CERTIFICATE_MAX 16384
#define ORIGIN_CHAIN_MAX 11776
#define ORIGIN_CONTEXT "x0 epoch certificate"

/* Three steps for each doubling of the metric from 8 on: 0 is the node itself, 64 the end. */
unsigned origin_step(uint32_t metric);

/* ---- certificates ----
 *
 * version 1 | node id 8 | epoch 4 | first seqno 2 | valid until, unix seconds 8 | roots 32 * 16 |
 * length 2 and chain (core/identity) | length 2 and ML-DSA-65 signature over all before these. */
struct origin_certificate {
	uint64_t node_id;
	uint32_t epoch;
	uint16_t first_seqno;
	int64_t not_after_s;
	struct span roots; /* ORIGIN_ROOTS_LEN; borrowed, as the others */
	struct span chain;
	struct span signed_part;
	struct span signature;
};

/* Strict: nothing missing, nothing behind. -EBADMSG, -EPROTO for another version. */
int origin_certificate_decode(struct span bytes, struct origin_certificate *ret);

/* ---- all that is known ---- */

#define ORIGIN_NODES_MAX ROUTE_DESTINATIONS_MAX
#define ORIGIN_BYTES_MAX (16U << 20) /* of certificates kept for others to fetch */
#define ORIGIN_NEIGHBOURS_MAX ROUTE_NEIGHBOURS_MAX
#define ORIGIN_QUESTIONS_MAX 64 /* of one neighbour, waiting to be answered */
#define ORIGIN_WAITING_MAX 8	/* neighbours that asked for what we have not yet */
#define ORIGIN_NAMERS_MAX 8	/* neighbours that are asked for a certificate in turn */
#define ORIGIN_OTHERS_MAX 4	/* names that wait for their turn, of other neighbours */
#define ORIGIN_VERIFY_PER_S 100
#define ORIGIN_VERIFY_BURST 50
#define ORIGIN_ASK_US 2000000	     /* asked again, of another if there is one */
#define ORIGIN_CANDIDATE_US 10000000 /* a name nobody answers for gives way to another */
#define ORIGIN_SWEEP_US 1000000	     /* a full table is looked through no more often */
#define ORIGIN_BLAME_US 5000000	     /* others may be this much later to verify */
#define ORIGIN_VALID_S 86400	     /* a certificate is used for some four hours */

struct origins;

/* Of many nodes in one process each knows the same certificates: with a store their bytes are there
 * once, while any of them has them. For simulators; a node by itself has nobody to share with. Not
 * for several threads. */
struct origin_store;

/* At most n_max certificates; of what finds no room each keeps its own. -ENOMEM. */
int origin_store_new(size_t n_max, const uint8_t hash_key[16], struct origin_store **ret);
void origin_store_free(struct origin_store *s); /* after all that use it */
size_t origin_store_count(const struct origin_store *s);

struct origin_config {
	const struct crypto_ops *ops; /* sha256 */
	struct entropy entropy;
	uint64_t self;
	uint32_t epoch;
	uint8_t hash_key[16];
	struct origin_store *store; /* NULL: none */
};

int origins_new(const struct origin_config *config, uint64_t now_us, struct origins **ret);
void origins_free(struct origins *o);

/* For struct route_config; lives as long. */
const struct route_proofs *origins_proofs(struct origins *o);

/* Ours: true when a certificate is to be made, for the first, or as seqnos run out. */
bool origins_wants_certificate(const struct origins *o);
/* Makes its chains and writes the bytes to sign, in the context above; returns their length.
 * -EINVAL for a chain that is too long, -ENOBUFS. */
int origins_begin_certificate(struct origins *o, struct span chain, int64_t unix_s, uint8_t *ret,
			      size_t ret_size);
/* From now on it counts. The bytes are those written before. -ENOMEM. */
int origins_end_certificate(struct origins *o, struct span signed_part, struct span signature,
			    uint64_t now_us);

/* Records RECORD_ORIGIN_ASK and RECORD_ORIGIN_PART from a neighbour. -EBADMSG, -EPROTO. */
int origins_input(struct origins *o, uint64_t neighbour, bool is_part, struct span body,
		  uint64_t now_us);
void origins_gone(struct origins *o, uint64_t neighbour);
/* The node was revoked: what is known of it is to be verified anew. */
void origins_forget(struct origins *o, uint64_t node_id);
void origins_tick(struct origins *o, uint64_t now_us);
uint64_t origins_deadline_us(const struct origins *o);

enum origin_action_type {
	ORIGIN_ASK,    /* a record RECORD_ORIGIN_ASK for the neighbour */
	ORIGIN_VERIFY, /* is this certificate good? then origins_verified() */
	ORIGIN_REVIEW, /* routes_review() of the destination */
	ORIGIN_LIED,   /* the neighbour claims of the destination what it cannot prove */
};

struct origin_action {
	enum origin_action_type type;
	uint64_t neighbour;
	uint64_t destination;
	const char *reason; /* ORIGIN_LIED: static text */
	uint8_t name[ORIGIN_HASH_LEN];
	struct span data; /* borrowed until the next call */
};

/* Drain after each call above, and after routes_input() and routes_review(). */
bool origins_next_action(struct origins *o, uint64_t now_us, struct origin_action *ret);
/* Signature, chain, node id and dates were judged: reason is NULL where all are good, and else
 * static text. */
void origins_verified(struct origins *o, const uint8_t name[ORIGIN_HASH_LEN], const char *reason,
		      uint64_t now_us);
/* It cannot be judged now: it is told again. */
void origins_put_off(struct origins *o, const uint8_t name[ORIGIN_HASH_LEN]);
/* The next record RECORD_ORIGIN_PART for a neighbour that asked; false for none. To be asked for
 * while its stream is idle, so that certificates do not delay routes. */
#define ORIGIN_PART_MAX 1240
bool origins_has_part(const struct origins *o, uint64_t neighbour);
/* Walks the neighbours for which there may be parts: start with *cursor = 0. */
bool origins_next_asking(const struct origins *o, size_t *cursor, uint64_t *ret);
bool origins_next_part(struct origins *o, uint64_t neighbour, uint8_t ret[ORIGIN_PART_MAX],
		       size_t *ret_len);

/* ---- views ---- */

enum origin_state {
	ORIGIN_UNPROVED,    /* claims name no certificate */
	ORIGIN_PROVISIONAL, /* it has not come, or was not looked at yet */
	ORIGIN_VERIFIED,
	ORIGIN_REFUSED, /* the last one named is not good, see reason */
};

const char *origin_state_text(enum origin_state state);
enum origin_state origins_state(const struct origins *o, uint64_t node_id, const char **ret_reason);

struct origin_counters {
	uint64_t verified, rejected; /* certificates */
	uint64_t fetched_bytes, served_bytes;
	uint64_t claims_proved, claims_provisional, claims_refused;
	uint64_t own_certificates;
	uint64_t full; /* nodes or certificates for which there was no room */
};

void origins_counters(const struct origins *o, struct origin_counters *ret);
