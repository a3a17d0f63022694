/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the API over TLS with a client certificate, which wrk cannot have; and holds idle
 * WebSockets.
 *
 *	api_load requests ADDRESS PORT CONNECTIONS SECONDS PATH [CERT.pem KEY.pem]
 *	api_load paced ADDRESS PORT CONNECTIONS SECONDS PATH RATE	so many a second in all
 *	api_load sockets ADDRESS PORT CONNECTIONS	until standard input ends */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define ANSWER_MAX (1 << 20)
#define SAMPLES_MAX 4000000
#define TICK_MAX_MS 100

struct load {
	const char *address, *path;
	unsigned short port;
	SSL_CTX *tls; /* NULL: plain */
	double end_s;
	double every_s; /* of one connection; 0: the next request follows the answer */
};

struct client {
	const struct load *load;
	int fd;
	SSL *ssl;
	bool is_waiting, is_over;
	double next_s, began_s;
	unsigned long n, n_failed;
	size_t n_samples, size;
	float *samples_ms;
	char *answer;
};

static volatile sig_atomic_t is_stopped;

static void on_term(int signal)
{
	(void)signal;
	is_stopped = 1;
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int connect_to(const char *address, unsigned short port)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
	int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	int r;

	if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1)
		die(address);
	r = is_six ? connect(fd, (struct sockaddr *)&six, sizeof(six))
		   : connect(fd, (struct sockaddr *)&four, sizeof(four));
	if (fd < 0 || r < 0)
		die("connect");
	return fd;
}

static long read_some(struct client *c, char *to, size_t size)
{
	return c->ssl ? SSL_read(c->ssl, to, (int)size) : read(c->fd, to, size);
}

static bool write_all(struct client *c, const char *text, size_t len)
{
	return (c->ssl ? SSL_write(c->ssl, text, (int)len) : write(c->fd, text, len)) == (long)len;
}

/* Head and body, by its Content-Length. */
static bool read_answer(struct client *c)
{
	size_t have = 0, wanted = 0;

	while (wanted == 0 || have < wanted) {
		long n = read_some(c, c->answer + have, ANSWER_MAX - 1 - have);
		const char *length;
		char *end;

		if (n <= 0)
			return false;
		have += (size_t)n;
		c->answer[have] = '\0';
		end = wanted ? NULL : strstr(c->answer, "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(c->answer, "Content-Length:");
		if (!length || strncmp(c->answer, "HTTP/1.1 200", 12) != 0)
			return false;
		wanted = (size_t)(end + 4 - c->answer) + strtoul(length + 15, NULL, 10);
	}
	return true;
}

static void open_client(struct client *c)
{
	c->fd = connect_to(c->load->address, c->load->port);
	if (!c->load->tls)
		return;
	c->ssl = SSL_new(c->load->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		die("TLS");
}

static void take_answer(struct client *c)
{
	c->is_waiting = false;
	if (!read_answer(c)) {
		c->n_failed++;
		c->is_over = true;
		return;
	}
	c->n++;
	if (c->n_samples < c->size)
		c->samples_ms[c->n_samples++] = (float)((now_s() - c->began_s) * 1000);
}

/* Sends what is due. Returns how long there is nothing to send, in ms. */
static int send_due(struct client *c, const char *request, size_t len)
{
	double left_s;

	if (c->is_over || c->is_waiting)
		return TICK_MAX_MS;
	left_s = c->next_s - now_s();
	if (left_s > 0)
		return left_s * 1000 < TICK_MAX_MS ? (int)(left_s * 1000) + 1 : TICK_MAX_MS;
	c->next_s += c->load->every_s;
	c->began_s = now_s();
	if (write_all(c, request, len)) {
		c->is_waiting = true;
	} else {
		c->n_failed++;
		c->is_over = true;
	}
	return TICK_MAX_MS;
}

/* All connections in one thread: what asks is to take as little as it can of the processors that
 * what answers runs on. */
static void run(struct client *clients, unsigned n)
{
	const struct load *load = clients[0].load;
	bool is_six = strchr(load->address, ':') != NULL;
	struct pollfd *fds = calloc(n, sizeof(*fds));
	char request[512];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\n\r\n",
			   load->path, is_six ? "[" : "", load->address, is_six ? "]" : "",
			   load->port);

	if (!fds)
		die("memory");
	for (unsigned i = 0; i < n; i++)
		clients[i].next_s = now_s();
	while (!is_stopped && now_s() < load->end_s) {
		int wait_ms = TICK_MAX_MS;

		for (unsigned i = 0; i < n; i++) {
			int ms = send_due(&clients[i], request, (size_t)len);

			wait_ms = ms < wait_ms ? ms : wait_ms;
			fds[i] = (struct pollfd){ clients[i].is_waiting ? clients[i].fd : -1,
						  POLLIN, 0 };
		}
		if (poll(fds, n, wait_ms) < 0 && errno != EINTR)
			die("poll");
		for (unsigned i = 0; i < n; i++)
			if (fds[i].revents)
				take_answer(&clients[i]);
	}
	free(fds);
}

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static SSL_CTX *make_tls(const char *cert, const char *key)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		die("certificate");
	return tls;
}

static int load_requests(char **args, unsigned n, bool has_tls, double rate)
{
	struct load load = { .address = args[0],
			     .port = (unsigned short)strtoul(args[1], NULL, 10),
			     .path = args[4],
			     .tls = has_tls ? make_tls(args[5], args[6]) : NULL,
			     .every_s = rate > 0 ? n / rate : 0 };
	struct client *clients = calloc(n, sizeof(*clients));
	float *all = malloc(SAMPLES_MAX * sizeof(*all));
	double seconds = strtod(args[3], NULL), began;
	unsigned long done = 0, failed = 0;
	size_t n_all = 0;

	if (!clients || !all)
		die("memory");
	for (unsigned i = 0; i < n; i++) {
		struct client *c = &clients[i];

		*c = (struct client){ .load = &load, .size = SAMPLES_MAX / n };
		c->samples_ms = malloc(c->size * sizeof(float));
		c->answer = malloc(ANSWER_MAX);
		if (!c->samples_ms || !c->answer)
			die("memory");
		open_client(c);
	}
	(void)signal(SIGTERM, on_term);
	began = now_s();
	load.end_s = began + seconds;
	run(clients, n);
	for (unsigned i = 0; i < n; i++) {
		memcpy(all + n_all, clients[i].samples_ms, clients[i].n_samples * sizeof(*all));
		n_all += clients[i].n_samples;
		done += clients[i].n;
		failed += clients[i].n_failed;
	}
	qsort(all, n_all, sizeof(*all), by_value);
	printf("requests=%lu failed=%lu per_second=%.0f p50_ms=%.2f p99_ms=%.2f\n", done, failed,
	       (double)done / (now_s() - began), n_all ? (double)all[n_all / 2] : 0,
	       n_all ? (double)all[n_all * 99 / 100] : 0);
	return failed > 0;
}

static int hold_sockets(char **args, unsigned n)
{
	static const char request[] = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				      "Sec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct rlimit limit = { n + 64, n + 64 };
	char byte, answer[1024];

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("descriptors");
	for (unsigned i = 0; i < n; i++) {
		int fd = connect_to(args[0], (unsigned short)strtoul(args[1], NULL, 10));
		ssize_t got;

		if (write(fd, request, sizeof(request) - 1) != sizeof(request) - 1)
			die("write");
		got = read(fd, answer, sizeof(answer));
		if (got < 12 || memcmp(answer, "HTTP/1.1 101", 12) != 0) {
			(void)fprintf(stderr, "socket %u: %.*s\n", i, got > 0 ? (int)got : 0,
				      answer);
			return 1;
		}
	}
	printf("sockets=%u\n", n);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;

	if (n > 0 && strcmp(argv[1], "requests") == 0 && (argc == 7 || argc == 9))
		return load_requests(argv + 2, n, argc == 9, 0);
	if (n > 0 && strcmp(argv[1], "paced") == 0 && argc == 8)
		return load_requests(argv + 2, n, false, strtod(argv[7], NULL));
	if (n > 0 && strcmp(argv[1], "sockets") == 0 && argc == 5)
		return hold_sockets(argv + 2, n);
	(void)fprintf(stderr, "usage: see the head of api_load.c\n");
	return 2;
}
