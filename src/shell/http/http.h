/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - HTTP/1.1 and WebSocket on one loop: who connects, how much, how fast and for how long,
 * and what of it is handed on. The only room that names libwebsockets, which is loaded when a
 * server is made: without it that fails and says which package is missing.
 *
 * Everything is called on, and calls back on, the thread that runs the loop. A request is handed on
 * when it is complete and has passed all limits; it is answered once, then or later. WebSockets are
 * pulled from: the room asks for the next message when the peer has taken the one before, so a slow
 * reader costs no memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "shell/http/rate.h"
#include "shell/loop/loop.h"

struct peer_identity;

#define HTTP_WHY_SIZE 240
#define HTTP_PATH_MAX 512     /* of the path, and of each argument of the query; more is 414 */
#define HTTP_HEADERS_MAX 8192 /* all headers of a request; more is 431 */
#define HTTP_BODY_MAX 65536   /* more is 413 */
#define HTTP_ARGS_MAX 16      /* of a query; more is 400 */
#define HTTP_HOST_MAX 256     /* of a Host or Origin header */
#define HTTP_TOKEN_MAX 256    /* of an Authorization header */
#define HTTP_HEAD_S 10	      /* a request's head may take this long */
#define HTTP_BODY_S 20	      /* its body this long after that */
#define HTTP_ANSWER_S 30      /* our answer, and its client's reading of it */
#define HTTP_LOOK_MS 500      /* until it is accepted again, where there were no descriptors */
#define HTTP_IDLE_S 60	      /* a kept connection without a request */
#define HTTP_PING_S 30	      /* a WebSocket that says nothing is asked after this */
#define HTTP_HANDSHAKE_S 5    /* TLS */
#define HTTP_HANDSHAKES 50    /* of one address, a second: each costs more than many requests */
#define HTTP_HANDSHAKES_BURST 128
#define HTTP_MESSAGE_MAX 4096 /* of a WebSocket, to us; more closes it with 1009 */
#define HTTP_MESSAGES 10      /* of a WebSocket a second, to us; more closes it with 1008 */
#define HTTP_MESSAGES_BURST 40
#define HTTP_SEND_MAX 16384 /* of a WebSocket, from us */
#define HTTP_ACCEPT_MAX 512 /* of an Accept header; a longer one is as none */
#define HTTP_CACHE_MAX 256  /* of If-None-Match and Accept-Encoding; the same */
#define HTTP_CONNECTIONS_MAX 20000
#define HTTP_SMALL_ANSWER 4096 /* its body: that much there is for each connection */
#define HTTP_HOSTS_MAX 16
#define HTTP_LISTENERS_MAX 4

enum http_method {
	HTTP_GET,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_N_METHODS,
};

const char *http_method_name(enum http_method m);

/* What a request came with. Borrowed for the call. */
struct http_request {
	enum http_method method;
	bool is_head; /* a GET whose answer has no body */
	bool is_loopback;
	unsigned listener; /* as http_listen() numbered it */
	const char *path;  /* begins with '/', percent-decoded, no "." or ".." between slashes */
	const char *const *args; /* what stood between '&' behind the '?', decoded: "name=value" */
	size_t n_args;
	const char *authorization; /* "" for none */
	const char *content_type;  /* "" for none */
	const char *traceparent;   /* "" for none, or one that is too long to be one */
	const char *accept;	   /* "" for none, or one that is too long */
	const char *if_none_match; /* "" for none */
	bool accepts_gzip;
	const char *identity; /* SPIFFE ID of the client's certificate; "" for none */
	/* What its certificate proved at the handshake, to be judged again; NULL for none. Lives as
	 * long as the connection: until on_gone(), on_answered() or on_closed(). */
	const struct peer_identity *peer;
	struct endpoint from;
	struct span body;
};

/* An answer, copied. */
struct http_response {
	unsigned status;
	const char *content_type;
	struct span body;
	const char *allow;	   /* the header Allow of 405, or NULL */
	unsigned retry_after_s;	   /* of 429 and 503; 0 for none */
	bool asks_for_token;	   /* WWW-Authenticate: Bearer, of 401 */
	const char *traceresponse; /* the header of that name (Trace Context level 2), or NULL */
	/* Of what browsers may keep and ask for again; NULL: nothing of it is kept. The body of 304
	 * is empty. */
	const char *etag;
	const char *content_encoding; /* "gzip", or NULL */
	const char *security_policy;  /* Content-Security-Policy; NULL: a page may do nothing */
};

/* A refusal made here, before anybody else has seen the request: the daemon makes a body of it. */
struct http_refusal {
	unsigned status;
	const char *field;  /* the header that is at fault; "" for none */
	const char *detail; /* a sentence */
	const char *code;   /* for programs; "" for the usual one of the status */
};

struct http_message {
	size_t len;	/* of text; 0: nothing now */
	unsigned close; /* not 0: close with this code once text, then the reason, is out */
	char text[HTTP_SEND_MAX];
};

struct http_handlers {
	/* Answer by http_respond() with this number. Never called twice with one. */
	void (*on_request)(void *arg, uint64_t request, const struct http_request *q);
	/* Its client went away before the answer. */
	void (*on_gone)(void *arg, uint64_t request);
	/* For each answer, refusals included, whether or not its client has read it to its end;
	 * path is "" where none was read. request is the number of on_request(), or one that was
	 * never given. */
	void (*on_answered)(void *arg, uint64_t request, enum http_method m, const char *path,
			    unsigned status, uint64_t took_us);
	/* Writes the body of a refusal (application/problem+json); returns its length. */
	size_t (*on_refused)(void *arg, const struct http_refusal *r, char *ret, size_t size);
	/* A WebSocket may be opened: true, or why not. What that points to is there until the next
	 * call. */
	bool (*on_open)(void *arg, uint64_t socket, const struct http_request *q,
			struct http_refusal *ret_why);
	void (*on_closed)(void *arg, uint64_t socket);
	/* The next message to it; called until there is none. */
	void (*on_ready)(void *arg, uint64_t socket, struct http_message *ret);
	/* A text message from it; false closes it with 1008 and the reason. */
	bool (*on_message)(void *arg, uint64_t socket, struct span text, const char **ret_reason);
	void *arg;
};

struct http_limits {
	unsigned connections;	    /* of all, 1 to HTTP_CONNECTIONS_MAX; more are closed at once */
	unsigned per_address;	    /* of one address; more are closed at once */
	struct rate_limit address;  /* requests of one address */
	struct rate_limit identity; /* requests of one identity */
	size_t answer_bytes;	    /* not yet read, of all; then larger answers are 503 */
	uint8_t secret[16];	    /* random: which addresses share a bucket is nobody's choice */
};

struct http_server;
struct ssl_ctx_st;

/* Handlers and limits are copied. -ENOENT and a sentence where the library or its part for libuv is
 * not installed; -ENOMEM. */
int http_server_new(struct loop *loop, const struct http_handlers *handlers,
		    const struct http_limits *limits, struct http_server **ret,
		    char why[HTTP_WHY_SIZE]);
/* Closes all. It runs the loop until the library is done with it: not from inside a callback. */
void http_server_free(struct http_server *s);

/* Binds and listens, TCP. -EADDRINUSE and others with a sentence. */
int http_bind(const struct endpoint *at, bool may_be_absent, int *ret, char why[HTTP_WHY_SIZE]);

/* Where a socket that listens does so; all zeros where that cannot be told. */
void http_local(int fd, struct endpoint *ret);

/* Takes fd, which listens. Returns the listener's number or -ENOBUFS, -ENOMEM. */
int http_listen(struct http_server *s, int fd);
/* The same, but each connection begins with a TLS handshake; none is taken before http_set_tls().
 */
int http_listen_tls(struct http_server *s, int fd);
/* For all listeners with TLS, from the next connection on. Borrowed until it is replaced, and for
 * HTTP_HANDSHAKE_S beyond. */
void http_set_tls(struct http_server *s, struct ssl_ctx_st *tls);
void http_unlisten(struct http_server *s, unsigned listener);

/* Names, beside the loopback ones, that a Host header may have. Copied. -ENOBUFS, -EINVAL. */
int http_allow_host(struct http_server *s, const char *host);
void http_clear_hosts(struct http_server *s);

/* A number below limits.connections, which no two requests or WebSockets have at one time. */
unsigned http_place_of(uint64_t request);

/* -ENOENT: the client is gone. */
int http_respond(struct http_server *s, uint64_t request, const struct http_response *r);

/* There may be something for every WebSocket. */
void http_wake_sockets(struct http_server *s);

struct http_counters {
	uint64_t accepted, refused_connections; /* beyond per_address, or HTTP_HANDSHAKES */
	uint64_t refused[6];			/* by the first digit of the status */
	uint64_t limited;			/* 429 */
	uint64_t sockets_dropped;		/* WebSockets closed by us with a reason */
	uint64_t answers_refused;		/* beyond answer_bytes */
	size_t connections, sockets;		/* now */
	size_t answer_bytes;			/* now */
};

void http_counters(const struct http_server *s, struct http_counters *ret);
