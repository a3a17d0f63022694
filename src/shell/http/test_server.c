/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/http/test_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/units.h"

/* ---- the server's side ---- */

static void on_request(void *arg, uint64_t request, const struct http_request *q)
{
	struct server *s = arg;
	char text[256];
	static char large[LARGE_LEN];
	struct http_counters c;
	struct http_response r = { .status = 200, .content_type = "text/plain" };

	http_counters(s->http, &c);
	atomic_store(&s->answer_bytes, c.answer_bytes);
	atomic_store(&s->n_connections, (int)c.connections);
	atomic_store(&s->n_full, (int)c.answers_refused);
	atomic_fetch_add(&s->n_requests, 1);
	if (strcmp(q->path, "/never") == 0)
		return;
	if (strcmp(q->path, "/later") == 0) {
		s->waiting = request;
		loop_timer_arm(s->later, loop_now_us() + MS(5));
		return;
	}
	r.body = SPAN(text, (size_t)snprintf(text, sizeof(text), "%s %s %zu %.*s",
					     http_method_name(q->method), q->path, q->n_args,
					     (int)q->body.len, (const char *)q->body.at));
	if (strncmp(q->path, "/large", 6) == 0) {
		memset(large, q->path[6], sizeof(large));
		r.body = SPAN(large, sizeof(large));
	}
	assert_int_equal(http_respond(s->http, request, &r), 0);
	assert_int_equal(http_respond(s->http, request, &r), -ENOENT); /* once */
}

static void on_gone(void *arg, uint64_t request)
{
	(void)request;
	atomic_fetch_add(&((struct server *)arg)->n_gone, 1);
}

static void on_answered(void *arg, uint64_t request, enum http_method m, const char *path,
			unsigned status, uint64_t took_us)
{
	(void)request;
	(void)m;
	(void)path;
	(void)status;
	(void)took_us;
	atomic_fetch_add(&((struct server *)arg)->n_answered, 1);
}

static size_t on_refused(void *arg, const struct http_refusal *r, char *ret, size_t size)
{
	(void)arg;
	return (size_t)snprintf(ret, size, "refused: %s%s", r->field, r->code);
}

static bool on_open(void *arg, uint64_t socket, const struct http_request *q,
		    struct http_refusal *ret_why)
{
	struct server *s = arg;

	assert_true(http_place_of(socket) < PLACES);
	*ret_why = (struct http_refusal){ 404, "", "not here", "" };
	if (strcmp(q->path, "/mine") == 0) {
		*ret_why = (struct http_refusal){ 401, "Mine", "not you", "!" };
		return false;
	}
	if (strcmp(q->path, "/ws") != 0 && strcmp(q->path, "/quiet") != 0)
		return false;
	atomic_store(&s->is_quiet, strcmp(q->path, "/quiet") == 0);
	atomic_fetch_add(&s->n_open, 1);
	return true;
}

static void on_closed(void *arg, uint64_t socket)
{
	struct server *s = arg;
	struct http_counters c;

	(void)socket;
	http_counters(s->http, &c);
	atomic_store(&s->n_dropped, (int)c.sockets_dropped);
	atomic_fetch_add(&s->n_closed, 1);
}

/* There is always more, but for who is quiet. */
static void on_ready(void *arg, uint64_t socket, struct http_message *ret)
{
	struct server *s = arg;

	(void)socket;
	if (atomic_load(&s->is_over)) {
		ret->close = 1013;
		ret->len = (size_t)snprintf(ret->text, sizeof(ret->text), "too slow");
	}
	if (atomic_load(&s->is_quiet))
		return;
	atomic_fetch_add(&s->n_ready, 1);
	memset(ret->text, 'm', 4096);
	ret->len = 4096;
}

static bool on_message(void *arg, uint64_t socket, struct span text, const char **ret_reason)
{
	struct server *s = arg;

	(void)socket;
	atomic_fetch_add(&s->n_messages, 1);
	*ret_reason = "no";
	return text.len == 2 && memcmp(text.at, "ok", 2) == 0;
}

static void on_later(void *arg, uint64_t now_us)
{
	struct server *s = arg;
	const struct http_response r = {
		.status = 200,
		.content_type = "text/plain",
		.body = SPAN_STR("GET /later 0 "),
	};

	(void)now_us;
	assert_int_equal(http_respond(s->http, s->waiting, &r), 0);
}

static void on_stop(void *arg)
{
	loop_stop(((struct server *)arg)->loop);
}

static void *run(void *arg)
{
	loop_run(((struct server *)arg)->loop);
	return NULL;
}

static void listen_on(const struct endpoint *at, int *ret_fd, uint16_t *ret_port)
{
	struct sockaddr_in name = { 0 };
	socklen_t len = sizeof(name);
	char why[HTTP_WHY_SIZE];

	assert_int_equal(http_bind(at, false, ret_fd, why), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&name, &len), 0);
	*ret_port = ntohs(name.sin_port);
}

/* Who it is nobody asks here: api.sh has members and strangers. */
static SSL_CTX *anybody(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	assert_true(ctx && key && cert);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	(void)SSL_CTX_set_mode(ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

int server_start(void **state)
{
	const struct http_limits limits = {
		.connections = PLACES,
		.per_address = 4,
		.address = { 10, 10 },
		.identity = { 10, 10 },
		.answer_bytes = ANSWERS * LARGE_SIZE,
	};
	const struct endpoint at = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	struct server *s = calloc(1, sizeof(*s));
	const struct http_handlers handlers = {
		.on_request = on_request,
		.on_gone = on_gone,
		.on_answered = on_answered,
		.on_refused = on_refused,
		.on_open = on_open,
		.on_closed = on_closed,
		.on_ready = on_ready,
		.on_message = on_message,
		.arg = s,
	};
	char why[HTTP_WHY_SIZE];
	int fd;

	assert_non_null(s);
	assert_int_equal(loop_new(&s->loop), 0);
	if (http_server_new(s->loop, &handlers, &limits, &s->http, why) < 0) {
		print_message("SKIPPED: the server was NOT tested: %s\n", why);
		exit(77);
	}
	listen_on(&at, &fd, &s->port);
	assert_true(http_listen(s->http, fd) >= 0);
	listen_on(&at, &fd, &s->tls_port);
	assert_true(http_listen_tls(s->http, fd) >= 0);
	s->tls = anybody();
	http_set_tls(s->http, s->tls);
	assert_int_equal(loop_timer_new(s->loop, on_later, s, &s->later), 0);
	assert_int_equal(loop_wake_new(s->loop, on_stop, s, &s->stop), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
	*state = s;
	return 0;
}

int server_stop(void **state)
{
	struct server *s = *state;

	loop_wake_send(s->stop);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	http_server_free(s->http);
	loop_free(s->loop);
	SSL_CTX_free(s->tls);
	free(s);
	return 0;
}

/* ---- the client's side ---- */

int client_open_at(uint16_t port, int room)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (room)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

int client_open(const struct server *s)
{
	return client_open_at(s->port, 0);
}

void client_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

size_t client_hear(int fd, char *ret, size_t size, const char *until)
{
	size_t n = 0;

	ret[0] = '\0';
	while (n + 1 < size && !strstr(ret, until)) {
		ssize_t got = recv(fd, ret + n, size - 1 - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
		ret[n] = '\0';
	}
	return n;
}

void client_ask(const struct server *s, const char *request, const char *expected)
{
	int fd = client_open(s);
	char answer[4096];

	client_say(fd, request);
	(void)client_hear(fd, answer, sizeof(answer), expected);
	if (!strstr(answer, expected))
		fail_msg("\"%s\" is not in: %s", expected, answer);
	(void)close(fd);
}

bool count_becomes(atomic_int *n, int value)
{
	for (unsigned i = 0; i < 500 && atomic_load(n) != value; i++)
		(void)usleep(10000);
	return atomic_load(n) == value;
}

bool count_begins(atomic_int *n)
{
	for (unsigned i = 0; i < 500 && atomic_load(n) == 0; i++)
		(void)usleep(10000);
	return atomic_load(n) > 0;
}
