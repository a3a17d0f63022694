/* SPDX-License-Identifier: Apache-2.0 */
/* joining.h - the join handshake on real sockets, and what to tell a person whom it failed. */
#pragma once

#include "cli/cli.h"
#include "core/node/joiner.h"
#include "daemon/member.h"

#define JOINING_ADDRESSES_MAX JOINER_ENDPOINTS_MAX

/* What became of one address of one endpoint of the invitation. */
struct joining_outcome {
	size_t endpoint;		  /* index into the invitation's */
	char address[ENDPOINT_TEXT_SIZE]; /* "" where the name could not be resolved */
	int resolve_error;		  /* negative errno; 0 */
	struct joiner_trial trial;
};

struct joining {
	struct cli *c;
	const struct invite *invite;
	const struct crypto_ops *ops;
	const struct member_request *request;
	int64_t unix_s;
	/* results */
	bool is_answered;
	uint8_t *answer; /* owned */
	size_t answer_len;
	size_t endpoint; /* of the invitation: the one that answered */
	size_t n_outcomes;
	struct joining_outcome outcomes[JOINING_ADDRESSES_MAX];
};

/* Runs for at most 10 s. 0 or an exit status (something of this machine failed, and was said);
 * whether there is an answer is in is_answered. */
int joining_run(struct joining *j);
void joining_done(struct joining *j); /* wipes */

/* One sentence on an outcome that was none, with what to do. Pure. */
void joining_explain(const struct joining_outcome *o, char ret[CLI_TEXT_SIZE]);
