/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the server and its forwarder share. Inside the room only. */
#pragma once

#include <netinet/in.h>

#include "base/rng.h"
#include "shell/names/names.h"

struct connection {
	int fd;		 /* -1: free */
	uint64_t serial; /* tells it from the next one in this place */
	struct names_server *server;
	uint8_t from[16];
	struct loop_fd *watch;
	uint64_t deadline_us;
	bool is_waiting; /* for a forwarded question: nothing is read meanwhile */
	size_t in_len;
	uint8_t in[2 + NAMES_QUERY_MAX];
	size_t out_at, out_len;
	uint8_t *out; /* owned; what it has not taken yet */
};

/* Who asked. */
struct asker {
	struct connection *connection; /* NULL: UDP */
	uint64_t serial;
	struct sockaddr_in6 from; /* UDP */
	size_t limit;		  /* bytes of an answer */
};

struct forward {
	struct names_server *server;
	bool is_used;
	struct asker asker;
	int fd;
	struct loop_fd *watch;
	unsigned n_tries;
	uint64_t try_until_us;
	bool is_disguised;
	size_t len;
	uint8_t *asked, *sent; /* one allocation; sent has two bytes of length in front, for TCP */
	size_t done;	       /* TCP: bytes written, then bytes read */
	bool is_written;
	uint8_t *reply; /* TCP: owned */
};

struct names_server {
	struct names_options options;
	int udp_fd, tcp_fd;
	struct loop_fd *udp_watch, *tcp_watch;
	struct loop_timer *timer;
	bool is_ticking;
	struct dns_rates rates;
	uint64_t next_serial;
	struct connection connections[NAMES_CONNECTIONS_MAX];
	size_t n_upstreams;
	struct endpoint upstreams[NAMES_UPSTREAMS_MAX];
	struct forward forwards[NAMES_FORWARDS_MAX];
	size_t n_forwards;
	struct names_counters counters;
	uint8_t buffer[DNS_MESSAGE_MAX + 1]; /* of the message being handled */
};

/* server.c: an answer to whoever asked. */
void server_reply(struct names_server *s, const struct asker *asker, struct span message);
void server_tick_soon(struct names_server *s);

/* forward.c. false: it cannot be passed on, and the refusal has to be sent. */
bool forward_begin(struct names_server *s, const struct asker *asker, struct span query);
void forward_tick(struct names_server *s, uint64_t now_us);
void forward_end_all(struct names_server *s);
