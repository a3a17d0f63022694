/* SPDX-License-Identifier: Apache-2.0 */
/* node_internal.h - what the files of this room share. */
#pragma once

#include "base/map.h"
#include "base/units.h"
#include "core/forward/class.h"
#include "core/forward/forward.h"
#include "core/forward/fragments.h"
#include "core/forward/hints.h"
#include "core/forward/icmp.h"
#include "core/link/pieces.h"
#include "core/link/stream.h"
#include "core/multipath/resequence.h"
#include "core/multipath/view.h"
#include "core/multipath/ways.h"
#include "core/node/node.h"
#include "core/session/roam.h"
#include "core/session/session.h"
#include "core/wire/wire.h"

#define PEER_SESSIONS_MAX 4 /* current, the one before, and crossing ones */
#define NODE_SESSIONS_MAX (NODE_PEERS_MAX * PEER_SESSIONS_MAX)
#define SESSION_INDICES_MAX 4		      /* of epochs j and j+1, and room */
#define OLD_NETWORK_KEY_US SECONDS(7 * 86400) /* the one before is answered this long */
#define TRACES_PER_SECOND 50		      /* answers to traces, which prove no sender */
#define OVERLAY_PREFIX_LEN 8 /* of an overlay address, before the node id: one for a domain */
#define LANE_PACKETS 0	     /* bulk */
#define LANE_PROBES 1
#define LANE_URGENT WIRE_LANE_URGENT /* all that must not wait behind bulk at the receiver */
#define NODE_LANES 3		     /* and one more for each packet thread */
#define SUPERSEDED_US SECONDS(10)    /* an older session still receives this long */
#define CROSSING_US SECONDS(10)	     /* two handshakes this close together have crossed */
#define INDEX_QUARANTINE_US SECONDS(180)
#define RETIRED_INDICES_MAX 4096
#define PACKET_WAIT_US SECONDS(8) /* a packet waits this long for a session */
#define CONTACT_RETRY_MIN_US MS(250)
#define CONTACT_RETRY_MAX_US SECONDS(10)
#define CONTACT_DOWN_US SECONDS(1) /* a link down this long: try a new handshake */
#define CONTACT_HELD_US (2 * (uint64_t)LINK_HOLD_DOWN_MAX_US) /* or so long, where it is heard */
#define PEER_RETRY_US SECONDS(1)
#define MEET_SOON_US SECONDS(3)	 /* a link made or lost this short ago may yet come up by itself */
#define PEER_DEAD_US SECONDS(60) /* silent this long: its link ends */
#define PEER_PRUNE_US SECONDS(300) /* and this long, of one that proved who it was: forgotten */
#define UNANSWERED_US SECONDS(5)   /* sent and heard nothing: a new handshake beside it */
#define KEEPALIVE_US SECONDS(3)	   /* heard and sent nothing: say that we are here */
#define BLOB_PART_MAX 1200	   /* bytes of a long object in one record */
#define BLOB_MAX (256U << 10)
#define INNER_MTU_MIN 1280	     /* of any IPv6 link (RFC 8200 section 5) */
#define EVENT_INTERVAL_US SECONDS(1) /* of the same alarm about the same peer */
#define FAILING_MAX 256 /* destinations at one time; of more it is not known how long they took */
#define FAILING_US SECONDS(60)
#define LABEL_HINTS 64 /* where labels led last, by flow hash */

/* Plaintext that begins with this byte belongs to the session itself: 03 | type 1 | body. It is
 * neither ordered nor repeated by anyone but its sender. */
#define PLAIN_SESSION 0x03

enum session_message {
	SESSION_MESSAGE_REKEY = 1,
	SESSION_MESSAGE_PATH_CHECK = 2,
	SESSION_MESSAGE_PATH_ECHO = 3,
	SESSION_MESSAGE_KEEPALIVE = 4,
	SESSION_MESSAGE_GOODBYE = 5,   /* the node ends */
	SESSION_MESSAGE_CLOSE = 6,     /* this session ends, for another */
	SESSION_MESSAGE_REPORT = 7,    /* what came by which way (core/multipath/report.h) */
	SESSION_MESSAGE_DEAD_END = 16, /* packets to there turn back here */
};

/* A long object in parts, in records of a stream: total 4 | offset 4 | bytes. */
struct blob {
	uint8_t *bytes;
	size_t total;
	size_t have;
};

enum blob_kind {
	BLOB_REVOCATIONS,
	BLOB_NETWORK_KEY,
	BLOB_RENEW_REQUEST,
	BLOB_RENEW_ANSWER,
	BLOB_COSIGN,
	N_BLOBS,
};

struct node_session {
	struct session *keys;
	struct peer *peer;
	struct stream *stream;
	bool is_direct;	   /* made without relays: its link keys may be used */
	bool is_confirmed; /* an authentic packet has come */
	bool is_join;	   /* carries a join answer and nothing else */
	enum aead_algorithm aead;
	uint32_t first_index;
	uint32_t epoch; /* of the keys, as last told */
	uint8_t e_initiator[X25519_LEN];
	uint64_t peer_boot_epoch;
	uint32_t route_epoch; /* of the route to the peer when this was made */
	uint64_t made_us;
	uint64_t ends_us;	/* superseded, or a join session: when to drop it */
	uint64_t heard_us;	/* last authentic packet */
	uint64_t spoke_us;	/* last packet of ours */
	uint64_t unanswered_us; /* first packet since something was heard; NEVER_US for none */
	uint64_t owes_us;	/* heard payload and said nothing since; NEVER_US for none */
	uint32_t indices[SESSION_INDICES_MAX]; /* receiver indices that lead here; 0 is free */
	struct endpoint endpoint;	       /* join sessions, which have no neighbour */
	struct blob incoming[N_BLOBS];
	/* join and renewal at the authority: the request under way, 0 for none */
	uint32_t issue;
	struct blob request;
	uint8_t t_i[SHA256_LEN];
	uint8_t join_key[SHA256_LEN];
};

struct neighbour {
	struct roam roam;
	struct link *link;
	bool is_routed; /* told to the routing table */
	uint64_t down_us;
	enum link_state told; /* last state the event was sent for */
	struct pmtu pmtu;
	struct pieces *pieces; /* NULL until one came */
	uint32_t piece_id;
	struct hints_rate dead_ends_rate; /* of what it says */
};

struct waiting {
	uint8_t *bytes; /* plaintext, with its first byte */
	size_t len;
	uint64_t since_us;
	enum wire_class class;
};

/* On the way to a direct link with a peer. */
struct peer_way {
	bool is_wanted;	 /* a call is made as soon as there is a session */
	bool is_meeting; /* the handshake under way is with an address found */
	bool is_again;	 /* one where it was before */
	uint64_t wanted_until_us;
	struct endpoint found;
	uint64_t found_until_us; /* a handshake with it is to begin before; 0: none is */
	uint64_t due_us;	 /* no try of ours before */
	uint64_t backoff_us;
	uint64_t used_us; /* a packet of ours went to it through the mesh */
	unsigned n_again; /* tries at addresses of before, and when the next may be */
	uint64_t again_us, again_wait_us;
	unsigned n_calls; /* of its, that were taken up lately */
	bool is_counted;  /* one of them is under way */
	uint64_t calls_us;
	unsigned n_tried; /* addresses, the last time */
	enum nat_mapping mapping;
	const char *why; /* there is no link; NULL: none was wanted */
};

struct peer {
	uint64_t id;
	unsigned place; /* in the node's by_age */
	char name[NODE_NAME_MAX + 1];
	char spiffe_id[SPIFFE_ID_SIZE];
	uint8_t address[OVERLAY_ADDRESS_LEN];
	uint8_t serial[SERIAL_LEN];
	int64_t not_after_s;
	uint64_t boot_epoch;	/* highest seen */
	unsigned n_unannounced; /* restarts without a goodbye before */
	bool is_known;		/* the fields above were proved by a handshake */
	struct node_session *sessions[PEER_SESSIONS_MAX];
	struct node_session *direct; /* link sending, or NULL */
	struct node_session *e2e;    /* end-to-end sending, or NULL */
	struct neighbour *neighbour; /* while there is a direct session */
	struct waiting *waiting[NODE_PACKET_QUEUE_MAX];
	size_t n_waiting;
	uint64_t attempt;  /* handshake under way through the mesh, 0 for none */
	uint64_t watch_us; /* since when a session is wanted for probes; 0 it is not */
	uint64_t probe_second_us;
	unsigned n_probes;	     /* of its, answered in it */
	uint32_t n_sealed, n_opened; /* packets end to end to it and of it, ever, modulo 2^32 */
	uint64_t retry_us;
	uint64_t wanted_us; /* that its way is in use was last noted */
	uint64_t alarm_us;  /* no spoofing event about it before this */
	uint64_t denied_us; /* nor one about a flow of its */
	unsigned told_mtu;  /* a relay said that no longer packet reaches it; 0 none */
	uint64_t told_until_us;
	uint32_t long_index; /* e2e index of the last long packet to it, and by lane its counter */
	uint64_t long_sequence[NODE_LANES];
	uint64_t sent_bytes, received_bytes, sent_packets, received_packets;
	uint32_t penalty; /* on the cost of its link: node_set_penalty() */
	uint64_t seen_us;
	struct spread *spread;			  /* NULL: one way will do */
	uint64_t spread_bulk_us, spread_bulk_len; /* bulk to it since then */
	struct peer_way way;
	bool has_left; /* it said goodbye, and has not come back */
	enum node_life told_life;
};

struct contact {
	struct endpoint endpoint;
	char spiffe_id[SPIFFE_ID_SIZE];
	uint64_t peer_id; /* known from the ID, or learnt */
	uint64_t attempt;
	uint64_t retry_us;
	uint64_t backoff_us;
};

/* How a datagram is to be treated on its way out of the node. */
struct treatment {
	enum wire_class class;
	bool is_control;       /* of the mesh itself */
	uint8_t traffic_class; /* of its IP header */
};

#define SLOTS_GROWTHS_MAX 7
struct action_slot {
	struct node_action action;
	const uint8_t *at; /* NULL: the bytes of this slot */
	size_t len;
};

struct node {
	const struct crypto_ops *ops;
	struct entropy entropy;
	struct rng rng;
	uint64_t self;
	char domain[DOMAIN_MAX + 1];
	uint8_t address[OVERLAY_ADDRESS_LEN];
	unsigned mtu_bytes;
	bool copies_dscp;
	unsigned datagram_max; /* longer ones are refused */
	uint64_t mtu_confirm_us, mtu_raise_us;
	bool tells_denied;
	/* Nobody's errors use up another's: of a program that sends to nowhere, of neighbours, and
	 * those without which TCP stands still. */
	struct icmp_budget icmp_to_machine, icmp_too_big, icmp_to_peers;
	struct session_limits limits;
	struct hs_identity identity;
	struct trust trust; /* its roots are ours */
	uint8_t *roots[BUNDLE_ROOTS_MAX];
	uint8_t *revocations; /* as signed */
	size_t revocations_len;
	bool is_authority;
	const struct signing_key *root_key; /* NULL while it is locked */
	const struct policy *policy;
	policy_stopwatch *policy_now_ns;
	const struct token_entry *tokens;
	size_t n_tokens;
	struct network_key *keys; /* NODE_NETWORK_KEYS_MAX of them, newest first */
	size_t n_keys;
	uint64_t old_key_until_us; /* keys[1] opens nothing from then on */
	uint64_t clock_us;	   /* at this monotonic time it was unix_ms */
	int64_t unix_ms;

	struct handshakes *handshakes;
	struct routes *routes;
	struct reach *reach;
	struct origins *origins;
	struct watch *watch;
	uint64_t certify_us;   /* our own certificate is not tried before */
	uint64_t lie_alarm_us; /* nor a lie told */
	uint64_t probe_second_us;
	unsigned n_probes; /* answered in it */
	struct flows *flows;
	unsigned n_threads;
	struct marks *marks;	/* flows that packet threads carry; NULL without them */
	struct carry_way *ways; /* NODE_PEERS_MAX, while a table is made */
	uint64_t ways_version;
	struct networks *networks;
	struct traverse *traverse;
	struct map *peers; /* node id -> struct peer */
	/* In the order in which they were made. A tick may do something for them from stirs_us on,
	 * and the node is to wake up for them no sooner than due_us: 0 for those that were handed
	 * out since. */
	struct peer *by_age[NODE_PEERS_MAX]; /* NULL: forgotten */
	uint64_t stirs_us[NODE_PEERS_MAX];
	uint64_t due_us[NODE_PEERS_MAX];
	unsigned n_by_age;
	struct map *indices; /* receiver index -> struct node_session */
	uint64_t sessions_version;
	uint64_t routes_told; /* routes_changes() when all were drained last */
	struct node_session *joins[NODE_JOINS_MAX];
	struct contact *contacts[NODE_CONTACTS_MAX];
	size_t n_contacts;
	struct {
		uint32_t index;
		uint64_t free_us;
	} retired[RETIRED_INDICES_MAX]; /* a ring */
	size_t retired_at;
	uint64_t next_attempt;
	uint32_t next_issue;
	uint8_t flow_key[16];
	struct fragments fragments;  /* of packets that were let in */
	struct hints dead_ends;	     /* by neighbour and destination */
	struct hints told_dead_ends; /* to whom, of what destination */
	struct hints_rate dead_ends_rate;
	uint32_t late_us; /* node_set_lateness() */
	struct inner_hashed hashed;

	struct action_slot *slots; /* a ring */
	uint8_t *slot_bytes;	   /* datagram_max of each */
	size_t n_slots, first_slot, used_slots;
	size_t lent_slots; /* handed out, and read until the next call after the last of them */
	bool is_all_lent;  /* that call is next */
	struct {
		uint8_t *bytes;
		size_t n_slots;
	} outgrown[SLOTS_GROWTHS_MAX]; /* the ring grew meanwhile: read too */
	unsigned n_outgrown;
	uint64_t deadline_us;
	bool deadline_is_known;
	/* Whether what the datagram under way led to may be pumped with what others lead to, as of
	 * packets and of all that was refused; of handshakes and of control the next datagram may
	 * need what they led to. */
	bool may_wait;
	uint64_t came_by; /* the neighbour that handed on the packet under way; 0 nobody */
	bool is_pump_due; /* with the next action, and so once for many packets */
	uint64_t now_us;  /* of the call under way */
	uint8_t arrived;  /* traffic class of the datagram under way */
	uint8_t *loan;	  /* its bytes, where they are lent; NULL: not, or used up */
	size_t loan_len;
	uint64_t tun_alarm_us; /* no spoofing event of the tunnel before this */
	uint64_t renews_at;    /* the authority a renewal was asked of; 0 for none */
	struct blob renewed;   /* its answer, behind the action NODE_RENEWED, until the next one */
	const struct node_session *watched; /* NULL once session_drop() has ended it */
	uint64_t trace_second_us;	    /* the second whose answers are counted */
	unsigned n_traces;
	bool has_multipath;
	struct view *view; /* links of others, once somebody was to be sent to by several ways */
	struct spread *spreads[NODE_SPREADS_MAX];
	size_t n_spreads;
	uint64_t view_second_us; /* whose answers are counted */
	unsigned n_view_answers;
	struct {
		uint64_t id, since_us;
	} failing[FAILING_MAX]; /* destinations that have lost their next hop */
	size_t n_failing;
	char version[SURVEY_VERSION_SIZE];
	uint64_t start_us;
	struct survey *survey;	  /* NULL: nobody here has looked or elsewhere has asked */
	bool is_survey_stale;	  /* links or routes may be others than it was told */
	uint64_t survey_us;	  /* it is told then, wanted */
	uint64_t survey_nodes_us; /* who is reachable it is not told before */
	uint64_t survey_version;  /* as of the last event */
	uint64_t survey_event_us; /* none before */
	uint64_t label_hints[LABEL_HINTS];
	struct flowlets *flowlets; /* NULL: off */
	struct {
		uint64_t from;
		struct blob bytes;
	} cosigns[NODE_COSIGNS_MAX]; /* messages that the shell has not taken yet, the oldest first
				      */
	size_t n_cosigns;
	struct node_counters counters;
};

/* actions.c */
void actions_free(struct node *n); /* wipes */
struct node_action *node_act(struct node *n, enum node_action_type type, struct span data);
uint8_t *node_room(struct node *n);
struct node_action *node_act_in_room(struct node *n, enum node_action_type type, size_t len);
struct node_action *node_send_room(struct node *n, const struct endpoint *to,
				   struct treatment treatment, size_t len);
void node_send_on_loan(struct node *n, const struct endpoint *to, struct treatment treatment,
		       struct span datagram);
struct treatment node_control(const struct node *n);
/* An action whose bytes lie in the datagram lent; NULL as in node_act(). */
struct node_action *node_act_on_loan(struct node *n, enum node_action_type type, struct span data);
struct node_event *node_event(struct node *n, enum node_event_type type, uint64_t id);
/* Of the mesh itself: handshakes. */
void node_send_datagram(struct node *n, const struct endpoint *to, struct span datagram);

/* node.c */
int64_t node_unix_s(const struct node *n);
void node_pump(struct node *n);
void node_pump_later(struct node *n); /* with the next action */

/* peers.c
 *
 * Peers to which nothing was done are not looked at until it is their time. So whoever is to
 * change one gets it, or a session of it, from a function here that is not const, and whoever only
 * reads takes peer_look(); or says peer_touch(). */
struct peer *peer_get(struct node *n, uint64_t id);
const struct peer *peer_look(const struct node *n, uint64_t id);
/* Walks in the order in which they were made; start with *cursor = 0. The one just returned may be
 * forgotten meanwhile. */
struct peer *peer_next(struct node *n, size_t *cursor);
static inline void peer_touch(struct node *n, const struct peer *p)
{
	n->stirs_us[p->place] = 0;
	n->due_us[p->place] = 0;
}

/* NULL when full of peers with sessions. May forget another peer that has none. */
struct peer *peer_make(struct node *n, uint64_t id);
bool peer_has_room(const struct node *n);
void peer_forget(struct node *n, struct peer *p, const char *reason);
void peer_wait(struct node *n, struct peer *p, enum wire_class class, struct span plaintext);
void peer_flush(struct node *n, struct peer *p);
bool peer_has_session(const struct peer *p);
enum node_life peer_life(const struct node *n, const struct peer *p, uint64_t now_us);
void peer_drop_waiting(struct peer *p, size_t n_first);
/* A new one, by the link where that is up and else through the mesh; not too often. */
void peer_want_handshake(struct node *n, struct peer *p);
struct node_session *session_at(struct node *n, uint32_t index);
void session_drop(struct node *n, struct node_session *s, const char *reason);
/* Its stream is full: the peer does not take what it is told. */
void session_give_up(struct node *n, struct node_session *s);
void session_pump(struct node *n, struct node_session *s);
void session_heard(struct node *n, struct node_session *s, bool is_payload);
enum link_state neighbour_state(void *node, uint64_t id);
bool peer_is_direct(const struct peer *p);
void neighbour_changed(struct node *n, struct peer *p);

/* peer_time.c */
void peers_tick(struct node *n);
uint64_t peers_deadline_us(struct node *n, uint64_t at); /* or at, where that is sooner */
void neighbour_probe(struct node *n, struct peer *p);	 /* sends what is due */

/* beyond.c: ways beyond the zone, and what core/route and core/reach are both told */
/* A packet goes there: as reach_want(). */
int beyond_want(struct node *n, struct peer *p);
int beyond_ask(struct node *n, uint64_t node_id);
void beyond_up(struct node *n, struct peer *p);
void beyond_cost(struct node *n, struct peer *p);
uint32_t beyond_metric(const struct peer *p); /* of the link to a neighbour, with its penalty */
void beyond_down(struct node *n, uint64_t id);
bool beyond_pump(struct node *n); /* true: there was something */

/* greet.c: handshakes begun and finished */
extern const struct hs_judge node_judge;
void greet_done(struct node *n, const struct hs_action *a);
void greet_failed(struct node *n, const struct hs_action *a);
void greet_peer(struct node *n, struct peer *p); /* through the mesh */
void contacts_tick(struct node *n);
uint64_t contacts_deadline_us(const struct node *n);
void node_free_contacts(struct node *n);

/* path.c: the way of a packet */
int path_send(struct node *n, struct peer *p, enum wire_class class, struct span plaintext);
int path_send_session(struct node *n, struct node_session *s, struct span plaintext);
void path_send_direct(struct node *n, struct node_session *s, const struct endpoint *to,
		      struct span plaintext);
void path_send_piece(struct node *n, struct node_session *s, const struct endpoint *to,
		     struct span plaintext, struct treatment treatment);
void path_send_unheard(struct node *n, struct peer *p, struct span plaintext, bool dont_fragment);
void path_send_challenges(struct node *n, struct node_session *s);
void path_send_punch(struct node *n, struct peer *p, const struct endpoint *to, struct span body);
void path_send_probe(struct node *n, struct peer *p, struct span probe);
/* A probe of one byte, without a sequence number, to be sent later or never. Returns its length. */
size_t path_seal_probe(struct node *n, struct peer *p, uint8_t byte, uint8_t *ret);
void path_send_unsealed(struct node *n, uint64_t destination, enum wire_kind kind, uint8_t ttl,
			struct span payload);
void path_opened(struct node *n, struct node_session *s, const struct endpoint *from,
		 struct span inner, bool is_newest);
void path_input(struct node *n, const struct endpoint *from, struct span datagram);
int path_seal(struct node *n, struct node_session *s, struct treatment treatment,
	      struct span plaintext, struct wire_hop *ret_hop, uint8_t ret[NODE_DATAGRAM_MAX]);
int path_send_routed(struct node *n, struct wire_hop *hop, struct treatment treatment,
		     uint64_t from, enum watch_use use, struct span payload);
enum watch_use path_use_of(struct span plaintext); /* of our own, to whomever */
void path_note_relayed(struct node *n, struct node_session *s, struct span plaintext);
void path_deliver(struct node *n, struct peer *p, struct span packet);

/* spread.c: more than one way to a peer (docs/multipath.md) */
bool spread_is_better(struct node *n, struct peer *p, enum wire_class class);
/* True: it was sent by one or two of several ways, or failed as *ret_r says. */
bool spread_send(struct node *n, struct peer *p, struct treatment treatment, uint16_t flow_hash,
		 struct span plaintext, int *ret_r);
void spread_report(struct node *n, struct peer *p, struct span body);
void spread_ask(struct node *n, const struct wire_hop *hop, struct span payload);
void spread_told(struct node *n, const struct wire_hop *hop, struct span payload);
void spread_route_changed(struct node *n, struct peer *p);
void spread_forget(struct node *n, struct peer *p);
void spreads_tick(struct node *n);
uint64_t spreads_deadline_us(const struct node *n);
/* spread_in.c: what comes by labels. True: a copy of what has come already, and no replay. */
bool spread_heard(struct node *n, struct peer *p, const struct wire_hop *hop, size_t len,
		  enum session_verdict v);
bool spread_orders(const struct peer *p, const struct wire_hop *hop);
void spread_order(struct node *n, struct peer *p, const struct wire_hop *hop, struct span packet);
void spread_in_tick(struct node *n, struct spread *sp);
uint64_t spread_in_deadline_us(const struct spread *sp);
struct spread *spread_make(struct node *n, struct peer *p);

/* A service message end to end; through a neighbour, whatever the routes say, where one is given.
 */
void path_send_service(struct node *n, struct peer *p, enum wire_class class,
		       enum wire_service service, struct span body, uint64_t through,
		       bool is_watched);

/* authentic.c: what proves routes, and whether packets arrive */
int authentic_begin(struct node *n, const uint8_t hash_key[16], uint64_t seed);
void authentic_end(struct node *n);
void authentic_pump(struct node *n);
uint64_t authentic_deadline_us(const struct node *n);
int authentic_input(struct node *n, uint64_t neighbour, uint8_t type, struct span body);
void authentic_serve(struct node *n, struct node_session *s);
void authentic_gone(struct node *n, uint64_t neighbour);
void authentic_revoked(struct node *n);
void authentic_probed(struct node *n, struct peer *p, struct span body, unsigned hops);
void authentic_answered(struct node *n, struct peer *p, struct span body, unsigned hops);
void authentic_passed(struct node *n, const struct wire_hop *hop, uint64_t next, size_t len,
		      enum watch_use use);

/* mtu.c: how long packets may be, on each link and to each peer */
void mtu_attach(const struct node *n, struct neighbour *nb);
void mtu_detach(struct neighbour *nb);
void mtu_link_changed(struct node *n, struct peer *p, bool has_moved);
void mtu_probe(struct node *n, struct peer *p);
void mtu_tick(struct node *n, struct peer *p);
uint64_t mtu_deadline_us(const struct peer *p); /* of a neighbour */
bool mtu_message(struct node *n, struct node_session *s, struct span body, size_t datagram_len);
bool mtu_cut(struct node *n, struct node_session *s, const struct endpoint *to,
	     struct treatment treatment, size_t len);
void mtu_piece(struct node *n, struct node_session *s, const struct endpoint *from,
	       struct span body);
unsigned mtu_towards(const struct node *n, const struct peer *p);
void mtu_tell(struct node *n, const struct peer *p, struct span packet);
int mtu_check(const struct node *n, const struct peer *p, uint64_t next, size_t packet_len);
bool mtu_refuses_hop(struct node *n, const struct peer *next, const struct wire_hop *hop,
		     size_t datagram_len);
void mtu_told(struct node *n, struct span payload);
void mtu_clamp(struct node *n, const struct peer *p, uint8_t *packet, size_t len);

/* Whether mtu_cut() is to be asked. */
static inline bool mtu_is_long(const struct peer *p, size_t datagram_len)
{
	return p && p->neighbour &&
	       (datagram_len > PMTU_MIN || datagram_len > pmtu_size(&p->neighbour->pmtu));
}

/* liveness.c */
bool liveness_is_sign(struct span inner);
void liveness_heard(struct node *n, struct peer *p);

/* dead_ends.c */
bool dead_ends_has(const struct node *n, uint64_t neighbour, uint64_t destination);
void dead_ends_tell(struct node *n, uint64_t to, uint64_t destination);
void dead_ends_told(struct node *n, struct peer *p, struct span body);

/* errors.c: what is told about packets that did not get through */
void errors_tell(struct node *n, enum icmp_reason reason, unsigned mtu, struct span packet);
void errors_denied(struct node *n, struct peer *p, struct span packet);
bool errors_concern_flow(struct node *n, const struct peer *p, const struct inner *error,
			 struct span packet);

/* control.c: what is inside the sessions besides packets */
void control_input(struct node *n, struct node_session *s, const struct endpoint *from,
		   struct span plaintext, unsigned hops);
void control_unsealed(struct node *n, const struct wire_hop *hop, struct span payload);
void control_stream(struct node *n, struct node_session *s);
void control_tell_neighbour(struct node *n, struct peer *p);
int control_push_blob(struct node *n, struct node_session *s, enum record_type type,
		      struct span bytes);

/* carried.c: packet threads */
int carried_begin(struct node *n, unsigned n_threads, const uint8_t hash_key[16]);
void carried_end(struct node *n);
void carried_mark(struct node *n, enum mark_direction d, const struct inner *i);
void carried_forget_flows(struct node *n);

/* Whether packets of this lane are counted with what threads did, if the session is theirs. */
static inline bool is_carried(const struct node *n, unsigned lane)
{
	return n->n_threads > 0 && lane >= NODE_LANES;
}

/* trace.c: payloads of packets of kind "control" */
#define TRACE_REQUEST 1
#define TRACE_REPLY 2
#define CONTROL_TOO_BIG 3
#define CONTROL_LINKS_ASK 16 /* nonce 4: what are your links? */
#define CONTROL_LINKS 17     /* core/multipath/view.h */
void trace_expired(struct node *n, const struct wire_hop *hop, struct span payload);

void trace_request(struct node *n, const struct wire_hop *hop, struct span payload);
void trace_reply(struct node *n, const struct wire_hop *hop, struct span payload);

/* times.c: how long things took */
void times_add(struct node_times *t, uint64_t took_us);
/* By the node's policy, and timed. */
enum policy_effect node_decide(struct node *n, const char *principal, enum policy_action action,
			       const char *resource, struct policy_reason *ret_reason);
void failover_begin(struct node *n, const struct peer *next_hop);
void failover_check(struct node *n, uint64_t destination);

/* cosign.c: checkpoints of neighbours' ledgers */
bool cosign_part_fits(struct node *n, struct span part); /* before room is made for the whole */
void cosign_input(struct node *n, const struct node_session *s, struct blob *b);
void cosign_end(struct node *n);

/* survey.c: links of others */
void survey_question(struct node *n, struct peer *p, struct span body);
void survey_report(struct node *n, struct peer *p, struct span body);
void survey_pump(struct node *n);
void survey_timers(struct node *n);
uint64_t survey_wakes_us(const struct node *n);

/* admit.c: the authority's part of joining, renewing, revoking and network keys */
void admit_join(struct node *n, struct node_session *s, const struct hs_done *done);
void admit_renewal(struct node *n, struct node_session *s, struct span request);
bool admit_fill(struct node *n, struct node_issue *issue);
void revocations_input(struct node *n, struct span bytes);
void network_key_input(struct node *n, struct span bytes);
void node_tell_network_keys(struct node *n);
void network_keys_tick(struct node *n); /* the old one ends */

/* networks.c: IPv4 addresses, and networks behind nodes */
int networks_new(const struct node_networks *config, struct networks **ret);
void networks_free(struct networks *w);
void networks_begin(struct node *n);
void networks_notice(struct node *n); /* routes may have changed */
void networks_dirty(struct node *n);  /* policy, offers or the exit have */
void networks_tick(struct node *n);
uint64_t networks_deadline_us(const struct node *n);
void networks_asked(struct node *n, struct peer *p);
void networks_told(struct node *n, struct peer *p, struct span body);
/* Of a packet from the tunnel: whether its source is ours or behind us; where it goes, 0 nowhere.
 */
bool networks_may_send(const struct node *n, const struct inner *i);
uint64_t networks_destination(const struct node *n, const struct inner *i);
/* Of a packet from a peer: whether its source is the peer's or in a network accepted from it. */
bool networks_may_come_from(const struct node *n, const struct peer *p, const struct inner *i);
/* Whether no network but that of an exit covers the address. */
bool networks_is_internet(const struct node *n, const uint8_t address[16]);
enum networks_target {
	TARGET_NONE,
	TARGET_SELF,
	TARGET_BEHIND, /* in a network that we offer, which is told */
};
enum networks_target networks_target(const struct node *n, const struct inner *i,
				     struct prefix *ret_offer);
/* What peers tell, as bytes: version 1 | n 1 | n * (len 1 | address 16). */
#define OFFERS_VERSION 1
#define OFFERS_LEN_MAX (2 + 17 * NODE_OFFERS_MAX)
size_t offers_encode(const struct prefix *list, size_t n, uint8_t ret[OFFERS_LEN_MAX]);
/* -EBADMSG: cut short, more than NODE_OFFERS_MAX, or what is no prefix. */
int offers_decode(struct span body, struct prefix ret[NODE_OFFERS_MAX], size_t *ret_n);

/* Whether packets of this machine to there go through the mesh. */
bool networks_covers(const struct node *n, const uint8_t address[16]);

/* traverse.c: direct links through NATs */
int traverse_new(struct node *n, const struct node_config *config, const uint8_t hash_key[16]);
void traverse_free(struct traverse *t);
void traverse_neighbour(struct node *n, struct peer *p); /* new, or it moved */
void traverse_neighbour_ended(struct node *n, struct peer *p);
void traverse_link_changed(struct node *n, struct peer *p);
void traverse_route_changed(struct node *n);
void traverse_observed(struct node *n, struct node_session *s, struct span body);
void traverse_place(struct node *n, struct node_session *s, struct span body);
void traverse_message(struct node *n, struct peer *p, struct span body);
/* False: it is no probe of ours. */
bool traverse_probe(struct node *n, struct node_session *s, const struct endpoint *from,
		    struct span body);
void traverse_used(struct node *n, struct peer *p); /* a packet went to it through the mesh */
void traverse_handshake_failed(struct node *n, struct peer *p);
void traverse_pump(struct node *n);
void traverse_tick(struct node *n);
uint64_t traverse_deadline_us(const struct node *n);
/* Why there is no direct link with it, and how long until the next try. */
const char *traverse_why(const struct node *n, const struct peer *p, uint64_t now_us,
			 uint64_t *ret_again_us);

/* claims.c: who has which IPv4 address */
struct claim {
	uint8_t address[16];
	uint64_t id;
	uint8_t choice;
};
/* Sorts, and leaves each address to one: the lowest choice, then the lowest id. */
size_t claims_settle(struct claim *list, size_t n);
/* The id that holds the address in a settled list; 0 for nobody. */
uint64_t claims_find(const struct claim *list, size_t n, const uint8_t address[16]);
/* The choice for a node that holds `choice` now, among the others' claims: unchanged while nobody
 * goes before, else the next that nobody claims; PREFIX_IPV4_CHOICES for none. */
unsigned claims_choose(const struct claim *others, size_t n, const struct prefix *within,
		       uint64_t self, unsigned choice);

/* blob.c */
void blob_done(struct blob *b);
/* One part in order; true when the object is whole. A part out of order or beyond BLOB_MAX
 * discards what there was. */
bool blob_input(struct blob *b, struct span part);
