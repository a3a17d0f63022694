/* SPDX-License-Identifier: Apache-2.0 */
/* What an end-to-end test looks at on the wire, and what it puts there: nonces that must not come
 * twice, a numbered stream and what arrives of it, datagrams and packets byte for byte. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "e2e_tool.h"

#define FRAME_MAX 70000
#define LINKS_MAX 8
#define IP6_LEN 40
#define UDP_LEN 8
#define SEALED_MIN 16 /* type, flags, length, receiver index 4, counter 8 */
#define TYPE_TRANSPORT 16
#define TYPE_PROBE 18
#define NONCES_BITS 23 /* 8 million, of which half may be taken: 4 GB of full packets */
#define STREAM_LEN 200

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t read_be(const uint8_t *at, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v = v << 8 | at[i];
	return v;
}

/* ---- nonces ---- */

struct nonce {
	uint32_t index;
	uint32_t digest; /* of all the datagram, never 0: a free slot */
	uint64_t counter;
};

static struct {
	struct nonce *table;
	unsigned long long n_datagrams, n_nonces, n_again, n_reused, n_missed;
	bool is_full;
} seen;

/* Nobody here tries to make two datagrams agree; it only has to keep up with them. */
static uint32_t digest_of(const uint8_t *at, size_t len)
{
	uint64_t h = len;

	while (len > 0) {
		uint64_t word = 0;
		size_t n = len < sizeof(word) ? len : sizeof(word);

		memcpy(&word, at, n);
		at += n;
		len -= n;
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 32) | 1;
}

/* The same datagram may pass twice, copied on the way or seen at both ends. Another one with the
 * same receiver index and counter is one key used twice with one nonce. */
static void note(const uint8_t *datagram, size_t len)
{
	struct nonce n = { .index = (uint32_t)read_be(datagram + 4, 4),
			   .counter = read_be(datagram + 8, 8),
			   .digest = digest_of(datagram, len) };
	size_t mask = ((size_t)1 << NONCES_BITS) - 1;
	size_t at = (size_t)((n.counter ^ (uint64_t)n.index << 20) * UINT64_C(0x9e3779b97f4a7c15) >>
			     (64 - NONCES_BITS));

	seen.n_datagrams++;
	if (seen.n_nonces > mask / 2) {
		seen.is_full = true;
		return;
	}
	for (;; at = (at + 1) & mask) {
		struct nonce *have = &seen.table[at];

		if (have->digest == 0) {
			*have = n;
			seen.n_nonces++;
			return;
		}
		if (have->index != n.index || have->counter != n.counter)
			continue;
		if (have->digest == n.digest)
			seen.n_again++;
		else
			seen.n_reused++;
		return;
	}
}

static void look_at_datagram(const uint8_t *at, size_t len)
{
	if (len >= SEALED_MIN && (at[0] == TYPE_TRANSPORT || at[0] == TYPE_PROBE))
		note(at, len);
}

/* The kernel shows what it will only cut further down in one piece, and how long each part is. */
static void look_at_frame(const uint8_t *at, size_t len, const struct virtio_net_hdr *v)
{
	size_t part = v->gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 && v->gso_size ? v->gso_size : len;

	if (len < ETH_HLEN + IP6_LEN + UDP_LEN || read_be(at + 12, 2) != ETH_P_IPV6 ||
	    at[ETH_HLEN + 6] != IPPROTO_UDP)
		return;
	at += ETH_HLEN + IP6_LEN + UDP_LEN;
	len -= ETH_HLEN + IP6_LEN + UDP_LEN;
	for (; len > 0; at += part, len -= part) {
		if (part > len)
			part = len;
		look_at_datagram(at, part);
	}
}

static void read_frames(int fd)
{
	static uint8_t bytes[sizeof(struct virtio_net_hdr) + FRAME_MAX];

	for (unsigned i = 0; i < 256; i++) {
		ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		struct virtio_net_hdr v;

		if (len < (ssize_t)sizeof(v))
			return;
		memcpy(&v, bytes, sizeof(v));
		look_at_frame(bytes + sizeof(v), (size_t)len - sizeof(v), &v);
	}
}

int nonces(char **interfaces, int n)
{
	const int on = 1;
	struct pollfd fds[LINKS_MAX];

	seen.table = calloc((size_t)1 << NONCES_BITS, sizeof(*seen.table));
	if (!seen.table || n > LINKS_MAX)
		return fail("nonces");
	for (int i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ .fd = packet_socket(interfaces[i]), .events = POLLIN };
		if (fds[i].fd < 0 ||
		    setsockopt(fds[i].fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0)
			return fail(interfaces[i]);
	}
	catch_termination();
	(void)fprintf(stderr, "ready\n");
	while (poll(fds, (nfds_t)n, is_stopped ? 0 : 100) > 0 || !is_stopped)
		for (int i = 0; i < n; i++)
			read_frames(fds[i].fd);
	for (int i = 0; i < n; i++) {
		struct tpacket_stats stats = { 0 };
		socklen_t len = sizeof(stats);

		(void)getsockopt(fds[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
		seen.n_missed += stats.tp_drops;
	}
	(void)printf("datagrams=%llu nonces=%llu again=%llu reused=%llu missed=%llu full=%d\n",
		     seen.n_datagrams, seen.n_nonces, seen.n_again, seen.n_reused, seen.n_missed,
		     seen.is_full);
	return 0;
}

/* ---- a numbered stream ---- */

int stream(const char *ip, const char *port, const char *per_second, const char *count,
	   const char *codepoint)
{
	uint64_t each_ns = 1000000000 / strtoull(per_second, NULL, 10);
	unsigned long long n = strtoull(count, NULL, 10), sent = 0;
	uint8_t bytes[STREAM_LEN] = { 0 };
	uint64_t next_ns = now_ns();
	struct sockaddr_in6 to;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	int mark = (int)strtol(codepoint, NULL, 10) << 2;

	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &mark, sizeof(mark));
	if (!parse_address(ip, port, &to))
		return fail("stream");
	catch_termination();
	for (; sent < n && !is_stopped; sent++) {
		uint64_t now = now_ns();
		struct timespec t = { .tv_nsec = (long)(next_ns - now) };

		if (now < next_ns)
			(void)nanosleep(&t, NULL);
		next_ns += each_ns;
		memcpy(bytes, &sent, sizeof(sent));
		/* what does not leave is lost like any other */
		(void)sendto(fd, bytes, sizeof(bytes), 0, (const struct sockaddr *)&to, sizeof(to));
	}
	(void)printf("sent=%llu\n", sent);
	return 0;
}

int sink(const char *ip, const char *port)
{
	struct pollfd p = { .fd = socket(AF_INET6, SOCK_DGRAM, 0), .events = POLLIN };
	unsigned long long next = 0, received = 0, late = 0, gaps = 0, longest = 0;
	const int room = 8 << 20;
	struct sockaddr_in6 at;

	(void)setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (!parse_address(ip, port, &at) ||
	    bind(p.fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("sink");
	catch_termination();
	(void)fprintf(stderr, "ready\n");
	while (poll(&p, 1, is_stopped ? 0 : 100) > 0 || !is_stopped) {
		uint8_t bytes[STREAM_LEN];
		unsigned long long number;

		if (recv(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT) != STREAM_LEN)
			continue;
		memcpy(&number, bytes, sizeof(number));
		received++;
		late += number < next;
		gaps += number > next;
		if (number > next && number - next > longest)
			longest = number - next;
		if (number >= next)
			next = number + 1;
	}
	(void)printf("received=%llu next=%llu late=%llu gaps=%llu longest_gap=%llu\n", received,
		     next, late, gaps, longest);
	return 0;
}

/* ---- byte for byte ---- */

static ssize_t from_hex(const char *hex, uint8_t *ret, size_t size)
{
	size_t len = strlen(hex) / 2;

	if (strlen(hex) % 2 || len > size)
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned v;

		/* NOLINTNEXTLINE(cert-err34-c): two digits cannot be too much for it */
		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			return -1;
		ret[i] = (uint8_t)v;
	}
	return (ssize_t)len;
}

int send_bytes(const char *ip, const char *port, const char *hex, const char *count)
{
	uint8_t bytes[16384]; /* more than a datagram of the mesh */
	ssize_t len = from_hex(hex, bytes, sizeof(bytes));
	struct sockaddr_in6 to;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (len < 0 || !parse_address(ip, port, &to))
		return fail("send");
	for (long n = strtol(count, NULL, 10); n > 0; n--)
		if (sendto(fd, bytes, (size_t)len, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return fail("send");
	return 0;
}

/* Out of a device without a link layer, such as a tunnel: whoever reads its other end gets it. */
int inject(const char *interface, const char *hex, const char *count)
{
	uint8_t bytes[2048];
	ssize_t len = from_hex(hex, bytes, sizeof(bytes));
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IPV6),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));

	if (len < 0 || fd < 0)
		return fail("inject");
	for (long n = strtol(count, NULL, 10); n > 0; n--)
		if (sendto(fd, bytes, (size_t)len, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return fail(interface);
	return 0;
}

/* Bytes that are the same in each run (SplitMix64). */
static uint64_t next_noise(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Type and version are right, so that all of the rest is looked at. */
int noise(const char *interface, const char *count)
{
	static const uint8_t types[] = { 0x01, 0x03, 0x04, 0x40, 0x41, 0x42, 0x43, 0x44 };
	uint64_t state = 1;
	uint8_t frame[1514];
	int fd = packet_socket(interface);

	if (fd < 0)
		return fail(interface);
	for (long n = strtol(count, NULL, 10); n > 0; n--) {
		uint64_t r = next_noise(&state);
		size_t len = 16 + (r & 1 ? r >> 8 & 63 : (r >> 8) % (sizeof(frame) - 16));

		for (size_t i = 0; i < sizeof(frame); i++)
			frame[i] = (uint8_t)(next_noise(&state) >> 32);
		memset(frame, 0xff, 6);
		frame[6] = 2;
		frame[7] &= 7; /* of few senders, so that they become neighbours */
		memset(frame + 8, 0, 4);
		frame[12] = 0x43;
		frame[13] = 0x05;
		frame[14] = types[r >> 32 & 7];
		frame[15] = 15;
		if (send(fd, frame, len, 0) < 0 && errno != ENOBUFS)
			return fail(interface);
	}
	return 0;
}
