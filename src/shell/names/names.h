/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - a DNS server on two sockets that somebody else opened (port 53 needs privilege). It
 * answers what core/dns answers, and passes other questions on where it was given servers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "core/dns/dns.h"
#include "shell/loop/loop.h"

#define NAMES_PORT 53
#define NAMES_QUERY_MAX 4096	 /* bytes; a longer one is dropped */
#define NAMES_CONNECTIONS_MAX 16 /* TCP, at once */
/* Of them: each other member has a few, and all together leave some to this host. */
#define NAMES_CONNECTIONS_MEMBER 4
#define NAMES_CONNECTIONS_MEMBERS 12
#define NAMES_IDLE_US UINT64_C(5000000)
#define NAMES_FORWARDS_MAX 64 /* questions that wait for another server */
#define NAMES_UPSTREAMS_MAX 3 /* as many as the C library asks */
#define NAMES_RATE_OWN 5000   /* queries a second from this host */
#define NAMES_RATE_MEMBER 50  /* and from each other member */

struct names_options {
	struct loop *loop;
	const struct dns_zone *zone; /* borrowed */
	struct dns_directory directory;
	uint8_t own[16];	/* the overlay address: whose packets are this host's own */
	bool is_for_members;	/* others under the prefix may ask too */
	unsigned prefix_bits;	/* of the overlay */
	struct entropy entropy; /* ids and cases of what is passed on */
	uint8_t hash_key[16];
};

struct names_counters {
	uint64_t queries;     /* taken */
	uint64_t answered;    /* about names of ours */
	uint64_t refused;     /* foreign, and nobody to pass them to */
	uint64_t dropped;     /* no queries, or too long */
	uint64_t not_allowed; /* from somebody who may not ask */
	uint64_t over_rate;
	uint64_t forwarded, forward_failed, forward_busy, forward_mismatched;
	uint64_t connections, connections_refused;
};

struct names_server;

/* Takes both sockets, whatever it returns. */
int names_server_new(const struct names_options *options, int udp_fd, int tcp_fd,
		     struct names_server **ret);
void names_server_free(struct names_server *s);
/* Whom to ask about foreign names; n 0 refuses them. Only this host's own are passed on. */
void names_server_set_upstreams(struct names_server *s, const struct endpoint *servers, size_t n);
void names_server_counters(const struct names_server *s, struct names_counters *ret);
