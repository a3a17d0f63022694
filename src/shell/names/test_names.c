/* SPDX-License-Identifier: Apache-2.0 */
/* The server on [::1], on a thread of its own, and clients and upstream servers that behave. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/names/names.h"

static const uint8_t localhost[16] = { [15] = 1 };

struct world {
	struct loop *loop;
	struct loop_wake *wake;
	pthread_t thread;
	struct dns_zone zone;
	struct names_server *server;
	struct sockaddr_in6 at;
	struct endpoint upstream;
	int upstream_fd; /* UDP; its TCP socket has the same port */
	int upstream_tcp_fd;
};

static enum dns_found host(void *arg, const char *name, struct dns_host *ret)
{
	(void)arg;
	*ret = (struct dns_host){ .has_ipv6 = true, .ipv6 = { 0xfd, [15] = 7 } };
	return strcmp(name, "roof") == 0 ? DNS_FOUND_HOST : DNS_FOUND_NOTHING;
}

static bool name_of(void *arg, const uint8_t address[16], char ret[DNS_TEXT_SIZE])
{
	(void)arg;
	(void)address;
	(void)ret;
	return false;
}

static int bound(int type, struct sockaddr_in6 *at)
{
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = 3 };
	socklen_t len = sizeof(*at);
	const int on = 1;

	at->sin6_family = AF_INET6;
	memcpy(&at->sin6_addr, localhost, 16);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	if (type == SOCK_STREAM) /* the port of a socket of before may linger */
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 32), 0);
	return fd;
}

static void blocking(int fd)
{
	const struct timeval patience = { .tv_sec = 5 };

	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

static void on_wake(void *arg)
{
	loop_stop(arg);
}

static void *run(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Another each time, and known to the test. */
static void fill(void *arg, uint8_t *ret, size_t len)
{
	static uint8_t last;

	(void)arg;
	last++;
	memset(ret, 0x55 ^ last, len);
}

static bool is_for_members;

static void start(struct world *w, const uint8_t own[16], bool has_upstream)
{
	struct names_options o = { .directory = { .host = host, .name = name_of },
				   .is_for_members = is_for_members,
				   .prefix_bits = 48,
				   .entropy = { .fill = fill } };
	struct sockaddr_in6 up = { 0 };
	int udp, tcp;

	memset(w, 0, sizeof(*w));
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(loop_wake_new(w->loop, on_wake, w->loop, &w->wake), 0);
	assert_int_equal(
		dns_zone_init(&w->zone, "x0.internal", "roof", (const uint8_t[16]){ 0xfd }, 48), 0);
	udp = bound(SOCK_DGRAM, &w->at);
	tcp = bound(SOCK_STREAM, &w->at); /* of the same port */
	w->upstream_fd = bound(SOCK_DGRAM, &up);
	w->upstream_tcp_fd = bound(SOCK_STREAM, &up);
	blocking(w->upstream_fd);
	blocking(w->upstream_tcp_fd);
	memcpy(w->upstream.ip, localhost, 16);
	w->upstream.port = ntohs(up.sin6_port);
	o.loop = w->loop;
	o.zone = &w->zone;
	memcpy(o.own, own, 16);
	assert_int_equal(names_server_new(&o, udp, tcp, &w->server), 0);
	if (has_upstream) {
		struct endpoint as = w->upstream;

		/* The server does not ask its own address; here both are one. */
		memcpy(as.ip, (const uint8_t[16]){ [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
		       16);
		names_server_set_upstreams(w->server, &as, 1);
	}
	assert_int_equal(pthread_create(&w->thread, NULL, run, w->loop), 0);
}

static void stop(struct world *w, struct names_counters *ret)
{
	loop_wake_send(w->wake);
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	names_server_counters(w->server, ret);
	names_server_free(w->server);
	loop_free(w->loop);
	(void)close(w->upstream_fd);
	(void)close(w->upstream_tcp_fd);
}

static size_t question(const char *name, uint8_t *ret)
{
	struct dns_name n;

	memcpy(ret, (const uint8_t[]){ 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 }, 12);
	assert_int_equal(dns_name_parse(name, &n), 0);
	memcpy(ret + 12, n.wire, n.len);
	memcpy(ret + 12 + n.len, (const uint8_t[]){ 0, 28, 0, 1 }, 4);
	return 16 + n.len;
}

static int client(const struct world *w, int type)
{
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	blocking(fd);
	assert_int_equal(connect(fd, (const struct sockaddr *)&w->at, sizeof(w->at)), 0);
	return fd;
}

static size_t receive(int fd, uint8_t *ret, size_t n)
{
	size_t len = 0;

	while (len < n) {
		ssize_t got = recv(fd, ret + len, n - len, 0);

		if (got <= 0)
			break;
		len += (size_t)got;
	}
	return len;
}

static void a_question_by_udp_is_answered(void **state)
{
	(void)state;
	struct names_counters c;
	struct world w;
	uint8_t m[512];
	size_t len = question("roof.x0.internal", m);
	int fd;

	start(&w, localhost, false);
	fd = client(&w, SOCK_DGRAM);
	assert_int_equal(send(fd, m, 5, 0), 5); /* a scrap before it */
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	assert_true(recv(fd, m, sizeof(m), 0) > (ssize_t)len);
	assert_int_equal(m[7], 1);
	len = question("example.org", m);
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	assert_true(recv(fd, m, sizeof(m), 0) > 0);
	assert_int_equal(m[3] & 0xf, DNS_REFUSED);
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.queries, 3);
	assert_int_equal(c.dropped, 1);
	assert_int_equal(c.refused, 1);
}

static void one_member_holds_a_few_connections_only(void **state)
{
	(void)state;
	const uint8_t other[16] = { [15] = 2 }; /* ::1 is then another member */
	int held[NAMES_CONNECTIONS_MEMBER + 1];
	struct names_counters c;
	struct world w;
	uint8_t m[512];
	size_t len = question("roof.x0.internal", m + 2);

	is_for_members = true;
	start(&w, other, false);
	is_for_members = false;
	for (size_t i = 0; i <= NAMES_CONNECTIONS_MEMBER; i++)
		held[i] = client(&w, SOCK_STREAM);
	assert_int_equal(recv(held[NAMES_CONNECTIONS_MEMBER], m, 1, 0), 0); /* closed */
	store_u16(m, (uint16_t)len);
	assert_int_equal(send(held[0], m, len + 2, 0), (ssize_t)len + 2);
	assert_int_equal(receive(held[0], m, 2 + len), 2 + len); /* the others go on */
	for (size_t i = 0; i <= NAMES_CONNECTIONS_MEMBER; i++)
		(void)close(held[i]);
	stop(&w, &c);
	assert_int_equal(c.connections, NAMES_CONNECTIONS_MEMBER);
	assert_int_equal(c.connections_refused, 1);
}

static void questions_by_tcp_may_come_in_pieces_and_in_a_row(void **state)
{
	(void)state;
	struct names_counters c;
	struct world w;
	uint8_t m[1024];
	uint8_t answer[512];
	size_t len = question("roof.x0.internal", m + 2);
	int fd;

	store_u16(m, (uint16_t)len);
	len += 2;
	memcpy(m + len, m, len);
	start(&w, localhost, false);
	fd = client(&w, SOCK_STREAM);
	for (size_t i = 0; i < 2 * len; i += 7)
		assert_true(send(fd, m + i, 2 * len - i < 7 ? 2 * len - i : 7, 0) > 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(receive(fd, answer, 2), 2);
		assert_int_equal(receive(fd, answer + 2, load_u16(answer)), load_u16(answer));
		assert_int_equal(answer[2 + 7], 1);
	}
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.answered, 2);
}

static void somebody_else_gets_no_answer(void **state)
{
	(void)state;
	const uint8_t other[16] = { 0xfd, [15] = 9 };
	struct names_counters c;
	struct world w;
	uint8_t m[512];
	size_t len = question("roof.x0.internal", m);
	int udp, tcp;

	start(&w, other, false);
	udp = client(&w, SOCK_DGRAM);
	tcp = client(&w, SOCK_STREAM);
	assert_int_equal(send(udp, m, len, 0), (ssize_t)len);
	assert_int_equal(recv(tcp, m, sizeof(m), 0), 0); /* closed */
	assert_int_equal(recv(udp, m, sizeof(m), MSG_DONTWAIT), -1);
	(void)close(udp);
	(void)close(tcp);
	stop(&w, &c);
	assert_int_equal(c.queries, 0);
	assert_int_equal(c.not_allowed, 2);
}

static void connections_are_bounded_and_end(void **state)
{
	(void)state;
	int fds[NAMES_CONNECTIONS_MAX + 1];
	struct names_counters c;
	struct world w;
	uint8_t m[512] = { 0xff, 0xff };
	size_t len;

	start(&w, localhost, false);
	for (size_t i = 0; i <= NAMES_CONNECTIONS_MAX; i++)
		fds[i] = client(&w, SOCK_STREAM);
	assert_int_equal(recv(fds[NAMES_CONNECTIONS_MAX], m + 2, 1, 0), 0); /* one too many */
	assert_int_equal(send(fds[0], m, 2, 0), 2); /* announces 65,535 bytes */
	assert_int_equal(recv(fds[0], m + 2, 1, 0), 0);
	len = question("roof.x0.internal", m + 2);
	store_u16(m, (uint16_t)len);
	(void)close(fds[1]); /* its place is free again */
	(void)close(fds[0]);
	fds[0] = client(&w, SOCK_STREAM);
	assert_int_equal(send(fds[0], m, 2 + len, 0), (ssize_t)(2 + len));
	assert_int_equal(receive(fds[0], m, 2), 2);
	(void)close(fds[0]);
	for (size_t i = 2; i <= NAMES_CONNECTIONS_MAX; i++)
		(void)close(fds[i]);
	stop(&w, &c);
	assert_true(c.connections_refused >= 1);
}

/* Reads the question at the upstream and gives the address of an answer to it. */
static ssize_t read_upstream(struct world *w, uint8_t *m, size_t size, struct sockaddr_in6 *from)
{
	socklen_t len = sizeof(*from);

	return recvfrom(w->upstream_fd, m, size, 0, (struct sockaddr *)from, &len);
}

static void rebind_upstream_to_ipv4(struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(w->upstream.port) };
	const int on = 1;

	(void)close(w->upstream_fd);
	(void)close(w->upstream_tcp_fd);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->upstream_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	w->upstream_tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(w->upstream_tcp_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(w->upstream_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(bind(w->upstream_tcp_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(w->upstream_tcp_fd, 4), 0);
	blocking(w->upstream_fd);
	blocking(w->upstream_tcp_fd);
}

static void a_foreign_question_is_passed_on_and_only_its_reply_counts(void **state)
{
	(void)state;
	struct names_counters c;
	struct sockaddr_in6 from;
	struct world w;
	uint8_t m[512], at_upstream[512];
	size_t len = question("www.example.org", m);
	ssize_t n;
	int fd;

	start(&w, localhost, true);
	rebind_upstream_to_ipv4(&w);
	fd = client(&w, SOCK_DGRAM);
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	n = read_upstream(&w, at_upstream, sizeof(at_upstream), &from);
	assert_int_equal(n, (ssize_t)len);
	assert_memory_not_equal(at_upstream + 12, m + 12, len - 12); /* another case */
	at_upstream[2] |= 0x80;
	at_upstream[1] ^= 1; /* forged: another id */
	(void)sendto(w.upstream_fd, at_upstream, len, 0, (struct sockaddr *)&from,
		     sizeof(struct sockaddr_in));
	at_upstream[1] ^= 1;
	at_upstream[13] ^= 0x20; /* forged: another case */
	(void)sendto(w.upstream_fd, at_upstream, len, 0, (struct sockaddr *)&from,
		     sizeof(struct sockaddr_in));
	at_upstream[13] ^= 0x20;
	at_upstream[3] |= DNS_NXDOMAIN;
	(void)sendto(w.upstream_fd, at_upstream, len, 0, (struct sockaddr *)&from,
		     sizeof(struct sockaddr_in));
	n = recv(fd, at_upstream, sizeof(at_upstream), 0);
	assert_int_equal(n, (ssize_t)len);
	assert_int_equal(at_upstream[3] & 0xf, DNS_NXDOMAIN);
	assert_memory_equal(at_upstream, m, 2);
	assert_memory_equal(at_upstream + 12, m + 12, len - 12);
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.forwarded, 1);
	assert_int_equal(c.forward_mismatched, 2);
}

static void a_foreign_question_by_tcp_is_passed_on_by_tcp(void **state)
{
	(void)state;
	struct names_counters c;
	struct world w;
	uint8_t m[512], at_upstream[512] = { 0 };
	size_t len = question("www.example.org", m + 2);
	int fd, up;

	store_u16(m, (uint16_t)len);
	start(&w, localhost, true);
	rebind_upstream_to_ipv4(&w);
	fd = client(&w, SOCK_STREAM);
	assert_int_equal(send(fd, m, 2 + len, 0), (ssize_t)(2 + len));
	up = accept(w.upstream_tcp_fd, NULL, NULL);
	assert_true(up >= 0);
	assert_int_equal(receive(up, at_upstream, 2 + len), 2 + len);
	at_upstream[4] |= 0x80;
	assert_int_equal(send(up, at_upstream, 3, 0), 3);
	assert_int_equal(send(up, at_upstream + 3, len - 1, 0), (ssize_t)(len - 1));
	assert_int_equal(receive(fd, at_upstream, 2 + len), 2 + len);
	assert_memory_equal(at_upstream + 14, m + 14, len - 12);
	(void)close(fd);
	(void)close(up);
	stop(&w, &c);
	assert_int_equal(c.forwarded, 1);
}

/* As the C library asks for A and AAAA. */
static void two_foreign_questions_in_one_piece_are_both_answered(void **state)
{
	(void)state;
	struct names_counters c;
	struct world w;
	uint8_t m[512], at_upstream[512] = { 0 };
	size_t len = 2 + question("www.example.org", m + 2);
	int fd;

	store_u16(m, (uint16_t)(len - 2));
	memcpy(m + len, m, len);
	start(&w, localhost, true);
	rebind_upstream_to_ipv4(&w);
	fd = client(&w, SOCK_STREAM);
	assert_int_equal(send(fd, m, 2 * len, 0), (ssize_t)(2 * len));
	for (unsigned i = 0; i < 2; i++) {
		int up = accept(w.upstream_tcp_fd, NULL, NULL);

		assert_true(up >= 0);
		assert_int_equal(receive(up, at_upstream, len), len);
		at_upstream[4] |= 0x80;
		assert_int_equal(send(up, at_upstream, len, 0), (ssize_t)len);
		assert_int_equal(receive(fd, at_upstream, len), len);
		(void)close(up);
	}
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.forwarded, 2);
}

static void each_question_of_a_piece_counts_against_the_rate(void **state)
{
	(void)state;
	static const uint8_t other[16] = { [15] = 2 };
	struct names_counters c;
	struct world w;
	uint8_t m[4096], ignored[16384];
	size_t len = 2 + question("roof.x0.internal", m + 2);
	int fd;

	store_u16(m, (uint16_t)(len - 2));
	for (unsigned i = 1; i < 2 * NAMES_RATE_MEMBER; i++)
		memcpy(m + i * len, m, len);
	is_for_members = true;
	start(&w, other, false);
	is_for_members = false;
	fd = client(&w, SOCK_STREAM);
	assert_int_equal(send(fd, m, 2 * NAMES_RATE_MEMBER * len, 0),
			 (ssize_t)(2 * NAMES_RATE_MEMBER * len));
	(void)receive(fd, ignored, 2 * NAMES_RATE_MEMBER * (len + 28)); /* or until it is closed */
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.over_rate, 1);
	assert_int_equal(c.answered, NAMES_RATE_MEMBER - 1); /* the connection was one */
}

static void where_nobody_listens_the_asker_is_told_at_once(void **state)
{
	(void)state;
	struct names_counters c;
	struct world w;
	uint8_t m[512];
	size_t len = question("www.example.org", m);
	int fd;

	start(&w, localhost, true); /* the upstream listens on IPv6 alone */
	fd = client(&w, SOCK_DGRAM);
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	assert_true(recv(fd, m, sizeof(m), 0) > 0);
	assert_int_equal(m[3] & 0xf, DNS_SERVFAIL);
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.forward_failed, 1);
}

static void questions_under_way_are_bounded(void **state)
{
	(void)state;
	struct names_counters c;
	struct sockaddr_in6 from;
	struct world w;
	uint8_t m[512];
	size_t len = question("www.example.org", m);
	int fd;

	start(&w, localhost, true);
	rebind_upstream_to_ipv4(&w);
	fd = client(&w, SOCK_DGRAM);
	for (unsigned i = 0; i <= NAMES_FORWARDS_MAX; i++) {
		store_u16(m, (uint16_t)i);
		assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	}
	assert_true(read_upstream(&w, m, sizeof(m), &from) > 0);
	assert_true(recv(fd, m, sizeof(m), 0) > 0); /* the last one, refused */
	assert_int_equal(load_u16(m), NAMES_FORWARDS_MAX);
	assert_int_equal(m[3] & 0xf, DNS_REFUSED);
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.forward_busy, 1);
}

static void a_question_that_goes_in_a_circle_ends(void **state)
{
	(void)state;
	struct names_counters c;
	struct sockaddr_in6 from;
	struct world w;
	uint8_t m[512];
	size_t len = question("www.example.org", m);
	int fd;

	start(&w, localhost, true);
	rebind_upstream_to_ipv4(&w);
	fd = client(&w, SOCK_DGRAM);
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len);
	assert_int_equal(read_upstream(&w, m, sizeof(m), &from), (ssize_t)len);
	assert_int_equal(send(fd, m, len, 0), (ssize_t)len); /* the upstream asks us */
	assert_true(recv(fd, m, sizeof(m), 0) > 0);
	assert_int_equal(m[3] & 0xf, DNS_REFUSED);
	(void)close(fd);
	stop(&w, &c);
	assert_int_equal(c.refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_by_udp_is_answered),
		cmocka_unit_test(questions_by_tcp_may_come_in_pieces_and_in_a_row),
		cmocka_unit_test(one_member_holds_a_few_connections_only),
		cmocka_unit_test(somebody_else_gets_no_answer),
		cmocka_unit_test(connections_are_bounded_and_end),
		cmocka_unit_test(a_foreign_question_is_passed_on_and_only_its_reply_counts),
		cmocka_unit_test(a_foreign_question_by_tcp_is_passed_on_by_tcp),
		cmocka_unit_test(two_foreign_questions_in_one_piece_are_both_answered),
		cmocka_unit_test(each_question_of_a_piece_counts_against_the_rate),
		cmocka_unit_test(where_nobody_listens_the_asker_is_told_at_once),
		cmocka_unit_test(questions_under_way_are_bounded),
		cmocka_unit_test(a_question_that_goes_in_a_circle_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
