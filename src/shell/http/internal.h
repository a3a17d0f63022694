/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. Inside the room only. */
#pragma once

#include "base/map.h"
#include "shell/http/guard.h"
#include "shell/http/head.h"
#include "shell/http/http.h"
#include "shell/http/library.h"

#define READ_SIZE 16384 /* at once: a TLS record */
/* Behind a request in hand; with more nothing is read. A head is found in it, with the empty line
 * that may be before it. */
#define HELD_MAX (HTTP_HEADERS_MAX + 2)
#define ANSWER_HEAD_MAX 1024
#define REFUSAL_MAX 1024

enum connection_state {
	CONNECTION_SHAKING, /* TLS */
	CONNECTION_IDLE,    /* a head is awaited or coming */
	CONNECTION_BODY,
	CONNECTION_WAITING,   /* for our answer */
	CONNECTION_ANSWERING, /* it goes out */
	CONNECTION_CLOSING,   /* it is out, and what still comes is read over */
	CONNECTION_UPGRADING, /* will be a WebSocket at the end of this turn */
	CONNECTION_SOCKET,    /* a WebSocket: the library has it */
};

/* Requests of one address in hand. */
struct address {
	uint8_t ip[16];
	unsigned n;
};

struct connection {
	struct http_server *server;
	struct lws *wsi;   /* of a WebSocket */
	struct gate *gate; /* of one with TLS; NULL: it is gone */
	uint64_t number;   /* of this connection, or of its request: never used twice */
	struct address *address;
	struct endpoint from;
	bool is_loopback;
	unsigned listener;
	enum connection_state state;
	/* Until it is a WebSocket. */
	int fd;			    /* -1: given away */
	struct tls_connection *tls; /* NULL: plain */
	struct loop_fd *watch;
	struct loop_timer *timer;
	uint64_t deadline_us, armed_us; /* closed then; the timer may fire before */
	bool reading_wants_write, writing_wants_read;
	bool has_begun; /* a head, of which there is a part */
	bool has_more;	/* what is held may have a whole request, and it is its turn */
	struct head_scan scan;
	uint8_t *held; /* owned: what was read and is not yet taken */
	size_t held_len;
	/* The request in hand. */
	bool closes;	   /* once the answer is out */
	bool is_handed_on; /* right now: the answer goes out at the end of it */
	bool is_head;
	enum http_method method;
	uint64_t began_us;
	char *path;  /* owned */
	char *texts; /* owned: what the request borrows */
	struct http_request request;
	uint8_t *body; /* owned */
	size_t body_len, body_size;
	uint8_t *answer; /* owned */
	size_t answer_size, answer_len, answer_sent;
	unsigned status;
	char key[25];		    /* Sec-WebSocket-Key */
	char identity[256];	    /* SPIFFE ID; "" for none */
	struct peer_identity *peer; /* owned: all that was verified of it; NULL: none */
};

struct listener {
	struct http_server *server;
	unsigned number;
	int fd; /* -1: free */
	struct loop_fd *watch;
	bool is_tls;
};

struct http_server {
	const struct library *lws;
	struct loop *loop;
	struct http_handlers handlers;
	struct http_limits limits;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct lws_protocols protocols[2];
	struct listener listeners[HTTP_LISTENERS_MAX];
	struct ssl_ctx_st *tls; /* borrowed; NULL: none yet */
	struct guard_hosts hosts;
	struct rate_table *by_address, *by_identity, *handshakes, *messages;
	struct map *addresses; /* to struct address */
	struct gate *gates;    /* all, those without a connection too */
	struct connection **slots;
	uint16_t *free_slots;
	size_t n_free;
	uint64_t next_number;
	struct loop_timer *look;
	struct http_counters counters;
	struct connection *adopted;   /* right now by the library, which does not know it yet */
	struct http_message *message; /* being sent */
	uint8_t *frame;
	uint8_t inbound[HELD_MAX + READ_SIZE];
};

/* server.c */
void server_look_later(struct http_server *s); /* for descriptors */
struct connection *connection_new(struct http_server *s, const struct endpoint *from,
				  unsigned listener);
void connection_free(struct connection *c);
/* What a connection, or a gate that is left of it, took. */
void server_free_place(struct http_server *s, uint16_t slot, struct address *a);
struct connection *connection_of(struct http_server *s, uint64_t number);
void connection_renumber(struct connection *c); /* a number for another request */
/* Gives the socket to the library, which closes it from then on, with the head of the request for
 * a WebSocket. The connection may be gone when it returns. */
void connection_adopt(struct connection *c, int fd, struct span head);

/* connection.c: its bytes, before it is a WebSocket */
/* Takes fd; tls NULL is plain. */
int connection_open(struct connection *c, int fd, struct ssl_ctx_st *tls);
/* Gives the socket and the TLS on it away, or ends them. */
void connection_unwatch(struct connection *c);
void connection_close(struct connection *c);
void connection_deadline(struct connection *c, unsigned seconds);

/* request.c */
/* A head has come whole: 0, or a refusal. What it points to is c's until request_forget(). */
int request_begin(struct connection *c, const struct head *h, struct http_refusal *ret);
int request_hand_on(struct connection *c);
int request_answer(struct connection *c, const struct http_response *r);
int request_refuse(struct connection *c, const struct http_refusal *r);
void request_answered(struct connection *c, unsigned status);
void request_forget(struct connection *c);

/* socket.c */
/* The request in hand wants another protocol: 0 and the state is CONNECTION_UPGRADING, or a
 * refusal. */
int socket_confirm(struct connection *c, const struct head *h, struct http_refusal *ret);
void socket_hand_over(struct connection *c); /* to the library; c may be gone then */
void socket_opened(struct connection *c);
int socket_writable(struct connection *c);
int socket_receive(struct connection *c, struct span bytes);
void socket_closed(struct connection *c);

/* listen.c */
void listen_close(struct listener *l);
void listen_again(struct listener *l); /* where there were no descriptors */

/* gate.c: TLS before the library, for WebSockets */
struct gate;
/* Takes the connection's socket and its TLS; the library's end in ret_fd. */
int gate_new(struct connection *c, int *ret_fd);
/* Its connection is no more: what was written goes out yet. Until then it takes the place and is
 * counted, as it has the descriptors and the buffers. */
void gate_detach(struct gate *g, uint16_t slot, struct address *a);
void gate_free(struct gate *g);
