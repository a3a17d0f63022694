/* SPDX-License-Identifier: Apache-2.0 */
/* handshake.h - all handshakes of one node: SIGMA-I over Noise NNpsk0+hfs with X25519 and
 * ML-KEM-768, authenticated by ML-DSA-65 certificates. See docs/handshake.md.
 *
 * Five verbs: datagrams and time go in, actions come out. It owns cookies, fragments, half-open
 * state and its limits, retransmission, and the cache of peers' chains; it leaves finished
 * secrets to core/session and what a peer may do to core/policy (asked through the judge). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/rng.h"
#include "core/crypto/crypto.h"
#include "core/identity/identity.h"

#define HS_HALF_OPEN_MAX 1024
#define HS_HALF_OPEN_PREFIX_MAX 64 /* per IPv4 /24 or IPv6 /56 */
#define HS_HALF_OPEN_SOURCE_MAX 4
#define HS_WARM_HALF_OPEN_MAX 4
#define HS_M1_BYTES_MAX (2U << 20)
#define HS_CHAIN_CACHE_MAX 1024
#define HS_VERIFIED_US UINT64_C(3600000000) /* a chain is verified anew after an hour */
#define HS_JOIN_LEN_MAX 10240		    /* bytes of a join block J: two CSRs */
#define HS_OLD_NETWORK_KEYS_MAX 1

#define HS_JOBS_WAITING_MAX 64 /* a fraction of a second's work for one processor */
#define HS_WORKERS_MAX 64

#define WIRE_HS_DATAGRAM_SIZE 1232 /* header 16, body 1,184, two macs */

/* How datagrams reach the other side: directly, or in packets of kind "handshake" that the
 * mesh relays to node_id. */
struct hs_path {
	bool is_mesh;
	struct endpoint remote; /* direct */
	uint64_t node_id;	/* through the mesh: the other end */
	uint64_t via;		/* through the mesh, incoming: the neighbour that handed it over */
};

/* Whom the initiator expects. An impostor gets no M3. */
struct hs_expect {
	char spiffe_id[SPIFFE_ID_SIZE]; /* this one; or "": */
	uint64_t node_id;		/* this one; or 0: any valid SVID of the domain */
};

struct hs_identity {
	const struct span *chain; /* DER, leaf first; borrowed until replaced */
	size_t n_chain;
	const struct signing_key *key;
	char spiffe_id[SPIFFE_ID_SIZE];
	uint64_t node_id;
	uint64_t boot_epoch;
	int64_t not_after_s; /* of the leaf; 0: not known */
	struct span root; /* DER of the root, appended to the chain for joiners; authority only */
};

/* Questions to the node, all answered from memory. */
struct hs_judge {
	/* Unix seconds, for the dates of certificates. */
	int64_t (*unix_s)(void *arg);
	/* Chain of a peer, all but what recheck asks: IDENTITY_OK and ret, or why not. For a joiner
	 * the chain ends with the root that the invitation names, whose hash has been checked: it
	 * is the only root to verify against. Asked in a job, perhaps by another thread: it may
	 * read only what does not change while there are handshakes. */
	enum identity_fault (*verify)(void *arg, const struct span *chain, size_t n, int64_t unix_s,
				      struct peer_identity *ret);
	/* What may have changed since a chain was verified: asked right after it and at each later
	 * use of what verify returned (trust_recheck()). */
	enum identity_fault (*recheck)(void *arg, const struct peer_identity *peer);
	/* May this peer have a session? Asked of both roles, after recheck. */
	bool (*accept)(void *arg, const struct peer_identity *peer);
	/* Responder, JOIN: the join key of a token, false if unknown. Only shape and key are
	 * judged here; uses and expiry when the request is granted. */
	bool (*token)(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret_join_key[SHA256_LEN]);
	/* CSR (ML-DSA-65): its public key, after its own signature verified. -EKEYREJECTED. In a
	 * job, as verify. */
	int (*csr_key)(void *arg, struct span csr, uint8_t ret_pk[MLDSA65_PK_LEN]);
	/* Is this receiver index in use by sessions or pending retirement? */
	bool (*index_is_free)(void *arg, uint32_t index);
};

struct hs_config {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed; /* for jitter */
	const struct hs_judge *judge;
	void *judge_arg;
	uint8_t aead_offer; /* bits of enum aead_algorithm; ChaCha20-Poly1305 is always added */
	uint8_t lanes;	    /* 1..16, how many counter lanes we send on */
	bool accept_joins;  /* the authority's nodes only */
	/* How many jobs may be out at once, HS_WORKERS_MAX at most; 0: none are given out, each is
	 * run within the call that makes it. */
	unsigned n_workers;
};

struct handshakes;

int handshakes_new(const struct hs_config *config, struct handshakes **ret);
void handshakes_free(struct handshakes *h);

/* Own identity; NULL before a joiner has one. Copies the struct, borrows what it points to; the
 * key of the one before as long as jobs made with it are out (handshakes_jobs_out()).
 * -ENOBUFS or -EINVAL for a chain that does not fit into M2 (with the root, at an authority):
 * there is no identity then. */
int handshakes_set_identity(struct handshakes *h, const struct hs_identity *identity);
/* NK: initiators use the first, responders try them in order (HS_OLD_NETWORK_KEYS_MAX + 1 at
 * most). */
void handshakes_set_network_keys(struct handshakes *h, const uint8_t (*keys)[NETWORK_KEY_LEN],
				 size_t n);

/* Trust has changed: chains that the judge no longer accepts are forgotten. */
void handshakes_recheck(struct handshakes *h);

/* Begins a handshake as initiator. id is the caller's name for the attempt, returned with its
 * outcome. -EALREADY when one to the same path is under way, -ENOBUFS, -EKEYREJECTED for
 * oneself, -EAGAIN without identity or network key.
 *
 * Should the responder have lost our chain, which was sent by its hash alone, the handshake is
 * made again by itself: HS_DONE, or HS_FAILED, comes a second time for the same id, HS_DONE with
 * other indices. */
int handshakes_start(struct handshakes *h, uint64_t id, const struct hs_path *path,
		     const struct hs_expect *expect, uint64_t now_us);

/* A joiner's block and keys, for handshakes_start_join(); all borrowed until the outcome, and
 * as long as jobs are out. */
struct hs_join {
	struct span csr_mldsa;
	struct span csr_p256;
	const struct signing_key *key; /* of csr_mldsa */
	struct token token;
	uint8_t ca[SHA256_LEN]; /* the ML-DSA root must have this SHA-256 */
	char domain[DOMAIN_MAX + 1];
};

int handshakes_start_join(struct handshakes *h, uint64_t id, const struct hs_path *path,
			  const struct hs_join *join, uint64_t now_us);

/* Ends the attempt named id, silently. */
void handshakes_cancel(struct handshakes *h, uint64_t id);

/* A datagram of type 1 to 5 that came by path. Whatever is wrong with it is met with silence
 * and a counter. */
void handshakes_input(struct handshakes *h, const struct hs_path *path, struct span datagram,
		      uint64_t now_us);
/* The first authentic transport packet of a finished handshake's session has arrived: M3 need
 * not be sent again. */
void handshakes_confirmed(struct handshakes *h, uint32_t local_index);
void handshakes_tick(struct handshakes *h, uint64_t now_us);
uint64_t handshakes_deadline_us(const struct handshakes *h);

/* ---- jobs ----
 *
 * What burns processor time, the signatures and key exchanges above all, is done in jobs. A job
 * holds copies of all it works on, so that it can be run by any thread while the handshakes go
 * on; what came of it counts when it is brought back, if its handshake is still there and waits
 * for it. Those that wait for a worker are bounded; the least proven give way, and of these
 * whoever has had the most work done. */

struct hs_job;

/* Work of somebody else, of the same kind: done when no handshake waits. run may be on any thread;
 * done is on the loop, is_run false where it was not; free then, or when it is given up. */
struct hs_errand {
	void (*run)(void *arg);
	void (*done)(void *arg, bool is_run, uint64_t now_us);
	void (*free)(void *arg);
	void *arg;
};

#define HS_ERRANDS_MAX 64
/* Takes arg. -ENOBUFS, -ENOMEM: it does not. */
int handshakes_errand(struct handshakes *h, const struct hs_errand *errand, uint64_t now_us);

/* The next job to run; NULL when none waits or n_workers are out. The caller's, until
 * handshakes_job_done() or, after handshakes_free(), hs_job_free(). */
struct hs_job *handshakes_next_job(struct handshakes *h, uint64_t now_us);
/* On any thread. Reads the identity's key, and asks the judge to verify. */
void hs_job_run(struct hs_job *job);
/* Takes the job; one that was not run counts as failed. */
void handshakes_job_done(struct handshakes *h, struct hs_job *job, uint64_t now_us);
unsigned handshakes_jobs_out(const struct handshakes *h);
void hs_job_free(struct hs_job *job); /* wipes */

enum hs_action_type {
	HS_SEND,   /* datagram on path */
	HS_DONE,   /* secrets for a session */
	HS_FAILED, /* an attempt of ours gave up */
};

enum hs_failure {
	HS_FAIL_TIMEOUT,       /* no answer at all: unreachable, wrong NK, or nobody there */
	HS_FAIL_NO_COMPLETION, /* answers came, but no valid message within the time */
	HS_FAIL_IDENTITY,      /* the certificate did not verify: .fault says why */
	HS_FAIL_UNEXPECTED,    /* a valid member, but not the one expected */
	HS_FAIL_POLICY,	       /* the judge did not accept */
	HS_FAIL_LOST_RACE,     /* simultaneous open: the other handshake completed */
};

/* The secrets are the receiver's to wipe. */
struct hs_done {
	uint64_t id; /* of our attempt; 0 as responder */
	bool is_initiator;
	bool is_join;
	struct peer_identity peer; /* as join responder: only pk is set, from the CSR */
	uint8_t root[SHA256_LEN];  /* S_0 */
	enum aead_algorithm aead;
	uint8_t lanes_local; /* we may send on 0..n-1 */
	uint8_t lanes_peer;  /* the peer may */
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t peer_boot_epoch;
	uint8_t e_initiator[X25519_LEN]; /* orders crossing handshakes (lower wins) */
	uint64_t began_us;		 /* our first datagram, or theirs */
	/* join */
	uint8_t token_id[TOKEN_ID_LEN];
	uint8_t request_hash[SHA256_LEN]; /* H(J) */
	uint8_t t_i[SHA256_LEN];
	uint8_t join_key[SHA256_LEN];
	struct span csr_mldsa; /* responder; borrowed until the next call */
	struct span csr_p256;
};

struct hs_action {
	enum hs_action_type type;
	struct hs_path path;
	uint8_t datagram[WIRE_HS_DATAGRAM_SIZE]; /* HS_SEND */
	size_t len;
	struct hs_done done; /* HS_DONE */
	uint64_t id;	     /* HS_FAILED */
	enum hs_failure failure;
	enum identity_fault fault;
	uint64_t began_us; /* HS_FAILED */
};

/* The next thing to do; false once drained. ret is filled whole. */
bool handshakes_next_action(struct handshakes *h, struct hs_action *ret);

/* As responder: M3 of a handshake already done has come again, so that the initiator has not
 * heard from us: the session with this local index had better say something once more. False
 * once drained. */
bool handshakes_next_repeated(struct handshakes *h, uint32_t *ret_local_index);

const char *hs_failure_text(enum hs_failure failure);

struct hs_counters {
	uint64_t datagrams, bad_mac1, bad_mac2, cookies_sent, fragments_dropped, half_open,
		half_open_refused, messages_failed, started, completed, failed, replayed, jobs,
		jobs_refused, /* not begun, because too many waited */
		m1_over_rate; /* not looked at, or not begun: their senders have had their share */
};

void handshakes_counters(const struct handshakes *h, struct hs_counters *ret);

/* tokR = HMAC(jk, "x0 join accept" \0 | T_I | H(bundle and chains)) for a join answer. */
void join_accept_mac(const struct crypto_ops *ops, const uint8_t join_key[SHA256_LEN],
		     const uint8_t t_i[SHA256_LEN], struct span answer, uint8_t ret[SHA256_LEN]);
