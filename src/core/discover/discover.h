/* SPDX-License-Identifier: Apache-2.0 */
/* discover.h - nodes on one Ethernet find each other without being told.
 *
 * On each interface a node says hello to all, soon at first and then ever more seldom. Who hears
 * the hello of a node that it has no link with gives its challenge back, to it alone. Only an
 * answer to a challenge of these seconds makes a node begin a handshake, so that a recording of
 * beacons, however old or new, makes nobody do anything but answer now and then. No clock but the
 * monotonic one is read: clocks may differ as they like.
 *
 * Beacons, interfaces that come and go, and time go in; actions come out. After each call drain
 * discover_next_action(), then arm one timer for discover_deadline_us(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/rng.h"
#include "core/crypto/crypto.h"
#include "core/discover/beacon.h"

#define DISCOVER_PORT 7777 /* of beacons, on both sides */
#define DISCOVER_KEYS_MAX 2
#define DISCOVER_INTERFACES_MAX 16
#define DISCOVER_HEARD_MAX 256	  /* nodes that are remembered */
#define DISCOVER_ANSWERS_MAX 64	  /* that wait for their moment */
#define DISCOVER_ACTIONS_MAX 128  /* not drained yet */
#define DISCOVER_BEGUN_MAX 32	  /* links that this node itself begins this way */
#define DISCOVER_OPENED_PER_S 200 /* beacons that pass the filter and are decrypted */
#define DISCOVER_MEETS_PER_S 8	  /* handshakes; at first twice as many */
#define DISCOVER_FIRST_US 500000  /* the first hello comes about then: configured peers go first */
#define DISCOVER_INTERVAL_MIN_US 1000000
#define DISCOVER_INTERVAL_MAX_US 30000000
#define DISCOVER_JITTER_PERCENT 25
#define DISCOVER_HASTEN_US 10000000   /* no more often than this the schedule begins anew */
#define DISCOVER_CHALLENGE_US 5000000 /* a challenge may be answered for so long */
#define DISCOVER_ANSWER_US 500000     /* between two answers to one node */
#define DISCOVER_MEET_MIN_US 2000000  /* between two handshakes with one node, then doubled */
#define DISCOVER_MEET_MAX_US 60000000

struct discover_config {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed;
	uint64_t self; /* node id */
	uint32_t boot_epoch;
	uint16_t port_ipv4, port_ipv6; /* of the mesh sockets; 0: beacons not in this family */
	/* Is there a link with this node, in this boot of it or a later one? */
	bool (*is_linked)(void *arg, uint64_t node_id, uint32_t boot_epoch);
	void *arg;
};

struct discover;

int discover_new(const struct discover_config *config, struct discover **ret); /* -ENOMEM */
void discover_free(struct discover *d);

/* Newest first, DISCOVER_KEYS_MAX at most. Hellos are sealed with the newest, answers with the one
 * of the hello. Cheap where nothing has changed. */
void discover_set_keys(struct discover *d, const uint8_t (*keys)[NETWORK_KEY_LEN], size_t n);

/* An interface has come, or its families have changed. -ENOBUFS: there are too many. */
int discover_interface_add(struct discover *d, uint32_t index, bool has_ipv4, bool has_ipv6,
			   uint64_t now_us);
void discover_interface_remove(struct discover *d, uint32_t index);
/* A link was lost: hellos are soon and frequent again. */
void discover_hasten(struct discover *d, uint64_t now_us);

void discover_input(struct discover *d, uint32_t interface, const struct endpoint *from,
		    struct span datagram, uint64_t now_us);
void discover_tick(struct discover *d, uint64_t now_us);
uint64_t discover_deadline_us(const struct discover *d); /* NEVER_US where nothing is due */

enum discover_action_type {
	DISCOVER_SEND_ALL, /* data to the group of the family, out of the interface */
	DISCOVER_SEND,	   /* data to the endpoint, out of the interface */
	DISCOVER_MEET,	   /* begin a handshake there, with this node */
};

struct discover_action {
	enum discover_action_type type;
	uint32_t interface;
	bool is_ipv4; /* DISCOVER_SEND_ALL */
	struct endpoint endpoint;
	uint64_t node_id;
	uint8_t data[BEACON_LEN];
};

bool discover_next_action(struct discover *d, struct discover_action *ret);

/* ---- views ---- */

struct discover_counters {
	uint64_t hellos_sent, answers_sent;
	uint64_t heard;	    /* beacons of other members */
	uint64_t met;	    /* handshakes asked for */
	uint64_t forged;    /* of another length, or not made with a network key of ours */
	uint64_t malformed; /* made with it, and of another version; or from where none can come */
	uint64_t replayed;  /* heard before, or an answer to no challenge of now */
	uint64_t limited;   /* over a limit */
};

struct discover_heard {
	uint64_t node_id;
	struct endpoint endpoint; /* of its mesh socket */
	uint32_t interface;
	uint64_t heard_us;
	bool is_begun; /* the link with it, if any, came of this */
};

const struct discover_counters *discover_counters(const struct discover *d);
size_t discover_interfaces(const struct discover *d, uint32_t ret[DISCOVER_INTERFACES_MAX]);
/* Start with *cursor = 0. */
bool discover_next_heard(const struct discover *d, size_t *cursor, struct discover_heard *ret);
