/* SPDX-License-Identifier: Apache-2.0 */
/* The namespaces around the demo, and three processes that see to it that nothing is left:
 *
 *	the caller's  waits; passes a signal on by closing a pipe, and what is typed
 *	the warden    watches that pipe, so that it notices even SIGKILL; removes the directory
 *	the demo      process 1 of a process namespace: when it ends, the kernel ends all others */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo_internal.h"

#define STOP_MS 5000 /* from SIGTERM to SIGKILL */
#define RELAY_MS 100 /* how soon the end is seen while the terminal is listened to */

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

bool demo_is_stopped(void)
{
	return is_stopped != 0;
}

static void catch_signals(void)
{
	const struct sigaction caught = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &caught, NULL);
	(void)sigaction(SIGTERM, &caught, NULL);
	(void)sigaction(SIGHUP, &caught, NULL);
}

/* ---- rights ---- */

static bool reads_as(const char *path, const char *value)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n > 0 && strcmp(text, value) == 0;
}

/* Which setting of this machine refuses namespaces, and what lifts it. */
static void say_refused(const char *what, int error)
{
	static const struct {
		const char *path, *value, *remedy;
	} settings[] = {
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
		  "sudo sysctl -w kernel.unprivileged_userns_clone=1" },
		{ "/proc/sys/user/max_user_namespaces", "0",
		  "sudo sysctl -w user.max_user_namespaces=10000" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		  "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	};

	(void)fprintf(stderr, "x0 demo: this machine refuses %s: %s\n", what, strerror(error));
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!reads_as(settings[i].path, settings[i].value))
			continue;
		(void)fprintf(stderr,
			      "  because %s is %s\n  either allow it: %s\n"
			      "  or run it as root: sudo x0 demo\n",
			      settings[i].path, settings[i].value, settings[i].remedy);
		return;
	}
	if (geteuid() != 0)
		(void)fprintf(stderr, "  run it as root: sudo x0 demo\n");
	else
		(void)fprintf(stderr, "  a container needs for it the capability CAP_SYS_ADMIN "
				      "(docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN)\n");
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return is_written;
}

/* Not root: a user namespace in which we are. */
static bool become_root(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char uids[64], gids[64];

	if (uid == 0)
		return true;
	if (unshare(CLONE_NEWUSER) < 0) {
		say_refused("a user namespace", errno);
		return false;
	}
	(void)snprintf(uids, sizeof(uids), "0 %u 1", uid);
	(void)snprintf(gids, sizeof(gids), "0 %u 1", gid);
	if (write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", uids) &&
	    write_text("/proc/self/gid_map", gids))
		return true;
	say_refused("to be root in a user namespace", errno);
	return false;
}

static bool have_tun(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		(void)close(fd);
		return true;
	}
	(void)fprintf(stderr, "x0 demo: the nodes' tunnels need /dev/net/tun: %s\n  %s\n",
		      strerror(errno),
		      errno == EACCES || errno == EPERM
			      ? "run it as root (sudo x0 demo) or let users open it: sudo chmod "
				"0666 /dev/net/tun"
			      : "load it: sudo modprobe tun");
	return false;
}

/* ---- processes ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Process 1 of the new process namespace. */
_Noreturn static void inside(struct demo *d, int (*work)(struct demo *d))
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_signals();
	/* So that the numbers below /proc are those of this namespace. Nothing here depends on it:
	 * in a plain chroot, whose root is no mount point, it is left as it is, and a container
	 * that hides parts of its own /proc refuses it. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		(void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	} else if (errno != EINVAL) {
		say_refused("mounts of its own", errno);
		_exit(1);
	}
	int status = work(d);

	(void)fflush(NULL);
	_exit(status);
}

/* Waits for the demo; when the pipe ends, it is told to end, and then made to. */
static int watch(pid_t demo, int pipe_fd)
{
	struct pollfd caller = { .fd = pipe_fd, .events = POLLIN };
	uint64_t kill_us = UINT64_MAX;
	int status;

	while (waitpid(demo, &status, WNOHANG) != demo) {
		if (kill_us == UINT64_MAX && poll(&caller, 1, 50) > 0) {
			(void)kill(demo, SIGTERM);
			kill_us = report_now_us() + STOP_MS * UINT64_C(1000);
		} else if (kill_us != UINT64_MAX) {
			report_nap_ms(20);
			if (report_now_us() > kill_us)
				(void)kill(demo, SIGKILL);
		}
	}
	return exit_status(status);
}

_Noreturn static void warden(struct demo *d, int (*work)(struct demo *d), int pipe_fd)
{
	int status = 1;

	(void)setsid(); /* what kills the caller's whole process group leaves this one its work */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (become_root()) {
		pid_t demo = -1;

		if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) < 0)
			say_refused("namespaces", errno);
		else
			demo = fork();
		if (demo == 0) {
			(void)close(pipe_fd);
			inside(d, work);
		}
		if (demo > 0)
			status = watch(demo, pipe_fd);
	}
	if (!d->options.is_kept)
		(void)nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(status);
}

/* What is typed, to the demo. It could not read the terminal itself: it is of another session, and
 * would take what is typed for others while its caller is in the background. Returns the pipe, or
 * -1 when nothing can come any more. */
static int relay_keys(int pipe_fd)
{
	struct pollfd terminal = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t to_stop, before;
	char keys[64];
	ssize_t n;
	int error;

	if (poll(&terminal, 1, RELAY_MS) <= 0)
		return pipe_fd;
	(void)sigemptyset(&to_stop);
	(void)sigaddset(&to_stop, SIGTTIN);
	(void)sigprocmask(SIG_BLOCK, &to_stop, &before);
	n = read(STDIN_FILENO, keys, sizeof(keys));
	error = errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (n > 0) {
		(void)!write(pipe_fd, keys, (size_t)n); /* full: it has enough to do */
		return pipe_fd;
	}
	if (n < 0 && (error == EIO || error == EINTR)) { /* EIO: in the background */
		report_nap_ms(RELAY_MS);
		return pipe_fd;
	}
	(void)close(pipe_fd);
	return -1;
}

/* Enter is asked for only where somebody can press it. */
static int make_keys(struct demo *d)
{
	int ends[2];

	d->keys_fd = -1;
	if (d->options.is_once || !isatty(STDIN_FILENO) || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	d->keys_fd = ends[0];
	return ends[1];
}

static bool make_directory(struct demo *d)
{
	const char *base = getenv("TMPDIR");

	/* a socket's path has room for 108 bytes (unix(7)) */
	if (!base || base[0] != '/' || strlen(base) > 60)
		base = "/tmp";
	(void)snprintf(d->dir, sizeof(d->dir), "%s/x0-demo-XXXXXX", base);
	/* passed through by the daemons, which are another user's where root runs this */
	if (mkdtemp(d->dir) && chmod(d->dir, 0755) == 0)
		return true;
	(void)fprintf(stderr, "x0 demo: no directory in %s: %s\n", base, strerror(errno));
	return false;
}

int demo_contain(struct demo *d, int (*work)(struct demo *d))
{
	int ends[2], keys;
	pid_t pid;
	int status;

	if (!have_tun() || !make_directory(d))
		return 1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	keys = make_keys(d);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[1]);
		if (keys >= 0)
			(void)close(keys);
		warden(d, work, ends[0]);
	}
	(void)close(ends[0]);
	if (pid < 0) {
		(void)fprintf(stderr, "x0 demo: no further process: %s\n", strerror(errno));
		(void)close(ends[1]);
		(void)rmdir(d->dir);
		return 1;
	}
	catch_signals();
	while (waitpid(pid, &status, keys >= 0 ? WNOHANG : 0) != pid) {
		if (is_stopped && ends[1] >= 0) {
			(void)close(ends[1]);
			ends[1] = -1;
		}
		if (keys >= 0)
			keys = relay_keys(keys);
	}
	if (ends[1] >= 0)
		(void)close(ends[1]);
	return exit_status(status);
}
