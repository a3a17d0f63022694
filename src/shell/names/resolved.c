/* SPDX-License-Identifier: Apache-2.0 */
/* Telling systemd-resolved through resolvectl, its own program: D-Bus by hand or by a library
 * would be more code with privileges than these three calls. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/names/resolver.h"

#define RESOLVED_RUN "/run/systemd/resolve"
#define ROUTED_SIZE 260

static const char *program(void)
{
	static const char *const paths[] = { "/usr/bin/resolvectl", "/bin/resolvectl" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Another network namespace than that of the first process is not resolved's: it has links of
 * the same names. */
static bool is_in_its_network(void)
{
	char ours[64] = "";
	char its[64] = "";

	if (readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) <= 0 ||
	    readlink("/proc/1/ns/net", its, sizeof(its) - 1) <= 0)
		return true; /* cannot be told; if it is not, resolvectl knows no such link */
	return strcmp(ours, its) == 0;
}

bool resolved_is_here(char why[RESOLVER_WHY_SIZE])
{
	const char *text = "";

	if (access(RESOLVED_RUN, F_OK) < 0)
		text = "systemd-resolved does not run here";
	else if (!program())
		text = "systemd-resolved runs, but resolvectl is not installed";
	else if (!is_in_its_network())
		text = "systemd-resolved serves another network namespace";
	(void)snprintf(why, RESOLVER_WHY_SIZE, "%s", text);
	return text[0] == '\0';
}

/* 0 where it succeeded. */
static int run(const char *path, const char *const argv[])
{
	static char *const environment[] = { NULL };
	union {
		const char *const *in;
		char *const *out;
	} arguments = { .in = argv };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)alarm(RESOLVED_WAIT_S / 2); /* an alarm outlives execve() */
		for (int to = 0; to < 3; to++)
			(void)dup2(fd, to);
		(void)execve(path, arguments.out, environment);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int tell(const char *device, const char *address, const char *zone, const char *reverse)
{
	char routed[ROUTED_SIZE];
	char routed_reverse[ROUTED_SIZE];
	const char *path = program();
	const char *const dns[] = { "resolvectl", "dns", device, address, NULL };
	const char *const domain[] = {
		"resolvectl", "domain", device, routed, routed_reverse, NULL
	};
	const char *const route[] = { "resolvectl", "default-route", device, "false", NULL };

	(void)snprintf(routed, sizeof(routed), "~%s", zone);
	(void)snprintf(routed_reverse, sizeof(routed_reverse), "~%s", reverse);
	if (!path)
		return 127;
	/* The domains first: with a server and no domain the link would get questions of others. */
	if (run(path, domain) != 0)
		return 1;
	(void)run(path, route); /* unknown to old ones, where the domains alone do it */
	return run(path, dns) == 0 ? 0 : 2;
}

pid_t resolved_begin(const char *device, const uint8_t server[16], const char *zone,
		     const char *reverse_zone)
{
	char address[INET6_ADDRSTRLEN] = "";
	sigset_t none;
	pid_t pid;

	(void)inet_ntop(AF_INET6, server, address, sizeof(address));
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(RESOLVED_WAIT_S);
	_exit(tell(device, address, zone, reverse_zone));
}
