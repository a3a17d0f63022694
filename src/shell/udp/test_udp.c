/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/udp/backlog.h"
#include "shell/udp/udp.h"

/* Stand in for the C library's: a socket whose buffer is full, a path that takes no runs. */
static unsigned n_until_full = UINT_MAX; /* messages */
static bool is_full_for_one, refuses_runs;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (is_full_for_one) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
	unsigned room = n < n_until_full ? n : n_until_full;

	if (room == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (refuses_runs && messages[0].msg_hdr.msg_control) {
		errno = EINVAL;
		return -1;
	}
	if (n_until_full != UINT_MAX)
		n_until_full -= room;
	return (int)syscall(SYS_sendmmsg, fd, messages, room, flags);
}

struct inbox {
	unsigned n;
	struct endpoint from;
	uint8_t last[UDP_DATAGRAM_MAX];
	size_t last_len;
	uint8_t traffic_class;
};

static void on_datagram(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct span datagram = SPAN(bytes, len);
	struct inbox *in = arg;

	in->n++;
	in->from = *from;
	memcpy(in->last, datagram.at, datagram.len);
	in->last_len = datagram.len;
	in->traffic_class = traffic_class;
}

static struct udp *open_at(const char *text)
{
	struct endpoint e;
	struct udp *u = NULL;
	char why[UDP_WHY_SIZE];

	assert_int_equal(endpoint_parse(text, 0, &e), 0);
	if (udp_open(&e, &u, why) < 0)
		print_message("%s\n", why);
	assert_non_null(u);
	return u;
}

static int receive(struct udp *u, struct inbox *in)
{
	struct pollfd p = { .fd = udp_fd(u), .events = POLLIN };

	(void)poll(&p, 1, 1000);
	return udp_receive(u, on_datagram, NULL, in);
}

static void one_socket_speaks_both_families(void **state)
{
	(void)state;
	struct udp *all = open_at("[::]"), *four = open_at("127.0.0.1"), *six = open_at("[::1]");
	struct inbox in = { 0 };
	struct endpoint local, to, from;

	udp_local(all, &local);
	assert_true(local.port != 0);

	assert_int_equal(endpoint_parse("127.0.0.1", local.port, &to), 0);
	assert_int_equal(udp_send(four, &to, SPAN_STR("four")), 0);
	assert_int_equal(receive(all, &in), 1);
	udp_local(four, &from);
	assert_true(endpoint_equal(&in.from, &from));
	assert_true(endpoint_is_ipv4(&in.from));
	assert_memory_equal(in.last, "four", 4);

	assert_int_equal(endpoint_parse("[::1]", local.port, &to), 0);
	assert_int_equal(udp_send(six, &to, SPAN_STR("six")), 0);
	assert_int_equal(receive(all, &in), 1);
	udp_local(six, &from);
	assert_true(endpoint_equal(&in.from, &from));
	assert_int_equal(udp_counters(all)->received, 2);
	assert_int_equal(udp_counters(all)->received_bytes, 7);

	assert_int_equal(udp_send(all, &in.from, SPAN_STR("back")), 0);
	assert_int_equal(receive(six, &in), 1);
	assert_int_equal(udp_receive(six, on_datagram, NULL, &in), 0); /* and does not block */
	udp_free(all);
	udp_free(four);
	udp_free(six);
}

static void a_bind_error_names_the_port_and_the_key(void **state)
{
	(void)state;
	struct udp *first = open_at("[::1]"), *second = NULL;
	struct endpoint e;
	char why[UDP_WHY_SIZE], port[16];

	udp_local(first, &e);
	(void)snprintf(port, sizeof(port), ":%u:", e.port);
	assert_int_equal(udp_open(&e, &second, why), -EADDRINUSE);
	assert_non_null(strstr(why, port));
	assert_non_null(strstr(why, "`listen`"));
	assert_null(second);

	assert_int_equal(endpoint_parse("192.0.2.1:26970", 0, &e), 0);
	assert_int_equal(udp_open(&e, &second, why), -EADDRNOTAVAIL);
	assert_non_null(strstr(why, "no such address"));
	udp_free(first);
}

static void a_datagram_that_is_too_long_is_dropped_and_counted(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	struct inbox in = { 0 };
	struct endpoint to;
	uint8_t bytes[UDP_DATAGRAM_MAX + 1] = { 0 };

	udp_local(b, &to);
	assert_int_equal(udp_send(a, &to, SPAN_OF(bytes)), 0);
	assert_int_equal(udp_send(a, &to, SPAN(bytes, UDP_DATAGRAM_MAX)), 0);
	assert_int_equal(receive(b, &in), 2);
	assert_int_equal(in.n, 1);
	assert_int_equal(in.last_len, UDP_DATAGRAM_MAX);
	assert_int_equal(udp_counters(b)->too_long, 1);
	udp_free(a);
	udp_free(b);
}

static int discover(const struct udp *u, int level, int option)
{
	int how = -1;
	socklen_t len = sizeof(how);

	assert_int_equal(getsockopt(udp_fd(u), level, option, &how, &len), 0);
	return how;
}

static void a_probe_goes_unfragmented_and_leaves_the_socket_as_it_was(void **state)
{
	(void)state;
	static const char *const addresses[] = { "[::1]", "127.0.0.1" };
	static uint8_t long_one[65530];

	for (unsigned i = 0; i < 2; i++) {
		struct udp *a = open_at(addresses[i]), *b = open_at(addresses[i]);
		int v4 = discover(a, IPPROTO_IP, IP_MTU_DISCOVER);
		int v6 = discover(a, IPPROTO_IPV6, IPV6_MTU_DISCOVER);
		struct inbox in = { 0 };
		struct endpoint to;
		unsigned most = 0;

		udp_local(b, &to);
		assert_int_equal(udp_send_whole(a, &to, SPAN(long_one, 1452)), 0);
		assert_int_equal(receive(b, &in), 1);
		assert_int_equal(in.last_len, 1452);
		assert_int_equal(udp_send_whole(a, &to, SPAN_OF(long_one)), -EMSGSIZE);
		assert_int_equal(discover(a, IPPROTO_IP, IP_MTU_DISCOVER), v4);
		assert_int_equal(discover(a, IPPROTO_IPV6, IPV6_MTU_DISCOVER), v6);
		assert_int_equal(udp_path_hint(&to, &most), 0);
		assert_true(most >= 1280 && most <= 65536 - 28);
		udp_free(a);
		udp_free(b);
	}
}

static void one_call_takes_no_more_than_its_share(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	struct inbox in = { 0 };
	struct endpoint to;

	udp_local(b, &to);
	for (unsigned i = 0; i < UDP_RECEIVE_MAX + 10; i++)
		assert_int_equal(udp_send(a, &to, SPAN_STR("x")), 0);
	int n = receive(b, &in);

	assert_int_equal(n, UDP_RECEIVE_MAX);
	assert_int_equal(receive(b, &in), 10);
	assert_int_equal(in.n, UDP_RECEIVE_MAX + 10);
	udp_free(a);
	udp_free(b);
}

struct refusals {
	struct endpoint to;
	unsigned n;
};

static void on_refusal(void *arg, const struct endpoint *to)
{
	struct refusals *r = arg;

	r->to = *to;
	r->n++;
}

/* Where nobody listens the host answers by ICMP, which is there when send() returns. */
static void who_is_not_there_is_told_and_disturbs_nobody_else(void **state)
{
	(void)state;
	static const char *const hosts[] = { "[::1]", "127.0.0.1" };

	for (unsigned i = 0; i < 2; i++) {
		struct udp *u = open_at(hosts[i]), *well = open_at(hosts[i]),
			   *gone = open_at(hosts[i]);
		struct endpoint to_well, to_gone;
		struct refusals refusals = { 0 };
		struct inbox in = { 0 };

		udp_local(well, &to_well);
		udp_local(gone, &to_gone);
		udp_free(gone);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(udp_send(u, &to_gone, SPAN_STR("x")), 0);
			assert_int_equal(udp_send(u, &to_well, SPAN_STR("y")), 0);
			assert_int_equal(udp_send_aside(u, &to_gone, SPAN_STR("x")), 0);
			assert_true(receive(u, &in) >= 0); /* nothing, and no error */
		}
		udp_receive_errors(u, on_refusal, &refusals);
		assert_int_equal(refusals.n, 6);
		assert_true(endpoint_equal(&refusals.to, &to_gone));
		assert_int_equal(udp_counters(u)->refusals, 6);
		assert_int_equal(udp_counters(u)->failed, 0);
		udp_receive_errors(u, on_refusal, &refusals);
		assert_int_equal(refusals.n, 6);
		in = (struct inbox){ 0 };
		(void)receive(well, &in);
		assert_int_equal(in.n, 3);
		udp_free(u);
		udp_free(well);
	}
}

static void failures_to_send_are_told_and_counted(void **state)
{
	(void)state;
	struct udp *u = open_at("[::1]");
	struct endpoint to;
	static const uint8_t huge[65536];

	udp_local(u, &to);
	assert_int_equal(udp_send(u, &to, SPAN(huge, sizeof(huge))), -EMSGSIZE);
	assert_int_equal(udp_counters(u)->failed, 1);
	assert_int_equal(endpoint_parse("192.0.2.1:9", 0, &to), 0); /* from ::1: no way there */
	assert_true(udp_send(u, &to, SPAN_STR("x")) < 0);
	assert_int_equal(udp_counters(u)->unreachable + udp_counters(u)->failed, 2);
	assert_int_equal(udp_counters(u)->sent, 0);
	udp_free(u);
}

static void a_receive_buffer_that_overflows_is_noticed(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	struct inbox in = { 0 };
	struct endpoint to;
	static const uint8_t bytes[1400];
	unsigned receive_bytes, send_bytes;

	udp_local(b, &to);
	udp_buffers(b, &receive_bytes, &send_bytes);
	assert_true(receive_bytes > 0 && send_bytes > 0);
	for (unsigned i = 0; i < 2 * UDP_RECEIVE_BUFFER_BYTES / sizeof(bytes); i++)
		(void)udp_send(a, &to, SPAN_OF(bytes));
	while (udp_receive(b, on_datagram, NULL, &in) > 0)
		;
	assert_int_equal(udp_send(a, &to, SPAN_STR("later")), 0);
	assert_int_equal(receive(b, &in), 1);
	assert_int_equal(udp_counters(b)->kernel_dropped + udp_counters(b)->received,
			 udp_counters(a)->sent);
	assert_true(udp_counters(b)->kernel_dropped > 0);
	udp_free(a);
	udp_free(b);
}

#define ALL_OFFLOADS ((1U << UDP_OFFLOAD_URGENT) - 1) /* with one socket */
#define RUN 100

struct run {
	unsigned n;
	unsigned n_pauses;
	uint8_t order[2 * RUN];
	size_t len[2 * RUN];
	uint8_t traffic_class[2 * RUN];
};

static void on_numbered(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct span datagram = SPAN(bytes, len);
	struct run *run = arg;

	(void)from;
	assert_true(run->n < 2 * RUN);
	for (size_t i = 1; i < datagram.len; i++) /* all bytes are its number */
		assert_int_equal(datagram.at[i], datagram.at[0]);
	run->order[run->n] = datagram.at[0];
	run->traffic_class[run->n] = traffic_class;
	run->len[run->n++] = datagram.len;
}

static void on_pause(void *arg)
{
	struct run *run = arg;

	run->n_pauses++;
}

static void receive_run(struct udp *u, struct run *run, unsigned n)
{
	struct pollfd p = { .fd = udp_fd(u), .events = POLLIN };

	while (run->n < n && poll(&p, 1, 1000) > 0)
		assert_true(udp_receive(u, on_numbered, on_pause, run) > 0);
	assert_int_equal(run->n, n);
}

/* RUN datagrams of these lengths in turn, in one flush. */
static void send_run(struct udp *u, const struct endpoint *to, const size_t *len, size_t n_len)
{
	static uint8_t bytes[RUN][UDP_DATAGRAM_MAX];

	for (unsigned i = 0; i < RUN; i++) {
		memset(bytes[i], (int)i, sizeof(bytes[i]));
		udp_queue(u, to, UDP_BULK, 0, SPAN(bytes[i], len[i % n_len]));
	}
	udp_flush(u);
}

static void a_run_arrives_whole_and_in_order_with_any_of_the_offloads(void **state)
{
	(void)state;
	static const size_t equal[] = { 1200 }, short_last[] = { 1200, 1200, 700 },
			    growing[] = { 1, 64, 1200 };

	for (unsigned wanted = 0; wanted <= ALL_OFFLOADS; wanted++) {
		struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
		struct endpoint to;
		struct run run = { 0 };

		udp_offload(a, wanted);
		udp_offload(b, wanted);
		for (unsigned o = 0; o < UDP_N_OFFLOADS; o++)
			if (!(wanted & 1U << o))
				assert_non_null(udp_offload_why_off(a, (enum udp_offload)o));
		udp_local(b, &to);
		for (unsigned kind = 0; kind < 3; kind++) {
			const size_t *const lens[] = { equal, short_last, growing };
			const size_t n = kind == 0 ? 1 : 3;

			run = (struct run){ 0 };
			send_run(a, &to, lens[kind], n);
			receive_run(b, &run, RUN);
			assert_true(run.n_pauses >= 1);
			for (unsigned i = 0; i < RUN; i++) {
				assert_int_equal(run.order[i], i);
				assert_int_equal(run.len[i], lens[kind][i % n]);
			}
		}
		assert_int_equal(udp_counters(a)->sent, 3 * RUN);
		assert_int_equal(udp_counters(b)->received, 3 * RUN);
		if (!udp_offload_why_off(a, UDP_OFFLOAD_GSO))
			assert_true(udp_counters(a)->sends < 3 * RUN);
		else
			assert_int_equal(udp_counters(a)->sends, 3 * RUN);
		udp_free(a);
		udp_free(b);
	}
}

static void classes_leave_in_their_order(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	static const uint8_t bytes[] = { 0, 1, 2, 3 };
	struct endpoint to;
	struct run run = { 0 };

	udp_offload(a, ALL_OFFLOADS);
	udp_local(b, &to);
	udp_queue(a, &to, UDP_BULK, 0, SPAN(bytes, 1));
	udp_queue(a, &to, UDP_INTERACTIVE, 0, SPAN(bytes + 1, 1));
	udp_queue(a, &to, UDP_CRITICAL, 0, SPAN(bytes + 2, 1));
	udp_queue(a, &to, UDP_CONTROL, 0, SPAN(bytes + 3, 1));
	udp_flush(a);
	receive_run(b, &run, 4);
	assert_memory_equal(run.order, "\3\2\1\0", 4);
	udp_flush(a); /* nothing is left */
	assert_int_equal(udp_counters(a)->sent, 4);
	udp_free(a);
	udp_free(b);
}

static void runs_to_several_destinations_do_not_mix(void **state)
{
	(void)state;
	struct udp *a = open_at("[::]"), *b[2] = { open_at("[::1]"), open_at("127.0.0.1") };
	static uint8_t bytes[2 * RUN];
	struct endpoint to[2];

	udp_offload(a, ALL_OFFLOADS);
	for (unsigned i = 0; i < 2; i++) {
		udp_offload(b[i], ALL_OFFLOADS);
		udp_local(b[i], &to[i]);
	}
	for (unsigned i = 0; i < 2 * RUN; i++) { /* more than the queue holds */
		bytes[i] = (uint8_t)i;
		udp_queue(a, &to[i % 2], UDP_BULK, 0, SPAN(bytes + i, 1));
	}
	udp_flush(a);
	for (unsigned k = 0; k < 2; k++) {
		struct run run = { 0 };

		receive_run(b[k], &run, RUN);
		for (unsigned i = 0; i < RUN; i++)
			assert_int_equal(run.order[i], 2 * i + k);
		udp_free(b[k]);
	}
	udp_free(a);
}

static void a_run_that_cannot_be_sent_is_counted_by_the_datagram(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]");
	struct endpoint to;
	static const size_t equal[] = { 100 };

	udp_offload(a, ALL_OFFLOADS);
	assert_int_equal(endpoint_parse("192.0.2.1:9", 0, &to), 0); /* from ::1: no way there */
	send_run(a, &to, equal, 1);
	assert_int_equal(udp_counters(a)->sent, 0);
	assert_int_equal(udp_counters(a)->unreachable + udp_counters(a)->failed, RUN);
	udp_free(a);
}

static void marks_go_with_their_datagrams_in_both_families(void **state)
{
	(void)state;
	static const char *const hosts[] = { "[::1]", "127.0.0.1" };

	for (unsigned wanted = 0; wanted <= ALL_OFFLOADS; wanted++) {
		for (unsigned k = 0; k < 2; k++) {
			struct udp *a = open_at("[::]"), *b = open_at(hosts[k]);
			static uint8_t bytes[RUN][100];
			struct endpoint to;
			struct run run = { 0 };

			udp_offload(a, wanted);
			udp_offload(b, wanted);
			udp_local(b, &to);
			for (unsigned i = 0; i < RUN; i++) { /* runs of 10 of one mark */
				memset(bytes[i], (int)i, sizeof(bytes[i]));
				udp_queue(a, &to, UDP_BULK, (uint8_t)(i / 10 * 5),
					  SPAN_OF(bytes[i]));
			}
			udp_flush(a);
			receive_run(b, &run, RUN);
			for (unsigned i = 0; i < RUN; i++) {
				assert_int_equal(run.order[i], i);
				assert_int_equal(run.traffic_class[i], i / 10 * 5);
			}
			udp_free(a);
			udp_free(b);
		}
	}
}

static void what_is_urgent_comes_by_the_second_socket(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	static const uint8_t probe[40] = { 18 }, bulk[40] = { 16 }, urgent[40] = { 16, [8] = 2 },
			     junk[] = { 16, 0, 0 }, handshake[40] = { 1, [8] = 2 };
	struct endpoint to;
	struct inbox in = { 0 };
	struct pollfd p;

	udp_offload(b, ALL_OFFLOADS | 1U << UDP_OFFLOAD_URGENT);
	if (udp_offload_why_off(b, UDP_OFFLOAD_URGENT)) {
		print_message("%s\n", udp_offload_why_off(b, UDP_OFFLOAD_URGENT));
		skip();
	}
	udp_local(b, &to);
	assert_int_equal(udp_send(a, &to, SPAN_OF(bulk)), 0);
	assert_int_equal(udp_send(a, &to, SPAN_OF(junk)), 0);
	assert_int_equal(udp_send(a, &to, SPAN_OF(handshake)), 0);
	p = (struct pollfd){ .fd = udp_urgent_fd(b), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 50), 0);
	assert_int_equal(udp_send(a, &to, SPAN_OF(probe)), 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(udp_send(a, &to, SPAN_OF(urgent)), 0);
	assert_int_equal(receive(b, &in), 5);
	assert_memory_equal(in.last, handshake, sizeof(handshake)); /* though it came before */
	assert_int_equal(in.n, 5);

	assert_int_equal(udp_send(a, &to, SPAN_OF(bulk)), 0);
	assert_int_equal(udp_send(a, &to, SPAN_OF(probe)), 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(udp_receive_urgent(b, on_datagram, NULL, &in), 1);
	assert_memory_equal(in.last, probe, sizeof(probe));
	assert_int_equal(udp_receive_urgent(b, on_datagram, NULL, &in), 0);
	assert_int_equal(receive(b, &in), 1);
	assert_memory_equal(in.last, bulk, sizeof(bulk));
	assert_int_equal(udp_receive_urgent(a, on_datagram, NULL, &in),
			 0); /* it has no such socket */
	udp_free(a);
	udp_free(b);
}

#define FLOOD_RUNS 16
#define FLOOD_DATAGRAMS ((unsigned)(FLOOD_RUNS * UDP_SEGMENTS_MAX))

/* Runs of 64: with 8 of them in one batch there would be no turn for any other. */
static void a_flood_of_what_is_urgent_leaves_others_their_turn(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	static const uint8_t handshake[40] = { 1 };
	static uint8_t urgent[UDP_SEGMENTS_MAX][40];
	struct endpoint to;
	struct inbox in = { 0 };
	unsigned n_calls = 0;

	udp_offload(a, ALL_OFFLOADS);
	udp_offload(b, ALL_OFFLOADS | 1U << UDP_OFFLOAD_URGENT);
	if (udp_offload_why_off(b, UDP_OFFLOAD_URGENT)) {
		print_message("%s\n", udp_offload_why_off(b, UDP_OFFLOAD_URGENT));
		skip();
	}
	udp_local(b, &to);
	for (unsigned i = 0; i < UDP_SEGMENTS_MAX; i++) {
		urgent[i][0] = 16; /* a transport datagram, in lane 2 */
		urgent[i][8] = 2;
	}
	for (unsigned run = 0; run < FLOOD_RUNS; run++) {
		for (unsigned i = 0; i < UDP_SEGMENTS_MAX; i++)
			udp_queue(a, &to, UDP_INTERACTIVE, 0, SPAN_OF(urgent[i]));
		udp_flush(a);
	}
	assert_int_equal(udp_send(a, &to, SPAN_OF(handshake)), 0);
	assert_true(receive(b, &in) < (int)FLOOD_DATAGRAMS);
	assert_memory_equal(in.last, handshake, sizeof(handshake)); /* in the first call */
	while (in.n < FLOOD_DATAGRAMS + 1 && n_calls++ < FLOOD_DATAGRAMS)
		(void)receive(b, &in);
	assert_int_equal(in.n, FLOOD_DATAGRAMS + 1); /* and nothing of the flood is lost */
	udp_free(a);
	udp_free(b);
}

/* By whichever of its sockets. */
static int receive_soon(struct udp *u, struct inbox *in)
{
	int n = udp_receive(u, on_datagram, NULL, in);

	for (unsigned i = 0; n == 0 && i < 1000; i++) {
		(void)usleep(1000);
		n = udp_receive(u, on_datagram, NULL, in);
	}
	return n;
}

static void what_threads_sent_comes_by_the_sockets_of_threads(void **state)
{
	(void)state;
	for (unsigned urgent = 0; urgent < 2; urgent++) {
		struct udp *a = open_at("[::1]"), *b = open_at("[::1]"), *of_threads[2];
		unsigned wanted = ALL_OFFLOADS | urgent << UDP_OFFLOAD_URGENT;
		struct inbox in = { 0 };
		struct endpoint to;

		udp_offload(b, wanted);
		if (udp_open_threads(b, 2, wanted, of_threads) < 0) {
			print_message("this kernel cannot share a port between sockets\n");
			skip();
		}
		udp_local(b, &to);
		for (unsigned round = 0; round < 3; round++) {
			bool is_on = round == 1;

			assert_int_equal(udp_steer(b, is_on ? 2 : 0), 0);
			for (unsigned index = 0; index < 4; index++) {
				for (unsigned lane = 0; lane < 8; lane++) {
					uint8_t datagram[40] = {
						16, [7] = (uint8_t)index, [8] = (uint8_t)lane
					};
					bool is_thread = is_on && lane >= 3;

					in.n = 0;
					assert_int_equal(udp_send(a, &to, SPAN_OF(datagram)), 0);
					assert_int_equal(
						receive_soon(is_thread ? of_threads[(lane - 3) % 2]
								       : b,
							     &in),
						1);
					assert_memory_equal(in.last, datagram, sizeof(datagram));
				}
			}
			for (uint8_t type = 0; type < 20; type++) { /* all others are the loop's */
				uint8_t other[40] = { type, [8] = 4 };

				if (is_on && (type == 16 || type == 17))
					continue;
				in.n = 0;
				assert_int_equal(udp_send(a, &to, SPAN_OF(other)), 0);
				assert_int_equal(receive_soon(b, &in), 1);
			}
		}
		assert_int_equal(udp_send(of_threads[1], &to, SPAN_STR("x")), 0);
		in.n = 0;
		assert_int_equal(receive_soon(b, &in), 1);
		assert_true(endpoint_equal(&in.from, &to)); /* from the same port */
		udp_free(of_threads[0]);
		udp_free(of_threads[1]);
		udp_free(a);
		udp_free(b);
	}
}

static void what_the_socket_has_no_room_for_waits_in_its_class(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	static const size_t equal[] = { 1200 };
	static const uint8_t later[] = { 101 }, first[] = { 102 };
	struct endpoint to;
	struct run run = { 0 };

	udp_offload(a, ALL_OFFLOADS);
	udp_local(b, &to);
	n_until_full = 1; /* message, of 54 datagrams */
	send_run(a, &to, equal, 1);
	assert_true(udp_is_blocked(a));
	assert_true(udp_counters(a)->held > 0 && udp_counters(a)->held < RUN);
	udp_queue(a, &to, UDP_BULK, 0, SPAN_OF(later));
	udp_queue(a, &to, UDP_CONTROL, 0, SPAN_OF(first));
	udp_flush(a);
	assert_true(udp_is_blocked(a));
	n_until_full = UINT_MAX;
	udp_flush(a);
	assert_false(udp_is_blocked(a));
	receive_run(b, &run, RUN + 2);
	for (unsigned i = 0, at = 0; i < RUN + 2; i++)
		if (run.order[i] != 102)
			assert_int_equal(run.order[i], at++ == RUN ? 101 : at - 1);
	assert_true(run.order[RUN] != 102 && run.order[RUN + 1] != 102);
	assert_int_equal(udp_counters(a)->dropped[UDP_BULK], 0);
	udp_free(a);
	udp_free(b);
}

static void nothing_overtakes_a_run_that_was_refused(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]"), *b = open_at("[::1]");
	static const uint8_t first[3][100], longer[200];
	struct endpoint to;
	struct inbox in = { 0 };

	udp_offload(a, ALL_OFFLOADS);
	udp_local(b, &to);
	refuses_runs = is_full_for_one = true;
	for (unsigned i = 0; i < 3; i++)
		udp_queue(a, &to, UDP_BULK, 0, SPAN_OF(first[i]));
	udp_queue(a, &to, UDP_BULK, 0, SPAN_OF(longer));
	udp_flush(a);
	assert_int_equal(udp_counters(a)->held, 4);
	refuses_runs = is_full_for_one = false;
	udp_flush(a);
	while (in.n < 4)
		(void)receive(b, &in);
	assert_int_equal(in.last_len, sizeof(longer));
	assert_int_equal(udp_counters(a)->sent, 4);
	udp_free(a);
	udp_free(b);
}

static void a_full_backlog_drops_its_own_class_only(void **state)
{
	(void)state;
	struct udp *a = open_at("[::1]");
	static const uint8_t bytes[] = { 1 };
	struct endpoint to;

	udp_local(a, &to);
	udp_offload(a, ALL_OFFLOADS);
	n_until_full = 0;
	for (unsigned i = 0; i < UDP_BACKLOG_MAX + 10; i++)
		udp_queue(a, &to, UDP_BULK, 0, SPAN_OF(bytes));
	udp_queue(a, &to, UDP_INTERACTIVE, 0, SPAN_OF(bytes));
	udp_flush(a);
	assert_int_equal(udp_counters(a)->dropped[UDP_BULK], 10);
	assert_int_equal(udp_counters(a)->dropped[UDP_INTERACTIVE], 0);
	assert_int_equal(udp_counters(a)->held, UDP_BACKLOG_MAX + 1);
	n_until_full = UINT_MAX;
	udp_flush(a);
	assert_int_equal(udp_counters(a)->sent, UDP_BACKLOG_MAX + 1);
	udp_free(a);
}

/* All that can be queued, taken in order of turns: who has how much of the first bytes. */
static void shares_are_kept_and_nobody_starves(void **state)
{
	(void)state;
	static const uint8_t bytes[1000];
	struct endpoint to = { 0 };
	struct backlog b;
	unsigned n[UDP_N_CLASSES] = { 0 };

	assert_int_equal(backlog_init(&b), 0);
	for (unsigned class = 0; class < UDP_N_CLASSES; class ++)
		for (unsigned i = 0; i < UDP_BACKLOG_MAX; i++)
			assert_int_equal(
				backlog_push(&b, (enum udp_class) class, &to, 0, SPAN_OF(bytes)),
				0);
	assert_int_equal(backlog_push(&b, UDP_BULK, &to, 0, SPAN_OF(bytes)), -ENOBUFS);
	for (unsigned i = 0; i < UDP_BACKLOG_MAX; i++) {
		assert_int_equal(backlog_next(&b), UDP_CONTROL);
		backlog_pop(&b, UDP_CONTROL, 1);
	}
	assert_int_equal(backlog_next(&b), UDP_CRITICAL);
	for (unsigned i = 0; i < 115; i++) { /* two turns of all */
		enum udp_class class = backlog_next(&b);

		n[class]++;
		backlog_pop(&b, class, 1);
	}
	assert_in_range(n[UDP_CRITICAL], 64, 67);
	assert_in_range(n[UDP_INTERACTIVE], 31, 34);
	assert_in_range(n[UDP_BULK], 15, 18);
	backlog_done(&b);
}

static void own_addresses_are_worth_telling(void **state)
{
	(void)state;
	struct endpoint found[UDP_ADDRESSES_MAX];
	const uint8_t overlay[16] = { 0xfd, 1, 2, 3, 4, 5 };
	int n = udp_own_addresses(overlay, 48, "x0", 26969, found, UDP_ADDRESSES_MAX);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(found[i].port, 26969);
		assert_false(endpoint_is_link_local(&found[i]));
		assert_false(endpoint_is_null(&found[i]));
		assert_memory_not_equal(found[i].ip, overlay, 6);
		assert_false(endpoint_is_ipv4(&found[i]) && found[i].ip[12] == 127);
	}
	assert_int_equal(udp_own_addresses(overlay, 48, NULL, 1, found, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_socket_speaks_both_families),
		cmocka_unit_test(a_bind_error_names_the_port_and_the_key),
		cmocka_unit_test(a_datagram_that_is_too_long_is_dropped_and_counted),
		cmocka_unit_test(a_probe_goes_unfragmented_and_leaves_the_socket_as_it_was),
		cmocka_unit_test(one_call_takes_no_more_than_its_share),
		cmocka_unit_test(who_is_not_there_is_told_and_disturbs_nobody_else),
		cmocka_unit_test(failures_to_send_are_told_and_counted),
		cmocka_unit_test(a_receive_buffer_that_overflows_is_noticed),
		cmocka_unit_test(a_run_arrives_whole_and_in_order_with_any_of_the_offloads),
		cmocka_unit_test(classes_leave_in_their_order),
		cmocka_unit_test(runs_to_several_destinations_do_not_mix),
		cmocka_unit_test(a_run_that_cannot_be_sent_is_counted_by_the_datagram),
		cmocka_unit_test(marks_go_with_their_datagrams_in_both_families),
		cmocka_unit_test(what_is_urgent_comes_by_the_second_socket),
		cmocka_unit_test(a_flood_of_what_is_urgent_leaves_others_their_turn),
		cmocka_unit_test(what_threads_sent_comes_by_the_sockets_of_threads),
		cmocka_unit_test(what_the_socket_has_no_room_for_waits_in_its_class),
		cmocka_unit_test(nothing_overtakes_a_run_that_was_refused),
		cmocka_unit_test(a_full_backlog_drops_its_own_class_only),
		cmocka_unit_test(shares_are_kept_and_nobody_starves),
		cmocka_unit_test(own_addresses_are_worth_telling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
