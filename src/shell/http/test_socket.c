/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: what they are told, how they end, and those that send too much or do not read. */
#include "shell/http/test_server.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is behind the path. */
static const char upgrade[] = " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
			      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

static int follow(const struct server *s, const char *path)
{
	char answer[512] = "";
	int fd = client_open(s);

	client_say(fd, "GET ");
	client_say(fd, path);
	client_say(fd, upgrade);
	/* not a byte more: what follows is its first frame */
	for (size_t n = 0; n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0; n++) {
		assert_true(n + 1 < sizeof(answer));
		assert_int_equal(recv(fd, answer + n, 1, 0), 1);
	}
	assert_non_null(strstr(answer, "101"));
	return fd;
}

/* The mask is zeros. */
static const char message[] = { (char)0x81, (char)0x82, 0, 0, 0, 0, 'o', 'k' };

static void hear_end(int fd, unsigned code, const char *why)
{
	unsigned char end[128];
	size_t n = 0;

	while (n < 2 || n < 2u + (end[1] & 0x7f)) {
		ssize_t got = recv(fd, end + n, sizeof(end) - n, 0);

		assert_true(got > 0);
		n += (size_t)got;
	}
	assert_int_equal(end[0], 0x88);
	assert_int_equal(end[2] << 8 | end[3], code);
	assert_memory_equal(end + 4, why, strlen(why));
}

static void a_websocket_that_is_closed_with_a_reason_is_told_it(void **state)
{
	struct server *s = *state;
	int fd;

	atomic_store(&s->is_over, true);
	fd = follow(s, "/quiet");
	hear_end(fd, 1013, "too slow");
	(void)close(fd);
	assert_true(count_becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
}

/* One sends as fast as it can, another beside it one message. */
static void a_websocket_that_sends_too_much_is_closed_and_told_why(void **state)
{
	struct server *s = *state;
	char all[4 * HTTP_MESSAGES_BURST * sizeof(message)];
	int beside = follow(s, "/quiet");
	int fd = follow(s, "/quiet");
	size_t n;

	for (size_t i = 0; i < sizeof(all); i += sizeof(message))
		memcpy(all + i, message, sizeof(message));
	assert_int_equal(send(fd, all, sizeof(all), MSG_NOSIGNAL), sizeof(all));
	hear_end(fd, 1008, "too many messages");
	(void)close(fd);
	assert_true(count_becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
	/* of what it sent no more than at once, and of the seconds that it took */
	n = (size_t)atomic_load(&s->n_messages);
	assert_in_range(n, HTTP_MESSAGES_BURST, 4 * HTTP_MESSAGES_BURST - 1);
	assert_int_equal(send(beside, message, sizeof(message), MSG_NOSIGNAL), sizeof(message));
	assert_true(count_becomes(&s->n_messages, (int)n + 1));
	(void)close(beside);
	assert_true(count_becomes(&s->n_closed, 2));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
}

static bool connections_come_to(struct server *s, int n)
{
	for (unsigned i = 0; i < 500; i++) {
		client_ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
		if (atomic_load(&s->n_connections) == n)
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* With TLS, and it reads nothing of what it is sent: the last of it waits for it yet. */
static void a_websocket_that_has_ended_has_its_place_until_all_is_out(void **state)
{
	struct server *s = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	int fd = client_open_at(s->tls_port, 4096);
	int n;

	assert_non_null(ssl);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	assert_int_equal(SSL_connect(ssl), 1);
	assert_int_equal(SSL_write(ssl, "GET /ws", 7), 7);
	assert_int_equal(SSL_write(ssl, upgrade, sizeof(upgrade) - 1), sizeof(upgrade) - 1);
	assert_true(count_begins(&s->n_ready));
	do {
		n = atomic_load(&s->n_ready);
		(void)usleep(200000);
	} while (atomic_load(&s->n_ready) != n);
	assert_int_equal(SSL_shutdown(ssl), 0);
	assert_true(count_becomes(&s->n_closed, 1));
	client_ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
	assert_int_equal(atomic_load(&s->n_connections), 2); /* this one, and what is left of it */
	(void)close(fd);
	assert_true(connections_come_to(s, 1));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* 4 KiB a message without end: what is asked for stops when the sockets' buffers are full. */
static void a_websocket_that_is_not_read_is_not_sent_more(void **state)
{
	struct server *s = *state;
	int fd = follow(s, "/ws");
	int n;

	assert_true(count_begins(&s->n_ready));
	do {
		n = atomic_load(&s->n_ready);
		(void)usleep(200000);
	} while (atomic_load(&s->n_ready) != n && n < 100000);
	assert_true(n > 0 && n < 100000);
	client_ask(s, "GET /beside HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /beside");
	(void)close(fd);
	assert_true(count_becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_open), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_websocket_that_is_not_read_is_not_sent_more,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(
			a_websocket_that_has_ended_has_its_place_until_all_is_out, server_start,
			server_stop),
		cmocka_unit_test_setup_teardown(a_websocket_that_is_closed_with_a_reason_is_told_it,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(
			a_websocket_that_sends_too_much_is_closed_and_told_why, server_start,
			server_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
