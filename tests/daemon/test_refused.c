/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that lack an offload, or turn out not to do it: a system call filter answers in their
 * place, and datagrams and packets go all the same. */
#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "shell/netlink/test_netns.h"
#include "shell/tun/tun.h"
#include "shell/udp/udp.h"

#define ALL ((1U << UDP_N_OFFLOADS) - 1)
#define RUN 20

/* In a child, since no filter is ever taken back: its status says whether the check held. */
#define CHECK(what)                                                                      \
	do {                                                                             \
		if (!(what)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			_exit(1);                                                        \
		}                                                                        \
	} while (0)

static void in_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static struct scmp_arg_cmp equals(unsigned argument, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = argument, .op = SCMP_CMP_EQ, .datum_a = value };
}

static struct scmp_arg_cmp has_bits(unsigned argument, uint64_t bits)
{
	return (struct scmp_arg_cmp){
		.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = bits
	};
}

static void refuse(int number, int error, unsigned n, const struct scmp_arg_cmp *args)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	CHECK(filter);
	CHECK(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)error), number, n, args) ==
	      0);
	CHECK(seccomp_load(filter) == 0);
	seccomp_release(filter);
}

static struct udp *open_local(void)
{
	struct endpoint e;
	struct udp *u = NULL;
	char why[UDP_WHY_SIZE];

	CHECK(endpoint_parse("[::1]", 0, &e) == 0 && udp_open(&e, &u, why) == 0);
	return u;
}

static void on_datagram(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct span datagram = SPAN(bytes, len);
	unsigned *n = arg;

	(void)from;
	(void)traffic_class;
	CHECK(datagram.len == 100 && datagram.at[0] == *n);
	(*n)++;
}

static void run_arrives(struct udp *a, struct udp *b)
{
	static uint8_t bytes[RUN][100];
	struct pollfd p = { .fd = udp_fd(b), .events = POLLIN };
	struct endpoint to;
	unsigned n = 0;

	udp_local(b, &to);
	for (unsigned i = 0; i < RUN; i++) {
		bytes[i][0] = (uint8_t)i;
		udp_queue(a, &to, UDP_BULK, 0, SPAN_OF(bytes[i]));
	}
	udp_flush(a);
	while (n < RUN && poll(&p, 1, 1000) > 0)
		CHECK(udp_receive(b, on_datagram, NULL, &n) > 0);
	CHECK(n == RUN);
	CHECK(udp_counters(a)->sent == RUN && udp_counters(a)->failed == 0);
}

static void without_udp_segment(void)
{
	const struct scmp_arg_cmp args[] = { equals(1, SOL_UDP), equals(2, UDP_SEGMENT) };
	struct udp *a = open_local(), *b = open_local();

	refuse(SCMP_SYS(getsockopt), ENOPROTOOPT, 2, args);
	udp_offload(a, ALL);
	CHECK(strstr(udp_offload_why_off(a, UDP_OFFLOAD_GSO), "UDP_SEGMENT"));
	CHECK(!udp_offload_why_off(a, UDP_OFFLOAD_BATCH));
	run_arrives(a, b);
	CHECK(udp_counters(a)->sends == RUN);
}

static void without_udp_gro(void)
{
	const struct scmp_arg_cmp args[] = { equals(1, SOL_UDP), equals(2, UDP_GRO) };
	struct udp *a = open_local(), *b = open_local();

	refuse(SCMP_SYS(setsockopt), ENOPROTOOPT, 2, args);
	udp_offload(a, ALL);
	udp_offload(b, ALL);
	CHECK(strstr(udp_offload_why_off(b, UDP_OFFLOAD_GRO), "UDP_GRO"));
	run_arrives(a, b);
	CHECK(udp_counters(b)->receives == RUN);
}

/* It is offered, and the device says at the first run that it cannot: sendmmsg() fails. */
static void by_a_device_without_checksums(void)
{
	struct udp *a = open_local(), *b = open_local();

	udp_offload(a, ALL);
	CHECK(!udp_offload_why_off(a, UDP_OFFLOAD_GSO));
	refuse(SCMP_SYS(sendmmsg), EIO, 0, NULL);
	run_arrives(a, b);
	CHECK(strstr(udp_offload_why_off(a, UDP_OFFLOAD_GSO), "checksums"));
}

static void by_a_path_of_a_small_mtu(void)
{
	struct udp *a = open_local(), *b = open_local();

	udp_offload(a, ALL);
	refuse(SCMP_SYS(sendmmsg), EMSGSIZE, 0, NULL);
	run_arrives(a, b);
	CHECK(!udp_offload_why_off(a, UDP_OFFLOAD_GSO)); /* on, for other destinations */
}

static void a_kernel_without_an_offload_of_udp_is_told_and_served(void **state)
{
	(void)state;
	in_child(without_udp_segment);
	in_child(without_udp_gro);
}

static void a_run_that_cannot_be_segmented_goes_singly(void **state)
{
	(void)state;
	in_child(by_a_device_without_checksums);
	in_child(by_a_path_of_a_small_mtu);
}

/* ---- the tunnel ---- */

static unsigned got_of(unsigned wanted)
{
	char why[TUN_WHY_SIZE];
	unsigned got;
	int fd = tun_open_offload("x0test", wanted, &got, why);
	struct tun *t = NULL;

	CHECK(fd >= 0);
	CHECK(tun_new(fd, got, &t) == 0);
	CHECK(tun_offloads(t) == got);
	tun_free(t);
	return got;
}

static void with_all(void)
{
	CHECK(got_of(0) == 0);
	CHECK((got_of(TUN_OFFLOADS_ALL) & (TUN_OFFLOAD_HEADER | TUN_OFFLOAD_TCP)) ==
	      (TUN_OFFLOAD_HEADER | TUN_OFFLOAD_TCP));
}

static void before_linux_6_2(void)
{
	const struct scmp_arg_cmp args[] = { equals(1, TUNSETOFFLOAD), has_bits(2, 0x20) };

	refuse(SCMP_SYS(ioctl), EINVAL, 2, args);
	CHECK(got_of(TUN_OFFLOADS_ALL) == (TUN_OFFLOAD_HEADER | TUN_OFFLOAD_TCP));
}

static void without_any(void)
{
	const struct scmp_arg_cmp args[] = { equals(1, TUNSETOFFLOAD) };

	refuse(SCMP_SYS(ioctl), EINVAL, 1, args);
	CHECK(got_of(TUN_OFFLOADS_ALL) == TUN_OFFLOAD_HEADER);
}

static void a_tun_device_gives_what_the_kernel_has(void **state)
{
	(void)state;
	char why[TUN_WHY_SIZE];

	if (!enter_own_netns())
		skip();
	int fd = tun_open("x0test", why);

	if (fd < 0) {
		print_message("skipped: %s\n", why);
		skip();
	}
	(void)close(fd);
	in_child(with_all);
	in_child(before_linux_6_2);
	in_child(without_any);
}

static void a_device_that_is_down_or_gone_says_so(void **state)
{
	(void)state;
	char why[TUN_WHY_SIZE];
	unsigned got;
	struct tun *t;
	struct tun_counters c;
	uint8_t packet[48] = { 0x60, [5] = 8, [6] = 59, [7] = 64 };
	int fd = tun_open_offload("x0test", TUN_OFFLOADS_ALL, &got, why);

	if (fd < 0) {
		print_message("skipped: %s\n", why);
		skip();
	}
	assert_int_equal(tun_new(fd, got, &t), 0);
	tun_send(t, SPAN_OF(packet)); /* it was never set up */
	tun_flush(t);
	tun_counters(t, &c);
	assert_int_equal(c.dropped, 1);
	assert_int_equal(tun_receive(t, NULL, NULL), -EAGAIN);
	/* NOLINTNEXTLINE(cert-env33-c): nothing of it comes from outside */
	assert_int_equal(system("ip link del dev x0test"), 0);
	assert_int_equal(tun_receive(t, NULL, NULL), -EBADFD);
	tun_send(t, SPAN_OF(packet));
	tun_flush(t);
	tun_counters(t, &c);
	assert_int_equal(c.dropped, 2);
	tun_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_without_an_offload_of_udp_is_told_and_served),
		cmocka_unit_test(a_run_that_cannot_be_segmented_goes_singly),
		cmocka_unit_test(a_tun_device_gives_what_the_kernel_has),
		cmocka_unit_test(a_device_that_is_down_or_gone_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
