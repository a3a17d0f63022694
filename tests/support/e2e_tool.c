/* SPDX-License-Identifier: Apache-2.0 */
/* What the end-to-end tests need and no packaged program is sure to have:
 *
 *	pattern BYTES              writes text that is found nowhere else to stdout
 *	serve ADDRESS PORT FILE    sends the file to the first TCP connection
 *	fetch ADDRESS PORT         copies a TCP connection to stdout
 *	capture INTERFACE...       until SIGTERM: counts frames, and those that hold the text
 *	capture-below PID          the same on every Ethernet interface of every network
 *	                           namespace that a descendant of this process is in
 *	inside PID VERB ...        any of these in the network namespace of this process
 *	udp SOURCE ADDRESS PORT N  sends N datagrams from a source address of this host
 *	nonces INTERFACE...        until SIGTERM: sealed datagrams, and those that use a nonce twice
 *	stream ADDRESS PORT PPS N [DSCP]  sends N numbered datagrams, so many a second,
 *	                           until SIGTERM
 *	sink ADDRESS PORT          until SIGTERM: what arrives of them, and the longest gap
 *	send ADDRESS PORT HEX N    sends N datagrams of these bytes
 *	inject INTERFACE HEX N     the same bytes as packets, out of a device such as a tunnel
 *	noise INTERFACE N          N frames that are batman-adv's by their first bytes alone
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e_tool.h"

#define PATTERN "<x0tta6bl4: this must not be seen on a wire>"
#define CONNECT_TRIES 100
#define CONNECT_AGAIN_US 50000
#define LINE_LEN 64	  /* so short that every segment holds whole lines */
#define INTERFACES_MAX 64 /* a demo of 16 nodes has 44 */
#define FRAME_MAX 70000	  /* of a segment that the sender's kernel has not cut yet */

volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

int fail(const char *what)
{
	(void)fprintf(stderr, "e2e_tool: %s: %s\n", what, strerror(errno));
	return 1;
}

bool parse_address(const char *ip, const char *port, struct sockaddr_in6 *ret)
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

/* Who serves may have been started a moment ago, on a machine with much to do. */
static int connect_soon(const struct sockaddr_in6 *to)
{
	for (int tries = 0; tries < CONNECT_TRIES; tries++) {
		int fd = socket(AF_INET6, SOCK_STREAM, 0);
		bool is_refused;

		if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return fd;
		is_refused = errno == ECONNREFUSED;
		(void)close(fd);
		if (!is_refused)
			return -1;
		(void)usleep(CONNECT_AGAIN_US);
	}
	return -1;
}

static int fetch(const char *ip, const char *port)
{
	struct sockaddr_in6 to;
	int fd = parse_address(ip, port, &to) ? connect_soon(&to) : -1;

	if (fd < 0 || !copy(fd, STDOUT_FILENO))
		return fail("fetch");
	return 0;
}

int packet_socket(const char *interface)
{
	const int room = 64 << 20; /* so that none is missed on a busy machine */
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		(void)fprintf(stderr, "small buffer: %s\n", strerror(errno)); /* no real root */
	}
	return fd;
}

void catch_termination(void)
{
	const struct sigaction caught = { .sa_handler = on_signal };

	(void)sigaction(SIGTERM, &caught, NULL);
}

/* ---- capturing ---- */

struct eyes {
	struct pollfd fds[INTERFACES_MAX];
	struct {
		char name[IF_NAMESIZE + 24];
		unsigned long long n_frames, n_bytes, n_found;
	} seen[INTERFACES_MAX];
	int n;
};

static bool eyes_add(struct eyes *e, const char *interface, const char *prefix)
{
	struct pollfd *fd = &e->fds[e->n];

	if (e->n == INTERFACES_MAX) {
		errno = ENOBUFS;
		return false;
	}
	*fd = (struct pollfd){ .fd = packet_socket(interface), .events = POLLIN };
	if (fd->fd < 0)
		return false;
	(void)snprintf(e->seen[e->n].name, sizeof(e->seen[e->n].name), "%s%s", prefix, interface);
	e->n++;
	return true;
}

static void eyes_look(struct eyes *e, int i)
{
	static char frame[FRAME_MAX];
	ssize_t len = recv(e->fds[i].fd, frame, sizeof(frame), MSG_DONTWAIT);

	if (len <= 0)
		return;
	e->seen[i].n_frames++;
	e->seen[i].n_bytes += (unsigned long long)len;
	e->seen[i].n_found += memmem(frame, (size_t)len, PATTERN, strlen(PATTERN)) != NULL;
}

/* Watches until told to stop; one line an interface. */
static int eyes_watch(struct eyes *e)
{
	catch_termination();
	for (int i = 0; i < e->n; i++)
		(void)fprintf(stderr, "%s\n", e->seen[i].name);
	(void)fprintf(stderr, "ready\n");
	/* once told to stop, what has been caught already is still looked at */
	while (poll(e->fds, (nfds_t)e->n, is_stopped ? 0 : 100) > 0 || !is_stopped)
		for (int i = 0; i < e->n; i++)
			eyes_look(e, i);
	for (int i = 0; i < e->n; i++) {
		struct tpacket_stats stats = { 0 };
		socklen_t len = sizeof(stats);

		if (getsockopt(e->fds[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
			return fail(e->seen[i].name);
		(void)printf("%s frames=%llu bytes=%llu found=%llu missed=%u\n", e->seen[i].name,
			     e->seen[i].n_frames, e->seen[i].n_bytes, e->seen[i].n_found,
			     stats.tp_drops);
	}
	return 0;
}

static int capture(char **interfaces, int n)
{
	static struct eyes e;

	for (int i = 0; i < n; i++)
		if (!eyes_add(&e, interfaces[i], ""))
			return fail(interfaces[i]);
	return eyes_watch(&e);
}

/* ---- processes and their namespaces ---- */

static long parent_of(long pid)
{
	char path[64], text[256] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		(void)fclose(f);
	}
	/* "PID (NAME) STATE PARENT ...", where the name may hold anything */
	const char *after = strrchr(text, ')');

	return after && strlen(after) > 4 ? strtol(after + 4, NULL, 10) : 0;
}

static bool is_below(long pid, long ancestor)
{
	while (pid > 1 && pid != ancestor)
		pid = parent_of(pid);
	return pid == ancestor;
}

/* The user namespace that owns it comes first: without root the right to enter is had there. */
static bool enter(long pid)
{
	static const struct {
		const char *name;
		int type;
	} namespaces[] = { { "user", CLONE_NEWUSER }, { "net", CLONE_NEWNET } };

	for (size_t i = 0; i < 2; i++) {
		char there[64], here[64];
		struct stat a, b;

		(void)snprintf(there, sizeof(there), "/proc/%ld/ns/%s", pid, namespaces[i].name);
		(void)snprintf(here, sizeof(here), "/proc/self/ns/%s", namespaces[i].name);
		if (stat(there, &a) < 0 || stat(here, &b) < 0)
			return false;
		if (a.st_ino == b.st_ino)
			continue;
		int fd = open(there, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, namespaces[i].type) < 0)
			return false;
		(void)close(fd);
	}
	return true;
}

static bool is_ethernet(const char *interface)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_one;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	is_one = ioctl(fd, SIOCGIFHWADDR, &request) == 0 &&
		 request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	(void)close(fd);
	return is_one;
}

/* All veths of the network namespace that we are in now. */
static bool eyes_add_all(struct eyes *e, long pid)
{
	struct if_nameindex *all = if_nameindex();
	char prefix[24];
	bool is_good = all != NULL;

	(void)snprintf(prefix, sizeof(prefix), "%ld:", pid);
	for (size_t i = 0; is_good && all[i].if_index; i++)
		if (is_ethernet(all[i].if_name))
			is_good = eyes_add(e, all[i].if_name, prefix);
	if (all)
		if_freenameindex(all);
	return is_good;
}

static int capture_below(long ancestor)
{
	static struct eyes e;
	ino_t known[INTERFACES_MAX];
	unsigned n_known = 1;
	struct stat here;
	struct dirent *entry;
	DIR *proc = opendir("/proc"); /* which stays that of the namespace we began in */

	if (stat("/proc/self/ns/net", &here) < 0)
		return fail("/proc");
	known[0] = here.st_ino; /* the machine's own is not looked at */
	while (proc && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);
		char path[64];
		struct stat st;
		unsigned i = 0;

		(void)snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
		if (pid <= 1 || !is_below(pid, ancestor) || stat(path, &st) < 0)
			continue; /* or it has ended */
		while (i < n_known && known[i] != st.st_ino)
			i++;
		if (i < n_known)
			continue;
		if (n_known == INTERFACES_MAX || !enter(pid) || !eyes_add_all(&e, pid))
			return fail(path);
		known[n_known++] = st.st_ino;
	}
	return eyes_watch(&e);
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

	if (strcmp(verb, "inside") == 0 && argc > 3) {
		if (!enter(strtol(argv[2], NULL, 10)))
			return fail(argv[2]);
		argc -= 2;
		argv += 2;
		verb = argv[1];
	}

	if (strcmp(verb, "pattern") == 0 && argc == 3)
		return pattern(argv[2]);
	if (strcmp(verb, "serve") == 0 && argc == 5)
		return serve(argv[2], argv[3], argv[4]);
	if (strcmp(verb, "fetch") == 0 && argc == 4)
		return fetch(argv[2], argv[3]);
	if (strcmp(verb, "capture") == 0 && argc > 2)
		return capture(argv + 2, argc - 2);
	if (strcmp(verb, "capture-below") == 0 && argc == 3)
		return capture_below(strtol(argv[2], NULL, 10));
	if (strcmp(verb, "udp") == 0 && argc == 6)
		return udp(argv[2], argv[3], argv[4], argv[5]);
	if (strcmp(verb, "nonces") == 0 && argc > 2)
		return nonces(argv + 2, argc - 2);
	if (strcmp(verb, "stream") == 0 && (argc == 6 || argc == 7))
		return stream(argv[2], argv[3], argv[4], argv[5], argc == 7 ? argv[6] : "0");
	if (strcmp(verb, "sink") == 0 && argc == 4)
		return sink(argv[2], argv[3]);
	if (strcmp(verb, "send") == 0 && argc == 6)
		return send_bytes(argv[2], argv[3], argv[4], argv[5]);
	if (strcmp(verb, "inject") == 0 && argc == 5)
		return inject(argv[2], argv[3], argv[4]);
	if (strcmp(verb, "noise") == 0 && argc == 4)
		return noise(argv[2], argv[3]);
	(void)fprintf(stderr, "usage: see the first lines of e2e_tool.c\n");
	return 2;
}
