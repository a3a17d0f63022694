/* SPDX-License-Identifier: Apache-2.0 */
/* Fifty nodes of four links each, in real time on a machine that has other things to do: how often
 * is a neighbour that is well taken for dead?
 *
 *     false_down [SECONDS [normal|realtime [BUSY]]]
 *
 * Each node is a process: link cores, a UDP socket on the loopback interface, no keys. All links
 * carry a packet now and then, so they are probed every 15 ms. BUSY processes (two unless told)
 * take all the time that they get. "realtime" asks for SCHED_FIFO, as the daemon's liveness thread
 * does; where that is refused the exit status is 77. 1 says that a link was taken for dead: at
 * all with real-time priority, else more often than once a link and day and once beside that.
 *
 * The host of a virtual machine may stop a processor, and what ran there is silent in truth. A
 * watcher on each, above all else, sees when it did not run and the host kept it (steal, proc(5));
 * a link that is taken for dead then or soon after counts apart and the time does not count, and
 * where that is more than half of it and no other link was taken for dead nothing is judged (77).
 * Watchers need real-time priority; without it all counts. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/units.h"
#include "core/link/lateness.h"
#include "core/link/link.h"

#define NODES 50
#define LINKS 4 /* of each */
#define BUSY_MAX 16
#define PAYLOAD_EVERY_US MS(500)
#define WARM_UP_US SECONDS(3) /* processes are still being made */
#define HEADER_LEN 4	      /* from 1, which of its links 1, sequence 2 */
#define MESSAGE_MAX (HEADER_LEN + LINK_PROBE_LEN)
#define DAY_S 86400.0
#define DOWNS_MAX 256 /* of each node, remembered with their time; more are told as ours */
#define WATCHERS_MAX 64
#define WATCH_EVERY_US MS(5)
#define LOOK_EVERY 20 /* of these: at what the host has kept so far */
#define STEAL_COLUMN 8
#define STOPPED_US MS(20) /* later than this it was stopped */
#define AFTERMATH_US \
	MS(300) /* until what a stop delayed is over: longer than a link bears silence */
#define STOPS_MAX 4096

struct figures {
	uint64_t downs, doubts, latest_us, sent, ups;
	uint64_t down_us[DOWNS_MAX]; /* when */
};

struct watcher { /* of one processor */
	bool is_watching;
	uint64_t n;
	struct {
		uint64_t from_us, to_us;
	} stops[STOPS_MAX];
};

struct node {
	unsigned number;
	int fd;
	struct link *links[LINKS];
	enum link_state told[LINKS];
	uint64_t payload_us;
	struct lateness lateness;
	bool is_counting;
	struct figures *figures;
};

static const int steps[LINKS] = { 1, NODES - 1, 7, NODES - 7 }; /* a ring with chords */
static struct sockaddr_in addresses[NODES];

static uint64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

static unsigned neighbour(unsigned node, unsigned link)
{
	return (node + (unsigned)steps[link]) % NODES;
}

/* ---- one node ---- */

static void send_on(struct node *n, unsigned i, const uint8_t *probe, uint64_t now_us)
{
	const struct sockaddr_in *to = &addresses[neighbour(n->number, i)];
	uint8_t message[MESSAGE_MAX];
	size_t len = HEADER_LEN;

	message[0] = (uint8_t)n->number;
	message[1] = (uint8_t)(i ^ 1); /* what it is to the other end */
	store_u16(message + 2, link_next_sequence(n->links[i], probe ? 1 : 0));
	if (probe) {
		memcpy(message + HEADER_LEN, probe, LINK_PROBE_LEN);
		len += LINK_PROBE_LEN;
	}
	link_sent(n->links[i], len, !probe, now_us);
	(void)sendto(n->fd, message, len, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to));
	n->figures->sent++;
}

static void look(struct node *n, unsigned i, uint64_t now_us)
{
	enum link_state is = link_state(n->links[i]);
	uint8_t probe[LINK_PROBE_LEN];

	if (is != n->told[i] && n->is_counting) {
		if (is == LINK_DOWN && n->figures->downs < DOWNS_MAX)
			n->figures->down_us[n->figures->downs] = now_us;
		n->figures->downs += is == LINK_DOWN;
		n->figures->doubts += is == LINK_SUSPECT;
	}
	n->told[i] = is;
	while (link_next_probe(n->links[i], now_us, probe))
		send_on(n, i, probe, now_us);
}

static void read_all(struct node *n)
{
	uint8_t message[MESSAGE_MAX];
	ssize_t len;

	while ((len = recv(n->fd, message, sizeof(message), MSG_DONTWAIT)) >= HEADER_LEN) {
		unsigned i = message[1] % LINKS;
		bool is_probe = len == MESSAGE_MAX;
		uint64_t now_us = clock_us();

		(void)link_received(n->links[i], is_probe, load_u16(message + 2), (size_t)len,
				    !is_probe, now_us);
		if (is_probe)
			(void)link_probe_input(n->links[i],
					       SPAN(message + HEADER_LEN, LINK_PROBE_LEN), now_us);
		look(n, i, now_us);
	}
}

static uint64_t deadline_us(const struct node *n)
{
	uint64_t at = n->payload_us;

	for (unsigned i = 0; i < LINKS; i++)
		at = min_u64(at, link_deadline_us(n->links[i]));
	return at;
}

static void sleep_until(struct node *n, uint64_t at_us)
{
	struct pollfd p = { .fd = n->fd, .events = POLLIN };
	uint64_t now_us = clock_us();
	struct timespec for_ns = { 0 };

	if (at_us > now_us)
		for_ns.tv_nsec = (long)min_u64(at_us - now_us, MS(900)) * 1000;
	(void)ppoll(&p, 1, &for_ns, NULL); /* woken by a packet it may be late, too */
	if (at_us > now_us && clock_us() > at_us)
		lateness_note(&n->lateness, clock_us() - at_us, clock_us());
}

/* What has come is read before silence is judged, as the daemon does. */
static void turn(struct node *n)
{
	uint64_t now_us;

	sleep_until(n, deadline_us(n));
	read_all(n);
	now_us = clock_us();
	for (unsigned i = 0; i < LINKS; i++) {
		if (now_us < link_deadline_us(n->links[i]))
			continue;
		link_set_lateness(n->links[i], lateness_promise_us(&n->lateness));
		(void)link_tick(n->links[i], now_us);
		look(n, i, now_us);
	}
	if (now_us < n->payload_us)
		return;
	n->payload_us = now_us + PAYLOAD_EVERY_US;
	for (unsigned i = 0; i < LINKS; i++)
		if (link_state(n->links[i]) != LINK_DOWN)
			send_on(n, i, NULL, now_us);
}

static void run_node(struct node *n, uint64_t begin_us, uint64_t end_us, bool is_realtime)
{
	struct sched_param p = { .sched_priority = 2 };

	if (is_realtime && sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		_exit(77);
	if (!is_realtime) /* until it is known, as the daemon */
		lateness_note(&n->lateness, MS(60), clock_us());
	for (unsigned i = 0; i < LINKS; i++)
		if (link_new(n->number * LINKS + i, clock_us(), &n->links[i]) < 0)
			_exit(1);
	for (unsigned i = 0; i < LINKS; i++)
		look(n, i, clock_us());
	while (clock_us() < end_us) {
		n->is_counting = clock_us() >= begin_us;
		turn(n);
	}
	for (unsigned i = 0; i < LINKS; i++)
		n->figures->ups += link_state(n->links[i]) != LINK_DOWN;
	n->figures->latest_us = lateness_latest_us(&n->lateness);
	_exit(0);
}

/* ---- all of them ---- */

static int open_sockets(int fds[NODES])
{
	for (unsigned i = 0; i < NODES; i++) {
		struct sockaddr_in a = { .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof(a);

		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&a, sizeof(a)) < 0 ||
		    getsockname(fds[i], (struct sockaddr *)&addresses[i], &len) < 0)
			return -errno;
	}
	return 0;
}

/* Those that there are go with the first process. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void burn(void)
{
	for (volatile uint64_t i = 0;; i++)
		;
}

/* ---- what the machine did not let run ---- */

/* What its host has kept of a processor so far: "cpu0 12 0 3 ...", the eighth number is steal. */
static uint64_t stolen_us(unsigned processor)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long ticks = 0;
	char line[512], name[16];
	int name_len = snprintf(name, sizeof(name), "cpu%u ", processor);

	while (f && fgets(line, sizeof(line), f)) {
		char *at = line + name_len;

		if (strncmp(line, name, (size_t)name_len) != 0)
			continue;
		for (int i = 0; i < STEAL_COLUMN; i++)
			ticks = strtoull(at, &at, 10);
		break;
	}
	if (f)
		(void)fclose(f);
	return ticks * US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void watch(struct watcher *w, unsigned processor)
{
	struct sched_param p = { .sched_priority = 3 }; /* above the nodes */
	uint64_t next_us = clock_us() + WATCH_EVERY_US, now_us, stolen = 0;
	unsigned n_turns = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		_exit(0);
	w->is_watching = true;
	for (;; next_us = now_us + WATCH_EVERY_US) {
		struct timespec at = { .tv_sec = (time_t)(next_us / US_PER_S),
				       .tv_nsec = (long)(next_us % US_PER_S) * 1000 };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		now_us = clock_us();
		if (now_us < next_us + STOPPED_US) {
			if (n_turns++ % LOOK_EVERY == 0)
				stolen = stolen_us(processor);
			continue;
		}
		/* or the kernel kept it from its watcher, as it does with real-time processes */
		if (stolen_us(processor) - stolen >= (now_us - next_us) / 2 && w->n < STOPS_MAX) {
			w->stops[w->n].from_us = next_us;
			w->stops[w->n++].to_us = now_us;
		}
		stolen = stolen_us(processor);
	}
}

static bool is_aftermath(const struct watcher *watchers, unsigned n_watchers, uint64_t at_us)
{
	for (unsigned i = 0; i < n_watchers; i++)
		for (uint64_t k = 0; k < watchers[i].n; k++)
			if (at_us >= watchers[i].stops[k].from_us &&
			    at_us < watchers[i].stops[k].to_us + AFTERMATH_US)
				return true;
	return false;
}

/* The share of the time in which nothing can be judged. */
static double aftermath_share(const struct watcher *watchers, unsigned n, uint64_t from,
			      uint64_t to)
{
	uint64_t total = 0, all = 0;

	for (uint64_t at = from; at < to; at += MS(10), all++)
		total += is_aftermath(watchers, n, at);
	return all ? (double)total / (double)all : 0;
}

struct run {
	double seconds;
	bool is_realtime;
	uint64_t begin_us;
	const struct figures *figures;
	const struct watcher *watchers;
	unsigned n_watchers, n_watching;
};

static int judge(const struct run *r)
{
	double share = aftermath_share(r->watchers, r->n_watchers, r->begin_us,
				       r->begin_us + (uint64_t)(r->seconds * 1e6));
	double link_days = NODES * LINKS / 2.0 * r->seconds * (1 - share) / DAY_S;
	uint64_t n_excused = 0;
	struct figures all = { 0 };
	bool is_bad;

	for (unsigned i = 0; i < NODES; i++) {
		const struct figures *f = &r->figures[i];

		for (uint64_t k = 0; k < min_u64(f->downs, DOWNS_MAX); k++)
			n_excused += is_aftermath(r->watchers, r->n_watchers, f->down_us[k]);
		all.downs += f->downs;
		all.doubts += f->doubts;
		all.sent += f->sent;
		all.ups += f->ups;
		all.latest_us = max_u64(all.latest_us, f->latest_us);
	}
	all.downs -= n_excused;
	(void)printf(
		"%s: %llu ends taken for dead wrongly in %.3f link-days, suspected %llu times, "
		"%llu packets, at most %.1f ms late; %llu of %d ends up at the end; %llu ends were "
		"silent as the machine was stopped (%.1f %% of the time, %u processors watched)\n",
		r->is_realtime ? "SCHED_FIFO" : "no priority", (unsigned long long)all.downs,
		link_days, (unsigned long long)all.doubts, (unsigned long long)all.sent,
		(double)all.latest_us / 1e3, (unsigned long long)all.ups, NODES * LINKS,
		(unsigned long long)n_excused, 100 * share, r->n_watching);
	if (all.ups == 0)
		return 1; /* nothing was tested */
	is_bad = (double)all.downs > (r->is_realtime ? 0 : 1 + link_days);
	if (!is_bad && n_excused > 0 && share > 0.5) {
		(void)printf(
			"SKIPPED: links were NOT judged: more than half of the time was within "
			"0.3 s of a stop of this machine by its host\n");
		return 77;
	}
	return is_bad;
}

static void *shared(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Waits for the nodes. Returns an exit status: of one that failed, or that none may have priority.
 */
static int finish(const pid_t nodes[NODES])
{
	int ret = 0;

	for (unsigned i = 0; i < NODES; i++) {
		int status, is = 2;

		if (waitpid(nodes[i], &status, 0) == nodes[i] && WIFEXITED(status))
			is = WEXITSTATUS(status);
		if (ret == 0 || (ret == 77 && is != 0))
			ret = is;
	}
	if (ret == 77)
		(void)printf("SKIPPED: real-time priority is not permitted here\n");
	return ret;
}

int main(int argc, char **argv)
{
	struct run r = { .seconds = argc > 1 ? strtod(argv[1], NULL) : 60,
			 .is_realtime = argc > 2 && strcmp(argv[2], "realtime") == 0 };
	unsigned n_busy = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2, n_others = 0;
	long n_processors = sysconf(_SC_NPROCESSORS_CONF);
	struct figures *figures = shared(NODES * sizeof(*figures));
	struct watcher *watchers = shared(WATCHERS_MAX * sizeof(*watchers));
	pid_t nodes[NODES], others[BUSY_MAX + WATCHERS_MAX];
	int fds[NODES], worst;

	r.begin_us = clock_us() + WARM_UP_US;
	r.figures = figures;
	r.watchers = watchers;
	r.n_watchers =
		(unsigned)min_u64(n_processors > 0 ? (uint64_t)n_processors : 1, WATCHERS_MAX);
	if (figures == MAP_FAILED || watchers == MAP_FAILED || r.seconds <= 0 ||
	    n_busy > BUSY_MAX || open_sockets(fds) < 0)
		return 2;
	for (unsigned i = 0; i < NODES; i++) {
		struct node n = { .number = i, .fd = fds[i], .figures = &figures[i] };

		nodes[i] = child();
		if (nodes[i] == 0)
			run_node(&n, r.begin_us, r.begin_us + (uint64_t)(r.seconds * 1e6),
				 r.is_realtime);
	}
	for (unsigned i = 0; i < n_busy + r.n_watchers; i++) {
		others[n_others] = child();
		if (others[n_others] == 0 && i < n_busy)
			burn();
		if (others[n_others++] == 0)
			watch(&watchers[i - n_busy], i - n_busy);
	}
	worst = finish(nodes);
	for (unsigned i = 0; i < n_others; i++) {
		(void)kill(others[i], SIGKILL);
		(void)waitpid(others[i], NULL, 0);
	}
	for (unsigned i = 0; i < r.n_watchers; i++)
		r.n_watching += watchers[i].is_watching;
	return worst ? worst : judge(&r);
}
