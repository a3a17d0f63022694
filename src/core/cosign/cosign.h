/* SPDX-License-Identifier: Apache-2.0 */
/* cosign.h - neighbours witness each other's ledgers (docs/ledger.md, Witnesses).
 *
 * A log offers its latest checkpoint to each neighbour, with a proof from the one that this
 * neighbour has signed last. The neighbour answers with its cosignatures, with the size that it
 * wants a proof from, or that it refuses. Now and then it tells a neighbour of its own what it has
 * seen, so that a log which shows one history to some and another to others is found out.
 *
 * No file, no clock: what is remembered of a log is loaded and stored by whoever calls. */
#pragma once

#include "core/ledger/witness.h"

#define COSIGN_PEERS_MAX 256 /* neighbours that are offered to and listened to */
#define COSIGN_LOGS_MAX 256  /* logs that are remembered */
#define COSIGN_PER_MINUTE 12 /* messages of a neighbour; more are left out and counted */
#define COSIGN_ASKS_MAX 4    /* proofs that a witness may ask for in a row */
#define COSIGN_RETRY_US UINT64_C(30000000)	 /* an offer that is not answered is made again */
#define COSIGN_REFUSED_US UINT64_C(600000000)	 /* one that was refused, so much later */
#define COSIGN_UNIX_S_MAX UINT64_C(253402300799) /* the year 9999: what can be shown as a date */
#define COSIGN_LINES_MAX 4096			 /* two cosignatures with the longest names */
#define COSIGN_MESSAGE_MAX 8192
#define COSIGN_RECORD_MAX \
	(2 * (NOTE_KEY_TEXT_SIZE + 1) + 1 + CHECKPOINT_SIGNED_MAX + COSIGN_LINES_MAX)

/* ---- messages ---- */

enum cosign_type {
	COSIGN_OFFER = 1, /* my latest checkpoint, and a proof from size */
	COSIGN_HAVE,	  /* prove it from size */
	COSIGN_SIGNED,	  /* my cosignatures of your checkpoint of size */
	COSIGN_REFUSED,	  /* I do not sign your checkpoint of size */
	COSIGN_SEEN,	  /* another log's checkpoint, as I have seen it */
	COSIGN_N_TYPES,
};

enum cosign_refusal {
	COSIGN_NOT_REFUSED,
	COSIGN_SPLIT,	   /* two histories, both signed by the log */
	COSIGN_UNPROVEN,   /* not proved to go on from what was seen */
	COSIGN_SHORTER,	   /* fewer entries than were seen */
	COSIGN_OTHER_KEYS, /* not those that were seen first */
	COSIGN_FULL,	   /* no room to remember another log */
	COSIGN_NOT_KEPT,   /* it could not be made durable: not now */
	COSIGN_N_REFUSALS,
};

/* Borrowed from the bytes that were decoded. What a type has not is empty. */
struct cosign_message {
	enum cosign_type type;
	uint64_t size;
	enum cosign_refusal why;      /* REFUSED */
	struct span ed25519, mldsa44; /* public keys: the log's; SIGNED: the witness's */
	struct span text;	      /* the note; SIGNED: its lines of signature */
	struct merkle_hash proof[MERKLE_PROOF_MAX]; /* OFFER */
	size_t n_proof;
};

/* -EBADMSG: cut short, too long, or another version of this; -EPROTO: values that cannot be. */
int cosign_decode(struct span bytes, struct cosign_message *ret);
void cosign_encode(const struct cosign_message *m, struct writer *w);
const char *cosign_refusal_name(enum cosign_refusal r);

/* A note with the keys to check it, as it is stored: two keys a line each as signed-note has them,
 * an empty line, the note. */
void cosign_record_write(struct writer *w, const struct note_key keys[2], struct span note);
/* The note is borrowed. -EBADMSG. */
int cosign_record_decode(const struct crypto_ops *ops, struct span bytes,
			 struct note_key ret_keys[2], struct span *ret_note);

/* ---- the witness ---- */

/* What is remembered of a log. All zeros: never seen. */
struct cosign_log {
	struct witness of;
	bool has_rumour; /* somebody else was shown this: the log owes a proof that it fits */
	struct checkpoint rumour;
	struct witness_evidence rumour_note;
};

/* The records that a log is remembered by; an empty one is not there. */
enum cosign_record {
	COSIGN_LATEST,
	COSIGN_RUMOUR,
	COSIGN_EVIDENCE_1,
	COSIGN_EVIDENCE_2,
	COSIGN_N_RECORDS,
};

/* -EUCLEAN: one of them is damaged, or they do not belong together. ret is all zeros before. */
int cosign_log_decode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		      const struct span records[COSIGN_N_RECORDS], struct cosign_log *ret);
/* Of COSIGN_RECORD_MAX at most; nothing where there is none. */
void cosign_log_encode(const struct cosign_log *l, enum cosign_record which, struct writer *w);

/* Which parts of a cosign_log. */
#define COSIGN_KEEP_LATEST 1U
#define COSIGN_KEEP_RUMOUR 2U /* none: it is to be removed */
#define COSIGN_KEEP_EVIDENCE 4U

/* Where that is kept. */
struct cosign_store {
	/* Fills ret, which is zeros, with what there is of that log. -ENOBUFS: it is new and there
	 * is no room for one more. */
	int (*load)(void *user, const char *origin, struct cosign_log *ret);
	/* Durable when it returns 0. */
	int (*keep)(void *user, const char *origin, const struct cosign_log *l, unsigned parts);
	void *user;
};

struct cosign_signer {
	const struct crypto_ops *ops;
	const struct note_crypto *crypto;
	const struct entropy *entropy;
	const struct ledger_keys *keys;
};

struct cosign_answer {
	bool has_reply;
	char to[NOTE_NAME_MAX + 1];  /* the origin of whom the reply is for */
	struct cosign_message reply; /* without what is borrowed; the bytes are below */
	size_t len;
	uint8_t bytes[COSIGN_MESSAGE_MAX];
	bool is_newer;	  /* a checkpoint that was not known: worth telling others */
	bool is_incident; /* the first evidence against the log, or one that proves more */
	char about[NOTE_NAME_MAX + 1]; /* the log */
	uint64_t had_size, now_size;   /* what the log had shown, and what it shows */
};

/* An OFFER or SEEN from the node whose log is called origin, as its session proves: judged, kept,
 * and then signed. Negative, and nothing changes: what cannot be right or is not signed by the log.
 */
int cosign_answer(const struct cosign_signer *me, const struct cosign_store *store,
		  const char *origin, const struct cosign_message *m, uint64_t unix_s,
		  struct cosign_answer *ret);
/* What to tell others of a log that is remembered. */
void cosign_write_seen(struct writer *w, const struct cosign_log *l);

/* ---- the log ---- */

/* The proof is from size. */
void cosign_write_offer(struct writer *w, const struct note_key keys[2], struct span note,
			uint64_t size, const struct merkle_hash *proof, size_t n_proof);
/* Checks a SIGNED of the witness called that against the log's own checkpoint, and writes the
 * record: the witness's keys, the note with the cosignatures. -ESTALE: of another size; -EBADMSG,
 * -EKEYREJECTED. */
int cosign_take(const struct crypto_ops *ops, const struct note_crypto *crypto,
		const struct note_key keys[2], struct span note, const char *witness,
		const struct cosign_message *m, uint64_t *ret_unix_s, struct writer *w);
/* The same of a record that was kept: the note must be the log's own and cosigned by the record's
 * keys. *ret_witness has room for a name. */
int cosign_record_verify(const struct crypto_ops *ops, const struct note_crypto *crypto,
			 const struct note_key keys[2], struct span record, struct checkpoint *ret,
			 char *ret_witness, uint64_t *ret_unix_s);

/* ---- the desk ---- */

struct cosign_peer {
	uint64_t id;
	bool is_up;
	bool is_new;	      /* has not answered since the link came up: it is offered to anyhow */
	uint64_t from_size;   /* what the next offer has a proof from */
	uint64_t signed_size; /* 0: nothing */
	uint64_t signed_unix_s;
	enum cosign_refusal refusal; /* of the last answer */
	uint64_t offer_us;	     /* no offer before */
	unsigned n_asks;	     /* proofs it has asked for since the last offer that was due */
	uint64_t minute_us;	     /* whose messages are counted */
	unsigned n_messages;
};

struct cosign_desk {
	uint64_t size;	      /* of the own checkpoint */
	size_t n_peers, told; /* told: whose turn it was */
	uint64_t n_left_out;
	struct cosign_peer peers[COSIGN_PEERS_MAX];
};

/* The neighbour's link is up or down. One that is new finds no room beyond COSIGN_PEERS_MAX, but
 * in the place of one that is down. */
void cosign_desk_link(struct cosign_desk *d, uint64_t id, bool is_up, uint64_t now_us);
/* What the witness is known to have signed, from before a restart. */
void cosign_desk_known(struct cosign_desk *d, uint64_t id, uint64_t size, uint64_t unix_s);
struct cosign_peer *cosign_desk_find(struct cosign_desk *d, uint64_t id);
/* To whom an offer is due; it counts as made. */
bool cosign_desk_next(struct cosign_desk *d, uint64_t now_us, struct cosign_peer *ret);
/* Whether a message of this neighbour is to be looked at. */
bool cosign_desk_admits(struct cosign_desk *d, uint64_t id, uint64_t now_us);
/* HAVE, SIGNED (once it was checked; at unix_s) or REFUSED. */
void cosign_desk_answered(struct cosign_desk *d, uint64_t id, const struct cosign_message *m,
			  uint64_t unix_s, uint64_t now_us);
/* Whom to tell of a log that is not his own, in turn; 0: nobody. */
uint64_t cosign_desk_tell(struct cosign_desk *d, uint64_t except);
