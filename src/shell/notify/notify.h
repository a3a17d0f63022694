/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - tells people of what needs them: by a webhook, by mail, by a Telegram bot.
 *
 * Each way has a queue of its own, in order. What cannot be delivered now is tried again, after
 * longer and longer pauses; what a server refuses for good is dropped and counted. Beyond
 * so many an hour messages are held back, and one that sums them up follows. Never waits; on the
 * loop's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "shell/config/config.h"
#include "shell/fetch/fetch.h"
#include "shell/log/log.h"
#include "shell/loop/loop.h"
#include "shell/secret/secret.h"

#define NOTIFY_WAITING_MAX 32 /* of each way; more are held back */
#define NOTIFY_BURST 5	      /* at once, before the rate of an hour holds */
#define NOTIFY_TRIES_MAX 8    /* with the pauses below some nine minutes */
#define NOTIFY_RETRY_MS 2000  /* before the second, then twice that, each by half more or less */
#define NOTIFY_RETRY_MAX_MS 300000
#define NOTIFY_CONNECT_MS 5000
#define NOTIFY_ANSWER_MS 20000
#define NOTIFY_TITLE_SIZE 160
#define NOTIFY_TEXT_SIZE 3072 /* Telegram takes 4,096 characters */
#define NOTIFY_NAMED_MAX 5    /* titles in a summary; the others are counted */

enum notify_severity {
	NOTIFY_INFO,
	NOTIFY_WARNING,
	NOTIFY_SERIOUS,
	NOTIFY_N_SEVERITIES,
};

struct notify_message { /* copied; cut where it is longer than the sizes above */
	enum notify_severity severity;
	uint64_t incident; /* 0: none */
	const char *title; /* one line */
	const char *text;  /* lines, with the plan */
	int64_t unix_ms;
};

enum notify_way {
	NOTIFY_WEBHOOK,
	NOTIFY_MAIL,
	NOTIFY_TELEGRAM,
	NOTIFY_N_WAYS,
};

/* All copied; "" or NULL: none. Secrets are kept in memory for secrets. */
struct notify_options {
	struct loop *loop;
	struct log *log;
	const char *node;	    /* SPIFFE ID, or name */
	const char *webhook_url;    /* http://, https:// */
	const char *webhook_bearer; /* secret */
	const char *mail_url;	    /* smtp://, which must then speak STARTTLS; smtps:// */
	bool mail_is_plain;	    /* without TLS: only where there is no password */
	const char *mail_from, *mail_to;
	const char *mail_user, *mail_password;	    /* secret */
	const char *telegram_url;		    /* https://api.telegram.org */
	const char *telegram_chat, *telegram_token; /* secret */
	const char *ca_file;
	unsigned per_hour; /* 1 to 3600, of each way */
	unsigned retry_ms; /* before the second try; 0: NOTIFY_RETRY_MS */
	uint64_t seed;	   /* of jitter and of message numbers */
};

struct notify;

/* -EINVAL with a sentence that names no secret; -ENOENT without libcurl; -ENOMEM. */
int notify_new(const struct notify_options *o, struct notify **ret, char why[FETCH_WHY_SIZE]);
/* What the keys notify.*_file name: read while there are privileges, before there is a loop. */
struct notify_secrets {
	struct passphrase webhook, mail, telegram;
};

/* -EPERM for a file that others may read, or what the system says, with a sentence; done in any
 * case. Of a configuration without any way nothing is read. */
int notify_secrets_read(const struct config *c, struct notify_secrets *ret,
			char why[FETCH_WHY_SIZE]);
void notify_secrets_done(struct notify_secrets *s);
/* notify_new() by the keys notify.*. *ret is NULL where no way is configured. */
int notify_configured(const struct config *c, const struct notify_options *base,
		      const struct notify_secrets *secrets, struct notify **ret,
		      char why[FETCH_WHY_SIZE]);
/* Drops what waits and what is under way. */
void notify_free(struct notify *n);
/* By every way there is. -ENOENT: there is none. */
int notify_send(struct notify *n, const struct notify_message *m, uint64_t now_us);

struct notify_counters {
	uint64_t sent;	   /* taken by the other side */
	uint64_t refused;  /* for good */
	uint64_t given_up; /* tried NOTIFY_TRIES_MAX times */
	uint64_t held_back;
	uint64_t retries;
	size_t waiting;
};

bool notify_has(const struct notify *n, enum notify_way way);
void notify_counters(const struct notify *n, enum notify_way way, struct notify_counters *ret);
const char *notify_way_name(enum notify_way way);
const char *notify_severity_name(enum notify_severity severity);
