/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command and keeps all processors awake meanwhile: awake COMMAND [ARGUMENT ...]
 *
 * A virtual machine's idle processor is given back to its host, which may take tens of milliseconds
 * to give it again: latencies then are the host's. Here one process a processor spins with the
 * policy SCHED_IDLE, so it yields to everybody at once, as a kernel with idle=poll would. Not for
 * throughput, which it lowers. Exits as the command does; 127: it could not be run. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSORS_MAX 256

static _Noreturn void spin(unsigned processor, pid_t parent)
{
	static const struct sched_param none = { 0 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    sched_setscheduler(0, SCHED_IDLE, &none) < 0)
		_exit(1);
	(void)sched_setaffinity(0, sizeof(one), &one); /* one that is offline: anywhere */
	for (;;) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

static pid_t run(char **command)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)execvp(command[0], command);
	(void)fprintf(stderr, "awake: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	unsigned n = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	pid_t self = getpid(), spinners[PROCESSORS_MAX], command;
	int status = 0;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: awake COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	if (n > PROCESSORS_MAX)
		n = PROCESSORS_MAX;
	for (unsigned i = 0; i < n; i++) {
		spinners[i] = fork();
		if (spinners[i] == 0)
			spin(i, self);
	}
	command = run(argv + 1);
	while (command > 0 && waitpid(command, &status, 0) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < n; i++)
		if (spinners[i] > 0)
			(void)kill(spinners[i], SIGKILL);
	if (command < 0)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
