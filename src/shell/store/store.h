/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what must survive a restart, as files of one directory (/var/lib/x0).
 *
 * Every file is replaced whole: written beside the old one, synced, renamed over it, and the
 * directory synced. After a crash or on a full disk there is the old content or the new one.
 * Called from any thread, by one at a time; it blocks on the disk.
 *
 * All functions return a negative errno on failure and then a sentence for people in
 * *ret_error, with the path and, where there is one, the command to run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "core/identity/identity.h"

struct store_error {
	char text[512];
};

/* Names and bounds are one table in store.c. "Secret" files must be closed to others. */
enum store_file {
	STORE_AUTHORITY_MLDSA_KEY, /* secret; PKCS#8 */
	STORE_AUTHORITY_P256_KEY,  /* secret; PKCS#8 */
	STORE_AUTHORITY_ISSUED,	   /* JSON, struct store_issued */
	STORE_ROOT_MLDSA,	   /* DER */
	STORE_ROOT_P256,	   /* DER */
	STORE_NODE_MLDSA_KEY,	   /* secret; PKCS#8 */
	STORE_NODE_P256_KEY,	   /* secret; PKCS#8 */
	STORE_MEMBERSHIP,	   /* secret; what the authority answered: roots, chains, keys */
	STORE_TOKENS,		   /* secret; JSON, struct token_entry */
	STORE_BOOT_EPOCH,	   /* decimal */
	STORE_CLOCK_FLOOR,	   /* decimal, unix seconds */
	STORE_PEERS,		   /* JSON, struct store_peer */
	STORE_EXIT,		   /* name of the node that is the exit, or "any" */
	STORE_N_FILES,
};

const char *store_file_name(enum store_file file);

struct store;

enum store_access {
	STORE_OWN,  /* the daemon, or a command that changes things: takes the lock */
	STORE_LOOK, /* a command that only reads, beside a running daemon */
};

/* Makes the directory (mode 0700; its parent must exist) where it is missing, and with
 * STORE_OWN removes half-written files of a crash. -EBUSY when another process owns it (the text
 * has its pid), -EPERM when others may write to it, -EACCES or -EROFS when we may not. */
int store_open(const char *directory, enum store_access access, struct store **ret,
	       struct store_error *ret_error);
void store_close(struct store *s); /* gives the lock back */
const char *store_directory(const struct store *s);

/* A file's content, owned; store_value_done() wipes and frees it. All zeros owns nothing. */
struct store_value {
	uint8_t *at;
	size_t len;
};

void store_value_done(struct store_value *v);
static inline struct span store_value_span(const struct store_value *v)
{
	return SPAN(v->at, v->len);
}

bool store_has(const struct store *s, enum store_file file);
/* -ENOENT when it does not exist, -EPERM for a secret that others may read or write (the text
 * has the chmod to run), -EFBIG for more than the file's bound, -ELOOP for a symbolic link. */
int store_read(const struct store *s, enum store_file file, struct store_value *ret,
	       struct store_error *ret_error);
/* -ENOSPC, -EDQUOT or -EFBIG when there is no room; -EROFS for a store opened with STORE_LOOK.
 * On any failure the old content stays. */
int store_write(struct store *s, enum store_file file, struct span content,
		struct store_error *ret_error);
/* 0 also when it was not there. */
int store_remove(struct store *s, enum store_file file, struct store_error *ret_error);

/* This boot's epoch: max(stored + 1, unix_s). Nobody may see it before it is saved, which takes
 * as long as the disk does; to save it on another thread is fine, as for any file that no other
 * call writes meanwhile. */
int store_next_boot_epoch(const struct store *s, int64_t unix_s, uint64_t *ret,
			  struct store_error *ret_error);
int store_save_boot_epoch(struct store *s, uint64_t epoch, struct store_error *ret_error);
/* The time to go by: max(system, last saved, build), all in unix seconds. */
int store_clock(const struct store *s, int64_t system_s, int64_t build_s, int64_t *ret,
		struct store_error *ret_error);
/* Raises the saved time; one that is not later is not written. */
int store_save_clock(struct store *s, int64_t unix_s, struct store_error *ret_error);

/* The lists. Loading a file that does not exist yields none; ret has room for the bound. A
 * file that is not exactly as we write it is refused (-EBADMSG), with the line where known; ret
 * then holds whatever came before the fault, and *ret_n is untouched. */
int store_load_tokens(const struct store *s, struct token_entry ret[TOKENS_MAX], size_t *ret_n,
		      struct store_error *ret_error);
int store_save_tokens(struct store *s, const struct token_entry *tokens, size_t n,
		      struct store_error *ret_error);

/* Where peers were last seen, so that a restarted node knows whom to try. */
#define STORE_PEERS_MAX 1024
#define STORE_PEER_ENDPOINTS_MAX 8

struct store_peer {
	char spiffe_id[SPIFFE_ID_SIZE];
	int64_t seen_s; /* unix seconds */
	size_t n_endpoints;
	struct endpoint endpoints[STORE_PEER_ENDPOINTS_MAX]; /* best first */
};

int store_load_peers(const struct store *s, struct store_peer ret[STORE_PEERS_MAX], size_t *ret_n,
		     struct store_error *ret_error);
int store_save_peers(struct store *s, const struct store_peer *peers, size_t n,
		     struct store_error *ret_error);

/* Whom the authority has certified: names taken, and what to revoke. */
#define STORE_ISSUED_MAX 4096

struct store_issued {
	char name[NODE_NAME_MAX + 1];
	uint64_t node_id;
	uint8_t serial[SERIAL_LEN]; /* of the newest ML-DSA-65 certificate */
	int64_t not_after_s;
	bool is_revoked;
	uint8_t request[SHA256_LEN]; /* H(J) of its join request; zeros for the founder */
};

int store_load_issued(const struct store *s, struct store_issued ret[STORE_ISSUED_MAX],
		      size_t *ret_n, struct store_error *ret_error);
int store_save_issued(struct store *s, const struct store_issued *issued, size_t n,
		      struct store_error *ret_error);

/* The text of the three lists, for their tests. -EBADMSG, and why in *ret_error. */
int store_decode_tokens(struct span text, struct token_entry ret[TOKENS_MAX], size_t *ret_n,
			struct store_error *ret_error);
int store_decode_peers(struct span text, struct store_peer ret[STORE_PEERS_MAX], size_t *ret_n,
		       struct store_error *ret_error);
int store_decode_issued(struct span text, struct store_issued ret[STORE_ISSUED_MAX], size_t *ret_n,
			struct store_error *ret_error);
