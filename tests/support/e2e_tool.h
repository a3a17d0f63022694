/* SPDX-License-Identifier: Apache-2.0 */
/* e2e_tool.h - what the files of this program share. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <signal.h>

extern volatile sig_atomic_t is_stopped; /* SIGTERM came */

int fail(const char *what); /* says errno; returns 1 */
void catch_termination(void);
bool parse_address(const char *ip, const char *port, struct sockaddr_in6 *ret);
int packet_socket(const char *interface); /* -1 and errno */

/* e2e_wire.c */
int nonces(char **interfaces, int n);
int stream(const char *ip, const char *port, const char *per_second, const char *count,
	   const char *codepoint);
int sink(const char *ip, const char *port);
int send_bytes(const char *ip, const char *port, const char *hex, const char *count);
int inject(const char *interface, const char *hex, const char *count);
int noise(const char *interface, const char *count);
