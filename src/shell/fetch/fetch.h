/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - requests to servers of others: TCP alone, HTTP and mail, by libcurl, from a thread of
 * its own. This room alone loads libcurl.
 *
 * The loop never waits: libcurl waits for name servers where a request runs out of time, and reads
 * certificates for many milliseconds. TLS is verified, against the system's authorities unless a
 * file is given; no redirect is followed, no proxy of the environment is used. Answers are not
 * kept, and one that goes on beyond FETCH_ANSWER_MAX is hung up on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "shell/loop/loop.h"

#define FETCH_AT_ONCE_MAX 32 /* under way; -ENOBUFS beyond */
#define FETCH_ANSWER_MAX 65536
#define FETCH_RETRY_AFTER_MAX_S 3600
#define FETCH_URL_MAX 512
#define FETCH_WHY_SIZE 240

enum fetch_kind {
	FETCH_CONNECT, /* TCP alone: url is http://HOST:PORT, and nothing is sent */
	FETCH_GET,
	FETCH_POST,
	FETCH_MAIL, /* url is smtp:// or smtps:// */
};

struct fetch_request { /* all copied; NULL: none */
	enum fetch_kind kind;
	const char *url;
	struct span body;	  /* POST; MAIL: the message with its head, lines ended by CRLF */
	const char *content_type; /* POST */
	const char *bearer;	  /* Authorization */
	const char *mail_from, *mail_to;
	const char *user, *password;
	bool needs_tls; /* smtp://: STARTTLS or nothing */
	const char *ca_file;
	uint64_t connect_ms, total_ms;
};

struct fetch_outcome {
	bool is_done;		/* TCP connected; an answer of HTTP came; the mail was taken */
	unsigned status;	/* of HTTP or SMTP; 0: none */
	unsigned retry_after_s; /* 0: it does not say */
	uint64_t took_us;
	const char
		*why; /* where it is not done: static, without the URL, which may hold a secret */
};

/* On the loop. */
typedef void fetch_handler(void *arg, const struct fetch_outcome *o);

struct fetch;

/* -ENOENT without libcurl, -ENOMEM, -EAGAIN; each with a sentence. */
int fetch_new(struct loop *l, struct fetch **ret, char why[FETCH_WHY_SIZE]);
/* Drops what is under way: no handler is called any more. Not from a handler. */
void fetch_free(struct fetch *f);
/* -ENOBUFS, -ENOMEM, -EINVAL: a URL that is too long or of another scheme; and then the handler is
 * not called, else once. */
int fetch_begin(struct fetch *f, const struct fetch_request *r, fetch_handler *handler, void *arg);
