/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent through the mesh: a file by HTTP, and probes that tell how long nothing came. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/rng.h"
#include "base/units.h"
#include "cli/demo_internal.h"
#include "shell/openssl/crypto_openssl.h"

#define FILE_SEED 0x7830
#define FETCH_MS 60000	     /* and for a larger file than ours ... */
#define FETCH_MS_PER_MIB 500 /* ... as long as 16 Mbit/s take */
#define PROBE_US MS(3)
#define GAP_US MS(50)		   /* no steady answers */
#define PROBES_BEFORE_US MS(500)   /* of steady answers, before the fault */
#define PROBES_AFTER_US SECONDS(2) /* watched after it at least */
#define PROBES_STEADY_US MS(500)   /* answers again for this long: it is mended */
#define PROBES_LONGEST_US SECONDS(15)
#define KEEP_TCLASS (18 << 2) /* AF21: what is lost of bulk says little (authenticity.md) */
/* Fewer than a relay takes for a use (WATCH_PACKETS_MIN): it would measure its own way, where the
 * filter below it drops its probes too, and tell of itself. One that lies does not. */
#define KEEP_MS 1000

/* ---- the far end ---- */

static bool overlay_sockaddr(const struct demo_node *n, uint16_t port, struct sockaddr_in6 *ret)
{
	*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	return inet_pton(AF_INET6, n->address, &ret->sin6_addr) == 1;
}

static int bound_socket(const struct demo *d, const struct demo_node *n, int type, uint16_t port)
{
	const int on = 1;
	struct sockaddr_in6 at;
	int fd = lab_socket(d, n, type);

	if (fd >= 0 && overlay_sockaddr(n, port, &at) &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
	    (type != SOCK_STREAM || listen(fd, 8) == 0))
		return fd;
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return -1;
}

static void echo(int fd)
{
	struct sockaddr_in6 from;
	socklen_t from_len = sizeof(from);
	uint8_t bytes[64];
	ssize_t n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &from_len);

	if (n > 0)
		(void)sendto(fd, bytes, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&from,
			     from_len);
}

static void accept_one(int listen_fd, const char *file)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fork() == 0) {
		http_serve(fd, file);
		_exit(0);
	}
	(void)close(fd);
}

_Noreturn static void serve(int udp, int tcp, const char *file)
{
	struct pollfd fds[2] = { { .fd = udp, .events = POLLIN }, { .fd = tcp, .events = POLLIN } };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN); /* no zombies */
	(void)signal(SIGPIPE, SIG_IGN);
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			echo(udp);
		if (fds[1].revents)
			accept_one(tcp, file);
	}
	_exit(1);
}

pid_t traffic_server(struct demo *d, const char *file)
{
	const struct demo_node *far = &d->nodes[d->n_nodes - 1];
	int udp = bound_socket(d, far, SOCK_DGRAM, DEMO_ECHO_PORT);
	int tcp = bound_socket(d, far, SOCK_STREAM, DEMO_HTTP_PORT);
	int error = errno;
	pid_t pid = -1;

	if (udp >= 0 && tcp >= 0) {
		pid = fork();
		error = errno;
	}
	if (pid == 0)
		serve(udp, tcp, file);
	if (udp >= 0)
		(void)close(udp);
	if (tcp >= 0)
		(void)close(tcp);
	if (pid < 0)
		return demo_failed(d, far, "serving at the far corner",
				   "sockets on its address in the overlay", "[%s]: %s",
				   far->address, strerror(error));
	return pid;
}

/* ---- the file ---- */

static bool write_file(const char *path)
{
	static uint64_t block[8192];
	FILE *f = fopen(path, "we");
	struct rng rng;
	bool is_written = f != NULL;

	rng_seed(&rng, FILE_SEED);
	for (uint64_t at = 0; is_written && at < DEMO_FILE_BYTES; at += sizeof(block)) {
		for (size_t i = 0; i < N_ELEMENTS(block); i++)
			block[i] = rng_next(&rng);
		is_written = fwrite(block, sizeof(block), 1, f) == 1;
	}
	if (f && fclose(f) != 0)
		is_written = false;
	return is_written && chmod(path, 0644) == 0;
}

static bool hash_file(const char *path, uint8_t ret[SHA256_LEN], uint64_t *ret_len)
{
	const char *ignored;
	const struct crypto_ops *ops = openssl_crypto_ops(&ignored);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { 0 };
	bool is_hashed = false;

	if (fd >= 0 && ops && fstat(fd, &st) == 0 && st.st_size > 0) {
		void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (at != MAP_FAILED) {
			const struct span all = SPAN(at, (size_t)st.st_size);

			ops->sha256(&all, 1, ret);
			*ret_len = all.len;
			(void)munmap(at, (size_t)st.st_size);
			is_hashed = true;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	return is_hashed;
}

static int check_file(struct demo *d, const char *sent, const char *received)
{
	uint8_t hash_sent[SHA256_LEN], hash_received[SHA256_LEN];
	char hex_sent[2 * SHA256_LEN + 1], hex_received[2 * SHA256_LEN + 1];
	char size[DEMO_SIZE_SIZE];
	uint64_t len;

	if (!hash_file(sent, hash_sent, &len) ||
	    !hash_file(received, hash_received, &d->transfer_bytes))
		return demo_failed(d, NULL, "comparing the files", "two files to read", "%s",
				   strerror(errno));
	bytes_to_hex(hash_sent, SHA256_LEN, hex_sent);
	bytes_to_hex(hash_received, SHA256_LEN, hex_received);
	d->is_sha256_equal = memcmp(hash_sent, hash_received, SHA256_LEN) == 0;
	if (!d->is_sha256_equal)
		return demo_failed(d, NULL, "comparing the files", hex_sent, "%s of %llu bytes",
				   hex_received, (unsigned long long)d->transfer_bytes);
	report_size(d->transfer_bytes, size);
	report_say(d,
		   "%s fetched from %s over HTTP in %.2f s: %.0f Mbit/s, SHA-256 equal (%.16s...)",
		   size, d->nodes[d->n_nodes - 1].name, d->transfer_s,
		   (double)d->transfer_bytes * 8 / d->transfer_s / 1e6, hex_received);
	return 0;
}

static int fetch_ms(const char *path)
{
	struct stat st = { 0 };

	(void)stat(path, &st);
	return (int)max_u64(FETCH_MS, (uint64_t)(st.st_size >> 20) * FETCH_MS_PER_MIB);
}

int traffic_transfer(struct demo *d)
{
	const bool is_ours = !d->options.file[0];
	const struct demo_node *near = &d->nodes[0];
	const struct demo_node *far = &d->nodes[d->n_nodes - 1];
	char sent[DEMO_PATH_SIZE + 16], received[DEMO_PATH_SIZE + 16], url[96];
	const char *const curl[] = { "curl",   "--globoff", "--silent", "--show-error",
				     "--fail", "--noproxy", "*",	"--output",
				     received, url,	    NULL };
	struct lab_output o;
	pid_t server;
	int status;

	if (is_ours)
		(void)snprintf(sent, sizeof(sent), "%s/sent", d->dir);
	else
		(void)snprintf(sent, sizeof(sent), "%s", d->options.file);
	(void)snprintf(received, sizeof(received), "%s/received", d->dir);
	(void)snprintf(url, sizeof(url), "http://[%s]:%u/file", far->address, DEMO_HTTP_PORT);
	if (is_ours && !write_file(sent))
		return demo_failed(d, NULL, "writing the file to fetch", "64 MiB in the directory",
				   "%s: %s", sent, strerror(errno));
	server = traffic_server(d, sent);
	if (server < 0)
		return -1;
	uint64_t start_us = report_now_us();

	status = lab_run(d, near, fetch_ms(sent), &o, curl);
	d->transfer_s = (double)(report_now_us() - start_us) / 1e6;
	d->has_transfer = status == 0;
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	if (status != 0)
		return demo_failed(d, far, "fetching a file from the far corner",
				   "curl exits with 0", "%d on %s: %s", status, near->name,
				   status < 0 ? "not done in time" : o.err);
	int r = check_file(d, sent, received);

	if (is_ours)
		(void)unlink(sent);
	(void)unlink(received);
	return r;
}

/* ---- probes ---- */

struct probing {
	int fd;
	uint64_t n_sent;
	uint64_t next_us; /* to send */
	uint64_t start_us;
	uint64_t struck_us;   /* the fault; 0: not yet */
	uint64_t answered_us; /* last */
	uint64_t steady_us;   /* answers have come without a gap since */
	uint64_t longest_us;  /* between two answers, from the fault on */
};

static void take_answers(struct probing *p)
{
	uint8_t bytes[64];

	/* an error of the socket is what an ICMPv6 message told: no answer either */
	while (recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
		uint64_t now_us = report_now_us();
		uint64_t gap_us = now_us - p->answered_us;

		if (p->answered_us == 0 || gap_us > GAP_US)
			p->steady_us = now_us;
		if (p->struck_us && p->answered_us)
			p->longest_us = max_u64(p->longest_us, gap_us);
		p->answered_us = now_us;
	}
}

static void send_due(struct probing *p, uint64_t now_us)
{
	uint8_t bytes[16];

	if (now_us < p->next_us)
		return;
	store_u64(bytes, p->n_sent++);
	store_u64(bytes + 8, now_us);
	(void)send(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	p->next_us += PROBE_US;
	if (p->next_us < now_us)
		p->next_us = now_us + PROBE_US;
}

static bool is_steady(const struct probing *p, uint64_t now_us, uint64_t for_us)
{
	return p->answered_us && now_us - p->answered_us < GAP_US &&
	       now_us - p->steady_us >= for_us;
}

/* One turn of about a millisecond. */
static uint64_t turn(struct probing *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };

	(void)poll(&fd, 1, 1);
	take_answers(p);
	uint64_t now_us = report_now_us();

	send_due(p, now_us);
	return now_us;
}

/* 0, or -1 where answers do not come (back). The fault is done by a process of its own, so that
 * the probes go on meanwhile. */
static int probe(struct demo *d, struct probing *p, bool (*fault)(void *arg), void *arg)
{
	uint64_t now_us = report_now_us();
	pid_t striker = -1;
	int status = 0;

	p->start_us = p->next_us = now_us;
	while (!demo_is_stopped()) {
		now_us = turn(p);
		if (!p->struck_us && is_steady(p, now_us, PROBES_BEFORE_US)) {
			p->struck_us = now_us;
			striker = fork();
			if (striker == 0)
				_exit(fault(arg) ? 0 : 1);
		} else if (p->struck_us && now_us - p->struck_us > PROBES_AFTER_US &&
			   is_steady(p, now_us, PROBES_STEADY_US)) {
			if (striker > 0 && waitpid(striker, &status, 0) == striker && status == 0)
				return 0;
			return demo_failed(d, NULL, "bringing the fault about", "it is in force",
					   "it could not be brought about");
		}
		if (now_us - max_u64(p->start_us, p->struck_us) > PROBES_LONGEST_US)
			return demo_failed(d, &d->nodes[0],
					   p->struck_us ? "waiting for answers after the fault"
							: "probing before the fault",
					   "answers from the far corner",
					   p->answered_us ? "none or few for 15 s"
							  : "none at all in 15 s");
	}
	return -1;
}

int traffic_outage(struct demo *d, bool (*fault)(void *arg), void *arg, double *ret_ms)
{
	const struct demo_node *far = &d->nodes[d->n_nodes - 1];
	struct probing p = { .fd = lab_socket(d, &d->nodes[0], SOCK_DGRAM) };
	struct sockaddr_in6 to;
	pid_t server;
	int r;

	if (p.fd < 0 || !overlay_sockaddr(far, DEMO_ECHO_PORT, &to) ||
	    connect(p.fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		r = demo_failed(d, &d->nodes[0], "probing the far corner", "a socket to it",
				"[%s]: %s", far->address, strerror(errno));
	} else {
		server = traffic_server(d, "/dev/null");
		r = server < 0 ? -1 : probe(d, &p, fault, arg);
		if (server > 0) {
			(void)kill(server, SIGKILL);
			(void)waitpid(server, NULL, 0);
		}
	}
	if (p.fd >= 0)
		(void)close(p.fd);
	*ret_ms = p.longest_us > PROBE_US ? (double)(p.longest_us - PROBE_US) / 1000 : 0;
	return r;
}

/* ---- little ---- */

/* Nobody may answer: that packets go is enough. */
pid_t traffic_keep(struct demo *d, const struct demo_node *to)
{
	int fd = lab_socket(d, &d->nodes[0], SOCK_DGRAM);
	const uint8_t bytes[16] = { 0 };
	const int tclass = KEEP_TCLASS;
	struct sockaddr_in6 address;
	pid_t pid = -1;

	if (fd >= 0 && overlay_sockaddr(to, DEMO_ECHO_PORT, &address) &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass)) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			(void)send(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
			report_nap_ms(KEEP_MS);
		}
	}
	if (fd >= 0)
		(void)close(fd);
	if (pid < 0)
		return demo_failed(d, &d->nodes[0], "sending packets", "a socket and a process",
				   "%s", strerror(errno));
	return pid;
}
