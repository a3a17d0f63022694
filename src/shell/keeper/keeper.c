/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's life: start the child, serve it, watch its beats, start it again, clean up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/keeper/client.h"
#include "shell/keeper/hold.h"
#include "shell/keeper/verbs.h"
#include "shell/memory/memory.h"

#define OVERSLEPT_MS 500     /* we ourselves did not run (stopped, suspended): no judging then */
#define REFUSALS_TOLD_MAX 10 /* per child: one gone wrong shall not fill the log */
#define MESSAGES_A_TURN 64

struct keeper {
	const struct keeper_options *options;
	struct log *log;
	struct verbs verbs; /* .child is 0 between children */
	int signal_fd;
	int socket; /* to the child, -1 without one */
	int alone;  /* that no other has our rules; -1 */
	struct hold hold;
	pid_t guard; /* the process that applies the guard this moment; 0: none */
	sigset_t inherited_mask;
	unsigned n_restarts;
	unsigned n_refusals;
	unsigned backoff_ms;
	int64_t started_ms;
	int64_t restart_at_ms; /* 0: not due */
	int64_t silent_since_ms;
	int64_t patience_ms; /* more silence is borne, for the child waited for a processor */
	int64_t ran_ms;	     /* that it had had one when it was last heard */
	int64_t kill_at_ms;  /* after SIGTERM; 0: not due */
	unsigned n_beats;    /* of this child, up to KEEPER_SETTLED_BEATS */
	bool is_stopping;
	bool is_done;
	int status;
};

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- starting ---- */

static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };

static void run_child(struct keeper *k, int fd, pid_t keeper)
{
	struct keeper_client *client;
	int status = KEEPER_EXIT_FATAL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1); /* the keeper died before we asked to be told */
	(void)close(k->signal_fd);
	if (k->alone >= 0)
		(void)close(k->alone); /* it ends with the keeper, not with us */
	hold_end(&k->hold);
	ebpf_host_forget(k->verbs.ebpf); /* of an earlier child's time, and not ours */
	(void)sigprocmask(SIG_SETMASK, &k->inherited_mask, NULL);
	if (keeper_client_new(fd, k->n_restarts, &client) == 0) {
		status = k->options->child(k->options->arg, client);
		keeper_client_free(client);
	}
	exit(status);
}

static int start_child(struct keeper *k)
{
	pid_t keeper = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	(void)fflush(NULL); /* so that nothing buffered is written twice */
	k->verbs.child = fork();
	if (k->verbs.child < 0) {
		int r = -errno;

		k->verbs.child = 0;
		(void)close(fds[0]);
		(void)close(fds[1]);
		return r;
	}
	if (k->verbs.child == 0) {
		(void)close(fds[0]);
		run_child(k, fds[1], keeper);
	}
	(void)close(fds[1]);
	k->socket = fds[0];
	k->verbs.n_routes = 0; /* those of an earlier child went with its tunnel */
	k->hold.told = 0;      /* to a new one all is well until it is told */
	k->n_refusals = 0;
	k->n_beats = 0;
	k->ran_ms = k->patience_ms = 0;
	k->restart_at_ms = 0;
	k->started_ms = k->silent_since_ms = now_ms();
	log_info(k->log, "daemon_started", log_i64("pid", k->verbs.child),
		 log_u64("restarts", k->n_restarts));
	return 0;
}

static void plan_restart(struct keeper *k)
{
	int64_t now = now_ms();

	if (now - k->started_ms >= KEEPER_BACKOFF_RESET_MS)
		k->backoff_ms = KEEPER_BACKOFF_MIN_MS;
	k->restart_at_ms = now + k->backoff_ms;
	log_warning(k->log, "daemon_restarts", log_u64("wait_ms", k->backoff_ms));
	k->backoff_ms = k->backoff_ms * 2 < KEEPER_BACKOFF_MAX_MS ? k->backoff_ms * 2
								  : KEEPER_BACKOFF_MAX_MS;
}

static void start_again(struct keeper *k)
{
	int r;

	k->n_restarts++;
	r = start_child(k);
	if (r < 0) {
		log_error(k->log, "daemon_not_started", log_errno("error", r));
		k->started_ms = now_ms();
		plan_restart(k);
	}
}

/* ---- ending ---- */

static void on_child_end(struct keeper *k, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	k->verbs.child = 0;
	ebpf_host_disarm(k->verbs.ebpf); /* nobody keeps the tables any more */
	(void)close(k->socket);
	k->socket = -1;
	k->kill_at_ms = 0;
	if (WIFSIGNALED(status))
		log_error(k->log, "daemon_killed", log_i64("signal", WTERMSIG(status)),
			  log_str("name", sigabbrev_np(WTERMSIG(status))));
	else
		log_notice(k->log, "daemon_ended", log_i64("status", code));
	if (k->is_stopping || code == KEEPER_EXIT_DONE || code == KEEPER_EXIT_FATAL) {
		k->is_done = true;
		k->status = k->is_stopping ? 0 : code;
		return;
	}
	plan_restart(k);
}

static void guard_ended(struct keeper *k, int status)
{
	k->guard = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return;
	verbs_guard_applied(&k->verbs);
	hold_changed(&k->hold, NETLINK_NFTABLES, now_ms()); /* it may have gone meanwhile */
}

static void wait_for_guard(struct keeper *k)
{
	int status = 0;

	while (k->guard > 0)
		if (waitpid(k->guard, &status, 0) == k->guard || errno != EINTR)
			guard_ended(k, status);
}

static void reap(struct keeper *k)
{
	int status;

	if (k->guard > 0 && waitpid(k->guard, &status, WNOHANG) == k->guard)
		guard_ended(k, status);
	if (k->verbs.child > 0 && waitpid(k->verbs.child, &status, WNOHANG) == k->verbs.child)
		on_child_end(k, status);
}

static void on_signal(struct keeper *k, int number)
{
	if (number == SIGCHLD) {
		names_reap(&k->verbs);
		reap(k);
		return;
	}
	if (number == SIGTERM || number == SIGINT) {
		k->is_stopping = true;
		k->is_done = k->verbs.child == 0;
		k->kill_at_ms = now_ms() + KEEPER_STOP_MS;
		number = SIGTERM;
	}
	if (k->verbs.child > 0)
		(void)kill(k->verbs.child, number);
}

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(k, (int)info.ssi_signo);
}

/* ---- serving ---- */

static int send_reply(struct keeper *k, const struct reply *reply)
{
	uint8_t bytes[REPLY_SIZE];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec piece = { bytes, sizeof(bytes) };
	struct msghdr h = { .msg_iov = &piece, .msg_iovlen = 1 };

	reply_encode(reply, bytes);
	if (reply->fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &reply->fd, sizeof(int));
	}
	/* A child that does not read its replies waits in vain; it does not stop us. */
	return sendmsg(k->socket, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* What of ours others removed, and that it is there again. */
static void tell_news(void *arg)
{
	struct keeper *k = arg;
	struct reply news;

	while (k->socket >= 0 && hold_news(&k->hold, &news) && send_reply(k, &news) == 0)
		hold_told(&k->hold, &news);
}

/* What is not loaded, or not there at present, is told by the daemon, once. */
static bool is_told_elsewhere(enum verb verb, int result)
{
	return verb == VERB_EBPF_FD ||
	       (verb == VERB_BATMAN_SOCKET && (result == -ENODEV || result == -ENETDOWN));
}

static int do_verb(struct keeper *k, const struct request *request)
{
	struct reply reply;
	int r;

	verbs_do(&k->verbs, request, &reply);
	if (reply.result < 0 && !is_told_elsewhere(request->verb, reply.result) &&
	    k->n_refusals++ < REFUSALS_TOLD_MAX)
		log_warning(k->log, "keeper_verb_failed", log_u64("verb", request->verb),
			    log_str("reason", reply.why));
	(void)send_reply(k, &reply);
	r = reply.result;
	if (reply.fd >= 0)
		(void)close(reply.fd); /* the device shall end with the daemon */
	return r;
}

/* The kernel takes tens of milliseconds for it, in which the child wants other things done. */
static void apply_guard(struct keeper *k, const struct request *request)
{
	pid_t keeper = getpid();

	k->guard = fork();
	if (k->guard == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper)
			_exit(1);
		if (k->alone >= 0)
			(void)close(k->alone);
		_exit(do_verb(k, request) == 0 ? 0 : 1);
	}
	if (k->guard < 0) {
		k->guard = 0;
		(void)do_verb(k, request);
	}
}

#define STAT_AFTER_STATE 11 /* words of proc(5)'s stat from the state to utime */

/* Of the child's main thread (proc(5), stat): whether it runs or could, were there a processor or a
 * disk for it, and how long it ever did. False where the kernel does not say. */
static bool child_ran_ms(const struct keeper *k, int64_t *ret_ms)
{
	char path[64], line[512];
	unsigned long ticks;
	const char *state;
	char *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)k->verbs.child,
		       (int)k->verbs.child);
	f = fopen(path, "re");
	if (!f)
		return false;
	at = fgets(line, sizeof(line), f);
	(void)fclose(f);
	at = at ? strrchr(line, ')') : NULL; /* the name may hold anything */
	if (!at || at[1] != ' ')
		return false;
	state = at + 2;
	for (int i = 0; at && i <= STAT_AFTER_STATE; i++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	ticks = strtoul(at, &at, 10); /* in user mode, then in the kernel */
	ticks += strtoul(at, &at, 10);
	*ret_ms = (int64_t)ticks * 1000 / sysconf(_SC_CLK_TCK);
	return *state == 'R' || *state == 'D';
}

static void beat(struct keeper *k)
{
	if (k->n_beats < KEEPER_SETTLED_BEATS && ++k->n_beats == KEEPER_SETTLED_BEATS)
		memory_give_back();
}

static void serve(struct keeper *k, const struct request *request)
{
	if (request->verb == VERB_HEARTBEAT) {
		beat(k);
		return;
	}
	if (verbs_do_silent(&k->verbs, request))
		return;
	if (request->verb == VERB_GUARD_APPLY || request->verb == VERB_GUARD_REMOVE ||
	    request->verb == VERB_GUARD_READ)
		wait_for_guard(k);
	if (request->verb == VERB_GUARD_APPLY)
		apply_guard(k, request);
	else
		(void)do_verb(k, request);
}

static void kill_child(struct keeper *k, const char *event)
{
	log_error(k->log, event, log_i64("pid", k->verbs.child));
	(void)kill(k->verbs.child, SIGKILL);
	k->silent_since_ms = now_ms(); /* SIGCHLD follows */
	k->patience_ms = 0;
}

static void read_requests(struct keeper *k)
{
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
		uint8_t bytes[REQUEST_SIZE + 1];
		struct request request;
		ssize_t n = recv(k->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n <= 0)
			return; /* nothing more, or its end is closed: SIGCHLD follows */
		if (keeper_request_decode(SPAN(bytes, (size_t)n), &request) < 0) {
			kill_child(k, "daemon_speaks_nonsense");
			return;
		}
		serve(k, &request);
		k->silent_since_ms = now_ms();
		(void)child_ran_ms(k, &k->ran_ms);
		k->patience_ms = 0;
	}
}

/* ---- the loop ---- */

static int64_t silence_ends_ms(const struct keeper *k)
{
	return k->silent_since_ms + k->patience_ms +
	       (k->n_beats > 0 ? KEEPER_HEARTBEAT_MISSED_MS : KEEPER_START_MS);
}

static int64_t next_deadline_ms(const struct keeper *k)
{
	int64_t at = hold_deadline_ms(&k->hold, &k->verbs);

	if (k->verbs.child > 0 && silence_ends_ms(k) < at)
		at = silence_ends_ms(k);
	if (k->kill_at_ms > 0 && k->kill_at_ms < at)
		at = k->kill_at_ms;
	if (k->restart_at_ms > 0 && k->restart_at_ms < at)
		at = k->restart_at_ms;
	return at;
}

/* A machine with too much to do does not get better by a daemon that starts anew. */
static bool is_starved(const struct keeper *k, int64_t now)
{
	int64_t silent_ms = now - k->silent_since_ms;
	int64_t ran_ms;

	return silent_ms < KEEPER_STARVED_MS && child_ran_ms(k, &ran_ms) &&
	       ran_ms - k->ran_ms < silent_ms / 2;
}

static void check_silence(struct keeper *k, int64_t now)
{
	if (!is_starved(k, now)) {
		kill_child(k, "daemon_hangs");
		return;
	}
	if (k->patience_ms == 0)
		log_warning(k->log, "daemon_waits_for_processor",
			    log_i64("silent_ms", now - k->silent_since_ms));
	k->patience_ms += KEEPER_HEARTBEAT_MS;
}

static void check_deadlines(struct keeper *k, int64_t now)
{
	if (now >= hold_deadline_ms(&k->hold, &k->verbs))
		hold_check(&k->hold, &k->verbs, k->log, k->guard > 0, now, tell_news, k);
	if (k->verbs.child > 0 && k->kill_at_ms > 0 && now >= k->kill_at_ms) {
		k->kill_at_ms = 0;
		kill_child(k, "daemon_does_not_stop");
	} else if (k->verbs.child > 0 && now >= silence_ends_ms(k)) {
		check_silence(k, now);
	}
	if (k->restart_at_ms > 0 && now >= k->restart_at_ms)
		start_again(k);
}

static void turn(struct keeper *k)
{
	struct pollfd p[2 + HOLD_N_TOPICS] = { { .fd = k->signal_fd, .events = POLLIN },
					       { .fd = k->socket, .events = POLLIN } };
	int64_t at = next_deadline_ms(k), before = now_ms();
	int64_t wait = at <= before ? 0 : at - before < 60000 ? at - before : 60000;

	for (unsigned i = 0; i < HOLD_N_TOPICS; i++)
		p[2 + i] =
			(struct pollfd){ .fd = hold_fd(&k->hold, &k->verbs, i), .events = POLLIN };
	(void)poll(p, 2 + HOLD_N_TOPICS, (int)wait);
	for (unsigned i = 0; i < HOLD_N_TOPICS; i++)
		if (p[2 + i].revents)
			hold_changed(&k->hold, i, now_ms());
	if (now_ms() > before + wait + OVERSLEPT_MS)
		k->silent_since_ms = now_ms();
	/* First what it said, then whether it said anything. */
	if (k->socket >= 0 && (p[1].revents & POLLIN))
		read_requests(k);
	else if (k->socket >= 0 && p[1].revents)
		/* its end is closed: no use in polling this until SIGCHLD tells the rest */
		(void)poll(p, 1, 100);
	read_signals(k);
	tell_news(k);
	if (!k->is_done)
		check_deadlines(k, now_ms());
}

static int open_signals(struct keeper *k)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, &k->inherited_mask) < 0)
		return -errno;
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Of an earlier keeper that was killed, or of this one. */
static void give_back_names(struct keeper *k)
{
	char why[KEEPER_WHY_SIZE];
	int r = names_restore(&k->verbs, why);

	if (why[0])
		log_warning(k->log, r < 0 ? "resolver_not_restored" : "resolv_conf_changed",
			    log_str("reason", why));
}

static void clean_up(struct keeper *k)
{
	char why[NFT_WHY_SIZE];

	wait_for_guard(k);
	give_back_names(k);

	if (k->verbs.is_guard_on && nft_remove(k->options->tun_name, why) < 0)
		log_warning(k->log, "guard_not_removed", log_str("reason", why));
	if (ways_clean(&k->verbs.ways, k->options->tun_name, why) < 0)
		log_warning(k->log, "ways_not_removed", log_str("reason", why));
	ebpf_host_free(k->verbs.ebpf);
	hold_end(&k->hold);
	if (k->alone >= 0)
		(void)close(k->alone);
	(void)close(k->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &k->inherited_mask, NULL);
}

uint32_t keeper_number(const char *tun_name)
{
	return ways_number(tun_name);
}

/* A guard without a daemon goes on dropping packets, whether this one wants eBPF or not. */
static void remove_left_filters(struct keeper *k)
{
	unsigned n = ebpf_clean(keeper_number(k->options->tun_name));
	char what[64];

	(void)snprintf(what, sizeof(what), "%u eBPF filters at qdiscs", n);
	if (n > 0)
		log_notice(k->log, "left_over_removed", log_str("what", what));
}

int keeper_run(const struct keeper_options *options)
{
	struct keeper k = {
		.options = options,
		.log = options->log,
		.verbs.options = options,
		.verbs.ways.run_dir = options->run_dir,
		.socket = -1,
		.backoff_ms = KEEPER_BACKOFF_MIN_MS,
	};
	char why[KEEPER_WHY_SIZE];
	int r = alone_begin(options->tun_name, &k.alone, why);

	if (r < 0) {
		log_critical(k.log, "not_alone", log_str("why", why));
		return KEEPER_EXIT_FATAL;
	}
	hold_begin(&k.hold);
	r = open_signals(&k);
	/* Without the privilege there is nothing of ours to be found either. */
	if (r == 0 && ways_left_over(&k.verbs.ways, options->tun_name, why) > 0)
		log_notice(k.log, "left_over_removed", log_str("what", why));
	if (r == 0)
		remove_left_filters(&k);
	if (k.verbs.ways.exit)
		log_notice(k.log, "left_over_kept",
			   log_str("what", "routing rules that let nothing out but by an exit"));
	give_back_names(&k);
	if (r == 0)
		r = start_child(&k);
	if (r < 0) {
		log_error(k.log, "daemon_not_started", log_errno("error", r));
		return 1;
	}
	while (!k.is_done)
		turn(&k);
	clean_up(&k);
	return k.status;
}
