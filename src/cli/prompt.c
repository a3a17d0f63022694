/* SPDX-License-Identifier: Apache-2.0 */
/* Asking without an echo, which comes back whatever happens. */
#include "cli/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"

/* What may end or stop us while we wait for somebody to type. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

struct quiet {
	bool is_on;
	struct termios terminal;
	sigset_t mask; /* of before */
	struct sigaction handlers[N_ELEMENTS(signals)];
};

/* Signals are caught before the echo goes, so that there is no moment between; and only while
 * ppoll() waits. One that comes at another moment stays pending until the echo is back. */
static void quiet_begin(struct quiet *q)
{
	const struct sigaction catch = { .sa_handler = on_signal };
	struct termios silent;
	sigset_t held;

	caught = 0;
	(void)sigemptyset(&held);
	for (size_t i = 0; i < N_ELEMENTS(signals); i++)
		(void)sigaddset(&held, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &q->mask);
	for (size_t i = 0; i < N_ELEMENTS(signals); i++)
		(void)sigaction(signals[i], &catch, &q->handlers[i]);
	q->is_on = tcgetattr(STDIN_FILENO, &q->terminal) == 0;
	if (!q->is_on)
		return;
	silent = q->terminal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ECHONL;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

static void quiet_end(struct quiet *q)
{
	if (q->is_on)
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &q->terminal);
	for (size_t i = 0; i < N_ELEMENTS(signals); i++)
		(void)sigaction(signals[i], &q->handlers[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &q->mask, NULL);
}

/* -EINTR once one of the signals was caught. */
static int wait_for_input(const sigset_t *mask)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	while (!caught) {
		if (ppoll(&p, 1, NULL, mask) > 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

/* Not by stdio, whose buffer would keep it. The length, or as prompt_line(). mask: the signals to
 * hold back while waiting at a terminal, else NULL. */
static ssize_t read_line(const sigset_t *mask, char *ret, size_t size)
{
	bool is_too_long = false;
	size_t len = 0;
	char byte;

	for (;;) {
		int r = mask ? wait_for_input(mask) : 0;
		ssize_t n;

		if (r < 0)
			return r;
		n = read(STDIN_FILENO, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && len == 0)
			return -ENODATA;
		if (n == 0 || byte == '\n')
			break;
		if (len + 1 < size)
			ret[len++] = byte;
		else
			is_too_long = true;
	}
	ret[len] = '\0';
	return is_too_long ? -EMSGSIZE : (ssize_t)len;
}

int prompt_line(struct cli *c, const char *question, char *ret, size_t size)
{
	struct quiet q = { 0 };
	ssize_t n;

	if (isatty(STDIN_FILENO) != 1) {
		n = read_line(NULL, ret, size);
		return n < 0 ? (int)n : 0;
	}
	do {
		(void)fputs(question, c->err);
		(void)fflush(c->err);
		quiet_begin(&q);
		n = read_line(&q.mask, ret, size);
		quiet_end(&q);
		if (n < 0)
			(void)fputc('\n', c->err);
		if (n == -EINTR)
			(void)raise(caught); /* as if it had not been held up; SIGTSTP comes back */
	} while (n == -EINTR && caught == SIGTSTP);
	return n < 0 ? (int)n : 0;
}

/* ---- passphrases ---- */

static int ask(struct cli *c, const char *question, struct passphrase *ret)
{
	int r;

	ret->at = secret_alloc(PASSPHRASE_MAX + 2);
	if (!ret->at)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	r = prompt_line(c, question, ret->at, PASSPHRASE_MAX + 1);
	if (r == -EMSGSIZE)
		return cli_usage(c, "a passphrase has at most %d bytes", PASSPHRASE_MAX);
	if (r < 0)
		return cli_fail(c, CLI_FAILED, "passphrase", "no passphrase was given");
	ret->len = strlen(ret->at);
	if (ret->len == 0)
		return cli_fail(c, CLI_FAILED, "passphrase", "no passphrase was given");
	return 0;
}

static int from_file(struct cli *c, const char *path, struct passphrase *ret)
{
	char why[SECRET_WHY_SIZE];

	if (passphrase_read(path, ret, why) < 0)
		return cli_fail(c, CLI_FAILED, "passphrase", "%s", why);
	return 0;
}

static bool is_utf8(const struct passphrase *p)
{
	json_t *text = json_stringn(p->at, p->len);
	bool is_text = text != NULL;

	json_decref(text);
	return is_text;
}

static int need_terminal(struct cli *c, const char *option)
{
	if (isatty(STDIN_FILENO) == 1)
		return 0;
	return cli_usage(
		c,
		"there is no terminal to ask for the passphrase at; name a file that holds "
		"it: --%s FILE (- for standard input)",
		option);
}

int prompt_passphrase(struct cli *c, const char *option, const char *question,
		      struct passphrase *ret)
{
	const char *path = cli_value(c, option);
	int r;

	if (path)
		return from_file(c, path, ret);
	r = need_terminal(c, option);
	return r != 0 ? r : ask(c, question, ret);
}

static int ask_twice(struct cli *c, const char *option, struct passphrase *ret)
{
	struct passphrase again = { 0 };
	int r = need_terminal(c, option);

	if (r == 0)
		r = ask(c, "New passphrase: ", ret);
	if (r == 0 && ret->len >= PASSPHRASE_MIN) {
		r = ask(c, "The same again: ", &again);
		if (r == 0 &&
		    (again.len != ret->len || !bytes_equal_ct((const uint8_t *)again.at,
							      (const uint8_t *)ret->at, ret->len)))
			r = cli_fail(c, CLI_FAILED, "passphrase",
				     "these are two different passphrases; nothing was changed");
	}
	passphrase_done(&again);
	return r;
}

int prompt_new_passphrase(struct cli *c, const char *option, struct passphrase *ret)
{
	const char *path = cli_value(c, option);
	int r = path ? from_file(c, path, ret) : ask_twice(c, option, ret);

	if (r == 0 && ret->len < PASSPHRASE_MIN)
		r = cli_usage(c, "a passphrase has at least %d characters", PASSPHRASE_MIN);
	if (r == 0 && !is_utf8(ret)) /* or no JSON could carry it to the daemon */
		r = cli_usage(c, "a passphrase is text in UTF-8");
	return r;
}
