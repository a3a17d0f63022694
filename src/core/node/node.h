/* SPDX-License-Identifier: Apache-2.0 */
/* node.h - one node of the mesh, all the cores together, without a socket, a file or a clock.
 *
 * Datagrams, tunnel packets, commands and time go in; actions come out. After each call drain
 * node_next_action() until it returns false, then arm one timer for node_deadline_us(). The
 * daemon runs one of these; a simulation runs thousands. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/rng.h"
#include "core/carry/carry.h"
#include "core/crypto/crypto.h"
#include "core/handshake/handshake.h"
#include "core/identity/identity.h"
#include "core/link/link.h"
#include "core/link/pmtu.h"
#include "core/multipath/disjoint.h"
#include "core/nat/atlas.h"
#include "core/nat/observe.h"
#include "core/nat/punch.h"
#include "core/origin/origin.h"
#include "core/policy/policy.h"
#include "core/prefix/prefix.h"
#include "core/reach/reach.h"
#include "core/route/route.h"
#include "core/session/session.h"
#include "core/survey/survey.h"
#include "core/watch/watch.h"
#include "core/wire/wire.h"

#define NODE_PEERS_MAX 1000	 /* nodes we hold sessions with */
#define NODE_CONTACTS_MAX 256	 /* endpoints we were told to connect to */
#define NODE_PACKET_QUEUE_MAX 64 /* packets that wait for a session, per peer */
#define NODE_ACTIONS_MAX 8192
#define NODE_JOINS_MAX 64 /* join sessions at once */
#define NODE_JOIN_US 30000000
#define NODE_DATAGRAM_MAX 8952 /* of the greatest tunnel MTU; see also datagram_max inside */
#define NODE_NETWORK_KEYS_MAX 2
#define NODE_OFFERS_MAX 32    /* prefixes that one node offers */
#define NODE_OFFERERS_MAX 256 /* nodes whose offers are kept */
#define NODE_SPREADS_MAX 32   /* peers that are sent to, or heard, by several ways at once */
#define NODE_COSIGNS_MAX 16   /* messages of neighbours about ledgers that wait for the shell */
#define NODE_COSIGN_LEN_MAX 8192
#define NODE_EXIT_NONE 0 /* for node_set_exit() */
#define NODE_EXIT_ANY UINT64_MAX

/* A network key as the authority signed it: the higher generation is the newer. */
struct network_key {
	uint64_t generation;
	uint8_t key[NETWORK_KEY_LEN];
	uint8_t signature[MLDSA65_SIG_LEN]; /* by the ML-DSA root; all zero for one never spread */
};

/* Addresses of IPv4 inside, and what this node offers to others (docs/routes.md). */
struct node_networks {
	bool has_ipv4;
	struct prefix ipv4; /* PREFIX_IPV4_BITS_MIN to _MAX bits; the same at every node */
	size_t n_offers;
	struct prefix offers[NODE_OFFERS_MAX]; /* each without prefix_fault() */
};

/* Direct links beside those configured or found on a LAN (docs/nat.md). */
struct node_traversal {
	bool is_on;	    /* else nothing is told, asked or probed */
	unsigned links;	    /* so many links in all are sought, among whoever is reachable */
	unsigned links_max; /* and up to so many with whom packets go to */
};

struct node_config {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed;
	uint8_t aead_offer;			/* bits of enum aead_algorithm */
	unsigned mtu_bytes;			/* of the tunnel, 1280..FORWARD_MTU_MAX */
	uint64_t mtu_confirm_us;		/* path MTU, by link: 0 for PMTU_CONFIRM_US */
	uint64_t mtu_raise_us;			/* 0 for PMTU_RAISE_US */
	bool tells_denied;			/* by ICMPv6, whose flow policy denied */
	struct session_limits limits;		/* zero fields: the defaults; a test lowers them */
	const struct policy *policy;		/* borrowed; replaced by node_set_policy() */
	policy_stopwatch *policy_now_ns;	/* NULL: decisions are not timed */
	struct hs_identity identity;		/* borrows as handshakes_set_identity() */
	struct trust trust;			/* copied; its revocation list is taken over */
	const struct network_key *network_keys; /* newest first; copied */
	size_t n_network_keys;
	bool has_flowlets;  /* bulk over feasible alternates too, at each hop */
	bool has_multipath; /* more than one way at once to where much or critical goes */
	bool copies_dscp;   /* inner codepoints are shown on the outside too (RFC 2983) */
	unsigned n_workers; /* jobs given out at once, HS_WORKERS_MAX at most; 0: run at once */
	struct node_networks networks;
	size_t flat_max, zone_max; /* of core/reach; 0: its own */
	struct node_traversal traversal;
	/* Packet threads beside this one, CARRY_THREADS_MAX at most; with them mtu_bytes may not
	 * be so long that a datagram is over SHARE_PACKET_MAX (-EMSGSIZE). 0: none. */
	unsigned n_threads;
	const char *version; /* of the program, told to who surveys; copied; NULL for none */
	/* The domain's authority only: */
	const struct signing_key *root_key; /* ML-DSA root, borrowed */
	bool is_authority;		    /* also while root_key is locked, and so NULL */
};

struct node;

int node_new(const struct node_config *config, uint64_t now_us, int64_t unix_ms, struct node **ret);
void node_free(struct node *n);

/* The wall clock, for certificates; call at least every few seconds. */
void node_clock(struct node *n, uint64_t now_us, int64_t unix_ms);

void node_input_datagram(struct node *n, const struct endpoint *from, struct span datagram,
			 uint64_t now_us);
/* The same, told the DSCP and ECN of the IP header it came in; and the bytes are lent: changed in
 * place, and what is relayed or delivered of them lies there until the actions are drained. */
void node_input_lent(struct node *n, const struct endpoint *from, uint8_t traffic_class,
		     uint8_t *datagram, size_t len, uint64_t now_us);
void node_input_packet(struct node *n, struct span packet, uint64_t now_us); /* from the TUN */
void node_tick(struct node *n, uint64_t now_us);
uint64_t node_deadline_us(struct node *n);

enum node_action_type {
	NODE_SEND,    /* data to endpoint */
	NODE_DELIVER, /* data is an inner packet for the TUN */
	NODE_EVENT,   /* tell, log, count */
	NODE_STORE,   /* keep what changed: see store */
	NODE_RENEWED, /* data: the authority's answer to node_renew(), for this request's keys */
	NODE_ISSUE,   /* a join or renewal request passed all checks: grant it or not */
	NODE_COSIGN,  /* node_cosign_next() has something */
};

enum node_event_type {
	EVENT_PEER_UP,	 /* a session with a peer */
	EVENT_PEER_DOWN, /* the last one is gone */
	EVENT_LINK_UP,
	EVENT_LINK_SUSPECT, /* silent for a moment: what goes there is copied to another way */
	EVENT_LINK_TRUSTED, /* and heard again before it was down */
	EVENT_LINK_DOWN,
	EVENT_ROUTE_CHANGED,
	EVENT_HANDSHAKE_FAILED,
	EVENT_SPOOFED_INNER, /* a session peer sent a packet with a source not its own */
	EVENT_SPOOFED_TUN,   /* the tunnel gave a packet whose source is not ours */
	EVENT_FLOW_DENIED,
	EVENT_PEER_MOVED,
	EVENT_PEER_REVOKED,
	EVENT_PEER_CLONED, /* a boot epoch lower than seen: restored or cloned */
	EVENT_ECHO_REPLY,  /* to node_ping() */
	EVENT_TRACE_REPLY, /* to node_trace() */
	EVENT_REKEYED,
	EVENT_GOODBYE,
	EVENT_NETWORK_KEY,
	EVENT_PEER_LIFE,   /* reason: what has become of it */
	EVENT_ROUTE_FOUND, /* a node beyond the zone was asked for, and there is a way */
	EVENT_NETWORKS,	   /* the node's IPv4 address or node_next_network() may have changed */
	EVENT_DOUBTED,	/* packets given to a neighbour, for the node `via` or for all (0), are lost
			 */
	EVENT_BELIEVED, /* and no more */
	EVENT_ROUTE_LIE, /* a neighbour claims of the node `via` what it cannot prove */
	EVENT_TOPOLOGY,	 /* what node_survey() says has changed; each 200 ms at most */
	EVENT_N_TYPES,
};

struct node_event {
	enum node_event_type type;
	uint64_t node_id;	      /* of whom it speaks; 0 unknown */
	char name[NODE_NAME_MAX + 1]; /* "" unknown */
	struct endpoint endpoint;
	const char *reason; /* static text, or NULL */
	uint64_t via;	    /* route: next hop; trace: the node that answered */
	uint32_t metric;
	unsigned hops;
	uint64_t rtt_us;     /* handshakes, discoveries: how long it took */
	uint32_t id;	     /* ping, trace: as given */
	uint32_t sequence;   /* up: 1 where this node began the handshake */
	uint8_t address[16]; /* spoofing: the address that lied; up: of the handshake, a random
			      * number that both ends know, and whoever sees the datagrams */
};

enum node_store {
	NODE_STORE_NETWORK_KEYS, /* node_network_keys() */
	NODE_STORE_REVOCATIONS,	 /* node_revocations() */
};

/* A request the node cannot answer alone: the shell counts the token's use, keeps that safely,
 * signs, and then calls node_issue_answer(). The spans stay until the next call on the node. */
struct node_issue {
	uint32_t request;
	bool is_join; /* else the renewal of peer's identity */
	uint8_t token_id[TOKEN_ID_LEN];
	uint8_t request_hash[SHA256_LEN];
	char spiffe_id[SPIFFE_ID_SIZE]; /* renewal: of the peer, as its session proves */
	struct span csr_mldsa;
	struct span csr_p256;
};

struct node_action {
	enum node_action_type type;
	struct endpoint endpoint;
	/* Borrowed until node_next_action() has said that there is nothing, and then until the next
	 * call on the node: all of them may be gathered and sent together. */
	struct span data;
	/* NODE_SEND: what is not bulk goes first, and what is of the mesh itself before all. */
	enum wire_class class;
	bool is_control;
	uint8_t traffic_class; /* DSCP and ECN for its IP header */
	bool dont_fragment;    /* NODE_SEND: a probe of the path MTU, and may be too long */
	struct node_event event;
	enum node_store store;
	struct node_issue issue;
};

bool node_next_action(struct node *n, struct node_action *ret);

/* With workers, after each call as well: the next job, until NULL. It is run by any thread with
 * hs_job_run() and brought back, which is an input like others; until then it reads the
 * identity's key and the node's roots. Without a node it is freed with hs_job_free(). */
struct hs_job *node_next_job(struct node *n);
void node_job_done(struct node *n, struct hs_job *job, uint64_t now_us); /* takes it */
unsigned node_jobs_out(const struct node *n);

/* ---- packet threads (core/carry), where there are some; all called by the node's own ---- */

/* Grows when sessions, links, routes or addresses of neighbours may have changed: then a table is
 * to be asked for at once, else some milliseconds after each call on the node. */
uint64_t node_carry_version(const struct node *n);
/* How things stand for them. -EALREADY: as the table before says; -ENOMEM. It is freed, by
 * carry_table_free(), before the node is and when no thread uses it. */
int node_carry_table(struct node *n, const struct carry_table *before, uint64_t now_us,
		     struct carry_table **ret);
/* Reads what they did, and does what follows from it. Within 10 ms of it, so that links and
 * sessions are not thought silent. False: they did nothing since. */
bool node_carry_collect(struct node *n, uint64_t now_us);
/* What they opened and leave to the node: CARRY_OPENED. The bytes are lent. */
void node_input_opened(struct node *n, const struct endpoint *from, uint8_t traffic_class,
		       uint32_t index, bool is_newest, uint8_t *inner, size_t len, uint64_t now_us);

/* ---- commands ---- */

/* Connect to this endpoint and stay connected; spiffe_id "" for any member. -ENOBUFS, -EEXIST. */
int node_add_contact(struct node *n, const struct endpoint *endpoint, const char *spiffe_id,
		     uint64_t now_us);
void node_remove_contact(struct node *n, const struct endpoint *endpoint);

/* Whether whoever is meant by the contact at this endpoint is linked, or has just been. */
bool node_contact_is_met(const struct node *n, const struct endpoint *endpoint);

/* Somebody says that this node is there: one handshake with it, and no more if nobody answers. It
 * proves who it is as always. -EEXIST: there is a link with it, or a handshake under way; -EINVAL:
 * it is this node; -EPERM: it was revoked; -EAGAIN: one has just failed; -ENOBUFS. */
int node_meet(struct node *n, const struct endpoint *endpoint, uint64_t node_id, uint64_t now_us);
/* Whether there is a link with it in this boot of it or a later one, or soon will be. */
bool node_is_linked(const struct node *n, uint64_t node_id, uint32_t boot_epoch);

/* Where this node may be reached: addresses of its interfaces, and what is configured. */
void node_set_addresses(struct node *n, const struct endpoint *own, size_t n_own,
			const struct endpoint *fixed, size_t n_fixed, uint64_t now_us);
/* Where a node was before this one started, the best first: tried while links are wanted and it
 * cannot be reached. To be told in the order in which they were last heard, the oldest first. */
void node_learn_place(struct node *n, uint64_t node_id, const struct endpoint *at, size_t n_at);

/* An echo request, answered by EVENT_ECHO_REPLY with the same id and sequence. The first one
 * to a node without a session waits for the handshake. -ENETUNREACH: no route. */
int node_ping(struct node *n, uint64_t node_id, uint32_t id, uint32_t sequence, uint64_t now_us);
/* Asks each node on the way, one EVENT_TRACE_REPLY for each ttl from 1 on that answers. */
int node_trace(struct node *n, uint64_t node_id, uint32_t id, unsigned ttl, uint64_t now_us);

/* What the kernel believes the path there carries, from the device and from ICMP, when a probe is
 * sent: a hint. */
void node_path_hint(struct node *n, const struct endpoint *to, unsigned datagram_max,
		    uint64_t now_us);
/* A datagram with dont_fragment could not leave: longer than the device carries. */
void node_path_refused(struct node *n, const struct endpoint *to, unsigned datagram_len,
		       uint64_t now_us);

/* The interface that leads to a neighbour has lost its carrier: its link is down at once. */
void node_carrier_lost(struct node *n, uint64_t node_id, uint64_t now_us);
/* The network, or the kernel, says that datagrams do not get there (ICMP, unauthenticated):
 * link_refused(). */
void node_refused(struct node *n, const struct endpoint *to, uint64_t now_us);
/* How late what is due may leave here, because of other programs: link_set_lateness(). */
void node_set_lateness(struct node *n, uint32_t late_us);

/* Links that are probed fast, and by when something has to leave on each for our promise to be
 * kept. Start with *cursor = 0. keys: another when what was sealed before is of no use any more. */
struct node_pledge {
	uint64_t node_id;
	struct endpoint endpoint;
	uint64_t speak_by_us;
	uint64_t keys;
};
bool node_next_pledge(const struct node *n, size_t *cursor, struct node_pledge *ret);
/* A datagram that says "I live" to a neighbour, sealed now, to be sent by any thread in the next
 * few seconds, once, or never. False: it cannot be sealed. */
#define NODE_ALIVE_LEN 39
bool node_seal_alive(struct node *n, uint64_t node_id, uint8_t ret[NODE_ALIVE_LEN],
		     uint64_t now_us);

/* What the link to a neighbour costs more here than it is measured to, in the units of
 * link_metric(), so that packets go another way where there is one; it cuts nothing off. It stays
 * until it is set to 0 or the node ends. -EINVAL: over NODE_PENALTY_MAX; -ENOENT: no such peer. */
#define NODE_PENALTY_MAX 0x100000U
int node_set_penalty(struct node *n, uint64_t node_id, uint32_t penalty, uint64_t now_us);
/* Whether what is handed to neighbours arrives, as core/watch has it. */
bool node_next_watched(const struct node *n, size_t *cursor, struct watch_way *ret);

/* Says goodbye to all neighbours (before the daemon ends). */
void node_goodbye(struct node *n, uint64_t now_us);

void node_set_policy(struct node *n, const struct policy *policy);
/* The authority's key was unlocked, or is about to be locked (NULL). */
void node_set_root_key(struct node *n, const struct signing_key *key);
/* The key of the one before must live on as long as node_jobs_out() of now are out. */
void node_set_identity(struct node *n, const struct hs_identity *identity);
/* Join keys the authority accepts; borrowed until replaced. */
void node_set_tokens(struct node *n, const struct token_entry *tokens, size_t n_tokens);

/* The shell's answer to NODE_ISSUE: the bytes for the requester (docs/join.md), which say yes or
 * why not. */
void node_issue_answer(struct node *n, uint32_t request, struct span answer, uint64_t now_us);

/* Authority: revokes, raises and spreads the list, and starts a new network key. -EPERM
 * elsewhere, -ENOBUFS, -EALREADY. */
int node_revoke(struct node *n, uint64_t node_id, const uint8_t serial[SERIAL_LEN],
		uint64_t now_us);
/* Authority: a new network key, the old one stays valid unless told. -EPERM. */
int node_rotate_network_key(struct node *n, bool keep_old, uint64_t now_us);

/* Takes a signed list read from disk. -EKEYREJECTED: not signed by a root, or not newer. */
int node_set_revocations(struct node *n, struct span bytes);

/* Asks the authority for a new certificate; the answer is the action NODE_RENEWED.
 * -ENETUNREACH. */
int node_renew(struct node *n, uint64_t authority, struct span csr_mldsa, struct span csr_p256,
	       uint64_t now_us);

/* Takes the place of what was offered before; the IPv4 prefix stays as it was at the start. */
void node_set_offers(struct node *n, const struct prefix *offers, size_t n_offers, uint64_t now_us);
/* Through which node the way to 0.0.0.0/0 and ::/0 leads, if policy lets us accept it from it. */
void node_set_exit(struct node *n, uint64_t node_id, uint64_t now_us);

/* ---- views ---- */

/* This node's IPv4 address inside, IPv4-mapped. False: IPv4 is off, or all its addresses are
 * taken. */
bool node_ipv4(const struct node *n, uint8_t ret[16]);
/* The IPv4 address of another by what it said last; false where it has none. */
bool node_ipv4_of(const struct node *n, uint64_t node_id, uint8_t ret[16]);
/* Whose such an address is, this node's included; 0 for nobody's. */
uint64_t node_by_ipv4(const struct node *n, const uint8_t address[16]);
/* A node with another ipv4.prefix than ours, whose address is therefore not known; 0 for none. */
uint64_t node_ipv4_stranger(const struct node *n);

/* Prefixes that are accepted, the longest first; start with *cursor = 0. via: whom packets go to,
 * 0 while none that offers it is reachable. */
bool node_next_network(const struct node *n, size_t *cursor, struct prefix *ret, uint64_t *ret_via);

enum node_offer_state {
	NODE_OFFER_USED,
	NODE_OFFER_STANDBY,	/* another node that offers it is nearer */
	NODE_OFFER_UNREACHABLE, /* accepted; no way to the node */
	NODE_OFFER_NOT_CHOSEN,	/* an exit that would be accepted and is not in use */
	NODE_OFFER_DENIED,	/* by policy, or by what the prefix is: see why */
};

struct node_offer_view {
	uint64_t node_id;
	char name[NODE_NAME_MAX + 1];
	struct prefix prefix;
	enum node_offer_state state;
	uint32_t metric; /* of the node */
	char why[POLICY_REASON_SIZE];
};

/* Every offer of every other node, as that node itself told us. */
bool node_next_offer(const struct node *n, size_t *cursor, struct node_offer_view *ret);
/* Nodes that say they offer something and have not told what yet. */
size_t node_offers_awaited(const struct node *n);

/* What is known of who announces a node: its epoch certificate, and why the last one named was not
 * good, NULL if it was. */
enum origin_state node_origin(const struct node *n, uint64_t id, const char **ret_reason);

uint64_t node_id(const struct node *n);
uint64_t node_boot_epoch(const struct node *n);
const uint8_t *node_overlay_address(const struct node *n); /* 16 bytes */
const struct routes *node_routes(const struct node *n);
const struct reach *node_reach(const struct node *n);
/* Newest first. */
size_t node_network_keys(const struct node *n, struct network_key ret[NODE_NETWORK_KEYS_MAX]);
/* Changes whenever a receiver index becomes valid or ends, or the network keys change. */
uint64_t node_sessions_version(const struct node *n);
/* Walks sessions, each as often as it has valid receiver indices: all of these (0 for none), and
 * whose they are (0 for a join). Start with *cursor = 0; 0 at the end. */
#define NODE_INDICES_MAX 4
size_t node_next_indices(const struct node *n, size_t *cursor, uint32_t ret[NODE_INDICES_MAX],
			 uint64_t *ret_id);
/* The signed list in wire form, empty for none; borrowed. */
struct span node_revocations(const struct node *n);

/* What became of a node, as seen from here. */
enum node_life {
	NODE_JOINING,	 /* a handshake is under way, or wanted; nothing is proved */
	NODE_REGISTERED, /* it has proved who it is; there is no session now */
	NODE_ACTIVE,
	NODE_DEGRADED, /* its link is suspect, down or bad, or there is no way to it */
	NODE_DEAD,     /* silent for a minute, and no way to it */
	NODE_LEFT,     /* it said goodbye */
	NODE_N_LIVES,
};

const char *node_life_name(enum node_life l);

struct node_peer_view {
	uint64_t node_id;
	char name[NODE_NAME_MAX + 1];
	uint8_t address[16];
	bool is_neighbour;
	bool has_session;
	bool is_initiator;
	struct endpoint endpoint; /* neighbours */
	enum link_state state;
	enum link_class class;
	struct link_quality quality;
	uint32_t metric;
	uint32_t penalty;  /* on top of it: node_set_penalty() */
	unsigned path_mtu; /* neighbours: of the path below, with IP and UDP headers */
	enum pmtu_state path_mtu_state;
	bool is_path_mtu_searched; /* it may yet turn out to be more */
	unsigned mtu_bytes;	   /* the longest packet that reaches it, as far as known */
	enum aead_algorithm aead;
	uint32_t epoch; /* of the keys */
	uint64_t session_age_us;
	uint64_t sent_bytes, received_bytes, sent_packets, received_packets;
	int64_t not_after_s; /* of its certificate */
	uint8_t serial[SERIAL_LEN];
	enum node_life life;
	unsigned n_unannounced;	 /* restarts without a goodbye before, since it is known */
	const char *why_relayed; /* why there is no direct link; NULL: there is one */
	unsigned n_tried;	 /* addresses that were probed for one */
	uint64_t again_us; /* until the next try of ours; 0: none is planned, or one goes on */
};

/* Walks peers in order of first contact; start with *cursor = 0. */
bool node_next_peer(const struct node *n, size_t *cursor, uint64_t now_us,
		    struct node_peer_view *ret);
struct node_nat_view {
	bool is_on;
	struct observe_view ipv4, ipv6;
	struct candidates at; /* what is told */
	size_t n_calls;	      /* under way */
	size_t n_places;      /* nodes whose addresses are remembered */
	struct punch_counters counters;
};

void node_nat(const struct node *n, struct node_nat_view *ret);
/* Where others are, to be kept for the next start; grows with each change. */
uint64_t node_places_version(const struct node *n);
bool node_next_place(const struct node *n, size_t *cursor, struct atlas_entry *ret);

/* To and from direct neighbours, as core/cosign writes and reads it. -ENETUNREACH: there is no link
 * with that node; -EMSGSIZE; -ENOBUFS. */
int node_cosign_send(struct node *n, uint64_t node_id, struct span message, uint64_t now_us);
/* The oldest that came, until false. The bytes are the caller's to free; ret_spiffe_id is who has
 * proved to have sent it, while the link is there, or "". */
bool node_cosign_next(struct node *n, uint64_t *ret_from, char ret_spiffe_id[SPIFFE_ID_SIZE],
		      uint8_t **ret_bytes, size_t *ret_len);

/* Somebody looks at the mesh from here: for SURVEY_LOOK_US others are asked for their links.
 * -ENOMEM. */
int node_survey_look(struct node *n, uint64_t now_us);
/* What they said; NULL: nobody has looked yet. Borrowed until the next call on the node. */
const struct survey *node_survey(const struct node *n);

/* Whether all that a node id holds has been revoked: the node was removed. */
bool node_is_revoked(const struct node *n, uint64_t id);
/* The name of a node id as far as proved to us; false if unknown. */
bool node_name_of(const struct node *n, uint64_t id, char ret[NODE_NAME_MAX + 1]);

/* One of several ways to a peer. */
struct node_way_view {
	uint64_t node_id; /* of the peer */
	size_t n_nodes;
	uint64_t nodes[PATH_NODES_MAX]; /* from this one to the peer */
	bool is_used;
	uint32_t delay_us;  /* there and back, without queues; 0 not measured */
	uint64_t rate_bps;  /* what it carries, as far as known */
	bool is_rate_known; /* measured while it was full; else a lower bound */
	uint64_t load_bps;  /* sent by it lately */
	uint64_t sent_bytes;
	const char *reason;
};

/* Walks the ways to one peer; start with *cursor = 0. None while one way will do. */
bool node_next_way(const struct node *n, uint64_t node_id, size_t *cursor,
		   struct node_way_view *ret);

/* How long something took: how often at most so long, each time counted once. */
#define NODE_N_BOUNDS 8
extern const uint64_t node_bounds_us[NODE_N_BOUNDS];

struct node_times {
	uint64_t n[NODE_N_BOUNDS + 1]; /* the last: beyond all bounds */
	uint64_t sum_us;
};

struct node_counters {
	uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
	uint64_t packets_from_tun, packets_to_tun, relayed;
	uint64_t unknown_index, forged, replayed, malformed;
	uint64_t spoofed_inner, spoofed_tun, no_route, ttl_expired, queue_full, flow_denied,
		too_big, duplicates_sent, deflected, not_offered, ecn_marked, ecn_dropped,
		actions_dropped, policy_allowed, policy_denied;
	uint64_t too_big_told; /* to sources, of packets that a link of ours cannot carry */
	uint64_t icmp_told;
	uint64_t datagrams_cut, datagrams_joined, pieces_refused;
	/* more than one way (docs/multipath.md) */
	uint64_t copies_sent, copies_removed; /* of critical packets */
	uint64_t flowlets;		      /* packets sent by an alternate of choice */
	uint64_t bulk_shed;		      /* all ways had as much as they carry */
	uint64_t labels_left;		      /* packets that could not follow their labels here */
	uint64_t reordered, reordered_late, reordered_lost;
	uint64_t mss_clamped;
	uint64_t carriers_lost, refusals; /* as the shell said, of neighbours; news or not */
	uint64_t dead_ends_told, dead_ends_heard, dead_ends_refused; /* core/forward/hints.h */
	struct node_times initiated, responded; /* handshakes that were completed */
	struct node_times discoveries;		/* of routes beyond the zone */
	/* From the last that was heard of a neighbour to another next hop in its place, for each
	 * destination that it was the next hop to. */
	struct node_times failovers;
	struct policy_times decisions;
	struct hs_counters handshakes;
	struct route_counters routes;
	struct reach_counters reach;
	struct origin_counters origins;
	struct watch_counters watch;
};

void node_counters(const struct node *n, struct node_counters *ret);
