/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.h - how this host's programs come to ask our server: systemd-resolved, which sends it
 * the names of one zone only, or /etc/resolv.conf, which cannot tell names apart. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/endpoint.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX (64U << 10)
#define RESOLV_CONF_SERVERS_MAX 3 /* the C library takes the first three (resolv.conf(5)) */
#define RESOLV_OWNER_SIZE 128
#define RESOLVER_WHY_SIZE 200
#define RESOLVED_WAIT_S 8

struct resolv_conf {
	bool is_ours;		       /* its first line says that x0 wrote it */
	char owner[RESOLV_OWNER_SIZE]; /* which one: its run_dir; "" where it is not ours */
	bool is_one_away; /* a server on an interface that is not there now: not among them */
	size_t n;
	struct endpoint servers[RESOLV_CONF_SERVERS_MAX];
};

/* Any text; what cannot be read is passed over, as the C library does. */
void resolv_conf_parse(struct span text, struct resolv_conf *ret);
/* -ENOENT, -EFBIG and others. */
int resolv_conf_read(const char *path, struct resolv_conf *ret);
/* The servers that were there before ours was put in front of them: those below our lines, or of
 * "PATH.before-x0". Where none is named those of this machine, as for the C library. */
int resolv_conf_read_before(const char *path, struct resolv_conf *ret);

/* Puts our server in front of those there are, in a new file that replaces the old one at once;
 * what was there stays beside it as "PATH.before-x0", be it a file or a link. Where the path is a
 * mount point (containers) it is written in place. Done twice it changes nothing but what came
 * anew. owner tells daemons apart. On failure why is a sentence; on success it may hold a remark,
 * of what somebody did to the file or its copy meanwhile. -EBUSY: another x0 has it. */
int resolv_conf_apply(const char *path, const char *owner, const uint8_t server[16],
		      char why[RESOLVER_WHY_SIZE]);
/* Puts back what was there; where somebody changed what is below our lines, or took the copy, that.
 * Where the file is not ours any more it stays, and the copy goes. 0 also where there is
 * nothing to do; then why may hold a remark, too. */
int resolv_conf_restore(const char *path, const char *owner, char why[RESOLVER_WHY_SIZE]);

/* ---- systemd-resolved ---- */

/* Whether it runs here and can be told anything; else why not. */
bool resolved_is_here(char why[RESOLVER_WHY_SIZE]);
/* Starts a process that tells it our server for these zones, and no others, on this link: three
 * times resolvectl with fixed arguments, an empty environment and RESOLVED_WAIT_S at most. Returns
 * its number for waitpid(), whose status 0 says that it worked; negative errno. The setting goes
 * with the device. */
pid_t resolved_begin(const char *device, const uint8_t server[16], const char *zone,
		     const char *reverse_zone);
