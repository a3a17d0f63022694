/* SPDX-License-Identifier: Apache-2.0 */
/* The core of src/core/batman between a raw socket and a TAP device, for the tests in the guest:
 * batman_leaf INTERFACE TAP. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "core/batman/batnode.h"
#include "core/batman/batwire.h"

#define THROUGHPUT 1000 /* 100 Mbit/s */

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return SECONDS(t.tv_sec) + (uint64_t)t.tv_nsec / 1000;
}

static struct ifreq named(const char *name)
{
	struct ifreq r = { 0 };

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

static int open_raw(const char *name, uint8_t ret_address[6])
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(BATWIRE_ETHERTYPE) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			htons(BATWIRE_ETHERTYPE));
	struct ifreq r = named(name);

	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &r) < 0)
		die(name);
	a.sll_ifindex = r.ifr_ifindex;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		die(name);
	memcpy(ret_address, r.ifr_hwaddr.sa_data, 6);
	return fd;
}

static int open_tap(const char *name, uint8_t ret_address[6])
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq r = named(name);

	r.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		die(name);
	memcpy(ret_address, r.ifr_hwaddr.sa_data, 6);
	return fd;
}

static void drain(struct batnode *n, int raw, int tap)
{
	struct batnode_action a;

	while (batnode_next_action(n, &a))
		if (write(a.is_delivery ? tap : raw, a.frame.at, a.frame.len) < 0)
			perror(a.is_delivery ? "tap" : "raw");
}

static void receive(struct batnode *n, int fd, int raw, int tap)
{
	uint8_t frame[BATNODE_FRAME_MAX];
	ssize_t len;

	while ((len = read(fd, frame, sizeof(frame))) > 0) {
		struct span s = SPAN(frame, (size_t)len);

		(void)(fd == raw ? batnode_input(n, 0, s, now_us())
				 : batnode_output(n, s, now_us()));
		drain(n, raw, tap);
	}
}

int main(int argc, char **argv)
{
	struct batnode_config config = { .n_interfaces = 1,
					 .elp_interval_ms = 500,
					 .ogm_interval_ms = 1000 };
	struct batnode *n;
	struct rng rng;
	int raw, tap;

	if (argc != 3)
		return 2;
	raw = open_raw(argv[1], config.interfaces[0].address);
	tap = open_tap(argv[2], config.client);
	config.interfaces[0].throughput = THROUGHPUT;
	rng_seed(&rng, (uint64_t)getpid());
	if (batnode_new(&config, &rng, now_us(), &n) < 0)
		die("batnode_new");
	for (;;) {
		struct pollfd p[] = { { .fd = raw, .events = POLLIN },
				      { .fd = tap, .events = POLLIN } };
		uint64_t now = now_us(), at = batnode_deadline_us(n);

		(void)poll(p, 2, at > now ? (int)((at - now) / 1000 + 1) : 0);
		receive(n, raw, raw, tap);
		receive(n, tap, raw, tap);
		if (now_us() >= at)
			batnode_tick(n, now_us());
		drain(n, raw, tap);
	}
}
