/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated link between two network namespaces, and the words to change it:
 *
 *	linkem run SOCKET SEED [gso] PID:INTERFACE PID:INTERFACE
 *	linkem ctl SOCKET WORDS...
 *
 * The first runs until it is told to quit or a signal comes; it says "ready" when the devices are
 * there. The second sends one command and prints the answer, a line of JSON; it ends with 0 where
 * that says "ok". README.md has the commands. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "linkem/command.h"
#include "linkem/lateness.h"
#include "linkem/tap.h"

#define CLIENTS_MAX 8
#define FRAMES_A_TURN 64
#define ANSWER_SIZE 4096
#define PRIORITY 5		  /* above everything that is not real-time */
#define TICK_NS UINT64_C(2000000) /* without frames, too, it is known how late we are */
#define SLEEP_MAX_NS UINT64_C(1000000000)
#define SEED_OF_B UINT64_C(0x9e3779b97f4a7c15) /* so that the directions differ */

struct client {
	int fd; /* -1: free */
	size_t len;
	char line[COMMAND_LEN_MAX + 1];
};

struct side {
	int tap;
	struct impair *towards; /* what enters here on its way to the other */
};

struct link {
	struct side sides[2];
	bool is_gso;
	bool is_fifo;
	bool is_up;
	bool is_over;
	uint64_t seed;
	uint64_t tick_ns;
	struct lateness late;
	uint64_t write_errors;
	int listener;
	struct client clients[CLIENTS_MAX];
};

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int complain(const char *what, int r)
{
	(void)fprintf(stderr, "linkem: %s: %s\n", what, strerror(-r));
	return 1;
}

/* ---- frames ---- */

static void take_frames(struct side *s)
{
	static uint8_t frame[TAP_FRAME_MAX];

	for (unsigned i = 0; i < FRAMES_A_TURN; i++) {
		ssize_t len = read(s->tap, frame, sizeof(frame));

		if (len <= 0)
			return;
		impair_push(s->towards, frame, (size_t)len, now_ns());
	}
}

/* A device that is set down refuses frames, as a switched-off card does. */
static void give_frames(struct link *l, struct side *from, const struct side *to)
{
	const uint8_t *frame;
	uint64_t due_ns;
	size_t len;
	uint64_t now = now_ns();

	while (impair_pop(from->towards, now, &frame, &len, &due_ns)) {
		lateness_add(&l->late, now - due_ns);
		if (write(to->tap, frame, len) != (ssize_t)len)
			l->write_errors++;
		now = now_ns();
	}
}

static void set_carrier(struct link *l, bool is_up)
{
	l->is_up = is_up;
	for (size_t i = 0; i < 2; i++) {
		(void)tap_carrier(l->sides[i].tap, is_up);
		impair_flush(l->sides[i].towards);
	}
}

/* ---- commands ---- */

static void print_side(FILE *f, const char *name, const struct impair *m)
{
	struct impair_counters c;

	impair_counters(m, &c);
	(void)fprintf(f,
		      ",\"%s\":{\"frames_in\":%" PRIu64 ",\"bytes_in\":%" PRIu64
		      ",\"frames_out\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"lost\":%" PRIu64
		      ",\"lost_bad\":%" PRIu64 ",\"lost_cut\":%" PRIu64 ",\"lost_queue\":%" PRIu64
		      ",\"lost_full\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"corrupted\":%" PRIu64
		      ",\"reordered\":%" PRIu64 ",\"queue_bytes_max\":%" PRIu64 "}",
		      name, c.frames_in, c.bytes_in, c.frames_out, c.bytes_out, c.lost, c.lost_bad,
		      c.lost_cut, c.lost_queue, c.lost_full, c.duplicated, c.corrupted, c.reordered,
		      c.queue_bytes_max);
}

static void print_lateness(FILE *f, const struct lateness *late)
{
	(void)fprintf(f,
		      "\"lateness\":{\"n\":%" PRIu64 ",\"max_us\":%" PRIu64
		      ",\"p50_below_us\":%" PRIu64 ",\"p99_below_us\":%" PRIu64
		      ",\"p999_below_us\":%" PRIu64 "}",
		      late->n, late->max_ns / 1000, lateness_below_us(late, 500000),
		      lateness_below_us(late, 990000), lateness_below_us(late, 999000));
}

static void print_stats(FILE *f, const struct link *l)
{
	(void)fprintf(f, "{\"ok\":true,\"seed\":%" PRIu64 ",\"is_up\":%s,\"gso\":%s,\"fifo\":%s,",
		      l->seed, l->is_up ? "true" : "false", l->is_gso ? "true" : "false",
		      l->is_fifo ? "true" : "false");
	print_lateness(f, &l->late);
	(void)fprintf(f, ",\"write_errors\":%" PRIu64, l->write_errors);
	print_side(f, "ab", l->sides[0].towards);
	print_side(f, "ba", l->sides[1].towards);
	(void)fprintf(f, "}\n");
}

static void refuse(FILE *f, const char *why)
{
	(void)fprintf(f, "{\"ok\":false,\"why\":\"%s\"}\n", why);
}

static void judge(FILE *f, const struct link *l, uint64_t time_us)
{
	char why[COMMAND_WHY_SIZE];

	(void)snprintf(why, sizeof(why),
		       "the emulated link was late by up to %" PRIu64
		       " us, over a tenth of the %" PRIu64 " us to be judged",
		       l->late.max_ns / 1000, time_us);
	if (lateness_may_judge(&l->late, time_us))
		(void)fprintf(f, "{\"ok\":true,\"max_us\":%" PRIu64 "}\n", l->late.max_ns / 1000);
	else
		refuse(f, why);
}

static bool configure(struct link *l, const struct command *c, const char **ret_why)
{
	static const unsigned bit[2] = { COMMAND_A_TO_B, COMMAND_B_TO_A };

	for (size_t i = 0; i < 2; i++) {
		struct impair_config config;

		if (!(c->directions & bit[i]))
			continue;
		impair_config(l->sides[i].towards, &config);
		command_apply(c, &config);
		*ret_why = "with gso=1 checksums are partial, and nobody would notice what is "
			   "corrupted";
		if (l->is_gso && config.corrupt_ppm)
			return false;
		*ret_why = "out of range";
		if (impair_configure(l->sides[i].towards, &config) < 0)
			return false;
	}
	return true;
}

static void reset(struct link *l)
{
	l->late = (struct lateness){ 0 };
	l->write_errors = 0;
	for (size_t i = 0; i < 2; i++)
		impair_reset_counters(l->sides[i].towards);
}

static void obey(struct link *l, const struct command *c, FILE *f)
{
	const char *why = NULL;

	switch (c->verb) {
	case COMMAND_SET:
	case COMMAND_CLEAR:
	case COMMAND_CUT:
	case COMMAND_HEAL:
		if (!configure(l, c, &why)) {
			refuse(f, why);
			return;
		}
		break;
	case COMMAND_DOWN:
	case COMMAND_UP:
		set_carrier(l, c->verb == COMMAND_UP);
		break;
	case COMMAND_STATS:
		print_stats(f, l);
		return;
	case COMMAND_JUDGE:
		judge(f, l, c->time_us);
		return;
	case COMMAND_RESET:
		reset(l);
		break;
	case COMMAND_QUIT:
		l->is_over = true;
		break;
	}
	(void)fprintf(f, "{\"ok\":true}\n");
}

/* ---- the socket ---- */

static void client_end(struct client *c)
{
	(void)close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static void answer(struct link *l, struct client *client)
{
	char text[ANSWER_SIZE] = "";
	char why[COMMAND_WHY_SIZE];
	struct command c;
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (!f)
		return;
	if (command_parse(client->line, client->len, &c, why) < 0)
		refuse(f, why);
	else
		obey(l, &c, f);
	(void)fclose(f);
	(void)!send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One command a connection: who asks twice connects twice. */
static void client_read(struct link *l, struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->len += (size_t)n;
	end = memchr(c->line, '\n', c->len);
	if (!end && n > 0 && c->len < sizeof(c->line))
		return;
	if (end) {
		c->len = (size_t)(end - c->line);
		answer(l, c);
	}
	client_end(c);
}

static void client_accept(struct link *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (l->clients[i].fd >= 0)
			continue;
		l->clients[i] = (struct client){ .fd = fd };
		fd = -1;
	}
	if (fd >= 0)
		(void)close(fd);
}

static int socket_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* ---- running ---- */

static uint64_t next_ns(const struct link *l)
{
	uint64_t at = l->tick_ns;

	for (size_t i = 0; i < 2; i++)
		if (impair_deadline_ns(l->sides[i].towards) < at)
			at = impair_deadline_ns(l->sides[i].towards);
	return at;
}

static void tick(struct link *l, uint64_t now)
{
	if (now < l->tick_ns)
		return;
	lateness_add(&l->late, now - l->tick_ns);
	l->tick_ns = now + TICK_NS;
}

static void turn(struct link *l)
{
	struct pollfd p[3 + CLIENTS_MAX];
	uint64_t now = now_ns(), at = next_ns(l);
	uint64_t wait = at <= now ? 0 : at - now < SLEEP_MAX_NS ? at - now : SLEEP_MAX_NS;
	struct timespec t = { .tv_sec = (time_t)(wait / 1000000000),
			      .tv_nsec = (long)(wait % 1000000000) };

	for (size_t i = 0; i < 2; i++)
		p[i] = (struct pollfd){ .fd = l->sides[i].tap, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = l->listener, .events = POLLIN };
	for (size_t i = 0; i < CLIENTS_MAX; i++) /* poll() passes over those that are free */
		p[3 + i] = (struct pollfd){ .fd = l->clients[i].fd, .events = POLLIN };
	if (ppoll(p, 3 + CLIENTS_MAX, &t, NULL) < 0)
		return;
	tick(l, now_ns());
	for (size_t i = 0; i < 2; i++)
		if (p[i].revents & POLLIN)
			take_frames(&l->sides[i]);
	give_frames(l, &l->sides[0], &l->sides[1]);
	give_frames(l, &l->sides[1], &l->sides[0]);
	if (p[2].revents)
		client_accept(l);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p[3 + i].revents)
			client_read(l, &l->clients[i]);
}

static int open_all(struct link *l, const char *path, char *const where[2])
{
	size_t skip_len = l->is_gso ? TAP_VNET_LEN : 0;
	struct sockaddr_un at;
	int r;

	for (size_t i = 0; i < 2; i++) {
		l->sides[i].tap = tap_open(where[i], l->is_gso);
		if (l->sides[i].tap < 0)
			return complain(where[i], l->sides[i].tap);
		r = impair_new(l->seed + i * SEED_OF_B, skip_len, &l->sides[i].towards);
		if (r < 0)
			return complain("link", r);
	}
	l->listener = socket_of(path, &at);
	if (l->listener < 0)
		return complain(path, l->listener);
	(void)unlink(path);
	if (bind(l->listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(l->listener, CLIENTS_MAX) < 0)
		return complain(path, -errno);
	return 0;
}

static int run(const char *path, const char *seed, bool is_gso, char *const where[2])
{
	static struct link l;
	const struct sigaction caught = { .sa_handler = on_signal };
	const struct sched_param fifo = { .sched_priority = PRIORITY };
	int r;

	l.is_gso = is_gso;
	l.is_up = true;
	l.seed = strtoull(seed, NULL, 0);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		l.clients[i].fd = -1;
	r = open_all(&l, path, where);
	if (r != 0)
		return r;
	(void)sigaction(SIGTERM, &caught, NULL);
	(void)sigaction(SIGINT, &caught, NULL);
	(void)prctl(PR_SET_TIMERSLACK, 1);
	l.is_fifo = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo) == 0;
	(void)printf("ready\n");
	(void)fflush(stdout);
	l.tick_ns = now_ns() + TICK_NS;
	while (!l.is_over && !is_stopped)
		turn(&l);
	print_stats(stdout, &l);
	(void)unlink(path);
	return 0;
}

/* ---- asking ---- */

static int ctl(const char *path, char *const words[], int n)
{
	char line[COMMAND_LEN_MAX + 1] = "", reply[ANSWER_SIZE];
	struct sockaddr_un at;
	size_t len = 0;
	ssize_t got;
	int fd = socket_of(path, &at);

	for (int i = 0; i < n && len < sizeof(line); i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i ? " " : "",
					words[i]);
	if (len >= sizeof(line) - 1)
		return complain("command", -E2BIG);
	line[len++] = '\n';
	if (fd < 0)
		return complain(path, fd);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return complain(path, -errno);
	for (len = 0; len < sizeof(reply) - 1; len += (size_t)got) {
		got = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
		if (got <= 0)
			break;
	}
	reply[len] = '\0';
	(void)fputs(reply, stdout);
	return strncmp(reply, "{\"ok\":true", 10) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	bool is_gso = argc == 7 && strcmp(argv[4], "gso") == 0;

	if (strcmp(verb, "run") == 0 && (argc == 6 || is_gso))
		return run(argv[2], argv[3], is_gso, argv + argc - 2);
	if (strcmp(verb, "ctl") == 0 && argc > 3)
		return ctl(argv[2], argv + 3, argc - 3);
	(void)fprintf(stderr, "usage: linkem run SOCKET SEED [gso] PID:INTERFACE PID:INTERFACE\n"
			      "       linkem ctl SOCKET WORDS...\n");
	return 2;
}
