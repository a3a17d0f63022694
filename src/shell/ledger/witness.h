/* SPDX-License-Identifier: Apache-2.0 */
/* witness.h - what is kept of witnesses, below the ledger's directory:
 *
 *	witnesses/ID		the own checkpoint as that neighbour has cosigned it last
 *	logs/ID/latest		the latest checkpoint of that neighbour's log that was signed here
 *	logs/ID/rumour		what somebody else was shown of it, until it is proved to fit
 *	logs/ID/evidence-1, -2	two checkpoints of it that contradict each other
 *
 * ID is the node's, 16 hexadecimal digits. Each file is a record of core/cosign. Called from any
 * thread, but of one log from one at a time. */
#pragma once

#include "core/cosign/cosign.h"
#include "shell/ledger/ledger.h"

struct witness_files {
	const char *directory; /* the ledger's */
	const struct crypto_ops *ops;
	const struct note_crypto *crypto;
	const struct ledger_files *files; /* NULL: the system's */
};

/* Fills ret, which is zeros. 0 also where there is nothing; -ENOBUFS: nor room for one more;
 * -EUCLEAN: it is damaged. */
int witness_log_load(const struct witness_files *f, uint64_t id, struct cosign_log *ret);
/* COSIGN_KEEP_*; durable when it returns 0. */
int witness_log_keep(const struct witness_files *f, uint64_t id, const struct cosign_log *l,
		     unsigned parts);
/* The record that cosign_take() wrote; durable. */
int witness_put(const struct witness_files *f, uint64_t id, struct span record);

/* A neighbour's cosignature of the own checkpoint, checked. */
struct witness_fact {
	uint64_t id;
	char name[NOTE_NAME_MAX + 1]; /* origin of the witness's own log */
	struct checkpoint of;
	uint64_t unix_s;
	int error; /* 0, or why it counts for nothing; then the rest is not known */
};

/* Those of the log with these keys, at most n_max of COSIGN_PEERS_MAX; how many there are. Negative
 * where they cannot be read; none is 0. */
int witness_list(const struct witness_files *f, const struct note_key keys[2],
		 struct witness_fact *ret, size_t n_max);
/* The logs that are remembered here: their ids. */
int witness_logs(const struct witness_files *f, uint64_t *ret, size_t n_max);
/* The ledger's private keys; the caller wipes them. */
int witness_keys(const struct witness_files *f, struct ledger_keys *ret);
