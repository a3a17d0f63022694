/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between two ends of a veth pair, and through a TAP device, in a namespace of our own. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "shell/ether/ether.h"
#include "shell/netlink/test_netns.h"

#define OURS 0x4305
#define OTHER 0x88b5 /* for experiments (IEEE 802) */

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static int shell(const char *command)
{
	return system(command); /* NOLINT(cert-env33-c): commands of this file */
}

static size_t frame_of(uint8_t ret[64], const uint8_t to[6], const uint8_t from[6],
		       uint16_t protocol)
{
	memset(ret, 0, 64);
	memcpy(ret, to, 6);
	memcpy(ret + 6, from, 6);
	store_u16(ret + 12, protocol);
	return 64;
}

/* The kernel hands a frame over a moment later. */
static int read_soon(int fd, uint8_t *ret, size_t size, size_t *ret_len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)poll(&p, 1, 100);
	return ether_read(fd, ret, size, ret_len);
}

struct cable {
	int a, b;
	uint8_t address_a[6], address_b[6];
};

static void lay(struct cable *c)
{
	char why[ETHER_WHY_SIZE] = "";

	assert_int_equal(
		shell("ip link add name a type veth peer name b && ip link set dev a up && "
		      "ip link set dev b up"),
		0);
	c->a = ether_open_raw("a", OURS, c->address_a, why);
	c->b = ether_open_raw("b", OURS, c->address_b, why);
	assert_true(c->a >= 0 && c->b >= 0);
	assert_memory_not_equal(c->address_a, c->address_b, 6);
}

static void take_up(struct cable *c)
{
	(void)close(c->a);
	(void)close(c->b);
	(void)shell("ip link del dev a 2>/dev/null");
}

static void frames_of_the_protocol_pass_and_no_others(void **state)
{
	uint8_t frame[64], got[64], address[6];
	char why[ETHER_WHY_SIZE];
	struct cable c;
	size_t len = frame_of(frame, broadcast, broadcast, OURS);
	int other;

	(void)state;
	lay(&c);
	memcpy(frame + 6, c.address_b, 6);
	assert_int_equal(ether_write(c.b, SPAN(frame, len)), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), 0);
	assert_int_equal(len, 64);
	assert_memory_equal(got, frame, 64);
	assert_int_equal(ether_read(c.b, got, sizeof(got), &len), -EAGAIN); /* not its own */

	other = ether_open_raw("b", OTHER, address, why);
	assert_true(other >= 0);
	(void)frame_of(frame, broadcast, c.address_b, OTHER);
	assert_int_equal(ether_write(other, SPAN_OF(frame)), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), -EAGAIN);
	/* nor what is for another machine */
	(void)frame_of(frame, c.address_b, c.address_b, OURS);
	assert_int_equal(ether_write(c.b, SPAN_OF(frame)), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), -EAGAIN);
	(void)close(other);
	take_up(&c);
}

static void a_frame_that_is_too_long_is_dropped(void **state)
{
	uint8_t frame[64], got[63];
	struct cable c;
	size_t len;

	(void)state;
	lay(&c);
	(void)frame_of(frame, broadcast, c.address_b, OURS);
	assert_int_equal(ether_write(c.b, SPAN_OF(frame)), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), -EMSGSIZE);
	assert_int_equal(ether_read(c.a, got, sizeof(got), &len), -EAGAIN);
	take_up(&c);
}

static void another_bind_opens_nothing_else(void **state)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003) };
	uint8_t frame[64], got[64], address[6];
	char why[ETHER_WHY_SIZE];
	struct cable c;
	size_t len;
	int other, zero = 0;

	(void)state;
	lay(&c);
	assert_int_equal(
		shell("ip link add name c type veth peer name d && ip link set dev c up && "
		      "ip link set dev d up"),
		0);
	other = ether_open_raw("d", OURS, address, why);
	assert_true(other >= 0);
	all.sll_ifindex = (int)if_nametoindex("c");
	assert_int_equal(bind(c.a, (struct sockaddr *)&all, sizeof(all)), 0);
	(void)frame_of(frame, broadcast, address, OURS);
	assert_int_equal(ether_write(other, SPAN_OF(frame)), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), -EAGAIN);
	assert_int_equal(setsockopt(c.a, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero)), -1);
	assert_int_equal(errno, EPERM);
	(void)close(other);
	(void)shell("ip link del dev c");
	take_up(&c);
}

static void what_is_no_ethernet_that_is_up_is_refused(void **state)
{
	char why[ETHER_WHY_SIZE];
	uint8_t address[6];

	(void)state;
	assert_int_equal(ether_open_raw("nowhere", OURS, address, why), -ENODEV);
	assert_string_equal(why, "interface nowhere: there is none");
	assert_int_equal(ether_open_raw("a-name-longer-than-any", OURS, address, why), -ENODEV);
	assert_int_equal(shell("ip link set lo up"), 0);
	assert_int_equal(ether_open_raw("lo", OURS, address, why), -EINVAL);
	assert_string_equal(why, "interface lo: this is no Ethernet");
	assert_int_equal(shell("ip link add name a type veth peer name b"), 0);
	assert_int_equal(ether_open_raw("a", OURS, address, why), -ENETDOWN);
	(void)shell("ip link del dev a");
}

static void an_interface_that_goes_is_told(void **state)
{
	uint8_t frame[64], got[64];
	struct cable c;
	size_t len;

	(void)state;
	lay(&c);
	(void)frame_of(frame, broadcast, c.address_a, OURS);
	assert_int_equal(shell("ip link set dev a down"), 0);
	assert_int_equal(read_soon(c.a, got, sizeof(got), &len), -ENETDOWN);
	assert_int_equal(ether_write(c.a, SPAN_OF(frame)), -ENETDOWN);
	assert_int_equal(shell("ip link del dev a"), 0);
	assert_int_equal(ether_write(c.a, SPAN_OF(frame)), -ENETDOWN);
	take_up(&c);
}

static void a_tap_device_gives_and_takes_frames(void **state)
{
	static const uint8_t address[6] = { 2, 1, 2, 3, 4, 5 }, other[6] = { 2, 9 };
	uint8_t frame[64], got[2048];
	char why[ETHER_WHY_SIZE];
	size_t len;
	int fd = ether_open_tap("x0bat", address, why), r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(shell("ip link show dev x0bat | grep -q 02:01:02:03:04:05"), 0);
	assert_true(ether_open_tap("x0bat", address, why) < 0);
	assert_non_null(strstr(why, "taken"));
	assert_int_equal(ether_open_tap("tap%d", address, why), -EINVAL);
	assert_int_equal(ether_open_tap("", address, why), -EINVAL);
	(void)frame_of(frame, address, other, OTHER);
	assert_int_equal(ether_write(fd, SPAN_OF(frame)), -EIO); /* it is down */
	assert_int_equal(shell("ip link set x0bat up && ip addr add 192.0.2.1/24 dev x0bat"), 0);
	assert_int_equal(ether_write(fd, SPAN_OF(frame)), 0);
	(void)shell("ping -c 1 -W 1 192.0.2.2 >/dev/null 2>&1");
	do {
		r = read_soon(fd, got, sizeof(got), &len);
	} while (r == 0 && load_u16(got + 12) != 0x0806);
	assert_int_equal(r, 0); /* who has 192.0.2.2 is asked */
	assert_memory_equal(got + 6, address, 6);
	assert_int_equal(shell("ip link del x0bat"), 0);
	assert_int_equal(ether_read(fd, got, sizeof(got), &len), -EBADFD);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_the_protocol_pass_and_no_others),
		cmocka_unit_test(a_frame_that_is_too_long_is_dropped),
		cmocka_unit_test(another_bind_opens_nothing_else),
		cmocka_unit_test(what_is_no_ethernet_that_is_up_is_refused),
		cmocka_unit_test(an_interface_that_goes_is_told),
		cmocka_unit_test(a_tap_device_gives_and_takes_frames),
	};

	if (!enter_own_netns())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
