/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what the files of origin/ share. Private. */
#pragma once

#include "base/map.h"
#include "base/units.h"
#include "core/origin/origin.h"

#define ASK_NAMES_MAX 64 /* in a record */
#define PART_HEAD_LEN 20 /* name 16 | total 2 | offset 2 */
#define PART_BYTES_MAX 1200

enum attribute {
	ATTRIBUTE_PATH = 1,
	ATTRIBUTE_ELEMENT = 2,
	ATTRIBUTE_CERTIFICATE = 4,
};

/* Whose chains: an element is bound to node, epoch and seqno, a node of a tree also to where its
 * certificate begins. */
struct place {
	uint64_t node_id;
	uint32_t epoch;
	uint16_t first_seqno;
};

struct proof {
	const uint8_t *path;	/* NULL: missing, as the others */
	const uint8_t *element; /* at the step of the metric claimed */
	const uint8_t *name;
	const uint8_t *next_name; /* of the certificate that follows, once it is made */
};

enum certificate_state {
	CERTIFICATE_WANTED,
	CERTIFICATE_HELD, /* its bytes have the name that was asked for */
	CERTIFICATE_VERIFIED,
	CERTIFICATE_BAD,
};

/* Of one that has yet to come. */
struct quest {
	uint64_t namers[ORIGIN_NAMERS_MAX]; /* neighbours that named it: each is asked in turn */
	unsigned n_namers, turn;
	uint64_t ask_us; /* in asked: when to ask again */
	uint64_t asked_of;
	uint64_t waiting[ORIGIN_WAITING_MAX]; /* neighbours that asked for it */
	unsigned n_waiting;
};

struct certificate {
	uint8_t name[ORIGIN_HASH_LEN];
	enum certificate_state state;
	bool is_shared;	    /* what roots leads to, and bytes, is of the store */
	const char *reason; /* CERTIFICATE_BAD */
	struct origin *origin;
	struct quest *quest; /* WANTED, HELD; else NULL */
	uint64_t since_us;
	uint64_t verified_us;
	uint8_t *bytes; /* NULL: not kept */
	size_t total, have;
	struct certificates *queue; /* in which it waits, or NULL */
	struct certificate *next, *prev;
	/* VERIFIED: */
	uint32_t epoch;
	uint16_t first_seqno;
	uint8_t *roots; /* ORIGIN_ROOTS_LEN within bytes; where those are NULL kept alone or shared
			 */
	/* The nearest element proved of a seqno, and its path: others' are compared with it. */
	bool has_best;
	uint16_t best_seqno;
	uint8_t best_step;
	uint8_t best[ORIGIN_HASH_LEN];
	uint8_t best_path[ORIGIN_PATH_LEN];
};

/* First in first out. */
struct certificates {
	struct certificate *first, *last;
};

/* A name that waits for its turn as the candidate; each neighbour has one at most. */
struct other {
	uint64_t by;
	uint8_t name[ORIGIN_HASH_LEN];
};

struct origin {
	uint64_t id;
	struct certificate *now, *before; /* verified, or NULL; now is the later one */
	struct certificate *candidate;	  /* in any other state, or NULL */
	struct other *others;		  /* ORIGIN_OTHERS_MAX; NULL for none */
	unsigned n_others;
	bool needs_review;
	struct origin *next_review;
};

struct own_certificate {
	bool is_made; /* and signed */
	uint16_t first_seqno;
	uint8_t secret[32];
	uint8_t name[ORIGIN_HASH_LEN];
	uint8_t leaves[ORIGIN_SEQNOS][ORIGIN_HASH_LEN];
	uint64_t made_us;
	uint32_t epoch;
};

/* A neighbour to which something is to be sent, for as long as that is so. */
struct questioner {
	uint64_t id;
	uint8_t names[ORIGIN_QUESTIONS_MAX][ORIGIN_HASH_LEN];
	size_t n;
	size_t at; /* of the first one's bytes */
};

struct lie {
	uint64_t neighbour, destination;
	const char *reason;
};

#define LIES_MAX 16 /* waiting to be told; more are only counted */

struct origins {
	struct origin_config config;
	struct route_proofs proofs;
	struct map *by_id;	       /* node id -> struct origin */
	struct map *by_name;	       /* -> struct certificate */
	size_t n_bytes;		       /* kept */
	struct own_certificate own[2]; /* the newer first */
	struct own_certificate *making;
	uint32_t own_epoch; /* as last asked for by the routing table */
	uint16_t own_seqno;
	struct certificates to_ask, asked, to_verify; /* asked: again at their ask_us */
	struct origin *to_review;
	struct questioner *asking[ORIGIN_NEIGHBOURS_MAX];
	unsigned n_asking;
	struct lie lies[LIES_MAX];
	size_t n_lies;
	uint64_t tokens_us; /* verifications, in their time */
	uint64_t swept_us;  /* when nodes were last forgotten for want of room */
	uint64_t now_us;
	uint8_t body[ASK_NAMES_MAX * ORIGIN_HASH_LEN];
	struct origin_counters counters;
};

/* ---- proof.c ---- */
void proof_first_element(const struct crypto_ops *ops, const uint8_t secret[32], uint8_t place,
			 uint8_t ret[ORIGIN_HASH_LEN]);
/* Hashes an element of the seqno's chain forward, in place. */
void proof_advance(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		   unsigned from, unsigned to, uint8_t element[ORIGIN_HASH_LEN]);
void proof_leaf(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t last[ORIGIN_HASH_LEN], uint8_t ret[ORIGIN_HASH_LEN]);
/* The root that leads from the leaf by the path. */
void proof_root(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t leaf[ORIGIN_HASH_LEN], const uint8_t path[ORIGIN_PATH_LEN],
		uint8_t ret[ORIGIN_HASH_LEN]);
/* The path of a leaf among the eight of its subtree. */
void proof_path(const struct crypto_ops *ops, const struct place *p, uint8_t seqno_at,
		const uint8_t (*leaves)[ORIGIN_HASH_LEN], uint8_t ret[ORIGIN_PATH_LEN]);
struct proof proof_find(struct span attributes);
/* With another element, or none. */
size_t proof_write(const struct proof *p, const uint8_t *element, uint8_t ret[ROUTE_PROOF_MAX]);

/* ---- own.c ---- */
size_t own_attributes(struct origins *o, uint32_t epoch, uint16_t seqno,
		      uint8_t ret[ROUTE_PROOF_MAX]);

/* ---- origins.c ---- */
struct origin *origin_find(const struct origins *o, uint64_t id);
struct origin *origin_make(struct origins *o, uint64_t id); /* NULL: no room */
struct certificate *certificate_make(struct origins *o, struct origin *origin,
				     const uint8_t name[ORIGIN_HASH_LEN]);
void certificate_free(struct origins *o, struct certificate *c);
void certificate_drop_bytes(struct origins *o, struct certificate *c);
void certificate_end_quest(struct certificate *c); /* it has come, or will not */
/* It is verified, and takes its place. */
void certificate_install(struct origins *o, struct certificate *c,
			 const struct origin_certificate *read);
void want_review(struct origins *o, struct origin *origin);
/* The next name has its turn where the candidate has had its time. */
void next_candidate(struct origins *o, struct origin *origin);

/* ---- store.c ---- */
/* The bytes of that name, as long as store_drop() is not called; NULL: there is no room. */
uint8_t *store_take(struct origin_store *s, const uint8_t name[ORIGIN_HASH_LEN], struct span bytes);
void store_drop(struct origin_store *s, const uint8_t name[ORIGIN_HASH_LEN]);

/* ---- fetch.c ---- */
void queue_question(struct origins *o, struct certificate *c);
void unqueue(struct certificate *c);
/* Its bytes are here: whoever asked gets them. */
void serve_waiting(struct origins *o, struct certificate *c);
void forget_questioners(struct origins *o); /* all */
/* Makes room for so many bytes more; false: there is none. */
bool make_room(struct origins *o, size_t len);
