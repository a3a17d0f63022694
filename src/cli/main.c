/* SPDX-License-Identifier: Apache-2.0 */
/* The program x0. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cli/cli.h"
#include "shell/secret/secret.h"

int main(int argc, char **argv)
{
	/* init, invite and join have keys in memory: no core file of them */
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)secret_open(); /* without it they lie in ordinary memory, and the daemon says so */
	/* JSON carries invitations, join keys and passphrases, and its library wipes nothing */
	json_set_alloc_funcs(malloc, heap_free_wiped);
	(void)setlocale(LC_CTYPE, "");	/* whether the terminal shows UTF-8: for the QR code */
	(void)signal(SIGPIPE, SIG_IGN); /* a write that fails is told like any other */
	return cli_main(argc, argv, stdout, stderr);
}
