/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. Inside the room only. */
#pragma once

#include "base/map.h"
#include "shell/http/guard.h"
#include "shell/http/http.h"
#include "shell/http/library.h"

#define ANSWER_CHUNK 65536 /* written at once */
#define ANSWER_HEAD_MAX 1024
#define REFUSAL_MAX 1024

enum connection_state {
	CONNECTION_SHAKING, /* TLS; the library does not know it yet */
	CONNECTION_IDLE,    /* a head is awaited or coming */
	CONNECTION_BODY,
	CONNECTION_WAITING, /* for our answer */
	CONNECTION_ANSWERING,
	CONNECTION_SOCKET, /* a WebSocket */
};

/* Requests of one address in hand. */
struct address {
	uint8_t ip[16];
	unsigned n;
};

struct connection {
	struct http_server *server;
	struct lws *wsi;
	struct gate *gate; /* NULL: plain, or the gate is gone */
	uint64_t number;   /* of this connection, or of its request: never used twice */
	struct address *address;
	struct endpoint from;
	bool is_loopback;
	unsigned listener;
	enum connection_state state;
	bool closes;  /* once the answer is out */
	bool is_head; /* of the request in hand, as what follows */
	enum http_method method;
	uint64_t began_us;
	char *path;  /* owned */
	char *texts; /* owned: what the request borrows */
	struct http_request request;
	uint8_t *body; /* owned */
	size_t body_len, body_size;
	uint8_t *answer; /* owned; LWS_PRE bytes before the head */
	size_t answer_len, answer_sent;
	unsigned status;
	const char *dropped; /* why a WebSocket is to be closed by us; NULL: it is not */
	unsigned close_code;
	char identity[256]; /* SPIFFE ID; "" for none */
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
	struct rate_table *by_address, *by_identity;
	struct map *addresses; /* to struct address */
	struct gate *gates;    /* all, those without a connection too */
	struct connection **slots;
	uint16_t *free_slots;
	size_t n_free;
	uint64_t next_number;
	struct loop_timer *look;
	bool is_looking;
	struct http_counters counters;
	struct http_message *message; /* being sent */
	uint8_t *frame;
};

/* server.c */
void server_look_later(struct http_server *s); /* at who waits, and for descriptors */
struct connection *connection_new(struct http_server *s, const struct endpoint *from,
				  unsigned listener);
void connection_free(struct connection *c);
struct connection *connection_of(struct http_server *s, uint64_t number);
void connection_renumber(struct connection *c); /* a number for another request */
/* Gives the socket to the library, which closes it from then on. */
int connection_adopt(struct connection *c, int fd);

/* request.c */
int request_begin(struct connection *c);
int request_body(struct connection *c, struct span bytes);
int request_complete(struct connection *c);
int request_writable(struct connection *c);
void request_forget(struct connection *c);
/* Reads the head: 0, or a refusal. What it points to is c's until request_forget(). */
int request_read_head(struct connection *c, struct http_refusal *ret);
int request_answer(struct connection *c, const struct http_response *r);
int request_refuse(struct connection *c, const struct http_refusal *r);

/* socket.c */
int socket_confirm(struct connection *c, const char *to);
void socket_opened(struct connection *c);
int socket_writable(struct connection *c);
int socket_receive(struct connection *c, struct span bytes);
void socket_closed(struct connection *c);

/* listen.c */
void listen_close(struct listener *l);
void listen_again(struct listener *l); /* where there were no descriptors */

/* gate.c: TLS before the library, which has an SSL_CTX of its own kind alone */
struct gate;
/* Takes fd; adopts the connection once the handshake is done. */
int gate_new(struct connection *c, int fd, struct ssl_ctx_st *tls);
/* Its connection is no more: what was written goes out yet. */
void gate_detach(struct gate *g);
void gate_free(struct gate *g);
