/* SPDX-License-Identifier: Apache-2.0 */
/* Asking at a terminal, which here is a pseudo-terminal, and passphrases out of files. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

#include "cli/prompt.h"

#define WAIT_TRIES 1000
#define WAIT_US 5000

static bool has_echo(int master)
{
	struct termios t;

	assert_int_equal(tcgetattr(master, &t), 0);
	return (t.c_lflag & ECHO) != 0;
}

static void wait_for_echo(int master, bool is_on)
{
	for (unsigned i = 0; i < WAIT_TRIES && has_echo(master) != is_on; i++)
		(void)usleep(WAIT_US);
	assert_int_equal(has_echo(master), is_on);
}

/* In the child: asks, and tells by its exit status whether it got what was typed. */
_Noreturn static void ask(void)
{
	struct cli c;
	char text[32] = "";
	int r;

	cli_init(&c, stdout, stderr);
	r = prompt_line(&c, "Secret: ", text, sizeof(text));
	_exit(r == 0 && strcmp(text, "open sesame") == 0 ? 0 : r == -EMSGSIZE ? 2 : 1);
}

static pid_t start(int *ret_master)
{
	pid_t pid = forkpty(ret_master, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0) {
		for (int s = 1; s < 32; s++)
			(void)signal(s, SIG_DFL);
		ask();
	}
	wait_for_echo(*ret_master, false);
	return pid;
}

static void type(int master, const char *text)
{
	assert_int_equal(write(master, text, strlen(text)), (ssize_t)strlen(text));
}

/* What the terminal showed. */
static void read_screen(int master, char *ret, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = read(master, ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
}

static int end_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_is_typed_is_read_and_not_shown(void **state)
{
	char screen[256];
	int master;
	pid_t pid = start(&master);
	int status;

	(void)state;
	type(master, "open sesame\n");
	status = end_of(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	read_screen(master, screen, sizeof(screen));
	assert_non_null(strstr(screen, "Secret: "));
	assert_null(strstr(screen, "sesame"));
	(void)close(master);
}

static void an_interrupted_prompt_leaves_the_echo_on(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int slave;
		int master;
		pid_t pid;
		int status;

		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (int s = 1; s < 32; s++)
				(void)signal(s, SIG_DFL);
			(void)login_tty(dup(slave));
			ask();
		}
		wait_for_echo(master, false);
		assert_int_equal(kill(pid, signals[i]), 0);
		status = end_of(pid);
		assert_true(WIFSIGNALED(status)); /* as if it had not been caught */
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_true(has_echo(slave));
		(void)close(slave);
		(void)close(master);
	}
}

#define HUNG_S 10 /* a prompt that does not end by then waits for ever */

/* Stops the child as soon as the system call is over that turned the echo off, when nothing waits
 * for input yet. */
static void stop_without_echo(pid_t pid, int master)
{
	int status = 0;

	do {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSTOPPED(status));
	} while (has_echo(master));
}

static void a_signal_that_comes_before_the_waiting_is_not_lost(void **state)
{
	int master;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int s = 1; s < 32; s++)
			(void)signal(s, SIG_DFL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		(void)raise(SIGSTOP);
		ask();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("SKIPPED: no program may be traced here\n");
		skip();
	}
	stop_without_echo(pid, master);
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, (void *)(uintptr_t)SIGTERM), 0);
	(void)alarm(HUNG_S);
	status = end_of(pid);
	(void)alarm(0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	(void)close(master);
}

static void a_passphrase_that_is_no_text_is_not_asked_of_the_daemon(void **state)
{
	char bytes[] = "gr\xfc\xdf dich";
	const struct passphrase p = { .at = bytes, .len = sizeof(bytes) - 1 };
	json_t *answer = NULL;
	char *text = NULL;
	size_t len;
	FILE *err = open_memstream(&text, &len);
	struct cli c;

	(void)state;
	assert_non_null(err);
	cli_init(&c, err, err);
	assert_int_equal(key_unlock(&c, &p, &answer), CLI_FAILED);
	(void)fclose(err);
	assert_non_null(strstr(text, "UTF-8"));
	assert_null(answer);
	free(text);
}

static void a_stopped_prompt_shows_what_is_typed_and_asks_again_later(void **state)
{
	int master;
	pid_t pid = start(&master);
	int status;

	(void)state;
	assert_int_equal(kill(pid, SIGTSTP), 0);
	/* the group of a session's leader is orphaned and cannot stop; the prompt comes back */
	(void)usleep(50000);
	(void)kill(pid, SIGCONT);
	wait_for_echo(master, false);
	type(master, "open sesame\n");
	status = end_of(pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(master);
}

static void a_line_that_is_too_long_is_no_secret(void **state)
{
	int master;
	pid_t pid = start(&master);
	int status;

	(void)state;
	type(master, "a line that is longer than the room there is for it\n");
	status = end_of(pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	(void)close(master);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void a_file_gives_its_first_line(void **state)
{
	char path[] = "/tmp/x0-test-prompt-XXXXXX";
	int fd = mkstemp(path);
	char why[SECRET_WHY_SIZE];
	struct passphrase p = { 0 };

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, "correct horse\r\nsecond line\n", 0600);
	assert_int_equal(passphrase_read(path, &p, why), 0);
	assert_string_equal(p.at, "correct horse");
	passphrase_done(&p);
	write_file(path, "without an end", 0400);
	assert_int_equal(passphrase_read(path, &p, why), 0);
	assert_string_equal(p.at, "without an end");
	passphrase_done(&p);
	(void)unlink(path);
}

static void a_file_that_is_open_to_others_empty_or_missing_is_refused(void **state)
{
	char path[] = "/tmp/x0-test-prompt-XXXXXX";
	int fd = mkstemp(path);
	char why[SECRET_WHY_SIZE];
	struct passphrase p = { 0 };

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, "correct horse\n", 0644);
	assert_int_equal(passphrase_read(path, &p, why), -EPERM);
	assert_non_null(strstr(why, "chmod 600"));
	write_file(path, "\n", 0600);
	assert_int_equal(passphrase_read(path, &p, why), -EINVAL);
	(void)unlink(path);
	assert_int_equal(passphrase_read(path, &p, why), -ENOENT);
	assert_int_equal(passphrase_read("/tmp", &p, why), -EISDIR);
	assert_null(p.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_is_read_and_not_shown),
		cmocka_unit_test(an_interrupted_prompt_leaves_the_echo_on),
		cmocka_unit_test(a_signal_that_comes_before_the_waiting_is_not_lost),
		cmocka_unit_test(a_passphrase_that_is_no_text_is_not_asked_of_the_daemon),
		cmocka_unit_test(a_stopped_prompt_shows_what_is_typed_and_asks_again_later),
		cmocka_unit_test(a_line_that_is_too_long_is_no_secret),
		cmocka_unit_test(a_file_gives_its_first_line),
		cmocka_unit_test(a_file_that_is_open_to_others_empty_or_missing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
