/* SPDX-License-Identifier: Apache-2.0 */
/* Connections over a pair of sockets, the server in a thread of its own: what is said arrives, and
 * a peer that stalls, goes away or speaks something else ends no later than the deadline. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/openssl/pki.h"
#include "shell/tls/tls.h"

#define ID "spiffe://example.mesh/node/alpha"
#define NOW INT64_C(1800000000)
#define DAY 86400
#define LONG_LEN 300000 /* more than a socket or a record takes at once */

static struct ssl_ctx_st *server_ctx;
static struct ssl_ctx_st *client_ctx;

static void count_up(void *arg, uint8_t *ret, size_t len)
{
	static uint8_t next;

	(void)arg;
	for (size_t i = 0; i < len; i++)
		ret[i] = next++;
}

static struct span span_of(const struct buffer *b)
{
	return SPAN(b->at, b->len);
}

static int make_server(void)
{
	static const struct entropy entropy = { .fill = count_up };
	const struct svid_terms terms = {
		.spiffe_id = ID, .name = "alpha", .now_s = NOW, .lifetime_s = DAY
	};
	struct signing_key *authority = NULL;
	struct signing_key *key = NULL;
	struct buffer root = { 0 };
	struct buffer csr = { 0 };
	struct buffer svid = { 0 };
	struct tls_error e;
	struct span chain;
	int r = signing_key_new_p256(&authority);

	if (r == 0)
		r = signing_key_new_p256(&key);
	if (r == 0)
		r = pki_make_root(authority, "example.mesh", NOW, &entropy, &root);
	if (r == 0)
		r = pki_make_csr(key, "alpha", &csr);
	if (r == 0)
		r = pki_issue_svid(authority, span_of(&root), span_of(&csr), &terms, &entropy,
				   &svid);
	chain = span_of(&svid);
	if (r == 0)
		r = tls_context_new(
			&(struct tls_settings){
				.is_server = true, .chain = &chain, .n_chain = 1, .key = key },
			&server_ctx, &e);
	buffer_done(&svid);
	buffer_done(&csr);
	buffer_done(&root);
	signing_key_free(key);
	signing_key_free(authority);
	return r;
}

static int set_up(void **state)
{
	struct tls_error e;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return make_server() < 0 ||
			       tls_context_new(&(struct tls_settings){ 0 }, &client_ctx, &e) < 0
		       ? -1
		       : 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_context_free(server_ctx);
	tls_context_free(client_ctx);
	return 0;
}

static uint64_t in_ms(uint64_t ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return SECONDS((uint64_t)t.tv_sec) + (uint64_t)t.tv_nsec / 1000 + MS(ms);
}

/* Long enough to be no matter where nothing goes wrong. */
static uint64_t some_time(void)
{
	return in_ms(20000);
}

struct pair {
	struct tls_connection *client;
	int near, far;
	pthread_t server;
	int result; /* of the server's last call */
};

static void pair_open(struct pair *p, void *(*serve)(void *pair))
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*p = (struct pair){ .near = fds[0], .far = fds[1] };
	assert_int_equal(tls_connection_new(client_ctx, p->near, "alpha.example", &p->client), 0);
	if (serve)
		assert_int_equal(pthread_create(&p->server, NULL, serve, p), 0);
}

static void pair_close(struct pair *p)
{
	tls_connection_free(p->client);
	(void)close(p->near);
	(void)close(p->far);
}

/* ---- servers ---- */

static void *echo(void *arg)
{
	static uint8_t bytes[LONG_LEN];
	struct pair *p = arg;
	struct tls_connection *t = NULL;
	size_t len = 0;
	int r = tls_connection_new(server_ctx, p->far, NULL, &t);

	if (r == 0)
		r = tls_connection_handshake(t, some_time());
	while (r >= 0 && len < sizeof(bytes)) {
		r = tls_connection_read(t, bytes + len, sizeof(bytes) - len, some_time());
		len += r > 0 ? (size_t)r : 0;
	}
	if (r > 0)
		r = tls_connection_write(t, bytes, len, some_time());
	if (r == 0)
		r = tls_connection_read(t, bytes, 1, some_time()); /* 0: closed as it should */
	if (r == 0)
		r = tls_connection_close(t, some_time());
	p->result = r;
	tls_connection_free(t);
	return NULL;
}

/* Completes the handshake and is gone without a word. */
static void *leave(void *arg)
{
	struct pair *p = arg;
	struct tls_connection *t = NULL;

	p->result = tls_connection_new(server_ctx, p->far, NULL, &t);
	if (p->result == 0)
		p->result = tls_connection_handshake(t, some_time());
	(void)shutdown(p->far, SHUT_RDWR);
	tls_connection_free(t);
	return NULL;
}

/* ---- tests ---- */

static void what_is_written_arrives_both_ways_and_each_closes(void **state)
{
	static uint8_t out[LONG_LEN];
	static uint8_t back[LONG_LEN];
	struct pair p;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i / 7);
	pair_open(&p, echo);
	assert_int_equal(tls_connection_handshake(p.client, some_time()), 0);
	assert_int_equal(tls_connection_write(p.client, out, sizeof(out), some_time()), 0);
	while (len < sizeof(back)) {
		int r = tls_connection_read(p.client, back + len, sizeof(back) - len, some_time());

		assert_true(r > 0);
		len += (size_t)r;
	}
	assert_memory_equal(back, out, sizeof(out));
	assert_int_equal(tls_connection_close(p.client, some_time()), 0);
	assert_int_equal(tls_connection_read(p.client, back, 1, some_time()), 0);
	assert_int_equal(pthread_join(p.server, NULL), 0);
	assert_int_equal(p.result, 0);
	pair_close(&p);
}

static void a_silent_peer_is_waited_for_until_the_deadline(void **state)
{
	uint64_t deadline_us = in_ms(30);
	struct pair p;

	(void)state;
	pair_open(&p, NULL);
	assert_int_equal(tls_connection_handshake(p.client, deadline_us), -ETIMEDOUT);
	assert_true(in_ms(0) >= deadline_us);
	pair_close(&p);
}

static void a_peer_that_goes_away_is_told_from_one_that_closes(void **state)
{
	struct pair p;
	uint8_t byte;

	(void)state;
	pair_open(&p, leave);
	assert_int_equal(tls_connection_handshake(p.client, some_time()), 0);
	assert_int_equal(tls_connection_read(p.client, &byte, 1, some_time()), -ECONNRESET);
	assert_int_equal(pthread_join(p.server, NULL), 0);
	assert_int_equal(p.result, 0);
	pair_close(&p);

	pair_open(&p, NULL); /* and in the midst of the handshake */
	assert_int_equal(shutdown(p.far, SHUT_WR), 0);
	assert_int_equal(tls_connection_handshake(p.client, some_time()), -ECONNRESET);
	pair_close(&p);
}

static void what_is_no_tls_is_an_error_with_a_reason(void **state)
{
	static const char answer[] = "SSH-2.0-OpenSSH_9.2p1\r\n";
	struct tls_error e = { .text = "" };
	struct pair p;

	(void)state;
	pair_open(&p, NULL);
	assert_int_equal(write(p.far, answer, sizeof(answer) - 1), sizeof(answer) - 1);
	assert_int_equal(tls_connection_handshake(p.client, some_time()), -EPROTO);
	tls_explain(tls_connection_ssl(p.client), &e);
	assert_true(strlen(e.text) > 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_arrives_both_ways_and_each_closes),
		cmocka_unit_test(a_silent_peer_is_waited_for_until_the_deadline),
		cmocka_unit_test(a_peer_that_goes_away_is_told_from_one_that_closes),
		cmocka_unit_test(what_is_no_tls_is_an_error_with_a_reason),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
