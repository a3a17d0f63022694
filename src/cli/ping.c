/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 ping` and `x0 trace`: what the daemon tells as it happens. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "shell/loop/loop.h"

#define COUNT_DEFAULT 4
#define COUNT_MAX 1000000
#define INTERVAL_MS 1000
#define WAIT_MS 2000
#define TRACE_HOPS 32
#define TRACE_SILENT_MAX 5 /* hops in a row that say nothing: further ones would not either */

DEFINE_FREEP(struct control_client, control_client_free)

struct talk {
	struct cli *c;
	const char *target;
	uint64_t interval_ms;
	uint64_t start_us;
	/* what came */
	uint64_t n_sent;
	uint64_t n_received;
	uint64_t sum_us, min_us, max_us;
	unsigned n_silent;
	bool is_hopeless; /* trace: no use to go on */
	bool is_reached;
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	is_interrupted = 1;
}

/* Blocked but for the wait, so that none comes between looking and waiting. */
static void catch_interrupt(sigset_t *ret_open)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	sigset_t mask;

	is_interrupted = 0;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &mask, ret_open);
	(void)sigdelset(ret_open, SIGINT);
	(void)sigdelset(ret_open, SIGTERM);
}

/* -EINTR once somebody pressed Ctrl-C. */
static int next_response(struct control_client *client, const sigset_t *open,
			 struct control_response *ret)
{
	for (;;) {
		struct pollfd p = { .fd = control_client_fd(client), .events = POLLIN };
		int r = control_client_next(client, 0, ret);

		if (r != -ETIMEDOUT)
			return r;
		if (is_interrupted)
			return -EINTR;
		(void)ppoll(&p, 1, NULL, open); /* EINTR: looked at above */
	}
}

/* ---- ping ---- */

static void tell_reply(struct talk *t, const json_t *event)
{
	char rtt[TEXT_SIZE];
	char path[160];
	uint64_t us = (uint64_t)json_number(event, "rtt_us");
	long long hops = json_number(event, "hops");

	t->min_us = t->n_received == 0 ? us : min_u64(t->min_us, us);
	t->max_us = max_u64(t->max_us, us);
	t->sum_us += us;
	t->n_received++;
	text_rtt(us, rtt);
	if (json_flag(event, "is_direct"))
		(void)snprintf(path, sizeof(path), "direct");
	else if (json_text(event, "via")[0])
		(void)snprintf(path, sizeof(path), "%lld hops via %.100s", hops,
			       json_text(event, "via"));
	else
		(void)snprintf(path, sizeof(path), "%lld hops", hops);
	cli_say(t->c, "reply from %s: seq=%lld %s time=%s", json_text(event, "node"),
		(long long)json_number(event, "sequence"), path, rtt);
}

static void ping_event(struct talk *t, const json_t *event)
{
	const char *kind = json_text(event, "event");
	uint64_t sequence = (uint64_t)json_number(event, "sequence");

	t->n_sent = max_u64(t->n_sent, sequence);
	if (strcmp(kind, "reply") == 0)
		tell_reply(t, event);
	else
		cli_say(t->c, "seq=%llu: %s", (unsigned long long)sequence,
			json_text(event, "why"));
}

static int ping_summary(struct talk *t)
{
	char min[TEXT_SIZE], avg[TEXT_SIZE], max[TEXT_SIZE], loss[TEXT_SIZE];
	uint64_t lost = t->n_sent > t->n_received ? t->n_sent - t->n_received : 0;

	text_loss(t->n_sent ? lost * 1000000 / t->n_sent : 0, loss);
	cli_say(t->c, "--- %s: %llu sent, %llu received, %s loss", t->target,
		(unsigned long long)t->n_sent, (unsigned long long)t->n_received, loss);
	if (t->n_received == 0) {
		cli_say(t->c,
			"Nothing came back. Is the name right, and is there a route? x0 routes. "
			"Where does it end? x0 trace %s",
			t->target);
		return CLI_FAILED;
	}
	text_rtt(t->min_us, min);
	text_rtt(t->sum_us / t->n_received, avg);
	text_rtt(t->max_us, max);
	cli_say(t->c, "    min %s, avg %s, max %s", min, avg, max);
	return CLI_DONE;
}

/* Ended from here: the daemon sends one an interval, and the last one may be under way. */
static int ping_interrupted(struct talk *t)
{
	uint64_t elapsed_ms = (loop_now_us() - t->start_us) / 1000;
	json_t *result;

	t->n_sent = max_u64(t->n_sent, elapsed_ms / t->interval_ms + 1);
	result = json_pack("{s:s, s:I, s:I}", "target", t->target, "sent", (json_int_t)t->n_sent,
			   "received", (json_int_t)t->n_received);
	cli_json_line(t->c, result);
	json_decref(result);
	return ping_summary(t);
}

/* ---- trace ---- */

static void trace_event(struct talk *t, const json_t *event)
{
	const char *kind = json_text(event, "event");
	long long sequence = json_number(event, "sequence");
	char rtt[TEXT_SIZE];

	if (strcmp(kind, "hop") == 0) {
		text_rtt((uint64_t)json_number(event, "rtt_us"), rtt);
		cli_say(t->c, "%2lld  %-24s %s", sequence, json_text(event, "node"), rtt);
		t->n_silent = 0;
		t->is_reached = t->is_reached || strcmp(json_text(event, "node"), t->target) == 0;
		return;
	}
	cli_say(t->c, "%2lld  %s", sequence, json_text(event, "why"));
	t->is_hopeless = strcmp(kind, "no_route") == 0 || ++t->n_silent == TRACE_SILENT_MAX;
}

static int trace_end(struct talk *t)
{
	if (t->is_reached)
		return CLI_DONE;
	cli_say(t->c, "%s was not reached. To see who is: x0 routes", t->target);
	return CLI_FAILED;
}

/* ---- both ---- */

static int finish(struct talk *t, const json_t *result, bool is_trace)
{
	cli_json_line(t->c, result);
	if (is_trace) {
		t->is_reached = t->is_reached || json_number(result, "received") > 0;
		return trace_end(t);
	}
	t->n_sent = (uint64_t)json_number(result, "sent");
	t->n_received = (uint64_t)json_number(result, "received");
	return ping_summary(t);
}

static int say_end(struct talk *t, int r)
{
	if (r == -ECONNRESET || r == -EPIPE)
		return cli_fail(t->c, CLI_NO_DAEMON, "no_daemon",
				"the daemon went away; start it: x0 up");
	return cli_fail(t->c, CLI_FAILED, "failed", "the daemon's answer cannot be read: %s",
			strerror(-r));
}

static int listen_on(struct talk *t, struct control_client *client, bool is_trace)
{
	struct control_response response;
	sigset_t open;
	int r;

	catch_interrupt(&open);
	for (;;) {
		r = next_response(client, &open, &response);
		if (r == -EINTR)
			return is_trace ? trace_end(t) : ping_interrupted(t);
		if (r < 0)
			return say_end(t, r);
		if (response.kind != CONTROL_EVENT)
			break;
		cli_json_line(t->c, response.value);
		(is_trace ? trace_event : ping_event)(t, response.value);
		(void)fflush(t->c->out);
		control_response_done(&response);
		if (t->is_hopeless)
			return trace_end(t); /* closing the connection ends it there too */
	}
	if (response.kind == CONTROL_ERROR)
		r = cli_fail(t->c, cli_exit_of_code(response.code), response.code, "%s",
			     response.message);
	else
		r = finish(t, response.value, is_trace);
	control_response_done(&response);
	return r;
}

static int talk_to(struct talk *t, json_t *args, bool is_trace)
{
	CLEANUP(control_client_freep) struct control_client *client = NULL;
	int r = 0;

	if (strchr(t->target, ':'))
		r = cli_usage(t->c, "give the node's name alone, as x0 routes lists it; an overlay "
				    "address answers to the system's own ping");
	if (r == 0)
		r = cli_connect(t->c, &client);
	if (r != 0) {
		json_decref(args);
		return r;
	}
	t->start_us = loop_now_us();
	r = control_client_request(client, is_trace ? "trace" : "ping", args);
	return r < 0 ? say_end(t, r) : listen_on(t, client, is_trace);
}

int verb_ping(struct cli *c)
{
	struct talk t = { .c = c, .target = c->args[0], .interval_ms = INTERVAL_MS };
	const char *count = cli_value(c, "count");
	const char *interval = cli_value(c, "interval");
	const char *wait = cli_value(c, "wait");
	uint64_t n = COUNT_DEFAULT;
	uint64_t wait_ms = WAIT_MS;

	if (count && text_number(count, 0, COUNT_MAX, &n) < 0)
		return cli_usage(c, "-c takes a number up to %d, 0 for without end", COUNT_MAX);
	if (interval && text_seconds(interval, 10, 60000, &t.interval_ms) < 0)
		return cli_usage(c, "-i takes 0.01 to 60 seconds");
	if (wait && text_seconds(wait, 1, 60000, &wait_ms) < 0)
		return cli_usage(c, "-W takes 0.001 to 60 seconds");
	return talk_to(&t,
		       json_pack("{s:s, s:I, s:I, s:I}", "target", t.target, "count", (json_int_t)n,
				 "interval_ms", (json_int_t)t.interval_ms, "wait_ms",
				 (json_int_t)wait_ms),
		       false);
}

int verb_trace(struct cli *c)
{
	struct talk t = { .c = c, .target = c->args[0], .interval_ms = INTERVAL_MS };
	const char *hops = cli_value(c, "max-hops");
	uint64_t n = TRACE_HOPS;

	if (hops && text_number(hops, 1, 64, &n) < 0)
		return cli_usage(c, "-m takes 1 to 64");
	return talk_to(&t, json_pack("{s:s, s:I}", "target", t.target, "count", (json_int_t)n),
		       true);
}
