/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.h - a server in a thread of its own and clients on sockets, for the tests of this
 * room. It answers a request with its method, path, number of arguments and body; /later after 5
 * ms, /never never, /largeX with LARGE_LEN times X. WebSockets are at /ws and, told nothing, at
 * /quiet. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdatomic.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "shell/http/http.h"

#define PLACES 16
#define LARGE_LEN 65536		      /* the most that is written at once */
#define LARGE_SIZE (LARGE_LEN + 1024) /* with room for its head */
#define ANSWERS 4		      /* large ones that may wait to be read */

struct server {
	struct loop *loop;
	struct http_server *http;
	struct loop_wake *stop;
	pthread_t thread;
	uint16_t port, tls_port;
	SSL_CTX *tls;
	struct loop_timer *later;
	uint64_t waiting; /* a request */
	atomic_int n_requests, n_answered, n_gone, n_ready, n_closed, n_open, n_messages, n_full;
	atomic_size_t answer_bytes; /* at the last request */
	atomic_int n_connections;   /* the same */
	atomic_int n_dropped;	    /* WebSockets, as the server counts them */
	atomic_bool is_over;	    /* WebSockets are closed when there is something for them */
	atomic_bool is_quiet;	    /* WebSockets are told nothing */
};

/* Set-up and tear-down of a cmocka test, whose state is a struct server. Where libwebsockets is not
 * there the program ends, and says so. */
int server_start(void **state);
int server_stop(void **state);

/* A connected socket. room: of what it has not read; 0: as the kernel has it, which is more the
 * more comes. */
int client_open_at(uint16_t port, int room);
int client_open(const struct server *s);
void client_say(int fd, const char *text);

/* What comes, until this much is there or nothing more comes. Returns the length. */
size_t client_hear(int fd, char *ret, size_t size, const char *until);

/* Asks and fails where the answer does not hold what is expected. */
void client_ask(const struct server *s, const char *request, const char *expected);

/* Whether a count gets there within 5 s: a value, or anything but 0. */
bool count_becomes(atomic_int *n, int value);
bool count_begins(atomic_int *n);
