/* SPDX-License-Identifier: Apache-2.0 */
/* prompt.h - secrets that a person types, and passphrases from wherever they come. */
#pragma once

#include "cli/cli.h"
#include "shell/secret/secret.h"

/* One line of standard input, of at most size - 1 bytes and without its end. Where that is a
 * terminal it is asked for, and not shown; whatever signal ends that, the echo is on again.
 * -ENODATA at the end of the input, -EMSGSIZE for a longer line (which is read whole), -EINTR. */
int prompt_line(struct cli *c, const char *question, char *ret, size_t size);

/* The passphrase in the file that the option names, else typed. 0 or an exit status. */
int prompt_passphrase(struct cli *c, const char *option, const char *question,
		      struct passphrase *ret);
/* A new one: typed twice, and not too short. 0 or an exit status. */
int prompt_new_passphrase(struct cli *c, const char *option, struct passphrase *ret);

/* Has the running daemon unlock the authority, in key.c. 0 or an exit status. */
int key_unlock(struct cli *c, const struct passphrase *p, json_t **ret);
