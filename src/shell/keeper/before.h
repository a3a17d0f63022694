/* SPDX-License-Identifier: Apache-2.0 */
/* before.h - how this host passed packets on before we said so, and the file in which the next
 * keeper finds it where this one was killed. Inside the room only. */
#pragma once

#include "base/bytes.h"
#include "shell/keeper/keeper.h"

#define BEFORE_INTERFACES_MAX 128 /* of each family that are kept by name */
#define BEFORE_SIZE_MAX 8192	  /* of the file */

enum before_family {
	BEFORE_IPV4,
	BEFORE_IPV6,
	BEFORE_N_FAMILIES,
};

/* Of each family it says something only where the machine as a whole passed nothing on: of the
 * others nothing is changed. */
struct before {
	bool was_off[BEFORE_N_FAMILIES];
	bool had_redirects; /* net.ipv4.conf.all.accept_redirects, which goes with it */
	/* Interfaces, and "default", that did all the same. */
	unsigned n_interfaces[BEFORE_N_FAMILIES];
	char interfaces[BEFORE_N_FAMILIES][BEFORE_INTERFACES_MAX][16];
	unsigned n_forgotten; /* interfaces beyond the limit */
};

/* As it is now. */
void before_look(struct before *ret);
bool before_is_on(enum before_family family);
/* One of those cannot be set: -errno and why, with what to do. */
int before_switch_on(const struct before *b, char why[KEEPER_WHY_SIZE]);
void before_restore(const struct before *b);

/* The file belongs to this boot and this network namespace; one of another is not found. It lies in
 * a directory that may be the daemon's: only what we wrote ourselves is believed. */
int before_write(const char *run_dir, const char *tun_name, const struct before *b,
		 char why[KEEPER_WHY_SIZE]);
bool before_read(const char *run_dir, const char *tun_name, struct before *ret);
void before_remove(const char *run_dir, const char *tun_name);

/* of is what tells this boot and namespace from others. */
#define BEFORE_OF_SIZE 48
size_t before_encode(const struct before *b, const char of[BEFORE_OF_SIZE],
		     uint8_t ret[BEFORE_SIZE_MAX]);
/* -EBADMSG; -ESTALE: of another. */
int before_decode(struct span bytes, const char of[BEFORE_OF_SIZE], struct before *ret);
