/* SPDX-License-Identifier: Apache-2.0 */
/* ways.h - which packets of this machine go to the tunnel, and what of the tunnel's is passed on:
 * rules and a routing table, forwarding and NAT. Inside the room only.
 *
 * All of it outlives the daemon, some of it on purpose; so the keeper removes it at its end, and at
 * its start what one before it left. */
#pragma once

#include "shell/keeper/before.h"

struct ways {
	bool is_looked_up; /* the rules for the table are there */
	unsigned exit;	   /* bits of enum keeper_exit */
	int n_rules;	   /* of ours, as they were set last */
	bool is_forwarding;
	int n_nat_rules;	  /* in its table, as it was set */
	struct nft_names tunnels; /* others for which it passes on too */
	struct before before;	  /* we said so */
	const char *run_dir;	  /* as in the options */
};

extern const struct netlink_prefix ways_default_ipv4, ways_default_ipv6;

/* By which rules and tables of a tunnel are known; two tunnels may have the same. */
uint32_t ways_number(const char *tun_name);
/* alone.c: -EADDRINUSE where another keeper in this network namespace has that number, which why
 * says. 0 with a descriptor to keep, or -1 where it cannot be told. */
int alone_begin(const char *tun_name, int *ret_fd, char why[KEEPER_WHY_SIZE]);
/* Whether anybody holds it; for those without the privilege, who cannot begin. */
bool alone_is_held(const char *tun_name);
/* The routing table of a tunnel's networks. */
uint32_t ways_table(const char *tun_name);
/* Makes the kernel look into that table. */
int ways_look(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
int ways_exit(struct ways *w, const char *tun_name, unsigned bits, char why[KEEPER_WHY_SIZE]);
/* 1 where some of the rules have gone, 0, or an error. */
int ways_misses_rules(const struct ways *w, const char *tun_name);
int ways_repair_rules(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
int ways_clean(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
/* How many rules there are of the tunnel, of a keeper that was killed; whether they let nothing out
 * except by an exit. Needs no privilege. */
int ways_count(const char *tun_name, bool *ret_is_only);
/* Removes what a keeper that was killed left; but what let nothing out except by an exit stays, as
 * if we had set it, and *w says so. 1 where something was removed, which why tells; 0, or
 * an error. */
int ways_left_over(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);

/* ---- forwarding.c ---- */

/* Where it is on it is looked at, and set again if need be. */
int forwarding_set(struct ways *w, const char *tun_name, bool is_on, char why[KEEPER_WHY_SIZE]);
int forwarding_stop(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
/* Takes back what a keeper that was killed left. True where there was something. */
bool forwarding_left_over(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
/* 1 where the table has gone, or rules of it, 0, or an error. */
int forwarding_is_missing(const struct ways *w, const char *tun_name);
/* Another tunnel passes on since, or no longer: its packets are to be let through. */
bool forwarding_is_outdated(const struct ways *w, const char *tun_name);
int forwarding_repair(struct ways *w, const char *tun_name, char why[KEEPER_WHY_SIZE]);
