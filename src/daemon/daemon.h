/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.h - the program behind `x0 up`: one node of the mesh with its shells around it. */
#pragma once

#include "shell/config/config.h"
#include "shell/log/log.h"

struct daemon_options {
	const char *config_path; /* read again at a reload */
	const struct config *config;
	struct log *log;
	int api_fd; /* filled by daemon_run(): a listener for the API that was inherited; -1: none
		     */
};

/* Runs the keeper and, as its child, the daemon, until told to stop. Returns the exit status of
 * the process. why gets a sentence where it cannot even start. */
#define DAEMON_WHY_SIZE 512
int daemon_run(const struct daemon_options *options, char why[DAEMON_WHY_SIZE]);
