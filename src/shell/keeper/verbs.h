/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.h - the table of what the keeper does for its child. Inside the room only. */
#pragma once

#include "shell/keeper/message.h"
#include "shell/keeper/ways.h"

/* What the keeper holds while one child lives. */
struct verbs {
	const struct keeper_options *options;
	pid_t child;
	unsigned n_routes; /* added less deleted: at least as many as there are */
	bool is_guard_on;
	int n_guard_rules; /* in its table, as it was set */
	struct ways ways;
	bool has_own;	 /* the tunnel was given an address: */
	uint8_t own[16]; /* the last one */
	enum keeper_names names;
	pid_t names_pid; /* of the process that tells systemd-resolved; 0: none */
	char names_why[KEEPER_WHY_SIZE];
	unsigned batman_mtu;		/* that fits the interfaces opened so far; 0: none is */
	uint8_t batman_address[6];	/* of the TAP device: made of the first one's */
	struct ebpf_host *ebpf;		/* outlives a child */
	char ebpf_why[KEEPER_WHY_SIZE]; /* why it could not be made */
};

/* In names.c. */
int names_listen(struct verbs *v, const struct request *q, struct reply *ret);
int names_apply(struct verbs *v, const struct request *q, struct reply *ret);
void names_reap(struct verbs *v); /* after SIGCHLD */
/* Why: "" where there is nothing to say; else what failed, or, with 0, a remark. */
int names_restore(struct verbs *v, char why[KEEPER_WHY_SIZE]);

/* In batman.c, for the gateway that there is in the options, once verbs.c has looked at them. */
int batman_socket(struct verbs *v, unsigned which, struct reply *ret);
int batman_tap(const struct verbs *v, struct reply *ret); /* one socket is open already */

/* What hold.c looks after: is it set, as far as we know; is any of it missing (1, 0 or an error);
 * set it again. */
bool verbs_has_guard(const struct verbs *v);
int verbs_misses_guard(const struct verbs *v);
int verbs_repair_guard(struct verbs *v, char why[KEEPER_WHY_SIZE]);
bool verbs_has_rules(const struct verbs *v);
int verbs_misses_rules(const struct verbs *v);
int verbs_repair_rules(struct verbs *v, char why[KEEPER_WHY_SIZE]);
bool verbs_has_nat(const struct verbs *v);
int verbs_misses_nat(const struct verbs *v);
int verbs_repair_nat(struct verbs *v, char why[KEEPER_WHY_SIZE]);
void verbs_guard_applied(struct verbs *v); /* by a process of ours */

/* Those without a reply. */
bool verbs_do_silent(struct verbs *v, const struct request *request);
/* Checks the request against the options and does it. ret->fd is the caller's to close. */
void verbs_do(struct verbs *v, const struct request *request, struct reply *ret);
