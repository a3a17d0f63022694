/* SPDX-License-Identifier: Apache-2.0 */
/* batwire.h - packets of batman-adv, compatibility version 15, without the Ethernet header before
 * them (ethertype 0x4305). The layouts are those of linux/batadv_packet.h.
 *
 * Readers return -EBADMSG for what cannot be parsed and -EPROTO for another version; what they
 * give is borrowed from the packet. Writers mark the writer as overrun where the room is short. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define BATWIRE_ETHERTYPE 0x4305
#define BATWIRE_VERSION 15
#define BATWIRE_TTL 50
#define BATWIRE_THROUGHPUT_MAX UINT32_MAX /* what an originator says of itself */
#define BATWIRE_AGGREGATE_MAX 512	  /* bytes of originator messages in one packet */
#define BATWIRE_RECORDS_MAX 16		  /* addresses in a route record */
#define BATWIRE_FRAGMENTS_MAX 16	  /* of one packet: their number has four bits */
#define BATWIRE_VLANS_MAX 16 /* of one table; the kernel's limit is the packet's size */

enum batwire_type {
	BATWIRE_BCAST = 0x01,
	BATWIRE_ELP = 0x03,
	BATWIRE_OGM2 = 0x04,
	BATWIRE_UNICAST = 0x40,
	BATWIRE_FRAGMENT = 0x41,
	BATWIRE_UNICAST_4ADDR = 0x42,
	BATWIRE_ICMP = 0x43,
	BATWIRE_UNICAST_TVLV = 0x44,
};

enum {
	BATWIRE_ELP_LEN = 16,
	BATWIRE_OGM2_LEN = 20,
	BATWIRE_BCAST_LEN = 14,
	BATWIRE_UNICAST_LEN = 10,
	BATWIRE_4ADDR_LEN = 18,
	BATWIRE_FRAGMENT_LEN = 20,
	BATWIRE_ICMP_LEN = 20,
	BATWIRE_ICMP_RECORD_LEN = 116, /* with a route record */
	BATWIRE_UNICAST_TVLV_LEN = 20,
	BATWIRE_TVLV_LEN = 4,
};

/* Which packet it is, by its first two bytes. */
int batwire_type(struct span packet, uint8_t *ret);

/* ---- neighbours ---- */

struct batwire_elp {
	uint8_t originator[6];
	uint32_t seqno;
	uint32_t interval_ms;
};

int batwire_elp_read(struct span packet, struct batwire_elp *ret);
void batwire_elp_write(struct writer *w, const struct batwire_elp *elp);

/* ---- originators ---- */

struct batwire_ogm {
	uint8_t ttl;
	uint8_t flags;
	uint32_t seqno;
	uint8_t originator[6];
	uint32_t throughput; /* of the path so far, in 100 kbit/s */
	struct span tvlvs;
};

/* The next of the originator messages in one packet; start with the whole packet in the reader.
 * 1: there is one; 0: there are no more. */
int batwire_ogm_next(struct reader *r, struct batwire_ogm *ret);
void batwire_ogm_write(struct writer *w, const struct batwire_ogm *ogm);

/* ---- containers ---- */

enum batwire_tvlv_type {
	BATWIRE_TVLV_GATEWAY = 1,
	BATWIRE_TVLV_TT = 4,
};

struct batwire_tvlv {
	uint8_t type;
	uint8_t version;
	struct span body;
};

/* As batwire_ogm_next(). */
int batwire_tvlv_next(struct reader *r, struct batwire_tvlv *ret);
void batwire_tvlv_write(struct writer *w, const struct batwire_tvlv *tvlv);

/* ---- translation tables: container 4, version 1 ---- */

enum batwire_tt_flags {
	BATWIRE_TT_OGM_DIFF = 0x01,
	BATWIRE_TT_REQUEST = 0x02,
	BATWIRE_TT_RESPONSE = 0x04,
	BATWIRE_TT_KIND_MASK = 0x0f,
	BATWIRE_TT_FULL_TABLE = 0x10,
};

struct batwire_tt_vlan {
	uint32_t crc;
	uint16_t vid;
};

struct batwire_tt_change {
	uint8_t flags; /* enum batwire_client_flags */
	uint8_t address[6];
	uint16_t vid;
};

enum batwire_client_flags {
	BATWIRE_CLIENT_DELETE = 0x01,
	BATWIRE_CLIENT_SYNC_MASK = 0xf0, /* these are part of the checksum */
};

struct batwire_tt {
	uint8_t flags;
	uint8_t version; /* of the table */
	unsigned n_vlans;
	struct batwire_tt_vlan vlans[BATWIRE_VLANS_MAX];
	struct span changes; /* see batwire_tt_change_next() */
};

/* The body of a container. -ENOBUFS: more VLANs than BATWIRE_VLANS_MAX. */
int batwire_tt_read(struct span body, struct batwire_tt *ret);
bool batwire_tt_change_next(struct reader *r, struct batwire_tt_change *ret);
/* The whole container, changes as in tt->changes. */
void batwire_tt_write(struct writer *w, const struct batwire_tt *tt);
void batwire_tt_change_write(struct writer *w, const struct batwire_tt_change *change);
/* What a client adds to the checksum of its VLAN's table: all are combined by exclusive or. */
uint32_t batwire_client_crc(const struct batwire_tt_change *client);

/* ---- unicast containers ---- */

struct batwire_unicast_tvlv {
	uint8_t ttl;
	uint8_t to[6], from[6];
	struct span tvlvs;
};

int batwire_unicast_tvlv_read(struct span packet, struct batwire_unicast_tvlv *ret);
void batwire_unicast_tvlv_write(struct writer *w, const struct batwire_unicast_tvlv *u);

/* ---- ICMP ---- */

enum batwire_icmp_kind {
	BATWIRE_ECHO_REPLY = 0,
	BATWIRE_UNREACHABLE = 3,
	BATWIRE_ECHO_REQUEST = 8,
	BATWIRE_TTL_EXCEEDED = 11,
};

struct batwire_icmp {
	uint8_t ttl;
	uint8_t kind;
	uint8_t to[6], from[6];
	uint8_t uid; /* of the program that asked */
	uint16_t seqno;
	bool has_records; /* a route record follows */
	uint8_t n_records;
	uint8_t records[BATWIRE_RECORDS_MAX][6];
};

int batwire_icmp_read(struct span packet, struct batwire_icmp *ret);
void batwire_icmp_write(struct writer *w, const struct batwire_icmp *icmp);

/* ---- data ---- */

/* Any of unicast, unicast with four addresses, and broadcast. */
struct batwire_data {
	uint8_t type;
	uint8_t ttl;
	uint8_t to[6];	    /* originator; not of a broadcast */
	uint8_t from[6];    /* originator; not of a plain unicast */
	uint8_t tt_version; /* of the table by which the sender chose "to" */
	uint8_t subtype;    /* of four addresses; 1 is data */
	uint32_t seqno;	    /* of a broadcast */
	struct span frame;
};

#define BATWIRE_SUBTYPE_DATA 1

int batwire_data_read(struct span packet, struct batwire_data *ret);
/* Unicast or broadcast. */
void batwire_data_write(struct writer *w, const struct batwire_data *data);

struct batwire_fragment {
	uint8_t ttl;
	uint8_t number; /* the last part of a packet is number 0 */
	uint8_t to[6], from[6];
	uint16_t seqno;
	uint16_t total_len; /* of the packet */
	struct span part;
};

int batwire_fragment_read(struct span packet, struct batwire_fragment *ret);

/* ---- metric ---- */

/* A link's or path's throughput (100 kbit/s) as cost in our unit, 10 µs: what 100 µs and 1400 bytes
 * at this rate take (docs/routing.md). At most 2^24 - 1. */
uint32_t batwire_metric_of(uint32_t throughput);
/* The reverse: the rate at which that cost arises, at least 1. */
uint32_t batwire_throughput_of(uint32_t metric);
