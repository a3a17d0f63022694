/* SPDX-License-Identifier: Apache-2.0 */
/* Floods the handshake port of a daemon, for the tests of what that does to others:
 *
 *	handshake_flood MODE SECONDS TARGET PORT [INVITATION SOURCE...]
 *
 * until SIGTERM or for so long. MODE:
 *
 *	forged   first fragments of M1 with a wrong mac1, as by a stranger
 *	cookies  the same with a right mac1, and no cookie: by whoever has the network key
 *	valid    whole M1, each with an ephemeral key of its own and a right cookie, from
 *	         PORTS ports of each source: each asks the daemon for an encapsulation and a
 *	         signature
 *
 * The network key is read from the invitation. As fast as one thread can send; at the end a line
 * says how many datagrams that was a second. What is sent is made beforehand where it can be. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/handshake/cookie.h"
#include "core/handshake/schedule.h"
#include "shell/openssl/crypto_openssl.h"

#define BATCH 64   /* datagrams a system call */
#define READY 4096 /* datagrams made beforehand */
#define PORTS 128  /* of each source address */
#define SOURCES 8  /* addresses */
#define SOCKETS (PORTS * SOURCES)
#define M1_FRAGMENTS 2
#define WHOLE 20480 /* M1 made beforehand */
#define RUN 16	    /* of them from the same source at a time */
#define COOKIE_WAIT_MS 1500

static struct crypto_ops ops;
static const struct crypto_ops *real;
static struct network_keys nk;
static struct rng rng;
static uint8_t one_ek[MLKEM768_EK_LEN];

struct source {
	int fd;
	uint8_t cookie[COOKIE_LEN];
	uint8_t epoch; /* 0: none yet */
};

static struct source sources[SOCKETS];

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

static void fail(const char *what)
{
	(void)fprintf(stderr, "handshake_flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill(uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(rng_next(&rng) >> 56);
}

/* The attacker saves what work it can: its ephemeral keys are no keys, or the same ones. The
 * target cannot tell. */
static int cheap_x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN])
{
	memcpy(ret, secret, X25519_LEN);
	return 0;
}

static int cheap_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
			uint8_t ret_dk[MLKEM768_DK_LEN])
{
	(void)d;
	(void)z;
	(void)ret_dk;
	memcpy(ret_ek, one_ek, sizeof(one_ek));
	return 0;
}

static void prepare_crypto(void)
{
	static uint8_t dk[MLKEM768_DK_LEN];
	const char *error = NULL;
	uint8_t d[32], z[32];

	real = openssl_crypto_ops(&error);
	if (!real)
		fail(error);
	ops = *real;
	ops.x25519_public = cheap_x25519_public;
	ops.mlkem768_keygen = cheap_keygen;
	rng_seed(&rng, (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid());
	fill(d, sizeof(d));
	fill(z, sizeof(z));
	(void)real->mlkem768_keygen(d, z, one_ek, dk);
}

/* One fragment of M1 with its macs. Returns its length. */
static size_t fragment(const uint8_t m1[M1_LEN], uint32_t index, unsigned i,
		       const struct source *from, uint8_t ret[WIRE_HS_BODY_LINK + 48])
{
	size_t offset = i * WIRE_HS_BODY_LINK;
	struct wire_handshake w = {
		.type = WIRE_M1,
		.version = WIRE_HS_VERSION,
		.cookie_epoch = from ? from->epoch : 0,
		.sender_index = index,
		.message_len = M1_LEN,
		.offset = (uint16_t)offset,
		.body = SPAN(m1 + offset, i ? M1_LEN - offset : WIRE_HS_BODY_LINK),
	};
	int len = wire_handshake_encode(&w, ret, WIRE_HS_BODY_LINK + 48);
	uint8_t *mac1 = ret + WIRE_HEADER_LEN + w.body.len;

	mac1_make(nk.kmac, SPAN(ret, (size_t)len), mac1);
	if (from && from->epoch)
		mac2_make(from->cookie, SPAN(ret, (size_t)len), mac1 + WIRE_MAC_LEN);
	return (size_t)len;
}

static uint32_t new_m1(uint8_t ret[M1_LEN])
{
	uint32_t index = (uint32_t)rng_next(&rng) | 1;
	struct params params = { .version = HS_VERSION,
				 .suite = HS_SUITE,
				 .aead = AEAD_AES_256_GCM | AEAD_CHACHA20_POLY1305 };
	static struct ephemeral ephemeral;
	uint8_t prologue[PROLOGUE_MAX];
	struct m1_seeds seeds;
	struct exchange x;
	size_t n = prologue_encode(false, 0, 0, index, prologue);

	fill((uint8_t *)&seeds, sizeof(seeds));
	if (m1_write(&ops, &nk, SPAN(prologue, n), &seeds, &params, &x, &ephemeral, ret) < 0)
		fail("m1_write");
	return index;
}

static int open_socket(const char *source, const struct sockaddr_in6 *to)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int room = 8 << 20;

	if (source && inet_pton(AF_INET6, source, &from.sin6_addr) != 1)
		fail(source);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		fail("socket");
	return fd;
}

/* ---- sending ---- */

struct letters {
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
};

static uint64_t send_batch(int fd, struct letters *l, uint8_t (*bytes)[1280], const size_t *len,
			   unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		l->pieces[i] = (struct iovec){ bytes[i], len[i] };
		l->messages[i].msg_hdr =
			(struct msghdr){ .msg_iov = &l->pieces[i], .msg_iovlen = 1 };
	}
	while (done < n) {
		int r = sendmmsg(fd, l->messages + done, n - done, 0);

		if (r < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
			fail("sendmmsg");
		if (r > 0)
			done += (unsigned)r;
	}
	return n;
}

static uint8_t ready[READY][1280];
static size_t ready_len[READY];
static struct letters letters;

/* Fragments that differ, over and over. */
static uint64_t flood_fragments(const struct sockaddr_in6 *to, const char *source, bool is_forged,
				double end)
{
	int fd = open_socket(source, to);
	uint8_t m1[M1_LEN];
	uint64_t n = 0;

	for (unsigned i = 0; i < READY; i++) {
		uint32_t index;

		fill(m1, sizeof(m1));
		index = is_forged ? i + 1 : new_m1(m1);
		ready_len[i] = fragment(m1, index, 0, NULL, ready[i]);
		if (is_forged)
			ready[i][ready_len[i] - 2 * WIRE_MAC_LEN] ^= 1;
	}
	while (now_s() < end && !is_stopped)
		for (unsigned i = 0; i < READY; i += BATCH)
			n += send_batch(fd, &letters, ready + i, ready_len + i, BATCH);
	return n;
}

/* ---- with cookies ---- */

static void ask_for_cookie(struct source *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	uint8_t bytes[1280], reply[256];
	struct wire_cookie c;
	uint8_t m1[M1_LEN];
	size_t len;
	ssize_t n;

	len = fragment(m1, new_m1(m1), 0, s, bytes);
	if (send(s->fd, bytes, len, 0) < 0 || poll(&p, 1, COOKIE_WAIT_MS) <= 0)
		return;
	n = recv(s->fd, reply, sizeof(reply), 0);
	if (n > 0 && wire_cookie_decode(SPAN(reply, (size_t)n), &c) == 0 &&
	    cookie_reply_open(real, &nk, &c, bytes + len - 2 * WIRE_MAC_LEN, s->cookie) == 0)
		s->epoch = c.epoch;
}

static void throw_away_answers(int fd)
{
	uint8_t bytes[2048];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0) {
	}
}

/* Each socket in turn sends a few whole M1. There are more than the daemon remembers having
 * answered, so that they can be sent over and over. */
static uint64_t flood_valid(const struct sockaddr_in6 *to, char **names, int n_names, double end,
			    double *ret_start)
{
	uint8_t(*bytes)[1280] = malloc(WHOLE * M1_FRAGMENTS * sizeof(*bytes));
	size_t *len = malloc(WHOLE * M1_FRAGMENTS * sizeof(*len));
	unsigned n_with_cookie = 0;
	uint64_t n = 0;

	if (!bytes || !len)
		fail("malloc");
	for (int i = 0; i < n_names && i < SOURCES; i++)
		for (unsigned k = 0; k < PORTS; k++) {
			struct source *s = &sources[n_with_cookie];

			s->fd = open_socket(names[i], to);
			ask_for_cookie(s);
			n_with_cookie += s->epoch != 0;
			(void)usleep(12000); /* within the rate at which one host is answered */
		}
	if (n_with_cookie == 0)
		fail("no cookie");
	for (unsigned i = 0; i < WHOLE; i++) {
		uint8_t m1[M1_LEN];
		uint32_t index = new_m1(m1);

		for (unsigned k = 0; k < M1_FRAGMENTS; k++)
			len[i * M1_FRAGMENTS + k] =
				fragment(m1, index, k, &sources[i / RUN % n_with_cookie],
					 bytes[i * M1_FRAGMENTS + k]);
	}
	(void)fprintf(stderr, "ready\n");
	*ret_start = now_s();
	end += *ret_start;
	for (unsigned at = 0; now_s() < end && !is_stopped; at = (at + RUN) % WHOLE) {
		int fd = sources[at / RUN % n_with_cookie].fd;

		n += send_batch(fd, &letters, bytes + at * M1_FRAGMENTS, len + at * M1_FRAGMENTS,
				RUN * M1_FRAGMENTS);
		throw_away_answers(fd);
	}
	free(bytes);
	free(len);
	return n;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	struct invite invite = { 0 };
	const char *reason = "";
	const char *mode;
	const struct sigaction caught = { .sa_handler = on_signal };
	double seconds, start;
	uint64_t n;

	if (argc < 5) {
		(void)fprintf(stderr, "usage: see the first lines of handshake_flood.c\n");
		return 2;
	}
	mode = argv[1];
	seconds = strtod(argv[2], NULL);
	to.sin6_port = htons((uint16_t)strtoul(argv[4], NULL, 10));
	if (inet_pton(AF_INET6, argv[3], &to.sin6_addr) != 1)
		fail(argv[3]);
	if (argc > 5 && invite_parse(argv[5], &invite, &reason) < 0)
		fail(reason);
	prepare_crypto();
	network_keys_derive(real, invite.network_key, &nk);
	(void)sigaction(SIGTERM, &caught, NULL);
	start = now_s();
	if (strcmp(mode, "valid") == 0 && argc > 6) {
		n = flood_valid(&to, argv + 6, argc - 6, seconds, &start);
	} else if (strcmp(mode, "forged") == 0 || strcmp(mode, "cookies") == 0) {
		(void)fprintf(stderr, "ready\n");
		n = flood_fragments(&to, argc > 6 ? argv[6] : NULL, mode[0] == 'f',
				    start + seconds);
	} else {
		return 2;
	}
	(void)printf("%.0f datagrams a second\n", (double)n / (now_s() - start));
	return 0;
}
