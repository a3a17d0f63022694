/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share: the state of one handshake, and of all. */
#pragma once

#include "base/map.h"
#include "core/handshake/cookie.h"
#include "core/handshake/fragment.h"
#include "core/handshake/handshake.h"
#include "core/handshake/schedule.h"

#define ATTEMPTS_MAX 256	 /* of ours under way; a node has fewer neighbours and contacts */
#define ATTEMPT_US SECONDS(8)	 /* an initiator gives up */
#define HALF_OPEN_US SECONDS(10) /* a responder forgets */
#define ACK_DELAY_US MS(20)	 /* after the last new fragment */
#define RESEND_MIN_US MS(200)
#define RESEND_MAX_US SECONDS(2)
#define RESEND_JITTER_PERCENT 20
#define FIRST_RETRY_MIN_US MS(50)
#define FIRST_RETRY_SPREAD_US MS(200)
#define CROSSING_HOLD_US SECONDS(1)
#define FAILURES_MAX 3	       /* bad messages, then the handshake ends */
#define COOKIES_FOLLOWED_MAX 5 /* per attempt */
#define MAC1_MEMORY 4
#define RESTARTS_MAX 2		   /* of an attempt, when a hash was not known */
#define REPLAYS_MAX 16384	   /* remembered H(eI); the oldest goes */
#define WARM_MAX 1024		   /* warm cookies kept; the oldest goes */
#define WARM_LIFE_US SECONDS(7200) /* the longest one can be worth something */
#define ACTIONS_MAX 1024	   /* datagrams waiting to be sent; more are lost */
#define REPEATED_MAX 64
/* New M1 a second that are looked at, of those who have proved their address. One that is not is
 * dropped before anything is computed for it; it comes again. */
#define M1_HOST_RATE 50
#define M1_NETWORK_RATE 100
#define M1_PREFIX_RATE 200
#define FAIR_BUCKETS 256	/* who has had work done, by hash */
#define FAIR_HALF_US SECONDS(1) /* what was done counts half as much after this */
#define NETWORK_KEYS_MAX (HS_OLD_NETWORK_KEYS_MAX + 1)
#define PATH_KEY_LEN 24

#define ACK_RESULT_PARTIAL 0
#define ACK_RESULT_UNKNOWN_HASH 1

enum hs_state {
	I_COOKIE,  /* first fragment of M1 out, without a cookie */
	I_M1,	   /* M1 out, M2 expected */
	I_M3,	   /* M3 out: done, but for its repetition */
	R_M1,	   /* M1 arriving */
	R_M2,	   /* M2 out, M3 expected */
	R_DONE,	   /* M3 accepted; remembered for its repetitions */
	R_REFUSED, /* M3 named a chain we do not hold; I is told so */
};

/* A path as a map's key: tag 1 | address or node id, padded with zeros. */
struct path_key {
	uint8_t bytes[PATH_KEY_LEN];
};

/* What only an initiator has. */
struct attempt {
	uint64_t id;
	struct hs_expect expect;
	bool is_join;
	struct hs_join join;
	struct ephemeral ephemeral;
	uint8_t aead_offer;
	bool offered_hash; /* M1 says that we hold the responder's chain */
	bool without_hash; /* a hash was not known: chains in full */
	unsigned n_restarts;
	uint8_t mac1[MAC1_MEMORY][WIRE_MAC_LEN]; /* of the last first fragments, a ring */
	unsigned n_mac1;
	unsigned n_cookies;
	bool was_heard;	      /* anything authentic came back */
	uint64_t hold_us;     /* a crossing handshake goes first, until then; 0 never */
	uint64_t crossing_us; /* when a crossing M1 was first put off; 0 never */
	bool has_failure;     /* why the last message was refused */
	enum hs_failure failure;
	enum identity_fault fault;
};

/* Handshakes that have something in common, in the order of coming. */
struct crowd {
	uint8_t key[PATH_KEY_LEN];
	unsigned n;
	struct handshake *oldest, *newest;
};

/* What half-open handshakes have in common. */
enum crowd_level {
	CROWD_SOURCE,
	CROWD_HOST,
	CROWD_NETWORK,
	CROWD_PREFIX,
	N_CROWDS,
};

struct handshake {
	enum hs_state state;
	bool is_initiator;
	struct hs_path path;
	struct path_key key;
	uint32_t local_index;
	uint32_t remote_index; /* 0 unknown */
	struct network_keys nk;
	uint8_t cookie[COOKIE_LEN];
	uint8_t cookie_epoch; /* 0: no cookie yet */
	struct exchange x;
	struct outgoing out;
	enum wire_type out_type;
	struct incoming in;
	enum wire_type in_type;
	uint16_t in_len; /* of the message last heard of */
	unsigned n_failures;
	uint64_t begun_us;
	uint64_t end_us;    /* gives up, or is forgotten */
	uint64_t resend_us; /* NEVER_US: no flight of ours is open */
	uint64_t interval_us;
	uint64_t ack_us;     /* NEVER_US: none owed */
	uint64_t refused_us; /* last refusal sent */
	uint64_t sent_us;    /* first time the present flight was sent, for the RTT */
	uint64_t rtt_us;     /* 0 unknown */
	enum aead_algorithm aead;
	bool is_join;
	bool sent_hash;		  /* our last message has our chain as a hash */
	uint64_t peer_id;	  /* whose chain was verified */
	uint64_t peer_boot_epoch; /* from M2 */
	uint64_t job;		  /* number of the one it waits for; 0 none */
	struct attempt *attempt;  /* initiator */
	/* Half open: one of each level. Ours and finished ones: the first, of all such. */
	struct crowd *crowd[N_CROWDS];
	struct handshake *older[N_CROWDS], *newer[N_CROWDS];
};

/* Whose work is counted, the wider first. */
enum fair_level {
	FAIR_PREFIX,
	FAIR_NETWORK,
	FAIR_HOST,
	N_FAIR,
};

enum job_kind {
	JOB_WRITE_M2,
	JOB_CHECK_M2,
	JOB_WRITE_M3,
	JOB_CHECK_M3,
	JOB_ERRAND,
};

/* The most proven first: who may go on while others wait. */
enum job_class {
	JOB_CLASS_OWN,	/* we began it */
	JOB_CLASS_M3,	/* the peer has agreed on keys with us */
	JOB_CLASS_WARM, /* M1 on a cookie from an earlier handshake */
	JOB_CLASS_M1,
};

struct verified {
	enum identity_fault fault;
	bool is_unknown_hash;
	struct peer_identity peer;
	uint64_t verified_us;
	uint8_t hash[SHA256_LEN];
	struct span encoded;
};

/* One step of one handshake, with all that it reads and writes; the second of two initiators'
 * steps goes on with what the first has left here. */
struct hs_job {
	struct hs_job *next; /* while it waits */
	enum job_kind kind;
	enum job_class class;
	uint8_t bucket[N_FAIR];
	uint32_t local_index; /* of its handshake */
	uint64_t number;
	bool is_run;
	int r; /* what came of it: as the functions of schedule.h */
	const struct crypto_ops *ops;
	const struct hs_judge *judge;
	void *judge_arg;
	int64_t unix_s;
	uint64_t now_us; /* when it was made */
	struct exchange x;
	bool is_join;
	/* writing: M2, M3 */
	uint32_t responder_index;
	uint8_t ek[MLKEM768_EK_LEN];
	struct m2_seeds seeds; /* of M3, rnd alone */
	struct params params;
	uint8_t warm[WARM_LEN];
	uint8_t *credential_bytes; /* owned, CHAIN_FIELD_ROOM; borrowed by credential */
	struct credential credential;
	const struct signing_key *key; /* borrowed */
	uint8_t *message;	       /* owned, what was written */
	size_t message_len;
	/* checking: M2 */
	uint8_t *in; /* owned, as it came */
	size_t in_len;
	struct ephemeral ephemeral;
	uint8_t aead_offer;
	bool offered_hash;
	struct hs_join join;
	/* checking: M2, M3 */
	uint8_t *plaintext; /* owned; borrowed by payload and verified */
	size_t plaintext_size;
	struct payload payload;
	struct verified verified;
	/* the chain held of this peer, if any, and whether its verification stands */
	uint8_t *known; /* owned */
	size_t known_len;
	uint8_t known_hash[SHA256_LEN];
	bool known_is_fresh;
	uint64_t known_us; /* when it was verified */
	struct peer_identity known_peer;
	/* join */
	struct join_block block;
	uint8_t join_key[SHA256_LEN];
	struct hs_errand errand;
};

struct action {
	struct action *next;
	enum hs_action_type type;
	struct hs_path path;
	struct hs_done *done; /* owned; wiped */
	uint8_t *join_block;  /* owned; done's CSRs are in it */
	uint64_t id;
	enum hs_failure failure;
	enum identity_fault fault;
	uint64_t began_us; /* HS_FAILED */
	size_t len;
	uint8_t datagram[]; /* HS_SEND */
};

struct replay {
	uint8_t hash[SHA256_LEN]; /* H(eI) */
	uint64_t until_us;
};

struct warm_cookie {
	struct path_key key;
	uint8_t cookie[COOKIE_LEN];
	uint64_t until_us;
};

/* A peer's chain, what it proved, and whether the peer holds ours. */
struct cached_chain {
	uint64_t node_id;
	uint8_t hash[SHA256_LEN];
	struct peer_identity peer; /* what it proved when it was verified, */
	uint64_t verified_us;	   /* at this time */
	uint8_t *bytes;		   /* owned; encoded */
	size_t len;
	bool took_ours; /* with this hash, under this boot epoch of the peer's */
	uint8_t ours[SHA256_LEN];
	uint64_t boot_epoch;
};

struct handshakes {
	const struct crypto_ops *ops;
	struct entropy entropy;
	struct rng rng;
	const struct hs_judge *judge;
	void *judge_arg;
	uint8_t aead_offer;
	uint8_t lanes;
	bool accept_joins;
	bool has_identity;
	struct hs_identity identity;
	uint8_t own_hash[SHA256_LEN]; /* of identity.chain */
	struct network_keys nk[NETWORK_KEYS_MAX];
	size_t n_nk;
	struct cookie_jar jar;
	struct rates m1_rates;
	struct map *by_index;	      /* local index: struct handshake, owned */
	struct map *by_source;	      /* path key | initiator's index: responders' */
	struct map *crowds[N_CROWDS]; /* of half-open ones, by what they have in common; owned */
	unsigned n_half_open;
	struct crowd finished; /* R_DONE, R_REFUSED */
	struct crowd ours;     /* we began them */
	struct map *replays;
	struct map *warm;
	struct map *chains_by_node; /* struct cached_chain, owned */
	struct map *chains_by_hash;
	size_t n_attempts;
	struct hs_job *waiting; /* in the order of coming */
	unsigned n_waiting;
	struct hs_job *errands; /* first in first out */
	unsigned n_errands;
	unsigned n_workers;
	unsigned n_out;
	uint64_t next_job;
	uint8_t fair_key[16];
	uint32_t work_done[N_FAIR][FAIR_BUCKETS]; /* jobs, lately */
	uint64_t fair_us;			  /* when they are halved */
	struct action *first, *last;
	size_t n_sends;
	uint8_t *lent_block; /* CSRs of the last HS_DONE */
	uint32_t repeated[REPEATED_MAX];
	size_t n_repeated;
	bool deadline_is_known;
	uint64_t deadline_us;
	struct hs_counters counters;
};

/* ---- paths (paths.c) ---- */

#define SOURCE_PREFIX_MAX 9

void path_key_of(const struct hs_path *path, struct path_key *ret);
/* The source as cookies are bound to it. Returns its length. */
size_t path_source(const struct hs_path *path, uint8_t ret[SOURCE_MAX]);
/* What limits count by: IPv4 /24, IPv6 /56, incoming link. */
size_t path_prefix(const struct hs_path *path, uint8_t ret[SOURCE_PREFIX_MAX]);
/* What one host has for itself: the address without port, or node id. */
size_t path_host(const struct hs_path *path, uint8_t ret[SOURCE_MAX]);
/* What anyone has who has one IPv6 address: its /64; otherwise the same. */
size_t path_network(const struct hs_path *path, uint8_t ret[SOURCE_MAX]);
size_t path_body_size(const struct hs_path *path);

/* The source at each level, for rates; what ret borrows is in bytes. */
struct path_names {
	uint8_t host[SOURCE_MAX], network[SOURCE_MAX], prefix[SOURCE_PREFIX_MAX];
	struct rate_source source;
};

void path_names_of(const struct hs_path *path, struct path_names *ret);

/* ---- the table (half_open.c) ---- */

/* New, with a free index; the caller fills it in. NULL: no memory. */
struct handshake *handshake_new(struct handshakes *h, const struct hs_path *path, uint64_t now_us);
void handshake_free(struct handshakes *h, struct handshake *hs); /* out of all tables; wipes */
void handshake_to(struct handshake *hs, enum hs_state state);
struct handshake *handshake_by_source(const struct handshakes *h, const struct path_key *key,
				      uint32_t remote_index);
/* An initiator's: it is found by attempt_on_path() from now on. */
void attempt_joins(struct handshakes *h, struct handshake *hs);
/* A responder's has come to its end, and is only remembered. */
void half_open_finished(struct handshakes *h, struct handshake *hs, enum hs_state state);
/* A responder's, after the limits: of the network and host that have the most, the oldest goes. */
struct handshake *half_open_new(struct handshakes *h, const struct hs_path *path,
				uint32_t remote_index, uint64_t now_us);
unsigned half_open_warm(const struct handshakes *h, const struct hs_path *path);
/* Our own attempt to this path that has not sent M3. */
struct handshake *attempt_on_path(const struct handshakes *h, const struct path_key *key);
bool e_initiator_is_ours(const struct handshakes *h, const uint8_t e[X25519_LEN]);
bool replay_seen(const struct handshakes *h, const uint8_t e[X25519_LEN]);
int replay_remember(struct handshakes *h, const uint8_t e[X25519_LEN], uint64_t until_us);
void replays_expire(struct handshakes *h, uint64_t now_us);

/* ---- memory of peers (chains.c) ---- */

void warm_put(struct handshakes *h, const struct path_key *key, const uint8_t cookie[COOKIE_LEN],
	      uint64_t now_us);
bool warm_get(struct handshakes *h, const struct path_key *key, uint64_t now_us,
	      uint8_t ret[COOKIE_LEN]);
/* A chain that has just been verified, or of which an earlier verification still stands. */
void chain_put(struct handshakes *h, const struct peer_identity *peer, struct span encoded,
	       const uint8_t hash[SHA256_LEN], uint64_t verified_us);
/* Whether what it proved stands without verifying it anew, if the judge says so as well. */
bool chain_is_fresh(const struct cached_chain *c, uint64_t now_us);
struct cached_chain *chain_by_node(const struct handshakes *h, uint64_t node_id);
struct cached_chain *chain_by_hash(const struct handshakes *h, const uint8_t hash[SHA256_LEN]);
void chain_free(struct cached_chain *c);
/* The peer holds our present chain. */
void chain_taken(struct handshakes *h, uint64_t node_id, uint64_t boot_epoch);
bool chain_is_taken(const struct handshakes *h, uint64_t node_id, uint64_t boot_epoch);

/* ---- sending (send.c) ---- */

struct action *action_new(struct handshakes *h, enum hs_action_type type,
			  const struct hs_path *path, size_t len); /* NULL: no memory */
void action_free(struct action *a);
void send_ack(struct handshakes *h, struct handshake *hs, enum wire_type message, unsigned result,
	      uint32_t bitmap);
/* Sends what may be sent of hs->out. */
void send_flight(struct handshakes *h, struct handshake *hs, uint64_t now_us);
/* The same for a new message: sets the timers too. -ENOMEM. */
int send_message(struct handshakes *h, struct handshake *hs, enum wire_type type,
		 struct span message, uint64_t now_us);
void resend_restart(struct handshakes *h, struct handshake *hs, uint64_t now_us);
void measure_rtt(struct handshake *hs, uint64_t now_us);
void report_failure(struct handshakes *h, const struct handshake *hs, enum hs_failure failure,
		    enum identity_fault fault);

/* ---- the two roles ---- */

/* May end hs: it is not to be touched after. */
void handshake_bad_message(struct handshakes *h, struct handshake *hs, uint64_t now_us);

/* ---- jobs (jobs.c): making, waiting, fairness; what they do is in credential.c and the roles ----
 */

/* NULL: no memory. */
struct hs_job *job_new(struct handshakes *h, const struct handshake *hs, enum job_kind kind,
		       enum job_class class, uint64_t now_us);
/* Whether one more of this class and from this path would be begun or kept waiting. */
bool job_has_room(struct handshakes *h, const struct handshake *hs, enum job_class class);
/* Takes the job; hs waits for it, or is gone. */
void job_submit(struct handshakes *h, struct handshake *hs, struct hs_job *job, uint64_t now_us);
/* The handshake is gone, or waits no more. */
void job_forget(struct handshakes *h, struct handshake *hs);
/* Our identity has changed: what waits to be written in the name of the one before is dropped. */
void jobs_drop_writing(struct handshakes *h);
void jobs_free(struct handshakes *h);

/* A copy of a chain that we hold, for a job to compare with; NULL does nothing. -ENOMEM. */
int job_know(struct hs_job *job, const struct cached_chain *c);
/* The chain in the payload, or known by its hash; judged but for what changes. Part of a job:
 * -EBADMSG, -EKEYREJECTED with the fault. */
int job_verify_chain(struct hs_job *job);
/* What changes, and that it is not ourselves; on the loop. */
int recheck_credential(struct handshakes *h, struct verified *v);

/* The parts of jobs, and what follows them; these return true where they keep the job. */
int job_write_m2(struct hs_job *job);
int job_check_m2(struct hs_job *job);
int job_write_m3(struct hs_job *job);
int job_check_m3(struct hs_job *job);
void responder_m2_written(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us);
bool initiator_m2_checked(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us);
void initiator_m3_written(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us);
void responder_m3_checked(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us);
/* M1 whose turn has come: false if it was answered meanwhile. */
bool responder_m1_is_new(struct handshakes *h, const struct handshake *hs, struct hs_job *job);

/* A message that was not looked at for want of room: its sender is asked for it again. */
void handshake_message_lost(struct handshakes *h, struct handshake *hs, uint64_t now_us);

/* Our chain, with the root for joiners; buffer holds what the credential borrows. */
int own_credential(struct handshakes *h, bool with_root, bool by_hash,
		   uint8_t buffer[CHAIN_FIELD_ROOM], struct credential *ret);
int initiator_begin(struct handshakes *h, struct handshake *hs, uint64_t now_us);
void initiator_cookie(struct handshakes *h, const struct hs_path *path, struct span datagram,
		      uint64_t now_us);
void initiator_m2(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us);
/* With fresh ephemerals and full chains. */
void initiator_restart(struct handshakes *h, struct handshake *hs, uint64_t now_us);
void responder_m1(struct handshakes *h, const struct hs_path *path, const struct wire_handshake *w,
		  struct span datagram, uint64_t now_us);
void responder_m3(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us);
/* One more fragment; true when the message is complete. */
bool take_fragment(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		   uint64_t now_us);
