/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 top`: the daemon is asked once an interval, and what changed is shown. Control sequences of
 * ECMA-48 and the alternate screen that every terminal of today has; left as it was found. */
#include "cli/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/text.h"
#include "shell/loop/loop.h"

#define INTERVAL_MS 1000
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS 60000
#define ROWS_DEFAULT 24 /* where the terminal does not say */
#define COLUMNS_DEFAULT 80

/* The other screen, no cursor, and what is too long for a line is cut and not wrapped. */
#define SCREEN_ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
#define LINE_END "\033[K\r\n"
#define SCREEN_REST "\033[J"

DEFINE_FREEP(struct control_client, control_client_free)

struct top {
	struct cli *c;
	struct control_client *client;
	uint64_t interval_ms;
	struct top_look before, now;
	json_t *shown;
	size_t first; /* of the peers that are shown */
	size_t n_peers;
	bool is_paused;
	bool has_screen;
	bool has_keys; /* standard input is a terminal */
	bool is_deaf;  /* and no more keys will come from it */
	struct termios saved;
	sigset_t open; /* signals while it waits */
};

static volatile sig_atomic_t is_ended, is_stopped;

static void on_signal(int number)
{
	if (number == SIGTSTP)
		is_stopped = 1;
	else if (number != SIGWINCH) /* which does no more than end the wait */
		is_ended = 1;
}

/* Blocked but for the waits, so that none comes between looking and waiting. Those of a screen
 * come last: without one Ctrl-Z does what it always does. */
static void catch_signals(struct top *t, bool is_screen)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
	size_t n = is_screen ? N_ELEMENTS(numbers) : N_ELEMENTS(numbers) - 2;
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t mask;

	is_ended = is_stopped = 0;
	(void)sigemptyset(&mask);
	for (size_t i = 0; i < n; i++) {
		(void)sigaction(numbers[i], &action, NULL);
		(void)sigaddset(&mask, numbers[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &mask, &t->open);
	for (size_t i = 0; i < n; i++)
		(void)sigdelset(&t->open, numbers[i]);
}

/* ---- the terminal ---- */

static void screen_enter(struct top *t)
{
	struct termios keys;

	t->has_keys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &t->saved) == 0;
	if (t->has_keys) {
		keys = t->saved;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 0;
		keys.c_cc[VTIME] = 0;
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	(void)fputs(SCREEN_ENTER, t->c->out);
	(void)fflush(t->c->out);
	t->has_screen = true;
}

static void screen_leave(struct top *t)
{
	if (!t->has_screen)
		return;
	(void)fputs(SCREEN_LEAVE, t->c->out);
	(void)fflush(t->c->out);
	if (t->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
	t->has_screen = false;
}

/* Ctrl-Z: the shell finds its screen as it was, and we come back to ours. */
static void stop_here(struct top *t)
{
	screen_leave(t);
	(void)raise(SIGSTOP);
	screen_enter(t);
}

static unsigned size_of_terminal(struct top *t)
{
	struct winsize w;
	bool is_known = ioctl(fileno(t->c->out), TIOCGWINSZ, &w) == 0 && w.ws_row > 0;

	t->c->columns = is_known && w.ws_col > 0 ? w.ws_col : COLUMNS_DEFAULT;
	return is_known ? w.ws_row : ROWS_DEFAULT;
}

/* Line by line, each cleared to its end: nothing flickers, and no more lines than there are. */
static void put_screen(struct top *t, const char *text, unsigned rows, const char *last)
{
	FILE *out = t->c->out;
	unsigned n = 0;

	(void)fputs(SCREEN_HOME, out);
	for (; *text && n + 1 < rows; n++) {
		size_t len = strcspn(text, "\n");

		(void)fwrite(text, 1, len, out);
		(void)fputs(LINE_END, out);
		text += len + (text[len] == '\n');
	}
	(void)fprintf(out, "%.*s" SCREEN_REST, (int)t->c->columns - 1, last);
	(void)fflush(out);
}

static void draw(struct top *t, const char *remark)
{
	unsigned rows = size_of_terminal(t);
	char last[160];
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	struct cli view = *t->c;

	if (!to)
		return;
	view.out = to;
	t->n_peers = json_array_size(json_object_get(t->shown, "peers"));
	if (t->first > 0 && t->first >= t->n_peers) /* there were more */
		t->first = t->n_peers > 0 ? t->n_peers - 1 : 0;
	if (t->shown)
		(void)top_view(&view, t->shown, t->first, rows, t->is_paused);
	if (fclose(to) != 0) {
		free(text);
		return;
	}
	if (remark)
		(void)snprintf(last, sizeof(last), "%s", remark);
	else
		(void)snprintf(last, sizeof(last), "q quit  p pause  j/k or arrows: %zu peers",
			       t->n_peers);
	put_screen(t, text, rows, last);
	free(text);
}

/* ---- keys ---- */

static void move(struct top *t, int by)
{
	if (by < 0 && t->first > 0)
		t->first--;
	if (by > 0 && t->first + 1 < t->n_peers)
		t->first++;
}

/* Arrows are ESC [ A and ESC [ B; a lone ESC is none of ours. */
static void read_keys(struct top *t, short events)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n < 0 ? errno != EINTR && errno != EAGAIN : n == 0 && (events & POLLHUP))
		t->is_deaf = true; /* the terminal is gone; its signal ends us */
	for (ssize_t i = 0; i < n; i++) {
		if (keys[i] == 'q')
			is_ended = 1;
		else if (keys[i] == 'p' || keys[i] == ' ')
			t->is_paused = !t->is_paused;
		else if (keys[i] == 'j' || (i >= 2 && keys[i] == 'B' && keys[i - 1] == '['))
			move(t, 1);
		else if (keys[i] == 'k' || (i >= 2 && keys[i] == 'A' && keys[i - 1] == '['))
			move(t, -1);
	}
}

/* Until then, an answer (fd, -1: none is waited for), a key or a signal. */
static void wait_for(struct top *t, int fd, uint64_t until_us)
{
	bool takes_keys = t->has_screen && t->has_keys && !t->is_deaf;
	struct pollfd p[] = {
		{ .fd = takes_keys ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	uint64_t now_us = loop_now_us();
	uint64_t left_us = until_us - min_u64(until_us, now_us);
	const struct timespec left = {
		.tv_sec = (time_t)(left_us / US_PER_S),
		.tv_nsec = (long)(left_us % US_PER_S * 1000),
	};

	if (ppoll(p, N_ELEMENTS(p), &left, &t->open) > 0 && p[0].revents)
		read_keys(t, p[0].revents);
}

/* ---- asking ---- */

/* A daemon that hangs does not keep a person from leaving: -EINTR. */
static int next_response(struct top *t, struct control_response *ret)
{
	uint64_t end_us = loop_now_us() + MS(CLI_ANSWER_MS);
	int r;

	while ((r = control_client_next(t->client, 0, ret)) == -ETIMEDOUT) {
		if (is_ended)
			return -EINTR;
		if (loop_now_us() >= end_us)
			break;
		wait_for(t, control_client_fd(t->client), end_us);
	}
	return r;
}

static int ask_one(struct top *t, const char *verb, json_t *args, json_t **ret)
{
	struct control_response response;
	int r = control_client_request(t->client, verb, args);

	while (r == 0) {
		r = next_response(t, &response);
		if (r == 0 && response.kind == CONTROL_RESULT)
			*ret = json_incref(response.value);
		if (r == 0 && response.kind == CONTROL_ERROR)
			r = -EPERM;
		if (r == 0)
			control_response_done(&response);
		if (*ret || r < 0)
			break;
	}
	return r;
}

static int look(struct top *t)
{
	struct top_look l = { 0 };
	int r = ask_one(t, "status", json_pack("{s:b}", "is_brief", 1), &l.status);

	if (r == 0)
		r = ask_one(t, "peers", NULL, &l.peers);
	if (r < 0) {
		top_look_done(&l);
		return r;
	}
	l.at_us = loop_now_us();
	l.unix_ms = loop_unix_ms();
	top_look_done(&t->before);
	t->before = t->now;
	t->now = l;
	json_decref(t->shown);
	t->shown = top_json(t->before.status ? &t->before : &t->now, &t->now);
	return t->shown ? 0 : -ENOMEM;
}

/* Until the interval is over, a key was pressed or a signal came. True: the interval is over. */
static bool wait_until(struct top *t, uint64_t until_us)
{
	if (loop_now_us() >= until_us)
		return true;
	wait_for(t, -1, until_us);
	if (is_stopped && t->has_screen)
		stop_here(t);
	is_stopped = 0;
	return loop_now_us() >= until_us;
}

/* ---- the verb ---- */

/* The daemon may be started again meanwhile: it is asked until somebody presses q. */
static const char *look_again(struct top *t, const char *socket)
{
	static char why[CONTROL_WHY_SIZE];
	int r = t->client ? look(t) : -ENOTCONN;

	if (r < 0 && !is_ended) {
		control_client_free(t->client);
		t->client = NULL;
		if (control_client_open(socket, &t->client, why) == 0)
			r = look(t);
	}
	return r < 0 ? "The daemon does not answer; it is asked again. q quits." : NULL;
}

static void run_screen(struct top *t, const char *socket)
{
	uint64_t next_us = loop_now_us() + MS(t->interval_ms);
	const char *remark = NULL;

	screen_enter(t);
	while (!is_ended && !ferror(t->c->out)) {
		draw(t, remark);
		if (!wait_until(t, next_us))
			continue;
		next_us = loop_now_us() + MS(t->interval_ms);
		if (!t->is_paused)
			remark = look_again(t, socket);
	}
	screen_leave(t);
}

static int run_lines(struct top *t, bool is_once)
{
	uint64_t next_us = loop_now_us();
	int r = 0;

	while (!is_ended && r == 0) {
		next_us += MS(t->interval_ms);
		while (!is_ended && !wait_until(t, next_us))
			;
		if (is_ended)
			break;
		r = look(t);
		if (r < 0 && is_ended)
			break;
		if (r < 0)
			return cli_fail(t->c, CLI_NO_DAEMON, "no_daemon",
					"the daemon does not answer any more; see: x0 status");
		if (t->c->is_json && is_once)
			cli_json(t->c, json_incref(t->shown));
		else if (t->c->is_json)
			cli_json_line(t->c, t->shown);
		else
			(void)top_view(t->c, t->shown, 0, 0, false);
		(void)fflush(t->c->out);
		if (ferror(t->c->out) || is_once)
			return 0; /* that nobody reads any more is told at the end */
	}
	return 0;
}

int verb_top(struct cli *c)
{
	bool is_once = cli_given(c, "once") > 0;
	const char *interval = cli_value(c, "interval");
	struct top t = { .c = c, .interval_ms = INTERVAL_MS };
	char socket[CONFIG_TEXT_SIZE];
	bool is_screen = !is_once && !c->is_json;
	int r;

	if (interval &&
	    text_seconds(interval, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &t.interval_ms) < 0)
		return cli_usage(c, "--interval: seconds from 0.1 to 60, as 0.5");
	if (is_screen && !c->is_tty)
		return cli_usage(c, "this is no terminal: x0 top --once, or --json");
	r = cli_socket(c, socket);
	if (r == 0)
		r = cli_connect(c, &t.client);
	if (r != 0)
		return r;
	catch_signals(&t, is_screen);
	r = look(&t);
	if (r < 0 && is_ended)
		r = 0;
	else if (r < 0)
		r = cli_fail(c, CLI_FAILED, "failed", "the daemon does not answer; see: x0 status");
	else if (is_screen)
		run_screen(&t, socket);
	else
		r = run_lines(&t, is_once);
	control_client_free(t.client);
	top_look_done(&t.before);
	top_look_done(&t.now);
	json_decref(t.shown);
	return r;
}
