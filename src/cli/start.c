/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the daemon: by systemd where it is in charge, else in the background. */
#include <errno.h>
#include <pwd.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "daemon/daemon.h"
#include "shell/log/file.h"
#include "shell/loop/loop.h"

/* One that does not start ends and is told of at once: this is for those that are slow, as under
 * emulation or on a small router with other things to do. */
#define START_S 60
#define POLL_FAST_MS 2 /* a daemon answers after tens of milliseconds, */
#define POLL_FAST 100  /* and if it has not by now there is no hurry */
#define POLL_MS 20
#define PROBE_MS 500   /* whether one runs */
#define ANSWER_MS 5000 /* of one that accepts connections, but is still starting */
#define LOG_TAIL_LINES 8
#define LOG_TAIL_SIZE 2048
#define SERVICE "x0.service"

DEFINE_FREEP(struct config, config_free)

void start_report_done(struct start_report *r)
{
	json_decref(r->status);
	*r = (struct start_report){ 0 };
}

/* ---- systemd ---- */

int run_program(char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (pid == 0) {
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool unit_is_installed(void)
{
	static const char *const directories[] = {
		"/etc/systemd/system",	   "/run/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system",
	};
	char path[256];

	for (size_t i = 0; i < N_ELEMENTS(directories); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directories[i], SERVICE);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* In a network namespace of our own systemd would start it in another one. */
static bool is_in_network_of_init(void)
{
	char ours[64] = "";
	char its[64] = "";
	ssize_t n = readlink("/proc/self/ns/net", ours, sizeof(ours) - 1);

	if (n <= 0 || readlink("/proc/1/ns/net", its, sizeof(its) - 1) <= 0)
		return true; /* cannot be told apart */
	return strcmp(ours, its) == 0;
}

static const char *program_path(char ret[CLI_PATH_SIZE])
{
	ssize_t n = readlink("/proc/self/exe", ret, CLI_PATH_SIZE - 1);

	ret[n > 0 ? n : 0] = '\0';
	return n > 0 ? ret : "x0";
}

bool service_is_usable(const char *config_path, char ret_why[CLI_TEXT_SIZE])
{
	char program[CLI_PATH_SIZE];
	const char *why = NULL;

	if (access("/run/systemd/system", F_OK) != 0)
		why = "systemd does not run here";
	else if (!unit_is_installed())
		why = "the unit x0.service is not installed (from the source tree: ./x0 install)";
	else if (geteuid() != 0)
		why = "only root may start the unit x0.service";
	else if (strcmp(config_path, "/etc/x0/x0.yaml") != 0)
		why = "the unit x0.service uses /etc/x0/x0.yaml";
	else if (!is_in_network_of_init())
		why = "this is another network namespace than systemd's";
	if (!why)
		return true;
	(void)snprintf(ret_why, CLI_TEXT_SIZE,
		       "nothing starts it at boot: %s. To have it started, let your init or cron "
		       "(@reboot) run: %.300s up --config %.300s",
		       why, program_path(program), config_path);
	return false;
}

static int start_service(struct cli *c, const char *before)
{
	char *argv[] = { "systemctl", "--quiet", "enable", "--now", SERVICE, NULL };

	if (run_program(argv) != 0)
		return cli_fail(c, CLI_FAILED, "start",
				"%ssystemd could not start it; see: journalctl -u x0 -n 20",
				before);
	return 0;
}

/* ---- in the background ---- */

static int open_log(struct cli *c, const struct config *config, char path[CLI_PATH_SIZE])
{
	int fd;

	(void)snprintf(path, CLI_PATH_SIZE, "%s/%s", config->state_dir, LOG_FILE_NAME);
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -cli_fail(c, errno == EACCES || errno == EPERM ? CLI_DENIED : CLI_FAILED,
				 "log", "cannot write the log %s: %s", path, strerror(errno));
	return fd;
}

/* This process is the daemon's from here on. */
static int run_here(struct cli *c, const struct config *config)
{
	struct daemon_options options = { .config = config };
	char path[CLI_PATH_SIZE];
	char why[DAEMON_WHY_SIZE] = "";
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	options.config_path = path;
	if (log_new(STDERR_FILENO, (enum log_format)config->log_format,
		    (enum log_level)config->log_level, NULL, &options.log) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	if (log_format_in_use(options.log) == LOG_FORMAT_JOURNAL)
		(void)log_use_journal(options.log, LOG_JOURNAL_SOCKET); /* else by stderr */
	r = daemon_run(&options, why);
	log_free(options.log);
	if (why[0])
		return cli_fail(c, r ? r : CLI_FAILED, "start", "%s", why);
	return r;
}

/* A socket that this command was handed for the daemon (sd_listen_fds(3)) goes on to it. */
static bool pass_listener_on(void)
{
	const char *meant_for = getenv("LISTEN_PID");
	char us[24], before[24];

	(void)snprintf(us, sizeof(us), "%ld", (long)getpid());
	(void)snprintf(before, sizeof(before), "%ld", (long)getppid());
	return meant_for && strcmp(meant_for, before) == 0 && setenv("LISTEN_PID", us, 1) == 0;
}

/* Not for `x0 up` itself, which begins as the daemon would. What `ps` shows of the others is their
 * arguments, which may be an invitation; so the daemon is a program of its own. */
_Noreturn static void run_anew(char path[CLI_PATH_SIZE])
{
	char program[CLI_PATH_SIZE];
	char *argv[] = { "x0", "up", "--foreground", "--config", path, NULL };

	(void)execv(program_path(program), argv);
	(void)execv("/proc/self/exe", argv); /* its file has been replaced */
	(void)dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(CLI_FAILED);
}

_Noreturn static void be_daemon(struct cli *c, const struct config *config, int log_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[CLI_PATH_SIZE];

	(void)setsid();
	(void)dup2(null_fd, STDIN_FILENO);
	(void)dup2(null_fd, STDOUT_FILENO);
	(void)dup2(log_fd, STDERR_FILENO);
	(void)close_range((unsigned)(STDERR_FILENO + 1 + pass_listener_on()), ~0U, 0);
	if (cli_config_path(c, path) != 0 || chdir("/") < 0)
		_exit(CLI_FAILED);
	if (c->verb != cli_verb_find("up"))
		run_anew(path);
	c->config_path = path;
	c->is_json = false; /* what it says goes to its log */
	exit(run_here(c, config));
}

/* The end of what was logged since start, for people. */
static void tail(int log_fd, off_t start, char ret[LOG_TAIL_SIZE])
{
	off_t end = lseek(log_fd, 0, SEEK_END);
	unsigned lines = 0;
	ssize_t n;
	char *at;

	if (end - start > LOG_TAIL_SIZE - 1)
		start = end - (LOG_TAIL_SIZE - 1);
	n = pread(log_fd, ret, LOG_TAIL_SIZE - 1, start);
	ret[n > 0 ? n : 0] = '\0';
	if (n > 0 && ret[n - 1] == '\n')
		ret[n - 1] = '\0';
	for (at = ret + strlen(ret); at > ret; at--)
		if (at[-1] == '\n' && ++lines == LOG_TAIL_LINES)
			break;
	memmove(ret, at, strlen(at) + 1);
}

static void nap(int ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* Until the socket answers; pid is the process we started, 0 where it is systemd's. */
static int wait_for_answer(struct cli *c, const struct config *config, pid_t pid, json_t **ret)
{
	uint64_t end_us = loop_now_us() + START_S * UINT64_C(1000000);
	struct cli_patience patience = { 0 };
	int r = -ETIMEDOUT;

	for (unsigned tries = 0; loop_now_us() < end_us; tries++) {
		r = cli_probe(config->socket, ANSWER_MS, true, ret);
		if (r == 0 || r == -EACCES)
			return r;
		if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid)
			return -ECHILD;
		cli_patience(c, &patience, "waiting for the daemon to answer ...");
		nap(tries < POLL_FAST ? POLL_FAST_MS : POLL_MS);
	}
	return -ETIMEDOUT;
}

static int say_not_started(struct cli *c, int r, const char *before, const char *log_path,
			   int log_fd, off_t log_start)
{
	char end[LOG_TAIL_SIZE];

	tail(log_fd, log_start, end);
	cli_note(c, "%s", end);
	if (c->is_json)
		return cli_fail(c, CLI_FAILED, "start", "%sthe daemon did not start: %.600s",
				before, end);
	if (r == -ECHILD)
		return cli_fail(c, CLI_FAILED, "start",
				"%sthe daemon did not start; the end of its log (%s) is above; see "
				"also: x0 doctor",
				before, log_path);
	return cli_fail(c, CLI_FAILED, "start",
			"%sthe daemon did not answer within %d s and was stopped; the end of its "
			"log (%s) is above; see also: x0 doctor",
			before, START_S, log_path);
}

static int start_in_background(struct cli *c, const struct config *config, const char *before,
			       json_t **ret_status)
{
	char log_path[CLI_PATH_SIZE];
	int log_fd = open_log(c, config, log_path);
	off_t log_start;
	pid_t pid;
	int r;

	if (log_fd < 0)
		return -log_fd;
	log_start = lseek(log_fd, 0, SEEK_END);
	(void)fflush(c->out);
	(void)fflush(c->err);
	pid = fork();
	if (pid == 0)
		be_daemon(c, config, log_fd);
	r = pid < 0 ? -errno : wait_for_answer(c, config, pid, ret_status);
	if (r == -ETIMEDOUT)
		(void)kill(pid, SIGTERM);
	if (r < 0)
		r = say_not_started(c, r, before, log_path, log_fd, log_start);
	(void)close(log_fd);
	return r;
}

/* ---- both ---- */

static int start_it(struct cli *c, const struct config *config, const char *before,
		    struct start_report *ret)
{
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	ret->is_service = service_is_usable(path, ret->boot);
	if (!ret->is_service)
		return start_in_background(c, config, before, &ret->status);
	r = start_service(c, before);
	if (r != 0)
		return r;
	ret->is_at_boot = true;
	if (wait_for_answer(c, config, 0, &ret->status) < 0)
		return cli_fail(c, CLI_FAILED, "start",
				"%ssystemd started it, but it does not answer; see: journalctl -u "
				"x0 -n 20",
				before);
	return 0;
}

int start_daemon(struct cli *c, const struct config *config, const char *before,
		 struct start_report *ret)
{
	int r;

	*ret = (struct start_report){ 0 };
	r = cli_probe(config->socket, PROBE_MS, true, &ret->status);
	if (r == 0) {
		ret->was_running = true;
		return 0;
	}
	if (r == -EACCES || r == -EPERM)
		return cli_fail(c, CLI_DENIED, "denied",
				"%sa daemon runs here, but you may not operate it; as root, or as "
				"a member of the group x0: sudo usermod -aG x0 $USER",
				before);
	r = setup_state(c, config);
	if (r != 0)
		return r;
	return start_it(c, config, before, ret);
}

void start_tell(struct cli *c, const struct start_report *r)
{
	if (r->was_running) {
		cli_say(c, "It runs already (process %lld).",
			(long long)json_number(r->status, "pid"));
		return;
	}
	cli_say(c, "It runs%s. To look: x0 status. To stop it: x0 down.",
		r->is_service ? " (systemd: x0.service), now and after a reboot" : "");
	if (!r->is_at_boot)
		cli_note(c, "Note: %s", r->boot);
	if (geteuid() == 0 && !getpwnam("x0") && getpwnam("nobody"))
		cli_note(c, "Note: there is no user x0, so the daemon runs as nobody, and whatever "
			    "else does can read its keys. Better: x0 down, then sudo useradd "
			    "--system --no-create-home --shell /usr/sbin/nologin x0 (x0 install "
			    "does it), then x0 up.");
	view_features_off(c, r->status);
}

void start_json(json_t *object, const struct start_report *r)
{
	(void)json_object_set_new(object, "is_running", json_true());
	(void)json_object_set_new(object, "was_running", json_boolean(r->was_running));
	(void)json_object_set_new(object, "is_service", json_boolean(r->is_service));
	if (!r->was_running)
		(void)json_object_set_new(object, "starts_at_boot", json_boolean(r->is_at_boot));
	if (r->status)
		(void)json_object_set(object, "status", r->status);
}

/* ---- up ---- */

int verb_up(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	struct start_report report;
	json_t *object;
	int r = cli_config_load(c, &config);

	if (r != 0)
		return r;
	if (!config->domain[0])
		return cli_fail(c, CLI_FAILED, "config",
				"the configuration names no domain yet; found a mesh: x0 init "
				"--domain NAME, or join one: x0 join x0://...");
	if (cli_given(c, "foreground"))
		return run_here(c, config);
	r = start_daemon(c, config, "", &report);
	if (r != 0)
		return r;
	start_tell(c, &report);
	object = json_object();
	start_json(object, &report);
	cli_json(c, object);
	start_report_done(&report);
	return 0;
}
