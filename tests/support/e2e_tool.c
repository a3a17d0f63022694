/* SPDX-License-Identifier: Apache-2.0 */
/* What the end-to-end tests need and no packaged program is sure to have:
 *
 *	pattern BYTES              writes text that is found nowhere else to stdout
 *	serve ADDRESS PORT FILE    sends the file to the first TCP connection
 *	fetch ADDRESS PORT         copies a TCP connection to stdout
 *	capture INTERFACE...       until SIGTERM: counts frames, and those that hold the text
 *	udp SOURCE ADDRESS PORT N  sends N datagrams from a source address of this host */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATTERN "<x0tta6bl4: this must not be seen on a wire>"
#define LINE_LEN 64 /* so short that every segment holds whole lines */
#define INTERFACES_MAX 16
#define FRAME_MAX 70000 /* of a segment that the sender's kernel has not cut yet */

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

static int fail(const char *what)
{
	(void)fprintf(stderr, "e2e_tool: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool parse_address(const char *ip, const char *port, struct sockaddr_in6 *ret)
{
	*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6,
				      .sin6_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	return inet_pton(AF_INET6, ip, &ret->sin6_addr) == 1;
}

static int pattern(const char *bytes)
{
	char line[LINE_LEN + 24]; /* as if the number were its longest */

	for (long long i = 0; i < strtoll(bytes, NULL, 10) / LINE_LEN; i++) {
		(void)snprintf(line, sizeof(line), "%s%*lld\n", PATTERN,
			       LINE_LEN - 1 - (int)strlen(PATTERN), i);
		if (fwrite(line, LINE_LEN, 1, stdout) != 1)
			return fail("stdout");
	}
	return 0;
}

static bool copy(int from, int to)
{
	static char bytes[1 << 16];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			ssize_t written = write(to, bytes + at, (size_t)(n - at));

			if (written <= 0)
				return false;
			at += written;
		}
	return n == 0;
}

static int serve(const char *ip, const char *port, const char *path)
{
	const int on = 1;
	int listen_fd = socket(AF_INET6, SOCK_STREAM, 0);
	int file = open(path, O_RDONLY);
	struct sockaddr_in6 at;
	int fd;

	if (file < 0 || !parse_address(ip, port, &at) ||
	    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(listen_fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listen_fd, 1) < 0)
		return fail("serve");
	fd = accept(listen_fd, NULL, NULL);
	if (fd < 0 || !copy(file, fd))
		return fail("serve");
	(void)close(fd);
	return 0;
}

static int fetch(const char *ip, const char *port)
{
	struct sockaddr_in6 to;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (!parse_address(ip, port, &to) ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 || !copy(fd, STDOUT_FILENO))
		return fail("fetch");
	return 0;
}

static int packet_socket(const char *interface)
{
	const int room = 64 << 20; /* so that none is missed on a busy machine */
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return fd;
}

static int capture(char **interfaces, int n)
{
	static char frame[FRAME_MAX];
	const struct sigaction caught = { .sa_handler = on_signal };
	struct pollfd fds[INTERFACES_MAX];
	unsigned long long n_frames = 0, n_bytes = 0, n_found = 0, n_missed = 0;

	(void)sigaction(SIGTERM, &caught, NULL);
	for (int i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ .fd = packet_socket(interfaces[i]), .events = POLLIN };
		if (fds[i].fd < 0)
			return fail(interfaces[i]);
	}
	(void)fprintf(stderr, "ready\n");
	/* once told to stop, what has been caught already is still looked at */
	while (poll(fds, (nfds_t)n, is_stopped ? 0 : 100) > 0 || !is_stopped) {
		for (int i = 0; i < n; i++) {
			ssize_t len = recv(fds[i].fd, frame, sizeof(frame), MSG_DONTWAIT);

			if (len <= 0)
				continue;
			n_frames++;
			n_bytes += (unsigned long long)len;
			n_found += memmem(frame, (size_t)len, PATTERN, strlen(PATTERN)) != NULL;
		}
	}
	for (int i = 0; i < n; i++) {
		struct tpacket_stats stats = { 0 };
		socklen_t len = sizeof(stats);

		if (getsockopt(fds[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
			n_missed += stats.tp_drops;
	}
	(void)printf("frames=%llu bytes=%llu found=%llu missed=%llu\n", n_frames, n_bytes, n_found,
		     n_missed);
	return 0;
}

static int udp(const char *source, const char *ip, const char *port, const char *count)
{
	struct sockaddr_in6 from, to;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (!parse_address(source, "0", &from) || !parse_address(ip, port, &to) ||
	    bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		return fail("udp");
	for (long n = strtol(count, NULL, 10); n > 0; n--)
		if (sendto(fd, "spoofed", 7, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return fail("udp");
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "pattern") == 0 && argc == 3)
		return pattern(argv[2]);
	if (strcmp(verb, "serve") == 0 && argc == 5)
		return serve(argv[2], argv[3], argv[4]);
	if (strcmp(verb, "fetch") == 0 && argc == 4)
		return fetch(argv[2], argv[3]);
	if (strcmp(verb, "capture") == 0 && argc > 2 && argc - 2 <= INTERFACES_MAX)
		return capture(argv + 2, argc - 2);
	if (strcmp(verb, "udp") == 0 && argc == 6)
		return udp(argv[2], argv[3], argv[4], argv[5]);
	(void)fprintf(stderr, "usage: see the first lines of e2e_tool.c\n");
	return 2;
}
