/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as the daemon comes by them: the memory they lie in, the passphrase they may have,
 * and the authority's, which may be unlocked and locked while it runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/daemon_internal.h"

#define CREDENTIAL "x0-passphrase" /* systemd.exec(5), LoadCredential= */

static struct span span_of(const struct passphrase *p)
{
	return SPAN(p->at, p->len);
}

/* ---- at the start ---- */

/* systemd's credential, else what the configuration names. */
static bool passphrase_path(const struct daemon *d, char *ret, size_t size)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	if (credentials) {
		(void)snprintf(ret, size, "%s/" CREDENTIAL, credentials);
		if (access(ret, F_OK) == 0)
			return true;
	}
	(void)snprintf(ret, size, "%s", d->config->passphrase_file);
	return ret[0] != '\0';
}

void keys_passphrase(struct daemon *d)
{
	char why[SECRET_WHY_SIZE] = "";
	char path[512];

	if (passphrase_path(d, path, sizeof(path)) &&
	    passphrase_read(path, &d->passphrase, why) < 0)
		log_error(d->log, "passphrase_not_read", log_str("why", why));
}

/* What is not locked may be written to swap. It is said once, or it is the end. */
static int check_memory(struct daemon *d, int heap)
{
	struct crypto_description crypto = { 0 };
	struct secret_description memory;
	char why[KEEPER_WHY_SIZE];
	bool is_locked;

	secret_describe(&memory);
	(void)crypto_openssl_describe(&crypto);
	is_locked = memory.unlocked_bytes == 0 && heap == 0 && crypto.unlocked_key_bytes == 0;
	if (memory.unlocked_bytes > 0)
		(void)snprintf(why, sizeof(why), "private keys may be written to swap: %s",
			       memory.why);
	else if (heap < 0)
		(void)snprintf(why, sizeof(why),
			       "keys that OpenSSL keeps may be written to swap: its secure heap "
			       "could not be locked (ulimit -l, LimitMEMLOCK=)");
	else if (crypto.unlocked_key_bytes > 0)
		(void)snprintf(why, sizeof(why),
			       "keys that OpenSSL keeps may be written to swap: its secure heap is "
			       "full");
	else
		(void)snprintf(why, sizeof(why), "%zu KiB", memory.locked_bytes / 1024);
	if (!is_locked && d->config->require_locked_memory)
		return daemon_fatal(d, "memory_not_locked", why);
	daemon_feature(d, "locked_memory", is_locked, why);
	return 0;
}

static void tell_lock(struct daemon *d)
{
	if (!d->authority || !authority_has_passphrase(d->authority))
		return;
	if (authority_is_locked(d->authority))
		daemon_feature(
			d, "authority", false,
			"its keys are locked by their passphrase: nobody is admitted, renewed "
			"or revoked; unlock: x0 key unlock");
	else
		daemon_feature(d, "authority", true, "unlocked");
}

/* A passphrase that does not open it leaves it locked, which is no reason not to run. */
static int load_authority(struct daemon *d)
{
	struct authority_keys keys = { 0 };
	struct store_error e = { 0 };
	int r = authority_load(d->store, d->ops, d->member, &d->authority, &e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return daemon_fatal(d, "cannot_load_authority", e.text);
	if (authority_is_locked(d->authority) && d->passphrase.len > 0) {
		r = authority_keys_read(d->authority, &keys, &e);
		if (r == 0 && authority_keys_open(&keys, span_of(&d->passphrase)) < 0)
			log_error(d->log, "authority_not_unlocked",
				  log_str("why", "the passphrase given is not that of its keys"));
		else if (r == 0)
			r = authority_unlock(d->authority, &keys, &e);
		if (r < 0)
			log_error(d->log, "authority_not_unlocked", log_str("why", e.text));
		authority_keys_done(&keys);
	}
	tell_lock(d);
	return 0;
}

int keys_load(struct daemon *d)
{
	int heap = crypto_openssl_secure_heap();
	struct store_error e;
	int r = member_open(d->store, d->ops, span_of(&d->passphrase), &d->member, &e);

	if (r < 0)
		return daemon_fatal(
			d, r == -ENOKEY || r == -EKEYREJECTED ? "keys_not_opened" : "not_a_member",
			e.text);
	r = load_authority(d);
	passphrase_done(&d->passphrase);
	return r != 0 ? r : check_memory(d, heap);
}

/* ---- while it runs ---- */

/* scrypt takes its time, which the loop does not have. */
struct unlocking {
	struct daemon *daemon;
	uint64_t request;
	struct passphrase passphrase;
	struct authority_keys keys;
	int result;
};

static void unlocking_free(struct unlocking *u)
{
	if (!u)
		return;
	passphrase_done(&u->passphrase);
	authority_keys_done(&u->keys);
	free(u);
}

DEFINE_FREEP(struct unlocking, unlocking_free)

static void fail(struct daemon *d, uint64_t request, const char *code, const char *why)
{
	(void)answer_error(d, request, code, why);
}

static void unlock_work(void *arg)
{
	struct unlocking *u = arg;

	u->result = authority_keys_open(&u->keys, span_of(&u->passphrase));
}

static void use_keys(struct daemon *d, struct unlocking *u)
{
	struct store_error e;

	if (u->result < 0) {
		log_warning(d->log, "authority_not_unlocked");
		fail(d, u->request, "passphrase",
		     u->result == -EKEYREJECTED
			     ? "this is not the passphrase of the authority's "
			       "keys; it stays locked"
			     : "a key of the authority cannot be read; restore it "
			       "from a backup");
	} else if (authority_unlock(d->authority, &u->keys, &e) < 0) {
		fail(d, u->request, "failed", e.text);
	} else {
		node_set_root_key(d->node, authority_root_key(d->authority));
		tell_lock(d);
		log_notice(d->log, "authority_unlocked");
		(void)answer_result(d, u->request, json_pack("{s:b}", "is_locked", 0));
	}
}

static void unlock_done(void *arg)
{
	struct unlocking *u = arg;
	struct daemon *d = u->daemon;

	d->is_unlocking = false;
	if (!d->is_stopping)
		use_keys(d, u);
	unlocking_free(u);
}

static bool take_passphrase(const json_t *args, struct passphrase *ret)
{
	const json_t *text = json_object_get(args, "passphrase");
	size_t len = json_string_length(text);

	if (len == 0 || len > PASSPHRASE_MAX)
		return false;
	ret->at = secret_alloc(len + 1);
	if (!ret->at)
		return false;
	memcpy(ret->at, json_string_value(text), len);
	ret->len = len;
	return true;
}

static bool may(struct daemon *d, uint64_t request)
{
	if (!d->authority)
		fail(d, request, "not_authority",
		     "only the node that holds the authority has its keys");
	else if (d->is_unlocking)
		fail(d, request, "busy", "the keys are being unlocked this moment");
	return d->authority && !d->is_unlocking;
}

void keys_unlock(struct daemon *d, uint64_t request, const json_t *args)
{
	CLEANUP(unlocking_freep) struct unlocking *u = calloc(1, sizeof(*u));
	struct store_error e = { "out of memory" };

	if (!may(d, request))
		return;
	if (!authority_is_locked(d->authority)) {
		(void)answer_result(d, request, json_pack("{s:b}", "is_locked", 0));
		return;
	}
	if (!u || authority_keys_read(d->authority, &u->keys, &e) < 0) {
		fail(d, request, "failed", e.text);
		return;
	}
	if (!take_passphrase(args, &u->passphrase)) {
		fail(d, request, "usage", "give the passphrase: x0 key unlock");
		return;
	}
	u->daemon = d;
	u->request = request;
	if (loop_work(d->loop, unlock_work, unlock_done, u) < 0) {
		fail(d, request, "busy", "too much is being done at once; try again");
		return;
	}
	d->is_unlocking = true;
	(void)TAKE(u);
}

void keys_lock(struct daemon *d, uint64_t request)
{
	struct store_error e;

	if (!may(d, request))
		return;
	if (!authority_has_passphrase(d->authority)) {
		(void)authority_lock(d->authority, &e);
		fail(d, request, "no_passphrase", e.text);
		return;
	}
	node_set_root_key(d->node, NULL);
	(void)authority_lock(d->authority, &e);
	tell_lock(d);
	log_notice(d->log, "authority_locked");
	(void)answer_result(d, request, json_pack("{s:b}", "is_locked", 1));
}
