/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause */
/* layout.h - what the eBPF programs in bpf/ and the programs in user space both see: the shared
 * table, the keys and values of the maps, and the counters. Compiled by both, so plain C and the
 * kernel's types alone.
 *
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. Numbers are in the machine's own order where
 * nothing else is said. */
#pragma once

#include <linux/types.h>

#define EBPF_CPUS 256		/* counter slots */
#define EBPF_LISTEN_MAX 8	/* addresses of `listen` */
#define EBPF_LOCALS_MAX 64	/* addresses of this machine that are known to the guard */
#define EBPF_KEYS_MAX 2		/* network keys while one replaces the other */
#define EBPF_INDEX_BUCKETS 4096 /* x 8: four times what 1,000 peers with two sessions need */
#define EBPF_INDEX_WAYS 8
#define EBPF_PEERS_MAX 1024  /* counted one by one */
#define EBPF_SIZE_STEP 64    /* bytes */
#define EBPF_SIZES 24	     /* 0 to 1,535 bytes; the last holds all beyond */
#define EBPF_GAPS 32	     /* powers of two of a nanosecond: the last is 2 s and more */
#define EBPF_SEGMENTS_MAX 64 /* datagrams of one super-packet that are looked at */
#define EBPF_WHY_SIZE 200
#define EBPF_ATTACHMENTS_MAX 64
#define EBPF_NAME_SIZE 16

enum ebpf_program {
	EBPF_GUARD,
	EBPF_METER,
	EBPF_FLOW,
	EBPF_ENFORCE,
	EBPF_N_PROGRAMS,
};

/* ---- counters ---- */

enum ebpf_guard_count {
	GUARD_SEEN, /* datagrams to where we listen */
	GUARD_PASSED,
	GUARD_BLOCKED,	     /* dropped: from a prefix that is blocked */
	GUARD_MALFORMED,     /* dropped: no such type, or too short for it */
	GUARD_UNKNOWN_INDEX, /* dropped: transport for a session that there is not */
	GUARD_OVER_NETWORK,  /* dropped: handshake datagrams beyond the rate of a network */
	GUARD_OVER_PREFIX,   /* dropped: the same of a prefix */
	GUARD_BAD_MAC1,	     /* dropped: handshake datagrams without the network key */
	GUARD_NOT_OURS,	     /* would have been dropped, but is addressed to another machine */
	GUARD_MAC1_CHECKED,
	GUARD_N,
};

enum ebpf_meter_count {
	METER_PACKETS,
	METER_BYTES,	  /* of UDP payload */
	METER_HANDSHAKES, /* packets of types 1 to 5 */
	METER_PROBES,	  /* type 18 */
	METER_N,
};

enum ebpf_direction {
	EBPF_IN,
	EBPF_OUT,
	EBPF_DIRECTIONS,
};

enum ebpf_flow_count {
	FLOW_OPENED,
	FLOW_CLOSED,
	FLOW_RETRANSMITTED,
	FLOW_RTT_SAMPLES,
	FLOW_N,
};

enum ebpf_enforce_count {
	ENFORCE_SEEN,	     /* packets for us from inside the mesh */
	ENFORCE_ALLOWED,     /* by the policy */
	ENFORCE_ANSWERS,     /* belong to what we began */
	ENFORCE_DENIED,	     /* dropped */
	ENFORCE_NOT_OURS,    /* other addresses: for user space alone to judge */
	ENFORCE_LEFT,	     /* known sender, but the table had no room for its rules */
	ENFORCE_SAMPLE_LOST, /* the ring buffer was full */
	ENFORCE_N,
};

/* One for each processor, a cache line apart. */
struct ebpf_slot {
	__u64 guard[GUARD_N];
	__u64 meter[EBPF_DIRECTIONS][METER_N];
	__u64 flow[FLOW_N];
	__u64 enforce[ENFORCE_N];
	__u64 sizes[EBPF_DIRECTIONS][EBPF_SIZES];
	__u64 gaps[EBPF_DIRECTIONS][EBPF_GAPS];
	__u64 last_ns[EBPF_DIRECTIONS];
} __attribute__((aligned(64)));

/* ---- the shared table: one value of one array map, mapped by keeper and daemon ---- */

/* Receiver indices whose low 12 bits are the bucket's number; 0 is none. */
struct ebpf_bucket {
	__u32 index[EBPF_INDEX_WAYS];
	__u16 peer[EBPF_INDEX_WAYS]; /* into peers */
	__u32 is_full;		     /* one had no room: all of this bucket pass */
	__u32 unused[3];
};

/* Where datagrams to us are addressed to: what of an address is in the mask is this, and its port.
 */
struct ebpf_listen {
	__u64 address[2];
	__u64 mask[2]; /* all bits; none for [::]; of 0.0.0.0 what IPv4 begins with */
	__u16 port;
	__u16 unused[3];
};

struct ebpf_limit {
	__u64 interval_ns; /* one datagram each */
	__u64 burst_ns;	   /* this far ahead */
};

enum ebpf_mode {
	EBPF_MODE_NONE,
	EBPF_MODE_XDP_NATIVE,
	EBPF_MODE_XDP_GENERIC,
	EBPF_MODE_TCX,
	EBPF_MODE_CLSACT,
	EBPF_MODE_CGROUP,
	EBPF_N_MODES,
};

struct ebpf_attachment {
	__u32 program; /* enum ebpf_program */
	__u32 id;      /* of the kernel's program */
	__u32 mode;    /* enum ebpf_mode; NONE: the row is free */
	__u32 direction;
	__u32 interface; /* 0 for a cgroup */
	char name[EBPF_NAME_SIZE];
};

/* What the keeper has to say of each program. */
struct ebpf_state {
	__u32 is_on;
	char why[EBPF_WHY_SIZE]; /* it is off, or not everywhere; else what it is attached to */
};

/* How often it ran and for how long, all its functions together, as the kernel counts it; zeros
 * where it never did. */
struct ebpf_runs {
	__u64 n;
	__u64 ns;
};

struct ebpf_peer {
	__u64 id; /* node id; 0: free */
	__u64 packets;
	__u64 bytes;
};

struct ebpf_table {
	/* by the keeper */
	__u64 overlay[2]; /* prefix of the mesh, 48 bits of it */
	__u64 namespace;  /* cookie of our network namespace */
	__u64 mac_key[2]; /* for hashing MAC addresses, of this start alone */
	struct ebpf_listen listen[EBPF_LISTEN_MAX];
	__u32 n_listen;
	__u32 n_blocked;
	struct ebpf_limit network; /* IPv6 /64, IPv4 host */
	struct ebpf_limit prefix;  /* IPv6 /56, IPv4 /24 */
	__u64 locals[EBPF_LOCALS_MAX][2];
	__u32 n_locals;
	struct ebpf_state states[EBPF_N_PROGRAMS];
	struct ebpf_attachment attachments[EBPF_ATTACHMENTS_MAX];
	struct ebpf_runs runs[EBPF_N_PROGRAMS]; /* of the last refresh */
	/* by the daemon */
	__u32 is_armed;		      /* buckets are kept: what is not in them is unknown */
	__u32 n_keys;		      /* 0: mac1 is not looked at */
	__u64 keys[EBPF_KEYS_MAX][2]; /* of mac1, as SipHash reads them */
	__u64 own[2];		      /* overlay address of this node; 0: none yet */
	struct ebpf_bucket buckets[EBPF_INDEX_BUCKETS];
	/* by the programs */
	struct ebpf_peer peers[EBPF_PEERS_MAX]; /* id: by the daemon */
	struct ebpf_slot slots[EBPF_CPUS];
};

/* ---- guard: maps "x0_networks" and "x0_prefixes" (LRU), "x0_blocked" (LPM trie) ---- */

#define EBPF_NETWORKS_MAX 16384
#define EBPF_PREFIXES_MAX 16384
#define EBPF_BLOCKED_MAX 1024

/* The key is the first 64 bits of an IPv6 address, cut to the prefix, or an IPv4 address, cut
 * likewise; as numbers. */
struct ebpf_source {
	__u64 due_ns; /* of the bucket: ahead of now by what was taken */
	__u64 packets;
	__u64 bytes;
	__u64 dropped;
};

struct ebpf_trie_key {
	__u32 prefix_len;
	__u8 address[16];
};

/* ---- meter: map "x0_macs" (LRU), key: keyed hash of the address ---- */

#define EBPF_MACS_MAX 1024

struct ebpf_mac {
	__u64 packets[EBPF_DIRECTIONS];
	__u64 bytes[EBPF_DIRECTIONS];
};

/* ---- flow: map "x0_flows" (LRU) ---- */

#define EBPF_FLOWS_MAX 4096

struct ebpf_flow_key {
	__u64 remote[2];
	__u16 local_port;
	__u16 remote_port;
	__u32 unused;
};

struct ebpf_flow {
	__u64 opened_ns;
	__u64 closed_ns; /* 0: open */
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 srtt_us;
	__u32 min_rtt_us;
	__u32 max_rtt_us;
	__u32 samples;
	__u32 retransmits;
	__u32 state;	 /* of TCP, as in linux/tcp.h */
	__u32 is_active; /* we connected */
	__u32 unused;
};

/* ---- enforce: map "x0_rules" (one value), "x0_outbound" (LRU), "x0_denied" (ring) ---- */

#define EBPF_SENDER_BUCKETS 1024
#define EBPF_SENDER_WAYS 8
#define EBPF_CLASSES_MAX 64		      /* senders that may do different things */
#define EBPF_CLASS_NONE 0xffff		      /* no room: user space alone judges */
#define EBPF_OUTBOUND_MAX 4096		      /* as FLOWS_MAX of core/forward */
#define EBPF_OUTBOUND_IDLE_NS 180000000000ULL /* as FLOW_IDLE_US there */
#define EBPF_RING_SIZE 65536
#define EBPF_SAMPLES_A_SECOND 32

/* What one kind of sender may begin here: a bit a port, set for what is allowed. */
struct ebpf_class {
	__u8 tcp[8192];
	__u8 udp[8192];
	__u8 protocols[32]; /* of others, by number */
	__u32 icmp;	    /* ICMPv6 but for echo requests */
	__u32 ping;
};

struct ebpf_sender {
	__u64 id[EBPF_SENDER_WAYS]; /* last 8 bytes of the address as read; 0: free */
	__u16 class[EBPF_SENDER_WAYS];
	__u32 is_full;
	__u32 unused[3];
};

struct ebpf_rules {
	__u32 is_armed; /* 0: everything passes */
	__u32 unused;
	struct ebpf_sender senders[EBPF_SENDER_BUCKETS];
	struct ebpf_class classes[EBPF_CLASSES_MAX];
};

struct ebpf_outbound_key {
	__u64 remote[2];
	__u16 remote_port;
	__u16 local_port;
	__u32 protocol;
};

/* A denied packet, one in many. */
struct ebpf_denied {
	__u64 at_ns;
	__u64 source[2];
	__u16 source_port;
	__u16 destination_port;
	__u32 protocol;
};
